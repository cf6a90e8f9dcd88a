"""What a stolen index gives away, measured on a corpus (PROTOCOL I5).

Owns the experiment: whose texts are indexed, what the thief has of his own, how often, and what
share of tokens and messages each attack of search/attacks.py then reads. Nothing but shares comes
out: no word, token or text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from heapq import heappop, heappush
from itertools import chain
from math import sqrt
from typing import Final

from schemas.errors import Refused
from search import attacks
from search.attacks import Planted, Statistics, Stream
from search.tokens import BLIND, INDEX_KEY_BYTES, NONE, TextMode, Tokenizer, stream

MESSAGES_MIN: Final = 40
# The modes that are measured. In the third, plain, the words stand in the index as they are:
# whoever has it reads all of them, and there is nothing to measure.
MODES: Final[tuple[TextMode, ...]] = (BLIND, NONE)
# A text message of WhatsApp is at most so long: what one injected message can hold.
MESSAGE_CHARS_MAX: Final = 4096
# Fewer conversations than this are split by message: halves of a handful would differ too much.
_CONVERSATIONS_MIN: Final = 20
SPLITS_MIN: Final = 2
SPLITS_MAX: Final = 20
# Student's t for 95 %, two-sided, by degrees of freedom from 1 (any table of the distribution).
_STUDENT: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201,
                   2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Terms of messages (`search.tokens.stream`), by conversation. `left_out`: messages that were
    more than may be measured."""

    name: str
    conversations: tuple[tuple[Stream, ...], ...]
    left_out: int = 0


class Sample:
    """Takes in texts one by one and keeps at most `messages_max` of them: whole conversations,
    those whose hashes are lowest. The same texts give the same sample in whatever order their
    conversations come; messages without a word are passed over."""

    def __init__(self, messages_max: int) -> None:
        self._messages_max = messages_max
        self._held: dict[str, dict[bytes, Stream]] = {}
        self._highest: list[tuple[int, str]] = []
        self._limit: int | None = None
        self._messages = 0
        self._left_out = 0

    def add(self, conversation: str, text: str, message: bytes | None = None) -> None:
        """One more message. `message`: its id, where one may come twice."""
        terms = tuple(stream(text))
        if not terms:
            return
        rank = _rank("sample", conversation)
        if self._limit is not None and rank >= self._limit:
            self._left_out += 1
            return
        held = self._held.get(conversation)
        if held is None:
            held = self._held[conversation] = {}
            heappush(self._highest, (-rank, conversation))
        key = message or b"number %d" % len(held)
        if key in held:
            return
        held[key] = terms
        self._messages += 1
        while self._messages > self._messages_max:
            self._shrink()

    def corpus(self, name: str) -> Corpus:
        """What was kept. Raises Refused for less than two halves could be made of."""
        if self._messages < MESSAGES_MIN:
            raise Refused(f"{name}: {self._messages} messages with words; {MESSAGES_MIN} are the "
                          "least that shares can be told of")
        order = sorted(self._held, key=lambda one: _rank("sample", one))
        return Corpus(name, tuple(tuple(self._held[one].values()) for one in order),
                      self._left_out)

    def _shrink(self) -> None:
        """The conversation with the highest hash goes; a last one is cut instead."""
        if len(self._highest) == 1:
            self._held[self._highest[0][1]].popitem()
            gone = 1
        else:
            rank, conversation = heappop(self._highest)
            self._limit = -rank
            gone = len(self._held.pop(conversation))
        self._messages -= gone
        self._left_out += gone


@dataclass(frozen=True, slots=True)
class Read:
    """What was read, as shares from 0 to 1: of distinct words, of occurrences, and of messages in
    which not one word is missing or wrong. `right`: of the guesses that were made."""

    distinct: float
    occurrences: float
    messages: float
    right: float


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack with its parameter (known words, injected messages), and how it is done."""

    name: str
    parameter: int | None
    run: Callable[[Thief], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Thief:
    """What a thief holds: the index, texts of his own, and how his own messages are indexed."""

    stolen: Statistics
    own: Statistics
    planted: Planted


def _frequency(thief: Thief) -> dict[str, str]:
    return attacks.by_frequency(thief.stolen, thief.own)


def _n_grams(thief: Thief) -> dict[str, str]:
    return attacks.by_context(thief.stolen, thief.own, {})


def _known(words: int, *, extended: bool) -> Callable[[Thief], dict[str, str]]:
    """He knows the tokens of the most frequent words of his own texts: one message of his that
    holds them is enough."""
    def run(thief: Thief) -> dict[str, str]:
        known = {token: word for word in thief.own.symbols[:words]
                 for token, term in zip(thief.planted(word), stream(word), strict=False)
                 if term == word}
        return attacks.by_context(thief.stolen, thief.own, known) if extended else known
    return run


def _in_order(messages: int) -> Callable[[Thief], dict[str, str]]:
    return lambda thief: attacks.by_order(
        thief.own.symbols, thief.planted, messages, MESSAGE_CHARS_MAX)


def _bisection(messages: int) -> Callable[[Thief], dict[str, str]]:
    return lambda thief: attacks.by_bisection(thief.own.symbols, thief.planted, messages)


ATTACKS: Final = (
    Attack("frequency", None, _frequency),
    Attack("n_grams", None, _n_grams),
    *(Attack(name, words, _known(words, extended=extended))
      for words in (10, 50, 200)
      for name, extended in (("known_words_alone", False), ("known_words", True))),
    *(Attack("injected_in_order", messages, _in_order(messages)) for messages in (1, 5, 50)),
    *(Attack("injected_bisection", messages, _bisection(messages)) for messages in (6, 9, 12, 15)),
)


LABELS: Final[Mapping[str, str]] = {
    "frequency": "frequency",
    "n_grams": "neighbours, no word known",
    "known_words_alone": "{} known words",
    "known_words": "{} known words, neighbours",
    "injected_in_order": "injected messages: {}",
    "injected_bisection": "the same without order: {}",
}
"""What each attack goes by, in words; {} stands for its parameter."""


@dataclass(frozen=True, slots=True)
class Share:
    """The mean over the splits, with the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Shares:
    """`Read`, over all splits."""

    distinct: Share
    occurrences: Share
    messages: Share
    right: Share


@dataclass(frozen=True, slots=True)
class Result:
    """What one attack reads in one mode of the index."""

    mode: str
    name: str
    parameter: int | None
    shares: Shares


@dataclass(frozen=True, slots=True)
class Report:
    """A measurement. The counts are of the whole corpus: half of its conversations are indexed, the
    thief has the other half, or `auxiliary`. `ceiling`: what he would read who knew the token of
    each word of his own texts."""

    corpus: str
    auxiliary: str | None
    splits: int
    conversations: int
    messages: int
    terms: int
    distinct: int
    left_out: int
    ceiling: Shares
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """What one split gave: the ceiling, and each attack in each mode, in the order of both."""

    ceiling: Read
    reads: tuple[Read, ...]


def measure(corpus: Corpus, auxiliary: Corpus | None, splits: Iterable[Split]) -> Report:
    """The report over `splits`, each made by `split` of these corpora under a number of its own."""
    done = list(splits)
    messages = list(chain.from_iterable(corpus.conversations))
    results = tuple(
        Result(mode, attack.name, attack.parameter, _shares([one.reads[at] for one in done]))
        for at, (mode, attack) in enumerate((mode, attack) for mode in MODES for attack in ATTACKS))
    return Report(
        corpus=corpus.name, auxiliary=auxiliary.name if auxiliary else None, splits=len(done),
        conversations=len(corpus.conversations), messages=len(messages),
        terms=sum(map(len, messages)), distinct=len(set(chain.from_iterable(messages))),
        left_out=corpus.left_out, ceiling=_shares([one.ceiling for one in done]), results=results)


def split(corpus: Corpus, auxiliary: Corpus | None, number: int) -> Split:
    """All attacks on one half of the corpus, under an index key of its own. Equal arguments give an
    equal answer; it stands by itself, so that several processes can share the work."""
    indexed, other = _halves(corpus, number)
    own = other if auxiliary is None else list(chain.from_iterable(auxiliary.conversations))
    index_key = sha256(b"counterfoil leakage %d" % number).digest()[:INDEX_KEY_BYTES]
    statistics = Statistics(own)
    vocabulary = set(statistics.symbols)
    ceiling = _read(indexed, indexed, {word: word for word in vocabulary})
    reads: list[Read] = []
    for mode in MODES:
        tokenizer = Tokenizer(index_key, text=mode)
        held = _index(indexed, tokenizer)

        def planted(text: str, tokenizer: Tokenizer = tokenizer) -> Stream:
            return _index([tuple(stream(text))], tokenizer)[0]

        thief = Thief(Statistics(held), statistics, planted)
        reads += [_read(indexed, held, attack.run(thief)) for attack in ATTACKS]
    return Split(ceiling, tuple(reads))


def _index(messages: Iterable[Stream], tokenizer: Tokenizer) -> list[Stream]:
    """What the index of a mode holds of each message: `Document.words` of one version."""
    return [tokenizer.tokens(terms, ())[0] for terms in messages]


def _read(messages: Sequence[Stream], held: Sequence[Stream], guesses: Mapping[str, str]) -> Read:
    """Counts `guesses` (token -> word) against what stands in the messages."""
    counts = Counter(chain.from_iterable(messages))
    truth = {token: term for terms, tokens in zip(messages, held, strict=True)
             for term, token in zip(terms, tokens, strict=False)}
    right = {word for token, word in guesses.items() if truth.get(token) == word}
    made = sum(token in truth for token in guesses)
    return Read(
        distinct=_of(len(right), len(counts)),
        occurrences=_of(sum(counts[word] for word in right), sum(counts.values())),
        messages=_of(sum(right.issuperset(terms) for terms in messages), len(messages)),
        right=_of(len(right), made))


def _of(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _halves(corpus: Corpus, number: int) -> tuple[list[Stream], list[Stream]]:
    """The messages of two disjoint halves of the conversations, by chance but the same each time.
    """
    parts: Sequence[Sequence[Stream]] = corpus.conversations
    if len(parts) < _CONVERSATIONS_MIN:
        parts = [(terms,) for conversation in parts for terms in conversation]
    order = sorted(range(len(parts)), key=lambda at: _rank(f"half {number}", str(at)))
    middle = len(order) // 2
    first, second = sorted(order[:middle]), sorted(order[middle:])
    return ([terms for at in first for terms in parts[at]],
            [terms for at in second for terms in parts[at]])


def _rank(label: str, name: str) -> int:
    return int.from_bytes(sha256(f"{label}\0{name}".encode("utf-8", "surrogatepass")).digest()[:8])


def _shares(reads: Sequence[Read]) -> Shares:
    return Shares(**{one.name: _share([getattr(read, one.name) for read in reads])
                     for one in fields(Read)})


def _share(values: Sequence[float]) -> Share:
    """Mean and 95 % interval (Student's t), within 0 and 1."""
    mean = sum(values) / len(values)
    if len(values) < SPLITS_MIN:
        return Share(mean, 0.0, 1.0)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    half = _STUDENT[len(values) - 2] * sqrt(variance / len(values))
    return Share(mean, max(0.0, mean - half), min(1.0, mean + half))
