"""A selection in slices: one conversation, one account, one day. Pure.

Owns the order of a package and its conversations' numbers, so that the same selection is always
the same slices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from itertools import groupby
from typing import Final

from search.export.select import Chosen, Selection

# A day of more is several slices: RSMF takes 10,000 events, a person less, and memory holds one.
ITEMS_MAX: Final = 2_000


@dataclass(frozen=True, slots=True)
class Planned:
    """One slice before it is read. `conversation`: "C-0001"; `chosen`: in order, those that stay
    behind among them."""

    conversation: str
    day: date
    chosen: tuple[Chosen, ...]
    part: int = 1
    parts: int = 1


def planned(selection: Selection, zone: tzinfo) -> Iterator[Planned]:
    """The slices of a selection, in the package's order."""
    numbers: dict[str, str] = {}

    def place(one: Chosen) -> tuple[str, str, date]:
        number = numbers.setdefault(one.conversation, f"C-{len(numbers) + 1:04d}")
        return number, one.account, datetime.fromtimestamp(one.sort_at / 1000, zone).date()

    for (number, _, day), group in groupby(selection.chosen, key=place):
        items = tuple(group)
        pieces = [items[at:at + ITEMS_MAX] for at in range(0, len(items), ITEMS_MAX)]
        for part, piece in enumerate(pieces, 1):
            yield Planned(number, day, piece, part, len(pieces))
