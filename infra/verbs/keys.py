"""`keys backup | restore | check`: one encrypted file that a wiped machine can start from (K5).

Owns the backup's format (docs/FORMAT.md §9):

    "CFKB" ‖ version u8 ‖ scrypt log2 N u8 ‖ r u8 ‖ p u8 ‖ salt (16) ‖ nonce (12) ‖ AES-256-GCM
    plaintext = tar of keys/, the keyring's records, directory.toml and counterfoil.toml
    key = scrypt (RFC 7914) of the passphrase; associated data = everything before the ciphertext
"""

from __future__ import annotations

import getpass
import io
import os
import struct
import sys
import tarfile
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from infra.verbs.audit import record_act
from infra.verbs.screen import OUT, bad, emit, good
from infra.wire import Wire, clock, random
from schemas.errors import Exists, Missing, Refused

_HEAD: Final = struct.Struct(">4sBBBB16s12s")
_MAGIC: Final = b"CFKB"
_VERSION: Final = 1
_LOG2_N, _R, _P = 17, 8, 1       # 128 MiB and about half a second: RFC 7914's memory-hard cost
_BYTES_MAX: Final = 1 << 30
_NO_KEYS: Final = ("backup-checked", "lock")
_FILES: Final = ("directory.toml", "counterfoil.toml")


def backup(wire: Wire, target: Path, passphrase_file: Path | None, *, json: bool) -> int:
    """Write the backup; refuses to overwrite."""
    passphrase = _passphrase(passphrase_file, twice=True)
    record_act(wire, "keys_backup", {"file": target.name})
    content = _collect(wire)
    salt, nonce = random(16), random(12)
    head = _HEAD.pack(_MAGIC, _VERSION, _LOG2_N, _R, _P, salt, nonce)
    sealed = AESGCM(_derive(passphrase, salt, _LOG2_N, _R, _P)).encrypt(nonce, content, head)
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Exists(f"{target} is there already; name another file") from error
    with os.fdopen(descriptor, "wb") as out:
        out.write(head + sealed)
        out.flush()
        os.fsync(out.fileno())
    count = len(_read_tar(content))
    if json:
        emit({"file": str(target), "entries": count, "bytes": len(head) + len(sealed)})
    else:
        OUT.print(f"{count} keys and records written to {target}")
        OUT.print(f"next: counterfoil keys check {target}, then keep it away from this machine")
    return 0


def check(wire: Wire, source: Path, passphrase_file: Path | None, *, json: bool) -> int:
    """Open the backup and compare: every live key must be in it, equal. 1 if one is not."""
    kept = _open(source, _passphrase(passphrase_file, twice=False))
    live = _read_tar(_collect(wire))
    absent = sorted(name for name in live if name not in kept and name not in _FILES)
    different = sorted(name for name in live
                       if name in kept and kept[name] != live[name] and name not in _FILES
                       and not name.startswith("keys/public/"))
    if not absent and not different:
        (wire.home / "keys" / "backup-checked").write_text(str(clock()))
    if json:
        emit({"ok": not absent and not different, "absent": absent, "different": different,
              "entries": len(kept)})
    elif absent or different:
        for name in absent:
            OUT.print(bad("not in the backup"), name)
        for name in different:
            OUT.print(bad("differs"), name)
        OUT.print("make a new backup")
    else:
        OUT.print(good(f"all {len(live)} live keys and records are in it"))
    return 1 if absent or different else 0


def restore(wire: Wire, source: Path, passphrase_file: Path | None, *, json: bool) -> int:
    """Put back what is missing; what is there and differs is refused, never overwritten."""
    kept = _open(source, _passphrase(passphrase_file, twice=False))
    written = 0
    for name, content in sorted(kept.items()):
        if name.startswith("keyring/"):
            written += _restore_record(wire, name.removeprefix("keyring/"), content)
            continue
        path = wire.home / name
        if path.exists():
            if path.read_bytes() != content:
                raise Exists(f"{path} is there and differs; move it away first")
            continue
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        written += 1
    if json:
        emit({"restored": written, "entries": len(kept)})
    else:
        OUT.print(f"{written} of {len(kept)} put back; the others were there")
        OUT.print("next: counterfoil verify, then counterfoil rebuild")
    return 0


def _restore_record(wire: Wire, name: str, content: bytes) -> int:
    try:
        wire.keyring.create(name, content)
    except Exists:
        if wire.keyring.read(name) != content:
            raise Exists(f"key record {name} is there and differs") from None
        return 0
    return 1


def _collect(wire: Wire) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        root = wire.home / "keys"
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.name not in _NO_KEYS and path.parent.name != "tmp":
                _add(tar, f"keys/{path.relative_to(root)}", path.read_bytes())
        for name in _FILES:
            if (wire.home / name).is_file():
                _add(tar, name, (wire.home / name).read_bytes())
        for name in wire.keyring.names():
            _add(tar, f"keyring/{name}", wire.keyring.read(name))
    return out.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o600
    tar.addfile(entry, io.BytesIO(content))


def _read_tar(content: bytes) -> dict[str, bytes]:
    out: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
        for entry in tar:
            parts = Path(entry.name).parts
            if not entry.isfile() or ".." in parts or Path(entry.name).is_absolute():
                raise Refused(f"the backup holds an entry that is no file of ours: {entry.name}")
            stream = tar.extractfile(entry)
            if stream is not None:
                out[entry.name] = stream.read()
    return out


def _open(source: Path, passphrase: bytes) -> dict[str, bytes]:
    try:
        if source.stat().st_size > _BYTES_MAX:
            raise Refused(f"{source} is larger than a backup can be")
        data = source.read_bytes()
    except OSError as error:
        raise Missing(f"{source}: {error.strerror}") from error
    if len(data) < _HEAD.size + 16 or data[:4] != _MAGIC:
        raise Refused(f"{source} is not a key backup")
    _, version, log2_n, r, p, salt, nonce = _HEAD.unpack_from(data)
    if version != _VERSION or not (log2_n <= 20 and r <= 16 and p <= 4):
        raise Refused(f"{source} is a backup of another version")
    try:
        content = AESGCM(_derive(passphrase, salt, log2_n, r, p)).decrypt(
            nonce, data[_HEAD.size:], data[:_HEAD.size])
    except InvalidTag as error:
        raise Refused("wrong passphrase, or the file was changed") from error
    return _read_tar(content)


def _derive(passphrase: bytes, salt: bytes, log2_n: int, r: int, p: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=1 << log2_n, r=r, p=p).derive(passphrase)


def _passphrase(file: Path | None, *, twice: bool) -> bytes:
    """From a file or typed; never from the command line, which every user of a machine can read."""
    if file is not None:
        try:
            text = file.read_text("utf-8").strip()
        except OSError as error:
            raise Missing(f"{file}: {error.strerror}") from error
    elif sys.stdin.isatty():
        text = getpass.getpass("passphrase of the backup: ")
        if twice and text != getpass.getpass("once more: "):
            raise Refused("the two differ")
    else:
        raise Refused("no terminal to ask for the passphrase: give --passphrase-file")
    if len(text) < 12:
        raise Refused("the passphrase has fewer than 12 characters")
    return text.encode()
