"""What reviewers do, in a real browser: claim, decide, escalate, the second person, and what is
refused; by keyboard, on a telephone, in both themes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import firm, reviewfirm
from tests.browser.conftest import PHONE, WIDE, Visit, Visitor
from tests.browser.firm import RETRACTED_TEXT, Site
from tests.browser.reviewfirm import OWN, REVIEWER, SECOND, SUPERVISOR, WALLED
from tests.browser.test_pages import looked_at

_MONTH = "2026-11"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The real console on the archive of a firm that reviews."""
    home = tmp_path_factory.mktemp("review") / "home"
    reviewfirm.build(home)
    with firm.serving(home) as found:
        yield found


def _open(visitor: Visitor, words: str, address: str = "/queue") -> Page:
    """An item of the queue, by words of its message."""
    visitor.go(address)
    page = visitor.page
    page.locator(".queue .answer", has_text=words).first.locator("[data-row]").click()
    page.wait_for_url("**/item/**")
    return page


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_of_a_review_can_be_read(visit: Visit, shots: Path, scheme: str,
                                            size: tuple[int, int]) -> None:
    """By everybody, in both themes and widths."""
    visitor: Visitor = visit(size=size, scheme=scheme)
    visitor.sign_in(SUPERVISOR)
    found = []
    for name, to in (("queue", "/queue"), ("queue-narrowed", "/queue?severity=low&status=all"),
                     ("queue-empty", "/queue?conflict=1"), ("reports-start", "/reports"),
                     ("report", f"/reports?month={_MONTH}"),
                     ("reviewers", f"/reports/reviewers?month={_MONTH}"),
                     ("rules", "/reports/rules?show=1")):
        visitor.go(to)
        found += looked_at(visitor, shots, f"review-{name}", scheme, size)
    for name, words, to in (("item", RETRACTED_TEXT[:20], "/queue"),
                            ("item-closed", "account number", "/queue?status=closed"),
                            ("item-escalated", "account number", "/queue?status=escalated")):
        _open(visitor, words, to)
        found += looked_at(visitor, shots, f"review-{name}", scheme, size)
    assert not found, "\n".join(found)


def test_an_item_is_claimed_and_decided(visit: Visit, shots: Path) -> None:
    """It is held while somebody works on it, shown as decided at once, and the next one waits."""
    rob, dana = visit(), visit()
    rob.sign_in(REVIEWER)
    dana.sign_in(SUPERVISOR)
    page = _open(rob, "curtains")
    expect(page.locator(".msg[aria-current='true'] mark.flag").first).to_have_text("agreed")
    page.click("#claim")
    expect(page.locator(".summary .holder")).to_contain_text("yours until")
    other = _open(dana, "curtains")
    expect(other.locator("[role='note']").first).to_contain_text("held by Rob Quinn until")
    expect(other.locator("#decide")).to_have_count(0)
    assert [] == looked_at(dana, shots, "review-item-held", "light", WIDE)
    page.get_by_role("radio", name="Clear").check()
    page.fill("#reason", "Told to the client as well.")
    page.click("text=Record the decision")
    expect(page.locator(".done")).to_contain_text("Recorded: you cleared it")
    expect(page.locator(".summary .status")).to_have_text("Closed: clear")
    assert [] == looked_at(rob, shots, "review-item-done", "light", WIDE)
    where = page.url
    page.click(".done >> text=Next item")
    page.wait_for_url(lambda url: url != where)
    rob.go("/queue")
    expect(rob.page.locator(".queue .answer", has_text="curtains")).to_have_count(1)


def test_what_is_over_ones_head_goes_up(visit: Visit, shots: Path) -> None:
    """With a reason; without one it is said what is missing."""
    rob: Visitor = visit()
    rob.sign_in(REVIEWER)
    page = _open(rob, "open it")
    page.get_by_role("radio", name="Escalate").check()
    page.click("text=Record the decision")
    expect(page.locator("#problem")).to_contain_text("Say why")
    assert [] == looked_at(rob, shots, "review-item-refused", "light", WIDE)
    rob.wrong.clear()  # a refusal is an error to the browser's console
    expect(page.get_by_role("radio", name="Escalate")).to_be_checked()
    page.fill("#reason", "The name of the file is odd.")
    page.click("text=Record the decision")
    expect(page.locator(".done")).to_contain_text("you escalated it to level 2, supervision")
    expect(page.locator("#barred")).to_contain_text("The item is with supervision (level 2)")


def test_four_eyes_by_two_people(visit: Visit, shots: Path) -> None:
    """The first cannot confirm what he said; the second does, and both stand in the story."""
    dana, cara = visit(), visit()
    dana.sign_in(SUPERVISOR)
    cara.sign_in(SECOND)
    page = _open(dana, RETRACTED_TEXT[:20], "/queue?severity=high")
    page.get_by_role("radio", name="Clear").check()
    page.fill("#reason", "The client confirmed it by telephone.")
    page.click("text=Record the decision")
    expect(page.locator(".summary .status")).to_have_text("Waits for a second person")
    expect(page.locator(".item-side")).to_contain_text("The second person is another one than")
    expect(page.locator("button", has_text="Confirm")).to_have_count(0)
    cara.page.goto(page.url.partition("?")[0])
    expect(cara.page.locator(".item-side")).to_contain_text("Dana Reyes decided clear")
    assert [] == looked_at(cara, shots, "review-item-second", "light", WIDE)
    cara.page.click("button:has-text('Confirm')")
    expect(cara.page.locator(".done")).to_contain_text("you confirmed Dana Reyes’s decision")
    expect(cara.page.locator(".summary .status")).to_have_text("Closed: clear")
    expect(cara.page.locator(".story")).to_contain_text("Dana Reyes cleared it")


def test_nobody_decides_on_his_own_messages(visit: Visit, shots: Path) -> None:
    """The page says why, and has no form."""
    ben: Visitor = visit()
    ben.sign_in(OWN)
    page = _open(ben, RETRACTED_TEXT[:20], "/queue?severity=high&status=all")
    expect(page.locator(".item-side")).to_contain_text("These are your own messages")
    expect(page.locator("#decide, #claim, .item-side textarea")).to_have_count(0)
    assert [] == looked_at(ben, shots, "review-item-own", "light", WIDE)


def test_a_wall_is_not_to_be_seen(visit: Visit) -> None:
    """No item, no number of it, and the address of it is that of nothing."""
    dana, wanda = visit(), visit()
    dana.sign_in(SUPERVISOR)
    page = _open(dana, RETRACTED_TEXT[:20], "/queue?severity=high&status=all")
    wanda.sign_in(WALLED)
    wanda.go("/queue?status=all")
    expect(wanda.page.locator(".queue .answer").first).to_be_visible()
    assert RETRACTED_TEXT[:20] not in wanda.page.content()
    assert "new-account" not in wanda.page.content()
    wanda.page.goto(page.url)
    expect(wanda.page.locator("h1")).to_have_text("Nothing here")
    wanda.wrong.clear()


def test_the_keyboard_is_enough_to_review(visit: Visit) -> None:
    """From the queue to a recorded decision and the next item, without a pointer."""
    cara: Visitor = visit()
    cara.sign_in(SECOND)
    page = cara.page
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("q")
    page.wait_for_url("**/queue")
    cara.go("/queue?severity=low&status=open")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator(".pick input").first).to_be_checked()
    page.keyboard.press("x")
    page.keyboard.press("c")
    page.wait_for_url("**/item/**")
    expect(page.locator(".summary .holder")).to_contain_text("yours until")
    page.keyboard.press("d")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="False positive")).to_be_checked()
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.id") != "reason":
        page.keyboard.press("Tab")
    page.keyboard.type("A question about the keys.")
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.textContent") != "Record the decision":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".done")).to_contain_text("you called it a false positive")
    where = page.url
    page.keyboard.press("n")
    page.wait_for_url(lambda url: url != where)


def test_several_are_decided_at_once_without_a_script(visit: Visit) -> None:
    """Boxes, a decision and a reason; the page says what was done."""
    dana: Visitor = visit(script=False)
    dana.sign_in(SUPERVISOR)
    dana.go("/queue?severity=low&status=open")
    page = dana.page
    boxes = page.locator(".pick input")
    for number in (-1, -2):
        boxes.nth(number).check()
    page.get_by_role("radio", name="False positive").check()
    page.fill("#bulk-reason", "Chatter about forms.")
    page.click("text=Decide the chosen ones >> nth=-1")
    expect(page.locator(".done")).to_contain_text("2 items decided as false positive")
    page.click("text=Back to the queue")
    page.wait_for_url("**/queue?**")


def test_on_a_telephone_an_item_is_decided(visit: Visit) -> None:
    """The message first, then the decision; nothing is out of reach."""
    rob: Visitor = visit(size=PHONE)
    rob.sign_in(REVIEWER)
    rob.go("/queue?severity=low&status=open")
    page = rob.page
    page.locator(".queue [data-row]").nth(1).tap()
    page.wait_for_url("**/item/**")
    expect(page.locator(".msg[aria-current='true'] .said").first).to_be_in_viewport()
    page.get_by_role("radio", name="Clear").tap()
    page.locator("text=Record the decision").tap()
    expect(page.locator(".done")).to_contain_text("you cleared it")
    expect(page.locator(".done >> text=Next item")).to_be_in_viewport()


def test_the_reports_files_are_downloads(visit: Visit, tmp_path: Path) -> None:
    """The CSV, and the signed report that the verb verifies."""
    dana: Visitor = visit()
    dana.sign_in(SUPERVISOR)
    dana.go(f"/reports?month={_MONTH}")
    page = dana.page
    expect(page.locator(".done")).to_contain_text(re.compile("Each table adds up to [0-9]+ items"))
    for label, name in (("Items as CSV", f"counterfoil-reviews-{_MONTH}.csv"),
                        ("Signed report", f"counterfoil-accountability-{_MONTH}.json")):
        with page.expect_download() as waiting:
            page.click(f"text={label}")
        assert waiting.value.suggested_filename == name
        waiting.value.save_as(tmp_path / name)
    assert (tmp_path / f"counterfoil-reviews-{_MONTH}.csv").read_text("utf-8-sig").startswith(
        '"item"')
    from infra.config import load
    from infra.verbs.review import verify_report
    from infra.wire import Wire

    signed = tmp_path / f"counterfoil-accountability-{_MONTH}.json"
    assert verify_report(Wire(load(dana.site.home)), signed, json=True) == 0
    dana.wrong.clear()  # to a browser a download is a page that did not load
