"""Exports in the console: the desk for any number of threads, and packages made in the background.

Owns what is shown to whom, and that each look is on record. Implements
`search.web.exporting.ExportsPort`; what may be done is `infra/exportdesk.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from infra.consolescope import Threads
from infra.exportacts import ActReader, Known
from infra.exportdesk import ExportDesk, HandOver, require_may, scope_digest
from infra.exportpackage import Maker, exporter
from infra.exportrun import Run, folder_of
from infra.exportzip import zipped
from infra.wire import Wire
from schemas.disposition import same_person
from schemas.errors import Missing, Refused, Transient
from schemas.exports import Act, Export
from schemas.recorder import Recorder
from search.access import roles
from search.access.scoped import quiet
from search.access.viewer import Viewer
from search.audit import Auditor
from search.export import custody, wording
from search.export.granted import Preview, silent
from search.export.wanted import INCLUDE, Wanted
from search.index import TooBroad
from search.query import TooManyWords
from search.web.exporting import FAILED, RUNNING, Download, ExportView, Given, Terms

LISTED: Final = "exports_listed"
SHOWN: Final = "export_shown"
PREVIEWED: Final = "export_preview"
BEGUN: Final = "export_run"
LOADED: Final = "export_downloaded"
# Packages that are made at a time, and previews: each reads much of the archive.
_RUNNING_MAX: Final = 1


class ConsoleExports:
    """For any number of threads. `recorder`: of the search role; `maker`: what makes previews."""

    def __init__(self, wire: Wire, threads: Threads, auditor: Auditor, recorder: Recorder,
                 maker: Maker = exporter, run: Callable[..., Run] = Run) -> None:
        self._wire, self._threads, self._auditor = wire, threads, auditor
        self._recorder, self._maker, self._run = recorder, maker, run
        self._local = threading.local()
        self._lock = threading.Lock()
        self._previews = threading.Semaphore(_RUNNING_MAX)
        # What was said here, until the index has it.
        self._said: frozenset[Act] = frozenset()
        self._runs: dict[str, Run] = {}

    def terms(self, viewer: Viewer) -> Terms:
        """See ExportsPort."""
        viewer.require(roles.EXPORT)
        config = self._wire.config
        return Terms(config.search.zone, config.export.prefix, config.export.approval,
                     config.export.folder is not None, roles.PRIVILEGED in viewer.may)

    def every(self, viewer: Viewer) -> tuple[tuple[ExportView, ...], tuple[str, ...]]:
        """See ExportsPort."""
        viewer.require(roles.EXPORT)
        desk = self._desk()
        record = desk.record()
        self._look(LISTED, viewer, count=str(len(record.exports)))
        said = [f"{act.by} recorded “{act.action}” of the export {act.export_id}, and no request, "
                "or no approval where one was needed, came before it. Ask who did that"
                for act in record.unfounded]
        if desk.doubtful():
            said.append(f"of {desk.doubtful()} exports a record cannot be read: the operator has "
                        "“counterfoil verify”")
        return tuple(self._view(desk, one, viewer) for one in reversed(record.exports)), tuple(said)

    def one(self, viewer: Viewer, export_id: str) -> ExportView:
        """See ExportsPort."""
        viewer.require(roles.EXPORT)
        desk = self._desk()
        found = desk.export(export_id)
        self._look(SHOWN, viewer, export=export_id)
        return self._view(desk, found, viewer)

    def preview(self, viewer: Viewer, wanted: Wanted) -> Preview:
        """See ExportsPort."""
        viewer = own_eyes(viewer)
        require_may(viewer, wanted)
        if not self._previews.acquire(timeout=1):
            raise Refused("somebody else looks how much an export would be: try again in a moment")
        try:
            self._look(PREVIEWED, viewer, request=wanted.digest, query=wanted.query,
                       basis=wanted.basis)
            return self._maker(self._wire, viewer, silent).preview(wanted)
        except (TooManyWords, TooBroad) as error:
            # How much there is of something in the whole archive is told to nobody who may not see
            # all of it.
            raise quiet(error, viewer.scope) from error
        finally:
            self._previews.release()

    def request(self, viewer: Viewer, wanted: Wanted) -> ExportView:
        """See ExportsPort."""
        viewer = own_eyes(viewer)
        if not self.preview(viewer, wanted).matched:
            raise Refused("nothing that you may see fits, so there is nothing to export")
        desk = self._desk()
        return self._after(desk, desk.request(wanted, viewer), viewer)

    def approve(self, viewer: Viewer, export_id: str, note: str) -> ExportView:
        """See ExportsPort."""
        desk = self._desk()
        return self._after(desk, desk.approve(export_id, viewer, note), viewer)

    def refuse(self, viewer: Viewer, export_id: str, reason: str) -> ExportView:
        """See ExportsPort."""
        desk = self._desk()
        return self._after(desk, desk.refuse(export_id, viewer, reason), viewer)

    def hand_over(self, viewer: Viewer, export_id: str, given: Given) -> ExportView:
        """See ExportsPort."""
        desk = self._desk()
        return self._after(desk, desk.hand_over(export_id, viewer, HandOver(
            given.to, given.how, given.note, given.file, given.file_sha256)), viewer)

    def make(self, viewer: Viewer, export_id: str) -> ExportView:
        """See ExportsPort."""
        viewer.require(roles.EXPORT)
        desk = self._desk()
        one = desk.export(export_id)
        folder_of(self._wire, export_id)
        self._require_ready(desk, one)
        self._look(BEGUN, viewer, export=export_id)
        run = self._run(self._wire.home, export_id, viewer.person)
        with self._lock:
            if any(each.state == RUNNING for each in self._runs.values()):
                raise Refused("another package is being made: try again when it is done")
            self._runs[export_id] = run
        try:
            run.start()
        except OSError as error:
            with self._lock:
                self._runs.pop(export_id, None)
            raise Transient(f"the export could not begin: {type(error).__name__}") from error
        return self._view(desk, one, viewer)

    def package(self, viewer: Viewer, export_id: str) -> Download:
        """See ExportsPort."""
        viewer.require(roles.EXPORT)
        one = self._desk().export(export_id)
        if not self._may_load(one, viewer):
            # The same words as for what is not there: it may hold what the viewer may not see.
            raise Missing("no package")
        pieces = zipped(folder_of(self._wire, export_id), f"export-{export_id[:8]}")
        self._look(LOADED, viewer, export=export_id)
        return Download(f"export-{export_id[:8]}.zip", pieces)

    def close(self) -> None:
        """The console ends, and with it what it makes: begun again, that goes on."""
        with self._lock:
            for one in self._runs.values():
                one.stop()

    # -- helpers

    def _desk(self) -> ExportDesk:
        own = self._threads.own()
        reader: ActReader | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = ActReader(own.bodies)
        known = reader.all(own.bound.whole())
        with self._lock:
            self._said -= known.acts
            known = Known(known.acts | self._said, known.doubts)
        return ExportDesk(self._wire, self._recorder, lambda: known)

    def _after(self, desk: ExportDesk, one: Export, viewer: Viewer) -> ExportView:
        """It is on the log; here it counts before the index has it."""
        with self._lock:
            self._said |= desk.said
        return self._view(desk, one, viewer)

    def _require_ready(self, desk: ExportDesk, one: Export) -> None:
        """Raises Refused where the process would refuse at once: then it is not begun."""
        desk.viewer(one)
        if one.finished and not one.unfinished:
            raise Refused("this package is made")
        if not one.unfinished:
            desk.require_approved(one)

    def _may_load(self, one: Export, viewer: Viewer) -> bool:
        """A package shows what its requester may see: only who asked for it gets it here, and only
        as long as that is what he may see."""
        asked = one.requested
        return bool(self._wire.config.export.folder and one.finished and asked.scope
                    and asked.by == viewer.person and scope_digest(viewer.scope) == asked.scope
                    and (asked.text("privileged") != INCLUDE or roles.PRIVILEGED in viewer.may))

    def _look(self, action: str, viewer: Viewer, **details: str) -> None:
        self._auditor.record(action, viewer.person, None, {
            **{name: value for name, value in details.items() if value},
            "session": viewer.session})

    def _view(self, desk: ExportDesk, one: Export, viewer: Viewer) -> ExportView:
        asked, approved = one.requested, one.approvals[-1] if one.approvals else None
        run = self._runs.get(one.export_id)
        making, percent = (run.state, run.percent) if run is not None else ("", 0)
        if run is not None and not making and not one.finished:
            making, percent = RUNNING, 100        # done, and not found yet
        now, needs = desk.now(one), desk.needs_approval(one)
        is_ready = one.refused is None and (not needs or one.approval(now) is not None)
        is_open = bool(one.unfinished) or (is_ready and not one.finished)
        makes = self._wire.config.export.folder is not None
        try:
            said = wording.lines(desk.chosen(one))
        except Refused as error:
            said = (("selection", str(error)),)
        return ExportView(
            one.export_id, asked.text("title") or asked.text("matter"), one.state,
            desk.state_words(one), asked.by, asked.at, asked.digest, needs, said,
            custody.lines(one), approved.by if approved else "",
            approved.number("until") if approved else None,
            one.refused.by if one.refused else "", one.refused.said if one.refused else "",
            custody.counts_words(one.finished[-1]) if one.finished else "",
            one.finished[-1].text("manifest_sha256") if one.finished else "",
            making, percent, run.problem if run and making == FAILED else "",
            command="" if makes or not is_open else
            f"counterfoil export run {one.export_id} --out FOLDER",
            may_approve=(needs and not is_ready and one.refused is None and not one.begun
                         and not same_person(asked.by, viewer.person)),
            may_refuse=one.refused is None and not one.begun,
            may_make=makes and is_open and making != RUNNING and bool(asked.scope),
            may_load=self._may_load(one, viewer), may_hand_over=bool(one.finished))


def own_eyes(viewer: Viewer) -> Viewer:
    """The viewer without what was opened to him for a time: that is not exported."""
    return replace(viewer, scope=replace(viewer.scope, also=()))

