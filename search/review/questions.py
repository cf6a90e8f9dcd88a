"""What of the queue somebody wants to see, as a question to the index. Pure.

Owns the filters and what each means. The queue is an answer of the index, within the viewer's
scope, so that its counts and facets are exact.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final

from schemas.errors import Refused
from search import query
from search.query import Node, Term
from search.review import item, ladder, projected, rules, timing
from search.review.decisions import DECISIONS, LEVEL_FIRST, LEVEL_LAST
from search.review.facts import SEVERITIES, person_token, rule_token, tag_token
from search.review.item import ItemState
from search.review.projected import code
from search.tokens import Tokenizer

CODES: Final = "review"
TIMES: Final = "review_times"
ME: Final = "me"
NOBODY: Final = "nobody"


@dataclass(frozen=True, slots=True)
class Filters:
    """All of these hold; "" and () = any. `status`: any of them; `assigned`: ME, NOBODY or a
    person; `age`: a name of timing.BUCKETS; `overdue`: past its hours. `mine`: only what the viewer
    may decide now: not his own messages, not what waits for another person than him, not beyond
    his level. `also`: a further question, as the query language compiles it."""

    status: tuple[str, ...] = (item.OPEN, item.ESCALATED, item.SECOND)
    level: int = 0
    severity: str = ""
    outcome: str = ""
    assigned: str = ""
    rule: str = ""
    tag: str = ""
    why: str = ""
    age: str = ""
    overdue: bool = False
    conflict: bool = False
    sample: bool = False
    mandatory: bool = False
    mine: bool = False
    also: Node | None = None

    def __post_init__(self) -> None:
        for name, value, known in (
                ("severity", self.severity, SEVERITIES), ("outcome", self.outcome, DECISIONS),
                ("age", self.age, [one for one, _ in timing.BUCKETS])):
            if value and value not in known:
                raise Refused(f"{name} is one of {', '.join(known)}")
        if not set(self.status) <= set(item.STATUSES):
            raise Refused(f"status is one of {', '.join(item.STATUSES)}")
        if self.level and not LEVEL_FIRST <= self.level <= LEVEL_LAST:
            raise Refused(f"level is {LEVEL_FIRST} to {LEVEL_LAST}")


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, and when. `me`: their token; `line`: tokens of the custodians whose messages they
    may not review."""

    me: str
    line: frozenset[str]
    may: frozenset[str]
    now: int
    timing: timing.Timing
    tokenizer: Tokenizer


def node(filters: Filters, asking: Asking) -> Node:
    """What documents fit, flat."""
    every: list[Node] = [Term(CODES, projected.ITEM), *_waits(filters, asking)]
    if filters.status:
        every.append(_any(projected.STATUS, filters.status))
    every += [Term(CODES, one) for one in _codes(filters, asking)]
    if filters.mine:
        every += [query.Not(one) for one in _not_mine(asking)]
    if filters.also is not None:
        every.append(filters.also)
    return query.flatten(query.And(tuple(every)))


def common(filters: Filters, asking: Asking) -> Node:
    """What documents fit but for how long they wait: `node` is this and `waits`, for every age."""
    return node(replace(filters, age="", overdue=False), asking)


def waits(filters: Filters, asking: Asking) -> Node:
    """What of `node` is about how long an item waits, flat; All = nothing is."""
    every = tuple(_waits(filters, asking))
    return query.flatten(query.And(every)) if every else query.All()


def bands() -> tuple[Node, ...]:
    """What each band of a queue is, the gravest first: every item is in one of them."""
    each: list[Node] = [Term(CODES, code(projected.SEVERITY, one)) for one in reversed(SEVERITIES)]
    return (*each, query.Not(query.Or(tuple(each))))


def fits(filters: Filters, state: ItemState, asking: Asking) -> bool:
    """Whether an item fits by its state; of its document nothing is asked."""
    fields = projected.of_state(state)
    held = frozenset(fields.codes)
    if projected.ITEM not in held or (filters.status and state.status not in filters.status):
        return False
    if not held.issuperset(_codes(filters, asking)):
        return False
    if filters.mine and (code(projected.BARRED, asking.me) in held
                         or state.level not in _levels(asking.may)):
        return False
    waits = state.waiting_since
    if filters.age and not _is_within(waits, *_bucket(filters.age, asking.now)):
        return False
    return not filters.overdue or _is_within(
        waits, None, asking.timing.due_before(asking.now, state.severity))


def _waits(filters: Filters, asking: Asking) -> Iterable[Node]:
    if filters.age:
        yield from (_waiting(), _span(*_bucket(filters.age, asking.now)))
    if filters.overdue:
        yield from (_waiting(), _overdue(asking))


def _codes(filters: Filters, asking: Asking) -> list[str]:
    tokenizer = asking.tokenizer
    assigned = {"": "", ME: asking.me, NOBODY: projected.NOBODY}.get(
        filters.assigned, person_token(tokenizer, filters.assigned))
    wanted = (
        (projected.LEVEL, str(filters.level or "")), (projected.SEVERITY, filters.severity),
        (projected.OUTCOME, filters.outcome), (projected.ASSIGNED, assigned),
        (projected.RULE, rule_token(tokenizer, filters.rule) if filters.rule else ""),
        (projected.TAG, tag_token(tokenizer, filters.tag) if filters.tag else ""),
        (projected.WHY, filters.why))
    found = [code(name, value) for name, value in wanted if value]
    found += [name for name, is_wanted in (
        (projected.CONFLICT, filters.conflict), (projected.SAMPLE, filters.sample),
        (projected.MANDATORY, filters.mandatory)) if is_wanted]
    return found


def _not_mine(asking: Asking) -> Iterable[Node]:
    yield from (Term("custodians", one) for one in sorted(asking.line))
    yield Term(CODES, code(projected.BARRED, asking.me))
    yield from (Term(CODES, code(projected.LEVEL, level))
                for level in rules.LEVEL_NEEDS if level not in _levels(asking.may))


def _levels(may: Collection[str]) -> frozenset[int]:
    return frozenset(level for level, needed in rules.LEVEL_NEEDS.items()
                     if needed <= frozenset(may))


def _overdue(asking: Asking) -> Node:
    each = []
    for severity in SEVERITIES:
        before = asking.timing.due_before(asking.now, severity)
        each.append(query.And((Term(CODES, code(projected.SEVERITY, severity)),
                               _span(None, before))))
    named = query.Or(tuple(Term(CODES, code(projected.SEVERITY, one)) for one in SEVERITIES))
    each.append(query.And((query.Not(named),
                           _span(None, asking.timing.due_before(asking.now, "")))))
    return query.Or(tuple(each))


def _bucket(age: str, now: int) -> tuple[int | None, int | None]:
    since, until = next((since, until) for name, since, until in timing.bucket_spans(now)
                        if name == age)
    # The youngest has no end: a clock that is ahead hides nothing.
    return since, None if age == timing.BUCKETS[0][0] else until


def _is_within(at: int | None, since: int | None, until: int | None) -> bool:
    """As `_span` says it, to the minute."""
    if at is None:
        return False
    minute = at // ladder.MINUTE_MS
    return ((since is None or since // ladder.MINUTE_MS <= minute)
            and (until is None or minute < until // ladder.MINUTE_MS))


def _waiting() -> Node:
    return query.Not(Term(CODES, code(projected.STATUS, item.CLOSED)))


def _span(since: int | None, until: int | None) -> Node:
    covered = ladder.cover(since, until)
    return query.Or(tuple(Term(TIMES, one) for one in covered)) if covered else query.Nothing()


def _any(name: str, values: Iterable[str]) -> Node:
    return query.Or(tuple(Term(CODES, code(name, one)) for one in values))
