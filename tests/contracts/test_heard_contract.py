"""What is asked of an index about capture itself, on the fake, SQLite and Elasticsearch: when an
account was last heard of, which gaps are known, and who has which copy of a message."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from infra.elastic import ElasticIndexSet, connect
from infra.elastic_words import words_name
from infra.embedded.index import SqliteIndexSet
from infra.silence import SilentAccounts
from ingest.own import own_event
from schemas import events, gaps
from schemas.directory import Account, Directory
from schemas.events import CapturedEvent, Identity
from schemas.identity import group, pair
from search.access.viewer import operator
from search.audit import Auditor, AuditSettings
from search.bodies import Bodies
from search.follow import Follower, bind
from search.gaps import GapReader
from search.index import Index, IndexSet
from search.lastseen import last_events
from search.results import SeenBy
from search.searcher import Searcher
from tests.conftest import ElasticsearchServer
from tests.contracts.test_index_contract import put
from tests.fakes.index import FakeIndexSet
from tests.search import world
from tests.search.test_searcher import MemoryRecorder
from tests.search.world import NOON, PROJECTOR, TOKENIZER, MemoryArchive
from tests.world import World

_prefixes = itertools.count()
HOUR = 3_600_000
DESK, OTHER = "+15550783881", "+15550009999"
CLIENT = Identity("+16505551234", "e164", "Ann Lee")
GROUP = group("12036304")


def wamid(peer: str, stanza: bytes = b"3AADF8441347E8571C10") -> str:
    """An id with a stanza id in it."""
    return "wamid." + base64.b64encode(
        b"\x1c\x18\x0b" + peer.encode() + b"\x15\x02\x00\x12\x18\x14" + stanza + b"\x00").decode()


class HeardContract:
    """A subclass brings the driver as the fixture `indexes`."""

    @pytest.fixture
    def index(self, indexes: IndexSet) -> Index:
        """One index, current."""
        return indexes.open(bind(indexes))

    def test_the_newest_event_of_an_account_is_found(self, index: Index) -> None:
        """In and out, receipts too; not another account's, another channel's, or an import's."""
        put(index,
            world.event(native_id="a", captured_at=NOON),
            world.event(native_id="b", captured_at=NOON + 5, direction="out"),
            world.event(events.RECEIPT, "c", None, target="b", captured_at=NOON + 9),
            world.event(native_id="d", captured_at=NOON + 50, occurred_at=NOON + 40,
                        provenance=events.CUSTODIAN_SUPPLIED),
            world.event(native_id="e", captured_at=NOON + 60, channel="sms"),
            # The same number as somebody else's counterparty.
            world.event(native_id="f", captured_at=NOON + 70, account=OTHER,
                        actor=Identity(DESK, "e164"), occurred_at=NOON + 65),
            replace(own_event(events.GAP, "g", NOON + 99, 8, {}), channel="whatsapp",
                    account=DESK))
        assert last_events(index, TOKENIZER, [
            ("whatsapp", DESK), ("sms", DESK), ("whatsapp", OTHER), ("sms", OTHER)]) == [
                NOON + 9, NOON + 60, NOON + 70, None]

    def test_an_account_that_is_mostly_a_counterparty_is_found(self, index: Index) -> None:
        """Behind a page of messages in which it is the other side."""
        put(index, world.event(native_id="mine", captured_at=NOON), *(
            world.event(native_id=f"x{n}", account=OTHER, actor=Identity(DESK, "e164"),
                        occurred_at=NOON + n + 1, captured_at=NOON + n + 1) for n in range(60)))
        assert last_events(index, TOKENIZER, [("whatsapp", DESK)]) == [NOON]

    def test_silence_is_measured_within_the_accounts_time(self, index: Index) -> None:
        """From the last event, or since it is theirs, or since capture began; not before it is
        theirs, nor after, nor where nobody asked."""
        put(index, world.event(native_id="a", captured_at=NOON),
            own_event(events.DIRECTORY, "d", NOON - 10 * HOUR, 8, {}))

        def silent(now: int, *accounts: Account) -> list[int]:
            found = SilentAccounts(TOKENIZER).look(index, Directory(accounts=accounts), now)
            return [ms for _, ms in found]

        desk = Account("whatsapp", DESK, "carol", max_silence_h=2)
        assert silent(NOON + 2 * HOUR, desk) == []
        assert silent(NOON + 2 * HOUR + 1, desk) == [2 * HOUR + 1]
        assert silent(NOON + 9 * HOUR, replace(desk, since=NOON + 8 * HOUR)) == []
        assert silent(NOON + 9 * HOUR, replace(desk, until=NOON + 9 * HOUR)) == []
        assert silent(NOON + 9 * HOUR, replace(desk, max_silence_h=None)) == []
        never = Account("sms", OTHER, "carol", max_silence_h=2)
        assert silent(NOON, never) == [10 * HOUR]
        assert silent(NOON, replace(never, since=NOON - 3 * HOUR)) == [3 * HOUR]
        assert silent(NOON, replace(never, since=NOON - HOUR)) == []

    def test_an_account_is_asked_for_again_only_when_it_would_be_an_alarm(
            self, index: Index) -> None:
        """What is heard in between ends the silence."""
        put(index, world.event(native_id="a", captured_at=NOON))
        watch = SilentAccounts(TOKENIZER)
        desk = Directory(accounts=(Account("whatsapp", DESK, "carol", max_silence_h=2),))
        assert watch.look(index, desk, NOON + HOUR) == []
        assert len(watch.look(index, desk, NOON + 3 * HOUR)) == 1
        put(index, world.event(native_id="b", captured_at=NOON + 3 * HOUR), cursor=2)
        assert watch.look(index, desk, NOON + 3 * HOUR + 1) == []

    def test_gaps_are_read_from_the_archive(self, index: Index) -> None:
        """Each once; paired by what they say."""
        archive = MemoryArchive()
        archive.seal([
            own_event(events.GAP, "o", NOON, 8, gaps.details(
                "account_offboarded", gaps.BEGINS, channel="whatsapp", account=DESK)),
            own_event(events.GAP, "p", NOON + 1, 8, gaps.details(
                "parts_incomplete", gaps.OVER, since=NOON, until=NOON + 1, set="ab")),
            own_event(events.GAP, "q", NOON + 2, 8, gaps.details("excluded", gaps.MEANT))])
        Follower(archive, index, PROJECTOR).run_to_end()
        index.refresh()
        reader = GapReader(Bodies(archive))
        for _ in range(2):
            assert [(one.reason, one.account, one.until) for one in reader.all(index)] == [
                ("account_offboarded", DESK, None), ("parts_incomplete", "", NOON + 1)]
        assert len(reader._known) == 2  # what was left out on purpose is not even read
        archive.seal([own_event(events.GAP, "r", NOON + HOUR, 8, gaps.details(
            "account_offboarded", gaps.ENDS, channel="whatsapp", account=DESK))])
        Follower(archive, index, PROJECTOR).run_to_end()
        index.refresh()
        assert [one.until for one in reader.more(index, NOON + 3)] == [NOON + HOUR, NOON + 1]

    def test_a_group_message_is_one_row_with_each_custodians_copy(
            self, indexes: IndexSet, tmp_path: Path) -> None:
        """Three phones in one group: one row; who had the text before it was taken back, whose
        copy lacks it, and who has none."""
        firm = Firm(tmp_path, indexes)
        firm.capture(*firm.group_chat())
        (row,) = firm.search("settlement")
        assert row.state in ("live", "retracted")
        assert {(one.custodian, one.state, one.text, one.before_retraction)
                for one in row.seen_by} == {
            ("carol", "retracted", "same", True), ("dave", "live", "same", True),
            ("erin", "retracted", "absent", False)}
        shown = firm.view(row.doc_id)
        assert {one.custodian: one.text for one in shown} == {
            "carol": "same", "dave": "same", "erin": "absent", "frank": "no_copy"}
        # Asked for by one copy alone, it is that copy's row, and the others are told beside it.
        for custodian in ("carol", "dave"):
            (row,) = firm.search(f"settlement with:{custodian}")
            assert row.seen_by[0].custodian == custodian
            assert len(row.seen_by) == 3

    def test_each_copy_lies_under_its_own_custodians_key(
            self, indexes: IndexSet, tmp_path: Path) -> None:
        """One custodian's key destroyed: the others read on, and that copy says why it does not."""
        firm = Firm(tmp_path, indexes)
        firm.capture(*firm.group_chat())
        (row,) = firm.search("settlement with:dave")
        ids = {one.custodian: one.doc_id for one in row.seen_by}
        firm.destroy_key_of("carol")
        (row,) = firm.search("settlement with:dave")
        assert row.text == "the settlement is 40,000"
        by_id = {one.doc_id: one for one in row.seen_by}
        lost = by_id[ids["carol"]]
        assert lost.problem.startswith("key_lost") and not lost.custodian
        # What the index knows still stands.
        assert (lost.state, lost.text, lost.before_retraction) == ("retracted", "same", True)
        assert by_id[ids["erin"]].problem == ""
        assert by_id[ids["dave"]].problem == ""


class Firm:
    """Real cells under real domain keys, and an index."""

    def __init__(self, folder: Path, indexes: IndexSet) -> None:
        self.world = World(folder / "world")
        self.indexes = indexes

    def group_chat(self) -> Iterator[CapturedEvent]:
        """A client writes in a group of four custodians' phones and takes it back: carol has both,
        dave's phone was never told, erin's only saw that something was taken back, frank's missed
        it whole."""
        at = self.world.now - 10_000
        for number, custodian in enumerate(("carol", "dave", "erin", "frank")):
            mine: dict[str, Any] = {"account": f"+1555000{number}", "custodian": custodian,
                                    "conversation": GROUP, "actor": CLIENT}
            for offset, name in ((-5_000, "before"), (5_000, "after")):
                yield self.world.message(0, f"{name} for {custodian}", **mine,
                                         native_id=f"{name}-{number}", occurred_at=at + offset)
            said = wamid(f"1555000000{number}")
            if custodian in ("carol", "dave"):
                yield self.world.message(0, "the settlement is 40,000", **mine, native_id=said,
                                         occurred_at=at)
            if custodian in ("carol", "erin"):
                yield replace(
                    self.world.message(0, **mine, native_id=f"r{number}", occurred_at=at + 1_000),
                    kind=events.RETRACTION, text=None, target=said, target_known=events.EXPLICIT,
                    content_state=events.ABSENT_BY_SOURCE)

    def capture(self, *said: CapturedEvent) -> None:
        """Sealed, archived, indexed."""
        self.world.capture(said)
        self.world.archive()
        index = self.indexes.open(bind(self.indexes))
        Follower(self.world.reader(), index, PROJECTOR).run_to_end()
        index.refresh()

    def destroy_key_of(self, custodian: str) -> None:
        """Every generation of every domain of theirs."""
        domain = self.world.router.domain(self.world.message(0, custodian=custodian))
        for name in list(self.world.keyring.names()):
            if domain.hex() in name:
                self.world.keyring.destroy(name)

    def searcher(self) -> Searcher:
        """With nothing remembered."""
        return Searcher(self.indexes, self.world.reader(), TOKENIZER,
                        Auditor(MemoryRecorder(), AuditSettings("longest", 8), self.world.clock,
                                bytes))

    def search(self, text: str):  # type: ignore[no-untyped-def]
        """The rows of a search."""
        return self.searcher().search(text, operator("dana")).hits

    def view(self, doc_id: str) -> tuple[SeenBy, ...]:
        """Who has seen one message."""
        return self.searcher().view(doc_id, operator("dana")).hit.seen_by


def test_two_parties_of_the_firm_are_one_conversation() -> None:
    """Both sides of a talk within the firm name it alike."""
    assert pair(DESK, OTHER) == pair(OTHER, DESK)


class TestFake(HeardContract):
    """On the fake."""

    @pytest.fixture
    def indexes(self) -> IndexSet:
        """In memory."""
        return FakeIndexSet()


class TestSqlite(HeardContract):
    """On SQLite."""

    @pytest.fixture
    def indexes(self, tmp_path: Path) -> IndexSet:
        """In a folder of its own."""
        return SqliteIndexSet(tmp_path / "index")


class TestElastic(HeardContract):
    """On Elasticsearch."""

    @pytest.fixture
    def client(self, elasticsearch_server: ElasticsearchServer) -> Iterator[Elasticsearch]:
        """The session's server."""
        made = connect(elasticsearch_server.url)
        yield made
        made.close()

    @pytest.fixture
    def indexes(self, client: Elasticsearch, tmp_path: Path) -> Iterator[IndexSet]:
        """A prefix of its own; whatever was made is deleted afterwards."""
        made = ElasticIndexSet(client, f"heard-{next(_prefixes)}-{abs(hash(str(tmp_path)))}")
        yield made
        for name in made.names():
            client.indices.delete(index=[name, words_name(name)])
