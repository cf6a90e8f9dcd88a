"""A worker that cannot work says so; what surrounds its work cannot stop it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.archiver import ArchiverProcess, Lag, heads_ahead, newest_head
from infra.config import load
from infra.indexer import BUSY_LOOKS, BUSY_REST_S, IndexerProcess, rest_s
from infra.process import STUCK_MS, Worker, run_told
from infra.state import RoleState, StateFolder
from infra.verbs.check import active_alarms
from infra.wire import Wire
from ingest.own import own_event
from schemas import events
from schemas.errors import CounterfoilError, Halt, Refused, Transient
from schemas.events import CapturedEvent
from search.follow import TURN_SEGMENTS_MAX, Turn
from tests.ingest.doorway import NOW, Clock


def worker(folder: Path, clock: Callable[[], int], behind: str = "index_behind") -> Worker:
    """One whose pauses take no time."""
    made = Worker("indexer", StateFolder(folder), behind, clock=clock)
    made.stop.wait = lambda timeout=None: made.stop.is_set()  # type: ignore[method-assign]
    return made


def test_a_step_that_fails_for_minutes_is_an_alarm(tmp_path: Path) -> None:
    """Not at once; after two minutes, with the reason; over when it works again."""
    clock = Clock()
    made = worker(tmp_path, clock)
    seen: list[set[str]] = []

    def turn() -> None:
        seen.append(set(made.alarms))
        if len(seen) == 5:
            made.stop.set()
        elif len(seen) < 4:
            clock.now += STUCK_MS // 2 + 1
            raise Transient("index: ConnectionError")

    assert made.run(turn, lambda: None) == 0
    assert seen == [set(), set(), set(), {"index_behind"}, set()]


@pytest.mark.parametrize(("error", "code"), [
    (Halt("store_unsafe", "no lock"), "halted"), (Halt("log_replaced", "another id"),
                                                  "log_replaced"),
    (Refused("directory.toml line 3"), "process_down"), (Transient("no broker"), "process_down")])
def test_an_end_before_the_loop_is_said_in_status(tmp_path: Path, error: CounterfoilError,
                                                  code: str) -> None:
    """A part that ends while it is being made leaves the reason where `status` finds it."""

    def fails() -> int:
        raise error

    wire = Wire(load(tmp_path))
    with pytest.raises(type(error)):
        run_told("archiver", StateFolder(tmp_path), fails)
    _, alarms = active_alarms(wire)
    assert code in {one.code for one in alarms}
    (said,) = (one for one in alarms if one.code == code)
    assert str(error).split(": ")[-1] in said.detail


def test_a_state_that_cannot_be_written_stops_nobody(tmp_path: Path,
                                                     capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk under `run/` is told once, and work goes on."""
    (tmp_path / "run").write_text("no folder")
    clock = Clock()
    made = worker(tmp_path, clock)
    turns = []

    def turn() -> None:
        turns.append(0)
        clock.now += 2_000
        if len(turns) == 3:
            made.stop.set()

    made.states.remove = lambda role: None  # type: ignore[method-assign]
    assert made.run(turn, lambda: None) == 0
    assert len(turns) == 3
    assert capsys.readouterr().out.count("state not written") == 1


def test_lag_is_measured_from_the_end_of_the_log() -> None:
    """Records that were not even read count; only reaching where the log ended then clears."""
    lag = Lag()
    assert lag.of({0: (5, 5)}, 0) == {0: 0}
    assert lag.of({0: (5, 90)}, 10) == {0: 0}
    assert lag.of({0: (5, 95)}, 70) == {0: 60}
    assert lag.of({0: (89, 200)}, 100) == {0: 90}, "some segment is not enough"
    assert lag.of({0: (90, 200)}, 110) == {0: 0}
    assert lag.of({0: (150, 200)}, 130) == {0: 20}
    assert lag.of({}, 140) == {}, "another archiver's now"
    assert lag.of({0: (150, 200)}, 150) == {0: 0}


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    """An embedded system."""
    made = Wire(load(tmp_path / "home"))
    made.provision_once()
    return made


def test_the_indexer_is_behind_until_a_turn_reaches_the_end(
        wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full turns for more than two minutes are an alarm; a turn that was not full ends it."""
    clock = Clock()
    monkeypatch.setattr("infra.indexer.clock", clock)
    process = IndexerProcess(wire)
    for full, alarmed in ((True, False), (True, True), (False, False)):
        clock.now += STUCK_MS // 2 + 1
        process._measure(Turn(segments=TURN_SEGMENTS_MAX if full else 3), clock.now)
        assert ("index_behind" in process._worker.alarms) == alarmed


def test_a_head_that_cannot_be_written_stops_nothing(wire: Wire) -> None:
    """The folder of heads is gone or full: an alarm, tried again within minutes, no end."""
    process = ArchiverProcess(wire)
    process._voice.say(_event(wire))
    recorder = process._voice._recorder
    for _ in range(3):
        process._turn()
    process._archiver.turn(0.0, flush=True)
    (wire.home / "heads").write_text("no folder")
    process._write_head(NOW)
    assert "not written" in process._worker.alarms["head_stale"].detail
    (wire.home / "heads").unlink()
    process._write_head(NOW + 60_000)
    assert "head_stale" not in process._worker.alarms
    assert newest_head(wire) is not None
    process._voice.say(_event(wire))
    assert process._voice._recorder is recorder and recorder is not None, "one for the process"
    process._log.close()
    process._voice.close()


def _event(wire: Wire) -> CapturedEvent:
    return own_event(events.GAP, "x", NOW, wire.directory().firm_years(), {"reason": "x"})


def test_a_head_from_the_future_is_not_the_newest(wire: Wire) -> None:
    """A clock that ran ahead, or a hand, cannot put a head in front of all that follow."""
    heads = wire.home / "heads"
    heads.mkdir()
    now = wire.clock()
    for at in (now - 1_000, now + 60_000, now + 3_600_000):
        (heads / f"{at:020d}.head").write_text("")
    (heads / "notes.head").write_text("")
    assert newest_head(wire) == heads / f"{now + 60_000:020d}.head"
    assert heads_ahead(wire) == [heads / f"{now + 3_600_000:020d}.head"]
    _, alarms = active_alarms(wire)
    assert [one.code for one in alarms] == ["head_stale"]


def test_who_is_down_and_says_why_is_one_alarm(wire: Wire) -> None:
    """Not a second time because its process is gone."""
    folder = StateFolder(wire.home)
    with pytest.raises(Refused):
        run_told("indexer", folder, _refused)
    folder.write(RoleState("archiver", 1, 0))
    _, alarms = active_alarms(wire)
    assert sorted(one.detail for one in alarms) == ["Refused: a typing error", "archiver"]


def _refused() -> int:
    raise Refused("a typing error")


def test_the_indexer_looks_more_often_while_segments_come() -> None:
    """A short rest for some looks after the last find, then the one that was set; never longer."""
    assert [BUSY_REST_S, BUSY_REST_S, 5.0] == [
        rest_s(5.0, looks) for looks in (1, BUSY_LOOKS, BUSY_LOOKS + 1)]
    assert 0.1 == rest_s(0.1, 1)
