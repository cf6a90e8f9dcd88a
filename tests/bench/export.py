"""`export` and `verify`: ten thousand messages out of a million, packed with their proof; checked.

Owns the order of the runs and their checks: each chosen message is in the package with its text and
no other is, the verifier finds nothing wrong with it and finds one changed byte, the files that the
peer restores are the originals. A run that fails its check scores 0.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from tests.bench import export_peer
from tests.bench.export_archive import FEW, LAYOUTS, Chosen, Made, Source
from tests.bench.export_check import EVENTS, Held, held
from tests.bench.export_peer import Peer, PeerRun, timed
from tests.bench.ground import measured_child
from tests.bench.traffic import MARKER

NATIVE: Final = ("native",)
ALL: Final = ("native", "rsmf", "transcript", "pdf", "eml", "loadfile", "csv")
_HASHED: Final = 64 << 20
_GIBIBYTE: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """`every`: one message of so many posts is chosen; `rounds`: of archiving, each a batch of the
    transparency log. `repeats`: of the export, the restore, the verifier and the peer's check."""

    events: int = 1_000_000
    every: int = 100
    rounds: int = 20
    repeats: int = 2
    layouts: tuple[str, ...] = LAYOUTS


@dataclass(frozen=True, slots=True)
class ExportRun:
    """One package. `seconds` and `stages` are wall time; `cell_bytes`: what was read of cells;
    `reads`: of the store, by what was read; `file_bytes`: what the process read from files, store,
    index and keys together; `held`: what the package holds, and what that needed."""

    what: str
    messages: int
    seconds: float
    stages: Mapping[str, float]
    cpu_s: float
    peak_mb: float
    cell_bytes: int
    reads: Mapping[str, Mapping[str, int]]
    file_bytes: int
    held: Held
    wrong: str


@dataclass(frozen=True, slots=True)
class VerifyRun:
    """The stand-alone verifier on one package. `what`: of which package."""

    what: str
    records: int
    bytes: int
    seconds: float
    cpu_s: float
    peak_mb: float
    wrong: str


@dataclass
class Found:
    """All of the bench. `peer`: its name and version, "" = it is not installed; `sha256_mb_s`: of
    this machine, one core."""

    plan: ExportPlan
    made: Made
    peer: str = ""
    sha256_mb_s: float = 0.0
    repository_bytes: dict[str, int] = field(default_factory=dict)
    exports: list[ExportRun] = field(default_factory=list)
    verifies: list[VerifyRun] = field(default_factory=list)
    peers: list[PeerRun] = field(default_factory=list)


def as_data(found: Found) -> dict[str, Any]:
    """For the report: without the ten thousand texts."""
    said = asdict(found)
    for name in ("chosen", "digests"):
        del said["made"][name]
    return said


class Exports:
    """The bench, in a folder that somebody else removes."""

    def __init__(self, folder: Path, plan: ExportPlan, say: Callable[[str], None], *,
                 profile_lines: int = 0) -> None:
        self._folder, self._plan, self._say = folder, plan, say
        self._home, self._profile = folder / "home", profile_lines
        self._source = Source(self._home, say)

    def run(self) -> Found:
        """Everything. Ours and the peer's stand side by side, as often as the plan says."""
        plan = self._plan
        laps: dict[str, float] = {}
        with self._lap(laps, "archive"):
            made = self._source.archive(plan.events, plan.every, plan.rounds)
        made.seconds = laps
        found = Found(plan, made, export_peer.installed())
        peers = list(self._peers(found)) if found.peer else []
        found.sha256_mb_s = sha256_mb_s()
        few = {name: one for name, one in made.chosen.items() if one.few}
        for number in range(plan.repeats):
            self._native(found, is_last=number + 1 == plan.repeats)
            for layout, peer in peers:
                self._tell(found.peers, peer.restore(made.digests[layout]))
                self._tell(found.peers, peer.check(made.files[layout]))
        self._formats(found, few)
        return found

    def _peers(self, found: Found) -> Iterator[tuple[str, Peer]]:
        """A repository of each layout; the tar is gone when it is made."""
        plan, made, tar = self._plan, found.made, self._folder / "files.tar"
        for layout in plan.layouts:
            with self._lap(made.seconds, f"files, a {layout} each"):
                self._source.tar(tar, made, layout, plan.every)
            peer = Peer(self._folder, layout)
            self._tell(found.peers, peer.store(tar, made.files[layout], made.file_bytes[layout]))
            found.repository_bytes[layout] = peer.repository_bytes
            tar.unlink()
            yield layout, peer

    def _native(self, found: Found, *, is_last: bool) -> None:
        made = found.made
        with self._package() as out:
            run = self._export("native and proof", out, MARKER, NATIVE, made.chosen)
            if run.held.segments != made.segments:
                run = replace(run, wrong=run.wrong or f"{run.held.segments} of {made.segments} "
                              "segments are touched: the choice is not spread over all")
            self._tell(found.exports, run)
            self._tell(found.verifies, self._verify(run, out, is_changed=is_last))

    def _formats(self, found: Found, few: Mapping[str, Chosen]) -> None:
        for what, formats in (("native and proof", NATIVE), ("all formats", ALL)):
            with self._package() as out:
                run = self._export(what, out, FEW, formats, few)
                self._tell(found.exports, run)
                self._tell(found.verifies, self._verify(run, out, is_changed=False))

    def _export(self, what: str, out: Path, query: str, formats: tuple[str, ...],
                chosen: Mapping[str, Chosen]) -> ExportRun:
        found = measured_child("tests.bench.export_child", {
            "home": str(self._home), "out": str(out), "query": query, "formats": formats,
            "profile": self._profile})
        there = held(out, chosen)
        wrong = there.wrong
        if found["matched"] != len(chosen):
            wrong = wrong or f"{found['matched']} messages matched, not {len(chosen)}"
        return ExportRun(what, len(chosen), found["seconds"], found["stages"], found["cpu_s"],
                         found["peak_mb"], found["cell_bytes"], found["reads"],
                         found["file_bytes"], there, wrong)

    def _verify(self, run: ExportRun, out: Path, *, is_changed: bool) -> VerifyRun:
        """`is_changed`: one byte is changed afterwards, and has to be found."""
        code, said, used = _verified(out)
        wrong = "" if (code, said["wrong"]) == (0, 0) else (
            f"verify.py ended with {code}: {said.get('verdict', '')[:200]}")
        if is_changed and not wrong:
            wrong = missed(out)
        return VerifyRun(f"{run.what}, {run.messages:,}", run.held.records, run.held.bytes,
                         used["seconds"], used["cpu_s"], used["peak_mb"], wrong)

    @contextmanager
    def _package(self) -> Iterator[Path]:
        out = self._folder / "package"
        try:
            yield out
        finally:
            shutil.rmtree(out, ignore_errors=True)

    @contextmanager
    def _lap(self, laps: dict[str, float], what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        laps[what] = time.monotonic() - began

    def _tell(self, runs: list[Any], run: ExportRun | VerifyRun | PeerRun) -> None:
        runs.append(run)
        self._say(f"export: {type(run).__name__} {run.what}: {run.seconds:,.1f} s, "
                  f"{run.peak_mb:,.0f} MB {run.wrong}")


def sha256_mb_s() -> float:
    """SHA-256 over a gibibyte in memory, by the library that verify.py has, MB a second."""
    block, digest = random.Random(5).randbytes(_HASHED), hashlib.sha256()
    began = time.monotonic()
    for _ in range(_GIBIBYTE // _HASHED):
        digest.update(block)
    return _GIBIBYTE / 1e6 / (time.monotonic() - began)


def _verified(package: Path) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """Exit code, what it says, what it used: in a clean interpreter, as a stranger runs it."""
    used = timed(package, [sys.executable, "-I", "-S", "verify.py", "--json"])
    try:
        said: dict[str, Any] = json.loads(used["out"])
    except ValueError:
        said = {"verdict": used["errors"][:200], "problems": []}
    return used["code"], {"wrong": -1, **said}, used


def missed(package: Path) -> str:
    """"" where the verifier finds that one bit of one record was changed, and names its file."""
    path = package / EVENTS
    at = random.Random(path.stat().st_size).randrange(path.stat().st_size)
    with path.open("r+b") as file:
        file.seek(at)
        was = file.read(1)
        file.seek(at)
        file.write(bytes((was[0] ^ 1,)))
    code, said, _ = _verified(package)
    named = any(EVENTS in json.dumps(one) for one in said["problems"])
    return "" if code == 1 and named else f"a changed byte ({at}) was not found: {code}"
