"""The notary's promises on every store, and the signer's memory on fake and folder."""

from __future__ import annotations

import itertools
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from archive.store import ObjectStore
from archive.tlog.checkpoint import Head, Latest
from archive.tlog.prover import Prover
from archive.tlog.sequence import batch_key
from infra import s3
from infra.embedded.store import FolderStore
from infra.lasthead import FolderLatest
from schemas.errors import Halt
from tests.archive.logs import NOW, ORIGIN, Book
from tests.conftest import S3Server
from tests.fakes.latest import FakeLatest
from tests.fakes.store import FakeStore

_names = itertools.count()


class NotaryContract:
    """What every store must let a notary do; a subclass brings the store."""

    @pytest.fixture
    def book(self, store: ObjectStore) -> Book:
        """An archive on it."""
        return Book(store, time.time_ns() // 1_000_000)

    def test_the_log_is_made_read_and_proved(self, book: Book, tmp_path: Path) -> None:
        """Batch by batch, by processes that start anew each time."""
        latest = FolderLatest(tmp_path / "heads")
        for number in range(4):
            book.grow(number % 2, 70)
            assert (number + 1) * 70 == book.notary(latest).turn()
        report = book.check()
        assert (4, 4, 280, 1, 0) == (report.batches, report.checkpoints, report.head.size,
                                     report.tiles, report.tiles_absent)
        notary = book.notary(latest)
        notary.turn()
        signed, last = notary.checkpoint(), notary.sequence.last()
        assert signed is not None and last is not None
        prover = Prover(notary.sequence, last)
        for key in book.segments:
            prover.cell(key, 69, signed)

    def test_notaries_that_run_at_once_make_one_log(self, book: Book) -> None:
        """Four of them, each with a memory of its own, on an archive that is there already."""
        for number in range(6):
            book.grow(number % 3, 3)
        notaries = [book.notary(FakeLatest()) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda notary: [notary.turn(1) for _ in range(3)], notaries))
        assert 1 == len({notary.head() for notary in notaries})
        assert 18 == book.check().head.size

    def test_a_batch_is_written_once(self, book: Book) -> None:
        """One version at its key, locked as it states."""
        book.grow(0)
        book.notary().turn()
        book.notary().turn()
        (version,) = book.store.versions(batch_key(0))
        lock = book.store.lock(version.key, version.version_id)
        assert lock.mode in ("COMPLIANCE", "FOLDER")
        assert lock.retain_until >= book.now + 7 * 366 * 86_400_000


class TestFakeStore(NotaryContract):
    """The fake that accuses."""

    @pytest.fixture
    def store(self) -> ObjectStore:
        """A fake."""
        return FakeStore(lambda: NOW, accuse=True)


class TestFolderStore(NotaryContract):
    """The embedded folder."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        """A folder of its own."""
        return FolderStore(tmp_path / "store")


class TestS3Store(NotaryContract):
    """A real S3 server with Object Lock."""

    @pytest.fixture
    def store(self, s3_server: S3Server) -> ObjectStore:
        """A bucket of its own."""
        settings = s3.S3Settings(
            bucket=f"tlog-{os.getpid()}-{next(_names)}", endpoint=s3_server.endpoint,
            region=s3_server.region, access_key=s3_server.access_key,
            secret_key=s3_server.secret_key)
        s3.provision(settings)
        return s3.S3Store(settings)


class LatestContract:
    """The memory of a signer or witness."""

    def test_a_head_is_put_where_it_was_expected(self, latest: Latest) -> None:
        """Compare and swap, per origin."""
        first, second = Head(1, b"1" * 32), Head(2, b"2" * 32)
        assert latest.load(ORIGIN) is None
        assert not latest.swap(ORIGIN, first, second)
        assert latest.swap(ORIGIN, None, first)
        assert not latest.swap(ORIGIN, None, second)
        assert first == latest.load(ORIGIN)
        assert latest.swap(ORIGIN, first, second)
        assert second == latest.load(ORIGIN)
        assert latest.load("another.example") is None

    def test_of_many_at_once_one_wins(self, latest: Latest) -> None:
        """The comparison and the writing are one step."""
        heads = [Head(1, bytes([number]) * 32) for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(lambda head: latest.swap(ORIGIN, None, head), heads))
        assert 1 == sum(won)
        assert heads[won.index(True)] == latest.load(ORIGIN)

    def test_nobody_goes_back(self, latest: Latest) -> None:
        """A smaller head is a bug of the caller, and named."""
        latest.swap(ORIGIN, None, Head(2, b"2" * 32))
        with pytest.raises(AssertionError, match="goes back"):
            latest.swap(ORIGIN, Head(2, b"2" * 32), Head(1, b"1" * 32))


class TestFakeLatest(LatestContract):
    """In memory."""

    @pytest.fixture
    def latest(self) -> Latest:
        """A fake."""
        return FakeLatest()


class TestFolderLatest(LatestContract):
    """In a folder."""

    @pytest.fixture
    def latest(self, tmp_path: Path) -> Latest:
        """A folder of its own."""
        return FolderLatest(tmp_path / "heads")

    def test_another_process_finds_it(self, tmp_path: Path) -> None:
        """It is a file."""
        FolderLatest(tmp_path).swap(ORIGIN, None, Head(3, b"3" * 32))
        assert Head(3, b"3" * 32) == FolderLatest(tmp_path).load(ORIGIN)

    def test_a_damaged_memory_stops(self, tmp_path: Path) -> None:
        """It is not taken for an empty one."""
        latest = FolderLatest(tmp_path)
        latest.swap(ORIGIN, None, Head(3, b"3" * 32))
        (path,) = tmp_path.glob("*.head")
        for body in (b"", b"\xff", path.read_bytes().replace(b"firm", b"farm")):
            path.chmod(0o600)
            path.write_bytes(body)
            with pytest.raises(Halt, match="tlog_forked"):
                latest.load(ORIGIN)
