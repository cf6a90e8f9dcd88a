"""Unsigned LEB128: seven bits a byte, low bits first, at most nine bytes (63 bits)."""

from __future__ import annotations

from schemas.errors import Refused

# The encodings of what is less than 2^14, made once: nearly every number of an event. Where one is
# encoded per event, the call of `encode` is a good part of the cost.
SHORT = [bytes((value,)) for value in range(128)] + [
    bytes((value & 127 | 128, value >> 7)) for value in range(128, 1 << 14)]


def encode(value: int) -> bytes:
    """The shortest encoding of 0 <= value < 2^63."""
    if value < len(SHORT):
        return SHORT[value] if value >= 0 else _negative(value)
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode(data: bytes, at: int) -> tuple[int, int]:
    """(value, position after it). Raises Refused when cut, longer than needed or too large."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 56:
            raise Refused("cell_unreadable: a number is cut")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            if byte == 0 and shift:
                raise Refused("cell_unreadable: a number is not in its shortest form")
            return value, at
        shift += 7


def _negative(value: int) -> bytes:
    raise AssertionError(f"varint of {value}")
