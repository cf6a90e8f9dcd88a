"""A small firm with walls: its directory, its rules, its messages, and who may see which, said a
second time in plain Python, without tokens or nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from schemas import events
from schemas.assignment import Assignment, Assignments
from schemas.directory import Account, ConversationRule, Custodian, Directory, Group, Matter
from schemas.document import Document
from schemas.events import CapturedEvent, Identity
from search.access import roles
from search.access.people import AccessPolicy, Person, Privilege, Settings, Wall
from search.project import document
from tests.search import world
from tests.search.world import NOON, PROJECTOR, TOPIC

DAY: Final = 86_400_000
NUMBERS: Final = {"ann": "+15550000001", "ben": "+15550000002", "cleo": "+15550000003",
                  "dora": "+15550000004"}
CLIENT: Final = Identity("+16505551234", "e164", "Maria Souza")
GROUP_CHAT: Final = "group:12036304"
SPARE: Final = "+15550000009"           # an account that the directory does not know

DIRECTORY: Final = Directory(
    custodians=tuple(Custodian(name, name.title()) for name in NUMBERS),
    accounts=tuple(Account("whatsapp", number, name) for name, number in NUMBERS.items()),
    conversations=(ConversationRule("group:advice", "privileged"),),
    groups=(Group("litigation", ("ann", "ben"), ("sue",)), Group("corporate", ("cleo",)),
            Group("all", tuple(NUMBERS))),
    matters=(Matter("4711", "Doe v. Roe", ("ann",)),
             Matter("4712", "Project Juniper", ("cleo",), NOON, NOON + DAY),
             Matter("4713", "Lease", ("dora",), conversations=(GROUP_CHAT,))))
POLICY: Final = AccessPolicy(people=(
    Person("rita", "Rita", (roles.REVIEWER,), ("litigation",)),
    Person("sue", "Sue", (roles.SUPERVISOR,), (), custodian="ben"),
    Person("carl", "Carl", (roles.COMPLIANCE,), ("*",)),
    Person("lea", "Lea", (roles.LEGAL,), ("*",)),
    Person("max", "Max", (roles.REVIEWER,), (), ("4712", "4713")),
    Person("ada", "Ada", (roles.ADMINISTRATOR,)),
    Person("otto", "Otto", (roles.AUDITOR,)),
    Person("gone", "Gone", (roles.COMPLIANCE,), ("*",), active=False),
))


@dataclass(frozen=True, slots=True)
class Filed:
    """An event and its document; `at`: the time that it is sorted by."""

    event: CapturedEvent
    document: Document
    at: int


def filed(number: int, event: CapturedEvent, *more: CapturedEvent) -> Filed:
    """The document of `event` and of what `more` says of it."""
    found = []
    for place, one in enumerate((event, *more)):
        read = world.MemoryArchive(TOPIC).seal([one], number * 6 + place)
        projected = PROJECTOR.project(read.events[0], world.RETAIN_UNTIL)
        assert projected is not None
        found.append(projected)
    assert len({doc_id for doc_id, _ in found}) == 1, "several messages"
    made = document(found[0][0], [entry for _, entry in found])
    return Filed(event, made, made.sort_at)


def message(number: int, custodian: str, **more: Any) -> CapturedEvent:
    """A client's message to a custodian's own account."""
    account = NUMBERS.get(custodian, SPARE)
    values = {
        "account": account, "custodian": custodian, "actor": CLIENT, "direction": "in",
        "participants": (CLIENT, Identity(account, "e164")), "occurred_at": NOON + number,
        "captured_at": NOON + number + 1_000, "conversation": f"pair:{account}|+16505551234",
        **more}
    return world.event(events.MESSAGE, f"m{number}", f"hello {number}", **values)


def audit(number: int, kind: str = events.AUDIT) -> CapturedEvent:
    """One of the firm's own records."""
    return CapturedEvent(
        kind=kind, channel=events.FIRM_CHANNEL, source="search/1", account="",
        conversation=events.FIRM_CHANNEL, captured_at=NOON + number, occurred_at=NOON + number,
        native_id=f"a{number}", actor=Identity("rita", "user"), text="invoice",
        provenance=events.OWN)


# --- random firms ------------------------------------------------------------------------------


def random_directory(random: Random) -> Directory:
    """Groups and matters of any custodians and times."""
    names = list(NUMBERS)

    def some() -> tuple[str, ...]:
        return tuple(random.sample(names, random.randint(1, 3)))
    return Directory(
        custodians=DIRECTORY.custodians, accounts=DIRECTORY.accounts,
        conversations=(ConversationRule("group:advice", "privileged"),),
        groups=tuple(Group(name, some(), ("p1",) if random.random() < 0.3 else ())
                     for name in ("litigation", "corporate")),
        matters=tuple(Matter(
            name, name, some(), random.choice((None, NOON + 3)), random.choice((None, NOON + 9)),
            (GROUP_CHAT,) if random.random() < 0.4 else ()) for name in ("4711", "4712")))


def random_policy(random: Random) -> AccessPolicy:
    """People of any roles, groups and matters, and walls of every form."""
    people = tuple(Person(
        f"p{number}", f"P{number}", (random.choice((
            roles.REVIEWER, roles.SUPERVISOR, roles.COMPLIANCE, roles.LEGAL, roles.AUDITOR,
            roles.ADMINISTRATOR)),),
        random.choice(((), ("*",), ("litigation",), ("corporate", "no such group"))),
        random.choice(((), ("*",), ("4711",), ("4712", "no such matter"))),
        custodian=random.choice(("", *NUMBERS))) for number in range(4))

    def wall(number: int) -> Wall:
        kind = random.choice(("matter", "custodians", "conversations", "both"))
        against = random.choice(("people", "groups", "except"))
        return Wall(
            f"wall {number}", "a reason",
            matter=random.choice(("4711", "4712", "gone")) if kind == "matter" else "",
            custodians=(random.choice(list(NUMBERS)),) if kind in ("custodians", "both") else (),
            conversations=(GROUP_CHAT,) if kind in ("conversations", "both") else (),
            against_people=("p0", "p2") if against == "people" else (),
            against_groups=(random.choice(("litigation", "corporate", "gone")),)
            if against == "groups" else (),
            except_people=("p1",) if against == "except" else None)
    return AccessPolicy(
        people, tuple(wall(number) for number in range(random.randint(0, 3))),
        Privilege(conversations=random.choice(((), (GROUP_CHAT,)))), Settings())


def random_firm(random: Random) -> tuple[list[Filed], Assignments]:
    """Messages of every custodian and of nobody, and the firm's own records."""
    out: list[Filed] = []
    for number in range(24):
        custodian = random.choice(("", *NUMBERS))
        more: dict[str, Any] = {}
        if random.random() < 0.4:
            more["conversation"] = random.choice((GROUP_CHAT, "group:advice"))
        if random.random() < 0.3:
            # A colleague wrote it: his own copy lies elsewhere.
            more["actor"] = Identity(random.choice(list(NUMBERS.values())), "e164")
        if random.random() < 0.3:
            more["compartment"] = random.choice(("privileged", "matter-1"))
        out.append(filed(number, message(number, custodian, **more)))
    out += [filed(30 + place, audit(30 + place, kind)) for place, kind in enumerate((
        events.AUDIT, events.REVIEW, events.POLICY, events.DIRECTORY, events.HOLD, events.GAP))]
    assigned = Assignments([Assignment(
        "a1", NOON, "whatsapp", SPARE, random.choice(list(NUMBERS)), random.choice((
            None, NOON + 5)), None)] if random.random() < 0.7 else [])
    return out, assigned


# --- who may see what, a second time -----------------------------------------------------------


def may_see(person: Person, policy: AccessPolicy, directory: Directory, assigned: Assignments,
            one: Filed) -> bool:
    """Whether a person may see a message or a record."""
    may = roles.capabilities(person.roles)
    if not person.active:
        return False
    if one.document.kind not in events.ANSWERING_KINDS:
        return one.document.kind in roles.firm_kinds(may)
    if not roles.sees_content(may) or not _is_given(person, directory, assigned, one):
        return False
    if any(_is_behind(wall, directory, assigned, one) for wall in policy.walls
           if _keeps_out(wall, directory, person)):
        return False
    if roles.PRIVILEGED in may:
        return True
    hidden = {*policy.privileged.conversations, *(
        rule.conversation for rule in directory.conversations
        if rule.compartment in policy.privileged.compartments)}
    return (one.event.compartment not in policy.privileged.compartments
            and one.event.conversation not in hidden)


def _owner(assigned: Assignments, one: Filed) -> str:
    return one.event.custodian or assigned.custodian("whatsapp", one.event.account, one.at)


def _is_given(person: Person, directory: Directory, assigned: Assignments, one: Filed) -> bool:
    if "*" in person.groups:
        return True
    owner = _owner(assigned, one)
    for group in directory.groups:
        named = group.name in person.groups or (
            roles.SUPERVISOR in person.roles and person.person_id in group.supervisors)
        if named and owner in group.members:
            return True
    return any((matter.matter_id in person.matters or "*" in person.matters)
               and owner in matter.custodians and _is_of(matter, one)
               for matter in directory.matters)


def _is_of(matter: Matter, one: Filed) -> bool:
    return ((matter.since is None or matter.since <= one.at)
            and (matter.until is None or one.at < matter.until)
            and (not matter.conversations or one.event.conversation in matter.conversations))


def _keeps_out(wall: Wall, directory: Directory, person: Person) -> bool:
    if wall.except_people is not None:
        return person.person_id not in wall.except_people
    if person.person_id in wall.against_people:
        return True
    for name in wall.against_groups:
        group = next((one for one in directory.groups if one.name == name), None)
        if group is None or name in person.groups or person.person_id in group.supervisors \
                or (person.custodian and person.custodian in group.members):
            return True
    return False


def _is_behind(wall: Wall, directory: Directory, assigned: Assignments, one: Filed) -> bool:
    if wall.matter:
        matter = next((m for m in directory.matters if m.matter_id == wall.matter), None)
        if matter is None:
            return True
        if matter.conversations:
            return _is_of(matter, one)
        return _is_of(matter, one) and _concerns(matter.custodians, assigned, one)
    if wall.conversations and one.event.conversation not in wall.conversations:
        return False
    return not wall.custodians or _concerns(wall.custodians, assigned, one)


def _concerns(custodians: Sequence[str], assigned: Assignments, one: Filed) -> bool:
    """Captured of one of them, or with one of them taking part."""
    said = {who.native_id for who in (one.event.actor, *one.event.participants) if who}
    return _owner(assigned, one) in custodians or any(
        NUMBERS[name] in said for name in custodians)
