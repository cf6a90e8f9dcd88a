"""Which objects hold something of which key domain, and on which of them we put a legal hold.

Owns `<data folder>/watch/holds.db`, a projection of the archive that may be thrown away at any
time: it is read anew from the front. Domain ids stand in clear in the cells; the names of media
objects are read from the events that name them. It is built only once there is a hold.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from archive.reader import ReadEvent, SegmentRead
from infra.archived import Follows
from infra.embedded.sqlite import open_private, transaction
from schemas import codec, datum, events, media
from schemas.errors import Missing, Refused, Transient
from schemas.events import CapturedEvent
from schemas.wire import Pointer
from search.index import Partition

_SHAPE: Final = """
CREATE TABLE IF NOT EXISTS cursors (
    topic TEXT, part INTEGER, next INTEGER NOT NULL, PRIMARY KEY (topic, part)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, version TEXT NOT NULL,
    bytes INTEGER NOT NULL, sealed_at INTEGER NOT NULL, retain_until INTEGER NOT NULL,
    is_held INTEGER);
CREATE TABLE IF NOT EXISTS cells (
    object INTEGER, start INTEGER, domain BLOB NOT NULL, generation INTEGER NOT NULL,
    events INTEGER NOT NULL, PRIMARY KEY (object, start)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS cells_by_domain ON cells (domain);
CREATE TABLE IF NOT EXISTS begun (at INTEGER);
CREATE TABLE IF NOT EXISTS store (name TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS held ON objects (is_held) WHERE is_held = 1;
CREATE TEMP TABLE wanted (domain BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE concerned (object INTEGER PRIMARY KEY);
"""


def path_of(home: Path) -> Path:
    """Where the map of a data folder lies, if there is one."""
    return home / "watch" / "holds.db"


@dataclass(frozen=True, slots=True)
class HeldObject:
    """One object as the map knows it. `version` "" = not looked up yet (a media object's).
    `is_held`: what we last told the store; null = nothing yet."""

    number: int
    key: str
    version: str
    bytes: int
    sealed_at: int
    retain_until: int
    is_held: bool | None


class HoldMap:
    """One data folder's. Several processes may advance it: each segment is one transaction."""

    def __init__(self, path: Path, store: str) -> None:
        """`store`: which object store; another one was told nothing, and has other versions."""
        self._path = path
        try:
            self._database = self._opened()
            known = self._database.execute("SELECT name FROM store").fetchone()
        except sqlite3.OperationalError as error:
            raise Transient(f"{path.name}: {error}") from error   # busy, or the disk is full
        except sqlite3.DatabaseError:
            known = ("damaged",)                  # it is only a projection
        if known is not None and known[0] != store:
            for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
                path.with_name(name).unlink(missing_ok=True)
            self._database, known = self._opened(), None
        if known is None:
            self._rows("INSERT INTO store VALUES (?)", store)

    def _opened(self) -> sqlite3.Connection:
        made = open_private(self._path, synchronous="NORMAL")
        made.executescript(_SHAPE)
        return made

    def _rows(self, asked: str, *values: Any) -> list[Any]:
        try:
            return self._database.execute(asked, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise Transient(f"{self._path.name}: {error}; it may be deleted") from error

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        try:
            with transaction(self._database) as database:
                yield database
        except sqlite3.DatabaseError as error:
            raise Transient(f"{self._path.name}: {error}; it may be deleted") from error

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    @property
    def is_new(self) -> bool:
        """Whether what the store was told before this map was made has still to be looked up."""
        return not self._rows("SELECT * FROM begun")

    def begun(self) -> None:
        """It has been: of what is not known from here on the store was told nothing."""
        self._rows("INSERT INTO begun VALUES (0)")

    @property
    def cursors(self) -> dict[Partition, int]:
        """How far each partition was read: the next offset."""
        return {(topic, part): at
                for topic, part, at in self._rows("SELECT topic, part, next FROM cursors")}

    def advance(self, reader: Follows, until: Mapping[Partition, int],
                is_over: Callable[[], bool] = lambda: False,
                progress: Callable[[int], None] = lambda _segments: None) -> bool:
        """Read on, up to these offsets; whether there is more (`is_over` is asked after each
        segment). Raises what `reader.follow` does."""
        done, segments = self.cursors, 0
        for place, end in sorted(until.items()):
            at = done.get(place, 0)
            if at >= end:
                continue
            for read in reader.follow(*place, at):
                if read.last >= end:
                    break
                self._take(place, read)
                segments += 1
                progress(segments)
                if is_over():
                    return True
        return False

    def _take(self, place: Partition, read: SegmentRead) -> None:
        cells: dict[int, tuple[bytes, int, int]] = {}
        lengths: dict[int, int] = {}
        files: dict[str, tuple[bytes, int, int]] = {}
        for event in read.events:
            start = event.pointer.start
            count = cells[start][2] if start in cells else 0
            cells[start] = event.domain, event.generation, count + 1
            lengths[start] = event.pointer.length
            stored = _stored(event)
            if stored is not None:
                files[stored.object] = event.domain, event.generation, stored.sealed_size
        version = read.events[0].pointer.version if read.events else ""
        with self._changing() as database:
            number = self._object(read.key, version, sum(lengths.values()), read)
            database.executemany(
                "INSERT OR IGNORE INTO cells VALUES (?, ?, ?, ?, ?)",
                [(number, start, *rest) for start, rest in cells.items()])
            for key, (domain, generation, size) in files.items():
                database.execute(
                    "INSERT OR IGNORE INTO cells VALUES (?, 0, ?, ?, 0)",
                    (self._object(key, "", size, read), domain, generation))
            database.execute(
                "INSERT INTO cursors VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET "
                "next = max(next, excluded.next)", (*place, read.last + 1))

    def _object(self, key: str, version: str, size: int, read: SegmentRead) -> int:
        self._database.execute(
            "INSERT OR IGNORE INTO objects (key, version, bytes, sealed_at, retain_until) "
            "VALUES (?, ?, ?, ?, ?)", (key, version, size, read.sealed_at, read.retain_until))
        number, = self._database.execute("SELECT id FROM objects WHERE key = ?", (key,)).fetchone()
        return int(number)

    def domains(self) -> Iterator[tuple[bytes, int]]:
        """Every (domain, newest generation)."""
        yield from self._rows("SELECT domain, max(generation) FROM cells GROUP BY domain")

    def home(self, pointer: Pointer) -> bytes | None:
        """The domain of the cell at a pointer; null where the map has not read that far."""
        found = self._rows("SELECT domain FROM cells JOIN objects ON objects.id = cells.object "
                           "WHERE key = ? AND start = ?", pointer.segment, pointer.start)
        return bytes(found[0][0]) if found else None

    def concerned(self, wanted: Iterable[bytes], also: Iterable[str] = ()) -> list[HeldObject]:
        """Every object with a cell of one of these domains, or that a message of one names, and the
        objects of these keys."""
        self._want(wanted, also)
        return [_held(one) for one in self._rows(
            "SELECT * FROM objects WHERE id IN concerned ORDER BY id")]

    def differences(self, wanted: Iterable[bytes],
                    also: Iterable[str] = ()) -> tuple[list[HeldObject], list[HeldObject]]:
        """(of `concerned` those that we have not told the store to hold, those that we have and
        that are not concerned)."""
        self._want(wanted, also)
        return ([_held(one) for one in self._rows(
                    "SELECT * FROM objects WHERE is_held IS NOT 1 AND id IN concerned "
                    "ORDER BY id")],
                [_held(one) for one in self._rows(
                    "SELECT * FROM objects WHERE is_held = 1 AND id NOT IN concerned "
                    "ORDER BY id")])

    def _want(self, wanted: Iterable[bytes], also: Iterable[str]) -> None:
        with self._changing() as database:
            database.execute("DELETE FROM wanted")
            database.execute("DELETE FROM concerned")
            database.executemany("INSERT OR IGNORE INTO wanted VALUES (?)",
                                 [(one,) for one in wanted])
            database.execute("INSERT OR IGNORE INTO concerned SELECT object FROM cells "
                             "WHERE domain IN wanted")
            database.executemany("INSERT OR IGNORE INTO concerned SELECT id FROM objects "
                                 "WHERE key = ?", [(one,) for one in also])

    def held_count(self) -> int:
        """How many objects we told the store to hold."""
        return int(self._rows("SELECT count(*) FROM objects WHERE is_held = 1")[0][0])

    def events_of(self, wanted: Iterable[bytes]) -> int:
        """How many records lie in these domains."""
        return sum(int(self._rows(
            "SELECT coalesce(sum(events), 0) FROM cells WHERE domain = ?", one)[0][0])
            for one in set(wanted))

    def forget(self) -> None:
        """What the store was told: it is looked up and told anew."""
        with self._changing() as database:
            database.execute("UPDATE objects SET is_held = NULL")
            database.execute("DELETE FROM begun")

    def told(self, one: HeldObject, version: str, *, is_held: bool) -> None:
        """The store has acknowledged it."""
        self._rows("UPDATE objects SET is_held = ?, version = ? WHERE id = ?",
                   int(is_held), version, one.number)


def _held(row: tuple[int, str, str, int, int, int, int | None]) -> HeldObject:
    return HeldObject(*row[:6], None if row[6] is None else bool(row[6]))


def _stored(event: ReadEvent) -> media.StoredMedia | None:
    """The media object that an event names."""
    if event.datum is None or event.problem or events.DERIVED not in event.kinds:
        return None
    with suppress(Refused, Missing):
        quick = datum.read(event.datum)
        if quick is not None and quick[0].kind != events.DERIVED:
            return None
        decoded = codec.decode(event.datum)
        if isinstance(decoded, CapturedEvent):
            fact = media.read_fact(decoded)
            return fact.stored if fact else None
    return None
