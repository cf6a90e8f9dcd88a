"""What a pattern stands for now: the vocabulary of whichever index is current.

Owns which index's words are read, and when: before each pattern what was stored since the last one,
so that no message is in the index whose words are not known here (search/follow.py stores them
first).
"""

from __future__ import annotations

from schemas import limits
from search.erased import ACTS
from search.index import Index, IndexSet
from search.vocabulary import Book, Vocabulary
from search.words import Exact, Slot, Stems


class CurrentExpander:
    """Implements `search.vocabulary.Expander`. Not for two threads at once."""

    def __init__(self, indexes: IndexSet, book: Book, stems: Stems,
                 words_max: int = limits.VOCABULARY_WORDS_MAX) -> None:
        self._words_max = words_max
        self._indexes = indexes
        self._book = book
        self._stems = stems
        self._bound: tuple[str, Vocabulary] | None = None
        self._index: Index | None = None
        self._acts = 0

    def expand(self, slot: Slot, terms_max: int) -> tuple[str, ...]:
        """See Expander. Before anything was indexed no word is there."""
        if isinstance(slot, Exact):
            return (slot.term,)
        vocabulary = self._vocabulary()
        return () if vocabulary is None else vocabulary.expand(slot, terms_max)

    def read(self) -> None:
        """See Expander."""
        vocabulary = self._vocabulary()
        if vocabulary is not None:
            vocabulary.read()

    def _vocabulary(self) -> Vocabulary | None:
        name = self._indexes.current()
        if name is None:
            return None
        if self._bound is None or self._bound[0] != name or self._index is None:
            self._index = self._indexes.open(name)
            self._bound = None
        acts = self._index.count(ACTS)
        if self._bound is None or acts != self._acts:
            # After a swap the words of the old index go: the new one has its own. After an erasure
            # its words have left the index before this count changed (search/follow.py).
            self._bound = name, Vocabulary(
                self._index.words(), self._book, self._stems, words_max=self._words_max)
            self._acts = acts
        vocabulary = self._bound[1]
        vocabulary.renew()
        return vocabulary
