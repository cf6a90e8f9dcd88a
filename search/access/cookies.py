"""Names and flags of the console's cookies, and the check that a form is ours (CSRF).

Owns both. What is in a cookie is 32 random bytes; what a form carries follows from them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from schemas.identity import canonical

SESSION_COOKIE: Final = "counterfoil"
# Before somebody is signed in: what the sign-in form is bound to.
FORM_COOKIE: Final = "counterfoil-form"
# On the way to an OpenID provider and back.
OIDC_COOKIE: Final = "counterfoil-oidc"
OIDC_MAX_AGE_S: Final = 600
# The browser refuses it unless it is Secure, of the whole site and of this host alone.
_HOST: Final = "__Host-"
# Lax: a link in a mail, and the way back from a provider, arrive signed in. What changes anything
# is a POST with the form's own token; Strict would add nothing to that.
SAME_SITE: Final = "lax"
_SECRET_BYTES: Final = 32
_LABEL: Final = "counterfoil/csrf/v1"


def is_loopback(host: str | None) -> bool:
    """Whether nobody else is on the way to this host: 127.0.0.0/8, ::1, localhost."""
    if host is None:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def secure(public_url: str) -> bool:
    """Whether cookies are Secure: always but for plain http on this machine, where some browsers
    would not keep such a cookie, and nobody else is on the way."""
    url = urlsplit(public_url)
    return not (url.scheme == "http" and is_loopback(url.hostname))


def name(base: str, public_url: str) -> str:
    """The cookie's name under this address."""
    return _HOST + base if secure(public_url) else base


def new_secret(random: Callable[[int], bytes]) -> str:
    """What a cookie holds: 256 random bits, safe in a cookie, a form and an address."""
    return base64.urlsafe_b64encode(random(_SECRET_BYTES)).decode("ascii").rstrip("=")


def csrf_of(secret: str) -> str:
    """What a form of whoever holds `secret` in a cookie carries. Who sees it cannot tell the
    cookie from it."""
    return hmac.new(secret.encode(), canonical(_LABEL), hashlib.sha256).hexdigest()


def csrf_ok(secret: str, given: str) -> bool:
    """Whether the form is ours; in constant time. Nothing fits an empty cookie."""
    return bool(secret) and hmac.compare_digest(csrf_of(secret).encode(), given.encode())
