"""What a reviewer did with one message, and the event that says so.

Owns the shape of a review event. It carries the four fields of FINRA 3110.07 (reviewer, what was
reviewed, when, what was done), and "what" exactly: the message, the versions and the flags that
were on the screen, and the decisions that it follows. It lies in the firm's domain and outlives the
message's key: free text in it says why, and does not quote the message.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from schemas import domains, events
from schemas.errors import Refused
from schemas.events import CapturedEvent, Identity

SOURCE: Final = "review/1"

# action
DECIDE: Final = "decide"
CONFIRM: Final = "confirm"      # the second person agrees with a decision
OBJECT: Final = "object"        # the second person does not: the item goes up a level
ASSIGN: Final = "assign"        # to somebody, or to nobody
NOTE: Final = "note"
TAG: Final = "tag"
UNTAG: Final = "untag"
REOPEN: Final = "reopen"        # also: opened by hand, where no policy had flagged it
UNMASK: Final = "unmask"        # the names behind pseudonyms were shown
ACTIONS: Final = (DECIDE, CONFIRM, OBJECT, ASSIGN, NOTE, TAG, UNTAG, REOPEN, UNMASK)
# Those that say what becomes of the item.
DECISIVE: Final = frozenset({DECIDE, CONFIRM, OBJECT, REOPEN})

# decision
CLEAR: Final = "clear"                      # looked at; nothing is wrong
FALSE_POSITIVE: Final = "false_positive"    # the rule should not have flagged it
ESCALATE: Final = "escalate"                # somebody of a higher level decides
BREACH: Final = "breach"                    # a rule of the firm or of the law was broken
DECISIONS: Final = (CLEAR, FALSE_POSITIVE, ESCALATE, BREACH)

LEVEL_FIRST: Final = 1
LEVEL_LAST: Final = 3
REASON_CHARS_MAX: Final = 500
NOTE_CHARS_MAX: Final = 4_000
TAG_CHARS_MAX: Final = 40
# Versions and flags that one decision names; what is beyond is not decided by it and stays open.
SEEN_MAX: Final = 2_000
# Rules that are spelled out for a reader; all of them are in the flags.
RULES_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Seen:
    """What was on the screen, by event_id (16 bytes each).

    `versions`: of the message, in order of capture, so that the newest is the last; `flags`;
    `after`: the decisions that this one follows. `rules`: of the flags, "policy/rule/version".
    """

    versions: tuple[bytes, ...] = ()
    flags: tuple[bytes, ...] = ()
    after: tuple[bytes, ...] = ()
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Review:
    """One act of one person about one message.

    `message`: its message_key. `decision`: of a confirmation the confirmed one. `at`: UTC ms.
    `review_id`: the native id of the event, made of the
    form that was sent, so that a form sent twice is one act. `level`: where the item is after an
    escalation, an objection or a reopening, else where it was. `second`: the decision holds when
    another person confirms it. `about`: the decision that is confirmed or objected to (event_id).
    `to`: a person, "" = nobody. `bulk`: id of the bulk act that this is part of. `quality`:
    reopened to check a cleared item again.
    """

    message: bytes
    person: str
    action: str
    at: int
    review_id: str
    decision: str = ""
    level: int = LEVEL_FIRST
    severity: str = ""
    reason: str = ""
    note: str = ""
    seen: Seen = field(default_factory=Seen)
    second: bool = False
    about: bytes = b""
    to: str = ""
    tag: str = ""
    bulk: str = ""
    quality: bool = False


def review_event(review: Review, firm_years: int) -> CapturedEvent:
    """The event that puts `review` on record. `firm_years`: `Directory.firm_years()`.

    Raises Refused for an act that cannot be meant: `check` says which.
    """
    check(review)
    return CapturedEvent(
        kind=events.REVIEW, channel=events.FIRM_CHANNEL, source=SOURCE, account="",
        conversation=events.FIRM_CHANNEL, captured_at=review.at, occurred_at=review.at,
        occurred_precision="ms", native_id=review.review_id, target_key=review.message,
        actor=Identity(review.person, "user"), text=review.note or None,
        details=tuple(sorted(_details(review).items())), provenance=events.OWN,
        retention_class=domains.ROLE_NAMES[domains.FIRM], retention_years=firm_years)


def check(review: Review) -> None:
    """Raises Refused, in words for the person who sent the form."""
    if review.action not in ACTIONS:
        raise Refused(f"the action is one of {', '.join(ACTIONS)}")
    if (review.decision not in DECISIONS if review.action == DECIDE else
            review.decision not in ("", *(DECISIONS if review.action == CONFIRM else ()))):
        raise Refused(f"a decision is one of {', '.join(DECISIONS)}")
    if not LEVEL_FIRST <= review.level <= LEVEL_LAST:
        raise Refused(f"a level is {LEVEL_FIRST} to {LEVEL_LAST}")
    if not review.person or not review.review_id or not review.message:
        raise Refused("a review names who, which message, and itself")
    if len(review.reason) > REASON_CHARS_MAX:
        raise Refused(f"a reason has at most {REASON_CHARS_MAX} characters")
    if len(review.note) > NOTE_CHARS_MAX:
        raise Refused(f"a note has at most {NOTE_CHARS_MAX} characters")
    if (review.action in (TAG, UNTAG)) != bool(review.tag):
        raise Refused("say which tag")
    if len(review.tag) > TAG_CHARS_MAX or not review.tag.isprintable():
        raise Refused(f"a tag is a word or two, at most {TAG_CHARS_MAX} characters")
    if review.action == NOTE and not review.note.strip():
        raise Refused("the note is empty")
    if review.action in (CONFIRM, OBJECT) and not review.about:
        raise Refused("say which decision is meant")


def is_review(event: CapturedEvent) -> bool:
    """Whether an event states an act of a reviewer."""
    return event.kind == events.REVIEW and event.target_key is not None \
        and event.detail("action") in ACTIONS


def read_review(event: CapturedEvent) -> Review:
    """The act that an event states. Raises Refused for one that states none."""
    said = dict(event.details)
    try:
        if not is_review(event) or event.actor is None or event.target_key is None:
            raise ValueError("no review")
        review = Review(
            message=event.target_key, person=event.actor.native_id, action=said["action"],
            at=event.captured_at, review_id=event.native_id or "",
            decision=said.get("decision", ""), level=int(said["level"]),
            severity=said.get("severity", ""), reason=said.get("reason", ""),
            note=event.text or "",
            seen=Seen(_ids(said.get("versions")), _ids(said.get("flags")),
                      _ids(said.get("after")), tuple(said.get("rules", "").split())),
            second=said.get("second") == "wanted", about=bytes.fromhex(said.get("about", "")),
            to=said.get("to", ""), tag=said.get("tag", ""), bulk=said.get("bulk", ""),
            quality=said.get("quality") == "true")
        check(review)
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise Refused(f"a review that does not read: {type(error).__name__}") from error
    return review


def _details(review: Review) -> dict[str, str]:
    seen = review.seen
    told = {
        "action": review.action, "level": str(review.level), "decision": review.decision,
        "severity": review.severity, "reason": review.reason, "to": review.to, "tag": review.tag,
        "bulk": review.bulk, "about": review.about.hex(),
        "second": "wanted" if review.second else "", "quality": "true" if review.quality else "",
        # The newest one by itself: what a reader of the record asks for first.
        "version": seen.versions[-1].hex() if seen.versions else "",
        "versions": _json(seen.versions[-SEEN_MAX:]), "flags": _json(seen.flags[:SEEN_MAX]),
        "after": _json(seen.after[:SEEN_MAX]), "rules": " ".join(seen.rules[:RULES_MAX]),
    }
    return {name: value for name, value in told.items() if value}


def _json(ids: tuple[bytes, ...]) -> str:
    return json.dumps([one.hex() for one in ids], separators=(",", ":")) if ids else ""


def _ids(said: str | None) -> tuple[bytes, ...]:
    found: Any = json.loads(said) if said else []
    if not isinstance(found, list):
        raise TypeError("a list")
    return tuple(bytes.fromhex(one) for one in found)
