"""The sealed words of an embedded index: one table in the index's own file (PROTOCOL I6).

Owns the SQL. In one file with the documents, because what is committed first survives a power cut
if what follows does: no document is ever there without its words.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Final

from infra.embedded.sqlite import transaction
from schemas.wordchunk import SealedChunk

# AUTOINCREMENT: a place is never given out twice, so that nobody takes a new chunk for a seen one.
SCHEMA: Final = """
CREATE TABLE words (
    place INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, domain BLOB NOT NULL,
    generation INTEGER NOT NULL, level INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX words_of ON words (domain, generation, level);
"""


class SqliteWords:
    """Implements `search.vocabulary.WordStore`."""

    def __init__(self, database: sqlite3.Connection,
                 translated: Callable[[], AbstractContextManager[None]]) -> None:
        """`database`: the index's connection; `translated`: says SQLite's errors as ours."""
        self._database = database
        self._translated = translated

    def add(self, chunks: Sequence[SealedChunk]) -> None:
        """One transaction."""
        with self._translated(), transaction(self._database) as database:
            database.executemany(
                "INSERT INTO words (id, domain, generation, level, body) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO NOTHING",
                [(one.id, one.domain, one.generation, one.level, one.body) for one in chunks])

    def since(self, place: int) -> Iterator[tuple[int, SealedChunk]]:
        """One statement: it sees the table as it was when it began."""
        with self._translated():
            for last, *values in self._database.execute(
                    "SELECT place, id, domain, generation, level, body FROM words "
                    "WHERE place > ? ORDER BY place", (place,)):
                yield last, SealedChunk(*values)

    def of(self, domain: bytes, generation: int, level: int, limit: int) -> list[SealedChunk]:
        """The oldest first."""
        with self._translated():
            rows = self._database.execute(
                "SELECT id, domain, generation, level, body FROM words "
                "WHERE domain = ? AND generation = ? AND level = ? ORDER BY place LIMIT ?",
                (domain, generation, level, limit)).fetchall()
        return [SealedChunk(*row) for row in rows]

    def remove(self, ids: Iterable[bytes]) -> None:
        """One transaction."""
        with self._translated(), transaction(self._database) as database:
            database.executemany("DELETE FROM words WHERE id = ?", [(one,) for one in ids])

    def drop(self, domain: bytes, generation: int) -> None:
        """One transaction."""
        with self._translated(), transaction(self._database) as database:
            database.execute("DELETE FROM words WHERE domain = ? AND generation = ?",
                             (domain, generation))
