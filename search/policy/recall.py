"""What a policy has to know again of a conversation: read from index and archive (port Recall).

Owns the choice: the message itself and so many around it, as they were known when an event came.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from schemas.document import Document, Entry
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent
from schemas.identity import message_key
from schemas.wire import Pointer
from search import query
from search.bodies import Bodies
from search.index import Index, PageCursor
from search.policy.watch import WATCHED_KINDS
from search.project import complete_sets, effective_time
from search.tokens import Tokenizer

Pointers = tuple[Pointer, ...]

# Messages on each side of the one that something came of.
EACH_SIDE: Final = 60


class IndexRecall:
    """Implements `search.policy.watch.Recall`. The index must be past every event that it is asked
    about."""

    def __init__(self, index: Index, bodies: Bodies, tokenizer: Tokenizer) -> None:
        self._index, self._bodies, self._tokenizer = index, bodies, tokenizer

    def before(self, event: CapturedEvent) -> Iterator[tuple[CapturedEvent, Pointers]]:
        """See Recall. What cannot be read any more is left out."""
        name = self._tokenizer.document(message_key(event))
        stored = self._index.get([name]).get(name)
        if stored is None:
            return
        found = stored.document
        self._index.refresh()
        asked = query.TokenQuery(query.Term(
            "conversation", self._tokenizer.named("conversation", event.conversation)))
        here = PageCursor(found.sort_at, found.doc_id)
        around = [*self._index.search(asked, EACH_SIDE, here).documents, found,
                  *self._index.search(asked, EACH_SIDE, here, oldest_first=True).documents]
        for one in sorted(around, key=lambda one: (one.sort_at, one.doc_id)):
            yield from self._versions(one, event.captured_at)

    def _versions(self, found: Document,
                  until: int) -> Iterator[tuple[CapturedEvent, Pointers]]:
        for entry in sorted(found.entries, key=effective_time):
            if entry.kind in WATCHED_KINDS and not entry.unreadable and entry.captured_at <= until:
                try:
                    event = self._bodies.event(found, entry)
                except (Missing, Refused):
                    continue
                yield event, _pointers(found, entry)


def _pointers(found: Document, entry: Entry) -> Pointers:
    """Where the event of an entry lies: in one place, or its parts in several."""
    if not entry.joined:
        return (entry.pointer,)
    return next((tuple(part.pointer for part in chain) for chain in complete_sets(found.entries)
                 if chain[0].pointer == entry.pointer), ())
