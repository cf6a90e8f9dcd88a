"""Where a disposition could say more than is so, destroy more than is meant, or bring back what was
destroyed: it does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from archive import certificate
from archive.disposition import RETENTION, TRIAL
from infra import carry
from infra.config import load
from infra.disposition import Disposer, verifiers
from infra.disposition_who import Identity, who
from infra.restoring import Both
from infra.verbs import check, hold, keys
from infra.verbs import disposition as verbs
from infra.verbs.audit import record_act
from infra.verbs.check import Depth
from infra.wire import Wire
from schemas import disposition
from schemas.disposition import Act, Listing, act_event, body_of
from schemas.errors import Missing, Refused
from tests.runtime.test_disposition import (
    DAY,
    THEN,
    WORD,
    Clock,
    disposer,
    documents,
    findings,
    names,
    written,
)
from tests.runtime.test_replay import CAROL, archived
from tests.search.policy.world import said

PASSPHRASE = "a sentence that nobody guesses"


@pytest.fixture
def clock() -> Clock:
    """The month in which the messages are written."""
    return Clock(THEN)


@pytest.fixture
def wire(tmp_path: Path, clock: Clock) -> Wire:
    """An embedded system of Carol's."""
    return opened(tmp_path, clock)


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    """A file that holds the passphrase of backups."""
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    return path


def opened(folder: Path, clock: Clock, *, trial: bool = True) -> Wire:
    """The data folder, as a trial or for real."""
    made = Wire(load(folder / "home", disposition={"wait_days": 1}, retention={"trial": trial}),
                clock)
    made.provision_once()
    (made.home / "directory.toml").write_text(CAROL, "utf-8")
    return made


def erased(wire: Wire, clock: Clock, *wanted: str) -> Listing:
    """Two people's word, and done."""
    listing = disposer(wire, "ann").make_list(wanted)
    disposer(wire, "bob").approve(listing.list_id)
    clock.now += DAY + 1
    return disposer(wire, "ann").run(listing.list_id)


def values(wire: Wire, done: Listing) -> dict[str, object]:
    """What the certificate of a list says."""
    assert done.certificate is not None
    return certificate.check(str(done.certificate.value("text")), verifiers(wire))


def firm(wire: Wire) -> list[str]:
    """Keys of the firm's own records that may go."""
    work = disposer(wire, "")
    work.settle()
    return [one.name for one in work.standings() if one.is_due and one.facts and one.facts.role]


def test_an_old_backup_does_not_bring_back_what_was_erased(
        wire: Wire, clock: Clock, tmp_path: Path, passphrase: Path,
        capsys: pytest.CaptureFixture[str]) -> None:
    """The erased key is named and left out, the others come back; asked for loudly it is there,
    `verify` names it, and the same list destroys it again and says so."""
    written(wire, clock)
    (name,) = names(wire, "2025-11")
    (other,) = names(wire, "2025-12") or names(wire, "2034-11")[:1]
    backup = tmp_path / "keys.backup"
    keys.backup(wire, backup, passphrase, json=True)
    done = erased(wire, clock, name)
    wire.keyring.destroy(other)
    capsys.readouterr()
    assert 0 == keys.restore(wire, backup, passphrase, json=True)
    row = json.loads(capsys.readouterr().out)
    assert ([name], []) == (row["erased"], row["doubts"])
    assert wire.keyring.read(other)
    with pytest.raises(Missing):
        wire.keyring.read(name)
    assert not findings(wire)
    assert 0 == keys.restore(wire, backup, passphrase, json=False)
    assert f"left out: {name}" in capsys.readouterr().out

    assert 0 == keys.restore(wire, backup, passphrase, json=False, also_erased=True)
    assert "what they sealed can be read" in capsys.readouterr().out
    assert ["key_resurrected"] == [one.code for one in findings(wire)]
    clock.now += 1
    again = disposer(wire, "ann").run(done.list_id)
    assert not findings(wire)
    assert values(wire, again)["erased_at"] != values(wire, done)["erased_at"]
    assert again.list_id == disposer(wire, "ann").run(done.list_id).list_id


def test_a_key_that_came_back_and_is_held_now_stays(wire: Wire, clock: Clock) -> None:
    """Somebody needs it by now: it is not destroyed a second time."""
    written(wire, clock)
    (name,) = names(wire, "2025-11")
    record = wire.keyring.read(name)
    done = erased(wire, clock, name)
    wire.keyring.create(name, record)
    hold.place(wire, "Doe v. Roe", "a claim", hold.Wanted(custodians=("carol",)), json=True)
    with pytest.raises(Refused, match=r"there again, and nothing is destroyed: the hold 'Doe"):
        disposer(wire, "ann").run(done.list_id)
    assert wire.keyring.read(name)


def test_a_backup_is_not_restored_blindly(wire: Wire, clock: Clock, tmp_path: Path,
                                          passphrase: Path) -> None:
    """Where the archive cannot be read nobody knows what was erased: nothing comes back unasked."""
    written(wire, clock)
    (name,) = names(wire, "2025-11")
    backup = tmp_path / "keys.backup"
    keys.backup(wire, backup, passphrase, json=True)
    wire.keyring.destroy(name)
    segments = sorted((wire.store_folder / "objects" / "segments").rglob("*.avro"))
    segments[0].rename(tmp_path / "aside")
    with pytest.raises(Refused, match="no key record was put back"):
        keys.restore(wire, backup, passphrase, json=True)
    with pytest.raises(Missing):
        wire.keyring.read(name)
    assert 0 == keys.restore(wire, backup, passphrase, json=True, also_erased=True)
    assert wire.keyring.read(name)


def test_a_backup_that_is_looked_at_is_written_to_no_keyring(wire: Wire) -> None:
    """What lies over a keyring while a backup is read refuses every change."""
    both = Both(wire.keyring, {"ab/0": b"kept"})
    assert b"kept" == both.read("ab/0")
    assert "ab/0" in set(both.names())
    changes: tuple[Callable[[], None], ...] = (
        lambda: both.create("cd/0", b""), lambda: both.destroy("ab/0"),
        lambda: both.replace("ab/0", b"kept", b"other"))
    for change in changes:
        with pytest.raises(Refused):
            change()


def test_a_record_that_went_too_is_not_said_to_be_there(wire: Wire, clock: Clock) -> None:
    """A search of that month quotes a word; both go with one list: nothing names it any more."""
    archived(wire, said(f"the {WORD} is yours", THEN, "m1"))
    record_act(wire, "looked_for", {"what": f"who said {WORD}?"})
    archived(wire, said("and more", THEN + 1, "m1b"))
    clock.now = THEN
    written(wire, clock)
    went = erased(wire, clock, *names(wire, "2025-11"), *firm(wire))
    assert {"count": 0, "ids": []} == values(wire, went)["named_by"]


def test_a_backup_is_named_although_its_record_was_erased(
        wire: Wire, clock: Clock, tmp_path: Path, passphrase: Path) -> None:
    """Its file may lie somewhere for ever: every later certificate names it, and one that was made
    between the counting and the destruction too."""
    keys.backup(wire, tmp_path / "first.backup", passphrase, json=True)
    clock.now = THEN + 70 * DAY
    archived(wire, said("of January", clock.now, "m7"))
    clock.now = THEN
    written(wire, clock)
    first = erased(wire, clock, *names(wire, "2025-11"), *firm(wire))
    assert "first.backup" in str(values(wire, first)["copies"])
    destroy = Disposer._destroy

    def made_meanwhile(self: Disposer, listing: Listing, goes: object) -> None:
        keys.backup(wire, tmp_path / "second.backup", passphrase, json=True)
        destroy(self, listing, goes)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Disposer, "_destroy", made_meanwhile)
        second = erased(wire, clock, *names(wire, "2026-01"))
    for one in ("first.backup", "second.backup"):
        assert one in str(values(wire, second)["copies"])


def test_a_file_that_quotes_it_is_named(wire: Wire, clock: Clock) -> None:
    """A saved search is somebody's own: it is not changed, and the certificate says so."""
    written(wire, clock)
    path = wire.home / "console" / "saved-searches.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"ann": {"mine": [WORD, 1]}}))
    done = erased(wire, clock, *names(wire, "2025-11"))
    assert "file console/saved-searches.json" in str(values(wire, done)["copies"])
    assert WORD in path.read_text()


def test_nobody_turns_a_real_archive_into_a_trial(tmp_path: Path, clock: Clock) -> None:
    """What was archived for real stays while the folder says trial, where one person can be two;
    nor is a login a person there."""
    real = opened(tmp_path, clock, trial=False)
    written(real, clock)
    (name,) = names(real, "2025-11")
    listing = disposer(real, "ann").make_list([name])
    turned = opened(tmp_path, clock)
    assert {TRIAL} == {one.why for one in disposer(turned, "").standings() if one.name == name}
    with pytest.raises(Refused, match=r"retention\.trial = false"):
        disposer(turned, "ann").make_list([name])
    with pytest.raises(Refused, match="not begun as a trial"):
        verbs.approve(turned, listing.list_id, Identity(), json=True)
    assert "local operator" in who(opened(tmp_path / "other", clock), Identity())


def test_the_firms_own_records_follow_a_longer_class(wire: Wire, clock: Clock) -> None:
    """Their month is one for all classes: who makes a class longer keeps them longer too."""
    record_act(wire, "looked", {})
    written(wire, clock)
    assert firm(wire)
    (wire.home / "directory.toml").write_text(CAROL.replace("default = 7", "default = 14"), "utf-8")
    again = Wire(wire.config, clock)
    assert not firm(again)
    assert all(one.why == RETENTION for one in disposer(again, "").standings()
               if one.facts and one.facts.role)
    # What a custodian's key says stands: a longer class is for months that begin after it.
    assert set(names(again, "2025-11")) <= {one.name for one in disposer(again, "").standings()
                                            if one.is_due}


def test_two_lists_of_one_key_end(wire: Wire, clock: Clock,
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """Both announced, one finished: the other says so, and nothing waits for it."""
    written(wire, clock)
    (name,) = names(wire, "2025-11")
    first = disposer(wire, "ann").make_list([name])
    second = disposer(wire, "ann").make_list([name])
    for one in (first, second):
        disposer(wire, "bob").approve(one.list_id)
    clock.now += DAY + 1
    with monkeypatch.context() as patch:
        patch.setattr(Disposer, "_followed", lambda self, listing: pytest.fail("announced"))
        with pytest.raises(pytest.fail.Exception):
            disposer(wire, "ann").run(first.list_id)
    disposer(wire, "ann").run(second.list_id)
    with pytest.raises(Refused, match="another list erased everything"):
        disposer(wire, "ann").run(first.list_id)
    assert 0 == verbs.status(wire, json=True)
    assert not findings(wire)


def test_a_gateway_cannot_say_what_was_erased(wire: Wire, clock: Clock) -> None:
    """Whole and signed, but not by who may: it erases nothing, and `verify` names it."""
    written(wire, clock)
    (name,) = names(wire, "2025-11")
    listing = disposer(wire, "ann").make_list([name])
    about = {"list": listing.listed.digest}
    with closing(wire.capture_log()) as log:
        recorder = wire.recorder("gateway", log)
        for number, (action, by, more) in enumerate((
                (disposition.APPROVED, "bob", {}), (disposition.INTENT, "bob", {"keys": [name]}),
                (disposition.ERASED, "bob", {"keys": [name]}))):
            recorder.record(act_event(Act(
                action, listing.list_id, clock.now + (number + 1) * 2 * DAY, by,
                body=body_of({**about, **more})), 8))
    carry.carry(wire, lambda told: None)
    assert {"kind_not_enrolled"} == {one.code for one in findings(wire)}
    assert not disposer(wire, "").survey().record.erased
    assert not any(one.kind == "erased" for one in documents(wire))
    with pytest.raises(Refused, match="approval of a second person"):
        disposer(wire, "ann").run(listing.list_id)


def test_verify_at_each_stage(wire: Wire, clock: Clock, monkeypatch: pytest.MonkeyPatch,
                              capsys: pytest.CaptureFixture[str]) -> None:
    """Clean up to the destruction, `key_lost` until the erasure is on record, and clean after it:
    the archive, the transparency log, and the index beside a rebuilt one."""
    written(wire, clock)
    (name,) = names(wire, "2025-11")
    listing = disposer(wire, "ann").make_list([name])
    disposer(wire, "bob").approve(listing.list_id)
    clock.now += DAY + 1
    assert not findings(wire)
    about = Disposer._about

    def dies(self: Disposer, listing: Listing, action: str, *more: object,
             **others: object) -> object:
        if action == disposition.ERASED:
            raise KeyboardInterrupt
        return about(self, listing, action, *more, **others)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Disposer, "_about", dies)
        with pytest.raises(KeyboardInterrupt):
            disposer(wire, "ann").run(listing.list_id)
    assert {"key_lost"} == {one.code for one in findings(wire)}
    disposer(wire, "ann").run(listing.list_id)
    capsys.readouterr()
    assert 0 == check.verify(wire, json=True, head_file=None, depth=Depth(log=True, index=1))
    (report,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [] == report["findings"]


def test_a_backup_that_nobody_made_is_not_destroyed(wire: Wire, clock: Clock) -> None:
    """A slip of the pen in its number is said, and not put on record."""
    written(wire, clock)
    with pytest.raises(Missing, match="a certificate names each one"):
        verbs.backup_destroyed(wire, "a" * 32, Identity(), json=True)
    assert not disposer(wire, "").survey().record.others
