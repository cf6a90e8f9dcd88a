"""What a query says, as a tree. Pure; `search/parse.py` makes it, `search/evaluate.py` is its
meaning.

Owns the nodes. Each keeps its place in the query as it was typed: `start`, `end`, half open. What a
saved list holds has the place of the `@name` that called for it, and says in `origin` which line of
which list it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from search.marks import Label
from search.words import Slot


@dataclass(frozen=True, slots=True)
class Everything:
    """All that a search may answer with."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Text:
    """A word or a phrase: `slots` side by side, or `unit`, a single unit of a script without spaces
    anywhere in a text (then `slots` is empty)."""

    slots: tuple[Slot, ...]
    unit: str
    start: int
    end: int
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Near:
    """`left` and `right` at most `distance` positions apart in one version of a message; `ordered`:
    left before right. Each side is a Text with slots, a Near, or an Or of such; what near means is
    in `search/positions.py`."""

    left: Tree
    right: Tree
    distance: int
    ordered: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Party:
    """`side`: from | to | with."""

    side: str
    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Value:
    """`name`: channel | state | kind | conversation | direction."""

    name: str
    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Marked:
    """The message has all of `labels`. `name`: attachment | pattern | flag."""

    name: str
    labels: tuple[Label, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Dates:
    """A half-open range of UTC ms; null = open."""

    since: int | None
    until: int | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    children: tuple[Tree, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them. `saved`: the list that they are the lines of, and the digest of its content as
    hex; null = written out with OR."""

    children: tuple[Tree, ...]
    start: int
    end: int
    saved: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Not:
    """What the child does not match."""

    child: Tree
    start: int
    end: int


Tree = Everything | Text | Near | Party | Value | Marked | Dates | And | Or | Not


def children(tree: Tree) -> tuple[Tree, ...]:
    """What stands directly below a node; empty for a leaf."""
    if isinstance(tree, And | Or):
        return tree.children
    if isinstance(tree, Near):
        return tree.left, tree.right
    return (tree.child,) if isinstance(tree, Not) else ()


def nodes(tree: Tree) -> Iterator[Tree]:
    """The tree itself and everything below it, left to right."""
    yield tree
    for child in children(tree):
        yield from nodes(child)


def leaves(tree: Tree) -> Iterator[Tree]:
    """Every leaf of a tree, left to right."""
    return (one for one in nodes(tree) if not children(one))


def saved_lists(tree: Tree) -> dict[str, str]:
    """The saved lists that a query called for, lists inside lists too: name -> digest."""
    return dict(one.saved for one in nodes(tree) if isinstance(one, Or) and one.saved)
