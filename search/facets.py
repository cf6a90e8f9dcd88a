"""Facets: how many documents of an answer hold each value of a field. Pure.

Owns which fields are counted, what a document counts for in each, how counts are ranked, and what
may be counted of several parts of an answer at once; an index that counts by itself ranks by the
same rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as kept
from datetime import UTC, datetime, timedelta, tzinfo
from types import MappingProxyType
from typing import Final

from schemas import limits
from search import query
from search.candidates import Held, matcher, said_nodes, text_nodes

MONTH: Final = "month"
# Field -> the document's attribute of the same meaning; the month is of its `sort_at`.
FIELDS: Final[Mapping[str, str]] = MappingProxyType({
    "channel": "channel", "state": "state", "kind": "kind", "direction": "direction",
    "custodian": "custodians", "conversation": "conversation", "review": "review",
    MONTH: "sort_at",
})
# The month of a time beyond the calendar's year 9999: a source's nonsense, counted all the same.
NO_MONTH: Final = "later"

Facets = Mapping[str, tuple[tuple[str, int], ...]]
"""Field -> (value, documents), most documents first, ties by value; months the latest first."""


@dataclass(frozen=True, slots=True)
class Part:
    """Of an answer, what `where` is true of: said by fields and times alone, never by words.
    `fields`: its facets, the first `top` values of each."""

    where: query.Node
    fields: tuple[str, ...] = ()
    top: int = 1


@dataclass(frozen=True, slots=True)
class Counted:
    """How many documents a part has, and its facets."""

    total: int
    facets: Facets = kept(default_factory=dict)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def check(fields: Sequence[str], top: int) -> None:
    """Raises ValueError for a field that is not counted, or a `top` outside its limits."""
    unknown = [field for field in fields if field not in FIELDS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no facet")
    if not 0 < top <= limits.FACET_VALUES_MAX:
        raise ValueError(f"top is {top}, not 1 to {limits.FACET_VALUES_MAX}")


def check_parts(parts: Sequence[Part]) -> None:
    """Raises ValueError as `check`, and for a part that asks for words."""
    for part in parts:
        check(part.fields, part.top)
        if any(True for _ in (*text_nodes(part.where), *said_nodes(part.where))):
            raise ValueError("a part of an answer is said by fields, not by words")


def tallied(found: Iterable[Held], parts: Sequence[Part], zone: tzinfo) -> tuple[Counted, ...]:
    """What each part has of these documents, looked at once."""
    is_in = [matcher(part.where) for part in parts]
    totals = [0] * len(parts)
    counters = [{name: Counter[str]() for name in part.fields} for part in parts]
    for one in found:
        for place, is_part in enumerate(is_in):
            if is_part(one):
                totals[place] += 1
                for name, counter in counters[place].items():
                    counter.update(values(one, name, zone))
    return tuple(Counted(total, {name: ranked(name, counter, part.top)
                                 for name, counter in several.items()})
                 for part, total, several in zip(parts, totals, counters, strict=True))


def counted(found: Iterable[Held], fields: Sequence[str], top: int, zone: tzinfo) -> Facets:
    """The facets of these documents."""
    (everything,) = tallied(found, (Part(query.All(), tuple(fields), top),), zone)
    return everything.facets


def values(found: Held, field: str, zone: tzinfo) -> tuple[str, ...]:
    """What a document counts for; a field without a value counts for none."""
    if field == MONTH:
        return (month(found.sort_at, zone),)
    held = getattr(found, FIELDS[field])
    if isinstance(held, tuple):
        return held
    return (held,) if held else ()


def ranked(field: str, counts: Mapping[str, int], top: int) -> tuple[tuple[str, int], ...]:
    """The first `top` values of a field."""
    if field == MONTH:
        return tuple(sorted(counts.items(), reverse=True)[:top])
    return tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:top])


def month(at: int, zone: tzinfo) -> str:
    """YYYY-MM of a time (UTC ms) in a zone."""
    try:
        return (_EPOCH + timedelta(milliseconds=at)).astimezone(zone).strftime("%Y-%m")
    except (OverflowError, ValueError):
        return NO_MONTH
