"""Reports: what was reviewed in a month, item by item, and the check on those who reviewed.

Owns the choice of the month and the files. Each report is recorded before it is given; whoever sees
no messages is given figures, ids and names of reviewers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from schemas.errors import Missing, Refused
from search.access import roles
from search.review import reports, rules, watchers
from search.review.facts import SEVERITIES
from search.review.reports import ItemRow, PeriodReport
from search.web import csvtext, queuefilters, times
from search.web.ask import Ask
from search.web.ports import ReportPort
from search.web.times import Zone

MONTHS: Final = 18
PAGE_ITEMS: Final = 100
_MONTH: Final = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])")
_MONTHS_OF_YEAR: Final = 12
_COLUMNS: Final = (
    "item", "rule", "severity", "status", "outcome", "custodian", "level", "opened_at",
    "waiting_since", "overdue", "sample", "reviewer", "reviewed_version", "rules_seen",
    "reviewed_at", "action", "reason", "bulk", "in_period")


def show(ask: Ask) -> Response:
    """The report of a month; without one the choice of it, and nothing is worked out."""
    month = _month(ask)
    if not month:
        return ask.page("reports.html", "Reports", **_frame(ask, ""), report=None)
    since, until = _period(ask, month)
    found = _office(ask).period(ask.who, since, until)
    first = min(_number(ask.text("from", 8)), max(0, found.population - 1))
    return ask.page(
        "reports.html", f"Reports: {month}", **_frame(ask, month), report=found,
        wrong=reports.adds_up(found), first=first, shown=found.items[first:first + PAGE_ITEMS],
        page_items=PAGE_ITEMS, status_words=_status_words, tables=_tables(found),
        may_open=roles.VIEW in ask.who.may, name=ask.parts.name,
        is_running=until < span(month, ask.parts.settings.zone)[1])


def items(ask: Ask) -> Response:
    """The items of the report as CSV: a row for each act, and one for an item without any."""
    month = _wanted(ask)
    found = _office(ask).period(ask.who, *_period(ask, month))
    return _file(csvtext.table(_COLUMNS, _rows(found)), "text/csv; charset=utf-8",
                 f"counterfoil-reviews-{month}.csv")


def reviewers(ask: Ask) -> Response:
    """Who looked at what, how fast they decided, and what second looks said."""
    month = _month(ask)
    if not month:
        return ask.page("reviewers.html", "Reviewers", **_frame(ask, ""), told=None)
    told = _office(ask).accountability(ask.who, *_period(ask, month))
    return ask.page(
        "reviewers.html", f"Reviewers: {month}", **_frame(ask, month), told=told,
        name=ask.parts.name, lasted=times.lasted, floor=watchers.FLOOR_S,
        deviations=watchers.DEVIATIONS, decisions_min=watchers.DECISIONS_MIN,
        people_min=watchers.PEOPLE_MIN, may_open=roles.VIEW in ask.who.may)


def signed(ask: Ask) -> Response:
    """The accountability report, signed."""
    month = _wanted(ask)
    found = _office(ask).signed(ask.who, month, *_period(ask, month))
    return _file(found, "application/json", f"counterfoil-accountability-{month}.json")


def narrow(ask: Ask) -> Response:
    """Words of rules that mostly hit what is nothing."""
    if ask.text("show", 1) != "1":
        return ask.page("rules.html", "Rules", **_frame(ask, ""), found=None)
    return ask.page("rules.html", "Rules", **_frame(ask, ""),
                    found=_office(ask).proposals(ask.who))


def span(month: str, zone: Zone) -> tuple[int, int]:
    """(since, until) of "2026-11" in the firm's zone, UTC ms. Raises Refused."""
    if not _MONTH.fullmatch(month) or month.startswith(("0000", "9999")):
        raise Refused("a month is written 2026-11")
    year, number = int(month[:4]), int(month[5:])
    ends = (year + number // _MONTHS_OF_YEAR, number % _MONTHS_OF_YEAR + 1)
    return tuple(  # type: ignore[return-value]
        round(datetime(one, which, 1, tzinfo=zone.info).timestamp() * 1000)
        for one, which in ((year, number), ends))


def months(now: int, zone: Zone) -> tuple[str, ...]:
    """The last ones, the running one first. `now`: UTC ms."""
    at = datetime.fromtimestamp(now / 1000, UTC).astimezone(zone.info)
    count = at.year * _MONTHS_OF_YEAR + at.month - 1
    return tuple(f"{one // _MONTHS_OF_YEAR:04d}-{one % _MONTHS_OF_YEAR + 1:02d}"
                 for one in range(count, count - MONTHS, -1))


def _frame(ask: Ask, month: str) -> dict[str, Any]:
    """What the three pages share."""
    may = ask.who.may
    pages = (("Period", "/reports", roles.REPORTS),
             ("Reviewers", "/reports/reviewers", roles.AUDIT),
             ("Rules", "/reports/rules", roles.POLICY_TEST))
    return {
        "month": month, "months": months(ask.parts.clock(), ask.parts.settings.zone),
        "firm_zone": ask.parts.settings.zone.name, "may_sign": roles.AUDIT in may,
        "pages": [(name, path) for name, path, needs in pages if needs in may],
    }


def _month(ask: Ask) -> str:
    found = ask.text("month", 7)
    if found:
        span(found, ask.parts.settings.zone)
    return found


def _wanted(ask: Ask) -> str:
    found = _month(ask)
    if not found:
        raise Refused("which month?")
    return found


def period(month: str, zone: Zone, now: int) -> tuple[int, int]:
    """(since, until), UTC ms, of a month; of one that is not over what there is of it at `now`:
    nothing is older than it is. Raises Refused as `span`."""
    since, until = span(month, zone)
    return since, max(since, min(until, now))


def _period(ask: Ask, month: str) -> tuple[int, int]:
    return period(month, ask.parts.settings.zone, ask.parts.clock())


def _office(ask: Ask) -> ReportPort:
    if ask.parts.reports is None:
        raise Missing("no reports here")
    return ask.parts.reports


def _number(said: str) -> int:
    return int(said) if said.isascii() and said.isdigit() else 0


def _status_words(code: str) -> str:
    """As a table of the report names a state: "closed:false_positive"."""
    status, _, outcome = code.partition(":")
    words = {"second": "waits for a second person"}.get(status, status)
    return f"{words}: {queuefilters.OUTCOMES.get(outcome, outcome)}" if outcome else words


def _tables(found: PeriodReport) -> Sequence[tuple[str, Sequence[tuple[str, int]]]]:
    return (
        ("What became of them", [(_status_words(one), count)
                                 for one, count in found.by_status.items()]),
        ("Severity", sorted(found.by_severity.items(), key=lambda one: -_grave(one[0]))),
        ("Rule", list(found.by_rule.items())),
        ("Still open, by age", list(found.ageing.items())),
    )


def _grave(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1


def _rows(found: PeriodReport) -> Iterator[tuple[str, ...]]:
    for one in found.items:
        about = (one.document, one.rule, one.severity, one.status, one.outcome, one.custodian,
                 f"{one.level} {rules.LEVEL_NAMES[one.level]}", _instant(one.opened_at),
                 _instant(one.waiting_since), _yes(value=one.overdue), _yes(value=one.is_sample))
        for act in _acts(one):
            yield (*about, *act)


def _acts(one: ItemRow) -> Iterator[tuple[str, ...]]:
    for act in one.evidence:
        yield (act.reviewer, act.version, " ".join(act.rules), _instant(act.at), act.action,
               act.reason, act.bulk, _yes(value=act.in_period))
    if not one.evidence:
        yield ("",) * 8


def _instant(at: int | None) -> str:
    if at is None:
        return ""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")


def _yes(*, value: bool) -> str:
    return "yes" if value else "no"


def _file(body: bytes, media_type: str, name: str) -> Response:
    return Response(body, HTTPStatus.OK, media_type=media_type, headers={
        "content-disposition": f'attachment; filename="{name}"'})
