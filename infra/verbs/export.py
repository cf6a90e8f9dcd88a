"""`export`: a selection as a package, or as a request for one; and what others do about it.

Owns the order of a command: preview, yes, request, package. What may be done is
`infra/exportdesk.py`, what is in a package `infra/exports.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from infra.disposition_who import Identity, who
from infra.exportdesk import ExportDesk, HandOver, person_of, require_may
from infra.exportmaking import make, opened
from infra.exportpackage import Maker, exporter, hand_over_of, require_place, verified
from infra.exportplace import place_of
from infra.verbs import exportshown
from infra.verbs.assign import moment_of
from infra.verbs.audit import acting, record_act
from infra.verbs.screen import ERR, OUT, bad, emit, good, short, shown
from infra.wire import Wire
from schemas.errors import Missing, Refused
from schemas.exports import Export
from search.access import roles
from search.access.viewer import Viewer, operator
from search.export.granted import Preview
from search.export.wanted import INCLUDE, WITHHOLD, Wanted, formats_of

_LOGIN: Final = Identity()


@dataclass(frozen=True, slots=True)
class Typed:
    """A selection as typed. `since`, `until`: days in `zone`, or times with their offset."""

    query: str = ""
    ids: Sequence[str] = ()
    conversations: Sequence[str] = ()
    custodians: Sequence[str] = ()
    hold: str = ""
    since: str = ""
    until: str = ""
    context: int = 0
    is_privileged: bool = False
    matter: str = ""
    title: str = ""
    basis: str = ""
    formats: Sequence[str] = ()
    zone: str = ""
    prefix: str = ""

    def wanted(self, wire: Wire) -> Wanted:
        """Raises Refused for what cannot be meant."""
        for text in (self.query, self.matter, self.title, self.basis, self.hold, *self.ids,
                     *self.conversations, *self.custodians):
            if any("\ud800" <= char <= "\udfff" for char in text):
                raise Refused("a text that is no UTF-8: type it again")
        name = self.zone or wire.config.search.zone
        try:
            zone = ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise Refused(f"--zone: {name!r} is no zone such as Europe/Berlin") from error
        return Wanted(
            self.query.strip(), _each(self.ids), _each(self.conversations), _each(self.custodians),
            self.hold.strip(), moment_of("--from", self.since, zone),
            moment_of("--until", self.until, zone), self.context,
            INCLUDE if self.is_privileged else WITHHOLD, self.matter.strip(), self.title.strip(),
            self.basis.strip(), formats_of(self.formats), name,
            self.prefix or wire.config.export.prefix)


@dataclass(frozen=True, slots=True)
class How:
    """What a command is to do with a selection. `out`: the folder of the package; `resume`: one in
    which a package was interrupted; `agreed`: --yes; `maker`: what makes packages."""

    out: Path | None = None
    resume: Path | None = None
    is_preview: bool = False
    agreed: bool = False
    json: bool = False
    maker: Maker = exporter


def export(wire: Wire, typed: Typed, how: How, identity: Identity = _LOGIN) -> int:
    """Preview, then the package; or, where an approval is configured, the request for one."""
    if how.resume is not None:
        return _resume(wire, how.resume, how)
    chosen = typed.wanted(wire)
    needs = wire.config.export.approval
    if how.out is None and not needs and not how.is_preview:
        raise Refused("--out FOLDER: say where the package is made; --preview only counts")
    asker = _asker(wire, identity, is_asking=needs and not how.is_preview)
    require_may(asker, chosen)
    with _opened(wire) as desk:
        if how.out is not None and not how.is_preview:
            begun = desk.resumable(_place(how.out), digest=chosen.digest)
            if begun is not None and begun.requested.by == asker.person:
                return _made(wire, desk, begun, how.out, how)
            if not needs:
                require_place(how.out)
        found = _previewed(wire, asker, chosen, how)
        if how.is_preview:
            return 0
        if not found.matched:
            raise Refused("nothing fits, so there is nothing to export")
        _require_yes(how)
        asked = desk.request(chosen, asker)
        if not needs and how.out is not None:
            return _made(wire, desk, asked, how.out, how)
        if how.json:
            emit(exportshown.line(desk, asked))
        else:
            exportshown.print_asked(asked)
    return 0


def run(wire: Wire, export_id: str, how: How) -> int:
    """Make the package of a request; interrupted, it goes on when it is called again."""
    if how.out is None:
        raise Refused("--out FOLDER: say where the package is made")
    with _opened(wire) as desk:
        return _made(wire, desk, desk.export(export_id), how.out, how)


def approve(wire: Wire, export_id: str, note: str, identity: Identity = _LOGIN, *,
            json: bool) -> int:
    """The second person's word."""
    by = operator(who(wire, identity, roles.EXPORT))
    with _opened(wire) as desk:
        one = desk.approve(export_id, by, note)
        exportshown.say(desk, one, good("approved"), f"until "
                        f"{short(one.approvals[-1].number('until'))} UTC. Next: counterfoil export "
                        f"run {export_id} --out FOLDER", json=json)
    return 0


def refuse(wire: Wire, export_id: str, reason: str, identity: Identity = _LOGIN, *,
           json: bool) -> int:
    """No; nothing is made of this request."""
    by = operator(who(wire, identity, roles.EXPORT))
    with _opened(wire) as desk:
        exportshown.say(desk, desk.refuse(export_id, by, reason), good("refused:"),
                        "no package is made of this request", json=json)
    return 0


def listing(wire: Wire, *, json: bool) -> int:
    """Every export there ever was; exit 1 where one was made that nobody agreed to."""
    record_act(wire, "exports_listed")
    with _opened(wire) as desk:
        found = desk.record()
        if json:
            for one in found.exports:
                emit(exportshown.line(desk, one))
        elif found.exports:
            exportshown.print_table(desk, found.exports)
        else:
            OUT.print("nobody ever asked for an export")
        exportshown.print_doubts(found.unfounded, desk.doubtful())
    return 1 if found.unfounded else 0


def show(wire: Wire, export_id: str, *, json: bool) -> int:
    """One export: what was asked for, and everything that was done with it."""
    record_act(wire, "export_shown", {"export": export_id})
    with _opened(wire) as desk:
        one = desk.export(export_id)
        if json:
            emit(exportshown.line(desk, one))
        else:
            exportshown.print_export(desk, one)
    return 0


def hand_over(wire: Wire, export_id: str, given: HandOver, file: Path | None,
              identity: Identity = _LOGIN, *, json: bool) -> int:
    """Put on record who got it, when and how."""
    by = operator(_asker(wire, identity, is_asking=False).person)
    given = hand_over_of(given, file)
    with _opened(wire) as desk:
        exportshown.say(desk, desk.hand_over(export_id, by, given), good("on record:"),
                        f"handed over to {shown(given.to)}, {shown(given.how)}", json=json)
    return 0


def verify(folder: Path, log_key: str = "", package_key: str = "", *, json: bool) -> int:
    """What the verifier says of a package; its exit code."""
    found = verified(folder, log_key, package_key)
    if json:
        emit({"folder": str(folder), "ok": found.code == 0, "said": found.said.splitlines()})
    else:
        OUT.print(shown(found.said), end="", soft_wrap=True)
    return found.code


# -- helpers


def _opened(wire: Wire) -> AbstractContextManager[ExportDesk]:
    return opened(wire, _told)


def _told(words: str) -> None:
    ERR.print(shown(words), soft_wrap=True)


def _asker(wire: Wire, identity: Identity, *, is_asking: bool) -> Viewer:
    """Who asks, with what he may see. Where a second person has to agree, a login is nobody outside
    a trial; else it sees everything, and is recorded."""
    if not identity.person and not is_asking:
        return operator(acting(wire))
    name = who(wire, identity, roles.EXPORT)
    return person_of(wire, name) if identity.person else operator(name)


def _resume(wire: Wire, folder: Path, how: How) -> int:
    with _opened(wire) as desk:
        one = desk.resumable(_place(folder))
        if one is None:
            raise Missing(f"no export was interrupted in {folder}: see `counterfoil export list`; "
                          "`counterfoil export run ID --out FOLDER` goes on in a folder that was "
                          "moved")
        return _made(wire, desk, one, folder, how)


def _made(wire: Wire, desk: ExportDesk, one: Export, out: Path, how: How) -> int:
    with exportshown.bar(hidden=how.json) as progress:
        one, done = make(wire, desk, one, out, acting(wire), how.maker, progress)
    if how.json:
        emit(exportshown.line(desk, one))
    else:
        exportshown.print_made(one, done)
    return 0


def _previewed(wire: Wire, viewer: Viewer, chosen: Wanted, how: How) -> Preview:
    record_act(wire, "export_preview", {
        "person": viewer.person, "request": chosen.digest, **{
            name: value for name, value in (("query", chosen.query), ("basis", chosen.basis))
            if value}})
    with exportshown.bar(hidden=how.json) as progress:
        found = how.maker(wire, viewer, progress).preview(chosen)
    if not how.json:
        exportshown.print_preview(found)
    elif how.is_preview:
        emit(exportshown.preview_line(found))
    else:
        for warning in found.warnings:
            ERR.print(bad("mind:"), shown(warning), soft_wrap=True)
    return found


def _place(folder: Path) -> str:
    return str(place_of(folder))


def _each(values: Sequence[str]) -> tuple[str, ...]:
    """In one order, each once: the same selection is the same request."""
    return tuple(sorted({one.strip() for one in values if one.strip()}))


def _require_yes(how: How) -> None:
    if how.agreed:
        return
    if how.json or not sys.stdin.isatty():
        raise Refused("--yes: say that this is what you want; --preview shows it first")
    ERR.print("Go on? [y/N] ", end="")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Refused("nothing was asked for, and nothing was made")
