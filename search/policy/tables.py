"""A TOML file -> its tables, with every problem named by line, table and field. Pure.

Owns how a policy's file is read: an unknown key, a value of another type or out of its bounds is a
problem; all are collected and refused together. What the fields mean is `loading.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from schemas import tomltext
from schemas.errors import Refused

# Problems shown at a time; the rest are counted.
PROBLEMS_MAX: Final = 50
TEXT_CHARS_MAX: Final = 500
# One text of several lines: a query, the words for a reviewer.
WORDS_CHARS_MAX: Final = 10_000
_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.-]+)\s*\]\]?\s*(?:#.*)?")
_KEY: Final = re.compile(r"\s*\"?([A-Za-z0-9_-]+)\"?\s*=")


def read_tables(source: bytes, name: str, bytes_max: int) -> Table:
    """The file's top table. Raises Refused for what is no TOML or longer than `bytes_max`."""
    text, values = tomltext.read(source, name, bytes_max)
    return Table(values, (), "", _Lines(text), [])


class _Lines:
    """Where each table and key stands: tomllib does not say. Only for messages."""

    def __init__(self, text: str) -> None:
        self._at: dict[tuple[str, ...], int] = {}
        counts: dict[str, int] = {}
        place: tuple[str, ...] = ()
        for number, line in enumerate(text.splitlines(), 1):
            header = _HEADER.fullmatch(line)
            if header:
                place = self._place(header[2], counts, is_row=header[1] == "[[")
                self._at.setdefault(place, number)
                continue
            key = _KEY.match(line)
            if key:
                self._at.setdefault((*place, key[1]), number)

    @staticmethod
    def _place(header: str, counts: dict[str, int], *, is_row: bool) -> tuple[str, ...]:
        """The path of a header: of [[rule]] its number, of [rule.window] that of the last rule."""
        if is_row:
            counts[header] = counts.get(header, 0) + 1
        path: list[str] = []
        for part in header.split("."):
            path.append(part)
            name = ".".join(one for one in path if not one.isdigit())
            if name in counts:
                path.append(str(counts[name]))
        return tuple(path)

    def of(self, path: tuple[str, ...]) -> int:
        """The line of a key, or of the nearest table around it."""
        while path:
            if path in self._at:
                return self._at[path]
            path = path[:-1]
        return 1


class Table:
    """One table while it is read; problems are collected for the whole file."""

    def __init__(self, values: Mapping[str, Any], path: tuple[str, ...], called: str,
                 lines: _Lines, problems: list[str]) -> None:
        """`called`: what a problem calls the table, "" = the file itself."""
        self._values, self._path, self._called = values, path, called
        self._lines, self._problems = lines, problems

    def refuse(self, name: str) -> None:
        """Raises Refused with every problem of the file, if there is one."""
        if not self._problems:
            return
        shown = [f"{name} {problem}" for problem in self._problems[:PROBLEMS_MAX]]
        if len(self._problems) > PROBLEMS_MAX:
            shown.append(f"and {len(self._problems) - PROBLEMS_MAX} more")
        raise Refused("\n".join(shown))

    def problem(self, key: str, text: str) -> None:
        """Record what is wrong with `key`."""
        line = self._lines.of((*self._path, key))
        self._problems.append(f"line {line}, {self._called}{key}: {text}")

    def has(self, *keys: str) -> bool:
        """Whether the table names any of them."""
        return any(key in self._values for key in keys)

    def known(self, *keys: str) -> None:
        """Everything else is a problem."""
        for key in self._values:
            if key not in keys:
                self.problem(key, f"unknown key; known are {', '.join(keys)}")

    def text(self, key: str, *, required: bool = True) -> str:
        """A text of one line, or "" and a problem."""
        value = self._value(key, str, "a text in \"quotes\"", required=required)
        if value is None:
            return ""
        if not value.strip() or len(value) > TEXT_CHARS_MAX or not value.isprintable():
            self.problem(key, f"must be 1 to {TEXT_CHARS_MAX} printable characters")
            return ""
        return str(value.strip())

    def words(self, key: str, *, required: bool = True) -> str:
        """A text that may have lines, or "" and a problem."""
        value = self._value(key, str, "a text in \"quotes\"", required=required)
        if value is None:
            return ""
        if not value.strip() or len(value) > WORDS_CHARS_MAX:
            self.problem(key, f"must be 1 to {WORDS_CHARS_MAX} characters")
            return ""
        return str(value.strip())

    def name(self, key: str, *, required: bool = True) -> str:
        """What things are called by: lower case letters, digits, - and _."""
        value = self.text(key, required=required)
        if value and not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", value):
            self.problem(key, "must be 1 to 64 of a-z, 0-9, - and _, a letter or digit first")
            return ""
        return value

    def texts(self, key: str, count_max: int) -> tuple[str, ...]:
        """Different texts; () where the key is not there."""
        value = self._value(key, list, 'a list: ["one", "two"]', required=False)
        if value is None:
            return ()
        if not 1 <= len(value) <= count_max:
            self.problem(key, f"must name 1 to {count_max}")
            return ()
        found: list[str] = []
        for one in value:
            if not isinstance(one, str) or not one.strip() or len(one) > TEXT_CHARS_MAX:
                self.problem(key, f"each must be 1 to {TEXT_CHARS_MAX} characters")
            elif one.strip() in found:
                self.problem(key, f"{one!r} comes twice; name each once")
            else:
                found.append(one.strip())
        return tuple(found)

    def choices(self, key: str, known: Sequence[str]) -> tuple[str, ...] | None:
        """Some of `known`, in their order, perhaps none; null where the key is not there."""
        value = self._value(key, list, f"a list of some of {', '.join(known)}", required=False)
        if value is None:
            return None
        for one in value:
            if one not in known:
                self.problem(key, f"{one!r} is unknown; known are {', '.join(known)}")
        return tuple(one for one in known if one in value)

    def choice(self, key: str, known: Sequence[str], default: str = "") -> str:
        """One of `known`."""
        value = self.text(key, required=not default) or default
        if value and value not in known:
            self.problem(key, f"{value!r} is unknown; known are {', '.join(known)}")
        return value

    def integer(self, key: str, least: int, most: int, default: int | None = None) -> int:
        """A whole number within bounds."""
        value = self._value(key, int, f"a whole number, {least} to {most}",
                            required=default is None)
        if value is None:
            return least if default is None else default
        if not least <= value <= most:
            self.problem(key, f"must be {least} to {most}")
            return least
        return int(value)

    def yes(self, key: str, *, default: bool = False) -> bool:
        """true or false."""
        value = self._value(key, bool, "true or false", required=False)
        return default if value is None else bool(value)

    def day(self, key: str) -> date:
        """A date without a time."""
        value = self._value(key, date, "a date, without quotes: 2026-01-31", required=True)
        if value is None or isinstance(value, datetime):
            if value is not None:
                self.problem(key, "must be a date without a time: 2026-01-31")
            return date(1970, 1, 1)
        return date(value.year, value.month, value.day)

    def table(self, key: str) -> Table | None:
        """The table under `key`, or null."""
        value = self._value(key, dict, f"a table: {key} = {{ … }}", required=False)
        if value is None:
            return None
        return Table(value, (*self._path, key), f"{self._called}{key}, ", self._lines,
                     self._problems)

    def rows(self, key: str, count_max: int, *, required: bool = False) -> list[Table]:
        """The tables of a list of tables."""
        value = self._value(key, list, f"a list of tables: [[{key}]]", required=required)
        if value is None:
            return []
        if len(value) > count_max or not all(isinstance(one, dict) for one in value):
            self.problem(key, f"must be at most {count_max} tables")
            return []
        return [Table(one, (*self._path, key, str(number)), self._row(key, number, one),
                      self._lines, self._problems) for number, one in enumerate(value, 1)]

    def named(self) -> tuple[str, ...]:
        """The names in it, in the file's order."""
        return tuple(self._values)

    def _row(self, key: str, number: int, row: Mapping[str, Any]) -> str:
        called = row.get("id")
        named = f" {called[:64]!r}" if isinstance(called, str) else ""
        return f"{self._called}{key} {number}{named}, "

    def _value(self, key: str, kind: type, said: str, *, required: bool) -> Any:
        value = self._values.get(key)
        if value is None:
            if required:
                self.problem(key, "is missing")
            return None
        # In Python true is a whole number; in the file it is none.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.problem(key, f"must be {said}")
            return None
        return value
