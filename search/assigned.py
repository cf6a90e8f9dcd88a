"""Every decision on whose unassigned messages are, as the index knows them (decision 0015).

Owns the way from the index to `schemas.assignment.Assignments`. Decisions are few and never change:
each is read from the archive once.
"""

from __future__ import annotations

from typing import Final

from schemas import events
from schemas.assignment import Assignment, Assignments, read_assignment
from schemas.document import Document, Entry
from schemas.errors import Missing, Refused
from schemas.wire import Pointer
from search.bodies import Bodies
from search.index import Index, pages
from search.query import Term, TokenQuery

_ASKED: Final = TokenQuery(Term("kinds", events.ASSIGNMENT), frozenset({events.ASSIGNMENT}))


class AssignedReader:
    """Reads decisions; keeps those that it has read."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._known: dict[Pointer, Assignment] = {}

    def all(self, index: Index) -> Assignments:
        """Every decision that the index has. Raises Transient when it cannot be asked.

        One whose record cannot be read any more counts for nothing: an index that is rebuilt does
        not know it either.
        """
        return Assignments([
            one for document in pages(index, _ASKED)
            for entry in document.entries if entry.kind == events.ASSIGNMENT
            if (one := self._read(document, entry)) is not None])

    def _read(self, document: Document, entry: Entry) -> Assignment | None:
        known = self._known.get(entry.pointer)
        if known is None:
            try:
                known = read_assignment(self._bodies.event(document, entry))
            except (Missing, Refused):
                return None
            self._known[entry.pointer] = known
        return known
