"""What somebody does on the own account page beside password and sessions: recovery codes, and
tokens for programs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import httpx
import pytest

from search.access import roles, tokens
from search.access.people import Person
from search.access.totp import recovery_digest
from tests.search.access.signin_world import DAY, DESK, GOOD
from tests.search.access.test_accounts import RECOVERY, SECRET
from tests.search.access.test_totp import code_at
from tests.web.office import ADMINISTRATOR, COMPLIANCE, REVIEWER, Browser, Office, filled

_TOKEN: Final = re.compile(r"cf_[0-9a-f]{16}_[0-9a-f]{64}")
_CODE: Final = re.compile(r"<li><code>([^<]+)</code></li>")
_NOT_KNOWN: Final = '<span class="muted">not known</span>'
REPORT: Final = {"name": "nightly report", "days": "30", "may-search": "yes", "may-view": "yes",
                 "password": GOOD}


def _signed(office: Office, person: Person = COMPLIANCE) -> Browser:
    browser = Browser(office)
    browser.sign_in(person)
    browser.get("/account")
    return browser


def _with_telephone(office: Office) -> Browser:
    """Signed in; then the account has an authenticator and one recovery code."""
    browser = _signed(office)
    office.firm.has(COMPLIANCE, totp=SECRET, recovery=(recovery_digest(RECOVERY),))
    browser.get("/account")
    return browser


def _post(browser: Browser, path: str, form: Mapping[str, str]) -> httpx.Response:
    return browser.ask("POST", path, data={"csrf": browser.csrf, **form})


def _code(office: Office) -> str:
    return code_at(SECRET, office.firm.clock.now)


def _made(browser: Browser, **more: str) -> str:
    answer = _post(browser, "/account/tokens", {**REPORT, **more})
    assert answer.status_code == 200, answer.text
    (token,) = set(_TOKEN.findall(answer.text))
    browser.get("/account")
    return str(token)


def test_new_recovery_codes_are_shown_once_and_end_the_old() -> None:
    """For password and code; recorded; the page afterwards says how many and not which."""
    office = filled()
    browser = _with_telephone(office)
    answer = browser.post("/account/recovery", password=GOOD, code=_code(office))
    codes = _CODE.findall(answer.text)
    assert (200, 10) == (answer.status_code, len(set(codes)))
    assert "no-store" == answer.headers["cache-control"]
    assert "recovery_codes_made" == office.firm.records.actions[-1]
    kept = office.firm.account(COMPLIANCE).recovery
    assert {recovery_digest(one) for one in codes} == set(kept)
    assert recovery_digest(RECOVERY) not in kept
    page = browser.get("/account").text
    assert "10 recovery codes" in page and not any(one in page for one in codes)


@pytest.mark.parametrize(("password", "code"), [("wrong", ""), (GOOD, "000000"), (GOOD, "")])
def test_recovery_codes_are_not_for_an_open_session_alone(password: str, code: str) -> None:
    """Whoever sits down at it changes nothing, and is told so; each guess is on record."""
    office = filled()
    browser = _with_telephone(office)
    answer = browser.post("/account/recovery", password=password, code=code)
    assert 403 == answer.status_code and "Nothing was changed." in answer.text
    assert (recovery_digest(RECOVERY),) == office.firm.account(COMPLIANCE).recovery
    assert "sign_in_failed" == office.firm.records.actions[-1]


def test_guesses_at_recovery_codes_wait() -> None:
    """As at sign-in: after five, 429 with the seconds."""
    office = filled()
    browser = _with_telephone(office)
    for _ in range(5):
        browser.post("/account/recovery", password="wrong", code=_code(office))
    answer = browser.post("/account/recovery", password=GOOD, code=_code(office))
    assert 429 == answer.status_code and int(answer.headers["retry-after"]) > 0
    assert (recovery_digest(RECOVERY),) == office.firm.account(COMPLIANCE).recovery


def test_without_a_telephone_there_are_no_recovery_codes() -> None:
    """Neither the form nor an answer to it but words."""
    office = filled()
    browser = _signed(office)
    assert "/account/recovery" not in browser.get("/account").text
    answer = browser.post("/account/recovery", password=GOOD)
    assert 422 == answer.status_code and "an authenticator first" in answer.text
    assert () == office.firm.account(COMPLIANCE).recovery


def test_a_token_is_made_listed_and_revoked() -> None:
    """Shown once, with what it is for; good at once, dead with the next request after its end."""
    office = filled()
    browser = _signed(office)
    token = _made(browser)
    (kept,) = office.firm.accounts.book.tokens
    assert ("nightly report", COMPLIANCE.person_id, 30 * DAY) == (
        kept.name, kept.owner, kept.expires_at - kept.created_at)
    assert {roles.SEARCH, roles.VIEW} == kept.capabilities
    assert "token_added" == office.firm.records.actions[-1]
    page = browser.get("/account").text
    assert "nightly report" in page and "search messages; open a message" in page
    assert token not in page and token.split("_")[2] not in page
    assert _NOT_KNOWN in page
    live = office.firm.gate.bearer(f"Bearer {token}", DESK)
    assert kept.token_id == live.session
    used = office.firm.clock.now // DAY * DAY
    page = browser.get("/account").text
    assert f'<time datetime="{_day(used)}">' in page and _NOT_KNOWN not in page
    answer = browser.post("/account/tokens/revoke", token=kept.token_id)
    assert (303, "/account?done=token") == (answer.status_code, answer.headers["location"])
    assert "revoked" in browser.get("/account").text
    assert office.firm.accounts.book.tokens[0].revoked_at is not None
    assert "token_revoked" == office.firm.records.actions[-1]


@pytest.mark.parametrize(("more", "words"), [
    ({"name": " "}, "a name of 1 to 80"), ({"name": "x" * 81}, "a name of 1 to 80"),
    ({"days": "0"}, "1 to 366 days"), ({"days": "367"}, "1 to 366 days"),
    ({"days": "-1"}, "1 to 366 days"), ({"days": "9" * 50}, "1 to 366 days"),
    ({"days": "x"}, "1 to 366 days"), ({"may-privileged": "yes"}, "no more than its owner"),
    ({"may-tokens": "yes"}, "only a person may do that"),
    ({"may-break_glass": "yes"}, "only a person may do that")])
def test_a_token_that_cannot_be_is_refused_in_words(more: dict[str, str], words: str) -> None:
    """The form stays as it was filled in, without the password."""
    office = filled()
    browser = _signed(office)
    answer = _post(browser, "/account/tokens", {**REPORT, **more})
    assert 422 == answer.status_code and words in answer.text
    assert "<details open>" in answer.text and GOOD not in answer.text
    assert 'name="may-search" value="yes" checked' in answer.text
    assert () == office.firm.accounts.book.tokens


def test_a_token_that_may_nothing_is_refused() -> None:
    """Nothing was ticked; a tick for what there is not is none."""
    office = filled()
    browser = _signed(office)
    answer = _post(browser, "/account/tokens", {
        "name": "x", "days": "1", "password": GOOD, "may-everything": "yes"})
    assert 422 == answer.status_code and "Say what the token may do." in answer.text


def test_a_token_takes_the_password_again() -> None:
    """And the code where there is one: it outlives the session."""
    office = filled()
    browser = _with_telephone(office)
    for more in ({"password": "wrong"}, {"code": "000000"}, {"password": ""}):
        answer = _post(browser, "/account/tokens", {
            **REPORT, "code": _code(office), **more})
        assert 403 == answer.status_code, more
    assert () == office.firm.accounts.book.tokens
    _made(browser, code=_code(office))


def test_who_signs_in_elsewhere_makes_a_token_soon_after() -> None:
    """There is no password to ask for: the session has to be young."""
    office = filled()
    browser = _signed(office)
    office.firm.has(COMPLIANCE, password="", subject="provider#ben")
    page = browser.get("/account").text
    assert 'id="token-name"' in page and 'id="token-password"' not in page
    _made(browser)
    office.firm.clock.now += 11 * 60_000
    answer = _post(browser, "/account/tokens", REPORT)
    assert 422 == answer.status_code and "sign in again" in answer.text
    assert 1 == len(office.firm.accounts.book.tokens)


@pytest.mark.parametrize("person", [REVIEWER, ADMINISTRATOR], ids=["reviewer", "administrator"])
def test_tokens_are_for_roles_that_may_have_them(person: Person) -> None:
    """For others the page has no word of them, and the try is denied and recorded."""
    office = filled()
    browser = _signed(office, person)
    assert "Tokens for programs" not in browser.get("/account").text
    assert 403 == _post(browser, "/account/tokens", REPORT).status_code
    assert ["/account/tokens"] == [one["route"] for one in office.denials]
    assert () == office.firm.accounts.book.tokens


def test_a_token_that_an_operator_made_is_its_owners_to_end() -> None:
    """Also of somebody who may make none: seen and revoked, and no form to make another."""
    office = filled()
    made, _ = office.firm.admin.add_token(REVIEWER.person_id, "operator", "feed", 5,
                                          frozenset({roles.SEARCH}))
    browser = _signed(office, REVIEWER)
    page = browser.get("/account").text
    assert "feed" in page and "Make a token" not in page
    assert 303 == browser.post("/account/tokens/revoke", token=made.token_id).status_code
    assert not tokens.is_good(office.firm.accounts.book.tokens[0], office.firm.clock.now)


def test_nobody_ends_anothers_token() -> None:
    """Another's, and one that is none: the same answer, and nothing is recorded as done."""
    office = filled()
    made, _ = office.firm.admin.add_token(REVIEWER.person_id, "operator", "feed", 5,
                                          frozenset({roles.SEARCH}))
    browser = _signed(office)
    written = len(office.firm.records.said)
    pages = [browser.post("/account/tokens/revoke", token=one)
             for one in (made.token_id, "0" * 16, "", "x" * 5_000)]
    assert {404} == {one.status_code for one in pages}
    assert written == len(office.firm.records.said)
    assert tokens.is_good(office.firm.accounts.book.tokens[0], office.firm.clock.now)


def test_what_cannot_be_recorded_is_not_done() -> None:
    """The log is away: no codes, no token, no end of one."""
    office = filled()
    browser = _with_telephone(office)
    _made(browser, code=_code(office))
    office.firm.clock.now += 60_000
    before = office.firm.accounts.book
    office.firm.records.is_away = True
    token_id = before.tokens[0].token_id
    for path, form in (("/account/recovery", {"password": GOOD}), ("/account/tokens", REPORT),
                       ("/account/tokens/revoke", {"token": token_id})):
        answer = _post(browser, path, {**form, "code": _code(office)})
        assert 503 == answer.status_code, path
        office.firm.clock.now += 60_000
    assert before == office.firm.accounts.book


@pytest.mark.parametrize("path", ["/account/recovery", "/account/tokens",
                                  "/account/tokens/revoke"])
def test_a_form_of_another_page_does_nothing(path: str) -> None:
    """Without this session's form token."""
    office = filled()
    browser = _with_telephone(office)
    before = office.firm.accounts.book
    answer = browser.ask("POST", path, data={**REPORT, "csrf": "0" * 64, "code": _code(office)})
    assert (403, before) == (answer.status_code, office.firm.accounts.book)
    assert ["form"] == [one["why"] for one in office.denials]


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).date().isoformat()
