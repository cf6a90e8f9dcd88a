"""Answers from an index that holds no words (the mode `none`): the archive's texts are read.

Owns what is read for a question, how much of it, and what is then true. Whatever else a question
says is asked of the index; the messages that may match are decrypted, and their texts are looked
at with the reference meaning (`search/evaluate.py`). What was read is forgotten with the question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, tzinfo
from itertools import islice
from typing import Final

from schemas import limits
from schemas.document import Document, Entry
from schemas.errors import Missing, Refused
from search import candidates, facets, tree
from search.bodies import Bodies
from search.candidates import Held
from search.evaluate import Streamed
from search.facets import Counted, Facets, Part
from search.index import Asked, Page, PageCursor, Stored, TooBroad
from search.picked import Picked
from search.project import EntryKey, entry_key, revision_entries
from search.query import Said, TokenQuery
from search.tokens import stream_and_units
from search.words import Stems

# Messages whose texts are read in the order in which they lie, so that a cell is opened once.
_BATCH: Final = 2_000
# Characters of texts that are kept for the next part of the same question.
_KEPT_CHARS_MAX: Final = 16_000_000

Progress = Callable[[int, int], None]
"""How many messages were looked at, of how many."""


class TooMuchToRead(TooBroad):
    """Too many messages would have to be decrypted to answer."""

    def __init__(self, count: int) -> None:
        Refused.__init__(
            self, f"the index holds no words (search.text = none), so {count:,} messages or more "
                  f"would be decrypted and read for this, and at most {limits.READ_TEXTS_MAX:,} "
                  "are: add a date, a person or a conversation")


def silent(done: int, of: int) -> None:
    """For who shows no progress."""


class ReadingIndex:
    """An index without words, and the texts behind it. Implements `search.index.Asked`, for one
    question: totals, pages, counts and facets are as exact as those of an index with words.

    `unread`: texts that could not be read, for their key or their object is gone: no word stands in
    them, as in an index with words that is rebuilt.
    """

    def __init__(self, index: Asked, bodies: Bodies, stems: Stems,
                 progress: Progress = silent) -> None:
        self._index = index
        self._bodies = bodies
        self._stems = stems
        self._progress = progress
        self._texts: dict[EntryKey, str] = {}
        self._chars = 0
        self._unreadable: set[EntryKey] = set()

    @property
    def unread(self) -> int:
        """How many texts could not be read so far."""
        return len(self._unreadable)

    def search(self, query: TokenQuery, limit: int, after: PageCursor | None = None, *,
               oldest_first: bool = False) -> Page:
        """See Asked. Raises TooMuchToRead."""
        if not _reads(query):
            return self._index.search(query, limit, after, oldest_first=oldest_first)
        page = Picked(limit, after, oldest_first=oldest_first)
        kept: dict[str, Document] = {}
        for found in self._matching(query, oldest_first=oldest_first):
            if page.take(PageCursor(found.sort_at, found.doc_id)):
                kept[found.doc_id] = found
        return page.made(lambda ids: [kept[one] for one in ids])

    def count(self, query: TokenQuery) -> int:
        """See Asked. Raises TooMuchToRead."""
        if not _reads(query):
            return self._index.count(query)
        return sum(1 for _ in self._matching(query))

    def is_checked(self, query: TokenQuery) -> bool:
        """See Asked."""
        return _reads(query) or self._index.is_checked(query)

    def facets(self, query: TokenQuery, fields: Sequence[str], top: int,
               zone: tzinfo = UTC) -> Facets:
        """See Asked. Raises TooMuchToRead."""
        if not _reads(query):
            return self._index.facets(query, fields, top, zone)
        facets.check(fields, top)
        return facets.counted(self._matching(query), fields, top, zone)

    def counts(self, query: TokenQuery, parts: Sequence[Part],
               zone: tzinfo = UTC) -> tuple[Counted, ...]:
        """See Asked. Raises TooMuchToRead."""
        if not _reads(query):
            return self._index.counts(query, parts, zone)
        facets.check_parts(parts)
        return facets.tallied(self._matching(query), parts, zone)

    def each(self, query: TokenQuery, most: int, *,
             oldest_first: bool = False) -> Iterator[Document]:
        """See Asked. Raises TooMuchToRead."""
        if not _reads(query):
            return self._index.each(query, most, oldest_first=oldest_first)
        found = list(islice(self._matching(query, oldest_first=oldest_first), most + 1))
        if len(found) > most:
            raise TooBroad
        return iter(found)

    def _matching(self, asked: TokenQuery, *, oldest_first: bool = False) -> Iterator[Document]:
        """Every document that matches, in order."""
        wider = TokenQuery(candidates.reduced(candidates.above(asked.root)), asked.kinds)
        count = self._index.count(wider)
        if count > limits.READ_TEXTS_MAX:
            raise TooMuchToRead(count)
        is_sure = candidates.matcher(candidates.reduced(candidates.below(asked.root)))
        leaves = list(dict.fromkeys(candidates.said_nodes(asked.root)))
        said: dict[str, set[Said]] = {}

        def is_said(leaf: Said, found: Held) -> bool:
            return isinstance(found, Document) and leaf in said.get(found.doc_id, ())

        is_meant = candidates.matcher(asked.root, is_said)
        every = self._every(wider, oldest_first=oldest_first)
        done = texts = 0
        while batch := list(islice(every, _BATCH)):
            wanted = [(entry, found) for found in batch if not is_sure(found)
                      for entry in revision_entries(found)]
            texts += len(wanted)
            if texts > limits.READ_TEXTS_MAX:
                raise TooMuchToRead(texts)
            said.clear()
            # In the order in which they lie in the archive: neighbours share a cell.
            for entry, found in sorted(wanted, key=lambda one: entry_key(one[0])):
                text = self._text(found, entry)
                if text is not None:
                    said.setdefault(found.doc_id, set()).update(self._true_of(leaves, text))
            done += len(batch)
            self._progress(done, max(done, count))
            yield from filter(is_meant, batch)

    def _every(self, wider: TokenQuery, *, oldest_first: bool) -> Iterator[Document]:
        try:
            yield from self._index.each(wider, limits.READ_TEXTS_MAX, oldest_first=oldest_first)
        except TooBroad as error:
            raise TooMuchToRead(limits.READ_TEXTS_MAX + 1) from error

    def _true_of(self, leaves: Iterable[Said], text: str) -> Iterator[Said]:
        terms, units = stream_and_units(text)
        streamed = Streamed(terms, self._stems)
        for leaf in leaves:
            asked = leaf.asked
            if isinstance(asked, tree.Text) and asked.unit:
                if asked.unit in units:
                    yield leaf
            elif streamed.holds(asked):
                yield leaf

    def _text(self, found: Document, entry: Entry) -> str | None:
        """The text of a version; null where it cannot be read. Raises Transient."""
        key = entry_key(entry)
        known = self._texts.get(key)
        if known is not None or key in self._unreadable:
            return known
        try:
            text = self._bodies.event(found, entry).text or ""
        except (Missing, Refused):
            self._unreadable.add(key)
            return None
        if self._chars + len(text) <= _KEPT_CHARS_MAX:
            self._texts[key] = text
            self._chars += len(text)
        return text

    def get(self, doc_ids: Iterable[str]) -> dict[str, Stored]:
        """See Asked."""
        return self._index.get(doc_ids)


def _reads(asked: TokenQuery) -> bool:
    """Whether texts have to be read for it."""
    return any(True for _ in candidates.said_nodes(asked.root))
