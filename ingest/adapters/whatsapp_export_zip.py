"""The container of a chat export: a text file, or a zip with the text and the files beside it.

Owns which member is the chat, and everything that a zip can be made to do: names that leave the
folder, links, encryption, bombs, two members of one name. Nothing is ever unpacked to a disk.
"""

from __future__ import annotations

import io
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import BinaryIO, Final, cast

from ingest.adapters import whatsapp_export_lines as lines
from ingest.imports import ImportedFile, Unreadable
from schemas import limits
from schemas.errors import Refused

CHAT_NAME: Final = "_chat.txt"
_PROBE_BYTES: Final = 64 * 1024
_PROBE_LINES: Final = 200
_PACKED_CHUNK_BYTES: Final = 64 * 1024
# The end of a zip with the longest remark, and a generous entry of its directory.
_END_BYTES_MAX: Final = 66_000
_ENTRY_BYTES_MAX: Final = 600
_LOCAL_HEADER: Final = struct.Struct("<26xHH")
_LINK_MODE: Final = 0o120000
_TYPE_MASK: Final = 0o170000
_ENCRYPTED: Final = 0x1
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
# What reading a damaged directory raises, apart from errors of the disk.
DAMAGE: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError,
                 ValueError, IndexError, OverflowError, struct.error)


@dataclass(frozen=True, slots=True)
class Container:
    """What the file holds: `open_text` gives the chat's bytes from their beginning; `members` are
    the other files by their name in NFC; `refused` are those that are quarantined alone; `others`
    are further texts that could have been the chat."""

    text_name: str
    open_text: Callable[[], BinaryIO] = field(repr=False)
    members: dict[str, zipfile.ZipInfo] = field(default_factory=dict)
    refused: tuple[tuple[zipfile.ZipInfo, str], ...] = ()
    others: tuple[str, ...] = ()

    def member(self, name: str) -> zipfile.ZipInfo | None:
        """The file that a message names, or null."""
        return self.members.get(unicodedata.normalize("NFC", name))


def is_zip(file: ImportedFile) -> bool:
    """Whether the first bytes are a zip's."""
    with file.open() as stream:
        return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")


def looks_like_chat(start: bytes) -> bool:
    """Whether one of the first lines is a message's."""
    for number, segment in enumerate(lines.segments(io.BytesIO(start))):
        if number >= _PROBE_LINES:
            break
        if not segment.is_piece and lines.header(lines.decoded(segment).text) is not None:
            return True
    return False


def contained(file: ImportedFile) -> Container:
    """What `file` holds. Raises Refused for a zip that is damaged, a bomb, without a chat, or with
    more than one text that could be it."""
    if not is_zip(file):
        return Container(file.name, file.open)
    try:
        with file.open() as stream:
            _directory_limited(stream, file.size)
        with file.open() as stream, zipfile.ZipFile(stream) as archive:
            infos = archive.infolist()
            _limited(infos, file.size)
            members, refused = _sorted(infos)
            texts = [one for one in members.values() if _base(one).casefold().endswith(".txt")]
            if not texts:
                said = [one for one, _ in refused if _base(one).casefold().endswith(".txt")]
                why = "is encrypted or misplaced" if said else "is in it"
                raise Refused(f"no chat in the zip: no .txt {why}")
            chosen, others = _chosen(file, texts)
    except DAMAGE as error:
        raise Refused(f"the zip is damaged: {type(error).__name__}") from error
    rest = {name: one for name, one in members.items() if one is not chosen}
    return Container(_base(chosen), partial(opened, file, chosen), rest, tuple(refused),
                     tuple(_base(one) for one in others))


def _directory_limited(stream: BinaryIO, size: int) -> None:
    """Refuse a directory that would fill the memory before its members can be counted."""
    stream.seek(max(0, size - _END_BYTES_MAX))
    tail = stream.read(_END_BYTES_MAX)
    lengths = [0]
    at = tail.rfind(b"PK\x05\x06")
    if 0 <= at <= len(tail) - 22:
        lengths.append(int.from_bytes(tail[at + 12:at + 16], "little"))
    at = tail.rfind(b"PK\x06\x06")
    if 0 <= at <= len(tail) - 56:
        lengths[1:] = [int.from_bytes(tail[at + 40:at + 48], "little")]
    if max(lengths) > limits.ZIP_MEMBERS_MAX * _ENTRY_BYTES_MAX:
        raise Refused(f"the zip's directory has {max(lengths)} bytes")


def _limited(infos: list[zipfile.ZipInfo], size: int) -> None:
    if len(infos) > limits.ZIP_MEMBERS_MAX:
        raise Refused(f"the zip has {len(infos)} members; {limits.ZIP_MEMBERS_MAX} are accepted")
    unpacked = sum(one.file_size for one in infos)
    if unpacked > limits.ZIP_UNPACKED_BYTES_MAX:
        raise Refused(f"the zip states {unpacked} bytes unpacked")
    if unpacked > limits.ZIP_RATIO_BYTES_MIN and unpacked > size * limits.ZIP_RATIO_MAX:
        raise Refused(f"the zip unpacks to {unpacked // max(1, size)} times its size")
    # Members that share their bytes: the way to a bomb that each member's ratio does not show.
    if sum(one.compress_size for one in infos) > size:
        raise Refused("the zip's members overlap")
    if any(not 0 <= one.header_offset <= size for one in infos):
        raise Refused("the zip's directory points outside of it")
    places = sorted((one.header_offset, one.compress_size) for one in infos)
    for (start, length), (following, _) in pairwise(places):
        if start + length > following:
            raise Refused("the zip's members overlap")


def _sorted(infos: list[zipfile.ZipInfo]) -> tuple[
        dict[str, zipfile.ZipInfo], list[tuple[zipfile.ZipInfo, str]]]:
    """(files by their own name in NFC, files that are quarantined with the reason)."""
    members: dict[str, zipfile.ZipInfo] = {}
    refused: list[tuple[zipfile.ZipInfo, str]] = []
    for one in infos:
        if one.filename.endswith("/"):
            continue
        reason = _danger(one)
        name = unicodedata.normalize("NFC", _base(one))
        if reason is None and name in members:
            reason = "a second member of this name"
        if reason is None:
            members[name] = one
        else:
            refused.append((one, reason))
    return members, refused


def _danger(one: zipfile.ZipInfo) -> str | None:
    # The name as it lies in the zip: zipfile's own cuts it at a NUL.
    name = (one.orig_filename or one.filename).replace("\\", "/")
    if name.startswith("/") or ":" in name.split("/")[0] or ".." in name.split("/") \
            or "\x00" in name:
        return "the member's name leaves the folder"
    if not _base(one):
        return "the member has no name"
    if one.external_attr >> 16 & _TYPE_MASK == _LINK_MODE:
        return "the member is a link"
    if one.flag_bits & _ENCRYPTED:
        return "the member is encrypted"
    if one.compress_type not in _METHODS:
        return "the member is packed in a way that is not read"
    return None


def _chosen(file: ImportedFile, texts: list[zipfile.ZipInfo]) -> tuple[
        zipfile.ZipInfo, list[zipfile.ZipInfo]]:
    """(the chat, further texts that look like one). `_chat.txt` beats the others."""
    named = [one for one in texts if _base(one).casefold() == CHAT_NAME]
    if named:
        return named[0], [one for one in texts if one is not named[0]]
    if len(texts) == 1:
        return texts[0], []
    chats = []
    for one in texts:
        with opened(file, one) as stream:
            try:
                start = stream.read(_PROBE_BYTES)
            except Refused:
                continue
        if looks_like_chat(start):
            chats.append(one)
    if len(chats) > 1:
        # Somebody may have sent an export as a document; the export's own name says what it is.
        chats = [one for one in chats if "whatsapp" in _base(one).casefold()]
    if len(chats) != 1:
        names = ", ".join(sorted(_base(one) for one in texts))
        raise Refused(f"more than one text could be the chat: {names}")
    return chats[0], [one for one in texts if one is not chats[0]]


def _base(one: zipfile.ZipInfo) -> str:
    return one.filename.replace("\\", "/").rpartition("/")[2]


class _Member(io.RawIOBase):
    """A member's bytes, straight from its place: the directory of 10,000 files is not read again
    for each of them. Raises Refused for bytes that are not what the directory says."""

    def __init__(self, stream: BinaryIO, info: zipfile.ZipInfo) -> None:
        super().__init__()
        self._stream = stream
        self._packed_left = info.compress_size
        self._left = info.file_size
        self._expected = info.CRC
        self._sum = 0
        is_packed = info.compress_type == zipfile.ZIP_DEFLATED
        self._unpack = zlib.decompressobj(-zlib.MAX_WBITS) if is_packed else None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        found = bytearray()
        while len(found) < wanted:
            piece = self._some(wanted - len(found))
            if not piece:
                raise Refused("the member is shorter than it states")
            found += piece
        self._left -= len(found)
        self._sum = zlib.crc32(found, self._sum)
        if not self._left and self._sum != self._expected:
            raise _Damaged("the member's checksum differs", bytes(found))
        return bytes(found)

    def _some(self, wanted: int) -> bytes:
        if self._unpack is None:
            return self._packed(wanted)
        while True:
            source = self._unpack.unconsumed_tail or self._packed(_PACKED_CHUNK_BYTES)
            try:
                # Bounded: a bomb gives what was asked for and no more.
                piece = self._unpack.decompress(source, wanted)
            except zlib.error as error:
                raise Refused("the member is damaged") from error
            if piece or not source:
                return piece

    def _packed(self, size: int) -> bytes:
        found = self._stream.read(min(size, self._packed_left))
        self._packed_left -= len(found)
        return found

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Damaged(Refused):
    """The last bytes of a member whose checksum differs: they are given all the same."""

    def __init__(self, text: str, last: bytes) -> None:
        super().__init__(text)
        self.last = last


class Forgiving(io.RawIOBase):
    """A text's bytes up to where it is damaged; `reason` says why it ends there, else null."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self.reason: str | None = None

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """As every stream; nothing after the damage."""
        if self.reason is not None:
            return b""
        try:
            return self._stream.read(size)
        except Refused as error:
            self.reason = str(error)
            return error.last if isinstance(error, _Damaged) else b""

    def close(self) -> None:
        """Close what is below, too."""
        self._stream.close()
        super().close()


def opened(file: ImportedFile, info: zipfile.ZipInfo) -> BinaryIO:
    """The bytes of a member, never more than it states. Raises Refused, then or while reading,
    when they are damaged."""
    stream = _at(file, info)
    return cast("BinaryIO", _Member(stream, info))


def _at(file: ImportedFile, info: zipfile.ZipInfo) -> BinaryIO:
    """The file at the first byte of a member's packed bytes."""
    stream = file.open()
    stream.seek(info.header_offset)
    head = stream.read(_LOCAL_HEADER.size)
    if len(head) < _LOCAL_HEADER.size or head[:4] != b"PK\x03\x04":
        stream.close()
        raise Refused("the member is damaged: no header where it should be")
    name_length, extra_length = _LOCAL_HEADER.unpack(head)
    stream.seek(name_length + extra_length, io.SEEK_CUR)
    return stream


def quarantined(file: ImportedFile, info: zipfile.ZipInfo, reason: str) -> Iterator[Unreadable]:
    """The bytes of a member that is not taken, in pieces; packed or encrypted as they lie in the
    zip where they cannot be unpacked."""
    name = info.orig_filename or info.filename
    readable = not info.flag_bits & _ENCRYPTED and info.compress_type in _METHODS
    try:
        with opened(file, info) if readable else _packed(file, info) as stream:
            start = 0
            while piece := stream.read(limits.ZIP_QUARANTINE_BYTES_MAX):
                yield Unreadable(reason, piece, start, start + len(piece), name)
                start += len(piece)
            if start == 0:
                yield Unreadable(reason, b"", member=name)
    except Refused as error:
        yield Unreadable(f"{reason}; {error}", b"", member=name)


def _packed(file: ImportedFile, info: zipfile.ZipInfo) -> BinaryIO:
    with _at(file, info) as stream:
        return io.BytesIO(stream.read(min(info.compress_size, limits.ZIP_QUARANTINE_BYTES_MAX)))
