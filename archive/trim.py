"""How the capture topic is shortened: only behind what was read back and verified (PROTOCOL L1).

Owns the safe end. One safety period behind the newest, segment by segment; a segment that does not
verify stops the trimming for good, and the log keeps everything from there on.
"""

from __future__ import annotations

from typing import Final

from archive.log import ArchiveLog
from archive.reader import ArchiveReader
from archive.retention import DAY_MS

# How long records stay on the log after they were archived.
SAFETY_MS: Final = 7 * DAY_MS


class Trimmer:
    """Trims one log. `safety_ms` is how long records stay after they were archived."""

    def __init__(self, log: ArchiveLog, reader: ArchiveReader, safety_ms: int) -> None:
        self._log = log
        self._reader = reader
        self._safety_ms = safety_ms
        self._verified: dict[int, int] = {}

    def trim(self, partition: int, archived_before: int, now: int) -> int:
        """Shorten one partition; returns the first offset that is kept.

        Follows the archive from the segment that holds the log's first record, reads every cell of
        each, and stops at the first that is too young or does not open.
        """
        identity = self._log.identity()
        start, _ = self._log.bounds(partition)
        if start >= archived_before:
            return start
        topic_id = identity.topic_id.hex()
        known = self._verified.get(partition)
        if known is None:
            # The segment that holds the log's first record: nothing before it can be shortened, and
            # whoever trimmed into the middle of it took nothing of ours with it.
            known = self._reader.begin_of(topic_id, partition, start)
            if known is None:
                return start
        keep = start
        for read in self._reader.follow(topic_id, partition, known):
            # What the log does not have any more is no reason to keep what it has: its key may have
            # been destroyed since (docs/decisions/0033).
            whole = all(event.problem in ("", "record_refused") for event in read.events
                        if event.pointer.offset >= start)
            if not whole or now - read.sealed_at < self._safety_ms:
                break
            # Up to the start of a segment that was read back: its last record stays for L3.
            keep = max(keep, read.last)
            self._verified[partition] = read.last + 1
        if keep > start:
            self._log.trim(partition, keep)
        return keep
