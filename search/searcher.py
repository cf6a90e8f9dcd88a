"""The questions a person may ask: which messages, what about this one, what of this conversation.

Owns the order: compile, look within the viewer's scope, write down who looked, answer. What is
raised before the record is written has shown nobody anything. Who is who (links, assignments) is
read from the whole index; whatever is shown is asked of the index as the viewer may see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Final

from schemas import events, limits
from schemas.assignment import Assignments
from schemas.document import Document
from schemas.errors import Denied, Missing, Refused, Transient
from search import audit, conversation, thread
from search.access.bound import Bound
from search.access.pseudonyms import Pseudonyms
from search.access.scope import EVERYTHING
from search.access.scoped import quiet, without_words
from search.access.viewer import Viewer
from search.audit import Auditor
from search.bodies import Bodies, Reads
from search.conversation import ConversationView
from search.copies import Linked, copies_of, linked
from search.explain import Explanation, explain
from search.facets import Facets
from search.files import FileView, files
from search.gaps import GapReader
from search.index import Asked, Index, IndexSet, Page, PageCursor, TooBroad
from search.lately import Lately
from search.links import LinkReader
from search.lists import NO_LISTS, Lists
from search.parse import parse
from search.query import Compiler, Term, TokenQuery, TooManyWords, party_values
from search.reading import Progress, ReadingIndex, silent
from search.results import HitView, hit
from search.seenby import seen_by, without_copy
from search.thread import MessageView
from search.tokens import NONE, Tokenizer
from search.tree import Tree, saved_lists
from search.vocabulary import Expander
from search.words import NO_STEMS, Stems

LIMIT_DEFAULT: Final = 20
_ID_CHARS: Final = frozenset("0123456789abcdef")
NO_CONVERSATION: Final = "no such conversation"
# What stands in a conversation.
_TALK: Final = events.ANSWERING_KINDS | {events.MEMBERSHIP}


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
    therefore show fewer hits than its limit and have a next one. `unread`: texts that had to be
    read for the answer and could not be (search/reading.py). `facets`: those that were asked for
    with it; null = none were, or `uncounted` says why they could not be counted.
    """

    hits: tuple[HitView, ...]
    total: int
    next: str | None
    unread: int = 0
    facets: Facets | None = None
    uncounted: Transient | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """What is counted beside a page of answers: facets, the first `top` values of each."""

    fields: tuple[str, ...]
    top: int


@dataclass(frozen=True, slots=True)
class _Look:
    """As `search.access.bound.Look`; `shown` may read texts as well. `is_all`: nothing is
    hidden."""

    whole: Index
    shown: Asked
    assigned: Assignments
    is_all: bool


class Searcher:
    """Searches and shows, within what the viewer may see; each leaves an audit event before it
    answers (PROTOCOL I7). What a viewer may not see is, in every word, what is not there."""

    def __init__(self, indexes: IndexSet, reader: Reads, tokenizer: Tokenizer, auditor: Auditor,
                 locale: Locale | None = None, language: Language | None = None,
                 progress: Progress = silent,
                 pseudonyms: Callable[[], Pseudonyms] | None = None,
                 lately: Lately | None = None) -> None:
        """`progress`: is told how far the reading is, where an index holds no words. `pseudonyms`:
        for viewers who are not shown names; without it such a viewer is refused. `lately`: what
        the searchers of several threads share; without it each question asks anew."""
        self._bodies = Bodies(reader)
        self._bound = Bound(indexes, self._bodies, tokenizer, lately)
        self._links = LinkReader(self._bodies, tokenizer)
        self._gaps = GapReader(self._bodies)
        self._tokenizer = tokenizer
        self._auditor = auditor
        self._locale = locale or Locale()
        self._language = language or Language()
        self._progress = progress
        self._pseudonyms = pseudonyms

    def search(self, query: str, viewer: Viewer, limit: int = LIMIT_DEFAULT,
               after: str | None = None, beside: Beside | None = None) -> Answer:
        """Newest first. `after`: the `next` of the page before. `beside`: facets of the whole
        answer, in the same record; where only they cannot be had, the answer stands without them.

        Raises QueryError (it points at the character), Refused for a page cursor that is none,
        Transient when the look could not be recorded or the index not be reached.
        """
        tree, masks = self._parsed(query), self._masks(viewer)
        limit = max(1, min(limit, limits.PAGE_HITS_MAX))
        place = PageCursor.read(after) if after is not None else None
        look = self._look(viewer)
        with self._refusals(audit.SEARCH, viewer, query, tree):
            asked = self._compiler(query, tree, look, masks).compiled(tree)
            page = look.shown.search(asked, limit, place) if look else Page((), 0, None)
            facets, uncounted = self._beside(beside, asked, look)
            copies = linked(look.shown, asked, page.documents) if look else Linked()
        hits = tuple(self._hit(found, copies, tree, look) for found in page.documents
                     if look and found.doc_id not in copies.hidden)
        self._record(audit.SEARCH, viewer, query, {
            "limit": str(limit), "after": after or "", "total": str(page.total),
            "shown": " ".join(one.doc_id for one in hits), **_lists_used(tree), **_unread(look),
            **({"counted": " ".join(facets)} if facets else {}),
        })
        # Recorded: from here the answer may be seen.
        return Answer(tuple(map(masks.hit, hits)) if masks else hits, page.total,
                      page.next.text() if page.next else None,
                      look.shown.unread if look and isinstance(look.shown, ReadingIndex) else 0,
                      masks.facets(facets) if masks and facets else facets, uncounted)

    def _beside(self, beside: Beside | None, asked: TokenQuery,
                look: _Look | None) -> tuple[Facets | None, Transient | None]:
        if beside is None:
            return None, None
        if look is None:
            return {}, None
        try:
            return look.shown.facets(asked, beside.fields, beside.top, self._locale.zone), None
        except Transient as error:
            return None, error  # they help to narrow; the answer is whole without them

    def facets(self, query: str, viewer: Viewer, fields: Sequence[str], top: int) -> Facets:
        """How many answers hold each value of `fields` (search/facets.py), exactly. Raises what
        `search` does, and ValueError for a field that is none."""
        tree, masks = self._parsed(query), self._masks(viewer)
        look = self._look(viewer)
        with self._refusals(audit.SEARCH, viewer, query, tree):
            asked = self._compiler(query, tree, look, masks).compiled(tree)
            found = look.shown.facets(asked, fields, top, self._locale.zone) if look else {}
        self._record(audit.SEARCH, viewer, query, {"facets": " ".join(fields), **_lists_used(tree)})
        return masks.facets(found) if masks else found

    def explain(self, query: str, viewer: Viewer) -> Explanation:
        """How `query` is understood, and what each part of it finds. Raises what `search` does."""
        tree, masks = self._parsed(query), self._masks(viewer)
        look = self._look(viewer)
        with self._refusals(audit.EXPLAIN, viewer, query, tree):
            explained = explain(tree, self._compiler(query, tree, look, masks),
                                look.shown if look else None)
        self._record(audit.EXPLAIN, viewer, query, {
            "total": "" if explained.total is None else str(explained.total),
            **_lists_used(tree), **_unread(look)})
        # Recorded: how often a word was said is an answer too.
        return without_words(explained, viewer.scope)

    def view(self, doc_id: str, viewer: Viewer,
             around: int = thread.AROUND_DEFAULT) -> MessageView:
        """One message with all its versions and `around` lines of its conversation on each side.

        Raises Refused for what is no id, Missing for an id that is not there, Transient as above.
        """
        masks, (look, found) = self._masks(viewer), self._found(doc_id, viewer)
        # Nobody who asks for no lines around it waits for the conversation's other names.
        where = self._links.conversations(look.whole, found) if around > 0 else None
        lines = thread.conversation_around(found, look.shown, min(around, limits.PAGE_HITS_MAX),
                                           where)
        # Whoever has a copy that is not shown has one: of the others nothing is said about it.
        every = copies_of(look.whole, found)
        # What the whole index has none of, no part of it has.
        family = copies_of(look.shown, found) if every else ()
        seen = thread.message(found, self._bodies, lines, copies=tuple(
            one.doc_id for one in family), assigned=look.assigned)
        seen = replace(seen, hit=replace(seen.hit, seen_by=(
            *seen_by(found, family, self._bodies, look.assigned),
            *without_copy(found, every, look.shown, self._bodies, look.assigned))))
        self._record(audit.VIEW, viewer, None, {
            "document": doc_id,
            "shown": " ".join(line.hit.doc_id for line in seen.conversation),
        })
        return masks.message(seen) if masks else seen

    def conversation(self, token: str, viewer: Viewer, *, at: str | None = None,
                     before: str | None = None, after: str | None = None,
                     limit: int = conversation.PAGE_DEFAULT) -> ConversationView:
        """A page of a conversation, given by its token: the one with message `at`, the one before
        or after a cursor, else the newest. Raises as `view` does."""
        if len(token) != 16 or not set(token) <= _ID_CHARS:
            raise Missing(NO_CONVERSATION)
        masks, look = self._masks(viewer), self._look(viewer)
        if look is None:
            raise Missing(NO_CONVERSATION)
        newest = look.shown.search(
            TokenQuery(Term("conversation", token), _TALK), 1).documents
        if not newest:
            raise Missing(NO_CONVERSATION)
        asked = TokenQuery(self._links.conversations(look.whole, newest[0]), _TALK)
        stored = look.shown.get([at]).get(at) if at else None
        page = (conversation.around(look.shown, asked, stored.document, limit)
                if stored is not None and stored.document.conversation == token else
                conversation.beside(look.shown, asked, limit,
                                    PageCursor.read(before) if before else None,
                                    PageCursor.read(after) if after else None))
        seen = conversation.view(token, page, asked, look.shown, self._bodies, look.assigned,
                                 self._gaps.all(look.whole), at or "")
        self._record(audit.VIEW, viewer, None, {
            "conversation": token,
            "shown": " ".join(one.hit.doc_id for one in seen.messages)})
        return masks.conversation(seen) if masks else seen

    def file(self, doc_id: str, number: int, viewer: Viewer) -> FileView:
        """The file `number` (from 1, as `view` lists them) of a message, with what opens it.

        Raises Refused for what is no id, Missing for a message or a file that is not there or not
        stored, with the reason; Transient as above. Also the asking for one that is not stored is
        recorded before it is answered.
        """
        _, found = self._found(doc_id, viewer)
        listed = files(found, thread.ordered_versions(found), self._bodies)
        wanted = next((one for one in listed if one.number == number), None)
        self._record(audit.ATTACHMENT, viewer, None, {
            "document": doc_id, "number": str(number),
            "state": wanted.state if wanted else "none",
            "sha256": (wanted.sha256 or "") if wanted else "",
        })
        if wanted is None:
            raise Missing(f"the message has {len(listed)} files")
        if wanted.stored is None:
            raise Missing(f"file {number} is {wanted.state}: {wanted.reason or 'not fetched yet'}")
        return wanted

    def _hit(self, found: Document, copies: Linked, tree: Tree, look: _Look) -> HitView:
        shown = hit(found, self._bodies, tree, copies.ids(found.doc_id), look.assigned,
                    self._language.stems)
        return replace(shown, seen_by=seen_by(
            found, copies.copies.get(found.doc_id, ()), self._bodies, look.assigned))

    def _found(self, doc_id: str, viewer: Viewer) -> tuple[_Look, Document]:
        if len(doc_id) != 32 or not set(doc_id) <= _ID_CHARS:
            raise Refused("an id has 32 hexadecimal digits")
        look = self._look(viewer)
        stored = look.shown.get([doc_id]).get(doc_id) if look else None
        if look is None or stored is None:
            raise Missing(f"no message has the id {doc_id}")
        return look, stored.document

    def _parsed(self, query: str) -> Tree:
        return parse(query, zone=self._locale.zone, lists=self._language.lists)

    def _masks(self, viewer: Viewer) -> Pseudonyms | None:
        if not viewer.pseudonyms:
            return None
        if self._pseudonyms is None:
            raise Denied
        return self._pseudonyms()

    def _compiler(self, query: str, tree: Tree, look: _Look | None,
                  masks: Pseudonyms | None = None) -> Compiler:
        """What `tree` is translated with: what the index knows now. Raises QueryError for a query
        that asks who is behind a pseudonym."""
        region = self._locale.region
        if masks is not None:
            masks.check(tree, query)
        assigned = look.assigned if look else Assignments()
        return Compiler(
            query, self._tokenizer, region, assigned=assigned,
            links=(self._links.of_values(look.whole, party_values(tree), region)
                   if look and masks is None else {}),
            expander=self._language.expander,
            party=None if masks is None else lambda one: masks.node(one, query, assigned),
            counts_exactly=look is None or look.is_all)

    @contextmanager
    def _refusals(self, action: str, viewer: Viewer, query: str, tree: Tree) -> Iterator[None]:
        """To be told that there is too much of something is to have looked; how much there is of it
        in the whole archive is told to nobody who may not see all of it."""
        try:
            yield
        except (TooManyWords, TooBroad) as error:
            told = quiet(error, viewer.scope)
            # As it is told: who reads the record may be the one who asked.
            self._record(action, viewer, query, {"refused": str(told), **_lists_used(tree)})
            raise told from error

    def _record(self, action: str, viewer: Viewer, text: str | None,
                details: dict[str, str]) -> None:
        session = {"session": viewer.session} if viewer.session else {}
        self._auditor.record(action, viewer.person, text, {**details, **session})

    def _look(self, viewer: Viewer) -> _Look | None:
        """The index as the viewer may see it; where it holds no words, with the texts of the
        archive behind it."""
        look = self._bound.look(viewer)
        if look is None:
            return None
        shown: Asked = look.shown
        if self._tokenizer.text == NONE:
            shown = ReadingIndex(shown, self._bodies, self._language.stems, self._progress)
        return _Look(look.whole, shown, look.assigned, viewer.scope == EVERYTHING)


def _unread(look: _Look | None) -> dict[str, str]:
    """How many texts could not be read for an answer, if any."""
    if look is None or not isinstance(look.shown, ReadingIndex) or not look.shown.unread:
        return {}
    return {"unread": str(look.shown.unread)}


def _lists_used(tree: Tree) -> dict[str, str]:
    """Which saved lists were asked with, and their content's digest: a list may change."""
    used = saved_lists(tree)
    return {"lists": " ".join(f"{name}:{digest}" for name, digest in sorted(used.items()))} if (
        used) else {}
