"""The console over a firm whose flagged messages are reviewed: desk, office and search are the real
ones over fakes, asked as a browser asks.

Owns the composition. The index is seconds behind until `world.index_log()` is called.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import Any, Final

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.directory import Directory
from search import thread
from search.access.people import AccessPolicy, Person, Settings, Wall, line_of, viewer_of
from search.access.pseudonyms import Pseudonyms
from search.access.sessions import Live
from search.access.viewer import Viewer
from search.audit import Auditor, AuditSettings
from search.bodies import Bodies
from search.review import signed
from search.review.leases import Claim
from search.review.narrowing import Proposal
from search.review.office import Office as Reports
from search.review.questions import Filters
from search.review.reports import PeriodReport
from search.review.views import BulkDone, Done, Form, ItemView, QueuePage, QueueRow
from search.searcher import Searcher
from search.thread import MessageView
from search.web.app import make_app
from search.web.ports import ConsoleParts, ConsoleSettings
from search.web.times import Zone
from tests.search.access.signin_world import GOOD
from tests.search.access.signin_world import Firm as Doors
from tests.search.review.world import YEARS, Firm
from tests.search.world import TOKENIZER
from tests.web.office import URL, Browser, MemoryDesk, MemorySaved

ANN: Final = Person("ann", "Ann Ash", ("compliance",), ("*",))
BEN: Final = Person("ben", "Ben Birch", ("compliance",), ("*",))
CAT: Final = Person("cat", "Cat Cole", ("supervisor",), ("*",), reports_to=("ann",))
DAN: Final = Person("dan", "Dan Dean", ("reviewer",), ("*",))
EVE: Final = Person("eve", "Eve Elm", ("auditor",))
LEO: Final = Person("leo", "Leo Lake", ("legal",), ("*",))
# Whose messages are captured, and who reviews those of others.
CAROL: Final = Person("carol", "Carol Clay", ("compliance",), ("*",), custodian="carol")
PEOPLE: Final = (ANN, BEN, CAT, DAN, EVE, LEO)
_FORM: Final = re.compile(r'<form method="post" action="([^"]+)"(.*?)</form>', re.DOTALL)
_INPUT: Final = re.compile(r'<input type="hidden" name="([a-z]+)" value="([^"]*)"')
SIGNER: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


class MemoryReviews:
    """Implements `search.web.ports.ReviewPort` and `ReportPort`."""

    def __init__(self, world: Firm) -> None:
        self._world = world
        self.desk = world.desk
        self.office = Reports(world.ports(), lambda: world.indexes.open(world.index_name))

    def queue(self, viewer: Viewer, filters: Filters, limit: int, after: str | None, *,
              with_counts: bool = False) -> QueuePage:
        return self.desk.queue(viewer, filters, limit, after, with_counts=with_counts)

    def counts(self, viewer: Viewer, filters: Filters) -> Mapping[str, int]:
        return self.desk.counts(viewer, filters)

    def messages(self, viewer: Viewer, rows: Sequence[QueueRow]) -> tuple[MessageView, ...]:
        bodies = Bodies(self._world.archive)
        found = [thread.message(one.document, bodies) for one in rows]
        if viewer.pseudonyms:
            masks = Pseudonyms(TOKENIZER, Directory())
            found = [masks.message(one) for one in found]
        return tuple(found)

    def open(self, viewer: Viewer, doc_id: str) -> ItemView:
        return self.desk.open(viewer, doc_id)

    def claim(self, viewer: Viewer, doc_id: str) -> Claim:
        return self.desk.claim(viewer, doc_id)

    def release(self, viewer: Viewer, doc_id: str) -> None:
        self.desk.release(viewer, doc_id)

    def act(self, viewer: Viewer, doc_id: str, form: Form) -> Done:
        return self.desk.act(viewer, doc_id, form)

    def bulk(self, viewer: Viewer, doc_ids: Sequence[str], form: Form) -> BulkDone:
        return self.desk.bulk(viewer, doc_ids, form)

    def reviewers(self) -> Sequence[str]:
        return sorted(self._world.staff.reviewers())

    def period(self, viewer: Viewer, since: int, until: int) -> PeriodReport:
        return self.office.period(viewer, since, until)

    def accountability(self, viewer: Viewer, since: int, until: int) -> Mapping[str, Any]:
        return self.office.accountability(viewer, since, until)

    def signed(self, viewer: Viewer, month: str, since: int, until: int) -> bytes:
        told = self.office.accountability(viewer, since, until)
        return signed.sign({**told, "month": month}, b"k" * 16, SIGNER.sign)

    def proposals(self, viewer: Viewer) -> tuple[Proposal, ...]:
        return self.office.proposals(viewer)


@dataclass
class Reviewed:
    """The console of a firm that reviews. `walls`: of access.toml."""

    walls: tuple[Wall, ...] = ()
    pseudonyms: bool = False
    people: tuple[Person, ...] = PEOPLE
    world: Firm = field(default_factory=Firm)
    reported: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        doors, world = Doors(), self.world
        doors.policy = AccessPolicy(self.people, self.walls, settings=Settings(
            pseudonyms=self.pseudonyms, require_totp=False))
        for person in self.people:
            doors.has(person)
        self.policy = doors.policy
        world.staff.lines = {one.person_id: line_of(doors.policy, one.person_id)
                             for one in self.people}
        auditor = Auditor(world.log, AuditSettings("firm", YEARS), world.clock, world.random)
        searcher = Searcher(world.indexes, world.archive, TOKENIZER, auditor,
                            pseudonyms=lambda: Pseudonyms(TOKENIZER, Directory()))
        self.reviews = MemoryReviews(world)
        names = {one.person_id: one.name for one in self.people}
        self.parts = ConsoleParts(
            settings=ConsoleSettings(URL, frozenset({"127.0.0.1:8090"}), Zone("UTC", UTC)),
            desk=MemoryDesk(searcher), open_file=lambda _stored: iter(()), auditor=auditor,
            gate=doors.gate, signin=doors.sign_in, account=doors.own, oidc=None,
            viewer=self._viewer, name=lambda person: names.get(person, person),
            saved=MemorySaved(), zones=lambda _name: None, wait_s=lambda _address: 0,
            report=self.reported.append, clock=world.clock, random=world.random,
            threads=ThreadPoolExecutor(1), review=self.reviews, reports=self.reviews)
        self.app = make_app(self.parts)

    def _viewer(self, live: Live) -> Viewer:
        return viewer_of(self.policy, Directory(), live.person, self.world.now,
                         session=live.session)

    def as_(self, person: Person) -> Reader:
        """Somebody at a browser, signed in."""
        found = Reader(self)
        found.get("/sign-in")
        answer = found.post("/sign-in", person=person.person_id, password=GOOD)
        assert answer.status_code == 303, answer.text
        return found

    def denials(self) -> list[str]:
        """Whom something was refused, in order."""
        return [one.actor.native_id for one in self.world.log.events
                if one.actor and one.detail("action") == "denied"]


class Reader(Browser):
    """A browser that fills in the forms of the page that it was shown last."""

    def __init__(self, office: Reviewed) -> None:
        super().__init__(office)  # type: ignore[arg-type]
        self.last = ""

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request; what it answered is the page that forms are taken from."""
        answer = super().ask(method, path, **more)
        if answer.text.startswith("<!doctype"):
            self.last = answer.text
        return answer

    def hidden(self, action: str) -> dict[str, str]:
        """What the form that goes there carries unseen."""
        for found in _FORM.finditer(self.last):
            if html.unescape(found[1]) == action:
                return {name: html.unescape(value) for name, value in _INPUT.findall(found[2])}
        raise AssertionError(f"no form for {action} on the page")

    def has_form(self, action: str) -> bool:
        """Whether the page has a form that goes there."""
        return any(html.unescape(found[1]) == action for found in _FORM.finditer(self.last))

    def send(self, action: str, **said: str) -> httpx.Response:
        """The form of the last page, filled in and sent."""
        held = self.hidden(action)
        held.pop("csrf")
        return self.ask("POST", action, data={"csrf": self.csrf, **held, **said})

    def follow(self, answer: httpx.Response) -> httpx.Response:
        """Where it leads."""
        assert answer.status_code == 303, answer.text
        return self.get(answer.headers["location"])


def words(answer: httpx.Response) -> str:
    """What a page says, without its markup."""
    main = answer.text.partition("<main")[2]
    plain = re.sub(r"<[^>]+>", " ", main)
    return re.sub(r"\s+([.,;:])", r"\1", re.sub(r"\s+", " ", html.unescape(plain)))


def wall(*custodians: str, against: str) -> Wall:
    """Somebody is kept from what was captured of these."""
    return replace(Wall("Juniper", "advises the other side"), custodians=custodians,
                   against_people=(against,))
