"""A rebuild by several processes: the same index as by one, and an error is the error it is."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from archive.consume import Archiver
from infra.config import load
from infra.shares import fill, workers_for
from infra.wire import Wire
from ingest.own import own_event
from schemas import events
from schemas.errors import Halt
from search.follow import Follower, compare, rebuild
from tests.bench.traffic import Capture, Traffic
from tests.conftest import ElasticsearchServer
from tests.e2e.installation import unique_name
from tests.world import Watcher

EVENTS = 400


@pytest.fixture
def wire(tmp_path: Path, elasticsearch_server: ElasticsearchServer) -> Wire:
    """A folder's archive of four partitions, and an index on the server."""
    made = Wire(load(tmp_path / "home", log={"partitions": 4}, index={
        "driver": "elasticsearch", "url": elasticsearch_server.url, "name": unique_name("shares")}))
    made.provision()
    traffic = Traffic(3, 20)
    capture = Capture(traffic.directory(), made.recorder("gateway")._router)
    recorder = made.recorder("gateway")
    recorder.record_all([event for one in traffic.webhooks(EVENTS)
                         for event in capture.events(one)])
    recorder.record(own_event(events.GAP, "a-gap", 1_763_000_000_000, 7, {"reason": "test"}))
    archiver: Archiver = made.archiver(made.archive_log(), Watcher())
    for _ in range(6):
        archiver.turn(0.0, flush=True)
    return made


def test_an_index_by_shares_equals_one_by_a_single_follower(wire: Wire) -> None:
    """G5, whoever fills it: and its cursors say that nothing is left."""
    assert len(wire.reader().partitions()) > 1
    assert workers_for(wire, 3) == min(3, len(wire.reader().partitions()))
    indexes = wire.indexes()
    alone = rebuild(wire.reader(), indexes, wire.projector())
    shared = rebuild(wire.reader(), indexes, wire.projector(), fill(wire, 2))
    assert alone != shared == indexes.current()
    first, second = indexes.open(alone), indexes.open(shared)
    assert [] == list(compare(first, second))
    assert first.state().cursors == second.state().cursors
    assert Follower(wire.reader(), second, wire.projector()).run_to_end().events == 0


def test_an_embedded_index_has_one_writer(tmp_path: Path) -> None:
    """Others would only wait for it."""
    wire = Wire(load(tmp_path / "home", log={"partitions": 4}))
    wire.provision()
    assert workers_for(wire, 8) == 1


def test_a_halt_of_a_process_is_the_halt_that_it_was() -> None:
    """It crosses between processes with its finding."""
    again = copy.copy(Halt("chain_broken", "here"))
    assert (again.finding, again.detail, str(again)) == (
        "chain_broken", "here", "chain_broken: here")
