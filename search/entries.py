"""Entries <-> the compact lists that an index keeps beside its fields, unindexed.

Owns that shape and its version; both backends store it. An index whose shape is another one is
rebuilt, never migrated (G5).
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, fields
from operator import attrgetter
from typing import Any, Final

from schemas.document import Document, Entry, PartInfo
from schemas.errors import Refused
from schemas.wire import Pointer
from search.tokens import TOKEN_BYTES

SHAPE: Final = 7

_HEX: Final = TOKEN_BYTES * 2
_APART: Final = " "
_POINTER: Final = tuple(field.name for field in fields(Pointer))
_PART: Final = tuple(field.name for field in fields(PartInfo))
# Rare fields stand last, the rarest at the end: an entry ends with the last that is no default.
_RARE: Final = (
    "is_minute", "observations", "local_at", "review", "part", "joined", "unreadable")
_FIELDS: Final = (*(f.name for f in fields(Entry) if f.name not in _RARE), *_RARE)
_DEFAULTS: Final = {f.name: f.default for f in fields(Entry) if f.default is not MISSING}
# Lists of tokens are kept as the tokens' bytes, in base64: half the size of the digits. Tokens that
# are words (search/tokens.py: plain) are kept as they are, behind a space, which no base64 has.
_TOKENS: Final = frozenset({"actor", "recipients", "words", "chars", "marks"})
_PLACES: Final = {name: place for place, name in enumerate(_FIELDS)}
_RARE_FROM: Final = len(_FIELDS) - len(_RARE)
_RARE_DEFAULTS: Final = [_DEFAULTS[name] for name in _RARE]
_values_of: Final = attrgetter(*_FIELDS)
_pointer_of: Final = attrgetter(*_POINTER)
_part_of: Final = attrgetter(*_PART)


def dump(entries: Iterable[Entry]) -> list[Any]:
    """The shape's version, then one list of values per entry."""
    return [SHAPE, *(_dump(entry, ()) for entry in entries)]


def dump_beside(found: Document) -> list[Any]:
    """`dump` of a document's entries for an index that gives the document's own fields back as
    well: where there is one entry, tokens that those fields hold already are left out (null)."""
    if len(found.entries) > 1:
        return dump(found.entries)
    entry, = found.entries
    held = [name for name, same in (
        ("actor", entry.actor == found.actors),
        ("recipients", entry.recipients == found.recipients),
        ("words", (entry.words,) == found.words), ("chars", entry.chars == found.chars),
        ("marks", entry.marks == found.marks)) if same]
    return [SHAPE, _dump(entry, held)]


def load(stored: Sequence[Any], beside: Mapping[str, Sequence[str]] | None = None,
         ) -> tuple[Entry, ...]:
    """The entries. `beside`: what `dump_beside` left out, by the name of the entry's field.

    Raises Refused for a shape of another version.
    """
    if not stored or stored[0] != SHAPE:
        raise Refused("the index has another shape than this version writes: rebuild it")
    return tuple(_load(one, beside or {}) for one in stored[1:])


def _dump(entry: Entry, left_out: Iterable[str]) -> list[Any]:
    values = list(_values_of(entry))
    values[_PLACES["pointer"]] = _pointer_of(entry.pointer)
    for name in _TOKENS:
        held = values[_PLACES[name]]
        values[_PLACES[name]] = _packed(held) if held else ""
    for name in left_out:
        values[_PLACES[name]] = None
    if values[_RARE_FROM:] == _RARE_DEFAULTS:
        del values[_RARE_FROM:]
        return values
    while values[-1] == _DEFAULTS[_FIELDS[len(values) - 1]]:
        del values[-1]
    if entry.part is not None:
        values[_PLACES["part"]] = _part_of(entry.part)
    return values


def _packed(tokens: Collection[str]) -> str:
    if {_HEX} == set(map(len, tokens)):
        # Words may look like it: they come back all the same.
        with suppress(ValueError):
            return base64.b64encode(bytes.fromhex("".join(tokens))).decode("ascii")
    return _APART + _APART.join(tokens)


def _unpacked(packed: str) -> tuple[str, ...]:
    if packed.startswith(_APART):
        return tuple(packed[1:].split(_APART))
    digits = base64.b64decode(packed).hex()
    return tuple(digits[at:at + _HEX] for at in range(0, len(digits), _HEX))


def _load(values: Sequence[Any], beside: Mapping[str, Sequence[str]]) -> Entry:
    named = dict(zip(_FIELDS, values, strict=False))
    named["pointer"] = Pointer(*named["pointer"])
    if named.get("part") is not None:
        named["part"] = PartInfo(*named["part"])
    for name in _TOKENS:
        named[name] = tuple(beside[name]) if named[name] is None else _unpacked(named[name])
    for name in ("observations", "review"):
        if name in named:
            named[name] = tuple(named[name])
    return Entry(**named)
