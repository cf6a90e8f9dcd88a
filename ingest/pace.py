"""How long what waits for the log may go on gathering (PROTOCOL T3).

Owns one decision: send now, or wait for company. Each record costs this process, the broker and
the archiver about the same whether it holds one event or thirty, so under load records are sent in
rounds; a trickle is never delayed. Pure; times are seconds of the caller's clock.
"""

from __future__ import annotations

from typing import Final

# A round under load. No provider notices a fiftieth of a second.
ROUND_S: Final = 0.02
# What may be sent within a round before the rest has to wait for the next: 400 events/s are not
# delayed at all.
FREE_ITEMS: Final = 8


class Pace:
    """One for all lanes of a publisher, so that they send at the same moment: the packs of several
    partitions then travel in one request."""

    def __init__(self, round_s: float = ROUND_S, free_items: int = FREE_ITEMS) -> None:
        self._round_s = round_s
        self._free_items = free_items
        self._began = 0.0
        self._sent = 0

    def wait_s(self, now: float) -> float:
        """Seconds until what waits may go; 0 = at once."""
        left = self._began + self._round_s - now
        return left if self._sent >= self._free_items and left > 0 else 0.0

    def sent(self, items: int, now: float) -> None:
        """A pack of so many goes out."""
        if now >= self._began + self._round_s:
            self._began, self._sent = now, 0
        self._sent += items
