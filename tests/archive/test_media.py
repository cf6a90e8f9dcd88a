"""Files under objects of their own: sealed by capture, opened by readers, checked (M1)."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.media import MediaReader
from archive.retention import DAY_MS
from archive.store import Lock, ObjectStore
from infra.embedded.store import FolderStore
from ingest.media import ChunkSealer, FetchFailed, MediaStore, put_sealed, stored_fact
from schemas import media
from schemas.errors import Ambiguous, Missing, Refused
from schemas.events import Attachment, CapturedEvent
from schemas.identity import event_id, message_key, shared_key
from schemas.media import StoredMedia
from tests.fakes.store import FakeStore
from tests.world import NOW, Random, World

pytestmark = pytest.mark.slow

MIB = media.CHUNK_BYTES
DOMAIN = bytes(range(16))
SIZES = (0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 7, 6 * MIB)


def sealed(body: bytes, seed: str = "media", pieces: int = 70_000) -> tuple[StoredMedia, bytes]:
    """A file and its object."""
    out, random = io.BytesIO(), Random(seed)
    sealer = ChunkSealer(out, media.object_name(random(16)), DOMAIN, random(32), 1 << 40)
    for at in range(0, len(body), pieces):
        sealer.write(body[at:at + pieces])
    return sealer.finish(), out.getvalue()


def a_store() -> FakeStore:
    """A store whose clock stands."""
    return FakeStore(lambda: NOW)


def opened(stored: StoredMedia, body: bytes) -> bytes:
    """What a reader gets of an object."""
    store = a_store()
    store.plant(stored.object, body)
    return b"".join(MediaReader(store).open(stored))


def pattern(size: int) -> bytes:
    """`size` bytes of which no two chunks are alike."""
    return b"".join(hashlib.sha256(bytes([at % 251, at // 251 % 256, at >> 16])).digest()
                    for at in range(size // 32 + 1))[:size]


@pytest.mark.parametrize("size", SIZES)
def test_a_file_comes_back_whatever_its_size(size: int) -> None:
    """Empty, around the edges of a chunk, and of several; and its object is as long as stated."""
    body = pattern(size)
    stored, held = sealed(body)
    assert (size, hashlib.sha256(body).digest()) == (stored.size, stored.sha256)
    assert len(held) == stored.sealed_size
    assert stored.chunks == max(1, -(-size // MIB))
    assert opened(stored, held) == body


@given(st.binary(max_size=200), st.integers(1, 50))
def test_how_the_bytes_arrive_does_not_matter(body: bytes, pieces: int) -> None:
    """The same file, the same object."""
    assert sealed(body) == sealed(body, pieces=pieces)


def test_the_object_shows_nothing_of_the_file() -> None:
    """Neither its bytes nor its hash stand in it."""
    stored, held = sealed(b"quastenfloesser" * 100)
    assert b"quastenfloesser" not in held
    assert stored.sha256 not in held and stored.key not in held


def test_no_nonce_is_used_twice_and_no_key_for_two_files() -> None:
    """The nonce is the chunk's number, so two files under one key would break both."""
    stored, _ = sealed(pattern(3 * MIB))
    assert len({media.nonce(index) for index in range(stored.chunks)}) == stored.chunks
    assert sealed(b"a", "one")[0].key != sealed(b"a", "two")[0].key


def chunks(held: bytes) -> tuple[bytes, list[bytes]]:
    """The header and the chunks of an object."""
    wide = MIB + media.TAG_BYTES
    rest = held[media.HEADER_BYTES:]
    return held[:media.HEADER_BYTES], [rest[at:at + wide] for at in range(0, len(rest), wide)]


TAMPERS: dict[str, Callable[[bytes, list[bytes]], bytes]] = {
    "a bit": lambda head, parts: head + bytes([parts[0][0] ^ 1]) + b"".join(parts)[1:],
    "last byte gone": lambda head, parts: head + b"".join(parts)[:-1],
    "last chunk gone": lambda head, parts: head + b"".join(parts[:-1]),
    "first chunk gone": lambda head, parts: head + b"".join(parts[1:]),
    "two exchanged": lambda head, parts: head + parts[1] + parts[0] + b"".join(parts[2:]),
    "one twice": lambda head, parts: head + parts[0] + parts[0] + b"".join(parts[2:]),
    "a chunk behind": lambda head, parts: head + b"".join(parts) + parts[-1],
    "a byte behind": lambda head, parts: head + b"".join(parts) + b"\0",
    "another domain": lambda head, parts: media.header(bytes(16)) + b"".join(parts),
    "another version": lambda head, parts: b"CFM\x02" + head[4:] + b"".join(parts),
    "nothing": lambda head, parts: b"",
    "header only": lambda head, parts: head,
}


@pytest.mark.parametrize("how", TAMPERS)
def test_no_change_of_an_object_is_read(how: str) -> None:
    """Whatever is cut off, put behind, moved, doubled or changed; not a byte of it as a whole."""
    stored, held = sealed(pattern(2 * MIB + 100))
    with pytest.raises(Refused):
        opened(stored, TAMPERS[how](*chunks(held)))


def test_a_cut_that_also_states_the_shorter_size_does_not_open() -> None:
    """The last chunk says that it is the last: the one before it cannot stand in for it."""
    stored, held = sealed(pattern(2 * MIB))
    shorter = replace(stored, size=MIB, sha256=hashlib.sha256(pattern(2 * MIB)[:MIB]).digest())
    head, parts = chunks(held)
    with pytest.raises(Refused, match="does not open"):
        opened(shorter, head + parts[0])


def test_an_object_opens_under_its_own_name_only() -> None:
    """A copy at another name, with the right key, is not that file."""
    stored, held = sealed(b"body")
    with pytest.raises(Refused, match="does not open"):
        opened(replace(stored, object=media.object_name(bytes(16))), held)


def test_another_file_under_the_same_key_is_found_by_its_hash() -> None:
    """GCM does not commit to a key; the hash in the sealed datum commits to the file."""
    stored, held = sealed(b"body")
    with pytest.raises(Refused, match="another hash"):
        opened(replace(stored, sha256=bytes(32)), held)


def test_nothing_of_a_wrong_file_is_whole() -> None:
    """The last piece comes only when everything before it was right."""
    body = pattern(3 * MIB)
    stored, held = sealed(body)
    store, got = a_store(), bytearray()
    store.plant(stored.object, held)
    with pytest.raises(Refused):
        for piece in MediaReader(store).open(replace(stored, sha256=bytes(32))):
            got += piece
    assert got == body[:2 * MIB]


def test_a_file_over_the_limit_is_refused_while_it_comes() -> None:
    """The limit is not what somebody stated."""
    sealer = ChunkSealer(io.BytesIO(), media.object_name(bytes(16)), DOMAIN, bytes(32), 10)
    sealer.write(b"0123456789")
    with pytest.raises(FetchFailed, match="too_large"):
        sealer.write(b"0")


def test_a_missing_object_is_missing_and_a_marker_hides_nothing() -> None:
    """The record is the oldest version of a name."""
    stored, held = sealed(b"body")
    store = a_store()
    with pytest.raises(Missing):
        list(MediaReader(store).open(stored))
    store.plant(stored.object, held)
    store.put_over(stored.object, b"another")
    store.add_marker(stored.object)
    assert b"".join(MediaReader(store).open(stored)) == b"body"


class _Zeros(io.RawIOBase):
    """A sink that counts."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.size += len(data)
        return len(data)


@pytest.mark.slow
def test_two_hundred_megabytes_take_a_few_of_memory(tmp_path: Path) -> None:
    """Sealing, the PUT and the opening: a chunk or a window at a time."""
    size, store = 200 << 20, FolderStore(tmp_path / "store")
    piece = pattern(1 << 16)
    tracemalloc.start()
    with (tmp_path / "sealed").open("w+b") as out:
        sealer = ChunkSealer(out, media.object_name(bytes(16)), DOMAIN, bytes(32), 1 << 30)
        for _ in range(size // len(piece)):
            sealer.write(piece)
        stored = sealer.finish()
        put_sealed(store, stored, out, NOW)
    read = sum(len(one) for one in MediaReader(store).open(stored))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read == size == stored.size
    assert peak < 24 << 20


def test_an_ambiguous_put_is_put_again_and_the_name_that_is_taken_is_ours() -> None:
    """Capture may not read back: a name that nobody else knows says it."""
    stored, held = sealed(b"body")
    for applied in ("applied_but_error", "not_applied"):
        store = a_store()
        store.faults.arm(f"store_put_once_{applied}")
        put_sealed(store, stored, io.BytesIO(held), NOW + DAY_MS)
        (version,) = store.objects[stored.object]
        assert (version.body, version.lock) == (held, Lock("COMPLIANCE", NOW + DAY_MS))
    store = a_store()
    for nth in (1, 2, 3):
        store.faults.arm("store_put_once_not_applied", nth)
    with pytest.raises(Ambiguous):
        put_sealed(store, stored, io.BytesIO(held), NOW + DAY_MS)


# -- facts


def message(world: World, **changes: object) -> CapturedEvent:
    """A message with two pictures."""
    return replace(world.message(1), **{"attachments": (  # type: ignore[arg-type]
        Attachment("m1", "image/jpeg"), Attachment("m2", "image/png", "b.png")), **changes})


@pytest.mark.parametrize("changes", [
    {}, {"custodian": ""}, {"compartment": "matter-7"}, {"occurred_at": None},
    {"occurred_at": NOW - 40 * DAY_MS}, {"occurred_at": NOW - 500 * DAY_MS},
    {"provenance": "custodian_supplied", "occurred_at": NOW - 90 * DAY_MS},
    {"provenance": "device"}, {"native_id": None}, {"kind": "edit", "target": "wamid.0"},
    {"retention_class": "long", "retention_years": 10}])
def test_a_fact_lies_under_its_messages_key_and_in_its_document(
        tmp_path: Path, changes: dict[str, object]) -> None:
    """Same domain, conversation and document, also when it is fetched in another month."""
    world = World(tmp_path)
    said = message(world, **changes)
    stored, _ = sealed(b"body")
    for later in (0, 8 * DAY_MS, 35 * DAY_MS):
        fact = stored_fact(said, 1, stored, NOW + later)
        assert world.router.domain(fact) == world.router.domain(said)
        assert world.router.tag(fact) == world.router.tag(said)
        assert message_key(fact) == message_key(said)
        assert shared_key(fact) == shared_key(said) or said.native_id is None
        assert event_id(fact) == event_id(stored_fact(said, 1, stored, NOW))
        assert event_id(fact) != event_id(stored_fact(said, 0, stored, NOW + later))
        read = media.read_fact(fact)
        assert read is not None and read.stored == stored
        assert (read.of, read.place, read.attachment.name) == (event_id(said), 1, "b.png")


@pytest.mark.parametrize("change", [
    {"key_material": None}, {"key_material": b"short"}, {"attachments": ()},
    {"attachments": (Attachment("m", size=3, state="stored"),)},
    {"attachments": (Attachment("m", sha256=bytes(32), state="stored"),)},
    {"details": (("what", "media"),)},
    {"details": (("attachment", "0"), ("object", "../etc"), ("of", "00" * 16), ("what", "media"))},
])
def test_a_senseless_fact_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    """An enrolled process may say it; a reader does not stumble."""
    stored, _ = sealed(b"body")
    fact = stored_fact(message(World(tmp_path)), 0, stored, NOW)
    with pytest.raises(Refused):
        media.read_fact(replace(fact, **change))  # type: ignore[arg-type]


# -- verify


def archived(tmp_path: Path, body: bytes = b"a picture") -> tuple[World, StoredMedia, FakeStore]:
    """A message, its picture stored, and the fact, archived."""
    store = FakeStore(lambda: NOW)
    world = World(tmp_path, store=store, lock_mode="COMPLIANCE")
    said = message(world)
    out, random = io.BytesIO(), Random("stored")
    sealer = ChunkSealer(out, media.object_name(random(16)), world.router.domain(said),
                         random(32), 1 << 30)
    sealer.write(body)
    stored = sealer.finish()
    as_media_store: MediaStore = store
    put_sealed(as_media_store, stored, out, NOW + DAY_MS)
    world.capture([said, stored_fact(said, 0, stored, NOW)])
    world.archive()
    return world, stored, store


def codes(world: World, later: int = 0, **options: object) -> list[str]:
    """What a verification finds, that much later."""
    world.now += later
    return sorted(one.code for one in world.verify(**options).findings)


def test_a_stored_file_is_no_finding(tmp_path: Path) -> None:
    """At once and long after."""
    world, _, _ = archived(tmp_path)
    assert codes(world) == codes(world, 40 * DAY_MS) == []


def test_an_object_that_no_event_names_is_an_orphan_after_a_day(tmp_path: Path) -> None:
    """Before that its event may still be under way: a note."""
    world, _, store = archived(tmp_path)
    orphan, held = sealed(b"orphan", "orphan")
    store.plant(orphan.object, held, Lock("COMPLIANCE", NOW + DAY_MS))
    young = world.verify()
    assert not young.findings and any("younger than a day" in one for one in young.notes)
    world.now += DAY_MS
    (found,) = world.verify().findings
    assert (found.code, found.where) == ("orphan_media", orphan.object)


def test_what_an_erased_event_named_is_no_orphan(tmp_path: Path) -> None:
    """Its front names the domain whose key is gone; another domain's orphan is still one."""
    world, stored, store = archived(tmp_path)
    name = next(iter(world.keyring.names(store.objects[stored.object][0].body[4:20].hex())))
    world.keyring.destroy(name)
    world.now += 2 * DAY_MS
    report = world.verify(erased=[name])
    assert not report.findings and any("cannot be read" in one for one in report.notes)
    orphan, held = sealed(b"orphan", "orphan")
    store.plant(orphan.object, held)
    assert codes(world, 0, erased=[name]) == ["orphan_media"]


def test_media_that_is_gone_damaged_or_unlocked_is_found(tmp_path: Path) -> None:
    """Each by its name; without opening, what size and lock show."""
    world, stored, store = archived(tmp_path)
    held = store.objects[stored.object][0].body
    store.damage(stored.object, held[:-1] + bytes([held[-1] ^ 1]))
    assert codes(world) == ["media_damaged"]
    report = world.verify(deep=False)
    assert not report.findings and any("not opened" in one for one in report.notes)
    store.damage(stored.object, held[:-1])
    assert codes(world, 0, deep=False) == ["media_damaged"]
    store.damage(stored.object, held)
    store.relock(stored.object, Lock("GOVERNANCE", NOW + DAY_MS))
    assert codes(world) == ["lock_missing"]
    store.relock(stored.object, Lock("COMPLIANCE", NOW + DAY_MS))
    store.put_over(stored.object, b"younger")
    store.add_marker(stored.object)
    assert codes(world) == ["delete_marker", "younger_version"]
    store.remove(stored.object)
    assert codes(world) == ["media_missing"]


def test_a_lock_shorter_than_the_class_is_found(tmp_path: Path) -> None:
    """Outside of trial the object must stay as long as its message."""
    store: ObjectStore = FakeStore(lambda: NOW)
    world = World(tmp_path, store=store, lock_mode="COMPLIANCE", trial=False)
    said = message(world)
    stored, held = sealed(b"body")
    assert isinstance(store, FakeStore)
    store.plant(stored.object, held, Lock("COMPLIANCE", NOW + 300 * DAY_MS))
    world.capture([said, stored_fact(said, 0, stored, NOW)])
    world.archive()
    assert codes(world) == ["lock_missing"]


def test_a_name_below_media_that_is_not_ours_is_foreign(tmp_path: Path) -> None:
    """No media object is called so."""
    world, _, store = archived(tmp_path)
    store.plant("media/readme.txt", b"hello")
    assert codes(world) == ["foreign_object"]
