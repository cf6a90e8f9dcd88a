"""Signed webhooks over HTTP, measured: `python -m tests.bench.load ARGUMENTS`.

Open loop: each request has its moment, and its latency counts from that moment whether or not a
connection was free (no coordinated omission). Closed loop (rate 0): every connection always busy.
The requests are made before the clock starts; only the writing of bytes is in it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

import uvloop

from tests.bench.meter import cpu_s
from tests.bench.traffic import Traffic, Webhook

PATH: Final = "/hooks/whatsapp"
# Requests that are due go out together: at 2,000/s ten at a time. Their latency counts from when
# each of them was due.
_TICK_S: Final = 0.005
_DRAIN_S_MAX: Final = 30.0
_HEAD_END: Final = b"\r\n\r\n"
_EMPTY: Final = b"content-length: 0\r\n"


def request_bytes(webhook: Webhook) -> bytes:
    """One POST as a provider sends it."""
    head = (f"POST {PATH} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            f"X-Hub-Signature-256: {webhook.signature()}\r\n"
            f"Content-Length: {len(webhook.body)}\r\n\r\n")
    return head.encode("ascii") + webhook.body


class _Connection(asyncio.Protocol):
    """One keep-alive connection with one request under way at a time."""

    def __init__(self, done: Callable[[_Connection, int], None]) -> None:
        self._done = done
        self._read = b""
        self.transport: asyncio.Transport | None = None
        self.number = -1

    def send(self, number: int, data: bytes) -> None:
        """Request `number`."""
        self.number = number
        assert self.transport is not None
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        if not self._read and data.endswith(_HEAD_END) and _EMPTY in data:
            self._done(self, int(data[9:12]))     # one whole answer without a body: every good one
            return
        self._read += data
        head, found, rest = self._read.partition(_HEAD_END)
        if not found:
            return
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        if len(rest) < length:
            return
        self._read = b""
        self._done(self, int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.number >= 0:
            self._done(self, 0)


class _Load:
    """A run: which requests, when, and what came back."""

    def __init__(self, requests: list[bytes], rate: float) -> None:
        self._requests = requests
        self._rate = rate
        self._idle: deque[_Connection] = deque()
        self._due_at: list[float] = []
        self._next = 0
        self._began = 0.0
        self.statuses: dict[int, int] = {}
        self.accepted: list[int] = []
        self.latencies: list[float] = []
        self.ended = 0.0
        self._open = 0

    async def run(self, port: int, connections: int) -> None:
        """Everything sent and answered, or the time over."""
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            transport, made = await loop.create_connection(lambda: _Connection(self._done),
                                                           "127.0.0.1", port)
            made.transport = transport
            self._idle.append(made)
        self._began = time.monotonic()
        deadline = None
        while self._next < len(self._requests) or self._open:
            self._send_due()
            if self._next >= len(self._requests):
                deadline = deadline or time.monotonic() + _DRAIN_S_MAX
                if time.monotonic() > deadline:
                    break
            await asyncio.sleep(_TICK_S)

    @property
    def seconds(self) -> float:
        """From the first request to the last answer."""
        return self.ended - self._began

    def _send_due(self) -> None:
        now = time.monotonic()
        while self._idle and self._next < len(self._requests):
            due = self._began + self._next / self._rate if self._rate else now
            if due > now:
                return
            self._due_at.append(due)
            connection = self._idle.popleft()
            self._open += 1
            connection.send(self._next, self._requests[self._next])
            self._next += 1

    def _done(self, connection: _Connection, status: int) -> None:
        self.ended = time.monotonic()
        number, connection.number = connection.number, -1
        self._open -= 1
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status == 200:
            self.accepted.append(number)
            self.latencies.append(self.ended - self._due_at[number])
        if status:
            self._idle.append(connection)
            if not self._rate:
                self._send_due()


def main() -> None:
    """ARGUMENTS: seed, people, count, rate (0 = closed loop), port, connections, accepted (a file
    for the numbers of the requests that were answered with 200), ready (a file: begin now)."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    traffic = Traffic(asked["seed"], asked["people"])
    requests = [request_bytes(one) for one in traffic.webhooks(asked["count"])]
    Path(asked["ready"]).touch()
    load = _Load(requests, asked["rate"])
    began = cpu_s()
    gc.disable()                                 # what it makes, it drops
    uvloop.run(load.run(asked["port"], asked["connections"]))
    Path(asked["accepted"]).write_text(json.dumps(load.accepted), "ascii")
    cuts = quantiles(load.latencies, n=100)
    print(json.dumps({
        "accepted": len(load.accepted), "statuses": load.statuses, "seconds": load.seconds,
        "per_s": len(load.accepted) / load.seconds, "cpu_s": cpu_s() - began,
        "p50_ms": cuts[49] * 1000, "p95_ms": cuts[94] * 1000, "p99_ms": cuts[98] * 1000}))


if __name__ == "__main__":
    main()
