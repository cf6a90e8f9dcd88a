"""An index as one person may see it: the scope is part of every question.

Owns the only way from a viewer to an index. It answers exactly as an index would that held what the
scope shows and nothing else: totals, facets, pages, "not there" and "too much to look at" too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, tzinfo
from typing import Final

from schemas.assignment import Assignments
from schemas.document import Document
from schemas.errors import CounterfoilError, QueryError
from search.access.scope import EVERYTHING, Scope, kinds, node, within
from search.candidates import matcher
from search.explain import Explanation, Step
from search.facets import Counted, Facets, Part
from search.index import Asked, Page, PageCursor, Stored
from search.query import TokenQuery, TooManyWords
from search.tokens import Tokenizer

# Of no message: it would have to be an HMAC of one.
_NO_ID: Final = "0" * 32


class ScopedIndex:
    """The reading half of `index` within `scope`. Implements `search.index.Asked`; made for one
    question, or a few of one moment. `assigned`: the decisions of today, read from the whole
    index; `decoy`: the id of any document of the index, looked up once by whoever opened it, read
    where none is there; "" = there is none."""

    def __init__(self, index: Asked, scope: Scope, tokenizer: Tokenizer, assigned: Assignments,
                 decoy: str = "") -> None:
        self._index = index
        self._decoy = decoy
        self._scope = scope
        self._limit = node(scope, tokenizer, assigned)
        self._kinds = kinds(scope)
        self._is_shown = matcher(self._limit)

    def get(self, doc_ids: Iterable[str]) -> dict[str, Stored]:
        """Those that exist and are shown. One that is not shown is not there, in the time that it
        takes too, as near as that can be: an id that nobody was shown cannot be guessed."""
        wanted = list(doc_ids)
        found = self._index.get(wanted)
        if self._scope == EVERYTHING:
            return found
        shown = {doc_id: one for doc_id, one in found.items() if self.shows(one.document)}
        if self._decoy and len(wanted) == 1 and not shown:
            self._even_out(is_there=bool(found))
        return shown

    def _even_out(self, *, is_there: bool) -> None:
        """Of one id: to read a document that is there takes longer than to find none. Whichever of
        the two was done, the other is done now."""
        for one in self._index.get([_NO_ID if is_there else self._decoy]).values():
            self.shows(one.document)

    def shows(self, found: Document) -> bool:
        """Whether a document may be seen."""
        return self._scope == EVERYTHING or (
            found.kind in self._kinds and self._is_shown(found))

    def search(self, query: TokenQuery, limit: int, after: PageCursor | None = None, *,
               oldest_first: bool = False) -> Page:
        """See Asked."""
        return self._index.search(self._asked(query), limit, after, oldest_first=oldest_first)

    def count(self, query: TokenQuery) -> int:
        """See Asked."""
        return self._index.count(self._asked(query))

    def is_checked(self, query: TokenQuery) -> bool:
        """See Asked."""
        return self._index.is_checked(self._asked(query))

    def facets(self, query: TokenQuery, fields: Sequence[str], top: int,
               zone: tzinfo = UTC) -> Facets:
        """See Asked."""
        return self._index.facets(self._asked(query), fields, top, zone)

    def counts(self, query: TokenQuery, parts: Sequence[Part],
               zone: tzinfo = UTC) -> tuple[Counted, ...]:
        """See Asked. A part only narrows what is asked within the scope."""
        return self._index.counts(self._asked(query), parts, zone)

    def each(self, query: TokenQuery, most: int, *,
             oldest_first: bool = False) -> Iterator[Document]:
        """See Asked."""
        return self._index.each(self._asked(query), most, oldest_first=oldest_first)

    def _asked(self, query: TokenQuery) -> TokenQuery:
        return within(query, self._scope, self._limit)


def quiet(error: CounterfoilError, scope: Scope) -> CounterfoilError:
    """What somebody with this scope is told of `error`: how many words of the archive a pattern
    stands for is the whole archive's affair."""
    if scope == EVERYTHING or not isinstance(error, TooManyWords):
        return error
    return QueryError(error.query, error.position, (
        "this pattern, or those of the query together, may stand for too many words: write more "
        "letters, fewer patterns, or the words that are meant with OR"))


def without_words(explained: Explanation, scope: Scope) -> Explanation:
    """The explanation as somebody with this scope may see it: what its patterns stand for in the
    whole archive, words and counts, is left out; what documents are found stays."""
    if scope == EVERYTHING:
        return explained
    return replace(explained, words=0, root=_bare(explained.root))


def _bare(step: Step) -> Step:
    return replace(step, patterns=(), steps=tuple(map(_bare, step.steps)))
