"""One drain by our archiver, measured: `python -m tests.bench.drain_ours ARGUMENTS`.

The archiver is the product's own (`Wire.archiver`) on the real drivers. Its clients are wrapped in
timers, so that kafka-python's and boto3's CPU is told from ours.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from archive.authentic import Authentic
from infra.config import load
from infra.process import settle_memory
from infra.wire import Wire
from schemas.findings import Finding
from tests.bench.meter import Shares, cpu_s, peak_mb


class _Counter:
    """Counts what the archiver says that it did."""

    def __init__(self) -> None:
        self.events = self.segments = self.bytes = 0
        self.findings: list[str] = []

    def sealed(self, partition: int, found: Authentic, events: int, records: int) -> None:
        self.events += events
        self.segments += 1
        self.bytes += found.size

    def finding(self, finding: Finding) -> None:
        self.findings.append(f"{finding.code} {finding.where} {finding.detail}")

    def behind(self, partition: int, waiting: int, oldest_at: int | None) -> None:
        pass


def drain(wire: Wire, events: int) -> dict[str, Any]:
    """Archive until `events` are stored; what it took."""
    shares, counter = Shares(), _Counter()
    store: Any = wire.store
    log: Any = wire.archive_log()
    keyring: Any = wire.keyring
    for share, part, names in (
            ("s3", store, ("put_once", "versions", "get", "lock")),
            ("kafka", log, ("poll", "identity", "commit", "bounds", "seek", "fetch")),
            ("keyring", keyring, ("create", "read", "names"))):
        for name in names:
            setattr(part, name, shares.of(share, _eager(getattr(part, name))))
    archiver = wire.archiver(log, counter)
    settle_memory()
    # Clients are made, nothing is connected: what follows is joining, recovery and the drain.
    began_cpu, began, began_thread = cpu_s(), time.monotonic(), time.thread_time()
    idle = 0
    while counter.events < events:
        before = counter.events, archiver.waiting()
        archiver.turn(0.2, flush=idle > 0)
        idle = idle + 1 if (counter.events, archiver.waiting()) == before else 0
        if idle > 100:
            raise SystemExit(f"only {counter.events} of {events} events came")
    used, took = cpu_s() - began_cpu, time.monotonic() - began
    own = time.thread_time() - began_thread - sum(shares.seconds.values())
    log.close()
    return {
        "events": counter.events, "cpu_s": used, "wall_s": took, "ours_s": own,
        "clients_s": used - own, "shares": shares.seconds, "calls": shares.calls,
        "segments": counter.segments, "bytes": counter.bytes, "findings": counter.findings,
        "peak_mb": peak_mb(), "threads": threading.active_count()}


def _eager(call: Any) -> Any:
    # A listing is a generator: its requests are made while it is read.
    def called(*args: Any, **kwargs: Any) -> Any:
        found = call(*args, **kwargs)
        return iter(list(found)) if hasattr(found, "__next__") else found
    return called


def main() -> None:
    """ARGUMENTS: home, sections (settings), events."""
    asked = json.loads(sys.argv[1])
    wire = Wire(load(Path(asked["home"]), **asked["sections"]))
    print(json.dumps(drain(wire, asked["events"])))


if __name__ == "__main__":
    main()
