"""Time stamps: openssl's are read, ours are read by openssl, and every lie is noticed."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from archive.tlog import der, timestamp
from archive.tlog.timestamp import TimestampRequest, request_of
from schemas.errors import Refused
from tests.archive.tlog import tsa
from tests.archive.tlog.tsa import MOMENT, POLICY, Authorities
from tests.world import Random

MESSAGE = b"archive.firm.example/log1\n3\nroot\n\n\xe2\x80\x94 signature\n"
AT = round(MOMENT.timestamp() * 1000) + 250
HONEST = Authorities()
GOLDEN = Path(__file__).parent / "stamped"
absent = pytest.mark.allowed_skip("openssl is a program of the machine, not of the repository")


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_an_honest_stamp_is_believed(kind: str) -> None:
    """Time, accuracy, serial, policy and signer come out; of each kind of key."""
    made = Authorities(kind=kind)
    found = timestamp.check(made.response(MESSAGE), MESSAGE, made.authority(), 7)
    assert (AT, 1500, 12, POLICY) == (found.at, found.accuracy, found.serial, found.policy)
    assert timestamp.check(made.response(MESSAGE), MESSAGE,
                           made.authority(policies=frozenset({POLICY}))) == found


def lie(**lies: Any) -> bytes:
    """An answer of the honest authority, but."""
    return HONEST.response(MESSAGE, **lies)


THIEF = Authorities(common="thief")
OTHER = Authorities(root_key=HONEST.root_key, common="other")
LIES: dict[str, bytes] = {
    # CVE-2025-52556: the chain is right, and the signature is anybody's.
    "signed by a stranger under the authority's certificate": lie(key=THIEF.key),
    "a signature of zeros": lie(signature=bytes(70)),
    "a signature of another message": lie(signature=tsa.sign(HONEST.key, b"x")),
    "signed by a stranger with his certificate beside the authority's": lie(
        key=THIEF.key, certificates=(THIEF.certificate, HONEST.certificate)),
    "signed by a stranger whose certificate is named": lie(
        key=THIEF.key, ess=THIEF.certificate, sid=THIEF.sid(),
        certificates=(THIEF.certificate, HONEST.certificate)),
    "the certificate named is not the one that signed": lie(
        sid=OTHER.sid(), certificates=(HONEST.certificate, OTHER.certificate)),
    "the certificate hashed is not the one that is named": lie(
        ess=OTHER.certificate, certificates=(HONEST.certificate, OTHER.certificate)),
    "the content was exchanged": lie(stated=tsa.info(b"another")),
    "over another message": HONEST.response(b"another"),
    "the imprint is of another hash": lie(imprint_hash=tsa.SHA1, imprint=bytes(20)),
    "another nonce": lie(nonce=8),
    "refused by the authority": lie(status=2),
    "waiting": lie(status=3),
    "not a time stamp": lie(type="1.2.840.113549.1.7.1"),
    "signed as something else": lie(signed_type="1.2.840.113549.1.7.1"),
    "no certificate": lie(certificates=()),
    "two signers": lie(signers=2),
    "no signer": lie(signers=0),
    "a weak digest": lie(digest=tsa.SHA1),
    "a version that is not known": lie(version=2),
    "another version of what nobody signs": lie(data_version=1),
    "another version of the signer": lie(signer_version=3),
    "another digest listed than used": lie(listed=tsa.SHA384),
    "a local time": lie(time=b"20261122100000+0100"),
    "no time": lie(time=b"20261322100000Z"),
    "an extension": lie(extra=b"\xa1\x00"),
    "an element too many": lie(extra=b"\x05\x00"),
    "an attribute missing": lie(attributes=HONEST.attributes(tsa.info(MESSAGE))[1:]),
    "an attribute doubled": lie(attributes=[*HONEST.attributes(tsa.info(MESSAGE)),
                                            HONEST.attributes(tsa.info(MESSAGE))[1]]),
    "no attributes": lie(attributes=[]),
    "before the certificate began": lie(time=b"20240101000000Z"),
    "after the certificate ended": lie(time=b"20280101000000Z"),
    "trailing bytes": lie() + b"\x00",
    "nothing": b"",
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_refused(name: str) -> None:
    """Each for its own reason, none by another error."""
    with pytest.raises(Refused, match="tlog_timestamp"):
        timestamp.check(LIES[name], MESSAGE, HONEST.authority(), 7)


def test_the_lies_differ_from_the_truth_by_one_thing() -> None:
    """Without a lie the same answer is believed, and that of a second honest signer too."""
    for response in (lie(), lie(status=1), OTHER.response(MESSAGE),
                     lie(certificates=(HONEST.root, OTHER.certificate, HONEST.certificate)),
                     lie(sid=der.encode(0x80, _key_identifier()), signer_version=3)):
        assert AT == timestamp.check(response, MESSAGE, HONEST.authority(), 7).at


def _key_identifier() -> bytes:
    from cryptography import x509
    return HONEST.certificate.extensions.get_extension_for_class(
        x509.SubjectKeyIdentifier).value.digest


@pytest.mark.parametrize("changes", [
    {"usage": ()}, {"usage": (ExtendedKeyUsageOID.CODE_SIGNING,)}, {"critical": False},
    {"usage": (ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING)},
    {"ends": MOMENT - timedelta(days=1)}, {"begins": MOMENT + timedelta(days=1)}])
def test_a_certificate_for_anything_else_is_refused(changes: dict[str, Any]) -> None:
    """Time stamping alone, critical, and good at the stated time."""
    made = Authorities(**changes)
    with pytest.raises(Refused, match="no chain"):
        timestamp.check(made.response(MESSAGE), MESSAGE, made.authority())


def test_a_certificate_that_has_ended_since_still_counts() -> None:
    """The chain is checked at the time of the stamp, not today."""
    made = Authorities(ends=MOMENT + timedelta(seconds=1))
    assert AT == timestamp.check(made.response(MESSAGE), MESSAGE, made.authority()).at
    assert made.certificate.not_valid_after_utc < datetime(2027, 1, 1, tzinfo=MOMENT.tzinfo)


def test_another_root_or_policy_is_refused() -> None:
    """Who is trusted is ours to say."""
    with pytest.raises(Refused, match="no chain"):
        timestamp.check(lie(), MESSAGE, THIEF.authority())
    with pytest.raises(Refused, match="policy"):
        timestamp.check(lie(), MESSAGE, HONEST.authority(policies=frozenset({"1.2.3"})))


def test_a_signer_that_did_not_come_along_is_found_among_what_is_configured() -> None:
    """Some authorities leave their certificate out."""
    response = lie(certificates=())
    given = HONEST.authority(certificates=(tsa.raw(HONEST.certificate),))
    assert AT == timestamp.check(response, MESSAGE, given, 7).at


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_no_flipped_bit_gives_another_stamp(place: int, bit: int) -> None:
    """Refused, or the very same time over the very same message: never an error, never another."""
    body = bytearray(RESPONSE)
    body[place % len(body)] ^= 1 << bit
    try:
        found = timestamp.check(bytes(body), MESSAGE, HONEST.authority(), 7)
    except Refused:
        return
    assert timestamp.check(RESPONSE, MESSAGE, HONEST.authority(), 7) == found


RESPONSE = lie()


@given(st.binary(max_size=100))
def test_no_bytes_make_the_reader_stumble(body: bytes) -> None:
    """Refused, always."""
    for given_bytes in (body, RESPONSE[:len(body)], RESPONSE[:-len(body) or None] + body[:0]):
        if given_bytes != RESPONSE:
            with pytest.raises(Refused):
                timestamp.check(given_bytes, MESSAGE, HONEST.authority())


@pytest.mark.parametrize("text", [
    "3000", "30", "", "0500ff", "308000", "30810100", "3082000100", "30850000000001", "1f0100",
    "3005a003020100", "30030201"])
def test_what_is_no_der_is_refused(text: str) -> None:
    """Longer lengths, indefinite ones, high tags, cuts."""
    with pytest.raises(Refused):
        timestamp.check(bytes.fromhex(text), MESSAGE, HONEST.authority())


@given(st.lists(st.integers(0, 2**40), max_size=6), st.integers(0, 2), st.integers(0, 39),
       st.integers(0, 2**64))
def test_identifiers_and_integers_read_back(rest: list[int], first: int, second: int,
                                            number: int) -> None:
    """One spelling each."""
    dotted = ".".join(map(str, (first, second, *rest)))
    assert dotted == der.dotted(der.read(der.encode_oid(dotted)))
    assert number == der.integer(der.read(der.encode_integer(number)))


def _run(*arguments: str, folder: Path) -> str:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=False)
    assert 0 == done.returncode, done.stderr.decode()
    return done.stdout.decode()


CONFIG = f"""[tsa]
default_tsa = one
[one]
serial = serial
crypto_device = builtin
default_policy = {POLICY}
other_policies = 1.2.3.4
digests = sha256, sha384, sha512
signer_digest = sha256
ess_cert_id_alg = sha256
accuracy = secs:1, millisecs:500
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
"""


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_no_flipped_bit_says_anything_else() -> None:
    """The little that is not signed and not fixed decides nothing; all else is refused, and never
    with another error than ours."""
    response = HONEST.response(MESSAGE)
    honest = timestamp.check(response, MESSAGE, HONEST.authority())
    version = response.index(b"\xa0\x03\x02\x01\x02") + 4      # of the first certificate
    refused = 0
    for at in (*range(0, len(response) * 8, 5), *range(version * 8, version * 8 + 8)):
        changed = bytearray(response)
        changed[at // 8] ^= 1 << at % 8
        try:
            assert honest == timestamp.check(bytes(changed), MESSAGE, HONEST.authority())
        except Refused:
            refused += 1
    assert refused > len(response) * 8 // 5 * 9 // 10


def real_authority(folder: Path, made: Authorities, query: bytes) -> bytes:
    """openssl's answer to a query, as a local authority."""
    (folder / "serial").write_text("01")
    (folder / "tsa.cnf").write_text(CONFIG)
    (folder / "key.pem").write_bytes(tsa.pem(made.key))
    (folder / "signer.pem").write_bytes(made.certificate.public_bytes(Encoding.PEM))
    (folder / "root.pem").write_bytes(made.root.public_bytes(Encoding.PEM))
    (folder / "query.tsq").write_bytes(query)
    _run("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq", "-inkey", "key.pem",
         "-signer", "signer.pem", "-out", "reply.tsr", folder=folder)
    return (folder / "reply.tsr").read_bytes()


@absent
@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_a_real_authority_answers_us_and_is_believed(kind: str, tmp_path: Path) -> None:
    """Our query, openssl's answer, our check; another message or nonce is refused."""
    now = datetime.now(MOMENT.tzinfo)
    made = Authorities(kind=kind, begins=now - timedelta(days=1), ends=now + timedelta(days=1))
    asked = request_of(MESSAGE, Random("nonce"))
    response = real_authority(tmp_path, made, asked.der())
    found = timestamp.check(response, MESSAGE, made.authority(policies=frozenset({POLICY})),
                            asked.nonce)
    assert (1500, POLICY) == (found.accuracy, found.policy)
    for message, nonce in ((b"another", asked.nonce), (MESSAGE, asked.nonce + 1)):
        with pytest.raises(Refused, match="tlog_timestamp"):
            timestamp.check(response, message, made.authority(), nonce)
    forged = response.replace(response[-60:], bytes(60))
    with pytest.raises(Refused, match="tlog_timestamp"):
        timestamp.check(forged, MESSAGE, made.authority(), asked.nonce)


@absent
def test_a_policy_is_asked_for_and_a_refusal_is_understood(tmp_path: Path) -> None:
    """The one that was asked for comes back; one that it does not know is refused."""
    now = datetime.now(MOMENT.tzinfo)
    made = Authorities(begins=now - timedelta(days=1), ends=now + timedelta(days=1))
    asked = request_of(MESSAGE, Random("nonce"), "1.2.3.4")
    response = real_authority(tmp_path, made, asked.der())
    assert "1.2.3.4" == timestamp.check(response, MESSAGE, made.authority(), asked.nonce).policy
    unknown = request_of(MESSAGE, Random("nonce"), "1.2.3.5")
    with pytest.raises(Refused, match="status 2"):
        timestamp.check(real_authority(tmp_path, made, unknown.der()), MESSAGE, made.authority())


@absent
def test_openssl_reads_our_query_and_verifies_what_our_tests_make(tmp_path: Path) -> None:
    """The two are one format."""
    (tmp_path / "q.tsq").write_bytes(TimestampRequest(bytes(32), 0x1234, POLICY).der())
    said = _run("ts", "-query", "-in", "q.tsq", "-text", folder=tmp_path)
    assert "Hash Algorithm: sha256" in said
    assert "Nonce: 0x1234" in said
    assert f"Policy OID: {POLICY}" in said
    assert "Certificate required: yes" in said
    (tmp_path / "r.tsr").write_bytes(lie())
    (tmp_path / "message").write_bytes(MESSAGE)
    (tmp_path / "root.pem").write_bytes(HONEST.root.public_bytes(Encoding.PEM))
    _run("ts", "-verify", "-in", "r.tsr", "-data", "message", "-CAfile", "root.pem",
         "-attime", str(AT // 1000), folder=tmp_path)


def test_a_kept_stamp_of_a_real_authority_is_believed_for_ever() -> None:
    """Made once by openssl 3.0; its certificate ended a day later."""
    message, response = (GOLDEN / "message").read_bytes(), (GOLDEN / "reply.tsr").read_bytes()
    roots = timestamp.pem_certificates((GOLDEN / "root.pem").read_bytes())
    found = timestamp.check(response, message, timestamp.Authority("kept", roots))
    assert (1_795_341_000_000, POLICY) < (found.at, found.policy)
    with pytest.raises(Refused):
        timestamp.check(response, message + b"x", timestamp.Authority("kept", roots))
    with pytest.raises(Refused, match="not a file"):
        timestamp.pem_certificates(b"nonsense")
