"""Reviews of the console: a desk and an office for each thread of its pool.

Owns which parts are a thread's own (an index is) and how a page of the queue gets its messages.
Implements `search.web.ports.ReviewPort` and `ReportPort`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from infra.reviewing import Reviewing, Staff, sign
from infra.wire import Wire
from schemas.directory import Directory
from schemas.recorder import Recorder
from search import thread
from search.access.people import AccessPolicy
from search.access.pseudonyms import Pseudonyms
from search.access.state import StateStore
from search.access.viewer import Viewer
from search.lately import Lately
from search.review.decisions import LEVEL_FIRST
from search.review.leases import Claim
from search.review.narrowing import Proposal
from search.review.questions import Filters
from search.review.reports import PeriodReport
from search.review.views import BulkDone, Done, Form, ItemView, QueuePage, QueueRow
from search.thread import MessageView


class ConsoleReviews:
    """For any number of threads. `state`: shared by all of them; `policy`: access.toml as it is in
    force; `recorder`: of the search role; `lately`: what all desks of this console share of the
    index."""

    def __init__(self, wire: Wire, state: StateStore, policy: Callable[[], AccessPolicy],
                 recorder: Recorder, directory: Callable[[], Directory],
                 lately: Lately) -> None:
        self._wire, self._state, self._policy = wire, state, policy
        self._recorder, self._directory = recorder, directory
        self._tokenizer = wire.tokenizer()
        self._lately = lately
        self._local = threading.local()

    # -- the desk

    def queue(self, viewer: Viewer, filters: Filters, limit: int, after: str | None, *,
              with_counts: bool = False) -> QueuePage:
        """See ReviewPort."""
        return self._own().desk.queue(viewer, filters, limit, after, with_counts=with_counts)

    def counts(self, viewer: Viewer, filters: Filters) -> Mapping[str, int]:
        """See ReviewPort."""
        return self._own().desk.counts(viewer, filters)

    def messages(self, viewer: Viewer, rows: Sequence[QueueRow]) -> tuple[MessageView, ...]:
        """See ReviewPort. Names stand behind pseudonyms as on the item's own page."""
        own = self._own()
        assigned = own.bound.assigned()
        masks = Pseudonyms(self._tokenizer, self._directory()) if viewer.pseudonyms else None
        found = []
        for row in rows:
            seen = thread.message(row.document, own.bodies, assigned=assigned)
            are_hidden = masks is not None and row.state.level <= LEVEL_FIRST
            found.append(masks.message(seen) if masks is not None and are_hidden else seen)
        return tuple(found)

    def open(self, viewer: Viewer, doc_id: str) -> ItemView:
        """See ReviewPort."""
        return self._own().desk.open(viewer, doc_id)

    def claim(self, viewer: Viewer, doc_id: str) -> Claim:
        """See ReviewPort."""
        return self._own().desk.claim(viewer, doc_id)

    def release(self, viewer: Viewer, doc_id: str) -> None:
        """See ReviewPort."""
        self._own().desk.release(viewer, doc_id)

    def act(self, viewer: Viewer, doc_id: str, form: Form) -> Done:
        """See ReviewPort."""
        return self._own().desk.act(viewer, doc_id, form)

    def bulk(self, viewer: Viewer, doc_ids: Sequence[str], form: Form) -> BulkDone:
        """See ReviewPort."""
        return self._own().desk.bulk(viewer, doc_ids, form)

    def reviewers(self) -> Sequence[str]:
        """See ReviewPort."""
        return sorted(Staff(self._policy).reviewers())

    # -- the office

    def period(self, viewer: Viewer, since: int, until: int) -> PeriodReport:
        """See ReportPort."""
        return self._own().office.period(viewer, since, until)

    def accountability(self, viewer: Viewer, since: int, until: int) -> Mapping[str, Any]:
        """See ReportPort."""
        return self._own().office.accountability(viewer, since, until)

    def signed(self, viewer: Viewer, month: str, since: int, until: int) -> bytes:
        """See ReportPort."""
        told = self._own().office.accountability(viewer, since, until)
        return sign(self._wire, {**told, "month": month})

    def proposals(self, viewer: Viewer) -> tuple[Proposal, ...]:
        """See ReportPort."""
        return self._own().office.proposals(viewer)

    def _own(self) -> Reviewing:
        """This thread's."""
        own: Reviewing | None = getattr(self._local, "own", None)
        if own is None:
            own = self._local.own = Reviewing(self._wire, self._state, self._policy,
                                              self._recorder, self._lately)
        return own
