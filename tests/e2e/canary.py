"""Finds a word in whatever bytes it may hide in: spellings of the word, layers of the bytes.

Owns the detector of the canary test, and no opinion about what should be found. A layer is what
unpacking gives: zstd, gzip, zlib, the values of a SQLite file, the stored fields of a Lucene
segment (`legacy_best_compression`, the codec that our index is made with).
"""

from __future__ import annotations

import base64
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus

import zstandard

_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_GZIP: Final = b"\x1f\x8b\x08"
_ZLIB: Final = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_SQLITE: Final = b"SQLite format 3\0"
_LAYERS_MAX: Final = 3
_UNPACKED_MAX: Final = 64 * 1024 * 1024
_LUCENE: Final = (".fdt", ".cfs")
_CHUNK_MAX: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """A word was found: where, which, and how it was spelled there."""

    place: str
    word: str
    spelling: str


def spellings(word: str) -> dict[str, bytes]:
    """How `word` may stand in bytes."""
    plain = word.encode()
    out = {
        "utf-8": plain, "utf-16-le": word.encode("utf-16-le"),
        "utf-16-be": word.encode("utf-16-be"), "percent": quote_plus(word).encode(),
        "hex": plain.hex().encode(), "HEX": plain.hex().upper().encode(),
        "escapes": "".join(one if one.isascii() else f"\\u{ord(one):04x}"
                           for one in word).encode(),
        "all escaped": "".join(f"\\u{ord(one):04x}" for one in word).encode(),
        "ALL ESCAPED": "".join(f"\\u{ord(one):04X}" for one in word).encode(),
    }
    for shift in range(3):
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            out[f"{name}+{shift}"] = _aligned(encode(bytes(shift) + plain), shift, len(plain))
    return out


def _aligned(encoded: bytes, shift: int, length: int) -> bytes:
    """The characters that depend on the word alone, whatever stands before and behind it."""
    return encoded[(0, 2, 3)[shift]:(shift + length) * 8 // 6]


class Detector:
    """Looks for `words` (name -> text). `dictionaries`: zstd dictionaries that may be needed."""

    def __init__(self, words: dict[str, str], dictionaries: Sequence[bytes] = ()) -> None:
        self._needles = [(name, spelled, needle) for name, text in words.items()
                         for spelled, needle in spellings(text).items()]
        self._unpackers = [zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(one))
                           for one in dictionaries] + [zstandard.ZstdDecompressor()]

    def look(self, place: str, data: bytes, *, lucene: bool = False) -> set[Hit]:
        """Every word that stands in `data` or in what it unpacks to."""
        return {Hit(place, name, spelled) for layer in self._layers(data, lucene)
                for name, spelled, needle in self._needles if needle in layer}

    def look_in_files(self, place: str, paths: Iterable[Path]) -> set[Hit]:
        """The same over files, and over their names."""
        found: set[Hit] = set()
        for path in paths:
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                continue  # a server merged or rolled it away meanwhile
            found |= self.look(place, str(path).encode())
            found |= self.look(place, data, lucene=path.suffix in _LUCENE)
            if data.startswith(_SQLITE):
                for value in values_of(path):
                    found |= self.look(place, value)
        return found

    def _layers(self, data: bytes, lucene: bool, depth: int = 0) -> Iterator[bytes]:
        yield data
        if depth == _LAYERS_MAX:
            return
        for inner in self._unpacked(data):
            yield from self._layers(inner, lucene=False, depth=depth + 1)
        if lucene:
            for inner in stored_fields(data):
                yield from self._layers(inner, lucene=False, depth=depth + 1)

    def _unpacked(self, data: bytes) -> Iterator[bytes]:
        for at in _each(data, _ZSTD):
            for unpacker in self._unpackers:
                try:
                    yield unpacker.decompressobj().decompress(data[at:])
                except zstandard.ZstdError:
                    continue
        for at in _each(data, _GZIP):
            yield from _inflated(data[at:], 31)
        for head in _ZLIB:
            for at in _each(data, head):
                yield from _inflated(data[at:], 15)


def values_of(path: Path) -> Iterator[bytes]:
    """Every text and blob of every table of a SQLite file, its write-ahead log included. Read from
    a copy, so that nobody's locks matter."""
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("", "-wal", "-shm"):
            source = path.with_name(path.name + suffix)
            if source.exists():
                shutil.copyfile(source, Path(folder) / source.name)
        with closing(sqlite3.connect(Path(folder) / path.name)) as database:
            tables = [row[0] for row in database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE"
                " 'CREATE VIRTUAL%'")]
            for table in tables:
                for row in database.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 (our own)
                    for value in row:
                        if isinstance(value, str):
                            yield value.encode("utf-8", "surrogatepass")
                        elif isinstance(value, bytes):
                            yield value


def stored_fields(data: bytes) -> Iterator[bytes]:
    """What the chunks of Lucene's stored fields unpack to, wherever in `data` they begin.

    A chunk (DeflateWithPresetDictCompressionMode) is: vint length of the dictionary, vint length
    of a block, then, each behind the vint length of its packed form, the dictionary and the blocks,
    in raw deflate; the blocks are packed with the dictionary before them.
    """
    for at in range(len(data)):
        chunk = _chunk(data, at)
        if chunk:
            yield chunk


def _chunk(data: bytes, at: int) -> bytes:
    known, at = _vint(data, at)
    block, at = _vint(data, at)
    if not 0 < known <= block <= _CHUNK_MAX:
        return b""
    dictionary, at = _deflated(data, at, b"")
    if len(dictionary) != known:
        return b""
    out = dictionary
    while True:
        piece, at = _deflated(data, at, dictionary)
        out += piece
        if not piece or len(piece) < block:
            return out


def _deflated(data: bytes, at: int, dictionary: bytes) -> tuple[bytes, int]:
    size, at = _vint(data, at)
    if not 0 < size <= _CHUNK_MAX or at + size > len(data):
        return b"", at
    unpacker = zlib.decompressobj(-15, zdict=dictionary) if dictionary else zlib.decompressobj(-15)
    try:
        return unpacker.decompress(data[at:at + size], _CHUNK_MAX), at + size
    except zlib.error:
        return b"", at


def _vint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 28:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return -1, at


def _inflated(data: bytes, window_bits: int) -> Iterator[bytes]:
    """What can be unpacked, however it ends: half a stream holds words too."""
    unpacker = zlib.decompressobj(window_bits)
    out = b""
    try:
        out = unpacker.decompress(data[:1 << 16], _UNPACKED_MAX)
        out += unpacker.decompress(data[1 << 16:], _UNPACKED_MAX)
    except zlib.error:
        pass
    if out:
        yield out


def _each(data: bytes, wanted: bytes) -> Iterator[int]:
    at = data.find(wanted)
    while at >= 0:
        yield at
        at = data.find(wanted, at + 1)
