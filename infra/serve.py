"""`run`: the parts of an embedded system as child processes, each with only its own keys.

Owns supervision: start, readiness, restart after a crash, no restart after a Halt, an orderly end
front to back, and one `run` a data folder. Children end when this process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from infra.state import RoleState, StateFolder
from infra.wire import clock
from schemas.errors import Halt, Transient
from schemas.findings import Alarm

# In the order of a message's road: the front stops first, so that what it took is carried on.
ROLES: Final = ("gateway", "archive", "index")
_STATE_OF: Final = {"gateway": "gateway", "archive": "archiver", "index": "indexer"}
_SECRETS: Final = ("COUNTERFOIL_WHATSAPP_", "COUNTERFOIL_TWILIO_")
_STOP_S: Final = {"gateway": 20.0, "archive": 20.0, "index": 10.0}
_RESTART_S: Final = (0.2, 1.0, 3.0, 10.0)
_TAKE_OVER_S: Final = 15.0


@dataclass
class _Child:
    role: str
    process: subprocess.Popen[bytes]
    started_at: float
    failures: int = 0
    again_at: float | None = None
    halted: bool = False


@dataclass
class Supervisor:
    """One `run` on one data folder."""

    home: Path
    arguments: Mapping[str, tuple[str, ...]]
    told: Callable[[str], None]
    _children: dict[str, _Child] = field(default_factory=dict)
    _stopping: bool = False

    def run(self, ready: Callable[[], bool]) -> int:
        """Until SIGTERM or SIGINT; returns the exit code. `ready` is asked until it is true."""
        lock = take_folder(self.home)
        signal.signal(signal.SIGTERM, self._ask_stop)
        signal.signal(signal.SIGINT, self._ask_stop)
        states = StateFolder(self.home)
        for role in ROLES:
            states.remove(_STATE_OF[role])
            self._children[role] = self._start(role, failures=0)
        announced = False
        while not self._stopping:
            self._watch()
            self._say(states)
            if not announced and ready():
                announced = True
                self.told("ready")
            time.sleep(0.1)
        self._end()
        states.remove("run")
        os.close(lock)
        return 0

    def _ask_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _start(self, role: str, failures: int) -> _Child:
        logs = self.home / "logs"
        logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(logs / f"{role}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "infra.cli", role, *self.arguments.get(role, ())],
                stdin=subprocess.DEVNULL, stdout=descriptor, stderr=descriptor, close_fds=True,
                env=_environment(role, self.home))
        finally:
            os.close(descriptor)
        return _Child(role, process, time.monotonic(), failures)

    def _watch(self) -> None:
        now = time.monotonic()
        for role, child in self._children.items():
            code = child.process.poll()
            if code is None or child.halted:
                if code is None and now - child.started_at > 60:
                    child.failures = 0
                continue
            if code == Halt.exit_code:
                # The state of the world is unknown: starting again would be guessing.
                child.halted = True
                self.told(f"{role} halted; see logs/{role}.log and `counterfoil status`")
                continue
            if child.again_at is None:
                wait = _RESTART_S[min(child.failures, len(_RESTART_S) - 1)]
                child.again_at = now + wait
                self.told(f"{role} ended with code {code}; starting it again in {wait} s")
            elif now >= child.again_at:
                self._children[role] = self._start(role, child.failures + 1)

    def _say(self, states: StateFolder) -> None:
        alarms = []
        for role, child in self._children.items():
            if child.process.poll() is not None and not child.halted:
                alarms.append(Alarm("process_down", clock(), role))
            if child.failures >= 3:
                alarms.append(Alarm("process_restarting", clock(), role))
        states.write(RoleState("run", os.getpid(), clock(), self._stopping, tuple(alarms), {
            "children": {role: child.process.pid for role, child in self._children.items()}}))

    def _end(self) -> None:
        for role in ROLES:
            child = self._children[role]
            if child.process.poll() is None:
                child.process.terminate()
                try:
                    child.process.wait(_STOP_S[role])
                except subprocess.TimeoutExpired:
                    child.process.kill()
                    child.process.wait()


def take_folder(home: Path) -> int:
    """The lock of a data folder: one `run` at a time. Waits for a predecessor that is ending.

    Raises Transient naming who holds it.
    """
    (home / "run").mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(home / "run" / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + _TAKE_OVER_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            if time.monotonic() >= until:
                os.close(descriptor)
                raise Transient(f"{home} is in use by process {holder or 'unknown'}; "
                                "stop it with `counterfoil stop`") from None
            time.sleep(0.1)
            continue
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return descriptor


def stop_folder(home: Path, wait_s: float = 40.0) -> bool:
    """Ask the `run` of a data folder to end, and wait; false if none runs."""
    path = home / "run" / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        until = time.monotonic() + wait_s
        asked = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not asked:
                    os.kill(int(os.pread(descriptor, 32, 0)), signal.SIGTERM)
                    asked = True
                if time.monotonic() >= until:
                    raise Transient("it has not ended yet") from None
                time.sleep(0.1)
                continue
            return asked
    finally:
        os.close(descriptor)


def _environment(role: str, home: Path) -> dict[str, str]:
    # Only the gateway is told the providers' secrets.
    kept = {name: value for name, value in os.environ.items()
            if role == "gateway" or not name.startswith(_SECRETS)}
    return kept | {"COUNTERFOIL_HOME": str(home), "COUNTERFOIL_PARENT_PID": str(os.getpid())}
