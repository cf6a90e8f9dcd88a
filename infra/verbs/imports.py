"""`import`: exports and backups that somebody hands in; `ledger rebuild`: what makes that safe.

Owns what the operator sees: the bar, the table, the one JSON line, and the exit code: 0 all was
read, 3 something was cut off or quarantined, 2 a question that only the operator can answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from infra import carry, importer, importpool
from infra.directory import account_of
from infra.importer import Given, Report
from infra.importmap import ImportMap, load_map, require_zone
from infra.process import settle_memory
from infra.rebuildledger import rebuild_ledger
from infra.verbs.audit import acting, record_act
from infra.verbs.screen import ERR, OUT, bad, emit, good, shown, trial_banner
from infra.wire import Wire
from ingest.importing import Outcome
from ingest.imports import Answers
from schemas.errors import Refused, Transient

USAGE: Final = 2
NOT_WHOLE: Final = 3
_OPTIONS: Final = {"day_first": "--day-first or --month-first", "me": "--me NAME",
                   "account": "--account ID", "zone": "--zone NAME"}
_SAID: Final = ("new", "known", "edits", "retractions", "repaired", "quarantined")


@dataclass(frozen=True, slots=True)
class Wanted:
    """As typed; null = not said."""

    paths: Sequence[Path]
    me: str | None = None
    account: str | None = None
    zone: str | None = None
    day_first: bool | None = None
    map: Path | None = None
    dry_run: bool = False
    wait: bool = True
    processes: int = 0


def take_in(wire: Wire, wanted: Wanted, *, json: bool) -> int:
    """Read every file; returns when the events are searchable, or durable with `wait` off."""
    report = Report()
    try:
        given = _given(wire, wanted, report)
    except Refused as error:
        ERR.print(f"counterfoil: {shown(str(error))}", soft_wrap=True)
        return USAGE
    if not json:
        trial_banner(wire.config.retention.trial)
    settle_memory()
    total = sum(importer.size_of(one.path) for one in given)
    with _bar("reading", total, hidden=json) as told:
        if wanted.dry_run:
            importer.rehearse(wire, given, report, told)
        else:
            importpool.run(wire, given, report, told, wanted.processes)
    late: Transient | None = None
    searchable = False
    if not wanted.dry_run:
        try:
            searchable = _finish(wire, report, wait=wanted.wait, hidden=json)
        except Transient as error:
            late = error  # all of it is durable: that is said first
    _say(report, wanted, searchable=searchable, json=json)
    if late is not None:
        raise late
    if any(one.needs for one in report.outcomes):
        return USAGE
    return 0 if report.is_whole else NOT_WHOLE


def rebuild(wire: Wire, *, json: bool) -> int:
    """The import ledger again, from the archive."""
    record_act(wire, "ledger_rebuild")
    done = rebuild_ledger(wire)
    if json:
        emit({"events": done.events, "chats": done.chats})
    else:
        OUT.print(good("made again"), f"from {done.events} imported events of {done.chats} chats "
                                      "and telephones")
    return 0


def _given(wire: Wire, wanted: Wanted, report: Report) -> list[Given]:
    """Raises Refused for what only the operator can put right."""
    if wanted.zone is not None:
        require_zone(wanted.zone)
    for path in wanted.paths:
        if not path.exists():
            raise Refused(f"{path} is not there")
    table = load_map(wanted.map) if wanted.map else ImportMap(Path())
    account = account_of(wanted.account) if wanted.account else None
    answers = Answers(acting(wire), wire.clock(), me=wanted.me, account=account,
                      zone=wanted.zone, day_first=wanted.day_first)
    found = [(path, is_named) for path, is_named in importer.files_of(wanted.paths, report)
             if not _is_map(path, wanted)]
    report.skipped = [name for name in report.skipped if not _is_map(Path(name), wanted)]
    table.require_used(path for path, _ in found)
    return [Given(path, table.answers(path, answers), is_named) for path, is_named in found]


def _is_map(path: Path, wanted: Wanted) -> bool:
    return wanted.map is not None and path.resolve() == wanted.map.resolve()


def _finish(wire: Wire, report: Report, *, wait: bool, hidden: bool) -> bool:
    """Whether all of it can be found now. Everything is durable already; what an earlier import
    made durable before it was killed is waited for as well."""
    with carry.if_nobody_runs(wire.home) as is_ours:
        if is_ours and wire.config.embedded:
            with _bar("archiving and indexing", None, hidden=hidden):
                carry.carry(wire, lambda said: ERR.print(shown(said)))
            return True
    awaited = dict(report.offsets)
    if not awaited or report.tally.resumed:
        awaited |= carry.log_ends(wire)
    if carry.is_searchable(wire, awaited):
        return True
    carry.ask_to_close(wire.home)
    # A heartbeat at the log's end, which only an archiver of this folder closes when it is asked,
    # is nothing to wait for.
    if not wait or (is_ours and not report.offsets):
        return False
    with _bar("waiting until it can be found", None, hidden=hidden):
        carry.await_searchable(wire, awaited)
    return True


@contextmanager
def _bar(label: str, total: int | None, *, hidden: bool) -> Any:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(),
               TimeRemainingColumn()) if total is not None else (
                   TextColumn("{task.description}"), BarColumn())
    with Progress(*columns, console=ERR, transient=True, disable=hidden) as progress:
        task = progress.add_task(label, total=total)
        told: Callable[[int], None] = lambda done: progress.update(task, completed=done)  # noqa: E731
        yield told


def _say(report: Report, wanted: Wanted, *, searchable: bool, json: bool) -> None:
    for one in report.outcomes:
        if one.needs is not None:
            option, choices, question = one.needs
            said = _OPTIONS.get(option) or f"--{option} {' or '.join(choices)}"
            ERR.print(f"counterfoil: {shown(question)}: say {said}", soft_wrap=True)
    if json:
        emit(_line(report, wanted, searchable=searchable))
        return
    _table(report)
    for name in report.skipped:
        ERR.print(f"skipped, as it is called like no export: {shown(name)}")
    if wanted.dry_run:
        OUT.print("a dry run: nothing was written")
    elif report.offsets and not searchable:
        OUT.print("durable; found as soon as it is archived and indexed")


def _line(report: Report, wanted: Wanted, *, searchable: bool) -> dict[str, Any]:
    tally = report.tally
    said: dict[str, Any] = {name: getattr(tally, name) for name in _SAID}
    return {**said, "noted": tally.noted, "excluded": tally.excluded, "resumed": tally.resumed,
            "files_stored": tally.files_stored, "files_failed": tally.files_failed,
            "complete": report.is_whole, "dry_run": wanted.dry_run, "searchable": searchable,
            "files": [_file(one) for one in report.outcomes], "skipped": report.skipped}


def _file(one: Outcome) -> Mapping[str, Any]:
    said = {name: getattr(one.tally, name) for name in _SAID}
    needs = None
    if one.needs is not None:
        needs = {"option": one.needs[0], "choices": list(one.needs[1]), "question": one.needs[2]}
    return {"file": one.name, **said, "complete": one.is_whole, "needs": needs,
            "remarks": [{"code": remark.code, "text": remark.text,
                         "incomplete": remark.incomplete} for remark in one.remarks]}


def _table(report: Report) -> None:
    table = Table("file", "new", "known", "edits", "retr.", "repair", "quar.", "")
    for one in report.outcomes:
        table.add_row(shown(one.name), *(str(getattr(one.tally, name)) for name in _SAID),
                      good("read") if one.is_whole else bad("not all"))
    if len(report.outcomes) > 1:
        table.add_section()
        table.add_row("together", *(str(getattr(report.tally, name)) for name in _SAID))
    OUT.print(table if report.outcomes else "no file is called like an export or a backup")
    for one in report.outcomes:
        for remark in one.remarks:
            OUT.print(f"{shown(one.name)}: {remark.code}: {shown(remark.text)}")
    tally = report.tally
    for count, what in ((tally.excluded, "were left out, as the directory says; a daily count of "
                         "each conversation stays"),
                        (tally.files_stored, "files were stored"),
                        (tally.files_failed, "files could not be read; their messages are here")):
        if count:
            OUT.print(f"{count} {what}")
