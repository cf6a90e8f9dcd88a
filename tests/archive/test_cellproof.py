"""What proves one event of a cell without the others: salt, path, tag; and gives no key away."""

from __future__ import annotations

import hmac
from hashlib import sha256

from hypothesis import given

from archive import cell as cells
from archive.cell import CellEvent, CellProof
from archive.tlog import tree
from schemas.errors import Refused
from tests.archive.parts import KEY, PLACE, PLAIN, event, sealed_cell
from tests.archive.test_cell import cell_events


def commitment(one: CellEvent, salt: bytes) -> bytes:
    """As docs/FORMAT.md §5 says it, written anew."""
    return sha256(b"counterfoil/commit/v1" + salt + PLACE.topic_id
                  + PLACE.partition.to_bytes(4, "big") + one.offset.to_bytes(8, "big")
                  + one.index.to_bytes(4, "big") + one.datum).digest()


@given(cell_events())
def test_every_event_leads_to_the_cells_root(events: list[CellEvent]) -> None:
    """By its own salt and path, and by no other's."""
    if not events:
        return
    sealed = sealed_cell(events)
    proof = CellProof(sealed, PLACE, KEY, cells.open_cell(sealed, PLACE, KEY, PLAIN))
    for position, one in enumerate(events):
        tree.check_inclusion(tree.leaf_hash(commitment(one, proof.salts[position])), position,
                             sealed.count, proof.path(position), sealed.root)
    assert len(set(proof.salts)) == len(events)


@given(cell_events())
def test_every_conversation_leads_to_the_tags_root(events: list[CellEvent]) -> None:
    """Blinded, with its number of events, in order."""
    if not events:
        return
    sealed = sealed_cell(events)
    proof = CellProof(sealed, PLACE, KEY, events)
    assert list(proof.tags) == sorted(proof.tags)
    counts = {hmac.digest(proof.tag_key, one.tag, "sha256"): 0 for one in events}
    for one in events:
        counts[proof.blinded(one.tag)] += 1
    assert {tag + count.to_bytes(4, "big") for tag, count in counts.items()} == set(proof.tags)
    for at, tag in enumerate(proof.tags):
        tree.check_inclusion(tree.leaf_hash(tag), at, len(proof.tags), proof.tag_path(at),
                             sealed.tags_root)


def test_what_a_proof_hands_out_opens_nothing() -> None:
    """Neither the tag key nor a salt is a key of the cell's, nor the domain's."""
    sealed = sealed_cell([event(100), event(150, 1)])
    proof = CellProof(sealed, PLACE, KEY, cells.open_cell(sealed, PLACE, KEY, PLAIN))
    for one in (proof.tag_key, *proof.salts):
        assert one != KEY
        try:
            cells.open_cell(sealed, PLACE, one, PLAIN)
        except Refused:
            continue
        raise AssertionError("a cell opened under what its proof hands out")
