"""Who sent a webhook: pure verification over the bytes as received.

Owns the schemes of Meta (X-Hub-Signature-256) and Twilio (X-Twilio-Signature). Each takes a list
of secrets (old and new, PROTOCOL C2) and names the one that passed by its place in the list,
counted from "1": never by anything made from the secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

_HUB_HEADER: Final = re.compile(r"sha256=[0-9a-f]{64}")
# Base64 of the 20 bytes of HMAC-SHA1.
_TWILIO_HEADER: Final = re.compile(r"[A-Za-z0-9+/]{27}=")
_URL: Final = re.compile(r"(https?)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.IGNORECASE | re.DOTALL)
_HOST: Final = re.compile(r"(\[[^\]]*\]|[^:]*)(?::[0-9]*)?")
_DEFAULT_PORT: Final = {"http": "80", "https": "443"}


def verify_hub(secrets: Sequence[bytes], header: str | None, body: bytes) -> str | None:
    """The id of the secret under which `header` signs `body`, or null.

    The header is `sha256=` and 64 lower-case hex digits, HMAC-SHA256 over the raw body; any other
    spelling is refused (CAPTURE case 9), however right its digest.
    """
    if header is None or not _HUB_HEADER.fullmatch(header):
        return None
    stated = header[len("sha256="):].encode()
    passed = None
    for number, secret in enumerate(secrets, 1):
        expected = hmac.new(secret, body, hashlib.sha256).hexdigest().encode()
        # An empty secret signs for everybody: it is a missing setting, not a secret.
        if secret and hmac.compare_digest(expected, stated) and passed is None:
            passed = str(number)
    return passed


def verify_twilio(
    tokens: Sequence[bytes],
    header: str | None,
    url: str,
    params: Sequence[tuple[str, str]],
    body: bytes,
) -> str | None:
    """The id of the auth token under which `header` signs this request, or null.

    `url` is the public URL with its query as Twilio saw it, not the one behind the proxy.
    `params` are the pairs of a form body (`ingest/forms.py`), empty for any other body: then the
    URL must carry `bodySHA256`, the hex SHA-256 of `body`, or the body must be empty, because
    nothing else ties the bytes to the signature. The scheme is HMAC-SHA1 over the URL and, by
    sorted key, each key with its sorted distinct values.
    """
    if header is None or not _TWILIO_HEADER.fullmatch(header):
        return None
    if not params and not _body_is_signed(url, body):
        return None
    stated = header.encode()
    # Once for all spellings and tokens. The URL comes first in what is signed, so that each
    # spelling hashes the form anew: the door keeps forms small (FORM_BYTES_MAX).
    tail = _signed_params(params)
    spellings = [form.encode("utf-8", "surrogateescape") for form in url_forms(url)]
    passed = None
    for number, token in enumerate(tokens, 1):
        keyed = hmac.new(token, digestmod=hashlib.sha1)
        for spelling in spellings:
            signing = keyed.copy()
            signing.update(spelling)
            signing.update(tail)
            expected = base64.b64encode(signing.digest())
            if token and hmac.compare_digest(expected, stated) and passed is None:
                passed = str(number)
    return passed


def url_forms(url: str) -> tuple[str, ...]:
    """Every spelling of `url` that Twilio is known to sign, `url` itself first.

    With its port, without, and with the scheme's default port; with and without user and password
    (callbacks over TLS drop them); a single quote in the query escaped, not escaped, and as it is;
    the fragment never travels.
    """
    match = _URL.fullmatch(url)
    if match is None:
        return (url,)
    scheme, authority, path, query = match[1], match[2], match[3], match[4] or ""
    # From the right: a password may hold "@" and ":".
    user, at, place = authority.rpartition("@")
    host_match = _HOST.fullmatch(place)
    host = host_match[1] if host_match else place
    places = (place, host, f"{host}:{_DEFAULT_PORT[scheme.lower()]}")
    queries = (query, query.replace("'", "%27"), query.replace("%27", "'"))
    forms = [
        f"{scheme}://{prefix}{one_place}{path}{one_query}"
        for prefix in (user + at, "")
        for one_place in places
        for one_query in queries
    ]
    return tuple(dict.fromkeys(forms))


def _signed_params(params: Sequence[tuple[str, str]]) -> bytes:
    values: dict[str, set[str]] = {}
    for name, value in params:
        values.setdefault(name, set()).add(value)
    signed = "".join(name + value for name in sorted(values) for value in sorted(values[name]))
    return signed.encode("utf-8", "surrogateescape")


def _body_is_signed(url: str, body: bytes) -> bool:
    query = url.partition("#")[0].partition("?")[2]
    stated = [value for name, value in parse_qsl(query, keep_blank_values=True, errors="replace")
              if name == "bodySHA256"]
    if not stated:
        return not body
    actual = hashlib.sha256(body).hexdigest()
    return hmac.compare_digest(actual.encode(), stated[0].encode("utf-8", "replace"))
