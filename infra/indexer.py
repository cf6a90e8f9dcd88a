"""The indexer's process: the follower of `search/follow.py`, woken by a look at the archive.

Owns the pace, what happens when a rebuild retires the index that this process is bound to, and the
gap event and alarm for a large event that stays incomplete (`search/partwatch.py`).
"""

from __future__ import annotations

from typing import Final

import structlog

from archive import layout
from archive.reader import ArchiveReader
from infra.holdwatch import HoldWatch
from infra.policywatch import PolicyWatch
from infra.process import STUCK_MS, Worker
from infra.silence import SilenceWatch, Watched
from infra.state import StateFolder
from infra.voice import Voice
from infra.wire import Wire, clock
from ingest.own import own_event
from schemas import events, gaps
from schemas.errors import Halt, Missing, Refused
from schemas.identity import message_key
from schemas.wire import Pointer
from search.follow import TURN_SEGMENTS_MAX, Follower, Turn, ready
from search.index import Index
from search.partwatch import Overdue, PartWatch

_PARTS_LOOK_MS_MAX: Final = 60_000
# While segments come, looks are at most this far apart: a busy partition closes one every 2 s, and
# "searchable" waits for the look. After so many looks at nothing new the archive is quiet.
BUSY_REST_S: Final = 0.5
BUSY_LOOKS: Final = 20


def rest_s(poll_s: float, idle_looks: int) -> float:
    """How long to rest after that many looks in a row that found nothing; each costs requests."""
    return min(poll_s, BUSY_REST_S) if idle_looks <= BUSY_LOOKS else poll_s


class IndexerProcess:
    """One indexer."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._indexes = wire.indexes()
        self._reader = wire.reader()
        self._worker = Worker("indexer", StateFolder(wire.home), "index_behind", facts={
            "segments": 0, "events": 0, "documents": 0})
        self._follower: Follower | None = None
        self._index: Index | None = None
        self._parts: PartWatch | None = None
        self._parts_at = 0
        self._parts_said: set[str] = set()
        self._voice = Voice(wire, "search")
        self._silence = SilenceWatch(wire, self._worker, self._voice, clock())
        self._watched = Watched(self._reader, self._silence.counters)
        self._policies = PolicyWatch(wire, self._worker, self._voice)
        self._holds = HoldWatch(wire, self._worker)
        self._caught_up_at = clock()
        self._idle_looks = BUSY_LOOKS

    def run(self) -> int:
        """Until told to stop; the exit code."""
        self._worker.on_signals()
        code = self._worker.run(self._turn, self._finish)
        self._voice.close()
        return code

    def _turn(self) -> None:
        if self._follower is None:
            name = ready(self._reader, self._indexes, self._wire.projector())
            structlog.get_logger().info("following", index=name)
            self._worker.facts["index"] = name
            self._index = self._indexes.open(name)
            self._follower = Follower(self._watched, self._index, self._wire.projector())
            self._parts = None
            self._policies.begin(self._index)
            self._holds.begin()
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
            return
        if turn.segments < TURN_SEGMENTS_MAX:
            # At the end of the archive: what is not there now is not merely still to be read.
            self._watch_parts(self._follower, self._index)
            if self._index is not None:
                self._silence.look(clock(), self._index)
        more = self._index is not None and self._policies.look(clock(), self._index)
        if self._index is not None and self._holds.look(clock(), self._index):
            more = True
        self._voice.beat()
        self._idle_looks = 0 if turn.segments else self._idle_looks + 1
        if self._idle_looks and not more:
            self._worker.stop.wait(rest_s(self._wire.config.poll_s, self._idle_looks))

    def _watch_parts(self, follower: Follower, index: Index | None) -> None:
        now, wait_ms = clock(), int(self._wire.config.index.parts_wait_s * 1000)
        if index is None or now - self._parts_at < min(_PARTS_LOOK_MS_MAX, wait_ms // 4):
            return
        self._parts_at = now
        if self._parts is None:
            # A reader of its own: the follower's remembers how far the chain was checked.
            reader = self._wire.reader()
            self._parts = PartWatch(index, reader, lambda place: _sealed_at(reader, place), wait_ms)
        overdue = self._parts.look(now, follower.parts_wait)
        follower.parts_wait.clear()
        for one in overdue:
            self._say_gap(index, one, now)
        if overdue:
            first = overdue[0]
            self._worker.alarm("parts_incomplete", f"{len(overdue)} large events; the oldest, "
                               f"{first.set_id}, has {first.there} of {first.total} parts")
        else:
            self._worker.clear("parts_incomplete")
        self._silence.settle_parts(now, index, overdue)

    def _say_gap(self, index: Index, one: Overdue, now: int) -> None:
        # One set is one gap, whoever says it and how often: its id is the set's. What the index
        # has already is not said again; in between a restart makes a further sighting of it.
        if one.set_id in self._parts_said:
            return
        event = own_event(
            events.GAP, f"parts_incomplete:{one.set_id}", now,
            self._wire.directory().firm_years(),
            gaps.details("parts_incomplete", gaps.OVER, since=one.sealed_at, until=one.sealed_at,
                         set=one.set_id, kind=one.kind, parts=str(one.total)))
        if not index.get([self._wire.tokenizer().document(message_key(event))]):
            self._voice.say(event)
        self._parts_said.add(one.set_id)

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
        self._voice.beat(stopping=True)
        # What the archiver closed on its way out; the next start would find it as well.
        if self._follower is not None:
            self._follower.run_to_end()


def _sealed_at(reader: ArchiveReader, place: Pointer) -> int:
    """When the segment that a pointer names was sealed; 0 where it is not there any more, which
    `verify` names: then nothing is waited for."""
    name = layout.read_segment(place.segment)
    if name is None:
        return 0
    try:
        read = next(reader.follow(place.topic_id, place.partition, name.expected), None)
    except (Halt, Refused, Missing):
        return 0
    return read.sealed_at if read else 0
