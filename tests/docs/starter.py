"""Measures the starter pack and writes the numbers into docs/POLICIES.md:
`python -m tests.docs.starter`.

Owns the block between the two marks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from infra.verbs.starter import FIRST, FIRST_LANGUAGES, pack
from search.policy import precision
from search.policy.labelled import SETS
from search.policy.precision import ALL, Row, Score

PAGE: Final = Path(__file__).parents[2] / "docs" / "POLICIES.md"
BEGIN: Final = "<!-- written by `python -m tests.docs.starter` -->"
END: Final = "<!-- end of what is written -->"


def block() -> str:
    """What stands between the marks, measured now."""
    rows = [row for one in pack()
            for row in precision.rows(one.policy, precision.outcomes(one.policy, one.texts))]
    both = precision.together(rows)
    names = list(dict.fromkeys(one.policy for one in rows))
    languages = [one for one in dict.fromkeys(row.language for row in both) if one != ALL]
    total = sum(FIRST.values(), Score(0, 0, 0, 0))
    lines = [_line("recall, precision", ["check at first", *(
        f"{name.replace('_', ' ')} today" for name in SETS)]), _line("---", ["---"] * 5)]
    lines += [_of(f"`{name}`", FIRST[name], (
        row for row in rows if (row.policy, row.rule, row.language) == (name, ALL, ALL)))
        for name in names]
    lines += [_of(f"all, {name}", FIRST_LANGUAGES[name], (
        row for row in both if row.language == name)) for name in languages]
    lines.append(_of("**all**", total, (row for row in both if row.language == ALL)))
    return "\n".join((BEGIN, *lines, END))


def replaced(page: str, new: str) -> str:
    """The page with another block."""
    return re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: new, page, flags=re.DOTALL)


def _of(name: str, first: Score, rows: Iterable[Row]) -> str:
    by_set = {row.kind: row.score for row in rows}
    return _line(name, [_cell(first), *(_cell(by_set[kind]) for kind in SETS)])


def _cell(score: Score) -> str:
    return ", ".join(precision.shares(score))


def _line(name: str, cells: Sequence[str]) -> str:
    return "| " + " | ".join((name, *cells)) + " |"


if __name__ == "__main__":
    PAGE.write_text(replaced(PAGE.read_text("utf-8"), block()), "utf-8")
