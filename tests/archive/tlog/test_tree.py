"""The tree against the RFC's own recursion, and its proofs against every small tree."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive import merkle
from archive.tlog import tree
from schemas.errors import Refused
from tests.archive.test_merkle import ENTRIES, HEADS, naive

SIZES = 40


class ListHashes:
    """`Hashes` of a list of entries, by the RFC's recursion."""

    def __init__(self, entries: list[bytes]) -> None:
        self.entries = entries

    def complete(self, level: int, index: int) -> bytes:
        part = self.entries[index << level:(index + 1) << level]
        assert 1 << level == len(part), "a subtree that is not complete"
        return naive(part)


def numbered(size: int) -> list[bytes]:
    """Entries that differ."""
    return [number.to_bytes(2, "big") for number in range(size)]


@pytest.mark.parametrize("size", HEADS)
def test_an_edge_grows_to_the_published_heads(size: int) -> None:
    """Leaf by leaf, and all at once."""
    hashes = [tree.leaf_hash(bytes.fromhex(one)) for one in ENTRIES[:size]]
    edge: tuple[bytes, ...] = ()
    for number, one in enumerate(hashes):
        edge = tree.extended(edge, number, [one])
    assert edge == tree.extended((), 0, hashes)
    assert HEADS[size] == tree.edge_root(edge).hex()
    assert size.bit_count() == len(edge)


def test_every_edge_and_every_earlier_head_is_the_trees() -> None:
    """Of 300 sizes, around each power of two."""
    entries = numbered(300)
    edge: tuple[bytes, ...] = ()
    for size, entry in enumerate(entries):
        assert merkle.root(entries[:size]) == tree.edge_root(edge)
        assert merkle.root(entries[:size]) == tree.root_at(ListHashes(entries), size)
        edge = tree.extended(edge, size, [tree.leaf_hash(entry)])


def test_every_inclusion_proof_of_every_small_tree_holds() -> None:
    """And does not hold for another leaf, place, size, root, or with one hash changed, more or
    fewer."""
    entries = numbered(SIZES)
    hashes = ListHashes(entries)
    for size in range(1, SIZES + 1):
        root = merkle.root(entries[:size])
        for index in range(size):
            path = tree.inclusion(hashes, index, size)
            leaf = tree.leaf_hash(entries[index])
            tree.check_inclusion(leaf, index, size, path, root)
            wrong = [(tree.leaf_hash(b"x"), index, size, path, root),
                     (leaf, index, size, path, bytes(32)),
                     (leaf, index, size, (*path, bytes(32)), root),
                     (leaf, index, 0, path, root), (leaf, -1, size, path, root),
                     (leaf, size, size, path, root)]
            if size > 1:
                wrong += [(leaf, index, size, path[1:], root), (leaf, index, size, path[:-1], root),
                          (leaf, index ^ 1, size, path, root)]
            for one in wrong:
                with pytest.raises(Refused, match="tlog_proof"):
                    tree.check_inclusion(*one)


def test_every_consistency_proof_between_small_trees_holds() -> None:
    """And does not hold from or to another root, nor with one hash changed, more or fewer."""
    entries = numbered(SIZES)
    hashes = ListHashes(entries)
    roots = [merkle.root(entries[:size]) for size in range(SIZES + 1)]
    for size in range(SIZES + 1):
        for old in range(size + 1):
            path = tree.consistency(hashes, old, size)
            tree.check_consistency(old, size, path, roots[old], roots[size])
            wrong = [(old, size, (*path, bytes(32)), roots[old], roots[size]),
                     (old, size, path, b"x" * 32, roots[size])]
            if 0 < old:
                wrong.append((old, size, path, roots[old], b"x" * 32))
            if path:
                wrong += [(old, size, path[1:], roots[old], roots[size]),
                          (old, size, path[:-1], roots[old], roots[size]),
                          (old, size, (b"x" * 32, *path[1:]), roots[old], roots[size])]
            for one in wrong:
                with pytest.raises(Refused, match="tlog_consistency"):
                    tree.check_consistency(*one)
    with pytest.raises(Refused):
        tree.check_consistency(3, 2, (), roots[3], roots[2])
    with pytest.raises(Refused):
        tree.consistency(hashes, 3, 2)


@given(st.integers(1, 300), st.data())
def test_a_tree_with_one_other_leaf_has_no_consistency_proof(size: int, data: st.DataObject,
                                                             ) -> None:
    """Whoever changes, drops or moves an old leaf cannot prove the new tree to who saw the old."""
    old = data.draw(st.integers(1, size))
    changed = data.draw(st.integers(0, old - 1))
    entries = numbered(size)
    known = merkle.root(entries[:old])
    entries[changed] = b"another"
    hashes, root = ListHashes(entries), merkle.root(entries)
    path = tree.consistency(hashes, old, size)
    with pytest.raises(Refused, match="tlog_consistency"):
        tree.check_consistency(old, size, path, known, root)


def test_no_leaf_is_asked_for_beyond_the_tree() -> None:
    """A proof of what is not there is refused, not made up."""
    for index in (-1, 3, 10):
        with pytest.raises(Refused, match="tlog_proof"):
            tree.inclusion(ListHashes(numbered(3)), index, 3)
    assert sha256(b"").digest() == tree.root_at(ListHashes([]), 0)
