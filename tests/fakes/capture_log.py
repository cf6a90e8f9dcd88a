"""A capture log for tests of the gateway: real threads, appends that hang, fail or half-fail.

Implements CaptureLog of `ingest/publish.py`. Accuses (in `accusations`, since the code under test
handles what an append raises): two appends of one partition at a time, a use after close.
"""

from __future__ import annotations

import threading
from collections import deque

from schemas.errors import CounterfoilError, Transient
from schemas.wire import LogIdentity

# A test that waits longer is wrong; no passing test comes near.
_PATIENCE_S = 20.0


class FakeCaptureLog:
    """Partitions in memory, and what the next appends shall do."""

    def __init__(self, partitions: int = 1, topic_id: bytes = bytes(15) + b"\x01") -> None:
        self.records: list[list[bytes]] = [[] for _ in range(partitions)]
        self.accusations: list[str] = []
        self.entered = threading.Semaphore(0)
        self.appends = 0
        self._topic_id = topic_id
        self._faults: deque[tuple[type[CounterfoilError], bool]] = deque()
        self._gate = threading.Event()
        self._gate.set()
        self._down = False
        self._busy: set[int] = set()
        self._mutex = threading.Lock()

    # -- port CaptureLog

    def identity(self) -> LogIdentity:
        """See CaptureLog."""
        if self._down:
            raise Transient("down")
        return LogIdentity("capture", self._topic_id, len(self.records))

    def append(self, partition: int, value: bytes, topic_id: bytes) -> int:
        """See CaptureLog."""
        with self._mutex:
            self.appends += 1
            if partition in self._busy:
                self.accusations.append(f"two appends of partition {partition} at a time")
            self._busy.add(partition)
            fault = self._faults.popleft() if self._faults else None
        self.entered.release()
        try:
            if not self._gate.wait(_PATIENCE_S):
                self.accusations.append("nobody released the log")
            if self._down:
                raise Transient("down")
            if topic_id != self._topic_id:
                raise Transient("sealed for another log")
            if fault is None or fault[1]:
                self.records[partition].append(value)
            if fault is not None:
                raise fault[0]("injected")
            return len(self.records[partition]) - 1
        finally:
            with self._mutex:
                self._busy.discard(partition)

    def close(self) -> None:
        """See CaptureLog."""
        self._down = True

    # -- what tests do to it

    def hold(self) -> None:
        """Appends hang from now on; what they carry is not on the log."""
        self._gate.clear()

    def release(self) -> None:
        """Those that hang go on and land."""
        self._gate.set()

    def fail_next(self, error: type[CounterfoilError], applied: bool) -> None:
        """One further append raises `error`, with or without having been applied."""
        self._faults.append((error, applied))

    def set_down(self, down: bool) -> None:
        """Nobody can be reached: every call raises Transient."""
        self._down = down

    def replace(self, topic_id: bytes) -> None:
        """Deleted and made again: another id, and nothing on it."""
        self._topic_id = topic_id
        self.records = [[] for _ in self.records]
