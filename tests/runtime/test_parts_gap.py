"""An event of which a part stays away is a gap in the archive and an alarm (PROTOCOL C3, C7)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from infra.config import load
from infra.indexer import IndexerProcess
from infra.verbs.check import active_alarms
from infra.wire import Wire
from ingest.parts import items_of
from ingest.routing import Router
from schemas import codec
from schemas.events import CapturedEvent
from schemas.identity import event_id
from schemas.pack import Item
from search.follow import Follower
from tests.runtime.test_voice import Clock
from tests.world import NOW, Watcher

HOUR = 3_600_000
EVENT = CapturedEvent(
    kind="message", channel="sms", source="test/1", account="+15550783881",
    conversation="pair:1|2", captured_at=NOW, native_id="SM1", text="long", raw=b"x" * 2_000,
    custodian="asmith")


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of everything."""
    made = Clock()
    monkeypatch.setattr("infra.indexer.clock", made)
    return made


@pytest.fixture
def wire(tmp_path: Path, time: Clock) -> Wire:
    """An embedded system."""
    made = Wire(load(tmp_path / "home"), clock=time)
    made.provision_once()
    return made


def parts(wire: Wire) -> Sequence[Item]:
    """The event, in four parts or so."""
    sealer = wire.sealer("gateway")
    router = Router(wire.keys_folder.routing_key(), sealer.capture_id)
    made = items_of(EVENT, router, 1_000)
    assert len(made) > 2
    return made


def capture(wire: Wire, items: Sequence[Item]) -> None:
    """On the log and archived, now."""
    if items:
        wire.recorder("gateway", wire.capture_log()).record_items(items)
    log = wire.archive_log()
    try:
        archiver = wire.archiver(log, Watcher())
        for _ in range(3):
            archiver.turn(0.0, flush=True)
    finally:
        log.close()


def looked(process: IndexerProcess, time: Clock, after_ms: int = 60_000) -> dict[str, str]:
    """The alarms of an indexer that has looked again: code -> detail."""
    time.now += after_ms
    process._worker.stop.set()  # its rests are not waited for
    process._turn()
    return {code: alarm.detail for code, alarm in process._worker.alarms.items()}


def gaps(wire: Wire) -> list[CapturedEvent]:
    """Every gap event on the log that says that parts are missing."""
    return [one for one in _own(wire) if one.detail("reason") == "parts_incomplete"]


def _own(wire: Wire) -> list[CapturedEvent]:
    log, out = wire.archive_log(), []
    identity = log.identity()
    for offset in range(log.bounds(0)[1]):
        record = log.fetch(0, offset)
        assert record is not None
        opened = wire.unsealer().open(identity.topic_id, 0, record.value)
        at = 0
        for _domain, _tag, length in opened.rows:
            event = codec.decode(opened.plain[at:at + length])
            at += length
            if isinstance(event, CapturedEvent):
                out.append(event)
    log.close()
    return out


def test_a_set_that_stays_incomplete_is_a_gap_and_an_alarm(wire: Wire, time: Clock) -> None:
    """Not before the time that was set; then one gap event and an alarm, until the rest comes."""
    items = parts(wire)
    capture(wire, items[:-1])
    process = IndexerProcess(wire)
    assert looked(process, time) == {}
    assert looked(process, time, HOUR - 120_000) == {}
    (detail,) = (text for code, text in looked(process, time).items() if code == "parts_incomplete")
    assert event_id(EVENT).hex() in detail
    assert f"{len(items) - 1} of {len(items)} parts" in detail
    for _ in range(3):
        looked(process, time)
    (gap,) = gaps(wire)
    assert (gap.detail("reason"), gap.detail("set"), gap.detail("parts"), gap.detail("kind")) == (
        "parts_incomplete", event_id(EVENT).hex(), str(len(items)), "message")
    process._worker.say(force=True)
    _, alarms = active_alarms(wire)
    assert "parts_incomplete" in {one.code for one in alarms}
    capture(wire, items[-1:])
    assert looked(process, time) == {}
    assert len(gaps(wire)) == 1
    for _ in range(2):
        looked(process, time)
    (settled,) = (one for one in _own(wire) if one.detail("phase") == "settles")
    assert settled.detail("gap") == gap.native_id
    process._voice.close()


def test_a_restart_says_the_same_and_not_twice(wire: Wire, time: Clock) -> None:
    """A new process finds the set in the index and its time in the archive; the gap that is
    indexed is not said again, and two that were are one event."""
    capture(wire, parts(wire)[:1])
    first = IndexerProcess(wire)
    assert "parts_incomplete" not in looked(first, time)
    first._voice.close()
    second = IndexerProcess(wire)
    assert "parts_incomplete" in looked(second, time, HOUR)
    second._voice.close()
    # It ended before its gap was archived: the next one says it too.
    third = IndexerProcess(wire)
    assert "parts_incomplete" in looked(third, time)
    third._voice.close()
    assert len(gaps(wire)) == 2
    assert len({event_id(one) for one in gaps(wire)}) == 1
    assert len({codec.encode_content(one) for one in gaps(wire)}) == 1
    capture(wire, ())
    fourth = IndexerProcess(wire)
    fourth._worker.stop.set()
    fourth._turn()
    assert "parts_incomplete" in looked(fourth, time)
    fourth._voice.close()
    assert len(gaps(wire)) == 2


def test_a_second_sighting_that_is_whole_ends_it(wire: Wire, time: Clock) -> None:
    """The sender died half-way, was not answered, and the provider sent it again."""
    capture(wire, parts(wire)[:-1])
    process = IndexerProcess(wire)
    assert "parts_incomplete" in looked(process, time, HOUR + 60_000)
    capture(wire, parts(wire))
    assert looked(process, time) == {}
    process._voice.close()


def test_who_catches_up_accuses_nobody(wire: Wire, time: Clock,
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours behind, with the rest of a set in the next turn: no gap is said in between."""
    items = parts(wire)
    capture(wire, items[:1])
    capture(wire, items[1:])
    monkeypatch.setattr("infra.indexer.TURN_SEGMENTS_MAX", 1)
    process = IndexerProcess(wire)
    whole_turn = Follower.turn
    monkeypatch.setattr(Follower, "turn", lambda follower: whole_turn(follower, 1))
    time.now += 5 * HOUR
    for _ in range(4):
        assert "parts_incomplete" not in looked(process, time)
    assert gaps(wire) == []
    process._voice.close()
