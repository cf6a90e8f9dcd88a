"""Times as words, so that every index can be asked for a span of them. Pure.

Owns the rungs: a time is known by its year, month, day, hour and minute (UTC), a span is the few
rungs that cover it. So an index needs no second kind of number, and a count by age is exact to the
minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Nothing was reviewed before, and nobody who asks lives after.
YEAR_FIRST: Final = 2000
YEAR_LAST: Final = 2199
MINUTE_MS: Final = 60_000
# Words to every index: no ":" and no capitals.
_, _MONTH, _DAY, _HOUR, _MINUTE = _FORMS = (
    "%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dt%H", "%Y-%m-%dt%H-%M")
_FIRST: Final = datetime(YEAR_FIRST, 1, 1, tzinfo=UTC)
_END: Final = datetime(YEAR_LAST + 1, 1, 1, tzinfo=UTC)


def rungs(at: int) -> tuple[str, ...]:
    """What a time (UTC ms) is known by, from its year to its minute."""
    moment = _moment(at)
    return tuple(moment.strftime(form) for form in _FORMS)


def cover(since: int | None, until: int | None) -> tuple[str, ...]:
    """The rungs of which every time of since <= t < until (UTC ms, whole minutes; null = open) has
    exactly one, and no other time has any. () = an empty span."""
    start = _FIRST if since is None else _moment(since)
    end = _END if until is None else _moment(until)
    return tuple(_cover(start, end))


def _moment(at: int) -> datetime:
    first = round((_FIRST - _EPOCH).total_seconds()) * 1000
    last = round((_END - _EPOCH).total_seconds()) * 1000
    clamped = min(max(at, first), last)
    return (_EPOCH + timedelta(milliseconds=clamped)).replace(second=0, microsecond=0)


def _cover(at: datetime, end: datetime) -> Iterator[str]:
    while at < end:
        for form in _FORMS:                       # the widest rung that begins here and fits
            after = _next(at, form)
            if after is not None and after <= end:
                yield at.strftime(form)
                at = after
                break


def _next(at: datetime, form: str) -> datetime | None:
    """The end of the rung that begins at `at`; null where none of that width begins there."""
    if form == _MINUTE:
        return at + timedelta(minutes=1)
    if at.minute:
        return None
    if form == _HOUR:
        return at + timedelta(hours=1)
    if at.hour:
        return None
    if form == _DAY:
        return at + timedelta(days=1)
    if at.day > 1:
        return None
    if form == _MONTH:
        return at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)
    return at.replace(year=at.year + 1) if at.month == 1 else None
