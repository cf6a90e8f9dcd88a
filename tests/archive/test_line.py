"""The archive's straight line on the embedded drivers: sealed, stored, read back, verified."""

from __future__ import annotations

import io
from pathlib import Path

import fastavro

from archive.batch import BatchLimits
from ingest.heartbeat import heartbeat
from ingest.parts import items_of
from tests.world import World


def test_every_captured_event_is_archived_once_and_read_back_equal(tmp_path: Path) -> None:
    """What was put on the log comes back from the archive: equal, once, in order."""
    world = World(tmp_path)
    events = [world.message(number) for number in range(50)]
    world.capture(events, per_pack=7)
    assert world.archive() == 1
    assert events == world.events()
    report = world.verify()
    assert [] == report.findings
    assert (1, 50) == (report.segments, report.events)


def test_a_second_archiver_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    """A new process finds the last segment in the store and continues the chain."""
    world = World(tmp_path)
    first = [world.message(number) for number in range(5)]
    world.capture(first)
    one = world.archiver()
    world.archive(one)
    one._ports.log.close()
    second = [world.message(number) for number in range(5, 9)]
    world.capture(second)
    from infra.embedded.log import EmbeddedArchiveLog

    world.log = EmbeddedArchiveLog(tmp_path / "log.db", "archiver")
    world.archive()
    assert first + second == world.events()
    assert [] == world.verify().findings


def test_a_segment_opens_with_plain_avro_tools(tmp_path: Path) -> None:
    """Nothing of ours is needed to see the cells and the header."""
    world = World(tmp_path)
    world.capture([world.message(1)])
    world.archive()
    found = world.watcher.segments[0]
    reader = fastavro.reader(io.BytesIO(world.store.get(found.key)))
    cells = list(reader)
    assert 1 == len(cells)
    assert b"text number" not in world.store.get(found.key)
    assert "1" == reader.metadata["counterfoil.version"]


def test_one_event_is_read_by_its_pointer(tmp_path: Path) -> None:
    """A pointer gives exactly its datum with one range of the object."""
    world = World(tmp_path)
    world.capture([world.message(number) for number in range(9)], per_pack=3)
    world.archive()
    reader = world.reader()
    [(topic_id, partition)] = reader.partitions()
    for read in reader.follow(topic_id, partition, 0):
        for event in read.events:
            assert event.datum == reader.read(event.pointer)


def test_heartbeats_alone_close_no_segment(tmp_path: Path) -> None:
    """A process that only says that it lives makes no object; company takes its word along."""
    world = World(tmp_path)
    archiver = world.archiver(BatchLimits(age_ms_max=1_000))
    world.append(items_of(heartbeat({}, bytes(16), world.now, 8), world.router))
    archiver.turn(0.05)
    archiver.turn(0.05)
    world.now += 60_000
    assert archiver.turn(0.05) == 0
    world.capture([world.message(1)])
    archiver.turn(0.05)
    world.now += 1_000
    assert archiver.turn(0.05) == 1
    assert ["heartbeat", "message"] == [event.kind for event in world.events()]
