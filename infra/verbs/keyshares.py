"""`keys split | join`: the wrapping key, or the backups' passphrase, in shares for officers.

Owns files, prompts and what is said; the arithmetic and the text of a share are
`infra/keyshares.py`. No share and no secret is ever an argument of a command, and none is printed
unless it was asked for.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from archive.keyring import opened
from infra import keyshares
from infra.embedded.folder import make_folder
from infra.embedded.keys import KEK_BYTES, LocalKeyService, read_private
from infra.keyshares import KEK, KINDS, PASSPHRASE, Joined, Share
from infra.rotate import is_under_way
from infra.verbs.audit import record_act
from infra.verbs.keys import open_backup
from infra.verbs.newfile import write_new
from infra.verbs.screen import ERR, OUT, bad, emit, good, instant
from infra.wire import Wire, clock, random
from schemas.errors import Exists, Missing, Refused

WHAT: Final = {"kek": KEK, "passphrase": PASSPHRASE}
_PASSPHRASE_CHARS_MIN: Final = 12


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be split, into how many shares, and where they go. `out` null: on the screen.
    `backup`: a key backup that the passphrase has to open."""

    what: str
    count: int
    threshold: int
    out: Path | None
    passphrase_file: Path | None = None
    backup: Path | None = None


def split(wire: Wire, wanted: Wanted, *, json: bool) -> int:
    """Write one file a share; refuses to write over anything."""
    kind = WHAT.get(wanted.what)
    if kind is None:
        raise Refused(f"{wanted.what!r}: what is split is {' or '.join(WHAT)}")
    if json and wanted.out is None:
        raise Refused("--json says what was done and no share: give --out FOLDER with it")
    secret, name = _secret(wire, kind, wanted.passphrase_file)
    if wanted.backup is not None:
        _require_opens(wanted.backup, kind, secret)
    shares = keyshares.split(secret, kind, wanted.threshold, wanted.count, random)
    _require_each_pair(shares, secret)
    if wanted.out is not None:
        _require_empty(wanted.out)
    record_act(wire, "keys_split", {"what": wanted.what, "set": shares[0].set_id.hex(),
                                    "shares": str(wanted.count),
                                    "threshold": str(wanted.threshold)})
    texts = {f"share-{one.number}-of-{one.count}.txt": _page(one, name) for one in shares}
    if wanted.out is None:
        for text in texts.values():
            OUT.print(text, soft_wrap=True)
        return 0
    for file, text in texts.items():
        write_private(wanted.out / file, text.encode())
    for file, share in zip(texts, shares, strict=True):
        if keyshares.read((wanted.out / file).read_text("utf-8")) != share:
            raise Refused(f"{file} does not read back as it was written")
    if json:
        emit({"what": wanted.what, "set": shares[0].set_id.hex(), "shares": wanted.count,
              "threshold": wanted.threshold, "files": [str(wanted.out / file) for file in texts]})
        return 0
    OUT.print(f"{wanted.count} shares of {name} in {wanted.out}; any {wanted.threshold} restore it")
    if kind == PASSPHRASE and wanted.backup is None:
        OUT.print(bad("not tried:"), "whether this passphrase opens your key backups. --backup "
                  "FILE tries it on one; so does counterfoil drill --shares", soft_wrap=True)
    OUT.print("next: give one to each officer, on paper or on a stick of its own, then delete the "
              "folder. Try it: counterfoil keys join, with as many shares as are needed")
    return 0


def join(wire: Wire, paths: Sequence[Path], out: Path | None, *, json: bool) -> int:
    """The secret again, from files or as it is typed; written for its owner only, never printed."""
    joined = joined_of(paths)
    if joined.kind == KEK:
        is_new, target = _place_kek(wire, joined.secret, out)
    else:
        if out is None:
            raise Refused("these are shares of the backups' passphrase: give --out FILE, and then "
                          "that file as --passphrase-file")
        is_new, target = True, out
        write_private(out, joined.secret + b"\n")
    if json:
        emit({"what": _what(joined), "set": joined.set_id.hex(), "wrong": list(joined.wrong),
              "file": str(target), "written": is_new})
        return 0
    for number in joined.wrong:
        OUT.print(bad(f"share {number} is not what it was:"), "make a new set of shares")
    OUT.print(good(f"{KINDS[joined.kind]} is restored:") if is_new else
              good("the key is there already, and it is this one:"), str(target))
    if joined.kind == KEK:
        OUT.print("next: counterfoil verify")
    return 0


def joined_of(paths: Sequence[Path]) -> Joined:
    """What the shares in these files and folders give; without one they are typed."""
    return keyshares.join(_read_all(paths) if paths else _typed())


def write_private(path: Path, content: bytes) -> None:
    """A new file, for its owner only, in a folder that is made. Raises Exists, Refused."""
    try:
        make_folder(path.absolute().parent)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    write_new(path, content)


def _secret(wire: Wire, kind: int, passphrase_file: Path | None) -> tuple[bytes, str]:
    if kind == PASSPHRASE:
        return _passphrase(passphrase_file), KINDS[PASSPHRASE]
    if wire.config.keyservice.driver != "local":
        raise Refused("the wrapping key is in a KMS and never leaves it: nothing here to split. "
                      "`--what passphrase` splits what opens the key backups")
    path = wire.keys_folder.kek_path()
    if is_under_way(path):
        raise Refused("the wrapping key is being rotated: `counterfoil keys rotate --finish`, "
                      "else the shares would be of the key that goes")
    secret = read_private(path)
    name = f"{KINDS[KEK]} {LocalKeyService(path, random, alone=True).key_id}"
    if len(secret) != KEK_BYTES:
        raise Refused(f"{path} does not hold {KEK_BYTES} bytes")
    return secret, name


def _passphrase(file: Path | None) -> bytes:
    if file is not None:
        try:
            text = file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Missing(f"{file}: {error}") from error
    elif sys.stdin.isatty():
        text = getpass.getpass("passphrase of the backups: ")
        if text != getpass.getpass("once more: "):
            raise Refused("the two differ")
    else:
        raise Refused("no terminal to ask for the passphrase: give --passphrase-file")
    if len(text) < _PASSPHRASE_CHARS_MIN:
        raise Refused(f"the passphrase has fewer than {_PASSPHRASE_CHARS_MIN} characters")
    if text != text.strip():
        # `join` writes a file, and of a file the ends are not read.
        raise Refused("the passphrase begins or ends with a space, which a file does not keep")
    return text.encode()


def _require_opens(backup: Path, kind: int, secret: bytes) -> None:
    """Shares of a mistyped passphrase would be found out when it is too late."""
    if kind != PASSPHRASE:
        raise Refused("--backup is tried with the passphrase: --what passphrase")
    open_backup(backup, secret)


def _require_each_pair(shares: Sequence[Share], secret: bytes) -> None:
    """Every share is in one of these sets: none is handed out that was never tried."""
    around = [*shares, *shares]
    need = shares[0].threshold
    for at in range(len(shares)):
        if keyshares.join(around[at:at + need]).secret != secret:
            raise AssertionError("shares that were just made do not give their secret")
    assert all(one.number < other.number for one, other in pairwise(shares))


def _require_empty(out: Path) -> None:
    try:
        make_folder(out.absolute())
        if any(out.iterdir()):
            raise Refused(f"{out} is not empty: shares of two sets must not lie side by side")
    except OSError as error:
        raise Refused(f"{out}: {error.strerror}") from error


def _page(share: Share, name: str) -> str:
    return (f"Counterfoil key share {share.number} of {share.count}\n"
            f"Any {share.threshold} of them restore {name}.\n"
            f"Set {share.set_id.hex()}, made {instant(clock())}.\n"
            "Keep it apart from the other shares. To restore: `counterfoil keys join`, then type\n"
            "these lines as they stand; the last two characters check each line.\n\n"
            f"{share.text()}")


def _what(joined: Joined) -> str:
    return next(name for name, kind in WHAT.items() if kind == joined.kind)


def _place_kek(wire: Wire, secret: bytes, out: Path | None) -> tuple[bool, Path]:
    if out is None and wire.config.keyservice.driver != "local":
        raise Refused("this data folder wraps its keys in a KMS; give --out FILE for a key of "
                      "another one")
    target = out or wire.keys_folder.kek_path()
    if out is None and target.exists():
        if read_private(target) != secret:
            raise Exists(f"{target} is there and is another key; move it away first")
        return False, target
    if out is None:
        _require_ours(wire, secret)
        if wire.keys_folder.provisioned:
            record_act(wire, "keys_join", {"what": "kek"})
    write_private(target, secret)
    return True, target


def _require_ours(wire: Wire, secret: bytes) -> None:
    """Raises Refused for a key that opens no record of the keyring: with it in place new records
    would be wrapped under another archive's key, or one that was rotated away."""
    service = LocalKeyService.of(secret, random)
    tried = 0
    for name in wire.keyring.names():
        with suppress(Missing):
            if opened(wire.keyring.read(name), name, service) is not None:
                return
            tried += 1
    if tried:
        raise Refused(f"the shares are whole, and their key {service.key_id} opens none of the "
                      f"{tried} key records that are here: they are of another data folder, or "
                      "older than the last rotation. Nothing was written; --out FILE writes it "
                      "elsewhere")


def _read_all(paths: Sequence[Path]) -> Iterator[Share]:
    for path in paths:
        files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
        if not files:
            raise Missing(f"{path} holds no file *.txt")
        for file in files:
            try:
                with file.open("rb") as opened:
                    text = opened.read(keyshares.TEXT_BYTES_MAX + 1).decode("utf-8")
            except OSError as error:
                raise Missing(f"{file}: {error.strerror}") from error
            except UnicodeDecodeError as error:
                raise Refused(f"{file} is no share") from error
            try:
                share = keyshares.read(text)
            except Refused as error:
                raise Refused(f"{file}: {error}") from error
            yield share


def _typed() -> Iterator[Share]:
    """Share after share from the terminal, each line checked when it was typed. Raises Refused
    where there is no terminal."""
    if not sys.stdin.isatty():
        raise Refused("no terminal to type shares at: name files or folders that hold them")
    wanted, have = 2, set[int]()
    while len(have) < wanted:
        ERR.print(f"share {len(have) + 1}: type its lines; an empty line ends it")
        lines: list[str] = []
        while line := _line():
            try:
                keyshares.read_line(line)
            except Refused as error:
                ERR.print(bad("again:"), str(error))
            else:
                lines.append(line)
        try:
            share = keyshares.read("\n".join(lines))
        except Refused as error:
            ERR.print(bad("again:"), str(error))
            continue
        wanted = share.threshold
        have.add(share.number)
        ERR.print(good("whole:"), f"{share.name}; {wanted} are needed")
        yield share


def _line() -> str:
    """One line as it was typed. The prompt is no answer: it goes where remarks go."""
    ERR.print("> ", end="")
    try:
        return input().strip()
    except EOFError as error:
        raise Refused("the terminal was closed before the shares were whole") from error
