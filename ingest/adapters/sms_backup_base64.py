"""Base64 inside an XML attribute: what it holds, and its bytes when they are wanted.

Owns the reading of such a value piece by piece, from memory or from its place in the file: a
picture of 100 MB is never held whole.
"""

from __future__ import annotations

import binascii
import hashlib
import io
import re
import string
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from schemas.errors import Refused

_READ_BYTES: Final = 64 * 1024
_ALPHABET: Final = (string.ascii_letters + string.digits + "+/").encode()
_SPACE: Final = b" \t\r\n"
# A line break in an attribute is written as a reference; the longest spelling kept is `&#x00a;`.
_BREAK: Final = re.compile(rb"&#(?:0{0,3}(?:9|10|13)|[xX]0{0,3}[9aAdD]);")
_BREAK_CHARS_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A value that was gone over: `sha256` is of its bytes as written, `size` how many bytes it
    decodes to, `sound` whether it is base64 from beginning to end."""

    sha256: bytes
    size: int
    sound: bool


class _Letters:
    """What is left of a value without white space, over any split of it into pieces."""

    def __init__(self) -> None:
        self.held = b""

    def feed(self, piece: bytes) -> bytes:
        joined = self.held + piece
        last = joined.rfind(b"&", max(0, len(joined) - _BREAK_CHARS_MAX))
        if last >= 0 and b";" not in joined[last:]:
            self.held, joined = joined[last:], joined[:last]
        else:
            self.held = b""
        if b"&" in joined:
            joined = _BREAK.sub(b"", joined)
        return joined.translate(None, _SPACE)


class Survey:
    """Goes over a value piece by piece, keeping none of it."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._letters = _Letters()
        self._digits = 0
        self._padding = 0
        self._sound = True

    def feed(self, piece: bytes) -> None:
        """The next piece of the value."""
        self._hash.update(piece)
        letters = self._letters.feed(piece)
        digits = letters.rstrip(b"=")
        if digits and (self._padding or digits.translate(None, _ALPHABET)):
            self._sound = False
        self._digits += len(digits)
        self._padding += len(letters) - len(digits)

    def result(self) -> Surveyed:
        """What the whole value is. Padding may be left out, but not be wrong."""
        padded = not self._padding or (
            self._padding <= 2 and (self._digits + self._padding) % 4 == 0)
        sound = self._sound and not self._letters.held and padded and self._digits % 4 != 1
        return Surveyed(self._hash.digest(), self._digits * 3 // 4, sound)


def survey(value: bytes) -> Surveyed:
    """What `value` is."""
    one = Survey()
    one.feed(value)
    return one.result()


def opened(source: BinaryIO, start: int, end: int) -> BinaryIO:
    """The bytes that [start, end) of `source` decode to, as a stream at bounded memory; closing
    it closes `source`. Reading raises Refused where the value is not what was surveyed."""
    source.seek(start)
    return io.BufferedReader(_Decoded(source, end - start), _READ_BYTES)


class _Decoded(io.RawIOBase):
    """A sound value, decoded while it is read."""

    def __init__(self, source: BinaryIO, length: int) -> None:
        self._source = source
        self._left = length
        self._letters = _Letters()
        self._undecoded = b""
        self._decoded = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._decoded and self._fill():
            pass
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._decoded))
        view[:count] = self._decoded[:count]
        self._decoded = self._decoded[count:]
        return count

    def _fill(self) -> bool:
        """Decode on; false at the end."""
        if not self._left:
            return False
        piece = self._source.read(min(self._left, _READ_BYTES))
        if not piece:
            raise Refused("the file ends inside a part that was whole before")
        self._left -= len(piece)
        letters = self._undecoded + self._letters.feed(piece).rstrip(b"=")
        whole = len(letters) if not self._left else len(letters) // 4 * 4
        padding = b"=" * (-whole % 4)
        try:
            self._decoded = binascii.a2b_base64(letters[:whole] + padding, strict_mode=True)
        except binascii.Error as error:
            raise Refused("a part is no base64") from error
        self._undecoded = letters[whole:]
        return True

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()
