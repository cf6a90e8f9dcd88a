"""What a person sees: all versions, how each is known, where it lies, and the talk around it."""

from __future__ import annotations

import pytest

from schemas import events
from schemas.document import Document
from search import thread
from search.bodies import Bodies
from search.follow import Follower, bind
from search.index import Index
from search.parse import parse
from search.results import hit
from tests.fakes.index import FakeIndexSet
from tests.search import world
from tests.search.test_project import parts_of
from tests.search.world import NOON, PROJECTOR, RETAIN_UNTIL, MemoryArchive


def indexed(archive: MemoryArchive) -> Index:
    """An index of everything."""
    indexes = FakeIndexSet()
    index = indexes.open(bind(indexes))
    Follower(archive, index, PROJECTOR).run_to_end()
    index.refresh()
    return index


def only(archive: MemoryArchive) -> Document:
    """The one document of an archive."""
    (found,) = indexed(archive).scan()
    return found


def test_every_version_says_who_when_and_how_it_is_known() -> None:
    """In order, with the place in the archive and the date until which it is locked."""
    archive = MemoryArchive()
    archive.seal([world.retraction(actor=world.BOB), world.event(text="one")])
    archive.seal([world.edit("two"), world.event(text="one", captured_at=NOON + 10 ** 7)], 1)
    view = thread.message(only(archive), Bodies(archive))
    assert [("message", "one"), ("edit", "two"), ("retraction", None)] == [
        (v.kind, v.text) for v in view.versions]
    assert view.hit.version_count == len(view.versions)
    message, edit, retraction = view.versions
    assert [None, "explicit", "explicit"] == [v.target_known for v in view.versions]
    assert world.BOB == retraction.actor
    assert (NOON + 120_000, NOON + 121_000, "absent_by_source") == (
        retraction.occurred_at, retraction.captured_at, retraction.content_state)
    assert {"provider_signed"} == {v.provenance for v in view.versions}
    assert {RETAIN_UNTIL} == {v.retain_until for v in view.versions}
    assert [(1, "0"), (0, "1"), (0, "0")] == [
        (v.offset, v.segment.split("/")[3]) for v in (message, edit, retraction)]
    assert [(1, False), (1, False)] == [(s.offset, s.differs) for s in message.sightings]


def test_a_sighting_that_differs_shows_what_it_said() -> None:
    """Two datums of one fact: the earliest leads, the other is there to read."""
    archive = MemoryArchive()
    archive.seal([world.event(text="first"), world.event(text="other", captured_at=NOON + 9_999)])
    (version,) = thread.message(only(archive), Bodies(archive)).versions
    assert "first" == version.text
    assert [(False, None), (True, "other")] == [(s.differs, s.text) for s in version.sightings]


def test_what_happened_beside_it_is_listed_apart() -> None:
    """Receipts and reactions are no versions."""
    archive = MemoryArchive()
    archive.seal([world.event(), world.event(
        events.RECEIPT, "m1", None, target="m1", revision="read", details=(("status", "read"),)),
        world.event(events.REACTION, "x", "👍", target="m1", captured_at=NOON + 9_000,
                    occurred_at=NOON + 8_000)])
    view = thread.message(only(archive), Bodies(archive))
    assert [("receipt", "read", None), ("reaction", "", "👍")] == [
        (r.kind, r.subkind, r.text) for r in view.related]
    assert 1 == len(view.versions)


def test_the_conversation_around_is_in_order_and_its_own() -> None:
    """Lines before and after, ties included, never of another conversation."""
    archive = MemoryArchive()
    archive.seal([world.event(native_id=f"m{n}", text=f"line {n}", occurred_at=NOON + n // 2)
                  for n in range(10)])
    archive.seal([world.event(native_id="far", conversation="group:9", text="elsewhere")])
    index = indexed(archive)
    ordered = sorted((d for d in index.scan() if d.conversation == PROJECTOR._tokenizer.named(
        "conversation", world.event().conversation)), key=lambda d: (-d.sort_at, d.doc_id))[::-1]
    for place, found in enumerate(ordered):
        around = thread.conversation_around(found, index, 2)
        assert ordered[max(0, place - 2):place + 3] == around
    view = thread.message(ordered[5], Bodies(archive),
                          thread.conversation_around(ordered[5], index, 1))
    assert [False, True, False] == [line.is_this for line in view.conversation]


def test_a_lost_key_hides_one_version_and_names_itself() -> None:
    """What can still be read is shown."""
    archive = MemoryArchive()
    archive.seal([world.event(text="gone"), world.edit("still here")])
    found = only(archive)
    archive._datums[0, 0, 0] = None
    view = thread.message(found, Bodies(archive))
    assert [(None, "key_lost: domain key"), ("still here", "")] == [
        (v.text, v.problem) for v in view.versions]
    assert "still here" == view.hit.text


def test_an_unreadable_record_can_be_shown() -> None:
    """Its place and the reason; no text."""
    archive = MemoryArchive()
    archive.seal([b"junk"])
    view = thread.message(only(archive), Bodies(archive))
    assert ("unreadable", None, None, "datum_unreadable") == (
        view.hit.kind, view.hit.state, view.hit.text, view.hit.problem)
    assert ["datum_unreadable"] == [v.problem for v in view.versions]


def test_a_large_event_is_read_through_its_parts() -> None:
    """The text of an event that came in parts."""
    archive = MemoryArchive()
    archive.seal(parts_of(world.event(text="a large one")))
    view = hit(only(archive), Bodies(archive), parse("large"))
    assert ("a large one", ((2, 7),)) == (view.text, view.highlights)


@pytest.mark.parametrize(("query", "expected"), [
    ("pay", ["Pay", "pay"]), ('"pay now"', ["pay now"]), ("天", ["天"]), ("明天见", ["明天见"]),
    ("NOT pay", []), ("x OR NOT (NOT now)", ["now"]), ("state:live", []),
    ("pay pay", ["Pay", "pay"]), ("now 明天", ["now", "明天"]),
])
def test_highlights_are_what_the_query_matches(query: str, expected: list[str]) -> None:
    """Words and phrases, not what stands under NOT; overlapping ranges are one."""
    archive = MemoryArchive()
    archive.seal([world.event(text="Pay later or pay now, 明天见")])
    view = hit(only(archive), Bodies(archive), parse(query))
    assert view.text is not None
    assert expected == [view.text[start:end] for start, end in view.highlights]


def test_words_that_stand_only_in_an_earlier_version_are_shown_from_there() -> None:
    """A hit on a text that was edited away shows that text too."""
    archive = MemoryArchive()
    archive.seal([world.event(text="the secret plan"), world.edit("nothing")])
    view = hit(only(archive), Bodies(archive), parse("secret"))
    assert ("nothing", (), "the secret plan", ((4, 10),)) == (
        view.text, view.highlights, view.earlier_text, view.earlier_highlights)
    assert hit(only(archive), Bodies(archive), parse("state:edited")).earlier_text is None
