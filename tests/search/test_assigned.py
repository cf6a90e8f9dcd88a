"""Unassigned messages that are given to a custodian afterwards (PROTOCOL C4, decision 0015)."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import events
from schemas.assignment import Assignment, Assignments, assignment_event, read_assignment
from schemas.errors import Refused
from schemas.events import CapturedEvent
from search import machine
from search.access.viewer import operator
from search.bodies import Bodies
from search.evaluate import answers, subject
from search.follow import Follower, bind, compare, rebuild
from search.query import compile_query
from tests.fakes.index import FakeIndexSet
from tests.search import world
from tests.search.test_searcher import Office
from tests.search.world import NOON, PROJECTOR, TOKENIZER, MemoryArchive

DESK = "+15550783881"
HOUR = 3_600_000


def decided(custodian: str = "dora", at: int = NOON + 10 * HOUR, name: str = "d1",
            **more: Any) -> Assignment:
    """A decision on the desk's account."""
    values: dict[str, Any] = {"channel": "whatsapp", "account": DESK, "reason": "it was hers"}
    return Assignment(name, at, custodian_id=custodian, **{**values, **more})


def said(*several: Assignment) -> list[CapturedEvent]:
    """Their events."""
    return [assignment_event(one, "operator", 8) for one in several]


def unassigned(native_id: str = "m1", at: int = NOON, **more: Any) -> CapturedEvent:
    """A message that nobody's account received."""
    return world.event(native_id=native_id, occurred_at=at, captured_at=at + 1_000,
                       **{"custodian": "", "retention_class": "unassigned", **more})


def found(office: Office, query: str) -> dict[str, str]:
    """Text -> custodian of what a search answers with."""
    hits = office.searcher.search(query, operator("x")).hits
    return {hit.text or "": hit.custodian for hit in hits}


def test_an_assignment_is_an_event_that_says_all_of_it() -> None:
    """What is read from the event is what was decided; it is the firm's own and says who."""
    for one in (decided(), decided(since=NOON, until=NOON + 1), decided(since=-5)):
        event = assignment_event(one, "operator", 8)
        assert one == read_assignment(event)
        assert (event.kind, event.provenance, event.actor and event.actor.native_id) == (
            events.ASSIGNMENT, events.OWN, "operator")


@pytest.mark.parametrize("change", [
    {"details": ()}, {"kind": events.AUDIT},
    {"details": (("account", ""), ("channel", "sms"), ("custodian", "d"))},
    {"details": (("account", "a"), ("channel", "sms"), ("custodian", "d"), ("from", "noon"))},
    {"details": (("account", "a"), ("channel", "sms"), ("custodian", "d"), ("from", "9" * 18))},
    {"details": (("account", "a"), ("channel", "sms"), ("custodian", "d"), ("until", "٣"))},
])
def test_what_states_no_decision_is_none(change: dict[str, Any]) -> None:
    """An event of that kind by another writer neither stops a search nor moves anything."""
    broken = replace(said(decided())[0], **change)
    with pytest.raises(Refused):
        read_assignment(broken)
    office = Office(unassigned(), broken)
    assert found(office, "hello") == {"hello": ""}


def test_unassigned_messages_are_shown_and_found_under_who_was_given_them() -> None:
    """Within the window, on that account, whatever came before or after the decision on the log;
    what capture wrote is never overruled."""
    office = Office(
        unassigned("m1", text="before the window", at=NOON - 1),
        *said(decided(since=NOON, until=NOON + HOUR)),
        unassigned("m2", text="inside", at=NOON),
        unassigned("m3", text="at its end", at=NOON + HOUR),
        unassigned("m4", text="another account", account="+15550000000"),
        unassigned("m5", text="another channel", channel="sms"),
        world.event(native_id="m6", text="of carol"))
    assert found(office, "to:dora") == {"inside": "dora"}
    assert found(office, "*") == {
        "before the window": "", "inside": "dora", "at its end": "", "another account": "",
        "another channel": "", "of carol": "carol"}
    (hit,) = office.searcher.search("with:DORA", operator("x")).hits
    view = office.searcher.view(hit.doc_id, operator("x"))
    assert (machine.message(view)["custodian"], machine.hit(hit)["custodian_assigned"]) == (
        "dora", True)
    assert found(office, "NOT with:dora NOT with:carol").keys() == {
        "before the window", "at its end", "another account", "another channel"}
    assert found(office, "from:dora") == {}
    assert len(found(office, 'kind:assignment "hers"')) == 1


def test_a_later_decision_holds_where_two_cover_a_moment() -> None:
    """So a wrong one is put right, and the rest of it stands."""
    office = Office(
        unassigned("m1", text="one"), unassigned("m2", text="two", at=NOON + HOUR),
        *said(decided("eve", NOON + 9, "later", since=NOON + HOUR), decided("dora", NOON + 5)))
    assert found(office, "*") == {"one": "dora", "two": "eve"}
    assert found(office, "with:eve") == {"two": "eve"}
    assert found(office, "with:dora") == {"one": "dora"}


def test_a_text_message_counts_with_its_pictures() -> None:
    """An account of the channel sms is that of its mms too, as in the directory."""
    office = Office(unassigned("m1", channel="mms"), *said(decided(channel="sms")))
    assert found(office, "with:dora") == {"hello": "dora"}


def test_nothing_that_was_stored_changes() -> None:
    """The same documents with and without a decision, but for the decision's own: no key, class or
    lock of what was captured is another one."""
    plain, moved = Office(unassigned()), Office(unassigned(), *said(decided()))
    (difference,) = compare(plain.indexes.open(bind(plain.indexes)),
                            moved.indexes.open(bind(moved.indexes)))
    assert difference.how == "only_second"


ITEMS = [unassigned("m1", text="one"), unassigned("m2", text="two", at=NOON + HOUR),
         *said(decided("dora", NOON + 5, "first", since=NOON),
               decided("eve", NOON + 5, "second", since=NOON + HOUR),
               decided("eve", NOON + 4, "third", until=NOON + HOUR))]


@pytest.mark.parametrize("order", list(itertools.permutations(range(len(ITEMS))))[::7])
def test_answers_are_a_function_of_the_set(order: tuple[int, ...]) -> None:
    """Any order, any repetition, and a rebuild: the same custodians."""
    office = Office(*(ITEMS[place] for place in order), ITEMS[order[0]])
    expected = {"one": "dora", "two": found(Office(*ITEMS), "*")["two"]}
    assert found(office, "*") == expected
    rebuild(office.archive, office.indexes, PROJECTOR)
    office.index()
    assert found(office, "*") == expected
    assert found(office, "with:dora") | found(office, "with:eve") == expected


_times = st.none() | st.integers(-3, 3).map(lambda hours: NOON + hours * HOUR)


@given(
    st.lists(st.tuples(st.sampled_from(("dora", "eve")), st.integers(0, 3), _times, _times),
             max_size=5),
    st.lists(st.tuples(st.integers(-4, 4), st.sampled_from(("", "carol"))), max_size=5))
def test_the_index_finds_what_the_reference_finds(
        decisions: list[tuple[str, int, int | None, int | None]],
        messages: list[tuple[int, str]]) -> None:
    """Overlapping windows in any number: the token query answers as the evaluator does."""
    assigned = Assignments(
        decided(custodian, NOON + at, f"d{number}", since=since, until=until)
        for number, (custodian, at, since, until) in enumerate(decisions))
    archive = MemoryArchive()
    archive.seal([unassigned(f"m{number}", NOON + hours * HOUR, custodian=custodian)
                  for number, (hours, custodian) in enumerate(messages)] or [b""])
    indexes = FakeIndexSet()
    index = indexes.open(bind(indexes))
    Follower(archive, index, PROJECTOR).run_to_end()
    index.refresh()
    bodies = Bodies(archive)
    for query in ("with:dora", "to:eve", "from:dora", "NOT to:dora", "to:carol"):
        tree, asked = compile_query(query, TOKENIZER, assigned=assigned)
        expected = {one.doc_id for one in index.scan() if one.kind == events.MESSAGE and answers(
            tree, subject(one, partial(bodies.event, one), assigned))}
        assert expected == {one.doc_id for one in index.search(asked, 100).documents}
