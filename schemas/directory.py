"""Who is who at a given moment: custodians, accounts, groups, matters and the rest (PROTOCOL C4).

Pure. `infra/directory.py` reads the file; capture resolves here and writes the answer into the
event, so that a rebuild never reads today's file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from schemas.identity import canonical


@dataclass(frozen=True, slots=True)
class Custodian:
    """A person whose business communications are captured."""

    custodian_id: str
    name: str
    retention_class: str = "default"


@dataclass(frozen=True, slots=True)
class Account:
    """A firm-side identity and whose it was, from when until when (UTC ms, half open).

    `max_silence_h`: hours without an event after which somebody has to look; null = not watched.
    """

    channel: str                 # whatsapp | sms
    account: str                 # +15550783881, or a provider's id of the number
    custodian_id: str
    since: int | None = None
    until: int | None = None
    max_silence_h: float | None = None

    def covers(self, at: int) -> bool:
        """Whether the account was theirs at `at` (UTC ms)."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class ConversationRule:
    """A compartment set for one conversation: a matter, privileged, personal and disputed."""

    conversation: str
    compartment: str
    retention_class: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A team: custodians by id, and who supervises them, as `search.operator` names people."""

    name: str
    members: tuple[str, ...]
    supervisors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matter:
    """A case: whose messages of which time concern it (UTC ms, half open; null = open), and the
    conversations that do, or none = any of theirs."""

    matter_id: str
    name: str
    custodians: tuple[str, ...]
    since: int | None = None
    until: int | None = None
    conversations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """Who was told that messages are captured: a custodian, or a counterparty's account on a
    channel; when (UTC ms), how, and the words or the document that says them."""

    at: int
    how: str
    custodian_id: str = ""
    channel: str = ""
    account: str = ""
    text: str = ""
    document: str = ""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A personal chat on a firm's account: the conversation, or everything with one counterparty.
    Dropped before anything of it is sealed, and counted: ingest/exclusions.py, decision 0019."""

    channel: str
    account: str
    reason: str
    conversation: str = ""
    counterparty: str = ""
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the directory said of one event."""

    custodian: str
    retention_class: str
    retention_years: int
    compartment: str


@dataclass(frozen=True, slots=True)
class Directory:
    """One load of the file. `classes` maps a retention class to years."""

    custodians: tuple[Custodian, ...] = ()
    accounts: tuple[Account, ...] = ()
    conversations: tuple[ConversationRule, ...] = ()
    classes: tuple[tuple[str, int], ...] = (("default", 7),)
    groups: tuple[Group, ...] = ()
    matters: tuple[Matter, ...] = ()
    notices: tuple[Notice, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    source: bytes = field(default=b"", repr=False)

    def digest(self) -> str:
        """Which load this is: SHA-256 of the file's bytes, hex."""
        return hashlib.sha256(canonical("counterfoil/directory/v1", self.source)).hexdigest()

    def years(self, retention_class: str) -> int:
        """Years of a class; an unknown class counts as the longest, so nothing goes too early."""
        known = dict(self.classes)
        return known.get(retention_class, self.longest())

    def longest(self) -> int:
        """The longest class in years."""
        return max((years for _, years in self.classes), default=7)

    def firm_years(self) -> int:
        """Years of the firm's own events and of quarantine: one more than the longest (K4)."""
        return self.longest() + 1

    def resolve(self, channel: str, account: str, conversation: str, at: int) -> Resolved:
        """Custodian, class and compartment of an event on `account` at `at` (UTC ms).

        `channel` mms counts as sms. An unknown account is custodian "" (unassigned), kept for the
        longest class whatever a conversation's rule says: it shares its key, and so its lock, with
        everything else that nobody has claimed yet.
        """
        rule = next((r for r in self.conversations if r.conversation == conversation), None)
        compartment = rule.compartment if rule else ""
        custodian = self._custodian(channel, account, at)
        if custodian is None:
            return Resolved("", "unassigned", self.longest(), compartment)
        name = custodian.retention_class
        if rule and rule.retention_class:
            name = rule.retention_class
        return Resolved(custodian.custodian_id, name, self.years(name), compartment)

    def told_at(self, custodian_id: str) -> int | None:
        """When a custodian was first given notice of the capture (UTC ms); null = never."""
        return min((one.at for one in self.notices if one.custodian_id == custodian_id),
                   default=None)

    def _custodian(self, channel: str, account: str, at: int) -> Custodian | None:
        channel = "sms" if channel == "mms" else channel
        for one in self.accounts:
            if one.channel != channel or one.account != account:
                continue
            if one.since is not None and at < one.since:
                continue
            if one.until is not None and at >= one.until:
                continue
            return next((c for c in self.custodians if c.custodian_id == one.custodian_id), None)
        return None
