"""Commands that read content or act on it are recorded before they do (I7)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from archive.unseal import Opened
from infra.config import load
from infra.verbs import keys, refused
from infra.wire import Wire
from schemas import codec, events
from schemas.errors import Transient
from schemas.events import CapturedEvent
from search.audit import Auditor

PHRASE = "a long enough passphrase"


def backup(wire: Wire) -> None:
    """`keys backup`, with its passphrase from a file."""
    phrase = wire.home / "phrase"
    phrase.write_text(PHRASE)
    keys.backup(wire, wire.home / "backup", phrase, json=True)


ACTS: dict[str, Callable[[Wire], object]] = {
    "quarantine_replay": lambda wire: refused.quarantine_replay(wire, None, json=True),
    "rejected_replay": lambda wire: refused.rejected_replay(wire, json=True),
    "spool_recover": lambda wire: refused.spool_recover(wire, json=True),
    "keys_backup": backup,
}


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    """An embedded system."""
    made = Wire(load(tmp_path / "home"))
    made.provision_once()
    return made


def recorded(wire: Wire) -> list[CapturedEvent]:
    """Every event on the log."""
    log, out = wire.archive_log(), []
    identity = log.identity()
    for offset in range(log.bounds(0)[1]):
        record = log.fetch(0, offset)
        assert record is not None
        opened: Opened = wire.unsealer().open(identity.topic_id, 0, record.value)
        at = 0
        for _domain, _tag, length in opened.rows:
            event = codec.decode(opened.plain[at:at + length])
            assert isinstance(event, CapturedEvent)
            out.append(event)
            at += length
    log.close()
    return out


@pytest.mark.parametrize("action", ACTS)
def test_an_act_is_on_the_log(wire: Wire, action: str) -> None:
    """Who did it, what, and when; and the heartbeat that states it was acknowledged."""
    ACTS[action](wire)
    event, heartbeat = recorded(wire)
    assert heartbeat.kind == events.HEARTBEAT
    assert (event.kind, event.detail("action")) == (events.AUDIT, action)
    assert event.actor is not None and event.actor.native_id.startswith("local operator (")


@pytest.mark.parametrize("action", ACTS)
def test_what_cannot_be_recorded_is_not_done(wire: Wire, action: str,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is down: refused before anything is opened or written."""

    def down(*_given: object) -> None:
        raise Transient("no broker")

    monkeypatch.setattr(Auditor, "record", down)
    monkeypatch.setattr(Wire, "unsealer", lambda self: pytest.fail("a key was opened"))
    monkeypatch.setattr(keys, "_collect", lambda wire: pytest.fail("keys were read"))
    monkeypatch.setattr(refused, "_quarantined", lambda wire: pytest.fail("content was read"))
    with pytest.raises(Transient):
        ACTS[action](wire)
    assert not (wire.home / "backup").exists()
