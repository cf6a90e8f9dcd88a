"""`witness`: a small process that watches other people's logs and says what it has seen.

Owns its folder: the key (made once), what it remembers of each log, and which logs it knows. It is
nothing of an archive's: run it on another machine, by other people.

    witness.key     its Ed25519 key, 0600        witness.vkey    its verifier key
    heads/          the last head of each log: never put back from a backup
    shown/          the last checkpoint of each log, for monitors; may be lost
"""

from __future__ import annotations

import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archive.tlog import note
from archive.tlog.note import COSIGNATURE, ED25519, Key, Signer
from archive.tlog.witness import PATH, Witness
from infra import witness as serving
from infra.embedded import folder
from infra.lasthead import FolderLatest
from infra.verbs.screen import ERR, OUT
from infra.wire import clock
from schemas.errors import Missing, Refused


def witness(home: Path, name: str, logs: list[str], host: str, port: int) -> int:
    """Serve until told to stop. `logs`: verifier keys, or files of them, one a line. Raises Refused
    for what is no log's key, and for another name than the folder's."""
    known = _logs(logs)
    signer = signer_of(home, name)
    one = Witness(signer, known, FolderLatest(home / "heads"), clock)
    server = serving.server(one, serving.Shown(home / "shown"), host, port)
    ERR.print(f"witness {signer.key.name} of {', '.join(sorted(known))} at "
              f"http://{host}:{port}{PATH}")
    OUT.print(signer.key.vkey(), soft_wrap=True)
    server.run()
    return 0 if server.started else Missing.exit_code


def signer_of(home: Path, name: str) -> Signer:
    """The witness's key, made on the first use of the folder under `name`."""
    folder.make_folder(home)
    path, public = home / "witness.key", home / "witness.vkey"
    if not path.exists():
        if public.exists():
            raise Missing(f"{path} is not there, and {public} is: a witness does not get another "
                          "key under its name")
        if not note.is_name(name):
            raise Refused("a new witness needs --name, such as witness.firm.example; it stays its "
                          "name for ever")
        with folder.temporary(home, Ed25519PrivateKey.generate().private_bytes_raw(),
                              0o600) as source:
            folder.link_once(source, path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise Refused(f"{path} can be read by others: run chmod 600 on it")
    private = Ed25519PrivateKey.from_private_bytes(path.read_bytes())
    raw = private.public_key().public_bytes_raw()
    if not public.exists():
        if not note.is_name(name):
            raise Refused("give --name, as when the folder was made")
        folder.replace(public, f"{Key(name, COSIGNATURE, raw).vkey()}\n".encode(), 0o644)
    key = note.read_vkey(public.read_text("ascii").strip())
    if key.public != raw or name not in ("", key.name):
        raise Refused(f"{public} is the key of {key.name}: a witness keeps its name and key")
    return Signer(key, private.sign)


def _logs(given: list[str]) -> dict[str, tuple[Key, ...]]:
    found: dict[str, tuple[Key, ...]] = {}
    for one in given:
        path = Path(one)
        text = path.read_text("utf-8") if path.is_file() else one
        for origin, keys in serving.read_logs(text).items():
            found[origin] = (*found.get(origin, ()), *keys)
    if not found:
        raise Refused("give --log with a log's verifier key, or a file of them")
    for keys in found.values():
        for key in keys:
            if key.kind != ED25519:
                raise Refused(f"{key.name} is a witness's key, not a log's")
    return found
