"""The follower: segments of the archive, in order, into one index (DESIGN §7, PROTOCOL I3, I4).

Owns the order of the three steps that make replay harmless: words first, then the documents that
hold them, cursors after. A follower is bound to one concrete index; the state of the world lives in
that index and the archive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from archive.reader import SegmentRead
from schemas import document as shape
from schemas import events
from schemas.document import Document, Entry
from schemas.errors import CounterfoilError, Halt, Missing, Refused, Transient
from schemas.wire import Pointer
from search.erased import Erased, Sweeper, acts_known
from search.index import Index, IndexSet, Outdated, Partition, Retired, Write
from search.newwords import NewWords
from search.partwatch import waiting_sets
from search.project import Projector, complete_sets, document, entry_key
from search.vocabulary import Book

# Entries gathered before they are written; a segment is never cut, so the last may go over.
# Two batches are held at a time: one under way to the index, one that grows.
BATCH_ENTRIES_MAX: Final = 2_500
# The same for their words, which are most of what a batch takes in memory.
_BATCH_TERMS_MAX: Final = 500_000
# Segments read in one turn; the caller looks up in between.
TURN_SEGMENTS_MAX: Final = 200
# Writers that meet on one document each win once; more rounds than this is no ordinary meeting.
_ROUNDS_MAX: Final = 50
# What is said about a message that is most likely indexed already: read before it is written. What
# begins a document is created unread; that it was there after all is a conflict like any other.
_FOLLOWING_KINDS: Final = frozenset({
    events.EDIT, events.RETRACTION, events.RESTORATION, events.REACTION, events.RECEIPT,
    events.REVIEW, events.DERIVED, events.POLICY, shape.PART,
})


class Reader(Protocol):
    """What the follower asks of the archive (`archive.reader.ArchiveReader`)."""

    def partitions(self) -> list[Partition]:
        """Every partition that has a segment."""

    def follow(self, topic_id: str, partition: int, next_offset: int) -> Iterator[SegmentRead]:
        """Verified segments from `next_offset` on, in order. Raises Halt on a broken chain."""

    def read(self, pointer: Pointer) -> bytes:
        """One datum, verified. Raises Missing (key or object gone) or Refused."""

    def home(self, pointer: Pointer) -> tuple[bytes, int]:
        """Key domain and generation that a datum lies under. Raises as `read` does."""

    @property
    def wordbook(self) -> Book:
        """What seals words under the domain keys that the archive is read with."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn did. No segments and not retired = everything archived is indexed."""

    segments: int = 0
    events: int = 0
    documents: int = 0
    retired: bool = False


class Follower:
    """Binds an archive to one index. Several may run on one index: the result is the same."""

    def __init__(self, reader: Reader, index: Index, projector: Projector, *,
                 batch_entries_max: int = BATCH_ENTRIES_MAX,
                 takes: Callable[[Partition], bool] = lambda partition: True,
                 is_fresh: bool = False) -> None:
        """`takes`: which partitions are this follower's; several processes may share them out.
        `is_fresh`: of an index that nobody reads yet: what was erased leaves it in the end, at
        once (`settle_erased`)."""
        self._reader = reader
        self._index = index
        self._projector = projector
        self._words = NewWords(index.words(), reader.wordbook)
        self._batch_entries_max = batch_entries_max
        self._takes = takes
        # Documents in which a large event was not whole when they were made: `partwatch` looks.
        self.parts_wait: set[str] = set()
        self._erased: Erased | None = None
        self._is_fresh, self._unswept = is_fresh, False
        self._under_way: _UnderWay | None = None
        self._segments = self._events = self._documents = 0  # of the turn

    def turn(self, segments_max: int = TURN_SEGMENTS_MAX) -> Turn:
        """Index up to about `segments_max` segments that the index has not seen.

        Raises Transient (try again), Halt("cursor_ahead") when the index belongs to another
        archive, and what `Reader.follow` raises. After a crash at any point the same turn runs
        again from the stored cursors and stores the same documents.
        """
        state = self._index.state()
        if state.retired:
            return Turn(retired=True)
        partitions = self._reader.partitions()
        foreign = set(state.cursors) - set(partitions)
        if foreign:
            raise Halt("cursor_ahead", f"the index knows {len(foreign)} partitions that the "
                                       "archive does not have")
        self._segments = self._events = self._documents = 0
        try:
            if self._erased is None:
                self._index.refresh()
                self._erased = Erased(acts_known(self._index, self._reader))
                self._unswept = bool(self._erased.homes)
            self._read_on(filter(self._takes, partitions), state.cursors, segments_max)
        except Retired:
            return self._so_far(retired=True)
        finally:
            self._abandon()
        return self._so_far()

    def run_to_end(self) -> Turn:
        """Turns until everything that is archived now is indexed, or the index is retired."""
        total = Turn()
        while True:
            turn = self.turn()
            total = Turn(total.segments + turn.segments, total.events + turn.events,
                         total.documents + turn.documents, turn.retired)
            if turn.retired or not turn.segments:
                return total

    def settle_erased(self) -> None:
        """No trace of what was erased is left, whoever wrote it and in what order. Raises
        Transient. For an index that several filled, before it is in force."""
        if self._erased is not None and self._unswept:
            Sweeper(self._index, self._reader, self._projector).sweep(self._erased.homes)
        self._unswept = False

    def _heard(self, batch: _Batch, read: SegmentRead) -> _Batch:
        """What this segment says of erasures is in force before it is indexed; returns the batch to
        go on with. A crash after the sweep reads the segment again, and sweeps again."""
        assert self._erased is not None
        fresh = self._erased.take(read.events)
        if not fresh:
            return batch
        self._unswept = True
        if self._is_fresh:
            return batch
        self._start(batch)
        self._settle()
        Sweeper(self._index, self._reader, self._projector).sweep(fresh)
        return _Batch()

    def _read_on(self, partitions: Iterable[Partition], cursors: Mapping[Partition, int],
                 segments_max: int) -> None:
        """While a batch is under way to the index, the next is read and projected."""
        batch = _Batch()
        for partition in partitions:
            for read in self._reader.follow(*partition, cursors.get(partition, 0)):
                self._segments += 1
                self._events += len(read.events)
                batch = self._heard(batch, read)
                self._add(batch, partition, read)
                if batch.size >= self._batch_entries_max or batch.terms >= _BATCH_TERMS_MAX:
                    self._start(batch)
                    batch = _Batch()
                if self._segments >= segments_max:
                    break
            if self._segments >= segments_max:
                break
        self._start(batch)
        self._settle()

    def _so_far(self, *, retired: bool = False) -> Turn:
        return Turn(self._segments, self._events, self._documents, retired)

    def _add(self, batch: _Batch, partition: Partition, read: SegmentRead) -> None:
        gone = self._erased.homes if self._erased is not None else frozenset()
        for found in read.events:
            home = found.domain, found.generation
            # Also where a cached key would still open it.
            event = found._replace(datum=None, problem=shape.ERASED) if home in gone else found
            projected = self._projector.project(event, read.retain_until, self._words.of(home))
            if projected is not None:
                batch.entries.setdefault(projected[0], []).append(projected[1])
                batch.size += 1
                batch.terms += projected[1].term_count
        batch.cursors[partition] = read.last + 1

    def _start(self, batch: _Batch) -> None:
        """Settle the batch under way, then set this one on its way."""
        if not batch.cursors:
            return
        writes: list[Write] = []
        known: list[str] = []
        for doc_id, new in batch.entries.items():
            if all(entry.kind in _FOLLOWING_KINDS for entry in new):
                known.append(doc_id)
            else:
                writes.append(Write(self._joined(document(doc_id, new)), None))
        # From here a pattern finds every word of this batch, and no document with it yet. The batch
        # before is still under way meanwhile.
        self._words.store()
        # Only now: what is read next may lie in the batch before.
        self._settle()
        writes += self._merged(batch.entries, known)
        # From here documents of this batch may be stored; its cursors move when all of them are.
        self._under_way = _UnderWay(batch, len(writes), self._index.start(writes, batch.cursors))

    def _settle(self) -> None:
        """The batch under way is stored, cursors and all, when this returns.

        A conflict means that somebody stored first: read theirs, merge, put again. Nobody's entry
        is lost, because the union holds both."""
        if self._under_way is None:
            return
        sent, self._under_way = self._under_way, None
        conflicts, count = sent.answer(), sent.writes
        for _ in range(_ROUNDS_MAX):
            self._documents += count - len(conflicts)
            if not conflicts:
                return
            # Here the others are stored and no cursor moved.
            writes = self._merged(sent.batch.entries, conflicts)
            conflicts, count = self._index.put(writes, sent.batch.cursors), len(writes)
        raise Transient("other writers changed the same documents again and again")

    def _abandon(self) -> None:
        """Wait for what is under way after something else failed; how it went is not asked. The
        cursors in the index say what was stored, and whatever was not is read again."""
        if self._under_way is not None:
            sent, self._under_way = self._under_way, None
            with suppress(CounterfoilError):
                sent.answer()

    def _merged(self, entries: Mapping[str, Iterable[Entry]],
                doc_ids: Iterable[str]) -> list[Write]:
        """These documents with what is stored of them; those that it changes. Their words are
        stored, also those of a large event that was joined just now."""
        wanted = list(doc_ids)
        stored = self._index.get(wanted) if wanted else {}
        writes: list[Write] = []
        for doc_id in wanted:
            held = stored.get(doc_id)
            old = held.document.entries if held else ()
            merged = self._joined(document(doc_id, (*old, *entries[doc_id])))
            if held is None or merged.entries != old:
                writes.append(Write(merged, held.version if held else None))
        self._words.store()
        return writes

    def _joined(self, found: Document) -> Document:
        """The document with every large event whose parts are all there (PROTOCOL C3)."""
        if shape.PART not in found.kinds:
            return found
        known = {entry_key(entry) for entry in found.entries}
        new: list[Entry] = []
        for chain in complete_sets(found.entries):
            if (*entry_key(chain[0])[:-1], True) in known:
                continue
            new.append(self._join(chain))
        joined = document(found.doc_id, (*found.entries, *new)) if new else found
        if waiting_sets(joined.entries):
            self.parts_wait.add(found.doc_id)
        return joined

    def _join(self, chain: tuple[Entry, ...]) -> Entry:
        try:
            datums = [self._reader.read(entry.pointer) for entry in chain]
            home = self._reader.home(chain[0].pointer)
        except Missing:
            return self._projector.unreadable(chain, "key_lost")
        except Refused:
            return self._projector.unreadable(chain, "cell_unreadable")
        return self._projector.join(chain, datums, self._words.of(home))


class _Batch:
    """What is gathered before a write: entries by document, and where each partition then is."""

    def __init__(self) -> None:
        self.entries: dict[str, list[Entry]] = {}
        self.cursors: dict[Partition, int] = {}
        self.size = 0
        self.terms = 0


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A batch that the index has, of how many documents, and how to ask what became of it."""

    batch: _Batch
    writes: int
    answer: Callable[[], frozenset[str]]


def bind(indexes: IndexSet) -> str:
    """The index to follow into: the current one; made when there is none yet."""
    return indexes.current() or indexes.first()


def ready(reader: Reader, indexes: IndexSet, projector: Projector) -> str:
    """`bind`, but an index of another shape is first rebuilt behind the readers' back."""
    name = bind(indexes)
    try:
        indexes.open(name)
    except Outdated:
        return rebuild(reader, indexes, projector)
    return name


def rebuild(reader: Reader, indexes: IndexSet, projector: Projector,
            fill: Callable[[str], None] = lambda name: None) -> str:
    """A new index from the archive alone, swapped in once it has reached the live one.

    Returns its name. The old index is retired, not dropped: its follower stops by itself. After a
    crash the unfinished index is never current; calling again builds another. `fill` may do the
    most of it first, in whatever order and with however many followers.
    """
    bind(indexes)
    name = indexes.create()
    fresh = indexes.open(name)
    fill(name)
    follower = Follower(reader, fresh, projector, is_fresh=True)
    while True:
        follower.run_to_end()
        follower.settle_erased()
        if _reached(fresh, indexes):
            break
    fresh.refresh()
    indexes.swap(name)
    return name


def _reached(fresh: Index, indexes: IndexSet) -> bool:
    try:
        live = indexes.open(bind(indexes))
    except Outdated:
        return True  # nobody of this version follows into it
    reached = fresh.state().cursors
    return all(reached.get(partition, 0) >= offset
               for partition, offset in live.state().cursors.items())


@dataclass(frozen=True, slots=True)
class Difference:
    """A document in which two indexes differ. `how`: only_first | only_second | differs."""

    doc_id: str
    how: str


def compare(first: Index, second: Index) -> Iterator[Difference]:
    """Where two indexes of one archive differ, by ascending doc_id; nothing = G5 holds."""
    left, right = first.scan(), second.scan()
    a, b = next(left, None), next(right, None)
    while a is not None or b is not None:
        if b is None or (a is not None and a.doc_id < b.doc_id):
            assert a is not None
            yield Difference(a.doc_id, "only_first")
            a = next(left, None)
        elif a is None or b.doc_id < a.doc_id:
            yield Difference(b.doc_id, "only_second")
            b = next(right, None)
        else:
            if a != b:
                yield Difference(a.doc_id, "differs")
            a, b = next(left, None), next(right, None)
