"""Whoever looks is recorded before the answer is given (G7, PROTOCOL I7)."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from schemas import codec, events
from schemas.errors import Missing, QueryError, Refused, Transient
from schemas.events import CapturedEvent
from search.access.viewer import operator
from search.audit import Auditor, AuditSettings
from search.follow import Follower, bind, rebuild
from search.searcher import Searcher
from tests.fakes.index import FakeIndexSet
from tests.search import world
from tests.search.world import NOON, PROJECTOR, TOKENIZER, MemoryArchive


class MemoryRecorder:
    """The front door: what was recorded, or a log that is down."""

    def __init__(self) -> None:
        self.recorded: list[CapturedEvent] = []
        self.down = False

    def record(self, event: CapturedEvent) -> None:
        """See `schemas.recorder.Recorder`."""
        if self.down:
            raise Transient("the log does not answer")
        codec.encode(event)
        self.recorded.append(event)


class Office:
    """A searcher over a small archive."""

    def __init__(self, *items: world.Datum) -> None:
        self.archive = MemoryArchive()
        self.indexes = FakeIndexSet()
        self.recorder = MemoryRecorder()
        if items:
            self.archive.seal(items)
            self.index()
        self.searcher = Searcher(
            self.indexes, self.archive, TOKENIZER,
            Auditor(self.recorder, AuditSettings("longest", 8), lambda: NOON, bytes))

    def index(self) -> None:
        """Bring the index up to date."""
        index = self.indexes.open(bind(self.indexes))
        Follower(self.archive, index, PROJECTOR).run_to_end()
        index.refresh()


def test_a_search_is_recorded_before_it_is_answered() -> None:
    """Who, what, how many, and which messages were shown."""
    office = Office(world.event(), world.event(native_id="m2"))
    answer = office.searcher.search("hello", operator("dana"), limit=1)
    (audit,) = office.recorder.recorded
    assert (events.AUDIT, events.FIRM_CHANNEL, "hello", "dana", "longest", 8, events.OWN) == (
        audit.kind, audit.channel, audit.text, audit.actor and audit.actor.native_id,
        audit.retention_class, audit.retention_years, audit.provenance)
    assert {"action": "search", "total": "2", "limit": "1", "after": "",
            "shown": answer.hits[0].doc_id} == dict(audit.details)
    assert (2, 1) == (answer.total, len(answer.hits))


def test_a_view_is_recorded_before_it_is_answered() -> None:
    """Also what stood around the message was seen."""
    office = Office(world.event(), world.event(native_id="m2"))
    doc_id = office.searcher.search("hello", operator("dana")).hits[0].doc_id
    view = office.searcher.view(doc_id, operator("dana"))
    audit = office.recorder.recorded[-1]
    assert ("view", doc_id) == (audit.detail("action"), audit.detail("document"))
    assert [line.hit.doc_id for line in view.conversation] == (audit.detail("shown") or "").split()


def test_without_the_log_there_is_no_answer() -> None:
    """Refused with the reason, search and view alike."""
    office = Office(world.event())
    doc_id = office.searcher.search("hello", operator("dana")).hits[0].doc_id
    office.recorder.down = True
    with pytest.raises(Transient, match="search could not be recorded: the log does not answer"):
        office.searcher.search("hello", operator("dana"))
    with pytest.raises(Transient, match="view could not be recorded"):
        office.searcher.view(doc_id, operator("dana"))


def test_an_unreadable_question_shows_and_records_nothing() -> None:
    """There was no look."""
    office = Office(world.event())
    with pytest.raises(QueryError):
        office.searcher.search("hello (", operator("dana"))
    for bad in ("", "zz", "AB" * 16):
        with pytest.raises(Refused):
            office.searcher.view(bad, operator("dana"))
    with pytest.raises(Refused, match="page cursor"):
        office.searcher.search("hello", operator("dana"), after="x")
    with pytest.raises(Missing):
        office.searcher.view("ab" * 16, operator("dana"))
    assert [] == office.recorder.recorded


def test_pages_follow_each_other() -> None:
    """The `next` of a page asks for the one after; the last has none."""
    office = Office(*(world.event(native_id=f"m{n}") for n in range(5)))
    seen: list[str] = []
    after: str | None = None
    for _ in range(3):
        answer = office.searcher.search("hello", operator("dana"), 2, after)
        seen += [hit.doc_id for hit in answer.hits]
        after = answer.next
    assert (5, 5, None) == (len(seen), len(set(seen)), after)


def test_before_anything_is_indexed_nothing_is_found() -> None:
    """An empty answer, recorded all the same."""
    office = Office()
    answer = office.searcher.search("hello", operator("dana"))
    assert ((), 0, None) == (answer.hits, answer.total, answer.next)
    assert 1 == len(office.recorder.recorded)


def test_a_swap_is_noticed() -> None:
    """A searcher that lives on asks the current index."""
    office = Office(world.event())
    assert 1 == office.searcher.search("hello", operator("dana")).total
    office.archive.seal([world.event(native_id="m2")])
    old = str(office.indexes.current())
    rebuild(office.archive, office.indexes, PROJECTOR)
    office.indexes.drop(old)
    assert 2 == office.searcher.search("hello", operator("dana")).total


def test_a_look_can_be_looked_for() -> None:
    """Audit entries are events of the same archive, found where kind: names them."""
    office = Office(world.event())
    office.searcher.search("hello", operator("dana"))
    office.archive.seal([office.recorder.recorded[0]])
    office.index()
    assert 1 == office.searcher.search("hello", operator("erin")).total
    (hit,) = office.searcher.search("kind:audit from:dana hello", operator("erin")).hits
    assert ("audit", "hello", None, "search") == (hit.kind, hit.text, hit.state, hit.subkind)


def test_copies_at_several_custodians_are_one_row() -> None:
    """Linked by what they share, never merged; each is shown by its own id (PROTOCOL I2)."""
    wamid = "wamid." + base64.b64encode(
        b"\x1c\x18\x0b16505551234\x15\x02\x00\x12\x18\x143AADF8441347E8571C10\x00").decode()
    both = [world.event(native_id=wamid, account=account, custodian=who, occurred_at=NOON + at)
            for account, who, at in (("+1555", "carol", 0), ("+1666", "dave", 1))]
    office = Office(*both, world.event(native_id="other"))
    answer = office.searcher.search("hello", operator("dana"))
    assert (3, 2) == (answer.total, len(answer.hits))
    (row,) = [hit for hit in answer.hits if hit.copies]
    (copy,) = row.copies
    assert (row.doc_id,) == office.searcher.view(copy, operator("dana")).hit.copies
    assert 1 == office.searcher.view(copy, operator("dana")).hit.version_count
    pages = [office.searcher.search("hello", operator("dana"), 1)]
    while pages[-1].next:
        pages.append(office.searcher.search("hello", operator("dana"), 1, pages[-1].next))
    assert [1, 1] == sorted(len(page.hits) for page in pages if page.hits)
    hits = office.searcher.search("with:carol", operator("dana")).hits
    assert [copy] == [hit.doc_id for hit in hits if hit.copies]


def test_an_id_that_a_client_reuses_hides_nothing() -> None:
    """Linked, but another text or no text at all keeps its own row; another state of one text is
    told in the row."""
    def wamid(sender: str) -> str:
        return "wamid." + base64.b64encode(
            b"\x1c\x18\x0b" + sender.encode() + b"\x15\x02\x00\x12\x18\x14"
            b"3AADF8441347E8571C10\x00").decode()
    genuine = world.event(native_id=wamid("16505551234"), account="+1555", text="pay invoice 9")
    other: dict[str, str] = {"native_id": wamid("16505551234"), "account": "+1666"}
    for reused in (world.event(text="pay lunch", occurred_at=NOON + 9, **other),
                   world.event(text=None, occurred_at=NOON + 9, **other)):
        answer = Office(genuine, reused).searcher.search("with:carol", operator("dana"))
        assert {"pay invoice 9", reused.text} == {hit.text for hit in answer.hits}
        assert [1, 1] == [len(hit.copies) for hit in answer.hits]
    retracted = Office(genuine, replace(genuine, account="+1666", occurred_at=NOON + 9),
                       world.retraction(target=wamid("16505551234"), account="+1666"))
    (row,) = retracted.searcher.search("invoice", operator("dana")).hits
    assert {"retracted", "live"} == {one.state for one in row.seen_by}
    for state in ("retracted", "live"):
        (row,) = retracted.searcher.search(f"invoice state:{state}", operator("dana")).hits
        assert (state, 2) == (row.state, len(row.seen_by))


def test_a_bare_retraction_stands_with_the_text_that_it_can_only_be_about() -> None:
    """In one conversation, beside one text; in another, or beside two, it has its own row."""
    def wamid(sender: str) -> str:
        return "wamid." + base64.b64encode(
            b"\x1c\x18\x0b" + sender.encode() + b"\x15\x02\x00\x12\x18\x14"
            b"3AADF8441347E8571C10\x00").decode()
    said = world.event(native_id=wamid("16505551234"), account="+1555", text="pay invoice 9")
    bare = world.retraction(target=wamid("16505550000"), account="+1666")
    third = world.event(native_id=wamid("16505550001"), account="+1777", text="pay lunch")
    for items, rows in (((said, bare), 1), ((said, bare, third), 3),
                        ((said, replace(bare, conversation="group:1")), 2)):
        answer = Office(*items).searcher.search("kind:retraction OR kind:message", operator("dana"))
        assert rows == len(answer.hits)
