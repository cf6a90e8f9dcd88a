"""The quick reader of a datum says what the codec says, or nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec, datum, events
from schemas.errors import Refused
from schemas.events import Attachment, CapturedEvent, Delivery, EventPart, Identity
from tests.search import world

_text = st.text(max_size=12) | st.just("é" * 80)
_maybe = st.none() | _text
_bytes = st.none() | st.binary(max_size=40) | st.just(bytes(9_000))
_number = st.integers(-2**62, 2**62 - 1)
_pairs = st.lists(st.tuples(_text, _text), max_size=3).map(tuple)
_identity = st.builds(Identity, _text, _text, _maybe)
_delivery = st.builds(Delivery, st.binary(max_size=16), st.integers(0, 10**6), st.integers(0, 9),
                      st.booleans(), _pairs, _text, _text)
_events = st.builds(
    CapturedEvent, kind=st.sampled_from(sorted(events.ALL_KINDS)), channel=_text, source=_text,
    account=_text, conversation=_text, captured_at=_number, native_id=_maybe, target=_maybe,
    target_key=_bytes, target_known=_maybe, revision=_text, actor=st.none() | _identity,
    participants=st.lists(_identity, max_size=3).map(tuple), direction=_maybe,
    occurred_at=st.none() | _number, occurred_not_before=st.none() | _number,
    occurred_local=_maybe, fold=st.none() | st.integers(0, 1), text=_maybe,
    attachments=st.lists(st.builds(
        Attachment, _text, _maybe, _maybe, st.none() | _number, _bytes, _text, _maybe, _maybe),
        max_size=2).map(tuple),
    observations=st.lists(_text, max_size=2).map(tuple), details=_pairs, key_material=_bytes,
    provenance_who=_maybe, provenance_sha256=_bytes, raw=_bytes, raw_type=_text,
    delivery=st.none() | _delivery)


def judged(data: bytes) -> tuple[CapturedEvent, bytes] | None:
    """What the codec makes of it, without what the quick reader leaves out."""
    try:
        found = codec.decode(data)
    except Refused:
        return None
    if isinstance(found, EventPart):
        return None
    return replace(found, raw=None, delivery=None), codec.encode_content(found)


@given(_events)
@settings(max_examples=150)
def test_what_our_encoder_writes_is_read(event: CapturedEvent) -> None:
    """Every field, and the content byte for byte: the digest of an entry hangs on it."""
    data = codec.encode(event)
    assert datum.read(data) == judged(data) is not None


@pytest.mark.slow
@given(_events, st.data())
@settings(max_examples=300)
def test_what_is_spelled_otherwise_is_left_to_the_codec(
        event: CapturedEvent, data: st.DataObject) -> None:
    """Changed, cut or longer: it never says anything that the codec does not say."""
    whole = bytearray(codec.encode(event))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(whole)) | st.just(len(whole)))
    changed = bytes(whole[:end]) + data.draw(st.sampled_from((b"", b"", b"\0")))
    found = datum.read(changed)
    assert found is None or found == judged(changed)


def test_a_longer_spelling_of_a_number_is_left_to_the_codec() -> None:
    """The codec reads it, and its content is spelled anew there."""
    data = codec.encode(world.event(kind="message"))
    at = codec.PREFIX_BYTES
    longer = data[:at] + bytes((data[at] | 128, 0)) + data[at + 1:]
    assert judged(longer) == judged(data) == datum.read(data)
    assert datum.read(longer) is None


def test_a_part_is_left_to_the_codec() -> None:
    """It has another schema."""
    part = EventPart(b"s" * 16, b"m" * 16, "message", 0, 2, b"body")
    assert datum.read(codec.encode_part(part)) is None
