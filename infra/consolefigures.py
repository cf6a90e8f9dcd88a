"""The dashboard's figures: what was captured, how capture goes, how reviews go.

Owns which of them are the viewer's own and which are the firm's, and how long they are kept: many
look at the same numbers at once. Implements `search.web.oversight.FiguresPort`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from search.figures import Day, DayCount, ReviewFigures
from search.index import Asked, TooBroad
from search.kept import Kept, Known
from search.web.oversight import AccountView, AlarmView, Figures, Health
from search.web.times import Zone

LOOKED: Final = "dashboard"
DAYS_MAX: Final = 92
# So long figures serve everybody who may see the same.
_KEEP_MS: Final = 15_000
# And so long while newer ones are asked for.
_SHOWN_MS_MAX: Final = 60_000
# Scopes, zones and numbers of days whose figures are kept.
_KEPT_MAX: Final = 256
_COVERAGE: Final = tuple(
    (one.name, tuple((words, one.cover[part].answer, one.cover[part].words)
                     for part, words in PARTS.items())) for one in COVERAGE)
_ROLES: Final = (("gateway", "Capture"), ("archiver", "Archive"), ("indexer", "Index"))


@dataclass(frozen=True, slots=True)
class _Firm:
    """What is known of the whole firm."""

    states: Sequence[RoleState]
    alarms: tuple[AlarmView, ...]
    capture: Capture
    unindexed: int | None
    problem: str


@dataclass(frozen=True, slots=True)
class _Whose:
    """Whatever decides what is counted for somebody; two who are equal in it are shown the same.
    `scope`: with its walls and what was opened; null = the whole firm's figures. `days`: with where
    they begin in the viewer's zone."""

    scope: Scope | None
    may: frozenset[str]
    pseudonyms: bool
    days: tuple[Day, ...]


@dataclass(frozen=True, slots=True)
class _Counted:
    days: tuple[DayCount, ...]
    reviews: ReviewFigures | None
    problem: str


class ConsoleFigures:
    """For any number of threads."""

    def __init__(self, wire: Wire, threads: Threads, auditor: Auditor,
                 directory: Callable[[], Directory]) -> None:
        self._wire, self._threads = wire, threads
        self._auditor, self._directory = auditor, directory
        # Newer figures are asked for here: whoever looks is not who waits for them.
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="figures")
        clock = wire.clock
        self._firm: Kept[None, _Firm] = Kept(
            clock, _KEEP_MS, _SHOWN_MS_MAX, 1, self._beside.submit)
        self._counts: Kept[_Whose, _Counted] = Kept(
            clock, _KEEP_MS, _SHOWN_MS_MAX, _KEPT_MAX, self._beside.submit)

    def close(self) -> None:
        """The console ends: what is being asked for is waited for."""
        self._beside.shutdown(wait=True, cancel_futures=True)

    def figures(self, viewer: Viewer, days: int, zone: Zone) -> Figures:
        """See FiguresPort."""
        viewer.require(roles.DASHBOARD)
        now = self._wire.clock()
        # Whoever sees no message is shown the firm's numbers; whoever sees some, those of theirs.
        sees = roles.sees_content(viewer.may)
        whose = _Whose(viewer.scope if sees else None, viewer.may, viewer.pseudonyms,
                       tuple(_days(now, max(1, min(days, DAYS_MAX)), zone)))
        counted = self._counts.get(whose, lambda: self._count(whose, viewer))
        firm = self._firm.get(None, self._ask)
        health = replace(self._health(viewer, firm, now), at=min(firm.at, counted.at))
        self._auditor.record(LOOKED, viewer.person, None, {
            "days": str(len(whose.days)), "session": viewer.session})
        # Recorded: from here it may be seen.
        found = counted.value
        return Figures(found.days, not sees, health, found.reviews, found.problem)

    def _count(self, whose: _Whose, viewer: Viewer) -> _Counted:
        """`viewer`: whoever came first; of them nothing is asked but what `whose` says."""
        own, now = self._threads.own(), self._wire.clock()
        asked = Viewer("", whose.scope or viewer.scope, whose.may, whose.pseudonyms)
        index: Asked | None = own.bound.whole() if whose.scope is None else own.bound.shown(asked)
        days = figures.captured(index, whose.days) if index is not None else ()
        reviews, problem = self._reviews(own, index, asked, now)
        return _Counted(days, reviews, problem)

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

    def _health(self, viewer: Viewer, known: Known[_Firm], now: int) -> Health:
        firm = known.value
        archiver = next((one for one in firm.states if one.role == "archiver"), None)
        runs = {one.role: is_alive(one.pid) and now - one.at <= STALE_MS for one in firm.states}
        unsealed, late_ms = None, None
        if archiver is not None and runs["archiver"]:
            unsealed, late_ms = archiver.facts.get("behind"), archiver.facts.get("late_ms")
        heard = firm.capture.accounts or ()
        directory = self._directory()
        names = {one.custodian_id: one.name for one in reversed(directory.custodians)}
        accounts = tuple(_account(one, names) for one in heard if _may_know(viewer, one))
        with_account = {one.custodian_id for one in directory.accounts if one.covers(now)}
        return Health(
            known.at, tuple((words, runs.get(role, False)) for role, words in _ROLES), firm.alarms,
            unsealed if isinstance(unsealed, int) else None,
            late_ms if isinstance(late_ms, int) else None, firm.unindexed,
            accounts, len(heard), sum(one.is_silent for one in heard),
            sum(one.last_at is None for one in heard), len(directory.custodians),
            sum(one.custodian_id not in with_account for one in directory.custodians),
            tuple(_gap(viewer, one, directory) for one in open_gaps(firm.capture.gaps or ())),
            _COVERAGE, firm.problem)

    def _ask(self) -> _Firm:
        """One asks, for all: of a hundred accounts that takes a while."""
        states, alarms = active_alarms(self._wire)
        capture = capture_of(self._wire)
        unindexed, problem = None, capture.problem
        try:
            unindexed = self._unindexed()
        except CounterfoilError as error:
            problem = problem or str(error) or type(error).__name__
        return _Firm(states, tuple(AlarmView(one.code, ALARMS[one.code], one.since, one.detail)
                                   for one in alarms), capture, unindexed, problem)

    def _unindexed(self) -> int | None:
        index = self._threads.own().bound.whole()
        if index is None:
            raise Transient("nothing is indexed yet")
        cursors = index.state().cursors
        return sum(max(0, last + 1 - cursors.get(place, 0))
                   for place, last in log_ends(self._wire).items())


def _account(one: Heard, names: Mapping[str, str]) -> AccountView:
    account = one.account
    return AccountView(account.channel, account.account,
                       names.get(account.custodian_id, account.custodian_id), one.last_at,
                       account.max_silence_h, one.is_silent, one.told_at is not None)


def _gap(viewer: Viewer, gap: Gap, directory: Directory) -> Gap:
    """With whose account it is only for who may know."""
    owners = {one.custodian_id for one in directory.accounts
              if (one.channel, one.account) == (gap.channel, gap.account)}
    if not gap.account or _may_know_of(viewer, owners or {""}):
        return gap
    # A note and a name hold numbers too.
    return replace(gap, account="", note="", name="")


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
