"""A large file seen through a window that holds one message.

Owns the bytes in hand, where they lie in the file, and the cutting of long `data` values: they are
gone over and dropped while the rest of their message is still being read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Final

from ingest.adapters.sms_backup_base64 import Survey, Surveyed, survey
from schemas import limits

CHUNK_BYTES: Final = 256 * 1024
_DATA: Final = b"data="
_SPACE: Final = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Cut:
    """A value that was cut out of the window: before the byte `at` (counted without all that was
    cut), [start, end) in the file."""

    at: int
    start: int
    end: int
    surveyed: Surveyed


class Window:
    """`data[pos:]` is what lies ahead. `more` moves it: positions taken before are void then."""

    def __init__(self, stream: BinaryIO, chunk_bytes: int = CHUNK_BYTES) -> None:
        self.data = b""
        self.pos = 0
        self.ended = False
        self._stream = stream
        self._chunk_bytes = chunk_bytes
        # Of data[0]: counted without what was cut, and how much was cut before it.
        self._base = 0
        self._cut_before = 0
        self._cuts: list[Cut] = []
        self._searched = 0

    def pending(self) -> int:
        """How many bytes lie ahead in the window."""
        return len(self.data) - self.pos

    def more(self) -> bool:
        """Forget what lies behind and read on; as much again as is held, so that a long message
        is gone through a bounded number of times. False at the end of the file."""
        self._forget()
        piece = b"" if self.ended else self._stream.read(max(self._chunk_bytes, len(self.data)))
        if not piece:
            self.ended = True
            return False
        self.data += piece
        if len(self.data) > limits.BACKUP_INLINE_BYTES_MAX and self.data.startswith(b"<mms"):
            self._thin()
        return True

    def place(self, pos: int) -> int:
        """Where the byte at `pos` lies in the file."""
        at = self._base + pos
        return at + self._cut_before + sum(
            cut.end - cut.start for cut in self._cuts if cut.at <= at)

    def cuts(self, start: int, end: int) -> dict[int, Cut]:
        """The cuts between two positions, by the position that they were made before."""
        if not self._cuts:
            return {}
        return {cut.at - self._base: cut for cut in self._cuts
                if start <= cut.at - self._base < end}

    def cut_of(self, begin: int, end: int) -> Cut:
        """The value [begin, end) of the window as a cut that is not made yet."""
        start = self.place(begin)
        return Cut(self._base + begin, start, start + end - begin, survey(self.data[begin:end]))

    def _forget(self) -> None:
        self._base += self.pos
        self.data = self.data[self.pos:]
        self.pos = 0
        self._cut_before += sum(cut.end - cut.start for cut in self._cuts if cut.at < self._base)
        self._cuts = [cut for cut in self._cuts if cut.at >= self._base]

    def _thin(self) -> None:
        """Cut every long `data` value of the message in the window, the last one to its end, which
        may be far ahead in the file."""
        at = max(0, self._searched - self._base)
        while (found := self.data.find(_DATA, at)) >= 0:
            begin = found + len(_DATA) + 1
            if begin > len(self.data):
                break
            quote = self.data[begin - 1:begin]
            if quote not in (b'"', b"'") or self.data[found - 1:found] not in _SPACE:
                at = found + 1
                continue
            end = _end_of(self.data, begin, quote)
            if end is None and len(self.data) - begin <= limits.BACKUP_INLINE_BYTES_MAX:
                break
            if end is None:
                self._skip(begin, quote)
                at = begin
            elif end - begin > limits.BACKUP_INLINE_BYTES_MAX and self.data[end:end + 1] == quote:
                self._cuts.append(self.cut_of(begin, end))
                self.data = self.data[:begin] + self.data[end:]
                at = begin
            else:
                at = end
        self._searched = self._base + (found if found >= 0 else max(0, len(self.data) - 5))

    def _skip(self, begin: int, quote: bytes) -> None:
        """Drop what the window holds of the value and go over the rest of it in the file."""
        start = self.place(begin)
        surveyor, piece, length = Survey(), self.data[begin:], 0
        while True:
            end = _end_of(piece, 0, quote)
            surveyor.feed(piece[:end])
            length += len(piece) if end is None else end
            if end is not None:
                break
            piece = self._stream.read(self._chunk_bytes)
            if not piece:
                self.ended = True
                break
        self._cuts.append(Cut(self._base + begin, start, start + length, surveyor.result()))
        self.data = self.data[:begin] + piece[end:] if piece else self.data[:begin]


def _end_of(data: bytes, begin: int, quote: bytes) -> int | None:
    """Where a value ends: at its quote, or before a `<`, which no value may hold."""
    end = data.find(quote, begin)
    markup = data.find(b"<", begin, end if end >= 0 else len(data))
    if markup >= 0:
        return markup
    return end if end >= 0 else None
