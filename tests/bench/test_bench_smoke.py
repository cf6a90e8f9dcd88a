"""The benchmarks run and check themselves: small, on the real servers; nothing asserted by time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingest.routing import Router
from ingest.signatures import verify_hub
from schemas import codec
from tests.bench import report, results, sizes
from tests.bench.__main__ import is_right, run_imports, run_line
from tests.bench.drain import BARE, SAME, Drain, Plan
from tests.bench.expected import difference, expected_of
from tests.bench.ground import Ground
from tests.bench.imports import Digest
from tests.bench.traffic import SECRET, Capture, Traffic
from tests.conftest import STACK_FOLDER, ElasticsearchServer, KafkaServer, S3Server


@pytest.fixture
def ground(kafka_server: KafkaServer, s3_server: S3Server,
           elasticsearch_server: ElasticsearchServer, tmp_path: Path) -> Ground:
    """The session's servers, and a data folder of our own."""
    from infra.stack import stack

    folder = Path(os.environ[STACK_FOLDER])
    return Ground(stack.address(folder), tmp_path, folder)


def test_equal_seeds_are_equal_bytes_and_every_webhook_becomes_one_event() -> None:
    """Both sides of a comparison get the same, signed as a provider signs."""
    first, second = ([one.body for one in Traffic(7, 5).webhooks(200)] for _ in range(2))
    assert first == second
    traffic = Traffic(7, 5)
    capture = Capture(traffic.directory(), Router(bytes(32), bytes(16)))
    for webhook in traffic.webhooks(200):
        event, = capture.events(webhook)
        assert event.raw == webhook.body and event.custodian
        assert verify_hub([SECRET], webhook.signature(), webhook.body)
        assert codec.decode(codec.encode(event)) == event


def test_the_check_finds_what_is_lost_doubled_or_out_of_order() -> None:
    """A run that does any of these scores 0."""
    right = {0: [b"a", b"b"], 1: [b"c"]}
    assert "" == difference(expected_of(right), expected_of(right))
    for wrong in ({0: [b"a"], 1: [b"c"]}, {0: [b"a", b"b", b"b"], 1: [b"c"]},
                  {0: [b"b", b"a"], 1: [b"c"]}, {0: [b"a", b"b"], 1: [b"d"]}, {0: [b"a", b"b"]}):
        assert "" != difference(expected_of(right), expected_of(wrong))


@pytest.mark.slow
def test_sizes_count_whole_objects() -> None:
    """More events a cell are fewer bytes each, and a day's PUTs are what the closing rule gives."""
    alone, shared = sizes.full_segments((1, 62))
    assert alone.with_dictionary > shared.with_dictionary
    assert alone.with_dictionary < alone.without
    firm = sizes.trace(10, 60, 1)
    assert 0 < firm.puts_per_day <= firm.events_per_day


@pytest.mark.slow
def test_drain_archives_everything_once_and_so_does_the_peer(ground: Ground) -> None:
    """2,000 events through both, decrypted and compared."""
    drain = Drain(ground, Plan(events=2_000, packs=(1, 32), repeats=1, people=20))
    drain.prepare()
    runs = list(drain.runs())
    assert {"packs of 1", "packs of 32", SAME, BARE} == {run.who for run in runs}
    found = results.of_drain(Plan(), runs, drain.body_bytes, drain.datum_bytes, (1, 1), quick=True)
    assert is_right({"drain": found}), [run.wrong for run in runs]
    assert SAME in report.render({"drain": found})


@pytest.mark.slow
def test_line_finds_everything_that_was_accepted(ground: Ground) -> None:
    """Every 200 is in the archive and in the index exactly once; a rebuild is measured after."""
    found = run_line(ground, quick=True)
    assert is_right({"line": found}), [run["wrong"] for run in found["runs"]]
    assert found["rebuild"]["events"] >= found["runs"][0]["load"]["accepted"]
    assert "Rebuild" in report.render({"line": found})


@pytest.mark.slow
def test_imports_run_and_check_themselves(tmp_path: Path) -> None:
    """Exports by one process and by several, a backup, each again: nothing lost or doubled; a lost
    text would be seen."""
    found = run_imports(tmp_path, quick=True)
    assert is_right({"import": found}), found["runs"]
    assert "again" in report.render({"import": found})
    one, other = Digest(), Digest()
    for text in ("a", "b"):
        one.add(text)
        other.add("a")
    assert one.hex() != other.hex()
