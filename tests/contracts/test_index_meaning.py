"""Every index answers exactly what `search/candidates.py` says, on generated token queries and
documents with several revisions: search, pages, counts and facets."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from elasticsearch import Elasticsearch

from infra import elastic_question, elastic_reader
from infra.elastic import ElasticIndexSet, connect
from infra.elastic_words import words_name
from infra.embedded.index import SqliteIndexSet
from infra.embedded.question import Question
from schemas.document import Document
from search import candidates, facets
from search.candidates import holds
from search.follow import bind
from search.index import Index, IndexSet, PageCursor, Write
from search.query import TokenQuery
from tests.conftest import ElasticsearchServer
from tests.fakes.index import FakeIndexSet
from tests.search import token_world

DOCUMENTS = 80
QUERIES = 2_400
FEW = 24
PAGE = 10
ZONE = ZoneInfo("Europe/Berlin")
_prefixes = itertools.count()


@cache
def known() -> tuple[Document, ...]:
    """The documents, newest first."""
    made = token_world.documents(DOCUMENTS, seed=11)
    return tuple(sorted(made, key=lambda one: (-one.sort_at, one.doc_id)))


@cache
def queries() -> tuple[TokenQuery, ...]:
    """The queries."""
    return tuple(token_world.queries(QUERIES, seed=12))


@cache
def expected_of(one: TokenQuery) -> tuple[str, ...]:
    """The ids of what a query is true of, in order."""
    return tuple(found.doc_id for found in known()
                 if found.kind in one.kinds and holds(one.root, found))


def filled(indexes: IndexSet) -> Index:
    """The current index, with the documents."""
    index = indexes.open(bind(indexes))
    assert frozenset() == index.put([Write(one, None) for one in known()], {})
    index.refresh()
    return index


def check(index: Index, every: int) -> None:
    """First page and total; of some queries every page, both ways, the count and the facets."""
    for number, one in enumerate(queries()[::every]):
        expected = expected_of(one)
        page = index.search(one, PAGE)
        assert (expected[:PAGE], len(expected), len(expected) > PAGE) == (
            tuple(found.doc_id for found in page.documents), page.total, bool(page.next)), one
        if number % 20 == 0:
            assert len(expected) == index.count(one), one
            assert expected == _paged(index, one, oldest_first=False), one
            assert expected[::-1] == _paged(index, one, oldest_first=True), one
        if number % 20 == 1:
            found = [each for each in known() if each.doc_id in expected]
            counted = facets.counted(found, list(facets.FIELDS), 3, ZONE)
            assert counted == index.facets(one, list(facets.FIELDS), 3, ZONE), one


def _paged(index: Index, one: TokenQuery, *, oldest_first: bool) -> tuple[str, ...]:
    ids: list[str] = []
    after: PageCursor | None = None
    while True:
        page = index.search(one, DOCUMENTS // 3, after, oldest_first=oldest_first)
        ids += [found.doc_id for found in page.documents]
        after = page.next
        if after is None:
            return tuple(ids)


def test_the_comparison_is_worth_something() -> None:
    """Most queries are true of some documents and not of all; many are asked as they are by each
    backend, many must be checked."""
    some = queries()[::FEW]
    partial = sum(0 < len(expected_of(one)) < DOCUMENTS for one in some)
    assert partial > len(some) / 2
    by_sqlite = sum(bool(Question(one).checks) for one in some)
    assert len(some) / 5 < by_sqlite < len(some) * 4 / 5
    roots = [candidates.reduced(one.root) for one in some]
    by_elastic = sum(elastic_question.question(root, elastic_question.POSITIONS_MAX).is_checked
                     for root in roots)
    assert len(some) / 5 < by_elastic < len(some) * 4 / 5


ALL_AND_FEW = pytest.mark.parametrize("every", [FEW, pytest.param(1, marks=pytest.mark.slow)])


@ALL_AND_FEW
def test_the_fake_means_the_same(every: int) -> None:
    """What tests of other parts rely on."""
    check(filled(FakeIndexSet()), every)


@ALL_AND_FEW
def test_sqlite_means_the_same(tmp_path: Path, every: int) -> None:
    """FTS5 where it is exact, a check of the words where not."""
    indexes = SqliteIndexSet(tmp_path)
    check(filled(indexes), every)


@pytest.fixture(scope="module")
def client(elasticsearch_server: ElasticsearchServer) -> Iterator[Elasticsearch]:
    """One client for all."""
    client = connect(elasticsearch_server.url)
    yield client
    client.close()


@pytest.mark.parametrize(("shards", "positions_max", "batch", "every"), [
    (1, elastic_question.POSITIONS_MAX, 500, 1),
    # Counts of several shards add up, and their pages join; batch after batch is checked.
    (3, elastic_question.POSITIONS_MAX, 7, 8),
    # As where patterns stand for so many words that the server takes no more of them at positions.
    (1, 0, 20, 8),
])
def test_elasticsearch_means_the_same(
        client: Elasticsearch, monkeypatch: pytest.MonkeyPatch, shards: int, positions_max: int,
        batch: int, every: int) -> None:
    """Terms, phrases and `intervals` where they are exact, a check of the words where not."""
    monkeypatch.setattr(elastic_question, "POSITIONS_MAX", positions_max)
    monkeypatch.setattr(elastic_reader, "_CHECK_BATCH", batch)
    indexes = ElasticIndexSet(client, f"meaning-{next(_prefixes)}", shards=shards)
    try:
        check(filled(indexes), every)
    finally:
        for name in indexes.names():
            client.indices.delete(index=[name, words_name(name)])
