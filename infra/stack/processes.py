"""Processes that are known again later: by id *and* start time, so that no reused id is killed.

Owns start, "is it still the same one" and stop. Which programs run, and when they are ready, is
`stack.py`'s business.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import Transient

KEEPER = Path(__file__).with_name("keeper.py")
POLL_S = 0.05
KILL_S_MAX = 60


@dataclass(frozen=True, slots=True)
class Process:
    """A process of this machine. `started` is "boot id:clock ticks since boot"."""

    pid: int
    started: str

    def alive(self) -> bool:
        """Whether this very process still runs; one that only waits to be reaped does not."""
        # A server that we started ourselves stays a zombie until its parent asks.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        # "" stands for a process that ended before its start could be read.
        return bool(self.started) and started_at(self.pid) == self.started


def started_at(pid: int) -> str:
    """The start of a running process, "" if there is none or it is dead and unreaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    # The name in parentheses may hold anything, spaces and parentheses too: count after its end.
    fields = stat.rpartition(")")[2].split()
    state, ticks = fields[0], fields[19]
    if state in "ZX":
        return ""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
    return f"{boot}:{ticks}"


def this_process() -> Process:
    """The calling process, to tie servers to."""
    return Process(os.getpid(), started_at(os.getpid()))


def start(command: list[str], log: Path, tied_to: Process | None) -> Process:
    """Run `command` in a session of its own, output appended to `log` (0600), no input.

    With `tied_to` it ends when that process ends, however that ends (kill -9 included). It gets
    a bare environment: no secret of ours reaches a server by accident.
    """
    if tied_to is not None:
        owner = [str(tied_to.pid), tied_to.started]
        command = [sys.executable, "-I", str(KEEPER), *owner, *command]
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(log.parent),
        "LANG": "C.UTF-8",
    }
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        command[0],
        command,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        # Ctrl-C at the terminal is for whoever asked for the servers, not for the servers.
        setsid=True,
        # A parent that ignores or blocks a signal (nohup, a thread pool) must not pass that on.
        setsigmask=[],
        setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE],
    )
    return Process(pid, started_at(pid))


def stop(graces: Mapping[Process, float]) -> None:
    """End these processes: first politely; each that still runs after its seconds is killed.

    Raises Transient when one does not end even so (it hangs in the kernel, on a dead disk say).
    """
    for process in graces:
        _send(process, signal.SIGTERM)
    since = time.monotonic()
    deadline = since + max(graces.values(), default=0) + KILL_S_MAX
    while waiting := [process for process in graces if process.alive()]:
        if time.monotonic() > deadline:
            raise Transient(f"killed, but still there: {[process.pid for process in waiting]}")
        for process in waiting:
            if time.monotonic() - since >= graces[process]:
                _send(process, signal.SIGKILL)
        time.sleep(POLL_S)


def _send(process: Process, number: signal.Signals) -> None:
    # The same process still, not another that was given its id.
    if process.alive():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
