"""Breaking the glass: more than one's rules give, for a time, because two people say so.

Owns the request, who may approve it, and what is written down: before anything is opened, used or
ended it is on the log. What is open lies in the StateStore and may be lost; then it is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from schemas.directory import Directory
from schemas.errors import Denied, Missing, Refused
from search.access import people, roles
from search.access.people import AccessPolicy, Grant
from search.access.state import Held, StateStore, Value, checked
from search.access.viewer import Viewer

MINUTES_MAX: Final = 240
REASON_CHARS_MIN: Final = 10
REASON_CHARS_MAX: Final = 400
# Waiting or open at a time, of one person; more is no emergency.
REQUESTS_MAX: Final = 5
WALLS_MAX: Final = 20
WHAT_CHARS_MAX: Final = 200

# Actions of audit events.
REQUESTED: Final = "break_glass_requested"
APPROVED: Final = "break_glass_approved"
REFUSED: Final = "break_glass_refused"
USED: Final = "break_glass_used"
ENDED: Final = "break_glass_ended"

WAITING: Final = "waiting"
OPEN: Final = "open"

_PREFIX: Final = "breakglass:"
_MINUTE_MS: Final = 60_000
# So long a request waits for a second person.
_WAIT_MS: Final = 24 * 60 * _MINUTE_MS
# So long an ended one is remembered, so that its end is written down by whoever looks next.
_REMEMBER_MS: Final = 7 * 24 * 60 * _MINUTE_MS
_ID_BYTES: Final = 16


class KeptOut(Denied):
    """A wall stands before the second person too: he is told, and his trying is on record."""

    def __init__(self) -> None:
        super().__init__("a wall that this would pass keeps you out too; somebody else has to "
                         "decide")


class Records(Protocol):
    """What writes down (search/audit.py Auditor): on the log when it returns."""

    def record(self, action: str, actor: str, text: str | None,
               details: Mapping[str, str]) -> None:
        """Raises Transient when it could not be recorded: then nothing happens."""


@dataclass(frozen=True, slots=True)
class Request:
    """`what`: as in `people.reach_of`; `walls`: by name, to be passed; `minutes`: 1 to 240.
    `state`: waiting | open. `until`: UTC ms, null while it waits. `second`: who approved."""

    request_id: str
    person: str
    what: str
    reason: str
    minutes: int
    asked_at: int
    walls: tuple[str, ...] = ()
    privileged: bool = False
    state: str = WAITING
    second: str = ""
    until: int | None = None

    def grant(self) -> Grant | None:
        """What it opens, or null while it waits."""
        if self.state != OPEN or self.until is None:
            return None
        return Grant(self.request_id, self.person, self.what, self.until, frozenset(self.walls),
                     self.privileged)


def may_approve(policy: AccessPolicy, directory: Directory, request: Request,
                second: Viewer) -> None:
    """Whether `second` may open it. Raises Denied, or Refused with the reason.

    Not whoever asked; nobody whom a wall keeps out that would be passed: it stands before him for
    the same reason; and no wall that is not there.
    """
    second.require(roles.BREAK_GLASS_APPROVE)
    if second.person == request.person:
        raise Refused("nobody approves his own request; ask somebody else")
    approver = policy.active(second.person)
    asker = policy.active(request.person)
    if approver.custodian and approver.custodian == asker.custodian:
        raise Refused("nobody approves his own request; ask somebody else")
    known = {wall.name: wall for wall in policy.walls}
    for name in request.walls:
        if name not in known:
            raise Refused(f"there is no wall {name!r}; refuse the request, and say so")
        if people.is_kept_out(known[name], directory, approver):
            raise KeptOut
    people.reach_of(request.what, directory)


class BreakGlass:
    """Requests of one installation. `clock`: UTC ms; `random`: that many random bytes."""

    def __init__(self, store: StateStore, records: Records, clock: Callable[[], int],
                 random: Callable[[int], bytes]) -> None:
        self._store, self._records = store, records
        self._clock, self._random = clock, random

    def ask(self, viewer: Viewer, what: str, reason: str, minutes: int,
            walls: tuple[str, ...] = (), *, privileged: bool = False) -> Request:
        """Write a request down and let it wait. Whether what it names is there is told to whoever
        approves, not to whoever asks. Raises Denied, Refused, Transient."""
        viewer.require(roles.BREAK_GLASS)
        reason, what = reason.strip(), what.strip()
        if not REASON_CHARS_MIN <= len(reason) <= REASON_CHARS_MAX:
            raise Refused(f"say why, in {REASON_CHARS_MIN} to {REASON_CHARS_MAX} characters")
        if not 1 <= minutes <= MINUTES_MAX:
            raise Refused(f"ask for 1 to {MINUTES_MAX} minutes")
        if not what or len(what) > WHAT_CHARS_MAX or len(walls) > WALLS_MAX:
            raise Refused("say of what: everything, custodian:ID, group:NAME, matter:ID or "
                          "conversation:ID")
        self.sweep()
        if sum(one.person == viewer.person for one in self.requests()) >= REQUESTS_MAX:
            raise Refused(f"you have {REQUESTS_MAX} requests already; end one of them first")
        asked = Request(self._random(_ID_BYTES).hex(), viewer.person, what, reason, minutes,
                        self._clock(), tuple(dict.fromkeys(walls)), privileged)
        checked(_key(asked.request_id), _value(asked))
        self._records.record(REQUESTED, viewer.person, reason, _details(asked))
        # Recorded: from here a second person may find it.
        if not self._store.put(_key(asked.request_id), _value(asked), asked.asked_at + _WAIT_MS,
                               None):
            raise Refused("the request could not be kept; ask again")
        return asked

    def approve(self, viewer: Viewer, request_id: str, policy: AccessPolicy,
                directory: Directory) -> Request:
        """Open it, from now on. Raises Denied, Refused, Missing, Transient; Refused also when
        somebody else decided meanwhile."""
        held, asked = self._waiting(request_id)
        may_approve(policy, directory, asked, viewer)
        until = self._clock() + asked.minutes * _MINUTE_MS
        opened = replace(asked, state=OPEN, second=viewer.person, until=until)
        self._records.record(APPROVED, viewer.person, asked.reason, _details(opened))
        # Recorded; a crash here leaves it waiting, and an approval on the log that opened nothing.
        if not self._store.put(_key(request_id), _value(opened), until + _REMEMBER_MS, held):
            raise Refused("somebody else decided this request meanwhile; look at it again")
        return opened

    def refuse(self, viewer: Viewer, request_id: str, reason: str) -> None:
        """Say no. Raises Denied, Missing, Refused, Transient."""
        viewer.require(roles.BREAK_GLASS_APPROVE)
        _, asked = self._waiting(request_id)
        if viewer.person == asked.person:
            raise Refused("end your own request instead")
        self._records.record(REFUSED, viewer.person, reason.strip(), _details(asked))
        self._store.remove(_key(request_id))

    def end(self, viewer: Viewer, request_id: str) -> None:
        """End it early: whoever asked, or whoever may approve. Raises Denied, Missing, Transient.
        """
        held = self._store.get(_key(request_id))
        asked = _request(request_id, held.value) if held else None
        if asked is None or (viewer.person != asked.person
                             and roles.BREAK_GLASS_APPROVE not in viewer.may):
            raise Missing("there is no such request")
        self._ended(asked, viewer.person, "ended early" if asked.state == OPEN else "taken back")

    def grants(self, person: str, session: str) -> tuple[Grant, ...]:
        """What is open to a person now. The first time in a session this is written down before it
        is answered: what was opened was used. Raises Transient: then nothing is open."""
        now = self._clock()
        found = []
        for key, held in self._store.scan(_PREFIX):
            asked = _request(key.removeprefix(_PREFIX), held.value)
            grant = asked.grant()
            if grant is None or asked.person != person or grant.until <= now:
                continue
            if held.value.get("session") != session:
                self._records.record(USED, person, asked.reason,
                                     {**_details(asked), "session": session})
                # Lost races write it down twice, never not at all.
                self._store.put(key, {**held.value, "session": session}, held.expires_at, held)
            found.append(grant)
        return tuple(found)

    def requests(self) -> tuple[Request, ...]:
        """Everything that waits or is open, by id."""
        now = self._clock()
        every = (_request(key.removeprefix(_PREFIX), held.value)
                 for key, held in self._store.scan(_PREFIX))
        return tuple(one for one in every if one.until is None or now < one.until)

    def sweep(self) -> int:
        """Write down the end of whatever ran out; how many did. A few look-ups: call it now and
        then."""
        now, ended = self._clock(), 0
        for key, held in list(self._store.scan(_PREFIX)):
            asked = _request(key.removeprefix(_PREFIX), held.value)
            if asked.until is not None and asked.until <= now:
                self._ended(asked, asked.person, "its time was over")
                ended += 1
        return ended

    def _ended(self, asked: Request, by: str, how: str) -> None:
        if asked.state == OPEN and asked.until is not None and self._clock() < asked.until:
            # Closing is never kept waiting: it is closed first, and said twice after a crash.
            held = self._store.get(_key(asked.request_id))
            closed = replace(asked, until=self._clock())
            if held is not None:
                self._store.put(_key(asked.request_id), _value(closed), held.expires_at, held)
        self._records.record(ENDED, by, asked.reason, {**_details(asked), "how": how})
        self._store.remove(_key(asked.request_id))

    def _waiting(self, request_id: str) -> tuple[Held, Request]:
        held = self._store.get(_key(request_id))
        if held is None:
            raise Missing("there is no such request; it may have run out")
        asked = _request(request_id, held.value)
        if asked.state != WAITING:
            raise Refused("this request was decided already")
        return held, asked


def _key(request_id: str) -> str:
    if len(request_id) != 2 * _ID_BYTES or not request_id.isalnum() or not request_id.isascii():
        raise Missing("there is no such request")
    return _PREFIX + request_id


def _value(one: Request) -> dict[str, str | int]:
    value: dict[str, str | int] = {
        "person": one.person, "what": one.what, "reason": one.reason, "minutes": one.minutes,
        "asked_at": one.asked_at, "walls": "\n".join(one.walls), "privileged": int(one.privileged),
        "state": one.state, "second": one.second,
    }
    return value if one.until is None else {**value, "until": one.until}


def _request(request_id: str, value: Value) -> Request:
    until = value.get("until")
    return Request(
        request_id, str(value["person"]), str(value["what"]), str(value["reason"]),
        int(value["minutes"]), int(value["asked_at"]),
        tuple(one for one in str(value["walls"]).split("\n") if one), bool(value["privileged"]),
        str(value["state"]), str(value["second"]), None if until is None else int(until))


def _details(one: Request) -> dict[str, str]:
    said = {"request": one.request_id, "for": one.person, "what": one.what,
            "walls": ", ".join(one.walls), "privileged": "yes" if one.privileged else "no",
            "minutes": str(one.minutes)}
    if one.second:
        said["approved_by"] = one.second
    return said if one.until is None else {**said, "until": str(one.until)}
