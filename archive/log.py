"""The port Log as the archiver sees it: an ordered, partitioned, trimmable record log.

Owns the contract; drivers are `infra/kafka.py` and `infra/embedded/log.py`. The writing half that
capture needs is the port `CaptureLog` in `ingest/publish.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.wire import LogIdentity, LogRecord


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll gave: the partitions that are ours now, and new records of them in order.

    A partition that was taken away and given back in between is missing from one `assigned`, so
    that whoever holds records of it drops them and seeks again.
    """

    assigned: frozenset[int]
    records: Mapping[int, Sequence[LogRecord]]


class ArchiveLog(Protocol):
    """A member of the consumer group.

    Raises Transient when the log cannot be reached, Halt("log_out_of_range") when a position is
    below the log's start, Halt("log_replaced") when the topic's id is not the one it began with.
    """

    def identity(self) -> LogIdentity:
        """Asked of the log itself at every call, never cached (PROTOCOL L2)."""

    def poll(self, timeout_s: float, records_max: int) -> Polled:
        """Records at the current positions; an assigned partition gives none until `seek`."""

    def seek(self, partition: int, offset: int) -> None:
        """The next record that poll gives of `partition` is the first one at or after `offset`."""

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Remember the next offsets: a hint, never the truth. A lost commit is no error."""

    def bounds(self, partition: int) -> tuple[int, int]:
        """(first offset still there, next offset to be written)."""

    def fetch(self, partition: int, offset: int) -> LogRecord | None:
        """The record exactly at `offset`, or null; positions are not moved."""

    def trim(self, partition: int, before: int) -> None:
        """Delete the records below `before` (PROTOCOL L1)."""

    def close(self) -> None:
        """Leave the group."""
