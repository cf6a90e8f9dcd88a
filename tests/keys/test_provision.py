"""Keys are made once, by one process, and never made again behind anybody's back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from infra.config import load
from infra.keyfiles import KeyFolder
from infra.wire import Wire
from schemas.errors import Missing, Refused

MAKE = ("import sys; from pathlib import Path; from infra.keyfiles import KeyFolder; "
        "KeyFolder(Path(sys.argv[1])).provision('x25519', with_kek=True)")


def test_processes_that_race_make_one_set_of_keys(tmp_path: Path) -> None:
    """Of four first starts at once one makes the keys; the others use them."""
    runs = [subprocess.Popen([sys.executable, "-c", MAKE, str(tmp_path / "keys")])
            for _ in range(4)]
    assert [run.wait() for run in runs] == [0, 0, 0, 0]
    keys = KeyFolder(tmp_path / "keys")
    assert list(keys.transit_private()) == [keys.archiver_public().key_id]
    assert len(keys.sealing_public()) == 1
    assert len(keys.enrolled()) == 3


def test_a_missing_key_is_never_made_anew(tmp_path: Path) -> None:
    """A lost key is an error that names the file, not a new key that opens nothing."""
    keys = KeyFolder(tmp_path / "keys")
    keys.provision("x25519", with_kek=True)
    (tmp_path / "keys" / "search" / "index.key").unlink()
    assert not keys.provision("x25519", with_kek=True)
    with pytest.raises(Missing, match=r"index\.key"):
        keys.index_key()


def test_another_transit_suite_makes_another_key_and_keeps_the_old(tmp_path: Path) -> None:
    """What is on the log was sealed to the old one."""
    keys = KeyFolder(tmp_path / "keys")
    keys.provision("x25519", with_kek=True)
    old = keys.archiver_public()
    assert keys.provision("mlkem768-x25519", with_kek=True)
    assert keys.archiver_public().suite != old.suite
    assert {old.key_id, keys.archiver_public().key_id} == set(keys.transit_private())


def test_a_folder_with_own_keys_only_is_given_no_others(tmp_path: Path) -> None:
    """A verb on a machine that holds the search side's keys makes nobody else's."""
    wire = Wire(load(tmp_path))
    wire.provision_once()
    for role in ("archiver", "gateway", "kek"):
        for path in (tmp_path / "keys" / role).iterdir():
            path.unlink()
    wire.provision_once()
    for role in ("archiver", "gateway", "kek"):
        assert not list((tmp_path / "keys" / role).iterdir())


def test_years_that_no_lock_may_have_are_refused_before_anything_is_captured(
        tmp_path: Path) -> None:
    """A typing error in directory.toml stops the start, in trial mode too."""
    (tmp_path / "directory.toml").write_text("[classes]\ndefault = 70\n")
    with pytest.raises(Refused, match="lock_years_max"):
        Wire(load(tmp_path)).provision()
