"""Different words in memory, and which of them a slot stands for, quickly.

Owns how a pattern's words are found without asking `words.holds` of each of half a million; the
answer is the same. Pure.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Container, Iterable, Iterator
from typing import Final

from search.words import (
    STEM_SAME_CHARS,
    Exact,
    Fuzzy,
    Slot,
    Stem,
    Stems,
    Wild,
    expression,
    is_within,
    shares_stem,
)

_WILDCARDS: Final = re.compile(r"[*?]")
_POINT_MAX: Final = 0x10FFFF
# How a beginning may go on: not at all; with the same letters as the wanted term; with changes.
_NOT, _AS_WANTED, _FREELY = 0, 1, 2


class Lexicon:
    """Terms, each once. Adding is cheap; the first question after it sorts."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._fresh: list[str] = []
        self._terms: list[str] = []
        self._text: str | None = None
        self._by_length: dict[int, list[str]] | None = None

    def __len__(self) -> int:
        return len(self._known)

    def add(self, terms: Iterable[str]) -> None:
        """Terms of at most PATTERN_WORD_CHARS_MAX characters, none with a line end."""
        fresh = set(terms) - self._known
        self._known |= fresh
        self._fresh += fresh

    def matching(self, slot: Slot, stems: Stems) -> list[str]:
        """The terms that `slot` stands for (`words.holds`), sorted."""
        self._settle()
        if isinstance(slot, Exact):
            return [slot.term] if slot.term in self._known else []
        if isinstance(slot, Wild):
            return self._wild(slot.pattern)
        if isinstance(slot, Fuzzy):
            return self._fuzzy(slot)
        return self._stem(slot, stems)

    def _settle(self) -> None:
        if self._fresh:
            self._fresh.sort()
            self._terms += self._fresh
            self._terms.sort()  # two sorted runs: one pass
            self._fresh = []
            self._text = self._by_length = None

    def _wild(self, pattern: str) -> list[str]:
        front = _WILDCARDS.split(pattern, maxsplit=1)[0]
        if front:
            fits = expression(pattern).fullmatch
            return [term for term in self._beginning(front) if fits(term)]
        if self._text is None:
            self._text = "\n".join(("", *self._terms, ""))
        return _line_expression(pattern).findall(self._text)

    def _fuzzy(self, slot: Fuzzy) -> list[str]:
        if self._by_length is None:
            self._by_length = {}
            for term in self._terms:
                self._by_length.setdefault(len(term), []).append(term)
        length, distance = len(slot.term), slot.distance
        near = {term for other in range(max(0, length - distance), length + distance + 1)
                for term in _Walk(slot, self._by_length.get(other, []), self._known).near()
                if is_within(slot.term, term, distance)}
        return sorted(near)

    def _stem(self, slot: Stem, stems: Stems) -> list[str]:
        front = slot.term[:STEM_SAME_CHARS]
        shorter = [front[:size] for size in range(1, len(front)) if front[:size] in self._known]
        return [term for term in (*shorter, *self._beginning(front))
                if shares_stem(slot.term, term, stems)]

    def _beginning(self, front: str) -> list[str]:
        """The terms that begin with `front`."""
        first = bisect_left(self._terms, front)
        return self._terms[first:_end(self._terms, front, first, len(self._terms))]


def _end(terms: list[str], front: str, first: int, last: int) -> int:
    """Where the sorted terms that begin with `front` end, inside [first, last)."""
    point = ord(front[-1]) if front else _POINT_MAX
    if point == _POINT_MAX:
        while first < last and terms[first].startswith(front):
            first += 1
        return first
    return bisect_left(terms, front[:-1] + chr(point + 1), first, last)


def _line_expression(pattern: str) -> re.Pattern[str]:
    """As `words.expression`, for the lines of one text, a line end before and after each. What
    stands between two stars is taken where it first fits: if the rest fits behind a later place, it
    fits behind that one too. So a line is gone over once, however many stars there are."""
    first, *others = [re.escape(piece).replace(r"\?", "[^\n]")
                      for piece in re.sub(r"\*+", "*", pattern).split("*")]
    middle = "".join(f"(?>[^\n]*?{piece})" for piece in others[:-1])
    last = f"[^\n]*{others[-1]}" if others else ""
    # The line end in front is a letter that the search looks for first: lines are skipped quickly.
    return re.compile(f"\n({first}{middle}{last})(?=\n)")


class _Walk:
    """Sorted terms of one length, gone through as the tree of their beginnings: one row of the
    alignment per beginning. Where the distance is used up the ending is known, and looked up."""

    def __init__(self, slot: Fuzzy, terms: list[str], known: Container[str]) -> None:
        self._wanted = slot.term
        self._letters = frozenset(slot.term)
        self._distance = slot.distance
        self._terms = terms
        self._known = known
        self._length = len(terms[0]) if terms else 0

    def near(self) -> list[str]:
        """All of those within the distance, and perhaps others."""
        out: list[str] = []
        start = list(range(len(self._wanted) + 1))
        waiting = [(0, len(self._terms), 0, "", start, start)]
        while waiting:
            first, last, depth, before, above, two_above = waiting.pop()
            stranger: tuple[list[int], int] | None = None
            depth += 1
            while first < last:
                front = self._terms[first][:depth]
                end = _end(self._terms, front, first, last)
                if front[-1] in self._letters:
                    row, may_go_on = self._row(front[-1], depth, before, above, two_above)
                else:
                    # Letters that the wanted term does not have are all the same to it.
                    stranger = stranger or self._row(front[-1], depth, before, above, two_above)
                    row, may_go_on = stranger
                if may_go_on == _FREELY and depth < self._length:
                    waiting.append((first, end, depth, front[-1], row, above))
                elif may_go_on:
                    out += self._completed(front, above)
                first = end
        return out

    def _row(self, letter: str, depth: int, before: str, above: list[int],
             two_above: list[int]) -> tuple[list[int], int]:
        """Distances of a beginning of `depth` letters to each beginning of the wanted term, and
        whether an ending of the length that is left may keep it within the distance. Only what is
        near the diagonal is said, the others are too far."""
        wanted, distance = self._wanted, self._distance
        row = [distance + 1] * len(above)
        # Where the wanted term has as many letters left as we have.
        level = len(wanted) - self._length + depth
        if depth <= distance:
            row[0] = depth
        for column in range(max(1, depth - distance), min(len(wanted), depth + distance) + 1):
            other = wanted[column - 1]
            cost = min(above[column], row[column - 1], above[column - 1] - (letter == other)) + 1
            if before == other and column > 1 and letter == wanted[column - 2]:
                cost = min(cost, two_above[column - 2] + 1)
            row[column] = cost
        may_go_on = _NOT
        for column in range(max(0, depth - distance), min(len(wanted), depth + distance) + 1):
            cost = row[column] + abs(level - column)
            if cost < distance or (cost == distance and column != level):
                return row, _FREELY
            if cost == distance:
                may_go_on = _AS_WANTED
        return row, may_go_on

    def _completed(self, front: str, above: list[int]) -> Iterator[str]:
        """The terms that begin with `front` and go on as the wanted term does, at once or after
        two swapped letters of which `front` has the first."""
        wanted = self._wanted
        column = len(wanted) - self._length + len(front)
        if column >= 0 and front + wanted[column:] in self._known:
            yield front + wanted[column:]
        if (0 < column < len(wanted) and front[-1] == wanted[column]
                and above[column - 1] < self._distance):
            swapped = front + wanted[column - 1] + wanted[column + 1:]
            if swapped in self._known:
                yield swapped
