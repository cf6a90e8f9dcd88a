"""Many places of records, (leaf, position), in eight bytes each.

Owns the packing: an export knows the place of every record of it at once, and a set of pairs costs
twenty times as much.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from schemas.errors import Refused

Place = tuple[int, int]
"""(number of the leaf, position in its cell)."""

_WORD: Final = 8
_POSITION_BITS: Final = 32


class Places(Collection[Place]):
    """A set that does not change, in order."""

    def __init__(self, places: Iterable[Place] = ()) -> None:
        found = array("Q", (leaf << _POSITION_BITS | position for leaf, position in places))
        if any(found[at] >= found[at + 1] for at in range(len(found) - 1)):
            found = array("Q", sorted(set(found)))
        self._sorted: array[int] = found

    def __contains__(self, place: object) -> bool:
        """Whether it is one of them."""
        if not isinstance(place, tuple):
            return False
        leaf, position = place
        wanted = leaf << _POSITION_BITS | position
        at = bisect_left(self._sorted, wanted)
        return at < len(self._sorted) and self._sorted[at] == wanted

    def __iter__(self) -> Iterator[Place]:
        """By leaf and position."""
        return ((one >> _POSITION_BITS, one & (1 << _POSITION_BITS) - 1) for one in self._sorted)

    def __len__(self) -> int:
        return len(self._sorted)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Places) and self._sorted == other._sorted

    def __hash__(self) -> int:
        return hash(self._sorted.tobytes())

    def dump(self) -> bytes:
        """Big-endian words, the same on every machine."""
        return _ordered(self._sorted).tobytes()

    @staticmethod
    def load(body: bytes) -> Places:
        """What `dump` gave. Raises Refused for anything else."""
        if len(body) % _WORD:
            raise Refused("places that were cut")
        found = Places()
        found._sorted = _ordered(array("Q", body))
        return found


def _ordered(words: array[int]) -> array[int]:
    """Between this machine's order of bytes and the file's."""
    if array("H", (1,)).tobytes()[0] == 0:
        return words                           # it is big-endian itself
    swapped = words[:]
    swapped.byteswap()
    return swapped
