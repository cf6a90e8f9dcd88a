"""Stems: which words are forms of one word (`stem:pay` finds pays, paid is another).

Owns the choice of the stemming library and what it is asked. A stem is compared, never shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import snowballstemmer

from schemas.errors import Refused

LANGUAGES: Final[tuple[str, ...]] = tuple(sorted(snowballstemmer.algorithms()))
_CACHE: Final = 100_000


class Stemmer:
    """The stems of some languages. Implements `search.words.Stems`; safe to share between threads.
    """

    def __init__(self, languages: Sequence[str]) -> None:
        """Raises Refused, naming the known ones, for a language that has no stemmer, or none."""
        if not languages:
            raise Refused("stem: needs at least one language")
        for language in languages:
            if language not in LANGUAGES:
                raise Refused(f"there is no stemmer for {language!r}; known languages: "
                              + " ".join(LANGUAGES))
        self.languages: Final = tuple(dict.fromkeys(languages))

        @lru_cache(maxsize=_CACHE)
        def of(term: str) -> frozenset[tuple[str, str]]:
            # A stemmer of the library's has state: one for each word is cheap, and no two threads
            # share it.
            return frozenset(
                (language, stem) for language in self.languages
                for stem in (term, snowballstemmer.stemmer(language).stemWord(term)))

        self._of = of

    def of(self, term: str) -> frozenset[tuple[str, str]]:
        """See `search.words.Stems`."""
        return self._of(term)
