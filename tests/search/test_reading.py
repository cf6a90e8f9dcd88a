"""An index that holds no words answers as one that does: the archive's texts are read."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path

import pytest

from infra import elastic_question
from infra.embedded.index import SqliteIndexSet
from infra.embedded.question import Question
from schemas import events, limits
from schemas.document import Document
from schemas.errors import Missing
from schemas.events import CapturedEvent
from schemas.wire import Pointer
from search import query, reading
from search.access.viewer import operator
from search.audit import Auditor, AuditSettings
from search.bodies import Bodies
from search.candidates import matcher
from search.explain import line, lines, summary
from search.follow import Follower, bind
from search.index import Index, IndexSet, TooBroad
from search.project import Projector, revision_entries
from search.query import TokenQuery, compile_query
from search.reading import ReadingIndex, TooMuchToRead
from search.searcher import Language, Searcher
from search.stems import Stemmer
from search.tokens import Tokenizer
from tests.fakes.index import FakeIndexSet
from tests.search import world
from tests.search.test_searcher import MemoryRecorder
from tests.search.world import NOON, MemoryArchive

TOKENIZER = Tokenizer(world.INDEX_KEY, text="none")
ENGLISH = Stemmer(["english"])


class Archive(MemoryArchive):
    """One that says what is read, and may have lost some."""

    def __init__(self) -> None:
        super().__init__()
        self.read_at: list[tuple[int, int]] = []
        self.lost: set[int] = set()

    def read(self, pointer: Pointer) -> bytes:
        """As ever, but told."""
        self.read_at.append((pointer.partition, pointer.offset))
        if pointer.offset in self.lost:
            raise Missing("domain key")
        return super().read(pointer)


class Office:
    """An archive, and its index without words."""

    def __init__(self, *items: world.Datum, indexes: IndexSet | None = None) -> None:
        self.archive = Archive()
        for number, item in enumerate(items):
            self.archive.seal([item], partition=number % 2)
        self.indexes = indexes or FakeIndexSet()
        self.inner: Index = self.indexes.open(bind(self.indexes))
        Follower(self.archive, self.inner, Projector(TOKENIZER)).run_to_end()
        self.inner.refresh()
        self.archive.read_at.clear()
        self.told: list[tuple[int, int]] = []
        self.recorder = MemoryRecorder()
        self.searcher = Searcher(
            self.indexes, self.archive, TOKENIZER,
            Auditor(self.recorder, AuditSettings("longest", 8), lambda: NOON, bytes),
            language=Language(stems=ENGLISH), progress=self._tell)

    @property
    def index(self) -> ReadingIndex:
        """As it is asked one question."""
        return ReadingIndex(self.inner, Bodies(self.archive), ENGLISH, self._tell)

    def found(self, text: str) -> list[str]:
        """The texts of what a query answers with, in order."""
        return [hit.text or "" for hit in self.searcher.search(text, operator("dana")).hits]

    def _tell(self, done: int, of: int) -> None:
        self.told.append((done, of))


def wamid(peer: str) -> str:
    """The id that one message has at another account."""
    stanza = b"3AADF8441347E8571C10"
    return "wamid." + base64.b64encode(
        b"\x1c\x18" + bytes([len(peer)]) + peer.encode() + b"\x15\x02\x00\x11\x18"
        + bytes([len(stanza)]) + stanza + b"\x00").decode()


def asked(text: str) -> TokenQuery:
    """The query as an index without words is asked."""
    return compile_query(text, TOKENIZER)[1]


def messages(*texts: str) -> Iterator[CapturedEvent]:
    """One after the other, the youngest last."""
    for number, text in enumerate(texts):
        yield world.event(native_id=f"m{number}", text=text, occurred_at=NOON + number)


def test_no_word_is_in_the_index(tmp_path: Path) -> None:
    """No token, no sealed vocabulary, not how many there are; equal texts of two messages look
    different, those of two copies alike."""
    office = Office(*messages("pay the invoice 我", "pay the invoice 我", "yes"),
                    world.event(events.EDIT, "e", "pay the invoice 我", target="m0",
                                target_known=events.EXPLICIT, captured_at=NOON + 60_000),
                    world.event(native_id=wamid("15550001"), text="yes", account="+15550001"),
                    world.event(native_id=wamid("15550002"), text="yes", account="+15550002"),
                    indexes=SqliteIndexSet(tmp_path, text="none"))
    found = list(office.inner.scan())
    assert [((), (), 1)] == list(dict.fromkeys(
        (one.words, one.chars, entry.term_count) for one in found for entry in one.entries))
    assert [] == list(office.inner.words().since(0))
    digests = [{entry.text_digest for entry in revision_entries(one)} for one in found]
    assert [1] * 5 == list(map(len, digests))
    assert [1, 1, 1, 2] == sorted(Counter(one for each in digests for one in each).values())
    assert 1 == len({one.shared for one in found if one.shared})


def test_texts_are_read_only_where_they_decide() -> None:
    """What the rest of the question shuts out, or lets in anyhow, is not read."""
    office = Office(*messages("pay now", "pay later"), *(
        world.event(native_id=f"o{n}", text="pay", direction="out") for n in range(3)))
    assert 2 == office.index.count(asked("direction:in pay"))
    assert 2 == len(office.archive.read_at)
    office.archive.read_at.clear()
    assert 4 == office.index.count(asked("direction:out OR now"))
    assert 2 == len(office.archive.read_at)
    office.archive.read_at.clear()
    assert 3 == office.index.count(asked("NOT (direction:in pay)"))
    assert 0 == office.index.count(asked("pay direction:out state:retracted"))
    assert 5 == office.index.count(asked("*"))
    assert 2 == len(office.archive.read_at)


def test_what_was_read_serves_the_whole_question() -> None:
    """Each text once, in the order in which they lie; another question reads it again."""
    office = Office(*messages(*"abcdef"))
    index = office.index
    assert 1 == index.count(asked("a")) == index.search(asked("b"), 5).total
    assert sorted(office.archive.read_at) == office.archive.read_at
    assert 6 == len(office.archive.read_at) == len(set(office.archive.read_at))
    assert 1 == office.index.count(asked("a"))
    assert 12 == len(office.archive.read_at)


def test_pages_totals_counts_and_facets_are_exact(tmp_path: Path) -> None:
    """Page by page both ways, as an index with words pages."""
    office = Office(*messages(*(["pay", "no"] * 7)), indexes=SqliteIndexSet(tmp_path, text="none"))
    index, wanted = office.index, asked("pay")
    every = [one.doc_id for one in index.search(wanted, 100).documents]
    assert 7 == len(every) == index.count(wanted)
    for oldest_first, order in ((False, every), (True, every[::-1])):
        seen: list[list[str]] = []
        after = None
        while not seen or after is not None:
            page = index.search(wanted, 3, after, oldest_first=oldest_first)
            assert 7 == page.total
            seen.append([one.doc_id for one in page.documents])
            after = page.next
        assert [order[:3], order[3:6], order[6:]] == seen
        assert order == [one.doc_id for one in index.each(wanted, 7, oldest_first=oldest_first)]
    with pytest.raises(TooBroad):
        index.each(wanted, 6)
    assert {"kind": (("message", 7),), "month": (("2026-01", 7),)} == index.facets(
        wanted, ("kind", "month"), 5, UTC)
    with pytest.raises(ValueError, match="no facet"):
        index.facets(wanted, ("colour",), 5)


def test_too_much_to_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to add; by messages before anything is read, by versions on the way; the refusal
    is recorded; what is narrowed is answered."""
    monkeypatch.setattr(limits, "READ_TEXTS_MAX", 4)
    office = Office(*messages(*"abcde"), world.event(
        native_id="out", text="a", direction="out"))
    for ask in (lambda: office.index.search(asked("a"), 1), lambda: office.index.count(asked("a")),
                lambda: office.index.facets(asked("a"), ("kind",), 1)):
        with pytest.raises(TooMuchToRead, match=r"6 messages .* at most 4 .* add a date, a person"):
            ask()
    assert [] == office.archive.read_at
    with pytest.raises(TooBroad):
        office.searcher.search("a", operator("dana"))
    assert "would be decrypted" in (office.recorder.recorded[-1].detail("refused") or "")
    assert ["a"] == office.found("a direction:out")
    edited = Office(world.event(text="a"), *(
        world.edit(f"a {n}", NOON + 60_000 * (n + 1), f"e{n}") for n in range(4)))
    with pytest.raises(TooMuchToRead, match="5 messages or more"):
        edited.index.count(asked("a"))


def test_an_index_that_grew_meanwhile_is_bounded_all_the_same(
        monkeypatch: pytest.MonkeyPatch) -> None:
    """The number was asked for a moment before."""
    monkeypatch.setattr(limits, "READ_TEXTS_MAX", 4)
    office = Office(*messages(*"abcde"))
    index = office.index
    monkeypatch.setattr(type(office.inner), "count", lambda self, asked: 1)
    with pytest.raises(TooMuchToRead):
        index.count(asked("a"))


def test_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch by batch, of how many."""
    monkeypatch.setattr(reading, "_BATCH", 2)
    office = Office(*messages(*"abcde"))
    assert ["c"] == office.found("c")
    assert [(2, 5), (4, 5), (5, 5)] == office.told
    office.told.clear()
    assert 5 == len(office.found("direction:in"))
    assert [] == office.told


def test_a_text_that_cannot_be_read_holds_no_word() -> None:
    """As in an index that is rebuilt without its key; it is counted, told and recorded."""
    office = Office(*messages("pay", "no", "pay"))
    office.archive.lost = {0}
    found = office.searcher.search("pay", operator("dana"))
    lost = sum(1 for hit in office.searcher.search("*", operator("dana")).hits if hit.problem)
    assert lost == found.unread > 0
    assert str(lost) == office.recorder.recorded[0].detail("unread")
    assert 3 == found.total + office.searcher.search("NOT pay", operator("dana")).total
    assert 0 == office.searcher.search("*", operator("dana")).unread
    assert str(lost) == office.recorder.recorded[2].detail("unread") is not None


@pytest.mark.parametrize(("question", "expected"), [
    ("pay", ["pay the invoice"]), ("NOT pay", ["paid in full", "给我 100元"]),
    ("stem:pays", ["pay the invoice"]), ("pa*", ["paid in full", "pay the invoice"]),
    ("inv?ice", ["pay the invoice"]), ("invoise~1", ["pay the invoice"]),
    ("pay w/2 invoice", ["pay the invoice"]), ("invoice pre/2 pay", []),
    ('"the invoice"', ["pay the invoice"]), ("元", ["给我 100元"]), ('"给我"', ["给我 100元"]),
    ("(pa* pre/2 full) OR 我", ["给我 100元", "paid in full"]),
])
def test_everything_that_may_be_said_of_words_is_answered(
        question: str, expected: list[str]) -> None:
    """Without a vocabulary: a pattern is compared with each text."""
    office = Office(*messages("pay the invoice", "paid in full", "给我 100元"))
    assert sorted(expected) == sorted(office.found(question))


def test_a_pattern_may_stand_for_any_number_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is expanded, so nothing is too wide."""
    monkeypatch.setattr(limits, "QUERY_EXPANSION_MAX", 1)
    office = Office(*messages("payer payee payment", "none"))
    assert ["payer payee payment"] == office.found("pay*")


def test_hits_are_highlighted_in_every_version() -> None:
    """In the text that is shown, or in the one in which the words stand."""
    office = Office(world.event(text="pay cash"), world.edit("never mind"))
    (hit,) = office.searcher.search("cash", operator("dana")).hits
    assert ("never mind", "pay cash", ((4, 8),)) == (
        hit.text, hit.earlier_text, hit.earlier_highlights)
    (hit,) = office.searcher.search("mind", operator("dana")).hits
    assert ((6, 10),) == hit.highlights


def test_explain_says_the_mode_and_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part with its documents; a part that is too much to read is not counted."""
    office = Office(*messages("pay the invoice", "paid", "no"))
    told = office.searcher.explain("pa* state:live", operator("dana"))
    assert ("none", True, 2, 0, ()) == (
        told.mode, told.is_checked, told.total, told.words, told.root.steps[0].patterns)
    assert ("finds 2 documents; the index holds no words, so messages that may match are decrypted "
            "and read, 50,000 at most; search.text = none") == summary(told)
    assert "words like pa*; 2 documents" == line(told.root.steps[0]) in "\n".join(lines(told))
    told = office.searcher.explain("state:live", operator("dana"))
    assert "the index answers alone; search.text = none" in summary(told)
    monkeypatch.setattr(limits, "READ_TEXTS_MAX", 2)
    told = office.searcher.explain("no direction:in", operator("dana"))
    assert (None, None, 3) == (told.total, *(one.documents for one in told.root.steps))


def test_what_needs_no_texts_is_the_indexs_own(tmp_path: Path) -> None:
    """It is asked as it is."""
    office = Office(*messages("pay"), indexes=SqliteIndexSet(tmp_path, text="none"))
    index = office.index
    (found,) = office.inner.scan()
    assert found == index.get([found.doc_id])[found.doc_id].document
    near = TokenQuery(query.Near(query.Near(query.Phrase(("a",)), query.Phrase(("b",)), 1, True),
                                 query.Phrase(("c",)), 1, True))
    assert index.is_checked(near) and not index.is_checked(asked("state:live"))
    assert [found] == list(index.each(asked("state:live"), 1))
    assert [] == office.archive.read_at


@pytest.mark.parametrize("ask", [
    lambda root: Question(TokenQuery(root)), elastic_question.translated, matcher,
], ids=["sqlite", "elasticsearch", "matcher"])
def test_no_index_is_asked_for_what_it_does_not_hold(ask: Callable[[query.Node], object]) -> None:
    """A mistake that would answer with everything is an error."""
    root = asked("pay").root
    assert isinstance(root, query.Said)
    with pytest.raises(ValueError, match="Said"):
        ask(root)


def test_a_scope_beside_the_question_bounds_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that is put beside any question keeps its meaning, and is asked of the index."""
    monkeypatch.setattr(limits, "READ_TEXTS_MAX", 2)
    office = Office(*messages("pay", "pay", "no"), world.event(
        native_id="out", text="pay", direction="out"))
    scope = query.Term("direction", "out")

    def within(text: str) -> list[Document]:
        wanted = asked(text)
        root = query.flatten(query.And((wanted.root, scope)))
        return list(office.index.search(TokenQuery(root, wanted.kinds), 9).documents)

    assert (1, 0, 1) == tuple(map(len, map(within, ("pay", "NOT pay", "no OR pay"))))
