"""One-time codes: the window, once each, recovery codes."""

from __future__ import annotations

import itertools
import re

import pyotp
import pytest

from search.access import totp
from tests.fakes.state import FakeState
from tests.search.access.signin_world import Clock

# RFC 6238 Appendix B: the secret, and the last six digits of its codes for SHA-1.
RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
RFC_CODES = {59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924",
             2000000000: "279037", 20000000000: "353130"}
START = 1_700_000_010_000  # in the middle of a step


def code_at(secret: str, at_ms: int) -> str:
    """What the telephone shows."""
    return pyotp.TOTP(secret).at(at_ms // 1000)


@pytest.mark.parametrize(("at_s", "code"), RFC_CODES.items())
def test_the_codes_are_those_of_the_rfc(at_s: int, code: str) -> None:
    """So that every app agrees."""
    assert at_s // 30 == totp.step_of(RFC_SECRET, code, at_s * 1000)


def test_one_step_around_is_taken_and_no_more() -> None:
    """A clock may be half a minute off."""
    for steps, good in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
        code = code_at(RFC_SECRET, START + steps * 30_000)
        assert good == (totp.step_of(RFC_SECRET, code, START) is not None)


@pytest.mark.parametrize("code", [
    "", "12345", "1234567", "abcdef", "２８７０８２", "287 08", "-87082"])
def test_what_is_no_code_is_none(code: str) -> None:
    """Six ASCII digits; spaces are the app's own."""
    assert totp.step_of(RFC_SECRET, code, 59_000) is None
    assert totp.step_of(RFC_SECRET, " 287 082 ", 59_000) == 1


def test_a_code_is_good_once() -> None:
    """For every process; and after a later one no earlier one is."""
    clock = Clock(START)
    state = FakeState(clock)
    now = code_at(RFC_SECRET, START)
    before = code_at(RFC_SECRET, START - 30_000)
    after = code_at(RFC_SECRET, START + 30_000)
    assert totp.use(state, "anna", RFC_SECRET, now, START)
    assert not totp.use(state, "anna", RFC_SECRET, now, START)
    assert not totp.use(state, "anna", RFC_SECRET, before, START)
    assert totp.use(state, "anna", RFC_SECRET, after, START)
    assert not totp.use(state, "anna", RFC_SECRET, now, START)
    assert totp.use(state, "ben", RFC_SECRET, now, START)


def test_a_code_stays_used_for_as_long_as_it_would_be_good() -> None:
    """The state outlives the window."""
    clock = Clock(START)
    state = FakeState(clock)
    code = code_at(RFC_SECRET, START + 30_000)
    assert totp.use(state, "anna", RFC_SECRET, code, START)
    clock.now = START + 60_000
    assert totp.step_of(RFC_SECRET, code, clock.now) is not None
    assert not totp.use(state, "anna", RFC_SECRET, code, clock.now)


def test_the_uri_is_what_apps_read() -> None:
    """Secret, person and issuer; and the secret is as long as the hash."""
    secret = totp.new_secret(lambda size: bytes(range(size)))
    read = pyotp.parse_uri(totp.uri(secret, "a.novak@x", "Counterfoil & Co"))
    assert (secret, "a.novak@x", "Counterfoil & Co") == (read.secret, read.name, read.issuer)
    assert 20 == len(read.byte_secret())


def test_the_qr_code_is_drawn_here() -> None:
    """An <svg> without script, style or reference; its modules are the text's."""
    drawn = totp.svg("otpauth://totp/x?secret=ABC")
    assert drawn.startswith("<svg")
    assert not re.search(r"script|style=|href|xlink|url\(|@import|javascript", drawn)
    assert drawn != totp.svg("otpauth://totp/x?secret=ABD")


def test_recovery_codes_are_kept_as_hashes() -> None:
    """Ten; found however they are typed; the wrong one is not."""
    numbers = itertools.count(1)
    made = totp.new_recovery_codes(lambda size: next(numbers).to_bytes(size, "big"))
    assert 10 == len(set(made))
    kept = [totp.recovery_digest(one) for one in made]
    assert all(re.fullmatch(r"[A-Z2-7]{4}(-[A-Z2-7]{4}){3}", one) for one in made)
    assert kept[3] == totp.find_recovery(kept, made[3])
    assert kept[3] == totp.find_recovery(kept, made[3].lower().replace("-", " "))
    assert totp.find_recovery(kept, "AAAA-AAAA-AAAA-AAAA") is None
    assert totp.find_recovery(kept, "") is None
    assert totp.find_recovery([], made[0]) is None
