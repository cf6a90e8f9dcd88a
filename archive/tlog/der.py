"""DER, as much of it as a time stamp needs: definite lengths in their shortest form, bounded.

Owns reading and writing of tags, lengths, integers and object identifiers. What the elements mean
is `timestamp.py`'s; certificates are read by the library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.errors import Refused

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
OCTETS: Final = 0x04
NULL: Final = 0x05
OID: Final = 0x06
TIME: Final = 0x18
SEQUENCE: Final = 0x30
SET: Final = 0x31
_CHILDREN_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its tag, what is in it, and all its bytes."""

    tag: int
    body: bytes
    raw: bytes

    def children(self) -> list[Element]:
        """What it consists of. Raises Refused."""
        out: list[Element] = []
        at = 0
        while at < len(self.body):
            one = _element(self.body, at)
            out.append(one)
            at += len(one.raw)
            if len(out) > _CHILDREN_MAX:
                raise Refused("tlog_timestamp: too many elements")
        return out

    def is_context(self, number: int) -> bool:
        """Whether it is tagged [number]."""
        return self.tag & 0xDF == 0x80 | number


class Fields:
    """The children of an element, taken in order."""

    def __init__(self, element: Element, tag: int = SEQUENCE) -> None:
        if element.tag != tag:
            raise Refused(f"tlog_timestamp: tag {element.tag:#04x} where {tag:#04x} has to be")
        self._left = element.children()

    def take(self, tag: int | None = None) -> Element:
        """The next one, of this tag if one is given. Raises Refused."""
        if not self._left or (tag is not None and self._left[0].tag != tag):
            raise Refused("tlog_timestamp: an element is missing or another")
        return self._left.pop(0)

    def maybe(self, tag: int) -> Element | None:
        """The next one if it has this tag."""
        return self.take() if self._left and self._left[0].tag == tag else None

    def maybe_context(self, number: int) -> Element | None:
        """The next one if it is tagged [number]."""
        return self.take() if self._left and self._left[0].is_context(number) else None

    def end(self) -> None:
        """Raises Refused unless all were taken."""
        if self._left:
            raise Refused("tlog_timestamp: an element too many")


def read(data: bytes) -> Element:
    """The one element that `data` is. Raises Refused."""
    one = _element(data, 0)
    if len(one.raw) != len(data):
        raise Refused("tlog_timestamp: trailing bytes")
    return one


def integer(element: Element) -> int:
    """Raises Refused for another spelling than the shortest."""
    body = element.body
    if element.tag != INTEGER or not body or len(body) > 128 or (
            len(body) > 1 and (body[0], body[1] >> 7) in ((0, 0), (255, 1))):
        raise Refused("tlog_timestamp: not an integer")
    return int.from_bytes(body, "big", signed=True)


def only(element: Element, tag: int) -> Element:
    """The one child of an element. Raises Refused."""
    children = element.children()
    if len(children) != 1 or children[0].tag != tag:
        raise Refused("tlog_timestamp: not the one element that has to be there")
    return children[0]


def encode(tag: int, *bodies: bytes) -> bytes:
    """One element."""
    body = b"".join(bodies)
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def encode_integer(value: int) -> bytes:
    """Of a number that is not negative."""
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def encode_oid(dotted: str) -> bytes:
    """1.2.840… -> its element. Raises ValueError."""
    first, second, *rest = [int(part) for part in dotted.split(".")]
    out = bytearray()
    for number in (first * 40 + second, *rest):
        groups = [number & 127]
        while number := number >> 7:
            groups.append(number & 127 | 128)
        out += bytes(reversed(groups))
    return encode(OID, bytes(out))


def dotted(element: Element) -> str:
    """The inverse. Raises Refused."""
    numbers: list[int] = []
    value = 0
    for place, byte in enumerate(element.body):
        if byte == 128 and (place == 0 or element.body[place - 1] < 128):
            raise Refused("tlog_timestamp: an object identifier in a longer spelling")
        value = value << 7 | byte & 127
        if byte < 128:
            numbers.append(value)
            value = 0
    if element.tag != OID or not numbers or element.body[-1] >= 128:
        raise Refused("tlog_timestamp: not an object identifier")
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def _element(data: bytes, at: int) -> Element:
    if at + 2 > len(data) or data[at] & 0x1F == 0x1F:
        raise Refused("tlog_timestamp: an element is cut")
    size, begin = data[at + 1], at + 2
    if size >= 0x80:
        count = size & 0x7F
        length = data[begin:begin + count]
        size = int.from_bytes(length, "big")
        if not 1 <= count <= 4 or len(length) != count or not length[0] or size < 128:
            raise Refused("tlog_timestamp: a length that is not DER's")
        begin += count
    end = begin + size
    if end > len(data):
        raise Refused("tlog_timestamp: an element is cut")
    return Element(data[at], data[begin:end], data[at:end])
