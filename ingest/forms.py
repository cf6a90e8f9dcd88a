"""application/x-www-form-urlencoded bodies -> pairs, exactly.

Owns the decoding that both the signature and the adapter of a form webhook stand on: `+` is a
space, order and repetition are kept, blank keys and values too, and no byte is lost.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

from schemas.errors import Refused

# Twilio sends some 60; at the limit the body is refused rather than half read.
PAIRS_MAX: Final = 2_000


def decode(body: bytes) -> list[tuple[str, str]]:
    """The pairs of a form body, in order. Empty pieces between `&` are no pairs.

    Bytes that are no UTF-8 come as lone surrogates (PEP 383), so that encoding with
    "surrogateescape" gives back what was received. Raises Refused above PAIRS_MAX pairs.
    """
    pieces = [piece for piece in body.split(b"&") if piece]
    if len(pieces) > PAIRS_MAX:
        raise Refused(f"more than {PAIRS_MAX} form fields")
    pairs = []
    for piece in pieces:
        name, _, value = piece.partition(b"=")
        pairs.append((_text(name), _text(value)))
    return pairs


def _text(raw: bytes) -> str:
    return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8", "surrogateescape")
