"""The bytes of a log record: a pack of sealed events (PROTOCOL T1-T3; docs/FORMAT.md §2).

Owns the layout, not the cryptography: `ingest/transit.py` seals, `archive/unseal.py` opens.

    pack    = prefix ‖ table ‖ ciphertext
    prefix  = "CFP1" ‖ u16 n ‖ opening(n) ‖ counter u64 ‖ topic id (16) ‖ partition u32 ‖ count u16
    table   = count x ( domain (16) ‖ tag (16) ‖ length u32 )
    opening = version u8 ‖ suite u8 ‖ archiver key id (8) ‖ capture id (16) ‖ session id (16)
              ‖ kinds u64 ‖ u16 m ‖ wrapped session key (m) ‖ Ed25519 signature (64)

All integers are big-endian. The associated data of the ciphertext is prefix ‖ table.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from schemas.errors import Refused

MAGIC: Final = b"CFP1"
OPENING_VERSION: Final = 1
SUITE_X25519: Final = 1            # HPKE: X25519, HKDF-SHA256, AES-256-GCM (RFC 9180)
SUITE_MLKEM768_X25519: Final = 2   # HPKE: ML-KEM-768 + X25519, HKDF-SHA256, AES-256-GCM
SIGNATURE_BYTES: Final = 64
TAG_BYTES: Final = 16              # of AES-GCM
_OPENING_HEAD: Final = struct.Struct(">BB8s16s16sQH")
_AFTER_OPENING: Final = struct.Struct(">Q16sIH")
_ROW: Final = struct.Struct(">16s16sI")
ROW_BYTES: Final = _ROW.size


@dataclass(frozen=True, slots=True)
class Item:
    """One event to be sealed: its domain id and conversation tag (16 bytes each) and datum.

    `quiet` says that it only tells that a process lives (a heartbeat): a pack of such items alone
    is sealed in a session that may carry nothing else, so that the archiver sees from outside that
    it closes no segment (PROTOCOL S9). It is not on the wire.
    """

    domain: bytes
    tag: bytes
    datum: bytes
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Opening:
    """A session's signed opening. `signed` is what the signature covers, less the topic id."""

    suite: int
    archiver_key_id: bytes
    capture_id: bytes
    session_id: bytes
    kinds: int
    wrapped: bytes
    signature: bytes
    signed: bytes


class Pack(NamedTuple):
    """A log record taken apart; nothing in it is authenticated yet. `associated` and `ciphertext`
    are views of the record. (A tuple and views, because there is one per record.)"""

    opening: bytes
    counter: int
    topic_id: bytes
    partition: int
    rows: tuple[tuple[bytes, bytes, int], ...]
    associated: memoryview
    ciphertext: memoryview


def opening_body(suite: int, archiver_key_id: bytes, capture_id: bytes, session_id: bytes,
                 kinds: int, wrapped: bytes) -> bytes:
    """An opening without its signature."""
    return _OPENING_HEAD.pack(OPENING_VERSION, suite, archiver_key_id, capture_id, session_id,
                              kinds, len(wrapped)) + wrapped


def read_opening(data: bytes) -> Opening:
    """Raises Refused for another version, a cut opening, or trailing bytes."""
    if len(data) < _OPENING_HEAD.size:
        raise Refused("opening is cut")
    version, suite, key_id, capture_id, session_id, kinds, length = _OPENING_HEAD.unpack_from(data)
    if version != OPENING_VERSION:
        raise Refused(f"opening version {version} is not known")
    end = _OPENING_HEAD.size + length
    if len(data) != end + SIGNATURE_BYTES:
        raise Refused("opening has another length than it states")
    return Opening(suite, key_id, capture_id, session_id, kinds,
                   data[_OPENING_HEAD.size:end], data[end:], data[:end])


def head(opening: bytes, counter: int, topic_id: bytes, partition: int,
         items: Sequence[Item]) -> bytes:
    """Prefix and table: everything of a pack before its ciphertext."""
    rows = b"".join([_ROW.pack(item.domain, item.tag, len(item.datum)) for item in items])
    return b"".join((MAGIC, struct.pack(">H", len(opening)), opening,
                     _AFTER_OPENING.pack(counter, topic_id, partition, len(items)), rows))


def stated_kinds(value: bytes) -> int:
    """The mask of kinds that a record says it may carry, unauthenticated; 0 when it is no pack.

    Good for deciding when to act (PROTOCOL S9: heartbeats close no segment), never what to trust.
    """
    if value[:4] != MAGIC or len(value) < 6 + _OPENING_HEAD.size:
        return 0
    return int(_OPENING_HEAD.unpack_from(value, 6)[5])


def take_apart(value: bytes) -> Pack:
    """Raises Refused for anything that is not exactly one pack."""
    if value[:4] != MAGIC or len(value) < 6:
        raise Refused("not a pack")
    at = 6 + (value[4] << 8 | value[5])
    end, length = at + _AFTER_OPENING.size, len(value)
    if length < end:
        raise Refused("pack is cut in its prefix")
    counter, topic_id, partition, count = _AFTER_OPENING.unpack_from(value, at)
    table = end + count * ROW_BYTES
    if length < table + TAG_BYTES:
        raise Refused("pack is cut in its table")
    rows = tuple(_ROW.iter_unpack(value[end:table]))
    if sum([row[2] for row in rows]) + TAG_BYTES != length - table or not rows:
        raise Refused("pack's lengths do not add up")
    view = memoryview(value)
    return Pack(value[6:at], counter, topic_id, partition, rows, view[:table], view[table:])
