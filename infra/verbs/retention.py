"""`retention simulate`: what would end at a date, what stays and on what ground, what it costs.

Owns the words and the counting. The judgement of each key is `archive/disposition.py`'s, the same
that a disposition acts on. Nothing is changed; that somebody looked is recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.table import Table

from archive.disposition import RETENTION, Standing
from archive.retention import ended_at
from infra.disposition import Disposer
from infra.verbs.audit import acting, record_act
from infra.verbs.screen import ERR, OUT, emit, instant, short, shown, strong
from infra.wire import Wire
from schemas.errors import Refused

_ROWS_MAX: Final = 30


@dataclass(frozen=True, slots=True)
class Change:
    """What another number of years for a class would mean. Years of what is archived already stand
    in its keys, and locks only grow. `longer`: groups that would have to be locked longer to follow
    the class, in at most `segments` segments, with `requests` requests; `shorter`: groups that keep
    their longer time."""

    retention_class: str
    years: int
    longer: int
    segments: int
    requests: int
    shorter: int


def simulate(wire: Wire, at: str, retention_class: str, years: int | None, *, json: bool) -> int:
    """What would end at the beginning of a day, in the firm's zone."""
    if (years is None) != (not retention_class):
        raise Refused("--class and --years go together")
    if years is not None and not 0 < years <= wire.config.retention.lock_years_max:
        raise Refused(f"--years is 1 to {wire.config.retention.lock_years_max} "
                      "(retention.lock_years_max)")
    moment = _moment(at, ZoneInfo(wire.config.search.zone))
    record_act(wire, "retention_simulated", {
        "at": str(moment), "class": retention_class, "years": str(years or "")})
    disposer = Disposer(wire, acting(wire), lambda said: ERR.print(shown(said)))
    found = disposer.standings(moment)
    ends = [one for one in found if one.is_due]
    stays = [one for one in found if not one.is_due]
    # Of each copy one request destroys a key and one looks whether it is gone.
    requests = 2 * len(ends) * (1 + len(disposer.copies))
    change = None if years is None else _change(found, retention_class, years)
    if json:
        emit({"at": instant(moment), "ends": [_row(one) for one in ends],
              "stays": [_row(one) for one in stays], "requests": requests,
              "change": asdict(change) if change else None})
        return 0
    _print(moment, ends, stays, requests)
    if change is not None:
        _print_change(change)
    return 0


def _change(found: Iterable[Standing], retention_class: str, years: int) -> Change:
    longer = shorter = segments = 0
    for one in found:
        facts = one.facts
        if facts is None or facts.retention_class != retention_class or facts.years == years:
            continue
        if facts.years > years:
            shorter += 1
            continue
        longer += 1
        if one.seen.locked_until < ended_at(replace(facts, years=years)):
            segments += one.seen.segments
    # A lock is looked at before it is made longer.
    return Change(retention_class, years, longer, segments, 2 * segments, shorter)


def _row(one: Standing) -> dict[str, Any]:
    facts = one.facts
    return {
        "key": one.name, "custodian": facts.custodian if facts else None,
        "class": facts.retention_class if facts else None,
        "month": facts.month if facts else None,
        "compartment": (facts.compartment or None) if facts else None,
        "role": (facts.role or None) if facts else None,
        "years": facts.years if facts else None, "why": one.why, "words": one.words,
        "until": instant(one.until), "records": one.seen.events, "segments": one.seen.segments,
        "locked_until": instant(one.seen.locked_until or None)}


def _print(moment: int, ends: Sequence[Standing], stays: Sequence[Standing],
           requests: int) -> None:
    OUT.print(strong(f"at {short(moment)} UTC {len(ends)} key domains would end, with "
                     f"{sum(one.seen.events for one in ends)} records; {len(stays)} would stay"))
    OUT.print(f"to end them takes {requests} requests to the places where keys lie. The objects "
              "stay: without their key nobody can read them", soft_wrap=True)
    if ends:
        OUT.print(_table("would end", ends))
    if stays:
        counts = Counter(one.why for one in stays)
        OUT.print("would stay: " + ", ".join(f"{count} by {why}"
                                             for why, count in counts.most_common()))
        # A date says itself; the other grounds are what somebody asks about.
        OUT.print(_table("would stay", sorted(stays, key=lambda one: one.why == RETENTION)))


def _table(title: str, rows: Sequence[Standing]) -> Table:
    table = Table("custodian", "class", "month", "records", "why", "until (UTC)", title=title)
    for one in rows[:_ROWS_MAX]:
        facts = one.facts
        table.add_row(shown((facts.custodian or facts.role) if facts else "?"),
                      shown(facts.retention_class if facts else ""), facts.month if facts else "",
                      str(one.seen.events), shown(one.words), short(one.until))
    if len(rows) > _ROWS_MAX:
        table.caption = f"and {len(rows) - _ROWS_MAX} more (--json lists all)"
    return table


def _print_change(change: Change) -> None:
    OUT.print(strong(f"class {shown(change.retention_class)} with {change.years} years"))
    OUT.print(f"It would hold for months that begin after the change. What is archived keeps the "
              f"years that it was sealed with, for locks only grow: {change.shorter} key domains "
              "stay longer than the class would then say.", soft_wrap=True)
    if change.longer:
        OUT.print(f"{change.longer} key domains would end before the class says. To lock what is "
                  f"archived longer would take up to {change.requests} requests, for "
                  f"{change.segments} segments; no command does that yet: place a legal hold on "
                  "what has to stay.", soft_wrap=True)


def _moment(text: str, zone: ZoneInfo) -> int:
    try:
        return round(datetime.combine(date.fromisoformat(text), time(), zone).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise Refused("--at: write 2033-06-01") from error
