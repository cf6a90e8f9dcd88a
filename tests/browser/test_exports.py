"""An export in a real browser, from a search to a verified download; readable by everybody."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from infra import carry
from infra.config import load
from infra.exportpackage import verified
from infra.wire import Wire
from tests.browser import desksite, firm
from tests.browser.conftest import PHONE, WIDE, Visit, Visitor
from tests.browser.firm import Site
from tests.browser.test_pages import looked_at


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The real console on a firm with a month behind it, where two people are needed."""
    folder = tmp_path_factory.mktemp("exports")
    home = folder / "home"
    desksite.build(home)
    carry.carry(Wire(load(home)), lambda _words: None)
    (home / "counterfoil.toml").write_text(
        f'[export]\napproval = true\nfolder = "{folder / "packages"}"\n', "utf-8")
    with firm.serving(home) as found:
        yield found


def _signed_in(visit: Visit, person: str, size: tuple[int, int], scheme: str) -> Visitor:
    visitor: Visitor = visit(size=size, scheme=scheme)
    visitor.sign_in(person)
    visitor.page.wait_for_load_state("networkidle")
    return visitor


def _pressed(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def _downloaded(page: Page, folder: Path) -> Path:
    """The package, unpacked."""
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download the package").click()
    waiting.value.save_as(folder / "package.zip")
    with zipfile.ZipFile(folder / "package.zip") as packed:
        packed.extractall(folder / "unpacked")
    (found,) = (folder / "unpacked").iterdir()
    return found


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (PHONE, "dark")],
                         ids=["wide", "phone"])
def test_from_a_search_to_a_package(visit: Visit, shots: Path, tmp_path: Path, scheme: str,
                                    size: tuple[int, int]) -> None:
    """One asks, another agrees, the console makes it, the first downloads it, it verifies, and the
    hand-over is on record; every page on the way can be read."""
    found: list[str] = []

    def look(visitor: Visitor, name: str) -> None:
        found.extend(looked_at(visitor, shots, f"export-{name}", scheme, size))

    asker = _signed_in(visit, "dana", size, scheme)
    asker.go("/search?q=account")
    asker.page.get_by_role("link", name="Export", exact=True).click()
    expect(asker.page.locator("#query")).to_have_value("account")
    look(asker, "new")
    asker.page.fill("#title", "The account letters")
    asker.page.locator("summary").first.click()
    for name in ("rsmf", "transcript", "pdf", "eml", "loadfile"):
        asker.page.uncheck(f'input[name="format-{name}"]')
    _pressed(asker.page, "How much is it?")
    expect(asker.page.locator("#much")).to_contain_text("This would be")
    look(asker, "preview")
    _pressed(asker.page, "Ask for this export")
    expect(asker.page.locator(".done")).to_contain_text("on record")
    look(asker, "asked")
    path = "/exports/" + asker.page.url.partition("/exports/")[2].partition("?")[0]

    approver = _signed_in(visit, "lea", size, scheme)
    approver.go("/exports")
    look(approver, "list")
    approver.go(path)
    look(approver, "approver")
    _pressed(approver.page, "Agree to this export")
    expect(approver.page.locator(".done")).to_contain_text("You agreed")

    asker.go(path)
    _pressed(asker.page, "Make the package")
    expect(asker.page.get_by_role("link", name="Download the package")).to_be_visible(
        timeout=120_000)
    look(asker, "made")
    assert 0 == verified(_downloaded(asker.page, tmp_path)).code

    asker.page.fill("#to", "Roe LLP")
    asker.page.fill("#how", "encrypted disk by courier")
    _pressed(asker.page, "Put on record")
    expect(asker.page.locator(".trail")).to_contain_text("handed it over to Roe LLP")
    look(asker, "given")
    assert not found, "\n".join(found)
