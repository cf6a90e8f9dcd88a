"""Words of indexed texts on their way into the sealed vocabulary (PROTOCOL I6).

Owns what is sealed when: the words that are new to a key domain, before the documents that hold
them; and the merging of many small chunks into one. Made beside the index by its follower, from the
archive alone; several followers may make the same.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Final

from schemas.errors import Missing, Refused
from schemas.wordchunk import SealedChunk
from search.project import Heard
from search.vocabulary import Book, WordStore
from search.words import PATTERN_WORD_CHARS_MAX

Home = tuple[bytes, int]
"""A key domain and its generation."""

# Words that are known to be stored already, by their tokens, at most 120 bytes each; of the domains
# that were asked for longest ago they are forgotten: their words are then stored once more.
KNOWN_WORDS_MAX: Final = 2_000_000
# So many chunks of one domain and level are merged into one of the next.
MERGED_CHUNKS: Final = 32
_LEVELS: Final = 5


class NewWords:
    """The words of one follower. What `store` has not stored is lost with the process, and so are
    the documents that were to follow: both are made again from the archive."""

    def __init__(self, store: WordStore, book: Book, *,
                 known_words_max: int = KNOWN_WORDS_MAX) -> None:
        self._store = store
        self._book = book
        self._known_words_max = known_words_max
        self._heard: dict[Home, Heard] = {}
        self._known: OrderedDict[Home, set[str]] = OrderedDict()
        self._known_count = 0
        self._chunks: Counter[Home] = Counter()

    def of(self, home: Home) -> Heard:
        """Where the words of texts under this key are gathered."""
        heard = self._heard.get(home)
        if heard is None:
            heard = self._heard[home] = {}
        return heard

    def store(self) -> None:
        """Every word that was gathered is stored, durably, when this returns.

        Raises Transient, and what `Book.seal` raises but Missing: under a key that is gone the
        text is gone too.
        """
        heard, self._heard = self._heard, {}
        fresh = {home: new for home, said in heard.items() if (new := self._unknown(home, said))}
        sealed = {home: self._sealed(home, new) for home, new in fresh.items()}
        chunks = [chunk for made in sealed.values() for chunk in made]
        if chunks:
            self._store.add(chunks)
        # From here the words are stored, and the documents that hold them may be.
        for home, new in fresh.items():
            self._remember(home, new)
        for home, made in sealed.items():
            self._chunks[home] += len(made)
            if self._chunks[home] >= MERGED_CHUNKS:
                self._chunks[home] = 0
                self._merge(home, 0)

    def _unknown(self, home: Home, heard: Heard) -> Heard:
        known = self._known.get(home)
        if known is None:
            return heard
        self._known.move_to_end(home)
        return {token: term for token, term in heard.items() if token not in known}

    def _sealed(self, home: Home, new: Heard) -> list[SealedChunk]:
        # No pattern stands for a longer one (search/words.py).
        terms = [term for term in new.values() if len(term) <= PATTERN_WORD_CHARS_MAX]
        try:
            return self._book.seal(*home, 0, terms)
        except Missing:
            return []

    def _remember(self, home: Home, new: Heard) -> None:
        known = self._known.setdefault(home, set())
        before = len(known)
        known.update(new)
        self._known_count += len(known) - before
        while self._known_count > self._known_words_max and len(self._known) > 1:
            self._known_count -= len(self._known.popitem(last=False)[1])
        if self._known_count > self._known_words_max:
            self._known.clear()
            self._known_count = 0

    def _merge(self, home: Home, level: int) -> None:
        chunks = self._store.of(*home, level, MERGED_CHUNKS) if level < _LEVELS else []
        if len(chunks) < MERGED_CHUNKS:
            return
        try:
            words = {word for chunk in chunks for word in self._book.open(chunk)}
            merged = self._book.seal(*home, level + 1, words)
        except (Missing, Refused):
            return  # whoever reads them says so
        self._store.add(merged)
        # Here every word is stored twice, in its old chunk and in a chunk of a higher level. Only
        # lower ones are removed for higher ones: two that merge the same cannot remove both.
        self._store.remove(chunk.id for chunk in chunks)
        self._merge(home, level + 1)
