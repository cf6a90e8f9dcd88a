"""Events as they lie in the archive, one after the other, large ones joined of their parts.

Owns that loop for whatever reads the archive from its front: a large event stands where its last
part lies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from archive.reader import ReadEvent
from ingest.parts import join
from schemas import codec
from schemas.errors import Refused
from schemas.events import CapturedEvent, EventPart


class Joiner:
    """Of one partition: parts of one event lie in one."""

    def __init__(self) -> None:
        self._parts: dict[bytes, dict[int, EventPart]] = {}

    def events(self, found: Iterable[ReadEvent]) -> Iterator[CapturedEvent]:
        """What can be read of them."""
        for one in found:
            if one.datum is None or one.problem:
                continue
            try:
                event = codec.decode(one.datum)
                if isinstance(event, EventPart):
                    several = self._parts.setdefault(event.set_id, {})
                    several[event.number] = event
                    if len(several) < event.total:
                        continue
                    event = codec.decode(join(self._parts.pop(event.set_id).values()))
            except Refused:
                continue
            if isinstance(event, CapturedEvent):
                yield event
