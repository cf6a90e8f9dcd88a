"""Pages of a PDF, counted from the file."""

from __future__ import annotations

import io

import pypdfium2
import pytest

from schemas.errors import Refused
from search.export import pdf
from search.export.loadfile_pages import pages
from tests.export.slices import autumn_slice, job, pair_slice, sink_for


def made(title: bytes = b"x", count: int = 3, kids_first: bool = False) -> bytes:
    """A PDF as small as one can be: a catalog and a page tree."""
    kids = b"/Kids[" + b" ".join(b"9 0 R" for _ in range(count)) + b"]"
    number = b"/Count %d" % count
    tree = kids + number if kids_first else number + kids
    objects = [b"1 0 obj\n<</Type/Catalog/Lang(%s)/Pages 2 0 R>>\nendobj\n" % title,
               b"2 0 obj\n<</Type/Pages" + tree + b">>\nendobj\n"]
    body, offsets = b"%PDF-1.7\n", []
    for one in objects:
        offsets.append(len(body))
        body += one
    table = b"xref\n0 3\n0000000000 65535 f\r\n" + b"".join(
        b"%010d 00000 n\r\n" % at for at in offsets)
    return body + table + b"trailer\n<</Size 3/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(body)


@pytest.mark.parametrize("kids_first", [False, True])
def test_the_root_of_the_page_tree_says_it(kids_first: bool) -> None:
    """Whatever order the writer chose."""
    assert pages(io.BytesIO(made(count=1_200, kids_first=kids_first))) == 1_200


def test_no_text_can_pretend() -> None:
    """A text in the file that looks like a page tree is a text."""
    assert pages(io.BytesIO(made(b"/Pages 7 0 R \\) /Type/Pages/Count 99"))) == 3


def test_the_transcripts_are_counted_as_another_reader_counts_them() -> None:
    """Our own PDFs, against PDFium."""
    sink = sink_for([pair_slice()])
    for one in (autumn_slice(), pair_slice()):
        pdf.PdfTranscript().slice(job(), one, sink)
        body = sink.files[pdf.path(one.name)]
        assert len(pypdfium2.PdfDocument(body)) == pages(io.BytesIO(body))


@pytest.mark.parametrize(("body", "reason"), [
    (b"", "ends as one does"), (b"%PDF-1.7 nothing", "ends as one does"),
    (b"5 0 obj <</Type/XRef>>\nstartxref\n0\n%%EOF", "is packed"),
    (made().replace(b"/Type/Pages", b"/Type/Paged"), "not where its catalog says"),
    (made().replace(b"/Pages 2", b"/Pages 8"), "not there"),
    (made().replace(b"/Count", b"/Const"), "how many pages"),
    (made().replace(b"trailer", b"tractor"), "cannot be read"),
    (made().replace(b"2 0 obj", b"3 0 obj"), "astray"),
])
def test_a_file_that_cannot_be_counted_is_refused(body: bytes, reason: str) -> None:
    """Never a guess."""
    with pytest.raises(Refused, match=reason):
        pages(io.BytesIO(body))
