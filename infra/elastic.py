"""The distributed index: Elasticsearch, plain core, strict mapping, alias swap.

Owns the requests. Readers go through the alias `<prefix>`, each index is written through an alias
of its own, `<name>-write`: swapping the reader's alias and taking the old write alias away is one
atomic request, so that a follower of the old index is refused at once (PROTOCOL I4). No scripts, no
update-by-query, no ingest, no lifecycle: the core alone must do (DESIGN §7).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, tzinfo
from functools import cached_property
from typing import Any, Final, cast

from elasticsearch import Elasticsearch

from infra import elastic_documents, elastic_words
from infra.elastic_errors import TRANSIENT_STATUS, Oversized, Taken, transient, translated
from infra.elastic_reader import ElasticReader
from infra.elastic_words import ElasticWords, words_name
from schemas import limits
from schemas.document import Document
from schemas.errors import Halt, Missing, Transient
from search.facets import Counted, Facets, Part
from search.index import (
    IndexState,
    Outdated,
    Page,
    PageCursor,
    Partition,
    Retired,
    Stored,
    Write,
    other_mode,
)
from search.query import TokenQuery
from search.tokens import BLIND, TextMode

# One bulk request; Elasticsearch accepts 100 MB by default, and advises a tenth of it.
_BULK_BYTES_MAX: Final = 8 * 1024 * 1024
_GET_BATCH: Final = 1_000
_CURSORS_ID: Final = "cursors"
# Merging an index into one segment is writing it anew.
_PURGE_S: Final = 3_600.0
_PURGES: Final = 10
_PURGE_AGAIN_S: Final = 10.0
_CURSOR_ROUNDS_MAX: Final = 50
# Changes with MAPPING; an index of another shape is rebuilt, never migrated.
SHAPE: Final = 8

_Operation = tuple[str, bytes]
"""A document's id, and its two lines of a bulk request: what to do, and the document."""

# All that is read of the answer to a bulk: the rest is most of it, and is neither made nor parsed.
_ANSWER: Final = ("errors", "items.*.status", "items.*.error.type")

_TOKENS: Final = {"type": "keyword", "doc_values": False}
# Counted by facets as well.
_CODES: Final = {"type": "keyword"}
MAPPING: Final[dict[str, Any]] = {
    # strict: a field that is not named here is refused, never guessed at.
    "dynamic": "strict",
    "_meta": {"shape": SHAPE},  # and `text`, the mode: of each index its own
    # The source is kept whole. To keep a part of it, the server takes each document apart, puts it
    # together again, and holds the whole one beside it all the same for as long as a replica may
    # ask for it: a fifth of its CPU. Instead, entries leave out what the other fields say.
    "properties": {
        # Sorted by, never looked up: documents are read by `_id`.
        "doc_id": {"type": "keyword", "index": False},
        "kind": _CODES,
        # A date, not a long: months are counted in the firm's zone.
        "sort_at": {"type": "date", "format": "epoch_millis"},
        # Tokens are split at spaces and looked up as they are; a document is found or not, never
        # ranked, so no norms and no frequencies beyond what positions need.
        "words": {
            "type": "text", "analyzer": "whitespace", "norms": False,
            "index_options": "positions",
            "position_increment_gap": limits.REVISION_POSITION_GAP,
        },
        "chars": _TOKENS, "actors": _TOKENS, "recipients": _TOKENS, "shared": _TOKENS,
        "marks": _TOKENS, "kinds": _TOKENS, "compartments": _TOKENS, "review_times": _TOKENS,
        "channel": _CODES, "state": _CODES, "direction": _CODES, "conversation": _CODES,
        "custodians": _CODES, "review": _CODES,
        "entries": {"type": "object", "enabled": False},
        "cursors": {"type": "object", "enabled": False},
    },
}


def connect(url: str, *, api_key: str | None = None, ca_certs: str | None = None,
            timeout_s: float = 30.0) -> Elasticsearch:
    """A client that never retries by itself: the caller knows what may be repeated."""
    options: dict[str, Any] = {
        "request_timeout": timeout_s, "max_retries": 0, "retry_on_timeout": False,
        "http_compress": False,
    }
    if api_key is not None:
        options["api_key"] = api_key
    if ca_certs is not None:
        options["ca_certs"] = ca_certs
    return Elasticsearch(url, **options)


class ElasticIndexSet:
    """The indexes `<prefix>-000001` … of one cluster. Implements `search.index.IndexSet`."""

    def __init__(self, client: Elasticsearch, prefix: str, *, shards: int = 1, replicas: int = 0,
                 refresh_interval: str = "1s", text: TextMode = BLIND) -> None:
        """`refresh_interval`: how long an indexed document may stay invisible to a search; `text`:
        what the indexes hold of words."""
        self._text: TextMode = text
        self._client = client
        self._prefix = prefix
        self._name = re.compile(re.escape(prefix) + r"-([0-9]{6})")
        self._replicas = replicas
        self._settings = {
            "number_of_shards": shards, "number_of_replicas": replicas,
            "refresh_interval": refresh_interval,
            # Neighbouring entries share most of their bytes: deflate them together. The plain
            # best_compression is zstd in native code, which the core alone does not bring.
            "codec": "legacy_best_compression",
        }

    def create(self) -> str:
        """The next free number; whoever loses the race for it takes the one after."""
        names = self.names()
        number = self._number(names[-1]) + 1 if names else 1
        while True:
            try:
                return self._make(number, readers=False)
            except Taken:
                number += 1

    def first(self) -> str:
        """Index and readers' alias in one request, under the one name that all who race take."""
        current = self.current()
        if current is not None:
            return current
        with suppress(Taken):
            return self._make(1, readers=True)
        # The name was taken: by somebody who made the first one just now, or, while none is
        # current, by a rebuild that died. Then the youngest that is swapped in stays.
        found = self.current()
        if found is None:
            with suppress(Retired):
                self.swap(self.create())
            found = self.current()
        if found is None:
            raise Transient("index: the readers' alias went away")
        return found

    def _make(self, number: int, *, readers: bool) -> str:
        name = f"{self._prefix}-{number:06d}"
        aliases: dict[str, dict[str, Any]] = {_write_alias(name): {}}
        if readers:
            aliases[self._prefix] = {}
        words = words_name(name)
        with suppress(Taken), translated():
            # Before the index, so that whoever sees that finds these; left over from a crash or a
            # lost race it is empty, and good.
            self._client.indices.create(
                index=words, settings=elastic_words.settings(self._replicas),
                mappings=elastic_words.MAPPING, aliases={_write_alias(words): {}})
        with translated():
            self._client.indices.create(
                index=name, settings=self._settings, aliases=aliases,
                mappings={**MAPPING, "_meta": {**MAPPING["_meta"], "text": self._text}})
        return name

    def open(self, name: str) -> ElasticIndex:
        """Raises Missing when there is no such index."""
        if self._name.fullmatch(name) is None:
            raise Missing(f"index {name}")
        with translated():
            found = self._client.indices.get_mapping(index=name)
        meta = found.body[name]["mappings"].get("_meta", {})
        if meta.get("shape") != SHAPE:
            raise Outdated(f"{name} has shape {meta.get('shape')}, this version writes {SHAPE}: "
                           "rebuild it")
        if meta.get("text") != self._text:
            raise other_mode(name, meta.get("text"), self._text)
        return ElasticIndex(self._client, name)

    def current(self) -> str | None:
        """The index behind the readers' alias."""
        try:
            with translated():
                found = self._client.indices.get_alias(name=self._prefix)
        except Missing:
            return None
        return max(found.body, default=None)

    def names(self) -> list[str]:
        """Every index of the prefix, oldest first."""
        with translated():
            found = self._client.indices.get(
                index=f"{self._prefix}-*", expand_wildcards="open", allow_no_indices=True,
                features="settings")
        return sorted(name for name in found.body if self._name.fullmatch(name))

    def swap(self, name: str) -> None:
        """One atomic request: readers on `name`, every older index without its write alias.

        That `name` still has its own is part of it: a younger index that is current took it away.
        """
        self.open(name)
        # must_exist: should a younger index be current, it took this alias away, and the whole
        # request is refused.
        actions: list[dict[str, Any]] = [
            {"remove": {"index": name, "alias": _write_alias(name), "must_exist": True}},
            {"add": {"index": name, "alias": _write_alias(name)}},
            {"add": {"index": name, "alias": self._prefix}},
        ]
        for other in self.names():
            if other < name:
                actions += [
                    {"remove": {"index": other, "alias": self._prefix, "must_exist": False}},
                    {"remove": {"index": other, "alias": _write_alias(other),
                                "must_exist": False}},
                ]
        try:
            with translated():
                self._client.indices.update_aliases(actions=actions)
        except Missing as error:
            raise Retired(f"{name}: a newer index is current") from error

    def drop(self, name: str) -> None:
        """Delete an index; one that is gone already is no error."""
        if name == self.current():
            raise ValueError(f"{name} is the current index")
        if self._name.fullmatch(name) is None:
            return
        with translated():
            self._client.indices.delete(
                index=[name, words_name(name)], ignore_unavailable=True)

    def _number(self, name: str) -> int:
        match = self._name.fullmatch(name)
        return int(match.group(1)) if match else 0


class ElasticIndex:
    """One index. Implements `search.index.Index`."""

    def __init__(self, client: Elasticsearch, name: str) -> None:
        self._client = client
        self._name = name
        self._reader = ElasticReader(client, name)

    def get(self, doc_ids: Iterable[str]) -> dict[str, Stored]:
        """Realtime: reads through the translog, never a stale segment."""
        wanted = list(dict.fromkeys(doc_ids))
        out: dict[str, Stored] = {}
        for at in range(0, len(wanted), _GET_BATCH):
            with translated():
                answer = self._client.mget(
                    index=self._name, ids=wanted[at:at + _GET_BATCH], realtime=True)
            for one in answer["docs"]:
                if "error" in one:
                    kind = one["error"].get("type")
                    if kind == "index_not_found_exception":
                        raise Retired(f"index {self._name}: it is not there")
                    # A shard that is not up yet, for example: nothing was read.
                    raise Transient(f"index {self._name}: {kind}")
                if one["found"]:
                    out[one["_id"]] = Stored(
                        elastic_documents.read(one["_id"], one["_source"]),
                        (one["_seq_no"], one["_primary_term"]))
        return out

    def put(self, writes: Sequence[Write], cursors: Mapping[Partition, int]) -> frozenset[str]:
        """Bulk after bulk; then, when every item was stored, the cursors."""
        conflicts: set[str] = set()
        for operations in _bulks(writes):
            conflicts |= self._bulk(operations)
        # Here documents are stored and no cursor has moved: a crash reads the segments again.
        if not conflicts and cursors:
            self._move(cursors)
        return frozenset(conflicts)

    def start(self, writes: Sequence[Write],
              cursors: Mapping[Partition, int]) -> Callable[[], frozenset[str]]:
        """`put` in a thread of its own: what takes its time is the server, not we."""
        return self._worker.submit(self.put, writes, cursors).result

    def state(self) -> IndexState:
        """The cursors' document, and whether the write alias is still there."""
        cursors, _ = self._cursors()
        with translated():
            writable = self._client.indices.exists_alias(
                name=_write_alias(self._name), index=self._name)
        return IndexState(cursors, retired=not writable)

    def search(self, query: TokenQuery, limit: int, after: PageCursor | None = None, *,
               oldest_first: bool = False) -> Page:
        """See `ElasticReader`."""
        return self._reader.search(query, limit, after, oldest_first=oldest_first)

    def count(self, query: TokenQuery) -> int:
        """See `ElasticReader`."""
        return self._reader.count(query)

    def is_checked(self, query: TokenQuery) -> bool:
        """See `ElasticReader`."""
        return self._reader.is_checked(query)

    def facets(self, query: TokenQuery, fields: Sequence[str], top: int,
               zone: tzinfo = UTC) -> Facets:
        """See `ElasticReader`."""
        return self._reader.facets(query, fields, top, zone)

    def counts(self, query: TokenQuery, parts: Sequence[Part],
               zone: tzinfo = UTC) -> tuple[Counted, ...]:
        """See `ElasticReader`."""
        return self._reader.counts(query, parts, zone)

    def newest(self, queries: Sequence[TokenQuery],
               limit: int) -> tuple[tuple[Document, ...], ...]:
        """See `ElasticReader`."""
        return self._reader.newest(queries, limit)

    def each(self, query: TokenQuery, most: int, *,
             oldest_first: bool = False) -> Iterator[Document]:
        """See `ElasticReader`."""
        return self._reader.each(query, most, oldest_first=oldest_first)

    def scan(self) -> Iterator[Document]:
        """By doc_id, a page at a time."""
        return self._reader.scan()

    def misfiled(self) -> Iterator[str]:
        """See Index. What lies without a `doc_id` is no document and never found."""
        return self._reader.misfiled()

    def refresh(self) -> None:
        """Make what was put visible to searches."""
        with translated():
            self._client.indices.refresh(index=self._name)

    def purge(self) -> str:
        """Lucene keeps what was deleted until its segments are merged into one, and the server lets
        go of it for that only after it has looked who may still want the history of writes, every
        half minute; the translog keeps it until a flush. So: merge again until nothing is left."""
        names = f"{self._name},{words_name(self._name)}"
        for attempt in range(_PURGES):
            if attempt:
                time.sleep(_PURGE_AGAIN_S)
            left = self._merged(names)
            if not left:
                return ("the index was merged into one segment, without deleted documents, and its "
                        "translog flushed; snapshots of the cluster, and what its disks keep of "
                        "removed files, are not ours to say")
        return (f"the index was merged, and the server still keeps {left} deleted documents in its "
                "files: run `counterfoil rebuild`, then delete the old index")

    def _merged(self, names: str) -> int:
        """How many deleted documents the server still has in its files."""
        with translated():
            self._client.indices.flush(index=names, force=True, wait_if_ongoing=True)
            self._client.options(request_timeout=_PURGE_S).indices.forcemerge(
                index=names, max_num_segments=1, flush=True)
            self._client.indices.flush(index=names, force=True, wait_if_ongoing=True)
            answer = self._client.indices.stats(index=names, metric="docs")
        return sum(int(one["total"]["docs"]["deleted"])
                   for one in answer.body.get("indices", {}).values())

    def words(self) -> ElasticWords:
        """In an index of their own, written through an alias as this one is."""
        name = words_name(self._name)
        return ElasticWords(self._client, name, ElasticIndex(self._client, name)._bulk)

    @cached_property
    def _worker(self) -> ThreadPoolExecutor:
        # One thread, made when first needed: a reader has none. It ends with this object.
        return ThreadPoolExecutor(max_workers=1, thread_name_prefix="index-put")

    def _bulk(self, operations: Sequence[_Operation]) -> set[str]:
        """The ids in conflict. Raises for every other refusal: no item is passed over."""
        try:
            with translated():
                # require_alias: an index that was dropped is never made again by a late write, and
                # a retired one, whose alias is gone, refuses. The lines are JSON already; the
                # client's types know only mappings.
                answer = self._client.bulk(
                    index=_write_alias(self._name), require_alias=True, refresh=False,
                    filter_path=_ANSWER,
                    operations=cast("list[Mapping[str, Any]]",
                                    b"".join([one for _, one in operations])))
        except Oversized:
            # Nothing of it was applied. Halves may pass; one document alone waits for a limit.
            half = len(operations) // 2
            if not half:
                raise
            return self._bulk(operations[:half]) | self._bulk(operations[half:])
        conflicts: set[str] = set()
        if not answer["errors"]:
            return conflicts
        # The answer names the items in the order of the request.
        for (doc_id, _), item in zip(operations, answer["items"], strict=True):
            (result,) = item.values()
            status = result["status"]
            if status < 300:
                continue
            reason = result.get("error", {}).get("type", "unknown")
            if status == 409:
                conflicts.add(doc_id)
            elif status == 404:
                raise Retired(f"index {self._name} takes no writes any more")
            elif status in TRANSIENT_STATUS:
                raise transient(status, reason)
            else:
                raise Halt("index_refused", f"document {doc_id}: {status} {reason}")
        return conflicts

    def _cursors(self) -> tuple[dict[Partition, int], tuple[int, int] | None]:
        try:
            with translated():
                found = self._client.get(index=self._name, id=_CURSORS_ID, realtime=True)
        except Missing as error:
            if isinstance(error, Retired):
                raise
            return {}, None
        listed = found["_source"]["cursors"]["listed"]
        return ({(topic_id, partition): offset for topic_id, partition, offset in listed},
                (found["_seq_no"], found["_primary_term"]))

    def _move(self, cursors: Mapping[Partition, int]) -> None:
        """Each cursor forward, never back, whoever else moves them at the same time."""
        for _ in range(_CURSOR_ROUNDS_MAX):
            held, version = self._cursors()
            merged = dict(held)
            for partition, offset in cursors.items():
                merged[partition] = max(offset, held.get(partition, 0))
            if merged == held:
                return
            listed = [[*partition, offset] for partition, offset in sorted(merged.items())]
            body = {"cursors": {"listed": listed}}
            if not self._bulk([(_CURSORS_ID, _operation(_CURSORS_ID, version, body))]):
                return
        raise Transient("other writers moved the same cursors again and again")


def _write_alias(name: str) -> str:
    return f"{name}-write"


def _bulks(writes: Sequence[Write]) -> Iterator[list[_Operation]]:
    operations: list[_Operation] = []
    size = 0
    for write in writes:
        doc_id = write.document.doc_id
        lines = _removal(doc_id, write.expected) if write.removes else _operation(
            doc_id, write.expected, elastic_documents.fields(write.document))
        if operations and size + len(lines) > _BULK_BYTES_MAX:
            yield operations
            operations, size = [], 0
        operations.append((doc_id, lines))
        size += len(lines)
    if operations:
        yield operations


# Made once: `json.dumps` with separators makes an encoder for each call.
_json: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, check_circular=False
                                ).encode


def _operation(doc_id: str, expected: tuple[int, int] | None, body: Mapping[str, Any]) -> bytes:
    """What must be true of the stored version: none there, or the one that was read."""
    what: dict[str, Any] = {"create": {"_id": doc_id}} if expected is None else {"index": {
        "_id": doc_id, "if_seq_no": expected[0], "if_primary_term": expected[1]}}
    return f"{_json(what)}\n{_json(body)}\n".encode("ascii")


def _removal(doc_id: str, expected: tuple[int, int] | None) -> bytes:
    assert expected is not None
    return (_json({"delete": {"_id": doc_id, "if_seq_no": expected[0],
                              "if_primary_term": expected[1]}}) + "\n").encode("ascii")
