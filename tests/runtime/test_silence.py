"""Silence is noticed: the indexer's alarms and gaps, and what `status` says of accounts (G8)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.config import load
from infra.indexer import IndexerProcess
from infra.verbs import check, refused
from infra.verbs.screen import instant
from infra.wire import Wire
from ingest.delivery import Deliverer
from ingest.own import directory_event, own_event
from ingest.routing import Router
from schemas import events, gaps
from schemas.errors import Refused
from schemas.events import CapturedEvent, Identity
from schemas.gaps import gaps_of
from tests.runtime.test_acts import recorded
from tests.runtime.test_voice import Clock
from tests.world import NOW, Watcher

MINUTE, HOUR = 60_000, 3_600_000
# A gap alarm rises at most so long after its cause can be seen.
NOTICED_MS = 2 * MINUTE
DESK = "+15550783881"
DIRECTORY = f"""
[[custodian]]
id = "asmith"
name = "Alice Smith"
[[custodian]]
id = "bjones"
name = "Bob Jones"
[[account]]
channel = "whatsapp"
account = "{DESK}"
custodian = "asmith"
max_silence_h = 2
[[account]]
channel = "sms"
account = "+15550009999"
custodian = "bjones"
from = 2030-01-01
max_silence_h = 1
[[account]]
channel = "sms"
account = "+15550008888"
custodian = "bjones"
[[notice]]
custodian = "asmith"
at = 2025-01-01
how = "letter"
text = "Business messages are kept."
"""
EVENT = CapturedEvent(
    kind="message", channel="whatsapp", source="test/1", account=DESK, conversation="pair:1|2",
    captured_at=NOW, native_id="m1", text="hello", custodian="asmith")


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of everything."""
    made = Clock()
    for module in ("infra.indexer", "infra.verbs.check"):
        monkeypatch.setattr(f"{module}.clock", made)
    return made


@pytest.fixture
def wire(tmp_path: Path, time: Clock) -> Wire:
    """An embedded system with a directory."""
    made = Wire(load(tmp_path / "home"), clock=time)
    made.provision_once()
    made.directory_path.write_text(DIRECTORY)
    return made


@pytest.fixture
def process(wire: Wire) -> Iterator[IndexerProcess]:
    """Its indexer."""
    made = IndexerProcess(wire)
    yield made
    made._voice.close()


def capture(wire: Wire, *said: CapturedEvent) -> None:
    """On the log and archived, now."""
    deliverer = Deliverer(Router(wire.keys_folder.routing_key(), bytes(16)), wire.directory())
    with closing(wire.capture_log()) as log:
        wire.recorder("gateway", log).record_all(deliverer.stamp(one, None) for one in said)
    archive(wire)


def archive(wire: Wire) -> None:
    """What is on the log."""
    with closing(wire.archive_log()) as log:
        archiver = wire.archiver(log, Watcher())
        for _ in range(3):
            archiver.turn(0.0, flush=True)


def looked(process: IndexerProcess, time: Clock, after_ms: int = MINUTE) -> dict[str, str]:
    """The alarms of an indexer that has looked again: code -> detail."""
    time.now += after_ms
    process._worker.stop.set()  # its rests are not waited for
    process._turn()
    return {code: alarm.detail for code, alarm in process._worker.alarms.items()}


def said_gaps(wire: Wire) -> list[CapturedEvent]:
    """Every gap event on the log."""
    return [one for one in recorded(wire) if one.kind == events.GAP]


def status(wire: Wire, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """`status --json`."""
    capsys.readouterr()
    check.status(wire, json=True)
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_a_silent_account_is_an_alarm_until_it_is_heard_again(
        wire: Wire, process: IndexerProcess, time: Clock,
        capsys: pytest.CaptureFixture[str]) -> None:
    """Within two minutes of the hours that the directory gives it; and no number in the alarm."""
    capture(wire, EVENT)
    assert "account_silent" not in looked(process, time, 2 * HOUR)
    detail = looked(process, time, NOTICED_MS)["account_silent"]
    assert detail.startswith("1 accounts, the longest for 2 h")
    assert DESK not in detail and DESK[1:] not in detail
    desk = status(wire, capsys)["accounts"][0]
    assert (desk["silent"], desk["max_silence_h"]) == (True, 2)
    capture(wire, replace(EVENT, native_id="m2", captured_at=time.now))
    assert "account_silent" not in looked(process, time)


def test_a_restart_does_not_forget_the_silence(wire: Wire, time: Clock) -> None:
    """A new process asks the index; nothing has to be remembered."""
    capture(wire, EVENT)
    for after_ms, is_silent in ((HOUR, False), (3 * HOUR, True), (0, True)):
        made = IndexerProcess(wire)
        assert ("account_silent" in looked(made, time, after_ms)) is is_silent
        made._voice.close()


def test_status_names_accounts_gaps_and_who_was_not_told(
        wire: Wire, process: IndexerProcess, time: Clock,
        capsys: pytest.CaptureFixture[str]) -> None:
    """The last event of each account that is somebody's now, its custodian's notice, and every open
    gap; nothing of it stands in a file outside sealed bytes."""
    capture(wire, EVENT, replace(
        EVENT, kind=events.GAP, native_id=None, revision="x", text="ACCOUNT_OFFBOARDED",
        occurred_at=NOW - 5_000,
        details=tuple(gaps.details("account_offboarded", gaps.BEGINS).items())))
    assert "capture_gap" in looked(process, time, NOTICED_MS)
    process._worker.say(force=True)
    found = status(wire, capsys)
    assert [(one["account"], one["custodian"], one["last_event_at"] is None,
             one["notice_at"] is None) for one in found["accounts"]] == [
        (DESK, "asmith", False, False), ("+15550008888", "bjones", True, True)]
    assert found["accounts"][0]["last_event_at"] == instant(NOW)
    (gap,) = found["gaps"]
    assert (gap["reason"], gap["account"], gap["going_on"], gap["until"]) == (
        "account_offboarded", DESK, True, None)
    assert (found["gaps_open"], found["capture_unknown"]) == (1, None)
    check.status(wire, json=False)
    assert DESK in capsys.readouterr().out
    for path in (wire.home / "run").iterdir():
        assert DESK[1:].encode() not in path.read_bytes(), path


def test_an_account_that_is_connected_again_ends_the_alarm(
        wire: Wire, process: IndexerProcess, time: Clock) -> None:
    """The gap stays, with its end."""
    for at, phase, active in ((0, gaps.BEGINS, True), (HOUR, gaps.ENDS, False)):
        capture(wire, replace(
            EVENT, kind=events.GAP, native_id=None, revision=phase, text=None,
            captured_at=NOW + at, occurred_at=NOW + at,
            details=tuple(gaps.details("account_offboarded", phase).items())))
        assert ("capture_gap" in looked(process, time, NOTICED_MS)) is active
    (gap,) = gaps_of(said_gaps(wire))
    assert (gap.since, gap.until) == (NOW, NOW + HOUR)


def test_a_counter_hole_is_a_gap_and_an_alarm(
        wire: Wire, process: IndexerProcess, time: Clock) -> None:
    """A record that was stated as acknowledged and is not archived after the wait: said once, also
    by a process that was not there, and never before."""
    capture(wire, EVENT)
    with closing(wire.capture_log()) as log:
        recorder = wire.recorder("gateway", log)
        recorder.record(own_event(events.GAP, "one", NOW, 8, {"reason": "x", "phase": "means"}))
        recorder._acknowledged.add(b"s" * 16, 7)
        recorder.beat(NOW, 8)
    archive(wire)
    wait_ms = int(wire.config.index.counters_wait_s * 1000)
    assert "counter_missing" not in looked(process, time, 0)
    assert "counter_missing" not in looked(process, time, wait_ms - MINUTE)
    detail = looked(process, time, MINUTE + NOTICED_MS)["counter_missing"]
    assert (b"s" * 16).hex() in detail
    (gap,) = (one for one in gaps_of(said_gaps(wire)) if one.reason == "counter_missing")
    assert (gap.since, gap.until) == (NOW - MINUTE, NOW)
    archive(wire)
    other = IndexerProcess(wire)
    for one in (process, other):
        looked(one, time, 0)
        assert "counter_missing" in looked(one, time)
    other._voice.close()
    assert len([one for one in said_gaps(wire)
                if one.detail("reason") == "counter_missing"]) == 1


def test_a_restart_accuses_nobody(wire: Wire, time: Clock) -> None:
    """What was archived before this process began is read back before anything is said."""
    with closing(wire.capture_log()) as log:
        recorder = wire.recorder("gateway", log)
        recorder.record_all([EVENT, replace(EVENT, native_id="m2")])
        archive(wire)
        first = IndexerProcess(wire)
        looked(first, time, 0)
        first._voice.close()
        recorder.beat(time.now, 8)
    archive(wire)
    second = IndexerProcess(wire)
    for _ in range(5):
        assert "counter_missing" not in looked(second, time, 20 * MINUTE)
    second._voice.close()
    assert said_gaps(wire) == []


def test_status_without_the_index_says_so(wire: Wire, monkeypatch: pytest.MonkeyPatch,
                                          capsys: pytest.CaptureFixture[str]) -> None:
    """The rest of the status is told all the same."""
    def without(_wire: Wire) -> None:
        raise Refused("no index key here")

    monkeypatch.setattr(Wire, "tokenizer", without)
    found = status(wire, capsys)
    assert (found["accounts"], found["gaps"]) == (None, None)
    assert found["capture_unknown"] == "no index key here"


def test_a_fresh_system_is_silent_since_it_began(wire: Wire, process: IndexerProcess,
                                                 time: Clock) -> None:
    """An account that was theirs for years is not silent for years on the first day; and the alarm
    ends soon after its event came."""
    wire.directory_path.write_text(DIRECTORY.replace(
        'max_silence_h = 2', 'from = 2020-01-01\nmax_silence_h = 2'))
    assert "account_silent" not in looked(process, time, 0)
    with closing(wire.capture_log()) as log:
        wire.recorder("gateway", log).record(directory_event(wire.directory(), time.now))
    archive(wire)
    assert "account_silent" not in looked(process, time, 2 * HOUR)
    detail = looked(process, time, NOTICED_MS)["account_silent"]
    assert "the longest for 2 h" in detail
    capture(wire, replace(EVENT, captured_at=time.now))
    assert "account_silent" not in looked(process, time, 5_000)


def test_status_lists_every_account_that_has_events(
        wire: Wire, process: IndexerProcess, time: Clock,
        capsys: pytest.CaptureFixture[str]) -> None:
    """Without a directory, and those that it does not name: custodian null, and the last event.
    One number on two channels is two accounts; two of the firm's that talk are two."""
    wire.directory_path.unlink()
    other, pair = "+15550001111", "pair:+15550001111|" + DESK
    capture(wire, EVENT,
            replace(EVENT, channel="sms", native_id="s1", captured_at=NOW + 1),
            replace(EVENT, account=other, native_id="m2", conversation=pair, direction="in",
                    actor=Identity(DESK, "e164"), captured_at=NOW + 2),
            replace(EVENT, channel="mms", account="+15550002222", native_id="p1",
                    captured_at=NOW + 3))
    looked(process, time, 0)

    def rows() -> list[tuple[object, ...]]:
        return sorted((one["channel"], one["account"], one["custodian"], one["last_event_at"])
                      for one in status(wire, capsys)["accounts"])

    assert rows() == [
        ("sms", "+15550002222", None, instant(NOW + 3)), ("sms", DESK, None, instant(NOW + 1)),
        ("whatsapp", other, None, instant(NOW + 2)), ("whatsapp", DESK, None, instant(NOW))]
    check.status(wire, json=False)
    assert "unassigned" in capsys.readouterr().out
    wire.directory_path.write_text(DIRECTORY)
    found = status(wire, capsys)["accounts"]
    assert [(one["account"], one["custodian"]) for one in found[:2]] == [
        (DESK, "asmith"), ("+15550008888", "bjones")]
    assert {(one["channel"], one["account"], one["custodian"]) for one in found[2:]} == {
        ("sms", DESK, None), ("sms", "+15550002222", None), ("whatsapp", other, None)}


def test_quarantine_waits_until_somebody_tried(
        wire: Wire, process: IndexerProcess, time: Clock,
        capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever put it there, an import too: an alarm until it was tried again, read or not; listed
    with its file for ever."""
    item = replace(
        EVENT, kind=events.QUARANTINE, native_id=None, revision="place", text=None,
        raw=b"no chat", raw_type="application/octet-stream",
        details=(("door", "import"), ("file", "chat.zip"), ("member", "_chat.txt"),
                 ("reason", "no header")))
    capture(wire, EVENT, item)
    assert looked(process, time)["quarantine_waiting"].startswith("1 items")
    capture(wire, replace(item, revision="other", details=(("door", "whatsapp"), ("reason", "x"))))
    assert looked(process, time)["quarantine_waiting"].startswith("2 items")
    capsys.readouterr()
    refused.quarantine_list(wire, json=True)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(one["door"], one["file"], one["member"]) for one in rows} == {
        ("import", "chat.zip", "_chat.txt"), ("whatsapp", None, None)}
    refused.quarantine_replay(wire, next(one["id"] for one in rows if one["file"]), json=True)
    archive(wire)
    looked(process, time)  # indexed in this look or in the next
    assert looked(process, time)["quarantine_waiting"].startswith("1 items")
    for _ in range(2):
        refused.quarantine_replay(wire, None, json=True)
        archive(wire)
        looked(process, time)
    assert "quarantine_waiting" not in looked(process, time)
    tried = [one for one in recorded(wire) if one.detail("action") == "quarantine_tried"]
    assert len(tried) == 2
    again = IndexerProcess(wire)
    assert "quarantine_waiting" not in looked(again, time)
    again._voice.close()
