"""Counters that capture processes stated as acknowledged, against those archived (PROTOCOL T4).

Owns the comparison. A session's counters are kept as one integer of bits, so that years of traffic
fit into memory. What cannot be read excuses only what it may hold: a refused record the one counter
that it states, a record whose cells do not open one counter of a session stated around its time.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

from schemas import pack
from schemas.errors import Refused
from schemas.events import CapturedEvent

# A record that a heartbeat states may wait this long for its own partition's segment.
SETTLE_MS: Final = 2 * 3_600_000
# Counters of one session: it ends after a thousand. Above this nobody of ours counts; nothing that
# a capture process says may cost more work than it has bytes.
_COUNTERS_END: Final = 1 << 16
_STATED_MAX: Final = 10_000       # ranges of one heartbeat


@dataclass(frozen=True, slots=True)
class Absent:
    """Counters of one session that one heartbeat states and no readable record carries. `sealed_at`
    is that of the heartbeat's segment (our clock), `stated_at` the capture process's; UTC ms."""

    where: str
    session: str
    sealed_at: int
    stated_at: int
    count: int
    first: int


@dataclass(frozen=True, slots=True)
class Judged:
    """`missing` are findings. The rest are numbers of counters: `waiting` may still be on the log,
    `refused` lie in records that are kept as received, `unreadable` may lie in cells that do not
    open."""

    missing: tuple[Absent, ...]
    waiting: int
    refused: int
    unreadable: int


@dataclass(slots=True)
class Acknowledged:
    """What was seen and what was stated."""

    _seen: dict[bytes, int] = field(default_factory=dict)
    _kept: dict[bytes, int] = field(default_factory=dict)
    _unread: dict[int, int] = field(default_factory=dict)
    _stated: list[tuple[bytes, str, int, int, int]] = field(default_factory=list)

    def see(self, capture_id: bytes, session_id: bytes, counter: int) -> None:
        """A record of this session is archived."""
        _mark(self._seen, capture_id + session_id, counter)

    def keep(self, value: bytes) -> None:
        """A refused record is kept as received. What it says of itself is believed as an excuse
        only: the record is a finding of its own."""
        try:
            taken = pack.take_apart(value)
            opening = pack.read_opening(taken.opening)
        except Refused:
            return  # it names no session
        _mark(self._kept, opening.capture_id + opening.session_id, taken.counter)

    def unread(self, sealed_at: int, count: int) -> None:
        """So many records of a segment could not be read: none of their cells opens."""
        if count:
            self._unread[sealed_at] = self._unread.get(sealed_at, 0) + count

    def state(self, capture_id: bytes, event: CapturedEvent, where: str, sealed_at: int) -> None:
        """Take in a heartbeat of the process `capture_id`: it speaks for its own sessions only.
        One that states nothing readable claims nothing."""
        for session_id, low, high in claims(event):
            bits = (1 << high + 1) - (1 << low)
            self._stated.append((capture_id + session_id, where, sealed_at, event.captured_at,
                                 bits))

    def judged(self, now: int) -> Judged:
        """Every statement that is not borne out, at `now` (UTC ms)."""
        missing: list[Absent] = []
        waiting = refused = unreadable = 0
        named: dict[bytes, int] = {}
        unread = _Unread(self._unread)
        for session, where, sealed_at, at, bits in self._stated:
            # A counter that two heartbeats state is one record.
            gone = bits & ~self._seen.get(session, 0) & ~named.get(session, 0)
            named[session] = named.get(session, 0) | gone
            kept = gone & self._kept.get(session, 0)
            gone &= ~kept
            refused += kept.bit_count()
            if not gone:
                continue
            if now - sealed_at < SETTLE_MS:
                waiting += gone.bit_count()
                continue
            # A record is acknowledged before it is stated, and archived before or after, as its
            # partition's segments close. The process's own clock only widens the time.
            excused = unread.take(min(sealed_at, at) - SETTLE_MS, sealed_at + SETTLE_MS,
                                  gone.bit_count())
            unreadable += excused
            if excused < gone.bit_count():
                missing.append(Absent(where, session[16:].hex(), sealed_at, at,
                                      gone.bit_count() - excused, (gone & -gone).bit_length() - 1))
        return Judged(tuple(missing), waiting, refused, unreadable)


class _Unread:
    """Unreadable records by the time of their segments; each excuses one counter."""

    def __init__(self, counts: dict[int, int]) -> None:
        self._times = sorted(counts)
        self._left = [counts[at] for at in self._times]

    def take(self, since: int, until: int, wanted: int) -> int:
        """Use up to `wanted` of those in [since, until]; how many there were."""
        taken, place = 0, bisect_left(self._times, since)
        while taken < wanted and place < len(self._times) and self._times[place] <= until:
            some = min(wanted - taken, self._left[place])
            self._left[place] -= some
            taken, place = taken + some, place + 1
        return taken


def claims(event: CapturedEvent) -> list[tuple[bytes, int, int]]:
    """(session id, first, last) of each range that a heartbeat states, as far as it reads."""
    try:
        stated = json.loads(event.detail("acknowledged") or "{}")
        found = [(bytes.fromhex(session), int(low), int(high))
                 for session, ranges in stated.items() for low, high in ranges]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return []
    return [(session_id, low, high) for session_id, low, high in found[:_STATED_MAX]
            if 0 <= low <= high < _COUNTERS_END and len(session_id) == 16]


def _mark(known: dict[bytes, int], session: bytes, counter: int) -> None:
    if 0 <= counter < _COUNTERS_END:
        known[session] = known.get(session, 0) | 1 << counter
