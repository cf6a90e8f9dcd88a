"""The benchmarks run and check themselves: small, on the real servers; nothing asserted by time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingest.routing import Router
from ingest.signatures import verify_hub
from schemas import codec
from search.evaluate import answers
from search.parse import parse
from search.stems import Stemmer
from tests.bench import report, results, sizes
from tests.bench.__main__ import is_right, run_imports, run_line, run_policies, run_search
from tests.bench.drain import BARE, SAME, Drain, Plan
from tests.bench.expected import difference, expected_of
from tests.bench.ground import Ground
from tests.bench.imports import Digest
from tests.bench.search_load import LANGUAGES
from tests.bench.search_messages import Messages, on_the_log
from tests.bench.search_questions import QUESTIONS, Count, conduct
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


@pytest.mark.slow
def test_policies_run_and_check_themselves(tmp_path: Path) -> None:
    """Every marked message is flagged once, by the engine, a replay and an interrupted one; a flag
    too few is a run that scores 0."""
    found = run_policies(tmp_path, quick=True)
    assert is_right({"policy": found}), found["runs"]
    assert "reading alone" in report.render({"policy": found})
    found["runs"][-1] |= {"wrong": "4 of 5", "per_s": 0.0}
    assert not is_right({"policy": found})
    assert "**0: 4 of 5" in report.render({"policy": found})


@pytest.mark.slow
def test_search_is_right_in_both_modes(ground: Ground) -> None:
    """A thousand messages, each question's total as the reference evaluator counts it; a wrong
    total is a run that scores 0."""
    found = run_search(ground, quick=True)
    assert is_right({"search": found}), [run["wrong"] for run in found["modes"]]
    assert ["blind", "plain"] == [run["mode"] for run in found["modes"]]
    assert "blind ÷ plain" in report.render({"search": found})
    found["modes"][0]["wrong"] = "rare word: 1 found, 2 are right"
    assert not is_right({"search": found})
    assert "**0: rare word" in report.render({"search": found})


def test_messages_are_repeatable_and_the_screen_hides_no_answer() -> None:
    """Equal seeds are equal events; what the quick look leaves out, the reference does not find."""
    first, second = (list(on_the_log(Messages(3, 1).written(300))) for _ in range(2))
    assert first == second
    assert [one.captured_at for one, _ in first] == sorted(one.captured_at for one, _ in first)
    count, stems = Count(conduct(0), Stemmer(LANGUAGES)), Stemmer(LANGUAGES)
    trees = {name: parse(text, lists=conduct(0)) for name, text in QUESTIONS.items()}
    found = dict.fromkeys(QUESTIONS, 0)
    for _, about in first:
        if about is not None:
            count.add(about)
            for name, asked in trees.items():
                found[name] += answers(asked, about, stems=stems)
    assert found == {name: months.total() for name, months in count.right.items()}
    assert found["rare word"] and found["common word"]
