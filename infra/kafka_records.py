"""Record batches of Kafka -> LogRecords, with as little Python per record as it takes.

Owns one loop that replaces kafka-python's own: it reads offset and value, and skips keys, headers
and timestamps, which we never write (PROTOCOL T3). Fields: Kafka protocol guide, "Record Batch".
And what follows from a batch that does not read: asked for again once, then Halt.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import zstandard
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record import util as record_util

from schemas.errors import Halt
from schemas.limits import RECORD_BYTES_MAX
from schemas.wire import LogRecord

# A batch holds one record and its frame: what the topic takes, and what a compressed one may
# become; a megabyte of zeros is a thousand of them otherwise.
BATCH_BYTES_MAX: Final = RECORD_BYTES_MAX + 48 * 1024

# Base offset, length, leader epoch, magic, checksum, attributes, last offset's delta.
_HEAD: Final = struct.Struct(">qiibIhi")
_COUNT: Final = struct.Struct(">i")
_COUNT_AT: Final = 57
_HEAD_BYTES: Final = 61
_LENGTH_FROM: Final = 12             # what the length counts begins here
_CHECKSUM_FROM: Final = 21
_CODEC_MASK: Final = 0x07
_GZIP: Final = 1
_ZSTD: Final = 4
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
_ZSTD_WINDOW_BYTES_MAX: Final = 8 * 1024 * 1024
_CONTROL: Final = 0x20


class ValueRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """One partition's share of a fetch. Yields LogRecord where the library yields its own type."""

    def _unpack_records(self, tp: Any, records: Any, key_deserializer: Any,
                        value_deserializer: Any) -> Iterator[LogRecord]:
        try:
            yield from self._batches(tp, records)
        except (CorruptRecordError, Halt):
            # The rest of this fetch is given up, so that the next poll asks the broker again: the
            # library would look for ever for another record in it.
            self.drain()
            raise

    def _batches(self, tp: Any, records: Any) -> Iterator[LogRecord]:
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
                plain = _plain(f"{tp}: the batch at {base}", data, at, end, attributes)
                for record in _records(f"{tp}: a record in the batch at {base}", base, count,
                                       *plain):
                    self.next_fetch_offset = record.offset + 1
                    yield record
            # Also past records that compaction took out of the batch's end.
            self.next_fetch_offset = base + last + 1
            at = end
        self.drain()


class DamageSeen:
    """What was found damaged once. The network may have done it; a second time it is the log."""

    def __init__(self) -> None:
        self._found: set[str] = set()

    @contextmanager
    def twice(self) -> Iterator[None]:
        """Around each read: CorruptRecordError goes on the first time that it says what it says,
        and is Halt("log_damaged") the second."""
        try:
            yield
        except CorruptRecordError as error:
            said = str(error)
            if said in self._found:
                raise Halt("log_damaged", f"read twice: {said}") from error
            self._found.add(said)
            raise


def _plain(what: str, data: bytes, at: int, end: int, attributes: int) -> tuple[bytes, int, int]:
    """(bytes, begin, end) of a batch's records. Only somebody else's producer compresses, and only
    where the topic is not what `topic_configuration` asks for does it arrive here so.

    Raises Halt("log_damaged") for more bytes than a batch has, and for another codec than gzip
    and zstd: the libraries for those have no limit. CorruptRecordError for what does not expand.
    """
    codec = attributes & _CODEC_MASK
    if not codec:
        return data, at + _HEAD_BYTES, end
    packed = memoryview(data)[at + _HEAD_BYTES:end]
    try:
        if codec == _GZIP:
            plain = zlib.decompressobj(_GZIP_WINDOW).decompress(packed, BATCH_BYTES_MAX + 1)
        elif codec == _ZSTD:
            expander = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES_MAX)
            with expander.stream_reader(packed) as stream:
                plain = stream.read(BATCH_BYTES_MAX + 1)
        else:
            raise Halt("log_damaged", f"{what} is compressed with codec {codec}, which is not "
                                      "read: set the topic's compression.type to uncompressed")
    except (zlib.error, zstandard.ZstdError) as error:
        raise CorruptRecordError(f"{what} does not expand") from error
    if len(plain) > BATCH_BYTES_MAX:
        raise Halt("log_damaged", f"{what} expands to more than {BATCH_BYTES_MAX} bytes: set the "
                                  "topic's compression.type to uncompressed")
    return plain, 0, len(plain)


def _records(what: str, base: int, count: int, data: bytes, at: int,
             limit: int) -> list[LogRecord]:
    try:
        return list(_walk(base, count, data, at, limit))
    except IndexError as error:
        raise CorruptRecordError(f"{what} is malformed") from error


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
