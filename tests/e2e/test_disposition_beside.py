"""A disposition beside a system that runs, by the executable: it waits for what others remember,
and nothing that comes meanwhile is lost."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.config import load
from infra.wire import Wire, clock
from schemas.errors import Missing
from tests.e2e.installation import ROOT, SECRETS, Installation
from tests.ingest.doorway import hub_headers
from tests.runtime import test_disposition as quiet
from tests.runtime.test_replay import CAROL, archived
from tests.search.policy.world import said
from tests.vendor import payloads

pytestmark = pytest.mark.slow

# Runs in every process before its first line: years later, and with a shorter memory.
_HOOK = """\
import os, time
_shift, _real = int(os.environ["AGED_MS"]) * 1_000_000, time.time_ns
time.time_ns = lambda: _real() + _shift
import archive.keyring
archive.keyring.KEPT_MS = 4_000
archive.keyring.DomainKeys.__init__.__defaults__ = (4_000,)
import infra.disposition
infra.disposition._MARGIN_MS = 2_000
"""
JANUARY = quiet.THEN + 70 * quiet.DAY


def late(firm: Installation, number: int, at: int) -> str:
    """A message that says it was written at `at`, UTC ms; its words."""
    words = f"late{number}word"
    body = payloads.messages(payloads.text(f"wamid.LATE{number}", words,
                                           timestamp=str(at // 1000)))
    assert 200 == firm.post("/hooks/whatsapp", body, hub_headers(
        body, SECRETS.whatsapp_app_secret.encode()))
    return words


@contextmanager
def arriving(send: Callable[[int], str], first: int) -> Iterator[list[str]]:
    """Messages come one after the other until the end; their words."""
    sent, ended = [send(first)], threading.Event()

    def go_on() -> None:
        while not ended.wait(0.3):
            sent.append(send(first + len(sent)))

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield sent
    finally:
        ended.set()
        thread.join()


def prepared(home: Path) -> tuple[int, dict[str, str], str, str]:
    """Two months that are due, each on an approved list that may run: (now, lists by key, the key
    of November, that of January)."""
    aged = quiet.Clock(quiet.THEN)
    home.mkdir(mode=0o700)
    (home / "counterfoil.toml").write_text("[disposition]\nwait_days = 1\n")
    (home / "directory.toml").write_text(CAROL)
    wire = Wire(load(home), aged)
    wire.provision_once()
    aged.now = JANUARY
    archived(wire, said("of January", aged.now, "m7"))
    quiet.written(wire, aged)
    (november,), (january,) = quiet.names(wire, "2025-11"), quiet.names(wire, "2026-01")
    lists = {one: quiet.disposer(wire, "ann").make_list([one]).list_id
             for one in (november, january)}
    for one in lists.values():
        quiet.disposer(wire, "bob").approve(one)
    return aged.now + quiet.DAY + 60_000, lists, november, january


def test_what_comes_while_it_is_destroyed_is_kept(tmp_path: Path) -> None:
    """A month of which messages come just now is not touched; one that was closed goes, and what
    comes late for it lies under its new key; all of it is found, and everything verifies."""
    home = tmp_path / "home"
    now, lists, november, january = prepared(home)
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(_HOOK)
    firm = Installation(home, more={"PYTHONPATH": f"{hook}:{ROOT}",
                                    "AGED_MS": str(now - clock())})
    with firm.running():
        with arriving(lambda number: late(firm, number, JANUARY), 1000) as busy:
            answer = firm.cli("disposition", "run", lists[january], code=None)
            assert answer.code and "still on the log" in answer.err, answer
        with subprocess.Popen(
                [sys.executable, "-m", firm.module, "disposition", "run", lists[november]],
                env=firm.environment, cwd=tmp_path, text=True, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE) as running:
            assert running.stderr is not None
            told = ""
            while "announced" not in told:
                line = running.stderr.readline()
                assert line, told
                told += line
            with arriving(lambda number: late(firm, number, quiet.THEN), 2000) as busier:
                told += running.stderr.read()
            assert 0 == running.wait(60), told
    wire = Wire(load(home), lambda: now + 3_600_000)
    assert wire.keyring.read(january)
    with pytest.raises(Missing):
        wire.keyring.read(november)
    found = [row["text"] for row in firm.cli(
        "search", "kind:message", "--json", "--limit", "1000").rows()]
    assert sorted((*busy, *busier)) == sorted(text for text in found if text.startswith("late"))
    assert [] == firm.cli("search", quiet.WORD, "--json", code=None).rows()
    report = firm.cli("verify", "--log", "--index", "--json").row()
    assert [] == report["findings"]
