"""How well a policy does on labelled texts: precision and recall by rule and language. Pure.

Owns those counts and the table that shows them. They are of the texts at hand, near half of which
are chosen because they are hard: what share of its flags is right in a firm's own traffic is told
by a dry run on that, and by nothing else. The sets of texts (`labelled.SETS`) are never counted
together: what the rules were changed for says little of what they do with the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from search.policy.labelled import SETS, Labelled, conversation
from search.policy.lexicon import Lexicon
from search.policy.match import Engine
from search.words import NO_STEMS, Stems

ALL: Final = "all"
_NAMES: Final = tuple(name.replace("_", " ") for name in SETS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A text, and the ids of the rules that hit it."""

    labelled: Labelled
    rules: frozenset[str]

    @property
    def is_right(self) -> bool:
        """Whether some rule hits what should be hit, and none what should not."""
        return bool(self.rules) == self.labelled.is_hit


@dataclass(frozen=True, slots=True)
class Score:
    """`due`: texts that should be hit; `found`: those of them that were; `false`: texts that were
    hit and should not be; `others`: all that should not be."""

    due: int
    found: int
    others: int
    false: int

    @property
    def recall(self) -> Fraction | None:
        """The share of what should be hit that was; null where nothing should."""
        return Fraction(self.found, self.due) if self.due else None

    @property
    def precision(self) -> Fraction | None:
        """The share of right ones among the hits; null where there were none."""
        hits = self.found + self.false
        return Fraction(self.found, hits) if hits else None


@dataclass(frozen=True, slots=True)
class Row:
    """What a policy (`rule` = ALL), or one rule of it, does on the texts of one language or ALL.
    `scores`: of each of `labelled.SETS`.

    Of a rule, `due` are the texts that name it, and `found` those of them that it hit itself; a
    text that should be hit and names another rule speaks neither for nor against it."""

    policy: str
    rule: str
    language: str
    scores: tuple[Score, ...]


def outcomes(policy: Lexicon, texts: Iterable[Labelled], *,
             stems: Stems = NO_STEMS) -> tuple[Outcome, ...]:
    """What the policy says of each text, in their order."""
    engine = Engine([policy], stems=stems)
    found: list[Outcome] = []
    for one in texts:
        message, around = conversation(one)
        found.append(Outcome(one, frozenset(
            flag.rule for flag in engine.flags(message, around))))
    return tuple(found)


def rows(policy: Lexicon, found: Sequence[Outcome]) -> tuple[Row, ...]:
    """The policy and each of its rules, in its order; of each first all languages, then each that
    has texts, in the texts' order."""
    languages = (ALL, *dict.fromkeys(one.labelled.language for one in found))
    return tuple(_row(policy.policy_id, rule, language, found)
                 for rule in (ALL, *(one.rule_id for one in policy.rules))
                 for language in languages)


def table(known: Iterable[Row]) -> str:
    """The rows as text; what has neither a text that is due nor a hit is left out."""
    lines = [("policy", "rule", "language", *(f"recall {name}" for name in _NAMES),
              *(f"precision {name}" for name in _NAMES))]
    lines += [(one.policy, one.rule, one.language,
               *(_share(score.found, score.due) for score in one.scores),
               *(_share(score.found, score.found + score.false) for score in one.scores))
              for one in known if any(score.due or score.false for score in one.scores)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(_cells(line, widths)).rstrip() for line in lines)


def _row(policy: str, rule: str, language: str, found: Sequence[Outcome]) -> Row:
    known = [one for one in found if language in (ALL, one.labelled.language)]
    return Row(policy, rule, language, tuple(
        _score(rule, [one for one in known if one.labelled.kind == kind]) for kind in SETS))


def _score(rule: str, found: Sequence[Outcome]) -> Score:
    due = [one for one in found
           if one.labelled.is_hit and rule in (ALL, one.labelled.rule)]
    others = [one for one in found if not one.labelled.is_hit]
    return Score(len(due), sum(_hits(rule, one) for one in due),
                 len(others), sum(_hits(rule, one) for one in others))


def _hits(rule: str, one: Outcome) -> bool:
    return bool(one.rules) if rule == ALL else rule in one.rules


def _share(part: int, whole: int) -> str:
    """A share as a count and in percent; rounded half up, so that it is the same everywhere."""
    return f"{part}/{whole} {(200 * part + whole) // (2 * whole)} %" if whole else "-"


def _cells(line: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """The first three columns to the left, shares to the right."""
    for place, (cell, width) in enumerate(zip(line, widths, strict=True)):
        yield cell.ljust(width) if place < 3 else cell.rjust(width)
