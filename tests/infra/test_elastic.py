"""What each answer of Elasticsearch means, against a server that says what it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra import elastic, elastic_documents
from infra.elastic import ElasticIndex, connect
from schemas.errors import Halt, Transient
from schemas.events import CapturedEvent
from search.index import Write
from search.project import document
from tests.search import strategies, world
from tests.search.world import PROJECTOR, MemoryArchive


@dataclass
class Script:
    """The largest body that the server takes, what it answers to all others, and how many
    operations each bulk that it took had."""

    bytes_max: int = 1 << 30
    status: int = 200
    item_status: int = 201
    taken: list[int] = field(default_factory=list)
    refused: int = 0


@pytest.fixture
def script() -> Script:
    """To be set by the test."""
    return Script()


@pytest.fixture
def index(script: Script) -> Iterator[ElasticIndex]:
    """A driver that speaks to the scripted server."""
    class Handler(BaseHTTPRequestHandler):
        def do_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if len(body) > script.bytes_max:
                script.refused += 1
                self.answer(413, b"")
                return
            ids = [json.loads(line)["create"]["_id"] for line in body.splitlines()[::2]]
            script.taken.append(len(ids))
            self.answer(script.status, json.dumps({
                "errors": script.item_status >= 300, "error": {"type": "told_to"},
                "items": [{"create": {"_id": one, "status": script.item_status,
                                      "error": {"type": "told_to"}}} for one in ids]}).encode())

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            for name, value in (("Content-Length", str(len(body))),
                                ("Content-Type", "application/json"),
                                ("X-Elastic-Product", "Elasticsearch")):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_POST = do_GET = do_any  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    client = connect(f"http://127.0.0.1:{server.server_port}")
    yield ElasticIndex(client, "test-000001")
    client.close()
    server.shutdown()
    server.server_close()
    thread.join()


def writes(count: int) -> list[Write]:
    """New documents."""
    archive = MemoryArchive()
    archive.seal([world.event(native_id=f"m{number}") for number in range(count)])
    projected = [PROJECTOR.project(read, 0) for read in archive.events()]
    return [Write(document(one[0], [one[1]]), None) for one in projected if one]


@given(strategies.message_events(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_what_is_stored_gives_the_document_back(items: list[CapturedEvent], whole: bool) -> None:
    """One entry leaves out what the fields say, several do not; both come back as they were."""
    archive = MemoryArchive()
    archive.seal(items)
    found = [one for read in archive.events() if (one := PROJECTOR.project(read, 0)) is not None]
    for many in [[entry for _, entry in found]] if whole else [[entry] for _, entry in found]:
        made = document("ab" * 16, many)
        lines = elastic._operation(made.doc_id, None, elastic_documents.fields(made))
        what, body = lines.splitlines()
        assert {"create": {"_id": made.doc_id}} == json.loads(what)
        assert made == elastic_documents.read(made.doc_id, json.loads(body))


def test_a_request_that_is_too_large_is_halved(index: ElasticIndex, script: Script) -> None:
    """Until it passes; nothing is sent twice that was taken, and no document is left out."""
    script.bytes_max = 4_000
    assert frozenset() == index.put(writes(20), {})
    assert 20 == sum(script.taken)
    assert script.refused > 0 and max(script.taken) > 1


def test_a_document_that_is_too_large_waits_for_a_limit(
        index: ElasticIndex, script: Script) -> None:
    """The indexer goes on trying, and says what to raise; it never stops for it."""
    script.bytes_max = 100
    with pytest.raises(Transient, match=r"413 .*max_content_length"):
        index.put(writes(2), {})


@pytest.mark.parametrize(("status", "words"), [
    (401, "credentials"), (403, "privilege"), (413, "larger"), (429, "429"), (503, "503")])
@pytest.mark.parametrize("of_item", [False, True])
def test_what_an_operator_can_change_is_tried_again(
        index: ElasticIndex, script: Script, status: int, words: str, of_item: bool) -> None:
    """For the request or for one item of it; the reason is in the words."""
    script.status, script.item_status = (200, status) if of_item else (status, 201)
    with pytest.raises(Transient, match=words):
        index.put(writes(1), {})


@pytest.mark.parametrize("of_item", [False, True])
def test_what_the_mapping_refuses_is_halt(
        index: ElasticIndex, script: Script, of_item: bool) -> None:
    """No second try can help."""
    script.status, script.item_status = (200, 400) if of_item else (400, 201)
    with pytest.raises(Halt) as halted:
        index.put(writes(1), {})
    assert "index_refused" == halted.value.finding


def test_what_the_server_still_keeps_is_said(
        index: ElasticIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """A purge that the server does not follow to its end returns, and its words say how much."""
    monkeypatch.setattr(elastic, "_PURGE_AGAIN_S", 0.0)
    monkeypatch.setattr(index, "_merged", lambda _names: 3)
    assert "still keeps 3 deleted documents" in index.purge()
