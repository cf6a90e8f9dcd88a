"""OpenID providers for tests: the real one as a process, and one that lies.

Owns both. The liar serves what it is told to, signed with a key of its own, so that each thing that
an honest provider never does can be done.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jws
from joserfc.jwk import RSAKey

SECRET = "the console's secret & more"
# Made once: a key takes longer than a test.
_KEY = RSAKey.generate_key(2048, {"kid": "one"})


def now_ms() -> int:
    """A real provider has a real clock."""
    return time.time_ns() // 1_000_000


@contextmanager
def real_provider() -> Iterator[str]:
    """oidc-provider-mock as a process of its own on loopback; its issuer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    issuer = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                httpx.get(f"{issuer}/.well-known/openid-configuration", timeout=5)
                break
            except httpx.TransportError:
                assert process.poll() is None, "the provider ended"
                time.sleep(0.1)
        yield issuer
    finally:
        process.terminate()
        process.wait(30)


def says_of(issuer: str, subject: str, **claims: object) -> None:
    """What the real provider knows of an identity."""
    httpx.put(f"{issuer}/users/{subject}", json=claims).raise_for_status()


def come_back(url: str, subject: str) -> dict[str, str]:
    """Somebody signs in at the real provider as `subject`: the query that the browser brings."""
    answer = httpx.post(url, data={"sub": subject})
    assert answer.status_code == 302, answer.text
    return {name: values[0] for name, values in
            parse_qs(urlsplit(answer.headers["location"]).query).items()}


@dataclass
class Liar:
    """A provider that does what a test says. `issuer` is filled in when it listens."""

    key: RSAKey = field(default_factory=lambda: _KEY)
    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    sign: Callable[[bytes], str] | None = None
    description: dict[str, Any] = field(default_factory=dict)
    token_answer: dict[str, Any] = field(default_factory=dict)
    token_status: int = 200
    userinfo: dict[str, Any] | None = None
    published: list[dict[str, Any]] | None = None
    nonce: str = ""
    challenge: str = ""
    asked: list[tuple[str, dict[str, str], str]] = field(default_factory=list)

    def begun(self, url: str) -> dict[str, str]:
        """A browser came with this address; the query that it is sent back with."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        self.nonce, self.challenge = query["nonce"], query["code_challenge"]
        return {"code": "a-code", "state": query["state"]}

    def id_token(self) -> str:
        """Honest, but for what the test says."""
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "console", "sub": "subject-1", "iat": now,
                  "exp": now + 300, "nonce": self.nonce, "email": "a.novak@firm.example",
                  "email_verified": True, **self.claims}
        payload = json.dumps({name: value for name, value in claims.items()
                              if name not in self.without}).encode()
        if self.sign is not None:
            return self.sign(payload)
        return jws.serialize_compact({"alg": "RS256", "kid": "one"}, payload, self.key,
                                     algorithms=["RS256"])

    def answer(self, path: str, fields: Mapping[str, str]) -> tuple[int, object]:
        """To one request."""
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "end_session_endpoint": f"{self.issuer}/end", **self.description}
        if path == "/keys":
            return 200, {"keys": self.published if self.published is not None
                         else [self.key.as_dict(private=False)]}
        if path == "/userinfo":
            return 200, self.userinfo or {}
        verifier = hashlib.sha256(fields.get("code_verifier", "").encode()).digest()
        fits = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode() == self.challenge
        if self.token_status == 200 and not fits:
            return 400, {"error": "invalid_grant"}
        return self.token_status, {"access_token": "an-access-token", "token_type": "Bearer",
                                   "id_token": self.id_token(), **self.token_answer}


def unsigned(payload: bytes, header: bytes = b'{"alg":"none"}') -> str:
    """alg none: the signature is empty."""
    return f"{_part(header).decode()}.{_part(payload).decode()}."


def with_shared_secret(secret: bytes) -> Callable[[bytes], str]:
    """HS256 with the client's secret, or with a public key that everybody knows."""
    def sign(payload: bytes) -> str:
        # By hand: no library of today takes a public key for a shared secret any more.
        signed = b".".join(_part(part) for part in (b'{"alg":"HS256","kid":"one"}', payload))
        return b".".join((signed, _part(hmac.digest(secret, signed, "sha256")))).decode()

    return sign


def _part(body: bytes) -> bytes:
    return base64.urlsafe_b64encode(body).rstrip(b"=")


@contextmanager
def lying_provider() -> Iterator[Liar]:
    """On loopback, in a thread."""
    liar = Liar()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            self._answer({name: values[0] for name, values in parse_qs(body).items()})

        def _answer(self, fields: dict[str, str]) -> None:
            path = urlsplit(self.path).path
            liar.asked.append((path, fields, self.headers.get("authorization", "")))
            status, said = liar.answer(path, fields)
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    liar.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield liar
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
