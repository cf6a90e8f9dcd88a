"""Which formats an export has, as the writers that make them.

Owns the table. Each is imported only where it is asked for: some bring fonts and page layout.
"""

from __future__ import annotations

from collections.abc import Iterator

from search.export.csvfile import Messages, Registers
from search.export.model import Writer
from search.export.wanted import Wanted


def writers(wanted: Wanted) -> list[Writer]:
    """In the order in which they write: a load file names the pages of the transcripts."""
    return list(_writers(frozenset(wanted.formats)))


def _writers(formats: frozenset[str]) -> Iterator[Writer]:
    if "rsmf" in formats:
        from search.export.rsmf import RsmfWriter

        yield RsmfWriter()
    if "transcript" in formats:
        from search.export.transcript import Transcript

        yield Transcript(with_pdf="pdf" in formats)
    if "pdf" in formats:
        from search.export.pdf import PdfTranscript

        yield PdfTranscript()
    if "eml" in formats:
        from search.export.eml import Emails

        yield Emails()
    if "csv" in formats:
        yield Messages()
    if "loadfile" in formats:
        from search.export.loadfile import LoadFile, counted

        yield LoadFile(page_count=counted if "pdf" in formats else None)
    yield Registers()
