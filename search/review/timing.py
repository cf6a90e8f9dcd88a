"""When an item is due, and how old what waits is. Pure.

Owns the firm's clock for reviews: hours by severity, in the firm's zone, around the clock or in its
working hours. None of it is in the index: it holds since when an item waits, and a setting that
changes changes what is asked, not what is stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from schemas.errors import Refused
from search.review.facts import HIGH, LOW, MEDIUM

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
HOURS_MAX: Final = 2_000
_DAYS_MAX: Final = 1_000

# Age of what waits: name -> from so many hours (half open).
BUCKETS: Final = (("under 4 h", 0), ("4 to 24 h", 4), ("1 to 3 days", 24), ("3 to 7 days", 72),
                  ("1 to 4 weeks", 168), ("over 4 weeks", 672))


@dataclass(frozen=True, slots=True)
class Timing:
    """`hours`: until an item of a severity is due ("" = one without flags). `opens`, `closes`: the
    hours of a working day, 0 and 24 = around the clock on every day; `days`: 0 = Monday."""

    hours: tuple[tuple[str, int], ...] = ((HIGH, 4), (MEDIUM, 24), (LOW, 72), ("", 72))
    zone: tzinfo = field(default=UTC)
    opens: int = 0
    closes: int = 24
    days: tuple[int, ...] = (0, 1, 2, 3, 4)

    def __post_init__(self) -> None:
        if not 0 <= self.opens < self.closes <= 24 or not set(self.days) <= set(range(7)):
            raise Refused("working hours: 0 <= opens < closes <= 24, days 0 (Monday) to 6")
        if not self.days or not all(0 < one <= HOURS_MAX for _, one in self.hours):
            raise Refused(f"hours until an item is due: 1 to {HOURS_MAX}")

    def hours_of(self, severity: str) -> int:
        """Hours for a severity; the fewest for one that is not named."""
        known = dict(self.hours)
        return known.get(severity, min(known.values()))

    @property
    def around_the_clock(self) -> bool:
        """Whether every hour counts."""
        return (self.opens, self.closes) == (0, 24)

    def due_at(self, since: int, severity: str) -> int:
        """When an item that waits since then is due. UTC ms."""
        left = self.hours_of(severity) * _HOUR_MS
        if self.around_the_clock:
            return since + left
        for opens, closes in self._spans(since):
            start = max(opens, since)
            if closes - start >= left:
                return start + left
            left -= max(0, closes - start)
        return since + _DAYS_MAX * _DAY_MS

    def due_before(self, now: int, severity: str) -> int:
        """What waits since before this moment is overdue at `now`, and nothing else (UTC ms): the
        first moment from which an item is due later than now."""
        if self.around_the_clock:
            return now - self.hours_of(severity) * _HOUR_MS + 1
        low, high = now - _DAYS_MAX * _DAY_MS, now + 1
        while high - low > 1:                     # due_at never goes back as since goes on
            middle = (low + high) // 2
            low, high = (middle, high) if self.due_at(middle, severity) <= now else (low, middle)
        return high

    def _spans(self, since: int) -> Iterator[tuple[int, int]]:
        """Working spans from the day of `since` on, UTC ms."""
        day = datetime.fromtimestamp(since / 1000, self.zone).date()
        for number in range(_DAYS_MAX):
            one = day + timedelta(days=number)
            if one.weekday() in self.days:
                yield self._moment(one, self.opens), self._moment(one, self.closes)

    def _moment(self, day: date, hour: int) -> int:
        # The wall clock's hour on that day, whatever was done to the clock in the night.
        if hour == 24:
            day, hour = day + timedelta(days=1), 0
        return round(datetime.combine(day, time(hour), self.zone).timestamp() * 1000)


def bucket(age_ms: int) -> str:
    """Which of BUCKETS an age is in."""
    hours = max(0, age_ms) / _HOUR_MS
    return next(name for name, start in reversed(BUCKETS) if hours >= start)


def bucket_spans(now: int) -> Iterator[tuple[str, int | None, int]]:
    """(name, since, until): what waits since then is in that bucket at `now` (UTC ms, half open;
    since null = open)."""
    starts = [start for _, start in BUCKETS[1:]]
    for (name, start), end in zip(BUCKETS, [*starts, None], strict=True):
        until = now - start * _HOUR_MS + 1
        yield name, None if end is None else now - end * _HOUR_MS + 1, until
