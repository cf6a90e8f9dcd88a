"""The console as an ASGI application: one door that every request goes through.

Owns the order: read within bounds, who asks, may they, is the form ours, answer; and what each
error looks like from outside. A denial of somebody who is signed in is recorded before it is
answered; a stranger is sent to sign in and writes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as Mounted

from schemas.errors import Denied, Missing, Refused, Transient
from search.access import cookies
from search.access.cookies import csrf_ok, new_secret
from search.access.sessions import Origin
from search.access.signin import NotSignedIn, TooManyAttempts
from search.index import TooBroad
from search.web.api import door
from search.web.ask import RETRY_S, Ask, later, sentence
from search.web.ports import ConsoleParts
from search.web.routes import PUBLIC, ROUTES, SIGNED_IN, Route
from search.web.security import SAFE, Guarded

# A form of ours is a few hundred bytes; the longest query makes some ten thousand.
FORM_BYTES_MAX: Final = 64 * 1024
_FORM_FIELDS_MAX: Final = 50
_FORM: Final = "application/x-www-form-urlencoded"
_AGENT_CHARS_MAX: Final = 200
_WORDS: Final = {
    HTTPStatus.BAD_REQUEST: ("This cannot be read", "The address or the form is not one of ours. "
                             "Go back, and try again from the page that you came from."),
    HTTPStatus.FORBIDDEN: ("This is not for you", "Your account may not do this. It was recorded "
                           "that you asked. If you need it for your work, ask your administrator."),
    HTTPStatus.NOT_FOUND: ("Nothing here", "There is nothing at this address, or nothing that you "
                           "may see."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("This cannot be read", "Go back, and try again."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("Too much", "The form holds more than is accepted."),
    HTTPStatus.TOO_MANY_REQUESTS: ("Too many requests", "Wait a moment, and try again."),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("Something went wrong", "The page could not be made. The "
                                       "operator finds the reason in the log. Nothing was shown, "
                                       "and nothing was changed that is not told."),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Not now", "A part of the system cannot be reached, so "
                                     "nothing is answered. Try again in a minute; if it "
                                     "lasts, tell your operator."),
}
_OLD_FORM: Final = ("The form was too old", "The page was open for too long, or you signed in or "
                    "out in another window. Nothing was done. Go back, reload the page, try again.")


def make_app(parts: ConsoleParts, routes: tuple[Route, ...] = ROUTES) -> Starlette:
    """The console. Every route of `routes` is behind its guard, and there is no other."""
    async def lost(request: Request, error: Exception) -> Response:
        # Starlette's own answers: no such path, no such method.
        status = HTTPStatus(error.status_code if isinstance(error, HTTPException) else 500)
        if request.url.path.startswith(door.PREFIX):
            return door.lost(status)
        ask = _ask(parts, request, "", {})
        return await _in_thread(parts, lambda: _stranger(parts, ask, status))

    return Starlette(
        routes=[Mounted(one.path, _endpoint(parts, one), methods=list(one.methods))
                for one in routes],
        exception_handlers={HTTPException: lost},
        middleware=[Middleware(Guarded, hosts=parts.settings.hosts,
                               public_url=parts.settings.public_url)])


def _endpoint(parts: ConsoleParts, route: Route) -> Callable[[Request], Awaitable[Response]]:
    if route.is_api:
        return door.endpoint(parts, route, _ask, _in_thread)

    async def endpoint(request: Request) -> Response:
        if route.is_bare:
            return route.handler(_ask(parts, request, route.path, {}))
        try:
            form = {} if request.method in SAFE else await _form(request)
        except Refused as error:
            ask = _ask(parts, request, route.path, {})
            status = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE if str(error) == "too large"
                      else HTTPStatus.BAD_REQUEST)
            return await _in_thread(parts, lambda: _stranger(parts, ask, status))
        except ClientDisconnect:
            return PlainTextResponse("", HTTPStatus.BAD_REQUEST)  # nobody reads it
        ask = _ask(parts, request, route.path, form)
        return await _in_thread(parts, lambda: answer(route, ask))
    return endpoint


async def _in_thread(parts: ConsoleParts, work: Callable[[], Response]) -> Response:
    def safely() -> Response:
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - not even the error's page could be made; what
            # it says may be content, and a server's own log would hold it
            parts.report(error)
            return PlainTextResponse("500\n", HTTPStatus.INTERNAL_SERVER_ERROR)
    return await asyncio.get_running_loop().run_in_executor(parts.threads, safely)


def _ask(parts: ConsoleParts, request: Request, route: str, form: dict[str, str]) -> Ask:
    address = request.client.host if request.client else ""
    ask = Ask(
        parts=parts, method="GET" if request.method == "HEAD" else request.method, route=route,
        path=request.url.path, params=dict(request.path_params), query=dict(request.query_params),
        form=form, cookies=request.cookies,
        origin=Origin(address, request.headers.get("user-agent", "")[:_AGENT_CHARS_MAX]))
    ask.secret = ask.cookie(cookies.SESSION_COOKIE)
    ask.form_secret = ask.cookie(cookies.FORM_COOKIE)
    return ask


async def _form(request: Request) -> dict[str, str]:
    """Raises Refused for what is no form of ours."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != _FORM:
        raise Refused("no form")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > FORM_BYTES_MAX:
            raise Refused("too large")
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict",
                          max_num_fields=_FORM_FIELDS_MAX)
    except ValueError as error:
        raise Refused("no form") from error
    return dict(pairs)


def answer(route: Route, ask: Ask) -> Response:
    """What one request is answered with. Runs in a thread of the pool."""
    parts = ask.parts
    try:
        wait_s = parts.wait_s(ask.origin.address)
        if wait_s:
            return later(wait_s, _error(ask, HTTPStatus.TOO_MANY_REQUESTS))
        _sign(ask)
        wait_s = parts.wait_s(f"session {ask.live.session}") if ask.live else 0
        if wait_s:
            return later(wait_s, _error(ask, HTTPStatus.TOO_MANY_REQUESTS))
        refusal = _guard(route, ask)
        return refusal if refusal is not None else route.handler(ask)
    except Denied:
        return _denied(ask, "denied")
    except NotSignedIn:
        return ask.go("/sign-in")
    except Exception as error:  # noqa: BLE001 - the process's edge: one page fails, not all of them
        return _failed(ask, error)


def _failed(ask: Ask, error: Exception) -> Response:
    """What an error looks like from outside: nothing of what it says."""
    if isinstance(error, TooManyAttempts):
        return later(error.retry_after_s, _error(ask, HTTPStatus.TOO_MANY_REQUESTS))
    if isinstance(error, Missing):
        # The same words for what is not there and for what is somebody else's.
        return _error(ask, HTTPStatus.NOT_FOUND)
    if isinstance(error, TooBroad):
        # Written for whoever asks; it holds numbers.
        return _error(ask, HTTPStatus.UNPROCESSABLE_ENTITY,
                      ("Too much at once", sentence(str(error))))
    if isinstance(error, Refused):
        return _error(ask, HTTPStatus.BAD_REQUEST)
    ask.parts.report(error)
    if isinstance(error, Transient):
        return later(RETRY_S, _error(ask, HTTPStatus.SERVICE_UNAVAILABLE))
    return _error(ask, HTTPStatus.INTERNAL_SERVER_ERROR)


def _sign(ask: Ask) -> None:
    """Who asks, if anybody is signed in; else what a form of theirs is bound to."""
    if ask.secret:
        live = ask.parts.gate.session(ask.secret)
        if live is not None:
            ask.live, ask.viewer = live, ask.parts.viewer(live)
            return
        ask.secret = ""
    if not ask.form_secret:
        ask.keep_form_secret(new_secret(ask.parts.random))


def _guard(route: Route, ask: Ask) -> Response | None:
    """Null = go on. Raises Denied."""
    if route.guard != PUBLIC and ask.viewer is None:
        if ask.method in SAFE:
            return ask.go(f"/sign-in?{_next(ask)}")
        return _error(ask, HTTPStatus.FORBIDDEN, _OLD_FORM)
    if route.guard not in (PUBLIC, SIGNED_IN):
        ask.who.require(route.guard)
    if ask.method not in SAFE and not csrf_ok(
            ask.secret or ask.form_secret, ask.form.get("csrf", "")):
        if ask.viewer is not None:
            return _denied(ask, "form", _OLD_FORM)
        return _error(ask, HTTPStatus.FORBIDDEN, _OLD_FORM)
    return None


def _next(ask: Ask) -> str:
    here = ask.here()
    return urlencode({"next": here}) if here != "/" else ""


def _denied(ask: Ask, why: str, words: tuple[str, str] | None = None) -> Response:
    """Recorded before it is said. Where it cannot be, nothing else is said either."""
    try:
        ask.record_denial(why)
    except Transient as error:
        return _failed(ask, error)
    return _error(ask, HTTPStatus.FORBIDDEN, words)


def _stranger(parts: ConsoleParts, ask: Ask, status: HTTPStatus) -> Response:
    """An error before any route: still within the frame of whoever is signed in."""
    try:
        _sign(ask)
    except (Refused, Transient) as error:
        parts.report(error)
    return _error(ask, status)


def _error(ask: Ask, status: HTTPStatus, words: tuple[str, str] | None = None) -> Response:
    title, said = words or _WORDS.get(status, _WORDS[HTTPStatus.INTERNAL_SERVER_ERROR])
    return ask.page("error.html", title, status, said=said, number=status.value)
