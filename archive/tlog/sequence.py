"""The log as it lies in the object store: which batch is the record, and the files made of it.

Owns names below `log/` and the one rule that keeps the log from forking: the batch of number n is
the oldest version of `log/batch/<n>` that a log key signed and a lock holds. Nothing else at that
key, younger or hidden under a delete marker or not, is ever followed.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Final

from archive import layout
from archive.authentic import LOCK_MODES
from archive.store import ObjectStore, ObjectVersion
from archive.tlog import batch as batches
from archive.tlog import tiles, tree
from archive.tlog.batch import BATCH_BYTES_MAX, NewerBatch, Read
from archive.tlog.note import Key
from archive.tlog.tiles import HEIGHT, WIDTH, Tile
from schemas.errors import Halt, Missing, Refused

PREFIX: Final = layout.LOG
_NAMES: Final = re.compile(
    r"(batch|checkpoint)/[0-9]{20}|cosignature/[0-9]{20}/[0-9a-f]{8}"
    r"|timestamp/[0-9]{20}/[a-z0-9][a-z0-9.-]{0,62}")
_KEPT: Final = 300      # batches in memory: the last full tile's leaves at one leaf a batch


def batch_key(number: int) -> str:
    """The object of one batch."""
    return f"{PREFIX}batch/{number:020d}"


def checkpoint_key(size: int) -> str:
    """The log's signed head at one size."""
    return f"{PREFIX}checkpoint/{size:020d}"


def tile_key(tile: Tile) -> str:
    """A full tile."""
    return PREFIX + tile.path()


def cosignature_key(size: int, key: Key) -> str:
    """What one witness said of the head at one size."""
    return f"{PREFIX}cosignature/{size:020d}/{key.key_id.hex()}"


def timestamp_key(size: int, authority: str) -> str:
    """The token of one time-stamping authority over the head at one size."""
    return f"{PREFIX}timestamp/{size:020d}/{authority}"


def is_name(key: str) -> bool:
    """Whether the log ever writes an object of this name."""
    rest = key.removeprefix(PREFIX)
    if _NAMES.fullmatch(rest):
        return key.startswith(PREFIX)
    tile = tiles.read_path(rest)
    return tile is not None and tile.level >= 0 and tile.width == WIDTH


# Of subtrees from this size on (16 leaves) the hash is remembered: a few bytes a leaf.
_KEPT_LEVEL: Final = 4


class LogSequence:
    """Reads the batches of one log. `keys` are those that may have signed batches: the log's own,
    older ones too. `judges_locks`: a signed batch without its lock stops whoever would go on from
    it; who only looks (an auditor) reads it and names it. Not thread-safe."""

    def __init__(self, store: ObjectStore, origin: str, keys: Iterable[Key], *,
                 judges_locks: bool = True) -> None:
        self.origin: Final = origin
        self._judges_locks = judges_locks
        self._store = store
        self._keys = tuple(keys)
        self._recent: OrderedDict[int, Read] = OrderedDict()

    def record(self, number: int) -> Read | None:
        """The batch of this number, or null while there is none.

        Raises Halt("store_unsafe") when a signed batch is there that no lock holds: to go on from
        it would be to build on what somebody can take away; Halt("format_unknown").
        """
        return self.look(number)[0]

    def look(self, number: int) -> tuple[Read | None, bool]:
        """`record`, and whether its key is taken by something that a conditional PUT would not
        pass; both by one listing, so that no writer comes between."""
        known = self._recent.get(number)
        if known is not None:
            self._recent.move_to_end(number)
            return known, True
        versions = self.versions(batch_key(number))
        for version in versions:
            read = self._authentic(number, version)
            if read is not None:
                self._recent[number] = read
                while len(self._recent) > _KEPT:
                    self._recent.popitem(last=False)
                return read, True
        return None, bool(versions) and not versions[-1].is_delete_marker

    def last(self, known: Read | None = None) -> Read | None:
        """The last batch; `known` is one of them, if the caller has one. Some twice log2 of the
        number of batches look-ups; only names are asked for that a batch would have, so that no
        junk leads astray. (Each batch was put by somebody who had read the one before it.)"""
        low = known.batch.number if known else -1
        step, high = 1, low + 1
        while (found := self.record(high)) is not None:
            known, low = found, high
            high, step = low + step, step * 2
        while high - low > 1:
            middle = (low + high) // 2
            found = self.record(middle)
            if found is None:
                high = middle
            else:
                known, low = found, middle
        return known

    def holding(self, index: int, last: Read) -> Read:
        """The batch that added leaf `index`. Raises Halt("tlog_missing") where it is gone."""
        low, high = 0, last.batch.number
        while low < high:
            middle = (low + high) // 2
            if index >= self.present(middle).batch.head.size:
                low = middle + 1
            else:
                high = middle
        return last if low == last.batch.number else self.present(low)

    def present(self, number: int) -> Read:
        """`record` of a number that there must be. Raises Halt("tlog_missing")."""
        found = self.record(number)
        if found is None:
            raise Halt("tlog_missing", f"{batch_key(number)} is not there any more")
        return found

    def versions(self, key: str) -> list[ObjectVersion]:
        """All that lies at one key, oldest first."""
        return [one for one in reversed(list(self._store.versions(key))) if one.key == key]

    def bodies(self, key: str, bytes_max: int) -> Iterator[bytes]:
        """The bytes of every version at one key, oldest first; larger ones are not fetched."""
        for version in self.versions(key):
            if version.is_delete_marker or version.size > bytes_max:
                continue
            try:
                yield self._store.get(key, version.version_id)
            except Missing:
                continue

    def _authentic(self, number: int, version: ObjectVersion) -> Read | None:
        key = version.key
        if version.is_delete_marker or version.size > BATCH_BYTES_MAX:
            return None
        try:
            read = batches.decode(self._store.get(key, version.version_id), self.origin, self._keys)
            if read.batch.number != number:
                return None
            lock = self._store.lock(key, version.version_id)
        except NewerBatch as newer:
            raise Halt("format_unknown", f"{key}: {newer}") from newer
        except (Refused, Missing):
            return None
        if self._judges_locks and (
                lock.mode not in LOCK_MODES
                or lock.retain_until // 1000 < read.batch.retain_until // 1000):
            raise Halt("store_unsafe", f"{key} is signed by the log and not locked as it states")
        return read


class LogTree:
    """The tree's hashes (port `Hashes`), from full tiles where there are some and else from the
    batches. With `stored_tiles` false from the batches alone: slower, and right whatever lies at a
    tile's name. Not thread-safe."""

    def __init__(self, sequence: LogSequence, last: Read, *, stored_tiles: bool = True) -> None:
        self.head: Final = last.batch.head
        self._sequence = sequence
        self._last = last
        self._stored = stored_tiles
        self._tiles: dict[tuple[int, int], tuple[bytes, ...]] = {}
        self._leaves: dict[int, list[bytes]] = {}
        self._complete: dict[tuple[int, int], bytes] = {}

    def complete(self, level: int, index: int) -> bytes:
        """See Hashes."""
        known = self._complete.get((level, index))
        if known is None:
            known = self._computed(level, index)
            if level >= _KEPT_LEVEL:
                # Who proves many leaves meets the same large subtrees on nearly every path.
                self._complete[level, index] = known
        return known

    def _computed(self, level: int, index: int) -> bytes:
        row, height = divmod(level, HEIGHT)
        first, count = index << height, 1 << height
        number = first // WIDTH
        if (number + 1) * WIDTH ** (row + 1) <= self.head.size:
            held = self.tile(row, number)
            return tree.subtree_root(held[first % WIDTH:first % WIDTH + count])
        return tree.subtree_root([self._hash(row, first + one) for one in range(count)])

    def tile(self, level: int, index: int) -> tuple[bytes, ...]:
        """A full tile."""
        known = self._tiles.get((level, index))
        if known is None:
            known = self._read_tile(level, index) if self._stored else None
            if known is None:
                known = self.made(Tile(level, index))
            self._tiles[level, index] = known
        return known

    def made(self, tile: Tile) -> tuple[bytes, ...]:
        """The hashes of a tile, full or partial, computed from what lies below it."""
        first = tile.index * WIDTH
        return tuple(self._hash(tile.level, first + one) for one in range(tile.width))

    def entries(self, start: int, end: int) -> list[bytes]:
        """The entries of leaves [start, end)."""
        out: list[bytes] = []
        while start < end:
            read = self._sequence.holding(start, self._last)
            low = start - read.batch.start
            out += [one.entry() for one in read.batch.leaves()[low:low + end - start]]
            start = read.batch.head.size
        return out

    def _hash(self, level: int, index: int) -> bytes:
        if level:
            return tree.subtree_root(self.tile(level - 1, index))
        known = self._tiles.get((0, index // WIDTH))
        if known is not None:
            return known[index % WIDTH]
        read = self._sequence.holding(index, self._last).batch
        hashes = self._leaves.get(read.number)
        if hashes is None:
            hashes = self._leaves[read.number] = [one.hash() for one in read.leaves()]
        return hashes[index - read.start]

    def _read_tile(self, level: int, index: int) -> tuple[bytes, ...] | None:
        key = tile_key(Tile(level, index))
        for body in self._sequence.bodies(key, WIDTH * tree.HASH_BYTES):
            try:
                return tiles.decode_tile(body)
            except Refused:
                continue
        return None
