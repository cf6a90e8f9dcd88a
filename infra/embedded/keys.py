"""The embedded key service and keyring: a key file and a folder of wrapped keys.

Owns the ports KeyService and Keyring on a local disk (PROTOCOL K1, K2). Both lie outside the
object store's folder, so that destroying a key never touches an archived byte.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.embedded import folder
from schemas.errors import Halt, Missing, Refused, Transient

KEK_BYTES: Final = 32
NONCE_BYTES: Final = 12
PLAIN_BYTES_MAX: Final = 4096
_FORMAT: Final = b"\x01"
_RECORD_BYTES_MAX: Final = 64 * 1024


class LocalKeyService:
    """`KeyService` under a 32-byte key in a file that only its owner can read.

    A wrap is 01 ‖ nonce (12) ‖ AES-256-GCM(plain) with 01 ‖ context as associated data. Random
    nonces are safe here: a key would have to be wrapped 2^32 times before they could meet.
    """

    def __init__(self, kek_file: Path, random: Callable[[int], bytes]) -> None:
        """Raises Missing without the file, Halt("key_service") when others may read it."""
        kek = _private_key(kek_file)
        self._cipher = AESGCM(kek)
        self._random = random
        self._key_id = "local:" + hashlib.sha256(b"counterfoil/kek-id/v1" + kek).hexdigest()[:32]

    @property
    def key_id(self) -> str:
        """`local:` and 32 hex digits of a hash of the key: 256 random bits cannot be guessed."""
        return self._key_id

    def wrap(self, plain: bytes, context: bytes) -> bytes:
        """See KeyService."""
        if not 0 < len(plain) <= PLAIN_BYTES_MAX:
            raise Refused(f"{len(plain)} bytes to wrap; 1 to {PLAIN_BYTES_MAX} are allowed")
        nonce = self._random(NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, plain, _FORMAT + context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """See KeyService."""
        nonce, sealed = wrapped[1:1 + NONCE_BYTES], wrapped[1 + NONCE_BYTES:]
        if wrapped[:1] != _FORMAT or len(nonce) != NONCE_BYTES:
            raise Refused("not a wrap of this key service")
        try:
            return self._cipher.decrypt(nonce, sealed, _FORMAT + context)
        except InvalidTag as error:
            raise Refused("the wrap does not open under this key and context") from error


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

    def destroy(self, name: str) -> None:
        """See Keyring. The bytes are overwritten once the name is gone: best effort, because a
        journal, a snapshot or a flash chip may keep copies. The key in the file is wrapped."""
        path = self._records.joinpath(*folder.safe_parts(name))
        try:
            with path.open("r+b", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                path.unlink()
                folder.sync_folder(path.parent)
                # From here the key is destroyed, crash or not; the rest removes its traces.
                file.write(bytes(size))
                os.fsync(file.fileno())
        except FileNotFoundError as error:
            raise Missing(f"key record {name} is not there") from error
        except OSError as error:
            raise Transient(f"key record {name} may remain: {error.strerror}") from error


def _private_key(path: Path) -> bytes:
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
