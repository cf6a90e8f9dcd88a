"""`disposition run` as a process that is killed with kill -9 at random moments, and run again.

The moments are random but seeded; what is judged is only what is there afterwards: a key is there
and its messages are found, or it is gone from both keyrings, by right and with a certificate.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.embedded.keys import FolderKeyring
from infra.wire import Wire
from schemas.errors import Missing
from tests.faults.test_disposition import finished, opened, prepared
from tests.runtime import test_disposition as quiet

__all__ = ["prepared"]

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("COUNTERFOIL_DISPOSITION_KILLS", "4"))
ROOT = Path(__file__).parents[2]
_CHILD = """\
import sys
from pathlib import Path
from infra.disposition import Disposer
from tests.faults.test_disposition import opened
now = int(sys.argv[3])
print("begins", flush=True)
Disposer(opened(Path(sys.argv[1]), lambda: now), "ann", is_alone=True).run(sys.argv[2])
"""


def run(folder: Path, list_id: str, now: int) -> subprocess.Popen[str]:
    """A process that runs the list; it has begun when this returns."""
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(folder), list_id, str(now)], cwd=ROOT, text=True,
        stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert "begins\n" == child.stdout.readline()
    return child


def is_gone(keyring: FolderKeyring, name: str) -> bool:
    """Whether the record is away."""
    try:
        keyring.read(name)
    except Missing:
        return True
    return False


def assert_sound(wire: Wire, name: str) -> None:
    """After any kill: the key is there and nothing is wrong, or it is gone and `verify` says that
    and no more."""
    codes = {one.code for one in quiet.findings(wire)}
    if is_gone(FolderKeyring(wire.home / "keyring"), name):
        assert is_gone(FolderKeyring(wire.home.parent / "copy"), name)  # ours goes last
        assert codes <= {"key_lost"}
    else:
        assert not codes


def test_a_killed_run_is_finished_by_the_next(prepared: tuple[Path, str, str, int],
                                              tmp_path: Path) -> None:
    """Killed once or several times on its way, each time sound; the last run makes it whole."""
    folder, list_id, name, now = prepared
    shutil.copytree(folder, tmp_path / "whole")
    with run(tmp_path / "whole", list_id, now) as child:
        began = time.monotonic()
        assert 0 == child.wait(120)
        lasts = time.monotonic() - began
    chance, killed, target = random.Random(KILLS), 0, tmp_path / "target"
    shutil.copytree(folder, target)
    for _ in range(KILLS):
        with run(target, list_id, now) as child:
            try:
                assert 0 == child.wait(chance.uniform(0, lasts))
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
                child.wait(60)
                killed += 1
        assert_sound(opened(target, lambda: now), name)
        if chance.random() < 0.5:                 # the next one goes on where this one died
            continue
        finished(opened(target, lambda: now), list_id, name)
        shutil.rmtree(target)
        shutil.copytree(folder, target)
    assert killed
    finished(opened(target, lambda: now), list_id, name)
