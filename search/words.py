"""One place in a phrase: a word, or what stands for words (`pay*`, `p?y`, `colour~1`, `stem:pay`).

Owns what each stands for. Pure; the vocabulary expands by it, the reference evaluator matches by
it, so that both mean the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

# A word of more characters is no part of the vocabulary, and no pattern stands for it.
PATTERN_WORD_CHARS_MAX: Final = 100
FUZZY_DISTANCE_MAX: Final = 2
# A stemmer cuts ends: words whose beginnings differ are not looked at.
STEM_SAME_CHARS: Final = 2


@dataclass(frozen=True, slots=True)
class Exact:
    """This term (normalised, as in `tokens.stream`)."""

    term: str


@dataclass(frozen=True, slots=True)
class Wild:
    """`*` = any characters or none, `?` = one character; the rest is normalised."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Fuzzy:
    """Terms at most `distance` single-character changes away: one more, one less, another, or two
    neighbours swapped (optimal string alignment distance)."""

    term: str
    distance: int


@dataclass(frozen=True, slots=True)
class Stem:
    """Terms with the same stem in one of the configured languages, and the same first letters."""

    term: str


Slot = Exact | Wild | Fuzzy | Stem


class Stems(Protocol):
    """The stems of the configured languages."""

    def of(self, term: str) -> frozenset[tuple[str, str]]:
        """(language, stem) for each language; the term itself counts as a stem of every one."""


class _NoStems:
    """Where no query may ask for a stem."""

    def of(self, term: str) -> frozenset[tuple[str, str]]:
        """A mistake of the caller's: an answer without stems would leave something out."""
        raise LookupError("stem: was asked for where no languages are configured")


NO_STEMS: Final[Stems] = _NoStems()


def describe(slot: Slot) -> str:
    """A slot as it is written in a query."""
    if isinstance(slot, Wild):
        return slot.pattern
    if isinstance(slot, Fuzzy):
        return f"{slot.term}~{slot.distance}"
    return f"stem:{slot.term}" if isinstance(slot, Stem) else slot.term


def holds(slot: Slot, term: str, stems: Stems) -> bool:
    """Whether `slot` stands for `term`."""
    if isinstance(slot, Exact):
        return slot.term == term
    if len(term) > PATTERN_WORD_CHARS_MAX:
        return False
    if isinstance(slot, Wild):
        return expression(slot.pattern).fullmatch(term) is not None
    if isinstance(slot, Fuzzy):
        return is_within(slot.term, term, slot.distance)
    return shares_stem(slot.term, term, stems)


def among(slot: Slot, terms: Collection[str], stems: Stems) -> frozenset[str]:
    """Those of `terms` that `slot` stands for; `terms` is a set or a dict where the slot may be
    Exact."""
    if isinstance(slot, Exact):
        return frozenset((slot.term,)) if slot.term in terms else frozenset()
    return frozenset(term for term in terms if holds(slot, term, stems))


@lru_cache(maxsize=4096)
def expression(pattern: str) -> re.Pattern[str]:
    """A Wild's pattern as a regular expression for a whole term.

    Each piece between two stars is taken where it first fits, and for good (an atomic group): a
    later place could only leave less for what follows. So no pattern takes more than the length of
    the term times its own.
    """
    first, *others = ("".join("." if one == "?" else re.escape(one) for one in piece)
                      for piece in pattern.split("*"))
    if not others:
        return re.compile(first, re.DOTALL)
    *inner, last = others
    return re.compile("".join((first, *(f"(?>.*?{one})" for one in inner if one), ".*", last)),
                      re.DOTALL)


def shares_stem(first: str, second: str, stems: Stems) -> bool:
    """Whether two terms have a stem in common, and their first letters."""
    same = min(STEM_SAME_CHARS, len(first), len(second))
    return first[:same] == second[:same] and not stems.of(first).isdisjoint(stems.of(second))


def is_within(first: str, second: str, distance: int) -> bool:
    """Whether the optimal string alignment distance of two terms is at most `distance`."""
    if abs(len(first) - len(second)) > distance:
        return False
    before: list[int] = []
    above = list(range(len(second) + 1))
    for row, one in enumerate(first, 1):
        here = [row]
        for column, other in enumerate(second, 1):
            best = min(above[column] + 1, here[-1] + 1, above[column - 1] + (one != other))
            if row > 1 and column > 1 and one == second[column - 2] and first[row - 2] == other:
                best = min(best, before[column - 2] + 1)
            here.append(best)
        if min(here) > distance:
            return False
        before, above = above, here
    return above[-1] <= distance
