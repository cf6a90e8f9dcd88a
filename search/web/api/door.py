"""The door of the API: who calls, may they, is the call ours; and what an error looks like there.

Owns the order, which is that of the pages (search/web/app.py): read within bounds, who asks, may
they, answer. A service token stands for itself; a browser's session may read, and write with its
form token in a header, so that no other site's page can.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from schemas.errors import Denied, Missing, Refused, Transient
from search.access.cookies import csrf_ok
from search.access.signin import NotSignedIn, TooManyAttempts
from search.index import TooBroad
from search.web.api import given
from search.web.api.problems import Wrong, problem
from search.web.ask import RETRY_S, Ask, later
from search.web.ports import ConsoleParts
from search.web.routes import SIGNED_IN, Route
from search.web.security import SAFE

PREFIX: Final = "/api/"
_JSON: Final = "application/json"
_CSRF: Final = "x-csrf-token"

AskOf = Callable[[ConsoleParts, Request, str, dict[str, str]], Ask]
InThread = Callable[[ConsoleParts, Callable[[], Response]], Awaitable[Response]]


def endpoint(parts: ConsoleParts, route: Route, ask_of: AskOf,
             in_thread: InThread) -> Callable[[Request], Awaitable[Response]]:
    """What answers a route of the API."""
    async def called(request: Request) -> Response:
        ask = ask_of(parts, request, route.path, {})
        try:
            raw = b"" if request.method in SAFE else await _read(request)
        except Wrong as error:
            return _wrong(error)
        except ClientDisconnect:
            return PlainTextResponse("", HTTPStatus.BAD_REQUEST)  # nobody reads it
        return await in_thread(parts, lambda: answer(route, ask, request, raw))
    return called


def lost(status: HTTPStatus) -> Response:
    """No such path, no such method: said to strangers too, as the same for all of them."""
    return problem(status)


def answer(route: Route, ask: Ask, request: Request, raw: bytes) -> Response:
    """What one call is answered with. Runs in a thread of the pool."""
    parts = ask.parts
    try:
        wait_s = parts.wait_s(ask.origin.address)
        if wait_s:
            return later(wait_s, problem(HTTPStatus.TOO_MANY_REQUESTS))
        _sign(ask, request)
        if ask.viewer is None:
            return problem(HTTPStatus.UNAUTHORIZED)
        wait_s = parts.wait_s(f"session {ask.session.session}")
        if wait_s:
            return later(wait_s, problem(HTTPStatus.TOO_MANY_REQUESTS))
        if not _is_ours(ask, request):
            return _denied(ask, "form", "A session in a cookie calls from this console's own "
                           "pages, and changes something only with the header X-CSRF-Token.")
        if route.guard != SIGNED_IN:
            ask.who.require(route.guard)
        ask.body = given.body_of(raw)
        ask.key = given.key_of(request.headers.get("idempotency-key"))
        return ask.answered(route.handler(ask))
    except Denied as error:
        return _denied(ask, "denied", str(error))
    except NotSignedIn:
        return problem(HTTPStatus.UNAUTHORIZED)
    except Exception as error:  # noqa: BLE001 - the process's edge: one call fails, not all of them
        return _failed(ask, error)


def _failed(ask: Ask, error: Exception) -> Response:
    """Only what was written for a caller says anything."""
    if isinstance(error, TooManyAttempts):
        return later(error.retry_after_s, problem(HTTPStatus.TOO_MANY_REQUESTS))
    if isinstance(error, Missing):
        return problem(HTTPStatus.NOT_FOUND)
    if isinstance(error, Wrong):
        return _wrong(error)
    if isinstance(error, TooBroad):
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), "too_broad")
    if isinstance(error, Refused):
        return problem(HTTPStatus.BAD_REQUEST)
    ask.parts.report(error)
    if isinstance(error, Transient):
        return later(RETRY_S, problem(HTTPStatus.SERVICE_UNAVAILABLE))
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR)


def _sign(ask: Ask, request: Request) -> None:
    """A header beats a cookie: whoever sends both means the token. Raises NotSignedIn,
    TooManyAttempts."""
    header = request.headers.get("authorization", "")
    if header:
        ask.secret = ""
        live = ask.parts.gate.bearer(header, ask.origin)
    else:
        found = ask.parts.gate.session(ask.secret) if ask.secret else None
        if found is None:
            ask.secret = ""
            return
        live = found
    ask.live, ask.viewer = live, ask.parts.viewer(live)


def _is_ours(ask: Ask, request: Request) -> bool:
    """Whether nobody else's page made this call with the cookie of whoever reads it."""
    if not ask.secret:
        return True
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    return ask.method in SAFE or csrf_ok(ask.secret, request.headers.get(_CSRF, ""))


def _denied(ask: Ask, why: str, said: str) -> Response:
    """Recorded before it is said. Where it cannot be, nothing else is said either."""
    try:
        ask.record_denial(why)
    except Transient as error:
        return _failed(ask, error)
    return problem(HTTPStatus.FORBIDDEN, said)


def _wrong(error: Wrong) -> Response:
    return problem(error.status, str(error), error.code, **error.more)


async def _read(request: Request) -> bytes:
    """Raises Wrong for a body that is not JSON by its own word, or too large."""
    said = request.headers.get("content-type", "").split(";")[0].strip().lower()
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > given.BYTES_MAX:
            raise given.too_large()
    if body and said != _JSON:
        raise Wrong("send the body as JSON: Content-Type: application/json",
                    HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media_type")
    return bytes(body)
