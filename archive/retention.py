"""How long a segment is locked: class and month -> a date (PROTOCOL S8, K6, D1). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from schemas.domains import DomainFacts
from schemas.errors import Halt

DAY_MS: Final = 86_400_000


def retain_until(facts: Iterable[DomainFacts], sealed_at: int, *, trial: bool,
                 lock_years_max: int) -> int:
    """UTC ms: the latest of the domains' (end of month + years), plus one day; in trial mode one
    day from now. Never before a day from now: the store refuses a lock in the past.

    Raises Halt("lock_years") above `lock_years_max`: a typing error must not lock for centuries.
    """
    soonest = sealed_at + DAY_MS
    if trial:
        return soonest
    latest = soonest
    for one in facts:
        if one.years > lock_years_max:
            raise Halt("lock_years", f"class {one.retention_class} asks for {one.years} years, "
                                     f"lock_years_max is {lock_years_max}")
        latest = max(latest, ended_at(one))
    return latest


def end_of(facts: DomainFacts) -> int:
    """UTC ms of the first instant after a domain's month, `years` later."""
    year, month = (int(part) for part in facts.month.split("-"))
    month += 1
    if month == 13:
        year, month = year + 1, 1
    return int(datetime(year + facts.years, month, 1, tzinfo=UTC).timestamp() * 1000)


def ended_at(facts: DomainFacts) -> int:
    """UTC ms of the first instant at which nothing asks for a domain any more: a day after
    `end_of`."""
    return end_of(facts) + DAY_MS
