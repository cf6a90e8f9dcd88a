"""What a dashboard counts: messages per day and channel, the age of what waits, how often rules
were right. Pure. Each of the two is one question to the index, however much is counted.

Owns the figures that come from the index, each within what is asked of: an index as one viewer may
see it gives that viewer's figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from schemas import limits
from search.facets import Counted, Part
from search.index import Asked
from search.query import All, Between, Term, TokenQuery
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
    every = tuple(days)
    if not every:
        return ()
    whole = Between(min(day.since for day in every), max(day.until for day in every))
    counted = index.counts(TokenQuery(whole), [
        Part(Between(day.since, day.until), ("channel",), _CHANNELS_MAX) for day in every])
    return tuple(DayCount(day, tuple(sorted(found.facets["channel"])))
                 for day, found in zip(every, counted, strict=True))


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

    asked = {
        **{("status", one): _part(Filters(status=(one,)), asking) for one in _WAITING},
        **{("age", name): _part(Filters(age=name), asking) for name, _ in BUCKETS},
        ("overdue", ""): _part(Filters(overdue=True), asking),
        **{("by rule", one): Part(Term(questions.CODES, code(projected.OUTCOME, one)),
                                  (questions.CODES,), limits.FACET_VALUES_MAX)
           for one in _OUTCOMES},
        ("by rule", ""): Part(All(), (questions.CODES,), limits.FACET_VALUES_MAX)}
    # Whatever is counted is an item.
    counted = dict(zip(asked, index.counts(
        TokenQuery(Term(questions.CODES, projected.ITEM)), list(asked.values())), strict=True))
    return ReviewFigures(
        waiting=tuple((one, counted["status", one].total) for one in _WAITING),
        ageing=tuple((name, counted["age", name].total) for name, _ in BUCKETS),
        overdue=counted["overdue", ""].total,
        rules=_rules({of: found for (what, of), found in counted.items() if what == "by rule"},
                     tokenizer, known_rules))


def _part(filters: Filters, asking: Asking) -> Part:
    return Part(questions.node(filters, asking))


def _rules(counted: Mapping[str, Counted], tokenizer: Tokenizer,
           known: Sequence[str]) -> tuple[RuleRow, ...]:
    """`counted`: the items of each outcome, "" = all."""
    named = {code(projected.RULE, rule_token(tokenizer, one)): one
             for one in known if not one.startswith(_SAMPLE)}
    every = _by_rule(counted[""], named)
    outcomes = {one: _by_rule(counted[one], named) for one in _OUTCOMES}
    rows = []
    for rule, items in every.items():
        wrong, clear, breach = (outcomes[one].get(rule, 0) for one in _OUTCOMES)
        rows.append(RuleRow(rule, items, wrong + clear + breach, wrong, clear, breach))
    return tuple(sorted(rows, key=lambda one: (
        one.precision is None, one.precision or 0.0, -one.items, one.rule)))


def _by_rule(found: Counted, named: dict[str, str]) -> dict[str, int]:
    """Items, by the rules on them."""
    return {named[value]: count for value, count in found.facets[questions.CODES]
            if value in named}
