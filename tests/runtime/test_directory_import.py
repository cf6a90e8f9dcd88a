"""`directory import`: what would change is shown, recorded, then written; nothing goes silently."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from infra.config import load
from infra.directory import parse_directory
from infra.verbs.directory_import import Wanted, import_csv
from infra.wire import Wire
from schemas import events
from schemas.errors import Missing, Refused, Transient
from tests.interface.test_json import as_stated
from tests.runtime.test_acts import recorded
from tests.world import NOW

TODAY = "2025-11-21"
DIRECTORY = """\
# The firm, as of today.
[[custodian]]
id = "asmith"
name = "Alice Smith"      # maiden name Jones

[[custodian]]
id = "bjones"
name = "Bob Jones"

[[account]]
channel = "whatsapp"
account = "+1 (555) 078-3881"
custodian = "asmith"

[[account]]
channel = "sms"
account = "+15550783882"
custodian = "bjones"

[[group]]
name = "litigation"
members = ["asmith", "bjones"]

[[group]]
name = "corporate"
members = ["bjones"]

[[matter]]
id = "4711"
name = "Doe v. Roe"
custodians = ["asmith"]
"""
ACCESS = """\
[[person]]
id = "rita"
name = "Rita"
roles = ["reviewer"]
groups = ["corporate"]    # for now

[[person]]
id = "carl"
name = "Carl"
roles = ["compliance"]
groups = ["*"]

[[wall]]
name = "w"
reason = "r"
matter = "4711"
except_people = ["carl"]
"""


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    """An embedded system with a directory and rules of access."""
    made = Wire(load(tmp_path / "home"), clock=lambda: NOW)
    made.provision_once()
    made.directory_path.write_text(DIRECTORY, "utf-8")
    path = made.home / "access.toml"
    path.write_text(ACCESS, "utf-8")
    path.chmod(0o600)
    return made


def run(wire: Wire, capsys: pytest.CaptureFixture[str], name: str, text: str, *,
        complete: bool = False, check: bool = False, exit_code: int = 0) -> dict[str, Any]:
    """Import `text` as the file `name`; what --json says."""
    path = wire.home.parent / name
    path.write_text(text, "utf-8")
    assert import_csv(wire, Wanted(path, "", complete, check), json=True) == exit_code
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    as_stated("directory-import", said)
    return said


def told(said: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The preview."""
    return [(one["how"], one["what"], one["words"]) for one in said["changes"]]


def test_people_are_added_and_changed_and_nobody_else_is_touched(
        wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """Comments stay; the record has who, what changed and the new file; a second time is nothing.
    """
    text = ("ID;Name;Channel;Account;From;Max silence h\n"
            "asmith;Alice Smith-Lee;whatsapp;+15550783881;;72\n"
            "cleo;Cléo Dürr;whatsapp;+15550783883;2026-01-01;\n"
            "cleo;;sms;+15550783883;;0,5\n")
    said = run(wire, capsys, "people.csv", text)
    assert told(said) == [
        ("changed", "custodian asmith", "name was Alice Smith, is Alice Smith-Lee"),
        ("added", "custodian cleo", "name Cléo Dürr"),
        ("changed", "account whatsapp +15550783881 of asmith",
         "max_silence_h was nothing, is 72"),
        ("added", "account whatsapp +15550783883 of cleo", "from 2026-01-01"),
        ("added", "account sms +15550783883 of cleo", "max_silence_h 0.5")]
    assert (said["written"], said["left"]) == (True, 2)
    written = wire.directory_path.read_text("utf-8")
    assert 'name = "Alice Smith-Lee"      # maiden name Jones' in written
    assert written.startswith("# The firm, as of today.")
    event, beat = recorded(wire)
    assert (event.kind, event.detail("action"), event.detail("rows_of"), event.raw, beat.kind) == (
        events.DIRECTORY, "import", "people", written.encode(), events.HEARTBEAT)
    assert (event.detail("added"), event.detail("changed"), event.detail("ended")) == (
        "3", "2", "0")
    assert "Alice Smith-Lee" in (event.detail("changes") or "")
    assert event.actor is not None and event.actor.native_id.startswith("local operator")
    again = run(wire, capsys, "people.csv", text)
    assert (again["changes"], again["written"], len(recorded(wire))) == ([], False, 2)


def test_a_check_writes_and_records_nothing(wire: Wire,
                                            capsys: pytest.CaptureFixture[str]) -> None:
    """It says the same."""
    said = run(wire, capsys, "people.csv", "id,name\nnew,New\n", check=True)
    assert told(said) == [("added", "custodian new", "name New")]
    assert not said["written"] and wire.directory_path.read_text("utf-8") == DIRECTORY
    assert recorded(wire) == []


def test_what_a_complete_file_does_not_name_ends(wire: Wire,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    """Accounts and matters today, never the person: what was captured is theirs for ever."""
    said = run(wire, capsys, "people.csv",
               "id,name,channel,account\nasmith,Alice Smith,whatsapp,+15550783881\n",
               complete=True)
    assert told(said) == [("ended", "account sms +15550783882 of bjones", f"until {TODAY}")]
    directory = parse_directory(wire.directory_path.read_bytes())
    assert len(directory.custodians) == 2
    assert run(wire, capsys, "people.csv",
               "id,name,channel,account\nasmith,Alice Smith,whatsapp,+15550783881\n",
               complete=True)["changes"] == []
    said = run(wire, capsys, "matters.csv", "id,name,custodians\n5000,New,bjones\n",
               complete=True)
    assert told(said) == [("added", "matter 5000", "name New, custodians bjones"),
                          ("ended", "matter 4711", f"until {TODAY}")]


def test_members_are_added_and_a_complete_file_ends_the_others(
        wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """Several rows of one group are one; several names in a cell have | between them."""
    said = run(wire, capsys, "groups.csv",
               "name,members,supervisors\nlitigation,asmith,sue|carl\nnew,asmith|bjones,\n")
    assert told(said) == [
        ("changed", "group litigation", "supervisors was nothing, is sue, carl"),
        ("added", "group new", "members asmith, bjones")]
    assert said["left"] == 1
    said = run(wire, capsys, "groups.csv",
               "name,members\nlitigation,bjones\ncorporate,bjones\ncorporate,asmith\n",
               complete=True)
    assert told(said) == [
        ("ended", "members of group litigation", "asmith"),
        ("changed", "group litigation", "members was asmith, bjones, is bjones"),
        ("changed", "group corporate", "members was bjones, is bjones, asmith"),
        ("ended", "group new", "is not in the file")]
    groups = parse_directory(wire.directory_path.read_bytes()).groups
    assert [(one.name, one.members, one.supervisors) for one in groups] == [
        ("litigation", ("bjones",), ("sue", "carl")), ("corporate", ("bjones", "asmith"), ())]


def test_a_group_that_rules_of_access_need_stays(wire: Wire,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written that would change who sees what behind somebody's back."""
    said = run(wire, capsys, "groups.csv", "name,members\nlitigation,asmith|bjones\n",
               complete=True, exit_code=1)
    assert said["problems"] == [
        "with groups.csv, access.toml person rita: directory.toml has no group 'corporate', so it "
        "gives nothing"]
    assert wire.directory_path.read_text("utf-8") == DIRECTORY


def test_access_in_bulk(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """One row a person; whoever is not in a complete file has no access, and stays in the file."""
    text = ("id,name,roles,groups,reports_to,active\n"
            "rita,Rita,reviewer|auditor,litigation,carl,yes\nnew,New,legal,*,,\n"
            "carl,Carl,,,,\n")
    said = run(wire, capsys, "access.csv", text)
    assert told(said) == [
        ("changed", "person rita", "roles was reviewer, is reviewer, auditor"),
        ("changed", "person rita", "groups was corporate, is litigation"),
        ("changed", "person rita", "reports_to was nothing, is carl"),
        ("added", "person new", "name New, roles legal, groups *")]
    written = (wire.home / "access.toml").read_text("utf-8")
    assert 'groups = ["litigation"]    # for now' in written
    said = run(wire, capsys, "access.csv", "id,name,roles\nnew,New,legal\n", complete=True)
    assert [one[:2] for one in told(said)] == [("ended", "person rita"), ("ended", "person carl")]
    assert [one["active"] for one in tomllib.loads((wire.home / "access.toml").read_text("utf-8"))[
        "person"] if "active" in one] == [False, False]
    assert (wire.home / "access.toml").stat().st_mode & 0o777 == 0o600


def test_a_first_file_is_made(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """For its owner only."""
    wire.directory_path.unlink()
    (wire.home / "access.toml").unlink()
    assert run(wire, capsys, "people.csv", "id,name\na,A\n")["written"]
    assert wire.directory_path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("name", "text", "problem"), [
    ("people.csv", "id,name\n,A\n", "people.csv line 2, id: is empty"),
    ("people.csv", "id,name\nnew,\n", "people.csv new is new and has no name"),
    ("people.csv", "id,name\na,A\na,B\n", "people.csv line 3: a has another name or class"),
    ("people.csv", "id,name,channel,account\na,A,sms,+1x\n", "line 2, account: a number is"),
    ("people.csv", "id,name,channel\na,A,sms\n", "line 2: channel and account go together"),
    ("people.csv", "id,name,channel,account\na,A,fax,+15\n", "'fax' is unknown"),
    ("people.csv", "id,name,channel,account,from\na,A,sms,+15,31.1.2026\n",
     "line 2, from: write a day as 2026-01-31"),
    ("people.csv", "id,name,channel,account,from\na,A,sms,+15,2026-01-01T10:00:00\n",
     "line 2, from: a time must state its offset"),
    ("people.csv", "id,name,channel,account,max_silence_h\na,A,sms,+15,often\n", "write hours"),
    ("people.csv", "id,name,channel,account\nbjones,Bob Jones,whatsapp,+15550783881\n",
     "has an owner at that time already"),
    ("people.csv", "id,name,class\na,A,advice\n", "'advice' is not in [classes]"),
    ("people.csv", "id,name,roles\na,A,x\n", "the column 'roles' is unknown"),
    ("groups.csv", "name,members\nnew,nobody\n", "no [[custodian]] has the id 'nobody'"),
    ("matters.csv", "id,name,custodians\n1,A,asmith\n1,B,asmith\n", "line 3, name: another one"),
    ("access.csv", "id,name,roles\na,A,boss\n", "'boss' is unknown"),
    ("access.csv", "id,name,roles\na,A,legal\na,A,legal\n", "line 3: a comes twice"),
    ("access.csv", "id,name,roles,active\na,A,legal,perhaps\n", "write yes or no"),
    ("access.csv", "id,name,roles,groups\na,A,legal,nowhere\n", "no group 'nowhere'"),
])
def test_problems_are_named_and_nothing_is_written(
        wire: Wire, capsys: pytest.CaptureFixture[str], name: str, text: str,
        problem: str) -> None:
    """With the line of the CSV, or of the file as it would be."""
    before = {one.name: one.read_bytes() for one in wire.home.glob("*.toml")}
    said = run(wire, capsys, name, text, exit_code=1)
    assert problem in "\n".join(said["problems"]) and not said["written"]
    assert before == {one.name: one.read_bytes() for one in wire.home.glob("*.toml")}
    assert recorded(wire) == []


def test_what_is_no_import_is_refused(wire: Wire) -> None:
    """A file that is not there, one whose name says nothing, a directory that is broken."""
    with pytest.raises(Missing):
        import_csv(wire, Wanted(wire.home / "people.csv", "", False, False), json=True)
    path = wire.home / "staff.csv"
    path.write_text("id,name\na,A\n")
    with pytest.raises(Refused, match="--as people"):
        import_csv(wire, Wanted(path, "", False, False), json=True)
    assert import_csv(wire, Wanted(path, "people", False, False), json=True) == 0
    wire.directory_path.write_text("[[custodian]]\n")
    assert import_csv(wire, Wanted(path, "people", False, False), json=True) == 1


def test_without_a_log_nothing_is_written(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record is first."""
    path = wire.home / "people.csv"
    path.write_text("id,name\nnew,New\n")

    def away(_: Wire) -> None:
        raise Transient("the log is down")
    monkeypatch.setattr(Wire, "capture_log", away)
    with pytest.raises(Transient):
        import_csv(wire, Wanted(path, "", False, False), json=True)
    assert wire.directory_path.read_text("utf-8") == DIRECTORY


def test_people_read_a_table(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """What was added, what stays, and whether it was written."""
    path = wire.home / "people.csv"
    path.write_text("id,name\nnew,=2+2\n")
    assert import_csv(wire, Wanted(path, "", False, True), json=False) == 0
    flat = " ".join(capsys.readouterr().out.split())
    for words in ("added custodian new name =2+2", "4 more in directory.toml",
                  "nothing was written: this was a check"):
        assert words in flat
    assert import_csv(wire, Wanted(path, "", False, False), json=False) == 0
    assert "recorded and written" in capsys.readouterr().out
    assert import_csv(wire, Wanted(path, "", False, False), json=False) == 0
    assert "nothing to change" in capsys.readouterr().out
