"""Runs one server for as long as another process lives: `keeper.py PID STARTED COMMAND...`.

Owns nothing but that bond. It stands alone (standard library only, Linux 5.3) as it is run by path.
The owner ends, by kill -9 too: the server is killed. The keeper is killed: the kernel kills the
server. SIGTERM to the keeper is passed on, so that a server can end politely.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG = 1


def main(owner: int, owner_started: str, command: list[str]) -> int:
    """The server's exit code, or 1 when it was killed because its owner is gone."""
    try:
        owner_end = os.pidfd_open(owner)
    except ProcessLookupError:
        return 1
    # After the descriptor is open the id cannot be reused behind our back; before, it can.
    if not _same(owner, owner_started):
        return 1
    # preexec_fn is safe here: this program has one thread, which is also the parent the kernel
    # watches for PR_SET_PDEATHSIG.
    here = os.getpid()
    server = subprocess.Popen(command, preexec_fn=lambda: _die_with(here))  # noqa: PLW1509

    def pass_on(number: int, _frame: FrameType | None) -> None:
        server.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    server_end = os.pidfd_open(server.pid)
    readable, _, _ = select.select([owner_end, server_end], [], [])
    if owner_end in readable:
        server.kill()
        server.wait()
        return 1
    return server.wait()


def _die_with(keeper: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # Killed before the kernel was asked: nobody would ever tell this process.
    if os.getppid() != keeper:
        os._exit(1)


def _same(pid: int, started: str) -> bool:
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2]
    return fields.split()[19] == started.rpartition(":")[2]


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
