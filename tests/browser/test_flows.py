"""What a supervisor does, in a real browser: sign in, search, open, look closer, sign out."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import PHONE, Visit, Visitor
from tests.browser.firm import ADMINISTRATOR, PASSWORD, RETRACTED_TEXT, SUPERVISOR


def test_a_retracted_message_is_found_and_read_in_full(visit: Visit) -> None:
    """Who took it back, when, how long it was to be seen, and why it is flagged."""
    visitor: Visitor = visit()
    visitor.sign_in()
    page = visitor.page
    page.fill("#q", "state:retracted cousin")
    page.keyboard.press("Enter")
    expect(page.locator(".answer")).to_have_count(1)
    expect(page.locator(".answer .badge.retracted")).to_have_text("retracted")
    expect(page.locator(".answer mark.hit")).to_have_text("cousin")
    page.click(".answer [data-row]")
    this = page.locator("[aria-current='true']")
    expect(this.locator(".said").first).to_have_text(RETRACTED_TEXT)
    expect(this.locator(".taken")).to_contain_text("Retracted by عمر حسن")
    expect(this.locator(".taken")).to_contain_text("visible for 42 s")
    expect(this.locator(".flags")).to_contain_text("new-account")
    expect(this.locator("mark.flag")).to_have_text(["move the 50,000", "cousin's account"])
    this.locator("[data-row]").click()
    expect(page.locator("h1")).to_have_text("Message")
    expect(page.locator(".provenance tbody tr")).to_have_count(2)
    expect(page.locator(".provenance")).to_contain_text("segments/")


def test_an_edit_shows_what_it_changed(visit: Visit) -> None:
    """Both versions in place, the difference word by word."""
    visitor: Visitor = visit()
    visitor.sign_in()
    visitor.go("/search?q=%2212+march%22")
    expect(visitor.page.locator(".earlier mark.hit")).to_have_text("12 March")
    visitor.page.click(".answer [data-row]")
    this = visitor.page.locator("[aria-current='true']")
    expect(this.locator(".said").first).to_contain_text("21 March")
    expect(this.locator("del")).to_contain_text("12")
    expect(this.locator("ins")).to_contain_text("21")
    expect(this.locator(".reactions")).to_contain_text("👍")


def test_a_gap_of_capture_is_shown_where_it_was(visit: Visit) -> None:
    """Between the messages before and after it."""
    visitor: Visitor = visit()
    visitor.sign_in()
    visitor.go("/search?q=march")
    visitor.page.click(".answer [data-row]")
    expect(visitor.page.locator(".chat .gap")).to_contain_text("Gap of capture")
    expect(visitor.page.locator(".chat .gap")).to_contain_text("12:10:00")


def test_marks_that_turn_the_reading_direction_are_seen(visit: Visit) -> None:
    """A name that poses as another is shown as what it is."""
    visitor: Visitor = visit()
    visitor.sign_in()
    visitor.go("/search?q=invoice+direction:in")
    said = visitor.page.locator(".answer .said").first
    expect(said).to_have_text("The invoice is RLOfdp.exePDF, please open it.")
    expect(said.locator(".control").first).to_have_attribute(
        "title", "right-to-left override: shown, not obeyed")


def test_the_keyboard_is_enough(visit: Visit) -> None:
    """From the sign-in page to a message and back, without a pointer."""
    visitor: Visitor = visit()
    page = visitor.page
    visitor.go("/sign-in")
    expect(page.locator("#person")).to_be_focused()
    page.keyboard.type(SUPERVISOR)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/search")
    expect(page.locator("#q")).to_be_focused()  # a key pressed before that meets no page
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("from:maria")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=**")
    for key in ("j", "j", "k"):
        page.keyboard.press(key)
    expect(page.locator(".answer [data-row]").first).to_be_focused()
    page.keyboard.press("i")
    page.wait_for_url("**/message/**")
    page.go_back()
    page.keyboard.press("n")
    page.wait_for_url("**after=**")
    page.keyboard.press("?")
    page.wait_for_url("**/help#keys")
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/search")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    expect(page.locator(":focus-visible")).to_have_count(1)


def test_a_query_that_is_wrong_is_pointed_at(visit: Visit) -> None:
    """The character, the reason, and the query still there."""
    visitor: Visitor = visit()
    visitor.sign_in()
    page = visitor.page
    page.fill("#q", "deposit AND chanel:sms")
    page.keyboard.press("Enter")
    expect(page.locator("#wrong mark.wrong")).to_have_text("c")
    expect(page.locator("#wrong")).to_contain_text("chanel")
    expect(page.locator("#q")).to_have_value("deposit AND chanel:sms")
    visitor.wrong.clear()  # the status of the answer is an error to the browser's console


def test_facets_narrow_and_chips_widen(visit: Visit) -> None:
    """A count is a link; what it added can be taken away."""
    visitor: Visitor = visit()
    visitor.sign_in()
    page = visitor.page
    visitor.go("/search?q=*")
    page.locator(".facets a", has_text="retracted").click()
    expect(page.locator("#q")).to_have_value("state:retracted")
    expect(page.locator(".answer.retracted").first).to_be_visible()
    page.locator(".chip").click()
    expect(page.locator("#q")).to_have_value("*")


def test_a_search_is_kept_under_a_name(visit: Visit) -> None:
    """Saved, found again after signing in anew, removed."""
    visitor: Visitor = visit()
    visitor.sign_in()
    page = visitor.page
    visitor.go("/search?q=cousin")
    page.click(".menu summary")
    page.fill("#save-name", "Omar's cousin")
    page.click(".menu button")
    visitor.go("/search")
    page.click("text=Omar's cousin >> nth=0")
    expect(page.locator("#q")).to_have_value("cousin")
    visitor.go("/search")
    page.click(".saved button")
    expect(page.locator(".saved")).to_have_count(0)


def test_the_theme_is_a_choice_that_stays(visit: Visit) -> None:
    """At once, on the next page, and without a script."""
    visitor: Visitor = visit()
    visitor.sign_in()
    page = visitor.page
    page.click("#theme")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    visitor.go("/help")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    plain: Visitor = visit(script=False)
    plain.go("/sign-in")
    plain.page.click("#theme")
    expect(plain.page.locator("html")).to_have_attribute("data-theme", "dark")


def test_times_are_the_viewers(visit: Visit) -> None:
    """The same message an ocean away, with the same moment underneath."""
    seen = []
    for zone in ("Europe/London", "America/New_York"):
        visitor: Visitor = visit(zone=zone)
        visitor.sign_in()
        visitor.go("/search?q=cousin")
        time = visitor.page.locator(".answer time").first
        seen.append((time.inner_text(), time.get_attribute("datetime")))
        assert zone in str(time.get_attribute("title"))
    assert [("Mon 16 Nov 2026 10:05:00", "2026-11-16T10:05:00.000Z"),
            ("Mon 16 Nov 2026 05:05:00", "2026-11-16T10:05:00.000Z")] == seen


def test_on_a_telephone_nothing_is_out_of_reach(visit: Visit) -> None:
    """Answers first, filters behind one touch, the conversation readable."""
    visitor: Visitor = visit(size=PHONE)
    visitor.sign_in()
    page = visitor.page
    visitor.go("/search?q=*")
    expect(page.locator(".facets a").first).to_be_hidden()
    page.tap(".facets summary")
    page.locator(".facets a", has_text="retracted").tap()
    page.locator(".answer [data-row]").first.tap()
    expect(page.locator("[aria-current='true'] .taken")).to_be_in_viewport()


def test_who_may_not_search_is_told_so(visit: Visit) -> None:
    """An administrator signs in and sees no message, nor a way to one."""
    visitor: Visitor = visit()
    visitor.sign_in(ADMINISTRATOR)
    page = visitor.page
    expect(page.locator("header nav a")).to_have_text(["Dashboard", "People"])
    visitor.go("/search?q=cousin")
    expect(page.locator("h1")).to_have_text("This is not for you")
    assert RETRACTED_TEXT not in page.content()
    visitor.wrong.clear()  # 403 is an error to the browser's console


def test_signing_out_ends_it(visit: Visit) -> None:
    """The page before is not to be had any more, and the way back leads to where one was."""
    visitor: Visitor = visit()
    visitor.sign_in()
    page = visitor.page
    visitor.go("/search?q=cousin")
    page.click("text=Sign out")
    page.wait_for_url("**/sign-in")
    visitor.go("/search?q=cousin")
    expect(page.locator("h1")).to_have_text("Sign in")
    page.fill("#person", SUPERVISOR)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=cousin")


def test_a_wrong_password_is_one_sentence(visit: Visit) -> None:
    """The same for a name that is there and one that is not."""
    visitor: Visitor = visit()
    page, said = visitor.page, []
    for person in (SUPERVISOR, "nobody"):
        visitor.go("/sign-in")
        page.fill("#person", person)
        page.fill("#password", "wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#problem")).to_be_visible()
        said.append(page.inner_text("#problem"))
    assert said[0] == said[1]
    visitor.wrong.clear()
