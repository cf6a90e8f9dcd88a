"""The port ObjectStore: what the archive needs of an object store with locks.

Owns the contract and its value types; drivers are `infra/s3.py` and `infra/embedded/store.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version (or delete marker) at a key, as a listing shows it. `modified` is UTC ms."""

    key: str
    version_id: str
    size: int
    modified: int
    is_delete_marker: bool = False
    is_latest: bool = True


@dataclass(frozen=True, slots=True)
class Lock:
    """A version's lock: mode "COMPLIANCE" | "GOVERNANCE" | "FOLDER" | "" and its end (UTC ms), and
    whether a legal hold lies on it, which has no end.

    "FOLDER" is the embedded store's: it detects, it cannot prevent (PROTOCOL S11).
    """

    mode: str
    retain_until: int
    legal_hold: bool = False


class ObjectStore(Protocol):
    """Keys are UTF-8 paths with "/"; bodies are bytes; nothing is ever overwritten.

    Errors: Exists (the key has a live version: 412), Missing, Transient (try again), Ambiguous
    (may have been applied: read back). Retries are the caller's; drivers do none of their own.
    """

    def put_once(self, key: str, body: bytes, retain_until: int | None) -> str:
        """Create `key` with a conditional PUT; returns its version id.

        Locked in compliance mode until `retain_until` (UTC ms) if given. Durable when it returns.
        Raises Exists when a live version is there, whoever wrote it.
        """

    def versions(self, prefix: str, start_after: str = "") -> Iterator[ObjectVersion]:
        """Every version and delete marker under `prefix`, by key ascending (bytewise), and within
        a key the newest first; keys <= `start_after` are left out."""

    def get(self, key: str, version_id: str | None = None,
            start: int = 0, length: int | None = None) -> bytes:
        """The bytes [start, start+length) of a version (null: the latest). Raises Missing."""

    def extend(self, key: str, version_id: str, retain_until: int) -> None:
        """Lock one version until `retain_until` (UTC ms) or later: a lock only ever grows, one that
        ends later already stays as it is. Durable when it returns; may be called again. Raises
        Missing."""

    def set_legal_hold(self, key: str, version_id: str, *, on: bool) -> None:
        """Put a legal hold on one version, or take it away; the lock's end stays as it is. Durable
        when it returns; may be called again. Raises Missing."""

    def lock(self, key: str, version_id: str) -> Lock:
        """The lock of one version; mode "" when it has none. Raises Missing."""
