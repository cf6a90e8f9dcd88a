"""Every page, in both themes and widths: no rule of WCAG 2.2 AA broken, no glyph missing, nothing
wider than its window; and a picture of it for people to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import PHONE, WIDE, Visit, Visitor
from tests.browser.firm import RETRACTED_TEXT

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Draws a character in the fonts of an element, and compares with one that no font has.
_GLYPHS = """
() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 40;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const drawn = (text, font) => {
    pen.clearRect(0, 0, 40, 40);
    pen.font = `24px ${font}`;
    pen.fillText(text, 2, 30);
    return pen.getImageData(0, 0, 40, 40).data.join();
  };
  const missing = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Map();
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!element || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    const font = getComputedStyle(element).fontFamily;
    if (!seen.has(font)) seen.set(font, new Set());
    const done = seen.get(font);
    const none = ["\\u{378}", "\\u{1FFFE}", "\\u{E0FFF}"].map((one) => drawn(one, font));
    for (const one of walker.currentNode.textContent) {
      if (done.has(one) || /[\\s\\p{Mark}\\p{Cf}\\p{Sk}]/u.test(one)) continue;
      done.add(one);
      if (none.includes(drawn(one, font))) missing.add(one);
    }
  }
  return [...missing];
}
"""


def _search(visitor: Visitor) -> None:
    visitor.go("/search?q=*")


def _start(visitor: Visitor) -> None:
    visitor.go("/search")


def _wrong(visitor: Visitor) -> None:
    visitor.page.goto(visitor.site.url + "/search?q=deposit+AND+(friday")
    # The answer of a query that is wrong is an error to the browser's console too.
    visitor.wrong.clear()


def _explain(visitor: Visitor) -> None:
    visitor.go("/search/explain?q=depos*+AND+(friday+OR+transfer)")


def _conversation(visitor: Visitor) -> None:
    visitor.go("/search?q=march")
    visitor.page.click("[data-row]")
    visitor.page.wait_for_url("**/conversation/**")


def _retracted(visitor: Visitor) -> None:
    visitor.go("/search?q=cousin")
    visitor.page.click("[data-row]")
    visitor.page.wait_for_url("**/conversation/**")


def _picture(visitor: Visitor) -> None:
    visitor.go("/search?q=attachment%3Aimage")
    visitor.page.click("[data-row]")
    visitor.page.wait_for_url("**/conversation/**")
    visitor.page.locator("img").first.scroll_into_view_if_needed()


def _message(visitor: Visitor) -> None:
    _retracted(visitor)
    visitor.page.locator("[aria-current='true'] [data-row]").click()
    visitor.page.wait_for_url("**/message/**")


def _copies(visitor: Visitor) -> None:
    visitor.go("/search?q=curtains")
    visitor.page.locator("[data-row]").first.focus()
    visitor.page.goto(visitor.site.url + str(
        visitor.page.locator("[data-row]").first.get_attribute("data-info")))


def _many_scripts(visitor: Visitor) -> None:
    visitor.go("/search?q=from%3A陈伟")


def _account(visitor: Visitor) -> None:
    visitor.go("/account")


def _help(visitor: Visitor) -> None:
    visitor.go("/help")


def _lost(visitor: Visitor) -> None:
    visitor.go("/message/" + "0" * 32)
    visitor.wrong.clear()


PAGES = {
    "start": _start, "search": _search, "wrong": _wrong, "explain": _explain,
    "conversation": _conversation, "retracted": _retracted, "picture": _picture,
    "message": _message, "copies": _copies, "scripts": _many_scripts, "account": _account,
    "help": _help, "lost": _lost,
}


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_read(visit: Visit, shots: Path, scheme: str,
                                size: tuple[int, int]) -> None:
    """By everybody, in both themes and widths, whatever script people wrote in."""
    visitor: Visitor = visit(size=size, scheme=scheme)
    visitor.go("/sign-in")
    found = looked_at(visitor, shots, "sign-in", scheme, size)
    visitor.sign_in()
    for name, to in PAGES.items():
        to(visitor)
        found += looked_at(visitor, shots, name, scheme, size)
    assert not found, "\n".join(found)


def looked_at(visitor: Visitor, shots: Path, name: str, scheme: str,
              size: tuple[int, int]) -> list[str]:
    """What is wrong with the page that is open; a picture of it is kept."""
    page = visitor.page
    page.wait_for_load_state("networkidle")
    where = f"{name}, {scheme}, {size[0]}"
    page.screenshot(path=shots / f"{name}-{scheme}-{size[0]}.png")
    page.screenshot(path=shots / f"{name}-{scheme}-{size[0]}-whole.png", full_page=True)
    out = [f"{where}: {said}" for said in _broken(page)]
    missing: list[str] = page.evaluate(_GLYPHS)
    out += [f"{where}: no glyph for {one!r}" for one in missing]
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    if wide > 0:
        out.append(f"{where}: {wide} pixels wider than the window")
    return out


def _broken(page: Page) -> list[str]:
    answer = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
    found: list[dict[str, Any]] = answer.response["violations"]
    return [f"{one['id']}: {one['help']}: {node['html'][:160]} {node['target']}"
            for one in found for node in one["nodes"][:3]]


def test_the_glyph_test_sees_a_missing_one(visit: Visit) -> None:
    """It would notice: a character that no font has is found."""
    visitor: Visitor = visit()
    visitor.go("/sign-in")
    visitor.page.evaluate("document.querySelector('h1').textContent = 'a \\u{1FFFD} b'")
    assert ["\U0001fffd"] == visitor.page.evaluate(_GLYPHS)


def test_every_text_is_there_without_scripts(visit: Visit) -> None:
    """Sign in, search, open a conversation: the pages need no script."""
    visitor: Visitor = visit(script=False)
    visitor.sign_in()
    _retracted(visitor)
    assert RETRACTED_TEXT in visitor.page.inner_text("[aria-current='true'] .said")
