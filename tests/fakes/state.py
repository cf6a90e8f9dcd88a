"""A StateStore in memory that accuses: it hands out copies, and checks what it is handed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from schemas.errors import Transient
from search.access.state import Held, Value, checked


class FakeState:
    """Implements `search.access.state.StateStore`. `is_away`: every call fails, as without a
    server."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._rows: dict[str, Held] = {}
        self._versions = 0
        self.is_away = False
        self.puts = 0

    def get(self, key: str) -> Held | None:
        checked(key)
        self._reach()
        held = self._rows.get(key)
        if held is None or held.expires_at <= self._clock():
            return None
        return Held(dict(held.value), held.version, held.expires_at)

    def put(self, key: str, value: Value, expires_at: int, expected: Held | None) -> bool:
        checked(key, value)
        held = self.get(key)
        if (held and held.version) != (expected and expected.version):
            return False
        self._versions += 1
        self.puts += 1
        self._rows[key] = Held(dict(value), self._versions, expires_at)
        return True

    def remove(self, key: str) -> None:
        checked(key)
        self._reach()
        self._rows.pop(key, None)

    def scan(self, prefix: str) -> Iterator[tuple[str, Held]]:
        self._reach()
        for key in sorted(self._rows):
            held = self.get(key) if key.startswith(prefix) else None
            if held is not None:
                yield key, held

    def _reach(self) -> None:
        if self.is_away:
            raise Transient("state: not reached")
