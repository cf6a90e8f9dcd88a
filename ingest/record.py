"""The synchronous way to the log: one event, sealed, appended, acknowledged (port Recorder).

Owns what the console, the archiver and operator's commands use to speak for themselves. No spool:
who searches or decides is answered only after the log has the event (PROTOCOL I7).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from ingest.heartbeat import Acknowledged, heartbeat
from ingest.parts import items_of, pack_length
from ingest.publish import CaptureLog
from ingest.routing import Router, partition_of
from ingest.transit import TransitSealer
from schemas.errors import CounterfoilError
from schemas.events import CapturedEvent
from schemas.pack import Item


class LogRecorder:
    """Implements `schemas.recorder.Recorder`. Thread-safe: one record at a time."""

    def __init__(self, log: CaptureLog, sealer: TransitSealer, router: Router) -> None:
        self._log = log
        self._sealer = sealer
        self._router = router
        self._lock = threading.Lock()
        self._acknowledged = Acknowledged()
        self._unstated = False

    @property
    def unstated(self) -> bool:
        """Whether the log acknowledged something since the last heartbeat, itself apart: then a
        process states it each minute and once more when it ends (PROTOCOL T4)."""
        return self._unstated

    def beat(self, now: int, firm_years: int, *, stopping: bool = False) -> None:
        """State what was acknowledged. Raises what `record` raises: then nothing is claimed, and
        the next heartbeat states it. `firm_years`: `Directory.firm_years()`."""
        with self._lock:
            stated, self._unstated = self._acknowledged.take(), False
        try:
            self.record(heartbeat(stated, self._sealer.capture_id, now, firm_years, stopping))
        except CounterfoilError:
            with self._lock:
                self._acknowledged.give_back(stated)
                self._unstated = True
            raise

    def record(self, event: CapturedEvent) -> None:
        """On the log when it returns. Raises Transient when the log cannot be reached."""
        self.record_all((event,))

    def record_all(self, events: Iterable[CapturedEvent]) -> None:
        """All on the log when it returns, in as few packs as they fit. Raises Transient: some may
        be there, all may be recorded again."""
        self.record_items([item for one in events for item in items_of(one, self._router)])

    def record_items(self, items: Sequence[Item]) -> None:
        """Seal and append items as they are (recovered from a spool), each in its partition."""
        with self._lock:
            # Asked each time: a record sealed for a log that was replaced would be refused.
            identity = self._log.identity()
            lanes: dict[int, list[Item]] = {}
            for item in items:
                lanes.setdefault(partition_of(item.tag, identity.partitions), []).append(item)
            for partition, waiting in lanes.items():
                while waiting:
                    length = pack_length(waiting)
                    record = self._sealer.seal(identity, partition, waiting[:length])
                    self._log.append(partition, record.value, identity.topic_id)
                    self._acknowledged.add(record.session_id, record.counter)
                    self._unstated |= not all(item.quiet for item in waiting[:length])
                    del waiting[:length]
