"""A sample that an auditor draws again, item by item."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec
from schemas.errors import Refused
from schemas.identity import canonical, event_id
from search.policy.sampling import (
    MANDATORY,
    PERSON,
    STRATUM,
    Item,
    Plan,
    Sample,
    Seed,
    population_digest,
    rank,
    read_seed,
    sample,
    seed_event,
    verify,
)

SEED = Seed(bytes(range(32)), 1_000_000, 2_000_000)
PLAN = Plan("weekly", (("high", 2_500), ("low", 100)), 1, ("complaint",))


def items(count: int = 200) -> list[Item]:
    """Messages of ten people: every tenth of high risk, every fiftieth a complaint."""
    return [Item(hashlib.sha256(bytes([n])).digest()[:16], f"p{n % 10}",
                 "high" if n % 10 == 3 else "low", "complaint" if n % 50 == 7 else "")
            for n in range(count)]


def test_each_stratum_has_its_share_and_each_person_one() -> None:
    """A quarter of the high risk, one in a hundred of the rest, everybody at least once."""
    found = sample(items(), PLAN, SEED).drawn
    of_stratum = [one for one in found if one.why == STRATUM]
    assert 5 == sum(one.item.stratum == "high" for one in of_stratum)
    assert 2 == sum(one.item.stratum == "low" for one in of_stratum), "rounded up"
    people = {one.item.person for one in found if one.why != MANDATORY}
    assert {f"p{n}" for n in range(10)} == people
    assert all(one.place == 1 for one in found if one.why == PERSON)
    assert 4 == sum(one.why == MANDATORY for one in found)


def test_mandatory_items_are_outside_the_sample() -> None:
    """They are all reviewed, count in no share, and are nobody's one."""
    only = [Item(b"a" * 16, "p1", "low", "complaint"), Item(b"b" * 16, "p1", "low")]
    found = sample(only, replace(PLAN, strata=(("low", 0),)), SEED).drawn
    assert [(MANDATORY, b"a" * 16), (PERSON, b"b" * 16)] == [
        (one.why, one.item.item_id) for one in found]
    other = replace(PLAN, mandatory=())
    assert MANDATORY not in {one.why for one in sample(items(), other, SEED).drawn}


def test_more_than_one_of_a_person_is_topped_up() -> None:
    """What the strata drew of somebody counts; the lowest ranks of the rest are added."""
    found = sample(items(), replace(PLAN, per_person=3), SEED).drawn
    for person in {one.person for one in items()}:
        assert 3 <= sum(one.item.person == person and one.why != MANDATORY for one in found)
    assert () == sample(items(), Plan("none", (("high", 0), ("low", 0)), 0), SEED).drawn
    everything = sample(items(), Plan("all", (("high", 10_000), ("low", 10_000))), SEED)
    assert 200 == len(everything.drawn)


def test_an_items_rank_is_worked_out_alone() -> None:
    """One HMAC-SHA256 of what the documentation names; nothing of the other items."""
    one = items()[5]
    wanted = hmac.new(SEED.value, canonical(
        "counterfoil/sample/v1", PLAN.digest(), 1_000_000, 2_000_000, one.item_id), "sha256")
    assert wanted.digest() == rank(one.item_id, PLAN, SEED)
    drawn = sample(items(), PLAN, SEED).drawn
    assert all(one.rank == rank(one.item.item_id, PLAN, SEED).hex() for one in drawn)


@given(st.permutations(items(40)), st.integers(0, 40))
@settings(max_examples=40)
def test_order_and_repetition_do_not_matter(shuffled: list[Item], twice: int) -> None:
    """The same messages, the same sample."""
    assert sample(items(40), PLAN, SEED) == sample([*shuffled, *shuffled[:twice]], PLAN, SEED)


@given(st.binary(min_size=32, max_size=32))
@settings(max_examples=20)
def test_a_seed_is_what_makes_it(value: bytes) -> None:
    """What was drawn with one seed verifies with that one only."""
    seed = Seed(value, SEED.since, SEED.until)
    drawn = sample(items(), PLAN, seed)
    assert () == verify(drawn, items(), PLAN, seed)
    if value != SEED.value:
        assert verify(drawn, items(), PLAN, SEED)


def test_what_was_tampered_with_is_named() -> None:
    """An item left out, put in, given another reason; other messages; another period or plan."""
    right = sample(items(), PLAN, SEED)
    first, *rest = right.drawn
    stranger = replace(first, item=Item(b"z" * 16, "p1", "low"))
    for wrong, words in (
        (replace(right, drawn=tuple(rest)), "is missing"),
        (replace(right, drawn=(*right.drawn, stranger)), "was not drawn"),
        (replace(right, drawn=(replace(first, why=PERSON), *rest)), "another reason"),
        (replace(right, drawn=(*right.drawn, first)), "more than once"),
        (Sample(right.drawn, population_digest(items(199)), 199), "199 then, 200 now"),
    ):
        problems = verify(wrong, items(), PLAN, SEED)
        assert len(problems) == 1 and words in problems[0]
    assert verify(right, items(), replace(PLAN, per_person=2), SEED)
    assert verify(right, items(), PLAN, replace(SEED, until=SEED.until + 1))


def test_the_seed_is_on_record_before_its_period() -> None:
    """Its event says plan, period and seed; a later one is refused, when made and when read."""
    event = seed_event(PLAN, SEED, "bob", 999_999, 8)
    assert event == codec.decode(codec.encode(event))
    assert SEED == read_seed(event, PLAN)
    with pytest.raises(Refused, match="begun"):
        seed_event(PLAN, SEED, "bob", 1_000_000, 8)
    with pytest.raises(Refused, match="after its period began"):
        read_seed(replace(event, captured_at=1_000_000), PLAN)
    with pytest.raises(Refused, match="another plan"):
        read_seed(event, replace(PLAN, name="daily"))
    with pytest.raises(Refused, match="does not read"):
        read_seed(replace(event, details=()), PLAN)


def test_a_second_seed_is_a_sighting_of_the_first() -> None:
    """Nobody draws until he likes it: one plan and period have one seed event."""
    other = Seed(b"x" * 32, SEED.since, SEED.until)
    assert event_id(seed_event(PLAN, SEED, "bob", 1, 8)) == event_id(
        seed_event(PLAN, other, "bob", 2, 8))
    assert codec.encode_content(seed_event(PLAN, SEED, "bob", 1, 8)) != codec.encode_content(
        seed_event(PLAN, other, "bob", 1, 8))


@pytest.mark.parametrize("make", [
    lambda: Plan("x", ()),
    lambda: Plan("x", (("a", 1), ("a", 2))),
    lambda: Plan("x", (("a", 10_001),)),
    lambda: Plan("x", (("a", 1),), -1),
    lambda: Seed(b"short", 1, 2),
    lambda: Seed(bytes(32), 2, 2),
    lambda: sample([Item(b"a", "p", "unknown")], PLAN, SEED),
    lambda: sample([Item(b"a", "p", "low"), Item(b"a", "q", "low")], PLAN, SEED),
])
def test_what_cannot_be_drawn_is_refused(make: object) -> None:
    """A share above the whole, a stratum that is not there, one id for two items."""
    assert callable(make)
    with pytest.raises(Refused):
        make()


def test_a_plans_digest_is_its_meaning() -> None:
    """The order of strata and classes is none."""
    turned = Plan("weekly", (("low", 100), ("high", 2_500)), 1, ("complaint",))
    assert PLAN.digest() == turned.digest()
    assert sample(items(), PLAN, SEED) == sample(items(), turned, SEED)
