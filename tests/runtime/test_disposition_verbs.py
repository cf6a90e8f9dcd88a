"""The verbs `disposition`: from what is due to a certificate, as two people type them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.config import load
from infra.disposition import Disposer
from infra.disposition_who import Identity
from infra.verbs import disposition as verbs
from infra.verbs import keys
from infra.verbs.account import Given, add
from infra.verbs.disposition import Wanted
from infra.wire import Wire
from schemas.errors import CounterfoilError, Exists, Refused
from tests.interface.test_json import as_stated
from tests.runtime.test_disposition import DAY, THEN, Clock, findings, written
from tests.runtime.test_replay import CAROL
from tests.search.access.signin_world import FAST

ACCESS = """
[[person]]
id = "ann"
name = "Ann Lee"
roles = ["compliance"]
[[person]]
id = "bob"
name = "Bob Roe"
roles = ["legal"]
[[person]]
id = "eve"
name = "Eve Poe"
roles = ["reviewer"]
[settings]
require_totp = false
"""
PASSWORD = "correct horse battery staple"
SCHEMAS = {"due": "disposition-due", "certificate": "disposition-certificate",
           "check_certificate": "disposition-check-certificate",
           "backup_destroyed": "disposition-backup-destroyed"}
Verb = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def clock() -> Clock:
    """The month in which the messages are written."""
    return Clock(THEN)


@pytest.fixture
def wire(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Wire:
    """An embedded system with messages that are due, and people who may say so."""
    monkeypatch.setattr("infra.signin.parameters_for", lambda memory: FAST)
    made = Wire(load(tmp_path / "home", disposition={"wait_days": 1}), clock)
    made.provision_once()
    (made.home / "directory.toml").write_text(CAROL, "utf-8")
    path = made.home / "access.toml"
    path.write_text(ACCESS, "utf-8")
    path.chmod(0o600)
    word = tmp_path / "password"
    word.write_text(PASSWORD + "\n", "utf-8")
    for person in ("ann", "bob", "eve"):
        add(made, person, Given(file=word, is_own=True), json=True)
    return made


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Verb:
    """What a verb prints with --json."""
    def run(verb: Callable[..., int], *said: Any, code: int = 0, **more: Any) -> list[
            dict[str, Any]]:
        capsys.readouterr()
        assert verb(*said, json=True, **more) == code
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        for one in found:
            as_stated(SCHEMAS.get(verb.__name__, "disposition"), one)
        return found
    return run


def test_two_people_destroy_what_is_due(wire: Wire, clock: Clock, lines: Verb,
                                        tmp_path: Path) -> None:
    """due, list, approve, run, certificate, check-certificate, each as a person types it."""
    written(wire, clock)
    word = tmp_path / "passphrase"
    word.write_text("a long passphrase\n", "utf-8")
    keys.backup(wire, tmp_path / "kept.backup", word, json=True)
    due = lines(verbs.due, wire, "", every=False)
    assert {"2025-11", "2025-12"} <= {one["month"] for one in due}
    assert all(one["due"] for one in due)
    kept = [one for one in lines(verbs.due, wire, "", every=True) if not one["due"]]
    assert all(one["words"] for one in kept)
    assert any(one["until"] for one in kept)

    ann, bob = Identity("ann", PASSWORD), Identity("bob", PASSWORD)
    (made,) = lines(verbs.make_list, wire, Wanted(custodian="carol", month="2025-11"), ann)
    assert ("listed", "ann") == (made["state"], made["listed_by"])
    with pytest.raises(Refused, match="their own"):
        verbs.approve(wire, made["list"], ann, json=True)
    (agreed,) = lines(verbs.approve, wire, made["list"], bob)
    assert ("approved", "bob") == (agreed["state"], agreed["approved_by"])
    clock.now += DAY + 1
    (done,) = lines(verbs.run, wire, made["list"])
    assert done["erased"] == made["keys"]
    (told,) = lines(verbs.status, wire)
    assert "certificate" == told["state"]

    file = tmp_path / "certificate.txt"
    (printed,) = lines(verbs.certificate, wire, made["list"], file)
    with pytest.raises(Exists):
        verbs.certificate(wire, made["list"], file, json=True)
    text = file.read_text("utf-8")
    assert printed["certificate"] == text
    assert "NOT destroyed by this" in text and "kept.backup" in text
    (good,) = lines(verbs.check_certificate, wire, file)
    assert (True, 2) == (good["ok"], good["records"])
    file.write_text(text.replace("2 records", "3 records", 1), "utf-8")
    (bad,) = lines(verbs.check_certificate, wire, file, code=1)
    assert not bad["ok"] and bad["reason"]
    assert not findings(wire)


def test_a_destroyed_backup_stands_in_the_next_certificate(
        wire: Wire, clock: Clock, lines: Verb, tmp_path: Path) -> None:
    """Somebody says so, and runs the list again: the certificate names who said it."""
    written(wire, clock)
    word = tmp_path / "passphrase"
    word.write_text("a long passphrase\n", "utf-8")
    keys.backup(wire, tmp_path / "kept.backup", word, json=True)
    ann, bob = Identity("ann", PASSWORD), Identity("bob", PASSWORD)
    (made,) = lines(verbs.make_list, wire, Wanted(month="2025-11"), ann)
    lines(verbs.approve, wire, made["list"], bob)
    clock.now += DAY + 1
    lines(verbs.run, wire, made["list"])
    (printed,) = lines(verbs.certificate, wire, made["list"], None)
    backup_id = printed["certificate"].partition("backup-destroyed ")[2][:32]
    lines(verbs.backup_destroyed, wire, backup_id, bob)
    lines(verbs.run, wire, made["list"])
    (printed,) = lines(verbs.certificate, wire, made["list"], None)
    assert "bob says that it was destroyed" in printed["certificate"]
    assert "NOT destroyed by this" not in printed["certificate"]


@pytest.mark.parametrize(("identity", "said"), [
    (Identity("ann", "wrong"), "did not let you in"),
    (Identity("nobody", PASSWORD), "did not let you in"),
    (Identity("eve", PASSWORD), "your role may not"),
])
def test_who_may_not_lists_nothing(wire: Wire, clock: Clock, identity: Identity, said: str) -> None:
    """A wrong password, a stranger, a role that may not: refused before anything is written."""
    with pytest.raises(CounterfoilError, match=said):
        verbs.make_list(wire, Wanted(), identity, json=True)
    assert [] == list(Disposer(wire, "").survey().acts)


def test_outside_a_trial_a_login_is_nobody(tmp_path: Path, clock: Clock) -> None:
    """Two people are needed, and a login is not one; nor may nothing be waited for."""
    made = Wire(load(tmp_path / "home", retention={"trial": False},
                     disposition={"wait_days": 0}), clock)
    made.provision_once()
    with pytest.raises(Refused, match="say who you are"):
        verbs.make_list(made, Wanted(), Identity(), json=True)
    with pytest.raises(Refused, match="for a trial only"):
        _ = Disposer(made, "ann").wait_ms
