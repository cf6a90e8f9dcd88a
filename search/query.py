"""A tree -> what an index can be asked without seeing a word (DESIGN §7; the modes: 0022). Pure.

Owns the token query: the one form that every index backend translates. Its meaning is
`search/evaluate.py`; a test compares each backend with it on generated queries and texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from types import MappingProxyType
from typing import Final

from schemas import events, limits
from schemas.assignment import Assignments, Window
from schemas.errors import QueryError
from schemas.events import Identity
from search import identity, tree
from search.lists import NO_LISTS, Lists
from search.parse import parse
from search.tokens import NONE, Tokenizer, units
from search.tree import Tree, leaves
from search.vocabulary import Expander, TooMany
from search.words import Exact, Slot, Wild, describe

# The fields that hold sets of tokens or codes; each document field of the same name.
TERM_FIELDS: Final = (
    "chars", "actors", "recipients", "channel", "state", "kinds", "conversation", "shared",
    "marks", "direction", "kind", "custodians", "compartments", "review", "review_times",
)
_SIDES: Final = {
    "from": ("actors",), "to": ("recipients",), "with": ("actors", "recipients"),
}
_TOKEN: Final = re.compile(r"[0-9a-f]{16}")
# What a pattern counts for, to whoever does not see the whole archive: the first that is enough.
_STEPS: Final = (32, 256, limits.QUERY_EXPANSION_MAX)


@dataclass(frozen=True, slots=True)
class All:
    """Every document."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """The tokens at adjacent positions of one revision, in order; one token = a word."""

    tokens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """As `Phrase`, any of several tokens at each position: what a pattern stands for. `places` has
    at least one place, each with at least one token, sorted."""

    places: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Near:
    """A span of `left` and one of `right` in one revision that do not overlap, the edges that face
    each other at most `distance` positions apart (side by side = 1); `ordered`: left before right.
    Together they are a span from the first position of both to the last (search/positions.py).
    Each side is a Phrase, Words, Near, Nothing, or an Or of such."""

    left: Node
    right: Node
    distance: int
    ordered: bool


@dataclass(frozen=True, slots=True)
class Nothing:
    """No document: a pattern that no archived word fits."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a query says of words, for an index that holds none: no index is asked for it, the texts
    are read (search/reading.py)."""

    asked: tree.Text | tree.Near


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


Node = All | Nothing | Phrase | Words | Near | Said | Term | Between | And | Or | Not


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

PartyNode = Callable[[tree.Party], Node]


@dataclass(frozen=True, slots=True)
class TokenQuery:
    """`root` among the documents whose `kind` is one of `kinds`. A flat tree: no And in an And, no
    Or in an Or, no Not in a Not."""

    root: Node
    kinds: frozenset[str] = events.ANSWERING_KINDS


_NOTHING_ASSIGNED: Final = Assignments()
_NO_LINKS: Final[Links] = MappingProxyType({})


class TooManyWords(QueryError):
    """A pattern stands for more words of the archive than a query may ask for; `count`: how many.
    To have been told so is to have looked: the caller records it (PROTOCOL I7)."""

    def __init__(self, query: str, position: int, message: str, count: int) -> None:
        super().__init__(query, position, message)
        self.count = count


def compile_query(query: str, tokenizer: Tokenizer, *, zone: tzinfo = UTC,
                  region: str | None = None, assigned: Assignments = _NOTHING_ASSIGNED,
                  links: Links = _NO_LINKS, expander: Expander | None = None,
                  lists: Lists = NO_LISTS) -> tuple[Tree, TokenQuery]:
    """The tree and the token query of a query as typed: `parse` and `compile_tree`."""
    asked = parse(query, zone=zone, lists=lists)
    return asked, compile_tree(query, asked, tokenizer, region=region, assigned=assigned,
                               links=links, expander=expander)


def compile_tree(query: str, asked: Tree, tokenizer: Tokenizer, *, region: str | None = None,
                 assigned: Assignments = _NOTHING_ASSIGNED, links: Links = _NO_LINKS,
                 expander: Expander | None = None) -> TokenQuery:
    """The token query of the tree of `query`: see Compiler."""
    return Compiler(query, tokenizer, region, assigned, links, expander).compiled(asked)


@dataclass(frozen=True, slots=True)
class Compiler:
    """What the nodes of one query are translated with.

    `query`: as typed, for errors that point; `region`: the country (two letters) whose national
    number forms are understood; `assigned`: whose what was captured unassigned is; `links`: who
    else somebody is; `expander`: what a pattern stands for, for a query that has one. `known`: what
    was looked up already. `party`: what from:, to: and with: ask where names are pseudonyms
    (search/access/pseudonyms.py). `counts_exactly`: whoever asks may see the whole archive, and so
    be told by a refusal how many words it holds.
    """

    query: str
    tokenizer: Tokenizer
    region: str | None = None
    assigned: Assignments = _NOTHING_ASSIGNED
    links: Links = field(default_factory=dict)
    expander: Expander | None = None
    known: dict[Slot, tuple[str, ...]] = field(default_factory=dict)
    party: PartyNode | None = None
    counts_exactly: bool = True

    def compiled(self, asked: Tree) -> TokenQuery:
        """The token query of the tree, or of a part of it. Raises QueryError (TooManyWords), and
        what the expander raises: Refused, Transient."""
        root = flatten(_node(asked, _Context(
            self.tokenizer, self.region, self.assigned, self.links, self.patterns(), self.party)))
        if depth(root) > limits.QUERY_BOOLEAN_DEPTH_MAX:
            raise QueryError(self.query, 0, "AND, OR and NOT may stand "
                                            f"{limits.QUERY_BOOLEAN_DEPTH_MAX} deep inside each "
                                            "other, not deeper")
        return TokenQuery(root, answering(asked))

    def patterns(self) -> Patterns:
        """What the patterns stand for, none counted yet."""
        return Patterns(self.query, self.expander, self.known, self.counts_exactly)


class Patterns:
    """What the patterns of one query stand for, each looked up once, all of them bounded."""

    def __init__(self, query: str, expander: Expander | None,
                 known: dict[Slot, tuple[str, ...]], counts_exactly: bool) -> None:
        self._query = query
        self._counts_exactly = counts_exactly
        self._expander = expander
        self._known = known
        self._count = 0

    def terms(self, slot: Slot, where: tree.Text) -> tuple[str, ...]:
        """The archive's terms that `slot` stands for; an Exact stands for itself. Raises
        TooManyWords that points at `where`."""
        if isinstance(slot, Exact):
            return (slot.term,)
        found = self._known.get(slot)
        if found is None:
            found = self._known[slot] = self._expanded(slot, where)
        self._count += len(found) if self._counts_exactly else _rounded(len(found))
        if self._count > limits.QUERY_EXPANSIONS_MAX:
            raise self._too_many(where, self._count, (
                f"with {_written(slot, where)} the patterns of this query stand for "
                f"{self._count:,} words of the archive; at most {limits.QUERY_EXPANSIONS_MAX:,} "
                "are looked for at once: make them narrower, or ask in several queries"))
        return found

    def _expanded(self, slot: Slot, where: tree.Text) -> tuple[str, ...]:
        if self._expander is None:
            raise QueryError(self._query, where.start, "patterns cannot be looked up here: the "
                                                       "words of the archive are not at hand")
        try:
            return self._expander.expand(slot, limits.QUERY_EXPANSION_MAX)
        except TooMany as error:
            narrower = ("write the two or three characters that stand beside it"
                        if isinstance(slot, Wild) and units(slot.pattern) else
                        "write more letters of the word, or the words that are meant with OR")
            raise self._too_many(where, error.count, (
                f"{_written(slot, where)} stands for {error.count:,} words of the archive; at most "
                f"{limits.QUERY_EXPANSION_MAX:,} are looked for: {narrower}")) from error

    def _too_many(self, where: tree.Text, count: int, message: str) -> TooManyWords:
        return TooManyWords(self._query, where.start, message, count)


def _rounded(count: int) -> int:
    """What a pattern counts towards the sum of a query. One word more or less makes no difference
    to it: else whoever has brought the sum to the brink learns from a refusal whether a word is in
    the archive that he may not see."""
    return next(step for step in _STEPS if count <= step)


def _written(slot: Slot, where: tree.Text) -> str:
    return f"{describe(slot)} ({where.origin})" if where.origin else describe(slot)


@dataclass(frozen=True, slots=True)
class _Context:
    """What leaves are translated with."""

    tokenizer: Tokenizer
    region: str | None
    assigned: Assignments
    links: Links
    patterns: Patterns
    party: PartyNode | None


def answering(asked: Tree) -> frozenset[str]:
    """The kinds of documents that may answer: messages, calls and unknowns, and what is named."""
    named = {leaf.value for leaf in leaves(asked)
             if isinstance(leaf, tree.Value) and leaf.name == "kind"}
    return events.ANSWERING_KINDS | named


def flatten(node: Node) -> Node:
    """The same meaning without And in And, Or in Or, Not in Not, or a group of one."""
    if isinstance(node, Near):
        return replace(node, left=flatten(node.left), right=flatten(node.right))
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


def is_token(value: str) -> bool:
    """Whether a conversation is named by its token, which is of one index key."""
    return _TOKEN.fullmatch(value.lower()) is not None


def conversation_token(value: str, tokenizer: Tokenizer) -> str:
    """The token of a conversation, given as the token itself (16 hex digits) or as its id."""
    if is_token(value):
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


def _node(asked: Tree, context: _Context) -> Node:
    if isinstance(asked, tree.And | tree.Or):
        children = tuple(_node(child, context) for child in asked.children)
        return And(children) if isinstance(asked, tree.And) else Or(children)
    if isinstance(asked, tree.Not):
        return Not(_node(asked.child, context))
    if isinstance(asked, tree.Text | tree.Near) and context.tokenizer.text == NONE:
        return Said(asked)
    if isinstance(asked, tree.Near):
        return Near(_node(asked.left, context), _node(asked.right, context), asked.distance,
                    asked.ordered)
    if isinstance(asked, tree.Text):
        return _text(asked, context)
    if isinstance(asked, tree.Party):
        return context.party(asked) if context.party else _party(asked, context)
    return _fact(asked, context.tokenizer)


def _text(text: tree.Text, context: _Context) -> Node:
    tokenizer = context.tokenizer
    if text.unit:
        return Term("chars", tokenizer.char(text.unit))
    places = [context.patterns.terms(slot, text) for slot in text.slots]
    if not all(places):
        return Nothing()
    if all(isinstance(slot, Exact) for slot in text.slots):
        return Phrase(tuple(tokenizer.word(term) for term, in places))
    return Words(tuple(tuple(sorted(map(tokenizer.word, terms))) for terms in places))


def _fact(asked: Tree, tokenizer: Tokenizer) -> Node:
    """What is said of the whole message, people apart."""
    if isinstance(asked, tree.Dates):
        return Between(asked.since, asked.until)
    if isinstance(asked, tree.Marked):
        return And(tuple(Term("marks", tokenizer.named("mark", *label)) for label in asked.labels))
    if isinstance(asked, tree.Value):
        if asked.name == "conversation":
            return Term("conversation", conversation_token(asked.value, tokenizer))
        return Term("kinds" if asked.name == "kind" else asked.name, asked.value)
    return All()


def _party(party: tree.Party, context: _Context) -> Node:
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


def party_values(asked: Tree) -> frozenset[str]:
    """What is asked for in `from:`, `to:` and `with:`."""
    return frozenset(leaf.value for leaf in leaves(asked) if isinstance(leaf, tree.Party))
