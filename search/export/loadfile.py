"""Load file of an export: Concordance DAT, Opticon OPT and a text file for each document.

Owns the writer: which documents there are, where their files lie, what is counted. Columns are
`loadfile_columns.py`, the bytes of a record `loadfile_form.py`, the words `loadfile_text.py`. The
rules in words: docs/EXPORT-FORMATS.md, "Load file".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from schemas.errors import Missing, Refused
from search.export import loadfile_text as words
from search.export import transcript_view
from search.export.loadfile_columns import COLUMNS, Document
from search.export.loadfile_form import Form
from search.export.loadfile_pages import pages
from search.export.model import Counts, Item, Job, PackedFile, Sink, Slice

FOLDER: Final = "data/loadfile"
DAT: Final = f"{FOLDER}/export.dat"
OPT: Final = f"{FOLDER}/export.opt"
_NOT_EXTRACTED: Final = "The words inside this file were not extracted."

Pages = Callable[[Slice, Sink], int]
_USUAL: Final = Form()


@dataclass(frozen=True, slots=True)
class LoadFile:
    """A `model.Writer`. `form`: delimiters and encoding of the DAT; text files are UTF-8 always.
    `columns`: of COLUMNS, BEGBATES among them. `confidentiality`: stands in each record.
    `page_count`: how many pages the PDF of a slice has; null = the export has no PDF, and so no
    OPT."""

    form: Form = _USUAL
    columns: tuple[str, ...] = tuple(COLUMNS)
    confidentiality: str = ""
    page_count: Pages | None = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.columns) - set(COLUMNS))
        if unknown:
            raise Refused(f"load file: no such column: {', '.join(unknown)}")
        if "BEGBATES" not in self.columns or len(set(self.columns)) < len(self.columns):
            raise Refused("load file: each column once, BEGBATES among them")

    def begin(self, job: Job, sink: Sink) -> None:
        """The line of column names; an empty OPT where there will be PDFs."""
        sink.append(DAT, self.form.header(self.columns))
        if self.page_count is not None:
            sink.append(OPT, b"")

    def slice(self, job: Job, one: Slice, sink: Sink) -> None:
        """A record for each item and for each of its files, each with its text file; in the OPT a
        line for each item."""
        if not one.items:
            return
        notes: Counter[str] = Counter()
        count = self.page_count(one, sink) if self.page_count is not None else None
        shown = "" if count is None else str(count)
        sink.append(DAT, b"".join(
            self._record(found, notes) for item in one.items
            for found in self._documents(job, one, item, shown, sink, notes)))
        if count is not None:
            sink.append(OPT, _images(one, count))
        for what, times in sorted(notes.items()):
            sink.note(what, times)

    def end(self, job: Job, counts: Counts, slices: Iterable[str], sink: Sink) -> None:
        """Nothing: every record is complete."""

    def _record(self, one: Document, notes: Counter[str]) -> bytes:
        return self.form.record(
            one.id, ((name, COLUMNS[name](one)) for name in self.columns), notes)

    def _documents(self, job: Job, one: Slice, item: Item, count: str, sink: Sink,
                   notes: Counter[str]) -> Iterator[Document]:
        last = words.file_id(item, item.files[-1]) if item.files else item.document_id
        body = _text((words.block(item, words.zone_of(job)),), notes)
        name = f"{item.document_id}.txt"
        sink.put(f"{FOLDER}/text/{name}", body)
        yield Document(job, one, item, None, item.document_id, last, name, "txt", str(len(body)),
                       sha256(body).hexdigest(), "", f"text\\{name}", count,
                       self.confidentiality)
        for file in item.files:
            identity = words.file_id(item, file)
            name = f"{identity}.txt"
            sink.put(f"{FOLDER}/text/{name}", _text((_about(item, file),), notes))
            yield Document(job, one, item, file, identity, last, file.view.name or "",
                           _extension(file), str(file.size) if file.path else "", file.sha256,
                           _path(file.path), f"text\\{name}", "", self.confidentiality)


def counted(one: Slice, sink: Sink) -> int:
    """The pages of the slice's PDF, which has to be written before. Raises Refused naming it."""
    path = _transcript(one)
    try:
        with sink.open(path) as file:
            return pages(file)
    except (KeyError, FileNotFoundError, Missing) as error:
        raise Refused(f"{path} is not there: the PDF is written before the load file") from error
    except Refused as error:
        raise Refused(f"{path}: {error}") from error


def _images(one: Slice, count: int) -> bytes:
    """ImageKey, Volume, Path, DocBreak, FolderBreak, BoxBreak, PageCount. What a slice is called is
    ASCII without commas."""
    path = _path(_transcript(one))
    return "".join(f"{item.document_id},,{path},Y,,,{count}\r\n" for item in one.items).encode(
        "ascii")


def _transcript(one: Slice) -> str:
    return f"{transcript_view.FOLDER}/{one.name}.pdf"


def _path(path: str) -> str:
    """A path of the package, seen from the folder of the load file, as Windows writes it."""
    return "..\\" + path.removeprefix("data/").replace("/", "\\") if path else ""


def _extension(file: PackedFile) -> str:
    """As the file in the package ends; of one that is not there, as its name does."""
    name = file.path or file.view.name or ""
    end = name.rpartition("/")[2].rpartition(".")[2] if "." in name else ""
    return end.lower() if end.isascii() and end.isalnum() else ""


def _about(item: Item, file: PackedFile) -> words.Block:
    return words.Block(words.file_id(item, file), words.file_line(item, file), (
        words.Paragraph(f"It belongs to {item.document_id}."), words.Paragraph(_NOT_EXTRACTED)))


def _text(found: Iterable[words.Block], notes: Counter[str]) -> bytes:
    text, changed = words.plain(found)
    if changed:
        notes[f"text files: {words.CONTROLS_SHOWN}"] += changed
    return text.encode()
