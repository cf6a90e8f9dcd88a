"""What the console asks of the rest: ports, and the parts that `infra/console.py` puts in.

Owns no behaviour. Everything is synchronous: a page is made in one thread of a fixed pool, so that
what belongs to one thread (an index) is one thread's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Protocol

from schemas.media import StoredMedia
from search.access.federated import OidcSignIn
from search.access.gate import Gate
from search.access.own import OwnAccount
from search.access.sessions import Live
from search.access.signin import Signed, SignIn
from search.access.viewer import Viewer
from search.conversation import ConversationView
from search.explain import Explanation
from search.files import FileView
from search.review.leases import Claim
from search.review.narrowing import Proposal
from search.review.questions import Filters
from search.review.reports import PeriodReport
from search.review.views import BulkDone, Done, Form, ItemView, QueuePage, QueueRow
from search.searcher import Answer
from search.thread import MessageView
from search.web.oversight import Oversight
from search.web.times import Zone


@dataclass(frozen=True, slots=True)
class FacetValue:
    """`value`: as the query language takes it; `label`: as a person reads it; `count`: documents.
    """

    value: str
    label: str
    count: int


FacetsView = Mapping[str, tuple[FacetValue, ...]]
"""Field -> its values, most documents first; months the latest first."""


class SearchPort(Protocol):
    """Questions about messages; each is recorded before it is answered, within the viewer's scope.

    What a viewer may not see raises exactly what is not there raises: Missing. Raises QueryError
    (it points at the character), Refused for what is no id or cursor or is too broad, Transient.
    """

    def search(self, query: str, viewer: Viewer, limit: int, after: str | None) -> Answer:
        """A page of answers, the newest first. `after`: the `next` of the page before."""

    def page(self, query: str, viewer: Viewer, limit: int, fields: Sequence[str],
             top: int) -> tuple[Answer, FacetsView]:
        """The first page of answers and, of all of them, what `facets` says: one look, one record.
        Where only the counts cannot be had, `Answer.uncounted` says why."""

    def facets(self, query: str, viewer: Viewer, fields: Sequence[str], top: int) -> FacetsView:
        """How many answers hold each value of `fields` (search/facets.py), of a query that was
        searched for just now."""

    def explain(self, query: str, viewer: Viewer) -> Explanation:
        """How a query is understood."""

    def view(self, doc_id: str, viewer: Viewer, around: int) -> MessageView:
        """One message with everything that is known of it."""

    def conversation(self, token: str, viewer: Viewer, *, at: str | None = None,
                     before: str | None = None, after: str | None = None,
                     limit: int = 50) -> ConversationView:
        """A page of a conversation: the one with message `at`, the one before or after a cursor,
        else the newest."""

    def file(self, doc_id: str, number: int, viewer: Viewer) -> FileView:
        """A stored file, with what opens it. Raises Missing where it is not stored."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved search. `saved_at`: UTC ms."""

    name: str
    query: str
    saved_at: int


class SavedSearches(Protocol):
    """The saved searches of each person. No evidence: what is searched for is recorded anyway.

    Raises Refused for a name or a query that is too long, or one too many; Transient.
    """

    def of(self, person: str) -> tuple[Saved, ...]:
        """By name."""

    def put(self, person: str, name: str, query: str) -> None:
        """In place of one of the same name. Kept when it returns."""

    def remove(self, person: str, name: str) -> None:
        """One that is not there is removed already."""


class ReviewPort(Protocol):
    """`search.review.desk.ReviewDesk`, for any number of threads. Each method records itself."""

    def queue(self, viewer: Viewer, filters: Filters, limit: int, after: str | None, *,
              with_counts: bool = False) -> QueuePage:
        """What waits, the gravest and oldest first; `with_counts`: with what `counts` says, of the
        total's moment and in the same record."""

    def counts(self, viewer: Viewer, filters: Filters) -> Mapping[str, int]:
        """"status:open" -> how many of the items that fit."""

    def messages(self, viewer: Viewer, rows: Sequence[QueueRow]) -> tuple[MessageView, ...]:
        """The messages of a page of the queue, which names them in its record."""

    def open(self, viewer: Viewer, doc_id: str) -> ItemView:
        """One item; a look."""

    def claim(self, viewer: Viewer, doc_id: str) -> Claim:
        """Raises Taken."""

    def release(self, viewer: Viewer, doc_id: str) -> None:
        """The item is free again."""

    def act(self, viewer: Viewer, doc_id: str, form: Form) -> Done:
        """On the log when it returns."""

    def bulk(self, viewer: Viewer, doc_ids: Sequence[str], form: Form) -> BulkDone:
        """One decision on several."""

    def reviewers(self) -> Sequence[str]:
        """Ids of those who can be given items, sorted."""


class ReportPort(Protocol):
    """`search.review.office.Office`, for any number of threads. Each method records itself."""

    def period(self, viewer: Viewer, since: int, until: int) -> PeriodReport:
        """The report of since <= t < until (UTC ms)."""

    def accountability(self, viewer: Viewer, since: int, until: int) -> Mapping[str, Any]:
        """The same, and about those who reviewed (office.Office.accountability)."""

    def signed(self, viewer: Viewer, month: str, since: int, until: int) -> bytes:
        """That, as a file under the firm's key."""

    def proposals(self, viewer: Viewer) -> tuple[Proposal, ...]:
        """Words of rules that mostly hit what is nothing."""


class Audits(Protocol):
    """`search.audit.Auditor`."""

    def record(self, action: str, actor: str, text: str | None,
               details: Mapping[str, str]) -> None:
        """On the log when it returns. Raises Transient: then nothing may be answered."""


class OneTime(Protocol):
    """A link that signs somebody in once (`console --demo`)."""

    def take(self, token: str) -> Signed | None:
        """The session, the first time; null for anything else."""


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """`public_url`: how browsers reach the console, without a slash at the end; `hosts`: what a
    Host header may say, lower case; `zone`: where a viewer's own is not known; `is_trial`: locks
    end after a day; `is_demo`: nobody here exists; `account_hint`: the command that makes an
    account."""

    public_url: str
    hosts: frozenset[str]
    zone: Zone
    is_trial: bool = False
    is_demo: bool = False
    account_hint: str = "counterfoil account add NAME --role supervisor"


@dataclass(frozen=True, slots=True)
class ConsoleParts:
    """`viewer`: who a session is, with what they may see now; raises NotSignedIn for somebody who
    may not any more. `name`: a person's name. `zones`: a zone by its name, null = none.
    `open_file`: the bytes of a file, the last of them only when all are right. `wait_s`: seconds
    that an address, or "session ID", has to wait, 0 = none. `report`: an error that nobody
    expected. `clock`: UTC ms.
    `threads`: where pages are made."""

    settings: ConsoleSettings
    desk: SearchPort
    open_file: Callable[[StoredMedia], Iterator[bytes]]
    auditor: Audits
    gate: Gate
    signin: SignIn
    account: OwnAccount
    oidc: OidcSignIn | None
    viewer: Callable[[Live], Viewer]
    name: Callable[[str], str]
    saved: SavedSearches
    zones: Callable[[str], tzinfo | None]
    wait_s: Callable[[str], int]
    report: Callable[[Exception], None]
    clock: Callable[[], int]
    random: Callable[[int], bytes]
    threads: Executor
    one_time: OneTime | None = None
    review: ReviewPort | None = None
    reports: ReportPort | None = None
    oversight: Oversight | None = None

    @property
    def watch(self) -> Oversight:
        """What the pages that watch over things ask for."""
        assert self.oversight is not None, "a console without its parts"
        return self.oversight
