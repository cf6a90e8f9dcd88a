"""`access check | show | who | matrix`, as machines and people read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.config import load
from infra.verbs import access
from infra.wire import Wire
from schemas.errors import Missing, Refused
from search.access import roles
from search.access.wording import WORDS
from tests.interface.test_json import as_stated
from tests.runtime.test_directory_import import ACCESS, DIRECTORY
from tests.world import NOW

MORE = ACCESS + """
[[person]]
id = "lea"
name = "Lea"
roles = ["legal"]
matters = ["4711"]

[[person]]
id = "ada"
name = "Ada"
roles = ["administrator"]

[[person]]
id = "gone"
name = "Gone"
roles = ["reviewer"]
active = false

[settings]
pseudonyms = true
"""


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    """An embedded system with a directory and rules of access."""
    made = Wire(load(tmp_path / "home"), clock=lambda: NOW)
    made.provision_once()
    made.directory_path.write_text(DIRECTORY, "utf-8")
    write(made, MORE)
    return made


def write(wire: Wire, text: str) -> None:
    """The rules."""
    path = wire.home / "access.toml"
    path.write_text(text, "utf-8")
    path.chmod(0o600)


def line(capsys: pytest.CaptureFixture[str], schema: str) -> dict[str, Any]:
    """The one object on stdout, of the shape that docs/interface states."""
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    as_stated(schema, found)
    return found


def test_who_says_in_words_what_a_person_sees(wire: Wire,
                                              capsys: pytest.CaptureFixture[str]) -> None:
    """What they may, whose messages, and what keeps them out."""
    assert access.who(wire, "rita", json=True) == 0
    said = line(capsys, "access-who")
    assert said["may"] == ["search", "view", "queue", "decide", "policy_read", "break_glass"]
    assert said["sees"] == ["group corporate: the messages of bjones",
                            "names only as pseudonyms, until an item is escalated"]
    assert said["kept_from"] == [
        "wall 'w' (r): the messages of asmith, also as other phones captured it",
        "privileged: everything captured as privileged"]
    assert access.who(wire, "rita", json=False) == 0
    out = capsys.readouterr().out
    assert "group corporate: the messages of bjones" in out and "search messages" in out
    access.who(wire, "lea", json=True)
    said = line(capsys, "access-who")
    assert said["sees"][0] == "matter 4711 (Doe v. Roe): the messages of asmith"
    assert len(said["kept_from"]) == 1 and "privileged" in said["may"]


def test_who_has_no_content_sees_nothing(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """An administrator, and whoever has left."""
    for person in ("ada", "gone"):
        access.who(wire, person, json=True)
        said = line(capsys, "access-who")
        assert (said["sees"], said["kept_from"]) == ([], [])
    assert said["may"] == []
    access.who(wire, "gone", json=False)
    assert "no access" in capsys.readouterr().out
    with pytest.raises(Missing):
        access.who(wire, "nobody", json=True)


def test_check_names_what_the_directory_does_not_know(
        wire: Wire, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And every problem of the file itself; exit 1."""
    assert access.check(wire, None, json=True) == 0
    said = line(capsys, "access-check")
    assert said["counts"] == {"people": 5, "walls": 1, "active": 4}
    write(wire, MORE.replace('matter = "4711"', 'matter = "9"'))
    assert access.check(wire, None, json=True) == 1
    assert "sees no message at all" in line(capsys, "access-check")["problems"][0]
    access.who(wire, "rita", json=True)
    assert "every message" in line(capsys, "access-who")["kept_from"][0]
    write(wire, MORE.replace("roles", "rolls"))
    assert access.check(wire, None, json=False) == 1
    assert "unknown key" in " ".join(capsys.readouterr().out.split())
    other = tmp_path / "other.toml"
    other.write_text(MORE)
    other.chmod(0o644)
    assert access.check(wire, other, json=True) == 1
    assert "chmod 600" in line(capsys, "access-check")["problems"][0]


def test_show_says_all_that_the_file_says(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """Under the names of the file."""
    assert access.show(wire, json=True) == 0
    said = line(capsys, "access")
    assert [one["id"] for one in said["people"]] == ["rita", "carl", "lea", "ada", "gone"]
    assert said["walls"][0]["except_people"] == ["carl"]
    assert said["privileged"]["compartments"] == ["privileged"]
    assert said["settings"]["pseudonyms"] is True
    assert access.show(wire, json=False) == 0
    flat = " ".join(capsys.readouterr().out.split())
    assert "id rita; name Rita; roles reviewer; groups corporate; active yes" in flat
    (wire.home / "access.toml").unlink()
    with pytest.raises(Missing):
        access.show(wire, json=True)
    write(wire, "x = 1\n")
    with pytest.raises(Refused):
        access.show(wire, json=True)


def test_the_matrix_has_every_role_and_capability(capsys: pytest.CaptureFixture[str]) -> None:
    """Each in words."""
    assert set(WORDS) == roles.CAPABILITIES
    assert access.matrix(json=True) == 0
    said = line(capsys, "access-matrix")
    assert {role: set(may) for role, may in said["roles"].items()} == {
        role: set(may) for role, may in roles.ROLES.items()}
    assert access.matrix(json=False) == 0
    assert "see what is privileged" in capsys.readouterr().out
