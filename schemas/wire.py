"""Names of the log's coordinates, shared by who writes it and who reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """Which log this is: a topic name, its 16-byte id (changes when it is made anew), its width."""

    topic: str
    topic_id: bytes
    partitions: int


class LogRecord(NamedTuple):
    """One record as it lies on the log. (A tuple: reading a log makes one of each.)"""

    offset: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where an archived datum lies, enough for one range GET and one decryption.

    `segment` is the object's key (it names topic, topic id, partition and expected offset), `last`
    the segment's last offset (bound into the cell's associated data), `start`,`length` the cell's
    byte range in the object, `position` the datum's place in the cell, and (`offset`, `index`) the
    log address that it came from. `version` is the object version that is the record ("" = the
    oldest, found by listing). Pointers sort by address within a partition.
    """

    topic_id: str                # 32 hex digits
    partition: int
    offset: int
    index: int
    segment: str
    last: int
    start: int
    length: int
    position: int
    version: str = ""
