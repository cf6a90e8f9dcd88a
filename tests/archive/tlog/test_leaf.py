"""Leaves and batches: one spelling each, and nothing that does not follow."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive import layout
from archive.authentic import winner
from archive.tlog import batch as batches
from archive.tlog import leaf
from archive.tlog.batch import Batch, Listed, NewerBatch, Read
from schemas.errors import Refused
from schemas.identity import canonical
from tests.archive.logs import NOW, ORIGIN, Book, signer

KEY = signer().key


def listed(count: int = 2, segments: int = 1) -> list[Listed]:
    """Segments as a batch lists them."""
    book = Book()
    out = []
    for _ in range(segments):
        name = layout.read_segment(book.grow(count=count))
        assert name is not None
        found, _ = winner(book.store, book.authenticator(), name)
        assert found is not None
        out.append(batches.listed(found))
    return out


def made(before: Read | None = None, segments: int = 1) -> Batch:
    """A batch."""
    return batches.following(before, ORIGIN, listed(2, segments), [], NOW, NOW + 1)


def encoded(batch: Batch) -> bytes:
    """As it lies in the store."""
    return batches.encode(batch, KEY, signer().sign)


def test_a_leaf_says_what_the_cell_is_and_no_word() -> None:
    """Address, hashes, count, domain and date; read back it is the same."""
    (one,) = listed(2)
    for each in one.leaves():
        entry = each.entry()
        assert each == leaf.read(entry)
        said = json.loads(entry)
        assert {"v", "key", "segment", "first", "last", "retain_until", "trial", "cell", "start",
                "length", "domain", "generation", "count", "ciphertext", "root", "tags_root",
                } == set(said)
        assert len(entry) < 700
        assert b"datum" not in entry


@pytest.mark.parametrize("change", [
    {"v": 2}, {"key": "segments/x"}, {"first": 1}, {"last": -1}, {"count": 0}, {"count": True},
    {"count": "1"}, {"trial": 0}, {"root": "AB" * 32}, {"root": "ab"}, {"domain": "ab" * 32},
    {"start": 0}, {"more": 1}, {"retain_until": 1.5}, {"root": None}])
def test_what_is_no_leaf_is_refused(change: dict[str, Any]) -> None:
    """Other versions, places, numbers, spellings."""
    (first, _) = listed(2)[0].leaves()
    said = json.loads(first.entry()) | change
    with pytest.raises(Refused, match="tlog_leaf"):
        leaf.read(leaf.canonical_json(said))
    with pytest.raises(Refused, match="tlog_leaf"):
        leaf.read(first.entry() + b" ")


@given(st.binary(max_size=60))
def test_no_bytes_make_the_reader_stumble(body: bytes) -> None:
    """Refused, never another error."""
    with pytest.raises(Refused):
        leaf.read(body)
    with pytest.raises(Refused):
        batches.decode(body, ORIGIN, [KEY])


def test_a_batch_reads_back_and_its_follower_follows() -> None:
    """Sizes, roots and edge go on from batch to batch."""
    first = batches.decode(encoded(made()), ORIGIN, [KEY])
    assert made() == first.batch
    assert 2 == first.batch.head.size == len(first.batch.leaves())
    batches.check_follows(None, first.batch)
    second = made(first, 3)
    assert (1, 2, 8) == (second.number, second.start, second.head.size)
    assert (first.sha256, first.batch.head.root) == (second.previous, second.previous_root)
    batches.check_follows(first, second)
    for wrong in (replace(second, start=1), replace(second, number=2),
                  replace(second, previous="00" * 32), replace(second, segments=()),
                  replace(second, previous_root=bytes(32))):
        with pytest.raises(Refused, match="tlog_batch"):
            batches.check_follows(first, wrong)
    with pytest.raises(Refused, match="tlog_batch"):
        batches.check_follows(None, second)


def test_no_flipped_bit_of_a_batch_is_accepted() -> None:
    """Every byte is under the signature, or is the signature."""
    body = encoded(made())
    for place in range(len(body)):
        changed = bytearray(body)
        changed[place] ^= 1
        with pytest.raises(Refused, match="tlog_batch"):
            batches.decode(bytes(changed), ORIGIN, [KEY])
    for other in (body[:-1], body + b"\n", body[1:], b""):
        with pytest.raises(Refused, match="tlog_batch"):
            batches.decode(other, ORIGIN, [KEY])


def test_a_batch_of_another_log_or_key_is_refused() -> None:
    """Its origin is in what is signed."""
    body = encoded(made())
    with pytest.raises(Refused, match="tlog_batch"):
        batches.decode(body, "other.example/log", [KEY])
    with pytest.raises(Refused, match="tlog_batch"):
        batches.decode(body, ORIGIN, [signer("another").key])
    older = [signer("another").key, KEY]
    assert made() == batches.decode(body, ORIGIN, older).batch


def test_a_signed_batch_that_does_not_add_up_is_refused() -> None:
    """Also where the log's key signed it."""
    batch = made()
    for wrong in (replace(batch, head=replace(batch.head, size=3)),
                  replace(batch, head=replace(batch.head, root=bytes(32))),
                  replace(batch, edge=(bytes(32),)), replace(batch, start=1)):
        with pytest.raises(Refused, match="tlog_batch"):
            batches.decode(encoded(wrong), ORIGIN, [KEY])


def test_a_signed_batch_of_a_later_version_is_told_from_junk() -> None:
    """So that an older notary stops and does not take its place."""
    body = leaf.canonical_json({"v": 2, "new": True})
    signature = signer().sign(canonical("counterfoil/log-batch/v1", ORIGIN, body))
    data = body + f"\nsignature {KEY.key_id.hex()} {signature.hex()}\n".encode()
    with pytest.raises(NewerBatch):
        batches.decode(data, ORIGIN, [KEY])
