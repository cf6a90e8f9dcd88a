"""Where words stand in one text, and which of them are near each other. Pure.

Owns the algebra of spans: its meaning is the same on readable terms (`search/evaluate.py`) and on
blind tokens (an index that checks what it could not ask for).

A span is (first, last), positions in the stream of one revision, both in it. `a w/n b`: a span of
each that do not overlap, and the distance between the edges that face each other is n or less;
side by side is 1, as dtSearch counts. `a pre/n b`: also a before b. Together they are one span from
the first position of both to the last, so that nearness can be nested. It is enough that one pair
of spans fits: the shortest span of each side is not preferred.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, repeat
from typing import Final

Span = tuple[int, int]
Spans = list[Span]
"""Sorted, each once."""

# Pairs of one near in one text. A text of one word over and over could make millions; then only
# pairs at a smaller distance count, so that there are no more. Whether there is one at all never
# depends on it, but what a near around it finds may.
SPANS_MAX: Final = 20_000


def phrase(places: Sequence[Callable[[str], bool]], stream: Sequence[str]) -> Spans:
    """Every run of positions of `stream` at which each of `places` holds."""
    width, first, others = len(places), places[0], tuple(enumerate(places[1:], 1))
    return [(at, at + width - 1) for at, term in enumerate(stream)
            if first(term) and at + width <= len(stream)
            and all(place(stream[at + offset]) for offset, place in others)]


def either(sides: Iterable[Spans]) -> Spans:
    """The spans of all sides."""
    return sorted({span for side in sides for span in side})


def near(left: Spans, right: Spans, distance: int, *, ordered: bool) -> Spans:
    """The spans of `left` and `right` together: see the top."""
    return sorted({together(*pair) for pair in pairs(left, right, distance, ordered=ordered)})


def together(one: Span, other: Span) -> Span:
    """From the first position of both to the last."""
    return min(one[0], other[0]), max(one[1], other[1])


def pairs(left: Spans, right: Spans, distance: int, *, ordered: bool) -> list[tuple[Span, Span]]:
    """Every (span of `left`, span of `right`) that fits, at most SPANS_MAX."""
    if not left or not right:
        return []
    before = _Following(left, right)
    after = None if ordered else _Following(right, left)

    def count(within: int) -> int:
        return before.count(within) + (after.count(within) if after else 0)

    if count(distance) > SPANS_MAX:
        # The largest that makes few enough; 1 where none does.
        distance = bisect_right(range(2, distance), SPANS_MAX, key=count) + 1
    found = chain(before.pairs(distance),
                  ((one, other) for other, one in after.pairs(distance)) if after else ())
    return list(islice(found, SPANS_MAX))


def are_near(left: Spans, right: Spans, distance: int, *, ordered: bool) -> bool:
    """Whether there is any pair: `near`, without making what it finds."""
    return _Following(left, right).count(distance) > 0 or (
        not ordered and _Following(right, left).count(distance) > 0)


class _Following:
    """Which of `second` begin how soon after each of `first` has ended."""

    def __init__(self, first: Spans, second: Spans) -> None:
        self._first, self._second = first, second
        self._starts = [start for start, _ in second]
        self._ends = [last for _, last in first]
        self._from = self._reached(0)

    def count(self, distance: int) -> int:
        return sum(self._reached(distance)) - sum(self._from)

    def pairs(self, distance: int) -> Iterator[tuple[Span, Span]]:
        for span, low, high in zip(self._first, self._from, self._reached(distance), strict=True):
            for at in range(low, high):
                yield span, self._second[at]

    def _reached(self, distance: int) -> list[int]:
        """For each of `first`, how many of `second` begin at most so far after its end."""
        return list(map(bisect_right, repeat(self._starts), [end + distance for end in self._ends]))
