"""How long a segment is locked: the longest of its domains, in whole months, and never too long."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.retention import DAY_MS, end_of, retain_until
from schemas.domains import DomainFacts
from schemas.errors import Halt

NOW = int(datetime(2026, 1, 15, 10, tzinfo=UTC).timestamp() * 1000)


def facts(month: str, years: int) -> DomainFacts:
    """A domain of a month with a class of years."""
    return DomainFacts("c", "default", month, "", years)


def at(year: int, month: int, day: int) -> int:
    """UTC ms of midnight."""
    return int(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(("month", "years", "until"), [
    ("2026-01", 7, at(2033, 2, 2)), ("2025-12", 7, at(2033, 1, 2)),
    ("2024-02", 1, at(2026, 1, 16) + 36_000_000), ("2026-01", 0, at(2026, 2, 2))])
def test_a_month_is_kept_to_its_end_plus_the_years_and_a_day(
        month: str, years: int, until: int) -> None:
    """Counted from the end of the month; never before a day from now."""
    assert until == retain_until([facts(month, years)], NOW, trial=False, lock_years_max=15)


def test_the_longest_of_the_domains_decides() -> None:
    """One object, one lock: nobody's words go early."""
    several = [facts("2026-01", 7), facts("2025-11", 10), facts("2026-01", 1)]
    assert end_of(several[1]) + DAY_MS == retain_until(several, NOW, trial=False,
                                                       lock_years_max=15)


def test_trial_mode_locks_for_one_day() -> None:
    """Whatever the classes say."""
    assert NOW + DAY_MS == retain_until([facts("2026-01", 99)], NOW, trial=True,
                                        lock_years_max=15)


def test_more_years_than_allowed_stop_the_process() -> None:
    """A typing error must not lock for centuries."""
    with pytest.raises(Halt) as halt:
        retain_until([facts("2026-01", 16)], NOW, trial=False, lock_years_max=15)
    assert "lock_years" == halt.value.finding


@given(st.integers(1970, 2200), st.integers(1, 12), st.integers(0, 100))
def test_a_lock_ends_on_the_first_of_a_month_after_the_years(
        year: int, month: int, years: int) -> None:
    """Exactly `years` after the month that follows, leap years or not."""
    end = datetime.fromtimestamp(end_of(facts(f"{year:04d}-{month:02d}", years)) / 1000, UTC)
    assert (1, 0, 0) == (end.day, end.hour, end.minute)
    assert years * 12 + 1 == (end.year * 12 + end.month) - (year * 12 + month)
