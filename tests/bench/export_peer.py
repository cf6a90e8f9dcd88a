"""The peer of the bench `export`: borg, as Debian has it, encrypted, on the same events as files.

Owns its repository and its commands. Why borg: one command takes the list of ten thousand files
that are wanted and finds each by name at once. Debian's restic takes them as patterns on its
command line alone, and tries each pattern on each file.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from tests.bench.ground import ROOT

BORG: Final = "borg"
STORE, RESTORE, CHECK = "store", "restore", "check"
_TIMED_S_MAX: Final = 4 * 3_600


@dataclass(frozen=True, slots=True)
class PeerRun:
    """One command. `files`, `bytes`: of what it stored, restored, or has in its repository;
    `file_bytes`: what it read from files. `wrong`: "" or what was not right."""

    what: str
    layout: str
    files: int
    bytes: int
    seconds: float
    cpu_s: float
    peak_mb: float
    file_bytes: int
    wrong: str


def installed() -> str:
    """Its name and version; "" where it is not installed."""
    path = shutil.which(BORG)
    if path is None:
        return ""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def timed(folder: Path, command: Sequence[str],
          environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a command in a folder, by `export_timed`; what it says of it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.export_timed", str(folder), *command], cwd=ROOT,
        env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, timeout=_TIMED_S_MAX,
        check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class Peer:
    """One repository with one archive in it."""

    def __init__(self, folder: Path, layout: str) -> None:
        self._folder, self._layout = folder / f"borg-{layout}", layout
        self._repository = self._folder / "repository"
        self._environment = {
            "BORG_BASE_DIR": str(self._folder / "base"), "BORG_PASSPHRASE": "bench",
            "BORG_DISPLAY_PASSPHRASE": "no", "LC_ALL": "C.UTF-8"}
        self._folder.mkdir(parents=True)
        made = self._run(self._folder, "init", "--encryption=repokey-blake2",
                         str(self._repository))
        if made["code"]:
            raise RuntimeError(f"borg init: {made['errors'][:500]}")

    @property
    def repository_bytes(self) -> int:
        """Of its files."""
        return sum(one.stat().st_size for one in self._repository.rglob("*") if one.is_file())

    def store(self, tar: Path, files: int, size: int) -> PeerRun:
        """All files of a tar into the archive, each a file of its own there."""
        found = self._run(self._folder, "import-tar", "--compression", "zstd,3",
                          f"{self._repository}::all", str(tar))
        return self._told(STORE, found, files, size, "")

    def restore(self, digests: Mapping[str, str]) -> PeerRun:
        """The files that are wanted (path -> SHA-256, hex), into an empty folder; each has to be
        what it was, and no other may be there."""
        out, patterns = self._folder / "restored", self._folder / "patterns"
        patterns.write_text("".join(f"+ pf:{path}\n" for path in sorted(digests)) + "- re:.*\n",
                            "utf-8")
        out.mkdir()
        try:
            found = self._run(out, "extract", "--patterns-from", str(patterns),
                              f"{self._repository}::all")
            there, size = {}, 0
            for one in out.rglob("*"):
                if one.is_file():
                    body = one.read_bytes()
                    size += len(body)
                    there[one.relative_to(out).as_posix()] = sha256(body).hexdigest()
        finally:
            shutil.rmtree(out)
        wrong = "" if there == digests else (
            f"{len(there)} files were restored, or others, of {len(digests)}")
        return self._told(RESTORE, found, len(there), size, wrong)

    def check(self, files: int) -> PeerRun:
        """Every byte of the repository."""
        found = self._run(self._folder, "check", "--verify-data", str(self._repository))
        return self._told(CHECK, found, files, self.repository_bytes, "")

    def _run(self, folder: Path, *arguments: str) -> dict[str, Any]:
        return timed(folder, [BORG, *arguments], self._environment)

    def _told(self, what: str, found: dict[str, Any], files: int, size: int,
              wrong: str) -> PeerRun:
        if found["code"]:
            wrong = f"borg ended with {found['code']}: {found['errors'][:200]}"
        return PeerRun(what, self._layout, files, size, found["seconds"], found["cpu_s"],
                       found["peak_mb"], found["file_bytes"], wrong)
