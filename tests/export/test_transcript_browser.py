"""A transcript in the real browser, opened from a folder: what people do with a package."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from schemas.events import Attachment
from search.export import transcript
from search.export.transcript import Transcript
from tests.browser.conftest import PHONE, WIDE
from tests.browser.conftest import browser as browser  # noqa: PLC0414 a fixture, by its name
from tests.export import slices, test_pdf
from tests.export.slices import MemorySink, Story

pytestmark = pytest.mark.slow


def written(folder: Path) -> str:
    """The page of a group, with a picture, as a file; its address."""
    picture = Story((slices.said(slices.NINE, slices.GROUP, text="look", attachments=(
        Attachment("m-1", "image/png", "a photo"),)),), (test_pdf.png(600, 400),))
    one = slices.slice_of([picture, *slices.told(
        [name for name in slices.STORIES if name != "very_long"], slices.GROUP)], slices.GROUP,
        gaps=(slices.gap(),), withheld=slices.withheld())
    sink: MemorySink = slices.sink_for([one], [picture])
    Transcript().slice(slices.job(), one, sink)
    for path, body in sink.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
    return (folder / transcript.path(one.name)).as_uri()


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_it_opens_from_a_folder_and_fits(browser: Browser, tmp_path: Path,
                                         size: tuple[int, int]) -> None:
    """No complaint, nothing fetched from elsewhere, no sideways scrolling, and the picture is
    drawn from the package."""
    address = written(tmp_path)
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    wrong: list[str] = []
    asked: list[str] = []
    page.on("console", lambda said: wrong.append(said.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda one: asked.append(one.url))
    page.goto(address)
    try:
        assert [] == wrong
        assert all(one.startswith(tmp_path.as_uri()) for one in asked)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert 600 == page.evaluate("document.querySelector('img').naturalWidth")
        arabic = page.locator(".said", has_text=slices.RIGHT_TO_LEFT)
        assert "plaintext" == arabic.evaluate("one => getComputedStyle(one).unicodeBidi")
        assert "rtl" == arabic.evaluate("one => getComputedStyle(one).direction")
    finally:
        page.close()


def test_it_prints_with_page_numbers(browser: Browser, tmp_path: Path) -> None:
    """Printed by the browser it says the page, the documents and the export on each sheet."""
    page = browser.new_page()
    page.goto(written(tmp_path))
    try:
        body = page.pdf(prefer_css_page_size=True)
    finally:
        page.close()
    count = len(list(test_pdf.pages(body)))
    assert count > 3
    for number, (_, text) in enumerate(test_pdf.pages(body), 1):
        assert f"page {number} of {count}" in text
        assert f"export {slices.job().export_id}" in text
