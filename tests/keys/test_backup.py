"""Key backups (PROTOCOL K5): what a wiped machine can start from, and what `check` notices."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

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
# Made by an earlier version, before the firm's own files were in a backup.
OLD = Path(__file__).parent / "v1.backup"
OLD_ENTRIES = 16
SETTINGS = {
    "counterfoil.toml": "[search]\nzone = \"Europe/Berlin\"\n",
    "directory.toml": "[classes]\ndefault = 7\n",
    "access.toml": '[[person]]\nid = "carl"\nname = "Carl"\nroles = ["compliance"]\n',
    "accounts.json": '{"version": 1, "accounts": [], "tokens": []}',
    "policies/money-1.toml": "id = \"money\"\n", "sampling/weekly-1.toml": "id = \"weekly\"\n",
    "lists/bank.txt": "iban\n",
    "console/saved-searches.json": '{"carl": {"Taken back": ["state:retracted", 1]}}',
}


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


def settings(wire: Wire) -> None:
    """Everything that people of a firm write."""
    for name, text in SETTINGS.items():
        path = wire.home / name
        path.parent.mkdir(exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(text)


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The last line that was printed."""
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_a_wiped_machine_has_its_people_and_rules_again(wire: Wire, passphrase: Path,
                                                        tmp_path: Path) -> None:
    """Settings, directory, access, accounts, policies, plans, lists, saved searches: byte for byte,
    and nobody else's to read."""
    settings(wire)
    backup = tmp_path / "keys.backup"
    keys.backup(wire, backup, passphrase, json=True)
    for path in wire.home.iterdir():
        if path.name != "store":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert keys.restore(Wire(load(wire.home)), backup, passphrase, json=True) == 0
    for name, text in SETTINGS.items():
        assert (wire.home / name).read_text() == text
        assert (wire.home / name).stat().st_mode & 0o077 == 0
    assert "Europe/Berlin" == load(wire.home).search.zone


def test_what_is_there_stays_and_is_named(wire: Wire, passphrase: Path, tmp_path: Path,
                                          capsys: pytest.CaptureFixture[str]) -> None:
    """Settings change every day: a lost key comes back all the same, and no newer file goes."""
    settings(wire)
    backup = tmp_path / "keys.backup"
    keys.backup(wire, backup, passphrase, json=True)
    (wire.home / "access.toml").write_text("# newer\n")
    (wire.home / "keys" / "search" / "index.key").unlink()
    assert keys.restore(wire, backup, passphrase, json=True) == 0
    assert (1, ["access.toml"]) == ((told := said(capsys))["restored"], told["left"])
    assert "# newer\n" == (wire.home / "access.toml").read_text()
    (wire.home / "accounts.json").unlink()
    assert keys.restore(wire, backup, passphrase, json=False) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "left as it is: access.toml" in out and "disable again who left since" in out


def test_a_refused_restore_writes_nothing(wire: Wire, passphrase: Path, tmp_path: Path) -> None:
    """Not the files that come before the key that differs."""
    settings(wire)
    backup = tmp_path / "keys.backup"
    keys.backup(wire, backup, passphrase, json=True)
    (wire.home / "access.toml").unlink()
    (wire.home / "keys" / "gateway" / "routing.key").write_bytes(bytes(32))
    with pytest.raises(Exists, match="differs"):
        keys.restore(wire, backup, passphrase, json=True)
    assert not (wire.home / "access.toml").exists()


def test_check_names_settings(wire: Wire, passphrase: Path, tmp_path: Path,
                              capsys: pytest.CaptureFixture[str]) -> None:
    """Changed since: named, and the keys are safe; a file that is not in it at all: not enough.
    A search that somebody saved is nobody's loss."""
    settings(wire)
    backup = tmp_path / "keys.backup"
    saved = wire.home / "console" / "saved-searches.json"
    body = saved.read_text()
    saved.unlink()
    keys.backup(wire, backup, passphrase, json=True)
    saved.write_text(body)
    (wire.home / "accounts.json").write_text("{}")
    assert keys.check(wire, backup, passphrase, json=True) == 0
    assert (True, ["accounts.json"], []) == (
        (told := said(capsys))["ok"], told["changed"], told["absent"])
    (wire.home / "policies" / "new-1.toml").write_text("x")
    assert keys.check(wire, backup, passphrase, json=True) == 1
    assert ["policies/new-1.toml"] == said(capsys)["absent"]


def test_files_that_settings_name_are_told(wire: Wire, passphrase: Path, tmp_path: Path,
                                           capsys: pytest.CaptureFixture[str]) -> None:
    """A provider's secret lies where the firm put it: the backup says that it is not in it."""
    (wire.home / "counterfoil.toml").write_text(
        'twilio_auth_token_file = "/etc/counterfoil/twilio"\n'
        '[console]\noidc_client_secret_file = "/etc/counterfoil/oidc"\n')
    keys.backup(Wire(load(wire.home)), tmp_path / "keys.backup", passphrase, json=True)
    assert ["/etc/counterfoil/oidc", "/etc/counterfoil/twilio"] == said(capsys)["outside"]


def test_an_old_backup_is_read_and_told_to_be_old(passphrase: Path, tmp_path: Path,
                                                  capsys: pytest.CaptureFixture[str]) -> None:
    """A file that the version before made opens for ever; against today's folder the check says
    what it lacks."""
    again = Wire(load(tmp_path / "again"))
    assert keys.restore(again, OLD, passphrase, json=True) == 0
    row = said(capsys)
    (doubt,) = row.pop("doubts")
    assert "there is no archive here yet" in doubt
    assert {"restored": OLD_ENTRIES, "entries": OLD_ENTRIES, "left": [], "erased": []} == row
    assert 'id = "anna"' in (again.home / "directory.toml").read_text()
    assert 32 == len(again.keys_folder.index_key())
    assert keys.check(again, OLD, passphrase, json=True) == 0
    (again.home / "accounts.json").write_text(SETTINGS["accounts.json"])
    assert keys.check(again, OLD, passphrase, json=True) == 1
    assert ["accounts.json"] == said(capsys)["absent"]


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
