"""Where messages of a hold's scope lie, asked of the index (docs/decisions/0032).

Owns the port Sources of `archive/holds.py`. The index is asked anew at each evaluation and points
into the archive; the cell that lies there says in clear which key domain it is of. What the index
cannot answer is a doubt, and a doubt holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from archive.holds import Content, widened
from schemas import document as shape
from schemas import domains, events, limits
from schemas.assignment import Assignments
from schemas.directory import Matter
from schemas.document import Document, Entry
from schemas.errors import Missing, QueryError, Refused
from schemas.holdacts import Scope
from schemas.wire import Pointer
from search import query, tree
from search.access import scope as access
from search.access.scope import Reach
from search.bodies import Bodies
from search.index import Asked, Index, TooBroad, pages
from search.links import LinkReader
from search.lists import SavedList
from search.parse import parse
from search.query import Compiler, Node, TokenQuery, answering, party_values
from search.reading import ReadingIndex
from search.tokens import NONE, Tokenizer
from search.vocabulary import Expander
from search.words import NO_STEMS, Stems

# What may say anything at all, for nobody has read it (yet).
_UNREAD: Final = frozenset({shape.PART, shape.UNREADABLE})
_NEGATED: Final = ("a hold has no NOT: an edit that adds a word would end it. Hold the wider "
                   "question; whole months are held in any case")
_STATED: Final = ("a hold has no state: field, for an edit or a retraction changes it. Every "
                  "version of a message is held without it")
_UNNAMED: Final = ("name a conversation with --conversation: here a token would find nothing any "
                   "more once the index key was changed")
_LATER: Final = frozenset({events.EDIT, events.RETRACTION, events.RESTORATION})
_MESSAGES: Final = events.ALL_KINDS - domains.FIRM_KINDS
# Of one answer, as many as a person reads; the rest is counted.
_DOUBTS_MAX: Final = 3


class _NoLists:
    """`search.lists.Lists` where none may be used."""

    def names(self) -> tuple[str, ...]:
        """None."""
        return ()

    def get(self, name: str) -> SavedList | None:
        """Refused."""
        raise Refused("a hold takes no saved list, because somebody may change it later; write its "
                      "words out")


_FIXED: Final = _NoLists()


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a query's words may stand for, and where its days begin."""

    zone: tzinfo = UTC
    region: str | None = None
    stems: Stems = NO_STEMS
    expander: Expander | None = None


@dataclass(frozen=True, slots=True)
class Ways:
    """How to the rest: `home`: the key domain of the cell at a pointer (raises Missing, Refused);
    `matters`: every row that the directory ever had of a matter; `behind`: why the index does not
    have everything yet, in words, or ""."""

    home: Callable[[Pointer], bytes]
    matters: Callable[[str], Sequence[Matter]]
    behind: Callable[[], str] = lambda: ""


class IndexSources:
    """For one evaluation; of one index. Implements `archive.holds.Sources`."""

    def __init__(self, index: Index, bodies: Bodies, tokenizer: Tokenizer, assigned: Assignments,
                 meaning: Meaning, ways: Ways,
                 progress: Callable[[int], None] = lambda _looked: None) -> None:
        """`progress`: told how many messages of one scope were looked at, now and then."""
        self._index, self._bodies, self._tokenizer = index, bodies, tokenizer
        self._assigned, self._meaning, self._ways = assigned, meaning, ways
        self._links = LinkReader(bodies, tokenizer)
        self._progress = progress
        self._content: dict[Scope, Content] = {}
        self._matters: dict[str, tuple[Matter, ...]] = {}

    def matter(self, matter_id: str) -> Sequence[Matter]:
        """See Sources."""
        if matter_id not in self._matters:
            self._matters[matter_id] = tuple(self._ways.matters(matter_id))
        return self._matters[matter_id]

    def content(self, scope: Scope) -> Content:
        """See Sources."""
        if scope not in self._content:
            self._content[scope] = self._found(scope)
        return self._content[scope]

    def count(self, scope: Scope) -> int:
        """How many messages a scope concerns. Raises QueryError, Refused (TooBroad)."""
        asked = self.asked(scope)
        return self._shown().count(asked)

    def require_lasting(self, scope: Scope) -> None:
        """Raises QueryError for a query that could find less tomorrow than today, though nothing
        was taken away: an edit or a retraction must not end a hold."""
        for node in tree.nodes(self._read(scope)):
            if isinstance(node, tree.Not):
                raise QueryError(scope.query, node.start, _NEGATED)
            if isinstance(node, tree.Value) and node.name == "state":
                raise QueryError(scope.query, node.start, _STATED)
            if isinstance(node, tree.Value) and node.name == "conversation" \
                    and query.is_token(node.value):
                raise QueryError(scope.query, node.start, _UNNAMED)

    def _read(self, scope: Scope) -> tree.Tree:
        # As it was meant when the hold was placed, whatever the settings say by now.
        return parse(scope.query, zone=_zone(scope, self._meaning.zone), lists=_FIXED)

    def asked(self, scope: Scope, *, ever: bool = False) -> TokenQuery:
        """The question that a scope is; `ever`: whatever its period. Raises QueryError."""
        every: list[Node] = []
        if scope.custodians:
            every.append(self._reach(Reach(frozenset(scope.custodians))))
        if scope.matters:
            rows = [replace(row, since=None, until=None) if ever else row for row in
                    self._rows(scope)]
            every.append(query.Or(tuple(self._reach(_reach_of(row)) for row in rows))
                         if rows else query.Nothing())
        if scope.conversations:
            every.append(self._conversations(scope.conversations))
        if not ever and (scope.since, scope.until) != (None, None):
            every.append(query.Between(*widened(scope.since, scope.until)))
        kinds = _MESSAGES
        if scope.query:
            said = self._read(scope)
            region = (scope.region or None) if scope.zone else self._meaning.region
            every.append(Compiler(
                scope.query, self._tokenizer, region, assigned=self._assigned,
                links=self._links.of_values(self._index, party_values(said), region),
                expander=self._meaning.expander).compiled(said).root)
            kinds = answering(said)
        return TokenQuery(query.flatten(query.And(tuple(every))) if every else query.All(), kinds)

    def _found(self, scope: Scope) -> Content:
        found, doubts = set[bytes](), dict[str, None]()
        behind = self._ways.behind()
        if behind:
            doubts[behind] = None
        try:
            asked = self.asked(scope)
            for pointer in self._pointers(scope, asked):
                try:
                    found.add(self._ways.home(pointer))
                except Missing:
                    continue                      # the object is gone: nothing of it can be held
                except Refused as error:
                    doubts[f"{pointer.segment}: {error}"] = None
        except TooBroad as error:
            doubts[f"too much may be meant: {error}"] = None
        except QueryError as error:
            doubts[f"its query cannot be read: {error}"] = None
        said = list(doubts)
        more = [f"and {len(said) - _DOUBTS_MAX} more"] if len(said) > _DOUBTS_MAX else []
        return Content(frozenset(found), "; ".join([*said[:_DOUBTS_MAX], *more]))

    def _rows(self, scope: Scope) -> list[Matter]:
        return [row for one in scope.matters for row in self.matter(one)]

    def _pointers(self, scope: Scope, asked: TokenQuery) -> Iterator[Pointer]:
        """Of all that belongs to the messages of an answer, and of what nobody could read."""
        cells = set[tuple[str, int]]()
        for looked, document in enumerate(self._documents(scope, asked), 1):
            if looked % 1000 == 0:
                self._progress(looked)
            for pointer in _concerned(document):
                if (pointer.segment, pointer.start) not in cells:
                    cells.add((pointer.segment, pointer.start))
                    yield pointer

    def _documents(self, scope: Scope, asked: TokenQuery) -> Iterator[Document]:
        # One after the other: an index answers one question at a time.
        yield from _every(self._shown(), asked)
        periods = [(scope.since, scope.until), *((row.since, row.until)
                                                 for row in self._rows(scope))]
        if any(since is not None for since, _ in periods):
            # A message has the time of its first version; one of the period may be a later one.
            wide = self.asked(scope, ever=True)
            versions = query.Or(tuple(query.Term("kinds", one) for one in sorted(_LATER)))
            for one in _every(self._shown(), replace(
                    wide, root=query.flatten(query.And((wide.root, versions))))):
                if any(entry.kind in _LATER and _is_of(entry, *periods[0]) and (
                        len(periods) == 1 or any(_is_of(entry, *row) for row in periods[1:]))
                        for entry in one.entries):
                    yield one
        yield from _every(self._index, TokenQuery(query.All(), _UNREAD))

    def _shown(self) -> Asked:
        if self._tokenizer.text == NONE:
            return ReadingIndex(self._index, self._bodies, self._meaning.stems)
        return self._index

    def _reach(self, reach: Reach) -> Node:
        return access.node(access.Scope((reach,)), self._tokenizer, self._assigned)

    def _conversations(self, wanted: Sequence[str]) -> Node:
        return query.Or(tuple(query.Term("conversation", query.conversation_token(
            one, self._tokenizer)) for one in wanted))


def _is_of(entry: Entry, since: int | None, until: int | None) -> bool:
    """Whether what an entry tells may be of the whole months of a period."""
    first, last = widened(since, until)
    return any(at is not None and (first is None or first <= at) and (last is None or at < last)
               for at in (entry.occurred_at, entry.captured_at))


def _zone(scope: Scope, otherwise: tzinfo) -> tzinfo:
    try:
        return ZoneInfo(scope.zone) if scope.zone else otherwise
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise QueryError(scope.query, 0, f"this machine does not know the time zone {scope.zone!r} "
                                         "that its days were meant in") from error


def _every(index: Asked, asked: TokenQuery) -> Iterator[Document]:
    """However many there are. Raises TooBroad where they have to be looked at one by one."""
    try:
        yield from index.each(asked, limits.CHECKED_DOCUMENTS_MAX)
    except TooBroad:
        if index.is_checked(asked):
            raise
        # Page by page, no longer of one moment: what is written meanwhile is found by the next
        # evaluation, which it causes.
        yield from pages(index, asked)


def _reach_of(row: Matter) -> Reach:
    """What a matter concerns: its conversations, whoever captured them; else its custodians."""
    since, until = widened(row.since, row.until)
    if row.conversations:
        return Reach(None, since, until, frozenset(row.conversations))
    return Reach(frozenset(row.custodians), since, until)


def _concerned(document: Document) -> Iterator[Pointer]:
    """A message's own records; reviews and flags of it are the firm's."""
    is_own = document.kind in domains.FIRM_KINDS
    for entry in document.entries:
        if is_own or entry.kind not in domains.FIRM_KINDS:
            yield entry.pointer
