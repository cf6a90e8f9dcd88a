"""Policies over all of the archive: from its front, in one order, with nothing left out.

Owns that run and how it goes on where it was interrupted. Two runs over one archive find the same,
whoever makes them and however often they were interrupted: what a run knows at a segment is a
function of the segments before it. Conversations are joined over partitions.

    flags of some segments on the log -> how far it has come, on disk

A crash in between says some flags again: they have the same ids.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any, Final

from archive.reader import ArchiveReader, SegmentRead
from infra.archived import Joiner, Place, Pointers, in_one_order
from infra.embedded.replays import ReplayState
from infra.policies import PolicyFile, engine
from infra.wire import Wire
from ingest.parts import join
from schemas import codec
from schemas.errors import Halt, Missing, Refused
from schemas.events import CapturedEvent, EventPart
from schemas.identity import message_key
from schemas.wire import Pointer
from search.bodies import Bodies
from search.index import Index
from search.policy.habitdays import HabitDays, Raised, day_of, is_settled
from search.policy.match import Engine
from search.policy.recall import IndexRecall
from search.policy.watch import Watch
from search.project import VERSION_KINDS
from search.query import All, TokenQuery

# How long a run works before it keeps how far it has come.
KEEP_S: Final = 10.0
_RAISED_MAX: Final = 500
_FORMAT: Final = 1

Take = Callable[[Sequence[Raised]], None]
"""Is told new flags, and has put them on the log when it returns."""


class Replay:
    """One run. `state` says where it goes on."""

    def __init__(self, wire: Wire, files: Sequence[PolicyFile], index: Index,
                 state: ReplayState) -> None:
        """`files`: policies, or several versions of one; raises what `policies.engine` raises."""
        self._wire, self._state = wire, state
        self._index = index
        self._tokenizer = wire.tokenizer()
        self._reader: ArchiveReader = wire.reader()
        self._bodies = Bodies(wire.reader())
        self.engine = engine(wire, [one.policy for one in files], index)
        self._zone = self.engine.firm.zone
        self._joiners: dict[Place, Joiner] = {}
        self._raised: list[Raised] = []
        self._kept_at = time.monotonic()
        self._bound = _bound_to(wire, files, self.engine)
        self.why_anew = ""

    def begin(self, *, restart: bool = False) -> bool:
        """Whether it goes on with what another began. Otherwise it begins at the front; `why_anew`
        says why what was there is of no use, "" = nothing was."""
        said = self._state.said()
        if said and not restart:
            self.why_anew = self._why_anew(said)
            if not self.why_anew:
                return True
        self._index.refresh()
        messages = self._index.count(TokenQuery(All(), frozenset(VERSION_KINDS)))
        self._state.begin({**self._bound, "messages": messages, "began_at": self._wire.clock()},
                          self._index.state().cursors)
        return False

    @property
    def messages(self) -> int:
        """How many messages there were when it began."""
        return int(self._state.said()["messages"])

    def run(self, take: Take, progress: Callable[[int, int], None]) -> None:
        """To the end. `progress` is told (records of the log, of so many)."""
        recall = IndexRecall(self._index, self._bodies, self._tokenizer)
        watch = Watch(self.engine, recall, is_from_front=True,
                      name_of=lambda name: self._tokenizer.named("conversation", name))
        self._restore(watch)
        reached = self._state.reached
        whole = sum(one.until for one in reached.values())
        until = {place: one.until for place, one in reached.items()}
        for read in in_one_order(self._reader, {
                place: one.next for place, one in reached.items()}, until):
            place = read.topic_id, read.partition
            self._take(watch, place, read, take)
            reached[place].next, reached[place].last = read.last + 1, read.sha256
            progress(sum(one.next for one in reached.values()), whole)
            if time.monotonic() - self._kept_at >= KEEP_S:
                self._keep(watch, take)
        self._keep(watch, take)
        self._decide(watch, take)

    def _take(self, watch: Watch, place: Place, read: SegmentRead, take: Take) -> None:
        joiner = self._joiners.setdefault(place, Joiner())
        for event, pointers, content in joiner.found(read.events):
            for flag in watch.take(event, content, pointers):
                at = event.captured_at if event.occurred_at is None else event.occurred_at
                self._raise(Raised(flag, at), take)
            day = day_of(event, self._zone)
            if day is not None and self.engine.habits:
                self._state.add_back(day, self._tokenizer.document(message_key(event)))

    def _decide(self, watch: Watch, take: Take) -> None:
        """Days that were over when the run began; the live watch decides the later ones."""
        days = HabitDays(self._index, self._bodies, self._tokenizer, self._zone)
        began_at = int(self._state.said()["began_at"])
        for day in self._state.days():
            if is_settled(day, self._zone, began_at):
                for raised in days.flags(self.engine, day, self._state.back_on(day)):
                    self._raise(raised, take)
                self._state.decided(day)
                if time.monotonic() - self._kept_at >= KEEP_S:
                    self._keep(watch, take)
        self._keep(watch, take)

    def _raise(self, raised: Raised, take: Take) -> None:
        flag = raised.flag
        # The digest of a short text is the text: on disk it lies keyed.
        if self._state.add_flag(
                flag.version, self._tokenizer.document(flag.message), f"{flag.policy}/{flag.rule}",
                self._tokenizer.digest("text", flag.revision.encode())):
            self._raised.append(raised)
            if len(self._raised) >= _RAISED_MAX:
                self._say(take)

    def _say(self, take: Take) -> None:
        if self._raised:
            take(self._raised)
            self._raised = []

    def _keep(self, watch: Watch, take: Take) -> None:
        self._say(take)
        # Every flag is on the log.
        self._state.keep(watch.memory(), {
            place: joiner.waiting for place, joiner in self._joiners.items()})
        self._kept_at = time.monotonic()

    def _restore(self, watch: Watch) -> None:
        memory, waiting = self._state.memory(), self._state.waiting()
        places = [place for _, several in memory.talks for place in several if place]
        read = _Read(self._reader, places)
        watch.restore(memory, read.event)
        for place, several in waiting.items():
            joiner = self._joiners[place] = Joiner()
            joiner.restore((one, datum) for one in several
                           if (datum := read.datum(one)) is not None)

    def _why_anew(self, said: dict[str, Any]) -> str:
        for name, what in _WHAT.items():
            if said.get(name) != self._bound[name]:
                return f"{what} since it was interrupted"
        cursors = self._index.state().cursors
        for place, one in self._state.reached.items():
            if cursors.get(place, 0) < one.until or not self._is_there(place, one.next, one.last):
                return "the archive is not the one that it was begun on"
        return ""

    def _is_there(self, place: Place, end: int, digest: str) -> bool:
        """Whether the segment that was read last is the one that lies there."""
        if not end:
            return True
        try:
            begin = self._reader.begin_of(*place, end - 1)
            read = None if begin is None else next(self._reader.follow(*place, begin), None)
        except Halt:
            return False
        return read is not None and (read.last + 1, read.sha256) == (end, digest)


_WHAT: Final = {
    "format": "the program has changed", "policies": "a policy has changed",
    "firm": "directory.toml, the zone, the languages or who is who have changed",
}


def _bound_to(wire: Wire, files: Iterable[PolicyFile], made: Engine) -> dict[str, Any]:
    """What the answer depends on beside the archive."""
    search, firm = wire.config.search, made.firm
    decided = [(custodian, [repr(one) for one in firm.assigned.windows(custodian.__eq__)])
               for custodian in sorted({one.custodian_id for one in firm.directory.custodians})]
    links = sorted((value, repr(reached)) for value, reached in firm.links.items())
    firm_said = [firm.directory.digest(), search.zone, search.region, list(search.languages),
                 decided, links]
    return {"format": _FORMAT, "policies": sorted(one.policy.digest() for one in files),
            "firm": sha256(json.dumps(firm_said).encode()).hexdigest()}


class _Read:
    """Events at many places, each cell of the archive opened once."""

    def __init__(self, reader: ArchiveReader, places: Sequence[Pointers]) -> None:
        self._reader = reader
        self._known: dict[Pointer, bytes | None] = {}
        for one in sorted({one for several in places for one in several}, key=_cell):
            self._known[one] = self.datum(one)

    def datum(self, pointer: Pointer) -> bytes | None:
        """Null where it cannot be read any more: its key was destroyed meanwhile."""
        try:
            return self._reader.read(pointer)
        except (Missing, Refused):
            return None

    def event(self, place: Pointers) -> CapturedEvent | None:
        """The event at a place of the ones that were named."""
        datums = [self._known.get(one) for one in place]
        try:
            decoded = [codec.decode(one) for one in datums if one is not None]
            if len(decoded) == len(datums) > 1:
                decoded = [codec.decode(join(
                    one for one in decoded if isinstance(one, EventPart)))]
        except Refused:
            return None
        return decoded[0] if len(decoded) == 1 and isinstance(decoded[0], CapturedEvent) else None


def _cell(one: Pointer) -> tuple[str, int, int]:
    return one.segment, one.start, one.position


def current(wire: Wire) -> Index:
    """The index in force. Raises Missing where there is none yet."""
    indexes = wire.indexes()
    name = indexes.current()
    if name is None:
        raise Missing("nothing is indexed yet: start `counterfoil run`, or `counterfoil rebuild`")
    return indexes.open(name)
