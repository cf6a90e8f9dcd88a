"""Several processes for one import: each reads files of its own, one of them keeps the ledger.

Owns which files go to which process, and their talk. Reading is most of the work, and Python's own:
threads would take turns. The process that the operator started holds the ledger and reads nothing;
the others look into its file, and hand it what they have made durable.

    keeper -> reader    ("look" | "take", [(place, Given)]) | None = the end
    reader -> keeper    ("read", bytes) | ("save", Change) -> answered "saved" | "stale"
                        ("looked", [(place, Sketch)]) | ("taken", place, Outcome)
                        ("done", offsets) | ("failed", error)

A reader ends with the keeper, and the keeper with its first failure: nothing is lost, the next
start goes on. Files that may be of one chat are one reader's, in order (`ingest/readers.py`).
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from infra import hardening
from infra.config import load
from infra.embedded.ledger import Change, LedgerFile, Stale
from infra.importer import Desk, Given, Report, ledger_file, ledger_path, opened, size_of
from infra.importer import run as run_alone
from infra.process import settle_memory
from infra.wire import Wire
from ingest.importing import Outcome
from ingest.readers import Sketch, groups_of, kind_of, sketch
from schemas.errors import CounterfoilError, Transient

# Below this a second process costs more than it saves: it takes most of a second to start.
WORTH_BYTES: Final = 8 * 1024 * 1024
# A file is told of as it is read; not of each message.
_TOLD_BYTES: Final = 1 << 20
_END_S: Final = 10.0
_Task = tuple[str, list[tuple[int, Given]]]


def run(wire: Wire, given: Sequence[Given], report: Report, progress: Callable[[int], None],
        processes: int = 0) -> None:
    """As `importer.run`; with `processes` readers (0: as many as there are cores) where there is
    enough to read for more than one."""
    sizes = [size_of(one.path) for one in given]
    count = min(processes or len(os.sched_getaffinity(0)), len(given))
    if count < 2 or (not processes and sum(sizes) < WORTH_BYTES):
        run_alone(wire, given, report, progress)
        return
    with ledger_file(wire) as (shelf, key):
        first = Desk(wire, shelf, key)
        try:
            first.record_directory()
        finally:
            first.close()
        keeper = _Keeper(wire, shelf, report, progress)
        try:
            keeper.start(count)
            everything = list(enumerate(given))
            looked = keeper.look([[one] for one in everything])
            groups = groups_of([looked[at] for at in range(len(given))])
            # The largest first: the last to end decides.
            groups.sort(key=lambda group: -sum(sizes[at] for at in group))
            outcomes = keeper.take([[everything[at] for at in group] for group in groups])
            report.outcomes += [outcomes[at] for at in range(len(given))]
        finally:
            keeper.end()


@dataclass
class _Reader:
    process: BaseProcess
    pipe: Connection
    read: int = 0


@dataclass
class _Keeper:
    """The ledger's one writer, and who hands out the work."""

    wire: Wire
    shelf: LedgerFile
    report: Report
    progress: Callable[[int], None]
    readers: list[_Reader] = field(default_factory=list)

    def start(self, count: int) -> None:
        # Spawned, not forked: no connection, session or lock of ours is in them.
        context = multiprocessing.get_context("spawn")
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_read, args=(theirs, self.wire.home, os.getpid()),
                                      daemon=True)
            process.start()
            theirs.close()
            self.readers.append(_Reader(process, ours))

    def look(self, shares: list[list[tuple[int, Given]]]) -> dict[int, Sketch]:
        """A look at each file before it is read."""
        looked: dict[int, Sketch] = {}
        self._share("look", shares, lambda said: looked.update(said[1]))
        return looked

    def take(self, shares: list[list[tuple[int, Given]]]) -> dict[int, Outcome]:
        """Every file, durable and known when this returns."""
        taken: dict[int, Outcome] = {}
        self._share("take", shares, lambda said: taken.update({said[1]: said[2]}))
        return taken

    def _share(self, what: str, shares: list[list[tuple[int, Given]]],
               result: Callable[[Any], None]) -> None:
        waiting = list(reversed(shares))
        busy: dict[Connection, _Reader] = {}
        for reader in self.readers:
            if waiting:
                reader.pipe.send((what, waiting.pop()))
                busy[reader.pipe] = reader
        while busy:
            for pipe in wait(list(busy)):
                assert isinstance(pipe, Connection)
                reader = busy[pipe]
                said = _heard(reader)
                if said[0] in ("looked", "taken"):
                    result(said)
                elif said[0] == "done":
                    del busy[pipe]
                    self._merge(said[1])
                    if waiting:
                        pipe.send((what, waiting.pop()))
                        busy[pipe] = reader
                else:
                    self._serve(reader, said)

    def _serve(self, reader: _Reader, said: Any) -> None:
        if said[0] == "save":
            # One after the other; who told of a chat that another changed meanwhile reads again.
            try:
                self.shelf.apply(said[1])
            except Stale:
                reader.pipe.send("stale")
            else:
                reader.pipe.send("saved")
        elif said[0] == "read":
            reader.read += said[1]
            self.progress(sum(one.read for one in self.readers))
        else:
            raise said[1]

    def _merge(self, offsets: dict[tuple[str, int], int]) -> None:
        for place, offset in offsets.items():
            self.report.offsets[place] = max(offset, self.report.offsets.get(place, 0))

    def end(self) -> None:
        """Let them go; who does not is ended."""
        for reader in self.readers:
            with suppress(OSError):
                reader.pipe.send(None)
        for reader in self.readers:
            reader.process.join(_END_S)
            if reader.process.is_alive():
                reader.process.terminate()
                reader.process.join()
            reader.pipe.close()


def _heard(reader: _Reader) -> Any:
    try:
        return reader.pipe.recv()
    except (EOFError, OSError) as error:
        reader.process.join(_END_S)
        raise Transient(f"a reading process ended with code {reader.process.exitcode}; import the "
                        "same files again, it goes on where it was") from error


class _Handed:
    """Implements `infra.embedded.ledger.Shelf` in a reader: reads the file, hands over changes."""

    def __init__(self, file: LedgerFile, pipe: Connection) -> None:
        self.parts, self.has = file.parts, file.has
        self.is_begun, self.was_recorded = file.is_begun, file.was_recorded
        self._pipe = pipe

    def apply(self, change: Change) -> None:
        """See Shelf. On the keeper's disk when it answers."""
        self._pipe.send(("save", change))
        if self._pipe.recv() == "stale":
            raise Stale("another file of the same chat was read meanwhile")


def _read(pipe: Connection, home: Path, keeper: int) -> None:
    """A reader's process."""
    hardening.harden()
    hardening.end_with_parent(keeper)
    try:
        _read_on(pipe, Wire(load(home)))
    except CounterfoilError as error:
        with suppress(OSError):
            pipe.send(("failed", Transient(str(error))))
    except (EOFError, KeyboardInterrupt):
        return  # the keeper is gone, or the operator has ended both


def _read_on(pipe: Connection, wire: Wire) -> None:
    file = LedgerFile(ledger_path(wire))
    shelf = _Handed(file, pipe)
    desk: Desk | None = None
    try:
        while (task := pipe.recv()) is not None:
            what, share = task
            if what == "look":
                pipe.send(("looked", [(at, _look(one)) for at, one in share]))
                pipe.send(("done", {}))
                continue
            if desk is None:
                desk = Desk(wire, shelf, wire.keys_folder.ledger_key(may_make=False))
                settle_memory()
            for at, one in share:
                pipe.send(("taken", at, desk.take(one, _Told(pipe, size_of(one.path)))))
            pipe.send(("done", desk.log.offsets))
    finally:
        if desk is not None:
            desk.close()
        file.close()


class _Told:
    """How far a file is read, now and then."""

    def __init__(self, pipe: Connection, size: int) -> None:
        self._pipe, self._size, self._at = pipe, size, 0

    def __call__(self, read: int) -> None:
        if read - self._at >= _TOLD_BYTES or read >= self._size > self._at:
            self._pipe.send(("read", read - self._at))
            self._at = read


def _look(given: Given) -> Sketch:
    account = given.answers.account or ""
    try:
        file = opened(given.path)
    except OSError:
        return Sketch("", account)
    kind = kind_of(file)
    return sketch(file, kind, account) if kind else Sketch("", account)
