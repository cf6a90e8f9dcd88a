"""Requests that nothing took: from when until when a door answered 503 (PROTOCOL C1, G8).

Owns the time of each such overflow until it can be said. It cannot be said while it lasts, so its
beginning is kept beside the spool: a gateway that is killed meanwhile says it at its next start.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Final

from ingest.own import own_event
from ingest.spool import Memory
from schemas import events, gaps
from schemas.events import CapturedEvent

_NAME: Final = "refusing"
# Without a further refusal for so long it is over.
OVER_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Overflow:
    """`requests` answered 503 at one door; 0 = their number is not known. UTC ms."""

    door: str
    since: int
    until: int
    requests: int


class Refusals:
    """The overflows of one gateway that are not said yet. `memory` outlives the process."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._by_door: dict[str, Overflow] = {}

    def restore(self, now: int) -> None:
        """Take up what an earlier process could not say. Raises Transient."""
        kept = self._memory.recall(_NAME)
        try:
            known = {str(door): int(at) for door, at in json.loads(kept or b"{}").items()}
        except (ValueError, TypeError, AttributeError):
            known = {}
        for door, since in known.items():
            self._by_door.setdefault(door, Overflow(door, since, now, 0))

    def note(self, door: str, now: int) -> bool:
        """One more; whether it is the first, which `keep` must know."""
        known = self._by_door.get(door)
        if known is None:
            self._by_door[door] = Overflow(door, now, now, 1)
            return True
        self._by_door[door] = replace(known, until=max(known.until, now),
                                      requests=known.requests + 1)
        return False

    def keep(self) -> None:
        """What is not said yet is known to the next process. Raises Transient."""
        self._memory.remember(_NAME, json.dumps(
            {one.door: one.since for one in self._by_door.values()}).encode())

    def over(self, now: int, over_ms: int = OVER_MS) -> list[Overflow]:
        """Those without a refusal for so long."""
        return [one for one in self._by_door.values() if now - one.until >= over_ms]

    def said(self, overflow: Overflow) -> None:
        """It is on the log."""
        if self._by_door.get(overflow.door) == overflow:
            del self._by_door[overflow.door]


def overflow_gap(overflow: Overflow, capture_id: bytes, now: int, firm_years: int) -> CapturedEvent:
    """The gap event. Said twice after a crash, it is one."""
    more = {"requests": str(overflow.requests)} if overflow.requests else {}
    return own_event(
        events.GAP, f"spool_overflow:{capture_id.hex()}:{overflow.door}:{overflow.since}", now,
        firm_years, gaps.details("spool_overflow", gaps.OVER, since=overflow.since,
                                 until=overflow.until, door=overflow.door, **more))
