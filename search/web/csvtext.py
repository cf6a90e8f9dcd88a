"""Tables as CSV that a spreadsheet opens and runs nothing of. Pure.

Owns the quoting. A cell that a spreadsheet would take for a formula is a text with an apostrophe
before it: who wrote it may be anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

# The full-width ones are folded by some; a tab or a line's end hides what follows it.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# Without it a spreadsheet reads UTF-8 as something else.
_MARK: Final = "\ufeff"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """The file (RFC 4180, UTF-8)."""
    lines = (",".join(map(cell, row)) for row in (columns, *rows))
    return (_MARK + "".join(f"{line}\r\n" for line in lines)).encode("utf-8", "replace")


def cell(value: str) -> str:
    """One cell, quoted."""
    said = f"'{value}" if value.lstrip(" ").startswith(_FORMULA) else value
    return '"' + said.replace('"', '""').replace("\x00", "") + '"'
