"""Events <-> bytes: Avro single-object encoding, marker C3 01 and the CRC-64-AVRO fingerprint.

Owns the datum's bytes (Avro 1.11 specification, "Single object encoding"). A fingerprint that is
not in the table is `Refused`: the reader keeps the datum and says so.
"""

from __future__ import annotations

import io
import json
import struct
from importlib import resources
from typing import Any, Final

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

from schemas.errors import Refused
from schemas.events import Attachment, CapturedEvent, Delivery, EventPart, Identity

MARKER: Final = b"\xc3\x01"
PREFIX_BYTES: Final = 10


def _load(name: str) -> tuple[Any, bytes]:
    source = json.loads(resources.files("schemas").joinpath(name).read_text("utf-8"))
    print_hex = fingerprint(to_parsing_canonical_form(source), "CRC-64-AVRO")
    return fastavro.parse_schema(source), MARKER + bytes.fromhex(print_hex)


CAPTURED_SCHEMA, CAPTURED_PREFIX = _load("captured.avsc")
PART_SCHEMA, PART_PREFIX = _load("part.avsc")


def encode(event: CapturedEvent) -> bytes:
    """The datum of one event."""
    out = io.BytesIO()
    out.write(CAPTURED_PREFIX)
    fastavro.schemaless_writer(out, CAPTURED_SCHEMA, _record(event))
    return out.getvalue()


def encode_content(event: CapturedEvent) -> bytes:
    """`encode` without what differs between two sightings of one fact: our time, the delivery and
    its bytes (PROTOCOL I2). Equal content has equal bytes; it is no datum and is never stored."""
    out = io.BytesIO()
    record = _record(event)
    record.update(captured_at=0, delivery=None, raw=None)
    fastavro.schemaless_writer(out, CAPTURED_SCHEMA, record)
    return out.getvalue()


def encode_part(part: EventPart) -> bytes:
    """The datum of one part."""
    out = io.BytesIO()
    out.write(PART_PREFIX)
    fastavro.schemaless_writer(out, PART_SCHEMA, {
        name: getattr(part, name) for name in EventPart.__dataclass_fields__})
    return out.getvalue()


def decode(datum: bytes) -> CapturedEvent | EventPart:
    """The event or part that `datum` holds.

    Raises Refused for an unknown fingerprint, a cut or malformed datum, and trailing bytes.
    """
    prefix = datum[:PREFIX_BYTES]
    if prefix == CAPTURED_PREFIX:
        return _event(_read(datum, CAPTURED_SCHEMA))
    if prefix == PART_PREFIX:
        return EventPart(**_read(datum, PART_SCHEMA))
    raise Refused(f"unknown datum schema {prefix.hex()}")


def _read(datum: bytes, schema: Any) -> dict[str, Any]:
    stream = io.BytesIO(datum)
    stream.seek(PREFIX_BYTES)
    try:
        record = fastavro.schemaless_reader(stream, schema, None)
    except (EOFError, ValueError, IndexError, UnicodeDecodeError, OverflowError, MemoryError,
            struct.error) as error:
        raise Refused(f"datum does not parse: {type(error).__name__}") from error
    if stream.tell() != len(datum):
        raise Refused(f"{len(datum) - stream.tell()} trailing bytes after the datum")
    if not isinstance(record, dict):
        raise Refused("datum is not a record")
    return record


def _record(event: CapturedEvent) -> dict[str, Any]:
    record = {name: getattr(event, name) for name in _PLAIN}
    record["actor"] = _identity_record(event.actor) if event.actor else None
    record["participants"] = [_identity_record(one) for one in event.participants]
    record["attachments"] = [
        {name: getattr(one, name) for name in Attachment.__slots__} for one in event.attachments
    ]
    record["observations"] = list(event.observations)
    record["details"] = [{"name": n, "value": v} for n, v in event.details]
    delivery = event.delivery
    record["delivery"] = None if delivery is None else {
        "delivery_id": delivery.delivery_id, "start": delivery.start, "end": delivery.end,
        "whole": delivery.whole,
        "headers": [{"name": n, "value": v} for n, v in delivery.headers],
        "verdict": delivery.verdict, "secret_id": delivery.secret_id,
    }
    return record


def _identity_record(one: Identity) -> dict[str, Any]:
    return {"native_id": one.native_id, "id_type": one.id_type, "display_name": one.display_name}


def _event(record: dict[str, Any]) -> CapturedEvent:
    values = {name: record[name] for name in _PLAIN}
    actor, delivery = record["actor"], record["delivery"]
    return CapturedEvent(
        **values,
        actor=Identity(**actor) if actor else None,
        participants=tuple(Identity(**one) for one in record["participants"]),
        attachments=tuple(Attachment(**one) for one in record["attachments"]),
        observations=tuple(record["observations"]),
        details=tuple((one["name"], one["value"]) for one in record["details"]),
        delivery=None if delivery is None else Delivery(
            delivery_id=delivery["delivery_id"], start=delivery["start"], end=delivery["end"],
            whole=delivery["whole"],
            headers=tuple((one["name"], one["value"]) for one in delivery["headers"]),
            verdict=delivery["verdict"], secret_id=delivery["secret_id"],
        ),
    )


_NESTED: Final = {"actor", "participants", "attachments", "observations", "details", "delivery"}
_PLAIN: Final = tuple(n for n in CapturedEvent.__dataclass_fields__ if n not in _NESTED)
