"""How many pages a PDF of ours has, read from the file itself. Pure.

Owns the way there: the trailer names the catalog, the catalog the page tree, whose root says the
count. Only that is followed, so that no text on a page can pretend to be it.
"""

from __future__ import annotations

import re
from typing import BinaryIO, Final

from schemas.errors import Refused

_TAIL_BYTES: Final = 2_048
# The root of the page tree names its pages before or after their count.
_OBJECT_BYTES: Final = 1 << 20
_XREF_LINE_BYTES: Final = 20
_STRING: Final = re.compile(rb"\((?:\\.|[^\\()])*\)", re.DOTALL)
_START: Final = re.compile(rb"startxref\s+(\d+)\s+%%EOF\s*\Z")
_ROOT: Final = re.compile(rb"/Root\s+(\d+)\s+0\s+R\b")
_SECTION: Final = re.compile(rb"(\d+) (\d+)\s*\r?\n")
_PAGES: Final = re.compile(rb"/Pages\s+(\d+)\s+0\s+R\b")
_COUNT: Final = re.compile(rb"/Count\s+(\d+)\b")
_IS_PAGES: Final = re.compile(rb"/Type\s*/Pages\b")


def pages(file: BinaryIO) -> int:
    """The number of pages. Raises Refused for a file without a plain table of its objects: such a
    one needs a reader of its own."""
    size = file.seek(0, 2)
    start = _START.search(_at(file, max(0, size - _TAIL_BYTES), _TAIL_BYTES))
    if start is None:
        raise Refused("not a PDF that ends as one does")
    table, trailer = _table(file, int(start[1]), size)
    catalog = _object(file, table, _number(_ROOT, trailer))
    tree = _object(file, table, _number(_PAGES, catalog))
    if not _IS_PAGES.search(tree):
        raise Refused("the PDF's page tree is not where its catalog says")
    return _number(_COUNT, tree)


def _table(file: BinaryIO, start: int, size: int) -> tuple[dict[int, int], bytes]:
    """(object number -> where it begins, the trailer)."""
    body = _at(file, start, size - start)
    if not body.startswith(b"xref"):
        raise Refused("a PDF whose table of objects is packed")
    at, found = body.index(b"\n") + 1, {}
    while section := _SECTION.match(body, at):
        at = section.end()
        for number in range(int(section[1]), int(section[1]) + int(section[2])):
            line = body[at:at + _XREF_LINE_BYTES]
            if line[17:18] == b"n":
                found[number] = int(line[:10])
            at += _XREF_LINE_BYTES
    if not body.startswith(b"trailer", at):
        raise Refused("a PDF whose table of objects cannot be read")
    return found, _STRING.sub(b"", body[at:])


def _object(file: BinaryIO, table: dict[int, int], number: int) -> bytes:
    """The beginning of an object, without its texts."""
    if number not in table:
        raise Refused("the PDF names an object that is not there")
    body = _STRING.sub(b"", _at(file, table[number], _OBJECT_BYTES))
    if not re.match(rb"%d 0 obj\b" % number, body):
        raise Refused("the PDF's table of objects points astray")
    return body.partition(b"endobj")[0]


def _number(pattern: re.Pattern[bytes], body: bytes) -> int:
    found = pattern.search(body)
    if found is None:
        raise Refused("the PDF does not say how many pages it has")
    return int(found[1])


def _at(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)
