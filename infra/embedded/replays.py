"""How far a replay has come, on this machine's disk: SQLite, one file while the replay lasts.

Owns the file. It holds offsets, document ids, keyed digests and places in the archive; names and
words are in none of them: what the run remembers of a conversation is read back from the archive,
under its keys, when the run goes on.

    meta(name, value)             what the run is bound to; when it began
    place(topic, partition, ...)  how far each partition is to be read, was read, and what was last
    talk(number, name, events)    conversations that are remembered, the longest unheard first
    forgotten(name)               those that had to make room
    waiting(topic, partition, …)  parts of events that are not complete yet
    flag(version, doc, rule, rev) every flag so far, once
    back(day, doc)                what was taken back on which day, and is not decided yet
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from infra.archived import Place, Pointers
from infra.embedded.sqlite import open_private
from schemas.wire import Pointer
from search.policy.watch import Memory

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS place (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, until INTEGER NOT NULL, next INTEGER NOT NULL,
    last TEXT NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS segment (number INTEGER PRIMARY KEY, said TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS talk (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, events TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS forgotten (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, events TEXT NOT NULL,
    PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS flag (
    version INTEGER NOT NULL, doc TEXT NOT NULL, rule TEXT NOT NULL, revision TEXT NOT NULL,
    PRIMARY KEY (version, doc, rule, revision)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS back (
    day TEXT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (day, doc)) WITHOUT ROWID;
"""


@dataclass(slots=True)
class Reached:
    """One partition: read it `until` this offset; the next offset, and the SHA-256 (hex, "" = none)
    of the segment before it."""

    until: int
    next: int = 0
    last: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one version: flags, messages that it flags, and of these the ones that `other` does not.
    """

    flags: int
    flagged: int
    alone: int


@dataclass(slots=True)
class ReplayState:
    """One run's. Everything since the last `keep` is undone by a crash."""

    path: Path | None
    reached: dict[Place, Reached] = field(default_factory=dict)
    _connection: sqlite3.Connection = field(init=False)
    _segments: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """`path` null: in memory, for a run that nobody goes on with."""
        if self.path is None:
            self._connection = sqlite3.connect(":memory:", isolation_level=None)
        else:
            # A killed process loses nothing of what was kept; a machine without power may lose the
            # last steps, which are then done again.
            self._connection = open_private(self.path, synchronous="NORMAL")
        self._connection.executescript(_TABLES)
        self._segments = {said: number for number, said in
                          self._connection.execute("SELECT number, said FROM segment")}
        self.reached = {(topic, partition): Reached(until, at, last)
                        for topic, partition, until, at, last in self._connection.execute(
                            "SELECT topic, partition, until, next, last FROM place")}
        self._connection.execute("BEGIN")

    def said(self) -> dict[str, Any]:
        """What the run is bound to; empty for one that has not begun."""
        return {name: json.loads(value) for name, value in
                self._connection.execute("SELECT name, value FROM meta")}

    def begin(self, said: Mapping[str, Any], until: Mapping[Place, int]) -> None:
        """A run from the front."""
        for table in ("meta", "place", "segment", "talk", "forgotten", "waiting", "flag", "back"):
            self._connection.execute(f"DELETE FROM {table}")
        self._segments.clear()
        self._connection.executemany("INSERT INTO meta VALUES (?, ?)", [
            (name, json.dumps(value)) for name, value in said.items()])
        self.reached = {place: Reached(end) for place, end in until.items()}
        self.keep(Memory(), {})

    def keep(self, memory: Memory, waiting: Mapping[Place, Sequence[Pointer]]) -> None:
        """From here a run that is interrupted goes on. Everything that was found so far must be on
        the log."""
        run = self._connection.executemany
        for table in ("place", "talk", "forgotten", "waiting"):
            self._connection.execute(f"DELETE FROM {table}")
        run("INSERT INTO place VALUES (?, ?, ?, ?, ?)", [
            (*place, one.until, one.next, one.last) for place, one in self.reached.items()])
        run("INSERT INTO talk VALUES (?, ?, ?)", [
            (number, name, self._written(places))
            for number, (name, places) in enumerate(memory.talks)])
        run("INSERT INTO forgotten VALUES (?)", [(name,) for name in memory.forgotten])
        run("INSERT INTO waiting VALUES (?, ?, ?)", [
            (*place, self._written([(one,) for one in several]))
            for place, several in waiting.items() if several])
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN")

    def memory(self) -> Memory:
        """What was remembered at the last `keep`; places are `Pointers`."""
        segments = self._by_number()
        return Memory(
            tuple((name, _read(events, segments)) for name, events in self._connection.execute(
                "SELECT name, events FROM talk ORDER BY number")),
            frozenset(name for name, in self._connection.execute("SELECT name FROM forgotten")))

    def waiting(self) -> dict[Place, tuple[Pointer, ...]]:
        """Parts whose events were not complete at the last `keep`."""
        segments = self._by_number()
        return {(topic, partition): tuple(one for one, in _read(events, segments))
                for topic, partition, events in self._connection.execute(
                    "SELECT topic, partition, events FROM waiting")}

    def add_flag(self, version: int, doc_id: str, rule: str, revision: str) -> bool:
        """Whether it is a new one. `revision`: a keyed digest of it."""
        return self._connection.execute("INSERT OR IGNORE INTO flag VALUES (?, ?, ?, ?)", (
            version, doc_id, rule, revision)).rowcount > 0

    def add_back(self, day: date, doc_id: str) -> None:
        """A message of which a retraction was captured on a day."""
        self._connection.execute("INSERT OR IGNORE INTO back VALUES (?, ?)",
                                 (day.isoformat(), doc_id))

    def days(self) -> list[date]:
        """Those that something was taken back on, in order."""
        return [date.fromisoformat(day) for day, in self._connection.execute(
            "SELECT DISTINCT day FROM back ORDER BY day")]

    def back_on(self, day: date) -> list[str]:
        """The messages of a day."""
        return [doc for doc, in self._connection.execute(
            "SELECT doc FROM back WHERE day = ? ORDER BY doc", (day.isoformat(),))]

    def decided(self, day: date) -> None:
        """A day is done with."""
        self._connection.execute("DELETE FROM back WHERE day = ?", (day.isoformat(),))

    def counts(self, version: int, other: int | None) -> Counts:
        """Of everything that was found."""
        def one(asked: str, *values: Any) -> int:
            return int(self._connection.execute(asked, values).fetchone()[0])

        return Counts(
            one("SELECT count(*) FROM flag WHERE version = ?", version),
            one("SELECT count(DISTINCT doc) FROM flag WHERE version = ?", version),
            one("SELECT count(DISTINCT doc) FROM flag WHERE version = ? AND doc NOT IN "
                "(SELECT doc FROM flag WHERE version = ?)", version, other))

    def close(self, *, is_done: bool = False) -> None:
        """`is_done`: nobody goes on with it."""
        self._connection.close()
        if is_done and self.path is not None:
            for one in (self.path, *(self.path.with_name(self.path.name + end)
                                     for end in ("-wal", "-shm"))):
                one.unlink(missing_ok=True)

    def _written(self, places: Iterable[Pointers]) -> str:
        return json.dumps([[[self._segment(one), one.offset, one.index, one.start, one.length,
                             one.position] for one in several] for several in places],
                          separators=(",", ":"))

    def _segment(self, one: Pointer) -> int:
        said = json.dumps([one.topic_id, one.partition, one.segment, one.last, one.version])
        number = self._segments.get(said)
        if number is None:
            number = self._segments[said] = len(self._segments)
            self._connection.execute("INSERT INTO segment VALUES (?, ?)", (number, said))
        return number

    def _by_number(self) -> dict[int, tuple[str, int, str, int, str]]:
        return {number: tuple(json.loads(said)) for said, number in self._segments.items()}


def _read(written: str,
          segments: Mapping[int, tuple[str, int, str, int, str]]) -> tuple[Pointers, ...]:
    found = []
    for several in json.loads(written):
        pointers = []
        for number, offset, index, start, length, position in several:
            topic_id, partition, segment, last, version = segments[number]
            pointers.append(Pointer(topic_id, partition, offset, index, segment, last, start,
                                    length, position, version))
        found.append(tuple(pointers))
    return tuple(found)
