"""What near means: spans of positions, by example and by law."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from search import positions
from search.positions import Span, Spans

SPANS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3)), max_size=8).map(
    lambda found: sorted({(first, first + more) for first, more in found}))
DISTANCES = st.integers(1, 12)


def gap(one: Span, other: Span) -> int:
    """How far `other` begins after `one` has ended."""
    return other[0] - one[1]


@given(SPANS, SPANS, DISTANCES)
def test_near_is_every_pair_that_fits(left: Spans, right: Spans, distance: int) -> None:
    """As written down: no overlap, facing edges at most so far apart, side by side is 1."""
    before = {(one[0], other[1]) for one, other in product(left, right)
              if 1 <= gap(one, other) <= distance}
    after = {(other[0], one[1]) for one, other in product(left, right)
             if 1 <= gap(other, one) <= distance}
    assert sorted(before) == positions.near(left, right, distance, ordered=True)
    assert sorted(before | after) == positions.near(left, right, distance, ordered=False)


@given(SPANS, SPANS, DISTANCES)
def test_the_laws_of_near(left: Spans, right: Spans, distance: int) -> None:
    """Symmetric unless ordered; in order is a case of in any order; farther finds no less."""
    near = positions.near(left, right, distance, ordered=False)
    in_order = positions.near(left, right, distance, ordered=True)
    assert near == positions.near(right, left, distance, ordered=False)
    assert sorted({*in_order, *positions.near(right, left, distance, ordered=True)}) == near
    assert set(near) <= set(positions.near(left, right, distance + 1, ordered=False))
    assert [] == positions.near(left, [], distance, ordered=False)
    assert bool(near) == positions.are_near(left, right, distance, ordered=False)
    assert bool(in_order) == positions.are_near(left, right, distance, ordered=True)


@given(SPANS, SPANS, SPANS, DISTANCES)
def test_near_goes_over_either(one: Spans, other: Spans, third: Spans, distance: int) -> None:
    """(a OR b) w/n c is (a w/n c) OR (b w/n c)."""
    assert positions.near(positions.either([one, other]), third, distance, ordered=False) == (
        positions.either(positions.near(side, third, distance, ordered=False)
                         for side in (one, other)))


def test_a_phrase_stands_at_runs_of_positions() -> None:
    """Each place in its turn, overlaps too, never past the end."""
    is_a, is_b = "a".__eq__, "b".__eq__
    assert [(0, 1), (3, 4)] == positions.phrase([is_a, is_b], "abaab")
    assert [(0, 0), (2, 2), (3, 3)] == positions.phrase([is_a], "abaab")
    assert [(0, 1), (1, 2)] == positions.phrase([is_a, is_a], "aaa")
    assert [] == positions.phrase([is_a, is_b, is_b], "aab")


def test_a_text_of_one_word_is_bounded() -> None:
    """Millions of pairs are not made: the distance shrinks until few enough are left, and that
    there is a pair at all does not depend on it."""
    everywhere = [(at, at) for at in range(50_000)]
    found = positions.pairs(everywhere, everywhere, 250, ordered=True)
    assert 0 < len(found) <= positions.SPANS_MAX
    every = everywhere[:2_000]
    found = positions.pairs(every, every, 250, ordered=False)
    # The five nearest on either side, and never only one side of them.
    assert {1, 2, 3, 4, 5} == {abs(gap(one, other)) for one, other in found}
    assert len(found) == 2 * sum(2_000 - far for far in range(1, 6))
    assert {(one, other) for one, other in found} == {(other, one) for one, other in found}
