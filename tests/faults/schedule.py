"""Several processes on one store, one operation at a time, in an order that a test chooses.

Owns the baton: each actor runs in a thread of its own and waits before every operation of the
store; the schedule says who goes next. Deterministic: no two ever run at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from archive.store import Lock, ObjectStore, ObjectVersion
from archive.tlog.checkpoint import Head, Latest
from schemas.errors import CounterfoilError
from tests.fakes.faults import Killed

STEPS_MAX = 5_000


@dataclass
class Actor:
    """One process: what it does, and how it ended ("" while it runs)."""

    act: Callable[[], object]
    end: str = ""
    steps: int = 0
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    waits: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def step(self) -> None:
        """Called by the actor's ports before each operation."""
        self.waits.release()
        self.go.acquire()
        self.steps += 1

    def run(self) -> None:
        """The thread."""
        self.go.acquire()
        try:
            self.act()
            self.end = "ok"
        except (CounterfoilError, Killed) as error:
            self.end = f"{type(error).__name__}: {error}"
        except AssertionError as error:
            self.end = f"accused: {error}"
        finally:
            self.end = self.end or "broken"
            self.waits.release()


def interleave(actors: Sequence[Actor], choices: Iterator[int]) -> None:
    """Runs every actor to its end; `choices` says which of the living goes next, and when they
    are used up the first one goes."""
    threads = [threading.Thread(target=actor.run, daemon=True) for actor in actors]
    for thread in threads:
        thread.start()
    for _ in range(STEPS_MAX):
        living = [actor for actor in actors if not actor.end]
        if not living:
            break
        actor = living[next(choices, 0) % len(living)]
        actor.go.release()
        actor.waits.acquire()
    else:
        raise AssertionError("the actors never end")
    for thread in threads:
        thread.join()


class SteppedStore:
    """`ObjectStore` that waits for the baton before each operation."""

    def __init__(self, store: ObjectStore, step: Callable[[], None]) -> None:
        self._store = store
        self._step = step

    def put_once(self, key: str, body: bytes, retain_until: int | None) -> str:
        self._step()
        return self._store.put_once(key, body, retain_until)

    def versions(self, prefix: str, start_after: str = "") -> Iterator[ObjectVersion]:
        self._step()
        return iter(list(self._store.versions(prefix, start_after)))

    def get(self, key: str, version_id: str | None = None, start: int = 0,
            length: int | None = None) -> bytes:
        self._step()
        return self._store.get(key, version_id, start, length)

    def extend(self, key: str, version_id: str, retain_until: int) -> None:
        self._step()
        self._store.extend(key, version_id, retain_until)

    def set_legal_hold(self, key: str, version_id: str, *, on: bool) -> None:
        self._step()
        self._store.set_legal_hold(key, version_id, on=on)

    def lock(self, key: str, version_id: str) -> Lock:
        self._step()
        return self._store.lock(key, version_id)


class SteppedLatest:
    """`Latest` that waits for the baton before each operation."""

    def __init__(self, latest: Latest, step: Callable[[], None]) -> None:
        self._latest = latest
        self._step = step

    def load(self, origin: str) -> Head | None:
        self._step()
        return self._latest.load(origin)

    def swap(self, origin: str, known: Head | None, new: Head) -> bool:
        self._step()
        return self._latest.swap(origin, known, new)
