"""Packs and datums: what came over the wire is taken apart exactly, or Refused."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.seal import decode_refused, encode_refused
from schemas import codec, events, pack
from schemas.errors import Refused
from schemas.events import Attachment, CapturedEvent, Delivery, EventPart, Identity
from schemas.pack import Item
from tests.golden.load import V1, load

LOG_ID = bytes(range(16))
OPENING = pack.opening_body(1, b"k" * 8, b"c" * 16, b"s" * 16, 7, b"wrapped") + bytes(64)


def _pack(items: list[Item]) -> bytes:
    datums = b"".join(item.datum for item in items)
    return pack.head(OPENING, 9, LOG_ID, 3, items) + datums + bytes(pack.TAG_BYTES)


@given(st.lists(st.tuples(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16),
                          st.binary(max_size=50)), min_size=1, max_size=20))
def test_a_pack_is_taken_apart_into_what_it_was_made_of(
        rows: list[tuple[bytes, bytes, bytes]]) -> None:
    """Opening, counter, place, table and the associated data."""
    value = _pack([Item(*row) for row in rows])
    taken = pack.take_apart(value)
    assert (OPENING, 9, LOG_ID, 3) == (taken.opening, taken.counter, taken.topic_id,
                                       taken.partition)
    assert [(domain, tag, len(datum)) for domain, tag, datum in rows] == list(taken.rows)
    assert value == bytes(taken.associated) + bytes(taken.ciphertext)
    opening = pack.read_opening(taken.opening)
    assert (1, b"k" * 8, b"c" * 16, b"s" * 16, 7, b"wrapped") == (
        opening.suite, opening.archiver_key_id, opening.capture_id, opening.session_id,
        opening.kinds, opening.wrapped)
    assert 7 == pack.stated_kinds(value)


@given(st.binary(max_size=300))
def test_no_bytes_make_the_taker_stumble(data: bytes) -> None:
    """Anybody who can write to the broker can write anything."""
    for value in (data, pack.MAGIC + data, _pack([Item(b"d" * 16, b"t" * 16, b"x")])[:-1] + data):
        pack.stated_kinds(value)
        try:
            taken = pack.take_apart(value)
            pack.read_opening(taken.opening)
        except Refused:
            continue


def test_every_cut_and_every_longer_pack_is_refused() -> None:
    """A pack states all its lengths."""
    value = _pack([Item(b"d" * 16, b"t" * 16, b"one"), Item(b"e" * 16, b"u" * 16, b"")])
    for end in range(len(value)):
        with pytest.raises(Refused):
            pack.take_apart(value[:end])
    with pytest.raises(Refused):
        pack.take_apart(value + b"\x00")
    with pytest.raises(Refused):
        pack.take_apart(_pack([]))


def test_no_change_of_a_golden_pack_is_opened() -> None:
    """A thousand seeded changes of bytes: each is refused, none escapes as another error."""
    firm = load()
    unsealer = firm.segment_sealer()._unsealer
    value, chance = (V1 / "log" / "0" / "1.record").read_bytes(), random.Random(3)
    topic_id = firm.log.now().topic_id
    assert unsealer.open(topic_id, 0, value)
    for _ in range(1_000):
        changed = bytearray(value)
        for _ in range(chance.randint(1, 3)):
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        if bytes(changed) != value:
            with pytest.raises(Refused):
                unsealer.open(topic_id, 0, bytes(changed))


def test_no_change_of_a_datum_makes_the_decoder_stumble() -> None:
    """A datum from an enrolled process is still input: an event, or Refused."""
    datums = [path.read_bytes() for path in sorted((V1 / "datums").iterdir())]
    chance = random.Random(4)
    for _ in range(4_000):
        changed = bytearray(chance.choice(datums))
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(10, len(changed))] = chance.choice(
                (0, 1, 127, 128, 254, 255, chance.randrange(256)))
        cut = bytes(changed[:chance.randrange(10, len(changed) + 1)])
        for read in (codec.decode, decode_refused):
            try:
                read(cut)
            except Refused:
                continue


@given(st.binary(max_size=120))
def test_no_bytes_behind_a_known_prefix_make_the_decoder_stumble(data: bytes) -> None:
    """The prefix promises a schema and nothing else."""
    for prefix in (b"", codec.CAPTURED_PREFIX, codec.PART_PREFIX):
        try:
            codec.decode(prefix + data)
        except Refused:
            continue


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
MAYBE_TEXT, MAYBE_TIME = st.none() | TEXT, st.none() | st.integers(-2**63, 2**63 - 1)
IDENTITY = st.builds(Identity, TEXT, TEXT, MAYBE_TEXT)
ATTACHMENT = st.builds(Attachment, TEXT, MAYBE_TEXT, MAYBE_TEXT, MAYBE_TIME,
                       st.none() | st.binary(max_size=32), TEXT, MAYBE_TEXT, MAYBE_TEXT)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple)
SMALL = st.integers(0, 2**31 - 1)
DELIVERY = st.builds(Delivery, st.binary(max_size=16), SMALL, SMALL, st.booleans(), PAIRS, TEXT,
                     TEXT)
OF_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "str": TEXT, "int": st.integers(-2**63, 2**63 - 1), "str | None": MAYBE_TEXT,
    "int | None": MAYBE_TIME, "bytes | None": st.none() | st.binary(max_size=40),
    "Identity | None": st.none() | IDENTITY, "Delivery | None": st.none() | DELIVERY,
    "tuple[Identity, ...]": st.lists(IDENTITY, max_size=3).map(tuple),
    "tuple[Attachment, ...]": st.lists(ATTACHMENT, max_size=2).map(tuple),
    "tuple[str, ...]": st.lists(TEXT, max_size=3).map(tuple),
    "tuple[tuple[str, str], ...]": PAIRS}
NARROW = {"fold": st.none() | st.integers(0, 1), "retention_years": SMALL}
EVENT = st.builds(CapturedEvent, **{
    field.name: NARROW[field.name] if field.name in NARROW else OF_TYPE[str(field.type)]
    for field in dataclasses.fields(CapturedEvent)})


@given(EVENT)
def test_an_event_survives_its_datum(event: CapturedEvent) -> None:
    """Any value of any field comes back, and has one encoding."""
    datum = codec.encode(event)
    assert event == codec.decode(datum)
    assert datum.startswith(codec.CAPTURED_PREFIX)
    with pytest.raises(Refused, match="trailing"):
        codec.decode(datum + b"\x00")


@given(st.text(max_size=30), st.binary(max_size=60))
def test_a_refused_record_survives_its_datum(reason: str, value: bytes) -> None:
    """As received, with the reason."""
    reason = reason.encode("utf-8", "replace").decode()
    assert (reason, value) == decode_refused(encode_refused(reason, value))


def test_a_part_survives_its_datum() -> None:
    """Numbers, facts and body."""
    part = EventPart(bytes(16), bytes(range(16)), events.MESSAGE, 0, 3, b"\x00\xff", "c", "long",
                     10, "m", "2026-01", "")
    assert part == codec.decode(codec.encode_part(part))
