"""What an operator, or whoever has ACCOUNTS, does with the accounts of others.

Owns these acts. Each is on the log before it is done. A password is never chosen for somebody: a
one-time one is made, good for some days, and has to be changed at the first sign-in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from schemas.errors import Exists, Missing, Refused
from search.access import passwords, roles, tokens
from search.access.accounts import Account, Book, ServiceToken
from search.access.people import Person
from search.access.sessions import Live
from search.access.signin import Parts, words_of

# Actions of audit events.
ADDED: Final = "account_added"
PASSWORD_GIVEN: Final = "account_password"  # noqa: S105 - an action
TOTP_FORGOTTEN: Final = "account_totp_forgotten"
DISABLED: Final = "account_disabled"
ENABLED: Final = "account_enabled"
SUBJECT_FORGOTTEN: Final = "account_subject_forgotten"
SESSIONS_ENDED: Final = "account_sessions_ended"
TOKEN_ADDED: Final = "token_added"  # noqa: S105 - likewise
TOKEN_REVOKED: Final = "token_revoked"  # noqa: S105 - likewise

INITIAL_DAYS: Final = 7
_DAY_MS: Final = 24 * 3_600_000


class AccountAdmin:
    """`actor` is who does it, as records name people. Everything raises Missing for a person whom
    access.toml does not name, Transient when it could not be recorded: then nothing was done."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def add(self, person_id: str, actor: str, password: str | None = None, *,
            is_own: bool = False) -> str:
        """A new account; returns its password. `password`: instead of one that is made here;
        `is_own`: the person chose it, so it need not be changed. Raises Exists when there is an
        account, Unfit for a password that is not taken."""
        person = self._person(person_id)
        known = self._parts.accounts.read().of(person_id)
        if known is not None and known.password:
            raise Exists(f"{person_id} has a password already; a new one is `counterfoil account "
                         f"password {person_id}`")
        return self._give(person, actor, ADDED, password, is_own=is_own)

    def new_password(self, person_id: str, actor: str, password: str | None = None, *,
                     is_own: bool = False) -> str:
        """A new one in place of the old one, as `add`; every session ends."""
        return self._give(self._person(person_id), actor, PASSWORD_GIVEN, password, is_own=is_own)

    def forget_totp(self, person_id: str, actor: str) -> str:
        """The telephone is lost: a new one is made known at the next sign-in. Returns the one-time
        password for that: with the old one alone, whoever knows it could make his own known."""
        return self._give(self._person(person_id), actor, TOTP_FORGOTTEN, None, is_own=False,
                          totp="", recovery=())

    def disable(self, person_id: str, actor: str) -> None:
        """No way in, and every session and token is dead, from the next request on."""
        self._change(person_id, actor, DISABLED, lambda account: account.changed(
            self._parts.clock(), disabled=True))
        self._parts.sessions.revoke_all(person_id)

    def enable(self, person_id: str, actor: str) -> None:
        """As before; and wrong guesses are forgotten, so that nobody has to wait."""
        self._person(person_id)
        self._change(person_id, actor, ENABLED, lambda account: account.changed(
            self._parts.clock(), disabled=False))
        self._parts.lockout.clear(person_id)

    def forget_subject(self, person_id: str, actor: str) -> None:
        """The next OpenID identity with the person's address is hers: after a change of the
        provider, or of who is at that address."""
        self._change(person_id, actor, SUBJECT_FORGOTTEN, lambda account: account.changed(
            self._parts.clock(), subject=""))

    def accounts(self) -> list[tuple[Person | None, Account | None]]:
        """Everybody of access.toml with her account, and accounts that nobody has any more."""
        policy, book = self._parts.policy(), self._parts.accounts.read()
        known = {one.person_id for one in policy.people}
        return [(one, book.of(one.person_id)) for one in policy.people] + [
            (None, one) for one in book.accounts if one.person_id not in known]

    def sessions(self, person_id: str = "") -> tuple[Live, ...]:
        """Of one person, or of everybody."""
        return self._parts.sessions.of(person_id) if person_id else self._parts.sessions.all()

    def end_sessions(self, person_id: str, actor: str, session: str = "") -> int:
        """One by its id, or all of a person's; how many."""
        self._record(SESSIONS_ENDED, actor, {"person": person_id, "session": session or "all"})
        if not session:
            return self._parts.sessions.revoke_all(person_id)
        return int(self._parts.sessions.revoke(person_id, session))

    def tokens(self) -> tuple[tuple[ServiceToken, int | None], ...]:
        """Everybody's, each with the day of its last use (UTC ms)."""
        return tuple((one, tokens.last_used_at(self._parts.state, one.token_id))
                     for one in self._parts.accounts.read().tokens)

    def add_token(self, owner: str, actor: str, name: str, days: int,
                  capabilities: frozenset[str]) -> tuple[ServiceToken, str]:
        """(it, what is shown once). Raises Refused in words."""
        person = self._person(owner)
        made: list[tuple[ServiceToken, str]] = []

        def add(book: Book) -> Book:
            changed, token, text = tokens.issue(
                book, owner, roles.capabilities(person.roles), name, days, capabilities,
                self._parts.clock(), self._parts.random)
            self._record(TOKEN_ADDED, actor, {
                "person": owner, "token": token.token_id, "name": token.name,
                "may": " ".join(sorted(capabilities))})
            made.append((token, text))
            return changed

        self._parts.accounts.change(add)
        return made[-1]

    def revoke_token(self, token_id: str, actor: str) -> None:
        """Not good from the next request on. Raises Refused when there is none."""
        if self._parts.accounts.read().token(token_id) is None:
            raise Refused("there is no such token")
        self._record(TOKEN_REVOKED, actor, {"token": token_id})
        self._parts.accounts.change(
            lambda book: tokens.revoke(book, token_id, self._parts.clock()))

    def _give(self, person: Person, actor: str, action: str, password: str | None, *,
              is_own: bool, **values: object) -> str:
        if not person.active:
            raise Refused(f"{person.person_id} is not active in access.toml")
        if password is not None:
            passwords.require_fit(password, words_of(person))
        text = password or passwords.initial(self._parts.random)
        hashed, now = self._parts.passwords.hashed(text), self._parts.clock()
        self._change(person.person_id, actor, action, lambda account: account.changed(
            now, password=hashed, must_change=not is_own,
            initial_until=None if is_own else now + INITIAL_DAYS * _DAY_MS, **values))
        self._parts.sessions.revoke_all(person.person_id)
        self._parts.lockout.clear(person.person_id)
        return text

    def _change(self, person_id: str, actor: str, action: str,
                change: Callable[[Account], Account]) -> None:
        if self._parts.accounts.read().of(person_id) is None:
            self._person(person_id)
        self._record(action, actor, {"person": person_id})
        # From here it is written down; a crash before the change leaves a record of what was tried.
        self._parts.accounts.change(lambda book: book.with_account(
            change(book.of(person_id) or Account(person_id))))

    def _person(self, person_id: str) -> Person:
        found = self._parts.policy().person(person_id)
        if found is None:
            raise Missing(f"access.toml names nobody with the id {person_id!r}; add a [[person]] "
                          "there first, with id, name and roles")
        return found

    def _record(self, action: str, actor: str, details: Mapping[str, str]) -> None:
        self._parts.records.record(action, actor, None, dict(details))
