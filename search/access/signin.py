"""Signing in with a password, and what comes between it and a session: a code, a new password, a
telephone that is made known.

Owns the order of these steps. Each attempt counts before it is looked at. What is looked at is on
the log before it is answered; of what has to wait, that it began and once a minute how many. Every
refusal is one sentence: who does not get in learns neither whether the name exists nor which of
name, password and code was wrong.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from schemas.errors import Refused
from schemas.identity import canonical
from search.access import totp
from search.access.accounts import Account, Accounts, Book
from search.access.breakglass import Records
from search.access.cookies import new_secret
from search.access.lockout import Lockout
from search.access.lockout import TooManyAttempts as TooManyAttempts  # noqa: PLC0414 - with the rest
from search.access.passwords import CHARS_MAX, Passwords, Unfit, normal, require_fit
from search.access.people import AccessPolicy, Person
from search.access.sessions import PASSWORD, Live, Origin, Sessions
from search.access.state import Held, StateStore, hashed

# Actions of audit events.
SIGN_IN: Final = "sign_in"
SIGN_IN_STEP: Final = "sign_in_step"
SIGN_IN_FAILED: Final = "sign_in_failed"
SIGN_OUT: Final = "sign_out"
PASSWORD_CHANGED: Final = "password_changed"  # noqa: S105 - an action
TOTP_SET: Final = "totp_set"
RECOVERY_USED: Final = "recovery_code_used"

# Who acts when nobody of that name exists: what was typed may be a password in the wrong field.
NOBODY: Final = "(nobody)"
TICKET_MS: Final = 10 * 60_000
NAME_CHARS_MAX: Final = 200
_TICKET_CHARS_MAX: Final = 100
_CODE: Final = "code"
_NEW_PASSWORD: Final = "password"  # noqa: S105 - a step
_ENROL: Final = "totp"
_LABEL: Final = "counterfoil/enrol/v1"
_SECRET_BYTES: Final = 20


class NotSignedIn(Refused):
    """The one refusal of everything that did not let somebody in."""

    def __init__(self, message: str = "that did not let you in: the name, the password or the code "
                                      "is wrong, or the account is closed") -> None:
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Signed:
    """In. `secret`: what the cookie holds. `recovery`: codes to be shown this once."""

    secret: str
    live: Live
    recovery: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NeedsCode:
    """The password was right; the code of the telephone is missing."""

    ticket: str


@dataclass(frozen=True, slots=True)
class NeedsNewPassword:
    """The password was a one-time one."""

    ticket: str


@dataclass(frozen=True, slots=True)
class NeedsTotp:
    """A telephone has to be made known: `svg` is the QR code of `uri`; `secret` the same to type.
    """

    ticket: str
    secret: str
    uri: str
    svg: str


Step = Signed | NeedsCode | NeedsNewPassword | NeedsTotp


@dataclass(frozen=True, slots=True)
class Parts:
    """What signing in works with. `policy`: access.toml as it is now. `clock`: UTC ms. `issuer`:
    what an authenticator app calls us."""

    policy: Callable[[], AccessPolicy]
    accounts: Accounts
    state: StateStore
    records: Records
    passwords: Passwords
    sessions: Sessions
    lockout: Lockout
    clock: Callable[[], int]
    random: Callable[[int], bytes]
    issuer: str = "Counterfoil"


class SignIn:
    """Whoever has a ticket or a cookie from here has passed what stands before it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def any_account(self) -> bool:
        """Whether anybody could sign in with a password at all."""
        return any(one.password for one in self._parts.accounts.read().accounts)

    def begin(self, person: str, password: str, origin: Origin, code: str = "") -> Step:
        """The first step; with `code` the second as well.

        Raises NotSignedIn, TooManyAttempts, Transient (not recorded, or no state: nobody gets in).
        """
        found = find(self._parts.policy(), person)
        # What counts is the person, however the name was typed; or what was typed.
        counted = found.person_id if found is not None else _folded(person)
        self.charge(counted, found, origin)
        account = self._account(found)
        usable = _why_not(found, account, self._parts.clock()) is None
        fits = self._parts.passwords.matches(account.password if usable else "", password)
        if found is None or not usable or not fits:
            why = _why_not(found, account, self._parts.clock()) or "password"
            raise self.failed(found, why, origin)
        account = self._rehashed(account, password)
        charges = 1
        if code and account.totp:
            self._require_code(found, account, code, origin)
        return self._next(found, account, origin, charges, has_code=bool(code))

    def go_on(self, ticket: str, origin: Origin, *, code: str = "", password: str = "") -> Step:
        """The step that `ticket` is for. After a wrong code or an unfit password the ticket is
        still good. Raises as `begin`, and Unfit in words for a new password that is not taken."""
        held = self._parts.state.get(hashed("ticket", ticket[:_TICKET_CHARS_MAX]))
        if held is None:
            raise NotSignedIn("this took too long; sign in again")
        found = self._parts.policy().person(str(held.value["person"]))
        account = self._account(found)
        if found is None or _why_not(found, account, self._parts.clock()) is not None \
                or account.generation != held.value["generation"]:
            raise NotSignedIn
        step = str(held.value["step"])
        if step == _CODE:
            return self._coded(ticket, held, found, account, code, origin)
        if step == _NEW_PASSWORD:
            account = self._with_new_password(found, account, password, origin)
            self._drop(ticket)
            return self._next(found, account, origin, 0, has_code=True)
        if step == _ENROL:
            account, recovery = self.enrolled(found, account, ticket, code, origin)
            self._drop(ticket)
            signed = self._next(found, account, origin, 0, has_code=True)
            return replace(signed, recovery=recovery) if isinstance(signed, Signed) else signed
        raise NotSignedIn

    def open_for(self, person: str, origin: Origin, how: str) -> Signed:
        """A session for somebody who has shown in another way who she is (`how`). Recorded first.
        Raises NotSignedIn when she may not sign in."""
        found = self._parts.policy().person(person)
        account = self._account(found)
        if found is None or not found.active or account.disabled:
            raise self.failed(found, "closed", origin, how)
        return self._open(found, origin, how)

    def enrolment(self, person: Person, account: Account) -> NeedsTotp:
        """A telephone may be made known with this ticket."""
        ticket = self._ticket(person, account, _ENROL, 0)
        secret = _enrol_secret(ticket)
        uri = totp.uri(secret, person.person_id, self._parts.issuer)
        return NeedsTotp(ticket, secret, uri, totp.svg(uri))

    def enrolled(self, person: Person, account: Account, ticket: str, code: str, origin: Origin,
                 ) -> tuple[Account, tuple[str, ...]]:
        """(the account with its telephone, recovery codes). Every session of before is void."""
        parts, secret = self._parts, _enrol_secret(ticket)
        if not totp.use(parts.state, person.person_id, secret, code, parts.clock()):
            raise Unfit("the code does not fit; look whether the telephone's clock is right, wait "
                        "for the next code and type that one")
        recovery = totp.new_recovery_codes(parts.random)
        self.record(TOTP_SET, person.person_id, origin)
        # From here it is written down. A crash before the change: the account has no telephone,
        # and is asked for one again.
        return self._changed(account, totp=secret, recovery=tuple(
            totp.recovery_digest(one) for one in recovery)), recovery

    def code_fits(self, account: Account, code: str, origin: Origin) -> bool:
        """Whether it is a code of the telephone, or a recovery code; used up when True."""
        parts = self._parts
        if totp.use(parts.state, account.person_id, account.totp, code, parts.clock()):
            return True
        digest = totp.find_recovery(account.recovery, code)
        if digest is None:
            return False
        self.record(RECOVERY_USED, account.person_id, origin,
                    left=str(len(account.recovery) - 1))
        taken = False

        def without(book: Book) -> Book:
            nonlocal taken
            now = book.of(account.person_id)
            if now is None or digest not in now.recovery:
                return book
            taken = True
            return book.with_account(replace(now, recovery=tuple(
                one for one in now.recovery if one != digest)))

        parts.accounts.change(without)
        return taken

    def charge(self, counted: str | None, person: Person | None, origin: Origin,
               how: str = PASSWORD) -> None:
        """Count an attempt before it is looked at. `counted`: whose, null = of the address alone.

        Raises TooManyAttempts: that a wait began is on the log then, and once a minute how many
        came since. A record for each would let strangers fill what nobody can delete.
        """
        lockout = self._parts.lockout
        try:
            lockout.charge(counted, origin.address)
        except TooManyAttempts:
            count = lockout.to_record(counted, origin.address)
            if count:
                self.record(SIGN_IN_FAILED, person.person_id if person is not None else NOBODY,
                            origin, reason="wait", how=how, count=str(count))
            raise

    def failed(self, person: Person | None, reason: str, origin: Origin, how: str = PASSWORD,
               ) -> NotSignedIn:
        """To be raised; on the log when this returns."""
        self.record(SIGN_IN_FAILED, person.person_id if person is not None else NOBODY, origin,
                    reason=reason, how=how)
        return NotSignedIn()

    def record(self, action: str, actor: str, origin: Origin, **details: str) -> None:
        """On the log when this returns. Raises Transient: then nothing is answered."""
        self._parts.records.record(action, actor, None, {
            **{name: text for name, text in details.items() if text},
            "address": origin.address[:NAME_CHARS_MAX]})

    def _account(self, person: Person | None) -> Account:
        # Read for nobody as well: the same work.
        found = self._parts.accounts.read().of(person.person_id if person is not None else "")
        return found or Account(person.person_id if person is not None else "")

    def _rehashed(self, account: Account, password: str) -> Account:
        if not self._parts.passwords.is_outdated(account.password):
            return account
        kept = replace(account, password=self._parts.passwords.hashed(password))

        def put(book: Book) -> Book:
            now = book.of(account.person_id)
            return book.with_account(kept) if now == account else book

        return self._parts.accounts.change(put).of(account.person_id) or account

    def _require_code(self, person: Person, account: Account, code: str, origin: Origin) -> None:
        if not self.code_fits(account, code, origin):
            raise self.failed(person, "code", origin)

    def _coded(self, ticket: str, held: Held, person: Person, account: Account, code: str,
               origin: Origin) -> Step:
        self.charge(person.person_id, person, origin)
        self._require_code(person, account, code, origin)
        self._drop(ticket)
        return self._next(person, account, origin, int(held.value["charges"]) + 1, has_code=True)

    def _with_new_password(self, person: Person, account: Account, password: str, origin: Origin,
                           ) -> Account:
        require_fit(password, words_of(person))
        if self._parts.passwords.matches(account.password, password):
            raise Unfit("take another password than the one that you were given")
        hashed_password = self._parts.passwords.hashed(password)
        self.record(PASSWORD_CHANGED, person.person_id, origin)
        return self._changed(account, password=hashed_password, must_change=False,
                             initial_until=None)

    def _next(self, person: Person, account: Account, origin: Origin, charges: int, *,
              has_code: bool) -> Step:
        """What is still missing; a session when nothing is."""
        step = ""
        if account.totp and not has_code:
            step = _CODE
        elif account.must_change:
            step = _NEW_PASSWORD
        elif not account.totp and self._parts.policy().settings.require_totp:
            step = _ENROL
        if step != _CODE and charges:
            # Who she is is shown; what comes now is no guess any more.
            self._parts.lockout.forgive(person.person_id, origin.address, charges)
        if not step:
            return self._open(person, origin, PASSWORD)
        self.record(SIGN_IN_STEP, person.person_id, origin, step=step)
        if step == _CODE:
            return NeedsCode(self._ticket(person, account, step, charges))
        if step == _NEW_PASSWORD:
            return NeedsNewPassword(self._ticket(person, account, step, 0))
        return self.enrolment(person, account)

    def _open(self, person: Person, origin: Origin, how: str) -> Signed:
        self.record(SIGN_IN, person.person_id, origin, how=how)
        begun = self._parts.sessions.begin(person.person_id, how, origin)
        if begun is None:
            raise NotSignedIn  # closed at this very moment
        return Signed(*begun)

    def _changed(self, account: Account, **values: object) -> Account:
        """On disk when this returns. Raises NotSignedIn when somebody else changed it meanwhile."""
        changed = account.changed(self._parts.clock(), **values)

        def put(book: Book) -> Book:
            if book.of(account.person_id) != account:
                raise NotSignedIn("the account was changed at this moment; sign in again")
            return book.with_account(changed)

        self._parts.accounts.change(put)
        return changed

    def _ticket(self, person: Person, account: Account, step: str, charges: int) -> str:
        ticket = new_secret(self._parts.random)
        if not self._parts.state.put(hashed("ticket", ticket), {
                "person": person.person_id, "step": step, "generation": account.generation,
                "charges": charges}, self._parts.clock() + TICKET_MS, None):
            raise AssertionError("256 random bits came twice")
        return ticket

    def _drop(self, ticket: str) -> None:
        self._parts.state.remove(hashed("ticket", ticket))


def find(policy: AccessPolicy, typed: str) -> Person | None:
    """Whom a typed name means: an id exactly, or in letters of another case if only one fits."""
    name = typed.strip()
    if not name or len(name) > NAME_CHARS_MAX:
        return None
    exact = policy.person(name)
    if exact is not None:
        return exact
    folded = _folded(name)
    found = [one for one in policy.people if _folded(one.person_id) == folded]
    return found[0] if len(found) == 1 else None


def words_of(person: Person) -> tuple[str, ...]:
    """What somebody who knows her would guess first."""
    return person.person_id, person.name, person.email


def _folded(typed: str) -> str:
    return normal(typed.strip()[:CHARS_MAX]).casefold()


def _why_not(person: Person | None, account: Account, now: int) -> str | None:
    """Why no password lets her in, for the record only; null where one does."""
    if person is None:
        return "unknown"
    if not person.active or account.disabled:
        return "closed"
    if not account.password:
        return "no_password"
    if account.initial_until is not None and now >= account.initial_until:
        return "initial_expired"
    return None


def _enrol_secret(ticket: str) -> str:
    # Follows from the ticket, so that it lies nowhere until the telephone has shown that it has it.
    digest = hmac.new(ticket.encode(), canonical(_LABEL), hashlib.sha256).digest()
    return base64.b32encode(digest[:_SECRET_BYTES]).decode("ascii")
