"""Reports as pages: they add up, name who, what, when and how, and run nothing in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC

import pytest

from search.review import signed
from search.review.decisions import BREACH, CLEAR, FALSE_POSITIVE
from search.review.views import Form
from search.web import csvtext
from search.web.pages.reports import months, span
from search.web.times import Zone
from tests.search.review.world import Firm, viewer
from tests.search.world import NOON
from tests.web.reviewing import ANN, CAT, DAN, EVE, SIGNER, Reviewed, words

_ZONE = Zone("UTC", UTC)


def worked() -> tuple[Reviewed, list[str]]:
    """Three items: one a breach, one a false positive, one open."""
    firm = Reviewed()
    ids = [firm.world.message(number, ("cash", "medium")) for number in range(3)]
    for one, decision, reason in ((ids[0], BREACH, "=HYPERLINK(\"http://x\")"),
                                  (ids[1], FALSE_POSITIVE, "petty cash, \"really\"")):
        firm.world.desk.open(viewer("ann"), one)
        firm.world.desk.act(viewer("ann"), one, Form("decide", decision, reason))
    firm.world.index_log()
    return firm, ids


def test_without_a_month_nothing_is_worked_out() -> None:
    """The choice of months, and no record of a report."""
    firm, _ = worked()
    page = firm.as_(CAT).get("/reports")
    assert "<option>2026-01</option>" in page.text
    assert "report" not in [one.detail("action") for one in firm.world.log.events]


def test_the_report_adds_up_and_names_what_is_open() -> None:
    """Each table to the population; the four fields of each act."""
    firm, ids = worked()
    page = firm.as_(CAT).get("/reports?month=2026-01")
    said = words(page)
    assert "2026-01: 3 items" in said and "Each table adds up to 3 items" in said
    assert page.text.count('<td class="number">3</td></tr></tfoot>') == 3
    assert f'href="/item/{ids[2]}"' in page.text.partition('id="open"')[2]
    assert "Ann Ash: breach, Thu 15 Jan 2026" in said and "nobody yet" in said
    assert "money/cash 3 2 1 0 1 50 %" in said
    assert "report" in [one.detail("action") for one in firm.world.log.events]


def test_the_csv_has_every_item_and_no_formula() -> None:
    """A row for each act, one for an item without any; what would run is text."""
    firm, ids = worked()
    answer = firm.as_(CAT).get("/reports/items.csv?month=2026-01")
    assert answer.headers["content-disposition"] == (
        'attachment; filename="counterfoil-reviews-2026-01.csv"')
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert {one["item"] for one in rows} == set(ids)
    by_item = {one["item"]: one for one in rows}
    assert by_item[ids[0]]["reason"] == "'=HYPERLINK(\"http://x\")"
    assert by_item[ids[1]]["reason"] == 'petty cash, "really"'
    assert ("ann", "breach", "yes") == tuple(
        by_item[ids[0]][name] for name in ("reviewer", "action", "in_period"))
    assert by_item[ids[0]]["reviewed_at"].endswith("+00:00")
    assert ("", "") == (by_item[ids[2]]["reviewer"], by_item[ids[2]]["action"])


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1"])
def test_a_cell_that_would_be_worked_out_is_text(text: str) -> None:
    """Whatever stands before the sign."""
    (row,) = csv.reader(io.StringIO(csvtext.cell(text), newline=""))
    assert row == [f"'{text}"]


def test_a_cell_is_one_cell() -> None:
    """Quotes, commas and line ends are in it and end nothing."""
    made = csvtext.table(("a", "b"), [('x,"y"', "two\nlines")]).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(made, newline=""))) == [["a", "b"], ['x,"y"', "two\nlines"]]


def test_an_auditor_has_figures_and_no_way_to_a_message() -> None:
    """Of the whole firm; no link leads to an item."""
    firm, ids = worked()
    eve = firm.as_(EVE)
    page = eve.get("/reports?month=2026-01")
    assert "3 items" in words(page) and "/item/" not in page.text and ids[0][:12] in page.text
    assert "message 0" not in page.text
    assert eve.get("/reports/rules").status_code == 403


def test_reviewers_are_told_with_their_pace() -> None:
    """Who decided how fast, who looked at what."""
    firm, _ = worked()
    page = words(firm.as_(EVE).get("/reports/reviewers?month=2026-01"))
    assert "Ann Ash 2" in page and "view 2" in page and "A mark is a reason to look" in page
    assert firm.as_(CAT).get("/reports/reviewers?month=2026-01").status_code == 403


def test_the_signed_report_verifies() -> None:
    """Under the firm's key; a changed byte does not."""
    firm, _ = worked()
    answer = firm.as_(ANN).get("/reports/signed.json?month=2026-01")
    assert "counterfoil-accountability-2026-01.json" in answer.headers["content-disposition"]
    keys = {b"k" * 16: SIGNER.public_key().public_bytes_raw()}
    read, _ = signed.verify(answer.content, keys)
    assert (read["month"], read["period"]["population"], read["made_by"]) == ("2026-01", 3, "ann")
    assert json.loads(answer.content)["report"] == read


def test_a_rule_is_proposed_to_be_narrower() -> None:
    """Only when asked for, and only to who may test policies."""
    firm, _ = worked()
    cat = firm.as_(CAT)
    assert "Work it out" in cat.get("/reports/rules").text
    assert "No word stands out" in cat.get("/reports/rules?show=1").text
    assert firm.as_(DAN).get("/reports/rules").status_code == 403


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "9999-12", "0000-01", "today", "2026-011"])
def test_a_month_that_is_none_is_refused(month: str) -> None:
    """400, for the page and for the file."""
    firm = Reviewed()
    cat = firm.as_(CAT)
    for path in ("/reports", "/reports/items.csv"):
        assert cat.get(f"{path}?month={month}").status_code == 400
    assert cat.get("/reports/items.csv").status_code == 400


def test_months_end_where_the_next_begins() -> None:
    """Over the year's end too; the choice begins with the running month."""
    assert span("2025-12", _ZONE)[1] == span("2026-01", _ZONE)[0]
    assert months(NOON, _ZONE)[:3] == ("2026-01", "2025-12", "2025-11")


def test_a_long_report_has_pages() -> None:
    """A hundred items each, none twice."""
    world = Firm()
    ids = {world.message(number, ("cash", "low")) for number in range(120)}
    firm = Reviewed(world=world)
    cat, seen = firm.as_(CAT), []
    for first in (0, 100):
        page = cat.get(f"/reports?month=2026-01&from={first}").text.partition('id="items"')[2]
        seen += [one[:32] for one in page.split('href="/item/')[1:]]
    assert len(seen) == 120 and set(seen) == ids


def test_a_decision_of_another_month_is_marked() -> None:
    """What was done before the month is told, and that it was before."""
    firm, ids = worked()
    firm.world.desk.act(viewer("ann"), ids[2], Form("note", note="still open"))
    firm.world.desk.act(viewer("ann"), ids[2], Form("decide", CLEAR, "looked at"))
    firm.world.index_log()
    page = words(firm.as_(CAT).get("/reports?month=2026-02"))
    assert "0 items" in page
