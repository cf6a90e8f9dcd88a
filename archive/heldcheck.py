"""Whether the store holds every object that a hold in force concerns. For `verify`.

Owns that one comparison. The acts of holds and the domains of segments are read from the archive
itself; where messages of a conversation, a matter or a query lie is asked of the port Sources. What
was placed or sealed a moment ago is not judged: the store is told behind the index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from archive import holds
from archive.holds import Content, Fact, HoldFacts, Sources
from archive.keyring import DomainKeys, reserved_facts
from archive.media import record_of
from archive.store import ObjectStore
from schemas import domains
from schemas.directory import Matter
from schemas.domains import DomainFacts
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent
from schemas.findings import Finding
from schemas.holdacts import Scope

SETTLE_MS: Final = 600_000
# Those that are sure; a doubt keeps keys, and is an alarm of its own.
_SURE: Final = frozenset({holds.FACTS, holds.CONTENT, holds.NOBODYS})

SourcesOf = Callable[[Callable[[str], bool]], Sources]
"""Of whether a segment counts, by its key: the sources that look at such segments only."""


@dataclass(slots=True)
class _Segment:
    """A segment of record: when it was sealed, what lies in it, and whether the store holds it."""

    key: str
    sealed_at: int
    cells: tuple[tuple[bytes, int], ...]      # (domain, generation)
    is_held: bool


class FactsOnly:
    """Sources where there is no index: nothing is known of content."""

    def matter(self, matter_id: str) -> Sequence[Matter]:
        """A row that only content could tell."""
        return (Matter(matter_id, "", (), conversations=("",)),)

    def content(self, scope: Scope) -> Content:
        """Nothing."""
        return Content()


@dataclass(slots=True)
class HoldCheck:
    """Gathers while segments are read, and compares at the end. 200 bytes of memory a segment."""

    _segments: dict[str, _Segment] = field(default_factory=dict)
    _facts: set[Fact] = field(default_factory=set)
    _places: dict[bytes, set[str]] = field(default_factory=dict)
    _media: dict[str, tuple[bytes, int, int]] = field(default_factory=dict)
    _cells: dict[tuple[tuple[bytes, int], ...], tuple[tuple[bytes, int], ...]] = field(
        default_factory=dict)

    def segment(self, key: str, sealed_at: int, cells: Iterable[tuple[bytes, int]], *,
                is_held: bool) -> None:
        """One segment of record."""
        known = tuple(sorted(set(cells)))
        self._segments[key] = _Segment(key, sealed_at, self._cells.setdefault(known, known),
                                       is_held)

    def act(self, event: CapturedEvent, segment: str) -> None:
        """An event of kind `hold` that its session may say."""
        try:
            fact = holds.fact_of(event)
        except Refused:
            return                                # `status` says so, and keys stay
        self._facts.add(fact)
        self._places.setdefault(fact.name, set()).add(segment)

    def file(self, name: str, domain: bytes, generation: int, sealed_at: int) -> None:
        """A media object that an event of `domain` names."""
        self._media[name] = domain, generation, sealed_at

    def findings(self, now: int, store: ObjectStore, keys: DomainKeys,
                 sources_of: SourcesOf | None) -> Iterator[Finding | str]:
        """What the store does not hold, and notes as texts. `now`: UTC ms. Raises Transient."""
        settled = now - SETTLE_MS
        known = HoldFacts(frozenset(self._facts))
        placed = [one for one in known.in_force() if one.placed_at <= settled]
        if not placed:
            return
        sources: Sources = FactsOnly()
        if sources_of is not None:
            sources = sources_of(lambda key: self._counts(key, settled))
        elif any(scope != replace(scope, matters=(), conversations=(), query="")
                 for one in placed for scope in one.scopes):
            yield ("holds on matters, conversations and queries were not compared: there is no "
                   "index")
        ids = {one.hold_id for one in placed}
        acts = HoldFacts(frozenset(one for one in self._facts if one.act.hold_id in ids))
        kept = dict(self._kept(acts, keys, sources))
        records = {key for one in placed for fact in one.history
                   for key in self._places.get(fact.name, ())}
        for one in self._segments.values():
            found = next((kept[domain] for domain, _ in one.cells if domain in kept), "")
            if not found and one.key in records:
                found = "it holds the record of a hold"
            if found and not one.is_held and one.sealed_at <= settled:
                yield Finding("hold_missing", one.key, found)
        for key, (domain, _, sealed_at) in sorted(self._media.items()):
            if domain in kept and sealed_at <= settled and not _is_held(store, key):
                yield Finding("hold_missing", key, kept[domain])
        yield f"{len(placed)} legal holds are in force"

    def _counts(self, key: str, settled: int) -> bool:
        found = self._segments.get(key)
        return found is not None and found.sealed_at <= settled

    def _kept(self, acts: HoldFacts, keys: DomainKeys,
              sources: Sources) -> Iterator[tuple[bytes, str]]:
        """Each domain that is surely held, and by which hold."""
        newest = dict(sorted({one for cells in self._cells for one in cells}))
        grounds = holds.judged(acts, sources)
        for domain, generation in sorted(newest.items()):
            try:
                facts = _facts_of(keys, domain, generation)
            except (Missing, Refused):
                continue                          # verify names what is lost or does not open
            for one in grounds(domain, facts):
                if one.why in _SURE:
                    yield domain, f"hold {one.hold_id} ({one.name}) concerns it"
                    break


def _facts_of(keys: DomainKeys, domain: bytes, generation: int) -> DomainFacts | None:
    if domains.is_reserved(domain):
        return reserved_facts(domain, 0)
    return keys.open(domain, generation).facts


def _is_held(store: ObjectStore, key: str) -> bool:
    try:
        return store.lock(key, record_of(store, key).version_id).legal_hold
    except Missing:
        return True                               # it is `media_missing`
