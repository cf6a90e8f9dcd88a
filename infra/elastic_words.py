"""The sealed words of a distributed index: a second, small index beside it (PROTOCOL I6).

Owns the requests. Of one shard, whose sequence numbers are the places: what lies at or below its
global checkpoint is whole and stays, so a reader that goes on from there misses nothing, whoever
writes meanwhile.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from elasticsearch import Elasticsearch

from infra.elastic_errors import translated
from schemas.errors import Halt, Transient
from schemas.wordchunk import SealedChunk

_BULK_BYTES_MAX: Final = 8 * 1024 * 1024
_PAGE: Final = 500
# How long the server keeps a reader's moment after its last page.
_KEPT: Final = "2m"

_CODE: Final = {"type": "keyword", "doc_values": False}
MAPPING: Final[Mapping[str, Any]] = {
    "dynamic": "strict",
    "properties": {
        "domain": _CODE,
        "generation": {"type": "integer"},
        "level": {"type": "integer"},
        "body": {"type": "object", "enabled": False},
    },
}

Operation = tuple[str, bytes]
"""A document's id, and its lines of a bulk request."""


def words_name(index: str) -> str:
    """What the words of an index lie in."""
    return f"{index}-words"


def settings(replicas: int) -> dict[str, Any]:
    """One shard, as its places are those of one shard. Nobody waits for a refresh: who reads all
    of it asks for one."""
    return {"number_of_shards": 1, "number_of_replicas": replicas, "refresh_interval": "5s"}


class ElasticWords:
    """Implements `search.vocabulary.WordStore`. A place is the sequence number after the last that
    was seen."""

    def __init__(self, client: Elasticsearch, name: str,
                 bulk: Callable[[Sequence[Operation]], set[str]]) -> None:
        """`name`: the words' own index; `bulk`: writes to it, and returns the ids that were there.
        """
        self._client = client
        self._name = name
        self._bulk = bulk

    def add(self, chunks: Sequence[SealedChunk]) -> None:
        """Created under its id, or there already."""
        for operations in _bulks((one.id.hex(), _create(one)) for one in chunks):
            self._bulk(operations)

    def since(self, place: int) -> Iterator[tuple[int, SealedChunk]]:
        """Page by page, all of one moment."""
        checkpoint = self._checkpoint()
        if checkpoint < place:
            return
        with translated():
            # What was written up to the checkpoint is seen from here on; of what is written at this
            # moment perhaps some, which comes again.
            self._client.indices.refresh(index=self._name)
            moment = self._client.open_point_in_time(index=self._name, keep_alive=_KEPT)["id"]
        try:
            for number, chunk in self._pages(moment, place):
                yield min(number, checkpoint) + 1, chunk
        finally:
            with translated():
                self._client.close_point_in_time(id=moment)

    def of(self, domain: bytes, generation: int, level: int, limit: int) -> list[SealedChunk]:
        """As of the last refresh."""
        wanted = {"domain": domain.hex(), "generation": generation, "level": level}
        with translated():
            answer = self._client.search(
                index=self._name, size=limit, track_total_hits=False, sort=["_doc"],
                query={"bool": {"filter": [{"term": {k: v}} for k, v in wanted.items()]}})
        return [_chunk(hit) for hit in answer["hits"]["hits"]]

    def remove(self, ids: Iterable[bytes]) -> None:
        """By id; the server does not mind one that is not there."""
        for operations in _bulks((one.hex(), _line({"delete": {"_id": one.hex()}}))
                                 for one in ids):
            self._bulk(operations)

    def drop(self, domain: bytes, generation: int) -> None:
        """By id, until a look after a refresh finds none. A delete takes a place of its own; what
        has it carries no words, and a reader goes over it."""
        wanted = {"domain": domain.hex(), "generation": generation}
        while True:
            with translated():
                self._client.indices.refresh(index=self._name)
                answer = self._client.search(
                    index=self._name, size=_PAGE, track_total_hits=False, source=False,
                    sort=["_doc"],
                    query={"bool": {"filter": [{"term": {k: v}} for k, v in wanted.items()]}})
            hits = answer["hits"]["hits"]
            if not hits:
                return
            self.remove(bytes.fromhex(hit["_id"]) for hit in hits)

    def _pages(self, moment: str, place: int) -> Iterator[tuple[int, SealedChunk]]:
        more: dict[str, Any] = {}
        while True:
            with translated():
                answer = self._client.search(
                    pit={"id": moment, "keep_alive": _KEPT}, size=_PAGE, track_total_hits=False,
                    query={"range": {"_seq_no": {"gte": place}}}, sort=[{"_seq_no": "asc"}],
                    **more)
            hits = answer["hits"]["hits"]
            for hit in hits:
                yield hit["sort"][0], _chunk(hit)
            if len(hits) < _PAGE:
                return
            more["search_after"] = hits[-1]["sort"]

    def _checkpoint(self) -> int:
        with translated():
            answer = self._client.indices.stats(
                index=self._name, metric="docs", level="shards",
                filter_path=("indices.*.shards.*.seq_no", "indices.*.shards.*.routing.primary"))
        for found in answer.body.get("indices", {}).values():
            for copy in found["shards"]["0"]:
                if copy["routing"]["primary"]:
                    return int(copy["seq_no"]["global_checkpoint"])
        raise Transient(f"index {self._name}: its shard is not there now")


def _create(chunk: SealedChunk) -> bytes:
    return _line({"create": {"_id": chunk.id.hex()}}) + _line({
        "domain": chunk.domain.hex(), "generation": chunk.generation, "level": chunk.level,
        "body": {"sealed": base64.b64encode(chunk.body).decode("ascii")}})


def _line(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"


def _bulks(operations: Iterable[Operation]) -> Iterator[list[Operation]]:
    taken: list[Operation] = []
    size = 0
    for one in operations:
        if taken and size + len(one[1]) > _BULK_BYTES_MAX:
            yield taken
            taken, size = [], 0
        taken.append(one)
        size += len(one[1])
    if taken:
        yield taken


def _chunk(hit: Mapping[str, Any]) -> SealedChunk:
    source = hit["_source"]
    try:
        return SealedChunk(
            bytes.fromhex(hit["_id"]), bytes.fromhex(source["domain"]), source["generation"],
            source["level"], base64.b64decode(source["body"]["sealed"], validate=True))
    except (KeyError, TypeError, ValueError) as error:
        raise Halt("format_unknown", "sealed words that do not read, rebuild the index") from error
