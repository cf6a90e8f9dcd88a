"""What every process of ours does to itself before it reads a key (DESIGN §11).

Owns: no core dumps, no debugger of another user, private files, and an end with its parent.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4


def harden() -> None:
    """Core dumps off, /proc/self/mem closed to others, new files private (umask 077)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    _prctl(_PR_SET_DUMPABLE, 0)


def end_with_parent(parent_pid: int) -> None:
    """Ask the kernel for SIGTERM when the parent ends, however it ends (kill -9 included).

    If it ended before we asked, we end now: nobody would ever tell us.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")
