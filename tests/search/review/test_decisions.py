"""An act of a reviewer and its event are one thing; the index keeps what an item needs of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec, domains
from schemas.errors import Refused
from schemas.events import CapturedEvent
from schemas.identity import event_id, message_key
from search.project import document
from search.review import decisions, facts, item, ladder, projected
from search.review.decisions import DECIDE, Review, Seen, read_review, review_event
from tests.search.review.world import YEARS, flag
from tests.search.world import PROJECTOR, TOKENIZER, MemoryArchive, edit, event

WHOLE = Review(
    message=b"m" * 16, person="ann", action=DECIDE, at=5, review_id="review:1",
    decision="escalate", level=2, severity="high", reason="two parties, one price",
    note="ask the desk", seen=Seen((b"v" * 16, b"w" * 16), (b"f" * 16,), (b"a" * 16,),
                                   ("money/cash/1",)), bulk="b1")


def test_an_act_comes_back_as_it_was() -> None:
    """Through the event and its bytes; in the firm's domain, about the message, by a person."""
    made = review_event(WHOLE, YEARS)
    read = codec.decode(codec.encode(made))
    assert isinstance(read, CapturedEvent)
    assert read_review(read) == WHOLE
    assert domains.role_of(made) == domains.FIRM
    assert (made.detail("version"), message_key(made)) == ((b"w" * 16).hex(), WHOLE.message)
    assert list(made.details) == sorted(made.details)


@pytest.mark.parametrize("change", [
    {"action": "shrug"}, {"decision": ""}, {"decision": "maybe"}, {"level": 4}, {"person": ""},
    {"reason": "x" * 501}, {"note": "x" * 4_001}, {"tag": "t"},
    {"action": "note", "decision": "", "note": " "}, {"action": "tag", "decision": ""},
    {"action": "tag", "decision": "", "tag": "a\nb"}, {"action": "confirm", "decision": ""},
])
def test_an_act_that_cannot_be_meant_is_refused(change: dict[str, Any]) -> None:
    """Before it is an event."""
    with pytest.raises(Refused):
        review_event(replace(WHOLE, **change), YEARS)


def test_an_event_that_does_not_read_says_nothing() -> None:
    """It is no fact, and breaks no document."""
    good = review_event(WHOLE, YEARS)
    for bad in (replace(good, details=()), replace(good, actor=None),
                replace(good, details=(("action", "decide"), ("level", "x"))),
                replace(good, target_key=None)):
        assert facts.codes(bad, TOKENIZER) == ()
        with pytest.raises(Refused):
            read_review(bad)


def test_codes_are_one_word_to_every_index() -> None:
    """Fields and times are small letters, digits, "-" and "_"."""
    message = event()
    known = [message, flag(message), review_event(replace(
        WHOLE, message=message_key(message)), YEARS)]
    fields = projected.of_state(item.fold(facts.of_events(known, TOKENIZER)))
    assert fields.codes and len(fields.times) == 5
    for one in (*fields.codes, *fields.times):
        assert one.replace("-", "").replace("_", "").isalnum() and one == one.lower()


def _acts(message: CapturedEvent, chance: st.DataObject) -> list[CapturedEvent]:
    known: list[CapturedEvent] = [message]
    for number in range(chance.draw(st.integers(0, 6))):
        kind = chance.draw(st.sampled_from(("flag", "edit", DECIDE, DECIDE, "reopen", "tag")))
        at = message.captured_at + chance.draw(st.integers(1, 9)) * 1_000
        if kind == "flag":
            known.append(flag(message, f"r{number}", chance.draw(
                st.sampled_from(facts.SEVERITIES)), at=at))
        elif kind == "edit":
            known.append(edit(f"text {number}", at, f"e{number}"))
        else:
            seen = [one for one in known if chance.draw(st.booleans())]
            known.append(review_event(Review(
                message_key(message), chance.draw(st.sampled_from(("ann", "ben"))), kind, at,
                f"review:{number}", decision=chance.draw(st.sampled_from(decisions.DECISIONS))
                if kind == DECIDE else "", tag="fx" if kind == "tag" else "",
                seen=Seen(tuple(event_id(one) for one in seen if one.kind in facts.VERSION_KINDS),
                          tuple(event_id(one) for one in seen if one.kind == "policy"),
                          tuple(event_id(one) for one in seen if one.kind == "review"))), YEARS))
    return known


@given(st.data(), st.randoms(use_true_random=False))
@settings(max_examples=120)
def test_the_document_says_what_the_fold_of_the_events_says(chance: st.DataObject,
                                                            order: Any) -> None:
    """Whatever the order and repetition of its entries: a queue counts items, not guesses."""
    known = _acts(event(), chance)
    expected = projected.of_state(item.fold(facts.of_events(known, TOKENIZER)))
    arrival = [*known, *known[:2]]
    order.shuffle(arrival)
    archive = MemoryArchive()
    archive.seal(arrival)
    projected_ones = [PROJECTOR.project(read, 0) for read in archive.events()]
    entries = [one[1] for one in projected_ones if one is not None]
    assert projected.review_fields(entries) == expected
    made = document(TOKENIZER.document(message_key(known[0])), entries)
    assert (made.review, made.review_times) == (expected.codes, expected.times)


@given(st.integers(0, 4 * 10 ** 12), st.integers(0, 3 * 10 ** 10), st.integers(-10, 10 ** 10))
@settings(max_examples=200)
def test_a_span_of_time_is_covered_by_its_rungs(since: int, length: int, offset: int) -> None:
    """A time has exactly one rung of the spans that it is in, none of the others, to the minute."""
    until, at = since + length, since + offset
    covered = ladder.cover(since, until)
    minute, low, high = (max(one, 946_684_800_000) // 60_000 for one in (at, since, until))
    held = [one for one in ladder.rungs(at) if one in covered]
    assert len(held) == (1 if low <= minute < high else 0)
    assert len(covered) <= 2 * (60 + 24 + 31 + 12) + 200
    if at >= 0:
        assert len([one for one in ladder.rungs(at) if one in ladder.cover(None, None)]) == 1
