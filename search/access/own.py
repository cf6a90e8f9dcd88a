"""What somebody who is signed in does with her own account: password, telephone, sessions, tokens.

Owns that a change which matters asks for the password again, ends every other session, and gives
this one a new id.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from schemas.errors import Denied, Refused
from search.access import roles, tokens, totp
from search.access.accounts import Account, Book, ServiceToken
from search.access.passwords import Unfit, require_fit
from search.access.people import Person
from search.access.sessions import DEMO, TOKEN, Live, Origin
from search.access.signin import (
    PASSWORD_CHANGED,
    NeedsTotp,
    NotSignedIn,
    Parts,
    Signed,
    SignIn,
    words_of,
)

SESSION_ENDED = "session_ended"
TOKEN_ADDED = "token_added"  # noqa: S105 - an action of audit events
TOKEN_REVOKED = "token_revoked"  # noqa: S105 - likewise
# Where there is no password to ask for: how young a session has to be for what outlives it.
FRESH_MS: Final = 10 * 60_000


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that somebody wants: what it is for, how many days it is good, what it may do."""

    name: str
    days: int
    capabilities: frozenset[str]


class OwnAccount:
    """Every method raises Denied for a program's token: only a person manages an account."""

    def __init__(self, parts: Parts, sign_in: SignIn) -> None:
        self._parts = parts
        self._sign_in = sign_in

    def state(self, live: Live) -> Account:
        """What there is: whether a password, a telephone, how many recovery codes."""
        return self._own(live)[1]

    def change_password(self, live: Live, old: str, new: str, code: str, origin: Origin) -> Signed:
        """In force when this returns; every older session is over. Raises NotSignedIn for a wrong
        old password or code, Unfit for the new one."""
        person, account = self._own(live)
        require_fit(new, words_of(person))
        self._require(person, account, old, code, origin)
        if self._parts.passwords.matches(account.password, new):
            raise Unfit("this is the password that you have")
        hashed = self._parts.passwords.hashed(new)
        self._sign_in.record(PASSWORD_CHANGED, person.person_id, origin)
        self._replace(account, account.changed(self._parts.clock(), password=hashed,
                                               must_change=False, initial_until=None))
        return self._again(live, person, origin)

    def begin_totp(self, live: Live, password: str, code: str, origin: Origin) -> NeedsTotp:
        """A new telephone. `code`: of the old one, or a recovery code, where there is one."""
        person, account = self._own(live)
        self._require(person, account, password, code, origin)
        return self._sign_in.enrolment(person, account)

    def confirm_totp(self, live: Live, ticket: str, code: str, origin: Origin) -> Signed:
        """The telephone has it: its codes count from now on. `recovery` is to be shown once."""
        person, _ = self._own(live)
        signed = self._sign_in.go_on(ticket, origin, code=code)
        if not isinstance(signed, Signed) or signed.live.person != person.person_id:
            raise NotSignedIn
        return signed

    def new_recovery_codes(self, live: Live, password: str, code: str, origin: Origin,
                           ) -> tuple[str, ...]:
        """The old ones are void. Raises NotSignedIn for a wrong password or code, Refused where
        there is no telephone that they could stand in for."""
        person, account = self._own(live)
        if account.password and not account.totp:
            raise Refused("set up an authenticator first: that gives you recovery codes")
        self._require(person, account, password, code, origin)
        made = totp.new_recovery_codes(self._parts.random)
        self._sign_in.record("recovery_codes_made", person.person_id, origin)
        now = self._own(live)[1]  # without a recovery code that `code` was
        self._replace(now, replace(now, recovery=tuple(
            totp.recovery_digest(one) for one in made)))
        return made

    def sessions(self, live: Live) -> tuple[Live, ...]:
        """One's own, the newest first."""
        return self._parts.sessions.of(live.person)

    def end_session(self, live: Live, session: str, origin: Origin) -> bool:
        """One of one's own; whether there was one."""
        self._own(live)
        self._sign_in.record(SESSION_ENDED, live.person, origin, session=session[:16])
        return self._parts.sessions.revoke(live.person, session)

    def end_others(self, live: Live, origin: Origin) -> int:
        """All of one's own but this one; how many."""
        self._own(live)
        self._sign_in.record(SESSION_ENDED, live.person, origin, session="all others")
        return self._parts.sessions.revoke_all(live.person, but=live.session)

    def tokens(self, live: Live) -> tuple[tuple[ServiceToken, int | None], ...]:
        """One's own, each with the day of its last use (UTC ms)."""
        return tuple((one, tokens.last_used_at(self._parts.state, one.token_id))
                     for one in self._parts.accounts.read().tokens if one.owner == live.person)

    def add_token(self, live: Live, wanted: NewToken, password: str, code: str, origin: Origin,
                  ) -> tuple[ServiceToken, str]:
        """(it, what is shown once). Raises Denied without TOKENS, Refused in words,
        NotSignedIn for a wrong password or code: a token outlives the session that it is made in.
        """
        person, account = self._own(live)
        may = roles.capabilities(person.roles)
        if roles.TOKENS not in may:
            raise Denied

        def issued(book: Book) -> tuple[Book, ServiceToken, str]:
            return tokens.issue(book, person.person_id, may, wanted.name, wanted.days,
                                wanted.capabilities, self._parts.clock(), self._parts.random)

        issued(self._parts.accounts.read())  # what is wrong with it is said before a code is used
        if account.password:
            self._require(person, account, password, code, origin)
        elif live.how != DEMO and self._parts.clock() - live.began_at > FRESH_MS:
            raise Refused("you signed in some time ago: sign out, sign in again, and make the "
                          f"token within {FRESH_MS // 60_000} minutes")
        made: list[tuple[ServiceToken, str]] = []

        def add(book: Book) -> Book:
            changed, token, text = issued(book)
            self._sign_in.record(TOKEN_ADDED, person.person_id, origin, token=token.token_id,
                                 name=token.name, may=" ".join(sorted(token.capabilities)))
            made.append((token, text))
            return changed

        self._parts.accounts.change(add)
        return made[-1]

    def revoke_token(self, live: Live, token_id: str, origin: Origin) -> None:
        """Not good from the next request on. Raises Refused when there is no such token of one's
        own."""
        person, _ = self._own(live)
        # Before it is recorded: nobody writes down that another's token has ended.
        tokens.revoke(self._parts.accounts.read(), token_id, self._parts.clock(), person.person_id)
        self._sign_in.record(TOKEN_REVOKED, person.person_id, origin, token=token_id)
        self._parts.accounts.change(lambda book: tokens.revoke(
            book, token_id, self._parts.clock(), person.person_id))

    def _own(self, live: Live) -> tuple[Person, Account]:
        if live.how == TOKEN:
            raise Denied
        person = self._parts.policy().active(live.person)
        return person, self._parts.accounts.read().of(live.person) or Account(live.person)

    def _require(self, person: Person, account: Account, password: str, code: str, origin: Origin,
                 ) -> None:
        """Whoever sits at an open session need not be who signed in."""
        if not account.password:
            raise Refused("this account has no password here: it signs in with your provider")
        self._sign_in.charge(person.person_id, person, origin)
        if not self._parts.passwords.matches(account.password, password):
            raise self._sign_in.failed(person, "password", origin)
        if account.totp and not self._sign_in.code_fits(account, code, origin):
            raise self._sign_in.failed(person, "code", origin)
        self._parts.lockout.forgive(person.person_id, origin.address)

    def _replace(self, seen: Account, changed: Account) -> None:
        def put(book: Book) -> Book:
            now = book.of(seen.person_id)
            if now is not None and now.generation != seen.generation:
                raise Refused("the account was changed at this moment; look at it again")
            # A recovery code that was used meanwhile stays used.
            kept = changed if now is None or changed.recovery != seen.recovery else replace(
                changed, recovery=now.recovery)
            return book.with_account(kept)

        self._parts.accounts.change(put)

    def _again(self, live: Live, person: Person, origin: Origin) -> Signed:
        """A new session in place of all; the old ones rest on what is no longer so."""
        self._parts.sessions.revoke_all(person.person_id)
        begun = self._parts.sessions.begin(person.person_id, live.how, origin)
        if begun is None:
            raise NotSignedIn
        return Signed(*begun)
