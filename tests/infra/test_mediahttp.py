"""The guarded GET: where it may go, how much of it, how long (DESIGN §11, "Media URLs")."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest

from infra.mediahttp import Answer, CheckedClient, HttpRules, is_public, origin_of
from ingest.media import FetchFailed
from schemas.errors import Transient
from tests.fakes.media_api import (
    MediaApi,
    endless,
    go_to,
    graph_error,
    say,
    serving,
    wait_for,
)

pytestmark = pytest.mark.slow

LISTED = "files.provider.example"
PUBLIC = "93.184.215.14"


@pytest.fixture
def api() -> Iterator[MediaApi]:
    """A server on loopback."""
    with serving() as made:
        yield made


def rules(api: MediaApi, total_s_max: float = 30.0) -> HttpRules:
    """One listed host, and the server's own origin as a test configures it."""
    return HttpRules(frozenset({LISTED}), frozenset({origin_of(urlsplit(api.base))}), total_s_max)


def get(client: CheckedClient, address: str, bytes_max: int = 1 << 20) -> tuple[Answer, bytes]:
    """A whole body."""
    got = bytearray()
    return client.get(address, lambda _url: {}, got.extend, bytes_max), bytes(got)


def refusal(client: CheckedClient, address: str, bytes_max: int = 1 << 20) -> tuple[str, bool]:
    """(reason, final) of a GET that must fail."""
    with pytest.raises(FetchFailed) as failed:
        get(client, address, bytes_max)
    return failed.value.reason, failed.value.final


class Names:
    """A name server that says what it is told, and remembers who was asked for."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[Any]:
        self.asked.append(host)
        if host == "127.0.0.1":
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, port))]
        return [(socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 0, "",
                 (one, port)) for one in self.addresses]


@pytest.mark.parametrize("address", [
    "http://files.provider.example/a", "https://files.provider.example:8443/a",
    "https://files.provider.example.evil.example/a", "https://evil.example/a",
    "https://files.provider.example@evil.example/a", "https://evil.example\\@files.provider.example",
    "https://user:pass@files.provider.example/a", "https://127.0.0.1/a", "https://[::1]/a",
    "https://2130706433/a", "https://0x7f.1/a", "https://169.254.169.254/latest/meta-data",
    "ftp://files.provider.example/a", "file:///etc/passwd", "gopher://files.provider.example/a",
    "//files.provider.example/a", "files.provider.example/a", "", "https://", "https:///a",
    "https://files.provider.example:0x1bb/a", "https://files.provider.example:99999/a",
    "https://files.provider.example/a\r\nHost: evil.example", "https://files.provider.example/ a",
    "https://files.provider.éxample/a", "https://files.provider.example\u3002evil/a",
    "https://files.provider.example/" + "a" * 5000, "http://127.0.0.1:1/a", "http://localhost/a",
])
def test_an_address_that_is_not_on_the_list_is_never_asked_for(api: MediaApi,
                                                               address: str) -> None:
    """Refused for good, before any name is resolved: also on loopback, also as a number."""
    names = Names(PUBLIC)
    assert refusal(CheckedClient(rules(api), names), address) == ("refused_host", True)
    assert names.asked == []


PRIVATE = (
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "0.0.0.0",  # noqa: S104 - nobody binds to it
    "100.64.0.1", "192.0.0.8", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1",
    "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
    "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::1", "2001:0:7f00:1::", "192.0.2.1", "nonsense")


@pytest.mark.parametrize("private", PRIVATE)
def test_a_listed_name_at_an_address_that_is_not_public_is_refused(api: MediaApi,
                                                                   private: str) -> None:
    """Alone, and as one answer among public ones."""
    assert not is_public(private)
    for names in (Names(private), Names(PUBLIC, private), Names(private, PUBLIC)):
        client = CheckedClient(rules(api), names)
        assert refusal(client, f"https://{LISTED}/a") == ("refused_host", True)


@pytest.mark.parametrize("public", [PUBLIC, "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(public: str) -> None:
    """Else nothing could be fetched."""
    assert is_public(public)


def test_the_connection_goes_to_the_address_that_was_checked(
        api: MediaApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that says something else the second time is not asked a second time."""
    went: list[Any] = []

    def connect(_self: socket.socket, where: Any) -> None:
        went.append(where)
        raise ConnectionRefusedError

    names = Names(PUBLIC, "8.8.8.8")
    monkeypatch.setattr(socket.socket, "connect", connect)
    assert refusal(CheckedClient(rules(api), names), f"https://{LISTED}/a") == (
        "unreachable", False)
    assert (names.asked, went) == ([LISTED], [(PUBLIC, 443), ("8.8.8.8", 443)])


def test_a_redirect_goes_through_the_same_gate(api: MediaApi) -> None:
    """To a private address, another scheme, another host or for ever: refused; on the list: gone
    to; and a credential does not follow it elsewhere."""
    client = CheckedClient(rules(api), Names("10.0.0.1"))
    for target in ("http://169.254.169.254/latest", f"https://{LISTED}/a", "http://localhost:1/",
                   "https://evil.example/", "file:///etc/passwd", "//evil.example/",
                   "http://[::1"):
        api.once("/start", go_to(target))
        assert refusal(client, f"{api.base}/start") == ("refused_host", True), target
    for _ in range(4):
        api.once("/start", go_to("/start"))
    assert refusal(client, f"{api.base}/start") == ("refused_host", True)
    api.files["/end"] = ("image/png", b"body")
    for status in (301, 302, 303, 307, 308):
        api.once("/start", go_to("/end", status))
        assert get(client, f"{api.base}/start") == (Answer("image/png", 4), b"body")
    assert api.accusations == []


def test_more_than_the_limit_is_not_read(api: MediaApi) -> None:
    """Whether the length was stated or not, and whatever it was."""
    client = CheckedClient(rules(api))
    api.once("/a", say(200, b"x" * 11))
    assert refusal(client, f"{api.base}/a", 10) == ("too_large", True)
    api.once("/a", endless)
    assert refusal(client, f"{api.base}/a", 1 << 20) == ("too_large", True)
    api.once("/a", say(200, b"x" * 10))
    assert get(client, f"{api.base}/a", 10)[1] == b"x" * 10


@pytest.mark.parametrize(("stated", "reason"), [
    ("20", "cut_off"), ("-1", "unreachable"), ("ten", "unreachable"), ("٤", "unreachable")])
def test_a_length_that_lies_is_not_believed(api: MediaApi, stated: str, reason: str) -> None:
    """A body shorter than stated is no file; and a length that is no number is no answer."""
    def lie(request: Any) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: " + stated.encode() +
                            b"\r\n\r\n0123456789")
        request.close_connection = True

    api.once("/a", lie)
    assert refusal(CheckedClient(rules(api)), f"{api.base}/a") == (reason, False)


@pytest.mark.parametrize(("status", "reason"), [
    (400, "unreachable"), (404, "not_found"), (410, "not_found"), (401, "unauthorized"),
    (403, "unauthorized"), (429, "unreachable"), (500, "unreachable"), (503, "unreachable"),
    (204, "unreachable"), (206, "unreachable"), (304, "unreachable")])
def test_what_is_no_200_is_no_file(api: MediaApi, status: int, reason: str) -> None:
    """Each with its reason; none of them final by itself."""
    api.once("/a", say(status, b""))
    assert refusal(CheckedClient(rules(api)), f"{api.base}/a") == (reason, False)


@pytest.mark.parametrize(("code", "subcode", "reason"), [
    (100, 33, "not_found"), (100, None, "unreachable"), (100, 34, "unreachable"),
    (33, None, "unreachable"), (4, None, "unreachable"), (80007, None, "unreachable"),
    (130429, None, "unreachable"), (1, 33, "unreachable")])
def test_a_400_is_read_before_it_is_believed(api: MediaApi, code: int, subcode: int | None,
                                             reason: str) -> None:
    """Meta says 400 for an id that it does not know and for being asked too often: the first is an
    answer about the file, the others are none."""
    api.once("/a", graph_error(code, subcode))
    assert refusal(CheckedClient(rules(api)), f"{api.base}/a") == (reason, False)


UNKNOWN = b'{"error": {"code": 100, "error_subcode": 33}}'


@pytest.mark.parametrize("body", [
    b"", b"nonsense", b"\xff\xfe", b"[]", b"null", b'"error"', b'{"error": []}', b'{"error": null}',
    b'{"error": "100"}', b'{"error": {"code": "100", "error_subcode": "33"}}',
    b'{"code": 100, "error_subcode": 33}', b"[" * 30_000, UNKNOWN[:-1],
    UNKNOWN + b" " * (1 << 16)], ids=range(14))
def test_a_400_that_is_not_understood_says_nothing_of_the_file(api: MediaApi,
                                                               body: bytes) -> None:
    """Empty, not JSON, of another form, nested without end, or over 64 KiB: it is tried again."""
    client = CheckedClient(rules(api))
    api.once("/a", say(400, body), say(400, UNKNOWN + b" " * ((1 << 16) - len(UNKNOWN))))
    assert refusal(client, f"{api.base}/a") == ("unreachable", False)
    assert refusal(client, f"{api.base}/a") == ("not_found", False)


def test_a_400_without_end_is_not_read_to_it(api: MediaApi) -> None:
    """64 KiB of it are enough."""
    def endless_400(request: Any) -> None:
        request.send_response = lambda _status: type(request).send_response(request, 400)
        endless(request)

    api.once("/a", endless_400)
    assert refusal(CheckedClient(rules(api)), f"{api.base}/a") == ("unreachable", False)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EPIPE,
                                    errno.ETIMEDOUT])
def test_a_disk_of_ours_that_fails_is_not_the_providers_fault(api: MediaApi, number: int) -> None:
    """Whatever its number, also one that a line may have: nothing was decided, in its own words,
    without the place where it happened."""
    def full(_piece: bytes) -> None:
        raise OSError(number, os.strerror(number), "/secret/place")

    api.files["/a"] = ("image/png", b"body")
    with pytest.raises(Transient) as failed:
        CheckedClient(rules(api)).get(f"{api.base}/a", lambda _url: {}, full, 1 << 20)
    assert str(failed.value) == f"disk: {os.strerror(number)}"


def test_who_asks_not_to_be_asked_is_obeyed(api: MediaApi) -> None:
    """Retry-After, up to an hour; a date or nonsense is none."""
    client = CheckedClient(rules(api))
    for stated, after in (("30", 30_000), ("99999", 3_600_000), ("soon", 0), ("-1", 0)):
        api.once("/a", say(429, b"", Retry_After=stated))
        with pytest.raises(FetchFailed) as failed:
            get(client, f"{api.base}/a")
        assert failed.value.after_ms == after


def test_what_is_not_http_fails_and_nothing_else_does(api: MediaApi) -> None:
    """Half an answer, no answer, packed bytes that nobody asked for."""
    client = CheckedClient(rules(api))
    for raw in (b"", b"HTTP/1.1 200", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200):
        def broken(request: Any, raw: bytes = raw) -> None:
            request.wfile.write(raw)
            request.close_connection = True
        api.once("/a", broken)
        assert refusal(client, f"{api.base}/a")[0] in ("unreachable", "cut_off")
    api.once("/a", say(200, b"xx", Content_Encoding="gzip"))
    assert refusal(client, f"{api.base}/a") == ("unreachable", False)


def test_who_drips_is_cut_when_the_time_is_over(api: MediaApi) -> None:
    """The limit is on the whole file, not on each byte."""
    never = threading.Event()
    api.once("/a", wait_for(never, say(200, b"late")))
    client = CheckedClient(rules(api, total_s_max=0.1))
    assert refusal(client, f"{api.base}/a") == ("unreachable", False)
    never.set()


def test_a_close_ends_what_is_under_way(api: MediaApi) -> None:
    """A process that stops does not wait for a stranger."""
    never, began = threading.Event(), threading.Event()

    def hang(request: Any) -> None:
        began.set()
        never.wait(30)

    api.once("/a", hang)
    client = CheckedClient(rules(api))
    reasons: list[str] = []
    thread = threading.Thread(target=lambda: reasons.append(refusal(client, f"{api.base}/a")[0]))
    thread.start()
    assert began.wait(10)
    client.close()
    thread.join(10)
    never.set()
    assert reasons == ["unreachable"]
    assert refusal(client, f"{api.base}/a") == ("unreachable", False)


def test_a_server_without_the_names_certificate_is_not_spoken_to(
        api: MediaApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """https means TLS with the name's own certificate: a plain server is none."""
    port = urlsplit(api.base).port
    connect = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect",
                        lambda self, where: connect(self, ("127.0.0.1", port)))
    assert refusal(CheckedClient(rules(api), Names(PUBLIC)), f"https://{LISTED}/a") == (
        "unreachable", False)
    assert api.asked == []


@pytest.mark.parametrize(("stated", "told"), [
    ("image/jpeg", "image/jpeg"), ("Image/JPEG; charset=x", "image/jpeg"), ("nonsense", None),
    ("a/b/c", None), ("a /b", None), ("x" * 200 + "/b", None)])
def test_a_media_type_is_one_or_nothing(api: MediaApi, stated: str, told: str | None) -> None:
    """What a stranger's header says goes into a record."""
    api.once("/a", say(200, b"x", stated))
    assert get(CheckedClient(rules(api)), f"{api.base}/a")[0].media_type == told
