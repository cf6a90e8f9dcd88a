"""The API's door, its errors, and the work of a reviewer through it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from infra.accounts import AccountFile
from schemas.errors import Halt, Transient
from schemas.media import StoredMedia
from search.access import tokens
from search.access.cookies import SESSION_COOKIE, csrf_of
from search.files import FileView
from search.web.api import given
from search.web.api.given import BYTES_MAX, DEPTH_MAX, body_of
from search.web.api.problems import Wrong
from search.web.app import make_app
from search.web.routes import PUBLIC, Route
from tests.web.office import COMPLIANCE, Browser, Office, filled
from tests.web.walls import ADVICE, ALPHA, BETA, Firm, capabilities

pytestmark = pytest.mark.slow

API: Final = "/api/v1"
KEY: Final = "a-program-s-own-key-1"
JSON: Final = "application/json"


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firm]:
    """A firm whose console is asked by programs."""
    with pytest.MonkeyPatch.context() as patch:
        made = Firm(tmp_path_factory.mktemp("api") / "home", patch)
        yield made
        made.close()


def actions(firm: Firm) -> list[str]:
    """What was recorded since it was last asked."""
    return [what.removeprefix("record ") for what, _ in firm.tally.taken()
            if what.startswith("record ")]


def issued(firm: Firm, owner: str, *may: str, days: int = 1) -> tuple[str, str]:
    """(a new token of somebody's, its id)."""
    file, wire = AccountFile(firm.process._wire.home), firm.process._wire
    book, made, shown = tokens.issue(file.read(), owner, capabilities(owner), "test", days,
                                     frozenset(may), wire.clock(), wire.random)
    file.change(lambda _old: book)
    return shown, made.token_id


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The answer is that problem, in the form of RFC 9457."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    assert (found["status"], found["code"]) == (status, code), found
    assert found["title"] and found["detail"]
    return found


# --- the door ------------------------------------------------------------------------------------


def test_nobody_gets_nothing_without_a_token(firm: Firm) -> None:
    """401 that says how; nothing is looked up, and a stranger fills no log."""
    firm.tally.taken()
    for method, path in (("GET", "/search?q=common"), ("GET", "/me"), ("POST", "/bulk"),
                         ("GET", f"/messages/{firm.ids(ALPHA)[0]}")):
        answer = firm.ask(None, method, API + path)
        problem(answer, 401, "sign_in")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert [] == firm.tally.taken()


def test_a_token_that_is_none_is_recorded(firm: Firm) -> None:
    """Guessed, revoked, of a wrong form, or beside a good cookie: 401, and on the log."""
    revoked, token_id = issued(firm, "carl", "search")
    file = AccountFile(firm.process._wire.home)
    file.change(lambda book: tokens.revoke(book, token_id, firm.process._wire.clock()))
    cookie = f"{SESSION_COOKIE}={firm.secrets['carl']}"
    for header in (f"Bearer cf_{'0' * 16}_{'0' * 64}", f"Bearer {revoked}", "Basic eDp5",
                   "x" * 500):
        actions(firm)
        problem(firm.send("GET", f"{API}/search?q=common", authorization=header, cookie=cookie),
                401, "sign_in")
        assert ["sign_in_failed"] == actions(firm)


def test_a_token_may_what_it_was_given(firm: Firm) -> None:
    """One for searching opens no message: denied, recorded, although its owner may."""
    token, _ = issued(firm, "carl", "search")
    bearer = {"authorization": f"Bearer {token}"}
    assert 200 == firm.send("GET", f"{API}/search?q=common", **bearer).status_code
    actions(firm)
    for path in (f"/messages/{firm.ids(ALPHA)[0]}", "/queue", "/audit"):
        problem(firm.send("GET", API + path, **bearer), 403, "denied")
        assert ["denied"] == actions(firm)
    me = firm.send("GET", f"{API}/me", **bearer).json()
    assert (["search"], "token", "carl", None) == (
        me["capabilities"], me["how"], me["person"], me["csrf"])


def test_who_decides_has_to_see(firm: Firm) -> None:
    """A token that may decide and not view gets no item as the answer to an act."""
    token, _ = issued(firm, "carl", "decide")
    answer = firm.send("POST", f"{API}/items/{firm.ids(BETA)[0]}/note", b'{"note":"x"}',
                       authorization=f"Bearer {token}", content_type=JSON)
    problem(answer, 403, "denied")


def test_a_cookie_writes_only_with_its_forms_token(firm: Firm) -> None:
    """From this console's own pages: no other site's page reads or writes with it."""
    path, body = f"{API}/items/{firm.ids(ALPHA)[0]}/claim", b"{}"
    secret = firm.secrets["sue"]
    cookie = f"{SESSION_COOKIE}={secret}"
    actions(firm)
    for more in ({}, {"x_csrf_token": "0" * 64}, {"x_csrf_token": csrf_of(firm.secrets["rita"])}):
        problem(firm.send("POST", path, body, cookie=cookie, content_type=JSON, **more), 403,
                "denied")
        assert ["denied"] == actions(firm)
    problem(firm.send("GET", f"{API}/search?q=common", cookie=cookie, sec_fetch_site="cross-site",
                      sec_fetch_mode="navigate", sec_fetch_dest="document"), 403, "denied")
    csrf = firm.ask("sue", "GET", f"{API}/me").json()["csrf"]
    assert csrf == csrf_of(secret)
    assert 200 == firm.send("POST", path, body, cookie=cookie, content_type=JSON,
                            x_csrf_token=csrf).status_code
    assert 200 == firm.send("POST", path.replace("claim", "release"), cookie=cookie,
                            x_csrf_token=csrf).status_code


def test_a_token_works_without_a_browser(firm: Firm) -> None:
    """No cookie, no form's token, no Origin."""
    answer = firm.send("POST", f"{API}/items/{firm.ids(ALPHA)[0]}/claim",
                       authorization=f"Bearer {firm.bearer['carl']}")
    assert (200, "carl") == (answer.status_code, answer.json()["person"])
    firm.ask("carl", "POST", f"{API}/items/{firm.ids(ALPHA)[0]}/release")


def test_each_token_waits_for_itself(firm: Firm) -> None:
    """429 with the seconds, whatever address it comes from; another token goes on."""
    waits = {"session " + firm.bearer["carl"].split("_")[1]: 9}
    app = make_app(replace(firm.process.parts, wait_s=lambda key: waits.get(key, 0)))
    client, firm._client = firm._client, type(firm._client)(
        transport=type(firm._client._transport)(app=app), base_url=firm.process.url)  # type: ignore[call-arg]
    try:
        answer = firm.ask("carl", "GET", f"{API}/me", token=True)
        problem(answer, 429, "too_many")
        assert "9" == answer.headers["retry-after"]
        assert 200 == firm.ask("lea", "GET", f"{API}/me", token=True).status_code
    finally:
        other, firm._client = firm._client, client
        firm._loop.run_until_complete(other.aclose())


def test_nothing_of_the_api_is_public() -> None:
    """A route below /api without a guard cannot be mounted."""
    with pytest.raises(ValueError, match="nothing of it is public"):
        Route("/api/v1/open", ("GET",), lambda ask: ask.go("/"), PUBLIC)


# --- errors --------------------------------------------------------------------------------------


def test_what_nobody_expected_says_nothing() -> None:
    """Not what it was; the operator hears of it. And a console without reviews has none."""
    office = filled()
    browser = Browser(office)
    browser.sign_in(COMPLIANCE)
    for error, status, code in ((ValueError("the text of a message"), 500, "failed"),
                                (Halt("index_refused", "the text of a message"), 500, "failed"),
                                (Transient("the text of a message"), 503, "unavailable")):
        office.desk.breaks = error
        answer = browser.get(f"{API}/search?q=hello")
        problem(answer, status, code)
        assert "the text" not in answer.text and error is office.reported[-1]
    assert "30" == answer.headers["retry-after"]
    for path in ("/queue", "/reports/period?month=2026-11", "/policies"):
        problem(browser.get(API + path), 404, "not_found")
    office.recorder.down = True
    problem(browser.get(f"{API}/audit?x=1"), 400, "input")


def test_who_asks_too_often_waits() -> None:
    """By address, before anybody is looked up."""
    answer = Browser(Office(wait_s=7)).get(f"{API}/me")
    problem(answer, 429, "too_many")
    assert "7" == answer.headers["retry-after"]


def test_addresses_and_methods_that_are_none(firm: Firm) -> None:
    """The same form of answer, to everybody."""
    for person in (None, "carl"):
        problem(firm.ask(person, "GET", "/api/v1/nothing"), 404, "not_found")
        problem(firm.ask(person, "GET", "/api/v2/search"), 404, "not_found")
        problem(firm.ask(person, "POST", "/api/v1/search"), 405, "method")


def test_hidden_absent_and_impossible_are_one_answer(firm: Firm) -> None:
    """Another's message, nobody's, and what could be no id: the same bytes."""
    answers = {firm.ask("rita", "GET", f"{API}/{kind}/{doc_id}").content
               for kind in ("messages", "items")
               for doc_id in (firm.ids(BETA)[0], firm.ids(ADVICE)[0], "0" * 32, "x", "A" * 32)}
    assert 1 == len(answers)
    for doc_id in (firm.ids(BETA)[0], "0" * 32, "x"):
        problem(firm.ask("rita", "POST", f"{API}/items/{doc_id}/note", body={"note": "x"}), 404,
                "not_found")


@pytest.mark.parametrize(("query", "key"), [
    ("?q=common&limt=5", "limt"), ("", "q"), ("?q=common&limit=0", "limit"),
    ("?q=common&limit=5x", "limit"), ("?q=common&after=", "after"),
    ("?q=common&limit=-1", "limit"), ("?q=" + "a" * 10_001, "q"),
    ("?q=common&after=" + "1" * 65, "after")])
def test_a_wrong_value_is_named(firm: Firm, query: str, key: str) -> None:
    """A key that nobody reads too: a misspelt filter must not be a wider question."""
    assert key == problem(firm.ask("carl", "GET", f"{API}/search{query}"), 400, "input")["key"]


def test_a_page_with_its_facets_is_one_look(firm: Firm) -> None:
    """One record and one answer, the same as of the two calls; with the first page only."""
    query = urlencode({"q": "kind:message", "limit": "2"})
    plain = firm.ask("carl", "GET", f"{API}/search?{query}").json()
    counted = firm.ask("carl", "GET", f"{API}/facets?q=kind:message&fields=channel,state").json()
    actions(firm)
    both = firm.ask("carl", "GET", f"{API}/search?{query}&fields=channel,state").json()
    assert ["search"] == actions(firm)
    assert both == {**plain, "facets": counted["facets"]}
    assert {"channel", "state"} == set(both["facets"]) and "facets" not in plain
    one = firm.ask("carl", "GET", f"{API}/search?{query}&fields=custodian&top=1").json()
    assert 1 == len(one["facets"]["custodian"])
    for more, key in ((f"&fields=state&after={plain['next']}", "fields"), ("&top=3", "top"),
                      ("&fields=text", "fields"), ("&fields=state&top=0", "top")):
        assert key == problem(firm.ask("carl", "GET", f"{API}/search?{query}{more}"), 400,
                              "input")["key"]


def test_a_page_stands_when_its_facets_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Null where they would be; the operator hears of it."""
    office = filled()
    browser = Browser(office)
    browser.sign_in(COMPLIANCE)
    away = Transient("the text of a message")
    page = office.desk.page

    def without(*given: Any) -> Any:
        return replace(page(*given)[0], facets=None, uncounted=away), {}

    monkeypatch.setattr(office.desk, "page", without)
    answer = browser.get(f"{API}/search?q=hello&fields=state")
    assert (200, None) == (answer.status_code, answer.json()["facets"])
    assert 1 == answer.json()["total"] and "the text" not in answer.text
    assert [away] == office.reported


def test_a_queue_with_its_counts_is_one_look(firm: Firm) -> None:
    """One record, and the counts of the other call."""
    counted = firm.ask("carl", "GET", f"{API}/queue/counts?severity=high").json()
    plain = firm.ask("carl", "GET", f"{API}/queue?severity=high").json()
    actions(firm)
    both = firm.ask("carl", "GET", f"{API}/queue?severity=high&counts=true").json()
    assert ["queue"] == actions(firm)
    assert both == {**plain, "counts": counted["counts"]} and "counts" not in plain


def test_a_query_that_cannot_be_read_points_at_the_character(firm: Firm) -> None:
    """As on the page and at the command line; a cursor that is none is said so."""
    found = problem(firm.ask("carl", "GET", f"{API}/search?q=common AND (x"), 422, "query")
    assert 11 == found["position"]
    problem(firm.ask("carl", "GET", f"{API}/search?q=common&after=x"), 400, "input")


@pytest.mark.parametrize(("path", "wrong"), [
    ("/queue?severity=grave", "severity"), ("/queue?status=open,lost", "status"),
    ("/queue?overdue=1", "overdue"), ("/facets?q=x&fields=text", "fields"),
    ("/audit?group=all", "group"), ("/audit?since=yesterday", "since"),
    ("/audit?since=9999-99-99", "since"), ("/reports/period?month=2026-13", "month"),
    ("/reports/period", "month"), ("/me?x=1", "x"), ("/policies?x=1", "x")])
def test_a_choice_that_is_none_is_named(firm: Firm, path: str, wrong: str) -> None:
    """With what there is to choose from."""
    assert wrong == problem(firm.ask("carl", "GET", API + path), 400, "input")["key"]


@pytest.mark.parametrize(("content", "media_type", "status", "code"), [
    (b"{" + b" " * BYTES_MAX + b"}", JSON, 413, "too_large"),
    (b"note=x", "application/x-www-form-urlencoded", 415, "media_type"), (b"{}", "", 415,
                                                                          "media_type"),
    (b"{", JSON, 400, "input"), (b"[]", JSON, 400, "input"), (b'"x"', JSON, 400, "input"),
    (b'{"note":"a","note":"b"}', JSON, 400, "input"), (b'{"note":NaN}', JSON, 400, "input"),
    (b'{"note":"\\ud800"}', JSON, 400, "input"), (b'{"note":"\xff"}', JSON, 400, "input"),
    (b'{"note":5}', JSON, 400, "input"), (b'{"note":null}', JSON, 400, "input"),
    (b'{"note":""}', JSON, 400, "input"),
    (b'{"note":"x","nothing":1}', JSON, 400, "input"), (b"{}", JSON, 400, "input"),
    (b'{"note":' + b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1) + b"}", JSON, 400, "input"),
    (b"[" * 60_000, JSON, 400, "input"), (b'{"note":' + b"9" * 5_000 + b"}", JSON, 400, "input")])
def test_a_body_is_read_within_bounds(firm: Firm, content: bytes, media_type: str, status: int,
                                      code: str) -> None:
    """Bytes, depth, form, keys; nothing is done."""
    more = {"content_type": media_type} if media_type else {}
    answer = firm.send("POST", f"{API}/items/{firm.ids(ALPHA)[0]}/note", content,
                       authorization=f"Bearer {firm.bearer['carl']}", **more)
    problem(answer, status, code)


def test_depth_is_of_brackets_and_not_of_texts() -> None:
    """A text may hold any of them, escaped quotes too."""
    text = '[{"' * 50 + "\\"
    assert {"note": text} == body_of(json.dumps({"note": text}).encode())
    with pytest.raises(Wrong, match="deep"):
        body_of(b'{"a":' * (DEPTH_MAX + 1) + b"1" + b"}" * (DEPTH_MAX + 1))


class Steps(bytes):
    """A body that counts how many of its bytes are looked at one by one."""

    looks = 0

    def __iter__(self) -> Iterator[int]:
        for one in super().__iter__():
            Steps.looks += 1
            yield one


@pytest.mark.parametrize("raw", [b'\\"' * 9_000, b'"' + b'\\"' * 9_000, b'"a' * 9_001])
def test_each_byte_of_a_body_is_looked_at_once(raw: bytes) -> None:
    """Strings without an end are no work: not one byte is read again."""
    Steps.looks = 0
    assert 0 == given._depth(Steps(raw))
    assert len(raw) == Steps.looks
    with pytest.raises(Wrong, match="not JSON"):
        body_of(raw)


# --- what it is for ------------------------------------------------------------------------------


def test_pages_join_to_the_whole(firm: Firm) -> None:
    """Cursor by cursor nothing comes twice and nothing is left out; the queue and a conversation
    too."""
    for path, name in ((f"/search?{urlencode({'q': 'kind:message'})}&", "hits"), ("/queue?",
                                                                                 "items")):
        whole = firm.ask("lea" if name == "hits" else "carl", "GET",
                         f"{API}{path}limit=100").json()[name]
        found: list[str] = []
        after = ""
        while True:
            page = firm.ask("lea" if name == "hits" else "carl", "GET",
                            f"{API}{path}limit=1{after}").json()
            found += [one["id"] for one in page[name]]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert [one["id"] for one in whole] == found
    talk = f"{API}/conversations/{firm.talk(BETA)}"
    newest = firm.ask("carl", "GET", f"{talk}?limit=1").json()
    older = firm.ask("carl", "GET", f"{talk}?limit=1&before={newest['before']}").json()
    assert (2, None) == (newest["total"], older["before"])
    assert [firm.ids(BETA)[0]] == [one["id"] for one in older["messages"]]
    assert ["edited"] == [one["state"] for one in older["messages"]]


def test_a_message_with_its_flag(firm: Firm) -> None:
    """What the command line prints, and why it was flagged."""
    found = firm.ask("carl", "GET", f"{API}/messages/{firm.ids(BETA)[0]}").json()
    assert ["betarule"] == [one["rule"] for one in found["flags"]]
    assert [[0, 3]] == found["flags"][0]["places"][0]["ranges"]
    assert ["message", "edit"] == [one["kind"] for one in found["versions"]]


def test_a_file_is_its_bytes() -> None:
    """As they were captured, to be kept and not opened."""
    office = filled()
    browser = Browser(office)
    browser.sign_in(COMPLIANCE)
    stored = StoredMedia(object="media/1", size=5, key=b"k" * 32, sha256=b"s" * 32)
    office.desk.files[1] = FileView(1, 1, "a\"b.html", "text/html", 5, "00", "stored", None,
                                    stored=stored)
    office.bodies["media/1"] = b"<b>x\n"
    answer = browser.get(f"{API}/messages/{'0' * 32}/files/1")
    assert (200, b"<b>x\n") == (answer.status_code, answer.content)
    assert "application/octet-stream" == answer.headers["content-type"]
    assert answer.headers["content-disposition"].startswith("attachment")
    problem(browser.get(f"{API}/messages/{'0' * 32}/files/x"), 404, "not_found")


def test_a_call_that_is_sent_again_is_one_act(firm: Firm) -> None:
    """The same key and body: one event, and the answer says so. Another body: refused. No key: two.
    """
    path = f"{API}/items/{firm.ids(ALPHA)[1]}"

    def note(text: str, key: str | None = None) -> Any:
        return firm.ask("carl", "POST", f"{path}/note", body={"note": text}, token=True, key=key)

    first = note("call them", KEY)
    again = note("call them", KEY)
    assert (200, None) == (first.status_code, first.headers.get("idempotency-replayed"))
    assert (200, "true") == (again.status_code, again.headers.get("idempotency-replayed"))
    assert 1 == len(again.json()["acts"])
    problem(note("call us", KEY), 409, "key_reused")
    note("more")
    assert 3 == len(note("more").json()["acts"])
    for key in ("k" * 101, "", "a\tb"):
        problem(note("x", key), 400, "input")


def test_an_item_from_the_queue_to_the_second_person(firm: Firm) -> None:
    """Read, claimed, decided, and not confirmed by the same person."""
    doc_id = firm.ids(BETA)[0]
    item = f"{API}/items/{doc_id}"
    queue = firm.ask("carl", "GET", f"{API}/queue?severity=high&rule=betarule").json()
    assert [doc_id] == [one["id"] for one in queue["items"]]
    before = firm.ask("carl", "GET", item).json()
    assert (["betatag"], "open") == (before["tags"], before["status"])
    assert 200 == firm.ask("mia", "POST", f"{item}/claim").status_code
    decision = {"decision": "false_positive", "reason": "an invoice", "basis": before["basis"]}
    problem(firm.ask("carl", "POST", f"{item}/decide", body=decision), 409, "taken")
    assert 200 == firm.ask("mia", "POST", f"{item}/release").status_code
    problem(firm.ask("carl", "POST", f"{item}/decide", body={
        **decision, "basis": "0" * 32}), 409, "conflict")
    done = firm.ask("carl", "POST", f"{item}/decide", body=decision).json()
    assert ("second", "carl") == (done["status"], done["decided_by"])
    refused = problem(firm.ask("carl", "POST", f"{item}/confirm"), 403, "denied")
    assert "second person" in refused["detail"]
    problem(firm.ask("mia", "POST", f"{item}/confirm"), 403, "denied")


def test_several_at_once_name_what_was_left(firm: Firm) -> None:
    """What cannot be decided, and what is not there or not hers, is left in the same words."""
    ids = [firm.ids(ALPHA)[0], firm.ids(ADVICE)[0], "0" * 32]
    done = firm.ask("sue", "POST", f"{API}/bulk", body={
        "ids": ids, "decision": "clear", "reason": "the same newsletter"}).json()
    assert ids[:1] == done["done"]
    assert [f"no message has the id {one}" for one in ids[1:]] == [
        one["reason"] for one in done["left"]]
    problem(firm.ask("rita", "POST", f"{API}/bulk", body={}), 403, "denied")
    assert "ids" == problem(firm.ask("sue", "POST", f"{API}/bulk", body={"ids": []}), 400,
                            "input")["key"]


def test_who_watches_is_recorded_too(firm: Firm) -> None:
    """The trail, a report and the policies are looks, each on the log before its answer."""
    actions(firm)
    for path, action in (("/audit?group=reviews", "audit_read"), ("/search?q=common", "search"),
                         ("/reports/period?month=2026-11", "report"), ("/queue", "queue"),
                         (f"/items/{firm.ids(ALPHA)[0]}", "view")):
        assert 200 == firm.ask("carl", "GET", API + path).status_code, path
        assert [action] == actions(firm)


def test_names_stand_behind_pseudonyms_until_somebody_says_why(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In messages, searches and conversations; of an item with names from then on, for her alone.
    """
    hidden = Firm(tmp_path / "home", monkeypatch, "pseudonyms = true\n")
    try:
        doc_id = hidden.ids(ALPHA)[0]
        message = f"{API}/messages/{doc_id}?item=true"

        def names(person: str, path: str) -> bool:
            text = hidden.ask(person, "GET", path).text
            assert "zebrafinch" in text
            return any(one in text for one in ("Alphaclient", "7700900401", "ann.archer"))

        for path in (message, f"{API}/search?q=zebrafinch",
                     f"{API}/conversations/{hidden.talk(ALPHA)}"):
            assert not names("sue", path), path
        done = hidden.ask("sue", "POST", f"{API}/items/{doc_id}/unmask", body={
            "reason": "the client called"})
        assert 200 == done.status_code
        assert (True, False) == (names("sue", message), names("carl", message))
        assert not names("sue", f"{API}/messages/{doc_id}")
    finally:
        hidden.close()


def test_the_signed_report_is_the_files_bytes(firm: Firm) -> None:
    """As `review verify-report` checks them."""
    from infra.reviewing import verify

    answer = firm.ask("carl", "GET", f"{API}/reports/accountability?month=2026-11")
    read, _ = verify(firm.process._wire, answer.content)
    assert ("2026-11", "carl") == (read["month"], read["made_by"])
    problem(firm.ask("sue", "GET", f"{API}/reports/accountability?month=2026-11"), 403, "denied")
