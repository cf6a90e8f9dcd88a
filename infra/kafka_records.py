"""Record batches of Kafka -> LogRecords, with as little Python per record as it takes.

Owns one loop that replaces kafka-python's own: it reads offset and value, and skips keys, headers
and timestamps, which we never write (PROTOCOL T3). Fields: Kafka protocol guide, "Record Batch".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final

from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record import util as record_util
from kafka.record.default_records import DefaultRecordBatch

from schemas.wire import LogRecord

# Base offset, length, leader epoch, magic, checksum, attributes, last offset's delta.
_HEAD: Final = struct.Struct(">qiibIhi")
_COUNT: Final = struct.Struct(">i")
_COUNT_AT: Final = 57
_HEAD_BYTES: Final = 61
_LENGTH_FROM: Final = 12             # what the length counts begins here
_CHECKSUM_FROM: Final = 21
_CODEC_MASK: Final = 0x07
_CONTROL: Final = 0x20


class ValueRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """One partition's share of a fetch. Yields LogRecord where the library yields its own type."""

    def _unpack_records(self, tp: Any, records: Any, key_deserializer: Any,
                        value_deserializer: Any) -> Iterator[LogRecord]:
        # The library's objects for batches copy each of them; the gateway's packs are one a batch.
        data: bytes = records._buffer
        view, at, size = memoryview(data), 0, len(data)
        while size - at >= _HEAD_BYTES:
            base, length, epoch, magic, checksum, attributes, last = _HEAD.unpack_from(data, at)
            end = at + _LENGTH_FROM + length
            if end > size:
                break                    # the broker cuts a fetch anywhere; the rest comes again
            if magic != 2 or length < _HEAD_BYTES - _LENGTH_FROM:
                raise CorruptRecordError(f"{tp}: a batch has format {magic}, not 2")
            # A record whose bytes changed on the broker's disk must not be sealed as genuine.
            if self.check_crcs and checksum != record_util.crc32c_c(view[at + _CHECKSUM_FROM:end]):
                raise CorruptRecordError(f"{tp}: the batch at {base} is damaged")
            self.leader_epoch = epoch
            self.bytes_read += end - at
            # A control batch is a transaction's marker: offsets without a record.
            if not attributes & _CONTROL:
                count, = _COUNT.unpack_from(data, at + _COUNT_AT)
                self.records_read += count
                for record in _records(base, count, *_plain(data, at, end, attributes)):
                    self.next_fetch_offset = record.offset + 1
                    yield record
            # Also past records that compaction took out of the batch's end.
            self.next_fetch_offset = base + last + 1
            at = end
        self.drain()


def _plain(data: bytes, at: int, end: int, attributes: int) -> tuple[bytes, int, int]:
    """(bytes, begin, end) of a batch's records; only somebody else's producer compresses."""
    if not attributes & _CODEC_MASK:
        return data, at + _HEAD_BYTES, end
    batch = DefaultRecordBatch(data[at:end])
    batch._maybe_uncompress()
    plain = bytes(batch._buffer)
    return plain, 0, len(plain)


def _records(base: int, count: int, data: bytes, at: int, limit: int) -> list[LogRecord]:
    try:
        return list(_walk(base, count, data, at, limit))
    except IndexError as error:
        raise CorruptRecordError(f"a record in the batch at {base} is malformed") from error


def _walk(base: int, count: int, data: bytes, at: int, limit: int) -> Iterator[LogRecord]:
    """Each record. Raises IndexError where a length is wrong."""
    for _ in range(count):
        length, at = _varint(data, at)
        end = at + length
        if end > limit:
            raise IndexError
        at += 1                                      # attributes: none are defined
        while data[at] >= 0x80:                      # timestamp delta: nothing of ours reads it
            at += 1
        delta, at = _varint(data, at + 1)
        key, at = _varint(data, at)
        if key > 0:
            at += key
        size, at = _varint(data, at)
        size = max(0, size)     # a null value is somebody else's: kept as the empty one that it is
        if at + size > end:
            raise IndexError
        yield LogRecord(base + delta, data[at:at + size])
        at = end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A zigzag varint of up to 32 bits, and where it ends. Raises IndexError for a longer one."""
    byte = data[at]
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), at + 1
    value, shift = byte & 0x7F, 7
    while shift < 35:
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at + 1
        shift += 7
    raise IndexError
