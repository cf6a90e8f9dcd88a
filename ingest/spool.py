"""The gateway's own spool: sealed records that the log did not acknowledge in time (PROTOCOL C1).

Owns the ports Spool and Memory and the recovery of records that were sealed for a log which is no
more. When a record goes here, and when it leaves, is `ingest/lane.py`; the SQLite driver is
`infra/embedded/spool.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from schemas.errors import Refused
from schemas.pack import Item
from schemas.wire import LogIdentity

# Records read from the spool at a time while it is drained.
DRAIN_RECORDS_MAX: Final = 64
DRAIN_BYTES_MAX: Final = 4 * 1024 * 1024
_LOG_NAME: Final = "log"


@dataclass(frozen=True, slots=True)
class SpoolEntry:
    """One sealed record: which log and partition it was sealed for (it can go nowhere else), the
    name of its sealing, since when it waits (UTC ms), and its bytes."""

    topic_id: bytes
    partition: int
    session_id: bytes
    counter: int
    spooled_at: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Spooled:
    """An entry and its place: entries of one partition leave in the order of `sequence`."""

    sequence: int
    entry: SpoolEntry


@dataclass(frozen=True, slots=True)
class SpoolSummary:
    """What waits: how many records and bytes, since when the oldest (UTC ms), and the count per
    (topic id, partition), ascending."""

    count: int
    size: int
    oldest_at: int | None
    lanes: tuple[tuple[bytes, int, int], ...]

    def waiting(self, topic_id: bytes) -> dict[int, int]:
        """Partition -> count, of one log."""
        return {partition: count for topic, partition, count in self.lanes if topic == topic_id}


class Spool(Protocol):
    """An ordered store of entries on this machine's disk. One process at a time."""

    def put(self, entry: SpoolEntry) -> int:
        """Keep `entry`; on disk (fsync) when it returns. The sequence number, always ascending.

        Raises Refused when the spool is full, Transient when the disk failed (perhaps kept).
        """

    def oldest(self, topic_id: bytes, partition: int, after: int, records_max: int,
               bytes_max: int) -> Sequence[Spooled]:
        """The oldest entries of one partition with a sequence above `after`, in order: at least
        one if there is any, then up to both limits."""

    def remove(self, sequences: Sequence[int]) -> None:
        """Forget entries that the log has acknowledged. Idempotent."""

    def summary(self) -> SpoolSummary:
        """What waits now."""


class Memory(Protocol):
    """A few named values kept beside the spool; durable when `remember` returns."""

    def recall(self, name: str) -> bytes | None:
        """The value, or null."""

    def remember(self, name: str, value: bytes) -> None:
        """Replace the value."""


def recall_log(memory: Memory) -> LogIdentity | None:
    """The log that this gateway reached last, or null: it may seal for no other (PROTOCOL C1)."""
    value = memory.recall(_LOG_NAME)
    if value is None:
        return None
    try:
        known = json.loads(value)
        return LogIdentity(str(known["topic"]), bytes.fromhex(known["topic_id"]),
                           int(known["partitions"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("the log's identity beside the spool does not parse") from error


def remember_log(memory: Memory, identity: LogIdentity) -> None:
    """Keep the log's identity for a start without a log."""
    memory.remember(_LOG_NAME, json.dumps({
        "topic": identity.topic, "topic_id": identity.topic_id.hex(),
        "partitions": identity.partitions,
    }).encode())


@dataclass(frozen=True, slots=True)
class Recovered:
    """What `recover` did: records and events recorded again, and records that did not open, each
    with its sequence number and reason. Those stay in the spool."""

    records: int
    events: int
    unopened: tuple[tuple[int, str], ...]


def recover(spool: Spool, current: LogIdentity,
            opener: Callable[[SpoolEntry], Sequence[Item]],
            record: Callable[[Sequence[Item]], None]) -> Recovered:
    """Open every entry that was sealed for another log than `current` and record it there.

    An operator's command after `log_replaced`: `opener` needs the transit private key and raises
    Refused for what does not open; `record` is durable when it returns.
    """
    records = events = 0
    unopened: list[tuple[int, str]] = []
    for one in _sealed_for_others(spool, current.topic_id):
        try:
            items = opener(one.entry)
        except Refused as error:
            unopened.append((one.sequence, str(error)))
            continue
        record(items)
        # Recorded. A crash before the next line records it once more: a further sighting.
        spool.remove((one.sequence,))
        records += 1
        events += len(items)
    return Recovered(records, events, tuple(unopened))


def _sealed_for_others(spool: Spool, topic_id: bytes) -> Iterator[Spooled]:
    for other, partition, _count in spool.summary().lanes:
        after = 0
        while other != topic_id:
            page = spool.oldest(other, partition, after, DRAIN_RECORDS_MAX, DRAIN_BYTES_MAX)
            yield from page
            if not page:
                break
            after = page[-1].sequence
