"""Counters that capture processes stated as acknowledged, against those archived (PROTOCOL T4).

Owns the comparison. A session's counters are kept as one integer of bits, so that years of traffic
fit into memory; what cannot be read is not called missing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final

from schemas.events import CapturedEvent

# A record that a heartbeat states may wait this long for its own partition's segment.
SETTLE_MS: Final = 2 * 3_600_000
# Counters of one session: it ends after a thousand. Above this nobody of ours counts; nothing that
# a capture process says may cost more work than it has bytes.
_COUNTERS_END: Final = 1 << 16
_STATED_MAX: Final = 10_000       # ranges of one heartbeat


@dataclass(frozen=True, slots=True)
class Absent:
    """Counters of one session that one heartbeat states and no readable record carries."""

    where: str
    session: str
    stated_at: int
    count: int
    first: int


@dataclass(slots=True)
class Acknowledged:
    """What was seen and what was stated. `unread` counts archived records of which no event could
    be read: each of them may carry one of the absent counters."""

    unread: int = 0
    _seen: dict[bytes, int] = field(default_factory=dict)
    _stated: list[tuple[bytes, str, int, int]] = field(default_factory=list)

    def see(self, capture_id: bytes, session_id: bytes, counter: int) -> None:
        """A record of this session is archived."""
        if counter < _COUNTERS_END:
            session = capture_id + session_id
            self._seen[session] = self._seen.get(session, 0) | 1 << counter

    def state(self, capture_id: bytes, event: CapturedEvent, where: str) -> None:
        """Take in a heartbeat of the process `capture_id`: it speaks for its own sessions only.
        One that states nothing readable claims nothing."""
        try:
            stated = json.loads(event.detail("acknowledged") or "{}")
            claims = [(bytes.fromhex(session), int(low), int(high))
                      for session, ranges in stated.items() for low, high in ranges]
        except (ValueError, TypeError, AttributeError, RecursionError):
            return
        for session_id, low, high in claims[:_STATED_MAX]:
            if 0 <= low <= high < _COUNTERS_END and len(session_id) == 16:
                bits = (1 << high + 1) - (1 << low)
                self._stated.append((capture_id + session_id, where, event.captured_at, bits))

    def absent(self) -> list[Absent]:
        """Every statement that is not borne out."""
        out = []
        for session, where, at, bits in self._stated:
            gone = bits & ~self._seen.get(session, 0)
            if gone:
                out.append(Absent(where, session[16:].hex(), at, gone.bit_count(),
                                  (gone & -gone).bit_length() - 1))
        return out
