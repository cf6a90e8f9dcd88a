"""A policy sees of a message what its document says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec, events
from schemas.document import Document, Entry
from schemas.events import CapturedEvent
from schemas.identity import message_key
from schemas.wire import Pointer
from search import evaluate, moments
from search.policy.message import Message, message_of
from search.project import VERSION_KINDS, document, effective_time, leading_entry
from tests.search import strategies, world
from tests.search.policy.world import NOON, edit, of, retraction, said


def document_of(captured: Sequence[CapturedEvent]) -> tuple[Document, evaluate.Subject]:
    """The document of events, and what a query sees of it."""
    archive = world.MemoryArchive()
    archive.seal(captured)
    held: dict[Pointer, CapturedEvent] = {}
    entries: list[Entry] = []
    for read, event in zip(archive.events(), captured, strict=True):
        projected = world.PROJECTOR.project(read, 0)
        assert projected is not None
        held[read.pointer] = event
        entries.append(projected[1])
    found = document("d" * 32, entries)
    return found, evaluate.subject(found, lambda entry: held[entry.pointer])


def content(captured: Sequence[CapturedEvent]) -> list[CapturedEvent]:
    """Without what only its place on the log would decide: events of one time."""
    known: dict[tuple[str, int | None, int], CapturedEvent] = {}
    for one in captured:
        known.setdefault((one.kind, one.occurred_at, one.captured_at), one)
    return list(known.values())


@given(strategies.message_events())
@settings(max_examples=60)
def test_it_is_the_documents_view(captured: list[CapturedEvent]) -> None:
    """State, kind, time, texts and people are those that a search would see."""
    captured = content(captured)
    message = message_of(b"k", captured)
    found, about = document_of(captured)
    if message is None:
        assert not {one.kind for one in captured} & set(VERSION_KINDS)
        return
    place = moments.place(message.at, leading_entry(found).pointer, of_a_minute=False)
    sort_at = message.at + (place if message.at == message.lead.occurred_at else 0)
    assert (found.state, found.kind, found.sort_at, found.direction) == (
        message.state, message.lead.kind, sort_at, message.lead.direction)
    sides = message.sides()
    assert (about.actors, about.recipients) == (sides.actor, sides.recipients)
    assert set(about.texts) <= {one.text for one in message.texts}
    assert found.version_count == len({one.event_id for one in message.versions})


@pytest.mark.parametrize("more", [
    {"occurred_local": "2026-01-15T12:00"}, {"occurred_local": "2569-01-15T12:00"},
    {"occurred_local": "2026-01-15T12:00:07"},
    {"kind": events.RETRACTION, "target": "m1",
     "details": (("line_local", "2026-01-15T12:00"),)}])
def test_a_line_of_no_known_zone_is_of_one_time_for_both(more: dict[str, Any]) -> None:
    """Its local time, where that can be; also of a tombstone whose message nobody captured."""
    handed_in = said("a", **{"occurred_at": None, "captured_at": NOON + 10 ** 9,
                             "provenance": events.CUSTODIAN_SUPPLIED, **more})
    message = message_of(b"k", [handed_in])
    found, about = document_of([handed_in])
    assert message is not None
    assert message.at == found.sort_at == about.sort_at
    (version,) = message.versions
    assert version.at == effective_time(found.entries[0])


@given(strategies.message_events(), st.randoms(use_true_random=False), st.integers(0, 5))
@settings(max_examples=40)
def test_order_and_repetition_do_not_matter(captured: list[CapturedEvent], random: object,
                                            twice: int) -> None:
    """A function of the set of events."""
    shuffled = [*captured, *captured[:twice]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert seen(message_of(b"k", captured)) == seen(message_of(b"k", shuffled))


def seen(message: Message | None) -> object:
    """What is said of it, without our clock's readings of equal sightings."""
    return message and (
        [(one.revision(), one.at) for one in message.versions], message.state, message.at,
        codec.encode_content(message.lead))


def test_versions_are_in_order_of_time() -> None:
    """The message first, whenever it came; of one second, an edit before a retraction."""
    message = of(retraction(NOON + 9_000), edit("b", NOON + 9_000), said("a"),
                 edit("c", NOON - 9_000, "e0"))
    assert ["message", "edit", "edit", "retraction"] == [
        one.event.kind for one in message.versions]
    assert ["a", "c", "b", None] == [one.text for one in message.versions]
    assert ["a", "c", "b"] == [one.text for one in message.texts]


def test_a_revision_names_event_and_text() -> None:
    """Two sightings of one event with different texts are two revisions; a retraction has one."""
    first, second = of(said("a"), said("b", captured_at=NOON + 5)).versions
    assert first.event_id == second.event_id
    assert first.revision() != second.revision()
    back = of(retraction()).versions[0]
    assert back.event_id.hex() == back.revision()


def test_zones_of_the_whole_are_what_the_source_says() -> None:
    """Forwarded, and lines of the source's own."""
    def zone(**more: Any) -> str | None:
        found = of(said("x", **more)).versions[0].whole_zone()
        return found and found[0]
    assert "forwarded" == zone(observations=("frequently_forwarded",))
    assert "system" == zone(details=(("type", "notice"),))
    assert "system" == zone(kind=events.UNKNOWN, details=(("system_type", "x"),))
    assert zone(details=(("type", "image"),)) is None


def test_what_is_no_message_is_none() -> None:
    """A receipt alone is nothing a policy looks at."""
    receipt = said(None, kind=events.RECEIPT)
    assert message_of(message_key(receipt), [receipt]) is None
