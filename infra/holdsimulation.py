"""What a hold of some scope keeps, or would keep: domains, objects, bytes, messages, requests.

Owns the counting. Nothing is placed and the store is asked to hold nothing; the map of objects is
brought up to date for it, which reads every segment once in the life of a data folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from archive.holds import DOUBT, Fact, HoldFacts, keeps_objects
from infra.holdmap import HoldMap
from infra.holds import Holding
from infra.wire import Wire
from schemas.errors import Missing, QueryError, Refused
from schemas.holdacts import PLACED, Act, Scope
from search.hold.sources import IndexSources
from search.index import Index

Told = Callable[[str, int], None]
"""What is being done, and how many were looked at."""


@dataclass(frozen=True, slots=True)
class DomainRow:
    """One key domain that is kept, and why. `domain`: its id in hex."""

    domain: str
    custodian: str
    retention_class: str
    month: str
    compartment: str
    role: str
    why: str
    detail: str


@dataclass(frozen=True, slots=True)
class Simulation:
    """`messages`: that the scope names, null where that cannot be told; `records`: everything that
    lies in the domains; `objects`, `bytes`: of the segments and files (bytes of their cells and
    files, without frames); `requests`: that telling the store takes, `requests_left`: of these not
    yet made, for no other hold keeps the object."""

    domains: tuple[DomainRow, ...]
    messages: int | None
    records: int
    objects: int
    bytes: int
    requests: int
    requests_left: int
    doubts: tuple[str, ...]

    def machine(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "domains": [asdict(one) for one in self.domains],
                "doubts": list(self.doubts)}


def simulated(wire: Wire, parts: Holding, index: Index | None, scopes: Sequence[Scope],
              told: Told) -> Simulation:
    """What holds of these scopes keep together. Raises Transient, Halt as reading does."""
    if index is None:
        return Simulation((), 0, 0, 0, 0, 0, 0, ("nothing is archived yet",))
    with closing(parts.map()) as known:
        known.advance(parts.reader, index.state().cursors,
                      progress=lambda done: told("reading the archive, segments", done))
        sources = parts.sources(index, known, progress=lambda done: told(
            "looking at messages", done))
        return _counted(wire, parts, known, sources, scopes)


def _counted(wire: Wire, parts: Holding, known: HoldMap, sources: IndexSources,
             scopes: Sequence[Scope]) -> Simulation:
    kept = parts.kept(known, _as_placed(wire.clock(), scopes), sources)
    held = known.concerned(domain for domain, why in kept.items() if keeps_objects(why))
    generations = dict(known.domains())
    rows = []
    for domain, why in sorted(kept.items()):
        facts = parts.domain(domain, generations[domain])
        rows.append(DomainRow(
            domain.hex(), facts.custodian if facts else "",
            facts.retention_class if facts else "", facts.month if facts else "",
            facts.compartment if facts else "", facts.role if facts else "",
            why[0].why, why[0].detail))
    doubts = dict.fromkeys(one.detail for why in kept.values() for one in why if one.why == DOUBT)
    return Simulation(
        tuple(sorted(rows, key=lambda one: (one.role, one.custodian, one.month, one.domain))),
        _messages(sources, scopes), known.events_of(kept), len(held),
        sum(one.bytes for one in held),
        # A file's version is looked up once: its name alone stands in the event.
        sum(2 if one.key.startswith("media/") else 1 for one in held),
        sum((1 if one.version else 2) for one in held if not one.is_held), tuple(doubts))


def _as_placed(at: int, scopes: Sequence[Scope]) -> HoldFacts:
    # Its record would lie in the firm's own domain, which is no message's: left out here.
    return HoldFacts(frozenset(
        Fact(number.to_bytes(16, "big"), Act(f"{number:016x}", PLACED, "-", at, f"{number:016x}",
                                             "-", "-", scope), b"")
        for number, scope in enumerate(scopes)))


def _messages(sources: IndexSources, scopes: Sequence[Scope]) -> int | None:
    try:
        return sum(sources.count(one) for one in scopes)
    except (QueryError, Refused, Missing):
        return None
