"""`hold …`: place, list, show, release and try out legal holds, for operators and automation.

Owns the words on the screen. What may be done is `search/hold/desk.py`, what a hold means
`archive/holds.py`. Whoever runs a command holds the keys of the data folder, acts as the operator,
and is recorded as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from archive.holds import ASKED, RELEASED, Hold
from infra.carry import carry_if_idle, if_nobody_runs, index_all
from infra.disposition_who import Identity, who
from infra.holds import Holding
from infra.holdsimulation import Simulation, simulated
from infra.holdwatch import settle
from infra.verbs.audit import acting, recording
from infra.verbs.screen import ERR, OUT, bad, emit, good, short, shown, strong
from infra.wire import Wire
from schemas import domains
from schemas.errors import Refused
from schemas.holdacts import Scope
from search.access import roles
from search.access.viewer import Viewer, operator
from search.audit import Auditor, AuditSettings
from search.hold import machine
from search.hold.desk import HoldDesk, Ports
from search.index import Index

_STATES: Final = {RELEASED: "released", ASKED: "in force, release asked for"}
_ROWS_MAX: Final = 20
_LOGIN: Final = Identity()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A scope as typed. `since`, `until`: days, both included, in the firm's zone."""

    custodians: Sequence[str] = ()
    matters: Sequence[str] = ()
    conversations: Sequence[str] = ()
    since: str = ""
    until: str = ""
    query: str = ""

    def scope(self, zone: ZoneInfo) -> Scope:
        """Raises Refused for what is no date."""
        return Scope(tuple(self.custodians), tuple(self.matters), tuple(self.conversations),
                     _day(self.since, zone, 0), _day(self.until, zone, 1), self.query.strip())


@dataclass(frozen=True, slots=True)
class _Opened:
    desk: HoldDesk
    parts: Holding
    viewer: Viewer
    index: Index | None


@contextmanager
def _opened(wire: Wire, person: str = "") -> Iterator[_Opened]:
    """The desk and who sits at it, without a name the login; what is recorded is stated at the end.
    """
    with recording(wire) as recorder:
        parts = Holding(wire)
        index = parts.index()
        auditor = Auditor(recorder, AuditSettings(
            domains.ROLE_NAMES[domains.FIRM], wire.directory().firm_years()), wire.clock,
            wire.random)
        desk = HoldDesk(Ports(
            recorder=recorder, records=auditor, facts=lambda: parts.facts(index),
            check=lambda scope: parts.check(index, scope),
            firm_years=lambda: wire.directory().firm_years(), clock=wire.clock,
            random=wire.random))
        yield _Opened(desk, parts, operator(person or acting(wire)), index)


def place(wire: Wire, name: str, ground: str, wanted: Wanted, *, json: bool) -> int:
    """Place a hold; on the log when this returns, and in force."""
    scope = wanted.scope(ZoneInfo(wire.config.search.zone))
    with _opened(wire) as at:
        placed = at.desk.place(at.viewer, name, ground, scope)
        named = at.parts.names(at.index, placed.scopes[0])
    with _said_anyway(wire, placed, "placed:", json=json):
        if not json and named is not None:
            OUT.print(f"it names {named} messages now" if named else bad(
                "it names no message yet:"), *(() if named else (
                    "it holds what comes. Is it what you meant?",)))
    return 0


def listing(wire: Wire, *, json: bool, every: bool) -> int:
    """The holds in force, the oldest first; `every`: the released ones too."""
    with _opened(wire) as at:
        found = [one for one in at.desk.holds(at.viewer) if every or one.is_in_force()]
        doubts = at.desk.doubts(at.viewer)
    if json:
        for one in found:
            emit(machine.hold(one))
    elif found:
        table = Table("id", "name", "what", "state", "placed (UTC)", "by")
        table.columns[0].min_width = 16
        for one in found:
            table.add_row(one.hold_id, shown(one.name), shown(scope_words(one.scopes[0])),
                          _STATES.get(one.state, "in force"), short(one.placed_at),
                          shown(one.by))
        OUT.print(table)
    else:
        OUT.print("no hold is in force" if not every else "there never was a hold")
    for doubt in doubts:
        ERR.print(bad("in doubt:"), f"{shown(doubt)}. Until that is put right no key is destroyed.",
                  soft_wrap=True)
    return 0


def show(wire: Wire, hold_id: str, *, json: bool) -> int:
    """One hold: what it keeps now, and everything that was done with it."""
    with _opened(wire) as at:
        found = at.desk.hold(at.viewer, hold_id)
        kept = _simulated(wire, at, found.scopes, json=json) if found.is_in_force() else None
    if json:
        emit({**machine.hold(found), "keeps": kept.machine() if kept else None})
        return 0
    OUT.print(strong(f"{found.hold_id}  {shown(found.name)}"),
              _STATES.get(found.state, "in force"))
    OUT.print(f"ground: {shown(found.ground)}", soft_wrap=True)
    for scope in found.scopes:
        OUT.print(f"holds: {shown(scope_words(scope))}", soft_wrap=True)
    for one in found.history:
        act = one.act
        OUT.print(f"  {short(act.at)}  {shown(act.person)}: {act.action.replace('_', ' ')}"
                  + (f", {shown(act.reason)}" if act.reason else ""), soft_wrap=True)
    if kept is not None:
        _print_simulation(kept)
    return 0


def release(wire: Wire, hold_id: str, reason: str, identity: Identity = _LOGIN, *, grant: bool,
            refuse: bool, json: bool) -> int:
    """Ask for a release, or answer somebody else's request. Outside a trial a login is nobody: two
    names of one login would be two people."""
    if grant and refuse:
        raise Refused("--grant or --refuse, not both")
    with _opened(wire, who(wire, identity, roles.HOLD_RELEASE)) as at:
        act = at.desk.grant if grant else at.desk.refuse if refuse else at.desk.ask
        found = act(at.viewer, hold_id, reason)
    with _said_anyway(wire, found, "granted:" if grant else "refused:" if refuse else "asked for:",
                      json=json):
        return 0


def simulate(wire: Wire, wanted: Wanted, *, json: bool) -> int:
    """What a hold of this scope would keep, and what it would cost. Nothing is placed; that
    somebody looked is recorded."""
    scope = wanted.scope(ZoneInfo(wire.config.search.zone))
    with _opened(wire) as at:
        at.desk.look_ahead(at.viewer, scope)
        found = _simulated(wire, at, (scope,), json=json)
    if json:
        emit({"scope": machine.scope(scope), **found.machine()})
    else:
        OUT.print(f"would hold: {shown(scope_words(scope))}", soft_wrap=True)
        _print_simulation(found)
    return 0


def apply(wire: Wire, *, again: bool, json: bool) -> int:
    """Bring the store up to date with the holds now; `again`: tell it everything once more. 1 where
    the store did not take all of it."""
    with if_nobody_runs(wire.home) as is_ours:
        if not is_ours:
            raise Refused("`run` does this by itself; to have it told again, stop it first")
        if again:
            with closing(Holding(wire).map()) as known:
                known.forget()
        index_all(wire)
        index = Holding(wire).index()
        told: Mapping[str, Any] = settle(wire, index) if index is not None else {}
    waiting, said = told.get("waiting", 0), str(told.get("said", ""))
    figures = {"holds": told.get("holds", 0), "objects": told.get("held_objects", 0),
               "requests": told.get("hold_requests", 0), "waiting": waiting}
    if json:
        emit(figures)
    else:
        OUT.print(bad("not done:") if waiting else good("done:"), f"{figures['holds']} holds in "
                  f"force, the store holds {figures['objects']} objects; {figures['requests']} "
                  "requests")
    if waiting:
        ERR.print(bad(f"{waiting} objects wait for the store:"), shown(said), soft_wrap=True)
    elif said:
        ERR.print(bad("in doubt:"), shown(said), soft_wrap=True)
    return 1 if waiting else 0


def scope_words(scope: Scope) -> str:
    """A scope in words."""
    said = [f"{name} {' or '.join(values)}" for name, values in (
        ("custodian", scope.custodians), ("matter", scope.matters),
        ("conversation", scope.conversations)) if values]
    if scope.since is not None:
        said.append(f"from {domains.month_text(scope.since)}")
    if scope.until is not None:
        said.append(f"to {domains.month_text(max(scope.until - 1, 0))}")
    return "; ".join([*said, *([scope.query] if scope.query else [])])


def _simulated(wire: Wire, at: _Opened, scopes: Sequence[Scope], *, json: bool) -> Simulation:
    columns = (SpinnerColumn(), TextColumn("{task.description}"),
               TextColumn("{task.completed}"), TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True, disable=json) as progress:
        task = progress.add_task("reading the archive", total=None)

        def told(what: str, done: int) -> None:
            progress.update(task, description=what, completed=done)

        return simulated(wire, at.parts, at.index, scopes, told)


@contextmanager
def _said_anyway(wire: Wire, hold: Hold, said: str, *, json: bool) -> Iterator[None]:
    """The act is on the log: whoever gave it is told so, whatever fails while the store is told."""
    _print_done(hold, said, json=json)
    yield
    carry_if_idle(wire, lambda told: ERR.print(shown(told)))


def _print_done(hold: Hold, said: str, *, json: bool) -> None:
    if json:
        emit(machine.hold(hold))
        return
    OUT.print(good(said), f"{hold.hold_id} ({shown(hold.name)})", soft_wrap=True)
    if hold.state == ASKED:
        OUT.print("it stays in force until a second person grants it: counterfoil hold release "
                  f"{hold.hold_id} --grant --reason …", soft_wrap=True)
    elif hold.state == RELEASED:
        OUT.print("it has ended. What only this hold kept may be disposed of when its class ends")
    else:
        OUT.print("keys stay from now on; the store is told object by object (`counterfoil "
                  "status`)", soft_wrap=True)


def _print_simulation(found: Simulation) -> None:
    OUT.print(f"{found.messages if found.messages is not None else 'unknown'} messages, in "
              f"{len(found.domains)} key domains with {found.records} records; {found.objects} "
              f"objects, {found.bytes} bytes; {found.requests} requests to the store, "
              f"{found.requests_left} of them still to come", soft_wrap=True)
    for doubt in found.doubts:
        OUT.print(bad("in doubt, so held:"), shown(doubt), soft_wrap=True)
    table = Table("custodian", "class", "month", "compartment", "why", title="key domains")
    for one in found.domains[:_ROWS_MAX]:
        table.add_row(shown(one.custodian) or one.role, shown(one.retention_class), one.month,
                      shown(one.compartment), one.why + (f": {shown(one.detail)}"
                                                         if one.detail else ""))
    if found.domains:
        OUT.print(table)
    if len(found.domains) > _ROWS_MAX:
        OUT.print(f"and {len(found.domains) - _ROWS_MAX} more (--json lists all)")


def _day(text: str, zone: ZoneInfo, days: int) -> int | None:
    """The first instant of a day, or of the one after it (UTC ms)."""
    if not text:
        return None
    try:
        found = date.fromordinal(date.fromisoformat(text).toordinal() + days)
        return round(datetime.combine(found, time(), zone).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise Refused("--from and --to: write 2026-11-30") from error


