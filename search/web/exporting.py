"""Exports as the console shows them: what a page and a call of the API are handed, and the port.

Owns the shapes and the way from a form to a selection. What may be done is behind the port; each
method of it that shows something has recorded it before it answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from schemas.errors import Refused
from schemas.limits import QUERY_CHARS_MAX
from search.access.viewer import Viewer
from search.export.granted import Preview
from search.export.wanted import FORMATS, INCLUDE, WITHHOLD, Wanted

# Of a form; the command line takes more.
VALUES_MAX: Final = 500
VALUE_CHARS_MAX: Final = 400
WORDS_CHARS_MAX: Final = 2_000
RUNNING: Final = "running"
FAILED: Final = "failed"
# What somebody reads beside a format's name.
FORMAT_WORDS: Final[Mapping[str, str]] = {
    "native": "native records and files (always)", "rsmf": "RSMF 2.0 (Relativity and others)",
    "transcript": "transcripts to read in a browser", "pdf": "transcripts to print (PDF)",
    "eml": "e-mail, one for each conversation and day", "loadfile": "load file (DAT and OPT)",
    "csv": "a table (CSV)"}


@dataclass(frozen=True, slots=True)
class Terms:
    """How exports are made here. `zone`, `prefix`: unless somebody says otherwise; `approval`: a
    second person has to agree; `makes`: the console makes packages; `may_include`: the viewer may
    have what is privileged."""

    zone: str
    prefix: str
    approval: bool
    makes: bool
    may_include: bool


@dataclass(frozen=True, slots=True)
class ExportView:
    """One export. `state`: of schemas/exports.py; `words`: the same for a person, with what it
    waits for; `asked`: (what, value) of the selection; `custody`: lines of
    search/export/custody.py. Times UTC ms, null = did not happen. `making`: RUNNING | FAILED | "",
    of what this console does, with `percent` and `problem`. `may_…`: what the viewer may do now;
    `command`: what an operator types to make it, "" = the console does."""

    export_id: str
    title: str
    state: str
    words: str
    requested_by: str
    requested_at: int
    request: str
    needs_approval: bool
    asked: tuple[tuple[str, str], ...]
    custody: tuple[Mapping[str, Any], ...]
    approved_by: str = ""
    approved_until: int | None = None
    refused_by: str = ""
    reason: str = ""
    counted: str = ""
    manifest_sha256: str = ""
    making: str = ""
    percent: int = 0
    problem: str = ""
    command: str = ""
    may_approve: bool = False
    may_refuse: bool = False
    may_make: bool = False
    may_load: bool = False
    may_hand_over: bool = False


@dataclass(frozen=True, slots=True)
class Download:
    """A package as one zip file. `name`: of the file; `pieces`: its bytes."""

    name: str
    pieces: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Given:
    """To whom a package was handed over and how; `file`, `file_sha256`: of what was given, where
    that is known."""

    to: str
    how: str
    note: str = ""
    file: str = ""
    file_sha256: str = ""


class ExportsPort(Protocol):
    """Exports of the firm. Every method raises Denied for whoever may not, and Transient; Refused
    is in words for whoever asked."""

    def terms(self, viewer: Viewer) -> Terms:
        """How exports are made here."""

    def every(self, viewer: Viewer) -> tuple[tuple[ExportView, ...], tuple[str, ...]]:
        """(every export there ever was, the youngest first; what somebody has to look at)."""

    def one(self, viewer: Viewer, export_id: str) -> ExportView:
        """Raises Missing."""

    def preview(self, viewer: Viewer, wanted: Wanted) -> Preview:
        """What it would be, of what the viewer may see. Raises QueryError, Missing, Refused."""

    def request(self, viewer: Viewer, wanted: Wanted) -> ExportView:
        """On the log when it returns. Raises QueryError, Refused."""

    def approve(self, viewer: Viewer, export_id: str, note: str) -> ExportView:
        """Raises Missing, Refused."""

    def refuse(self, viewer: Viewer, export_id: str, reason: str) -> ExportView:
        """Raises Missing, Refused."""

    def make(self, viewer: Viewer, export_id: str) -> ExportView:
        """Begin, or go on; it is made while nobody waits. Raises Missing, Refused."""

    def hand_over(self, viewer: Viewer, export_id: str, given: Given) -> ExportView:
        """Raises Missing, Refused."""

    def package(self, viewer: Viewer, export_id: str) -> Download:
        """For whoever asked for it. Raises Missing."""


def lines(text: str) -> tuple[str, ...]:
    """Values of a form, one a line, each once and in order. Raises Refused."""
    found = tuple(sorted({one.strip() for one in text.splitlines() if one.strip()}))
    if len(found) > VALUES_MAX or any(len(one) > VALUE_CHARS_MAX for one in found):
        raise Refused(f"at most {VALUES_MAX} lines of {VALUE_CHARS_MAX} characters each")
    return found


def of_form(form: Mapping[str, str], times: tuple[int | None, int | None],
            terms: Terms) -> Wanted:
    """The selection that a form says. `times`: of its days, UTC ms. Raises Refused in words."""
    context = form.get("context", "").strip() or "0"
    if not context.isascii() or not context.isdigit() or len(context) > 4:
        raise Refused("messages around each: write a number")
    texts = {name: form.get(name, "").strip() for name in ("matter", "title", "basis", "hold")}
    query = form.get("query", "").strip()
    if len(query) > QUERY_CHARS_MAX or max(map(len, texts.values())) > WORDS_CHARS_MAX:
        raise Refused("one of these texts is too long")
    chosen = tuple(one for one in FORMATS if one == "native" or form.get(f"format-{one}"))
    return Wanted(
        query=query, ids=lines(form.get("ids", "")),
        conversations=lines(form.get("conversations", "")),
        custodians=lines(form.get("custodians", "")), since=times[0], until=times[1],
        context=int(context), privileged=INCLUDE if form.get("privileged") else WITHHOLD,
        formats=chosen, zone=form.get("zone", "").strip() or terms.zone, prefix=terms.prefix,
        **texts)
