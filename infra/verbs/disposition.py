"""`disposition …`: what is due, lists, approvals, destruction and certificates.

Owns the words on the screen. What may be done is `infra/disposition.py`; who does it,
`infra/disposition_who.py`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from archive import certificate as certificates
from archive.disposition import EMPTY, Standing
from infra.carry import if_nobody_runs
from infra.disposition import Disposer, verifiers
from infra.disposition_told import Told
from infra.disposition_who import Identity, who
from infra.verbs.assign import moment_of
from infra.verbs.audit import acting, record_act
from infra.verbs.newfile import write_new
from infra.verbs.screen import ERR, OUT, bad, emit, good, instant, short, shown, strong
from infra.wire import Wire
from schemas import disposition
from schemas.disposition import Act, Listing
from schemas.errors import Missing, Refused

_ROWS_MAX: Final = 200
_STEP_S: Final = 1.0
_WORDS: Final[Mapping[str, str]] = {
    disposition.LISTED: "waits for approval", disposition.REFUSED: "refused",
    disposition.APPROVED: "approved", disposition.INTENT: "announced, not finished",
    disposition.ERASED: "erased, certificate missing", disposition.CERTIFIED: "erased"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is to name: of whom and of which month, or these keys. Empty = all that is due.
    """

    custodian: str = ""
    month: str = ""
    keys: Sequence[str] = ()


@contextmanager
def at_work(wire: Wire, by: str) -> Iterator[Disposer]:
    """Somebody who looks: at all that was said, where nobody else sees to that."""
    with _acting(wire, by) as work:
        _settled(work)
        yield work


@contextmanager
def _acting(wire: Wire, by: str) -> Iterator[Disposer]:
    """Somebody at work, alone on an embedded folder where nothing runs. Whatever acts settles."""
    def told(words: str) -> None:
        ERR.print(shown(words), soft_wrap=True)

    with if_nobody_runs(wire.home) as is_ours:
        yield Disposer(wire, by, told, _paused, is_alone=is_ours and wire.config.embedded)


def more(count: int, where: str = "--json") -> str:
    """What a table says of rows that it leaves out, and what lists them all."""
    return f"and {count} more ({where} lists all)"


def _paused(ms: int) -> None:
    until = time.monotonic() + ms / 1000
    while time.monotonic() < until:
        time.sleep(_STEP_S)


def due(wire: Wire, at: str, *, json: bool, every: bool) -> int:
    """What may go, and of the rest why not and until when. Destroys nothing."""
    then = moment_of("--at", at)
    record_act(wire, "disposition_due")
    with at_work(wire, acting(wire)) as work:
        found = work.standings(then)
    if json:
        for one in found:
            if one.is_due or every:
                emit(_standing(one))
        return 0
    shows = [one for one in found if one.is_due or every]
    if shows:
        table = Table("key", "whose", "class", "month", "records", "may it go?", "from (UTC)")
        table.columns[0].overflow = "fold"
        for one in shows[:_ROWS_MAX]:
            facts = one.facts
            table.add_row(
                one.name, shown(facts.custodian or facts.role) if facts else "?",
                shown(facts.retention_class) if facts else "?", facts.month if facts else "?",
                str(one.seen.events), good("yes") if one.is_due else shown(one.words),
                short(one.until)[:10] if one.until else "")
        if len(shows) > _ROWS_MAX:
            table.caption = more(len(shows) - _ROWS_MAX)
        OUT.print(table)
    counts = Counter(one.why for one in found if not one.is_due and one.why != EMPTY)
    kept = ", ".join(f"{count} for {why.replace('_', ' ')}" for why, count in counts.most_common())
    dates = [one.until for one in found if one.until is not None]
    OUT.print(f"{sum(one.is_due for one in found)} groups are due; kept: {kept or 'none'}"
              + (f"; the next date is {short(min(dates))[:10]}" if dates else ""))
    return 0


def make_list(wire: Wire, wanted: Wanted, identity: Identity, *, json: bool) -> int:
    """Put a list on record, for somebody else to approve."""
    by = who(wire, identity)
    with _acting(wire, by) as work:
        names = _chosen(work, wanted)
        made = work.make_list(names)
        _settled(work)
    if json:
        emit(_listing(made))
        return 0
    OUT.print(good("on record:"), made.list_id)
    _print_domains(made.listed)
    OUT.print(f"next, by somebody else: counterfoil disposition approve {made.list_id}")
    return 0


def approve(wire: Wire, list_id: str, identity: Identity, *, json: bool) -> int:
    """The second person's word."""
    by = who(wire, identity)
    with _acting(wire, by) as work:
        listing = work.approve(list_id)
        _settled(work)
    if json:
        emit(_listing(listing))
        return 0
    act = listing.approved
    assert act is not None
    OUT.print(good("approved by"), shown(act.by))
    OUT.print(f"from {short(act.at + listing.wait_ms)} on: counterfoil disposition run {list_id}")
    return 0


def refuse(wire: Wire, list_id: str, reason: str, identity: Identity, *, json: bool) -> int:
    """No; the list is dead."""
    by = who(wire, identity)
    with _acting(wire, by) as work:
        listing = work.refuse(list_id, reason)
        _settled(work)
    if json:
        emit(_listing(listing))
    else:
        OUT.print(good("refused:"), "nothing of this list is destroyed")
    return 0


def run(wire: Wire, list_id: str, *, json: bool) -> int:
    """Destroy what an approved list names; interrupted, it goes on when it is called again."""
    with _acting(wire, acting(wire)) as work:
        done = work.run(list_id)
    if json:
        emit(_listing(done))
        return 0
    OUT.print(good("erased:"), f"{len(done.erased)} keys")
    kept = done.meant - done.erased
    if kept:
        OUT.print(bad("kept:"), f"{len(kept)} keys; the certificate says why")
    OUT.print(f"next: counterfoil disposition certificate {list_id} --out FILE")
    return 0


def status(wire: Wire, *, json: bool) -> int:
    """Every list there ever was, and how far it came; exit 1 while one is not finished."""
    with at_work(wire, acting(wire)) as work:
        found = work.survey().record
    # What another list erased meanwhile is not waited for.
    open_now = [one for one in found.listings if one.state == disposition.ERASED or (
        one.state == disposition.INTENT and not one.meant <= found.erased)]
    if json:
        for one in found.listings:
            emit(_listing(one))
    elif found.listings:
        table = Table("list", "state", "keys", "erased", "listed by", "approved by")
        table.columns[0].overflow = "fold"
        for one in found.listings:
            table.add_row(one.list_id, _WORDS[one.state], str(len(one.keys)),
                          str(len(one.erased)), shown(one.listed.by),
                          shown(one.approved.by) if one.approved else "")
        OUT.print(table)
    else:
        OUT.print("there never was a list")
    for act in found.unfounded:
        ERR.print(bad("unfounded:"), f"{shown(act.by)} says that {len(act.keys)} keys were erased, "
                  "and no list, approval and intent came before it", soft_wrap=True)
    return 1 if open_now or found.unfounded else 0


def certificate(wire: Wire, list_id: str, out: Path | None, *, json: bool) -> int:
    """The certificate of a list, as it is on record."""
    record_act(wire, "disposition_certificate", {"list": list_id})
    with at_work(wire, acting(wire)) as work:
        listing = work.listing(list_id, work.survey().record)
    if listing.certificate is None:
        raise Missing(f"the list {list_id} has no certificate: it {_WORDS[listing.state]}")
    text = str(listing.certificate.value("text"))
    if out is not None:
        write_new(out, text.encode(), 0o644)
    if json:
        emit({"list": list_id, "file": str(out) if out else None, "certificate": text})
    elif out is None:
        OUT.print(text, end="", soft_wrap=True)
    else:
        OUT.print(good("written:"), str(out), soft_wrap=True)
    return 0


def check_certificate(wire: Wire, file: Path, *, json: bool) -> int:
    """Whether a certificate is what this firm's key signed; 1 if not."""
    try:
        text = file.read_bytes().decode("utf-8")
    except OSError as error:
        raise Missing(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError:
        text = ""
    try:
        values: Mapping[str, Any] | None = certificates.check(text, verifiers(wire))
        reason = ""
    except Refused as error:
        values, reason = None, str(error)
    if json:
        emit({"ok": values is not None, "reason": reason or None,
              "list": values["list"] if values else None,
              "records": sum(one["events"] for one in values["domains"]) if values else None})
    elif values is None:
        OUT.print(bad("not good:"), shown(reason), soft_wrap=True)
    else:
        OUT.print(good("signed by this firm's key, and whole:"), f"list {values['list']}, "
                  f"{sum(one['events'] for one in values['domains'])} records erased")
    return 0 if values is not None else 1


def backup_destroyed(wire: Wire, backup_id: str, identity: Identity, *, json: bool) -> int:
    """Put on record that somebody destroyed the file of a key backup; a later certificate says so.
    """
    if not disposition.is_id(backup_id):
        raise Refused("the id of a backup is 32 digits: a certificate names it")
    by = who(wire, identity)
    with at_work(wire, by) as work:
        known = Told(wire, work.told).still(work.survey().record.listings).backups
        if backup_id not in known:
            raise Missing(f"no backup {backup_id} is on record: a certificate names each one")
        act = Act(disposition.BACKUP_GONE, backup_id, wire.clock(), by)
        work.say(act)
        _settled(work)
    if json:
        emit({"backup": backup_id, "by": by, "at": instant(act.at)})
    else:
        OUT.print(good("on record:"), f"{shown(by)} says that this backup is destroyed")
    return 0


def _chosen(work: Disposer, wanted: Wanted) -> Sequence[str] | None:
    if wanted.keys:
        return wanted.keys
    if not wanted.custodian and not wanted.month:
        return None
    meant = [one for one in work.standings(found=work.settled()) if one.facts
             and wanted.custodian in ("", one.facts.custodian)
             and wanted.month in ("", one.facts.month) and one.why != EMPTY]
    due_now = [one.name for one in meant if one.is_due]
    if not due_now:
        raise Refused("nothing of it is due: " + (_first_ground(meant) or "nothing is archived"))
    return due_now


def _first_ground(found: Sequence[Standing]) -> str:
    return "; ".join(dict.fromkeys(
        one.words + (f", until {short(one.until)[:10]}" if one.until else "")
        for one in found[:5]))


def _settled(work: Disposer) -> None:
    """What was said is archived and found, where nobody else sees to that."""
    if work.is_alone:
        work.settle()


def _print_domains(listed: Act) -> None:
    table = Table("whose", "class", "month", "compartment", "records", "segments")
    rows = list(listed.value("domains") or ())
    for row in rows[:_ROWS_MAX]:
        table.add_row(shown(str(row["custodian"] or row["role"])), shown(str(row["class"])),
                      str(row["month"]), shown(str(row["compartment"])), str(row["events"]),
                      str(row["segments"]))
    if len(rows) > _ROWS_MAX:
        table.caption = more(len(rows) - _ROWS_MAX, "`disposition status --json`")
    OUT.print(table)
    OUT.print(strong(f"{len(listed.keys)} groups"))


def _standing(one: Standing) -> dict[str, Any]:
    facts = one.facts
    return {"key": one.name, "due": one.is_due, "why": one.why, "words": one.words,
            "until": instant(one.until), "custodian": facts.custodian if facts else None,
            "class": facts.retention_class if facts else None,
            "month": facts.month if facts else None,
            "compartment": facts.compartment if facts else None,
            "years": facts.years if facts else None, "records": one.seen.events,
            "segments": one.seen.segments}


def _listing(one: Listing) -> dict[str, Any]:
    approved, refused = one.approved, one.refused
    return {
        "list": one.list_id, "state": one.state, "keys": sorted(one.keys),
        "erased": sorted(one.erased), "listed_by": one.listed.by,
        "listed_at": instant(one.listed.at), "approved_by": approved.by if approved else None,
        "approved_at": instant(approved.at) if approved else None,
        "runs_from": instant(approved.at + one.wait_ms) if approved else None,
        "refused_by": refused.by if refused else None,
        "reason": refused.said if refused else None,
        "certificate": one.certificate is not None}

