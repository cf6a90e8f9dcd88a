"""The index in force as one thread asks it, and as one viewer may see it.

Owns the binding: to one index until another is current, with what every question needs of it. Who
is who (links, assignments) is read from the whole of it; whatever is shown is asked within a scope.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas import events
from schemas.assignment import Assignments
from search.access.scoped import ScopedIndex
from search.access.viewer import Viewer
from search.assigned import AssignedReader
from search.bodies import Bodies
from search.index import Index, IndexSet
from search.lately import Lately
from search.query import All, TokenQuery
from search.tokens import Tokenizer

_ANY: Final = TokenQuery(All(), events.ALL_KINDS)


@dataclass(frozen=True, slots=True)
class Look:
    """One question's way to the index: `whole` for who is who, `shown` for everything else."""

    whole: Index
    shown: ScopedIndex
    assigned: Assignments


@dataclass(frozen=True, slots=True)
class _Open:
    """`decoy`: the id of any document, read where there is nothing to read (scoped.py)."""

    name: str
    index: Index
    decoy: str


class Bound:
    """For one thread: an index belongs to one. Everything raises Transient."""

    def __init__(self, indexes: IndexSet, bodies: Bodies, tokenizer: Tokenizer,
                 lately: Lately | None = None) -> None:
        """`lately`: what several threads share of the index; without it each question asks anew."""
        self._indexes, self._tokenizer, self._lately = indexes, tokenizer, lately
        self._assigned = AssignedReader(bodies)
        self._held: _Open | None = None

    def whole(self) -> Index | None:
        """The current index, bound anew after a swap; null before anything was indexed."""
        held = self._current()
        return held.index if held else None

    def assigned(self) -> Assignments:
        """Whose unassigned messages are, as was decided; nothing before anything was indexed."""
        held = self._current()
        return self._decided(held) if held else Assignments()

    def shown(self, viewer: Viewer) -> ScopedIndex | None:
        """The index as a viewer may see it."""
        look = self.look(viewer)
        return look.shown if look else None

    def look(self, viewer: Viewer) -> Look | None:
        """The current index for one question of a viewer's."""
        held = self._current()
        if held is None:
            return None
        assigned = self._decided(held)
        return Look(held.index, ScopedIndex(held.index, viewer.scope, self._tokenizer, assigned,
                                            held.decoy), assigned)

    def _current(self) -> _Open | None:
        lately = self._lately
        name = lately.current(self._indexes.current) if lately else self._indexes.current()
        if name is None:
            return None
        if self._held is None or self._held.name != name:
            index = self._indexes.open(name)
            any_one = index.search(_ANY, 1).documents
            self._held = _Open(name, index, any_one[0].doc_id if any_one else "")
        return self._held

    def _decided(self, held: _Open) -> Assignments:
        if self._lately is None:
            return self._assigned.all(held.index)
        return self._lately.assigned(held.name, lambda: self._assigned.all(held.index))
