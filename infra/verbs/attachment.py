"""`attachment`: one file of a message, opened, checked and written where it was asked for.

Recorded before it is opened (PROTOCOL I7). The target appears whole or not at all, for its owner
only; nothing is written over unless told.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from archive.media import MediaReader
from infra.verbs.audit import operating
from infra.verbs.screen import OUT, emit, shown
from infra.wire import Wire
from schemas.errors import Exists, Missing, Refused
from schemas.media import StoredMedia


def attachment(wire: Wire, message: str, number: int, out: Path, *, force: bool,
               json: bool) -> int:
    """Write file `number` of `message` to `out`."""
    if not force and os.path.lexists(out):
        raise Exists(f"{out} is there already; name another file, or --force")
    if not out.parent.is_dir():
        raise Missing(f"{out.parent} is no folder")
    found = wire.searcher().file(message, number, operating(wire))
    if found.stored is None:
        raise AssertionError("a file that is not stored was handed out")
    _write(MediaReader(wire.store), found.stored, out, force=force)
    if json:
        emit({"id": message, "number": number, "file": str(out), "name": found.name,
              "media_type": found.media_type, "size": found.stored.size,
              "sha256": found.stored.sha256.hex()})
    else:
        OUT.print(f"{out}: {found.stored.size} bytes, {shown(found.media_type) or 'no type'}, "
                  f"sha-256 {found.stored.sha256.hex()}")
    return 0


def _write(reader: MediaReader, stored: StoredMedia, out: Path, *, force: bool) -> None:
    """The target is made when every chunk opened and the hash was right; before that the bytes lie
    beside it under a name of their own, for their owner only, and go if anything is wrong."""
    temporary = out.with_name(f".{out.name[:100]}.{os.getpid()}.part")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as target:
                for piece in reader.open(stored):
                    target.write(piece)
                target.flush()
                os.fsync(target.fileno())
            if force:
                temporary.replace(out)
            else:
                os.link(temporary, out)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
    except FileExistsError as error:
        raise Exists(f"{out} is there already; name another file, or --force") from error
    except OSError as error:
        raise Refused(f"{out}: {error.strerror}") from error
