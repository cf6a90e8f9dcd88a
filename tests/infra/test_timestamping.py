"""Checkpoints are stamped by a local authority over HTTP, kept, and found again."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from archive.store import Lock
from archive.tlog import stamping
from archive.tlog.note import Note
from archive.tlog.sequence import timestamp_key
from archive.tlog.timestamp import QUERY_TYPE, REPLY_TYPE
from infra.timestamping import HttpStamper
from schemas.errors import Transient
from tests.archive.logs import NOW, Book
from tests.archive.tlog.test_timestamp import real_authority
from tests.archive.tlog.tsa import MOMENT, Authorities
from tests.fakes.store import FakeStore
from tests.world import Random


@pytest.fixture
def made() -> Authorities:
    """An authority that is good today."""
    now = datetime.now(MOMENT.tzinfo)
    return Authorities(begins=now - timedelta(days=1), ends=now + timedelta(days=1))


@pytest.fixture
def url(made: Authorities, tmp_path: Path) -> Iterator[str]:
    """openssl behind HTTP."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert QUERY_TYPE == self.headers["content-type"]
            answer = b"" if self.path == "/none" else real_authority(tmp_path, made, body)
            if self.path == "/large":
                answer *= 1000
            self.send_response(404 if self.path == "/gone" else 200)
            self.send_header("content-type", REPLY_TYPE)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def signed_log() -> tuple[Book, Note]:
    """A log and its checkpoint."""
    book = Book(FakeStore(lambda: NOW, accuse=False))
    book.grow(0, 3)
    notary = book.notary()
    notary.turn()
    signed = notary.checkpoint()
    assert signed is not None
    return book, signed


@pytest.mark.allowed_skip("openssl is a program of the machine, not of the repository")
def test_a_checkpoint_is_stamped_once_and_found_again(url: str, made: Authorities) -> None:
    """By two authorities of a list; the second round asks nobody."""
    book, signed = signed_log()
    first, second = made.authority(name="one"), made.authority(name="two")
    asked = [(first, HttpStamper(url)), (second, HttpStamper(url))]
    done = stamping.collect(book.store, signed, asked, Random("nonce"), NOW + 10**12)
    assert ["", ""] == [one.problem for one in done]
    again = stamping.collect(book.store, signed, [(first, HttpStamper("http://127.0.0.1:9"))],
                             Random("nonce"), NOW + 10**12)
    assert [done[0].stamp] == [one.stamp for one in again]
    found = stamping.kept(book.store, signed, first)
    assert found is not None
    assert done[0].stamp == found[1]
    assert [] == book.audit().faults


@pytest.mark.allowed_skip("openssl is a program of the machine, not of the repository")
def test_what_does_not_verify_is_not_kept(url: str, made: Authorities) -> None:
    """Of another authority, empty, too large, refused: said, and nothing stored."""
    book, signed = signed_log()
    stranger = Authorities().authority(name="stranger")
    named = made.authority(name="No Name")
    asked = [(stranger, HttpStamper(url)), (named, HttpStamper(url)),
             *((made.authority(), HttpStamper(url + path))
               for path in ("/none", "/gone", "/large")),
             (made.authority(), HttpStamper("http://127.0.0.1:9"))]
    done = stamping.collect(book.store, signed, asked, Random("nonce"), NOW + 10**12)
    assert all(one.stamp is None and one.problem for one in done)
    assert [] == list(book.store.versions("log/timestamp/"))


def test_a_strangers_object_at_its_name_is_no_stamp(made: Authorities) -> None:
    """It is passed over, and said where the name is wanted."""
    book, signed = signed_log()
    assert isinstance(book.store, FakeStore)
    size = int(signed.text.split("\n")[1])
    book.store.plant(timestamp_key(size, "tsa"), b"junk", Lock("", 0))
    assert stamping.kept(book.store, signed, made.authority()) is None
    with pytest.raises(Transient):
        HttpStamper("http://127.0.0.1:9").stamp(b"")
