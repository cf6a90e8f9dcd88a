"""The real servers for a run of the benchmarks: started for it, ended with it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from infra.stack import processes, stack
from tests.bench.ground import Ground


@contextmanager
def servers(names: Sequence[str]) -> Iterator[Ground]:
    """A fresh stack in a folder of its own; it ends with this process, kill -9 included."""
    folder = Path(tempfile.mkdtemp(prefix="counterfoil-bench-"))
    try:
        address = stack.up(folder / "stack", servers=names, tied_to=processes.this_process())
        yield Ground(address, folder, folder / "stack")
    finally:
        stack.down(folder / "stack", grace_s=0)
        if not os.environ.get("COUNTERFOIL_BENCH_KEEP"):
            shutil.rmtree(folder)
