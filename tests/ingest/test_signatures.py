"""Webhook signatures: Meta's and Twilio's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from ingest import forms
from ingest.signatures import url_forms, verify_hub, verify_twilio

SECRET = b"app-secret"
TOKEN = b"12345"
URL = "https://firm.example/hooks/twilio?door=1&x=a%20b"
# As Meta writes it: escapes for what is not ASCII and for the slash.
META_BODY = rb'{"messages":[{"id":"wamid.X","text":{"body":"caf\u00e9 \ud83d\ude00 \/ <b>"}}]}'


def hub(secret: bytes, body: bytes) -> str:
    """The header that Meta would send."""
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def twilio(token: bytes, signed: str) -> str:
    """The header that Twilio would send for the string it signs."""
    return base64.b64encode(hmac.new(token, signed.encode(), hashlib.sha1).digest()).decode()


def test_case_08_signature_is_over_the_raw_bytes() -> None:
    """The bytes as received verify; the same JSON written anew does not."""
    header = hub(SECRET, META_BODY)
    assert "1" == verify_hub([SECRET], header, META_BODY)
    for again in (json.dumps(json.loads(META_BODY)),
                  json.dumps(json.loads(META_BODY), ensure_ascii=False, separators=(",", ":"))):
        assert json.loads(META_BODY) == json.loads(again)
        assert verify_hub([SECRET], header, again.encode()) is None


def test_case_08_shared_vector_verifies() -> None:
    """The project's published vector, where it is at hand."""
    path = Path(__file__).parents[3] / "shared" / "vectors" / "signature_vectors.json"
    if not path.exists():
        # Fixed facts of the same algorithm stand in test_hub_is_hmac_sha256.
        return
    vector = json.loads(path.read_text("utf-8"))["meta_x_hub_signature_256"]
    secret, body = vector["app_secret"].encode(), vector["raw_body"].encode()
    assert "1" == verify_hub([secret], vector["header"], body)


def test_hub_is_hmac_sha256() -> None:
    """RFC 4231 test case 2: the scheme is plain HMAC-SHA256, in hex, behind `sha256=`."""
    digest = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert "1" == verify_hub([b"Jefe"], "sha256=" + digest, b"what do ya want for nothing?")


@pytest.mark.parametrize("spelled", [
    None, "", "sha256=", "sha1=" + "0" * 40, hub(SECRET, META_BODY).upper(),
    "sha256=" + hub(SECRET, META_BODY)[7:].upper(), hub(SECRET, META_BODY)[7:],
    "SHA256=" + hub(SECRET, META_BODY)[7:], " " + hub(SECRET, META_BODY),
    hub(SECRET, META_BODY) + "\n", hub(SECRET, META_BODY)[:-1], hub(SECRET, META_BODY) + "0",
    "sha256=" + "\u0661" * 64, "sha256=" + "0" * 64,
])
def test_case_09_any_other_spelling_is_refused(spelled: str | None) -> None:
    """Missing, upper-case, sha1 or wrong: no secret passes, however right the digest."""
    assert verify_hub([SECRET], spelled, META_BODY) is None


def test_old_and_new_secret_are_told_apart() -> None:
    """While a secret rotates both pass, and the answer says which."""
    secrets = [b"new", b"old"]
    assert "1" == verify_hub(secrets, hub(b"new", META_BODY), META_BODY)
    assert "2" == verify_hub(secrets, hub(b"old", META_BODY), META_BODY)
    assert verify_hub(secrets, hub(b"other", META_BODY), META_BODY) is None
    assert verify_hub([], hub(b"", META_BODY), META_BODY) is None


def test_empty_secret_signs_for_nobody() -> None:
    """A blank line in a secret file opens no door."""
    assert verify_hub([b""], hub(b"", META_BODY), META_BODY) is None
    assert verify_twilio([b""], twilio(b"", URL), URL, [], b"") is None


def test_twilio_is_the_url_and_the_sorted_pairs() -> None:
    """The scheme on values that can be computed by hand, and that its documents print."""
    params = [("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675310"), ("Digits", "1234"),
              ("From", "+14158675310"), ("To", "+18005551212")]
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    signed = url + "".join(name + value for name, value in params)
    assert "GvWf1cFY/Q7PnoempGyD5oXAezc=" == twilio(TOKEN, signed)
    shuffled = [params[4], params[0], params[3], params[1], params[2]]
    assert "1" == verify_twilio([TOKEN], twilio(TOKEN, signed), url, shuffled, b"x")
    assert verify_twilio([TOKEN], twilio(TOKEN, signed), url, params[:-1], b"x") is None
    assert verify_twilio([b"other"], twilio(TOKEN, signed), url, params, b"x") is None


@pytest.mark.parametrize(("seen_by_twilio", "configured"), [
    ("https://firm.example/h", "https://firm.example/h"),
    ("https://firm.example:443/h", "https://firm.example/h"),
    ("https://firm.example/h", "https://firm.example:443/h"),
    ("http://firm.example:80/h?a=b", "http://firm.example/h?a=b"),
    ("http://firm.example/h?a=b", "http://firm.example:80/h?a=b"),
    ("https://firm.example/h", "https://firm.example:8443/h"),
    ("https://me:pw@firm.example:443/h", "https://me:pw@firm.example/h"),
    ("https://me:p@w:9@firm.example/h", "https://me:p@w:9@firm.example:443/h"),
    ("https://firm.example/h", "https://me:pw@firm.example:443/h"),
    ("https://[2001:db8::1]:443/h", "https://[2001:db8::1]/h"),
    ("https://[2001:db8::1]/h", "https://[2001:db8::1]:443/h"),
    ("https://firm.example/h", "https://firm.example/h#rc=3&rp=all"),
    ("https://firm.example", "https://firm.example:443"),
])
def test_case_46_both_port_forms_of_the_public_url(seen_by_twilio: str, configured: str) -> None:
    """With or without the port, with or without user and password: one of the forms verifies."""
    params = [("Body", "hi")]
    header = twilio(TOKEN, seen_by_twilio + "Bodyhi")
    assert "1" == verify_twilio([TOKEN], header, configured, params, b"Body=hi")


def test_case_46_another_host_or_path_does_not_verify() -> None:
    """Behind a proxy the inner host is not what was signed: only the public URL verifies."""
    params, header = [("Body", "hi")], twilio(TOKEN, "https://firm.example/hBodyhi")
    for other in ("http://firm.example/h", "https://127.0.0.1:8080/h", "https://firm.example/i",
                  "https://firm.example.evil/h", "https://firm.example/h?x", "not a url", ""):
        assert verify_twilio([TOKEN], header, other, params, b"Body=hi") is None


@pytest.mark.parametrize("seen", ["/h?name=O'Hara", "/h?name=O%27Hara"])
@pytest.mark.parametrize("configured", ["/h?name=O'Hara", "/h?name=O%27Hara"])
def test_case_46_single_quote_escaped_or_not(seen: str, configured: str) -> None:
    """A quote in the query verifies in either spelling."""
    header = twilio(TOKEN, "https://firm.example" + seen)
    assert "1" == verify_twilio([TOKEN], header, "https://firm.example" + configured, [], b"")


def test_case_46_url_forms_are_few_and_begin_with_the_url() -> None:
    """A plain URL costs two signatures, not dozens."""
    assert ("https://a.example/h", "https://a.example:443/h") == url_forms("https://a.example/h")


@pytest.mark.parametrize(("body", "signed"), [
    (b"Body=a&New=1", "BodyaNew1"),
    (b"Body=a&Body=b&Body=a", "BodyaBodyb"),
    (b"Body=b&Body=a", "BodyaBodyb"),
    (b"Body=&FromCity=", "BodyFromCity"),
    (b"Body=a+b", "Bodya b"),
    (b"Body=a%20b", "Bodya b"),
    (b"Body=%2B1", "Body+1"),
    (b"Body=%F0%9F%98%80+caf%C3%A9", "Body\U0001f600 caf\u00e9"),
    (b"=nameless&Body=x", "namelessBodyx"),
    (b"b=1&B=2&a=3", "B2a3b1"),
])
def test_case_47_form_oddities_keep_the_signature_valid(body: bytes, signed: str) -> None:
    """Unknown fields, repeated keys, empty values, plus and percent, emoji: the pairs that were
    signed are the pairs that are read."""
    header = twilio(TOKEN, URL + signed)
    assert "1" == verify_twilio([TOKEN], header, URL, forms.decode(body), body)


def test_case_47_bytes_that_are_no_utf8_are_signed_as_they_are() -> None:
    """A stray byte in a value neither raises nor passes as something else."""
    signed = URL.encode() + b"Body\xff"
    header = base64.b64encode(hmac.new(TOKEN, signed, hashlib.sha1).digest()).decode()
    assert "1" == verify_twilio([TOKEN], header, URL, forms.decode(b"Body=%FF"), b"Body=%FF")


def test_json_body_is_tied_by_its_hash_in_the_url() -> None:
    """bodySHA256 must match the bytes; a body that nothing ties to the signature is refused."""
    body = b'{"a":1}'
    url = f"https://firm.example/h?bodySHA256={hashlib.sha256(body).hexdigest()}"
    assert "1" == verify_twilio([TOKEN], twilio(TOKEN, url), url, [], body)
    assert verify_twilio([TOKEN], twilio(TOKEN, url), url, [], b'{"a":2}') is None
    bare = "https://firm.example/h"
    assert verify_twilio([TOKEN], twilio(TOKEN, bare), bare, [], body) is None
    assert "1" == verify_twilio([TOKEN], twilio(TOKEN, bare), bare, [], b"")


def test_get_request_is_its_url() -> None:
    """A webhook by GET has its fields in the query and no body."""
    url = URL + "&Body=" + quote("caf\u00e9")
    assert "1" == verify_twilio([TOKEN], twilio(TOKEN, url), url, [], b"")
    assert verify_twilio([TOKEN], twilio(TOKEN, url), url + "&To=x", [], b"") is None


@pytest.mark.parametrize("header", [
    None, "", "=", "A" * 28, "\u00e9" * 28, twilio(TOKEN, URL)[:-1], twilio(TOKEN, URL) + "=",
    twilio(TOKEN, URL) + "\n",
])
def test_twilio_header_of_another_form_is_refused(header: str | None) -> None:
    """Only 20 bytes in base64 are compared at all."""
    assert verify_twilio([TOKEN], header, URL, [], b"") is None
