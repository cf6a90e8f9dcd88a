"""Words sealed under a domain key, and opened again: the chunks of the vocabulary (PROTOCOL I6).

Owns the bytes of a chunk, both directions (docs/FORMAT.md §13). Nothing is drawn at random: equal
words give equal bytes, so that a chunk that is made twice is one. Where chunks lie is search's.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from archive.keyring import DomainKeys
from schemas import limits
from schemas.errors import Halt, Refused
from schemas.identity import canonical
from schemas.wordchunk import SealedChunk

VERSION: Final = 1
LEVEL_MAX: Final = 255
_ID_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
# The plaintext's length is a multiple of this: a chunk of one word does not tell how long it is.
_PAD_BYTES: Final = 256


class Wordbook:
    """Seals and opens chunks. Keeps no key: once the ring forgets one, so does this."""

    def __init__(self, keys: DomainKeys) -> None:
        self._keys = keys

    def seal(self, domain: bytes, generation: int, level: int,
             words: Iterable[str]) -> list[SealedChunk]:
        """`words` in chunks of at most WORD_CHUNK_BYTES_MAX, sorted. Raises Missing when the key is
        gone: then its words are too. Halt("key_service") when it does not open."""
        if not 0 <= level <= LEVEL_MAX:
            raise ValueError(f"no chunk has the level {level}")
        try:
            key = self._keys.open(domain, generation).key
        except Refused as error:
            # What was read under it a moment ago must not be left out of the vocabulary.
            raise Halt("key_service", f"domain key {domain.hex()}/{generation}: {error}") from error
        return [_sealed(_Place(domain, generation, level), key, plain)
                for plain in _plains(sorted(set(words)))]

    def open(self, chunk: SealedChunk) -> list[str]:
        """The words of a chunk, sorted. Raises Missing when the key is gone (by design they are
        gone then), Refused when the chunk or its key is not what was made."""
        key = self._keys.open(chunk.domain, chunk.generation).key
        place = _Place(chunk.domain, chunk.generation, chunk.level)
        body = chunk.body
        if body[:1] != bytes([VERSION]) or len(chunk.id) != _ID_BYTES:
            raise Refused("a chunk of words of an unknown format")
        if len(body) > 1 + _NONCE_BYTES + limits.WORD_CHUNK_BYTES_MAX + _TAG_BYTES:
            raise Refused("a chunk of words that is too large")
        nonce, keys = body[1:1 + _NONCE_BYTES], _keys(key, place)
        try:
            plain = AESGCM(keys.enc).decrypt(nonce, body[1 + _NONCE_BYTES:],
                                             place.bound_to(chunk.id))
        except (InvalidTag, ValueError) as error:
            raise Refused("a chunk of words does not authenticate under its domain key") from error
        # GCM does not commit to its key, the digest does.
        if not hmac.compare_digest(_digest(keys, place, plain), chunk.id + nonce):
            raise Refused("a chunk of words has another digest than stated")
        return plain.rstrip(b"\n").decode("utf-8", "surrogatepass").split("\n")


@dataclass(frozen=True, slots=True)
class _Place:
    """What a chunk is bound to."""

    domain: bytes
    generation: int
    level: int

    def bound_to(self, chunk_id: bytes) -> bytes:
        return canonical(VERSION, self.domain, self.generation, self.level, chunk_id)


@dataclass(frozen=True, slots=True)
class _Keys:
    enc: bytes
    mac: bytes


def _keys(domain_key: bytes, place: _Place) -> _Keys:
    # HKDF-SHA256 (RFC 5869) without a salt, written as its HMACs as a cell's keys are.
    context = canonical(place.domain, place.generation)
    extracted = hmac.digest(bytes(32), domain_key, "sha256")
    enc, mac = (hmac.digest(extracted, b"counterfoil/v1/" + label + context + b"\x01", "sha256")
                for label in (b"words-enc", b"words-mac"))
    return _Keys(enc, mac)


def _digest(keys: _Keys, place: _Place, plain: bytes) -> bytes:
    """A chunk's id and its nonce: other words, another nonce, so none is used for two texts."""
    whole = hmac.digest(keys.mac, canonical(
        VERSION, place.domain, place.generation, place.level, plain), "sha256")
    return whole[:_ID_BYTES + _NONCE_BYTES]


def _sealed(place: _Place, domain_key: bytes, plain: bytes) -> SealedChunk:
    keys = _keys(domain_key, place)
    digest = _digest(keys, place, plain)
    chunk_id, nonce = digest[:_ID_BYTES], digest[_ID_BYTES:]
    body = bytes([VERSION]) + nonce + AESGCM(keys.enc).encrypt(
        nonce, plain, place.bound_to(chunk_id))
    return SealedChunk(chunk_id, place.domain, place.generation, place.level, body)


def _plains(words: list[str]) -> Iterator[bytes]:
    """Sorted words as the plaintexts of as many chunks as they take."""
    plain = "\n".join(words).encode("utf-8", "surrogatepass")
    if words and (not words[0] or plain.count(b"\n") != len(words) - 1):
        raise ValueError("a word is empty, or holds a line end")
    at = 0
    while at < len(plain):
        end = len(plain)
        if end - at > limits.WORD_CHUNK_BYTES_MAX:
            end = plain.rfind(b"\n", at, at + limits.WORD_CHUNK_BYTES_MAX + 1)
            if end < 0:
                raise ValueError("a word is longer than a chunk")
        yield plain[at:end] + b"\n" * ((at - end) % _PAD_BYTES)
        at = end + 1
