"""The gateway's process: `ingest/gateway.py` behind uvicorn, with its spool, ring and state file.

Owns the socket and the order of the end: stop accepting, finish requests, drain, close files.
"""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Final

import structlog
import uvicorn

from infra import http
from infra.directory import load_directory
from infra.doorsettings import door_settings
from infra.embedded.media import SqliteTaskList
from infra.embedded.ring import SqliteRing
from infra.embedded.spool import SqliteSpool
from infra.listening import bind
from infra.process import settle_memory
from infra.state import RoleState, StateFolder
from infra.wire import Wire, clock
from ingest.adapters import ADAPTERS
from ingest.delivery import Deliverer
from ingest.exclusion_counts import ExclusionCounts
from ingest.gateway import Gateway, GatewayParts, GatewaySettings, create_app
from ingest.publish import Publisher
from ingest.rejected import SEAL_LABEL
from ingest.routing import Router
from ingest.status import AlarmBoard, GatewayStatus
from ingest.transit import seal_once
from schemas.directory import Directory
from schemas.errors import Refused, Transient
from schemas.findings import Alarm

_BACKLOG_MAX: Final = 2048
_CONNECTIONS_MAX: Final = 4096
_DESCRIPTORS_MAX: Final = 65_536
# Together less than the supervisor gives us (infra/serve.py) before it ends us the hard way.
_REQUESTS_S_MAX: Final = 6
_SPOOL_S_MAX: Final = 8.0


class GatewayProcess:
    """One gateway on one data folder."""

    def __init__(self, wire: Wire, host: str, port: int) -> None:
        self._host, self._port = host, port
        doors = door_settings(wire.config)
        for words in doors.short:
            structlog.get_logger().bind(role="gateway").warning("short secret", detail=words)
        self._states = StateFolder(wire.home)
        folder = wire.home / "gateway"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        config, keys = wire.config, wire.keys_folder
        self._log = wire.capture_log()
        self._spool = SqliteSpool(folder / "spool.db", config.gateway.spool_mb_max << 20)
        self._ring = SqliteRing(folder / "rejected.db")
        self._tasks = SqliteTaskList(folder / "media.db")
        # As many as fetch, and one for the list, which must not wait for them.
        self._fetching = ThreadPoolExecutor(config.media.fetches_max + 1,
                                            thread_name_prefix="media")
        sealer = wire.sealer("gateway")
        router = Router(keys.routing_key(), sealer.capture_id)
        alarms = AlarmBoard()
        directory = Reloader(wire.directory_path, folder / "directory.last.toml")
        deliverer = Deliverer(router, directory.first())
        publisher = Publisher(self._log, sealer, router, self._spool, self._spool, clock, alarms)
        archiver, capture_key = keys.archiver_public(), keys.capture_key("gateway")
        self._gateway = Gateway(
            GatewaySettings(
                whatsapp_secrets=doors.secrets["whatsapp_app_secret"],
                whatsapp_verify_tokens=doors.secrets["whatsapp_verify_token"],
                twilio_tokens=doors.secrets["twilio_auth_token"],
                public_url=doors.public_url, closed=doors.closed, stop_s_max=_SPOOL_S_MAX),
            GatewayParts(
                deliverer=deliverer, publisher=publisher, ring=self._ring, memory=self._spool,
                seal=lambda plain: seal_once(archiver, capture_key, SEAL_LABEL, plain),
                parses={name: one.parse for name, one in ADAPTERS.items()},
                capture_id=sealer.capture_id, clock=clock, alarms=alarms, sink=self,
                exclusions=ExclusionCounts(self._spool, router.exclusion_key(), sealer.capture_id,
                                           os.urandom),
                reload=directory,
                media=wire.media_worker(publisher.publish, router, alarms, self._tasks,
                                        self._fetching)))
        # What happened before a restart still waits for somebody to look at it.
        self._kept = KeptAlarms(folder / "alarms.json")
        for alarm, until in self._kept.read(clock()):
            alarms.restore(alarm, until)
        self._alarms = alarms
        self._said: frozenset[tuple[str, str]] = frozenset()

    def run(self) -> int:
        """Until SIGTERM or SIGINT; the exit code."""
        listening = bind(self._host, self._port, self._say_taken)
        self._port = listening.getsockname()[1]
        backlog, connections = _room_of(_raise_descriptors())
        server = uvicorn.Server(uvicorn.Config(
            create_app(self._gateway), loop="uvloop", ws="none", lifespan="on",
            http=http.bounded(http.HttpLimits(connections)),  # bytes and time before the body
            log_config=None, access_log=False,  # a line a request says who wrote
            log_level="error",         # a warning a malformed request would fill the disk
            proxy_headers=False,       # who we are to a provider is a setting, not a header
            server_header=False, date_header=True, backlog=backlog,
            limit_concurrency=None,    # it counts idle connections, so strangers could close us
            timeout_keep_alive=30, timeout_graceful_shutdown=_REQUESTS_S_MAX))
        structlog.get_logger().info("listening", host=self._host, port=self._port)

        def ask(_number: int, _frame: FrameType | None) -> None:
            server.should_exit = True

        # uvicorn has handlers of its own while it serves, and then raises what it caught once
        # more: the default action would end us before the files are closed.
        signal.signal(signal.SIGTERM, ask)
        signal.signal(signal.SIGINT, ask)
        settle_memory()
        try:
            server.run(sockets=[listening])
        finally:
            self._log.close()
            self._spool.close()
            self._ring.close()
            self._fetching.shutdown(wait=False, cancel_futures=True)
            self._tasks.close()
        if not server.started:
            return Transient.exit_code
        self._states.remove("gateway")
        return 0

    def write(self, status: GatewayStatus) -> None:
        """See ingest.status.StatusSink."""
        self._say(status)
        facts = {
            "log": status.log, "spool_count": status.spool_count,
            "spool_bytes": status.spool_bytes, "spool_oldest_at": status.spool_oldest_at,
            "rejected_recently": status.rejected_recently,
            "closed_doors": list(status.closed_doors),
            "requests_in_flight": status.requests_in_flight,
            "media_waiting": status.media_waiting,
            # Written only once it is ours: what answers there from here on is this process.
            "port": self._port,
        }
        try:
            self._states.write(RoleState("gateway", os.getpid(), status.at, status.stopping,
                                         status.alarms, facts))
            self._kept.write(self._alarms.occurrences(status.at))
        except OSError as error:
            raise Transient(f"state file: {error}") from error

    def _say_taken(self, words: str) -> None:
        # At once: until the port is free nobody is captured, and `status` must not say all is well.
        structlog.get_logger().bind(role="gateway").error("port taken", detail=words)
        now = clock()
        with suppress(OSError):  # the end of the wait is said again, by who started us
            self._states.write(RoleState("gateway", os.getpid(), now, alarms=(
                Alarm("process_down", now, words),)))

    def _say(self, status: GatewayStatus) -> None:
        # In the log when it begins and when it ends; `status` tells it in between.
        log = structlog.get_logger().bind(role="gateway")
        names = frozenset((one.code, one.subject) for one in status.alarms)
        for alarm in status.alarms:
            if (alarm.code, alarm.subject) not in self._said:
                log.warning("alarm", code=alarm.code, detail=alarm.detail)
        for code, subject in sorted(self._said - names):
            log.info("alarm is over", code=code, detail=subject)
        self._said = names


class KeptAlarms:
    """Occurrences that outlive the process: a file of [code, since, until, detail, subject]. A file
    that is lost loses alarms, never records."""

    # The other occurrence is `door_closed`: after a restart it may be open.
    CODES: Final = ("quarantine_waiting", "edit_without_content", "delivery_oversized",
                    "unassigned_traffic", "capture_gap", "media_failed")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: list[list[str | int]] = []

    def read(self, now: int) -> list[tuple[Alarm, int]]:
        """What is still active, and until when; nothing of a file that does not read."""
        try:
            rows = [(str(code), int(since), int(until), [str(one) for one in words])
                    for code, since, until, *words in json.loads(self._path.read_text("utf-8"))]
        except (OSError, ValueError, TypeError):
            return []
        return [(Alarm(code, since, *words[:2]), until) for code, since, until, words in rows
                if code in self.CODES and until > now]

    def write(self, active: Iterable[tuple[Alarm, int]]) -> None:
        """Replace the file if it says something else. Raises OSError."""
        rows: list[list[str | int]] = [
            [one.code, one.since, until, one.detail, one.subject]
            for one, until in active if one.code in self.CODES]
        if rows == self._written:
            return
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(rows), "utf-8")
        temporary.replace(self._path)
        self._written = rows


class Reloader:
    """The directory, when its file is not the one that was last read.

    A file that names nobody any more, after one that did, is no decision but an accident: the last
    load stays in force, also over a restart, for which it is kept at `kept`.
    """

    def __init__(self, path: Path, kept: Path) -> None:
        self._path, self._kept = path, kept
        self._read: tuple[int, int, int] | None = None
        self._seen: tuple[int, int, int] | None = None

    def first(self) -> Directory:
        """The load that a process begins with. Raises Refused without one to fall back on."""
        stamp = self._stamp()
        try:
            found = self._load()
        except Refused:
            if not self._kept.exists():
                raise
            return load_directory(self._kept)  # the next look says why
        self._read = self._seen = stamp
        return found

    def __call__(self) -> Directory | None:
        """See ingest.gateway.GatewayParts."""
        stamp = self._stamp()
        if stamp == self._read:
            return None
        if stamp != self._seen:
            self._seen = stamp  # perhaps half written: it must look the same at two looks
            return None
        self._read = None  # a file that is refused is tried again at each look
        found = self._load()
        self._read = stamp
        return found

    def _load(self) -> Directory:
        found = load_directory(self._path) if self._path.exists() else Directory()
        if found.accounts:
            self._keep(found)
        elif self._kept.exists():
            raise Refused(f"{self._path.name} is not there or names no account any more; the last "
                          f"load stays in force. If that is meant, remove {self._kept}")
        return found

    def _keep(self, found: Directory) -> None:
        temporary = self._kept.with_suffix(".tmp")
        try:
            temporary.write_bytes(found.source)
            temporary.replace(self._kept)
        except OSError as error:
            structlog.get_logger().bind(role="gateway").error("directory not kept",
                                                              detail=str(error))

    def _stamp(self) -> tuple[int, int, int]:
        try:
            seen = self._path.stat()
        except FileNotFoundError:
            return 0, 0, 0
        return seen.st_ino, seen.st_mtime_ns, seen.st_size


def _raise_descriptors() -> int:
    """As many files as this process may have open; the number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return _DESCRIPTORS_MAX if soft == resource.RLIM_INFINITY else soft


def _room_of(descriptors: int) -> tuple[int, int]:
    """(backlog, connections): a whole backlog is accepted before the first of it is looked at, and
    a quarter of the descriptors stays for the log, the spool and the state."""
    return min(_BACKLOG_MAX, descriptors // 4), min(_CONNECTIONS_MAX, descriptors // 2)
