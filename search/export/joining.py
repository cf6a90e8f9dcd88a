"""A large event out of parts of several sightings: which choice of them gives it. Pure.

Owns the order in which choices are tried, and how many: the verifier tries the same ones
(docs/FORMAT.md §17), so that a whole stands in the package wherever its parts give one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import product
from typing import Final

from schemas import codec
from schemas.document import Entry
from schemas.errors import Refused
from schemas.events import CapturedEvent, EventPart
from schemas.identity import event_id, message_key
from schemas.wire import Pointer

Cut = tuple[str, int]
"""(token of a large event, how many parts it was cut into)."""

# What is tried for one event, where each try counts as so many bytes at least.
JOINED_BYTES_MAX: Final = 1 << 30
TRIED_BYTES: Final = 1 << 22


def cut_of(part: Entry) -> Cut:
    """Which event, cut how, a part is of."""
    return (part.part.set_id, part.part.total) if part.part is not None else ("", 0)


def cuts(entries: Iterable[Entry], pointers: Iterable[Pointer]) -> dict[Cut, list[Pointer]]:
    """The parts of each large event of which every number is there, in the order of `pointers`,
    which is that of the records."""
    parts = {one.pointer: one for one in entries if one.part is not None}
    numbers: dict[Cut, set[int]] = {}
    for one in parts.values():
        if one.part is not None:
            numbers.setdefault(cut_of(one), set()).add(one.part.number)
    out: dict[Cut, list[Pointer]] = {}
    for pointer in pointers if parts else ():
        if pointer in parts and len(numbers[cut_of(parts[pointer])]) == cut_of(parts[pointer])[1]:
            out.setdefault(cut_of(parts[pointer]), []).append(pointer)
    return out


def put_together(parts: Sequence[EventPart]) -> tuple[int, CapturedEvent] | None:
    """The event that some choice of `parts` gives, one of each number, and the place in `parts` of
    the choice's first. `parts`: of one event and one cut (`set_id` and `total`), in the order of
    their records. Null where a number is not there, or no choice that is tried gives the event."""
    if not parts:
        return None
    bodies: list[dict[bytes, int]] = [{} for _ in range(parts[0].total)]
    for place, part in enumerate(parts):
        bodies[part.number].setdefault(part.body, place)
    if not all(bodies):
        return None
    tried = 0
    for chosen in product(*(one.values() for one in bodies)):
        datum = b"".join(parts[place].body for place in chosen)
        tried += len(datum) + TRIED_BYTES
        with suppress(Refused):
            event = codec.decode(datum)
            if isinstance(event, CapturedEvent) and _is_of(event, parts[chosen[0]]):
                return chosen[0], event
        if tried > JOINED_BYTES_MAX:
            break
    return None


def _is_of(event: CapturedEvent, part: EventPart) -> bool:
    return (event_id(event), message_key(event), event.kind) == (
        part.set_id, part.message_key, part.kind)
