"""Counters that were stated as acknowledged, watched while segments come (PROTOCOL T4, G8).

Owns for the last minutes, and at once, what `verify` finds over years: statements that no archived
record bears out after a while. In doubt (a cell that does not open) it says nothing: `verify` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from archive.acknowledged import claims
from archive.reader import ReadEvent, SegmentRead
from archive.seal import decode_refused
from schemas import codec, domains, events, pack
from schemas.errors import Refused
from schemas.events import CapturedEvent

# Records are remembered for so long before the heartbeat that states them. Heartbeats come each
# minute; what a process says later than this about its past is left to `verify`.
MARGIN_MS: Final = 30 * 60_000
_COUNTERS_END: Final = 1 << 16
_STEP: Final = 1_000


class Archive(Protocol):
    """What is asked of the archive (`archive.reader.ArchiveReader`)."""

    def partitions(self) -> list[tuple[str, int]]:
        """Every partition that has a segment."""

    def begin_of(self, topic_id: str, partition: int, offset: int) -> int | None:
        """Where the last segment begins that begins at or before `offset`; or null."""

    def follow(self, topic_id: str, partition: int, next_offset: int) -> Iterator[SegmentRead]:
        """Verified segments from `next_offset` on, in order. Raises Halt on a broken chain."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Counters of one session that a heartbeat states and no archived record carries. `session`:
    hex; `stated_at`: when the heartbeat was said (UTC ms); `first`: the lowest of `count`."""

    session: str
    stated_at: int
    first: int
    count: int

    @property
    def name(self) -> str:
        """Tells holes apart: a second reader of the same archive gives it the same."""
        return f"counter_missing:{self.session}:{self.first}:{self.count}"


@dataclass(slots=True)
class _Statement:
    session: bytes
    sealed_at: int
    stated_at: int
    bits: int


class CounterWatch:
    """Watches one archive. `wait_ms`: for how long after a heartbeat was archived the records that
    it states may still be on their way."""

    def __init__(self, wait_ms: int, now: int) -> None:
        self._wait_ms = wait_ms
        self._horizon = now - wait_ms - MARGIN_MS
        self._seen: dict[bytes, int] = {}
        self._seen_at: dict[bytes, int] = {}
        self._stated: list[_Statement] = []
        self._unread_at = -MARGIN_MS * 2
        self._said: dict[Hole, _Statement] = {}

    def take(self, read: SegmentRead) -> None:
        """One segment; twice changes nothing. An old one is passed over."""
        if read.sealed_at < self._horizon:
            return
        last: tuple[bytes, int] | None = None
        for event in read.events:
            if event.problem or event.datum is None:
                self._take_problem(event, read.sealed_at)
                continue
            if (event.session_id, event.counter) != last:
                last = event.session_id, event.counter
                self._see(event.capture_id + event.session_id, event.counter, read.sealed_at)
            if domains.is_reserved(event.domain) \
                    and domains.reserved_parts(event.domain)[0] == domains.FIRM:
                self._take_own(event, event.datum, read.sealed_at)

    @property
    def horizon(self) -> int:
        """What was sealed before (UTC ms) is not asked for any more."""
        return self._horizon

    def suspects(self, now: int) -> list[Hole]:
        """What is not borne out although its time is over, and was not said (UTC ms)."""
        found: list[Hole] = []
        for one in self._stated:
            gone = self._absent(one)
            if gone and now - one.sealed_at >= self._wait_ms and not self._is_excused(one):
                found.append(Hole(one.session[16:].hex(), one.stated_at,
                                  (gone & -gone).bit_length() - 1, gone.bit_count()))
        return [one for one in found if one not in self._said]

    def say(self, holes: Iterable[Hole]) -> None:
        """These were said: they are suspects no more."""
        by_hole = {(one.session[16:].hex(), one.stated_at): one for one in self._stated}
        for hole in holes:
            statement = by_hole.get((hole.session, hole.stated_at))
            if statement is not None:
                self._said[hole] = _Statement(statement.session, statement.sealed_at,
                                              statement.stated_at, self._absent(statement))

    def said(self) -> list[Hole]:
        """Holes that were said and are holes still, the oldest first."""
        return sorted(self._said, key=lambda one: (one.stated_at, one.session))

    def filled(self) -> list[Hole]:
        """Holes that were said, and whose records have come after all; each once."""
        found = [hole for hole, one in self._said.items() if not self._absent(one)]
        for hole in found:
            del self._said[hole]
        return found

    def forget(self, now: int) -> None:
        """What is older than anything that is still asked for."""
        self._horizon = until = now - self._wait_ms - MARGIN_MS
        held = {one.session for one in self._said.values()}
        for session in [one for one, at in self._seen_at.items()
                        if at < until and one not in held]:
            del self._seen[session], self._seen_at[session]
        self._stated = [one for one in self._stated if one.sealed_at >= until]

    def _take_problem(self, event: ReadEvent, sealed_at: int) -> None:
        if event.problem == "record_refused" and event.datum is not None:
            try:
                taken = pack.take_apart(decode_refused(event.datum)[1])
                opening = pack.read_opening(taken.opening)
            except Refused:
                return  # it names no session
            # A finding of its own; as an excuse it is believed.
            self._see(opening.capture_id + opening.session_id, taken.counter, sealed_at)
        else:
            self._unread_at = max(self._unread_at, sealed_at)

    def _take_own(self, event: ReadEvent, datum: bytes, sealed_at: int) -> None:
        try:
            found = codec.decode(datum)
        except Refused:
            return
        if not isinstance(found, CapturedEvent) or found.kind != events.HEARTBEAT \
                or found.kind not in event.kinds:
            return
        known = {(one.session, one.stated_at, one.bits) for one in self._stated}
        for session_id, low, high in claims(found):
            session, bits = event.capture_id + session_id, (1 << high + 1) - (1 << low)
            if (session, found.captured_at, bits) not in known:
                self._stated.append(_Statement(session, sealed_at, found.captured_at, bits))

    def _see(self, session: bytes, counter: int, sealed_at: int) -> None:
        if 0 <= counter < _COUNTERS_END:
            self._seen[session] = self._seen.get(session, 0) | 1 << counter
            self._seen_at[session] = max(sealed_at, self._seen_at.get(session, 0))

    def _absent(self, one: _Statement) -> int:
        return one.bits & ~self._seen.get(one.session, 0)

    def _is_excused(self, one: _Statement) -> bool:
        return abs(self._unread_at - one.sealed_at) <= self._wait_ms + MARGIN_MS


def back_to(archive: Archive, at: int, ends: dict[tuple[str, int], int]) -> Iterator[SegmentRead]:
    """Every segment that was sealed after `at` (UTC ms), and perhaps some before, partition by
    partition, each in order, up to the offsets `ends`. One read of the archive per step."""
    for partition, end in ends.items():
        begin = _begin(archive, partition, end, at)
        if begin is None:
            continue
        for read in archive.follow(*partition, begin):
            if read.first >= end:
                break
            yield read


def _begin(archive: Archive, partition: tuple[str, int], end: int, at: int) -> int | None:
    step, offset = _STEP, end - 1
    while offset >= 0:
        begin = archive.begin_of(*partition, offset)
        read = None if begin is None else next(archive.follow(*partition, begin), None)
        if begin is None or read is None:
            return None
        if read.sealed_at <= at or begin == 0:
            return begin
        offset, step = max(0, begin - step), step * 4
    return None
