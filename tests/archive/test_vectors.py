"""The primitives as we call them, on a small set of cases of our own and of the standards.

Owns the proof that HKDF written as its HMACs is HKDF. Project Wycheproof's cases, through our own
wrappers, are `test_wycheproof.py`'s.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from archive import cell as cells
from archive import segment
from schemas.identity import canonical
from tests.archive.parts import DOMAIN, PLACE


def hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 as `archive/cell.py` writes it, for any length."""
    extracted = hmac.digest(salt or bytes(32), secret, "sha256")
    out, block = b"", b""
    for number in range(1, -(-length // 32) + 1):
        block = hmac.digest(extracted, block + info + bytes([number]), "sha256")
        out += block
    return out[:length]


def test_rfc_5869_first_case() -> None:
    """The standard's own example."""
    assert bytes.fromhex(
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    ) == hkdf(b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)), 42)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16),
       st.integers(0, 2**31 - 1))
def test_the_three_keys_of_a_cell_are_hkdf(key: bytes, salt: bytes, generation: int) -> None:
    """Extract once, expand thrice: what the library's HKDF gives under the three labels."""
    made = cells._keys(key, salt, PLACE, DOMAIN, generation)
    context = canonical(PLACE.topic_id, PLACE.partition, PLACE.first, PLACE.last, DOMAIN,
                        generation)
    for label, got in ((b"cell-enc", made.enc), (b"cell-salt", made.salt), (b"cell-tag", made.tag)):
        info = b"counterfoil/v1/" + label + context
        assert got == HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(key)
        assert got == hkdf(key, salt, info, 32)


def test_an_empty_message_of_nist_s_gcm_examples() -> None:
    """AES-256-GCM, key and nonce zero: the tag of nothing, and of one zero block."""
    cipher = AESGCM(bytes(32))
    assert "530f8afbc74536b9a963b4f1c4cb738b" == cipher.encrypt(bytes(12), b"", b"").hex()
    assert ("cea7403d4d606b6e074ec5d3baf39d18" "d0d1c8a799996bf0265b98b5d48ab919"
            == cipher.encrypt(bytes(12), bytes(16), b"").hex())


def test_rfc_8032_second_case() -> None:
    """One byte signed; another signature with s + L is refused."""
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")
    assert segment.is_signed(public, signature, b"\x72")
    order = 2**252 + 27742317777372353535851937790883648493
    large = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    assert not segment.is_signed(public, signature[:32] + large, b"\x72")
    assert not segment.is_signed(public, signature, b"\x73")
    assert not segment.is_signed(public, signature[:-1], b"\x72")
