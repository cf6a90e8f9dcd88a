"""`policy`: a replay of the starter pack over an archive: messages a second of one core.

Owns the archive, and the check: one message in so many has a word that nothing else has, and a
policy that looks for it must flag exactly those; a replay that is interrupted half-way and goes on
must find what an uninterrupted one finds. A run that misses or adds a flag scores 0.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from infra import carry
from infra.config import load
from infra.wire import Wire
from ingest.routing import Router
from schemas import events
from schemas.events import CapturedEvent
from tests.bench.ground import ROOT, measured_child
from tests.bench.traffic import MARKER, Capture, Traffic

PEOPLE: Final = 110
PARTITIONS: Final = 4
# One message in so many has the word.
MARKED: Final = 97
STARTER: Final = ROOT / "search" / "policy" / "starter"
READ, ENGINE, REPLAY, RESUMED = "read", "engine", "replay", "resumed"
_RULE: Final = f"""
id = "bench"
version = 1
title = "Bench"
author = "a"
approver = "b"
effective = 2024-01-01
severity = "low"
[[rule]]
id = "marker"
why = "It is there."
query = "{MARKER}"
"""
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class PolicyPlan:
    """`events`: of generated traffic, edits and retractions included."""

    events: int = 200_000
    repeats: int = 3


@dataclass(frozen=True, slots=True)
class PolicyRun:
    """One measured run. `wrong`: "" or why it scores 0."""

    what: str
    policies: int
    rules: int
    events: int
    cpu_s: float
    flags: int
    peak_mb: float
    wrong: str

    @property
    def per_s(self) -> float:
        """Archived events per CPU second; 0 for a run that was wrong."""
        return 0.0 if self.wrong else self.events / self.cpu_s


class Policies:
    """An embedded archive, and the runs over it."""

    def __init__(self, folder: Path, plan: PolicyPlan) -> None:
        self._home, self._plan = folder / "home", plan
        self._marked = 0

    def prepare(self) -> None:
        """Capture, archive and index the traffic; not timed."""
        wire = Wire(load(self._home, log={"partitions": PARTITIONS}))
        wire.provision_once()
        folder = self._home / "policies"
        folder.mkdir()
        (folder / "bench.toml").write_text(_RULE, "utf-8")
        count = self._plan.events
        traffic = Traffic(11, PEOPLE, step_s=20 * 86_400 / count)
        capture = Capture(traffic.directory(),
                          Router(wire.keys_folder.routing_key(), bytes(16)))
        batch: list[CapturedEvent] = []
        with closing(wire.capture_log()) as log:
            recorder = wire.recorder("gateway", log)
            for number, webhook in enumerate(traffic.webhooks(count)):
                batch += [self._marks(one, number) for one in capture.events(webhook)]
                if len(batch) >= _BATCH:
                    recorder.record_all(batch)
                    batch.clear()
            recorder.record_all(batch)
        carry.carry(wire, _quiet)

    def runs(self) -> list[PolicyRun]:
        """Reading alone, the engine alone, and both, with one rule and with the starter pack."""
        runs = [self._run(what, starter=starter) for _ in range(self._plan.repeats)
                for what, starter in ((READ, False), (ENGINE, False), (REPLAY, False),
                                      (ENGINE, True), (REPLAY, True))]
        return [*runs, self._run(RESUMED, starter=True, expected=runs[-1])]

    def _marks(self, event: CapturedEvent, number: int) -> CapturedEvent:
        if number % MARKED or event.kind != events.MESSAGE:
            return event
        self._marked += 1
        return replace(event, text=f"{event.text} {MARKER}")

    def _run(self, what: str, *, starter: bool, expected: PolicyRun | None = None) -> PolicyRun:
        found: dict[str, Any] = measured_child("tests.bench.policy_child", {
            "home": str(self._home), "what": what, "starter": starter})
        wrong = "" if what == READ or found["marked"] == self._marked else (
            f"{found['marked']} of {self._marked} marked messages were flagged")
        if expected is not None and found["flags"] != expected.flags:
            wrong = wrong or f"{found['flags']} flags, {expected.flags} without an interruption"
        return PolicyRun(what, found["policies"], found["rules"], found["events"],
                         found["cpu_s"], found["flags"], found["peak_mb"], wrong)


def _quiet(_said: str) -> None:
    """Findings would fail the check anyway."""
