"""The contract of WordStore, on the fake, on SQLite and on a real Elasticsearch (PROTOCOL I6)."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from archive.wordbook import Wordbook
from infra.elastic import ElasticIndexSet, connect
from infra.elastic_words import words_name
from infra.embedded.index import SqliteIndexSet
from schemas import limits
from schemas.errors import Missing
from schemas.wordchunk import SealedChunk
from search.follow import Follower, bind, rebuild
from search.index import IndexSet
from search.vocabulary import Vocabulary, WordStore
from search.words import NO_STEMS, Wild
from tests.conftest import ElasticsearchServer
from tests.fakes.index import FakeIndexSet
from tests.fakes.keys import FakeKeyring
from tests.search import world
from tests.search.world import DOMAIN, PROJECTOR, MemoryArchive

BOOK = Wordbook(world.domain_keys(FakeKeyring()))
_prefixes = itertools.count()


def chunk(*terms: str, level: int = 0) -> SealedChunk:
    """One chunk of these words."""
    (made,) = BOOK.seal(DOMAIN, 0, level, terms)
    return made


class Reader:
    """Somebody who stays: what came since the last look, each time."""

    def __init__(self, store: WordStore) -> None:
        self._store = store
        self._place = 0

    def look(self) -> set[bytes]:
        """The ids that come now."""
        found = set()
        for place, one in self._store.since(self._place):
            assert one == chunk(*BOOK.open(one), level=one.level), "not what was stored"
            found.add(one.id)
            self._place = place
        return found


class WordsContract:
    """What every driver must do."""

    @pytest.fixture
    def indexes(self) -> IndexSet:
        """An empty set of indexes."""
        raise NotImplementedError

    @pytest.fixture
    def name(self, indexes: IndexSet) -> str:
        """The current index."""
        return bind(indexes)

    @pytest.fixture
    def store(self, indexes: IndexSet, name: str) -> WordStore:
        """The words of an empty index."""
        return indexes.open(name).words()

    def test_what_was_added_is_seen_at_once(
            self, indexes: IndexSet, name: str, store: WordStore) -> None:
        """By whoever opens it, from the beginning; nothing is there before."""
        assert [] == list(store.since(0))
        store.add([chunk("alpha"), chunk("beta", "gamma")])
        other = indexes.open(name).words()
        assert [chunk("alpha"), chunk("beta", "gamma")] == [one for _, one in other.since(0)]

    def test_added_twice_it_is_there_once(self, store: WordStore) -> None:
        """A follower that reads the same segments again adds the same chunks."""
        store.add([chunk("alpha")])
        store.add([chunk("alpha"), chunk("beta")])
        assert [chunk("alpha"), chunk("beta")] == [one for _, one in store.since(0)]

    def test_who_stays_gets_what_is_new(self, store: WordStore) -> None:
        """A look goes on from the place of the one before; at most the last seen comes again."""
        reader = Reader(store)
        store.add([chunk("alpha")])
        assert {chunk("alpha").id} == reader.look()
        assert reader.look() <= {chunk("alpha").id}
        store.add([chunk("beta"), chunk("gamma")])
        assert {chunk("beta").id, chunk("gamma").id} == reader.look() - {chunk("alpha").id}

    def test_many_chunks_come_each(self, store: WordStore) -> None:
        """However many pages they take."""
        made = [chunk(f"word{n}") for n in range(1_234)]
        store.add(made)
        assert made == [one for _, one in store.since(0)]

    def test_the_largest_chunk_fits(self, store: WordStore) -> None:
        """At the limit of bytes, word for word."""
        words = [f"{n:06}" * 16 for n in range(limits.WORD_CHUNK_BYTES_MAX // 97)]
        made = chunk(*words)
        assert len(made.body) > limits.WORD_CHUNK_BYTES_MAX - 500
        store.add([made] + [chunk(f"{n}", *words[1:]) for n in range(9)])
        held = [one for _, one in store.since(0)]
        assert (10, sorted(words)) == (len(held), BOOK.open(held[0]))

    def test_chunks_are_found_by_domain_and_level(self, store: WordStore) -> None:
        """And no more of them than asked for."""
        (elsewhere,) = Wordbook(world.domain_keys(FakeKeyring(), b"e" * 16)).seal(
            b"e" * 16, 0, 0, ["other"])
        store.add([chunk("a"), chunk("b"), chunk("c", level=1), elsewhere])
        self.settle(store)
        assert {chunk("a").id, chunk("b").id} == {one.id for one in store.of(DOMAIN, 0, 0, 9)}
        assert [chunk("c", level=1)] == store.of(DOMAIN, 0, 1, 9)
        assert [elsewhere] == store.of(b"e" * 16, 0, 0, 9)
        assert [] == store.of(DOMAIN, 1, 0, 9)
        assert 1 == len(store.of(DOMAIN, 0, 0, 1))

    def test_what_is_removed_is_gone(self, store: WordStore) -> None:
        """Twice is no error; added again it comes again, also to whoever saw it before."""
        reader = Reader(store)
        store.add([chunk("a"), chunk("a", level=1)])
        reader.look()
        store.remove([chunk("a").id])
        store.remove([chunk("a").id, b"n" * 16])
        assert [chunk("a", level=1)] == [one for _, one in store.since(0)]
        store.add([chunk("a")])
        assert chunk("a").id in reader.look()

    def test_the_words_of_a_key_are_dropped(self, store: WordStore) -> None:
        """All levels of one generation of one domain, and nothing of another."""
        others = [replace(chunk("c"), id=b"c" * 16, domain=b"e" * 16),
                  replace(chunk("d"), id=b"d" * 16, generation=1)]
        store.add([chunk("a"), chunk("b"), chunk("a", level=1), *others])
        store.drop(DOMAIN, 0)
        store.drop(DOMAIN, 0)
        assert {one.id for one in others} == {one.id for _, one in store.since(0)}

    def test_whoever_writes_meanwhile_a_reader_misses_nothing(
            self, indexes: IndexSet, name: str) -> None:
        """Four writers at once, and one who looks again and again: in the end it has seen all."""
        made = [[chunk(f"w{writer}n{n}") for n in range(25)] for writer in range(4)]

        def write(chunks: list[SealedChunk]) -> None:
            store = indexes.open(name).words()
            for one in chunks:
                store.add([one])

        writers = [threading.Thread(target=write, args=(chunks,)) for chunks in made]
        for one in writers:
            one.start()
        reader, seen = Reader(indexes.open(name).words()), set[bytes]()
        while any(one.is_alive() for one in writers):
            seen |= reader.look()
        for one in writers:
            one.join()
        assert {one.id for chunks in made for one in chunks} == seen | reader.look()

    def test_words_go_with_their_index(self, indexes: IndexSet, name: str,
                                       store: WordStore) -> None:
        """Each index has its own; a dropped one takes them along."""
        store.add([chunk("alpha")])
        new = indexes.create()
        assert [] == list(indexes.open(new).words().since(0))
        indexes.swap(new)
        indexes.drop(name)
        with pytest.raises(Missing):
            indexes.open(name)
        with suppress(Missing):  # a late follower's, which nobody reads
            store.add([chunk("beta")])
        assert [] == list(indexes.open(new).words().since(0))
        assert [new] == indexes.names()

    def test_a_rebuild_makes_the_same_words(self, indexes: IndexSet, name: str) -> None:
        """From the archive alone; nothing is taken from the old index."""
        archive = MemoryArchive()
        archive.seal([world.event(text="alpha beta"), world.edit("gamma")])
        archive.seal([world.event(native_id="m2", text="alphabet")], partition=1)
        Follower(archive, indexes.open(name), PROJECTOR, batch_entries_max=1).run_to_end()
        fresh = rebuild(archive, indexes, PROJECTOR)
        for one in (name, fresh):
            vocabulary = Vocabulary(indexes.open(one).words(), archive.wordbook, NO_STEMS)
            assert ("alpha", "alphabet") == vocabulary.expand(Wild("al*"), 9)
            assert 4 == len(vocabulary)

    def settle(self, store: WordStore) -> None:
        """What was added is found by `of` too."""


class TestFakeWords(WordsContract):
    """On the fake."""

    @pytest.fixture
    def indexes(self) -> IndexSet:
        """In memory."""
        return FakeIndexSet()


class TestSqliteWords(WordsContract):
    """In the embedded index's file."""

    @pytest.fixture
    def indexes(self, tmp_path: Path) -> IndexSet:
        """In a folder of its own."""
        return SqliteIndexSet(tmp_path / "index")


@pytest.fixture(scope="module")
def client(elasticsearch_server: ElasticsearchServer) -> Iterator[Elasticsearch]:
    """One client for all."""
    client = connect(elasticsearch_server.url)
    yield client
    client.close()


class TestElasticWords(WordsContract):
    """On Elasticsearch."""

    @pytest.fixture
    def indexes(self, client: Elasticsearch, tmp_path: Path) -> Iterator[IndexSet]:
        """A prefix of its own; whatever was made is deleted afterwards."""
        made = ElasticIndexSet(client, f"words-{next(_prefixes)}-{abs(hash(str(tmp_path)))}")
        yield made
        for name in made.names():
            client.indices.delete(index=[name, words_name(name)])

    @pytest.fixture(autouse=True)
    def _settling(self, client: Elasticsearch) -> None:
        self._client = client

    def settle(self, store: WordStore) -> None:
        """`of` is as of the last refresh."""
        self._client.indices.refresh(index="words-*")

    def test_the_words_index_is_dropped_and_never_made_by_a_write(
            self, indexes: IndexSet, name: str, store: WordStore) -> None:
        """Nothing of an index stays behind in the cluster."""
        indexes.swap(indexes.create())
        indexes.drop(name)
        with pytest.raises(Missing):
            store.add([chunk("late")])
        assert not self._client.indices.exists(index=words_name(name))

    def test_what_a_lost_race_left_is_used(self, indexes: IndexSet, name: str) -> None:
        """A crash between the words' index and the index itself costs the next one nothing."""
        left = f"{name[:-1]}2"
        self._client.indices.create(index=words_name(left), aliases={
            f"{words_name(left)}-write": {}})
        assert left == indexes.create()
        indexes.open(left).words().add([chunk("alpha")])
