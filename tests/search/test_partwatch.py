"""Which documents wait for parts, and since when (PROTOCOL C3)."""

from __future__ import annotations

from dataclasses import replace

from ingest.parts import split
from schemas import codec
from schemas.events import EventPart
from schemas.identity import event_id
from schemas.wire import Pointer
from search.follow import Follower, bind
from search.partwatch import Overdue, PartWatch, waiting_sets
from tests.fakes.index import FakeIndexSet
from tests.search import world
from tests.search.world import NOON, PROJECTOR, MemoryArchive

HOUR = 3_600_000
EVENT = replace(world.event(), raw=b"x" * 1_500)
PARTS: list[EventPart] = split(EVENT, codec.encode(EVENT), 900)


class Line:
    """An archive, an index, and a follower of both; segment n is sealed n hours after noon."""

    def __init__(self) -> None:
        self.archive = MemoryArchive()
        indexes = FakeIndexSet()
        self.index = indexes.open(bind(indexes))
        self.follower = Follower(self.archive, self.index, PROJECTOR)

    def add(self, *items: world.Datum, **more: bytes) -> None:
        """One more segment, indexed."""
        self.archive.seal(items, **more)  # type: ignore[arg-type]
        self.follower.run_to_end()

    def watch(self) -> PartWatch:
        """As a process begins."""
        return PartWatch(self.index, self.archive, sealed_at, HOUR)


def sealed_at(place: Pointer) -> int:
    """By the segment's first offset."""
    return NOON + int(place.segment[-25:-5]) * HOUR


def test_the_newest_part_decides_how_long_a_set_waits() -> None:
    """Not a moment before the time is over; what is missing is counted."""
    assert len(PARTS) >= 3
    line = Line()
    watch = line.watch()
    line.add(PARTS[0])
    line.add(PARTS[1])
    assert watch.look(NOON + 2 * HOUR - 1, line.follower.parts_wait) == []
    assert watch.look(NOON + 2 * HOUR, ()) == [
        Overdue(event_id(EVENT).hex(), "message", 2, len(PARTS), NOON + HOUR)]


def test_a_new_watch_finds_what_waited_before() -> None:
    """Everything it needs is in index and archive; whole sets are nobody's business."""
    line = Line()
    other = replace(EVENT, native_id="m2")
    line.add(*split(other, codec.encode(other), 900))
    line.add(*PARTS[1:])
    assert [one.set_id for one in line.watch().look(NOON + 99 * HOUR, ())] == [
        event_id(EVENT).hex()]


def test_a_set_is_whole_by_any_sighting() -> None:
    """Parts once more, or the event itself where it fits: then nothing waits."""
    for rest in (PARTS, [EVENT]):
        line = Line()
        line.add(PARTS[0])
        watch = line.watch()
        assert len(watch.look(NOON + 99 * HOUR, ())) == 1
        line.add(*rest, session_id=b"t" * 16)
        assert watch.look(NOON + 99 * HOUR, ()) == []
        line.index.refresh()
        assert not any(waiting_sets(one.entries) for one in line.index.scan())


def test_an_edit_that_lacks_parts_is_seen_beside_its_message() -> None:
    """The document has an event that reads; the other one is missed all the same."""
    line = Line()
    edit = replace(world.edit("much"), raw=b"x" * 1_500)
    line.add(world.event(), *split(edit, codec.encode(edit), 900)[:-1])
    (one,) = line.watch().look(NOON + 99 * HOUR, ())
    assert (one.set_id, one.kind) == (event_id(edit).hex(), "edit")


def test_a_set_whose_key_is_lost_is_named_by_its_token() -> None:
    """What cannot be read is still counted."""
    line = Line()
    line.add(PARTS[0])
    line.archive._datums = dict.fromkeys(line.archive._datums)
    (one,) = line.watch().look(NOON + 99 * HOUR, ())
    assert one.set_id.startswith("t:")
