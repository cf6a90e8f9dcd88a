"""Opens files that lie under their own objects, chunk by chunk, and says what is wrong with one.

Owns the reading half of PROTOCOL M1 and what `verify` finds about media: an object that no event
names, one that is named and not there, one whose bytes are not the file. The frame is
`schemas/media.py`; sealing is capture's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from archive.retention import DAY_MS
from archive.store import ObjectStore, ObjectVersion
from schemas import media
from schemas.errors import Missing, Refused
from schemas.findings import Finding
from schemas.media import StoredMedia

# Chunks of one range GET: enough that a large file is not a thousand requests.
_WINDOW_CHUNKS: Final = 4
_SEALED_BYTES: Final = media.CHUNK_BYTES + media.TAG_BYTES


class MediaReader:
    """Reads media objects of one store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def open(self, stored: StoredMedia) -> Iterator[bytes]:
        """The file in pieces of 1 MiB. The last comes only when all are the file whose size and
        hash were stated: who keeps nothing before the end keeps nothing wrong.

        Raises Missing when there is no object, Refused when its bytes are not the file.
        """
        return self._open(stored, record_of(self._store, stored.object))

    def _open(self, stored: StoredMedia, version: ObjectVersion) -> Iterator[bytes]:
        if version.size != stored.sealed_size:
            raise Refused(f"{stored.object} has {version.size} bytes, not {stored.sealed_size}")
        # What any plain reader of GCM would miss, the place, end and name of each chunk bind; and
        # the hash is what commits to one plaintext, for GCM does not commit to its key.
        cipher, hashed, held = AESGCM(stored.key), sha256(), b""
        front = self._get(stored, version, 0, media.HEADER_BYTES)
        domain = media.domain_of(front)
        for index, sealed in enumerate(self._chunks(stored, version)):
            final = index == stored.chunks - 1
            try:
                plain = cipher.decrypt(media.nonce(index), sealed, media.associated(
                    stored.object, domain, index, final=final))
            except InvalidTag as error:
                raise Refused(f"{stored.object}: chunk {index} does not open") from error
            hashed.update(plain)
            if index:
                yield held
            held = plain
        if hashed.digest() != stored.sha256:
            raise Refused(f"{stored.object}: the file has another hash than was stated")
        yield held

    def _chunks(self, stored: StoredMedia, version: ObjectVersion) -> Iterator[bytes]:
        at = media.HEADER_BYTES
        while at < stored.sealed_size:
            length = min(_WINDOW_CHUNKS * _SEALED_BYTES, stored.sealed_size - at)
            window = self._get(stored, version, at, length)
            at += length
            for start in range(0, length, _SEALED_BYTES):
                yield window[start:start + _SEALED_BYTES]

    def _get(self, stored: StoredMedia, version: ObjectVersion, start: int, length: int) -> bytes:
        body = self._store.get(stored.object, version.version_id, start, length)
        if len(body) != length:
            raise Refused(f"{stored.object} ends at {start + len(body)}")
        return body


def record_of(store: ObjectStore, key: str) -> ObjectVersion:
    """The oldest version at `key`: a name is put once, and nobody else could know it before. A
    younger version or a delete marker on top changes nothing. Raises Missing."""
    found = [one for one in store.versions(key) if one.key == key and not one.is_delete_marker]
    if not found:
        raise Missing(f"{key} is not there")
    return found[-1]


@dataclass(slots=True)
class _Object:
    """What a listing shows at one name: the record, and what lies over it."""

    record: ObjectVersion | None = None
    younger: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class _Named:
    """A file that an event names, where the event lies, and until when (UTC ms) the object must be
    locked."""

    stored: StoredMedia
    where: str
    until: int


class MediaCheck:
    """Gathers what events name and what the store holds, and compares. For `verify`.

    About 600 bytes of memory a file. `lock_mode`: what this store's locks are called.
    """

    def __init__(self, store: ObjectStore, lock_mode: str) -> None:
        self._store = store
        self._lock_mode = lock_mode
        self._named: dict[str, _Named] = {}
        self._objects: dict[str, _Object] = {}
        self._unread: set[bytes] = set()

    def name(self, stored: StoredMedia, where: str, until: int) -> None:
        """An event at `where` names this file."""
        known = self._named.get(stored.object)
        if known is None or known.until < until:
            self._named[stored.object] = _Named(stored, where, until)

    def unread(self, domain: bytes) -> None:
        """Events of this domain could not be read: they may name files."""
        self._unread.add(domain)

    def see(self, version: ObjectVersion) -> None:
        """One version below `media/`, newest first."""
        one = self._objects.setdefault(version.key, _Object())
        if version.is_delete_marker:
            one.younger.append(Finding("delete_marker", version.key,
                                       f"version {version.version_id}"))
            return
        if one.record is not None:
            one.younger.append(Finding("younger_version", version.key,
                                       f"version {one.record.version_id}"))
        one.record = version

    def findings(self, now: int, *, deep: bool,
                 progress: Callable[[str], None]) -> Iterator[Finding | str]:
        """What is wrong, and notes as texts. `deep`: every file is opened and hashed."""
        for key, one in self._objects.items():
            yield from one.younger
            if key not in self._named and one.record is not None:
                yield from self._unnamed(one.record, now)
        for key, named in sorted(self._named.items()):
            there = self._objects.get(key)
            if there is None or there.record is None:
                yield Finding("media_missing", key, f"named at {named.where}")
                continue
            yield from self._check(named, there.record, deep=deep)
            progress(key)
        if self._named and not deep:
            yield f"{len(self._named)} media objects were not opened: their size and lock is right"

    def _unnamed(self, record: ObjectVersion, now: int) -> Iterator[Finding | str]:
        if now - record.modified < DAY_MS:
            yield "a media object is younger than a day and not named yet"
            return
        try:
            domain = media.domain_of(self._store.get(record.key, record.version_id, 0,
                                                     media.HEADER_BYTES))
        except (Missing, Refused):
            domain = b""
        if domain in self._unread:
            yield "media objects of a domain that cannot be read: their events may name them"
        else:
            yield Finding("orphan_media", record.key, "no event names it")

    def _check(self, named: _Named, record: ObjectVersion, *, deep: bool) -> Iterator[Finding]:
        try:
            lock = self._store.lock(record.key, record.version_id)
        except Missing:
            yield Finding("media_missing", record.key, "the version is gone")
            return
        if lock.mode != self._lock_mode:
            yield Finding("lock_missing", record.key, f"mode is {lock.mode or 'none'}, "
                                                      f"not {self._lock_mode}")
        elif lock.retain_until // 1000 < named.until // 1000:
            yield Finding("lock_missing", record.key, "locked for less than its event's class")
        if record.size != named.stored.sealed_size:
            yield Finding("media_damaged", record.key, f"{record.size} bytes, not "
                                                       f"{named.stored.sealed_size}")
            return
        if deep:
            try:
                for _piece in MediaReader(self._store)._open(named.stored, record):
                    pass
            except Refused as error:
                yield Finding("media_damaged", record.key, str(error))
            except Missing:
                yield Finding("media_missing", record.key, "gone while it was read")
