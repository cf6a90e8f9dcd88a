"""One console and one browser for the session; a fresh context for each test, that accuses.

Owns what every page must keep: nothing on the browser's console, no violation of the content
policy, no request that failed unseen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from tests.browser import chromium, firm
from tests.browser.firm import Site

SHOTS: str = "COUNTERFOIL_SCREENSHOTS"
WIDE = (1440, 900)
PHONE = (390, 844)
_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`content policy: ${event.violatedDirective} ${event.blockedURI}`);
});
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser takes seconds."""
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.slow)


@dataclass
class Visitor:
    """One browser context on the console, and what went wrong in it."""

    site: Site
    context: BrowserContext
    page: Page
    wrong: list[str] = field(default_factory=list)

    def heard(self, kind: str, text: str) -> None:
        """A line of the browser's console. That somebody was in a field before the page put him
        into one is no fault of the page."""
        if not text.startswith("Autofocus processing was blocked"):
            self.wrong.append(f"{kind}: {text}")

    def go(self, path: str) -> None:
        """To a page of the console."""
        self.page.goto(self.site.url + path)

    def sign_in(self, person: str = firm.SUPERVISOR) -> None:
        """As that person, by typing."""
        self.go("/sign-in")
        self.page.fill("#person", person)
        self.page.fill("#password", firm.PASSWORD)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(lambda url: "sign-in" not in url)


Visit = Callable[..., Visitor]
# Somebody went on before the answer was there: what a person who clicks fast does all day.
_WENT_ON = "net::ERR_ABORTED"


def _failed(one: Visitor, asked: Request) -> None:
    if asked.failure != _WENT_ON:
        one.wrong.append(f"failed: {asked.url} {asked.failure}")


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The real console on a small firm's archive."""
    home = tmp_path_factory.mktemp("console") / "home"
    firm.build(home)
    with firm.serving(home) as found:
        yield found


# Not of the session: while it is there an event loop runs in this thread, and no test of another
# module could run one of its own.
@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A real chromium with fonts for every script."""
    found = chromium.find(Path(__file__).parents[2] / ".browser")
    if found is None:
        pytest.skip(f"no chromium: install one, or name it in {chromium.VARIABLE}")
    fonts = chromium.fonts(tmp_path_factory.mktemp("fonts"))
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=found.path, args=list(found.arguments),
                                          env={**os.environ, **fonts})
        yield made
        made.close()


@pytest.fixture
def visit(console: Site, browser: Browser) -> Iterator[Visit]:
    """Makes visitors. A test fails for whatever one of them met that was wrong."""
    made: list[Visitor] = []

    def visitor(*, size: tuple[int, int] = WIDE, scheme: str = "light", script: bool = True,
                zone: str = "Europe/London") -> Visitor:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, java_script_enabled=script,
            color_scheme="dark" if scheme == "dark" else "light", timezone_id=zone,
            has_touch=size == PHONE, reduced_motion="reduce")
        page = context.new_page()
        one = Visitor(console, context, page)
        if script:
            context.add_init_script(_VIOLATIONS)
        page.on("console", lambda said: one.heard(said.type, said.text))
        page.on("pageerror", lambda error: one.wrong.append(f"script: {error}"))
        page.on("requestfailed", lambda asked: _failed(one, asked))
        made.append(one)
        return one

    yield visitor
    wrong = [said for one in made for said in one.wrong]
    for one in made:
        one.context.close()
    assert [] == wrong


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots are written: a folder that the environment names, else pytest's own."""
    named = os.environ.get(SHOTS)
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
