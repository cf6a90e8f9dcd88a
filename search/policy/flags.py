"""A flag: which rule of which version of a policy, on which text of which message, where and why.

Owns its shape and its event. The event lies in the firm's domain (PROTOCOL K4) and outlives the
message's key, so it holds places and the rule's own words, never those of the message. Its target
is the message, whose document it joins. Its id is made of message, rule, version and text: a replay
makes sightings of the same flag, never a second one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from schemas import domains, events
from schemas.errors import Refused
from schemas.events import CapturedEvent
from search.policy.reading import Range
from search.policy.zones import Cut

SOURCE: Final = "policy/1"
ACTION: Final = "flag"
# Ranges of one flag; more are counted, not listed.
RANGES_MAX: Final = 500
CUTS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Place:
    """`ranges` of the text of event `version` (its event_id) of `message` (its message_key)."""

    message: bytes
    version: bytes
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Flag:
    """`message`: the flagged one's message_key; `revision`: `message.Version.revision` of the text,
    edit or retraction that was flagged. `places` in the conversation's order, those of the messages
    around it included; `left_out`: ranges beyond RANGES_MAX. `score`: points, null = a query.
    `reason`: in words. `cut`: what of the flagged text did not count. `digest`: of the policy."""

    message: bytes
    policy: str
    rule: str
    version: int
    severity: str
    revision: str
    reason: str
    digest: str
    places: tuple[Place, ...] = ()
    left_out: int = 0
    score: int | None = None
    cut: tuple[Cut, ...] = ()
    mandatory: bool = False


def bounded(places: Iterable[Place]) -> tuple[tuple[Place, ...], int]:
    """(the first RANGES_MAX ranges, how many more there are)."""
    kept: list[Place] = []
    room, left_out = RANGES_MAX, 0
    for one in places:
        if room:
            kept.append(Place(one.message, one.version, one.ranges[:room]))
        left_out += max(0, len(one.ranges) - room)
        room = max(0, room - len(one.ranges))
    return tuple(kept), left_out


def flag_event(flag: Flag, captured_at: int, firm_years: int) -> CapturedEvent:
    """The event that says so. `captured_at`: when it was found (UTC ms), the only part of it that
    two runs may say differently; `firm_years`: `Directory.firm_years()`."""
    details = {
        "action": ACTION, "policy": flag.policy, "rule": flag.rule, "version": str(flag.version),
        "severity": flag.severity, "reason": flag.reason, "digest": flag.digest,
        "places": _json([_place(one, flag.message) for one in flag.places]),
        "cut": _json([[one.zone, one.start, one.end, one.why] for one in flag.cut[:CUTS_MAX]]),
    }
    if flag.left_out:
        details["left_out"] = str(flag.left_out)
    if flag.score is not None:
        details["score"] = str(flag.score)
    if flag.mandatory:
        details["mandatory"] = "true"
    return CapturedEvent(
        kind=events.POLICY, channel=events.FIRM_CHANNEL, source=SOURCE, account="",
        conversation=events.FIRM_CHANNEL, captured_at=captured_at,
        native_id=f"flag:{flag.policy}:{flag.version}:{flag.rule}", target_key=flag.message,
        revision=flag.revision, details=tuple(sorted(details.items())), provenance=events.OWN,
        retention_class=domains.ROLE_NAMES[domains.FIRM], retention_years=firm_years)


def is_flag(event: CapturedEvent) -> bool:
    """Whether an event states a flag."""
    return event.kind == events.POLICY and event.detail("action") == ACTION


def read_flag(event: CapturedEvent) -> Flag:
    """The flag that an event states. Raises Refused for one that states none."""
    said = dict(event.details)
    try:
        if not is_flag(event) or event.target_key is None:
            raise ValueError("no flag")
        message = event.target_key
        return Flag(
            message=message, policy=said["policy"], rule=said["rule"],
            version=int(said["version"]), severity=said["severity"], revision=event.revision,
            reason=said["reason"], digest=said["digest"],
            places=tuple(_read_place(one, message) for one in json.loads(said["places"])),
            left_out=int(said.get("left_out", "0")),
            score=int(said["score"]) if "score" in said else None,
            cut=tuple(Cut(str(zone), int(start), int(end), str(why))
                      for zone, start, end, why in json.loads(said["cut"])),
            mandatory=said.get("mandatory") == "true")
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise Refused(f"a flag that does not read: {type(error).__name__}") from error


def _place(place: Place, flagged: bytes) -> list[Any]:
    """[version, ranges], and the message where it is another than the flagged one."""
    said: list[Any] = [place.version.hex(), [list(one) for one in place.ranges]]
    return said if place.message == flagged else [*said, place.message.hex()]


def _read_place(said: list[Any], flagged: bytes) -> Place:
    version, ranges, *other = said
    return Place(bytes.fromhex(other[0]) if other else flagged, bytes.fromhex(version),
                 tuple((int(start), int(end)) for start, end in ranges))


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
