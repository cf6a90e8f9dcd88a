"""What the pages say of what was captured."""

from __future__ import annotations

from schemas.media import StoredMedia
from search.access.viewer import Viewer, operator
from search.files import FileView
from search.web.assets import query_help
from search.web.pages.files import drawn, safe_name
from tests.docs.test_docs import ROOT
from tests.web.office import COMPLIANCE, REVIEWER, Browser, Office, filled

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


def _signed(office: Office) -> Browser:
    browser = Browser(office)
    browser.sign_in(COMPLIANCE)
    return browser


def test_a_search_is_one_look_and_says_who() -> None:
    """The answer, its facets; the record names person and session, and the page escapes."""
    office = filled()
    page = _signed(office).get("/search?q=secret")
    assert "a <mark class=\"hit\">secret</mark> &lt;b&gt;" in page.text
    record = office.recorder.recorded[0]
    assert ("secret", COMPLIANCE.person_id, "search") == (
        record.text, record.actor and record.actor.native_id, record.detail("action"))
    assert record.detail("session")


def test_a_retracted_message_is_there_in_full() -> None:
    """With who took it back and how long it was to be seen."""
    office = filled()
    browser = _signed(office)
    hit = office.desk.searcher.search("secret", _viewer()).hits[0]
    page = browser.get(f"/conversation/{hit.conversation}?at={hit.doc_id}").text
    assert "a secret &lt;b&gt;" in page and "<strong>2 min</strong>" in page
    assert "Retracted</strong> by <bdi>Ann Lee</bdi>" in page
    assert f'id="m-{hit.doc_id}" aria-current="true"' in page


def test_an_edit_is_a_difference() -> None:
    """Word by word, readable without seeing colours."""
    office = filled()
    hit = office.desk.searcher.search("there", _viewer()).hits[0]
    page = _signed(office).get(f"/conversation/{hit.conversation}").text
    assert '<ins><span class="sr">added: </span> there</ins>' in page


def test_a_wrong_query_is_pointed_at() -> None:
    """422, the character marked, nothing recorded: nobody looked."""
    office = filled()
    page = _signed(office).get("/search?q=hello+AND+%28")
    assert page.status_code == 422
    assert '<mark class="wrong">' in page.text and 'aria-invalid="true"' in page.text
    assert [] == office.recorder.recorded


def test_a_picture_is_what_its_bytes_are() -> None:
    """Drawn in a sandbox if it is one, whatever it is called; else nothing."""
    office = filled()
    browser = _signed(office)
    office.desk.files = {1: _file(1, "a.png"), 2: _file(2, "b.png")}
    office.bodies = {"o1": PNG, "o2": b"<script>alert(1)</script>"}
    answer = browser.get("/message/" + "0" * 32 + "/picture/1")
    assert (200, "image/png") == (answer.status_code, answer.headers["content-type"])
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert 404 == browser.get("/message/" + "0" * 32 + "/picture/2").status_code
    assert 404 == browser.get("/message/" + "0" * 32 + "/picture/x").status_code
    assert drawn(b"RIFF\0\0\0\0WEBP") == "image/webp" and drawn(b"<svg") is None


def test_a_file_is_kept_and_not_opened() -> None:
    """A download without a type, under a name that can do nothing."""
    office = filled()
    browser = _signed(office)
    office.desk.files = {1: _file(1, "../etc/\u202egpj.exe\r\nx")}
    office.bodies = {"o1": b"MZ"}
    answer = browser.get("/message/" + "0" * 32 + "/file/1")
    assert (b"MZ", "application/octet-stream") == (answer.content, answer.headers["content-type"])
    said = answer.headers["content-disposition"]
    assert said.startswith("attachment;") and "/" not in said and "\r" not in said
    assert "sandbox" in answer.headers["content-security-policy"]


def test_a_files_name_keeps_its_ending() -> None:
    """Cut in the middle, never at the end; never empty, never hidden."""
    assert safe_name("a" * 300 + ".pdf").endswith(".pdf")
    assert (120, "file", "x") == (len(safe_name("a" * 300 + ".pdf")), safe_name(" ..."),
                                  safe_name(".x"))


def test_saved_searches_are_ones_own() -> None:
    """Kept and removed by name; nobody else sees them."""
    office = filled()
    one, other = _signed(office), Browser(office)
    other.sign_in(REVIEWER)
    one.get("/search?q=hello")
    one.post("/search/saved", name="greetings", q="hello")
    assert "greetings" in one.get("/search").text
    assert "greetings" not in other.get("/search").text
    one.post("/search/saved/remove", name="greetings")
    assert {} == office.saved.rows


def test_the_help_is_the_documentation() -> None:
    """One source: docs/QUERY.md, and all of it on the page."""
    assert (ROOT / "docs" / "QUERY.md").read_text("utf-8") == query_help()
    page = _signed(filled()).get("/help").text
    assert page.count("<table") == query_help().count("\n|---|")
    assert "]( " not in page and "](decisions" not in page


def test_theme_and_zone_are_the_browsers() -> None:
    """Kept in a cookie; what is none is not taken."""
    browser = Browser(filled())
    browser.get("/sign-in")
    browser.post("/preferences", theme="dark", next="/sign-in")
    assert 'data-theme="dark"' in browser.get("/sign-in").text
    browser.post("/preferences", theme="purple", next="/sign-in")
    assert 'data-theme="dark"' in browser.get("/sign-in").text
    assert 404 == browser.post("/preferences", zone="Mars/Base").status_code


def _file(number: int, name: str) -> FileView:
    stored = StoredMedia(f"o{number}", 2, bytes(32), bytes(32))
    return FileView(number, 1, name, "image/png", 2, None, "stored", None, None, stored)


def _viewer() -> Viewer:
    return operator("a test")
