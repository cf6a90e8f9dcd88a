"""Archiver, indexer and commands state what the log acknowledged to them (PROTOCOL T4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from archive.verify import Report
from infra.config import load
from infra.verbs import searching
from infra.verbs.audit import record_act
from infra.voice import Voice
from infra.wire import Wire
from ingest.heartbeat import stated_in
from ingest.own import own_event
from ingest.record import LogRecorder
from schemas import events
from schemas.errors import Transient
from schemas.events import CapturedEvent
from tests.runtime.test_acts import recorded
from tests.world import NOW, Watcher

LATER = 3 * 3_600_000


class Clock:
    """Moves when told."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def time() -> Clock:
    """The clock of the installation."""
    return Clock()


@pytest.fixture
def wire(tmp_path: Path, time: Clock) -> Wire:
    """An embedded system."""
    made = Wire(load(tmp_path / "home"), clock=time)
    made.provision_once()
    return made


@pytest.fixture
def voice(wire: Wire) -> Iterator[Voice]:
    """The archiver's."""
    made = Voice(wire, "archiver")
    yield made
    made.close()


def gap(wire: Wire, name: str = "gap") -> CapturedEvent:
    """Something that a worker says."""
    return own_event(events.GAP, name, wire.clock(), 8, {"reason": "x"})


def kinds(wire: Wire) -> list[str]:
    """Of everything on the log, in order."""
    return [event.kind for event in recorded(wire)]


def verified(wire: Wire, now: int) -> Report:
    """Everything on the log archived, then checked."""
    log = wire.archive_log()
    try:
        archiver = wire.archiver(log, Watcher())
        for _ in range(3):
            archiver.turn(0.0, flush=True)
    finally:
        log.close()
    return wire.verifier(lambda _done, _key: None).run(now, None)


def test_a_worker_states_what_it_said_once_a_minute(wire: Wire, voice: Voice, time: Clock) -> None:
    """Nothing while it has said nothing; each acknowledged record in one heartbeat; none about a
    heartbeat alone, or there would be no end."""
    for _ in range(3):
        time.now += 60_000
        voice.beat()
    assert kinds(wire) == []
    voice.say(gap(wire, "one"))
    time.now += 59_000
    voice.say(gap(wire, "two"))
    assert kinds(wire) == ["gap", "gap"]
    time.now += 1_000
    for _ in range(5):
        voice.beat()
        time.now += 60_000
    assert kinds(wire) == ["gap", "gap", "heartbeat"]
    voice.say(gap(wire, "three"))
    voice.beat(stopping=True)
    first, last = (stated_in(one) for one in recorded(wire) if one.kind == "heartbeat")
    assert sum(high - low + 1 for ranges in first.values() for low, high in ranges) == 2
    # The first heartbeat's own record, and the third gap.
    assert sum(high - low + 1 for ranges in last.values() for low, high in ranges) == 2
    assert recorded(wire)[-1].detail("stopping") == "true"


def test_a_heartbeat_that_failed_is_made_up_for(
        wire: Wire, voice: Voice, time: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log was away for a minute: nothing is claimed, nothing forgotten, the worker goes on."""
    voice.say(gap(wire))
    with monkeypatch.context() as patch:
        def down(*_given: object) -> None:
            raise Transient("no broker")

        patch.setattr(LogRecorder, "record", down)
        time.now += 60_000
        voice.beat()
    assert kinds(wire) == ["gap"]
    time.now += 60_000
    voice.beat()
    (stated,) = (stated_in(one) for one in recorded(wire) if one.kind == "heartbeat")
    assert len(stated) == 1


def test_what_a_worker_stated_and_nobody_archived_is_found(
        wire: Wire, voice: Voice, time: Clock) -> None:
    """The same check as of a gateway: whole, no finding; with a counter more, one."""
    voice.say(gap(wire))
    voice.beat(stopping=True)
    assert verified(wire, time.now + LATER).findings == []
    recorder = voice._recorder
    assert recorder is not None
    recorder._acknowledged.add(b"s" * 16, 7)
    recorder.beat(time.now, 8)
    (finding,) = verified(wire, time.now + LATER).findings
    assert finding.code == "counter_missing"
    assert (b"s" * 16).hex() in finding.detail


def test_a_command_states_its_records_when_it_ends(wire: Wire) -> None:
    """A search's audit event, an act's: each with the heartbeat that speaks for it, once."""
    searching.search(wire, "nothing", json=True, limit=1, cursor=None)
    assert kinds(wire) == ["audit"]
    wire.last_words()
    wire.last_words()
    assert kinds(wire) == ["audit", "heartbeat"]
    record_act(replace(wire), "something")
    assert kinds(wire) == ["audit", "heartbeat"] * 2
