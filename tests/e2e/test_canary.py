"""Message content is readable in five places and in no other (G4).

Words that stand nowhere else are captured, spooled, refused, archived, indexed and searched for;
then every volume, log file and server is looked through for them, in every spelling and layer.
A control with the sealing taken out must find each word in each place: it proves the detector.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import os
import sqlite3
import subprocess
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

import pytest
import zstandard
from elasticsearch import Elasticsearch
from kafka import KafkaConsumer, TopicPartition

from infra import s3
from search.tokens import BLIND, NONE, PLAIN, TextMode
from tests.conftest import STACK_FOLDER, ElasticsearchServer, KafkaServer, S3Server
from tests.e2e.canary import Detector, Hit, spellings
from tests.e2e.cases import FIRM_DIRECTORY
from tests.e2e.installation import (
    SECRETS,
    Installation,
    end,
    real_configuration,
    unique_name,
    wait_for,
)
from tests.ingest.doorway import hub_headers, twilio_form, twilio_headers
from tests.vendor import payloads

STANZA: Final = "3A5EC0FFEE77CA9A21D4"
PHONE: Final = "12025550173"
# Lower case, so that folding changes nothing; one letter that JSON escapes.
WORDS: Final[dict[str, str]] = {
    "body": "zw\u00f6lfquittenkuchen",
    "name": "quastenfl\u00f6sser",
    "phone": PHONE,
    "id": payloads.wamid(PHONE, STANZA),
    "stanza": STANZA,
    "query": "vogelscheuchen\u00fcbung",
}
CAPTURED: Final = frozenset(WORDS) - {"query"}
# What a provider's item carries; the stanza stands inside the id, in base64.
SECRET: Final = SECRETS.whatsapp_app_secret.encode()
DICTIONARY: Final = resources.files("archive").joinpath("dictionary-1.zdict").read_bytes()
PRODUCT, CONTROL = "infra.cli", "tests.e2e.unsealed"


def detector() -> Detector:
    """For these words, with the archive's own compression dictionary."""
    return Detector(WORDS, (DICTIONARY,))


# ---- the detector itself


@pytest.mark.parametrize("word", sorted(WORDS))
@pytest.mark.parametrize("wrap", ["plain", "zstd", "zstd with dictionary", "gzip", "zlib",
                                  "gzip in zstd"])
def test_every_spelling_is_found_in_every_layer(word: str, wrap: str) -> None:
    """Whatever stands before and behind it."""
    trained = zstandard.ZstdCompressor(dict_data=zstandard.ZstdCompressionDict(DICTIONARY))
    packed: dict[str, Callable[[bytes], bytes]] = {
        "plain": lambda data: data, "zstd": zstandard.ZstdCompressor().compress,
        "zstd with dictionary": trained.compress, "gzip": gzip.compress, "zlib": zlib.compress,
        "gzip in zstd": lambda data: zstandard.ZstdCompressor().compress(gzip.compress(data))}
    for spelled, needle in spellings(WORDS[word]).items():
        around = b"\x00before" + packed[wrap](b"{" * 9 + needle + b"}" * 9) + b"behind\xff"
        assert Hit("here", word, spelled) in detector().look("here", around), spelled
    assert not detector().look("here", packed[wrap](b"nothing of the kind"))


@pytest.mark.parametrize("shift", range(3))
def test_base64_is_found_at_every_alignment(shift: int) -> None:
    """A word inside a longer text that was encoded as a whole."""
    encoded = base64.b64encode(b"x" * (30 + shift) + WORDS["body"].encode() + b"yyyy")
    assert {"body"} == {hit.word for hit in detector().look("here", b"=" + encoded + b"=")}


def test_values_of_a_database_are_found(tmp_path: Path) -> None:
    """Where its pages cut a value, and where the value is packed."""
    database = sqlite3.connect(tmp_path / "some.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE held (one BLOB)")
    database.execute("INSERT INTO held VALUES (?)", (
        zlib.compress(os.urandom(9000) + WORDS["name"].encode()),))
    assert {"name"} == {hit.word for hit in detector().look_in_files(
        "here", tmp_path.iterdir())}
    database.close()


# ---- a firm in which the words are everywhere that they can be


@dataclass
class Firm:
    """An installation whose parts run as processes of their own, sealed or as the control."""

    installation: Installation
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        """Its data folder."""
        return self.installation.home

    @contextmanager
    def running(self) -> Iterator[None]:
        """Gateway, archiver and indexer, each started alone: the control has no `run`."""
        self.installation.cli("provision")
        port = ("--port", str(self.installation.port))
        self.processes = [self.installation.spawn(*one) for one in (
            ("gateway", *port), ("archive",), ("index",))]
        try:
            self.installation.await_ready(self.processes[0])
            yield
        finally:
            for one in self.processes:
                assert end(one) == 0, self.installation.said()

    def capture(self) -> None:
        """The words through every door, in every way that a request can end."""
        post = self.installation.post
        for body in (_said("wamid.OTHER", "prelude"), _said(WORDS["id"], WORDS["body"]),
                     _said(WORDS["id"], WORDS["body"]), _edited(), _withdrawn(), _picture(),
                     _malformed(), _unknown()):
            assert post("/hooks/whatsapp", body, hub_headers(body, SECRET)) == 200
        forged = _said(WORDS["id"], WORDS["body"])
        assert post("/hooks/whatsapp", forged, hub_headers(forged, b"another")) == 401
        form = twilio_form(1, From=f"+{PHONE}", Body=WORDS["body"], ProfileName=WORDS["name"])
        url = f"{SECRETS.public_url}/hooks/twilio"
        assert post("/hooks/twilio", form,
                    twilio_headers(url, form, SECRETS.twilio_auth_token.encode())) == 200
        inside = self.installation.inside()
        # The control's index key opens other tokens: ask for the number of documents.
        wait_for(lambda: inside.wire.indexes().current() is not None, "an index")
        wait_for(lambda: len(inside.documents()) >= 7, "indexed", detail=self.installation.said)

    def look_for(self) -> None:
        """Somebody searches and opens what was found; both are recorded, archived and indexed."""
        said = self.home / "logs" / "search.err"
        answer = self.installation.cli(
            "search", f'"{WORDS["body"]}" OR {WORDS["query"]}', "--json")
        found = answer.rows()
        assert found and WORDS["body"] in found[0]["text"]
        shown = self.installation.cli("show", found[0]["id"], "--json")
        said.write_text(answer.err + shown.err, "utf-8")
        inside = self.installation.inside()
        wait_for(lambda: sum(one.kind == "audit" for one in inside.documents().values()) >= 2,
                 "audit indexed")

    def lists(self) -> bytes:
        """What the verbs print that promise to show no content, and the doors' own answers."""
        out = [self.installation.cli(*verb, "--json", code=None) for verb in (
            ("status",), ("quarantine", "list"), ("rejected", "list"), ("spool", "list"),
            ("segments",), ("verify",))]
        said = "".join(one.out + one.err for one in out)
        connection = http.client.HTTPConnection("127.0.0.1", self.installation.port, timeout=10)
        for path in ("/healthz", f"/{PHONE}", f"/hooks/whatsapp?hub.verify_token={PHONE}",
                     "/metrics"):
            connection.request("GET", path)
            said += connection.getresponse().read().decode()
        connection.close()
        return said.replace(f"/{PHONE}", "").encode()


def _delivery(*items: Mapping[str, Any]) -> bytes:
    return payloads.messages(*({"from": PHONE, **{k: v for k, v in one.items() if k != "from"}}
                               for one in items),
                             contacts=[payloads.contact(WORDS["name"], PHONE)])


def _said(native_id: str, words: str) -> bytes:
    return _delivery(payloads.text(native_id, f"a {words} for tea"))


def _edited() -> bytes:
    return _delivery(payloads.message("wamid.EDIT", "edit", edit={
        "original_message_id": WORDS["id"], "message": {
            "type": "text", "text": {"body": f"two {WORDS['body']} for tea"}}}))


def _withdrawn() -> bytes:
    return _delivery(payloads.message("wamid.GONE", "revoke", revoke={
        "original_message_id": WORDS["id"]}))


def _picture() -> bytes:
    return _delivery(payloads.message("wamid.PICTURE", "image", image={
        "id": "1", "mime_type": "image/png", "caption": WORDS["body"]}))


def _malformed() -> bytes:
    return _delivery({**payloads.text(WORDS["id"], WORDS["body"]), "id": 5})


def _unknown() -> bytes:
    return payloads.meta(payloads.envelope(payloads.change(
        "recipes", {"of": WORDS["body"], "by": WORDS["name"], "call": PHONE})))


def firm_in(folder: Path, module: str, text: TextMode = BLIND) -> Firm:
    """A firm whose processes put temporary files beside its data folder, and say all they can.
    `text`: what its index holds of words."""
    temporary = folder / "tmp"
    temporary.mkdir()
    firm = Installation(folder / "home", module=module, more={
        "TMPDIR": str(temporary), "COUNTERFOIL_VERBOSE": "1"})
    firm.write_directory(FIRM_DIRECTORY)
    _configure(firm.home, text)
    return Firm(firm)


def _configure(home: Path, text: TextMode) -> None:
    with (home / "counterfoil.toml").open("a", encoding="utf-8") as settings:
        settings.write(f'[search]\ntext = "{text}"\n')


def in_folder(found: Detector, place: str, *folders: Path) -> set[Hit]:
    """What stands in every file below `folders`."""
    return found.look_in_files(place, (path for folder in folders
                                       for path in sorted(folder.rglob("*")) if path.is_file()))


def seen(hits: Iterable[Hit]) -> dict[str, set[str]]:
    """Place -> words found in it."""
    out: dict[str, set[str]] = {}
    for hit in hits:
        out.setdefault(hit.place, set()).add(hit.word)
    return out


# ---- embedded


def look_embedded(firm: Firm) -> set[Hit]:
    """Capture and search on one folder, and look everywhere: while a record waits on the spool,
    while everything runs, and after it has ended."""
    found = detector()
    hits: set[Hit] = set()
    home, temporary = firm.home, firm.home.parent / "tmp"
    with firm.running():
        with _held(home / "log" / "capture.db"):
            body = _said(WORDS["id"], WORDS["body"])
            status = firm.installation.post("/hooks/whatsapp", body, hub_headers(body, SECRET))
            assert status == 200
            assert firm.installation.cli("spool", "list", "--json").row()["count"] >= 1
            hits |= found.look_in_files("spool", sorted((home / "gateway").glob("spool.db*")))
        firm.capture()
        firm.look_for()
        if firm.installation.module == PRODUCT:
            hits |= found.look("lists", firm.lists())
        hits |= in_folder(found, "temporary files", temporary)
    hits |= found.look_in_files("ring", sorted((home / "gateway").glob("rejected.db*")))
    # The picture's message waits there: nobody configured a token.
    hits |= found.look_in_files("media list", sorted((home / "gateway").glob("media.db*")))
    hits |= in_folder(found, "log", home / "log")
    for name in ("store", "index", "logs"):
        hits |= in_folder(found, name, home / name)
    rest = [path for path in home.iterdir() if path.name not in {"log", "store", "index", "logs"}]
    hits |= in_folder(found, "rest", *rest, temporary)
    return hits


@contextmanager
def _held(log: Path) -> Iterator[None]:
    """The embedded log takes nothing: somebody else writes to it and does not end."""
    database = sqlite3.connect(log, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        database.execute("ROLLBACK")
        database.close()


@pytest.mark.slow
@pytest.mark.parametrize("text", [BLIND, NONE])
def test_no_word_is_readable_in_the_data_folder(tmp_path: Path, text: TextMode) -> None:
    """Log, spool, ring of rejected requests, store, index, keyring, logs, temporary files and what
    the verbs list: none of the words, in any spelling, packed or not."""
    assert look_embedded(firm_in(tmp_path, PRODUCT, text)) == set()


@pytest.mark.slow
def test_a_plain_index_is_the_one_place_where_words_stand(tmp_path: Path) -> None:
    """What was said and asked, as the setting says; no id, and nothing elsewhere. Name and number
    stand in it because the text of an unknown delivery is whatever it holds."""
    found = seen(look_embedded(firm_in(tmp_path, PRODUCT, PLAIN)))
    assert {"index": {"body", "query", "name", "phone"}} == found


@pytest.mark.slow
def test_the_control_finds_every_word_in_the_data_folder(tmp_path: Path) -> None:
    """Without sealing each word is found in each place: the silence above means something."""
    found = seen(look_embedded(firm_in(tmp_path, CONTROL)))
    assert {place: sorted(CAPTURED - words) for place, words in found.items()
            if place in ("spool", "ring", "log", "store", "index", "logs", "temporary files")} == {
        "spool": [], "ring": [], "log": [], "store": [], "index": [], "logs": [],
        "temporary files": []}
    assert {"log", "store", "index", "logs", "temporary files"} <= {
        place for place, words in found.items() if "query" in words}
    assert "phone" in found["media list"]


# ---- on the real servers


@dataclass(frozen=True, slots=True)
class Servers:
    """The session's three servers, and where their data and logs lie."""

    kafka: KafkaServer
    s3: S3Server
    elasticsearch: ElasticsearchServer
    folder: Path


@pytest.fixture
def servers(kafka_server: KafkaServer, s3_server: S3Server,
            elasticsearch_server: ElasticsearchServer) -> Servers:
    """All of them, with their folder."""
    return Servers(kafka_server, s3_server, elasticsearch_server, Path(os.environ[STACK_FOLDER]))


def look_real(firm: Firm, servers: Servers, name: str) -> set[Hit]:
    """The same on the real servers: through their APIs, in their data folders and logs."""
    found = detector()
    hits: set[Hit] = set()
    with firm.running():
        firm.capture()
        firm.look_for()
        hits |= in_folder(found, "temporary files", firm.home.parent / "tmp")
        for record in _kafka_records(servers.kafka, name):
            hits |= found.look("kafka api", record)
        for body in _s3_objects(servers.s3, name):
            hits |= found.look("s3 api", body)
    hits |= _look_into_elasticsearch(found, firm, servers, name)
    hits |= in_folder(found, "kafka volumes",
                      *(servers.folder / "kafka" / "data").glob(f"{name}-*"))
    # Volumes are named after their bucket; the rest is the servers' own bookkeeping.
    hits |= found.look_in_files("s3 volumes", sorted(
        path for path in (servers.folder / "s3" / "data").rglob("*") if path.is_file()
        and (path.name.startswith(name) or path.suffix not in (".dat", ".idx", ".vif"))))
    hits |= found.look_in_files("server logs", sorted(
        path for path in (*servers.folder.glob("*.log"),
                          *(servers.folder / "elasticsearch" / "logs").glob("*"))
        if path.is_file()))
    hits |= in_folder(found, "logs", firm.home / "logs")
    hits |= in_folder(found, "ring", firm.home / "gateway")
    return hits


def _look_into_elasticsearch(found: Detector, firm: Firm, servers: Servers,
                             name: str) -> set[Hit]:
    hits: set[Hit] = set()
    client = Elasticsearch(servers.elasticsearch.url, request_timeout=30, max_retries=0)
    try:
        for answer in _elasticsearch_answers(client, name):
            hits |= found.look("elasticsearch api", answer)
        (concrete,) = client.indices.get_settings(index=name).body.values()
        (shard,) = (servers.folder / "elasticsearch").glob(
            f"data/indices/{concrete['settings']['index']['uuid']}/0")
        hits |= in_folder(found, "elasticsearch translog", shard / "translog")
        client.indices.flush(index=name, force=True, wait_if_ongoing=True)
        hits |= in_folder(found, "elasticsearch segments", shard / "index")
        if firm.installation.module == CONTROL:
            # The control's tokens are tokens: so the words are put among the terms by hand.
            client.index(index=name, id="leak", document={
                "doc_id": "leak", "kind": "leak", "sort_at": 0, "words": list(WORDS.values())})
        for word in _elasticsearch_terms(client, name):
            hits |= found.look("elasticsearch terms", word)
    finally:
        client.close()
    return hits


def _kafka_records(kafka: KafkaServer, topic: str) -> Iterator[bytes]:
    consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap, enable_auto_commit=False,
                             metrics_enabled=False)
    try:
        places = [TopicPartition(topic, one) for one in sorted(
            consumer.partitions_for_topic(topic) or ())]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        ends = consumer.end_offsets(places)
        while any(consumer.position(one) < ends[one] for one in places):
            for records in consumer.poll(timeout_ms=500).values():
                for record in records:
                    yield b" ".join((record.key or b"", record.value or b"",
                                     repr(record.headers).encode()))
    finally:
        consumer.close()


def _s3_objects(server: S3Server, name: str) -> Iterator[bytes]:
    for bucket in (f"{name}-archive", f"{name}-keyring"):
        client = s3.connect(s3.S3Settings(bucket, server.endpoint, server.region,
                                          server.access_key, server.secret_key))
        page = client.list_object_versions(Bucket=bucket)
        yield repr(page).encode()
        for one in page.get("Versions", []):
            answer = client.get_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
            yield repr(answer["ResponseMetadata"]).encode() + repr(answer["Metadata"]).encode()
            yield answer["Body"].read()


def _elasticsearch_answers(client: Elasticsearch, name: str) -> Iterator[bytes]:
    client.indices.refresh(index=name)
    answer = client.search(index=name, query={"match_all": {}}, size=1000, source=True,
                           fields=[{"field": "*"}])
    assert answer["hits"]["hits"]
    yield repr(answer.body).encode()
    for one in (client.indices.get_mapping(index=name), client.indices.get_settings(index=name),
                client.indices.stats(index=name), client.nodes.stats(),
                client.cluster.state(index=name)):
        yield repr(one.body).encode()


def _elasticsearch_terms(client: Elasticsearch, name: str) -> Iterator[bytes]:
    """Words that stand among the terms of the index. No answer prints terms: each is asked for."""
    client.indices.refresh(index=name)
    for word in WORDS.values():
        for field_name in ("words", "chars", "actors", "recipients", "conversation"):
            hits = client.search(index=name, query={"term": {field_name: word}}, size=0)
            if hits["hits"]["total"]["value"]:
                yield word.encode()


def real_firm(folder: Path, module: str, servers: Servers, name: str,
              text: TextMode = BLIND) -> Firm:
    """A firm on the real servers."""
    firm = firm_in(folder, module)
    real_configuration(firm.home, name, servers.kafka, servers.s3, servers.elasticsearch)
    _configure(firm.home, text)
    return firm


@pytest.mark.slow
@pytest.mark.parametrize("text", [BLIND, NONE])
def test_no_word_is_readable_on_the_real_servers(tmp_path: Path, servers: Servers,
                                                 text: TextMode) -> None:
    """Kafka's records and files, S3's objects and volumes, Elasticsearch's answers, terms, segments
    and translog, every log: none of the words, in any spelling, packed or not."""
    name = unique_name("canary")
    assert look_real(real_firm(tmp_path, PRODUCT, servers, name, text), servers, name) == set()


@pytest.mark.slow
def test_the_control_finds_every_word_on_the_real_servers(tmp_path: Path,
                                                          servers: Servers) -> None:
    """Without sealing each word is found through each API and in each server's files."""
    name = unique_name("plain")
    found = seen(look_real(real_firm(tmp_path, CONTROL, servers, name), servers, name))
    wanted = ("kafka api", "kafka volumes", "s3 api", "s3 volumes", "elasticsearch api",
              "elasticsearch terms", "elasticsearch translog", "elasticsearch segments", "ring",
              "logs", "temporary files")
    assert {place: sorted(CAPTURED - found.get(place, set())) for place in wanted} == {
        place: [] for place in wanted}
    assert {place for place in wanted if "query" not in found[place]} == {"ring"}
