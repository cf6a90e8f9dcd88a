"""What the S3 driver sends, and what each answer means, against a server that says what it is told.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from infra.s3 import S3Settings, S3Store, sha256_base64
from schemas.errors import Ambiguous, CounterfoilError, Exists, Halt, Missing, Transient

UNTIL_MS = 1_900_000_000_001
NO_BODY = b""


@dataclass
class Script:
    """What the server answers to everything, and what it was asked."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = NO_BODY
    hang_up: bool = False
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def script() -> Script:
    """To be set by the test."""
    return Script()


@pytest.fixture
def store(script: Script) -> Iterator[S3Store]:
    """A driver that speaks to the scripted server."""
    class Handler(BaseHTTPRequestHandler):
        # Answers "Expect: 100-continue", for which the client otherwise waits a second.
        protocol_version = "HTTP/1.1"

        def do_any(self) -> None:
            self.close_connection = True
            size = int(self.headers.get("Content-Length", 0))
            self.rfile.read(size)
            script.asked.append((self.command, self.path,
                                 {name.lower(): value for name, value in self.headers.items()}))
            if script.hang_up:
                return
            self.send_response(script.status)
            for name, value in {"Content-Length": str(len(script.body)), **script.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(script.body)

        do_PUT = do_GET = do_HEAD = do_any  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield S3Store(S3Settings(bucket="archive", endpoint=f"http://127.0.0.1:{server.server_port}",
                             access_key="key", secret_key="secret"))
    server.shutdown()
    server.server_close()
    thread.join()


def error_body(code: str) -> bytes:
    """An error as S3 writes it."""
    return f"<Error><Code>{code}</Code><Message>told to</Message></Error>".encode()


def test_a_put_is_one_conditional_locked_request(store: S3Store, script: Script) -> None:
    """The commit protocol is in the headers, the bucket in the path, and nothing is sent twice."""
    script.headers = {"x-amz-version-id": "v1"}
    assert "v1" == store.put_once("segments/a", b"body", UNTIL_MS)
    ((method, path, headers),) = script.asked
    assert ("PUT", "/archive/segments/a") == (method, path)
    assert "*" == headers["if-none-match"]
    assert "COMPLIANCE" == headers["x-amz-object-lock-mode"]
    assert "2030-03-17T17:46:41Z" == headers["x-amz-object-lock-retain-until-date"]
    assert sha256_base64(b"body") == headers["x-amz-checksum-sha256"]


def test_a_put_without_a_lock_sends_none(store: S3Store, script: Script) -> None:
    """retain_until null is no lock header at all."""
    script.headers = {"x-amz-version-id": "v1"}
    store.put_once("media/a", b"body", None)
    ((_, _, headers),) = script.asked
    assert not [name for name in headers if "object-lock" in name]


@pytest.mark.parametrize(("status", "code", "raised"), [
    (412, "PreconditionFailed", Exists),
    (409, "ConditionalRequestConflict", Transient),
    (400, "BadDigest", Transient),
    (400, "ExpiredToken", Transient),
    (400, "RequestTimeout", Transient),
    (400, "InvalidRequest", Halt),
    (400, "InvalidArgument", Halt),
    (403, "AccessDenied", Transient),
    (404, "NoSuchBucket", Transient),
    (500, "InternalError", Ambiguous),
    (503, "SlowDown", Ambiguous),
    (504, "GatewayTimeout", Ambiguous),
])
def test_each_answer_to_a_put_says_what_to_do(
        store: S3Store, script: Script, status: int, code: str,
        raised: type[CounterfoilError]) -> None:
    """Exactly that class: Ambiguous only where the store may have stored it. One request, no
    retry behind our back."""
    script.status, script.body = status, error_body(code)
    with pytest.raises(raised) as error:
        store.put_once("segments/a", b"body", UNTIL_MS)
    assert raised is type(error.value)
    assert 1 == len(script.asked)


def test_a_put_whose_answer_is_lost_is_ambiguous(store: S3Store, script: Script) -> None:
    """The connection ended after the body: it may be stored."""
    script.hang_up = True
    with pytest.raises(Ambiguous):
        store.put_once("segments/a", b"body", UNTIL_MS)
    assert 1 == len(script.asked)


def test_a_store_that_is_not_there_is_transient() -> None:
    """Nothing was sent: nothing can have been stored."""
    store = S3Store(S3Settings(bucket="archive", endpoint="http://127.0.0.1:1",
                               access_key="key", secret_key="secret"))
    with pytest.raises(Transient) as error:
        store.put_once("segments/a", b"body", UNTIL_MS)
    assert Transient is type(error.value)


@pytest.mark.parametrize("headers", [{}, {"x-amz-version-id": "null"}])
def test_a_bucket_without_versions_is_halt(
        store: S3Store, script: Script, headers: dict[str, str]) -> None:
    """A put that made no version proves nothing: the store is unsafe."""
    script.headers = headers
    with pytest.raises(Halt) as halted:
        store.put_once("segments/a", b"body", UNTIL_MS)
    assert "store_unsafe" == halted.value.finding


@pytest.mark.parametrize(("status", "code", "raised"), [
    (404, "NoSuchKey", Missing),
    (404, "NoSuchVersion", Missing),
    (405, "MethodNotAllowed", Missing),
    (404, "NoSuchBucket", Transient),
    (403, "AccessDenied", Transient),
    (400, "InvalidRequest", Transient),
    (500, "InternalError", Transient),
])
def test_each_answer_to_a_get_says_what_to_do(
        store: S3Store, script: Script, status: int, code: str,
        raised: type[CounterfoilError]) -> None:
    """Missing only where the object is not there: an archive that cannot be asked is not empty."""
    script.status, script.body = status, error_body(code)
    with pytest.raises(raised) as error:
        store.get("segments/a", "v1", 0, 10)
    assert raised is type(error.value)


def test_a_body_that_ends_early_is_transient(store: S3Store, script: Script) -> None:
    """A cut answer is never taken for a short object."""
    script.status, script.body = 206, b"12345"
    script.headers = {"Content-Length": "10", "Content-Range": "bytes 0-9/10"}
    with pytest.raises(Transient):
        store.get("segments/a", "v1", 0, 10)


def test_a_range_is_asked_for_by_its_bytes(store: S3Store, script: Script) -> None:
    """One range GET of one version."""
    script.status, script.body = 206, b"1234567890"
    assert b"1234567890" == store.get("segments/a", "v1", 5, 10)
    ((_, path, headers),) = script.asked
    assert path.endswith("versionId=v1")
    assert "bytes=5-14" == headers["range"]


def test_what_we_may_not_do_is_said_in_words(store: S3Store, script: Script) -> None:
    """It is tried again for as long as it takes: the operator reads why."""
    script.status, script.body = 403, error_body("AccessDenied")
    with pytest.raises(Transient, match="does not let us, an operator has to: 403 AccessDenied"):
        store.put_once("segments/a", b"body", UNTIL_MS)
