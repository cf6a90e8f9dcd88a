"""access.toml: read exactly, every problem with its line; a change is recorded before it holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.access import AccessFile, access_event, changes, load_access, parse_access
from schemas import events
from schemas.errors import Missing, Refused, Transient
from schemas.events import CapturedEvent
from search.access.people import AccessPolicy, Person, Privilege, Settings, Wall
from tests.world import NOW

GOOD = b"""\
[[person]]
id = "a.novak"
name = "Anna Novak"
roles = ["supervisor"]
groups = ["litigation"]   # as directory.toml says
matters = ["4711"]
custodian = "anovak"
reports_to = ["c.park"]
email = "a.novak@example.com"

[[person]]
id = "c.park"
name = "Chris Park"
roles = ["compliance", "auditor"]
groups = ["*"]
active = false

[[wall]]
name = "Project Juniper"
reason = "advises the other side"
matter = "4711"
against = {people = ["a.novak"], groups = ["corporate"]}

[[wall]]
name = "Board"
reason = "not public"
custodians = ["dlee"]
conversations = ["group:1"]
except_people = ["c.park"]

[privileged]
compartments = ["privileged", "advice"]
conversations = ["group:2"]

[settings]
pseudonyms = true
session_minutes = 15
"""


def test_reads_all_that_the_file_says() -> None:
    """People, walls of both forms, privilege, settings."""
    assert parse_access(GOOD) == AccessPolicy(
        (Person("a.novak", "Anna Novak", ("supervisor",), ("litigation",), ("4711",), "anovak",
                ("c.park",), "a.novak@example.com"),
         Person("c.park", "Chris Park", ("compliance", "auditor"), ("*",), active=False)),
        (Wall("Project Juniper", "advises the other side", "4711", against_people=("a.novak",),
              against_groups=("corporate",)),
         Wall("Board", "not public", custodians=("dlee",), conversations=("group:1",),
              except_people=("c.park",))),
        Privilege(("privileged", "advice"), ("group:2",)),
        Settings(pseudonyms=True, session_minutes=15), GOOD)


def test_an_empty_file_gives_nobody_anything() -> None:
    """And withholds what is privileged."""
    found = parse_access(b"")
    assert (found.people, found.walls) == ((), ())
    assert found.privileged.compartments == ("privileged",)
    assert found.settings.require_totp


@pytest.mark.parametrize(("change", "problem"), [
    ((b'id = "a.novak"', b'idd = "a.novak"'), "line 2, person 1, idd: unknown key; known are"),
    ((b'id = "a.novak"', b'id = "a novak"'), "line 2, person 1, id: may have letters"),
    ((b'id = "c.park"', b'id = "a.novak"'), "line 12, person 2, id: 'a.novak' comes twice"),
    ((b'["supervisor"]', b'["boss"]'), "line 4, person 1, roles: 'boss' is unknown; known are"),
    ((b'["supervisor"]', b"[]"), "line 4, person 1, roles: must be a list"),
    ((b'["supervisor"]', b'["supervisor", "administrator"]'),
     "line 4, person 1, roles: an administrator sees no messages"),
    ((b'["supervisor"]', b'["auditor"]'),
     "line 5, person 1, groups: whoever is only auditor"),
    ((b'["litigation"]', b'["*", "litigation"]'), 'line 5, person 1, groups: write ["*"] alone'),
    ((b'["litigation"]', b'"litigation"'), "line 5, person 1, groups: must be a list"),
    ((b'reports_to = ["c.park"]', b'reports_to = ["x"]'), "line 8, person 1, reports_to: no"),
    ((b'reports_to = ["c.park"]', b'reports_to = ["a.novak"]'),
     "line 8, person 1, reports_to: leads back"),
    ((b"a.novak@example.com", b"a.novak"), "line 9, person 1, email: is no address"),
    ((b"active = false", b'active = "no"'), "line 16, person 2, active: must be true or false"),
    ((b"active = false", b'email = "A.Novak@EXAMPLE.com"'),
     "line 16, person 2, email: 'a.novak@example.com' is another person's too"),
    ((b'matter = "4711"', b""), "line 19, wall 1, name: say what is behind it"),
    ((b'matter = "4711"', b'matter = "4711"\ncustodians = ["x"]'),
     "line 19, wall 1, name: say what is behind it"),
    ((b'reason = "advises the other side"', b""), "line 18, wall 1, reason: is missing"),
    ((b"against =", b"againts ="), "line 22, wall 1, againts: unknown key"),
    ((b'except_people = ["c.park"]', b""), "line 25, wall 2, name: say whom it keeps out"),
    ((b'people = ["a.novak"]', b'people = ["a.nowak"]'),
     "line 22, wall 1, against: no [[person]] has the id 'a.nowak'"),
    ((b'people = ["a.novak"], groups', b"group"), "line 22, wall 1, against: must be {people"),
    ((b'groups = ["corporate"]', b"groups = []"), "line 22, wall 1, against: groups: must be"),
    ((b'except_people = ["c.park"]', b'except_people = ["x"]'),
     "line 29, wall 2, except_people: no [[person]]"),
    ((b'"Board"', b'"Project Juniper"'), "line 25, wall 2, name: 'Project Juniper' comes twice"),
    ((b"[privileged]", b"[priviledged]"), "line 31, priviledged: unknown table or key"),
    ((b"session_minutes = 15", b"session_minutes = 1"), "line 37, settings, session_minutes: must"),
    ((b"session_minutes = 15", b"session_minutes = 120\nsession_hours_max = 1"),
     "line 37, settings, session_minutes: is longer"),
    ((b"pseudonyms = true", b"pseudonyms = 1"), "line 36, settings, pseudonyms: must be true"),
    ((b"[settings]", b"[[settings]]"), "line 35, settings: write [settings]"),
    ((b"[[person]]", b"[person]"), "access.toml: "),
])
def test_problems_are_named(change: tuple[bytes, bytes], problem: str) -> None:
    """Each with its line, table and key; the whole file is refused."""
    with pytest.raises(Refused) as caught:
        parse_access(GOOD.replace(*change, 1))
    assert problem in str(caught.value)


def test_only_its_owner_may_touch_the_file(tmp_path: Path) -> None:
    """Who can write it decides who sees what."""
    path = tmp_path / "access.toml"
    with pytest.raises(Missing):
        load_access(path)
    path.write_bytes(GOOD)
    path.chmod(0o640)
    with pytest.raises(Refused, match="chmod 600"):
        load_access(path)
    path.chmod(0o600)
    assert len(load_access(path).people) == 2


def test_changes_are_told_in_words() -> None:
    """Who was added, who is gone, what was and is."""
    before = parse_access(GOOD)
    after = parse_access(GOOD.replace(b'["supervisor"]', b'["reviewer"]').replace(
        b"active = false", b"").replace(b'"Board"', b'"Directors"').replace(
            b"pseudonyms = true", b"").replace(b'"group:2"', b'"group:3"'))
    assert changes(before, after) == [
        "person a.novak: roles was supervisor, is reviewer",
        "person c.park: active was no, is yes",
        "wall Board removed",
        "wall Directors added: name Directors, reason not public, custodians dlee, "
        "conversations group:1, except_people c.park",
        "privileged: conversations was group:2, is group:3",
        "settings: pseudonyms was yes, is no"]
    assert changes(before, parse_access(GOOD + b"# a remark\n")) == []
    assert len(changes(AccessPolicy(), before)) == 8


def test_the_event_holds_the_file_and_what_changed() -> None:
    """A firm's own record of who brought which rules into force."""
    found = parse_access(GOOD)
    event = access_event(found, ["x" * 5_000], "c.park", NOW, 8)
    assert (event.kind, event.detail("action"), event.raw, event.retention_years) == (
        events.DIRECTORY, "access", GOOD, 8)
    assert event.detail("digest") == found.digest()
    said = event.detail("changes")
    assert said is not None and len(said) < 4_200 and said.endswith("kept with this record")
    assert event.actor is not None and event.actor.native_id == "c.park"


class Console:
    """A process that follows the file."""

    def __init__(self, home: Path) -> None:
        self.path = home / "access.toml"
        self.said: list[CapturedEvent] = []
        self.is_down = False
        self.file = AccessFile(home, self._record, lambda: NOW, lambda: 8, "console")

    def write(self, source: bytes) -> None:
        """Replace the file, as an editor does."""
        draft = self.path.with_name("draft")
        draft.write_bytes(source)
        draft.chmod(0o600)
        draft.replace(self.path)

    def _record(self, event: CapturedEvent) -> None:
        if self.is_down:
            raise Transient("log")
        self.said.append(event)


def test_a_change_is_recorded_before_it_holds(tmp_path: Path) -> None:
    """Once each, also over a restart; log down: the change is not in force and nobody looks."""
    console = Console(tmp_path)
    with pytest.raises(Missing):
        console.file.policy()
    console.write(GOOD)
    assert len(console.file.policy().people) == len(console.file.policy().people) == 2
    assert len(console.said) == 1
    again = Console(tmp_path)
    assert len(again.file.policy().people) == 2
    assert again.said == []
    console.write(GOOD.replace(b'["supervisor"]', b'["reviewer"]'))
    console.is_down = True
    with pytest.raises(Transient):
        console.file.policy()
    console.is_down = False
    assert console.file.policy().people[0].roles == ("reviewer",)
    assert console.said[1].detail("changes") == "person a.novak: roles was supervisor, is reviewer"
    console.write(GOOD + b"\n")
    assert console.file.policy().people[0].roles == ("supervisor",)
    assert len(console.said) == 3


def test_a_broken_file_changes_nothing_and_is_said(tmp_path: Path) -> None:
    """A typing error opens nothing and shuts nobody out; whoever watches is told."""
    console = Console(tmp_path)
    console.write(GOOD)
    console.file.policy()
    console.write(b"[[person]\n")
    assert len(console.file.policy().people) == 2
    assert console.file.problem.startswith("access.toml: ")
    console.path.unlink()
    assert len(console.file.policy().people) == 2
    assert "not there" in console.file.problem
    console.write(GOOD)
    assert (len(console.file.policy().people), console.file.problem) == (2, "")
    assert len(console.said) == 1
