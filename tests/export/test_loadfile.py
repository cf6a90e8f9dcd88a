"""The load file of an export, read back by a reader of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256

import pytest

from schemas import events
from schemas.errors import Refused
from schemas.events import Identity
from search.export.loadfile import DAT, OPT, LoadFile, counted
from search.export.loadfile_columns import COLUMNS
from search.export.loadfile_form import Form
from search.export.model import Slice
from search.results import SeenBy
from tests.export.slices import (
    CHINESE,
    CONTROLS,
    FILE_BODY,
    LOAD_FILE,
    MINUTE,
    NINE,
    VERY_LONG,
    MemorySink,
    Story,
    about,
    autumn_slice,
    copies,
    counts,
    every_slice,
    group_slice,
    job,
    pair_slice,
    said,
    sink_for,
    slice_of,
    told,
)
from tests.export.test_loadfile_form import expected, read
from tests.export.test_loadfile_pages import made

GOLDEN = "11e85a017661f04968b55acb792434030c437f6903a48332b4e50ec0b54a2ad5"
ASKED = ("BEGBATES", "ENDBATES", "BEGATTACH", "ENDATTACH", "CUSTODIAN", "DUPCUSTODIAN", "FROM",
         "TO", "CC", "DATESENT", "TIMESENT", "TIMEZONE", "FILENAME", "FILEEXT", "FILESIZE",
         "SHA256", "NATIVEPATH", "TEXTPATH", "PAGECOUNT", "CONFIDENTIALITY", "PLATFORM",
         "CONVERSATIONID", "MESSAGEID", "DIRECTION", "EDITHISTORY", "DELETED", "DATEDELETED",
         "DELETEDBY", "LEAFINDEX", "RECORDS", "PROVENANCE")


def written(slices: Sequence[Slice], writer: LoadFile | None = None,
            sink: MemorySink | None = None) -> MemorySink:
    """The load file of these slices."""
    sink, writer = sink or sink_for(slices), writer or LoadFile()
    writer.begin(job(), sink)
    for one in slices:
        writer.slice(job(), one, sink)
    writer.end(job(), counts(), [one.name for one in slices], sink)
    return sink


def rows(sink: MemorySink) -> dict[str, dict[str, str]]:
    """BEGBATES -> the record by its columns."""
    header, *records = read(sink.files[DAT], "utf-8-sig")
    assert len({one[0] for one in records}) == len(records)
    return {one[0]: dict(zip(header, one, strict=True)) for one in records}


def row_of(*happened: events.CapturedEvent, **more: object) -> dict[str, str]:
    """The record of one story."""
    return rows(written([slice_of([Story(happened)], **more)]))["CF-0000001"]  # type: ignore[arg-type]


def text_of(sink: MemorySink, row: dict[str, str]) -> bytes:
    """The text file that a record names."""
    return sink.files["data/loadfile/" + row["TEXTPATH"].replace("\\", "/")]


def by_message(slices: Iterable[Slice]) -> dict[str, dict[str, str]]:
    """MESSAGEID -> the message's own record."""
    found = rows(written(list(slices)))
    return {row["MESSAGEID"]: row for row in found.values() if row["KIND"] != "file"}


def test_the_columns() -> None:
    """The usual ones first, in their order; a record has a value for each."""
    header, *records = read(written(every_slice()).files[DAT], "utf-8-sig")
    assert list(COLUMNS) == header
    assert header[:len(ASKED)] == list(ASKED)
    assert {len(one) for one in records} == {len(header)}


def test_every_item_and_every_file_is_a_record() -> None:
    """None is left out, in the order of the slices, each file behind its message."""
    wanted = [identity for one in every_slice() for item in one.items for identity in (
        item.document_id,
        *(f"{item.document_id}.{file.view.number:03d}" for file in item.files))]
    assert wanted == list(rows(written(every_slice())))


def test_a_family() -> None:
    """Message and files name the same first and last document."""
    sink = written([pair_slice()])
    found = rows(sink)
    own = next(one for one in found.values() if one["MESSAGEID"] == "attachments")
    family = [one for one in found.values() if one["BEGATTACH"] == own["BEGBATES"]]
    assert [own["BEGBATES"], *(f"{own['BEGBATES']}.{place:03d}" for place in (1, 2, 3))] == [
        one["BEGBATES"] for one in family]
    assert {one["ENDATTACH"] for one in family} == {f"{own['BEGBATES']}.003"}
    alone = found["CF-0000001"]
    assert alone["BEGATTACH"] == alone["ENDATTACH"] == "CF-0000001"


def test_a_file_that_is_there() -> None:
    """Its path leads to its bytes, and size and hash are theirs; its name is the source's."""
    sink = written([pair_slice()])
    row = next(one for one in rows(sink).values() if one["FILENAME"] == "Vertrag: Müller/合同.pdf")
    assert row["NATIVEPATH"].startswith("..\\native\\attachments\\CF-")
    body = sink.files["data/" + row["NATIVEPATH"].removeprefix("..\\").replace("\\", "/")]
    assert body == FILE_BODY
    assert (row["FILESIZE"], row["SHA256"], row["FILEEXT"]) == (
        str(len(body)), sha256(body).hexdigest(), "pdf")


def test_a_file_that_is_not_there() -> None:
    """No path, no size, no hash; its text says why."""
    sink = written([pair_slice()])
    row = next(one for one in rows(sink).values() if one["FILENAME"] == "CON.txt")
    assert (row["NATIVEPATH"], row["FILESIZE"], row["SHA256"]) == ("", "", "")
    assert b"could not be fetched: expired" in text_of(sink, row)


def test_the_text_of_a_message_is_its_file() -> None:
    """Size and hash of a message's record are those of the text file that it names."""
    sink = written(every_slice())
    for row in rows(sink).values():
        body = text_of(sink, row)
        if row["KIND"] != "file":
            assert (row["FILESIZE"], row["SHA256"]) == (str(len(body)), sha256(body).hexdigest())
    assert len(rows(sink)) == sum(path.startswith("data/loadfile/text/") for path in sink.files)


def test_a_text_holds_every_version() -> None:
    """All four texts of a message that was edited thrice, in order, and how it is known."""
    sink = written([pair_slice()])
    row = next(one for one in rows(sink).values() if one["MESSAGEID"] == "edit_chain")
    body = text_of(sink, row).decode()
    places = [body.index(f"\n    {text}\n") for text in (
        "Pay 100", "Pay 200", "Pay 300 today", "Pay 300 tomorrow")]
    assert places == sorted(places)
    assert "signed by the provider" in body


def test_a_text_is_whole_however_long() -> None:
    """Nothing of a text of 160,000 letters is cut."""
    sink = written([group_slice()])
    row = next(one for one in rows(sink).values() if one["MESSAGEID"] == "very_long")
    assert f"    {VERY_LONG}\n" in text_of(sink, row).decode()


def test_no_message_writes_the_heading_of_another() -> None:
    """What people wrote never stands at the beginning of a line, whatever ends their lines."""
    forged = "CF-0000009: forged".join(("ok\u2028", "\u0085", "\r\n", "\x0b", ""))
    sink = written([slice_of([Story((said(NINE, text=forged),))])])
    body = text_of(sink, rows(sink)["CF-0000001"]).decode()
    assert not [line for line in body.splitlines() if line.startswith("CF-0000009")]
    assert body.count("    CF-0000009") == 4


def test_names_write_no_heading_either() -> None:
    """A name with ends of lines, separators of people and delimiters is one name."""
    actor = Identity("+1", "e164", "Eve\r\nCF-0000009: forged; Bob\x14þ®\u202e")
    sink = written([slice_of([Story((said(NINE, actor=actor),))])])
    row = rows(sink)["CF-0000001"]
    assert row["FROM"] == "Eve[U+000D] CF-0000009: forged, Bob[U+0014][thorn](R)[RLO] <+1>"
    assert "\nCF-0000009" not in text_of(sink, row).decode()


def test_history_with_every_delimiter_inside() -> None:
    """Bodies full of delimiters are read back as the rules leave them, and every one is counted."""
    base = said(NINE, text=LOAD_FILE, native_id="m")
    sink = written([slice_of([Story((base, about(base, events.EDIT, MINUTE, CONTROLS)))])])
    row = rows(sink)["CF-0000001"]
    assert row["EDITHISTORY"].count("®    ") == 4 + 3
    assert expected(LOAD_FILE).replace("®", "®    ") in row["EDITHISTORY"]
    assert expected(CONTROLS).replace("®", "®    ") in row["EDITHISTORY"]
    assert sink.notes["load file: þ is written [thorn]"] == 1
    assert sink.notes["load file: ® is written (R)"] == 1
    assert sink.notes["load file: U+0014 is left out"] == 1
    assert sink.notes["load file: a control character is shown as [U+…]"] == 4
    assert b"null [U+0000] bell" in text_of(sink, row)
    assert sink.notes["text files: control characters shown as [U+…]"] == 5


def test_history_only_where_there_is_one() -> None:
    """A message as it was sent has no history; its text is in its text file."""
    found = by_message([pair_slice()])
    assert found["plain"]["EDITHISTORY"] == ""
    assert found["edit_chain"]["EDITHISTORY"].startswith(
        "1. Written, Thu 14 May 2026 09:10:00 (2026-05-14 08:10:00.000 UTC), ")


def test_retractions() -> None:
    """Who took it back and when; the text that was captured stays."""
    found = by_message([group_slice()])
    row = found["retracted_by_admin"]
    assert (row["DELETED"], row["DATEDELETED"], row["TIMEDELETED"], row["DELETEDBY"]) == (
        "Y", "20260514", "09:45:00", "王小明 <US.13491208655302741918>")
    assert "®    Against the rules®" in row["EDITHISTORY"]
    assert (found["restored"]["DELETED"], found["restored"]["DELETEDBY"]) == ("N", "")
    assert found["plain"]["DELETED"] == "N"
    unseen = next(row for name, row in found.items() if name.startswith("retracted_unseen"))
    assert unseen["DELETED"] == "Y"


def test_times_in_the_exports_zone() -> None:
    """Two messages at half past one of the same night differ by their zone."""
    first, second = rows(written([autumn_slice()])).values()
    assert (first["DATESENT"], first["TIMESENT"]) == (second["DATESENT"], second["TIMESENT"]) == (
        "20261025", "01:30:00")
    assert [first["TIMEZONE"], second["TIMEZONE"]] == [
        "Europe/London (UTC+01:00)", "Europe/London (UTC+00:00)"]


def test_a_time_that_nobody_stated_is_not_sent() -> None:
    """Received is not sent: the columns stay empty and another one says when it was received."""
    row = by_message([pair_slice()])["without_time"]
    assert (row["DATESENT"], row["TIMESENT"], row["TIMEZONE"]) == ("", "", "")
    assert row["TIMEBASIS"] == "when we received it; the source gave no time"
    assert (row["DATECAPTURED"], row["TIMECAPTURED"]) == ("20260514", "11:50:00")


def test_a_time_without_a_zone() -> None:
    """As a file shows it, and the zone is said to be not known."""
    row = row_of(said(NINE, occurred_at=None, occurred_local="2026-03-29T10:05",
                      provenance=events.CUSTODIAN_SUPPLIED))
    assert (row["DATESENT"], row["TIMESENT"], row["TIMEZONE"]) == (
        "20260329", "10:05:00", "not known: as the file shows it")


def test_a_time_outside_every_calendar() -> None:
    """A source's nonsense empties the columns, and breaks nothing."""
    row = row_of(said(NINE, occurred_at=10**16))
    assert (row["DATESENT"], row["TIMESENT"]) == ("", "")


def test_who_and_where() -> None:
    """Author, recipients, direction, conversation and what proves it."""
    found = rows(written([pair_slice()]))
    row = found["CF-0000002"]
    assert (row["FROM"], row["TO"], row["CC"]) == (
        "Ann Lee <+16505551234>", "Bob Jones <+442079460001>", "")
    assert (row["CUSTODIAN"], row["DUPCUSTODIAN"], row["PLATFORM"], row["CONVERSATIONID"],
            row["DIRECTION"]) == ("bjones", "", "WhatsApp", "C-0001", "incoming")
    assert (row["RECORDS"], row["LEAFINDEX"]) == ("11-14", "7")
    assert row["PROVENANCE"] == "signed by the provider"
    nobody = next(one for one in found.values() if one["MESSAGEID"] == "by_nobody")
    assert nobody["FROM"] == ""


def test_copies_have_one_key() -> None:
    """One message at two custodians: two documents, one key."""
    first, second = rows(written(copies())).values()
    assert first["DEDUPKEY"] == second["DEDUPKEY"] == "S-0001"
    assert (first["CUSTODIAN"], second["CUSTODIAN"]) == ("bjones", "")


def test_other_custodians_where_they_are_known() -> None:
    """Those who have a copy, without who has none and without the custodian himself."""
    one = copies()[0]
    item = one.items[0]
    seen = tuple(SeenBy(doc, who, "+1", None, "same") for doc, who in (
        ("a", "bjones"), ("b", "mwang"), ("c", "alee"), ("", "nobody"), ("d", "")))
    item = replace(item, view=replace(item.view, hit=replace(item.view.hit, seen_by=seen)),
                   context=True)
    row = rows(written([replace(one, items=(item,))]))["CF-0000201"]
    assert (row["DUPCUSTODIAN"], row["CONTEXT"]) == ("alee; mwang", "Y")


def test_images_only_with_a_pdf() -> None:
    """Without the PDFs there is no OPT, and no page is claimed."""
    sink = written([pair_slice()])
    assert OPT not in sink.files
    assert {row["PAGECOUNT"] for row in rows(sink).values()} == {""}


def test_images() -> None:
    """A line of seven values for each message, naming the slice's PDF and its pages."""
    sink = sink_for(every_slice())
    for place, one in enumerate(every_slice(), 3):
        sink.put(f"data/transcript/{one.name}.pdf", made(count=place))
    written(every_slice(), LoadFile(page_count=counted), sink)
    lines = sink.files[OPT].decode("ascii").split("\r\n")
    assert lines.pop() == ""
    assert lines == [
        f"{item.document_id},,..\\transcript\\{one.name}.pdf,Y,,,{place}"
        for place, one in enumerate(every_slice(), 3) for item in one.items]
    found = rows(sink)
    assert found["CF-0000001"]["PAGECOUNT"] == "3"
    assert {row["PAGECOUNT"] for row in found.values() if row["KIND"] == "file"} == {""}


def test_images_want_the_pdf_first() -> None:
    """A PDF that is not there or none is refused by name, never counted as nothing."""
    sink = sink_for([autumn_slice()])
    with pytest.raises(Refused, match=r"2026-10-25\.pdf is not there"):
        counted(autumn_slice(), sink)
    sink.put(f"data/transcript/{autumn_slice().name}.pdf", b"no PDF")
    with pytest.raises(Refused, match=r"2026-10-25\.pdf: not a PDF"):
        counted(autumn_slice(), sink)


def test_settings() -> None:
    """Other columns, another encoding, a word on every record; text files stay UTF-8."""
    writer = LoadFile(Form(encoding="utf-16-le"), ("BEGBATES", "CONFIDENTIALITY", "TEXTPATH"),
                      "Confidential")
    sink = written([pair_slice()], writer)
    header, first, *_ = read(sink.files[DAT], "utf-16")
    assert header == ["BEGBATES", "CONFIDENTIALITY", "TEXTPATH"]
    assert first == ["CF-0000001", "Confidential", "text\\CF-0000001.txt"]
    (chinese,) = (item.document_id for item in pair_slice().items
                  if item.view.hit.text == CHINESE)
    assert f"    {CHINESE}\n" in sink.files[f"data/loadfile/text/{chinese}.txt"].decode()


def test_ansi_refuses_what_it_has_no_letter_for() -> None:
    """The document is named, and nothing of its slice is in the file."""
    sink = sink_for([])
    writer = LoadFile(Form(encoding="cp1252"))
    writer.begin(job(), sink)
    before = sink.files[DAT]
    with pytest.raises(Refused, match=r"CF-0000002: EDITHISTORY has U\+738B"):
        writer.slice(job(), slice_of(told(["plain", "retracted_by_admin"])), sink)
    assert sink.files[DAT] == before


@pytest.mark.parametrize("columns", [("BEGBATES", "NOSUCH"), ("FROM",), ("BEGBATES", "BEGBATES")])
def test_columns_that_make_no_load_file(columns: tuple[str, ...]) -> None:
    """One that does not exist, none that names the document, one twice."""
    with pytest.raises(Refused, match="column"):
        LoadFile(columns=columns)


def test_a_slice_of_withheld_items_only() -> None:
    """It has no document, asks for no PDF, and the OPT is there all the same."""
    sink = sink_for([])
    one = replace(group_slice(), items=())
    written([one], LoadFile(page_count=counted), sink)
    assert rows(sink) == {}
    assert sink.files[OPT] == b""


def test_the_same_bytes() -> None:
    """Two runs give one load file, and it is the one of yesterday."""
    first, second = written(every_slice()), written(every_slice())
    assert first.files == second.files
    small = written([slice_of(told(["edit_chain", "retracted", "load_file", "attachment"]))])
    found = sha256(b"".join(path.encode() + body for path, body in sorted(small.files.items())))
    assert found.hexdigest() == GOLDEN
