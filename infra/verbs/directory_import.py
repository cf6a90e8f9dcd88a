"""`directory import`: people, groups, matters and access from a CSV file, with a preview.

Owns the order: read, plan, prove that the new file would be taken, record, write. What a column
means is `infra/bulk.py`'s, how lines are changed `infra/tomledit.py`'s (decision 0029).
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.table import Table

from infra import bulk, csvfile, filelock
from infra.access import FILE, load_access, parse_access
from infra.bulk import KINDS, Kind, Plan
from infra.directory import parse_directory
from infra.embedded import folder
from infra.tomledit import edited
from infra.verbs.audit import acting
from infra.verbs.screen import OUT, bad, emit, good, shown, strong
from infra.wire import Wire
from ingest.own import own_event
from schemas import events
from schemas.directory import Directory
from schemas.errors import Missing, Refused, Transient
from schemas.events import CapturedEvent, Identity
from search.access import people
from search.access.people import AccessPolicy

ACTION: Final = "import"
# Of the words of an event; the new file itself is its raw bytes.
_CHANGES_CHARS_MAX: Final = 4_000
_LOCK_WAIT_S: Final = 5.0
_ROWS_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """As typed. `kind`: "" = as the file is called; `complete`: what the file does not name ends;
    `check`: say it only."""

    file: Path
    kind: str
    complete: bool
    check: bool


@dataclass(frozen=True, slots=True)
class _Ready:
    """What would be written, and where; `before`: the bytes that it was made from."""

    path: Path
    before: bytes | None
    after: bytes
    plan: Plan


def import_csv(wire: Wire, wanted: Wanted, *, json: bool) -> int:
    """Show what would change, and unless it is a check record it and write it; exit 1 and every
    problem with its line when nothing may be written. Raises Missing, Refused, Transient."""
    name, kind = _kind(wanted)
    try:
        source = wanted.file.read_bytes()
    except FileNotFoundError as error:
        raise Missing(f"{wanted.file} is not there") from error
    except OSError as error:
        raise Transient(f"{wanted.file} cannot be read: {error.strerror}") from error
    plan, problems, ready = Plan(), list[str](), None
    try:
        csv = csvfile.read(source, wanted.file.name, kind.columns)
        ready = _ready(wire, kind, csv, wanted)
        plan, problems = ready.plan, _problems(wire, kind, ready, wanted.file.name)
    except Refused as error:
        problems = str(error).splitlines()
    is_written = ready is not None and not problems and not wanted.check and bool(plan.edits)
    if is_written and ready is not None:
        _write(wire, ready, name, source)
    if json:
        emit({"ok": not problems, "kind": name, "file": kind.file, "written": is_written,
              "problems": problems, "left": plan.left,
              "changes": [{"how": one.how, "what": one.what, "words": one.words}
                          for one in plan.said]})
    else:
        _show(plan, problems, kind, is_written, wanted)
    return 1 if problems else 0


def _kind(wanted: Wanted) -> tuple[str, Kind]:
    name = wanted.kind or wanted.file.stem.lower()
    if name not in KINDS:
        raise Refused(f"say what {wanted.file.name} holds: --as {', '.join(KINDS)}, or call the "
                      f"file so ({next(iter(KINDS))}.csv)")
    return name, KINDS[name]


def _ready(wire: Wire, kind: Kind, csv: csvfile.CsvFile, wanted: Wanted) -> _Ready:
    path = wire.home / kind.file
    try:
        before: bytes | None = path.read_bytes()
    except FileNotFoundError:
        before = None
    except OSError as error:
        raise Transient(f"{path} cannot be read: {error.strerror}") from error
    # A file that is broken already is put right by hand first.
    _parsed(kind, before or b"")
    text = (before or b"").decode("utf-8")
    today = datetime.fromtimestamp(wire.clock() / 1000, UTC).date()
    plan = kind.plan(csv, tomllib.loads(text), wanted.complete, today)
    if plan.problems:
        raise Refused("\n".join(f"{wanted.file.name} {one}" for one in plan.problems))
    after = edited(text, plan.edits) if plan.edits else text
    return _Ready(path, before, after.encode("utf-8"), plan)


def _parsed(kind: Kind, source: bytes) -> Directory | AccessPolicy:
    return (parse_access(source) if kind.file == FILE else parse_directory(source, kind.file))


def _problems(wire: Wire, kind: Kind, ready: _Ready, name: str) -> list[str]:
    """Why the new file may not be written."""
    try:
        after = _parsed(kind, ready.after)
    except Refused as error:
        return [f"with {name}, {one}" for one in str(error).splitlines()]
    before = _parsed(kind, ready.before or b"")
    access_path = wire.home / FILE
    policy = load_access(access_path) if access_path.exists() else AccessPolicy()
    directory = wire.directory()
    if isinstance(after, Directory):
        try:
            wire.require_years(after)
        except Refused as error:
            return [str(error)]
        known = set(people.problems(policy, directory))
        found = people.problems(policy, after)
    else:
        assert isinstance(before, AccessPolicy)
        known = set(people.problems(before, directory))
        found = people.problems(after, directory)
    return [f"with {name}, {FILE} {one}" for one in found if one not in known]


def _write(wire: Wire, ready: _Ready, name: str, source: bytes) -> None:
    """Recorded, then written whole or not at all. A crash in between leaves the old file, and a
    record of what was about to be."""
    descriptor = filelock.take(wire.home / f".{ready.path.name}.lock", _LOCK_WAIT_S)
    try:
        held = ready.path.read_bytes() if ready.path.exists() else None
        if held != ready.before:
            raise Transient(f"{ready.path.name} was changed meanwhile; look at the preview again")
        years = wire.directory().firm_years()
        with closing(wire.capture_log()) as log:
            recorder = wire.recorder("search", log)
            recorder.record(_event(ready, name, source, acting(wire), wire.clock(), years))
            recorder.beat(wire.clock(), years, stopping=True)
        mode = ready.path.stat().st_mode & 0o777 if held is not None else 0o600
        folder.replace(ready.path, ready.after, mode, temporaries=wire.home)
    finally:
        os.close(descriptor)


def _event(ready: _Ready, name: str, source: bytes, actor: str, now: int,
           years: int) -> CapturedEvent:
    counts = Counter(one.how for one in ready.plan.said)
    words = "\n".join(f"{one.how}: {one.what}: {one.words}" for one in ready.plan.said)
    if len(words) > _CHANGES_CHARS_MAX:
        words = words[:_CHANGES_CHARS_MAX] + "\n... the new file is kept with this record"
    digest = hashlib.sha256(ready.after).hexdigest()
    event = own_event(events.DIRECTORY, f"{ACTION}:{name}:{digest}", now, years, {
        "action": ACTION, "rows_of": name, "file": ready.path.name, "sha256": digest,
        "csv_sha256": hashlib.sha256(source).hexdigest(), "changes": words,
        **{how: str(counts[how]) for how in (bulk.ADDED, bulk.CHANGED, bulk.ENDED)}})
    return replace(event, revision=str(now), source="search/1", raw=ready.after,
                   raw_type="application/toml", actor=Identity(actor, "user"))


def _show(plan: Plan, problems: list[str], kind: Kind, is_written: bool, wanted: Wanted) -> None:
    for problem in problems:
        OUT.print(bad("wrong"), shown(problem))
    if plan.said:
        table = Table(box=None, pad_edge=False)
        for title in ("", "what", "how"):
            table.add_column(title)
        for one in plan.said[:_ROWS_SHOWN]:
            table.add_row(one.how, shown(one.what), shown(one.words))
        OUT.print(table)
        if len(plan.said) > _ROWS_SHOWN:
            OUT.print(f"and {len(plan.said) - _ROWS_SHOWN} more; --json lists all")
    if plan.left and not wanted.complete:
        OUT.print(f"{plan.left} more in {kind.file} are not in {wanted.file.name} and stay as "
                  "they are; --complete would end them")
    if problems:
        OUT.print(strong("nothing was written"))
    elif not plan.said:
        OUT.print(good("nothing to change"))
    elif is_written:
        OUT.print(good("recorded and written:"), kind.file)
    else:
        OUT.print(strong("nothing was written: this was a check"))
