"""The console's process: `search/web/app.py` behind uvicorn, on one data folder.

Owns the composition, the socket, and the order of the end: stop accepting, finish pages, state what
was recorded, close.
"""

from __future__ import annotations

import secrets
import signal
import socket
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import tzinfo
from functools import lru_cache
from time import monotonic
from types import FrameType
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
import uvicorn

from archive.media import MediaReader
from infra import http
from infra.access import FILE as ACCESS_FILE
from infra.access import AccessFile
from infra.consoledesk import SearchDesk
from infra.consoleexports import ConsoleExports
from infra.consolefigures import ConsoleFigures
from infra.consoleglass import ConsoleGlass, ConsolePeople
from infra.consolepolicies import ConsolePolicies
from infra.consolereview import ConsoleReviews
from infra.consolescope import Threads
from infra.consoletrail import ConsoleTrail
from infra.directory import DirectoryFile
from infra.listening import bind
from infra.process import settle_memory
from infra.saved import SavedFile
from infra.signin import Desk, state_store
from infra.wire import Wire
from ingest.heartbeat import HEARTBEAT_S
from schemas import domains
from schemas.directory import Directory
from schemas.errors import CounterfoilError, Denied, Halt, Missing, Transient
from search.access.breakglass import BreakGlass
from search.access.cookies import is_loopback, new_secret
from search.access.people import AccessPolicy, Grant, viewer_of
from search.access.pseudonyms import Pseudonyms
from search.access.ratelimit import Buckets
from search.access.sessions import DEMO, Live, Origin
from search.access.signin import NotSignedIn, Signed, SignIn
from search.access.viewer import Viewer
from search.audit import Auditor, AuditSettings
from search.lately import Lately
from search.web.app import make_app
from search.web.oversight import Oversight
from search.web.ports import ConsoleParts, ConsoleSettings
from search.web.times import Zone

# Pages that are made at a time; the others wait their turn.
_THREADS: Final = 8
_BACKLOG: Final = 256
_CONNECTIONS_MAX: Final = 1024
_REQUESTS_S_MAX: Final = 6
# Of one session: a person who clicks fast, with the pictures of a page; not a program that tries.
_RATE_PER_S: Final = 20.0
_BURST: Final = 200
# Of one address: a whole office may be behind it.
_ADDRESS_PER_S: Final = 200.0
_ADDRESS_BURST: Final = 2_000


class Pace:
    """How often somebody may ask: an address, before anybody knows who is there, and a session."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._addresses = Buckets(_ADDRESS_PER_S, _ADDRESS_BURST, clock)
        self._sessions = Buckets(_RATE_PER_S, _BURST, clock)

    def __call__(self, key: str) -> int:
        """Seconds to wait, 0 = none; a key of a session begins with "session "."""
        return (self._sessions if key.startswith("session ") else self._addresses).take(key)


class OneTimeLink:
    """Signs one person in once. Implements `search.web.ports.OneTime`."""

    def __init__(self, token: str, sign_in: Callable[[], SignIn], person: str) -> None:
        self._token: str | None = token
        self._sign_in, self._person = sign_in, person
        self._lock = threading.Lock()

    def take(self, token: str) -> Signed | None:
        """See OneTime."""
        with self._lock:
            known, fits = self._token, self._token is not None and secrets.compare_digest(
                self._token.encode(), token.encode())
            if known is None or not fits:
                return None
            self._token = None
        return self._sign_in().open_for(self._person, Origin("", "one-time link"), DEMO)


class Policy:
    """access.toml as it is now, for any number of threads; nobody is in without the file."""

    def __init__(self, file: AccessFile) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._said = ""

    def __call__(self) -> AccessPolicy:
        """The rules in force."""
        with self._lock:
            try:
                found = self._file.policy()
            except Missing:
                return AccessPolicy()
            if self._file.problem != self._said:
                self._said = self._file.problem
                if self._said:
                    structlog.get_logger().bind(role="console").warning(
                        f"{ACCESS_FILE} is not in force", detail=self._said)
            return found


class _Server(uvicorn.Server):
    """Says when it listens: who reads an address may ask there at once."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._say_listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's; then it is said."""
        await super().startup(sockets)
        self._say_listening()


class ConsoleProcess:
    """One console on one data folder. `host` and `port`: null = as configured. `demo_person`: who
    the one-time link signs in; null = there is none."""

    def __init__(self, wire: Wire, host: str | None, port: int | None,
                 demo_person: str | None = None) -> None:
        section = wire.config.console
        address = host or section.host
        self._listening = bind(address, section.port if port is None else port, _say_taken)
        given = {"host": address, "port": self._listening.getsockname()[1]}
        self._wire = replace(wire, config=wire.config.model_copy(update={
            "console": section.model_copy(update=given)}))
        self.url = self._wire.config.console_url()
        self.link = ""
        self._log = self._wire.capture_log()
        self._years = self._wire.directory().firm_years()
        self._recorder = self._wire.recorder("search", self._log)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="page")
        self._stopped = threading.Event()
        self._token = new_secret(self._wire.random) if demo_person else ""
        if demo_person:
            self.link = f"{self.url}/enter/{self._token}"
        self.parts = self._parts(demo_person)
        self._app = make_app(self.parts)

    def run(self, listening: Callable[[], None] = lambda: None) -> int:
        """Until SIGTERM or SIGINT; the exit code. `listening`: called once, when it answers."""
        def say() -> None:
            structlog.get_logger().info("listening", role="console", url=self.url)
            listening()

        server = _Server(uvicorn.Config(
            self._app, loop="uvloop", ws="none", lifespan="off",
            http=http.bounded(http.HttpLimits(_CONNECTIONS_MAX)),
            log_config=None, access_log=False,  # an address holds what was searched for
            log_level="error", server_header=False, date_header=True, backlog=_BACKLOG,
            # Who asks is what the socket says; behind a proxy on this machine, what that says.
            proxy_headers=self._wire.config.console.public_url.startswith("https://"),
            forwarded_allow_ips="127.0.0.1", limit_concurrency=None,
            timeout_keep_alive=30, timeout_graceful_shutdown=_REQUESTS_S_MAX), say)

        def ask(_number: int, _frame: FrameType | None) -> None:
            server.should_exit = True

        signal.signal(signal.SIGTERM, ask)
        signal.signal(signal.SIGINT, ask)
        settle_memory()
        beats = threading.Thread(target=self._beat_on, name="heartbeat", daemon=True)
        beats.start()
        # Ready at once: whoever asks for a pattern meanwhile waits for this, and nobody else does.
        threading.Thread(target=self._search.preload, name="words", daemon=True).start()
        try:
            server.run(sockets=[self._listening])
        finally:
            self._stopped.set()
            beats.join()
            self.close()
        return 0 if server.started else Transient.exit_code

    def close(self) -> None:
        """The end: pages are finished, dry runs ended, what was recorded is stated."""
        self._policies.close()
        self._exports.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._figures.close()
        self._beat(stopping=True)
        self._log.close()
        self._listening.close()

    def _parts(self, demo_person: str | None) -> ConsoleParts:
        wire = self._wire
        auditor = Auditor(self._recorder, AuditSettings(domains.ROLE_NAMES[domains.FIRM],
                                                        self._years), wire.clock, wire.random)
        directory = DirectoryFile(wire.directory_path, wire.require_years)
        self._lately = Lately(monotonic)
        policy = Policy(AccessFile(wire.home, self._recorder.record, wire.clock,
                                   lambda: directory().firm_years(), "console"))
        state = state_store(wire)
        desk = Desk(wire, policy, auditor, state)
        reviews = ConsoleReviews(wire, state, policy, self._recorder, directory, self._lately)
        self._search = SearchDesk(wire, auditor, directory, self._lately)
        once = OneTimeLink(self._token, lambda: desk.sign_in, demo_person) if demo_person else None
        firm = wire.config.search.zone
        return ConsoleParts(
            settings=ConsoleSettings(
                self.url, _hosts(self.url, self._listening), Zone(firm, ZoneInfo(firm)),
                is_trial=wire.config.retention.trial, is_demo=demo_person is not None),
            desk=self._search, open_file=MediaReader(wire.store).open,
            auditor=auditor, gate=desk.gate, signin=desk.sign_in, account=desk.own,
            oidc=desk.oidc, viewer=lambda live: _viewer(
                directory, policy, live, wire.clock(), self._glass.grants(live)),
            name=lambda person: _name(policy, person),
            saved=SavedFile(wire.home, wire.clock), zones=_zone,
            wait_s=Pace(wire.clock), report=_report,
            clock=wire.clock, random=wire.random, threads=self._threads, one_time=once,
            review=reviews, reports=reviews,
            oversight=self._oversight(desk, auditor, directory, policy))

    def _oversight(self, desk: Desk, auditor: Auditor, directory: Callable[[], Directory],
                   policy: Callable[[], AccessPolicy]) -> Oversight:
        wire, threads = self._wire, Threads(self._wire, self._lately)
        self._figures = ConsoleFigures(wire, threads, auditor, directory)
        tokenizer = wire.tokenizer()
        self._policies = ConsolePolicies(wire, threads, auditor, self._recorder,
                                         lambda: Pseudonyms(tokenizer, directory()))
        self._exports = ConsoleExports(wire, threads, auditor, self._recorder)
        self._glass = ConsoleGlass(BreakGlass(desk.state, auditor, wire.clock, wire.random),
                                   auditor, policy, directory)
        return Oversight(
            self._figures, ConsoleTrail(threads, auditor),
            self._policies, self._glass, ConsolePeople(
                auditor, policy, directory, desk.parts.accounts, desk.parts.lockout),
            self._exports)

    def _beat_on(self) -> None:
        while not self._stopped.wait(HEARTBEAT_S):
            self._beat()
            self._sweep()

    def _sweep(self) -> None:
        """The end of what was open for a time is written down, also when nobody looks."""
        try:
            self._glass.sweep()
        except CounterfoilError as error:
            structlog.get_logger().bind(role="console").warning(
                "the end of a break-glass is not recorded yet", detail=str(error))

    def _beat(self, *, stopping: bool = False) -> None:
        """State what the log acknowledged; what cannot be stated now is stated the next time."""
        if not self._recorder.unstated:
            return
        try:
            self._recorder.beat(self._wire.clock(), self._years, stopping=stopping)
        except CounterfoilError as error:
            structlog.get_logger().bind(role="console").warning("heartbeat not sent",
                                                                detail=str(error))


def _viewer(directory: Callable[[], Directory], policy: Callable[[], AccessPolicy], live: Live,
            now: int, grants: tuple[Grant, ...]) -> Viewer:
    """Whoever is signed in, with what she may see now."""
    try:
        found = viewer_of(policy(), directory(), live.person, now, grants,
                          session=live.session, only=live.capabilities)
    except Denied as error:
        raise NotSignedIn from error
    return found


def _name(policy: Callable[[], AccessPolicy], person: str) -> str:
    found = policy().person(person)
    return found.name if found else person


def _hosts(url: str, listening: socket.socket) -> frozenset[str]:
    """What a Host header may say: the public address, and on loopback each of its names."""
    parts = urlsplit(url)
    found = {parts.netloc.lower()}
    if is_loopback(parts.hostname):
        port = listening.getsockname()[1]
        found |= {f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}"}
    return frozenset(found)


@lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo | None:
    if len(name) > 60 or name.startswith(("/", ".")) or ".." in name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _report(error: Exception) -> None:
    """Where it happened, in our words: what an unexpected error says may be content."""
    log = structlog.get_logger().bind(role="console")
    if isinstance(error, CounterfoilError) and not isinstance(error, Halt):
        log.warning("not answered", error=type(error).__name__, detail=str(error))
        return
    places = [f"{one.filename.rsplit('/', 1)[-1]}:{one.lineno}"
              for one in traceback.extract_tb(error.__traceback__)[-6:]]
    log.error("page failed", error=type(error).__name__, detail=" ".join(places))


def _say_taken(words: str) -> None:
    structlog.get_logger().bind(role="console").error("port taken", detail=words)
