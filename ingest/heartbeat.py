"""What a capture process says of itself each minute: the records that the log acknowledged (T4).

Owns the counter ranges between two heartbeats and the event that states them. A counter stated
here that no archived record carries is the finding `counter_missing`.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final

from ingest.own import own_event
from schemas import events
from schemas.events import CapturedEvent

# How often; a process that is stopped in order sends one more.
HEARTBEAT_S: Final = 60.0

# Closed ranges of counters per session id, ascending, not touching.
Ranges = Mapping[bytes, Sequence[tuple[int, int]]]


class Acknowledged:
    """Counters that the log acknowledged since they were last taken."""

    def __init__(self) -> None:
        self._ranges: dict[bytes, list[tuple[int, int]]] = {}

    def add(self, session_id: bytes, counter: int) -> None:
        """One record is on the log. Adding it twice changes nothing."""
        self._add(session_id, counter, counter)

    def take(self) -> Ranges:
        """All ranges, and begin anew."""
        taken, self._ranges = self._ranges, {}
        return taken

    def give_back(self, ranges: Ranges) -> None:
        """What was taken could not be stated: it waits for the next heartbeat."""
        for session_id, several in ranges.items():
            for first, last in several:
                self._add(session_id, first, last)

    def _add(self, session_id: bytes, first: int, last: int) -> None:
        ranges = self._ranges.setdefault(session_id, [])
        if ranges and ranges[-1][1] + 1 == first:  # the usual case: the next in order
            ranges[-1] = (ranges[-1][0], last)
            return
        at = bisect_left(ranges, (first, first))
        while at > 0 and ranges[at - 1][1] + 1 >= first:
            at -= 1
        while at < len(ranges) and ranges[at][0] <= last + 1:
            first, last = min(first, ranges[at][0]), max(last, ranges[at][1])
            del ranges[at]
        ranges.insert(at, (first, last))


def heartbeat(acknowledged: Ranges, capture_id: bytes, captured_at: int, firm_years: int,
              stopping: bool = False) -> CapturedEvent:
    """The heartbeat event of the process `capture_id` (16 bytes).

    Detail `acknowledged` is JSON: an object from session id (32 hex digits) to a list of
    [first, last] counters. `stopping` is "true" in the last one of a process.
    """
    stated = {session.hex(): [list(one) for one in ranges]
              for session, ranges in sorted(acknowledged.items())}
    return own_event(
        events.HEARTBEAT, f"heartbeat:{capture_id.hex()}:{captured_at}", captured_at, firm_years,
        {"acknowledged": json.dumps(stated, separators=(",", ":")),
         "capture_id": capture_id.hex(), "stopping": "true" if stopping else "false"})


def stated_in(event: CapturedEvent) -> dict[bytes, list[tuple[int, int]]]:
    """The ranges that a heartbeat states. Raises ValueError if the detail does not parse."""
    stated = json.loads(event.detail("acknowledged") or "{}")
    return {bytes.fromhex(session): [(int(first), int(last)) for first, last in ranges]
            for session, ranges in stated.items()}
