"""`verify`, `segments`, `status`, `doctor`: what the system can say about itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from archive import heads
from archive.heads import Head
from archive.reader import SegmentRead
from archive.tlog import note
from archive.tlog.audit import LogReport
from archive.tlog.note import Note
from archive.verify import Report
from infra.archiver import heads_ahead, newest_head
from infra.holds import verifying
from infra.indexcheck import take_index
from infra.replica import compared, replica_alarms
from infra.state import STALE_MS, RoleState, StateFolder, is_alive
from infra.verbs import heard
from infra.verbs.screen import ERR, OUT, bad, emit, good, instant, short, shown, trial_banner
from infra.wire import Wire, clock
from schemas.errors import CounterfoilError, Halt, Missing, Refused
from schemas.findings import FINDINGS, Alarm, Finding


@dataclass(frozen=True, slots=True)
class Depth:
    """What is checked besides the archive's own bytes: every file, the transparency log, the
    checkpoints that somebody kept elsewhere, the second copy, and one document of the index in
    `index` (1 = all, 0 = none)."""

    media: bool = True
    log: bool = False
    against: Sequence[Path] = ()
    replica: bool = False
    index: int = 0


def verify(wire: Wire, *, json: bool, head_file: Path | None, depth: Depth | None = None) -> int:
    """Check everything; 0 only without findings. What stops a check besides the archive's own is
    raised when all that was found has been printed."""
    depth = depth or Depth()
    kept = [_checkpoint(path) for path in depth.against]  # refused before hours of work
    head, head_findings, name = _head(wire, head_file)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(),
               TextColumn("{task.completed} segments"), TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True, disable=json) as progress:
        task = progress.add_task("verifying", total=None)
        report = wire.verifier(
            lambda done, _key: progress.update(task, completed=done)).run(
                clock(), head, deep=depth.media, sources=verifying(wire))
        stopped: list[CounterfoilError] = []
        log = None
        if depth.log or kept:
            progress.update(task, description="verifying the log", completed=0)
            with _beside(report, stopped, "the log"):
                log = wire.log_audit(lambda done: progress.update(task, completed=done)).run(kept)
                _take_log(report, log, [path.name for path in depth.against])
        if depth.replica:
            progress.update(task, description="comparing the copy", completed=0)
            with _beside(report, stopped, "the second copy"):
                for one in compared(wire, report.erased,
                                    lambda done: progress.update(task, completed=done)):
                    report.notes.append(one) if isinstance(one, str) else report.take(one)
    report.findings += head_findings
    if name:
        report.notes.append(f"compared with the head {name}")
    report.notes += [f"not compared with the head {path.name}: its time has not come"
                     for path in heads_ahead(wire)]
    if wire.config.store.driver == "folder":
        report.notes.append("the embedded store detects changes; it cannot prevent them")
    if depth.index:
        with _beside(report, stopped, "the index"):
            take_index(wire, report, depth.index)
    _print_report(report, log, json=json, ok=not report.findings and not stopped)
    if stopped:
        raise stopped[0]
    return 1 if report.findings else 0


@contextmanager
def _beside(report: Report, stopped: list[CounterfoilError], what: str) -> Iterator[None]:
    """A check whose end must not take away what was found before it. A Halt that is also a finding
    is one, unless the archive's own check has named it, where it is; the rest is in `stopped`."""
    try:
        yield
    except CounterfoilError as error:
        report.notes.append(f"{what} was not checked to its end: {error}")
        if not isinstance(error, Halt) or error.finding not in FINDINGS:
            stopped.append(error)
        elif all(one.code != error.finding for one in report.findings):
            report.add(error.finding, what, error.detail)


def _checkpoint(path: Path) -> Note:
    try:
        with path.open("rb") as file:
            body = file.read(note.NOTE_BYTES_MAX + 1)
        if len(body) > note.NOTE_BYTES_MAX:
            raise Refused("larger than a checkpoint can be")
        return note.read_bytes(body)
    except OSError as error:
        raise Missing(f"checkpoint {path}: {error.strerror}") from error
    except Refused as error:
        raise Refused(f"checkpoint {path}: {error}") from error


def _take_log(report: Report, log: LogReport, against: Sequence[str]) -> None:
    for fault in log.faults:
        report.take(fault)
    report.notes.append(f"the log was checked: {log.batches} batches, {log.checkpoints} "
                        f"checkpoints, {log.tiles} tiles")
    report.notes += [f"compared with the checkpoint {name}" for name in against]
    report.notes += [f"witness {name} last confirmed {size} cells, {instant(at * 1000)}"
                     for name, (size, at) in sorted(log.cosigned.items())]
    report.notes += [f"authority {name} last stamped {size} cells, {instant(at)}"
                     for name, (size, at) in sorted(log.stamped.items())]
    if log.unnamed:
        report.notes.append(f"{log.unnamed} cosignatures and time stamps are of nobody whom the "
                            "configuration names: not checked")
    report.notes += [f"{key} is not there: it is made again from the batches" for key in log.absent]
    if log.absent_more:
        report.notes.append(f"{log.absent_more} more objects of the log are not there: they are "
                            "made again from the batches")
    if log.unjudged:
        report.notes.append(f"{log.unjudged} signed heads lie behind the damage and could not be "
                            "judged")


def _head(wire: Wire, head_file: Path | None) -> tuple[Head | None, list[Finding], str]:
    path = head_file or newest_head(wire)
    if path is None:
        return None, [], ""
    try:
        text = path.read_text("utf-8")
        return heads.read(text, wire.keys_folder.sealing_public()), [], path.name
    except (OSError, UnicodeDecodeError) as error:
        raise Missing(f"head {path}: {error}") from error
    except Refused as error:
        return None, [Finding("head_signature", str(path), str(error))], path.name


def _print_report(report: Report, log: LogReport | None, *, json: bool, ok: bool) -> None:
    if json:
        values = asdict(report)
        values["findings"] = [asdict(one) for one in report.findings]
        values["earliest_unlock"] = instant(report.earliest_unlock)
        values["log"] = None if log is None else {
            "size": log.head.size, "root": log.head.root.hex(), "batches": log.batches,
            "checkpoints": log.checkpoints, "tiles": log.tiles, "waiting": log.waiting}
        values["ok"] = ok
        emit(values)
        return
    trial_banner(report.trial)
    OUT.print(f"{report.segments} segments, {report.cells} cells, {report.events} events, "
              f"{report.bytes} bytes in {report.partitions} partitions")
    for words in report.notes:
        OUT.print(f"  note: {shown(words)}")
    if not report.findings:
        OUT.print(good("no findings") if ok else "no findings, and not everything was checked")
        return
    table = Table("finding", "where", "what", title=f"{len(report.findings)} findings")
    for one in report.findings:
        table.add_row(bad(one.code), shown(one.where), shown(one.detail) or FINDINGS[one.code])
    OUT.print(table)


def segments(wire: Wire, *, json: bool, limit: int) -> int:
    """The newest segments: where they lie and until when they are locked."""
    rows: list[dict[str, Any]] = []
    reader = wire.reader()
    for topic_id, partition in reader.partitions():
        rows += [_segment_row(read) for read in reader.follow(topic_id, partition, 0)]
    rows = sorted(rows, key=lambda row: str(row["sealed_at"]))[-limit:]
    if json:
        for row in rows:
            emit(row)
        return 0
    trial_banner(any(row["trial"] for row in rows))
    table = Table("segment", "offsets", "events", "sealed (UTC)", "locked until (UTC)", "sha-256")
    table.columns[0].overflow = "fold"
    for row in rows:
        table.add_row(
            f"{row['partition']}/{row['key'].rpartition('/')[2]}", f"{row['first']}-{row['last']}",
            str(row["events"]), row["sealed_at"][:19].replace("T", " "),
            row["locked_until"][:19].replace("T", " "), row["sha256"][:16] + "…")
    OUT.print(table)
    return 0


def _segment_row(read: SegmentRead) -> dict[str, Any]:
    return {
        "key": read.key, "partition": read.partition, "first": read.first, "last": read.last,
        "events": len(read.events), "sealed_at": instant(read.sealed_at),
        "locked_until": instant(read.retain_until), "trial": read.trial, "sha256": read.sha256}


def active_alarms(wire: Wire) -> tuple[list[RoleState], list[Alarm]]:
    """Every part's last word, and all alarms that are active now."""
    now = clock()
    states = StateFolder(wire.home).read()
    alarms = [alarm for state in states for alarm in state.alarms]
    for state in states:
        if any(alarm.code == "halted" for alarm in state.alarms):
            continue
        if state.role != "run" and any(alarm.code == "process_down" for alarm in state.alarms):
            continue  # it ended before its loop began, and said why itself
        if not is_alive(state.pid) or now - state.at > STALE_MS:
            alarms.append(Alarm("process_down", state.at, state.role))
    path = newest_head(wire)
    if path is not None and states and any(state.role == "archiver" for state in states):
        age = now - int(path.stem)
        if age > 2 * wire.config.archive.head_interval_s * 1000 + 60_000:
            alarms.append(Alarm("head_stale", int(path.stem), path.name))
    ahead = heads_ahead(wire)
    if ahead:
        alarms.append(Alarm("head_stale", now, f"{ahead[-1].name} is from the future: a clock ran "
                            "ahead, or somebody wrote it; it is not used"))
    alarms += replica_alarms(wire, now)
    if not wire.config.retention.trial and backup_checked_at(wire) is None:
        alarms.append(Alarm("keys_unbacked", now, "run `counterfoil keys backup`, then `check`"))
    return states, alarms


def status(wire: Wire, *, json: bool) -> int:
    """What runs, how far it is, and every active alarm; 1 while there is one."""
    states, alarms = active_alarms(wire)
    running = [state for state in states if is_alive(state.pid)]
    if json:
        emit({
            "ok": not alarms, "at": instant(clock()), "running": bool(running),
            "trial": wire.config.retention.trial, "mode": _mode(wire),
            "alarms": [{"code": one.code, "since": instant(one.since), "detail": one.detail}
                       for one in alarms],
            "parts": [{"role": one.role, "pid": one.pid, "at": instant(one.at),
                       "stopping": one.stopping, **one.facts} for one in states],
            **heard.lines(heard.capture_of(wire))})
        return 1 if alarms else 0
    trial_banner(wire.config.retention.trial)
    table = Table("part", "pid", "last word (UTC)", "facts", title=f"{wire.home} ({_mode(wire)})")
    for one in states:
        facts = ", ".join(f"{name} {value}" for name, value in sorted(one.facts.items()))
        table.add_row(one.role, str(one.pid), short(one.at), facts)
    OUT.print(table if states else "nothing runs on this data folder")
    heard.print_capture(heard.capture_of(wire))
    for alarm in alarms:
        OUT.print(bad(f"ALARM {alarm.code}"),
                  f"since {short(alarm.since)}: {shown(alarm.detail)}")
    if not alarms:
        OUT.print(good("no alarms"))
    return 1 if alarms else 0


def backup_checked_at(wire: Wire) -> int | None:
    """When a key backup was last checked, or null."""
    path = wire.home / "keys" / "backup-checked"
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _mode(wire: Wire) -> str:
    drivers: dict[str, Any] = {
        "log": wire.config.log.driver, "store": wire.config.store.driver,
        "index": wire.config.index.driver}
    return "embedded" if wire.config.embedded else ", ".join(
        f"{port} {name}" for port, name in drivers.items())
