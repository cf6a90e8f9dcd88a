"""Whatever is cut, joined or edited, a place leads back to what was written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from search.policy.reading import Segment, Source, merged, plain, segments


def ranges_of(text: str) -> st.SearchStrategy[tuple[tuple[int, int], ...]]:
    """Some ranges of a text, in order, none touching another."""
    return st.sets(st.integers(0, len(text)), max_size=8).map(
        lambda cuts: tuple(zip(sorted(cuts)[::2], sorted(cuts)[1::2], strict=False)))


sources = st.text(max_size=20).flatmap(
    lambda text: ranges_of(text).map(lambda kept: Source(text, kept)))


@given(st.lists(sources, max_size=4))
def test_segments_hold_what_is_kept(known: list[Source]) -> None:
    """Every kept character lies in one segment, and leads back to where it stood."""
    found = segments(known)
    back: list[tuple[int, int]] = []
    for one in found:
        for at in range(len(one.text)):
            for number, (start, end) in one.origin([(at, at + 1)]):
                assert one.text[at] == known[number].text[start:end]
                back.append((number, start))
    wanted = [(number, at) for number, source in enumerate(known)
              for start, end in source.kept for at in range(start, end)]
    assert sorted(wanted) == sorted(back)


def test_texts_are_side_by_side_but_not_over_a_cut() -> None:
    """A phrase may go from one message to the next, never over what was cut out of one."""
    found = segments([Source("no ", ((0, 3),)), Source("risk [x] at all", ((0, 5), (8, 15)))])
    assert ["no \nrisk ", " at all"] == [one.text for one in found]
    first = found[0]
    assert [(0, (0, 3)), (1, (0, 4))] == first.origin([(0, 8)])


def test_edits_map_many_to_one_and_one_to_one() -> None:
    """As many characters as before come from one each, fewer from all."""
    read = plain("c4$h aaa").edited([(1, 3, "as"), (5, 8, "a")])
    assert "cash a" == read.text
    assert (1, 2) == read.origin(1, 2)
    assert (5, 8) == read.origin(5, 6)
    assert (0, 8) == read.origin(0, 6)


def test_merged_ranges_do_not_touch() -> None:
    """Places are shown once."""
    assert ((0, 5), (6, 8)) == merged([(6, 8), (2, 5), (0, 3)])
    assert Segment("", ()).origin([]) == []
