"""Segments in order -> verified events; one event by its pointer (DESIGN §3, 11).

Owns reading: every datum handed out comes from an authentic segment, an unbroken chain, and a cell
whose root was recomputed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from archive import cell as cells
from archive import layout, segment
from archive.authentic import Authentic, Authenticator, chain
from archive.cell import CellEvent, Dictionary, Place
from archive.keyring import DomainKeys
from archive.layout import SegmentName
from archive.seal import NOBODY
from archive.segment import NO_PREVIOUS, PlacedCell
from archive.store import ObjectStore
from schemas.errors import Halt, Missing, Refused
from schemas.kinds import kinds_of
from schemas.wire import Pointer

_CELLS_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """One archived datum. `problem` is "" or why there is no datum: key_lost, cell_unreadable; or
    record_refused, where `datum` is the refused record as kept. `kinds`: what its session may say.
    """

    pointer: Pointer
    datum: bytes | None
    domain: bytes
    capture_id: bytes
    session_id: bytes
    kinds: frozenset[str]
    counter: int
    problem: str = ""


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


class Dictionaries:
    """Compression dictionaries of the archive, by SHA-256, fetched once."""

    def __init__(self, store: ObjectStore, known: tuple[Dictionary, ...] = ()) -> None:
        self._store = store
        self._known = {one.digest: one for one in (Dictionary(None), *known)}

    def of(self, digest: bytes) -> Dictionary:
        """Raises Refused("dictionary_missing") when it is not there or is another."""
        found = self._known.get(digest)
        if found is None:
            try:
                found = Dictionary(self._store.get(layout.dictionary(digest.hex())))
            except Missing as error:
                raise Refused(f"dictionary_missing: {digest.hex()}") from error
            if found.digest != digest:
                raise Refused(f"dictionary_missing: {digest.hex()} has other content")
            self._known[digest] = found
        return found


class ArchiveReader:
    """Reads one archive. Not thread-safe."""

    def __init__(self, store: ObjectStore, authenticator: Authenticator, keys: DomainKeys,
                 dictionaries: Dictionaries) -> None:
        self._store = store
        self._authenticator = authenticator
        self._keys = keys
        self._dictionaries = dictionaries
        self._recent: OrderedDict[tuple[str, int], tuple[CellEvent, ...]] = OrderedDict()
        self._tails: dict[tuple[str, int], tuple[int, bytes]] = {}
        self._digests: dict[str, bytes] = {}

    def partitions(self) -> list[tuple[str, int]]:
        """(topic id in hex, partition) of every partition that has a segment's name in it."""
        return sorted({(name.topic_id.hex(), name.partition) for name in self.names()})

    def names(self) -> list[SegmentName]:
        """One name per partition, found by skipping from partition to partition."""
        out: list[SegmentName] = []
        after = ""
        while True:
            found = None
            for version in self._store.versions(layout.SEGMENTS, after):
                found = layout.read_segment(version.key)
                after = version.key
                if found is not None:
                    break
            if found is None:
                return out
            out.append(found)
            after = layout.partition_prefix(found.topic, found.topic_id, found.partition) + "~"

    def follow(self, topic_id: str, partition: int, next_offset: int) -> Iterator[SegmentRead]:
        """Segments from the one that begins at `next_offset`, in order, as far as they reach.

        Raises Halt("chain_broken" …) where the chain does not hold: the follower must not go on
        past a hole as if there were none.
        """
        name = next((n for n in self.names()
                     if n.topic_id.hex() == topic_id and n.partition == partition), None)
        if name is None:
            return
        expected = next_offset
        known = self._tails.get((topic_id, partition))
        previous = known[1] if known and known[0] == next_offset else None
        if next_offset == 0:
            previous = NO_PREVIOUS
        for begins, authentic, _ in chain(self._store, self._authenticator, name, next_offset):
            if authentic is None:
                continue  # junk is verify's to name; it is never followed
            header = authentic.segment.header
            if begins != expected:
                raise Halt("segment_missing", f"{authentic.key}: expected offset {expected}")
            if previous is not None and header.previous != previous:
                raise Halt("chain_broken", f"{authentic.key} does not follow its predecessor")
            yield self.open(authentic)
            expected, previous = header.last + 1, authentic.segment.sha256
            self._tails[topic_id, partition] = expected, previous

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
        event = self._cell_at(pointer)[pointer.position]
        if (event.offset, event.index) != (pointer.offset, pointer.index):
            raise Refused("cell_unreadable: another event lies at the pointer")
        return event.datum

    def _cell_at(self, pointer: Pointer) -> tuple[CellEvent, ...]:
        known = self._recent.get((pointer.segment, pointer.start))
        if known is not None:
            self._recent.move_to_end((pointer.segment, pointer.start))
            return known
        name = layout.read_segment(pointer.segment)
        if name is None:
            raise Refused("segment_misplaced: the pointer names no segment")
        place = Place(name.topic_id, name.partition, name.expected, pointer.last)
        version = pointer.version or self._oldest_version(pointer.segment)
        body = self._store.get(pointer.segment, version, pointer.start, pointer.length)
        cell = segment.decode_cell(body)
        key = self._keys.open(cell.domain, cell.generation)
        opened = cells.open_cell(cell, place, key.key, self._dictionary_of(cell, pointer, version))
        if pointer.position >= len(opened):
            raise Refused("cell_unreadable: the pointer is past the cell's end")
        self._recent[pointer.segment, pointer.start] = opened
        while len(self._recent) > _CELLS_KEPT:
            self._recent.popitem(last=False)
        return opened

    def _dictionary_of(self, cell: cells.Cell, pointer: Pointer, version: str) -> Dictionary:
        if not cell.dictionary:
            return self._dictionaries.of(b"")
        digest = self._digests.get(pointer.segment)
        if digest is None:
            # The name of the dictionary is in the header; archives seldom change theirs, so the
            # few that are known are tried by the header's own bytes: the first KiB of the object.
            head = self._store.get(pointer.segment, version, 0, min(pointer.start, 1 << 16))
            digest = self._digests[pointer.segment] = segment.dictionary_of(head)
        return self._dictionaries.of(digest)

    def _oldest_version(self, key: str) -> str:
        versions = [v for v in self._store.versions(key) if v.key == key
                    and not v.is_delete_marker]
        if not versions:
            raise Missing(f"segment {key}")
        return versions[-1].version_id

    def _cell_events(self, found: Authentic, placed: PlacedCell) -> list[ReadEvent]:
        cell, header = placed.cell, found.segment.header
        try:
            key = self._keys.open(cell.domain, cell.generation)
            dictionary = self._dictionaries.of(header.dictionary if cell.dictionary else b"")
            opened = cells.open_cell(cell, header.place(), key.key, dictionary)
        except (Missing, Refused) as error:
            problem = "key_lost" if isinstance(error, Missing) else "cell_unreadable"
            return [ReadEvent(_pointer(found, placed, offset, index, position), None, cell.domain,
                              bytes(16), bytes(16), frozenset(), 0, problem)
                    for position, (offset, index) in enumerate(
                        cells.read_addresses(cell.addresses, header.first))]
        return [ReadEvent(
            _pointer(found, placed, event.offset, event.index, position), event.datum, cell.domain,
            event.session.capture_id, event.session.session_id, kinds_of(event.session.kinds),
            event.counter, "record_refused" if event.session == NOBODY else "")
            for position, event in enumerate(opened)]


def _pointer(found: Authentic, placed: PlacedCell, offset: int, index: int,
             position: int) -> Pointer:
    header = found.segment.header
    return Pointer(header.topic_id.hex(), header.partition, offset, index, found.key, header.last,
                   placed.start, placed.length, position, found.version_id)
