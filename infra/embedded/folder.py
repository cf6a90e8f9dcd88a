"""A folder in which a name is written once: how a file becomes durable, and how names are listed.

Owns the crash states of one file's life and the bytewise walk. What the files mean is left to
`store.py` (objects) and `keys.py` (key records).
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from schemas.errors import Ambiguous, Exists, Missing, Refused, Transient

# A path component that ext4, XFS and the like can hold; longer is refused.
_COMPONENT_BYTES_MAX: Final = 255
# S3's own limit on a key; longer is refused, so that both drivers accept the same keys.
_KEY_BYTES_MAX: Final = 1024
# Of a stream that is copied.
_PIECE_BYTES: Final = 1 << 20


def safe_parts(key: str) -> tuple[str, ...]:
    """The components of `key`, none of which can leave the folder. Raises Refused."""
    parts = tuple(key.split("/"))
    encoded = key.encode("utf-8", "surrogatepass")
    if not key or len(encoded) > _KEY_BYTES_MAX:
        raise Refused(f"key of {len(encoded)} bytes: 1 to {_KEY_BYTES_MAX} are allowed")
    for part in parts:
        if part in ("", ".", ".."):
            raise Refused("a key component is empty, '.' or '..'")
        if any(ord(char) < 32 or char in "\\\x7f" or "\ud800" <= char <= "\udfff" for char in part):
            raise Refused("a key component holds a control character, backslash or surrogate")
        if len(part.encode("utf-8")) > _COMPONENT_BYTES_MAX:
            raise Refused(f"a key component is longer than {_COMPONENT_BYTES_MAX} bytes")
    return parts


def make_folder(folder: Path, mode: int = 0o700) -> None:
    """Create `folder` and its parents, each durable in its parent when this returns."""
    if folder.is_dir():
        return
    make_folder(folder.parent, mode)
    try:
        os.mkdir(folder, mode)
    except FileExistsError:
        if not folder.is_dir():
            raise
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable: a file's own fsync does not."""
    _sync(folder, os.O_DIRECTORY)


def sync_file(path: Path) -> None:
    """Make a file durable that was written and closed. Raises OSError."""
    _sync(path, 0)


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, os.O_RDONLY | flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> int:
    """Remove the temporaries of writers that died; returns how many.

    A living writer holds a lock on its temporary, which ends with its process.
    """
    swept = 0
    for entry in os.scandir(folder):
        try:
            handle = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            Path(entry.path).unlink(missing_ok=True)
            swept += 1
        finally:
            os.close(handle)
    return swept


@contextmanager
def temporary(folder: Path, body: bytes, mode: int) -> Iterator[Path]:
    """A durable temporary with `body`, gone afterwards. A crash inside leaves it for `sweep`."""
    handle, path = _locked_temporary(folder)
    try:
        _write_all(handle, body)
        os.fchmod(handle, mode)
        os.fsync(handle)
        yield path
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def temporary_of(folder: Path, body: BinaryIO, mode: int) -> Iterator[Path]:
    """`temporary` with all bytes of a stream, from its beginning, a piece at a time."""
    handle, path = _locked_temporary(folder)
    try:
        body.seek(0)
        while piece := body.read(_PIECE_BYTES):
            _write_all(handle, piece)
        os.fchmod(handle, mode)
        os.fsync(handle)
        yield path
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def replace(path: Path, body: bytes, mode: int = 0o600, temporaries: Path | None = None) -> None:
    """Put `body` at `path`, whatever is there: before a crash the old file, after it the new one,
    each whole. Durable when it returns. `temporaries`: a folder of the same file system that is
    swept; without it the file's own."""
    with temporary(temporaries or path.parent, body, mode) as source:
        os.replace(source, path)
        sync_folder(path.parent)


def link_once(source: Path, target: Path) -> None:
    """Give `source` the name `target` for ever. Raises Exists, Ambiguous; durable on return.

    Before os.link nobody sees the file. After it everybody does, but a power cut may still take
    the name away: only the folder's fsync ends that, so the loser of a race syncs as well, before
    it tells its caller to go on from the winner.
    """
    try:
        os.link(source, target)
    except FileExistsError as error:
        sync_folder(target.parent)
        raise Exists(f"{target.name} is taken") from error
    try:
        sync_folder(target.parent)
    except OSError as error:
        raise Ambiguous(f"folder could not be synced: {error.strerror}") from error


@contextmanager
def exclusive(lock_file: Path) -> Iterator[None]:
    """One holder at a time among all processes; ends with the holder's process."""
    handle = os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def read_range(path: Path, start: int, length: int | None) -> bytes:
    """The bytes [start, start+length) that `path` has. Raises Missing, Transient."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise Missing(f"{path.name} is not there") from error
        raise Transient(f"{path.name} could not be opened: {error.strerror}") from error
    try:
        seen = os.fstat(handle)
        if not stat.S_ISREG(seen.st_mode):
            raise Missing(f"{path.name} is not a file")
        rest = max(0, seen.st_size - start)
        return _read_exactly(handle, start, rest if length is None else min(length, rest))
    except OSError as error:
        raise Transient(f"{path.name} could not be read: {error.strerror}") from error
    finally:
        os.close(handle)


def walk(root: Path, prefix: str = "",
         start_after: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """(key, lstat) of every file below `root`, ascending by the key's UTF-8 bytes.

    Folders that lie wholly outside the range are not opened, and only names inside it are looked
    at with lstat, so following the end of a folder of many thousands costs one listing of names.
    """
    yield from _walk(os.fsencode(root), b"", os.fsencode(prefix), os.fsencode(start_after))


def _walk(folder: bytes, below: bytes, prefix: bytes, start_after: bytes,
          ) -> Iterator[tuple[str, os.stat_result]]:
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise Transient(f"a folder could not be listed: {error.strerror}") from error
    entries = []
    for name in names:
        as_file, as_folder = below + name, below + name + b"/"
        if not (as_file.startswith(prefix) or prefix.startswith(as_folder)):
            continue
        if as_folder <= start_after and not start_after.startswith(as_folder):
            continue
        try:
            seen = os.lstat(os.path.join(folder, name))
        except FileNotFoundError:
            continue
        is_folder = stat.S_ISDIR(seen.st_mode)
        entries.append((as_folder if is_folder else as_file, name, seen, is_folder))
    entries.sort(key=lambda entry: entry[0])
    for path, name, seen, is_folder in entries:
        if is_folder:
            yield from _walk(os.path.join(folder, name), path, prefix, start_after)
        elif path > start_after:
            # A name that is not UTF-8 is somebody else's: shown escaped, readable by nobody.
            yield path.decode("utf-8", "backslashreplace"), seen


def _locked_temporary(folder: Path) -> tuple[int, Path]:
    while True:
        handle, name = tempfile.mkstemp(prefix=f"{os.getpid()}-", dir=folder)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink == 1:
            return handle, Path(name)
        # A sweeper took it between creation and lock; the next one is ours.
        os.close(handle)


def _write_all(handle: int, body: bytes) -> None:
    view = memoryview(body)
    while view:
        view = view[os.write(handle, view):]


def _read_exactly(handle: int, start: int, wanted: int) -> bytes:
    chunks = []
    while wanted > 0:
        chunk = os.pread(handle, wanted, start)
        if not chunk:
            break
        chunks.append(chunk)
        start += len(chunk)
        wanted -= len(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
