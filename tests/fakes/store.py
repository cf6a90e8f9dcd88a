"""An object store in memory: versions, delete markers and locks, as S3 has them.

`FakeStore` is the port ObjectStore and the hand of somebody who means harm. It accuses whoever
writes a segment without a lock, or over versions that a listing would have shown. Its
`weaknesses` are the ways in which a real store may fail to be one; each makes `doctor` say no.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

from archive.store import Lock, ObjectVersion
from schemas.errors import Exists, Missing, Refused
from tests.fakes.faults import FaultPlan

COMPLIANCE: Final = "COMPLIANCE"
WEAKNESSES: Final = frozenset({
    "ignores_locks", "ignores_locks_with_bypass", "ignores_locks_in_bulk", "shortens", "downgrades",
    "empties", "cannot_extend", "overwrites", "unconditional", "suspends", "no_checksums",
    "new_version_unlocks", "lists_by_folder", "ranges_off_by_one", "clock_is_off",
    "marker_hides_version", "ignores_requested_lock",
})


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version or delete marker as the fake keeps it."""

    version_id: str
    body: bytes
    modified: int
    lock: Lock
    is_delete_marker: bool = False


class FakeStore:
    """`ObjectStore` and `StoreAdversary`. `accuse=False` lets the contract misuse it on purpose."""

    def __init__(self, clock: Callable[[], int], *, faults: FaultPlan | None = None,
                 weaknesses: frozenset[str] = frozenset(), accuse: bool = True) -> None:
        assert weaknesses <= WEAKNESSES, f"unknown weakness in {weaknesses}"
        self.objects: dict[str, list[StoredVersion]] = {}     # oldest first
        self.faults = faults or FaultPlan()
        self.accuse = accuse
        self.versioning = True
        self._clock = clock
        self._weaknesses = weaknesses
        self._made = 0

    # -- port ObjectStore

    def put_once(self, key: str, body: bytes, retain_until: int | None) -> str:
        """See ObjectStore."""
        assert type(body) is bytes, "a body is bytes"
        assert key and not key.startswith("/") and ".." not in key.split("/"), f"bad key {key!r}"
        if self.accuse and key.startswith("segments/"):
            assert retain_until is not None, "a segment was put without a lock"
        assert retain_until is None or retain_until > self._clock(), "a lock that ends in the past"
        return self.faults.run("store.put_once", lambda: self._put_once(key, body, retain_until))

    def put_file(self, key: str, body: BinaryIO, retain_until: int) -> None:
        """See ingest.media.MediaStore. Its callers may neither read nor list."""
        assert key.startswith("media/"), f"capture puts media only, not {key!r}"
        body.seek(0)
        self.put_once(key, body.read(), retain_until)

    def versions(self, prefix: str, start_after: str = "") -> Iterator[ObjectVersion]:
        """See ObjectStore."""
        return self.faults.run("store.versions", lambda: self._versions(prefix, start_after))

    def get(self, key: str, version_id: str | None = None,
            start: int = 0, length: int | None = None) -> bytes:
        """See ObjectStore."""
        assert start >= 0 and (length is None or length > 0), "an empty or negative range"
        return self.faults.run("store.get", lambda: self._get(key, version_id, start, length))

    def extend(self, key: str, version_id: str, retain_until: int) -> None:
        """See ObjectStore."""
        assert retain_until > self._clock(), "a lock that ends in the past"
        self.faults.run("store.extend", lambda: self._extend(key, version_id, retain_until))

    def set_legal_hold(self, key: str, version_id: str, *, on: bool) -> None:
        """See ObjectStore."""
        def held() -> None:
            self._replace(key, version_id, lock=replace(
                self._version(key, version_id).lock, legal_hold=on))

        self.faults.run("store.set_legal_hold", held)

    def lock(self, key: str, version_id: str) -> Lock:
        """See ObjectStore."""
        return self.faults.run("store.lock", lambda: self._version(key, version_id).lock)

    # -- what somebody with the bucket's credentials tries (StoreAdversary)

    def delete_version(self, key: str, version_id: str, *, bypass: bool) -> None:
        """Refused while locked."""
        weak = "ignores_locks_with_bypass" if bypass else "ignores_locks"
        if self._is_locked(key, version_id) and weak not in self._weaknesses:
            raise Refused("locked")
        self.remove(key, version_id)

    def delete_versions(self, keys: list[tuple[str, str]]) -> None:
        """Bulk; refused if one is locked."""
        for key, version_id in keys:
            if self._is_locked(key, version_id) and "ignores_locks_in_bulk" not in self._weaknesses:
                raise Refused("locked")
            self.remove(key, version_id)

    def add_marker(self, key: str) -> None:
        """A delete without a version id."""
        self._push(key, b"", Lock("", 0), is_delete_marker=True)
        if "marker_hides_version" in self._weaknesses:
            self.objects[key] = self.objects[key][-1:]

    def put_over(self, key: str, body: bytes) -> str:
        """An unconditional PUT: a younger version."""
        if "overwrites" in self._weaknesses:
            self.objects[key] = []
        if "new_version_unlocks" in self._weaknesses:
            self.objects[key] = [replace(one, lock=Lock("", 0)) for one in self.objects[key]]
        return self._push(key, body, Lock("", 0))

    def set_retention(self, key: str, version_id: str, mode: str, retain_until: int, *,
                      bypass: bool) -> None:
        """A compliance lock may only be extended."""
        now = self._version(key, version_id).lock
        if mode != now.mode and now.mode == COMPLIANCE and "downgrades" not in self._weaknesses:
            raise Refused("mode")
        if retain_until < now.retain_until and "shortens" not in self._weaknesses:
            raise Refused("shorter")
        if retain_until > now.retain_until and "cannot_extend" in self._weaknesses:
            raise Refused("longer")
        self._replace(key, version_id, lock=Lock(mode, retain_until))

    def clear_retention(self, key: str, version_id: str) -> None:
        """An emptied retention."""
        if self._is_locked(key, version_id) and "empties" not in self._weaknesses:
            raise Refused("locked")
        self._replace(key, version_id, lock=Lock("", 0))

    def suspend_versioning(self) -> None:
        """Refused on a bucket with locks."""
        if "suspends" not in self._weaknesses:
            raise Refused("object lock")
        self.versioning = False

    def resume_versioning(self) -> None:
        """Undo suspend_versioning."""
        self.versioning = True

    def put_damaged(self, key: str, body: bytes, other: bytes) -> None:
        """A PUT of `body` under the checksum of `other`."""
        if body != other and "no_checksums" not in self._weaknesses:
            raise Refused("checksum")
        self._push(key, body, Lock("", 0))

    # -- what only a test can do

    def remove(self, key: str, version_id: str | None = None) -> None:
        """Take a version (null: the whole key) away, lock or not: damage for verify to find."""
        self.objects[key] = [] if version_id is None else [
            one for one in self.objects[key] if one.version_id != version_id]
        if not self.objects[key]:
            del self.objects[key]

    def damage(self, key: str, body: bytes, version_id: str | None = None) -> None:
        """Change a version's bytes under its lock: damage for verify to find."""
        found = version_id or self.objects[key][0].version_id
        self._replace(key, found, body=body)

    def relock(self, key: str, lock: Lock) -> None:
        """Give the oldest version another lock, whatever it had."""
        self._replace(key, self.objects[key][0].version_id, lock=lock)

    def plant(self, key: str, body: bytes, lock: Lock | None = None) -> str:
        """Put a version without asking: somebody else's object."""
        return self._push(key, body, lock or Lock("", 0))

    def _put_once(self, key: str, body: bytes, retain_until: int | None) -> str:
        there = self.objects.get(key, [])
        if there and not there[-1].is_delete_marker and "unconditional" not in self._weaknesses:
            raise Exists(f"{key} is taken")
        assert not (self.accuse and there), "a put over versions that a listing would have shown"
        lock = Lock("", 0) if retain_until is None else Lock(COMPLIANCE, retain_until)
        if "ignores_requested_lock" in self._weaknesses:
            lock = Lock("", 0)
        return self._push(key, body, lock)

    def _extend(self, key: str, version_id: str, retain_until: int) -> None:
        until = max(retain_until, self._version(key, version_id).lock.retain_until)
        if "cannot_extend" in self._weaknesses:
            return
        self._replace(key, version_id, lock=Lock(
            COMPLIANCE, until, self._version(key, version_id).lock.legal_hold))

    def _versions(self, prefix: str, start_after: str) -> Iterator[ObjectVersion]:
        def order(key: str) -> list[bytes] | bytes:
            encoded = key.encode()
            return encoded.split(b"/") if "lists_by_folder" in self._weaknesses else encoded

        found = []
        for key in sorted(self.objects, key=order):
            if key.startswith(prefix) and key.encode() > start_after.encode():
                newest_first = self.objects[key][::-1]
                for place, one in enumerate(newest_first):
                    found.append(ObjectVersion(key, one.version_id, len(one.body), one.modified,
                                               one.is_delete_marker, place == 0))
        return iter(found)

    def _get(self, key: str, version_id: str | None, start: int, length: int | None) -> bytes:
        there = self.objects.get(key, [])
        if version_id is None:
            if not there or there[-1].is_delete_marker:
                raise Missing(f"{key} is not there")
            version_id = there[-1].version_id
        found = self._version(key, version_id)
        if found.is_delete_marker:
            raise Missing(f"{key} {version_id} is a delete marker")
        if "ranges_off_by_one" in self._weaknesses and length is not None:
            length += 1
        return found.body[start:] if length is None else found.body[start:start + length]

    def _version(self, key: str, version_id: str) -> StoredVersion:
        for one in self.objects.get(key, []):
            if one.version_id == version_id:
                return one
        raise Missing(f"{key} has no version {version_id}")

    def _is_locked(self, key: str, version_id: str) -> bool:
        lock = self._version(key, version_id).lock
        return lock.legal_hold or (
            lock.mode == COMPLIANCE and lock.retain_until > self._clock())

    def _replace(self, key: str, version_id: str, *, lock: Lock | None = None,
                 body: bytes | None = None) -> None:
        found = self._version(key, version_id)
        place = self.objects[key].index(found)
        self.objects[key][place] = replace(
            found, lock=lock or found.lock, body=found.body if body is None else body)

    def _push(self, key: str, body: bytes, lock: Lock, *, is_delete_marker: bool = False) -> str:
        self._made += 1
        version_id = f"version-{self._made:06d}"
        off = 3_600_000 if "clock_is_off" in self._weaknesses else 0
        self.objects.setdefault(key, []).append(StoredVersion(
            version_id, body, self._clock() + off, lock, is_delete_marker))
        return version_id
