"""Real processes under load, killed with kill -9 at random moments, as often as `--kills` says.

Half of the kills are made embedded, half on the real servers. The moments are random but seeded;
what is judged is only what is there afterwards (G1, G5).
"""

from __future__ import annotations

import http.client
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from infra.stack import processes, stack
from schemas import events
from tests.conftest import ElasticsearchServer, KafkaServer, S3Server
from tests.e2e.cases import FIRM_DIRECTORY
from tests.e2e.installation import Installation, end, real_configuration, unique_name, wait_for
from tests.faults.kill_load import (
    APP_SECRET,
    Providers,
    Reviewer,
    assert_each_review_once,
    assert_nothing_lost,
    await_traffic,
    document_ids,
)
from tests.ingest.doorway import hub_headers
from tests.vendor import payloads

PARTS: Final = ("gateway", "archive", "index", "notary")
# A part that `run` has started anew twice waits longer and longer: then it is `run`'s own turn.
DEATHS_MAX: Final = 2
REVIEWS_MIN: Final = 20


class Killer:
    """Kills parts of a running installation and starts `run` again where it was killed."""

    def __init__(self, firm: Installation, seed: int, reviewer: Reviewer) -> None:
        self._firm = firm
        self._reviewer = reviewer
        self._chance = random.Random(seed)
        self._deaths = dict.fromkeys(PARTS, 0)
        self.made: list[str] = []
        self.run = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._deaths = dict.fromkeys(PARTS, 0)
        return self._firm.spawn("run", "--port", str(self._firm.port))

    def kill(self) -> None:
        """One kill -9, at a random moment, of somebody who is alive."""
        if self._chance.random() < 0.8:
            # Mostly in the middle of the work; now and then while everything is still starting.
            wait_for(self._firm.is_open, f"the doors open\n{self._firm.said()}")
        time.sleep(self._chance.uniform(0.02, 0.5))
        alive = [one for one in PARTS if self._deaths[one] < DEATHS_MAX and self._pid(one)]
        fresh = [one for one in alive if one not in self.made]
        victim = self._chance.choice([*alive, *(fresh * 2 or alive), "run", "all", "reviewer"])
        if victim == "reviewer":
            self._reviewer.kill()
            self._reviewer.start()
        elif victim in PARTS:
            self._deaths[victim] += 1
            self._kill_part(victim)
        else:
            if victim == "all":
                for one in PARTS:
                    self._kill_part(one)
            self.run.kill()
            self.run.wait()
            self.run = self._start()
        self.made.append(victim)

    def _pid(self, part: str) -> int:
        """The process of a part, or 0; never one that took over a dead one's number."""
        pid = self._firm.children().get(part, 0)
        try:
            said = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            return 0
        home = f"COUNTERFOIL_HOME={self._firm.home}".encode()
        with suppress(FileNotFoundError, ProcessLookupError):
            if part.encode() in said and home in Path(f"/proc/{pid}/environ").read_bytes():
                return pid
        return 0

    def _kill_part(self, part: str) -> None:
        pid = self._pid(part)
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def end(self) -> None:
        """In order."""
        assert end(self.run) == 0, self._firm.said()


def survives(firm: Installation, kills: int, seed: int) -> None:
    """Load, so many kills, then: nothing lost, nothing doubled."""
    firm.write_directory(FIRM_DIRECTORY)
    # Many small segments: so that a kill often meets one that is just being written.
    firm.more |= {"COUNTERFOIL_ARCHIVE__SEGMENT_AGE_S_MAX": "0.2",
                  "COUNTERFOIL_ARCHIVE__SEGMENT_AGE_S_BUSY": "0.2"}
    firm.cli("provision")
    reviewer = Reviewer(firm)
    providers, killer = Providers(firm, seed=seed), Killer(firm, seed, reviewer)
    try:
        providers.start()
        reviewer.start()
        try:
            for _ in range(kills):
                killer.kill()
            await_traffic(providers, len(providers.acknowledged) + 20)
            # At least so many decisions under way among the messages.
            wait_for(lambda: len(reviewer.acknowledged()) >= REVIEWS_MIN, "reviews")
        finally:
            providers.stop()
            reviewer.kill()
        assert len(killer.made) == kills
        assert set(PARTS) <= {*killer.made} or kills < 10
        # Providers did have to deliver again: the kills hit.
        assert providers.again > 0 or kills < 5
        inside = firm.inside()
        inside.await_documents(document_ids(inside, providers))
    finally:
        killer.end()
    assert_nothing_lost(firm, providers)
    assert_each_review_once(firm.inside(), reviewer)


@pytest.mark.slow
def test_kill_9_embedded_loses_and_doubles_nothing(tmp_path: Path, kills: int) -> None:
    """Gateway, archiver, indexer, `run` and all at once, under load, on one folder."""
    survives(Installation(tmp_path / "home"), kills - kills // 2, seed=20_26)


@pytest.mark.slow
def test_kill_9_on_the_real_servers_loses_and_doubles_nothing(
        tmp_path: Path, kills: int, kafka_server: KafkaServer, s3_server: S3Server,
        elasticsearch_server: ElasticsearchServer) -> None:
    """The same on Apache Kafka, S3 and Elasticsearch: four partitions, a consumer group."""
    firm = Installation(tmp_path / "home")
    real_configuration(firm.home, unique_name("kill"), kafka_server, s3_server,
                       elasticsearch_server)
    survives(firm, kills // 2, seed=11_21)


@pytest.mark.slow
def test_a_stop_under_load_leaves_nothing_behind(tmp_path: Path) -> None:
    """SIGTERM while requests come in: when `run` has ended, everything that was answered 200 is
    archived *and* searchable, without another start."""
    firm = Installation(tmp_path / "home")
    firm.write_directory(FIRM_DIRECTORY)
    providers = Providers(firm, seed=5)
    process = firm.spawn("run", "--port", str(firm.port))
    try:
        firm.await_ready(process)
        providers.start()
        await_traffic(providers, 100)
        # The senders go on while it ends: the last ones are refused, none is half taken.
        assert end(process) == 0
    finally:
        providers.stop()
        end(process)
    inside = firm.inside()
    wanted = document_ids(inside, providers)
    assert set(wanted) <= set(inside.documents())
    assert inside.wire.capture_log().identity().partitions == 1
    assert_nothing_lost(firm, providers)


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[tuple[Installation, int]]:
    """A broker that only this test uses, because it is going to be stopped, and its process id;
    store and index are embedded."""
    folder = tmp_path / "stack"
    address = stack.up(folder, servers=["kafka"], tied_to=processes.this_process())
    home = tmp_path / "home"
    home.mkdir()
    (home / "counterfoil.toml").write_text(f"""\
[log]
driver = "kafka"
bootstrap = "{address.kafka_bootstrap}"
replication = 1
min_insync = 1
[gateway]
spool_mb_max = 1
[archive]
segment_age_s_max = 1
""", "utf-8")
    firm = Installation(home)
    firm.write_directory(FIRM_DIRECTORY)
    (keeper,) = (one.pid for one in stack.status(folder) if one.name == "kafka")
    children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    (broker,) = map(int, children)
    try:
        yield firm, broker
    finally:
        with suppress(ProcessLookupError):
            os.kill(broker, signal.SIGCONT)
        stack.down(folder, grace_s=0)


def said(firm: Installation, number: int, size: int = 0) -> tuple[int, http.client.HTTPMessage]:
    """Deliver message `number`, with so many characters besides; the answer."""
    words = f"number {number} " + "x" * size
    body = payloads.messages(payloads.text(f"wamid.SPOOL{number}", words))
    connection = http.client.HTTPConnection("127.0.0.1", firm.port, timeout=30)
    try:
        connection.request("POST", "/hooks/whatsapp", body, hub_headers(body, APP_SECRET))
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.real
def test_a_silent_broker_costs_nothing_until_the_spool_is_full(
        own_kafka: tuple[Installation, int]) -> None:
    """The broker stops answering: 200 from the spool, an alarm, 503 with Retry-After when it is
    full; kill -9 of the gateway meanwhile changes nothing; afterwards all of it is on the log, in
    order, once."""
    firm, broker = own_kafka
    with firm.running():
        assert [said(firm, number)[0] for number in range(3)] == [200] * 3
        os.kill(broker, signal.SIGSTOP)
        assert [said(firm, number)[0] for number in range(3, 8)] == [200] * 5
        waiting = firm.cli("spool", "list", "--json").row()
        assert waiting["count"] >= 5
        killed = firm.children()["gateway"]
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: firm.children()["gateway"] != killed and firm.is_open(), "open again")
        assert said(firm, 8)[0] == 200
        wait_for(lambda: "spool_in_use" in alarms(firm), "an alarm")
        taken = [said(firm, number, 200_000) for number in range(9, 20)]
        accepted = [status for status, _ in taken].count(200)
        assert [200] * accepted + [503] * (11 - accepted) == [status for status, _ in taken]
        assert 0 < accepted < 11
        assert taken[-1][1]["Retry-After"]
        # It is in the status with the gateway's next tick, and stays there until it is drained.
        wait_for(lambda: "spool_full" in alarms(firm), "an alarm", detail=lambda: str(alarms(firm)))
        os.kill(broker, signal.SIGCONT)
        wait_for(lambda: not firm.cli("spool", "list", "--json").row()["count"], "drained")
        assert said(firm, 100)[0] == 200
        inside = firm.inside()
        wanted = {number: inside.document_id("whatsapp", f"+{payloads.FIRM}",
                                             f"wamid.SPOOL{number}")
                  for number in (*range(9 + accepted), 100)}
        inside.await_documents(wanted.values())
        wait_for(lambda: not alarms(firm), "all well", detail=lambda: str(alarms(firm)))
    order = [event.native_id for _, event in inside.events() if event.kind == events.MESSAGE]
    # A record whose answer was lost may lie on the log twice: one sighting, in its first place.
    assert list(dict.fromkeys(order)) == [f"wamid.SPOOL{number}" for number in wanted]
    assert firm.cli("verify", "--json").row()["ok"]
    documents = inside.documents()
    assert {documents[one].sighting_count for one in wanted.values()} == {1}


def alarms(firm: Installation) -> set[str]:
    """What `status` says is wrong."""
    return {one["code"] for one in firm.cli("status", "--json", code=None).row()["alarms"]}
