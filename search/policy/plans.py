"""A sampling plan's file -> `SamplePlan`, or every problem in it by line; its periods. Pure.

    id = "weekly"                   # what it is called; version 2 has the same
    version = 1                     # a change is a new version
    title = "Weekly sample"
    author = "Ann Lee"
    approver = "Bob Roe"            # somebody else
    effective = 2026-12-01          # the first day that a period of it may begin with
    period = "week"                 # day | week (from Monday) | month | quarter, in the firm's zone
    per_person = 1                  # at least so many of each person and period

    [[stratum]]                     # the first that fits a message is its own
    id = "changed"
    share = "25%"                   # of the messages in it; "2.5%"
    query = "state:retracted OR state:edited OR flag:*"
    [[stratum]]                     # the last has no query: everything else
    id = "rest"
    share = "1%"

    [[mandatory]]                   # reviewed whole, outside the sample. What a policy with
    id = "complaints"               # `mandatory = true` flags is so anyway
    query = "flag:complaint"
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from hashlib import sha256
from typing import Final

from schemas import events
from schemas.errors import QueryError, Refused
from search.parse import parse
from search.policy.sampling import STRATA_MAX, WHOLE, Plan
from search.policy.tables import Table, read_tables
from search.policy.watch import WATCHED_KINDS
from search.tokens import normalise
from search.tree import Tree, Value, leaves

BYTES_MAX: Final = 256 * 1024
VERSION_MAX: Final = 1_000_000
PER_PERSON_MAX: Final = 1_000

DAY: Final = "day"
WEEK: Final = "week"
MONTH: Final = "month"
QUARTER: Final = "quarter"
PERIODS: Final = (DAY, WEEK, MONTH, QUARTER)

# The class of what a policy flags that says so itself.
BY_POLICY: Final = "policy"
# What a message may be sorted by: its own kinds, and that it is flagged.
_SORTED_KINDS: Final = WATCHED_KINDS | {events.POLICY}
_SHARE: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,2})?) ?%", re.ASCII)
_NAMED: Final = (
    (DAY, re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", re.ASCII)),
    (WEEK, re.compile(r"([0-9]{4})-W([0-9]{2})", re.ASCII)),
    (MONTH, re.compile(r"([0-9]{4})-([0-9]{2})", re.ASCII)),
    (QUARTER, re.compile(r"([0-9]{4})-Q([1-4])", re.ASCII)),
)
_EXAMPLES: Final = {DAY: "2026-11-21", WEEK: "2026-W47", MONTH: "2026-11", QUARTER: "2026-Q4"}


@dataclass(frozen=True, slots=True)
class Class:
    """Messages that `query` answers with; "" and null = everything else."""

    name: str
    query: str
    tree: Tree | None


@dataclass(frozen=True, slots=True)
class SamplePlan:
    """One version of a plan. `shares`: of `strata`, in hundredths of a percent."""

    plan_id: str
    version: int
    title: str
    author: str
    approver: str
    effective: date
    period: str
    per_person: int
    strata: tuple[Class, ...]
    shares: tuple[int, ...]
    mandatory: tuple[Class, ...]

    def plan(self) -> Plan:
        """What is drawn by. Everything that decides what is drawn is part of its digest."""
        says = json.dumps([self.version, self.period, *(
            [one.name, one.query] for one in (*self.strata, *self.mandatory))])
        return Plan(self.plan_id,
                    tuple((one.name, share) for one, share in
                          zip(self.strata, self.shares, strict=True)),
                    self.per_person, (BY_POLICY, *(one.name for one in self.mandatory)),
                    sha256(says.encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class Period:
    """`name`: 2026-W47; UTC ms, half open."""

    name: str
    since: int
    until: int


def load(source: bytes, name: str = "plan.toml", *, zone: tzinfo = UTC,
         is_recorded: bool = False) -> SamplePlan:
    """The plan that `source` states; days of `date:` begin in `zone`. `is_recorded`: it is on
    record with its seed, and is read as it was then. Raises Refused with a line for every problem.
    """
    top = read_tables(source, name, BYTES_MAX)
    top.known("id", "version", "title", "author", "approver", "effective", "period", "per_person",
              "stratum", "mandatory")
    author, approver = top.text("author"), top.text("approver")
    if author and _person(author) == _person(approver):
        top.problem("approver", "must be another person than the author")
    rows = top.rows("stratum", STRATA_MAX, required=True)
    strata = tuple(_class(row, zone, is_last=row is rows[-1], is_recorded=is_recorded)
                   for row in rows)
    mandatory_rows = top.rows("mandatory", STRATA_MAX)
    mandatory = tuple(_class(row, zone, is_recorded=is_recorded) for row in mandatory_rows)
    _once(top, "stratum", strata)
    _once(top, "mandatory", (*mandatory, Class(BY_POLICY, "", None)))
    if not rows:
        top.problem("stratum", "a plan has at least one [[stratum]]")
    found = SamplePlan(
        plan_id=top.name("id"), version=top.integer("version", 1, VERSION_MAX),
        title=top.text("title"), author=author, approver=approver, effective=top.day("effective"),
        period=top.choice("period", PERIODS),
        per_person=top.integer("per_person", 0, PER_PERSON_MAX, 1),
        strata=strata, shares=tuple(_share(row) for row in rows), mandatory=mandatory)
    top.refuse(name)
    return found


def _class(row: Table, zone: tzinfo, *, is_last: bool | None = None,
           is_recorded: bool = False) -> Class:
    row.known("id", "share", "query") if is_last is not None else row.known("id", "query")
    query = row.words("query", required=not is_last)
    if is_last and query:
        row.problem("query", "the last stratum has no query: it is everything else")
    tree = None
    if query:
        try:
            tree = parse(query, zone=zone)
        except QueryError as error:
            row.problem("query", f"{error.message} (at character {error.position + 1})")
    for leaf in () if tree is None or is_recorded else leaves(tree):
        if isinstance(leaf, Value) and leaf.name == "kind" and leaf.value not in _SORTED_KINDS:
            row.problem("query", f"kind:{leaf.value} (at character {leaf.start + 1}) is true of no "
                                 "message that a sample is drawn from; known here are "
                                 f"{', '.join(sorted(_SORTED_KINDS))}")
    return Class(row.name("id"), query, tree)


def _share(row: Table) -> int:
    text = row.text("share")
    match = _SHARE.fullmatch(text)
    hundredths = int(Decimal(match[1]) * 100) if match else WHOLE + 1
    if text and hundredths > WHOLE:
        row.problem("share", 'must be "0%" to "100%", with two digits after the point at most')
    return min(hundredths, WHOLE)


def _once(top: Table, key: str, several: Iterable[Class]) -> None:
    seen: set[str] = set()
    for one in several:
        if one.name and one.name in seen:
            top.problem(key, f"the id {one.name!r} comes twice, or is taken")
        seen.add(one.name)


def _person(name: str) -> str:
    return " ".join(normalise(name).split())


# --- periods -------------------------------------------------------------------------------------


def period_at(kind: str, at: int, zone: tzinfo) -> Period:
    """The period in which `at` (UTC ms) lies."""
    return _from(kind, _first_day(kind, datetime.fromtimestamp(at / 1000, zone).date()), zone)


def period_after(kind: str, known: Period, zone: tzinfo) -> Period:
    """The one after it."""
    return period_at(kind, known.until, zone)


def period_before(kind: str, known: Period, zone: tzinfo) -> Period:
    """The one before it."""
    return period_at(kind, known.since - 1, zone)


def period_named(kind: str, name: str, zone: tzinfo) -> Period:
    """The period of that name. Raises Refused, with an example."""
    pattern = dict(_NAMED)[kind]
    match = pattern.fullmatch(name.strip().upper())
    try:
        if match is None:
            raise ValueError(name)
        numbers = [int(one) for one in match.groups()]
        if kind == WEEK:
            first = date.fromisocalendar(numbers[0], numbers[1], 1)
        elif kind == QUARTER:
            first = date(numbers[0], 3 * numbers[1] - 2, 1)
        else:
            first = date(*(*numbers, 1)[:3])
        return _from(kind, first, zone)
    except (ValueError, OverflowError) as error:
        raise Refused(f"{name} is no {kind}: write it as {_EXAMPLES[kind]}") from error


def period_of(kind: str, since: int, zone: tzinfo) -> str:
    """What the period that begins at `since` (UTC ms) is called."""
    return period_at(kind, since, zone).name


def _first_day(kind: str, day: date) -> date:
    if kind == WEEK:
        return day - timedelta(days=day.weekday())
    if kind == MONTH:
        return day.replace(day=1)
    return day.replace(month=day.month - (day.month - 1) % 3, day=1) if kind == QUARTER else day


def _from(kind: str, first: date, zone: tzinfo) -> Period:
    days = {DAY: 1, WEEK: 7, MONTH: 31, QUARTER: 92}[kind]
    last = first + timedelta(days=days)
    after = _first_day(kind, last)
    if after == first:
        after = last
    year, week, _ = first.isocalendar()
    name = {DAY: first.isoformat(), WEEK: f"{year:04d}-W{week:02d}",
            MONTH: f"{first:%Y-%m}", QUARTER: f"{first.year:04d}-Q{(first.month + 2) // 3}"}[kind]
    return Period(name, _midnight(first, zone), _midnight(after, zone))


def _midnight(day: date, zone: tzinfo) -> int:
    return round(datetime.combine(day, time(), zone).astimezone(UTC).timestamp() * 1000)
