"""What a caller sent, read within bounds: an address's values, or the JSON object of a body.

Owns the bounds (bytes, depth) and the rule that a key which nobody reads is an error with its name:
a filter that was misspelt must not be a wider question.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from http import HTTPStatus
from typing import Any, Final

from schemas.errors import Missing
from search.web.api.problems import Wrong

BYTES_MAX: Final = 64 * 1024
# Objects and lists within each other. The deepest body of ours has two.
DEPTH_MAX: Final = 8
_NAME_CHARS_MAX: Final = 60
_QUOTE: Final = ord('"')
_BACKSLASH: Final = ord("\\")
_ID_CHARS: Final = frozenset("0123456789abcdef")
_KEY_CHARS_MAX: Final = 100
_MOMENT_CHARS_MAX: Final = 40


class Given:
    """Values by name, each to be read once; `done` when all were. `is_typed`: of a JSON body, where
    a number is a number; in an address everything is text."""

    def __init__(self, values: Mapping[str, Any], *, is_typed: bool = False) -> None:
        self._left = dict(values)
        self._is_typed = is_typed

    def text(self, name: str, chars_max: int, *, required: bool = False) -> str:
        """A string; "" where it is not there."""
        is_there = name in self._left
        found = self._left.pop(name, "")
        if not isinstance(found, str):
            raise Wrong(f"{name} has to be a string", key=name)
        if is_there and not found and not self._is_typed:
            # A program's variable that was not set would ask for more than was meant.
            raise Wrong(f"{name} is empty: leave it out", key=name)
        if not found:
            if required:
                raise Wrong(f"{name} is missing", key=name)
            return ""
        if len(found) > chars_max:
            raise Wrong(f"{name} has at most {chars_max} characters", key=name)
        return found

    def choice(self, name: str, known: Sequence[str], *, required: bool = False) -> str:
        """One of `known`, or "" where it is not there."""
        found = self.text(name, 200, required=required)
        if found and found not in known:
            raise Wrong(f"{name} is one of {', '.join(known)}", key=name)
        return found

    def choices(self, name: str, known: Sequence[str]) -> tuple[str, ...] | None:
        """Some of `known`, with commas between them; null where it is not there."""
        found = self.text(name, 500)
        if not found:
            return None
        several = tuple(dict.fromkeys(found.split(",")))
        if not set(several) <= set(known):
            raise Wrong(f"{name} holds some of {', '.join(known)}, with commas between", key=name)
        return several

    def whole(self, name: str, least: int, most: int) -> int | None:
        """A whole number within bounds, in an address in digits; null where it is not there."""
        if name not in self._left:
            return None
        found = self._left.pop(name)
        if not self._is_typed and found.isascii() and found.isdigit() and len(found) < 17:
            found = int(found)
        if isinstance(found, float) and found.is_integer():
            found = int(found)  # JSON knows one kind of number
        if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
            raise Wrong(f"{name} is a whole number from {least} to {most}", key=name)
        return found

    def flag(self, name: str) -> bool:
        """true or false; false where it is not there."""
        found = self._left.pop(name, False)
        if not self._is_typed and found in ("true", "false"):
            return bool(found == "true")
        if not isinstance(found, bool):
            raise Wrong(f"{name} is true or false", key=name)
        return found

    def moment(self, name: str, zone: tzinfo) -> int | None:
        """UTC ms of a day, which begins in `zone`, or of an RFC 3339 time; null where it is not
        there."""
        found = self.text(name, _MOMENT_CHARS_MAX)
        if not found:
            return None
        try:
            read = datetime.fromisoformat(found)
            return round((read if read.tzinfo else read.replace(tzinfo=zone)).timestamp() * 1000)
        except (ValueError, OverflowError) as error:
            raise Wrong(f"{name} is a day, as 2026-11-16, or a time, as 2026-11-16T09:30:00Z",
                        key=name) from error

    def ids(self, name: str, most: int) -> tuple[str, ...]:
        """Ids of messages, at least one."""
        found = self._left.pop(name, None)
        if not isinstance(found, list) or not 0 < len(found) <= most or not all(
                isinstance(one, str) and is_id(one) for one in found):
            raise Wrong(f"{name} is a list of 1 to {most} ids", key=name)
        return tuple(found)

    def texts(self, name: str, most: int, chars_max: int) -> tuple[str, ...]:
        """A list of strings; none where it is not there."""
        found = self._left.pop(name, [])
        if not isinstance(found, list) or len(found) > most or not all(
                isinstance(one, str) and 0 < len(one) <= chars_max for one in found):
            raise Wrong(f"{name} is a list of at most {most} strings of 1 to {chars_max} "
                        "characters", key=name)
        return tuple(found)

    def done(self) -> None:
        """Raises Wrong for a key that nobody has read."""
        for name in self._left:
            raise Wrong(f"there is no {_shown(name)} here", key=_shown(name))


def body_of(raw: bytes) -> dict[str, Any]:
    """The JSON object of a body; no body is an empty one. Raises Wrong."""
    if not raw.strip():
        return {}
    if _depth(raw) > DEPTH_MAX:
        raise Wrong(f"objects and lists lie at most {DEPTH_MAX} deep")
    try:
        found = json.loads(raw.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant)
        # A half of a surrogate pair has no bytes; nothing that holds one can be recorded.
        json.dumps(found, ensure_ascii=False).encode("utf-8")
    except Wrong:
        raise
    except (ValueError, RecursionError) as error:
        raise Wrong("the body is not JSON") from error
    if not isinstance(found, dict):
        raise Wrong("the body has to be a JSON object")
    return found


def key_of(header: str | None) -> str:
    """An Idempotency-Key, "" where there is none. Raises Wrong, also for an empty one: a call that
    its sender believes to be safe to repeat must be."""
    if header is None:
        return ""
    if not 0 < len(header) <= _KEY_CHARS_MAX or not header.isascii() or not header.isprintable():
        raise Wrong(f"Idempotency-Key is 1 to {_KEY_CHARS_MAX} plain characters")
    return header


def is_id(text: str) -> bool:
    """Whether it could be the id of a message."""
    return len(text) == 32 and set(text) <= _ID_CHARS


def id_of(text: str) -> str:
    """The id of an address. One that could be none is not there, in the same words."""
    if not is_id(text):
        raise Missing("no id")
    return text


def too_large() -> Wrong:
    """The body is larger than is read."""
    return Wrong(f"a body has at most {BYTES_MAX} bytes", HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                 "too_large")


def _depth(raw: bytes) -> int:
    """Before it is parsed: a parser that calls itself would not come back from a deep one. Each
    byte is looked at once: a pattern looks for the end of a string again from each quote."""
    depth = deepest = 0
    in_string = is_escaped = False
    for one in raw:
        if in_string:
            in_string = is_escaped or one != _QUOTE
            is_escaped = not is_escaped and one == _BACKSLASH
        elif one == _QUOTE:
            in_string = True
        elif one in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif one in b"]}":
            depth -= 1
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Wrong("a key stands twice in one object")
    return found


def _constant(_name: str) -> Any:
    raise Wrong("a number has to be one")


def _shown(name: str) -> str:
    return "".join(one if one.isprintable() else "_" for one in name[:_NAME_CHARS_MAX])
