"""The notary's process: its pace, its alarms, and who vouches for the log, with a real witness
process and a real time-stamping authority (openssl)."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from archive.tlog import checkpoint
from archive.tlog.checkpoint import Head
from archive.tlog.relocking import ROUND_MS
from archive.tlog.sequence import batch_key
from archive.tlog.witness import request_body
from infra import carry
from infra import notary as notaries
from infra.config import load
from infra.exportpackage import verified
from infra.exports import Exporter
from infra.notary import NotaryProcess, Relocking
from infra.verbs import log as verbs
from infra.verbs.check import Depth, active_alarms, verify
from infra.vouching import authorities_of, witnesses_of
from infra.wire import DAY_MS, Wire, clock
from schemas.errors import Halt, Missing, Refused
from search.access.viewer import operator
from search.export.granted import Granted, silent
from search.export.wanted import Wanted as Chosen
from tests.archive.tlog.test_timestamp import real_authority
from tests.archive.tlog.tsa import MOMENT, Authorities
from tests.e2e.installation import ROOT, free_port, wait_for
from tests.runtime.test_log import carried, say

NAME = "witness.friend.example"


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    """An embedded system with one archived message that is in the log."""
    made = Wire(load(tmp_path / "home"))
    made.provision_once()
    carried(made, "one")
    return made


class Watching:
    """A witness: a process of its own, with a folder of its own."""

    def __init__(self, home: Path, vkey: str) -> None:
        self.home, self.port = home, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._told = (sys.executable, "-m", "infra.cli", "--home", str(home), "witness", "--log",
                      vkey, "--port", str(self.port), "--name", NAME)
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        """Until it listens."""
        self.process = subprocess.Popen(self._told, cwd=ROOT, stdout=subprocess.DEVNULL)
        wait_for(self._listens, "the witness listens")
        return self.process

    @property
    def vkey(self) -> str:
        """As it says itself."""
        return (self.home / "witness.vkey").read_text("ascii").strip()

    def _listens(self) -> bool:
        assert self.process.poll() is None
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def witness(wire: Wire, tmp_path: Path) -> Iterator[Watching]:
    """One that knows our log."""
    made = Watching(tmp_path / "witness", wire.log_keys()[0].vkey())
    yield made
    made.process.terminate()
    made.process.wait(30)


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """(address, PEM file of its root) of openssl behind HTTP."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    now = datetime.now(MOMENT.tzinfo)
    made = Authorities(begins=now - timedelta(days=1), ends=now + timedelta(days=1))
    folder = tmp_path / "tsa"
    folder.mkdir()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            answer = real_authority(folder, made, body)
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    root = tmp_path / "root.pem"
    root.write_bytes(made.root.public_bytes(Encoding.PEM))
    yield f"http://127.0.0.1:{server.server_port}", root
    server.shutdown()
    thread.join()
    server.server_close()


def vouched(wire: Wire, **section: Any) -> Wire:
    """The same folder, with others who vouch."""
    return Wire(load(wire.home, notary=section))


def report(wire: Wire, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """`verify --log`."""
    capsys.readouterr()
    verify(wire, json=True, head_file=None, depth=Depth(log=True))
    read = json.loads(capsys.readouterr().out)
    assert isinstance(read, dict)
    return read


@pytest.mark.slow
@pytest.mark.allowed_skip("openssl is a program of the machine, not of the repository")
def test_witness_and_authority_vouch_and_are_checked_offline(
        wire: Wire, witness: Watching, authority: tuple[str, Path], tmp_path: Path,
        capsys: pytest.CaptureFixture[str]) -> None:
    """On a timer, on real answers; kept, found again by `verify --log` and brought by a proof; a
    changed answer is named."""
    url, root = authority
    whole = vouched(wire, witness=[{"vkey": witness.vkey, "url": witness.url}],
                    authority=[{"name": "local", "url": url, "roots": str(root)}])
    for text in ("two", "three"):
        say(whole, text)
        carried(whole)
        assert 0 == NotaryProcess(whole).once()
    said = report(whole, capsys)
    size = said["log"]["size"]
    assert [] == said["findings"]
    assert 2 == sum(one.startswith((f"witness {NAME} last confirmed {size} cells",
                                    f"authority local last stamped {size} cells"))
                    for one in said["notes"])
    assert 4 == len([*whole.store.versions("log/cosignature/"),
                     *whole.store.versions("log/timestamp/")])
    capsys.readouterr()
    verbs.newest_checkpoint(whole, witnessed=True)
    assert NAME in capsys.readouterr().out
    (first, *_) = (one.key for one in whole.store.versions("segments/"))
    verbs.prove(whole, first, "0", tmp_path / "proof", json=True)
    capsys.readouterr()
    verbs.check_proof(None, tmp_path / "proof", [whole.log_keys()[0].vkey(), witness.vkey], None,
                      json=True)
    checked = json.loads(capsys.readouterr().out)
    assert NAME in checked["signed_by"] and checked["witnessed_at"]
    for kind, code in (("cosignature", "tlog_cosignature_damaged"),
                       ("timestamp", "tlog_timestamp_damaged")):
        (*_, last) = whole.store.versions(f"log/{kind}/")
        path = wire.home / "store" / "objects" / last.key
        body = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(body[:-9] + bytes([body[-9] ^ 1]) + body[-8:])
        assert [(code, last.key)] == [(one["code"], one["where"])
                                      for one in report(whole, capsys)["findings"]]
        path.write_bytes(body)


@pytest.mark.slow
@pytest.mark.allowed_skip("openssl is a program of the machine, not of the repository")
def test_who_vouches_goes_along_with_an_export_and_is_checked_by_a_stranger(
        wire: Wire, witness: Watching, authority: tuple[str, Path], tmp_path: Path) -> None:
    """The newest checkpoint that a witness and an authority vouched for, though a later one is
    there; the script of the package names both, and finds a changed answer."""
    url, root = authority
    whole = vouched(wire, witness=[{"vkey": witness.vkey, "url": witness.url}],
                    authority=[{"name": "local", "url": url, "roots": str(root)}])
    say(whole, "two")
    carried(whole)
    assert 0 == NotaryProcess(whole).once()
    sequence = whole.log_sequence()
    last = sequence.last() if sequence is not None else None
    assert last is not None
    say(whole, "three")      # archived and in the log, and nobody vouched for that yet
    carried(whole)
    done = Exporter(whole, operator("ann")).run(
        Chosen(query="two", formats=("native",)), Granted("ab" * 16, "ann", clock()),
        tmp_path / "out", silent)
    assert last.batch.head.size == done.checkpoint_size
    said = verified(tmp_path / "out", whole.log_keys()[0].vkey())
    assert 0 == said.code and NAME in said.said and "local" in said.said
    (token,) = (tmp_path / "out").rglob("*.tsr")
    body = token.read_bytes()
    token.write_bytes(body[:-9] + bytes([body[-9] ^ 1]) + body[-8:])
    assert 1 == verified(tmp_path / "out").code


@pytest.mark.slow
def test_a_witness_that_is_away_is_an_alarm_and_stops_nothing(
        wire: Wire, witness: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time in a row; over when it answers again, which is soon after it was started."""
    whole = vouched(wire, interval_s=0.001, witness_interval_s=1,
                    witness=[{"vkey": witness.vkey, "url": witness.url}])
    process = NotaryProcess(whole)
    at = Moment(monkeypatch)
    process._turn()
    assert "1 of 1 for 1 leaves" == process._worker.facts["witness_vouched"]
    witness.process.terminate()
    witness.process.wait(30)
    seen = []
    for number in range(3):
        carried(whole, f"more {number}")
        at.now += 2_000
        process._turn()
        seen.append(set(process._worker.alarms))
    assert [set(), {"tlog_unwitnessed"}, {"tlog_unwitnessed"}] == seen
    assert NAME in process._worker.alarms["tlog_unwitnessed"].detail
    assert whole.store.get(f"log/checkpoint/{process.leaves:020d}")   # it is signed all the same
    witness.start()
    at.now += 2_000
    process._turn()
    assert {} == process._worker.alarms
    assert 1 == NotaryProcess(vouched(wire, witness=[
        {"vkey": witness.vkey, "url": "http://127.0.0.1:9"}])).once()


@pytest.mark.slow
def test_a_witness_that_saw_another_log_is_the_gravest_alarm(
        wire: Wire, witness: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody showed it another tree, signed with our key: said at once, by name."""
    whole = vouched(wire, interval_s=0.001, witness=[{"vkey": witness.vkey, "url": witness.url}])
    ours = whole.notary()
    other = checkpoint.signed(ours.origin, Head(7, b"x" * 32), ours._signer)
    answer = httpx.post(f"{witness.url}/add-checkpoint", content=request_body(0, (), other))
    assert 200 == answer.status_code
    process = NotaryProcess(whole)
    process._turn()
    assert NAME in process._worker.alarms["tlog_witness_forked"].detail
    carried(whole, *(str(number) for number in range(9)))
    Moment(monkeypatch).now += 10**7
    process._turn()
    assert {"tlog_witness_forked", "tlog_unwitnessed"} == set(process._worker.alarms)


@pytest.mark.slow
def test_a_witness_keeps_its_name_and_key(witness: Watching, wire: Wire, tmp_path: Path) -> None:
    """Another name on its folder, a readable key, a key that is gone: refused."""
    def again(home: Path, *more: str) -> int:
        return subprocess.run(
            [sys.executable, "-m", "infra.cli", "--home", str(home), "witness", "--log",
             wire.log_keys()[0].vkey(), "--port", str(free_port()), *more], cwd=ROOT,
            capture_output=True, timeout=60, check=False).returncode

    assert Refused.exit_code == again(witness.home, "--name", "other.example")
    assert Refused.exit_code == again(tmp_path / "new")
    copy = tmp_path / "copy"
    shutil.copytree(witness.home, copy)
    (copy / "witness.key").chmod(0o644)
    assert Refused.exit_code == again(copy)
    (copy / "witness.key").unlink()
    assert Missing.exit_code == again(copy)


class Moment:
    """The notary's clock, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.time_ns() // 1_000_000
        monkeypatch.setattr(notaries, "clock", lambda: self.now)


def test_what_is_held_back_is_an_alarm_after_a_while(wire: Wire,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment that nothing locks: the log waits for it, says so, and goes on when it is locked.
    """
    at = Moment(monkeypatch)
    process = NotaryProcess(vouched(wire, interval_s=0.001))
    process._turn()
    say(wire, "two")
    carried_without_log(wire)
    *_, last = wire.store.versions("segments/")
    lock = wire.home / "store" / "locks" / f"{last.key}.lock"
    kept = lock.read_bytes()
    lock.unlink()
    process._turn()
    assert {} == process._worker.alarms
    at.now += 11 * 60_000
    process._turn()
    assert last.key in process._worker.alarms["tlog_behind"].detail
    lock.write_bytes(kept)
    process._turn()
    process._turn()
    assert {} == process._worker.alarms
    assert 2 == process.leaves == process._worker.facts["leaves"]


def carried_without_log(wire: Wire) -> None:
    """Archived by an archiver alone."""
    with closing(wire.archive_log()) as log:
        carry._archive(wire, log, lambda _said: None)


def test_a_squatted_name_halts_the_notary_and_says_so(wire: Wire) -> None:
    """The alarm stands in `status` after the process has ended; nothing was signed."""
    wire.store.put_once(batch_key(1), b"junk", None)
    say(wire, "two")
    carried_without_log(wire)
    process = NotaryProcess(wire)
    code = process._worker.run(process._turn, lambda: None)
    assert Halt.exit_code == code
    _, alarms = active_alarms(wire)
    assert "tlog_squatted" in {one.code for one in alarms}
    assert 1 == len([*wire.store.versions("log/checkpoint/")])


def test_locks_of_the_log_are_made_longer_in_rounds(wire: Wire, monkeypatch: pytest.MonkeyPatch,
                                                    ) -> None:
    """Once in a month, a thousand objects a minute; a restart goes on where it was; never in trial
    mode, whose locks are meant to end."""
    real = Wire(load(wire.home, retention={"trial": False}))
    now = time.time_ns() // 1_000_000
    until = now + 3650 * DAY_MS
    monkeypatch.setattr(notaries, "_RELOCK_OBJECTS", 1)
    objects = list(wire.store.versions("log/"))
    assert 2 == len(objects)

    def ends() -> list[int]:
        return [wire.store.lock(one.key, one.version_id).retain_until for one in objects]

    before = ends()
    Relocking(wire, lambda: until).step(now)
    assert before == ends()
    first = Relocking(real, lambda: until)
    first.step(now)
    first.step(now + 1_000)     # not yet
    assert [until, before[1]] == ends()
    Relocking(real, lambda: until).step(now + 70_000)
    assert [until, until] == ends()
    for at in (now + 140_000, now + 210_000):
        Relocking(real, lambda: until + DAY_MS).step(at)
    assert [until, until] == ends()     # the round is over, and no lock ends soon
    later = now + ROUND_MS + until - now
    for step in range(3):
        Relocking(real, lambda: until + DAY_MS).step(later + step * 70_000)
    assert [until + DAY_MS] * 2 == ends()


@pytest.mark.parametrize(("section", "complaint"), [
    ({"witness": [{"vkey": "nonsense", "url": "http://w.example"}]}, "witness 1: tlog_key"),
    ({"witness": "LOG"}, "a log's key, not a witness's"),
    ({"authority": [{"name": "a", "url": "http://a.example", "roots": "/dev/null"}]},
     "not a file of certificates"),
    ({"authority": [{"name": "a", "url": "http://a.example", "roots": "/nowhere"}]}, "No such"),
    ({"authority": [{"name": "a", "url": "http://a.example", "roots": "/dev/null"}] * 2},
     "two have one name")])
def test_who_vouches_is_read_or_refused(wire: Wire, section: dict[str, Any],
                                        complaint: str) -> None:
    """With the setting by name."""
    if section.get("witness") == "LOG":
        section = {"witness": [{"vkey": wire.log_keys()[0].vkey(), "url": "http://w.example"}]}
    config = load(wire.home, notary=section)
    read: Callable[[], object] = (lambda: witnesses_of(config)) if "witness" in section else (
        lambda: authorities_of(config))
    with pytest.raises((Refused, Missing), match=complaint):
        read()
