"""The file that says of each export of a folder whose it is: CSV or TOML (`import --map`).

Owns its form and what is wrong with one, by line. Nothing in it is required: what it does not say
of a file is what the command's options say of all.

    file,me,account,zone,day_first               [[file]]
    WhatsApp Chat with Ada.zip,Ben,+4930…,,      name = "WhatsApp Chat with Ada.zip"
                                                 me = "Ben"
"""

from __future__ import annotations

import csv
import io
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from infra.directory import account_of
from ingest.imports import Answers
from schemas.errors import Refused

_COLUMNS: Final = ("file", "me", "account", "zone", "day_first")
_BYTES_MAX: Final = 16 * 1024 * 1024
_YES: Final = {"true": True, "yes": True, "1": True, "day": True,
               "false": False, "no": False, "0": False, "month": False}


@dataclass(frozen=True, slots=True)
class Row:
    """What is said of one file; null = nothing."""

    me: str | None = None
    account: str | None = None
    zone: str | None = None
    day_first: bool | None = None

    def over(self, answers: Answers) -> Answers:
        """The answers for all files, with what is said of this one."""
        said = {name: value for name in ("me", "account", "zone", "day_first")
                if (value := getattr(self, name)) is not None}
        return replace(answers, **said)


@dataclass(frozen=True, slots=True)
class ImportMap:
    """Rows by the name or path of a file, in NFC."""

    path: Path
    rows: Mapping[str, Row] = field(default_factory=dict)

    def answers(self, file: Path, answers: Answers) -> Answers:
        """What is said of `file`: by its path as far as the map spells it, else by its name."""
        key = self._key(file)
        return self.rows[key].over(answers) if key is not None else answers

    def require_used(self, files: Iterable[Path]) -> None:
        """Raises Refused for rows that are of no file: a typing error would leave it unassigned."""
        used = {self._key(one) for one in files}
        unused = [name for name in self.rows if name not in used]
        if unused:
            raise Refused(f"{self.path}: no file is called {', '.join(map(repr, unused[:5]))}"
                          + (f" and {len(unused) - 5} more" if len(unused) > 5 else ""))

    def _key(self, file: Path) -> str | None:
        parts = unicodedata.normalize("NFC", file.as_posix()).split("/")
        return next((key for at in range(len(parts))
                     if (key := "/".join(parts[at:])) in self.rows), None)


def load_map(path: Path) -> ImportMap:
    """Raises Refused naming every line that is wrong."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    if len(raw) > _BYTES_MAX:
        raise Refused(f"{path}: {len(raw)} bytes; {_BYTES_MAX} are accepted")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"{path}: not UTF-8 at byte {error.start}") from error
    found = list(_toml(path, text) if path.suffix.casefold() == ".toml" else _csv(path, text))
    problems: list[str] = []
    rows: dict[str, Row] = {}
    for where, values in found:
        try:
            name, row = _row(values)
            if name in rows:
                raise Refused(f"{name!r} is there twice")
            rows[name] = row
        except Refused as error:
            problems.append(f"{where}: {error}")
    if problems:
        raise Refused(f"{path}: " + "; ".join(problems))
    return ImportMap(path, rows)


def require_zone(name: str) -> None:
    """Raises Refused for a zone that this machine does not know."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise Refused(f"no time zone is called {name!r}; as in Europe/Berlin") from error


def _csv(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    first = text.partition("\n")[0]
    # A spreadsheet of a country with decimal commas writes semicolons.
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        names = [name.strip().casefold() for name in next(reader, [])]
        _require_columns(path, names)
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            if len(values) > len(names):
                raise Refused(f"{path}: line {reader.line_num}: {len(values)} values for "
                              f"{len(names)} columns")
            yield f"line {reader.line_num}", dict(zip(names, values, strict=False))
    except csv.Error as error:
        raise Refused(f"{path}: line {reader.line_num}: {error}") from error


def _require_columns(path: Path, names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in _COLUMNS]
    if "file" not in names or unknown or len(set(names)) != len(names):
        raise Refused(f"{path}: line 1 names the columns: file, and any of "
                      f"{', '.join(_COLUMNS[1:])}" +
                      (f"; not {', '.join(map(repr, unknown))}" if unknown else ""))


def _toml(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{path}: {error}") from error
    tables = read.pop("file", None)
    if read or not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise Refused(f"{path}: one [[file]] for each file, and nothing else")
    for number, table in enumerate(tables, 1):
        values = dict(table)
        values["file"] = values.pop("name", "")
        yield f"[[file]] number {number}", values


def _row(values: Mapping[str, Any]) -> tuple[str, Row]:
    unknown = [name for name in values if name not in _COLUMNS]
    if unknown:
        raise Refused(f"{unknown[0]!r} is none of {', '.join(_COLUMNS[1:])}")
    said: dict[str, Any] = {}
    for name, value in values.items():
        if name == "day_first" and isinstance(value, bool):
            said[name] = value
            continue
        if not isinstance(value, str):
            raise Refused(f"{name} is not a text")
        if value.strip():
            said[name] = unicodedata.normalize("NFC", value.strip())
    file = said.pop("file", None)
    if not file:
        raise Refused("it names no file")
    if isinstance(said.get("day_first"), str):
        order = _YES.get(said["day_first"].casefold())
        if order is None:
            raise Refused(f"day_first is {said['day_first']!r}, not true or false")
        said["day_first"] = order
    if "zone" in said:
        require_zone(said["zone"])
    if "account" in said:
        said["account"] = account_of(said["account"])
    return file.removeprefix("./"), Row(**said)
