"""`accounts.json`: how each person signs in, and hashes of service tokens (port Accounts of
search/access).

Owns the file and its format. It is its owner's only, is replaced as a whole, and is changed by one
process at a time. An unknown key is refused: a newer version's file must not be cut down by an
older one.
"""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

from infra import filelock
from infra.embedded import folder
from schemas.errors import Refused, Transient
from search.access.accounts import Account, Book, ServiceToken

FILE: Final = "accounts.json"
_VERSION: Final = 1
# Some 50,000 people; larger is refused.
BYTES_MAX: Final = 64 * 1024 * 1024
_WAIT_S: Final = 10.0


class AccountFile:
    """Implements `search.access.accounts.Accounts`. Calls may come from any thread."""

    def __init__(self, home: Path) -> None:
        """`home`: the data folder."""
        self._path = home / FILE
        self._lock = threading.Lock()
        self._read: tuple[tuple[int, ...], Book] = ((), Book())

    def read(self) -> Book:
        """See Accounts. The file is read again when it is another one."""
        stamp = self._stamp()
        with self._lock:
            if stamp == self._read[0]:
                return self._read[1]
        stamp, book = self._load()
        with self._lock:
            self._read = (stamp, book)
        return book

    def change(self, change: Callable[[Book], Book]) -> Book:
        """See Accounts."""
        folder.make_folder(self._path.parent)
        try:
            held = filelock.take(self._path.with_name(f".{FILE}.lock"), _WAIT_S)
        except filelock.Taken as taken:
            raise Transient(f"accounts.json is being changed by process {taken.holder or '?'}; "
                            "try again") from None
        try:
            _, before = self._load()
            after = change(before)
            if after != before:
                self._write(after)
            return after
        finally:
            os.close(held)

    def _write(self, book: Book) -> None:
        body = (json.dumps(_written(book), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
                ).encode()
        try:
            folder.replace(self._path, body)
        except OSError as error:
            raise Transient(f"{self._path} cannot be written: {error.strerror}") from error

    def _load(self) -> tuple[tuple[int, ...], Book]:
        try:
            with self._path.open("rb") as file:
                seen = os.fstat(file.fileno())
                if stat.S_IMODE(seen.st_mode) & 0o077:
                    raise Refused(f"{self._path} can be read by others: run chmod 600 on it, and "
                                  "give everybody a new password (`counterfoil account password`)")
                body = file.read(BYTES_MAX + 1)
        except FileNotFoundError:
            return (), Book()
        except OSError as error:
            raise Transient(f"{self._path} cannot be read: {error.strerror}") from error
        if len(body) > BYTES_MAX:
            raise Refused(f"{FILE}: more than {BYTES_MAX} bytes")
        return _stamp_of(seen), parse(body)

    def _stamp(self) -> tuple[int, ...]:
        try:
            return _stamp_of(self._path.stat())
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise Transient(f"{self._path} cannot be read: {error.strerror}") from error


def parse(body: bytes) -> Book:
    """The book that the file's bytes are. Raises Refused; nothing of a value is in the message."""
    try:
        read = json.loads(body)
        if read["version"] != _VERSION:
            raise Refused(f"{FILE} is of version {read['version']!r}; this program knows "
                          f"{_VERSION}")
        if set(read) != {"version", "accounts", "tokens"}:
            raise Refused(f"{FILE} has keys that this program does not know")
        return Book(tuple(_account(one) for one in read["accounts"]),
                    tuple(_token(one) for one in read["tokens"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused(f"{FILE} does not read ({type(error).__name__}): put back a copy of it, or "
                      "move it away and give everybody a new password") from error


def _account(row: Mapping[str, Any]) -> Account:
    _require(row, Account)
    return Account(**{**row, "recovery": tuple(row["recovery"])})


def _token(row: Mapping[str, Any]) -> ServiceToken:
    _require(row, ServiceToken)
    return ServiceToken(**{**row, "capabilities": frozenset(row["capabilities"])})


# Field annotations, as the modules write them, and what of JSON fits.
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "str": (str,), "bool": (bool,), "int": (int,), "int | None": (int, type(None)),
    "tuple[str, ...]": (list,), "frozenset[str]": (list,),
}


def _require(row: Mapping[str, Any], of: type[Account] | type[ServiceToken]) -> None:
    """Each field is there, is of its type, and there is no other."""
    known = {one.name: str(one.type) for one in fields(of)}
    if set(row) != set(known):
        raise Refused(f"{FILE}: an entry has keys that this program does not know, or lacks some")
    for name, declared in known.items():
        value = row[name]
        if type(value) not in _TYPES[declared] or (
                isinstance(value, list) and any(type(one) is not str for one in value)):
            raise Refused(f"{FILE}: {name} of an entry is no {declared}")


def _written(book: Book) -> dict[str, Any]:
    return {"version": _VERSION, "accounts": [asdict(one) for one in book.accounts],
            "tokens": [{**asdict(one), "capabilities": sorted(one.capabilities)}
                       for one in book.tokens]}


def _stamp_of(seen: os.stat_result) -> tuple[int, ...]:
    return seen.st_mtime_ns, seen.st_size, seen.st_ino, seen.st_mode
