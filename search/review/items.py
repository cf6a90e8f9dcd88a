"""From a document of the index to the item that a person sees: its events, read and verified.

Owns which entries are read for that. The state itself needs none of them; names, reasons and what a
decision has to name do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from schemas import events
from schemas.assignment import Assignments
from schemas.document import Document, Entry
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent
from schemas.identity import canonical
from search.bodies import Bodies
from search.review import facts, history
from search.review.history import History
from search.review.item import ItemState
from search.review.recent import Said
from search.tokens import Tokenizer

_KINDS = frozenset({events.POLICY, events.REVIEW}) | facts.VERSION_KINDS


@dataclass(frozen=True, slots=True)
class Loaded:
    """An item as it is now. `basis`: what was on the screen, in one word: a form hands it back, and
    a decision on something that has changed meanwhile is refused. `events`: what was read."""

    document: Document
    history: History
    basis: str
    events: tuple[CapturedEvent, ...] = ()

    @property
    def state(self) -> ItemState:
        """Where it stands."""
        return self.history.state


class Items:
    """Reads items. Raises Transient when the archive cannot be reached."""

    def __init__(self, bodies: Bodies, tokenizer: Tokenizer,
                 assigned: Callable[[], Assignments]) -> None:
        self._bodies = bodies
        self._tokenizer = tokenizer
        self._assigned = assigned

    def load(self, found: Document, recent: Iterable[Said] = (),
             until: int | None = None) -> Loaded:
        """The item of a document, with what was done lately; or as it was at `until` (UTC ms)."""
        read: list[CapturedEvent] = []
        unread = 0
        for entry in _wanted(found):
            try:
                read.append(self._bodies.event(found, entry))
            except (Missing, Refused):
                unread += 1                       # its key is gone, or it was damaged: verify says
        made = history.history(
            found.doc_id, read, self._tokenizer, more=recent, until=until,
            custodians=self._owners(found, read), unread=unread)
        return Loaded(found, made, _basis(made), tuple(read))

    def _owners(self, found: Document, read: Iterable[CapturedEvent]) -> set[str]:
        """Whose it is by a later decision, where capture knew nobody."""
        unclaimed = [one for one in read if one.kind in facts.VERSION_KINDS
                     and one.account and not one.custodian]
        if not unclaimed:
            return set()
        assigned = self._assigned()
        return {who for one in unclaimed
                if (who := assigned.custodian(one.channel, one.account, found.sort_at))}


def _wanted(found: Document) -> list[Entry]:
    """One entry of each event, the earliest sighting."""
    known: dict[str, Entry] = {}
    for entry in found.entries:
        if entry.kind not in _KINDS or entry.unreadable:
            continue
        held = known.get(entry.entry_id)
        if held is None or entry.captured_at < held.captured_at:
            known[entry.entry_id] = entry
    return list(known.values())


def _basis(made: History) -> str:
    state = made.state
    seen = sorted(one.name for one in made.facts if one.what in (facts.FLAG, facts.VERSION))
    return hashlib.sha256(canonical(
        "counterfoil/review-basis/v1", state.status, state.level, *state.heads, "/", *seen,
    )).hexdigest()[:32]
