"""What is asked of one Elasticsearch index: pages, counts, facets, everything.

Owns the requests of a search. What the server can be asked for exactly is one request; for the
rest it is asked more widely (`infra/elastic_question.py`), and what it lets through is looked at
here, all of it, on one moment of the index, so that totals and pages are exact all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, tzinfo
from itertools import chain, islice
from typing import Any, Final, TypeVar

from elastic_transport import ObjectApiResponse
from elasticsearch import Elasticsearch

from infra import elastic_documents, elastic_facets, elastic_question
from infra.elastic_errors import TooManyClauses, translated
from schemas import limits
from schemas.document import Document
from schemas.errors import Missing, Transient
from search import candidates, facets
from search.candidates import Seen
from search.facets import Counted, Facets, Part
from search.index import Page, PageCursor, TooBroad
from search.picked import Picked
from search.query import TokenQuery

T = TypeVar("T")

_SCAN_BATCH: Final = 1_000
# Documents whose words are fetched at a time, to be checked.
_CHECK_BATCH: Final = 2_000
# Questions that go to the server in one request.
_NEWEST_BATCH: Final = 100
# How long the server keeps a look at the index for the next request of the same question.
_KEPT_ALIVE: Final = "2m"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A query as the server is asked, and what is to be true of what it lets through."""

    filter: dict[str, Any]
    is_checked: bool
    is_meant: Callable[[Seen], bool]


def _asked(asked: TokenQuery, positions_max: int) -> _Asked:
    root = candidates.reduced(asked.root)
    made = elastic_question.question(root, positions_max)
    filters = [made.filter, {"terms": {"kind": sorted(asked.kinds)}}]
    return _Asked({"bool": {"filter": filters}}, made.is_checked, candidates.matcher(root))


class ElasticReader:
    """The asking half of `search.index.Index`."""

    def __init__(self, client: Elasticsearch, name: str) -> None:
        self._client = client
        self._name = name

    def search(self, query: TokenQuery, limit: int, after: PageCursor | None = None, *,
               oldest_first: bool = False) -> Page:
        """One request; `search_after` pages without a context kept open on the server. What the
        server cannot be asked for exactly is checked here, all of it, for the total."""
        return self._answered(query, lambda asked: (
            self._checked_page if asked.is_checked else self._page)(
                asked, limit, after, oldest_first=oldest_first))

    def count(self, query: TokenQuery) -> int:
        """One request, without documents; or every candidate, checked."""
        return self._answered(query, self._count)

    def is_checked(self, query: TokenQuery) -> bool:
        """What `intervals` does not mean as we do, or is too many of them."""
        return _asked(query, elastic_question.POSITIONS_MAX).is_checked

    def facets(self, query: TokenQuery, fields: Sequence[str], top: int,
               zone: tzinfo = UTC) -> Facets:
        """One request: the server counts; or every candidate, checked and counted here."""
        facets.check(fields, top)
        return self._answered(query, lambda asked: self._facets(asked, fields, top, zone))

    def counts(self, query: TokenQuery, parts: Sequence[Part],
               zone: tzinfo = UTC) -> tuple[Counted, ...]:
        """One request: the server counts; or every candidate, checked and counted here."""
        facets.check_parts(parts)
        if not parts:
            return ()
        return self._answered(query, lambda asked: self._counts(asked, parts, zone))

    def newest(self, queries: Sequence[TokenQuery],
               limit: int) -> tuple[tuple[Document, ...], ...]:
        """One request for a hundred of them."""
        return tuple(chain.from_iterable(
            self._newest(queries[at:at + _NEWEST_BATCH], limit)
            for at in range(0, len(queries), _NEWEST_BATCH)))

    def each(self, query: TokenQuery, most: int, *,
             oldest_first: bool = False) -> Iterator[Document]:
        """Batch by batch, on one moment. The first is fetched now."""
        def begun(asked: _Asked) -> Iterator[Document]:
            found = self._each(asked, most, oldest_first=oldest_first)
            return chain(list(islice(found, 1)), found)
        return self._answered(query, begun)

    def scan(self) -> Iterator[Document]:
        """By doc_id, a page at a time."""
        return (elastic_documents.read(hit["_id"], hit["_source"]) for hit in self._sources())

    def misfiled(self) -> Iterator[str]:
        """See Index."""
        return (hit["_id"] for hit in self._sources()
                if not elastic_documents.is_filed(hit["_id"], hit["_source"]))

    def _sources(self) -> Iterator[dict[str, Any]]:
        more: dict[str, Any] = {}
        while True:
            answer = self._asking(
                index=self._name, query={"exists": {"field": "doc_id"}}, size=_SCAN_BATCH,
                sort=[{"doc_id": "asc"}], track_total_hits=False, **more)
            hits = answer["hits"]["hits"]
            yield from hits
            if len(hits) < _SCAN_BATCH:
                return
            more["search_after"] = hits[-1]["sort"]

    @staticmethod
    def _answered(query: TokenQuery, answer: Callable[[_Asked], T]) -> T:
        asked = _asked(query, elastic_question.POSITIONS_MAX)
        try:
            return answer(asked)
        except TooManyClauses:
            # A small server: no words at positions, and what they mean is checked here.
            wider = _asked(query, 0)
            if wider.filter == asked.filter:
                raise
            return answer(wider)

    def _page(self, asked: _Asked, limit: int, after: PageCursor | None, *,
              oldest_first: bool) -> Page:
        more: dict[str, Any] = {}
        if after is not None:
            more["search_after"] = [after.sort_at, after.doc_id]
        answer = self._asking(
            index=self._name, query=asked.filter, size=limit + 1,
            sort=_order(oldest_first=oldest_first), track_total_hits=True, **more)
        hits = answer["hits"]["hits"]
        shown = hits[:limit]
        following = None
        if len(hits) > limit and shown:
            following = PageCursor(*shown[-1]["sort"])
        return Page(tuple(elastic_documents.read(hit["_id"], hit["_source"]) for hit in shown),
                    answer["hits"]["total"]["value"], following)

    def _count(self, asked: _Asked) -> int:
        if asked.is_checked:
            with self._kept() as kept:
                return sum(1 for _ in self._checked(asked, kept))
        answer = self._asking(
            index=self._name, query=asked.filter, size=0, track_total_hits=True)
        return int(answer["hits"]["total"]["value"])

    def _facets(self, asked: _Asked, fields: Sequence[str], top: int, zone: tzinfo) -> Facets:
        if asked.is_checked:
            with self._kept() as kept:
                found = (seen for _, seen in self._checked(asked, kept))
                return facets.counted(found, fields, top, zone)
        answer = self._asking(
            index=self._name, query=asked.filter, size=0, track_total_hits=False,
            aggregations={field: elastic_facets.aggregation(field, top, zone) for field in fields})
        return {field: elastic_facets.ranked(field, answer["aggregations"][field], top, zone)
                for field in fields}

    def _counts(self, asked: _Asked, parts: Sequence[Part], zone: tzinfo) -> tuple[Counted, ...]:
        if asked.is_checked:
            with self._kept() as kept:
                return facets.tallied((seen for _, seen in self._checked(asked, kept)),
                                      parts, zone)
        answer = self._asking(
            index=self._name, query=asked.filter, size=0, track_total_hits=False,
            aggregations=elastic_facets.aggregations(parts, zone))
        return elastic_facets.counted(parts, answer["aggregations"], zone)

    def _newest(self, queries: Sequence[TokenQuery],
                limit: int) -> Iterator[tuple[Document, ...]]:
        asked = [_asked(one, elastic_question.POSITIONS_MAX) for one in queries]
        searches: list[dict[str, Any]] = []
        for one in asked:
            if not one.is_checked:
                # As in `_asking`. Without a total the server stops at the first ones in order.
                searches += [{"allow_partial_search_results": False}, {
                    "query": one.filter, "size": limit, "track_total_hits": False,
                    "sort": _order(oldest_first=False)}]
        answers: Iterator[Mapping[str, Any]] = iter(())
        if searches:
            with translated():
                answers = iter(self._client.msearch(
                    index=self._name, searches=searches)["responses"])
        for query, one in zip(queries, asked, strict=True):
            answer = None if one.is_checked else next(answers)
            if answer is None or "error" in answer:
                # Asked alone it says what is wrong, or is asked for more widely.
                yield self.search(query, limit).documents
            else:
                yield tuple(elastic_documents.read(hit["_id"], hit["_source"])
                            for hit in answer["hits"]["hits"])

    def _asking(self, **request: Any) -> ObjectApiResponse[Any]:
        with translated():
            # A shard that does not answer makes the whole wrong: no answer then.
            return self._client.search(allow_partial_search_results=False, **request)

    def _checked_page(self, asked: _Asked, limit: int, after: PageCursor | None, *,
                      oldest_first: bool) -> Page:
        few = self._few(asked, oldest_first=oldest_first)
        if few is not None:
            page = Picked(limit, after, oldest_first=oldest_first)
            for doc_id, source in few.items():
                page.take(PageCursor(source["sort_at"], doc_id))
            return page.made(lambda ids: [elastic_documents.read(one, few[one]) for one in ids])
        with self._kept() as kept:
            page = Picked(limit, after, oldest_first=oldest_first)
            for place, _ in self._checked(asked, kept, oldest_first=oldest_first):
                page.take(place)
            return page.made(lambda ids: self._documents(kept, ids))

    def _few(self, asked: _Asked, *, oldest_first: bool) -> dict[str, Mapping[str, Any]] | None:
        """What matches, in order, where there is so little to check that one request, which is of
        one moment by itself, gives it whole; null = there is more. Raises TooBroad."""
        found = self._asking(
            index=self._name, query=asked.filter, size=_CHECK_BATCH,
            sort=_order(oldest_first=oldest_first),
            track_total_hits=limits.CHECKED_DOCUMENTS_MAX + 1)["hits"]
        _bounded(found["total"]["value"])
        if found["total"]["value"] > _CHECK_BATCH:
            return None
        return {hit["_id"]: hit["_source"] for hit in found["hits"]
                if asked.is_meant(elastic_documents.seen(hit["_source"]))}

    def _checked(self, asked: _Asked, kept: str, *, oldest_first: bool = False,
                 ) -> Iterator[tuple[PageCursor, Seen]]:
        """Every document that matches, in order, with its place: what the server lets through is
        fetched without its entries and looked at here."""
        more: dict[str, Any] = {"track_total_hits": limits.CHECKED_DOCUMENTS_MAX + 1}
        while True:
            answer = self._asking(
                pit={"id": kept, "keep_alive": _KEPT_ALIVE}, query=asked.filter,
                size=_CHECK_BATCH, sort=_order(oldest_first=oldest_first),
                source_excludes=["entries"], **more)
            found = answer["hits"]
            if "total" in found:
                _bounded(found["total"]["value"])
            for hit in found["hits"]:
                seen = elastic_documents.seen(hit["_source"])
                if asked.is_meant(seen):
                    yield PageCursor(seen.sort_at, hit["_id"]), seen
            if len(found["hits"]) < _CHECK_BATCH:
                return
            more = {"track_total_hits": False, "search_after": found["hits"][-1]["sort"]}

    def _each(self, asked: _Asked, most: int, *, oldest_first: bool) -> Iterator[Document]:
        taken = 0
        with self._kept() as kept:
            for hit in self._hits(asked, kept, most, oldest_first=oldest_first):
                if asked.is_checked and not asked.is_meant(elastic_documents.seen(hit["_source"])):
                    continue
                taken += 1
                if taken > most:
                    raise TooBroad
                yield elastic_documents.read(hit["_id"], hit["_source"])

    def _hits(self, asked: _Asked, kept: str, most: int, *,
              oldest_first: bool) -> Iterator[Mapping[str, Any]]:
        """Whatever the server lets through, in order, whole."""
        more: dict[str, Any] = {"track_total_hits": limits.CHECKED_DOCUMENTS_MAX + 1}
        while True:
            found = self._asking(
                pit={"id": kept, "keep_alive": _KEPT_ALIVE}, query=asked.filter,
                size=_CHECK_BATCH, sort=_order(oldest_first=oldest_first), **more)["hits"]
            if "total" in found:
                if not asked.is_checked and found["total"]["value"] > most:
                    raise TooBroad
                _bounded(found["total"]["value"])
            yield from found["hits"]
            if len(found["hits"]) < _CHECK_BATCH:
                return
            more = {"track_total_hits": False, "search_after": found["hits"][-1]["sort"]}

    def _documents(self, kept: str, doc_ids: Sequence[str]) -> list[Document]:
        if not doc_ids:
            return []
        answer = self._asking(
            pit={"id": kept, "keep_alive": _KEPT_ALIVE}, query={"ids": {"values": doc_ids}},
            size=len(doc_ids), track_total_hits=False)
        found = {hit["_id"]: hit["_source"] for hit in answer["hits"]["hits"]}
        return [elastic_documents.read(doc_id, found[doc_id]) for doc_id in doc_ids]

    @contextmanager
    def _kept(self) -> Iterator[str]:
        """The index as it is now, kept by the server under this id for the requests inside."""
        with translated():
            kept = self._client.open_point_in_time(
                index=self._name, keep_alive=_KEPT_ALIVE, allow_partial_search_results=False)["id"]
        try:
            yield kept
        finally:
            # One that is not given back ends by itself.
            with suppress(Transient, Missing), translated():
                self._client.close_point_in_time(id=kept)


def _order(*, oldest_first: bool) -> list[dict[str, str]]:
    first, second = ("asc", "desc") if oldest_first else ("desc", "asc")
    return [{"sort_at": first}, {"doc_id": second}]


def _bounded(candidates_found: int) -> None:
    if candidates_found > limits.CHECKED_DOCUMENTS_MAX:
        raise TooBroad
