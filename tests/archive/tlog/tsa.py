"""A time-stamping authority in Python, able to lie in every way that a check must notice.

Owns certificates and answers for the tests; that honest ones are RFC 3161's is shown by openssl
reading them, and by ours reading openssl's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from archive.tlog import der
from archive.tlog.timestamp import Authority

MOMENT = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
POLICY = "1.3.6.1.4.1.99999.1"
SHA256 = der.encode_oid("2.16.840.1.101.3.4.2.1")
SHA384 = der.encode_oid("2.16.840.1.101.3.4.2.2")
SHA1 = der.encode_oid("1.3.14.3.2.26")


def key_of(kind: str) -> Any:
    """A new private key."""
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def name(common: str) -> x509.Name:
    """A name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


@dataclass
class Authorities:
    """A root and an authority below it. `usage` and `critical`: its extended key usage."""

    kind: str = "ec"
    usage: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.TIME_STAMPING,)
    critical: bool = True
    begins: datetime = MOMENT - timedelta(days=300)
    ends: datetime = MOMENT + timedelta(days=300)
    common: str = "tsa"
    root_key: Any = field(default_factory=lambda: key_of("ec"))

    def __post_init__(self) -> None:
        self.key = key_of(self.kind)
        self.root = self._certificate("root", "root", self.root_key.public_key(), is_root=True)
        self.certificate = self._certificate(self.common, "root", self.key.public_key())

    def _certificate(self, subject: str, issuer: str, public: Any, *,
                     is_root: bool = False) -> x509.Certificate:
        builder = (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer))
                   .public_key(public).serial_number(x509.random_serial_number())
                   .not_valid_before(MOMENT - timedelta(days=900) if is_root else self.begins)
                   .not_valid_after(MOMENT + timedelta(days=900) if is_root else self.ends)
                   .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), is_root)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                       self.root_key.public_key()), False)
                   .add_extension(x509.KeyUsage(
                       digital_signature=not is_root, content_commitment=False,
                       key_encipherment=False, data_encipherment=False, key_agreement=False,
                       key_cert_sign=is_root, crl_sign=is_root, encipher_only=False,
                       decipher_only=False), True))
        if not is_root and self.usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage(self.usage), self.critical)
        return builder.sign(self.root_key, hashes.SHA256())

    def authority(self, **changes: Any) -> Authority:
        """As it is trusted."""
        given: dict[str, Any] = {"name": "tsa", "roots": (raw(self.root),)} | changes
        return Authority(**given)

    def response(self, message: bytes, nonce: int = 7, **lies: Any) -> bytes:
        """An answer; `lies` are the parts that are not as they should be."""
        content = lies.get("content", info(message, nonce, **lies))
        attributes = lies.get("attributes", self.attributes(lies.get("stated", content), **lies))
        key = lies.get("key", self.key)
        signature = sign(key, b"\x31" + der.encode(0xA0, *attributes)[1:])
        signer = der.encode(
            der.SEQUENCE, der.encode_integer(lies.get("signer_version", 1)),
            lies.get("sid", self.sid()),
            algorithm(lies.get("digest", SHA256)), der.encode(0xA0, *attributes),
            der.encode(der.SEQUENCE, signature_algorithm(key)),
            der.encode(der.OCTETS, lies.get("signature", signature)))
        certificates = lies.get("certificates", (self.certificate,))
        data = der.encode(
            der.SEQUENCE, der.encode_integer(lies.get("data_version", 3)),
            der.encode(der.SET, algorithm(lies.get("listed", SHA256))),
            der.encode(der.SEQUENCE, der.encode_oid(
                lies.get("type", "1.2.840.113549.1.9.16.1.4")),
                der.encode(0xA0, der.encode(der.OCTETS, content))),
            der.encode(0xA0, *map(raw, certificates)),
            der.encode(der.SET, *([signer] * lies.get("signers", 1))))
        token = der.encode(der.SEQUENCE, der.encode_oid("1.2.840.113549.1.7.2"),
                           der.encode(0xA0, data))
        status = der.encode(der.SEQUENCE, der.encode_integer(lies.get("status", 0)))
        return der.encode(der.SEQUENCE, status, token)

    def sid(self) -> bytes:
        """Issuer and serial number."""
        return der.encode(der.SEQUENCE, self.certificate.issuer.public_bytes(),
                          der.encode_integer(self.certificate.serial_number))

    def attributes(self, content: bytes, **lies: Any) -> list[bytes]:
        """What is signed: type, digest, and the hash of the certificate."""
        ess = raw(lies.get("ess", self.certificate))
        return [
            attribute("1.2.840.113549.1.9.3",
                      der.encode_oid(lies.get("signed_type", "1.2.840.113549.1.9.16.1.4"))),
            attribute("1.2.840.113549.1.9.4", der.encode(der.OCTETS, sha256(content).digest())),
            attribute("1.2.840.113549.1.9.16.2.47", der.encode(der.SEQUENCE, der.encode(
                der.SEQUENCE, der.encode(der.SEQUENCE, der.encode(
                    der.OCTETS, sha256(ess).digest())))))]


def info(message: bytes, nonce: int = 7, **lies: Any) -> bytes:
    """A TSTInfo."""
    hashed = lies.get("imprint", sha256(message).digest())
    imprint = der.encode(der.SEQUENCE, algorithm(lies.get("imprint_hash", SHA256)),
                         der.encode(der.OCTETS, hashed))
    return der.encode(
        der.SEQUENCE, der.encode_integer(lies.get("version", 1)),
        der.encode_oid(lies.get("policy", POLICY)), imprint, der.encode_integer(12),
        der.encode(der.TIME, lies.get("time", b"20261122100000.25Z")),
        der.encode(der.SEQUENCE, der.encode_integer(1), b"\x80\x02\x01\xf4"),
        der.encode_integer(nonce), lies.get("extra", b""))


def attribute(dotted: str, value: bytes) -> bytes:
    """One attribute of one value."""
    return der.encode(der.SEQUENCE, der.encode_oid(dotted), der.encode(der.SET, value))


def algorithm(oid: bytes = SHA256) -> bytes:
    """A hash with a NULL parameter."""
    return der.encode(der.SEQUENCE, oid, b"\x05\x00")


def signature_algorithm(key: Any) -> bytes:
    """Its identifier."""
    if isinstance(key, rsa.RSAPrivateKey):
        return der.encode_oid("1.2.840.113549.1.1.1") + b"\x05\x00"
    return der.encode_oid("1.2.840.10045.4.3.2")


def sign(key: Any, message: bytes) -> bytes:
    """With either kind."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    return bytes(key.sign(message, ec.ECDSA(hashes.SHA256())))


def raw(certificate: x509.Certificate) -> bytes:
    """DER."""
    return certificate.public_bytes(serialization.Encoding.DER)


def pem(key: Any) -> bytes:
    """A private key for openssl."""
    return bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
