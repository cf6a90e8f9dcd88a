"""`access check`, `show`, `who`, `matrix`: who may see what, as access.toml and directory.toml say.

Owns the words. The rules of the file are `infra/access.py`'s, what they come to
`search/access/people.py`'s. Nothing here is recorded: it is the operator's own file, no message.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from infra.access import FILE, load_access
from infra.verbs.screen import OUT, bad, emit, good, instant, shown, strong
from infra.wire import Wire
from schemas.directory import Directory
from schemas.errors import Denied, Missing, Refused
from search.access import people, roles
from search.access.people import ALL, AccessPolicy, Person, Wall
from search.access.scope import Reach

# What a capability lets somebody do, in the order of the table.
WORDS = {
    roles.SEARCH: "search messages",
    roles.VIEW: "open a message and its conversation",
    roles.PRIVILEGED: "see what is privileged",
    roles.UNMASK: "see names behind pseudonyms, with a reason",
    roles.QUEUE: "work in the review queue",
    roles.DECIDE: "decide on an item",
    roles.SECOND: "be the second pair of eyes",
    roles.ASSIGN: "give items to reviewers",
    roles.BULK: "decide on several items at once",
    roles.REOPEN: "open a decided item again",
    roles.SAMPLE_READ: "see the sample of cleared items",
    roles.POLICY_READ: "read the policies",
    roles.POLICY_TEST: "try a policy on the archive",
    roles.REPORTS: "see reports of reviews",
    roles.DASHBOARD: "see figures",
    roles.AUDIT: "see who looked at what",
    roles.HOLD_READ: "see legal holds",
    roles.BREAK_GLASS: "ask for more, for a time",
    roles.BREAK_GLASS_APPROVE: "approve such a request of somebody else",
    roles.TOKENS: "make access tokens of one's own",
    roles.ACCOUNTS: "manage sign-in accounts",
    roles.DIRECTORY: "see changes of the directory",
}


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
    if json:
        emit({"ok": not problems, "file": path.name, "problems": problems, "counts": counts})
        return 1 if problems else 0
    for problem in problems:
        OUT.print(bad("wrong"), shown(problem))
    if not problems:
        OUT.print(good(f"{path.name} is in order:"),
                  ", ".join(f"{count} {part}" for part, count in counts.items()))
    return 1 if problems else 0


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


def seen_by(policy: AccessPolicy, directory: Directory, person: Person) -> list[str]:
    """Whose messages a person is given, one sentence for each ground; [] = none."""
    if not person.active or not roles.sees_content(roles.capabilities(person.roles)):
        return []
    if ALL in person.groups:
        return ["everybody's messages, and those that nobody was assigned"]
    out = []
    for name in people.groups_of(directory, person):
        group = next((one for one in directory.groups if one.name == name), None)
        members = sorted(group.members) if group else []
        out.append(f"group {name}: the messages of {_several(members, 'nobody')}")
    out += [f"matter {one.matter_id} ({one.name}): "
            + _reach(people.reach_of(f"matter:{one.matter_id}", directory))
            for one in directory.matters
            if ALL in person.matters or one.matter_id in person.matters]
    if policy.settings.pseudonyms:
        out.append("names only as pseudonyms, until an item is escalated")
    return out


def kept_from(policy: AccessPolicy, directory: Directory, person: Person) -> list[str]:
    """What a person does not see although a group or a matter gives it."""
    if not person.active or not roles.sees_content(roles.capabilities(person.roles)):
        return []
    out = [f"wall {one.name!r} ({one.reason}): " + _behind(one, directory)
           for one in people.walls_of(policy, directory, person)]
    if roles.PRIVILEGED not in roles.capabilities(person.roles):
        names = sorted(policy.privileged.compartments)
        hidden = sorted(people.withheld_conversations(policy, directory))
        if names:
            out.append(f"privileged: everything captured as {_several(names, '')}")
        if hidden:
            out.append(f"privileged: the conversations {_several(hidden, '')}")
    return out


def _may(policy: AccessPolicy, directory: Directory, person: Person, now: int) -> list[str]:
    try:
        held = people.viewer_of(policy, directory, person.person_id, now).may
    except Denied:
        return []
    return [one for one in WORDS if one in held]


def _behind(wall: Wall, directory: Directory) -> str:
    if wall.matter and all(one.matter_id != wall.matter for one in directory.matters):
        return f"every message, because directory.toml has no matter {wall.matter!r}"
    return _reach(people.wall_reach(wall, directory)) + (
        ", also as other phones captured it" if wall.custodians or wall.matter else "")


def _reach(reach: Reach) -> str:
    said = ("everybody's messages" if reach.custodians is None else
            f"the messages of {_several(sorted(reach.custodians), 'nobody')}")
    if reach.conversations:
        said += f" in {_several(sorted(reach.conversations), '')}"
    if reach.since is not None:
        said += f", from {_day(reach.since)}"
    return said if reach.until is None else f"{said}, before {_day(reach.until)}"


def _day(at: int) -> str:
    return (instant(at) or "").removesuffix("T00:00:00.000Z")


def _several(names: list[str], none: str) -> str:
    if len(names) > 12:
        return f"{', '.join(names[:10])} and {len(names) - 10} more"
    return ", ".join(names) or none


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
