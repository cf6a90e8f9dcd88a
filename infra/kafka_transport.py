"""Kafka's sockets, read in large pieces.

Owns one replacement: kafka-python reads 4 KiB at a time, and copies what it read six times on the
way to a record. A large answer is read here straight into its frame. Used by consumers only.
"""

from __future__ import annotations

import ssl
from functools import partial
from typing import Any, Final

from kafka.errors import KafkaConnectionError
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.protocol.frame import KafkaBytes

# One read. Larger ones were slower: the piece no longer fits the processor's second-level cache.
_READ_BYTES: Final = 128 * 1024
_NO_MORE_NOW: Final = (BlockingIOError, InterruptedError, ssl.SSLWantReadError,
                       ssl.SSLWantWriteError)


def client_of_large_reads(**configs: Any) -> Any:
    """What kafka-python's option `kafka_client` takes: builds the client of one consumer."""
    net = NetworkSelector(**configs)
    return KafkaNetClient(net=net, manager=_LargeReads(net, **configs), **configs)


class _LargeReads(KafkaConnectionManager):  # type: ignore[misc]
    """A connection manager whose transports read large pieces."""

    async def _build_transport(self, node: Any, timeout_at: Any = None) -> Any:
        transport = await super()._build_transport(node, timeout_at=timeout_at)
        # A TLS socket may hold bytes that no selector sees: it is always read to its end.
        receive = _receive if isinstance(transport._sock, ssl.SSLSocket) else _receive_frame
        transport._sock_recv = partial(receive, transport)
        return transport


class _Frame(KafkaBytes):  # type: ignore[misc]
    """One answer of the broker; handed on as a view where the library copies it twice."""

    _idx: int

    def read(self, nbytes: int | None = None) -> bytes | memoryview:
        """The next `nbytes` as bytes, or a view of all the rest."""
        start = self._idx
        if nbytes is None:
            self._idx = len(self)
            return memoryview(self)[start:]
        self._idx = min(start + nbytes, len(self))
        return bytes(memoryview(self)[start:self._idx])


def _receive_frame(transport: Any) -> tuple[bytes, KafkaConnectionError | None]:
    """What the socket holds now. Of an answer under way, all but its last byte goes into its
    frame and is not returned: that byte goes the library's way, and it sees the frame complete."""
    parser = getattr(transport._protocol, "parser", None)
    if parser is None or not parser._receiving:
        return _pieces(transport, at_most=1)
    if not isinstance(parser._rbuffer, _Frame):
        begun = parser._rbuffer
        frame = _Frame(len(begun))
        frame[:begun.tell()] = begun[:begun.tell()]
        frame.seek(begun.tell())
        parser._rbuffer = frame
    frame = parser._rbuffer
    with memoryview(frame) as view:
        while frame.tell() < len(frame) - 1:
            try:
                count = transport._sock.recv_into(view[frame.tell():len(frame) - 1])
            except _NO_MORE_NOW:
                return b"", None
            except OSError as failure:
                return b"", KafkaConnectionError(failure)
            if not count:
                return b"", KafkaConnectionError("the broker closed the connection")
            frame.seek(frame.tell() + count)
    return _pieces(transport, at_most=1)


def _receive(transport: Any) -> tuple[bytes, KafkaConnectionError | None]:
    """Everything that the socket holds now, and the error that ended it, if one did."""
    return _pieces(transport, at_most=None)


def _pieces(transport: Any, at_most: int | None) -> tuple[bytes, KafkaConnectionError | None]:
    pieces: list[bytes] = []
    error: KafkaConnectionError | None = None
    while at_most is None or len(pieces) < at_most:
        try:
            piece = transport._sock.recv(_READ_BYTES)
        except _NO_MORE_NOW:
            break
        except OSError as failure:
            error = KafkaConnectionError(failure)
            break
        if not piece:
            error = KafkaConnectionError("the broker closed the connection")
            break
        pieces.append(piece)
    return b"".join(pieces), error
