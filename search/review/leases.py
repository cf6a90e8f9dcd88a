"""Who works on which item right now: claims that end by themselves.

Owns that no two people hold one item. A claim is no evidence and may be lost: what was decided is
on the log, and two decisions that did not know of each other are both kept (search/review/item.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from schemas.errors import Ambiguous, Refused
from search.access.state import Held, StateStore

LEASE_MS_DEFAULT: Final = 15 * 60_000
_PREFIX: Final = "claim:"
_TRIES_MAX: Final = 20


class Taken(Refused):
    """Somebody else works on it. `person`, `until`: who, and until when at the latest (UTC ms)."""

    def __init__(self, person: str, until: int) -> None:
        super().__init__(f"{person} is working on this item")
        self.person = person
        self.until = until


@dataclass(frozen=True, slots=True)
class Claim:
    """`since`, `until`: UTC ms; it ends then unless it is renewed."""

    doc_id: str
    person: str
    since: int
    until: int


class Leases:
    """Claims in a StateStore. Everything raises Transient when it cannot be reached."""

    def __init__(self, state: StateStore, clock: Callable[[], int],
                 lease_ms: int = LEASE_MS_DEFAULT) -> None:
        """`clock`: UTC ms, the one that the store's expiry is measured with."""
        self._state = state
        self._clock = clock
        self._lease_ms = lease_ms

    def claim(self, doc_id: str, person: str) -> Claim:
        """The item is this person's until the claim ends; a claim of theirs is renewed. Raises
        Taken."""
        for _ in range(_TRIES_MAX):
            held = self._state.get(_PREFIX + doc_id)
            now = self._clock()
            if held is not None and held.value["person"] != person:
                raise _taken(held)
            since = int(held.value["since"]) if held is not None else now
            made = Claim(doc_id, person, since, now + self._lease_ms)
            try:
                if self._state.put(_PREFIX + doc_id, {"person": person, "since": since},
                                   made.until, held):
                    return made
            except Ambiguous:
                continue                          # read: it may be ours
        raise Refused("many people claim this item at once; try again")

    def renew(self, doc_id: str, person: str) -> Claim | None:
        """Whoever holds it goes on holding it; null where it is nobody's or another's by now."""
        held = self.of(doc_id)
        if held is None or held.person != person:
            return None
        try:
            return self.claim(doc_id, person)
        except Taken:
            return None

    def release(self, doc_id: str, person: str) -> None:
        """It is nobody's. A claim of somebody else's stays."""
        held = self._state.get(_PREFIX + doc_id)
        if held is not None and held.value["person"] == person:
            # Compared and ended in one step: between look and end it may have become another's.
            self._state.put(_PREFIX + doc_id, held.value, self._clock(), held)

    def of(self, doc_id: str) -> Claim | None:
        """Who holds it now; null = nobody."""
        held = self._state.get(_PREFIX + doc_id)
        return None if held is None else _claim(_PREFIX + doc_id, held)

    def all(self) -> Iterator[Claim]:
        """Every claim there is."""
        for key, held in self._state.scan(_PREFIX):
            yield _claim(key, held)

    def require_free(self, doc_id: str, person: str) -> None:
        """Raises Taken while somebody else holds it."""
        held = self._state.get(_PREFIX + doc_id)
        if held is not None and held.value["person"] != person:
            raise _taken(held)


def _claim(key: str, held: Held) -> Claim:
    return Claim(key.removeprefix(_PREFIX), str(held.value["person"]), int(held.value["since"]),
                 held.expires_at)


def _taken(held: Held) -> Taken:
    return Taken(str(held.value["person"]), held.expires_at)
