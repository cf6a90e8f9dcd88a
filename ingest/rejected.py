"""Requests that failed their check: kept sealed in a bounded ring, replayable (PROTOCOL C2).

Owns the port RejectedRing and what is sealed of a request. A secret that was rotated at the
provider before it was changed here costs nothing: once it is put right, `replay` accepts what
passes now. Driver: `infra/embedded/ring.py`.

# BUG: whoever can reach the door can push genuine requests out of the ring with a flood of forged
# ones; the alarm `rejected_requests` stands meanwhile, and Meta goes on delivering for 7 days.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from ingest.doors import Knock
from schemas.errors import Refused

# What the sealed blob is bound to, besides the keys.
SEAL_LABEL: Final = "counterfoil/rejected/v1"
# A rejection in this time is an alarm.
RECENT_MS: Final = 5 * 60_000


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One entry as it can be listed: no content. Times are UTC ms; `size` is the body's bytes."""

    sequence: int
    at: int
    door: str
    reason: str
    size: int


class RejectedRing(Protocol):
    """A ring on this machine's disk: the oldest entries go when it is over its size or age."""

    def put(self, at: int, door: str, reason: str, size: int, blob: bytes) -> None:
        """Keep one sealed request. Raises Transient when the disk failed."""

    def rows(self) -> Iterator[RejectedRow]:
        """Every entry, oldest first."""

    def blob(self, sequence: int) -> bytes:
        """The sealed request. Raises Missing."""

    def remove(self, sequence: int) -> None:
        """Forget one entry. Idempotent."""

    def count_since(self, at: int) -> int:
        """How many came at or after `at` (UTC ms)."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did: accepted now, still failing, and sealed for a key that is not held."""

    accepted: int
    still_refused: int
    unopened: int


def encode(knock: Knock) -> bytes:
    """The plaintext that is sealed: a line of JSON, then the body as it came."""
    head = json.dumps({
        "door": knock.door, "method": knock.method, "url": knock.url,
        "content_type": knock.content_type, "headers": [list(one) for one in knock.headers],
    }, separators=(",", ":"))
    return head.encode() + b"\n" + knock.body


def decode(plain: bytes) -> Knock:
    """The inverse of `encode`. Raises Refused."""
    head, found, body = plain.partition(b"\n")
    if not found:
        raise Refused("rejected request is cut")
    try:
        known = json.loads(head)
        headers = tuple((str(name), str(value)) for name, value in known["headers"])
        return Knock(str(known["door"]), str(known["method"]), str(known["url"]),
                     str(known["content_type"]), headers, body)
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("rejected request does not parse") from error


def replay(ring: RejectedRing, opener: Callable[[bytes], bytes],
           accept: Callable[[Knock, int], bool]) -> Replayed:
    """Check every kept request again, oldest first, and take in what passes now.

    `opener` unseals and raises Refused; `accept` gets the request and when it came (UTC ms), and
    returns true once all its events are durable, false when the check fails still
    (`ingest.doors.readmit`). Its Transient ends the replay; what was taken in has left the ring.
    """
    accepted = refused = unopened = 0
    for row in list(ring.rows()):
        try:
            knock = decode(opener(ring.blob(row.sequence)))
        except Refused:
            unopened += 1
            continue
        if not accept(knock, row.at):
            refused += 1
            continue
        # Durable. A crash before the next line takes it in once more: a further sighting.
        ring.remove(row.sequence)
        accepted += 1
    return Replayed(accepted, refused, unopened)
