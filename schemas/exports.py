"""Who asked for an export, who agreed, and who got it: acts, their event, and what a set means.

Owns the shape of an act and the fold: which exports there are, how far each came, and what was
made without the approval that it needed. A function of the set of acts: order and repetition do
not matter. Who may act is `infra/exportdesk.py`; what is chosen is `search/export/wanted.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

from schemas import domains, events
from schemas.disposition import is_id, same_person
from schemas.errors import Refused
from schemas.events import CapturedEvent, Identity
from schemas.identity import key_of

SOURCE: Final = "export/1"

REQUESTED: Final = "requested"
APPROVED: Final = "approved"
REFUSED: Final = "refused"
BEGUN: Final = "begun"                   # from here on content is read
FINISHED: Final = "finished"             # a package is whole and sealed
HANDED_OVER: Final = "handed_over"
ACTIONS: Final = (REQUESTED, APPROVED, REFUSED, BEGUN, FINISHED, HANDED_OVER)

WORDS_CHARS_MAX: Final = 4_000           # of a query, a reason, a note
# Below the size at which an event is cut into parts.
BODY_BYTES_MAX: Final = 800_000
_NEEDED: Final = "needed"


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that was done. `export_id`: 32 hex digits; `at`: our clock, UTC ms; `by`: who;
    `said`: in words: the query, the reason, the note. `body`: canonical JSON; of `requested` the
    selection itself, of every other what it is about (`request`) and the facts that it states.

    Of `requested` alone: `scope`: digest of what the requester may see, "" = a command line that
    holds the keys sees all; `needs_approval`: whether a second person had to agree by then.
    """

    action: str
    export_id: str
    at: int
    by: str
    said: str = ""
    body: bytes = b"{}"
    scope: str = ""
    needs_approval: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of the body, hex: of `requested`, what a later act means by "this request"."""
        return sha256(self.body).hexdigest()

    def values(self) -> Mapping[str, Any]:
        """The body; empty for one that does not read."""
        try:
            read = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return read if isinstance(read, dict) else {}

    def text(self, name: str) -> str:
        """What the body says of `name`; "" for what is no text."""
        said = self.values().get(name)
        return said if isinstance(said, str) else ""

    def number(self, name: str) -> int:
        """What the body says of `name`; 0 for what is no count or time."""
        said = self.values().get(name)
        return said if isinstance(said, int) and not isinstance(said, bool) and said >= 0 else 0


@dataclass(frozen=True, slots=True)
class Export:
    """One export and how far it came. An act stands here only where what it needs was there
    before. `approvals`: by second people, for this very request; `begun`, `finished`,
    `handed_over`: the oldest first; one export may be made more than once."""

    requested: Act
    approvals: tuple[Act, ...] = ()
    refused: Act | None = None
    begun: tuple[Act, ...] = ()
    finished: tuple[Act, ...] = ()
    handed_over: tuple[Act, ...] = ()

    @property
    def export_id(self) -> str:
        """32 hex digits."""
        return self.requested.export_id

    def approval(self, at: int) -> Act | None:
        """The approval that is in force at `at` (UTC ms), the last where there are several; null =
        none is: nobody agreed yet, it was refused since, or the time it was given for is over."""
        if self.refused is not None and self.refused.at <= at:
            return None
        return next((one for one in reversed(self.approvals)
                     if one.at <= at < one.number("until")), None)

    @property
    def unfinished(self) -> tuple[Act, ...]:
        """Beginnings in folders where no package was finished since, the last of each folder."""
        last = {one.text("folder"): one for one in self.begun}
        ended = {one.text("folder"): one.at for one in self.finished}
        return tuple(one for folder, one in last.items() if one.at > ended.get(folder, -1))

    @property
    def state(self) -> str:
        """One of ACTIONS: the last that was reached. An approval that has ended is one still."""
        for state, acts in ((HANDED_OVER, self.handed_over), (FINISHED, self.finished),
                            (BEGUN, self.begun)):
            if acts:
                return state
        if self.refused is not None:
            return REFUSED
        return APPROVED if self.approvals else REQUESTED

    def history(self) -> tuple[Act, ...]:
        """Everything that counts, in order of time."""
        refused = () if self.refused is None else (self.refused,)
        return tuple(sorted({self.requested, *self.approvals, *refused, *self.begun,
                             *self.finished, *self.handed_over}, key=_order))


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that was done, as one answer; exports by time. `unfounded`: what somebody says he
    began, finished or handed over although no request, or no approval where one was needed, came
    before it."""

    exports: tuple[Export, ...] = ()
    unfounded: tuple[Act, ...] = ()

    def export(self, export_id: str) -> Export | None:
        """By id."""
        return next((one for one in self.exports if one.export_id == export_id), None)


def body_of(values: Mapping[str, Any]) -> bytes:
    """The one way to write what an act states: sorted names, no spaces, ASCII."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def export_key(export_id: str) -> bytes:
    """The message_key of every event of an export."""
    return key_of(events.FIRM_CHANNEL, "", f"export:{export_id}")


def act_event(act: Act, firm_years: int) -> CapturedEvent:
    """The event that says so, in the firm's domain. Raises Refused for what cannot be said in one
    record."""
    if act.action not in ACTIONS or not is_id(act.export_id) or not act.by.strip():
        raise ValueError("no act of an export")
    if len(act.body) > BODY_BYTES_MAX:
        raise Refused(f"more than {BODY_BYTES_MAX:,} bytes to say in one record: choose by a query "
                      "or by conversations, not by single ids")
    if len(act.said) > WORDS_CHARS_MAX:
        raise Refused(f"say it in {WORDS_CHARS_MAX:,} characters at most")
    said = sha256(f"{act.at}:{act.by}:{act.digest}".encode()).hexdigest()
    details = {"action": act.action, "export": act.export_id}
    if act.action == REQUESTED:
        details |= {"approval": _NEEDED} if act.needs_approval else {}
        details |= {"scope": act.scope} if act.scope else {}
    return CapturedEvent(
        kind=events.EXPORT, channel=events.FIRM_CHANNEL, source=SOURCE, account="",
        conversation=events.FIRM_CHANNEL, captured_at=act.at, occurred_at=act.at,
        occurred_precision="ms",
        # Said again after a crash it is the same act only if it says the same.
        native_id=f"export:{act.export_id}:{act.action}:{said[:32]}",
        target_key=export_key(act.export_id), actor=Identity(act.by, "user"),
        text=act.said or None, details=tuple(sorted(details.items())), provenance=events.OWN,
        retention_class=domains.ROLE_NAMES[domains.FIRM], retention_years=firm_years,
        raw=act.body, raw_type="application/json")


def read_act(event: CapturedEvent) -> Act:
    """The act that an event states. Raises Refused for one that states none."""
    action, export_id = event.detail("action") or "", event.detail("export") or ""
    if event.kind != events.EXPORT or action not in ACTIONS or not is_id(export_id) \
            or event.actor is None or event.raw is None \
            or event.target_key != export_key(export_id):
        raise Refused("an act of an export that does not read")
    return Act(action, export_id, event.captured_at, event.actor.native_id, event.text or "",
               event.raw, event.detail("scope") or "", event.detail("approval") == _NEEDED)


def record_of(acts: Iterable[Act]) -> Record:
    """What they mean together."""
    known = sorted(set(acts), key=_order)
    requested: dict[str, Act] = {}
    for act in known:
        if act.action == REQUESTED:
            requested.setdefault(act.export_id, act)   # an id is used once; the first one counts
    exports = tuple(_export(one, [act for act in known if act.export_id == one.export_id])
                    for one in sorted(requested.values(), key=_order))
    founded = {act for one in exports for act in one.history()}
    return Record(exports, tuple(one for one in known if one not in founded
                                 and one.action in (BEGUN, FINISHED, HANDED_OVER)))


def _export(requested: Act, acts: list[Act]) -> Export:
    about = [one for one in acts if one.at >= requested.at
             and one.text("request") == requested.digest]
    approvals = tuple(one for one in about if one.action == APPROVED
                      # Whoever agrees has agreed to what may be seen, too.
                      and one.text("scope") == requested.scope
                      and not same_person(one.by, requested.by))
    found = Export(requested, approvals)
    begun = tuple(one for one in about if one.action == BEGUN and (
        not requested.needs_approval or found.approval(one.at) is not None))
    refused = next((one for one in about if one.action == REFUSED), None)
    # Once it is under way, or out, it is too late; of two words at once the cautious one counts.
    if refused is not None and not (begun and refused.at > begun[0].at):
        return replace(found, refused=refused)
    finished = tuple(one for one in about if one.action == FINISHED
                     and begun and one.at >= begun[0].at)
    return replace(
        found, begun=begun, finished=finished,
        handed_over=tuple(one for one in about if one.action == HANDED_OVER
                          and finished and one.at >= finished[0].at))


def _order(act: Act) -> tuple[int, int, str, str, bytes, str, str, bool]:
    return (act.at, ACTIONS.index(act.action), act.export_id, act.by, act.body, act.said,
            act.scope, act.needs_approval)
