"""Reports on reviews, and the check on the reviewers.

Owns which records a report is made of, and who is given one. A report holds ids, names, times and
reasons, no message: who sees no message (the auditor) is given the figures of the whole firm, who
sees some is given those of what he sees. Each is recorded before it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from schemas import document as shape
from schemas import events, limits
from schemas.directory import Directory
from schemas.document import Document
from schemas.errors import Missing, Refused
from search import query
from search.access import roles
from search.access.pseudonyms import Pseudonyms
from search.access.viewer import Viewer
from search.bodies import Bodies
from search.index import Asked, TooBroad
from search.policy.sampling import Plan, Sample, Seed, sample
from search.query import Term, TokenQuery
from search.review import narrowing, projected, quality, questions, reports, watchers
from search.review.decisions import LEVEL_FIRST
from search.review.desk import ReviewDesk
from search.review.history import History
from search.review.items import Items, Loaded
from search.review.narrowing import Proposal
from search.review.ports import Ports
from search.review.reports import PeriodReport
from search.review.views import Form
from search.review.watchers import Look

REPORT: Final = "report"
# Of documents that one report goes over; more is refused: a shorter period, or a part of the firm.
ITEMS_MAX: Final = limits.CHECKED_DOCUMENTS_MAX
# A decision of the first minutes of a period was opened before it.
_BEFORE_MS: Final = 24 * 3_600_000
# Also those whose message is gone: what was decided about it is kept longer (PROTOCOL K3).
_ITEMS: Final = TokenQuery(Term(questions.CODES, projected.ITEM), events.ANSWERING_KINDS | (
    shape.STUB_KINDS | {events.POLICY, events.REVIEW}))


class Office:
    """Everything raises Denied, Transient, and TooBroad for more than can be gone over at once."""

    def __init__(self, ports: Ports, whole: Callable[[], Asked | None]) -> None:
        """`whole`: the index of the firm, null before there is one."""
        self._ports = ports
        self._whole = whole
        self._bodies = Bodies(ports.reader)

    def period(self, viewer: Viewer, since: int, until: int) -> PeriodReport:
        """The report of since <= t < until (UTC ms)."""
        viewer.require(roles.REPORTS)
        found = reports.period(self._told(viewer, until), since, until, self._ports.timing)
        self._record(viewer, "period", since, until, found.population)
        return found

    def accountability(self, viewer: Viewer, since: int, until: int) -> dict[str, Any]:
        """Everything about the reviews of a period and about those who reviewed, to be signed
        (signed.py): the report, who looked at what, paces, and the checks of cleared items."""
        viewer.require(roles.REPORTS)
        viewer.require(roles.AUDIT)
        histories = list(self._told(viewer, until))
        found = reports.period(histories, since, until, self._ports.timing)
        looks = tuple(self._looks(since - _BEFORE_MS, until))
        told = {
            "made_at": self._ports.clock(), "made_by": viewer.person,
            "period": reports.as_json(found),
            "paces": [_pace(one) for one in watchers.speeds(histories, looks, since, until)],
            "looked": [{"person": one.person, "actions": dict(one.actions),
                        "documents": one.documents, "unflagged": list(one.unflagged)}
                       for one in watchers.looked(looks, self._flagged(), since, until)],
            "checks": [{"person": one.person, "checked": one.checked, "agreed": one.agreed,
                        "graver": one.graver} for one in quality.agreements(histories)],
        }
        self._record(viewer, "accountability", since, until, found.population)
        return told

    def proposals(self, viewer: Viewer) -> tuple[Proposal, ...]:
        """Which words of which rules mostly hit what is nothing. They are words of messages: only
        for who may test policies on them. Nothing changes by itself."""
        viewer.require(roles.POLICY_TEST)
        hits = [hit for one in self._loaded(viewer, None)
                for hit in narrowing.hits(one.history, one.events)]
        found = narrowing.proposals(hits)
        self._record(viewer, "narrowing", None, None, len(found))
        return found

    def recheck(self, viewer: Viewer, desk: ReviewDesk, seed: Seed,
                plan: Plan | None = None) -> Sample:
        """Draw from what was cleared in the seed's period and open it again, for another person
        than who cleared it. The seed is on record before the period (sampling.seed_event), so that
        an auditor draws the same. What is open again already stays as it is."""
        viewer.require(roles.REOPEN)
        drawn = sample(quality.population(
            self._histories(viewer, self._ports.clock()), seed.since, seed.until),
            plan or quality.plan(), seed)
        self._record(viewer, "recheck", seed.since, seed.until, len(drawn.drawn))
        for one in drawn.drawn:
            doc_id = self._ports.tokenizer.document(one.item.item_id)
            try:
                desk.reopen(viewer, doc_id, Form(
                    "", reason=f"drawn to be checked again, rank {one.rank[:16]}", quality=True,
                    key=f"recheck:{seed.since}:{seed.until}:{doc_id}"))
            except Refused:
                continue                          # open by now: somebody looks at it anyway
        return drawn

    def _histories(self, viewer: Viewer, until: int | None) -> Iterator[History]:
        for one in self._loaded(viewer, until):
            yield one.history

    def _told(self, viewer: Viewer, until: int) -> Iterator[History]:
        """As the viewer may be told of them: before somebody escalates, whose message it is stays
        behind a pseudonym where names are hidden."""
        masks = Pseudonyms(self._ports.tokenizer, Directory())
        for one in self._histories(viewer, until):
            is_hidden = viewer.pseudonyms and one.state.level <= LEVEL_FIRST
            yield replace(one, custodians=tuple(map(masks.custodian, one.custodians))) if (
                is_hidden) else one

    def _loaded(self, viewer: Viewer, until: int | None) -> Iterator[Loaded]:
        sees = roles.sees_content(viewer.may)
        index = self._ports.index(viewer) if sees else self._whole()
        if index is None:
            return
        known = self._ports.assigned()            # asked before: not while the index is read
        items = Items(self._bodies, self._ports.tokenizer, lambda: known)
        for found in _each(index, _ITEMS):
            yield items.load(found, until=until)

    def _flagged(self) -> list[str]:
        """Ids of all items of the firm: whether a message was flagged is not a matter of scope."""
        index = self._whole()
        return [one.doc_id for one in _each(index, _ITEMS)] if index else []

    def _looks(self, since: int, until: int) -> Iterator[Look]:
        index = self._whole()
        if index is None:
            return
        wanted = TokenQuery(query.And((Term("kinds", events.AUDIT), query.Between(since, until))),
                            frozenset({events.AUDIT}))
        for found in _each(index, wanted):
            for entry in found.entries:
                try:
                    look = watchers.look_of(self._bodies.event(found, entry))
                except (Missing, Refused):
                    continue                      # `verify` names what cannot be read
                if look is not None:
                    yield look

    def _record(self, viewer: Viewer, what: str, since: int | None, until: int | None,
                count: int) -> None:
        self._ports.auditor.record(REPORT, viewer.person, None, {
            "report": what, "count": str(count), "since": "" if since is None else str(since),
            "until": "" if until is None else str(until)})


def _each(index: Asked, wanted: TokenQuery) -> Iterator[Document]:
    """Raises TooBroad, in words about reports."""
    try:
        yield from index.each(wanted, ITEMS_MAX)
    except TooBroad:
        raise TooBroad(f"more than {ITEMS_MAX:,} items or looks would have to be read for this "
                       "report; somebody who sees one group or matter gets theirs") from None


def _pace(one: watchers.Speed) -> dict[str, Any]:
    return {"person": one.person, "decisions": one.decisions,
            "median_ms": None if one.median_s is None else round(one.median_s * 1000),
            "unopened": one.unopened, "under_floor": one.under_floor, "bulk": one.bulk,
            "deviations_permille": None if one.score is None else round(one.score * 1000),
            "outlier": one.is_outlier}
