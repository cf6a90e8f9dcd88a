"""One `mms` of a backup -> one event with its attachments.

Owns the meaning of parts and addresses: who of them is oneself, which parts are words, and which
are files whose bytes are read from the backup when somebody wants them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO, Final

from ingest.adapters import sms_backup_base64, sms_backup_people, sms_backup_rows
from ingest.adapters.sms_backup_elements import Element, Part
from ingest.adapters.sms_backup_people import SELF
from ingest.adapters.sms_backup_rows import BOXES, Reading, Row, Sides, Telephone
from ingest.imports import ImportedFile, Member
from ingest.times import Moment
from ingest.values import Facts, compact
from schemas import events
from schemas.events import Attachment, Identity
from schemas.identity import canonical

# Address types of an MMS header (WAP-209).
FROM: Final = "137"
_RECIPIENTS: Final = {"151": "to", "130": "cc", "129": "bcc"}
# Message types: a notification or a message fetched, and one sent.
_TYPES: Final = {"128": events.OUT, "130": events.IN, "132": events.IN}
_LAYOUT: Final = "application/smil"
# Text that lies in `data` (long messages of some telephones); longer stays an attachment alone.
_TEXT_BYTES_MAX: Final = 256 * 1024
# MIB enums of character sets that are not read as UTF-8.
_CHARSETS: Final = {"4": "iso-8859-1", "1000": "utf-16", "1015": "utf-16"}
_CONSUMED: Final = frozenset({"address", "date", "sub", "contact_name"})


@dataclass(frozen=True, slots=True)
class Outside:
    """The damaged value of part `number` that is in no event's raw bytes: [start, end) of the
    file."""

    number: int
    start: int
    end: int


# Detail: a hash of what was said and shown, where the id says nothing of it.
ESSENCE: Final = "essence"


@dataclass(frozen=True, slots=True)
class Picture:
    """An MMS, read. `essence` tells two rows of one id apart, `members` are its files that can be
    read, `outside` those that cannot and are not in `raw` either."""

    reading: Reading
    essence: bytes
    members: tuple[Member, ...]
    outside: tuple[Outside, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part, read: words, or a file. `layout` = it only says how the others are shown."""

    part: Part
    media_type: str | None
    name: str | None
    words: str | None
    has_data: bool
    layout: bool


@dataclass(frozen=True, slots=True)
class _Parties:
    """Everybody that the addresses name."""

    sender: Identity | None
    others: tuple[Identity, ...]
    peers: tuple[Identity, ...]


def read(element: Element, telephone: Telephone, file: ImportedFile) -> Picture:
    """An `mms`. Raises Refused where its date cannot be read."""
    repairs = set(element.repairs)
    row = Row(element.attributes, telephone.codec, repairs)
    written_date = row.required("date")
    moment = _whole_seconds(sms_backup_rows.moment_of(written_date, telephone))
    box, direction = BOXES.get(row.get("msg_box") or "",
                               (None, _TYPES.get(row.get("m_type") or "")))
    facts = Facts()
    facts.add("mms", "1")
    facts.add("box", box)
    parties = _parties(element, telephone, row, direction, facts)
    pieces = [_piece(part, telephone, repairs, file) for part in element.parts]
    subject = row.get("sub")
    words = [one.words for one in pieces if one.words and not one.layout]
    sms_backup_rows.add_moment(facts, row, moment, telephone)
    facts.add("subject", subject)
    _add_cuts(facts, element)
    row.facts(facts, _CONSUMED)
    essence = _essence(subject, pieces)
    native_id, counted = _native_id(row, parties, moment, written_date, direction, essence)
    if not counted:
        facts.add(ESSENCE, essence.hex())
    attachments, members, outside = _files(pieces, native_id, file)
    own = telephone.own
    actor = parties.sender if direction == events.IN else (
        own or parties.sender if direction == events.OUT else None)
    text = "\n".join(filter(None, (subject, *words))) or None
    reading = sms_backup_rows.reading(
        element, telephone, moment, direction, kind=events.MESSAGE,
        sides=Sides(
            sms_backup_people.conversation(own, parties.peers), actor,
            sms_backup_people.distinct((own, *parties.peers, *parties.others), actor)),
        native_id=native_id, revision=row.get("msg_box") or "", details=facts.pairs(),
        observations=_observations(moment, direction, attachments, text), repairs=repairs,
        text=text, attachments=attachments, counted=counted)
    return Picture(reading, essence, members, outside)


def _observations(moment: Moment, direction: str | None, attachments: tuple[Attachment, ...],
                  text: str | None) -> list[str]:
    found = list(moment.observations)
    if direction is None:
        found.append("unknown_type")
    if any(one.state == "pending" for one in attachments):
        found.append("media_pending")
    if text is None and not attachments:
        found.append("content_absent")
    return found


def _whole_seconds(moment: Moment) -> Moment:
    """A telephone keeps an MMS's date in seconds; the backup writes them times 1,000."""
    if moment.at is not None and moment.at % 1000 == 0:
        return replace(moment, precision="s")
    return moment


def _parties(element: Element, telephone: Telephone, row: Row, direction: str | None,
           facts: Facts) -> _Parties:
    """Who is in it. `address` is the thread's other side; without it the addresses say who."""
    own, region = telephone.own, telephone.region
    sender: Identity | None = None
    said: dict[str, list[str]] = {}
    others: list[Identity | None] = []
    for attributes in element.addresses:
        one = Row(attributes, telephone.codec, row.repairs)
        written, kind = one.get("address"), one.get("type") or ""
        who = sms_backup_people.person(written, region)
        others.append(who)
        if kind == FROM and sender is None:
            sender = own if written == SELF else who
        if kind in ("130", "129") and written:
            said.setdefault(_RECIPIENTS[kind], []).append(written)
    for name, written_all in said.items():
        facts.add(name, "~".join(written_all))
    peers = sms_backup_people.distinct(
        sms_backup_people.people(row.get("address"), region), own)
    if not peers:
        peers = sms_backup_people.distinct(others, own)
    if len(peers) == 1:
        peer = sms_backup_rows.named(peers[0], row)
        peers = (peer,) if peer else ()
    else:
        facts.add("contact_name", row.get("contact_name"))
    if direction == events.IN and len(peers) == 1 and (
            sender is None or sender.native_id == peers[0].native_id):
        sender = peers[0]
    return _Parties(sender, sms_backup_people.distinct(others, own), peers)


def _piece(part: Part, telephone: Telephone, repairs: set[str], file: ImportedFile) -> _Piece:
    row = Row(part.attributes, telephone.codec, repairs)
    media_type = row.get("ct")
    kind = (media_type or "").partition(";")[0].strip().lower()
    data = part.data
    has_data = data is not None and data.end > data.start and part.attributes["data"] != b"null"
    words = row.get("text")
    if words is None and has_data and data is not None and kind == "text/plain" \
            and data.surveyed.sound and data.surveyed.size <= _TEXT_BYTES_MAX:
        codec = _CHARSETS.get(row.get("chset") or "", "utf-8")
        with sms_backup_base64.opened(file.open(), data.start, data.end) as stream:
            words = stream.read(_TEXT_BYTES_MAX).decode(codec, "replace").removeprefix("\ufeff")
    return _Piece(part, media_type, row.get("cl") or row.get("name") or row.get("fn"), words,
                  has_data, kind == _LAYOUT)


def _native_id(row: Row, parties: _Parties, moment: Moment, written_date: str,
               direction: str | None, essence: bytes) -> tuple[str, bool]:
    """The id, and whether equals have to be counted because it is made of the content.

    The ids that a centre gives are its own affair: the date and the side stand beside them, so
    that a centre which repeats itself does not make one message of two.
    """
    date = sms_backup_rows.date_key(moment, written_date)
    given = row.get("m_id") or row.get("tr_id")
    if given:
        return sms_backup_rows.natural_id("mms", "given", given, date, direction or ""), False
    names = sorted({one.native_id for one in (*parties.peers, *parties.others)})
    return sms_backup_rows.natural_id("mms", "content", date, direction or "",
                                      "|".join(names), essence.hex()), True


def _essence(subject: str | None, pieces: list[_Piece]) -> bytes:
    """A hash of all that was said and shown."""
    parts: list[bytes | str] = [subject or ""]
    for one in pieces:
        value = one.part.data.surveyed.sha256 if one.has_data and one.part.data else b""
        parts += one.media_type or "", one.words or "", value
    return hashlib.sha256(canonical(*parts)).digest()


def _files(pieces: list[_Piece], native_id: str, file: ImportedFile,
           ) -> tuple[tuple[Attachment, ...], tuple[Member, ...], tuple[Outside, ...]]:
    """What of the parts is a file: each with its bytes, or with the reason why not."""
    attachments: list[Attachment] = []
    members: list[Member] = []
    outside: list[Outside] = []
    for number, one in enumerate(pieces):
        if one.layout or (one.words is not None and not one.has_data):
            continue
        name = f"{native_id}/{number}"
        data = one.part.data
        if data is None or not one.has_data:
            attachments.append(Attachment(name, one.media_type, one.name, state="failed",
                                          reason="the backup has no bytes of it"))
            continue
        if not data.surveyed.sound:
            attachments.append(Attachment(name, one.media_type, one.name, state="failed",
                                          reason="its bytes in the backup are no base64"))
            if one.part.outside:
                outside.append(Outside(number, data.start, data.end))
            continue
        size = data.surveyed.size
        members.append(Member(len(attachments), one.name or f"part-{number}", one.media_type, size,
                              partial(_opened, file, data.start, data.end)))
        attachments.append(Attachment(name, one.media_type, one.name, size))
    return tuple(attachments), tuple(members), tuple(outside)


def _opened(file: ImportedFile, start: int, end: int) -> BinaryIO:
    return sms_backup_base64.opened(file.open(), start, end)


def _add_cuts(facts: Facts, element: Element) -> None:
    """Where the raw bytes lack a value: it is stored as the attachment, whose base64 has this
    length and hash."""
    for number, (at, cut) in enumerate(element.cuts):
        facts.add(f"raw_cut.{number}", compact({
            "at": at, "bytes": cut.end - cut.start, "sha256": cut.surveyed.sha256.hex()}))
