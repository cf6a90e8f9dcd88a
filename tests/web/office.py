"""The console over a small archive in memory, asked as a browser asks.

Owns the composition: sign-in, search and the records are the real ones over fakes; files are a
dictionary.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Final

import httpx

from schemas.directory import Directory
from schemas.errors import Refused
from schemas.media import StoredMedia
from search.access.people import Person, viewer_of
from search.access.sessions import Live
from search.access.viewer import Viewer
from search.audit import Auditor, AuditSettings
from search.conversation import ConversationView
from search.explain import Explanation
from search.facets import Facets
from search.files import FileView
from search.follow import Follower, bind
from search.searcher import Answer, Beside, Searcher
from search.thread import MessageView
from search.web.app import make_app
from search.web.ports import ConsoleParts, ConsoleSettings, FacetsView, FacetValue, Saved
from search.web.routes import ROUTES, Route
from search.web.times import Zone
from tests.fakes.index import FakeIndexSet
from tests.search import world
from tests.search.access.signin_world import BEN, GOOD, Firm
from tests.search.test_searcher import MemoryRecorder
from tests.search.world import NOON, PROJECTOR, TOKENIZER, MemoryArchive

URL: Final = "http://127.0.0.1:8090"
ADMINISTRATOR: Final = Person("ada", "Ada Hill", ("administrator",))
REVIEWER: Final = Person("rita", "Rita", ("reviewer",), ("*",))
COMPLIANCE: Final = Person(BEN.person_id, BEN.name, ("compliance",), ("*",))
_CSRF: Final = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


class MemoryDesk:
    """Implements `search.web.ports.SearchPort` over a Searcher."""

    def __init__(self, searcher: Searcher) -> None:
        self.searcher = searcher
        self.breaks: Exception | None = None
        self.files: dict[int, FileView] = {}

    def search(self, query: str, viewer: Viewer, limit: int, after: str | None) -> Answer:
        if self.breaks:
            raise self.breaks
        return self.searcher.search(query, viewer, limit, after)

    def page(self, query: str, viewer: Viewer, limit: int, fields: Sequence[str],
             top: int) -> tuple[Answer, FacetsView]:
        if self.breaks:
            raise self.breaks
        found = self.searcher.search(query, viewer, limit, beside=Beside(tuple(fields), top))
        return found, self._view(found.facets or {})

    def facets(self, query: str, viewer: Viewer, fields: Sequence[str], top: int) -> FacetsView:
        return self._view(self.searcher.facets(query, viewer, fields, top))

    def _view(self, found: Facets) -> FacetsView:
        return {name: tuple(FacetValue(value, value, count) for value, count in values)
                for name, values in found.items()}

    def explain(self, query: str, viewer: Viewer) -> Explanation:
        return self.searcher.explain(query, viewer)

    def view(self, doc_id: str, viewer: Viewer, around: int) -> MessageView:
        return self.searcher.view(doc_id, viewer, around)

    def conversation(self, token: str, viewer: Viewer, *, at: str | None = None,
                     before: str | None = None, after: str | None = None,
                     limit: int = 50) -> ConversationView:
        return self.searcher.conversation(token, viewer, at=at, before=before, after=after,
                                          limit=limit)

    def file(self, doc_id: str, number: int, viewer: Viewer) -> FileView:
        return self.files[number]


class MemorySaved:
    """Implements `search.web.ports.SavedSearches`."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], str] = {}

    def of(self, person: str) -> tuple[Saved, ...]:
        return tuple(Saved(name, query, 0) for (who, name), query in sorted(self.rows.items())
                     if who == person)

    def put(self, person: str, name: str, query: str) -> None:
        self.rows[person, name] = query

    def remove(self, person: str, name: str) -> None:
        self.rows.pop((person, name), None)


@dataclass
class Office:
    """The console, and what it wrote down."""

    items: tuple[world.Datum, ...] = ()
    routes: tuple[Route, ...] = ROUTES
    firm: Firm = field(default_factory=Firm)
    recorder: MemoryRecorder = field(default_factory=MemoryRecorder)
    reported: list[Exception] = field(default_factory=list)
    bodies: dict[str, bytes] = field(default_factory=dict)
    saved: MemorySaved = field(default_factory=MemorySaved)
    wait_s: int = 0

    def __post_init__(self) -> None:
        archive, indexes = MemoryArchive(), FakeIndexSet()
        if self.items:
            archive.seal(self.items)
            index = indexes.open(bind(indexes))
            Follower(archive, index, PROJECTOR).run_to_end()
            index.refresh()
        auditor = Auditor(self.recorder, AuditSettings("longest", 8), lambda: NOON, bytes)
        self.desk = MemoryDesk(Searcher(indexes, archive, TOKENIZER, auditor))
        self.firm.policy = self.firm.policy.__class__(
            (ADMINISTRATOR, REVIEWER, COMPLIANCE), settings=self.firm.policy.settings)
        for person in (ADMINISTRATOR, REVIEWER, COMPLIANCE):
            self.firm.has(person)
        self.threads = ThreadPoolExecutor(1)
        self.app = make_app(ConsoleParts(
            settings=ConsoleSettings(URL, frozenset({"127.0.0.1:8090"}), Zone("UTC", UTC)),
            desk=self.desk, open_file=self._open, auditor=auditor, gate=self.firm.gate,
            signin=self.firm.sign_in, account=self.firm.own, oidc=None, viewer=self._viewer,
            name=lambda person: person, saved=self.saved, zones=_zones,
            wait_s=lambda _address: self.wait_s, report=self.reported.append,
            clock=self.firm.clock, random=self.firm.random, threads=self.threads), self.routes)

    def _viewer(self, live: Live) -> Viewer:
        return viewer_of(self.firm.policy, Directory(), live.person, NOON, session=live.session)

    def _open(self, stored: StoredMedia) -> Iterator[bytes]:
        yield self.bodies[stored.object]

    @property
    def denials(self) -> list[Mapping[str, str]]:
        """What was refused to somebody who is signed in."""
        return [dict(one.details) for one in self.recorder.recorded
                if one.detail("action") == "denied"]


class Browser:
    """One browser: cookies, and the forms of the last page."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self.cookies: dict[str, str] = {}
        self.csrf = ""

    def ask(self, method: str, path: str, *, headers: Mapping[str, str] | None = None,
            data: Mapping[str, str] | None = None, content: bytes | None = None,
            ) -> httpx.Response:
        """One request; redirects are not followed."""
        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._office.app)
            async with httpx.AsyncClient(transport=transport, base_url=URL,
                                         cookies=self.cookies) as client:
                answer = await client.request(method, path, headers=dict(headers or {}),
                                              data=dict(data) if data else None, content=content)
                self.cookies = dict(client.cookies)
                return answer

        answer = asyncio.run(run())
        found = _CSRF.search(answer.text)
        self.csrf = found[1] if found else self.csrf
        return answer

    def get(self, path: str, **headers: str) -> httpx.Response:
        """A page."""
        return self.ask("GET", path, headers={name.replace("_", "-"): value
                                              for name, value in headers.items()})

    def post(self, path: str, headers: Mapping[str, str] | None = None,
             **data: str) -> httpx.Response:
        """A form of the last page."""
        return self.ask("POST", path, headers=headers, data={"csrf": self.csrf, **data})

    def sign_in(self, person: Person) -> httpx.Response:
        """As somebody with the firm's password."""
        self.get("/sign-in")
        answer = self.post("/sign-in", person=person.person_id, password=GOOD)
        assert answer.status_code == 303, answer.text
        return answer


def filled(**more: Any) -> Office:
    """An office with an edited message, a retracted one, and a plain one."""
    return Office((world.event(), world.edit("hello there"), world.event(native_id="m2",
                   text="a secret <b>"), world.retraction(target="m2"),
                   world.event(native_id="m3", text="plain")), **more)


def _zones(name: str) -> tzinfo | None:
    if name != "UTC":
        return None
    return UTC


def refused(words: str) -> Refused:
    """An error with words that nobody outside may read."""
    return Refused(words)
