"""Saved lists: `@name` in a query stands for any of the lines of the list `name`. Pure.

Owns the form: UTF-8, one word, phrase or query of the language a line; a line that begins with #
is a comment. Where lists lie is the caller's (`infra/lists.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from schemas import limits
from schemas.errors import Refused

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is no comment; `number` from 1, as an editor counts."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class SavedList:
    """`digest`: SHA-256 of the file as hex: what was asked is evidence, and a list may change."""

    name: str
    lines: tuple[Line, ...]
    digest: str


class Lists(Protocol):
    """The saved lists of an installation."""

    def names(self) -> tuple[str, ...]:
        """Every name, sorted."""

    def get(self, name: str) -> SavedList | None:
        """The list as it is now; null = there is none. Raises Refused when it cannot be read."""


class _NoLists:
    def names(self) -> tuple[str, ...]:
        return ()

    def get(self, name: str) -> SavedList | None:
        return None


NO_LISTS: Final[Lists] = _NoLists()


def read(name: str, body: bytes) -> SavedList:
    """The list in a file's bytes. Raises Refused with the reason."""
    if len(body) > limits.LIST_BYTES_MAX:
        raise Refused(f"it has more than {limits.LIST_BYTES_MAX} bytes")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"it is no UTF-8 at byte {error.start}") from error
    stripped = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
    lines = tuple(Line(number, line) for number, line in stripped
                  if line and not line.startswith("#"))
    if not lines:
        raise Refused("it has no line that is not a comment")
    return SavedList(name, lines, sha256(body).hexdigest())
