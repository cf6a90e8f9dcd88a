"""The sealed vocabulary (PROTOCOL I6): what expands `pay*`, `p?y`, `colour~1` and `stem:pay`.

Owns the port of the store that the sealed chunks of words lie in, and the words themselves in the
search process's memory: read from there, opened under the domain keys, and never written anywhere.
How they are looked up is `search/lexicon.py`; the indexer makes them in `search/newwords.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from schemas import limits
from schemas.errors import Missing, Refused
from schemas.wordchunk import SealedChunk
from search import words
from search.lexicon import Lexicon


class TooMany(Refused):
    """A pattern stands for more words than may be asked for. `count`: how many it stands for."""

    def __init__(self, count: int, terms_max: int) -> None:
        super().__init__(f"it stands for {count:,} words of the archive, and at most "
                         f"{terms_max:,} are looked for: make it narrower")
        self.count = count


class Expander(Protocol):
    """What a pattern stands for."""

    def expand(self, slot: words.Slot, terms_max: int) -> tuple[str, ...]:
        """The archive's terms that `slot` stands for (`words.holds`), sorted.

        An Exact stands for its own term, in the archive or not. Raises TooMany when there are more
        than `terms_max`, Refused with the reason when the vocabulary is not complete, Transient
        when it cannot be read.
        """

    def read(self) -> None:
        """Read now what the first pattern would wait for. Raises Transient; then that reads it."""


class WordStore(Protocol):
    """Where the sealed chunks of one index lie: made, retired and dropped with it.

    Every method raises Transient when the backend cannot be reached, and may raise Retired once
    the index was dropped. It may be asked while a put of its index is under way.
    """

    def add(self, chunks: Sequence[SealedChunk]) -> None:
        """Store those that are not there yet. Durable, and seen by `since`, when it returns; after
        an error some may be stored. Idempotent: an id names its words."""

    def since(self, place: int) -> Iterator[tuple[int, SealedChunk]]:
        """Every chunk that was stored after `place` (0 = every one), as of one moment not before
        the call, each with the place to go on from. One that was seen may come again."""

    def of(self, domain: bytes, generation: int, level: int, limit: int) -> list[SealedChunk]:
        """Up to `limit` chunks of one level of a domain."""

    def remove(self, ids: Iterable[bytes]) -> None:
        """Forget chunks, whose words lie in chunks of a higher level: `add` those first. One that
        is not there is forgotten already."""

    def drop(self, domain: bytes, generation: int) -> None:
        """Forget every chunk of a key that was erased, of whatever level."""


class Book(Protocol):
    """What seals and opens chunks, under domain keys (`archive.wordbook.Wordbook`)."""

    def seal(self, domain: bytes, generation: int, level: int,
             words: Iterable[str]) -> list[SealedChunk]:
        """`words` in as many chunks as they take. Raises Missing when the key is gone,
        Halt("key_service") when it does not open."""

    def open(self, chunk: SealedChunk) -> list[str]:
        """The words of a chunk. Raises Missing when the key is gone, Refused when the chunk or the
        key is not what was made."""


class Vocabulary:
    """The words of one index's archive, in this process's memory only. Implements Expander.

    Complete or refused: with a chunk that does not open, or more words than fit, no pattern is
    expanded. What lies under a key that is gone is gone: such chunks are counted and left out. Not
    for two threads at once.
    """

    def __init__(self, store: WordStore, book: Book, stems: words.Stems, *,
                 words_max: int = limits.VOCABULARY_WORDS_MAX) -> None:
        self._store = store
        self._book = book
        self._stems = stems
        self._words_max = words_max
        self._lexicon = Lexicon()
        self._place = 0
        self._is_stale = True
        self._sizes: Counter[bytes] = Counter()
        self._fault: str | None = None
        self.chunks = 0
        self.gone = 0

    def renew(self) -> None:
        """A new question: its first pattern reads what was stored meanwhile."""
        self._is_stale = True

    def __len__(self) -> int:
        """Different words, as far as they were read."""
        return len(self._lexicon)

    def expand(self, slot: words.Slot, terms_max: int) -> tuple[str, ...]:
        """See Expander."""
        if isinstance(slot, words.Exact):
            return (slot.term,)
        self.read()
        if self._fault is not None:
            raise Refused(self._fault)
        found = self._lexicon.matching(slot, self._stems)
        if len(found) > terms_max:
            raise TooMany(len(found), terms_max)
        return tuple(found)

    def read(self) -> None:
        """See Expander: what was stored since the last question."""
        if self._is_stale and self._fault is None:
            self._read()

    def _read(self) -> None:
        """Whatever is raised on the way, the next look goes on behind what was taken."""
        for place, chunk in self._store.since(self._place):
            if self._fault is not None:
                return
            self._take(chunk)
            self._place = place
        self._is_stale = False

    def _take(self, chunk: SealedChunk) -> None:
        self.chunks += 1
        try:
            found = self._book.open(chunk)
        except Missing:
            self.gone += 1
            return
        except Refused as error:
            self._give_up(f"the vocabulary is damaged ({error}): until the index is rebuilt "
                          "patterns (* ? ~ stem:) are refused, for they could leave words out")
            return
        self._lexicon.add(found)
        self._sizes[chunk.domain] += len(found)
        if len(self._lexicon) > self._words_max:
            (domain, most), = self._sizes.most_common(1)
            self._give_up(
                f"the vocabulary has more than {self._words_max:,} words: patterns (* ? ~ stem:) "
                f"are refused, for they could leave words out. The most, about {most:,}, are of "
                f"key domain {domain.hex()}")

    def _give_up(self, fault: str) -> None:
        self._fault = fault
        self._lexicon = Lexicon()
