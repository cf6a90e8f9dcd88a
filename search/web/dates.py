"""Days as people type them, in the zone in which they read. Pure."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from schemas.errors import Refused
from search.web.times import Zone


def day_of(text: str, what: str) -> date | None:
    """2026-11-16, or null for nothing. Raises Refused, naming `what`."""
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise Refused(f"{what}: write a day as 2026-11-16") from error


def span(since: str, until: str, zone: Zone) -> tuple[int | None, int | None]:
    """The time from the beginning of one day to the end of another, UTC ms, half open. Raises
    Refused."""
    first, last = day_of(since, "From"), day_of(until, "To")
    if first is not None and last is not None and first > last:
        raise Refused("the first day comes after the last")
    try:
        return (None if first is None else _begin(first, zone),
                None if last is None else _begin(last + timedelta(days=1), zone))
    except OverflowError as error:
        raise Refused("this day is beyond the calendar") from error


def _begin(day: date, zone: Zone) -> int:
    return round(datetime.combine(day, time(), zone.info).timestamp() * 1000)
