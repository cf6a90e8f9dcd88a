"""One measured export: `python -m tests.bench.export_child ARGUMENTS`. Owns what is measured of it.

What `counterfoil export` does once it is granted: the selection, the package, its seal, its name.
"""

from __future__ import annotations

import cProfile
import json
import pstats
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from infra.config import load
from infra.exports import Exporter
from infra.process import settle_memory
from infra.wire import Wire
from search.access.viewer import operator
from search.export.granted import Granted
from search.export.wanted import Wanted
from tests.bench.export_store import CountingStore
from tests.bench.meter import cpu_s, peak_mb, read_bytes


class Stages:
    """How long each stage took, by the progress that the export tells."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._what, self._since = "", 0.0

    def at(self, what: str, _done: int, _of: int) -> None:
        """Implements search.export.granted.Progress."""
        if what != self._what:
            now = time.monotonic()
            if self._what:
                self.seconds[self._what] = (
                    self.seconds.get(self._what, 0.0) + now - self._since)
            self._what, self._since = what, now


def main() -> None:
    """ARGUMENTS: home, out, query, formats, profile (a number of lines, 0 = none)."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    wire = Wire(load(Path(asked["home"])))
    store = CountingStore(wire.store)
    # A cached property: from here everything that the wire makes reads through the counter.
    wire.__dict__["store"] = store
    wanted = Wanted(query=asked["query"], formats=tuple(asked["formats"]))
    granted = Granted("be" * 16, "bench", wire.clock())
    settle_memory()
    stages, profile = Stages(), cProfile.Profile()
    before, used, began = read_bytes(), cpu_s(), time.monotonic()
    watched: AbstractContextManager[Any] = profile if asked["profile"] else nullcontext()
    with watched:
        stages.at("looking", 0, 0)
        exporter = Exporter(wire, operator("bench"), stages.at)
        done = exporter.run(wanted, granted, Path(asked["out"]), stages.at)
        stages.at("", 0, 0)
    found = {"seconds": time.monotonic() - began, "cpu_s": cpu_s() - used, "peak_mb": peak_mb(),
             "file_bytes": read_bytes() - before, "stages": stages.seconds,
             "cell_bytes": exporter.read_bytes, "matched": done.counts.matched,
             "records": done.counts.records,
             "reads": {name: asdict(one) for name, one in sorted(store.reads.items())}}
    if asked["profile"]:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("cumulative").print_stats(
            asked["profile"])
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(
            asked["profile"])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
