"""The second copy, the drill and the rotation on the real servers, by the executable."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.demo.week import week
from infra.keyshares import read as read_share
from infra.rotate import GRACE_MS
from tests.conftest import ElasticsearchServer, KafkaServer, S3Server
from tests.e2e.installation import SECRETS, Installation, real_configuration, unique_name

pytestmark = pytest.mark.slow

START = 1_763_000_000
EVERYTHING = "kind:message OR kind:edit OR kind:retraction OR kind:unknown"


def found_by(firm: Installation) -> list[tuple[object, object]]:
    """Ids and texts of all messages."""
    return sorted((row["id"], row["text"]) for row in firm.cli(
        "search", EVERYTHING, "--json", "--limit", "1000").rows())


def aged(file: Path) -> None:
    """As if the rotation had begun a quarter of an hour ago."""
    then = time.time() - GRACE_MS / 1000
    os.utime(file, (then, then))


def typed(firm: Installation, lines: str, *arguments: str) -> tuple[int, str]:
    """A command at a terminal, at which somebody types these lines; its exit code and its words."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", firm.module, *arguments], env=firm.environment,
        cwd=firm.home.parent, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    os.close(theirs)
    os.write(ours, lines.encode())
    said, _ = process.communicate(timeout=60)
    os.close(ours)
    return process.returncode, said.decode()


def test_the_servers_copy_drill_and_rotation(tmp_path: Path, kafka_server: KafkaServer,
                                             s3_server: S3Server,
                                             elasticsearch_server: ElasticsearchServer) -> None:
    """Buckets are copied to two others while `run` is up; a drill restores from each; the wrapping
    key changes under running processes; then the configuration points at the copy and the same
    question has the same answer."""
    firm = Installation(tmp_path / "home")
    firm.write_directory()
    name = unique_name("copied")
    real_configuration(firm.home, name, kafka_server, s3_server, elasticsearch_server)
    file = firm.home / "counterfoil.toml"
    keys = "".join(line + "\n" for line in file.read_text().splitlines() if "_key_file" in line)
    file.write_text(file.read_text() + f'[replica]\ndriver = "s3"\nendpoint = "'
                    f'{s3_server.endpoint}"\nregion = "{s3_server.region}"\n'
                    f'bucket = "{name}-copy"\nkeyring_bucket = "{name}-keys"\n{keys}')
    passphrase, backup = tmp_path / "passphrase", tmp_path / "keys.backup"
    passphrase.write_text("a sentence that nobody guesses")
    with firm.running():
        firm.play(week(SECRETS, START))
        firm.cli("keys", "rotate", "--json")
        assert not firm.cli("replicate", "--once", "--json").row()["refused"]
    firm.cli("rebuild")  # the index has what is archived, whenever its follower ended
    firm.cli("keys", "backup", str(backup), "--passphrase-file", str(passphrase), "--json")
    row = firm.cli("replicate", "--once", "--json").row()
    assert (row["refused"], row["objects"] > 3, row["keys"] > 3) == ([], True, True)
    aged(firm.home / "keys" / "kek" / "next.key")
    assert firm.cli("keys", "rotate", "--finish", "--json").row()["finished"]
    assert firm.cli("verify", "--replica", "--json").row()["findings"] == []
    before = found_by(firm)
    assert len(before) > 200
    for options in ((), ("--replica",)):
        done = firm.cli("drill", "--backup", str(backup), "--work", str(tmp_path / "work"),
                        "--passphrase-file", str(passphrase), "--json", *options).row()
        assert (done["ok"], done["failures"]) == (True, [])
        assert done["counts"]["compared"] == done["counts"]["samples"] == 50
    text = file.read_text()
    text = text[:text.index("[replica]")]
    file.write_text(text.replace(f'"{name}-archive"', f'"{name}-copy"').replace(
        f'"{name}-keyring"', f'"{name}-keys"'))
    firm.cli("rebuild")
    assert before == found_by(firm)
    assert firm.cli("verify", "--json").row()["findings"] == []


def test_shares_are_typed_and_slips_are_named(tmp_path: Path) -> None:
    """At a terminal: a mistyped line is asked for again at once, nothing of the key is shown, and
    an argument never holds a share."""
    firm = Installation(tmp_path / "home")
    firm.cli("provision")
    firm.cli("keys", "split", "--shares", "3", "--threshold", "2", "--out", str(tmp_path / "out"))
    one, _, three = (read_share(path.read_text()).text()
                     for path in sorted((tmp_path / "out").iterdir()))
    kek = firm.home / "keys" / "kek" / "kek.key"
    secret = kek.read_bytes()
    kek.unlink()
    slip = one.splitlines()[1]
    slip = slip[:-1] + ("0" if slip[-1] != "0" else "1")
    lines = "".join([one.splitlines(keepends=True)[0], slip + "\n",
                     *one.splitlines(keepends=True)[1:], "\n", three, "\n"])
    code, said = typed(firm, lines, "keys", "join")
    assert code == 0, said
    assert "line 2 is mistyped" in said
    assert secret == kek.read_bytes()
    assert secret.hex() not in said
    assert "no terminal" in firm.cli("keys", "join", code=65).err
    firm.cli("keys", "split", "--shares", "3", "--threshold", "2", code=2)
    printed = firm.cli("keys", "split", "--shares", "3", "--threshold", "2", "--print").out
    assert "Counterfoil key share 3 of 3" in printed
