"""What a process uses is counted with those that it runs for others to see."""

from __future__ import annotations

import subprocess
import sys

from tests.bench.procs import usage

_BUSY = ("import time, sys\n"
         "until = time.process_time() + 0.3\n"
         "while time.process_time() < until: pass\n"
         "print('done', flush=True); sys.stdin.read()")
_KEEPER = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


def test_a_child_that_lives_counts() -> None:
    """A server runs under a keeper, and the keeper's id is the one that is known."""
    keeper = subprocess.Popen([sys.executable, "-c", _KEEPER, _BUSY], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    assert keeper.stdout is not None
    try:
        assert keeper.stdout.readline() == b"done\n"
        assert usage(keeper.pid).cpu_s >= 0.3
    finally:
        keeper.communicate()
