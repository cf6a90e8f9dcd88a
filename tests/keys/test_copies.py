"""Shares, rotation, the second copy and the restore drill, on a real data folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from infra.config import Config, KeyringSection, ReplicaSection, StoreSection, load
from infra.drill import wipe
from infra.keyshares import read as read_share
from infra.replica import Replica, replica_alarms
from infra.rotate import GRACE_MS
from infra.verbs import drill as drills
from infra.verbs import keys, keyshares, replicate, rotate
from infra.verbs.check import Depth, verify
from infra.wire import DAY_MS, Wire, clock
from schemas.errors import Exists, Refused, Transient
from schemas.events import CapturedEvent, Identity
from schemas.findings import Finding
from search.access.viewer import operator
from search.follow import rebuild
from tests.e2e.installation import ROOT
from tests.keys.test_backup import PASSPHRASE, archive

pytestmark = pytest.mark.slow

SCHEMAS: list[dict[str, Any]] = [json.loads(
    (ROOT / "docs" / "interface" / f"{name}.schema.json").read_text("utf-8"))
    for name in ("keys-split", "keys-join", "keys-rotate", "replicate", "drill", "verify")]
Rows = Callable[[], dict[str, Any]]


def wired(home: Path, **sections: Any) -> Wire:
    """A data folder's parts, under these sections of the configuration."""
    config: Config = load(home).model_copy(update=sections)
    return Wire(config)


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    """Three archived and indexed messages; a copy is configured and not begun."""
    (tmp_path / "disk").mkdir()
    made = wired(tmp_path / "home", replica=ReplicaSection(driver="folder",
                                                           folder=tmp_path / "disk"))
    made.provision()
    for custodian, text in (("anna", "the boat is called Persephone"), ("ben", "it leaks"),
                            ("anna", "sell it")):
        archive(made, text, custodian)
    rebuild(made.reader(), made.indexes(), made.projector())
    return made


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    """A file that holds the passphrase."""
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    return path


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Rows:
    """The last JSON object that was printed since it was asked last; as one of our schemas says."""
    def last() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert any(Draft202012Validator(schema).is_valid(found)
                   and set(found) == set(schema["properties"]) for schema in SCHEMAS), found
        return found

    return last


def texts(wire: Wire, query: str) -> list[tuple[str, str | None]]:
    """Ids and texts of what a search finds."""
    return sorted((hit.doc_id, hit.text) for hit in
                  wire.searcher().search(query, operator("test")).hits)


def split(wire: Wire, out: Path, what: str = "kek", file: Path | None = None) -> None:
    """Five shares, three of which are needed."""
    assert keyshares.split(wire, keyshares.Wanted(what, 5, 3, out, file), json=True) == 0


def test_three_officers_restore_the_wrapping_key(wire: Wire, tmp_path: Path, said: Rows,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    """Whose file is gone: three of five shares bring it back, two do not; nobody else can read the
    files, and no share or key was printed."""
    out = tmp_path / "shares"
    split(wire, out)
    kek = wire.keys_folder.kek_path()
    secret = kek.read_bytes()
    printed = capsys.readouterr().out
    files = sorted(out.iterdir())
    assert [f"share-{number}-of-5.txt" for number in range(1, 6)] == [one.name for one in files]
    assert all(one.stat().st_mode & 0o777 == 0o600 for one in files)
    assert not any(line in printed for one in files
                   for line in read_share(one.read_text()).text().splitlines())
    kek.unlink()
    with pytest.raises(Refused, match="1 more"):
        keyshares.join(wired(wire.home), files[:2], None, json=True)
    assert keyshares.join(wired(wire.home), [files[4], files[0], files[2]], None, json=True) == 0
    assert said()["written"]
    assert secret == kek.read_bytes()
    assert kek.stat().st_mode & 0o777 == 0o600
    assert texts(wired(wire.home), "persephone")
    assert keyshares.join(wired(wire.home), [out], None, json=True) == 0
    assert not said()["written"]
    kek.write_bytes(bytes(32))
    with pytest.raises(Exists, match="another key"):
        keyshares.join(wired(wire.home), [out], None, json=True)


def test_shares_of_another_key_are_not_put_in_its_place(wire: Wire, tmp_path: Path, said: Rows,
                                                        ) -> None:
    """Of another data folder, or older than a rotation: they are whole, and would bring a key that
    opens nothing here and would wrap what comes. Elsewhere they may be written."""
    stranger = wired(tmp_path / "stranger")
    stranger.provision()
    split(stranger, tmp_path / "theirs")
    split(wire, tmp_path / "old")
    assert rotate.rotate(wire, rotate.Wanted("kek"), json=True) == 0
    later = Wire(wire.config, lambda: clock() + GRACE_MS)
    assert rotate.rotate(later, rotate.Wanted("kek", finish=True), json=True) == 0
    kek = wire.keys_folder.kek_path()
    secret = kek.read_bytes()
    kek.unlink()
    for folder in ("theirs", "old"):
        with pytest.raises(Refused, match="opens none of the"):
            keyshares.join(wired(wire.home), [tmp_path / folder], None, json=True)
        assert not kek.exists()
    assert keyshares.join(wired(wire.home), [tmp_path / "old"], tmp_path / "old.key",
                          json=True) == 0
    assert said()["written"] and (tmp_path / "old.key").read_bytes() != secret


def test_a_rotation_ends_without_the_old_key(wire: Wire) -> None:
    """Its file was lost on the way: nothing needs it, and the new one takes its place."""
    assert rotate.rotate(wire, rotate.Wanted("kek"), json=True) == 0
    kek = wire.keys_folder.kek_path()
    kek.unlink()
    later = Wire(wire.config, lambda: clock() + GRACE_MS)
    assert rotate.rotate(later, rotate.Wanted("kek", finish=True), json=True) == 0
    assert kek.stat().st_mode & 0o777 == 0o600
    assert texts(wired(wire.home), "persephone")


def test_no_share_is_printed_where_a_machine_reads(wire: Wire,
                                                   capsys: pytest.CaptureFixture[str]) -> None:
    """`--print` is for people; with --json it is refused, and nothing is shown."""
    with pytest.raises(Refused, match="--out FOLDER"):
        keyshares.split(wire, keyshares.Wanted("kek", 3, 2, None), json=True)
    assert capsys.readouterr().out == ""


def test_a_mistyped_passphrase_is_not_split(wire: Wire, passphrase: Path, tmp_path: Path) -> None:
    """Where a backup is named the passphrase has to open it, before a share is made."""
    backup, other = tmp_path / "keys.backup", tmp_path / "other"
    keys.backup(wire, backup, passphrase, json=True)
    other.write_text("correct horse batteri\n")
    wanted = keyshares.Wanted("passphrase", 3, 2, tmp_path / "shares", other, backup)
    with pytest.raises(Refused, match="wrong passphrase"):
        keyshares.split(wire, wanted, json=True)
    assert not (tmp_path / "shares").exists()
    assert keyshares.split(wire, replace(wanted, passphrase_file=passphrase), json=True) == 0
    with pytest.raises(Refused, match="--what passphrase"):
        keyshares.split(wire, replace(wanted, what="kek"), json=True)


def test_shares_never_lie_beside_others(wire: Wire, tmp_path: Path) -> None:
    """A folder that is not empty is refused, and so is a KMS, which gives its key to nobody."""
    split(wire, tmp_path / "shares")
    with pytest.raises(Refused, match="not empty"):
        split(wire, tmp_path / "shares")
    service = wire.config.keyservice.model_copy(update={"driver": "kms"})
    with pytest.raises(Refused, match="KMS"):
        split(wired(wire.home, keyservice=service), tmp_path / "other")


def test_a_rotation_changes_no_object(wire: Wire, said: Rows) -> None:
    """Everything is read with the old key, with both and with the new one; the store's files are
    the same files; a process that was there before goes on."""
    before = texts(wire, "kind:message")
    running = wired(wire.home)
    running.provision()
    assert len(before) == 3
    objects = {path: path.stat().st_mtime_ns
               for path in (wire.home / "store").rglob("*") if path.is_file()}
    assert rotate.rotate(wire, rotate.Wanted("kek"), json=True) == 0
    first = said()
    with pytest.raises(Refused, match="being rotated"):
        split(wired(wire.home), wire.home / "shares")
    assert first["changed"] >= 2
    assert first["unreadable"] == []
    assert before == texts(running, "kind:message") == texts(wired(wire.home), "kind:message")
    assert rotate.rotate(wired(wire.home), rotate.Wanted("kek"), json=True) == 0
    assert said()["changed"] == 0
    with pytest.raises(Refused, match="minutes"):
        rotate.rotate(wired(wire.home), rotate.Wanted("kek", finish=True), json=True)
    later = Wire(load(wire.home), lambda: clock() + GRACE_MS)
    assert rotate.rotate(later, rotate.Wanted("kek", finish=True), json=True) == 0
    assert said()["new_key"] == first["new_key"] == wired(wire.home).key_service.key_id
    assert before == texts(running, "kind:message") == texts(wired(wire.home), "kind:message")
    for path, modified in objects.items():
        assert path.stat().st_mtime_ns == modified, path
    archive(running, "after the rotation")
    assert wired(wire.home).verifier(lambda _done, _key: None).run(clock()).findings == []


@pytest.mark.parametrize("key", rotate.SIGNING)
def test_the_other_keys_rotate_too(wire: Wire, key: str, said: Rows) -> None:
    """What the old one signed or opens stays good; what comes is the new one's."""
    wire.recorder("gateway").record(_waiting())
    assert rotate.rotate(wired(wire.home), rotate.Wanted(key), json=True) == 0
    new = said()["new_key"]
    again = wired(wire.home)
    archive(again, "after the rotation")
    report = again.verifier(lambda _done, _key: None).run(clock())
    assert report.findings == []
    rebuild(again.reader(), again.indexes(), again.projector())
    assert len(texts(again, "kind:message")) == 5
    assert any(new in path.read_text() for path in (wire.home / "keys" / "public").glob("*.json"))


def _waiting() -> CapturedEvent:
    return CapturedEvent(
        kind="message", channel="sms", source="twilio/1", account="+15550783881",
        conversation="pair:+15550783881|+16505551234", captured_at=clock(), native_id="SMwaits",
        actor=Identity("+16505551234", "e164"), text="it waits", custodian="anna")


def copy(wire: Wire) -> int:
    """One turn."""
    return replicate.replicate(wire, replicate.Wanted(False, None), json=True)


def findings(wire: Wire, said: Rows) -> list[str]:
    """The codes of `verify --replica`."""
    verify(wire, json=True, head_file=None, depth=Depth(replica=True))
    return [one["code"] for one in said()["findings"]]


def test_the_same_query_is_answered_from_the_copy(wire: Wire, said: Rows) -> None:
    """Store and keyring are gone: with the configuration pointing at the copy and the index rebuilt
    from it, the same search has the same answer, and every segment the same hash and roots."""
    assert copy(wire) == 0
    assert said()["copied"] > 3
    assert [] == findings(wired(wire.home, replica=wire.config.replica), said)
    before, segments = texts(wire, "persephone OR leaks"), hashes(wire)
    shutil.rmtree(wire.home / "store")
    shutil.rmtree(wire.home / "keyring")
    disk = wire.config.replica.folder
    assert disk is not None
    there = wired(wire.home, store=StoreSection(folder=disk / "store"),
                  keyring=KeyringSection(folder=disk / "keyring"))
    assert segments == hashes(there)
    assert there.verifier(lambda _done, _key: None).run(clock()).findings == []
    rebuild(there.reader(), there.indexes(), there.projector())
    assert before == texts(there, "persephone OR leaks")
    assert len(before) == 2


def hashes(wire: Wire) -> list[tuple[str, str, int]]:
    """Key, SHA-256 and number of events of each segment: the hash covers the roots."""
    return [(read.key, read.sha256, len(read.events)) for place in wire.reader().partitions()
            for read in wire.reader().follow(*place, 0)]


def test_a_copy_that_is_away_is_no_empty_copy(wire: Wire, tmp_path: Path, said: Rows) -> None:
    """An unmounted disk stops the turn; the copy of another archive is refused; and `status` says
    how long there was no turn."""
    assert [one.code for one in replica_alarms(wire, clock())] == ["replica_behind"]
    copy(wire)
    assert [] == replica_alarms(wire, clock())
    assert [one.code for one in replica_alarms(wire, clock() + DAY_MS)] == ["replica_behind"]
    disk = tmp_path / "disk"
    disk.rename(tmp_path / "away")
    disk.mkdir()
    with pytest.raises(Transient, match="mounted"):
        copy(wired(wire.home, replica=wire.config.replica))
    assert [] == list(disk.iterdir())
    (disk / "counterfoil-copy").write_text("0" * 32 + "\n")
    with pytest.raises(Refused, match="another archive"):
        copy(wired(wire.home, replica=wire.config.replica))
    stranger = wired(tmp_path / "stranger", replica=ReplicaSection(driver="folder", folder=disk))
    (disk / "something").write_text("else")
    (disk / "counterfoil-copy").unlink()
    stranger.provision()
    with pytest.raises(Refused, match="not empty"):
        copy(stranger)
    with pytest.raises(Refused, match="no second copy"):
        copy(wired(wire.home))


def test_it_follows_until_it_is_ended(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn after turn, what came meanwhile is copied; a copy that is away for a while is waited
    for, and locks are compared once a day."""
    disk = wire.config.replica.folder
    assert disk is not None
    turns: list[bool] = []
    turn = Replica.turn

    def counted(self: Replica, *, locks: bool, **more: Any) -> Any:
        turns.append(locks)
        if len(turns) == 2:
            raise Transient("its disk is away")
        return turn(self, locks=locks, **more)

    def rest(_seconds: float) -> None:
        if len(turns) == 1:
            archive(wire, "while it follows")
        if len(turns) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Replica, "turn", counted)
    monkeypatch.setattr("infra.verbs.replicate.time.sleep", rest)
    with pytest.raises(KeyboardInterrupt):
        replicate.replicate(wire, replicate.Wanted(True, None), json=True)
    assert [True, False, False] == turns
    assert files_of(wire.home / "store") == files_of(disk / "store")


def files_of(store: Path) -> dict[str, bytes]:
    """What lies in an embedded store."""
    root = store / "objects"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*")
            if path.is_file()}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_drill_that_is_ended_leaves_nothing(
        wire: Wire, passphrase: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        how: signal.Signals) -> None:
    """Whatever ends it while the keys are there: also a terminal that is closed, and a second
    signal while it is wiped."""
    backup, work = tmp_path / "keys.backup", tmp_path / "work"
    keys.backup(wire, backup, passphrase, json=True)

    def ended(_restored: Wire, _done: object, *, media: bool) -> None:
        assert (work / "keys" / "kek" / "kek.key").exists()
        os.kill(os.getpid(), how)

    def wiped(folder: Path) -> None:
        os.kill(os.getpid(), how)
        wipe(folder)

    monkeypatch.setattr("infra.drill._verify", ended)
    monkeypatch.setattr("infra.drill.wipe", wiped)
    with pytest.raises(SystemExit):
        drills.drill(wire, drills.Wanted(backup, work, passphrase_file=passphrase), json=True)
    assert not work.exists()


def test_a_copy_lies_somewhere_else(wire: Wire, tmp_path: Path) -> None:
    """Not in the data folder, under whatever name, nor in the archive's own buckets."""
    inside, link = wire.home / "copy", tmp_path / "link"
    inside.mkdir()
    link.symlink_to(wire.home)
    bucket = {"driver": "s3", "endpoint": "http://Store:1/"}
    for section in (ReplicaSection(driver="folder", folder=inside),
                    ReplicaSection(driver="folder", folder=link),
                    ReplicaSection(**bucket, bucket="a", keyring_bucket="k"),
                    ReplicaSection(**bucket, bucket="k", keyring_bucket="x")):
        made = wired(wire.home, replica=section, store=StoreSection(
            driver="s3", endpoint="http://store:1", bucket="a") if section.bucket in "ak" else
            wire.config.store, keyring=KeyringSection(driver="folder", bucket="k"))
        with pytest.raises(Refused, match="archive itself"):
            Replica(made)


def test_a_hold_that_is_new_accuses_nobody(wire: Wire, said: Rows) -> None:
    """What a turn of locks has still to bring is a note while the copy's own lock keeps the object;
    one that no turn has brought in time is a finding."""
    first = next(iter(wire.store.versions("segments/")))
    wire.store.extend(first.key, first.version_id, clock() + 30 * DAY_MS)
    assert copy(wire) == 0
    wire.store.set_legal_hold(first.key, first.version_id, on=True)
    now = wired(wire.home, replica=wire.config.replica)
    found = list(Replica(now).differences(frozenset(), lambda _done: None))
    assert "1 longer locks or legal holds are not on the copy yet" in found
    later = Wire(now.config, lambda: clock() + 2 * DAY_MS)
    assert ("replica_lock", first.key) in [
        (one.code, one.where) for one in Replica(later).differences(frozenset(), lambda _done: None)
        if isinstance(one, Finding)]
    copy(now)
    assert [] == findings(now, said)


def test_two_archives_never_share_a_copy(wire: Wire, tmp_path: Path) -> None:
    """A data folder that has begun no copy does not go on with somebody else's; one that lost its
    notes of its own goes on."""
    copy(wire)
    stranger = wired(tmp_path / "stranger", replica=wire.config.replica)
    stranger.provision()
    with pytest.raises(Refused, match="which this archive does not"):
        copy(stranger)
    shutil.rmtree(wire.home / "replica")
    assert copy(wired(wire.home, replica=wire.config.replica)) == 0


def test_a_rotation_reaches_the_copy(wire: Wire, said: Rows) -> None:
    """Its key records are wrapped anew as well, before the old key may go."""
    copy(wire)
    again = wired(wire.home, replica=wire.config.replica)
    assert rotate.rotate(again, rotate.Wanted("kek"), json=True) == 0
    later = Wire(again.config, lambda: clock() + GRACE_MS)
    assert rotate.rotate(later, rotate.Wanted("kek", finish=True), json=True) == 0
    again = wired(wire.home, replica=wire.config.replica)
    copy(again)
    assert [] == findings(again, said)


def drilled(wire: Wire, wanted: drills.Wanted, said: Rows) -> tuple[int, dict[str, Any]]:
    """Exit code and what was said; the work folder is gone."""
    code = drills.drill(wire, wanted, json=True)
    assert not wanted.work.exists()
    return code, said()


@pytest.mark.parametrize("replica", [False, True])
def test_a_restore_is_tried(wire: Wire, passphrase: Path, tmp_path: Path, said: Rows, *,
                            replica: bool) -> None:
    """From the backup and the archive, or the copy alone with the archive gone: everything is read,
    verified and found again, nothing is left, nothing was written."""
    backup = tmp_path / "keys.backup"
    keys.backup(wire, backup, passphrase, json=True)
    copy(wire)
    if replica:
        shutil.rmtree(wire.home / "store" / "objects" / "segments")
    before = {path: path.stat().st_mtime_ns
              for place in (wire.home / "store", tmp_path / "disk") for path in place.rglob("*")
              if path.is_file()}
    code, row = drilled(wired(wire.home, replica=wire.config.replica), drills.Wanted(
        backup, tmp_path / "work", replica=replica, passphrase_file=passphrase), said)
    assert row["failures"] == []
    assert (code, row["ok"]) == (0, True)
    assert row["counts"]["documents"] >= 3
    assert row["counts"]["samples"] == row["counts"]["compared"] == row["counts"]["documents"]
    assert {"keys", "verify", "index", "compare"} == set(row["seconds"])
    for path, modified in before.items():
        assert path.stat().st_mtime_ns == modified, path


def test_a_drill_opens_the_backup_with_shares(wire: Wire, passphrase: Path, tmp_path: Path,
                                              said: Rows) -> None:
    """Three officers, no passphrase; shares of the other secret are refused before any work."""
    backup = tmp_path / "keys.backup"
    keys.backup(wire, backup, passphrase, json=True)
    split(wire, tmp_path / "shares", "passphrase", passphrase)
    for number in (1, 4):
        (tmp_path / "shares" / f"share-{number}-of-5.txt").unlink()
    code, _ = drilled(wire, drills.Wanted(backup, tmp_path / "work", shares=tmp_path / "shares"),
                      said)
    assert code == 0
    split(wire, tmp_path / "others")
    with pytest.raises(Refused, match="another secret"):
        drills.drill(wire, drills.Wanted(backup, tmp_path / "work", shares=tmp_path / "others"),
                     json=True)
    out = tmp_path / "joined"
    keyshares.join(wire, [tmp_path / "shares"], out, json=True)
    assert out.read_text().strip() == PASSPHRASE


def test_a_drill_says_what_could_not_be_restored(wire: Wire, passphrase: Path, tmp_path: Path,
                                                 said: Rows) -> None:
    """A key that was made after the backup, a segment that is gone, a message that the live index
    lacks: exit 1, each named."""
    backup, work = tmp_path / "keys.backup", tmp_path / "work"
    keys.backup(wire, backup, passphrase, json=True)
    wanted = drills.Wanted(backup, work, passphrase_file=passphrase)
    archive(wire, "a new custodian's word", "chen")
    code, row = drilled(wired(wire.home), wanted, said)
    assert code == 1
    assert any(one.startswith("verify: key_lost") for one in row["failures"])
    assert any("make one daily" in one for one in row["notes"])
    keys.backup(wire, tmp_path / "newer", passphrase, json=True)
    newer = drills.Wanted(tmp_path / "newer", work, passphrase_file=passphrase)
    again = wired(wire.home)
    shutil.rmtree(wire.home / "index")
    again.indexes().first()
    code, row = drilled(again, newer, said)
    assert (code, row["failures"]) == (0, [])  # the live index is behind: said, no failure
    assert row["notes"]
    segment = max((wire.home / "store" / "objects" / "segments").rglob("*.avro"))
    segment.unlink()
    first = min((wire.home / "store" / "objects" / "segments").rglob("*.avro"))
    first.unlink()
    code, row = drilled(wired(wire.home), newer, said)
    assert code == 1
    assert any("segment_missing" in one for one in row["failures"])


def test_a_drill_needs_an_empty_folder(wire: Wire, passphrase: Path, tmp_path: Path) -> None:
    """Nothing of somebody's is wiped."""
    backup, work = tmp_path / "keys.backup", tmp_path / "work"
    keys.backup(wire, backup, passphrase, json=True)
    work.mkdir()
    (work / "mine").write_text("keep")
    with pytest.raises(Refused, match="not an empty folder"):
        drills.drill(wire, drills.Wanted(backup, work, passphrase_file=passphrase), json=True)
    assert (work / "mine").read_text() == "keep"
    (work / "mine").unlink()
    assert drills.drill(wire, drills.Wanted(backup, work, passphrase_file=passphrase),
                        json=True) == 0
    assert [] == list(work.iterdir())
