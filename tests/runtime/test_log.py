"""The transparency log as an operator has it: made without being asked for, checked, proved."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from archive.tlog import note
from infra import carry
from infra.config import load
from infra.keyfiles import own_origin
from infra.verbs import log as verbs
from infra.verbs.check import Depth, verify
from infra.wire import Wire, clock
from schemas.errors import Exists, Halt, Missing, Refused, Transient
from schemas.events import CapturedEvent, Identity
from tests.interface.test_json import as_stated

ORIGIN = "archive.firm.example/log1"


def say(wire: Wire, *texts: str) -> None:
    """Captured: on the log, not archived."""
    with closing(wire.capture_log()) as log:
        recorder = wire.recorder("gateway", log)
        for text in texts:
            recorder.record(CapturedEvent(
                kind="message", channel="sms", source="twilio/1", account="+15550783881",
                conversation="pair:+15550783881|+16505551234", captured_at=clock(),
                native_id=f"SM{text}", actor=Identity("+16505551234", "e164"), text=text,
                custodian="anna"))


def carried(wire: Wire, *texts: str) -> list[str]:
    """As a command does that writes while nothing runs; what it told."""
    told: list[str] = []
    say(wire, *texts)
    with carry.if_nobody_runs(wire.home) as is_ours:
        assert is_ours
        carry.carry(wire, told.append)
    return told


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    """An embedded system with one archived message."""
    made = Wire(load(tmp_path / "home"))
    made.provision_once()
    assert [] == carried(made, "one")
    return made


@pytest.fixture
def line(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """What a verb prints with --json, and that it ends with `code`."""
    def run(verb: Callable[..., int], *said: Any, code: int = 0, **named: Any) -> dict[str, Any]:
        capsys.readouterr()
        assert code == verb(*said, json=True, **named)
        found = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert isinstance(found, dict)
        return found
    return run


def checked(wire: Wire, line: Callable[..., dict[str, Any]], *against: Path,
            code: int = 0) -> dict[str, Any]:
    """`verify --log`."""
    return line(verify, wire, head_file=None, depth=Depth(log=True, against=against), code=code)


def segments(wire: Wire) -> list[str]:
    """The archive's."""
    return [one.key for one in wire.store.versions("segments/")]


def test_what_a_command_archives_is_in_the_log_when_it_returns(
        wire: Wire, line: Callable[..., dict[str, Any]]) -> None:
    """Without `run`; nothing waits, and all of it holds."""
    carried(wire, "two", "three")
    said = line(verbs.status, wire)
    as_stated("log-status", said)
    assert (0, 2, [], None) == (said["waiting"], said["batches"], said["witnesses"],
                                said["confirmed_size"])
    report = checked(wire, line)
    assert ([], said["size"], 2, 2, 0) == (
        report["findings"], report["log"]["size"], report["log"]["batches"],
        report["log"]["checkpoints"], report["log"]["waiting"])
    assert f"the transparency log holds {said['size']} cells" in report["notes"]


def test_what_is_not_in_the_log_yet_is_a_note(wire: Wire,
                                              line: Callable[..., dict[str, Any]]) -> None:
    """Archived by an archiver alone: `verify` says so, `log status` exits 1, the next command
    that writes makes up for it."""
    say(wire, "later")
    with closing(wire.archive_log()) as log:
        carry._archive(wire, log, lambda _said: None)
    report = line(verify, wire, head_file=None)
    assert ([], None) == (report["findings"], report["log"])
    assert any("1 segments are not in it yet" in one for one in report["notes"])
    assert 1 == line(verbs.status, wire, code=1)["waiting"]
    carried(wire)
    assert 0 == line(verbs.status, wire)["waiting"]


def test_a_folder_that_is_older_than_the_log_gets_one(
        wire: Wire, line: Callable[..., dict[str, Any]]) -> None:
    """By the next command that writes, over everything that is archived already."""
    shutil.rmtree(wire.home / "keys" / "notary")
    shutil.rmtree(wire.home / "notary")
    (wire.home / "keys" / "public" / "log.json").unlink()
    for place in ("objects", "locks"):
        shutil.rmtree(wire.home / "store" / place / "log")
    with pytest.raises(Missing):
        line(verbs.status, wire)
    with pytest.raises(Missing, match="begin one"):
        checked(wire, line)
    assert line(verify, wire, head_file=None)["findings"] == []
    assert [] == carried(wire, "two")
    assert 0o600 == (wire.home / "keys" / "notary" / "log.key").stat().st_mode & 0o777
    report = checked(wire, line)
    assert ([], 1) == (report["findings"], report["log"]["batches"])


def test_a_lost_key_is_not_made_anew(wire: Wire) -> None:
    """Archiving goes on, the log stands, and the reason is told."""
    (wire.home / "keys" / "notary" / "log.key").unlink()
    assert ["the log's key is not on this machine: `counterfoil notary` brings the log up to date"
            ] == carried(wire, "two")
    assert 2 == len(segments(wire))
    with pytest.raises(Missing, match=r"log\.key"):
        wire.notary()


def test_a_log_keeps_its_name(tmp_path: Path, line: Callable[..., dict[str, Any]]) -> None:
    """Its own, after its key, or the firm's; another one later is refused with the reason."""
    wire = Wire(load(tmp_path / "named", notary={"origin": ORIGIN}))
    wire.provision_once()
    carried(wire, "one")
    assert ORIGIN == line(verbs.status, wire)["origin"]
    with pytest.raises(Refused, match="keeps its name"):
        Wire(load(tmp_path / "named", notary={"origin": "another.example/log"})).notary()
    unnamed = Wire(load(tmp_path / "unnamed"))
    unnamed.provision_once()
    (key,) = unnamed.log_keys()
    assert own_origin(key.public) == key.name


def test_a_store_that_was_rolled_back_stops_the_log_and_nothing_else(wire: Wire) -> None:
    """The last head lies beside the store, not in it."""
    kept = wire.home / "kept"
    shutil.copytree(wire.home / "store", kept)
    carried(wire, "two")
    shutil.rmtree(wire.home / "store" / "objects" / "log")
    shutil.copytree(kept / "objects" / "log", wire.home / "store" / "objects" / "log")
    with pytest.raises(Halt, match="tlog_forked"):
        carried(wire, "three")
    assert 3 == len(segments(wire))     # archived and indexed before the log was asked
    assert 3 == len(list(wire.indexes().open(str(wire.indexes().current())).scan()))


def test_a_proof_checks_where_nothing_else_is(wire: Wire, tmp_path: Path,
                                              line: Callable[..., dict[str, Any]]) -> None:
    """By the log's verifier key alone; also against a copy of the segment. Another key, another
    segment, and a proof with one changed character are refused."""
    carried(wire, "two")
    (first, second), out = segments(wire), tmp_path / "cell.tlog-proof"
    made = line(verbs.prove, wire, second, "1/0", out)
    as_stated("log-prove", made)
    assert (second, 0, []) == (made["segment"], made["cell"], made["witnesses"])
    key = wire.log_keys()[0].vkey()
    copy = tmp_path / "copy.avro"
    copy.write_bytes(wire.store.get(second))
    said = line(verbs.check_proof, None, out, [key], copy)
    as_stated("log-check-proof", said)
    assert (True, made["index"], made["size"], second, True) == (
        said["ok"], said["index"], said["size"], said["segment"], said["segment_checked"])
    assert line(verbs.check_proof, wire, out, [], None)["segment_checked"] is False
    copy.write_bytes(wire.store.get(first))
    with pytest.raises(Refused, match="not the segment"):
        verbs.check_proof(None, out, [key], copy, json=True)
    stranger = Wire(load(tmp_path / "stranger"))
    stranger.provision_once()
    with pytest.raises(Refused, match="signature"):
        verbs.check_proof(None, out, [stranger.log_keys()[0].vkey()], None, json=True)
    text = out.read_text("utf-8")
    at = text.index("extra ") + 40
    (tmp_path / "changed").write_text(text[:at] + ("A" if text[at] != "A" else "B")
                                      + text[at + 1:], "utf-8")
    with pytest.raises(Refused):
        verbs.check_proof(None, tmp_path / "changed", [key], None, json=True)
    for place, error in (("9", Missing), ("7/0", Missing), ("x", Refused)):
        with pytest.raises(error):
            verbs.prove(wire, second, place, tmp_path / "other", json=True)
    with pytest.raises(Exists):
        verbs.prove(wire, second, "0", out, json=True)


def test_a_kept_checkpoint_is_compared_for_ever(
        wire: Wire, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        line: Callable[..., dict[str, Any]]) -> None:
    """An old one is part of every later log; archive and log rolled back together are found by
    it, and by nothing else of this folder."""
    shutil.copytree(wire.home / "store", tmp_path / "earlier")
    old, new = tmp_path / "old", tmp_path / "new"
    capsys.readouterr()
    verbs.newest_checkpoint(wire, witnessed=False)
    old.write_text(capsys.readouterr().out, "utf-8")
    carried(wire, "two")
    capsys.readouterr()
    verbs.newest_checkpoint(wire, witnessed=False)
    new.write_text(capsys.readouterr().out, "utf-8")
    assert 1 == len(note.read(new.read_text("utf-8")).signatures)
    report = checked(wire, line, old, new)
    assert [] == report["findings"]
    assert {"compared with the checkpoint old", "compared with the checkpoint new"} <= set(
        report["notes"])
    with pytest.raises(Missing, match="no witness"):
        verbs.newest_checkpoint(wire, witnessed=True)
    shutil.rmtree(wire.home / "store")
    shutil.copytree(tmp_path / "earlier", wire.home / "store")
    assert [] == checked(wire, line, old)["findings"]
    found = checked(wire, line, new, code=1)["findings"]
    assert [("tlog_forked", "the checkpoint that was handed in")] == [
        (one["code"], one["where"]) for one in found]
    for broken in (tmp_path / "nowhere", tmp_path / "earlier"):
        with pytest.raises(Missing):
            checked(wire, line, broken)
    old.write_text("nothing")
    with pytest.raises(Refused, match="checkpoint"):
        checked(wire, line, old)


def test_the_archive_is_compared_with_the_end_of_the_log(
        wire: Wire, line: Callable[..., dict[str, Any]]) -> None:
    """Plain `verify` without any head notices that the newest segment is gone."""
    carried(wire, "two")
    last = segments(wire)[-1]
    path = wire.home / "store" / "objects" / last
    path.chmod(0o600)
    path.unlink()
    report = line(verify, wire, head_file=None, code=1)
    assert ["tlog_leaf_differs"] == [one["code"] for one in report["findings"]]


def test_the_static_files_are_written_once(wire: Wire, tmp_path: Path,
                                           line: Callable[..., dict[str, Any]]) -> None:
    """Into an empty folder; the checkpoint is that of the store."""
    out = tmp_path / "site"
    said = line(verbs.files, wire, out)
    as_stated("log-files", said)
    assert said["files"] == len([path for path in out.rglob("*") if path.is_file()])
    size = said["size"]
    assert (out / "checkpoint").read_bytes() == wire.store.get(f"log/checkpoint/{size:020d}")
    assert (out / "tile" / "0" / f"000.p/{size}").stat().st_size == 32 * size
    with pytest.raises(Exists, match="not empty"):
        verbs.files(wire, out, json=True)


def test_whoever_needs_the_log_waits_for_it_and_says_so_at_last(wire: Wire) -> None:
    """At once where it is there; else until the notary was, or a sentence of what to do."""
    ends = carry.log_ends(wire)
    carry.await_logged(wire, ends, sleep=lambda _s: None)
    beyond = {place: offset + 1 for place, offset in ends.items()}
    ticks = iter(range(1000))
    with pytest.raises(Transient, match="is the notary running"):
        carry.await_logged(wire, beyond, clock=lambda: float(next(ticks)),
                           sleep=lambda _s: None, stall_s=3)
    slept: list[float] = []

    def another(seconds: float) -> None:
        if not slept:
            carried(wire, "two")
        slept.append(seconds)

    carry.await_logged(wire, beyond, sleep=another)
    assert 1 == len(slept)
