"""The frame of a worker process: stop on a signal, say how it goes, end for a reason.

Owns the loop around a role's `turn`: state written each second, Transient tried again for as long
as it takes and an alarm when that is long, Halt said loudly and final.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

import structlog

from infra.state import EVERY_S, RoleState, StateFolder
from infra.wire import clock
from schemas.errors import CounterfoilError, Halt, Transient
from schemas.findings import ALARMS, HALTS, Alarm, Finding

_COLLECT_EVERY: Final = 5_000
_PAUSE_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
# A part that tries the same thing for so long does not work, whatever it says.
STUCK_MS: Final = 2 * 60_000


@dataclass
class Worker:
    """One role's process. `facts` is what `status` shows of it; `behind` is the alarm for a turn
    that fails for longer than STUCK_MS. `clock`: UTC ms."""

    role: str
    states: StateFolder
    behind: str
    facts: dict[str, Any] = field(default_factory=dict)
    alarms: dict[str, Alarm] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], int] = clock
    _written_at: int = 0
    _failing_since: int | None = None
    _is_stuck: bool = False
    _state_fails: bool = False

    def on_signals(self) -> None:
        """SIGTERM and SIGINT ask for an orderly end."""
        def ask(_number: int, _frame: FrameType | None) -> None:
            self.stop.set()
        signal.signal(signal.SIGTERM, ask)
        signal.signal(signal.SIGINT, ask)

    def run(self, turn: Callable[[], None], finish: Callable[[], None]) -> int:
        """`turn` until told to stop, then `finish`; returns the exit code."""
        log = structlog.get_logger().bind(role=self.role)
        settle_memory()
        pauses = 0
        try:
            while not self.stop.is_set():
                try:
                    turn()
                    pauses = 0
                    self._went()
                except Transient as error:
                    # Nothing was decided; the same records are read again.
                    log.warning("trying again", reason=type(error).__name__, detail=str(error))
                    self._failed(error)
                    self.stop.wait(_PAUSE_S[min(pauses, len(_PAUSE_S) - 1)])
                    pauses += 1
                self.facts["retrying"] = pauses
                self.say()
            finish()
        except Halt as halt:
            log.error("halted", finding=halt.finding, detail=halt.detail)
            self.alarm(*_alarm_of(halt))
            self.say(force=True)
            return Halt.exit_code
        except Transient as error:
            log.warning("stopped before all was done", detail=str(error))
        self.states.remove(self.role)
        return 0

    def alarm(self, code: str, detail: str) -> None:
        """Raise an alarm, or renew its detail. Logged when it is raised, not each time."""
        known = self.alarms.get(code)
        self.alarms[code] = Alarm(code, known.since if known else self.clock(), detail)
        if known is None:
            structlog.get_logger().bind(role=self.role).warning("alarm", code=code, detail=detail)

    def clear(self, code: str) -> None:
        """The state is over."""
        if self.alarms.pop(code, None) is not None:
            structlog.get_logger().bind(role=self.role).info("alarm is over", code=code)

    def _failed(self, error: Transient) -> None:
        now = self.clock()
        if self._failing_since is None:
            self._failing_since = now
        elif now - self._failing_since > STUCK_MS:
            self._is_stuck = True
            self.alarm(self.behind, f"the same step is tried again and again: {error}")

    def _went(self) -> None:
        self._failing_since = None
        if self._is_stuck:
            self._is_stuck = False
            self.clear(self.behind)  # who is still behind by another measure says so again

    def finding(self, finding: Finding) -> None:
        """A finding at work: logged, and an alarm where there is one of that name."""
        structlog.get_logger().bind(role=self.role).error(
            "finding", code=finding.code, where=finding.where, detail=finding.detail)
        if finding.code in ALARMS:
            self.alarm(finding.code, f"{finding.where}: {finding.detail}")

    def say(self, *, force: bool = False) -> None:
        """Write the state, at most once a second. A state that cannot be written stops nobody: it
        grows stale, and that is an alarm too."""
        now = self.clock()
        if not force and now - self._written_at < EVERY_S * 1000:
            return
        self._written_at = now
        try:
            self.states.write(RoleState(self.role, os.getpid(), now, self.stop.is_set(),
                                        tuple(self.alarms.values()), dict(self.facts)))
            self._state_fails = False
        except OSError as error:
            if not self._state_fails:
                structlog.get_logger().bind(role=self.role).error("state not written",
                                                                  detail=str(error))
            self._state_fails = True


def run_told(role: str, states: StateFolder, run: Callable[[], int]) -> int:
    """`run`, but an error that ends the process before its loop began is said in `status` too."""
    try:
        return run()
    except CounterfoilError as error:
        code, detail = _alarm_of(error)
        now = clock()
        with suppress(OSError):  # the error itself is what matters; it is raised again
            states.write(RoleState(role, os.getpid(), now, alarms=(Alarm(code, now, detail),)))
        raise


def _alarm_of(error: CounterfoilError) -> tuple[str, str]:
    if not isinstance(error, Halt):
        return "process_down", f"{type(error).__name__}: {error}"
    code = error.finding if error.finding in ALARMS else "halted"
    return code, HALTS.get(error.finding, error.finding) + ": " + error.detail


def settle_memory() -> None:
    """Once everything is imported and made: it stays, and need not be looked through again.

    Looking for cycles among all of it, at CPython's default of every 700 objects, was a tenth of a
    drain's CPU. Clients make cycles with megabytes in them: it is neither switched off nor rare.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY, 10, 10)
