"""A store that counts what is read through it: requests and bytes, by what is read.

Owns the counting. On an embedded folder a read costs nearly nothing; on S3 each request is a round
trip, so their number is what the bench says beside the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from archive.store import Lock, ObjectStore, ObjectVersion

# So many names an S3 listing gives at most for one request.
_LISTED_MAX: Final = 1_000


@dataclass
class Reads:
    """Requests, and bytes of bodies."""

    gets: int = 0
    bytes: int = 0
    lists: int = 0
    heads: int = 0


@dataclass
class CountingStore:
    """Implements `archive.store.ObjectStore` over another. `reads`: by the first part of a key
    ("segments", "log", …)."""

    store: ObjectStore
    reads: dict[str, Reads] = field(default_factory=dict)

    def put_once(self, key: str, body: bytes, retain_until: int | None) -> str:
        """See ObjectStore."""
        return self.store.put_once(key, body, retain_until)

    def versions(self, prefix: str, start_after: str = "") -> Iterator[ObjectVersion]:
        """See ObjectStore. A request for each thousand names that are taken."""
        reads = self._of(prefix)
        reads.lists += 1
        for number, one in enumerate(self.store.versions(prefix, start_after), 1):
            reads.lists += number % _LISTED_MAX == 0
            yield one

    def get(self, key: str, version_id: str | None = None,
            start: int = 0, length: int | None = None) -> bytes:
        """See ObjectStore."""
        reads = self._of(key)
        reads.gets += 1
        body = self.store.get(key, version_id, start, length)
        reads.bytes += len(body)
        return body

    def extend(self, key: str, version_id: str, retain_until: int) -> None:
        """See ObjectStore."""
        self.store.extend(key, version_id, retain_until)

    def set_legal_hold(self, key: str, version_id: str, *, on: bool) -> None:
        """See ObjectStore."""
        self.store.set_legal_hold(key, version_id, on=on)

    def lock(self, key: str, version_id: str) -> Lock:
        """See ObjectStore."""
        self._of(key).heads += 1
        return self.store.lock(key, version_id)

    def _of(self, key: str) -> Reads:
        return self.reads.setdefault(key.partition("/")[0], Reads())
