"""OpenID Connect: what is asked of a provider, and what of its answer is believed.

Owns the protocol: authorization code with PKCE (S256), state, nonce, exact issuer and audience, a
list of algorithms without `none` and without shared secrets, a clock's skew. Who the identity is
here, is `federated.py`. Sockets are the driver's (`infra/oidchttp.py`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jws
from joserfc.errors import ClaimError, JoseError
from joserfc.jwk import KeySet

from schemas.errors import Refused, Transient
from schemas.identity import canonical
from search.access.cookies import is_loopback

# Signatures that only the provider can make. `none` is no signature; with HS* whoever knows the
# client's secret, or takes a public key for one, signs as the provider.
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
                     "ES512", "EdDSA", "Ed25519")
_KEY_TYPES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
BODY_BYTES_MAX: Final = 1 << 20
_TOKEN_CHARS_MAX: Final = 32_768
_TEXT_CHARS_MAX: Final = 4_096
# How far the provider's clock may be off, s.
SKEW_S: Final = 60
# An ID token is made at this moment; an old one was made for something else.
AGE_S_MAX: Final = 600
_KEPT_MS: Final = 3_600_000
# A key that we do not know is looked for at the provider no more often than this.
_LOOK_AGAIN_MS: Final = 60_000
# A provider that does not answer is left alone for so long: each try holds a thread of the pages.
_FAILED_MS: Final = 30_000
_WELL_KNOWN: Final = "/.well-known/openid-configuration"
_LABEL: Final = "counterfoil/oidc/v1"
_SCOPE: Final = "openid email profile"
_Said = TypeVar("_Said")
_ERRORS: Final = {
    "access_denied": "the sign-in was cancelled, or your provider does not let you use Counterfoil",
    "login_required": "your provider wants you to sign in there first",
    "interaction_required": "your provider wants something more of you; sign in there first",
    "consent_required": "your provider wants a consent that was not given",
    "temporarily_unavailable": "your provider is busy; try again in a moment",
    "server_error": "your provider had an error; try again in a moment",
    "unauthorized_client": "the provider does not know this console: check console.oidc_client_id",
    "invalid_request": "the provider did not understand the request: check its settings for this "
                       "console, the redirect address above all",
    "invalid_client": "the provider does not accept the client's secret: check "
                      "console.oidc_client_secret_file",
    "invalid_grant": "the provider does not know this sign-in any more; sign in again",
    "invalid_scope": "the provider does not give the scopes openid, email and profile",
}


class NotBelieved(Refused):
    """What came back from the provider, or from whoever poses as it, is not acceptable."""


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """`issuer`: exactly as the provider spells it. `claim`: which claim names a person: email
    (only where the provider has verified it), preferred_username or upn."""

    issuer: str
    client_id: str
    redirect_uri: str
    client_secret: str = ""
    claim: str = "email"
    name: str = "your firm's account"


@dataclass(frozen=True, slots=True)
class Reply:
    """A provider's answer; `body` at most BODY_BYTES_MAX."""

    status: int
    body: bytes


class Http(Protocol):
    """To the provider, over TLS that is checked; no redirect is followed."""

    def get(self, url: str, bearer: str = "") -> Reply:
        """Raises Transient when there is no answer."""

    def post(self, url: str, fields: Mapping[str, str], basic: tuple[str, str] | None) -> Reply:
        """A form; `basic`: user and password. Raises Transient."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the provider says it is. `name` is the value of the configured claim, trusted."""

    issuer: str
    subject: str
    name: str


@dataclass(frozen=True, slots=True)
class _Endpoints:
    authorization: str
    token: str
    keys: str
    userinfo: str
    end_session: str
    basic: bool


class _Registry(jws.JWSRegistry):
    """Providers put names of their own into a header, and certificates; `crit` is obeyed."""

    max_header_length = 8_192


class _Remembered(Generic[_Said]):
    """What the provider says of itself: asked for by one thread at a time, and where it failed not
    again for a while."""

    def __init__(self, ask: Callable[[], _Said], clock: Callable[[], int]) -> None:
        self._ask = ask
        self._clock = clock
        self._asking = threading.Lock()
        # Each is put there whole: who reads it needs no lock.
        self._said: tuple[int, _Said] | None = None
        self._failed: tuple[int, Transient | Refused] | None = None

    def get(self, kept_ms: int, *, is_awaited: bool = False) -> _Said:
        """What was said at most `kept_ms` ago. While another thread asks: what was said at most
        twice as long ago, or Transient; `is_awaited`: its answer. Raises as it did for _FAILED_MS
        after a failure."""
        known = self._known(kept_ms)
        if known is not None:
            return known[1]
        if not self._asking.acquire(blocking=is_awaited):
            said = self._said
            if said is not None and self._clock() - said[0] < 2 * kept_ms:
                return said[1]
            raise Transient("your provider is being asked just now; try again in a moment")
        try:
            # Somebody may have asked while this one waited.
            known = self._known(kept_ms)
            if known is None:
                known = self._said = (self._clock(), self._ask())
                self._failed = None
            return known[1]
        except (Transient, Refused) as error:
            if self._failed is None or not self._is_recent(self._failed[0]):
                self._failed = (self._clock(), error)
            raise
        finally:
            self._asking.release()

    def _known(self, kept_ms: int) -> tuple[int, _Said] | None:
        """Null = it is to be asked for. Raises what the last try did."""
        said, failed = self._said, self._failed
        if said is not None and self._clock() - said[0] < kept_ms:
            return said
        if failed is not None and self._is_recent(failed[0]):
            # A new one: an error that is raised twice keeps what it went through the first time.
            raise type(failed[1])(str(failed[1]))
        return None

    def _is_recent(self, at: int) -> bool:
        return 0 <= self._clock() - at < _FAILED_MS


class Provider:
    """One provider. Calls may come from any thread; discovery and keys are kept for an hour."""

    def __init__(self, settings: OidcSettings, http: Http, clock: Callable[[], int]) -> None:
        """`clock`: UTC ms. Raises Refused for an issuer that is no safe address."""
        _require_safe(settings.issuer, "console.oidc_issuer", loopback=True)
        self.settings = settings
        self._http = http
        self._clock = clock
        self._found = _Remembered(self._discovered, clock)
        self._keys = _Remembered(self._listed, clock)

    def authorization_url(self, secret: str) -> str:
        """Where the browser goes. `secret`: 256 random bits that stay in the browser's cookie;
        state, nonce and PKCE verifier follow from it."""
        url: str = prepare_grant_uri(
            self._endpoints().authorization, client_id=self.settings.client_id,
            response_type="code", redirect_uri=self.settings.redirect_uri, scope=_SCOPE,
            state=_derived(secret, "state"), nonce=_derived(secret, "nonce"),
            response_mode="query",
            code_challenge=create_s256_code_challenge(_derived(secret, "verifier")),
            code_challenge_method="S256")
        return url

    def identity(self, secret: str, query: Mapping[str, str]) -> Identity:
        """Who came back, from the query of the redirect. Raises NotBelieved in words, Transient.
        """
        given = query.get("state", "")
        if not hmac.compare_digest(given.encode(), _derived(secret, "state").encode()):
            raise NotBelieved("this sign-in was not begun here, or in another window; sign in "
                              "again")
        # RFC 9207: an answer of another provider, led here by one that we asked.
        if "iss" in query and query["iss"] != self.settings.issuer:
            raise NotBelieved("the answer is another provider's")
        if "error" in query:
            raise NotBelieved(_words(query["error"]))
        code = query.get("code", "")
        if not code or len(code) > _TEXT_CHARS_MAX:
            raise NotBelieved("the provider sent no code")
        id_token, access_token = self._exchange(code, _derived(secret, "verifier"))
        claims = self._checked(id_token, access_token, _derived(secret, "nonce"))
        return Identity(self.settings.issuer, claims["sub"], self._name(claims, access_token))

    def sign_out_url(self, back_to: str) -> str | None:
        """Where the browser signs out of the provider too; null where it has no such address."""
        url = self._endpoints().end_session
        if not url:
            return None
        return url + ("&" if "?" in url else "?") + urlencode({
            "client_id": self.settings.client_id, "post_logout_redirect_uri": back_to})

    def _exchange(self, code: str, verifier: str) -> tuple[str, str]:
        endpoints, secret = self._endpoints(), self.settings.client_secret
        fields = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier,
                  "redirect_uri": self.settings.redirect_uri}
        basic = None
        if secret and endpoints.basic:
            # RFC 6749 §2.3.1: both are form-encoded before they are joined.
            basic = (quote(self.settings.client_id, safe=""), quote(secret, safe=""))
        else:
            fields["client_id"] = self.settings.client_id
            if secret:
                fields["client_secret"] = secret
        reply = self._http.post(endpoints.token, fields, basic)
        if reply.status >= 500:
            raise Transient(f"the provider's token endpoint answers {reply.status}")
        answer = _object(reply.body, "the provider's token endpoint")
        if reply.status != 200:
            raise NotBelieved(_words(answer.get("error")))
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(id_token, str) or len(id_token) > _TOKEN_CHARS_MAX:
            raise NotBelieved("the provider sent no ID token")
        return id_token, access_token if isinstance(access_token, str) else ""

    def _checked(self, id_token: str, access_token: str, nonce: str) -> dict[str, Any]:
        """Its claims, of which sub is a text. Nothing of a token is read before its signature is
        checked but its header, which says what with."""
        header, claims = self._signed(id_token)
        settings, now = self.settings, self._clock() // 1000
        # Ours first, with words; then the library's own reading of OpenID Connect Core §3.1.3.7.
        if claims.get("iss") != settings.issuer:
            raise NotBelieved("the ID token is of another issuer: console.oidc_issuer must be "
                              "exactly what the provider calls itself")
        if claims.get("aud") not in (settings.client_id, [settings.client_id]):
            raise NotBelieved("the ID token is for another application")
        given = claims.get("nonce")
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
            raise NotBelieved("the ID token was made for another sign-in")
        for name in ("exp", "iat"):
            if type(claims.get(name)) not in (int, float):
                raise NotBelieved(f"the ID token has no {name}")
        if claims["exp"] + SKEW_S <= now:
            raise NotBelieved("the ID token is expired; is the clock of this machine right?")
        if not now - AGE_S_MAX - SKEW_S <= claims["iat"] <= now + SKEW_S:
            raise NotBelieved("the ID token was not made now; is the clock of this machine right?")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise NotBelieved("the ID token has no subject")
        try:
            CodeIDToken(claims, header, params={
                "nonce": nonce, "client_id": settings.client_id, "access_token": access_token},
            ).validate(now=now, leeway=SKEW_S)
        except ClaimError as error:
            raise NotBelieved(f"the ID token is not acceptable: {error.claim}") from error
        return claims

    def _signed(self, id_token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        algorithm, key_id = _header_of(id_token)
        if algorithm not in ALGORITHMS:
            raise NotBelieved("the ID token is not signed as a provider signs: its algorithm is "
                              "not one of those that only the provider can use")
        for attempt in range(2):
            keys = [one for one in self._key_set(again=attempt > 0).keys
                    if one.key_type == _KEY_TYPES[algorithm[:2]]
                    and key_id in (None, one.kid) and one.as_dict().get("use", "sig") == "sig"
                    and one.as_dict().get("alg", algorithm) == algorithm]
            for key in keys:
                try:
                    found = jws.deserialize_compact(id_token, key, registry=_Registry(
                        algorithms=list(ALGORITHMS), strict_check_header=False))
                except JoseError:
                    continue
                return dict(found.headers()), _object(found.payload, "the ID token")
            # The provider may have changed its keys since: look once.
        raise NotBelieved("the ID token is not signed by your provider")

    def _name(self, claims: Mapping[str, Any], access_token: str) -> str:
        claim = self.settings.claim
        if claim not in claims and access_token and self._endpoints().userinfo:
            claims = self._userinfo(str(claims["sub"]), access_token)
        value = claims.get(claim)
        if not isinstance(value, str) or not 0 < len(value) <= 255:
            raise NotBelieved(f"your provider does not say who you are: the claim {claim!r} is "
                              "missing (console.oidc_claim)")
        # Exactly true: an address that anybody may enter at the provider would let anybody in.
        if claim == "email" and claims.get("email_verified") is not True:
            raise NotBelieved("your provider has not verified your e-mail address")
        return value

    def _userinfo(self, subject: str, access_token: str) -> dict[str, Any]:
        reply = self._http.get(self._endpoints().userinfo, bearer=access_token)
        if reply.status != 200:
            raise NotBelieved(f"the provider's userinfo endpoint answers {reply.status}")
        found = _object(reply.body, "the provider's userinfo endpoint")
        # OpenID Connect Core §5.3.2: or it may be somebody else's.
        if found.get("sub") != subject:
            raise NotBelieved("the provider's two answers are about two people")
        return found

    def _endpoints(self) -> _Endpoints:
        return self._found.get(_KEPT_MS)

    def _discovered(self) -> _Endpoints:
        issuer = self.settings.issuer
        reply = self._http.get(issuer.rstrip("/") + _WELL_KNOWN)
        if reply.status != 200:
            raise Transient(f"the provider's description at {_WELL_KNOWN} answers {reply.status}: "
                            "check console.oidc_issuer")
        said = _object(reply.body, "the provider's description")
        if said.get("issuer") != issuer:
            raise Refused("console.oidc_issuer must be exactly what the provider calls itself, a "
                          "slash at the end included")
        loopback = is_loopback(urlsplit(issuer).hostname)
        urls = {}
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint",
                     "end_session_endpoint"):
            url = said.get(name, "")
            if not isinstance(url, str) or (not url and name in (
                    "authorization_endpoint", "token_endpoint", "jwks_uri")):
                raise Refused(f"the provider's description has no {name}")
            if url:
                _require_safe(url, f"the provider's {name}", loopback=loopback)
            urls[name] = url
        # OpenID Connect Discovery §3: basic where nothing is said.
        methods = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return _Endpoints(urls["authorization_endpoint"], urls["token_endpoint"],
                          urls["jwks_uri"], urls["userinfo_endpoint"],
                          urls["end_session_endpoint"],
                          not isinstance(methods, list) or "client_secret_basic" in methods)

    def _key_set(self, *, again: bool) -> KeySet:
        # Whoever comes here was let in by the provider a moment ago, and its new keys are worth
        # waiting for: with the old ones a good token would be refused.
        return self._keys.get(_LOOK_AGAIN_MS if again else _KEPT_MS, is_awaited=True)

    def _listed(self) -> KeySet:
        reply = self._http.get(self._endpoints().keys)
        if reply.status != 200:
            raise Transient(f"the provider's keys: it answers {reply.status}")
        listed = _object(reply.body, "the provider's keys").get("keys")
        if not isinstance(listed, list):
            raise NotBelieved("the provider's keys are no list")
        return KeySet(_readable(listed))


def _readable(listed: list[Any]) -> list[Any]:
    """The public keys among them; of a kind that we do not know none is used, and none is an
    error."""
    found = []
    for one in listed:
        if not isinstance(one, dict) or one.get("kty") not in _KEY_TYPES.values():
            continue
        try:
            found += KeySet.import_key_set({"keys": [one]}).keys
        except (JoseError, ValueError, TypeError):
            continue
    return found


def _header_of(token: str) -> tuple[str, str | None]:
    """(alg, kid) as an unsigned header claims. Raises NotBelieved."""
    head = token.split(".", 1)[0]
    try:
        header = _object(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)), "the ID token")
    except ValueError as error:
        raise NotBelieved("the ID token does not read") from error
    key_id = header.get("kid")
    return str(header.get("alg")), key_id if isinstance(key_id, str) else None


def _object(body: bytes, whose: str) -> dict[str, Any]:
    if len(body) > BODY_BYTES_MAX:
        raise NotBelieved(f"{whose}: more than {BODY_BYTES_MAX} bytes")
    try:
        read = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotBelieved(f"{whose}: not JSON") from error
    if not isinstance(read, dict):
        raise NotBelieved(f"{whose}: not a JSON object")
    return read


def _words(error: object) -> str:
    """Our words for a provider's code. Its own description is not shown: whoever makes a link to
    our page can write it."""
    return _ERRORS.get(str(error), "your provider refused the sign-in")


def _derived(secret: str, what: str) -> str:
    digest = hmac.new(secret.encode(), canonical(_LABEL, what), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def _require_safe(url: str, what: str, *, loopback: bool) -> None:
    try:
        read = urlsplit(url)
        host, _ = read.hostname, read.port
    except ValueError as error:
        raise Refused(f"{what} is no address") from error
    if read.username is not None or read.fragment or not host:
        raise Refused(f"{what} is no address that can be used")
    if read.scheme != "https" and not (loopback and read.scheme == "http" and is_loopback(host)):
        raise Refused(f"{what} must begin with https://")
