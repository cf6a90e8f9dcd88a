"""Several archivers on one log: no loss, no doubled version, or a halt with the finding's name.

The same scenarios on fakes, on the embedded drivers, and on a real Kafka with a real S3 store.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from archive import layout
from archive.batch import BatchLimits
from schemas.errors import Ambiguous, Halt, Transient
from tests.conftest import KafkaServer, S3Server
from tests.faults.stages import PARTITIONS, EmbeddedStage, FakeStage, RealStage, Stage

WAITS = BatchLimits(age_ms_max=3_600_000)


class GroupScenarios:
    """What must hold on every kind of drivers; a subclass brings the fixture `stage`."""

    def test_two_members_share_the_partitions(self, stage: Stage) -> None:
        """Each takes its own; together they archive everything once."""
        first, second = stage.archiver(stage.member()), stage.archiver(stage.member())
        stage.run([first, second], lambda: len(first.assigned()) == len(second.assigned()) == 1)
        assert not first.assigned() & second.assigned()
        stage.capture(14)
        stage.run([first, second])
        stage.check()

    def test_a_partition_that_moves_takes_nothing_with_it(self, stage: Stage) -> None:
        """What the old owner had in hand is read again by the new one."""
        log = stage.member()
        first = stage.archiver(log, WAITS)
        stage.capture(14)
        ends = stage.ends()
        for _ in range(400):
            first.turn(stage.poll_s)
            if first.waiting() == sum(ends.values()):
                break
        assert 14 == first.waiting() and {} == dict(_objects(stage))
        second = stage.archiver(stage.member(), WAITS)
        for _ in range(400):
            first.turn(stage.poll_s)
            second.turn(stage.poll_s)
            if len(first.assigned()) == len(second.assigned()) == 1:
                break
        assert 1 == len(first.assigned()) == len(second.assigned())
        stage.leave(log)
        stage.run([second])
        stage.capture(5)
        stage.run([second])
        stage.check()

    def test_a_zombie_finds_the_winner_and_goes_on_behind_it(self, stage: Stage) -> None:
        """Between its look and its PUT somebody else stores the same records, and more."""
        zombie = stage.archiver(stage.member())
        stage.settle(zombie)
        stage.capture(9)

        def take_over() -> None:
            stage.capture(6)
            rival = stage.archiver(stage.rival())
            stage.run([rival])

        stage.store.before_put.append(take_over)
        for _ in range(400):
            zombie.turn(stage.poll_s, flush=True)
            if not stage.store.before_put:
                break
        stage.check()
        for _ in range(3):
            zombie.turn(stage.poll_s, flush=True)
        stage.capture(4)
        stage.run([stage.archiver(stage.rival()), zombie])
        stage.check()

    @pytest.mark.parametrize("applied", [True, False], ids=["applied", "not applied"])
    def test_an_ambiguous_put_is_one_version(self, stage: Stage, applied: bool) -> None:
        """The answer is lost; the store is asked; there is one object, whichever way it went."""
        archiver = stage.archiver(stage.member())
        stage.settle(archiver)
        stage.capture(6)

        def lose_the_answer() -> None:
            raise Ambiguous("no answer")

        (stage.store.after_put if applied else stage.store.before_put).append(lose_the_answer)
        stage.run([archiver])
        stage.check()

    def test_a_topic_made_anew_stops_the_archiver(self, stage: Stage) -> None:
        """Also between its poll and its PUT; nothing of the old topic goes under the new id."""
        archiver = stage.archiver(stage.member(), WAITS)
        stage.capture(6)
        for _ in range(400):
            archiver.turn(stage.poll_s)
            if archiver.waiting() == 6:
                break
        stage.make_anew()
        with pytest.raises(Halt) as halt:
            _persist(lambda: archiver.turn(stage.poll_s, flush=True))
        assert "log_replaced" == halt.value.finding
        assert {} == dict(_objects(stage))

    def test_records_trimmed_before_they_were_archived_are_a_finding_and_a_hole(
            self, stage: Stage) -> None:
        """Said at once, and for ever in the next segment's header; the chain goes on."""
        log = stage.member()
        first = stage.archiver(log)
        stage.capture(14)
        stage.run([first])
        stage.leave(log)
        before = stage.ends()
        stage.capture(14)
        after = stage.ends()
        for partition in range(PARTITIONS):
            stage.trim(partition, after[partition] - 1)
        second = stage.archiver(stage.member())
        stage.run([second])
        found = {finding.code for finding in stage.world.watcher.findings}
        assert {"lost_before_archive"} == found
        stage.check(frozenset({"records_missing"}), {
            partition: [*range(before[partition]), after[partition] - 1]
            for partition in range(PARTITIONS)})
        holes = {one.segment.header.partition: one.segment.header.missing
                 for one in stage.world.watcher.segments if one.segment.header.missing}
        assert {partition: ((before[partition], after[partition] - 2),)
                for partition in range(PARTITIONS)} == holes

    def test_records_trimmed_under_a_reader_stop_it(self, stage: Stage) -> None:
        """A position below the log's start is never moved in silence."""
        archiver = stage.archiver(stage.member())
        stage.settle(archiver)
        stage.capture(14)
        for partition, end in stage.ends().items():
            stage.trim(partition, end)
        with pytest.raises(Halt) as halt:
            for _ in range(400):
                archiver.turn(stage.poll_s, flush=True)
        assert "log_out_of_range" == halt.value.finding
        assert {} == dict(_objects(stage))

    def test_another_width_stops_the_archiver(self, stage: Stage) -> None:
        """Before anything is stored under the new width."""
        archiver = stage.archiver(stage.member(), WAITS)
        stage.capture(6)
        for _ in range(400):
            archiver.turn(stage.poll_s)
            if archiver.waiting() == 6:
                break
        stage.widen()
        with pytest.raises(Halt) as halt:
            _persist(lambda: archiver.turn(stage.poll_s, flush=True))
        assert "partitions_changed" == halt.value.finding
        assert {} == dict(_objects(stage))

    def test_a_squatted_key_gets_the_next_name_and_a_finding(self, stage: Stage) -> None:
        """Everybody agrees on `.1.avro`: this archiver, the next one, reader and verify."""
        log = stage.member()
        archiver = stage.archiver(log)
        stage.settle(archiver)
        squatted = {layout.segment(stage.identity(), partition, 0).key()
                    for partition in range(PARTITIONS)}
        for key in squatted:
            stage.squat(key)
        stage.capture(14)
        stage.run([archiver])
        assert {"segment_unreadable", "key_squatted"} == {
            finding.code for finding in stage.world.watcher.findings}
        assert {key.replace(".avro", ".1.avro") for key in squatted} == {
            one.key for one in stage.world.watcher.segments}
        stage.leave(log)
        stage.capture(14)
        stage.run([stage.archiver(stage.member())])
        stage.check(frozenset({"key_squatted"}))

    def test_a_delete_marker_on_the_newest_segment_doubles_nothing(self, stage: Stage) -> None:
        """The next archiver lists versions, sees the segment, and goes on behind it (PROTOCOL S3).
        """
        if isinstance(stage, EmbeddedStage):
            with pytest.raises(NotImplementedError):
                stage.add_marker("a folder has no delete markers")
            return
        log = stage.member()
        first = stage.archiver(log)
        stage.capture(14)
        stage.run([first])
        newest = {one.segment.header.partition: one.key for one in stage.world.watcher.segments}
        for key in newest.values():
            stage.add_marker(key)
        stage.leave(log)
        stage.capture(14)
        stage.run([stage.archiver(stage.member())])
        stage.check(frozenset({"delete_marker"}))
        assert {"delete_marker"} == {finding.code for finding in stage.world.watcher.findings}

    def test_a_loser_whose_winner_is_deleted_at_once_stores_nothing_twice(
            self, stage: Stage) -> None:
        """A zombie comes to a key that holds its winner under a delete marker: a conditional PUT
        would succeed there, so it is not sent."""
        if isinstance(stage, EmbeddedStage):
            return
        zombie = stage.archiver(stage.member(), WAITS)
        stage.capture(6)
        for _ in range(400):
            zombie.turn(stage.poll_s)
            if zombie.waiting() == 6:
                break
        stage.run([stage.archiver(stage.rival())])
        for one in stage.world.watcher.segments:
            stage.add_marker(one.key)
        _persist(lambda: zombie.turn(stage.poll_s, flush=True))
        stage.check(frozenset({"delete_marker"}))

    def test_a_log_that_diverged_stops_the_archiver(self, stage: Stage) -> None:
        """The last archived record is another one now: a broker that lost data, or was changed. (A
        real broker offers no way to do that to it.)"""
        if isinstance(stage, RealStage):
            return
        log = stage.member()
        stage.capture(6)
        stage.run([stage.archiver(log)])
        stage.leave(log)
        for partition, end in stage.ends().items():
            if isinstance(stage, FakeStage):
                stage.log.damage(partition, end - 1, b"another record")
            elif isinstance(stage, EmbeddedStage):
                database = sqlite3.connect(stage._path)
                change = ("UPDATE records_0 SET value = x'00' WHERE id = ?",
                          "UPDATE records_1 SET value = x'00' WHERE id = ?")[partition]
                database.execute(change, (end,))
                database.commit()
                database.close()
        archiver = stage.archiver(stage.member())
        with pytest.raises(Halt) as halt:
            for _ in range(10):
                archiver.turn(stage.poll_s)
        assert "log_diverged" == halt.value.finding


class TestFake(GroupScenarios):
    """On the fakes."""

    @pytest.fixture
    def stage(self, tmp_path: Path) -> Stage:
        """Nothing to let go of."""
        return FakeStage(tmp_path)


class TestEmbedded(GroupScenarios):
    """On SQLite and a folder."""

    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[Stage]:
        """Files of this test's own."""
        made = EmbeddedStage(tmp_path)
        yield made
        made.close()


class TestReal(GroupScenarios):
    """On a real Kafka and a real S3 store."""

    @pytest.fixture
    def stage(self, tmp_path: Path, kafka_server: KafkaServer,
              s3_server: S3Server) -> Iterator[Stage]:
        """A topic, a group and a bucket of this test's own."""
        made = RealStage(tmp_path, kafka_server, s3_server)
        yield made
        made.close()


def _objects(stage: Stage) -> Iterator[tuple[str, str]]:
    return ((one.key, one.version_id) for one in stage.store.versions(layout.SEGMENTS))


def _persist(turn: Callable[[], object]) -> None:
    """As a worker does: what is Transient is tried again, a bounded number of times."""
    for _ in range(100):
        try:
            turn()
        except Transient:
            continue
        return
