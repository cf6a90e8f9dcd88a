"""One `sms` or `call` of a backup -> one event; what all rows have in common.

Owns the columns of Android's telephony provider as SMS Backup & Restore writes them (CAPTURE §6).
SMS and MMS are one channel, "sms", as at Twilio's door; calls are in it too, so that a telephone
is one account and what was said and written to one number is one conversation.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ingest import times
from ingest.adapters import sms_backup_people, sms_backup_text
from ingest.adapters.sms_backup_elements import Attributes, Element
from ingest.adapters.sms_backup_text import BYTES, CONTROL, LONE
from ingest.imports import Answers
from ingest.times import Moment
from ingest.values import Facts
from schemas import events
from schemas.errors import Refused
from schemas.events import Attachment, CapturedEvent, Identity
from schemas.identity import canonical

SOURCE: Final = "sms-backup/1"
CHANNEL: Final = "sms"
RAW_TYPE: Final = "application/xml"

_FACT_CHARS_MAX: Final = 2_000
_FACTS_MAX: Final = 80
_DIGITS: Final = re.compile(r"[0-9]+")
_OBSERVED: Final = {LONE: "lone_surrogate_replaced", BYTES: "bytes_replaced",
                    CONTROL: "bytes_replaced"}
_NOBODYS_NAME: Final = frozenset({"", "null", "(Unknown)"})

# Places of a message on the telephone and the direction of what lies there.
BOXES: Final[Mapping[str, tuple[str, str]]] = {
    "1": ("inbox", events.IN), "2": ("sent", events.OUT), "3": ("draft", events.OUT),
    "4": ("outbox", events.OUT), "5": ("failed", events.OUT), "6": ("queued", events.OUT),
}
CALLS: Final[Mapping[str, tuple[str, str]]] = {
    "1": ("incoming", events.IN), "2": ("outgoing", events.OUT), "3": ("missed", events.IN),
    "4": ("voicemail", events.IN), "5": ("rejected", events.IN), "6": ("refused", events.IN),
    "7": ("answered_elsewhere", events.IN),
}
# Columns that say nothing of the message: a row's number, a time for the eye, what the owner of
# the telephone did to it since. They would tell one message from itself in the next backup.
_PASSING: Final = frozenset({"_id", "thread_id", "readable_date", "read", "seen", "locked"})
_DETAILS: Final = frozenset({
    "protocol", "subject", "toa", "sc_toa", "service_center", "status", "sub_id", "date_sent",
    "type", "duration", "presentation", "post_dial_digits", "subscription_id",
    "subscription_component_name", "m_id", "tr_id", "m_type", "ct_t", "msg_box",
})


@dataclass(frozen=True, slots=True)
class Telephone:
    """Whose backup it is: what is the same for every row of a file."""

    answers: Answers
    codec: str
    sha256: bytes
    own: Identity | None
    region: str | None

    @property
    def account(self) -> str:
        """The firm-side number, or "" where nobody said it."""
        return self.own.native_id if self.own else ""


@dataclass(frozen=True, slots=True)
class Reading:
    """One row, read. `event.native_id` is still without its ordinal where `counted` is true."""

    event: CapturedEvent
    repairs: tuple[str, ...]
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Sides:
    """Between whom: the conversation, who acted, and everybody else in it."""

    conversation: str
    actor: Identity | None
    participants: tuple[Identity, ...]


class Row:
    """The attributes of one tag as text; collects what had to be put right."""

    def __init__(self, attributes: Attributes, codec: str, repairs: set[str]) -> None:
        self._attributes = attributes
        self._codec = codec
        self.repairs = repairs

    def written(self, name: str) -> str | None:
        """The value as it is written, `null` and empty too; null where there is no attribute."""
        raw = self._attributes.get(name)
        if raw is None:
            return None
        return sms_backup_text.text_of(raw, self._codec, self.repairs)

    def get(self, name: str) -> str | None:
        """The value, or null where it is absent, empty or the word that backups write for that."""
        value = self.written(name)
        return None if value in (None, "", "null") else value

    def required(self, name: str) -> str:
        """The value as written. Raises Refused where there is no such attribute."""
        value = self.written(name)
        if value is None:
            raise Refused(f"the attribute {name} is missing")
        return value

    def facts(self, facts: Facts, consumed: frozenset[str]) -> None:
        """Keep every column that has no place of its own; unknown ones under `backup.`."""
        for name in list(self._attributes)[:_FACTS_MAX]:
            if name in consumed or name in _PASSING:
                continue
            if self._attributes[name] not in (b"null", b""):
                value = self.written(name) or ""
                known = name if name in _DETAILS else f"backup.{name}"
                facts.add(known[:_FACT_CHARS_MAX], value[:_FACT_CHARS_MAX])


def sms(element: Element, telephone: Telephone) -> Reading:
    """An `sms`. Raises Refused where address, date or type cannot be read."""
    row = Row(element.attributes, telephone.codec, set(element.repairs))
    address, written_date = row.required("address"), row.required("date")
    box, direction = BOXES.get(row.required("type"), (None, None))
    moment = moment_of(written_date, telephone)
    peer = named(sms_backup_people.person(address, telephone.region), row)
    body = row.written("body")
    subject = row.get("subject")
    facts = Facts()
    facts.add("box", box)
    add_moment(facts, row, moment, telephone)
    row.facts(facts, frozenset({"address", "date", "body", "contact_name"}))
    observations = [*moment.observations]
    if box is None:
        observations.append("unknown_type")
    if body == "null":
        observations.append("ambiguous_marker")
    if body is None:
        observations.append("content_absent")
    return reading(
        element, telephone, moment, direction, kind=events.MESSAGE,
        sides=_two(telephone, peer, direction),
        native_id=natural_id("sms", peer.native_id if peer else address, date_key(moment,
                             written_date), direction or "", body or ""),
        # The same row moves from outbox to sent: one message, told twice.
        revision=row.required("type"), details=facts.pairs(), observations=observations,
        repairs=row.repairs, text="\n".join(filter(None, (subject, body))) or body)


def call(element: Element, telephone: Telephone) -> Reading:
    """A `call`. Raises Refused where number, date or type cannot be read."""
    row = Row(element.attributes, telephone.codec, set(element.repairs))
    number, written_date = row.required("number"), row.required("date")
    way, direction = CALLS.get(row.required("type"), (None, None))
    moment = moment_of(written_date, telephone)
    peer = named(sms_backup_people.person(number, telephone.region), row)
    facts = Facts()
    facts.add("call", way)
    row.facts(facts, frozenset({"number", "date", "contact_name"}))
    observations = [*moment.observations]
    if way is None:
        observations.append("unknown_type")
    if peer is None:
        observations.append("phone_absent")
    return reading(
        element, telephone, moment, direction, kind=events.CALL,
        sides=_two(telephone, peer, direction),
        native_id=natural_id("call", peer.native_id if peer else number,
                             date_key(moment, written_date), row.get("duration") or ""),
        revision=row.required("type"), details=facts.pairs(), observations=observations,
        repairs=row.repairs)


def reading(element: Element, telephone: Telephone, moment: Moment, direction: str | None, *,
            kind: str, sides: Sides, native_id: str, revision: str,
            details: tuple[tuple[str, str], ...], observations: list[str], repairs: set[str],
            text: str | None = None, attachments: tuple[Attachment, ...] = (),
            counted: bool = True) -> Reading:
    """The event of a row: where it is from, when, its bytes, and what was observed on it, repairs
    that changed its text too. Made in one go: a backup has millions."""
    codes = {*observations, *(_OBSERVED[one] for one in repairs if one in _OBSERVED)}
    meaning = "sent" if direction == events.OUT else "device_received"
    event = CapturedEvent(
        kind=kind,
        channel=CHANNEL,
        source=SOURCE,
        account=telephone.account,
        conversation=sides.conversation,
        captured_at=telephone.answers.now,
        native_id=native_id,
        revision=revision,
        actor=sides.actor,
        participants=sides.participants,
        direction=direction,
        occurred_at=moment.at,
        occurred_precision=moment.precision,
        occurred_meaning=meaning if moment.at is not None else None,
        text=text,
        attachments=attachments,
        observations=tuple(sorted(codes)),
        details=details,
        provenance=events.CUSTODIAN_SUPPLIED,
        provenance_who=telephone.answers.who,
        provenance_sha256=telephone.sha256,
        raw=element.raw,
        raw_type=RAW_TYPE,
    )
    return Reading(event, tuple(sorted(repairs)), counted)


def _two(telephone: Telephone, peer: Identity | None, direction: str | None) -> Sides:
    """What passed between the owner and one other."""
    own = telephone.own
    actor = peer if direction == events.IN else own if direction == events.OUT else None
    return Sides(sms_backup_people.conversation(own, (peer,) if peer else ()), actor,
                 sms_backup_people.distinct((own, peer), apart_from=actor))


def moment_of(written: str, telephone: Telephone) -> Moment:
    """When, from a number in milliseconds; other units are told by magnitude (case 58).

    Raises Refused where it is no number. A number that can be no time stays, as an observation.
    """
    if not _DIGITS.fullmatch(written.strip()):
        raise Refused("the date is not a number")
    return _in_milliseconds(times.from_epoch(written, telephone.answers.now), written)


def add_moment(facts: Facts, row: Row, moment: Moment, telephone: Telephone) -> None:
    """Keep when the other side sent it: as written, and in milliseconds whatever its unit."""
    facts.add("date", moment.raw if moment.observations else None)
    written = row.get("date_sent")
    if written and written.strip() != "0":
        sent = times.from_epoch(written, telephone.answers.now)
        facts.add("date_sent_ms", str(sent.at) if sent.at is not None else None)


def _in_milliseconds(moment: Moment, written: str) -> Moment:
    """`times` expects seconds; here milliseconds are what is documented."""
    is_ms = 12 <= len(written.strip().lstrip("0")) <= 14
    codes = set(moment.observations) - {"time_unit_guessed"}
    if moment.at is not None and not is_ms:
        codes.add("time_unit_guessed")
    return Moment(moment.at, moment.precision, moment.raw, tuple(sorted(codes)))


def date_key(moment: Moment, written: str) -> str:
    """The date as it goes into an id: in milliseconds, so that its unit does not matter."""
    return written.strip() if moment.at is None else str(moment.at)


def natural_id(kind: str, *parts: str) -> str:
    """An id for what has none: the hash of what makes it itself. It stays inside sealed bytes."""
    digest = hashlib.sha256(canonical("counterfoil/sms-backup/v1", kind, *parts)).hexdigest()
    return f"{kind}:{digest[:32]}"


def named(peer: Identity | None, row: Row) -> Identity | None:
    """`peer` with the name that the telephone's contacts have for it."""
    name = row.written("contact_name")
    if peer is None or name is None or name in _NOBODYS_NAME:
        return peer
    return Identity(peer.native_id, peer.id_type, name)
