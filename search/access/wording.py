"""What the rules of access come to, in words for people. Pure.

Owns the words: of capabilities, of whose messages somebody is given, and of what is kept from him.
The verbs `access` and the console's pages say the same.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from schemas.directory import Directory
from search.access import people, roles
from search.access.people import ALL, AccessPolicy, Person, Wall
from search.access.scope import Reach

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# What a capability lets somebody do, in the order of the table.
WORDS: Final = {
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
    roles.HOLD_PLACE: "place a legal hold",
    roles.HOLD_RELEASE: "ask for the release of a hold, or grant somebody else's request",
    roles.DISPOSE: "list what is due to be destroyed, and approve somebody else's list",
    roles.EXPORT: "ask for an export of messages, approve somebody else's, and say who got it",
    roles.BREAK_GLASS: "ask for more, for a time",
    roles.BREAK_GLASS_APPROVE: "approve such a request of somebody else",
    roles.TOKENS: "make access tokens of one's own",
    roles.ACCOUNTS: "manage sign-in accounts",
    roles.DIRECTORY: "see changes of the directory",
}


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
    out = [f"wall {one.name!r} ({one.reason}): " + behind(one, directory)
           for one in people.walls_of(policy, directory, person)]
    if roles.PRIVILEGED not in roles.capabilities(person.roles):
        names = sorted(policy.privileged.compartments)
        hidden = sorted(people.withheld_conversations(policy, directory))
        if names:
            out.append(f"privileged: everything captured as {_several(names, '')}")
        if hidden:
            out.append(f"privileged: the conversations {_several(hidden, '')}")
    return out


def behind(wall: Wall, directory: Directory) -> str:
    """What lies behind a wall."""
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
    moment = _EPOCH + timedelta(milliseconds=at)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z".removesuffix("T00:00:00.000Z")


def _several(names: list[str], none: str) -> str:
    if len(names) > 12:
        return f"{', '.join(names[:10])} and {len(names) - 10} more"
    return ", ".join(names) or none
