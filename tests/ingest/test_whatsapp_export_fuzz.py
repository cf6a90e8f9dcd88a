"""Any bytes: a chat export never crashes its reader, and nothing of it is lost."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.adapters import whatsapp_export_dates as dates
from ingest.adapters import whatsapp_export_lines as lines
from ingest.adapters.whatsapp_export import WhatsAppExport
from ingest.imports import KNOWN, Found, ImportedFile, Unreadable
from schemas import codec
from schemas.errors import Refused
from tests.fakes.ledger import FakeLedger
from tests.ingest.exports import ANSWERS, Import, file_of, import_of, zip_of

pytestmark = pytest.mark.slow

_ANSWERS = replace(ANSWERS, day_first=True)
_PIECES = st.sampled_from([
    b"18/03/2024, 14:56 - Ada: ", b"[18/03/2024, 14:56:01] Bob: ", b"[19/3/24 2:56 PM] ", b"\r\n",
    b"\n", b"\r", b"\xe2\x80\xa8", b"\xe2\x80", b"\xef\xbb\xbf", b"\x00", b"\xff", b": ", b" - ",
    "\u200e".encode(), "\u202aX\u202c".encode(), b"<attached: a.jpg>", b"This message was deleted",
    b"99/99/9999, 99:99 - X: y", b"x.jpg (file attached)", "[١٨/٣/٢٠٢٢، ٢:٥٦:٠٠ م] ".encode(),
    b"POLL:\n", b"(3 votes)", b"<This message was edited>", b"null", b"ok"])
# What begins as a zip is read as one, and has a test of its own.
_TEXTS = st.lists(_PIECES | st.binary(max_size=12), max_size=40).map(b"".join).filter(
    lambda raw: not raw.startswith(b"PK"))


def read(file: ImportedFile, ledger: FakeLedger) -> Import:
    """Import with an answer to what may be asked."""
    return import_of(file, ledger, _ANSWERS)


@given(_TEXTS)
@settings(max_examples=400)
def test_any_text_is_read_without_losing_a_byte(raw: bytes) -> None:
    """All items together hold every byte in order; every event can be stored; a second import
    knows it all."""
    ledger = FakeLedger()
    WhatsAppExport().recognises(file_of(raw))
    done = read(file_of(raw), ledger)
    pieces = []
    for one in done.items:
        if isinstance(one, Found):
            assert one.event == codec.decode(codec.encode(one.event))
            pieces.append(one.event.raw or b"")
        elif isinstance(one, Unreadable):
            assert raw[one.start:one.end] == one.raw
            pieces.append(one.raw)
    assert raw == b"".join(pieces)
    again = read(file_of(raw), ledger)
    assert {KNOWN} >= {one.how for one in again.found}
    assert done.ids() == again.ids()


@given(_TEXTS, st.integers(1, 7))
@settings(max_examples=200)
def test_lines_do_not_depend_on_how_the_bytes_come(raw: bytes, size: int) -> None:
    """A stream that gives a few bytes at a time is cut into the same lines."""
    class Slow(io.BytesIO):
        def read(self, _wanted: int | None = -1, /) -> bytes:
            return super().read(size)

    whole = list(lines.segments(io.BytesIO(raw)))
    assert whole == list(lines.segments(Slow(raw)))
    assert raw == b"".join(one.raw for one in whole)


@given(st.text(max_size=70))
@settings(max_examples=300)
def test_any_stamp_is_read_or_not(text: str) -> None:
    """No text makes the reader of stamps fail, and what it reads has a day or none."""
    found = dates.read(text)
    if found is not None:
        for order in (dates.DAY_FIRST, dates.MONTH_FIRST, dates.YEAR_FIRST):
            dates.day_of(found, order, 2026)
        assert 0 <= found.seconds < 86_400


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 255))
@settings(max_examples=200)
def test_any_zip_is_read_or_refused(content: bytes, place: int, value: int) -> None:
    """A zip with any byte changed gives items or Refused, and nothing else."""
    chat = b"[18/03/2024, 14:56:01] Bob: <attached: a.jpg>\r\n" + content
    raw = bytearray(zip_of([("_chat.txt", chat), ("a.jpg", content)]).open().read())
    raw[place % len(raw)] = value
    file = file_of(bytes(raw), "x.zip")
    WhatsAppExport().recognises(file)
    try:
        done = read(file, FakeLedger())
    except Refused:
        return
    for found in done.found:
        for member in found.members:
            try:
                with member.open() as stream:
                    stream.read()
            except Refused:
                continue


def test_a_line_without_an_end_is_read_in_pieces() -> None:
    """Megabytes without a line end are one message, then quarantine; memory stays bounded and no
    byte is lost."""
    raw = b"18/03/2024, 14:56 - Ada: " + b"x" * (9 * 1024 * 1024)
    done = read(file_of(raw), FakeLedger())
    assert 1 == len(done.found)
    pieces = [one.event.raw or b"" for one in done.found] + [one.raw for one in done.unreadable]
    assert raw == b"".join(pieces)
    assert all(len(one) <= 4 * 1024 * 1024 for one in pieces)


def test_many_lines_that_look_like_headers_take_linear_time() -> None:
    """Digits, dashes and colons without a date end the search for a header quickly."""
    raw = (b"1" * 60 + b" - : " * 200 + b"\n") * 2_000 + b"18/03/2024, 14:56 - Ada: end\n"
    assert 1 == len(read(file_of(raw), FakeLedger()).found)


def test_zip_directory_of_many_members_is_read_once() -> None:
    """Thousands of pictures are found by name without reading the directory for each."""
    out = io.BytesIO()
    names = [f"{number:08d}-PHOTO.jpg" for number in range(2_000)]
    chat = "".join(f"[18/03/2024, 14:56:01] Bob: \u200e<attached: {name}>\r\n" for name in names)
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("_chat.txt", chat)
        for name in names:
            archive.writestr(name, name)
    done = read(file_of(out.getvalue(), "x.zip"), FakeLedger())
    for found, name in zip(done.found, names, strict=True):
        with found.members[0].open() as stream:
            assert name.encode() == stream.read()
