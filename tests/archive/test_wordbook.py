"""Words under a domain key: what only that key opens, and as nothing else (FORMAT §13)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from archive import wordbook
from archive.keyring import DomainKeys
from archive.wordbook import Wordbook
from schemas import limits
from schemas.domains import DomainFacts
from schemas.errors import Halt, Missing, Refused
from schemas.identity import canonical
from schemas.wordchunk import SealedChunk
from tests.fakes.keys import FakeKeyring, FakeKeyService
from tests.golden.load import V1, load
from tests.world import NOW, Random

DOMAIN, OTHER = b"d" * 16, b"e" * 16
FACTS = DomainFacts("carol", "default", "2026-01", "", 7)


class Desk:
    """A keyring with two domains, the first with two generations, and a book on it."""

    def __init__(self) -> None:
        self.keyring = FakeKeyring()
        self.keys = DomainKeys(self.keyring, FakeKeyService(), Random("words"), lambda: NOW)
        for domain, generation in ((DOMAIN, 0), (DOMAIN, 1), (OTHER, 0)):
            self.keys._make(domain, generation, FACTS)
        self.book = Wordbook(self.keys)

    def chunk(self, *words: str) -> SealedChunk:
        """One chunk of them."""
        (made,) = self.book.seal(DOMAIN, 0, 0, words)
        return made


@given(st.sets(st.text(st.characters(exclude_characters="\n"), min_size=1, max_size=20)))
def test_words_come_back_sorted_each_once(words: set[str]) -> None:
    """Whatever characters they are made of, lone surrogates too."""
    desk = Desk()
    opened = [word for one in desk.book.seal(DOMAIN, 0, 0, [*words, *words])
              for word in desk.book.open(one)]
    assert sorted(words) == opened


def test_equal_words_give_equal_bytes_and_others_another_nonce() -> None:
    """Two followers make one chunk; no nonce is used for two texts."""
    desk = Desk()
    assert desk.chunk("a", "b") == desk.chunk("b", "a")
    made = [*(desk.chunk(word) for word in ("a", "b", "c")),
            *desk.book.seal(DOMAIN, 0, 1, ["a"]), *desk.book.seal(DOMAIN, 1, 0, ["a"])]
    assert 5 == len({one.id for one in made}) == len({one.body[1:13] for one in made})


def test_no_change_of_a_chunk_opens() -> None:
    """Not of its bytes, its id, its place or its length."""
    desk = Desk()
    whole = desk.chunk("alpha")
    changed = [
        replace(whole, id=bytes(16)), replace(whole, id=b""), replace(whole, level=1),
        replace(whole, domain=OTHER), replace(whole, generation=1), replace(whole, body=b""),
        replace(whole, body=whole.body + b"\0"),
        replace(whole, body=whole.body + bytes(limits.WORD_CHUNK_BYTES_MAX)),
        *(replace(whole, body=whole.body[:at] + bytes([whole.body[at] ^ 1]) + whole.body[at + 1:])
          for at in range(len(whole.body))),
        *(replace(whole, body=whole.body[:at]) for at in range(0, len(whole.body), 7)),
    ]
    for one in changed:
        with pytest.raises(Refused):
            desk.book.open(one)


def test_another_plaintext_that_the_cipher_accepts_is_refused() -> None:
    """GCM does not commit to its key; the digest does."""
    desk = Desk()
    whole, place = desk.chunk("alpha"), wordbook._Place(DOMAIN, 0, 0)
    key = desk.keys.open(DOMAIN, 0).key
    forged = wordbook._sealed(place, key, b"omega".ljust(256, b"\n"))
    enc = wordbook._keys(key, place).enc
    body = AESGCM(enc).encrypt(
        forged.body[1:13], b"omega".ljust(256, b"\n"), place.bound_to(whole.id))
    with pytest.raises(Refused, match="digest"):
        desk.book.open(replace(whole, body=b"\x01" + forged.body[1:13] + body))


def test_the_two_keys_are_hkdf() -> None:
    """RFC 5869, one label each, without a salt."""
    desk = Desk()
    key = desk.keys.open(DOMAIN, 1).key
    made = wordbook._keys(key, wordbook._Place(DOMAIN, 1, 0))
    for label, ours in ((b"words-enc", made.enc), (b"words-mac", made.mac)):
        assert ours == HKDF(SHA256(), 32, None, b"counterfoil/v1/" + label
                            + canonical(DOMAIN, 1)).derive(key)


def test_many_words_make_more_chunks() -> None:
    """None above the limit, none empty, every word in one of them."""
    desk = Desk()
    words = [f"{n:07}" * 14 for n in range(25_000)]
    made = desk.book.seal(DOMAIN, 0, 0, words)
    assert 3 == len(made)
    assert all(len(one.body) <= 1 + 12 + limits.WORD_CHUNK_BYTES_MAX + 16 for one in made)
    assert words == [word for one in made for word in desk.book.open(one)]
    assert [] == desk.book.seal(DOMAIN, 0, 0, [])


def test_a_length_says_little() -> None:
    """A chunk of one word is as long as one of any other."""
    desk = Desk()
    assert {1 + 12 + 256 + 16} == {
        len(desk.chunk(word).body) for word in ("a", "b" * 100, "\U0001f469" * 60)}


@pytest.mark.parametrize("word", ["", "a\nb", "x" * (limits.WORD_CHUNK_BYTES_MAX + 1)])
def test_what_is_no_word_is_not_sealed(word: str) -> None:
    """It would come back as something else."""
    with pytest.raises(ValueError, match="a word is"):
        Desk().chunk("a", word)


def test_a_level_that_no_chunk_has_is_not_sealed() -> None:
    """One byte holds it."""
    with pytest.raises(ValueError, match="level"):
        Desk().book.seal(DOMAIN, 0, 256, ["a"])


def test_words_under_a_key_that_is_gone_are_gone() -> None:
    """Nothing that opens them is kept beside the ring."""
    desk = Desk()
    whole = desk.chunk("alpha")
    desk.keyring.destroy(f"{DOMAIN.hex()}/0")
    desk.keys.forget()
    with pytest.raises(Missing):
        desk.book.open(whole)
    with pytest.raises(Missing):
        desk.chunk("beta")


def test_a_key_that_does_not_open_stops_whoever_seals() -> None:
    """Its words must not be left out; a reader is told that they do not open."""
    desk = Desk()
    whole = desk.chunk("alpha")
    desk.keyring.damage(f"{DOMAIN.hex()}/0", b"junk")
    desk.keys.forget()
    with pytest.raises(Halt, match="key_service"):
        desk.chunk("beta")
    with pytest.raises(Refused):
        desk.book.open(whole)


def test_a_pointer_tells_which_key_its_datum_lies_under() -> None:
    """Domain and generation, as the reader told them when it read the whole segment."""
    reader = load(clean=False).reader()
    events = [event for place in reader.partitions() for read in reader.follow(*place, 0)
              for event in read.events]
    assert {0, 1} == {event.generation for event in events}
    for event in events:
        assert (event.domain, event.generation) == reader.home(event.pointer)


def test_the_golden_chunks_open() -> None:
    """What was sealed once, today's code reads, to the letter."""
    book = Wordbook(load().domain_keys())
    for one in json.loads((V1 / "words" / "expected.json").read_text("utf-8")):
        sealed = SealedChunk(
            bytes.fromhex(one["id"]), bytes.fromhex(one["domain"]), one["generation"],
            one["level"], (V1 / "words" / one["file"]).read_bytes())
        assert one["words"] == book.open(sealed)
