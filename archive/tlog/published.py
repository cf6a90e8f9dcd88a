"""What stands published of the log: its newest checkpoint, and the newest that others vouch for.

Owns finding them from the last batch backwards, so that nothing is listed that was never asked for.
Reads objects only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from archive.authentic import Authenticator, chain
from archive.store import ObjectStore
from archive.tail import partition_names
from archive.tlog import checkpoint, note
from archive.tlog.batch import End, Read
from archive.tlog.note import Key, Note, Signed
from archive.tlog.sequence import PREFIX, LogSequence, checkpoint_key
from archive.tlog.witnessing import witnessed
from schemas.errors import Refused

# So many batches back a vouched checkpoint is looked for: a week of one a minute.
BACK_MAX: Final = 10_000


def newest(sequence: LogSequence, last: Read, keys: Iterable[Key]) -> Note | None:
    """The newest checkpoint that lies in the store, at most one behind the last batch unless
    somebody damaged it; null where none reads."""
    known = tuple(keys)
    number = last.batch.number
    while number >= 0:
        found = _at(sequence, sequence.present(number), known)
        if found is not None:
            return found
        number -= 1
    return None


def vouched(store: ObjectStore, sequence: LogSequence, last: Read, keys: Iterable[Key],
            witnesses: Sequence[Key], size_min: int = 0) -> tuple[Note, list[Signed]] | None:
    """The newest checkpoint of at least `size_min` leaves that one of `witnesses` cosigned, with
    all their cosignatures; null where there is none among the last BACK_MAX batches."""
    if not witnesses:
        return None
    known = tuple(keys)
    first = sequence.present(max(0, last.batch.number - BACK_MAX)).batch
    after = f"{PREFIX}cosignature/{max(first.head.size, size_min):020d}"
    sizes = {int(version.key.split("/")[2]) for version in
             store.versions(f"{PREFIX}cosignature/", after)
             if version.key.split("/")[2].isdecimal()}
    for size in sorted(sizes, reverse=True):
        signed = at_size(sequence, last, known, size)
        if signed is None:
            continue
        whole, by = witnessed(sequence, signed, witnesses)
        if by:
            return whole, by
    return None


def at_size(sequence: LogSequence, last: Read, keys: Iterable[Key], size: int) -> Note | None:
    """The checkpoint of `size` leaves as it lies in the store; null where there is none."""
    if not 0 < size <= last.batch.head.size:
        return None
    read = sequence.holding(size - 1, last)
    return _at(sequence, read, tuple(keys)) if read.batch.head.size == size else None


def waiting(store: ObjectStore, authenticator: Authenticator, ends: Iterable[End]) -> int:
    """Partitions with a segment of record behind `ends`, which is where the log has got to."""
    known = {(one.topic, one.topic_id, one.partition): one.next_offset for one in ends}
    count = 0
    for name in partition_names(store):
        place = (name.topic, name.topic_id.hex(), name.partition)
        count += any(found is not None for _, found, _ in
                     chain(store, authenticator, name, known.get(place, 0)))
    return count


def _at(sequence: LogSequence, read: Read, keys: Sequence[Key]) -> Note | None:
    """The checkpoint of a batch, if one lies there that reads and is that of its tree."""
    for body in sequence.bodies(checkpoint_key(read.batch.head.size), note.NOTE_BYTES_MAX):
        try:
            signed = note.read_bytes(body)
            found, _ = checkpoint.opened(signed, keys)
        except Refused:
            continue
        if (found.origin, found.head) == (sequence.origin, read.batch.head):
            return signed
    return None
