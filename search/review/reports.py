"""What was reviewed in a period, item by item, and sums that add up to it. Pure.

Owns the report of a period: every item that waited or was decided in it, with the four fields of
FINRA 3110.07 of every act (reviewer, what, when, action), and what is still open by name. Each item
stands in exactly one row of each table, so that each table adds up to the population.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from search.review import item
from search.review.decisions import BREACH, CLEAR, FALSE_POSITIVE
from search.review.history import Act, History
from search.review.timing import BUCKETS, Timing, bucket

NO_RULE: Final = "opened by hand"
NO_SEVERITY: Final = "none"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One act. `document` and `version` (event_id, hex) say what was reviewed, `rules` why it was
    there; `at`: UTC ms; `in_period`: done in the period of the report."""

    reviewer: str
    document: str
    version: str
    rules: tuple[str, ...]
    at: int
    action: str
    reason: str = ""
    bulk: str = ""
    in_period: bool = True


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One item as it stood at the end. `rule`: the one it is counted under, the gravest flag's,
    "policy/rule". `custodian`: "" = nobody's. `overdue`: it waited longer than its hours."""

    document: str
    rule: str
    severity: str
    status: str
    outcome: str
    custodian: str
    level: int
    opened_at: int | None
    waiting_since: int | None
    overdue: bool
    is_sample: bool
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class RuleRow:
    """How often a rule was right. `items`: that it flagged, whatever else did; of those decided,
    `false_positive`, `clear` and `breach` add up to `decided`."""

    rule: str
    items: int
    decided: int
    false_positive: int
    clear: int
    breach: int

    @property
    def precision(self) -> float | None:
        """The share of decided items that the rule was right to flag; null = none was decided."""
        return (self.decided - self.false_positive) / self.decided if self.decided else None


@dataclass(frozen=True, slots=True)
class PeriodReport:
    """Of since <= t < until (UTC ms). The values of each of the tables add up to `population`."""

    since: int
    until: int
    population: int
    items: tuple[ItemRow, ...]
    by_status: Mapping[str, int]      # open, escalated, second, closed:clear ...
    by_severity: Mapping[str, int]
    by_rule: Mapping[str, int]
    ageing: Mapping[str, int]         # of what waits
    overdue: int
    rules: tuple[RuleRow, ...]
    unread: int                       # records about items that could not be read

    @property
    def still_open(self) -> tuple[str, ...]:
        """Ids of what waits for somebody."""
        return tuple(one.document for one in self.items if one.status in item.WAITING)


def period(histories: Iterable[History], since: int, until: int,
           timing: Timing | None = None) -> PeriodReport:
    """The report. `histories`: of every item there is, as it was at `until`."""
    timing = timing or Timing()
    chosen = sorted((one for one in histories if _is_of(one, since, until)),
                    key=lambda one: one.doc_id)
    rows = tuple(_row(one, since, until, timing) for one in chosen)
    waiting = [one for one in rows if one.waiting_since is not None]
    ages = Counter(bucket(until - (one.waiting_since or 0)) for one in waiting)
    return PeriodReport(
        since, until, len(rows), rows,
        by_status=_counted(one.status if one.status != item.CLOSED else f"closed:{one.outcome}"
                           for one in rows),
        by_severity=_counted(one.severity for one in rows),
        by_rule=_counted(one.rule for one in rows),
        ageing={name: ages[name] for name, _ in BUCKETS},
        overdue=sum(one.overdue for one in rows), rules=rule_rows(chosen),
        unread=sum(one.unread for one in chosen))


def rule_rows(histories: Iterable[History]) -> tuple[RuleRow, ...]:
    """Each rule's record, the least precise first. A rule is judged by what became of the items
    that it flagged; what is open says nothing yet."""
    outcomes: dict[str, Counter[str]] = {}
    for one in histories:
        for rule in {f"{flag.policy}/{flag.rule}" for flag in one.flags}:
            held = outcomes.setdefault(rule, Counter())
            held["items"] += 1
            if one.state.status == item.CLOSED:
                held[one.state.outcome] += 1
    rows = [RuleRow(rule, held["items"], held[FALSE_POSITIVE] + held[CLEAR] + held[BREACH],
                    held[FALSE_POSITIVE], held[CLEAR], held[BREACH])
            for rule, held in outcomes.items()]
    return tuple(sorted(rows, key=lambda one: (
        one.precision is None, one.precision or 0.0, -one.items, one.rule)))


def as_json(report: PeriodReport) -> dict[str, Any]:
    """The report for machines: numbers, names, ids and UTC ms; no word of a message."""
    return {
        "since": report.since, "until": report.until, "population": report.population,
        "by_status": dict(report.by_status), "by_severity": dict(report.by_severity),
        "by_rule": dict(report.by_rule), "ageing": dict(report.ageing),
        "overdue": report.overdue, "open": list(report.still_open), "unread": report.unread,
        "items": [_item_json(one) for one in report.items],
        "rules": [{"rule": one.rule, "items": one.items, "decided": one.decided,
                   "false_positive": one.false_positive, "clear": one.clear, "breach": one.breach,
                   # In whole tenths of a percent: a report that is signed holds no fractions.
                   "precision_permille": None if one.precision is None else round(
                       one.precision * 1000)} for one in report.rules],
    }


def _item_json(one: ItemRow) -> dict[str, Any]:
    return {
        "document": one.document, "rule": one.rule, "severity": one.severity,
        "status": one.status, "outcome": one.outcome or None, "custodian": one.custodian or None,
        "level": one.level, "opened_at": one.opened_at, "waiting_since": one.waiting_since,
        "overdue": one.overdue, "sample": one.is_sample,
        "reviews": [{"reviewer": act.reviewer, "document": act.document,
                     "version": act.version or None, "rules": list(act.rules), "at": act.at,
                     "action": act.action, "reason": act.reason or None, "bulk": act.bulk or None,
                     "in_period": act.in_period} for act in one.evidence],
    }


def _is_of(one: History, since: int, until: int) -> bool:
    """Whether an item waited, was raised or was worked on in the period."""
    state = one.state
    if state.status == item.NONE or state.opened_at is None or state.opened_at >= until:
        return False
    return state.status != item.CLOSED or (state.decided_at or 0) >= since or any(
        since <= at < until for at in (*(flag.at for flag in one.flags),
                                       *(act.at for act in one.acts)))


def _row(one: History, since: int, until: int, timing: Timing) -> ItemRow:
    state, flag = one.state, one.leading_flag
    waits = state.waiting_since
    return ItemRow(
        document=one.doc_id, rule=f"{flag.policy}/{flag.rule}" if flag else NO_RULE,
        severity=state.severity or NO_SEVERITY, status=state.status,
        outcome=state.outcome if state.status == item.CLOSED else "",
        custodian=" ".join(one.custodians), level=state.level, opened_at=state.opened_at,
        waiting_since=waits,
        overdue=waits is not None and timing.due_at(waits, state.severity) <= until,
        is_sample=state.is_sample,
        evidence=tuple(_evidence(one.doc_id, act, since) for act in one.acts))


def _evidence(document: str, act: Act, since: int) -> Evidence:
    return Evidence(act.person, document, act.version, act.rules, act.at, act.says(), act.reason,
                    act.bulk, in_period=act.at >= since)


def _counted(values: Iterable[str]) -> Mapping[str, int]:
    return dict(sorted(Counter(values).items()))


def adds_up(report: PeriodReport) -> Sequence[str]:
    """What does not; () = every table adds up, every closed item names who, what, when and how."""
    wrong = [name for name, table in (
        ("by_status", report.by_status), ("by_severity", report.by_severity),
        ("by_rule", report.by_rule)) if sum(table.values()) != report.population]
    if sum(report.ageing.values()) != len(report.still_open):
        wrong.append("ageing")
    if len({one.document for one in report.items}) != report.population:
        wrong.append("items")
    wrong += [one.document for one in report.items if one.status == item.CLOSED and not any(
        act.reviewer and act.document and act.at and act.action for act in one.evidence)]
    return tuple(wrong)
