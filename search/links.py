"""Under which other identities a person is found, as the index knows (decision 0018).

Owns the way from what somebody typed to the identities that are the same person's, each with the
time in which it was: a number that is given up is another person's later. Only the links that name
the one who is asked for are read, each from the archive once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from schemas import events
from schemas.document import Document, Entry
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent, Identity
from schemas.identity import message_key, pair
from schemas.links import Link, link_of
from schemas.wire import Pointer
from search import identity, query
from search.bodies import Bodies
from search.identity import Fact
from search.index import Index, pages
from search.query import Reached, TokenQuery
from search.tokens import Tokenizer

# More identities are no person but a crowd (a first name, say): then none is followed.
REACHED_MAX: Final = 64
_IDS: Final = ("phone", "id")


@dataclass(frozen=True, slots=True)
class Told:
    """A link, and when the change was (UTC ms)."""

    link: Link
    at: int


@dataclass(frozen=True, slots=True)
class _Place:
    """Someone, known by all of these facts at once, within [since, until)."""

    facts: tuple[Fact, ...]
    since: int | None = None
    until: int | None = None

    def holds(self, at: int) -> bool:
        return ((self.since is None or self.since <= at)
                and (self.until is None or at <= self.until))

    def covers(self, other: _Place) -> bool:
        """Whether nobody is reached from the other who is not reached from here."""
        return (self.facts == other.facts
                and (self.since is None or (other.since is not None and self.since <= other.since))
                and (self.until is None or (other.until is not None and other.until <= self.until)))


class LinkReader:
    """Reads links; keeps those that it has read."""

    def __init__(self, bodies: Bodies, tokenizer: Tokenizer) -> None:
        self._bodies, self._tokenizer = bodies, tokenizer
        self._known: dict[Pointer, Link | None] = {}

    def of_values(self, index: Index, values: Iterable[str],
                  region: str | None) -> Mapping[str, tuple[Reached, ...]]:
        """By value as typed in `from:`, `to:`, `with:`: who else that is. Raises Transient."""
        return _of_values(values, region, lambda wanted: self.reach(index, wanted))

    def conversations(self, index: Index, found: Document) -> query.Node:
        """The conversation of `found`, and what the same two said under other identities."""
        own = query.Term("conversation", found.conversation)
        event = self._event(found)
        peers = [] if event is None else [
            one for one in (event.actor, *event.participants)
            if one is not None and one.native_id != event.account
            and pair(event.account, one.native_id) == event.conversation]
        if event is None or not peers:
            return own
        others: list[query.Node] = [own]
        for reached in self.reach(index, [_named(peers[0])]):
            token = self._tokenizer.named(
                "conversation", pair(event.account, reached.who.native_id))
            others.append(query.within(query.Term("conversation", token), reached.since,
                                       reached.until))
        return query.flatten(query.Or(tuple(others)))

    def reach(self, index: Index, wanted: Iterable[Sequence[Fact]]) -> tuple[Reached, ...]:
        """Everybody who is reached from any of `wanted` over links, without `wanted` itself. A
        function of the set of links: their order on the log does not matter."""
        return _reach(wanted, lambda places: [*self._told(index, places),
                                              *self._several(index, places)])

    def _several(self, index: Index, places: Iterable[_Place]) -> list[Told]:
        """Of each of `places`, number and user id as the youngest message says that has both."""
        found = []
        for wanted in sorted({place.facts for place in places if place.facts[0][0] in _IDS}):
            asked = TokenQuery(query.And(tuple(query.Term("actors", token) for token in (
                identity.blind(self._tokenizer, (*wanted, identity.SEVERAL_IDS))))),
                frozenset({events.MESSAGE}))
            for document in index.search(asked, 1).documents:
                event = self._event(document)
                also = identity.also_known_as(event) if event is not None else None
                if event is not None and event.actor is not None and also is not None:
                    found.append(Told(Link((event.actor, also)), document.sort_at))
        return found

    def _told(self, index: Index, places: Iterable[_Place]) -> list[Told]:
        """Every link that names one of `places`."""
        asked = TokenQuery(query.flatten(query.Or(tuple(
            query.And(tuple(query.Term("recipients", token) for token in identity.blind(
                self._tokenizer, map(identity.linked, one))))
            for one in sorted({place.facts for place in places})))),
            frozenset({events.IDENTITY}))
        found: dict[Told, None] = {}
        for document in pages(index, asked):
            for entry in document.entries:
                link = self._link(document, entry)
                if link is not None:
                    found[Told(link, document.sort_at)] = None
        return list(found)

    def _link(self, document: Document, entry: Entry) -> Link | None:
        if entry.kind != events.IDENTITY:
            return None
        if entry.pointer not in self._known:
            try:
                self._known[entry.pointer] = link_of(self._bodies.event(document, entry))
            except (Missing, Refused):
                return None  # an index that is rebuilt does not know it either
        return self._known[entry.pointer]

    def _event(self, found: Document) -> CapturedEvent | None:
        for entry in found.entries:
            if entry.conversation == found.conversation and not entry.unreadable \
                    and entry.part is None:
                try:
                    return self._bodies.event(found, entry)
                except (Missing, Refused):
                    continue
        return None


class LinksOf:
    """The same of events at hand: what an index of exactly these would answer."""

    def __init__(self) -> None:
        self._told: dict[Told, None] = {}
        # By fact, the youngest message that has number and user id: (its time, its key).
        self._several: dict[Fact, tuple[tuple[int, bytes], Told]] = {}

    def take(self, event: CapturedEvent, at: int) -> None:
        """Any event, in any order; `at`: its time (UTC ms)."""
        link = link_of(event)
        if link is not None:
            self._told[Told(link, at)] = None
        also = identity.also_known_as(event) if event.kind == events.MESSAGE else None
        if also is None or event.actor is None or event.direction == events.OUT:
            return
        place, told = (at, message_key(event)), Told(Link((event.actor, also)), at)
        for fact in (*identity.facts(event.actor), *identity.facts(also)):
            if fact[0] in _IDS and (fact not in self._several or self._several[fact][0] < place):
                self._several[fact] = place, told

    def of_values(self, values: Iterable[str],
                  region: str | None) -> Mapping[str, tuple[Reached, ...]]:
        """As `LinkReader.of_values`."""
        return _of_values(values, region, lambda wanted: _reach(wanted, self._known))

    def _known(self, places: Iterable[_Place]) -> Iterable[Told]:
        several = [self._several[fact][1] for place in places for fact in place.facts[:1]
                   if fact in self._several]
        return [*self._told, *several]


def _of_values(values: Iterable[str], region: str | None,
               reach: Callable[[list[tuple[Fact, ...]]], tuple[Reached, ...]],
               ) -> Mapping[str, tuple[Reached, ...]]:
    return {value: reached for value in sorted(set(values)) if (reached := reach(
        [one for one in identity.alternatives(value, region) if one[0][0] != "custodian"]))}


def _reach(wanted: Iterable[Sequence[Fact]],
           told_of: Callable[[set[_Place]], Iterable[Told]]) -> tuple[Reached, ...]:
    frontier = {_Place(tuple(one)) for one in wanted}
    seen = set(frontier)
    reached: dict[_Place, Identity] = {}
    while frontier:
        steps = {place: one for told in told_of(frontier) for at in frontier
                 for place, one in _steps(at, told)}
        frontier = {place for place in steps if not any(one.covers(place) for one in seen)}
        seen |= frontier
        reached.update((place, steps[place]) for place in frontier)
        if len(reached) > REACHED_MAX:
            return ()
    return tuple(Reached(one, place.facts, place.since, place.until)
                 for place, one in sorted(reached.items(), key=lambda item: repr(item[0])))


def _steps(place: _Place, told: Told) -> Iterator[tuple[_Place, Identity]]:
    """Who is the same as whoever is at `place`, by one link."""
    since, until, at = place.since, place.until, told.at
    before = any(_is(place.facts, one) for one in told.link.before)
    after = any(_is(place.facts, one) for one in told.link.after)
    if not told.link.after:
        for one in told.link.before if before else ():
            yield _Place(_named(one), since, until), one
        return
    if not place.holds(at):
        return
    # What was written in the second of the change is still the old one's.
    if before:
        for one in told.link.before:
            yield _Place(_named(one), since, at + 1), one
        for one in told.link.after:
            yield _Place(_named(one), at, None), one
    if after:
        for one in told.link.after:
            yield _Place(_named(one), at, until), one
        for one in told.link.before:
            yield _Place(_named(one), None, at + 1), one


def _is(facts: Sequence[Fact], one: Identity) -> bool:
    return frozenset(identity.facts(one)).issuperset(facts)


def _named(one: Identity) -> tuple[Fact, ...]:
    """The one fact that is this identity's alone."""
    known = list(identity.facts(one))
    return (next((fact for fact in known if fact[0] == "phone"), known[0]),)
