"""Wrong guesses make the next one wait: per person and per address, longer each time, never for
ever.

Owns the counting. An attempt is counted before it is looked at, so that of many at once none is
free; a good one takes its count back. A name that nobody has is counted like one that somebody has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from schemas.errors import Refused
from search.access.state import Held, StateStore, Value, hashed, update

DAY_MS: Final = 24 * 3_600_000
# So often at most one wait is written down again while somebody hammers.
SAID_MS: Final = 60_000
_ADDRESS_CHARS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class LockoutSettings:
    """`free`: guesses of a person's before the first wait; `address_free`: of an address, behind
    which a whole office may sit. The wait doubles from `first_s` to `longest_s`; a day without a
    guess forgets."""

    free: int = 5
    address_free: int = 30
    first_s: int = 30
    longest_s: int = 3_600


class TooManyAttempts(Refused):
    """Wait `retry_after_s` seconds. Says the same of a person who exists and of one who does
    not."""

    def __init__(self, retry_after_s: int) -> None:
        minutes = -(-retry_after_s // 60)
        wait = f"{retry_after_s} seconds" if retry_after_s < 120 else f"{minutes} minutes"
        super().__init__(f"too many attempts; wait {wait} and try again")
        self.retry_after_s = retry_after_s


class Lockout:
    """Counts attempts in a StateStore, for all processes."""

    def __init__(self, state: StateStore, clock: Callable[[], int],
                 settings: LockoutSettings | None = None) -> None:
        """`clock`: UTC ms."""
        self._state = state
        self._clock = clock
        self._settings = settings or LockoutSettings()

    def charge(self, person: str | None, address: str) -> None:
        """Count an attempt; raises TooManyAttempts, and counts nothing, while it has to wait.
        `person`: null = not known yet, the address alone is charged. Raises Transient when it
        cannot be counted: then it is not made."""
        for key, free in self._keys(person, address):
            self._require(self._state.get(key), free)
        for key, free in self._keys(person, address):
            self._count(key, free)

    def to_record(self, person: str | None, address: str) -> int:
        """After TooManyAttempts: for how many refusals the record stands that is due now, 0 = none
        is due. One is due when a wait begins and once a minute: what strangers make us write once
        and for ever is bounded. Raises Transient."""
        key, until = self._waiting(person, address)
        now, due = self._clock(), 0

        def one_more(held: Held | None) -> tuple[Value, int]:
            nonlocal due
            count = int(held.value["count"]) + 1 if held is not None else 1
            if (held is not None and int(held.value["until"]) == until
                    and now - int(held.value["at"]) < SAID_MS):
                due = 0
                return {**held.value, "count": count}, now + DAY_MS
            due = count
            return {"count": 0, "at": now, "until": until}, now + DAY_MS

        update(self._state, hashed("lockout-said", key), one_more)
        return due

    def forgive(self, person: str | None, address: str, charges: int = 1) -> None:
        """The attempt was good: the person begins anew, the address gets its `charges` back. An
        address that signs in as somebody cannot buy guesses at somebody else."""
        *person_keys, address_key = (key for key, _ in self._keys(person, address))
        for key in person_keys:
            self._state.remove(key)
        held = self._state.get(address_key)
        if held is not None:
            # A lost race costs the address a guess, nothing else.
            self._state.put(address_key, {"count": max(0, int(held.value["count"]) - charges),
                                          "until": held.value["until"]}, held.expires_at, held)

    def wait_s(self, person: str) -> int:
        """Seconds that a person has to wait now, 0 = none. Raises Transient."""
        key, free = self._keys(person, "")[0]
        try:
            self._require(self._state.get(key), free)
        except TooManyAttempts as waits:
            return waits.retry_after_s
        return 0

    def clear(self, person: str) -> None:
        """An operator lets a person try again at once."""
        self._state.remove(self._keys(person, "")[0][0])

    def _keys(self, person: str | None, address: str) -> tuple[tuple[str, int], ...]:
        """The person's, if there is one; the address's last."""
        of_address = (hashed("lockout-address", address[:_ADDRESS_CHARS_MAX]),
                      self._settings.address_free)
        if person is None:
            return (of_address,)
        return (hashed("lockout-person", person), self._settings.free), of_address

    def _waiting(self, person: str | None, address: str) -> tuple[str, int]:
        """Whose wait refused, and until when. The address's first: who changes the name with each
        attempt is one who waits."""
        keys = self._keys(person, address)
        for key, free in reversed(keys):
            held = self._state.get(key)
            try:
                self._require(held, free)
            except TooManyAttempts:
                assert held is not None
                return key, int(held.value["until"])
        return keys[0][0], 0                      # over at this very moment

    def _count(self, key: str, free: int) -> None:
        now = self._clock()

        def one_more(held: Held | None) -> tuple[Value, int]:
            # Somebody at the same moment may have reached the wait.
            self._require(held, free)
            count = int(held.value["count"]) + 1 if held is not None else 1
            return ({"count": count, "until": now + self._wait_ms(count - free)}, now + DAY_MS)

        update(self._state, key, one_more)

    def _require(self, held: Held | None, free: int) -> None:
        if held is None or int(held.value["count"]) < free:
            return
        left = int(held.value["until"]) - self._clock()
        if left > 0:
            raise TooManyAttempts(-(-left // 1000))

    def _wait_ms(self, over: int) -> int:
        """After the guess that is the `over`-th beyond the free ones (0 = the last free one)."""
        if over < 0:
            return 0
        # The exponent is bounded before it is one: a day of guesses is no number of a million bits.
        seconds = self._settings.first_s << min(over, 20)
        return min(seconds, self._settings.longest_s) * 1000
