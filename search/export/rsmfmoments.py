"""Times as RSMF writes them: RFC 3339, UTC, with milliseconds and a Z. Pure.

Owns the spelling and which time an event gets: the one that its source stated, never the place
among equal times that lists are sorted by.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from search.export.model import Item

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A list puts what its source rounded to a minute up to so much later (search/moments.py).
_PLACE_MS_MAX: Final = 60_000
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
                  "Dec")


def written(at: int | None) -> str | None:
    """UTC ms as "2026-05-14T08:00:00.000Z"; null where there is none, or it is outside the years
    1 to 9999."""
    if at is None:
        return None
    try:
        moment = _EPOCH + timedelta(milliseconds=at)
    except OverflowError:
        return None
    return f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f".{at % 1000:03d}Z"


def said(at: int | None) -> str:
    """The same, for people; what is outside of the calendar as it stands."""
    return written(at) or ("not stated" if at is None else f"{at} ms since 1970")


def of_item(item: Item) -> int:
    """When an item's event was, UTC ms: as stated, else when it counts."""
    stated = item.view.hit.occurred_at
    if stated is not None and 0 <= item.at - stated < _PLACE_MS_MAX:
        return stated
    return item.at


def of_header(at: int) -> str:
    """As RFC 5322 writes it, in UTC, whatever language the machine speaks."""
    moment = _EPOCH + timedelta(milliseconds=at)
    return (f"{_DAYS[moment.weekday()]}, {moment.day:02d} {_MONTHS[moment.month - 1]} "
            f"{moment.year:04d} {moment:%H:%M:%S} +0000")
