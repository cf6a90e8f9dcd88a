"""The quick way to read a datum: exactly what our own encoder writes, and nothing else.

Owns a second reader of `captured.avsc` beside `codec.decode`, which stays the judge: whatever is
spelled in another way than `codec.encode` spells it (a longer number, an array in blocks, a cut, a
strange byte) is null here and goes there. Generic decoding and encoding the content again was half
of what an event cost the indexer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from schemas.codec import CAPTURED_PREFIX, PREFIX_BYTES
from schemas.events import Attachment, CapturedEvent, Identity

_NUMBER_BYTES_MAX: Final = 9   # 63 bits; the spelling of larger ones is the judge's to know


def read(datum: bytes) -> tuple[CapturedEvent, bytes] | None:
    """(the event of `datum` without `raw` and `delivery`, its `codec.encode_content`), or null.

    Null does not mean that the datum is wrong: `codec.decode` says what it is. Never raises.
    """
    if datum[:PREFIX_BYTES] != CAPTURED_PREFIX:
        return None
    values: list[Any] = []
    try:
        captured = _read_all(_FRONT, datum, PREFIX_BYTES, values)
        at = _read_all(_LONG, datum, captured, values)
        raw = _read_all(_MIDDLE, datum, at, values)
        raw_type = _skip_bytes(datum, raw)
        values.append(None)
        delivery = _read_all((_text,), datum, raw_type, values)
        end = _skip_delivery(datum, delivery)
    except (_Unusual, IndexError, UnicodeDecodeError):
        return None
    # A length that points past the end has made every later one do so: nothing was read there.
    if end != len(datum):
        return None
    content = b"".join((datum[PREFIX_BYTES:captured], b"\0", datum[at:raw], b"\0",
                        datum[raw_type:delivery], b"\0"))
    return CapturedEvent(*values), content


class _Unusual(Exception):
    """Not spelled as our encoder does."""


_Reader = Callable[[bytes, int], tuple[Any, int]]


def _read_all(readers: Sequence[_Reader], data: bytes, at: int, out: list[Any]) -> int:
    append = out.append
    for reader in readers:
        # Nothing and a short text are most of an event: read here, without a call for each.
        size = data[at]
        if reader is _optional_text:
            if size == 0:
                append(None)
                at += 1
                continue
            if size == 2 and (size := data[at + 1]) < 128 and not size & 1:
                end = at + 2 + (size >> 1)
                append(data[at + 2:end].decode())
                at = end
                continue
        elif reader is _text and size < 128 and not size & 1:
            end = at + 1 + (size >> 1)
            append(data[at + 1:end].decode())
            at = end
            continue
        value, at = reader(data, at)
        append(value)
    return at


def _natural(data: bytes, at: int) -> tuple[int, int]:
    """A varint before zig-zag is undone; shortest spelling only."""
    value = shift = 0
    start = at
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            if byte == 0 and shift:
                raise _Unusual
            return value, at
        shift += 7
        if at - start >= _NUMBER_BYTES_MAX:
            raise _Unusual


def _long(data: bytes, at: int) -> tuple[int, int]:
    value, at = _natural(data, at)
    return (value >> 1) ^ -(value & 1), at


def _span(data: bytes, at: int) -> tuple[int, int]:
    """Begin and end of a string or of bytes."""
    size = data[at]
    if size < 128:
        at += 1
    else:
        size, at = _natural(data, at)
    if size & 1:
        raise _Unusual  # a negative length
    return at, at + (size >> 1)


def _text(data: bytes, at: int) -> tuple[str, int]:
    at, end = _span(data, at)
    return data[at:end].decode(), end


def _optional_text(data: bytes, at: int) -> tuple[str | None, int]:
    return _text(data, at + 1) if _is_there(data, at) else (None, at + 1)


def _optional_bytes(data: bytes, at: int) -> tuple[bytes | None, int]:
    if not _is_there(data, at):
        return None, at + 1
    at, end = _span(data, at + 1)
    return data[at:end], end


def _optional_long(data: bytes, at: int) -> tuple[int | None, int]:
    return _long(data, at + 1) if _is_there(data, at) else (None, at + 1)


def _is_there(data: bytes, at: int) -> bool:
    """Which branch of a union with null lies here."""
    which = data[at]
    if which not in (0, 2):
        raise _Unusual
    return which == 2


def _identity(data: bytes, at: int) -> tuple[Identity, int]:
    native_id, at = _text(data, at)
    id_type, at = _text(data, at)
    name, at = _optional_text(data, at)
    return Identity(native_id, id_type, name), at


def _optional_identity(data: bytes, at: int) -> tuple[Identity | None, int]:
    return _identity(data, at + 1) if _is_there(data, at) else (None, at + 1)


def _attachment(data: bytes, at: int) -> tuple[Attachment, int]:
    values: list[Any] = []
    at = _read_all(_ATTACHMENT, data, at, values)
    return Attachment(*values), at


def _pair(data: bytes, at: int) -> tuple[tuple[str, str], int]:
    size = data[at]
    if size < 128 and not size & 1:  # as in `_read_all`: six pairs an event
        middle = at + 1 + (size >> 1)
        size = data[middle]
        if size < 128 and not size & 1:
            end = middle + 1 + (size >> 1)
            return (data[at + 1:middle].decode(), data[middle + 1:end].decode()), end
    name, at = _text(data, at)
    value, at = _text(data, at)
    return (name, value), at


def _many(reader: _Reader) -> _Reader:
    """An array in one block, as it is written whose length is known."""
    def read_many(data: bytes, at: int) -> tuple[tuple[Any, ...], int]:
        if data[at] == 0:
            return (), at + 1
        count, at = _natural(data, at)
        if count & 1:
            raise _Unusual  # a block that states its size
        out: list[Any] = []
        for _ in range(count >> 1):
            value, at = reader(data, at)
            out.append(value)
        if data[at] != 0:
            raise _Unusual
        return tuple(out), at + 1
    return read_many


def _skip_bytes(data: bytes, at: int) -> int:
    return _span(data, at + 1)[1] if _is_there(data, at) else at + 1


def _skip_delivery(data: bytes, at: int) -> int:
    """Checked as closely as what is kept: one datum is one or the other everywhere."""
    if not _is_there(data, at):
        return at + 1
    _, at = _span(data, at + 1)
    for _ in range(2):
        _, at = _natural(data, at)
    if data[at] > 1:
        raise _Unusual
    return _read_all(_DELIVERY_END, data, at + 1, [])


_DELIVERY_END: Final[tuple[_Reader, ...]] = (_many(_pair), _text, _text)
_ATTACHMENT: Final[tuple[_Reader, ...]] = (
    _text, _optional_text, _optional_text, _optional_long, _optional_bytes, _text, _optional_text,
    _optional_text)
_FRONT: Final[tuple[_Reader, ...]] = (_text,) * 5
_LONG: Final[tuple[_Reader, ...]] = (_long,)
# In the order of `captured.avsc`, which is that of CapturedEvent's fields.
_MIDDLE: Final[tuple[_Reader, ...]] = (
    _optional_text, _optional_text, _optional_bytes, _optional_text,  # native_id … target_known
    _text, _optional_identity, _many(_identity),                      # revision, who
    _optional_text, _optional_long, _optional_long, _optional_text,   # direction, occurred …
    _optional_text, _optional_text, _optional_text, _optional_long,   # … to fold
    _optional_text, _text, _many(_attachment), _many(_text), _many(_pair),  # text … details
    _optional_bytes, _text, _optional_text, _optional_bytes,          # key_material, provenance …
    _text, _text, _long, _text,                                       # custodian … compartment
)
