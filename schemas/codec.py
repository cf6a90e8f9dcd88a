"""Events <-> bytes: Avro single-object encoding, marker C3 01 and the CRC-64-AVRO fingerprint.

Owns the datum's bytes (Avro 1.11 specification, "Single object encoding"). A fingerprint that is
not in the table is `Refused`: the reader keeps the datum and says so.

An event is written field by field in the order of `captured.avsc`, a third of the library's time,
which tries every branch of every union; a test holds the two byte for byte together.
"""

from __future__ import annotations

import io
import json
import struct
from functools import lru_cache
from importlib import resources
from typing import Any, Final

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

from schemas.errors import Refused
from schemas.events import Attachment, CapturedEvent, Delivery, EventPart, Identity

MARKER: Final = b"\xc3\x01"
PREFIX_BYTES: Final = 10

_NULL: Final = b"\x00"           # also false, zero, and the end of an array
_SOME: Final = b"\x02"           # the second branch of every union: the first is null
_INT_MAX: Final = 1 << 31
_LONG_MAX: Final = 1 << 63
_BYTES: Final = tuple(bytes((one,)) for one in range(256))
# What a value that is not of its field's type raises while it is written.
_NOT_PLAIN: Final = (TypeError, AttributeError, ValueError, OverflowError)


def _load(name: str) -> tuple[Any, bytes]:
    source = json.loads(resources.files("schemas").joinpath(name).read_text("utf-8"))
    print_hex = fingerprint(to_parsing_canonical_form(source), "CRC-64-AVRO")
    return fastavro.parse_schema(source), MARKER + bytes.fromhex(print_hex)


CAPTURED_SCHEMA, CAPTURED_PREFIX = _load("captured.avsc")
PART_SCHEMA, PART_PREFIX = _load("part.avsc")


def encode(event: CapturedEvent) -> bytes:
    """The datum of one event."""
    try:
        return _written(CAPTURED_PREFIX, event, event.captured_at, event.raw, event.delivery)
    except _NOT_PLAIN:
        return CAPTURED_PREFIX + _by_library(_record(event))


def encode_content(event: CapturedEvent) -> bytes:
    """`encode` without what differs between two sightings of one fact: our time, the delivery and
    its bytes (PROTOCOL I2). Equal content has equal bytes; it is no datum and is never stored."""
    try:
        return _written(b"", event, 0, None, None)
    except _NOT_PLAIN:
        record = _record(event)
        record.update(captured_at=0, delivery=None, raw=None)
        return _by_library(record)


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


def sources() -> dict[str, bytes]:
    """The schemas of datums as released, by the fingerprint (hex) that a datum begins with."""
    return {prefix[len(MARKER):].hex(): resources.files("schemas").joinpath(name).read_bytes()
            for prefix, name in ((CAPTURED_PREFIX, "captured.avsc"), (PART_PREFIX, "part.avsc"))}


def fields(datum: bytes) -> dict[str, Any]:
    """What a datum says, by its schema's names and types: for who shows all of it. Raises as
    `decode` does."""
    prefix = datum[:PREFIX_BYTES]
    for known, schema in ((CAPTURED_PREFIX, CAPTURED_SCHEMA), (PART_PREFIX, PART_SCHEMA)):
        if prefix == known:
            return _read(datum, schema)
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


def _by_library(record: dict[str, Any]) -> bytes:
    """A record of the captured schema, checked by the library. Raises what it raises."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, CAPTURED_SCHEMA, record)
    return out.getvalue()


def _written(prefix: bytes, event: CapturedEvent, captured_at: int, raw: bytes | None,
             delivery: Delivery | None) -> bytes:
    """The fields in the schema's order. Raises one of _NOT_PLAIN for a value that is not plainly
    of its field's type: then the library decides, and says what is wrong."""
    actor = event.actor
    return b"".join([
        prefix, _name(event.kind), _name(event.channel), _name(event.source),
        _name(event.account), _string(event.conversation), _long(captured_at),
        _text(event.native_id), _text(event.target), _bytes(event.target_key),
        _known(event.target_known), _string(event.revision),
        _NULL if actor is None else _SOME + _identity(actor),
        _array([_identity(one) for one in event.participants]), _known(event.direction),
        _number(event.occurred_at), _number(event.occurred_not_before),
        _known(event.occurred_precision), _known(event.occurred_meaning),
        _text(event.occurred_local), _known(event.zone), _number(event.fold, _INT_MAX),
        _text(event.text), _name(event.content_state),
        _array([_attachment(one) for one in event.attachments]),
        _array([_name(one) for one in event.observations]), _pairs(event.details),
        _bytes(event.key_material), _name(event.provenance), _text(event.provenance_who),
        _bytes(event.provenance_sha256), _name(event.custodian), _name(event.retention_class),
        _long(event.retention_years), _name(event.compartment), _bytes(raw),
        _name(event.raw_type), _NULL if delivery is None else _SOME + _delivery(delivery),
    ])


def _identity(one: Identity) -> bytes:
    return _string(one.native_id) + _name(one.id_type) + _text(one.display_name)


def _attachment(one: Attachment) -> bytes:
    return b"".join((
        _string(one.native_id), _text(one.media_type), _text(one.name), _number(one.size),
        _bytes(one.sha256), _name(one.state), _text(one.reason), _text(one.url)))


def _delivery(one: Delivery) -> bytes:
    return b"".join((
        _blob(one.delivery_id), _long(one.start, _INT_MAX), _long(one.end, _INT_MAX),
        _boolean(one.whole), _pairs(one.headers), _name(one.verdict), _name(one.secret_id)))


def _pairs(pairs: tuple[tuple[str, str], ...]) -> bytes:
    return _array([_name(name) + _string(value) for name, value in pairs])


def _array(items: list[bytes]) -> bytes:
    """One block, and the empty one that ends an array."""
    return _long(len(items)) + b"".join(items) + _NULL if items else _NULL


@lru_cache(4096)
def _name(text: str) -> bytes:
    """A string that comes again and again: kinds, accounts, names of facts. Never content."""
    return _string(text)


@lru_cache(256)
def _known(text: str | None) -> bytes:
    """An optional one of those."""
    return _text(text)


def _string(text: str) -> bytes:
    data = text.encode("utf-8")
    size = len(data)
    return (_LENGTHS[size] if size < _LENGTHS_MAX else _long(size)) + data


def _text(text: str | None) -> bytes:
    return _NULL if text is None else _SOME + _string(text)


def _blob(data: bytes) -> bytes:
    if type(data) is not bytes:
        raise TypeError("not bytes")
    return _long(len(data)) + data


def _bytes(data: bytes | None) -> bytes:
    return _NULL if data is None else _SOME + _blob(data)


def _boolean(value: bool) -> bytes:
    if type(value) is not bool:
        raise TypeError("no boolean")
    return b"\x01" if value else b"\x00"


def _number(value: int | None, beyond: int = _LONG_MAX) -> bytes:
    return _NULL if value is None else _SOME + _long(value, beyond)


def _long(value: int, beyond: int = _LONG_MAX) -> bytes:
    """A zigzag varint (Avro 1.11, "Primitive Types"), at most what its type holds."""
    if type(value) is not int or not -beyond <= value < beyond:
        raise OverflowError("no integer of this size")
    rest = (value << 1) ^ (value >> 63)
    if rest < 0x80:
        return _BYTES[rest]
    out = bytearray()
    while rest >= 0x80:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


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
_LENGTHS_MAX: Final = 4096
_LENGTHS: Final = tuple(_long(size) for size in range(_LENGTHS_MAX))
