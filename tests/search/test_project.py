"""Events of one message become one document, whatever happens on the way (PROTOCOL I, C5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec, events, limits
from schemas import document as shape
from schemas.document import Document, Entry
from schemas.events import Attachment, CapturedEvent, EventPart
from schemas.identity import event_id, message_key
from search.follow import Follower
from search.marks import Label, flag_label, pattern_label
from search.project import (
    _together,
    complete_sets,
    document,
    marked_entries,
    merge,
    text_entry,
)
from search.thread import ordered_versions
from tests.fakes.index import FakeIndexSet
from tests.search import strategies, world
from tests.search.world import NOON, PROJECTOR, TOKENIZER, MemoryArchive

DOC = PROJECTOR._tokenizer.document(message_key(world.event()))


def entries_of(items: Sequence[CapturedEvent], partition: int = 0) -> list[Entry]:
    """The entries of events sealed in this order."""
    archive = MemoryArchive()
    archive.seal(items, partition)
    projected = [PROJECTOR.project(read, 0) for read in archive.events()]
    return [one[1] for one in projected if one is not None]


def of(*items: CapturedEvent) -> Document:
    """The document of events sealed in this order."""
    return document(DOC, entries_of(items))


def meaning(found: Document) -> Document:
    """Everything but where it lies, which decides among what is of one second."""
    return replace(found, entries=(), sort_at=found.sort_at // 1000)


def current(found: Document, items: Sequence[CapturedEvent]) -> str | None:
    """The current or last known text."""
    entry = text_entry(found)
    return None if entry is None else items[entry.pointer.offset].text


@given(strategies.message_events(), st.randoms(use_true_random=False), st.integers(0, 5))
@settings(max_examples=80)
def test_any_order_repetition_and_split_gives_one_document(
        items: list[CapturedEvent], random: object, cut: int) -> None:
    """A document is a function of the set of its entries: closed under union."""
    entries = entries_of(items)
    whole = document(DOC, entries)
    shuffled = [*entries, *entries[:cut]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert whole == document(DOC, shuffled)
    left, right = shuffled[:cut + 1], shuffled[cut:]
    if right:
        merged = merge(document(DOC, left), document(DOC, right))
        assert whole == merged == merge(document(DOC, right), document(DOC, left))
    assert whole == merge(whole, whole)


@given(strategies.message_events())
@settings(max_examples=80)
def test_a_message_alone_is_what_it_is_among_others(items: list[CapturedEvent]) -> None:
    """The short way for a document of one entry is no other meaning."""
    for entry in entries_of(items):
        for one in (entry, replace(entry, term_count=0), replace(entry, occurred_at=None),
                    replace(entry, term_count=limits.DOCUMENT_TOKENS_MAX + 1),
                    replace(entry, marks=("b", "a"), mark_count=2),
                    replace(entry, marks=("b", "a")),
                    replace(entry, marks=("a",), mark_count=limits.DOCUMENT_MARKS_MAX + 1),
                    replace(entry, custodian="", observations=("b", "a")),
                    replace(entry, kind=events.AUDIT), replace(entry, kind=shape.UNREADABLE)):
            assert _together(DOC, (one,)) == document(DOC, [one])


@given(strategies.message_events(), st.data())
@settings(max_examples=60)
def test_any_arrival_over_any_partitions_means_the_same(
        items: list[CapturedEvent], data: st.DataObject) -> None:
    """Permuted, repeated and spread over partitions and segments, a message means the same."""
    order = data.draw(st.permutations(items))
    meanings = []
    for arrival, width in ((items, 1), (order, 3)):
        archive = MemoryArchive()
        for number, one in enumerate(arrival):
            archive.seal([one], partition=number % width)
        indexes = FakeIndexSet()
        index = indexes.open(indexes.create())
        Follower(archive, index, PROJECTOR, batch_entries_max=2).run_to_end()
        meanings.append(meaning(index.get([DOC])[DOC].document))
    assert meanings[0] == meanings[1]


def test_case_01_an_orphan_retraction_is_a_document() -> None:
    """A revoke for an id never seen is there, retracted, its content absent by source."""
    found = of(world.retraction())
    assert ("retracted", "absent_by_source", "retraction", 1) == (
        found.state, found.content_state, found.kind, found.version_count)
    assert text_entry(found) is None


def test_case_02_the_original_after_its_revoke_is_never_live() -> None:
    """It joins its retraction: archived in full, shown as retracted."""
    items = (world.retraction(), world.event(captured_at=NOON + 10 ** 6))
    found = of(*items)
    assert ("retracted", "present", "message") == (found.state, found.content_state, found.kind)
    assert "hello" == current(found, items)
    assert ["message", "retraction"] == [e.kind for e in ordered_versions(found)]


def test_case_03_an_edit_without_target_stands_alone() -> None:
    """Its own document: edited, content absent; it changes no other message."""
    edit = world.edit(None, target=None, native_id="x", target_known=events.ABSENT,
                      content_state=events.ABSENT_BY_SOURCE)
    assert message_key(edit) != message_key(world.event())
    found = of(edit)
    assert ("edited", "absent_by_source", "edit") == (
        found.state, found.content_state, found.kind)


def test_case_04_and_05_the_same_fact_twice_is_one_version_seen_twice() -> None:
    """A redelivery and a repetition inside one delivery count as sightings."""
    found = of(world.event(), world.event(captured_at=NOON + 9_000))
    assert (1, 2, ()) == (found.version_count, found.sighting_count, found.observations)
    assert NOON + 1_000 == found.captured_at


def test_a_record_stored_twice_on_the_log_is_one_sighting() -> None:
    """Two records with one (session, counter) are one sighting (PROTOCOL T4)."""
    first = entries_of([world.event()])[0]
    again = replace(first, pointer=replace(first.pointer, offset=9))
    assert 1 == document(DOC, [first, again]).sighting_count


def test_one_fact_told_in_two_ways_is_flagged_and_the_earliest_leads() -> None:
    """Both are kept and searchable (PROTOCOL I2)."""
    items = (world.event(text="second", captured_at=NOON + 5_000), world.event(text="first"))
    found = of(*items)
    assert 1 == found.version_count
    assert ("occurrence_differs",) == found.observations
    assert "first" == current(found, items)
    assert 2 == len(found.words)


def test_case_33_a_stub_is_completed_by_the_content() -> None:
    """An undecryptable stub, then the content under the same id."""
    stub = world.event(text=None, content_state=events.UNDECRYPTABLE)
    items = (stub, world.event(captured_at=NOON + 8_000))
    found = of(*items)
    assert ("live", "present") == (found.state, found.content_state)
    assert "hello" == current(found, items)
    by_class = (replace(stub, revision="stub", captured_at=NOON + 9_000), world.event())
    assert "hello" == current(of(*by_class), by_class)


def test_case_63_an_edit_with_equal_text_is_a_version_and_flagged() -> None:
    """A change of markup only is a new version, marked as no change of text."""
    found = of(world.event(), world.edit("hello"))
    assert ("edited", 2, ("text_unchanged",)) == (
        found.state, found.version_count, found.observations)


def test_case_72_an_older_edit_does_not_become_current() -> None:
    """Stored and searchable; what is shown stays the younger one."""
    items = (world.event(), world.edit("new", NOON + 90_000, "e2"),
             world.edit("old", NOON + 30_000, "e1", captured_at=NOON + 10 ** 6))
    found = of(*items)
    assert "new" == current(found, items)
    assert (3, 3) == (found.version_count, len(found.words))


def test_edits_of_one_second_are_ordered_by_capture() -> None:
    """A tie in the source's time is decided by ours."""
    items = (world.event(), world.edit("b", native_id="e2", captured_at=NOON + 62_000),
             world.edit("a", native_id="e1", captured_at=NOON + 61_000))
    assert "b" == current(of(*items), items)


def test_a_time_in_the_future_is_not_believed() -> None:
    """An edit from next year does not stay current for ever."""
    items = (world.event(), world.edit("odd", NOON + 10 ** 10, captured_at=NOON + 60_000),
             world.edit("right", NOON + 90_000, "e2"))
    assert "right" == current(of(*items), items)


def test_an_edit_always_follows_its_message() -> None:
    """Even where the message's stated time is later than the edit's."""
    items = (world.event(occurred_at=NOON + 200_000, captured_at=NOON + 201_000),
             world.edit("changed"))
    found = of(*items)
    assert "changed" == current(found, items)
    assert ["message", "edit"] == [e.kind for e in ordered_versions(found)]


def test_an_edit_without_content_leaves_the_last_known_text() -> None:
    """The state says edited and absent; the text that is known stays readable."""
    items = (world.event(), world.edit(None, content_state=events.ABSENT_BY_SOURCE))
    found = of(*items)
    assert ("edited", "absent_by_source") == (found.state, found.content_state)
    assert "hello" == current(found, items)


def test_an_edit_that_takes_the_caption_away_shows_none() -> None:
    """Present without text is known to be empty; no older text is shown as current."""
    items = (world.event(), world.edit(None))
    assert current(of(*items), items) is None


def test_a_restoration_after_a_retraction_is_live_again() -> None:
    """The later of the two decides; before it, it does not."""
    back = world.event(events.RESTORATION, "u1", None, target="m1", occurred_at=NOON + 150_000,
                       captured_at=NOON + 151_000)
    assert "live" == of(world.event(), world.retraction(), back).state
    late = world.retraction(NOON + 160_000)
    assert "retracted" == of(world.event(), late, back).state


def test_what_a_custodian_supplied_never_changes_a_signed_message() -> None:
    """Its edit or tombstone is kept, searchable, and shown as claimed (PROTOCOL C5)."""
    for claim in (world.edit("forged", provenance=events.CUSTODIAN_SUPPLIED),
                  world.retraction(provenance=events.CUSTODIAN_SUPPLIED)):
        items = (world.event(), claim)
        found = of(*items)
        assert ("live", 2, ("claimed_by_export",)) == (
            found.state, found.version_count, found.observations)
        assert "hello" == current(found, items)


def test_an_imported_message_is_changed_by_its_import() -> None:
    """Where nobody vouches for more, the export decides."""
    supplied: dict[str, Any] = {"provenance": events.CUSTODIAN_SUPPLIED}
    found = of(world.event(**supplied), world.retraction(**supplied))
    assert ("retracted", ()) == (found.state, found.observations)


def test_an_imported_original_gives_a_signed_orphan_its_last_known_text() -> None:
    """The provider's retraction decides the state; the export's text is the last known."""
    items = (world.retraction(), world.event(provenance=events.CUSTODIAN_SUPPLIED))
    found = of(*items)
    assert "retracted" == found.state
    assert "hello" == current(found, items)


def test_receipts_and_reactions_ride_along() -> None:
    """They are entries of the message's document and change neither text nor state."""
    receipt = world.event(events.RECEIPT, "m1", None, target="m1", revision="read",
                          details=(("status", "read"),))
    reaction = world.event(events.REACTION, "x1", "👍", target="m1")
    items = (world.event(), receipt, reaction)
    found = of(*items)
    assert ("live", "message", 1, 1) == (
        found.state, found.kind, found.version_count, found.sighting_count)
    assert ("message", "reaction", "receipt") == found.kinds
    assert ("read",) == found.subkinds
    assert 1 == len(found.words)
    assert "hello" == current(found, items)


def test_a_receipt_without_its_message_does_not_answer() -> None:
    """It waits under its own kind until the message comes."""
    receipt = world.event(events.RECEIPT, "m1", None, target="m1", revision="read")
    found = of(receipt)
    assert ("receipt", "none") == (found.kind, found.state)
    assert found.kind not in events.ANSWERING_KINDS
    joined = merge(found, of(receipt, world.event()))
    assert ("message", "live") == (joined.kind, joined.state)


def test_a_retraction_by_somebody_else_leaves_the_author() -> None:
    """from: looks for who wrote it, not for the admin who took it back."""
    admin = world.retraction(actor=world.BOB)
    assert of(world.event()).actors == of(world.event(), admin).actors
    assert of(world.event()).actors != of(admin).actors


@pytest.mark.parametrize(("item", "kinds", "problem", "reason"), [
    (b"junk", events.ALL_KINDS, "", "datum_unreadable"),
    (world.event(events.REVIEW, "v1", None), events.CAPTURE_KINDS, "", "kind_not_enrolled"),
    (world.event(), frozenset(), "record_refused", "record_refused"),
    (world.event(), frozenset(), "cell_unreadable", "cell_unreadable"),
    (world.event(), frozenset(), "key_lost", "key_lost"),
])
def test_what_cannot_be_read_is_a_document_with_its_reason(
        item: world.Datum, kinds: frozenset[str], problem: str, reason: str) -> None:
    """Its id comes from its place; the follower never stops for it (PROTOCOL S5, T1, K3)."""
    archive = MemoryArchive()
    archive.seal([item], kinds=kinds, problem=problem)
    (read,) = archive.events()
    projected = PROJECTOR.project(read, 0)
    assert projected is not None
    doc_id, entry = projected
    found = document(doc_id, [entry])
    assert reason == entry.unreadable
    assert ("key_lost" if reason == "key_lost" else "unreadable", "none", ()) == (
        found.kind, found.state, found.words)
    assert doc_id != DOC


def test_heartbeats_are_not_indexed() -> None:
    """They say nothing that a person would look for."""
    archive = MemoryArchive()
    archive.seal([world.event(events.HEARTBEAT, "h", None)])
    assert [None] == [PROJECTOR.project(read, 0) for read in archive.events()]


def parts_of(event: CapturedEvent, total: int = 3) -> list[EventPart]:
    """The event cut as capture cuts it."""
    datum = codec.encode(event)
    size = -(-len(datum) // total)
    return [EventPart(event_id(event), message_key(event), event.kind, number, total,
                      datum[number * size:(number + 1) * size]) for number in range(total)]


def indexed(archive: MemoryArchive) -> list[Document]:
    """Every document of an archive."""
    indexes = FakeIndexSet()
    index = indexes.open(indexes.create())
    Follower(archive, index, PROJECTOR, batch_entries_max=1).run_to_end()
    index.refresh()
    return list(index.scan())


def test_a_large_event_is_joined_when_its_last_part_is_there() -> None:
    """Until then it waits, not answering; then it is the message (PROTOCOL C3)."""
    archive = MemoryArchive()
    parts = parts_of(world.event(text="large one"))
    archive.seal(parts[:2])
    (waiting,) = indexed(archive)
    assert ("part", "none") == (waiting.kind, waiting.state)
    archive.seal(parts[2:])
    archive.seal([world.retraction()], partition=1)
    (found,) = indexed(archive)
    assert ("message", "retracted", 2, 2) == (
        found.kind, found.state, found.version_count, found.sighting_count)
    assert found.words == of(world.event(text="large one")).words


def test_two_sightings_of_a_large_event_do_not_mix() -> None:
    """Interleaved parts of two captures give two sightings of one event."""
    first, again = parts_of(world.event()), parts_of(world.event(captured_at=NOON + 10 ** 9))
    archive = MemoryArchive()
    archive.seal([first[0]])
    archive.seal([again[0]], capture_id=b"o" * 16)
    archive.seal([again[1], again[2]], capture_id=b"o" * 16)
    archive.seal([first[1], first[2]])
    (found,) = indexed(archive)
    assert (1, 2, ()) == (found.version_count, found.sighting_count, found.observations)


def test_two_sessions_of_one_process_do_not_mix_their_parts() -> None:
    """A part goes to its own session's sighting, also where the other one waits for it longer."""
    first, again = parts_of(world.event()), parts_of(world.event(captured_at=NOON + 10 ** 9))
    archive = MemoryArchive()
    for part, session_id in ((first[0], b"1"), (again[0], b"2"), (again[1], b"2"),
                             (again[2], b"2"), (first[1], b"1"), (first[2], b"1")):
        archive.seal([part], session_id=session_id * 16)
    (found,) = indexed(archive)
    joined = [e for e in found.entries if e.joined]
    assert [("message", NOON + 1_000), ("message", NOON + 10 ** 9)] == [
        (e.kind, e.captured_at) for e in joined]
    assert (1, 2, ()) == (found.version_count, found.sighting_count, found.observations)


def test_a_sighting_that_lost_a_part_takes_none_of_the_next() -> None:
    """What a session began anew it had given up: only the second sighting is whole."""
    first, again = parts_of(world.event()), parts_of(world.event(captured_at=NOON + 10 ** 9))
    archive = MemoryArchive()
    archive.seal([first[0], first[1], again[0], again[1], again[2]])
    (found,) = indexed(archive)
    assert [NOON + 10 ** 9] == [e.captured_at for e in found.entries if e.joined]


def test_a_sighting_may_outlive_its_session() -> None:
    """A session ends after a second: the parts that follow come in the next one."""
    archive = MemoryArchive()
    parts = parts_of(world.event())
    for part, session_id in zip(parts, (b"1", b"2", b"3"), strict=True):
        archive.seal([part], session_id=session_id * 16)
    (found,) = indexed(archive)
    assert ("message", 1) == (found.kind, found.sighting_count)


def test_a_part_that_was_stored_twice_goes_to_no_other_sighting() -> None:
    """The same sealed record again is not the part that another sighting waits for."""
    first, again = parts_of(world.event()), parts_of(world.event(captured_at=NOON + 10 ** 9))
    archive = MemoryArchive()
    archive.seal([first[0]], session_id=b"1" * 16)
    archive.seal([again[0], again[1]], session_id=b"2" * 16)
    twice = [one[1] for one in (PROJECTOR.project(read, 0) for read in archive.events()) if one]
    twice.append(replace(twice[-1], pointer=replace(twice[-1].pointer, offset=3)))
    archive.seal([b"junk"])
    archive.seal([again[2]], session_id=b"2" * 16)
    last = PROJECTOR.project(list(archive.events())[-1], 0)
    assert last is not None
    (chain,) = complete_sets([*twice, last[1]])
    assert [1, 2, 4] == [e.pointer.offset for e in chain]


def test_parts_that_make_no_event_are_unreadable() -> None:
    """Damage is named at part 0 and stops nothing."""
    parts = parts_of(world.event())
    archive = MemoryArchive()
    archive.seal([parts[0], replace(parts[1], body=b"?" * len(parts[1].body)), parts[2]])
    (found,) = indexed(archive)
    assert ("part", "unreadable") == found.kinds
    assert ["datum_unreadable"] == [e.unreadable for e in found.entries if e.joined]


def test_a_part_that_came_twice_is_passed_over() -> None:
    """A producer's retry inside a set does not break it."""
    parts = parts_of(world.event())
    archive = MemoryArchive()
    archive.seal([parts[0], parts[1], parts[1], parts[2], parts[2]])
    projected = [PROJECTOR.project(read, 0) for read in archive.events()]
    entries = [one[1] for one in projected if one]
    assert [[0, 1, 2]] == [[e.part.number for e in chain if e.part]
                           for chain in complete_sets(entries)]


def test_more_words_than_are_indexed_are_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text is archived whole; the document says that the index is not."""
    monkeypatch.setattr("schemas.limits.INDEXED_TOKENS_MAX", 3)
    found = of(world.event(text="one two three four"))
    assert (3, ("text_cut_in_index",)) == (len(found.words[0]), found.observations)


def many_words(count: int = 8) -> list[CapturedEvent]:
    """A message of three words, edited again and again; each version seen twice."""
    versions = [world.event(text="one two three"), *(
        world.edit(f"e{n} x{n} y{n}", NOON + 60_000 + n * 1_000, f"e{n}") for n in range(count))]
    assert versions[0].captured_at < versions[-1].captured_at
    return [replace(one, captured_at=one.captured_at + late) for late in (0, 7)
            for one in versions]


@given(strategies.message_events(), st.integers(0, 12), st.data())
@settings(max_examples=80)
def test_a_limit_on_words_keeps_documents_closed_under_union(
        items: list[CapturedEvent], tokens_max: int, data: st.DataObject) -> None:
    """Trimmed apart and merged is trimmed together; who keeps its words keeps them in a subset."""
    entries = entries_of(items)
    parts = data.draw(st.lists(st.lists(st.sampled_from(entries), min_size=1), max_size=3))
    left = entries[:data.draw(st.integers(0, len(entries)))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("schemas.limits.DOCUMENT_TOKENS_MAX", tokens_max)
        whole = document(DOC, entries)
        pieces = [document(DOC, piece) for piece in (*parts, left, entries[len(left):]) if piece]
        for piece in pieces[1:]:
            pieces[0] = merge(piece, pieces[0])
        assert whole == pieces[0] == merge(whole, document(DOC, entries))
        worded = {e.pointer for e in whole.entries if e.words}
        for subset in (*parts, left):
            lost = {e.pointer for e in document(DOC, subset).entries if not e.words} if subset \
                else set()
            assert not worded & lost
        assert sum(map(len, whole.words)) <= tokens_max


def test_one_entry_of_each_text_keeps_its_words() -> None:
    """A sighting more costs an entry, not its words; versions with one text are two to search."""
    found = of(*many_words(2), world.edit("one two three", NOON + 90_000, "e9"))
    assert [3, 3, 3, 3] == [len(e.words) for e in found.entries if e.words]
    assert (4, 7) == (len(found.words), len(found.entries))
    assert {3} == {e.term_count for e in found.entries}


def test_a_message_edited_for_ever_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its earliest texts stay searchable; every version is kept, and the cut is observed."""
    monkeypatch.setattr("schemas.limits.DOCUMENT_TOKENS_MAX", 10)
    items = many_words()
    found = of(*items)
    assert (3, 9, 18) == (len(found.words), found.version_count, len(found.entries))
    assert ("text_cut_in_index",) == found.observations
    assert found.words[0] == of(world.event(text="one two three")).words[0]
    assert items[8].text == current(found, items)
    assert () == of(*items[:3]).observations


def test_what_a_custodian_supplies_takes_no_room_of_what_is_vouched_for(
        monkeypatch: pytest.MonkeyPatch) -> None:
    """An export of earlier times does not push the provider's text out of the index."""
    monkeypatch.setattr("schemas.limits.DOCUMENT_TOKENS_MAX", 3)
    export = world.event(text="a b c", occurred_at=NOON - 10 ** 6,
                         provenance=events.CUSTODIAN_SUPPLIED)
    found = of(export, world.event(text="one two three"))
    assert of(world.event(text="one two three")).words == found.words


# --- marks ---------------------------------------------------------------------------------------


def token(label: Label) -> str:
    """A label as an index holds it."""
    return TOKENIZER.named("mark", *label)


def is_marked(found: Document, *labels: Label) -> bool:
    """Whether a query for all of these answers with it."""
    return set(found.marks).issuperset(map(token, labels))


def flag(rule: str = "guarantee", version: str = "3", at: int = NOON + 500_000) -> CapturedEvent:
    """What a policy found in m1."""
    return world.event(
        events.POLICY, f"flag:{rule}:{version}", "DE89 3704 0044 0532 0130 00",
        target_key=message_key(world.event()), channel=events.FIRM_CHANNEL, account="",
        conversation=events.FIRM_CHANNEL, actor=None, participants=(), direction=None,
        custodian="", provenance=events.OWN, captured_at=at, occurred_at=None,
        details=(("action", "flag"), ("rule", rule), ("version", version)))


_MARKING_TEXTS = ("€5 and €6", "+1 650 555 1234", "a@b.de", "hello", "€7, x.de", None)


@st.composite
def marked_events(draw: st.DrawFn) -> list[CapturedEvent]:
    """Versions of a message, what is said about them, and flags; some seen twice, some otherwise
    the second time."""
    items = [
        replace(one, text=draw(st.sampled_from(_MARKING_TEXTS)), attachments=tuple(
            Attachment(f"f{n}", draw(st.sampled_from((None, "image/png"))), f"file {n}.pdf")
            for n in range(draw(st.integers(0, 2)))))
        for one in draw(strategies.message_events())]
    flags = st.builds(flag, st.sampled_from(("one", "two")), st.sampled_from("12"),
                      st.integers(NOON - 10 ** 6, NOON + 10 ** 6))
    return [*items, *draw(st.lists(flags, max_size=3))]


@given(marked_events(), st.integers(0, 20), st.integers(0, 12), st.data())
@settings(max_examples=120)
def test_a_limit_on_marks_keeps_documents_closed_under_union(
        items: list[CapturedEvent], marks_max: int, tokens_max: int, data: st.DataObject) -> None:
    """Trimmed apart and merged is trimmed together, whatever is cut for its length."""
    entries = entries_of(items)
    parts = data.draw(st.lists(st.lists(st.sampled_from(entries), min_size=1), max_size=3))
    left = entries[:data.draw(st.integers(0, len(entries)))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("schemas.limits.DOCUMENT_MARKS_MAX", marks_max)
        patch.setattr("schemas.limits.DOCUMENT_TOKENS_MAX", tokens_max)
        whole = document(DOC, entries)
        pieces = [document(DOC, piece) for piece in (*parts, left, entries[len(left):]) if piece]
        for piece in pieces[1:]:
            pieces[0] = merge(piece, pieces[0])
        assert whole == pieces[0] == merge(whole, document(DOC, entries))
        assert whole.marks == tuple(sorted({one for e in marked_entries(whole) for one in e.marks}))


@given(marked_events())
@settings(max_examples=60)
def test_a_document_has_the_marks_of_its_versions_and_flags(items: list[CapturedEvent]) -> None:
    """All of them, whichever sighting says them; of what is said about a message none."""
    entries = entries_of(items)
    versions = [e for e in entries if e.kind in events.CONTENT_KINDS]
    held = {one for e in (versions or entries) for one in e.marks} | {
        one for e in entries if e.kind == events.POLICY for one in e.marks}
    assert tuple(sorted(held)) == document(DOC, entries).marks


def test_marks_of_every_version_are_searched() -> None:
    """Of what an edit took out, and of what a retraction took back."""
    found = of(world.event(text="DE89 3704 0044 0532 0130 00"), world.edit("$5"),
               world.retraction())
    assert is_marked(found, pattern_label("iban"), pattern_label("amount", "USD 5"))
    assert not is_marked(of(world.edit("$5")), pattern_label("iban"))


def test_a_flag_joins_the_message_that_it_is_about() -> None:
    """It is found by rule and version; what the policy quotes is not the message's, and alone it
    is a document that waits for its message."""
    found = of(world.event(), flag(), flag("other", "1"))
    assert ("message", 1, ("message", "policy")) == (found.kind, found.version_count, found.kinds)
    assert is_marked(found, flag_label("*"), flag_label("guarantee", "3"), flag_label("other"))
    assert 5 == len(found.marks)
    assert (DOC, "policy") == (of(flag()).doc_id, of(flag()).kind)
    assert is_marked(of(flag()), flag_label("guarantee"))


def test_a_second_sighting_costs_no_marks_unless_it_says_more() -> None:
    """Equal content keeps them once; another file name is another content."""
    said = world.event(text="€5", attachments=(Attachment("f", None, "one.pdf"),))
    found = of(said, replace(said, captured_at=NOON + 9_000),
               replace(said, attachments=(Attachment("f", None, "two.pdf"),)))
    assert [True, False, True] == [bool(e.marks) for e in found.entries]
    assert is_marked(found, ("attachment", "name", "one"), ("attachment", "name", "two"))


def test_too_many_marks_are_cut_and_said_but_never_a_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message edited for ever does not hide what a policy found in it."""
    edits = [world.edit(f"€{n}", NOON + 60_000 + n * 1_000, f"e{n}") for n in range(9)]
    monkeypatch.setattr("schemas.limits.DOCUMENT_MARKS_MAX", 10)
    found = of(world.event(text="€100"), *edits, flag(at=NOON + 10 ** 9))
    assert ("marks_cut_in_index",) == found.observations
    assert is_marked(found, flag_label("guarantee"), pattern_label("amount", "€100"))
    assert len(found.marks) <= 10 and len(found.words) == 10


def test_a_text_of_too_many_identifiers_says_so() -> None:
    """On the document; its words are all there."""
    text = " ".join(f"€{number}" for number in range(limits.MARKS_MAX))
    assert ("marks_cut_in_index",) == of(world.event(text=text)).observations
    assert () == of(world.event(text="€1 €2")).observations
