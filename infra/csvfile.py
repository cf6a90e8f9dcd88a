"""A CSV file as offices write them: its encoding, its separator, its columns, every row with its
line.

Owns the reading. A cell is a text and nothing else: one that looks like a formula is that text.
What the columns mean is `infra/bulk.py`'s.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schemas.errors import Refused

BYTES_MAX: Final = 32 * 1024 * 1024
ROWS_MAX: Final = 200_000
CELL_CHARS_MAX: Final = 10_000
PROBLEMS_MAX: Final = 50
_SEPARATORS: Final = (",", ";", "\t")
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
# What a spreadsheet makes of a long number.
_ROUNDED: Final = re.compile(r"[0-9]+[.,][0-9]+E\+[0-9]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CsvRow:
    """`line`: where it begins, from 1; `cells`: by column as the columns are called, trimmed."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CsvFile:
    """`columns`: those that the file has."""

    columns: frozenset[str]
    rows: tuple[CsvRow, ...]


def read(source: bytes, name: str, columns: Mapping[str, bool]) -> CsvFile:
    """The rows of a file. `columns`: those that it may have, and whether it must; compared without
    regard to case and blanks. Raises Refused with a line for every problem; `name` is the file's.
    """
    text = _decoded(source, name)
    header, separator = _header(text, name, columns)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[CsvRow] = []
    problems: list[str] = []
    line = 1
    try:
        for number, cells in enumerate(reader):
            if number and any(one.strip() for one in cells):
                rows.append(CsvRow(line, _cells(cells, header, line, problems)))
                if len(rows) > ROWS_MAX:
                    raise Refused(f"{name}: more than {ROWS_MAX} rows")
            line = reader.line_num + 1
    except csv.Error as error:
        raise Refused(f"{name} line {reader.line_num}: {error}; is a quote left open?") from error
    if problems:
        shown = [f"{name} {one}" for one in problems[:PROBLEMS_MAX]]
        if len(problems) > PROBLEMS_MAX:
            shown.append(f"and {len(problems) - PROBLEMS_MAX} more")
        raise Refused("\n".join(shown))
    return CsvFile(frozenset(header), tuple(rows))


def _decoded(source: bytes, name: str) -> str:
    if len(source) > BYTES_MAX:
        raise Refused(f"{name}: {len(source)} bytes; at most {BYTES_MAX} are read")
    if source.startswith(_UTF16):
        raise Refused(f'{name}: this is UTF-16 ("Unicode text"); save it as "CSV UTF-8"')
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise Refused(f"{name} line {line}: not UTF-8; it looks like Windows-1252, as a "
                      'spreadsheet saves "CSV". Save it as "CSV UTF-8", so that no name is '
                      "changed") from error
    if "\0" in text:
        raise Refused(f"{name} line {text.count(chr(10), 0, text.index(chr(0))) + 1}: a zero "
                      "byte; this is no CSV file")
    return text


def _header(text: str, name: str, columns: Mapping[str, bool]) -> tuple[tuple[str, ...], str]:
    """The columns in order, and what separates them: whatever makes the most of them known."""
    best: tuple[tuple[str, ...], str] = ((), ",")
    for separator in _SEPARATORS:
        try:
            cells = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), [])
        except csv.Error:
            continue
        found = tuple(_named(one) for one in cells)
        if sum(one in columns for one in found) > sum(one in columns for one in best[0]) \
                or not best[0]:
            best = found, separator
    header, separator = best
    if not any(header):
        raise Refused(f"{name} line 1: the first line names the columns: "
                      f"{', '.join(columns)}")
    problems = [f"the column {one!r} is unknown; known are {', '.join(columns)}"
                for one in header if one not in columns]
    problems += [f"the column {one!r} comes twice"
                 for one in dict.fromkeys(header) if header.count(one) > 1]
    problems += [f"the column {one!r} is missing"
                 for one, is_required in columns.items() if is_required and one not in header]
    if problems:
        raise Refused("\n".join(f"{name} line 1: {one}" for one in problems))
    return header, separator


def _named(cell: str) -> str:
    return "_".join(cell.strip().lower().split())


def _cells(cells: list[str], header: tuple[str, ...], line: int,
           problems: list[str]) -> dict[str, str]:
    if len(cells) != len(header):
        problems.append(f"line {line}: {len(cells)} cells, and {len(header)} columns; is a "
                        "separator missing, or a text with one not in quotes?")
        return {}
    found = {}
    for column, cell in zip(header, cells, strict=True):
        value = cell.strip()
        if len(value) > CELL_CHARS_MAX or not value.replace("\n", "").replace(
                "\r", "").isprintable():
            problems.append(f"line {line}, {column}: at most {CELL_CHARS_MAX} printable "
                            "characters")
        elif _ROUNDED.fullmatch(value):
            problems.append(f"line {line}, {column}: {value} is a number that a spreadsheet has "
                            "rounded; make the column a text, and write it again")
        found[column] = value
    return found
