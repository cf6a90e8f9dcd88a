"""Compares a live index with what the archive makes of itself (G5, `verify --index`).

Owns the comparison: a projection of the archive up to where the live index has got to, document by
document, all of them or one in so many. What changes meanwhile is left out, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from archive.reader import ReadEvent, SegmentRead
from schemas.document import Document, Entry
from schemas.errors import Halt
from search.follow import Difference, Follower, Reader, bind
from search.index import Index, IndexSet, Partition
from search.passing import Passing
from search.project import Heard, Projector
from search.tokens import Tokenizer


@dataclass(frozen=True, slots=True)
class Share:
    """One document in `of`, by its id, which is a keyed hash: number `which` of them."""

    of: int = 1
    which: int = 0

    def has(self, doc_id: str) -> bool:
        """Whether a document is looked at."""
        return self.of <= 1 or int(doc_id[:8], 16) % self.of == self.which


@dataclass
class Compared:
    """What one comparison saw."""

    differences: list[Difference] = field(default_factory=list)
    documents: int = 0
    changed: int = 0


def check(live: Index, reader: Reader, tokenizer: Tokenizer, scratch: IndexSet,
          share: Share | None = None) -> Compared:
    """Compare. `scratch` is empty and of the same mode; it is filled with the share.

    Raises Transient, Retired where the live index is another one now, and what a reader raises.
    """
    share, report = share or Share(), Compared()
    live.refresh()
    cursors = dict(live.state().cursors)
    fresh = scratch.open(bind(scratch))
    follower = Follower(_UpTo(reader, cursors), fresh, _Sharing(tokenizer, share), is_fresh=True)
    follower.run_to_end()
    follower.settle_erased()
    fresh.refresh()
    reached = fresh.state().cursors
    for partition, offset in sorted(cursors.items()):
        if reached.get(partition, 0) < offset:
            report.differences.append(Difference(f"cursor of {partition[0]}/{partition[1]}",
                                                 "ahead of the archive"))
    report.differences += [Difference(one, "misfiled") for one in live.misfiled()]
    try:
        _compare(live, fresh, share, cursors, report)
    except Halt as halt:
        # It is among the misfiled; what stands behind it in order was not compared.
        report.differences.append(Difference(halt.detail.split(" ")[0], "unreadable"))
    return report


def _compare(live: Index, fresh: Index, share: Share, cursors: Mapping[Partition, int],
             report: Compared) -> None:
    made = fresh.scan()
    other = next(made, None)
    for found in live.scan():
        if not _is_id(found.doc_id):
            report.differences.append(Difference(found.doc_id, "only_live"))
            continue
        if not share.has(found.doc_id):
            continue
        report.documents += 1
        while other is not None and other.doc_id < found.doc_id:
            report.differences.append(Difference(other.doc_id, "only_archive"))
            other = next(made, None)
        expected = None
        if other is not None and other.doc_id == found.doc_id:
            expected, other = other, next(made, None)
        if _is_newer(found, cursors):
            report.changed += 1
        elif expected is None:
            report.differences.append(Difference(found.doc_id, "only_live"))
        elif expected != found:
            report.differences.append(Difference(found.doc_id, "differs"))
    while other is not None:
        report.differences.append(Difference(other.doc_id, "only_archive"))
        other = next(made, None)


def _is_id(doc_id: str) -> bool:
    return len(doc_id) == 32 and all(char in "0123456789abcdef" for char in doc_id)


def _is_newer(found: Document, cursors: Mapping[Partition, int]) -> bool:
    """Whether something was said of it behind the place up to which the archive was read."""
    return any(entry.pointer.offset >= cursors.get(
        (entry.pointer.topic_id, entry.pointer.partition), 0) for entry in found.entries)


class _UpTo(Passing):
    """An archive as an index has seen it."""

    def __init__(self, reader: Reader, cursors: Mapping[Partition, int]) -> None:
        super().__init__(reader)
        self._cursors = cursors

    def partitions(self) -> list[Partition]:
        """See Reader."""
        return [one for one in super().partitions() if one in self._cursors]

    def follow(self, topic_id: str, partition: int, next_offset: int) -> Iterator[SegmentRead]:
        """See Reader."""
        end = self._cursors[topic_id, partition]
        if next_offset >= end:
            return
        for read in super().follow(topic_id, partition, next_offset):
            if read.first >= end:
                return
            yield read


class _Sharing(Projector):
    """Projects the documents of a share, and drops the others."""

    def __init__(self, tokenizer: Tokenizer, share: Share) -> None:
        super().__init__(tokenizer)
        self._share = share

    def project(self, read: ReadEvent, retain_until: int,
                heard: Heard | None = None) -> tuple[str, Entry] | None:
        """See Projector."""
        made = super().project(read, retain_until, heard)
        return made if made is not None and self._share.has(made[0]) else None
