"""What is known of a period: gaps of capture, heartbeats, counters, under one checkpoint of the log
(G8, PROTOCOL T4, N).

Owns the statement and that it can be made again: it is a function of the archive as far as one
checkpoint has it, of the period and of the source, so whoever holds the archive later makes the
same statement or finds out why not. It says what is known, never that the provider sent no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, Protocol

from archive.acknowledged import Absent, Acknowledged
from archive.keyring import name_of
from archive.reader import ReadEvent, SegmentRead
from archive.seal import decode_refused
from archive.tlog.batch import Batch
from schemas import codec, events
from schemas.disposition import Act, read_act, record_of
from schemas.errors import Refused
from schemas.events import CapturedEvent
from schemas.gaps import COMPARED, ENDS, MEANT, SETTLES, Gap, gaps_of
from schemas.wire import Pointer

VERSION: Final = 1
NO_KNOWN_GAP: Final = "no_known_gap"
NOT_WATCHED: Final = "not_watched"
GAPS: Final = "gaps"
# A process says each minute that it lives; one that is late by two says nothing of the time since.
_BEAT_MS: Final = 60_000
LATE_MS: Final = 3 * _BEAT_MS
_LISTED_MAX: Final = 1_000


class Archive(Protocol):
    """What is asked of the archive (`archive.reader.ArchiveReader`)."""

    def follow(self, topic_id: str, partition: int, next_offset: int) -> Iterator[SegmentRead]:
        """Verified segments in order. Raises Halt on a broken chain."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Of what: [since, until) in UTC ms; `channel` and `account` "" = of all."""

    since: int
    until: int
    channel: str = ""
    account: str = ""

    def overlaps(self, since: int | None, until: int | None) -> bool:
        """Whether something of [since, until] lies in it; null = without end."""
        return (since is None or since < self.until) and (until is None or until >= self.since)

    def concerns(self, channel: str, account: str) -> bool:
        """Whether a gap of this channel and account ("" = of all) is one of the source."""
        return ((not self.channel or channel in ("", self.channel))
                and (not self.account or account in ("", self.account)))


@dataclass(slots=True)
class _Process:
    """One capture process: when it said that it lives."""

    beats: list[tuple[int, Pointer]] = field(default_factory=list)


@dataclass(slots=True)
class _Seen:
    gaps: list[tuple[CapturedEvent, Pointer]] = field(default_factory=list)
    processes: dict[bytes, _Process] = field(default_factory=dict)
    captures: set[bytes] = field(default_factory=set)   # processes that may say a message
    acknowledged: Acknowledged = field(default_factory=Acknowledged)
    acts: set[Act] = field(default_factory=set)
    gone: Counter[str] = field(default_factory=Counter)     # events whose key is gone, by its name
    unreadable: int = 0
    captured: int = 0

    def erased(self) -> int:
        """Events whose keys were destroyed by right, as far as the acts in here say."""
        by_right = record_of(self.acts).erased
        return sum(count for name, count in self.gone.items() if name in by_right)


def statement(archive: Archive, batch: Batch, asked: Asked,
              leaf_of: Callable[[Pointer], int]) -> dict[str, Any]:
    """The statement for `asked`, under the head of `batch`, as JSON values. Times are UTC ms.
    `leaf_of`: the number of the leaf that an event's cell is.

    Raises Refused("tlog_leaf_differs") where the archive is not the one that the batch names, and
    what a reader raises.
    """
    seen = _read(archive, batch, asked)
    known = [gap for gap in gaps_of(event for event, _ in seen.gaps)
             if asked.overlaps(gap.since, gap.until) and asked.concerns(gap.channel, gap.account)]
    judged = seen.acknowledged.judged(batch.at)
    missing = [one for one in judged.missing
               if asked.since <= one.stated_at < asked.until + LATE_MS]
    idle = _not_watched(seen.processes.values(), asked)
    open_gaps = [gap for gap in known if gap.is_open]
    erased = seen.erased()
    unreadable = seen.unreadable + seen.gone.total() - erased
    verdict = GAPS if open_gaps or missing else NOT_WATCHED if idle or unreadable \
        else NO_KNOWN_GAP
    return {
        "v": VERSION, "from": asked.since, "until": asked.until, "channel": asked.channel,
        "account": asked.account, "verdict": verdict, "events": seen.captured,
        "gaps": [_gap(gap) for gap in known[:_LISTED_MAX]], "gaps_open": len(open_gaps),
        "not_watched": [list(one) for one in idle[:_LISTED_MAX]],
        "not_watched_ms": sum(end - begin for begin, end in idle),
        "processes": _processes(seen.processes, asked),
        "counters_missing": [_absent(one) for one in missing[:_LISTED_MAX]],
        "counters_waiting": judged.waiting, "unreadable": unreadable, "erased": erased,
        "gap_events": [[place.segment, place.offset, place.index, leaf_of(place)]
                       for event, place in seen.gaps if _bears(event, asked)][:_LISTED_MAX],
        "under": {
            "origin": batch.origin, "size": batch.head.size, "root": batch.head.root.hex(),
            "at": batch.at, "partitions": [
                [one.topic, one.topic_id, one.partition, one.next_offset, one.sha256]
                for one in batch.ends]}}


def differences(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """Names of what two statements say differently."""
    return sorted(name for name in first.keys() | second.keys()
                  if first.get(name) != second.get(name))


def _read(archive: Archive, batch: Batch, asked: Asked) -> _Seen:
    seen = _Seen()
    for end in batch.ends:
        last = ""
        for read in archive.follow(end.topic_id, end.partition, 0):
            if read.first >= end.next_offset:
                break
            last = read.sha256
            offsets, readable = set(), set()
            for event in read.events:
                offsets.add(event.pointer.offset)
                if _take(seen, read, event, asked):
                    readable.add(event.pointer.offset)
            seen.acknowledged.unread(read.sealed_at, len(offsets - readable))
        if last != end.sha256:
            raise Refused(f"tlog_leaf_differs: {end.topic}/{end.partition} does not end in the "
                          "segment that the log names")
    # Of who captures messages: archiver and indexer live too, and vouch for no door.
    seen.processes = {one: process for one, process in seen.processes.items()
                      if one in seen.captures}
    return seen


def _take(seen: _Seen, read: SegmentRead, event: ReadEvent, asked: Asked) -> bool:
    """Whether the event could be read."""
    if event.problem == "record_refused" and event.datum is not None:
        try:
            seen.acknowledged.keep(decode_refused(event.datum)[1])
        except Refused:
            return True
        return True
    if event.problem == "key_lost":
        seen.gone[name_of(event.domain, event.generation)] += 1
        return False
    if event.problem or event.datum is None:
        seen.unreadable += 1
        return False
    seen.acknowledged.see(event.capture_id, event.session_id, event.counter)
    if events.MESSAGE in event.kinds:
        seen.captures.add(event.capture_id)
    try:
        found = codec.decode(event.datum)
    except Refused:
        seen.unreadable += 1
        return True
    if not isinstance(found, CapturedEvent) or found.kind not in event.kinds:
        return True
    if found.kind == events.DISPOSITION:
        with suppress(Refused):     # `verify` names it; nothing is erased by it
            seen.acts.add(read_act(found))
    elif found.kind == events.GAP:
        seen.gaps.append((found, event.pointer))
    elif found.kind == events.HEARTBEAT:
        where = f"{read.key} offset {event.pointer.offset} index {event.pointer.index}"
        seen.acknowledged.state(event.capture_id, found, where, read.sealed_at)
        seen.processes.setdefault(event.capture_id, _Process()).beats.append(
            (found.captured_at, event.pointer))
    elif found.channel != events.FIRM_CHANNEL and _is_of(found, asked):
        seen.captured += 1
    return True


def _is_of(event: CapturedEvent, asked: Asked) -> bool:
    return (asked.since <= event.captured_at < asked.until
            and asked.channel in ("", event.channel) and asked.account in ("", event.account))


def _not_watched(processes: Iterable[_Process], asked: Asked) -> list[tuple[int, int]]:
    """Times of the period of which no capture process says that it lived: a heartbeat speaks for
    the minute before it, and for the time since the last one where that is not long ago."""
    watched: list[tuple[int, int]] = []
    for one in processes:
        before: int | None = None
        for at in sorted(at for at, _ in one.beats):
            begin = at - _BEAT_MS if before is None or at - before > LATE_MS else before
            watched.append((begin, at))
            before = at
    idle, at = [], asked.since
    for begin, end in sorted(watched):
        if begin > at and at < asked.until:
            idle.append((at, min(begin, asked.until)))
        at = max(at, end)
    if at < asked.until:
        idle.append((at, asked.until))
    return idle


def _processes(processes: dict[bytes, _Process], asked: Asked) -> list[dict[str, Any]]:
    found = []
    for capture_id, one in sorted(processes.items()):
        beats = sorted((at, _address(place)) for at, place in one.beats
                       if asked.since <= at < asked.until + LATE_MS)
        if beats:
            found.append({
                "capture_id": capture_id.hex(), "heartbeats": len(beats), "first": beats[0][0],
                "last": beats[-1][0], "sha256": sha256(repr(beats).encode()).hexdigest()})
    return found


def _address(place: Pointer) -> tuple[str, int, int, int]:
    return place.topic_id, place.partition, place.offset, place.index


def _bears(event: CapturedEvent, asked: Asked) -> bool:
    """Whether a gap event says something of the period and the source, alone or with others."""
    if event.detail("phase") == MEANT:
        return False
    return event.detail("phase") in (COMPARED, ENDS, SETTLES) or any(
        asked.overlaps(gap.since, gap.until) and asked.concerns(gap.channel, gap.account)
        for gap in gaps_of([event]))


def _gap(gap: Gap) -> dict[str, Any]:
    return {"reason": gap.reason, "channel": gap.channel, "account": gap.account,
            "from": gap.since, "until": gap.until, "settled": gap.settled,
            "missing": gap.missing, "note": gap.note}


def _absent(one: Absent) -> dict[str, Any]:
    return {"session": one.session, "stated_at": one.stated_at, "count": one.count,
            "first": one.first}
