"""What a token query means on one document, and what may be asked in its place. Pure.

Owns the token-level meaning (`search/positions.py` on the stream of each revision, never across
two), and the wider query that finds every document a query is true of: an index that cannot ask
for a node as it is asks for that, and checks what comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Final

from schemas.document import Document
from search import positions, query
from search.positions import Spans

Text = query.Phrase | query.Words | query.Near
"""What is true of words at positions."""

Places = tuple[tuple[str, ...], ...]
"""Tokens at neighbouring positions, any of several at each: as in `Words`."""

Texts = Sequence[Sequence[str]]
"""The tokens of each revision."""

# And, Or and And inside each other are enough to say which words must be there; what is deeper in
# a Near is left to the check, so that no index is asked deeper than it answers.
_LEVELS: Final = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """The fields of a Document that queries look at and facets count, without its entries."""

    channel: str
    kind: str
    kinds: tuple[str, ...]
    state: str
    direction: str | None
    conversation: str
    shared: str
    custodians: tuple[str, ...]
    compartments: tuple[str, ...]
    actors: tuple[str, ...]
    recipients: tuple[str, ...]
    marks: tuple[str, ...]
    chars: tuple[str, ...]
    sort_at: int
    words: tuple[tuple[str, ...], ...]
    review: tuple[str, ...] = ()
    review_times: tuple[str, ...] = ()


Held = Document | Seen


# --- the meaning -------------------------------------------------------------------------------


def holds(node: query.Node, found: Held) -> bool:
    """Whether `node` is true of a document."""
    return matcher(node)(found)


def matcher(node: query.Node, is_said: Callable[[query.Said, Held], bool] | None = None,
            ) -> Callable[[Held], bool]:
    """`holds` of one node, made once for many documents. `is_said`: what is true of their texts,
    for a node with a Said. Raises ValueError for one without it."""
    if isinstance(node, query.And):
        every = [matcher(child, is_said) for child in node.children]
        return lambda found: all(one(found) for one in every)
    if isinstance(node, query.Or):
        some = [matcher(child, is_said) for child in node.children]
        return lambda found: any(one(found) for one in some)
    if isinstance(node, query.Not):
        child = matcher(node.child, is_said)
        return lambda found: not child(found)
    if isinstance(node, query.Said) and is_said is not None:
        return partial(is_said, node)
    if isinstance(node, query.Term):
        return _term_matcher(node)
    if isinstance(node, query.Between):
        since, until = node.since, node.until
        return lambda found: ((since is None or since <= found.sort_at)
                              and (until is None or found.sort_at < until))
    if isinstance(node, query.All):
        return lambda _: True
    said = text_matcher(node)
    return lambda found: said(found.words)


def text_matcher(node: query.Node) -> Callable[[Texts], bool]:
    """Whether a Phrase, Words, Near, Nothing, or an Or of such, holds in one of several revisions.

    Raises ValueError for another node.
    """
    if isinstance(node, query.Phrase | query.Words):
        places = as_places(node)
        if len(places) == 1:
            wanted = frozenset(places[0])
            return lambda texts: any(not wanted.isdisjoint(text) for text in texts)
    if isinstance(node, query.Near):
        return _near_matcher(node)
    spans = _finder(node)
    return lambda texts: any(spans(text) for text in texts)


def _term_matcher(node: query.Term) -> Callable[[Held], bool]:
    field, value = node.field, node.value

    def is_held(found: Held) -> bool:
        held = getattr(found, field)
        return bool(held) and (held == value if isinstance(held, str) else value in held)
    return is_held


def _near_matcher(node: query.Near) -> Callable[[Texts], bool]:
    """As `_finder`, but for the spans: that there is one is found without making all."""
    left, right = _finder(node.left), _finder(node.right)

    def is_in(text: Sequence[str]) -> bool:
        one = left(text)
        return bool(one) and positions.are_near(
            one, right(text), node.distance, ordered=node.ordered)
    return lambda texts: any(map(is_in, texts))


def _finder(node: query.Node) -> Callable[[Sequence[str]], Spans]:
    """Where a text node stands in one revision."""
    if isinstance(node, query.Phrase | query.Words):
        places = [frozenset(place).__contains__ for place in as_places(node)]
        return lambda text: positions.phrase(places, text)
    if isinstance(node, query.Near):
        left, right = _finder(node.left), _finder(node.right)
        return lambda text: positions.near(
            left(text), right(text), node.distance, ordered=node.ordered)
    if isinstance(node, query.Or):
        sides = [_finder(child) for child in node.children]
        return lambda text: positions.either(side(text) for side in sides)
    if isinstance(node, query.Nothing):
        return lambda _: []
    raise ValueError(f"{type(node).__name__} stands at no position")


def as_places(node: query.Phrase | query.Words) -> Places:
    """The tokens of each place."""
    return node.places if isinstance(node, query.Words) else tuple((t,) for t in node.tokens)


# --- what may be asked -------------------------------------------------------------------------


def reduced(node: query.Node) -> query.Node:
    """The same meaning, flat, with Nothing and All only as the whole of it."""
    return query.flatten(_reduced(node))


def _reduced(node: query.Node) -> query.Node:
    if isinstance(node, query.Not):
        child = _reduced(node.child)
        return _OPPOSITES.get(child) or query.Not(child)
    if isinstance(node, query.And | query.Or):
        children = tuple(map(_reduced, node.children))
        decides = query.Nothing() if isinstance(node, query.And) else query.All()
        if decides in children:
            return decides
        left = tuple(child for child in children if child != _OPPOSITES[decides])
        return type(node)(left) if left else _OPPOSITES[decides]
    if isinstance(node, query.Near):
        left_side, right_side = reduced(node.left), reduced(node.right)
        if query.Nothing() in (left_side, right_side) or node.distance < 1:
            return query.Nothing()
        return query.Near(left_side, right_side, node.distance, node.ordered)
    return node


_OPPOSITES: Final[Mapping[query.Node, query.Node]] = {
    query.All(): query.Nothing(), query.Nothing(): query.All()}


def above(node: query.Node) -> query.Node:
    """True of every document that `node` is true of, whatever its texts say."""
    return _unsaid(node, is_above=True)


def below(node: query.Node) -> query.Node:
    """True only of documents that `node` is true of, whatever their texts say."""
    return _unsaid(node, is_above=False)


def _unsaid(node: query.Node, *, is_above: bool) -> query.Node:
    if isinstance(node, query.Not):
        return query.Not(_unsaid(node.child, is_above=not is_above))
    if isinstance(node, query.And | query.Or):
        return type(node)(tuple(_unsaid(one, is_above=is_above) for one in node.children))
    if isinstance(node, query.Said):
        return query.All() if is_above else query.Nothing()
    return node


def said_nodes(node: query.Node) -> Iterator[query.Said]:
    """Every Said of a query."""
    if isinstance(node, query.And | query.Or):
        for child in node.children:
            yield from said_nodes(child)
    elif isinstance(node, query.Not):
        yield from said_nodes(node.child)
    elif isinstance(node, query.Said):
        yield node


def text_nodes(node: query.Node) -> Iterator[Text]:
    """Every Phrase, Words and Near of a query that is in no Near."""
    if isinstance(node, query.And | query.Or):
        for child in node.children:
            yield from text_nodes(child)
    elif isinstance(node, query.Not):
        yield from text_nodes(node.child)
    elif isinstance(node, query.Phrase | query.Words | query.Near):
        yield node


def candidate(node: query.Node, asks: Callable[[Text], bool]) -> query.Node:
    """A query that is true of every document that `node` is true of, flat.

    `asks`: whether the index can ask for a text node as it is; of the nodes that it cannot,
    Phrases and Words of one place are left, which every index can. Equal to `node` where it asks
    for all. Under Not, what must not be missed is what the child is surely true of.
    """
    return query.flatten(_bound(node, asks, is_above=True))


def _bound(node: query.Node, asks: Callable[[Text], bool], *, is_above: bool) -> query.Node:
    """True wherever `node` is (`is_above`), or only where `node` is."""
    if isinstance(node, query.Not):
        return query.Not(_bound(node.child, asks, is_above=not is_above))
    if isinstance(node, query.And):
        return query.And(tuple(_bound(one, asks, is_above=is_above) for one in node.children))
    if isinstance(node, query.Or):
        return query.Or(tuple(_bound(one, asks, is_above=is_above) for one in node.children))
    if isinstance(node, query.Phrase | query.Words | query.Near) and not asks(node):
        return _present(node, asks, _LEVELS) if is_above else query.Nothing()
    return node


def _present(node: query.Node, asks: Callable[[Text], bool], levels: int) -> query.Node:
    """What of a text node a document must hold, wherever it stands."""
    if isinstance(node, query.Near):
        for one in (node, replace(node, ordered=False)):
            if asks(one):
                return one
        if not levels:
            return query.All()
        return query.And(tuple(_present(side, asks, levels - 1) for side in _sides(node, asks)))
    if isinstance(node, query.Or):
        if not levels:
            return query.All()
        return query.Or(tuple(_present(child, asks, levels - 1) for child in node.children))
    if isinstance(node, query.Phrase | query.Words) and not asks(node):
        return query.And(tuple(query.Words((place,)) for place in as_places(node)))
    return node


def _sides(node: query.Near, asks: Callable[[Text], bool]) -> Iterator[query.Node]:
    """Both sides; of a side that is a Near and cannot be asked, its sides."""
    for side in (node.left, node.right):
        if isinstance(side, query.Near) and not asks(side):
            yield from _sides(side, asks)
        else:
            yield side


def pairs(node: query.Near, pairs_max: int) -> list[tuple[Places, Places]] | None:
    """A Near as (left, right) of which one must be near: spans of an Or are the spans of its
    children, so it may be taken apart. Null: a side holds a Near, or there are too many."""
    left, right = forms(node.left), forms(node.right)
    if left is None or right is None or len(left) * len(right) > pairs_max:
        return None
    return [(one, other) for one in left for other in right]


def forms(node: query.Node) -> tuple[Places, ...] | None:
    """What a side of a Near stands for: the tokens of one place together, then each longer run.
    Null where it holds a Near: its spans have no one width."""
    found = _runs(node)
    if found is None:
        return None
    single = tuple(sorted({token for one in found if len(one) == 1 for token in one[0]}))
    longer = tuple(dict.fromkeys(one for one in found if len(one) > 1))
    return (((single,),) if single else ()) + longer


def _runs(node: query.Node) -> list[Places] | None:
    if isinstance(node, query.Phrase | query.Words):
        return [as_places(node)]
    if isinstance(node, query.Or):
        out: list[Places] = []
        for child in node.children:
            runs = _runs(child)
            if runs is None:
                return None
            out += runs
        return out
    return [] if isinstance(node, query.Nothing) else None


def are_apart(one: Places, other: Places) -> bool:
    """Whether no token is in both, so that spans of the two never overlap."""
    return tokens(one).isdisjoint(tokens(other))


def tokens(places: Places) -> frozenset[str]:
    """Every token of every place."""
    return frozenset(token for place in places for token in place)


def spelled(runs: Iterable[Places], phrases_max: int) -> list[tuple[str, ...]] | None:
    """Each run as the phrases that it stands for. Null: more than `phrases_max` of them."""
    out: list[tuple[str, ...]] = []
    for places in runs:
        if len(out) + prod(map(len, places)) > phrases_max:
            return None
        made: list[tuple[str, ...]] = [()]
        for place in places:
            made = [(*head, token) for head in made for token in place]
        out += made
    return out
