"""Opens packs: the archiver's half of transit sealing (PROTOCOL T1, T2).

Owns who may speak: a pack counts only if an enrolled capture key signed its session's opening for
this topic. What fails is `Refused` with its reason; the caller keeps the record as received. What
an enrolled process sealed to a key that we lack is no such failure: `Halt`, until the key is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

from schemas import pack
from schemas.errors import Halt, Refused
from schemas.identity import canonical

# Sessions whose key is kept: one a second per capture process, so this is many minutes of traffic.
_SESSIONS_MAX: Final = 4096
_MLKEM_SEED_BYTES: Final = 64
COUNTER_MAX: Final = 2**63 - 1     # what a cell can hold
_ONCE_HEAD_BYTES: Final = 16 + 8 + 1


@dataclass(frozen=True, slots=True)
class TransitPrivate:
    """One transit private key. Suite 1: 32 bytes of X25519; suite 2: ML-KEM-768 seed (64)
    followed by X25519 (32)."""

    key_id: bytes
    suite: int
    private: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A capture key that may speak, and the mask of kinds that it may say."""

    public: bytes
    kinds: int


class Session(NamedTuple):
    """Who delivered: the identity of an opened session. `kinds` is what it may carry.

    A tuple, as all that is made once per record or event here: it costs a seventh of a frozen
    dataclass, and is hashed in C.
    """

    capture_id: bytes
    session_id: bytes
    kinds: int


class Opened(NamedTuple):
    """A pack that authenticated. `rows` are (domain, tag, length); `plain` the datums joined."""

    session: Session
    counter: int
    rows: tuple[tuple[bytes, bytes, int], ...]
    plain: bytes


class Unsealer:
    """Opens packs of one topic with the transit private keys (by id) and the enrolment."""

    def __init__(self, keys: Mapping[bytes, TransitPrivate],
                 enrolled: Mapping[bytes, Enrolled]) -> None:
        self._keys = keys
        self._enrolled = enrolled
        self._sessions: dict[tuple[bytes, bytes], tuple[Session, AESGCM]] = {}

    def open(self, topic_id: bytes, partition: int, value: bytes) -> Opened:
        """The pack's content. Raises Refused with the reason, and Halt("transit_key_missing")."""
        opening, counter, sealed_topic, sealed_partition, rows, associated, ciphertext = (
            pack.take_apart(value))
        if sealed_topic != topic_id or sealed_partition != partition:
            raise Refused("pack was sealed for another place")
        if counter > COUNTER_MAX:
            # It would make a cell that nobody can read back, with other people's events in it.
            raise Refused("pack has a counter that no session reaches")
        session, cipher = (self._sessions.get((topic_id, opening))
                           or self._session(topic_id, opening))
        try:
            plain = cipher.decrypt(counter.to_bytes(12, "big"), ciphertext, associated)
        except InvalidTag as error:
            raise Refused("pack does not authenticate under its session") from error
        return Opened(session, counter, rows, plain)

    def _session(self, topic_id: bytes, data: bytes) -> tuple[Session, AESGCM]:
        opening = pack.read_opening(data)
        who = self._enrolled.get(opening.capture_id)
        if who is None:
            raise Refused("opening is signed by a capture key that is not enrolled")
        _check(who.public, opening.signature,
               canonical("counterfoil/opening/v1", topic_id, opening.signed))
        if opening.kinds & ~who.kinds:
            raise Refused("opening names kinds that its capture key may not say")
        if not self._holds(opening.archiver_key_id, opening.suite):
            # Ours to read, and acknowledged to a provider: to keep it as refused because a key file
            # is not where it should be would hide it. The record waits on the log.
            raise Halt("transit_key_missing",
                       f"capture process {opening.capture_id.hex()} seals to transit key "
                       f"{opening.archiver_key_id.hex()} (suite {opening.suite}), "
                       "which is not held")
        info = canonical("counterfoil/transit/v1", topic_id, opening.capture_id)
        key = self._unwrap(opening.archiver_key_id, opening.suite, opening.wrapped, info)
        if len(key) != 32:
            raise Refused("session key has another length")
        session = Session(opening.capture_id, opening.session_id, opening.kinds)
        if len(self._sessions) >= _SESSIONS_MAX:
            self._sessions.pop(next(iter(self._sessions)))
        self._sessions[topic_id, data] = session, AESGCM(key)
        return session, self._sessions[topic_id, data][1]

    def open_once(self, label: str, blob: bytes) -> bytes:
        """The plaintext of a blob that `ingest.transit.seal_once` made. Raises Refused."""
        if len(blob) < _ONCE_HEAD_BYTES + pack.SIGNATURE_BYTES:
            raise Refused("sealed blob is cut")
        head, rest = blob[:_ONCE_HEAD_BYTES], blob[_ONCE_HEAD_BYTES:]
        capture_id, key_id, suite = head[:16], head[16:24], head[24]
        signature, sealed = rest[:pack.SIGNATURE_BYTES], rest[pack.SIGNATURE_BYTES:]
        who = self._enrolled.get(capture_id)
        if who is None:
            raise Refused("sealed blob is signed by a capture key that is not enrolled")
        _check(who.public, signature, canonical("counterfoil/once/v1", label, head, sealed))
        info = canonical("counterfoil/once/v1", label, capture_id)
        return self._unwrap(key_id, suite, sealed, info)

    def _holds(self, key_id: bytes, suite: int) -> bool:
        key = self._keys.get(key_id)
        return key is not None and key.suite == suite

    def _unwrap(self, key_id: bytes, suite: int, wrapped: bytes, info: bytes) -> bytes:
        key = self._keys.get(key_id)
        if key is None or key.suite != suite:
            raise Refused(f"sealed to transit key {key_id.hex()}, which is not held")
        try:
            if suite == pack.SUITE_X25519:
                plain = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM).decrypt(
                    wrapped, X25519PrivateKey.from_private_bytes(key.private), info=info)
            elif suite == pack.SUITE_MLKEM768_X25519:
                hybrid = MLKEM768X25519PrivateKey(
                    MLKEM768PrivateKey.from_seed_bytes(key.private[:_MLKEM_SEED_BYTES]),
                    X25519PrivateKey.from_private_bytes(key.private[_MLKEM_SEED_BYTES:]))
                plain = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM).decrypt(
                    wrapped, hybrid, info=info)
            else:
                raise Refused(f"transit suite {suite} is not known")
        except (InvalidTag, ValueError) as error:
            raise Refused("wrapped key does not open") from error
        return plain


def _check(public: bytes, signature: bytes, message: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature as error:
        raise Refused("signature of the capture key does not verify") from error
