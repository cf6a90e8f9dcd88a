"""One request as a page's code sees it: read, bounded, with whoever asks; and the answer it gives.

Owns the frame around every page (navigation, theme, zone, form token) and where a browser may be
sent next. No page reads a header or a cookie of its own accord.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import HTMLResponse, RedirectResponse, Response

from schemas.errors import Refused
from search.access import cookies, roles
from search.access.cookies import csrf_of
from search.access.sessions import Live, Origin
from search.access.signin import Signed
from search.access.viewer import Viewer
from search.web.assets import assets
from search.web.ports import ConsoleParts
from search.web.render import render
from search.web.times import Zone

THEMES: Final = ("auto", "light", "dark")
THEME_COOKIE: Final = "counterfoil-theme"
ZONE_COOKIE: Final = "counterfoil-zone"
_YEAR_S: Final = 365 * 86_400
# After which something that cannot be reached may be there again.
RETRY_S: Final = 30
# What stands in the head of every page: (name, path, capability). A page that is not there yet has
# no line here.
NAVIGATION: Final = (
    ("Search", "/search", roles.SEARCH), ("Queue", "/queue", roles.QUEUE),
    ("Reports", "/reports", roles.REPORTS), ("Dashboard", "/dashboard", roles.DASHBOARD),
    ("Policies", "/policies", roles.POLICY_READ), ("Audit", "/audit", roles.AUDIT),
    ("Exports", "/exports", roles.EXPORT),
    ("People", "/people", roles.ACCOUNTS), ("Access", "/access", roles.BREAK_GLASS),
)


@dataclass(slots=True)
class Ask:
    """`route`: the route's path, with its parameters' names; `form`: of a POST; `secret`: the
    session's, "" = none; `form_secret`: what a form before sign-in is bound to; `body` and `key`:
    the JSON object and the Idempotency-Key of a call of the API."""

    parts: ConsoleParts
    method: str
    route: str
    path: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    cookies: Mapping[str, str]
    origin: Origin
    secret: str = ""
    form_secret: str = ""
    live: Live | None = None
    viewer: Viewer | None = None
    to_set: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    body: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""

    @property
    def who(self) -> Viewer:
        """Whoever asks; a route that is not public has one."""
        assert self.viewer is not None, "a route without a guard asked who is there"
        return self.viewer

    @property
    def session(self) -> Live:
        """The session of whoever asks."""
        assert self.live is not None, "a route without a guard asked for a session"
        return self.live

    @property
    def csrf(self) -> str:
        """What a form on this page says to be this page's."""
        return csrf_of(self.secret or self.form_secret)

    @property
    def theme(self) -> str:
        """auto | light | dark."""
        said = self.cookies.get(THEME_COOKIE, "")
        return said if said in THEMES else "auto"

    @property
    def zone(self) -> Zone:
        """Of whoever reads: as the browser or they said, else the firm's."""
        said = self.cookies.get(ZONE_COOKIE, "").replace("%2F", "/")
        info = self.parts.zones(said) if said else None
        return Zone(said, info) if info is not None else self.parts.settings.zone

    def text(self, name: str, chars_max: int = 10_000) -> str:
        """A value of the address; "" where it is not there. Raises Refused where it is too long."""
        found = self.query.get(name, "")
        if len(found) > chars_max:
            raise Refused(f"{name} is too long")
        return found

    def page(self, template: str, title: str, status: int = HTTPStatus.OK, **more: Any) -> Response:
        """The page, within its frame."""
        settings = self.parts.settings
        may = self.viewer.may if self.viewer else frozenset()
        frame = {
            "title": title, "path": self.path, "csrf": self.csrf, "theme": self.theme,
            "zone": self.zone, "viewer": self.viewer, "settings": settings,
            "person": self.parts.name(self.viewer.person) if self.viewer else "",
            "navigation": [(name, path) for name, path, needs in NAVIGATION if needs in may],
            "assets": {name: one.url for name, one in assets().items()},
            "here": self.here(),
        }
        return self.answered(HTMLResponse(render(template, **(frame | more)), status))

    def here(self) -> str:
        """This page's address, to come back to."""
        if self.method != "GET":
            return "/"
        said = urlencode(list(self.query.items()))
        return f"{self.path}?{said}" if said else self.path

    def go(self, to: str) -> Response:
        """Elsewhere on this console, with GET."""
        return self.answered(RedirectResponse(local(to), HTTPStatus.SEE_OTHER))

    def answered(self, response: Response) -> Response:
        """The answer with the cookies that go with it."""
        for name, value, given in self.to_set:
            response.set_cookie(name, value, **given)
        return response

    def record_denial(self, why: str, **more: str) -> None:
        """On record before it is said that somebody signed in may not; a stranger writes nothing.
        `more`: of what. Raises Transient: then nothing else may be said either."""
        if self.viewer is not None:
            self.parts.auditor.record("denied", self.viewer.person, None, {
                "route": self.route, "method": self.method, "why": why, **more,
                "session": self.viewer.session})

    def keep_session(self, secret: str) -> None:
        """The browser is signed in as of this answer; "" signs it out."""
        self._set(cookies.SESSION_COOKIE, secret, None if secret else 0)

    def sign(self, signed: Signed) -> None:
        """The rest of this answer is for whoever has just signed in."""
        self.keep_session(signed.secret)
        self.secret, self.live = signed.secret, signed.live
        self.viewer = self.parts.viewer(signed.live)

    def keep_form_secret(self, secret: str) -> None:
        """What forms before sign-in are bound to."""
        self.form_secret = secret
        self._set(cookies.FORM_COOKIE, secret, None)

    def keep_oidc(self, value: str) -> None:
        """The way to the provider and back; "" = it is over."""
        self._set(cookies.OIDC_COOKIE, value, 600 if value else 0)

    def keep_choice(self, name: str, value: str) -> None:
        """A choice of how pages look: no secret, and for the script to read."""
        self.to_set.append((name, value, {
            "max_age": _YEAR_S, "path": "/", "samesite": cookies.SAME_SITE, "httponly": False,
            "secure": cookies.secure(self.parts.settings.public_url)}))

    def cookie(self, base: str) -> str:
        """One of ours, under the name that it has here; "" = not there."""
        return self.cookies.get(cookies.name(base, self.parts.settings.public_url), "")

    def _set(self, base: str, value: str, max_age: int | None) -> None:
        public = self.parts.settings.public_url
        self.to_set.append((cookies.name(base, public), value, {
            "max_age": max_age, "path": "/", "samesite": cookies.SAME_SITE, "httponly": True,
            "secure": cookies.secure(public)}))


def later(seconds: int, response: Response) -> Response:
    """The answer, with when to try again."""
    response.headers["retry-after"] = str(max(1, seconds))
    return response


def sentence(words: str) -> str:
    """With a capital letter and a full stop."""
    said = words[:1].upper() + words[1:]
    return said if said.endswith((".", "?", "!")) else f"{said}."


def local(to: str) -> str:
    """`to` if it is an address of this console, else its first page: nobody is sent elsewhere."""
    is_ours = (to.startswith("/") and not to.startswith(("//", "/\\")) and len(to) < 4_096
               and to.isprintable() and "\\" not in to)
    return to if is_ours else "/"
