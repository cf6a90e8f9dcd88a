"""The notary: puts every cell of the archive into the log, once and in one order (PROTOCOL N1).

Owns the sequencing: one conditional PUT of `log/batch/<n>` decides what comes next, whoever made
it. Nobody signs or publishes a head before the batch that leads to it was read back as the winner,
and a signer never puts its name to a head that does not contain the last one that it signed.
Holds the log's signing key and no content key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from archive.authentic import UNKNOWN_WRITER, Authenticator, in_order, is_locked
from archive.layout import SegmentName
from archive.merkle import EMPTY_ROOT
from archive.segment import NO_PREVIOUS
from archive.store import ObjectStore
from archive.tail import partition_names
from archive.tlog import batch as batches
from archive.tlog import checkpoint, note, tiles, tree
from archive.tlog.batch import LEAVES, Batch, End, Listed, Read
from archive.tlog.checkpoint import Head, Latest
from archive.tlog.note import Key, Note, Signer
from archive.tlog.sequence import LogSequence, LogTree, batch_key, checkpoint_key, tile_key
from schemas.errors import Ambiguous, Exists, Halt, Refused, Transient

_BACKOFF_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)   # then Transient: nothing is decided


@dataclass(frozen=True, slots=True)
class Ports:
    """What a notary works with. `lock_until` gives the end of a lock (UTC ms) for what is put at
    a time (UTC ms); `older_keys` are keys of the log that signed batches before this one's time;
    `sleep` takes seconds."""

    store: ObjectStore
    authenticator: Authenticator
    latest: Latest
    signer: Signer
    clock: Callable[[], int]
    lock_until: Callable[[int], int]
    sleep: Callable[[float], None]
    older_keys: tuple[Key, ...] = ()


class Notary:
    """One notary of one log; the log's origin is the signer's name. Any number of them, on any
    number of machines, make one log. Not thread-safe."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._store = ports.store
        self._signer = ports.signer
        self.origin: Final = ports.signer.key.name
        self.sequence: Final = LogSequence(ports.store, self.origin,
                                           (ports.signer.key, *ports.older_keys))
        self._last: Read | None = None
        self._published = -1
        # A segment that the last turn met and may not put into the log yet, and why; or "".
        self.held_back = ""

    def turn(self, batches_max: int = 2**31) -> int:
        """Brings the log up to the archive's end, or that many batches nearer to it; how many
        leaves were added since this notary looked last, whoever added them.

        Raises Transient when the store cannot be reached (the same turn may be made again), Halt
        where the archive's chain or the log's does not hold.
        """
        # Loaded before the batches are looked at: whoever saved it had read its batch by then.
        signed = self._ports.latest.load(self.origin)
        before = self._last.batch.head.size if self._last else 0
        self._last = self.sequence.last(self._last)
        self._check_signed(signed)
        # What a crash left between a batch and its files is made up for, before anything follows.
        self._publish()
        for _ in range(batches_max):
            batch = self._next()
            if batch is None:
                break
            self._last = self._put(batch)
            self._publish()
        return (self._last.batch.head.size if self._last else 0) - before

    def head(self) -> Head | None:
        """The head of the last turn, or null while the log is empty."""
        return self._last.batch.head if self._last else None

    def last(self) -> Read | None:
        """The last batch of the last turn, or null."""
        return self._last

    def checkpoint(self) -> Note | None:
        """The signed head of the last turn, or null."""
        head = self.head()
        return checkpoint.signed(self.origin, head, self._signer) if head else None

    def tree(self, *, stored_tiles: bool = True) -> LogTree:
        """The tree of the last turn; there is one."""
        assert self._last is not None, "the log is empty"
        return LogTree(self.sequence, self._last, stored_tiles=stored_tiles)

    def _next(self) -> Batch | None:
        """The batch that would come next, or null when there is nothing to add."""
        last = self._last.batch if self._last else None
        ends = {(one.topic, one.topic_id, one.partition): one for one in last.ends} if last else {}
        self.held_back = ""
        listed: list[Listed] = []
        room = LEAVES
        for name in partition_names(self._store):
            if room <= 0:
                break
            place = (name.topic, name.topic_id.hex(), name.partition)
            for one in self._new_segments(name, ends.get(place), room):
                listed.append(one)
                room -= len(one.cells)
                ends[place] = End(*place, one.facts.last + 1, one.facts.segment)
        if not listed:
            return None
        now = self._ports.clock()
        # Its own objects stay as long as the longest of what it speaks of.
        until = max(self._ports.lock_until(now), last.retain_until if last else 0,
                    *(one.facts.retain_until for one in listed))
        return batches.following(self._last, self.origin, listed, list(ends.values()), now, until)

    def _new_segments(self, name: SegmentName, end: End | None, room: int) -> Iterator[Listed]:
        """Segments of record behind `end`, until they have `room` cells. Raises Halt where the
        chain does not hold: the log must not go on past a hole as if there were none."""
        expected = end.next_offset if end else 0
        previous = bytes.fromhex(end.sha256) if end else NO_PREVIOUS
        for begins, found, seen in in_order(self._store, self._ports.authenticator, name,
                                            expected):
            if found is None:
                # Junk is verify's to name; it is never put into the log.
                if any(one.detail == UNKNOWN_WRITER for one in seen):
                    self.held_back = f"{seen[0].where}: {UNKNOWN_WRITER}"
                continue
            if begins != expected:
                code = "segment_missing" if begins > expected else "record_duplicated"
                raise Halt(code, f"{found.key}: expected offset {expected}")
            if found.segment.header.previous != previous:
                raise Halt("chain_broken", f"{found.key} does not follow its predecessor")
            if not is_locked(self._store, found):
                self.held_back = f"{found.key}: nothing locks it as its header states"
                return  # what nothing holds is no segment yet (PROTOCOL S2)
            listed = batches.listed(found)
            yield listed
            room -= len(listed.cells)
            if room <= 0:
                return
            expected, previous = found.segment.header.last + 1, found.segment.sha256

    def _put(self, batch: Batch) -> Read:
        """The batch of record of this number, ours or not."""
        key = batch_key(batch.number)
        body = batches.encode(batch, self._signer.key, self._signer.sign)
        for delay in _BACKOFF_S:
            # Looked at first: over a delete marker a conditional PUT succeeds a second time [R].
            found, taken = self.sequence.look(batch.number)
            if found is not None:
                return self._following(found)
            if taken:
                # No second name is tried: two names for one number are two logs. An operator puts
                # a delete marker over the stranger's object, and the next PUT goes through.
                raise Halt("tlog_squatted", f"{key} is held by an object that is no batch")
            try:
                self._store.put_once(key, body, batch.retain_until)
            except Exists:
                pass      # somebody was faster: read who won
            except Ambiguous:
                pass      # perhaps applied: read back; if absent, the same bytes again
            except Transient:
                self._ports.sleep(delay)
                continue  # not applied
            # From here either our batch or another's is the record, or nothing is. What the store
            # holds counts, not what it said; nothing is signed before that is known.
            found = self.sequence.record(batch.number)
            if found is not None:
                return self._following(found)
            self._ports.sleep(delay)
        raise Transient(f"{key} could not be stored")

    def _following(self, found: Read) -> Read:
        try:
            batches.check_follows(self._last, found.batch)
        except Refused as error:
            raise Halt("tlog_forked", f"{batch_key(found.batch.number)}: {error}") from error
        return found

    def _check_signed(self, signed: Head | None) -> None:
        """The log in the store contains the last head that this signer put its name to."""
        if signed is None:
            return
        size = self._last.batch.head.size if self._last else 0
        if signed.size > size:
            raise Halt("tlog_forked", f"this signer signed a log of {signed.size} leaves, the "
                                      f"store holds one of {size}")
        if signed.root != self._root_at(signed.size):
            raise Halt("tlog_forked", f"this signer signed another log of {signed.size} leaves")

    def _root_at(self, size: int) -> bytes:
        if self._last is None or size == 0:
            return EMPTY_ROOT
        if size == self._last.batch.head.size:
            return self._last.batch.head.root
        held = self.sequence.holding(size - 1, self._last).batch.head
        if held.size == size:
            return held.root   # signed by the log, and bound into every later batch
        return tree.root_at(self.tree(stored_tiles=False), size)

    def _publish(self) -> None:
        """Tiles, then the checkpoint, of the last batch. Made twice, or by two at once, they are
        the same bytes."""
        if self._last is None or self._published == self._last.batch.number:
            return
        batch = self._last.batch
        if not self._advance(batch.head):
            return  # this signer has signed a later head already: that one's files are its affair
        log = self.tree()
        for tile in tiles.completed(batch.start, batch.head.size):
            self._keep(tile_key(tile), tiles.encode_tile(log.made(tile)), batch)
        # The tiles of a checkpoint are there before it is.
        signed = checkpoint.signed(self.origin, batch.head, self._signer).render().encode()
        self._check_other(batch.head)
        self._keep(checkpoint_key(batch.head.size), signed, batch)
        self._published = batch.number

    def _advance(self, head: Head) -> bool:
        """Remembers `head` as the last that this signer signs, durably, before it does. False when
        it has signed a larger one. A crash after this line signs the same head again."""
        while True:
            known = self._ports.latest.load(self.origin)
            if known == head:
                return True
            if known is not None and known.size >= head.size:
                if known.size == head.size:
                    raise Halt("tlog_forked", f"another log of {head.size} leaves was signed")
                return False
            if known is not None and self._root_at(known.size) != known.root:
                raise Halt("tlog_forked", f"the log of {head.size} leaves does not contain the "
                                          f"one of {known.size} that was signed")
            if self._ports.latest.swap(self.origin, known, head):
                return True

    def _check_other(self, head: Head) -> None:
        """A checkpoint of this size with another root, signed by a key of the log, is the proof
        that somebody forked it."""
        for body in self.sequence.bodies(checkpoint_key(head.size), note.NOTE_BYTES_MAX):
            try:
                found, _ = checkpoint.opened(note.read_bytes(body),
                                             (self._signer.key, *self._ports.older_keys))
            except Refused:
                continue  # junk: verify's to name
            if found.origin == self.origin and found.head != head:
                raise Halt("tlog_forked", f"{checkpoint_key(head.size)} is signed for another tree")

    def _keep(self, key: str, body: bytes, batch: Batch) -> None:
        """`body` lies at `key`, perhaps below what somebody put there since, when this returns.
        Where a stranger's object holds the name, nothing is lost: the batches make the file again.
        """
        until = max(batch.retain_until, self._ports.lock_until(self._ports.clock()))
        for delay in _BACKOFF_S:
            if self.sequence.versions(key):
                return
            try:
                self._store.put_once(key, body, until)
            except Exists:
                return
            except Ambiguous:
                continue      # look again
            except Transient:
                self._ports.sleep(delay)
                continue
            return
        raise Transient(f"{key} could not be stored")
