"""Sets of kinds as a 64-bit mask: what a session may say, on the wire and in cells.

Owns the bit numbers. They are frozen: a bit is never reused, a new kind takes the next one.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

KIND_BITS: Final[dict[str, int]] = {
    "message": 0, "edit": 1, "retraction": 2, "restoration": 3, "reaction": 4, "receipt": 5,
    "membership": 6, "identity": 7, "call": 8, "gap": 9, "heartbeat": 10, "unknown": 11,
    "quarantine": 12, "delivery": 13, "directory": 14, "assignment": 15, "audit": 16,
    "review": 17, "hold": 18, "notice": 19, "consent": 20, "device": 21, "policy": 22,
    "export": 23, "derived": 24, "disposition": 25,
}
_NAMES: Final = {bit: kind for kind, bit in KIND_BITS.items()}


def mask_of(kinds: Iterable[str]) -> int:
    """The mask of a set of kinds; a kind without a bit is a programming error."""
    mask = 0
    for kind in kinds:
        mask |= 1 << KIND_BITS[kind]
    return mask


@lru_cache(maxsize=256)
def kinds_of(mask: int) -> frozenset[str]:
    """The kinds of a mask; bits that this version does not know name no kind."""
    return frozenset(name for bit, name in _NAMES.items() if mask >> bit & 1)
