"""Every act of every legal hold, as the index knows them.

Owns the way from the index to `archive.holds.HoldFacts`. Acts are few and never change: each is
read from the archive once.
"""

from __future__ import annotations

from typing import Final

from archive.holds import Fact, HoldFacts, fact_of
from schemas import events
from schemas.document import Document, Entry
from schemas.errors import Missing, Refused
from schemas.wire import Pointer
from search.bodies import Bodies
from search.index import Index, pages
from search.query import Term, TokenQuery

# Where the acts of holds lie.
ACTS: Final = TokenQuery(Term("kinds", events.HOLD), frozenset({events.HOLD}))


class HoldReader:
    """Reads acts; keeps those that it has read."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._known: dict[Pointer, Fact] = {}

    def all(self, index: Index) -> HoldFacts:
        """Every act that the index has. One whose record cannot be read is a doubt: it may have
        placed a hold. Raises Transient when the index cannot be asked."""
        facts, doubts = set[Fact](), set[str]()
        for document, entry in self._entries(index):
            try:
                facts.add(self._read(document, entry))
            except (Missing, Refused) as error:
                doubts.add(f"an act of a hold at offset {entry.pointer.offset} of partition "
                           f"{entry.pointer.partition} cannot be read: {error}")
        return HoldFacts(frozenset(facts), frozenset(doubts))

    def places(self, index: Index) -> dict[bytes, tuple[Pointer, ...]]:
        """Where the acts lie, by the name of the fact."""
        found: dict[bytes, tuple[Pointer, ...]] = {}
        for document, entry in self._entries(index):
            try:
                name = self._read(document, entry).name
            except (Missing, Refused):
                continue                          # `all` says so
            found[name] = (*found.get(name, ()), entry.pointer)
        return found

    def _entries(self, index: Index) -> list[tuple[Document, Entry]]:
        return [(document, entry) for document in pages(index, ACTS)
                for entry in document.entries if entry.kind == events.HOLD]

    def _read(self, document: Document, entry: Entry) -> Fact:
        known = self._known.get(entry.pointer)
        if known is None:
            known = self._known[entry.pointer] = fact_of(self._bodies.event(document, entry))
        return known
