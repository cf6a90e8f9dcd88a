"""Every call of the API and who may make it: rows for the one table (search/web/routes.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.responses import Response

from search.access import roles
from search.web.api import exports, firm, glass, office, own, reads, review, saved
from search.web.ask import Ask

PREFIX: Final = "/api/v1"
_GET: Final = "GET"
_POST: Final = "POST"

# Path, method, what answers, the capability; null = whoever is signed in.
ROWS: Final[tuple[tuple[str, str, Callable[[Ask], Response], str | None], ...]] = (
    ("/me", _GET, own.me, None),
    ("/me/sessions", _GET, own.sessions, None),
    ("/me/sessions/end", _POST, own.end_sessions, None),
    ("/openapi.json", _GET, own.openapi, None),
    ("/search", _GET, reads.search, roles.SEARCH),
    ("/facets", _GET, reads.facets, roles.SEARCH),
    ("/explain", _GET, reads.explain, roles.SEARCH),
    ("/saved", _GET, saved.listed, roles.SEARCH),
    ("/saved", _POST, saved.save, roles.SEARCH),
    ("/saved/remove", _POST, saved.remove, roles.SEARCH),
    ("/messages/{id}", _GET, reads.message, roles.VIEW),
    ("/messages/{id}/files/{number}", _GET, reads.file, roles.VIEW),
    ("/conversations/{token}", _GET, reads.conversation, roles.VIEW),
    ("/queue", _GET, review.queue, roles.QUEUE),
    ("/queue/counts", _GET, review.counts, roles.QUEUE),
    ("/reviewers", _GET, review.reviewers, roles.ASSIGN),
    ("/items/{id}", _GET, review.show, roles.VIEW),
    ("/items/{id}/claim", _POST, review.claim, roles.DECIDE),
    ("/items/{id}/release", _POST, review.release, roles.DECIDE),
    ("/items/{id}/decide", _POST, review.decide, roles.DECIDE),
    ("/items/{id}/confirm", _POST, review.confirm, roles.SECOND),
    ("/items/{id}/object", _POST, review.refuse, roles.SECOND),
    ("/items/{id}/assign", _POST, review.assign, roles.DECIDE),
    ("/items/{id}/reopen", _POST, review.reopen, roles.REOPEN),
    ("/items/{id}/note", _POST, review.note, roles.DECIDE),
    ("/items/{id}/tag", _POST, review.tag, roles.DECIDE),
    ("/items/{id}/untag", _POST, review.untag, roles.DECIDE),
    ("/items/{id}/unmask", _POST, review.unmask, roles.UNMASK),
    ("/bulk", _POST, review.bulk, roles.BULK),
    ("/reports/period", _GET, office.period, roles.REPORTS),
    ("/reports/accountability", _GET, office.accountability, roles.AUDIT),
    ("/reports/narrowing", _GET, office.narrowing, roles.POLICY_TEST),
    ("/audit", _GET, office.audit, roles.AUDIT),
    ("/policies", _GET, office.policies, roles.POLICY_READ),
    ("/policies/runs", _GET, office.runs, roles.POLICY_TEST),
    ("/policies/runs", _POST, office.begin, roles.POLICY_TEST),
    ("/policies/runs/{run}", _GET, office.run, roles.POLICY_TEST),
    ("/policies/runs/{run}/stop", _POST, office.stop, roles.POLICY_TEST),
    ("/dashboard", _GET, firm.dashboard, roles.DASHBOARD),
    ("/people", _GET, firm.people, roles.ACCOUNTS),
    ("/directory", _GET, firm.directory, roles.DIRECTORY),
    ("/exports", _GET, exports.every, roles.EXPORT),
    ("/exports", _POST, exports.request, roles.EXPORT),
    ("/exports/preview", _POST, exports.preview, roles.EXPORT),
    ("/exports/{export}", _GET, exports.one, roles.EXPORT),
    ("/exports/{export}/approve", _POST, exports.approve, roles.EXPORT),
    ("/exports/{export}/refuse", _POST, exports.refuse, roles.EXPORT),
    ("/exports/{export}/make", _POST, exports.make, roles.EXPORT),
    ("/exports/{export}/handover", _POST, exports.hand_over, roles.EXPORT),
    ("/exports/{export}/package", _GET, exports.package, roles.EXPORT),
    ("/access", _GET, glass.access, None),
    ("/access/requests", _POST, glass.request, roles.BREAK_GLASS),
    ("/access/requests/{request}/approve", _POST, glass.approve, roles.BREAK_GLASS_APPROVE),
    ("/access/requests/{request}/refuse", _POST, glass.refuse, roles.BREAK_GLASS_APPROVE),
    ("/access/requests/{request}/end", _POST, glass.end, None),
)
