"""The archiver's loop: nothing that the log gave is forgotten, whatever fails in between."""

from __future__ import annotations

import pytest

from archive.batch import BatchLimits
from archive.commit import Committer
from archive.consume import Archiver, Ports, retry
from archive.store import Lock
from schemas.errors import Halt, Transient
from tests.fakes.log import FakeArchiveLog
from tests.golden.firm import Firm

WAITS = BatchLimits(age_ms_max=60_000)


def waiting_archiver(firm: Firm, log: FakeArchiveLog | None = None,
                     limits: BatchLimits = WAITS) -> Archiver:
    """An archiver that closes segments by their age, as a real one does."""
    return Archiver(Ports(
        log or firm.member, firm.store, firm.authenticator(), firm.segment_sealer(),
        Committer(firm.store, firm.authenticator(), lambda _seconds: None), firm.watcher,
        firm.clock), limits)


def restarted(firm: Firm) -> Archiver:
    """All members are dead; a new process has every partition."""
    for member in list(firm.log.members):
        firm.log.kill(member)
    return waiting_archiver(firm, firm.log.member())


def offsets(firm: Firm, partition: int) -> list[int]:
    """What is archived of a partition, by offset, in order of the chain."""
    return [event.pointer.offset
            for read in firm.reader().follow(firm.log.now().topic_id.hex(), partition, 0)
            for event in read.events]


def test_records_in_hand_survive_a_failing_recovery_of_another_partition() -> None:
    """A poll brings records of one partition and a new one; finding the new one's end fails. The
    records came once and must not be gone."""
    firm = Firm()
    archiver = waiting_archiver(firm)
    other = firm.log.member()           # takes partition 1 and shares the rest
    for _ in range(2):
        archiver.turn(0.0)
    assert 0 in archiver.assigned() and 1 not in archiver.assigned()
    for number in range(3):
        firm.capture(0, firm.message(0, number))
    other.close()                       # partition 1 comes to us with the next poll
    firm.store.faults.arm("store_versions_not_applied")
    with pytest.raises(Transient):
        archiver.turn(0.0)
    assert 3 == archiver.waiting()
    firm.capture(0, firm.message(0, 3))
    for _ in range(3):
        archiver.turn(0.0, flush=True)
    assert [0, 1, 2, 3] == offsets(firm, 0)
    assert set() == {finding.code for finding in firm.verify().findings}


class Dropping(FakeArchiveLog):
    """A driver that loses what one poll brought, as one with a bug would."""

    drop_next = False

    def poll(self, timeout_s: float, records_max: int):  # type: ignore[no-untyped-def]
        """See ArchiveLog."""
        polled = super().poll(timeout_s, records_max)
        if self.drop_next and polled.records:
            self.drop_next = False
            polled = type(polled)(polled.assigned, {})
        return polled


def test_records_that_a_driver_dropped_are_read_again() -> None:
    """A hole is believed only when it is seen twice: what is still on the log is not empty."""
    firm = Firm()
    firm.log.kill(firm.member)
    member = Dropping(firm.log, "dropping")
    firm.log.members.append(member)
    firm.log._share_out()
    archiver = waiting_archiver(firm, member)
    archiver.turn(0.0)
    firm.capture(0, firm.message(0, 0))
    archiver.turn(0.0)
    firm.capture(0, firm.message(0, 1))
    member.drop_next = True
    archiver.turn(0.0)
    firm.capture(0, firm.message(0, 2))
    for _ in range(3):
        archiver.turn(0.0, flush=True)
    assert [0, 1, 2] == offsets(firm, 0)
    assert set() == {finding.code for finding in firm.verify().findings}


def test_a_true_hole_is_listed_in_the_header() -> None:
    """Offsets that never held a record are said to be empty, once they were seen twice."""
    firm = Firm()
    archiver = waiting_archiver(firm)
    archiver.turn(0.0)
    firm.capture(0, firm.message(0, 0))
    firm.log.skip(0, 2)
    firm.capture(0, firm.message(0, 1))
    firm.log.skip(0, 3)
    for _ in range(3):
        archiver.turn(0.0, flush=True)
    firm.capture(0, firm.message(0, 2))
    for _ in range(3):
        archiver.turn(0.0, flush=True)
    headers = [found.segment.header for found in firm.watcher.segments]
    assert [(0, 3, ((1, 2),)), (4, 7, ((4, 6),))] == [
        (header.first, header.last, header.missing) for header in headers]


def test_records_out_of_order_stop_the_process() -> None:
    """A segment is a range; a driver that turns it round is not to be guessed at."""
    firm = Firm()
    for number in range(3):
        firm.capture(0, firm.message(0, number))
    archiver = waiting_archiver(firm)
    archiver.turn(0.0)
    read = firm.log.read
    firm.log.read = lambda *where: read(*where)[::-1]  # type: ignore[method-assign]
    with pytest.raises(Halt, match="out of order"):
        archiver.turn(0.0)


def test_what_waits_does_not_grow_while_the_store_is_away() -> None:
    """A full batch is stored before more is read: an hour without a store costs no memory."""
    firm = Firm()
    archiver = waiting_archiver(firm, limits=BatchLimits(records_max=4))
    archiver.turn(0.0)
    for number in range(4):
        firm.capture(0, firm.message(0, number))
    for nth in range(1, 500):
        firm.store.faults.arm("store_put_once_not_applied", nth)
    for number in range(4, 40):
        firm.capture(0, firm.message(0, number))
        with pytest.raises(Transient):
            archiver.turn(0.0)
        assert archiver.waiting() <= 8
    firm.store.faults._armed.clear()
    for _ in range(12):
        archiver.turn(0.0, flush=True)
    assert list(range(40)) == offsets(firm, 0)


def test_heartbeats_alone_close_no_segment_for_an_hour() -> None:
    """PROTOCOL S9, through the whole loop."""
    firm = Firm()
    archiver = waiting_archiver(firm)
    archiver.turn(0.0)
    beats = firm.new_sealer(frozenset({"heartbeat"}))
    for _ in range(59):
        firm.append(0, [firm.item(firm.message(0, 1))], beats)
        assert 0 == archiver.turn(0.0)
        firm.now += 60_000
    firm.capture(0, firm.message(0, 2))
    assert 0 == archiver.turn(0.0)
    firm.now += 60_000
    assert 1 == archiver.turn(0.0)
    assert list(range(60)) == offsets(firm, 0)


def test_offsets_are_committed_behind_the_segment_only() -> None:
    """The hint never runs ahead of the store."""
    firm = Firm()
    firm.capture(0, firm.message(0, 0))
    archiver = waiting_archiver(firm)
    archiver.turn(0.0)
    archiver.turn(0.0)
    assert 1 == archiver.waiting() and {} == firm.log.committed
    archiver.turn(0.0, flush=True)
    assert {0: 1} == firm.log.committed


def test_a_lost_commit_is_no_loss() -> None:
    """The archive says where to go on."""
    firm = Firm()
    firm.capture(0, firm.message(0, 0))
    archiver = waiting_archiver(firm)
    archiver.turn(0.0)
    firm.log.faults.arm("log_commit_not_applied")
    with pytest.raises(Transient):
        archiver.turn(0.0, flush=True)
    firm.capture(0, firm.message(0, 1))
    archiver = restarted(firm)
    for _ in range(3):
        archiver.turn(0.0, flush=True)
    assert [0, 1] == offsets(firm, 0)


def test_a_log_that_ends_before_the_archive_stops_the_process() -> None:
    """Under the same id: a broker restored from a backup. Writing on would give offsets anew."""
    firm = Firm()
    for number in range(3):
        firm.capture(0, firm.message(0, number))
    firm.archive()
    firm.log.restore({0: {0: firm.log.values(0)[0]}}, [1, 0, 0])
    with pytest.raises(Halt, match="log_diverged"):
        restarted(firm).turn(0.0)


def test_a_last_record_that_vanished_from_the_log_stops_the_process() -> None:
    """Trimmed is in order; gone from the middle is not."""
    firm = Firm()
    for number in range(3):
        firm.capture(0, firm.message(0, number))
    firm.archive()
    values = firm.log.values(0)
    firm.log.restore({0: {0: values[0], 1: values[1]}}, [4, 0, 0])
    with pytest.raises(Halt, match="log_diverged"):
        restarted(firm).turn(0.0)
    firm.log.trim(0, 3)
    restarted(firm).turn(0.0)


def test_a_topic_made_anew_while_nobody_looked_is_told() -> None:
    """The next process begins with the new topic and goes on, but says what it found."""
    firm = Firm()
    firm.capture(0, firm.message(0, 0))
    firm.archive()
    firm.log.make_anew()
    firm.capture(0, firm.message(0, 1))
    archiver = restarted(firm)
    for _ in range(3):
        archiver.turn(0.0, flush=True)
    assert {"log_replaced"} == {finding.code for finding in firm.watcher.findings}
    firm.watcher.findings.clear()
    archiver = restarted(firm)
    for _ in range(3):
        archiver.turn(0.0, flush=True)
    assert [] == firm.watcher.findings


def test_another_width_stops_the_process() -> None:
    """Conversations would go to other partitions, in two orders."""
    firm = Firm()
    firm.capture(0, firm.message(0, 0))
    archiver = waiting_archiver(firm)
    archiver.turn(0.0)
    firm.log.partitions = 5
    with pytest.raises(Halt, match="partitions_changed"):
        archiver.turn(0.0, flush=True)
    assert {} == firm.store.objects


def test_the_topic_is_asked_for_again_before_every_put() -> None:
    """Made anew between the poll and the PUT: nothing of the old one goes under the new id."""
    firm = Firm()
    firm.capture(0, firm.message(0, 0))
    archiver = waiting_archiver(firm)
    archiver.turn(0.0)
    firm.store.faults.arm("store_put_once_not_applied")
    firm.store.faults.before("store.put_once", firm.log.make_anew)
    with pytest.raises(Halt, match="log_replaced"):
        archiver.turn(0.0, flush=True)
    assert {} == firm.store.objects


def test_a_refused_record_is_told_also_by_who_lost_the_race() -> None:
    """The alarm does not depend on whose PUT was first."""
    firm = Firm()
    firm.log.append(0, b"junk")
    archiver = waiting_archiver(firm)
    archiver.turn(0.0)
    firm.store.faults.arm("store_versions_not_applied", 2)
    with pytest.raises(Transient):
        archiver.turn(0.0, flush=True)       # stored, but not read back
    assert [] == firm.watcher.findings
    archiver.turn(0.0, flush=True)
    assert ["record_refused"] == [finding.code for finding in firm.watcher.findings]


def test_retry_gives_up_with_the_last_error() -> None:
    """Five pauses, then the caller hears of it."""
    pauses: list[float] = []
    told: list[Transient] = []

    def fail() -> int:
        raise Transient("away")

    with pytest.raises(Transient):
        retry(fail, pauses.append, told.append)
    assert 5 == len(told) == len(pauses) and sorted(pauses) == pauses
    assert 7 == retry(lambda: 7, pauses.append, told.append)


def test_an_archiver_that_lost_its_partition_forgets_it() -> None:
    """What waited is on the log; the new owner reads it."""
    firm = Firm()
    firm.capture(1, firm.message(1, 0))
    archiver = waiting_archiver(firm)
    archiver.turn(0.0)
    archiver.turn(0.0)
    assert 1 == archiver.waiting()
    second = waiting_archiver(firm, firm.log.member())
    archiver.turn(0.0)
    assert 0 == archiver.waiting() and 1 not in archiver.assigned()
    for _ in range(3):
        second.turn(0.0, flush=True)
    assert [0] == offsets(firm, 1)
    assert Lock("COMPLIANCE", firm.watcher.segments[0].segment.header.retain_until) == (
        firm.store.lock(firm.keys_of(1)[0], firm.watcher.segments[0].version_id))
