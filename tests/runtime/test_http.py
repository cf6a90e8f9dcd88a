"""Strangers at the socket: bounded in bytes, time and number before anybody knows them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
import uvloop

from infra.http import BoundedProtocol, HttpLimits, bounded
from tests.ingest.doorway import until

pytestmark = pytest.mark.slow

GET = b"GET /hello HTTP/1.1\r\nHost: x\r\n"
Client = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
LIMITS = HttpLimits(connections_max=8)


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answers every request with what came as its body."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


def serve(limits: HttpLimits, act: Callable[[Client, type[BoundedProtocol]],
                                            Awaitable[None]]) -> None:
    """Act as strangers at a server of our protocol; no error leaves it."""

    async def main() -> None:
        protocol = bounded(limits)
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            server = uvicorn.Server(uvicorn.Config(
                hello, http=protocol, ws="none", loop="none", lifespan="off",
                log_config=None, access_log=False, log_level="error"))
            port = listening.getsockname()[1]
            serving = asyncio.create_task(server.serve([listening]))
            await until(lambda: server.started)
            writers: list[asyncio.StreamWriter] = []

            async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writers.append(writer)
                return reader, writer

            try:
                await act(connect, protocol)
            finally:
                for writer in writers:
                    writer.close()
                server.should_exit = True
                await serving
                assert not protocol.waiting

    uvloop.run(main())


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What came until the server closed."""
    out = b""
    try:
        async with asyncio.timeout(20):
            while piece := await reader.read(65536):
                out += piece
    except ConnectionError:
        pass
    return out


@pytest.mark.parametrize(("first", "flood"), [
    (GET + b"X: ", b"a" * 4096),
    (GET, b"".join(b"X%d: y\r\n" % n for n in range(500))),
    (b"GET /", b"a" * 4096),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: ", b"a" * 4096),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", b"X: y\r\n" * 700),
    (b"", b"\r\n" * 2048),
], ids=["value", "headers", "url", "trailer value", "trailers", "line ends"])
def test_headers_without_end_are_cut_off(first: bytes, flood: bytes) -> None:
    """A stranger's headers take 64 KiB of memory and not a byte more: the connection ends."""

    async def act(connect: Client, protocol: type[BoundedProtocol]) -> None:
        reader, writer = await connect()
        writer.write(first)
        sent = 0
        try:
            while sent < 4 << 20 and not reader.at_eof():
                writer.write(flood)
                sent += len(flood)
                await writer.drain()
        except ConnectionError:
            pass
        assert b" 200 " not in await ended(reader)

    serve(LIMITS, act)


def test_a_large_body_is_no_header() -> None:
    """What is read as a body is not counted here, however it is cut."""
    body = b"b" * 300_000

    async def act(connect: Client, protocol: type[BoundedProtocol]) -> None:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nContent-Length: 300000\r\n\r\n" + body)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(len(body)) == body
        writer.write(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"".join(b"1\r\nb\r\n" for _ in range(30_000)) + b"0\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(30_000) == b"b" * 30_000

    serve(LIMITS, act)


@pytest.mark.parametrize("start", [b"", GET, b"\r\n", GET + b"\r\n" + GET])
def test_headers_that_do_not_come_end_the_connection(start: bytes) -> None:
    """Silence, half a head, and half a second head after an answer: closed at the deadline."""

    async def act(connect: Client, protocol: type[BoundedProtocol]) -> None:
        reader, writer = await connect()
        writer.write(start)
        answer = await ended(reader)
        assert answer.count(b" 200 ") == (start.count(b"GET") == 2)

    serve(HttpLimits(8, head_s_max=0.05), act)


def test_the_idle_make_room_for_who_speaks() -> None:
    """More silent connections than there is room for: the oldest go, a genuine request is
    answered, and one that is being answered is never the one to go."""

    async def act(connect: Client, protocol: type[BoundedProtocol]) -> None:
        busy_reader, busy = await connect()
        busy.write(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n1")
        await until(lambda: not protocol.waiting)
        idle = [await connect() for _ in range(12)]
        reader, writer = await connect()
        writer.write(GET + b"\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await ended(idle[0][0]) == b""
        busy.write(b"2")
        assert (await busy_reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")

    serve(LIMITS, act)


def test_requests_in_a_row_are_bounded() -> None:
    """Thousands of requests in one piece are not thousands of requests in memory."""

    async def act(connect: Client, protocol: type[BoundedProtocol]) -> None:
        reader, writer = await connect()
        writer.write((GET + b"\r\n") * 2_000)
        assert (await ended(reader)).count(b" 200 ") < 40

    serve(LIMITS, act)
