"""One page, picked out of all that match: for who has to look at each, for the total.

Owns which of the answers are on a page, and where the next one begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from schemas.document import Document
from search.index import Page, PageCursor


class Picked:
    """The places of one page, and how many there are in all."""

    def __init__(self, limit: int, after: PageCursor | None, *, oldest_first: bool) -> None:
        self._limit, self._after, self._oldest_first = limit, after, oldest_first
        self._total = 0
        self._places: list[PageCursor] = []

    def take(self, place: PageCursor) -> bool:
        """The next one that matches, in order; whether it is on the page, or the one behind it."""
        self._total += 1
        is_kept = len(self._places) <= self._limit and _is_beyond(
            place, self._after, oldest_first=self._oldest_first)
        if is_kept:
            self._places.append(place)
        return is_kept

    def made(self, documents: Callable[[list[str]], Iterable[Document]]) -> Page:
        """The page, with its documents by their ids."""
        shown = self._places[:self._limit]
        return Page(tuple(documents([place.doc_id for place in shown])), self._total,
                    shown[-1] if len(self._places) > self._limit and shown else None)


def _is_beyond(place: PageCursor, after: PageCursor | None, *, oldest_first: bool) -> bool:
    """Whether a page from after `after` on has room for a document at `place`."""
    if after is None:
        return True
    here, there = (-place.sort_at, place.doc_id), (-after.sort_at, after.doc_id)
    return here < there if oldest_first else here > there
