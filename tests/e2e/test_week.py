"""The same week, embedded and on the real servers, is the same record (DESIGN §2).

Clock, keys and ids are given to both; what may differ is where a record lies.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra import s3
from infra.demo.week import _PHRASES, LOST, week
from schemas.document import Document, Entry
from schemas.errors import Refused
from schemas.wire import Pointer
from search.follow import compare, rebuild
from tests.conftest import ElasticsearchServer, KafkaServer, S3Server
from tests.e2e.installation import SECRETS, Installation, real_configuration, unique_name
from tests.e2e.line import Line

pytestmark = pytest.mark.slow

NOWHERE = Pointer("", 0, 0, 0, "", 0, 0, 0, 0)
BATCHES = ("of many", *_PHRASES)
PLACES = frozenset({"segment", "offset", "index", "retain_until"})


def placeless(found: Document) -> Document:
    """The document without where its records lie: log, segment, cell, and the lock of those; with
    its entries in an order that does not depend on that."""
    entries = sorted((_placeless(one) for one in found.entries), key=repr)
    # What is of one minute stands in the order of the log.
    return replace(found, entries=tuple(entries), sort_at=found.sort_at // 60_000)


def _placeless(entry: Entry) -> Entry:
    # `seen` names the sealing in which a record came: a pack holds what waits for one partition.
    return replace(entry, pointer=NOWHERE, retain_until=0, seen="")


def without_places(value: Any) -> Any:
    """What `show` prints, without where its records lie."""
    if isinstance(value, dict):
        return {name: without_places(one) for name, one in value.items() if name not in PLACES}
    if isinstance(value, list):
        return [without_places(one) for one in value]
    return value


def captured(line: Line) -> dict[str, Document]:
    """Every document of what came in at the doors. Who looked (audit) differs, and heartbeats
    count packs."""
    return {doc_id: placeless(one) for doc_id, one in line.documents().items()
            if one.kind != "audit"}


def test_the_documents_are_equal(embedded_line: Line, real_line: Line) -> None:
    """Not one document more, less or different: captured_at, order and tokens included."""
    embedded, real = captured(embedded_line), captured(real_line)
    assert len(embedded) > 1_200
    assert sorted(embedded) == sorted(real)
    assert [one for one in embedded if embedded[one] != real[one]] == []


def test_what_is_shown_is_equal(embedded_line: Line, real_line: Line) -> None:
    """Every message, with its versions, texts and conversation, reads the same from both."""
    found = embedded_line.search("(kind:message OR kind:edit OR kind:retraction OR kind:unknown)"
                                 " NOT \"of a long delivery\"")
    # Of the two batches, whose items read alike, a few are enough.
    ids = [one["id"] for one in found if one["version_count"] > 1 or one["sighting_count"] > 1
           or not any(words in (one["text"] or "") for words in BATCHES)]
    ids += [one["id"] for one in embedded_line.search('"update number7" OR curtains')[:5]]
    assert len(ids) >= 30
    for doc_id in ids:
        assert without_places(embedded_line.show(doc_id)) == without_places(
            real_line.show(doc_id))


@pytest.mark.parametrize("query", [
    '"21 March"', "deposit AND NOT friday", "合同", "الحوالة", "👍", "from:maria account",
    f"from:{LOST.partition('.')[0]}", "state:retracted", "channel:sms", "with:anna.lindt deposit",
    "kind:quarantine", '"in the group"', "kind:receipt",
])
def test_both_find_the_same(embedded_line: Line, real_line: Line, query: str) -> None:
    """One language, one meaning, in the same order."""
    found = [without_places(one) for one in embedded_line.search(query)]
    assert found == [without_places(one) for one in real_line.search(query)]


@pytest.fixture(params=["embedded", "real"])
def line(request: pytest.FixtureRequest, embedded_line: Line, real_line: Line) -> Line:
    """Each line in turn."""
    lines = {"embedded": embedded_line, "real": real_line}
    return lines[request.param]


def test_the_week_came_through(line: Line) -> None:
    """What the demo shows is true on both: the edit, both retractions, the batch, the scripts."""
    (edited,) = line.search('"12 March"')
    assert edited["state"] == "edited" and "21 March" in edited["text"]
    assert ["Between us", "Please ign"] == sorted(
        one["text"][:10] for one in line.search("state:retracted (cousin OR surveyor)"))
    # Twenty of the batch of two hundred say so; one of them was the malformed item.
    assert len(line.search('"confirm the account number"')) == 19
    assert len(line.search("合同")) == 1
    steps = list(week(SECRETS, 0))
    assert [one.status for one in line.posted[:len(steps)]] == [one.expect for one in steps]


def test_a_rebuild_is_equal(line: Line) -> None:
    """The index made again from the archive alone is the index, document for document (G5)."""
    live = line.index()
    indexes = line.wire.indexes()
    fresh = indexes.open(rebuild(line.wire.reader(), indexes, line.wire.projector()))
    assert list(compare(live, fresh)) == []


def test_an_administrator_cannot_delete_a_locked_version(real_line: Line) -> None:
    """With the store's own credentials, version by version, in bulk, claiming the right to bypass:
    refused, and the record is untouched."""
    wire = real_line.wire
    settings = wire.s3_settings(wire.config.store.bucket)
    hand = s3.S3Adversary(settings)
    versions = list(wire.store.versions("segments/"))
    assert versions
    for one in versions[:3]:
        before = wire.store.get(one.key, one.version_id)
        for bypass in (False, True):
            with pytest.raises(Refused):
                hand.delete_version(one.key, one.version_id, bypass=bypass)
        with pytest.raises(Refused):
            hand.delete_versions([(one.key, one.version_id)])
        assert wire.store.get(one.key, one.version_id) == before
    assert real_line.findings() == []


@pytest.fixture
def unlocked(tmp_path: Path, kafka_server: KafkaServer, s3_server: S3Server,
             elasticsearch_server: ElasticsearchServer) -> Installation:
    """An installation whose bucket was made by somebody without Object Lock."""
    name = unique_name("unlocked")
    settings = s3.S3Settings(f"{name}-archive", s3_server.endpoint, s3_server.region,
                             s3_server.access_key, s3_server.secret_key)
    s3.create_bucket(s3.connect(settings), settings, with_lock=False)
    home = tmp_path / "home"
    real_configuration(home, name, kafka_server, s3_server, elasticsearch_server)
    return Installation(home)


def test_a_store_without_locks_is_refused(unlocked: Installation) -> None:
    """`run` does not start on it, `doctor` says in words what is missing, and nothing was written
    that could be taken for a record."""
    answer = unlocked.cli("run", "--port", str(unlocked.port), code=70)
    assert "store_unsafe" in answer.err and "object lock is not enabled" in answer.err
    said = unlocked.cli("doctor", "--json", code=1).row()
    assert not said["safe"]
    unsafe = [one for one in said["checks"] if one["outcome"] == "unsafe"]
    assert any("object lock is not enabled" in one["words"] for one in unsafe)
    wire = unlocked.inside().wire
    assert not list(wire.store.versions("segments/"))
