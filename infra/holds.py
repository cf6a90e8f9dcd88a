"""Legal holds, put together from a configuration: acts, sources, and what they come to.

Owns the composition; the indexer's process, the verbs, the console and disposition use the same
parts. One instance belongs to one thread, as its index does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final
from zoneinfo import ZoneInfo

from archive.heldcheck import SourcesOf
from archive.holds import Ground, HoldFacts, Sources, judged
from archive.keyring import reserved_facts
from infra.directory import DirectoryFile, parse_directory
from infra.holdmap import HoldMap, path_of
from infra.wire import Wire
from schemas import domains, events
from schemas.directory import Directory, Matter
from schemas.document import Document, Entry
from schemas.domains import DomainFacts
from schemas.errors import Missing, QueryError, Refused
from schemas.holdacts import Scope
from schemas.wire import Pointer
from search import query
from search.assigned import AssignedReader
from search.bodies import Bodies
from search.hold.records import HoldReader
from search.hold.sources import IndexSources, Meaning, Ways
from search.index import Index, pages
from search.query import Term, TokenQuery

BEHIND: Final = "the index does not have everything that is archived yet"
_DIRECTORIES: Final = TokenQuery(Term("kind", events.DIRECTORY), frozenset({events.DIRECTORY}))


class Holding:
    """The parts of one thread."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._indexes = wire.indexes()
        self.keys = wire.domain_keys()
        self.reader = wire.reader(self.keys)
        self._bodies = Bodies(self.reader)
        self.records: Final = HoldReader(self._bodies)
        self._assigned = AssignedReader(self._bodies)
        self._directories = DirectoryHistory(self._bodies)
        self._directory = DirectoryFile(wire.directory_path, wire.require_years)
        self._known: dict[bytes, DomainFacts | None] = {}
        self.lost: frozenset[bytes] = frozenset()
        self._homes: dict[tuple[str, int], bytes] = {}
        self._meaning: Meaning | None = None
        self._bound: tuple[str, Index] | None = None

    def index(self) -> Index | None:
        """The index in force; null before anything was indexed. Raises Transient."""
        name = self._indexes.current()
        if name is None:
            return None
        if self._bound is None or self._bound[0] != name:
            self._bound = name, self._indexes.open(name)
        return self._bound[1]

    def facts(self, index: Index | None) -> HoldFacts:
        """Every act on record. Without an index over an archive that is there it cannot be told."""
        if index is not None:
            return self.records.all(index)
        if not self.reader.partitions():
            return HoldFacts()
        return HoldFacts(doubts=frozenset({"there is no index of this archive"}))

    def behind(self, index: Index) -> str:
        """Why the index does not have everything that is archived, in words; "" = it has."""
        done = index.state().cursors
        for place in self.reader.partitions():
            if next(self.reader.follow(*place, done.get(place, 0)), None) is not None:
                return BEHIND
        return ""

    def sources(self, index: Index, known: HoldMap | None = None,
                behind: Callable[[], str] | None = None,
                progress: Callable[[int], None] = lambda _looked: None,
                counts: Callable[[str], bool] = lambda _segment: True) -> IndexSources:
        """For one evaluation. `known`: knows the domain of a cell without asking the store;
        `behind`: who has seen to it that the index is at the end says so; `counts`: of which
        segments, by key, messages are looked at."""
        return IndexSources(
            index, self._bodies, self._wire.tokenizer(), self._assigned.all(index),
            self._means(), Ways(
                lambda pointer: self._home(pointer, known, counts),
                lambda matter_id: self._matters(index, matter_id),
                behind if behind is not None else lambda: self.behind(index)), progress)

    def domain(self, domain: bytes, generation: int) -> DomainFacts | None:
        """What a domain stands for; null where its key's record cannot be read. Raises Missing when
        there is no key any more: then there is nothing left to keep."""
        if domain not in self._known:
            self._known[domain] = self._looked_up(domain, generation)
        return self._known[domain]

    def kept(self, known: HoldMap, holds: HoldFacts,
             sources: Sources) -> dict[bytes, tuple[Ground, ...]]:
        """Every domain of the archive that a hold keeps, with the grounds. Those whose key record
        is not there are in `lost` afterwards: destroyed by right or taken away, nobody knows here
        what they were."""
        found: dict[bytes, tuple[Ground, ...]] = {}
        lost, grounds = set[bytes](), judged(holds, sources)
        for domain, generation in known.domains():
            try:
                why = grounds(domain, self.domain(domain, generation))
            except Missing:
                lost.add(domain)
                continue
            if why:
                found[domain] = why
        self.lost = frozenset(lost)
        return found

    def directory(self) -> Directory:
        """Who is who; a file that does not read leaves the last one in force, and
        `directory_problem` says why. Raises Refused where none was in force yet."""
        try:
            return self._directory()
        except Refused as error:
            self._directory.problem = str(error).splitlines()[0]
            raise

    @property
    def directory_problem(self) -> str:
        """Why the directory's file is not in force, in words; "" = it is."""
        said = self._directory.problem
        return said and f"the directory cannot be read; holds do not see what changed: {said}"

    def check(self, index: Index | None, scope: Scope) -> Scope:
        """The scope as it goes on record: conversations by their own ids, for a token is of an
        index key that may be changed; and what the days and numbers of its query mean now.

        Raises Refused, QueryError for a scope that names what nobody knows, or asks what cannot be
        answered: a typing error must not be a hold on nothing."""
        if index is None:
            raise Refused("nothing is archived yet: there is nothing to hold")
        if scope.query:
            search = self._wire.config.search
            scope = replace(scope, zone=search.zone, region=search.region or "")
        sources = self.sources(index, behind=lambda: "")
        known = {one.custodian_id for one in self.directory().custodians}
        for custodian in scope.custodians:
            if custodian not in known and not self._count(
                    index, "custodians", self._wire.tokenizer().named("custodian", custodian)):
                raise Refused(f"nobody with the id {custodian!r} is in the directory or in the "
                              "archive")
        for matter in scope.matters:
            if not sources.matter(matter):
                raise Refused(f"the directory knows no matter {matter!r}")
        named = tuple(self._conversation(index, one) for one in scope.conversations)
        if scope.query:
            sources.require_lasting(scope)
        sources.count(scope)
        return replace(scope, conversations=named)

    def names(self, index: Index | None, scope: Scope) -> int | None:
        """How many messages a scope names now; null where that cannot be told."""
        try:
            return None if index is None else self.sources(
                index, behind=lambda: "").count(scope)
        except (QueryError, Refused, Missing):
            return None

    def map(self) -> HoldMap:
        """A connection of its own to the map of objects."""
        store = self._wire.config.store
        return HoldMap(path_of(self._wire.home),
                       f"{store.driver} {store.endpoint or ''} {store.bucket}")

    def _conversation(self, index: Index, said: str) -> str:
        """The id of a conversation that was named by its id or its token. Raises Refused."""
        token = query.conversation_token(said, self._wire.tokenizer())
        page = index.search(TokenQuery(Term("conversation", token), events.ALL_KINDS), 1, None)
        if not page.documents:
            raise Refused(f"no message of the conversation {said!r} is archived")
        if token != said.lower():
            return said
        for document in page.documents:
            for entry in document.entries:
                with suppress(Missing, Refused):
                    found = self._bodies.event(document, entry).conversation
                    if self._wire.tokenizer().named("conversation", found) == token:
                        return found
        raise Refused(f"no message of the conversation {said!r} can be read: name it by its id")

    def _looked_up(self, domain: bytes, generation: int) -> DomainFacts | None:
        if domains.is_reserved(domain):
            # Its years are nothing to a hold: a directory that does not read holds no more for it.
            years = 0
            with suppress(Refused):
                years = self.directory().firm_years()
            return reserved_facts(domain, years)
        try:
            return self.keys.open(domain, generation).facts
        except Refused:
            return None

    def _home(self, pointer: Pointer, known: HoldMap | None,
              counts: Callable[[str], bool]) -> bytes:
        if not counts(pointer.segment):
            raise Missing(f"{pointer.segment} does not count here")
        mapped = known.home(pointer) if known else None
        if mapped is not None:
            return mapped
        place = pointer.segment, pointer.start
        if place not in self._homes:
            self._homes[place] = self.reader.home(pointer)[0]
        return self._homes[place]

    def _matters(self, index: Index, matter_id: str) -> Sequence[Matter]:
        try:
            rows = self._directories.matters(index)
            rows |= dict.fromkeys(self.directory().matters)
        except (Missing, Refused):
            return ()                              # what it said of the matter is not known
        return tuple(one for one in rows if one.matter_id == matter_id)

    def _means(self) -> Meaning:
        if self._meaning is None:
            search = self._wire.config.search
            language = self._wire.language(self._indexes, self.reader)
            self._meaning = Meaning(ZoneInfo(search.zone), search.region, language.stems,
                                    language.expander)
        return self._meaning

    @staticmethod
    def _count(index: Index, field: str, value: str) -> int:
        return index.count(TokenQuery(Term(field, value), events.ALL_KINDS))


def sources_of(wire: Wire, ends: Mapping[tuple[str, int], int] | None = None) -> Sources | None:
    """What holds ask of content, for one evaluation at the end of the archive; null before anything
    was indexed. Where the index is behind, every answer is a doubt. `ends`: the next offset of each
    partition, for who read the archive up to there and judges only that: beside a running system
    the archive is always a moment ahead of the index. Raises Transient."""
    parts = Holding(wire)
    index = parts.index()
    if index is None:
        return None
    if ends is None:
        return parts.sources(index)
    done = index.state().cursors
    said = "" if all(done.get(place, 0) >= end for place, end in ends.items()) else BEHIND
    return parts.sources(index, behind=lambda: said)


def verifying(wire: Wire) -> SourcesOf | None:
    """The same for `verify`, which says which segments count; null before anything was indexed."""
    parts = Holding(wire)
    index = parts.index()
    if index is None:
        return None
    return lambda counts: parts.sources(index, behind=lambda: "", counts=counts)


class DirectoryHistory:
    """Every directory that was ever loaded, as the archive has it. Each is read once."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._known: dict[Pointer, tuple[Matter, ...]] = {}

    def matters(self, index: Index) -> dict[Matter, None]:
        """Every row, each once. Raises Missing, Refused for a load that cannot be read."""
        return {row: None for document, entry in _loads(index)
                for row in self._rows(document, entry)}

    def _rows(self, document: Document, entry: Entry) -> tuple[Matter, ...]:
        known = self._known.get(entry.pointer)
        if known is None:
            source = self._bodies.event(document, entry).raw or b""
            known = self._known[entry.pointer] = parse_directory(source).matters
        return known


def _loads(index: Index) -> Iterator[tuple[Document, Entry]]:
    for document in pages(index, _DIRECTORIES):
        yield from ((document, one) for one in document.entries if one.kind == events.DIRECTORY)
