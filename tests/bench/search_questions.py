"""The twelve questions of the bench `search`, the list of 200 terms, and what is right.

Owns what is asked, and the count by the reference evaluator while the messages are made: `Screen`
leaves out only questions that a message cannot answer, so that a million messages are counted too.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from typing import Final, TypeVar

from search import facets, tokens, words
from search.evaluate import Reading, Subject
from search.lists import Lists, SavedList, read
from search.parse import parse
from search.query import answering
from search.tree import And, Marked, Near, Or, Text, Tree, nodes
from search.words import Exact, Slot, Stems
from tests.bench.search_messages import FLAG_RULE, RARE
from tests.bench.traffic import Writer

T = TypeVar("T")

LIST_NAME: Final = "conduct"
LIST_TERMS: Final = 200
LIST: Final = "list of 200 terms"
# What it is -> how a supervisor writes it.
QUESTIONS: Final[dict[str, str]] = {
    "rare word": RARE,
    "common word": "the",
    "phrase": '"your order is"',
    "w/5": "order w/5 ready",
    "near in near": "(transfer* w/5 account) pre/10 (today OR tomorrow OR now)",
    "wildcard": "confirm*",
    "fuzzy": "payment~1",
    LIST: f"@{LIST_NAME}",
    "mix": "(send OR order OR check) NOT coffee from:person.0007 date:2026-01..2026-06",
    "retracted": "state:retracted order",
    "flagged": f"flag:{FLAG_RULE} direction:out",
    "identifier or file": "(pattern:iban OR attachment:pdf) date:2026-03",
}
# Words, phrases, nears and patterns of the list.
_LIST_SHARES: Final = (150, 30, 10, 10)
_SAMPLED_DIALOGUES: Final = 4_000
# What nobody would put on a list: it is said too often.
_MOST_OFTEN: Final = 400

Right = dict[str, Counter[str]]
"""By question: how many messages answer it, by month."""


class OneList:
    """Implements `search.lists.Lists`: the list that is asked with."""

    def __init__(self, found: SavedList) -> None:
        self._found = found

    def names(self) -> tuple[str, ...]:
        return (self._found.name,)

    def get(self, name: str) -> SavedList | None:
        return self._found if name == self._found.name else None


def conduct(seed: int) -> OneList:
    """200 lines: words from the often said to the seldom said, of every script with spaces,
    phrases, nears and patterns."""
    counts: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    writer = Writer(random.Random(seed))
    for _ in range(_SAMPLED_DIALOGUES):
        for text in writer.dialogue():
            said = text.split()
            plain = [one for one in said if one.isalpha() and len(one) > 2
                     and tokens.wanted(one).terms == (tokens.normalise(one),)]
            counts.update(dict.fromkeys(map(tokens.normalise, plain), 1))
            pairs.update({(one, other) for one, other in itertools.pairwise(said)
                          if one in plain and other in plain})
    known = [one for one, _ in counts.most_common()]
    beside = [one for one, _ in pairs.most_common()]
    alone, phrases, nears, patterns = _LIST_SHARES
    lines = _spread(known, alone)
    lines += [f'"{one} {other}"' for one, other in _spread(beside, phrases)]
    lines += [f"{one} w/4 {other}" for one, other in _spread(beside[1:], nears)]
    lines += [f"{one[:5]}*" for one in _spread([one for one in known if len(one) > 6], patterns)]
    lines += [f"unheardof{number}" for number in range(LIST_TERMS - len(lines))]
    return OneList(read(LIST_NAME, "\n".join(lines).encode()))


def _spread(found: list[T], count: int) -> list[T]:
    """`count` of them, ever farther apart: of what is said often a few, the most often not."""
    first = min(_MOST_OFTEN, len(found) // 8)
    if len(found) - first <= count:
        return found[first:]
    step = ((len(found) - 1) / first) ** (1 / count) if first else 1.0
    places = {round(first * step ** at) for at in range(count)}
    others = (at for at in range(first, len(found)) if at not in places)
    places.update(next(others) for _ in range(count - len(places)))
    return [found[at] for at in sorted(places)]


class Count:
    """Counts what answers each question."""

    def __init__(self, lists: Lists, stems: Stems) -> None:
        self._trees = {name: parse(text, zone=UTC, lists=lists)
                       for name, text in QUESTIONS.items()}
        self._stems = stems
        self._screen = Screen(self._trees.values(), stems)
        self._kinds = {name: answering(one) for name, one in self._trees.items()}
        self.right: Right = {name: Counter() for name in QUESTIONS}

    def add(self, about: Subject) -> None:
        """One more message."""
        may_hold = self._screen.of(about)
        reading: Reading | None = None
        for (name, asked), may in zip(self._trees.items(), may_hold, strict=True):
            if may and about.kind in self._kinds[name]:
                reading = reading or Reading(about, stems=self._stems)
                if reading.matches(asked):
                    self.right[name][facets.month(about.sort_at, UTC)] += 1


_May = Callable[[int, Subject], bool]


class Screen:
    """Which of some trees may be true of a message: never false for one that is."""

    def __init__(self, trees: Iterable[Tree], stems: Stems) -> None:
        asked = list(trees)
        slots = dict.fromkeys(slot for one in asked for slot in _slots(one))
        self._bits: dict[Slot, int] = {slot: 1 << at for at, slot in enumerate(slots)}
        self._exact = {slot.term: bit for slot, bit in self._bits.items()
                       if isinstance(slot, Exact)}
        self._others = [(slot, bit) for slot, bit in self._bits.items()
                        if not isinstance(slot, Exact)]
        self._stems = stems
        self._known: dict[str, int] = {}
        self._may = [self._made(one) for one in asked]

    def of(self, about: Subject) -> list[bool]:
        """In the order of the trees."""
        held = 0
        for text in about.texts:
            for term in tokens.stream(text):
                bits = self._known.get(term)
                held |= self._looked_at(term) if bits is None else bits
        return [may(held, about) for may in self._may]

    def _looked_at(self, term: str) -> int:
        bits = self._exact.get(term, 0)
        for slot, bit in self._others:
            if words.holds(slot, term, self._stems):
                bits |= bit
        self._known[term] = bits
        return bits

    def _made(self, asked: Tree) -> _May:
        if isinstance(asked, Text) and asked.slots:
            need = self._need(asked)
            return lambda held, _: held & need == need
        if isinstance(asked, Near):
            both = self._made(asked.left), self._made(asked.right)
            return lambda held, about: both[0](held, about) and both[1](held, about)
        if isinstance(asked, And):
            every = [self._made(one) for one in asked.children]
            return lambda held, about: all(one(held, about) for one in every)
        if isinstance(asked, Or):
            single = 0
            others: list[_May] = []
            for one in asked.children:
                if isinstance(one, Text) and len(one.slots) == 1:
                    single |= self._need(one)
                else:
                    others.append(self._made(one))
            return lambda held, about: bool(held & single) or any(
                one(held, about) for one in others)
        if isinstance(asked, Marked):
            return lambda _, about: bool(about.marks)
        return lambda _held, _about: True

    def _need(self, asked: Text) -> int:
        return sum({self._bits[slot] for slot in asked.slots})


def _slots(asked: Tree) -> Iterator[Slot]:
    for one in nodes(asked):
        if isinstance(one, Text):
            yield from one.slots


def together(found: Iterable[Right]) -> Right:
    """The counts of several partitions."""
    out: Right = {name: Counter() for name in QUESTIONS}
    for one in found:
        for name, months in one.items():
            out[name].update(months)
    return out

