"""Supervision: who may know what, how long an end may take, and logs that stay small."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from infra import gateway, serve
from infra.serve import Supervisor, bound_log, environment_of, stop_folder
from infra.state import RoleState, StateFolder
from schemas.errors import Halt, Transient
from schemas.findings import Alarm

MACHINE = {
    "PATH": "/bin", "LC_ALL": "C.UTF-8", "COUNTERFOIL_LOG__TOPIC": "t",
    "COUNTERFOIL_WHATSAPP_APP_SECRET": "s", "COUNTERFOIL_TWILIO_AUTH_TOKEN_FILE": "/t",
    "AWS_SECRET_ACCESS_KEY": "a", "HTTPS_PROXY": "p", "GITHUB_TOKEN": "g", "DATABASE_URL": "d"}
COMMON = {"PATH", "LC_ALL", "COUNTERFOIL_LOG__TOPIC", "COUNTERFOIL_HOME",
          "COUNTERFOIL_PARENT_PID"}


@pytest.mark.parametrize(("role", "more"), [
    ("gateway", {"COUNTERFOIL_WHATSAPP_APP_SECRET", "COUNTERFOIL_TWILIO_AUTH_TOKEN_FILE"}),
    ("archive", {"AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY"}),
    ("index", {"AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY"}),
    ("notary", {"AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY"})])
def test_a_part_knows_only_what_is_its_own(role: str, more: set[str]) -> None:
    """The doors do not hold the cloud's keys, the archiver not the providers' secrets, and nobody
    what has another name."""
    assert set(environment_of(role, Path("/home"), MACHINE)) == COMMON | more


def test_the_parts_of_an_end_fit_into_each_other() -> None:
    """Requests and spool end before the supervisor loses patience, and `stop` waits for all."""
    assert gateway._REQUESTS_S_MAX + gateway._SPOOL_S_MAX < serve._STOP_S["gateway"]
    assert sum(serve._STOP_S.values()) < serve._STOP_ALL_S
    assert set(serve._STOP_S) == set(serve.ROLES)


def test_a_log_is_moved_aside_and_begun_anew(tmp_path: Path) -> None:
    """Two files of bounded size at most; who holds the file goes on writing at its beginning."""
    path = tmp_path / "gateway.log"
    with path.open("ab", buffering=0) as held:
        held.write(b"a" * 100)
        bound_log(path, 100)
        assert path.stat().st_size == 100
        held.write(b"b")
        bound_log(path, 100)
        held.write(b"c")
    assert path.read_bytes() == b"c"
    assert (tmp_path / "gateway.log.1").read_bytes() == b"a" * 100 + b"b"


def test_stop_waits_for_a_run_that_has_not_said_its_name(tmp_path: Path) -> None:
    """An empty lock is a `run` that just begins: neither an error nor somebody else's process."""
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "lock"
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Transient, match="not ended"):
            stop_folder(tmp_path, wait_s=0.0)
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        held.write(str(ended.pid))  # as if it had ended between our two looks
        held.flush()
        threading.Timer(0.15, lambda: fcntl.flock(held, fcntl.LOCK_UN)).start()
        assert stop_folder(tmp_path, wait_s=20.0)


def test_a_part_that_halted_is_an_alarm_of_run(tmp_path: Path) -> None:
    """It is not started again, and `status` says so although the part itself wrote nothing."""
    supervisor = Supervisor(tmp_path, {}, lambda text: None)
    halts = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({Halt.exit_code})"])
    halts.wait()
    supervisor._children["archive"] = serve._Child("archive", halts, 0.0)
    states = StateFolder(tmp_path)
    supervisor._watch()
    supervisor._say(states)
    (state,) = states.read()
    assert [(one.code, one.detail) for one in state.alarms] == [
        ("halted", "archive: see logs/archive.log")]
    (tmp_path / "run" / "run.json").unlink()
    os.rename(tmp_path / "run", tmp_path / "away")
    (tmp_path / "run").write_text("no folder")
    supervisor._say(states)  # a disk that takes nothing ends no part that works


def test_only_our_own_gateway_is_asked_whether_it_is_ready(tmp_path: Path) -> None:
    """A state of another process, or of one that waits for a taken port, is no readiness; the
    reason is told, once."""
    told: list[str] = []
    supervisor = Supervisor(tmp_path, {}, told.append)
    ours = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        supervisor._children["gateway"] = serve._Child("gateway", ours, 0.0)
        states = StateFolder(tmp_path)
        assert supervisor._hear(states) is None
        states.write(RoleState("gateway", os.getpid(), 1))
        assert supervisor._hear(states) is None
        states.write(RoleState("gateway", ours.pid, 1, alarms=(
            Alarm("process_down", 1, "port 8080 is used"),)))
        assert supervisor._hear(states) is supervisor._hear(states) is None
        assert told == ["gateway does not run: port 8080 is used"]
        states.write(RoleState("gateway", ours.pid, 2, facts={"port": 8080}))
        found = supervisor._hear(states)
        assert found is not None and found.facts["port"] == 8080
    finally:
        ours.communicate(b"")
    assert supervisor._hear(states) is None
