"""Which rules a text can concern at all, told by its words before anything else is looked at.

Owns that shortcut. It may let a rule through that does not hit; it never keeps one back that would:
a test compares it with looking at every rule. What a word can hit is remembered, and people use few
different words, so most messages cost one look-up a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from search import tree
from search.policy.lexicon import Rule
from search.tokens import stream_and_units
from search.tree import Tree, children
from search.words import NO_STEMS, Exact, Slot, Stems, holds

_WORDS_CACHE: Final = 200_000


class Screen:
    """A set of rules is a number with a bit for each, by place in `rules`."""

    def __init__(self, rules: Sequence[Rule], stems: Stems = NO_STEMS) -> None:
        exact: dict[str, int] = {}
        patterns: dict[Slot, int] = {}
        self.always = 0
        for number, rule in enumerate(rules):
            needed = _needed_by(rule)
            if needed is None:
                self.always |= 1 << number
                continue
            for slot in needed:
                if isinstance(slot, Exact):
                    exact[slot.term] = exact.get(slot.term, 0) | 1 << number
                else:
                    patterns[slot] = patterns.get(slot, 0) | 1 << number

        @lru_cache(maxsize=_WORDS_CACHE)
        def concerned(term: str) -> int:
            found = exact.get(term, 0)
            for slot, bits in patterns.items():
                if bits & ~found and holds(slot, term, stems):
                    found |= bits
            return found

        self._concerned = concerned

    def of(self, text: str) -> int:
        """The rules that may hit a text, those included that need no word."""
        terms, units = stream_and_units(text)
        found = self.always
        for term in {*terms, *units}:
            found |= self._concerned(term)
        return found


def bits(mask: int) -> Iterator[int]:
    """The places of the bits that are set, in order."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _needed_by(rule: Rule) -> frozenset[Slot] | None:
    """Slots of which one at least stands for a word of each text that the rule hits; null = there
    need not be one."""
    trees = rule.trees()
    if not trees:
        return None
    if rule.window is not None:
        # The flagged message adds to the hit, with whichever of its words.
        return frozenset().union(*(_slots(one) for asked in trees for one in _said(asked)))
    return _union(_needed(one) for one in trees)


def _needed(asked: Tree) -> frozenset[Slot] | None:
    if isinstance(asked, tree.Text):
        return frozenset((max(_slots(asked), key=_narrow),))
    if isinstance(asked, tree.Or):
        return _union(map(_needed, asked.children))
    if isinstance(asked, tree.And | tree.Near):
        known = [one for one in map(_needed, children(asked)) if one is not None]
        return min(known, key=lambda slots: (min(map(_narrow, slots), default=(1, 0)) < (1, 0),
                                              len(slots)),
                   default=None)
    return None


def _union(several: Iterable[frozenset[Slot] | None]) -> frozenset[Slot] | None:
    found: frozenset[Slot] = frozenset()
    for one in several:
        if one is None:
            return None
        found |= one
    return found


def _narrow(slot: Slot) -> tuple[int, int]:
    """Larger = stands for fewer words, most likely."""
    return (1, len(slot.term)) if isinstance(slot, Exact) else (0, 0)


def _said(asked: Tree, *, positive: bool = True) -> Iterator[tree.Text]:
    if isinstance(asked, tree.Text):
        if positive:
            yield asked
        return
    for child in children(asked):
        yield from _said(child, positive=positive != isinstance(asked, tree.Not))


def _slots(text: tree.Text) -> tuple[Slot, ...]:
    return (Exact(text.unit),) if text.unit else text.slots
