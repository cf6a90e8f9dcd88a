"""One export from its request to its package: for the command line, and for the console's process.

Owns the order: what was said is archived and found, the beginning is on record, the package is
made, the end is on record; and at the end all of that is archived too, where nobody else sees to
it. A crash at any line is made good by calling it again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infra import carry, filelock
from infra.exportacts import ActReader
from infra.exportdesk import ExportDesk
from infra.exportfolder import ExportFolder
from infra.exportpackage import Maker, require_place
from infra.exportplace import alone, place_of
from infra.verbs.audit import record_act, recording
from infra.wire import Wire
from schemas.errors import Refused
from schemas.exports import Export
from search.bodies import Bodies
from search.export.granted import Done, Progress


@contextmanager
def opened(wire: Wire, told: Callable[[str], None]) -> Iterator[ExportDesk]:
    """The desk, at the end of what was said; what is said here is stated, archived and indexed at
    the end, where nobody else sees to that. `told`: what goes on, in words. Raises Transient."""
    _settle(wire, told)
    with recording(wire) as recorder:
        indexes = wire.indexes()
        name = indexes.current()
        known = ActReader(Bodies(wire.reader())).all(indexes.open(name) if name else None)
        yield ExportDesk(wire, recorder, lambda: known)
    carry.carry_if_idle(wire, told)


def make(wire: Wire, desk: ExportDesk, one: Export, out: Path, by: str, maker: Maker,
         progress: Progress) -> tuple[Export, Done]:
    """The package of a request in `out`. Each step is on record before the next begins. Raises
    what the desk and the maker raise, and Exists for a folder of something else."""
    chosen, viewer, place = desk.chosen(one), desk.viewer(one), place_of(out)
    with alone(place), _only_one(wire, one.export_id):
        # Only what was begun under this very export goes on; whatever else lies there is none of
        # it. What lies there is looked at when nobody else can put anything there.
        again = bool(one.unfinished) and ExportFolder(place).begun_id() == one.export_id
        if not again:
            require_place(place)
            carry.await_logged(wire, _indexed(wire))
        record_act(wire, "export_run", {"export": one.export_id, "person": by})
        granted = desk.begin(one.export_id, by, str(place), again=again)
        done = maker(wire, viewer, progress).run(chosen, granted, place, progress)
        # The package is whole. A crash before the next line: the same call finds it so, and says
        # it.
        return desk.finish(by, str(place), done), done


def _indexed(wire: Wire) -> dict[tuple[str, int], int]:
    """The last record of each partition that a selection can see."""
    indexes = wire.indexes()
    name = indexes.current()
    cursors = indexes.open(name).state().cursors if name is not None else {}
    return {place: end - 1 for place, end in cursors.items() if end}


@contextmanager
def _only_one(wire: Wire, export_id: str) -> Iterator[None]:
    """One export is made once at a time, in whichever folders. Raises Refused."""
    folder = wire.home / "run"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = filelock.take(folder / f"export-{export_id}.lock")
    except filelock.Taken as error:
        raise Refused("this export is being made by another process: wait until it is done"
                      ) from error
    try:
        yield
    finally:
        os.close(descriptor)


def _settle(wire: Wire, told: Callable[[str], None]) -> None:
    """Everything that is on the log now is archived and indexed; where nothing runs, it is in the
    transparency log too."""
    with carry.if_nobody_runs(wire.home) as is_ours:
        if is_ours and wire.config.embedded:
            carry.carry(wire, told)
            return
    ends = carry.log_ends(wire)
    if not carry.is_searchable(wire, ends):
        carry.ask_to_close(wire.home)
        carry.await_searchable(wire, ends)
