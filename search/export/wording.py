"""A selection in words, for whoever is asked to agree to it. Pure.

Owns the words; the command line, the console and the certificate say the same.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from search.export.wanted import INCLUDE, Wanted

_SHOWN_MAX: Final = 20


def lines(chosen: Wanted) -> tuple[tuple[str, str], ...]:
    """(what, value) of everything that was said, in a fixed order; never empty."""
    said = (
        ("title", chosen.title), ("matter", chosen.matter), ("basis", chosen.basis),
        ("query", chosen.query), ("messages", several(chosen.ids)),
        ("conversations", several(chosen.conversations)),
        ("custodians", several(chosen.custodians)), ("legal hold", chosen.hold),
        ("from", _moment(chosen.since)), ("until", _moment(chosen.until)),
        ("around each", f"{chosen.context} messages before and after" if chosen.context else ""),
        ("privileged", "included" if chosen.privileged == INCLUDE else "withheld, and listed"),
        ("formats", ", ".join(chosen.formats)), ("time zone", chosen.zone),
        ("document ids", f"{chosen.prefix}-0000001 …"))
    return tuple((name, value) for name, value in said if value)


def several(values: tuple[str, ...]) -> str:
    """The first of them, and how many more there are."""
    if len(values) <= _SHOWN_MAX:
        return ", ".join(values)
    return ", ".join(values[:_SHOWN_MAX]) + f" and {len(values) - _SHOWN_MAX} more"


def size(count: int) -> str:
    """Bytes as people say them: "12 KiB"."""
    for unit, step in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= step:
            return f"{count / step:.1f} {unit}"
    return f"{count} bytes"


def _moment(at: int | None) -> str:
    if at is None:
        return ""
    try:
        return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{at} ms"
