"""The readable event behind an entry, read from the archive by pointer (DESIGN §7).

Owns the way from an entry to its event, parts joined. The index holds no body: what a person sees
has always been read back and verified.
"""

from __future__ import annotations

from typing import Protocol

from schemas import codec
from schemas.document import Document, Entry
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent
from schemas.wire import Pointer
from search.project import complete_sets, entry_key, joined_event


class Reads(Protocol):
    """What is asked of the archive (`archive.reader.ArchiveReader`)."""

    def read(self, pointer: Pointer) -> bytes:
        """One datum, verified. Raises Missing (key or object gone) or Refused."""


class Bodies:
    """Events by entry. Raises what `Reads.read` raises, never another event."""

    def __init__(self, reader: Reads) -> None:
        self._reader = reader

    def event(self, found: Document, entry: Entry) -> CapturedEvent:
        """The event that `entry` of `found` stands for.

        Raises Missing or Refused when it cannot be read any more, or never could.
        """
        if entry.unreadable:
            raise Refused(entry.unreadable)
        if entry.joined:
            return self._large(found, entry)
        event = codec.decode(self._reader.read(entry.pointer))
        if not isinstance(event, CapturedEvent):
            raise Refused("the entry is a part of a larger event")
        return event

    def _large(self, found: Document, entry: Entry) -> CapturedEvent:
        for chain in complete_sets(found.entries):
            if entry_key(chain[0])[:-1] == entry_key(entry)[:-1]:
                return joined_event([self._reader.read(part.pointer) for part in chain])
        raise Missing("the parts of this event")
