"""A replay that is interrupted goes on and finds the same; so does one over several partitions."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra import carry
from infra import replay as replaying
from infra.config import load
from infra.verbs import policy as verbs
from infra.verbs.policy import Wanted
from infra.wire import Wire
from ingest.delivery import Deliverer
from ingest.routing import Router, partition_of
from schemas import events
from schemas.assignment import Assignment, assignment_event
from schemas.events import CapturedEvent
from search.follow import rebuild
from search.policy import watch as watching
from search.policy.flags import is_flag
from search.policy.watch import Watch
from tests.runtime.test_acts import recorded
from tests.runtime.test_policy import FIRST, SECOND, Live, Verb, found_by, line, put, texts, wire
from tests.runtime.test_reconcile import capture
from tests.search.policy.world import edit, retraction, said
from tests.search.world import DESK
from tests.world import NOW

__all__ = ["line", "wire"]

NEAR = FIRST.replace('query = "cash"', 'query = "pay w/4 cash"\nwindow = { messages = 3 }')
GONE = FIRST.replace('query = "cash"', 'query = "cash"\nrevision = { removed = true }')
HABIT = FIRST.replace('query = "cash"', "revision = { retractions_above_habit = true, least = 4 }")
HOUR = 3_600_000
DAY = 24 * HOUR
# Noon of a day long over.
PAST = NOW // DAY * DAY - 10 * DAY + 12 * HOUR


def flagged(wire: Wire) -> set[tuple[str | None, bytes | None, str]]:
    """Every flag on the log, by what its id is made of."""
    return {(one.native_id, one.target_key, one.revision) for one in recorded(wire)
            if is_flag(one)}


def archived(wire: Wire, *said: CapturedEvent) -> None:
    """On the log, in whatever partition they belong to, archived and indexed."""
    router = Router(wire.keys_folder.routing_key(), bytes(16))
    deliverer = Deliverer(router, wire.directory())
    with closing(wire.capture_log()) as log:
        wire.recorder("gateway", log).record_all(deliverer.stamp(one, None) for one in said)
    carry.carry(wire, lambda told: None)


def killed_after(count: int, run: Callable[[], object]) -> None:
    """Run in a process of its own that is killed when it has looked at so many events."""
    child = os.fork()
    if child:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        return
    left, take = [count], Watch.take

    def counted(self: Watch, *asked: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return take(self, *asked)

    try:
        Watch.take = counted  # type: ignore[assignment,method-assign]
        run()
    finally:
        os._exit(0)


def test_a_killed_replay_goes_on_and_finds_what_an_unkilled_one_does(
        wire: Wire, line: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed again and again, in the middle of conversations: the counts, the flags and what the
    version before missed are those of one run; nothing of what was kept is looked at again."""
    monkeypatch.setattr(replaying, "KEEP_S", 0.0)
    monkeypatch.setattr(watching, "TALK_MESSAGES_MAX", 4)
    for number in range(0, 24, 2):
        capture(wire, *texts("bring cash" if number % 4 else "bring coins", "a call",
                             first=number))
    put(wire, FIRST)
    put(wire, SECOND, "money-2.toml")
    whole = line(verbs.policy_replay, wire, "money")
    assert (whole["flags"], whole["missed_before"], whole["resumed"]) == (12, 6, False)
    expected = flagged(wire)
    assert not list((wire.home / "replay").glob("*.db"))
    for _ in range(3):
        killed_after(6, lambda: verbs.policy_replay(wire, "money", json=True))
    looked: list[str] = []
    take = Watch.take

    def counted(self: Watch, *asked: Any) -> Any:
        looked.append(asked[0].kind)
        return take(self, *asked)

    monkeypatch.setattr(Watch, "take", counted)
    again = line(verbs.policy_replay, wire, "money")
    assert again == {**whole, "resumed": True}
    assert looked.count(events.MESSAGE) < 24 - 3 * 3
    assert flagged(wire) == expected


def test_ctrl_c_says_how_to_go_on(wire: Wire, line: Verb, monkeypatch: pytest.MonkeyPatch,
                                  capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 130; `--restart` begins anew, and so does a changed policy or directory, said."""
    capture(wire, *texts("bring cash", "a call"))
    put(wire, FIRST)

    def stop(self: Watch, *asked: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Watch, "take", stop)
        assert verbs.policy_replay(wire, "money", json=True) == 130
        assert "--restart" in capsys.readouterr().err
        assert verbs.policy_replay(wire, "money", json=True) == 130
        capsys.readouterr()
        put(wire, FIRST.replace("severity = \"high\"", "severity = \"low\""))
        assert verbs.policy_replay(wire, "money", json=True) == 130
        assert "a policy has changed" in capsys.readouterr().err
        (wire.home / "directory.toml").write_text(
            "[classes]\ndefault = 7\n[[custodian]]\nid = \"c\"\nname = \"C\"\n", "utf-8")
        assert verbs.policy_replay(wire, "money", json=True) == 130
        assert "directory.toml" in capsys.readouterr().err
        assert verbs.policy_replay(wire, "money", json=True) == 130
    assert verbs.policy_replay(wire, "money", json=True, restart=True) == 0
    assert '"resumed":false' in capsys.readouterr().out


def test_what_a_resumed_run_has_forgotten_is_recalled(
        wire: Wire, line: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit of a message that had to make room before the run was killed is flagged as well."""
    monkeypatch.setattr(replaying, "KEEP_S", 0.0)
    monkeypatch.setattr(watching, "TALK_MESSAGES_MAX", 2)
    archived(wire, *(said("cash" if not n else "talk", NOW - DAY + n * 1_000, f"m{n}")
                     for n in range(6)))
    archived(wire, said("more", NOW - HOUR, "m9"))
    archived(wire, edit("nothing", NOW, target="m0"))
    put(wire, GONE)
    whole = line(verbs.policy_replay, wire, "money")
    assert whole["flags"] == 1
    killed_after(7, lambda: verbs.policy_replay(wire, "money", json=True))
    assert line(verbs.policy_replay, wire, "money") == {**whole, "resumed": True}


def split(wire: Wire) -> tuple[CapturedEvent, CapturedEvent]:
    """Two messages of one conversation on two channels, which lie in different partitions."""
    router = Router(wire.keys_folder.routing_key(), bytes(16))
    for number in range(100):
        name = f"pair:+15550783881|+1650555{number:04d}"
        pair = [said(text, NOW - HOUR + at, f"{channel}1", channel=channel, conversation=name,
                     source="twilio/1")
                for channel, text, at in (("sms", "pay", 0), ("mms", "cash", 60_000))]
        if len({partition_of(router.tag(one), 4) for one in pair}) == 2:
            return pair[0], pair[1]
    raise AssertionError("all of them lie together")


def test_a_conversation_is_joined_over_partitions(tmp_path: Path, line: Verb) -> None:
    """`pay` by SMS, `cash` with a picture a minute later: one conversation, two partitions, one
    flag, for a dry run, a replay and the live watch alike."""
    wire = Wire(load(tmp_path / "home", log={"partitions": 4}))
    wire.provision_once()
    (wire.home / "policies").mkdir()
    put(wire, NEAR)
    live = Live(wire)
    first, second = split(wire)
    archived(wire, second)
    archived(wire, first)
    assert line(verbs.policy_test, wire, Wanted("money"))["flags"] == 1
    assert line(verbs.policy_replay, wire, "money")["flags"] == 1
    index = wire.indexes()
    assert found_by(wire, "flag:cash") == 1
    live.look()
    assert found_by(wire, "flag:cash") == 1
    rebuild(wire.reader(), index, wire.projector())
    assert found_by(wire, "flag:cash") == 1


# --- retractions far above habit -----------------------------------------------------------------


def habitual(count: int = 6) -> list[list[CapturedEvent]]:
    """A month of messages, then a day on which some are taken back: what each day captured."""
    days: list[list[CapturedEvent]] = []
    more: dict[str, Any] = {"actor": DESK, "direction": events.OUT, "custodian": "carol"}
    for day in range(31):
        at = PAST - (31 - day) * DAY
        days.append([said("talk", at + n * 60_000, f"d{day}n{n}", **more) for n in range(4)])
    last = [said("talk", PAST + n * 60_000, f"x{n}", **more) for n in range(8)]
    last += [retraction(PAST + HOUR + n * 60_000, f"r{n}", f"x{n}", **more) for n in range(count)]
    return [*days, last]


CAROL = """
[classes]
default = 7
[[custodian]]
id = "carol"
name = "Carol"
[[account]]
channel = "whatsapp"
account = "+15550783881"
custodian = "carol"
"""


@pytest.fixture
def carols(wire: Wire) -> Wire:
    """A system whose one account is Carol's."""
    (wire.home / "directory.toml").write_text(CAROL, "utf-8")
    return wire


class Clock:
    """Set by hand."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def at_clock(wire: Wire, now: int) -> tuple[Wire, Clock]:
    """The same system at another time."""
    clock = Clock(now)
    return Wire(wire.config, clock), clock


@pytest.mark.parametrize("is_shuffled", [False, True])
def test_habit_is_raised_live_and_by_a_replay_alike(carols: Wire, line: Verb,
                                                    is_shuffled: bool) -> None:
    """Once the day is over: in whatever order it was archived, over a restart, again and again, by
    the live watch, a dry run and a replay, and after a rebuild: the same flags, with the same
    words."""
    wire = carols
    put(wire, HABIT)
    told = [one for day in habitual() for one in day]
    if is_shuffled:
        told = told[::-1]
    evening, clock = at_clock(wire, PAST + 2 * HOUR)
    live = Live(evening)
    archived(wire, *told)
    clock.now += HOUR
    assert live.look() == set(), "the day is not over"
    morning, clock = at_clock(wire, PAST + DAY)
    live = Live(morning)                          # the process was started again meanwhile
    assert live.look() == set(), "nobody knows yet whether all of it is archived"
    clock.now += HOUR
    flags = live.look()
    assert len(flags) == 3, "the first three are below `least`"
    reasons = {one.detail("reason") for one in recorded(wire) if is_flag(one)}
    assert live.look() == flags and Live(morning).look() == flags
    assert line(verbs.policy_test, wire, Wanted("money"))["flags"] == 3
    assert line(verbs.policy_replay, wire, "money")["flags"] == 3
    assert flagged(wire) == flags
    assert reasons == {one.detail("reason") for one in recorded(wire) if is_flag(one)}
    assert found_by(wire, "flag:cash") == 3
    rebuild(wire.reader(), wire.indexes(), wire.projector())
    assert found_by(wire, "flag:cash") == 3


@pytest.mark.parametrize(("extra", "decided_at", "flags"), [
    ("", PAST, 3),                       # given to her before the day was over
    ("from = ['carol']", PAST, 3),
    ("exempt = ['carol']", PAST, 0),
    ("", PAST + 2 * DAY, 0),             # nobody's when it was decided
])
def test_what_was_assigned_counts_as_it_was_known(wire: Wire, line: Verb, extra: str,
                                                  decided_at: int, flags: int) -> None:
    """An account of nobody's: its retractions are those of the custodian who had been given it when
    the day was over; people in the rule are asked as everywhere."""
    (wire.home / "directory.toml").write_text(CAROL.partition("[[account]]")[0], "utf-8")
    put(wire, f"{HABIT}{extra}\n")
    archived(wire, *(one for day in habitual() for one in day))
    wire.recorder("search").record(assignment_event(Assignment(
        "a", decided_at, "whatsapp", "+15550783881", "carol"), "x", 8))
    assert line(verbs.policy_replay, wire, "money")["flags"] == flags


def test_a_day_that_is_decided_knows_nothing_of_what_came_later(carols: Wire, line: Verb) -> None:
    """A chat export of the month before is imported three days later: it would have made her one
    who takes much back. What was decided stays, and a replay after the import says the same of that
    day; what the export brought is decided for the day on which it came."""
    wire = carols
    put(wire, HABIT)
    archived(wire, *(one for day in habitual() for one in day))
    assert line(verbs.policy_replay, wire, "money")["flags"] == 3
    before = flagged(wire)
    reasons = {(one.target_key, one.detail("reason")) for one in recorded(wire) if is_flag(one)}
    more: dict[str, Any] = {"actor": DESK, "direction": events.OUT, "custodian": "carol"}
    archived(wire, *(event for n in range(100) for event in (
        said("old", PAST - 20 * DAY + n * HOUR, f"o{n}", captured_at=PAST + 3 * DAY, **more),
        retraction(PAST - 20 * DAY + n * HOUR + 60_000, f"or{n}", f"o{n}",
                   **{**more, "captured_at": PAST + 3 * DAY}))))
    line(verbs.policy_replay, wire, "money")
    assert before <= flagged(wire)
    assert reasons == {(one.target_key, one.detail("reason")) for one in recorded(wire)
                       if is_flag(one) and (one.native_id, one.target_key, one.revision) in before}


def test_a_day_is_decided_once_the_zone_says_that_it_is_over() -> None:
    """Midnight of the firm's zone, an hour after; a day of 23 hours is one."""
    from zoneinfo import ZoneInfo

    from search.policy.habitdays import bounds, day_of, is_settled

    zone = ZoneInfo("Europe/Berlin")
    spring = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    gone = retraction(round(spring.timestamp() * 1000) - 1_000, direction=events.OUT)
    day = day_of(gone, zone)
    assert day is not None and day.isoformat() == "2026-03-29"
    begin, end = bounds(day, zone)
    assert timedelta(milliseconds=end - begin) == timedelta(hours=23)
    assert not is_settled(day, zone, end + HOUR - 1) and is_settled(day, zone, end + HOUR)
    assert day_of(said("x", PAST), zone) is None
