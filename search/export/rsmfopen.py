"""The outer layers of an RSMF file, opened with suspicion: email, then zip.

Owns limits on everything that a file could make large, and the findings of these two layers. The
email is split by hand: files of strangers come here, and three headers and a boundary are enough.
"""

from __future__ import annotations

import binascii
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from search.export.rsmfenvelope import MANIFEST_NAME, ZIP_NAME
from search.export.rsmffindings import Findings, quoted

FILE_BYTES_MAX: Final = 2_000_000_000
MANIFEST_BYTES_MAX: Final = 256 << 20
_HEAD_BYTES_MAX: Final = 4 << 20
_PARTS_MAX: Final = 100
_ENTRIES_MAX: Final = 65_535
_UNPACKED_MAX: Final = 4 << 30
# Deflate makes at most 1,032 of 1; no real file does of more than a little.
_RATIO_MAX: Final = 200
_RATIO_FROM: Final = 64 << 20
_NAME_BYTES_MAX: Final = 255
_READ_BYTES: Final = 1 << 20
_BOUNDARY: Final = re.compile(r'boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_NAME: Final = re.compile(r'\b(?:file)?name\s*=\s*(?:"([^"]*)"|([^\s;"]+))', re.IGNORECASE)
_BAD_ZIP: Final = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError,
                   ValueError, OSError)

Headers = dict[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the email. Header names in lower case; `body`: a view of the file's own bytes,
    which may be 2 GB."""

    headers: Headers
    body: memoryview

    @property
    def disposition(self) -> str:
        """Lower case."""
        return self.headers.get("content-disposition", "").strip().lower()

    @property
    def file_name(self) -> str:
        """"" = it has none."""
        for header in ("content-disposition", "content-type"):
            if found := _NAME.search(self.headers.get(header, "")):
                return found[1] if found[1] is not None else found[2]
        return ""

    @property
    def is_attachment(self) -> bool:
        """Whatever is not text that is shown."""
        kind = self.headers.get("content-type", "text/plain").strip().lower()
        return (self.disposition.startswith("attachment") or bool(self.file_name)
                or not kind.startswith(("text/", "multipart/")))


@dataclass(frozen=True, slots=True)
class Email:
    """The outermost layer."""

    headers: Headers
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Zip:
    """The zip. `sizes`: name -> bytes; `manifest`: null = there is none that can be read;
    `is_plain`: sorted, stored, with no time in it."""

    sizes: dict[str, int]
    manifest: bytes | None
    is_plain: bool


def email_of(body: bytes, findings: Findings) -> Email | None:
    """The email, or null and the reason among the findings."""
    if len(body) > FILE_BYTES_MAX:
        findings.add("eml_too_large", found=f"{len(body)} bytes")
    start = _body_at(body, 0)
    headers = _headers(body[:start]) if start else {}
    kind = headers.get("content-type", "")
    found = _BOUNDARY.search(kind) if kind.strip().lower().startswith("multipart/mixed") else None
    if found is None or start is None:
        findings.add("eml_unreadable", found="no multipart/mixed with a boundary")
        return None
    parts = tuple(_parts(body, start, (found[1] or found[2]).encode("latin-1")))
    if not parts or len(parts) > _PARTS_MAX:
        findings.add("eml_unreadable", found=f"{len(parts)} parts" if parts else "no parts")
        return None
    return Email(headers, parts)


def packed(email: Email, findings: Findings) -> bytes | None:
    """The bytes of rsmf.zip, or null and the reason."""
    attached = [part for part in email.parts if part.is_attachment]
    if len(attached) == len(email.parts):
        findings.add("eml_text_missing")
    zips = [part for part in attached if part.file_name == ZIP_NAME]
    if len(attached) != 1 or len(zips) != 1:
        names = ", ".join(quoted(part.file_name) for part in attached[:10])
        findings.add("eml_attachments", found=names or "none")
    if not zips:
        return None
    one = zips[0]
    encoding = one.headers.get("content-transfer-encoding", "").strip().lower()
    if encoding != "base64" or not one.disposition.startswith("attachment"):
        findings.add("eml_encoding", ZIP_NAME, "Content-Transfer-Encoding must be base64, and "
                                               "Content-Disposition attachment")
    try:
        return _decoded(one.body)
    except binascii.Error as error:
        findings.add("eml_encoding", ZIP_NAME, quoted(error, bare=True))
        return None


def zip_of(data: bytes, findings: Findings) -> Zip | None:
    """The zip, every file of it unpacked once, or null and the reason."""
    if data.count(b"PK\x01\x02") > _ENTRIES_MAX:
        findings.add("zip_too_large", found="too many files")
        return None
    try:
        opened = zipfile.ZipFile(io.BytesIO(data))
    except _BAD_ZIP as error:
        findings.add("zip_unreadable", found=quoted(error, bare=True))
        return None
    with opened:
        entries = opened.infolist()
        if (sum(one.file_size for one in entries) > _UNPACKED_MAX
                or any(_is_bomb(one) for one in entries)):
            findings.add("zip_too_large")
            return None
        if sum(one.compress_size for one in entries) > len(data):
            findings.add("zip_unreadable", found="files of the zip lie in each other")
            return None
        _names(entries, findings)
        manifest = None
        for one in entries:
            read = _unpacked(opened, one, findings)
            manifest = read if one.filename == MANIFEST_NAME else manifest
    if not any(one.filename == MANIFEST_NAME for one in entries):
        findings.add("zip_manifest_missing")
    return Zip({one.filename: one.file_size for one in entries}, manifest, _is_plain(entries))


def _decoded(body: memoryview) -> bytes:
    """Base64, piece by piece: a text of 2 GB is not held a second and a third time."""
    out = io.BytesIO()
    rest, ended = b"", False
    for at in range(0, len(body), _READ_BYTES):
        more = bytes(body[at:at + _READ_BYTES]).translate(None, b" \t\r\n")
        if ended and more:
            raise binascii.Error("something follows the end")
        rest += more
        whole = len(rest) - len(rest) % 4
        out.write(binascii.a2b_base64(rest[:whole], strict_mode=True))
        ended, rest = rest[:whole].endswith(b"="), rest[whole:]
    if rest:
        raise binascii.Error("the last characters are missing")
    return out.getvalue()


def _body_at(body: bytes, start: int) -> int | None:
    """Where the empty line behind a head ends."""
    ends = [at + len(end) for end in (b"\r\n\r\n", b"\n\n")
            if (at := body.find(end, start, start + _HEAD_BYTES_MAX)) >= 0]
    return min(ends, default=None)


def _headers(head: bytes) -> Headers:
    """Unfolded; of a name that comes twice the first."""
    out: Headers = {}
    unfolded = re.sub(r"\r?\n[ \t]+", " ", head.decode("latin-1"))
    for line in unfolded.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            out.setdefault(name.strip().lower(), value.strip())
    return out


def _parts(body: bytes, start: int, boundary: bytes) -> Iterator[Part]:
    mark, view = b"--" + boundary, memoryview(body)
    begin, at, count = None, start, 0
    while count <= _PARTS_MAX and (at := body.find(mark, at)) >= 0:
        line_end = body.find(b"\n", at)
        rest = body[at + len(mark):line_end if line_end >= 0 else len(body)].strip()
        if body[at - 1:at] != b"\n" or rest not in (b"", b"--"):
            at += len(mark)
            continue
        if begin is not None:
            yield _part(view[begin:at])
            count += 1
        if rest or line_end < 0:
            return
        begin = at = line_end + 1
    if begin is not None and count <= _PARTS_MAX:
        # No last boundary: the file was cut off, or its maker forgot it.
        yield _part(view[begin:])


def _part(body: memoryview) -> Part:
    head = bytes(body[:_HEAD_BYTES_MAX])
    if head.startswith((b"\n", b"\r\n")):
        return Part({}, body)
    at = _body_at(head, 0)
    return Part(_headers(head[:at]), body[at:]) if at else Part(_headers(head), body[:0])


def _is_bomb(one: zipfile.ZipInfo) -> bool:
    if one.filename == MANIFEST_NAME and one.file_size > MANIFEST_BYTES_MAX:
        return True
    return one.file_size > _RATIO_FROM and one.file_size > _RATIO_MAX * max(1, one.compress_size)


def _names(entries: list[zipfile.ZipInfo], findings: Findings) -> None:
    seen: set[str] = set()
    for one in entries:
        name = one.filename
        if (not name or name in (".", "..") or "/" in name or "\\" in name
                or not name.isprintable() or ":" in name
                or len(name.encode("utf-8", "surrogatepass")) > _NAME_BYTES_MAX):
            findings.add("zip_name", name)
        if name.casefold() in seen:
            findings.add("zip_names_alike", name)
        seen.add(name.casefold())


def _unpacked(opened: zipfile.ZipFile, one: zipfile.ZipInfo, findings: Findings) -> bytes | None:
    """Read through, so that its checksum is known to hold; kept of the manifest alone."""
    is_kept = one.filename == MANIFEST_NAME
    kept = bytearray()
    try:
        with opened.open(one) as stream:
            while piece := stream.read(_READ_BYTES):
                if is_kept:
                    kept += piece
    except _BAD_ZIP as error:
        findings.add("zip_damaged", one.filename, quoted(error, bare=True))
        return None
    return bytes(kept) if is_kept else None


def _is_plain(entries: list[zipfile.ZipInfo]) -> bool:
    names = [one.filename.encode("utf-8", "surrogatepass") for one in entries]
    return names == sorted(names) and all(
        one.compress_type == zipfile.ZIP_STORED and one.date_time == (1980, 1, 1, 0, 0, 0)
        and not one.comment and not one.extra for one in entries)
