"""How often somebody takes messages back, against his own habit. Pure.

Owns the statistic, so that an auditor can work it out by hand. For a retraction at t, by a person:

    k  his retractions in (t - period, t]        m  messages he sent in that time
    R  his retractions in the history before it  M  messages he sent in that time
    expected = m * (R + 1) / (M + 1)             as if he had taken back one more of one more
    tail = P(X >= k), X Poisson with that mean   how likely so many are by his habit

It is far above his habit where k is at least `least` and the tail below the rule's. Somebody
without a history has no habit: his tail is never small. All in decimal arithmetic, which every
machine does alike.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from typing import Final

from schemas import events
from schemas.assignment import Assignments
from search.policy.lexicon import AboveHabit
from search.policy.message import Message, Version

HOUR_MS: Final = 3_600_000
_CONTEXT: Final = Context(prec=28, Emin=-999_999, Emax=999_999)


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that `custodian` sent: `key` tells it apart, `at` and `back_at` (UTC ms) when, and
    when it was first taken back; null = it was not."""

    custodian: str
    key: str
    at: int
    back_at: int | None


@dataclass(frozen=True, slots=True)
class Unusual:
    """A message taken back far above habit, with the figures that the top names."""

    message: Sent
    in_period: int
    sent: int
    expected: Decimal
    tail: Decimal


def unusual(messages: Iterable[Sent], rule: AboveHabit) -> tuple[Unusual, ...]:
    """Every retraction far above its custodian's habit, by custodian and time. A function of the
    set of messages, each of which stands in it once."""
    sent: dict[str, list[int]] = {}
    back: dict[str, list[tuple[int, str, Sent]]] = {}
    for one in messages:
        sent.setdefault(one.custodian, []).append(one.at)
        if one.back_at is not None:
            back.setdefault(one.custodian, []).append((one.back_at, one.key, one))
    found: list[Unusual] = []
    for custodian in sorted(back):
        found += _of_one(sorted(sent[custodian]), sorted(back[custodian], key=_in_order), rule)
    return tuple(found)


def sent(message: Message, assigned: Assignments | None = None) -> Sent | None:
    """What counts of a message; null for one that nobody of the firm's sent."""
    custodian = message.custodian(assigned or Assignments())
    if not custodian or message.lead.direction != events.OUT:
        return None
    back = taken_back(message)
    return Sent(custodian, message.key.hex(), message.at, None if back is None else back.at)


def taken_back(message: Message) -> Version | None:
    """The first retraction of a message by its own side: to take back the same one again is no
    habit."""
    return next((one for one in message.versions if one.event.kind == events.RETRACTION
                 and one.event.direction in (events.OUT, None)), None)


def poisson_tail(count: int, expected: Decimal) -> Decimal:
    """P(X >= count) of a Poisson variable with mean `expected`, to 20 digits and more; 1 where
    `count` is no more than the mean."""
    if count <= expected:
        return Decimal(1)
    with localcontext(_CONTEXT):
        term = (-expected).exp()
        for number in range(1, count + 1):
            term = term * expected / number
        total = Decimal(0)
        number = count
        # Past the mean each term is smaller than the one before, so this ends.
        while term > total * Decimal("1e-24"):
            total += term
            number += 1
            term = term * expected / number
        return total


def _in_order(one: tuple[int, str, Sent]) -> tuple[int, str]:
    return one[:2]


def _of_one(times_sent: Sequence[int], back: Sequence[tuple[int, str, Sent]],
            rule: AboveHabit) -> list[Unusual]:
    period, history = rule.period_h * HOUR_MS, rule.history_d * 24 * HOUR_MS
    times = [at for at, _, _ in back]
    found: list[Unusual] = []
    for at, _, message in back:
        count = _within(times, at - period, at)
        if count < rule.least:
            continue
        before = at - period - history, at - period
        here = _within(times_sent, at - period, at)
        with localcontext(_CONTEXT):
            expected = Decimal(here * (_within(times, *before) + 1)) / (
                _within(times_sent, *before) + 1)
        tail = poisson_tail(count, expected)
        if tail < rule.tail:
            found.append(Unusual(message, count, here, expected, tail))
    return found


def _within(times: Sequence[int], after: int, until: int) -> int:
    """How many with after < time <= until; `times` in order."""
    return bisect_right(times, until) - bisect_right(times, after)
