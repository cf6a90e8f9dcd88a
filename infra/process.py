"""The frame of a worker process: stop on a signal, say how it goes, end for a reason.

Owns the loop around a role's `turn`: state written each second, Transient tried again for as long
as it takes, Halt said loudly and final.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

import structlog

from infra.state import EVERY_S, RoleState, StateFolder
from infra.wire import clock
from schemas.errors import Halt, Transient
from schemas.findings import ALARMS, HALTS, Alarm, Finding

_PAUSE_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass
class Worker:
    """One role's process. `facts` is what `status` shows of it."""

    role: str
    states: StateFolder
    facts: dict[str, Any] = field(default_factory=dict)
    alarms: dict[str, Alarm] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    _written_at: int = 0

    def on_signals(self) -> None:
        """SIGTERM and SIGINT ask for an orderly end."""
        def ask(_number: int, _frame: FrameType | None) -> None:
            self.stop.set()
        signal.signal(signal.SIGTERM, ask)
        signal.signal(signal.SIGINT, ask)

    def run(self, turn: Callable[[], None], finish: Callable[[], None]) -> int:
        """`turn` until told to stop, then `finish`; returns the exit code."""
        log = structlog.get_logger().bind(role=self.role)
        pauses = 0
        try:
            while not self.stop.is_set():
                try:
                    turn()
                    pauses = 0
                except Transient as error:
                    # Nothing was decided; the same records are read again.
                    log.warning("trying again", reason=type(error).__name__, detail=str(error))
                    self.stop.wait(_PAUSE_S[min(pauses, len(_PAUSE_S) - 1)])
                    pauses += 1
                self.facts["retrying"] = pauses
                self.say()
            finish()
        except Halt as halt:
            log.error("halted", finding=halt.finding, detail=halt.detail)
            code = halt.finding if halt.finding in ALARMS else "halted"
            self.alarm(code, HALTS.get(halt.finding, halt.finding) + ": " + halt.detail)
            self.say(force=True)
            return Halt.exit_code
        except Transient as error:
            log.warning("stopped before all was done", detail=str(error))
        self.states.remove(self.role)
        return 0

    def alarm(self, code: str, detail: str) -> None:
        """Raise an alarm, or renew its detail."""
        known = self.alarms.get(code)
        self.alarms[code] = Alarm(code, known.since if known else clock(), detail)

    def clear(self, code: str) -> None:
        """The state is over."""
        self.alarms.pop(code, None)

    def finding(self, finding: Finding) -> None:
        """A finding at work: logged, and an alarm where there is one of that name."""
        structlog.get_logger().bind(role=self.role).error(
            "finding", code=finding.code, where=finding.where, detail=finding.detail)
        if finding.code in ALARMS:
            self.alarm(finding.code, f"{finding.where}: {finding.detail}")

    def say(self, *, force: bool = False) -> None:
        """Write the state, at most once a second."""
        now = clock()
        if force or now - self._written_at >= EVERY_S * 1000:
            self.states.write(RoleState(self.role, os.getpid(), now, self.stop.is_set(),
                                        tuple(self.alarms.values()), dict(self.facts)))
            self._written_at = now
