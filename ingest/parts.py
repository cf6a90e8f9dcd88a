"""One event -> what is sealed of it: one datum, or numbered parts of it (PROTOCOL C3).

Owns the cut into parts, and where a pack is full. A part repeats the whole's id, message key and
kind, so that all parts lie in the whole's domain and conversation and meet in one document; the
number is inside the sealed datum.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from ingest.routing import Router
from schemas import codec, domains, events, limits, pack
from schemas.errors import Refused
from schemas.events import CapturedEvent, EventPart
from schemas.identity import event_id, message_key
from schemas.pack import Item

# What the length of a body may take in front of it.
_LENGTH_BYTES: Final = 5
# What a pack says besides its table and datums: prefix and signed opening, the hybrid one too.
_PACK_FRAME_BYTES: Final = 2048


def items_of(event: CapturedEvent, router: Router,
             part_bytes_max: int = limits.PART_BYTES_MAX) -> list[Item]:
    """What is to be sealed for `event`, in order: one item, or one per part.

    Raises Refused when it does not encode, or would take more than PARTS_MAX parts.
    """
    domain, tag = router.domain(event), router.tag(event)
    datum = encoded(event)
    if len(datum) <= part_bytes_max:
        return [Item(domain, tag, datum, quiet=event.kind == events.HEARTBEAT)]
    return [Item(domain, tag, codec.encode_part(part))
            for part in split(event, datum, part_bytes_max)]


def encoded(event: CapturedEvent) -> bytes:
    """The datum of `event`. Raises Refused for a value that the schema cannot hold: half a UTF-16
    pair in a text, a number beyond 64 bits."""
    try:
        return codec.encode(event)
    except (ValueError, TypeError, OverflowError, AttributeError, struct.error) as error:
        raise Refused(f"event does not encode: {type(error).__name__}") from error


def split(event: CapturedEvent, datum: bytes, part_bytes_max: int) -> list[EventPart]:
    """`datum`, the encoding of `event`, in parts whose encodings are at most `part_bytes_max`."""
    set_id, key, facts = event_id(event), message_key(event), domains.facts_of(event)
    empty = EventPart(set_id, key, event.kind, limits.PARTS_MAX, limits.PARTS_MAX, b"",
                      facts.custodian, facts.retention_class, facts.years, facts.compartment,
                      facts.month, facts.role)
    body_bytes = part_bytes_max - len(codec.encode_part(empty)) - _LENGTH_BYTES
    total = -(-len(datum) // body_bytes)
    if total > limits.PARTS_MAX:
        raise Refused(f"an event of {len(datum)} bytes takes more than {limits.PARTS_MAX} parts")
    return [replace(empty, number=number, total=total,
                    body=datum[number * body_bytes:(number + 1) * body_bytes])
            for number in range(total)]


def pack_length(waiting: Iterable[Item]) -> int:
    """How many of the first of `waiting` make one pack: at least one, if there is any."""
    count, size = 0, _PACK_FRAME_BYTES
    for item in waiting:
        size += pack.ROW_BYTES + len(item.datum)
        if count and (size > limits.PACK_BYTES_MAX or count >= limits.PACK_EVENTS_MAX):
            break
        count += 1
    return count


def join(parts: Iterable[EventPart]) -> bytes:
    """The datum that `parts` of one set hold; order and repetition do not matter.

    Raises Refused for an incomplete set and for parts that contradict each other.
    """
    known: dict[int, EventPart] = {}
    first: EventPart | None = None
    for part in parts:
        first = first or part
        if (part.set_id, part.total) != (first.set_id, first.total):
            raise Refused("parts of different events, or of different cuts")
        if known.setdefault(part.number, part).body != part.body:
            raise Refused(f"two different parts with number {part.number}")
    if first is None or set(known) != set(range(first.total)):
        raise Refused(f"{len(known)} of {first.total if first else 0} parts")
    return b"".join(known[number].body for number in range(first.total))
