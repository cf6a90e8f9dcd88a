"""The pages that the reviewers of the bench `console` open, and the questions behind them.

Owns one table: a page that is not mounted is left out, a new one is one line. For each its bare
question: what the index has to be asked for this page, as the viewer may see it, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, Final

from infra.access import FILE, load_access
from infra.reviewing import timing_of
from infra.wire import Wire
from schemas import limits
from schemas.assignment import Assignments
from search.access.people import line_of, viewer_of
from search.access.scoped import ScopedIndex
from search.access.viewer import Viewer
from search.audit import Auditor, AuditSettings
from search.conversation import PAGE_DEFAULT as TALK_PAGE
from search.index import PageCursor
from search.query import Term, TokenQuery
from search.review import questions
from search.review.facts import person_token
from search.searcher import _TALK, Searcher
from search.web.pages.queue import LIMIT as QUEUE_PAGE
from search.web.pages.search import FACET_VALUES, FACETS, LIMIT
from search.web.routes import ROUTES

SEARCH: Final = "search"
NEXT: Final = "next page"
CONVERSATION: Final = "conversation"
MESSAGE: Final = "message"
QUEUE: Final = "queue"
DASHBOARD: Final = "dashboard"


@dataclass(frozen=True, slots=True)
class Kind:
    """A page. `route`: as it is mounted; `path`: of one that needs no message; `often`: of a
    hundred questions that somebody asks, after how many this page is opened as well; `records`: how
    many records of audit it leaves, by action; null = nobody counts. `bare`: what the index is
    asked."""

    name: str
    route: str
    bare: str
    path: str = ""
    often: int = 0
    records: dict[str, int] | None = None


_ALL: Final = (
    Kind(SEARCH, "/search", "the page of 25 and its five facets", records={"search": 1}),
    Kind(NEXT, "/search", "the page of 25 after the first", often=40, records={"search": 1}),
    Kind(CONVERSATION, "/conversation/{token}", "the newest 50 of the conversation", often=60,
         records={"view": 1}),
    Kind(MESSAGE, "/message/{id}", "the document", often=50, records={"view": 1}),
    Kind(QUEUE, "/queue", "what waits: total, counts of its values, a page of 25",
         path="/queue", often=25, records={"queue": 1}),
    Kind(DASHBOARD, "/dashboard", "none", path="/dashboard", often=6),
)


def mounted() -> tuple[Kind, ...]:
    """Those that this console has."""
    paths = {route.path for route in ROUTES if "GET" in route.methods}
    return tuple(one for one in _ALL if one.route in paths)


@dataclass(slots=True)
class _Bound:
    viewer: Viewer
    index: ScopedIndex
    asked: dict[str, TokenQuery] = field(default_factory=dict)


class Bare:
    """The same questions, asked of Elasticsearch directly. Everything that does not change from
    one time to the next (who may see what, how a query is translated) is made before."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._policy = load_access(wire.home / FILE)
        self._directory = wire.directory()
        self._tokenizer = wire.tokenizer()
        indexes, reader = wire.indexes(), wire.reader()
        # Nothing that it translates is recorded: nobody is shown anything.
        self._searcher = Searcher(indexes, reader, self._tokenizer,
                                  Auditor(_Nobody(), AuditSettings("firm", 8), wire.clock,
                                          wire.random), language=wire.language(indexes, reader))
        self._whole = indexes.open(indexes.current() or "")
        self._people: dict[str, _Bound] = {}

    def prepare(self, person: str, texts: tuple[str, ...]) -> None:
        """Translate what a person will ask."""
        viewer = viewer_of(self._policy, self._directory, person, self._wire.clock())
        bound = self._people[person] = _Bound(viewer, ScopedIndex(
            self._whole, viewer.scope, self._tokenizer, Assignments()))
        for text in texts:
            tree = self._searcher._parsed(text)
            look = self._searcher._look(viewer)
            bound.asked[text] = self._searcher._compiler(text, tree, look).compiled(tree)

    def of(self, page: str, person: str, given: dict[str, str]) -> Callable[[], Any] | None:
        """What to call for the bare question of a page; null = there is none. `given`: of this
        page: q, after, token, id."""
        bound = self._people[person]
        if page in (SEARCH, NEXT):
            asked, after = bound.asked[given["q"]], given.get("after", "")
            place = PageCursor.read(after) if after else None
            if page == NEXT:
                return lambda: bound.index.search(asked, LIMIT, place)
            return lambda: (bound.index.search(asked, LIMIT),
                            bound.index.facets(asked, FACETS, FACET_VALUES, UTC))
        if page == CONVERSATION:
            talk = TokenQuery(Term("conversation", given["token"]), _TALK)
            return lambda: bound.index.search(talk, TALK_PAGE)
        if page == MESSAGE:
            return lambda: bound.index.get([given["id"]])
        if page == QUEUE:
            waiting = TokenQuery(questions.node(questions.Filters(), self._asking(bound.viewer)))
            return lambda: (bound.index.facets(waiting, (questions.CODES,),
                                               limits.FACET_VALUES_MAX),
                            bound.index.search(waiting, QUEUE_PAGE, oldest_first=True))
        return None

    def _asking(self, viewer: Viewer) -> questions.Asking:
        line = line_of(self._policy, viewer.person)
        return questions.Asking(
            person_token(self._tokenizer, viewer.person),
            frozenset(self._tokenizer.named("custodian", one) for one in line), viewer.may,
            self._wire.clock(), timing_of(self._wire), self._tokenizer)


class _Nobody:
    def record(self, event: object) -> None:
        """Nothing is recorded here."""
