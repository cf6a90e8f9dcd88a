"""Every known gap of capture, as the index knows them (G8).

Owns the way from the index to `schemas.gaps`. Gap events are few and never change: each is read
from the archive once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from schemas import events, gaps
from schemas.document import Document, Entry
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent
from schemas.gaps import Gap, gaps_of
from schemas.wire import Pointer
from search.bodies import Bodies
from search.index import Index, pages
from search.query import And, Between, Term, TokenQuery

_ASKED: Final = TokenQuery(Term("kinds", events.GAP), frozenset({events.GAP}))


class GapReader:
    """Reads gap events; keeps those that it has read."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._known: dict[Pointer, CapturedEvent] = {}

    def all(self, index: Index) -> list[Gap]:
        """Every gap, the youngest first. Raises Transient when the index cannot be asked."""
        self._known = dict(self._read(index, _ASKED))
        return gaps_of(self._known.values())

    def more(self, index: Index, since: int) -> list[Gap]:
        """The same from what was read before and what is said of `since` (UTC ms) and later: less
        than all, where much was said in years."""
        recent = replace(_ASKED, root=And((_ASKED.root, Between(since, None))))
        self._known.update(self._read(index, recent))
        return gaps_of(self._known.values())

    def _read(self, index: Index, asked: TokenQuery) -> Iterator[tuple[Pointer, CapturedEvent]]:
        for found in pages(index, asked):
            for entry in found.entries:
                # What was left out on purpose is no gap, and said each day anew.
                if entry.kind == events.GAP and entry.subkind != gaps.MEANT:
                    event = self._known.get(entry.pointer) or self._event(found, entry)
                    if event is not None:
                        yield entry.pointer, event

    def _event(self, found: Document, entry: Entry) -> CapturedEvent | None:
        try:
            event = self._bodies.event(found, entry)
        except (Missing, Refused):
            # `verify` names it; a rebuilt index does not know it either.
            return None
        # What it says, without the request that it came in.
        return replace(event, raw=None, delivery=None)
