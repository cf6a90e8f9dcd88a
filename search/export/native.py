"""The native format: every archived record, byte for byte, with what it says beside it.

Owns data/native/events.jsonl and the raw bytes of the providers. This is what the proof is about
(docs/FORMAT.md §17); every other format is a rendering of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from schemas import codec
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent
from schemas.identity import delivery_id
from search.export import canonical, naming
from search.export.cells import Cells
from search.export.model import Item, Record, Sink, Slice

EVENTS: Final = "data/native/events.jsonl"
# How the raw bytes of a record are known.
OWN: Final = "own"            # they are in its datum
SLICE: Final = "slice"        # a range of a delivery whose whole is another record of the package
EXCERPT: Final = "excerpt"    # a range of a delivery whose whole is not in the package


@dataclass(frozen=True, slots=True)
class _Whole:
    """A delivery that is whole in one record; `record` 0 = it is not in the package."""

    record: int
    body: bytes


class Native:
    """Writes slices. `cells`: where the rest of a delivery may lie beside an item."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    def begin(self, sink: Sink) -> None:
        """The file is there, also where nothing was chosen."""
        sink.append(EVENTS, b"")

    def slice(self, one: Slice, sink: Sink) -> frozenset[str]:
        """The lines of a slice; which schemas its datums are of (fingerprints, hex)."""
        wholes = _wholes(one.items)
        for item in one.items:
            for record in item.records:
                sink.append(EVENTS, canonical.line(self._line(one, item, record, wholes, sink)))
        return frozenset(record.datum[2:codec.PREFIX_BYTES].hex()
                         for item in one.items for record in item.records)

    def _line(self, one: Slice, item: Item, record: Record, wholes: Mapping[bytes, _Whole],
              sink: Sink) -> dict[str, Any]:
        place = record.pointer
        said = codec.fields(record.datum)
        is_part = record.datum[:codec.PREFIX_BYTES] == codec.PART_PREFIX
        line = {
            "record": record.number, "document": item.document_id,
            "conversation": one.conversation, "custodian": item.custodian,
            "address": {"topic_id": place.topic_id, "partition": place.partition,
                        "offset": place.offset, "index": place.index},
            "datum": canonical.encoded(record.datum),
            "event": canonical.part(said) if is_part else canonical.readable(said),
            "raw": self._raw(record, wholes, sink),
        }
        if is_part and record.event is not None:
            line["whole"] = canonical.readable(codec.fields(codec.encode(record.event)))
        return line

    def _raw(self, record: Record, wholes: Mapping[bytes, _Whole],
             sink: Sink) -> dict[str, Any] | None:
        event = record.event
        if event is None:
            return None
        kind, body, of = OWN, event.raw, 0
        if body is None:
            found = self._delivered(record, event, wholes)
            if found is None or event.delivery is None:
                return None
            body = found.body[event.delivery.start:event.delivery.end]
            kind, of = (SLICE, found.record) if found.record else (EXCERPT, 0)
        path = naming.raw(record.number, event.raw_type)
        sink.put(path, body)
        said: dict[str, Any] = {"file": path, "kind": kind, "bytes": len(body),
                                "sha256": sha256(body).hexdigest()}
        return said | {"of": of} if kind == SLICE else said

    def _delivered(self, record: Record, event: CapturedEvent,
                   wholes: Mapping[bytes, _Whole]) -> _Whole | None:
        """The whole delivery that an item came in: in the slice, else in its own cell."""
        if event.delivery is None or not event.delivery.delivery_id:
            return None
        known = wholes.get(event.delivery.delivery_id)
        if known is not None:
            return known
        try:
            beside = self._cells.of(record.pointer).events
        except (Missing, Refused):
            return None
        for other in beside:
            try:
                said = codec.decode(other.datum)
            except Refused:
                continue  # a record kept as received
            if isinstance(said, CapturedEvent) and _name(said) == event.delivery.delivery_id:
                return _Whole(0, said.raw or b"")
        return None


def _wholes(items: Iterable[Item]) -> dict[bytes, _Whole]:
    out: dict[bytes, _Whole] = {}
    for item in items:
        for record in item.records:
            name = _name(record.event) if record.event is not None else None
            if record.event is not None and name is not None:
                out.setdefault(name, _Whole(record.number, record.event.raw or b""))
    return out


def _name(event: CapturedEvent) -> bytes | None:
    """What the delivery is called that an event holds whole; or null."""
    if event.raw is None or event.delivery is None or not event.delivery.whole:
        return None
    return delivery_id(event.captured_at, event.raw)
