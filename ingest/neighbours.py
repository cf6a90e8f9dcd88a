"""What of a file cannot be asked whether it is excluded goes with what lies around it.

Owns that rule for a file that is one chat: bytes that could not be read, and files that no message
names, have no time of their own. Between lines that were left out they are left out as well, and
counted with them; beside a line that was captured they are kept. Of a file of many chats, and of
one in which no line could be read, everything is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ingest.exclusions import Day, event_instant
from ingest.imports import Unreadable
from schemas.events import CapturedEvent

# Bytes that wait for the line after them. What is more is decided by the line before.
HELD_BYTES_MAX: Final = 16 * 1024 * 1024


@dataclass(slots=True)
class Neighbours:
    """Told of one file's items in their order. A pair that it gives back is decided: the bytes,
    and the day that they are counted under, null where they are kept."""

    is_one_chat: bool
    _day: Day | None = None               # of the line before, if that one was left out
    _lines: int = 0
    _captured: int = 0
    _held: list[Unreadable] = field(default_factory=list)
    _bytes: int = 0

    def line(self, day: Day | None) -> list[tuple[Unreadable, Day | None]]:
        """A line that was read; `day` is its count's where it is left out."""
        before = self._day if self._lines else day
        self._day, self._lines = day, self._lines + 1
        self._captured += day is None
        return self._decided(before and day)

    def unreadable(self, item: Unreadable) -> list[tuple[Unreadable, Day | None]]:
        """Bytes that could not be read. A member of a zip lies beside all lines alike."""
        if item.member:
            return [(item, self.of_all())]
        if not self.is_one_chat or (self._lines and self._day is None):
            return [(item, None)]
        self._held.append(item)
        self._bytes += len(item.raw)
        return self.end() if self._bytes > HELD_BYTES_MAX else []

    def end(self) -> list[tuple[Unreadable, Day | None]]:
        """The file is behind us; or too much is held."""
        return self._decided(self._day)

    def of_all(self) -> Day | None:
        """Of what has no place among the lines: the day, where every line was left out."""
        return self._day if self.is_one_chat and not self._captured else None

    def has_say(self, event: CapturedEvent) -> bool:
        """Whether `event` goes with the lines: it has no time, and there were some."""
        return self.is_one_chat and self._lines > 0 and event_instant(event) is None

    def _decided(self, day: Day | None) -> list[tuple[Unreadable, Day | None]]:
        held, self._held, self._bytes = self._held, [], 0
        return [(one, day) for one in held]
