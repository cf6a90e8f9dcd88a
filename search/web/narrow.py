"""A query narrowed by a filter, and widened again: what the links beside an answer do. Pure.

Owns the text of the query after a click. A filter that stands at the query's top level, alone or
among others, can be taken away; everything else is left as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# Facet -> (the field of the query language, what a person calls it).
FIELDS: Final = {
    "channel": ("channel", "Channel"), "state": ("state", "State"),
    "direction": ("direction", "Direction"), "custodian": ("with", "Person at the firm"),
    "month": ("date", "Month"), "kind": ("kind", "Kind"),
    "conversation": ("conversation", "Conversation"),
}
_NAMED: Final = re.compile(r"(?:channel|state|direction|with|from|to|date|kind|attachment|flag|"
                           r"pattern|conversation):(?:\"[^\"]*\"|\S+)", re.IGNORECASE)
_PLAIN: Final = re.compile(r"[^\s\"“”„()*?~]+")


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter at the top level: as written, and the query without it."""

    written: str
    without: str


def narrowed(query: str, field: str, value: str) -> str:
    """`query` and one filter more. Unchanged where it has that one already."""
    name = FIELDS[field][0]
    term = f'{name}:"{value}"' if _needs_quotes(value) else f"{name}:{value}"
    query = query.strip()
    if query in ("", "*"):
        return term
    if any(written == term for _, _, written in _words(query)):
        return query
    whole = f"({query})" if _has_or(query) else query
    return f"{whole} {term}"


def chips(query: str) -> tuple[Chip, ...]:
    """The filters that can be taken away by a click."""
    if _has_or(query):
        return ()
    words = list(_words(query))
    out = []
    for place, (start, end, written) in enumerate(words):
        before = words[place - 1][2] if place else ""
        after = words[place + 1][2] if place + 1 < len(words) else ""
        if _NAMED.fullmatch(written) is None or before in ("AND", "NOT") or after == "AND":
            continue
        rest = " ".join(f"{query[:start]} {query[end:]}".split(" ")).strip()
        out.append(Chip(written, re.sub(r" {2,}", " ", rest) or "*"))
    return tuple(out)


def _has_or(query: str) -> bool:
    return any(written == "OR" for _, _, written in _words(query))


def _words(query: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, text) of what stands outside brackets, spaces between; a quoted value belongs
    to its field."""
    depth, start, quoted = 0, None, False
    for place, char in enumerate(query):
        if quoted:
            quoted = char not in "\"“”„" or query[place - 1] == "\\"
            continue
        if char in "\"“”„":
            quoted = True
            start = place if start is None and not depth else start
        elif char == "(":
            depth += 1
            start = None
        elif char == ")":
            depth = max(0, depth - 1)
        elif depth:
            continue
        elif char.isspace():
            if start is not None:
                yield start, place, query[start:place]
            start = None
        elif start is None:
            start = place
    if start is not None and not depth and not quoted:
        yield start, len(query), query[start:]


def _needs_quotes(value: str) -> bool:
    return _PLAIN.fullmatch(value) is None
