"""Timestamps as providers write them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import times
from ingest.times import Moment

NOW = 1_749_854_600_000
AT = 1_749_854_575_000


@pytest.mark.parametrize(("value", "expected"), [
    ("1749854575", Moment(AT, "s")),
    (" 1749854575 ", Moment(AT, "s")),
    (1749854575, Moment(AT, "s", "1749854575", ("time_was_number",))),
    (1749854575.25, Moment(AT + 250, "ms", "1749854575.250", ("time_was_number",))),
    ("1749854575.5", Moment(AT + 500, "ms")),
    ("1749854575000", Moment(AT, "ms", "1749854575000", ("time_unit_guessed",))),
    ("1749854575000000", Moment(AT, "ms", "1749854575000000", ("time_unit_guessed",))),
    ("1749854575000000000", Moment(AT, "ms", "1749854575000000000", ("time_unit_guessed",))),
    (1749854575000, Moment(AT, "ms", "1749854575000", ("time_unit_guessed", "time_was_number"))),
    (1.749854575e15, Moment(AT, "ms", "1749854575000000",
                            ("time_unit_guessed", "time_was_number"))),
])
def test_case_22_unit_follows_from_the_magnitude(value: object, expected: Moment) -> None:
    """Seconds, ms, us and ns by mistake, as string or number, give the same instant, flagged."""
    assert expected == times.from_epoch(value, NOW)


@pytest.mark.parametrize(("value", "raw"), [
    ("0", "0"), (0, "0"), (-5, "-5"), ("-1749854575", "-1749854575"), ("", ""),
    ("yesterday", "yesterday"), (True, "true"), ([], "[]"), ({"a": 1}, '{"a": 1}'),
    (float("nan"), "NaN"), (float("inf"), "Infinity"), (10**30, "a number of more than 20 digits"),
    ("\u0661\u0667\u0664\u0669", "\u0661\u0667\u0664\u0669"), ("9" * 400, "9" * 100),
    ("99999999", "99999999"),
])
def test_case_22_unusable_times_are_kept_raw(value: object, raw: str) -> None:
    """Zero, negative and garbage give no time; what the source wrote stays."""
    assert Moment(None, raw=raw, observations=("time_unusable",)) == times.from_epoch(value, NOW)


def test_absent_time_is_said() -> None:
    """No time is an observation, not an invention."""
    assert Moment(None, observations=("time_absent",)) == times.from_epoch(None, NOW)


def test_time_ahead_of_our_clock_is_flagged_and_kept() -> None:
    """A source clock more than ten minutes ahead is accepted and flagged (case 71)."""
    assert () == times.from_epoch(str(NOW // 1000 + 600), NOW).observations
    ahead = times.from_epoch(str(NOW // 1000 + 601), NOW)
    assert ("time_in_future",) == ahead.observations
    assert NOW + 601_000 == ahead.at


def test_documented_number_is_not_odd() -> None:
    """Where the source documents an int, an int is no observation."""
    assert Moment(AT, "s") == times.from_epoch(1749854575, NOW, number_documented=True)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(),
                 st.lists(st.integers(), max_size=2)))
def test_any_value_gives_a_moment(value: object) -> None:
    """Whatever stands in the JSON, the answer is a moment within what a record can carry."""
    moment = times.from_epoch(value, NOW)
    assert moment.at is None or 10**11 <= moment.at < 10**14
