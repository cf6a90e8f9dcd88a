"""Where an event goes: conversation tag, partition and key domain (PROTOCOL T4).

Owns the routing key's use: its labelled subkeys make the opaque ids that the broker sees.
"""

from __future__ import annotations

from typing import Final, TypeVar

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from schemas import domains
from schemas.events import CapturedEvent
from schemas.identity import canonical, keyed

# Ids of either kind that are kept at hand.
_KNOWN_MAX: Final = 20_000
_Name = TypeVar("_Name")


class Router:
    """Opaque ids under the 32-byte routing key. A process without one (console, archiver) passes
    None: it may then route the firm's own events only."""

    def __init__(self, routing_key: bytes | None, capture_id: bytes) -> None:
        self._capture_id = capture_id
        self._conversation = _subkey(routing_key, "conversation") if routing_key else None
        self._domain = _subkey(routing_key, "domain") if routing_key else None
        self._exclusions = _subkey(routing_key, "exclusions") if routing_key else None
        self._tags: dict[tuple[str, str], bytes] = {}
        self._known: dict[tuple[str, str, int, int, int, str], bytes] = {}

    def tag(self, event: CapturedEvent) -> bytes:
        """16 bytes: the conversation's, or this process's capture id for the firm's own events."""
        if domains.role_of(event) == domains.FIRM:
            return self._capture_id
        if self._conversation is None:
            raise AssertionError("no routing key: only the firm's own events may be routed")
        name = event.channel, event.conversation
        known = self._tags.get(name)
        if known is None:
            _make_room(self._tags)
            known = self._tags[name] = keyed(self._conversation, "tag", *name)
        return known

    def domain(self, event: CapturedEvent) -> bytes:
        """16 bytes: reserved for firm, quarantine and unassigned, else an HMAC. A class that is
        given other years in mid-month is another domain: the keyring says a domain's years once."""
        year, month = domains.month_of(event)
        role = domains.role_of(event)
        if role:
            return domains.reserved(role, year, month)
        if self._domain is None:
            raise AssertionError("no routing key: only the firm's own events may be routed")
        name = (event.custodian, event.retention_class, event.retention_years, year, month,
                event.compartment)
        known = self._known.get(name)
        if known is None:
            _make_room(self._known)
            known = self._known[name] = keyed(self._domain, "domain", *name)
        return known

    def exclusion_key(self) -> bytes:
        """32 bytes: what counts of excluded items are sealed under until they are said."""
        if self._exclusions is None:
            raise AssertionError("no routing key: nothing is captured here")
        return self._exclusions


def _make_room(known: dict[_Name, bytes]) -> None:
    """At the limit all are worked out anew: it is reached by an import, and costs it little."""
    if len(known) >= _KNOWN_MAX:
        known.clear()


def partition_of(tag: bytes, partitions: int) -> int:
    """The partition of a tag: its last 8 bytes, big-endian, modulo the width."""
    return int.from_bytes(tag[8:], "big") % partitions


def _subkey(routing_key: bytes, label: str) -> bytes:
    info = canonical("counterfoil/routing/v1", label)
    return HKDFExpand(algorithm=SHA256(), length=32, info=info).derive(routing_key)
