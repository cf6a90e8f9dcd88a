"""A lock that is a file: one process at a time, named inside, given back however it ends.

Owns the taking alone. Which file stands for what, and what is said to whoever has to wait, is the
caller's.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from schemas.errors import Transient

_LOOK_S = 0.1


class Taken(Transient):
    """Another process holds it: `holder` is its number, or "" while it has not said so."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"{path} is held by process {holder or 'unknown'}")
        self.holder = holder


def take(path: Path, wait_s: float = 0.0) -> int:
    """The lock, ours until the descriptor is closed; its folder is there. Waits `wait_s` seconds
    for a predecessor that is ending. Raises Taken, OSError for a link: what it leads to would be
    written."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            if time.monotonic() >= until:
                os.close(descriptor)
                raise Taken(path, holder) from None
            time.sleep(_LOOK_S)
            continue
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return descriptor
