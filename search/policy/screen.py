"""Which rules a text can concern at all, told by its words before anything else is looked at.

Owns that shortcut. It may let a rule through that does not hit; it never keeps one back that would:
a test compares it with looking at every rule. What a word can be part of is remembered, and people
use few different words, so most messages cost one look-up a word. Of a rule that passes, the parts
that cannot be true are cut off before it is evaluated (`pruned`): a list of a hundred lines is then
the two that may fit.

    a query -> clauses, one of which must hold; a clause -> groups, of each of which one word must
    be there. `pay w/3 (cash OR coins)` is one clause: {pay} and {cash, coins}.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from search import tree
from search.policy.lexicon import Rule
from search.tokens import stream_and_units
from search.tree import Tree, children
from search.words import NO_STEMS, Exact, Fuzzy, Slot, Stem, Stems, Wild, holds

_WORDS_CACHE: Final = 200_000
# Groups of a clause; more would say little more.
_GROUPS_MAX: Final = 6

_Group = frozenset[Slot]
_Clauses = list[tuple[_Group, ...]]


class Held(NamedTuple):
    """What a text holds. `slots`: a bit for each slot that stands for one of its words; `clauses`:
    one for each clause that is worth looking at."""

    slots: int = 0
    clauses: int = 0

    def both(self, other: Held) -> Held:
        """What two texts hold together."""
        return Held(self.slots | other.slots, self.clauses | other.clauses)


@dataclass(frozen=True, slots=True)
class _Part:
    """A node that must be true, with masks of slots; `clauses` null = nothing is needed."""

    node: Tree
    clauses: tuple[tuple[int, ...], ...] | None
    children: tuple[_Part, ...] = ()

    def may_be(self, slots: int) -> bool:
        return self.clauses is None or any(
            all(slots & group for group in clause) for clause in self.clauses)


class Screen:
    """A set of rules is a number with a bit for each, by place in `rules`."""

    def __init__(self, rules: Sequence[Rule], stems: Stems = NO_STEMS) -> None:
        self.always = 0
        self._bits: dict[Slot, int] = {}
        self._parts: dict[int, _Part] = {}
        self._clauses: list[tuple[int, tuple[int, ...]]] = []     # (the rule's bit, its groups)
        self._wakes: dict[Slot, int] = {}
        for number, rule in enumerate(rules):
            needed = _needed_by(rule)
            if needed is None:
                self.always |= 1 << number
                continue
            for clause in needed:
                self._add(1 << number, clause)
        for asked in (one for rule in rules for one in rule.trees()):
            self._parts[id(asked)] = self._part(asked)
        exact = {slot.term: self._said(slot) for slot in self._bits if isinstance(slot, Exact)}
        patterns = _Patterns(slot for slot in self._bits if not isinstance(slot, Exact))

        @lru_cache(maxsize=_WORDS_CACHE)
        def concerned(term: str) -> Held | None:
            found = exact.get(term, _NOTHING)
            for slot in patterns.near(term):
                if holds(slot, term, stems):
                    found = found.both(self._said(slot))
            return found if found.slots else None

        self._concerned = concerned

    def of(self, text: str) -> int:
        """The rules that may hit a text, those included that need no word."""
        return self.rules(self.held(text))

    def held(self, text: str) -> Held:
        """What of the rules' words a text holds."""
        terms, units = stream_and_units(text)
        slots = clauses = 0
        for term in {*terms, *units}:
            found = self._concerned(term)
            if found is not None:
                slots |= found.slots
                clauses |= found.clauses
        return Held(slots, clauses)

    def rules(self, held: Held) -> int:
        """The rules that texts may hit that hold this together."""
        found, slots = self.always, held.slots
        for number in bits(held.clauses):
            rule, groups = self._clauses[number]
            if found & rule:
                continue
            for group in groups:
                if not slots & group:
                    break
            else:
                found |= rule
        return found

    def pruned(self, asked: Tree, held: Held) -> Tree | None:
        """`asked`, a query of one of the rules, without what cannot be true of texts that hold no
        more than this; null = nothing is left. It matches the same texts."""
        part = self._parts.get(id(asked))
        return asked if part is None else _pruned(part, held.slots)

    def _add(self, rule: int, clause: tuple[_Group, ...]) -> None:
        number = 1 << len(self._clauses)
        self._clauses.append((rule, tuple(map(self._mask, clause))))
        for slot in min(clause, key=_common):
            self._wakes[slot] = self._wakes.get(slot, 0) | number

    def _mask(self, group: Iterable[Slot]) -> int:
        return sum(self._bits.setdefault(slot, 1 << len(self._bits)) for slot in group)

    def _said(self, slot: Slot) -> Held:
        return Held(self._bits[slot], self._wakes.get(slot, 0))

    def _part(self, asked: Tree) -> _Part:
        needed = _needed(asked)
        clauses = None if needed is None else tuple(
            tuple(map(self._mask, clause)) for clause in needed)
        below = children(asked) if isinstance(asked, tree.And | tree.Or) else ()
        return _Part(asked, clauses, tuple(map(self._part, below)))


_NOTHING: Final = Held()


class _Patterns:
    """Slots that are no plain words, by a letter that a word must have to be meant by one."""

    def __init__(self, slots: Iterable[Slot]) -> None:
        self._first: dict[str, list[Slot]] = {}
        self._inside: dict[str, list[Slot]] = {}
        self._others: list[Slot] = []
        for slot in slots:
            fixed = slot.pattern.strip("*?") if isinstance(slot, Wild) else ""
            if isinstance(slot, Stem) and slot.term:
                self._first.setdefault(slot.term[0], []).append(slot)
            elif isinstance(slot, Wild) and fixed and slot.pattern.startswith(fixed[0]):
                self._first.setdefault(fixed[0], []).append(slot)
            elif fixed:
                self._inside.setdefault(fixed[0], []).append(slot)
            else:
                self._others.append(slot)

    def near(self, term: str) -> Iterator[Slot]:
        """Those that may stand for `term`, each once."""
        yield from self._first.get(term[:1], ())
        if self._inside:
            for letter in set(term):
                yield from self._inside.get(letter, ())
        yield from self._others


def bits(mask: int) -> Iterator[int]:
    """The places of the bits that are set, in order."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _pruned(part: _Part, slots: int) -> Tree | None:
    if not part.may_be(slots):
        return None
    if not part.children:
        return part.node
    kept = [_pruned(one, slots) for one in part.children]
    left = tuple(one for one in kept if one is not None)
    if isinstance(part.node, tree.And):
        return tree.And(left, part.node.start, part.node.end) if len(left) == len(kept) else None
    if len(left) < 2:
        return left[0] if left else None
    return tree.Or(left, part.node.start, part.node.end)


# --- what a query needs --------------------------------------------------------------------------


def _needed_by(rule: Rule) -> _Clauses | None:
    """Clauses of which one at least holds for each text that the rule hits; null = none need."""
    trees = rule.trees()
    if not trees:
        return None
    if rule.window is not None:
        # The flagged message adds to the hit, with whichever of its words.
        said = frozenset(slot for one in trees for leaf in _said(one) for slot in _slots(leaf))
        return [(said,)] if said else []
    return _any(_needed(one) for one in trees)


def _needed(asked: Tree) -> _Clauses | None:
    if isinstance(asked, tree.Text):
        return [_fewer(frozenset((slot,)) for slot in _slots(asked))]
    if isinstance(asked, tree.Or):
        return _any(map(_needed, asked.children))
    if isinstance(asked, tree.And | tree.Near):
        return _all([one for one in map(_needed, children(asked)) if one is not None])
    return None


def _any(several: Iterable[_Clauses | None]) -> _Clauses | None:
    found: _Clauses = []
    single: _Group = frozenset()
    for one in several:
        if one is None:
            return None
        for clause in one:
            if len(clause) == 1:
                single |= clause[0]
            else:
                found.append(clause)
    return [*found, (single,)] if single else found


def _all(several: list[_Clauses]) -> _Clauses | None:
    """All of them hold: the clauses of the one with the most, each with what the others need."""
    if not several:
        return None
    most = max(several, key=len)
    others: list[_Group] = []
    for one in several:
        if one is most:
            continue
        if len(one) == 1:
            others += one[0]
        else:
            # One of its clauses holds, so that one group of it does: of each the rarest.
            others.append(frozenset().union(*(min(clause, key=_common) for clause in one)))
    return [_fewer((*clause, *others)) for clause in most]


def _fewer(groups: Iterable[_Group]) -> tuple[_Group, ...]:
    return tuple(sorted(dict.fromkeys(groups), key=_common)[:_GROUPS_MAX])


def _common(group: _Group) -> tuple[float, list[str]]:
    """Larger = stands for more words of a text, most likely."""
    return sum(map(_how_common, group)), sorted(map(repr, group))


def _how_common(slot: Slot) -> float:
    if isinstance(slot, Exact):
        return float(4.0 ** -min(len(slot.term), 12))
    letters = (sum(one not in "*?" for one in slot.pattern) if isinstance(slot, Wild)
               else len(slot.term) - 2 * isinstance(slot, Fuzzy))
    return float(4.0 ** (1 - min(letters, 12)))


def _said(asked: Tree, *, positive: bool = True) -> Iterator[tree.Text]:
    if isinstance(asked, tree.Text):
        if positive:
            yield asked
        return
    for child in children(asked):
        yield from _said(child, positive=positive != isinstance(asked, tree.Not))


def _slots(text: tree.Text) -> tuple[Slot, ...]:
    return (Exact(text.unit),) if text.unit else text.slots
