"""The ring of rejected requests on this machine's disk: SQLite (port RejectedRing).

Owns the file, its bounds and what goes first. The requests in it are sealed; time, door, reason
and size are not.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from infra.embedded.sqlite import open_private
from ingest.rejected import RejectedRow
from schemas import limits
from schemas.errors import Missing, Transient

_TABLES = """
CREATE TABLE IF NOT EXISTS rejected (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, door TEXT NOT NULL,
    reason TEXT NOT NULL, size INTEGER NOT NULL, blob BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS rejected_at ON rejected (at);
"""
# What a row costs besides its blob.
_ROW_BYTES = 128


class SqliteRing:
    """One file. Calls may come from any thread; they are taken one at a time."""

    def __init__(self, path: Path, bytes_max: int = limits.REJECTED_BYTES_MAX,
                 age_ms_max: int = limits.REJECTED_AGE_MS_MAX) -> None:
        """Open or create the file. Raises Transient when it cannot be opened."""
        self._bytes_max = bytes_max
        self._age_ms_max = age_ms_max
        self._lock = threading.Lock()
        try:
            # NORMAL: a power cut may cost the last few. They were never acknowledged, and a
            # flood of forged requests must not cost an fsync each.
            self._connection = open_private(path, synchronous="NORMAL")
            self._connection.executescript(_TABLES)
            self._bytes = self._measure()
        except (sqlite3.Error, OSError) as error:
            raise Transient(f"ring {path} does not open: {error}") from error

    def put(self, at: int, door: str, reason: str, size: int, blob: bytes) -> None:
        """See ingest.rejected.RejectedRing. A request larger than the ring is kept alone."""
        with self._lock:
            try:
                self._delete("at < ?", at - self._age_ms_max)
                self._connection.execute(
                    "INSERT INTO rejected (at, door, reason, size, blob) VALUES (?, ?, ?, ?, ?)",
                    (at, door, reason, size, blob))
                self._bytes += len(blob) + _ROW_BYTES
                while self._bytes > self._bytes_max:
                    if not self._delete("sequence = (SELECT min(sequence) FROM rejected)"
                                        " AND sequence < (SELECT max(sequence) FROM rejected)"):
                        break
            except sqlite3.Error as error:
                raise Transient(f"ring: {error}") from error

    def rows(self) -> Iterator[RejectedRow]:
        """See ingest.rejected.RejectedRing."""
        with self._lock:
            try:
                found = self._connection.execute(
                    "SELECT sequence, at, door, reason, size FROM rejected ORDER BY sequence"
                ).fetchall()
            except sqlite3.Error as error:
                raise Transient(f"ring: {error}") from error
        return iter([RejectedRow(*row) for row in found])

    def blob(self, sequence: int) -> bytes:
        """See ingest.rejected.RejectedRing."""
        with self._lock:
            try:
                row = self._connection.execute(
                    "SELECT blob FROM rejected WHERE sequence = ?", (sequence,)).fetchone()
            except sqlite3.Error as error:
                raise Transient(f"ring: {error}") from error
        if row is None:
            raise Missing(f"rejected request {sequence}")
        return bytes(row[0])

    def remove(self, sequence: int) -> None:
        """See ingest.rejected.RejectedRing."""
        with self._lock:
            try:
                self._delete("sequence = ?", sequence)
            except sqlite3.Error as error:
                raise Transient(f"ring: {error}") from error

    def count_since(self, at: int) -> int:
        """See ingest.rejected.RejectedRing."""
        with self._lock:
            try:
                row = self._connection.execute(
                    "SELECT count(*) FROM rejected WHERE at >= ?", (at,)).fetchone()
            except sqlite3.Error as error:
                raise Transient(f"ring: {error}") from error
        return int(row[0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _delete(self, condition: str, *values: int) -> int:
        """`condition` is one of the constants above, never input."""
        rows = self._connection.execute(
            f"DELETE FROM rejected WHERE {condition} RETURNING length(blob)", values).fetchall()
        self._bytes -= sum(int(row[0]) + _ROW_BYTES for row in rows)
        return len(rows)

    def _measure(self) -> int:
        row = self._connection.execute(
            "SELECT coalesce(sum(length(blob) + ?), 0) FROM rejected", (_ROW_BYTES,)).fetchone()
        return int(row[0])
