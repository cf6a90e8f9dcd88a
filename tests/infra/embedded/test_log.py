"""The SQLite log: many processes, sudden death, replaced and damaged files (PROTOCOL L2, L4)."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.embedded.log import EmbeddedArchiveLog, EmbeddedCaptureLog, provision
from schemas.errors import Ambiguous, Halt, Missing, Refused, Transient
from schemas.wire import LogRecord
from tests.contracts.worlds import counted, poll_until

ROOT = Path(__file__).parents[3]
# What `counted` makes of the fixture's log, and of another in its place.
TOPIC_ID = counted()(16)
OTHER_ID = counted(7)(16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A provisioned log of one partition."""
    made = tmp_path / "log/capture.db"
    provision(made, "capture", 1, counted())
    return made


@pytest.fixture
def capture(path: Path) -> Iterator[EmbeddedCaptureLog]:
    """A writer on it."""
    log = EmbeddedCaptureLog(path)
    yield log
    log.close()


def child(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    """Another process that runs `code` with our packages."""
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT,
                            stdout=subprocess.PIPE)


def test_a_log_is_provisioned_once(tmp_path: Path) -> None:
    """The second provision finds the first; another width or topic is Halt."""
    path = tmp_path / "capture.db"
    first = provision(path, "capture", 2, counted())
    assert first == provision(path, "capture", 2, counted(1))
    for topic, partitions in (("capture", 3), ("other", 2)):
        with pytest.raises(Halt) as halted:
            provision(path, topic, partitions, counted())
        assert "partitions_changed" == halted.value.finding
    for partitions in (0, 65):
        with pytest.raises(Refused):
            provision(tmp_path / "new", "capture", partitions, counted())


def test_processes_that_provision_at_once_agree(tmp_path: Path) -> None:
    """`run` starts every part at once: one log comes of it."""
    code = ("import sys, secrets; from pathlib import Path; from infra.embedded.log import *\n"
            "print(provision(Path(sys.argv[1]), 'capture', 1, secrets.token_bytes).topic_id.hex())")
    children = [child(code, tmp_path / "capture.db") for _ in range(3)]
    said = {one.communicate()[0] for one in children}
    assert 1 == len(said)
    assert 33 == len(said.pop())


def test_what_a_power_cut_may_not_take_is_set(path: Path, capture: EmbeddedCaptureLog) -> None:
    """WAL, synchronous=FULL, AUTOINCREMENT, and a file that only its owner reads."""
    capture.append(0, b"1", TOPIC_ID)
    assert capture._file is not None
    database = capture._file.database
    assert "wal" == database.execute("PRAGMA journal_mode").fetchone()[0]
    assert 2 == database.execute("PRAGMA synchronous").fetchone()[0]
    assert 1 == database.execute("PRAGMA secure_delete").fetchone()[0]
    schema = database.execute("SELECT sql FROM sqlite_master WHERE name = 'records_0'").fetchone()
    assert "AUTOINCREMENT" in schema[0]
    for file in path.parent.glob("capture.db*"):
        if file.is_file():
            assert 0 == file.stat().st_mode & 0o077, file.name


def test_several_processes_append_without_a_hole(
        path: Path, capture: EmbeddedCaptureLog) -> None:
    """Gateway, console and importer write at once: every record once, in each writer's order."""
    code = ("import sys; from pathlib import Path; from infra.embedded.log import *\n"
            "log = EmbeddedCaptureLog(Path(sys.argv[1]))\n"
            "topic_id = log.identity().topic_id\n"
            "for n in range(40): log.append(0, f'{sys.argv[2]} {n}'.encode(), topic_id)\n")
    children = [child(code, path, name) for name in ("a", "b")]
    for number in range(40):
        capture.append(0, f"c {number}".encode(), TOPIC_ID)
    assert [0, 0] == [one.wait() for one in children]
    log = EmbeddedArchiveLog(path, "archiver")
    found: dict[int, list[LogRecord]] = {}
    poll_until(log, lambda: len(found.get(0, [])) >= 120, found)
    log.close()
    assert list(range(120)) == [record.offset for record in found[0]]
    for name in ("a", "b", "c"):
        assert [f"{name} {number}".encode() for number in range(40)] == [
            record.value for record in found[0] if record.value.startswith(name.encode())]


def test_a_batch_is_appended_whole(path: Path, capture: EmbeddedCaptureLog) -> None:
    """append_many: next to each other, in order, or not at all."""
    capture.append(0, b"before", TOPIC_ID)
    assert range(1, 4) == capture.append_many(0, [b"1", b"2", b"3"], TOPIC_ID)
    with pytest.raises(Refused):
        capture.append_many(0, [b"4", b""], TOPIC_ID)
    with pytest.raises(Refused):
        capture.append_many(0, [], TOPIC_ID)
    assert 4 == capture.append(0, b"after", TOPIC_ID)


def test_a_killed_archiver_frees_its_partitions(path: Path, capture: EmbeddedCaptureLog) -> None:
    """kill -9 releases the partition at once; before it nobody else reads."""
    code = ("import sys; from pathlib import Path; from infra.embedded.log import *\n"
            "log = EmbeddedArchiveLog(Path(sys.argv[1]), 'archiver')\n"
            "while not log.poll(0.1, 1).assigned: pass\n"
            "print('mine', flush=True)\n"
            "while True: log.poll(1, 1)\n")
    owner = child(code, path)
    assert owner.stdout is not None
    assert b"mine\n" == owner.stdout.readline()
    capture.append(0, b"record", TOPIC_ID)
    second = EmbeddedArchiveLog(path, "archiver")
    for _ in range(5):
        assert frozenset() == second.poll(0.02, 1).assigned
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    found: dict[int, list[LogRecord]] = {}
    poll_until(second, lambda: bool(found), found)
    second.close()
    assert [LogRecord(0, b"record")] == found[0]


def test_what_was_acknowledged_survives_kill(path: Path) -> None:
    """A writer killed between two appends: every acknowledged offset is there, none twice."""
    code = ("import sys; from pathlib import Path; from infra.embedded.log import *\n"
            "log = EmbeddedCaptureLog(Path(sys.argv[1]))\n"
            "topic_id = log.identity().topic_id\n"
            "for n in range(100000): print(log.append(0, b'%d' % n, topic_id), flush=True)\n")
    writer = child(code, path)
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(25)]
    writer.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in writer.communicate()[0].split(b"\n")[:-1]]
    log = EmbeddedArchiveLog(path, "archiver")
    start, end = log.bounds(0)
    assert list(range(len(acknowledged))) == acknowledged
    assert 0 == start
    assert len(acknowledged) <= end <= len(acknowledged) + 1
    assert [LogRecord(offset, b"%d" % offset) for offset in acknowledged] == [
        log.fetch(0, offset) for offset in acknowledged]
    log.close()


def test_nothing_is_written_into_a_file_without_a_name(
        path: Path, capture: EmbeddedCaptureLog) -> None:
    """The file was deleted: Transient, because what went into it would be acknowledged and lost."""
    capture.append(0, b"1", TOPIC_ID)
    archive = EmbeddedArchiveLog(path, "archiver")
    for file in path.parent.glob("capture.db*"):
        if file.is_file():
            file.unlink()
    with pytest.raises(Transient):
        capture.append(0, b"2", TOPIC_ID)
    with pytest.raises(Transient):
        capture.identity()
    with pytest.raises(Transient):
        archive.poll(0, 1)
    archive.close()


def test_a_log_made_anew_takes_no_record_unasked(path: Path, capture: EmbeddedCaptureLog) -> None:
    """A record is sealed for one topic id: it goes to no other log, whoever asked `identity`."""
    capture.append(0, b"old", TOPIC_ID)
    before = capture.identity()
    archive = EmbeddedArchiveLog(path, "archiver")
    for file in path.parent.glob("capture.db*"):
        if file.is_file():
            file.unlink()
    provision(path, "capture", 1, counted(7))
    with pytest.raises(Transient):
        capture.append(0, b"sealed for the old one", TOPIC_ID)
    for act in (lambda: archive.poll(0, 1), lambda: archive.fetch(0, 0),
                lambda: archive.bounds(0), lambda: archive.trim(0, 0)):
        with pytest.raises(Halt) as halted:
            act()
        assert "log_replaced" == halted.value.finding
    archive.close()
    assert before.topic_id != capture.identity().topic_id
    with pytest.raises(Transient):
        # Asked in between, by somebody else: the record is sealed for the old one all the same.
        capture.append(0, b"sealed for the old one", TOPIC_ID)
    assert 0 == capture.append(0, b"new", OTHER_ID)


def test_a_writer_that_holds_the_file_is_transient(
        path: Path, capture: EmbeddedCaptureLog) -> None:
    """Nothing was written when the busy time-out ends; the next append goes through."""
    capture.append(0, b"1", TOPIC_ID)
    assert capture._file is not None
    capture._file.database.execute("PRAGMA busy_timeout = 20")
    rival = sqlite3.connect(path, isolation_level=None)
    rival.execute("BEGIN IMMEDIATE")
    with pytest.raises(Transient) as raised:
        capture.append(0, b"2", TOPIC_ID)
    assert not isinstance(raised.value, Ambiguous)
    rival.rollback()
    rival.close()
    assert 1 == capture.append(0, b"2", TOPIC_ID)


def test_a_damaged_file_is_halt(path: Path) -> None:
    """A file that is no database stops the process with its name."""
    path.write_bytes(b"not a database, but long enough to look at" * 40)
    log = EmbeddedCaptureLog(path)
    with pytest.raises(Halt) as halted:
        log.append(0, b"1", TOPIC_ID)
    assert "log_damaged" == halted.value.finding


def test_a_newer_format_is_halt(path: Path, capture: EmbeddedCaptureLog) -> None:
    """What a later version wrote is not guessed at."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 2")
    database.close()
    with pytest.raises(Halt) as halted:
        capture.append(0, b"1", TOPIC_ID)
    assert "format_unknown" == halted.value.finding


def test_trimmed_bytes_are_overwritten(path: Path, capture: EmbeddedCaptureLog) -> None:
    """A certificate of destruction counts the trimmed log: its bytes are not left in free pages."""
    marker = b"SEALED-RECORD" * 50
    capture.append(0, marker, TOPIC_ID)
    archive = EmbeddedArchiveLog(path, "archiver")
    archive.trim(0, 1)
    archive._file.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    archive.close()
    assert b"SEALED-RECORD" not in path.read_bytes()


def test_a_capture_log_starts_before_its_log_is_there(tmp_path: Path) -> None:
    """The gateway is up and says Transient; once the log is provisioned it goes on by itself."""
    path = tmp_path / "capture.db"
    log = EmbeddedCaptureLog(path)
    for act in (log.identity, lambda: log.append(0, b"1", TOPIC_ID)):
        with pytest.raises(Transient):
            act()
    with pytest.raises(Missing):
        EmbeddedArchiveLog(path, "archiver")
    provision(path, "capture", 1, counted())
    assert 0 == log.append(0, b"1", TOPIC_ID)
    log.close()


def test_members_beyond_the_partitions_wait(path: Path) -> None:
    """Three archivers on one partition: one works, and when it leaves one of the others does."""
    members = [EmbeddedArchiveLog(path, "archiver") for _ in range(3)]
    first, second, third = members
    poll_until(first, lambda: True)
    for waiting in (second, third):
        assert frozenset() == waiting.poll(0.02, 1).assigned
    first.close()
    owned: list[frozenset[int]] = []
    for _ in range(100):
        owned = [one.poll(0.05, 1).assigned for one in (second, third)]
        if any(owned):
            break
    assert [frozenset(), frozenset({0})] == sorted(owned, key=len)
    for one in (second, third):
        one.close()
    assert os.path.isdir(f"{path}.archiver")
