"""One partition's road to the log: wait, pack, seal, append; or spool, and drain in order (C1, T3).

Owns the order of one partition's records. A pack is whatever waits while the last append is in
flight or, under load, until the round is over (`ingest/pace.py`). While the spool holds records of
the partition, newer ones go behind them. Lives on the event loop; the log and the spool are called
in threads.

What is where when the process is killed:
    waiting or sealed        nothing was acknowledged; the provider delivers again
    in flight to the log     perhaps on the log, not acknowledged; delivered again: a sighting
    on the spool             acknowledged; the next start drains it
    drained, not removed     on the log and on the spool: sent again, one sighting by its
                             (session, counter)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar, TypeVarTuple

from ingest.heartbeat import Acknowledged
from ingest.pace import Pace
from ingest.parts import pack_length
from ingest.spool import DRAIN_BYTES_MAX, DRAIN_RECORDS_MAX, Spool, Spooled, SpoolEntry
from ingest.status import AlarmBoard
from ingest.transit import SealedRecord, TransitSealer
from schemas.errors import Refused, Transient
from schemas.pack import Item
from schemas.wire import LogIdentity

_Arguments = TypeVarTuple("_Arguments")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Road:
    """What all lanes of one publisher share.

    `identity` and `append` are the log's; `log_threads` runs them, `spool_thread` the spool's
    calls: one thread, so that they keep their order. An append that takes longer than `ack_s_max`
    counts as silent; a failed drain waits `retry_s`.
    """

    identity: Callable[[], LogIdentity]
    append: Callable[[int, bytes, bytes], int]
    sealer: TransitSealer
    spool: Spool
    acknowledged: Acknowledged
    alarms: AlarmBoard
    clock: Callable[[], int]
    log_threads: Executor
    spool_thread: Executor
    ack_s_max: float
    retry_s: float
    pace: Pace


class Ticket:
    """What a caller waits for: all its items are durable, or one could not be made so."""

    def __init__(self, items: int) -> None:
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._missing = items

    def durable(self) -> None:
        """One item is on the log or on the spool."""
        self._missing -= 1
        if not self._missing and not self.settled.done():
            self.settled.set_result(None)

    def fail(self, error: Exception) -> None:
        """One item is nowhere; the caller must not acknowledge."""
        if not self.settled.done():
            self.settled.set_exception(error)


@dataclass(slots=True)
class _Late:
    """An append that outlived its time limit, and its record's place on the spool (0: none)."""

    append: asyncio.Future[int]
    record: SealedRecord
    sequence: int = 0


class Lane:
    """One partition of one log.

    `is_open` is false until that log itself has confirmed who it is: a record must not be appended
    to a log that took another's place. `spooled` is how many records wait on the spool.
    """

    def __init__(self, road: Road, identity: LogIdentity, partition: int, spooled: int,
                 is_open: bool) -> None:
        self._road = road
        self._identity = identity
        self._partition = partition
        self._waiting: deque[tuple[Item, Ticket]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._drainer: asyncio.Task[None] | None = None
        self._spool_lock = asyncio.Lock()
        self._spooled = spooled
        self._late: _Late | None = None
        self._open = is_open
        self._closed = False
        self.drain()

    @property
    def busy(self) -> bool:
        """Somebody waits for an answer."""
        return bool(self._waiting) or self._worker is not None

    @property
    def behind(self) -> bool:
        """Something must reach the log before anything newer may."""
        return self._spooled > 0 or self._late is not None

    def add(self, item: Item, ticket: Ticket) -> None:
        """Queue one item; its ticket hears when it is durable."""
        self._waiting.append((item, ticket))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())

    def open(self) -> None:
        """The log has confirmed its identity: append directly from now on, drain what waits."""
        self._open = True
        self.drain()

    async def close(self) -> None:
        """Take nothing more. What is on the spool stays there for the next start."""
        self._closed = True
        drainer = self._drainer
        if drainer is not None:
            drainer.cancel()
            await asyncio.wait((drainer,))

    def drain(self) -> None:
        """See that somebody drains, if there is anything to drain."""
        if self._drainer is None and self._open and not self._closed and self.behind:
            self._drainer = asyncio.create_task(self._drain_all())

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                batch = self._take()
                try:
                    await self._settle([item for item, _ in batch])
                except Exception as error:  # noqa: BLE001 - every caller that waits gets it
                    for _, ticket in batch:
                        ticket.fail(error)
                else:
                    for _, ticket in batch:
                        ticket.durable()
        finally:
            self._worker = None

    async def _gather(self) -> None:
        """Let more come, unless a whole pack is there or nobody else sends."""
        wait_s = self._road.pace.wait_s(asyncio.get_running_loop().time())
        if wait_s > 0 and self._pack_length() == len(self._waiting):
            await asyncio.sleep(wait_s)

    def _take(self) -> list[tuple[Item, Ticket]]:
        taken = [self._waiting.popleft() for _ in range(self._pack_length())]
        self._road.pace.sent(len(taken), asyncio.get_running_loop().time())
        return taken

    def _pack_length(self) -> int:
        return pack_length(item for item, _ in self._waiting)

    async def _settle(self, items: list[Item]) -> None:
        """Make one pack durable. Raises Transient when neither log nor spool took it."""
        if self._closed:
            raise Transient("this log was replaced or the process is stopping")
        record = self._road.sealer.seal(self._identity, self._partition, items)
        if self._open and not self.behind and await self._append(record):
            return
        sequence = await self._put(record)
        # On the spool and fsynced: the callers may be told that it is safe.
        if self._late is not None and self._late.record is record:
            self._late.sequence = sequence
        self.drain()

    async def _append(self, record: SealedRecord) -> bool:
        """Whether the log acknowledged in time."""
        append = in_thread(self._road.log_threads, self._road.append, self._partition,
                           record.value, self._identity.topic_id)
        await asyncio.wait((append,), timeout=self._road.ack_s_max)
        if not append.done():
            # It may still land. Until that is known, nothing newer may overtake it.
            self._late = _Late(append, record)
            self._unreachable("no acknowledgement in time")
            self.drain()
            return False
        error = append.exception()
        if error is not None:
            self._unreachable(type(error).__name__)
            return False
        self._on_log(record.session_id, record.counter)
        return True

    async def _put(self, record: SealedRecord) -> int:
        road = self._road
        entry = SpoolEntry(self._identity.topic_id, self._partition, record.session_id,
                           record.counter, road.clock(), record.value)
        async with self._spool_lock:
            try:
                sequence = await in_thread(road.spool_thread, road.spool.put, entry)
            except Refused as error:
                road.alarms.set("spool_full", road.clock())
                raise Transient("the spool is full") from error
            self._spooled += 1
        # "spool_full" stays until it is drained: a small record may fit where a delivery did not.
        road.alarms.set("spool_in_use", road.clock())
        return sequence

    async def _drain_all(self) -> None:
        try:
            while not self._closed:
                try:
                    if not await self._drain_some():
                        return
                except Exception as error:  # noqa: BLE001 - stays on the spool, tried again
                    self._unreachable(type(error).__name__)
                    await asyncio.sleep(self._road.retry_s)
        finally:
            self._drainer = None

    async def _drain_some(self) -> bool:
        """Send the oldest records; false when there are none and the lane is straight again."""
        await self._settle_late()
        oldest = await self._oldest()
        # Asked anew: in the meantime another log may have taken this one's place (L2).
        if oldest and (await in_thread(self._road.log_threads, self._road.identity)
                       ).topic_id != self._identity.topic_id:
            raise Transient("the log was replaced")
        sent: list[int] = []
        try:
            for one in oldest:
                await in_thread(self._road.log_threads, self._road.append, self._partition,
                                one.entry.value, one.entry.topic_id)
                sent.append(one.sequence)
                self._on_log(one.entry.session_id, one.entry.counter)
        finally:
            # On the log. A crash before the removal sends them once more: one sighting.
            if sent:
                await self._forget(sent)
        return bool(oldest)

    async def _oldest(self) -> Sequence[Spooled]:
        async with self._spool_lock:
            oldest = await in_thread(
                self._road.spool_thread, self._road.spool.oldest, self._identity.topic_id,
                self._partition, 0, DRAIN_RECORDS_MAX, DRAIN_BYTES_MAX)
            if not oldest:
                self._spooled = 0  # nothing is put while the lock is held
            return oldest

    async def _settle_late(self) -> None:
        """An append that outlived its time limit is waited for before anything is sent again."""
        late = self._late
        if late is None:
            return
        await asyncio.wait((late.append,))
        self._late = None
        if late.append.exception() is None:
            # It landed after all: its copy on the spool need not be sent.
            if late.sequence:
                await self._forget([late.sequence])
            self._on_log(late.record.session_id, late.record.counter)

    async def _forget(self, sequences: list[int]) -> None:
        async with self._spool_lock:
            await in_thread(self._road.spool_thread, self._road.spool.remove, sequences)
            self._spooled -= len(sequences)

    def _on_log(self, session_id: bytes, counter: int) -> None:
        self._road.acknowledged.add(session_id, counter)
        self._road.alarms.clear("log_unreachable")

    def _unreachable(self, detail: str) -> None:
        self._road.alarms.set("log_unreachable", self._road.clock(), detail)


def in_thread(threads: Executor, call: Callable[[*_Arguments], _Result],
              *arguments: *_Arguments) -> asyncio.Future[_Result]:
    """Run a blocking call in one of `threads`; it goes on even if nobody waits any more."""
    return asyncio.get_running_loop().run_in_executor(threads, call, *arguments)
