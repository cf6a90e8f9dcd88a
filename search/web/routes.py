"""Every route of the console and who may use it: one table, and nothing is mounted beside it.

Owns the guard's meaning. A route without one is an error when the process starts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from search.access import roles
from search.web.api import routes as api
from search.web.ask import Ask
from search.web.pages import (
    access,
    account,
    audit,
    conversation,
    dashboard,
    exports,
    files,
    frame,
    guide,
    item,
    people,
    policies,
    queue,
    reports,
    search,
    signin,
)

PUBLIC: Final = "public"            # anybody
SIGNED_IN: Final = "signed in"      # anybody with a session

Handler = Callable[[Ask], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """`guard`: PUBLIC, SIGNED_IN, or the capability that a viewer must have. `is_bare`: no session
    is looked for, and no form token: it changes nothing and shows nothing."""

    path: str
    methods: tuple[str, ...]
    handler: Handler
    guard: str
    is_bare: bool = False

    def __post_init__(self) -> None:
        if self.guard not in (PUBLIC, SIGNED_IN) and self.guard not in roles.CAPABILITIES:
            raise ValueError(f"{self.path} has no guard: {self.guard!r} is none")
        if self.is_bare and (self.guard != PUBLIC or self.methods != ("GET",)):
            raise ValueError(f"{self.path} cannot be bare")
        if self.is_api and self.guard == PUBLIC:
            raise ValueError(f"{self.path} is of the API, and nothing of it is public")

    @property
    def is_api(self) -> bool:
        """Whether it is a call of the API: another door, the same guards."""
        return self.path.startswith("/api/")


ROUTES: Final = (
    Route("/healthz", ("GET",), frame.health, PUBLIC, is_bare=True),
    Route("/static/{digest}/{name}", ("GET",), frame.static, PUBLIC, is_bare=True),
    Route("/", ("GET",), frame.first, SIGNED_IN),
    Route("/preferences", ("POST",), frame.preferences, PUBLIC),
    Route("/sign-in", ("GET",), signin.form, PUBLIC),
    Route("/sign-in", ("POST",), signin.submit, PUBLIC),
    Route("/sign-in/oidc", ("GET",), signin.oidc_begin, PUBLIC),
    Route("/sign-in/callback", ("GET",), signin.oidc_finish, PUBLIC),
    Route("/enter/{token}", ("GET",), signin.enter, PUBLIC),
    Route("/sign-out", ("POST",), signin.leave, SIGNED_IN),
    Route("/account", ("GET",), account.show, SIGNED_IN),
    Route("/account/password", ("POST",), account.password, SIGNED_IN),
    Route("/account/totp", ("POST",), account.totp, SIGNED_IN),
    Route("/account/sessions", ("POST",), account.sessions, SIGNED_IN),
    Route("/account/recovery", ("POST",), account.recovery, SIGNED_IN),
    Route("/account/tokens", ("POST",), account.make_token, roles.TOKENS),
    Route("/account/tokens/revoke", ("POST",), account.revoke_token, SIGNED_IN),
    Route("/help", ("GET",), guide.show, SIGNED_IN),
    Route("/search", ("GET",), search.show, roles.SEARCH),
    Route("/search/explain", ("GET",), search.explain, roles.SEARCH),
    Route("/search/saved", ("POST",), search.save, roles.SEARCH),
    Route("/search/saved/remove", ("POST",), search.forget, roles.SEARCH),
    Route("/conversation/{token}", ("GET",), conversation.show, roles.VIEW),
    Route("/message/{id}", ("GET",), conversation.message, roles.VIEW),
    Route("/message/{id}/picture/{number}", ("GET",), files.picture, roles.VIEW),
    Route("/message/{id}/file/{number}", ("GET",), files.download, roles.VIEW),
    Route("/dashboard", ("GET",), dashboard.show, roles.DASHBOARD),
    Route("/audit", ("GET",), audit.show, roles.AUDIT),
    Route("/audit/records.csv", ("GET",), audit.sheet, roles.AUDIT),
    Route("/policies", ("GET",), policies.show, roles.POLICY_READ),
    Route("/policies/test", ("GET",), policies.form, roles.POLICY_TEST),
    Route("/policies/test", ("POST",), policies.begin, roles.POLICY_TEST),
    Route("/policies/test/{run}", ("GET",), policies.run, roles.POLICY_TEST),
    Route("/policies/test/{run}/stop", ("POST",), policies.stop, roles.POLICY_TEST),
    Route("/access", ("GET",), access.show, SIGNED_IN),
    Route("/access", ("POST",), access.request, roles.BREAK_GLASS),
    Route("/access/{request}/decide", ("POST",), access.decide, roles.BREAK_GLASS_APPROVE),
    Route("/access/{request}/end", ("POST",), access.end, SIGNED_IN),
    Route("/people", ("GET",), people.show, roles.ACCOUNTS),
    Route("/exports", ("GET",), exports.show, roles.EXPORT),
    Route("/exports", ("POST",), exports.request, roles.EXPORT),
    Route("/exports/new", ("GET",), exports.form, roles.EXPORT),
    Route("/exports/new", ("POST",), exports.preview, roles.EXPORT),
    Route("/exports/{export}", ("GET",), exports.one, roles.EXPORT),
    Route("/exports/{export}/decide", ("POST",), exports.decide, roles.EXPORT),
    Route("/exports/{export}/make", ("POST",), exports.make, roles.EXPORT),
    Route("/exports/{export}/handover", ("POST",), exports.hand_over, roles.EXPORT),
    Route("/exports/{export}/package.zip", ("GET",), exports.package, roles.EXPORT),
    Route("/queue", ("GET",), queue.show, roles.QUEUE),
    Route("/queue/next", ("GET",), queue.following, roles.QUEUE),
    Route("/queue/bulk", ("POST",), queue.bulk, roles.BULK),
    Route("/item/{id}", ("GET",), item.show, roles.VIEW),
    Route("/item/{id}/claim", ("POST",), item.claim, roles.DECIDE),
    Route("/item/{id}/release", ("POST",), item.release, roles.DECIDE),
    Route("/item/{id}/decide", ("POST",), item.decide, roles.DECIDE),
    Route("/item/{id}/second", ("POST",), item.second, roles.SECOND),
    Route("/item/{id}/assign", ("POST",), item.assign, roles.DECIDE),
    Route("/item/{id}/note", ("POST",), item.note, roles.DECIDE),
    Route("/item/{id}/tag", ("POST",), item.tag, roles.DECIDE),
    Route("/item/{id}/reopen", ("POST",), item.reopen, roles.REOPEN),
    Route("/item/{id}/unmask", ("POST",), item.unmask, roles.UNMASK),
    Route("/reports", ("GET",), reports.show, roles.REPORTS),
    Route("/reports/items.csv", ("GET",), reports.items, roles.REPORTS),
    Route("/reports/reviewers", ("GET",), reports.reviewers, roles.AUDIT),
    Route("/reports/signed.json", ("GET",), reports.signed, roles.AUDIT),
    Route("/reports/rules", ("GET",), reports.narrow, roles.POLICY_TEST),
    *(Route(api.PREFIX + path, (method,), handler, guard or SIGNED_IN)
      for path, method, handler, guard in api.ROWS),
)
