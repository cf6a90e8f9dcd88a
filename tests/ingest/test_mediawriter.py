"""Files inside an imported file: stored, or the reason why not, as a fact of their message (M1)."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from archive.media import MediaReader
from infra.embedded.media import ScratchFolder
from ingest.media import MediaWriter
from ingest.routing import Router
from schemas import media
from schemas.errors import Refused, Transient
from schemas.events import Attachment, CapturedEvent
from tests.e2e.canary import Detector
from tests.fakes.store import FakeStore
from tests.ingest.doorway import NOW, Clock, Random
from tests.ingest.mediadesk import DAY_MS, whatsapp_message

PICTURE = b"quastenfloesser" * 100_000


def imported(*files: Attachment) -> CapturedEvent:
    """A message from an export."""
    return replace(whatsapp_message(*files), source="whatsapp-export/1", provenance_who="ada",
                   provenance="custodian_supplied", occurred_at=NOW - 90 * DAY_MS)


def writer(folder: Path, store: FakeStore, bytes_max: int = 1 << 30) -> MediaWriter:
    """Of an importer."""
    return MediaWriter(store, ScratchFolder(folder / "scratch"),
                       Router(bytes(32), bytes(16)).domain, lambda _event, now: now + DAY_MS,
                       Clock(), Random("writer"), bytes_max)


def test_a_member_is_stored_and_its_fact_opens_it(tmp_path: Path) -> None:
    """Locked, in its message's domain, with who supplied it; nothing is left on the disk."""
    store = FakeStore(Clock())
    event = imported(Attachment("a.jpg", name="a.jpg"), Attachment("b.jpg", name="b.jpg"))
    fact = writer(tmp_path, store).write(event, 1, lambda: io.BytesIO(PICTURE))
    read = media.read_fact(fact)
    assert read is not None and read.stored is not None and read.place == 1
    assert b"".join(MediaReader(store).open(read.stored)) == PICTURE
    router = Router(bytes(32), bytes(16))
    assert router.domain(fact) == router.domain(event)
    assert (fact.provenance, fact.provenance_who) == ("custodian_supplied", "ada")
    ((version,),) = store.objects.values()
    assert version.lock.mode == "COMPLIANCE"
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize(("how", "reason"), [
    ("open", "damaged"), ("read", "damaged"), ("large", "too_large"), ("hash", "hash_mismatch")])
def test_a_member_that_cannot_be_stored_is_a_fact(tmp_path: Path, how: str, reason: str) -> None:
    """Whatever is wrong with it; nothing is put, and the import goes on."""
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 100_000:
                raise Refused("bad CRC")
            return super().read(size)

    def opened() -> BinaryIO:
        if how == "open":
            raise Refused("bad header")
        return Broken(PICTURE) if how == "read" else io.BytesIO(PICTURE)

    store = FakeStore(Clock())
    event = imported(Attachment("a", sha256=bytes(32) if how == "hash" else None))
    made = writer(tmp_path, store, 1_000_000 if how == "large" else 1 << 30)
    fact = made.write(event, 0, opened)
    assert (fact.attachments[0].state, fact.attachments[0].reason) == ("failed", reason)
    assert fact.observations == ("media_failed",) and store.objects == {}


def test_a_store_that_is_away_says_nothing_of_the_member(tmp_path: Path) -> None:
    """The importer waits and calls again."""
    store = FakeStore(Clock())
    for nth in (1, 2, 3):
        store.faults.arm("store_put_once_not_applied", nth)
    made = writer(tmp_path, store)
    event = imported(Attachment("a"))
    with pytest.raises(Transient):
        made.write(event, 0, lambda: io.BytesIO(PICTURE))
    assert made.write(event, 0, lambda: io.BytesIO(PICTURE)).attachments[0].state == "stored"


def test_what_waits_for_the_put_is_sealed(tmp_path: Path) -> None:
    """The scratch file shows nothing of the picture."""
    seen: list[bytes] = []

    class Watching(FakeStore):
        def put_file(self, key: str, body: BinaryIO, retain_until: int) -> None:
            body.seek(0)
            seen.append(body.read())
            super().put_file(key, body, retain_until)

    writer(tmp_path, Watching(Clock())).write(imported(Attachment("a")), 0,
                                              lambda: io.BytesIO(PICTURE))
    assert Detector({"picture": "quastenfloesser"}).look("scratch", seen[0]) == set()
