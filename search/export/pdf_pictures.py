"""Pictures of a printed transcript: which may be drawn, and how large. Pure.

Owns reading a picture's size from its first bytes, before any decoder sees it: a small file may
unpack to a picture that no memory holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# More are named and lie beside the transcript; the page says so.
BYTES_MAX: Final = 3_000_000
PIXELS_MAX: Final = 40_000_000
# Of one transcript: what its typesetting holds in memory at once.
TOTAL_BYTES_MAX: Final = 24_000_000
WIDTH_PT_MAX: Final = 240.0
HEIGHT_PT_MAX: Final = 200.0
_PNG: Final = b"\x89PNG\r\n\x1a\n"
# JPEG markers that begin a frame and tell its size.
_FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


@dataclass(frozen=True, slots=True)
class Picture:
    """`form`: png | jpg | gif | webp; pixels."""

    form: str
    width: int
    height: int

    @property
    def width_pt(self) -> float:
        """How wide it is drawn: as large as fits the column, never larger than 1 pixel a point."""
        return min(WIDTH_PT_MAX, self.width, HEIGHT_PT_MAX * self.width / self.height)


def read(body: bytes) -> Picture | None:
    """What kind of picture this is and how large; null = none that is drawn here."""
    found = next(_found(body), None)
    if found is None or not (found.width > 0 and found.height > 0):
        return None
    return found if found.width * found.height <= PIXELS_MAX else None


def _found(body: bytes) -> Iterator[Picture]:
    if body.startswith(_PNG) and body[12:16] == b"IHDR" and len(body) >= 24:
        yield Picture("png", _big(body, 16, 4), _big(body, 20, 4))
    if body[:6] in (b"GIF87a", b"GIF89a") and len(body) >= 10:
        yield Picture("gif", _little(body, 6, 2), _little(body, 8, 2))
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP" and len(body) >= 30:
        yield from _webp(body)
    if body[:2] == b"\xff\xd8":
        yield from _jpeg(body)


def _webp(body: bytes) -> Iterator[Picture]:
    if body[12:16] == b"VP8X":
        yield Picture("webp", _little(body, 24, 3) + 1, _little(body, 27, 3) + 1)
    elif body[12:16] == b"VP8L":
        said = _little(body, 21, 4)
        yield Picture("webp", (said & 0x3FFF) + 1, (said >> 14 & 0x3FFF) + 1)
    elif body[12:16] == b"VP8 ":
        yield Picture("webp", _little(body, 26, 2) & 0x3FFF, _little(body, 28, 2) & 0x3FFF)


def _jpeg(body: bytes) -> Iterator[Picture]:
    at = 2
    while at + 9 <= len(body) and body[at] == 0xFF:
        marker = body[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _FRAMES:
            yield Picture("jpg", _big(body, at + 7, 2), _big(body, at + 5, 2))
            return
        at += 2 + _big(body, at + 2, 2)


def _big(body: bytes, at: int, count: int) -> int:
    return int.from_bytes(body[at:at + count], "big")


def _little(body: bytes, at: int, count: int) -> int:
    return int.from_bytes(body[at:at + count], "little")
