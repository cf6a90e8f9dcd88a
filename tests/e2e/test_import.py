"""`import` as an operator runs it: killed and started again, beside `run`, and what it answers."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from schemas.identity import event_id
from tests.conftest import ElasticsearchServer, KafkaServer, S3Server
from tests.e2e.installation import ROOT, Installation, real_configuration, unique_name
from tests.ingest.exports import android, said
from tests.runtime.test_import import backup, taken, wire_of, write

pytestmark = pytest.mark.slow

SAID = ("new", "known", "edits", "retractions", "repaired", "quarantined")
TOLD = ("--me", "Ben", "--account", "+4915550100009", "--zone", "Europe/Berlin", "--day-first")


def chat(count: int, who: str = "Ada") -> str:
    """An export of so many lines."""
    return android([said(f"2024-{1 + at % 12:02d}-{1 + at // 12 % 28:02d} {at // 336 % 24:02d}:"
                         f"{at % 60:02d}:00", (who, "Ben")[at % 2], f"pineapple {who} number {at}")
                    for at in sorted(range(count), key=lambda at: (
                        at % 12, at // 12 % 28, at // 336 % 24, at % 60))])


def exports(folder: Path, count: int = 3_000) -> Path:
    """A folder of two chats and a backup, of `count` messages each."""
    for who in ("Ada", "Carl"):
        write(folder, chat(count, who), f"WhatsApp Chat with {who}.txt")
    write(folder, backup(*(f"pineapple {at}" for at in range(count))), "sms.xml")
    return folder


def counts(row: dict[str, object]) -> dict[str, object]:
    """What a line says of messages, without what is nought."""
    return {name: row[name] for name in SAID if row[name]}


@pytest.mark.parametrize("processes", ["1", "2"])
def test_killed_in_the_middle_it_goes_on(tmp_path: Path, processes: str) -> None:
    """kill -9 at random moments; the last run completes: every message is there once, none is
    missing, and the ledger knows them all."""
    firm = Installation(tmp_path / "home")
    folder = exports(tmp_path / "exports")
    command = ("import", str(folder), *TOLD, "--json", "--processes", processes)
    chance = random.Random(int(processes))
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-m", firm.module, *command], env=firm.environment, cwd=tmp_path,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.8, 3.0))
        os.kill(process.pid, signal.SIGKILL)  # a child that ended is not gone before `wait`
        process.wait()
    firm.cli(*command)
    inside = firm.inside()
    seen = Counter(event_id(event) for _, event in inside.events() if event.kind == "message")
    documents = [one for one in inside.documents().values()
                 if any(entry.kind == "message" for entry in one.entries)]
    assert (len(seen), len(documents)) == (9_000, 9_000)
    # A further sighting of one event is no second event; only what was under way has one.
    assert max(seen.values()) <= 7
    assert firm.cli("verify", "--json").row()["findings"] == []
    assert counts(firm.cli(*command).row()) == {"known": 9_000}


def test_what_a_killed_import_left_is_found_after_the_next(tmp_path: Path) -> None:
    """It was durable and nobody had archived it: the next import finds nothing new, and what is
    known can be found when it returns."""
    firm = Installation(tmp_path / "home")
    path = write(tmp_path, chat(5), "WhatsApp Chat with Ada.txt")
    taken(wire_of(firm.home), path)
    row = firm.cli("import", str(path), "--me", "Ben", "--account", "+4915550100009", "--json",
                   "--zone", "Europe/Berlin", "--day-first").row()
    assert counts(row) == {"known": 5} and row["searchable"]
    assert len(firm.cli("search", "pineapple", "--json").rows()) == 5


def test_beside_run_it_returns_when_it_is_found(tmp_path: Path) -> None:
    """With segments that close by age in an hour: closed because the import asked for it."""
    firm = Installation(tmp_path / "home")
    firm.home.mkdir()
    (firm.home / "counterfoil.toml").write_text("[archive]\nsegment_age_s_max = 3600\n")
    path = write(tmp_path, chat(20), "WhatsApp Chat with Ada.txt")
    with firm.running():
        row = firm.cli("import", str(path), *TOLD, "--json").row()
        assert counts(row) == {"new": 20} and row["searchable"]
        assert len(firm.cli("search", "pineapple", "--json").rows()) == 20
        more = write(tmp_path / "2", chat(21), "WhatsApp Chat with Ada.txt")
        row = firm.cli("import", str(more), *TOLD, "--no-wait", "--json").row()
        assert counts(row) == {"new": 1, "known": 20} and not row["searchable"]
        assert firm.cli("import", str(more), *TOLD, "--json").row()["searchable"]


def test_it_runs_on_real_servers(tmp_path: Path, kafka_server: KafkaServer, s3_server: S3Server,
                                 elasticsearch_server: ElasticsearchServer) -> None:
    """Kafka, S3 and Elasticsearch: the same command, the same answer."""
    firm = Installation(tmp_path / "home")
    real_configuration(firm.home, unique_name("import"), kafka_server, s3_server,
                       elasticsearch_server)
    path = write(tmp_path, chat(50), "WhatsApp Chat with Ada.txt")
    with firm.running():
        row = firm.cli("import", str(path), *TOLD, "--json").row()
        assert counts(row) == {"new": 50} and row["searchable"]
        assert len(firm.cli("search", "pineapple", "--limit", "100", "--json").rows()) == 50
        assert counts(firm.cli("import", str(path), *TOLD, "--json").row()) == {"known": 50}


def test_a_truncated_backup_gives_what_it_has_and_says_so(tmp_path: Path) -> None:
    """Exit 3 with the line; what could be read is found, the rest lies in quarantine."""
    firm = Installation(tmp_path / "home")
    whole = backup("pineapple one", "pineapple two", "pineapple three")
    path = write(tmp_path, whole[:whole.index("three")], "sms.xml")
    row = firm.cli("import", str(path), "--json", code=3).row()
    assert (row["new"], row["quarantined"], row["complete"]) == (2, 1, False)
    assert {one["code"] for one in row["files"][0]["remarks"]} >= {"cut_off"}
    assert len(firm.cli("search", "pineapple", "--json").rows()) == 2
    (kept,) = firm.cli("quarantine", "list", "--json").rows()
    assert kept["door"] == "import"
    replayed = firm.cli("quarantine", "replay", "--json").row()
    assert replayed == {"read": 0, "still": 1, "captured": 0}
    assert "not all" in firm.cli("import", str(path), code=3).out


def test_what_only_the_operator_can_say_is_asked(tmp_path: Path) -> None:
    """Exit 2, the option by name, and the other files are taken all the same."""
    firm = Installation(tmp_path / "home")
    folder = tmp_path / "exports"
    write(folder, android([said("2024-05-06 10:00:00", "Ada", "pineapple")]),
          "WhatsApp Chat with Ada.txt")
    write(folder, backup("pineapple"), "sms.xml")
    answer = firm.cli("import", str(folder), "--json", code=2)
    assert "--day-first or --month-first" in answer.err
    (asked,) = [one["needs"] for one in answer.row()["files"] if one["needs"]]
    assert (asked["option"], answer.row()["new"]) == ("day_first", 1)
    answer = firm.cli("import", str(folder), "--day-first", "--json")
    assert counts(answer.row()) == {"new": 1, "known": 1}
    assert firm.cli("import", str(folder), "--json").row()["known"] == 2


@pytest.mark.parametrize("wrong", [
    ("no/such/file.txt",), ("--zone", "Mars/Olympus", "{chat}"), ("--map", "{map}", "{chat}"), ()])
def test_usage_errors_name_what_is_wrong(tmp_path: Path, wrong: tuple[str, ...]) -> None:
    """Exit 2, nothing on stdout, nothing captured."""
    firm = Installation(tmp_path / "home")
    path = write(tmp_path, chat(2), "WhatsApp Chat with Ada.txt")
    table = write(tmp_path, "file,me\nAnother.txt,Ben\n", "map.csv")
    given = [one.format(chat=path, map=table) for one in wrong]
    answer = firm.cli("import", *given, code=2)
    assert answer.out == "" and answer.err
    assert not (firm.home / "importer" / "ledger.db").exists()


def test_a_map_says_whose_each_export_is(tmp_path: Path) -> None:
    """Two custodians' exports in one folder: each under its own account, told apart by name."""
    firm = Installation(tmp_path / "home")
    folder = exports(tmp_path / "exports", 4)
    table = write(folder, "file,me,account\nWhatsApp Chat with Ada.txt,Ben,+491\n"
                  "WhatsApp Chat with Carl.txt,Ben,+492\n", "map.csv")
    row = firm.cli("import", str(folder), "--map", str(table), "--zone", "UTC", "--day-first",
                   "--json").row()
    assert (row["new"], row["skipped"]) == (12, [])
    accounts = {event.account for _, event in firm.inside().events() if event.kind == "message"}
    assert accounts == {"+491", "+492", ""}


def test_a_dry_run_says_it_and_makes_nothing(tmp_path: Path) -> None:
    """The counts of a real run; not even the data folder is there afterwards."""
    firm = Installation(tmp_path / "home")
    folder = exports(tmp_path / "exports", 5)
    row = firm.cli("import", str(folder), *TOLD, "--dry-run", "--json").row()
    assert (row["new"], row["dry_run"]) == (15, True)
    assert not firm.home.exists()
    assert counts(firm.cli("import", str(folder), *TOLD, "--json").row()) == {"new": 15}


def test_the_shell_completes_it(tmp_path: Path) -> None:
    """The options of `import` are offered where they are typed."""
    firm = Installation(tmp_path / "home")
    done = subprocess.run(
        [sys.executable, "-c", "from infra.cli import app; app(prog_name='counterfoil')"],
        env={**firm.environment, "_COUNTERFOIL_COMPLETE": "complete_bash",
             "COMP_WORDS": "counterfoil import --m", "COMP_CWORD": "2"},
        cwd=ROOT, capture_output=True, text=True, check=False)
    assert {"--me", "--map"} <= set(done.stdout.split())
    assert json.dumps(done.stderr) == '""'
