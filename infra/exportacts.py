"""Every act of every export, as the index knows them.

Owns the way from the index to `schemas.exports.Act`. Acts are few and never change: each is read
from the archive once. One instance belongs to one thread, as its index does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas import events
from schemas.errors import Missing, Refused
from schemas.exports import Act, read_act
from schemas.wire import Pointer
from search.bodies import Bodies
from search.index import Index, pages
from search.query import Term, TokenQuery

_ACTS: Final = TokenQuery(Term("kinds", events.EXPORT), frozenset({events.EXPORT}))


@dataclass(frozen=True, slots=True)
class Known:
    """What is on record. `doubts`: ids of documents (one for each export) of which an act cannot be
    read: it may be a refusal."""

    acts: frozenset[Act] = frozenset()
    doubts: frozenset[str] = frozenset()


class ActReader:
    """Reads acts; keeps those that it has read."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._known: dict[Pointer, Act] = {}

    def all(self, index: Index | None) -> Known:
        """Every act that the index has; none before anything was indexed. Raises Transient when the
        index cannot be asked."""
        acts, doubts = set[Act](), set[str]()
        for document in pages(index, _ACTS) if index is not None else ():
            for entry in document.entries:
                if entry.kind != events.EXPORT:
                    continue
                try:
                    act = self._known.get(entry.pointer)
                    if act is None:
                        act = read_act(self._bodies.event(document, entry))
                        self._known[entry.pointer] = act
                    acts.add(act)
                except (Missing, Refused):
                    doubts.add(document.doc_id)
        return Known(frozenset(acts), frozenset(doubts))
