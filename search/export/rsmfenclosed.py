"""The files of an RSMF zip: attachments as they are packed, and a note where one is not there.

Owns their names, which are the package's own and never a stranger's, and what a viewer shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from search.export import loadfile_text as words
from search.export.model import Item, PackedFile

_UNAVAILABLE: Final = "_UNAVAILABLE.txt"


@dataclass(frozen=True, slots=True)
class Enclosed:
    """A file of the zip. `path`: in the package, "" = `body` is all of it; `size` in bytes."""

    name: str
    size: int
    sha256: str = ""
    path: str = ""
    body: bytes = b""


def enclosed(item: Item, packed: PackedFile) -> Enclosed:
    """A file of an item."""
    if packed.path:
        name = packed.path.rpartition("/")[2]
        return Enclosed(name, packed.size, packed.sha256, packed.path)
    return unavailable(item, packed, words.missing(packed))


def unavailable(item: Item, packed: PackedFile, why: str) -> Enclosed:
    """The note that stands where a file is not."""
    lines = (f"File {packed.view.number} of {item.document_id} is not here.",
             f"Name: {words.one_line(packed.view.name) or 'none'}",
             f"Type: {words.one_line(packed.view.media_type) or 'not known'}", why)
    body = "".join(f"{line}\r\n" for line in lines).encode()
    return Enclosed(f"{item.document_id}_{packed.view.number}{_UNAVAILABLE}", len(body), body=body)


def display(packed: PackedFile, one: Enclosed) -> str:
    """What a viewer calls it."""
    name = words.one_line(packed.view.name)
    if not one.name.endswith(_UNAVAILABLE):
        return name or one.name
    # With the end of a picture's name a viewer would try to draw the note.
    return f"{name}{_UNAVAILABLE}" if name else one.name
