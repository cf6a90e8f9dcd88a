"""What becomes of an item follows from the set of facts, whatever order they come in."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from search.review import item
from search.review.decisions import (
    ASSIGN,
    BREACH,
    CLEAR,
    CONFIRM,
    DECIDE,
    ESCALATE,
    FALSE_POSITIVE,
    OBJECT,
    REOPEN,
    TAG,
    UNTAG,
)
from search.review.facts import FLAG, HIGH, LOW, MEDIUM, VERSION, Fact
from search.review.item import CLOSED, ESCALATED, NONE, OPEN, SECOND, ItemState, fold

PEOPLE = ("ann", "ben", "cat")


def version(name: str = "v1", at: int = 1) -> Fact:
    """A version of the message."""
    return Fact(at, name, VERSION)


def raised(name: str = "f1", at: int = 2, severity: str = MEDIUM, rule: str = "r") -> Fact:
    """A flag."""
    return Fact(at, name, FLAG, severity=severity, rule=rule)


def said(name: str, at: int, known: Sequence[Fact], person: str = "ann", what: str = DECIDE,
         **more: object) -> Fact:
    """An act by somebody who sees `known`."""
    state = fold(known)
    return replace(Fact(
        at, name, what, person=person, level=state.level, after=state.heads,
        flags=tuple(one.name for one in known if one.what == FLAG),
        versions=tuple(one.name for one in known if one.what == VERSION)), **more)  # type: ignore[arg-type]


BASE = (version(), raised())


def test_a_flag_opens_an_item() -> None:
    """Open at the first level since it was raised; without flags there is none."""
    assert fold([version()]) == ItemState()
    state = fold(BASE)
    assert (state.status, state.level, state.severity, state.why, state.needs) == (
        OPEN, 1, MEDIUM, ("flagged",), "decision")
    assert (state.opened_at, state.waiting_since) == (2, 2)


def test_a_decision_closes_it() -> None:
    """With its outcome, who and when; nobody is wanted any more."""
    clear = said("d1", 10, BASE, decision=CLEAR)
    state = fold([*BASE, clear])
    assert (state.status, state.outcome, state.decided_by, state.decided_at,
            state.waiting_since, state.needs) == (CLOSED, CLEAR, "ann", 10, None, "")


def test_a_grave_item_needs_two() -> None:
    """Four eyes: the first person's word waits for another's; his own second counts nothing."""
    base = (version(), raised(severity=HIGH))
    clear = said("d1", 10, base, decision=CLEAR)
    state = fold([*base, clear])
    assert (state.status, state.outcome, state.needs, state.barred) == (
        SECOND, CLEAR, "second", ("ann",))
    own = said("c0", 11, [*base, clear], "ann", CONFIRM, about="d1", decision=CLEAR)
    assert fold([*base, clear, own]) == state
    other = said("c1", 12, [*base, clear], "ben", CONFIRM, about="d1", decision=CLEAR)
    closed = fold([*base, clear, own, other])
    assert (closed.status, closed.decided_by, closed.confirmed_by) == (CLOSED, "ann", "ben")
    against = said("o1", 12, [*base, clear], "ben", OBJECT, about="d1", level=2)
    up = fold([*base, clear, against])
    assert (up.status, up.level, up.why, up.needs) == (ESCALATED, 2, ("objected",), "decision")


def test_a_breach_of_high_severity_stands_alone() -> None:
    """Nobody has to agree that something is wrong."""
    base = (version(), raised(severity=HIGH))
    state = fold([*base, said("d1", 10, base, decision=BREACH)])
    assert (state.status, state.outcome) == (CLOSED, BREACH)


def test_what_comes_later_was_not_decided() -> None:
    """A flag or a version that the decision did not see opens it again, with the reason; whatever
    its time says."""
    clear = said("d1", 10, BASE, decision=CLEAR)
    for late, why in ((raised("f2", 20, rule="other"), "new_flag"), (version("v2", 20), "changed"),
                      (raised("f3", 3), "new_flag")):
        state = fold([*BASE, clear, late])
        assert (state.status, state.why, state.fresh) == (OPEN, (why,), (late.name,))
        assert state.waiting_since == max(10, late.at)
        again = said("d2", 30, [*BASE, clear, late], "ben", decision=FALSE_POSITIVE)
        assert fold([*BASE, clear, late, again]).status == CLOSED


def test_another_sighting_of_a_flag_or_version_changes_nothing() -> None:
    """A replay says the same flag again, a provider delivers again."""
    facts = [*BASE, said("d1", 10, BASE, decision=CLEAR)]
    assert fold([*facts, replace(BASE[1], at=99), replace(BASE[0], at=99)]) == fold(facts)


def test_escalated_and_reopened() -> None:
    """Each begins a new wait; assignments of before are over."""
    given_to = said("a1", 5, BASE, what=ASSIGN, to="ben")
    assert fold([*BASE, given_to]).assigned_to == "ben"
    up = said("d1", 10, [*BASE, given_to], decision=ESCALATE, level=2)
    state = fold([*BASE, given_to, up])
    assert (state.status, state.level, state.assigned_to, state.waiting_since) == (
        ESCALATED, 2, "", 10)
    known = [*BASE, given_to, up]
    known.append(said("d2", 20, known, "cat", decision=BREACH))
    assert fold(known).status == CLOSED
    known.append(said("x1", 30, known, "cat", REOPEN, level=2))
    state = fold(known)
    assert (state.status, state.level, state.why, state.opened_at) == (OPEN, 2, ("reopened",), 2)


def test_a_check_of_a_cleared_item_is_somebody_elses() -> None:
    """Reopened for quality, its first decider is barred."""
    known = [*BASE, said("d1", 10, BASE, decision=CLEAR)]
    known.append(said("q1", 20, known, "cat", REOPEN, is_quality=True))
    state = fold(known)
    assert (state.status, state.why, state.barred) == (OPEN, ("quality",), ("ann",))


def test_opened_by_hand() -> None:
    """What no policy flagged becomes an item when somebody says so."""
    opened = said("x1", 5, [version()], what=REOPEN)
    assert fold([version(), opened]).why == ("by_hand",)


def test_two_decisions_that_did_not_know_of_each_other() -> None:
    """Both stand; the one that leaves more to do leads; the item says that they differ, until a
    decision follows both."""
    clear = said("d1", 10, BASE, "ann", decision=CLEAR)
    up = said("d2", 11, BASE, "ben", decision=ESCALATE, level=2)
    for order in ((clear, up), (up, clear)):
        state = fold([*BASE, *order])
        assert (state.status, state.level, state.conflict, state.heads) == (
            ESCALATED, 2, True, ("d1", "d2"))
    settled = said("d3", 20, [*BASE, clear, up], "cat", decision=CLEAR)
    state = fold([*BASE, clear, up, settled])
    assert (state.status, state.conflict, state.heads) == (CLOSED, False, ("d3",))
    same = said("d4", 12, BASE, "cat", decision=CLEAR)
    agreed = fold([*BASE, clear, same])
    assert (agreed.status, agreed.conflict, agreed.decided_by) == (CLOSED, False, "cat")


def test_tags_and_severity() -> None:
    """The last word on a tag counts; an item is as grave as its gravest flag."""
    known = [*BASE, raised("f2", 3, LOW), said("t1", 4, BASE, what=TAG, tag="fx")]
    assert (fold(known).tags, fold(known).severity) == (("fx",), MEDIUM)
    assert fold([*known, said("t2", 5, BASE, what=UNTAG, tag="fx")]).tags == ()
    assert fold([version(), said("t1", 4, (), what=TAG, tag="fx")]).status == NONE


@st.composite
def stories(draw: st.DrawFn) -> list[Fact]:
    """Facts as people make them, each from what he happens to see."""
    chance = random.Random(draw(st.integers(0, 10 ** 6)))
    known: list[Fact] = [version(), raised(severity=chance.choice((LOW, MEDIUM, HIGH)))]
    for number in range(draw(st.integers(0, 9))):
        at = chance.randint(1, 30)
        kind = chance.choice((FLAG, VERSION, DECIDE, DECIDE, DECIDE, CONFIRM, OBJECT, REOPEN,
                              ASSIGN, TAG, UNTAG))
        name, person = f"x{number}", chance.choice(PEOPLE)
        seen = [one for one in known if chance.random() < 0.85]
        if kind == FLAG:
            known.append(raised(name, at, chance.choice((LOW, HIGH)), chance.choice("rs")))
        elif kind == VERSION:
            known.append(version(name, at))
        else:
            known.append(said(
                name, at, seen, person, kind, to=chance.choice(PEOPLE), tag=chance.choice("ab"),
                decision=chance.choice((CLEAR, FALSE_POSITIVE, ESCALATE, BREACH))
                if kind == DECIDE else "", about=fold(seen).lead,
                level=chance.randint(1, 3), is_quality=chance.random() < 0.3))
    return known


@given(stories(), st.randoms(use_true_random=False), st.integers(0, 6))
@settings(max_examples=300)
def test_order_and_repetition_do_not_matter(known: list[Fact], chance: random.Random,
                                            repeated: int) -> None:
    """The fold is a function of the set."""
    shuffled = [*known, *known[:repeated]]
    chance.shuffle(shuffled)
    assert fold(known) == fold(shuffled)


@given(stories())
@settings(max_examples=300)
def test_nothing_closes_that_was_not_seen_or_by_one_alone(known: list[Fact]) -> None:
    """A closed item has nothing fresh; a grave one that was let go has two people behind it; what
    waits says for what and since when."""
    state = fold(known)
    if state.status == CLOSED:
        assert not state.fresh and state.waiting_since is None
        lead = next(one for one in known if one.name == state.lead)
        assert {one.name for one in known if one.what == FLAG} <= {*lead.flags}
        if state.severity == HIGH and state.outcome in (CLEAR, FALSE_POSITIVE):
            assert lead.what == CONFIRM
            first = next((one for one in known if one.name == lead.about), None)
            assert first is None or first.person != lead.person
    else:
        assert state.status in item.WAITING
        assert state.needs and state.why and state.waiting_since is not None
    assert state.lead in state.heads or not state.heads
