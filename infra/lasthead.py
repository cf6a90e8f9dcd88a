"""The last head that a signer or a witness put its name to, in a folder (port Latest).

Owns one small file an origin: read, compared and replaced under a lock, durable before `swap`
returns. What keeps a log from forking when its bucket is rolled back: keep it on another disk than
the bucket, and in no backup that is ever put back over a newer one.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Final

from archive.tlog import checkpoint
from archive.tlog.checkpoint import Checkpoint, Head
from infra.embedded import folder
from schemas.errors import Halt, Missing, Refused, Transient

_BYTES_MAX: Final = 4096


class FolderLatest:
    """`Latest`. Safe for any number of processes on one machine."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._temporaries = root / "tmp"
        self._lock = root / "heads.lock"
        folder.make_folder(root)
        folder.make_folder(self._temporaries)
        folder.sweep(self._temporaries)

    def load(self, origin: str) -> Head | None:
        """See Latest. Raises Halt("tlog_forked") where the file does not read: to take it for none
        would be to sign whatever comes."""
        try:
            body = folder.read_range(self._path(origin), 0, _BYTES_MAX)
        except Missing:
            return None
        try:
            found = checkpoint.read_text(body.decode("utf-8"))
        except (Refused, UnicodeDecodeError) as error:
            raise Halt("tlog_forked", f"{self._path(origin)} does not read") from error
        if found.origin != origin:
            raise Halt("tlog_forked", f"{self._path(origin)} is of another log")
        return found.head

    def swap(self, origin: str, known: Head | None, new: Head) -> bool:
        """See Latest."""
        if known is not None and new.size < known.size:
            raise AssertionError("a signer goes back")
        body = Checkpoint(origin, new).text().encode()
        try:
            with folder.exclusive(self._lock):
                if self.load(origin) != known:
                    return False
                # From here a crash finds the new head: nothing older is signed again.
                folder.replace(self._path(origin), body, temporaries=self._temporaries)
        except OSError as error:
            raise Transient(f"{self._path(origin)} was not written: {error.strerror}") from error
        return True

    def _path(self, origin: str) -> Path:
        return self._root / f"{sha256(origin.encode()).hexdigest()}.head"
