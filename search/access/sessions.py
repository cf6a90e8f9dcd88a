"""Sessions: who is signed in, for how long, and how that ends.

Owns them. The cookie holds 256 random bits; the StateStore holds their SHA-256 and who it is. A
session ends by itself (idle, and after some hours whatever happens), by signing out, and with the
next request after the person's password, second factor or roles have changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from schemas.identity import canonical
from search.access.cookies import csrf_of, new_secret
from search.access.state import Held, StateStore, Value

_PREFIX: Final = "session:"
_LABEL: Final = "counterfoil/session/v1"
_ID_CHARS: Final = 16
_AGENT_CHARS_MAX: Final = 120
_SECRET_CHARS_MAX: Final = 100
# A request renews the idle clock, but not each one writes.
RENEW_EVERY_MS: Final = 60_000
PASSWORD: Final = "password"  # noqa: S105 - how somebody signed in
OIDC: Final = "oidc"
TOKEN: Final = "token"  # noqa: S105 - likewise
DEMO: Final = "demo"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from, as far as the server can tell."""

    address: str
    agent: str = ""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """`idle_s` without a request, and `longest_s` in all, end a session."""

    idle_s: int = 30 * 60
    longest_s: int = 10 * 3_600


@dataclass(frozen=True, slots=True)
class Live:
    """Somebody who is signed in. `session`: a public id, for records and lists. `csrf`: what the
    forms of this session carry; "" in a list. `how`: password, oidc, token or demo.
    `capabilities`: no more than these (a token's); null = all that the person has. Times: UTC ms.
    """

    person: str
    session: str
    csrf: str
    began_at: int
    seen_at: int
    idle_until: int
    until: int
    how: str
    address: str = ""
    agent: str = ""
    capabilities: frozenset[str] | None = None


class Sessions:
    """Begins, checks and ends sessions; for all processes."""

    def __init__(self, state: StateStore, standing: Callable[[str], str | None],
                 clock: Callable[[], int], random: Callable[[int], bytes],
                 settings: Callable[[], SessionSettings] = SessionSettings) -> None:
        """`standing`: what a person's sessions rest on now; null = she may not be signed in
        (accounts.standing_of). `settings`: as the file says now."""
        self._state = state
        self._standing = standing
        self._clock = clock
        self._random = random
        self._settings = settings

    def begin(self, person: str, how: str, origin: Origin) -> tuple[str, Live] | None:
        """(what the cookie holds, the session), under a new id each time; null when the person
        may not be signed in."""
        standing = self._standing(person)
        if standing is None:
            return None
        secret, now = new_secret(self._random), self._clock()
        value: Value = {
            "person": person, "standing": standing, "how": how, "began_at": now, "seen_at": now,
            "until": now + self._settings().longest_s * 1000,
            "address": origin.address[:_AGENT_CHARS_MAX],
            "agent": origin.agent[:_AGENT_CHARS_MAX]}
        expires_at = self._expires(value)
        if not self._state.put(_key(secret), value, expires_at, None):
            raise AssertionError("256 random bits came twice")
        return secret, _live(_key(secret), Held(dict(value), 0, expires_at), csrf_of(secret))

    def check(self, secret: str) -> Live | None:
        """The session of this cookie, renewed; null when there is none (any more)."""
        if not secret or len(secret) > _SECRET_CHARS_MAX:
            return None
        key = _key(secret)
        held = self._state.get(key)
        if held is None:
            return None
        if self._standing(str(held.value["person"])) != held.value["standing"]:
            # Disabled, or password, second factor or roles changed: sign in again.
            self._state.remove(key)
            return None
        return _live(key, self._renewed(key, held), csrf_of(secret))

    def end(self, secret: str) -> None:
        """Signed out, for every process, when this returns."""
        self._state.remove(_key(secret[:_SECRET_CHARS_MAX]))

    def of(self, person: str) -> tuple[Live, ...]:
        """Every session of a person, the newest first."""
        return tuple(sorted((one for one in self.all() if one.person == person),
                            key=lambda one: one.began_at, reverse=True))

    def all(self) -> tuple[Live, ...]:
        """Every session of everybody."""
        return tuple(_live(key, held, "") for key, held in self._state.scan(_PREFIX))

    def revoke(self, person: str, session: str) -> bool:
        """End one session of this person's by its public id; whether there was one."""
        if len(session) != _ID_CHARS:
            return False
        ended = False
        for key, held in list(self._state.scan(_PREFIX + session if session.isalnum() else "-")):
            if held.value["person"] == person:
                self._state.remove(key)
                ended = True
        return ended

    def revoke_all(self, person: str, but: str = "") -> int:
        """End all of a person's sessions, but the one with the public id `but`; how many."""
        ended = 0
        for key, held in list(self._state.scan(_PREFIX)):
            if held.value["person"] == person and _public(key) != but:
                self._state.remove(key)
                ended += 1
        return ended

    def _renewed(self, key: str, held: Held) -> Held:
        now = self._clock()
        if now - int(held.value["seen_at"]) < RENEW_EVERY_MS:
            return held
        value = {**held.value, "seen_at": now}
        expires_at = self._expires(value)
        # Another request may renew, or end, it at the same moment: then this one changes nothing.
        if not self._state.put(key, value, expires_at, held):
            return held
        return Held(value, held.version, expires_at)

    def _expires(self, value: Value) -> int:
        return min(int(value["seen_at"]) + self._settings().idle_s * 1000, int(value["until"]))


def _key(secret: str) -> str:
    return _PREFIX + hashlib.sha256(canonical(_LABEL, secret)).hexdigest()


def _public(key: str) -> str:
    return key.removeprefix(_PREFIX)[:_ID_CHARS]


def _live(key: str, held: Held, csrf: str) -> Live:
    value = held.value
    return Live(str(value["person"]), _public(key), csrf, int(value["began_at"]),
                int(value["seen_at"]), held.expires_at, int(value["until"]), str(value["how"]),
                str(value["address"]), str(value["agent"]))
