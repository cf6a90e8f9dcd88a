"""Every route has its guard, and the guard holds (default deny)."""

from __future__ import annotations

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route as Mounted

from search.access import roles
from search.access.cookies import csrf_of
from search.web.routes import PUBLIC, ROUTES, SIGNED_IN, Route
from tests.web.office import ADMINISTRATOR, COMPLIANCE, Browser, Office, filled

# The golden list: a new route is somebody's decision, here.
GUARDS = {
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/static/{digest}/{name}"): PUBLIC,
    ("GET", "/"): SIGNED_IN,
    ("POST", "/preferences"): PUBLIC,
    ("GET", "/sign-in"): PUBLIC,
    ("POST", "/sign-in"): PUBLIC,
    ("GET", "/sign-in/oidc"): PUBLIC,
    ("GET", "/sign-in/callback"): PUBLIC,
    ("GET", "/enter/{token}"): PUBLIC,
    ("POST", "/sign-out"): SIGNED_IN,
    ("GET", "/account"): SIGNED_IN,
    ("POST", "/account/password"): SIGNED_IN,
    ("POST", "/account/totp"): SIGNED_IN,
    ("POST", "/account/sessions"): SIGNED_IN,
    ("POST", "/account/recovery"): SIGNED_IN,
    ("POST", "/account/tokens"): roles.TOKENS,
    ("POST", "/account/tokens/revoke"): SIGNED_IN,
    ("GET", "/help"): SIGNED_IN,
    ("GET", "/search"): roles.SEARCH,
    ("GET", "/search/explain"): roles.SEARCH,
    ("POST", "/search/saved"): roles.SEARCH,
    ("POST", "/search/saved/remove"): roles.SEARCH,
    ("GET", "/conversation/{token}"): roles.VIEW,
    ("GET", "/message/{id}"): roles.VIEW,
    ("GET", "/message/{id}/picture/{number}"): roles.VIEW,
    ("GET", "/message/{id}/file/{number}"): roles.VIEW,
    ("GET", "/queue"): roles.QUEUE,
    ("GET", "/queue/next"): roles.QUEUE,
    ("POST", "/queue/bulk"): roles.BULK,
    ("GET", "/item/{id}"): roles.VIEW,
    ("POST", "/item/{id}/claim"): roles.DECIDE,
    ("POST", "/item/{id}/release"): roles.DECIDE,
    ("POST", "/item/{id}/decide"): roles.DECIDE,
    ("POST", "/item/{id}/second"): roles.SECOND,
    ("POST", "/item/{id}/assign"): roles.DECIDE,
    ("POST", "/item/{id}/note"): roles.DECIDE,
    ("POST", "/item/{id}/tag"): roles.DECIDE,
    ("POST", "/item/{id}/reopen"): roles.REOPEN,
    ("POST", "/item/{id}/unmask"): roles.UNMASK,
    ("GET", "/reports"): roles.REPORTS,
    ("GET", "/reports/items.csv"): roles.REPORTS,
    ("GET", "/reports/reviewers"): roles.AUDIT,
    ("GET", "/reports/signed.json"): roles.AUDIT,
    ("GET", "/reports/rules"): roles.POLICY_TEST,
    ("GET", "/dashboard"): roles.DASHBOARD,
    ("GET", "/audit"): roles.AUDIT,
    ("GET", "/audit/records.csv"): roles.AUDIT,
    ("GET", "/policies"): roles.POLICY_READ,
    ("GET", "/policies/test"): roles.POLICY_TEST,
    ("POST", "/policies/test"): roles.POLICY_TEST,
    ("GET", "/policies/test/{run}"): roles.POLICY_TEST,
    ("POST", "/policies/test/{run}/stop"): roles.POLICY_TEST,
    ("GET", "/access"): SIGNED_IN,
    ("POST", "/access"): roles.BREAK_GLASS,
    ("POST", "/access/{request}/decide"): roles.BREAK_GLASS_APPROVE,
    ("POST", "/access/{request}/end"): SIGNED_IN,
    ("GET", "/people"): roles.ACCOUNTS,
    ("GET", "/exports"): roles.EXPORT,
    ("POST", "/exports"): roles.EXPORT,
    ("GET", "/exports/new"): roles.EXPORT,
    ("POST", "/exports/new"): roles.EXPORT,
    ("GET", "/exports/{export}"): roles.EXPORT,
    ("POST", "/exports/{export}/decide"): roles.EXPORT,
    ("POST", "/exports/{export}/make"): roles.EXPORT,
    ("POST", "/exports/{export}/handover"): roles.EXPORT,
    ("GET", "/exports/{export}/package.zip"): roles.EXPORT,
    ("GET", "/api/v1/me"): SIGNED_IN,
    ("GET", "/api/v1/openapi.json"): SIGNED_IN,
    ("GET", "/api/v1/search"): roles.SEARCH,
    ("GET", "/api/v1/facets"): roles.SEARCH,
    ("GET", "/api/v1/explain"): roles.SEARCH,
    ("GET", "/api/v1/messages/{id}"): roles.VIEW,
    ("GET", "/api/v1/messages/{id}/files/{number}"): roles.VIEW,
    ("GET", "/api/v1/conversations/{token}"): roles.VIEW,
    ("GET", "/api/v1/queue"): roles.QUEUE,
    ("GET", "/api/v1/queue/counts"): roles.QUEUE,
    ("GET", "/api/v1/items/{id}"): roles.VIEW,
    ("POST", "/api/v1/items/{id}/claim"): roles.DECIDE,
    ("POST", "/api/v1/items/{id}/release"): roles.DECIDE,
    ("POST", "/api/v1/items/{id}/decide"): roles.DECIDE,
    ("POST", "/api/v1/items/{id}/confirm"): roles.SECOND,
    ("POST", "/api/v1/items/{id}/object"): roles.SECOND,
    ("POST", "/api/v1/items/{id}/assign"): roles.DECIDE,
    ("POST", "/api/v1/items/{id}/reopen"): roles.REOPEN,
    ("POST", "/api/v1/items/{id}/note"): roles.DECIDE,
    ("POST", "/api/v1/items/{id}/tag"): roles.DECIDE,
    ("POST", "/api/v1/items/{id}/untag"): roles.DECIDE,
    ("POST", "/api/v1/items/{id}/unmask"): roles.UNMASK,
    ("POST", "/api/v1/bulk"): roles.BULK,
    ("GET", "/api/v1/reports/period"): roles.REPORTS,
    ("GET", "/api/v1/reports/accountability"): roles.AUDIT,
    ("GET", "/api/v1/reports/narrowing"): roles.POLICY_TEST,
    ("GET", "/api/v1/audit"): roles.AUDIT,
    ("GET", "/api/v1/policies"): roles.POLICY_READ,
    ("GET", "/api/v1/policies/runs"): roles.POLICY_TEST,
    ("POST", "/api/v1/policies/runs"): roles.POLICY_TEST,
    ("GET", "/api/v1/policies/runs/{run}"): roles.POLICY_TEST,
    ("POST", "/api/v1/policies/runs/{run}/stop"): roles.POLICY_TEST,
    ("GET", "/api/v1/me/sessions"): SIGNED_IN,
    ("POST", "/api/v1/me/sessions/end"): SIGNED_IN,
    ("GET", "/api/v1/saved"): roles.SEARCH,
    ("POST", "/api/v1/saved"): roles.SEARCH,
    ("POST", "/api/v1/saved/remove"): roles.SEARCH,
    ("GET", "/api/v1/reviewers"): roles.ASSIGN,
    ("GET", "/api/v1/dashboard"): roles.DASHBOARD,
    ("GET", "/api/v1/people"): roles.ACCOUNTS,
    ("GET", "/api/v1/directory"): roles.DIRECTORY,
    ("GET", "/api/v1/exports"): roles.EXPORT,
    ("POST", "/api/v1/exports"): roles.EXPORT,
    ("POST", "/api/v1/exports/preview"): roles.EXPORT,
    ("GET", "/api/v1/exports/{export}"): roles.EXPORT,
    ("POST", "/api/v1/exports/{export}/approve"): roles.EXPORT,
    ("POST", "/api/v1/exports/{export}/refuse"): roles.EXPORT,
    ("POST", "/api/v1/exports/{export}/make"): roles.EXPORT,
    ("POST", "/api/v1/exports/{export}/handover"): roles.EXPORT,
    ("GET", "/api/v1/exports/{export}/package"): roles.EXPORT,
    ("GET", "/api/v1/access"): SIGNED_IN,
    ("POST", "/api/v1/access/requests"): roles.BREAK_GLASS,
    ("POST", "/api/v1/access/requests/{request}/approve"): roles.BREAK_GLASS_APPROVE,
    ("POST", "/api/v1/access/requests/{request}/refuse"): roles.BREAK_GLASS_APPROVE,
    ("POST", "/api/v1/access/requests/{request}/end"): SIGNED_IN,
}
PLACES = {"{token}": "0" * 16, "{id}": "0" * 32, "{number}": "1", "{digest}": "0", "{name}": "x",
          "{run}": "0", "{request}": "0", "{export}": "0"}


def test_every_route_and_its_guard() -> None:
    """The table is the golden list, and the application mounts the table and nothing else."""
    assert GUARDS == {(method, one.path): one.guard for one in ROUTES for method in one.methods}
    mounted = {(method, route.path) for route in Office().app.routes
               if isinstance(route, Mounted) for method in route.methods or ()}
    assert set(GUARDS) == mounted - {("HEAD", path) for _, path in GUARDS}
    assert len(Office().app.routes) == len(ROUTES)


def test_a_route_without_a_guard_cannot_be_mounted() -> None:
    """Nor one with a guard that is none, nor a bare one that does something."""
    for guard in ("", "anybody", "SEARCH"):
        with pytest.raises(ValueError, match="has no guard"):
            Route("/x", ("GET",), lambda _ask: PlainTextResponse("x"), guard)
    with pytest.raises(ValueError, match="cannot be bare"):
        Route("/x", ("POST",), lambda _ask: PlainTextResponse("x"), PUBLIC, is_bare=True)


@pytest.mark.parametrize(("method", "path"), [one for one, guard in GUARDS.items()
                                              if guard != PUBLIC])
def test_a_stranger_is_sent_to_sign_in(method: str, path: str) -> None:
    """Nothing is shown, and nothing is written that a stranger could fill a log with."""
    office = filled()
    answer = Browser(office).ask(method, _filled(path))
    if path.startswith("/api/"):
        assert (401, "application/problem+json") == (answer.status_code,
                                                     answer.headers["content-type"])
    elif method == "GET":
        assert (303, True) == (answer.status_code,
                               answer.headers["location"].startswith("/sign-in"))
    else:
        assert 400 <= answer.status_code < 404
    assert [] == office.recorder.recorded


@pytest.mark.parametrize(("method", "path"), [
    one for one, guard in GUARDS.items()
    if guard not in {PUBLIC, SIGNED_IN, *roles.ROLES[roles.ADMINISTRATOR]}])
def test_who_may_not_is_denied_and_it_is_recorded(method: str, path: str) -> None:
    """An administrator has no way to a message; each try is on the log before its answer."""
    office = filled()
    browser = Browser(office)
    browser.sign_in(ADMINISTRATOR)
    is_form = method == "POST" and not path.startswith("/api/")
    answer = browser.ask(method, _filled(path), data={"csrf": browser.csrf} if is_form else None,
                         headers={"x-csrf-token": csrf_of(browser.cookies["counterfoil"])})
    assert answer.status_code == 403
    assert "secret" not in answer.text
    (denial,) = office.denials
    assert (path, method) == (denial["route"], denial["method"])


def test_a_denial_that_cannot_be_recorded_is_no_answer() -> None:
    """The log is away: 503, whoever asks."""
    office = filled()
    browser = Browser(office)
    browser.sign_in(ADMINISTRATOR)
    office.recorder.down = True
    assert browser.get("/search?q=hello").status_code == 503


def test_what_is_not_there_and_what_may_not_be_seen_look_alike() -> None:
    """An unknown id, an unknown conversation, an unknown page: the same words and status."""
    browser = Browser(filled())
    browser.sign_in(COMPLIANCE)
    pages = [browser.get(path) for path in (
        "/message/" + "0" * 32, "/conversation/" + "0" * 16, "/nowhere")]
    assert {404} == {one.status_code for one in pages}
    texts = {one.text.replace(browser.csrf, "").split("<main")[1] for one in pages}
    assert len(texts) == 1


def _filled(path: str) -> str:
    for name, value in PLACES.items():
        path = path.replace(name, value)
    return path
