"""Form bodies, exactly as received."""

from __future__ import annotations

from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import forms
from schemas.errors import Refused


@pytest.mark.parametrize(("body", "expected"), [
    (b"", []),
    (b"&&", []),
    (b"a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
    (b"a=&b&=c&=", [("a", ""), ("b", ""), ("", "c"), ("", "")]),
    (b"a+b=c%20d+e%2Bf", [("a b", "c d e+f")]),
    (b"Body=%F0%9F%98%80", [("Body", "\U0001f600")]),
    (b"Body=\xf0\x9f\x98\x80", [("Body", "\U0001f600")]),
    (b"a=b=c", [("a", "b=c")]),
    (b"a=%zz%2", [("a", "%zz%2")]),
    (b"a=1;b=2", [("a", "1;b=2")]),
    (b"a=%ff", [("a", "\udcff")]),
    (b"a=%00", [("a", "\0")]),
])
def test_pairs_are_decoded_exactly(body: bytes, expected: list[tuple[str, str]]) -> None:
    """Order, repetition, blanks, plus, percent and stray bytes survive."""
    assert expected == forms.decode(body)


def test_too_many_fields_are_refused() -> None:
    """A body of endless fields is refused, not half read."""
    assert forms.PAIRS_MAX == len(forms.decode(b"a&" * forms.PAIRS_MAX))
    with pytest.raises(Refused):
        forms.decode(b"a&" * (forms.PAIRS_MAX + 1))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.binary(), st.binary()), max_size=5))
def test_no_byte_is_lost(pairs: list[tuple[bytes, bytes]]) -> None:
    """Any bytes that a sender encodes come back."""
    body = "&".join(f"{quote_from_bytes(name)}={quote_from_bytes(held)}"
                    for name, held in pairs).encode()
    back = [(name.encode("utf-8", "surrogateescape"), held.encode("utf-8", "surrogateescape"))
            for name, held in forms.decode(body)]
    assert pairs == back
