"""Who is asking: a cookie or a token, for each request of the console and of its API.

Owns that question alone. What whoever it is may do and see, is the Viewer's (people.viewer_of).
"""

from __future__ import annotations

from typing import Final

from search.access import roles, tokens
from search.access.accounts import ServiceToken
from search.access.sessions import TOKEN, Live, Origin
from search.access.signin import NOBODY, SIGN_IN_FAILED, SIGN_OUT, NotSignedIn, Parts, SignIn

_SCHEME: Final = "bearer "
_HEADER_CHARS_MAX: Final = 200
# In place of a name, for the count of an address that guesses tokens.
_COUNTED: Final = "(a token)"


class Gate:
    """Every request passes here first."""

    def __init__(self, parts: Parts, sign_in: SignIn) -> None:
        self._parts = parts
        self._sign_in = sign_in

    def session(self, secret: str) -> Live | None:
        """Whoever holds this cookie; null: sign in."""
        return self._parts.sessions.check(secret)

    def bearer(self, header: str, origin: Origin) -> Live:
        """Whoever sends this `Authorization` header. A wrong one is recorded, and counts.

        Raises NotSignedIn, TooManyAttempts. `capabilities` is what the token and its owner both
        have.
        """
        now = self._parts.clock()
        text = header[len(_SCHEME):].strip() if header[:len(_SCHEME)].lower() == _SCHEME and len(
            header) <= _HEADER_CHARS_MAX else ""
        token = tokens.find(self._parts.accounts.read(), text, now)
        owner = self._owner_may(token) if token is not None else None
        if token is None or owner is None:
            self._refuse(token, origin)
            raise NotSignedIn
        tokens.used(self._parts.state, token.token_id, now)
        return Live(token.owner, token.token_id, "", token.created_at, now, token.expires_at,
                    token.expires_at, TOKEN, origin.address, origin.agent,
                    token.capabilities & owner)

    def sign_out(self, secret: str, origin: Origin) -> None:
        """Recorded, then over. Nothing is said of a cookie that was nobody's."""
        live = self._parts.sessions.check(secret)
        if live is not None:
            self._sign_in.record(SIGN_OUT, live.person, origin, session=live.session)
            self._parts.sessions.end(secret)

    def _owner_may(self, token: ServiceToken) -> frozenset[str] | None:
        """What its owner may at this moment; null where she may not even sign in."""
        person = self._parts.policy().person(token.owner)
        account = self._parts.accounts.read().of(token.owner)
        if person is None or not person.active or (account is not None and account.disabled):
            return None
        return roles.capabilities(person.roles)

    def _refuse(self, token: ServiceToken | None, origin: Origin) -> None:
        # A token has 256 random bits: nobody guesses one. What is limited is what a stranger makes
        # us write. Counted apart: a program with an old token must not keep its office out.
        counted = _COUNTED + origin.address
        self._parts.lockout.charge(counted, counted)
        self._sign_in.record(SIGN_IN_FAILED, token.owner if token is not None else NOBODY,
                             origin, how=TOKEN, reason="closed" if token is not None else "token",
                             token=token.token_id if token is not None else "")
