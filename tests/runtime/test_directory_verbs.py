"""`directory show`, `directory check` and `assign`, as machines and people read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.config import load
from infra.verbs import assign, directory
from infra.wire import Wire
from schemas import events
from schemas.assignment import read_assignment
from schemas.errors import Missing, Refused
from tests.ingest.test_directory import MORE
from tests.runtime.test_acts import recorded
from tests.world import NOW

WANTED: dict[str, str] = {
    "channel": "whatsapp", "account": "+1 (555) 078-3999", "custodian": "asmith",
    "since": "2026-01-01", "until": "", "reason": "her second phone"}


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    """An embedded system with a directory."""
    made = Wire(load(tmp_path / "home"), clock=lambda: NOW)
    made.provision_once()
    made.directory_path.write_bytes(MORE)
    return made


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one object on stdout."""
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_show_says_all_that_the_file_says(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """Every part, under the names of the file."""
    assert directory.show(wire, json=True) == 0
    said = line(capsys)
    assert (said["file"], said["exists"]) == ("directory.toml", True)
    assert said["groups"] == [{"name": "litigation", "members": ["asmith", "bjones"],
                               "supervisors": ["c.park"]}]
    assert said["matters"][0]["until"] == "2026-07-01T00:00:00.000Z"
    assert [one["how"] for one in said["notices"]] == ["letter", "first reply"]
    assert said["exclusions"][0]["counterparty"] == "+16505559999"
    assert said["classes"] == [{"class": "default", "years": 7}, {"class": "advice", "years": 10}]
    assert directory.show(wire, json=False) == 0
    flat = " ".join(capsys.readouterr().out.split())
    for word in ("litigation", "4711", "notices/2026-01.pdf", "reason spouse", "+15550783881",
                 "from 2026-01-01;"):
        assert word in flat


def test_show_without_a_file_says_so(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty directory is in force."""
    wire.directory_path.unlink()
    assert directory.show(wire, json=True) == 0
    said = line(capsys)
    assert (said["exists"], said["custodians"]) == (False, [])
    with pytest.raises(Missing):
        directory.check(wire, None, json=True)


def test_check_names_every_problem_with_its_line(
        wire: Wire, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the file is put in place; exit 1."""
    assert directory.check(wire, None, json=True) == 0
    said = line(capsys)
    assert (said["ok"], said["problems"], said["counts"]["groups"]) == (True, [], 1)
    other = tmp_path / "new.toml"
    other.write_bytes(MORE.replace(b'"asmith", "bjones"', b'"asmith", "nobody"').replace(
        b'reason = "spouse"', b""))
    assert directory.check(wire, other, json=True) == 1
    said = line(capsys)
    assert [one.partition(",")[0] for one in said["problems"]] == [
        "new.toml line 32", "new.toml line 58"]
    assert directory.check(wire, other, json=False) == 1
    assert "nobody" in capsys.readouterr().out


def test_check_knows_the_limit_on_years(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """What no lock may have is a problem of the file too."""
    wire.directory_path.write_bytes(b"[classes]\ndefault = 70\n")
    assert directory.check(wire, None, json=True) == 1
    assert "lock_years_max" in line(capsys)["problems"][0]


def test_assign_records_the_decision(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """Who decided what and why is on the log when it is said; the account as capture spells it."""
    assert assign.assign(wire, assign.Wanted(**WANTED), json=True) == 0
    said = line(capsys)
    (event,) = recorded(wire)
    decided = read_assignment(event)
    assert (event.kind, decided.account, decided.custodian_id, decided.since, decided.until,
            decided.reason, decided.decided_at) == (
        events.ASSIGNMENT, "+15550783999", "asmith", 1_767_225_600_000, None,
        "her second phone", NOW)
    assert event.actor is not None and event.actor.native_id.startswith("local operator (")
    assert said == {
        "id": said["id"], "channel": "whatsapp", "account": "+15550783999",
        "custodian": "asmith", "from": "2026-01-01T00:00:00.000Z", "until": None}
    assert len(said["id"]) == 32
    assert assign.assign(wire, assign.Wanted(**WANTED), json=False) == 0
    assert "stands in no [[account]]" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("change", "problem"), [
    ({"custodian": "nobody"}, "no [[custodian]]"), ({"channel": "mms"}, "known are"),
    ({"account": "+1x"}, "a number is"), ({"account": " "}, "--account"),
    ({"reason": " "}, "say why"), ({"since": "yesterday"}, "--from: a day"),
    ({"since": "2026-01-01T10:00:00"}, "must state its offset"),
    ({"until": "2025-01-01"}, "not after"),
])
def test_assign_refuses_what_cannot_be_meant(wire: Wire, change: dict[str, str],
                                             problem: str) -> None:
    """Nothing is recorded."""
    with pytest.raises(Refused) as caught:
        assign.assign(wire, assign.Wanted(**{**WANTED, **change}), json=True)
    assert problem in str(caught.value)
    assert recorded(wire) == []
