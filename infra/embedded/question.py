"""A token query -> SQL over the embedded index's tables.

Owns what FTS5 is asked for as it is (words, phrases, alternatives, unordered nearness of words),
and what is asked for more widely and then checked, text by text, by the SQL function HOLDS
(`search/candidates.py` says what is true).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from schemas import limits
from search import candidates, query
from search.candidates import Texts
from search.query import TokenQuery

HOLDS: Final = "texts_hold"
"""HOLDS(number, words): whether the check of that number is true of a row of `terms`."""

# FTS5's parser (before SQLite 3.46) has a stack of 100; three are used per bracket.
_MATCH_DEPTH_MAX: Final = 12
_COMPOUND_MAX: Final = 400
# Phrases, or pairs of phrases, that alternatives are multiplied out to; each is looked up alone.
_SPELLED_MAX: Final = 64


class Question:
    """A token query as a chain of named sub-selects: each gives the ids that one node matches.

    Flat on purpose: SQLite bounds the depth of expressions and the length of compounds. What is
    made of terms alone becomes one FTS5 expression. `clause` is a WITH clause that ends in a table
    `name (id)`, `values` are its values, `checks` are those that HOLDS is asked for by number.
    """

    def __init__(self, asked: TokenQuery, name: str = "answer") -> None:
        self.values: list[Any] = []
        self.checks: list[Callable[[Texts], bool]] = []
        self._tables: list[str] = []
        root = self._table(candidates.reduced(asked.root))
        kinds = sorted(asked.kinds)
        self._tables.append(
            f"{name} (id) AS (SELECT id FROM {root} JOIN documents USING (id) "
            f"WHERE kind IN ({','.join('?' * len(kinds))}))")
        self.values += kinds
        self.clause = "WITH " + ", ".join(self._tables)

    def _named(self, select: str, values: Sequence[Any] = ()) -> str:
        name = f"t{len(self._tables)}"
        self._tables.append(f"{name} (id) AS ({select})")
        self.values += values
        return name

    def _table(self, node: query.Node) -> str:
        expression = _match(node, _MATCH_DEPTH_MAX)
        if expression is not None:
            return self._matching(expression)
        if isinstance(node, query.Between):
            return self._between(node)
        if isinstance(node, query.Not):
            return self._and(query.And((node,)))
        if isinstance(node, query.Or):
            return self._or(node)
        if isinstance(node, query.And):
            return self._and(node)
        if isinstance(node, query.Words | query.Near):
            return self._checked(self._wider(node), [node])
        if isinstance(node, query.Nothing):
            return self._named("SELECT id FROM documents WHERE 0")
        if isinstance(node, query.All):
            return self._named("SELECT id FROM documents")
        raise ValueError(f"no index is asked for {type(node).__name__}")

    def _matching(self, expression: str) -> str:
        return self._named("SELECT rowid FROM terms WHERE terms MATCH ?", [expression])

    def _or(self, node: query.Or) -> str:
        plain = [c for c in node.children if _match(c, _MATCH_DEPTH_MAX - 1) is not None]
        rest = [c for c in node.children if _match(c, _MATCH_DEPTH_MAX - 1) is None]
        tables = [self._table(child) for child in rest]
        if plain:
            tables.append(self._table(_one(query.Or, plain)))
        return self._combined(tables, "UNION")

    def _and(self, node: query.And) -> str:
        # Children of terms are one MATCH, others one table each; then what is left is checked;
        # then what is under NOT is taken away.
        plain: list[query.Node] = []
        wanted: list[str] = []
        checked: list[query.Node] = []
        unwanted: list[query.Node] = []
        for child in node.children:
            if _match(child, _MATCH_DEPTH_MAX - 1) is not None:
                plain.append(child)
            elif isinstance(child, query.Not):
                unwanted.append(child.child)
            elif isinstance(child, query.Words | query.Near):
                checked.append(child)
                wanted.append(self._wider(child))
            else:
                wanted.append(self._table(child))
        if plain:
            wanted.append(self._table(_one(query.And, plain)))
        base = (self._combined(wanted, "INTERSECT") if wanted
                else self._named("SELECT id FROM documents"))
        if checked:
            base = self._checked(base, checked)
        return self._without(base, unwanted) if unwanted else base

    def _without(self, base: str, unwanted: Sequence[query.Node]) -> str:
        taken: list[str] = []
        for child in unwanted:
            is_asked = _match(child, _MATCH_DEPTH_MAX) is not None
            if not is_asked and isinstance(child, query.Words | query.Near):
                # Only what would be left is checked.
                suspects = self._combined([base, self._wider(child)], "INTERSECT")
                taken.append(self._checked(suspects, [child]))
            else:
                taken.append(self._table(child))
        return self._named(f"SELECT id FROM {base} EXCEPT "
                           f"SELECT id FROM {self._combined(taken, 'UNION')}")

    def _wider(self, node: query.Words | query.Near) -> str:
        """What is true wherever `node` is."""
        near = _near(node) if isinstance(node, query.Near) else None
        if near is not None:
            return self._matching(near)
        return self._table(candidates.candidate(
            node, lambda one: _match(one, _MATCH_DEPTH_MAX) is not None))

    def _checked(self, base: str, nodes: Sequence[query.Node]) -> str:
        """Those of `base` whose texts hold each of `nodes`."""
        # CROSS JOIN: SQLite keeps this order, so that only the rows of `base` are read.
        numbers = range(len(self.checks), len(self.checks) + len(nodes))
        self.checks += map(candidates.text_matcher, nodes)
        holding = " AND ".join([f"{HOLDS}(?, terms.words)"] * len(nodes))
        return self._named(f"SELECT {base}.id FROM {base} CROSS JOIN terms "
                           f"ON terms.rowid = {base}.id WHERE {holding}", list(numbers))

    def _between(self, node: query.Between) -> str:
        select, values = "SELECT id FROM documents WHERE 1", []  # type: str, list[Any]
        if node.since is not None:
            select += " AND sort_at >= ?"
            values.append(node.since)
        if node.until is not None:
            select += " AND sort_at < ?"
            values.append(node.until)
        return self._named(select, values)

    def _combined(self, tables: list[str], operator: str) -> str:
        while len(tables) > 1:
            head = tables[:_COMPOUND_MAX]
            select = f" {operator} ".join(f"SELECT id FROM {one}" for one in head)
            tables = [*tables[_COMPOUND_MAX:], self._named(select)]
        return tables[0]


def _one(kind: type[query.And | query.Or], children: Sequence[query.Node]) -> query.Node:
    return children[0] if len(children) == 1 else kind(tuple(children))


def _match(node: query.Node, depth: int) -> str | None:
    """The node as an FTS5 expression, or null where it needs more than terms.

    Every value is quoted: a token or a code is never read as an operator.
    """
    if isinstance(node, query.Phrase):
        return f"words : {_quoted(' '.join(node.tokens))}"
    if isinstance(node, query.Words):
        phrases = ([(token,) for token in node.places[0]] if len(node.places) == 1
                   else candidates.spelled([node.places], _SPELLED_MAX))
        if phrases is None:
            return None
        return f"words : ({' OR '.join(_quoted(' '.join(one)) for one in phrases)})"
    if isinstance(node, query.Near):
        return _near(node) if _is_near_asked(node) else None
    if isinstance(node, query.Term):
        return f"{node.field} : {_quoted(node.value)}"
    if isinstance(node, query.And | query.Or) and depth > 0:
        parts = [_match(child, depth - 1) for child in node.children]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        operator = " AND " if isinstance(node, query.And) else " OR "
        return "(" + operator.join(known) + ")"
    return None


def _near(node: query.Near) -> str | None:
    """What FTS5 has for a Near: phrases in any order, which may overlap and may stand in two
    revisions. True wherever `node` is. Null: alternatives are too many, or a side holds a Near."""
    pairs = candidates.pairs(node, _SPELLED_MAX)
    if pairs is None:
        return None
    near: list[str] = []
    for one, other in pairs:
        left, right = (candidates.spelled([side], _SPELLED_MAX) for side in (one, other))
        if left is None or right is None or len(near) + len(left) * len(right) > _SPELLED_MAX:
            return None
        near += (f"NEAR({_quoted(' '.join(a))} {_quoted(' '.join(b))}, {node.distance - 1})"
                 for a in left for b in right)
    return f"words : ({' OR '.join(near)})"


def _is_near_asked(node: query.Near) -> bool:
    """Whether FTS5's answer is exactly ours: any order is meant, no overlap is possible, and the
    next revision is farther away."""
    pairs = candidates.pairs(node, _SPELLED_MAX)
    return (not node.ordered and node.distance < limits.REVISION_POSITION_GAP
            and pairs is not None
            and all(candidates.are_apart(one, other) for one, other in pairs))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
