"""Precision and recall on labelled texts: what is counted, and what is not."""

from __future__ import annotations

from fractions import Fraction

import pytest

from schemas.errors import Refused
from search.policy import labelled, loading, precision
from search.policy.labelled import CHECK, TUNED, Labelled
from search.policy.precision import ALL, Row, Score

POLICY = loading.load(b"""
id = "money"
version = 1
title = "Money"
author = "Ann Lee"
approver = "Bob Roe"
effective = 2024-01-01
severity = "high"
[[rule]]
id = "cash"
why = "Cash."
query = "cash"
[[rule]]
id = "gold"
why = "Gold."
query = "gold"
""")
HEAD = "language\tlabel\tset\trule\tdirection\ttext\tbefore\treply\tthen\tknown"
TEXTS = (
    Labelled("en", True, "bring cash", TUNED, "cash"),
    Labelled("en", True, "bring coins", TUNED, "cash", known="coins are not in the list"),
    Labelled("en", True, "bring gold", TUNED, "cash"),
    Labelled("de", False, "Johnny Cash", TUNED),
    Labelled("de", False, "Gutes Wetter", CHECK),
)
ROWS = precision.rows(POLICY, precision.outcomes(POLICY, TEXTS))


def of(rule: str, language: str, kind: str) -> Score:
    """The one row."""
    (found,) = [one.score for one in ROWS
                if (one.rule, one.language, one.kind) == (rule, language, kind)]
    return found


def test_a_policy_finds_what_any_of_its_rules_finds() -> None:
    """A text that names another rule is found all the same."""
    assert Score(3, 2, 1, 1) == of(ALL, ALL, TUNED)
    assert (Fraction(2, 3), Fraction(2, 3)) == (
        of(ALL, ALL, TUNED).recall, of(ALL, ALL, TUNED).precision)


def test_a_rule_finds_what_it_hits_itself() -> None:
    """Of three texts that name it, one; the false hit is its own too."""
    assert Score(3, 1, 1, 1) == of("cash", ALL, TUNED)
    assert not [one for one in ROWS if one.rule == "gold"]


def test_sets_and_languages_are_counted_apart() -> None:
    """A set without a text that is due or a false hit has no row."""
    assert Score(3, 2, 0, 0) == of(ALL, "en", TUNED)
    assert Score(0, 0, 1, 1) == of(ALL, "de", TUNED)
    assert of(ALL, "de", TUNED).recall is None
    assert {TUNED} == {one.kind for one in ROWS}


def test_policies_are_added_up_by_set_and_language() -> None:
    """Not their rules: a text would count twice."""
    both = precision.together([*ROWS, *ROWS])
    assert Row(ALL, ALL, ALL, TUNED, Score(6, 4, 2, 2)) == both[0]
    assert [ALL, "en", "de"] == [one.language for one in both]


def test_the_table_says_counts_and_percent_rounded_down() -> None:
    """100 % are all of them."""
    lines = precision.table(ROWS).splitlines()
    assert "money   all   all       tuned  2/3 66 %   2/3 66 %" == lines[1]
    assert ("199/200 99 %", "199/199 100 %") == precision.shares(Score(200, 199, 1, 0))
    assert ("-", "-") == precision.shares(Score(0, 0, 1, 0))


def test_a_table_of_texts_reads_back() -> None:
    """Cells apart by tabs; the last may be left out."""
    (one,) = labelled.read(f"{HEAD}\nen\tmust_hit\tcheck\tcash\tin\ta\\tb\tx ¦ y\tok\n".encode())
    assert Labelled("en", True, "a\tb", CHECK, "cash", "in", ("x", "y"), "ok", line=2) == one


@pytest.mark.parametrize(("line", "problem"), [
    ("en\tmust\tcheck\t\tin\ttext", "label must be one of"),
    ("en\tmust_hit\tmine\t\tin\ttext", "set must be one of"),
    ("english\tmust_hit\tcheck\t\tin\ttext", "two letters"),
    ("en\tmust_not_hit\tcheck\tcash\tin\ttext", "for no rule"),
    ("en\tmust_hit\tcheck\t\tin\t ", "text must be"),
    ("en\tmust_hit\tcheck\t\tin\ta\\b", "backslash"),
    ("\t" * 12, "13 cells"),
])
def test_a_line_that_is_none_is_named(line: str, problem: str) -> None:
    """With its number and what was expected."""
    with pytest.raises(Refused, match=f"line 2: .*{problem}"):
        labelled.read(f"{HEAD}\n{line}\n".encode())
