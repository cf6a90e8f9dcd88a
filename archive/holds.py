"""Legal holds: what was said of them, which are in force, and what they keep of a key domain. Pure.

Owns the meaning (docs/decisions/0032). A hold begins with one event and ends with two, of two
different people. What is in doubt counts as held. How the events look is `schemas/holdacts.py`;
what only the archive's content can say is asked of the port Sources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from schemas import domains
from schemas.directory import Matter
from schemas.disposition import same_person
from schemas.domains import DomainFacts
from schemas.errors import Refused
from schemas.events import CapturedEvent
from schemas.holdacts import (
    PLACED,
    RELEASE_ASKED,
    RELEASE_GRANTED,
    RELEASE_REFUSED,
    Act,
    Scope,
    read_act,
)
from schemas.identity import event_id

# state of a hold
IN_FORCE: Final = "in_force"
ASKED: Final = "release_asked"          # in force, and a release waits for a second person
RELEASED: Final = "released"

# why of a ground
FACTS: Final = "facts"                  # custodian and month of the domain: all of it is concerned
CONTENT: Final = "content"              # a message that the hold concerns lies in it
RECORD: Final = "record"                # what says that there is the hold lies in it
NOBODYS: Final = "nobodys"              # nobody knows whose, or what: an unassigned account, an
#                                         item that nobody could read. It lies in the nature of both
DOUBT: Final = "doubt"                  # something has to be put right before it can be told


@dataclass(frozen=True, slots=True)
class Fact:
    """One act on record. `name`: the event's id (16 bytes); `domain`: where the event lies."""

    name: bytes
    act: Act
    domain: bytes


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold as its facts make it. `scopes`: what it concerns, any of them (one, unless somebody
    used an id twice). `placed_at`, `released_at`: UTC ms, null = in force. `asks`: requests for its
    release that wait for a second person. `history`: every act once, in order of time."""

    hold_id: str
    name: str
    ground: str
    by: str
    placed_at: int
    scopes: tuple[Scope, ...]
    state: str = IN_FORCE
    released_at: int | None = None
    asks: tuple[Fact, ...] = ()
    history: tuple[Fact, ...] = ()

    def is_in_force(self) -> bool:
        """Whether it holds now."""
        return self.released_at is None


@dataclass(frozen=True, slots=True)
class HoldFacts:
    """Everything that is known of holds: a set, closed under union, whose order and repetition mean
    nothing. `doubts`: why there may be more, in words (an event of a hold that does not read): then
    everything is held."""

    facts: frozenset[Fact] = frozenset()
    doubts: frozenset[str] = frozenset()

    def __or__(self, other: HoldFacts) -> HoldFacts:
        """What both know."""
        return HoldFacts(self.facts | other.facts, self.doubts | other.doubts)

    def holds(self) -> tuple[Hold, ...]:
        """Every hold that was ever placed, the oldest first."""
        by_id: dict[str, list[Fact]] = {}
        for one in self.facts:
            by_id.setdefault(one.act.hold_id, []).append(one)
        found = (_fold(hold_id, several) for hold_id, several in by_id.items())
        return tuple(sorted((one for one in found if one is not None),
                            key=lambda one: (one.placed_at, one.hold_id)))

    def in_force(self) -> tuple[Hold, ...]:
        """Those that hold now."""
        return tuple(one for one in self.holds() if one.is_in_force())


@dataclass(frozen=True, slots=True)
class Content:
    """Key domains in which messages of a scope lie. `doubt`: why there may be more, in words; "" =
    there are none."""

    domains: frozenset[bytes] = frozenset()
    doubt: str = ""


class Sources(Protocol):
    """What a scope cannot say by itself; asked anew at each evaluation. Raises Transient.

    Whoever implements it remembers its answers for one evaluation: it is asked once a domain.
    """

    def matter(self, matter_id: str) -> Sequence[Matter]:
        """What the directory ever said of a matter, one row for each different load; () = it is not
        known."""

    def content(self, scope: Scope) -> Content:
        """Where messages that `scope` concerns lie, the period widened to whole months. A domain
        that some message of it lies in is never left out without a `doubt`."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Why a domain's key may not be destroyed. `hold_id` "" = by no hold that can be named, because
    something of the holds themselves cannot be read. `detail`: in words, "" = nothing to add."""

    hold_id: str
    name: str
    why: str
    detail: str = ""


Grounds = Callable[[bytes, DomainFacts | None], tuple[Ground, ...]]
"""Why the key of a domain has to stay; () = no hold keeps it. With the domain's id: what it stands
for, null where that cannot be read, which is a doubt. Raises what the Sources do."""


def fact_of(event: CapturedEvent) -> Fact:
    """The fact that an event of kind `hold` states. Raises Refused for one that states none: the
    caller puts that into `HoldFacts.doubts`."""
    act = read_act(event)
    return Fact(event_id(event), act, domains.reserved(domains.FIRM, *domains.month_of(event)))


def facts_of(events: Iterable[CapturedEvent]) -> HoldFacts:
    """The facts of events of kind `hold`, in any order."""
    facts, doubts = set[Fact](), set[str]()
    for event in events:
        try:
            facts.add(fact_of(event))
        except Refused as error:
            doubts.add(str(error))
    return HoldFacts(frozenset(facts), frozenset(doubts))


def judged(holds: HoldFacts, sources: Sources) -> Grounds:
    """What holds say of one domain after the other, for one evaluation: the acts are folded once.
    """
    doubts = tuple(Ground("", "", DOUBT, one) for one in sorted(holds.doubts))
    in_force = holds.in_force()

    def grounds(domain: bytes, facts: DomainFacts | None) -> tuple[Ground, ...]:
        found = (_ground(domain, facts, hold, sources) for hold in in_force)
        return (*doubts, *(one for one in found if one is not None))

    return grounds


def keeps_objects(found: Iterable[Ground]) -> bool:
    """Whether the store has to hold the objects in which the domain has a cell. Not where it only
    holds the record of a hold, which is a few objects of very many; nor where no hold is named:
    keys stay then, and the alarm says why."""
    return any(one.hold_id and one.why != RECORD for one in found)


def may_grant(hold: Hold, ask: Fact, person: str) -> None:
    """Raises Refused where `person` is not the second one."""
    if not hold.is_in_force():
        raise Refused("this hold was released already")
    if same_person(ask.act.person, person):
        raise Refused("nobody releases a hold alone: a second person has to grant what you asked "
                      "for")


def widened(since: int | None, until: int | None) -> tuple[int | None, int | None]:
    """The period from the first instant of its first month to the end of its last (UTC ms, half
    open; null = open)."""
    first = None if since is None else domains.month_start(domains.month_text(since))
    last = None if until is None else domains.month_end(domains.month_text(max(until - 1, 0)))
    return first, last


# --- one hold of its facts -----------------------------------------------------------------------


def _fold(hold_id: str, facts: Sequence[Fact]) -> Hold | None:
    history = _once(facts)
    placed = [one for one in history if one.act.action == PLACED]
    if not placed:
        return None                               # what was never placed holds nothing
    ended = [at for ask in history for at in _granted(ask, facts)]
    released_at = min(ended, default=None)
    waiting = () if ended else tuple(
        one for one in history if one.act.action == RELEASE_ASKED and not any(
            other.act.action == RELEASE_REFUSED and other.act.about == one.name
            for other in facts))
    scopes = dict.fromkeys(one.act.scope for one in sorted(facts, key=_order)
                           if one.act.action == PLACED)
    state = RELEASED if ended else ASKED if waiting else IN_FORCE
    first = placed[0].act
    return Hold(hold_id, first.name, first.ground, first.person, first.at, tuple(scopes), state,
                released_at, waiting, history)


def _granted(ask: Fact, facts: Iterable[Fact]) -> Iterator[int]:
    """When this request was granted by another person (UTC ms), if it was. A refusal that is not
    later than the grant ends the request: of two answers at once the hold stays."""
    if ask.act.action != RELEASE_ASKED:
        return
    answers = [one.act for one in facts if one.act.about == ask.name]
    refused_at = min((one.at for one in answers if one.action == RELEASE_REFUSED), default=None)
    for one in answers:
        if one.action == RELEASE_GRANTED and not same_person(one.person, ask.act.person) and (
                refused_at is None or one.at < refused_at):
            yield max(one.at, ask.act.at)


def _once(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """Each act once: the earliest sighting of it leads."""
    found: dict[bytes, Fact] = {}
    for one in sorted(facts, key=_order):
        found.setdefault(one.name, one)
    return tuple(found.values())


def _order(one: Fact) -> tuple[int, bytes, str]:
    return one.act.at, one.name, repr(one)


# --- one hold and one domain ---------------------------------------------------------------------

# What one field of a scope says of a domain, from the domain's facts alone.
_NONE, _SOME, _UNKNOWN, _ALL = range(4)


@dataclass(frozen=True, slots=True)
class _View:
    """A domain as scopes look at it."""

    domain: bytes
    facts: DomainFacts
    unsure: list[tuple[str, str]] = field(default_factory=list)   # why, in words


def _ground(domain: bytes, facts: DomainFacts | None, hold: Hold,
            sources: Sources) -> Ground | None:
    if facts is None:
        return Ground(hold.hold_id, hold.name, DOUBT, "what the key stands for cannot be read")
    if any(one.domain == domain for one in hold.history):
        return Ground(hold.hold_id, hold.name, RECORD, "it holds the record of the hold")
    for scope in hold.scopes:
        found = _why(_View(domain, facts), scope, sources)
        if found is not None:
            return Ground(hold.hold_id, hold.name, *found)
    return None


def _why(view: _View, scope: Scope, sources: Sources) -> tuple[str, str] | None:
    facts = view.facts
    if facts.role == domains.ROLE_NAMES[domains.FIRM]:
        return _firm(view, scope, sources)
    if facts.role == domains.ROLE_NAMES[domains.QUARANTINE]:
        # Nobody could read what it says, or of when: it came after it was written.
        is_before = scope.since is not None and facts.month < domains.month_text(scope.since)
        return None if is_before else (NOBODYS, "items that nobody could read")
    said = (_custodians(view, scope.custodians), _matters(view, scope, sources),
            _ALL if _month_fits(facts.month, scope.since, scope.until) else _SOME,
            _SOME if scope.conversations or scope.query else _ALL)
    if _NONE in said:
        return None
    if all(one == _ALL for one in said):
        return FACTS, f"{facts.custodian or 'unassigned'}, {facts.month}"
    if _UNKNOWN in said:
        # Whose it is, or what the matter is, nobody can say: the other fields decide.
        unsure = max(view.unsure, key=lambda one: one[0] == DOUBT)
        if _SOME not in said:
            return unsure
        return _by_content(view.domain, replace(scope, custodians=(), matters=()), sources, unsure)
    return _by_content(view.domain, scope, sources)


def _firm(view: _View, scope: Scope, sources: Sources) -> tuple[str, str] | None:
    """The firm's own records, which only a query can ask for. What the directory said of a matter
    lies among them."""
    if scope.matters:
        return RECORD, "it holds what the directory said of the matter"
    return _by_content(view.domain, scope, sources) if scope.query else None


def _by_content(domain: bytes, scope: Scope, sources: Sources,
                found: tuple[str, str] = (CONTENT, "")) -> tuple[str, str] | None:
    content = sources.content(scope)
    if domain in content.domains:
        return found
    return (DOUBT, content.doubt) if content.doubt else None


def _custodians(view: _View, wanted: Sequence[str]) -> int:
    if not wanted:
        return _ALL
    if view.facts.role:
        view.unsure.append((NOBODYS, "messages of accounts that nobody was assigned"))
        return _UNKNOWN
    return _ALL if view.facts.custodian in wanted else _NONE


def _matters(view: _View, scope: Scope, sources: Sources) -> int:
    """Any of the matters, any row of each."""
    if not scope.matters:
        return _ALL
    best = _NONE
    for matter_id in scope.matters:
        rows = sources.matter(matter_id)
        if not rows:
            view.unsure.append((DOUBT, f"the directory does not know the matter {matter_id}"))
            best = max(best, _UNKNOWN)
        best = max([best, *(_row(view, one) for one in rows)])
    return best


def _row(view: _View, row: Matter) -> int:
    if row.conversations:
        return _SOME
    who = _custodians(view, row.custodians) if row.custodians else _NONE
    if who == _NONE or _month_fits(view.facts.month, row.since, row.until):
        return who
    return _SOME


def _month_fits(month: str, since: int | None, until: int | None) -> bool:
    return (since is None or domains.month_text(since) <= month) and (
        until is None or month <= domains.month_text(max(until - 1, 0)))
