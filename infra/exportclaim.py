"""Of which key domains an export claims to be complete, and which of them were erased.

Owns the way from custodians to domains, by the keyring and by the acts of disposition on record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property

from archive.keyring import DomainKeys, name_of
from archive.seal import facts_in
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


_NOT_KNOWN = ("Some of it lies under a key that does not open any more, and of which nobody knows "
              "what it stands for. Each record that is here is proved; that nothing else of it is "
              "in the archive is not claimed.")
_NOT_ALL = ("Whoever asked for this export does not see everything of it. Each record that is here "
            "is proved; that nothing else of it is in the archive is not claimed.")


class Claims:
    """For one export."""

    def __init__(self, keys: DomainKeys, index: Index, bodies: Bodies,
                 datums: Callable[[bytes], Iterable[bytes]]) -> None:
        """`datums`: those of a key domain that can be read."""
        self._keys, self._index, self._bodies, self._datums = keys, index, bodies, datums

    def claim(self, wanted: Wanted, custodians: frozenset[str],
              tags: Sequence[tuple[str, bytes]], within: Collection[bytes], *,
              sees_all: bool) -> Claim:
        """What is claimed. `custodians`: whose messages were chosen; `within`: the key domains in
        which something lies that is in the package or listed; `sees_all`: whether who asked sees
        all of it."""
        def nothing(why: str) -> Claim:
            return Claim(complete.NONE, why, wanted.since, wanted.until)

        if not wanted.is_whole or not sees_all:
            return nothing(_NOT_ALL if wanted.is_whole else _NOT_WHOLE)
        if not within:
            return nothing(complete.NOTHING)
        known = self._known()
        if not known.keys() >= set(within):
            return nothing(_NOT_KNOWN)
        kind, named = complete.CUSTODIANS, frozenset(wanted.custodians)
        if wanted.conversations:
            # Versions of one message may have been captured for several: it is about all of them.
            kind = complete.CONVERSATIONS
            named = custodians.union(known[one].custodian for one in within) - {""}
        found = _domains(known, named, wanted.since,
                         unassigned=kind == complete.CONVERSATIONS)
        if kind == complete.CONVERSATIONS:
            found |= {one: known[one] for one in within}
        return complete.claimed(kind, wanted.since, wanted.until, found, tags)

    def is_erased(self, domain: bytes, generation: int) -> bool:
        """Whether that key was destroyed by right."""
        return name_of(domain, generation) in self._erased

    def _known(self) -> dict[bytes, DomainFacts]:
        """What every key domain stands for of which a key opens, or was destroyed by right."""
        found = {bytes.fromhex(name.partition("/")[0]): facts
                 for name, facts in self._erased.items()}
        for domain, _, opened in self._keys.all():
            if not isinstance(opened, Refused):
                found[domain] = opened.facts if opened.facts.custodian or opened.facts.role \
                    else self._said(domain, opened.facts)
        return found

    def _said(self, domain: bytes, facts: DomainFacts) -> DomainFacts:
        """Of a domain whose first datum did not parse nobody knew whose it is; later ones say it.
        """
        return next((said for one in self._datums(domain)
                     if (said := facts_in(one)) is not None), facts)

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


def _domains(known: Mapping[bytes, DomainFacts], custodians: frozenset[str], since: int | None, *,
             unassigned: bool) -> dict[bytes, DomainFacts]:
    """Every key domain of these custodians; `unassigned`: those too of what was captured while it
    was nobody's. From the month of `since` on, without an end: what happened in a month can have
    been captured, and counted, in a later one."""
    first = domains.month_text(since) if since is not None else ""
    nobodys = domains.ROLE_NAMES[domains.UNASSIGNED]
    return {domain: facts for domain, facts in known.items() if facts.month >= first and (
        facts.custodian in custodians if facts.custodian
        else unassigned and facts.role == nobodys)}
