"""`review …`: the queue, items and reports of reviews, for operators and automation.

Owns the words on the screen. What may be done is `search/review/`; whoever runs a command holds the
keys of the data folder, acts as the operator, and is recorded as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.table import Table

from infra.carry import carry_if_idle
from infra.embedded import folder
from infra.reviewing import Reviewing, month_of, new_seed, policy_of, sign
from infra.reviewing import verify as verify_signed
from infra.signin import state_store
from infra.verbs.audit import operating, recording
from infra.verbs.screen import ERR, OUT, bad, emit, good, instant, short, shown, strong
from infra.wire import Wire
from schemas.errors import Refused
from search.access.viewer import Viewer
from search.review import decisions, item, machine, signed
from search.review.desk import PAGE_DEFAULT
from search.review.item import ItemState
from search.review.questions import Filters
from search.review.reports import PeriodReport, as_json
from search.review.views import Done, Form, ItemView, QueueRow

_STYLES: Final = {"high": "bold red", "medium": "yellow", "low": "dim"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which items `queue` lists. `status` "" = what waits, "all" = everything."""

    status: str = ""
    severity: str = ""
    level: int = 0
    rule: str = ""
    assigned: str = ""
    overdue: bool = False
    limit: int = PAGE_DEFAULT
    cursor: str | None = None


@contextmanager
def _opened(wire: Wire) -> Iterator[tuple[Reviewing, Viewer]]:
    """The desk and who sits at it; what is recorded is stated and carried on at the end."""
    with recording(wire) as recorder:
        policy = policy_of(wire)
        yield Reviewing(wire, state_store(wire), lambda: policy, recorder), operating(wire)


def queue(wire: Wire, wanted: Wanted, *, json: bool) -> int:
    """What waits, the gravest first."""
    statuses = {"": Filters().status, "all": ()}.get(wanted.status, (wanted.status,))
    filters = Filters(status=statuses, severity=wanted.severity, level=wanted.level,
                      rule=wanted.rule, assigned=wanted.assigned, overdue=wanted.overdue)
    with _opened(wire) as (parts, viewer):
        page = parts.desk.queue(viewer, filters, wanted.limit, wanted.cursor)
    if json:
        for row in page.rows:
            emit(machine.row(row))
    elif page.rows:
        OUT.print(_table(page.rows, f"{len(page.rows)} of {page.total}"))
    else:
        OUT.print("nothing waits" if not wanted.status else "nothing found")
    if page.next:
        ERR.print(f"more: --cursor {page.next}", soft_wrap=True)
    return 0


def show(wire: Wire, message: str, *, json: bool) -> int:
    """One item: why it is there, what was done, what is wanted. Opening it changes nothing."""
    with _opened(wire) as (parts, viewer):
        view = parts.desk.open(viewer, message)
    if json:
        emit(machine.view(view))
    else:
        _print_view(view)
    return 0


def act(wire: Wire, message: str, form: Form, *, json: bool) -> int:
    """Any act; on the log when this returns."""
    with _opened(wire) as (parts, viewer):
        done = parts.desk.act(viewer, message, form)
    carry_if_idle(wire, lambda said: ERR.print(shown(said)))
    _print_done(done, json=json)
    return 0


def report(wire: Wire, month: str, out: Path | None, *, json: bool, force: bool = False) -> int:
    """The report of a month; with `out` the signed one, about the reviewers too, is written."""
    since, until = month_of(wire, month)
    if out is not None and out.exists() and not force:
        raise Refused(f"{out} is there already: --force writes over it")
    with _opened(wire) as (parts, viewer):
        found = parts.office.period(viewer, since, until)
        told = parts.office.accountability(viewer, since, until) if out is not None else None
    if out is not None and told is not None:
        folder.replace(out, sign(wire, {**told, "month": month}))
    if json:
        emit({"month": month, "file": str(out) if out else None, **as_json(found)})
        return 0
    _print_report(found, month)
    if out is not None:
        OUT.print(good("signed:"), str(out), soft_wrap=True)
    return 0


def narrow(wire: Wire, *, json: bool) -> int:
    """Words of rules that mostly hit what is nothing: for whoever writes the policies."""
    with _opened(wire) as (parts, viewer):
        found = parts.office.proposals(viewer)
    if json:
        for one in found:
            emit({"rule": one.rule, "words": one.phrase, "decided": one.decided,
                  "false_positive": one.false, "lost": one.lost, "gone": one.only})
        return 0
    if not found:
        OUT.print("no word stands out: too few items are decided, or the rules are right")
        return 0
    table = Table("rule", "words", "decided", "false positives", "gone without it",
                  "would be missed")
    for one in found:
        table.add_row(one.rule, shown(one.phrase), str(one.decided), str(one.false),
                      str(one.only), str(one.lost))
    OUT.print(table)
    OUT.print("Nothing has changed. Change the policy, give it a new version, and try it: "
              "counterfoil policy test")
    return 0


def seed(wire: Wire, month: str, *, json: bool) -> int:
    """Put the seed of a month's check of cleared items on record, before the month begins; done
    already, it says so."""
    since, until = month_of(wire, month)
    with _opened(wire) as (parts, viewer):
        known = parts.seed(since, until)
        if known is None:
            parts.record(new_seed(wire, viewer.person, since, until))
    carry_if_idle(wire, lambda said: ERR.print(shown(said)))
    if json:
        emit({"month": month, "since": instant(since), "until": instant(until),
              "new": known is None})
    else:
        OUT.print(good("on record" + (":" if known is None else " before:")),
                  f"the seed of the check for {month}; draw with `counterfoil review recheck "
                  f"{month}` when the month is over", soft_wrap=True)
    return 0


def recheck(wire: Wire, month: str, *, json: bool) -> int:
    """Draw from what was cleared in a month that is over, and open it again for somebody else than
    who cleared it. Run twice it draws the same."""
    since, until = month_of(wire, month)
    if wire.clock() < until:
        raise Refused(f"{month} ends at {instant(until)}: draw then")
    with _opened(wire) as (parts, viewer):
        known = parts.seed(since, until)
        if known is None:
            raise Refused(f"no seed for {month} is on record: it has to be there before the month "
                          "begins, so that nobody can choose it (`counterfoil review seed`)")
        drawn = parts.office.recheck(viewer, parts.desk, known)
    carry_if_idle(wire, lambda said: ERR.print(shown(said)))
    id_of = wire.tokenizer().document
    ids = [id_of(one.item.item_id) for one in drawn.drawn]
    if json:
        emit({"month": month, "cleared": drawn.count, "population": drawn.population,
              "drawn": ids})
        return 0
    OUT.print(f"{len(ids)} of {drawn.count} items that were cleared in {month} wait to be checked")
    for one in ids:
        OUT.print(f"  {one}")
    return 0


def verify_report(wire: Wire, path: Path, *, json: bool) -> int:
    """Whether a signed report is what a key of this firm signed; exit 1 if not."""
    if path.stat().st_size > signed.BYTES_MAX:
        raise Refused(f"{path} is larger than any report")
    try:
        read, key_id = verify_signed(wire, path.read_bytes())
    except Refused as error:
        if json:
            emit({"ok": False, "file": str(path), "key": None, "reason": str(error),
                  "month": None, "made_at": None, "made_by": None})
        else:
            OUT.print(bad("not verified:"), str(error), soft_wrap=True)
        return 1
    if json:
        emit({"ok": True, "file": str(path), "key": key_id.hex(), "reason": None,
              "month": read.get("month"), "made_at": instant(read.get("made_at")),
              "made_by": read.get("made_by")})
    else:
        OUT.print(good("verified:"), f"the report of {shown(str(read.get('month')))}, made by "
                  f"{shown(str(read.get('made_by')))} at {short(read.get('made_at'))} UTC, signed "
                  f"by key {key_id.hex()}", soft_wrap=True)
    return 0


# --- shapes and words ----------------------------------------------------------------------------


def _table(rows: tuple[QueueRow, ...], title: str) -> Table:
    table = Table("severity", "status", "rules", "due (UTC)", "with", "id", title=title)
    table.columns[5].min_width = 32
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        state = row.state
        holder = row.claim.person if row.claim else row.assigned_to
        table.add_row(state.severity, _status(state), " ".join(row.rules), short(row.due_at),
                      shown(holder) or "-", row.doc_id,
                      style=_STYLES.get(state.severity, ""))
    return table


def _status(state: ItemState) -> str:
    said = f"{state.status} {state.outcome}".strip()
    if state.level > decisions.LEVEL_FIRST:
        said += f", level {state.level}"
    return f"{said}, conflict" if state.conflict else said


def _print_view(view: ItemView) -> None:
    OUT.print(strong(f"{view.doc_id}  {_status(view.state)}"))
    if view.state.status == item.NONE:
        OUT.print("nobody has flagged or reviewed it")
    if view.due_at is not None:
        OUT.print(f"waits for a {view.state.needs or 'look'}; due {short(view.due_at)} UTC; "
                  f"why: {', '.join(view.state.why)}")
    for flag in view.history.flags:
        OUT.print(f"  {short(flag.at)}  {flag.severity}  {shown(flag.title())}: "
                  f"{shown(flag.reason)}")
    for one in view.history.acts:
        words = [one.says(), one.to, one.tag, one.reason, one.note]
        OUT.print(f"  {short(one.at)}  {shown(one.person)}: "
                  f"{shown(', '.join(word for word in words if word))}")
    OUT.print(f"the message itself: counterfoil show {view.doc_id}", soft_wrap=True)


def _print_done(done: Done, *, json: bool) -> None:
    if json:
        emit(machine.view(done.view))
        return
    OUT.print(good("recorded:" if not done.repeated else "recorded before:"),
              f"{done.view.doc_id} is {_status(done.view.state)}", soft_wrap=True)
    if done.view.state.needs == item.A_SECOND:
        OUT.print("a second person has to confirm it")


def _print_report(found: PeriodReport, month: str) -> None:
    OUT.print(strong(f"{month}: {found.population} items, {len(found.still_open)} still open, "
                     f"{found.overdue} overdue"))
    for title, counts in (("status", found.by_status), ("severity", found.by_severity),
                          ("rule", found.by_rule), ("waiting for", found.ageing)):
        OUT.print(_counts(title, counts))
    table = Table("rule", "items", "decided", "false positive", "clear", "breach", "precision")
    for one in found.rules:
        table.add_row(one.rule, str(one.items), str(one.decided), str(one.false_positive),
                      str(one.clear), str(one.breach),
                      "-" if one.precision is None else f"{round(100 * one.precision)} %")
    OUT.print(table)
    if found.still_open:
        OUT.print(strong("still open"))
        for document in found.still_open:
            OUT.print(f"  {document}")


def _counts(title: str, counts: Mapping[str, int]) -> Table:
    table = Table(title, "items")
    for name, count in counts.items():
        table.add_row(name, str(count))
    return table
