"""The contract of the ports Index and IndexSet, on the fake, SQLite and Elasticsearch."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from elasticsearch import Elasticsearch

from infra import elastic_facets, elastic_question
from infra.elastic import ElasticIndexSet, connect
from infra.elastic_words import words_name
from infra.embedded.index import SqliteIndexSet
from infra.embedded.sqlite import transaction
from schemas import document as shape
from schemas import events, limits
from schemas.errors import Halt, Missing, Refused, Transient
from schemas.identity import message_key
from search import facets, query
from search.follow import Follower, bind, compare, ready, rebuild
from search.index import Index, IndexSet, Outdated, PageCursor, Retired, TooBroad, Write
from search.policy.flags import Flag, flag_event
from search.project import Projector, document
from search.query import (
    And,
    Near,
    Not,
    Nothing,
    Or,
    Phrase,
    TokenQuery,
    Words,
    compile_query,
)
from search.tokens import Tokenizer
from tests.conftest import ElasticsearchServer
from tests.fakes.index import FakeIndexSet
from tests.search import world
from tests.search.world import NOON, PROJECTOR, TOKENIZER, TOPIC, MemoryArchive

_prefixes = itertools.count()


def put(index: Index, *items: world.Datum, cursor: int = 1) -> list[str]:
    """Index events without an archive; returns their document ids."""
    archive = MemoryArchive()
    archive.seal(items)
    grouped: dict[str, list[world.Datum]] = {}
    writes: dict[str, Write] = {}
    for read in archive.events():
        projected = PROJECTOR.project(read, 0)
        assert projected is not None
        doc_id, entry = projected
        grouped.setdefault(doc_id, [])
        held = writes[doc_id].document.entries if doc_id in writes else ()
        writes[doc_id] = Write(document(doc_id, (*held, entry)), None)
    stored = index.get(writes)
    ready = [Write(document(w.document.doc_id, (
        *w.document.entries,
        *(stored[w.document.doc_id].document.entries if w.document.doc_id in stored else ()))),
        stored[w.document.doc_id].version if w.document.doc_id in stored else None)
        for w in writes.values()]
    assert index.put(ready, {(TOPIC, 0): cursor}) == frozenset()
    index.refresh()
    return list(grouped)


def found(index: Index, text: str, limit: int = 100) -> list[str]:
    """The ids that a query answers with, in order."""
    asked = compile_query(text, TOKENIZER)[1]
    return [one.doc_id for one in index.search(asked, limit).documents]


def word(term: str) -> str:
    """Its token."""
    return TOKENIZER.word(term)


def ids(index: Index, root: query.Node) -> list[str]:
    """The ids that a token query answers with, in order; count and total say the same."""
    page = index.search(TokenQuery(root), 100)
    assert len(page.documents) == page.total == index.count(TokenQuery(root))
    return [one.doc_id for one in page.documents]


def too_broad(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """More to be checked than the limit is refused; what is narrowed is answered."""
    put(index, *(world.event(native_id=f"m{n}", text="pay now or now", direction="in" if n else
                             "out") for n in range(4)))
    pay, now = Phrase((word("pay"),)), Phrase((word("now"),))
    asked = TokenQuery(Near(Near(pay, now, 1, True), now, 2, True))
    assert 4 == index.count(asked)
    monkeypatch.setattr(limits, "CHECKED_DOCUMENTS_MAX", 3)
    for ask in (lambda: index.search(asked, 1), lambda: index.count(asked),
                lambda: index.facets(asked, ("kind",), 1),
                lambda: index.counts(asked, [facets.Part(query.All())])):
        with pytest.raises(TooBroad, match="more than 3 messages"):
            ask()
    narrow = And((asked.root, query.Term("direction", "in")))
    assert 3 == len(ids(index, narrow))
    assert 4 == index.count(TokenQuery(Near(pay, now, 1, False)))


def other_mode(blind: IndexSet, plain: IndexSet) -> None:
    """From one mode to another and back, by rebuilds."""
    archive = MemoryArchive()
    archive.seal([world.event(text="pay the invoice")])
    old = ready(archive, blind, PROJECTOR)
    follower = Follower(archive, blind.open(old), PROJECTOR)
    follower.run_to_end()
    with pytest.raises(Outdated, match=r"search.text = blind, and the setting is plain: rebuild"):
        plain.open(old)
    tokenizer = Tokenizer(world.INDEX_KEY, text="plain")
    new = ready(archive, plain, Projector(tokenizer))
    assert old != new == plain.current() == ready(archive, plain, Projector(tokenizer))
    (held,) = plain.open(new).scan()
    assert (("pay", "the", "invoice"),) == held.words
    assert [held.doc_id] == [one.doc_id for one in plain.open(new).search(
        compile_query('"the invoice"', tokenizer)[1], 10).documents]
    # Whoever still follows in the old mode is told to stop.
    assert follower.turn().retired
    with pytest.raises(Outdated, match=r"search.text = plain, and the setting is blind"):
        blind.open(new)
    assert (PROJECTOR.entry(world.event(text="pay the invoice"), held.entries[0].pointer, 0,
                            seen="").words,) == next(
        blind.open(ready(archive, blind, PROJECTOR)).scan()).words


class IndexContract:
    """What every driver promises; a subclass brings the driver as the fixture `indexes`."""

    @pytest.fixture
    def index(self, indexes: IndexSet) -> Index:
        """One index, current."""
        return indexes.open(bind(indexes))

    def test_a_new_index_is_empty(self, index: Index) -> None:
        """Nothing in it: no document, no cursor, not retired."""
        state = index.state()
        assert ({}, False) == (dict(state.cursors), state.retired)
        assert [] == list(index.scan())
        assert {} == index.get(["0" * 32])
        page = index.search(TokenQuery(query.All()), 10)
        assert ((), 0, None) == (page.documents, page.total, page.next)

    def test_each_is_every_page_at_once(self, index: Index) -> None:
        """In the order of a search, whole; more than was asked for at most is refused."""
        put(index, *(world.event(native_id=f"m{n}", text="pay now", occurred_at=NOON + n % 3)
                     for n in range(7)), world.event(native_id="other", text="no"))
        asked = TokenQuery(Phrase((word("pay"),)))
        for oldest_first in (False, True):
            page = index.search(asked, 10, oldest_first=oldest_first)
            assert list(page.documents) == list(index.each(asked, 7, oldest_first=oldest_first))
        with pytest.raises(TooBroad):
            list(index.each(asked, 6))
        near = TokenQuery(Near(Near(asked.root, Phrase((word("now"),)), 1, True),
                               Phrase((word("now"),)), 1, True))
        assert [] == list(index.each(near, 0))
        assert 8 == len(list(index.each(TokenQuery(Not(near.root)), 8)))

    def test_a_document_comes_back_as_it_was_put(self, index: Index) -> None:
        """Entries and all, by get, search and scan."""
        (doc_id,) = put(index, world.event(), world.edit("later"), world.retraction())
        by_get = index.get([doc_id])[doc_id].document
        assert 3 == len(by_get.entries)
        assert [by_get] == list(index.scan())
        assert [] == list(index.misfiled())
        assert (by_get,) == index.search(TokenQuery(query.All()), 10).documents

    def test_get_is_never_stale(self, index: Index) -> None:
        """What put acknowledged is there, refreshed or not."""
        (doc_id,) = put(index, world.event())
        stored = index.get([doc_id])[doc_id]
        extra = index.get([doc_id])[doc_id].document
        assert frozenset() == index.put([Write(extra, stored.version)], {})
        again = index.get([doc_id])[doc_id]
        assert again.version != stored.version

    def test_a_write_over_another_version_is_a_conflict(self, index: Index) -> None:
        """The loser is named and stored nothing, and no cursor moved."""
        (doc_id,) = put(index, world.event(), cursor=5)
        stored = index.get([doc_id])[doc_id]
        assert frozenset() == index.put([Write(stored.document, stored.version)], {})
        lost = index.put([Write(stored.document, stored.version)], {(TOPIC, 0): 9})
        assert frozenset({doc_id}) == lost
        assert frozenset({doc_id}) == index.put([Write(stored.document, None)], {(TOPIC, 0): 9})
        assert {(TOPIC, 0): 5} == dict(index.state().cursors)

    def test_a_conflict_keeps_nobody_else_out(self, index: Index) -> None:
        """The others of the same put are stored; the cursors wait for all."""
        (doc_id,) = put(index, world.event(), cursor=5)
        held = index.get([doc_id])[doc_id]
        others = [document(f"{n:032x}", held.document.entries) for n in range(3)]
        lost = index.put([Write(one, None) for one in (others[0], held.document, *others[1:])],
                         {(TOPIC, 0): 9})
        assert frozenset({doc_id}) == lost
        assert {one.doc_id: one for one in others} == {
            found: one.document for found, one in
            index.get([one.doc_id for one in others]).items()}
        assert {(TOPIC, 0): 5} == dict(index.state().cursors)

    def test_a_put_that_was_started_is_a_put(self, index: Index) -> None:
        """The answer is the one of `put`, and what it acknowledges is there."""
        (doc_id,) = put(index, world.event(), cursor=1)
        held = index.get([doc_id])[doc_id].document
        fresh = document("ab" * 16, held.entries)
        assert frozenset() == index.start([Write(fresh, None)], {(TOPIC, 0): 2})()
        assert fresh == index.get([fresh.doc_id])[fresh.doc_id].document
        assert frozenset({doc_id}) == index.start([Write(held, None)], {(TOPIC, 0): 3})()
        assert {(TOPIC, 0): 2} == dict(index.state().cursors)

    def test_a_new_document_that_expects_a_version_is_a_conflict(self, index: Index) -> None:
        """A document that is not there has no version to replace."""
        (doc_id,) = put(index, world.event())
        stored = index.get([doc_id])[doc_id]
        other = document("ab" * 16, stored.document.entries)
        assert frozenset({"ab" * 16}) == index.put([Write(other, stored.version)], {})

    def test_cursors_only_move_forward(self, index: Index) -> None:
        """Each partition on its own, whoever is late."""
        index.put([], {(TOPIC, 0): 7, (TOPIC, 1): 3})
        index.put([], {(TOPIC, 0): 5})
        index.put([], {(TOPIC, 1): 4, ("cd" * 16, 0): 1})
        assert {(TOPIC, 0): 7, (TOPIC, 1): 4, ("cd" * 16, 0): 1} == dict(index.state().cursors)

    def test_newest_first_and_page_by_page(self, index: Index) -> None:
        """Pages join without a gap or a repetition, in both directions, ties included."""
        put(index, *(world.event(native_id=f"m{n}", occurred_at=NOON + n // 3,
                                 captured_at=NOON + 60_000) for n in range(10)))
        asked = TokenQuery(query.All())
        whole = [(d.sort_at, d.doc_id) for d in index.search(asked, 100).documents]
        assert sorted(whole, key=lambda one: (-one[0], one[1])) == whole
        for oldest_first in (False, True):
            pages: list[tuple[int, str]] = []
            after: PageCursor | None = None
            while True:
                page = index.search(asked, 3, after, oldest_first=oldest_first)
                assert 10 == page.total
                pages += [(d.sort_at, d.doc_id) for d in page.documents]
                after = page.next
                if after is None:
                    break
            assert (whole[::-1] if oldest_first else whole) == pages

    def test_a_full_last_page_has_no_next(self, index: Index) -> None:
        """A page cursor is only given where something follows."""
        put(index, world.event(native_id="a"), world.event(native_id="b"))
        assert index.search(TokenQuery(query.All()), 2).next is None
        assert index.search(TokenQuery(query.All()), 1).next is not None

    def test_only_the_kinds_asked_for_answer(self, index: Index) -> None:
        """A receipt, an audit entry or an unreadable record answers where its kind is named."""
        audit = world.event(events.AUDIT, "a1", "hello", channel="firm", provenance=events.OWN)
        (message, audited, unreadable) = put(index, world.event(), audit, b"junk")
        assert [message] == found(index, "*")
        assert [message] == found(index, "hello")
        assert [audited] == found(index, "kind:audit hello")
        assert [unreadable] == found(index, "kind:unreadable")

    def test_phrases_keep_to_one_revision(self, index: Index) -> None:
        """The end of one version and the beginning of the next are no phrase; each is found."""
        (doc_id,) = put(index, world.event(text="alpha beta"), world.edit("gamma delta"))
        assert [doc_id] == found(index, '"alpha beta"')
        assert [doc_id] == found(index, '"gamma delta"')
        assert [] == found(index, '"beta gamma"')
        assert [doc_id] == found(index, "alpha delta")

    def test_a_phrase_keeps_its_order(self, index: Index) -> None:
        """Words side by side, in order; not merely both there."""
        (doc_id,) = put(index, world.event(text="one two three two one"))
        assert [doc_id] == found(index, '"two three"')
        assert [] == found(index, '"three one"')

    def test_a_message_of_many_long_versions_is_held(self, index: Index) -> None:
        """At the limit of a document: the first text answers, the last is kept and not searched."""
        text = " ".join("w" * (1 + n % 7) for n in range(limits.INDEXED_TOKENS_MAX))
        (doc_id,) = put(index, world.event(text=f"needle {text}"), *(
            world.edit(f"edit{n} {text}", NOON + 60_000 + n, f"e{n}") for n in range(5)))
        assert [doc_id] == found(index, "needle")
        assert [] == found(index, "edit4")
        stored = index.get([doc_id])[doc_id].document
        assert (6, ("text_cut_in_index",)) == (stored.version_count, stored.observations)

    def test_a_replaced_document_is_found_by_what_it_now_holds(self, index: Index) -> None:
        """State and words follow the merge; what was there stays searchable."""
        (doc_id,) = put(index, world.event(text="alpha"))
        assert [doc_id] == found(index, "state:live")
        put(index, world.event(text="alpha"), world.edit("omega"), cursor=2)
        assert [] == found(index, "state:live")
        assert [doc_id] == found(index, "state:edited alpha omega")

    def test_the_longest_and_the_deepest_query_are_answered(self, index: Index) -> None:
        """What the limits allow, a backend answers."""
        (doc_id,) = put(index, world.event(text="needle"))
        wide = " OR ".join(f"w{n}" for n in range(limits.QUERY_TERMS_MAX - 1)) + " OR needle"
        assert [doc_id] == found(index, wide)
        deep = "needle"
        for level in range(limits.QUERY_BOOLEAN_DEPTH_MAX // 2):
            deep = f"zz{level} OR needle ({deep})"
        assert [doc_id] == found(index, deep)
        words = " ".join(f"(w{n} OR {'needle' if n % 2 else 'state:live'})" for n in range(400))
        assert [doc_id] == found(index, words)

    def test_any_of_many_words_is_found(self, index: Index) -> None:
        """What a pattern stands for: one place, several places, and none of them."""
        (doc_id,) = put(index, world.event(text="the needle in the haystack"))
        many = tuple(sorted({*(f"{n:016x}" for n in range(1_023)), word("needle")}))
        assert [doc_id] == ids(index, Words((many,)))
        assert [doc_id] == ids(index, Words((many, (word("in"),), (*many[:3], word("the")))))
        assert [] == ids(index, Words((many, (word("the"),))))
        assert [doc_id] == ids(index, Not(Words((many, (word("the"),)))))
        assert [] == ids(index, Nothing())
        assert [doc_id] == ids(index, Or((Nothing(), Phrase((word("the"),)))))

    def test_lists_of_patterns_are_answered(self, index: Index) -> None:
        """A hundred patterns of a thousand words each, alone and near each other."""
        (doc_id,) = put(index, world.event(text="a needle lies near hay"))
        wide = [Words((tuple(f"{n:04x}{m:012x}" for m in range(1_024)),)) for n in range(100)]
        assert [doc_id] == ids(index, Or((*wide, Phrase((word("needle"),)))))
        near = Near(Or((*wide[:9], Phrase((word("needle"),)))), wide[9], 5, False)
        assert [] == ids(index, near)
        assert [doc_id] == ids(index, replace(near, right=Phrase((word("hay"),))))
        assert [doc_id] == ids(index, Not(near))

    def test_near_keeps_to_one_revision(self, index: Index) -> None:
        """However far it reaches, the words of one version are not near those of another."""
        (doc_id,) = put(index, world.event(text="alpha beta"), world.edit("gamma delta"))
        alpha, beta, gamma = (Phrase((word(one),)) for one in ("alpha", "beta", "gamma"))
        for distance in (5, limits.REVISION_POSITION_GAP, limits.REVISION_POSITION_GAP + 2, 9_999):
            assert [doc_id] == ids(index, Near(alpha, beta, distance, True))
            assert [] == ids(index, Near(beta, gamma, distance, False))
            assert [doc_id] == ids(index, Not(Near(beta, gamma, distance, False)))

    def test_near_far_apart_in_one_long_text(self, index: Index) -> None:
        """Positions are counted out: at most n apart, beyond the gap between versions too."""
        (doc_id,) = put(index, world.event(text=f"alpha {'x ' * 499}omega"))
        alpha, omega = Phrase((word("alpha"),)), Phrase((word("omega"),))
        assert [doc_id] == ids(index, Near(alpha, omega, 500, True))
        assert [] == ids(index, Near(alpha, omega, 499, True))
        assert [] == ids(index, Near(omega, alpha, 500, True))

    def test_near_inside_near(self, index: Index) -> None:
        """A longer span counts where the shorter one is too far; deep nesting is answered."""
        (doc_id,) = put(index, world.event(text="pay now x x now x please"))
        pay, now, please = (Phrase((word(one),)) for one in ("pay", "now", "please"))
        assert [doc_id] == ids(index, Near(Near(pay, now, 5, True), please, 2, True))
        assert [] == ids(index, Near(Near(pay, now, 3, True), please, 2, True))
        deep: query.Node = pay
        for level in range(limits.QUERY_BOOLEAN_DEPTH_MAX):
            deep = Near(Or((deep, Phrase((word("x"), word("x"))))), Or((now, please)),
                        7 + level % 2, False)
        assert [doc_id] == ids(index, Or((deep, Near(pay, please, 9, True))))
        for _ in range(limits.QUERY_BOOLEAN_DEPTH_MAX // 2):
            deep = And((Or((deep, query.Term("state", "edited"))), query.Term("state", "live")))
        assert [] == ids(index, And((Not(deep), Near(pay, please, 2, True))))

    def test_direction_is_searched(self, index: Index) -> None:
        """Who wrote to whom, seen from the firm; a document without one is neither."""
        came, went, neither = put(index, world.event(native_id="a"), world.event(
            native_id="b", direction="out"), world.event(native_id="c", direction=None))
        assert [came] == ids(index, query.Term("direction", "in"))
        assert [went] == ids(index, query.Term("direction", "out"))
        assert sorted([went, neither]) == sorted(ids(index, Not(query.Term("direction", "in"))))

    def test_marks_are_searched(self, index: Index) -> None:
        """What a message holds beside words, its earlier versions too."""
        said = (world.event(native_id="a", text="to DE89370400440532013000"),
                world.event(native_id="b", text="to me"))
        iban, other = put(index, *said)
        mark = TOKENIZER.named("mark", "pattern", "iban")
        assert [iban] == ids(index, query.Term("marks", mark))
        assert [other] == ids(index, Not(query.Term("marks", mark)))
        put(index, *said, world.edit("to you", target="a"), cursor=2)
        assert [iban] == ids(index, query.Term("marks", mark))

    def test_a_count_is_the_total(self, index: Index) -> None:
        """Of what is asked for as it is, and of what is checked."""
        put(index, *(world.event(native_id=f"m{n}", text="pay now or now" if n % 2 else "pay")
                     for n in range(6)))
        pay, now = Phrase((word("pay"),)), Phrase((word("now"),))
        assert 6 == index.count(TokenQuery(pay))
        assert 3 == index.count(TokenQuery(Near(Near(pay, now, 1, True), now, 2, True)))
        assert 0 == index.count(TokenQuery(Nothing()))

    def test_facets_count_what_answers(self, index: Index) -> None:
        """Every field: most documents first, ties by value, months the latest first in the zone;
        a field without a value counts for none, and of several custodians each counts."""
        year = 1_767_222_000_000        # 2026-01-01T00:00 in Berlin, 2025-12-31T23:00 UTC
        put(index, world.event(native_id="a", occurred_at=year - 1, captured_at=year),
            world.event(native_id="b", occurred_at=year, captured_at=year, channel="sms"),
            world.event(native_id="c", occurred_at=year + 1, captured_at=year, direction=None,
                        custodian=""),
            world.edit("other", at=year + 2, target="a", custodian="dave"))
        asked = TokenQuery(query.All())
        got = index.facets(asked, tuple(facets.FIELDS), 10, ZoneInfo("Europe/Berlin"))
        carol, dave = (TOKENIZER.named("custodian", one) for one in ("carol", "dave"))
        (conversation,) = {one.conversation for one in index.scan()}
        assert {
            "channel": (("whatsapp", 2), ("sms", 1)), "state": (("live", 2), ("edited", 1)),
            "kind": (("message", 3),), "direction": (("in", 2),),
            "custodian": ((carol, 2), (dave, 1)), "conversation": ((conversation, 3),),
            "month": (("2026-01", 2), ("2025-12", 1)), "review": (),
        } == dict(got)
        assert {"month": (("2025-12", 3),)} == dict(index.facets(asked, ("month",), 10))
        assert {"channel": (("whatsapp", 2),)} == dict(index.facets(asked, ("channel",), 1))
        live = TokenQuery(query.Term("state", "live"))
        assert {"channel": (("sms", 1), ("whatsapp", 1))} == dict(
            index.facets(live, ("channel",), 10))
        with pytest.raises(ValueError, match="no facet"):
            index.facets(asked, ("words",), 10)

    def test_parts_of_an_answer_are_counted_together(self, index: Index) -> None:
        """Total and facets of each part are those of a question of its own: spans of time, that
        touch, overlap or are open, and anything said by fields; in the order they were asked."""
        put(index, *(world.event(native_id=f"m{n}", text="pay now" if n % 2 else "pay later now",
                                 occurred_at=NOON + n * 1_000, captured_at=NOON + n * 1_000,
                                 channel="sms" if n % 3 else "whatsapp",
                                 direction="in" if n < 4 else "out") for n in range(7)),
            world.edit("other", at=NOON + 9_000, target="m1"))
        pay, now = Phrase((word("pay"),)), Phrase((word("now"),))
        wheres = (
            query.Between(NOON, NOON + 2_000), query.Between(NOON + 2_000, NOON + 4_000),
            query.Between(NOON + 1_000, NOON + 6_000), query.Between(NOON + 5_000, None),
            query.Between(None, NOON + 1_000), query.Between(None, None),
            query.Between(5, 5), query.All(), Nothing(), query.Term("direction", "in"),
            And((query.Term("channel", "sms"), Not(query.Term("direction", "in")))),
            Or((query.Term("channel", "whatsapp"), query.Between(NOON + 6_000, None))),
            Not(query.Term("state", "live")))
        parts = [facets.Part(one, fields, top) for one in wheres
                 for fields, top in ((("channel", "month"), 5), ((), 1), (("custodian",), 1))]
        berlin = ZoneInfo("Europe/Berlin")
        for root in (query.All(), pay, Near(pay, now, 1, True), Nothing(),
                     Near(Near(pay, now, 2, True), now, 3, False),
                     query.Between(NOON + 1_000, NOON + 5_000)):
            asked = TokenQuery(root)
            assert [facets.Counted(
                index.count(TokenQuery(And((root, part.where)))),
                dict(index.facets(TokenQuery(And((root, part.where))), part.fields, part.top,
                                  berlin)) if part.fields else {}) for part in parts] == list(
                index.counts(asked, parts, berlin))
        assert () == index.counts(TokenQuery(query.All()), ())
        for wrong in (facets.Part(query.All(), ("words",)), facets.Part(pay),
                      facets.Part(Not(Near(pay, now, 1, True))),
                      facets.Part(query.All(), ("kind",), 0)):
            with pytest.raises(ValueError, match=r"facet|words|top"):
                index.counts(TokenQuery(query.All()), [wrong])

    def test_the_newest_of_several_questions(self, index: Index) -> None:
        """As `search` has them first, question by question."""
        put(index, *(world.event(native_id=f"m{n}", text="pay now", captured_at=NOON + n // 2,
                                 occurred_at=NOON + n // 2, channel="sms" if n % 3 else "whatsapp")
                     for n in range(7)))
        pay, now = Phrase((word("pay"),)), Phrase((word("now"),))
        asked = [TokenQuery(one) for one in (
            query.All(), query.Term("channel", "sms"), Nothing(), Near(pay, now, 1, True),
            Near(Near(pay, now, 1, True), now, 2, True), query.Term("channel", "whatsapp"))]
        for limit in (1, 2, 50):
            assert [index.search(one, limit).documents for one in asked] == list(
                index.newest(asked, limit))
        assert () == index.newest([], 3)
        many = [asked[1]] * 230
        assert [index.search(asked[1], 1).documents] * 230 == list(index.newest(many, 1))

    def test_whose_it_is_and_its_review_are_asked_for(self, index: Index) -> None:
        """Custodians, compartments, kinds, and a flag's or a decision's codes, as terms and as
        facets: what a scope and a queue ask."""
        told = world.event(native_id="a", compartment="privileged")
        flag = Flag(message_key(told), "conduct", "rude", 1, "high", "", "said so", "d" * 64)
        put(index, told, world.event(native_id="b", custodian="dave"),
            flag_event(flag, told.captured_at + 1, 8))
        (first,) = (one for one in index.scan() if one.compartments)

        def found(field: str, value: str) -> list[str]:
            asked = TokenQuery(query.Term(field, value), events.ALL_KINDS)
            return [one.doc_id for one in index.search(asked, 10).documents]
        assert {one.doc_id for one in index.scan()} == set(found("kind", "message"))
        assert [first.doc_id] == found("custodians", TOKENIZER.named("custodian", "carol"))
        assert [first.doc_id] == found("compartments", TOKENIZER.named("compartment", "privileged"))
        assert [first.doc_id] == found("review", "status-open") == found("review", "severity-high")
        assert first.review_times
        assert [first.doc_id] == found("review_times", first.review_times[-1])
        assert not found("review", "status-closed")
        counted = dict(index.facets(TokenQuery(query.All()), ("review",), 50)["review"])
        assert counted["status-open"] == counted["level-1"] == 1

    def test_the_first_index_is_made_once(self, indexes: IndexSet) -> None:
        """Current at once; asked again, the same."""
        assert indexes.current() is None
        first = indexes.first()
        assert first == indexes.current() == indexes.first()
        assert [first] == indexes.names()

    def test_swap_moves_readers_and_retires_the_old(self, indexes: IndexSet) -> None:
        """One step; afterwards the old index takes no write and says so."""
        old = indexes.open(bind(indexes))
        (doc_id,) = put(old, world.event())
        new = indexes.create()
        assert new > str(indexes.current())
        assert not indexes.open(new).state().retired
        indexes.swap(new)
        indexes.swap(new)
        assert new == indexes.current()
        assert old.state().retired
        stored = old.get([doc_id])[doc_id]
        with pytest.raises(Retired):
            old.put([Write(stored.document, stored.version)], {})

    def test_an_older_index_never_becomes_current_again(self, indexes: IndexSet) -> None:
        """Two that race to swap: the younger stays."""
        first, second = indexes.create(), indexes.create()
        indexes.swap(second)
        with pytest.raises(Retired):
            indexes.swap(first)
        assert second == indexes.current()

    def test_drop_removes_what_is_not_current(self, indexes: IndexSet) -> None:
        """The current index is safe; a dropped one is gone, twice is no error."""
        first = bind(indexes)
        second = indexes.create()
        assert [first, second] == indexes.names()
        with pytest.raises(ValueError, match="current"):
            indexes.drop(first)
        indexes.drop(second)
        indexes.drop(second)
        assert [first] == indexes.names()
        with pytest.raises(Missing):
            indexes.open(second)

    def test_a_write_to_a_dropped_index_is_refused(self, indexes: IndexSet) -> None:
        """A late follower never makes an index by writing to one that is gone."""
        first = bind(indexes)
        late = indexes.open(first)
        indexes.swap(indexes.create())
        indexes.drop(first)
        with pytest.raises(Retired):
            put(late, world.event())
        assert first not in indexes.names()

    def test_two_followers_on_one_index_give_one_result(self, indexes: IndexSet) -> None:
        """Both read everything, in turns; nothing is lost, nothing doubled (PROTOCOL I3)."""
        archive = MemoryArchive()
        for n in range(4):
            archive.seal([world.event(native_id=f"m{n % 2}", text=f"v{n}", revision=str(n)),
                          world.retraction(target=f"m{n % 2}", native_id=f"r{n}")],
                         partition=n % 2)
        name = bind(indexes)
        first = Follower(archive, indexes.open(name), PROJECTOR, batch_entries_max=1)
        second = Follower(archive, indexes.open(name), PROJECTOR, batch_entries_max=1)
        while first.turn(1).segments or second.turn(1).segments:
            pass
        index = indexes.open(name)
        index.refresh()
        assert [4, 4] == [len(one.entries) for one in index.scan()]

    def test_a_rebuild_is_equal_and_stops_the_old_follower(self, indexes: IndexSet) -> None:
        """G5: document for document; the follower of the old index stops by itself (I4)."""
        archive = MemoryArchive()
        archive.seal([world.event(), world.edit("b"), b"junk"])
        archive.seal([world.retraction()], partition=1)
        old_name = bind(indexes)
        old = indexes.open(old_name)
        follower = Follower(archive, old, PROJECTOR)
        follower.run_to_end()
        old.refresh()
        new_name = rebuild(archive, indexes, PROJECTOR)
        assert new_name == indexes.current() != old_name
        assert [] == list(compare(old, indexes.open(new_name)))
        archive.seal([world.event(native_id="later")])
        assert follower.turn().retired

    def test_what_was_erased_leaves_it(self, indexes: IndexSet) -> None:
        """Entries leave their document, and one without any is gone; who did not read the last
        version changes nothing; after a purge only what is left is found."""
        index = indexes.open(indexes.first())
        (doc_id,) = put(index, world.event(text="one"), world.edit("two"))
        (other,) = put(index, world.event(native_id="m9", text="three"), cursor=3)
        stored = index.get([doc_id])[doc_id]
        left = document(doc_id, [one for one in stored.document.entries
                                 if one.kind == events.EDIT])
        assert frozenset({doc_id}) == index.put(
            [Write(left, (stored.version[0] + 999, stored.version[1]), is_less=True)], {})
        assert frozenset() == index.put([Write(left, stored.version, is_less=True)], {})
        index.refresh()
        assert ([], [doc_id]) == (found(index, "one"), found(index, "two"))
        version = index.get([doc_id])[doc_id].version
        nothing = shape.nothing(doc_id)
        assert frozenset({doc_id}) == index.put([Write(nothing, stored.version, is_less=True)], {})
        assert frozenset() == index.put([Write(nothing, version, is_less=True)], {})
        index.refresh()
        assert {} == index.get([doc_id])
        assert index.purge()
        index.refresh()
        assert ([], [other]) == (found(index, "two"), found(index, "three"))
        assert [other] == [one.doc_id for one in index.scan()]


class TestFakeIndex(IndexContract):
    """On the fake."""

    @pytest.fixture
    def indexes(self) -> IndexSet:
        """In memory."""
        return FakeIndexSet()


class TestSqliteIndex(IndexContract):
    """On SQLite FTS5."""

    @pytest.fixture
    def indexes(self, tmp_path: Path) -> IndexSet:
        """In a folder of its own."""
        return SqliteIndexSet(tmp_path / "index")

    def test_an_index_of_another_shape_is_rebuilt(self, tmp_path: Path) -> None:
        """Refused when opened, replaced by a rebuild, readers on the new one."""
        indexes = SqliteIndexSet(tmp_path / "index")
        old = bind(indexes)
        with transaction(indexes.open(old)._database) as database:
            database.execute("PRAGMA user_version = 99")
        with pytest.raises(Outdated):
            indexes.open(old)
        archive = MemoryArchive()
        archive.seal([world.event()])
        new = ready(archive, indexes, PROJECTOR)
        assert old != new == indexes.current() == ready(archive, indexes, PROJECTOR)
        assert 1 == len(list(indexes.open(new).scan()))

    def test_an_index_of_another_mode_is_rebuilt(self, tmp_path: Path) -> None:
        """Refused when opened, with both modes named; replaced by a rebuild, and then retired."""
        other_mode(SqliteIndexSet(tmp_path / "index"),
                   SqliteIndexSet(tmp_path / "index", text="plain"))

    def test_a_document_beyond_sqlite_is_refused_and_the_index_stays(self, tmp_path: Path) -> None:
        """The file is not called damaged: nothing in it changed."""
        index = SqliteIndexSet(tmp_path / "index")
        opened = index.open(bind(index))
        opened._database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_000)
        with pytest.raises(Halt) as halted:
            put(opened, world.event(text=" ".join(map(str, range(1_000)))))
        assert "index_refused" == halted.value.finding
        assert [] == list(opened.scan())

    def test_too_much_to_check_is_refused(
            self, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
        """Before it takes for ever."""
        too_broad(index, monkeypatch)

    def test_a_check_sees_one_moment(self, tmp_path: Path) -> None:
        """What is written between page and total is in neither; nothing is left behind."""
        indexes = SqliteIndexSet(tmp_path / "index")
        name = bind(indexes)
        writer, reader = indexes.open(name), indexes.open(name)
        put(writer, world.event(text="pay now or now"))
        pay, now = Phrase((word("pay"),)), Phrase((word("now"),))
        asked = TokenQuery(Near(Near(pay, now, 1, True), now, 2, True))
        with reader._answering(asked) as ask:
            assert [(1,)] == list(ask("SELECT count(*) FROM answer"))
            put(writer, world.event(native_id="m2", text="pay now or now"), cursor=2)
            assert [(1,)] == list(ask("SELECT count(*) FROM answer"))
        assert 2 == reader.count(asked)
        assert [] == reader._database.execute("SELECT * FROM temp.checked").fetchall()

    def test_a_reader_is_not_blocked_by_a_writer(self, tmp_path: Path) -> None:
        """While a write is open a search answers with what was committed."""
        indexes = SqliteIndexSet(tmp_path / "index")
        name = bind(indexes)
        writer, reader = indexes.open(name), indexes.open(name)
        (doc_id,) = put(writer, world.event())
        with transaction(writer._database) as database:
            database.execute("DELETE FROM documents")
            assert [doc_id] == found(reader, "hello")
            database.execute("ROLLBACK")
        assert [doc_id] == found(reader, "hello")

    def test_a_busy_index_is_not_called_damaged(
            self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """FTS5's own check writes: while somebody else does, it is to be asked again later."""
        monkeypatch.setattr("infra.embedded.index._BUSY_TIMEOUT_S", 0.0)
        indexes = SqliteIndexSet(tmp_path / "index")
        name = bind(indexes)
        writer, reader = indexes.open(name), indexes.open(name)
        put(writer, world.event())
        with transaction(writer._database), pytest.raises(Transient):
            list(reader.misfiled())
        assert [] == list(reader.misfiled())


@pytest.fixture(scope="module")
def client(elasticsearch_server: ElasticsearchServer) -> Iterator[Elasticsearch]:
    """One client for all."""
    client = connect(elasticsearch_server.url)
    yield client
    client.close()


class TestElasticIndex(IndexContract):
    """On Elasticsearch."""

    @pytest.fixture
    def indexes(self, client: Elasticsearch, tmp_path: Path) -> Iterator[IndexSet]:
        """A prefix of its own; whatever was made is deleted afterwards."""
        prefix = f"contract-{next(_prefixes)}-{abs(hash(str(tmp_path)))}"
        made = ElasticIndexSet(client, prefix)
        yield made
        for name in made.names():
            client.indices.delete(index=[name, words_name(name)])

    def test_a_field_that_is_not_in_the_mapping_is_refused(
            self, indexes: IndexSet, client: Elasticsearch) -> None:
        """Strict: nothing readable slips in under a new name."""
        name = bind(indexes)
        with pytest.raises(Exception, match="strict_dynamic_mapping"):
            client.index(index=name, document={"text": "readable"})

    def test_an_index_of_another_shape_is_rebuilt(
            self, indexes: IndexSet, client: Elasticsearch) -> None:
        """Refused when opened, replaced by a rebuild, readers on the new one."""
        old = bind(indexes)
        client.indices.put_mapping(index=old, meta={"shape": 99})
        with pytest.raises(Outdated):
            indexes.open(old)
        archive = MemoryArchive()
        archive.seal([world.event()])
        new = ready(archive, indexes, PROJECTOR)
        assert old != new == indexes.current()
        assert 1 == len(list(indexes.open(new).scan()))

    def test_too_much_to_check_is_refused(
            self, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
        """Before it takes for ever."""
        too_broad(index, monkeypatch)

    def test_an_index_of_another_mode_is_rebuilt(
            self, indexes: IndexSet, client: Elasticsearch) -> None:
        """Refused when opened, with both modes named; replaced by a rebuild, and then retired."""
        assert isinstance(indexes, ElasticIndexSet)
        other_mode(indexes, ElasticIndexSet(client, indexes._prefix, text="plain"))

    def test_too_many_words_for_the_server_are_checked_here(
            self, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its limit depends on its memory: what it refuses is asked for more widely."""
        monkeypatch.setattr(elastic_question, "POSITIONS_MAX", 1 << 30)
        (doc_id,) = put(index, world.event(text="needle in hay"))
        many = tuple(f"{n:016x}" for n in range(17_000))
        near = Near(Words((tuple(sorted((*many, word("needle")))),)),
                    Words((tuple(sorted((*many, word("hay")))),)), 2, True)
        assert [doc_id] == ids(index, near)
        assert [] == ids(index, replace(near, distance=1))
        phrases = Or(tuple(Phrase((one, other)) for one in many for other in many[:2]))
        with pytest.raises(Refused, match="more words than the index server takes"):
            index.count(TokenQuery(phrases))

    def test_facets_are_exact_or_refused(
            self, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where a shard cannot count every value out, nothing is guessed."""
        put(index, *(world.event(native_id=f"m{n}", conversation=f"pair:{n}") for n in range(5)))
        asked = TokenQuery(query.All())
        assert 2 == len(index.facets(asked, ("conversation",), 2)["conversation"])
        answer = {"buckets": [], "doc_count_error_upper_bound": 1}
        with pytest.raises(Refused, match="values of conversation"):
            elastic_facets.ranked("conversation", answer, 2, UTC)

    def test_no_word_lies_in_the_stored_source(
            self, indexes: IndexSet, client: Elasticsearch) -> None:
        """What Elasticsearch gives away holds neither text, name nor number (G4)."""
        name = bind(indexes)
        put(indexes.open(name), world.event(text="canary", native_id="wamid.CANARY"))
        raw = str(client.search(index=name, source=True).body)
        for secret in ("canary", "CANARY", "Ann", "6505551234"):
            assert secret not in raw


def test_no_nearness_reaches_the_next_revision() -> None:
    """What can be typed, an index may be asked for as it is."""
    assert limits.QUERY_DISTANCE_MAX < limits.REVISION_POSITION_GAP


def test_a_page_cursor_is_checked() -> None:
    """What comes back from a user is a page cursor or is refused."""
    here = PageCursor(NOON, "ab" * 16)
    assert here == PageCursor.read(here.text())
    for bad in ("", "1", "x." + "ab" * 16, "1." + "AB" * 16, "1.ab", "٣." + "ab" * 16):
        with pytest.raises(Refused):
            PageCursor.read(bad)
