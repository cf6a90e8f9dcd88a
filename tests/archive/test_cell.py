"""A cell opens to exactly what was sealed, at its place, under its key, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from archive import cell as cells
from archive import varint
from archive.cell import Cell, CellEvent, Dictionary, Place
from archive.unseal import Session
from schemas import limits
from schemas.errors import Refused
from tests.archive.parts import DOMAIN, KEY, PLACE, PLAIN, event, sealed_cell, session
from tests.world import Random

RAW_DICTIONARY = Dictionary(b"words that come again and again, " * 20)


@st.composite
def cell_events(draw: st.DrawFn) -> list[CellEvent]:
    """Events in address order, several per record, sessions and tags shared or not."""
    out = []
    for offset in sorted(draw(st.sets(st.integers(PLACE.first, PLACE.last), min_size=1,
                                      max_size=12))):
        for index in sorted(draw(st.sets(st.integers(0, 2**32 - 1), min_size=1, max_size=3))):
            tag, who = draw(st.integers(0, 3)), draw(st.integers(0, 2))
            out.append(CellEvent(offset, index, bytes([tag]) * 16, session(who),
                                 draw(st.integers(0, 2**63 - 1)), draw(st.binary(max_size=60))))
    return out


@given(cell_events(), st.booleans())
def test_a_cell_opens_to_what_was_sealed(events: list[CellEvent], with_dictionary: bool) -> None:
    """Addresses, sessions, counters, tags and datums, to the byte."""
    dictionary = RAW_DICTIONARY if with_dictionary else PLAIN
    sealed = sealed_cell(events, dictionary=dictionary)
    assert tuple(events) == cells.open_cell(sealed, PLACE, KEY, dictionary)
    assert [(one.offset, one.index) for one in events] == cells.read_addresses(
        sealed.addresses, PLACE)
    assert (len(events), int(with_dictionary)) == (sealed.count, sealed.dictionary)


def _other(value: Any) -> Any:
    return value + 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]


@pytest.mark.parametrize("name", [field.name for field in fields(Cell)])
def test_a_change_of_any_field_is_refused(name: str) -> None:
    """Every field is the ciphertext or bound to it."""
    sealed = sealed_cell([event(100), event(150, 1)])
    changed = replace(sealed, **{name: _other(getattr(sealed, name))})
    dictionary = RAW_DICTIONARY if name == "dictionary" else PLAIN
    with pytest.raises(Refused, match=r"cell_unreadable"):
        cells.open_cell(changed, PLACE, KEY, dictionary)


@pytest.mark.parametrize("place", [
    replace(PLACE, topic_id=bytes(16)), replace(PLACE, partition=4), replace(PLACE, first=99),
    replace(PLACE, last=200)])
def test_a_cell_opens_at_its_own_place_only(place: Place) -> None:
    """Not in another log, partition or range."""
    with pytest.raises(Refused, match="cell_unreadable"):
        cells.open_cell(sealed_cell([event(100)]), place, KEY, PLAIN)


def test_a_cell_opens_under_its_own_key_and_dictionary_only() -> None:
    """Another domain's key, another dictionary: nothing."""
    sealed = sealed_cell([event(100)], dictionary=RAW_DICTIONARY)
    with pytest.raises(Refused, match="cell_unreadable"):
        cells.open_cell(sealed, PLACE, bytes(32), RAW_DICTIONARY)
    with pytest.raises(Refused, match="cell_unreadable"):
        cells.open_cell(sealed, PLACE, KEY, Dictionary(b"other words"))


def _resealed(sealed: Cell, change: Callable[[bytes], bytes] = lambda plain: plain,
              **fields_changed: Any) -> Cell:
    """A cell that authenticates: somebody with the domain key sealed it like this."""
    enc = AESGCM(cells._keys(KEY, sealed.salt, PLACE, DOMAIN, 0).enc)
    plain = PLAIN.decompress(enc.decrypt(sealed.nonce, sealed.ciphertext,
                                         cells._associated(sealed, PLACE, b"")))
    stated = replace(sealed, **fields_changed)
    return replace(stated, ciphertext=enc.encrypt(
        sealed.nonce, PLAIN.compress(change(plain)), cells._associated(stated, PLACE, b"")))


@pytest.mark.parametrize(("wrong", "code"), [
    ({"root": bytes(32)}, "cell_root: events"), ({"tags_root": bytes(32)}, "cell_root: tags"),
    ({"count": 3}, "cell_root: another number")])
def test_a_wrong_commitment_is_refused_even_if_the_cipher_opens(
        wrong: dict[str, Any], code: str) -> None:
    """GCM does not commit to its key; the roots do, and they are recomputed."""
    sealed = sealed_cell([event(100), event(150)])
    with pytest.raises(Refused, match=code):
        cells.open_cell(_resealed(sealed, **wrong), PLACE, KEY, PLAIN)


@pytest.mark.parametrize("change", [
    lambda plain: plain + b"\x00", lambda plain: plain[:-1], lambda plain: b"", lambda plain:
    b"\xff\xff\x03" + plain, lambda plain: plain[:-6] + b"\x85\x00" + plain[-5:]])
def test_a_plaintext_that_does_not_add_up_is_refused(change: Callable[[bytes], bytes]) -> None:
    """Trailing bytes, cuts, tables longer than the cell, numbers spelled long."""
    with pytest.raises(Refused, match=r"cell_unreadable|cell_root"):
        cells.open_cell(_resealed(sealed_cell([event(100)]), change), PLACE, KEY, PLAIN)


@given(st.binary(max_size=80))
def test_no_plaintext_makes_a_reader_stumble(plain: bytes) -> None:
    """Whatever lies under the key, the answer is events or Refused."""
    sealed = _resealed(sealed_cell([event(100)]), lambda _plain: plain)
    with pytest.raises(Refused):
        cells.open_cell(sealed, PLACE, KEY, PLAIN)


@given(st.binary(max_size=30))
def test_addresses_ascend_inside_the_segment_or_are_refused(data: bytes) -> None:
    """A reader without any key knows which addresses a cell holds, and each of them once."""
    try:
        found = cells.read_addresses(data, PLACE)
    except Refused:
        return
    assert found == sorted(set(found))
    assert all(PLACE.first <= offset <= PLACE.last for offset, _ in found)


def test_the_same_events_never_seal_to_the_same_bytes() -> None:
    """A zombie can seal an address twice: salt and nonce are drawn anew each time."""
    random = Random("two")
    first, second = (cells.seal(PLACE, DOMAIN, 0, KEY, [event(100)], PLAIN, random)
                     for _ in range(2))
    assert first.salt != second.salt
    assert first.nonce != second.nonce
    assert first.root != second.root
    assert first.tags_root != second.tags_root


def test_roots_depend_on_every_commitment() -> None:
    """Another datum, address or order gives another root under the same salt."""
    base = [event(100, 0, b"a"), event(100, 1, b"b")]
    roots = {sealed_cell(one).root for one in (
        base, base[:1], [base[0], event(100, 1, b"c")], [event(100, 0, b"b"), event(100, 1, b"a")],
        [base[0], event(101, 0, b"b")])}
    assert 5 == len(roots)


def test_tags_root_counts_each_conversation_without_naming_it() -> None:
    """The order of events changes nothing, their number does."""
    one, other = b"1" * 16, b"2" * 16
    first = sealed_cell([event(100, 0, tag=one), event(100, 1, tag=other)])
    turned = sealed_cell([event(100, 0, tag=other), event(100, 1, tag=one)])
    more = sealed_cell([event(100, 0, tag=one), event(100, 1, tag=one)])
    assert first.tags_root == turned.tags_root
    assert first.tags_root != more.tags_root


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    """A frame that states more than a cell may hold costs nothing."""
    frame = b"\x28\xb5\x2f\xfd\xa0" + (limits.CELL_PLAIN_BYTES_MAX + 1).to_bytes(4, "little")
    with pytest.raises(Refused, match="cell_oversized"):
        PLAIN.decompress(frame + b"\x01\x00\x00")


@given(st.binary(max_size=60))
def test_no_frame_makes_the_decompressor_stumble(data: bytes) -> None:
    """Junk is Refused, whatever it looks like."""
    for frame in (data, b"\x28\xb5\x2f\xfd" + data):
        try:
            PLAIN.decompress(frame)
        except Refused:
            continue


def test_trailing_bytes_after_the_frame_are_refused() -> None:
    """A frame ends where the ciphertext ends."""
    with pytest.raises(Refused):
        PLAIN.decompress(PLAIN.compress(b"plain") + b"\x00")
    with pytest.raises(Refused):
        PLAIN.decompress(PLAIN.compress(b"plain") + PLAIN.compress(b"again"))


def test_the_largest_numbers_of_an_event_survive() -> None:
    """Offset, index and counter at their limits come back; nothing above them is ever sealed."""
    place = replace(PLACE, first=0, last=2**63 - 1)
    extreme = CellEvent(2**63 - 1, 2**32 - 1, b"t" * 16, Session(b"c" * 16, b"s" * 16, 2**64 - 1),
                        2**63 - 1, b"")
    sealed = cells.seal(place, DOMAIN, cells.GENERATION_MAX, KEY, [extreme], PLAIN, Random("x"))
    assert (extreme,) == cells.open_cell(sealed, place, KEY, PLAIN)
    assert [(extreme.offset, extreme.index)] == cells.read_addresses(sealed.addresses, place)
    assert varint.encode(2**63 - 1) in sealed.addresses


def test_threads_that_share_a_dictionary_do_not_read_each_others_bytes() -> None:
    """Many threads open cells with one dictionary at once, as a console's do; each gets its own
    bytes back. (One context shared by threads gave wrong bytes, or ended the process.)"""
    shared = Dictionary(b" ".join(b"%d" % number for number in range(3000)))
    words = [Random(f"word {number}")(6).hex().encode() for number in range(400)]
    texts = [b" ".join(words[byte * (1 + byte) % 400] for byte in Random(f"text {number}")(30_000))
             for number in range(4)]
    packed = [shared.compress(text) for text in texts]
    start = threading.Barrier(len(texts))

    def work(number: int) -> int:
        start.wait()
        return sum(shared.decompress(packed[number]) == texts[number] for _ in range(80))

    with ThreadPoolExecutor(len(texts)) as pool:
        assert list(pool.map(work, range(len(texts)))) == [80] * len(texts)
