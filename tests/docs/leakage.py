"""Measures what the blind index leaks and writes the numbers into docs/THREATS.md:
`python -m tests.docs.leakage`. Corpora that are not at hand keep the column that stands there.

Owns the block between the two marks. Keys, halves and attacks are seeded, so that a test can
measure again and compare.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.verbs.leakage import built_in, measured, of_files
from search import leakage
from search.leakage import Report, Share, Shares
from search.tokens import BLIND, NONE

PAGE: Final = Path(__file__).parents[2] / "docs" / "THREATS.md"
BEGIN: Final = "<!-- written by `python -m tests.docs.leakage` -->"
END: Final = "<!-- end of what is written -->"
SPLITS: Final = 5
_CORPORA: Final = Path(__file__).parents[3] / "shared" / "corpora"
_TASKMASTER: Final = "taskmaster4_dialogs.jsonl.gz"
_CHATTERBOT: Final = "chatterbot_multilingual.jsonl.gz"
_SIZE: Final = "messages / words / different ones"
_CEILING: Final = "all words that he has"
_NONE: Final = "an index without words, any of these"


@dataclass(frozen=True, slots=True)
class Run:
    """One column: whose texts, what the thief has instead of their other half, and in words."""

    name: str
    corpus: tuple[str, ...]
    auxiliary: tuple[str, ...]
    about: str

    @property
    def command(self) -> str:
        """What prints the same numbers."""
        told = [f"--corpus {name}" for name in self.corpus]
        told += [f"--auxiliary {name}" for name in self.auxiliary]
        return " ".join(("counterfoil leakage", *told))

    @property
    def is_at_hand(self) -> bool:
        """Whether its files are."""
        return all((_CORPORA / name).is_file() for name in (*self.corpus, *self.auxiliary))

    def measure(self) -> Report:
        """The numbers, anew."""
        corpus = of_files(_paths(self.corpus)) if self.corpus else built_in()
        auxiliary = of_files(_paths(self.auxiliary)) if self.auxiliary else None
        return measured(corpus, auxiliary, SPLITS, lambda: None)


RUNS: Final = (
    Run("made up", (), (), "a made-up talk of a law firm, part of Counterfoil: few patterns, few "
        "words"),
    Run("narrow", (_TASKMASTER,), (), "Taskmaster-4, English dialogues in which people order "
        "coffee and food: one subject, as a desk has that always does the same"),
    Run("wide", (_CHATTERBOT,), (), "ChatterBot, questions and answers on everything, in 28 "
        "languages and scripts at once"),
    Run("strange thief", (_TASKMASTER,), (_CHATTERBOT,), "Taskmaster-4 again; the thief has "
        "nothing of the kind, only ChatterBot"),
)


def column(report: Report) -> dict[str, str]:
    """Row -> cell of one run."""
    blind = [one for one in report.results if one.mode == BLIND]
    none = max((one.shares for one in report.results if one.mode == NONE),
               key=lambda shares: (shares.occurrences.high, shares.messages.high))
    return {
        _SIZE: f"{report.messages:,} / {report.terms:,} / {report.distinct:,}",
        **{leakage.LABELS[one.name].format(one.parameter): _cell(one.shares) for one in blind},
        _CEILING: _cell(report.ceiling), _NONE: _cell(none),
    }


def block(columns: Mapping[str, Mapping[str, str]]) -> str:
    """What stands between the marks."""
    rows = list(columns[RUNS[0].name])
    table = [_row("", [f"**{run.name}**" for run in RUNS]), _row("---", ["---"] * len(RUNS))]
    table += [_row(row, [columns[run.name][row] for run in RUNS]) for row in rows]
    told = [f"- **{run.name}**: {run.about}. `{run.command}`" for run in RUNS]
    return "\n".join((BEGIN, *table, "", *told, END))


def columns_of(page: str) -> dict[str, dict[str, str]]:
    """The columns that stand on the page; empty where there are none yet."""
    found = re.search(f"{re.escape(BEGIN)}\n(.*?)\n\n", page, re.DOTALL)
    if found is None:
        return {}
    lines = [[cell.strip() for cell in line.strip("|").split("|")]
             for line in found[1].splitlines()]
    names = [name.strip("*") for name in lines[0][1:]]
    return {name: {line[0]: line[at] for line in lines[2:]} for at, name in enumerate(names, 1)}


def replaced(page: str, new: str) -> str:
    """The page with another block."""
    return re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: new, page, flags=re.DOTALL)


def _paths(names: Sequence[str]) -> list[Path]:
    return [_CORPORA / name for name in names]


def _row(name: str, cells: Sequence[str]) -> str:
    return "| " + " | ".join((name, *cells)) + " |"


def _cell(shares: Shares) -> str:
    return " / ".join(map(_percent, (shares.distinct, shares.occurrences, shares.messages)))


def _percent(share: Share) -> str:
    return f"{100 * share.mean:.0f}±{50 * (share.high - share.low):.0f}"


if __name__ == "__main__":
    text = PAGE.read_text("utf-8")
    standing = columns_of(text)
    for run in RUNS:
        if run.is_at_hand:
            standing[run.name] = column(run.measure())
    PAGE.write_text(replaced(text, block(standing)), "utf-8")
