"""The embedded object store: a folder in which every key is written once (PROTOCOL S11).

Owns the port ObjectStore on a local disk. It detects, it cannot prevent: whoever owns the folder
can delete from it, so its locks say "FOLDER" and never claim to be compliance locks.

    objects/<key>        bodies, mode 0444
    locks/<key>.lock     {"mode": "FOLDER", "retain_until": ms}, written before the body appears
    holds/<key>.hold     a legal hold lies on the body; empty
    tmp/                 temporaries of living writers; swept of dead ones at start
    write.lock           held while a name is given, so that a lock never belongs to a loser
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Final

from archive.store import Lock, ObjectVersion
from infra.embedded import folder
from schemas.errors import Exists, Missing, Transient

FOLDER_MODE: Final = "FOLDER"
_LOCK_BYTES_MAX: Final = 4096


class FolderStore:
    """`ObjectStore` on `root`. Safe for any number of processes and threads on one machine."""

    def __init__(self, root: Path) -> None:
        self._objects = root / "objects"
        self._locks = root / "locks"
        self._holds = root / "holds"
        self._temporaries = root / "tmp"
        self._write_lock = root / "write.lock"
        for one in (self._objects, self._locks, self._holds, self._temporaries):
            folder.make_folder(one)
        folder.sweep(self._temporaries)

    def put_once(self, key: str, body: bytes, retain_until: int | None) -> str:
        """See ObjectStore. Refused: a key that could leave the folder."""
        return self._put(key, folder.temporary(self._temporaries, body, 0o444), retain_until)

    def put_file(self, key: str, body: BinaryIO, retain_until: int) -> None:
        """See ingest.media.MediaStore."""
        self._put(key, folder.temporary_of(self._temporaries, body, 0o444), retain_until)

    def _put(self, key: str, made: AbstractContextManager[Path], retain_until: int | None) -> str:
        target = self._objects.joinpath(*folder.safe_parts(key))
        try:
            folder.make_folder(target.parent)
            with made as source:
                version_id = _version_id(os.stat(source))
                with folder.exclusive(self._write_lock):
                    if os.path.lexists(target):
                        # Its writer may have died before the fsync; ours makes the name durable.
                        folder.sync_folder(target.parent)
                        raise Exists(f"{key} is taken")
                    self._record_lock(key, retain_until)
                    # A crash here leaves a lock without a body; the next put replaces it.
                    folder.link_once(source, target)
        except OSError as error:
            raise Transient(f"{key} was not written: {error.strerror}") from error
        return version_id

    def versions(self, prefix: str, start_after: str = "") -> Iterator[ObjectVersion]:
        """See ObjectStore. A key has one version at most."""
        for key, seen in folder.walk(self._objects, prefix, start_after):
            yield ObjectVersion(key=key, version_id=_version_id(seen), size=seen.st_size,
                                modified=seen.st_mtime_ns // 1_000_000)

    def get(self, key: str, version_id: str | None = None,
            start: int = 0, length: int | None = None) -> bytes:
        """See ObjectStore. A range past the end gives the bytes that there are."""
        path = self._existing(key, version_id)
        return folder.read_range(path, start, length)

    def extend(self, key: str, version_id: str, retain_until: int) -> None:
        """See ObjectStore."""
        try:
            with folder.exclusive(self._write_lock):
                if self.lock(key, version_id).retain_until < retain_until:
                    self._record_lock(key, retain_until)
        except OSError as error:
            raise Transient(f"{key} was not locked: {error.strerror}") from error

    def set_legal_hold(self, key: str, version_id: str, *, on: bool) -> None:
        """See ObjectStore."""
        path = self._beside(self._holds, key, ".hold")
        try:
            with folder.exclusive(self._write_lock):
                self._existing(key, version_id)
                if on and not os.path.lexists(path):
                    folder.make_folder(path.parent)
                    with folder.temporary(self._temporaries, b"", 0o444) as source:
                        os.replace(source, path)
                elif not on:
                    path.unlink(missing_ok=True)
                if path.parent.is_dir():
                    folder.sync_folder(path.parent)
        except OSError as error:
            raise Transient(f"{key} was not held: {error.strerror}") from error

    def lock(self, key: str, version_id: str) -> Lock:
        """See ObjectStore. A lock record that cannot be read is no lock."""
        self._existing(key, version_id)
        is_held = os.path.lexists(self._beside(self._holds, key, ".hold"))
        try:
            record = json.loads(folder.read_range(self._lock_path(key), 0, _LOCK_BYTES_MAX))
            return Lock(FOLDER_MODE, int(record["retain_until"]), is_held)
        except (Missing, ValueError, KeyError, TypeError):
            return Lock(mode="", retain_until=0, legal_hold=is_held)

    def _existing(self, key: str, version_id: str | None) -> Path:
        path = self._objects.joinpath(*folder.safe_parts(key))
        try:
            seen = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Missing(f"{key} is not there") from error
        except OSError as error:
            raise Transient(f"{key} could not be looked at: {error.strerror}") from error
        if version_id is not None and version_id != _version_id(seen):
            raise Missing(f"{key} has no version {version_id}")
        return path

    def _record_lock(self, key: str, retain_until: int | None) -> None:
        path = self._lock_path(key)
        if retain_until is None:
            path.unlink(missing_ok=True)
            return
        record = json.dumps({"mode": FOLDER_MODE, "retain_until": retain_until}).encode()
        folder.make_folder(path.parent)
        with folder.temporary(self._temporaries, record, 0o444) as source:
            # Rename, not link: what lies there belongs to a put that died before its body.
            os.replace(source, path)
            folder.sync_folder(path.parent)

    def _lock_path(self, key: str) -> Path:
        return self._beside(self._locks, key, ".lock")

    @staticmethod
    def _beside(root: Path, key: str, ending: str) -> Path:
        *parents, name = folder.safe_parts(key)
        return root.joinpath(*parents, name + ending)


def _version_id(seen: os.stat_result) -> str:
    """A file's version is its time of writing: a file put in its place later has another."""
    return f"{seen.st_mtime_ns:016x}"


