"""Tables of an export for spreadsheets: every version of every message, what stays behind, gaps.

Owns the rows. What a cell is and how one that looks like a formula is guarded is the console's
(`search/web/csvtext.py`). A spreadsheet is for reading: the native records have the untouched text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from schemas.gaps import Gap
from schemas.wire import Pointer
from search.export import loadfile_text as words
from search.export import transcript_words
from search.export.loadfile_columns import day
from search.export.model import Counts, Item, Job, Sink, Slice, Withheld
from search.thread import Sighting, VersionView
from search.web import chat, csvtext, times

MESSAGES: Final = "data/csv/messages.csv"
WITHHELD: Final = "data/withheld.csv"
GAPS: Final = "data/gaps.csv"
MESSAGE_COLUMNS: Final = (
    "Document", "Version", "Versions", "What", "Kind", "State", "Conversation", "Title", "Channel",
    "Account", "Custodian", "Direction", "By", "By (id)", "To", "Date", "Time", "Zone", "UTC",
    "What the time means", "Text", "Why no text", "How it is known", "Files", "Source's id",
    "Records", "Leaves", "Copies of one message", "Context",
)
WITHHELD_COLUMNS: Final = (
    "Id", "Date", "Time", "Zone", "UTC", "Channel", "Conversation", "Custodian", "Kind", "Author",
    "Recipients", "Reason", "Ground", "Records",
)
GAP_COLUMNS: Final = (
    "Why", "Channel", "Account", "Since", "Since (UTC)", "Until", "Until (UTC)", "Settled",
    "Still open", "Messages known to be missing", "Note",
)
# What a cell of the usual spreadsheets holds.
_CELL_MAX: Final = 32_767
_MANY: Final = "; "


@dataclass(frozen=True, slots=True)
class Messages:
    """A `model.Writer`: data/csv/messages.csv, one row for each version."""

    def begin(self, job: Job, sink: Sink) -> None:
        """The line of column names."""
        sink.append(MESSAGES, csvtext.table(MESSAGE_COLUMNS, ()))

    def slice(self, job: Job, one: Slice, sink: Sink) -> None:
        """The rows of its items."""
        rows = (row for item in one.items for row in message_rows(job, one, item))
        sink.append(MESSAGES, b"".join(_line(row, "messages.csv", sink) for row in rows))

    def end(self, job: Job, counts: Counts, slices: Iterable[str], sink: Sink) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Registers:
    """A `model.Writer` of every package, whatever its formats: data/withheld.csv (the privilege
    log) and data/gaps.csv. A gap that touches several slices stands there once."""

    def begin(self, job: Job, sink: Sink) -> None:
        """The lines of column names."""
        sink.append(WITHHELD, csvtext.table(WITHHELD_COLUMNS, ()))
        sink.append(GAPS, csvtext.table(GAP_COLUMNS, ()))

    def slice(self, job: Job, one: Slice, sink: Sink) -> None:
        """What stays behind of it, and the gaps in it that are not there yet."""
        if one.withheld:
            sink.append(WITHHELD, b"".join(
                _line(withheld_row(job, held), "withheld.csv", sink) for held in one.withheld))
        if one.gaps:
            _append_new([gap_row(job, gap) for gap in one.gaps], sink)

    def end(self, job: Job, counts: Counts, slices: Iterable[str], sink: Sink) -> None:
        """Nothing."""


def message_rows(job: Job, one: Slice, item: Item) -> Iterator[Sequence[str]]:
    """A row for each version; of an item without any, one row that says what it is."""
    hit, leading = item.view.hit, item.leading
    rows = chat.version_rows(item.view, words.zone_of(job))
    files = _MANY.join(words.file_line(item, file) for file in item.files)
    to = _MANY.join(map(words.named, words.recipients(item, one)))
    for row in rows or (None,):
        when = row.when if row else chat.bubble(item.view, words.zone_of(job)).when
        at = row.view.occurred_at if row else None
        actor = row.view.actor if row else hit.actor
        records = [record for record in item.records
                   if row is None or _is_of(row.view, record.pointer)]
        known = day(at, job)
        yield (
            item.document_id, str(row.number if row else 0), str(len(rows)),
            transcript_words.title(row.title if row else hit.kind),
            row.kind if row else hit.kind, hit.state or "", one.conversation,
            words.one_line(one.title), chat.channel(item.channel), item.account, item.custodian,
            hit.direction or "",
            words.one_line(actor.display_name) if actor else "",
            actor.native_id if actor else "", to, _dashed(known.date), known.time, known.zone,
            _utc(at, job), " ".join(filter(None, (when.prefix, when.meaning))),
            (row.view.text or "") if row else "",
            transcript_words.note(row, is_first=row.number == 1) if row else hit.problem,
            row.known if row else "", files, (leading.native_id or "") if leading else "",
            words.ranges(record.number for record in records),
            words.ranges(record.leaf for record in records), item.shared,
            "yes" if item.context else "no")


def withheld_row(job: Job, one: Withheld) -> Sequence[str]:
    """What is said of something that stays behind: never what it said."""
    when = day(one.at, job)
    return (one.document_id, _dashed(when.date), when.time, when.zone, _utc(one.at, job),
            chat.channel(one.channel), one.conversation, one.custodian,
            transcript_words.kind(one.kind), one.author or "not known",
            _MANY.join(one.recipients), transcript_words.reason(one.reason), one.words,
            str(one.records))


def gap_row(job: Job, one: Gap) -> Sequence[str]:
    """A time for which capture is known to have failed, in words."""
    hole = chat.hole(one, words.zone_of(job))
    return (hole.why, chat.channel(one.channel) or "every channel", one.account or "every account",
            hole.since.full if hole.since else "not known", _utc(one.since, job),
            hole.until.full if hole.until else "it goes on", _utc(one.until, job), hole.state,
            "yes" if hole.is_open else "no", str(one.missing) if one.missing else "", hole.note)


def _is_of(version: VersionView, pointer: Pointer) -> bool:
    places: tuple[VersionView | Sighting, ...] = (version, *version.sightings)
    return any((one.segment, one.offset, one.index) == (
        pointer.segment, pointer.offset, pointer.index) for one in places)


def _append_new(rows: Iterable[Sequence[str]], sink: Sink) -> None:
    """Those gaps that are not there yet. The file is read back, so that nothing has to be
    remembered between slices."""
    with sink.open(GAPS) as file:
        known = file.read()
    for row in rows:
        line, notes = _written(row)
        # A line's own beginning is known by the end of the one before it.
        if b"\r\n" + line not in known:
            sink.append(GAPS, line)
            known += line
            _tell(notes, "gaps.csv", sink)


def _line(row: Sequence[str], what: str, sink: Sink) -> bytes:
    line, notes = _written(row)
    _tell(notes, what, sink)
    return line


def _written(row: Sequence[str]) -> tuple[bytes, Counter[str]]:
    notes: Counter[str] = Counter()
    return (",".join(_cell(value, notes) for value in row) + "\r\n").encode(), notes


def _tell(notes: Counter[str], what: str, sink: Sink) -> None:
    for note, count in sorted(notes.items()):
        sink.note(f"{what}: {note}", count)


def _cell(value: str, notes: Counter[str]) -> str:
    shown, changed = words.visible(value)
    if changed:
        notes[words.CONTROLS_SHOWN] += changed
    if len(shown) > _CELL_MAX:
        notes[f"a text is longer than {_CELL_MAX} characters: a spreadsheet may cut it"] += 1
    made = csvtext.cell(shown)
    # A quote inside is doubled: only the guard can make the cell begin so and the text not.
    if made.startswith("\"'") and not shown.startswith("'"):
        notes["a cell that looks like a formula has an apostrophe before it"] += 1
    return made


def _dashed(date: str) -> str:
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if date else ""


def _utc(at: int | None, job: Job) -> str:
    return times.stamp(at, words.zone_of(job)).iso if at is not None else ""
