"""Bars for the dashboard: where each stands, in the units of its picture. Pure.

Owns the geometry. The picture holds no text and no style: labels are the page's, colours the
stylesheet's, and the numbers stand in a table beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 600
HEIGHT: Final = 100
_GAP: Final = 0.25      # of a bar's place
_SMALLEST: Final = 2.0  # a day with one message among thousands is seen


@dataclass(frozen=True, slots=True)
class Bar:
    """One day. `title`: "Mon 16 Nov: 12 messages"."""

    x: str
    y: str
    width: str
    height: str
    title: str


@dataclass(frozen=True, slots=True)
class Plot:
    """`top`: what the upper edge stands for; `total`: of all bars."""

    name: str
    bars: tuple[Bar, ...]
    top: int
    total: int


def plot(name: str, values: Sequence[tuple[str, int]]) -> Plot:
    """Bars side by side. `values`: (title, count)."""
    top = rounded(max((count for _, count in values), default=0))
    place = WIDTH / max(1, len(values))
    bars = []
    for number, (title, count) in enumerate(values):
        height = max(_SMALLEST, HEIGHT * count / top) if count else 0.0
        bars.append(Bar(_short(number * place + place * _GAP / 2), _short(HEIGHT - height),
                        _short(place * (1 - _GAP)), _short(height), title))
    return Plot(name, tuple(bars), top, sum(count for _, count in values))


def share(count: int, most: int) -> str:
    """How long a lying bar is, of 100."""
    return _short(max(1.0, 100 * count / most)) if count and most else "0"


def rounded(value: int) -> int:
    """The next number that reads well: 1, 2, 5 and their tenfolds."""
    step = 1
    while True:
        for one in (1, 2, 5):
            if value <= one * step:
                return one * step
        step *= 10


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
