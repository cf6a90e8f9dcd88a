"""The audit of the console: who did what, for who may read it; the reading is on record too.

Implements `search.web.oversight.TrailPort`.
"""

from __future__ import annotations

from typing import Final

from infra.consolescope import Threads
from search.access import roles
from search.access.viewer import Viewer
from search.audit import Auditor
from search.trail import Record, TrailPage, Wanted

READ: Final = "audit_read"
DOWNLOADED: Final = "audit_download"
# Records of one file; narrow it by days for more.
RECORDS_MAX: Final = 5_000
_PAGE: Final = 500


class ConsoleTrail:
    """For any number of threads."""

    def __init__(self, threads: Threads, auditor: Auditor) -> None:
        self._threads, self._auditor = threads, auditor

    def page(self, viewer: Viewer, wanted: Wanted, limit: int, after: str | None) -> TrailPage:
        """See TrailPort."""
        viewer.require(roles.AUDIT)
        found = self._page(viewer, wanted, limit, after)
        self._record(READ, viewer, wanted, len(found.records), after or "")
        # Recorded: from here it may be seen.
        return found

    def download(self, viewer: Viewer, wanted: Wanted) -> tuple[tuple[Record, ...], bool]:
        """See TrailPort."""
        viewer.require(roles.AUDIT)
        out: list[Record] = []
        after: str | None = None
        while True:
            page = self._page(viewer, wanted, min(_PAGE, RECORDS_MAX - len(out)), after)
            out += page.records
            after = page.next
            if after is None or len(out) >= RECORDS_MAX or page.is_partial:
                break
        self._record(DOWNLOADED, viewer, wanted, len(out), "")
        return tuple(out), after is None

    def _page(self, viewer: Viewer, wanted: Wanted, limit: int, after: str | None) -> TrailPage:
        own = self._threads.own()
        index = own.bound.whole()
        if index is None:
            return TrailPage((), None)
        # The whole firm's: what anybody did is no message, and no wall stands around it.
        return own.trail.page(index, viewer.scope.firm_kinds, wanted, limit, after)

    def _record(self, action: str, viewer: Viewer, wanted: Wanted, count: int, after: str) -> None:
        said = {"person": wanted.person, "wanted": wanted.action, "records": wanted.group,
                "document": wanted.document,
                "since": "" if wanted.since is None else str(wanted.since),
                "until": "" if wanted.until is None else str(wanted.until), "after": after}
        self._auditor.record(action, viewer.person, None, {
            **{name: value for name, value in said.items() if value}, "count": str(count),
            "session": viewer.session})
