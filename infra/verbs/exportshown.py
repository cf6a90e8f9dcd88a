"""What `export …` prints: for people in words, for machines one JSON object a line.

Owns the words on the screen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from infra.exportdesk import ExportDesk
from infra.verbs.screen import ERR, OUT, bad, emit, good, instant, short, shown, strong
from schemas.exports import Act, Export
from search.export import custody, wording
from search.export.granted import Done, Preview, Progress

_WHY: Final = {"privileged": "privileged", "outside_period": "outside the period",
               "not_chosen": "not chosen", "unreadable": "cannot be read", "erased": "erased"}


def line(desk: ExportDesk, one: Export) -> dict[str, Any]:
    """One export, for machines."""
    asked, approved = one.requested, one.approvals[-1] if one.approvals else None
    refused, finished = one.refused, one.finished[-1] if one.finished else None
    return {
        "export": one.export_id, "state": one.state, "needs_approval": desk.needs_approval(one),
        "requested_by": asked.by, "requested_at": instant(asked.at), "request": asked.digest,
        "wanted": dict(asked.values()),
        "approved_by": approved.by if approved else None,
        "approved_at": instant(approved.at) if approved else None,
        "approved_until": instant(approved.number("until")) if approved else None,
        "refused_by": refused.by if refused else None, "reason": refused.said if refused else None,
        "folder": finished.text("folder") if finished else None,
        "manifest_sha256": finished.text("manifest_sha256") if finished else None,
        "counts": finished.values().get("counts") if finished else None,
        "custody": [{**row, "at": instant(row["at"])} for row in custody.lines(one)]}


def preview_line(found: Preview) -> dict[str, Any]:
    """A preview, for machines."""
    return {"matched": found.matched, "context": found.context, "withheld": dict(found.withheld),
            "conversations": found.conversations, "custodians": found.custodians,
            "events": found.events, "files": found.files, "bytes_estimate": found.bytes_estimate,
            "since": instant(found.since), "until": instant(found.until),
            "warnings": list(found.warnings)}


def print_preview(found: Preview) -> None:
    """How much it would be, and what would stay behind."""
    OUT.print(strong(_counted(found.matched, "message")), "of "
              f"{_counted(found.conversations, 'conversation')} and "
              f"{_counted(found.custodians, 'account')}, {short(found.since)} to "
              f"{short(found.until)} UTC", soft_wrap=True)
    if found.context:
        OUT.print(f"and {found.context} around them")
    for why, count in sorted(found.withheld.items()):
        OUT.print(bad(f"{count} stay behind:"), _WHY.get(why, why)
                  + "; the package lists them, not what they say", soft_wrap=True)
    OUT.print(f"{_counted(found.events, 'archived record')}, {_counted(found.files, 'file')}, "
              f"about {wording.size(found.bytes_estimate)}", soft_wrap=True)
    for warning in found.warnings:
        OUT.print(bad("mind:"), shown(warning), soft_wrap=True)


def print_asked(one: Export) -> None:
    """It waits for somebody; what to do next."""
    OUT.print(good("asked for:"), one.export_id)
    OUT.print("a second person has to agree: counterfoil export approve "
              f"{one.export_id} --as PERSON", soft_wrap=True)
    OUT.print(f"then: counterfoil export run {one.export_id} --out FOLDER", soft_wrap=True)


def print_made(one: Export, done: Done) -> None:
    """It is whole; what to do next."""
    OUT.print(good("made:"), done.folder, soft_wrap=True)
    OUT.print(f"export {one.export_id}: {custody.counts_words(one.finished[-1])}", soft_wrap=True)
    OUT.print(f"SHA-256 of tagmanifest-sha256.txt: {done.manifest_sha256}", soft_wrap=True)
    for note in done.notes:
        OUT.print(bad("mind:"), shown(note), soft_wrap=True)
    OUT.print(f"check it: counterfoil export verify {done.folder}", soft_wrap=True)
    OUT.print("when somebody gets it: counterfoil export handover "
              f"{one.export_id} --to NAME --how TEXT", soft_wrap=True)


def print_table(desk: ExportDesk, found: tuple[Export, ...]) -> None:
    """One line each."""
    table = Table("export", "title", "state", "asked for by", "at (UTC)", "approved by")
    table.columns[0].overflow = "fold"
    for one in found:
        asked = one.requested
        table.add_row(one.export_id, shown(asked.text("title") or asked.text("matter")),
                      desk.state_words(one), shown(asked.by), short(asked.at),
                      shown(one.approvals[-1].by) if one.approvals else "")
    OUT.print(table)


def print_doubts(unfounded: tuple[Act, ...], doubtful: int) -> None:
    """What somebody has to look at."""
    for act in unfounded:
        ERR.print(bad("unfounded:"), f"{shown(act.by)} recorded \"{act.action}\" of the export "
                  f"{act.export_id}, and no request, or no approval where one was needed, came "
                  "before it. Ask who did that", soft_wrap=True)
    if doubtful:
        ERR.print(bad("in doubt:"), f"of {doubtful} exports a record cannot be read: see "
                  "`counterfoil verify`", soft_wrap=True)


def print_export(desk: ExportDesk, one: Export) -> None:
    """What was asked for, and everything that was done with it."""
    OUT.print(strong(one.export_id), desk.state_words(one))
    for name, value in wording.lines(desk.chosen(one)):
        OUT.print(f"{name}: {shown(value)}", soft_wrap=True)
    for row in custody.lines(one):
        OUT.print(f"  {short(row['at'])}  {shown(row['who'])} {shown(row['words'])}",
                  soft_wrap=True)
        if row["sha256"]:
            OUT.print(f"      sha256 {row['sha256']}", soft_wrap=True)


def say(desk: ExportDesk, one: Export, *words: Any, json: bool) -> None:
    """The export as JSON, or these words."""
    if json:
        emit(line(desk, one))
    else:
        OUT.print(*words, soft_wrap=True)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


@contextmanager
def bar(*, hidden: bool) -> Iterator[Progress]:
    """A bar that is told how far it is."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())
    with Bar(*columns, console=ERR, transient=True, disable=hidden) as shown_bar:
        task = shown_bar.add_task("reading the archive", total=None)

        def told(what: str, done: int, total: int) -> None:
            shown_bar.update(task, description=what, completed=done, total=total or None)

        yield told
