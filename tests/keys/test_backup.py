"""Key backups (PROTOCOL K5): what a wiped machine can start from, and what `check` notices."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from infra.config import load
from infra.embedded.index import SqliteIndexSet
from infra.keyfiles import KeyFolder
from infra.verbs import keys
from infra.wire import Wire, clock
from schemas.errors import Exists, Refused
from schemas.events import CapturedEvent, Identity
from search.access.viewer import operator
from search.follow import rebuild
from tests.world import Watcher

pytestmark = pytest.mark.slow

PASSPHRASE = "a sentence that nobody guesses"


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    """A provisioned data folder with one archived message."""
    made = Wire(load(tmp_path / "home"))
    made.provision()
    archive(made, "the boat is called Persephone")
    return made


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    """A file that holds the passphrase."""
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    return path


def archive(wire: Wire, text: str, custodian: str = "anna") -> None:
    """Capture one message and seal it."""
    wire.recorder("gateway").record(CapturedEvent(
        kind="message", channel="sms", source="twilio/1", account="+15550783881",
        conversation="pair:+15550783881|+16505551234", captured_at=clock(),
        native_id=f"SM{text}", actor=Identity("+16505551234", "e164"), text=text,
        custodian=custodian))
    log = wire.archive_log()
    archiver = wire.archiver(log, Watcher())
    for _ in range(3):
        archiver.turn(0.01, flush=True)
    log.close()


def test_a_wiped_machine_and_the_backup_read_everything(wire: Wire, passphrase: Path,
                                                        tmp_path: Path) -> None:
    """With the object store and the backup alone, every message is found and read again."""
    backup = tmp_path / "keys.backup"
    assert keys.backup(wire, backup, passphrase, json=True) == 0
    for path in wire.home.iterdir():
        if path.name != "store":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    again = Wire(load(wire.home))
    assert keys.restore(again, backup, passphrase, json=True) == 0
    again.provision()
    rebuild(again.reader(), SqliteIndexSet(wire.home / "index"), again.projector())
    [hit] = again.searcher().search("persephone", operator("test")).hits
    assert hit.text == "the boat is called Persephone"


def test_check_notices_a_key_that_the_backup_lacks(wire: Wire, passphrase: Path, tmp_path: Path,
                                                   capsys: pytest.CaptureFixture[str]) -> None:
    """A domain key made after the backup makes the check fail, until there is a new backup."""
    backup = tmp_path / "keys.backup"
    keys.backup(wire, backup, passphrase, json=True)
    assert keys.check(wire, backup, passphrase, json=True) == 0
    archive(wire, "another custodian's word", custodian="ben")
    capsys.readouterr()
    assert keys.check(wire, backup, passphrase, json=True) == 1
    # Ben's, and the firm's own: that the backup was made is on record since (I7).
    assert len(json.loads(capsys.readouterr().out)["absent"]) == 2


def test_a_wrong_passphrase_and_a_changed_file_are_refused(wire: Wire, passphrase: Path,
                                                           tmp_path: Path) -> None:
    """Neither opens, and nothing is written."""
    backup = tmp_path / "keys.backup"
    keys.backup(wire, backup, passphrase, json=True)
    other = tmp_path / "other"
    other.write_text("another sentence altogether")
    with pytest.raises(Refused, match="wrong passphrase"):
        keys.check(wire, backup, other, json=True)
    data = bytearray(backup.read_bytes())
    data[-1] ^= 1
    backup.write_bytes(bytes(data))
    with pytest.raises(Refused, match="was changed"):
        keys.check(wire, backup, passphrase, json=True)


def test_a_backup_holds_no_key_in_clear(wire: Wire, passphrase: Path, tmp_path: Path) -> None:
    """No key file's bytes stand in the backup."""
    backup = tmp_path / "keys.backup"
    keys.backup(wire, backup, passphrase, json=True)
    content = backup.read_bytes()
    for path in (wire.home / "keys").rglob("*.key"):
        assert path.read_bytes()[-32:] not in content


def test_restore_never_overwrites(wire: Wire, passphrase: Path, tmp_path: Path) -> None:
    """A key that is there and differs stops the restore."""
    backup = tmp_path / "keys.backup"
    keys.backup(wire, backup, passphrase, json=True)
    (wire.home / "keys" / "gateway" / "routing.key").write_bytes(bytes(32))
    with pytest.raises(Exists, match="differs"):
        keys.restore(wire, backup, passphrase, json=True)


def test_a_backup_is_never_overwritten(wire: Wire, passphrase: Path, tmp_path: Path) -> None:
    """The second backup under one name is refused."""
    backup = tmp_path / "keys.backup"
    keys.backup(wire, backup, passphrase, json=True)
    with pytest.raises(Exists):
        keys.backup(wire, backup, passphrase, json=True)


def test_a_key_file_that_others_can_read_is_refused(wire: Wire) -> None:
    """The process does not start with it, and says what to do."""
    path = wire.home / "keys" / "search" / "index.key"
    path.chmod(0o644)
    with pytest.raises(Refused, match="chmod 600"):
        KeyFolder(wire.home / "keys").index_key()
