"""What is told to everybody who asks the same within some seconds, asked for once.

Owns who asks and who waits. Whatever decides an answer must be in its key: an answer is given to
whoever comes with an equal key, and to nobody else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Known(Generic[V]):
    """An answer, and when it was asked for (UTC ms)."""

    at: int
    value: V


class Kept(Generic[K, V]):
    """For any number of threads. `keep_ms`: so old an answer serves without anything being asked;
    `shown_ms`: so old it serves while one thread asks for a newer one. Beyond that, and the first
    time, whoever comes waits for the one who asks."""

    def __init__(self, clock: Callable[[], int], keep_ms: int, shown_ms: int, keys_max: int,
                 beside: Callable[[Callable[[], object]], object] | None = None) -> None:
        """`clock`: UTC ms; `keys_max`: answers that are kept, the oldest is dropped; `beside`: runs
        something in another thread, so that nobody waits for a newer answer; null = whoever comes
        first asks."""
        self._clock, self._keep_ms, self._shown_ms = clock, keep_ms, shown_ms
        self._keys_max, self._beside = keys_max, beside
        self._lock = threading.Lock()
        self._known: dict[K, Known[V]] = {}
        self._asking: dict[K, Future[Known[V]]] = {}

    def get(self, key: K, ask: Callable[[], V]) -> Known[V]:
        """The answer to `key`. Raises what `ask` raises, to each who waited for it."""
        now = self._clock()
        with self._lock:
            known = self._known.get(key)
            if known is not None and 0 <= now - known.at < self._keep_ms:
                return known
            is_shown = known is not None and 0 <= now - known.at < self._shown_ms
            pending = self._asking.get(key)
            is_first = pending is None
            if pending is None:
                pending = self._asking[key] = Future()
        if is_first:
            if not is_shown or self._beside is None:
                self._ask(key, pending, ask, now)
            else:
                try:
                    self._beside(lambda: self._ask(key, pending, ask, now))
                except RuntimeError:
                    # No thread beside any more, for the process ends: it is asked here.
                    self._ask(key, pending, ask, now)
        # Of an error beside nobody is told: the figures say how old they are, and once they are
        # too old whoever asks is the one who hears of it.
        if known is not None and is_shown and not (is_first and self._beside is None):
            return known
        return pending.result()

    def _ask(self, key: K, pending: Future[Known[V]], ask: Callable[[], V], now: int) -> None:
        try:
            # As of before it was asked: an answer that came late is not younger for it.
            found = Known(now, ask())
        except BaseException as error:
            with self._lock:
                del self._asking[key]
            pending.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        with self._lock:
            del self._asking[key]
            self._known.pop(key, None)
            self._known[key] = found
            while len(self._known) > self._keys_max:
                del self._known[next(iter(self._known))]
        pending.set_result(found)
