"""Ports Index and IndexSet: what search asks of an index, and what a driver must promise.

An index is a projection of the archive and may be thrown away at any time (G5). It holds documents
of tokens; the cursor of each partition lives in it, so that both are lost or kept together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Protocol

from schemas import limits
from schemas.document import Document
from schemas.errors import Missing, Refused
from search.facets import Counted, Facets, Part
from search.query import TokenQuery
from search.vocabulary import WordStore

Partition = tuple[str, int]
"""(topic id in hex, partition)."""


class Retired(Missing):
    """A newer index has taken this one's place: bind to the current one (PROTOCOL I4)."""


class Outdated(Refused):
    """The index was written in another shape than this version's: rebuild it, from the archive."""


def other_mode(name: str, held: object, wanted: object) -> Outdated:
    """What an index is refused with that was written in another mode (search/tokens.py)."""
    return Outdated(f"{name} was written with search.text = {held}, and the setting is {wanted}: "
                    "rebuild it (`counterfoil rebuild`)")


class TooBroad(Refused):
    """The query asks for what the index has to check document by document, and too many may be
    meant: it wants to be narrowed, by a word, a person or a time."""

    def __init__(self, message: str = "") -> None:
        super().__init__(
            message or f"more than {limits.CHECKED_DOCUMENTS_MAX:,} messages would have to be read "
            "one by one to see which words are near each other: narrow the query by a rarer word, "
            "a person or a time")


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as read, with the version that a write of it must still find (opaque)."""

    document: Document
    version: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Write:
    """A document to store: new (`expected` null) or in place of the version that was read.
    `is_less`: entries of the version that was read were erased; one without any is removed."""

    document: Document
    expected: tuple[int, int] | None
    is_less: bool = False

    @property
    def removes(self) -> bool:
        """Whether nothing of the document is left."""
        return self.is_less and not self.document.entries


@dataclass(frozen=True, slots=True)
class IndexState:
    """How far each partition is indexed (the next offset to read), and whether a newer index has
    taken this one's place: then nobody writes to it again (PROTOCOL I4)."""

    cursors: Mapping[Partition, int] = field(default_factory=dict)
    retired: bool = False


@dataclass(frozen=True, slots=True)
class PageCursor:
    """The place after one answer: newest first, ties by document id."""

    sort_at: int
    doc_id: str

    def text(self) -> str:
        """As a user hands it back."""
        return f"{self.sort_at}.{self.doc_id}"

    @staticmethod
    def read(text: str) -> PageCursor:
        """Raises Refused for anything that `text()` did not write."""
        number, dot, doc_id = text.partition(".")
        digits = number.removeprefix("-")
        if not (dot and digits.isascii() and digits.isdigit() and len(digits) < 17
                and len(doc_id) == 32 and set(doc_id) <= set("0123456789abcdef")):
            raise Refused("this is no page cursor of a search")
        return PageCursor(int(number), doc_id)


@dataclass(frozen=True, slots=True)
class Page:
    """Documents in order, how many match in all, and where the next page begins (null = none)."""

    documents: tuple[Document, ...]
    total: int
    next: PageCursor | None


class Asked(Protocol):
    """What a reader asks of an index, or of an index as one person may see it
    (search/access/scoped.py). Every method raises Transient when the backend cannot be reached."""

    def get(self, doc_ids: Iterable[str]) -> dict[str, Stored]:
        """Those that exist, as last written (never a stale view of what `put` acknowledged)."""

    def search(self, query: TokenQuery, limit: int, after: PageCursor | None = None, *,
               oldest_first: bool = False) -> Page:
        """Up to `limit` documents that match, newest `sort_at` first, ties by ascending doc_id,
        from after `after` on; `oldest_first` is exactly the reverse.

        Page and total are of one moment. Never blocks a writer and is never blocked by one. Sees
        what was put before `refresh`. What a query is true of is said by `search/candidates.py`.
        Raises TooBroad.
        """

    def count(self, query: TokenQuery) -> int:
        """The `total` of `search`, without a page. Raises TooBroad."""

    def is_checked(self, query: TokenQuery) -> bool:
        """Whether documents that may match are read one by one to answer `query`: that is slower,
        and bounded (TooBroad). Asks nobody."""

    def facets(self, query: TokenQuery, fields: Sequence[str], top: int,
               zone: tzinfo = UTC) -> Facets:
        """How many of the documents that match hold each value of `fields` (search/facets.py),
        exactly, all of one moment; the first `top` values of each. `zone`: where months begin.

        Raises TooBroad, and ValueError for a field that is none or `top` beyond its limits.
        """

    def counts(self, query: TokenQuery, parts: Sequence[Part],
               zone: tzinfo = UTC) -> tuple[Counted, ...]:
        """How many of the documents that match are in each part, and its facets: exactly, all of
        one moment, asked for in one go however many parts there are. `zone`: as of `facets`.

        Raises TooBroad, and ValueError as `facets` does or for a part that asks for words.
        """

    def each(self, query: TokenQuery, most: int, *,
             oldest_first: bool = False) -> Iterator[Document]:
        """Every document that matches, in the order of `search`, all of one moment. Nothing else is
        asked of this index before the last was taken.

        Raises TooBroad, at once or on the way, when more than `most` match.
        """


class Index(Asked, Protocol):
    """One concrete index. Every method raises Transient when the backend cannot be reached.

    Safe to use from several processes; one instance belongs to one thread.
    """

    def newest(self, queries: Sequence[TokenQuery],
               limit: int) -> tuple[tuple[Document, ...], ...]:
        """Of each query the first `limit` documents of `search`, without a total; asked for in
        one go, each of a moment of its own. Raises TooBroad."""

    def put(self, writes: Sequence[Write], cursors: Mapping[Partition, int]) -> frozenset[str]:
        """Store the documents, then move the cursors: all of it, or no cursor.

        Returns the ids whose stored version was not the expected one; those were not written, all
        others were, and unless the set is empty no cursor moved: the caller reads those, merges
        and puts them again. A cursor
        never moves back. Idempotent. Raises Halt("index_refused") for a document that the mapping
        does not take, Transient for what somebody outside can change (a privilege, a limit on
        requests), and Retired once a newer index is current. After a crash inside, some
        documents may be stored and no cursor moved: the same segments are read again, and the
        same documents come out.
        """

    def start(self, writes: Sequence[Write],
              cursors: Mapping[Partition, int]) -> Callable[[], frozenset[str]]:
        """`put`, under way or done when this returns; calling the answer waits for what `put`
        returns or raises. One at a time: nothing else is asked of this index before the answer
        was."""

    def state(self) -> IndexState:
        """Cursors and whether the index was retired."""

    def scan(self) -> Iterator[Document]:
        """Every document, by ascending doc_id."""

    def misfiled(self) -> Iterator[str]:
        """Documents (doc_id, in no order) that do not read, or are not searched as what their
        entries make of them; what a writer of ours never leaves. Reads every document."""

    def refresh(self) -> None:
        """What was put is visible to `search` and `scan` from now on."""

    def purge(self) -> str:
        """Write the index anew, without what was replaced or removed: that is in none of its files
        any more when this returns, but for what the answer says is still kept. The answer says in
        words, for a certificate: how, what is still kept, and what it cannot speak for. Takes as
        long as writing the index anew."""

    def words(self) -> WordStore:
        """The words of these documents, sealed; made and dropped with this index."""


def pages(index: Asked, query: TokenQuery, limit: int = limits.PAGE_HITS_MAX, *,
          oldest_first: bool = False) -> Iterator[Document]:
    """Every document that matches, in the order of `search`, `limit` at a time as they are taken:
    however many there are, but each page of a moment of its own. Raises as `search` does."""
    after: PageCursor | None = None
    while True:
        page = index.search(query, limit, after, oldest_first=oldest_first)
        yield from page.documents
        after = page.next
        if after is None:
            return


def fetched(index: Asked, doc_ids: Sequence[str],
            limit: int = limits.PAGE_HITS_MAX) -> Iterator[tuple[str, Document | None]]:
    """Each of these ids, in their order, with its document (null = it is not there), `limit` at a
    time as they are taken: however many there are. Raises as `get` does."""
    for at in range(0, len(doc_ids), limit):
        some = doc_ids[at:at + limit]
        stored = index.get(some)
        for doc_id in some:
            found = stored.get(doc_id)
            yield doc_id, found.document if found is not None else None


class IndexSet(Protocol):
    """All indexes of one installation; one of them is current."""

    def create(self) -> str:
        """The name of a new, empty index, not yet current. Two callers get two."""

    def first(self) -> str:
        """The current index; made and current in one step when there is none. Callers that race
        get the same one."""

    def open(self, name: str) -> Index:
        """Raises Missing for a name that is not there, Outdated for an index of another shape."""

    def current(self) -> str | None:
        """The index that readers use; null before there is a first one."""

    def names(self) -> list[str]:
        """Every index, oldest first."""

    def swap(self, name: str) -> None:
        """Make `name` current for readers in one step, then retire every older one. Idempotent;
        after a crash inside, calling it again finishes. Raises Retired when a younger index is
        current already."""

    def drop(self, name: str) -> None:
        """Remove an index that is not current; one that is not there is dropped already."""
