"""The embedded key service and keyring: a key file and a folder of wrapped keys.

Owns the ports KeyService and Keyring on a local disk (PROTOCOL K1, K2). Both lie outside the
object store's folder, so that destroying a key never touches an archived byte.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.embedded import folder
from schemas.errors import Exists, Halt, Missing, Refused, Transient

KEK_BYTES: Final = 32
# Beside the key file while a rotation is under way: the key that is to take its place.
NEXT_NAME: Final = "next.key"
NONCE_BYTES: Final = 12
PLAIN_BYTES_MAX: Final = 4096
_FORMAT: Final = b"\x01"
_RECORD_BYTES_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Kek:
    key_id: str
    cipher: AESGCM


class LocalKeyService:
    """`KeyService` under a 32-byte key in a file that only its owner can read.

    A wrap is 01 ‖ nonce (12) ‖ AES-256-GCM(plain) with 01 ‖ context as associated data. Random
    nonces are safe here: a key would have to be wrapped 2^32 times before they could meet.

    While a rotation is under way (infra/rotate.py) a second file lies beside the first: what is
    wrapped is wrapped under the new key, what either wrapped is opened. A process that runs
    meanwhile sees the files change when it wraps, and when a wrap does not open.
    """

    def __init__(self, kek_file: Path, random: Callable[[int], bytes], *,
                 alone: bool = False) -> None:
        """`alone`: this file's key and no other. Raises Missing without the file,
        Halt("key_service") when others may read it."""
        self._files: tuple[Path, ...] = (kek_file,) if alone else (
            kek_file.with_name(NEXT_NAME), kek_file)
        self._random = random
        self._seen = self._look()
        self._keks = self._load()

    @classmethod
    def of(cls, kek: bytes, random: Callable[[int], bytes]) -> LocalKeyService:
        """Of a key that lies in no file: for who asks what it opens."""
        made = cls.__new__(cls)
        made._files, made._random, made._seen, made._keks = (), random, (), (_kek(kek),)
        return made

    @property
    def key_id(self) -> str:
        """`local:` and 32 hex digits of a hash of the key: 256 random bits cannot be guessed."""
        return self._keks[0].key_id

    def _look(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(_file_id(one) for one in self._files)

    def _load(self) -> tuple[_Kek, ...]:
        keks = []
        for file in self._files:
            try:
                keks.append(_kek(read_private(file)))
            except Missing:
                if file is self._files[-1]:
                    raise
        return tuple(keks)

    def _refresh(self) -> bool:
        """Whether there are other keys than before. Looked at before they are read: a change in
        between is seen at the next look."""
        seen = self._look()
        if seen == self._seen or seen[-1] is None:
            return False  # a key file that was taken away: what is open stays open
        self._seen, self._keks = seen, self._load()
        return True

    def wrap(self, plain: bytes, context: bytes) -> bytes:
        """See KeyService."""
        if not 0 < len(plain) <= PLAIN_BYTES_MAX:
            raise Refused(f"{len(plain)} bytes to wrap; 1 to {PLAIN_BYTES_MAX} are allowed")
        self._refresh()
        nonce = self._random(NONCE_BYTES)
        return _FORMAT + nonce + self._keks[0].cipher.encrypt(nonce, plain, _FORMAT + context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """See KeyService."""
        nonce, sealed = wrapped[1:1 + NONCE_BYTES], wrapped[1 + NONCE_BYTES:]
        if wrapped[:1] != _FORMAT or len(nonce) != NONCE_BYTES:
            raise Refused("not a wrap of this key service")
        while True:
            for kek in self._keks:
                with suppress(InvalidTag):
                    return kek.cipher.decrypt(nonce, sealed, _FORMAT + context)
            if not self._refresh():
                raise Refused("the wrap does not open under this key and context")


def create_kek(kek_file: Path, random: Callable[[int], bytes]) -> None:
    """Write a new key file, mode 0600, durable when it returns. Raises Exists."""
    temporaries = kek_file.parent / "tmp"
    try:
        folder.make_folder(temporaries)
        folder.sweep(temporaries)
        with folder.temporary(temporaries, random(KEK_BYTES), 0o600) as source:
            folder.link_once(source, kek_file)
    except OSError as error:
        raise Transient(f"{kek_file.name} was not written: {error.strerror}") from error


class FolderKeyring:
    """`Keyring` in `root`: one file per name, mode 0600, created once."""

    def __init__(self, root: Path) -> None:
        self._records = root / "records"
        self._temporaries = root / "tmp"
        self._write_lock = root / "write.lock"
        for one in (self._records, self._temporaries):
            folder.make_folder(one)
        folder.sweep(self._temporaries)

    def create(self, name: str, record: bytes) -> None:
        """See Keyring."""
        target = self._records.joinpath(*folder.safe_parts(name))
        if not 0 < len(record) <= _RECORD_BYTES_MAX:
            raise Refused(f"a key record of {len(record)} bytes")
        try:
            folder.make_folder(target.parent)
            with folder.temporary(self._temporaries, record, 0o600) as source:
                folder.link_once(source, target)
        except OSError as error:
            raise Transient(f"key record {name} was not written: {error.strerror}") from error

    def read(self, name: str) -> bytes:
        """See Keyring."""
        path = self._records.joinpath(*folder.safe_parts(name))
        return folder.read_range(path, 0, _RECORD_BYTES_MAX)

    def names(self, prefix: str = "") -> Iterator[str]:
        """See Keyring."""
        for name, _ in folder.walk(self._records, prefix):
            yield name

    def replace(self, name: str, was: bytes, record: bytes) -> None:
        """See Keyring. One rename: whoever reads sees the old record or the new one."""
        path = self._records.joinpath(*folder.safe_parts(name))
        if not 0 < len(record) <= _RECORD_BYTES_MAX:
            raise Refused(f"a key record of {len(record)} bytes")
        try:
            with folder.exclusive(self._write_lock), \
                    folder.temporary(self._temporaries, record, 0o600) as source, \
                    path.open("r+b", buffering=0) as old:
                if old.read(_RECORD_BYTES_MAX + 1) != was:
                    raise Exists(f"key record {name} is another one by now")
                os.replace(source, path)
                folder.sync_folder(path.parent)
                # From here the new record counts, crash or not; the rest removes traces.
                _overwrite(old)
        except FileNotFoundError as error:
            raise Missing(f"key record {name} is not there") from error
        except OSError as error:
            raise Transient(f"key record {name} may be the old one: {error.strerror}") from error

    def destroy(self, name: str) -> None:
        """See Keyring. The bytes are overwritten once the name is gone: best effort, because a
        journal, a snapshot or a flash chip may keep copies. The key in the file is wrapped."""
        path = self._records.joinpath(*folder.safe_parts(name))
        try:
            # Not beside `replace`: it would bring the name back.
            with folder.exclusive(self._write_lock), path.open("r+b", buffering=0) as file:
                path.unlink()
                folder.sync_folder(path.parent)
                # From here the key is destroyed, crash or not; the rest removes its traces.
                _overwrite(file)
        except FileNotFoundError as error:
            raise Missing(f"key record {name} is not there") from error
        except OSError as error:
            raise Transient(f"key record {name} may remain: {error.strerror}") from error


def _overwrite(file: FileIO) -> None:
    size = os.fstat(file.fileno()).st_size
    os.pwrite(file.fileno(), bytes(size), 0)
    os.fsync(file.fileno())


def _kek(key: bytes) -> _Kek:
    digest = hashlib.sha256(b"counterfoil/kek-id/v1" + key).hexdigest()
    return _Kek(f"local:{digest[:32]}", AESGCM(key))


def _file_id(path: Path) -> tuple[int, int] | None:
    try:
        seen = path.lstat()
    except OSError:
        return None  # not there; where it should be, `read_private` says what is wrong with it
    return seen.st_ino, seen.st_mtime_ns


def read_private(path: Path) -> bytes:
    """The key in a file that only its owner can read. Raises Missing, Halt("key_service")."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError as error:
        raise Missing(f"key file {path.name} is not there") from error
    except OSError as error:
        raise Halt("key_service", f"key file {path.name}: {error.strerror}") from error
    with os.fdopen(handle, "rb") as file:
        seen = os.fstat(handle)
        if not stat.S_ISREG(seen.st_mode):
            raise Halt("key_service", f"key file {path.name} is not a file")
        if seen.st_mode & 0o077:
            raise Halt("key_service", f"key file {path.name} can be read by others: chmod 600")
        key = file.read(KEK_BYTES + 1)
    if len(key) != KEK_BYTES:
        raise Halt("key_service", f"key file {path.name} does not hold {KEK_BYTES} bytes")
    return key
