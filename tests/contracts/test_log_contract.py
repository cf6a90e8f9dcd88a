"""The contract of the ports CaptureLog and ArchiveLog, on the fake, SQLite and Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.publish import CaptureLog
from schemas.errors import Halt, Refused, Transient
from schemas.limits import PACK_BYTES_MAX
from schemas.wire import LogRecord
from tests.conftest import KafkaServer
from tests.contracts.worlds import (
    PARTITIONS,
    EmbeddedLogWorld,
    FakeLogWorld,
    GroupMemberLog,
    KafkaLogWorld,
    LogWorld,
    poll_until,
)

ALL = frozenset(range(PARTITIONS))


def append(capture: CaptureLog, partition: int, value: bytes) -> int:
    """One record, sealed for the log that is there."""
    return capture.append(partition, value, capture.identity().topic_id)


def owner(world: LogWorld, seek_to: int = 0) -> GroupMemberLog:
    """A member that owns every partition and has sought to `seek_to`."""
    member = world.member()
    ours: frozenset[int] = frozenset()
    for _ in range(400):
        polled = member.poll(0.1, 10)
        assert not polled.records, "records before a seek"
        ours = polled.assigned
        if ours == ALL:
            break
    assert ours == ALL
    for partition in ALL:
        member.seek(partition, seek_to)
    return member


class LogContract:
    """What every driver promises; a subclass brings the driver as the fixture `world`."""

    def test_offsets_begin_at_0_and_have_no_holes(self, world: LogWorld) -> None:
        """Each partition is numbered from 0 by ones, on its own."""
        capture = world.capture()
        assert [0, 1, 2] == [append(capture, 0, b"%d" % number) for number in range(3)]
        assert [0, 1] == [append(capture, 1, b"%d" % number) for number in range(2)]

    def test_records_come_in_the_order_they_were_appended(self, world: LogWorld) -> None:
        """What a member reads is what was appended: each value, in order, at its offset."""
        capture = world.capture()
        values = [bytes([number]) * (number + 1) for number in range(256)]
        for value in values:
            append(capture, 1, value)
        found: dict[int, list[LogRecord]] = {}
        poll_until(world.member(), lambda: len(found.get(1, [])) >= 256, found)
        assert [LogRecord(offset, value) for offset, value in enumerate(values)] == found[1]
        assert 0 not in found

    def test_an_assigned_partition_gives_nothing_until_seek(self, world: LogWorld) -> None:
        """The archiver decides where it goes on, not a committed offset or a default."""
        append(world.capture(), 0, b"first")
        member = owner(world)
        found: dict[int, list[LogRecord]] = {}
        for _ in range(100):
            for partition, records in member.poll(0.1, 10).records.items():
                found.setdefault(partition, []).extend(records)
            if found:
                break
        assert {0: [LogRecord(0, b"first")]} == found

    def test_seek_moves_the_position(self, world: LogWorld) -> None:
        """After seek(p, n) the next record is n, also when poll was further already."""
        capture = world.capture()
        for number in range(10):
            append(capture, 0, b"%d" % number)
        member = world.member()
        found: dict[int, list[LogRecord]] = {}
        poll_until(member, lambda: len(found.get(0, [])) >= 10, found)
        member.seek(0, 4)
        again: dict[int, list[LogRecord]] = {}
        # Partition 1 has no record 4: on a real log, asked for at once, that ends the process.
        poll_until(member, lambda: len(again.get(0, [])) >= 6, again,
                   lambda partition: 0 if partition else 4)
        assert [4, 5, 6, 7, 8, 9] == [record.offset for record in again[0]]

    def test_poll_gives_no_more_records_than_asked_for(self, world: LogWorld) -> None:
        """`records_max` bounds one poll over all partitions, and nothing is left out by it."""
        capture = world.capture()
        for number in range(20):
            append(capture, number % 2, b"%d" % number)
        member = owner(world)
        seen: dict[int, list[int]] = {0: [], 1: []}
        for _ in range(400):
            records = member.poll(0.1, 3).records
            assert sum(len(some) for some in records.values()) <= 3
            for partition, some in records.items():
                seen[partition] += [record.offset for record in some]
            if sum(map(len, seen.values())) >= 20:
                break
        assert {0: list(range(10)), 1: list(range(10))} == seen

    def test_a_record_as_large_as_a_pack_may_be_passes(self, world: LogWorld) -> None:
        """The largest pack fits; what no pack can be is refused and not appended."""
        capture = world.capture()
        large = bytes(PACK_BYTES_MAX)
        assert 0 == append(capture, 0, large)
        with pytest.raises(Refused):
            append(capture, 0, bytes(1_000_001))
        member = owner(world)
        assert LogRecord(0, large) == member.fetch(0, 0)
        assert (0, 1) == member.bounds(0)

    def test_fetch_gives_one_record_and_moves_nothing(self, world: LogWorld) -> None:
        """fetch reads by address alone; null where no record is."""
        capture = world.capture()
        for number in range(5):
            append(capture, 0, b"%d" % number)
        member = owner(world)
        assert LogRecord(3, b"3") == member.fetch(0, 3)
        assert member.fetch(0, 5) is None
        assert member.fetch(1, 0) is None
        found: dict[int, list[LogRecord]] = {}
        for _ in range(100):
            for partition, records in member.poll(0.1, 10).records.items():
                found.setdefault(partition, []).extend(records)
            if len(found.get(0, [])) >= 5:
                break
        assert [0, 1, 2, 3, 4] == [record.offset for record in found[0]]

    def test_bounds_follow_append_and_trim(self, world: LogWorld) -> None:
        """bounds = (first still there, next to be written)."""
        capture = world.capture()
        member = owner(world)
        assert (0, 0) == member.bounds(0)
        for number in range(5):
            append(capture, 0, b"%d" % number)
        assert (0, 5) == member.bounds(0)
        member.commit({0: 3})
        member.trim(0, 3)
        assert (3, 5) == member.bounds(0)
        assert member.fetch(0, 2) is None
        assert LogRecord(3, b"3") == member.fetch(0, 3)
        member.trim(0, 2)
        assert (3, 5) == member.bounds(0)

    def test_offsets_never_come_again_after_a_trim(self, world: LogWorld) -> None:
        """An emptied partition goes on counting: an address names one record for ever."""
        capture = world.capture()
        for number in range(3):
            append(capture, 0, b"%d" % number)
        member = owner(world)
        member.commit({0: 3})
        member.trim(0, 3)
        assert (3, 3) == member.bounds(0)
        assert 3 == append(capture, 0, b"after")

    def test_a_trim_past_the_end_is_halt(self, world: LogWorld) -> None:
        """Nobody can ask to delete what was not written."""
        append(world.capture(), 0, b"only")
        member = owner(world)
        with pytest.raises(Halt) as halted:
            member.trim(0, 2)
        assert "log_out_of_range" == halted.value.finding
        assert (0, 1) == member.bounds(0)

    @pytest.mark.parametrize("position", [1, 9])
    def test_a_position_off_the_log_is_halt(self, world: LogWorld, position: int) -> None:
        """Below the start or past the end: the process stops, no default position is taken."""
        capture = world.capture()
        for number in range(5):
            append(capture, 0, b"%d" % number)
        member = owner(world)
        member.commit({0: 3})
        member.trim(0, 3)
        member.close()
        successor = owner(world, seek_to=0)
        successor.seek(0, position)
        with pytest.raises(Halt) as halted:
            for _ in range(100):
                assert 0 not in successor.poll(0.1, 10).records
        assert "log_out_of_range" == halted.value.finding

    def test_both_sides_name_the_same_log(self, world: LogWorld) -> None:
        """Capture and archive see one identity; its id has 16 bytes and is not zero."""
        identity = world.capture().identity()
        assert identity == world.member().identity()
        assert (16, PARTITIONS) == (len(identity.topic_id), identity.partitions)
        assert any(identity.topic_id)

    def test_a_log_made_anew_is_halt(self, world: LogWorld) -> None:
        """A topic made again has another id, and a member that began before it must stop."""
        capture = world.capture()
        append(capture, 0, b"old")
        before = capture.identity()
        member = owner(world)
        assert before == member.identity()
        world.make_anew()
        with pytest.raises(Halt) as halted:
            member.identity()
        assert "log_replaced" == halted.value.finding
        after = capture.identity()
        assert (before.topic, before.partitions) == (after.topic, after.partitions)
        assert before.topic_id != after.topic_id
        assert after == world.member().identity()

    def test_a_record_goes_to_no_log_but_its_own(self, world: LogWorld) -> None:
        """Sealed for a log that another has replaced: Transient, and nothing is appended."""
        capture = world.capture()
        append(capture, 0, b"old")
        before = capture.identity().topic_id
        world.make_anew()
        after = capture.identity().topic_id
        with pytest.raises(Transient):
            capture.append(0, b"sealed for the old one", before)
        with pytest.raises(Transient):
            capture.append(0, b"sealed for a third", bytes(16))
        member = owner(world)
        assert (0, 0) == member.bounds(0)
        # A client may need some time to forget the old one; it never takes the wrong record.
        for _ in range(100):
            try:
                assert 0 == capture.append(0, b"new", after)
                break
            except Transient:
                continue
        assert LogRecord(0, b"new") == member.fetch(0, 0)

    def test_two_members_share_the_partitions(self, world: LogWorld) -> None:
        """Each partition has one owner; who leaves leaves its partitions to the other."""
        first = owner(world)
        second = world.member()
        ours: dict[str, frozenset[int]] = {"first": ALL, "second": frozenset()}

        def step() -> None:
            for name, member in (("first", first), ("second", second)):
                ours[name] = member.poll(0.1, 10).assigned

        for _ in range(200):
            step()
            if len(ours["first"]) == len(ours["second"]) == 1:
                break
        assert ALL == ours["first"] | ours["second"]
        assert not ours["first"] & ours["second"]
        second.close()
        for _ in range(200):
            if first.poll(0.1, 10).assigned == ALL:
                return
        raise AssertionError("the partitions of the member that left were not taken over")

    def test_a_partition_taken_over_gives_nothing_until_seek(self, world: LogWorld) -> None:
        """Assignment forgets positions: the new owner looks at the archive first."""
        capture = world.capture()
        for partition in ALL:
            append(capture, partition, b"first")
        first = owner(world)
        second = world.member()
        taken: frozenset[int] = frozenset()
        for _ in range(200):
            first.poll(0.05, 10)
            polled = second.poll(0.05, 10)
            assert not polled.records
            taken = polled.assigned
            if taken:
                break
        assert taken
        for _ in range(10):
            first.poll(0.02, 10)
            assert not second.poll(0.02, 10).records

    def test_the_commit_hint_survives_its_member(self, world: LogWorld) -> None:
        """The next owner can ask what was committed; an uncommitted partition says null."""
        capture = world.capture()
        for number in range(5):
            append(capture, 0, b"%d" % number)
        member = owner(world)
        member.commit({0: 4})
        assert 4 == member.committed(0)
        member.close()
        successor = owner(world)
        assert 4 == successor.committed(0)
        assert successor.committed(1) is None

    def test_what_is_not_a_partition_is_refused(self, world: LogWorld) -> None:
        """A partition that the log does not have, or a record without bytes, is not accepted."""
        capture = world.capture()
        with pytest.raises((Refused, AssertionError)):
            append(capture, PARTITIONS, b"value")
        with pytest.raises((Refused, AssertionError)):
            append(capture, 0, b"")


class TestFakeLog(LogContract):
    """The fake keeps the contract, so that a test on it means something."""

    @pytest.fixture
    def world(self) -> LogWorld:
        """In memory."""
        return FakeLogWorld()


class TestEmbeddedLog(LogContract):
    """SQLite."""

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[LogWorld]:
        """A file of its own for each test."""
        made = EmbeddedLogWorld(tmp_path)
        yield made
        made.close()


class TestKafkaLog(LogContract):
    """Apache Kafka."""

    @pytest.fixture
    def world(self, kafka_server: KafkaServer) -> Iterator[LogWorld]:
        """A topic of its own for each test."""
        made = KafkaLogWorld(kafka_server.bootstrap)
        yield made
        made.close()
