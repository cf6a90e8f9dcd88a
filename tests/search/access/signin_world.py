"""A firm that signs in: people, accounts in memory, a clock that the test moves, records to read.

Owns these. Argon2 works here with parameters that take a millisecond: what is tested is who gets
in, not how long a guess takes.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from schemas.errors import Transient
from search.access.accounts import Account, Book, standing_of
from search.access.gate import Gate
from search.access.lockout import Lockout
from search.access.manage import AccountAdmin
from search.access.own import OwnAccount
from search.access.passwords import Parameters, Passwords
from search.access.people import AccessPolicy, Person, Settings
from search.access.sessions import Origin, Sessions, SessionSettings
from search.access.signin import Parts, SignIn
from tests.fakes.state import FakeState
from tests.world import NOW

FAST = Parameters(time_cost=1, memory_kib=8, lanes=1)
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
ANNA = Person("a.novak", "Anna Novak", ("supervisor",), email="a.novak@firm.example")
BEN = Person("b.ito", "Ben Ito", ("compliance",), email="b.ito@firm.example")
GONE = Person("gone", "Gone Away", ("reviewer",), email="gone@firm.example", active=False)
GOOD = "three brown foxes jump"
OTHER = "seven grey cats sleep"
DESK = Origin("192.0.2.10", "a browser")
STRANGER = Origin("203.0.113.66", "curl")


@dataclass
class Clock:
    """UTC ms, moved by the test."""

    now: int = NOW

    def __call__(self) -> int:
        return self.now


@dataclass
class MemoryAccounts:
    """Implements `search.access.accounts.Accounts`."""

    book: Book = field(default_factory=Book)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> Book:
        return self.book

    def change(self, change: Callable[[Book], Book]) -> Book:
        with self.lock:
            self.book = change(self.book)
        return self.book


@dataclass
class Records:
    """What was written down, in order; `is_away`: nothing can be."""

    said: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    is_away: bool = False

    def record(self, action: str, actor: str, text: str | None,
               details: Mapping[str, str]) -> None:
        assert text is None
        if self.is_away:
            raise Transient(f"not answered, because the {action} could not be recorded")
        self.said.append((action, actor, dict(details)))

    @property
    def actions(self) -> list[str]:
        return [action for action, _, _ in self.said]

    @property
    def last(self) -> tuple[str, str, dict[str, str]]:
        return self.said[-1]


class Firm:
    """Sign-in over fakes."""

    def __init__(self, *, require_totp: bool = False) -> None:
        counter = itertools.count(1)
        self.policy = AccessPolicy((ANNA, BEN, GONE), settings=Settings(require_totp=require_totp))
        self.clock = Clock()
        self.state = FakeState(self.clock)
        self.records = Records()
        self.accounts = MemoryAccounts()
        self.random: Callable[[int], bytes] = lambda size: next(counter).to_bytes(
            8, "big").rjust(size, b"\x07")[-size:]
        sessions = Sessions(self.state, standing_of(lambda: self.policy, self.accounts),
                            self.clock, self.random, lambda: SessionSettings(
                                self.policy.settings.session_minutes * 60,
                                self.policy.settings.session_hours_max * 3600))
        self.parts = Parts(
            lambda: self.policy, self.accounts, self.state, self.records,
            Passwords(self.random, FAST), sessions, Lockout(self.state, self.clock), self.clock,
            self.random)
        self.sign_in = SignIn(self.parts)
        self.gate = Gate(self.parts, self.sign_in)
        self.own = OwnAccount(self.parts, self.sign_in)
        self.admin = AccountAdmin(self.parts)

    def has(self, person: Person, **values: object) -> Account:
        """An account with the password GOOD."""
        made = Account(person.person_id, password=self.parts.passwords.hashed(GOOD))
        made = replace(made, **values)  # type: ignore[arg-type]
        self.accounts.book = self.accounts.book.with_account(made)
        return made

    def becomes(self, person: Person, **values: object) -> None:
        """access.toml is changed: `person` is otherwise now."""
        self.policy = replace(self.policy, people=tuple(
            replace(one, **values) if one.person_id == person.person_id else one  # type: ignore[arg-type]
            for one in self.policy.people))

    def account(self, person: Person) -> Account:
        """As it is now."""
        found = self.accounts.book.of(person.person_id)
        assert found is not None
        return found
