"""How well a policy does on labelled texts: precision and recall by rule, language and set. Pure.

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
_HEADS: Final = ("policy", "rule", "language", "set", "recall", "precision")
_TO_THE_LEFT: Final = 4


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
    """`due`: texts that should be hit; `found`: those of them that were; `others`: texts that
    should not be hit; `false`: those of them that were."""

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

    def __add__(self, other: Score) -> Score:
        return Score(self.due + other.due, self.found + other.found, self.others + other.others,
                     self.false + other.false)


@dataclass(frozen=True, slots=True)
class Row:
    """What a policy (`rule` = ALL), or one rule of it, does on the texts of one language or ALL,
    and of one set (`kind`).

    Of a rule, `due` are the texts that name it, and `found` those of them that it hit itself; a
    text that should be hit and names another rule speaks neither for nor against it."""

    policy: str
    rule: str
    language: str
    kind: str
    score: Score


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
    has texts, in the texts' order; of those each set. What has neither a text that is due nor a
    false hit is left out."""
    languages = (ALL, *dict.fromkeys(one.labelled.language for one in found))
    made = [Row(policy.policy_id, rule, language, kind, _score(rule, [
                one for one in found if one.labelled.kind == kind
                and language in (ALL, one.labelled.language)]))
            for rule in (ALL, *(one.rule_id for one in policy.rules))
            for language in languages for kind in SETS]
    return tuple(one for one in made if one.score.due or one.score.false)


def together(known: Iterable[Row]) -> tuple[Row, ...]:
    """All policies as one: by language and set, ALL first, then in the rows' order."""
    sums: dict[tuple[str, str], Score] = {}
    for one in known:
        if one.rule == ALL:
            key = one.language, one.kind
            sums[key] = sums[key] + one.score if key in sums else one.score
    languages = dict.fromkeys((ALL, *(language for language, _ in sums)))
    return tuple(Row(ALL, ALL, language, kind, sums[language, kind])
                 for language in languages for kind in SETS if (language, kind) in sums)


def table(known: Iterable[Row]) -> str:
    """The rows as text."""
    lines = [_HEADS, *((one.policy, one.rule, one.language, one.kind.replace("_", " "),
                        *shares(one.score)) for one in known)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(_cells(line, widths)).rstrip() for line in lines)


def shares(score: Score) -> tuple[str, str]:
    """Recall and precision, each as a count and in percent."""
    return _share(score.found, score.due), _share(score.found, score.found + score.false)


def _score(rule: str, found: Sequence[Outcome]) -> Score:
    due = [one for one in found
           if one.labelled.is_hit and rule in (ALL, one.labelled.rule)]
    others = [one for one in found if not one.labelled.is_hit]
    return Score(len(due), sum(_hits(rule, one) for one in due),
                 len(others), sum(_hits(rule, one) for one in others))


def _hits(rule: str, one: Outcome) -> bool:
    return bool(one.rules) if rule == ALL else rule in one.rules


def _share(part: int, whole: int) -> str:
    """Rounded down: 100 % are all of them."""
    return f"{part}/{whole} {100 * part // whole} %" if whole else "-"


def _cells(line: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """Names to the left, shares to the right."""
    for place, (cell, width) in enumerate(zip(line, widths, strict=True)):
        yield cell.ljust(width) if place < _TO_THE_LEFT else cell.rjust(width)
