"""Reviews on a data folder: from a flag to a signed report, on the normal road and after a
rebuild."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.carry import carry_if_idle
from infra.config import load
from infra.reviewing import month_of, new_seed
from infra.verbs import policy
from infra.verbs import review as verbs
from infra.verbs.review import Wanted
from infra.wire import Wire
from schemas import events
from schemas.errors import Missing, Refused
from search.follow import compare, rebuild
from search.review.views import Form
from tests.interface.test_json import as_stated
from tests.runtime.test_acts import recorded
from tests.runtime.test_policy import FIRST, put, texts
from tests.runtime.test_reconcile import capture

Verb = Callable[..., list[dict[str, Any]]]
MEDIUM = FIRST.replace('severity = "high"', 'severity = "medium"')


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    """An embedded system with a policy."""
    made = Wire(load(tmp_path / "home"))
    made.provision_once()
    (made.home / "policies").mkdir()
    return made


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Verb:
    """What a verb prints with --json."""
    def run(verb: Callable[..., int], *said: Any, code: int = 0, **more: Any) -> list[
            dict[str, Any]]:
        capsys.readouterr()
        assert verb(*said, json=True, **more) == code
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return run


def flagged(wire: Wire, lines: Verb, source: str = MEDIUM, count: int = 2) -> list[str]:
    """Messages that the policy has flagged; their ids as the queue prints them."""
    capture(wire, *texts("a call", *(f"bring cash {number}" for number in range(count))))
    put(wire, source)
    lines(policy.policy_replay, wire, "money")
    return [row["id"] for row in lines(verbs.queue, wire, Wanted())]


def test_from_a_flag_to_a_decision(wire: Wire, lines: Verb) -> None:
    """The queue, an item, a decision; found again by its outcome; each look and act on the log,
    and opening is none."""
    ids = flagged(wire, lines)
    assert len(ids) == 2
    as_stated("review-queue", lines(verbs.queue, wire, Wanted())[0])
    (opened,) = lines(verbs.show, wire, ids[0])
    as_stated("review-item", opened)
    assert (opened["status"], opened["acts"]) == ("open", [])
    (done,) = lines(verbs.act, wire, ids[0], Form(
        "decide", "false_positive", "petty cash", basis=opened["basis"]))
    as_stated("review-item", done)
    assert (done["status"], done["outcome"]) == ("closed", "false_positive")
    assert [row["id"] for row in lines(verbs.queue, wire, Wanted())] == ids[1:]
    assert [row["id"] for row in lines(verbs.queue, wire, Wanted("closed"))] == ids[:1]
    (event,) = [one for one in recorded(wire) if one.kind == events.REVIEW]
    assert event.actor is not None and event.actor.native_id == done["acts"][0]["reviewer"]
    looks = [one.detail("action") for one in recorded(wire) if one.kind == events.AUDIT]
    assert {"queue", "view"} <= set(looks)


def test_reviews_survive_a_rebuild(wire: Wire, lines: Verb) -> None:
    """The index thrown away and made anew says the same of every item, document for document."""
    ids = flagged(wire, lines, count=3)
    lines(verbs.act, wire, ids[0], Form("decide", "clear", "looked at"))
    lines(verbs.act, wire, ids[1], Form("decide", "escalate", "over my head"))
    lines(verbs.act, wire, ids[2], Form("note", note="ask Ann"))
    before = [lines(verbs.show, wire, one)[0] for one in ids]
    indexes = wire.indexes()
    live = indexes.open(indexes.current() or "")
    fresh = indexes.open(rebuild(wire.reader(), indexes, wire.projector()))
    assert list(compare(live, fresh)) == []
    (wire.home / "state.db").unlink()     # claims and the like may be lost
    assert [lines(verbs.show, wire, one)[0] for one in ids] == before
    assert {"closed", "escalated", "open"} == {one["status"] for one in before}


def test_a_grave_item_waits_for_somebody_else(wire: Wire, lines: Verb) -> None:
    """The operator alone does not close it."""
    (one, _) = flagged(wire, lines, FIRST)
    (done,) = lines(verbs.act, wire, one, Form("decide", "clear", "looked at"))
    assert (done["status"], done["needs"]) == ("second", "second")
    with pytest.raises(Refused, match="another one"):
        verbs.act(wire, one, Form("confirm"), json=True)


def test_what_cannot_be_meant(wire: Wire, lines: Verb) -> None:
    """Refused with words, and nothing is recorded."""
    (one, _) = flagged(wire, lines)
    for form, why in ((Form("decide", "maybe"), "one of"), (Form("assign", to="zoe"), "nobody"),
                      (Form("reopen", reason="no reason"), "open"),
                      (Form("decide", "clear", basis="0" * 32), "look at it again")):
        with pytest.raises(Refused, match=why):
            verbs.act(wire, one, form, json=True)
    with pytest.raises(Missing):
        verbs.act(wire, "0" * 32, Form("decide", "clear"), json=True)
    assert not [one for one in recorded(wire) if one.kind == events.REVIEW]


def test_the_report_of_a_month_is_signed(wire: Wire, lines: Verb, tmp_path: Path) -> None:
    """It adds up, names what is open, and verifies; a changed one does not."""
    ids = flagged(wire, lines)
    (done,) = lines(verbs.act, wire, ids[0], Form("decide", "breach", "as it says"))
    month, out = done["decided_at"][:7], tmp_path / "report.json"
    (report,) = lines(verbs.report, wire, month, out)
    as_stated("review-report", report)
    assert (report["population"], report["by_status"], report["open"]) == (
        2, {"closed:breach": 1, "open": 1}, ids[1:])
    (first,) = [one for one in report["items"] if one["document"] == ids[0]]
    assert {"reviewer", "document", "at", "action"} <= set(first["reviews"][0])
    (verdict,) = lines(verbs.verify_report, wire, out)
    as_stated("review-verify-report", verdict)
    assert (verdict["ok"], verdict["month"]) == (True, month)
    assert out.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Refused, match="--force"):
        verbs.report(wire, month, out, json=True)
    out.write_bytes(out.read_bytes().replace(b'"breach"', b'"clear"'))
    (verdict,) = lines(verbs.verify_report, wire, out, code=1)
    as_stated("review-verify-report", verdict)
    assert not verdict["ok"]


def test_of_two_seeds_the_first_on_the_log_counts(wire: Wire, lines: Verb) -> None:
    """A second one that claims to be older, made with the clock set back, changes nothing."""
    since, until = month_of(wire, "2027-03")
    lines(verbs.seed, wire, "2027-03")
    with verbs._opened(wire) as (parts, viewer):
        first = parts.seed(since, until)
        earlier = replace(wire, clock=lambda: wire.clock() - 86_400_000)
        parts.record(new_seed(earlier, viewer.person, since, until))
    carry_if_idle(wire, lambda _said: None)
    with verbs._opened(wire) as (parts, _):
        assert first is not None and first == parts.seed(since, until)


def test_words_that_do_harm_are_proposed(wire: Wire, lines: Verb) -> None:
    """After enough false positives; the rule flags as before."""
    ids = flagged(wire, lines, count=6)
    for one in ids:
        lines(verbs.act, wire, one, Form("decide", "false_positive"))
    (found,) = lines(verbs.narrow, wire)
    as_stated("review-narrow", found)
    assert (found["rule"], found["words"], found["false_positive"], found["lost"]) == (
        "money/cash", "cash", 6, 0)
    capture(wire, *texts("more cash", first=50))
    lines(policy.policy_replay, wire, "money")
    assert len(lines(verbs.queue, wire, Wanted())) == 1


def test_a_month_of_cleared_items_is_checked(wire: Wire, lines: Verb) -> None:
    """The seed before the month, the draw after it; drawn twice it is the same, and what is drawn
    waits for somebody else. Without a seed, or too early, there is none."""
    start = round(datetime(2027, 3, 1, tzinfo=UTC).timestamp() * 1000)
    at = {"now": start - 1_000}
    later = replace(wire, clock=lambda: at["now"])
    (made,) = lines(verbs.seed, later, "2027-03")
    as_stated("review-seed", made)
    assert (made["new"], lines(verbs.seed, later, "2027-03")[0]["new"]) == (True, False)
    with pytest.raises(Refused, match="begun"):
        verbs.seed(later, "2027-02", json=True)
    at["now"] = start + 86_400_000
    ids = flagged(later, lines, count=4)
    for one in ids:
        lines(verbs.act, later, one, Form("decide", "clear"))
        at["now"] += 1_000
    with pytest.raises(Refused, match="draw then"):
        verbs.recheck(later, "2027-03", json=True)
    at["now"] = start + 40 * 86_400_000
    with pytest.raises(Refused, match="no seed"):
        verbs.recheck(later, "2027-02", json=True)
    (drawn,) = lines(verbs.recheck, later, "2027-03")
    as_stated("review-recheck", drawn)
    assert (drawn["cleared"], len(drawn["drawn"])) == (4, 1)
    assert [row["id"] for row in lines(verbs.queue, later, Wanted())] == drawn["drawn"]
    with pytest.raises(Refused, match="being checked"):
        verbs.act(later, drawn["drawn"][0], Form("decide", "clear"), json=True)


def test_screens_say_what_to_do(wire: Wire, lines: Verb,
                                capsys: pytest.CaptureFixture[str]) -> None:
    """For people: the queue, an item, a decision and a report in words."""
    ids = flagged(wire, lines)
    capsys.readouterr()
    assert verbs.queue(wire, Wanted(), json=False) == 0
    assert verbs.show(wire, ids[0], json=False) == 0
    assert verbs.act(wire, ids[0], Form("decide", "clear", "fine"), json=False) == 0
    assert verbs.report(wire, "2026-11", None, json=False) == 0
    assert verbs.narrow(wire, json=False) == 0
    said = capsys.readouterr().out
    for words in (ids[0], "waits for a decision", "recorded:", "money/cash/1", "no word stands"):
        assert words in said
