"""Files that are handed in, from a path to the log: the parts of an import, put together.

Owns which files a path means and in which order, the ledger's one holder, and the composition of
`ingest/importing.py`. Several processes are `infra/importpool.py`, what comes after is
`infra/carry.py`.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, TypeVar, cast

from archive.consume import retry
from infra.embedded.ledger import (
    Ledger,
    LedgerFile,
    NoFile,
    Shelf,
    Stale,
    exclusively,
    require_made,
)
from infra.wire import Wire
from ingest.delivery import Deliverer
from ingest.heartbeat import HEARTBEAT_S
from ingest.importing import DOOR, Importer, ImportParts, Outcome, Tally
from ingest.imports import Answers, ImportedFile, Remark
from ingest.own import directory_event
from ingest.publish import CaptureLog
from ingest.readers import ENDINGS, kind_of
from ingest.record import LogRecorder
from ingest.routing import Router
from schemas.wire import LogIdentity

_PIECE_BYTES: Final = 1 << 20
_BEAT_MS: Final = int(HEARTBEAT_S * 1000)
# Of a log or store that answers neither yes nor no; then the import ends, and may be run again.
_RETRY_S: Final = (0.1, 0.5, 2.0, 5.0, 10.0)
# Files of one chat that others change at the same time: each of them ends once.
_STALE_MAX: Final = 20
_NUMBERS: Final = re.compile(r"([0-9]+)")
# Copies that somebody made in one go are of one time, whatever their clocks say.
_SAME_TIME_S: Final = 60
# Where each partition's last record of ours lies: (topic id in hex, partition) -> offset.
Offsets = dict[tuple[str, int], int]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Given:
    """A file that was handed in, and what was said of it. `is_named`: by its own name, not by its
    folder's."""

    path: Path
    answers: Answers
    is_named: bool = True


@dataclass(slots=True)
class Report:
    """What an import came to."""

    outcomes: list[Outcome] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    offsets: Offsets = field(default_factory=dict)

    @property
    def tally(self) -> Tally:
        """Of all files together."""
        total = Tally()
        for one in self.outcomes:
            total.add(one.tally)
        return total

    @property
    def is_whole(self) -> bool:
        """Every file was read to its end, and all of it."""
        return all(one.is_whole for one in self.outcomes)


class OffsetLog:
    """`CaptureLog` that remembers where its records lie, and tries again."""

    def __init__(self, log: CaptureLog, sleep: Callable[[float], None] = time.sleep) -> None:
        self.offsets: Offsets = {}
        self._log = log
        self._sleep = sleep

    def identity(self) -> LogIdentity:
        """See CaptureLog."""
        return self._again(self._log.identity)

    def append(self, partition: int, value: bytes, topic_id: bytes) -> int:
        """See CaptureLog. A record that was appended after all is there twice: one sighting."""
        offset = self._again(lambda: self._log.append(partition, value, topic_id))
        place = topic_id.hex(), partition
        self.offsets[place] = max(offset, self.offsets.get(place, 0))
        return offset

    def close(self) -> None:
        """See CaptureLog."""
        self._log.close()

    def _again(self, call: Callable[[], _T]) -> _T:
        return retry(call, self._sleep, pauses_s=_RETRY_S)


class Desk:
    """One process's share of an import: takes files, one after the other. `shelf` is where the
    ledger's rows lie; close it at the end."""

    def __init__(self, wire: Wire, shelf: Shelf, key: bytes) -> None:
        self._wire = wire
        self._years = wire.directory().firm_years()
        self.log = OffsetLog(wire.capture_log())
        # With a log of ours we also state what it acknowledged (PROTOCOL T4).
        self._recorder: LogRecorder = wire.recorder("gateway", self.log)
        self._beat_at = wire.clock()
        self.ledger = Ledger(shelf, key, wire.random)
        router = _router(wire)
        self._importer = Importer(ImportParts(
            self.ledger, Deliverer(router, wire.directory()), router, self._recorder,
            wire.media_writer(), self._beat))

    def take(self, given: Given, progress: Callable[[int], None]) -> Outcome:
        """See Importer.take. Raises Transient."""
        for _ in range(_STALE_MAX):
            try:
                return take(self._importer, given, progress)
            except Stale:
                # What it recorded is durable and keeps its ids; what follows is looked at anew.
                self.ledger.forget()
        return take(self._importer, given, progress)

    def record_directory(self) -> None:
        """The load of the directory that these files are captured under is an event, once."""
        directory = self._wire.directory()
        fact = self.ledger.digest("import/directory", directory.digest())
        if directory.source and not self.ledger.has(fact):
            self._recorder.record(directory_event(directory, self._wire.clock()))
            self.ledger.add(fact)
            self.ledger.save()

    def close(self) -> None:
        """The last heartbeat, and the connection back."""
        if self._recorder.unstated:
            self._recorder.beat(self._wire.clock(), self._years, stopping=True)
        self.log.close()

    def _beat(self) -> None:
        now = self._wire.clock()
        if now - self._beat_at >= _BEAT_MS:
            self._beat_at = now
            self._recorder.beat(now, self._years)


def take(importer: Importer, given: Given, progress: Callable[[int], None]) -> Outcome:
    """One file, whatever it is."""
    try:
        file = opened(given.path)
    except OSError as error:
        return Outcome(given.path.name, remarks=[
            Remark("not_opened", f"{error.strerror}", incomplete=True)])
    kind = kind_of(file)
    if kind is None:
        return importer.refuse(file, "no chat export and no backup that is known", DOOR,
                               given.answers)
    return importer.take(file, kind.reader, kind.channel, given.answers, progress)


def opened(path: Path) -> ImportedFile:
    """A file on disk, hashed. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE_BYTES):
            digest.update(piece)
        size = os.fstat(stream.fileno()).st_size
    return ImportedFile(path.name, digest.digest(), size,
                        cast("Callable[[], BinaryIO]", partial(path.open, "rb")))


def files_of(paths: Iterable[Path], report: Report) -> Iterator[tuple[Path, bool]]:
    """(file, whether it was named itself), in the order in which they are to be read: as named;
    of a folder what exports and backups are called, the oldest first. What else lies there is
    noted as skipped."""
    for path in paths:
        if not path.is_dir():
            yield path, True
            continue
        found = [one for one in path.rglob("*") if one.is_file() and not one.is_symlink()
                 and not any(part.startswith(".") for part in one.relative_to(path).parts)]
        for one in sorted(found, key=_age):
            if one.suffix.casefold() in ENDINGS:
                yield one, False
            else:
                report.skipped.append(str(one))


def _age(path: Path) -> tuple[int, list[str | int]]:
    # "Chat (2).txt" is younger than "Chat.txt", and "Chat (10).txt" than both.
    names = [*path.parts[:-1], path.stem]
    parts = [part for name in names for part in _NUMBERS.split(name)]
    return (int(path.stat().st_mtime) // _SAME_TIME_S,
            [f"{int(part):020d}" if part.isdigit() else part.casefold() for part in parts])


@contextmanager
def ledger_file(wire: Wire) -> Iterator[tuple[LedgerFile, bytes]]:
    """(the import ledger's file, its key), held alone. Raises Transient when another import runs,
    Missing when it is lost, Refused for one of another key."""
    path = ledger_path(wire)
    with exclusively(path.with_suffix(".lock")):
        keys = wire.keys_folder
        require_made(path, keys.has_ledger)
        key = keys.ledger_key(may_make=not keys.has_ledger)
        shelf = LedgerFile(path)
        try:
            Ledger(shelf, key, wire.random).check()
            # From here its loss is noticed.
            keys.note_ledger()
            yield shelf, key
        finally:
            shelf.close()


def ledger_path(wire: Wire) -> Path:
    """Where the import ledger lies."""
    return wire.home / "importer" / "ledger.db"


def run(wire: Wire, given: Sequence[Given], report: Report,
        progress: Callable[[int], None]) -> None:
    """Everything durable when this returns; one file after the other, in this process."""
    with ledger_file(wire) as (shelf, key):
        desk = Desk(wire, shelf, key)
        try:
            desk.record_directory()
            report.outcomes += _in_turn(desk.take, given, progress)
        finally:
            report.offsets.update(desk.log.offsets)
            desk.close()


def rehearse(wire: Wire, given: Sequence[Given], report: Report,
             progress: Callable[[int], None]) -> None:
    """What `run` would come to. Nothing is written: no key, no ledger, no event."""
    path, keys = ledger_path(wire), wire.keys_folder
    if path.exists():
        with exclusively(path.with_suffix(".lock")):
            shelf = LedgerFile(path)
            try:
                _rehearse(wire, Ledger(shelf, keys.ledger_key(may_make=False), wire.random), given,
                          report, progress)
            finally:
                shelf.close()
        return
    require_made(path, keys.has_ledger)
    _rehearse(wire, Ledger(NoFile(), wire.random(32), wire.random), given, report, progress)


def _rehearse(wire: Wire, ledger: Ledger, given: Sequence[Given], report: Report,
              progress: Callable[[int], None]) -> None:
    # Of domains and tags nothing comes: a key of the moment will do.
    router = Router(wire.random(32), bytes(16))
    importer = Importer(ImportParts(ledger, Deliverer(router, wire.directory()), router, None,
                                    None))
    report.outcomes += _in_turn(partial(take, importer), given, progress)


def _in_turn(taken: Callable[[Given, Callable[[int], None]], Outcome], given: Sequence[Given],
             progress: Callable[[int], None]) -> Iterator[Outcome]:
    done = 0
    for one in given:
        before = done

        def tell(read: int, before: int = before) -> None:
            progress(before + read)

        yield taken(one, tell)
        done += size_of(one.path)


def size_of(path: Path) -> int:
    """Its bytes, for the progress bar; 0 when it cannot be looked at."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _router(wire: Wire) -> Router:
    return Router(wire.keys_folder.routing_key(), wire.sealer("gateway").capture_id)
