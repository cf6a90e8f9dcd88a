"""The dashboard's figures: what was captured, how capture goes, how reviews go.

Owns which of them are the viewer's own and which are the firm's, and how long the firm's are kept:
many look at the same numbers at once. Implements `search.web.oversight.FiguresPort`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Final

from infra.carry import log_ends
from infra.consolescope import Own, Threads
from infra.policies import read_folder
from infra.reviewing import timing_of
from infra.silence import open_gaps
from infra.state import STALE_MS, RoleState, is_alive
from infra.verbs.check import active_alarms
from infra.verbs.heard import Capture, Heard, capture_of
from infra.wire import Wire
from ingest.coverage import COVERAGE, PARTS
from schemas.directory import Directory
from schemas.errors import CounterfoilError, Refused, Transient
from schemas.findings import ALARMS
from schemas.gaps import Gap
from search import figures
from search.access import roles
from search.access.scope import Scope
from search.access.viewer import Viewer
from search.audit import Auditor
from search.figures import Day, ReviewFigures
from search.index import Asked, TooBroad
from search.web.oversight import AccountView, AlarmView, Figures, Health
from search.web.times import Zone

LOOKED: Final = "dashboard"
DAYS_MAX: Final = 92
# So long the firm's own figures serve everybody who looks.
_KEEP_MS: Final = 15_000
# And so long while somebody asks for newer ones.
_SHOWN_MS_MAX: Final = 60_000
_COVERAGE: Final = tuple(
    (one.name, tuple((words, one.cover[part].answer, one.cover[part].words)
                     for part, words in PARTS.items())) for one in COVERAGE)
_ROLES: Final = (("gateway", "Capture"), ("archiver", "Archive"), ("indexer", "Index"))


@dataclass(frozen=True, slots=True)
class _Firm:
    """What is known of the whole firm. `at`: UTC ms."""

    at: int
    states: Sequence[RoleState]
    alarms: tuple[AlarmView, ...]
    capture: Capture
    unindexed: int | None
    problem: str


class ConsoleFigures:
    """For any number of threads."""

    def __init__(self, wire: Wire, threads: Threads, auditor: Auditor,
                 directory: Callable[[], Directory]) -> None:
        self._wire, self._threads = wire, threads
        self._auditor, self._directory = auditor, directory
        self._lock = threading.Lock()
        self._kept: _Firm | None = None

    def figures(self, viewer: Viewer, days: int, zone: Zone) -> Figures:
        """See FiguresPort."""
        viewer.require(roles.DASHBOARD)
        own, now = self._threads.own(), self._wire.clock()
        sees = roles.sees_content(viewer.may)
        # Whoever sees no message is shown the firm's numbers; whoever sees some, those of theirs.
        index: Asked | None = own.bound.shown(viewer) if sees else own.bound.whole()
        span = list(_days(now, max(1, min(days, DAYS_MAX)), zone))
        counted = figures.captured(index, span) if index is not None else ()
        reviews, problem = self._reviews(own, index, viewer, now)
        health = self._health(viewer, now)
        self._auditor.record(LOOKED, viewer.person, None, {
            "days": str(len(span)), "session": viewer.session})
        # Recorded: from here it may be seen.
        return Figures(counted, not sees, health, reviews, problem)

    def _reviews(self, own: Own, index: Asked | None, viewer: Viewer,
                 now: int) -> tuple[ReviewFigures | None, str]:
        if index is None or viewer.may.isdisjoint((roles.QUEUE, roles.REPORTS)):
            return None, ""
        try:
            rules = sorted({rule.rule_id for one in read_folder(self._wire)
                            for rule in one.policy.rules})
        except Refused:
            rules = []                                # the alarm policy_refused says so
        try:
            return figures.reviews(index, now, timing_of(self._wire), own.tokenizer, rules), ""
        except TooBroad as error:
            return None, str(error)

    # --- the firm --------------------------------------------------------------------------------

    def _health(self, viewer: Viewer, now: int) -> Health:
        firm = self._firm(now)
        archiver = next((one for one in firm.states if one.role == "archiver"), None)
        runs = {one.role: is_alive(one.pid) and now - one.at <= STALE_MS for one in firm.states}
        unsealed, late_ms = None, None
        if archiver is not None and runs["archiver"]:
            unsealed, late_ms = archiver.facts.get("behind"), archiver.facts.get("late_ms")
        heard = firm.capture.accounts or ()
        accounts = tuple(self._account(one) for one in heard if _may_know(viewer, one))
        directory = self._directory()
        with_account = {one.custodian_id for one in directory.accounts if one.covers(now)}
        return Health(
            firm.at, tuple((words, runs.get(role, False)) for role, words in _ROLES), firm.alarms,
            unsealed if isinstance(unsealed, int) else None,
            late_ms if isinstance(late_ms, int) else None, firm.unindexed,
            accounts, len(heard), sum(one.is_silent for one in heard),
            sum(one.last_at is None for one in heard), len(directory.custodians),
            sum(one.custodian_id not in with_account for one in directory.custodians),
            tuple(self._gap(viewer, one) for one in open_gaps(firm.capture.gaps or ())),
            _COVERAGE, firm.problem)

    def _firm(self, now: int) -> _Firm:
        # One asks, for all: of a hundred accounts that takes a while, and the threads that make the
        # other pages must not wait for it. Whoever comes meanwhile is shown the last figures, with
        # their time, unless they are old.
        kept = self._kept
        if kept is not None and 0 <= now - kept.at < _KEEP_MS:
            return kept
        can_wait = kept is None or not 0 <= now - kept.at < _SHOWN_MS_MAX
        if not self._lock.acquire(blocking=can_wait):
            assert kept is not None
            return kept
        try:
            kept = self._kept
            if kept is None or not 0 <= now - kept.at < _KEEP_MS:
                kept = self._kept = self._ask(now)
            return kept
        finally:
            self._lock.release()

    def _ask(self, now: int) -> _Firm:
        states, alarms = active_alarms(self._wire)
        capture = capture_of(self._wire)
        unindexed, problem = None, capture.problem
        try:
            unindexed = self._unindexed()
        except CounterfoilError as error:
            problem = problem or str(error) or type(error).__name__
        return _Firm(now, states, tuple(AlarmView(one.code, ALARMS[one.code], one.since, one.detail)
                                        for one in alarms), capture, unindexed, problem)

    def _unindexed(self) -> int | None:
        index = self._threads.own().bound.whole()
        if index is None:
            raise Transient("nothing is indexed yet")
        cursors = index.state().cursors
        return sum(max(0, last + 1 - cursors.get(place, 0))
                   for place, last in log_ends(self._wire).items())

    def _account(self, one: Heard) -> AccountView:
        account = one.account
        name = next((known.name for known in self._directory().custodians
                     if known.custodian_id == account.custodian_id), account.custodian_id)
        return AccountView(account.channel, account.account, name, one.last_at,
                           account.max_silence_h, one.is_silent, one.told_at is not None)

    def _gap(self, viewer: Viewer, gap: Gap) -> Gap:
        """With whose account it is only for who may know."""
        owners = {one.custodian_id for one in self._directory().accounts
                  if (one.channel, one.account) == (gap.channel, gap.account)}
        if not gap.account or _may_know_of(viewer, owners or {""}):
            return gap
        return replace(gap, account="")


def _may_know(viewer: Viewer, one: Heard) -> bool:
    return _may_know_of(viewer, {one.account.custodian_id})


def _may_know_of(viewer: Viewer, custodians: Iterable[str]) -> bool:
    """Accounts are named to who keeps the directory, and to who sees their messages."""
    if roles.DIRECTORY in viewer.may:
        return True
    if viewer.pseudonyms or not roles.sees_content(viewer.may):
        return False
    return all(_is_seen(viewer.scope, one) for one in custodians)


def _is_seen(scope: Scope, custodian: str) -> bool:
    given = any(reach.custodians is None or custodian in reach.custodians
                for reach in scope.reaches)
    walled = any(not wall.conversations and (wall.custodians is None
                                             or custodian in wall.custodians)
                 for wall in scope.walls)
    return (given and not walled) or any(_is_seen(one, custodian) for one in scope.also)


def _days(now: int, count: int, zone: Zone) -> Iterable[Day]:
    """The last `count` days in a zone, today the last."""
    today = datetime.fromtimestamp(now / 1000, zone.info).date()
    for back in range(count - 1, -1, -1):
        day = today - timedelta(days=back)
        since, until = (round(datetime.combine(one, time(), zone.info).timestamp() * 1000)
                        for one in (day, day + timedelta(days=1)))
        yield Day(day.isoformat(), since, until)
