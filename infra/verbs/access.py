"""`access check`, `show`, `who`, `matrix`: who may see what, as access.toml and directory.toml say.

Owns what a screen shows. The rules of the file are `infra/access.py`'s, what they come to
`search/access/people.py`'s, the words `search/access/wording.py`'s. Nothing here is recorded: it is
the operator's own file, no message.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from infra.access import FILE, load_access
from infra.verbs.screen import OUT, bad, emit, shown, strong, verdict
from infra.wire import Wire
from schemas.directory import Directory
from schemas.errors import Denied, Missing, Refused
from search.access import people, roles
from search.access.people import AccessPolicy, Person
from search.access.wording import WORDS, kept_from, seen_by


def check(wire: Wire, file: Path | None, *, json: bool) -> int:
    """Whether a file would be taken, and whether the directory knows what it names; exit 1 if not.

    Without `file` the data folder's own. Raises Missing when there is none.
    """
    path = file or wire.home / FILE
    problems: list[str] = []
    counts: dict[str, int] = {}
    try:
        found = load_access(path)
        counts = {"people": len(found.people), "walls": len(found.walls),
                  "active": sum(one.active for one in found.people)}
        problems = [f"{path.name} {one}" for one in people.problems(found, wire.directory())]
    except Missing:
        raise
    except Refused as error:
        problems = str(error).splitlines()
    return verdict(path.name, problems, counts, json=json)


def show(wire: Wire, *, json: bool) -> int:
    """Everything that the file says. Raises Missing, Refused."""
    found = load_access(wire.home / FILE)
    rows = _rows(found)
    if json:
        emit({"file": FILE, "digest": found.digest(), **rows})
        return 0
    for part, said in rows.items():
        OUT.print(strong(part))
        for row in said if isinstance(said, list) else [said]:
            OUT.print("  " + "; ".join(f"{name} {_text(value)}" for name, value in row.items()
                                       if value not in (None, [], "")))
    return 0


def who(wire: Wire, person_id: str, *, json: bool) -> int:
    """What one person may do and see now, in words. Raises Missing for somebody unknown."""
    policy, directory = load_access(wire.home / FILE), wire.directory()
    person = policy.person(person_id)
    if person is None:
        raise Missing(f"{FILE} has no [[person]] with the id {person_id!r}; `counterfoil access "
                      "show` lists them")
    sees, kept = seen_by(policy, directory, person), kept_from(policy, directory, person)
    may = _may(policy, directory, person, wire.clock())
    if json:
        emit({"person": person.person_id, "name": person.name, "active": person.active,
              "roles": list(person.roles), "may": may, "sees": sees, "kept_from": kept})
        return 0
    OUT.print(strong(shown(f"{person.name} ({person.person_id})")), ", ".join(person.roles))
    if not person.active:
        OUT.print(bad("no access:"), "active is false")
        return 0
    for title, lines in (("may", [WORDS[one] for one in may]), ("sees", sees),
                         ("is kept from", kept)):
        OUT.print(strong(title))
        for line in lines or ["nothing"]:
            OUT.print(f"  {shown(line)}")
    return 0


def matrix(*, json: bool) -> int:
    """Which role may do what."""
    if json:
        emit({"roles": {role: sorted(may) for role, may in roles.ROLES.items()},
              "capabilities": WORDS})
        return 0
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for capability, words in WORDS.items():
        table.add_row(words, ", ".join(role for role, may in roles.ROLES.items()
                                       if capability in may))
    OUT.print(table)
    return 0


def _may(policy: AccessPolicy, directory: Directory, person: Person, now: int) -> list[str]:
    try:
        held = people.viewer_of(policy, directory, person.person_id, now).may
    except Denied:
        return []
    return [one for one in WORDS if one in held]


def _rows(found: AccessPolicy) -> dict[str, Any]:
    settings = found.settings
    return {
        "people": [{"id": one.person_id, "name": one.name, "roles": list(one.roles),
                    "groups": list(one.groups), "matters": list(one.matters),
                    "custodian": one.custodian or None, "reports_to": list(one.reports_to),
                    "email": one.email or None, "active": one.active} for one in found.people],
        "walls": [{"name": one.name, "reason": one.reason, "matter": one.matter or None,
                   "custodians": list(one.custodians), "conversations": list(one.conversations),
                   "against_people": list(one.against_people),
                   "against_groups": list(one.against_groups),
                   "except_people": None if one.except_people is None else list(
                       one.except_people)} for one in found.walls],
        "privileged": {"compartments": list(found.privileged.compartments),
                       "conversations": list(found.privileged.conversations)},
        "settings": {"pseudonyms": settings.pseudonyms,
                     "session_minutes": settings.session_minutes,
                     "session_hours_max": settings.session_hours_max,
                     "require_totp": settings.require_totp,
                     "claim_minutes": settings.claim_minutes},
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return shown(", ".join(value) if isinstance(value, list) else str(value))
