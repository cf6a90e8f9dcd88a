"""Where bytes arrive: the doors as an ASGI application (PROTOCOL C1, C2).

Owns routes, guards and answers, and the gateway's life from start to a graceful stop. A 200 means
that the log or the spool holds every event of the request durably. Who knocks is `doors.py`, what
it becomes `delivery.py`, where it goes `publish.py`.

Default-deny: what is not in ROUTES is 404. Nothing here ever logs content.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ingest import doors, heartbeat, own, rejected
from ingest.body import BodyBudget, BodyRefused, BodyTooLarge, read_body
from ingest.delivery import Deliverer, Parse, Taken, only_encodable, unwritable
from ingest.doors import DOORS, DoorKind, Failed, Knock, Passed
from ingest.exclusion_counts import ExclusionCounts
from ingest.exclusions import count_events
from ingest.mediaworker import MediaWorker
from ingest.publish import Publisher
from ingest.refusals import OVER_MS, Refusals, overflow_gap
from ingest.rejected import RejectedRing
from ingest.spool import Memory
from ingest.status import AlarmBoard, GatewayStatus, StatusSink
from schemas import domains, events, gaps, limits
from schemas.directory import Directory
from schemas.errors import CounterfoilError, Refused, Transient
from schemas.events import CapturedEvent

_LOG: Final = logging.getLogger(__name__)
Handler = Callable[[Request], Awaitable[Response]]

# Every route, and what guards it. `tests/ingest/test_gateway_routes.py` compares.
ROUTES: Final[tuple[tuple[str, str, str], ...]] = (
    ("GET", "/healthz", "open"),
    ("GET", "/hooks/whatsapp", "verify-token"),
    ("POST", "/hooks/whatsapp", "hub-sha256"),
    ("GET", "/hooks/twilio", "twilio-sha1"),
    ("POST", "/hooks/twilio", "twilio-sha1"),
)
# What Twilio reads as "nothing to say": any other answer is an error in its console.
_TWIML: Final = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
_NO_SNIFFING: Final = {"X-Content-Type-Options": "nosniff"}
_RETRY_AFTER_S: Final = "5"
# Meta sends a number; whatever it is, it is short and printable.
_CHALLENGE_CHARS_MAX: Final = 256
# A larger body is checked and parsed in a thread, so that it does not hold up everybody else.
_INLINE_BYTES_MAX: Final = 64 * 1024
# An occurrence stays an alarm this long after the last one.
_OCCURRENCE_MS: Final = 24 * 3_600_000
# At most one gap event per door in this time; the count in it tells how many there were.
_GAP_MS: Final = 60_000
_DIRECTORY_NAME: Final = "directory"


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """What an operator sets. Secrets are lists, old and new; an empty list closes its door.

    `public_url` is the base (scheme, host, perhaps port and path) under which providers reach
    `/hooks/...`; without it the request's own URL is checked, which is wrong behind a proxy.
    """

    whatsapp_secrets: Sequence[bytes] = field(default=(), repr=False)
    whatsapp_verify_tokens: Sequence[bytes] = field(default=(), repr=False)
    twilio_tokens: Sequence[bytes] = field(default=(), repr=False)
    public_url: str = ""
    # By door: what it lacks although it was meant to be open, in words; an alarm from the start.
    closed: Mapping[str, str] = field(default_factory=dict)
    body_bytes_max: int = limits.DELIVERY_BYTES_MAX
    body_s_max: float = 10.0              # s for a whole body; slower is 408
    buffered_bytes_max: int = 256 * 1024 * 1024   # of all bodies under way; above it 503
    readers_max: int = 512                # bodies being read; above it the oldest is given up
    requests_max: int = 1_000             # read whole and under way; above it 503
    working_max: int = 256                # past their check at a time; others wait in line
    heartbeat_s: float = heartbeat.HEARTBEAT_S
    tick_s: float = 1.0                   # between looks at alarms and status
    stop_s_max: float = 20.0              # for requests under way and the spool, at a stop

    def secrets(self) -> Mapping[str, Sequence[bytes]]:
        """The secrets of each door, empty ones left out."""
        return {"whatsapp": [one for one in self.whatsapp_secrets if one],
                "twilio": [one for one in self.twilio_tokens if one]}


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """What a gateway is made of. `seal` seals a rejected request for the ring; `parses` holds an
    adapter's parse for each door; `exclusions` counts what the directory leaves out; `reload`
    gives the directory when its file has changed since it was last asked, else null, and raises
    Refused when the changed file cannot be read."""

    deliverer: Deliverer
    publisher: Publisher
    ring: RejectedRing
    memory: Memory
    seal: Callable[[bytes], bytes]
    parses: Mapping[str, Parse]
    capture_id: bytes
    clock: Callable[[], int]
    alarms: AlarmBoard
    sink: StatusSink
    exclusions: ExclusionCounts
    reload: Callable[[], Directory | None] = lambda: None
    media: MediaWorker | None = None    # fetches the files of what is captured; null = nobody does


class Gateway:
    """The doors of one process. Lives on one event loop."""

    def __init__(self, settings: GatewaySettings, parts: GatewayParts) -> None:
        self._settings = settings
        self._parts = parts
        self._secrets = settings.secrets()
        self._budget = BodyBudget(settings.buffered_bytes_max, settings.readers_max)
        self._working = asyncio.Semaphore(settings.working_max)
        self._in_flight = 0
        self._whole = 0  # of these, read to their end: only they count against `requests_max`
        self._idle = asyncio.Event()
        self._stopping = False
        self._ticker: asyncio.Task[None] | None = None
        self._oversized: dict[str, int] = {}
        self._gap_at: dict[str, int] = {}
        self._refusals = Refusals(parts.memory)
        self._rejected_recently = 0
        self._rejected_at = -rejected.RECENT_MS
        # By reason of a gap that goes on: the accounts of which it does. In memory alone.
        self._going_on: dict[str, set[tuple[str, str]]] = {}
        self._directory_pending = True
        self._directory_lock = asyncio.Lock()

    # -- life

    async def start(self) -> None:
        """Reach or recall the log, record the directory, begin heartbeats. Raises Transient when
        the spool cannot be used: then nothing may be promised."""
        await self._parts.publisher.start()
        await asyncio.to_thread(self._refusals.restore, self._parts.clock())
        if self._parts.media is not None:
            await self._parts.media.start()
        for door, words in self._settings.closed.items():
            self._parts.alarms.set("door_closed", self._parts.clock(), f"{door}: {words}",
                                   subject=door)
        await self._tick()
        self._ticker = asyncio.create_task(self._keep_ticking())

    async def stop(self) -> None:
        """Take no more requests, finish those under way, drain, say so, let go. Whatever was
        answered 200 is on the log or on the spool already; nothing here can lose it. A second
        call does nothing."""
        if self._stopping:
            return
        self._stopping = True
        loop = asyncio.get_running_loop()
        until = loop.time() + self._settings.stop_s_max
        if self._in_flight:
            self._idle.clear()
            with suppress(TimeoutError):  # who is not answered by then was never told 200
                await asyncio.wait_for(self._idle.wait(), self._settings.stop_s_max)
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.wait((self._ticker,))
        if self._parts.media is not None:
            await self._parts.media.stop()
        await self._flush_gaps(0)
        await self._flush_refusals(0)
        await self._flush_exclusions(stopping=True)
        await self._parts.publisher.settle(max(0.0, until - loop.time()))
        await self._beat(stopping=True)
        await self._parts.publisher.stop()
        await self._write_status()

    async def use_directory(self, directory: Directory) -> None:
        """From now on this load is in force; an event records it if it differs from the last."""
        self._parts.deliverer.use(directory)
        self._directory_pending = True
        await self._record_directory()

    def closed_doors(self) -> tuple[str, ...]:
        """Doors without a secret, by name. WhatsApp's handshake alone needs the verify token."""
        return tuple(sorted(name for name, some in self._secrets.items() if not some))

    def status(self) -> GatewayStatus:
        """One look."""
        parts = self._parts
        now = parts.clock()
        spooled, identity = parts.publisher.spooled, parts.publisher.identity
        return GatewayStatus(
            at=now, log=identity.topic if identity else "", spool_count=spooled.count,
            spool_bytes=spooled.size, spool_oldest_at=spooled.oldest_at,
            rejected_recently=self._rejected_recently, closed_doors=self.closed_doors(),
            requests_in_flight=self._in_flight, stopping=self._stopping,
            media_waiting=parts.media.waiting.count if parts.media else 0,
            alarms=parts.alarms.active(now),
        )

    # -- answers

    async def healthz(self, request: Request) -> Response:
        """The process lives and takes requests."""
        return _plain(503 if self._stopping else 200, "stopping" if self._stopping else "ok")

    async def handshake(self, request: Request) -> Response:
        """Meta's subscription check: the challenge, for who knows the verify token."""
        tokens = [one for one in self._settings.whatsapp_verify_tokens if one]
        if not tokens:
            return _again("door is closed")
        query = request.query_params
        challenge = query.get("hub.challenge", "")
        stated = query.getlist("hub.verify_token")
        # Each is compared, also after one fits: how long it takes says nothing.
        known = len(stated) == 1 and sum(hmac.compare_digest(
            stated[0].encode("utf-8", "surrogateescape"), token) for token in tokens) > 0
        printable = challenge.isascii() and challenge.isprintable()
        if (not known or query.get("hub.mode") != "subscribe" or not printable
                or not 0 < len(challenge) <= _CHALLENGE_CHARS_MAX):
            return _plain(403, "handshake refused")
        return _plain(200, challenge)

    async def knock(self, door: DoorKind, request: Request) -> Response:
        """One delivery at a door."""
        if self._stopping or self._whole >= self._settings.requests_max:
            return _again("no room")
        if not self._secrets[door.name]:
            # Named at the start and in the status; an alarm once somebody expects it to be open.
            if door.name not in self._settings.closed:
                self._parts.alarms.set("door_closed", self._parts.clock(), door.name,
                                       _OCCURRENCE_MS, door.name)
            return _again("door is closed")
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.method != "GET" and content_type not in door.methods[request.method]:
            return _plain(415, "content type not accepted")
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            return _plain(415, "content encoding not accepted")
        self._in_flight += 1
        try:
            return await self._read_and_admit(door, request, content_type)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def _read_and_admit(self, door: DoorKind, request: Request,
                              content_type: str) -> Response:
        settings = self._settings
        try:
            body = await read_body(request.stream(), request.headers.get("content-length"),
                                   min(settings.body_bytes_max, door.body_bytes_max),
                                   settings.body_s_max, self._budget)
        except BodyRefused as error:
            if isinstance(error, BodyTooLarge):
                await self._note_oversized(door)
            return _not_taken(error.status, error.ended)
        except ClientDisconnect:
            return _not_taken(400, False)
        self._whole += 1
        try:
            if self._whole > settings.requests_max:
                return _again("no room")
            return await self._admit(door, request, Knock(
                door.name, request.method, self._public_url(request) if door.signs_url else "",
                "" if request.method == "GET" else content_type,
                _kept_headers(request, door.headers), body))
        finally:
            self._whole -= 1
            self._budget.taken -= len(body)

    async def _admit(self, door: DoorKind, request: Request, knock: Knock) -> Response:
        came_at = self._parts.clock()
        if len(knock.body) > _INLINE_BYTES_MAX:
            passed = await asyncio.to_thread(door.check, self._secrets[door.name], knock)
        else:
            passed = door.check(self._secrets[door.name], knock)
        if isinstance(passed, Failed):
            await self._reject(replace(knock, url=self._public_url(request)), passed.reason,
                               came_at)
            return _plain(401, "signature check failed")
        try:
            async with self._working:
                await self._capture(knock, passed, came_at)
        except Transient:
            # Neither log nor spool has all of it: the provider must deliver it again. Not every
            # provider does, so from here on it is a gap, until the opposite is shown.
            await self._note_refused(door)
            return _again("not durable")
        # From here every event of the request is on the log or on the spool: it may be forgotten
        # by everybody else.
        return _ACCEPTED[door.name]

    async def _capture(self, knock: Knock, passed: Passed, came_at: int) -> None:
        """Durable when it returns; raises Transient."""
        parts = self._parts
        request = doors.request_of(knock, passed, came_at)
        parse = parts.parses[knock.door]
        exclusion_of = parts.deliverer.exclusion_of
        for attempt in (parse, only_encodable(parse, exclusion_of),
                        unwritable(parse, exclusion_of)):
            if len(request.body) > _INLINE_BYTES_MAX:
                taken = await asyncio.to_thread(parts.deliverer.take, request, attempt)
            else:
                taken = parts.deliverer.take(request, attempt)
            if parts.media is not None:
                await parts.media.expect(taken.events)
            try:
                await parts.publisher.publish(taken.events)
            except Refused:
                # Nothing was queued. Once more, with what cannot be written set aside.
                continue
            if taken.excluded:
                # Last: a delivery that has to come again is counted when all else of it is safe.
                await self._count_excluded(taken, came_at)
            self._note(taken.events, came_at)
            return
        raise AssertionError("a whole body in quarantine could not be written")

    async def _count_excluded(self, taken: Taken, came_at: int) -> None:
        """Durable when it returns; raises Transient."""
        try:
            await asyncio.to_thread(self._parts.exclusions.add, taken.excluded, came_at)
        except Refused as error:
            raise Transient(str(error)) from error

    async def _reject(self, knock: Knock, reason: str, came_at: int) -> None:
        parts = self._parts
        self._rejected_at = came_at
        self._count_rejected(self._rejected_recently + 1, came_at)
        _LOG.warning("request rejected", extra={"door": knock.door, "reason": reason})

        def keep() -> None:
            blob = parts.seal(rejected.encode(knock))
            parts.ring.put(came_at, knock.door, reason, len(knock.body), blob)

        try:
            await asyncio.to_thread(keep)
        except Transient as error:
            # It is refused all the same: the sender knows, and the alarm is up.
            _LOG.error("rejected request not kept", extra={"error": type(error).__name__})

    def _count_rejected(self, count: int, now: int) -> None:
        """The ring's count may lag behind a rejection that is just being kept."""
        if now - self._rejected_at <= rejected.RECENT_MS:
            count = max(count, 1)
        self._rejected_recently = count
        if count:
            self._parts.alarms.set("rejected_requests", now, f"{count} requests")
        else:
            self._parts.alarms.clear("rejected_requests")

    def _note(self, made: Sequence[CapturedEvent], now: int) -> None:
        """Alarms for what the events themselves say."""
        alarms = self._parts.alarms
        # Before the directory names an account, the firm has not said who is who.
        told = bool(self._parts.deliverer.directory.accounts)
        for event in made:
            if event.kind == events.QUARANTINE:
                door = event.detail("door") or ""
                alarms.set("quarantine_waiting", now, door, _OCCURRENCE_MS, door)
            elif event.kind == events.GAP:
                self._note_gap(event, now)
            elif event.kind == events.EDIT and event.content_state == events.ABSENT_BY_SOURCE:
                alarms.set("edit_without_content", now, event.channel, _OCCURRENCE_MS,
                           event.channel)
            if told and domains.role_of(event) == domains.UNASSIGNED:
                alarms.set("unassigned_traffic", now, event.channel, _OCCURRENCE_MS, event.channel)

    def _note_gap(self, event: CapturedEvent, now: int) -> None:
        # The one who sees it first says it first; that it goes on is said by whoever reads the
        # index, for as long as it does. An account's number is in no alarm: they are counted here.
        alarms, phase = self._parts.alarms, event.detail("phase")
        reason = event.detail("reason") or ""
        accounts = self._going_on.setdefault(reason, set())
        if phase == gaps.BEGINS:
            accounts.add((event.channel, event.account))
        elif phase == gaps.ENDS:
            accounts.discard((event.channel, event.account))
            if not accounts:
                alarms.clear("capture_gap", reason)
                return
        elif phase != gaps.OVER:
            return
        words = f"{reason}: {len(accounts)} accounts" if len(accounts) > 1 else reason
        alarms.set("capture_gap", now, words, _OCCURRENCE_MS, reason)

    def _public_url(self, request: Request) -> str:
        """The URL as the provider saw it: the configured base, and path and query as they came."""
        scope = request.scope
        path = bytes(scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
        query = bytes(scope["query_string"])
        tail = (path + b"?" + query if query else path).decode("utf-8", "surrogateescape")
        base = self._settings.public_url.rstrip("/")
        return (base or f"{request.url.scheme}://{request.url.netloc}") + tail

    # -- what happens besides requests

    async def _keep_ticking(self) -> None:
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + self._settings.heartbeat_s
        while True:
            await asyncio.sleep(self._settings.tick_s)
            try:
                if loop.time() >= beat_at:
                    beat_at = loop.time() + self._settings.heartbeat_s
                    await self._beat(stopping=False)
                await self._tick()
            except Exception as error:  # noqa: BLE001 - no record is lost; heartbeats must go on
                _LOG.error("tick failed", extra={"error": type(error).__name__})

    async def _tick(self) -> None:
        """Alarms, gaps and the directory brought up to date, and the status written."""
        parts = self._parts
        now = parts.clock()
        try:
            self._count_rejected(await asyncio.to_thread(
                parts.ring.count_since, now - rejected.RECENT_MS), now)
            await self._reload_directory()
            if self._directory_pending:
                await self._record_directory()
            await self._flush_gaps(_GAP_MS)
            await self._flush_refusals()
            await self._flush_exclusions()
        except CounterfoilError as error:
            # Disk trouble of ring or memory: neither holds what was acknowledged.
            _LOG.error("tick failed", extra={"error": type(error).__name__})
        await self._write_status()

    async def _write_status(self) -> None:
        try:
            await asyncio.to_thread(self._parts.sink.write, self.status())
        except Transient as error:
            _LOG.error("status not written", extra={"error": type(error).__name__})

    async def _beat(self, stopping: bool) -> None:
        parts = self._parts
        stated = parts.publisher.acknowledged.take()
        event = heartbeat.heartbeat(stated, parts.capture_id, parts.clock(),
                                    parts.deliverer.directory.firm_years(), stopping)
        try:
            await parts.publisher.publish((event,))
        except Transient:
            # Not stated, so not claimed: the next heartbeat states it.
            parts.publisher.acknowledged.give_back(stated)

    async def _reload_directory(self) -> None:
        alarms, now = self._parts.alarms, self._parts.clock()
        try:
            fresh = await asyncio.to_thread(self._parts.reload)
        except Refused as error:
            # The last good load stays in force: a typing error must not unassign a firm.
            alarms.set("directory_refused", now, str(error))
            return
        if fresh is not None:
            alarms.clear("directory_refused")
            await self.use_directory(fresh)

    async def _record_directory(self) -> None:
        parts = self._parts
        async with self._directory_lock:
            directory = parts.deliverer.directory
            digest = directory.digest().encode()
            try:
                if await asyncio.to_thread(parts.memory.recall, _DIRECTORY_NAME) != digest:
                    await parts.publisher.publish((own.directory_event(directory, parts.clock()),))
                    # Durable. A crash before the next line records the load again, at its time.
                    await asyncio.to_thread(parts.memory.remember, _DIRECTORY_NAME, digest)
                self._directory_pending = parts.deliverer.directory is not directory
            except Transient as error:
                _LOG.warning("directory not recorded yet", extra={"error": type(error).__name__})

    async def _note_oversized(self, door: DoorKind) -> None:
        self._oversized[door.name] = self._oversized.get(door.name, 0) + 1
        self._parts.alarms.set("delivery_oversized", self._parts.clock(), door.name,
                               _OCCURRENCE_MS, door.name)
        await self._flush_gaps(_GAP_MS)

    async def _note_refused(self, door: DoorKind) -> None:
        if not self._refusals.note(door.name, self._parts.clock()):
            return
        try:
            await asyncio.to_thread(self._refusals.keep)
        except Transient as error:
            # The disk has no room for that either; this process still knows it.
            _LOG.error("overflow not kept", extra={"error": type(error).__name__})

    async def _flush_refusals(self, over_ms: int = OVER_MS) -> None:
        """A gap event for each overflow that is over. One that cannot be said yet waits."""
        parts = self._parts
        now = parts.clock()
        for overflow in self._refusals.over(now, over_ms):
            gap = overflow_gap(overflow, parts.capture_id, now,
                               parts.deliverer.directory.firm_years())
            try:
                await parts.publisher.publish((gap,))
                # Durable. A crash before the next line says it once more: one gap.
                self._refusals.said(overflow)
                await asyncio.to_thread(self._refusals.keep)
            except Transient as error:
                _LOG.warning("overflow not said yet", extra={"error": type(error).__name__})
                return
            self._note((gap,), now)

    async def _flush_exclusions(self, *, stopping: bool = False) -> None:
        """An event for each conversation and day of which something was left out."""
        parts = self._parts
        now = parts.clock()
        try:
            for ready in await asyncio.to_thread(partial(
                    parts.exclusions.ready, now, stopping=stopping)):
                await parts.publisher.publish(count_events(
                    ready.counts, ready.named, now, parts.deliverer.directory.firm_years()))
                # Durable. A crash before the next line says them once more: the same events.
                await asyncio.to_thread(parts.exclusions.said, ready)
        except (Transient, Refused) as error:
            _LOG.warning("counts not said yet", extra={"error": type(error).__name__})

    async def _flush_gaps(self, pause_ms: int) -> None:
        """A gap event for each door where requests were too large since the last one. Anybody can
        send a large body, so there is at most one event per door and `pause_ms`."""
        parts = self._parts
        now = parts.clock()
        for door, count in list(self._oversized.items()):
            last = self._gap_at.get(door)
            if last is not None and now - last < pause_ms:
                continue
            del self._oversized[door]
            self._gap_at[door] = now
            bytes_max = min(self._settings.body_bytes_max, DOORS[door].body_bytes_max)
            gap = own.oversized_gap(door, count, bytes_max, parts.capture_id, now,
                                    parts.deliverer.directory.firm_years())
            try:
                await parts.publisher.publish((gap,))
            except Transient:
                self._oversized[door] = self._oversized.get(door, 0) + count


class _Doors(Starlette):
    """ROUTES. A request for one of them goes straight to its handler: the framework's way there
    costs as much as reading the message. Whatever is no route goes the framework's way to 404 and
    405."""

    def serve_directly(self, handlers: Mapping[str, Mapping[str, Handler]]) -> None:
        """By path and method, exactly as they are spelled."""
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and not scope.get("root_path"):
            handler = self._handlers.get(scope["path"], {}).get(scope["method"])
            if handler is not None:
                response = await handler(Request(scope, receive, send))
                await response(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


def create_app(gateway: Gateway) -> Starlette:
    """The ASGI application: ROUTES and nothing else. Its lifespan is the gateway's."""
    handlers: dict[str, dict[str, Handler]] = {}
    for method, path, _guard in ROUTES:
        handlers.setdefault(path, {})[method] = _handler(gateway, method, path)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await gateway.start()
        try:
            yield
        finally:
            await gateway.stop()

    app = _Doors(debug=False, routes=[_route(*one) for one in handlers.items()],
                 lifespan=lifespan)
    app.serve_directly(handlers)
    # A path with a slash too many is another path: 404, not a redirect that loses the body.
    app.router.redirect_slashes = False
    return app


def _route(path: str, by_method: dict[str, Handler]) -> Route:
    async def dispatch(request: Request) -> Response:
        return await by_method[request.method](request)

    route = Route(path, dispatch, methods=list(by_method), name=path)
    # Starlette adds HEAD wherever there is GET; at a door that would be a delivery.
    route.methods = set(by_method)
    return route


def _handler(gateway: Gateway, method: str, path: str) -> Handler:
    if path == "/healthz":
        return gateway.healthz
    door = next(one for one in DOORS.values() if one.path == path)
    if method not in door.methods:
        return gateway.handshake
    return partial(gateway.knock, door)


def _kept_headers(request: Request, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The headers of `names` that came exactly once: of two signatures neither is believed."""
    headers = request.headers
    return tuple((name, values[0]) for name in names
                 if len(values := headers.getlist(name)) == 1)


def _plain(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(text, status, {**_NO_SNIFFING, **(headers or {})})


# Made once: an answer holds nothing of the request.
_ACCEPTED: Final[Mapping[str, Response]] = {
    "whatsapp": _plain(200, ""),
    "twilio": Response(_TWIML, 200, media_type="text/xml"),
}


def _again(text: str) -> Response:
    return _plain(503, text, {"Retry-After": _RETRY_AFTER_S})


def _not_taken(status: int, ended: bool) -> Response:
    """For a body that was not taken. What is still coming of it is no request."""
    headers = {} if ended else {"Connection": "close"}
    if status == 503:
        headers["Retry-After"] = _RETRY_AFTER_S
    return _plain(status, "body not taken", headers)
