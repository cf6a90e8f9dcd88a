"""Default-deny: every route and its guard are known, all else is refused (DESIGN §11)."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import httpx
import pytest
from starlette.routing import Route

from ingest.adapters import ADAPTERS
from ingest.gateway import ROUTES
from tests.ingest.doorway import Doorway

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW")
PATHS = (
    "/", "/healthz", "/healthz/", "/hooks", "/hooks/", "/hooks/whatsapp", "/hooks/whatsapp/",
    "/hooks/twilio", "/hooks/twilio/", "/hooks/whatsapp/x", "/hooks/telegram", "/HOOKS/WHATSAPP",
    "/hooks//whatsapp", "/hooks/%2e%2e/healthz", "/docs", "/openapi.json", "/metrics", "/readyz",
    "/debug", "/.env", "/favicon.ico", "/hooks/whatsapp%2f",
)


def test_the_table_is_what_is_served(tmp_path: Path) -> None:
    """The application has these routes, with these methods, and no others."""
    app = Doorway(tmp_path).app
    served = set()
    for route in app.routes:
        assert isinstance(route, Route)
        served |= {(method, route.path) for method in route.methods or ()}
    assert served == {(method, path) for method, path, _ in ROUTES}
    assert not app.debug
    assert not app.router.redirect_slashes


def test_every_route_has_a_guard_and_only_healthz_is_open() -> None:
    """A route without authentication is a decision that somebody has to make here."""
    assert [path for _, path, guard in ROUTES if guard == "open"] == ["/healthz"]
    assert {guard for _, path, guard in ROUTES if path != "/healthz"} == {
        "verify-token", "hub-sha256", "twilio-sha1"}
    assert {path for _, path, _ in ROUTES} - {"/healthz"} == {
        one.path for one in ADAPTERS.values()}


@pytest.mark.parametrize("path", PATHS)
def test_everything_else_is_404_or_405(tmp_path: Path, path: str) -> None:
    """Another path is 404, another method 405 with Allow; neither captures anything."""
    doorway = Doorway(tmp_path)
    known = {(method, route) for method, route, _ in ROUTES}
    allowed = {method for method, route in known if route == path}

    async def main() -> None:
        async with doorway.running() as client:
            for method in METHODS:
                answer = await client.request(method, f"http://inside{path}")
                if (method, path) in known:
                    assert answer.status_code in (200, 401, 403, 415)
                elif allowed:
                    assert answer.status_code == 405
                    assert set(answer.headers["allow"].split(", ")) == allowed
                else:
                    assert answer.status_code == 404
                assert "set-cookie" not in answer.headers

    asyncio.run(main())
    assert doorway.events("message", "unknown", "quarantine") == []


def test_without_credentials_no_door_opens(tmp_path: Path) -> None:
    """Every guarded route refuses a request that proves nothing, whatever it claims to be."""
    doorway = Doorway(tmp_path)
    types = ("application/json", "application/x-www-form-urlencoded")
    guarded = [(method, path) for method, path, guard in ROUTES if guard != "open"]

    async def main() -> None:
        async with doorway.running() as client:
            for (method, path), kind in itertools.product(guarded, types):
                answer = await client.request(method, path, content=b"{}" if method == "POST"
                                              else b"", headers={"content-type": kind})
                assert answer.status_code in (401, 403, 415)

    asyncio.run(main())
    assert doorway.events("message", "unknown", "quarantine") == []


def test_healthz_says_only_that_it_lives(tmp_path: Path) -> None:
    """No version, no state, no names."""
    doorway = Doorway(tmp_path)

    async def main() -> None:
        async with doorway.running() as client:
            answer = await client.get("/healthz")
            assert (answer.status_code, answer.text) == (200, "ok")
            assert set(answer.headers) == {"content-length", "content-type",
                                           "x-content-type-options"}

    asyncio.run(main())


def test_a_websocket_is_refused(tmp_path: Path) -> None:
    """Nothing speaks WebSocket here."""
    doorway = Doorway(tmp_path)
    sent: list[object] = []

    async def receive() -> object:
        return {"type": "websocket.connect"}

    async def send(message: object) -> None:
        sent.append(message)

    async def main() -> None:
        await doorway.app({
            "type": "websocket", "path": "/hooks/whatsapp", "raw_path": b"/hooks/whatsapp",
            "query_string": b"", "headers": [], "subprotocols": [], "scheme": "ws"},
            receive, send)  # type: ignore[arg-type]

    asyncio.run(main())
    doorway.ring.close()
    assert [one["type"] for one in sent if isinstance(one, dict)] == ["websocket.close"]


def test_the_client_of_the_tests_follows_no_redirect() -> None:
    """Else a redirect would pass as the page behind it."""
    assert not httpx.AsyncClient().follow_redirects
