"""The spool's contract, on the fake and on SQLite; what a kill and a restart leave (C1)."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.embedded.spool import SqliteSpool
from ingest.spool import Memory, Spool, SpoolEntry, recall_log, remember_log
from schemas.errors import Refused, Transient
from schemas.wire import LogIdentity
from tests.fakes.spool import FakeSpool

TOPIC = b"T" * 16


class Both(Spool, Memory):
    """What a gateway gets."""


def entry(counter: int, partition: int = 0, topic_id: bytes = TOPIC, size: int = 10) -> SpoolEntry:
    """One sealed record."""
    return SpoolEntry(topic_id, partition, b"s" * 16, counter, 1_000 + counter, b"v" * size)


@pytest.fixture(params=["fake", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[int], Spool]]:
    """A spool of at most so many bytes."""
    opened: list[SqliteSpool] = []

    def one(bytes_max: int) -> Spool:
        if request.param == "fake":
            return FakeSpool(bytes_max)
        opened.append(SqliteSpool(tmp_path / f"spool{len(opened)}.db", bytes_max))
        return opened[-1]

    yield one
    for spool in opened:
        spool.close()


def counters(spool: Spool, partition: int = 0, after: int = 0, records_max: int = 100,
             bytes_max: int = 1_000) -> list[int]:
    """What lies on a partition."""
    found = spool.oldest(TOPIC, partition, after, records_max, bytes_max)
    return [one.entry.counter for one in found]


def test_gives_the_oldest_first_by_partition(make: Callable[[int], Spool]) -> None:
    """Entries leave in the order in which they came, each partition for itself."""
    spool = make(1_000)
    sequences = [spool.put(entry(n, partition=n % 2)) for n in range(6)]
    assert sequences == sorted(set(sequences))
    assert counters(spool, 0) == [0, 2, 4]
    assert counters(spool, 1) == [1, 3, 5]
    assert spool.oldest(TOPIC, 0, 0, 1, 1)[0].entry == entry(0)


def test_pages_by_records_bytes_and_place(make: Callable[[int], Spool]) -> None:
    """Both limits hold, but at least one entry comes; `after` goes on from a place."""
    spool = make(1_000)
    sequences = [spool.put(entry(n)) for n in range(5)]
    assert counters(spool, records_max=2) == [0, 1]
    assert counters(spool, bytes_max=25) == [0, 1]
    assert counters(spool, bytes_max=1) == [0]
    assert counters(spool, after=sequences[2]) == [3, 4]


def test_forgets_what_is_removed(make: Callable[[int], Spool]) -> None:
    """Removing is idempotent, and a sequence number never comes again."""
    spool = make(1_000)
    first = spool.put(entry(0))
    second = spool.put(entry(1))
    spool.remove([first, second])
    spool.remove([second])
    assert counters(spool) == []
    assert spool.summary().count == 0
    assert spool.put(entry(2)) > second


def test_refuses_when_full_and_takes_again_when_drained(make: Callable[[int], Spool]) -> None:
    """Full is Refused, keeps what is there, and is over when something was removed."""
    spool = make(25)
    first = spool.put(entry(0))
    spool.put(entry(1))
    with pytest.raises(Refused):
        spool.put(entry(2))
    assert counters(spool) == [0, 1]
    spool.remove([first])
    spool.put(entry(2))
    assert counters(spool) == [1, 2]


def test_says_what_waits(make: Callable[[int], Spool]) -> None:
    """Count, bytes, since when, and per log and partition: for `status` and for the drain."""
    spool = make(1_000)
    assert spool.summary().oldest_at is None
    spool.put(entry(3, topic_id=b"O" * 16))
    spool.put(entry(5, partition=1))
    spool.put(entry(4, partition=1, size=20))
    found = spool.summary()
    assert (found.count, found.size, found.oldest_at) == (3, 40, 1_003)
    assert found.lanes == ((b"O" * 16, 0, 1), (TOPIC, 1, 2))
    assert found.waiting(TOPIC) == {1: 2}


def test_remembers_the_log(tmp_path: Path) -> None:
    """Topic id and partition count outlive the process; what does not parse is said."""
    spool = SqliteSpool(tmp_path / "spool.db")
    assert recall_log(spool) is None
    remember_log(spool, LogIdentity("capture", TOPIC, 4))
    spool.close()
    again = SqliteSpool(tmp_path / "spool.db")
    assert recall_log(again) == LogIdentity("capture", TOPIC, 4)
    again.remember("log", b"nonsense")
    with pytest.raises(Refused):
        recall_log(again)
    again.close()


def test_survives_kill_9(tmp_path: Path) -> None:
    """What `put` returned for is there after kill -9, in order, and the bytes are counted."""
    program = (
        "import sys, pathlib\n"
        "from infra.embedded.spool import SqliteSpool\n"
        "from tests.ingest.test_spool import entry\n"
        "spool = SqliteSpool(pathlib.Path(sys.argv[1]))\n"
        "for n in range(3):\n"
        "    spool.put(entry(n))\n"
        "    print(n, flush=True)\n"
        "sys.stdin.read()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "spool.db")],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdin is not None
    assert [child.stdout.readline() for _ in range(3)] == [b"0\n", b"1\n", b"2\n"]
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    child.stdin.close()
    spool = SqliteSpool(tmp_path / "spool.db", bytes_max=35)
    assert counters(spool) == [0, 1, 2]
    with pytest.raises(Refused):
        spool.put(entry(3))
    spool.close()


def test_writes_through_to_the_disk(tmp_path: Path) -> None:
    """FULL: each commit fsyncs the write-ahead log; and nobody else may read the file."""
    spool = SqliteSpool(tmp_path / "inside" / "spool.db")
    assert spool._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert spool._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert stat.S_IMODE((tmp_path / "inside" / "spool.db").stat().st_mode) == 0o600
    spool.close()


def test_gives_the_disk_back(tmp_path: Path) -> None:
    """A spool that was drained is small again."""
    spool = SqliteSpool(tmp_path / "spool.db")
    sequences = [spool.put(entry(n, size=100_000)) for n in range(20)]
    spool.remove(sequences)
    assert sum(one.stat().st_size for one in tmp_path.iterdir()) < 200_000
    spool.close()


def test_a_file_that_is_no_spool_is_said(tmp_path: Path) -> None:
    """Damage is Transient at the start: the gateway must not promise anything."""
    (tmp_path / "spool.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(Transient):
        SqliteSpool(tmp_path / "spool.db")
