"""Events -> sealed records on the log, or on the spool when the log is silent (PROTOCOL T3, C1).

Owns the port CaptureLog and the front of the publisher: which log it is, which partition an event
goes to, and the promise that `publish` returns only when all of it is durable. One partition's
queue is `ingest/lane.py`; the synchronous way for the console is `ingest/record.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from ingest.heartbeat import Acknowledged
from ingest.lane import Lane, Road, Ticket, in_thread
from ingest.pace import Pace
from ingest.parts import items_of
from ingest.routing import Router, partition_of
from ingest.spool import Memory, Spool, SpoolSummary, recall_log, remember_log
from ingest.status import AlarmBoard
from ingest.transit import TransitSealer
from schemas import limits
from schemas.errors import CounterfoilError, Transient
from schemas.events import CapturedEvent
from schemas.pack import Item
from schemas.wire import LogIdentity

# How often the log is asked who it is, and the spool how much waits.
_LOOK_S: Final = 5.0
# Appends under way at a time: one per partition, and room for those that outlive their limit.
_LOG_THREADS: Final = 32


class CaptureLog(Protocol):
    """The log as a writer sees it. Blocking, and called from several threads at once: appends to
    different partitions and `identity` overlap, appends to one partition do not. Every call returns
    or raises within 30 s: the driver has time limits of its own.

    Retries are the caller's. Raises Transient (nothing was appended) or Ambiguous (it may have
    been; appending it again is allowed, a sealed record seen twice is one sighting).
    """

    def identity(self) -> LogIdentity:
        """Asked of the log itself at every call, never cached (PROTOCOL L2). Raises Transient."""

    def append(self, partition: int, value: bytes, topic_id: bytes) -> int:
        """Append one record; acknowledged by all in-sync replicas (or fsynced) when it returns.
        Its offset. `topic_id` is the log that the record was sealed for: another one that has
        taken its place could never open it, gets nothing, and is Transient."""

    def close(self) -> None:
        """Let go of connections and files."""


class Publisher:
    """The gateway's and the importers' way to the log. Lives on one event loop.

    `start` before the first `publish`; `settle` and `stop` after the last. Closing the log and the
    spool is the owner's, after `stop`.
    """

    def __init__(self, log: CaptureLog, sealer: TransitSealer, router: Router, spool: Spool,
                 memory: Memory, clock: Callable[[], int], alarms: AlarmBoard,
                 ack_s_max: float = limits.LOG_ACK_S_MAX, retry_s: float = 1.0,
                 batch_bytes_max: int = limits.PUBLISH_BYTES_MAX,
                 pace: Pace | None = None) -> None:
        self.acknowledged = Acknowledged()
        self._log = log
        self._router = router
        self._spool = spool
        self._memory = memory
        self._clock = clock
        self._alarms = alarms
        self._ack_s_max = ack_s_max
        self._batch_bytes_max = batch_bytes_max
        # One thread for the spool: SQLite takes one writer, and calls keep their order.
        self._spool_thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._log_threads = ThreadPoolExecutor(_LOG_THREADS, thread_name_prefix="log")
        self._road = Road(log.identity, log.append, sealer, spool, self.acknowledged, alarms,
                          clock, self._log_threads, self._spool_thread, ack_s_max, retry_s,
                          pace or Pace())
        self._identity: LogIdentity | None = None
        self._confirmed = False
        self._lanes: list[Lane] = []
        self._asking: asyncio.Future[LogIdentity] | None = None
        self._looker: asyncio.Task[None] | None = None
        self._summary = SpoolSummary(0, 0, None, ())

    @property
    def identity(self) -> LogIdentity | None:
        """The log that is sealed for, or null while none was ever reached."""
        return self._identity

    @property
    def spooled(self) -> SpoolSummary:
        """What waited on the spool when it was last asked."""
        return self._summary

    async def start(self) -> None:
        """Find the log; where it is silent, recall the one that was reached last (C1)."""
        recalled = await in_thread(self._spool_thread, recall_log, self._memory)
        if recalled is not None:
            await self._adopt(recalled, is_open=False)
        await self.look()
        self._looker = asyncio.create_task(self._keep_looking())

    async def publish(self, events: Iterable[CapturedEvent]) -> None:
        """Seal `events` and make them durable; the order within a conversation is kept.

        Returns when every one is on the log or on the spool. Raises Transient when one is not (the
        spool is full, or no log was ever reached): some may be durable, all may be published
        again. Raises Refused for an event too large for any number of parts.
        """
        if self._identity is None:
            raise Transient("the log was never reached")
        items, rest = self._batch(list(events))
        for event in rest:
            # For its Refused alone, which must come before anything is queued: what a body becomes
            # can be many times the body, so it is not held.
            items_of(event, self._router)
        while items:
            await self._add(items)
            items, rest = self._batch(rest)

    def _batch(self, events: Sequence[CapturedEvent]) -> tuple[list[Item],
                                                               Sequence[CapturedEvent]]:
        """The items of as many of `events` as may wait at a time, at least one; the others."""
        items: list[Item] = []
        size = 0
        for index, event in enumerate(events):
            if size >= self._batch_bytes_max:
                return items, events[index:]
            made = items_of(event, self._router)
            size += sum(len(one.datum) for one in made)
            items += made
        return items, ()

    async def _add(self, items: Sequence[Item]) -> None:
        """Queue `items`, and wait until all are durable."""
        ticket = Ticket(len(items))
        for item in items:
            # Asked for each batch: in between another log may have been adopted.
            self._lanes[partition_of(item.tag, len(self._lanes))].add(item, ticket)
        await ticket.settled

    async def look(self) -> None:
        """Ask the log who it is and the spool what waits; set and clear the alarms for it.

        Called at the start and then by the publisher itself, never twice at a time.
        """
        await self._ask()
        await self._weigh()
        for lane in self._lanes:
            lane.drain()

    async def settle(self, seconds_max: float) -> None:
        """Wait until nobody waits for an answer and, if the log is there, the spool is empty; or
        until the time is over. What the spool still holds is safe there for the next start."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds_max
        while any(lane.busy or (self._confirmed and lane.behind) for lane in self._lanes):
            if loop.time() >= until:
                return
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Let go of tasks and threads; who still waits for an answer gets Transient. An append
        under way in a thread ends by itself."""
        if self._looker is not None:
            self._looker.cancel()
            await asyncio.wait((self._looker,))
        for lane in self._lanes:
            await lane.close()
        await self._weigh_if_possible()
        self._log_threads.shutdown(wait=False, cancel_futures=True)
        self._spool_thread.shutdown(wait=False, cancel_futures=False)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S if self._confirmed else self._road.retry_s)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - seen as an alarm, and asked again
                self._alarms.set("log_unreachable", self._clock(), type(error).__name__)

    async def _weigh(self) -> None:
        """What waits on the spool, for the status and the alarms."""
        self._summary = await in_thread(self._spool_thread, self._spool.summary)
        now, identity = self._clock(), self._identity
        if self._summary.count:
            self._alarms.set("spool_in_use", now, f"{self._summary.count} records")
        else:
            self._alarms.clear("spool_in_use")
            self._alarms.clear("spool_full")  # drained: the next record may never need it
        topic_id = identity.topic_id if identity else b""
        foreign = sum(count for topic, _, count in self._summary.lanes if topic != topic_id)
        if foreign and identity is not None:
            self._alarms.set("log_replaced", now, f"{foreign} records were sealed for another log")
        else:
            self._alarms.clear("log_replaced")

    async def _weigh_if_possible(self) -> None:
        try:
            await self._weigh()
        except CounterfoilError as error:
            # The spool could not be read; what waits there stays, and is asked for again.
            self._alarms.set("spool_in_use", self._clock(), type(error).__name__)

    async def _ask(self) -> None:
        if self._asking is None:
            self._asking = in_thread(self._log_threads, self._log.identity)
        asked = self._asking
        await asyncio.wait((asked,), timeout=self._ack_s_max)
        if not asked.done():
            self._alarms.set("log_unreachable", self._clock(), "no answer in time")
            return
        self._asking = None
        error = asked.exception()
        if error is not None:
            self._alarms.set("log_unreachable", self._clock(), type(error).__name__)
            return
        identity = asked.result()
        if identity != self._identity:
            await in_thread(self._spool_thread, remember_log, self._memory, identity)
            await self._adopt(identity, is_open=True)
        elif not self._confirmed:
            for lane in self._lanes:
                lane.open()
        self._confirmed = True
        if not any(lane.behind for lane in self._lanes):
            self._alarms.clear("log_unreachable")

    async def _adopt(self, identity: LogIdentity, is_open: bool) -> None:
        """Seal for this log from now on. Whoever still waits for another one is told to come
        again; what was spooled for it stays there until `spool recover`."""
        for lane in self._lanes:
            await lane.close()
        # Counted after the old lanes have stopped: what waits for this log is drained first.
        self._summary = await in_thread(self._spool_thread, self._spool.summary)
        waiting = self._summary.waiting(identity.topic_id)
        self._lanes = [Lane(self._road, identity, partition, waiting.get(partition, 0), is_open)
                       for partition in range(identity.partitions)]
        self._identity = identity
