"""Policies and dry runs: in scope, recorded first, bounded, one's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import cast
from zoneinfo import ZoneInfo

import pytest

from infra import dryrun
from schemas.errors import Refused
from search.access.viewer import Viewer, operator
from search.web.ask import Ask
from search.web.oversight import PoliciesPort, RunView
from search.web.pages import policies
from search.web.times import Zone
from tests.web.deskworld import DAY, POLICY, START, Desk, desk

_WAIT_S = 60.0
DANA, SUE = operator("dana"), operator("sue")


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One firm for the file."""
    with desk(tmp_path_factory.mktemp("policies") / "home") as made:
        yield made


def finished(firm: Desk, person: str, **form: str) -> str:
    """The page of a dry run that is done."""
    firm.clock.now += 10_000  # between two of one person
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


def test_its_days_are_the_firms_whoever_looks() -> None:
    """A browser in another zone asks about the same time, as `date:` and `policy test` do."""
    asked: list[tuple[int | None, int | None]] = []

    def begun(who: object, name: str, source: str, since: int | None, until: int | None) -> str:
        asked.append((since, until))
        return "r"

    for shown in ("UTC", "America/New_York"):
        policies.begin(cast(Ask, SimpleNamespace(
            form={"policy": "money", "since": "2025-11-16", "until": "2025-11-16"}, who=None,
            zone=Zone(shown, ZoneInfo(shown)), go=lambda path: None, parts=SimpleNamespace(
                settings=SimpleNamespace(zone=Zone("Europe/Berlin", ZoneInfo("Europe/Berlin"))),
                watch=SimpleNamespace(policies=SimpleNamespace(begin=begun))))))
    day = 1_763_247_600_000                       # 2025-11-16, 00:00 in Berlin
    assert asked == [(day, day + 86_400_000)] * 2


def test_it_is_recorded_before_and_after(firm: Desk) -> None:
    """That it began, with the policy, and that it was looked at."""
    finished(firm, "dana", policy="money/1")
    firm.index()
    assert "tried money/1 on the archive" in firm.page(
        "otto", "/audit?records=policies&person=dana")
    assert "tried money/1 on the archive" not in firm.page(
        "otto", "/audit?records=policies&person=lea")
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
    firm.clock.now += 10_000
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


def ended(policies: PoliciesPort, viewer: Viewer, run_id: str) -> RunView:
    """A dry run that is done."""
    until = time.monotonic() + _WAIT_S
    while (found := policies.run(viewer, run_id)).state == dryrun.RUNNING:
        assert time.monotonic() < until, "the dry run did not end"
        time.sleep(0.2)
    return found


def test_one_begins_another_only_after_a_while(firm: Desk) -> None:
    """Each is a process and a record: ten seconds between two of one person, in words."""
    policies = firm.policies
    firm.clock.now += 10_000
    policies.stop(DANA, policies.begin(DANA, "money/1", "", None, None))
    with pytest.raises(Refused, match="wait ten seconds"):
        policies.begin(DANA, "money/1", "", None, None)
    policies.stop(SUE, policies.begin(SUE, "money/1", "", None, None))
    firm.clock.now += 10_000
    policies.stop(DANA, policies.begin(DANA, "money/1", "", None, None))


def test_whatever_goes_wrong_nothing_is_kept_as_running(
        firm: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody thought of leaves the next one free to begin."""
    firm.clock.now += 10_000

    def broken(_run: dryrun.Run) -> None:
        raise RuntimeError("no thread left")

    with monkeypatch.context() as patched:
        patched.setattr(dryrun.Run, "start", broken)
        with pytest.raises(RuntimeError):
            firm.policies.begin(DANA, "money/1", "", None, None)
    firm.policies.stop(DANA, firm.policies.begin(DANA, "money/1", "", None, None))


def test_nothing_waits_for_a_run_that_is_over(firm: Desk) -> None:
    """Its timer ends with it, done or stopped; one that is stopped before it begins has none."""
    done = dryrun.Run(firm.wire.home, POLICY.encode(), None, None)
    done.start()
    stopped = dryrun.Run(firm.wire.home, POLICY.encode(), None, None)
    stopped.start()
    stopped.stop("enough")
    for one in (done, stopped):
        assert one._ends is not None
        one._ends.join(_WAIT_S)
        assert one._ends.finished.is_set()
    assert (dryrun.DONE, dryrun.STOPPED, "enough") == (done.state, stopped.state, stopped.problem)
    never = dryrun.Run(firm.wire.home, POLICY.encode(), None, None)
    never.stop()
    never.start()
    assert never._process is None and never._ends is None


MASKED = replace(SUE, pseudonyms=True)


@pytest.mark.parametrize("said", [
    'query = "account from:+447700900123"', 'query = "account NOT with:\\"Maria Souza\\""',
    'query = "account OR (to:ann morning)"', 'query = "conversation:0123456789abcdef"',
    'query = "account"\nfrom = ["+447700900123"]', 'query = "account"\nto = ["Ann Roe"]',
    'query = "account"\nwith = ["group:litigation"]', 'query = "account"\nexempt = ["Maria Souza"]',
    'threshold = 1\nterms = [{find = "morning", weight = 1}, {find = "from:ann", weight = -1}]'])
def test_a_typed_policy_does_not_ask_who_is_behind_a_pseudonym(firm: Desk, said: str) -> None:
    """What it counts would be the answer: refused in words, and no run begins."""
    source = POLICY.replace('query = "account"', said)
    firm.clock.now += 10_000
    with pytest.raises(Refused, match="names are hidden here, and the rule account"):
        firm.policies.begin(MASKED, "", source, None, None)
    # Where names are shown it is a policy like any other.
    firm.policies.stop(SUE, firm.policies.begin(SUE, "", source, None, None))


def test_senders_who_are_exempt_of_a_whole_policy_are_names_too(firm: Desk) -> None:
    """And what asks about nobody may be tried under pseudonyms."""
    firm.clock.now += 10_000
    with pytest.raises(Refused, match="names are hidden here"):
        firm.policies.begin(MASKED, "", 'exempt = ["Maria Souza"]\n' + POLICY, None, None)
    run = ended(firm.policies, MASKED, firm.policies.begin(MASKED, "", POLICY, START, None))
    assert [(2, 2)] == [(one.messages, len(one.samples)) for one in run.rules]


def test_a_policy_of_the_firm_about_people_is_counted_and_not_shown(firm: Desk) -> None:
    """Beside a pseudonym its samples would say whose it is, and so would its counts day by day;
    where names are shown they are there."""
    path = firm.wire.home / "policies" / "souza-1.toml"
    path.write_text(POLICY.replace('"money"', '"souza"').replace(
        'query = "account"', 'query = "account"\nfrom = ["Maria Souza"]'), "utf-8")
    try:
        with pytest.raises(Refused, match="try it on the whole archive"):
            firm.policies.begin(MASKED, "souza/1", "", START, None)
        with pytest.raises(Refused, match="the rule account asks about people"):
            firm.policies.begin(MASKED, "souza/1", "", None, START + DAY)
        for viewer, shown in ((MASKED, 0), (SUE, 2)):
            firm.clock.now += 10_000
            run = ended(firm.policies, viewer,
                        firm.policies.begin(viewer, "souza/1", "", None, None))
            (rule,) = run.rules
            assert (rule.messages, len(rule.samples)) == (2, shown)
    finally:
        path.unlink()
