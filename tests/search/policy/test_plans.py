"""A sampling plan's file, its periods, and the messages that it is drawn from."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from schemas import events
from schemas.assignment import Assignment, assignment_event
from schemas.errors import Refused
from schemas.events import CapturedEvent
from schemas.identity import message_key
from search.policy.flags import Flag, flag_event
from search.policy.plans import (
    PERIODS,
    load,
    period_after,
    period_at,
    period_before,
    period_named,
    period_of,
)
from search.policy.population import Population
from search.policy.sampling import (
    Seed,
    draw_event,
    is_mark,
    mark,
    read_draw,
    sample,
    seed_id,
)
from tests.search.policy.world import MINUTE, NOON, edit, retraction, said
from tests.search.test_links import NEW, OLD, moved, texts
from tests.search.test_links import said as linked
from tests.search.test_searcher import Office
from tests.search.world import TOKENIZER

BERLIN = ZoneInfo("Europe/Berlin")
SOURCE = """
id = "weekly"
version = 1
title = "Weekly"
author = "Ann Lee"
approver = "Bob Roe"
effective = 2026-01-01
period = "week"
[[stratum]]
id = "changed"
share = "2.5%"
query = "state:retracted OR flag:cash"
[[stratum]]
id = "rest"
share = "1%"
[[mandatory]]
id = "money"
query = "iban"
"""
DAY = 24 * 60 * MINUTE


def test_a_plan_reads() -> None:
    """Shares in hundredths of a percent; whatever decides what is drawn changes its digest."""
    plan = load(SOURCE.encode())
    assert ((250, 100), 1, ("policy", "money")) == (
        plan.shares, plan.per_person, plan.plan().mandatory)
    digests = {load(one.encode()).plan().digest() for one in (
        SOURCE, SOURCE.replace("iban", "isin"), SOURCE.replace("2.5%", "2.51%"),
        SOURCE.replace("state:retracted OR ", ""), SOURCE.replace('"week"', '"day"'),
        SOURCE.replace("version = 1", "version = 2"))}
    assert 6 == len(digests)
    titled = load(SOURCE.replace('"Weekly"', '"Every week"').encode())
    assert plan.plan().digest() == titled.plan().digest()


@pytest.mark.parametrize(("before", "after", "words"), [
    ('"2.5%"', '"101%"', "line 11, stratum 1 'changed', share"),
    ('"2.5%"', "2.5", "share: must be a text"),
    ('share = "1%"', 'share = "1%"\nquery = "x"', "everything else"),
    ('query = "state:retracted OR flag:cash"', "", "query: is missing"),
    ('query = "state:retracted OR flag:cash"', 'query = "a AND"', "at character"),
    ('"state:retracted OR flag:cash"', '"kind:receipt"',
     r"kind:receipt \(at character 1\) is true of no message"),
    ('"iban"', '"NOT kind:heartbeat"', "money', query: kind:"),
    ('id = "rest"', 'id = "changed"', "comes twice"),
    ('id = "money"', 'id = "policy"', "is taken"),
    ('"Bob Roe"', '"ann  lee"', "another person"),
    ('"week"', '"year"', "known are day, week, month, quarter"),
    ('period = "week"', 'period = "week"\nshare = 1', "unknown key"),
])
def test_what_is_wrong_is_named(before: str, after: str, words: str) -> None:
    """With line, table and field."""
    with pytest.raises(Refused, match=words):
        load(SOURCE.replace(before, after, 1).encode())


def test_a_plan_on_record_is_read_as_it_was() -> None:
    """A seed that was recorded with a query which is refused today still has its plan."""
    then = SOURCE.replace("iban", "kind:receipt").encode()
    assert load(then, is_recorded=True).mandatory[0].query == "kind:receipt"


@pytest.mark.parametrize("kind", PERIODS)
def test_periods_follow_each_other(kind: str) -> None:
    """Without a gap, over summer time and the turn of a year; a name finds its period again."""
    found = period_at(kind, round(datetime(2025, 3, 1, tzinfo=UTC).timestamp() * 1000), BERLIN)
    for _ in range(60):
        after = period_after(kind, found, BERLIN)
        assert after.since == found.until and period_before(kind, after, BERLIN) == found
        assert period_named(kind, found.name.lower(), BERLIN) == found
        assert period_of(kind, found.since, BERLIN) == found.name
        assert period_at(kind, found.until - 1, BERLIN) == found
        found = after


def test_a_period_is_the_zones() -> None:
    """Monday's midnight in Berlin; a name that is none says how it is written."""
    week = period_named("week", "2026-W14", BERLIN)
    assert "2026-03-29T22:00:00+00:00" == datetime.fromtimestamp(week.since / 1000, UTC).isoformat()
    for kind, name in (("week", "2026-W60"), ("day", "2026-02-30"), ("quarter", "2026-Q5"),
                       ("month", "2026")):
        with pytest.raises(Refused, match="write it as"):
            period_named(kind, name, UTC)


# --- the messages --------------------------------------------------------------------------------


def flag(event: CapturedEvent, policy: str = "p", rule: str = "cash", *,
         mandatory: bool = False) -> CapturedEvent:
    """A flag on the message of `event`."""
    return flag_event(Flag(message_key(event), policy, rule, 1, "low", "r", "why", "d",
                           mandatory=mandatory), NOON + DAY, 8)


def archive() -> list[CapturedEvent]:
    """A day's messages, what became of them, and what is none of them."""
    more: dict[str, Any] = {"custodian": "", "captured_at": NOON}
    flagged, marked = said("coins", NOON + 3, "m3"), said("talk", NOON + 4, "m4")
    return [
        said("talk", NOON, "m0"), said("talk", NOON + 1, "m1"), retraction(NOON + DAY, "r1", "m1"),
        said("iban", NOON + 2, "m2"), flagged, flag(flagged), marked,
        flag(marked, "sample:weekly"), said("talk", NOON + 5, "m5", **more),
        assignment_event(Assignment("a", NOON + DAY, "whatsapp", "+15550783881", "dave"), "x", 8),
        said("before", NOON - DAY, "m6"), retraction(NOON + 9, "r6", "m6"),
        said("after", NOON + DAY, "m7"), edit("orphan", NOON + 10, "e8", "m8")]


def items(known: list[CapturedEvent]) -> dict[bytes, tuple[str, str, str]]:
    """(person, stratum, mandatory class) of each."""
    population = Population(load(SOURCE.encode()), NOON, NOON + DAY)
    for one in known:
        population.take(one)
    return {one.item_id: (one.person, one.stratum, one.mandatory) for one in population.items()}


def test_a_message_has_its_stratum() -> None:
    """By state, by flag, by word; what another sample drew is as if it had not; who was assigned
    an account has its messages; what was sent in another period is none of this one."""
    found = items(archive())
    wanted = {"m0": ("carol", "rest", ""), "m1": ("carol", "changed", ""),
              "m2": ("carol", "rest", "money"), "m3": ("carol", "changed", ""),
              "m4": ("carol", "rest", ""), "m5": ("dave", "rest", "")}
    assert {message_key(said("", NOON, name)): one for name, one in wanted.items()} == found


@pytest.mark.parametrize("query", [
    f"from:+{OLD}", f"from:+{NEW}", f"with:+{NEW}", "conversation:TOKEN", f"to:+{NEW}",
])
def test_a_stratum_is_what_a_search_finds(query: str) -> None:
    """By a person's other number, from long before the period too, and by a conversation's token:
    the messages that the search for the query answers with."""
    known = [moved(NOON - 9 * DAY), linked(OLD, "before", NOON - 10 * DAY),
             linked(NEW, "after", NOON), linked(OLD, "hers no more", NOON + 1_000),
             linked("16505557777", "somebody", NOON + 2_000), said("desk", NOON + 3_000)]
    office = Office(*known)
    query = query.replace("TOKEN", TOKENIZER.named("conversation", known[2].conversation))
    plan = load(SOURCE.replace("state:retracted OR flag:cash", query).encode())
    population = Population(plan, NOON, NOON + DAY,
                            token_of=lambda name: TOKENIZER.named("conversation", name))
    for one in reversed(known):
        population.take(one)
    names = {message_key(one): one.text for one in known}
    found = {names[one.item_id] for one in population.items() if one.stratum == "changed"}
    assert found == texts(office, query) - {"before"}
    assert bool(found) == (not query.startswith("to:"))


def test_the_order_of_events_does_not_matter() -> None:
    """Nor how often one comes: a flag before its message, a retraction before it."""
    known = archive()
    shuffled = [*known, *known[:4]]
    for seed in range(5):
        Random(seed).shuffle(shuffled)
        assert items(known) == items(shuffled)


def test_a_mandatory_policys_flag_is_a_class() -> None:
    """It goes before the plan's own."""
    found = items([*archive(), flag(said("", NOON, "m2"), mandatory=True)])
    assert ("carol", "changed", "policy") != found[message_key(said("", NOON, "m0"))]
    assert "policy" == found[message_key(said("", NOON, "m2"))][2]


def test_a_draw_is_an_event_that_reads_back() -> None:
    """Items, ranks and how much of the archive it was drawn from; not before the period ended."""
    plan, seed = load(SOURCE.encode()).plan(), Seed(bytes(32), NOON, NOON + DAY)
    population = Population(load(SOURCE.encode()), NOON, NOON + DAY)
    for one in archive():
        population.take(one)
    drawn = sample(population.items(), plan, seed)
    heads = (("ab" * 16, 0, 12),)
    event = draw_event(plan, seed, drawn, heads, "bob", NOON + DAY, 8)
    assert (drawn, heads) == read_draw(event)
    assert seed_id("weekly", 1, 2) == "sample_seed:weekly:1:2"
    with pytest.raises(Refused, match="not ended"):
        draw_event(plan, seed, drawn, heads, "bob", NOON + DAY - 1, 8)
    with pytest.raises(Refused, match="does not read"):
        read_draw(said("x"))
    marked = mark(plan, 1, seed, drawn.drawn[0], "2026-W03")
    assert is_mark(marked) and marked.rule == "sample.weekly" and "2026-W03" in marked.reason
    assert events.POLICY == flag_event(marked, NOON, 8).kind
