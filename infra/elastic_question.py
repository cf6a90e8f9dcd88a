"""A token query -> Elasticsearch's query DSL, plain core.

Owns what the server is asked for as it is: words, phrases, alternatives, and of nearness what
`intervals` means exactly as we do. Its matches are minimal (the shortest span that fits hides the
longer ones around it), so that only spans of one width may be asked for: words, phrases and lists
of them, side by side. A Near of a Near is asked for more widely, and checked by whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from schemas import limits
from search import candidates, query
from search.candidates import Places, Text

# Left and right sides of a Near that are multiplied out.
_PAIRS_MAX: Final = 64
# Tokens at positions in one request: each counts for the server's limit on clauses, which depends
# on its memory (a gigabyte: 16,384), and costs time.
POSITIONS_MAX: Final = 4_000
# Values of one `terms` filter; index.max_terms_count is 65,536.
_TERMS_MAX: Final = 60_000


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask for: a filter, and whether documents that it lets through are to be checked."""

    filter: dict[str, Any]
    is_checked: bool


def question(root: query.Node, positions_max: int) -> Question:
    """How to ask for a reduced query, of at most so many tokens at positions in `intervals`."""
    asks = is_asked
    if sum(map(_positions, candidates.text_nodes(root))) > positions_max:
        asks = _is_simple
    is_checked = not all(map(asks, candidates.text_nodes(root)))
    return Question(translated(candidates.candidate(root, asks)), is_checked)


def is_asked(node: Text) -> bool:
    """Whether the server's answer to `node` is exactly ours."""
    if not isinstance(node, query.Near):
        return True
    pairs = candidates.pairs(node, _PAIRS_MAX)
    return (pairs is not None
            # Farther away there may be the next revision.
            and node.distance < limits.REVISION_POSITION_GAP
            # One run twice is counted by the server as one that repeats, and then it may overlap.
            and not any(one == other and len(one) > 1 for one, other in pairs))


def _is_simple(node: Text) -> bool:
    """Whether it costs the server no `intervals`."""
    return isinstance(node, query.Phrase) or (
        isinstance(node, query.Words) and (len(node.places) == 1 or _phrase(node) is not None))


def _positions(node: Text) -> int:
    """The tokens that `intervals` would name."""
    if isinstance(node, query.Near):
        pairs = candidates.pairs(node, _PAIRS_MAX) if is_asked(node) else None
        return sum((len(candidates.tokens(one)) + len(candidates.tokens(other)))
                   * len(_orders(node, one, other)) for one, other in pairs or ())
    return 0 if _is_simple(node) else sum(map(len, candidates.as_places(node)))


def translated(node: query.Node) -> dict[str, Any]:
    """A node as a filter. Depth is bounded by QUERY_BOOLEAN_DEPTH_MAX, below the server's 30."""
    if isinstance(node, query.Phrase | query.Words):
        return _words(node)
    if isinstance(node, query.Near):
        return {"intervals": {"words": _any_of(_near(node))}}
    if isinstance(node, query.Term):
        return {"term": {node.field: node.value}}
    if isinstance(node, query.Between):
        bounds = {"gte": node.since, "lt": node.until}
        return {"range": {"sort_at": {k: v for k, v in bounds.items() if v is not None}}}
    if isinstance(node, query.Not):
        return {"bool": {"must_not": [translated(node.child)]}}
    if isinstance(node, query.And):
        wanted = [translated(c) for c in node.children if not isinstance(c, query.Not)]
        unwanted = [translated(c.child) for c in node.children if isinstance(c, query.Not)]
        return {"bool": {"filter": wanted, "must_not": unwanted}}
    if isinstance(node, query.Or):
        return {"bool": {"should": list(_alternatives(node)), "minimum_should_match": 1}}
    if isinstance(node, query.All | query.Nothing):
        return {"match_all" if isinstance(node, query.All) else "match_none": {}}
    raise ValueError(f"no index is asked for {type(node).__name__}")


def _alternatives(node: query.Or) -> Iterator[dict[str, Any]]:
    """Single tokens of one field become one `terms` filter: a list of 200 words costs one."""
    listed: dict[str, list[str]] = {}
    for child in node.children:
        if isinstance(child, query.Term):
            listed.setdefault(child.field, []).append(child.value)
        elif isinstance(child, query.Phrase | query.Words) and len(
                candidates.as_places(child)) == 1:
            listed.setdefault("words", []).extend(candidates.as_places(child)[0])
        else:
            yield translated(child)
    for field, values in listed.items():
        yield from _terms(field, values)


def _terms(field: str, values: Sequence[str]) -> Iterator[dict[str, Any]]:
    for at in range(0, len(values), _TERMS_MAX):
        yield {"terms": {field: values[at:at + _TERMS_MAX]}}


def _words(node: query.Phrase | query.Words) -> dict[str, Any]:
    phrase = _phrase(node)
    if phrase is not None and len(phrase) == 1:
        return {"term": {"words": phrase[0]}}
    if phrase is not None:
        return {"match_phrase": {"words": {
            "query": " ".join(phrase), "analyzer": "whitespace", "slop": 0}}}
    places = candidates.as_places(node)
    if len(places) == 1:
        found = list(_terms("words", places[0]))
        return found[0] if len(found) == 1 else {
            "bool": {"should": found, "minimum_should_match": 1}}
    return {"intervals": {"words": _run(places)}}


def _phrase(node: query.Phrase | query.Words) -> tuple[str, ...] | None:
    """The tokens, where there is one at each place."""
    places = candidates.as_places(node)
    return tuple(place[0] for place in places) if all(len(p) == 1 for p in places) else None


def _near(node: query.Near) -> Iterator[dict[str, Any]]:
    for one, other in candidates.pairs(node, _PAIRS_MAX) or ():
        for left, right, ordered in _orders(node, one, other):
            yield {"all_of": {"intervals": [_run(left), _run(right)], "ordered": ordered,
                              "max_gaps": node.distance - 1}}


def _orders(node: query.Near, one: Places, other: Places) -> list[tuple[Places, Places, bool]]:
    """How the server is asked for two sides: unordered, its spans may overlap, ours may not."""
    if node.ordered:
        return [(one, other, True)]
    if candidates.are_apart(one, other):
        return [(one, other, False)]
    return list(dict.fromkeys([(one, other, True), (other, one, True)]))


def _run(places: Places) -> dict[str, Any]:
    """The tokens of each place, side by side."""
    rules = [_any_of({"match": {"query": token}} for token in place) for place in places]
    if len(rules) == 1:
        return rules[0]
    return {"all_of": {"intervals": rules, "ordered": True, "max_gaps": 0}}


def _any_of(rules: Iterable[dict[str, Any]]) -> dict[str, Any]:
    every = list(rules)
    return every[0] if len(every) == 1 else {"any_of": {"intervals": every}}
