"""State that may be lost, on this machine's disk: SQLite (port StateStore of search/access).

Owns the file `state.db`, 0600. Several processes may have it open; within one, calls are taken one
at a time.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from infra.embedded.sqlite import open_private, transaction
from schemas.errors import Transient
from search.access.state import Held, Value, checked

# AUTOINCREMENT: a version is never used again, not even by another key.
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS state (
    version INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, value TEXT NOT NULL,
    expires_at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS state_expires ON state (expires_at);
"""
# How often a writer takes out what is expired, ms.
_SWEEP_EVERY_MS: Final = 60_000


class SqliteState:
    """Implements `search.access.state.StateStore`."""

    def __init__(self, path: Path, clock: Callable[[], int]) -> None:
        """`clock`: UTC ms. Raises Transient when the file cannot be opened."""
        self._clock = clock
        self._lock = threading.Lock()
        self._swept_at = 0
        try:
            # NORMAL: a power cut may take the last seconds, never the file. They may be lost.
            self._connection = open_private(path, synchronous="NORMAL")
            self._connection.executescript(_TABLES)
        except (sqlite3.Error, OSError) as error:
            raise Transient(f"state {path.name} does not open: {error}") from error

    def get(self, key: str) -> Held | None:
        """See StateStore."""
        checked(key)
        rows = self._rows("SELECT key, value, version, expires_at FROM state"
                          " WHERE key = ? AND expires_at > ?", key, self._clock())
        return _held(rows[0]) if rows else None

    def put(self, key: str, value: Value, expires_at: int, expected: Held | None) -> bool:
        """See StateStore."""
        checked(key, value)
        now = self._clock()
        with self._lock:
            try:
                with transaction(self._connection) as connection:
                    self._sweep(connection, now)
                    row = connection.execute(
                        "SELECT version FROM state WHERE key = ? AND expires_at > ?", (key, now),
                    ).fetchone()
                    if (row and row[0]) != (expected and expected.version):
                        return False
                    # Takes the place of whatever has the key, under a version of its own.
                    connection.execute(
                        "INSERT OR REPLACE INTO state (key, value, expires_at) VALUES (?, ?, ?)",
                        (key, json.dumps(dict(value)), expires_at))
            except sqlite3.Error as error:
                raise Transient(f"state: {error}") from error
        return True

    def remove(self, key: str) -> None:
        """See StateStore."""
        checked(key)
        self._rows("DELETE FROM state WHERE key = ?", key)

    def scan(self, prefix: str) -> Iterator[tuple[str, Held]]:
        """See StateStore. Of one moment."""
        # A key is ASCII: what begins with the prefix lies below the prefix and the last character.
        for row in self._rows(
                "SELECT key, value, version, expires_at FROM state"
                " WHERE key >= ? AND key < ? AND expires_at > ? ORDER BY key",
                prefix, prefix + "\x7f", self._clock()):
            yield row[0], _held(row)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _sweep(self, connection: sqlite3.Connection, now: int) -> None:
        if now - self._swept_at >= _SWEEP_EVERY_MS:
            connection.execute("DELETE FROM state WHERE expires_at <= ?", (now,))
            self._swept_at = now

    def _rows(self, statement: str, *values: str | int) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise Transient(f"state: {error}") from error


def _held(row: tuple[Any, ...]) -> Held:
    return Held(json.loads(row[1]), row[2], row[3])
