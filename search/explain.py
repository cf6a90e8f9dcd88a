"""How a query is understood, and what it costs: its tree in words, what its patterns stand for, and
how many documents each part alone would find.

Owns the explanation. It holds words of the archive and counts: whoever is shown one has looked
(`search/searcher.py` records it first).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from schemas import limits
from search import tree
from search.index import TooBroad
from search.query import Compiler, Patterns, TokenQuery
from search.tokens import BLIND, NONE
from search.tree import Tree
from search.words import Exact, Fuzzy, Slot, Stem, describe

_SAMPLES: Final = 5


class Counts(Protocol):
    """What is asked of an index (`search.index.Index`)."""

    def count(self, query: TokenQuery) -> int:
        """How many documents match. Raises TooBroad, Transient."""

    def is_checked(self, query: TokenQuery) -> bool:
        """Whether documents are read one by one to answer."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """`written`: as in a query; `words`: how many words of the archive it stands for; `samples`:
    the first of them in order."""

    written: str
    words: int
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One node. `kind`: and | or | not | near | text | fact | all; `said`: the node in words;
    `start`, `end`: its place in the query; `documents`: how many it finds alone, null = not counted
    (an inner node, one of very many, or too much to look at)."""

    kind: str
    said: str
    start: int
    end: int
    patterns: tuple[Pattern, ...] = ()
    documents: int | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """`total`: what the query finds, null = too much to look at (then a search is refused);
    `words`: how many words its patterns stand for, together; `is_checked`: whether the index cannot
    answer alone, and documents that may match are read one by one; `mode`: what the index holds of
    words (search/tokens.py). In `none` no pattern is looked up: each text is compared with it."""

    query: str
    root: Step
    total: int | None
    words: int
    is_checked: bool
    mode: str = BLIND


def explain(asked: Tree, compiler: Compiler, index: Counts | None) -> Explanation:
    """The explanation of the query that `compiler` was made for. `index` null = nothing is indexed
    yet. Raises what `Compiler.compiled` and `Index.count` raise, save TooBroad."""
    whole = compiler.compiled(asked)
    explainer = _Explainer(compiler, index, whole.kinds)
    root = explainer.step(asked)
    return Explanation(compiler.query, root, explainer.count(asked), explainer.words,
                       index is not None and index.is_checked(whole), compiler.tokenizer.text)


def lines(explained: Explanation) -> list[str]:
    """The explanation as text, each level of the tree two spaces further in."""
    return [summary(explained), *_indented(explained.root, 1)]


def summary(explained: Explanation) -> str:
    """What the whole finds and costs, as one line of text."""
    found = ("more than can be looked at" if explained.total is None
             else _counted(explained.total, "document"))
    parts = [f"finds {found}"]
    if explained.words:
        parts.append(f"its patterns stand for {_counted(explained.words, 'word')}")
    if explained.is_checked and explained.mode == NONE:
        parts.append("the index holds no words, so messages that may match are decrypted and read, "
                     f"{limits.READ_TEXTS_MAX:,} at most")
    else:
        parts.append("documents that may match are read one by one" if explained.is_checked
                     else "the index answers alone")
    if explained.mode != BLIND:
        parts.append(f"search.text = {explained.mode}")
    return "; ".join(parts)


def line(step: Step) -> str:
    """One node as one line of text."""
    parts = [step.said]
    if step.documents is not None:
        parts.append(_counted(step.documents, "document"))
    for one in step.patterns:
        more = ", ..." if one.words > len(one.samples) else ""
        told = f" ({', '.join(one.samples)}{more})" if one.samples else ""
        parts.append(f"{one.written} = {_counted(one.words, 'word')}{told}")
    return "; ".join(parts)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _indented(step: Step, level: int) -> Iterator[str]:
    yield "  " * level + line(step)
    for one in step.steps:
        yield from _indented(one, level + 1)


class _Explainer:
    def __init__(self, compiler: Compiler, index: Counts | None, kinds: frozenset[str]) -> None:
        self._compiler = compiler
        self._index = index
        self._kinds = kinds
        self._counted = 0
        self.words = 0

    def step(self, asked: Tree) -> Step:
        """One node with all below it."""
        kind, said = _said(asked)
        documents = None
        if not isinstance(asked, tree.And | tree.Or | tree.Not):
            self._counted += 1
            if self._counted <= limits.EXPLAIN_LEAVES_MAX:
                documents = self.count(asked)
        return Step(kind, said, asked.start, asked.end, self._patterns(asked), documents,
                    tuple(map(self.step, tree.children(asked))))

    def count(self, asked: Tree) -> int | None:
        """How many documents a node finds among those that the whole query may answer with."""
        if self._index is None:
            return 0
        try:
            return self._index.count(TokenQuery(self._compiler.compiled(asked).root, self._kinds))
        except TooBroad:
            return None

    def _patterns(self, asked: Tree) -> tuple[Pattern, ...]:
        if not isinstance(asked, tree.Text) or self._compiler.tokenizer.text == NONE:
            return ()
        known: Patterns = self._compiler.patterns()
        out = []
        for slot in asked.slots:
            if not isinstance(slot, Exact):
                terms = known.terms(slot, asked)
                self.words += len(terms)
                out.append(Pattern(describe(slot), len(terms), terms[:_SAMPLES]))
        return tuple(out)


# --- a node in words -----------------------------------------------------------------------------

_SIDES: Final = {"from": "written by", "to": "written to", "with": "written by or to"}


def _said(asked: Tree) -> tuple[str, str]:
    """(kind, words) of a node."""
    if isinstance(asked, tree.And):
        return "and", "all of"
    if isinstance(asked, tree.Or):
        return "or", (f"any of the {len(asked.children):,} lines of @{asked.saved[0]}"
                      if asked.saved else "any of")
    if isinstance(asked, tree.Not):
        return "not", "not"
    if isinstance(asked, tree.Near):
        order = "in this order" if asked.ordered else "in any order"
        return "near", f"at most {asked.distance} apart, {order}"
    if isinstance(asked, tree.Text):
        return "text", _text(asked)
    if isinstance(asked, tree.Everything):
        return "all", "everything"
    return "fact", _fact(asked)


def _text(asked: tree.Text) -> str:
    where = f" [{asked.origin}]" if asked.origin else ""
    if asked.unit:
        return f"the character {asked.unit}{where}"
    if len(asked.slots) == 1:
        return f"{_place(asked.slots[0])}{where}"
    return "side by side: " + ", ".join(map(_place, asked.slots)) + where


def _place(slot: Slot) -> str:
    if isinstance(slot, Exact):
        return f"the word {slot.term}"
    if isinstance(slot, Fuzzy):
        return f"words at most {_counted(slot.distance, 'letter')} from {slot.term}"
    return f"forms of {slot.term}" if isinstance(slot, Stem) else f"words like {slot.pattern}"


def _fact(asked: Tree) -> str:
    if isinstance(asked, tree.Party):
        return f"{_SIDES[asked.side]} {asked.value}"
    if isinstance(asked, tree.Value):
        return f"{asked.name} is {asked.value}"
    if isinstance(asked, tree.Marked):
        return " and ".join(" ".join(label) for label in asked.labels)
    assert isinstance(asked, tree.Dates)
    ends = [("from", asked.since), ("before", asked.until)]
    return "sent " + " ".join(f"{name} {_moment(at)}" for name, at in ends if at is not None)


def _moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M} UTC"
