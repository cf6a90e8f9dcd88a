"""Files of messages: a picture in place, anything else as a download.

Owns what a browser is told about bytes that somebody sent. They are never our page: a type that we
found ourselves and that browsers only draw, or no type at all; in a sandbox either way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from schemas.errors import Missing
from search.files import FileView
from search.web.ask import Ask
from search.web.security import FILE_POLICY

# A larger picture is a download: it would be held in memory whole.
PICTURE_BYTES_MAX: Final = 16 * 1024 * 1024
_SIGNS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"), (b"GIF89a", "image/gif"),
)
_NAME_CHARS_MAX: Final = 120
_NOT_IN_NAMES: Final = frozenset('\\/:*?"<>|%;\'')


def picture(ask: Ask) -> Response:
    """A picture that browsers draw, if its bytes are one whatever it is called."""
    found = _file(ask)
    assert found.stored is not None
    if found.stored.size > PICTURE_BYTES_MAX:
        raise Missing("too large to be shown")
    body = b"".join(ask.parts.open_file(found.stored))
    media_type = drawn(body)
    if media_type is None:
        raise Missing("no picture")
    return Response(body, media_type=media_type, headers=_headers("inline", _name(found)))


def download(ask: Ask) -> Response:
    """The bytes as they were captured, to be kept and not opened here."""
    found = _file(ask)
    assert found.stored is not None
    pieces = ask.parts.open_file(found.stored)
    return StreamingResponse(
        _begun(pieces), media_type="application/octet-stream",
        headers=_headers("attachment", _name(found)) | {"content-length": str(found.stored.size)})


def drawn(body: bytes) -> str | None:
    """The type of a picture by its first bytes; null = none that is shown."""
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    return next((name for sign, name in _SIGNS if body.startswith(sign)), None)


def safe_name(name: str) -> str:
    """A name that leaves no folder, hides no ending and turns no direction."""
    kept = "".join("_" if char in _NOT_IN_NAMES or not char.isprintable() else char
                   for char in name).strip(" .")
    if len(kept) > _NAME_CHARS_MAX:
        stem, dot, ending = kept.rpartition(".")
        has_ending = bool(stem) and len(ending) < 10
        room = _NAME_CHARS_MAX - len(ending) - 1 if has_ending else _NAME_CHARS_MAX
        kept = f"{stem[:room]}{dot}{ending}" if has_ending else kept[:room]
    return kept or "file"


def _file(ask: Ask) -> FileView:
    number = ask.params["number"]
    if not (number.isascii() and number.isdigit() and len(number) < 6):
        raise Missing("no such file")
    return ask.parts.desk.file(ask.params["id"], int(number), ask.who)


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The first piece is read before the answer begins: what is not there is a page that says so.
    A later one that is wrong ends the connection short of the length that was promised."""
    first = next(pieces, b"")

    def rest() -> Iterator[bytes]:
        yield first
        yield from pieces
    return rest()


def _name(found: FileView) -> str:
    return safe_name(found.name or f"file-{found.number}")


def _headers(how: str, name: str) -> dict[str, str]:
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    return {
        "content-disposition": f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}",
        "content-security-policy": FILE_POLICY,
    }
