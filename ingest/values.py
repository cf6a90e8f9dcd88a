"""One item's JSON bytes -> values that a record can carry.

Owns the decoding of a slice (strict UTF-8, bounded numbers, lone surrogates replaced) and the typed
access that adapters read items with. Where an item lies is `ingest/spans.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from schemas.errors import Refused

# int() of a long string is quadratic, and Python refuses more than 4,300 digits with an error.
_INTEGER_CHARS_MAX: Final = 24
# An escaped surrogate, paired or not: only then is a value walked for lone ones.
SURROGATE_ESCAPE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
# JSON joins proper pairs while decoding: what is left in this range is half of one.
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")

Fields = Mapping[str, Any]


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _INTEGER_CHARS_MAX else digits


# strict=False: raw control characters inside strings are read, not refused; the bytes are kept.
DECODER: Final = json.JSONDecoder(strict=False, parse_int=_integer)


def decode(raw: bytes) -> tuple[Any, bool]:
    """The value of one JSON text, and whether lone surrogates in it were replaced by U+FFFD.

    Raises Refused when `raw` is not UTF-8 or not one JSON value.
    """
    try:
        value = DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Refused("invalid UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise Refused("malformed JSON") from error
    if SURROGATE_ESCAPE.search(raw) is None:
        return value, False
    return _scrubbed(value)


def scrub(text: str) -> tuple[str, bool]:
    """`text` with everything that UTF-8 cannot carry replaced by U+FFFD, and whether there was."""
    clean, count = _LONE_SURROGATE.subn("\ufffd", text)
    return clean, count > 0


def _scrubbed(value: Any) -> tuple[Any, bool]:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, list):
        pairs = [_scrubbed(one) for one in value]
        return [one for one, _ in pairs], any(changed for _, changed in pairs)
    if isinstance(value, dict):
        keys = [scrub(key) for key in value]
        pairs = [_scrubbed(one) for one in value.values()]
        clean = {key: one for (key, _), (one, _) in zip(keys, pairs, strict=True)}
        return clean, any(changed for _, changed in (*keys, *pairs))
    return value, False


def compact(value: object) -> str:
    """One spelling of a JSON value: no spaces, keys sorted, non-ASCII as it is."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def string_of(fields: Fields, name: str) -> str | None:
    """The string `name`, or null where it is absent, null or empty. Raises Refused otherwise."""
    value = fields.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Refused(f"{name} is not a string")
    return value


def object_of(fields: Fields, name: str) -> Fields | None:
    """The object `name`, or null where it is absent or null. Raises Refused otherwise."""
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Refused(f"{name} is not an object")
    return value


def objects_of(fields: Fields, name: str) -> list[Fields] | None:
    """The list of objects `name`, or null where it is absent. Raises Refused otherwise."""
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Refused(f"{name} is not a list of objects")
    return value


def soft_string(fields: object, name: str) -> str | None:
    """A fact nobody relies on: the scalar `name` as text, or null where it is anything else."""
    value = fields.get(name) if isinstance(fields, dict) else None
    if value is None or value == "" or isinstance(value, dict | list):
        return None
    return spelled(value)


def spelled(value: object) -> str:
    """A JSON value as a detail: strings as they are, the rest compact."""
    return value if isinstance(value, str) else compact(value)


def words_of(value: object, chars_max: int = 100_000) -> str | None:
    """Every string and number inside `value`, one a line, cut at `chars_max`; null where none.

    For items that no reader knows: what a person wrote in them stays searchable.
    """
    lines: list[str] = []
    _collect(value, lines)
    return "\n".join(lines)[:chars_max] or None


def _collect(value: object, lines: list[str]) -> None:
    if isinstance(value, dict):
        for one in value.values():
            _collect(one, lines)
    elif isinstance(value, list):
        for one in value:
            _collect(one, lines)
    elif isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
        lines.append(spelled(value))


class Facts:
    """Collects the details of one event; a null is not a fact."""

    def __init__(self) -> None:
        self._pairs: dict[str, str] = {}

    def add(self, name: str, value: object) -> None:
        """Keep `value` under `name`; null and "" are left out, the first of two stays."""
        if value is not None and value != "":
            self._pairs.setdefault(name, spelled(value))

    def update(self, pairs: tuple[tuple[str, str], ...]) -> None:
        """Keep every pair whose name is not there yet."""
        for name, value in pairs:
            self.add(name, value)

    def get(self, name: str) -> str | None:
        """The fact called `name`, or null."""
        return self._pairs.get(name)

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The facts, sorted by name."""
        return tuple(sorted(self._pairs.items()))
