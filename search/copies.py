"""One message captured at several custodians: one row with its copies (PROTOCOL I2).

Owns which row stands for the others. Copies are linked by their shared token and never merged:
each keeps its own versions under its own custodian's key. The link is an id that the sender's
client chose: it may join what is not the same, so it never hides a message that differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from schemas import events, limits
from schemas.document import Document
from search import query
from search.index import Asked
from search.project import text_entry
from search.query import TokenQuery


@dataclass(frozen=True, slots=True)
class Linked:
    """`copies`: document id -> its other copies. `hidden`: those that a row further up stands for,
    on this page or one before; what is different in them is told there (search/seenby.py)."""

    copies: dict[str, tuple[Document, ...]] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()

    def ids(self, doc_id: str) -> tuple[str, ...]:
        """The ids of a document's other copies."""
        return tuple(one.doc_id for one in self.copies.get(doc_id, ()))


def linked(index: Asked, asked: TokenQuery, page: Sequence[Document]) -> Linked:
    """How the documents of a page of `asked` are linked; at most two more requests."""
    shared = sorted({found.shared for found in page if found.shared})
    if not shared:
        return Linked()
    any_of = query.flatten(query.Or(tuple(query.Term("shared", token) for token in shared)))
    every = index.search(replace(asked, root=any_of), limits.PAGE_HITS_MAX).documents
    families: dict[str, list[Document]] = {}
    for found in every:
        families.setdefault(found.shared, []).append(found)
    copies = {
        found.doc_id: tuple(o for o in families[found.shared] if o.doc_id != found.doc_id)
        for found in page if len(families.get(found.shared, ())) > 1
    }
    if not copies:
        return Linked()
    both = query.flatten(query.And((asked.root, any_of)))
    answered = index.search(replace(asked, root=both), limits.PAGE_HITS_MAX).documents
    first: dict[tuple[str, ...], str] = {}
    for found in answered:  # in the order of rows
        first.setdefault(_said(found, families[found.shared]), found.doc_id)
    return Linked(copies, frozenset(
        found.doc_id for found in page if found.doc_id in copies and first.get(
            _said(found, families[found.shared]), found.doc_id) != found.doc_id))


def _said(found: Document, family: Sequence[Document]) -> tuple[str, ...]:
    """What two copies must have in common for one row to stand for both: that a text is the same,
    in whatever state. Without one nothing shows that they are: each has its own row. A bare
    retraction says nothing of its own; it stands with the only text of its conversation that it
    can be about."""
    text = _text(found)
    if not text and found.kind == events.RETRACTION:
        about = {_text(one) for one in family if one.conversation == found.conversation} - {""}
        text = about.pop() if len(about) == 1 else ""
    return found.shared, text or found.doc_id


def _text(found: Document) -> str:
    entry = text_entry(found)
    return entry.text_digest if entry else ""


def copies_of(index: Asked, found: Document) -> tuple[Document, ...]:
    """The other copies of one document."""
    if not found.shared:
        return ()
    asked = TokenQuery(query.Term("shared", found.shared))
    return tuple(one for one in index.search(asked, limits.PAGE_HITS_MAX).documents
                 if one.doc_id != found.doc_id)
