"""What importers remember, on this machine's disk: SQLite (port ImportLedger, PROTOCOL C6).

Owns the file `importer/ledger.db`, its cipher and its one writer. A row is a keyed digest, or lines
under AES-256-GCM; names, words and times are in neither. Readers of one import may lie in several
processes: they read the file themselves and hand what is to be saved to the one that writes.

    fact(digest)              16 bytes: it was read before
    chat(name, part, sealed)  the lines of a chat, LINES_A_PART at a time
    under_way(file, digest)   events of a file that are durable although the file is not done
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from infra import filelock
from infra.embedded import folder
from infra.embedded.sqlite import open_private, transaction
from ingest.ledger import LedgerLine
from schemas.errors import Halt, Missing, Refused, Transient
from schemas.identity import canonical, keyed

LINES_A_PART: Final = 8_192
_LABEL: Final = "counterfoil/ledger/v1"
_NONCE_BYTES: Final = 12
_CHECK: Final = b"check"
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS fact (digest BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chat (
    name BLOB NOT NULL, part INTEGER NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (name, part)
    ) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS under_way (
    file BLOB NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (file, digest)) WITHOUT ROWID;
"""


@dataclass(slots=True)
class Change:
    """What was told since the last save, as it goes to disk. `seen` is a hash of what lay under a
    name when it was read: what is told of it is an answer to that."""

    facts: set[bytes] = field(default_factory=set)
    seen: dict[bytes, bytes] = field(default_factory=dict)
    chats: dict[bytes, list[bytes]] = field(default_factory=dict)
    begun: set[tuple[bytes, bytes]] = field(default_factory=set)
    finished: set[bytes] = field(default_factory=set)


class Stale(Transient):
    """Somebody else told of the same chat since it was read: nothing was applied. Read again."""


class Shelf(Protocol):
    """Where a ledger's rows lie: the file, a view of it from another process, or nowhere."""

    def parts(self, name: bytes) -> list[bytes]:
        """The sealed parts of a chat, in order."""

    def has(self, fact: bytes) -> bool:
        """Whether the fact was saved."""

    def is_begun(self, file: bytes) -> bool:
        """Whether events of the file are durable, and the file was not finished."""

    def was_recorded(self, file: bytes, digest: bytes) -> bool:
        """Whether this event of an unfinished file is durable."""

    def apply(self, change: Change) -> None:
        """All of it is on disk when this returns, or none. Raises Stale."""


class Ledger:
    """Implements `ingest.importing.ResumableLedger`. One thread."""

    def __init__(self, shelf: Shelf, key: bytes, random: Callable[[int], bytes]) -> None:
        """`key`: 32 bytes, of the importer alone."""
        self._shelf = shelf
        self._digest_key = _subkey(key, "digest")
        self._cipher = AESGCM(_subkey(key, "seal"))
        self._random = random
        self._change = Change()
        self._lines: dict[bytes, tuple[LedgerLine, ...]] = {}
        self._seen: dict[bytes, bytes] = {}

    def digest(self, label: str, *parts: str | bytes) -> bytes:
        """See ImportLedger."""
        return keyed(self._digest_key, label, *parts)

    def lines(self, chat: bytes) -> Sequence[LedgerLine]:
        """See ImportLedger. Raises Refused when what lies there does not open."""
        told = self._lines.get(chat)
        if told is not None:
            return told
        parts = self._shelf.parts(chat)
        if chat not in self._seen:
            # The first reading of a file's: what it will tell rests on that.
            self._seen[chat] = _hash(parts)
        return [line for number, sealed in enumerate(parts)
                for line in _read(self._opened(sealed, chat, number))]

    def remember(self, chat: bytes, lines: Sequence[LedgerLine]) -> None:
        """See ImportLedger."""
        self._lines[chat] = tuple(lines)

    def has(self, fact: bytes) -> bool:
        """See ImportLedger."""
        return fact in self._change.facts or self._shelf.has(fact)

    def add(self, fact: bytes) -> None:
        """See ImportLedger."""
        self._change.facts.add(fact)

    def is_begun(self, file: bytes) -> bool:
        """See ResumableLedger."""
        return self._shelf.is_begun(file)

    def was_recorded(self, file: bytes, digest: bytes) -> bool:
        """See ResumableLedger."""
        return (file, digest) in self._change.begun or self._shelf.was_recorded(file, digest)

    def recorded(self, file: bytes, digest: bytes) -> None:
        """See ResumableLedger."""
        self._change.begun.add((file, digest))

    def finish(self, file: bytes) -> None:
        """See ResumableLedger."""
        self._change.finished.add(file)

    def forget(self) -> None:
        """See ResumableLedger."""
        self._change, self._lines, self._seen = Change(), {}, {}

    def save(self) -> None:
        """See ImportLedger. One transaction: after a crash all of it is there, or none."""
        for chat, lines in self._lines.items():
            if chat in self._seen:
                self._change.seen[chat] = self._seen[chat]
            self._change.chats[chat] = [
                self._sealed(_written(lines[start:start + LINES_A_PART]), chat, number)
                for number, start in enumerate(range(0, len(lines), LINES_A_PART))]
        self._shelf.apply(self._change)
        told = set(self._lines)
        self._change, self._lines = Change(), {}
        # A file is saved batch by batch: what it read of other chats it has not told of yet.
        self._seen = {chat: seen for chat, seen in self._seen.items() if chat not in told}

    def _sealed(self, plain: bytes, name: bytes, part: int) -> bytes:
        nonce = self._random(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, canonical(_LABEL, name, part))

    def _opened(self, sealed: bytes, name: bytes, part: int) -> bytes:
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:],
                                        canonical(_LABEL, name, part))
        except InvalidTag as error:
            raise Refused("the import ledger does not open: it was made with another key, or it "
                          "is damaged; `counterfoil ledger rebuild` makes it again") from error

    def check(self) -> None:
        """Raises Refused unless the file is this key's. Made in a new file."""
        found = self._shelf.parts(_CHECK)
        if found:
            self._opened(found[0], _CHECK, 0)
        else:
            self._shelf.apply(Change(chats={_CHECK: [self._sealed(_CHECK, _CHECK, 0)]}))


class LedgerFile:
    """The file; implements Shelf. The writer of an import holds it alone (`exclusively`)."""

    def __init__(self, path: Path) -> None:
        """Open or create it. Raises Transient when it cannot be opened."""
        try:
            self._connection = open_private(path)
            self._connection.executescript(_TABLES)
            folder.sync_folder(path.parent)
        except (sqlite3.Error, OSError) as error:
            raise Transient(f"import ledger {path} does not open: {error}") from error

    def parts(self, name: bytes) -> list[bytes]:
        """See Shelf."""
        return [bytes(row[0]) for row in self._rows(
            "SELECT sealed FROM chat WHERE name = ? ORDER BY part", name)]

    def has(self, fact: bytes) -> bool:
        """See Shelf."""
        return bool(self._rows("SELECT 1 FROM fact WHERE digest = ?", fact))

    def is_begun(self, file: bytes) -> bool:
        """See Shelf."""
        return bool(self._rows("SELECT 1 FROM under_way WHERE file = ? LIMIT 1", file))

    def was_recorded(self, file: bytes, digest: bytes) -> bool:
        """See Shelf."""
        return bool(self._rows("SELECT 1 FROM under_way WHERE file = ? AND digest = ?",
                               file, digest))

    def apply(self, change: Change) -> None:
        """See Shelf. Raises Transient."""
        try:
            with transaction(self._connection) as connection:
                for name, seen in change.seen.items():
                    if _hash(self.parts(name)) != seen:
                        raise Stale("a chat was changed by another file since it was read")
                # Sorted: neighbours lie on one page.
                connection.executemany("INSERT OR IGNORE INTO fact (digest) VALUES (?)",
                                       _single(change.facts))
                connection.executemany("INSERT OR IGNORE INTO under_way (file, digest)"
                                       " VALUES (?, ?)", sorted(change.begun))
                connection.executemany("DELETE FROM under_way WHERE file = ?",
                                       _single(change.finished))
                connection.executemany("DELETE FROM chat WHERE name = ?", _single(change.chats))
                connection.executemany(
                    "INSERT INTO chat (name, part, sealed) VALUES (?, ?, ?)",
                    [(name, number, sealed) for name, parts in sorted(change.chats.items())
                     for number, sealed in enumerate(parts)])
        except sqlite3.Error as error:
            raise Transient(f"import ledger: {error}") from error

    def digests(self) -> Iterator[bytes]:
        """Every fact: for tests and for a comparison with a rebuilt ledger."""
        return iter([bytes(row[0]) for row in self._rows("SELECT digest FROM fact")])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _rows(self, statement: str, *values: bytes) -> list[tuple[bytes, ...]]:
        """`statement` is one of the constants above, never input."""
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise Transient(f"import ledger: {error}") from error


def _hash(parts: Sequence[bytes]) -> bytes:
    return hashlib.sha256(canonical(*parts)).digest()


class NoFile:
    """A shelf that is empty and keeps nothing: for a dry run on a folder without a ledger."""

    def parts(self, name: bytes) -> list[bytes]:
        """See Shelf."""
        del name
        return []

    def has(self, fact: bytes) -> bool:
        """See Shelf."""
        del fact
        return False

    def is_begun(self, file: bytes) -> bool:
        """See Shelf."""
        del file
        return False

    def was_recorded(self, file: bytes, digest: bytes) -> bool:
        """See Shelf."""
        del file, digest
        return False

    def apply(self, change: Change) -> None:
        """See Shelf: a dry run saves nothing."""
        raise AssertionError(f"a dry run saved {len(change.facts)} facts")


@contextmanager
def exclusively(path: Path) -> Iterator[None]:
    """Held while an import runs, so that there is one writer. Raises Transient, naming the process,
    when another one holds it. The end of the process gives it back, however it ends."""
    folder.make_folder(path.parent)
    try:
        descriptor = filelock.take(path)
    except filelock.Taken as held:
        raise Transient(f"another import runs on this data folder (process {held.holder or '?'}); "
                        "wait for it, or end it: a second start goes on where it was") from None
    try:
        yield
    finally:
        os.close(descriptor)


def require_made(path: Path, made_before: bool) -> None:
    """Raises Missing for a ledger that was made once and is not there: with an empty one the same
    chats would be captured a second time."""
    if made_before and not path.exists():
        raise Missing(f"the import ledger {path} is not there any more: run "
                      "`counterfoil ledger rebuild`, which makes it again from the archive")


def _single(values: Iterable[bytes]) -> list[tuple[bytes]]:
    return [(value,) for value in sorted(values)]


def _written(lines: Sequence[LedgerLine]) -> bytes:
    return json.dumps([
        [one.line_id, one.minute, one.second, one.author.hex(), one.body.hex(), one.ordinal,
         one.kind] for one in lines], separators=(",", ":")).encode()


def _read(plain: bytes) -> Iterator[LedgerLine]:
    try:
        for line_id, minute, second, author, body, ordinal, kind in json.loads(plain):
            yield LedgerLine(line_id, minute, second, bytes.fromhex(author), bytes.fromhex(body),
                             ordinal, kind)
    except (ValueError, TypeError) as error:
        raise Halt("halted", "a line of the import ledger has another form") from error


def _subkey(key: bytes, label: str) -> bytes:
    return HKDFExpand(algorithm=SHA256(), length=32, info=canonical(_LABEL, label)).derive(key)
