"""An index in memory that accuses: the ports Index and IndexSet with the hardest allowed behaviour.

Documents are stored one by one before the cursors move, a conflict leaves the others stored, and a
search sees nothing before `refresh`: whatever a real backend may do, this one does. Misuse is an
AssertionError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from schemas.document import Document
from schemas.errors import Missing
from search import facets
from search.candidates import matcher, text_nodes
from search.facets import Counted, Facets, Part
from search.index import (
    IndexState,
    Page,
    PageCursor,
    Partition,
    Retired,
    Stored,
    TooBroad,
    Write,
)
from search.project import document, entry_key
from search.query import Near, TokenQuery
from tests.fakes.faults import FaultPlan
from tests.fakes.words import FakeWordStore, WordData


@dataclass
class _Data:
    documents: dict[str, tuple[Document, int]] = field(default_factory=dict)
    visible: dict[str, Document] = field(default_factory=dict)
    cursors: dict[Partition, int] = field(default_factory=dict)
    retired: bool = False
    dropped: bool = False
    words: WordData = field(default_factory=WordData)
    writes: int = 0


class FakeIndexSet:
    """Every index of one installation. See `search.index.IndexSet`."""

    def __init__(self, faults: FaultPlan | None = None) -> None:
        self.faults = faults or FaultPlan()
        self._data: dict[str, _Data] = {}
        self._current: str | None = None
        self._made = 0

    def create(self) -> str:
        """See IndexSet."""
        self._made += 1
        name = f"index-{self._made:06d}"
        self._data[name] = _Data()
        return name

    def first(self) -> str:
        """See IndexSet."""
        if self._current is None:
            self._current = self.create()
        return self._current

    def open(self, name: str) -> FakeIndex:
        """See IndexSet."""
        if name not in self._data:
            raise Missing(f"index {name}")
        return FakeIndex(self._data[name], self.faults)

    def current(self) -> str | None:
        """See IndexSet."""
        return self._current

    def names(self) -> list[str]:
        """See IndexSet."""
        return sorted(self._data)

    def swap(self, name: str) -> None:
        """See IndexSet."""
        self.open(name)
        self.faults.run("index.swap", lambda: self._swap(name))

    def drop(self, name: str) -> None:
        """See IndexSet."""
        if name == self._current:
            raise ValueError(f"{name} is the current index")
        gone = self._data.pop(name, None)
        if gone is not None:
            gone.dropped = gone.retired = True

    def _swap(self, name: str) -> None:
        if self._current is not None and self._current > name:
            raise Retired(f"{name}: a newer index is current")
        self._current = name
        for other, data in self._data.items():
            data.retired = data.retired or other < name


class FakeIndex:
    """One index. See `search.index.Index`."""

    def __init__(self, data: _Data, faults: FaultPlan) -> None:
        self._data = data
        self._faults = faults
        self._under_way = False

    def get(self, doc_ids: Iterable[str]) -> dict[str, Stored]:
        """See Index."""
        assert not self._under_way, "asked while a put is under way"
        wanted = set(doc_ids)
        return self._faults.run("index.get", lambda: {
            doc_id: Stored(found, (version, 0))
            for doc_id, (found, version) in self._data.documents.items() if doc_id in wanted
        })

    def put(self, writes: Sequence[Write], cursors: Mapping[Partition, int]) -> frozenset[str]:
        """See Index."""
        assert not self._under_way, "asked while a put is under way"
        ids = [write.document.doc_id for write in writes]
        assert len(ids) == len(set(ids)), "one document twice in one put"
        for write in writes:
            assert write.removes or write.document == document(
                write.document.doc_id, write.document.entries), \
                "a document is a function of its entries"
        conflicts = self._faults.run("index.put", lambda: self._put(writes))
        if not conflicts:
            self._faults.run("index.cursor", lambda: self._move(cursors))
        return conflicts

    def start(self, writes: Sequence[Write],
              cursors: Mapping[Partition, int]) -> Callable[[], frozenset[str]]:
        """See Index. Nothing happens before the answer is asked for: the latest allowed moment."""
        assert not self._under_way, "two puts under way"
        self._under_way = True

        def answer() -> frozenset[str]:
            assert self._under_way, "one answer, asked for twice"
            self._under_way = False
            return self.put(writes, cursors)
        return answer

    def state(self) -> IndexState:
        """See Index."""
        assert not self._under_way, "asked while a put is under way"
        return self._faults.run(
            "index.state", lambda: IndexState(dict(self._data.cursors), self._data.retired))

    def search(self, query: TokenQuery, limit: int, after: PageCursor | None = None, *,
               oldest_first: bool = False) -> Page:
        """See Index."""
        assert limit > 0, "a page has room for one at least"
        return self._faults.run(
            "index.search", lambda: self._search(query, limit, after, oldest_first=oldest_first))

    def count(self, query: TokenQuery) -> int:
        """See Index."""
        return self._faults.run("index.search", lambda: len(self._matching(query)))

    def is_checked(self, query: TokenQuery) -> bool:
        """See Index. All that is near."""
        return any(isinstance(one, Near) for one in text_nodes(query.root))

    def facets(self, query: TokenQuery, fields: Sequence[str], top: int,
               zone: tzinfo = UTC) -> Facets:
        """See Index."""
        facets.check(fields, top)
        return self._faults.run("index.search", lambda: facets.counted(
            self._matching(query), fields, top, zone))

    def counts(self, query: TokenQuery, parts: Sequence[Part],
               zone: tzinfo = UTC) -> tuple[Counted, ...]:
        """See Index."""
        facets.check_parts(parts)
        return self._faults.run("index.search", lambda: facets.tallied(
            self._matching(query), parts, zone))

    def newest(self, queries: Sequence[TokenQuery],
               limit: int) -> tuple[tuple[Document, ...], ...]:
        """See Index. Each is another moment, for nobody promises more."""
        return tuple(self.search(one, limit).documents for one in queries)

    def each(self, query: TokenQuery, most: int, *,
             oldest_first: bool = False) -> Iterator[Document]:
        """See Index. On the way is allowed: the refusal comes as late as it may."""
        found = self._faults.run("index.search", lambda: self._search(
            query, most + 1, None, oldest_first=oldest_first)).documents
        yield from found[:most]
        if len(found) > most:
            raise TooBroad

    def scan(self) -> Iterator[Document]:
        """See Index."""
        for doc_id in sorted(self._data.visible):
            yield self._data.visible[doc_id]

    def misfiled(self) -> Iterator[str]:
        """See Index. A document is searched as it lies here."""
        return iter(())

    def refresh(self) -> None:
        """See Index."""
        self._data.visible = {k: found for k, (found, _) in self._data.documents.items()}

    def purge(self) -> str:
        """See Index. A search sees what was removed no more."""
        self.refresh()
        return "a dictionary in memory"

    def words(self) -> FakeWordStore:
        """See Index."""
        return FakeWordStore(self._data.words, self._faults, self._check_dropped)

    def _check_dropped(self) -> None:
        if self._data.dropped:
            raise Retired("it was dropped")

    def _put(self, writes: Sequence[Write]) -> frozenset[str]:
        if self._data.retired:
            raise Retired("a newer index is current")
        conflicts = set()
        for write in writes:
            held = self._data.documents.get(write.document.doc_id)
            if (None if held is None else (held[1], 0)) != write.expected:
                conflicts.add(write.document.doc_id)
                continue
            if write.removes:
                self._data.documents.pop(write.document.doc_id, None)
                continue
            if held is not None and not write.is_less:
                assert ({entry_key(one) for one in held[0].entries}
                        <= {entry_key(one) for one in write.document.entries}), "an entry was lost"
            self._data.writes += 1
            self._data.documents[write.document.doc_id] = (
                write.document, self._data.writes)
        return frozenset(conflicts)

    def _move(self, cursors: Mapping[Partition, int]) -> None:
        for partition, offset in cursors.items():
            self._data.cursors[partition] = max(offset, self._data.cursors.get(partition, 0))

    def _matching(self, asked: TokenQuery) -> list[Document]:
        is_meant = matcher(asked.root)
        return [one for one in self._data.visible.values()
                if one.kind in asked.kinds and is_meant(one)]

    def _search(self, asked: TokenQuery, limit: int, after: PageCursor | None, *,
                oldest_first: bool) -> Page:
        found = self._matching(asked)
        found.sort(key=lambda one: (-one.sort_at, one.doc_id), reverse=oldest_first)
        total = len(found)
        if after is not None:
            def place(sort_at: int, doc_id: str) -> tuple[int, str]:
                return -sort_at, doc_id
            here = place(after.sort_at, after.doc_id)
            found = [one for one in found
                     if (place(one.sort_at, one.doc_id) < here if oldest_first
                         else place(one.sort_at, one.doc_id) > here)]
        shown = found[:limit]
        following = (PageCursor(shown[-1].sort_at, shown[-1].doc_id)
                     if len(found) > limit else None)
        return Page(tuple(shown), total, following)
