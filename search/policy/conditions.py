"""Which messages a rule looks at: who wrote to whom, in which direction, where, when, in which
language. Pure.

Owns the meaning of `lexicon.Conditions` and of exempt senders. People are found as `from:` finds
them (search/identity.py); a group of the directory stands for its members.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from schemas.assignment import Assignments
from schemas.directory import Directory
from search.identity import Fact, Sides, alternatives, custodian_facts
from search.policy.languages import may_be
from search.policy.lexicon import ANY, GROUP, Conditions
from search.policy.message import Message
from search.query import Links, Reached


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody is meant who is known by all facts of any of `always`, or of one of `linked` at the
    time that it was theirs."""

    always: tuple[frozenset[Fact], ...] = ()
    linked: tuple[Reached, ...] = ()

    def is_one_of(self, side: frozenset[Fact], at: int) -> bool:
        """Whether a side of a message of that time (UTC ms) is one of them."""
        return any(side >= wanted for wanted in self.always) or any(
            one.covers(at) and side.issuperset(one.facts) for one in self.linked)


@dataclass(frozen=True, slots=True)
class Firm:
    """What of the firm a policy is read with. `zone`: in which its days and hours are; `region`:
    two letters of the country whose national numbers are understood; `directory`: of the groups;
    `assigned`: whose what was captured unassigned is; `links`: who else somebody is, for the values
    that `match.party_values` names."""

    zone: tzinfo = UTC
    region: str | None = None
    directory: Directory = field(default_factory=Directory)
    assigned: Assignments = field(default_factory=Assignments)
    links: Links = field(default_factory=dict)


class Gate:
    """Lets the messages pass that a rule looks at."""

    def __init__(self, conditions: Conditions, exempt: Sequence[str], firm: Firm) -> None:
        self._conditions = conditions
        self._firm = firm
        self._senders = people(conditions.senders, firm)
        self._recipients = people(conditions.recipients, firm)
        self._parties = people(conditions.parties, firm)
        self._exempt = people(exempt, firm)
        self.asks_people = bool(conditions.senders or conditions.recipients
                                or conditions.parties or exempt)
        self._languages = frozenset(conditions.languages)

    def passes(self, message: Message) -> bool:
        """Whether the rule looks at the message, its language apart."""
        return self.passes_by(message.lead.direction, message.lead.channel, message.at) and (
            not self.asks_people or self._knows(message.sides(self._firm.assigned), message.at))

    def passes_by(self, direction: str | None, channel: str, at: int) -> bool:
        """Whether it looks at a message of that time (UTC ms), people and language apart."""
        asked = self._conditions
        if asked.direction != ANY and direction not in (asked.direction, None):
            return False
        if asked.channels and channel not in asked.channels:
            return False
        if not asked.times:
            return True
        here = datetime.fromtimestamp(at / 1000, self._firm.zone)
        return any(one.covers(here) for one in asked.times)

    def speaks(self, text: str) -> bool:
        """Whether a text may be in one of the rule's languages."""
        if not self._languages:
            return True
        known = may_be(text)
        return not known or not known.isdisjoint(self._languages)

    def _knows(self, sides: Sides, at: int) -> bool:
        asked = self._conditions
        if self._exempt.is_one_of(sides.actor, at):
            return False
        if asked.senders and not self._senders.is_one_of(sides.actor, at):
            return False
        if asked.recipients and not self._recipients.is_one_of(sides.recipients, at):
            return False
        return not asked.parties or self._parties.is_one_of(sides.actor, at) or (
            self._parties.is_one_of(sides.recipients, at))


def people(named: Iterable[str], firm: Firm) -> Known:
    """Everybody that `named` means; a group that the directory does not have means nobody."""
    found: dict[frozenset[Fact], None] = {}
    linked: list[Reached] = []
    groups = {one.name: one.members for one in firm.directory.groups}
    for one in named:
        if one.startswith(GROUP):
            for member in groups.get(group_of(one), ()):
                found[frozenset(custodian_facts(member))] = None
        else:
            found.update(dict.fromkeys(map(frozenset, alternatives(one, firm.region))))
            linked += firm.links.get(one, ())
    return Known(tuple(found), tuple(linked))


def group_of(named: str) -> str:
    """The name in "group:NAME"; "" where it names a person."""
    return named.removeprefix(GROUP).strip() if named.startswith(GROUP) else ""


def unknown_groups(named: Iterable[str], directory: Directory) -> tuple[str, ...]:
    """Groups that are named and that the directory does not have, sorted."""
    known = {one.name for one in directory.groups}
    return tuple(sorted({group for one in named if (group := group_of(one))} - known))
