"""The archive as one thread of the console's pool asks it: an index of its own, and the same as one
viewer may see it.

Owns the binding to the index in force, anew after a swap.
"""

from __future__ import annotations

import threading
from time import monotonic

from infra.wire import Wire
from schemas.assignment import Assignments
from search.access.scoped import ScopedIndex
from search.access.viewer import Viewer
from search.assigned import AssignedReader
from search.bodies import Bodies
from search.index import Index
from search.lately import Lately
from search.tokens import Tokenizer
from search.trail import Trail


class Own:
    """The parts of one thread."""

    def __init__(self, wire: Wire, tokenizer: Tokenizer, lately: Lately) -> None:
        self._indexes, self._lately = wire.indexes(), lately
        self.tokenizer = tokenizer
        self.bodies = Bodies(wire.reader())
        self.trail = Trail(self.bodies, tokenizer)
        self._assigned = AssignedReader(self.bodies)
        self._open: tuple[str, Index] | None = None

    def index(self) -> Index | None:
        """The index in force; null before anything was indexed. Raises Transient."""
        name = self._lately.current(self._indexes.current)
        if name is None:
            return None
        if self._open is None or self._open[0] != name:
            self._open = (name, self._indexes.open(name))
        return self._open[1]

    def assigned(self, index: Index) -> Assignments:
        """Whose unassigned messages are, as was decided."""
        name = self._open[0] if self._open is not None else ""
        return self._lately.assigned(name, lambda: self._assigned.all(index))

    def shown(self, viewer: Viewer) -> ScopedIndex | None:
        """The index as a viewer may see it."""
        index = self.index()
        return None if index is None else ScopedIndex(
            index, viewer.scope, self.tokenizer, self.assigned(index))


class Threads:
    """One `Own` for each thread that asks."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._tokenizer = wire.tokenizer()
        self._lately = Lately(monotonic)
        self._local = threading.local()

    def own(self) -> Own:
        """This thread's."""
        found: Own | None = getattr(self._local, "own", None)
        if found is None:
            found = self._local.own = Own(
                self._wire, self._tokenizer, self._lately)
        return found
