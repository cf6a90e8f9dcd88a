"""A new index filled by several processes, each with its share of the partitions.

Owns the processes of a rebuild: projecting is Python, one core a process. Whatever they leave (a
segment that came meanwhile) the caller's own follower does; one that fails fails the rebuild, and
the unfinished index is never in force.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from infra.config import Config
from infra.hardening import end_with_parent, harden
from infra.process import settle_memory
from infra.wire import Wire
from search.follow import Follower
from search.index import Partition

WORKERS_MAX: Final = 32


def workers_for(wire: Wire, asked: int | None) -> int:
    """How many processes a rebuild takes: as asked, else one a core; no more than partitions. An
    embedded index has one writer, and the other would only wait for it."""
    if wire.config.index.driver != "elasticsearch":
        return 1
    partitions = len(wire.reader().partitions())
    return max(1, min(asked or os.cpu_count() or 1, partitions, WORKERS_MAX))


def fill(wire: Wire, workers: int) -> Callable[[str], None]:
    """What fills the index of a name with `workers` processes. Raises what the first of them that
    failed raised, as Transient or Halt would be in this process."""
    def filled(name: str) -> None:
        if workers < 2:
            return
        # Spawned, not forked: clients and threads of this process are not theirs.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_began,
                                 initargs=(os.getpid(),)) as pool:
            for share in [pool.submit(_share, wire.config, name, number, workers)
                          for number in range(workers)]:
                share.result()
    return filled


def _began(parent_pid: int) -> None:
    harden()
    end_with_parent(parent_pid)


def _share(config: Config, name: str, number: int, workers: int) -> int:
    """Events that this process indexed."""
    wire = Wire(config)
    reader = wire.reader()
    mine = set(sorted(reader.partitions())[number::workers])

    def takes(partition: Partition) -> bool:
        return partition in mine

    follower = Follower(reader, wire.indexes().open(name), wire.projector(), takes=takes,
                        is_fresh=True)
    settle_memory()
    return follower.run_to_end().events
