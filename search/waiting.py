"""What is in quarantine and waits: nobody has tried to read it again since it came (PROTOCOL S10).

Owns the question to the index, and the name under which an attempt is on record. An item stays for
ever and so does its row; only what nobody has looked at yet is an alarm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from schemas import document as shape
from schemas import events
from schemas.identity import key_of
from search.index import Index, pages
from search.query import All, Term, TokenQuery
from search.tokens import Tokenizer

REFUSED_RECORD: Final = "record_refused"
_PAGE: Final = 200
# Items counted; of more it is said that there are so many at least.
WAITING_MAX: Final = 10_000
_ITEMS: Final = TokenQuery(Term("kinds", events.QUARANTINE), frozenset({events.QUARANTINE}))
_RECORDS: Final = TokenQuery(All(), frozenset({shape.UNREADABLE}))


def tried_name(doc_id: str) -> str:
    """The native id of the event that says: item `doc_id` was tried again."""
    return f"quarantine_tried:{doc_id}"


class Waiting:
    """Asked again and again of one index; remembers, so that a look at nothing new is cheap."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._waiting: dict[str, int] = {}
        self._counts: tuple[int, int] | None = None

    def look(self, index: Index) -> dict[str, int]:
        """Document id -> when it was captured (UTC ms; 0 = not known). Raises Transient."""
        index.refresh()
        counts = index.count(_ITEMS), index.count(_RECORDS)
        if counts != self._counts:
            self._waiting = dict(_found(index))
            self._counts = counts
        for doc_id in self.tried(index, list(self._waiting)):
            del self._waiting[doc_id]
        return self._waiting

    def tried(self, index: Index, doc_ids: Sequence[str]) -> frozenset[str]:
        """Those of which an attempt is on record. Raises Transient."""
        names = {self._tokenizer.document(key_of(
            events.FIRM_CHANNEL, "", tried_name(doc_id))): doc_id for doc_id in doc_ids}
        asked = list(names)
        found: set[str] = set()
        for at in range(0, len(asked), _PAGE):
            found.update(names[one] for one in index.get(asked[at:at + _PAGE]))
        return frozenset(found)


def _found(index: Index) -> Iterator[tuple[str, int]]:
    left = WAITING_MAX
    for asked in (_ITEMS, _RECORDS):
        for found in pages(index, asked, _PAGE):
            entry = next((one for one in found.entries if one.kind == events.QUARANTINE
                          or one.unreadable == REFUSED_RECORD), None)
            if entry is not None:
                yield found.doc_id, entry.captured_at
                left -= 1
                if not left:
                    return
