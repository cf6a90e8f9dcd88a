"""Tables of an export, read back by the standard library's reader."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.gaps import Gap
from search.export.csvfile import (
    GAP_COLUMNS,
    GAPS,
    MESSAGE_COLUMNS,
    MESSAGES,
    WITHHELD,
    WITHHELD_COLUMNS,
    Messages,
    Registers,
)
from search.export.model import Slice, Writer
from tests.export.slices import (
    CHINESE,
    FORMULA,
    LOAD_FILE,
    NINE,
    RIGHT_TO_LEFT,
    VERY_LONG,
    MemorySink,
    Story,
    counts,
    every_slice,
    gap,
    group_slice,
    job,
    pair_slice,
    said,
    sink_for,
    slice_of,
    told,
    withheld,
)

GOLDEN = "5f24808c3c8e293fbc03cec5bcf5da15f55bbffc3bdc1988f58f748d91c05bb7"

FORMULAS = ("=", "+", "-", "@", "\t", "\r")


@pytest.fixture(autouse=True)
def _long_cells() -> Iterator[None]:
    before = csv.field_size_limit(1 << 24)
    yield
    csv.field_size_limit(before)


def written(slices: Iterable[Slice]) -> MemorySink:
    """The tables of these slices."""
    slices = list(slices)
    sink = sink_for(slices)
    writers: tuple[Writer, ...] = (Messages(), Registers())
    for writer in writers:
        writer.begin(job(), sink)
        for one in slices:
            writer.slice(job(), one, sink)
        writer.end(job(), counts(), [one.name for one in slices], sink)
    return sink


def table(sink: MemorySink, path: str) -> list[dict[str, str]]:
    """A table by its columns; every line has as many cells as the first."""
    body = sink.files[path]
    assert body.startswith(b"\xef\xbb\xbf") and body.endswith(b"\r\n")
    header, *rows = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


def rows_of(sink: MemorySink, source_id: str) -> list[dict[str, str]]:
    """The rows of one message."""
    return [row for row in table(sink, MESSAGES) if row["Source's id"] == source_id]


def test_a_row_for_each_version() -> None:
    """As many rows as the items have versions, in order, each with its own text and record."""
    sink = written(every_slice())
    wanted = [(item.document_id, str(number)) for one in every_slice() for item in one.items
              for number in range(1, len(item.view.versions) + 1)]
    assert wanted == [(row["Document"], row["Version"]) for row in table(sink, MESSAGES)]
    chain = rows_of(written([pair_slice()]), "edit_chain")
    assert [(row["Text"], row["Records"], row["Time"]) for row in chain] == [
        ("Pay 100", "11", "09:10:00"), ("Pay 200", "12", "09:11:00"),
        ("Pay 300 today", "13", "09:12:00"), ("Pay 300 tomorrow", "14", "09:13:00")]
    assert {row["State"] for row in chain} == {"edited"}


def test_texts_as_they_were_written() -> None:
    """Every script, ends of lines as they were, however long."""
    sink = written([group_slice()])
    for name, text in (("right_to_left", RIGHT_TO_LEFT), ("chinese", CHINESE),
                       ("very_long", VERY_LONG)):
        assert [text] == [row["Text"] for row in rows_of(sink, name)]
    assert [LOAD_FILE.replace("\x14", "[U+0014]")] == [
        row["Text"] for row in rows_of(sink, "load_file")]
    assert sink.notes["messages.csv: control characters shown as [U+…]"] == 5
    assert sink.notes["messages.csv: a text is longer than 32767 characters: a spreadsheet may "
                      "cut it"] == 1


@given(st.text(alphabet=st.one_of(st.sampled_from("=+-@\t\r\n\",' "),
                                  st.characters(codec="utf-8", exclude_categories=["Cc"]))))
def test_no_cell_is_a_formula(text: str) -> None:
    """Any text reads back as it was, with an apostrophe where it would have been obeyed."""
    sink = written([slice_of([Story((said(NINE, text=text),))])])
    (row,) = table(sink, MESSAGES)
    assert not [cell for cell in row.values() if cell.lstrip(" ").startswith(FORMULAS)]
    assert row["Text"] in (text, f"'{text}")


def test_a_guarded_formula_is_counted() -> None:
    """Who reads the report knows that apostrophes are ours."""
    plain, formula = (written([slice_of(told([name]))]) for name in ("plain", "formula"))
    (row,) = table(formula, MESSAGES)
    assert row["Text"] == f"'{FORMULA}"
    what = "messages.csv: a cell that looks like a formula has an apostrophe before it"
    assert formula.notes[what] == plain.notes[what] + 1


def test_why_there_is_no_text() -> None:
    """An empty cell is explained, a time that nobody stated is said to be none."""
    sink = written([pair_slice()])
    (row,) = rows_of(sink, "undecryptable")
    assert (row["Text"], row["Why no text"]) == (
        "", "The text could not be decrypted by the source.")
    (row,) = rows_of(sink, "without_time")
    assert (row["Date"], row["Time"], row["UTC"]) == ("", "", "")
    assert row["What the time means"] == \
        "received when we received it; the source gave no time"
    assert rows_of(sink, "retracted")[1]["Why no text"] == "Taken back."


def test_files_are_named() -> None:
    """By document id and hash, or by why they are not there."""
    (row,) = rows_of(written([pair_slice()]), "attachments")
    assert ".001: ../../etc/passwd, image/png, 5 bytes, SHA-256 " in row["Files"]
    assert "It could not be fetched: expired." in row["Files"]


def test_an_item_without_versions() -> None:
    """One row says that it is there and why nothing of it can be read."""
    one = slice_of(told(["plain"]))
    item = one.items[0]
    item = replace(item, view=replace(item.view, versions=(), hit=replace(
        item.view.hit, text=None, problem="key_lost: gone")))
    (row,) = table(written([replace(one, items=(item,))]), MESSAGES)
    assert (row["Document"], row["Version"], row["Why no text"]) == (
        "CF-0000001", "0", "key_lost: gone")


def test_the_privilege_log() -> None:
    """Id, time, kind, people, reason and ground of what stays behind; nothing of what it said."""
    first, second = table(written(every_slice()), WITHHELD)
    assert first == {
        "Id": "CF-W-0001", "Date": "2026-05-14", "Time": "09:07:00",
        "Zone": "Europe/London (UTC+01:00)", "UTC": "2026-05-14T08:07:00.000Z",
        "Channel": "WhatsApp", "Conversation": "C-0002", "Custodian": "bjones",
        "Kind": "message", "Author": "Ann Lee", "Recipients": "Bob Jones", "Reason": "privileged",
        "Ground": "legal advice", "Records": "2"}
    assert (second["Author"], second["Reason"]) == (
        "not known", "outside the period that was asked for")


def test_gaps() -> None:
    """In words, with both ends in the export's zone and in UTC."""
    (row,) = table(written(every_slice()), GAPS)
    assert row == {
        "Why": "neither the log nor the spool could take a request; it was answered 503",
        "Channel": "WhatsApp", "Account": "'+442079460001", "Since": "Thu 14 May 2026 09:05:00",
        "Since (UTC)": "2026-05-14T08:05:00.000Z", "Until": "Thu 14 May 2026 09:15:00",
        "Until (UTC)": "2026-05-14T08:15:00.000Z", "Settled": "Something may be missing here.",
        "Still open": "yes", "Messages known to be missing": "", "Note": "requests 3"}


def test_a_gap_of_many_slices_stands_once() -> None:
    """Whichever slices name it, in whatever order."""
    endless = Gap("account_offboarded", "", "", None, None)
    one, other = (replace(group_slice(), gaps=found) for found in (
        (gap(), endless), (endless, gap(), replace(gap(), missing=3))))
    sink = written([one, other, one])
    rows = table(sink, GAPS)
    assert [row["Messages known to be missing"] for row in rows] == ["", "", "3"]
    assert (rows[1]["Since"], rows[1]["Until"], rows[1]["Account"], rows[1]["Channel"]) == (
        "not known", "it goes on", "every account", "every channel")
    what = "gaps.csv: a cell that looks like a formula has an apostrophe before it"
    assert sink.notes[what] == 2


def test_column_names_without_a_row() -> None:
    """An empty package has its tables, with their columns."""
    sink = written([])
    for path, columns in ((MESSAGES, MESSAGE_COLUMNS), (WITHHELD, WITHHELD_COLUMNS),
                          (GAPS, GAP_COLUMNS)):
        assert table(sink, path) == []
        assert sink.files[path].decode("utf-8-sig") == ",".join(
            f'"{one}"' for one in columns) + "\r\n"


def test_the_same_bytes() -> None:
    """Two runs give the same tables, and they are those of yesterday."""
    assert written(every_slice()).files == written(every_slice()).files
    small = written([slice_of(told(["edit_chain", "retracted", "formula", "attachment"]),
                              gaps=(gap(),), withheld=withheld())])
    found = sha256(b"".join(small.files[path] for path in (MESSAGES, WITHHELD, GAPS)))
    assert found.hexdigest() == GOLDEN
