"""The indexer's process: the follower of `search/follow.py`, woken by a look at the archive.

Owns the pace, and what happens when a rebuild retires the index that this process is bound to.
"""

from __future__ import annotations

import structlog

from infra.process import STUCK_MS, Worker
from infra.state import StateFolder
from infra.wire import Wire, clock
from search.follow import TURN_SEGMENTS_MAX, Follower, Turn, ready


class IndexerProcess:
    """One indexer."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._indexes = wire.indexes()
        self._reader = wire.reader()
        self._worker = Worker("indexer", StateFolder(wire.home), "index_behind", facts={
            "segments": 0, "events": 0, "documents": 0})
        self._follower: Follower | None = None
        self._caught_up_at = clock()

    def run(self) -> int:
        """Until told to stop; the exit code."""
        self._worker.on_signals()
        return self._worker.run(self._turn, self._finish)

    def _turn(self) -> None:
        if self._follower is None:
            name = ready(self._reader, self._indexes, self._wire.projector())
            structlog.get_logger().info("following", index=name)
            self._worker.facts["index"] = name
            self._follower = Follower(self._reader, self._indexes.open(name),
                                      self._wire.projector())
        began_at = clock()
        turn = self._follower.turn()
        self._measure(turn, began_at)
        facts = self._worker.facts
        facts["segments"] += turn.segments
        facts["events"] += turn.events
        facts["documents"] += turn.documents
        if turn.segments:
            facts["last_indexed_at"] = clock()
        if turn.retired:
            self._follower = None  # a rebuilt index is in force: follow that one
        elif not turn.segments:
            self._worker.stop.wait(self._wire.config.poll_s)

    def _measure(self, turn: Turn, began_at: int) -> None:
        # A turn that was not full reached the end of the archive as it was when the turn began.
        if turn.segments < TURN_SEGMENTS_MAX and not turn.retired:
            self._caught_up_at = began_at
        late = clock() - self._caught_up_at
        if late > STUCK_MS:
            self._worker.alarm("index_behind", f"not caught up for {late // 1000} s")
        else:
            self._worker.clear("index_behind")

    def _finish(self) -> None:
        # What the archiver closed on its way out; the next start would find it as well.
        if self._follower is not None:
            self._follower.run_to_end()
