"""Large events of which a part stays away: after a stated time that is a gap (PROTOCOL C3).

Owns what a document says of such sets, and how long they wait. Kept in the index and the archive
alone, so that a restart and a second indexer come to the same answer; the indexer watches, because
it is the one process that meets all partitions' parts of an event in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from schemas import codec
from schemas import document as shape
from schemas.document import Entry
from schemas.errors import Missing, Refused
from schemas.events import EventPart
from schemas.wire import Pointer
from search.bodies import Reads
from search.fields import KINDS
from search.index import Index, pages
from search.project import entry_key
from search.query import Term, TokenQuery

_ASKED: Final = TokenQuery(Term("kinds", shape.PART), frozenset(KINDS))


@dataclass(frozen=True, slots=True)
class Overdue:
    """A set that is not whole long after its last part was sealed. `set_id`: the event's id, hex;
    or "t:" and its token, where no part can be read. `sealed_at`: UTC ms."""

    set_id: str
    kind: str
    there: int
    total: int
    sealed_at: int


def waiting_sets(entries: Iterable[Entry]) -> list[list[Entry]]:
    """The parts of each event that is not there: neither joined nor captured in another way."""
    parts: dict[str, list[Entry]] = {}
    there = set()
    for entry in entries:
        if entry.part is not None:
            parts.setdefault(entry.entry_id, []).append(entry)
        else:
            there.add(entry.entry_id)
    return [several for name, several in sorted(parts.items()) if name not in there]


class PartWatch:
    """Watches one index. `sealed_at`: when the segment of a pointer was sealed, UTC ms; `wait_ms`:
    how long the rest of a set may take after its last part."""

    def __init__(self, index: Index, reader: Reads, sealed_at: Callable[[Pointer], int],
                 wait_ms: int) -> None:
        self._index, self._reader = index, reader
        self._sealed_at, self._wait_ms = sealed_at, wait_ms
        self._times: dict[tuple[str, int, int, int, bool], int] = {}
        # What waited when the last process ended waits still.
        self._suspects = set(self._stored())

    def look(self, now: int, touched: Iterable[str]) -> list[Overdue]:
        """Every overdue set, oldest first. `touched`: documents in which a set was not whole when
        they were written since the last look. Raises Transient."""
        self._suspects.update(touched)
        stored = self._index.get(self._suspects) if self._suspects else {}
        overdue: list[Overdue] = []
        times: dict[tuple[str, int, int, int, bool], int] = {}
        for doc_id in sorted(self._suspects):
            found = stored.get(doc_id)
            waiting = waiting_sets(found.document.entries) if found else []
            if not waiting:
                self._suspects.discard(doc_id)
            for parts in waiting:
                sealed = [self._time_of(part, times) for part in parts]
                if now - max(sealed) >= self._wait_ms:
                    overdue.append(self._described(parts, max(sealed)))
        self._times = times
        return sorted(overdue, key=lambda one: (one.sealed_at, one.set_id))

    def _time_of(self, part: Entry, times: dict[tuple[str, int, int, int, bool], int]) -> int:
        key = entry_key(part)
        known = self._times.get(key)
        times[key] = self._sealed_at(part.pointer) if known is None else known
        return times[key]

    def _described(self, parts: list[Entry], sealed_at: int) -> Overdue:
        numbers: dict[int, set[int]] = {}
        for part in parts:
            assert part.part is not None
            numbers.setdefault(part.part.total, set()).add(part.part.number)
        total = max(numbers, key=lambda one: (len(numbers[one]), one))
        set_id, kind = f"t:{parts[0].entry_id}", ""
        for part in parts:
            try:
                datum = codec.decode(self._reader.read(part.pointer))
            except (Missing, Refused):
                continue
            if isinstance(datum, EventPart):
                set_id, kind = datum.set_id.hex(), datum.kind
                break
        return Overdue(set_id, kind, len(numbers[total]), total, sealed_at)

    def _stored(self) -> Iterable[str]:
        self._index.refresh()
        return (one.doc_id for one in pages(self._index, _ASKED) if waiting_sets(one.entries))
