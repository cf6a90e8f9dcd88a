"""What holds mean: any order, any repetition; two people or no end; a doubt holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive import holds
from archive.holds import (
    CONTENT,
    DOUBT,
    FACTS,
    NOBODYS,
    RECORD,
    Content,
    Fact,
    Ground,
    HoldFacts,
    judged,
)
from schemas import domains, holdacts
from schemas.directory import Matter
from schemas.domains import DomainFacts
from schemas.errors import Refused
from schemas.holdacts import (
    PLACED,
    RELEASE_ASKED,
    RELEASE_GRANTED,
    RELEASE_REFUSED,
    Act,
    Scope,
    act_event,
    read_act,
)

HOLD = "0123456789abcdef"
PEOPLE = ("ann", "bob", "Ann ", "zoe")
MAY = 1_777_593_600_000          # 2026-05-01
FIRM = domains.reserved(domains.FIRM, 2026, 5)
DOMAIN = bytes(range(16))
MINE = DomainFacts("asmith", "default", "2026-05", "", 7)


def fact(action: str, person: str, at: int, number: int = 0, about: int = 0,
         scope: Scope | None = None, hold: str = HOLD) -> Fact:
    """An act; `number` names it, `about` the one that it answers."""
    act = Act(hold, action, person, at, f"{number:016x}", "Doe v. Roe", "a claim",
              scope or Scope(("asmith",)), about.to_bytes(16, "big") if about else b"", "because")
    return Fact(number.to_bytes(16, "big"), act, FIRM)


class World:
    """A Sources that a test writes down. Counts what it is asked."""

    def __init__(self, matters: Sequence[Matter] = (), found: Sequence[bytes] = (),
                 doubt: str = "") -> None:
        self.matters, self.found, self.doubt = matters, found, doubt
        self.asked: list[Scope] = []

    def matter(self, matter_id: str) -> Sequence[Matter]:
        """Rows of that id."""
        return [one for one in self.matters if one.matter_id == matter_id]

    def content(self, scope: Scope) -> Content:
        """What it was made with."""
        self.asked.append(scope)
        return Content(frozenset(self.found), self.doubt)


def why(scope: Scope, facts: DomainFacts | None = MINE, world: World | None = None,
        domain: bytes = DOMAIN) -> list[str]:
    """Why a hold of `scope` keeps a domain."""
    known = HoldFacts(frozenset({replace(fact(PLACED, "ann", MAY, scope=scope),
                                         domain=bytes(16))}))
    return [one.why for one in judged(known, world or World())(domain, facts)]


ACTS = st.lists(st.builds(
    fact, st.sampled_from(holdacts.ACTIONS), st.sampled_from(PEOPLE),
    st.integers(MAY, MAY + 5), st.integers(1, 6), st.integers(0, 6)), max_size=12)


@settings(max_examples=300)
@given(ACTS, ACTS, st.randoms())
def test_a_function_of_the_set(one: list[Fact], other: list[Fact], random: object) -> None:
    """Any order, any repetition, any split gives the same holds."""
    every = [*one, *other, *one]
    known = HoldFacts(frozenset(every))
    random.shuffle(every)                                            # type: ignore[attr-defined]
    assert known.holds() == HoldFacts(frozenset(every)).holds()
    assert (HoldFacts(frozenset(one)) | HoldFacts(frozenset(other))).holds() == known.holds()


@settings(max_examples=500)
@given(ACTS)
def test_nothing_but_two_people_ends_a_hold(acts: list[Fact]) -> None:
    """Whoever is released was placed, asked for by one and granted by another who is named
    differently in more than spelling; a refusal before the grant keeps it."""
    for hold in HoldFacts(frozenset(acts)).holds():
        assert any(one.act.action == PLACED for one in acts)
        if hold.released_at is None:
            assert hold in HoldFacts(frozenset(acts)).in_force()
            continue
        pairs = [(ask, grant) for ask in acts for grant in acts
                 if (ask.act.action, grant.act.action) == (RELEASE_ASKED, RELEASE_GRANTED)
                 and grant.act.about == ask.name
                 and ask.act.person.strip().casefold() != grant.act.person.strip().casefold()
                 and not any(no.act.action == RELEASE_REFUSED and no.act.about == ask.name
                             and no.act.at <= grant.act.at for no in acts)]
        assert pairs
        assert hold.released_at == min(max(a.act.at, g.act.at) for a, g in pairs)


@settings(max_examples=300)
@given(ACTS, ACTS)
def test_a_release_is_not_taken_back_by_what_comes_later(acts: list[Fact],
                                                        more: list[Fact]) -> None:
    """An act that is later than a release changes nothing of it."""
    before = {one.hold_id: one for one in HoldFacts(frozenset(acts)).holds()}
    later = frozenset(replace(one, act=replace(one.act, at=one.act.at + 100)) for one in more)
    for hold in (HoldFacts(frozenset(acts)) | HoldFacts(later)).holds():
        known = before.get(hold.hold_id)
        if known is not None and known.released_at is not None:
            assert hold.released_at == known.released_at


def test_from_placed_to_released() -> None:
    """Placed, asked, refused, asked again by another, granted: in force until the last."""
    acts = [fact(PLACED, "ann", MAY, 1), fact(RELEASE_ASKED, "ann", MAY + 1, 2),
            fact(RELEASE_REFUSED, "bob", MAY + 2, 3, 2), fact(RELEASE_ASKED, "bob", MAY + 3, 4),
            fact(RELEASE_GRANTED, "ann", MAY + 4, 5, 4)]
    states = [HoldFacts(frozenset(acts[:count])).holds()[0].state for count in range(1, 6)]
    assert states == ["in_force", "release_asked", "in_force", "release_asked", "released"]
    (done,) = HoldFacts(frozenset(acts)).holds()
    assert (done.placed_at, done.released_at) == (MAY, MAY + 4) and not done.is_in_force()
    assert all(HoldFacts(frozenset(acts[:count])).in_force() for count in range(1, 5))
    assert not HoldFacts().in_force()
    assert [one.act.at for one in done.history] == [MAY + at for at in range(5)]


def test_nobody_releases_alone() -> None:
    """Neither by an account of another spelling, nor after the release."""
    (hold,) = HoldFacts(frozenset({fact(PLACED, "ann", MAY, 1),
                                   fact(RELEASE_ASKED, "ann", MAY, 2)})).holds()
    (ask,) = hold.asks
    for person in ("ann", "ANN "):
        with pytest.raises(Refused, match="second person"):
            holds.may_grant(hold, ask, person)
    holds.may_grant(hold, ask, "bob")
    with pytest.raises(Refused, match="released already"):
        holds.may_grant(replace(hold, released_at=MAY), ask, "bob")


@pytest.mark.parametrize(("scope", "expected"), [
    (Scope(("asmith",)), [FACTS]),
    (Scope(("bjones",)), []),
    (Scope(("asmith", "bjones"), since=MAY, until=MAY + 1), [FACTS]),
    (Scope(("asmith",), since=MAY + 86_400_000 * 20), [FACTS]),     # the month is held whole
    (Scope(since=MAY, until=MAY + 1), [FACTS]),
    (Scope(until=MAY), []),
    (Scope(("bjones",), query="transfer"), []),
])
def test_what_the_facts_say(scope: Scope, expected: list[str]) -> None:
    """Custodian and month are told from the domain alone; the index is not believed against it."""
    assert why(scope) == expected


@pytest.mark.parametrize("scope", [
    Scope(conversations=("group:1",)), Scope(query="transfer"), Scope(("asmith",), query="x"),
    Scope(until=MAY), Scope(("asmith",), until=MAY)])
def test_what_the_content_says(scope: Scope) -> None:
    """Conversations and queries are asked of the archive, as is a period for what came later than
    it was written; what it does not know is held."""
    assert why(scope, world=World(found=[DOMAIN])) == [CONTENT]
    assert why(scope, world=World(found=[bytes(16)])) == []
    assert why(scope, world=World(doubt="the index is behind")) == [DOUBT]


def test_matters_are_all_that_they_ever_were() -> None:
    """Any row the directory ever had; one that nobody knows holds everything of the hold."""
    old = Matter("4711", "Doe v. Roe", ("asmith",), since=MAY)
    new = Matter("4711", "Doe v. Roe", ("bjones",), conversations=("group:1",))
    scope = Scope(matters=("4711",))
    assert why(scope, world=World([old, new])) == [FACTS]
    assert why(scope, world=World([new], [DOMAIN])) == [CONTENT]
    assert why(scope, world=World([new])) == []
    assert why(scope, world=World([replace(old, custodians=("bjones",))])) == []
    assert why(scope, world=World()) == [DOUBT]
    assert why(replace(scope, custodians=("bjones",)), world=World()) == []


def test_what_is_nobodys_is_held() -> None:
    """An unassigned account may be the custodian's, an unreadable item anybody's; not where the
    period or the content says otherwise."""
    nobody = DomainFacts("", "unassigned", "2026-05", "", 7, "unassigned")
    unread = DomainFacts("", "firm", "2026-05", "", 7, "quarantine")
    custodian = Scope(("asmith",))
    assert (why(custodian, nobody), why(custodian, unread)) == ([NOBODYS], [NOBODYS])
    narrow = Scope(("asmith",), conversations=("group:1",))
    world = World(found=[DOMAIN])
    assert why(narrow, nobody, world) == [NOBODYS]
    assert world.asked == [Scope(conversations=("group:1",))]
    assert why(narrow, nobody, World()) == []
    assert why(Scope(("asmith",), since=MAY), replace(unread, month="2026-04")) == []
    assert why(Scope(("asmith",), until=MAY), unread) == [NOBODYS]


def test_the_record_of_a_hold_is_kept_while_it_is_in_force() -> None:
    """Where its acts lie, and for a matter where the directory's loads lie; objects are not held
    for that."""
    firm = DomainFacts("", "firm", "2026-05", "", 8, "firm")
    known = HoldFacts(frozenset({fact(PLACED, "ann", MAY)}))
    (ground,) = judged(known, World())(FIRM, firm)
    assert ground.why == RECORD and not holds.keeps_objects([ground])
    other = domains.reserved(domains.FIRM, 2027, 1)
    assert not judged(known, World())(other, replace(firm, month="2027-01"))
    assert why(Scope(matters=("4711",)), firm, domain=other) == [RECORD]
    assert why(Scope(query="kind:audit"), firm, World(found=[other]), other) == [CONTENT]


def test_a_doubt_about_the_holds_themselves_keeps_every_key() -> None:
    """An act that does not read, a domain whose facts are gone: kept; no object is held for the
    former, for nobody could say which."""
    torn = HoldFacts(doubts=frozenset({"an act of a hold cannot be read"}))
    (ground,) = judged(torn, World())(DOMAIN, MINE)
    assert ground == Ground("", "", DOUBT, "an act of a hold cannot be read")
    assert not holds.keeps_objects([ground])
    assert why(Scope(("bjones",)), None) == [DOUBT]
    assert not judged(HoldFacts(), World())(DOMAIN, None)


def test_only_holds_in_force_count() -> None:
    """From the first act to the last: not before it was placed, nor after its release."""
    acts = [fact(PLACED, "ann", MAY, 1), fact(RELEASE_ASKED, "ann", MAY + 1, 2),
            fact(RELEASE_GRANTED, "bob", MAY + 2, 3, 2)]
    kept = [bool(judged(HoldFacts(frozenset(acts[:count])), World())(DOMAIN, MINE))
            for count in range(4)]
    assert kept == [False, True, True, False]


def test_acts_are_folded_once_for_all_domains(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many domains are asked about."""
    known, folds = HoldFacts(frozenset({fact(PLACED, "ann", MAY)})), list[str]()
    fold = holds._fold

    def counted(hold_id: str, facts: Sequence[Fact]) -> holds.Hold | None:
        folds.append(hold_id)
        return fold(hold_id, facts)

    monkeypatch.setattr(holds, "_fold", counted)
    asked = judged(known, World())
    assert all(asked(bytes([number] * 16), MINE) for number in range(100))
    assert [HOLD] == folds


def test_an_act_as_an_event_and_back() -> None:
    """Everything that was said comes back, and all events of a hold meet in one document."""
    scope = Scope(("asmith",), ("4711",), ("group:1",), MAY, MAY + 5, 'pay* AND "new account"')
    placed = Act(HOLD, PLACED, "ann", MAY, HOLD, "Doe", "letter of 3 May — Grüße", scope)
    asked = Act(HOLD, RELEASE_ASKED, "ann", MAY, "f" * 16, reason="settled")
    for act in (placed, asked, replace(asked, action=RELEASE_GRANTED, about=b"1" * 16)):
        event = act_event(act, 8)
        assert read_act(event) == act
        assert event.target_key == holdacts.hold_key(HOLD)
        assert domains.role_of(event) == domains.FIRM
    assert holds.fact_of(act_event(placed, 8)).domain == FIRM


@pytest.mark.parametrize("act", [
    Act(HOLD, PLACED, "ann", MAY, HOLD, "Doe", "ground"),
    Act(HOLD, PLACED, "ann", MAY, HOLD, "", "ground", Scope(("a",))),
    Act(HOLD, PLACED, "ann", MAY, HOLD, "Doe", " ", Scope(("a",))),
    Act(HOLD, PLACED, "ann", MAY, "f" * 16, "Doe", "ground", Scope(("a",))),
    Act(HOLD, PLACED, "ann", MAY, HOLD, "Doe", "ground", Scope(since=5, until=5)),
    Act(HOLD, PLACED, "ann", MAY, HOLD, "Doe", "ground", Scope(since=1 << 60)),
    Act(HOLD, PLACED, "ann", MAY, HOLD, "Doe", "ground", Scope(("",))),
    Act(HOLD, PLACED, "", MAY, HOLD, "Doe", "ground", Scope(("a",))),
    Act("1", PLACED, "ann", MAY, "1", "Doe", "ground", Scope(("a",))),
    Act(HOLD, "lifted", "ann", MAY, HOLD, reason="because"),
    Act(HOLD, RELEASE_ASKED, "ann", MAY, HOLD, reason=""),
    Act(HOLD, RELEASE_GRANTED, "ann", MAY, HOLD, reason="because"),
    Act(HOLD, RELEASE_ASKED, "ann", MAY, HOLD, reason="because", about=b"1" * 16),
])
def test_what_cannot_be_meant_is_no_act(act: Act) -> None:
    """Refused before it is on record."""
    with pytest.raises(Refused):
        act_event(act, 8)


def test_events_that_state_no_act_are_doubts() -> None:
    """Each kind of damage is refused with words, and kept as a doubt."""
    good = act_event(Act(HOLD, PLACED, "ann", MAY, HOLD, "Doe", "ground", Scope(("a",))), 8)
    damaged = [replace(good, kind="review"), replace(good, actor=None),
               replace(good, target_key=bytes(16)), replace(good, details=()),
               *(replace(good, details=tuple(
                   (name, value) if name != "scope" else (name, torn)
                   for name, value in good.details))
                 for torn in ('{"custodians":"a"}', '{"since":"x"}', '{"query":1}', "[", "[1]",
                              '{"custodians":["a"],"unless":"x"}', '{"since":true}'))]
    for event in damaged:
        with pytest.raises(Refused):
            holds.fact_of(event)
    known = holds.facts_of([good, *damaged])
    assert len(known.facts) == 1 and known.doubts


def test_whole_months() -> None:
    """A period is held from the first instant of its first month to the end of its last."""
    assert holds.widened(MAY + 5, MAY + 10) == (MAY, domains.month_end("2026-05"))
    assert holds.widened(None, domains.month_start("2027-01")) == (
        None, domains.month_start("2027-01"))
    assert domains.month_end("2026-12") == domains.month_start("2027-01")
