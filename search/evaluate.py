"""What a query means, on readable messages (DESIGN §7). Pure; the reference for every index.

Owns the meaning and nothing else: no tokens, no index. Highlighting and alerts use it too. What a
word stands for is `search/words.py`, what is near is `search/positions.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Final

from schemas.assignment import Assignments
from schemas.document import Document, Entry
from schemas.events import CapturedEvent
from search import identity, positions, tokens, tree, words
from search.identity import Fact
from search.marks import Label, marks_of
from search.positions import Spans
from search.project import author_entries, marked_entries, revision_entries
from search.query import Links, answering
from search.tree import Tree
from search.words import NO_STEMS, Slot, Stems


@dataclass(frozen=True, slots=True)
class Subject:
    """A message as a query sees it: the text of each revision, who said it, and its facts."""

    texts: tuple[str, ...]
    actors: frozenset[Fact]
    recipients: frozenset[Fact]
    channel: str
    state: str
    kind: str
    kinds: frozenset[str]
    sort_at: int
    conversations: frozenset[str]        # its id and its token
    direction: str | None = None         # in | out; null = the source does not say
    marks: frozenset[Label] = frozenset()


_NOTHING_ASSIGNED: Final = Assignments()
_NO_LINKS: Final[Links] = MappingProxyType({})


def subject(found: Document, event_of: Callable[[Entry], CapturedEvent],
            assigned: Assignments = _NOTHING_ASSIGNED) -> Subject:
    """What a query sees of a document whose records are readable."""
    said = [identity.sides(_moved(event_of(entry), found, assigned))
            for entry in author_entries(found)]
    texts = (event_of(entry).text for entry in revision_entries(found))
    named = {event_of(e).conversation for e in found.entries
             if e.conversation == found.conversation and not e.unreadable and e.part is None}
    return Subject(
        texts=tuple(text for text in texts if text is not None),
        actors=frozenset(fact for sides in said for fact in sides.actor),
        recipients=frozenset(fact for sides in said for fact in sides.recipients),
        channel=found.channel, state=found.state, kind=found.kind, kinds=frozenset(found.kinds),
        sort_at=found.sort_at, conversations=frozenset({found.conversation, *named}),
        direction=found.direction, marks=frozenset(
            label for entry in marked_entries(found) for label in marks_of(event_of(entry))),
    )


def _moved(event: CapturedEvent, found: Document, assigned: Assignments) -> CapturedEvent:
    """The event with the custodian who was given it, if nobody's account it was."""
    if event.custodian or not event.account:
        return event
    return replace(event, custodian=assigned.custodian(
        found.channel, event.account, found.sort_at))


def answers(asked: Tree, about: Subject, *, region: str | None = None, links: Links = _NO_LINKS,
            stems: Stems = NO_STEMS) -> bool:
    """Whether a search for `asked` answers with this message. `links`: who else somebody is;
    `stems`: what `stem:` compares, for a query that has one."""
    return about.kind in answering(asked) and matches(
        asked, about, region=region, links=links, stems=stems)


def matches(asked: Tree, about: Subject, *, region: str | None = None, links: Links = _NO_LINKS,
            stems: Stems = NO_STEMS) -> bool:
    """Whether `asked` is true of this message."""
    return Reading(about, region=region, links=links, stems=stems).matches(asked)


class Reading:
    """One message, read once and asked any number of times."""

    def __init__(self, about: Subject, *, region: str | None = None, links: Links = _NO_LINKS,
                 stems: Stems = NO_STEMS) -> None:
        self._about = about
        self._region = region
        self._links = links
        self._stems = stems

    def matches(self, asked: Tree) -> bool:
        """Whether `asked` is true of the message."""
        if isinstance(asked, tree.And):
            return all(self.matches(one) for one in asked.children)
        if isinstance(asked, tree.Or):
            return any(self.matches(one) for one in asked.children)
        if isinstance(asked, tree.Not):
            return not self.matches(asked.child)
        if isinstance(asked, tree.Text) and asked.unit:
            return asked.unit in self._units
        if isinstance(asked, tree.Text | tree.Near):
            return any(text.holds(asked) for text in self._texts)
        if isinstance(asked, tree.Party):
            return self._is_party(asked)
        return _is_so(asked, self._about)

    @cached_property
    def _texts(self) -> list[Streamed]:
        return [Streamed(tokens.stream(text), self._stems) for text in self._about.texts]

    @cached_property
    def _units(self) -> frozenset[str]:
        return frozenset().union(*map(tokens.units, self._about.texts))

    def _is_party(self, party: tree.Party) -> bool:
        about = self._about
        sides = {"from": (about.actors,), "to": (about.recipients,),
                 "with": (about.actors, about.recipients)}[party.side]
        known = [*identity.alternatives(party.value, self._region),
                 *(one.facts for one in self._links.get(party.value, ())
                   if one.covers(about.sort_at))]
        return any(side.issuperset(wanted) for side in sides for wanted in known)


def _is_so(asked: Tree, about: Subject) -> bool:
    """What is said of the whole message, people apart."""
    if isinstance(asked, tree.Dates):
        return ((asked.since is None or asked.since <= about.sort_at)
                and (asked.until is None or about.sort_at < asked.until))
    if isinstance(asked, tree.Marked):
        return about.marks.issuperset(asked.labels)
    if isinstance(asked, tree.Value):
        held = {
            "channel": {about.channel}, "state": {about.state}, "kind": about.kinds,
            "conversation": about.conversations, "direction": {about.direction},
        }[asked.name]
        return asked.value in held or (
            asked.name == "conversation" and asked.value.lower() in held)
    return True


# --- one text ------------------------------------------------------------------------------------


class Streamed:
    """The terms of one text, and where what a query says of words stands in it."""

    def __init__(self, terms: Sequence[str], stems: Stems) -> None:
        self._terms = terms
        self._known = frozenset(terms)
        self._stems = stems
        self._among: dict[Slot, frozenset[str]] = {}

    def holds(self, asked: tree.Text | tree.Near) -> bool:
        """Whether it stands anywhere in the text."""
        if isinstance(asked, tree.Text) and len(asked.slots) == 1:
            return bool(self._stand_for(asked.slots[0]))
        if isinstance(asked, tree.Near):
            left = self.spans(asked.left)
            return bool(left) and positions.are_near(left, self.spans(asked.right), asked.distance,
                                                     ordered=asked.ordered)
        return bool(self.spans(asked))

    def spans(self, asked: Tree) -> Spans:
        """Where a Text with slots, a Near, or an Or of such stands."""
        if isinstance(asked, tree.Text):
            places = [self._stand_for(slot) for slot in asked.slots]
            return positions.phrase([place.__contains__ for place in places],
                                    self._terms) if all(places) else []
        if isinstance(asked, tree.Near):
            left = self.spans(asked.left)
            return positions.near(left, self.spans(asked.right) if left else [], asked.distance,
                                  ordered=asked.ordered)
        return positions.either(map(self.spans, tree.children(asked)))

    def parts(self, asked: Tree, within: frozenset[positions.Span]) -> set[positions.Span]:
        """The spans of the words and phrases of `asked` that make up its spans `within`."""
        if isinstance(asked, tree.Text):
            return set(within)
        if isinstance(asked, tree.Near):
            pairs = [pair for pair in positions.pairs(
                self.spans(asked.left), self.spans(asked.right), asked.distance,
                ordered=asked.ordered) if positions.together(*pair) in within]
            return (self.parts(asked.left, frozenset(one for one, _ in pairs))
                    | self.parts(asked.right, frozenset(other for _, other in pairs)))
        return {span for child in tree.children(asked)
                for span in self.parts(child, within.intersection(self.spans(child)))}

    def _stand_for(self, slot: Slot) -> frozenset[str]:
        found = self._among.get(slot)
        if found is None:
            found = self._among[slot] = words.among(slot, self._known, self._stems)
        return found


# --- highlighting --------------------------------------------------------------------------------


def highlights(asked: Tree, text: str, *, stems: Stems = NO_STEMS) -> list[tuple[int, int]]:
    """Half-open ranges of `text` that the words and phrases of `asked` match, in order, merged.

    Of words that are to be near each other, those that are. What stands under NOT is not
    highlighted.
    """
    said = list(_positive(asked, positive=True))
    units = {one.unit for one in said if isinstance(one, tree.Text)}
    found = [(one.start, one.end) for one in tokens.unit_spans(text) if one.term in units]
    placed = [one for one in said if isinstance(one, tree.Near) or one.slots]
    if placed:
        places = tokens.spans(text)
        streamed = Streamed([place.term for place in places], stems)
        for one in placed:
            for first, last in streamed.parts(one, frozenset(streamed.spans(one))):
                part = places[first:last + 1]
                found.append((min(p.start for p in part), max(p.end for p in part)))
    return _merged(found)


def has_words(asked: Tree) -> bool:
    """Whether anything of a query could be highlighted in a text."""
    return any(True for _ in _positive(asked, positive=True))


def _positive(asked: Tree, *, positive: bool) -> Iterator[tree.Text | tree.Near]:
    if isinstance(asked, tree.Text | tree.Near):
        if positive:
            yield asked
        return
    for child in tree.children(asked):
        yield from _positive(child, positive=positive != isinstance(asked, tree.Not))


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out
