"""C2SP tlog-tiles: how hashes and entries of the log are cut into files, and what they are called.

Owns paths and bytes of tiles and entry bundles. Pure functions of the leaves: whoever has the
entries makes the same files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from archive.tlog.tree import HASH_BYTES
from schemas.errors import Refused

WIDTH: Final = 256
HEIGHT: Final = 8
ENTRY_BYTES_MAX: Final = 65_535
LEVEL_MAX: Final = 63
_PATH: Final = re.compile(r"tile/(?:(entries)|(0|[1-9][0-9]?))/((?:x[0-9]{3}/)*[0-9]{3})"
                          r"(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """`width` hashes (1 to 256) of `level` from index · 256 on. Level -1 holds entries."""

    level: int
    index: int
    width: int = WIDTH

    def path(self) -> str:
        """Below the log's prefix."""
        level = "entries" if self.level < 0 else str(self.level)
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{index_path(self.index)}{partial}"


def index_path(index: int) -> str:
    """1234067 -> x001/x234/067."""
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups))


def read_path(path: str) -> Tile | None:
    """The tile that `path` spells, or null when it spells none."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    level = -1 if match[1] else int(match[2])
    index = int(match[3].replace("/", "").replace("x", ""))
    tile = Tile(level, index, int(match[4] or WIDTH))
    fits = level <= LEVEL_MAX and tile.width <= WIDTH
    return tile if fits and tile.path() == path else None


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile of hashes of a tree of `size`: per level the full ones, then the partial one."""
    level = 0
    while size > 0:
        full, width = divmod(size, WIDTH)
        for index in range(full):
            yield Tile(level, index)
        if width:
            yield Tile(level, full, width)
        level, size = level + 1, full


def completed(old: int, size: int) -> Iterator[Tile]:
    """The full tiles of hashes that a tree of `size` has and one of `old` has not."""
    level = 0
    while size >= WIDTH:
        old, size = old // WIDTH, size // WIDTH
        for index in range(old, size):
            yield Tile(level, index)
        level += 1


def bundles_of(size: int) -> Iterator[Tile]:
    """Every entry bundle of a tree of `size`."""
    full, width = divmod(size, WIDTH)
    for index in range(full):
        yield Tile(-1, index)
    if width:
        yield Tile(-1, full, width)


def encode_tile(hashes: Sequence[bytes]) -> bytes:
    """The hashes, joined."""
    return b"".join(hashes)


def decode_tile(body: bytes, width: int = WIDTH) -> tuple[bytes, ...]:
    """Raises Refused("tlog_tile…") where it has another width."""
    if len(body) != width * HASH_BYTES:
        raise Refused(f"tlog_tile: {len(body)} bytes are no {width} hashes")
    return tuple(body[at:at + HASH_BYTES] for at in range(0, len(body), HASH_BYTES))


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Each entry behind its length (u16). An entry has at most 65,535 bytes."""
    if any(len(entry) > ENTRY_BYTES_MAX for entry in entries):
        raise AssertionError("an entry that no bundle holds")
    return b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])


def decode_bundle(body: bytes, width: int = WIDTH) -> tuple[bytes, ...]:
    """Raises Refused("tlog_tile…") unless it holds exactly `width` entries."""
    out: list[bytes] = []
    at = 0
    while at < len(body):
        end = at + 2 + int.from_bytes(body[at:at + 2], "big")
        if at + 2 > len(body) or end > len(body):
            raise Refused("tlog_tile: an entry is cut")
        out.append(body[at + 2:end])
        at = end
    if len(out) != width:
        raise Refused(f"tlog_tile: {len(out)} entries instead of {width}")
    return tuple(out)
