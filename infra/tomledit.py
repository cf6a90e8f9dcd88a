"""Changes of a TOML file that people write, line by line, so that comments and order stay.

Owns the writing. It proves itself: what was written is read again, and unless that says exactly
what was wanted nothing is returned.
"""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from infra.tomlrows import KEY, TABLE
from schemas.errors import Refused

Value = str | int | float | bool | date | list[str]
_LINE_CHARS_MAX: Final = 96


@dataclass(frozen=True, slots=True)
class Add:
    """One more [[table]]."""

    table: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Change:
    """Other values of the [[table]] number `index` from 0; null = the key goes."""

    table: str
    index: int
    values: Mapping[str, Value | None]


@dataclass(frozen=True, slots=True)
class Drop:
    """The [[table]] number `index` from 0 goes, with its own lines."""

    table: str
    index: int


Edit = Add | Change | Drop


@dataclass(slots=True)
class _Block:
    """Lines [start, end) of one table: its header, and its keys with their lines."""

    start: int
    end: int
    keys: dict[str, tuple[int, int]]


def edited(text: str, edits: Sequence[Edit]) -> str:
    """`text` with the changes; every other line as it was, line ends too.

    Raises Refused where the file is written in a way that lines cannot be changed in: then the
    change has to be made by hand.
    """
    wanted = _wanted(tomllib.loads(text), edits)
    lines = text.splitlines(keepends=True)
    ending = "\r\n" if "\r\n" in text else "\n"
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += ending
    blocks = _blocks(lines)
    pieces: list[tuple[int, int, list[str]]] = []
    for table in reversed(dict.fromkeys(edit.table for edit in edits if isinstance(edit, Add))):
        known = blocks.get(table)
        at = known[-1].end if known else len(lines)
        added = [line for edit in edits if isinstance(edit, Add) and edit.table == table
                 for line in ("", f"[[{table}]]", *(
                     f"{key} = {written(value)}" for key, value in edit.values.items()))]
        pieces.append((at, at, added))
    for edit in edits:
        if not isinstance(edit, Add):
            found = blocks.get(edit.table, ())
            if edit.index >= len(found):
                raise _by_hand()
            pieces += _changed(lines, found[edit.index], edit)
    # From the end, so that places before stay right; of two at one place the later in `pieces`
    # comes first in the file: a key of the last table before the next table.
    for start, end, new in sorted(pieces, key=lambda one: (one[0], one[1]), reverse=True):
        lines[start:end] = [part + ending for one in new for part in one.split("\n")]
    made = "".join(lines)
    if not text.strip():
        made = made.lstrip("\r\n")
    try:
        if tomllib.loads(made) == wanted:
            return made
    except tomllib.TOMLDecodeError:
        pass  # said below, in the same words as for a text that reads and says something else
    raise _by_hand()


def written(value: Value) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # Of JSON's escapes TOML knows all; DEL is no character of a TOML string.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        line = f"[{', '.join(map(written, value))}]"
        if len(line) <= _LINE_CHARS_MAX:
            return line
        return "[\n" + "".join(f"    {written(one)},\n" for one in value) + "]"
    return repr(value)


def _wanted(tables: dict[str, Any], edits: Sequence[Edit]) -> dict[str, Any]:
    """What the file is to say afterwards."""
    out = copy.deepcopy(tables)
    dropped: dict[str, set[int]] = {}
    for edit in edits:
        rows = out.setdefault(edit.table, [])
        if isinstance(edit, Add):
            rows.append(dict(edit.values))
        elif isinstance(edit, Drop):
            dropped.setdefault(edit.table, set()).add(edit.index)
        else:
            for key, value in edit.values.items():
                if value is None:
                    rows[edit.index].pop(key, None)
                else:
                    rows[edit.index][key] = value
    for table, indexes in dropped.items():
        out[table] = [row for index, row in enumerate(out[table]) if index not in indexes]
        if not out[table]:
            del out[table]
    return out


def _blocks(lines: Sequence[str]) -> dict[str, list[_Block]]:
    """Where each [[table]] stands. A text of several lines may look like one; then what is made
    does not say what is wanted, and is refused."""
    found: dict[str, list[_Block]] = {}
    block: _Block | None = None
    at = 0
    while at < len(lines):
        line = lines[at].rstrip("\r\n")
        header = TABLE.fullmatch(line)
        key = KEY.match(line)
        if header:
            block = _Block(at, at + 1, {})
            if line.lstrip().startswith("[["):
                found.setdefault(header[1], []).append(block)
        elif key and block is not None:
            end = _end(lines, at)
            block.keys[key[1]] = (at, end)
            block.end = end
            at = end
            continue
        at += 1
    return found


def _end(lines: Sequence[str], at: int) -> int:
    """The first line after a value that begins in line `at`."""
    for end in range(at + 1, len(lines) + 1):
        try:
            tomllib.loads("".join(lines[at:end]))
        except tomllib.TOMLDecodeError:
            continue
        return end
    return at + 1


def _changed(lines: Sequence[str], block: _Block,
             edit: Change | Drop) -> list[tuple[int, int, list[str]]]:
    if isinstance(edit, Drop):
        start = block.start
        # The empty line before it goes with it; comments there stay, nobody knows whose they are.
        if start and not lines[start - 1].strip():
            start -= 1
        return [(start, block.end, [])]
    pieces: list[tuple[int, int, list[str]]] = []
    more: list[str] = []
    for key, value in edit.values.items():
        place = block.keys.get(key)
        if place is None:
            if value is not None:
                more.append(f"{key} = {written(value)}")
        elif value is None:
            pieces.append((*place, []))
        else:
            comment = _comment(lines[place[0]]) if place[1] == place[0] + 1 else ""
            pieces.append((*place, [f"{key} = {written(value)}{comment}"]))
    if more:
        pieces.append((block.end, block.end, more))
    return pieces


def _comment(line: str) -> str:
    """The comment at the end of a line that holds one whole value, with the blanks before it."""
    line = line.rstrip("\r\n")
    for at, char in enumerate(line):
        if char == "#":
            try:
                tomllib.loads(line[:at])
            except tomllib.TOMLDecodeError:
                continue
            value = line[:at].rstrip()
            return line[len(value):]
    return ""


def _by_hand() -> Refused:
    return Refused("the file is written in a way that cannot be changed line by line (a text of "
                   "several lines that looks like a table, or an array of tables in one line); "
                   "make the change by hand")
