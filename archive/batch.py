"""When a segment closes: by bytes, by count, by age (PROTOCOL S9). Pure.

Owns the waiting records of one partition. A crash here loses nothing: they are on the log, and
recovery reads them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas import limits, pack
from schemas.kinds import mask_of
from schemas.wire import LogRecord

_QUIET = mask_of({"heartbeat"})


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """`age_ms_max` closes a trickle; a batch of `busy_bytes` or more closes at `age_ms_busy`.

    `age_ms_quiet`: records that only say that a process lives wait this long for company.
    """

    age_ms_max: int = 60_000
    age_ms_busy: int = 2_000
    busy_bytes: int = 64 * 1024
    bytes_max: int = limits.SEGMENT_BYTES_MAX
    records_max: int = limits.SEGMENT_EVENTS_MAX
    age_ms_quiet: int = 3_600_000


@dataclass(slots=True)
class Batch:
    """The records of one partition that wait for their segment, in offset order."""

    limits: BatchLimits
    records: list[LogRecord] = field(default_factory=list)
    size: int = 0
    opened_at: int = 0
    loud_at: int | None = None

    def add(self, records: Sequence[LogRecord], now: int) -> None:
        """Take records in at `now` (UTC ms)."""
        if not self.records:
            self.opened_at = now
        if self.loud_at is None and any(
                pack.stated_kinds(record.value) != _QUIET for record in records):
            self.loud_at = now
        self.records += records
        self.size += sum([len(record.value) for record in records])

    def full(self) -> bool:
        """Whether it must close before it takes more."""
        return self.size >= self.limits.bytes_max or len(self.records) >= self.limits.records_max

    def due(self, now: int) -> bool:
        """Whether it closes now."""
        if not self.records:
            return False
        if self.full() or now - self.opened_at >= self.limits.age_ms_quiet:
            return True
        if self.loud_at is None:
            return False
        age = now - self.loud_at
        busy = self.size >= self.limits.busy_bytes
        return age >= (min(self.limits.age_ms_busy, self.limits.age_ms_max) if busy
                       else self.limits.age_ms_max)

    def take(self) -> list[LogRecord]:
        """The records of one segment: from the front, up to the limits."""
        size = count = 0
        for record in self.records:
            if count and (size + len(record.value) > self.limits.bytes_max
                          or count >= self.limits.records_max):
                break
            size += len(record.value)
            count += 1
        return self.records[:count]

    def drop_through(self, offset: int, now: int) -> None:
        """Forget the records up to and including `offset`: an authentic segment holds them."""
        rest = [record for record in self.records if record.offset > offset]
        self.records, self.size, self.loud_at = [], 0, None
        if rest:
            self.add(rest, now)

    def clear(self) -> None:
        """Forget everything: the partition is another's, or will be read again."""
        self.records, self.size, self.loud_at = [], 0, None
