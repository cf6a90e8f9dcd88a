"""Who asks for an export, who agrees, when it begins and ends, and who got it.

Owns the order: what is refused is refused before anything is written; then the act is on the log;
then something is done. What an act means is `schemas/exports.py`, what is in a package
`infra/exports.py`. The command line and the console sit at the same desk.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from infra.exportacts import Known
from infra.exportlog import log_of
from infra.reviewing import policy_of
from infra.wire import DAY_MS, Wire
from schemas import exports
from schemas.disposition import same_person
from schemas.errors import Denied, Missing, Refused
from schemas.exports import Act, Export, Record, body_of
from schemas.recorder import Recorder
from search.access import roles
from search.access.people import viewer_of
from search.access.scope import EVERYTHING, Scope
from search.access.viewer import Viewer, operator
from search.export import custody, wanted
from search.export.granted import Done, Granted
from search.export.wanted import INCLUDE, Wanted

_ID_BYTES: Final = 16
_PART_CHARS_MAX: Final = 400
_HASH: Final = re.compile("[0-9a-f]{64}")
_SEE: Final = "see `counterfoil export list`"


@dataclass(frozen=True, slots=True)
class HandOver:
    """One hand-over. `to`, `how`: whom and by what way, in words; `file`, `file_sha256`: of what
    was given, where it is one file (a zip, an image of a disk); "" = the folder itself."""

    to: str
    how: str
    note: str = ""
    file: str = ""
    file_sha256: str = ""
    manifest_sha256: str = ""


class ExportDesk:
    """Of one data folder, at one moment of its index. `known`: the acts that the index has;
    `recorder`: of the search role: what it was told is on the log when it returns. What was said
    here counts here at once."""

    def __init__(self, wire: Wire, recorder: Recorder, known: Callable[[], Known]) -> None:
        self._wire, self._recorder, self._known = wire, recorder, known
        self._said: set[Act] = set()

    # -- what there is

    def record(self) -> Record:
        """Everything that was done. Raises Transient when the index cannot be asked."""
        return exports.record_of(self._known().acts | self._said)

    def export(self, export_id: str) -> Export:
        """One export. Raises Missing."""
        found = self.record().export(export_id)
        if found is None:
            raise Missing(f"there is no export {export_id}: {_SEE}")
        return found

    def doubtful(self) -> int:
        """Of how many exports an act cannot be read."""
        return len(self._known().doubts)

    def state_words(self, one: Export) -> str:
        """How far it came and what it waits for, as a few words."""
        now = self.now(one)
        if one.state in (exports.REQUESTED, exports.APPROVED):
            if not self.needs_approval(one):
                return "asked for, not made"
            if one.approval(now) is not None:
                return "approved, not made"
            return "approval has ended" if one.approvals else "waits for approval"
        if one.state == exports.BEGUN:
            return "begun, not finished"
        return {exports.REFUSED: "refused", exports.FINISHED: "made, not handed over",
                exports.HANDED_OVER: "handed over"}[one.state]

    def now(self, one: Export) -> int:
        """UTC ms; never before what was done, whatever the clock of this machine says."""
        return max(self._wire.clock(), one.history()[-1].at)

    def needs_approval(self, one: Export) -> bool:
        """Whether a second person has to agree: it was so when it was asked for, or is so now."""
        return one.requested.needs_approval or self._wire.config.export.approval

    # -- the acts of people

    def request(self, chosen: Wanted, viewer: Viewer) -> Export:
        """Somebody asks for it. Raises Denied for whoever may not, Refused."""
        require_may(viewer, chosen)
        act = Act(exports.REQUESTED, self._wire.random(_ID_BYTES).hex(), self._wire.clock(),
                  viewer.person, chosen.query, chosen.body(), scope_digest(viewer.scope),
                  self._wire.config.export.approval)
        self._say(act)
        return exports.record_of([act]).exports[0]

    def approve(self, export_id: str, viewer: Viewer, note: str = "") -> Export:
        """The second person's word, for this very request. Raises Denied, Refused for whoever asked
        for it."""
        viewer.require(roles.EXPORT)
        one = self.export(export_id)
        if same_person(one.requested.by, viewer.person):
            raise Refused("nobody approves a request of their own: ask a second person")
        if one.refused is not None:
            raise Refused(f"{one.refused.by} refused this request: ask for it anew")
        if not self.needs_approval(one):
            raise Refused("this export needs no approval: `counterfoil export run "
                          f"{export_id} --out FOLDER`")
        now = self._at(one)
        if one.approval(now) is not None:
            raise Refused("a second person has agreed to it already")
        until = now + self._wire.config.export.approval_days * DAY_MS
        return self._about(one, exports.APPROVED, viewer.person, {
            "scope": one.requested.scope, "until": until}, note)

    def refuse(self, export_id: str, viewer: Viewer, reason: str) -> Export:
        """No, and why: it is not made. Whoever asked may take it back so. Raises Denied, Refused
        once it is begun."""
        viewer.require(roles.EXPORT)
        if not reason.strip():
            raise Refused("say why, in a few words (--reason)")
        one = self.export(export_id)
        if one.begun:
            raise Refused("this export was made, or is being made: it is too late to refuse it")
        if one.refused is not None:
            raise Refused(f"{one.refused.by} refused this request already")
        return self._about(one, exports.REFUSED, viewer.person, {}, reason)

    def hand_over(self, export_id: str, viewer: Viewer, given: HandOver) -> Export:
        """Whoever got it, when, and how. Raises Denied, Refused where nothing was made."""
        viewer.require(roles.EXPORT)
        to, how = given.to.strip(), given.how.strip()
        if not to or not how or max(len(to), len(how), len(given.file)) > _PART_CHARS_MAX:
            raise Refused("say to whom it was handed over and how (--to, --how), in at most "
                          f"{_PART_CHARS_MAX} characters each")
        if given.file_sha256 and not _HASH.fullmatch(given.file_sha256):
            raise Refused("a SHA-256 is 64 hexadecimal digits, in small letters")
        one = self.export(export_id)
        if not one.finished:
            raise Refused("no package of this export was finished: there is nothing to hand over")
        made = [act.text("manifest_sha256") for act in one.finished]
        manifest = given.manifest_sha256 or made[-1]
        if manifest not in made:
            raise Refused("that is no package of this export, or it was changed: its "
                          "tagmanifest-sha256.txt is not the one that was sealed")
        return self._about(one, exports.HANDED_OVER, viewer.person, {
            "to": to, "how": how, "file": given.file, "file_sha256": given.file_sha256,
            "manifest_sha256": manifest}, given.note)

    # -- the package

    def chosen(self, one: Export) -> Wanted:
        """What was asked for. Raises Refused for a selection that a later version wrote."""
        return wanted.read(one.requested.body)

    def viewer(self, one: Export) -> Viewer:
        """With whose eyes it is made: those of who asked, as far as he sees today. Raises Denied
        for whoever left or may no more, Refused where he sees another part of the archive than
        when he asked: nobody agreed to that."""
        asked = one.requested
        if not asked.scope:
            found = operator(asked.by)
        else:
            found = person_of(self._wire, asked.by)
            if scope_digest(found.scope) != asked.scope:
                raise Refused(f"what {asked.by} may see has changed since this was asked for: ask "
                              "for it anew")
        require_may(found, self.chosen(one))
        return found

    def resumable(self, folder: str, *, digest: str = "") -> Export | None:
        """The export that was interrupted in `folder` (an absolute path), the last one; with
        `digest` only of that selection."""
        found = [one for one in self.record().exports
                 if any(act.text("folder") == folder for act in one.unfinished)
                 and digest in ("", one.requested.digest)]
        return found[-1] if found else None

    def begin(self, export_id: str, by: str, folder: str, *, again: bool = False) -> Granted:
        """From here content is read: it is on the log when this returns. `folder`: an absolute
        path; `again`: something lies there, so what was interrupted goes on under the same
        beginning. Raises Refused without the approval that it needs, Missing without a log."""
        one = self.export(export_id)
        before = self._unfinished(one, folder) if again else None
        if before is None:
            self.require_approved(one)
            one = self._about(one, exports.BEGUN, by, {
                "checkpoint": self._log_size(), "folder": folder, "tool": tool()})
            before = one.begun[-1]
        approved = one.approval(before.at)
        return Granted(
            one.export_id, one.requested.by, one.requested.at,
            approved.by if approved else "", approved.at if approved else 0,
            custody.lines(one, before.at))

    def finish(self, by: str, folder: str, done: Done) -> Export:
        """The package is whole: on the log when this returns. Said again, it is said once."""
        one = self.export(done.export_id)
        if any(act.text("folder") == folder and act.text("manifest_sha256") == done.manifest_sha256
               for act in one.finished):
            return one
        return self._about(one, exports.FINISHED, by, {
            "folder": folder, "manifest_sha256": done.manifest_sha256,
            "checkpoint": done.checkpoint_size, "counts": asdict(done.counts), "tool": tool()})

    def require_approved(self, one: Export) -> None:
        """Raises Refused where it may not begin, in words that say what to do."""
        if one.refused is not None:
            raise Refused(f"{one.refused.by} refused this export: ask for it anew")
        if not self.needs_approval(one):
            return
        if self._wire.tokenizer().document(exports.export_key(one.export_id)) in \
                self._known().doubts:
            raise Refused("an act of this export cannot be read, and may be a refusal: see "
                          "`counterfoil verify`, or ask for it anew")
        if one.approval(self._at(one)) is None:
            ended = "the approval of this export has ended" if one.approvals else \
                "this export waits for the approval of a second person"
            raise Refused(f"{ended}: `counterfoil export approve {one.export_id}`")

    @property
    def said(self) -> frozenset[Act]:
        """What was said at this desk."""
        return frozenset(self._said)

    # -- helpers

    @staticmethod
    def _unfinished(one: Export, folder: str) -> Act | None:
        """Where a package was moved, the last beginning is meant."""
        known = {act.text("folder"): act for act in one.unfinished}
        return known.get(folder) or (one.unfinished[-1] if one.unfinished else None)

    def _log_size(self) -> int:
        return log_of(self._wire)[1].batch.head.size

    def _at(self, one: Export) -> int:
        """When the next act is: after everything that it may be about."""
        return max(self.now(one), one.history()[-1].at + 1)

    def _about(self, one: Export, action: str, by: str, values: Mapping[str, Any],
               said: str = "") -> Export:
        act = Act(action, one.export_id, self._at(one), by, said.strip(),
                  body_of({"request": one.requested.digest, **values}))
        self._say(act)
        found = exports.record_of((*one.history(), act)).export(one.export_id)
        assert found is not None
        return found

    def _say(self, act: Act) -> None:
        self._recorder.record(exports.act_event(act, self._wire.directory().firm_years()))
        # On the log: from here it is evidence, and whoever reads the archive acts on it.
        self._said.add(act)


def require_may(viewer: Viewer, chosen: Wanted) -> None:
    """The one rule of who may look at, ask for and make this export, at the console, by the API and
    at the command line. Raises Denied for whoever may not, Refused where the legal ground for
    seeing names is missing."""
    viewer.require(roles.EXPORT)
    if viewer.pseudonyms:
        # What can be counted by name is known by name, and a package shows names.
        viewer.require(roles.UNMASK)
        if not chosen.basis.strip():
            raise Refused("names are hidden here, and an export shows them: say on what legal "
                          "ground (the basis, --basis); it is recorded")
    if chosen.privileged == INCLUDE and roles.PRIVILEGED not in viewer.may:
        raise Denied("you may not see what is privileged, so you may not export it: leave it out")
    if chosen.hold:
        viewer.require(roles.HOLD_READ)


def person_of(wire: Wire, person_id: str) -> Viewer:
    """Somebody of access.toml, with what he may see today by the rules alone: no glass is broken
    for an export. Raises Denied."""
    return viewer_of(policy_of(wire), wire.directory(), person_id, wire.clock())


def scope_digest(scope: Scope) -> str:
    """Which part of the archive's messages somebody sees, as one value (hex); "" = all of it, at a
    command line that holds the keys. What was opened for a time does not count."""
    if scope == EVERYTHING:
        return ""
    said = asdict(replace(scope, firm_kinds=frozenset(), also=()))
    return sha256(json.dumps(said, sort_keys=True, default=sorted).encode()).hexdigest()


@lru_cache(maxsize=1)
def tool() -> str:
    """What makes packages here, as records name it."""
    try:
        return f"counterfoil {version('counterfoil')}"
    except PackageNotFoundError:
        return "counterfoil"
