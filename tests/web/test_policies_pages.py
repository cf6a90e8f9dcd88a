"""Policies and dry runs: in scope, recorded first, bounded, one's own."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from infra import dryrun
from tests.web.deskworld import POLICY, Desk, desk

_WAIT_S = 60.0


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One firm for the file."""
    with desk(tmp_path_factory.mktemp("policies") / "home") as made:
        yield made


def finished(firm: Desk, person: str, **form: str) -> str:
    """The page of a dry run that is done."""
    begun = firm.post(person, "/policies/test", form)
    assert begun.status_code == 303, begun.text[-1_500:]
    path = begun.headers["location"]
    until = time.monotonic() + _WAIT_S
    while time.monotonic() < until:
        found = firm.get(person, path)
        if "refresh" not in found.headers:
            return found.text
        time.sleep(0.2)
    raise AssertionError("the dry run did not end")


def test_what_is_in_force_and_what_it_says(firm: Desk) -> None:
    """Title, version, who, rules, the file; an auditor reads it and cannot try it."""
    page = firm.page("otto", "/policies")
    for said in ("Money", "in force", "version 1", "Ann Lee", "Bob Roe", "account", "money-1.toml"):
        assert said in page
    assert "/policies/test" not in page
    assert firm.get("otto", "/policies/test").status_code == 403
    assert firm.get("ada", "/policies").status_code == 403


def test_a_dry_run_counts_what_the_viewer_sees(firm: Desk) -> None:
    """Of two messages that hold the word one is Ann's."""
    page = finished(firm, "sue", policy="money/1")
    assert "<bdi>account</bdi></a></th><td>1</td><td>1</td>" in page
    assert "<strong>6 messages</strong>" in page
    assert "send it to the new account" in page
    assert "my account is closed" not in page
    page = finished(firm, "dana", policy="money/1")
    assert "<bdi>account</bdi></a></th><td>2</td><td>2</td>" in page
    assert "my account is closed" in page


def test_days_bound_it(firm: Desk) -> None:
    """Messages of the days that were asked for, counts too."""
    page = finished(firm, "dana", policy="money/1", since="2026-11-17", until="2026-11-17")
    assert "<bdi>account</bdi></a></th><td>1</td><td>1</td>" in page


def test_it_is_recorded_before_and_after(firm: Desk) -> None:
    """That it began, with the policy, and that it was looked at."""
    finished(firm, "dana", policy="money/1")
    firm.index()
    assert "tried money/1 on the archive" in firm.page("otto", "/audit?records=policies")
    assert "looked at what a dry run of money/1 found" in firm.page(
        "otto", "/audit?action=policy_test&person=dana")


def test_a_policy_that_is_typed(firm: Desk) -> None:
    """It is tried as it stands; nothing is put into the folder."""
    source = POLICY.replace("query = \"account\"", "query = \"morning\"")
    page = finished(firm, "sue", source=source)
    assert "(as typed)" in page
    assert "<td>5</td><td>5</td>" in page
    assert ["money-1.toml"] == [one.name for one in (firm.wire.home / "policies").iterdir()]


def test_what_is_wrong_is_said_with_its_line(firm: Desk) -> None:
    """And what was typed is still there."""
    found = firm.post("sue", "/policies/test", {"source": POLICY + "\nsurprise = 1\n"})
    assert found.status_code == 422
    assert "surprise" in found.text
    assert "It did not begin" in found.text
    for form in ({}, {"policy": "nothing/1"}, {"policy": "money/1", "since": "2026-13-01"},
                 {"policy": "money/1", "since": "2026-02-02", "until": "2026-02-01"},
                 {"source": "x" * 40_000}):
        assert firm.post("sue", "/policies/test", form).status_code == 422


def test_a_run_is_its_makers_alone(firm: Desk) -> None:
    """For anybody else it is not there."""
    begun = firm.post("dana", "/policies/test", {"policy": "money/1"})
    path = begun.headers["location"]
    assert firm.get("sue", path).status_code == 404
    assert firm.post("sue", f"{path}/stop", {}).status_code == 404
    assert firm.get("sue", "/policies/test/" + "0" * 24).status_code == 404
    assert firm.post("dana", f"{path}/stop", {}).status_code == 303
    assert path in firm.page("dana", "/policies/test")
    assert path not in firm.page("sue", "/policies/test")


def test_a_policy_that_flags_everything_ends(
        firm: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process kept is what is shown, and the page says so."""
    run = dryrun.Run(firm.wire.home, b"", None, None)
    run._take({"hits": [("0" * 32, "account", "high", "why", 1)], "is_whole": False})
    assert (dryrun.DONE, False, 100) == (run.state, run.is_whole, run.percent)
    run.stop("late")
    assert run.state == dryrun.DONE


def test_a_folder_that_does_not_read_is_named(firm: Desk) -> None:
    """With the file and the line, on a page of its own."""
    broken = firm.wire.home / "policies" / "broken.toml"
    broken.write_text("id = 1\n", "utf-8")
    try:
        page = firm.page("sue", "/policies")
        assert "A file does not read" in page
        assert "broken.toml" in page
    finally:
        broken.unlink()
