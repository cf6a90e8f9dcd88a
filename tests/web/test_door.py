"""What every request passes and every answer carries."""

from __future__ import annotations

import re

import pytest

from infra.console import Pace
from schemas.errors import Halt, Transient
from search.web.app import FORM_BYTES_MAX
from search.web.ask import local
from tests.search.access.signin_world import GOOD
from tests.web.office import COMPLIANCE, REVIEWER, URL, Browser, Office, filled


def test_every_answer_has_the_headers() -> None:
    """Pages, errors and files of ours: nothing of another origin, nothing inline, nothing kept."""
    browser = Browser(filled())
    browser.sign_in(COMPLIANCE)
    for path in ("/sign-in", "/search?q=hello", "/nowhere", "/help", "/healthz"):
        headers = browser.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy, path
        assert "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
        assert ("no-store", "no-referrer", "nosniff", "same-origin", "same-origin") == tuple(
            headers[name] for name in (
                "cache-control", "referrer-policy", "x-content-type-options",
                "cross-origin-opener-policy", "cross-origin-resource-policy")), path


def test_no_page_holds_a_script_or_a_style() -> None:
    """The content policy would refuse them; they are not there to be refused."""
    browser = Browser(filled())
    browser.sign_in(COMPLIANCE)
    for path in ("/sign-in", "/search", "/search?q=hello", "/help", "/account"):
        text = browser.get(path).text
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text), path
        assert re.findall(r"<script[^>]*>([^<]*)</script>", text) in ([], [""])


def test_only_our_own_name_is_answered() -> None:
    """Another Host, or two of them: refused before anything is looked at."""
    browser = Browser(filled())
    assert 421 == browser.get("/sign-in", host="evil.example").status_code
    assert 200 == browser.get("/sign-in", host="127.0.0.1:8090").status_code
    assert 204 == browser.get("/healthz", host="10.0.0.7").status_code
    assert "" == browser.get("/healthz").text


def test_another_sites_page_gets_nothing() -> None:
    """It may link here; it may not load us into itself, nor send our forms."""
    office = filled()
    browser = Browser(office)
    browser.sign_in(COMPLIANCE)
    cross = {"sec_fetch_site": "cross-site"}
    assert 403 == browser.get("/search?q=hello", **cross, sec_fetch_mode="no-cors",
                              sec_fetch_dest="image").status_code
    assert [] == office.recorder.recorded
    assert 200 == browser.get("/search?q=hello", **cross, sec_fetch_mode="navigate",
                              sec_fetch_dest="document").status_code
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"},
                    {"sec-fetch-site": "cross-site"}):
        assert 403 == browser.post("/sign-out", headers=headers).status_code, headers
    assert 303 == browser.post("/sign-out", headers={
        "origin": "null", "sec-fetch-site": "same-origin"}).status_code


@pytest.mark.parametrize("csrf", ["", "0" * 64])
def test_a_form_that_is_not_ours_does_nothing(csrf: str) -> None:
    """Without the token, or with another's; recorded, for somebody is signed in."""
    office = filled()
    browser = Browser(office)
    browser.sign_in(COMPLIANCE)
    answer = browser.ask("POST", "/search/saved", data={"csrf": csrf, "name": "x", "q": "hello"})
    assert (403, {}) == (answer.status_code, office.saved.rows)
    assert ["form"] == [one["why"] for one in office.denials]


def test_a_forms_token_is_its_sessions() -> None:
    """One person's token does not fit another's session, nor the one before signing in."""
    office = filled()
    one, other = Browser(office), Browser(office)
    one.get("/sign-in")
    before = one.csrf
    one.sign_in(COMPLIANCE)
    other.sign_in(REVIEWER)
    other.get("/account")
    one.get("/account")
    assert len({before, one.csrf, other.csrf}) == 3
    for token in (before, other.csrf):
        assert 403 == one.ask("POST", "/sign-out", data={"csrf": token}).status_code


def test_a_form_is_bounded_and_is_a_form() -> None:
    """413 for what is too large, 400 for what is none."""
    browser = Browser(filled())
    browser.get("/sign-in")
    form = {"content-type": "application/x-www-form-urlencoded"}
    for content, headers, status in (
            (b"a=" + b"x" * FORM_BYTES_MAX, form, 413), (b"{}", {"content-type": "text/json"}, 400),
            (b"&".join(b"a=1" for _ in range(99)), form, 400), (b"a=%ff", form, 400)):
        answer = browser.ask("POST", "/sign-in", content=content, headers=headers)
        assert status == answer.status_code
    assert 405 == browser.ask("DELETE", "/search").status_code


def test_an_unexpected_error_says_nothing() -> None:
    """Not what it was, not where; the operator hears of it."""
    office = filled()
    browser = Browser(office)
    browser.sign_in(COMPLIANCE)
    for error, status in ((ValueError("the text of a message"), 500),
                          (Halt("index_refused", "the text of a message"), 500),
                          (Transient("the text of a message"), 503)):
        office.desk.breaks = error
        answer = browser.get("/search?q=hello")
        assert status == answer.status_code and "the text" not in answer.text
        assert error is office.reported[-1]


def test_who_asks_too_often_waits() -> None:
    """429 with the seconds, before anybody is looked up."""
    office = Office(wait_s=7)
    answer = Browser(office).get("/sign-in")
    assert (429, "7") == (answer.status_code, answer.headers["retry-after"])


def test_an_office_behind_one_address_is_many_people() -> None:
    """A session that asks too often waits; the address that it comes from goes on far longer."""
    pace, now = Pace(lambda: 0), "session a"
    assert [0] * 200 == [pace(now) for _ in range(200)]
    assert pace(now) > 0 == pace("session b") == pace("192.0.2.7")
    assert not any(pace("192.0.2.7") for _ in range(1_000))


def test_cookies_are_out_of_reach_of_scripts() -> None:
    """HttpOnly, SameSite; and a session has another secret than the form before it."""
    browser = Browser(filled())
    first = browser.get("/sign-in")
    answer = browser.post("/sign-in", person=COMPLIANCE.person_id, password=GOOD)
    for said in (first.headers["set-cookie"], answer.headers["set-cookie"]):
        assert "HttpOnly" in said and "SameSite=lax" in said and "Path=/" in said
        assert "Domain" not in said
    assert browser.cookies["counterfoil"] != browser.cookies["counterfoil-form"]


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", "",
                                "javascript:alert(1)", "/x\ny", "search"])
def test_nobody_is_sent_elsewhere(to: str) -> None:
    """After signing in a browser stays here."""
    assert local(to) == "/"
    browser = Browser(filled())
    browser.get("/sign-in")
    answer = browser.post("/sign-in", person=COMPLIANCE.person_id, password=GOOD, next=to)
    assert answer.headers["location"] == "/"


def test_after_signing_in_one_is_where_one_wanted() -> None:
    """With the query, for a link in a mail."""
    browser = Browser(filled())
    answer = browser.get("/search?q=hello")
    assert answer.headers["location"] == "/sign-in?next=%2Fsearch%3Fq%3Dhello"
    page = browser.get(answer.headers["location"])
    assert 'value="/search?q=hello"' in page.text
    assert URL not in page.text
