"""Entries <-> the compact lists that an index keeps beside its fields, unindexed.

Owns that shape and its version; both backends store it. An index whose shape is another one is
rebuilt, never migrated (G5).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields
from typing import Any, Final

from schemas.document import Entry, PartInfo
from schemas.errors import Refused
from schemas.wire import Pointer
from search.tokens import TOKEN_BYTES

SHAPE: Final = 2

_HEX: Final = TOKEN_BYTES * 2
_POINTER: Final = tuple(field.name for field in fields(Pointer))
_PART: Final = tuple(field.name for field in fields(PartInfo))
# Rare fields stand last: an entry that has their defaults ends before them.
_RARE: Final = ("observations", "part", "joined", "subkind", "unreadable")
_FIELDS: Final = (*(f.name for f in fields(Entry) if f.name not in _RARE), *_RARE)
_DEFAULTS: Final = {f.name: f.default for f in fields(Entry) if f.default is not MISSING}
# Lists of tokens are kept as the tokens' bytes, in base64: half the size of the digits.
_TOKENS: Final = frozenset({"actor", "recipients", "words", "chars"})


def dump(entries: Iterable[Entry]) -> list[Any]:
    """The shape's version, then one list of values per entry."""
    return [SHAPE, *(_dump(entry) for entry in entries)]


def load(stored: Sequence[Any]) -> tuple[Entry, ...]:
    """The entries. Raises Refused for a shape of another version."""
    if not stored or stored[0] != SHAPE:
        raise Refused("the index has another shape than this version writes: rebuild it")
    return tuple(_load(one) for one in stored[1:])


def _dump(entry: Entry) -> list[Any]:
    values: list[Any] = []
    for name in _FIELDS:
        value = getattr(entry, name)
        if name in _TOKENS:
            value = base64.b64encode(bytes.fromhex("".join(value))).decode("ascii")
        elif name == "pointer":
            value = [getattr(value, part) for part in _POINTER]
        elif name == "part" and value is not None:
            value = [getattr(value, part) for part in _PART]
        values.append(value)
    while _FIELDS[len(values) - 1] in _RARE and values[-1] == _DEFAULTS[_FIELDS[len(values) - 1]]:
        values.pop()
    return values


def _load(values: Sequence[Any]) -> Entry:
    named = dict(zip(_FIELDS, values, strict=False))
    named["pointer"] = Pointer(*named["pointer"])
    if named.get("part") is not None:
        named["part"] = PartInfo(*named["part"])
    for name in _TOKENS:
        digits = base64.b64decode(named[name]).hex()
        named[name] = tuple(digits[at:at + _HEX] for at in range(0, len(digits), _HEX))
    if "observations" in named:
        named["observations"] = tuple(named["observations"])
    return Entry(**named)
