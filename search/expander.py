"""What a pattern stands for now: the vocabulary of whichever index is current.

Owns which index's words are read, and when: before each pattern what was stored since the last one,
so that no message is in the index whose words are not known here (search/follow.py stores them
first).
"""

from __future__ import annotations

from schemas import limits
from search.index import IndexSet
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

    def expand(self, slot: Slot, terms_max: int) -> tuple[str, ...]:
        """See Expander. Before anything was indexed no word is there."""
        if isinstance(slot, Exact):
            return (slot.term,)
        name = self._indexes.current()
        if name is None:
            return ()
        if self._bound is None or self._bound[0] != name:
            # After a swap the words of the old index go: the new one has its own.
            self._bound = name, Vocabulary(
                self._indexes.open(name).words(), self._book, self._stems,
                words_max=self._words_max)
        vocabulary = self._bound[1]
        vocabulary.renew()
        return vocabulary.expand(slot, terms_max)

    def forget(self) -> None:
        """Drop every word: after an erasure the next pattern knows only what is left."""
        self._bound = None
