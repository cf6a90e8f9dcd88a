"""RFC 3161: a time-stamping authority's word that these bytes existed at a time; checked offline.

Owns the request's bytes and the whole check of an answer: what was stamped, by whom, whether the
authority's own signature is over it, and whether its certificate was good then. A chain that leads
to a trusted root proves nothing by itself: the signature has to be that of the very certificate
whose chain is checked (CVE-2025-52556). Revocation is not asked for: nothing here opens a socket.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from archive.tlog import der
from archive.tlog.der import Element, Fields
from schemas.errors import Refused

QUERY_TYPE: Final = "application/timestamp-query"
REPLY_TYPE: Final = "application/timestamp-reply"
RESPONSE_BYTES_MAX: Final = 256 * 1024
_CERTIFICATES_MAX: Final = 20
_DEPTH_MAX: Final = 6
_GRANTED: Final = (0, 1)    # granted, and granted with changes: what was changed is checked here
_NULL: Final = der.encode(der.NULL)
_SIGNED_DATA: Final = der.encode_oid("1.2.840.113549.1.7.2")
_TST_INFO: Final = der.encode_oid("1.2.840.113549.1.9.16.1.4")
_CONTENT_TYPE: Final = der.encode_oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST: Final = der.encode_oid("1.2.840.113549.1.9.4")
_SIGNING_CERTIFICATE_V2: Final = der.encode_oid("1.2.840.113549.1.9.16.2.47")
_HASHES: Final[dict[bytes, hashes.HashAlgorithm]] = {
    der.encode_oid("2.16.840.1.101.3.4.2.1"): hashes.SHA256(),
    der.encode_oid("2.16.840.1.101.3.4.2.2"): hashes.SHA384(),
    der.encode_oid("2.16.840.1.101.3.4.2.3"): hashes.SHA512(),
}
_SHA256: Final = der.encode_oid("2.16.840.1.101.3.4.2.1")
# Signature algorithms by identifier; a null hash is the one that the digest algorithm names.
_RSA: Final[dict[bytes, hashes.HashAlgorithm | None]] = {
    der.encode_oid("1.2.840.113549.1.1.1"): None,
    der.encode_oid("1.2.840.113549.1.1.11"): hashes.SHA256(),
    der.encode_oid("1.2.840.113549.1.1.12"): hashes.SHA384(),
    der.encode_oid("1.2.840.113549.1.1.13"): hashes.SHA512(),
}
_ECDSA: Final[dict[bytes, hashes.HashAlgorithm | None]] = {
    der.encode_oid("1.2.840.10045.4.3.2"): hashes.SHA256(),
    der.encode_oid("1.2.840.10045.4.3.3"): hashes.SHA384(),
    der.encode_oid("1.2.840.10045.4.3.4"): hashes.SHA512(),
}
_TIME: Final = re.compile(r"([0-9]{14})(?:\.([0-9]{0,8}[1-9]))?Z")


@dataclass(frozen=True, slots=True)
class Authority:
    """One that is trusted: its name, its roots (DER), policies that are accepted (dotted; none:
    any), and certificates (DER) between its signer and a root, where its answers lack them."""

    name: str
    roots: tuple[bytes, ...]
    policies: frozenset[str] = frozenset()
    certificates: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class TimestampRequest:
    """What is asked: the SHA-256 of the message, a fresh random number, perhaps a policy."""

    imprint: bytes
    nonce: int
    policy: str = ""

    def der(self) -> bytes:
        """The body that is POSTed. The signer's certificate is asked for."""
        imprint = der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, _SHA256, _NULL),
                             der.encode(der.OCTETS, self.imprint))
        policy = der.encode_oid(self.policy) if self.policy else b""
        return der.encode(der.SEQUENCE, der.encode_integer(1), imprint, policy,
                          der.encode_integer(self.nonce), der.encode(der.BOOLEAN, b"\xff"))


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A token that verified: its time and accuracy (UTC ms; null: not stated), serial number,
    policy, and the SHA-256 (hex) of the certificate that signed."""

    at: int
    accuracy: int | None
    serial: int
    policy: str
    signer: str


@dataclass(frozen=True, slots=True)
class _Info:
    """What the token says, before anybody believes it."""

    policy: str
    hash: hashes.HashAlgorithm
    imprint: bytes
    serial: int
    moment: datetime
    accuracy: int | None
    nonce: int | None


def request_of(message: bytes, random: Callable[[int], bytes], policy: str = "",
               ) -> TimestampRequest:
    """A request to stamp `message`."""
    return TimestampRequest(sha256(message).digest(), int.from_bytes(random(16), "big"), policy)


def check(response: bytes, message: bytes, authority: Authority,
          nonce: int | None = None) -> Timestamp:
    """The time that `authority` put to `message`. `nonce`: the one that was asked with, if this is
    the answer to a request. Raises Refused("tlog_timestamp…")."""
    if len(response) > RESPONSE_BYTES_MAX:
        raise Refused("tlog_timestamp: too large")
    try:
        return _check(response, message, authority, nonce)
    except (ValueError, UnsupportedAlgorithm, OverflowError, x509.InvalidVersion,
            x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        # The library's own refusal of a certificate or key.
        raise Refused(f"tlog_timestamp: {type(error).__name__}") from error


def _check(response: bytes, message: bytes, authority: Authority, nonce: int | None) -> Timestamp:
    content, certificates, signer = _signed_data(_token(response))
    info = _info(content)
    if not hmac.compare_digest(_digest(info.hash, message), info.imprint):
        raise Refused("tlog_timestamp: it is over another message")
    if nonce is not None and info.nonce != nonce:
        raise Refused("tlog_timestamp: it answers another request")
    if authority.policies and info.policy not in authority.policies:
        raise Refused(f"tlog_timestamp: policy {info.policy} is not accepted")
    known = [*certificates, *map(x509.load_der_x509_certificate, authority.certificates)]
    certificate = _check_signer(signer, content, known)
    _check_chain(certificate, known, authority, info.moment)
    return Timestamp(round(info.moment.timestamp() * 1000), info.accuracy, info.serial,
                     info.policy, certificate.fingerprint(hashes.SHA256()).hex())


def _token(response: bytes) -> Element:
    """The ContentInfo of a TimeStampResp whose status is granted."""
    fields = Fields(der.read(response))
    status = der.integer(Fields(fields.take(der.SEQUENCE)).take(der.INTEGER))
    if status not in _GRANTED:
        raise Refused(f"tlog_timestamp: the authority refused, status {status}")
    token = fields.take(der.SEQUENCE)
    fields.end()
    return token


def _signed_data(token: Element) -> tuple[bytes, list[x509.Certificate], Element]:
    """(the TSTInfo's bytes, certificates that came along, the one SignerInfo)."""
    fields = Fields(token)
    if fields.take().raw != _SIGNED_DATA:
        raise Refused("tlog_timestamp: not signed data")
    data = Fields(der.only(fields.take(0xA0), der.SEQUENCE))
    fields.end()
    # Nobody signs these two; what they must say (RFC 5652 §5.1) is asked for all the same, so that
    # a change of any byte is told.
    if der.integer(data.take(der.INTEGER)) != 3:
        raise Refused("tlog_timestamp: a version that is not known")
    digests = {_hash(one).name for one in data.take(der.SET).children()}
    encapsulated = Fields(data.take(der.SEQUENCE))
    if encapsulated.take().raw != _TST_INFO:
        raise Refused("tlog_timestamp: not a time stamp")
    content = der.only(encapsulated.take(0xA0), der.OCTETS).body
    encapsulated.end()
    bag = data.maybe_context(0)
    data.maybe_context(1)
    signers = data.take(der.SET)
    data.end()
    carried = [one.raw for one in bag.children() if one.tag == der.SEQUENCE] if bag else []
    if len(carried) > _CERTIFICATES_MAX:
        raise Refused("tlog_timestamp: too many certificates")
    signer = der.only(signers, der.SEQUENCE)
    if not digests & {_hash(one).name for one in signer.children()[2:3]}:
        raise Refused("tlog_timestamp: signed under another digest than is said")
    return content, [x509.load_der_x509_certificate(one) for one in carried], signer


def _info(content: bytes) -> _Info:
    fields = Fields(der.read(content))
    if der.integer(fields.take()) != 1:
        raise Refused("tlog_timestamp: a version that is not known")
    policy = der.dotted(fields.take(der.OID))
    imprint = Fields(fields.take(der.SEQUENCE))
    algorithm = _hash(imprint.take(der.SEQUENCE))
    hashed = imprint.take(der.OCTETS).body
    imprint.end()
    serial = der.integer(fields.take())
    moment = _moment(fields.take(der.TIME).body)
    accuracy = fields.maybe(der.SEQUENCE)
    fields.maybe(der.BOOLEAN)
    nonce = fields.maybe(der.INTEGER)
    fields.maybe_context(0)
    if fields.maybe_context(1) is not None:
        raise Refused("tlog_timestamp: extensions that are not known")
    fields.end()
    return _Info(policy, algorithm, hashed, serial, moment,
                 _accuracy(accuracy) if accuracy else None,
                 der.integer(nonce) if nonce else None)


def _check_signer(signer: Element, content: bytes,
                  known: Sequence[x509.Certificate]) -> x509.Certificate:
    """The certificate whose key signed the content, by the attributes that it signed."""
    fields = Fields(signer)
    version, named = der.integer(fields.take(der.INTEGER)), fields.take()
    if version != (1 if named.tag == der.SEQUENCE else 3):
        raise Refused("tlog_timestamp: a version that does not fit (RFC 5652 §5.3)")
    algorithm = _hash(fields.take(der.SEQUENCE))
    attributes = fields.maybe_context(0)
    signature_algorithm = fields.take(der.SEQUENCE)
    signature = fields.take(der.OCTETS).body
    fields.maybe_context(1)
    fields.end()
    if attributes is None:
        raise Refused("tlog_timestamp: no signed attributes")
    signed = _attributes(attributes)
    if _one(signed, _CONTENT_TYPE).raw != _TST_INFO:
        raise Refused("tlog_timestamp: signed as something else")
    digest = _one(signed, _MESSAGE_DIGEST)
    if digest.tag != der.OCTETS or not hmac.compare_digest(digest.body,
                                                           _digest(algorithm, content)):
        raise Refused("tlog_timestamp: the signature is over another content")
    certificate = _named(named, _one(signed, _SIGNING_CERTIFICATE_V2), known)
    # The signature is over the attributes as a SET, not as the [0] that they stand under.
    _verify(certificate, signature_algorithm, algorithm, signature,
            bytes([der.SET]) + attributes.raw[1:])
    return certificate


def _named(named: Element, signing: Element,
           known: Sequence[x509.Certificate]) -> x509.Certificate:
    """The certificate that the signer names, and whose hash it signed (ESSCertIDv2)."""
    listed = Fields(Fields(signing).take(der.SEQUENCE))
    entry = Fields(listed.take(der.SEQUENCE))
    stated = entry.maybe(der.SEQUENCE)
    algorithm = _hash(stated) if stated else hashes.SHA256()
    wanted = entry.take(der.OCTETS).body
    for one in known:
        if hmac.compare_digest(one.fingerprint(algorithm), wanted) and _is_named(named, one):
            return one
    raise Refused("tlog_timestamp: the certificate that signed is not there")


def _is_named(named: Element, certificate: x509.Certificate) -> bool:
    if named.tag == der.SEQUENCE:
        issuer, serial = named.children()
        return (issuer.raw == certificate.issuer.public_bytes()
                and der.integer(serial) == certificate.serial_number)
    if not named.is_context(0):
        return False
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return False
    return found.value.digest == named.body


def _verify(certificate: x509.Certificate, stated: Element, digest: hashes.HashAlgorithm,
            signature: bytes, message: bytes) -> None:
    key = certificate.public_key()
    name = Fields(stated).take(der.OID).raw
    try:
        if isinstance(key, rsa.RSAPublicKey) and name in _RSA:
            key.verify(signature, message, padding.PKCS1v15(), _RSA[name] or digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and name in _ECDSA:
            key.verify(signature, message, ec.ECDSA(_ECDSA[name] or digest))
        else:
            raise Refused("tlog_timestamp: a signature algorithm that is not known")
    except InvalidSignature as error:
        raise Refused("tlog_timestamp: the authority's signature does not verify") from error


def _check_chain(certificate: x509.Certificate, known: Sequence[x509.Certificate],
                 authority: Authority, moment: datetime) -> None:
    """That certificate, for time stamping and nothing else, by a trusted root, good then."""
    roots = [x509.load_der_x509_certificate(one) for one in authority.roots]
    policy = ExtensionPolicy.permit_all().require_present(
        x509.ExtendedKeyUsage, Criticality.CRITICAL, _check_usage)
    verifier = (PolicyBuilder().store(Store(roots)).time(moment.astimezone(UTC))
                .max_chain_depth(_DEPTH_MAX)
                .extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(),
                                    ee_policy=policy).build_client_verifier())
    try:
        verifier.verify(certificate, [one for one in known if one != certificate])
    except VerificationError as error:
        raise Refused("tlog_timestamp: no chain to a trusted root that was good then") from error


def _check_usage(_policy: Policy, _certificate: x509.Certificate,
                 usage: x509.ExtendedKeyUsage) -> None:
    if list(usage) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise ValueError("not a certificate for time stamping alone")


def _attributes(element: Element) -> list[tuple[bytes, list[Element]]]:
    out = []
    for one in element.children():
        fields = Fields(one)
        name, values = fields.take(der.OID).raw, fields.take(der.SET).children()
        fields.end()
        out.append((name, values))
    return out


def _one(attributes: Sequence[tuple[bytes, list[Element]]], name: bytes) -> Element:
    found = [values for one, values in attributes if one == name]
    if len(found) != 1 or len(found[0]) != 1:
        raise Refused("tlog_timestamp: a signed attribute is missing or doubled")
    return found[0][0]


def _hash(algorithm: Element) -> hashes.HashAlgorithm:
    """SHA-256, 384 or 512; a weaker one is refused."""
    children = algorithm.children()
    found = _HASHES.get(children[0].raw) if children else None
    if found is None or [one.raw for one in children[1:]] not in ([], [_NULL]):
        raise Refused("tlog_timestamp: a hash that is not accepted")
    return found


def _digest(algorithm: hashes.HashAlgorithm, message: bytes) -> bytes:
    context = hashes.Hash(algorithm)
    context.update(message)
    return context.finalize()


def _moment(body: bytes) -> datetime:
    match = _TIME.fullmatch(body.decode("ascii", "replace"))
    if match is None:
        raise Refused("tlog_timestamp: its time does not parse")
    whole = datetime.strptime(match[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return whole + timedelta(microseconds=round(float(f"0.{match[2] or 0}") * 1e6))


def _accuracy(element: Element) -> int:
    """Milliseconds, rounded up."""
    fields = Fields(element)
    seconds, millis, micros = (
        fields.maybe(der.INTEGER), fields.maybe_context(0), fields.maybe_context(1))
    fields.end()
    total = der.integer(seconds) * 1_000_000 if seconds else 0
    total += int.from_bytes(millis.body, "big") * 1_000 if millis else 0
    total += int.from_bytes(micros.body, "big") if micros else 0
    return -(-total // 1000)


def pem_certificates(text: bytes) -> tuple[bytes, ...]:
    """The certificates (DER) of a PEM file. Raises Refused."""
    try:
        return tuple(one.public_bytes(serialization.Encoding.DER)
                     for one in x509.load_pem_x509_certificates(text))
    except ValueError as error:
        raise Refused("tlog_timestamp: not a file of certificates") from error
