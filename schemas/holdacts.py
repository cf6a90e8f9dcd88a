"""What somebody did with a legal hold, and the event that says so (docs/decisions/0032).

Owns the shape. A hold is a series of events of kind `hold` in the firm's domain; all of one hold
share a message_key. What they mean together is `archive/holds.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from schemas import domains, events, limits
from schemas.errors import Refused
from schemas.events import CapturedEvent, Identity
from schemas.identity import key_of

SOURCE: Final = "hold/1"

# action
PLACED: Final = "placed"
RELEASE_ASKED: Final = "release_asked"
RELEASE_GRANTED: Final = "release_granted"
RELEASE_REFUSED: Final = "release_refused"
ACTIONS: Final = (PLACED, RELEASE_ASKED, RELEASE_GRANTED, RELEASE_REFUSED)

NAME_CHARS_MAX: Final = 120
GROUND_CHARS_MAX: Final = 2_000
REASON_CHARS_MIN: Final = 3
REASON_CHARS_MAX: Final = 1_000
# Of one field; more people than that are a matter.
VALUES_MAX: Final = 500
VALUE_CHARS_MAX: Final = 400
_ID: Final = re.compile(r"[0-9a-f]{16}")
_FIELDS: Final = ("custodians", "matters", "conversations")
_TEXTS: Final = ("query", "zone", "region")
_ZONE_CHARS_MAX: Final = 64
# The end of the year 9891: whatever is later has no month that a calendar here knows.
_TIME_MAX: Final = 250_000_000_000_000


@dataclass(frozen=True, slots=True)
class Scope:
    """What a hold concerns: all of the fields that are given, any of the values of each.

    `custodians`, `matters`: ids; `conversations`: ids, or tokens of 16 hex digits; `since`,
    `until`: UTC ms, half open, null = open, widened to whole months; `query`: as in docs/QUERY.md,
    without saved lists; `zone`, `region`: what its days and telephone numbers meant when the hold
    was placed ("" = as the configuration says), so that a changed setting does not change a hold.
    """

    custodians: tuple[str, ...] = ()
    matters: tuple[str, ...] = ()
    conversations: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    query: str = ""
    zone: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Act:
    """One act of one person. `act_id`: what the act's event is told apart by; of `placed` it is the
    hold's id. `at`: UTC ms. `about`: event_id of the request that is granted or refused. `reason`:
    of everything but `placed`, which has a ground."""

    hold_id: str
    action: str
    person: str
    at: int
    act_id: str
    name: str = ""
    ground: str = ""
    scope: Scope = field(default_factory=Scope)
    about: bytes = b""
    reason: str = ""


def hold_key(hold_id: str) -> bytes:
    """The message_key of every event of a hold."""
    return key_of(events.FIRM_CHANNEL, "", f"hold:{hold_id}")


def act_event(act: Act, firm_years: int) -> CapturedEvent:
    """The event that puts `act` on record. `firm_years`: `Directory.firm_years()`. Raises Refused
    for what cannot be meant."""
    check(act)
    placed = act.action == PLACED
    details = {"action": act.action, "hold": act.hold_id, "name": act.name,
               "scope": scope_text(act.scope) if placed else "",
               "about": act.about.hex(), "reason": act.reason}
    return CapturedEvent(
        kind=events.HOLD, channel=events.FIRM_CHANNEL, source=SOURCE, account="",
        conversation=events.FIRM_CHANNEL, captured_at=act.at, occurred_at=act.at,
        occurred_precision="ms", native_id=f"hold:{act.act_id}", target_key=hold_key(act.hold_id),
        actor=Identity(act.person, "user"), text=act.ground or None,
        details=tuple(sorted((name, value) for name, value in details.items() if value)),
        provenance=events.OWN, retention_class=domains.ROLE_NAMES[domains.FIRM],
        retention_years=firm_years)


def read_act(event: CapturedEvent) -> Act:
    """The act that an event states. Raises Refused for one that states none."""
    said = dict(event.details)
    try:
        if event.kind != events.HOLD or event.actor is None:
            raise ValueError("no act")
        act = Act(
            hold_id=said["hold"], action=said["action"], person=event.actor.native_id,
            at=event.captured_at, act_id=(event.native_id or "").removeprefix("hold:"),
            name=said.get("name", ""), ground=event.text or "",
            scope=read_scope(said.get("scope", "")), about=bytes.fromhex(said.get("about", "")),
            reason=said.get("reason", ""))
        check(act)
        if event.target_key != hold_key(act.hold_id):
            raise ValueError("another hold's")
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise Refused(f"an act of a hold that does not read: {type(error).__name__}") from error
    return act


def check(act: Act) -> None:
    """Raises Refused, in words for the person who sent it."""
    if act.action not in ACTIONS:
        raise Refused(f"an act is one of {', '.join(ACTIONS)}")
    if not _ID.fullmatch(act.hold_id) or not _ID.fullmatch(act.act_id):
        raise Refused("the id of a hold has 16 hexadecimal digits")
    if not act.person.strip():
        raise Refused("an act names who")
    if act.action == PLACED:
        if act.act_id != act.hold_id:
            raise Refused("a hold has the id of the act that placed it")
        _check_words("a name", act.name, NAME_CHARS_MAX)
        _check_words("a ground", act.ground, GROUND_CHARS_MAX)
        check_scope(act.scope)
        return
    if not REASON_CHARS_MIN <= len(act.reason.strip()) <= REASON_CHARS_MAX:
        raise Refused(f"say why, in {REASON_CHARS_MIN} to {REASON_CHARS_MAX} characters")
    if (act.action == RELEASE_ASKED) == bool(act.about):
        raise Refused("an answer names the request that it answers, and a request names none")


def check_scope(scope: Scope) -> None:
    """Raises Refused for a scope that is none."""
    if scope == Scope():
        raise Refused("say what to hold: a custodian, a matter, a conversation, a period, a query")
    for name in _FIELDS:
        values = getattr(scope, name)
        if len(values) > VALUES_MAX:
            raise Refused(f"a hold names at most {VALUES_MAX} {name}")
        if any(not one.strip() or len(one) > VALUE_CHARS_MAX for one in values):
            raise Refused(f"one of the {name} is empty or too long")
    if any(at is not None and not 0 <= at < _TIME_MAX for at in (scope.since, scope.until)):
        raise Refused("that is no time")
    if scope.since is not None and scope.until is not None and scope.since >= scope.until:
        raise Refused("the period ends before it begins")
    if len(scope.query) > limits.QUERY_CHARS_MAX:
        raise Refused(f"a query has at most {limits.QUERY_CHARS_MAX} characters")
    if ((scope.zone or scope.region) and not scope.query) or max(
            len(scope.zone), len(scope.region)) > _ZONE_CHARS_MAX:
        raise Refused("a zone and a region belong to a query")


def scope_text(scope: Scope) -> str:
    """As JSON, with what is given; the same for the same scope."""
    return json.dumps(scope_json(scope), sort_keys=True, separators=(",", ":"),
                      ensure_ascii=False)


def scope_json(scope: Scope) -> dict[str, Any]:
    """The fields that are given; times in UTC ms."""
    found: dict[str, Any] = {name: list(getattr(scope, name)) for name in _FIELDS
                             if getattr(scope, name)}
    times = {"since": scope.since, "until": scope.until}
    found |= {name: at for name, at in times.items() if at is not None}
    return found | {name: getattr(scope, name) for name in _TEXTS if getattr(scope, name)}


def read_scope(text: str) -> Scope:
    """Raises ValueError for what `scope_text` did not write; "" is the empty scope."""
    said: Any = json.loads(text) if text else {}
    if not isinstance(said, Mapping) or not set(said) <= {*_FIELDS, *_TEXTS, "since", "until"}:
        # A field of a later version: what it narrows or widens is not known here.
        raise ValueError("no scope")
    names = {name: _texts(said.get(name, [])) for name in _FIELDS}
    texts = {name: said.get(name, "") for name in _TEXTS}
    if not all(isinstance(one, str) for one in texts.values()):
        raise TypeError("a query, a zone and a region are texts")
    return Scope(names["custodians"], names["matters"], names["conversations"],
                 _time(said.get("since")), _time(said.get("until")), *texts.values())


def _texts(said: Any) -> tuple[str, ...]:
    if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
        raise TypeError("a list of texts")
    return tuple(said)


def _time(said: Any) -> int | None:
    if said is not None and (not isinstance(said, int) or isinstance(said, bool)):
        raise TypeError("a time")
    return said


def _check_words(what: str, said: str, most: int) -> None:
    if not said.strip():
        raise Refused(f"a hold has {what}")
    if len(said) > most:
        raise Refused(f"{what} has at most {most} characters")
