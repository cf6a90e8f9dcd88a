"""The log is shortened behind what was archived and read back, and nowhere else (PROTOCOL L1)."""

from __future__ import annotations

from pathlib import Path

from archive.trim import Trimmer
from tests.world import World

DAY_MS = 86_400_000


def filled(folder: Path, segments: int = 3) -> World:
    """A world with so many segments of four records each, one a day."""
    world = World(folder)
    archiver = world.archiver()
    for number in range(segments):
        world.capture([world.message(number * 4 + one) for one in range(4)])
        world.archive(archiver, turns=2)
        world.now += DAY_MS
    return world


def test_what_is_old_and_read_back_is_trimmed(tmp_path: Path) -> None:
    """Everything a safety period behind goes, but for the last record, which recovery compares."""
    world = filled(tmp_path)
    trimmer = Trimmer(world.log, world.reader(), safety_ms=DAY_MS * 3 // 2)
    assert trimmer.trim(0, 12, world.now) == 7
    assert world.log.bounds(0) == (7, 12)
    assert world.events() == [world.message(number, captured_at=event.captured_at,
                                            occurred_at=event.occurred_at)
                              for number, event in enumerate(world.events())]
    assert world.verify().findings == []


def test_what_is_young_stays(tmp_path: Path) -> None:
    """Within the safety period nothing is trimmed."""
    world = filled(tmp_path)
    assert Trimmer(world.log, world.reader(), safety_ms=DAY_MS * 30).trim(0, 12, world.now) == 0
    assert world.log.bounds(0) == (0, 12)


def test_a_segment_that_does_not_open_stops_the_trimming(tmp_path: Path) -> None:
    """From the first segment that cannot be read back on, the log keeps everything."""
    world = filled(tmp_path)
    for name in list(world.keyring.names()):
        world.keyring.destroy(name)
    assert Trimmer(world.log, world.reader(), safety_ms=0).trim(0, 12, world.now) == 0
    assert world.log.bounds(0) == (0, 12)


def test_an_archiver_goes_on_after_trimming(tmp_path: Path) -> None:
    """A trimmed log is no gap: recovery finds the last archived record and what comes after it."""
    world = filled(tmp_path)
    Trimmer(world.log, world.reader(), safety_ms=0).trim(0, 12, world.now)
    world.log.close()
    world.log = world.reopened_log()
    world.capture([world.message(99)])
    world.archive()
    assert world.watcher.findings == []
    assert [99] == [int(event.native_id.rpartition(".")[2]) for event in world.events()[12:]]
