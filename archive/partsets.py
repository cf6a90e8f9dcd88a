"""Which large events are whole: sets of numbered parts, as verify meets them (PROTOCOL C3).

Owns what makes a set whole: one sighting of which every part is there, in order, in one partition,
from one capture process. A set of which only a later sighting is whole is whole: an attempt that
the process could not finish was never acknowledged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from archive.reader import ReadEvent
from schemas.events import EventPart


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A set without a whole sighting: the most parts that any sighting has, and when the newest
    part was sealed (UTC ms)."""

    set_id: bytes
    there: int
    total: int
    sealed_at: int


@dataclass(slots=True)
class _Sighting:
    """Parts 0 to there - 1. `session` is that of the last of them."""

    there: int
    session: bytes


@dataclass(slots=True)
class _Set:
    whole: bool = False
    there: int = 0
    total: int = 0
    sealed_at: int = 0
    growing: dict[tuple[int, bytes, str, int], list[_Sighting]] = field(default_factory=dict)


class PartSets:
    """Parts in the order of their addresses, partition by partition."""

    def __init__(self) -> None:
        self._sets: dict[bytes, _Set] = {}

    def add(self, part: EventPart, event: ReadEvent, sealed_at: int) -> None:
        """Take in one part."""
        one = self._sets.setdefault(part.set_id, _Set())
        one.sealed_at = max(one.sealed_at, sealed_at)
        one.total = one.total or part.total
        if one.whole:
            return
        place = (part.total, event.capture_id, event.pointer.topic_id, event.pointer.partition)
        sightings = one.growing.setdefault(place, [])
        if part.number == 0:
            sightings.append(_Sighting(0, event.session_id))
        # Its own session's before another's: a session may end between two parts of one sighting,
        # and a second sighting may begin before the first is whole.
        fitting = [each for each in sightings if each.there == part.number]
        chosen = next((each for each in fitting if each.session == event.session_id),
                      fitting[0] if fitting else None)
        if chosen is None:
            return  # a part that came twice, or one before it is not there
        chosen.there, chosen.session = part.number + 1, event.session_id
        if chosen.there >= one.there:
            one.there, one.total = chosen.there, part.total
        if chosen.there == part.total:
            one.whole = True
            one.growing.clear()

    def incomplete(self) -> Iterator[Incomplete]:
        """Every set that no sighting makes whole."""
        for set_id, one in self._sets.items():
            if not one.whole:
                yield Incomplete(set_id, one.there, one.total, one.sealed_at)
