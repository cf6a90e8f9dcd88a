"""`keys backup | restore | check`: one encrypted file that a wiped machine can start from (K5).

Owns the backup's format (docs/FORMAT.md §9):

    "CFKB" ‖ version u8 ‖ scrypt log2 N u8 ‖ r u8 ‖ p u8 ‖ salt (16) ‖ nonce (12) ‖ AES-256-GCM
    plaintext = tar of keys/, the keyring's records, and the firm's own files (`_SETTINGS`)
    key = scrypt (RFC 7914) of the passphrase; associated data = everything before the ciphertext
"""

from __future__ import annotations

import getpass
import io
import struct
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from infra.config import load
from infra.restoring import LeftOut, left_out
from infra.verbs.audit import record_act
from infra.verbs.newfile import write_new
from infra.verbs.screen import OUT, bad, emit, good, shown, strong
from infra.wire import Wire, clock, random
from schemas.errors import CounterfoilError, Exists, Missing, Refused

_HEAD: Final = struct.Struct(">4sBBBB16s12s")
_MAGIC: Final = b"CFKB"
_VERSION: Final = 1
_LOG2_N, _R, _P = 17, 8, 1       # 128 MiB and about half a second: RFC 7914's memory-hard cost
_BYTES_MAX: Final = 1 << 30
_NO_KEYS: Final = ("backup-checked", "lock")
# What people wrote or chose and nothing can make again, as patterns in the data folder: settings,
# who is who, who may see what, how they sign in, policies, sampling plans, lists of words.
CONFIG: Final = "counterfoil.toml"
ACCOUNTS: Final = "accounts.json"
_SETTINGS: Final = (CONFIG, "directory.toml", "access.toml", ACCOUNTS, "policies/*.toml",
                    "sampling/*.toml", "lists/*.txt")
# Nobody needs it to go on: its absence from a backup is nothing to be told.
_CONVENIENT: Final = ("console/saved-searches.json",)
_KEYS: Final = ("keys/", "keyring/")


def backup(wire: Wire, target: Path, passphrase_file: Path | None, *, json: bool) -> int:
    """Write the backup; refuses to overwrite."""
    passphrase = passphrase_of(passphrase_file, twice=True)
    record_act(wire, "keys_backup", {"file": target.name})
    content = _collect(wire)
    salt, nonce = random(16), random(12)
    head = _HEAD.pack(_MAGIC, _VERSION, _LOG2_N, _R, _P, salt, nonce)
    sealed = AESGCM(_derive(passphrase, salt, _LOG2_N, _R, _P)).encrypt(nonce, content, head)
    write_new(target, head + sealed)
    names = _read_tar(content)
    count, outside = len(names), _outside(wire)
    if json:
        emit({"file": str(target), "entries": count, "bytes": len(head) + len(sealed),
              "outside": outside})
    else:
        own = sum(not name.startswith(_KEYS) for name in names)
        OUT.print(f"{count - own} keys and records and {own} files of settings written to {target}")
        for name in outside:
            OUT.print(bad("not in it"), f"{name}: your settings name it; keep a copy of it too")
        OUT.print(f"next: counterfoil keys check {target}, then keep it away from this machine")
    return 0


def check(wire: Wire, source: Path, passphrase_file: Path | None, *, json: bool) -> int:
    """Open the backup and compare: every live key must be in it, equal, and every file of settings
    must be in it. 1 if one is not. A file that was changed since is named."""
    kept = open_backup(source, passphrase_of(passphrase_file, twice=False))
    live = _read_tar(_collect(wire))
    absent = sorted(name for name in live if name not in kept and name not in _CONVENIENT)
    unlike = sorted(name for name in live if name in kept and kept[name] != live[name])
    different = [name for name in unlike
                 if name.startswith(_KEYS) and not name.startswith("keys/public/")]
    changed = [name for name in unlike if not name.startswith(_KEYS) and name not in _CONVENIENT]
    if not absent and not different:
        (wire.home / "keys" / "backup-checked").write_text(str(clock()))
    if json:
        emit({"ok": not absent and not different, "absent": absent, "different": different,
              "entries": len(kept), "changed": changed})
        return 1 if absent or different else 0
    for names, words in ((absent, bad("not in the backup")), (different, bad("differs")),
                         (changed, strong("changed since"))):
        for name in names:
            OUT.print(words, shown(name))
    if absent or different:
        OUT.print("make a new backup")
        return 1
    OUT.print(good(f"all {len(live)} live keys, records and files are in it"))
    return 0


def restore(wire: Wire, source: Path, passphrase_file: Path | None, *, json: bool,
            also_erased: bool = False) -> int:
    """Put back what is missing. A key that is there and differs is refused before anything is
    written; a file of settings that is there is left as it is, and named where it differs. Keys
    that were erased since stay away, unless `also_erased`."""
    kept = open_backup(source, passphrase_of(passphrase_file, twice=False))
    files = {name: content for name, content in sorted(kept.items())
             if not name.startswith("keyring/")}
    unlike = [name for name, content in files.items()
              if (wire.home / name).exists() and (wire.home / name).read_bytes() != content]
    for name in unlike:
        if name.startswith(_KEYS):
            raise Exists(f"{wire.home / name} is there and differs; move it away first")
    written = [name for name, content in files.items() if _restore_file(wire.home / name, content)]
    # Where the keyring lies is a setting, and may just have come back.
    now = Wire(load(wire.home)) if CONFIG in written else wire
    ring = {name.removeprefix("keyring/"): content for name, content in sorted(kept.items())
            if name.startswith("keyring/")}
    erased = LeftOut() if also_erased else _erased_since(now, ring)
    records = sum(_restore_record(now, name, content) for name, content in ring.items()
                  if name not in erased.names)
    if json:
        emit({"restored": len(written) + records, "entries": len(kept), "left": unlike,
              "erased": sorted(erased.names), "doubts": list(erased.doubts)})
        return 0
    OUT.print(f"{len(written) + records} of {len(kept)} put back; the others were there"
              + (", or were erased" if erased.names else ""))
    _tell_erased(erased, also_erased=also_erased)
    for name in unlike:
        OUT.print(strong("left as it is:"), f"{shown(name)} differs from the backup's")
    if ACCOUNTS in written:
        OUT.print(strong("accounts are as of the backup:"), "disable again who left since, and "
                  "revoke tokens again (`counterfoil account list`, `token list`)")
    OUT.print("next: counterfoil verify, then counterfoil rebuild")
    return 0


def _erased_since(wire: Wire, ring: Mapping[str, bytes]) -> LeftOut:
    live = frozenset(wire.keyring.names())
    try:
        return left_out(wire, ring, ring.keys() - live)
    except CounterfoilError as error:
        raise Refused("no key record was put back: whether some of them were erased since the "
                      f"backup cannot be told ({error}). Make the archive readable and do it again;"
                      " or --also-erased puts all of them back") from error


def _tell_erased(erased: LeftOut, *, also_erased: bool) -> None:
    for name in sorted(erased.names):
        OUT.print(bad("left out:"), f"{name} was erased after this backup was made",
                  soft_wrap=True)
    for doubt in erased.doubts:
        OUT.print(bad("keys that were erased may be back:"), f"{shown(doubt)}; `counterfoil "
                  "verify` names them (key_resurrected)", soft_wrap=True)
    if also_erased:
        OUT.print(bad("--also-erased:"), "keys that two people destroyed may be back, and what "
                  "they sealed can be read. `counterfoil verify` names them; `counterfoil "
                  "disposition run LIST` destroys them again", soft_wrap=True)


def _restore_file(path: Path, content: bytes) -> bool:
    """Whether it was missing and is there now."""
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_new(path, content)
    return True


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
        for pattern in (*_SETTINGS, *_CONVENIENT):
            for path in sorted(wire.home.glob(pattern)):
                if path.is_file():
                    _add(tar, str(path.relative_to(wire.home)), path.read_bytes())
        for name in wire.keyring.names():
            _add(tar, f"keyring/{name}", wire.keyring.read(name))
    return out.getvalue()


def _outside(wire: Wire) -> list[str]:
    """Files that the settings name (secrets of providers, certificates): they may lie anywhere, and
    are in no backup of the data folder."""
    config = wire.config
    sections = [each for _, each in config if hasattr(type(each), "model_fields")]
    return sorted({str(value) for one in (config, *sections) for name, value in one
                   if name.endswith("_file") and value is not None})


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


def open_backup(source: Path, passphrase: bytes) -> dict[str, bytes]:
    """The entries of a backup by name. Raises Missing, Refused."""
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


def passphrase_of(file: Path | None, *, twice: bool) -> bytes:
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
