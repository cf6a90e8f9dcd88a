"""Retractions far above a person's own habit, by a statistic that can be worked out by hand."""

from __future__ import annotations

import math
from decimal import Decimal
from random import Random

import pytest

from search.policy import habit
from search.policy.habit import Unusual, poisson_tail
from search.policy.lexicon import AboveHabit
from search.policy.match import Engine, above_habit
from search.policy.message import Message
from tests.search.policy.world import NOON, of, policy, retraction, said

HOUR = 3_600_000
DAY = 24 * HOUR
RULE = AboveHabit(period_h=24, history_d=30, least=4, tail=Decimal("0.001"))


def unusual(messages: list[Message], rule: AboveHabit) -> tuple[Unusual, ...]:
    """Those of `messages` that were taken back far above habit."""
    return habit.unusual([one for one in map(habit.sent, messages) if one is not None], rule)


def sent(number: int, at: int, *, back: bool = False, custodian: str = "carol",
         out: bool = True) -> Message:
    """A message of the custodian's, taken back a minute later or not."""
    name = f"{custodian}{number}"
    first = said("hello", at, name, custodian=custodian, out=out)
    if not back:
        return of(first)
    return of(first, retraction(at + 60_000, f"r{name}", name, custodian=custodian,
                                direction=first.direction))


def month(back_every: int, today_back: int, custodian: str = "carol") -> list[Message]:
    """Thirty days of 20 messages, every so many taken back; then a day of 20, some taken back."""
    known = [sent(n, NOON - 31 * DAY + n * DAY // 20, back=n % back_every == back_every - 1,
                  custodian=custodian) for n in range(600)]
    return known + [sent(1_000 + n, NOON + n * HOUR // 2, back=n < today_back,
                         custodian=custodian) for n in range(20)]


@pytest.mark.parametrize(("every", "today", "flagged"), [
    (1_000, 6, 3),      # never before; the first three are below `least`
    (100, 6, 3),        # one in a hundred
    (4, 6, 0),          # one in four is the habit
    (1_000, 3, 0),      # too few
    (1_000, 0, 0),
])
def test_far_above_the_own_habit(every: int, today: int, flagged: int) -> None:
    """The same number of retractions is a habit of one person and none of another's."""
    found = unusual(month(every, today), RULE)
    assert flagged == len(found)
    for one in found:
        assert one.tail < RULE.tail and one.in_period >= RULE.least


def test_the_figures_are_those_of_the_formula() -> None:
    """expected = m (R + 1) / (M + 1); the tail is Poisson's."""
    found = unusual(month(1_000, 5), RULE)
    last = found[-1]
    back_at = last.message.back_at
    assert back_at is not None
    m = sum(1 for n in range(20) if NOON + n * HOUR // 2 <= back_at)
    before = back_at - 31 * DAY
    history = sum(1 for n in range(600)
                  if before < NOON - 31 * DAY + n * DAY // 20 <= back_at - DAY)
    today = sum(1 for n in range(600)
                if NOON - 31 * DAY + n * DAY // 20 > back_at - DAY)
    assert m + today == last.sent
    assert Decimal(last.sent) / (history + 1) == pytest.approx(last.expected)


def test_nobody_without_a_history_has_a_habit() -> None:
    """A new account that takes everything back on its first day: not far above what is unknown."""
    assert () == unusual([sent(n, NOON + n, back=True) for n in range(20)], RULE)


def test_each_custodian_by_his_own() -> None:
    """What one does is nothing to another's habit; what is received and nobody's does not count."""
    both = [*month(1_000, 6), *month(4, 6, "dave")]
    assert {"carol"} == {one.message.custodian for one in unusual(both, RULE)}
    assert () == unusual([sent(n, NOON - 9 * DAY, out=False, back=True) for n in range(9)], RULE)


def test_the_order_of_messages_does_not_matter() -> None:
    """A function of the set."""
    known = month(100, 6)
    shuffled = known[:]
    Random(7).shuffle(shuffled)
    assert unusual(known, RULE) == unusual(shuffled, RULE)


@pytest.mark.parametrize(("count", "mean"), [(1, "0.5"), (5, "0.1"), (3, "2.9"), (40, "12.5"),
                                             (500, "400")])
def test_the_tail_is_poissons(count: int, mean: str) -> None:
    """Against the sum of all that is left, in floating point."""
    wanted = sum(math.exp(-float(mean) + k * math.log(float(mean)) - math.lgamma(k + 1))
                 for k in range(count, count + 400))
    assert wanted == pytest.approx(float(poisson_tail(count, Decimal(mean))), rel=1e-9)


def test_at_or_below_the_mean_nothing_is_unusual() -> None:
    """Nor is anything where nothing is expected and nothing happens."""
    assert 1 == poisson_tail(3, Decimal(3)) == poisson_tail(0, Decimal(0))
    assert 0 == poisson_tail(2, Decimal(0))


def test_a_rule_flags_the_retractions() -> None:
    """With the figures in words, on the retraction; a message by itself is not flagged for it."""
    engine = Engine([policy("revision = { retractions_above_habit = true, least = 4 }")])
    (ready,) = engine.habits
    known = month(1_000, 6)
    by_key = {one.key.hex(): one for one in known}
    found = unusual(known, above_habit(ready))
    flags = [engine.habit_flag(ready, by_key[one.message.key], one) for one in found]
    assert 3 == len(flags)
    assert "4 messages taken back in 24 hours" in flags[0].reason
    assert "would be expected" in flags[0].reason
    assert () == engine.flags(known[-20])
