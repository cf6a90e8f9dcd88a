"""One connection at the doors: what it may send before anybody knows who is there.

Owns the bounds that uvicorn does not have: bytes and time until the headers are complete, requests
in a row without waiting for an answer, and how many connections there are. All of it closes
quietly: a stranger must not be able to write our log full.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# Requests of one connection that may wait behind the one that is being answered.
_PIPELINED_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """`head_bytes_max`: URL, headers and trailers of one request. `head_s_max`: until the headers
    are complete. `connections_max`: at once, of this process."""

    connections_max: int
    head_bytes_max: int = 64 * 1024
    head_s_max: float = 10.0


class _TooMuch(Exception):
    """Raised inside a parser's callback; becomes 400 and the end of the connection."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 connection within HttpLimits. Made by `bounded`."""

    limits: ClassVar[HttpLimits]
    # Connections without a request under way, the one that waits longest first.
    waiting: ClassVar[dict[BoundedProtocol, None]]

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = False   # between the first byte of a request and the end of its headers
        self._has_head = False
        self._head_bytes = 0   # of this request, as the parser hands them out
        self._unseen_bytes = 0  # fed since the parser last handed out something whole

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for it, or end it: the one that waits longest has to go first."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections_max:
            if not self.waiting:
                transport.abort()
                return
            oldest = next(iter(self.waiting))
            self.waiting.pop(oldest)
            oldest.transport.abort()
        self.waiting[self] = None
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.waiting.pop(self, None)
        self._no_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and end the connection when it comes to nothing."""
        # The parser keeps an unfinished header or trailer itself and tells nobody, so what goes in
        # is counted against what comes out.
        self._unseen_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._unseen_bytes > self.limits.head_bytes_max:
            self.transport.abort()
        elif not self._has_head and self._is_idle():
            self._expect_head()

    def on_message_begin(self) -> None:
        """See HttpToolsProtocol."""
        if len(self.pipeline) >= _PIPELINED_MAX:
            raise _TooMuch
        self._head_bytes = 0
        self._in_head = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """See HttpToolsProtocol."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """See HttpToolsProtocol. Trailers come here as well."""
        self._count(len(name) + len(value) + 4)
        if not self._has_head:  # a trailer is nobody's header
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """From here on the request is the gateway's to bound."""
        self._unseen_bytes = 0
        self._in_head, self._has_head = False, True
        self._no_deadline()
        self.waiting.pop(self, None)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """See HttpToolsProtocol."""
        self._unseen_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """See HttpToolsProtocol."""
        self._unseen_bytes = 0
        self._has_head = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Answered: from here on it waits, also when it goes on sending what nobody reads."""
        super().on_response_complete()
        if self._is_idle() and not self.transport.is_closing():
            self.waiting[self] = None
            if self._in_head:
                self._unset_keepalive_if_required()
                self._expect_head()

    def _count(self, length: int) -> None:
        self._head_bytes += length
        if self._head_bytes > self.limits.head_bytes_max:
            raise _TooMuch

    def _is_idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # null until the first request
        return cycle is None or (cycle.response_complete and not self.pipeline)

    def _expect_head(self) -> None:
        if self._deadline is None and self.timeout_keep_alive_task is None:
            self._deadline = self.loop.call_later(self.limits.head_s_max, self._too_late)

    def _no_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        if self._is_idle():  # else an answer is still owed for what came before
            self.transport.abort()


def bounded(limits: HttpLimits) -> type[BoundedProtocol]:
    """The connections of one server."""
    class Bounded(BoundedProtocol):
        pass

    Bounded.limits, Bounded.waiting = limits, {}
    return Bounded
