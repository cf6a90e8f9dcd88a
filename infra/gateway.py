"""The gateway's process: `ingest/gateway.py` behind uvicorn, with its spool, ring and state file.

Owns the socket and the order of the end: stop accepting, finish requests, drain, close files.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import time
from types import FrameType
from typing import Final

import structlog
import uvicorn

from infra.embedded.ring import SqliteRing
from infra.embedded.spool import SqliteSpool
from infra.state import RoleState, StateFolder
from infra.wire import Wire, clock
from ingest.adapters import ADAPTERS
from ingest.delivery import Deliverer
from ingest.gateway import Gateway, GatewayParts, GatewaySettings, create_app
from ingest.publish import Publisher
from ingest.rejected import SEAL_LABEL
from ingest.routing import Router
from ingest.status import AlarmBoard, GatewayStatus
from ingest.transit import seal_once
from schemas.directory import Directory
from schemas.errors import Transient

_BIND_S_MAX: Final = 15.0
_BACKLOG: Final = 2048


class GatewayProcess:
    """One gateway on one data folder."""

    def __init__(self, wire: Wire, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._states = StateFolder(wire.home)
        folder = wire.home / "gateway"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        config, keys = wire.config, wire.keys_folder
        self._log = wire.capture_log()
        self._spool = SqliteSpool(folder / "spool.db", config.gateway.spool_mb_max << 20)
        self._ring = SqliteRing(folder / "rejected.db")
        sealer = wire.sealer("gateway")
        router = Router(keys.routing_key(), sealer.capture_id)
        alarms = AlarmBoard()
        deliverer = Deliverer(router, wire.directory())
        publisher = Publisher(self._log, sealer, router, self._spool, self._spool, clock, alarms)
        archiver, capture_key = keys.archiver_public(), keys.capture_key("gateway")
        self._gateway = Gateway(
            GatewaySettings(
                whatsapp_secrets=config.secrets_of("whatsapp_app_secret"),
                whatsapp_verify_token=(config.secrets_of("whatsapp_verify_token") or (b"",))[0],
                twilio_tokens=config.secrets_of("twilio_auth_token"),
                public_url=config.public_url or ""),
            GatewayParts(
                deliverer=deliverer, publisher=publisher, ring=self._ring, memory=self._spool,
                seal=lambda plain: seal_once(archiver, capture_key, SEAL_LABEL, plain),
                parses={name: one.parse for name, one in ADAPTERS.items()},
                capture_id=sealer.capture_id, clock=clock, alarms=alarms, sink=self,
                reload=_Reloader(wire)))

    def run(self) -> int:
        """Until SIGTERM or SIGINT; the exit code."""
        listening = _bind(self._host, self._port)
        server = uvicorn.Server(uvicorn.Config(
            create_app(self._gateway), loop="asyncio", http="httptools", ws="none",
            lifespan="on", log_config=None, access_log=False,  # a line a request says who wrote
            proxy_headers=False,       # who we are to a provider is a setting, not a header
            server_header=False, date_header=True, backlog=_BACKLOG,
            timeout_keep_alive=30, timeout_graceful_shutdown=15,
            h11_max_incomplete_event_size=64 * 1024))
        structlog.get_logger().info("listening", host=self._host,
                                    port=listening.getsockname()[1])

        def ask(_number: int, _frame: FrameType | None) -> None:
            server.should_exit = True

        # uvicorn has handlers of its own while it serves, and then raises what it caught once
        # more: the default action would end us before the files are closed.
        signal.signal(signal.SIGTERM, ask)
        signal.signal(signal.SIGINT, ask)
        try:
            server.run(sockets=[listening])
        finally:
            self._log.close()
            self._spool.close()
            self._ring.close()
        if not server.started:
            return Transient.exit_code
        self._states.remove("gateway")
        return 0

    def write(self, status: GatewayStatus) -> None:
        """See ingest.status.StatusSink."""
        facts = {
            "log": status.log, "spool_count": status.spool_count,
            "spool_bytes": status.spool_bytes, "spool_oldest_at": status.spool_oldest_at,
            "rejected_recently": status.rejected_recently,
            "closed_doors": list(status.closed_doors),
            "requests_in_flight": status.requests_in_flight,
        }
        try:
            self._states.write(RoleState("gateway", os.getpid(), status.at, status.stopping,
                                         status.alarms, facts))
        except OSError as error:
            raise Transient(f"state file: {error}") from error


class _Reloader:
    """The directory, when its file is not the one that was last read."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._read = self._stamp()

    def __call__(self) -> Directory | None:
        """See ingest.gateway.GatewayParts."""
        stamp = self._stamp()
        if stamp == self._read:
            return None
        found = self._wire.directory()  # a file that is refused is tried again at each look
        self._read = stamp
        return found

    def _stamp(self) -> tuple[int, int, int]:
        try:
            seen = self._wire.directory_path.stat()
        except FileNotFoundError:
            return 0, 0, 0
        return seen.st_ino, seen.st_mtime_ns, seen.st_size


def _bind(host: str, port: int) -> socket.socket:
    """A listening socket; waits for a predecessor that is ending. Raises Transient."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    until = time.monotonic() + _BIND_S_MAX
    while True:
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, port))
        except OSError as error:
            found.close()
            if error.errno != errno.EADDRINUSE or time.monotonic() >= until:
                raise Transient(f"cannot listen on {host}:{port}: {error.strerror}") from error
            time.sleep(0.1)
            continue
        found.set_inheritable(True)
        return found
