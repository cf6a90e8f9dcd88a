"""The synchronous way to the log: one event, sealed, appended, acknowledged (port Recorder).

Owns what the console, the archiver and operator's commands use to speak for themselves, and that
those who speak at the same time share a record of the log. No spool: who searches or decides is
answered only after the log has the event (PROTOCOL I7).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from ingest.heartbeat import Acknowledged, heartbeat
from ingest.parts import items_of, pack_length
from ingest.publish import CaptureLog
from ingest.routing import Router, partition_of
from ingest.transit import TransitSealer
from schemas.errors import CounterfoilError, Transient
from schemas.events import CapturedEvent
from schemas.pack import Item


class _Waiting:
    """What one caller has to say. `left`: items that the log does not have; `error`: why not."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.left = len(items)
        self.items = items
        self.error: CounterfoilError | None = None


class LogRecorder:
    """Implements `schemas.recorder.Recorder`. Thread-safe: one record at a time, and whoever comes
    while one is written is joined into the next (group commit)."""

    def __init__(self, log: CaptureLog, sealer: TransitSealer, router: Router) -> None:
        self._log = log
        self._sealer = sealer
        self._router = router
        # Held while the log is written to.
        self._lock = threading.Lock()
        # Who comes meanwhile; its own lock is held for a moment only.
        self._joining = threading.Lock()
        self._joined: list[_Waiting] = []
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
        mine = _Waiting(items)
        with self._joining:
            self._joined.append(mine)
        with self._lock:
            # Whoever wrote before may have taken ours along: then there is nothing to do.
            with self._joining:
                several, self._joined = self._joined, []
            if several:
                self._write(several)
        if mine.left:
            # Without an error the thread that wrote for us went down on the way.
            raise mine.error or Transient("the log was not written to the end")

    def _write(self, several: Sequence[_Waiting]) -> None:
        """Each of them is on the log when it returns, or some of it is left and it has an error."""
        try:
            self._append(several)
        except CounterfoilError as error:
            # It reaches each of those of whom something is left, and nobody else.
            for one in several:
                one.error = error

    def _append(self, several: Sequence[_Waiting]) -> None:
        # Asked each time: a record sealed for a log that was replaced would be refused.
        identity = self._log.identity()
        lanes: dict[int, list[tuple[Item, _Waiting]]] = {}
        for one in several:
            for item in one.items:
                lane = lanes.setdefault(partition_of(item.tag, identity.partitions), [])
                lane.append((item, one))
        for partition, waiting in lanes.items():
            items = [item for item, _ in waiting]
            at = 0
            while at < len(items):
                length = pack_length(items[at:])
                record = self._sealer.seal(identity, partition, items[at:at + length])
                self._log.append(partition, record.value, identity.topic_id)
                # From here these are evidence, whatever becomes of the rest.
                self._acknowledged.add(record.session_id, record.counter)
                self._unstated |= not all(item.quiet for item in items[at:at + length])
                for _, one in waiting[at:at + length]:
                    one.left -= 1
                at += length
