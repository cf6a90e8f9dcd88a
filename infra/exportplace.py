"""Which folder is meant, however its path is spelled; and that one process writes in it.

Owns the one spelling of a package's place, and its lock: a file beside the package, found through
the folder itself, so that a link, a mount or another case of letters leads to the same one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra import filelock
from schemas.errors import Missing, Refused


def place_of(out: Path) -> Path:
    """The absolute path of a package, through no link but perhaps its own name. Raises Refused for
    what cannot be a package's."""
    full = out.absolute()
    try:
        if full.name in ("", ".."):
            full = full.resolve()
        parent = full.parent.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise Refused(f"{out} leads nowhere: name another folder") from error
    if not full.name:
        raise Refused(f"{out} is no folder for a package: name a new one")
    return parent / full.name


@contextmanager
def alone(place: Path) -> Iterator[None]:
    """Nobody else makes a package at `place` (of `place_of`), whatever export it is and whichever
    data folder it comes from. Raises Refused where somebody does, Missing without a parent."""
    if not place.parent.is_dir():
        raise Missing(f"{place.parent} is not there: make it, or name another folder")
    part = place.with_name(f"{place.name}.part")
    if part.is_symlink():
        # What it leads to may be the half-made package of another name.
        raise Refused(f"{part} is a link: name another folder")
    path = place.with_name(f"{place.name}.part-lock")
    try:
        descriptor = _taken(path)
    except filelock.Taken as error:
        raise Refused(f"a package is being made in {place} by another process: wait until it is "
                      "done, or name another folder") from error
    except OSError as error:
        raise Refused(f"{path} cannot be a lock ({error.strerror}): take it away, or name another "
                      "folder") from error
    try:
        yield
    finally:
        try:
            path.unlink(missing_ok=True)       # while it is held: nobody is let in by the old one
        finally:
            os.close(descriptor)


def _taken(path: Path) -> int:
    while True:
        descriptor = filelock.take(path)
        try:
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass                               # whoever held it took it away: there is a new one
        os.close(descriptor)
