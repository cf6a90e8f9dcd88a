"""SQLite as every file of ours uses it: private to its owner, transactions written out.

Owns how such a file is opened and how a transaction begins and ends; what is in it is the caller's.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.embedded import folder


def open_private(path: Path, synchronous: str = "FULL") -> sqlite3.Connection:
    """A connection in autocommit mode to a file that only its owner may read."""
    folder.make_folder(path.parent)
    # Created with its mode, not changed to it afterwards: nobody else ever has it open.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(
        path,
        isolation_level=None,      # autocommit: each statement is its own transaction
        check_same_thread=False,   # the caller's lock takes calls one at a time
        timeout=30.0,              # s; an operator's command may hold the file for a moment
    )
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first table, or never
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All of it is in the file after the block, or none."""
    # IMMEDIATE: the write lock is taken before the first read, so that nothing that was checked
    # can change before the commit.
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        # SQLite ends some transactions by itself: a full disk, say.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    if connection.in_transaction:
        connection.execute("COMMIT")
