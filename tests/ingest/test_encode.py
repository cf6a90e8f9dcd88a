"""The datum that we write ourselves is the one that the library writes, or the library's error."""

from __future__ import annotations

import io
from dataclasses import fields, replace
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.parts import encoded
from schemas import codec, events
from schemas.errors import Refused
from schemas.events import Attachment, CapturedEvent, Delivery, Identity

_text = st.text(max_size=12) | st.sampled_from(("", "é" * 80, "x" * 5_000))
_maybe = st.none() | _text
_bytes = st.none() | st.sampled_from((b"", bytes(8_191), bytes(8_192))) | st.binary(max_size=9)
_long = st.integers(-2**63, 2**63 - 1) | st.integers(-200, 200)
_int = st.integers(-2**31, 2**31 - 1)
_pairs = st.lists(st.tuples(_text, _text), max_size=3).map(tuple)
_identity = st.builds(Identity, _text, _text, _maybe)
_delivery = st.builds(Delivery, st.binary(max_size=16), _int, _int, st.booleans(), _pairs, _text,
                      _text)
_attachment = st.builds(Attachment, _text, _maybe, _maybe, st.none() | _long, _bytes, _text,
                        _maybe, _maybe)
_events = st.builds(
    CapturedEvent, kind=st.sampled_from(sorted(events.ALL_KINDS)), channel=_text, source=_text,
    account=_text, conversation=_text, captured_at=_long, native_id=_maybe, target=_maybe,
    target_key=_bytes, target_known=_maybe, revision=_text, actor=st.none() | _identity,
    participants=st.lists(_identity, max_size=3).map(tuple), direction=_maybe,
    occurred_at=st.none() | _long, occurred_not_before=st.none() | _long,
    occurred_precision=_maybe, occurred_meaning=_maybe, occurred_local=_maybe, zone=_maybe,
    fold=st.none() | _int, text=_maybe, content_state=_text,
    attachments=st.lists(_attachment, max_size=2).map(tuple),
    observations=st.lists(_text, max_size=2).map(tuple), details=_pairs, key_material=_bytes,
    provenance=_text, provenance_who=_maybe, provenance_sha256=_bytes, custodian=_text,
    retention_class=_text, retention_years=_int, compartment=_text, raw=_bytes, raw_type=_text,
    delivery=st.none() | _delivery)
# What is of no field's type, or of another one's.
_odd = st.sampled_from((
    None, True, 0, 1.5, "\ud800", "text", b"bytes", bytearray(b"x"), 2**31, -2**31 - 1, 2**63,
    -2**63 - 1, (), ("\udfff",), (("a", None),), ((b"a", "b"),), ("a",), [], {}, object(),
    Identity("a", "b", b"c"),  # type: ignore[arg-type]
    Delivery(b"", 0, 2**31), Delivery(None, 0, 1), Delivery(b"", 0, 1, 1),  # type: ignore[arg-type]
    Delivery(b"", 0, True, True), (Attachment("a", size=2**63),), (Attachment("a", sha256="b"),)))  # type: ignore[arg-type]


def by_library(event: CapturedEvent) -> bytes:
    """The same event, written by fastavro."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, codec.CAPTURED_SCHEMA, codec._record(event))
    return codec.CAPTURED_PREFIX + out.getvalue()


@given(_events)
@settings(max_examples=150)
def test_every_event_is_the_librarys_bytes(event: CapturedEvent) -> None:
    """Byte for byte, and read back as it was; the content is the same with three fields bare."""
    assert codec.encode(event) == by_library(event)
    assert codec.decode(codec.encode(event)) == event
    bare = replace(event, captured_at=0, raw=None, delivery=None)
    assert codec.encode_content(event) == by_library(bare)[codec.PREFIX_BYTES:]


@pytest.mark.slow
@given(_events, st.sampled_from([one.name for one in fields(CapturedEvent)]), _odd)
@settings(max_examples=600)
def test_what_does_not_fit_is_the_librarys_to_judge(event: CapturedEvent, name: str,
                                                    value: Any) -> None:
    """A value of another type in any field: its bytes if it takes it, Refused if it does not."""
    odd = replace(event, **{name: value})
    try:
        expected: bytes | None = by_library(odd)
    except Exception:  # noqa: BLE001 - whatever it raises, it does not take it
        expected = None
    try:
        found: bytes | None = encoded(odd)
    except Refused:
        found = None
    assert found == expected
