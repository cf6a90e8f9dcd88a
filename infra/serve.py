"""`run`: the parts of an embedded system as child processes, each with only its own keys.

Owns supervision: start, readiness, restart after a crash, no restart after a Halt, an orderly end
front to back, one `run` a data folder, and logs that do not fill the disk. Children end when this
process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from infra import filelock
from infra.state import RoleState, StateFolder
from infra.wire import clock
from schemas.errors import Halt, Transient
from schemas.findings import Alarm

# In the order of a message's road: the front stops first, so that what it took is carried on.
ROLES: Final = ("gateway", "archive", "index", "notary")
_STATE_OF: Final = {"gateway": "gateway", "archive": "archiver", "index": "indexer",
                    "notary": "notary"}
# What a part may know of our environment: the machine's, our own settings, and by role the
# providers' secrets or the means to reach a cloud's store and keys. Never all of it.
_SECRETS: Final = ("COUNTERFOIL_WHATSAPP_", "COUNTERFOIL_TWILIO_")
_ANY: Final = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR",
               "VIRTUAL_ENV", "LD_LIBRARY_PATH", "NO_COLOR", "TERM", "COLUMNS")
_ANY_PREFIX: Final = ("LC_", "PYTHON", "COVERAGE_", "SSL_CERT_", "COUNTERFOIL_")
_CLOUD_PREFIX: Final = ("AWS_", "BOTO_", "REQUESTS_CA_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
                        "http_proxy", "https_proxy", "no_proxy")
_CLOUD_ROLES: Final = ("archive", "index", "notary")
# The gateway's own order is 6 s for requests and 8 s for its spool; `stop` waits for the sum.
_STOP_S: Final = {"gateway": 20.0, "archive": 20.0, "index": 15.0, "notary": 15.0}
_STOP_ALL_S: Final = 75.0
_LOG_BYTES_MAX: Final = 16 << 20
_LOG_LOOK_S: Final = 1.0
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
    _looked_at: float = 0.0
    _state_fails: bool = False
    _said_of: dict[str, set[str]] = field(default_factory=dict)

    def run(self, ready: Callable[[RoleState], bool]) -> int:
        """Until SIGTERM or SIGINT; returns the exit code. `ready` is asked with the last word of
        our own gateway until it is true: who else answers on its port is not asked."""
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
            self._bound_logs()
            gateway = self._hear(states)
            if not announced and gateway is not None and ready(gateway):
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
                env=environment_of(role, self.home, os.environ))
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
            if child.halted:
                alarms.append(Alarm("halted", clock(), f"{role}: see logs/{role}.log"))
            elif child.process.poll() is not None:
                alarms.append(Alarm("process_down", clock(), role))
            if child.failures >= 3:
                alarms.append(Alarm("process_restarting", clock(), role))
        try:
            states.write(RoleState("run", os.getpid(), clock(), self._stopping, tuple(alarms), {
                "children": {role: child.process.pid for role, child in self._children.items()}}))
            self._state_fails = False
        except OSError as error:
            if not self._state_fails:  # a full disk must not end the parts that can go on
                self.told(f"state not written: {error}")
            self._state_fails = True

    def _hear(self, states: StateFolder) -> RoleState | None:
        """Say once why a part does not run; the gateway's last word, if it is this child's and it
        runs."""
        found = {state.role: state for state in states.read()}
        for role, child in self._children.items():
            state = found.get(_STATE_OF[role])
            if state is None or state.pid != child.process.pid:
                continue
            down = "; ".join(one.detail for one in state.alarms if one.code == "process_down")
            said = self._said_of.setdefault(role, set())
            if down and down not in said:
                said.add(down)  # it is tried again and again, and told once
                self.told(f"{role} does not run: {down}")
            elif not down:
                said.clear()
            if role == "gateway" and not down and child.process.poll() is None:
                return state
        return None

    def _bound_logs(self) -> None:
        now = time.monotonic()
        if now - self._looked_at >= _LOG_LOOK_S:
            self._looked_at = now
            for role in ROLES:
                with suppress(OSError):  # tried again at the next look
                    bound_log(self.home / "logs" / f"{role}.log", _LOG_BYTES_MAX)

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


def bound_log(path: Path, bytes_max: int) -> None:
    """Move a log that has grown past `bytes_max` to `<name>.1`, over the last one, and begin it
    anew. Its writer keeps the file, so it is emptied and not renamed: a line that is written
    between the two is lost, and a log is no evidence."""
    if path.stat().st_size <= bytes_max:
        return
    shutil.copyfile(path, path.with_name(path.name + ".1"))
    os.truncate(path, 0)


def take_folder(home: Path) -> int:
    """The lock of a data folder: one `run` at a time. Waits for a predecessor that is ending.

    Raises Transient naming who holds it.
    """
    (home / "run").mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        return filelock.take(home / "run" / "lock", _TAKE_OVER_S)
    except filelock.Taken as held:
        raise Transient(f"{home} is in use by process {held.holder or 'unknown'}; "
                        "stop it with `counterfoil stop`") from None


def stop_folder(home: Path, wait_s: float = _STOP_ALL_S) -> bool:
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
                holder = os.pread(descriptor, 32, 0)
                if not asked and holder.isdigit():  # else it has the lock and not yet said so
                    with suppress(ProcessLookupError):
                        os.kill(int(holder), signal.SIGTERM)
                    asked = True
                if time.monotonic() >= until:
                    raise Transient("it has not ended yet") from None
                time.sleep(0.1)
                continue
            return asked
    finally:
        os.close(descriptor)


def environment_of(role: str, home: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """What a part's process is told of `environment`."""
    kept = {name: value for name, value in environment.items() if _may_know(role, name)}
    return kept | {"COUNTERFOIL_HOME": str(home), "COUNTERFOIL_PARENT_PID": str(os.getpid())}


def _may_know(role: str, name: str) -> bool:
    if name.startswith(_SECRETS):
        return role == "gateway"
    if name.startswith(_CLOUD_PREFIX):
        return role in _CLOUD_ROLES
    return name in _ANY or name.startswith(_ANY_PREFIX)
