"""verify.html as a person uses it: opened from a file or served, a folder chosen, a verdict read.

Owns the driving of that page and what it must keep whatever it is given: nothing on the browser's
console, no violation of its content policy, and no request but for the page itself.
"""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, Page

PAGE: Final = Path(__file__).parents[2] / "search" / "export" / "offline" / "verify.html"
WIDE: Final = (1440, 900)
_VERDICT_MS_MAX: Final = 120_000
_VIOLATIONS: Final = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`content policy: ${event.violatedDirective} ${event.blockedURI}`);
});
"""
# A page that is served without TLS has none.
_NO_SUBTLE: Final = "Object.defineProperty(Crypto.prototype, 'subtle', {get: () => undefined});"


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered step as shown: its title, its state (good, note, wrong), all of its words."""

    title: str
    state: str
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the page says of a package. `state_of_all`: good, part (nothing is wrong, and not all is
    known), wrong or stopped; `words`: the sentences below the verdict."""

    verdict: str
    state_of_all: str
    words: str
    steps: tuple[Step, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    text: str

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return self.state_of_all in ("good", "part")

    def state(self, title: str) -> str:
        """Of the step that begins so."""
        (found,) = [one.state for one in self.steps if one.title.startswith(title)]
        return found


@dataclass
class Checker:
    """The page in one browser context, and what went wrong in it."""

    context: BrowserContext
    page: Page
    url: str
    wrong: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self) -> Checker:
        """The page, fresh."""
        self.page.goto(self.url)
        return self

    def choose(self, folder: Path) -> None:
        """The package's folder, by the button."""
        self.page.set_input_files("#folder", str(folder))

    def check(self, folder: Path, key: str = "", package_key: str = "") -> Outcome:
        """Chooses the folder, pastes the keys, presses the button and reads what comes."""
        self.open().choose(folder)
        self.page.fill("#key", key)
        self.page.fill("#package-key", package_key)
        self.page.click("#start")
        return self.outcome()

    def outcome(self) -> Outcome:
        """What is shown when it has ended."""
        self.page.wait_for_selector("#verdict", timeout=_VERDICT_MS_MAX)
        said: dict[str, Any] = self.page.evaluate("""() => ({
            verdict: document.querySelector('#verdict').textContent,
            state: document.querySelector('.verdict').classList[1],
            words: document.querySelector('.verdict p').textContent,
            steps: [...document.querySelectorAll('.steps > li')].map((one) =>
                [one.querySelector('h3').firstChild.textContent.trim(), one.className,
                 one.textContent]),
            problems: [...document.querySelectorAll('.problems li')].map((one) => one.textContent),
            notes: [...document.querySelectorAll('.steps p.note')].map((one) =>
                one.textContent.replace('Note: ', '')),
            text: document.querySelector('#result').textContent})""")
        return Outcome(said["verdict"], said["state"], said["words"],
                       tuple(Step(*one) for one in said["steps"]), tuple(said["problems"]),
                       tuple(said["notes"]), said["text"])

    def drop(self, folder: Path) -> None:
        """The folder dropped on the page, as a file manager does it."""
        box = self.page.locator("#drop").bounding_box()
        assert box is not None
        session = self.context.new_cdp_session(self.page)
        for kind in ("dragEnter", "dragOver", "drop"):
            session.send("Input.dispatchDragEvent", {
                "type": kind, "x": box["x"] + 20, "y": box["y"] + 20,
                "data": {"items": [], "files": [str(folder)], "dragOperationsMask": 1}})
        self.page.wait_for_selector("#chosen:not(:empty)")

    def run(self, script: str, argument: object = None) -> Any:
        """What one of the page's own functions gives."""
        return self.page.evaluate(script, argument)


@contextmanager
def checker(browser: Browser, *, url: str = PAGE.as_uri(), size: tuple[int, int] = WIDE,
            scheme: str = "light", subtle: bool = True) -> Iterator[Checker]:
    """A page that accuses at its end. `subtle`: whether the browser's own hashes are there."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]},
                                  color_scheme="dark" if scheme == "dark" else "light",
                                  reduced_motion="reduce")
    page = context.new_page()
    one = Checker(context, page, url)
    context.add_init_script(_VIOLATIONS + ("" if subtle else _NO_SUBTLE))
    page.on("console", lambda said: one.wrong.append(f"{said.type}: {said.text}"))
    page.on("pageerror", lambda error: one.wrong.append(f"script: {error}"))
    page.on("dialog", lambda dialog: one.wrong.append(f"dialog: {dialog.message}"))
    context.on("request", lambda asked: one.requests.append(asked.url))
    try:
        yield one
    finally:
        context.close()
    assert [] == one.wrong
    assert {url} >= set(one.requests), "the page asked for something"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Says nothing on the terminal, and remembers what was asked for."""

    asked: list[str]

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Of each answer."""
        self.asked.append(self.path)


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """(address of the folder on this machine, the paths that were asked for)."""
    asked: list[str] = []
    handler = type("Handler", (_Quiet,), {"asked": asked})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
