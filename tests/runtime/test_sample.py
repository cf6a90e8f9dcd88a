"""Samples on a data folder: a seed before the period, a draw after it, and a check item by item."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from infra import carry
from infra.config import load
from infra.replay import current
from infra.sampling import Records, SeedWatch, new_seed, read_folder
from infra.verbs import sample as verbs
from infra.voice import Voice
from infra.wire import Wire
from schemas import events
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent
from search.access.viewer import operator
from search.follow import rebuild
from search.policy import plans
from search.policy.flags import is_flag
from tests.interface.test_json import as_stated
from tests.runtime.test_acts import recorded
from tests.runtime.test_replay import CAROL, archived
from tests.search.policy.world import edit, retraction, said
from tests.search.world import DESK

PLAN = """
id = "weekly"
version = 1
title = "Weekly"
author = "Ann Lee"
approver = "Bob Roe"
effective = 2024-01-01
period = "week"
per_person = 1
[[stratum]]
id = "changed"
share = "50%"
query = "state:retracted OR state:edited"
[[stratum]]
id = "rest"
share = "10%"
[[mandatory]]
id = "money"
query = "cash"
"""
HOUR = 3_600_000
DAY = 24 * HOUR
# Monday 2025-11-10, 00:00 UTC; the week before is when seeds are made.
MONDAY = 1_762_732_800_000
WEEK = "2025-W46"
Verb = Callable[..., list[dict[str, Any]]]


class Clock:
    """Set by hand."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The Friday before the week."""
    return Clock(MONDAY - 3 * DAY)


@pytest.fixture
def wire(tmp_path: Path, clock: Clock) -> Wire:
    """An embedded system of Carol's with a plan."""
    made = Wire(load(tmp_path / "home"), clock)
    made.provision_once()
    (made.home / "sampling").mkdir()
    (made.home / "sampling" / "weekly.toml").write_text(PLAN, "utf-8")
    (made.home / "directory.toml").write_text(CAROL, "utf-8")
    return made


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Verb:
    """What a verb prints with --json."""
    def run(verb: Callable[..., int], *said: Any, code: int = 0) -> list[dict[str, Any]]:
        capsys.readouterr()
        assert verb(*said, json=True) == code
        return [json.loads(one) for one in capsys.readouterr().out.splitlines()]
    return run


def week() -> list[CapturedEvent]:
    """Forty messages, eight of them taken back or edited, two about cash."""
    more: dict[str, Any] = {"actor": DESK, "direction": events.OUT}
    found = [said("cash" if n in (3, 4) else "talk", MONDAY + n * HOUR, f"m{n}", **more)
             for n in range(40)]
    found += [retraction(MONDAY + n * HOUR + 60_000, f"r{n}", f"m{n}", **more)
              for n in range(10, 14)]
    return found + [edit("other", MONDAY + n * HOUR + 60_000, f"e{n}", f"m{n}", **more)
                    for n in range(14, 18)]


def seeded_week(wire: Wire, clock: Clock, lines: Verb) -> None:
    """A seed before it, the messages in it, and the Monday after."""
    lines(verbs.sample_plan, wire, "weekly")
    archived(wire, said("old", MONDAY - HOUR, "before"), *week(),
             said("new", MONDAY + 7 * DAY, "after"))
    clock.now = MONDAY + 8 * DAY


def test_a_sample_is_drawn_marked_and_verified(wire: Wire, clock: Clock, lines: Verb) -> None:
    """Half of what was changed, a tenth of the rest, all of what is mandatory; `flag:` finds it,
    a second draw is the same one, a rebuild finds the same, and the check agrees item by item."""
    seeded_week(wire, clock, lines)
    (drawn,) = lines(verbs.sample_draw, wire, "weekly", "")
    as_stated("sample-draw", drawn)
    assert (drawn["period"], drawn["messages"], drawn["new"]) == (WEEK, 40, True)
    assert drawn["by_stratum"] == {"changed": 4, "rest": 3}
    assert drawn["by_reason"] == {"mandatory": 2, "stratum": 7}
    hits = wire.searcher().search(drawn["query"], operator("dana"))
    assert hits.total == 9
    assert {one.doc_id for one in hits.hits} == {one["id"] for one in drawn["items"]}
    (again,) = lines(verbs.sample_draw, wire, "weekly", WEEK.lower())
    assert again == {**drawn, "new": False}
    rebuild(wire.reader(), wire.indexes(), wire.projector())
    assert wire.searcher().search(drawn["query"], operator("dana")).total == 9
    *items, whole = lines(verbs.sample_verify, wire, "weekly", WEEK)
    as_stated("sample-verify", whole)
    for one in items:
        as_stated("sample-item", one)
    assert whole["ok"] and all(one["agrees"] and one["marked"] for one in items)
    assert len(items) == 9 and whole["later_messages"] == 0
    listed = lines(verbs.sample_list, wire)
    as_stated("sample", listed[0])
    assert [one["state"] for one in listed if one["period"] == WEEK] == ["drawn"]


def test_what_comes_later_is_no_part_of_it(wire: Wire, clock: Clock, lines: Verb) -> None:
    """A message of the week that is archived after the draw, and an edit of one that was in it: the
    check reads as far as the draw did, and says how many came later."""
    seeded_week(wire, clock, lines)
    lines(verbs.sample_draw, wire, "weekly", WEEK)
    archived(wire, said("late", MONDAY + DAY, "late", captured_at=clock.now),
             edit("changed", MONDAY + 8 * DAY, "e99", "m20"))
    *_, whole = lines(verbs.sample_verify, wire, "weekly", WEEK)
    assert whole["ok"] and whole["later_messages"] == 1


def test_a_draw_that_was_tampered_with_is_named(wire: Wire, clock: Clock, lines: Verb,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    """Who leaves out an item, or draws another, is found out: exit 1, and which."""
    from search.policy import sampling

    seeded_week(wire, clock, lines)
    honest = sampling.draw_event

    def other(plan: Any, seed: Any, drawn: sampling.Sample, *more: Any) -> CapturedEvent:
        return honest(plan, seed, replace(drawn, drawn=drawn.drawn[1:]), *more)

    monkeypatch.setattr(sampling, "draw_event", other)
    lines(verbs.sample_draw, wire, "weekly", WEEK)
    *_, whole = lines(verbs.sample_verify, wire, "weekly", WEEK, code=1)
    assert not whole["ok"] and any("is missing" in one for one in whole["problems"])


def test_marks_that_a_crash_left_out_are_named_and_put_on(
        wire: Wire, clock: Clock, lines: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    """The draw is on record, its marks are not: `verify` says so, `draw` puts them on."""
    seeded_week(wire, clock, lines)
    with monkeypatch.context() as patched:
        patched.setattr(verbs, "flag_event", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            verbs.sample_draw(wire, "weekly", WEEK, json=True)
    *_, whole = lines(verbs.sample_verify, wire, "weekly", WEEK, code=1)
    assert all("carries no mark" in one for one in whole["problems"]) and whole["problems"]
    (again,) = lines(verbs.sample_draw, wire, "weekly", WEEK)
    assert not again["new"]
    *_, whole = lines(verbs.sample_verify, wire, "weekly", WEEK)
    assert whole["ok"]


def test_without_a_seed_before_the_period_nothing_is_drawn(wire: Wire, clock: Clock,
                                                           lines: Verb) -> None:
    """Refused, with what to do; nor is a period drawn before it has ended, or one that is none."""
    archived(wire, *week())
    clock.now = MONDAY + 8 * DAY
    with pytest.raises(Refused, match=r"no seed was put on record.*sample plan weekly"):
        verbs.sample_draw(wire, "weekly", WEEK, json=True)
    (next_one,) = lines(verbs.sample_plan, wire, "weekly")
    as_stated("sample-plan", next_one)
    assert next_one["period"] == "2025-W48"
    with pytest.raises(Refused, match="draw then"):
        verbs.sample_draw(wire, "weekly", "2025-W48", json=True)
    with pytest.raises(Refused, match="2026-W47"):
        verbs.sample_draw(wire, "weekly", "2025-11", json=True)
    with pytest.raises(Missing, match="sample draw"):
        clock.now += 14 * DAY
        verbs.sample_verify(wire, "weekly", "2025-W48", json=True)
    with pytest.raises(Missing, match="sampling"):
        verbs.sample_draw(wire, "monthly", "", json=True)


def test_a_plan_that_changes_counts_from_the_next_period_on(wire: Wire, clock: Clock,
                                                            lines: Verb) -> None:
    """What was put on record with the seed is drawn by, whatever the file says since; a second seed
    is not made."""
    (first,) = lines(verbs.sample_plan, wire, "weekly")
    (wire.home / "sampling" / "weekly.toml").write_text(
        PLAN.replace("version = 1", "version = 2").replace("50%", "0%"), "utf-8")
    (second,) = lines(verbs.sample_plan, wire, "weekly")
    assert (first["seeded_with"], second["seeded_with"], second["version"]) == (1, 1, 2)
    assert first["seeded_at"] == second["seeded_at"]
    archived(wire, *week())
    clock.now = MONDAY + 8 * DAY
    (drawn,) = lines(verbs.sample_draw, wire, "weekly", "")
    assert drawn["version"] == 1 and drawn["by_stratum"]["changed"] == 4


def test_the_first_seed_on_the_log_counts_whatever_a_clock_says(wire: Wire, clock: Clock,
                                                                lines: Verb) -> None:
    """Who sets a clock back and records another seed, or another draw, chooses nothing: the first
    on the log is drawn by, and the check names it and exits 1."""
    seeded_week(wire, clock, lines)
    (file,) = read_folder(wire)
    period = plans.period_named("week", WEEK, ZoneInfo("UTC"))
    first = Records(wire, current(wire)).seeded("weekly", period)
    clock.now = MONDAY - 4 * DAY
    wire.recorder("search").record(new_seed(wire, file, period, "mallory"))
    clock.now = MONDAY + 8 * DAY
    lines(verbs.sample_draw, wire, "weekly", WEEK)
    seeded = Records(wire, current(wire)).seeded("weekly", period)
    assert first is not None and seeded is not None
    assert (seeded.seed, seeded.at, seeded.others) == (first.seed, first.at, 1)
    *_, whole = lines(verbs.sample_verify, wire, "weekly", WEEK, code=1)
    assert len(whole["problems"]) == 1 and "a seed that was recorded later" in whole["problems"][0]
    draw = Records(wire, current(wire)).drawn("weekly", period)
    assert draw is not None
    wire.recorder("search").record(replace(draw, captured_at=draw.captured_at - HOUR,
                                           occurred_at=None))
    *_, whole = lines(verbs.sample_verify, wire, "weekly", WEEK, code=1)
    assert "a draw that was recorded later" in whole["problems"][1]


def test_a_seed_on_record_is_found_whatever_zone_and_folder_say_today(
        wire: Wire, clock: Clock, lines: Verb) -> None:
    """The firm's zone changes, the plan's periods do, its file goes: the week that was seeded is
    listed, drawn and checked as it was recorded; for another period is said what is on record."""
    seeded_week(wire, clock, lines)
    path = wire.home / "sampling" / "weekly.toml"
    moved = Wire(load(wire.home, search={"zone": "America/New_York"}), clock)
    (drawn,) = lines(verbs.sample_draw, moved, "weekly", "")
    assert (drawn["period"], drawn["messages"]) == (WEEK, 40)
    *_, whole = lines(verbs.sample_verify, moved, "weekly", WEEK)
    assert whole["ok"]
    assert "drawn" in [one["state"] for one in lines(verbs.sample_list, moved)
                       if one["period"] == WEEK and one["from"] == drawn["from"]]
    path.write_text(PLAN.replace('"week"', '"day"'), "utf-8")
    *_, whole = lines(verbs.sample_verify, moved, "weekly", WEEK.lower())
    assert whole["ok"]
    with pytest.raises(Refused, match=r"Seeds are on record for 2025-W46 \(zone UTC\)"):
        verbs.sample_draw(moved, "weekly", "", json=True)
    path.unlink()
    *_, whole = lines(verbs.sample_verify, moved, "weekly", "")
    assert whole["ok"] and whole["period"] == WEEK
    assert [WEEK] == [one["period"] for one in lines(verbs.sample_list, moved)]


def test_a_flag_of_a_mandatory_policy_is_outside_and_a_mark_is_no_ground(
        wire: Wire, clock: Clock, lines: Verb) -> None:
    """What such a policy flags is reviewed whole; what another sample drew is sorted as if it had
    not."""
    from infra.verbs import policy

    (wire.home / "policies").mkdir()
    (wire.home / "policies" / "p.toml").write_text(
        'id = "p"\nversion = 1\ntitle = "P"\nauthor = "A"\napprover = "B"\neffective = 2024-01-01\n'
        'severity = "low"\nmandatory = true\n[[rule]]\nid = "talk"\nwhy = "W."\n'
        'query = "other"\n', "utf-8")
    (wire.home / "sampling" / "all.toml").write_text(
        PLAN.replace('"weekly"', '"all"').replace("10%", "100%"), "utf-8")
    (wire.home / "sampling" / "weekly.toml").write_text(
        PLAN.replace("state:retracted OR state:edited", "flag:*"), "utf-8")
    for name in ("all", "weekly"):
        lines(verbs.sample_plan, wire, name)
    archived(wire, *week())
    clock.now = MONDAY + 8 * DAY
    policy.policy_replay(wire, "p", json=True)
    (drawn,) = lines(verbs.sample_draw, wire, "all", "")
    assert drawn["by_reason"]["mandatory"] == 6
    (drawn,) = lines(verbs.sample_draw, wire, "weekly", "")
    assert "changed" not in drawn["by_stratum"], "four are flagged, and all of them mandatory"
    assert drawn["by_reason"]["mandatory"] == 6


def test_the_indexer_puts_seeds_on_record(wire: Wire, lines: Verb) -> None:
    """Each plan's, once for each period, over a restart too; a plan that does not read is named."""
    archived(wire, *week())
    for _ in range(2):
        watch = SeedWatch(wire, Voice(wire, "search"))
        assert ("", "") == (watch.look(current(wire)), watch.look(current(wire)))
        carry.carry(wire, lambda told: None)
    seeds = [one for one in recorded(wire) if one.detail("action") == "sample_seed"]
    assert len(seeds) == 1 and seeds[0].raw == PLAN.encode()
    (wire.home / "sampling" / "weekly.toml").write_text(PLAN.replace("50%", "150%"), "utf-8")
    assert "line 12" in SeedWatch(wire, Voice(wire, "search")).look(current(wire))
    assert not any(is_flag(one) for one in recorded(wire))
