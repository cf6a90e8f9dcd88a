"""A segment has one spelling, one signature, and no bytes that make its reader stumble."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive import segment
from archive.authentic import UNKNOWN_WRITER, Authenticator
from archive.cell import Cell
from archive.layout import SegmentName
from archive.segment import NewerFormat
from schemas import limits
from schemas.errors import Halt, Refused
from schemas.identity import canonical
from tests.archive.parts import (
    PLACE,
    SEALING,
    SEALING_PUBLIC,
    WRITER,
    event,
    header,
    sealed_cell,
    sealed_segment,
)

NAME = SegmentName("capture", PLACE.topic_id, PLACE.partition, PLACE.first, 0)
AUTHENTICATOR = Authenticator({WRITER: SEALING_PUBLIC})


def test_header_and_cells_come_back() -> None:
    """What was said is what is read, and each cell lies where its range says."""
    stated, one = header(trial=True, dictionary=bytes(32)), sealed_cell([event(100), event(199)])
    body = segment.encode(stated, [one, one], SEALING.sign)
    read = AUTHENTICATOR.segment(NAME, body)
    assert (stated, [one, one]) == (read.header, [placed.cell for placed in read.cells])
    for placed in read.cells:
        assert one == segment.decode_cell(body[placed.start:placed.start + placed.length])
    assert sha256(body).digest() == read.sha256
    assert bytes(32) == segment.dictionary_of(body[:read.cells[0].start])


def test_equal_content_is_equal_bytes() -> None:
    """Nothing in the container is drawn by chance."""
    assert sealed_segment() == sealed_segment()


def test_plain_avro_tools_read_it() -> None:
    """Schema, header and fields, by fastavro alone."""
    reader = fastavro.reader(io.BytesIO(sealed_segment()))
    [found] = list(reader)
    one = sealed_cell([event(100), event(199)])
    assert found == {name: getattr(one, name) for name in Cell.__slots__}
    assert ("1", "100", "199") == tuple(
        reader.metadata[f"counterfoil.{name}"] for name in ("version", "first", "last"))


@pytest.mark.parametrize("seed", range(3))
def test_no_flipped_bit_is_accepted(seed: int) -> None:
    """One bit anywhere, in any byte: refused by name. (All bits, a few of each byte.)"""
    body = sealed_segment()
    for at in range(len(body)):
        changed = bytearray(body)
        changed[at] ^= 1 << (at + seed) % 8
        with pytest.raises(Refused) as refused:
            AUTHENTICATOR.segment(NAME, bytes(changed))
        assert str(refused.value).startswith("segment_")


def test_no_truncation_and_no_trailing_byte_is_accepted() -> None:
    """Every shorter and every longer object is refused."""
    body = sealed_segment()
    for end in range(len(body)):
        with pytest.raises(Refused):
            AUTHENTICATOR.segment(NAME, body[:end])
    for extra in (b"\x00", body[-16:], body):
        with pytest.raises(Refused):
            AUTHENTICATOR.segment(NAME, body + extra)


@given(st.binary(max_size=200))
def test_no_bytes_make_a_reader_stumble(data: bytes) -> None:
    """Junk with and without an Avro face is Refused."""
    for body in (data, segment.AVRO_MAGIC + data, sealed_segment()[:900] + data):
        with pytest.raises(Refused):
            segment.decode(body)


def test_spliced_segments_do_not_make_a_reader_stumble() -> None:
    """Wild changes of a real segment: whatever they are, Refused or the same segment."""
    chance, body = random.Random(5), sealed_segment()
    for _ in range(1_500):
        changed = bytearray(body)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(changed))
            changed[at:at + chance.randint(0, 3)] = chance.choice(
                (b"", b"\x00", b"\xff" * chance.randint(1, 11), chance.randbytes(3)))
        if bytes(changed) == body:
            continue
        with pytest.raises(Refused):
            AUTHENTICATOR.segment(NAME, bytes(changed))


def _after_header(body: bytes) -> int:
    """Where the number of cells stands."""
    at = segment.decode(body).cells[0].start
    while body[at - 16:at] != body[-16:]:
        at -= 1
    return at


def _long_count(body: bytes) -> bytes:
    at = _after_header(body)
    return body[:at] + bytes([body[at] | 128, 0]) + body[at + 1:]


def _long_number_in_a_cell(body: bytes) -> bytes:
    """A cell's generation (00) spelled 80 00, the block's size one more: the same meaning."""
    at, start = _after_header(body), segment.decode(body).cells[0].start
    size = segment._long(len(body) - start - 16 + 1)
    return (body[:at + 1] + size + body[start:start + 16] + b"\x80\x00" + body[start + 17:])


@pytest.mark.parametrize("spelling", [_long_count, _long_number_in_a_cell])
def test_another_spelling_of_the_same_content_is_refused(
        spelling: Callable[[bytes], bytes]) -> None:
    """Avro lets a number be spelled longer; a segment does not, in its cells either."""
    changed = spelling(sealed_segment())
    assert 1 == len(list(fastavro.reader(io.BytesIO(changed))))
    with pytest.raises(Refused, match="segment_not_canonical"):
        segment.decode(changed)


def test_a_header_in_another_order_is_refused() -> None:
    """A map has no order in Avro; here it has one."""
    body = sealed_segment()
    trial = b"\x22counterfoil.trial\x020"
    assert trial in body
    front, back = body.split(trial)
    at = len(segment.AVRO_MAGIC) + 1
    with pytest.raises(Refused, match="segment_not_canonical"):
        segment.decode(front[:at] + trial + front[at:] + back)


@pytest.mark.parametrize(("changes", "code"), [
    ({"topic": "other"}, "segment_misplaced"), ({"topic_id": bytes(16)}, "segment_misplaced"),
    ({"partition": 4}, "segment_misplaced"), ({"first": 99}, "segment_misplaced"),
    ({"last": 99, "missing": ()}, "segment_unreadable: it ends before"),
    ({"writer": bytes(16)}, UNKNOWN_WRITER)])
def test_a_signed_header_must_name_its_own_place(changes: dict[str, Any], code: str) -> None:
    """A segment is good at one key only, and only from a known hand."""
    with pytest.raises(Refused, match=code):
        AUTHENTICATOR.segment(NAME, sealed_segment(**changes))


def test_a_stranger_cannot_sign() -> None:
    """A header that names our key and is signed by another one."""
    body = segment.encode(header(), [sealed_cell([event(100)])], lambda _message: bytes(64))
    with pytest.raises(Refused, match="segment_signature"):
        AUTHENTICATOR.segment(NAME, body)


def test_an_object_larger_than_any_segment_is_not_parsed() -> None:
    """The limit is asked first."""
    with pytest.raises(Refused, match="segment_oversized"):
        segment.decode(bytes(limits.SEGMENT_OBJECT_BYTES_MAX + 1))


def test_a_writer_never_makes_what_a_reader_refuses() -> None:
    """No cells, or more bytes than a segment may have: a mistake of ours, found before the PUT."""
    with pytest.raises(AssertionError):
        segment.encode(header(), [], SEALING.sign)
    large = sealed_cell([event(100)])
    huge = Cell(**{name: getattr(large, name) for name in Cell.__slots__} | {
        "ciphertext": bytes(limits.SEGMENT_OBJECT_BYTES_MAX)})
    with pytest.raises(AssertionError):
        segment.encode(header(), [huge], SEALING.sign)


def _of_version(version: str, sign: Callable[[bytes], bytes] = SEALING.sign) -> bytes:
    """A container as a later version may write it: other fields, another block."""
    stated = [("version", version), ("topic", "capture"), ("novelty", "yes"),
              ("writer", WRITER.hex())]
    message = canonical(f"counterfoil/segment/v{version}",
                        *[part for pair in stated for part in pair])
    entries = [(f"counterfoil.{name}", value) for name, value in
               [*stated, ("signature", sign(message).hex())]]
    return b"".join((
        segment.AVRO_MAGIC, segment._long(len(entries)),
        *[segment._bytes(name.encode()) + segment._bytes(value.encode())
          for name, value in entries], b"\x00", b"whatever a later version holds"))


def test_a_later_version_that_we_signed_stops_the_process() -> None:
    """An archiver that is rolled back must not take newer segments for junk and write beside them.
    """
    with pytest.raises(NewerFormat):
        segment.decode(_of_version("2"))
    with pytest.raises(Halt, match="format_unknown"):
        AUTHENTICATOR.segment(NAME, _of_version("2"))


@pytest.mark.parametrize("body", [
    _of_version("2", lambda _message: bytes(64)), _of_version("0"), _of_version("01"),
    _of_version("x"), _of_version("9" * 12)])
def test_a_claimed_later_version_that_we_did_not_sign_is_junk(body: bytes) -> None:
    """Nobody who may put objects can stop us by calling junk the future."""
    with pytest.raises(Refused, match="segment_unreadable"):
        AUTHENTICATOR.segment(NAME, body)


@pytest.mark.parametrize("number", [b"\xff" * 9 + b"\x03", b"\xff" * 10, b"\x01"])
def test_a_cell_with_impossible_numbers_is_refused(number: bytes) -> None:
    """A generation of more than 64 bits, or below zero, in a byte range that nobody signed."""
    body = sealed_segment()
    placed = segment.decode(body).cells[0]
    cell = body[placed.start:placed.start + placed.length]
    with pytest.raises(Refused):
        segment.decode_cell(cell[:16] + number + cell[17:])
