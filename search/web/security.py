"""What holds for every request and every answer, before a route is looked for (DESIGN §11).

Owns the headers that tell a browser to run nothing but our own files, the names under which the
console may be reached, and the refusal of requests that another site's page makes in a browser.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CONTENT_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
# For bytes that somebody sent: nothing in them runs, loads, or learns where it is.
FILE_POLICY: Final = "default-src 'none'; sandbox; frame-ancestors 'none'"
HEADERS: Final = (
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-embedder-policy", b"require-corp"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    (b"x-robots-tag", b"noindex, nofollow"),
)
_TRANSPORT: Final = (b"strict-transport-security", b"max-age=31536000")
SAFE: Final = frozenset({"GET", "HEAD"})


class Guarded:
    """ASGI middleware around the console."""

    def __init__(self, app: App, hosts: frozenset[str], public_url: str) -> None:
        self._app = app
        self._hosts = hosts
        scheme = urlsplit(public_url).scheme
        self._origins = frozenset({public_url, *(f"{scheme}://{host}" for host in hosts)})
        self._added = HEADERS + ((_TRANSPORT,) if public_url.startswith("https://") else ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                named = {name.lower() for name, _ in given}
                message["headers"] = given + [one for one in self._added if one[0] not in named]
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, with_headers)
        else:
            await _say(refusal, with_headers)

    def _refusal(self, scope: Scope) -> HTTPStatus | None:
        said = _headers(scope["headers"])
        if scope["path"] == "/healthz":
            return None  # whoever probes us by address knows no name; there is nothing to see
        if said is None or said.get("host", "").lower() not in self._hosts:
            return HTTPStatus.MISDIRECTED_REQUEST
        method = scope["method"]
        site = said.get("sec-fetch-site", "none")
        if method not in SAFE:
            origin = said.get("origin", "")
            # Without a referrer a browser says "null" of its own pages too, and then says besides
            # whose they are.
            is_ours = origin in self._origins or not origin or (
                origin == "null" and site == "same-origin")
            if not is_ours or site in ("cross-site", "same-site"):
                return HTTPStatus.FORBIDDEN
        elif site in ("cross-site", "same-site") and not (
                said.get("sec-fetch-mode") == "navigate"
                and said.get("sec-fetch-dest") == "document"):
            # A page elsewhere may link here; it may not load anything of ours into itself, which
            # would make a look of somebody who looked at nothing.
            return HTTPStatus.FORBIDDEN
        return None


def _headers(given: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str] | None:
    """Null where one that decides something is there twice: proxies disagree on which counts."""
    out: dict[str, str] = {}
    for name, value in given:
        key = name.decode("latin-1").lower()
        if key in out and key in ("host", "origin", "sec-fetch-site"):
            return None
        out[key] = value.decode("latin-1")
    return out


async def _say(status: HTTPStatus, send: Send) -> None:
    body = f"{status.value} {status.phrase}\n".encode()
    await send({"type": "http.response.start", "status": status.value, "headers": [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
