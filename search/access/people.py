"""The firm's rules of access, and what they come to for one person at one moment. Pure.

Owns `AccessPolicy` (one load of `access.toml`) and the way from it to a Viewer: roles × groups ×
matters give, walls and privilege take away, and what cannot be told is not given. Whatever a wall
names that the directory does not know closes more than was meant, never less.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from schemas.assignment import Window
from schemas.directory import Directory, Matter
from schemas.errors import Denied, Refused
from schemas.identity import canonical
from search.access import roles
from search.access.scope import Reach, Scope
from search.access.viewer import Viewer

ALL: Final = "*"
_NOT_SIGNED_IN: Final = "you have no access here"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signs in. `groups`, `matters`: names in the directory, or ("*",) = all.
    `custodian`: the id under which their own messages are captured, "" = none. `reports_to`: ids of
    people. `email`: how a sign-in by OIDC names them."""

    person_id: str
    name: str
    roles: tuple[str, ...]
    groups: tuple[str, ...] = ()
    matters: tuple[str, ...] = ()
    custodian: str = ""
    reports_to: tuple[str, ...] = ()
    email: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True)
class Wall:
    """What is behind it: a matter, or custodians, or conversations, or custodians' messages in
    these conversations. Whom it keeps out: `against_people` and everybody of `against_groups`; or
    everybody but `except_people` where that is not null."""

    name: str
    reason: str
    matter: str = ""
    custodians: tuple[str, ...] = ()
    conversations: tuple[str, ...] = ()
    against_people: tuple[str, ...] = ()
    against_groups: tuple[str, ...] = ()
    except_people: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Privilege:
    """What is withheld from supervision: compartments, and conversations by their ids."""

    compartments: tuple[str, ...] = ("privileged",)
    conversations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """`session_minutes`: of rest, until a session ends; `session_hours_max`: in any case.
    `claim_minutes`: how long an item stays with whoever took it."""

    pseudonyms: bool = False
    session_minutes: int = 30
    session_hours_max: int = 10
    require_totp: bool = True
    claim_minutes: int = 15


@dataclass(frozen=True, slots=True)
class Grant:
    """What two people opened to `person_id` until `until` (UTC ms). `what`: as in `reach_of`;
    `walls`: by name, which it passes; `privileged`: whether it passes privilege."""

    grant_id: str
    person_id: str
    what: str
    until: int
    walls: frozenset[str] = frozenset()
    privileged: bool = False


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """One load of the file."""

    people: tuple[Person, ...] = ()
    walls: tuple[Wall, ...] = ()
    privileged: Privilege = Privilege()
    settings: Settings = Settings()
    source: bytes = field(default=b"", repr=False)

    def digest(self) -> str:
        """Which load this is: SHA-256 of the file's bytes, hex."""
        return hashlib.sha256(canonical("counterfoil/access/v1", self.source)).hexdigest()

    def person(self, person_id: str) -> Person | None:
        """Whoever has that id, active or not."""
        return next((one for one in self.people if one.person_id == person_id), None)

    def active(self, person_id: str) -> Person:
        """Raises Denied, in the same words for somebody unknown and somebody who left."""
        found = self.person(person_id)
        if found is None or not found.active:
            raise Denied(_NOT_SIGNED_IN)
        return found

    def by_email(self, email: str) -> Person | None:
        """The active person with that address, letters of any case; null where none or several."""
        wanted = email.strip().casefold()
        found = [one for one in self.people
                 if one.active and one.email and one.email.casefold() == wanted]
        return found[0] if len(found) == 1 else None


def viewer_of(policy: AccessPolicy, directory: Directory, person_id: str, now: int,
              grants: Iterable[Grant] = (), session: str = "",
              only: frozenset[str] | None = None) -> Viewer:
    """What a person may do and see at `now` (UTC ms), by today's rules and today's directory.

    `only`: no more than these capabilities, and nothing that follows from another: a service
    token's. No glass is broken for one. Raises Denied for whoever is unknown or no longer active.
    """
    person = policy.active(person_id)
    may = roles.capabilities(person.roles)
    if only is not None:
        may, grants = may & only, ()
    scope = Scope((), firm_kinds=roles.firm_kinds(may))
    sees_content = roles.sees_content(may)
    opened_until = None
    if sees_content:
        open_now = [one for one in grants if one.person_id == person_id and now < one.until]
        opened = [_opened(policy, directory, person, one) for one in open_now]
        opened_until = max((one.until for one in open_now), default=None)
        scope = replace(_kept(policy, directory, person, reaches(directory, person), walls_of(
            policy, directory, person), privileged=roles.PRIVILEGED in may),
            firm_kinds=scope.firm_kinds, also=tuple(one for one in opened if one.reaches))
    return Viewer(person_id, scope, may,
                  pseudonyms=policy.settings.pseudonyms and sees_content, session=session,
                  opened_until=opened_until)


def reaches(directory: Directory, person: Person) -> tuple[Reach, ...]:
    """Whose messages a person's groups and matters give. A name that the directory does not know
    gives nothing."""
    if ALL in person.groups:
        return (Reach(None),)
    named = frozenset(groups_of(directory, person))
    custodians = frozenset(member for group in directory.groups if group.name in named
                           for member in group.members)
    found = [Reach(custodians)] if custodians else []
    found += [_matter(one) for one in directory.matters
              if ALL in person.matters or one.matter_id in person.matters]
    return tuple(found)


def groups_of(directory: Directory, person: Person) -> tuple[str, ...]:
    """The groups whose messages a person is given: those that `access.toml` names, and for a
    supervisor those that name him in `directory.toml`."""
    found = [name for name in person.groups if name != ALL]
    if roles.SUPERVISOR in person.roles:
        found += [one.name for one in directory.groups if person.person_id in one.supervisors]
    return tuple(dict.fromkeys(found))


def walls_of(policy: AccessPolicy, directory: Directory, person: Person) -> tuple[Wall, ...]:
    """The walls that keep a person out."""
    return tuple(one for one in policy.walls if is_kept_out(one, directory, person))


def is_kept_out(wall: Wall, directory: Directory, person: Person) -> bool:
    """Whether a wall stands before a person. A group that is not known is everybody."""
    if wall.except_people is not None:
        return person.person_id not in wall.except_people
    if person.person_id in wall.against_people:
        return True
    return any(_belongs(directory, name, person) for name in wall.against_groups)


def wall_reach(wall: Wall, directory: Directory) -> Reach:
    """What is behind a wall. A matter that the directory does not know is everything: whoever the
    wall keeps out sees no message until that is put right."""
    if wall.matter:
        found = next((one for one in directory.matters if one.matter_id == wall.matter), None)
        if found is None:
            return Reach(None)
        if found.conversations:
            # Whoever captured them: a colleague in the group has the same words.
            return Reach(None, found.since, found.until, frozenset(found.conversations))
        return Reach(frozenset(found.custodians), found.since, found.until,
                     held=_held(directory, found.custodians))
    if wall.custodians:
        return Reach(frozenset(wall.custodians), conversations=frozenset(wall.conversations),
                     held=_held(directory, wall.custodians))
    return Reach(None, conversations=frozenset(wall.conversations))


def withheld_conversations(policy: AccessPolicy, directory: Directory) -> frozenset[str]:
    """Conversations that are withheld by name, or by a rule of today's directory: what was captured
    before the rule has no compartment."""
    compartments = frozenset(policy.privileged.compartments)
    return frozenset(policy.privileged.conversations) | frozenset(
        one.conversation for one in directory.conversations if one.compartment in compartments)


def reach_of(what: str, directory: Directory) -> Reach:
    """What a break-glass request names: "everything", "custodian:ID", "group:NAME", "matter:ID" or
    "conversation:ID" (the id may hold colons). Raises Refused for what the directory lacks."""
    kind, _, name = what.partition(":")
    if what == "everything":
        return Reach(None)
    if kind == "custodian" and any(one.custodian_id == name for one in directory.custodians):
        return Reach(frozenset({name}))
    if kind == "conversation" and name:
        return Reach(None, conversations=frozenset({name}))
    for group in directory.groups:
        if kind == "group" and group.name == name:
            return Reach(frozenset(group.members))
    for matter in directory.matters:
        if kind == "matter" and matter.matter_id == name:
            return _matter(matter)
    raise Refused("write everything, custodian:ID, group:NAME, matter:ID or conversation:ID, with "
                  "a name that directory.toml has")


def line_of(policy: AccessPolicy, person_id: str) -> frozenset[str]:
    """The custodian ids on whose messages a person decides nothing: his own, and those of everybody
    he reports to, however far up."""
    seen: set[str] = set()
    ahead = [person_id]
    while ahead:
        one = policy.person(ahead.pop())
        if one is not None and one.person_id not in seen:
            seen.add(one.person_id)
            ahead += one.reports_to
    return frozenset(one.custodian for one in policy.people
                     if one.person_id in seen and one.custodian)


def problems(policy: AccessPolicy, directory: Directory) -> list[str]:
    """What the rules name and the directory does not know; each as a sentence."""
    return list(_problems(policy, directory))


def _problems(policy: AccessPolicy, directory: Directory) -> Iterator[str]:
    groups = {one.name for one in directory.groups}
    matters = {one.matter_id for one in directory.matters}
    custodians = {one.custodian_id for one in directory.custodians}
    for person in policy.people:
        who = f"person {person.person_id}"
        yield from (f"{who}: directory.toml has no group {name!r}, so it gives nothing"
                    for name in person.groups if name not in groups and name != ALL)
        yield from (f"{who}: directory.toml has no matter {name!r}, so it gives nothing"
                    for name in person.matters if name not in matters and name != ALL)
        if person.custodian and person.custodian not in custodians:
            yield (f"{who}: directory.toml has no custodian {person.custodian!r}; whose messages "
                   "are theirs is not known, and they could review themselves")
    for wall in policy.walls:
        who = f"wall {wall.name!r}"
        if wall.matter and wall.matter not in matters:
            yield (f"{who}: directory.toml has no matter {wall.matter!r}; until that is put right, "
                   "whoever the wall keeps out sees no message at all")
        yield from (f"{who}: directory.toml has no custodian {name!r}"
                    for name in wall.custodians if name not in custodians)
        yield from (f"{who}: directory.toml has no group {name!r}; until that is put right, the "
                    "wall keeps everybody out" for name in wall.against_groups
                    if name not in groups)


def _kept(policy: AccessPolicy, directory: Directory, person: Person, given: tuple[Reach, ...],
          walls: Iterable[Wall], *, privileged: bool) -> Scope:
    if privileged:
        withheld, conversations = frozenset[str](), frozenset[str]()
    else:
        withheld = frozenset(policy.privileged.compartments)
        conversations = withheld_conversations(policy, directory)
    return Scope(given, tuple(dict.fromkeys(wall_reach(one, directory) for one in walls)),
                 withheld, conversations)


def _opened(policy: AccessPolicy, directory: Directory, person: Person, grant: Grant) -> Scope:
    try:
        reach = reach_of(grant.what, directory)
    except Refused:
        return Scope(())  # the directory no longer knows what was opened
    may = roles.capabilities(person.roles)
    walls = [one for one in walls_of(policy, directory, person) if one.name not in grant.walls]
    return _kept(policy, directory, person, (reach,), walls,
                 privileged=grant.privileged or roles.PRIVILEGED in may)


def _matter(matter: Matter) -> Reach:
    return Reach(frozenset(matter.custodians), matter.since, matter.until,
                 frozenset(matter.conversations))


def _held(directory: Directory, custodians: Iterable[str]) -> tuple[Window, ...]:
    wanted = frozenset(custodians)
    return tuple(Window(one.channel, one.account, one.since, one.until)
                 for one in directory.accounts if one.custodian_id in wanted)


def _belongs(directory: Directory, name: str, person: Person) -> bool:
    """Whether a person is of a group: captured in it, its supervisor, or given its messages."""
    group = next((one for one in directory.groups if one.name == name), None)
    return (group is None or person.person_id in group.supervisors or name in person.groups
            or (person.custodian != "" and person.custodian in group.members))
