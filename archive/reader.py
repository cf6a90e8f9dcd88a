"""Segments in order -> verified events; one event by its pointer (DESIGN §3, 11).

Owns reading: every datum handed out comes from an authentic segment, an unbroken chain, and a cell
whose root was recomputed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

from archive import cell as cells
from archive import layout, segment
from archive.authentic import Authentic, Authenticator, chain, in_order
from archive.cell import Cell, CellEvent, CellProof, Dictionary, Place
from archive.keyring import DomainKeys
from archive.layout import SegmentName
from archive.seal import NOBODY
from archive.segment import NO_PREVIOUS, Header, PlacedCell
from archive.store import ObjectStore
from archive.tail import partition_names, segment_holding
from archive.wordbook import Wordbook
from schemas import limits
from schemas.errors import Halt, Missing, Refused
from schemas.kinds import kinds_of
from schemas.wire import Pointer

_CELLS_KEPT: Final = 64
_DIGESTS_KEPT: Final = 4096
_HEADER_BYTES: Final = 8 * 1024


class ReadEvent(NamedTuple):
    """One archived datum. `problem` is "" or why there is no datum: key_lost, cell_unreadable; or
    record_refused, where `datum` is the refused record as kept. `kinds`: what its session may say.
    `reason` is the finding behind a problem and its particulars: "cell_root: …", "key_unreadable:
    …"; `generation` is that of the domain key. (A tuple: reading makes one of each event.)
    """

    pointer: Pointer
    datum: bytes | None
    domain: bytes
    capture_id: bytes
    session_id: bytes
    kinds: frozenset[str]
    counter: int
    problem: str = ""
    reason: str = ""
    generation: int = 0


@dataclass(frozen=True, slots=True)
class CellSeen:
    """One cell, as a survey sees it: where it lies, whose it is, how much is in it. `addresses`:
    (offset, index); `events`: only where it was to be opened."""

    topic_id: str
    partition: int
    segment: str
    start: int
    sealed_at: int
    retain_until: int
    trial: bool
    domain: bytes
    generation: int
    addresses: tuple[tuple[int, int], ...]
    events: tuple[ReadEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class SegmentRead:
    """One segment, read: its place, what it covers, until when it is locked, and its events."""

    topic: str
    topic_id: str
    partition: int
    key: str
    first: int
    last: int
    sha256: str
    sealed_at: int
    retain_until: int
    trial: bool
    events: tuple[ReadEvent, ...]


@dataclass(frozen=True, slots=True)
class OpenedCell:
    """A cell with its events and what proves them."""

    domain: bytes
    events: tuple[CellEvent, ...]
    proof: CellProof


class Dictionaries:
    """Compression dictionaries of the archive, by SHA-256, fetched once."""

    def __init__(self, store: ObjectStore, known: tuple[Dictionary, ...] = ()) -> None:
        self._store = store
        self._known = {one.digest: one for one in (Dictionary(None), *known)}

    def of(self, digest: bytes) -> Dictionary:
        """Raises Refused("dictionary_missing") when it is not there or is another."""
        found = self._known.get(digest)
        if found is None:
            content = stored_by_digest(self._store, layout.dictionary(digest.hex()), digest)
            if content is None:
                raise Refused(f"dictionary_missing: {digest.hex()}")
            found = self._known[digest] = Dictionary(content)
        return found


def stored_by_digest(store: ObjectStore, key: str, digest: bytes) -> bytes | None:
    """The object at `key` whose SHA-256 is `digest`, whichever version it is; or null. A younger
    version or a delete marker on top changes nothing."""
    for version in store.versions(key):
        if version.key != key or version.is_delete_marker:
            continue
        if version.size > limits.DICTIONARY_BYTES_MAX:
            continue
        try:
            body = store.get(key, version.version_id)
        except Missing:
            continue
        if sha256(body).digest() == digest:
            return body
    return None


class ArchiveReader:
    """Reads one archive. Not thread-safe."""

    def __init__(self, store: ObjectStore, authenticator: Authenticator, keys: DomainKeys,
                 dictionaries: Dictionaries) -> None:
        self._store = store
        self._authenticator = authenticator
        self._keys = keys
        self._dictionaries = dictionaries
        self._age = keys.age
        self._recent: OrderedDict[tuple[str, int], tuple[CellEvent, ...]] = OrderedDict()
        self._tails: dict[tuple[str, int], tuple[int, bytes]] = {}
        self._digests: OrderedDict[str, bytes] = OrderedDict()
        self._names: dict[tuple[str, int], SegmentName] = {}
        # Seals and opens words under the same keys: an index keeps those of its archive beside it.
        self.wordbook: Final = Wordbook(keys)

    def partitions(self) -> list[tuple[str, int]]:
        """(topic id in hex, partition) of every partition that has a segment's name in it."""
        return sorted({(name.topic_id.hex(), name.partition) for name in self.names()})

    def names(self) -> list[SegmentName]:
        """One name per partition."""
        return partition_names(self._store)

    def follow(self, topic_id: str, partition: int, next_offset: int) -> Iterator[SegmentRead]:
        """Segments from the one that begins at `next_offset`, in order, as far as they reach.

        Raises Halt("segment_missing" | "chain_broken" | "record_duplicated" …) where the chain
        does not hold: the follower must not go on past a hole as if there were none.
        """
        for authentic in self._chained(topic_id, partition, next_offset):
            yield self.open(authentic)

    def survey(self, topic_id: str, partition: int,
               opens: Callable[[bytes], bool]) -> Iterator[CellSeen]:
        """Every cell of a partition, in order; only those of domains that `opens` are decrypted.
        Raises as `follow` does: what cannot be seen must not look as if it were not there."""
        for found in self._chained(topic_id, partition, 0):
            header = found.segment.header
            for placed in found.segment.cells:
                cell = placed.cell
                try:
                    addresses = cells.read_addresses(cell.addresses, header.place())
                except Refused:
                    addresses = [(header.last, 0)]  # signed by us and senseless: verify names it
                events = self._cell_events(found, placed) if opens(cell.domain) else []
                yield CellSeen(topic_id, partition, found.key, placed.start, header.sealed_at,
                               header.retain_until, header.trial, cell.domain, cell.generation,
                               tuple(addresses), tuple(events))

    def _chained(self, topic_id: str, partition: int, next_offset: int) -> Iterator[Authentic]:
        name = self._name_of(topic_id, partition)
        if name is None:
            return
        expected = next_offset
        known = self._tails.get((topic_id, partition))
        previous = known[1] if known and known[0] == next_offset else None
        if next_offset == 0:
            previous = NO_PREVIOUS
        for begins, authentic, _ in in_order(self._store, self._authenticator, name, next_offset):
            if authentic is None:
                continue  # junk is verify's to name; it is never followed
            header = authentic.segment.header
            if begins != expected:
                code = "segment_missing" if begins > expected else "record_duplicated"
                raise Halt(code, f"{authentic.key}: expected offset {expected}")
            if previous is None:
                # A start in the middle: the link to what was read in an earlier life counts too.
                previous = self._hash_before(name, next_offset)
            if previous is not None and header.previous != previous:
                raise Halt("chain_broken", f"{authentic.key} does not follow its predecessor")
            yield authentic
            expected, previous = header.last + 1, authentic.segment.sha256
            self._tails[topic_id, partition] = expected, previous

    def begin_of(self, topic_id: str, partition: int, offset: int) -> int | None:
        """Where the last segment of record begins that begins at or before `offset`; or null."""
        name = self._name_of(topic_id, partition)
        found = name and segment_holding(self._store, self._authenticator, name, offset)
        return found.name.expected if found else None

    def _hash_before(self, name: SegmentName, offset: int) -> bytes | None:
        found = segment_holding(self._store, self._authenticator, name, offset - 1)
        if found is None or found.segment.header.last + 1 != offset:
            return None  # it is gone: verify names that
        return found.segment.sha256

    def _name_of(self, topic_id: str, partition: int) -> SegmentName | None:
        """One name in the partition. Anybody who may put objects can make up a second topic with
        this id: the topic that holds a segment of record is the one."""
        known = self._names.get((topic_id, partition))
        if known is not None:
            return known
        for name in self.names():
            if (name.topic_id.hex(), name.partition) != (topic_id, partition):
                continue
            if any(found is not None
                   for _, found, _ in chain(self._store, self._authenticator, name, 0)):
                self._names[topic_id, partition] = name
                return name
        return None

    def open(self, found: Authentic) -> SegmentRead:
        """The events of one segment; a cell that does not open gives one problem per address."""
        header = found.segment.header
        events: list[ReadEvent] = []
        for placed in found.segment.cells:
            events += self._cell_events(found, placed)
        events.sort(key=lambda event: (event.pointer.offset, event.pointer.index))
        return SegmentRead(header.topic, header.topic_id.hex(), header.partition, found.key,
                           header.first, header.last, found.segment.sha256.hex(),
                           header.sealed_at, header.retain_until, header.trial, tuple(events))

    def read(self, pointer: Pointer) -> bytes:
        """The datum at a pointer: one range GET, one decryption, roots recomputed.

        Raises Missing (object or key gone) or Refused (it does not verify, or is not that datum).
        """
        return event_at(self._cell_at(pointer), pointer).datum

    def proved(self, pointer: Pointer) -> OpenedCell:
        """The cell of a pointer, opened, with what proves its events. Raises as `read` does."""
        self._keys.look()
        cell, place, key, opened = self._unlocked(pointer)
        return OpenedCell(cell.domain, opened, CellProof(cell, place, key, opened))

    def home(self, pointer: Pointer) -> tuple[bytes, int]:
        """The key domain and generation that the datum at a pointer lies under, as its cell says.
        Raises as `read` does."""
        cell, _, _ = self._sealed_at(pointer)
        return cell.domain, cell.generation

    def _cell_at(self, pointer: Pointer) -> tuple[CellEvent, ...]:
        self._keys.look()
        if self._age != self._keys.age:
            # What its key opened goes with it: an erased message is not shown from here either.
            self._age = self._keys.age
            self._recent.clear()
        known = self._recent.get((pointer.segment, pointer.start))
        if known is not None:
            self._recent.move_to_end((pointer.segment, pointer.start))
            return known
        opened = self._unlocked(pointer)[-1]
        self._recent[pointer.segment, pointer.start] = opened
        while len(self._recent) > _CELLS_KEPT:
            self._recent.popitem(last=False)
        return opened

    def _unlocked(self, pointer: Pointer) -> tuple[Cell, Place, bytes, tuple[CellEvent, ...]]:
        """The cell of a pointer, its place, its domain's key, and its events."""
        cell, place, version = self._sealed_at(pointer)
        key = self._keys.open(cell.domain, cell.generation).key
        return cell, place, key, cells.open_cell(cell, place, key,
                                                 self._dictionary_of(cell, pointer, version))

    def _sealed_at(self, pointer: Pointer) -> tuple[Cell, Place, str]:
        """The cell of a pointer, its place, and its segment's version."""
        name = layout.read_segment(pointer.segment)
        if name is None or pointer.start <= 0 or not (
                0 < pointer.length <= limits.SEGMENT_OBJECT_BYTES_MAX):
            raise Refused("segment_misplaced: the pointer names no cell of a segment")
        place = Place(name.topic_id, name.partition, name.expected, pointer.last)
        version = pointer.version or self._oldest_version(pointer.segment)
        body = self._store.get(pointer.segment, version, pointer.start, pointer.length)
        return segment.decode_cell(body), place, version

    def _dictionary_of(self, cell: Cell, pointer: Pointer, version: str) -> Dictionary:
        if not cell.dictionary:
            return self._dictionaries.of(b"")
        digest = self._digests.get(pointer.segment)
        if digest is None:
            digest = self._digests[pointer.segment] = self._named_dictionary(pointer, version)
            while len(self._digests) > _DIGESTS_KEPT:
                self._digests.popitem(last=False)
        return self._dictionaries.of(digest)

    def _named_dictionary(self, pointer: Pointer, version: str) -> bytes:
        # The header names the dictionary. It ends before the first cell begins, and only one with
        # very many runs of offsets without a record is longer than a few KiB.
        for length in (_HEADER_BYTES, pointer.start):
            front = self._store.get(pointer.segment, version, 0, min(length, pointer.start))
            try:
                return segment.dictionary_of(front)
            except Refused:
                if length >= pointer.start:
                    raise
        raise AssertionError("unreachable")

    def _oldest_version(self, key: str) -> str:
        versions = [v for v in self._store.versions(key) if v.key == key
                    and not v.is_delete_marker]
        if not versions:
            raise Missing(f"segment {key}")
        return versions[-1].version_id

    def _cell_events(self, found: Authentic, placed: PlacedCell) -> list[ReadEvent]:
        cell, header = placed.cell, found.segment.header
        try:
            opened = self._opened(cell, header)
        except Refused as error:
            return self._unopened(found, placed, str(error))
        # Said once a cell, not once an event: this is made for every event that is indexed.
        topic_id, partition, key, last = (
            header.topic_id.hex(), header.partition, found.key, header.last)
        start, length, version_id = placed.start, placed.length, found.version_id
        problems = {session: "record_refused" if session == NOBODY else ""
                    for session in {event.session for event in opened}}
        return [ReadEvent(
            Pointer(topic_id, partition, offset, index, key, last, start, length, position,
                    version_id),
            datum, cell.domain, session.capture_id, session.session_id, kinds_of(session.kinds),
            counter, problems[session], "", cell.generation)
            for position, (offset, index, _, session, counter, datum) in enumerate(opened)]

    def _opened(self, cell: Cell, header: Header) -> tuple[CellEvent, ...]:
        """Raises Refused whose text begins with the finding's code."""
        try:
            key = self._keys.open(cell.domain, cell.generation)
        except Missing as error:
            raise Refused(f"key_lost: {error}") from error
        except Refused as error:
            raise Refused(f"key_unreadable: {error}") from error
        dictionary = self._dictionaries.of(header.dictionary if cell.dictionary else b"")
        return cells.open_cell(cell, header.place(), key.key, dictionary)

    def _unopened(self, found: Authentic, placed: PlacedCell, reason: str) -> list[ReadEvent]:
        """One problem per address; addresses need no key."""
        cell = placed.cell
        problem = "key_lost" if reason.startswith("key_lost:") else "cell_unreadable"
        try:
            addresses = cells.read_addresses(cell.addresses, found.segment.header.place())
        except Refused:
            # Signed by us and senseless: one problem stands for the cell, at its segment's front.
            addresses = [(found.segment.header.first, 0)]
        return [ReadEvent(_pointer(found, placed, offset, index, position), None, cell.domain,
                          bytes(16), bytes(16), frozenset(), 0, problem, reason, cell.generation)
                for position, (offset, index) in enumerate(addresses)]


def event_at(opened: Sequence[CellEvent], pointer: Pointer) -> CellEvent:
    """The event of a pointer among those of its cell. Raises Refused where another lies there."""
    if not 0 <= pointer.position < len(opened):
        raise Refused("cell_unreadable: the pointer is past the cell's end")
    event = opened[pointer.position]
    if (event.offset, event.index) != (pointer.offset, pointer.index):
        raise Refused("cell_unreadable: another event lies at the pointer")
    return event


def _pointer(found: Authentic, placed: PlacedCell, offset: int, index: int,
             position: int) -> Pointer:
    header = found.segment.header
    return Pointer(header.topic_id.hex(), header.partition, offset, index, found.key, header.last,
                   placed.start, placed.length, position, found.version_id)
