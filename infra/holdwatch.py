"""What the indexer's process does for legal holds: the store holds every object concerned.

Owns the pace and the order. It follows behind the index; where no hold was ever placed it asks the
index one small question and does nothing else.

    acts of holds, objects of domains -> which objects are concerned -> the store -> noted on disk

A crash in between tells the store the same again. The notes may be lost: then every object that a
hold concerns or ever concerned is looked at again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from archive.holds import DOUBT, Ground, Hold, HoldFacts, keeps_objects
from archive.media import record_of
from infra.holdmap import HeldObject, HoldMap, path_of
from infra.holds import Holding
from infra.wire import Wire
from schemas.errors import Missing, Refused, Transient
from schemas.holdacts import PLACED
from search.index import Index, Partition

ALARM: Final = "hold_not_set"
_LOOK_MS: Final = 2_000
# Of one look, for reading the archive and for telling the store; then the follower has its turn. An
# evaluation, which may take longer, is not cut short.
_LOOK_S: Final = 0.5
# After an evaluation the next one waits so many times as long as it took, ten minutes at most: a
# query over a large archive takes seconds.
_EVERY_TIMES: Final = 10
_EVERY_MS_MAX: Final = 600_000
# So long the store may lag behind what is archived before somebody has to look.
LATE_MS: Final = 120_000
_RETRY_MS: Final = 15_000
_DIRECTORY_MS: Final = 10_000


class Board(Protocol):
    """Where alarms and figures go (`infra.process.Worker`)."""

    @property
    def facts(self) -> dict[str, Any]:
        """Figures of `status`."""

    def alarm(self, code: str, detail: str) -> None:
        """Raise or renew one."""

    def clear(self, code: str) -> None:
        """It is over."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What an evaluation was made of: while that is the same, so is its result."""

    facts: HoldFacts
    cursors: tuple[tuple[Partition, int], ...]
    directory: str


class HoldWatch:
    """Of one index. `clock`: UTC ms, the wire's; `monotonic`: seconds."""

    def __init__(self, wire: Wire, board: Board,
                 monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wire, self._board, self._monotonic = wire, board, monotonic
        self._path = path_of(wire.home)
        self._parts: Holding | None = None
        self._map: HoldMap | None = None
        self._looked_at = self._evaluated_at = -_EVERY_MS_MAX
        self._pause_ms = 0
        self._directory, self._read_at = "", -_DIRECTORY_MS
        self._retry_at = 0
        self._late_since: int | None = None
        self._seen: _Seen | None = None
        self._doubt = ""
        self._left: list[tuple[HeldObject, bool]] = []
        self._looks: list[HeldObject] = []
        self._unsure: frozenset[int] = frozenset()

    def begin(self) -> None:
        """The process is bound to another index: everything is asked anew."""
        self._seen, self._looked_at = None, -_EVERY_MS_MAX

    def look(self, now: int, index: Index, *, patient: bool = True) -> bool:
        """Do what is due; whether there is more at once. `patient` false: whatever it costs, now.
        Raises Transient when the index or the archive cannot be asked."""
        if patient and not self._left and 0 <= now - self._looked_at < _LOOK_MS:
            return False
        self._looked_at = now
        parts = self._opened()
        facts = parts.facts(index)
        holds = facts.in_force()
        self._board.facts["holds"] = len(holds)
        if not facts.facts and not self._path.exists():
            return self._settled(now, facts)
        over = self._monotonic() + (_LOOK_S if patient else float("inf"))
        known = self._known()
        cursors = index.state().cursors
        if not holds and not known.held_count() and not known.is_new:
            return self._settled(now, facts)
        if any(cursors.get(place, 0) < at for place, at in known.cursors.items()):
            # Another index, not yet as far as the one before: what it lacks is no reason to let go.
            self._late(now, "the index is behind what was looked at for holds")
            return False
        if known.advance(parts.reader, cursors, lambda: self._monotonic() > over):
            self._late(now, "the archive is still being read for a hold")
            return True
        self._evaluate(now, index, facts, known, cursors, patient=patient)
        if now >= self._retry_at or not patient:
            self._tell(now, known, over)
        return self._settled(now, facts)

    @property
    def waiting(self) -> int:
        """How many objects the store has still to be told of."""
        return len(self._left) + len(self._looks)

    def close(self) -> None:
        """Give the file back."""
        if self._map is not None:
            self._map.close()
            self._map = None

    def _settled(self, now: int, facts: HoldFacts) -> bool:
        """Say how it stands; whether there is more to do at once."""
        if self._map is not None:
            self._board.facts["held_objects"] = self._map.held_count()
        if self.waiting:
            self._late(now, f"{self.waiting} objects wait for the store")
            return now >= self._retry_at
        self._late_since = None
        problem = self._parts.directory_problem if self._parts else ""
        doubts = [one for one in (*sorted(facts.doubts), self._doubt, problem) if one]
        if doubts:
            self._board.alarm(ALARM, "; ".join(doubts)[:500])
        else:
            self._board.clear(ALARM)
        return False

    def _late(self, now: int, why: str) -> None:
        if self._late_since is None:
            self._late_since = now
        if now - self._late_since > LATE_MS:
            self._board.alarm(ALARM, f"{why}, for {(now - self._late_since) // 1000} s")

    def _evaluate(self, now: int, index: Index, facts: HoldFacts, known: HoldMap,
                  cursors: Mapping[Partition, int], *, patient: bool) -> None:
        if not patient or not 0 <= now - self._read_at < _DIRECTORY_MS:
            # A matter may have got another custodian.
            self._directory, self._read_at = self._digest(), now
        seen = _Seen(facts, tuple(sorted(cursors.items())), self._directory)
        if seen == self._seen or (patient and now - self._evaluated_at < self._pause_ms):
            return
        parts, began = self._opened(), self._monotonic()
        # The map and the index are at the same place: nothing is behind.
        sources = parts.sources(index, known, behind=lambda: "")
        kept = parts.kept(known, facts, sources)
        self._doubt = _doubts(kept)
        places = parts.records.places(index)
        hold, free = known.differences(_of_objects(kept), _segments(facts.in_force(), places))
        lost = known.concerned(parts.lost)
        # A key record that was taken away says no more what it was of: that lets nothing go.
        self._unsure = frozenset(one.number for one in lost if facts.in_force())
        free = [one for one in free if one.number not in self._unsure]
        self._left = [*((one, True) for one in hold), *((one, False) for one in free)]
        self._looks = []
        if known.is_new:
            ever, told = parts.kept(known, _ever(facts), sources), {one.number for one in hold}
            asked = {one.number: one for one in (*lost, *known.concerned(
                _of_objects(ever), _segments(facts.holds(), places)))}
            self._looks = [one for one in asked.values()
                           if one.is_held is None and one.number not in told]
        self._seen, self._evaluated_at = seen, now
        took_ms = (self._monotonic() - began) * 1000
        self._pause_ms = min(_EVERY_MS_MAX, int(took_ms * _EVERY_TIMES))

    def _digest(self) -> str:
        try:
            return self._opened().directory().digest()
        except Refused:
            return ""                             # a doubt: `_settled` says it

    def _tell(self, now: int, known: HoldMap, over: float) -> None:
        try:
            while self._left:
                one, on = self._left[0]
                self._set(known, one, on=on)
                self._left.pop(0)
                if self._monotonic() > over:
                    return
            while self._looks:
                self._forget(known, self._looks[0])
                self._looks.pop(0)
                if self._monotonic() > over:
                    return
            if not self._looks and known.is_new:
                known.begun()
        except Transient as error:
            # Nothing is lost by waiting but time, and that is said.
            self._retry_at = now + _RETRY_MS
            self._board.alarm(ALARM, f"the store did not take it: {error}")

    def _set(self, known: HoldMap, one: HeldObject, *, on: bool) -> None:
        try:
            version = one.version or record_of(self._wire.store, one.key).version_id
            self._wire.store.set_legal_hold(one.key, version, on=on)
        except Missing:
            version = one.version                 # gone: `verify` names what should be there
        self._count()
        known.told(one, version, is_held=on)

    def _forget(self, known: HoldMap, one: HeldObject) -> None:
        """What we told the store of an object is not known any more, and no hold concerns it."""
        try:
            version = one.version or record_of(self._wire.store, one.key).version_id
            self._count()
            if not self._wire.store.lock(one.key, version).legal_hold:
                return
            if one.number in self._unsure:
                known.told(one, version, is_held=True)
            else:
                self._set(known, one, on=False)
        except Missing:
            return

    def _count(self) -> None:
        self._board.facts["hold_requests"] = self._board.facts.get("hold_requests", 0) + 1

    def _opened(self) -> Holding:
        if self._parts is None:
            self._parts = Holding(self._wire)
        return self._parts

    def _known(self) -> HoldMap:
        if self._map is None:
            self._map = self._opened().map()
        return self._map


def settle(wire: Wire, index: Index) -> dict[str, Any]:
    """Everything that is due for holds is done when this returns, for who runs nothing; figures, of
    which `waiting` says how many objects the store did not take, and `said` why, or what is in
    doubt. Raises Transient when the index or the archive cannot be asked."""
    board = _Told()
    watch = HoldWatch(wire, board)
    try:
        watch.look(wire.clock(), index, patient=False)
    finally:
        watch.close()
    return {**board.facts, "waiting": watch.waiting, "said": board.alarms.get(ALARM, "")}


class _Told:
    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.alarms: dict[str, str] = {}

    def alarm(self, code: str, detail: str) -> None:
        self.alarms[code] = detail

    def clear(self, code: str) -> None:
        self.alarms.pop(code, None)


def _of_objects(kept: Mapping[bytes, tuple[Ground, ...]]) -> Iterator[bytes]:
    return (domain for domain, why in kept.items() if keeps_objects(why))


def _segments(holds: tuple[Hold, ...], places: Mapping[bytes, tuple[Any, ...]]) -> set[str]:
    """The objects in which the record of these holds lies."""
    return {pointer.segment for hold in holds for fact in hold.history
            for pointer in places.get(fact.name, ())}


def _ever(facts: HoldFacts) -> HoldFacts:
    """As if nothing had ever been released."""
    return HoldFacts(frozenset(one for one in facts.facts if one.act.action == PLACED))


def _doubts(kept: Mapping[bytes, tuple[Ground, ...]]) -> str:
    """What a person has to put right, of the first hold that has something of the kind."""
    for why in kept.values():
        for one in why:
            if one.why == DOUBT and one.hold_id:
                return f"hold {one.hold_id} ({one.name}) keeps more than it says: {one.detail}"
    return ""
