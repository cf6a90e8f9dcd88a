"""A flag is an event that joins its message's document, once however often it is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas import codec, events
from schemas.document import Document
from schemas.errors import Refused
from schemas.events import CapturedEvent
from schemas.identity import event_id, message_key
from search.policy import flags as shape
from search.policy.flags import Flag, Place, bounded, flag_event, is_flag, read_flag
from search.project import document
from tests.search import world as archived
from tests.search.policy.world import HEAD, edit, flags, of, said, talk

RULE = "query = 'guarantee OR pay'"


def found(captured_at: int = 5) -> tuple[Flag, CapturedEvent]:
    """A flag on one message, and its event."""
    (flag,) = flags(RULE, of(said("I guarantee it\n--\nAnn")), head=HEAD + "mandatory = true\n")
    return flag, flag_event(flag, captured_at, 8)


def indexed(*items: CapturedEvent) -> Document:
    """The document of these events."""
    archive = archived.MemoryArchive()
    archive.seal(items)
    projected = [archived.PROJECTOR.project(read, 0) for read in archive.events()]
    (doc_id,) = {one[0] for one in projected if one}
    return document(doc_id, [one[1] for one in projected if one])


def test_an_event_says_what_the_flag_says() -> None:
    """Through bytes and back; points, other messages and what was cut included."""
    conversation = talk("I guarantee", "I will pay\n--\nAnn")
    several = flags(
        "threshold = 2\nterms = [{ find = 'guarantee' }, { find = 'pay' }]\n"
        "window = { messages = 2 }", conversation[1], conversation[:1])
    for flag in (*several, found()[0]):
        event = codec.decode(codec.encode(flag_event(flag, 5, 8)))
        assert isinstance(event, CapturedEvent) and is_flag(event)
        assert flag == read_flag(event)
        assert flag.cut and flag.places
    assert several[0].score == 2 and len(several[0].places) == 2


def test_a_flag_joins_its_message() -> None:
    """One document: the message with its flag, in the firm's domain, without a word of it."""
    message, (_, event) = said("I guarantee it\n--\nAnn"), found()
    assert message_key(message) == message_key(event)
    assert (events.POLICY, "firm", 8) == (event.kind, event.retention_class, event.retention_years)
    alone, both = indexed(message), indexed(message, event)
    assert alone.doc_id == both.doc_id
    assert ("message", "policy") == both.kinds
    assert (alone.state, alone.words, alone.sort_at, alone.actors) == (
        both.state, both.words, both.sort_at, both.actors)
    assert "guarantee" not in repr(event)


def test_a_replay_makes_sightings_never_doubles() -> None:
    """The same text, rule and version: the same event, whenever it is found again."""
    message, (_, first), (_, again) = said("I guarantee it\n--\nAnn"), found(5), found(99)
    assert event_id(first) == event_id(again)
    assert codec.encode_content(first) == codec.encode_content(again)
    seen = indexed(message, first, again)
    assert 2 == len({one.entry_id for one in seen.entries})
    assert "occurrence_differs" not in seen.observations


def test_another_text_rule_or_version_is_another_flag() -> None:
    """Each is a fact of its own."""
    message = of(said("I guarantee it"), edit("I will pay"))
    first, second = flags(RULE, message)
    others = [replace(first, version=2), replace(first, rule="b"), replace(first, policy="b"),
              replace(first, message=b"x" * 16), second]
    assert 6 == len({event_id(flag_event(one, 5, 8)) for one in (first, *others)})


def test_places_are_bounded_and_counted() -> None:
    """A text that hits a thousand times has one flag; what it does not list it counts."""
    text = "pay " * (shape.RANGES_MAX + 30)
    (flag,) = flags(RULE, of(said(text)))
    assert shape.RANGES_MAX == sum(len(one.ranges) for one in flag.places)
    assert 30 == flag.left_out
    assert flag == read_flag(flag_event(flag, 5, 8))
    both = (Place(b"a", b"b", ((0, 1),) * 400), Place(b"a", b"c", ((0, 1),) * 400),
            Place(b"a", b"d", ((0, 1),)))
    kept, left_out = bounded(both)
    assert ([400, 100], 301) == ([len(one.ranges) for one in kept], left_out)


@pytest.mark.parametrize("change", [
    {"kind": events.AUDIT}, {"target_key": None}, {"details": ()},
    {"places": "[[1]]"}, {"places": "{"}, {"cut": "[[1,2]]"}, {"version": "x"},
    {"score": "many"}, {"action": "hello"}, {"places": '[["zz",[]]]'},
])
def test_what_states_no_flag_is_refused(change: dict[str, object]) -> None:
    """Damaged or of another kind: refused, with no other error."""
    event = found()[1]
    if set(change) & {"kind", "target_key", "details"}:
        event = replace(event, **change)  # type: ignore[arg-type]
    else:
        details = {**dict(event.details), **{name: str(one) for name, one in change.items()}}
        event = replace(event, details=tuple(sorted(details.items())))
    with pytest.raises(Refused, match="does not read"):
        read_flag(event)
