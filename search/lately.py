"""What every thread of a process may know of the index for a moment without asking again.

Owns that memory: which index is current, and whose what nobody had claimed is. Both are asked for
with every question and hardly ever change; what is remembered is no older than what an index shows
of itself anyway.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from schemas.assignment import Assignments

# As long as an index may take to show what was stored (infra/elastic.py, refresh_interval).
AGE_S: Final = 1.0


class Lately:
    """For any number of threads. Two that ask at once both ask the index: nobody waits."""

    def __init__(self, monotonic: Callable[[], float], age_s: float = AGE_S) -> None:
        """`monotonic`: seconds that never go back."""
        self._monotonic, self._age_s = monotonic, age_s
        self._lock = threading.Lock()
        self._current: tuple[float, str] | None = None
        self._assigned: tuple[float, str, Assignments] | None = None

    def current(self, ask: Callable[[], str | None]) -> str | None:
        """The name of the current index. That there is none yet is not remembered. Raises what
        `ask` raises."""
        now = self._monotonic()
        with self._lock:
            known = self._current
        if known is not None and now - known[0] < self._age_s:
            return known[1]
        name = ask()
        with self._lock:
            # As of before it was asked: an answer that came late is not younger for it.
            self._current = None if name is None else (now, name)
        return name

    def assigned(self, name: str, ask: Callable[[], Assignments]) -> Assignments:
        """The decisions that the index `name` has. Raises what `ask` raises."""
        now = self._monotonic()
        with self._lock:
            known = self._assigned
        if known is not None and known[1] == name and now - known[0] < self._age_s:
            return known[2]
        found = ask()
        with self._lock:
            self._assigned = (now, name, found)
        return found

    def forget(self) -> None:
        """An index that was current is gone: ask again."""
        with self._lock:
            self._current = self._assigned = None
