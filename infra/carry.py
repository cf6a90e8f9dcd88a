"""From the log to an answer: what a command does so that its events are found when it returns.

Owns both ways. Where nothing runs on the data folder, this process archives and indexes what is on
the log, as `run` would, and holds the keys of those parts while it does. Where something runs, the
archiver is asked to close its segment, and the index is watched.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archive.authentic import Authentic
from archive.consume import retry
from archive.log import ArchiveLog
from archive.tlog import published
from infra import filelock
from infra.holdmap import path_of
from infra.wire import Wire
from schemas.errors import Transient
from schemas.findings import Finding
from search.follow import Follower, ready
from search.hold.records import ACTS
from search.index import IndexSet, Outdated, Retired

FLUSH: Final = "flush"
_LOOK_S: Final = 0.1
# A segment of a trickle is closed after `archive.segment_age_s_max`; then nothing at all for so
# long means that nobody archives, or nobody indexes.
STALL_S: Final = 180.0
_POLL_S: Final = 0.05


@contextmanager
def if_nobody_runs(home: Path) -> Iterator[bool]:
    """Whether no `run` holds the data folder; if so it is ours until the end, and a `run` that is
    started meanwhile waits or says who has it."""
    (home / "run").mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = filelock.take(home / "run" / "lock")
    except filelock.Taken:
        yield False
        return
    try:
        yield True
    finally:
        os.close(descriptor)


@dataclass
class _Seen:
    """Implements archive.consume.Observer: findings are told, the rest is not kept."""

    told: Callable[[str], None]

    def sealed(self, partition: int, found: Authentic, events: int, records: int) -> None:
        """See Observer."""

    def finding(self, finding: Finding) -> None:
        """See Observer."""
        self.told(f"{finding.code}: {finding.where}: {finding.detail}")

    def behind(self, partition: int, waiting: int, oldest_at: int | None) -> None:
        """See Observer."""


def carry(wire: Wire, told: Callable[[str], None]) -> None:
    """Everything that is on the log is archived, indexed and in the transparency log when this
    returns. Raises what an archiver, an indexer and a notary raise. After a crash at any line
    `run`, or another call, goes on."""
    with closing(wire.archive_log()) as log:
        _archive(wire, log, told)
    index_all(wire)
    hold_all(wire, told)
    log_all(wire, told)


def carry_if_idle(wire: Wire, told: Callable[[str], None]) -> None:
    """What a command recorded is found when this returns, where nothing runs on an embedded folder;
    a `run` does it within seconds."""
    if not wire.config.embedded:
        return
    with if_nobody_runs(wire.home) as is_ours:
        if is_ours:
            carry(wire, told)


def index_all(wire: Wire) -> int:
    """The index in force has everything that is archived when this returns; how many documents were
    written. Raises Halt("cursor_ahead") for the index of another archive."""
    reader, indexes, projector = wire.reader(), wire.indexes(), wire.projector()
    index = indexes.open(ready(reader, indexes, projector))
    done = Follower(reader, index, projector).run_to_end()
    index.refresh()
    return done.documents


def hold_all(wire: Wire, told: Callable[[str], None]) -> None:
    """The store is told of every object that a legal hold concerns. What it does not take is said,
    and left to the next call: what is archived is archived. Raises Transient for the index."""
    indexes = wire.indexes()
    name = indexes.current()
    if name is None:
        return
    index = indexes.open(name)
    # Nearly nobody has a hold: what knows them is imported and put together where there ever was
    # one, or where the store was told of one.
    if not index.count(ACTS) and not path_of(wire.home).exists():
        return
    from infra.holdwatch import settle

    figures = settle(wire, index)
    if figures.get("waiting"):
        told(f"hold_not_set: {figures['waiting']} objects wait for the store's hold: "
             f"{figures.get('said', '')}")


def log_all(wire: Wire, told: Callable[[str], None]) -> None:
    """Everything that is archived is in the transparency log when this returns. Nobody is asked to
    vouch for it: that is the notary's, which has a schedule. Raises what a notary raises."""
    wire.keys_folder.make_log_key(wire.config.notary.origin)
    if not wire.keys_folder.has_log_key:
        told("the log's key is not on this machine: `counterfoil notary` brings the log up to date")
        return
    notary = wire.notary()
    retry(notary.turn, time.sleep, lambda error: told(str(error)))


def _archive(wire: Wire, log: ArchiveLog, told: Callable[[str], None]) -> None:
    archiver = wire.archiver(log, _Seen(told))
    partitions = log.identity().partitions
    while True:
        retry(lambda: archiver.turn(_POLL_S, flush=True), time.sleep,
              lambda error: told(str(error)))
        expected = archiver.expected()
        if len(expected) < partitions:
            continue  # a partition is given to us within seconds of another member's end
        if all(log.bounds(partition)[1] <= at for partition, at in expected.items()):
            return


def ask_to_close(home: Path) -> None:
    """Ask the archiver of this data folder to close what it holds now, whatever its age."""
    (home / "run" / FLUSH).touch(mode=0o600)


def log_ends(wire: Wire) -> dict[tuple[str, int], int]:
    """Where the last record of each partition lies now. Joins no group."""
    with closing(wire.archive_log()) as log:
        identity = log.identity()
        ends = {partition: log.bounds(partition)[1] for partition in range(identity.partitions)}
    return {(identity.topic_id.hex(), partition): end - 1
            for partition, end in ends.items() if end}


def is_searchable(wire: Wire, offsets: Mapping[tuple[str, int], int]) -> bool:
    """Whether the index in force has every partition up to these offsets."""
    return not offsets or _left(wire.indexes(), offsets) == 0


def await_searchable(wire: Wire, offsets: Mapping[tuple[str, int], int],
                     progress: Callable[[int], None] = lambda _left: None, *,
                     clock: Callable[[], float] = time.monotonic,
                     sleep: Callable[[float], None] = time.sleep,
                     stall_s: float = STALL_S) -> None:
    """Return when the index in force has every partition up to these offsets. `progress` is told
    how many records are left. Raises Transient when nothing moves for `stall_s`: everything is
    durable, and found as soon as somebody archives and indexes it."""
    indexes = wire.indexes()
    last, since = -1, clock()
    while True:
        left = _left(indexes, offsets)
        progress(left)
        if left == 0:
            return
        if left != last:
            last, since = left, clock()
        elif clock() - since > stall_s:
            raise Transient(f"{left} records are durable and not searchable yet: nothing has moved "
                            f"for {int(stall_s)} s; see `counterfoil status`")
        sleep(_LOOK_S)


def await_logged(wire: Wire, offsets: Mapping[tuple[str, int], int], *,
                 clock: Callable[[], float] = time.monotonic,
                 sleep: Callable[[float], None] = time.sleep, stall_s: float = STALL_S) -> None:
    """Return when every partition is in the transparency log up to these offsets, under a
    checkpoint that is published. Raises Transient when that does not come in `stall_s`."""
    since = clock()
    while not _is_logged(wire, offsets):
        if clock() - since > stall_s:
            raise Transient("the transparency log does not hold everything that is archived, and "
                            f"did not get there in {int(stall_s)} s: is the notary running? See "
                            "`counterfoil log status`; `counterfoil notary --once` does it here")
        sleep(_LOOK_S)


def _is_logged(wire: Wire, offsets: Mapping[tuple[str, int], int]) -> bool:
    sequence = wire.log_sequence(judges_locks=False)
    last = sequence.last() if sequence is not None else None
    if sequence is None or last is None:
        return not offsets
    ends = {(one.topic_id, one.partition): one.next_offset for one in last.batch.ends}
    if any(ends.get(place, 0) <= offset for place, offset in offsets.items()):
        return False
    return published.at_size(sequence, last, wire.log_keys(), last.batch.head.size) is not None


def _left(indexes: IndexSet, offsets: Mapping[tuple[str, int], int]) -> int:
    """Records that the index has not seen; -1 where it cannot be asked at the moment."""
    try:
        name = indexes.current()
        if name is None:
            return -1
        index = indexes.open(name)
        cursors = index.state().cursors
        left = sum(max(0, offset + 1 - cursors.get(place, 0)) for place, offset in offsets.items())
        if left == 0:
            index.refresh()
    except (Transient, Retired, Outdated):
        return -1
    return left

