"""Opened cells of the archive, each opened once while it is needed.

Owns the keeping of a few, so that the records of one cell cost one read; and reading a datum by its
pointer out of them (`search.bodies.Reads`).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Protocol

from archive.reader import OpenedCell, event_at
from schemas.wire import Pointer

# Slices go by conversation and cells by custodian and month: the same cells come again soon.
_KEPT_BYTES: Final = 64 * 1024 * 1024


class Opens(Protocol):
    """What is asked of the archive (`archive.reader.ArchiveReader`)."""

    def proved(self, pointer: Pointer) -> OpenedCell:
        """The cell of a pointer. Raises Missing or Refused."""


class Cells:
    """Reads what `Reads` promises, and hands out what proves it."""

    def __init__(self, archive: Opens) -> None:
        self._archive = archive
        self._recent: OrderedDict[tuple[str, int], OpenedCell] = OrderedDict()
        self._sizes: dict[tuple[str, int], int] = {}
        self._held = 0
        self.opened = 0
        self.opened_bytes = 0

    def of(self, pointer: Pointer) -> OpenedCell:
        """The cell of a pointer. Raises Missing or Refused."""
        key = pointer.segment, pointer.start
        known = self._recent.get(key)
        if known is None:
            known = self._recent[key] = self._archive.proved(pointer)
            self.opened += 1
            self.opened_bytes += pointer.length
            self._sizes[key] = sum(len(event.datum) for event in known.events)
            self._held += self._sizes[key]
            while self._held > _KEPT_BYTES and len(self._recent) > 1:
                oldest, _ = self._recent.popitem(last=False)
                self._held -= self._sizes.pop(oldest)
        self._recent.move_to_end(key)
        return known

    def read(self, pointer: Pointer) -> bytes:
        """One datum. Raises Missing or Refused."""
        return event_at(self.of(pointer).events, pointer).datum
