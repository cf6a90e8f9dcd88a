"""A key service and a keyring in memory that accuse whoever misuses them.

The service binds the context for real (AES-GCM), so that a wrong context cannot pass; the keyring
keeps names created once, and forgets for good what is destroyed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.errors import Exists, Missing, Refused
from tests.fakes.faults import FaultPlan


class FakeKeyService:
    """`KeyService` with a fixed key and counted nonces: the same calls give the same bytes."""

    def __init__(self, key_id: str = "fake:1", faults: FaultPlan | None = None) -> None:
        self._key_id = key_id
        self._cipher = AESGCM(hashlib.sha256(key_id.encode()).digest())
        self._nonces = 0
        self.faults = faults or FaultPlan()

    @property
    def key_id(self) -> str:
        """See KeyService."""
        return self._key_id

    def wrap(self, plain: bytes, context: bytes) -> bytes:
        """See KeyService."""
        assert context, "a wrap without a context binds nothing"
        if not 0 < len(plain) <= 4096:
            raise Refused(f"{len(plain)} bytes to wrap")

        def wrap() -> bytes:
            self._nonces += 1
            nonce = self._nonces.to_bytes(12, "big")
            return nonce + self._cipher.encrypt(nonce, plain, context)

        return self.faults.run("keys.wrap", wrap)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """See KeyService."""
        def unwrap() -> bytes:
            try:
                return self._cipher.decrypt(wrapped[:12], wrapped[12:], context)
            except (InvalidTag, ValueError) as error:
                raise Refused("the wrap does not open under this key and context") from error

        return self.faults.run("keys.unwrap", unwrap)


class FakeKeyring:
    """`Keyring`. Accuses: a name that is not `<domain hex>/<generation>`, a destroyed name that is
    created again, destroying what was never there by a caller that should have looked."""

    def __init__(self, faults: FaultPlan | None = None) -> None:
        self.records: dict[str, bytes] = {}
        self.destroyed: set[str] = set()
        self.faults = faults or FaultPlan()

    def create(self, name: str, record: bytes) -> None:
        """See Keyring."""
        _check_name(name)
        assert record, "an empty key record"
        assert name not in self.destroyed, f"{name} was destroyed and is created again"
        self.faults.run("keyring.create", lambda: self._create(name, record))

    def read(self, name: str) -> bytes:
        """See Keyring."""
        _check_name(name)
        return self.faults.run("keyring.read", lambda: self._read(name))

    def names(self, prefix: str = "") -> Iterator[str]:
        """See Keyring."""
        return self.faults.run("keyring.names", lambda: iter(
            sorted(name for name in self.records if name.startswith(prefix))))

    def replace(self, name: str, was: bytes, record: bytes) -> None:
        """See Keyring."""
        _check_name(name)
        assert record, "an empty key record"
        self.faults.run("keyring.replace", lambda: self._replace(name, was, record))

    def destroy(self, name: str) -> None:
        """See Keyring."""
        _check_name(name)
        self.faults.run("keyring.destroy", lambda: self._destroy(name))

    def lose(self, name: str) -> None:
        """Take a record away without an erasure: `key_lost` for verify to find."""
        del self.records[name]

    def damage(self, name: str, record: bytes) -> None:
        """Change a record: `key_unreadable` for verify to find."""
        assert name in self.records
        self.records[name] = record

    def resurrect(self, name: str, record: bytes) -> None:
        """Bring a destroyed record back from a copy: `key_resurrected` for verify to find."""
        self.records[name] = record

    def _create(self, name: str, record: bytes) -> None:
        if name in self.records:
            raise Exists(f"{name} is taken")
        self.records[name] = record

    def _read(self, name: str) -> bytes:
        if name not in self.records:
            raise Missing(f"{name} is not there")
        return self.records[name]

    def _replace(self, name: str, was: bytes, record: bytes) -> None:
        if self._read(name) != was:
            raise Exists(f"{name} is another one by now")
        self.records[name] = record

    def _destroy(self, name: str) -> None:
        self._read(name)
        del self.records[name]
        self.destroyed.add(name)


def _check_name(name: str) -> None:
    domain, _, generation = name.partition("/")
    assert len(domain) == 32 and not set(domain) - set("0123456789abcdef"), f"bad name {name}"
    assert generation.isdecimal(), f"bad generation in {name}"
