"""What was erased leaves the index: a live index and one that is rebuilt agree, in any order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.reader import ReadEvent, SegmentRead
from archive.wordbook import Wordbook
from ingest.parts import split
from schemas import codec, disposition, domains, events
from schemas import document as shape
from schemas.disposition import Act, act_event, body_of
from schemas.domains import DomainFacts
from schemas.errors import CounterfoilError, Missing
from schemas.events import CapturedEvent
from schemas.wire import Pointer
from search.expander import CurrentExpander
from search.follow import Follower, compare, rebuild
from search.index import IndexSet
from search.words import NO_STEMS, Wild
from tests.fakes.faults import FaultPlan, Killed
from tests.fakes.index import FakeIndexSet
from tests.search import world
from tests.search.world import NOON, PROJECTOR, MemoryArchive, domain_keys, edit, retraction

FIRM = domains.reserved(domains.FIRM, 2026, 1)
HOMES = tuple(bytes([number]) * 16 for number in (1, 2, 3))
LIST = "ab" * 16
HOUR = 3_600_000


class HomeArchive(MemoryArchive):
    """Segments in memory whose cells lie under several keys, which may be destroyed."""

    def __init__(self) -> None:
        super().__init__()
        self.homes: dict[tuple[int, int], bytes] = {}
        self.gone: set[bytes] = set()
        keys = domain_keys(self.keyring)
        for one in (*HOMES, FIRM):
            keys.current(one, lambda: DomainFacts("carol", "default", "2026-01", "", 7))
        self.keys, self.wordbook = keys, Wordbook(keys)

    def put(self, home: bytes, *items: world.Datum, partition: int = 0) -> SegmentRead:
        """One segment, all under one key."""
        read = self.seal(items, partition)
        self.homes.update({(partition, one.pointer.offset): home for one in read.events})
        return read

    def destroy(self, home: bytes) -> None:
        """Its key goes."""
        self.gone.add(home)
        self.keyring.destroy(f"{home.hex()}/0")
        self.keys.forget()

    def follow(self, topic_id: str, partition: int, next_offset: int) -> Iterator[SegmentRead]:
        """See MemoryArchive; what lies under a destroyed key is `key_lost`."""
        for read in super().follow(topic_id, partition, next_offset):
            yield replace(read, events=tuple(map(self._shown, read.events)))

    def _shown(self, event: ReadEvent) -> ReadEvent:
        home = self.homes[event.pointer.partition, event.pointer.offset]
        event = event._replace(domain=home)
        return event._replace(datum=None, problem="key_lost") if home in self.gone else event

    def read(self, pointer: Pointer) -> bytes:
        """The datum, or Missing."""
        if self.homes[pointer.partition, pointer.offset] in self.gone:
            raise Missing("domain key")
        return super().read(pointer)

    def home(self, pointer: Pointer) -> tuple[bytes, int]:
        """Needs no key."""
        return self.homes[pointer.partition, pointer.offset], 0


def acts(*gone: bytes, list_id: str = LIST) -> tuple[CapturedEvent, ...]:
    """List, approval, intent and erasure of these keys."""
    keys = sorted(f"{one.hex()}/0" for one in gone)
    listed = Act(disposition.LISTED, list_id, NOON, "ann", body=body_of({"keys": keys}))
    about = {"list": listed.digest}
    every = (listed,
             Act(disposition.APPROVED, list_id, NOON + 1, "bob", body=body_of(about)),
             Act(disposition.INTENT, list_id, NOON + 2, "ann", body=body_of({**about,
                                                                            "keys": keys})),
             Act(disposition.ERASED, list_id, NOON + 3, "ann", body=body_of({**about,
                                                                            "keys": keys})))
    return tuple(act_event(one, 8) for one in every)


def same_as_rebuilt(archive: MemoryArchive, indexes: IndexSet) -> None:
    """The live index is, document for document, what a rebuild makes."""
    live = indexes.current()
    assert live is not None
    opened = indexes.open(live)
    opened.refresh()
    assert [] == list(compare(opened, indexes.open(rebuild(archive, indexes, PROJECTOR))))


def test_an_entry_leaves_its_document_and_an_empty_one_goes() -> None:
    """A stub says where it lay and nothing else; what lies under another key stays."""
    archive, indexes = HomeArchive(), FakeIndexSet()
    archive.put(HOMES[0], world.event(native_id="m1", text="one two"),
                world.event(native_id="m2", text="three"))
    archive.put(HOMES[1], edit("four", target="m2"))
    index = indexes.open(indexes.first())
    follower = Follower(archive, index, PROJECTOR)
    follower.run_to_end()
    archive.destroy(HOMES[0])
    archive.put(FIRM, *acts(HOMES[0]))
    follower.run_to_end()
    index.refresh()
    found = list(index.scan())
    stubs = [one for one in found if one.kind == shape.ERASED]
    assert 2 == len(stubs)
    for one in stubs:
        (entry,) = one.entries
        assert entry == replace(PROJECTOR.erased(entry.pointer, entry.retain_until)[1])
    assert [("edit",)] == [one.kinds for one in found if one.kind == events.EDIT]
    assert not any(one.kind == events.MESSAGE for one in found)
    same_as_rebuilt(archive, indexes)


def test_whoever_left_its_words_to_another_has_them_again() -> None:
    """Two entries of one text keep it once; when the keeper goes, the other is found by it."""
    archive, indexes = HomeArchive(), FakeIndexSet()
    archive.put(HOMES[0], world.event(native_id="m1", text="one two"))
    archive.put(HOMES[1], world.event(native_id="m1", text="one two", captured_at=NOON + HOUR))
    index = indexes.open(indexes.first())
    follower = Follower(archive, index, PROJECTOR)
    follower.run_to_end()
    archive.destroy(HOMES[0])
    archive.put(FIRM, *acts(HOMES[0]))
    follower.run_to_end()
    index.refresh()
    (left,) = [one for one in index.scan() if one.kind == events.MESSAGE]
    assert 1 == len(left.entries) and left.words
    same_as_rebuilt(archive, indexes)


def test_an_erasure_that_nobody_approved_erases_nothing() -> None:
    """Without a second person's approval the index keeps what it has."""
    archive, indexes = HomeArchive(), FakeIndexSet()
    archive.put(HOMES[0], world.event(native_id="m1", text="one two"))
    listed, _, intent, erased = acts(HOMES[0])
    archive.put(FIRM, listed, intent, erased)
    index = indexes.open(indexes.first())
    Follower(archive, index, PROJECTOR).run_to_end()
    index.refresh()
    assert [events.MESSAGE] == [one.kind for one in index.scan()
                                if one.kind != events.DISPOSITION]


def test_a_running_search_forgets_the_words() -> None:
    """A pattern stands for an erased word before the erasure is indexed, and not after."""
    archive, indexes = HomeArchive(), FakeIndexSet()
    archive.put(HOMES[0], world.event(native_id="m1", text="xylographica"))
    archive.put(HOMES[1], world.event(native_id="m2", text="xylophone"))
    index = indexes.open(indexes.first())
    follower = Follower(archive, index, PROJECTOR)
    follower.run_to_end()
    index.refresh()
    expander = CurrentExpander(indexes, archive.wordbook, NO_STEMS)
    pattern = Wild("xylo*")
    assert ("xylographica", "xylophone") == expander.expand(pattern, 10)
    archive.destroy(HOMES[0])
    archive.put(FIRM, *acts(HOMES[0]))
    follower.run_to_end()
    index.refresh()
    assert ("xylophone",) == expander.expand(pattern, 10)


@dataclass(frozen=True)
class Step:
    """What comes next: under which key, in which partition, which of the events."""

    home: int
    partition: int
    what: int


def made(step: Step, number: int) -> Sequence[world.Datum]:
    """A message, the same one again, an edit, a retraction, or a large event in parts."""
    at = NOON + number * 1_000
    message = world.event(native_id=f"m{step.what % 3}", text=f"word{step.what % 2} again",
                          captured_at=at)
    if step.what < 6:
        return [message]
    if step.what < 8:
        return [edit(f"word{step.what} other", at, f"e{number}", f"m{step.what % 3}")]
    if step.what < 9:
        return [retraction(at, f"r{number}", "m0")]
    large = replace(message, native_id=f"big{number}", text="large " * 200)
    return list(split(large, codec.encode(large), 400))


_STEPS = st.lists(st.builds(Step, st.integers(0, 2), st.integers(0, 1), st.integers(0, 9)),
                  min_size=1, max_size=10)


@settings(max_examples=60)
@given(before=_STEPS, after=_STEPS, gone=st.sets(st.integers(0, 2), min_size=1, max_size=2),
       seen_first=st.booleans(), place=st.integers(0, 1))
def test_a_live_index_is_a_rebuilt_one(before: list[Step], after: list[Step], gone: set[int],
                                       seen_first: bool, place: int) -> None:
    """Whatever came under which key, in which partition, and whether the key went before or after
    the index saw that it was erased."""
    archive, indexes = HomeArchive(), FakeIndexSet()
    index = indexes.open(indexes.first())
    follower = Follower(archive, index, PROJECTOR, batch_entries_max=2)
    for number, step in enumerate(before):
        archive.put(HOMES[step.home], *made(step, number), partition=step.partition)
    if seen_first:
        follower.run_to_end()
    homes = [HOMES[one] for one in sorted(gone)]
    for home in homes:
        archive.destroy(home)
    archive.put(FIRM, *acts(*homes), partition=place)
    for number, step in enumerate(after, len(before)):
        # Whatever comes later comes under a key that is there: the domain was closed.
        if step.home not in gone:
            archive.put(HOMES[step.home], *made(step, number), partition=step.partition)
    follower.run_to_end()
    index.refresh()
    assert not any(one.kind == shape.KEY_LOST for one in index.scan())
    same_as_rebuilt(archive, indexes)


@pytest.mark.parametrize("number", range(1, 7))
@pytest.mark.parametrize("where", ["index_put", "words_remove", "index_cursor"])
@pytest.mark.parametrize("when", ["killed_before", "killed_after", "not_applied",
                                  "applied_but_error"])
def test_a_crash_anywhere_in_a_sweep_is_made_good(number: int, where: str, when: str) -> None:
    """The process dies at the n-th write, or its answer is lost: the next one finishes."""
    faults = FaultPlan()
    archive, indexes = HomeArchive(), FakeIndexSet(faults)
    for at in range(3):
        archive.put(HOMES[at % 2], world.event(native_id=f"m{at}", text=f"one two{at}"),
                    edit("three", target="m0", native_id=f"e{at}"))
    index = indexes.open(indexes.first())
    Follower(archive, index, PROJECTOR).run_to_end()
    archive.destroy(HOMES[0])
    archive.put(FIRM, *acts(HOMES[0]))
    faults.arm(f"{where}_{when}", number)
    with suppress(Killed, CounterfoilError):
        Follower(archive, index, PROJECTOR).run_to_end()
    indexes.faults = FaultPlan()   # whatever was armed for later is over
    again = Follower(archive, indexes.open(indexes.first()), PROJECTOR)
    again.run_to_end()
    same_as_rebuilt(archive, indexes)
