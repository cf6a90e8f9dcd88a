"""One mode's searcher, asked and measured step by step.

Owns how a question is asked: as the product's searcher does it, its record of who looked kept in
memory and its archive in a file. Times are of this process, alone with the server.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, Final

from infra.elastic import ElasticIndexSet, connect
from schemas.events import CapturedEvent
from search import facets
from search.access.viewer import operator
from search.audit import Auditor, AuditSettings
from search.expander import CurrentExpander
from search.facets import Facets
from search.parse import parse
from search.query import TokenQuery
from search.searcher import Language, Locale, Searcher
from search.stems import Stemmer
from search.tokens import TextMode, Tokenizer
from tests.bench.search_archive import BenchArchive
from tests.bench.search_load import INDEX_KEY, LANGUAGES, prefix_of
from tests.bench.search_meter import Meter
from tests.bench.search_questions import OneList

LIMIT: Final = 20
_TOP: Final = 10
VIEWER: Final = operator("bench")
# What is taken of each question; `search` and `all` are sums of the others.
UNDERSTOOD: Final = "understood"
PAGE: Final = "page"
SERVER: Final = "server"                 # of the page: until the answer is here, read as JSON
TOOK: Final = "took"                     # of that, as the server says
COUNT: Final = "count"
FACETS: Final = "facets"
WHOLE: Final = "whole"
SEARCH: Final = "search"
ALL: Final = "all"


@dataclass(frozen=True, slots=True)
class Answered:
    """What a question was answered with, to be compared."""

    total: int
    counted: int
    ids: tuple[str, ...]
    facets: Facets


@dataclass(slots=True)
class Times:
    """Of one question in one mode: seconds by what was done, and requests to the server."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    page_requests: int = 0
    whole_requests: int = 0


class Asker:
    """Asks one index. Its words are read when the first pattern is asked for."""

    def __init__(self, archive: BenchArchive, url: str, mode: TextMode, lists: OneList) -> None:
        client = connect(url)
        self._meter = Meter(client)
        indexes = ElasticIndexSet(client, prefix_of(mode), text=mode)
        stems = Stemmer(LANGUAGES)
        self._lists = lists
        self._index = indexes.open(indexes.current() or "")
        self._searcher = Searcher(
            indexes, archive, Tokenizer(INDEX_KEY, text=mode),
            Auditor(_InMemory(), AuditSettings("firm", 8), lambda: 0, bytes), Locale(),
            Language(lists, stems, CurrentExpander(indexes, archive.wordbook, stems)))

    def ask(self, text: str, times: Times) -> Answered:
        """Once, each step after the other."""
        self._meter.taken()
        took = times.seconds
        asked = _timed(took[UNDERSTOOD], lambda: self._understood(text))
        self._meter.taken()
        page = _timed(took[PAGE], lambda: self._index.search(asked, LIMIT))
        requests = self._meter.taken()
        took[SERVER].append(requests.wall_s)
        took[TOOK].append(requests.took_s)
        times.page_requests = requests.count
        counted = _timed(took[COUNT], lambda: self._index.count(asked))
        found = _timed(took[FACETS], lambda: self._index.facets(asked, list(facets.FIELDS), _TOP))
        self._meter.taken()
        _timed(took[WHOLE], lambda: self._searcher.search(text, VIEWER, LIMIT))
        times.whole_requests = self._meter.taken().count
        took[SEARCH].append(took[UNDERSTOOD][-1] + took[PAGE][-1])
        took[ALL].append(took[SEARCH][-1] + took[FACETS][-1])
        return Answered(page.total, counted, tuple(one.doc_id for one in page.documents), found)

    def _understood(self, text: str) -> TokenQuery:
        """As `Searcher.search` begins."""
        tree = parse(text, zone=UTC, lists=self._lists)
        look = self._searcher._look(VIEWER)
        return self._searcher._compiler(text, tree, look).compiled(tree)


def _timed(into: list[float], call: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    try:
        return call()
    finally:
        into.append(time.perf_counter() - began)


class _InMemory:
    """A log that has everything at once: what a broker takes is another bench's."""

    def record(self, event: CapturedEvent) -> None:
        """Durable as long as this bench."""
