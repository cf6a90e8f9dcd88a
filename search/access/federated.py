"""Signing in with the firm's OpenID provider: whose identity it is here, and the session.

Owns the way from an identity to a person of access.toml. Nobody is made on the way in. The first
identity that comes with a person's address is hers from then on, by the provider's own id of it: an
address that is given to somebody else later does not bring the person's access with it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from schemas.errors import Refused
from search.access.accounts import Account, Book
from search.access.cookies import OIDC_MAX_AGE_S, new_secret
from search.access.oidc import Identity, NotBelieved, Provider
from search.access.people import Person
from search.access.sessions import OIDC, Origin
from search.access.signin import NotSignedIn, Parts, Signed, SignIn
from search.access.state import hashed

BOUND: Final = "oidc_subject_bound"
HOME: Final = "/"
_RETURN_CHARS_MAX: Final = 2_000
_COOKIE_CHARS_MAX: Final = 4_000


@dataclass(frozen=True, slots=True)
class Begun:
    """Send the browser to `url`, with `cookie` under OIDC_COOKIE."""

    url: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Finished:
    """In; the browser goes on to `return_to`, a path of ours."""

    signed: Signed
    return_to: str


class OidcSignIn:
    """The two requests of a sign-in at the provider."""

    def __init__(self, parts: Parts, sign_in: SignIn, provider: Provider) -> None:
        self._parts = parts
        self._sign_in = sign_in
        self._provider = provider

    @property
    def name(self) -> str:
        """What the button says."""
        return self._provider.settings.name

    def begin(self, return_to: str = HOME) -> Begun:
        """Raises Transient when the provider does not answer, Refused when it is set up wrong."""
        secret = new_secret(self._parts.random)
        url = self._provider.authorization_url(secret)
        # Only that it was begun, and not ended yet: what is in the cookie is not kept here.
        if not self._parts.state.put(hashed("oidc", secret), {},
                                     self._parts.clock() + OIDC_MAX_AGE_S * 1000, None):
            raise AssertionError("256 random bits came twice")
        return Begun(url, f"{secret}.{_packed(local_path(return_to))}")

    def finish(self, cookie: str, query: Mapping[str, str], origin: Origin) -> Finished:
        """The provider has sent the browser back. Once for each `begin`.

        Raises NotBelieved in words, NotSignedIn, Transient, TooManyAttempts while the address has
        to wait; each refusal is recorded, a wait as SignIn.charge says.
        """
        secret, _, packed = cookie[:_COOKIE_CHARS_MAX].partition(".")
        key = hashed("oidc", secret)
        if not secret or self._parts.state.get(key) is None:
            raise NotBelieved("this sign-in took too long, or was not begun in this browser; sign "
                              "in again")
        # Anybody can begin one and come back with nonsense: that costs the provider a request and
        # us a record, so it counts.
        self._sign_in.charge(None, None, origin, OIDC)
        # Before anything is asked: the same answer does not come in twice.
        self._parts.state.remove(key)
        try:
            identity = self._provider.identity(secret, query)
        except NotBelieved:
            self._sign_in.failed(None, "provider", origin, OIDC)
            raise
        signed = self._sign_in.open_for(self._person(identity, origin).person_id, origin, OIDC)
        self._parts.lockout.forgive(None, origin.address)
        return Finished(signed, _unpacked(packed))

    def sign_out_url(self, back_to: str) -> str | None:
        """Where to sign out of the provider too, or null."""
        try:
            return self._provider.sign_out_url(back_to)
        except Refused:
            return None  # set up wrong: who is signed out here is signed out here

    def _person(self, identity: Identity, origin: Origin) -> Person:
        subject = f"{identity.issuer} {identity.subject}"
        policy, book = self._parts.policy(), self._parts.accounts.read()
        bound = next((one for one in book.accounts if one.subject == subject), None)
        if bound is not None:
            person = policy.person(bound.person_id)
        else:
            person = policy.by_email(identity.name)
        if person is None or not person.active:
            raise self._sign_in.failed(person, "unknown", origin, OIDC)
        if bound is None:
            self._bind(person, subject, origin)
        return person

    def _bind(self, person: Person, subject: str, origin: Origin) -> None:
        account = self._parts.accounts.read().of(person.person_id) or Account(person.person_id)
        if account.disabled or account.subject:
            # The address is hers, the identity is not: somebody else has the address now.
            raise self._sign_in.failed(person, "closed" if account.disabled else "other_identity",
                                       origin, OIDC)
        self._sign_in.record(BOUND, person.person_id, origin)

        def put(book: Book) -> Book:
            now = book.of(person.person_id) or Account(person.person_id)
            if now.disabled or now.subject not in ("", subject):
                raise NotSignedIn
            return book.with_account(replace(now, subject=subject))

        self._parts.accounts.change(put)


def local_path(text: str) -> str:
    """`text` if it is a path of ours, else "/": nobody is sent on to another site."""
    if (not text.startswith("/") or text.startswith(("//", "/\\")) or "\\" in text
            or not text.isprintable() or len(text) > _RETURN_CHARS_MAX):
        return HOME
    return text


def _packed(path: str) -> str:
    return base64.urlsafe_b64encode(path.encode()).decode("ascii").rstrip("=")


def _unpacked(packed: str) -> str:
    try:
        return local_path(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode())
    except (binascii.Error, ValueError):
        return HOME
