"""The two questions a person may ask: which messages, and what about this one.

Owns the order: compile, look, write down who looked, answer. What is raised before the record is
written has shown nobody anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Final

from schemas import limits
from schemas.assignment import Assignments
from schemas.document import Document
from schemas.errors import Missing, Refused
from search import audit, thread
from search.assigned import AssignedReader
from search.audit import Auditor
from search.bodies import Bodies, Reads
from search.copies import Linked, copies_of, linked
from search.explain import Explanation, explain
from search.files import FileView, files
from search.index import Index, IndexSet, Page, PageCursor, TooBroad
from search.links import LinkReader
from search.lists import NO_LISTS, Lists
from search.parse import parse
from search.query import Compiler, TooManyWords, party_values
from search.results import HitView, hit
from search.seenby import seen_by, without_copy
from search.thread import MessageView
from search.tokens import Tokenizer
from search.tree import Tree, saved_lists
from search.vocabulary import Expander
from search.words import NO_STEMS, Stems

LIMIT_DEFAULT: Final = 20
_ID_CHARS: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Locale:
    """Where the days of `date:` begin, and whose national numbers are understood (or null)."""

    zone: tzinfo = UTC
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Language:
    """What a query's words may stand for: what `@name` means, what `stem:` compares, and what
    expands a pattern (null: a query with one is refused)."""

    lists: Lists = NO_LISTS
    stems: Stems = NO_STEMS
    expander: Expander | None = None


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
                 locale: Locale | None = None, language: Language | None = None) -> None:
        self._indexes = indexes
        self._bodies = Bodies(reader)
        self._assigned = AssignedReader(self._bodies)
        self._links = LinkReader(self._bodies, tokenizer)
        self._tokenizer = tokenizer
        self._auditor = auditor
        self._locale = locale or Locale()
        self._language = language or Language()
        self._open: tuple[str, Index] | None = None

    def search(self, query: str, actor: str, limit: int = LIMIT_DEFAULT,
               after: str | None = None) -> Answer:
        """Newest first. `actor`: who asks; `after`: the `next` of the page before.

        Raises QueryError (it points at the character), Refused for a page cursor that is none,
        Transient when the look could not be recorded or the index not be reached.
        """
        tree = self._parsed(query)
        limit = max(1, min(limit, limits.PAGE_HITS_MAX))
        place = PageCursor.read(after) if after is not None else None
        index = self._index()
        with self._refusals_recorded(audit.SEARCH, actor, query, tree):
            compiler = self._compiler(query, tree, index)
            asked, assigned = compiler.compiled(tree), compiler.assigned
            page = index.search(asked, limit, place) if index else Page((), 0, None)
            copies = linked(index, asked, page.documents) if index else Linked()
        hits = tuple(
            replace(hit(found, self._bodies, tree, copies.ids(found.doc_id), assigned,
                        self._language.stems),
                    seen_by=seen_by(found, copies.copies.get(found.doc_id, ()), self._bodies,
                                    assigned))
            for found in page.documents if found.doc_id not in copies.hidden)
        self._auditor.record(audit.SEARCH, actor, query, {
            "limit": str(limit), "after": after or "", "total": str(page.total),
            "shown": " ".join(one.doc_id for one in hits), **_lists_used(tree),
        })
        # Recorded: from here the answer may be seen.
        return Answer(hits, page.total, page.next.text() if page.next else None)

    def explain(self, query: str, actor: str) -> Explanation:
        """How `query` is understood, and what each part of it finds. Raises what `search` does."""
        tree = self._parsed(query)
        index = self._index()
        with self._refusals_recorded(audit.EXPLAIN, actor, query, tree):
            explained = explain(tree, self._compiler(query, tree, index), index)
        self._auditor.record(audit.EXPLAIN, actor, query, {
            "total": "" if explained.total is None else str(explained.total), **_lists_used(tree)})
        # Recorded: how often a word was said is an answer too.
        return explained

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

    def _parsed(self, query: str) -> Tree:
        return parse(query, zone=self._locale.zone, lists=self._language.lists)

    def _compiler(self, query: str, tree: Tree, index: Index | None) -> Compiler:
        """What `tree` is translated with: what the index knows now."""
        region = self._locale.region
        return Compiler(
            query, self._tokenizer, region,
            assigned=self._assigned.all(index) if index else Assignments(),
            links=self._links.of_values(index, party_values(tree), region) if index else {},
            expander=self._language.expander)

    @contextmanager
    def _refusals_recorded(self, action: str, actor: str, query: str,
                           tree: Tree) -> Iterator[None]:
        """To be told that there is too much of something is to have looked."""
        try:
            yield
        except (TooManyWords, TooBroad) as error:
            self._auditor.record(action, actor, query, {
                "refused": str(error), **_lists_used(tree)})
            raise

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


def _lists_used(tree: Tree) -> dict[str, str]:
    """Which saved lists were asked with, and their content's digest: a list may change."""
    used = saved_lists(tree)
    return {"lists": " ".join(f"{name}:{digest}" for name, digest in sorted(used.items()))} if (
        used) else {}
