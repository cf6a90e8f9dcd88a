"""The follower loses nothing and doubles nothing, whatever fails (STYLE, crash matrix)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from archive.reader import SegmentRead
from schemas.document import Entry
from schemas.errors import CounterfoilError, Halt, Transient
from search.follow import Difference, Follower, bind, compare, rebuild
from search.index import Write
from search.project import document
from tests.fakes.faults import FAULTS, FaultPlan, Killed
from tests.fakes.index import FakeIndexSet
from tests.search import world
from tests.search.world import PROJECTOR, MemoryArchive

INDEX_FAULTS = sorted(name for name, fault in FAULTS.items()
                      if fault.operation in ("index.get", "index.put", "index.cursor",
                                             "index.state"))


def archive_of_two() -> MemoryArchive:
    """Two partitions, one message in both."""
    archive = MemoryArchive()
    archive.seal([world.retraction(), world.event(native_id="m2", text="other")])
    archive.seal([world.event()], partition=1)
    archive.seal([world.edit("changed"), b"junk"])
    return archive


@pytest.mark.parametrize("name", INDEX_FAULTS)
@pytest.mark.parametrize("nth", [1, 2])
def test_a_failed_call_costs_nothing(name: str, nth: int) -> None:
    """Not applied, or applied with an error, or the process gone: run again, it is all there."""
    archive, faults = archive_of_two(), FaultPlan()
    indexes = FakeIndexSet(faults)
    live = bind(indexes)
    faults.arm(name, nth)
    with contextlib.suppress(CounterfoilError, Killed):
        Follower(archive, indexes.open(live), PROJECTOR, batch_entries_max=2).run_to_end()
    Follower(archive, indexes.open(live), PROJECTOR, batch_entries_max=2).run_to_end()
    assert faults.idle()
    index = indexes.open(live)
    index.refresh()
    assert {("ab" * 16, 0): 4, ("ab" * 16, 1): 1} == dict(index.state().cursors)
    fresh = rebuild(archive, indexes, PROJECTOR)
    assert [] == list(compare(index, indexes.open(fresh)))
    assert [1, 1, 3] == sorted(len(one.entries) for one in index.scan())


def test_a_writer_that_comes_in_between_is_merged() -> None:
    """A conflict reads and merges again: nobody's entry is lost (PROTOCOL I3)."""
    archive, faults = archive_of_two(), FaultPlan()
    indexes = FakeIndexSet(faults)
    live = bind(indexes)
    other = Follower(archive, indexes.open(live), PROJECTOR)
    faults.before("index.put", lambda: (other.turn(), None)[1])
    Follower(archive, indexes.open(live), PROJECTOR).run_to_end()
    index = indexes.open(live)
    index.refresh()
    assert faults.calls["index.put"] > 2
    assert [1, 1, 3] == sorted(len(one.entries) for one in index.scan())


def test_a_reader_that_fails_leaves_no_put_under_way() -> None:
    """What was sent is waited for, its cursors count, and the next turn goes on behind it."""
    archive = archive_of_two()
    indexes = FakeIndexSet()
    index = indexes.open(bind(indexes))
    follower = Follower(archive, index, PROJECTOR, batch_entries_max=1)
    follow, fails = archive.follow, [True]

    def failing(topic_id: str, partition: int, next_offset: int) -> Iterator[SegmentRead]:
        yield from follow(topic_id, partition, next_offset)
        if fails and partition == 0:
            raise Transient("the store went away")

    archive.follow = failing  # type: ignore[method-assign]
    with pytest.raises(Transient, match="went away"):
        follower.turn()
    assert {("ab" * 16, 0): 4} == dict(index.state().cursors)
    fails.clear()
    assert 1 == follower.run_to_end().segments
    index.refresh()
    assert [1, 1, 3] == sorted(len(one.entries) for one in index.scan())


def test_only_what_follows_a_message_is_read_before_it_is_written() -> None:
    """A message is created unread; an edit, a retraction or a receipt asks for its message."""
    archive = MemoryArchive()
    archive.seal([world.event(), world.event(native_id="m2", text="other")])
    archive.seal([world.retraction(), world.event(native_id="m3")])
    faults = FaultPlan()
    indexes = FakeIndexSet(faults)
    index = indexes.open(bind(indexes))
    follower = Follower(archive, index, PROJECTOR)
    follower.turn(1)
    assert 0 == faults.calls["index.get"]
    follower.turn(1)
    assert (1, 2) == (faults.calls["index.get"], faults.calls["index.put"])


def test_a_replay_writes_nothing() -> None:
    """What is stored already is not stored again; the cursor alone moves."""
    archive = archive_of_two()
    indexes = FakeIndexSet()
    live = bind(indexes)
    assert 3 == Follower(archive, indexes.open(live), PROJECTOR).run_to_end().documents
    index = indexes.open(live)
    index._data.cursors.clear()
    again = Follower(archive, index, PROJECTOR).run_to_end()
    assert (3, 0) == (again.segments, again.documents)


def test_a_turn_is_bounded() -> None:
    """The caller looks up between turns."""
    archive = archive_of_two()
    indexes = FakeIndexSet()
    follower = Follower(archive, indexes.open(bind(indexes)), PROJECTOR)
    assert [1, 1, 1, 0] == [follower.turn(1).segments for _ in range(4)]


def test_an_index_of_another_archive_stops_the_follower() -> None:
    """A cursor on a partition that the archive does not have is Halt, not a fresh start."""
    indexes = FakeIndexSet()
    live = bind(indexes)
    Follower(archive_of_two(), indexes.open(live), PROJECTOR).run_to_end()
    with pytest.raises(Halt) as caught:
        Follower(MemoryArchive("cd" * 16), indexes.open(live), PROJECTOR).turn()
    assert "cursor_ahead" == caught.value.finding


def test_a_rebuild_that_died_is_never_current() -> None:
    """The live index stays in use; the next rebuild builds another and swaps."""
    archive, faults = archive_of_two(), FaultPlan()
    indexes = FakeIndexSet(faults)
    live = bind(indexes)
    Follower(archive, indexes.open(live), PROJECTOR).run_to_end()
    faults.arm("index_swap_killed_before")
    with pytest.raises(Killed):
        rebuild(archive, indexes, PROJECTOR)
    assert live == indexes.current()
    built = rebuild(archive, indexes, PROJECTOR)
    assert built == indexes.current() != live


def test_followers_that_share_out_partitions_index_all_of_them() -> None:
    """Each takes its own; a message whose events lie in both is one document."""
    archive = archive_of_two()
    indexes = FakeIndexSet()
    live = bind(indexes)
    Follower(archive, indexes.open(live), PROJECTOR,
             takes=lambda partition: partition[1] == 1).run_to_end()
    Follower(archive, indexes.open(live), PROJECTOR,
             takes=lambda partition: partition[1] == 0).run_to_end()
    index = indexes.open(live)
    index.refresh()
    assert [1, 1, 3] == sorted(len(one.entries) for one in index.scan())


def test_every_difference_between_two_indexes_is_named() -> None:
    """Missing here, missing there, and not the same."""
    indexes = FakeIndexSet()
    first, second = (indexes.open(indexes.create()) for _ in range(2))
    entry = _entry()
    longer = _entry("other")
    first.put([Write(document("1" * 32, [entry]), None),
               Write(document("2" * 32, [entry]), None),
               Write(document("3" * 32, [entry]), None)], {})
    second.put([Write(document("2" * 32, [longer]), None),
                Write(document("3" * 32, [entry]), None),
                Write(document("4" * 32, [entry]), None)], {})
    for index in (first, second):
        index.refresh()
    assert [Difference("1" * 32, "only_first"), Difference("2" * 32, "differs"),
            Difference("4" * 32, "only_second")] == list(compare(first, second))


def test_writers_that_never_let_us_in_are_an_error_that_may_be_tried_again() -> None:
    """The loop is bounded, and what it says is Transient."""
    archive, faults = archive_of_two(), FaultPlan()
    indexes = FakeIndexSet(faults)
    index = indexes.open(bind(indexes))
    follower = Follower(archive, index, PROJECTOR)
    index.put = lambda writes, cursors: frozenset(  # type: ignore[method-assign]
        write.document.doc_id for write in writes)
    with pytest.raises(Transient, match="again and again"):
        follower.turn()


def _entry(text: str = "hello") -> Entry:
    archive = MemoryArchive()
    archive.seal([world.event(text=text)])
    projected = PROJECTOR.project(next(archive.events()), 0)
    assert projected is not None
    return projected[1]
