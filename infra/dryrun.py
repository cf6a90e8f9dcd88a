"""A dry run in a process of its own: pages stay quick while the archive is read.

Owns both ends. `Run` is the console's: it starts the process, hears how far it is, and keeps what
it found in memory. The process (`python -m infra.dryrun HOME`) is told the policy on stdin, says
lines of JSON on stdout, and ends when nobody listens. What is found are ids, places in time and the
rule's own words, no word of a message.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from infra.config import load
from infra.policyrun import dry_run, typed
from infra.serve import environment_of
from infra.wire import Wire
from schemas.errors import CounterfoilError

RUNNING: Final = "running"
DONE: Final = "done"
STOPPED: Final = "stopped"
FAILED: Final = "failed"
# So many flags are kept; a policy that raises more says nothing that a person could look at.
FLAGS_MAX: Final = 20_000
# A run that takes longer is ended: half an hour is some million messages and more.
RUN_S_MAX: Final = 1_800.0
_SAY_EVERY_S: Final = 0.5
_NICE: Final = 10


@dataclass(frozen=True, slots=True)
class Hit:
    """A flag that would be raised. `at`: UTC ms of the message."""

    doc_id: str
    rule: str
    severity: str
    reason: str
    at: int


@dataclass(slots=True)
class Run:
    """One process and what it said. `source`: the policy's file."""

    home: Path
    source: bytes
    since: int | None
    until: int | None
    state: str = RUNNING
    percent: int = 0
    hits: tuple[Hit, ...] = ()
    is_whole: bool = True
    problem: str = ""
    _process: subprocess.Popen[bytes] | None = None
    _ends: threading.Timer | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Begin; one that was stopped before does not. Raises OSError, and RuntimeError where the
        machine has no thread left; then `stop` ends what has begun of it."""
        with self._lock:
            if self.state != RUNNING:
                return
            process = self._process = subprocess.Popen(
                [sys.executable, "-m", "infra.dryrun", str(self.home)], stdin=subprocess.PIPE,
                # What an unexpected error says may be content.
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env=environment_of("index", self.home, os.environ))
            ends = self._ends = threading.Timer(RUN_S_MAX, self.stop,
                                                ("it took longer than half an hour",))
        ends.daemon = True
        ends.start()
        threading.Thread(target=self._hear, args=(process, ends), name="dry run",
                         daemon=True).start()

    def stop(self, why: str = "") -> None:
        """End it; what it has found until then is not known."""
        with self._lock:
            if self.state == RUNNING:
                self.state, self.problem = STOPPED, why
            process, ends = self._process, self._ends
        if ends is not None:
            ends.cancel()
        if process is not None and process.poll() is None:
            process.kill()

    def _hear(self, process: subprocess.Popen[bytes], ends: threading.Timer) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        asked = {"source": self.source.decode("utf-8"), "since": self.since, "until": self.until}
        try:
            process.stdin.write(json.dumps(asked).encode())
            process.stdin.close()
            for line in process.stdout:
                self._take(json.loads(line))
        except (OSError, ValueError) as error:
            self._end(FAILED, type(error).__name__)
        finally:
            process.stdout.close()
            process.wait()
            # Only now: it is the timer that ends a process which does not end by itself.
            ends.cancel()
            self._end(FAILED, "the run ended before it was done")

    def _take(self, said: Mapping[str, Any]) -> None:
        if "whole" in said:
            self.percent = min(99, 100 * said["done"] // max(1, said["whole"]))
        elif "problem" in said:
            self._end(FAILED, said["problem"])
        else:
            self.hits = tuple(Hit(*one) for one in said["hits"])
            self.is_whole, self.percent = said["is_whole"], 100
            self._end(DONE, "")

    def _end(self, state: str, problem: str) -> None:
        with self._lock:
            if self.state == RUNNING:
                self.problem, self.state = problem, state


def main(home: str, asked: IO[bytes], told: IO[bytes]) -> int:
    """The process: one dry run of what `asked` says."""
    os.nice(_NICE)
    said = json.loads(asked.read())
    wire = Wire(load(Path(home)))
    said_at = 0.0

    def progress(done: int, whole: int) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= _SAY_EVERY_S:
            said_at = time.monotonic()
            _say(told, {"done": done, "whole": whole})

    try:
        found, is_whole = dry_run(wire, typed(wire, said["source"].encode()), said["since"],
                                  said["until"], progress, FLAGS_MAX)
    except CounterfoilError as error:
        _say(told, {"problem": str(error) or type(error).__name__})
        return error.exit_code
    id_of = wire.tokenizer().document
    _say(told, {"is_whole": is_whole, "hits": [
        (id_of(one.message), one.rule, one.severity, one.reason, found.times[one.message])
        for one in found.flags[:FLAGS_MAX]]})
    return 0


def _say(told: IO[bytes], said: Mapping[str, Any]) -> None:
    # Where nobody listens any more this raises, and the process ends.
    told.write(json.dumps(said).encode() + b"\n")
    told.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.stdin.buffer, sys.stdout.buffer))
