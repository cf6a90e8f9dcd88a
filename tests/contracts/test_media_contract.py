"""What capture asks of a store (port MediaStore), on the fake, the folder and S3."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from archive.media import MediaReader
from infra import s3
from infra.embedded.store import FolderStore
from ingest.media import ChunkSealer, put_sealed
from schemas import media
from schemas.errors import Exists, Refused
from schemas.media import StoredMedia
from tests.conftest import S3Server
from tests.contracts.test_store_contract import DAY_MS, bucket_of, now_ms
from tests.fakes.store import FakeStore
from tests.world import Random

FILE = bytes(range(256)) * 4096 * 9 + b"the end"


def sealed(seed: str, file: bytes = FILE) -> tuple[StoredMedia, io.BytesIO]:
    """A file of ten chunks."""
    out, random = io.BytesIO(), Random(seed)
    sealer = ChunkSealer(out, media.object_name(random(16)), bytes(16), random(32), 1 << 30)
    sealer.write(file)
    return sealer.finish(), out


class MediaStoreContract:
    """A subclass brings the driver as the fixture `store`."""

    lock_mode = "COMPLIANCE"

    def test_a_file_is_put_once_locked_and_opens(self, store: Any) -> None:
        """Every byte, whatever the stream's position was; the second put of a name is refused."""
        stored, body = sealed("one")
        until = now_ms() + DAY_MS
        store.put_file(stored.object, body, until)
        assert FILE == b"".join(MediaReader(store).open(stored))
        (found,) = store.versions(media.PREFIX)
        lock = store.lock(found.key, found.version_id)
        assert (found.key, found.size) == (stored.object, stored.sealed_size)
        assert lock.mode == self.lock_mode and until <= lock.retain_until <= until + 1000
        with pytest.raises(Exists):
            store.put_file(stored.object, body, until)
        put_sealed(store, stored, body, until)
        assert len(list(store.versions(media.PREFIX))) == 1

    def test_an_empty_file_is_a_file(self, store: Any) -> None:
        """Its object is not empty."""
        stored, body = sealed("empty", b"")
        store.put_file(stored.object, body, now_ms() + DAY_MS)
        assert [b""] == list(MediaReader(store).open(stored))


class TestFake(MediaStoreContract):
    """On the fake."""

    @pytest.fixture
    def store(self) -> FakeStore:
        return FakeStore(now_ms)


class TestFolder(MediaStoreContract):
    """On the embedded folder."""

    lock_mode = "FOLDER"

    @pytest.fixture
    def store(self, tmp_path: Path) -> FolderStore:
        return FolderStore(tmp_path / "store")


class TestS3(MediaStoreContract):
    """On the real server."""

    @pytest.fixture
    def settings(self, s3_server: S3Server) -> s3.S3Settings:
        made = bucket_of(s3_server)
        s3.provision(made)
        return made

    @pytest.fixture
    def store(self, settings: s3.S3Settings) -> s3.S3Store:
        return s3.S3Store(settings)

    def test_a_locked_file_is_not_deleted(self, store: s3.S3Store,
                                          settings: s3.S3Settings) -> None:
        """Nor by who claims the right to bypass."""
        stored, body = sealed("locked")
        store.put_file(stored.object, body, now_ms() + DAY_MS)
        (found,) = store.versions(media.PREFIX)
        with pytest.raises(Refused):
            s3.S3Adversary(settings).delete_version(found.key, found.version_id, bypass=True)
        assert FILE == b"".join(MediaReader(store).open(stored))
