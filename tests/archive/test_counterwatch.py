"""A hole between what was stated as acknowledged and what is archived (PROTOCOL T4, G8)."""

from __future__ import annotations

from dataclasses import replace

from archive.counterwatch import MARGIN_MS, CounterWatch, Hole, back_to
from archive.reader import ReadEvent, SegmentRead
from ingest.heartbeat import heartbeat
from schemas import codec, domains, events
from schemas.wire import Pointer

NOW = 1_768_478_400_000
WAIT = 900_000
CAPTURE, SESSION = b"c" * 16, b"s" * 16
FIRM_DOMAIN = domains.reserved(domains.FIRM, 2026, 1)


class Archive:
    """Segments of one record each, by partition, sealed a minute apart."""

    def __init__(self) -> None:
        self.segments: dict[int, list[SegmentRead]] = {}
        self.reads = 0

    def record(self, counter: int, at: int, partition: int = 0, problem: str = "") -> SegmentRead:
        """A message's record."""
        return self._add(partition, at, ReadEvent(
            self._pointer(partition), None if problem else b"x", b"d" * 16, CAPTURE, SESSION,
            events.CAPTURE_KINDS, counter, problem))

    def beat(self, at: int, *ranges: tuple[int, int], capture: bytes = CAPTURE,
             kinds: frozenset[str] = events.CAPTURE_KINDS) -> SegmentRead:
        """A heartbeat's record, in another session."""
        event = heartbeat({SESSION: list(ranges)}, capture, at, 8)
        return self._add(0, at, ReadEvent(
            self._pointer(0), codec.encode(event), FIRM_DOMAIN, capture, b"h" * 16, kinds, 0))

    def partitions(self) -> list[tuple[str, int]]:
        """See counterwatch.Archive."""
        return [("t", partition) for partition in self.segments]

    def begin_of(self, topic_id: str, partition: int, offset: int) -> int | None:
        """See counterwatch.Archive."""
        return min(offset, len(self.segments[partition]) - 1)

    def follow(self, topic_id: str, partition: int, next_offset: int):  # type: ignore[no-untyped-def]
        """See counterwatch.Archive."""
        for one in self.segments[partition][next_offset:]:
            self.reads += 1
            yield one

    def _pointer(self, partition: int) -> Pointer:
        offset = len(self.segments.get(partition, ()))
        return Pointer("t", partition, offset, 0, "k", 0, 1, 1, 0)

    def _add(self, partition: int, at: int, event: ReadEvent) -> SegmentRead:
        several = self.segments.setdefault(partition, [])
        read = SegmentRead("capture", "t", partition, f"{partition}/{len(several)}", len(several),
                           len(several), "", at, at, True, (event,))
        several.append(read)
        return read


def hole(at: int, first: int, count: int) -> Hole:
    """Of the one session."""
    return Hole(SESSION.hex(), at, first, count)


def test_a_stated_record_that_stays_away_is_a_hole_after_the_wait() -> None:
    """Not before; with how many there are and the first of them."""
    archive, watch = Archive(), CounterWatch(WAIT, NOW)
    for read in (archive.record(0, NOW), archive.record(1, NOW), archive.beat(NOW, (0, 4))):
        watch.take(read)
        watch.take(read)
    assert watch.suspects(NOW + WAIT - 1) == []
    assert watch.suspects(NOW + WAIT) == [hole(NOW, 2, 3)]
    watch.say(watch.suspects(NOW + WAIT))
    assert (watch.suspects(NOW + WAIT), watch.said()) == ([], [hole(NOW, 2, 3)])


def test_a_record_that_comes_late_fills_its_hole() -> None:
    """All of it: then that is said, once."""
    archive, watch = Archive(), CounterWatch(WAIT, NOW)
    watch.take(archive.beat(NOW, (7, 8)))
    watch.say(watch.suspects(NOW + WAIT))
    watch.take(archive.record(7, NOW + WAIT))
    assert watch.filled() == []
    watch.forget(NOW + WAIT + MARGIN_MS + 1)
    watch.take(archive.record(8, NOW + 2 * WAIT))
    assert (watch.filled(), watch.filled(), watch.said()) == ([hole(NOW, 7, 2)], [], [])


def test_nobody_speaks_for_another() -> None:
    """A heartbeat names its own process's sessions; one that may not say so says nothing."""
    archive, watch = Archive(), CounterWatch(WAIT, NOW)
    watch.take(archive.beat(NOW, (0, 0), kinds=frozenset({events.MESSAGE})))
    assert watch.suspects(NOW + WAIT) == []
    watch.take(archive.record(0, NOW))
    watch.take(archive.beat(NOW, (0, 0), capture=b"e" * 16))
    assert watch.suspects(NOW + WAIT) == [hole(NOW, 0, 1)]


def test_what_cannot_be_read_leaves_the_judgement_to_verify() -> None:
    """A lost key: the record may lie in that cell."""
    archive, watch = Archive(), CounterWatch(WAIT, NOW)
    watch.take(archive.record(0, NOW, problem="key_lost"))
    watch.take(archive.beat(NOW, (0, 0)))
    assert watch.suspects(NOW + WAIT) == []


def test_memory_is_of_the_last_minutes_only() -> None:
    """What is old is forgotten, and not taken in again."""
    archive, watch = Archive(), CounterWatch(WAIT, NOW)
    watch.take(archive.record(0, NOW - WAIT - MARGIN_MS - 1))
    watch.take(archive.record(1, NOW))
    watch.take(archive.beat(NOW, (1, 1)))
    assert len(watch._seen) == 2
    watch.forget(NOW + WAIT + MARGIN_MS + 1)
    assert (watch._seen, watch._stated) == ({}, [])
    watch.take(archive.record(2, NOW - 1))
    assert watch._seen == {}


def test_looking_back_reads_the_time_that_is_asked_for() -> None:
    """Every segment since then, of every partition, up to where the index is; not the whole
    archive."""
    archive = Archive()
    for number in range(5_000):
        archive.record(number % 100, NOW - (5_000 - number) * 60_000)
        archive.record(number % 100, NOW - (5_000 - number) * 60_000, partition=1)
    ends = {("t", 0): 4_990, ("t", 1): 5_000}
    found = list(back_to(archive, NOW - 600_000, ends))
    for partition, end in ((0, 4_990), (1, 5_000)):
        offsets = [one.first for one in found if one.partition == partition]
        assert offsets == list(range(offsets[0], end))
        assert offsets[0] <= 4_990
    assert archive.reads < 2_100
    assert next(back_to(archive, 0, {("t", 0): 3})).first == 0


def test_a_heartbeat_twice_is_one_statement() -> None:
    """Redelivered, or seen by the follower and once more on the way back."""
    archive, watch = Archive(), CounterWatch(WAIT, NOW)
    first = archive.beat(NOW, (0, 1))
    watch.take(first)
    watch.take(replace(first, sealed_at=NOW + 1))
    assert watch.suspects(NOW + WAIT + 1) == [hole(NOW, 0, 2)]
