"""The auditor names what was done to the log, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from archive.store import Lock
from archive.tlog import checkpoint, note
from archive.tlog import tiles as tiling
from archive.tlog.audit import LogReport
from archive.tlog.checkpoint import Head
from archive.tlog.sequence import (
    batch_key,
    checkpoint_key,
    cosignature_key,
    tile_key,
    timestamp_key,
)
from archive.tlog.tiles import Tile
from schemas.findings import FINDINGS
from tests.archive import logs
from tests.archive.logs import NOW, ORIGIN, Book, signer
from tests.archive.tlog.tsa import Authorities
from tests.fakes.store import COMPLIANCE, FakeStore

UNTIL = Lock(COMPLIANCE, NOW + 10**12)
STAMPED = Authorities()
WITNESS = logs.witness()
Damage = Callable[[Book, FakeStore], object]


def grown() -> tuple[Book, FakeStore]:
    """A log of 300 leaves in three batches, one full tile, with a cosignature."""
    store = FakeStore(lambda: NOW, accuse=False)
    book = Book(store)
    notary = book.notary()
    for count in (100, 170, 30):
        book.grow(0, count)
        notary.turn()
    signed = notary.checkpoint()
    assert signed is not None
    store.plant(cosignature_key(300, WITNESS.key), note.with_signatures(
        signed, [note.cosign(signed.text, WITNESS, NOW // 1000)]).render().encode(), UNTIL)
    store.plant(timestamp_key(300, STAMPED.authority().name), STAMPED.response(
        signed.render().encode()), UNTIL)
    return book, store


def audited(book: Book) -> LogReport:
    """By somebody who knows the witness and the authority."""
    return book.audit(witnesses=(WITNESS.key,), authorities=(STAMPED.authority(),))


def forged(size: int) -> bytes:
    """A head by the log's own key, of no tree of ours."""
    return checkpoint.signed(ORIGIN, Head(size, b"x" * 32), signer()).render().encode()


def _flip(store: FakeStore, key: str) -> None:
    body = bytearray(store.objects[key][0].body)
    body[len(body) // 2] ^= 1
    store.damage(key, bytes(body))


def _hidden_and_gone(_book: Book, store: FakeStore) -> None:
    store.remove(batch_key(1))
    store.add_marker(batch_key(1))


def _other_segment(book: Book, store: FakeStore) -> None:
    other = Book(FakeStore(lambda: NOW))
    other.random(1)
    other.grow(0, 100)
    assert isinstance(other.store, FakeStore)
    store.damage(book.segments[0], other.store.objects[book.segments[0]][0].body)


DAMAGES: dict[str, tuple[set[str], Damage]] = {
    "a batch was changed": (
        {"tlog_damaged"}, lambda book, store: _flip(store, batch_key(1))),
    "the last batch was changed": (
        {"tlog_damaged"}, lambda book, store: _flip(store, batch_key(2))),
    "a batch is gone": (
        {"tlog_missing"}, lambda book, store: store.remove(batch_key(0))),
    "a batch is gone, and a delete marker stands in its place": (
        {"tlog_missing", "tlog_hidden"}, _hidden_and_gone),
    "the last batch is gone": (
        {"tlog_forked"}, lambda book, store: store.remove(batch_key(2))),
    "another head of a size that there is": (
        {"tlog_forked", "tlog_hidden"},
        lambda book, store: store.plant(checkpoint_key(270), forged(270), UNTIL)),
    "a head between two batches": (
        {"tlog_forked"}, lambda book, store: store.plant(checkpoint_key(120), forged(120), UNTIL)),
    "a head beyond the end": (
        {"tlog_forked"}, lambda book, store: store.plant(checkpoint_key(999), forged(999), UNTIL)),
    "a head at another's name": (
        {"tlog_checkpoint_damaged", "tlog_forked"},
        lambda book, store: store.plant(checkpoint_key(121), forged(120), UNTIL)),
    "a checkpoint is gone": (
        {"tlog_checkpoint_damaged"}, lambda book, store: store.remove(checkpoint_key(270))),
    "a checkpoint was changed": (
        {"tlog_checkpoint_damaged"}, lambda book, store: _flip(store, checkpoint_key(270))),
    "a tile was changed": (
        {"tlog_tile_damaged"}, lambda book, store: _flip(store, tile_key(Tile(0, 0)))),
    "a tile was cut": (
        {"tlog_tile_damaged"}, lambda book, store: store.damage(tile_key(Tile(0, 0)), b"x")),
    "a segment is gone": (
        {"tlog_leaf_differs"}, lambda book, store: store.remove(book.segments[1])),
    "a segment was exchanged for another that the archiver signed": (
        {"tlog_leaf_differs"}, _other_segment),
    "a segment was changed": (
        {"tlog_leaf_differs"}, lambda book, store: _flip(store, book.segments[2])),
    "a cosignature was changed": (
        {"tlog_cosignature_damaged"},
        lambda book, store: _flip(store, cosignature_key(300, WITNESS.key))),
    "a cosignature was moved to another checkpoint": (
        {"tlog_cosignature_damaged"}, lambda book, store: store.plant(
            cosignature_key(270, WITNESS.key),
            store.objects[cosignature_key(300, WITNESS.key)][0].body, UNTIL)),
    "a cosignature of nobody's": (
        {"tlog_cosignature_damaged"},
        lambda book, store: store.plant("log/cosignature/" + "0" * 20 + "/00000000", b"", UNTIL)),
    "a time stamp was changed": (
        {"tlog_timestamp_damaged"}, lambda book, store: _flip(store, timestamp_key(300, "tsa"))),
    "a time stamp was moved to another checkpoint": (
        {"tlog_timestamp_damaged"}, lambda book, store: store.plant(
            timestamp_key(270, "tsa"), store.objects[timestamp_key(300, "tsa")][0].body, UNTIL)),
    "a lock that ends too early": (
        {"tlog_unlocked"},
        lambda book, store: store.relock(tile_key(Tile(0, 0)), Lock(COMPLIANCE, NOW + 1))),
    "a tile of leaves that there are not": (
        {"tlog_tile_damaged"},
        lambda book, store: store.plant(tile_key(Tile(0, 1)), bytes(256 * 32), UNTIL)),
    "a younger version over a batch": (
        {"tlog_hidden", "tlog_damaged", "tlog_unlocked"},
        lambda book, store: store.put_over(batch_key(1), b"junk")),
    "a delete marker over a checkpoint": (
        {"tlog_hidden"}, lambda book, store: store.add_marker(checkpoint_key(270))),
    "a lock that is none": (
        {"tlog_unlocked"}, lambda book, store: store.relock(checkpoint_key(270), Lock("", 0))),
    "an object that is nobody's": (
        {"tlog_foreign_object"}, lambda book, store: store.plant("log/x", b"", UNTIL)),
    "a partial tile that nobody stores": (
        {"tlog_foreign_object"}, lambda book, store: store.plant(
            "log/" + Tile(0, 1, 44).path(), bytes(44 * 32), UNTIL)),
}


def test_a_clean_log_has_no_fault() -> None:
    """And every part of it was looked at."""
    book, _ = grown()
    report = audited(book)
    assert ({"witness1.example": (300, NOW // 1000)}, 300, 0) == (
        report.cosigned, report.stamped["tsa"][0], report.unnamed)
    assert 2 == book.audit().unnamed
    assert [] == report.faults
    assert (3, 3, 1, 0, 0, 300) == (report.batches, report.checkpoints, report.tiles,
                                    report.tiles_absent, report.waiting, report.head.size)
    assert 1 == sum(tile.width == tiling.WIDTH for tile in tiling.tiles_of(300))


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_is_named(name: str) -> None:
    """By its codes, no fewer and no more."""
    book, store = grown()
    codes, damage = DAMAGES[name]
    damage(book, store)
    assert codes == {fault.code for fault in audited(book).faults}


def test_every_code_has_a_damage_that_shows_it() -> None:
    """A code that nothing can show is a promise without a test."""
    assert {code for code in FINDINGS if code.startswith("tlog_")} == set().union(
        *(codes for codes, _ in DAMAGES.values()))


def test_a_checkpoint_that_somebody_kept_is_compared() -> None:
    """One of ours is right; one of another tree, or of a tree that was cut off, is not."""
    book, store = grown()
    kept = [note.read_bytes(store.objects[checkpoint_key(size)][0].body) for size in (100, 300)]
    assert [] == book.audit(*kept).faults
    (fault,) = book.audit(note.read_bytes(forged(300))).faults
    assert ("tlog_forked", "the checkpoint that was handed in") == (fault.code, fault.where)
    strange = checkpoint.signed(ORIGIN, Head(3, b"x" * 32), signer("stranger"))
    assert ["tlog_checkpoint_damaged"] == [one.code for one in book.audit(strange).faults]
    for key in (batch_key(2), checkpoint_key(300), cosignature_key(300, WITNESS.key)):
        store.remove(key)
    assert [] == book.audit().faults
    assert {"tlog_forked"} == {one.code for one in book.audit(kept[1]).faults}


def test_what_the_batches_make_again_is_no_fault() -> None:
    """A tile, and the last checkpoint, which a notary that died has not signed yet."""
    book, store = grown()
    store.remove(tile_key(Tile(0, 0)))
    assert ([], [tile_key(Tile(0, 0))]) == (audited(book).faults, audited(book).absent)
    for key in (checkpoint_key(300), cosignature_key(300, WITNESS.key),
                timestamp_key(300, "tsa")):
        store.remove(key)
    assert ([], [tile_key(Tile(0, 0)), checkpoint_key(300)]) == (
        audited(book).faults, audited(book).absent)


def test_what_is_not_in_the_log_yet_is_counted() -> None:
    """An archive that is ahead of its log is no fault."""
    book, _ = grown()
    book.grow(1, 2)
    book.grow(0, 2)
    report = book.audit()
    assert ([], 2) == (report.faults, report.waiting)
