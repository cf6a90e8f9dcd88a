"""A text as a rule reads it, and where each of its characters came from. Pure.

Owns the map of offsets: whatever is cut, joined or put in plain letters, a hit is shown in what was
written. A character that stands for several has the range of all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Range = tuple[int, int]
"""Half open."""

Edit = tuple[int, int, str]
"""(start, end, what stands there instead)."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """`text`, each character of which came from `starts[i]`..`ends[i]` of another text."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def __post_init__(self) -> None:
        assert len(self.text) == len(self.starts) == len(self.ends)

    def origin(self, start: int, end: int) -> Range:
        """Where `start`..`end` of the text, at least one character, came from."""
        return self.starts[start], self.ends[end - 1]

    def edited(self, edits: Iterable[Edit]) -> Mapped:
        """With other characters in some places; edits in order, none over another.

        As many characters as before come from one each; fewer or more from all that they replace.
        """
        pieces: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        at = 0
        for start, end, new in edits:
            pieces += [self.text[at:start], new]
            if len(new) == end - start:
                starts += self.starts[at:end]
                ends += self.ends[at:end]
            else:
                starts += [*self.starts[at:start], *[self.starts[start]] * len(new)]
                ends += [*self.ends[at:start], *[self.ends[end - 1]] * len(new)]
            at = end
        if not pieces:
            return self
        pieces.append(self.text[at:])
        starts += self.starts[at:]
        ends += self.ends[at:]
        return Mapped("".join(pieces), starts, ends)


def plain(text: str) -> Mapped:
    """The text itself."""
    return Mapped(text, range(len(text)), range(1, len(text) + 1))


@dataclass(frozen=True, slots=True)
class Source:
    """One text that is read, and which ranges of it count, in order."""

    text: str
    kept: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """Words that are read side by side. `pieces`: (where it begins in `text`, which source, where
    it begins in that one's text), in order; between two pieces lies one line end."""

    text: str
    pieces: tuple[tuple[int, int, int], ...]

    def origin(self, ranges: Iterable[Range]) -> list[tuple[int, Range]]:
        """(source, range of its text) of each piece that `ranges` of the segment touch."""
        found: list[tuple[int, Range]] = []
        bounds = [*(begin for begin, _, _ in self.pieces), len(self.text) + 1]
        for start, end in ranges:
            for (begin, source, offset), (first, last) in zip(self.pieces, pairwise(bounds),
                                                               strict=True):
                # The last character before the next piece is the line end between them.
                low, high = max(start, first), min(end, last - 1)
                if low < high:
                    found.append((source, (low - begin + offset, high - begin + offset)))
        return found


def segments(sources: Sequence[Source]) -> tuple[Segment, ...]:
    """What several texts are read as, one after the other: side by side where one ends and the next
    begins, but not where something was cut out of the middle of one."""
    found: list[Segment] = []
    texts: list[str] = []
    pieces: list[tuple[int, int, int]] = []
    length = 0
    for number, source in enumerate(sources):
        for place, (start, end) in enumerate(source.kept):
            if place > 0:
                found.append(Segment("\n".join(texts), tuple(pieces)))
                texts, pieces, length = [], [], 0
            pieces.append((length, number, start))
            texts.append(source.text[start:end])
            length += end - start + 1
    if texts:
        found.append(Segment("\n".join(texts), tuple(pieces)))
    return tuple(found)


def merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same places, in order, none over or beside another."""
    out: list[Range] = []
    for start, end in sorted(ranges):
        if out and start <= out[-1][1]:
            out[-1] = out[-1][0], max(end, out[-1][1])
        else:
            out.append((start, end))
    return tuple(out)
