"""Every way in, in a real browser: a second factor, the firm's own provider as a process, and what
each refusal looks like; a session that ends, and a form that is not of it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Page, Route, expect
from pyotp import TOTP

from search.access.totp import STEP_S
from tests.browser import firm
from tests.browser.conftest import PHONE, WIDE, Visit, Visitor
from tests.browser.firm import PASSWORD, Site
from tests.browser.test_pages import looked_at
from tests.e2e.installation import Installation, free_port
from tests.search.access.provider import SECRET, real_provider, says_of

LOOKS: Final = [(scheme, size) for scheme in ("light", "dark") for size in (WIDE, PHONE)]
# One for each look, for a test leaves an authenticator behind.
ENROLS: Final = ("mia.stone", "max.stone", "may.stone", "moe.stone")
# The same for tokens and new recovery codes, once wide and once on a telephone.
PROGRAMMERS: Final = (("ida.reed", ("light", WIDE)), ("ivo.reed", ("dark", PHONE)))
GUESSED: Final = "gil.moss"
COLLEAGUE: Final = "cara.voss"
LEAVER: Final = "leo.finch"
FEDERATED: Final = "fay.birch"
PEOPLE: Final = (*ENROLS, *(name for name, _ in PROGRAMMERS), GUESSED, COLLEAGUE, LEAVER)
ACCESS: Final = "\n".join(
    f'[[person]]\nid = "{name}"\nname = "{name.replace(".", " ").title()}"\n'
    f'roles = ["compliance"]\ngroups = ["*"]\nemail = "{name}@firm.example"\n'
    for name in (*PEOPLE, FEDERATED)) + "[settings]\nrequire_totp = false\n"
# What a browser says of every answer that is a refusal.
_REFUSED: Final = re.compile(r"error: Failed to load resource: .* status of (403|404|422|429) ")


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The firm's provider, a process of its own, and who it knows."""
    with real_provider() as found:
        for subject, name in (("fay", FEDERATED), ("stranger", "somebody.else")):
            says_of(found, subject, email=f"{name}@firm.example", email_verified=True)
        yield found


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, issuer: str) -> Iterator[Site]:
    """The real console of a firm that signs in with its provider, or with passwords. Its name is
    not the provider's: to a browser they are two sites."""
    home = tmp_path_factory.mktemp("signin") / "home"
    firm.build(home, ACCESS, PEOPLE)
    port, secret = free_port(), home / "oidc-secret"
    secret.touch(mode=0o600)
    secret.write_text(SECRET, "utf-8")
    (home / "counterfoil.toml").write_text(f"""\
[console]
public_url = "http://localhost:{port}"
oidc_issuer = "{issuer}"
oidc_client_id = "console"
oidc_client_secret_file = "{secret}"
oidc_name = "Sign in with the firm’s account"
""", "utf-8")
    with firm.serving(home, port) as found:
        yield found


def was_refused(visitor: Visitor) -> None:
    """The last answers were refusals, which a browser tells its console; nothing else was wrong."""
    visitor.page.wait_for_load_state("networkidle")
    assert [] == [said for said in visitor.wrong if not _REFUSED.match(said)]
    assert visitor.wrong
    visitor.wrong.clear()


def _typed(page: Page, code: str) -> None:
    """A code, and Enter."""
    page.fill("#code", code)
    page.keyboard.press("Enter")


def _until_code(visitor: Visitor, person: str) -> None:
    """Name and password are right: the code is asked for."""
    visitor.go("/sign-in")
    visitor.page.fill("#person", person)
    visitor.page.fill("#password", PASSWORD)
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.locator("h1")).to_have_text("Your code")


def _signed_out(visitor: Visitor) -> None:
    visitor.page.click("text=Sign out >> nth=0")
    visitor.page.wait_for_url("**/sign-in")


@pytest.mark.parametrize(("person", "look"), [*zip(ENROLS, LOOKS, strict=True)], ids=ENROLS)
def test_a_second_factor_from_the_first_scan_on(
        visit: Visit, shots: Path, person: str, look: tuple[str, tuple[int, int]]) -> None:
    """Made known on the account page; then a wrong code, one that was used, and the right one."""
    visitor: Visitor = visit(scheme=look[0], size=look[1])
    page, found = visitor.page, []

    def see(name: str) -> None:
        found.extend(looked_at(visitor, shots, f"signin-{name}", *look))

    visitor.sign_in(person)
    made, step, recovery = _enrolled(visitor, see)
    _signed_out(visitor)
    _until_code(visitor, person)
    see("code")
    _typed(page, _no_code(made, step))
    expect(page.locator("#problem")).to_contain_text("That code does not fit, or was used")
    see("code-wrong")
    # What made the telephone known is used up.
    _typed(page, made.generate_otp(step))
    expect(page.locator("#problem")).to_contain_text("That code does not fit, or was used")
    was_refused(visitor)
    _typed(page, made.generate_otp(step + 1))
    page.wait_for_url("**/search")
    _signed_out(visitor)
    _until_code(visitor, person)
    _typed(page, made.generate_otp(step + 1))
    expect(page.locator("#problem")).to_contain_text("That code does not fit, or was used")
    was_refused(visitor)
    _typed(page, recovery[0].lower())
    page.wait_for_url("**/search")
    visitor.go("/account")
    expect(page.locator("main")).to_contain_text("9 recovery codes")
    assert not found, "\n".join(found)


def _enrolled(visitor: Visitor, see: Callable[[str], None]) -> tuple[TOTP, int, list[str]]:
    """On the account page: (the authenticator, the step whose code was typed, recovery codes)."""
    page = visitor.page
    visitor.go("/account")
    page.fill("#totp-password", PASSWORD)
    page.click("text=Set up an authenticator")
    expect(page.locator("svg.qr")).to_be_visible()
    see("enrol")
    secret = page.locator("code.secret").inner_text().replace(" ", "")
    made, step = TOTP(secret), int(time.time()) // STEP_S
    _typed(page, made.generate_otp(step))
    expect(page.locator("h1")).to_have_text("Recovery codes")
    recovery = page.locator(".codes code").all_inner_texts()
    assert len({*recovery}) == 10
    see("recovery")
    page.click("text=I have kept them")
    page.wait_for_url("**/account")
    expect(page.locator("main")).to_contain_text("You have an authenticator, and 10 recovery codes")
    see("account-with-it")
    return made, step, recovery


@pytest.mark.parametrize(("person", "look"), PROGRAMMERS, ids=["wide", "phone"])
def test_new_recovery_codes_and_a_token_for_a_program(
        visit: Visit, shots: Path, person: str, look: tuple[str, tuple[int, int]]) -> None:
    """Each for password and code, shown once; the token lets a program in until it is revoked."""
    visitor: Visitor = visit(scheme=look[0], size=look[1])
    page, found = visitor.page, []

    def see(name: str) -> None:
        found.extend(looked_at(visitor, shots, f"signin-{name}", *look))

    visitor.sign_in(person)
    recovery = _enrolled(visitor, lambda _name: None)[2]
    codes = _new_codes(visitor, recovery)
    see("recovery-new")
    page.click("text=I have kept them")
    token = _new_token(visitor, see, codes)
    assert {"search", "view"} == {*_me(visitor, token).json()["capabilities"]}
    page.click("text=I have kept it")
    page.wait_for_url("**/account#tokens")
    row = page.locator("tr", has_text="nightly report")
    expect(row.locator("td[data-label='Last used'] time")).to_have_count(1)
    expect(page.locator("body")).not_to_contain_text(token.rsplit("_", maxsplit=1)[1])
    see("account-token")
    row.locator("button").click()
    expect(page.locator(".done")).to_contain_text("The token is revoked")
    expect(row).to_contain_text("revoked")
    see("account-token-revoked")
    assert _me(visitor, token).status_code == HTTPStatus.UNAUTHORIZED
    assert not found, "\n".join(found)


def _new_codes(visitor: Visitor, old: list[str]) -> list[str]:
    """Made on the account page, with a wrong password first."""
    page = visitor.page
    for password in ("not the password", PASSWORD):
        page.fill("#recovery-password", password)
        page.fill("#recovery-code", old[0])
        page.click("text=Make new recovery codes")
        if password != PASSWORD:
            expect(page.locator("#problem")).to_contain_text("Nothing was changed")
            was_refused(visitor)
    expect(page.locator("h1")).to_have_text("Recovery codes")
    codes = page.locator(".codes code").all_inner_texts()
    assert len({*codes}) == 10 and not {*codes} & {*old}
    return codes


def _new_token(visitor: Visitor, see: Callable[[str], None], codes: list[str]) -> str:
    """Made on the account page, by keyboard where it is short."""
    page = visitor.page
    expect(page.locator("main")).to_contain_text("You have none.")
    page.click("summary:has-text('Make a token')")
    see("account-token-form")
    page.fill("#token-name", "nightly report")
    page.fill("#token-days", "30")
    for one in ("search", "view"):
        page.check(f"input[name=may-{one}]")
    page.fill("#token-password", PASSWORD)
    page.fill("#token-code", codes[0])
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("A new token")
    see("token")
    return page.locator("code.token").inner_text()


def _me(visitor: Visitor, token: str) -> httpx.Response:
    """What the API says to a program that has it."""
    return httpx.get(f"{visitor.site.url}/api/v1/me", headers={"Authorization": f"Bearer {token}"})


def _no_code(made: TOTP, step: int) -> str:
    """Six digits that are none around now."""
    near = {made.generate_otp(step + number) for number in range(-3, 6)}
    return next(one for one in (f"{number:06}" for number in range(10)) if one not in near)


def test_guesses_have_to_wait_and_it_is_said(visit: Visit, shots: Path) -> None:
    """After five, for how long; the right password waits too, from any browser."""
    visitor: Visitor = visit()
    page = visitor.page
    for number in range(5):
        _tried(visitor, f"wrong {number}")
        expect(page.locator("#problem")).to_contain_text("That did not work")
    was_refused(visitor)
    for scheme, size in LOOKS:
        other: Visitor = visit(scheme=scheme, size=size)
        _tried(other, PASSWORD)
        expect(other.page.locator("#problem")).to_contain_text(
            re.compile("Too many attempts; wait [0-9]+ seconds and try again"))
        assert [] == looked_at(other, shots, "signin-wait", scheme, size)
        was_refused(other)


def _tried(visitor: Visitor, password: str) -> None:
    visitor.go("/sign-in")
    visitor.page.fill("#person", GUESSED)
    visitor.page.fill("#password", password)
    visitor.page.keyboard.press("Enter")


def _to_provider(visitor: Visitor, issuer: str) -> str:
    """A click, and the browser is at the provider; the state that it is to bring back."""
    # Its page wants a stylesheet of another machine, and an icon that it has not.
    for elsewhere in (re.compile("^https://"), f"{issuer}/favicon.ico"):
        visitor.context.route(elsewhere, lambda route: route.fulfill(status=204))
    visitor.page.click("text=Sign in with the firm’s account")
    visitor.page.wait_for_url(f"{issuer}/**")
    return parse_qs(urlsplit(visitor.page.url).query)["state"][0]


@pytest.mark.parametrize("look", LOOKS, ids=["light", "light phone", "dark", "dark phone"])
def test_the_firms_own_login(visit: Visit, shots: Path, issuer: str,
                             look: tuple[str, tuple[int, int]]) -> None:
    """To the provider and back to where one wanted; a session like any other."""
    visitor: Visitor = visit(scheme=look[0], size=look[1])
    page = visitor.page
    visitor.go("/search?q=cousin")
    found = looked_at(visitor, shots, "signin-provider", *look)
    _to_provider(visitor, issuer)
    page.fill("input[name=sub]", "fay")
    page.click("button:has-text('Authorize')")
    page.wait_for_url(visitor.site.url + "/search?q=cousin")
    expect(page.locator(".answer")).to_have_count(1)
    visitor.go("/account")
    expect(page.locator(".facts")).to_contain_text("your firm’s sign-in")
    expect(page.locator("#old")).to_have_count(0)
    found += looked_at(visitor, shots, "signin-provider-account", *look)
    assert not found, "\n".join(found)


def test_somebody_whom_this_console_does_not_know(visit: Visit, shots: Path, issuer: str) -> None:
    """The provider knows her, access.toml does not: said in words; and its answer is good once."""
    visitor: Visitor = visit()
    page = visitor.page
    visitor.go("/sign-in")
    _to_provider(visitor, issuer)
    page.fill("input[name=sub]", "stranger")
    page.click("button:has-text('Authorize')")
    expect(page.locator("#problem")).to_contain_text("does not let you in here")
    assert [] == looked_at(visitor, shots, "signin-provider-unknown", "light", WIDE)
    answered = page.url
    assert "/sign-in/callback?" in answered
    was_refused(visitor)
    page.goto(answered)
    expect(page.locator("#problem")).to_have_text(
        "This sign-in took too long, or was not begun in this browser; sign in again.")
    was_refused(visitor)
    visitor.go("/search")
    expect(page.locator("h1")).to_have_text("Sign in")


def test_a_sign_in_that_is_denied(visit: Visit, shots: Path, issuer: str) -> None:
    """In words, and nobody is in. The provider of this test forgets the state when it denies, which
    is an answer to nothing; so it is also said as RFC 6749 has it."""
    visitor: Visitor = visit()
    page = visitor.page
    visitor.go("/sign-in")
    _to_provider(visitor, issuer)
    page.click("button:has-text('Deny')")
    expect(page.locator("#problem")).to_contain_text("not begun here")
    was_refused(visitor)
    visitor.go("/sign-in")
    state = _to_provider(visitor, issuer)
    visitor.go(f"/sign-in/callback?error=access_denied&state={state}")
    expect(page.locator("#problem")).to_contain_text("The sign-in was cancelled")
    assert [] == looked_at(visitor, shots, "signin-provider-denied", "light", WIDE)
    was_refused(visitor)
    visitor.go("/search")
    expect(page.locator("h1")).to_have_text("Sign in")


def test_a_session_that_ended_elsewhere(visit: Visit, shots: Path) -> None:
    """The next click asks to sign in and leads back; a form of before does nothing, in words."""
    here, there = visit(), visit(size=PHONE, scheme="dark")
    here.sign_in(COLLEAGUE)
    there.sign_in(COLLEAGUE)
    there.go("/search?q=cousin")
    there.page.click(".menu summary")
    there.page.fill("#save-name", "Not kept")
    here.go("/account")
    here.page.click("text=Sign out everywhere else")
    expect(here.page.locator(".done")).to_contain_text("signed out")
    there.page.click(".menu button")
    expect(there.page.locator("h1")).to_have_text("The form was too old")
    expect(there.page.locator("main")).to_contain_text("Nothing was done")
    assert [] == looked_at(there, shots, "signin-old-form", "dark", PHONE)
    was_refused(there)
    there.go("/search?q=cousin")
    there.page.fill("#person", COLLEAGUE)
    there.page.fill("#password", PASSWORD)
    there.page.keyboard.press("Enter")
    there.page.wait_for_url("**/search?q=cousin")
    expect(there.page.locator("body")).not_to_contain_text("Not kept")


def test_somebody_who_leaves_is_out_with_the_next_click(visit: Visit) -> None:
    """`account disable`, while a page is open."""
    visitor: Visitor = visit()
    visitor.sign_in(LEAVER)
    visitor.go("/search?q=cousin")
    subprocess.run([sys.executable, "-m", "infra.cli", "account", "disable", LEAVER], check=True,
                   env=Installation(visitor.site.home).environment, capture_output=True)
    visitor.page.click(".answer [data-row]")
    expect(visitor.page.locator("h1")).to_have_text("Sign in")
    visitor.page.fill("#person", LEAVER)
    visitor.page.fill("#password", PASSWORD)
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.locator("#problem")).to_contain_text("That did not work")
    was_refused(visitor)


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
def test_a_form_with_another_token_is_refused_on_a_page_that_reads(
        visit: Visit, shots: Path, script: bool) -> None:
    """Within the frame of whoever is signed in; and nothing was done."""
    visitor: Visitor = visit(script=script)
    visitor.sign_in(COLLEAGUE)
    visitor.go("/account")
    page = visitor.page

    def with_another_token(route: Route) -> None:
        route.continue_(post_data=re.sub("csrf=[0-9a-f]{64}", "csrf=" + "0" * 64,
                                         route.request.post_data or ""))

    page.route("**/preferences", with_another_token)
    page.select_option("#zone-name", "Asia/Tokyo")
    with page.expect_response("**/preferences") as answer:
        page.click("text=Use it")
    assert answer.value.status == 403
    expect(page.locator("h1")).to_have_text("The form was too old")
    expect(page.locator("header nav a").first).to_be_visible()
    if script:
        assert [] == looked_at(visitor, shots, "signin-csrf", "light", WIDE)
        was_refused(visitor)
    visitor.wrong.clear()
    visitor.go("/account")
    expect(page.locator("#zone-name")).not_to_have_value("Asia/Tokyo")
