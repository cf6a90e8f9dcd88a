"""A reviewer's browser as far as the server can tell: one kept connection, one page after another.

Owns the bytes of a GET and the reading of its answer, in as little time as that can be done: the
clients share the machine with what they measure. Pictures, styles and the script are not fetched; a
browser keeps them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

_HEAD_END: Final = b"\r\n\r\n"
_BYTES_MAX: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Fetched:
    """`seconds`: from the first byte sent to the last one read."""

    status: int
    body: str
    seconds: float


class Browser:
    """`address`: where it comes from, an address of this machine's loopback net: the console counts
    requests by address."""

    def __init__(self, host: str, port: int, cookie: str, address: str) -> None:
        self._where = host, port
        self._address = address
        self._head = (f"Host: {host}:{port}\r\nCookie: {cookie}\r\nUser-Agent: bench\r\n"
                      "Accept: text/html\r\nConnection: keep-alive\r\n\r\n")
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> Fetched:
        """Raises OSError where the server hangs up in the middle."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            status, body = await self._once(path)
        except (asyncio.IncompleteReadError, ConnectionError):
            # A connection that was kept too long is closed by the server; a browser opens another.
            self.close()
            status, body = await self._once(path)
        return Fetched(status, body.decode("utf-8"), loop.time() - began)

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _once(self, path: str) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                *self._where, limit=_BYTES_MAX, local_addr=(self._address, 0))
        reader, writer = self._streams
        writer.write(f"GET {path} HTTP/1.1\r\n{self._head}".encode("ascii"))
        head = await reader.readuntil(_HEAD_END)
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        return int(head[9:12]), await reader.readexactly(length)
