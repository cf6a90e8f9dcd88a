"""The gateway's spool on this machine's disk: SQLite (ports Spool and Memory of ingest/spool.py).

Owns the file: one row per sealed record, a few named values, mode 0600. Everything in it is
ciphertext, but for the log's name and the digest of the directory.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from infra.embedded import folder
from infra.embedded.sqlite import open_private
from ingest.spool import Spooled, SpoolEntry, SpoolSummary
from schemas import limits
from schemas.errors import Refused, Transient

_TABLES = """
CREATE TABLE IF NOT EXISTS entry (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    topic_id BLOB NOT NULL, partition INTEGER NOT NULL,
    session_id BLOB NOT NULL, counter INTEGER NOT NULL,
    spooled_at INTEGER NOT NULL, value BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS entry_lane ON entry (topic_id, partition, sequence);
CREATE TABLE IF NOT EXISTS memory (name TEXT PRIMARY KEY, value BLOB NOT NULL);
"""


class SqliteSpool:
    """One file, one process. Calls may come from any thread; they are taken one at a time."""

    def __init__(self, path: Path, bytes_max: int = limits.SPOOL_BYTES_MAX) -> None:
        """Open or create the file. Raises Transient when it cannot be opened."""
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        try:
            self._connection = open_private(path)
            self._connection.executescript(_TABLES)
            # The file's name, too, must survive a power cut.
            folder.sync_folder(path.parent)
            row = self._connection.execute("SELECT coalesce(sum(length(value)), 0) FROM entry")
            self._bytes = int(row.fetchone()[0])
        except (sqlite3.Error, OSError) as error:
            raise Transient(f"spool {path} does not open: {error}") from error

    def put(self, entry: SpoolEntry) -> int:
        """See ingest.spool.Spool. The commit fsyncs the write-ahead log before it returns."""
        with self._lock:
            if self._bytes + len(entry.value) > self._bytes_max:
                raise Refused(f"the spool holds {self._bytes} bytes and takes {self._bytes_max}")
            try:
                cursor = self._connection.execute(
                    "INSERT INTO entry (topic_id, partition, session_id, counter, spooled_at,"
                    " value) VALUES (?, ?, ?, ?, ?, ?)",
                    (entry.topic_id, entry.partition, entry.session_id, entry.counter,
                     entry.spooled_at, entry.value))
            except sqlite3.Error as error:
                # Not acknowledged. If the fsync failed the row may come back at the next start:
                # then the provider's second delivery makes it a sighting.
                raise Transient(f"spool: {error}") from error
            self._bytes += len(entry.value)
            if cursor.lastrowid is None:
                raise AssertionError("an insert without a row id")
            return cursor.lastrowid

    def oldest(self, topic_id: bytes, partition: int, after: int, records_max: int,
               bytes_max: int) -> Sequence[Spooled]:
        """See ingest.spool.Spool."""
        found: list[Spooled] = []
        size = 0
        with self._lock:
            try:
                rows = self._connection.execute(
                    "SELECT sequence, topic_id, partition, session_id, counter, spooled_at, value"
                    " FROM entry WHERE topic_id = ? AND partition = ? AND sequence > ?"
                    " ORDER BY sequence LIMIT ?", (topic_id, partition, after, records_max))
                for sequence, *fields in rows:
                    entry = SpoolEntry(*fields)
                    size += len(entry.value)
                    if found and size > bytes_max:
                        rows.close()
                        break
                    found.append(Spooled(sequence, entry))
            except sqlite3.Error as error:
                raise Transient(f"spool: {error}") from error
        return found

    def remove(self, sequences: Sequence[int]) -> None:
        """See ingest.spool.Spool. An emptied spool gives its disk space back."""
        with self._lock:
            try:
                # One statement, one transaction, one fsync.
                rows = self._connection.execute(
                    "DELETE FROM entry WHERE sequence IN (SELECT value FROM json_each(?))"
                    " RETURNING length(value)", (json.dumps(list(sequences)),)).fetchall()
                self._bytes -= sum(int(row[0]) for row in rows)
                if not self._bytes:
                    # As a script: `execute` steps once, and each step frees one page.
                    self._connection.executescript("PRAGMA incremental_vacuum")
                    self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except sqlite3.Error as error:
                raise Transient(f"spool: {error}") from error

    def summary(self) -> SpoolSummary:
        """See ingest.spool.Spool."""
        with self._lock:
            try:
                # Counted anew: an operator's command may have taken some out.
                count, self._bytes, oldest_at = self._connection.execute(
                    "SELECT count(*), coalesce(sum(length(value)), 0), min(spooled_at)"
                    " FROM entry").fetchone()
                lanes = self._connection.execute(
                    "SELECT topic_id, partition, count(*) FROM entry"
                    " GROUP BY topic_id, partition ORDER BY topic_id, partition").fetchall()
            except sqlite3.Error as error:
                raise Transient(f"spool: {error}") from error
            return SpoolSummary(count, self._bytes, oldest_at, tuple(lanes))

    def recall(self, name: str) -> bytes | None:
        """See ingest.spool.Memory."""
        with self._lock:
            try:
                row = self._connection.execute(
                    "SELECT value FROM memory WHERE name = ?", (name,)).fetchone()
            except sqlite3.Error as error:
                raise Transient(f"spool: {error}") from error
        return None if row is None else bytes(row[0])

    def remember(self, name: str, value: bytes) -> None:
        """See ingest.spool.Memory."""
        with self._lock:
            try:
                self._connection.execute(
                    "INSERT INTO memory (name, value) VALUES (?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value))
            except sqlite3.Error as error:
                raise Transient(f"spool: {error}") from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
