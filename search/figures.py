"""What a dashboard counts: messages per day and channel, the age of what waits, how often rules
were right. Pure.

Owns the figures that come from the index, each within what is asked of: an index as one viewer may
see it gives that viewer's figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from schemas import limits
from search.index import Asked
from search.query import Between, Term, TokenQuery
from search.review import item, projected, questions
from search.review.decisions import BREACH, CLEAR, FALSE_POSITIVE
from search.review.facts import rule_token
from search.review.projected import code
from search.review.questions import Asking, Filters
from search.review.reports import RuleRow
from search.review.timing import BUCKETS, Timing
from search.tokens import Tokenizer

_CHANNELS_MAX: Final = 20
_OUTCOMES: Final = (FALSE_POSITIVE, CLEAR, BREACH)
# Samples are drawn, not flagged: they have no precision.
_SAMPLE: Final = "sample."
_WAITING: Final = (item.OPEN, item.ESCALATED, item.SECOND)


@dataclass(frozen=True, slots=True)
class Day:
    """A day in a zone: "2026-11-16", and its half-open span in UTC ms."""

    name: str
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class DayCount:
    """How many messages of a day each channel has; channels without any are left out."""

    day: Day
    channels: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """Of all channels."""
        return sum(count for _, count in self.channels)

    def of(self, channel: str) -> int:
        """Of one."""
        return dict(self.channels).get(channel, 0)


@dataclass(frozen=True, slots=True)
class ReviewFigures:
    """`waiting`: items by status; `ageing`: (age, items) of what waits, the youngest first;
    `rules`: the least precise first, those of which something was decided."""

    waiting: tuple[tuple[str, int], ...]
    ageing: tuple[tuple[str, int], ...]
    overdue: int
    rules: tuple[RuleRow, ...]


def captured(index: Asked, days: Iterable[Day]) -> tuple[DayCount, ...]:
    """Messages and calls by the day on which they were sent. Raises Transient."""
    out = []
    for day in days:
        found = index.facets(TokenQuery(Between(day.since, day.until)), ("channel",),
                             _CHANNELS_MAX)
        out.append(DayCount(day, tuple(sorted(found["channel"]))))
    return tuple(out)


def channels(counts: Iterable[DayCount]) -> tuple[str, ...]:
    """Every channel of these days, the one with most messages first."""
    total: dict[str, int] = {}
    for one in counts:
        for channel, count in one.channels:
            total[channel] = total.get(channel, 0) + count
    return tuple(sorted(total, key=lambda name: (-total[name], name)))


def reviews(index: Asked, now: int, timing: Timing, tokenizer: Tokenizer,
            known_rules: Sequence[str]) -> ReviewFigures:
    """What waits and how rules did. Raises Transient, TooBroad."""
    asking = Asking("", frozenset(), frozenset(), now, timing, tokenizer)

    def count(filters: Filters) -> int:
        return index.count(TokenQuery(questions.node(filters, asking)))

    return ReviewFigures(
        waiting=tuple((one, count(Filters(status=(one,)))) for one in _WAITING),
        ageing=tuple((name, count(Filters(age=name))) for name, _ in BUCKETS),
        overdue=count(Filters(overdue=True)),
        rules=_rules(index, tokenizer, known_rules))


def _rules(index: Asked, tokenizer: Tokenizer, known: Sequence[str]) -> tuple[RuleRow, ...]:
    named = {code(projected.RULE, rule_token(tokenizer, one)): one
             for one in known if not one.startswith(_SAMPLE)}
    every = _by_rule(index, projected.ITEM, named)
    outcomes = {one: _by_rule(index, code(projected.OUTCOME, one), named) for one in _OUTCOMES}
    rows = []
    for rule, items in every.items():
        wrong, clear, breach = (outcomes[one].get(rule, 0) for one in _OUTCOMES)
        rows.append(RuleRow(rule, items, wrong + clear + breach, wrong, clear, breach))
    return tuple(sorted(rows, key=lambda one: (
        one.precision is None, one.precision or 0.0, -one.items, one.rule)))


def _by_rule(index: Asked, of: str, named: dict[str, str]) -> dict[str, int]:
    """Items with a code, by the rules on them."""
    found = index.facets(TokenQuery(Term(questions.CODES, of)), (questions.CODES,),
                         limits.FACET_VALUES_MAX)
    return {named[value]: count for value, count in found[questions.CODES] if value in named}
