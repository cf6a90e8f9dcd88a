"""poll -> batch -> commit -> offsets: the archiver's loop (PROTOCOL L, S).

Owns the position of each assigned partition. The store is the truth: on every assignment the last
authentic segment is found and reading goes on behind it; committed offsets are a hint. A crash at
any line loses and doubles nothing, because the next start takes this same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from archive import layout
from archive.authentic import Authentic, Authenticator, chain
from archive.batch import Batch, BatchLimits
from archive.commit import Committer
from archive.layout import SegmentName
from archive.log import ArchiveLog
from archive.seal import SegmentSealer
from archive.segment import NO_PREVIOUS
from archive.store import ObjectStore
from schemas.errors import Halt, Transient
from schemas.findings import Finding
from schemas.wire import LogIdentity, LogRecord


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
    expected: int
    previous: bytes
    batch: Batch


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
        log = self._ports.log
        polled = log.poll(timeout_s, self._records_max)
        for partition in [p for p in self._positions if p not in polled.assigned]:
            # Another member's now. What waited here is on the log; dropping it loses nothing.
            del self._positions[partition]
        for partition in polled.assigned:
            if partition not in self._positions:
                self._recover(partition)
        now = self._ports.clock()
        for partition, records in polled.records.items():
            position = self._positions.get(partition)
            if position is not None and records:
                self._take(partition, position, records, now)
        return self._close_due(now, flush=flush)

    def waiting(self) -> int:
        """Records taken from the log and not yet in a segment."""
        return sum(len(position.batch.records) for position in self._positions.values())

    def assigned(self) -> frozenset[int]:
        """The partitions that are ours."""
        return frozenset(self._positions)

    def _take(self, partition: int, position: _Position, records: Sequence[LogRecord],
              now: int) -> None:
        waiting = position.batch.records
        awaited = waiting[-1].offset + 1 if waiting else position.expected
        fresh = [record for record in records if record.offset >= awaited]
        position.batch.add(fresh, now)
        self._ports.observer.behind(partition, len(waiting), position.batch.opened_at)

    def _close_due(self, now: int, *, flush: bool) -> int:
        committed = 0
        for partition, position in self._positions.items():
            batch = position.batch
            while batch.records and (batch.due(now) or flush):
                self._close(partition, position, now)
                committed += 1
        return committed

    def _close(self, partition: int, position: _Position, now: int) -> None:
        log, batch = self._ports.log, position.batch
        records = batch.take()
        identity = self._same_log()
        sealed = self._ports.sealer.seal(identity, partition, position.expected,
                                         position.previous, records, now)
        result = self._ports.committer.commit(sealed, lambda: (self._same_log(), None)[1])
        found = result.authentic
        for finding in result.findings:
            self._ports.observer.finding(finding)
        # From here the segment is part of the record: a crash after this line loses nothing, and a
        # replay of the same records finds this segment and goes on behind it.
        position.expected = found.segment.header.last + 1
        position.previous = found.segment.sha256
        batch.drop_through(found.segment.header.last, now)
        if result.ours:
            for offset, reason in sealed.refused:
                self._ports.observer.finding(Finding(
                    "record_refused", f"{found.key} offset {offset}", reason))
            self._ports.observer.sealed(partition, found, sealed.events, len(records))
        else:
            log.seek(partition, position.expected)  # a lost race: the winner may have gone further
            batch.clear()
        log.commit({partition: position.expected})

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
        identity = self._same_log()
        last, findings = last_segment(self._ports.store, self._ports.authenticator, identity,
                                      partition)
        for finding in findings:
            self._ports.observer.finding(finding)
        expected = last.segment.header.last + 1 if last else 0
        previous = last.segment.sha256 if last else NO_PREVIOUS
        start, end = self._ports.log.bounds(partition)
        if expected > end:
            raise Halt("log_diverged", f"partition {partition}: the archive ends at {expected - 1},"
                                       f" the log at {end - 1}")
        if last is not None:
            self._compare_last(partition, last)
        if start > expected:
            # Trimmed past what was archived: a loss, said loudly; the next segment lists the
            # missing offsets in its header, so the chain stays whole and the hole stays visible.
            self._ports.observer.finding(Finding(
                "lost_before_archive", f"{identity.topic}/{partition}",
                f"offsets {expected} to {start - 1} were trimmed before they were archived"))
        self._ports.log.seek(partition, max(expected, start))
        self._positions[partition] = _Position(expected, previous, Batch(self._limits))

    def _compare_last(self, partition: int, last: Authentic) -> None:
        record = self._ports.log.fetch(partition, last.segment.header.last)
        if record is not None and sha256(record.value).digest() != last.segment.header.last_record:
            raise Halt("log_diverged", f"partition {partition} offset {record.offset} holds "
                                       "another record than the one that was archived")


def last_segment(store: ObjectStore, authenticator: Authenticator, log: LogIdentity,
                 partition: int) -> tuple[Authentic | None, list[Finding]]:
    """The last segment of record of a partition, and what else lies near it.

    Finds the end by doubling and halving over the offsets in the keys (each probe is one listing),
    because a partition has millions of segments in seven years; junk beyond the end is passed by.
    """
    prefix = layout.partition_prefix(log.topic, log.topic_id, partition)

    def next_offset(at: int) -> int | None:
        for version in store.versions(prefix, layout.just_before(prefix, at)):
            read = layout.read_segment(version.key)
            if read is not None:
                return read.expected
        return None

    name = SegmentName(log.topic, log.topic_id, partition, 0, 0)
    low = 0
    if next_offset(0) is None:
        return None, []
    step = 1 << 12
    while (found := next_offset(low + step)) is not None:
        low, step = found, step * 2
    high = low + step
    while high - low > 1 << 12:
        middle = (low + high) // 2
        found = next_offset(middle)
        low, high = (found, high) if found is not None else (low, middle)
    last, findings = None, []
    while True:
        for _, authentic, seen in chain(store, authenticator, name, low):
            findings += seen
            last = authentic or last
        if last is not None or low == 0:
            return last, findings
        low = max(0, low - (1 << 16))  # only junk here: look further back


def retry(turn: Callable[[], int], sleep: Callable[[float], None],
          told: Callable[[Transient], None]) -> int:
    """`turn`, tried again with growing pauses while it is Transient; raises the last one."""
    for delay in (0.1, 0.5, 1.0, 2.0, 5.0):
        try:
            return turn()
        except Transient as error:
            told(error)
            sleep(delay)
    return turn()
