"""From a slice to what stands on its transcript. Pure.

Owns the content that the HTML and the PDF have in common: each message with every version in
place, what happened to it, its files and its records, and between them gaps and what was withheld.
What a query found and what rules flagged is the exporter's own and is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from schemas import events
from schemas.wire import Pointer
from search.export import transcript_words as words
from search.export.model import Item, Job, PackedFile, Record, Slice
from search.export.transcript_view import (
    Box,
    File,
    Gap,
    Happening,
    Other,
    Row,
    Said,
    Sheet,
    Version,
)
from search.thread import MessageView, RelatedView, Sighting, VersionView
from search.web import chat
from search.web.times import Zone

# From a transcript to the folder that its files lie below.
_UP: Final = "../"
# Under this name a source says which message is answered.
_ANSWERED: Final = "reply_to"


def sheet(job: Job, one: Slice) -> Sheet:
    """What the transcript of `one` says."""
    zone = Zone(job.zone_name, job.zone)
    people = tuple((person, party.native_id in one.firm) for party in one.parties
                   if (person := chat.person(party)) is not None)
    ids = [item.document_id for item in one.items]
    return Sheet(
        name=one.name, title=one.title, day=words.day(one.day), people=people,
        facts=words.head(job, one), rows=tuple(_rows(one, zone)),
        first=ids[0] if ids else "", last=ids[-1] if ids else "")


def _rows(one: Slice, zone: Zone) -> Iterable[Row]:
    """By time; of one moment a gap first, then what is withheld, then what was said."""
    answered = {native: item.document_id for item in one.items
                if item.leading is not None and (native := item.leading.native_id)}
    placed: list[tuple[int, int, int, Row]] = []
    for place, gap in enumerate(one.gaps):
        hole = chat.hole(gap, zone)
        placed.append((gap.since or 0, 0, place, Gap(
            hole, words.moment(hole.since) if hole.since else None,
            words.moment(hole.until) if hole.until else None)))
    for place, held in enumerate(one.withheld):
        placed.append((held.at, 1, place, Box(
            held, words.reason(held.reason), words.at(held.at, zone), words.kind(held.kind))))
    placed += [(item.at, 2, item.number, said(item, zone, answered)) for item in one.items]
    return (row for *_, row in sorted(placed, key=lambda found: found[:3]))


def said(item: Item, zone: Zone, answered: Mapping[str, str] | None = None) -> Said:
    """One item. `answered`: the source's id of a message -> the document id that it has here."""
    made = chat.bubble(item.view, zone)
    numbers = _Numbers(item.records)
    leading = item.leading
    details = leading.details if leading is not None else ()
    target = next((value for name, value in details if name == _ANSWERED), "")
    return Said(
        document_id=item.document_id, side=made.side, direction=words.direction(made.side),
        badge=words.badge(made.state, made.kind), who=made.who, when=words.moment(made.when),
        answers=(answered or {}).get(target, ""), taken=made.taken,
        taken_at=words.moment(made.taken.when) if made.taken else None, note=made.note,
        versions=tuple(_version(row, numbers, zone) for row in made.rows),
        happenings=tuple(_happening(one, numbers, zone) for one in item.view.related),
        files=tuple(map(_file, item.files)), facts=tuple(details),
        noted=_noted(item.view), records=numbers.all(), is_context=item.context)


def _version(row: chat.Row, numbers: _Numbers, zone: Zone) -> Version:
    view = row.view
    text = view.text
    return Version(
        number=row.number, title=words.title(row.title), who=row.who,
        when=words.moment(row.when), captured=words.at(view.captured_at, zone), text=text,
        note=words.note(row, is_first=row.number == 1), changed=row.changed, known=row.known,
        records=numbers.of(view, *view.sightings),
        others=tuple(Other(words.at(one.captured_at, zone), one.text, numbers.of(one))
                     for one in view.sightings if one.differs))


def _happening(one: RelatedView, numbers: _Numbers, zone: Zone) -> Happening:
    event = numbers.event(one)
    return Happening(
        title=words.happening(one, event), text=one.text, who=chat.person(one.actor),
        when=words.happened(one, event, zone),
        note=f"It cannot be read: {one.problem}." if one.problem else "",
        records=numbers.of(one))


def _file(one: PackedFile) -> File:
    line = chat.file_line(one.view)
    link = _UP + one.path.removeprefix("data/") if one.path else ""
    return File(
        number=one.view.number, version=one.view.version, name=one.view.name or line.name,
        media_type=one.view.media_type or "type not known",
        size=f"{one.size:,} bytes" if one.path else line.size,
        sha256=one.sha256 if one.path else "", link=link, path=one.path,
        is_picture=bool(one.path) and line.is_picture, state=words.absent(one))


def _noted(view: MessageView) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*view.hit.observations, *(
        code for one in view.versions for code in one.observations))))


class _Numbers:
    """The records of an item by where they lie."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._by_place = {_place(one.pointer): one for one in records}

    def of(self, *seen: VersionView | Sighting | RelatedView) -> str:
        """The numbers of these, in words; "" where none is in the package."""
        found = {record.number for one in seen if (record := self._by_place.get(_place(one)))}
        return words.records(found)

    def event(self, seen: RelatedView) -> events.CapturedEvent | None:
        """What was captured there."""
        record = self._by_place.get(_place(seen))
        return record.event if record else None

    def all(self) -> str:
        """All of them, in words."""
        return words.records(one.number for one in self._by_place.values())


def _place(seen: Pointer | VersionView | Sighting | RelatedView) -> tuple[str, int, int]:
    return seen.segment, seen.offset, seen.index
