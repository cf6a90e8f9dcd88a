"""poll -> batch -> commit -> offsets: the archiver's loop (PROTOCOL L, S).

Owns the position of each assigned partition. The store is the truth: on every assignment the last
authentic segment is found (`archive/tail.py`) and reading goes on behind it; committed offsets are
a hint. A crash at any line loses and doubles nothing, because the next start takes this same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from operator import lt
from typing import Protocol, TypeVar

from archive.authentic import Authentic, Authenticator
from archive.batch import Batch, BatchLimits
from archive.commit import Committer
from archive.log import ArchiveLog, Polled
from archive.seal import SegmentSealer
from archive.segment import NO_PREVIOUS
from archive.store import ObjectStore
from archive.tail import last_segment, logs_of
from schemas.errors import Halt, Transient
from schemas.findings import Finding
from schemas.wire import LogIdentity, LogRecord

_T = TypeVar("_T")


class Observer(Protocol):
    """Who is told what the archiver did; must not raise."""

    def sealed(self, partition: int, found: Authentic, events: int, records: int) -> None:
        """A segment of ours is part of the record."""

    def finding(self, finding: Finding) -> None:
        """Something that an operator must know; the archiver goes on."""

    def behind(self, partition: int, waiting: int, oldest_at: int | None) -> None:
        """How many records wait, and since when (UTC ms)."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What the loop needs of the world. `clock` is UTC ms."""

    log: ArchiveLog
    store: ObjectStore
    authenticator: Authenticator
    sealer: SegmentSealer
    committer: Committer
    observer: Observer
    clock: Callable[[], int]


@dataclass(slots=True)
class _Position:
    """`expected` is where the next segment begins, `awaited` the next offset that the log owes us,
    `doubted` a hole that was seen once: (where it begins, the record behind it)."""

    expected: int
    previous: bytes
    batch: Batch
    awaited: int
    doubted: tuple[int, int] | None = None


class Archiver:
    """One member of the group. `turn` does one poll and whatever became due."""

    def __init__(self, ports: Ports, batch_limits: BatchLimits, records_max: int = 5_000) -> None:
        self._ports = ports
        self._limits = batch_limits
        self._records_max = records_max
        self._began_with = ports.log.identity()
        self._positions: dict[int, _Position] = {}

    def turn(self, timeout_s: float, *, flush: bool = False) -> int:
        """One round; returns how many segments were committed. `flush` closes what waits.

        Raises Transient (try the round again) or Halt (stop the process).
        """
        # What a failed round left full is stored before more is read: memory stays bounded however
        # long the store is away.
        committed = self._close_due(self._ports.clock(), only_full=True)
        polled = self._poll(timeout_s)
        for partition in [p for p in self._positions if p not in polled.assigned]:
            # Another member's now. What waited here is on the log; dropping it loses nothing.
            del self._positions[partition]
        now = self._ports.clock()
        # Taken before anything can fail: the log has moved on and gives these records once only.
        for partition, records in polled.records.items():
            position = self._positions.get(partition)
            if position is not None and records:
                self._take(partition, position, records, now)
        for partition in polled.assigned:
            if partition not in self._positions:
                self._recover(partition)
        return committed + self._close_due(now, flush=flush)

    def waiting(self) -> int:
        """Records taken from the log and not yet in a segment."""
        return sum(len(position.batch.records) for position in self._positions.values())

    def expected(self) -> dict[int, int]:
        """Where the archive ends, by partition that is ours: the next offset to be archived."""
        return {partition: position.expected for partition, position in self._positions.items()}

    def assigned(self) -> frozenset[int]:
        """The partitions that are ours."""
        return frozenset(self._positions)

    def _poll(self, timeout_s: float) -> Polled:
        try:
            return self._ports.log.poll(timeout_s, self._records_max)
        except Halt:
            # A topic made anew can look from inside like one that was cut or has diverged: if that
            # is the reason, it is the one to name.
            with suppress(Transient):
                self._same_log()
            raise

    def _take(self, partition: int, position: _Position, records: Sequence[LogRecord],
              now: int) -> None:
        fresh = [record for record in records if record.offset >= position.awaited]
        if not fresh:
            return
        offsets = [record.offset for record in fresh]
        if not all(map(lt, offsets, offsets[1:])):
            raise Halt("log_diverged", f"partition {partition}: records came out of order")
        hole = (position.awaited, fresh[0].offset)
        if hole[1] > hole[0] and position.doubted != hole:
            # Believed only when it is seen twice: a segment that calls offsets empty stands for
            # years, and records that a driver dropped on the way are still on the log.
            position.doubted = hole
            self._ports.log.seek(partition, position.awaited)
            return
        position.doubted = None
        position.batch.add(fresh, now)
        position.awaited = fresh[-1].offset + 1
        self._ports.observer.behind(partition, len(position.batch.records),
                                    position.batch.opened_at)

    def _close_due(self, now: int, *, flush: bool = False, only_full: bool = False) -> int:
        committed = 0
        for partition, position in self._positions.items():
            batch = position.batch
            while batch.records and (batch.full() or (
                    not only_full and (flush or batch.due(now)))):
                self._close(partition, position, now)
                committed += 1
        return committed

    def _close(self, partition: int, position: _Position, now: int) -> None:
        log, batch = self._ports.log, position.batch
        records = batch.take()
        identity = self._same_log()
        sealed = self._ports.sealer.seal(identity, partition, position.expected,
                                         position.previous, records, now)
        result = self._ports.committer.commit(
            sealed, self._require_same_log, lambda offset: log.fetch(partition, offset))
        found = result.authentic
        for finding in result.findings:
            self._ports.observer.finding(finding)
        # From here the segment is part of the record: a crash after this line loses nothing, and a
        # replay of the same records finds this segment and goes on behind it.
        position.expected = found.segment.header.last + 1
        position.previous = found.segment.sha256
        batch.drop_through(found.segment.header.last, now)
        for offset, reason in sealed.refused:
            if offset < position.expected:  # the winner kept it in the same way, whoever that was
                self._ports.observer.finding(Finding(
                    "record_refused", f"{found.key} offset {offset}", reason))
        if result.ours:
            self._ports.observer.sealed(partition, found, sealed.events, len(records))
        else:
            batch.clear()
            position.awaited = position.expected
            log.seek(partition, position.expected)  # a lost race: the winner may have gone further
        log.commit({partition: position.expected})

    def _require_same_log(self) -> None:
        self._same_log()

    def _same_log(self) -> LogIdentity:
        identity = self._ports.log.identity()
        if identity.topic_id != self._began_with.topic_id:
            raise Halt("log_replaced", f"topic {identity.topic} has id {identity.topic_id.hex()}, "
                                       f"it was {self._began_with.topic_id.hex()}")
        if identity.partitions != self._began_with.partitions:
            raise Halt("partitions_changed", f"{identity.partitions} partitions, "
                                             f"there were {self._began_with.partitions}")
        return identity

    def _recover(self, partition: int) -> None:
        identity, ports = self._same_log(), self._ports
        _, end = ports.log.bounds(partition)
        last, findings = last_segment(ports.store, ports.authenticator, identity, partition, end)
        for finding in findings:
            ports.observer.finding(finding)
        expected = last.segment.header.last + 1 if last else 0
        previous = last.segment.sha256 if last else NO_PREVIOUS
        # Asked again, after the archive: another member may have appended and archived meanwhile.
        start, end = ports.log.bounds(partition)
        if expected > end:
            raise Halt("log_diverged", f"partition {partition}: the archive ends at {expected - 1},"
                                       f" the log at {end - 1}")
        if last is not None:
            self._compare_last(partition, last)
        else:
            self._look_for_others(identity, partition)
        if start > expected:
            # Trimmed past what was archived: a loss, said loudly; the next segment lists the
            # missing offsets in its header, so the chain stays whole and the hole stays visible.
            ports.observer.finding(Finding(
                "lost_before_archive", f"{identity.topic}/{partition}",
                f"offsets {expected} to {start - 1} were trimmed before they were archived"))
        awaited = max(expected, start)
        ports.log.seek(partition, awaited)
        self._positions[partition] = _Position(expected, previous, Batch(self._limits), awaited)

    def _compare_last(self, partition: int, last: Authentic) -> None:
        offset = last.segment.header.last
        record = self._ports.log.fetch(partition, offset)
        if record is None:
            # Trimmed is in order; gone from the middle is not.
            start, _ = self._ports.log.bounds(partition)
            if start <= offset:
                raise Halt("log_diverged", f"partition {partition} offset {offset} holds no record "
                                           "any more, and it was archived")
        elif sha256(record.value).digest() != last.segment.header.last_record:
            raise Halt("log_diverged", f"partition {partition} offset {offset} holds another record"
                                       " than the one that was archived")

    def _look_for_others(self, identity: LogIdentity, partition: int) -> None:
        # A topic made anew while nobody looked: what the old one held and we did not archive is
        # gone. This process began with the new one, so it goes on, but not in silence.
        others = logs_of(self._ports.store, identity.topic)
        if others and identity.topic_id not in others:
            self._ports.observer.finding(Finding(
                "log_replaced", f"{identity.topic}/{partition}",
                f"the archive holds a topic of this name with id {others[-1].hex()}; "
                f"now it is {identity.topic_id.hex()}"))


def retry(turn: Callable[[], _T], sleep: Callable[[float], None],
          told: Callable[[Transient], None] = lambda error: None, *,
          pauses_s: Sequence[float] = (0.1, 0.5, 1.0, 2.0, 5.0)) -> _T:
    """`turn`, tried again with growing pauses while it is Transient; raises the last one."""
    for pause in pauses_s:
        try:
            return turn()
        except Transient as error:
            told(error)
            sleep(pause)
    return turn()
