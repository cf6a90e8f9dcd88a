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

_HOUR_MS: Final = 3_600_000
_CONTEXT: Final = Context(prec=28, Emin=-999_999, Emax=999_999)


@dataclass(frozen=True, slots=True)
class Retraction:
    """A message that `custodian` sent and took back: when (UTC ms), and the version that says so.
    """

    custodian: str
    at: int
    message: Message
    version: Version


@dataclass(frozen=True, slots=True)
class Unusual:
    """A retraction far above habit, with the figures that the top names."""

    retraction: Retraction
    in_period: int
    sent: int
    expected: Decimal
    tail: Decimal


def unusual(messages: Iterable[Message], rule: AboveHabit,
            assigned: Assignments | None = None) -> tuple[Unusual, ...]:
    """Every retraction far above its custodian's habit, by custodian and time. A function of the
    set of messages, each of which stands in it once."""
    given = assigned or Assignments()
    sent: dict[str, list[int]] = {}
    back: dict[str, list[Retraction]] = {}
    for message in messages:
        custodian = message.custodian(given)
        if not custodian or message.lead.direction != events.OUT:
            continue
        sent.setdefault(custodian, []).append(message.at)
        back.setdefault(custodian, []).extend(_taken_back(custodian, message))
    found: list[Unusual] = []
    for custodian in sorted(back):
        found += _of_one(sorted(sent[custodian]), sorted(back[custodian], key=_in_order), rule)
    return tuple(found)


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


def _taken_back(custodian: str, message: Message) -> list[Retraction]:
    """The first retraction of a message: to take back the same one again is no habit."""
    marks = [one for one in message.versions if one.event.kind == events.RETRACTION
             and one.event.direction in (events.OUT, None)]
    return [Retraction(custodian, marks[0].at, message, marks[0])] if marks else []


def _in_order(one: Retraction) -> tuple[int, bytes]:
    return one.at, one.message.key


def _of_one(sent: Sequence[int], back: Sequence[Retraction], rule: AboveHabit) -> list[Unusual]:
    period, history = rule.period_h * _HOUR_MS, rule.history_d * 24 * _HOUR_MS
    times = [one.at for one in back]
    found: list[Unusual] = []
    for one in back:
        count = _within(times, one.at - period, one.at)
        if count < rule.least:
            continue
        before = one.at - period - history, one.at - period
        here = _within(sent, one.at - period, one.at)
        with localcontext(_CONTEXT):
            expected = Decimal(here * (_within(times, *before) + 1)) / (_within(sent, *before) + 1)
        tail = poisson_tail(count, expected)
        if tail < rule.tail:
            found.append(Unusual(one, count, here, expected, tail))
    return found


def _within(times: Sequence[int], after: int, until: int) -> int:
    """How many with after < time <= until; `times` in order."""
    return bisect_right(times, until) - bisect_right(times, after)
