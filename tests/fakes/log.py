"""A log in memory: partitions, a consumer group, and accusations against who misuses it.

`FakeLog` is the broker and the capture side (port CaptureLog); `member()` gives archivers (port
ArchiveLog). Misuse is an AssertionError, which no code under test catches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archive.log import Polled
from schemas.errors import CounterfoilError, Halt, Refused, Transient
from schemas.wire import LogIdentity, LogRecord
from tests.fakes.faults import FaultPlan


class FakeLog:
    """The broker. Deterministic: ids come from a counter, sharing from the order of joining."""

    def __init__(self, topic: str = "capture", partitions: int = 1,
                 faults: FaultPlan | None = None) -> None:
        self.topic = topic
        self.partitions = partitions
        self.faults = faults or FaultPlan()
        self.incarnation = 0
        self.committed: dict[int, int] = {}
        self.members: list[FakeArchiveLog] = []
        self.owners: dict[int, FakeArchiveLog] = {}
        self.epochs = [0] * partitions
        self._records: list[dict[int, bytes]] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.make_anew()

    # -- port CaptureLog

    def identity(self) -> LogIdentity:
        """See CaptureLog."""
        return self.faults.run("log.identity", self.now)

    def append(self, partition: int, value: bytes, topic_id: bytes | None = None) -> int:
        """See CaptureLog. Null: a test puts what it likes on the log that is there now."""
        assert type(value) is bytes, "a record's value is bytes"
        assert 0 <= partition < self.partitions, f"partition {partition} does not exist"
        if not 0 < len(value) <= 1_000_000:
            raise Refused(f"a record of {len(value)} bytes")
        return self.faults.run("log.append", lambda: self._append(partition, value, topic_id))

    def close(self) -> None:
        """See CaptureLog. A broker stays: another writer may be there."""

    # -- what tests do to the broker

    def now(self) -> LogIdentity:
        """The identity, without faults."""
        return LogIdentity(self.topic, self.incarnation.to_bytes(16, "big"), self.partitions)

    def make_anew(self) -> None:
        """Delete the topic and make it again: offsets from 0, another id, hints forgotten."""
        self.incarnation += 1
        self.committed.clear()
        self._records = [{} for _ in range(self.partitions)]
        self._starts = [0] * self.partitions
        self._ends = [0] * self.partitions

    def bounds(self, partition: int) -> tuple[int, int]:
        """(first offset still there, next offset)."""
        return self._starts[partition], self._ends[partition]

    def values(self, partition: int) -> dict[int, bytes]:
        """What lies on the partition now, by offset."""
        return dict(self._records[partition])

    def trim(self, partition: int, before: int) -> None:
        """Trim without asking anybody: an operator, or a broker that lost data."""
        if before > self._ends[partition]:
            raise Halt("log_out_of_range", f"trim of partition {partition} to {before}")
        for offset in [one for one in self._records[partition] if one < before]:
            del self._records[partition][offset]
        self._starts[partition] = max(before, self._starts[partition])

    def skip(self, partition: int, count: int = 1) -> None:
        """Use up offsets that hold no record, as a transaction marker does."""
        self._ends[partition] += count

    def damage(self, partition: int, offset: int, value: bytes) -> None:
        """Replace a record's bytes: somebody with the broker's disk."""
        assert offset in self._records[partition]
        self._records[partition][offset] = value

    def member(self, name: str = "") -> FakeArchiveLog:
        """A new member of the consumer group; the partitions are shared out again."""
        member = FakeArchiveLog(self, name or f"member-{len(self.members)}")
        self.members.append(member)
        self._share_out()
        return member

    def kill(self, member: FakeArchiveLog) -> None:
        """The member died, or is a zombie that does not know: its partitions go to others."""
        if member in self.members:
            self.members.remove(member)
            self._share_out()

    def rebalance(self, member: FakeArchiveLog) -> None:
        """Take the member's partitions away and give them back, as a slow heartbeat does."""
        for partition, owner in self.owners.items():
            if owner is member:
                self.epochs[partition] += 1

    def read(self, partition: int, position: int, records_max: int) -> list[LogRecord]:
        """Records at and after `position`; used by the members."""
        start, end = self.bounds(partition)
        if not start <= position <= end:
            raise Halt("log_out_of_range",
                       f"partition {partition} holds {start} to {end}, asked for {position}")
        log = self._records[partition]
        found: list[LogRecord] = []
        for offset in range(position, end):
            if len(found) == records_max:
                break
            if offset in log:
                found.append(LogRecord(offset, log[offset]))
        return found

    def _share_out(self) -> None:
        for partition in range(self.partitions):
            before = self.owners.pop(partition, None)
            if self.members:
                self.owners[partition] = self.members[partition % len(self.members)]
            if self.owners.get(partition) is not before:
                self.epochs[partition] += 1

    def _append(self, partition: int, value: bytes, topic_id: bytes | None) -> int:
        if topic_id not in (None, self.now().topic_id):
            raise Transient("sealed for another log")
        offset = self._ends[partition]
        self._records[partition][offset] = value
        self._ends[partition] += 1
        return offset


class FakeArchiveLog:
    """One member. Accuses: a seek or commit of a partition that poll did not name as ours, a seek
    to before what was committed, a commit backwards or past the end, a trim of what the group has
    not committed, any use after close."""

    def __init__(self, log: FakeLog, name: str) -> None:
        self.log = log
        self.name = name
        self._began = log.now()
        self._told: dict[int, int] = {}        # partition -> its epoch when poll named it
        self._positions: dict[int, int] = {}
        self._done: dict[int, int] = {}
        self._closed = False

    def identity(self) -> LogIdentity:
        """See ArchiveLog."""
        self._check()
        return self.log.faults.run("log.identity", self.log.now)

    def poll(self, timeout_s: float, records_max: int) -> Polled:
        """See ArchiveLog. Never waits: a test has no time. The fault that is "applied" takes our
        partitions away and gives them back, which the next poll says."""
        assert timeout_s >= 0 and records_max > 0
        self._check()
        faults, fired = self.log.faults, len(self.log.faults.fired)
        try:
            return faults.run("log.poll", lambda: self._poll(records_max))
        except CounterfoilError:
            if len(faults.fired) > fired and faults.fired[-1].applied:
                self.log.rebalance(self)
            raise

    def seek(self, partition: int, offset: int) -> None:
        """See ArchiveLog."""
        self._check()
        assert partition in self._told, f"seek of partition {partition}, which is not ours"
        assert offset >= self._done.get(partition, 0), \
            f"seek back to {offset}: {self._done[partition]} was committed"
        self._positions[partition] = offset

    def commit(self, offsets: Mapping[int, int]) -> None:
        """See ArchiveLog."""
        self._check()
        for partition, offset in offsets.items():
            assert partition in self._told, f"commit of partition {partition}, not ours"
            assert offset >= self._done.get(partition, 0), f"commit backwards to {offset}"
            assert offset <= self.log.bounds(partition)[1], f"commit past the end: {offset}"
        self.log.faults.run("log.commit", lambda: self._commit(offsets))

    def committed(self, partition: int) -> int | None:
        """The group's hint, or null."""
        return self.log.committed.get(partition)

    def bounds(self, partition: int) -> tuple[int, int]:
        """See ArchiveLog."""
        self._check()
        return self.log.faults.run("log.bounds", lambda: self.log.bounds(partition))

    def fetch(self, partition: int, offset: int) -> LogRecord | None:
        """See ArchiveLog."""
        self._check()

        def fetch() -> LogRecord | None:
            value = self.log.values(partition).get(offset)
            return None if value is None else LogRecord(offset, value)

        return self.log.faults.run("log.fetch", fetch)

    def trim(self, partition: int, before: int) -> None:
        """See ArchiveLog."""
        self._check()
        hint = self.log.committed.get(partition, 0)
        if before <= self.log.bounds(partition)[1]:
            assert before <= hint, f"trim to {before}: the group committed {hint} only"
        self.log.faults.run("log.trim", lambda: self.log.trim(partition, before))

    def close(self) -> None:
        """See ArchiveLog."""
        self.log.kill(self)
        self._closed = True

    def _poll(self, records_max: int) -> Polled:
        mine = {partition for partition, owner in self.log.owners.items() if owner is self}
        lost = {partition for partition, epoch in self._told.items()
                if partition not in mine or self.log.epochs[partition] != epoch}
        # What was ours, was taken away and is ours again is left out once, so that its owner knows.
        assigned = frozenset(mine - lost)
        self._told = {partition: self.log.epochs[partition] for partition in assigned}
        self._positions = {p: o for p, o in self._positions.items() if p in assigned}
        self._done = {p: o for p, o in self._done.items() if p in assigned}
        found: dict[int, Sequence[LogRecord]] = {}
        for partition in sorted(self._positions):
            if records_max <= 0:
                break
            records = self.log.read(partition, self._positions[partition], records_max)
            if records:
                found[partition] = records
                records_max -= len(records)
        for partition, read in found.items():
            self._positions[partition] = read[-1].offset + 1
        return Polled(assigned, found)

    def _commit(self, offsets: Mapping[int, int]) -> None:
        self._done.update(offsets)
        for partition, offset in offsets.items():
            # A zombie's hint is dropped, as a broker drops the commit of an old generation.
            if (self.log.owners.get(partition) is self
                    and self.log.epochs[partition] == self._told[partition]):
                self.log.committed[partition] = offset

    def _check(self) -> None:
        assert not self._closed, f"{self.name} is used after close"
        if self.log.incarnation != int.from_bytes(self._began.topic_id, "big"):
            raise Halt("log_replaced", f"topic {self.log.topic} was made anew")
