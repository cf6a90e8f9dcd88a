"""A selection in slices: one conversation, one account, one day. Pure.

Owns the order of a package and its conversations' numbers, so that the same selection is always
the same slices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from itertools import groupby
from typing import Final

from search.export.select import Chosen, Selection

# A day of more is several slices: RSMF takes 10,000 events, a person less, and memory holds one.
ITEMS_MAX: Final = 2_000


@dataclass(frozen=True, slots=True)
class Planned:
    """One slice before it is read. `conversation`: "C-0001"; `chosen`: in order, those that stay
    behind among them; `phone`: which account of its conversation, from 1. `since`: the last message
    of the slice before it, `until`: null but for the last slice of its conversation and account
    (UTC ms; null = open): what was not captured in between belongs to it."""

    conversation: str
    day: date
    chosen: tuple[Chosen, ...]
    part: int = 1
    parts: int = 1
    phone: int = 1
    since: int | None = None
    until: int | None = None


def planned(selection: Selection, zone: tzinfo) -> Iterator[Planned]:
    """The slices of a selection, in the package's order."""
    numbers: dict[str, str] = {}
    phones: dict[str, dict[str, int]] = {}
    before: Planned | None = None

    def place(one: Chosen) -> tuple[str, int, date]:
        number = numbers.setdefault(one.conversation, f"C-{len(numbers) + 1:04d}")
        known = phones.setdefault(one.conversation, {})
        return (number, known.setdefault(one.account, len(known) + 1),
                datetime.fromtimestamp(one.sort_at / 1000, zone).date())

    for (number, phone, day), group in groupby(selection.chosen, key=place):
        items = tuple(group)
        pieces = [items[at:at + ITEMS_MAX] for at in range(0, len(items), ITEMS_MAX)]
        for part, piece in enumerate(pieces, 1):
            here = Planned(number, day, piece, part, len(pieces), phone)
            if before is not None:
                goes_on = (before.conversation, before.phone) == (number, phone)
                last = before.chosen[-1].sort_at
                yield replace(before, until=last if goes_on else None)
                here = replace(here, since=last if goes_on else None)
            before = here
    if before is not None:
        yield before
