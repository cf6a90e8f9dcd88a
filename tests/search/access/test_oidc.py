"""OpenID Connect: against a real provider's process, and against one that lies in every way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from infra.oidchttp import ProviderHttp
from schemas.errors import Refused, Transient
from search.access.federated import HOME, OidcSignIn, local_path
from search.access.lockout import TooManyAttempts
from search.access.oidc import AGE_S_MAX, SKEW_S, NotBelieved, OidcSettings, Provider, Reply
from search.access.signin import NotSignedIn
from tests.search.access.provider import (
    SECRET,
    Liar,
    come_back,
    lying_provider,
    now_ms,
    real_provider,
    says_of,
    unsigned,
    with_shared_secret,
)
from tests.search.access.signin_world import ANNA, BEN, DESK, Firm

REDIRECT = "http://127.0.0.1:8090/sign-in/callback"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The real provider."""
    with real_provider() as found:
        yield found


@pytest.fixture
def liar() -> Iterator[Liar]:
    """The other one; honest until a test says otherwise."""
    with lying_provider() as found:
        yield found


@pytest.fixture
def firm() -> Firm:
    """Its clock begins now."""
    made = Firm()
    made.clock.now = now_ms()
    return made


def signing_in(firm: Firm, issuer: str, **values: str) -> OidcSignIn:
    """A console that trusts `issuer`."""
    settings = replace(OidcSettings(issuer, "console", REDIRECT, SECRET), **values)
    return OidcSignIn(firm.parts, firm.sign_in, Provider(settings, ProviderHttp(), firm.clock))


def through(firm: Firm, liar: Liar, **values: str) -> str:
    """Who got in, with everything that the liar says."""
    sign_in = signing_in(firm, liar.issuer, **values)
    begun = sign_in.begin()
    return sign_in.finish(begun.cookie, liar.begun(begun.url), DESK).signed.live.person


def refusal(firm: Firm, liar: Liar, **values: str) -> str:
    """The words; and nobody got in, and it is on the record."""
    with pytest.raises(NotBelieved) as caught:
        through(firm, liar, **values)
    assert () == firm.parts.sessions.all()
    assert ("sign_in_failed", "provider") == (
        firm.records.last[0], firm.records.last[2]["reason"])
    return str(caught.value)


# --- the real provider -------------------------------------------------------------------------


def test_somebody_signs_in(firm: Firm, issuer: str) -> None:
    """Code, PKCE, nonce, signature, verified address: a session, recorded, back where she was."""
    says_of(issuer, "anna-1", email="A.Novak@Firm.example", email_verified=True)
    sign_in = signing_in(firm, issuer)
    begun = sign_in.begin("/queue?level=2")
    assert "code_challenge_method=S256" in begun.url
    finished = sign_in.finish(begun.cookie, come_back(begun.url, "anna-1"), DESK)
    live = firm.gate.session(finished.signed.secret)
    assert live is not None
    assert ("a.novak", "oidc", "/queue?level=2") == (live.person, live.how, finished.return_to)
    assert ["oidc_subject_bound", "sign_in"] == firm.records.actions
    assert f"{issuer} anna-1" == firm.account(ANNA).subject
    end = sign_in.sign_out_url("http://127.0.0.1:8090/")
    assert end is not None
    assert end.startswith(f"{issuer}/oauth2/end_session?")


def test_an_unverified_address_is_nobodys(firm: Firm, issuer: str) -> None:
    """Anybody may have typed it; nor is "true" as a text enough, nor is saying nothing."""
    claims: tuple[dict[str, object], ...] = (
        {"email_verified": False}, {"email_verified": "true"}, {})
    for number, said in enumerate(claims):
        says_of(issuer, f"mallory-{number}", email="a.novak@firm.example", **said)
        sign_in = signing_in(firm, issuer)
        begun = sign_in.begin()
        with pytest.raises(NotBelieved, match="has not verified"):
            sign_in.finish(begun.cookie, come_back(begun.url, f"mallory-{number}"), DESK)


def test_nobody_is_made_on_the_way_in(firm: Firm, issuer: str) -> None:
    """An identity that access.toml does not name, or names as inactive; recorded as a failure."""
    for subject, email in (("eve", "eve@firm.example"), ("gone", "gone@firm.example")):
        says_of(issuer, subject, email=email, email_verified=True)
        sign_in = signing_in(firm, issuer)
        begun = sign_in.begin()
        with pytest.raises(NotSignedIn):
            sign_in.finish(begun.cookie, come_back(begun.url, subject), DESK)
        assert ("sign_in_failed", "unknown") == (
            firm.records.last[0], firm.records.last[2]["reason"])
    assert () == firm.accounts.book.accounts


def test_an_answer_comes_in_once(firm: Firm, issuer: str) -> None:
    """Neither the same answer again, nor in a browser that did not begin it, nor too late."""
    says_of(issuer, "anna-1", email="a.novak@firm.example", email_verified=True)
    sign_in = signing_in(firm, issuer)
    begun, other = sign_in.begin(), sign_in.begin()
    query = come_back(begun.url, "anna-1")
    with pytest.raises(NotBelieved, match="not begun here"):
        sign_in.finish(other.cookie, query, DESK)
    sign_in.finish(begun.cookie, query, DESK)
    for cookie in (begun.cookie, "", ".", "x" * 9_000):
        with pytest.raises(NotBelieved, match="took too long"):
            sign_in.finish(cookie, query, DESK)
    late = sign_in.begin()
    query = come_back(late.url, "anna-1")
    firm.clock.now += 600_000
    with pytest.raises(NotBelieved, match="took too long"):
        sign_in.finish(late.cookie, query, DESK)


def test_a_code_of_another_sign_in_is_not_taken(firm: Firm, issuer: str) -> None:
    """An attacker's code in the victim's browser: the nonce inside is the attacker's."""
    says_of(issuer, "ben-1", email="b.ito@firm.example", email_verified=True)
    sign_in = signing_in(firm, issuer)
    attackers, victims = sign_in.begin(), sign_in.begin()
    stolen = come_back(attackers.url, "ben-1")["code"]
    query = {**come_back(victims.url, "ben-1"), "code": stolen}
    with pytest.raises(NotBelieved, match="another sign-in"):
        sign_in.finish(victims.cookie, query, DESK)


def test_a_code_that_the_provider_does_not_know(firm: Firm, issuer: str) -> None:
    """Refused in our words."""
    sign_in = signing_in(firm, issuer)
    begun = sign_in.begin()
    query = {**come_back(begun.url, "anna-1"), "code": "invented"}
    with pytest.raises(NotBelieved, match="sign in again"):
        sign_in.finish(begun.cookie, query, DESK)


# --- the provider that lies --------------------------------------------------------------------


def test_the_liar_is_honest_by_itself(firm: Firm, liar: Liar) -> None:
    """So that each refusal below is for the one thing that it does; PKCE is checked there."""
    assert "a.novak" == through(firm, liar)
    (path, fields, authorization) = liar.asked[-2] if liar.asked[-1][0] == "/keys" \
        else liar.asked[-1]
    assert ("/token", REDIRECT) == (path, fields["redirect_uri"])
    assert authorization.startswith("Basic ")
    assert "client_secret" not in fields


@pytest.mark.parametrize(("claims", "words"), [
    ({"aud": "another-app"}, "for another application"),
    ({"aud": ["console", "another-app"]}, "for another application"),
    ({"aud": []}, "for another application"),
    ({"azp": "another-app"}, "azp"),
    ({"nonce": "another"}, "made for another sign-in"),
    ({"nonce": None}, "made for another sign-in"),
    ({"nonce": 7}, "made for another sign-in"),
    ({"iss": "https://login.evil.example"}, "another issuer"),
    ({"exp": 1}, "expired"),
    ({"exp": "tomorrow"}, "no exp"),
    ({"exp": True}, "no exp"),
    ({"iat": 1}, "not made now"),
    ({"iat": 9_999_999_999}, "not made now"),
    ({"nbf": 9_999_999_999}, "not acceptable"),
    ({"at_hash": "somebodyelses"}, "at_hash"),
    ({"sub": ""}, "no subject"),
    ({"sub": 7}, "no subject"),
    ({"sub": "x" * 256}, "no subject"),
    ({"email_verified": False}, "not verified"),
    ({"email_verified": "true"}, "not verified"),
    ({"email_verified": 1}, "not verified"),
    ({"email": ["a.novak@firm.example"]}, "does not say who you are"),
])
def test_a_claim_that_is_not_so(firm: Firm, liar: Liar, claims: dict[str, object],
                                words: str) -> None:
    """Each is refused, in words."""
    liar.claims = claims
    assert words in refusal(firm, liar)


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "iat", "nonce", "sub"])
def test_a_claim_that_is_missing(firm: Firm, liar: Liar, name: str) -> None:
    """Each is needed."""
    liar.without = (name,)
    refusal(firm, liar)


def test_clocks_may_differ_a_little(firm: Firm, liar: Liar) -> None:
    """A minute either way, and no more."""
    now = int(time.time())
    firm.clock.now = now * 1000
    for claims, good in (({"exp": now - SKEW_S + 5}, True), ({"exp": now - SKEW_S}, False),
                         ({"iat": now + SKEW_S}, True), ({"iat": now + SKEW_S + 1}, False),
                         ({"iat": now - AGE_S_MAX - SKEW_S}, True),
                         ({"iat": now - AGE_S_MAX - SKEW_S - 1}, False)):
        liar.claims = claims
        if good:
            through(firm, liar)
            firm.parts.sessions.revoke_all("a.novak")
        else:
            refusal(firm, liar)


def test_a_token_that_nobody_signed(firm: Firm, liar: Liar) -> None:
    """alg none, in any spelling; and without any signature at all."""
    liar.sign = unsigned
    assert "not signed as a provider signs" in refusal(firm, liar)
    for header in (b'{"alg":"None"}', b'{"alg":"NONE"}',
                   b'{"alg":null}', b"{}", b'{"alg":["RS256"]}',
                   b'{"alg":"RS256"}', b'{"alg":"RS256","b64":false,"crit":["b64"]}'):
        liar.sign = partial(unsigned, header=header)
        refusal(firm, liar)
    liar.sign = lambda payload: unsigned(payload)[:-1]
    refusal(firm, liar)


def test_a_token_signed_with_a_secret_that_we_share(firm: Firm, liar: Liar) -> None:
    """HS256: with the client's secret, and with the provider's public key taken for one."""
    for secret in (SECRET.encode(), liar.key.as_pem(private=False), b"\0" * 32):
        liar.sign = with_shared_secret(secret)
        assert "not signed as a provider signs" in refusal(firm, liar)
    # And if the provider's own list of keys has a shared one, it is none.
    liar.published = [{"kty": "oct", "kid": "one", "k": "AAAA"}]
    liar.sign = None
    assert "not signed by your provider" in refusal(firm, liar)


def test_a_token_signed_by_somebody_else(firm: Firm, liar: Liar) -> None:
    """Another key under the same id; a key that the token itself brings."""
    other = RSAKey.generate_key(2048, {"kid": "one"})
    liar.sign = lambda payload: jws.serialize_compact(
        {"alg": "RS256", "kid": "one"}, payload, other, algorithms=["RS256"])
    assert "not signed by your provider" in refusal(firm, liar)
    liar.sign = lambda payload: jws.serialize_compact(
        {"alg": "RS256", "jwk": other.as_dict(private=False)}, payload, other,
        algorithms=["RS256"])
    assert "not signed by your provider" in refusal(firm, liar)


def test_a_changed_token(firm: Firm, liar: Liar) -> None:
    """One byte of the claims, or a header that demands what we do not know."""
    def changed(payload: bytes) -> str:
        head, body, signature = jws.serialize_compact(
            {"alg": "RS256", "kid": "one"}, payload, liar.key, algorithms=["RS256"]).split(".")
        return f"{head}.{body[:-2]}{'AA' if body[-2:] != 'AA' else 'BB'}.{signature}"

    liar.sign = changed
    refusal(firm, liar)
    for broken in ("", "x", "a.b", "a.b.c", "é.é.é", "e30.e30.e30", "." * 10):
        liar.sign = partial(lambda said, _payload: said, broken)
        refusal(firm, liar)
    liar.sign = lambda payload: "e" * 40_000
    assert "no ID token" in refusal(firm, liar)


def test_other_good_algorithms(firm: Firm, liar: Liar) -> None:
    """Elliptic curves and PSS, each with its own kind of key."""
    curve, edwards = ECKey.generate_key("P-256", {"kid": "two"}), OKPKey.generate_key(
        "Ed25519", {"kid": "three"})
    for algorithm, key in (("ES256", curve), ("EdDSA", edwards), ("PS256", liar.key)):
        liar.published = [key.as_dict(private=False), {"kty": "unknown"}, {}, {"kty": "EC"}]
        liar.sign = partial(_signed, algorithm, key)
        assert "a.novak" == through(firm, liar)


def _signed(algorithm: str, key: Any, payload: bytes) -> str:
    return jws.serialize_compact({"alg": algorithm}, payload, key, algorithms=[algorithm])


def test_new_keys_are_looked_for(firm: Firm, liar: Liar) -> None:
    """A provider changes its key: the next token is taken, but an unknown key is looked for once a
    minute at most."""
    sign_in = signing_in(firm, liar.issuer)

    def once() -> None:
        begun = sign_in.begin()
        sign_in.finish(begun.cookie, liar.begun(begun.url), DESK)

    once()
    once()
    assert 1 == [path for path, _, _ in liar.asked].count("/keys")
    liar.key = RSAKey.generate_key(2048, {"kid": "one"})
    with pytest.raises(NotBelieved):
        once()
    assert 1 == [path for path, _, _ in liar.asked].count("/keys")
    firm.clock.now += 59_000
    with pytest.raises(NotBelieved):
        once()
    firm.clock.now += 1_000
    once()
    assert 2 == [path for path, _, _ in liar.asked].count("/keys")
    assert 1 == [path for path, _, _ in liar.asked].count("/.well-known/openid-configuration")


@pytest.mark.parametrize(("query", "words"), [
    ({"error": "access_denied", "error_description": "call +1 555 and say your password"},
     "cancelled"),
    ({"error": "<script>"}, "refused the sign-in"),
    ({"error": "temporarily_unavailable"}, "busy"),
    ({"code": ""}, "no code"),
    ({"code": "x" * 5_000}, "no code"),
    ({"iss": "https://login.evil.example"}, "another provider's"),
    ({"state": "another"}, "not begun here"),
    ({"state": "é"}, "not begun here"),
    ({"state": ""}, "not begun here"),
])
def test_a_query_that_is_not_believed(firm: Firm, liar: Liar, query: dict[str, str],
                                      words: str) -> None:
    """The provider's own description is never shown: whoever makes the link wrote it."""
    sign_in = signing_in(firm, liar.issuer)
    begun = sign_in.begin()
    with pytest.raises(NotBelieved, match=words) as caught:
        sign_in.finish(begun.cookie, {**liar.begun(begun.url), **query}, DESK)
    assert "555" not in str(caught.value)
    assert "script" not in str(caught.value)


@pytest.mark.parametrize(("description", "words"), [
    ({"issuer": "https://login.evil.example"}, "exactly"),
    ({"issuer": "slash"}, "exactly"),
    ({"token_endpoint": "http://login.evil.example/token"}, "https"),
    ({"jwks_uri": "file:///etc/passwd"}, "no address"),
    ({"jwks_uri": "http://169.254.169.254/keys"}, "https"),
    ({"authorization_endpoint": ""}, "no authorization_endpoint"),
    ({"authorization_endpoint": 7}, "no authorization_endpoint"),
    ({"token_endpoint": "https://user:pass@firm.example/"}, "no address"),
    ({"token_endpoint": "https://[::"}, "no address"),
])
def test_a_description_that_is_not_believed(firm: Firm, liar: Liar,
                                            description: dict[str, object], words: str) -> None:
    """Nobody is sent there, and no secret is."""
    if description.get("issuer") == "slash":
        description = {"issuer": liar.issuer + "/"}
    liar.description = description
    with pytest.raises(Refused, match=words):
        signing_in(firm, liar.issuer).begin()


@pytest.mark.parametrize("issuer", [
    "http://login.firm.example", "ftp://127.0.0.1", "https://", "login.firm.example",
    "http://127.0.0.1.evil.example", "https://user@login.firm.example", "https://x/#y"])
def test_an_issuer_is_a_safe_address(firm: Firm, issuer: str) -> None:
    """https, but for a provider on this machine."""
    with pytest.raises(Refused):
        signing_in(firm, issuer)


def test_a_provider_that_is_away(firm: Firm, liar: Liar) -> None:
    """Tried again; nothing is guessed, and nothing of the request is said."""
    with pytest.raises(Transient, match="does not answer"):
        signing_in(firm, "http://127.0.0.1:9").begin()
    liar.token_status = 503
    sign_in = signing_in(firm, liar.issuer)
    begun = sign_in.begin()
    with pytest.raises(Transient, match="503"):
        sign_in.finish(begun.cookie, liar.begun(begun.url), DESK)


class Away:
    """A provider that does not answer, or not yet; counts who asks."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.asked = 0
        self._meanwhile = meanwhile

    def get(self, url: str, bearer: str = "") -> Reply:
        """No answer, after a while."""
        self.asked += 1
        self._meanwhile()
        raise Transient("the provider does not answer")

    def post(self, url: str, fields: Mapping[str, str], basic: tuple[str, str] | None) -> Reply:
        """Nobody comes so far."""
        raise AssertionError


def test_a_provider_that_is_away_is_asked_twice_a_minute(firm: Firm) -> None:
    """Whoever signs in meanwhile is told at once, in the same words."""
    away = Away()
    provider = Provider(OidcSettings("https://login.firm.example", "console", REDIRECT), away,
                        firm.clock)
    for after, asked in ((0, 1), (0, 1), (29_999, 1), (1, 2), (10_000, 2)):
        firm.clock.now += after
        with pytest.raises(Transient, match="does not answer"):
            provider.authorization_url("secret")
        assert away.asked == asked


def test_nobody_waits_while_another_asks(firm: Firm) -> None:
    """A second page that needs the provider is told to try again; it holds no thread."""
    said: list[str] = []

    def second() -> None:
        # In the midst of the first one's question.
        with pytest.raises(Transient, match="being asked just now") as caught:
            provider.authorization_url("secret")
        said.append(str(caught.value))

    away = Away(second)
    provider = Provider(OidcSettings("https://login.firm.example", "console", REDIRECT), away,
                        firm.clock)
    with pytest.raises(Transient, match="does not answer"):
        provider.authorization_url("secret")
    assert (len(said), away.asked) == (1, 1)


def test_a_description_of_an_hour_ago_serves_while_it_is_asked_for(
        firm: Firm, liar: Liar, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address is still the provider's, and nobody is sent away for the time of a request."""
    http = ProviderHttp()
    provider = Provider(OidcSettings(liar.issuer, "console", REDIRECT), http, firm.clock)
    first = provider.authorization_url("secret")
    firm.clock.now += 3_600_000
    meanwhile: list[str] = []
    get = http.get

    def slow(url: str, bearer: str = "") -> Reply:
        meanwhile.append(provider.authorization_url("secret"))
        return get(url, bearer)

    monkeypatch.setattr(http, "get", slow)
    assert first == provider.authorization_url("secret")
    assert [first] == meanwhile


@pytest.mark.parametrize("answer", [b"", b"[]", b"{", b"[" * 100_000, b"x" * (2 << 20), b"\xff"])
def test_an_answer_that_is_none(firm: Firm, liar: Liar, monkeypatch: pytest.MonkeyPatch,
                                answer: bytes) -> None:
    """Not JSON, no object, too much of it."""
    monkeypatch.setattr(liar, "answer", lambda path, fields: (200, answer))
    with pytest.raises(Refused):
        signing_in(firm, liar.issuer).begin()


def test_a_redirect_is_not_followed(firm: Firm, liar: Liar,
                                    monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is the provider's own, or none."""
    monkeypatch.setattr(liar, "answer", lambda path, fields: (302, {}))
    with pytest.raises(Transient, match="302"):
        signing_in(firm, liar.issuer).begin()


def test_what_the_id_token_lacks_is_asked_for(firm: Firm, liar: Liar) -> None:
    """A thin ID token: the userinfo endpoint says the address, of the same subject."""
    liar.without = ("email", "email_verified")
    liar.userinfo = {"sub": "subject-1", "email": "b.ito@firm.example", "email_verified": True}
    assert "b.ito" == through(firm, liar)
    assert ("/userinfo", {}, "Bearer an-access-token") == liar.asked[-1]
    firm.parts.sessions.revoke_all("b.ito")
    liar.userinfo = {**liar.userinfo, "sub": "somebody-else"}
    assert "two people" in refusal(firm, liar)
    liar.userinfo = {"sub": "subject-1", "email": "b.ito@firm.example"}
    assert "not verified" in refusal(firm, liar)


def test_another_claim_may_name_people(firm: Firm, liar: Liar) -> None:
    """Where the provider verifies no addresses but the firm gives out the names itself."""
    liar.claims = {"preferred_username": "b.ito@firm.example", "email_verified": False}
    assert "b.ito" == through(firm, liar, claim="preferred_username")


def test_a_client_without_a_secret(firm: Firm, liar: Liar) -> None:
    """PKCE alone; and one whose provider wants the secret in the form."""
    assert "a.novak" == through(firm, liar, client_secret="")
    (token,) = [one for one in liar.asked if one[0] == "/token"]
    assert ("console", "") == (token[1]["client_id"], token[2])
    liar.description = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    through(firm, liar)
    token = [one for one in liar.asked if one[0] == "/token"][-1]
    assert (SECRET, "") == (token[1]["client_secret"], token[2])


# --- whose identity it is ----------------------------------------------------------------------


def test_the_first_identity_stays_the_persons(firm: Firm, liar: Liar) -> None:
    """Whoever gets her address later does not get her access; her own next address does no harm."""
    assert "a.novak" == through(firm, liar)
    liar.claims = {"sub": "subject-2"}
    with pytest.raises(NotSignedIn):
        through(firm, liar)
    assert "other_identity" == firm.records.last[2]["reason"]
    liar.claims = {"sub": "subject-1", "email": "married@firm.example"}
    assert "a.novak" == through(firm, liar)
    liar.claims = {"sub": "subject-1", "email": "b.ito@firm.example"}
    assert "a.novak" == through(firm, liar)
    firm.admin.forget_subject("a.novak", "operator")
    liar.claims = {"sub": "subject-2"}
    assert "a.novak" == through(firm, liar)


def test_a_closed_account_is_closed_here_too(firm: Firm, liar: Liar) -> None:
    """Before the first sign-in and after it; inactive in access.toml as well."""
    firm.has(BEN, disabled=True)
    liar.claims = {"email": "b.ito@firm.example"}
    with pytest.raises(NotSignedIn):
        through(firm, liar)
    liar.claims = {}
    through(firm, liar)
    firm.admin.disable("a.novak", "operator")
    with pytest.raises(NotSignedIn):
        through(firm, liar)
    firm.admin.enable("a.novak", "operator")
    firm.becomes(ANNA, active=False)
    with pytest.raises(NotSignedIn):
        through(firm, liar)
    assert () == firm.parts.sessions.all()


def test_a_stranger_s_answers_have_to_wait(firm: Firm, liar: Liar) -> None:
    """Thirty from one address that let nobody in; then the provider is not asked and one record
    stands for all that come. Good ones do not count, and after the wait there is a way in."""
    for _ in range(40):
        through(firm, liar)
    firm.parts.sessions.revoke_all("a.novak")
    liar.claims = {"aud": "another"}
    for _ in range(30):
        refusal(firm, liar)
    asked, before = len(liar.asked), len(firm.records.said)
    for _ in range(20):
        with pytest.raises(TooManyAttempts):
            through(firm, liar)
    assert [("sign_in_failed", "(nobody)")] == [
        said[:2] for said in firm.records.said[before:]]
    assert ("wait", "oidc", "1") == tuple(
        firm.records.last[2][name] for name in ("reason", "how", "count"))
    assert {"/.well-known/openid-configuration", "/keys"} >= {
        path for path, _, _ in liar.asked[asked:]}
    liar.claims = {}
    firm.clock.now += 30_000
    assert "a.novak" == through(firm, liar)


def test_two_with_one_address_are_nobody(firm: Firm, liar: Liar) -> None:
    """access.toml refuses that; if it did not, nobody would get in."""
    firm.becomes(BEN, email=ANNA.email)
    with pytest.raises(NotSignedIn):
        through(firm, liar)


@pytest.mark.parametrize(("asked", "path"), [
    ("/queue?level=2#x", "/queue?level=2#x"), ("", HOME), ("//evil.example", HOME),
    ("https://evil.example", HOME), ("/\\evil.example", HOME), ("/a\\b", HOME),
    ("javascript:alert(1)", HOME), ("/a\nb", HOME), ("/\t/evil.example", HOME),
    ("/" + "x" * 3_000, HOME)])
def test_nobody_is_sent_on_to_another_site(asked: str, path: str) -> None:
    """Only to a path of ours."""
    assert path == local_path(asked)


def test_a_changed_cookie_sends_nobody_away(firm: Firm, liar: Liar) -> None:
    """The path in it is checked again when it comes back."""
    sign_in = signing_in(firm, liar.issuer)
    for packed in ("Ly9ldmlsLmV4YW1wbGU", "%%%", "_w", ""):
        begun = sign_in.begin("/queue")
        cookie = begun.cookie.partition(".")[0] + "." + packed
        assert HOME == sign_in.finish(cookie, liar.begun(begun.url), DESK).return_to
