"""Reports name who, what, when and how for every item, and add up; those who watch are watched."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import Denied, Refused
from schemas.identity import message_key
from search.access import roles
from search.policy import sampling
from search.review import item, narrowing, quality, reports, signed, watchers
from search.review.decisions import (
    BREACH,
    CLEAR,
    DECIDE,
    ESCALATE,
    FALSE_POSITIVE,
    Review,
    review_event,
)
from search.review.history import Act, History
from search.review.item import ItemState
from search.review.narrowing import Hit
from search.review.office import Office
from search.review.views import Form
from search.review.watchers import Look
from tests.search.review.world import ANN, BEN, CAT, Firm, flag, viewer
from tests.search.world import event

DAY = 86_400_000
AUDITOR = viewer("aud", roles.AUDITOR)


def office(firm: Firm) -> Office:
    """The firm's reports."""
    return Office(firm.ports(), lambda: firm.indexes.open(firm.index_name))


def worked(seed: int, count: int = 12) -> tuple[Firm, int, int]:
    """A firm whose people worked for some days; the period in the middle of it."""
    firm, chance = Firm(), random.Random(seed)
    begin = firm.now
    ids = [firm.message(number, *((rule, chance.choice(("low", "medium", "high")))
                                  for rule in chance.sample(("cash", "coins"), chance.randint(
                                      0, 2)))) for number in range(count)]
    for _ in range(2 * count):
        firm.now += chance.randint(1_000, DAY // 4)
        who, one = chance.choice((ANN, BEN, CAT)), chance.choice(ids)
        act = chance.choice((DECIDE, DECIDE, DECIDE, "confirm", "object", "reopen", "note"))
        decision = chance.choice((CLEAR, FALSE_POSITIVE, ESCALATE, BREACH))
        try:
            firm.desk.act(who, one, Form(act, decision if act == DECIDE else "",
                                         "because of it", note="words"))
        except Refused:
            continue
        firm.index_log()
    return firm, begin + DAY, begin + 3 * DAY


@given(st.integers(0, 10 ** 6))
@settings(max_examples=12, deadline=None)
def test_a_report_adds_up(seed: int) -> None:
    """Every table to the population, what is open by name, four fields for every closed item; at
    its end the states are those of that moment."""
    firm, since, until = worked(seed)
    report = office(firm).period(AUDITOR, since, until)
    assert reports.adds_up(report) == ()
    assert set(report.still_open) == {one.document for one in report.items
                                      if one.status != item.CLOSED}
    for one in report.items:
        assert all(act.at < until for act in one.evidence)
        if one.status == item.CLOSED:
            last = [act for act in one.evidence if act.action in (
                CLEAR, FALSE_POSITIVE, BREACH, "confirm")][-1]
            assert last.reviewer and last.version and last.at and last.document == one.document
    assert signed.body(reports.as_json(report)) == signed.body(
        reports.as_json(office(firm).period(AUDITOR, since, until)))


def test_who_is_given_a_report() -> None:
    """The auditor sees figures and no message; a reviewer none; each look is recorded."""
    firm = Firm()
    firm.message(1, ("cash", "medium"))
    assert office(firm).period(AUDITOR, 0, firm.now + 1).population == 1
    assert firm.log.events[-1].detail("action") == "report"
    for act in (lambda: office(firm).period(viewer("dan", roles.REVIEWER), 0, 1),
                lambda: office(firm).proposals(AUDITOR),
                lambda: office(firm).accountability(viewer("sue", roles.SUPERVISOR), 0, 1)):
        with pytest.raises(Denied):
            act()


def test_names_stay_hidden_in_a_report() -> None:
    """Where names are hidden, a report names nobody whose item was not escalated; those of an
    escalated one it does."""
    firm, since, until = worked(3)
    plain = office(firm).period(CAT, since, until)
    assert {"carol"} <= {one.custodian for one in plain.items}
    hidden = office(firm).period(replace(CAT, pseudonyms=True), since, until)
    assert plain.population == hidden.population
    for one in hidden.items:
        assert one.custodian.startswith("K-") == (one.level <= 1)


def test_an_item_outlives_its_message() -> None:
    """The message's key is destroyed one day; that it was flagged and decided stays in reports."""
    firm, message = Firm(), event(native_id="gone")
    firm.capture(flag(message), review_event(Review(
        message_key(message), "ann", DECIDE, firm.now, "review:1", decision=CLEAR), 8))
    report = office(firm).period(AUDITOR, 0, firm.now + 1)
    assert (report.population, office(firm).period(ANN, 0, firm.now + 1).population) == (1, 1)
    assert [act.reviewer for act in report.items[0].evidence] == ["ann"]


def test_precision_of_a_rule() -> None:
    """False positives count against the rules that flagged; what is open says nothing."""
    firm = Firm()
    ids = [firm.message(number, ("cash", "medium")) for number in range(4)]
    other = firm.message(9, ("coins", "low"))
    for one, decision in zip(ids, (FALSE_POSITIVE, FALSE_POSITIVE, CLEAR), strict=False):
        firm.desk.act(ANN, one, Form(DECIDE, decision))
    firm.index_log()
    rows = office(firm).period(AUDITOR, 0, firm.now).rules
    assert [(one.rule, one.items, one.decided, one.false_positive) for one in rows] == [
        ("money/cash", 4, 3, 2), ("money/coins", 1, 0, 0)]
    assert rows[0].precision == pytest.approx(1 / 3)
    assert rows[1].precision is None
    assert firm.desk.open(ANN, other).state.status == item.OPEN


def test_proposals_name_the_word_and_what_it_would_cost() -> None:
    """Only what was decided often and was mostly nothing; never a rule that found something."""
    found = [Hit("money/cash", "cash flow", f"d{number}", True) for number in range(6)]
    found += [Hit("money/cash", "cash flow", "d9", False), Hit("money/cash", "cash", "d1", True)]
    found += [Hit("money/cash", "in cash", f"x{number}", number < 3) for number in range(6)]
    (one,) = narrowing.proposals(found)
    assert (one.phrase, one.decided, one.false, one.lost, one.only) == ("cash flow", 7, 6, 1, 5)


def acts_of(person: str, seconds: list[float], first: int = 0,
            **more: Any) -> tuple[list[History], list[Look]]:
    """Items that a person opened and decided so many seconds later."""
    histories, looks = [], []
    for number, wait in enumerate(seconds, first):
        doc_id, at = f"{person}{number}", 10_000_000 + number * 1_000_000
        act = Act(b"", f"{person}{number}", person, DECIDE, CLEAR, 1, at + round(wait * 1000),
                  **more)
        histories.append(History(doc_id, b"", (), (act,), (), (), ItemState(), {}))
        looks.append(Look(person, "view", at, doc_id))
    return histories, looks


def test_who_decides_faster_than_people_read() -> None:
    """By the medians of all, on a scale of ratios; bulk apart; a decision without an opening is
    counted by itself; too few say nothing."""
    histories, looks = [], []
    for person, waits in (("ann", [30, 40, 50, 60, 70]), ("ben", [25, 45, 50, 65, 90]),
                          ("cat", [20, 35, 55, 60, 80]), ("dan", [4, 4, 4, 5, 5, 4]),
                          ("eve", [1, 2])):
        more, seen = acts_of(person, [float(one) for one in waits])
        histories += more
        looks += seen
    more, _ = acts_of("fay", [9.0] * 6)
    histories += more + acts_of("ann", [0.1] * 20, 100, bulk="b")[0]
    found = {one.person: one for one in watchers.speeds(histories, looks, 0, 10 ** 12)}
    assert {person for person, one in found.items() if one.is_outlier} == {"dan", "fay"}
    assert (found["ann"].bulk, found["ann"].median_s) == (20, 50)
    assert (found["fay"].unopened, found["fay"].median_s) == (6, None)
    assert found["eve"].score is None
    dan = found["dan"].score
    assert dan is not None and dan < -watchers.DEVIATIONS


def test_who_looked_at_what() -> None:
    """Every action by person; what was opened although nothing wanted to be reviewed."""
    looks = [Look("ann", "view", 5, "d1"), Look("ann", "view", 6, "d2"), Look("ann", "search", 7),
             Look("ann", "view", 99, "d3"), Look("ben", "queue", 5)]
    ann, ben = watchers.looked(looks, ["d1"], 0, 50)
    assert (ann.actions, ann.documents, ann.unflagged) == (
        {"search": 1, "view": 2}, 2, ("d2",))
    assert (ben.actions, ben.documents) == ({"queue": 1}, 0)


def test_the_accountability_report_is_signed() -> None:
    """Reproducible bytes; any change, another key, or another file is refused."""
    firm, since, until = worked(7)
    report = office(firm).accountability(CAT, since, until)
    assert {"period", "paces", "looked", "checks"} <= set(report)
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    keys = {b"i" * 16: key.public_key().public_bytes_raw()}
    made = signed.sign(report, b"i" * 16, key.sign)
    assert signed.verify(made, keys) == (report, b"i" * 16)
    other = {b"i" * 16: Ed25519PrivateKey.generate().public_key().public_bytes_raw()}
    for bad, known in ((made.replace(b'"made_by":"cat"', b'"made_by":"ann"'), keys), (made, other),
                       (made, {}), (b"{}", keys), (b"\xff", keys), (made[:-5], keys),
                       (b'{"format":"counterfoil/review-report/v1","report":1}', keys)):
        with pytest.raises(Refused):
            signed.verify(bad, known)
    with pytest.raises(Refused, match="whole numbers"):
        signed.body({"share": 0.5})


def test_a_sample_of_cleared_items_is_checked_by_others() -> None:
    """Drawn by the seed, opened again, barred to who cleared it; drawn twice it is the same; the
    report says how often the second look agreed."""
    firm = Firm()
    ids = [firm.message(number, ("cash", "medium")) for number in range(20)]
    begin = firm.now
    for one in ids:
        firm.desk.act(ANN, one, Form(DECIDE, CLEAR))
    firm.index_log()
    seed = sampling.Seed(bytes(range(32)), begin, firm.now + 1)
    plan = quality.plan({"medium": 2_000})
    drawn = office(firm).recheck(CAT, firm.desk, seed, plan)
    assert len(drawn.drawn) == 4
    firm.index_log()
    chosen = [one for one in ids if firm.desk.open(CAT, one).state.status == item.OPEN]
    assert len(chosen) == 4
    with pytest.raises(Denied, match="being checked"):
        firm.desk.act(ANN, chosen[0], Form(DECIDE, CLEAR))
    firm.desk.act(BEN, chosen[0], Form(DECIDE, CLEAR))
    firm.desk.act(BEN, chosen[1], Form(DECIDE, BREACH, "it was one"))
    firm.index_log()
    (found,) = office(firm).accountability(CAT, begin, firm.now)["checks"]
    assert found == {"person": "ann", "checked": 2, "agreed": 1, "graver": 1}
