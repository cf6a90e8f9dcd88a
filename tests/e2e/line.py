"""The whole line in one process, with a clock and randomness that are given: door, log, archiver,
store, follower, index, searcher; every part is the product's own, on any drivers.

Owns the composition for tests that compare two runs. The clock moves when a request is posted.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import httpx

from infra.embedded.ring import SqliteRing
from infra.embedded.spool import SqliteSpool
from infra.wire import Wire
from ingest.adapters import ADAPTERS
from ingest.delivery import Deliverer
from ingest.exclusion_counts import ExclusionCounts
from ingest.gateway import Gateway, GatewayParts, GatewaySettings, create_app
from ingest.publish import Publisher
from ingest.rejected import SEAL_LABEL
from ingest.routing import Router
from ingest.status import AlarmBoard
from ingest.transit import seal_once
from schemas.document import Document
from schemas.findings import Finding
from search import machine
from search.access.viewer import operator
from search.follow import Follower, bind
from search.index import Index
from search.searcher import Searcher
from tests.e2e.installation import SECRETS, Inside
from tests.ingest.doorway import Sink
from tests.world import Watcher

STEP_MS = 1_000
# A second app that is subscribed to the same number signs with a secret of its own.
SECOND_APP = b"the secret of a second app"


@dataclass
class Clock:
    """UTC ms; moves when told."""

    now: int

    def __call__(self) -> int:
        return self.now


@dataclass
class Posted:
    """One request and its answer."""

    path: str
    body: bytes
    headers: dict[str, str]
    status: int = 0


@dataclass
class Line:
    """One firm. `play`, then `archive`, then look."""

    wire: Wire
    clock: Clock
    watcher: Watcher = field(default_factory=Watcher)
    alarms: frozenset[str] = frozenset()
    posted: list[Posted] = field(default_factory=list)

    def play(self, requests: Iterable[Posted]) -> None:
        """Every request in order through a gateway that lives for them; statuses are filled in."""
        asyncio.run(self._play(list(requests)))

    async def _play(self, requests: list[Posted]) -> None:
        wire, clock, home = self.wire, self.clock, self.wire.home / "gateway"
        home.mkdir(exist_ok=True, mode=0o700)
        log = wire.capture_log()
        spool, ring = SqliteSpool(home / "spool.db"), SqliteRing(home / "rejected.db")
        sealer, keys, alarms = wire.sealer("gateway"), wire.keys_folder, AlarmBoard()
        router = Router(keys.routing_key(), sealer.capture_id)
        archiver, capture_key = keys.archiver_public(), keys.capture_key("gateway")
        gateway = Gateway(
            GatewaySettings(
                whatsapp_secrets=(SECRETS.whatsapp_app_secret.encode(), SECOND_APP),
                twilio_tokens=(SECRETS.twilio_auth_token.encode(),),
                public_url=SECRETS.public_url),
            GatewayParts(
                deliverer=Deliverer(router, wire.directory()),
                publisher=Publisher(log, sealer, router, spool, spool, clock, alarms,
                                    ack_s_max=30.0),
                ring=ring, memory=spool,
                seal=lambda plain: seal_once(archiver, capture_key, SEAL_LABEL, plain),
                parses={name: one.parse for name, one in ADAPTERS.items()},
                capture_id=sealer.capture_id, clock=clock, alarms=alarms, sink=Sink(),
                exclusions=ExclusionCounts(spool, router.exclusion_key(), sealer.capture_id,
                                           os.urandom)))
        transport = httpx.ASGITransport(app=create_app(gateway))
        await gateway.start()
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
                for one in requests:
                    clock.now += STEP_MS
                    answer = await client.post(one.path, content=one.body, headers=one.headers)
                    one.status = answer.status_code
            self.alarms = frozenset(one.code for one in alarms.active(clock()))
        finally:
            await gateway.stop()
            for part in (log, spool, ring):
                part.close()

    def archive(self) -> None:
        """Everything on the log becomes segments, every segment documents."""
        log = self.wire.archive_log()
        archiver = self.wire.archiver(log, self.watcher)
        try:
            ends = {partition: log.bounds(partition)[1]
                    for partition in range(log.identity().partitions)}
            ahead: dict[int, int] = {}
            while ahead != ends:
                archiver.turn(0.2, flush=True)
                for found in self.watcher.segments:
                    header = found.segment.header
                    ahead[header.partition] = header.last + 1
                ahead |= {one: 0 for one, end in ends.items() if not end}
        finally:
            log.close()
        assert self.watcher.findings == []
        self.index()

    def index(self) -> Index:
        """The current index, up to the archive's end."""
        indexes = self.wire.indexes()
        index = indexes.open(bind(indexes))
        Follower(self.wire.reader(), index, self.wire.projector()).run_to_end()
        index.refresh()
        return index

    def inside(self) -> Inside:
        """The stores themselves."""
        return Inside(self.wire)

    @cached_property
    def searcher(self) -> Searcher:
        """Searches and shows, as the verbs do."""
        return self.wire.searcher()

    def rejected(self) -> list[str]:
        """Why each request in the ring was not let in."""
        ring = SqliteRing(self.wire.home / "gateway" / "rejected.db")
        try:
            return [row.reason for row in ring.rows()]
        finally:
            ring.close()

    def search(self, query: str) -> list[dict[str, Any]]:
        """What `search --json` prints, without the audit's delay."""
        answer = self.searcher.search(query, operator("a test"), 1000)
        return [machine.hit(one) for one in answer.hits]

    def count(self, query: str) -> int:
        """How many match, reading one of them."""
        return self.searcher.search(query, operator("a test"), 1).total

    def show(self, doc_id: str) -> dict[str, Any]:
        """What `show --json` prints."""
        return machine.message(self.searcher.view(doc_id, operator("a test")))

    def documents(self) -> dict[str, Document]:
        """Every document by its id."""
        return {one.doc_id: one for one in self.index().scan()}

    def findings(self) -> list[Finding]:
        """What `verify` finds."""
        return self.wire.verifier(lambda _done, _key: None).run(self.clock()).findings
