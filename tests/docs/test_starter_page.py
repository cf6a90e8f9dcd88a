"""The numbers of the starter pack in docs/POLICIES.md are what is measured today."""

from __future__ import annotations

import pytest

from infra.verbs.starter import FIRST, FIRST_LANGUAGES
from search.policy.precision import Score
from tests.docs import starter


@pytest.mark.slow
def test_the_page_says_what_is_measured() -> None:
    """Whoever changes a rule or a text writes the page anew, and sees the numbers change."""
    assert starter.block() in starter.PAGE.read_text("utf-8")


def test_the_first_numbers_are_one_measurement() -> None:
    """By policy and by language they add up to the same."""
    nothing = Score(0, 0, 0, 0)
    assert sum(FIRST.values(), nothing) == sum(FIRST_LANGUAGES.values(), nothing)
