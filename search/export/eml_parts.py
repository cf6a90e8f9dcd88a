"""The grammar of an email: headers, parameters, bodies as lines (RFC 5322, 2045, 2047, 2231). Pure.

Owns the bytes. The standard library's own generator folds differently from version to version; a
package is the same bytes for ever. Every line ends with CRLF; headers fold at 76 characters, and
what cannot be folded is at most 100; nothing that a person wrote ends a header or begins one.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import BinaryIO, Final
from urllib.parse import quote

CRLF: Final = "\r\n"
LINE_MAX: Final = 100
# RFC 2047: a word is at most 75 characters, a line that has one at most 76. So many bytes leave
# room for the longest name of a header; of mailboxes, whose headers have short names, more fit:
# readers are known that put a space between two words of one name.
_WORD_BYTES: Final = 30
_PHRASE_BYTES: Final = 42
_FOLD: Final = 76
_ENCODED_BYTES: Final = 57            # a line of base64: 76 characters
_PIECE: Final = _ENCODED_BYTES << 14  # of a file, read at once
_PARAMETER_MAX: Final = 50
_PLAIN_WORD_MAX: Final = 70
_PHRASE_MAX: Final = 60
_ATOM: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+\Z")
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]+\Z")
_MEDIA_TYPE: Final = re.compile(
    r"([a-z0-9][a-z0-9!#$&^_.+-]*)/([a-z0-9][a-z0-9!#$&^_.+-]*)\Z")
_TYPE_MAX: Final = 76
# Their bodies are emails themselves, which RFC 2045 §6.4 lets nobody write as base64.
_COMPOSITE: Final = ("message", "multipart")
_KEPT: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-")
_LOCAL_MAX: Final = 40
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
                  "Dec")
OCTETS: Final = "application/octet-stream"


def header(name: str, text: str) -> str:
    """A header whose value is text for people."""
    return _folded(name, _words(_clean(text)))


def addresses(name: str, people: Iterable[tuple[str, str]]) -> str:
    """A header of mailboxes: (what somebody is called, address)."""
    parts: list[str] = []
    for called, address in people:
        clean = _clean(called)
        if parts:
            parts[-1] += ","
        parts += [*_phrase(clean), f"<{address}>"]
    return _folded(name, parts)


def date(at: datetime) -> str:
    """RFC 5322 §3.3; of an offset that is no whole minute, in UTC. `at` is aware."""
    offset = at.utcoffset() or timedelta()
    if offset % timedelta(minutes=1):
        at, offset = at.astimezone(UTC), timedelta()
    minutes = abs(offset) // timedelta(minutes=1)
    sign = "-" if offset < timedelta() else "+"
    return (f"{_DAYS[at.weekday()]}, {at.day:02d} {_MONTHS[at.month - 1]} {at.year:04d} "
            f"{at:%H:%M:%S} {sign}{minutes // 60:02d}{minutes % 60:02d}")


def local_part(native: str) -> str:
    """What stands before the @: letters, digits, "+" and "-" as they are, the rest by its bytes;
    always an atom, never empty."""
    # As "_41": "%" begins an escape in a mailto link.
    body = native.encode("utf-8", "replace")
    said = "".join(chr(one) if one in _KEPT else f"_{one:02x}" for one in body)
    if len(said) > _LOCAL_MAX:
        return f"{said[:_LOCAL_MAX - 17]}-{sha256(body).hexdigest()[:16]}"
    return said or "unknown"


def content(media_type: str, parameters: Sequence[tuple[str, str]] = ()) -> str:
    """Content-Type."""
    return _folded("Content-Type", _with(media_type, parameters))


def disposition(kind: str, file_name: str) -> str:
    """Content-Disposition with the file's name."""
    return _folded("Content-Disposition", _with(kind, [("filename", file_name)]))


def safe_type(said: str | None) -> str:
    """A media type that a source stated, without its parameters; of one that is none, or whose
    body would have to be an email, that of unknown bytes."""
    kind = (said or "").partition(";")[0].strip().lower()
    found = _MEDIA_TYPE.match(kind)
    is_ours = found is not None and found[1] not in _COMPOSITE and len(kind) <= _TYPE_MAX
    return kind if is_ours else OCTETS


def encoded(body: bytes) -> bytes:
    """Base64 in lines of 76 characters, each with its CRLF."""
    return b"".join(b64encode(body[at:at + _ENCODED_BYTES]) + b"\r\n"
                    for at in range(0, len(body), _ENCODED_BYTES))


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """A file in pieces that each end where a line of base64 does."""
    kept = b""
    while read := file.read(_PIECE):
        kept += read
        whole = len(kept) - len(kept) % _ENCODED_BYTES
        yield kept[:whole]
        kept = kept[whole:]
    if kept:
        yield kept


def _with(value: str, parameters: Sequence[tuple[str, str]]) -> list[str]:
    out = [value]
    for name, text in parameters:
        for part in _parameter(name, _clean(text)):
            out[-1] += ";"
            out.append(part)
    return out


def _parameter(name: str, text: str) -> Iterator[str]:
    """RFC 2045 for what is short and plain, RFC 2231 for the rest."""
    if _is_plain(text) and len(text) <= _PARAMETER_MAX and '"' not in text and "\\" not in text:
        yield f"{name}={text}" if _TOKEN.match(text) else f'{name}="{text}"'
        return
    runs = [""]
    for one in text:
        said = quote(one, safe="", encoding="utf-8", errors="replace")
        if len(runs[-1]) + len(said) > _PARAMETER_MAX:
            runs.append("")
        runs[-1] += said
    if len(runs) == 1:
        yield f"{name}*=utf-8''{runs[0]}"
        return
    for number, run in enumerate(runs):
        yield f"{name}*{number}*={'' if number else chr(39).join(('utf-8', '', ''))}{run}"


def _phrase(called: str) -> list[str]:
    """What somebody is called, before an address."""
    if not called:
        return []
    if not _is_plain(called) or len(called) > _PHRASE_MAX:
        return _encoded_words(called, _PHRASE_BYTES)
    if _ATOM.match(called):
        return [called]
    quoted = called.replace("\\", "\\\\").replace('"', '\\"')
    return [f'"{quoted}"']


def _clean(text: str) -> str:
    """One line: every run of white space and control characters is one space."""
    return " ".join(_CONTROLS.sub(" ", text).split())


def _is_plain(text: str) -> bool:
    return (text.isascii() and "=?" not in text
            and all(len(word) <= _PLAIN_WORD_MAX for word in text.split(" ")))


def _words(text: str) -> list[str]:
    """What a header is folded between: words as they are, or encoded words."""
    return text.split(" ") if _is_plain(text) else _encoded_words(text, _WORD_BYTES)


def _encoded_words(text: str, most: int) -> list[str]:
    """RFC 2047, each word of whole characters."""
    runs = [b""]
    for one in text:
        said = one.encode("utf-8", "replace")
        if len(runs[-1]) + len(said) > most:
            runs.append(b"")
        runs[-1] += said
    return [f"=?utf-8?B?{b64encode(run).decode('ascii')}?=" for run in runs]


def _folded(name: str, parts: Iterable[str]) -> str:
    lines = [f"{name}:"]
    for place, part in enumerate(parts):
        # Never right behind the name: readers are known that keep the space after such a fold.
        if place and len(lines[-1]) + 1 + len(part) > _FOLD:
            lines.append("")
        lines[-1] += f" {part}"
    return CRLF.join(lines) + CRLF
