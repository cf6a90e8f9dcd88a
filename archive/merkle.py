"""Merkle tree heads as RFC 6962 §2.1 defines them, with SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

EMPTY_ROOT = hashlib.sha256(b"").digest()


def root(entries: Sequence[bytes]) -> bytes:
    """The tree head over `entries` in order: leaf = H(00 ‖ entry), node = H(01 ‖ left ‖ right)."""
    sha = hashlib.sha256
    level = [sha(b"\x00" + entry).digest() for entry in entries]
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        level = above(level)
    return level[0]


def above(level: Sequence[bytes]) -> list[bytes]:
    """The hashes one level up. Pairing neighbours and promoting an odd last node is the RFC's split
    at the largest power of two, seen from below."""
    sha = hashlib.sha256
    odd = level[-1:] if len(level) & 1 else ()
    return [*(sha(b"\x01" + left + right).digest()
              for left, right in zip(level[::2], level[1::2], strict=False)), *odd]


class Tree:
    """A tree that is kept, so that each of its entries can be proved. `entries`: at least one."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        sha = hashlib.sha256
        level = [sha(b"\x00" + entry).digest() for entry in entries]
        self.size: Final = len(level)
        self._levels = [level]
        while len(level) > 1:
            level = above(level)
            self._levels.append(level)

    @property
    def root(self) -> bytes:
        """As `root` of the same entries."""
        return self._levels[-1][0]

    def path(self, index: int) -> tuple[bytes, ...]:
        """RFC 6962 §2.1.1: the audit path of entry `index`, its sibling first. A node that was
        promoted has no sibling there and adds nothing."""
        out: list[bytes] = []
        for level in self._levels[:-1]:
            beside = index ^ 1
            if beside < len(level):
                out.append(level[beside])
            index >>= 1
        return tuple(out)
