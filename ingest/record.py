"""The synchronous way to the log: one event, sealed, appended, acknowledged (port Recorder).

Owns what the console, the archiver and operator's commands use to speak for themselves. No spool:
who searches or decides is answered only after the log has the event (PROTOCOL I7).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from ingest.parts import items_of, pack_length
from ingest.publish import CaptureLog
from ingest.routing import Router, partition_of
from ingest.transit import TransitSealer
from schemas.events import CapturedEvent
from schemas.pack import Item


class LogRecorder:
    """Implements `schemas.recorder.Recorder`. Thread-safe: one record at a time."""

    def __init__(self, log: CaptureLog, sealer: TransitSealer, router: Router) -> None:
        self._log = log
        self._sealer = sealer
        self._router = router
        self._lock = threading.Lock()

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
                    del waiting[:length]
