"""A package of the console's, made in a process of its own: pages stay quick while it is written.

Owns both ends. `Run` is the console's: it starts the process and hears how far it is. The process
(`python -m infra.exportrun HOME ID PERSON`) says lines of JSON on stdout and ends when nobody
listens; whoever begins it again goes on where it was.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

from infra import hardening
from infra.config import load
from infra.exportmaking import make, opened
from infra.exportpackage import Maker, exporter
from infra.serve import environment_of
from infra.wire import Wire
from schemas.errors import CounterfoilError, Refused
from search.web.exporting import FAILED, RUNNING

_SAY_EVERY_S: Final = 0.5
_NICE: Final = 10
_DONE: Final = ""


class Run:
    """One process and what it said. `state`: RUNNING | FAILED | "" (it is done: the record says
    what came of it)."""

    def __init__(self, home: Path, export_id: str, person: str) -> None:
        self._told = (str(home), export_id, person)
        self._home = home
        self.state, self.percent, self.problem = RUNNING, 0, ""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin. Raises OSError."""
        process = self._process = subprocess.Popen(
            [sys.executable, "-m", "infra.exportrun", *self._told], stdin=subprocess.DEVNULL,
            # What an unexpected error says may be content.
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=environment_of("index", self._home, os.environ))
        threading.Thread(target=self._hear, args=(process,), name="export", daemon=True).start()

    def stop(self) -> None:
        """End it; it goes on where it was when it is begun again."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def _hear(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                self._take(json.loads(line))
        except (OSError, ValueError) as error:
            self.problem = type(error).__name__
        finally:
            process.stdout.close()
            is_done = process.wait() == 0
            self.problem = "" if is_done else self.problem or "it ended before it was done"
            self.state = _DONE if is_done else FAILED

    def _take(self, said: Mapping[str, Any]) -> None:
        if "problem" in said:
            self.problem = str(said["problem"])
        elif said["of"]:
            self.percent = min(99, 100 * int(said["done"]) // max(1, int(said["of"])))


def folder_of(wire: Wire, export_id: str) -> Path:
    """Where the console makes a package. Raises Refused where it makes none."""
    folder = wire.config.export.folder
    if folder is None:
        raise Refused("the console makes no packages here: an operator does, with `counterfoil "
                      f"export run {export_id} --out FOLDER`; or set export.folder")
    return folder.absolute() / export_id


def packed(wire: Wire, export_id: str, person: str, told: IO[bytes],
           maker: Maker = exporter) -> int:
    """What the process does: one package; its exit code."""
    said_at = 0.0

    def progress(what: str, done: int, of: int) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= _SAY_EVERY_S:
            said_at = time.monotonic()
            _say(told, {"what": what, "done": done, "of": of})

    try:
        out = folder_of(wire, export_id)
        out.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with opened(wire, lambda _words: None) as desk:
            make(wire, desk, desk.export(export_id), out, person, maker, progress)
    except CounterfoilError as error:
        _say(told, {"problem": str(error) or type(error).__name__})
        return error.exit_code
    except OSError as error:
        _say(told, {"problem": f"the folder of packages: {error.strerror}"})
        return Refused.exit_code
    finally:
        wire.last_words()
    return 0


def _say(told: IO[bytes], said: Mapping[str, Any]) -> None:
    # Where nobody listens any more this raises, and the process ends.
    told.write(json.dumps(said).encode() + b"\n")
    told.flush()


if __name__ == "__main__":
    os.nice(_NICE)
    hardening.harden()
    sys.exit(packed(Wire(load(Path(sys.argv[1]))), sys.argv[2], sys.argv[3], sys.stdout.buffer))
