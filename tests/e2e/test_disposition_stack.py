"""A disposition on the real servers, beside a running system, as two people type it: what is due is
gone from both keyrings and from Elasticsearch, what is held stays, and everything verifies.

Owns the one walk from what is due to a certificate there; each step is tested on the embedded line.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from archive.keyring import Keyring, read_name
from archive.trim import Trimmer
from infra import carry
from infra.config import load
from infra.elastic import connect
from infra.elastic_words import words_name
from infra.s3 import connect as connect_store
from infra.s3keyring import S3Keyring, provision
from infra.wire import Wire
from schemas import document as shape
from schemas import domains
from schemas.errors import Missing
from search.follow import compare, rebuild
from search.tokens import stream_and_units
from tests.conftest import ElasticsearchServer, KafkaServer, S3Server
from tests.e2e import test_disposition_beside as beside
from tests.e2e.installation import ROOT, Installation, real_configuration, unique_name, wait_for
from tests.e2e.line import Clock, Line
from tests.e2e.test_log import QUICK, is_up, verified
from tests.interface.test_json import as_stated
from tests.runtime.test_disposition import DAY, WORD, YEAR
from tests.runtime.test_disposition_verbs import ACCESS, PASSWORD
from tests.runtime.test_replay import CAROL
from tests.search.policy.world import said

pytestmark = pytest.mark.slow

HELD: Final = "the ledger is at the notary"
# On a busy machine the server takes minutes to let go of what was deleted.
_RUN_S_MAX: Final = 600


@dataclass
class Servers:
    """A data folder on the real servers: a month that is due, one that a hold will keep, and two
    messages of today, after which the log was shortened."""

    home: Path
    name: str
    s3: S3Server
    now: int = field(default_factory=lambda: int(time.time()) * 1000)

    def __post_init__(self) -> None:
        """Nine years ago, and ten weeks later: both ended, by the store's own clock."""
        self.due_at = self.now - 9 * YEAR
        self.held_at = self.due_at + 70 * DAY

    @property
    def copy(self) -> str:
        """The bucket that the keyring's copy lies in."""
        return f"{self.name}-keyring-copy"

    def wire(self) -> Wire:
        """With the clock of the machine, as every process has it."""
        return Wire(load(self.home))

    def configure(self, kafka: KafkaServer, elasticsearch: ElasticsearchServer) -> None:
        """Settings, directory and people."""
        real_configuration(self.home, self.name, kafka, self.s3, elasticsearch)
        file = self.home / "counterfoil.toml"
        ours = f'bucket = "{self.name}-keyring"\n'
        file.write_text(file.read_text("utf-8").replace(
            ours, f'{ours}copies = ["s3://{self.copy}"]\n') + "[disposition]\nwait_days = 0\n")
        (self.home / "directory.toml").write_text(CAROL, "utf-8")
        (self.home / "access.toml").touch(mode=0o600)
        (self.home / "access.toml").write_text(ACCESS, "utf-8")

    def write(self) -> None:
        """Capture, archive and index; then the log is shortened as a week later, and the keys are
        copied."""
        clock = Clock(self.now)
        wire = Wire(load(self.home), clock)
        wire.provision()
        line = Line(wire, clock)
        for several in ((said(f"the {WORD} is yours", self.due_at, "m1"),
                         said("nothing else", self.due_at, "m2"),
                         said(HELD, self.held_at, "m3")),
                        (said("good morning", self.now, "m4"),),
                        (said("good night", self.now, "m5"),)):
            wire.recorder("gateway").record_all(several)
            line.archive()
        with closing(wire.archive_log()) as log:
            trimmer = Trimmer(log, wire.reader(), 7 * DAY)
            for partition in range(log.identity().partitions):
                trimmer.trim(partition, log.bounds(partition)[1], self.now + 8 * DAY)
        provision(wire.s3_settings(self.copy))
        copy = S3Keyring(wire.s3_settings(self.copy))
        for name in wire.keyring.names():
            copy.create(name, wire.keyring.read(name))

    def keyrings(self) -> dict[str, Keyring]:
        """Both, by bucket."""
        wire = self.wire()
        return {bucket: S3Keyring(wire.s3_settings(bucket))
                for bucket in (wire.config.keyring.bucket, self.copy)}

    def versions(self, bucket: str, key: str) -> int:
        """How many versions and delete markers a bucket has of a key's record, said by the server.
        """
        found = connect_store(self.wire().s3_settings(bucket)).list_object_versions(
            Bucket=bucket, Prefix=f"keys/{key}")
        return len(found.get("Versions", [])) + len(found.get("DeleteMarkers", []))

    def overlay(self, key: str) -> None:
        """Somebody wrote over a record, and deleted it, in both buckets: the record is below."""
        for bucket in self.keyrings():
            client = connect_store(self.wire().s3_settings(bucket))
            client.put_object(Bucket=bucket, Key=f"keys/{key}", Body=b"junk")
            client.delete_object(Bucket=bucket, Key=f"keys/{key}")
            assert 3 == self.versions(bucket, key)

    def require_gone(self, key: str, kept: str) -> None:
        """No version of the one is left in either bucket, and the other still reads there."""
        for bucket, keyring in self.keyrings().items():
            assert 0 == self.versions(bucket, key)
            with pytest.raises(Missing):
                keyring.read(key)
            assert keyring.read(kept)


@dataclass
class Server:
    """What Elasticsearch itself has of an archive, without our reader."""

    wire: Wire
    url: str

    def holding(self, token: str) -> int:
        """Documents whose words have this token."""
        with closing(connect(self.url)) as client:
            client.indices.refresh(index=self._index)
            return int(client.count(index=self._index, query={"term": {"words": token}})["count"])

    def everything(self) -> str:
        """All that is stored, documents and sealed words, as the server gives it."""
        with closing(connect(self.url)) as client:
            found = client.search(index=f"{self._index},{words_name(self._index)}", size=10_000,
                                  query={"match_all": {}})
        return json.dumps(found.body, ensure_ascii=False)

    def words_under(self, key: str) -> int:
        """Chunks of the vocabulary that are sealed under a key."""
        domain, generation = read_name(key)
        name = words_name(self._index)
        with closing(connect(self.url)) as client:
            client.indices.refresh(index=name)
            return int(client.count(index=name, query={"bool": {"filter": [
                {"term": {"domain": domain.hex()}}, {"term": {"generation": generation}}]}})[
                    "count"])

    @property
    def _index(self) -> str:
        name = self.wire.indexes().current()
        assert name is not None
        return name


def people(firm: Installation, folder: Path) -> list[str]:
    """Ann and Bob have a password; the options with which one of them signs."""
    word = folder / "password"
    word.write_text(PASSWORD + "\n", "utf-8")
    for person in ("ann", "bob"):
        firm.cli("account", "add", person, "--own", "--password-file", str(word), "--json")
    return ["--password-file", str(word), "--json"]


def judged(firm: Installation) -> dict[str, dict[str, Any]]:
    """What `due --all` says of each of Carol's months."""
    rows = firm.cli("disposition", "due", "--all", "--json").rows()
    for row in rows:
        as_stated("disposition-due", row)
    return {row["month"]: row for row in rows if row["custodian"] == "carol"}


def refuses(firm: Installation, row: dict[str, Any], signs: list[str], words: str) -> None:
    """A list that names this key is refused in these words."""
    answer = firm.cli("disposition", "list", "--key", row["key"], "--as", "ann", *signs, code=None)
    assert answer.code and words in " ".join(answer.err.split()), answer


def ran(firm: Installation, list_id: str) -> dict[str, Any]:
    """`disposition run` to its end; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", firm.module, "disposition", "run", list_id, "--json"],
        env=firm.environment, cwd=firm.home.parent, capture_output=True, text=True,
        timeout=_RUN_S_MAX, check=False)
    assert done.returncode == 0, f"{done.stderr[-4000:]}\n{firm.said()}"
    assert "announced" in done.stderr
    row: dict[str, Any] = json.loads(done.stdout)
    as_stated("disposition", row)
    return row


def held(firm: Installation, at: Servers) -> list[dict[str, Any]]:
    """A hold on the one month; what is said of the due one, of it and of today's, once everybody
    sees the hold."""
    first, last = (time.strftime("%Y-%m-%d", time.gmtime((at.held_at + days * DAY) / 1000))
                   for days in (-1, 1))
    firm.cli("hold", "place", "--name", "Doe v. Roe", "--ground", "a claim", "--custodian",
             "carol", "--from", first, "--to", last, "--json")
    due, kept, today = (domains.month_text(one) for one in (at.due_at, at.held_at, at.now))
    known: dict[str, dict[str, Any]] = {}

    def is_seen() -> bool:
        known.update(judged(firm))
        return known[kept]["why"] == "hold" and bool(known[due]["due"])

    wait_for(is_seen, "the hold is seen", detail=lambda: str(known))
    return [known[due], known[kept], known[today]]


def hooked(home: Path, folder: Path) -> Installation:
    """Every process remembers keys for seconds; its clock is the machine's."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(beside._HOOK)
    return Installation(home, more={"PYTHONPATH": f"{folder}:{ROOT}", "AGED_MS": "0", **QUICK})


def texts(firm: Installation, query: str) -> list[str]:
    """What a search shows."""
    return sorted(row["text"] for row in firm.cli("search", query, "--json", code=None).rows())


def test_a_month_ends_on_the_real_servers(
        tmp_path: Path, kafka_server: KafkaServer, s3_server: S3Server,
        elasticsearch_server: ElasticsearchServer) -> None:
    """Due, listed, approved by a second person, destroyed in every version of both buckets; the
    held month is refused with its ground, today's with its date; the word is found nowhere on
    Elasticsearch, the rest is; certificate, log and a rebuilt index agree."""
    at = Servers(tmp_path / "home", unique_name("ends"), s3_server)
    at.configure(kafka_server, elasticsearch_server)
    at.write()
    firm = hooked(at.home, tmp_path / "hook")
    wire = at.wire()
    server = Server(wire, elasticsearch_server.url)
    token = wire.tokenizer().tokens(*stream_and_units(WORD))[0][0]
    assert 1 == server.holding(token) and token in server.everything()
    signs = people(firm, tmp_path)
    with firm.running():
        due, kept, today = held(firm, at)
        assert 2 == due["records"] and not kept["due"] and not today["due"]
        refuses(firm, kept, signs, "the hold 'Doe v. Roe' keeps it (facts: carol, ")
        refuses(firm, today, signs, f"until {today['until'][:10]}")
        assert server.words_under(due["key"]) and server.words_under(kept["key"])

        made = firm.cli("disposition", "list", "--custodian", "carol", "--as", "ann", *signs).row()
        assert [due["key"]] == made["keys"]
        assert firm.cli("disposition", "approve", made["list"], "--as", "ann", *signs,
                        code=None).code
        firm.cli("disposition", "approve", made["list"], "--as", "bob", *signs)
        at.overlay(due["key"])
        assert [due["key"]] == ran(firm, made["list"])["erased"]

        file = tmp_path / "certificate.txt"
        firm.cli("disposition", "certificate", made["list"], "--out", str(file), "--json")
        checked = firm.cli("disposition", "check-certificate", str(file), "--json").row()
        assert (True, made["list"], 2) == tuple(checked[one] for one in ("ok", "list", "records"))
        assert at.copy in file.read_text("utf-8")
        assert [HELD] == texts(firm, "ledger") == texts(firm, "led*")
        wait_for(lambda: is_up(firm), "the log is up to date")

    at.require_gone(due["key"], kept["key"])
    verified(firm)
    no_trace(wire, server, token, due["key"])
    same_when_rebuilt(wire)
    no_trace(wire, server, token, due["key"])
    assert server.words_under(kept["key"])
    # Last: who asks for the word is recorded with it.
    assert [] == texts(firm, WORD) == texts(firm, f"{WORD[:6]}*")
    assert ["good morning", "good night", HELD] == texts(firm, "kind:message")
    assert ["good morning", "good night"] == texts(firm, "good")


def no_trace(wire: Wire, server: Server, token: str, key: str) -> None:
    """The index in force has stubs for what went, and nothing of its words; nor has the server."""
    name = wire.indexes().current()
    assert name is not None
    stubs = [one for one in wire.indexes().open(name).scan() if one.kind == shape.ERASED]
    assert 2 == len(stubs)
    assert not any(one.words or one.chars or one.actors or one.custodians for one in stubs)
    assert 0 == server.holding(token) == server.words_under(key)
    stored = server.everything()
    assert token not in stored and WORD not in stored


def same_when_rebuilt(wire: Wire) -> None:
    """An index made anew from the archive has the same documents as the one in force."""
    indexes = wire.indexes()
    carry.index_all(wire)  # whenever its follower ended
    live = indexes.current()
    assert live is not None
    rebuilt = rebuild(wire.reader(), indexes, wire.projector())
    assert [] == list(compare(indexes.open(live), indexes.open(rebuilt)))
