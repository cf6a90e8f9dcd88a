"""`coverage`: "no known gap in this period" can be stated, and checked later."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from infra import carry
from infra.config import load
from infra.verbs import coverage as verbs
from infra.verbs.coverage import Wanted
from infra.verbs.screen import instant
from infra.wire import Wire
from ingest.delivery import Deliverer
from ingest.own import own_event
from ingest.routing import Router
from schemas import events, gaps
from schemas.errors import Exists, Missing, Refused
from schemas.events import CapturedEvent, Identity
from tests.interface.test_json import as_stated
from tests.runtime.test_voice import Clock
from tests.world import NOW

MINUTE = 60_000
HOUR = 60 * MINUTE
DESK = "+15550783881"


@pytest.fixture
def time() -> Clock:
    """The clock of everything."""
    return Clock()


@pytest.fixture
def wire(tmp_path: Path, time: Clock) -> Wire:
    """An embedded system."""
    made = Wire(load(tmp_path / "home"), clock=time)
    made.provision_once()
    return made


def watch(wire: Wire, time: Clock, minutes: int, *said: CapturedEvent) -> None:
    """A gateway that lives for so long, says `said` at first, and states each minute what the log
    acknowledged; then everything is archived, indexed and in the log."""
    deliverer = Deliverer(Router(wire.keys_folder.routing_key(), bytes(16)), wire.directory())
    with closing(wire.capture_log()) as log:
        recorder = wire.recorder("gateway", log)
        for one in said:
            recorder.record(deliverer.stamp(one, None))
        for _ in range(minutes):
            time.now += MINUTE
            recorder.beat(time.now, 8)
    settle(wire)


def settle(wire: Wire) -> None:
    """As a command does that writes."""
    with carry.if_nobody_runs(wire.home) as is_ours:
        assert is_ours
        carry.carry(wire, lambda _said: None)


def message(number: int, at: int) -> CapturedEvent:
    """To the desk."""
    return CapturedEvent(
        kind="message", channel="whatsapp", source="test/1", account=DESK,
        conversation="pair:1|2", captured_at=at, native_id=f"m{number}",
        actor=Identity("+16505551234", "e164"), text=f"hello {number}", custodian="anna")


def gap(reason: str, phase: str, at: int) -> CapturedEvent:
    """Of the desk, as the gateway says it."""
    return own_event(events.GAP, f"{reason}:{phase}:{at}", at, 8, gaps.details(
        reason, phase, since=at, channel="whatsapp", account=DESK))


def stated(wire: Wire, capsys: pytest.CaptureFixture[str], since: int, until: int,
           out: Path | None = None, code: int = 0, **more: Any) -> dict[str, Any]:
    """`coverage --json`."""
    capsys.readouterr()
    assert code == verbs.coverage(wire, Wanted(
        str(instant(since)), str(instant(until)), out=out, **more), json=True)
    read = json.loads(capsys.readouterr().out)
    as_stated("coverage", read)
    assert isinstance(read, dict)
    return read


def checked(wire: Wire, capsys: pytest.CaptureFixture[str], file: Path,
            code: int = 0) -> dict[str, Any]:
    """`coverage --check --json`."""
    capsys.readouterr()
    assert code == verbs.check(wire, file, json=True)
    read = json.loads(capsys.readouterr().out)
    as_stated("coverage-check", read)
    assert isinstance(read, dict)
    return read


def test_a_watched_hour_without_a_gap(wire: Wire, time: Clock, tmp_path: Path,
                                      capsys: pytest.CaptureFixture[str]) -> None:
    """Stated with heartbeats, counters and the checkpoint, written once, and true years later."""
    watch(wire, time, 70, message(1, NOW), message(2, NOW))
    out = tmp_path / "statement.json"
    said = stated(wire, capsys, NOW, NOW + HOUR, out)
    (process,) = said["processes"]
    assert ("no_known_gap", 2, [], [], [], 0) == (
        said["verdict"], said["events"], said["gaps"], said["not_watched"],
        said["counters_missing"], said["unreadable"])
    # Those of the two minutes after it still speak of its end.
    assert (62, NOW + MINUTE) == (process["heartbeats"], process["first"])
    assert said["under"]["size"] == int(said["checkpoint"].split("\n")[1])
    assert said == json.loads(out.read_text("utf-8"))
    assert checked(wire, capsys, out) == {
        "ok": True, "problem": None, "differs": [], "verdict": "no_known_gap",
        "now": "no_known_gap"}
    # What comes later changes nothing of what was stated under its checkpoint.
    time.now += 3000 * HOUR
    watch(wire, time, 5, message(3, time.now), gap("account_offboarded", gaps.OVER, NOW))
    assert checked(wire, capsys, out)["ok"]
    assert "gaps" == stated(wire, capsys, NOW, NOW + HOUR, code=1)["verdict"]
    with pytest.raises(Exists):
        stated(wire, capsys, NOW, NOW + HOUR, out, code=1)


def test_a_gap_is_stated_until_a_comparison_settles_it(
        wire: Wire, time: Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its events and their leaves; not of another account, not outside its time."""
    watch(wire, time, 130, message(1, NOW),
          gap("account_offboarded", gaps.BEGINS, NOW + 5 * MINUTE),
          gap("account_offboarded", gaps.ENDS, NOW + 20 * MINUTE))
    out = tmp_path / "statement.json"
    said = stated(wire, capsys, NOW, NOW + HOUR, out, code=1, channel="whatsapp", account=DESK)
    (one,) = said["gaps"]
    assert ("gaps", 1, "account_offboarded", NOW + 5 * MINUTE, NOW + 20 * MINUTE) == (
        said["verdict"], said["gaps_open"], one["reason"], one["from"], one["until"])
    assert 2 == len(said["gap_events"])
    assert all(leaf < said["under"]["size"] for *_, leaf in said["gap_events"])
    assert checked(wire, capsys, out)["now"] == "gaps"
    elsewhere: tuple[dict[str, Any], ...] = ({"account": "+15550000000"}, {"channel": "sms"})
    for more in elsewhere:
        assert "no_known_gap" == stated(wire, capsys, NOW, NOW + HOUR, **more)["verdict"]
    assert "no_known_gap" == stated(wire, capsys, NOW + HOUR, NOW + 2 * HOUR)["verdict"]
    name, details = gaps.compared("whatsapp", NOW, NOW + HOUR, 1, 0, 0, time.now)
    watch(wire, time, 1, own_event(events.GAP, name, time.now, 8, details))
    settled = stated(wire, capsys, NOW, NOW + HOUR)
    assert ("no_known_gap", "complete") == (settled["verdict"], settled["gaps"][0]["settled"])
    assert checked(wire, capsys, out)["ok"]     # under its own checkpoint it was a gap


def test_an_hour_that_nobody_watched_is_no_hour_without_a_gap(
        wire: Wire, time: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """The gateway was down for ten minutes: no gap is known, and that is not the same."""
    watch(wire, time, 20, message(1, NOW))
    down = time.now
    time.now += 10 * MINUTE
    watch(wire, time, 40)
    # What the last heartbeats cannot speak of yet is not stated.
    assert time.now - 3 * MINUTE == stated(wire, capsys, NOW, NOW + 9 * HOUR, code=1)["until"]
    said = stated(wire, capsys, NOW, NOW + HOUR, code=1)
    assert ("not_watched", [[down, down + 10 * MINUTE]], 10 * MINUTE) == (
        said["verdict"], said["not_watched"], said["not_watched_ms"])


def test_an_acknowledged_record_that_is_missing_is_a_gap(
        wire: Wire, time: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """A heartbeat states a counter that no archived record carries."""
    watch(wire, time, 61, message(1, NOW))
    with closing(wire.capture_log()) as log:
        recorder = wire.recorder("gateway", log)
        recorder._acknowledged.add(bytes(16), 77)
        recorder.beat(time.now, 8)
    settle(wire)
    time.now += 3 * HOUR
    watch(wire, time, 1)
    said = stated(wire, capsys, NOW, NOW + HOUR + 2 * MINUTE, code=1)
    assert ("gaps", 0, [77]) == (said["verdict"], said["gaps_open"],
                                 [one["first"] for one in said["counters_missing"]])


def test_a_changed_statement_or_archive_is_noticed(
        wire: Wire, time: Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another word, another checkpoint, another archive, one whose key is gone, and no statement
    at all."""
    watch(wire, time, 70, message(1, NOW), gap("account_offboarded", gaps.OVER, NOW + MINUTE))
    out = tmp_path / "statement.json"
    said = stated(wire, capsys, NOW, NOW + HOUR, out, code=1)
    other = tmp_path / "other.json"
    for change, differs in (({"verdict": "no_known_gap"}, ["verdict"]), ({"gaps": []}, ["gaps"]),
                            ({"events": 9}, ["events"])):
        other.write_text(json.dumps(said | change), "utf-8")
        assert differs == checked(wire, capsys, other, code=1)["differs"]
    stranger = Wire(load(tmp_path / "stranger"), clock=time)
    stranger.provision_once()
    watch(stranger, time, 1)
    assert "not signed" in checked(stranger, capsys, out, code=1)["problem"]
    for text in ("nothing", "{}", json.dumps(said | {"v": 2}), json.dumps(said | {"from": "x"})):
        other.write_text(text, "utf-8")
        with pytest.raises(Refused):
            verbs.check(wire, other, json=True)
    with pytest.raises(Missing):
        verbs.check(wire, tmp_path / "nowhere", json=True)
    shutil.rmtree(wire.home / "keyring")
    found = checked(wire, capsys, out, code=1)
    assert {"gaps", "unreadable", "verdict"} <= set(found["differs"])


def test_a_period_that_cannot_be_meant_is_refused(wire: Wire, time: Clock) -> None:
    """Without a beginning, or later than the log."""
    with pytest.raises(Missing):
        verbs.coverage(wire, Wanted("2020-01-01"), json=True)
    watch(wire, time, 5)
    for since in ("", "2040-01-01", "yesterday"):
        with pytest.raises(Refused):
            verbs.coverage(wire, Wanted(since), json=True)
