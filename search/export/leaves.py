"""Where cells stand in the transparency log, and the tree that they are proved in.

Owns the way from a cell's place in the archive to its leaf: by search where a few are needed, by
one walk where the whole log is shown.
"""

from __future__ import annotations

from collections.abc import Iterator

from archive.tlog import tree
from archive.tlog.batch import Batch, Read
from archive.tlog.checkpoint import Head
from archive.tlog.leaf import Leaf
from archive.tlog.prover import Prover
from archive.tlog.sequence import LogSequence, LogTree
from schemas.errors import Missing, Refused
from schemas.wire import Pointer

Cell = tuple[str, int]
"""(segment's key, byte at which the cell begins)."""


class Leaves:
    """Of one log, as `last` left it. Keeps what it has read of it, where single cells are asked
    for."""

    def __init__(self, sequence: LogSequence, last: Read) -> None:
        self._sequence, self._last = sequence, last
        self._prover = Prover(sequence, last)
        self._tree = LogTree(sequence, last)
        self._bare: LogTree | None = None
        self._known: dict[Cell, tuple[int, Leaf]] = {}
        self._by_number: dict[int, Leaf] = {}
        self._walked: set[int] = set()

    def of(self, pointer: Pointer) -> tuple[int, Leaf]:
        """The number of the leaf of a datum's cell, and the leaf. Raises Missing where the log does
        not hold it (yet)."""
        cell = pointer.segment, pointer.start
        if cell not in self._known:
            index = self._prover.leaf_at(*cell)
            self._walk(self._sequence.holding(index, self._last).batch)
        return self._known[cell]

    def number(self, pointer: Pointer) -> int | None:
        """The number of the leaf of a datum's cell; null where the log does not hold it (yet)."""
        try:
            return self.of(pointer)[0]
        except Missing:
            return None

    def every(self, size: int) -> Iterator[tuple[int, Leaf]]:
        """All leaves of the tree of `size`, in order."""
        number = 0
        while number <= self._last.batch.number:
            batch = (self._last if number == self._last.batch.number
                     else self._sequence.present(number)).batch
            if batch.start >= size:
                return
            # Not kept: of a whole log few leaves are asked for again.
            for index, leaf in enumerate(batch.leaves(), batch.start):
                if index < size:
                    yield index, leaf
            number += 1

    def at(self, index: int) -> Leaf:
        """The leaf of a number below the log's size."""
        if index not in self._by_number:
            self._walk(self._sequence.holding(index, self._last).batch)
        return self._by_number[index]

    def path(self, index: int, leaf: Leaf, head: Head) -> tuple[bytes, ...]:
        """From a leaf to the root of `head`; checked. Raises Refused where it does not lead there:
        the checkpoint is of another log, or the log is damaged."""
        try:
            found = tree.inclusion(self._tree, index, head.size)
            tree.check_inclusion(leaf.hash(), index, head.size, found, head.root)
        except Refused:
            # A tile was changed: the batches make it again (archive/tlog/prover.py).
            self._bare = self._bare or LogTree(self._sequence, self._last, stored_tiles=False)
            found = tree.inclusion(self._bare, index, head.size)
            tree.check_inclusion(leaf.hash(), index, head.size, found, head.root)
        return found

    def _walk(self, batch: Batch) -> list[tuple[int, Leaf]]:
        found = list(enumerate(batch.leaves(), batch.start))
        if batch.number not in self._walked:
            self._walked.add(batch.number)
            for index, leaf in found:
                self._known[leaf.segment.key, leaf.cell.start] = index, leaf
                self._by_number[index] = leaf
        return found
