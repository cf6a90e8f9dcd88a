"""Accounts and service tokens: what is kept of them, and the port of the file that keeps it.

Owns the model alone. Who signs in is `signin.py`, who manages accounts `manage.py`, what a person
may see `people.py`. A password, a token and a recovery code are kept as hashes; a TOTP secret has
to be kept as it is, which is one reason why the file is its owner's only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from schemas.identity import canonical
from search.access.people import AccessPolicy, Person

_LABEL = "counterfoil/standing/v1"


@dataclass(frozen=True, slots=True)
class Account:
    """How one person signs in.

    `password`: encoded argon2id, "" = none. `must_change`: it was given by somebody else, and is
    good until `initial_until` (UTC ms). `totp`: base32, "" = none. `recovery`: SHA-256 of codes
    not used yet. `subject`: "<issuer> <sub>" of the OpenID identity that signed in first.
    `generation` grows with every change after which older sessions are void.
    """

    person_id: str
    password: str = ""
    must_change: bool = False
    initial_until: int | None = None
    totp: str = ""
    recovery: tuple[str, ...] = ()
    disabled: bool = False
    subject: str = ""
    generation: int = 0
    changed_at: int = 0

    def changed(self, now: int, **values: object) -> Account:
        """With `values`, in a new generation: every older session ends with its next request."""
        return replace(self, generation=self.generation + 1, changed_at=now,
                       **values)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class ServiceToken:
    """What a program signs in with. `digest`: SHA-256 of its secret, hex. Times: UTC ms."""

    token_id: str
    owner: str
    name: str
    digest: str
    capabilities: frozenset[str]
    created_at: int
    expires_at: int
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class Book:
    """Everything that the file holds; each list by id."""

    accounts: tuple[Account, ...] = ()
    tokens: tuple[ServiceToken, ...] = ()

    def of(self, person_id: str) -> Account | None:
        """The account of a person."""
        return next((one for one in self.accounts if one.person_id == person_id), None)

    def token(self, token_id: str) -> ServiceToken | None:
        """A token by its id."""
        return next((one for one in self.tokens if one.token_id == token_id), None)

    def with_account(self, account: Account) -> Book:
        """It takes the place of the person's old one."""
        kept = [one for one in self.accounts if one.person_id != account.person_id]
        return replace(self, accounts=tuple(sorted((*kept, account),
                                                   key=lambda one: one.person_id)))

    def with_token(self, token: ServiceToken) -> Book:
        """It takes the place of the one with its id."""
        kept = [one for one in self.tokens if one.token_id != token.token_id]
        return replace(self, tokens=tuple(sorted((*kept, token), key=lambda one: one.token_id)))


class Accounts(Protocol):
    """The file of accounts, shared by all processes of this machine."""

    def read(self) -> Book:
        """As it is now; empty where there is none. Raises Refused for a file that others can
        read, or that does not read; Transient when it cannot be opened."""

    def change(self, change: Callable[[Book], Book]) -> Book:
        """Replace it by what `change` makes of it, one process at a time; on disk, whole, when
        this returns. Nothing is changed when `change` raises."""


def standing(person: Person | None, account: Account | None) -> str | None:
    """What a session rests on, as a digest: null where the person may not sign in (any more).

    It changes with the password, the second factor, the roles: a session that rests on another one
    is void.
    """
    if person is None or not person.active or (account is not None and account.disabled):
        return None
    generation = account.generation if account is not None else 0
    return hashlib.sha256(canonical(_LABEL, person.person_id, generation,
                                    *sorted(person.roles))).hexdigest()[:32]


def standing_of(policy: Callable[[], AccessPolicy], accounts: Accounts,
                ) -> Callable[[str], str | None]:
    """`standing` of a person by id, as both files say at that moment."""
    return lambda person_id: standing(policy().person(person_id), accounts.read().of(person_id))
