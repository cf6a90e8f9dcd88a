"""How much was left out and is not said yet: counts that outlive the process (PROTOCOL C4).

Owns them from the first item of a day to the event on the log. An event for each item would say
when somebody wrote to whom, to the second; so there is one for each conversation and day, at the
end of the day of capture and at a stop. Until then the counts lie beside the spool, sealed under a
subkey of the routing key: the file names the people whose talk is nobody's business.

A count is durable before the delivery that it counts is answered. A crash between the two counts
it once more, never less.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ingest.exclusions import Count, Counts, Day, added
from ingest.spool import Memory
from schemas.errors import Refused

_NAME: Final = "exclusions"
_AAD: Final = b"counterfoil/exclusions/v1"
_NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Ready:
    """Counts that change no more. `named`: see `exclusions.count_events`."""

    named: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class _State:
    """`opened_at`: when the first of the open counts came (UTC ms)."""

    opened_at: int
    open: Counts
    ready: tuple[Ready, ...]


class ExclusionCounts:
    """The counts of one process. Thread-safe; every method raises Transient when the disk fails and
    Refused when what lies there was sealed under another key."""

    def __init__(self, memory: Memory, key: bytes, capture_id: bytes,
                 random: Callable[[int], bytes]) -> None:
        """`key` is `Router.exclusion_key()`; `memory` outlives the process."""
        self._memory, self._random = memory, random
        self._cipher = AESGCM(key)
        self._capture_id = capture_id
        self._lock = threading.Lock()
        self._held: _State | None = None

    def add(self, counts: Iterable[tuple[Day, Count]], now: int) -> None:
        """Durable when it returns. `now`: our clock, UTC ms."""
        with self._lock:
            held = self._state()
            opened_at = held.opened_at if held.open else now
            self._keep(_State(opened_at, added(held.open, counts), held.ready))

    def ready(self, now: int, *, stopping: bool = False) -> tuple[Ready, ...]:
        """Whatever is to be said now: counts of a day that is over, of a stop, and those that an
        earlier process closed and perhaps did not say. They are closed durably first, so that what
        is said a second time is the same."""
        with self._lock:
            held = self._state()
            if held.open and (stopping or _day(held.opened_at) != _day(now)):
                named = f"{self._capture_id.hex()}:{held.opened_at}"
                held = _State(0, {}, (*held.ready, Ready(named, held.open)))
                self._keep(held)
            return held.ready

    def said(self, ready: Ready) -> None:
        """Its events are on the log."""
        with self._lock:
            held = self._state()
            self._keep(_State(held.opened_at, held.open,
                              tuple(one for one in held.ready if one.named != ready.named)))

    def _state(self) -> _State:
        if self._held is None:
            kept = self._memory.recall(_NAME)
            self._held = self._unsealed(kept) if kept else _State(0, {}, ())
        return self._held

    def _keep(self, state: _State) -> None:
        plain = json.dumps([state.opened_at, _rows(state.open),
                            [[one.named, _rows(one.counts)] for one in state.ready]]).encode()
        nonce = self._random(_NONCE_BYTES)
        self._memory.remember(_NAME, nonce + self._cipher.encrypt(nonce, plain, _AAD))
        self._held = state

    def _unsealed(self, kept: bytes) -> _State:
        try:
            opened_at, rows, ready = json.loads(self._cipher.decrypt(
                kept[:_NONCE_BYTES], kept[_NONCE_BYTES:], _AAD))
            return _State(int(opened_at), _counts(rows),
                          tuple(Ready(str(named), _counts(one)) for named, one in ready))
        except (InvalidTag, ValueError, TypeError) as error:
            raise Refused("the counts of what is excluded do not open beside the spool") from error


def _rows(counts: Counts) -> list[list[str | int]]:
    return [[*astuple(day), count.items, count.messages] for day, count in counts.items()]


def _counts(rows: list[list[str]]) -> Counts:
    return {Day(*row[:-2]): Count(int(row[-2]), int(row[-1])) for row in rows}


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).date().isoformat()
