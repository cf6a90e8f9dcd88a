"""A TOML file that people write: read strictly, every problem named by its line and field.

Owns the reading of tables and values. What the tables mean is `infra/directory.py`'s and
`infra/access.py`'s. Nothing is guessed and nothing ignored: an unknown key refuses the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final, TypeVar

from schemas import tomltext
from schemas.errors import Refused

# Of a file; larger is refused.
BYTES_MAX: Final = 32 * 1024 * 1024
TEXT_CHARS_MAX: Final = 500
# Problems shown at a time; the rest are counted.
PROBLEMS_MAX: Final = 50
TABLE: Final = re.compile(r"\s*\[\[?\s*([A-Za-z0-9_-]+)\s*\]\]?\s*(?:#.*)?")
KEY: Final = re.compile(r"\s*\"?([A-Za-z0-9_-]+)\"?\s*=")
_R = TypeVar("_R", bound="Row")
_T = TypeVar("_T")


class Lines:
    """Where each table and key stands: tomllib does not say. Only for messages."""

    def __init__(self, text: str) -> None:
        self._at: dict[tuple[str, int, str], int] = {}
        counts: dict[str, int] = {}
        table, index = "", 0
        for number, line in enumerate(text.splitlines(), 1):
            header = TABLE.fullmatch(line)
            if header:
                table = header[1]
                index = counts.get(table, 0)
                counts[table] = index + 1
                self._at.setdefault((table, index, ""), number)
                continue
            key = KEY.match(line)
            if key:
                self._at.setdefault((table, index, key[1]), number)

    def of(self, table: str, index: int, key: str) -> int:
        """The line of a key, or of its table if the key is not there."""
        return self._at.get((table, index, key), self._at.get((table, index, ""), 1))


def parsed(source: bytes, name: str) -> tuple[dict[str, Any], Lines]:
    """The tables of a file and their lines. Raises Refused; `name` is the file's in the message."""
    text, tables = tomltext.read(source, name, BYTES_MAX)
    return tables, Lines(text)


class Reader:
    """A file while it is read. `single`: tables that stand there once, [so]; `many`: [[so]]."""

    def __init__(self, tables: Mapping[str, Any], lines: Lines, single: Collection[str],
                 many: Collection[str]) -> None:
        self.lines = lines
        self.problems: list[str] = []
        self.single = single
        self._tables = tables
        for name in tables:
            if name not in single and name not in many:
                line = max(lines.of(name, 0, ""), lines.of("", 0, name))
                self.problems.append(f"line {line}, {name}: unknown table or key")

    def require_none(self, name: str) -> None:
        """Raises Refused with every problem. `name`: the file's."""
        if self.problems:
            shown = [f"{name} {problem}" for problem in self.problems[:PROBLEMS_MAX]]
            if len(self.problems) > PROBLEMS_MAX:
                shown.append(f"and {len(self.problems) - PROBLEMS_MAX} more")
            raise Refused("\n".join(shown))

    def rows(self, table: str, row: Callable[[Reader, str, int, Mapping[str, Any]], _R],
             read: Callable[[_R], _T]) -> list[_T]:
        """Every [[table]], each as `row` made of it and `read`."""
        rows = self._tables.get(table, [])
        if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
            line = max(self.lines.of(table, 0, ""), self.lines.of("", 0, table))
            self.problems.append(f"line {line}, {table}: write [[{table}]], once for each")
            return []
        return [read(row(self, table, index, one)) for index, one in enumerate(rows)]

    def values(self, table: str) -> Mapping[str, Any]:
        """The one [table]; empty without it."""
        table_values = self._tables.get(table, {})
        if not isinstance(table_values, dict):
            line = max(self.lines.of(table, 0, ""), self.lines.of("", 0, table))
            self.problems.append(f"line {line}, {table}: write [{table}]")
            return {}
        return table_values


class Row:
    """One table of the file while it is read."""

    def __init__(self, reader: Reader, table: str, index: int, values: Mapping[str, Any]) -> None:
        self._reader, self._table, self._index, self._values = reader, table, index, values

    def problem(self, key: str, text: str) -> None:
        """Record what is wrong with `key`."""
        is_single = self._table in self._reader.single
        where = self._table if is_single else f"{self._table} {self._index + 1}"
        line = self._reader.lines.of(self._table, self._index, key)
        self._reader.problems.append(f"line {line}, {where}, {key}: {text}")

    def has(self, key: str) -> bool:
        """Whether the table names it at all."""
        return key in self._values

    def known(self, *keys: str) -> None:
        """Everything else is a problem."""
        for key in self._values:
            if key not in keys:
                self.problem(key, f"unknown key; known are {', '.join(keys)}")

    def text(self, key: str, required: bool = True) -> str:
        """A non-empty text, or "" and a problem."""
        value = self._values.get(key)
        if value is None:
            if required:
                self.problem(key, "is missing")
            return ""
        if not isinstance(value, str):
            self.problem(key, 'must be a text in "quotes"')
            return ""
        if not value.strip() or len(value) > TEXT_CHARS_MAX or not value.isprintable():
            self.problem(key, f"must be 1 to {TEXT_CHARS_MAX} printable characters")
            return ""
        return value.strip()

    def texts(self, key: str, required: bool = True) -> tuple[str, ...]:
        """A list of different texts; a problem for every one that is none or comes twice."""
        value = self._values.get(key)
        if value is None and not required:
            return ()
        if not isinstance(value, list) or (required and not value):
            self.problem(key, 'must be a list: ["one", "two"]')
            return ()
        found: list[str] = []
        for one in value:
            if not isinstance(one, str) or not one.strip() or len(one) > TEXT_CHARS_MAX \
                    or not one.isprintable():
                self.problem(key, f"each must be 1 to {TEXT_CHARS_MAX} printable characters")
            elif one.strip() in found:
                self.problem(key, f"{one!r} comes twice; name each once")
            else:
                found.append(one.strip())
        return tuple(found)

    def pair(self, key: str, first: str, second: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """`{first = [...], second = [...]}`, at least one of the two; both empty without it."""
        value = self._values.get(key)
        if value is None:
            return (), ()
        if not isinstance(value, dict) or not value or not {first, second}.issuperset(value):
            self.problem(key, f'must be {{{first} = ["one"], {second} = ["two"]}}, or one of them')
            return (), ()
        inner = _Inner(self._reader, self._table, self._index, value, key)
        return (inner.texts(first, required=first in value),
                inner.texts(second, required=second in value))

    def words(self, key: str, chars_max: int) -> str:
        """A text of several lines, or ""; a problem where it holds what no one can read."""
        value = self._values.get(key)
        if value is None:
            return ""
        if not isinstance(value, str) or not value.strip() or len(value) > chars_max \
                or not value.replace("\n", "").replace("\t", "").isprintable():
            self.problem(key, f"must be a text of 1 to {chars_max} printable characters")
            return ""
        return value.strip()

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        value = self._values.get(key, default)
        if not isinstance(value, bool):
            self.problem(key, "must be true or false, without quotes")
            return default
        return value

    def whole(self, key: str, default: int, least: int, most: int) -> int:
        """A whole number within its limits."""
        value = self._values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.problem(key, f"must be a whole number, {least} to {most}")
            return default
        return value

    def moment(self, key: str) -> int | None:
        """UTC ms of a date (midnight UTC) or of a time with its offset."""
        value = self._values.get(key)
        if value is None:
            return None
        if isinstance(value, datetime):
            if value.tzinfo is None:
                self.problem(key, "a time must state its offset: 2026-01-31T17:00:00+01:00")
                return None
        elif isinstance(value, date):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
        else:
            self.problem(key, "must be a date, without quotes: 2026-01-31")
            return None
        return round(value.timestamp() * 1000)


class _Inner(Row):
    """A table written in one line, as the value of `outer`."""

    def __init__(self, reader: Reader, table: str, index: int, values: Mapping[str, Any],
                 outer: str) -> None:
        super().__init__(reader, table, index, values)
        self._outer = outer

    def problem(self, key: str, text: str) -> None:
        """Under the key that the line begins with."""
        super().problem(self._outer, f"{key}: {text}")
