"""What the pages that watch over things ask for: figures, the trail of who did what, policies and
their dry runs, breaking the glass, people. Ports; `infra` puts them in.

Owns no behaviour. Each method that shows something records it before it answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.gaps import Gap
from search.access.breakglass import Request
from search.access.people import AccessPolicy, Person
from search.access.viewer import Viewer
from search.figures import DayCount, ReviewFigures
from search.results import HitView
from search.trail import Record, TrailPage, Wanted
from search.web.exporting import ExportsPort
from search.web.times import Zone


@dataclass(frozen=True, slots=True)
class AlarmView:
    """`words`: what its code means; `detail`: particulars. `since`: UTC ms."""

    code: str
    words: str
    since: int
    detail: str


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account and when it was last heard of. `whose`: a name, "" = nobody's; `is_silent`: for
    longer than the directory lets it; `hours`: that is so many, null = not watched. UTC ms."""

    channel: str
    account: str
    whose: str
    last_at: int | None
    hours: float | None
    is_silent: bool
    has_notice: bool


@dataclass(frozen=True, slots=True)
class Health:
    """How capture goes in the whole firm, at `at` (UTC ms). `unsealed`: records on the log that are
    not archived yet, `unsealed_ms`: how long the oldest of them waits; `unindexed`: records that a
    search does not find yet; each null = not known, because the part does not run. `accounts`:
    those that the viewer may know of; the counts are of all. `problem`: why something lacks."""

    at: int
    runs: tuple[tuple[str, bool], ...]
    alarms: tuple[AlarmView, ...]
    unsealed: int | None
    unsealed_ms: int | None
    unindexed: int | None
    accounts: tuple[AccountView, ...] = ()
    accounts_count: int = 0
    silent_count: int = 0
    unheard_count: int = 0
    custodians_count: int = 0
    custodians_without: int = 0
    gaps: tuple[Gap, ...] = ()
    coverage: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """`is_whole`: of the whole firm, else of what the viewer may see. `reviews`: null where the
    viewer has nothing to do with them, or `problem` says why they cannot be counted."""

    days: tuple[DayCount, ...]
    is_whole: bool
    health: Health
    reviews: ReviewFigures | None
    problem: str = ""


class FiguresPort(Protocol):
    """Numbers, no message."""

    def figures(self, viewer: Viewer, days: int, zone: Zone) -> Figures:
        """Of the last `days` days in a zone. Raises Denied, Transient."""


class TrailPort(Protocol):
    """Who did what."""

    def page(self, viewer: Viewer, wanted: Wanted, limit: int, after: str | None) -> TrailPage:
        """Raises Denied, Refused, TooBroad, Transient."""

    def download(self, viewer: Viewer, wanted: Wanted) -> tuple[tuple[Record, ...], bool]:
        """(records, whether these are all). Raises as `page`."""


@dataclass(frozen=True, slots=True)
class PolicyView:
    """One version of a policy. `effective`: its first day; `rules`: (id, why); `source`: the file;
    `state`: in force | to come | replaced."""

    policy_id: str
    version: int
    title: str
    effective: str
    state: str
    severity: str
    mandatory: bool
    author: str
    approver: str
    rules: tuple[tuple[str, str], ...]
    file: str
    source: str

    @property
    def name(self) -> str:
        """As the dry run takes it."""
        return f"{self.policy_id}/{self.version}"


@dataclass(frozen=True, slots=True)
class Sample:
    """A flag that a dry run would raise, on a message that the viewer may see."""

    hit: HitView
    reason: str
    severity: str


@dataclass(frozen=True, slots=True)
class RuleFound:
    """Of messages that the viewer may see. `flags`: how many, on so many `messages`."""

    rule: str
    why: str
    flags: int
    messages: int
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class RunView:
    """A dry run. `state`: running | done | stopped | failed; `percent`: how far; `since`, `until`:
    UTC ms or null; `is_cut`: it ended because it flagged too much. `rules`: when it is done;
    `messages`: of the time that was asked about, that the viewer may see."""

    run_id: str
    policy: str
    title: str
    state: str
    percent: int
    since: int | None
    until: int | None
    began_at: int
    is_cut: bool = False
    problem: str = ""
    messages: int = 0
    rules: tuple[RuleFound, ...] = ()


class PoliciesPort(Protocol):
    """Policies on disk, and dry runs of them. A run is its maker's alone."""

    def every(self, viewer: Viewer) -> tuple[PolicyView, ...]:
        """Raises Denied; Refused in words where a file does not read; Transient."""

    def begin(self, viewer: Viewer, name: str, source: str, since: int | None,
              until: int | None) -> str:
        """The id of a run. `name`: of a version on disk, or `source`: a policy as typed. Recorded
        before it begins. Raises Denied, Refused in words, Missing, Transient."""

    def run(self, viewer: Viewer, run_id: str) -> RunView:
        """How far it is, or what it found. Raises Denied, Missing, Transient."""

    def runs(self, viewer: Viewer) -> tuple[RunView, ...]:
        """The viewer's own, the youngest first, without what they found."""

    def stop(self, viewer: Viewer, run_id: str) -> None:
        """End it. Raises Denied, Missing."""


class GlassPort(Protocol):
    """`search.access.breakglass.BreakGlass`, and what the rules give in words."""

    def requests(self, viewer: Viewer) -> tuple[Request, ...]:
        """Those that wait or are open: one's own; for who may approve, everybody's."""

    def ask(self, viewer: Viewer, what: str, reason: str, minutes: int, walls: tuple[str, ...],
            *, privileged: bool) -> Request:
        """See BreakGlass.ask."""

    def approve(self, viewer: Viewer, request_id: str) -> Request:
        """See BreakGlass.approve."""

    def refuse(self, viewer: Viewer, request_id: str, reason: str) -> None:
        """See BreakGlass.refuse."""

    def end(self, viewer: Viewer, request_id: str) -> None:
        """See BreakGlass.end."""

    def words(self, viewer: Viewer) -> Mapping[str, Sequence[str]]:
        """What the viewer may do ("may"), whose messages ("sees"), and what not ("kept")."""


@dataclass(frozen=True, slots=True)
class PersonView:
    """`account`: none | not yet | password | firm login | disabled; `wait_s`: seconds for which
    sign-ins are not taken; `has_totp`: an authenticator is set up."""

    person: Person
    account: str
    has_totp: bool
    wait_s: int


@dataclass(frozen=True, slots=True)
class PeopleView:
    """`problems`: what the rules name and the directory does not know. `groups`: (name, members,
    supervisors); `matters`: (id, name, custodians)."""

    people: tuple[PersonView, ...]
    policy: AccessPolicy
    groups: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]
    matters: tuple[tuple[str, str, tuple[str, ...]], ...]
    problems: tuple[str, ...]
    behind: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DirectoryView:
    """`groups` and `matters` as in PeopleView."""

    groups: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]
    matters: tuple[tuple[str, str, tuple[str, ...]], ...]


class PeoplePort(Protocol):
    """Who signs in, with what, and what the rules say."""

    def every(self, viewer: Viewer) -> PeopleView:
        """Raises Denied, Transient."""

    def directory(self, viewer: Viewer) -> DirectoryView:
        """Groups and matters alone. Raises Denied, Transient."""


@dataclass(frozen=True, slots=True)
class Oversight:
    """All of it."""

    figures: FiguresPort
    trail: TrailPort
    policies: PoliciesPort
    glass: GlassPort
    people: PeoplePort
    exports: ExportsPort | None = None
