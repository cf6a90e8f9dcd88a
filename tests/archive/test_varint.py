"""Numbers of a cell: one spelling each, and an end to every one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive import varint
from schemas.errors import Refused


@given(st.integers(0, 2**63 - 1), st.binary(max_size=3))
def test_a_number_comes_back_and_ends_where_it_ends(value: int, after: bytes) -> None:
    """What follows is not eaten."""
    packed = varint.encode(value)
    assert (value, len(packed)) == varint.decode(packed + after, 0)
    assert len(packed) == max(1, -(-value.bit_length() // 7))


@given(st.binary(max_size=12))
def test_any_bytes_give_a_number_in_its_shortest_form_or_are_refused(data: bytes) -> None:
    """A number has one spelling, so that a cell has one."""
    try:
        value, end = varint.decode(data, 0)
    except Refused:
        return
    assert data[:end] == varint.encode(value)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\x00", b"\xff\x00", b"\x80" * 9 + b"\x01",
                                  b"\xff" * 10])
def test_cut_long_and_large_numbers_are_refused(data: bytes) -> None:
    """Cut, longer than needed, more than 63 bits."""
    with pytest.raises(Refused, match="cell_unreadable"):
        varint.decode(data, 0)


def test_a_negative_number_is_a_mistake_of_ours() -> None:
    """Nothing below zero is ever written."""
    with pytest.raises(AssertionError):
        varint.encode(-1)
