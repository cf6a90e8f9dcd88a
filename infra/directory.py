"""`directory.toml` -> schemas.directory.Directory, with every problem named by line and field.

Owns the file's format. Nothing is guessed and nothing ignored: an unknown key, a name that nothing
defines, two owners of one account at a time each refuse the whole file, so that a typing error
cannot send a person's messages under another's key.

    [classes]                 # retention class -> years
    default = 7

    [[custodian]]
    id = "asmith"
    name = "Alice Smith"
    class = "default"         # optional

    [[account]]
    channel = "whatsapp"      # whatsapp | sms
    account = "+15550783881"  # or the provider's id of the number
    custodian = "asmith"
    from = 2026-01-01         # optional; a date is midnight UTC, a time states its offset
    until = 2027-01-01        # optional, the first moment that is not covered

    [[conversation]]
    conversation = "group:12036304"
    compartment = "matter-4711"
    class = "default"         # optional
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from schemas.directory import Account, ConversationRule, Custodian, Directory
from schemas.domains import ROLE_NAMES
from schemas.errors import Missing, Refused, Transient

CHANNELS: Final = ("whatsapp", "sms")
# Of the file; larger is refused.
BYTES_MAX: Final = 32 * 1024 * 1024
YEARS_MAX: Final = 100
TEXT_CHARS_MAX: Final = 500
# Problems shown at a time; the rest are counted.
PROBLEMS_MAX: Final = 50
_TABLE: Final = re.compile(r"\s*\[\[?\s*([A-Za-z0-9_-]+)\s*\]\]?\s*(?:#.*)?")
_KEY: Final = re.compile(r"\s*\"?([A-Za-z0-9_-]+)\"?\s*=")
# What people put between the digits of a number.
_PUNCTUATION: Final = re.compile(r"[\s().\-/]+")


def load_directory(path: Path) -> Directory:
    """The directory in the file at `path`.

    Raises Refused with a line for every problem, Missing when there is no file, Transient when it
    cannot be read.
    """
    try:
        source = path.read_bytes()
    except FileNotFoundError as error:
        raise Missing(f"{path} is not there") from error
    except OSError as error:
        raise Transient(f"{path} cannot be read: {error.strerror}") from error
    return parse_directory(source, path.name)


def parse_directory(source: bytes, name: str = "directory.toml") -> Directory:
    """The directory that `source` says. Raises Refused; `name` is the file's in the message."""
    if len(source) > BYTES_MAX:
        raise Refused(f"{name}: {len(source)} bytes; at most {BYTES_MAX} are read")
    try:
        text = source.decode("utf-8")
        tables = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise Refused(f"{name} line {line}: not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{name}: {error}") from error
    except RecursionError as error:
        raise Refused(f"{name}: nested too deep") from error
    reader = _Reader(tables, _Lines(text))
    directory = reader.read(source)
    if reader.problems:
        shown = [f"{name} {problem}" for problem in reader.problems[:PROBLEMS_MAX]]
        if len(reader.problems) > PROBLEMS_MAX:
            shown.append(f"and {len(reader.problems) - PROBLEMS_MAX} more")
        raise Refused("\n".join(shown))
    return directory


class _Lines:
    """Where each table and key stands: tomllib does not say. Only for messages."""

    def __init__(self, text: str) -> None:
        self._at: dict[tuple[str, int, str], int] = {}
        counts: dict[str, int] = {}
        table, index = "", 0
        for number, line in enumerate(text.splitlines(), 1):
            header = _TABLE.fullmatch(line)
            if header:
                table = header[1]
                index = counts.get(table, 0)
                counts[table] = index + 1
                self._at.setdefault((table, index, ""), number)
                continue
            key = _KEY.match(line)
            if key:
                self._at.setdefault((table, index, key[1]), number)

    def of(self, table: str, index: int, key: str) -> int:
        """The line of a key, or of its table if the key is not there."""
        return self._at.get((table, index, key), self._at.get((table, index, ""), 1))


class _Row:
    """One table of the file while it is read."""

    def __init__(self, reader: _Reader, table: str, index: int, values: Mapping[str, Any]) -> None:
        self._reader, self._table, self._index, self._values = reader, table, index, values

    def problem(self, key: str, text: str) -> None:
        """Record what is wrong with `key`."""
        where = self._table if self._table == "classes" else f"{self._table} {self._index + 1}"
        line = self._reader.lines.of(self._table, self._index, key)
        self._reader.problems.append(f"line {line}, {where}, {key}: {text}")

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


class _Reader:
    def __init__(self, tables: Mapping[str, Any], lines: _Lines) -> None:
        self.lines = lines
        self.problems: list[str] = []
        self._tables = tables

    def read(self, source: bytes) -> Directory:
        """Everything; problems are collected on the way."""
        for name in self._tables:
            if name not in ("classes", "custodian", "account", "conversation"):
                line = max(self.lines.of(name, 0, ""), self.lines.of("", 0, name))
                self.problems.append(f"line {line}, {name}: unknown table or key")
        classes = self._classes()
        custodians = self._rows("custodian", lambda row: self._custodian(row, classes))
        seen: dict[str, int] = {}
        for index, one in enumerate(custodians):
            if seen.setdefault(one.custodian_id, index) != index:
                self._row("custodian", index).problem("id", f"{one.custodian_id!r} comes twice")
        accounts = self._rows("account", lambda row: self._account(row, seen))
        self._one_owner_at_a_time(accounts)
        rules = self._rows("conversation", lambda row: self._rule(row, classes))
        ruled: dict[str, int] = {}
        for index, rule in enumerate(rules):
            if ruled.setdefault(rule.conversation, index) != index:
                self._row("conversation", index).problem("conversation", "comes twice")
        return Directory(tuple(custodians), tuple(accounts), tuple(rules),
                         tuple(classes.items()), source)

    def _rows(self, table: str, read: Callable[[_Row], Any]) -> list[Any]:
        rows = self._tables.get(table, [])
        if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
            line = max(self.lines.of(table, 0, ""), self.lines.of("", 0, table))
            self.problems.append(f"line {line}, {table}: write [[{table}]], once for each")
            return []
        return [read(_Row(self, table, index, one)) for index, one in enumerate(rows)]

    def _row(self, table: str, index: int) -> _Row:
        return _Row(self, table, index, {})

    def _classes(self) -> dict[str, int]:
        table = self._tables.get("classes", {})
        if not isinstance(table, dict):
            self.problems.append(
                f"line {self.lines.of('', 0, 'classes')}, classes: write [classes]")
            table = {}
        row = _Row(self, "classes", 0, table)
        classes = {"default": 7}
        for name, years in table.items():
            if name in ROLE_NAMES.values():
                row.problem(name, "is a name of the system's own")
            elif isinstance(years, bool) or not isinstance(years, int) \
                    or not 1 <= years <= YEARS_MAX:
                row.problem(name, f"must be whole years, 1 to {YEARS_MAX}")
            else:
                classes[name] = years
        return classes

    def _class(self, row: _Row, classes: Mapping[str, int]) -> str:
        name = row.text("class", required=False)
        if name and name not in classes:
            row.problem("class", f"{name!r} is not in [classes]; known are {', '.join(classes)}")
        return name

    def _custodian(self, row: _Row, classes: Mapping[str, int]) -> Custodian:
        row.known("id", "name", "class")
        return Custodian(row.text("id"), row.text("name"), self._class(row, classes) or "default")

    def _account(self, row: _Row, custodians: Mapping[str, int]) -> Account:
        row.known("channel", "account", "custodian", "from", "until")
        channel, custodian = row.text("channel"), row.text("custodian")
        if channel and channel not in CHANNELS:
            row.problem("channel", f"{channel!r} is unknown; known are {', '.join(CHANNELS)}")
        if custodian and custodian not in custodians:
            row.problem("custodian", f"no [[custodian]] has the id {custodian!r}")
        account = row.text("account")
        if account.startswith("+"):
            account = _PUNCTUATION.sub("", account)
            if not account[1:].isdigit():
                row.problem("account", "a number is + and digits")
        since, until = row.moment("from"), row.moment("until")
        if since is not None and until is not None and since >= until:
            row.problem("until", "is not after `from`")
        return Account(channel, account, custodian, since, until)

    def _rule(self, row: _Row, classes: Mapping[str, int]) -> ConversationRule:
        row.known("conversation", "compartment", "class")
        return ConversationRule(row.text("conversation"), row.text("compartment"),
                                self._class(row, classes) or None)

    def _one_owner_at_a_time(self, accounts: list[Account]) -> None:
        by_name: dict[tuple[str, str], list[tuple[float, float, int]]] = {}
        for index, one in enumerate(accounts):
            since = float("-inf") if one.since is None else one.since
            until = float("inf") if one.until is None else one.until
            by_name.setdefault((one.channel, one.account), []).append((since, until, index))
        for spans in by_name.values():
            spans.sort()
            for (_, until, first), (since, _, second) in pairwise(spans):
                if since < until:
                    self._row("account", max(first, second)).problem(
                        "account", "has an owner at that time already "
                                   f"(account {min(first, second) + 1})")
