"""What stands on a transcript, before it becomes a page: the shapes that HTML and PDF share. Pure.

Owns the shapes; `transcript_sheet.py` fills them from a slice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from search.export.model import Withheld
from search.export.transcript_words import Moment
from search.web import diff
from search.web.chat import Hole, Person, Taken

# Where transcripts lie in a package.
FOLDER: Final = "data/transcript"


@dataclass(frozen=True, slots=True)
class Other:
    """A record that tells of the same version and says something else. `text` null = none."""

    captured: Moment
    text: str | None
    records: str


@dataclass(frozen=True, slots=True)
class Version:
    """One version, whole. `text` null = none; `note`: why, or what is not known; `changed`: against
    the version before, null where there is nothing to compare; `records`: in words."""

    number: int
    title: str
    who: Person | None
    when: Moment
    captured: Moment
    text: str | None
    note: str
    changed: tuple[diff.Change, ...] | None
    known: str
    records: str
    others: tuple[Other, ...]


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to a message and is no version of it. `text`: what was said with it,
    an emoji most often; null = nothing."""

    title: str
    text: str | None
    who: Person | None
    when: Moment
    note: str
    records: str


@dataclass(frozen=True, slots=True)
class File:
    """An attachment. `link`: from the transcript to its bytes, "" = they are not in the package,
    and `state` says why; `path`: in the package; `is_picture`: may be shown in place."""

    number: int
    version: int | None
    name: str
    media_type: str
    size: str
    sha256: str
    link: str
    path: str
    is_picture: bool
    state: str


@dataclass(frozen=True, slots=True)
class Said:
    """A message, a call, somebody who came or went. `side`: in | out | none; `badge`: edited,
    retracted, or what it is where it is no message; `facts`: what else the source said."""

    document_id: str
    side: str
    direction: str
    badge: str
    who: Person | None
    when: Moment
    answers: str
    taken: Taken | None
    taken_at: Moment | None
    note: str
    versions: tuple[Version, ...]
    happenings: tuple[Happening, ...]
    files: tuple[File, ...]
    facts: tuple[tuple[str, str], ...]
    noted: tuple[str, ...]
    records: str
    is_context: bool

    @property
    def is_short(self) -> bool:
        """One version: its text stands alone, without a heading."""
        return len(self.versions) == 1

    @property
    def has_text(self) -> bool:
        """Whether any version says something."""
        return any(one.text is not None for one in self.versions)


@dataclass(frozen=True, slots=True)
class Gap:
    """Capture is known to have failed here."""

    hole: Hole
    since: Moment | None
    until: Moment | None


@dataclass(frozen=True, slots=True)
class Box:
    """Something that was chosen and stays behind."""

    withheld: Withheld
    reason: str
    when: Moment
    kind: str


Row = Said | Gap | Box


@dataclass(frozen=True, slots=True)
class Sheet:
    """One slice. `facts`: the head, name and value; `first`, `last`: document ids, "" = none."""

    name: str
    title: str
    day: str
    facts: tuple[tuple[str, str], ...]
    people: tuple[tuple[Person, bool], ...]
    rows: tuple[Row, ...]
    first: str
    last: str

    @property
    def range(self) -> str:
        """The document ids on it."""
        if not self.first:
            return "no documents"
        return self.first if self.first == self.last else f"{self.first} – {self.last}"
