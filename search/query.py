"""A tree -> what an index can be asked without seeing a word (DESIGN §7). Pure.

Owns the token query: the one form that every index backend translates. Its meaning is
`search/evaluate.py`; a test compares each backend with it on generated queries and texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from types import MappingProxyType
from typing import Final

from schemas import events, limits
from schemas.assignment import Assignments, Window
from schemas.errors import QueryError
from schemas.events import Identity
from search import identity, parse
from search.tokens import Tokenizer

# The fields that hold sets of tokens or codes; each document field of the same name.
TERM_FIELDS: Final = (
    "chars", "actors", "recipients", "channel", "state", "kinds", "conversation", "shared",
)
_SIDES: Final = {
    "from": ("actors",), "to": ("recipients",), "with": ("actors", "recipients"),
}
_TOKEN: Final = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class All:
    """Every document."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """The tokens at adjacent positions of one revision, in order; one token = a word."""

    tokens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """The document's `field` (one of TERM_FIELDS) holds `value`."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Between:
    """since <= sort_at < until, UTC ms; null = open."""

    since: int | None
    until: int | None


@dataclass(frozen=True, slots=True)
class And:
    """All of them; at least one child."""

    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them; at least one child."""

    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """What the child does not match."""

    child: Node


Node = All | Phrase | Term | Between | And | Or | Not


@dataclass(frozen=True, slots=True)
class Reached:
    """Another identity of somebody who was asked for (search/links.py): what it is found by, and
    when it was theirs (UTC ms, half open; null = open)."""

    who: Identity
    facts: tuple[identity.Fact, ...]
    since: int | None
    until: int | None

    def covers(self, at: int) -> bool:
        """Whether it was theirs at that time (UTC ms)."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


Links = Mapping[str, tuple[Reached, ...]]
"""By value of `from:`, `to:` or `with:` as it was typed."""


@dataclass(frozen=True, slots=True)
class TokenQuery:
    """`root` among the documents whose `kind` is one of `kinds`. A flat tree: no And in an And, no
    Or in an Or, no Not in a Not."""

    root: Node
    kinds: frozenset[str] = events.ANSWERING_KINDS


_NOTHING_ASSIGNED: Final = Assignments()
_NO_LINKS: Final[Links] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Context:
    """What leaves are translated with."""

    tokenizer: Tokenizer
    region: str | None
    assigned: Assignments
    links: Links


def compile_query(query: str, tokenizer: Tokenizer, *, zone: tzinfo = UTC,
                  region: str | None = None, assigned: Assignments = _NOTHING_ASSIGNED,
                  links: Links = _NO_LINKS) -> tuple[parse.Tree, TokenQuery]:
    """The tree and the token query of a query as typed.

    `zone`: where the days of `date:` begin; `region`: the country (two letters) whose national
    number forms are understood; `assigned`: whose what was captured unassigned is; `links`: who
    else somebody is. Raises QueryError.
    """
    tree = parse.parse(query, zone=zone)
    root = flatten(_node(tree, _Context(tokenizer, region, assigned, links)))
    if depth(root) > limits.QUERY_BOOLEAN_DEPTH_MAX:
        raise QueryError(query, 0, f"AND, OR and NOT may stand {limits.QUERY_BOOLEAN_DEPTH_MAX} "
                                   "deep inside each other, not deeper")
    return tree, TokenQuery(root, answering(tree))


def answering(tree: parse.Tree) -> frozenset[str]:
    """The kinds of documents that may answer: messages, calls and unknowns, and what is named."""
    named = {leaf.value for leaf in leaves(tree)
             if isinstance(leaf, parse.Value) and leaf.name == "kind"}
    return events.ANSWERING_KINDS | named


def leaves(tree: parse.Tree) -> Iterator[parse.Tree]:
    """Every leaf of a tree, left to right."""
    if isinstance(tree, parse.And | parse.Or):
        for child in tree.children:
            yield from leaves(child)
    elif isinstance(tree, parse.Not):
        yield from leaves(tree.child)
    else:
        yield tree


def flatten(node: Node) -> Node:
    """The same meaning without And in And, Or in Or, Not in Not, or a group of one."""
    if isinstance(node, Not):
        child = flatten(node.child)
        return child.child if isinstance(child, Not) else Not(child)
    if isinstance(node, And):
        children = _lifted(map(flatten, node.children), And)
        return children[0] if len(children) == 1 else And(children)
    if isinstance(node, Or):
        children = _lifted(map(flatten, node.children), Or)
        return children[0] if len(children) == 1 else Or(children)
    return node


def depth(node: Node) -> int:
    """How many And, Or and Not stand inside each other."""
    if isinstance(node, And | Or):
        return 1 + max(map(depth, node.children))
    if isinstance(node, Not):
        return 1 + depth(node.child)
    return 0


def conversation_token(value: str, tokenizer: Tokenizer) -> str:
    """The token of a conversation, given as the token itself (16 hex digits) or as its id."""
    if _TOKEN.fullmatch(value.lower()):
        return value.lower()
    return tokenizer.named("conversation", value)


def _lifted(children: Iterable[Node], kind: type[And | Or]) -> tuple[Node, ...]:
    out: dict[Node, None] = {}
    for child in children:
        if isinstance(child, And | Or) and isinstance(child, kind):
            out.update(dict.fromkeys(child.children))
        else:
            out[child] = None
    return tuple(out)


def _node(tree: parse.Tree, context: _Context) -> Node:
    if isinstance(tree, parse.And | parse.Or):
        children = tuple(_node(child, context) for child in tree.children)
        return And(children) if isinstance(tree, parse.And) else Or(children)
    if isinstance(tree, parse.Not):
        return Not(_node(tree.child, context))
    if isinstance(tree, parse.Text):
        return _text(tree, context.tokenizer)
    if isinstance(tree, parse.Party):
        return _party(tree, context)
    if isinstance(tree, parse.Value):
        return _value(tree, context.tokenizer)
    return Between(tree.since, tree.until) if isinstance(tree, parse.Dates) else All()


def _text(text: parse.Text, tokenizer: Tokenizer) -> Node:
    if text.wanted.unit:
        return Term("chars", tokenizer.char(text.wanted.unit))
    return Phrase(tuple(map(tokenizer.word, text.wanted.terms)))


def _value(value: parse.Value, tokenizer: Tokenizer) -> Node:
    if value.name == "conversation":
        return Term("conversation", conversation_token(value.value, tokenizer))
    return Term("kinds" if value.name == "kind" else value.name, value.value)


def _party(party: parse.Party, context: _Context) -> Node:
    alternatives = identity.alternatives(party.value, context.region)

    def is_meant(custodian: str) -> bool:
        known = frozenset(identity.custodian_facts(custodian))
        return any(known.issuperset(wanted) for wanted in alternatives)

    said: list[Node] = []
    for side in _SIDES[party.side]:
        said += [And(tuple(Term(side, token)
                           for token in identity.blind(context.tokenizer, wanted)))
                 for wanted in alternatives]
        said += [_assigned(side, window, context.tokenizer)
                 for window in context.assigned.windows(is_meant)]
        said += [within(And(tuple(Term(side, token) for token in identity.blind(
            context.tokenizer, one.facts))), one.since, one.until)
            for one in context.links.get(party.value, ())]
    return Or(tuple(said))


def _assigned(side: str, window: Window, tokenizer: Tokenizer) -> Node:
    """What was captured unassigned on an account within a window. Its time is the one that it is
    sorted by, as everywhere in a search."""
    channels = ("sms", "mms") if window.channel == "sms" else (window.channel,)
    return And((
        *(Term(side, token) for token in identity.blind(
            tokenizer, (identity.unassigned_fact(window.account),))),
        Or(tuple(Term("channel", channel) for channel in channels)),
        *((Between(window.since, window.until),)
          if (window.since, window.until) != (None, None) else ()),
    ))


def within(node: Node, since: int | None, until: int | None) -> Node:
    """`node` among the documents of that time."""
    return node if (since, until) == (None, None) else And((node, Between(since, until)))


def party_values(tree: parse.Tree) -> frozenset[str]:
    """What is asked for in `from:`, `to:` and `with:`."""
    return frozenset(leaf.value for leaf in leaves(tree) if isinstance(leaf, parse.Party))
