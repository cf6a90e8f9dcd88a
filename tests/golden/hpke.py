"""HPKE base mode written out (RFC 9180), with the ephemeral key as an argument.

Owns what the library keeps to itself: golden bytes need a fixed ephemeral key. Never used outside
tests; that the library opens what this seals is one more check of docs/FORMAT.md.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = b"HPKE-v1"
_KEM = b"KEM" + bytes.fromhex("0020")                 # DHKEM(X25519, HKDF-SHA256)
_HPKE = b"HPKE" + bytes.fromhex("0020" "0001" "0002")  # with HKDF-SHA256 and AES-256-GCM


def seal(public: bytes, ephemeral: bytes, plain: bytes, info: bytes) -> bytes:
    """enc (32) ‖ ciphertext, as `Suite.encrypt` gives it; `ephemeral` is an X25519 private key."""
    private = X25519PrivateKey.from_private_bytes(ephemeral)
    enc = private.public_key().public_bytes_raw()
    shared = private.exchange(X25519PublicKey.from_public_bytes(public))
    extracted = _extract(_KEM, b"", b"eae_prk", shared)
    secret_in = _expand(_KEM, extracted, b"shared_secret", enc + public, 32)
    context = b"\x00" + _extract(_HPKE, b"", b"psk_id_hash", b"") + _extract(
        _HPKE, b"", b"info_hash", info)
    secret = _extract(_HPKE, secret_in, b"secret", b"")
    key = _expand(_HPKE, secret, b"key", context, 32)
    nonce = _expand(_HPKE, secret, b"base_nonce", context, 12)
    return enc + AESGCM(key).encrypt(nonce, plain, b"")


def _extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return hmac.digest(salt, _VERSION + suite + label + material, "sha256")


def _expand(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    labelled = length.to_bytes(2, "big") + _VERSION + suite + label + info
    return hmac.digest(key, labelled + b"\x01", "sha256")[:length]
