"""Record batches of Kafka -> LogRecords, with as little Python per record as it takes.

Owns one loop that replaces kafka-python's own: it reads offset and value, and skips keys, headers
and timestamps, which we never write (PROTOCOL T3). Fields: Kafka protocol guide, "Record Batch".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError

from schemas.wire import LogRecord


class ValueRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """One partition's share of a fetch. Yields LogRecord where the library yields its own type."""

    def _unpack_records(self, tp: Any, records: Any, key_deserializer: Any,
                        value_deserializer: Any) -> Iterator[LogRecord]:
        batch = records.next_batch()
        while batch is not None:
            # A record whose bytes changed on the broker's disk must not be sealed as genuine.
            if self.check_crcs and not batch.validate_crc():
                raise CorruptRecordError(f"{tp}: the batch at {batch.base_offset} is damaged")
            if batch.magic != 2:
                raise CorruptRecordError(f"{tp}: a batch has format {batch.magic}, not 2")
            self.leader_epoch = batch.leader_epoch
            self.bytes_read += batch.size_in_bytes
            # A control batch is a transaction's marker: offsets without a record.
            if not batch.is_control_batch:
                self.records_read += batch.records_count
                yield from self._values(batch)
            # Also past records that compaction took out of the batch's end.
            self.next_fetch_offset = batch.next_offset
            batch = records.next_batch()
        self.drain()

    def _values(self, batch: Any) -> Iterator[LogRecord]:
        batch._maybe_uncompress()
        base = batch.base_offset
        try:
            for delta, value in _walk(memoryview(batch._buffer), batch._pos, batch.records_count):
                self.next_fetch_offset = base + delta + 1
                yield LogRecord(base + delta, value)
        except IndexError as error:
            raise CorruptRecordError(f"a record in the batch at {base} is malformed") from error


def _walk(buffer: memoryview, at: int, count: int) -> Iterator[tuple[int, bytes]]:
    """(offset delta, value) of each record. Raises IndexError where a length is wrong."""
    for _ in range(count):
        length, at = _varint(buffer, at)
        end = at + length
        at += 1                                      # attributes: none are defined
        while buffer[at] >= 0x80:                    # timestamp delta: nothing of ours reads it
            at += 1
        delta, at = _varint(buffer, at + 1)
        key, at = _varint(buffer, at)
        if key > 0:
            at += key
        size, at = _varint(buffer, at)
        if at + max(size, 0) > end or end > len(buffer):
            raise IndexError
        # A null value is somebody else's: kept as the empty record that it is.
        yield delta, bytes(buffer[at:at + size]) if size > 0 else b""
        at = end


def _varint(buffer: memoryview, at: int) -> tuple[int, int]:
    """A zigzag varint of up to 32 bits, and where it ends. Raises IndexError for a longer one."""
    byte = buffer[at]
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), at + 1
    value, shift = byte & 0x7F, 7
    while shift < 35:
        at += 1
        byte = buffer[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at + 1
        shift += 7
    raise IndexError
