"""The embedded log: one SQLite file per topic, shared by every process of one machine.

Owns the ports CaptureLog and ArchiveLog without a server (PROTOCOL L2, L4, L6): numbering,
durability, trimming, and the sharing of partitions among archivers in `group.py`.

    meta(name, value)                topic, topic_id, partitions
    records_<partition>(id, value)   AUTOINCREMENT: an id never comes again, so offset = id - 1
    starts(partition, start)         the first offset that was not trimmed
    commits(member_group, partition, next)   hints, never the truth
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from archive.log import Polled
from infra.embedded import folder
from infra.embedded.group import GroupMember
from schemas.errors import Ambiguous, Exists, Halt, Missing, Refused, Transient
from schemas.limits import RECORD_BYTES_MAX
from schemas.wire import LogIdentity, LogRecord

TOPIC_ID_BYTES: Final = 16
PARTITIONS_MAX: Final = 64
# Bytes of one poll; what does not fit comes with the next.
POLL_BYTES_MAX: Final = 16 * 1024 * 1024
# How long a writer waits for another process's transaction before it says Transient.
BUSY_MS_MAX: Final = 1_500
# How often a waiting poll looks for another process's commit.
_WATCH_S: Final = 0.02
_SCHEMA_VERSION: Final = 1
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def provision(path: Path, topic: str, partitions: int,
              random: Callable[[int], bytes]) -> LogIdentity:
    """Make the log at `path` unless it is there; returns its identity. Safe in a race.

    Raises Halt("partitions_changed") if it is there with another topic or width.
    """
    if not 1 <= partitions <= PARTITIONS_MAX:
        raise Refused(f"{partitions} partitions; 1 to {PARTITIONS_MAX} are allowed")
    if not path.exists():
        _create(path, LogIdentity(topic, random(TOPIC_ID_BYTES), partitions))
    file = _LogFile(path)
    try:
        found = file.identity()
    finally:
        file.close()
    if (found.topic, found.partitions) != (topic, partitions):
        raise Halt("partitions_changed", f"{path.name} is {found.topic} of {found.partitions}, "
                                         f"not {topic} of {partitions}")
    return found


class EmbeddedCaptureLog:
    """`CaptureLog`: appends, durable on return. For any number of threads and processes.

    Opened at the first call, so that a gateway starts before its log is there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mutex = threading.Lock()
        self._file: _LogFile | None = None
        self._partitions = 0
        self._topic_id = b""

    def identity(self) -> LogIdentity:
        """The log that lies at the path now; later appends go to that one. Raises Transient."""
        with self._mutex, _mapped():
            if self._file is not None and self._file.was_replaced():
                self._file.close()
                self._file = None
            return self._opened().identity()

    def append(self, partition: int, value: bytes, topic_id: bytes) -> int:
        """The offset of `value`, which is on disk when this returns.

        Raises Transient (not written; also when another log than `topic_id` lies at the path),
        Ambiguous (the commit's answer was lost), Refused (size or partition).
        """
        return self.append_many(partition, (value,), topic_id)[0]

    def append_many(self, partition: int, values: Sequence[bytes], topic_id: bytes) -> range:
        """Append all or none, in order and next to each other, with one fsync; their offsets."""
        with self._mutex, _mapped():
            file = self._opened()
            if file.was_replaced() or self._topic_id != topic_id:
                # What was sealed for the one could never be opened on the other.
                raise Transient(f"another log lies at {self._path.name}")
            self._check(partition, values)
            database = file.database
            table = f"records_{partition}"
            database.execute("BEGIN IMMEDIATE")
            try:
                database.executemany(f"INSERT INTO {table}(value) VALUES (?)",
                                     [(value,) for value in values])
                end = file.end(partition)
            except sqlite3.Error:
                database.rollback()
                raise
            try:
                database.execute("COMMIT")
            except sqlite3.Error as error:
                # The WAL may hold the commit record although its fsync failed: a restart can
                # bring it back, so nobody may say that it was not written.
                if database.in_transaction:
                    database.rollback()
                raise Ambiguous(f"the log did not confirm a commit: {error}") from error
            return range(end - len(values), end)

    def close(self) -> None:
        """Release the file; a later call opens it again."""
        with self._mutex:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _opened(self) -> _LogFile:
        if self._file is None:
            try:
                self._file = _LogFile(self._path)
            except Missing as error:
                raise Transient(str(error)) from error
            found = self._file.identity()
            self._partitions, self._topic_id = found.partitions, found.topic_id
        return self._file

    def _check(self, partition: int, values: Sequence[bytes]) -> None:
        if not 0 <= partition < self._partitions:
            raise Refused(f"partition {partition} of {self._partitions}")
        if not values:
            raise Refused("nothing to append")
        for value in values:
            if not 0 < len(value) <= RECORD_BYTES_MAX:
                raise Refused(f"a record of {len(value)} bytes; 1 to {RECORD_BYTES_MAX}")


class EmbeddedArchiveLog:
    """`ArchiveLog`: one member of the consumer group `group`. For one thread."""

    def __init__(self, path: Path, group: str, *,
                 monotonic: Callable[[], float] = time.monotonic,
                 sleep: Callable[[float], None] = time.sleep) -> None:
        """Raises Missing when the log was never provisioned."""
        self._file = _LogFile(path)
        self._began = self._file.identity()
        self._group = group
        self._member = GroupMember(path.with_name(f"{path.name}.{group}"), self._began.partitions)
        self._positions: dict[int, int] = {}
        self._told: frozenset[int] = frozenset()
        self._turn = 0
        self._monotonic = monotonic
        self._sleep = sleep

    def identity(self) -> LogIdentity:
        """See ArchiveLog."""
        with _mapped():
            self._file.require_same()
            found = self._file.identity()
        if found.topic_id != self._began.topic_id:
            raise Halt("log_replaced", f"topic {found.topic} has another id than it began with")
        return found

    def poll(self, timeout_s: float, records_max: int) -> Polled:
        """See ArchiveLog. Returns early when records or another assignment are there."""
        deadline = self._monotonic() + timeout_s
        with _mapped():
            while True:
                self._file.require_same()
                assigned = self._assigned()
                version = self._file.data_version()
                records = self._read(records_max)
                if records or assigned != self._told or self._monotonic() >= deadline:
                    self._told = assigned
                    return Polled(assigned, records)
                self._wait(version, deadline)

    def seek(self, partition: int, offset: int) -> None:
        """See ArchiveLog. Raises Refused for a partition that is not ours."""
        if partition not in self._told:
            raise Refused(f"partition {partition} is not assigned")
        self._positions[partition] = offset

    def commit(self, offsets: Mapping[int, int]) -> None:
        """See ArchiveLog. A busy file loses the hint, which the port allows."""
        try:
            with _mapped():
                self._file.require_same()
                self._file.database.executemany(
                    "INSERT INTO commits(member_group, partition, next) VALUES (?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET next = excluded.next",
                    [(self._group, partition, offset) for partition, offset in offsets.items()
                     if partition in self._told])
        except Transient:
            return

    def committed(self, partition: int) -> int | None:
        """The hint that the group's last owner of `partition` left, or null."""
        with _mapped():
            row = self._file.database.execute(
                "SELECT next FROM commits WHERE member_group = ? AND partition = ?",
                (self._group, partition)).fetchone()
            return None if row is None else int(row[0])

    def bounds(self, partition: int) -> tuple[int, int]:
        """See ArchiveLog."""
        with _mapped(), self._snapshot():
            return self._file.start(partition), self._file.end(partition)

    def fetch(self, partition: int, offset: int) -> LogRecord | None:
        """See ArchiveLog."""
        with _mapped():
            self._file.require_same()
            row = self._file.database.execute(
                f"SELECT value FROM records_{partition} WHERE id = ?", (offset + 1,)).fetchone()
            return None if row is None else LogRecord(offset, row[0])

    def trim(self, partition: int, before: int) -> None:
        """See ArchiveLog. Raises Halt("log_out_of_range") past the log's end."""
        with _mapped():
            self._file.require_same()
            database = self._file.database
            database.execute("BEGIN IMMEDIATE")
            try:
                if before > self._file.end(partition):
                    raise Halt("log_out_of_range", f"trim of partition {partition} to {before}")
                database.execute(f"DELETE FROM records_{partition} WHERE id <= ?", (before,))
                database.execute("UPDATE starts SET start = max(start, ?) WHERE partition = ?",
                                 (before, partition))
                database.execute("COMMIT")
            except (sqlite3.Error, Halt):
                # A trim that was not confirmed is tried again: it is the same trim.
                if database.in_transaction:
                    database.rollback()
                raise

    def close(self) -> None:
        """See ArchiveLog."""
        self._member.leave()
        self._file.close()

    def _assigned(self) -> frozenset[int]:
        owned = self._member.balance(self._monotonic())
        for partition in [one for one in self._positions if one not in owned]:
            del self._positions[partition]
        return owned

    def _read(self, records_max: int) -> dict[int, Sequence[LogRecord]]:
        found: dict[int, Sequence[LogRecord]] = {}
        # Each poll begins with another partition, so that a full one cannot starve the rest.
        self._turn += 1
        partitions = sorted(self._positions)
        turn = self._turn % len(partitions) if partitions else 0
        bytes_left = POLL_BYTES_MAX
        with self._snapshot():
            for partition in partitions[turn:] + partitions[:turn]:
                if records_max <= 0 or bytes_left <= 0:
                    break
                batch = self._read_one(partition, records_max, bytes_left)
                if batch:
                    found[partition] = batch
                    records_max -= len(batch)
                    bytes_left -= sum(len(record.value) for record in batch)
        for partition, records in found.items():
            self._positions[partition] = records[-1].offset + 1
        return found

    def _read_one(self, partition: int, records_max: int, bytes_max: int) -> list[LogRecord]:
        position = self._positions[partition]
        start, end = self._file.start(partition), self._file.end(partition)
        if not start <= position <= end:
            raise Halt("log_out_of_range",
                       f"partition {partition} holds {start} to {end}, asked for {position}")
        batch: list[LogRecord] = []
        for number, value in self._file.database.execute(
                f"SELECT id, value FROM records_{partition} WHERE id > ? ORDER BY id LIMIT ?",
                (position, records_max)):
            batch.append(LogRecord(number - 1, value))
            bytes_max -= len(value)
            if bytes_max <= 0:
                break
        return batch

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """One view of bounds and records: a trim in between would look like a hole."""
        self._file.require_same()
        self._file.database.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            self._file.database.rollback()

    def _wait(self, version: int, deadline: float) -> None:
        while self._monotonic() < deadline and self._file.data_version() == version:
            self._sleep(min(_WATCH_S, max(0.0, deadline - self._monotonic())))
            if self._member.is_due(self._monotonic()):
                return


class _LogFile:
    """One open log file, and whether it is still the one at its path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _mapped():
            before = _inode(path)
            self.database = _connect(path)
            self._inode = _inode(path)
            if before != self._inode:
                self.database.close()
                raise Transient(f"{path.name} was replaced while it was opened")

    def was_replaced(self) -> bool:
        """Whether the path names another file than the one that is open: what is written into a
        file without a name is acknowledged and lost. Raises Transient when none is there.

        Our open file keeps its inode number taken, so equal numbers are the same file.
        """
        try:
            return _inode(self.path) != self._inode
        except Missing as error:
            raise Transient(str(error)) from error

    def require_same(self) -> None:
        """Raises Halt("log_replaced")."""
        if self.was_replaced():
            raise Halt("log_replaced", f"another file lies at {self.path.name}")

    def identity(self) -> LogIdentity:
        with _mapped():
            meta = dict(self.database.execute("SELECT name, value FROM meta"))
        return LogIdentity(topic=str(meta["topic"]), topic_id=bytes(meta["topic_id"]),
                           partitions=int(meta["partitions"]))

    def data_version(self) -> int:
        """Changes when another connection commits; costs no disk access."""
        return int(self.database.execute("PRAGMA data_version").fetchone()[0])

    def start(self, partition: int) -> int:
        row = self.database.execute("SELECT start FROM starts WHERE partition = ?",
                                    (partition,)).fetchone()
        return int(row[0])

    def end(self, partition: int) -> int:
        row = self.database.execute("SELECT seq FROM sqlite_sequence WHERE name = ?",
                                    (f"records_{partition}",)).fetchone()
        return 0 if row is None else int(row[0])

    def close(self) -> None:
        self.database.close()


def _create(path: Path, identity: LogIdentity) -> None:
    """Build the file under another name and give it its own at once: nobody sees half a log."""
    folder.make_folder(path.parent)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
        made = Path(scratch) / "new"
        os.close(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with _mapped():
            database = _connect(made, fresh=True)
            try:
                _write_schema(database, identity)
            finally:
                # The last connection's close moves the WAL into the file and removes it.
                database.close()
        try:
            folder.link_once(made, path)
        except Exists:
            # Another process provisioned first; its log is the log.
            return


def _write_schema(database: sqlite3.Connection, identity: LogIdentity) -> None:
    database.execute("BEGIN IMMEDIATE")
    database.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL)")
    database.executemany("INSERT INTO meta VALUES (?, ?)", [
        ("topic", identity.topic), ("topic_id", identity.topic_id),
        ("partitions", identity.partitions)])
    database.execute("CREATE TABLE starts (partition INTEGER PRIMARY KEY, start INTEGER NOT NULL)")
    database.execute("CREATE TABLE commits (member_group TEXT, partition INTEGER, "
                     "next INTEGER NOT NULL, PRIMARY KEY (member_group, partition))")
    for partition in range(identity.partitions):
        # AUTOINCREMENT: without it the offsets of trimmed records would be given out again.
        database.execute(f"CREATE TABLE records_{partition} "
                         "(id INTEGER PRIMARY KEY AUTOINCREMENT, value BLOB NOT NULL)")
        database.execute("INSERT INTO starts VALUES (?, 0)", (partition,))
    database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    database.execute("COMMIT")


def _connect(path: Path, *, fresh: bool = False) -> sqlite3.Connection:
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",   # never create: provision does, and only it
        uri=True,
        isolation_level=None,                    # transactions are written out, none is implied
        check_same_thread=False,                 # guarded by the caller's mutex
        timeout=BUSY_MS_MAX / 1000,
        cached_statements=64,
    )
    # Written into the file once; every later connection finds it.
    database.execute("PRAGMA journal_mode = WAL")
    # Explicit, because a build may default to NORMAL, which loses commits at a power cut.
    database.execute("PRAGMA synchronous = FULL")
    # A trimmed record is overwritten, not only unlinked (PROTOCOL K3).
    database.execute("PRAGMA secure_delete = ON")
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if not fresh and version != _SCHEMA_VERSION:
        database.close()
        raise Halt("format_unknown", f"{path.name} is log format {version}")
    return database


def _inode(path: Path) -> tuple[int, int]:
    try:
        seen = os.stat(path)
    except FileNotFoundError as error:
        raise Missing(f"{path.name} is not there") from error
    return seen.st_dev, seen.st_ino


@contextmanager
def _mapped() -> Iterator[None]:
    """SQLite's errors as ours: damage stops the process, everything else can be tried again."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _DAMAGE:
            raise Halt("log_damaged", str(error)) from error
        raise Transient(f"the log file refused: {error}") from error
    except OSError as error:
        raise Transient(f"the log file could not be reached: {error.strerror}") from error
