"""Sealed to the archiver's public key; the capture process cannot read back (PROTOCOL T1, T2).

Owns sessions: a fresh AES-256 key, wrapped by HPKE, opened with a signature, used for a second or
a thousand records, then dropped. Byte layout: `schemas/pack.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite

from schemas import events, limits, pack
from schemas.identity import canonical
from schemas.kinds import mask_of
from schemas.pack import Item
from schemas.wire import LogIdentity

__all__ = ["ArchiverPublic", "Item", "SealedRecord", "TransitSealer", "capture_id_of", "seal_once"]

_MLKEM_PUBLIC_BYTES = 1184
_QUIET = frozenset({events.HEARTBEAT})


@dataclass(frozen=True, slots=True)
class ArchiverPublic:
    """The archiver's transit public key. Suite 1: 32 bytes of X25519; suite 2: ML-KEM-768 (1184)
    followed by X25519 (32). `key_id` is 8 bytes."""

    key_id: bytes
    suite: int
    public: bytes


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """One record for the log, and the name of its sealing: (session, counter) is one sighting."""

    value: bytes
    session_id: bytes
    counter: int


@dataclass(slots=True)
class _Session:
    topic_id: bytes
    session_id: bytes
    opening: bytes
    cipher: AESGCM
    opened_at: int
    pid: int
    next_counter: int = 0


class TransitSealer:
    """Seals packs. Not thread-safe: one owner (the publisher's sealing step) calls it."""

    def __init__(self, archiver: ArchiverPublic, capture_private: Ed25519PrivateKey,
                 kinds: frozenset[str], random: Callable[[int], bytes],
                 clock: Callable[[], int], pid: Callable[[], int]) -> None:
        self.capture_id = capture_id_of(capture_private.public_key().public_bytes_raw())
        self.kinds = kinds
        self._archiver = archiver
        self._private = capture_private
        self._random = random
        self._clock = clock
        self._pid = pid
        self._sessions: dict[frozenset[str], _Session] = {}

    def seal(self, log: LogIdentity, partition: int, items: Sequence[Item]) -> SealedRecord:
        """A log record of 1..PACK_EVENTS_MAX items, bound to this log and partition."""
        if not 0 < len(items) <= limits.PACK_EVENTS_MAX:
            raise AssertionError(f"a pack of {len(items)} items")
        quiet = _QUIET <= self.kinds and all(item.quiet for item in items)
        session = self._current(log.topic_id, _QUIET if quiet else self.kinds)
        counter = session.next_counter
        session.next_counter += 1  # before use: a failure below wastes a counter, never repeats one
        head = pack.head(session.opening, counter, log.topic_id, partition, items)
        plain = b"".join([item.datum for item in items])
        sealed = session.cipher.encrypt(counter.to_bytes(12, "big"), plain, head)
        return SealedRecord(head + sealed, session.session_id, counter)

    def _current(self, topic_id: bytes, kinds: frozenset[str]) -> _Session:
        session, now, pid = self._sessions.get(kinds), self._clock(), self._pid()
        if (session is None or session.topic_id != topic_id
                # A fork must not share a counter: the same nonce twice would open both.
                or session.pid != pid
                or session.next_counter >= limits.SESSION_RECORDS_MAX
                or not 0 <= now - session.opened_at < limits.SESSION_AGE_MS_MAX):
            session = self._sessions[kinds] = self._open(topic_id, kinds, now, pid)
        return session

    def _open(self, topic_id: bytes, kinds: frozenset[str], now: int, pid: int) -> _Session:
        key, session_id = self._random(32), self._random(16)
        info = transit_info(topic_id, self.capture_id)
        wrapped = _hpke(self._archiver, key, info)
        body = pack.opening_body(self._archiver.suite, self._archiver.key_id, self.capture_id,
                                 session_id, mask_of(kinds), wrapped)
        opening = body + self._private.sign(opening_message(topic_id, body))
        return _Session(topic_id, session_id, opening, AESGCM(key), now, pid)


def transit_info(topic_id: bytes, capture_id: bytes) -> bytes:
    """HPKE info of a session."""
    return canonical("counterfoil/transit/v1", topic_id, capture_id)


def opening_message(topic_id: bytes, body: bytes) -> bytes:
    """What the capture key signs."""
    return canonical("counterfoil/opening/v1", topic_id, body)


def capture_id_of(public_raw: bytes) -> bytes:
    """A capture process's id: 16 bytes of a hash of its public key."""
    return hashlib.sha256(canonical("counterfoil/capture/v1", public_raw)).digest()[:16]


def seal_once(archiver: ArchiverPublic, capture_private: Ed25519PrivateKey, label: str,
              plain: bytes) -> bytes:
    """A blob that only the archiver's key opens, signed: for the ring of rejected requests.

    Layout: capture id (16) ‖ archiver key id (8) ‖ suite u8 ‖ signature (64) ‖ HPKE ciphertext.
    """
    capture_id = capture_id_of(capture_private.public_key().public_bytes_raw())
    head = capture_id + archiver.key_id + bytes([archiver.suite])
    sealed = _hpke(archiver, plain, canonical("counterfoil/once/v1", label, capture_id))
    signature = capture_private.sign(canonical("counterfoil/once/v1", label, head, sealed))
    return head + signature + sealed


def _hpke(archiver: ArchiverPublic, plain: bytes, info: bytes) -> bytes:
    if archiver.suite == pack.SUITE_X25519:
        suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
        return suite.encrypt(plain, X25519PublicKey.from_public_bytes(archiver.public), info=info)
    if archiver.suite == pack.SUITE_MLKEM768_X25519:
        hybrid = MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(archiver.public[:_MLKEM_PUBLIC_BYTES]),
            X25519PublicKey.from_public_bytes(archiver.public[_MLKEM_PUBLIC_BYTES:]),
        )
        suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
        return suite.encrypt(plain, hybrid, info=info)
    raise AssertionError(f"transit suite {archiver.suite} is not known")
