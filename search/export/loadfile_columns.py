"""What stands in each column of a load file, of a message and of a file that belongs to one. Pure.

Owns the table of columns. A value that is not known is empty; it is never guessed. Times that the
source did not state are in no column that says "sent".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

from schemas import events
from schemas.events import Identity
from search.export import loadfile_text as words
from search.export.model import Item, Job, PackedFile, Slice
from search.thread import VersionView
from search.web import chat, times

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DIRECTIONS: Final = {events.IN: "incoming", events.OUT: "outgoing"}
_MANY: Final = "; "


@dataclass(frozen=True, slots=True)
class Document:
    """One record of the load file. `file`: null = the message itself; `last`: the id of its last
    file, or its own; `name`, `extension`, `size`, `sha256`: of the file that `native` names, of a
    message, which has none, of its text; "" = there are no bytes. `native`, `text`: paths as the
    load file names them; `pages`: "" = it has no pages."""

    job: Job
    slice: Slice
    item: Item
    file: PackedFile | None
    id: str
    last: str
    name: str
    extension: str
    size: str
    sha256: str
    native: str
    text: str
    pages: str
    confidentiality: str


@dataclass(frozen=True, slots=True)
class Day:
    """A moment as two columns: "20260514", "09:15:20"; `zone`: "Europe/London (UTC+01:00)"."""

    date: str = ""
    time: str = ""
    zone: str = ""


def day(at: int | None, job: Job) -> Day:
    """A time of UTC ms in the export's zone; nothing of a time that no calendar has."""
    if at is None:
        return Day()
    try:
        local = (_EPOCH + timedelta(milliseconds=at)).astimezone(job.zone)
    except OverflowError:
        return Day()
    offset = local.strftime("%z")
    return Day(_digits(local), f"{local:%H:%M:%S}",
               f"{job.zone_name} (UTC{offset[:3]}:{offset[3:5]})")


def sent(one: Document) -> Day:
    """When it was sent, as the source states; nothing where it does not."""
    hit = one.item.view.hit
    if hit.occurred_at is not None:
        return day(hit.occurred_at, one.job)
    if not hit.occurred_local:
        return Day()
    try:
        local = datetime.fromisoformat(hit.occurred_local)
    except ValueError:
        return Day()
    return Day(_digits(local), f"{local:%H:%M:%S}", "not known: as the file shows it")


def history(one: Document) -> str:
    """Every version with its text, where there is more than one."""
    if one.file is not None or len(one.item.view.versions) < 2:
        return ""
    out: list[str] = []
    for paragraph in words.versions(one.item, words.zone_of(one.job)):
        out.append(words.one_line(paragraph.heading))
        if paragraph.body:
            out.append(words.indented(paragraph.body))
    return "\n".join(out)


def retraction(one: Document) -> VersionView | None:
    """What took it back; null = it stands, or what took it back cannot be read."""
    if not _is_deleted(one):
        return None
    return next((row for row in reversed(one.item.view.versions)
                 if row.kind == events.RETRACTION), None)


def _is_deleted(one: Document) -> bool:
    return one.item.view.hit.state == "retracted"


def _deleted(one: Document) -> Day:
    row = retraction(one)
    return day(row.occurred_at, one.job) if row is not None else Day()


def _deleted_by(one: Document) -> str:
    row = retraction(one)
    return words.named(row.actor) if row is not None else ""


def _to(one: Document) -> str:
    return _people(words.recipients(one.item, one.slice))


def _people(found: tuple[Identity, ...]) -> str:
    # What separates people must not stand in a name.
    return _MANY.join(words.named(who).replace(";", ",") for who in found)


def _from(one: Document) -> str:
    actor = one.item.view.hit.actor
    return _people((actor,)) if actor is not None else ""


def _duplicates(one: Document) -> str:
    """Whose accounts have a copy, as the archive knows it."""
    others = {copy.custodian for copy in one.item.view.hit.seen_by if copy.doc_id}
    return _MANY.join(sorted(others - {"", one.item.custodian}))


def _time_basis(one: Document) -> str:
    hit = one.item.view.hit
    return times.of(hit, words.zone_of(one.job), hit.occurred_meaning).meaning


def _provenance(one: Document) -> str:
    return _MANY.join(dict.fromkeys(chat.known(row) for row in one.item.view.versions))


def _message_id(one: Document) -> str:
    leading = one.item.leading
    return (leading.native_id or "") if leading is not None else ""


def _digits(moment: datetime) -> str:
    return f"{moment.year:04d}{moment.month:02d}{moment.day:02d}"


# What a column says. The order is the order in the file.
COLUMNS: Final[Mapping[str, Callable[[Document], str]]] = MappingProxyType({
    "BEGBATES": lambda one: one.id,
    "ENDBATES": lambda one: one.id,
    "BEGATTACH": lambda one: one.item.document_id,
    "ENDATTACH": lambda one: one.last,
    "CUSTODIAN": lambda one: one.item.custodian,
    "DUPCUSTODIAN": _duplicates,
    "FROM": _from,
    "TO": _to,
    "CC": lambda _: "",
    "DATESENT": lambda one: sent(one).date,
    "TIMESENT": lambda one: sent(one).time,
    "TIMEZONE": lambda one: sent(one).zone,
    "FILENAME": lambda one: one.name,
    "FILEEXT": lambda one: one.extension,
    "FILESIZE": lambda one: one.size,
    "SHA256": lambda one: one.sha256,
    "NATIVEPATH": lambda one: one.native,
    "TEXTPATH": lambda one: one.text,
    "PAGECOUNT": lambda one: one.pages,
    "CONFIDENTIALITY": lambda one: one.confidentiality,
    "PLATFORM": lambda one: chat.channel(one.item.channel),
    "CONVERSATIONID": lambda one: one.slice.conversation,
    "MESSAGEID": _message_id,
    "DIRECTION": lambda one: _DIRECTIONS.get(one.item.view.hit.direction or "", ""),
    "EDITHISTORY": history,
    "DELETED": lambda one: "Y" if _is_deleted(one) else "N",
    "DATEDELETED": lambda one: _deleted(one).date,
    "DELETEDBY": _deleted_by,
    "LEAFINDEX": lambda one: words.ranges(record.leaf for record in one.item.records),
    "RECORDS": lambda one: words.ranges(record.number for record in one.item.records),
    "PROVENANCE": _provenance,
    # Beyond what is usual: what would else be lost.
    "TIMEDELETED": lambda one: _deleted(one).time,
    "TIMEBASIS": _time_basis,
    "DATECAPTURED": lambda one: day(one.item.view.hit.captured_at, one.job).date,
    "TIMECAPTURED": lambda one: day(one.item.view.hit.captured_at, one.job).time,
    "KIND": lambda one: one.item.view.hit.kind if one.file is None else "file",
    "DEDUPKEY": lambda one: one.item.shared,
    "CONTEXT": lambda one: "Y" if one.item.context else "N",
})
