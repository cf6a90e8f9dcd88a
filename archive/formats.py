"""Schemas and dictionaries beside the segments that they explain (PROTOCOL S5).

Owns how long they are locked: at least as long as any segment that is sealed soon. Called when an
archiver starts and once a day after; what is locked long enough already is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Final

from archive.retention import DAY_MS
from archive.store import ObjectStore, ObjectVersion
from schemas import limits
from schemas.errors import Exists, Halt, Missing

# How far ahead of the longest possible segment: one that is sealed today counts its years from the
# end of its month, and an archiver that runs for weeks must not be asked for each single day.
_AHEAD_MS: Final = 62 * DAY_MS
_STEP_MS: Final = 30 * DAY_MS


def locked_until(now: int, *, trial: bool, lock_years_max: int) -> int:
    """UTC ms: until when a format is to be locked at `now`; the same for a month of days, so that
    asking again changes nothing. In trial mode one day."""
    if trial:
        return now + DAY_MS + 60_000
    until = now + 366 * lock_years_max * DAY_MS + _AHEAD_MS
    return -(-until // _STEP_MS) * _STEP_MS


def keep(store: ObjectStore, bodies: Mapping[str, bytes], until: int) -> int:
    """Every body (by its key, which spells its SHA-256) is there and locked until `until` (UTC ms)
    or later when this returns; how many had to be put or locked for longer.

    Raises Transient, Halt("put_undecided") where another object holds the name, and
    Halt("store_unsafe") where the store does not lock as it was asked.
    """
    return sum([_keep(store, key, body, until) for key, body in bodies.items()])


def _keep(store: ObjectStore, key: str, body: bytes, until: int) -> bool:
    digest = sha256(body).digest()
    found = version_by_digest(store, key, digest)
    changed = found is None
    if found is None:
        with suppress(Exists):  # another process was first, or somebody else: the next look tells
            store.put_once(key, body, until)
        found = version_by_digest(store, key, digest)
        if found is None:
            raise Halt("put_undecided", f"{key} is held by an object of other bytes")
    if not is_locked_until(store, found, until):
        # Compliance locks grow only: nothing is lost if this is done twice, or by two at once.
        changed = True
        store.extend(key, found.version_id, until)
        if not is_locked_until(store, found, until):
            raise Halt("store_unsafe", f"the lock of {key} was not made longer")
    return changed


def is_locked_until(store: ObjectStore, found: ObjectVersion, until: int) -> bool:
    """Whether a version is locked until `until` or later. Stores keep whole seconds."""
    try:
        return store.lock(found.key, found.version_id).retain_until // 1000 >= until // 1000
    except Missing:
        return False


def version_by_digest(store: ObjectStore, key: str, digest: bytes) -> ObjectVersion | None:
    """The oldest version at `key` whose SHA-256 is `digest`, or null. A younger version or a delete
    marker on top changes nothing."""
    return next((version for version in reversed(list(store.versions(key)))
                 if version.key == key and has_digest(store, version, digest)), None)


def has_digest(store: ObjectStore, version: ObjectVersion, digest: bytes) -> bool:
    """Whether a version's bytes have this SHA-256. One that is too large is not fetched."""
    if version.is_delete_marker or version.size > limits.DICTIONARY_BYTES_MAX:
        return False
    try:
        return sha256(store.get(version.key, version.version_id)).digest() == digest
    except Missing:
        return False
