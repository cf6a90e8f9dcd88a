"""What the log hands out: the proof of one cell, of one head after another, and the whole of it as
files.

Owns finding a cell's leaf and proving it. Every proof is checked before it leaves: a damaged tile
costs time (the batches make it again), never a wrong answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from archive import layout
from archive.tlog import tiles, tree
from archive.tlog.batch import Batch, Read
from archive.tlog.checkpoint import Head, read_text
from archive.tlog.leaf import Leaf
from archive.tlog.note import Note
from archive.tlog.proof import TlogProof
from archive.tlog.sequence import LogSequence, LogTree
from schemas.errors import Missing, Refused


class Prover:
    """Proves from the log as `last` left it."""

    def __init__(self, sequence: LogSequence, last: Read) -> None:
        self._sequence = sequence
        self._last = last
        self._tree = LogTree(sequence, last)

    def locate(self, key: str, cell: int) -> tuple[int, Leaf]:
        """The leaf of a cell, by its segment's key and its number there. Raises Missing when the
        log does not hold it (yet)."""
        name = layout.read_segment(key)
        if name is None:
            raise Missing(f"{key} is no segment")
        low, high = 0, self._last.batch.number
        if _end(self._last.batch, name) <= name.expected:
            raise Missing(f"{key} is not in the log")
        while low < high:
            middle = (low + high) // 2
            if _end(self._sequence.present(middle).batch, name) > name.expected:
                high = middle
            else:
                low = middle + 1
        batch = self._sequence.present(low).batch
        for index, leaf in enumerate(batch.leaves(), batch.start):
            if (leaf.segment.key, leaf.cell.cell) == (key, cell):
                return index, leaf
        raise Missing(f"cell {cell} of {key} is not in the log")

    def leaf_at(self, key: str, start: int) -> int:
        """The number of the leaf whose cell begins at byte `start` of a segment. Raises Missing."""
        index, _ = self.locate(key, 0)
        for listed in self._sequence.holding(index, self._last).batch.segments:
            if listed.facts.key == key:
                for number, cell in enumerate(listed.cells):
                    if cell.start == start:
                        return index + number
        raise Missing(f"no cell of {key} begins at {start}")

    def cell(self, key: str, number: int, signed: Note,
             extra: bytes | None = None) -> tuple[TlogProof, Leaf]:
        """The proof that a cell's leaf is in the tree of a checkpoint of this log. Raises Missing,
        and Refused where the checkpoint is of another tree."""
        index, leaf = self.locate(key, number)
        head = read_text(signed.text).head
        if not index < head.size <= self._last.batch.head.size:
            raise Missing(f"the checkpoint of {head.size} leaves does not hold leaf {index}")

        def check(path: tuple[bytes, ...]) -> None:
            tree.check_inclusion(leaf.hash(), index, head.size, path, head.root)

        path = self._proved(lambda log: tree.inclusion(log, index, head.size), check)
        return TlogProof(index, path, signed, extra), leaf

    def consistency(self, old: Head, new: Head) -> tuple[bytes, ...]:
        """That the tree of `new` begins with that of `old`. Raises Refused where it does not."""
        def check(path: tuple[bytes, ...]) -> None:
            tree.check_consistency(old.size, new.size, path, old.root, new.root)

        return self._proved(lambda log: tree.consistency(log, old.size, new.size), check)

    def consistency_from(self, old: int, new: Head) -> tuple[bytes, ...]:
        """The same from a size alone, for a witness that tells no more."""
        return self.consistency(Head(old, self._root_at(old)), new)

    def files(self, signed: Note) -> Iterator[tuple[str, bytes]]:
        """The log at a checkpoint as C2SP's static files, by their paths; the checkpoint last.
        Made from the batches alone."""
        size = read_text(signed.text).head.size
        log = LogTree(self._sequence, self._last, stored_tiles=False)
        for tile in tiles.tiles_of(size):
            yield tile.path(), tiles.encode_tile(log.made(tile))
        for bundle in tiles.bundles_of(size):
            first = bundle.index * tiles.WIDTH
            yield bundle.path(), tiles.encode_bundle(log.entries(first, first + bundle.width))
        yield "checkpoint", signed.render().encode()

    def _root_at(self, size: int) -> bytes:
        return tree.root_at(LogTree(self._sequence, self._last, stored_tiles=False), size)

    def _proved(self, make: Callable[[LogTree], tuple[bytes, ...]],
                check: Callable[[tuple[bytes, ...]], None]) -> tuple[bytes, ...]:
        try:
            path = make(self._tree)
            check(path)
        except Refused:
            # A tile that was changed, or a head that is none of ours: without tiles it shows.
            path = make(LogTree(self._sequence, self._last, stored_tiles=False))
            check(path)
        return path


def _end(batch: Batch, name: layout.SegmentName) -> int:
    place = (name.topic, name.topic_id.hex(), name.partition)
    return next((one.next_offset for one in batch.ends
                 if (one.topic, one.topic_id, one.partition) == place), 0)
