"""The witness as a process over HTTP, and the client that asks it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from archive.tlog import note
from archive.tlog.witness import REQUEST_BYTES_MAX, SIZE_TYPE, Witness, ask
from archive.tlog.witnessing import Witnessing
from infra.lasthead import FolderLatest
from infra.witness import HttpWitness, Shown, read_logs, server
from schemas.errors import Refused, Transient
from tests.archive import logs
from tests.archive.logs import NOW, ORIGIN, Book, signer
from tests.archive.tlog.test_witness import consistency, head, request, signed


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A witness that serves."""
    one = Witness(logs.witness(), {ORIGIN: (signer().key,)}, FolderLatest(tmp_path / "heads"),
                  lambda: NOW)
    serving = server(one, Shown(tmp_path / "shown"), "127.0.0.1", 0)
    thread = threading.Thread(target=serving.run)
    thread.start()
    try:
        while not serving.started:
            assert thread.is_alive()
            thread.join(0.01)
        port = serving.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        serving.should_exit = True
        thread.join()


def test_a_checkpoint_is_cosigned_over_http(url: str, tmp_path: Path) -> None:
    """By the client, through a second request where sizes differ; the memory is a file."""
    client = HttpWitness(url + "/")
    for size in (1, 20, 60):
        found = ask(client, logs.witness().key, signed(size), consistency(size))
        assert note.check(signed(size).text, found, logs.witness().key) is not None
    assert head(60) == FolderLatest(tmp_path / "heads").load(ORIGIN)


def test_the_answers_are_those_of_the_specification(url: str) -> None:
    """Status, type and body of each, as they come over the wire."""
    def post(body: bytes) -> httpx.Response:
        return httpx.post(f"{url}/add-checkpoint", content=body)

    assert 200 == post(request(0, 20)).status_code
    conflict = post(request(0, 41))
    assert (409, SIZE_TYPE, b"20\n") == (
        conflict.status_code, conflict.headers["content-type"], conflict.content)
    assert 400 == post(b"nonsense").status_code
    assert 404 == httpx.get(f"{url}/").status_code
    assert 405 == httpx.get(f"{url}/add-checkpoint").status_code
    assert 413 == post(bytes(REQUEST_BYTES_MAX + 1)).status_code


def test_the_last_checkpoint_is_shown_to_monitors(url: str) -> None:
    """By the hash of its origin, with the log's signature and the witness's."""
    name = sha256(ORIGIN.encode()).hexdigest()
    assert 404 == httpx.get(f"{url}/{name}/checkpoint").status_code
    client = HttpWitness(url)
    for size in (20, 41):
        ask(client, logs.witness().key, signed(size), consistency(size))
    shown = httpx.get(f"{url}/{name}/checkpoint")
    assert 2 == len(note.verify(note.read_bytes(shown.content),
                                [signer().key, logs.witness().key]))
    assert signed(41).text == note.read_bytes(shown.content).text
    for other in ("0" * 64, "..", name[:-1], f"{name}/x", "shown.lock"):
        assert 404 == httpx.get(f"{url}/{other}/checkpoint").status_code


def test_a_notary_collects_over_http(url: str) -> None:
    """End to end: archive, log, witness."""
    book = Book()
    notary = book.notary()
    collector = Witnessing(book.store, notary, lambda: NOW + 10**12)
    for _ in range(2):
        book.grow(0, 3)
        notary.turn()
        (outcome,) = collector.collect([(logs.witness().key, HttpWitness(url))])
        assert "" == outcome.problem
    assert [] == book.audit(witnesses=(logs.witness().key,)).faults


def test_a_witness_that_is_not_there_may_be_tried_again() -> None:
    """Nothing was decided."""
    with pytest.raises(Transient, match="does not answer"):
        HttpWitness("http://127.0.0.1:9").add_checkpoint(request(0, 1))


def test_the_logs_that_a_witness_knows_are_a_file() -> None:
    """One verifier key a line; several of one origin are all believed."""
    first, second = signer().key, signer("older").key
    text = f"# ours\n{first.vkey()}  # new\n\n{second.vkey()}\n"
    assert {ORIGIN: (first, second)} == read_logs(text)
    with pytest.raises(Refused, match="tlog_key"):
        read_logs("nonsense")
