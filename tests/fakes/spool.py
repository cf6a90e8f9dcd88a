"""Spool and Memory of `ingest/spool.py` in memory; survives the "restart" of what uses it.

Accuses: an entry put that is already there and still waits, a removal of what never was there.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ingest.spool import Spooled, SpoolEntry, SpoolSummary
from schemas.errors import Refused, Transient


class FakeSpool:
    """Keeps entries in a dict; `bytes_max` and `broken` can be set at any time."""

    def __init__(self, bytes_max: int = 1 << 30) -> None:
        self.bytes_max = bytes_max
        self.broken = False
        self.puts = 0
        self._entries: dict[int, SpoolEntry] = {}
        self._memory: dict[str, bytes] = {}
        self._mutex = threading.Lock()

    def put(self, entry: SpoolEntry) -> int:
        """See Spool."""
        with self._mutex:
            self._check()
            size = sum(len(one.value) for one in self._entries.values())
            if size + len(entry.value) > self.bytes_max:
                raise Refused("full")
            named = (entry.session_id, entry.counter)
            assert named not in {(one.session_id, one.counter) for one in self._entries.values()}
            self.puts += 1
            self._entries[self.puts] = entry
            return self.puts

    def oldest(self, topic_id: bytes, partition: int, after: int, records_max: int,
               bytes_max: int) -> Sequence[Spooled]:
        """See Spool."""
        found: list[Spooled] = []
        with self._mutex:
            self._check()
            for sequence, entry in sorted(self._entries.items()):
                if (entry.topic_id, entry.partition) != (topic_id, partition) or sequence <= after:
                    continue
                size = sum(len(one.entry.value) for one in found) + len(entry.value)
                if found and (len(found) >= records_max or size > bytes_max):
                    break
                found.append(Spooled(sequence, entry))
        return found

    def remove(self, sequences: Sequence[int]) -> None:
        """See Spool."""
        with self._mutex:
            self._check()
            for sequence in sequences:
                assert 0 < sequence <= self.puts, f"entry {sequence} never was there"
                self._entries.pop(sequence, None)

    def summary(self) -> SpoolSummary:
        """See Spool."""
        with self._mutex:
            self._check()
            entries = list(self._entries.values())
        lanes: dict[tuple[bytes, int], int] = {}
        for one in entries:
            lanes[one.topic_id, one.partition] = lanes.get((one.topic_id, one.partition), 0) + 1
        return SpoolSummary(
            len(entries), sum(len(one.value) for one in entries),
            min((one.spooled_at for one in entries), default=None),
            tuple((topic, partition, count) for (topic, partition), count in sorted(lanes.items())))

    def recall(self, name: str) -> bytes | None:
        """See Memory."""
        with self._mutex:
            self._check()
            return self._memory.get(name)

    def remember(self, name: str, value: bytes) -> None:
        """See Memory."""
        with self._mutex:
            self._check()
            self._memory[name] = value

    def _check(self) -> None:
        if self.broken:
            raise Transient("broken")
