"""What a capture process keeps of files on this machine's disk: the list of those to be fetched
(SQLite, port TaskList) and sealed bytes before their PUT (ports SealedFiles, Scratch).

Owns both. A row shows times and the name of an adapter; everything else in it, and every byte of a
file, is sealed before it gets here.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from infra.embedded import folder
from infra.embedded.sqlite import open_private, transaction
from ingest.mediatask import TaskRow
from ingest.mediaworker import TaskSummary
from schemas.errors import Missing, Transient

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS task (
    name BLOB PRIMARY KEY, source TEXT NOT NULL, put_at INTEGER NOT NULL, due_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, blob BLOB) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS task_due ON task (due_at) WHERE blob IS NOT NULL;
"""
# A row without a blob is done; `expires_at` then says until when its name is remembered.


class SqliteTaskList:
    """One file. Calls may come from any thread; they are taken one at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises Transient when it cannot be opened."""
        self._lock = threading.Lock()
        try:
            self._connection = open_private(path, synchronous="FULL")
            self._connection.executescript(_TABLES)
        except (sqlite3.Error, OSError) as error:
            raise Transient(f"media list {path} does not open: {error}") from error

    def put(self, rows: Sequence[TaskRow]) -> None:
        """See ingest.mediaworker.TaskList. One transaction, one fsync."""
        with self._used() as connection, transaction(connection):
            connection.executemany(
                "INSERT INTO task (name, source, put_at, due_at, expires_at, blob)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
                [(one.name, one.source, one.put_at, one.due_at, one.expires_at, one.blob)
                 for one in rows])

    def due(self, now: int, sources: Collection[str], rows_max: int,
            without: Collection[bytes]) -> Sequence[TaskRow]:
        """See ingest.mediaworker.TaskList."""
        with self._used() as connection:
            rows = connection.execute(
                "SELECT name, source, put_at, due_at, expires_at, blob FROM task"
                " WHERE blob IS NOT NULL AND due_at <= ?"
                " AND (expires_at <= ? OR source IN (SELECT value FROM json_each(?)))"
                " AND hex(name) NOT IN (SELECT value FROM json_each(?))"
                " ORDER BY due_at, name LIMIT ?",
                (now, now, json.dumps(sorted(sources)),
                 json.dumps([one.hex().upper() for one in without]), rows_max)).fetchall()
        return [TaskRow(*row) for row in rows]

    def save(self, row: TaskRow) -> None:
        """See ingest.mediaworker.TaskList."""
        self._do("UPDATE task SET due_at = ?, blob = ? WHERE name = ? AND blob IS NOT NULL",
                 row.due_at, row.blob, row.name)

    def finish(self, name: bytes, forget_at: int) -> None:
        """See ingest.mediaworker.TaskList."""
        self._do("UPDATE task SET blob = NULL, expires_at = ? WHERE name = ?", forget_at, name)

    def wake(self, now: int) -> Sequence[bytes]:
        """See ingest.mediaworker.TaskList."""
        with self._used() as connection:
            connection.execute("DELETE FROM task WHERE blob IS NULL AND expires_at <= ?", (now,))
            connection.execute("UPDATE task SET due_at = min(due_at, ?) WHERE blob IS NOT NULL",
                               (now,))
            rows = connection.execute("SELECT name FROM task WHERE blob IS NOT NULL").fetchall()
        return [bytes(row[0]) for row in rows]

    def summary(self) -> TaskSummary:
        """See ingest.mediaworker.TaskList."""
        with self._used() as connection:
            rows = connection.execute("SELECT source, count(*), min(put_at) FROM task"
                                      " WHERE blob IS NOT NULL GROUP BY source").fetchall()
        return TaskSummary({source: (count, oldest_at) for source, count, oldest_at in rows})

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _do(self, statement: str, *values: Any) -> None:
        with self._used() as connection:
            connection.execute(statement, values)

    @contextmanager
    def _used(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise Transient(f"media list: {error}") from error


class SealedFolder:
    """Sealed bytes in a folder of their own, 0600. `bytes_max` bounds what may wait there."""

    def __init__(self, root: Path, bytes_max: int) -> None:
        self._root = root
        self._bytes_max = bytes_max
        folder.make_folder(root)

    @contextmanager
    def create(self, name: bytes) -> Iterator[BinaryIO]:
        """See ingest.mediaworker.SealedFiles."""
        path = self._path(name)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w+b") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            folder.sync_folder(self._root)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise Transient(f"sealed file: {error.strerror}") from error
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    @contextmanager
    def open(self, name: bytes) -> Iterator[BinaryIO]:
        """See ingest.mediaworker.SealedFiles."""
        try:
            body = self._path(name).open("rb")
        except FileNotFoundError as error:
            raise Missing("sealed file") from error
        except OSError as error:
            raise Transient(f"sealed file: {error.strerror}") from error
        with body:
            yield body

    def remove(self, name: bytes) -> None:
        """See ingest.mediaworker.SealedFiles."""
        try:
            self._path(name).unlink(missing_ok=True)
        except OSError as error:
            raise Transient(f"sealed file: {error.strerror}") from error

    def sweep(self, keep: Collection[bytes]) -> None:
        """See ingest.mediaworker.SealedFiles."""
        kept = {self._path(name).name for name in keep}
        for path in self._root.iterdir():
            if path.name not in kept:
                path.unlink(missing_ok=True)

    def has_room(self) -> bool:
        """See ingest.mediaworker.SealedFiles."""
        return sum(self._size(path) for path in self._root.iterdir()) < self._bytes_max

    def _path(self, name: bytes) -> Path:
        return self._root / f"{name.hex()}.sealed"

    @staticmethod
    def _size(path: Path) -> int:
        try:
            return path.stat().st_size
        except FileNotFoundError:
            return 0


class ScratchFolder:
    """Nameless files in a folder (port Scratch): gone with the process, whatever happens."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def create(self) -> Iterator[BinaryIO]:
        """See ingest.media.Scratch."""
        folder.make_folder(self._root)
        try:
            with tempfile.TemporaryFile(dir=self._root) as out:
                yield out
        except OSError as error:
            raise Transient(f"scratch file: {error.strerror}") from error
