"""Transcripts on paper: one PDF a slice, with the same content as the HTML page.

Owns the writer and the data of its template. What cannot be printed is said and counted: a
character that no font has, a picture that is too large or cannot be drawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from schemas.errors import Refused
from search.export import pdf_fonts, pdf_pictures, pdf_typeset, transcript_sheet
from search.export import transcript_view as view
from search.export import transcript_words as words
from search.export.model import Counts, Job, Sink, Slice
from search.export.pdf_text import Setter
from search.export.transcript_words import Moment
from search.web.chat import Person

NOTE_GLYPHS: Final = "pdf: a character that no font has, shown as its number"
NOTE_PICTURES: Final = "pdf: a picture that is not drawn, only named"
_TEMPLATE: Final = "transcript.typ"
# An item of more lines may go over the end of a page; a page has about 55.
_LINES_TOGETHER_MAX: Final = 26
_CHARS_A_LINE: Final = 60
_FOOT_CHARS_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class PdfTranscript:
    """A `model.Writer`."""

    def begin(self, job: Job, sink: Sink) -> None:
        """Nothing stands before the first."""

    def slice(self, job: Job, one: Slice, sink: Sink) -> None:
        """The PDF of one slice."""
        sheet = transcript_sheet.sheet(job, one)
        setting = _Setting(job, sink)
        try:
            body = setting.pdf(sheet)
        except Refused:
            # Marks that no shaping of any font can bear: seen as numbers, the page is there.
            setting = _Setting(job, sink, Setter(is_careful=True))
            body = setting.pdf(sheet)
        sink.put(path(one.name), body)
        for what, times in ((NOTE_GLYPHS, setting.setter.absent.total()),
                            (NOTE_PICTURES, setting.undrawn)):
            if times:
                sink.note(what, times)

    def end(self, job: Job, counts: Counts, slices: Iterable[str], sink: Sink) -> None:
        """Nothing stands after the last: the HTML index names each."""


def path(name: str) -> str:
    """Where the PDF of a slice lies."""
    return f"{view.FOLDER}/{name}.pdf"


def foot(*said: str) -> str:
    """What stands at the foot of each page: these, as far as a line goes."""
    return ", ".join(one if len(one) <= _FOOT_CHARS_MAX else one[:_FOOT_CHARS_MAX] + "…"
                     for one in said if one)


@dataclass(slots=True)
class _Setting:
    """One document. `undrawn`: pictures that are named only; `left`: bytes of pictures that it may
    still hold."""

    job: Job
    sink: Sink
    setter: Setter = field(default_factory=Setter)
    undrawn: int = 0
    left: int = pdf_pictures.TOTAL_BYTES_MAX

    def pdf(self, sheet: view.Sheet) -> bytes:
        """The file. Raises Refused if it cannot be set."""
        return pdf_typeset.pdf(_TEMPLATE, self.data(sheet), self.job.requested_at)

    def data(self, sheet: view.Sheet) -> dict[str, Any]:
        """What the template takes."""
        job, inline = self.job, self.setter.inline
        rows = [self._row(row) for row in sheet.rows]
        signs = self.setter.named_signs()
        return {
            "title": f"{sheet.range}, {sheet.day}", "author": job.produced_by,
            "export": job.export_id, "left": inline(sheet.range), "day": sheet.day,
            "foot": inline(foot(job.matter, sheet.name)),
            "fonts": pdf_fonts.families(), "heading": inline(sheet.title),
            "facts": [(name, inline(value)) for name, value in sheet.facts],
            "people": [(self._who(one), firm) for one, firm in sheet.people],
            "rows": rows, "verify": words.HOW_TO_VERIFY,
            "checkpoint": inline(f"{job.origin}, {job.tree_size}, {job.tree_root}"),
            "signs": signs, "more_signs": len(self.setter.signs) - len(signs),
        }

    def _row(self, row: view.Row) -> dict[str, Any]:
        if isinstance(row, view.Said):
            return self._item(row)
        if isinstance(row, view.Gap):
            why = row.hole.why
            return {"k": "gap", "since": row.since and self._moment(row.since),
                    "until": row.until and self._moment(row.until),
                    "why": self.setter.inline(f"{why[:1].upper()}{why[1:]}."),
                    "state": row.hole.state, "note": self._maybe(row.hole.note)}
        held = row.withheld
        return {"k": "held", "id": held.document_id, "when": self._moment(row.when),
                "reason": self.setter.inline(row.reason), "words": self._maybe(held.words),
                "what": self.setter.inline(
                    f"{row.kind}, {held.records} record{'' if held.records == 1 else 's'}"),
                "author": self._maybe(held.author),
                "to": [self.setter.inline(one) for one in held.recipients]}

    def _item(self, one: view.Said) -> dict[str, Any]:
        return {
            "k": "item", "id": one.document_id, "side": one.side, "direction": one.direction,
            "long": _lines(one) > _LINES_TOGETHER_MAX, "when": self._moment(one.when),
            "records": one.records or "no record", "who": self._who(one.who),
            "badges": [*map(self.setter.inline, filter(None, [one.badge])),
                       *(["context: not asked for itself"] if one.is_context else [])],
            "answers": one.answers, "taken": self._taken(one), "note": self._maybe(one.note),
            "versions": [self._version(each) for each in one.versions],
            "files": [self._file(each) for each in one.files],
            "happenings": [self._happening(each) for each in one.happenings],
            "facts": [(self.setter.inline(name), self.setter.inline(value))
                      for name, value in one.facts],
            "noted": self._maybe(", ".join(one.noted)),
        }

    def _taken(self, one: view.Said) -> dict[str, Any] | None:
        taken, when = one.taken, one.taken_at
        if taken is None or when is None:
            return None
        return {"who": self._who(taken.who), "when": self._moment(when), "visible": taken.visible,
                "other": " (not its author)" if taken.who and not taken.same_person else "",
                "how": ", " if taken.when.prefix else " at ",
                "text": words.taken(has_text=one.has_text)}

    def _version(self, one: view.Version) -> dict[str, Any]:
        setter = self.setter
        return {
            "number": one.number, "title": setter.inline(one.title), "who": self._who(one.who),
            "when": self._moment(one.when), "captured": self._moment(one.captured),
            "text": setter.lines(one.text) if one.text else None,
            "empty": words.empty(one.text), "note": self._maybe(one.note),
            "known": setter.inline(one.known),
            "changed": None if one.changed is None else setter.changed(one.changed),
            "records": one.records,
            "others": [{"captured": self._moment(each.captured), "records": each.records,
                        "text": setter.lines(each.text) if each.text else None}
                       for each in one.others],
        }

    def _happening(self, one: view.Happening) -> dict[str, Any]:
        return {"title": self.setter.inline(one.title), "text": self._maybe(one.text),
                "who": self._who(one.who), "when": self._moment(one.when),
                "note": self._maybe(one.note), "records": one.records}

    def _file(self, one: view.File) -> dict[str, Any]:
        return {"name": self.setter.inline(one.name), "type": self.setter.inline(one.media_type),
                "size": one.size, "version": one.version,
                "path": self.setter.inline(one.path), "sha": one.sha256,
                "state": self._maybe(one.state), **self._picture(one)}

    def _picture(self, one: view.File) -> dict[str, Any]:
        """The picture, where it can be drawn; else why not."""
        shown: dict[str, Any] = {"picture": None, "format": "", "alt": "", "width": 0,
                                 "unseen": ""}
        if not one.is_picture:
            return shown
        with self.sink.open(one.path) as file:
            body = file.read(pdf_pictures.BYTES_MAX + 1)
        if len(body) > min(pdf_pictures.BYTES_MAX, self.left):
            return self._unseen(shown, "This picture is too large to be printed here")
        found = pdf_pictures.read(body)
        if found is None:
            return self._unseen(shown, "This file cannot be shown as a picture")
        shown |= {"picture": list(body), "format": found.form, "width": found.width_pt}
        try:
            # Alone first: one file that is broken must not take the whole transcript with it.
            pdf_typeset.pdf("picture.typ", shown, self.job.requested_at)
        except Refused:
            return self._unseen(shown, "This picture cannot be drawn")
        self.left -= len(body)
        return shown | {"alt": f"Picture: {one.path}"}

    def _unseen(self, shown: dict[str, Any], why: str) -> dict[str, Any]:
        self.undrawn += 1
        return shown | {"picture": None, "unseen": f"{why}; the file itself is in the package."}

    def _who(self, one: Person | None) -> dict[str, Any] | None:
        if one is None:
            return None
        return {"n": self.setter.inline(one.name),
                "i": None if one.id == one.name else self.setter.inline(one.id)}

    def _moment(self, one: Moment) -> dict[str, Any]:
        return {"l": self.setter.inline(one.local), "u": one.utc, "m": one.meaning}

    def _maybe(self, text: str | None) -> str | dict[str, Any] | None:
        return self.setter.inline(text) if text else None


def _lines(one: view.Said) -> int:
    """About how many lines it takes; rather too many than too few."""
    said = [each.text or "" for each in one.versions]
    said += [other.text or "" for each in one.versions for other in each.others]
    said += ["".join(run.text for run in each.changed) for each in one.versions if each.changed]
    texts = sum(2 + text.count("\n") + len(text.encode()) // _CHARS_A_LINE for text in said)
    pictures = sum(16 if each.is_picture else 4 for each in one.files)
    facts = sum(len(name) + len(value) for name, value in one.facts) // _CHARS_A_LINE
    return (8 + texts + 4 * len(one.versions) + pictures + facts + 2 * len(one.happenings))
