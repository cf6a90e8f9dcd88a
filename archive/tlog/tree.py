"""The tree of the log: RFC 6962 hashes, proofs and their checks (RFC 9162 §2.1). Pure.

Owns the arithmetic alone: where hashes come from is the port `Hashes`; what a leaf says is
`leaf.py`, how hashes are stored is `tiles.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Protocol

from archive.merkle import EMPTY_ROOT, above
from schemas.errors import Refused

HASH_BYTES: Final = 32
# A tree of more leaves is nobody's; C2SP allows 63 levels.
SIZE_MAX: Final = 2**63 - 1


class Hashes(Protocol):
    """The complete subtrees of one growing tree."""

    def complete(self, level: int, index: int) -> bytes:
        """The hash over the 2^level leaves from index · 2^level on, all of which are there."""


def leaf_hash(entry: bytes) -> bytes:
    """Of one entry."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Of two neighbours."""
    return sha256(b"\x01" + left + right).digest()


def subtree_root(hashes: Sequence[bytes]) -> bytes:
    """Over at least one hash, any number of them."""
    level = list(hashes)
    while len(level) > 1:
        level = above(level)
    return level[0]


def extended(edge: Sequence[bytes], size: int, hashes: Sequence[bytes]) -> tuple[bytes, ...]:
    """The right edge of a tree after more leaves: one hash for each bit of its size, the largest
    subtree first. The edge is all that a tree needs to grow, and its root follows from it."""
    out = list(edge)
    for one in hashes:
        out.append(one)
        done = size
        while done & 1:
            right = out.pop()
            out[-1] = node_hash(out[-1], right)
            done >>= 1
        size += 1
    return tuple(out)


def edge_root(edge: Sequence[bytes]) -> bytes:
    """The tree head over a right edge; of none that of the empty tree."""
    if not edge:
        return EMPTY_ROOT
    out = edge[-1]
    for left in reversed(edge[:-1]):
        out = node_hash(left, out)
    return out


def range_hash(hashes: Hashes, start: int, end: int) -> bytes:
    """MTH(D[start:end]) for a range that a tree has as a subtree; end > start."""
    width = end - start
    if width & (width - 1) == 0 and start % width == 0:
        level = width.bit_length() - 1
        return hashes.complete(level, start >> level)
    split = _split(width)
    return node_hash(range_hash(hashes, start, start + split),
                     range_hash(hashes, start + split, end))


def root_at(hashes: Hashes, size: int) -> bytes:
    """The head of the tree's first `size` leaves."""
    return range_hash(hashes, 0, size) if size else EMPTY_ROOT


def inclusion(hashes: Hashes, index: int, size: int) -> tuple[bytes, ...]:
    """RFC 6962 §2.1.1: the audit path of leaf `index` in the tree of `size`, its sibling first."""
    if not 0 <= index < size:
        raise Refused(f"tlog_proof: no leaf {index} in a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        split = start + _split(end - start)
        if index < split:
            path.append(range_hash(hashes, split, end))
            end = split
        else:
            path.append(range_hash(hashes, start, split))
            start = split
    return tuple(reversed(path))


def consistency(hashes: Hashes, old: int, size: int) -> tuple[bytes, ...]:
    """RFC 6962 §2.1.2: that the tree of `size` begins with the tree of `old`. Empty from nothing
    and to itself."""
    if not 0 <= old <= size:
        raise Refused(f"tlog_proof: a tree of {size} is not later than one of {old}")
    if old in (0, size):
        return ()
    path: list[bytes] = []
    start, end, whole = 0, size, True
    while old != end:
        split = start + _split(end - start)
        if old <= split:
            path.append(range_hash(hashes, split, end))
            end = split
        else:
            path.append(range_hash(hashes, start, split))
            start, whole = split, False
    if not whole:
        path.append(range_hash(hashes, start, end))
    return tuple(reversed(path))


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes],
                    root: bytes) -> None:
    """RFC 9162 §2.1.3.2. `leaf` is the leaf's hash. Raises Refused("tlog_proof…")."""
    if not 0 <= index < size <= SIZE_MAX:
        raise Refused("tlog_proof: the leaf is not in the tree")
    inner, last, out = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise Refused("tlog_proof: the path is too long")
        if inner & 1 or inner == last:
            out = node_hash(sibling, out)
            while not inner & 1 and inner:
                inner, last = inner >> 1, last >> 1
        else:
            out = node_hash(out, sibling)
        inner, last = inner >> 1, last >> 1
    if last != 0 or out != root:
        raise Refused("tlog_proof: it does not lead to the root")


def check_consistency(old: int, size: int, path: Sequence[bytes], old_root: bytes,
                      root: bytes) -> None:
    """RFC 9162 §2.1.4.2. Raises Refused("tlog_consistency…")."""
    if not 0 <= old <= size <= SIZE_MAX:
        raise Refused("tlog_consistency: the sizes go backwards")
    if old in (0, size):
        known = EMPTY_ROOT if old == 0 else root
        if path or old_root != known:
            raise Refused("tlog_consistency: another tree of the same size" if old
                          else "tlog_consistency: a proof from the empty tree is empty")
        return
    proof = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not proof:
        raise Refused("tlog_consistency: the proof is empty")
    inner, last = old - 1, size - 1
    while inner & 1:
        inner, last = inner >> 1, last >> 1
    before = after = proof[0]
    for sibling in proof[1:]:
        if last == 0:
            raise Refused("tlog_consistency: the proof is too long")
        if inner & 1 or inner == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not inner & 1 and inner:
                inner, last = inner >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        inner, last = inner >> 1, last >> 1
    if last != 0 or before != old_root or after != root:
        raise Refused("tlog_consistency: it does not lead to both roots")


def _split(width: int) -> int:
    """The largest power of two below `width`, which is at least 2."""
    return 1 << (width - 1).bit_length() - 1
