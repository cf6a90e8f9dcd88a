"""The two outer layers of an RSMF file: an email message around a zip. Pure, and the same bytes for
the same content wherever it is made.

Owns headers that a mail reader takes and no name can break out of, and a zip without compression,
without a clock and without anything that depends on a library's version.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from schemas.errors import Refused

ZIP_NAME: Final = "rsmf.zip"
MANIFEST_NAME: Final = "rsmf_manifest.json"
# 76 characters of base64 a line, the most that MIME takes.
_LINE_BYTES: Final = 57
PIECE_BYTES: Final = _LINE_BYTES * 16_384
# Of a name, a local header and a directory entry take so much, beside the name itself twice.
_ENTRY_BYTES: Final = 30 + 46
_END_BYTES: Final = 22
_ENTRIES_MAX: Final = 65_535
_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_END: Final = struct.Struct("<4s4H2IH")
# Version 2.0, name in UTF-8, stored; the first day of the zip calendar.
_VERSION: Final = 20
_UTF8: Final = 0x0800
_FIRST_DAY: Final = (1 << 5) | 1
_LINE_MAX: Final = 76
_WORD_BYTES_MAX: Final = 42


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the zip. `pieces` may be asked for twice: once for the checksum, once to be
    written."""

    name: str
    size: int
    pieces: Callable[[], Iterator[bytes]]


def zip_size(names_and_sizes: Iterable[tuple[str, int]]) -> int:
    """How many bytes the zip of such files has."""
    return _END_BYTES + sum(_ENTRY_BYTES + 2 * len(name.encode()) + size
                            for name, size in names_and_sizes)


def file_size(zip_bytes: int) -> int:
    """How many bytes the email's attachment of such a zip has, without the rest."""
    lines = -(-zip_bytes // _LINE_BYTES)
    return -(-zip_bytes // 3) * 4 + 2 * lines


def zipped(members: Sequence[Member]) -> Iterator[bytes]:
    """A zip of `members`, which are sorted by name and not compressed. Raises Refused for a member
    that is not as long as it said, or changes between two readings, and for two of one name."""
    if len(members) > _ENTRIES_MAX:
        raise Refused(f"more than {_ENTRIES_MAX} files in one RSMF file")
    if len({one.name.casefold() for one in members}) < len(members):
        raise Refused("two files of one RSMF file have the same name")
    directory, at = [], 0
    for one in sorted(members, key=lambda member: member.name.encode()):
        name = one.name.encode()
        checksum = _checksum(one)
        common = (_VERSION, _UTF8, 0, 0, _FIRST_DAY, checksum, one.size, one.size, len(name), 0)
        yield _LOCAL.pack(b"PK\x03\x04", *common) + name
        written = 0
        for piece in one.pieces():
            written = zlib.crc32(piece, written)
            yield piece
        if written != checksum:
            raise Refused(f"{one.name} changed while it was written")
        directory.append(_CENTRAL.pack(b"PK\x01\x02", _VERSION, *common, 0, 0, 0, 0, at) + name)
        at += _LOCAL.size + len(name) + one.size
    listed = b"".join(directory)
    yield listed
    yield _END.pack(b"PK\x05\x06", 0, 0, len(directory), len(directory), len(listed), at, 0)


def message(headers: Sequence[tuple[str, str]], text: str, packed: Iterable[bytes],
            digest: bytes) -> Iterator[bytes]:
    """The email: `headers` as `header` made them, `text` (CRLF), the zip. `digest` names the
    content: the boundary is made of it, and base64 has none of its characters."""
    boundary = f"=_counterfoil_{sha256(digest).hexdigest()[:32]}"
    head = [f"{name}: {value}\r\n" for name, value in headers]
    head += [
        "MIME-Version: 1.0\r\n",
        f'Content-Type: multipart/mixed;\r\n boundary="{boundary}"\r\n\r\n',
        f"--{boundary}\r\n", "Content-Type: text/plain; charset=utf-8\r\n",
        "Content-Transfer-Encoding: base64\r\n\r\n"]
    yield "".join(head).encode("ascii")
    yield from _lines([text.encode()])
    yield (f"\r\n--{boundary}\r\n"
           f"Content-Type: application/octet-stream; name={ZIP_NAME}\r\n"
           f"Content-Disposition: attachment; filename={ZIP_NAME}\r\n"
           "Content-Transfer-Encoding: base64\r\n\r\n").encode("ascii")
    yield from _lines(packed)
    yield f"\r\n--{boundary}--\r\n".encode("ascii")


def header(name: str, value: str) -> tuple[str, str]:
    """A header of free text, folded; what is not ASCII as encoded words (RFC 2047)."""
    value = " ".join(value.split())
    if value.isascii() and value.isprintable() and "=?" not in value and not any(
            len(word) >= _LINE_MAX * 10 for word in value.split(" ")):
        return name, _folded(value.split(" "), len(name) + 2)
    return name, _folded(_encoded(value), len(name) + 2)


def addresses(name: str, mailboxes: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """A header of (name, address) pairs."""
    said = [_mailbox(*one) for one in mailboxes]
    words = [word for place, one in enumerate(said)
             for word in _with_comma(one, is_last=place == len(said) - 1)]
    return name, _folded(words, len(name) + 2)


def _with_comma(words: list[str], *, is_last: bool) -> list[str]:
    return words if is_last else [*words[:-1], f"{words[-1]},"]


def _mailbox(name: str, address: str) -> list[str]:
    name = " ".join(name.split())
    if not name:
        return [f"<{address}>"]
    if name.isascii() and name.isprintable() and "=?" not in name and len(name) < _LINE_MAX * 5:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return [f'"{quoted}"', f"<{address}>"]
    return [*_encoded(name), f"<{address}>"]


def _encoded(value: str) -> list[str]:
    """Encoded words, none of which cuts a character in two."""
    words, held = [], b""
    for char in value:
        more = char.encode("utf-8", "replace")
        if len(held) + len(more) > _WORD_BYTES_MAX:
            words.append(held)
            held = b""
        held += more
    return [f"=?utf-8?B?{base64.b64encode(one).decode('ascii')}?=" for one in (*words, held)]


def _folded(words: Iterable[str], used: int) -> str:
    out: list[str] = []
    for word in words:
        if out and used + 1 + len(word) > _LINE_MAX:
            out.append("\r\n ")
            used = 1
        elif out:
            out.append(" ")
            used += 1
        out.append(word)
        used += len(word)
    return "".join(out)


def _checksum(one: Member) -> int:
    checksum, size = 0, 0
    for piece in one.pieces():
        checksum, size = zlib.crc32(piece, checksum), size + len(piece)
    if size != one.size:
        raise Refused(f"{one.name} has {size} bytes, and {one.size} were stated")
    return checksum


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Base64 in lines, whatever the pieces' lengths; whole lines until the end."""
    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) >= PIECE_BYTES:
            whole = len(held) - len(held) % _LINE_BYTES
            yield _coded(bytes(held[:whole]))
            del held[:whole]
    if held:
        yield _coded(bytes(held))


def _coded(data: bytes) -> bytes:
    # b2a's lines end with LF alone, and mail's do not.
    return base64.encodebytes(data).replace(b"\n", b"\r\n")
