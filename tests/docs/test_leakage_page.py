"""The numbers in docs/THREATS.md are what is measured today."""

from __future__ import annotations

import pytest

from tests.docs import leakage
from tests.docs.leakage import RUNS, Run

PAGE = leakage.PAGE.read_text("utf-8")


def test_the_page_has_every_column_and_row() -> None:
    """Each run with its command, each attack with its share; what is written reads back."""
    columns = leakage.columns_of(PAGE)
    assert [run.name for run in RUNS] == list(columns)
    assert leakage.block(columns) in PAGE
    for cells in columns.values():
        assert set(columns[RUNS[0].name]) == set(cells) and all(cells.values())


def test_known_words_are_never_worth_more_than_the_page_says_of_them() -> None:
    """The sentence that no known word is needed holds in the numbers beside it."""
    narrow = leakage.columns_of(PAGE)["narrow"]
    none_known, known = (int(narrow[row].split(" / ")[1].partition("±")[0]) for row in (
        "neighbours, no word known", "200 known words"))
    assert none_known >= known


@pytest.mark.slow
@pytest.mark.parametrize("run", [run for run in RUNS[:2] if run.is_at_hand],
                         ids=lambda run: run.name)
def test_the_page_says_what_is_measured(run: Run) -> None:
    """Measured again, each cell of the column is the same. The other columns take minutes: whoever
    changes an attack writes the page anew, and sees them change."""
    assert leakage.columns_of(PAGE)[run.name] == leakage.column(run.measure())
