"""The contract of the port StateStore, on the fake, SQLite and Elasticsearch."""

from __future__ import annotations

import itertools
import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra import elastic_state
from infra.elastic import connect
from infra.elastic_state import ElasticState, state_name
from infra.embedded import state as embedded_state
from infra.embedded.state import SqliteState
from schemas.errors import Refused, Transient
from search.access.state import KEY_CHARS_MAX, VALUE_BYTES_MAX, Held, StateStore, update
from tests.conftest import ElasticsearchServer
from tests.fakes.state import FakeState
from tests.world import NOW

_names = itertools.count()
HOUR = 3_600_000


@dataclass
class Clock:
    """UTC ms, moved by the test."""

    now: int = NOW

    def __call__(self) -> int:
        return self.now


class StateContract:
    """What every driver promises; a subclass brings `opened`: one more process's view of it."""

    @pytest.fixture
    def clock(self) -> Clock:
        """The test's own time."""
        return Clock()

    @pytest.fixture
    def store(self, opened: Callable[[], StateStore]) -> StateStore:
        """One process."""
        return opened()

    def test_what_was_put_is_there(self, store: StateStore) -> None:
        """At once, for a get and for a scan."""
        assert store.get("session:a") is None
        assert store.put("session:a", {"person": "kämpf", "at": 2**52}, NOW + HOUR, None)
        held = store.get("session:a")
        assert held is not None
        assert ({"person": "kämpf", "at": 2**52}, NOW + HOUR) == (held.value, held.expires_at)
        assert [("session:a", held)] == list(store.scan("session:"))

    def test_what_is_there_is_not_put_over(self, store: StateStore) -> None:
        """Without knowing what it was: the first stays."""
        assert store.put("claim:1", {"by": "anna"}, NOW + HOUR, None)
        assert not store.put("claim:1", {"by": "ben"}, NOW + HOUR, None)
        held = store.get("claim:1")
        assert held is not None
        assert {"by": "anna"} == held.value

    def test_only_what_was_read_is_replaced(self, store: StateStore) -> None:
        """Compare and set: of two that read the same, one wins, even when both write the same."""
        store.put("n", {"count": 1}, NOW + HOUR, None)
        read = store.get("n")
        assert store.put("n", {"count": 2}, NOW + HOUR, read)
        assert not store.put("n", {"count": 2}, NOW + HOUR, read)
        second = store.get("n")
        assert second is not None
        assert {"count": 2} == second.value

    def test_a_removed_key_made_anew_is_another(self, store: StateStore) -> None:
        """What was read before the removal replaces nothing afterwards."""
        store.put("n", {"count": 1}, NOW + HOUR, None)
        read = store.get("n")
        store.remove("n")
        assert store.get("n") is None
        assert not store.put("n", {"count": 2}, NOW + HOUR, read)
        assert store.put("n", {"count": 1}, NOW + HOUR, None)
        assert not store.put("n", {"count": 2}, NOW + HOUR, read)

    def test_removing_nothing_is_no_error(self, store: StateStore) -> None:
        """Whoever wants it gone need not look first."""
        store.remove("nothing")
        store.put("n", {}, NOW + HOUR, None)
        store.remove("n")
        store.remove("n")
        assert [] == list(store.scan(""))

    def test_the_expired_is_not_there(self, store: StateStore, clock: Clock) -> None:
        """From its moment on: not read, not scanned, in nobody's way, no ground for a put."""
        store.put("n", {"count": 1}, NOW + 10, None)
        read = store.get("n")
        clock.now = NOW + 10
        assert store.get("n") is None
        assert [] == list(store.scan(""))
        assert not store.put("n", {"count": 2}, NOW + HOUR, read)
        assert store.put("n", {"count": 3}, NOW + HOUR, None)
        held = store.get("n")
        assert held is not None
        assert {"count": 3} == held.value
        assert not store.put("n", {"count": 4}, NOW + HOUR, read)

    def test_a_scan_goes_by_prefix_and_key(self, store: StateStore) -> None:
        """All of a prefix and nothing else, in order, however many there are."""
        for key in ("b:2", "a:1", "b:1", "b", "b.", "c:1", "b:10"):
            store.put(key, {"key": key}, NOW + HOUR, None)
        assert ["b:1", "b:10", "b:2"] == [key for key, _ in store.scan("b:")]
        assert ["a:1", "b", "b.", "b:1", "b:10", "b:2", "c:1"] == [
            held.value["key"] for _, held in store.scan("")]
        assert [] == list(store.scan("d"))

    def test_two_processes_see_one_state(self, opened: Callable[[], StateStore]) -> None:
        """What one puts the other reads at once, and replaces."""
        one, other = opened(), opened()
        assert one.put("n", {"count": 1}, NOW + HOUR, None)
        assert other.put("n", {"count": 2}, NOW + HOUR, other.get("n"))
        held = one.get("n")
        assert held is not None
        assert {"count": 2} == held.value
        assert [{"count": 2}] == [held.value for _, held in one.scan("")]

    def test_of_many_at_once_none_is_lost(self, opened: Callable[[], StateStore]) -> None:
        """Four threads count to 20 in all: each count is one change."""
        def add(held: Held | None) -> tuple[dict[str, int], int]:
            return {"count": int(held.value["count"]) + 1 if held else 1}, NOW + HOUR

        def count(store: StateStore) -> None:
            done = 0
            while done < 5:
                try:
                    update(store, "n", add)
                except (Refused, Transient):
                    continue  # lost twenty races; the count was not made
                done += 1

        stores = [opened() for _ in range(2)]
        threads = [threading.Thread(target=count, args=(stores[n % 2],)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        held = stores[0].get("n")
        assert held is not None
        assert {"count": 20} == held.value

    def test_what_is_no_key_or_value_is_refused(self, store: StateStore) -> None:
        """By every driver alike, before anything is asked of it."""
        for key in ("", "a b", "é", "x" * (KEY_CHARS_MAX + 1), "a/b", "a\n"):
            with pytest.raises(Refused, match="state key"):
                store.put(key, {}, NOW + HOUR, None)
            with pytest.raises(Refused, match="state key"):
                store.get(key)
        with pytest.raises(Refused, match="at most"):
            store.put("n", {"text": "x" * VALUE_BYTES_MAX}, NOW + HOUR, None)
        with pytest.raises(Refused, match="texts and whole numbers"):
            store.put("n", {"flag": True}, NOW + HOUR, None)
        assert store.put("x" * KEY_CHARS_MAX, {}, NOW + HOUR, None)
        assert [] == list(store.scan("n"))


class TestFake(StateContract):
    """The fake keeps the contract that the real ones do."""

    @pytest.fixture
    def opened(self, clock: Clock) -> Callable[[], StateStore]:
        """One store stands for all processes."""
        store = FakeState(clock)
        return lambda: store


class TestSqlite(StateContract):
    """One file, several connections."""

    @pytest.fixture
    def opened(self, tmp_path: Path, clock: Clock) -> Iterator[Callable[[], StateStore]]:
        """Each call opens the file again."""
        opened: list[SqliteState] = []

        def another() -> SqliteState:
            opened.append(SqliteState(tmp_path / "state.db", clock))
            return opened[-1]
        yield another
        for one in opened:
            one.close()

    def test_only_its_owner_may_read_it(self, opened: Callable[[], StateStore],
                                        tmp_path: Path) -> None:
        """The file and what SQLite lays beside it."""
        opened().put("n", {}, NOW + HOUR, None)
        assert {0o600} == {stat.S_IMODE(os.stat(path).st_mode) for path in tmp_path.iterdir()}

    def test_the_expired_leaves_the_file(self, opened: Callable[[], StateStore], clock: Clock,
                                         tmp_path: Path) -> None:
        """A writer takes it out, so that the file does not grow."""
        store = opened()
        store.put("old", {}, NOW + 1, None)
        clock.now += embedded_state._SWEEP_EVERY_MS
        store.put("new", {}, clock.now + HOUR, None)
        clock.now = 0  # at which nothing would be expired
        assert ["new"] == [key for key, _ in SqliteState(tmp_path / "state.db", clock).scan("")]

    def test_a_folder_in_its_place_is_said(self, tmp_path: Path, clock: Clock) -> None:
        """Not opened: tried again, not guessed at."""
        (tmp_path / "state.db").mkdir()
        with pytest.raises(Transient, match="does not open"):
            SqliteState(tmp_path / "state.db", clock)


class TestElastic(StateContract):
    """The real server."""

    @pytest.fixture
    def name(self) -> str:
        """An index of this test's own."""
        return f"state-{os.getpid()}-{next(_names)}"

    @pytest.fixture
    def opened(self, elasticsearch_server: ElasticsearchServer, name: str, clock: Clock,
               ) -> Iterator[Callable[[], StateStore]]:
        """Each call is a client of its own."""
        clients = []

        def another() -> ElasticState:
            clients.append(connect(elasticsearch_server.url))
            return ElasticState(clients[-1], name, clock)
        yield another
        clients[0].indices.delete(index=state_name(name), ignore_unavailable=True)
        for client in clients:
            client.close()

    def test_more_than_a_page_is_scanned(self, opened: Callable[[], StateStore],
                                         monkeypatch: pytest.MonkeyPatch) -> None:
        """Page after page, each once."""
        monkeypatch.setattr(elastic_state, "_PAGE", 3)
        store = opened()
        for number in range(7):
            store.put(f"n:{number}", {}, NOW + HOUR, None)
        assert [f"n:{number}" for number in range(7)] == [key for key, _ in store.scan("n:")]

    def test_a_lost_index_is_made_anew(self, opened: Callable[[], StateStore], name: str,
                                       elasticsearch_server: ElasticsearchServer) -> None:
        """State may be lost: everything is as on the first day, under the strict mapping."""
        store = opened()
        store.put("n", {}, NOW + HOUR, None)
        with connect(elasticsearch_server.url) as client:
            client.indices.delete(index=state_name(name))
            assert store.get("n") is None
            assert [] == list(store.scan(""))
            store.remove("n")
            assert store.put("n", {"count": 1}, NOW + HOUR, None)
            assert [("n", store.get("n"))] == list(store.scan(""))
            mapping = client.indices.get_mapping(index=state_name(name))
        assert "strict" == mapping[state_name(name)]["mappings"]["dynamic"]

    def test_the_expired_leaves_the_server(self, opened: Callable[[], StateStore], clock: Clock,
                                           name: str, elasticsearch_server: ElasticsearchServer,
                                           ) -> None:
        """What nobody renewed; a writer takes it out."""
        store = opened()
        store.put("old", {}, NOW + 1, None)
        store.put("kept", {}, NOW + 24 * HOUR, None)
        list(store.scan(""))  # refreshes
        clock.now += elastic_state._SWEEP_EVERY_MS + elastic_state._SWEEP_AFTER_MS
        store.put("new", {}, clock.now + HOUR, None)
        list(store.scan(""))
        with connect(elasticsearch_server.url) as client:
            assert 2 == client.count(index=state_name(name))["count"]
