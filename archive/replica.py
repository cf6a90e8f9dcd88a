"""A second copy of the archive: the objects of record and the key records, under the same names.

Owns what is copied, in which order, and what is never done: nothing in the copy is written over,
nothing of it is deleted but the key records that a signed erasure lists. Whoever compares the two
is `archive/replicacheck.py`. Stores, scratch space and pauses are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import groupby
from typing import BinaryIO, Final, Protocol, TypeVar

from archive import formats, layout
from archive.authentic import LOCK_MODES, Authenticator, winner
from archive.keyring import Keyring, KeyService, opened
from archive.layout import SegmentName
from archive.retention import DAY_MS
from archive.store import Lock, ObjectStore, ObjectVersion
from schemas import limits
from schemas.errors import Exists, Missing, Refused, Transient

# What explains comes before what needs it: a copy that stops half way holds no segment whose
# dictionary or files it lacks, but those that came meanwhile.
PREFIXES: Final = (layout.DICTIONARIES, layout.SCHEMAS, layout.MEDIA, layout.SEGMENTS, layout.LOG)
PIECE_BYTES: Final = 8 * 1024 * 1024
_OFFSET_DIGITS: Final = 20
_T = TypeVar("_T")


class Again(Protocol):
    """A call once more, after a pause, while it raises Transient."""

    def __call__(self, call: Callable[[], _T], /) -> _T:
        """What the call gives."""


class CopyStore(ObjectStore, Protocol):
    """A store that also takes a large object from a file."""

    def put_file(self, key: str, body: BinaryIO, retain_until: int) -> None:
        """As `put_once`, from the stream's beginning to its end."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What the copying works on. `scratch`: these pieces as a file, gone afterwards. `clock`: UTC
    ms."""

    source: ObjectStore
    target: CopyStore
    authenticator: Authenticator
    scratch: Callable[[Iterator[bytes]], AbstractContextManager[BinaryIO]]
    again: Again
    clock: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one pass did: objects of record seen, copied now, their bytes, locks made longer or
    holds put; and names of what cannot be copied, each with its reason."""

    objects: int
    copied: int
    bytes: int
    relocked: int
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyTurn:
    """What one pass over the key records did."""

    records: int
    copied: int
    replaced: int
    destroyed: int
    refused: tuple[str, ...]


def records(store: ObjectStore, authenticator: Authenticator,
            prefix: str) -> Iterator[ObjectVersion]:
    """The versions that count below `prefix`, by key ascending: what a reader would read. Junk
    beside, before or over them is left out. Where a name has one version it is taken unread."""
    for _, group in groupby(store.versions(prefix), lambda one: _place(one.key)):
        found = _record(store, authenticator, list(group))
        if found is not None:
            yield found


class Walk:
    """A listing that is asked for keys in ascending order. `passed`: versions that nobody asked
    for, taken away by who reads it."""

    def __init__(self, listing: Iterator[ObjectVersion]) -> None:
        self._listing = listing
        self._next = next(listing, None)
        self.passed: list[ObjectVersion] = []

    def at(self, key: str) -> list[ObjectVersion]:
        """The versions at `key`, delete markers too, the newest first."""
        found: list[ObjectVersion] = []
        while self._next is not None and self._next.key.encode() <= key.encode():
            (found if self._next.key == key else self.passed).append(self._next)
            self._next = next(self._listing, None)
        return found

    def rest(self) -> Iterator[ObjectVersion]:
        """What comes after the last key that was asked for."""
        while self._next is not None:
            yield self._next
            self._next = next(self._listing, None)


def put_at(store: ObjectStore, key: str) -> ObjectVersion:
    """What was put at `key`: the oldest version, whatever was put over it since. Raises Transient
    while none is listed."""
    bodies = [one for one in store.versions(key) if one.key == key and not one.is_delete_marker]
    if not bodies:
        raise Transient(f"{key} was put and is not listed")
    return bodies[-1]


def digest_of(store: ObjectStore, one: ObjectVersion, again: Again) -> bytes:
    """SHA-256 of a version, a piece at a time."""
    digest = sha256()
    for piece in pieces_of(store, one, again):
        digest.update(piece)
    return digest.digest()


def pieces_of(store: ObjectStore, one: ObjectVersion, again: Again) -> Iterator[bytes]:
    """The bytes of a version, `PIECE_BYTES` at a time."""
    for start in range(0, one.size, PIECE_BYTES):
        length = min(PIECE_BYTES, one.size - start)
        piece = again(partial(store.get, one.key, one.version_id, start, length))
        if len(piece) != length:
            raise Transient(f"{one.key} ended before its size")
        yield piece


class Replicator:
    """Copies what the copy lacks. May be stopped anywhere and begun again; memory does not grow
    with the archive."""

    def __init__(self, ports: Ports,
                 progress: Callable[[int, int, int], None] = lambda _objects, _copied, _bytes: None,
                 ) -> None:
        """`progress` is told (objects seen, copied, bytes copied)."""
        self._ports = ports
        self._progress = progress
        self._objects = self._copied = self._bytes = self._relocked = 0
        self._refused: list[str] = []

    def turn(self, *, locks: bool, copies_max: int | None = None) -> Turn:
        """Everything of record is in the copy when this returns, or the `copies_max` first that
        were not. `locks`: the locks of what was there before are compared too, two requests
        an object. Raises Transient."""
        self._objects = self._copied = self._bytes = self._relocked = 0
        self._refused = []
        for prefix in PREFIXES:
            theirs = Walk(self._ports.target.versions(prefix))
            for record in records(self._ports.source, self._ports.authenticator, prefix):
                there = [one for one in theirs.at(record.key) if not one.is_delete_marker]
                theirs.passed.clear()
                self._see(record, there, locks=locks)
                if copies_max is not None and self._copied >= copies_max:
                    return self._done()
        return self._done()

    def _done(self) -> Turn:
        return Turn(self._objects, self._copied, self._bytes, self._relocked, tuple(self._refused))

    def _see(self, record: ObjectVersion, there: list[ObjectVersion], *, locks: bool) -> None:
        self._objects += 1
        try:
            if not there:
                self._copy(record)
            elif all(one.size != record.size for one in there):
                raise Refused("the copy holds something else under this name")
            elif locks:
                self._lock(record, next(one for one in reversed(there) if one.size == record.size))
        except Missing:
            self._refused.append(f"{record.key}: it vanished while it was copied")
        except Refused as error:
            self._refused.append(f"{record.key}: {error}")
        self._progress(self._objects, self._copied, self._bytes)

    def _copy(self, record: ObjectVersion) -> None:
        lock = self._ports.source.lock(record.key, record.version_id)
        # Its own lock; where that is over, or was never written, the shortest there is.
        until = max(lock.retain_until, self._ports.clock() + DAY_MS)
        try:
            digest = self._put(record, until)
        except Exists:
            digest = digest_of(self._ports.source, record, self._ports.again)
        # Read back: what the store made of it is what counts, not what was sent.
        made = put_at(self._ports.target, record.key)
        if made.size != record.size or \
                digest_of(self._ports.target, made, self._ports.again) != digest:
            raise Refused("the copy holds something else under this name")
        self._lock(record, made, lock)
        self._copied += 1
        self._bytes += record.size

    def _put(self, record: ObjectVersion, until: int) -> bytes:
        """SHA-256 of what was put. Raises Exists, Refused for what is no object of ours."""
        ports, digest = self._ports, sha256()
        if not record.key.startswith(layout.MEDIA) or record.size <= PIECE_BYTES:
            if record.size > limits.SEGMENT_OBJECT_BYTES_MAX:
                raise Refused("larger than any object of ours may be")
            body = b"".join(pieces_of(ports.source, record, ports.again))
            _check(ports.authenticator, record.key, body)
            ports.again(lambda: ports.target.put_once(record.key, body, until))
            return sha256(body).digest()

        def hashed() -> Iterator[bytes]:
            for piece in pieces_of(ports.source, record, ports.again):
                digest.update(piece)
                yield piece

        with ports.scratch(hashed()) as file:
            ports.again(lambda: ports.target.put_file(record.key, file, until))
        return digest.digest()

    def _lock(self, record: ObjectVersion, there: ObjectVersion, lock: Lock | None = None) -> None:
        ports = self._ports
        lock = lock or ports.source.lock(record.key, record.version_id)
        theirs = ports.target.lock(there.key, there.version_id)
        before = self._relocked
        # What is over needs no lock; the store would refuse one in the past.
        wanted = lock.retain_until if lock.retain_until > ports.clock() else 0
        if theirs.retain_until // 1000 < wanted // 1000:
            ports.again(lambda: ports.target.extend(there.key, there.version_id,
                                                    lock.retain_until))
            self._relocked += 1
        if lock.legal_hold and not theirs.legal_hold:
            ports.again(lambda: ports.target.set_legal_hold(there.key, there.version_id, on=True))
            self._relocked += 1
        if self._relocked == before:
            return
        made = ports.target.lock(there.key, there.version_id)
        if made.retain_until // 1000 < wanted // 1000 or lock.legal_hold > made.legal_hold:
            raise Refused("the copy's store took a longer lock or a hold, and does not keep it")


def copy_keys(source: Keyring, target: Keyring, service: KeyService, erased: frozenset[str], *,
              deep: bool = True) -> KeyTurn:
    """The key records of `source` are in `target` when this returns, and those that `erased` names
    (a signed erasure lists them, PROTOCOL K3) are not.

    A record that does not open is not copied, and one that was wrapped anew takes the old one's
    place only where both open and say the same: what damages the first keyring must not reach
    the second. A record that only the copy has stays. `deep`: records that both have are compared
    too; without it they are not read. Raises Transient.
    """
    seen = copied = replaced = destroyed = 0
    refused: list[str] = []
    theirs = sorted(target.names())
    known = frozenset(() if deep else theirs)
    for name in source.names():
        if name in erased:
            continue
        seen += 1
        if name in known:
            continue
        try:
            record = source.read(name)
            how = _copy_key(target, service, name, record)
            copied, replaced = copied + (how == "copied"), replaced + (how == "replaced")
        except Missing:
            continue  # destroyed meanwhile
        except Refused as error:
            refused.append(f"{name}: {error}")
    for name in [name for name in theirs if name in erased]:
        target.destroy(name)
        destroyed += 1
    return KeyTurn(seen, copied, replaced, destroyed, tuple(refused))


def _copy_key(target: Keyring, service: KeyService, name: str, record: bytes) -> str:
    try:
        theirs = target.read(name)
    except Missing:
        if opened(record, name, service) is None:
            raise Refused("the record does not open; it is not copied") from None
        try:
            target.create(name, record)
        except Exists:
            return ""  # another copier was faster; the next pass compares
        return "copied"
    if theirs == record:
        return ""
    ours, other = opened(record, name, service), opened(theirs, name, service)
    if ours is None or other is None or not ours.may_replace(other):
        raise Refused("the copy holds another record, and the two do not say the same: key, facts "
                      "and date; or the copy's binds its date and ours does not")
    try:
        target.replace(name, theirs, record)
    except Exists:
        return ""
    return "replaced"


def _check(authenticator: Authenticator, key: str, body: bytes) -> None:
    """Raises Refused for a segment, schema or dictionary that is not what its name says."""
    name = layout.read_segment(key)
    if name is not None:
        authenticator.segment(name, body)
    digest = layout.digest_of(key)
    if digest is not None and sha256(body).digest() != digest:
        raise Refused("it is not what its name says")


def _place(key: str) -> str:
    """What versions are told apart by: the key; of a segment the place, whatever attempt it is."""
    if not key.startswith(layout.SEGMENTS):
        return key
    folder, _, name = key.rpartition("/")
    return f"{folder}/{name[:_OFFSET_DIGITS]}"


def _record(store: ObjectStore, authenticator: Authenticator,
            versions: list[ObjectVersion]) -> ObjectVersion | None:
    bodies = [one for one in reversed(versions) if not one.is_delete_marker]
    key = versions[0].key
    if not bodies:
        return None
    if key.startswith(layout.SEGMENTS):
        return _segment(store, authenticator, versions, bodies)
    digest = layout.digest_of(key)
    if digest is not None:
        return next((one for one in bodies if formats.has_digest(store, one, digest)), None)
    if key.startswith((layout.SCHEMAS, layout.DICTIONARIES)):
        return None
    if len(bodies) > 1 and key.startswith(layout.LOG):
        return next((one for one in bodies
                     if store.lock(key, one.version_id).mode in LOCK_MODES), bodies[0])
    return bodies[0]


def _segment(store: ObjectStore, authenticator: Authenticator, versions: list[ObjectVersion],
             bodies: list[ObjectVersion]) -> ObjectVersion | None:
    names = [name for one in bodies if (name := layout.read_segment(one.key)) is not None]
    if not names:
        return None
    if len(bodies) == 1:
        return bodies[0]
    first = names[0]
    found, _ = winner(store, authenticator, SegmentName(
        first.topic, first.topic_id, first.partition, first.expected, 0), versions)
    return next((one for one in bodies if found is not None
                 and (one.key, one.version_id) == (found.key, found.version_id)), None)
