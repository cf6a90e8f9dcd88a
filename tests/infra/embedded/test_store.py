"""The write-once folder: crash states, rivals, unsafe keys, file modes (PROTOCOL S11)."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from archive.store import Lock
from infra.embedded import folder
from infra.embedded.store import FolderStore
from schemas.errors import Ambiguous, Exists, Missing, Refused
from tests.infra.embedded import unprivileged

UNTIL = 1_900_000_000_000


@pytest.mark.parametrize("key", [
    "", "/etc/passwd", "../escape", "a/../../b", "a//b", "a/", "./a", "a/.", "a\x00b", "a\nb",
    "a\\b", "\ud800", "x" * 256, "/".join(["x" * 200] * 6)])
def test_a_key_cannot_leave_the_folder(tmp_path: Path, key: str) -> None:
    """Absolute, climbing, empty, control and oversized components are Refused by every call."""
    store = FolderStore(tmp_path / "store")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Refused):
        store.put_once(key, b"1", UNTIL)
    with pytest.raises(Refused):
        store.get(key)
    with pytest.raises(Refused):
        store.lock(key, "version")
    assert before == sorted(tmp_path.rglob("*"))


def test_a_link_planted_at_a_key_is_not_followed(tmp_path: Path) -> None:
    """Somebody who can write to the folder cannot make us read another file."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"not an object")
    store = FolderStore(tmp_path / "store")
    (tmp_path / "store/objects/planted").symlink_to(secret)
    (found,) = store.versions("")
    with pytest.raises(Missing):
        store.get("planted", found.version_id)
    with pytest.raises(Exists):
        store.put_once("planted", b"ours", UNTIL)
    assert b"not an object" == secret.read_bytes()


def test_temporaries_of_the_dead_are_swept(tmp_path: Path) -> None:
    """A writer killed before its link leaves a temporary; the next start removes it, and the key
    is free. A living writer's temporary stays."""
    FolderStore(tmp_path)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with folder.temporary(tmp_path / "tmp", b"half", 0o444):
            os.write(writing, b"1")
            signal.pause()
    assert b"1" == os.read(reading, 1)
    FolderStore(tmp_path)
    assert 1 == len(list((tmp_path / "tmp").iterdir())), "a living writer's temporary was swept"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    store = FolderStore(tmp_path)
    assert [] == list((tmp_path / "tmp").iterdir())
    assert [] == list(store.versions(""))
    for handle in (reading, writing):
        os.close(handle)


def test_a_lock_without_a_body_is_replaced(tmp_path: Path) -> None:
    """Killed between lock and body: the next put's own lock counts, not the dead one's."""
    store = FolderStore(tmp_path)
    record = tmp_path / "locks/segments/a.lock"
    record.parent.mkdir(parents=True)
    record.write_text('{"mode": "FOLDER", "retain_until": 1}')
    version_id = store.put_once("segments/a", b"1", UNTIL)
    assert Lock("FOLDER", UNTIL) == store.lock("segments/a", version_id)
    record = tmp_path / "locks/media/b.lock"
    record.parent.mkdir(parents=True)
    record.write_text('{"mode": "FOLDER", "retain_until": 1}')
    version_id = store.put_once("media/b", b"1", None)
    assert Lock("", 0) == store.lock("media/b", version_id)


def test_the_loser_does_not_change_the_winners_lock(tmp_path: Path) -> None:
    """The lock belongs to the body that is there."""
    store = FolderStore(tmp_path)
    version_id = store.put_once("segments/a", b"1", UNTIL)
    with pytest.raises(Exists):
        store.put_once("segments/a", b"2", UNTIL + 1)
    assert Lock("FOLDER", UNTIL) == store.lock("segments/a", version_id)


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b'{"mode": "FOLDER"}', b"\xff" * 10])
def test_an_unreadable_lock_is_no_lock(tmp_path: Path, record: bytes) -> None:
    """verify then says lock_missing; nothing crashes."""
    store = FolderStore(tmp_path)
    version_id = store.put_once("segments/a", b"1", UNTIL)
    lock = tmp_path / "locks/segments/a.lock"
    lock.unlink()
    lock.write_bytes(record)
    assert Lock("", 0) == store.lock("segments/a", version_id)


def test_a_file_put_in_its_place_is_another_version(tmp_path: Path) -> None:
    """The version that was recorded is Missing: the folder detects."""
    store = FolderStore(tmp_path)
    version_id = store.put_once("segments/a", b"ours", UNTIL)
    path = tmp_path / "objects/segments/a"
    path.unlink()
    path.write_bytes(b"theirs")
    os.utime(path, ns=(1, 1))
    with pytest.raises(Missing):
        store.get("segments/a", version_id)


def test_a_folder_that_cannot_be_synced_is_ambiguous(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the link the object is there, but a power cut may take it: read back before a retry."""
    store = FolderStore(tmp_path)
    store.put_once("segments/first", b"1", UNTIL)
    whole = folder.sync_folder

    def failing(path: Path) -> None:
        if path.name == "segments" and path.parent.name == "objects":
            raise OSError(5, "Input/output error")
        whole(path)

    monkeypatch.setattr(folder, "sync_folder", failing)
    with pytest.raises(Ambiguous):
        store.put_once("segments/a", b"1", UNTIL)
    monkeypatch.undo()
    assert b"1" == store.get("segments/a")


def test_a_foreign_name_does_not_stop_a_listing(tmp_path: Path) -> None:
    """A file whose name is not UTF-8 is shown escaped, so that verify can name it."""
    store = FolderStore(tmp_path)
    store.put_once("media/a", b"1", None)
    with open(os.fsencode(tmp_path) + b"/objects/media/\xff", "wb"):
        pass
    assert ["media/a", "media/\\xff"] == [one.key for one in store.versions("media/")]


def test_bodies_cannot_be_written_to_by_their_owner() -> None:
    """Bodies are 0444: an accident of the owner, who is not root, is an error."""
    with unprivileged.open_folder() as root:
        def act() -> str:
            store = FolderStore(root / "store")
            store.put_once("segments/a", b"body", UNTIL)
            with (root / "store/objects/segments/a").open("r+b"):
                return "opened for writing"

        assert unprivileged.run(act).startswith("PermissionError")
        assert b"body" == (root / "store/objects/segments/a").read_bytes()


def test_a_folder_without_permission_is_transient() -> None:
    """Nothing was decided: an operator gives the permission, and the put is tried again."""
    with unprivileged.open_folder() as root:
        def act() -> str:
            store = FolderStore(root / "store")
            (root / "store/objects").chmod(0o500)
            return store.put_once("segments/a", b"body", UNTIL)

        assert unprivileged.run(act).startswith("Transient")
        (root / "store/objects").chmod(0o700)
