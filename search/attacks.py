"""What a thief of the blind index makes of it: attacks on streams of tokens, without the key.

Owns the attacks; what they are measured on, and how, is search/leakage.py. A thief holds each
message's tokens in their order, and texts of his own in the clear. Where he writes to the firm he
also finds his own messages in the index, by time and sender: their tokens he can name.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import nlargest
from itertools import chain
from math import dist, exp, log, sqrt
from typing import Final

from search.tokens import stream

Stream = tuple[str, ...]
Planted = Callable[[str], Stream]
"""What the index holds of a message that the thief sent: its tokens in order."""

# Where a message begins and ends is seen by everybody.
_EDGE: Final = -1
# What stands one before, one behind, two before, two behind; and both neighbours together.
_BEFORE, _AFTER, _SECOND_BEFORE, _SECOND_AFTER, _PAIR = range(5)
_Context = tuple[int, int, int]
# As how many occurrences the whole corpus counts beside those that were seen with a word: a pair
# of neighbours is rarely seen twice, so that its absence says little.
_PRIOR: Final = (3.0, 3.0, 6.0, 6.0, 40.0)
# How much a word's share differs between corpora of one kind, and between any two: standard
# deviations of logarithms.
_NEAR: Final = 0.3
_FAR: Final = 1.6
# By how much a reading from afar must be the likelier language: its choice is so wide that much
# fits by chance.
_FAR_LEAD: Final = 0.5
# Tokens that the first round reads, and how many times as many each next one; after so many rounds
# the best beginning is chosen.
_PREFIX: Final = 120
_GROWTH: Final = 2
_TRIAL_ROUNDS: Final = 3
# A guess is built upon when it leads the second best by so much, as a difference of logarithms.
_SURE: Final = 2.0
_CANDIDATES: Final = 6
# Words that a context may leave possible: of more it tells too little for what it takes.
_HOLDERS_MAX: Final = 200
_NOBODY: Final[tuple[list[int], list[float]]] = ([], [])
# Of a symbol's neighbours in each slot, whichever they are: how many shares make its shape, and as
# how many occurrences a difference of shapes counts.
_SHAPE_NEIGHBOURS: Final = 10
_SHAPE_WEIGHT: Final = 100.0


class Statistics:
    """Streams as the attacks see them: symbols numbered by falling frequency, and what stands
    around each. Equal streams give equal numbers; ties fall by the symbol itself, which of a token
    says nothing."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        counts = Counter(chain.from_iterable(streams))
        self.symbols = sorted(counts, key=lambda one: (-counts[one], one))
        self.counts = [counts[one] for one in self.symbols]
        self.number = {one: number for number, one in enumerate(self.symbols)}
        self.total = sum(self.counts)
        self.contexts: list[dict[_Context, int]] = [{} for _ in self.symbols]
        for one in streams:
            self._note(one)

    def _note(self, said: Stream) -> None:
        numbers = [_EDGE, _EDGE, *map(self.number.__getitem__, said), _EDGE, _EDGE]
        for at in range(2, len(numbers) - 2):
            seen = self.contexts[numbers[at]]
            before, after = numbers[at - 1], numbers[at + 1]
            for context in ((_BEFORE, before, _EDGE), (_AFTER, after, _EDGE),
                            (_SECOND_BEFORE, numbers[at - 2], _EDGE),
                            (_SECOND_AFTER, numbers[at + 2], _EDGE), (_PAIR, before, after)):
                seen[context] = seen.get(context, 0) + 1

    @cached_property
    def holders(self) -> dict[_Context, tuple[list[int], list[float]]]:
        """Context -> the symbols that were seen in it, rising, and what each occurrence of it says
        for the symbol: the logarithm of how much likelier it is there than if never seen."""
        totals: Counter[_Context] = Counter()
        for contexts in self.contexts:
            totals.update(contexts)
        out: dict[_Context, tuple[list[int], list[float]]] = {}
        for symbol, contexts in enumerate(self.contexts):
            for context, times in contexts.items():
                symbols, weights = out.setdefault(context, ([], []))
                prior = _PRIOR[context[0]] * totals[context] / self.total
                symbols.append(symbol)
                weights.append(log((times + prior) / prior))
        return out


def by_frequency(stolen: Statistics, own: Statistics) -> dict[str, str]:
    """Token -> word: the most frequent token is the most frequent word, and so on down."""
    return dict(zip(stolen.symbols, own.symbols, strict=False))


def by_context(stolen: Statistics, own: Statistics, known: Mapping[str, str]) -> dict[str, str]:
    """Token -> word, from `known` tokens outwards, or from none.

    Tokens are read in the order of their frequency, more each round; each is compared with the
    words of a like frequency by what stands around it (a naive Bayes estimate), as far as that is
    known, or was guessed with some certainty the round before. Each word is given once; in the end
    every guess counts. The first round needs nothing known: words have shapes (`_shape`). Which
    beginning is best, and how much his texts differ from the firm's, the thief does not know: he
    tries, and goes on with the reading that is likeliest to be language.
    """
    if not stolen.symbols or not own.symbols:
        return {}
    fixed = {stolen.number[token]: own.number[word] for token, word in known.items()
             if token in stolen.number and word in own.number}
    prefixes = _prefixes(len(stolen.symbols))
    near, far = _Reader(stolen, own, fixed, _NEAR), _Reader(stolen, own, fixed, _FAR)
    trials = [(near, near.by_shape(prefixes[0]))]
    if fixed:
        trials += [(reader, reader.by_context({}, prefixes[0])) for reader in (near, far)]
    trials = [(reader, reader.grown(guesses, prefixes[1:_TRIAL_ROUNDS]))
              for reader, guesses in trials]
    reader, guesses = max(trials, key=lambda one: (
        one[0].fit(one[1]) - (_FAR_LEAD if one[0] is far else 0.0)))
    guesses = reader.grown(guesses, prefixes[_TRIAL_ROUNDS:])
    return dict(known) | {stolen.symbols[one.token]: own.symbols[one.word] for one in guesses}


def by_order(words: Sequence[str], planted: Planted, messages: int, chars_max: int,
             ) -> dict[str, str]:
    """Token -> word: `messages` messages of at most `chars_max` characters with the most frequent
    words in them, read off the index one for one, since tokens keep their order."""
    found: dict[str, str] = {}
    for _, text in zip(range(messages), _texts(words, chars_max), strict=False):
        found.update(zip(planted(text), stream(text), strict=False))
    return found


def by_bisection(words: Sequence[str], planted: Planted, messages: int) -> dict[str, str]:
    """Token -> word, as if the order were hidden: word number n stands in message j where bit j of
    n is set, so each message holds half of the words; the set of messages that a token is in names
    its word. For 2**messages - 1 words."""
    texts = [" ".join(word for number, word in enumerate(words[:2**messages - 1], 1)
                      if number >> bit & 1) for bit in range(messages)]
    named: dict[int, set[str]] = {}
    for term, places in _places([frozenset(stream(text)) for text in texts]).items():
        named.setdefault(places, set()).add(term)
    return {
        token: min(named[places])
        for token, places in _places([frozenset(planted(text)) for text in texts]).items()
        if len(named.get(places, ())) == 1
    }


def _places(messages: Sequence[frozenset[str]]) -> dict[str, int]:
    """Symbol -> the messages that it is in, a bit each."""
    found: dict[str, int] = {}
    for bit, held in enumerate(messages):
        for symbol in held:
            found[symbol] = found.get(symbol, 0) | 1 << bit
    return found


def _texts(words: Sequence[str], chars_max: int) -> Iterator[str]:
    """The words, as many in a text as it may hold."""
    held: list[str] = []
    chars = 0
    for word in words:
        if held and chars + len(word) > chars_max:
            yield " ".join(held)
            held, chars = [], 0
        held.append(word)
        chars += len(word) + 1
    if held:
        yield " ".join(held)


def _prefixes(symbols: int) -> list[int]:
    """How many of the most frequent tokens each round reads."""
    prefixes = [min(_PREFIX, symbols)]
    while prefixes[-1] < symbols:
        prefixes.append(min(prefixes[-1] * _GROWTH, symbols))
    return prefixes


@dataclass(frozen=True, slots=True)
class _Guess:
    """A token's word, and by how much it leads the next that it could be."""

    token: int
    word: int
    lead: float


_Ranked = list[tuple[float, int]]
"""Words with the logarithm of how likely they are, the best first."""


class _Reader:
    """Compares what stands around tokens with what stands around words."""

    def __init__(self, stolen: Statistics, own: Statistics, fixed: Mapping[int, int],
                 drift: float) -> None:
        """`fixed`: tokens whose words are known. `drift`: how much a word's share differs."""
        self._stolen, self._own, self._fixed, self._drift = stolen, own, fixed, drift
        self._taken = frozenset(fixed.values())
        self._ratio = own.total / stolen.total
        # Rising numbers for bisection: frequencies fall.
        self._falling = [-count for count in own.counts]
        self._holders = own.holders

    def by_shape(self, prefix: int) -> list[_Guess]:
        """Guesses for the `prefix` most frequent tokens by their frequency and shape alone."""
        shapes: dict[int, list[float]] = {}

        def ranked(token: int) -> _Ranked:
            count = self._stolen.counts[token]
            first, last = self._alike(count)
            shape = _shape(self._stolen, token)
            found: _Ranked = []
            for word in range(first, last + 1):
                if word not in shapes:
                    shapes[word] = _shape(self._own, word)
                apart = dist(shape, shapes[word]) ** 2
                found.append((self._frequency(count, self._own.counts[word])
                              - _SHAPE_WEIGHT * apart, word))
            return self._best(found)

        return self._assigned(prefix, ranked)

    def grown(self, guesses: list[_Guess], prefixes: Iterable[int]) -> list[_Guess]:
        """The guesses of the last of these rounds, each built upon the one before."""
        for prefix in prefixes:
            guesses = self.by_context(
                {one.token: one.word for one in guesses if one.lead >= _SURE}, prefix)
        return guesses

    def by_context(self, sure: Mapping[int, int], prefix: int) -> list[_Guess]:
        """Guesses for the `prefix` most frequent tokens by what stands around them, where that is
        fixed or `sure`."""
        anchors = {_EDGE: _EDGE, **self._fixed, **sure}
        return self._assigned(prefix, lambda token: self._ranked(token, anchors))

    def fit(self, guesses: Iterable[_Guess]) -> float:
        """How much likelier the words that are read side by side are there than anywhere, by his
        own texts: the mean of the logarithm."""
        done = {_EDGE: _EDGE, **self._fixed, **{one.token: one.word for one in guesses}}
        read, likelier = 0, 0.0
        for token, word in done.items():
            if token == _EDGE:
                continue
            for (slot, after, _), times in self._stolen.contexts[token].items():
                if slot == _AFTER and after in done:
                    words, weights = self._holders.get((slot, done[after], _EDGE), _NOBODY)
                    at = bisect_left(words, word)
                    is_shared = at < len(words) and words[at] == word
                    read += times
                    likelier += times * (_absence(slot, self._own.counts[word])
                                         + (weights[at] if is_shared else 0.0))
        return likelier / read if read else 0.0

    def _assigned(self, prefix: int, ranked: Callable[[int], _Ranked]) -> list[_Guess]:
        """Each word once, the surest token first."""
        everything = [(token, ranked(token)) for token in range(prefix) if token not in self._fixed]
        everything.sort(key=lambda one: _lead(one[1]), reverse=True)
        taken: set[int] = set()
        out: list[_Guess] = []
        for token, candidates in everything:
            free = next((word for _, word in candidates if word not in taken), None)
            if free is not None:
                taken.add(free)
                # Who lost his first choice is less sure than his list says.
                out.append(_Guess(token, free,
                                  _lead(candidates) if free == candidates[0][1] else 0.0))
        return out

    def _ranked(self, token: int, anchors: Mapping[int, int]) -> _Ranked:
        count = self._stolen.counts[token]
        first, last = self._alike(count)
        scores: dict[int, float] = {}
        seen = [0] * len(_PRIOR)
        for (slot, one, other), times in self._stolen.contexts[token].items():
            if one not in anchors or other not in anchors:
                continue
            words, weights = self._holders.get((slot, anchors[one], anchors[other]), _NOBODY)
            begin, end = bisect_left(words, first), bisect_right(words, last)
            if end - begin > _HOLDERS_MAX:
                continue
            seen[slot] += times
            for at in range(begin, end):
                word = words[at]
                scores[word] = scores.get(word, 0.0) + times * weights[at]
        # What does not depend on which contexts are shared: the same for words of one frequency.
        plain: dict[int, float] = {}
        for word in scores:
            own = self._own.counts[word]
            if own not in plain:
                plain[own] = self._frequency(count, own) + sum(
                    times * _absence(slot, own) for slot, times in enumerate(seen) if times)
            scores[word] += plain[own]
        return self._best((score, word) for word, score in scores.items())

    def _best(self, found: Iterable[tuple[float, int]]) -> _Ranked:
        return nlargest(_CANDIDATES, (one for one in found if one[1] not in self._taken))

    def _alike(self, count: int) -> tuple[int, int]:
        """The first and the last word whose frequency may be that of a token seen so often."""
        expected = count * self._ratio
        width = exp(2.5 * sqrt(2 / count + self._drift**2))
        first = bisect_left(self._falling, -expected * width)
        return first, bisect_right(self._falling, -expected / width) - 1

    def _frequency(self, count: int, own: int) -> float:
        """How likely it is that what stands `count` times there stands `own` times here."""
        apart = log((count * self._ratio + 0.5) / (own + 0.5))
        return -(apart**2) / (2 * (1 / count + 1 / own + self._drift**2))


def _lead(candidates: _Ranked) -> float:
    """By how much the first leads; alone it is as sure as a guess needs to be, and no more."""
    if len(candidates) > 1:
        return candidates[0][0] - candidates[1][0]
    return _SURE if candidates else 0.0


def _absence(slot: int, own: int) -> float:
    """What an occurrence of a context says against a word that stands `own` times in his texts and
    never in it; `Statistics.holders` says what it says for the others, beyond this."""
    return log(_PRIOR[slot] / (own + _PRIOR[slot]))


def _shape(statistics: Statistics, symbol: int) -> list[float]:
    """For each slot the share of occurrences at an edge, and beside each of the most frequent
    neighbours, whichever they are. Square roots: the distance of two is then Hellinger's, and what
    is rare counts, too."""
    edges = [0] * len(_PRIOR)
    beside: list[list[int]] = [[] for _ in _PRIOR]
    for (slot, one, other), times in statistics.contexts[symbol].items():
        if one == _EDGE == other:
            edges[slot] = times
        else:
            beside[slot].append(times)
    out: list[int] = []
    for slot, held in enumerate(beside):
        most = nlargest(_SHAPE_NEIGHBOURS, held)
        out += (edges[slot], *most, *(0,) * (_SHAPE_NEIGHBOURS - len(most)))
    return [sqrt(times / statistics.counts[symbol]) for times in out]
