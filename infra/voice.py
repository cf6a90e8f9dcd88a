"""What a worker says of itself: events of its own on the log, and the heartbeats that state them.

Owns one recorder on a connection of its own, made when there is first something to say. The gateway
speaks through its publisher instead; both state by `ingest/heartbeat.py` (PROTOCOL T4).
"""

from __future__ import annotations

from typing import Final

import structlog

from infra.wire import Wire
from ingest.heartbeat import HEARTBEAT_S
from ingest.publish import CaptureLog
from ingest.record import LogRecorder
from schemas.errors import Transient
from schemas.events import CapturedEvent

_BEAT_MS: Final = int(HEARTBEAT_S * 1000)


class Voice:
    """Speaks as `role` (archiver | search)."""

    def __init__(self, wire: Wire, role: str) -> None:
        self._wire, self._role = wire, role
        self._log: CaptureLog | None = None
        self._recorder: LogRecorder | None = None
        self._beat_at = wire.clock()

    def say(self, event: CapturedEvent) -> None:
        """On the log when it returns. Raises Transient."""
        # Each has its own connection; a log that is down makes this try again.
        if self._log is None:
            self._log = self._wire.capture_log()
        if self._recorder is None:
            self._recorder = self._wire.recorder(self._role, self._log)
        self._recorder.record(event)

    def beat(self, *, stopping: bool = False) -> None:
        """State what the log acknowledged, a minute after the last time and at the end; nothing
        where nothing was said. What cannot be stated now is stated the next time."""
        now = self._wire.clock()
        if self._recorder is None or not self._recorder.unstated \
                or (not stopping and 0 <= now - self._beat_at < _BEAT_MS):
            return
        self._beat_at = now
        try:
            self._recorder.beat(now, self._wire.directory().firm_years(), stopping=stopping)
        except Transient as error:
            structlog.get_logger().bind(role=self._role).warning("heartbeat not sent",
                                                                 detail=str(error))

    def close(self) -> None:
        """Give the connection back."""
        if self._log is not None:
            self._log.close()
