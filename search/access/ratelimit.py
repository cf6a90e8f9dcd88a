"""How often somebody may ask: a bucket of tokens for each address or person, in this process.

Owns the buckets. They protect a process from being flooded, and decide nothing that must hold
across processes or a restart: that is `lockout.py`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

# Buckets that are remembered; beyond it the one unused for longest is forgotten, which is a full
# one as far as anybody can tell who has not asked for longest.
KEYS_MAX: Final = 10_000


class Buckets:
    """Token buckets. Calls may come from any thread."""

    def __init__(self, rate_per_s: float, burst: int, clock: Callable[[], int],
                 keys_max: int = KEYS_MAX) -> None:
        """`burst` at once, then `rate_per_s`. `clock`: UTC ms; a clock that is set back gives
        nothing and takes nothing."""
        if rate_per_s <= 0 or burst < 1:
            raise AssertionError("a bucket that never fills lets nobody in")
        self._rate = rate_per_s / 1000
        self._burst = float(burst)
        self._clock = clock
        self._keys_max = keys_max
        self._lock = threading.Lock()
        self._levels: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, key: str) -> int:
        """0: go on, one token is gone. Otherwise seconds to wait (1 or more), nothing is gone."""
        now = self._clock()
        with self._lock:
            level, at = self._levels.pop(key, (self._burst, now))
            level = min(self._burst, level + max(0, now - at) * self._rate)
            is_full = level < 1.0
            self._levels[key] = (level if is_full else level - 1.0, now)
            if len(self._levels) > self._keys_max:
                self._levels.popitem(last=False)
        if not is_full:
            return 0
        return max(1, -int(-(1.0 - level) // (self._rate * 1000)))
