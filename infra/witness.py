"""A witness over HTTP: the client that a notary asks, and a small process that is one.

Owns the sockets of both. The rules are `archive/tlog/witness.py`'s; who is believed is decided
there, never by TLS: an answer counts by its signature alone.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import httpx
import uvicorn

from archive.tlog import note
from archive.tlog.checkpoint import read_text
from archive.tlog.note import Key
from archive.tlog.witness import (
    PATH,
    REPLY_BYTES_MAX,
    REQUEST_BYTES_MAX,
    Reply,
    Witness,
    read_request,
)
from infra.embedded import folder
from infra.http import HttpLimits, bounded
from schemas.errors import Missing, Transient

_TIMEOUT_S: Final = 10.0
_CONNECTIONS_MAX: Final = 64
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class HttpWitness:
    """Implements `archive.tlog.witness.Asked` against a submission prefix."""

    def __init__(self, prefix: str) -> None:
        self._url = prefix.rstrip("/") + PATH
        self._trusted = ssl.create_default_context()

    def add_checkpoint(self, body: bytes) -> Reply:
        """See Asked."""
        try:
            with httpx.Client(timeout=_TIMEOUT_S, follow_redirects=False, verify=self._trusted,
                              trust_env=True) as client, client.stream(
                    "POST", self._url, content=body,
                    headers={"accept-encoding": "identity"}) as answer:
                got = b""
                for piece in answer.iter_bytes():
                    got += piece
                    if len(got) > REPLY_BYTES_MAX:
                        raise Transient(f"the witness at {answer.url.host} answers too much")
                return Reply(answer.status_code, got, answer.headers.get("content-type", ""))
        except httpx.HTTPError as error:
            raise Transient(f"the witness at {httpx.URL(self._url).host} does not answer: "
                            f"{type(error).__name__}") from error


class Shown:
    """The last checkpoint of each log that this witness signed, for whoever monitors: files that
    may be lost, and are made again by the next request."""

    def __init__(self, root: Path) -> None:
        self._root = root
        folder.make_folder(root)

    def put(self, request: bytes, lines: bytes) -> None:
        """Show the checkpoint of an answered request, unless a larger one is shown."""
        signed = read_request(request).signed
        said = read_text(signed.text)
        path = self._root / sha256(said.origin.encode()).hexdigest()
        with folder.exclusive(self._root / "shown.lock"):
            shown = self.get(path.name)
            if shown is not None and read_text(
                    note.read_bytes(shown).text).head.size > said.head.size:
                return
            body = signed.render().encode() + lines
            folder.replace(path, body)

    def get(self, name: str) -> bytes | None:
        """By the hex SHA-256 of an origin."""
        if len(name) != 64 or not all(char in "0123456789abcdef" for char in name):
            return None
        try:
            return folder.read_range(self._root / name, 0, 2 * note.NOTE_BYTES_MAX)
        except Missing:
            return None


class WitnessApp:
    """ASGI: POST /add-checkpoint, GET /<hex SHA-256 of an origin>/checkpoint, and nothing else."""

    def __init__(self, witness: Witness, shown: Shown) -> None:
        self._witness = witness
        self._shown = shown

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        reply = await self._answer(scope["method"], scope["path"], receive)
        await send({"type": "http.response.start", "status": reply.status, "headers": [
            (b"content-type", reply.content_type.encode()),
            (b"content-length", str(len(reply.body)).encode()),
            (b"cache-control", b"no-store")]})
        await send({"type": "http.response.body", "body": reply.body})

    async def _answer(self, method: str, path: str, receive: Receive) -> Reply:
        if path == PATH:
            if method != "POST":
                return Reply(405, b"POST\n")
            body = await _body(receive)
            if body is None:
                return Reply(413, b"too large\n")
            # In a thread: the memory is a file that is locked and synced.
            return await asyncio.to_thread(self._add, body)
        name, slash, rest = path.removeprefix("/").partition("/")
        shown = self._shown.get(name) if slash and rest == "checkpoint" else None
        if shown is None or method not in ("GET", "HEAD"):
            return Reply(404, b"not found\n")
        return Reply(200, shown)

    def _add(self, body: bytes) -> Reply:
        try:
            reply = self._witness.add_checkpoint(body)
        except Transient:
            return Reply(503, b"try again\n")
        if reply.status == 200:
            self._shown.put(body, reply.body)
        return reply


def server(witness: Witness, shown: Shown, host: str, port: int) -> uvicorn.Server:
    """The process's server; `run()` serves until it is told to stop. Put a TLS proxy before it."""
    return uvicorn.Server(uvicorn.Config(
        WitnessApp(witness, shown), host=host, port=port, lifespan="off", ws="none",
        http=bounded(HttpLimits(_CONNECTIONS_MAX)),  # bytes and time before the body
        log_config=None, access_log=False, log_level="error",  # a stranger fills no disk
        proxy_headers=False, server_header=False, timeout_keep_alive=30))


def read_logs(text: str) -> dict[str, tuple[Key, ...]]:
    """The logs that a witness knows: a file of one vkey a line; `#` begins a comment."""
    logs: dict[str, tuple[Key, ...]] = {}
    for line in text.splitlines():
        word = line.partition("#")[0].strip()
        if word:
            key = note.read_vkey(word)
            logs[key.name] = (*logs.get(key.name, ()), key)
    return logs


async def _body(receive: Receive) -> bytes | None:
    """The whole body, or null when it is too large."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += bytes(message.get("body", b""))
        if len(body) > REQUEST_BYTES_MAX:
            return None
        if not message.get("more_body", False):
            return body
