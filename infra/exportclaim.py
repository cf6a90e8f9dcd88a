"""Of which key domains an export claims to be complete, and which of them were erased.

Owns the way from custodians to domains, by the keyring and by the acts of disposition on record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from archive.keyring import DomainKeys, name_of
from schemas import disposition, domains, events
from schemas.domains import DomainFacts
from schemas.errors import Missing, Refused
from search.bodies import Bodies
from search.export import complete
from search.export.complete import Claim
from search.export.wanted import Wanted
from search.index import Index, pages
from search.query import Term, TokenQuery

_ACTS = TokenQuery(Term("kinds", events.DISPOSITION), frozenset({events.DISPOSITION}))
_NOT_WHOLE = ("This is a selection by a query, by ids or by a hold. Each record of it is proved, "
              "and not that nothing else in the archive matches: only whole conversations and "
              "whole custodians can be shown to be complete.")


_NOT_ALL = ("Whoever asked for this export does not see everything of it. Each record that is here "
            "is proved; that nothing else of it is in the archive is not claimed.")


class Claims:
    """For one export."""

    def __init__(self, keys: DomainKeys, index: Index, bodies: Bodies) -> None:
        self._keys, self._index, self._bodies = keys, index, bodies

    def claim(self, wanted: Wanted, custodians: frozenset[str],
              tags: Sequence[tuple[str, bytes]], *, sees_all: bool) -> Claim:
        """What is claimed. `custodians`: whose messages were chosen; `sees_all`: whether who asked
        sees all of it."""
        if not wanted.is_whole or not sees_all:
            return Claim(complete.NONE, _NOT_ALL if wanted.is_whole else _NOT_WHOLE, wanted.since,
                         wanted.until)
        kind = complete.CONVERSATIONS if wanted.conversations else complete.CUSTODIANS
        named = frozenset(wanted.custodians) or custodians
        is_talk = kind == complete.CONVERSATIONS
        return Claim(kind, "", wanted.since, wanted.until,
                     self._domains(named, wanted.since, unassigned=is_talk),
                     tags if is_talk else ())

    def is_erased(self, domain: bytes, generation: int) -> bool:
        """Whether that key was destroyed by right."""
        return name_of(domain, generation) in self._erased

    def _domains(self, custodians: frozenset[str], since: int | None, *,
                 unassigned: bool) -> dict[bytes, DomainFacts]:
        """Every key domain of these custodians; `unassigned`: those too of what was captured while
        it was nobody's. From the month of `since` on, without an end: what happened in a month can
        have been captured, and counted, in a later one."""
        first = domains.month_text(since) if since is not None else ""
        nobodys = domains.ROLE_NAMES[domains.UNASSIGNED]

        def is_meant(facts: DomainFacts) -> bool:
            return facts.month >= first and (
                facts.custodian in custodians if facts.custodian
                else unassigned and facts.role == nobodys)

        found: dict[bytes, DomainFacts] = {}
        for name, facts in self._erased.items():
            if is_meant(facts):
                found[bytes.fromhex(name.partition("/")[0])] = facts
        for domain, _, opened in self._keys.all():
            if not isinstance(opened, Refused) and is_meant(opened.facts):
                found[domain] = opened.facts
        return found

    @cached_property
    def _erased(self) -> Mapping[str, DomainFacts]:
        """By name: what the keys stood for that were destroyed by right."""
        acts = set()
        for found in pages(self._index, _ACTS):
            for entry in found.entries:
                try:
                    acts.add(disposition.read_act(self._bodies.event(found, entry)))
                except (Missing, Refused):
                    continue  # then the key counts as lost, and a claim over its cells is refused
        record = disposition.record_of(acts)
        out: dict[str, DomainFacts] = {}
        for listing in record.listings:
            for row in listing.listed.value("domains") or ():
                if row["key"] in record.erased:
                    out[row["key"]] = DomainFacts(row["custodian"], row["class"], row["month"],
                                                  row["compartment"], row["years"], row["role"])
        return out
