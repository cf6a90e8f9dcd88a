"""The embedded index: SQLite FTS5, one file per index, a small catalogue beside them.

Owns the tables; what a query is in SQL is `question.py`. A writer and any number of readers work at
once (WAL); documents and cursors change in one transaction, so a crash leaves both as they were.
Words are tokens at positions; the revisions of a message are REVISION_POSITION_GAP positions
apart, so that no phrase crosses them.
"""

from __future__ import annotations

import json
import re
import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Final, Protocol

from infra.embedded import words
from infra.embedded.question import HOLDS, Question
from infra.embedded.sqlite import transaction
from schemas import document as shape
from schemas import events, limits
from schemas.document import Document
from schemas.errors import Halt, Missing, Refused, Transient
from search import entries, facets
from search.candidates import Texts
from search.facets import Counted, Facets, Part
from search.index import (
    IndexState,
    Outdated,
    Page,
    PageCursor,
    Partition,
    Retired,
    Stored,
    TooBroad,
    Write,
    other_mode,
)
from search.project import document
from search.query import All, TokenQuery
from search.tokens import BLIND, TextMode

# How long a writer waits for another writer; readers never wait.
_BUSY_TIMEOUT_S: Final = 30.0
_SCHEMA_VERSION: Final = 7
_GET_BATCH: Final = 500
_SCAN_BATCH: Final = 500
_NAME: Final = re.compile(r"index-([0-9]{6})")
# Stands between two revisions, so that no phrase crosses them. No token is a "-" alone.
_GAP: Final = f" {' '.join(['-'] * limits.REVISION_POSITION_GAP)} "
# Months of every zone since 1970 begin at one of these, ms.
_QUARTER_HOUR: Final = 900_000
_FACET_BATCH: Final = 10_000

_SCHEMA: Final = """
CREATE TABLE documents (
    id INTEGER PRIMARY KEY, doc_id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL,
    kind TEXT NOT NULL, sort_at INTEGER NOT NULL, channel TEXT NOT NULL, state TEXT NOT NULL,
    direction TEXT, conversation TEXT NOT NULL, custodians TEXT NOT NULL, review TEXT NOT NULL,
    entries BLOB NOT NULL
);
CREATE INDEX documents_in_order ON documents (sort_at DESC, doc_id);
CREATE VIRTUAL TABLE terms USING fts5 (
    words, chars, actors, recipients, channel, state, kinds, conversation, shared, marks,
    direction, kind, custodians, compartments, review, review_times,
    tokenize = "ascii tokenchars '_-'", detail = full
);
CREATE TABLE cursors (
    topic_id TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    PRIMARY KEY (topic_id, partition)
);
CREATE TABLE shape (text TEXT NOT NULL);
CREATE TABLE retired (at INTEGER PRIMARY KEY CHECK (at = 1));
"""
_CATALOGUE: Final = """
CREATE TABLE IF NOT EXISTS indexes (
    number INTEGER PRIMARY KEY AUTOINCREMENT
);
CREATE TABLE IF NOT EXISTS current (
    one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL
);
"""
_COLUMNS: Final = (
    "words", "chars", "actors", "recipients", "channel", "state", "kinds", "conversation",
    "shared", "marks", "direction", "kind", "custodians", "compartments", "review",
    "review_times",
)
_BESIDE: Final = (
    "kind", "sort_at", "channel", "state", "direction", "conversation", "custodians", "review",
    "entries",
)


class _Ask(Protocol):
    """The rows of a statement, given the values after those of `answer`."""

    def __call__(self, statement: str, *more: Any) -> sqlite3.Cursor: ...


class SqliteIndexSet:
    """The indexes in one folder. Implements `search.index.IndexSet`."""

    def __init__(self, folder: Path, *, text: TextMode = BLIND) -> None:
        """`folder` is made when it is not there. `text`: what its indexes hold of words."""
        self._folder = folder
        self._text: TextMode = text
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._catalogue() as catalogue:
            catalogue.executescript(f"BEGIN IMMEDIATE; {_CATALOGUE} COMMIT;")

    def create(self) -> str:
        """A new file with an empty index; its number is never used again."""
        with self._changing() as catalogue:
            return self._make(catalogue)

    def first(self) -> str:
        """Made under the catalogue's write lock: whoever is late finds it made."""
        with self._changing() as catalogue:
            row = catalogue.execute("SELECT name FROM current").fetchone()
            if row is not None:
                return str(row[0])
            name = self._make(catalogue)
            catalogue.execute("INSERT INTO current (one, name) VALUES (1, ?)", (name,))
            return name

    def open(self, name: str) -> SqliteIndex:
        """Raises Missing when there is no such index."""
        return self._opened(name, self._text)

    def _opened(self, name: str, text: TextMode | None) -> SqliteIndex:
        if name not in self.names():
            raise Missing(f"index {name}")
        return SqliteIndex(self._path(name), text=text)

    def current(self) -> str | None:
        """The index that readers use."""
        with self._catalogue() as catalogue:
            row = catalogue.execute("SELECT name FROM current").fetchone()
        return None if row is None else str(row[0])

    def names(self) -> list[str]:
        """Every complete index, oldest first."""
        with self._catalogue() as catalogue:
            rows = catalogue.execute(
                "SELECT number FROM indexes ORDER BY number").fetchall()
        return [f"index-{row[0]:06d}" for row in rows]

    def swap(self, name: str) -> None:
        """One row changes; from then on readers open `name`. Then older ones are retired."""
        self.open(name).close()
        with self._catalogue() as catalogue:
            changed = catalogue.execute(
                "INSERT INTO current (one, name) VALUES (1, ?) ON CONFLICT (one) "
                "DO UPDATE SET name = excluded.name WHERE name <= excluded.name", (name,)).rowcount
        if not changed:
            raise Retired(f"{name}: a newer index is current")
        for other in self.names():
            # One that is dropped meanwhile takes no writes either.
            if other < name:
                with suppress(Missing, Outdated), closing(self._opened(other, None)) as index:
                    index.retire()

    def drop(self, name: str) -> None:
        """Unlist, then unlink: a reader that has it open reads on."""
        if name == self.current():
            raise ValueError(f"{name} is the current index")
        match = _NAME.fullmatch(name)
        if match is None:
            return
        with self._catalogue() as catalogue:
            catalogue.execute("DELETE FROM indexes WHERE number = ?", (int(match.group(1)),))
        # From here nobody opens it. A crash before the last unlink leaves files that are not
        # listed and whose number never comes again.
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path(name)}{suffix}").unlink(missing_ok=True)

    def _make(self, catalogue: sqlite3.Connection) -> str:
        number = catalogue.execute("INSERT INTO indexes DEFAULT VALUES").lastrowid
        name = f"index-{number:06d}"
        # A crash between here and the commit leaves a file that is not listed: the number comes
        # again, and the file is made anew.
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path(name)}{suffix}").unlink(missing_ok=True)
        with closing(_connect(self._path(name), create=True)) as database:
            database.executescript(
                f"BEGIN; {_SCHEMA} {words.SCHEMA} INSERT INTO shape VALUES ('{self._text}'); "
                f"PRAGMA user_version = {_SCHEMA_VERSION}; COMMIT;")
        return name

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._catalogue() as catalogue:
            catalogue.execute("BEGIN IMMEDIATE")
            yield catalogue
            catalogue.execute("COMMIT")

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.sqlite"

    @contextmanager
    def _catalogue(self) -> Iterator[sqlite3.Connection]:
        with _translated(), closing(
                _connect(self._folder / "catalogue.sqlite", create=True)) as database:
            yield database


class SqliteIndex:
    """One index. Implements `search.index.Index`; close it when done."""

    def __init__(self, path: Path, *, text: TextMode | None = BLIND) -> None:
        """`text`: what it must hold of words; null = whatever it does."""
        with _translated():
            self._database = _connect(path)
            self._checks = _Checks(self._database)
            self._database.execute("CREATE TEMP TABLE checked (id INTEGER PRIMARY KEY)")
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
        if version != _SCHEMA_VERSION:
            self._database.close()
            raise Outdated(f"{path.name} has shape {version}, this version writes "
                           f"{_SCHEMA_VERSION}: rebuild it")
        with _translated():
            held = self._database.execute("SELECT text FROM shape").fetchone()[0]
        if text not in (None, held):
            self._database.close()
            raise other_mode(path.stem, held, text)

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def get(self, doc_ids: Iterable[str]) -> dict[str, Stored]:
        """Those that exist, with the row's version."""
        wanted = list(dict.fromkeys(doc_ids))
        out: dict[str, Stored] = {}
        with _translated():
            for at in range(0, len(wanted), _GET_BATCH):
                batch = wanted[at:at + _GET_BATCH]
                marks = ",".join("?" * len(batch))
                for doc_id, version, body in self._database.execute(
                        f"SELECT doc_id, version, entries FROM documents "
                        f"WHERE doc_id IN ({marks})", batch):
                    out[doc_id] = Stored(_unpacked(doc_id, body), (version, 0))
        return out

    def put(self, writes: Sequence[Write], cursors: Mapping[Partition, int]) -> frozenset[str]:
        """Everything in one transaction; after a conflict what did not conflict, and no cursor."""
        with _translated(), transaction(self._database) as database:
            if database.execute("SELECT 1 FROM retired").fetchone():
                raise Retired("this index was retired: a newer one has taken its place")
            conflicts = frozenset(
                write.document.doc_id for write in writes if not _put(database, write))
            if conflicts:
                return conflicts
            for (topic_id, partition), next_offset in cursors.items():
                database.execute(
                    "INSERT INTO cursors VALUES (?, ?, ?) ON CONFLICT (topic_id, partition) "
                    "DO UPDATE SET next_offset = max(next_offset, excluded.next_offset)",
                    (topic_id, partition, next_offset))
        return frozenset()

    def start(self, writes: Sequence[Write],
              cursors: Mapping[Partition, int]) -> Callable[[], frozenset[str]]:
        """Done when it returns: a connection belongs to one thread at a time."""
        conflicts = self.put(writes, cursors)
        return lambda: conflicts

    def state(self) -> IndexState:
        """Cursors and retirement, as of one moment."""
        with _translated():
            rows = self._database.execute(
                "SELECT topic_id, partition, next_offset FROM cursors").fetchall()
            retired = self._database.execute("SELECT 1 FROM retired").fetchone() is not None
        return IndexState({(row[0], row[1]): row[2] for row in rows}, retired)

    def search(self, query: TokenQuery, limit: int, after: PageCursor | None = None, *,
               oldest_first: bool = False) -> Page:
        """One statement for the page and one for the total, on one snapshot."""
        with self._answering(query) as ask:
            total = _count(ask)
            rows = _rows(ask, limit + 1, after, oldest_first=oldest_first)
        shown = rows[:limit]
        following = (PageCursor(shown[-1][1], shown[-1][0])
                     if len(rows) > limit and shown else None)
        return Page(tuple(_unpacked(row[0], row[2]) for row in shown), total, following)

    def count(self, query: TokenQuery) -> int:
        """One statement."""
        with self._answering(query) as ask:
            return _count(ask)

    def is_checked(self, query: TokenQuery) -> bool:
        """What FTS5 is not asked for as it is."""
        return bool(Question(query).checks)

    def facets(self, query: TokenQuery, fields: Sequence[str], top: int,
               zone: tzinfo = UTC) -> Facets:
        """One statement; its rows are counted here."""
        facets.check(fields, top)
        with self._answering(query) as ask:
            return _facets(ask, fields, top, zone)

    def counts(self, query: TokenQuery, parts: Sequence[Part],
               zone: tzinfo = UTC) -> tuple[Counted, ...]:
        """On one snapshot: what is asked about once, then each part of it."""
        facets.check_parts(parts)
        with self._answering(query, is_kept=True) as whole:
            return tuple(self._part(whole, part, zone) for part in parts)

    def _part(self, whole: _Ask, part: Part, zone: tzinfo) -> Counted:
        if isinstance(part.where, All):
            return Counted(_count(whole), _facets(whole, part.fields, part.top, zone))
        question = Question(TokenQuery(part.where, events.ALL_KINDS | shape.STUB_KINDS), "part")

        def ask(statement: str, *more: Any) -> sqlite3.Cursor:
            return self._database.execute(
                f"{question.clause}, answer (id) AS (SELECT id FROM temp.checked JOIN part "
                f"USING (id)) {statement}", [*question.values, *more])
        return Counted(_count(ask), _facets(ask, part.fields, part.top, zone))

    def newest(self, queries: Sequence[TokenQuery],
               limit: int) -> tuple[tuple[Document, ...], ...]:
        """One after the other: here that costs no way to a server."""
        return tuple(self._first(one, limit) for one in queries)

    def _first(self, asked: TokenQuery, limit: int) -> tuple[Document, ...]:
        with self._answering(asked) as ask:
            rows = _rows(ask, limit)
        return tuple(_unpacked(doc_id, body) for doc_id, _, body in rows)

    def each(self, query: TokenQuery, most: int, *,
             oldest_first: bool = False) -> Iterator[Document]:
        """One statement: its rows are held, and unpacked one by one."""
        with self._answering(query) as ask:
            rows = ask("SELECT doc_id, entries FROM documents WHERE id IN (SELECT id FROM answer) "
                       f"ORDER BY {_order(oldest_first=oldest_first)} LIMIT ?",
                       most + 1).fetchall()
        if len(rows) > most:
            raise TooBroad
        return (_unpacked(doc_id, body) for doc_id, body in rows)

    def scan(self) -> Iterator[Document]:
        """By primary order of doc_id, a batch at a time."""
        last = ""
        while True:
            with _translated():
                rows = self._database.execute(
                    "SELECT doc_id, entries FROM documents WHERE doc_id > ? ORDER BY doc_id "
                    "LIMIT ?", (last, _SCAN_BATCH)).fetchall()
            if not rows:
                return
            for doc_id, body in rows:
                yield _unpacked(doc_id, body)
            last = rows[-1][0]

    def misfiled(self) -> Iterator[str]:
        """See Index. Compares the rows that are searched with the entries, both ways, and asks FTS5
        whether its own index is that of its rows."""
        last = ""
        while True:
            with _translated():
                rows = self._database.execute(
                    f"SELECT doc_id, d.{', d.'.join(_BESIDE)}, t.{', t.'.join(_COLUMNS)} "
                    "FROM documents d LEFT JOIN terms t ON t.rowid = d.id "
                    "WHERE doc_id > ? ORDER BY doc_id LIMIT ?", (last, _SCAN_BATCH)).fetchall()
            for doc_id, *held in rows:
                if not _is_filed(doc_id, held):
                    yield str(doc_id)
            if len(rows) < _SCAN_BATCH:
                break
            last = rows[-1][0]
        with _translated():
            strangers = self._database.execute(
                "SELECT rowid FROM terms WHERE rowid NOT IN (SELECT id FROM documents)").fetchall()
        yield from (f"row {number}" for (number,) in strangers)
        if self._is_full_text_damaged():
            yield "the full-text index"

    def _is_full_text_damaged(self) -> bool:
        with _translated():
            try:
                self._database.execute(
                    "INSERT INTO terms (terms, rank) VALUES ('integrity-check', 1)")
            except sqlite3.OperationalError:
                # It takes the write lock: while somebody else has that, nothing is checked.
                raise
            except sqlite3.DatabaseError:
                return True
        return False

    def refresh(self) -> None:
        """Nothing to do: a committed row is visible."""

    def purge(self) -> str:
        """FTS5 keeps what was deleted until its pieces are merged, and SQLite what lies in free
        pages and in the write-ahead log: merge, write the file anew, empty the log."""
        with _translated():
            self._database.execute("INSERT INTO terms (terms) VALUES ('optimize')")
            self._database.execute("VACUUM")
            busy = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise Transient("somebody reads the index now: its write-ahead log could not be "
                            "emptied")
        return ("the index file was written anew and its write-ahead log emptied; what the disk "
                "keeps of the old file, a snapshot of it or a backup is not ours to say")

    def words(self) -> words.SqliteWords:
        """In the same file, on the same connection."""
        return words.SqliteWords(self._database, _translated)

    def retire(self) -> None:
        """From now on `put` is refused (PROTOCOL I4)."""
        with _translated(), transaction(self._database) as database:
            database.execute("INSERT OR IGNORE INTO retired VALUES (1)")

    @contextmanager
    def _answering(self, asked: TokenQuery, *, is_kept: bool = False) -> Iterator[_Ask]:
        """Asks statements about a table `answer (id)`, all on one snapshot. What must be checked,
        and what `is_kept`, is looked for once, into a table of this connection; the end of the
        snapshot empties it."""
        question = Question(asked)
        clause, values = question.clause, question.values

        def ask(statement: str, *more: Any) -> sqlite3.Cursor:
            return database.execute(f"{clause} {statement}", [*values, *more])

        with _translated(), self._reading() as database, self._checks.of(question.checks):
            if question.checks or is_kept:
                database.execute(
                    f"INSERT INTO temp.checked {clause} SELECT id FROM answer", values)
                clause, values = "WITH answer (id) AS (SELECT id FROM temp.checked)", []
            yield ask

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        self._database.execute("BEGIN")
        try:
            yield self._database
        finally:
            self._database.execute("ROLLBACK")


class _Checks:
    """The SQL function HOLDS of one connection: what FTS5 was not asked for is looked at here.

    Not the index itself: SQLite holds on to it, and whoever forgot to close an index would then
    keep it for ever.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._checks: Sequence[Callable[[Texts], bool]] = ()
        self._read = 0
        database.create_function(HOLDS, 2, self._holds)

    @contextmanager
    def of(self, checks: Sequence[Callable[[Texts], bool]]) -> Iterator[None]:
        """These are the checks meanwhile. Raises TooBroad."""
        self._checks, self._read = checks, 0
        try:
            yield
        except sqlite3.OperationalError as error:
            if self._is_over():
                raise TooBroad from error
            raise

    def _is_over(self) -> bool:
        return self._read > limits.CHECKED_DOCUMENTS_MAX

    def _holds(self, number: int, words: str) -> bool:
        self._read += 1
        if self._is_over():
            raise TooBroad  # SQLite only hears that something was raised, and ends the statement
        return self._checks[number]([text.split() for text in words.split(_GAP)])


def _rows(ask: _Ask, limit: int, after: PageCursor | None = None, *,
          oldest_first: bool = False) -> list[Any]:
    """Of the answer, from after `after` on: (doc_id, sort_at, entries)."""
    order = _order(oldest_first=oldest_first)
    beyond, place = "", []  # type: str, list[Any]
    if after is not None:
        newer, tie = (">", "<") if oldest_first else ("<", ">")
        beyond = f" AND (d.sort_at {newer} ? OR (d.sort_at = ? AND d.doc_id {tie} ?))"
        place = [after.sort_at, after.sort_at, after.doc_id]
    # Inside: which ones, in order. Outside: their entries, of these alone.
    return ask("SELECT doc_id, sort_at, entries FROM documents WHERE id IN ("
               f"SELECT d.id FROM documents d JOIN answer USING (id) WHERE 1{beyond} "
               f"ORDER BY {order} LIMIT ?) ORDER BY {order}", *place, limit).fetchall()


def _order(*, oldest_first: bool) -> str:
    return "sort_at ASC, doc_id DESC" if oldest_first else "sort_at DESC, doc_id ASC"


def _facets(ask: _Ask, fields: Sequence[str], top: int, zone: tzinfo) -> Facets:
    """Rows of the answer, counted here."""
    if not fields:
        return {}
    columns = ", ".join(f"d.sort_at / {_QUARTER_HOUR}" if field == facets.MONTH
                        else f"d.{facets.FIELDS[field]}" for field in fields)
    counts = _counted(ask(f"SELECT {columns} FROM answer JOIN documents d USING (id)"),
                      fields, zone)
    return {field: facets.ranked(field, counted, top)
            for field, counted in zip(fields, counts, strict=True)}


def _count(ask: _Ask) -> int:
    return int(ask("SELECT count(*) FROM answer").fetchone()[0])


def _counted(rows: sqlite3.Cursor, fields: Sequence[str], zone: tzinfo) -> list[Counter[str]]:
    """How many rows hold each value of each field; `rows` has a column a field."""
    held: list[Counter[Any]] = [Counter() for _ in fields]
    while batch := rows.fetchmany(_FACET_BATCH):
        for counter, column in zip(held, zip(*batch, strict=True), strict=True):
            counter.update(column)
    return [_named(field, counter, zone) for field, counter in zip(fields, held, strict=True)]


def _named(field: str, held: Counter[Any], zone: tzinfo) -> Counter[str]:
    counts: Counter[str] = Counter()
    for value, documents in held.items():
        if field == facets.MONTH:
            counts[facets.month(value * _QUARTER_HOUR, zone)] += documents
        else:
            # Of several custodians each counts; nobody and nothing is no value.
            counts.update(dict.fromkeys((value or "").split(), documents))
    return counts


def _connect(path: Path, *, create: bool = False) -> sqlite3.Connection:
    # mode=rw: an index that was dropped is not made again by opening it.
    location = f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}"
    # autocommit mode: transactions are ours to open; check_same_thread off because a server may
    # hand one connection from thread to thread, never to two at once.
    database = sqlite3.connect(location, timeout=_BUSY_TIMEOUT_S, isolation_level=None,
                               check_same_thread=False, uri=True)
    database.execute("PRAGMA journal_mode = WAL")
    # NORMAL: after a power cut the last commits may be gone, whole; cursors go with them, and the
    # archive is read again from there.
    database.execute("PRAGMA synchronous = NORMAL")
    # Numbers of rows, while a query is answered: no file of them anywhere.
    database.execute("PRAGMA temp_store = MEMORY")
    return database


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        # Busy, locked, disk full, I/O error: nothing was committed.
        raise Transient(f"index: {error}") from error
    except (sqlite3.IntegrityError, sqlite3.DataError, OverflowError) as error:
        # DataError, OverflowError: a value beyond SQLite's gigabyte. The file is as it was.
        raise Halt("index_refused", str(error)) from error
    except sqlite3.DatabaseError as error:
        raise Halt("format_unknown", f"the index file is damaged, rebuild it: {error}") from error


def _put(database: sqlite3.Connection, write: Write) -> bool:
    found = write.document
    row = database.execute(
        "SELECT id, version FROM documents WHERE doc_id = ?", (found.doc_id,)).fetchone()
    if (None if row is None else (row[1], 0)) != write.expected:
        return False
    if write.removes:
        if row is not None:
            database.execute("DELETE FROM terms WHERE rowid = ?", (row[0],))
            database.execute("DELETE FROM documents WHERE id = ?", (row[0],))
        return True
    beside = (*_beside(found), _packed(found))
    if row is None:
        row_id = database.execute(
            f"INSERT INTO documents (doc_id, version, {', '.join(_BESIDE)}) "
            f"VALUES (?, 1, {', '.join('?' * len(_BESIDE))})", (found.doc_id, *beside)).lastrowid
    else:
        row_id = row[0]
        database.execute(
            f"UPDATE documents SET version = version + 1, {' = ?, '.join(_BESIDE)} = ? "
            "WHERE id = ?", (*beside, row_id))
        database.execute("DELETE FROM terms WHERE rowid = ?", (row_id,))
    database.execute(
        f"INSERT INTO terms (rowid, {', '.join(_COLUMNS)}) "
        f"VALUES (?, {', '.join('?' * len(_COLUMNS))})", (row_id, *_terms(found)))
    return True


def _beside(found: Document) -> tuple[object, ...]:
    return (found.kind, found.sort_at, found.channel, found.state, found.direction,
            found.conversation, " ".join(found.custodians), " ".join(found.review))


def _is_filed(doc_id: str, held: Sequence[object]) -> bool:
    """Whether a row is what its entries make of it. `held`: as _BESIDE and _COLUMNS say."""
    body, last = held[len(_BESIDE) - 1], len(_BESIDE)
    try:
        found = _unpacked(doc_id, body) if isinstance(body, bytes) else None
    except Halt:
        return False
    return found is not None and (
        (*_beside(found), *_terms(found)) == (*held[:last - 1], *held[last:]))


def _terms(found: Document) -> tuple[str, ...]:
    return (_GAP.join(map(" ".join, found.words)), " ".join(found.chars), " ".join(found.actors),
            " ".join(found.recipients), found.channel, found.state, " ".join(found.kinds),
            found.conversation, found.shared, " ".join(found.marks),
            found.direction or "", found.kind, " ".join(found.custodians),
            " ".join(found.compartments), " ".join(found.review), " ".join(found.review_times))


def _packed(found: Document) -> bytes:
    plain = json.dumps(entries.dump(found.entries), separators=(",", ":"), ensure_ascii=False)
    return zlib.compress(plain.encode("utf-8"), 6)


def _unpacked(doc_id: str, body: bytes) -> Document:
    try:
        return document(doc_id, entries.load(json.loads(zlib.decompress(body))))
    except (zlib.error, ValueError, TypeError, Refused) as error:
        raise Halt("format_unknown", f"{doc_id} does not read, rebuild the index") from error
