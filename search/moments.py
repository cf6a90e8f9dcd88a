"""When something happened, as far as its source can be believed, and its place among equal times.

Owns both rules. A document is sorted by a time in milliseconds; most sources round theirs to a
second or a minute, and what they leave free says in which order its messages came.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from schemas.events import CapturedEvent
from schemas.limits import PACK_EVENTS_MAX
from schemas.wire import Pointer

# A source's time later than ours by more than this is not believed.
FUTURE_MS_MAX: Final = 600_000
# Nor a local time: no zone is farther ahead of UTC.
ZONE_MS_MAX: Final = 14 * 3_600_000
MINUTE: Final = "minute"
_SECOND_MS: Final = 1_000
_MINUTE_MS: Final = 60_000
_MINUTE_CHARS: Final = len("2022-03-27T10:00")
# How far apart in a second two records lie that follow each other on the log, and how many fit
# before it begins anew. 64 items of one request always keep their order, and requests that came
# one after the other do but for one pair in 39.
_RECORD_MS: Final = 24
_RECORDS: Final = 39


def believed(occurred_at: int | None, local_at: int | None, captured_at: int) -> int | None:
    """What a source says of the time, where that can be; UTC ms, or null. `local_at`: a local time
    of no known zone, taken as UTC."""
    if occurred_at is not None:
        return occurred_at if 0 < occurred_at <= captured_at + FUTURE_MS_MAX else None
    if local_at is not None and 0 < local_at <= captured_at + ZONE_MS_MAX:
        return local_at
    return None


def local_time(event: CapturedEvent) -> int | None:
    """Of an event without a time of its own: that of its line in the file, UTC ms; null = it has
    none. A local time of no known zone is taken as UTC."""
    if event.occurred_at is not None:
        return None
    if event.occurred_local:
        return _as_utc(event.occurred_local)
    line = event.detail("line_local")
    if not line:
        return None
    # A tombstone whose text nobody captured: its window begins with its line, in the file's zone.
    begins = event.zone is not None and event.detail("not_before_local") == line[:_MINUTE_CHARS]
    return event.occurred_not_before if begins else _as_utc(line)


def is_of_a_minute(event: CapturedEvent) -> bool:
    """Whether its source tells the minute and no second."""
    if event.occurred_precision is not None:
        return event.occurred_precision == MINUTE
    return len(event.detail("line_local") or "") == _MINUTE_CHARS


def place(at: int, pointer: Pointer, *, of_a_minute: bool) -> int:
    """What to add to the time `at` for what lies at `pointer`, ms: less than the source rounded
    off, and more for what came later. 0 where it rounded nothing off."""
    if of_a_minute and at % _MINUTE_MS == 0:
        # Whole packs side by side, 58 of them: the lines of one minute go on in the next.
        room, step, rounds = _MINUTE_MS, PACK_EVENTS_MAX, _MINUTE_MS // PACK_EVENTS_MAX
    elif at % _SECOND_MS == 0:
        room, step, rounds = _SECOND_MS, _RECORD_MS, _RECORDS
    else:
        return 0
    return (pointer.offset % rounds * step + pointer.index) % room


def _as_utc(local: str) -> int | None:
    with suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(local).replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
    return None
