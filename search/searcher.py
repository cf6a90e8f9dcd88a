"""The two questions a person may ask: which messages, and what about this one.

Owns the order: compile, look, write down who looked, answer. What is raised before the record is
written has shown nobody anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Final

from schemas import limits
from schemas.assignment import Assignments
from schemas.document import Document
from schemas.errors import Missing, Refused
from search import audit, parse, thread
from search.assigned import AssignedReader
from search.audit import Auditor
from search.bodies import Bodies, Reads
from search.copies import Linked, copies_of, linked
from search.files import FileView, files
from search.index import Index, IndexSet, Page, PageCursor
from search.links import LinkReader
from search.query import Links, TokenQuery, compile_query, party_values
from search.results import HitView, hit
from search.seenby import seen_by, without_copy
from search.thread import MessageView
from search.tokens import Tokenizer

LIMIT_DEFAULT: Final = 20
_ID_CHARS: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Locale:
    """Where the days of `date:` begin, and whose national numbers are understood (or null)."""

    zone: tzinfo = UTC
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A page of hits, how many match in all, and what to hand back for the next page.

    Copies of one message at several accounts are one hit, the first, and count each; a page may
    therefore show fewer hits than its limit and have a next one.
    """

    hits: tuple[HitView, ...]
    total: int
    next: str | None


class Searcher:
    """Searches and shows; each leaves an audit event before it answers (PROTOCOL I7)."""

    def __init__(self, indexes: IndexSet, reader: Reads, tokenizer: Tokenizer, auditor: Auditor,
                 locale: Locale | None = None) -> None:
        self._indexes = indexes
        self._bodies = Bodies(reader)
        self._assigned = AssignedReader(self._bodies)
        self._links = LinkReader(self._bodies, tokenizer)
        self._tokenizer = tokenizer
        self._auditor = auditor
        self._locale = locale or Locale()
        self._open: tuple[str, Index] | None = None

    def search(self, query: str, actor: str, limit: int = LIMIT_DEFAULT,
               after: str | None = None) -> Answer:
        """Newest first. `actor`: who asks; `after`: the `next` of the page before.

        Raises QueryError (it points at the character), Refused for a page cursor that is none,
        Transient when the look could not be recorded or the index not be reached.
        """
        tree, asked = self._compiled(query)
        limit = max(1, min(limit, limits.PAGE_HITS_MAX))
        place = PageCursor.read(after) if after is not None else None
        index = self._index()
        assigned = self._assigned.all(index) if index else Assignments()
        links = self._links.of_values(index, party_values(tree),
                                      self._locale.region) if index else {}
        if assigned or links:
            tree, asked = self._compiled(query, assigned, links)
        page = index.search(asked, limit, place) if index else Page((), 0, None)
        copies = linked(index, asked, page.documents) if index else Linked()
        hits = tuple(
            replace(hit(found, self._bodies, tree, copies.ids(found.doc_id), assigned),
                    seen_by=seen_by(found, copies.copies.get(found.doc_id, ()), self._bodies,
                                    assigned))
            for found in page.documents if found.doc_id not in copies.hidden)
        self._auditor.record(audit.SEARCH, actor, query, {
            "limit": str(limit), "after": after or "", "total": str(page.total),
            "shown": " ".join(one.doc_id for one in hits),
        })
        # Recorded: from here the answer may be seen.
        return Answer(hits, page.total, page.next.text() if page.next else None)

    def view(self, doc_id: str, actor: str, around: int = thread.AROUND_DEFAULT) -> MessageView:
        """One message with all its versions and `around` lines of its conversation on each side.

        Raises Refused for what is no id, Missing for an id that is not there, Transient as above.
        """
        if len(doc_id) != 32 or not set(doc_id) <= _ID_CHARS:
            raise Refused("an id has 32 hexadecimal digits")
        index = self._index()
        found = self._document(index, doc_id)
        if index is None or found is None:
            raise Missing(f"no message has the id {doc_id}")
        lines = thread.conversation_around(found, index, min(around, limits.PAGE_HITS_MAX),
                                           self._links.conversations(index, found))
        family, assigned = copies_of(index, found), self._assigned.all(index)
        seen = thread.message(found, self._bodies, lines, copies=tuple(
            one.doc_id for one in family), assigned=assigned)
        seen = replace(seen, hit=replace(seen.hit, seen_by=(
            *seen_by(found, family, self._bodies, assigned),
            *without_copy(found, family, index, self._bodies, assigned))))
        self._auditor.record(audit.VIEW, actor, None, {
            "document": doc_id,
            "shown": " ".join(line.hit.doc_id for line in seen.conversation),
        })
        return seen

    def file(self, doc_id: str, number: int, actor: str) -> FileView:
        """The file `number` (from 1, as `view` lists them) of a message, with what opens it.

        Raises Refused for what is no id, Missing for a message or a file that is not there or not
        stored, with the reason; Transient as above. Also the asking for one that is not stored is
        recorded before it is answered.
        """
        found = self._found(doc_id)
        listed = files(found, thread.ordered_versions(found), self._bodies)
        wanted = next((one for one in listed if one.number == number), None)
        self._auditor.record(audit.ATTACHMENT, actor, None, {
            "document": doc_id, "number": str(number),
            "state": wanted.state if wanted else "none",
            "sha256": (wanted.sha256 or "") if wanted else "",
        })
        if wanted is None:
            raise Missing(f"the message has {len(listed)} files")
        if wanted.stored is None:
            raise Missing(f"file {number} is {wanted.state}: {wanted.reason or 'not fetched yet'}")
        return wanted

    def _found(self, doc_id: str) -> Document:
        if len(doc_id) != 32 or not set(doc_id) <= _ID_CHARS:
            raise Refused("an id has 32 hexadecimal digits")
        found = self._document(self._index(), doc_id)
        if found is None:
            raise Missing(f"no message has the id {doc_id}")
        return found

    def _compiled(self, query: str,
                  assigned: Assignments | None = None,
                  links: Links | None = None) -> tuple[parse.Tree, TokenQuery]:
        return compile_query(query, self._tokenizer, zone=self._locale.zone,
                             region=self._locale.region, assigned=assigned or Assignments(),
                             links=links or {})

    @staticmethod
    def _document(index: Index | None, doc_id: str) -> Document | None:
        if index is None:
            return None
        stored = index.get([doc_id]).get(doc_id)
        return stored.document if stored else None

    def _index(self) -> Index | None:
        """The current index, bound anew after a swap; null before anything was indexed."""
        name = self._indexes.current()
        if name is None:
            return None
        if self._open is None or self._open[0] != name:
            self._open = (name, self._indexes.open(name))
        return self._open[1]
