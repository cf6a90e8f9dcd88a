"""`person …`: what is held about somebody, a request to erase it, and a copy of it for them.

Owns the words on the screen; what is looked up and written is `infra/disposition_person.py`. Each
look is on the log before it is answered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from rich.table import Table

from archive.disposition import Standing
from infra.disposition_person import Group, Held, PersonDesk
from infra.verbs.audit import acting, record_act
from infra.verbs.disposition import at_work, more
from infra.verbs.screen import OUT, emit, good, instant, short, shown, strong
from infra.wire import Wire

_ROWS_MAX: Final = 200
_EVERY: Final = "`person held --json`"
_PLAIN: Final = ("What can be erased alone is a group: one custodian's records of one class and "
                 "month. Where it holds other people's records too, it goes when its time is over, "
                 "with all of them.")


def held(wire: Wire, person: str, *, json: bool) -> int:
    """What is held about somebody, and until when."""
    record_act(wire, "person_held", {"person": person})
    with at_work(wire, acting(wire)) as work:
        found = PersonDesk(work).held(person)
    if json:
        emit(_held(found))
        return 0
    if not found.records:
        OUT.print("nothing is held about them")
        return 0
    OUT.print(strong(f"{found.records} records in {len(found.conversations)} conversations"),
              f"from {short(found.first_at)} to {short(found.last_at)}")
    for one in list(found.own.values())[:_ROWS_MAX]:
        name = f" ({shown(one.display_name)})" if one.display_name else ""
        OUT.print(f"  found as: {shown(one.native_id)}{name}")
    if len(found.own) > _ROWS_MAX:
        OUT.print(f"  {more(len(found.own) - _ROWS_MAX, _EVERY)}")
    OUT.print(f"  third parties in them: {len(found.others)}")
    if found.unread:
        OUT.print(f"  {found.unread} records cannot be read any more")
    _print_groups(found)
    OUT.print(_PLAIN, soft_wrap=True)
    return 0


def erase(wire: Wire, person: str, ground: str, *, json: bool) -> int:
    """Put a request on record. What may not go is refused with its ground and date, and waits."""
    with at_work(wire, acting(wire)) as work:
        act, found = PersonDesk(work).ask(person, ground)
    if json:
        emit({"request": act.subject, **_held(found)})
        return 0
    OUT.print(good("on record:"), act.subject)
    _print_groups(found)
    ready = [one for one in found.groups if one.standing.is_due]
    if ready:
        OUT.print(f"{len(ready)} groups may go now: counterfoil disposition list, then somebody "
                  "else approves it")
    if len(ready) < len(found.groups):
        OUT.print("The rest is refused for now, on the grounds above, and waits until they end.")
    OUT.print(_PLAIN, soft_wrap=True)
    return 0


def listed(wire: Wire, *, json: bool) -> int:
    """Every request that waits, and what of it may go now."""
    record_act(wire, "person_requests")
    with at_work(wire, acting(wire)) as work:
        survey = work.survey()
        record = survey.record
        erased = record.erased
        waiting = [(one, one.keys - erased) for one in record.waiting()]
        standings = {one.name: one for one in work.standings(found=survey)} if waiting else {}
    rows: list[dict[str, Any]] = []
    for act, keys in waiting:
        left = [standings[name] for name in sorted(keys) if name in standings]
        until = max((one.until for one in left if one.until is not None), default=None)
        rows.append({"request": act.subject, "person": act.value("person"), "ground": act.said,
                     "asked_at": instant(act.at), "asked_by": act.by, "groups": len(act.keys),
                     "left": len(left), "due": sum(one.is_due for one in left),
                     "until": instant(until), "why": sorted({one.why for one in left})})
    if json:
        for row in rows:
            emit(row)
        return 0
    if not rows:
        OUT.print("no request waits")
        return 0
    table = Table("request", "person", "asked (UTC)", "groups left", "may go now", "last until")
    table.columns[0].overflow = "fold"
    for row, (act, _) in zip(rows, waiting, strict=True):
        table.add_row(row["request"], shown(str(row["person"])), short(act.at),
                      f"{row['left']} of {row['groups']}", str(row["due"]),
                      (row["until"] or "")[:10])
    OUT.print(table)
    return 0


def access(wire: Wire, person: str, out: Path, *, json: bool) -> int:
    """A copy of what is held about somebody, other people marked."""
    record_act(wire, "person_access", {"person": person, "folder": out.name})
    with at_work(wire, acting(wire)) as work:
        records, others = PersonDesk(work).package(person, out)
    if json:
        emit({"folder": str(out), "records": records, "third_parties": others})
        return 0
    OUT.print(good("written:"), f"{records} records, {others} third parties marked, in {out}",
              soft_wrap=True)
    OUT.print("Read every text before you hand it over: names that the archive does not know are "
              "not marked. README.txt says what is not in it.")
    return 0


def _print_groups(found: Held) -> None:
    table = Table("custodian", "class", "month", "of them", "in all", "may it go?", "from (UTC)")
    for one in found.groups[:_ROWS_MAX]:
        standing, facts = one.standing, one.standing.facts
        table.add_row(
            shown(facts.custodian or facts.role) if facts else "?",
            shown(facts.retention_class) if facts else "?", facts.month if facts else "?",
            str(one.records), str(standing.seen.events), _answer(standing),
            short(standing.until)[:10] if standing.until else "")
    if len(found.groups) > _ROWS_MAX:
        table.caption = more(len(found.groups) - _ROWS_MAX, _EVERY)
    OUT.print(table)


def _answer(standing: Standing) -> str:
    return "yes, when two people say so" if standing.is_due else shown(standing.words)


def _held(found: Held) -> dict[str, Any]:
    return {
        "person": found.person, "records": found.records,
        "conversations": len(found.conversations), "kinds": dict(sorted(found.kinds.items())),
        "from": instant(found.first_at), "to": instant(found.last_at),
        "identities": [{"id": one.native_id, "type": one.id_type, "name": one.display_name}
                       for one in found.own.values()],
        "third_parties": len(found.others), "unread": found.unread,
        "groups": [_group(one) for one in found.groups]}


def _group(one: Group) -> dict[str, Any]:
    facts = one.standing.facts
    return {"key": one.standing.name, "records": one.records,
            "records_in_all": one.standing.seen.events, "alone": one.is_alone,
            "custodian": facts.custodian if facts else None,
            "class": facts.retention_class if facts else None,
            "month": facts.month if facts else None,
            "compartment": facts.compartment if facts else None,
            "due": one.standing.is_due, "why": one.standing.why, "words": one.standing.words,
            "until": instant(one.standing.until)}
