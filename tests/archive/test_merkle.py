"""Merkle tree heads against the RFC's own recursion and its reference tree."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive import merkle
from archive.tlog import tree
from schemas.errors import Refused

# The reference tree of RFC 6962's implementations: eight entries, the head after each.
ENTRIES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657",
           "606162636465666768696a6b6c6d6e6f"]
HEADS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
SHARED = Path(__file__).parents[3] / "shared" / "vectors" / "tlog_vectors.json"


def naive(entries: list[bytes]) -> bytes:
    """RFC 6962 §2.1 word for word: split at the largest power of two below n."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    split = 1 << (len(entries) - 1).bit_length() - 1
    return sha256(b"\x01" + naive(entries[:split]) + naive(entries[split:])).digest()


@pytest.mark.parametrize("size", HEADS)
def test_the_reference_tree_has_its_heads(size: int) -> None:
    """The published heads come out."""
    assert HEADS[size] == merkle.root([bytes.fromhex(one) for one in ENTRIES[:size]]).hex()


@given(st.lists(st.binary(max_size=40), max_size=130))
def test_any_tree_is_what_the_recursion_says(entries: list[bytes]) -> None:
    """Pairing neighbours is the RFC's split, for every size."""
    assert naive(entries) == merkle.root(entries)


def test_every_size_up_to_300() -> None:
    """Around each power of two the odd node is promoted, not doubled."""
    entries = [number.to_bytes(2, "big") for number in range(300)]
    assert all(naive(entries[:size]) == merkle.root(entries[:size]) for size in range(301))


def test_an_entry_is_not_a_node() -> None:
    """Two entries cannot be passed off as one: leaves and nodes hash apart."""
    left, right = sha256(b"\x00a").digest(), sha256(b"\x00b").digest()
    assert merkle.root([b"a", b"b"]) != merkle.root([b"\x01" + left + right])
    assert merkle.root([b"a", b"b"]) != merkle.root([left + right])


@pytest.mark.allowed_skip("the shared vectors are not part of the repository")
def test_the_shared_vectors_agree() -> None:
    """The heads of every size in the published file."""
    if not SHARED.exists():
        pytest.skip("no shared vectors")
    vectors = json.loads(SHARED.read_text("utf-8"))
    leaves = [bytes.fromhex(one) for one in vectors["rfc6962_reference_leaves_hex"]]
    for size, head in enumerate(vectors["rfc6962_roots_by_size_hex"]):
        assert head == merkle.root(leaves[:size]).hex()


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33, 100])
def test_every_entry_of_a_kept_tree_leads_to_its_head(size: int) -> None:
    """The paths are RFC 6962's: the log's own check accepts each, at its own place only."""
    entries = [number.to_bytes(2, "big") for number in range(size)]
    kept = merkle.Tree(entries)
    assert (merkle.root(entries), size) == (kept.root, kept.size)
    for index, entry in enumerate(entries):
        path = kept.path(index)
        tree.check_inclusion(tree.leaf_hash(entry), index, size, path, kept.root)
        if size > 1:
            with pytest.raises(Refused):
                tree.check_inclusion(tree.leaf_hash(entry), (index + 1) % size, size, path,
                                     kept.root)
