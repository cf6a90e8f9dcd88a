"""The media doors of WhatsApp and Twilio on loopback, spoken to over real HTTP (CAPTURE §1, §4).

Owns a server that knows files by id and address, wants the right credentials, and does what it is
told once: an error, a redirect, a wrong length, an answer cut off, bytes that come slowly. Accuses
whoever shows a credential where it does not belong.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

TOKEN: Final = "whatsapp-access-token"
SID: Final = "AC00000000000000000000000000000000"
AUTH_TOKEN: Final = "twilio-token"
VERSION: Final = "v24.0"
Handler = Callable[["_Request"], None]


@dataclass
class MediaApi:
    """What the server knows. `answers` maps a path to what happens there, once per entry; paths
    without one are answered as the provider does."""

    base: str = ""
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    answers: dict[str, list[Handler]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    accusations: list[str] = field(default_factory=list)

    def whatsapp(self, native_id: str, body: bytes, media_type: str = "image/jpeg") -> str:
        """A file under an id; the path of its bytes."""
        self.files[f"/{VERSION}/{native_id}"] = (media_type, body)
        self.files[f"/bytes/{native_id}"] = (media_type, body)
        return f"/bytes/{native_id}"

    def twilio(self, name: str, body: bytes, media_type: str = "image/png") -> str:
        """A file at an address; the address, as a webhook has it."""
        path = f"/2010-04-01/Accounts/{SID}/Messages/MM1/Media/{name}"
        self.files[path] = (media_type, body)
        self.files[f"/twilio-bytes/{name}"] = (media_type, body)
        return self.base + path

    def once(self, path: str, *handlers: Handler) -> None:
        """The next requests of `path` are handled so, one each."""
        self.answers.setdefault(path, []).extend(handlers)


class _Request(BaseHTTPRequestHandler):
    api: MediaApi

    def do_GET(self) -> None:
        """One request."""
        path = self.path.partition("?")[0]
        self.api.asked.append(path)
        waiting = self.api.answers.get(path)
        if waiting:
            waiting.pop(0)(self)
        elif path not in self.api.files:
            (graph_error(100, 33) if path.startswith(f"/{VERSION}/") else say(404))(self)
        elif path.startswith(f"/{VERSION}/"):
            self._whatsapp_facts(path)
        elif path.startswith("/bytes/"):
            self._wanted(f"Bearer {TOKEN}", path)
        elif path.startswith("/2010-04-01/"):
            self._twilio_address(path)
        else:
            if self.headers.get("Authorization"):
                self.api.accusations.append(f"credentials shown at {path}")
            say(200, *self.api.files[path][::-1])(self)

    def _wanted(self, credential: str, path: str) -> None:
        if self.headers.get("Authorization") != credential:
            say(401, b"who are you")(self)
            return
        media_type, body = self.api.files[path]
        say(200, body, media_type)(self)

    def _whatsapp_facts(self, path: str) -> None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            say(401, b"who are you")(self)
            return
        media_type, body = self.api.files[path]
        native_id = path.rpartition("/")[2]
        say(200, json.dumps({
            "messaging_product": "whatsapp", "url": f"{self.api.base}/bytes/{native_id}",
            "mime_type": media_type, "sha256": hashlib.sha256(body).hexdigest(),
            "file_size": len(body), "id": native_id}).encode(), "application/json")(self)

    def _twilio_address(self, path: str) -> None:
        pair = base64.b64encode(f"{SID}:{AUTH_TOKEN}".encode()).decode()
        self._wanted(f"Basic {pair}", path)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base's name
        """Says nothing."""


def say(status: int, body: bytes = b"", media_type: str = "text/plain",
        **headers: str) -> Handler:
    """An answer. Underscores in names of `headers` are hyphens; `Content_Length` may lie."""
    def handle(request: _Request) -> None:
        request.send_response(status)
        stated = {"Content-Type": media_type, "Content-Length": str(len(body)),
                  **{name.replace("_", "-"): value for name, value in headers.items()}}
        for name, value in stated.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)
        request.close_connection = True
    return handle


def graph_error(code: int, subcode: int | None = None) -> Handler:
    """Meta's 400: an id that it does not know (100, 33) as well as one who asks too often."""
    error: dict[str, Any] = {"message": f"(#{code})", "type": "OAuthException", "code": code}
    if subcode is not None:
        error["error_subcode"] = subcode
    return say(400, json.dumps({"error": error}).encode(), "application/json")


def go_to(address: str, status: int = 307) -> Handler:
    """A redirect."""
    return say(status, b"", Location=address)


def wait_for(event: threading.Event, then: Handler) -> Handler:
    """Nothing until `event`."""
    def handle(request: _Request) -> None:
        event.wait(30)
        then(request)
    return handle


def endless(request: _Request) -> None:
    """A body in chunks that does not end until nobody listens."""
    request.send_response(200)
    request.send_header("Content-Type", "image/jpeg")
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    try:
        while True:
            request.wfile.write(b"10000\r\n" + bytes(1 << 16) + b"\r\n")
    except OSError:
        request.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is not an error of ours."""


@contextmanager
def serving() -> Iterator[MediaApi]:
    """The server, on a port of its own."""
    api = MediaApi()
    handler = type("Bound", (_Request,), {"api": api})
    server = _Server(("127.0.0.1", 0), handler)
    api.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
