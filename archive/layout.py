"""The names of objects, spelled once (PROTOCOL S1).

    segments/<topic>/<topic id>/<partition>/<expected offset, 20 digits>[.<attempt>].avro
    schemas/<sha-256>.avsc        dictionaries/<sha-256>.zdict
    media/<32 hex digits>         doctor/... (what `doctor` tries the store with)
    log/...                       the transparency log (`archive/tlog/sequence.py`)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from schemas import media
from schemas.wire import LogIdentity

_SEGMENT = re.compile(
    r"segments/(?P<topic>[A-Za-z0-9._-]{1,249})/(?P<topic_id>[0-9a-f]{32})"
    r"/(?P<partition>0|[1-9][0-9]{0,5})/(?P<expected>[0-9]{20})(?:\.(?P<attempt>[1-9][0-9]{0,2}))?"
    r"\.avro")
SEGMENTS = "segments/"
SCHEMAS = "schemas/"
DICTIONARIES = "dictionaries/"
MEDIA = media.PREFIX
DOCTOR = "doctor/"
LOG = "log/"
_FORMAT = re.compile(r"(?:schemas/([0-9a-f]{64})\.avsc|dictionaries/([0-9a-f]{64})\.zdict)")


@dataclass(frozen=True, slots=True)
class SegmentName:
    """A segment's key, read: where it stands. `attempt` 0 is the ordinary name."""

    topic: str
    topic_id: bytes
    partition: int
    expected: int
    attempt: int

    def key(self) -> str:
        """The object's key."""
        middle = f".{self.attempt}" if self.attempt else ""
        prefix = partition_prefix(self.topic, self.topic_id, self.partition)
        return f"{prefix}{self.expected:020d}{middle}.avro"


def topic_prefix(topic: str) -> str:
    """What all segments of every topic of one name begin with."""
    return f"{SEGMENTS}{topic}/"


def partition_prefix(topic: str, topic_id: bytes, partition: int) -> str:
    """What all segments of one partition begin with."""
    return f"{SEGMENTS}{topic}/{topic_id.hex()}/{partition}/"


def segment(log: LogIdentity, partition: int, expected: int, attempt: int = 0) -> SegmentName:
    """The name of the segment that begins at `expected`."""
    return SegmentName(log.topic, log.topic_id, partition, expected, attempt)


def read_segment(key: str) -> SegmentName | None:
    """The name that `key` spells, or null when it is no segment's key."""
    match = _SEGMENT.fullmatch(key)
    if match is None:
        return None
    return SegmentName(match["topic"], bytes.fromhex(match["topic_id"]), int(match["partition"]),
                       int(match["expected"]), int(match["attempt"] or 0))


def offset_of(prefix: str, key: str) -> int | None:
    """The 20 digits that follow a partition's prefix in `key`, whatever comes after them."""
    digits = key[len(prefix):len(prefix) + 20]
    return int(digits) if len(digits) == 20 and digits.isascii() and digits.isdecimal() else None


def just_before(prefix: str, offset: int) -> str:
    """A key that sorts before every attempt at `offset` and after everything below it."""
    return f"{prefix}{offset:020d}"


def schema(digest: str) -> str:
    """An Avro schema by the SHA-256 of its bytes."""
    return f"{SCHEMAS}{digest}.avsc"


def dictionary(digest: str) -> str:
    """A compression dictionary by the SHA-256 of its bytes."""
    return f"{DICTIONARIES}{digest}.zdict"


def digest_of(key: str) -> bytes | None:
    """The SHA-256 that a schema's or dictionary's key spells, or null when it is neither's."""
    match = _FORMAT.fullmatch(key)
    return bytes.fromhex(match[1] or match[2]) if match else None
