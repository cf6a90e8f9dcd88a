"""Small parts for the archive's unit tests: a place, sessions, events of a cell, a segment."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archive import cell as cells
from archive import segment
from archive.cell import Cell, CellEvent, Dictionary, Place
from archive.segment import Header
from archive.unseal import Session
from infra.keyfiles import writer_id
from tests.world import Random

PLACE = Place(bytes(range(16)), 3, 100, 199)
DOMAIN = bytes(range(16, 32))
KEY = bytes(range(32, 64))
PLAIN = Dictionary(None)
SEALING = Ed25519PrivateKey.from_private_bytes(bytes(range(64, 96)))
SEALING_PUBLIC = SEALING.public_key().public_bytes_raw()
WRITER = writer_id(SEALING_PUBLIC)


def session(number: int = 0) -> Session:
    """A capture process's session."""
    return Session(bytes([1, number]) * 8, bytes([2, number]) * 8, 1)


def event(offset: int, index: int = 0, datum: bytes = b"datum", tag: bytes = b"t" * 16,
          who: int = 0) -> CellEvent:
    """One datum at an address."""
    return CellEvent(offset, index, tag, session(who), offset, datum)


def sealed_cell(events: Sequence[CellEvent], seed: str = "cell",
                dictionary: Dictionary = PLAIN) -> Cell:
    """A cell of the one domain."""
    return cells.seal(PLACE, DOMAIN, 0, KEY, events, dictionary, Random(seed))


def header(**changes: object) -> Header:
    """A header for cells of PLACE."""
    values: dict[str, object] = {
        "topic": "capture", "topic_id": PLACE.topic_id, "partition": PLACE.partition,
        "first": PLACE.first, "last": PLACE.last, "missing": ((101, 198),),
        "last_record": sha256(b"record").digest(), "previous": bytes(32), "sealed_at": 1_000,
        "retain_until": 2_000, "trial": False, "dictionary": b"", "writer": WRITER}
    return Header(**(values | changes))  # type: ignore[arg-type]


def sealed_segment(**changes: object) -> bytes:
    """A segment of one cell with two events."""
    return segment.encode(header(**changes), [sealed_cell([event(100), event(199)])], SEALING.sign)
