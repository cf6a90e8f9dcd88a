"""What surrounds the doors: the directory's file, alarms that outlive a restart, room for all."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from infra.config import load
from infra.gateway import GatewayProcess, KeptAlarms, Reloader, _room_of
from infra.listening import bind
from infra.state import StateFolder
from infra.wire import Wire
from ingest.status import AlarmBoard, GatewayStatus
from schemas.errors import Refused, Transient
from schemas.findings import Alarm

TEXT = """
[classes]
default = 7
[[custodian]]
id = "asmith"
name = "Alice Smith"
[[account]]
channel = "whatsapp"
account = "+15550783881"
custodian = "asmith"
"""


def reloader(folder: Path) -> Reloader:
    """Of directory.toml in `folder`."""
    return Reloader(folder / "directory.toml", folder / "directory.last.toml")


def test_a_changed_file_is_read_when_it_stands_still(tmp_path: Path) -> None:
    """Half a file, seen while it is written, is nobody's directory."""
    path = tmp_path / "directory.toml"
    path.write_text(TEXT)
    made = reloader(tmp_path)
    assert len(made.first().accounts) == 1
    assert made() is None
    path.write_text(TEXT[:30])
    assert made() is None
    path.write_text(TEXT + '[[custodian]]\nid = "b"\nname = "B"\n')
    assert made() is None
    found = made()
    assert found is not None and len(found.custodians) == 2
    assert made() is None


@pytest.mark.parametrize("how", ["gone", "empty", "nobody"])
def test_a_directory_that_names_nobody_any_more_is_refused(tmp_path: Path, how: str) -> None:
    """Deleted, truncated or emptied: refused at each look and over a restart, and the last load
    stays in force, until the file is back."""
    path = tmp_path / "directory.toml"
    path.write_text(TEXT)
    made = reloader(tmp_path)
    made.first()
    kept = path.stat()
    path.rename(tmp_path / "away")
    if how != "gone":
        path.write_text("" if how == "empty" else "[classes]\ndefault = 7\n")
    assert made() is None
    for _ in range(2):
        with pytest.raises(Refused, match="names no account"):
            made()
    again = reloader(tmp_path)
    assert again.first().source == TEXT.encode()
    assert again() is None
    with pytest.raises(Refused, match="names no account"):
        again()

    path.unlink(missing_ok=True)
    (tmp_path / "away").rename(path)
    assert path.stat().st_ino == kept.st_ino
    assert made() is None
    found = made()
    assert found is not None and len(found.accounts) == 1


def test_without_accounts_is_how_a_firm_begins(tmp_path: Path) -> None:
    """No file is no accident before the first one; and who means it can say so."""
    made = reloader(tmp_path)
    assert made.first().accounts == ()
    assert made() is None
    (tmp_path / "directory.toml").write_text("[classes\n")
    assert made() is None
    with pytest.raises(Refused, match="line"):
        made()
    (tmp_path / "directory.toml").write_text(TEXT)
    assert made() is None
    assert made() is not None
    (tmp_path / "directory.toml").unlink()
    (tmp_path / "directory.last.toml").unlink()
    assert made() is None
    found = made()
    assert found is not None and found.accounts == ()


def test_what_happened_is_still_an_alarm_after_a_restart(tmp_path: Path) -> None:
    """Until its time is over; a state such as a closed door is looked at anew."""
    board = AlarmBoard()
    for code in ("quarantine_waiting", "door_closed"):
        board.set(code, 100, "whatsapp", 1_000, "w")
    board.set("log_unreachable", 100)
    kept = KeptAlarms(tmp_path / "alarms.json")
    assert kept.read(100) == []
    kept.write(board.occurrences(100))
    again = AlarmBoard()
    for alarm, until in KeptAlarms(tmp_path / "alarms.json").read(200):
        again.restore(alarm, until)
    assert again.active(200) == (Alarm("quarantine_waiting", 100, "whatsapp", "w"),)
    assert again.active(1_100) == ()
    assert kept.read(1_100) == []
    (tmp_path / "alarms.json").write_text('[["capture_gap", 1, 900, "as it was written before"]]')
    assert kept.read(100) == [(Alarm("capture_gap", 1, "as it was written before"), 900)]
    (tmp_path / "alarms.json").write_text("[[1]]")
    assert kept.read(100) == []


@pytest.mark.parametrize("descriptors", [256, 1024, 4096, 65_536])
def test_connections_leave_files_for_the_records(descriptors: int) -> None:
    """Everybody who knocks and a whole backlog at once: the spool can still be opened."""
    backlog, connections = _room_of(descriptors)
    assert 0 < backlog + connections <= descriptors * 3 // 4
    assert connections <= 4096


def test_alarms_of_the_doors_are_logged(tmp_path: Path,
                                        capsys: pytest.CaptureFixture[str]) -> None:
    """A line when one begins and one when it ends (C7), not one a second."""
    wire = Wire(load(tmp_path))
    wire.provision_once()
    process = GatewayProcess(wire, "127.0.0.1", 0)
    try:
        for alarms in ((), (Alarm("spool_in_use", 1, "2 records"),),
                       (Alarm("spool_in_use", 1, "3 records"),), ()):
            process.write(GatewayStatus(1, "t", 0, 0, None, 0, (), 0, False, alarms))
    finally:
        process._log.close()
        process._spool.close()
        process._ring.close()
    said = capsys.readouterr().out
    assert said.count("spool_in_use") == 2 and said.count("alarm is over") == 1
    (state,) = StateFolder(wire.home).read()
    assert state.pid == os.getpid()


def test_a_taken_port_is_said_before_it_is_waited_for(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which port, and what to do; `status` has the alarm while the gateway still waits."""
    wire = Wire(load(tmp_path))
    wire.provision_once()
    monkeypatch.setattr("infra.listening.WAIT_S_MAX", 0.2)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said: list[str] = []
        with pytest.raises(Transient, match=f"port {port} of 127.0.0.1 .*--port"):
            bind("127.0.0.1", port, said.append)
        assert len(said) == 1 and str(port) in said[0]
        process = GatewayProcess(wire, "127.0.0.1", port)
        try:
            with pytest.raises(Transient):
                process.run()
        finally:
            process._log.close()
            process._spool.close()
            process._ring.close()
    (state,) = StateFolder(wire.home).read()
    assert [(one.code, one.detail) for one in state.alarms] == [("process_down", said[0])]
