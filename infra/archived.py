"""Events as they lie in the archive, one after the other, large ones joined of their parts.

Owns that loop for whatever reads the archive from its front: a large event stands where its last
part lies. Also the one order in which several partitions are read as one archive (`in_one_order`).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

from archive.reader import ReadEvent, SegmentRead
from ingest.parts import join
from schemas import codec, datum
from schemas.errors import Refused
from schemas.events import CapturedEvent, EventPart
from schemas.wire import Pointer

Place = tuple[str, int]
"""(topic id in hex, partition)."""

Pointers = tuple[Pointer, ...]
"""Where an event lies: one pointer, or those of its parts in their order."""


class Follows(Protocol):
    """What is asked of the archive (`archive.reader.ArchiveReader`)."""

    def follow(self, topic_id: str, partition: int, next_offset: int) -> Iterator[SegmentRead]:
        """Segments from `next_offset` on."""


class Found(NamedTuple):
    """An event and where it lies. `content`: its `codec.encode_content`, when at hand."""

    event: CapturedEvent
    pointers: Pointers
    content: bytes | None


class Joiner:
    """Of one partition: parts of one event lie in one."""

    def __init__(self) -> None:
        self._parts: dict[bytes, dict[int, tuple[EventPart, Pointer]]] = {}

    @property
    def waiting(self) -> tuple[Pointer, ...]:
        """Where the parts lie whose events are not complete yet."""
        return tuple(sorted((pointer for several in self._parts.values()
                             for _, pointer in several.values()), key=_address))

    def restore(self, known: Iterable[tuple[Pointer, bytes]]) -> None:
        """Wait for the rest of these parts."""
        for pointer, body in known:
            part = codec.decode(body)
            if isinstance(part, EventPart):
                self._parts.setdefault(part.set_id, {})[part.number] = part, pointer

    def events(self, found: Iterable[ReadEvent]) -> Iterator[CapturedEvent]:
        """What can be read of them, whole."""
        for one in found:
            if one.datum is None or one.problem:
                continue
            whole = None
            with suppress(Refused):
                whole = self._whole(codec.decode(one.datum), one.pointer)
            if whole is not None:
                yield whole.event

    def found(self, read: Iterable[ReadEvent]) -> Iterator[Found]:
        """`events`, but for `raw` and `delivery` of what is one datum, and with their places: what
        a policy needs, in a third of the time."""
        for one in read:
            if one.datum is None or one.problem:
                continue
            quick = datum.read(one.datum)
            if quick is not None:
                yield Found(quick[0], (one.pointer,), quick[1])
                continue
            whole = None
            with suppress(Refused):
                whole = self._whole(codec.decode(one.datum), one.pointer)
            if whole is not None:
                yield whole

    def _whole(self, decoded: CapturedEvent | EventPart, pointer: Pointer) -> Found | None:
        """Null while parts are missing. Raises Refused for parts that make no event: an indexer
        says so, who reads on leaves them out."""
        if isinstance(decoded, CapturedEvent):
            return Found(decoded, (pointer,), None)
        several = self._parts.setdefault(decoded.set_id, {})
        several[decoded.number] = decoded, pointer
        if len(several) < decoded.total:
            return None
        parts = self._parts.pop(decoded.set_id)
        event = codec.decode(join(part for part, _ in parts.values()))
        if not isinstance(event, CapturedEvent):
            return None
        return Found(event, tuple(parts[number][1] for number in sorted(parts)), None)


_END: Final = 1 << 62


def in_one_order(reader: Follows, since: Mapping[Place, int],
                 until: Mapping[Place, int]) -> Iterator[SegmentRead]:
    """Every segment of the partitions in `until`, from the offset in `since` (0 unless said) to
    the one in `until`: by the time at which it was sealed, those of one partition in their order.

    A function of the archive alone: it does not matter who reads, when, or from where on.
    """
    follow: dict[Place, Iterator[SegmentRead]] = {}
    fronts: list[tuple[int, Place, SegmentRead]] = []

    def step(place: Place) -> None:
        read = next(follow[place], None)
        if read is not None and read.last < until.get(place, _END):
            heapq.heappush(fronts, (read.sealed_at, place, read))

    for place in sorted(until):
        follow[place] = reader.follow(*place, since.get(place, 0))
        step(place)
    while fronts:
        _, place, read = heapq.heappop(fronts)
        yield read
        step(place)


def _address(pointer: Pointer) -> tuple[str, int, int, int]:
    return pointer.topic_id, pointer.partition, pointer.offset, pointer.index
