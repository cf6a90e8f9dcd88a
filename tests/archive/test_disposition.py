"""What is due and what is not, over random classes, holds and times; what a set of acts means."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive import holds
from archive.disposition import (
    DUE,
    EMPTY,
    ERASED,
    HOLD,
    LOG,
    NO_GROUND,
    RECORD,
    RETENTION,
    UNREADABLE,
    KeySeen,
    judge,
)
from archive.holds import Content, Fact, HoldFacts
from archive.keyring import KEPT_MS, name_of
from archive.retention import DAY_MS, end_of
from schemas import disposition, domains
from schemas.directory import Matter
from schemas.disposition import Act, act_event, body_of, read_act, record_of
from schemas.domains import DomainFacts
from schemas.errors import Refused
from schemas.holdacts import PLACED, RELEASE_ASKED, RELEASE_GRANTED, Scope
from schemas.holdacts import Act as HoldAct
from tests.world import World

NOW = domains.month_start("2030-06")
PLACE = ("ab" * 16, 0)
LIST = "cd" * 16
KEYS = [f"{number:032x}/0" for number in range(4)]


class NoContent:
    """Nothing but custodian and month decides."""

    def matter(self, matter_id: str) -> tuple[Matter, ...]:
        """See archive.holds.Sources."""
        del matter_id
        return ()

    def content(self, scope: Scope) -> Content:
        """See archive.holds.Sources."""
        del scope
        return Content()


_MONTHS = st.builds(lambda year, month: f"{year}-{month:02d}", st.integers(2018, 2032),
                    st.integers(1, 12))
_FACTS = st.builds(
    DomainFacts, custodian=st.sampled_from(["ann", "bob"]),
    retention_class=st.sampled_from(["default", "long", ""]), month=_MONTHS,
    compartment=st.just(""), years=st.integers(0, 12), role=st.just(""))
_SCOPES = st.builds(
    Scope, custodians=st.sampled_from([(), ("ann",), ("bob",), ("ann", "bob")]),
    matters=st.just(()), conversations=st.just(()),
    since=st.one_of(st.none(), _MONTHS.map(domains.month_start)),
    until=st.one_of(st.none(), _MONTHS.map(domains.month_end)), query=st.just(""))


def hold(number: int, scope: Scope, state: int) -> list[Fact]:
    """A hold: in force, a release asked for, granted by another, or by the same person."""
    made = holds_act(PLACED, number, scope, "ann")
    asked = holds_act(RELEASE_ASKED, number, Scope(), "ann", 1)
    found = [made]
    if state >= 1:
        found.append(asked)
    if state >= 2:
        found.append(holds_act(RELEASE_GRANTED, number, Scope(), "bob" if state == 2 else "ann", 2,
                               asked.name))
    return found


def holds_act(action: str, number: int, scope: Scope, person: str, later: int = 0,
              about: bytes = b"") -> Fact:
    """One act of a hold, three years before now."""
    act = HoldAct(action=action, hold_id=f"{number:016x}", at=NOW - 1000 * DAY_MS + later,
                  person=person, act_id=f"{number}:{action}", name=f"hold {number}",
                  ground="a claim", scope=scope,
                  about=about)
    return Fact(f"{number}:{action}".encode().ljust(16, b"."), act,
                domains.reserved(domains.FIRM, 2027, 1))


@settings(max_examples=400)
@given(facts=_FACTS, scopes=st.lists(st.tuples(_SCOPES, st.integers(0, 3)), max_size=3),
       now=st.integers(NOW - 4000 * DAY_MS, NOW + 4000 * DAY_MS), events=st.integers(0, 3),
       has_record=st.booleans(), on_log=st.booleans(), is_gone=st.booleans(),
       opens=st.booleans())
def test_nothing_held_goes_and_nothing_due_stays_without_a_ground(
        facts: DomainFacts, scopes: list[tuple[Scope, int]], now: int, events: int,
        has_record: bool, on_log: bool, is_gone: bool, opens: bool) -> None:
    """Due exactly when its time is over and nothing keeps it; else the ground, and its date."""
    known = HoldFacts(frozenset(one for number, (scope, state) in enumerate(scopes)
                                for one in hold(number, scope, state)))
    seen = KeySeen(b"d" * 16, 0, events, events, 0, {PLACE: 7} if events else {}, has_record)
    standing = judge(
        seen, facts if opens else None,
        holds.judged(known, NoContent()), now,
        log_starts={PLACE: 7 if on_log else 8},
        erased=frozenset({seen.name}) if is_gone else frozenset())
    # Said a second time, by what the fields are alone.
    month = facts.month
    is_held = any(
        state != 2 and (not scope.custodians or facts.custodian in scope.custodians)
        and (scope.since is None or domains.month_text(scope.since) <= month)
        and (scope.until is None or month <= domains.month_text(scope.until - 1))
        for scope, state in scopes)
    is_sound = opens and facts.retention_class and facts.years > 0
    is_over = now >= end_of(facts) + DAY_MS
    expected = (ERASED if is_gone else UNREADABLE if not opens else NO_GROUND if not is_sound
                else HOLD if is_held else RETENTION if not is_over else RECORD if has_record
                else EMPTY if not events else LOG if on_log else DUE)
    assert expected == standing.why
    assert standing.words and (standing.why != DUE or not is_held)
    assert (standing.until is not None) == (standing.why == RETENTION)
    if standing.until is not None:
        assert now < standing.until == end_of(facts) + DAY_MS


def acts(keys: list[str] = KEYS, wait_ms: int = 0) -> list[Act]:
    """A list that went its way."""
    listed = Act(disposition.LISTED, LIST, NOW, "ann", body=body_of(
        {"keys": keys, "wait_ms": wait_ms}))
    about = {"list": listed.digest}
    said = {**about, "keys": keys[:2]}
    return [listed, Act(disposition.APPROVED, LIST, NOW + 1, "bob", body=body_of(about)),
            Act(disposition.INTENT, LIST, NOW + 2, "ann", body=body_of(said)),
            Act(disposition.COUNTED, LIST, NOW + 3, "ann", body=body_of(said)),
            Act(disposition.ERASED, LIST, NOW + 4, "ann", body=body_of(said)),
            Act(disposition.CERTIFIED, LIST, NOW + 5, "ann", body=body_of(said))]


def test_what_was_done_is_a_function_of_the_set() -> None:
    """Any order and any repetition of the acts means the same."""
    every = acts()
    expected = record_of(every)
    assert frozenset(KEYS[:2]) == expected.erased and not expected.unfounded
    for order in permutations(every):
        assert expected == record_of([*order, order[0]])


@pytest.mark.parametrize("missing", [disposition.LISTED, disposition.APPROVED, disposition.INTENT])
def test_without_one_of_the_three_nothing_is_erased_by_right(missing: str) -> None:
    """No list, no approval or no intent: the erasure is unfounded."""
    found = record_of(one for one in acts() if one.action != missing)
    assert not found.erased
    assert [disposition.ERASED] == [one.action for one in found.unfounded]


@pytest.mark.parametrize("changed", [
    {disposition.APPROVED: {"by": " ANN "}},                     # nobody approves alone
    {disposition.APPROVED: {"body": body_of({"list": "another"})}},
    {disposition.INTENT: {"at": NOW}},                           # before it was approved
    {disposition.INTENT: {"body": b"no json"}},
    {disposition.ERASED: {"at": NOW + 1}},                       # before the intent
])
def test_an_act_that_does_not_fit_counts_for_nothing(
        changed: dict[str, dict[str, object]]) -> None:
    """By the same person, about another list, or out of its time."""
    every = [replace(one, **changed.get(one.action, {})) for one in acts()]  # type: ignore[arg-type]
    assert not record_of(every).erased


def test_more_than_was_meant_is_not_erased_by_right() -> None:
    """An erasure that names a key that no intent named is unfounded, all of it."""
    *before, erased, certified = acts()
    wider = replace(erased, body=body_of({"list": before[0].digest, "keys": KEYS}))
    found = record_of([*before, wider, certified])
    assert not found.erased and (wider,) == found.unfounded


def test_a_refusal_before_the_intent_ends_the_list_and_one_after_it_does_not() -> None:
    """Of two words at once the cautious one counts."""
    about = body_of({"list": acts()[0].digest})
    for at, state in ((NOW + 1, disposition.REFUSED), (NOW + 2, disposition.REFUSED),
                      (NOW + 3, disposition.CERTIFIED)):
        refused = Act(disposition.REFUSED, LIST, at, "carl", "no", about)
        (listing,) = record_of([*acts(), refused]).listings
        assert state == listing.state


def test_the_waiting_period_is_part_of_the_list() -> None:
    """An intent before its end is none; so nothing that follows from it is by right."""
    assert record_of(acts(wait_ms=1)).erased
    assert not record_of(acts(wait_ms=2)).erased


def test_an_act_is_read_back_as_it_was_said() -> None:
    """Through its event; an event that states none is refused."""
    for act in acts():
        assert act == read_act(act_event(act, 8))
    event = act_event(acts()[0], 8)
    for changed in ({"raw": None}, {"actor": None}, {"kind": "audit"}, {"details": ()}):
        with pytest.raises(Refused):
            read_act(replace(event, **changed))


def test_a_running_archiver_stops_using_a_closed_key(tmp_path: Path) -> None:
    """One that runs on goes to the new generation when what it remembers is too old, and before
    that seals under the old one: whoever destroys has to wait that long."""
    world = World(tmp_path)
    archiver = world.archiver()

    def generations() -> list[int]:
        reader = world.reader()
        return [cell.generation for place in reader.partitions()
                for cell in reader.survey(*place, lambda _domain: False)]

    def one_more(number: int) -> None:
        world.capture([world.message(number, custodian="c0")])
        world.archive(archiver)

    one_more(0)
    domain = world.router.domain(world.message(0, custodian="c0"))
    facts = world.keys().open(domain, 0).facts
    assert 1 == world.keys().close(domain, 0, facts)
    one_more(1)
    assert [0, 0] == generations()
    world.now += KEPT_MS
    one_more(2)
    assert [0, 0, 1] == generations()
    world.keyring.destroy(name_of(domain, 0))
    one_more(3)
    assert [0, 0, 1, 1] == generations()
    report = world.verify(erased=[name_of(domain, 0)])
    assert not report.findings
    assert 1 == world.keys().close(domain, 0, facts)      # never 0 again
