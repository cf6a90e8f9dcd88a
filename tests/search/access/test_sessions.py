"""Sessions: how long they last, how they end, what is kept of them."""

from __future__ import annotations

import pytest

from schemas.errors import Transient
from search.access import cookies
from search.access.sessions import PASSWORD, RENEW_EVERY_MS, Live, Origin, Sessions
from tests.search.access.signin_world import ANNA, BEN, DESK, HOUR, MINUTE, Firm


@pytest.fixture
def firm() -> Firm:
    """Anna and Ben have accounts; 30 minutes of rest, 10 hours in all."""
    made = Firm()
    made.has(ANNA)
    made.has(BEN)
    return made


@pytest.fixture
def sessions(firm: Firm) -> Sessions:
    """Over the fake state."""
    return firm.parts.sessions


def began(sessions: Sessions, person: str = "a.novak", origin: Origin = DESK) -> tuple[str, Live]:
    """A session of a person's."""
    made = sessions.begin(person, PASSWORD, origin)
    assert made is not None
    return made


def test_a_session_is_who_began_it(sessions: Sessions) -> None:
    """Person, origin, and a form token that belongs to the cookie."""
    secret, live = began(sessions)
    found = sessions.check(secret)
    assert found == live
    assert ("a.novak", "password", "192.0.2.10", None) == (
        found.person, found.how, found.address, found.capabilities)
    assert cookies.csrf_ok(secret, found.csrf)


def test_nothing_else_is_a_session(sessions: Sessions) -> None:
    """Not its public id, not half of it, not an empty cookie, not a long one."""
    secret, live = began(sessions)
    for wrong in ("", live.session, secret[:-1], secret + "A", "x" * 10_000, secret.swapcase()):
        assert sessions.check(wrong) is None


def test_only_a_hash_is_kept(firm: Firm, sessions: Sessions) -> None:
    """Who reads the state cannot sign in with it, nor make a form."""
    secret, live = began(sessions)
    kept = str(list(firm.state.scan("")))
    assert secret not in kept
    assert live.csrf not in kept
    assert 43 == len(secret)


def test_rest_ends_it(firm: Firm, sessions: Sessions) -> None:
    """Each request begins the rest anew; 30 minutes without one end it."""
    secret, _ = began(sessions)
    for _ in range(4):
        firm.clock.now += 29 * MINUTE
        assert sessions.check(secret) is not None
    firm.clock.now += 30 * MINUTE
    assert sessions.check(secret) is None


def test_ten_hours_end_it_whatever_happens(firm: Firm, sessions: Sessions) -> None:
    """However busy it is."""
    secret, live = began(sessions)
    for _ in range(10 * 60 // 20 - 1):
        firm.clock.now += 20 * MINUTE
        assert sessions.check(secret) is not None
    firm.clock.now = live.began_at + 10 * HOUR
    assert sessions.check(secret) is None


def test_a_busy_session_writes_once_a_minute(firm: Firm, sessions: Sessions) -> None:
    """Not with each request."""
    secret, _ = began(sessions)
    puts = firm.state.puts
    for _ in range(50):
        firm.clock.now += RENEW_EVERY_MS // 50
        assert sessions.check(secret) is not None
    assert puts + 1 == firm.state.puts


def test_signing_out_ends_it(sessions: Sessions) -> None:
    """For every process; twice is no error."""
    secret, _ = began(sessions)
    sessions.end(secret)
    sessions.end(secret)
    assert sessions.check(secret) is None


@pytest.mark.parametrize("what", ["password", "totp", "disabled", "roles", "inactive", "nobody"])
def test_what_it_rests_on_ends_it(firm: Firm, sessions: Sessions, what: str) -> None:
    """A change of password, telephone or roles, or a closed account: with the next request."""
    secret, _ = began(sessions)
    bens, _ = began(sessions, "b.ito")
    if what == "roles":
        firm.becomes(ANNA, roles=("supervisor", "compliance"))
    elif what == "inactive":
        firm.becomes(ANNA, active=False)
    elif what == "nobody":
        firm.becomes(ANNA, person_id="another")
    else:
        value = True if what == "disabled" else "changed"
        account = firm.account(ANNA).changed(firm.clock(), **{what: value})
        firm.accounts.book = firm.accounts.book.with_account(account)
    assert sessions.check(secret) is None
    assert [] == [one for one in sessions.all() if one.person == "a.novak"]
    assert sessions.check(bens) is not None


def test_what_it_does_not_rest_on_lets_it_be(firm: Firm, sessions: Sessions) -> None:
    """Another group, another matter: the scope is looked up with each request anyway."""
    secret, _ = began(sessions)
    firm.becomes(ANNA, groups=("litigation",), name="Anna N.", email="other@firm.example")
    assert sessions.check(secret) is not None


def test_who_may_not_sign_in_gets_none(firm: Firm, sessions: Sessions) -> None:
    """Unknown, inactive, disabled."""
    firm.has(BEN, disabled=True)
    for person in ("nobody", "gone", "b.ito"):
        assert sessions.begin(person, PASSWORD, DESK) is None
    assert () == sessions.all()


def test_one_sees_and_ends_ones_own(firm: Firm, sessions: Sessions) -> None:
    """By the public id; another's are neither shown nor ended."""
    secret, first = began(sessions)
    firm.clock.now += 1
    other, second = began(sessions)
    bens, his = began(sessions, "b.ito")
    assert [second.session, first.session] == [one.session for one in sessions.of("a.novak")]
    assert "" == sessions.of("a.novak")[0].csrf
    assert not sessions.revoke("a.novak", his.session)
    assert sessions.revoke("a.novak", first.session)
    assert not sessions.revoke("a.novak", first.session)
    assert sessions.check(secret) is None
    assert sessions.check(other) is not None
    assert sessions.check(bens) is not None
    for wrong in ("", "x", "session:", "*" * 16, "a" * 16):
        assert not sessions.revoke("a.novak", wrong)


def test_all_but_this_one(sessions: Sessions) -> None:
    """Signed in at a machine that one has left."""
    mine, live = began(sessions)
    others = [began(sessions)[0] for _ in range(3)]
    assert 3 == sessions.revoke_all("a.novak", but=live.session)
    assert sessions.check(mine) is not None
    assert [None] * 3 == [sessions.check(one) for one in others]
    assert 1 == sessions.revoke_all("a.novak")


def test_a_long_agent_is_cut(sessions: Sessions) -> None:
    """What a stranger sends is bounded."""
    _, live = began(sessions, origin=Origin("a" * 5_000, "b" * 5_000))
    assert 120 == len(live.agent) == len(live.address)


def test_without_state_nobody_is_signed_in(firm: Firm, sessions: Sessions) -> None:
    """An error, never a guess."""
    secret, _ = began(sessions)
    firm.state.is_away = True
    with pytest.raises(Transient):
        sessions.check(secret)


def test_a_form_belongs_to_its_cookie(firm: Firm) -> None:
    """Another cookie's form token does not fit; nothing fits no cookie."""
    first, second = cookies.new_secret(firm.random), cookies.new_secret(firm.random)
    assert cookies.csrf_ok(first, cookies.csrf_of(first))
    assert not cookies.csrf_ok(first, cookies.csrf_of(second))
    assert not cookies.csrf_ok(first, "")
    assert not cookies.csrf_ok(first, "é")
    assert not cookies.csrf_ok("", cookies.csrf_of(""))
    assert first not in cookies.csrf_of(first)


@pytest.mark.parametrize(("url", "name", "secure"), [
    ("https://counterfoil.firm.example", "__Host-counterfoil", True),
    ("https://localhost:8090", "__Host-counterfoil", True),
    ("http://127.0.0.1:8090", "counterfoil", False),
    ("http://localhost:8090", "counterfoil", False),
    ("http://[::1]:8090", "counterfoil", False),
    # Never served (Config.console_url refuses it); if it were, the browser would keep no cookie.
    ("http://firm.example", "__Host-counterfoil", True),
    ("http://localhost.evil.example", "__Host-counterfoil", True),
])
def test_cookies_are_secure_but_on_this_machine(url: str, name: str, secure: bool) -> None:
    """Plain http on loopback is the one exception."""
    assert (name, secure) == (cookies.name(cookies.SESSION_COOKIE, url), cookies.secure(url))
