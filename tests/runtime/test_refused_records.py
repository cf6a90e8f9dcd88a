"""A record that did not authenticate is kept, listed, and captured once its key is known (T1)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archive.unseal import Enrolled
from infra.config import load
from infra.keyfiles import KeyFolder
from infra.verbs.refused import quarantine_list, quarantine_replay
from infra.wire import Wire
from ingest.heartbeat import heartbeat
from ingest.record import LogRecorder
from schemas import codec
from schemas.errors import Halt, Missing
from schemas.events import CapturedEvent
from search.follow import Follower, bind
from search.waiting import Waiting
from tests.world import NOW, Watcher


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    """A provisioned data folder."""
    made = Wire(load(tmp_path / "home"))
    made.provision()
    return made


def _archive(wire: Wire, watcher: Watcher) -> None:
    log = wire.archive_log()
    try:
        archiver = wire.archiver(log, watcher)
        for _ in range(3):
            archiver.turn(0.0, flush=True)
    finally:
        log.close()
    indexes = wire.indexes()
    Follower(wire.reader(), indexes.open(bind(indexes)), wire.projector()).run_to_end()


def _recorder(wire: Wire) -> LogRecorder:
    log = wire.capture_log()
    return wire.recorder("gateway", log)


def _message() -> CapturedEvent:
    return CapturedEvent(
        kind="message", channel="sms", source="twilio/1", account="+15550783881",
        conversation="pair:+15550783881|+16505550001", captured_at=NOW, native_id="SM1",
        text="kept all the same", custodian="asmith")


def _texts(wire: Wire) -> list[str | None]:
    reader = wire.reader()
    found = [codec.decode(event.datum) for topic_id, partition in reader.partitions()
             for read in reader.follow(topic_id, partition, 0) for event in read.events
             if event.datum is not None and not event.problem]
    return [event.text for event in found if event.kind == "message"
            and isinstance(event, CapturedEvent)]


def _rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_refused_record_is_listed_and_opened_again(
        wire: Wire, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An unenrolled gateway's message: refused, kept, listed; once enrolled, its words are archived
    and its heartbeat, which speaks for that gateway only, is not said in another's name."""
    recorder, watcher = _recorder(wire), Watcher()
    recorder.record_all([_message(), heartbeat({bytes(16): [(0, 9)]}, bytes(16), NOW, 8)])
    enrolled = KeyFolder.enrolled

    def without_gateway(folder: KeyFolder) -> dict[bytes, Enrolled]:
        known = enrolled(folder)
        return {key: one for key, one in known.items()
                if one.public != folder.capture_key("gateway").public_key().public_bytes_raw()}

    monkeypatch.setattr(KeyFolder, "enrolled", without_gateway)
    _archive(wire, watcher)
    assert ["record_refused"] == [one.code for one in watcher.findings]
    assert 0 == quarantine_list(wire, json=True)
    [row] = _rows(capsys)
    assert (None, 32) == (row["door"], len(str(row["id"])))
    assert "not enrolled" in str(row["reason"])
    waiting, indexes = Waiting(wire.tokenizer()), wire.indexes()
    assert list(waiting.look(indexes.open(bind(indexes)))) == [row["id"]]
    quarantine_replay(wire, None, json=True)
    assert [{"read": 0, "still": 1, "captured": 0}] == _rows(capsys)
    with pytest.raises(Missing):
        quarantine_replay(wire, "ab" * 16, json=True)

    monkeypatch.setattr(KeyFolder, "enrolled", enrolled)
    quarantine_replay(wire, str(row["id"]), json=True)
    assert [{"read": 1, "still": 0, "captured": 1}] == _rows(capsys)
    _archive(wire, watcher)
    assert ["kept all the same"] == _texts(wire)
    assert not waiting.look(indexes.open(bind(indexes)))


def test_a_missing_transit_key_stops_the_archiver_and_loses_nothing(wire: Wire) -> None:
    """The key file is not there at the start: nothing is archived as refused, and with the key back
    the record is archived as what it is."""
    _recorder(wire).record_all([_message()])
    [path] = (wire.home / "keys" / "archiver").glob("transit-*.key")
    body = path.read_bytes()
    path.unlink()
    with pytest.raises(Halt) as halted:
        _archive(wire, Watcher())
    assert "transit_key_missing" == halted.value.finding
    assert [] == list(wire.store.versions("segments/"))
    path.write_bytes(body)
    path.chmod(0o600)
    watcher = Watcher()
    _archive(wire, watcher)
    assert ([], ["kept all the same"]) == (watcher.findings, _texts(wire))
