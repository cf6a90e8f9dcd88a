"""What a query means, on readable messages (DESIGN §7). Pure; the reference for every index.

Owns the meaning and nothing else: no tokens, no index. Highlighting and alerts use it too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from schemas.assignment import Assignments
from schemas.document import Document, Entry
from schemas.events import CapturedEvent
from search import identity, parse, tokens
from search.identity import Fact
from search.project import author_entries, revision_entries
from search.query import Links, answering


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
    )


def _moved(event: CapturedEvent, found: Document, assigned: Assignments) -> CapturedEvent:
    """The event with the custodian who was given it, if nobody's account it was."""
    if event.custodian or not event.account:
        return event
    return replace(event, custodian=assigned.custodian(
        found.channel, event.account, found.sort_at))


def answers(tree: parse.Tree, about: Subject, *, region: str | None = None,
            links: Links = _NO_LINKS) -> bool:
    """Whether a search for `tree` answers with this message. `links`: who else somebody is."""
    return about.kind in answering(tree) and matches(tree, about, region=region, links=links)


def matches(tree: parse.Tree, about: Subject, *, region: str | None = None,
            links: Links = _NO_LINKS) -> bool:
    """Whether `tree` is true of this message."""
    if isinstance(tree, parse.And):
        return all(matches(one, about, region=region, links=links) for one in tree.children)
    if isinstance(tree, parse.Or):
        return any(matches(one, about, region=region, links=links) for one in tree.children)
    if isinstance(tree, parse.Not):
        return not matches(tree.child, about, region=region, links=links)
    if isinstance(tree, parse.Text):
        return any(_in_text(tree.wanted, text) for text in about.texts)
    if isinstance(tree, parse.Party):
        return _is_party(tree, about, region, links)
    if isinstance(tree, parse.Dates):
        return ((tree.since is None or tree.since <= about.sort_at)
                and (tree.until is None or about.sort_at < tree.until))
    if isinstance(tree, parse.Value):
        return _has_value(tree, about)
    return True


def highlights(tree: parse.Tree, text: str) -> list[tuple[int, int]]:
    """Half-open ranges of `text` that the words and phrases of `tree` match, in order, merged.

    What stands under NOT is not highlighted.
    """
    found: list[tuple[int, int]] = []
    spans: list[tokens.Span] | None = None
    for wanted in _positive(tree, positive=True):
        if wanted.unit:
            found += [(s.start, s.end) for s in tokens.unit_spans(text) if s.term == wanted.unit]
            continue
        spans = tokens.spans(text) if spans is None else spans
        terms = [span.term for span in spans]
        for at in occurrences(wanted.terms, terms):
            part = spans[at:at + len(wanted.terms)]
            found.append((min(s.start for s in part), max(s.end for s in part)))
    return _merged(found)


def has_words(tree: parse.Tree) -> bool:
    """Whether anything of `tree` could be highlighted in a text."""
    return bool(_positive(tree, positive=True))


def occurrences(wanted: Sequence[str], terms: Sequence[str]) -> list[int]:
    """Where `wanted` stands in `terms`, side by side."""
    width, first = len(wanted), wanted[0]
    return [at for at, term in enumerate(terms)
            if term == first and tuple(terms[at:at + width]) == tuple(wanted)]


def _in_text(wanted: tokens.Wanted, text: str) -> bool:
    if wanted.unit:
        return wanted.unit in tokens.units(text)
    return bool(occurrences(wanted.terms, tokens.stream(text)))


def _is_party(party: parse.Party, about: Subject, region: str | None, links: Links) -> bool:
    sides = {"from": (about.actors,), "to": (about.recipients,),
             "with": (about.actors, about.recipients)}[party.side]
    known = [*identity.alternatives(party.value, region),
             *(one.facts for one in links.get(party.value, ()) if one.covers(about.sort_at))]
    return any(side.issuperset(wanted) for side in sides for wanted in known)


def _has_value(value: parse.Value, about: Subject) -> bool:
    held = {
        "channel": {about.channel}, "state": {about.state}, "kind": about.kinds,
        "conversation": about.conversations,
    }[value.name]
    return value.value in held or (
        value.name == "conversation" and value.value.lower() in held)


def _positive(tree: parse.Tree, *, positive: bool) -> list[tokens.Wanted]:
    if isinstance(tree, parse.Not):
        return _positive(tree.child, positive=not positive)
    if isinstance(tree, parse.And | parse.Or):
        return [w for child in tree.children for w in _positive(child, positive=positive)]
    if isinstance(tree, parse.Text) and positive:
        return [tree.wanted]
    return []


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out
