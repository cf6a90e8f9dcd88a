"""State that may be lost, in an index of its own: `<name>-state` (port StateStore of
search/access).

Owns the requests. Reads by id see every write at once; a write names the version it read
(`if_seq_no`, `if_primary_term`); a scan refreshes first. The server expires nothing by itself: what
is expired is passed over, and taken out by whoever writes, now and then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from elasticsearch import ConflictError, Elasticsearch, NotFoundError

from infra.elastic_errors import Taken, translated
from schemas.errors import Missing, Transient
from search.access.state import Held, Value, checked
from search.index import Retired

_PAGE: Final = 500
_SWEEP_EVERY_MS: Final = 10 * 60_000
# Expired for so long before it goes: clocks of several machines differ.
_SWEEP_AFTER_MS: Final = 10 * 60_000
_TRIES_MAX: Final = 3

MAPPING: Final[Mapping[str, Any]] = {
    "dynamic": "strict",
    "properties": {
        "key": {"type": "keyword"},  # sorted by, and looked up by its beginning
        "expires_at": {"type": "long"},
        # JSON in a text: what is in it is nobody's field.
        "value": {"type": "keyword", "index": False, "doc_values": False},
    },
}


def state_name(name: str) -> str:
    """The state's index beside the indexes `<name>-000001` …"""
    return f"{name}-state"


class ElasticState:
    """Implements `search.access.state.StateStore`."""

    def __init__(self, client: Elasticsearch, name: str, clock: Callable[[], int], *,
                 replicas: int = 0) -> None:
        """`name`: as the readers' alias. `clock`: UTC ms. Makes the index where it is missing."""
        self._client = client
        self._index = state_name(name)
        self._clock = clock
        self._replicas = replicas
        self._swept_at = clock()
        self._make()

    def get(self, key: str) -> Held | None:
        """See StateStore."""
        checked(key)
        held = self._read(key)
        return held if held is not None and held.expires_at > self._clock() else None

    def put(self, key: str, value: Value, expires_at: int, expected: Held | None) -> bool:
        """See StateStore."""
        checked(key, value)
        now = self._clock()
        self._sweep(now)
        if expected is not None:
            return expected.expires_at > now and self._write(key, value, expires_at, expected)
        if self._write(key, value, expires_at, None):
            return True
        # Something has the key. It is in the way only if it is not expired.
        held = self._read(key)
        if held is None or held.expires_at > now:
            return False  # taken, or removed at this moment: to look again is the caller's
        return self._write(key, value, expires_at, held)

    def remove(self, key: str) -> None:
        """See StateStore."""
        checked(key)
        with suppress(Missing), translated():
            self._client.delete(index=self._index, id=key, refresh=False)

    def scan(self, prefix: str) -> Iterator[tuple[str, Held]]:
        """See StateStore. By pages."""
        try:
            with translated():
                self._client.indices.refresh(index=self._index)
        except Retired:
            return  # lost; a write makes it anew
        yield from self._pages([{"prefix": {"key": {"value": prefix}}},
                                {"range": {"expires_at": {"gt": self._clock()}}}])

    def _pages(self, filters: list[dict[str, Any]]) -> Iterator[tuple[str, Held]]:
        more: dict[str, Any] = {}
        while True:
            with translated():
                hits = self._client.search(
                    index=self._index, size=_PAGE, track_total_hits=False,
                    seq_no_primary_term=True, sort=[{"key": "asc"}],
                    query={"bool": {"filter": filters}}, **more)["hits"]["hits"]
            for hit in hits:
                yield hit["_id"], _held(hit)
            if len(hits) < _PAGE:
                return
            more["search_after"] = hits[-1]["sort"]

    def _read(self, key: str) -> Held | None:
        try:
            with translated():
                # realtime: from the write-ahead log where no refresh was since.
                return _held(self._client.get(index=self._index, id=key, realtime=True).body)
        except Missing:
            return None  # the key; or the whole index, which may be lost and is made by a write

    def _write(self, key: str, value: Value, expires_at: int, over: Held | None) -> bool:
        version: dict[str, Any] = {"op_type": "create"}
        if over is not None:
            sequence, term = _version(over)
            version = {"if_seq_no": sequence, "if_primary_term": term}
        body = {"key": key, "expires_at": expires_at, "value": json.dumps(dict(value))}
        for _ in range(_TRIES_MAX):
            try:
                with translated():
                    try:
                        # require_alias: where the index was lost the server must not guess one.
                        self._client.index(index=_write_alias(self._index), id=key, document=body,
                                           refresh=False, require_alias=True, **version)
                    except ConflictError:
                        return False
                    return True
            except Retired:
                self._make()
        raise Transient(f"index {self._index} goes away again and again")

    def _make(self) -> None:
        with suppress(Taken), translated():
            self._client.indices.create(
                index=self._index, mappings=MAPPING,
                settings={"number_of_shards": 1, "number_of_replicas": self._replicas,
                          # Nobody waits for a refresh: who scans asks for one.
                          "refresh_interval": "30s"},
                aliases={_write_alias(self._index): {}})

    def _sweep(self, now: int) -> None:
        """Each document under the version that was found expired: one that was renewed stays."""
        if now - self._swept_at < _SWEEP_EVERY_MS:
            return
        self._swept_at = now
        over = [{"range": {"expires_at": {"lte": now - _SWEEP_AFTER_MS}}}]
        with suppress(Missing):
            for key, held in self._pages(over):
                sequence, term = _version(held)
                with translated(), suppress(ConflictError, NotFoundError):
                    self._client.delete(index=self._index, id=key, if_seq_no=sequence,
                                        if_primary_term=term, refresh=False)


def _write_alias(index: str) -> str:
    return f"{index}-write"


def _version(held: Held) -> tuple[int, int]:
    if not isinstance(held.version, tuple):
        raise AssertionError("a version of another driver")
    return held.version


def _held(hit: Mapping[str, Any]) -> Held:
    source = hit["_source"]
    return Held(json.loads(source["value"]), (hit["_seq_no"], hit["_primary_term"]),
                source["expires_at"])
