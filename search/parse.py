"""The query language: text -> tree, or an error that points at the character. Pure.

Owns the grammar, which is docs/QUERY.md in code:

    query   = or                         words side by side are AND; a NOT b is a AND NOT b
    or      = and { "OR" and }           operators are upper case; "or" in lower case is a word
    and     = unary { ["AND"] unary }
    unary   = "NOT" unary | near
    near    = operand { ("w/N" | "pre/N") operand }           left to right
    operand = "(" or ")" | word | phrase | field ":" value | "@" list | "*" (alone: everything)
    phrase  = '"' … '"'                  curly quotes count as quotes; \\" is a quote in a phrase

An operand of a near is a word, a phrase, a near, or an OR of such. Characters are
`search/lexer.py`, words `search/slots.py`, values of fields `search/fields.py`.

What is not understood is refused, never guessed at: an answer that silently left something out
would be worse than none.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from typing import Final

from schemas import limits
from schemas.errors import QueryError, Refused
from search import fields, lexer, slots
from search.lexer import Token
from search.lists import NO_LISTS, Line, Lists, SavedList
from search.tree import And, Everything, Near, Not, Or, Text, Tree, nodes
from search.words import Wild

# Lists that an error names; there may be a thousand.
_NAMED_MAX: Final = 20
_NAME_CHARS: Final = 64


def parse(query: str, *, zone: tzinfo = UTC, lists: Lists = NO_LISTS) -> Tree:
    """The tree of `query`; days of `date:` begin and end in `zone`; `lists`: what `@name` means.

    Raises QueryError with the position of the character that could not be read.
    """
    return _Parser(query, _Shared(zone, lists)).whole()


@dataclass(slots=True)
class _Shared:
    """What a query and the lists that it calls for have in common: one limit for all."""

    zone: tzinfo
    lists: Lists
    terms: int = 0
    depth: int = 0
    path: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Called:
    """Where the line of a list that is parsed was called for: all its nodes stand there."""

    origin: str
    start: int
    end: int


class _Parser:
    """Reads one text: the query, or one line of a list."""

    def __init__(self, query: str, shared: _Shared, called: _Called | None = None) -> None:
        if len(query) > limits.QUERY_CHARS_MAX:
            raise QueryError(query, limits.QUERY_CHARS_MAX,
                             f"the query is longer than {limits.QUERY_CHARS_MAX} characters")
        self._query = query
        self._shared = shared
        self._called = called
        self._tokens = lexer.tokens(query)
        self._at = 0

    def whole(self) -> Tree:
        """The tree of all of it."""
        if self._next.kind == "end":
            raise self._error(self._next, "expected something to search for: words, a \"phrase\", "
                                          "a field such as from: or date:, or * for everything")
        tree = self._or()
        token = self._next
        if token.kind == ")":
            raise self._error(token, "this bracket closes nothing: expected ( before it")
        return tree

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _error(self, token: Token, message: str) -> QueryError:
        return QueryError(self._query, token.start, message)

    def _or(self) -> Tree:
        children = [self._and()]
        while self._next.kind == "OR":
            self._take()
            children.append(self._and())
        if len(children) == 1:
            return children[0]
        return Or(tuple(children), children[0].start, children[-1].end)

    def _and(self) -> Tree:
        children = [self._unary()]
        while self._next.kind not in ("OR", ")", "end"):
            if self._next.kind == "AND":
                self._take()
            children.append(self._unary())
        if len(children) == 1:
            return children[0]
        return And(tuple(children), children[0].start, children[-1].end)

    def _unary(self) -> Tree:
        if self._next.kind != "NOT":
            return self._near()
        token = self._take()
        if self._next.kind == "near":
            operator = self._next.text
            raise self._error(self._next, f"NOT {operator} is not known: write one NOT (one "
                                          f"{operator} other)")
        self._deeper(token)
        child = self._unary()
        self._shared.depth -= 1
        return Not(child, self._placed(token)[0], child.end)

    def _near(self) -> Tree:
        tree = self._operand()
        while self._next.kind == "near":
            operator = self._take()
            if self._next.kind == "NOT":
                raise self._error(self._next, f"NOT cannot stand after {operator.text}: write one "
                                              f"NOT (one {operator.text} other)")
            right = self._operand()
            tree = Near(self._side(tree, operator), self._side(right, operator),
                        operator.distance, operator.name == "pre", tree.start, right.end)
            if _nearness(tree) > limits.QUERY_NEAR_DEPTH_MAX:
                raise self._error(operator, f"w/ and pre/ may stand {limits.QUERY_NEAR_DEPTH_MAX} "
                                            "deep inside each other, not deeper")
        return tree

    def _operand(self) -> Tree:
        token = self._take()
        if token.kind == "(":
            self._deeper(token)
            inside = self._or()
            if self._next.kind != ")":
                raise self._error(token, "this bracket is never closed: expected )")
            self._take()
            self._shared.depth -= 1
            return inside
        if token.kind == "list":
            return self._list(token)
        return self._leaf(token)

    def _deeper(self, token: Token) -> None:
        self._shared.depth += 1
        if self._shared.depth > limits.QUERY_DEPTH_MAX:
            raise self._error(token, f"brackets and NOT may stand {limits.QUERY_DEPTH_MAX} deep "
                                     "inside each other, not deeper")

    def _leaf(self, token: Token) -> Tree:
        if token.kind in ("AND", "OR", "near"):
            raise self._error(token, f"expected a word, a phrase, a field or ( before {token.text} "
                                     f'(to search for the word itself, write '
                                     f'"{token.text.lower()}")')
        if token.kind == "end":
            raise self._error(token, "expected a word, a phrase, a field or ( here")
        if token.kind == ")":
            raise self._error(token, "expected a word, a phrase, a field or ( before )")
        self._shared.terms += 1
        if self._shared.terms > limits.QUERY_TERMS_MAX:
            raise self._error(token, f"a query may have {limits.QUERY_TERMS_MAX} terms, not more, "
                                     "those of its lists included")
        start, end = self._placed(token)
        if token.kind == "field":
            tree = replace(fields.read(self._query, token, self._shared.zone), start=start, end=end)
            return replace(tree, origin=self._origin) if isinstance(tree, Text) else tree
        if (token.kind, token.text) == ("word", "*"):
            return Everything(start, end)
        read = slots.word if token.kind == "word" else slots.phrase
        looked = read(self._query, token.start, token.text)
        return Text(looked.slots, looked.unit, start, end, self._origin)

    @property
    def _origin(self) -> str:
        return self._called.origin if self._called else ""

    def _placed(self, token: Token) -> tuple[int, int]:
        if self._called is not None:
            return self._called.start, self._called.end
        return token.start, token.end

    # --- operands of a near ----------------------------------------------------------------------

    def _side(self, tree: Tree, operator: Token) -> Tree:
        """`tree` as a side of `operator`: only what stands at places of a text."""
        if isinstance(tree, Near):
            return tree
        if isinstance(tree, Text):
            # A unit alone has no place in a text; the pairs that begin with it have, and it does
            # where it ends a run.
            return replace(tree, slots=(Wild(f"{tree.unit}*"),), unit="") if tree.unit else tree
        if isinstance(tree, Or):
            return replace(tree, children=tuple(
                self._side(child, operator) for child in tree.children))
        here = operator.text
        if isinstance(tree, And):
            message = (f'AND cannot stand inside {here}: write (a {here} b) AND (a {here} c); '
                       'words side by side are AND too, for a phrase put them in quotes')
        elif isinstance(tree, Not):
            message = f"NOT cannot stand inside {here}: write one NOT (one {here} other)"
        else:
            message = (f"{here} takes words, phrases and brackets of them joined by OR; what is "
                       f"said of the whole message stands beside it: (a {here} b) from:carol")
        if self._called is not None:
            raise self._error(operator, message)
        line = next((one.origin for one in nodes(tree) if isinstance(one, Text) and one.origin), "")
        raise QueryError(self._query, tree.start,
                         f"in the list {line}: {message}" if line else message)

    # --- saved lists -----------------------------------------------------------------------------

    def _list(self, token: Token) -> Tree:
        shared, name = self._shared, token.text
        if name in shared.path:
            ring = (*shared.path[shared.path.index(name):], name)
            raise self._error(token, "this list holds itself: "
                                     + " holds ".join(f"@{one}" for one in ring))
        if len(shared.path) >= limits.QUERY_LIST_DEPTH_MAX:
            raise self._error(token, f"lists may stand {limits.QUERY_LIST_DEPTH_MAX} deep inside "
                                     "each other, not deeper")
        found = self._found(token)
        start, end = self._placed(token)
        shared.path.append(name)
        self._deeper(token)
        children = tuple(self._line(token, found, line, start, end) for line in found.lines)
        shared.depth -= 1
        shared.path.pop()
        return Or(children, start, end, saved=(found.name, found.digest))

    def _found(self, token: Token) -> SavedList:
        try:
            found = self._shared.lists.get(token.text)
            known = () if found else self._shared.lists.names()
        except Refused as error:
            raise self._error(token, f"the list @{token.text} cannot be used: {error}") from error
        if found is not None:
            return found
        told = f"known lists: {' '.join(f'@{one}' for one in known[:_NAMED_MAX])}" if known else (
            "there are no lists yet")
        raise self._error(token, f"there is no list @{token.text[:_NAME_CHARS]}; {told} (to search "
                                 "for the text itself, put it in quotes)")

    def _line(self, token: Token, found: SavedList, line: Line, start: int, end: int) -> Tree:
        place = f"@{found.name} line {line.number}"
        try:
            return _Parser(line.text, self._shared, _Called(place, start, end)).whole()
        except QueryError as error:
            raise self._error(token, f"in the list {place}, character {error.position + 1}: "
                                     f"{error.message}") from error


def _nearness(tree: Tree) -> int:
    """How many nears stand inside each other."""
    if isinstance(tree, Near):
        return 1 + max(_nearness(tree.left), _nearness(tree.right))
    return max(map(_nearness, tree.children)) if isinstance(tree, Or) else 0
