"""Who places a hold, who asks for its release, and who grants it.

Owns the order: what is refused is refused before anything is written; then the act is on the log;
then it takes effect, which the indexer's process sees to (infra/holdwatch.py). Looking at holds is
recorded too (G7).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from archive.holds import Fact, Hold, HoldFacts, fact_of, may_grant
from schemas import holdacts
from schemas.disposition import same_person
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent
from schemas.holdacts import Act, Scope
from schemas.recorder import Recorder
from search.access import roles
from search.access.viewer import Viewer

LISTED: Final = "holds_listed"
SHOWN: Final = "hold_shown"
SIMULATED: Final = "hold_simulated"
_ID_BYTES: Final = 8


class Records(Protocol):
    """What writes down a look (search/audit.py Auditor)."""

    def record(self, action: str, actor: str, text: str | None,
               details: Mapping[str, str]) -> None:
        """Raises Transient when it could not be recorded: then nothing is shown."""


@dataclass(frozen=True, slots=True)
class Ports:
    """`facts`: every act on record, as the index has it now; `check`: the scope as it goes on
    record, or Refused for one that names what nobody knows, or asks what cannot be read;
    `firm_years`: `Directory.firm_years`; `clock`: UTC ms."""

    recorder: Recorder
    records: Records
    facts: Callable[[], HoldFacts]
    check: Callable[[Scope], Scope]
    firm_years: Callable[[], int]
    clock: Callable[[], int]
    random: Callable[[int], bytes]


class HoldDesk:
    """Of one installation. Every method raises Denied for whoever may not, and Transient."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def holds(self, viewer: Viewer) -> tuple[Hold, ...]:
        """Every hold, the oldest first, released ones too."""
        viewer.require(roles.HOLD_READ)
        self._ports.records.record(LISTED, viewer.person, None, _session(viewer))
        return self._ports.facts().holds()

    def hold(self, viewer: Viewer, hold_id: str) -> Hold:
        """One hold. Raises Missing."""
        viewer.require(roles.HOLD_READ)
        found = self._found(hold_id)
        self._ports.records.record(SHOWN, viewer.person, None,
                                   {"hold": found.hold_id, **_session(viewer)})
        return found

    def doubts(self, viewer: Viewer) -> tuple[str, ...]:
        """Why there may be more holds than are listed, in words; () = there are not."""
        viewer.require(roles.HOLD_READ)
        return tuple(sorted(self._ports.facts().doubts))

    def place(self, viewer: Viewer, name: str, ground: str, scope: Scope) -> Hold:
        """A new hold; on the log when this returns. Raises Refused, QueryError."""
        viewer.require(roles.HOLD_PLACE)
        hold_id = self._new_id()
        act = Act(hold_id, holdacts.PLACED, viewer.person, self._ports.clock(), hold_id,
                  name.strip(), ground.strip(), scope)
        holdacts.check(act)
        act = replace(act, scope=self._ports.check(scope))
        return self._said(HoldFacts(), act)

    def look_ahead(self, viewer: Viewer, scope: Scope) -> None:
        """Before a simulation is shown: may he, can it be meant, and it is recorded."""
        viewer.require(roles.HOLD_READ)
        holdacts.check_scope(scope)
        self._ports.check(scope)
        self._ports.records.record(SIMULATED, viewer.person, scope.query or None, {
            "scope": holdacts.scope_text(scope), **_session(viewer)})

    def ask(self, viewer: Viewer, hold_id: str, reason: str) -> Hold:
        """Ask for the release. Raises Missing, Refused."""
        viewer.require(roles.HOLD_RELEASE)
        found = self._found(hold_id)
        if not found.is_in_force():
            raise Refused("this hold was released already")
        if any(same_person(one.act.person, viewer.person) for one in found.asks):
            raise Refused("your request waits already: a second person has to grant it")
        return self._act(found, holdacts.RELEASE_ASKED, viewer, reason)

    def grant(self, viewer: Viewer, hold_id: str, reason: str) -> Hold:
        """Grant the oldest request that somebody else made: the hold ends. Raises Missing,
        Refused."""
        viewer.require(roles.HOLD_RELEASE)
        found = self._found(hold_id)
        ask = self._waiting(found, viewer)
        may_grant(found, ask, viewer.person)
        return self._act(found, holdacts.RELEASE_GRANTED, viewer, reason, ask)

    def refuse(self, viewer: Viewer, hold_id: str, reason: str) -> Hold:
        """Say no to the oldest request, or take one's own back: the hold stays."""
        viewer.require(roles.HOLD_RELEASE)
        found = self._found(hold_id)
        if not found.asks:
            raise Refused("no request for its release waits")
        return self._act(found, holdacts.RELEASE_REFUSED, viewer, reason, found.asks[0])

    def _waiting(self, found: Hold, viewer: Viewer) -> Fact:
        if not found.is_in_force():
            raise Refused("this hold was released already")
        if not found.asks:
            raise Refused("nobody has asked for its release: one person asks, another grants")
        # Where all are the viewer's own, `may_grant` refuses the first.
        return next((one for one in found.asks if not same_person(one.act.person, viewer.person)),
                    found.asks[0])

    def _act(self, found: Hold, action: str, viewer: Viewer, reason: str,
             ask: Fact | None = None) -> Hold:
        # Never before what it answers, whatever the clock of this machine says.
        last = max(one.act.at for one in found.history)
        act = Act(found.hold_id, action, viewer.person, max(self._ports.clock(), last),
                  self._new_id(), reason=reason.strip(), about=ask.name if ask else b"")
        return self._said(HoldFacts(frozenset(found.history)), act)

    def _said(self, known: HoldFacts, act: Act) -> Hold:
        event: CapturedEvent = holdacts.act_event(act, self._ports.firm_years())
        self._ports.recorder.record(event)
        # On the log: from here it is evidence, and whoever reads the archive acts on it.
        after = known | HoldFacts(frozenset({fact_of(event)}))
        return next(one for one in after.holds() if one.hold_id == act.hold_id)

    def _found(self, hold_id: str) -> Hold:
        found = next((one for one in self._ports.facts().holds() if one.hold_id == hold_id), None)
        if found is None:
            raise Missing(f"no hold has the id {hold_id}")
        return found

    def _new_id(self) -> str:
        return self._ports.random(_ID_BYTES).hex()


def _session(viewer: Viewer) -> dict[str, str]:
    return {"session": viewer.session} if viewer.session else {}
