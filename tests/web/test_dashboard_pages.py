"""The dashboard: numbers within the scope, the firm's without content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from search.policy.flags import Flag, flag_event
from search.web import plots
from tests.web.deskworld import DAY, START, Desk, desk, key, said


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One firm for the file; nothing in it is changed by a test but what a test says."""
    with desk(tmp_path_factory.mktemp("dashboard") / "home") as made:
        events = {one.native_id: one for one in said()}
        for name in ("wamid.a3", "wamid.b0"):
            made.wire.recorder("search").record(flag_event(Flag(
                key(events[name]), "money", "account", 1, "high", events[name].revision, "why",
                "0" * 64), START + DAY, 8))
        made.index()
        yield made


def test_counts_are_of_what_the_viewer_sees(firm: Desk) -> None:
    """The supervisor of Ann's group sees six messages; compliance eight; an auditor eight too."""
    for person, count in (("sue", "6 messages"), ("dana", "8 messages"), ("otto", "8 messages"),
                          ("ada", "8 messages")):
        assert f'<span class="muted">{count}</span>' in firm.page(person, "/dashboard")


def test_who_sees_no_message_is_shown_none(firm: Desk) -> None:
    """An auditor and an administrator: figures, no text, no way to a message."""
    for person in ("otto", "ada"):
        page = firm.page(person, "/dashboard")
        assert "Figures of the whole firm" in page
        assert "new account" not in page
        assert "/search" not in page


def test_accounts_are_named_to_who_may_know(firm: Desk) -> None:
    """A supervisor: those of the group; the administrator: all; the auditor: how many."""
    assert "+442079460101" in firm.page("sue", "/dashboard")
    assert "+442079460102" not in firm.page("sue", "/dashboard")
    assert "+442079460102" in firm.page("ada", "/dashboard")
    assert "+44207946010" not in firm.page("otto", "/dashboard")
    assert "2 accounts, of which" in firm.page("otto", "/dashboard")


def test_a_wall_hides_the_account_behind_it(firm: Desk) -> None:
    """Whoever is kept out learns no number, and has no dashboard without the capability."""
    assert firm.get("lea", "/dashboard").status_code == 403
    assert firm.get("rita", "/dashboard").status_code == 403


def test_reviews_are_counted_in_scope(firm: Desk) -> None:
    """One flagged message of two is Ann's; who has nothing to do with reviews is told nothing."""
    assert '<th scope="row"><bdi>account</bdi></th><td>1</td>' in firm.page("sue", "/dashboard")
    assert '<th scope="row"><bdi>account</bdi></th><td>2</td>' in firm.page("dana", "/dashboard")
    assert '<th scope="row"><bdi>account</bdi></th><td>2</td>' in firm.page("otto", "/dashboard")
    assert "Reviews</h2>" not in firm.page("ada", "/dashboard")


def test_the_look_is_recorded(firm: Desk) -> None:
    """Before it is answered."""
    firm.page("otto", "/dashboard?days=14")
    firm.index()
    assert "looked at the dashboard" in firm.page("dana", "/audit?action=dashboard&person=otto")


def test_every_day_stands_in_the_table(firm: Desk) -> None:
    """Also those without a message; no style and no script in the page."""
    page = firm.page("dana", "/dashboard?days=14")
    assert page.count('<tr><th scope="row"><a') + page.count('<tr><th scope="row">') >= 14
    assert "style=" not in page
    assert "<script>" not in page


def test_a_plot_reads_well() -> None:
    """The edge is a round number, the smallest count is seen, nothing is nothing."""
    made = plots.plot("x", [("a", 1), ("b", 0), ("c", 730)])
    assert (1_000, 731) == (made.top, made.total)
    assert ["2", "0", "73"] == [one.height for one in made.bars]
    assert "0" == plots.share(0, 10)


def test_a_broken_choice_of_days_is_the_usual_one(firm: Desk, tmp_path: Path) -> None:
    """No error for a typing error in an address."""
    assert firm.page("dana", "/dashboard?days=x").count('aria-current="true">30 days') == 1
