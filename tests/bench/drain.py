"""`drain`: events per CPU-second of the archiver, beside mq-bridge on the same events (DESIGN §9).

Owns the preparation (one log of sealed packs per pack size, one of raw webhooks for the peer), the
interleaved runs, and the check inside each: every event decrypted, counted, in order, none twice.
A run that loses or doubles one scores 0.
"""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from kafka import KafkaProducer

from archive import layout
from archive.reader import ReadEvent
from infra.kafka import provision
from infra.s3 import S3Store
from ingest.routing import Router, partition_of
from ingest.transit import Item, TransitSealer
from schemas import codec
from tests.bench.expected import Expected, difference
from tests.bench.ground import Ground, measured_child
from tests.bench.traffic import Capture, Traffic

PARTITIONS: Final = 4
BACKLOGS: Final = ("bench-drain-short", "bench-drain-long")
PEER_KEY: Final = base64.b64encode(bytes(range(32))).decode()
# Of the sizes tried (512, 10,000, 30,000) the one that is a fair middle of its speed and memory.
PEER_BATCH: Final = 10_000
# What the peer is given: the very events that ours archives (parsed form, webhook, signature), and
# the webhooks alone, which is half as many bytes.
SAME: Final = "mq-bridge, the same events"
BARE: Final = "mq-bridge, bare webhooks"
_PEER_TOPICS: Final = {SAME: "bench-drain-same", BARE: "bench-drain-bare"}
# What the backlog's sessions look like: a gateway that took this many events each second.
CAPTURED_PER_S: Final = 2_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `people` sets how many events share a cell."""

    events: int = 240_000
    packs: tuple[int, ...] = (1, 8, 32)
    repeats: int = 3
    people: int = 110
    seed: int = 1

    @property
    def backlogs(self) -> tuple[int, int]:
        """Events of a backlog and of one ten times as long, for memory."""
        return self.events // 5, 2 * self.events


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run. `found` is what the child said; `wrong` is "" or why it scores 0."""

    who: str
    found: dict[str, Any]
    bytes_per_event: float
    objects: int
    events_per_cell: float
    wrong: str

    @property
    def rate(self) -> float:
        """Events per CPU-second; 0 for a run that lost, doubled or changed anything."""
        return 0.0 if self.wrong else self.found["events"] / self.found["cpu_s"]


class Drain:
    """One benchmark: prepared once, run as often as asked."""

    def __init__(self, ground: Ground, plan: Plan) -> None:
        self._ground = ground
        self._plan = plan
        self._runs = 0
        self._expected: dict[int, Expected] = {}
        self._peer_expected: dict[str, dict[int, Expected]] = {SAME: {}, BARE: {}}
        self.body_bytes = self.datum_bytes = 0.0
        ground.home()
        self._keyring = ground.bucket("bench-drain-keyring")
        self._peer_bucket = ground.bucket("bench-drain-peer", lock_all=True)

    def prepare(self) -> None:
        """Put the same events on every log."""
        plan = self._plan
        traffic = Traffic(plan.seed, plan.people, step_s=20 * 86_400 / plan.events)
        wire = self._ground.wire()
        keys = wire.keys_folder
        sealer = wire.sealer("gateway")
        router = Router(keys.routing_key(), sealer.capture_id)
        capture = Capture(traffic.directory(), router)
        topics = [_Topic(self._ground, f"bench-drain-{pack}", pack, keys) for pack in plan.packs]
        small, large = (_Topic(self._ground, name, plan.packs[-1], keys) for name in BACKLOGS)
        peers = {who: _PeerTopic(self._ground, topic) for who, topic in _PEER_TOPICS.items()}
        for number, webhook in enumerate(traffic.webhooks(plan.events)):
            event, = capture.events(webhook)
            item = Item(router.domain(event), router.tag(event), codec.encode(event))
            partition = partition_of(item.tag, PARTITIONS)
            now = number * 1000 // CAPTURED_PER_S
            # The long backlog has each event twice: its content is not looked at.
            for topic in (*topics, large, large):
                topic.add(partition, item, now)
            if number < plan.backlogs[0]:
                small.add(partition, item, now)
            self._expected.setdefault(partition, Expected()).add(item.datum)
            # The peer's raw format parts records at newlines, and Avro's bytes have some.
            for who, datum in ((SAME, item.datum.replace(b"\n", b"\v")), (BARE, webhook.body)):
                peers[who].add(partition, datum)
                self._peer_expected[who].setdefault(partition, Expected()).add(datum)
            self.body_bytes += len(webhook.body) / plan.events
            self.datum_bytes += len(item.datum) / plan.events
        for topic in (*topics, small, large):
            topic.close()
        for peer in peers.values():
            peer.close()

    def runs(self) -> Iterator[Run]:
        """Every run, interleaved: forth and back, so that a drift of the machine hits all alike."""
        row: list[int | str] = [*self._plan.packs, SAME, BARE]
        for repeat in range(self._plan.repeats):
            for one in row if repeat % 2 == 0 else row[::-1]:
                yield self.peer(one) if isinstance(one, str) else self.ours(one)

    def ours(self, pack: int) -> Run:
        """One drain of the packs of one size."""
        self._runs += 1
        bucket = self._ground.bucket(f"bench-drain-{self._runs}")
        sections = self._sections(f"bench-drain-{pack}", bucket)
        found = self._child(sections, self._plan.events)
        cells, problem = self._check_ours(sections)
        if found["findings"]:
            problem = problem or str(found["findings"][:3])
        return Run(f"packs of {pack}", found, found["bytes"] / found["events"], found["segments"],
                   found["events"] / max(cells, 1), problem)

    def memory(self) -> tuple[float, float]:
        """Peak of a worker's resident memory in MB, over a backlog and one ten times as long."""
        peaks = []
        for topic, events in zip(BACKLOGS, self._plan.backlogs, strict=True):
            self._runs += 1
            bucket = self._ground.bucket(f"bench-drain-{self._runs}")
            peaks.append(self._child(self._sections(topic, bucket), events)["peak_mb"])
        return peaks[0], peaks[1]

    def peer(self, who: str) -> Run:
        """One run of mq-bridge over `SAME` or `BARE`."""
        self._runs += 1
        where = f"s3://{self._peer_bucket}/{self._runs}"
        sealed = {"format": "raw", "compression": "zstd",
                  "encryption": {"cipher": "aes256gcm", "key": PEER_KEY}}
        route = {
            "input": {"kafka": {"url": self._ground.address.kafka_bootstrap,
                                "topic": _PEER_TOPICS[who], "group_id": f"peer-{self._runs}",
                                "source_metadata": True}},
            "output": {"object_store": {"url": where, "name_by": "source_position", **sealed}},
            "batch_size": PEER_BATCH, "exit_on_empty": True}
        found = measured_child("tests.bench.drain_peer", {"route": route}, self._environment())
        found["events"] = self._plan.events
        store = S3Store(self._ground.s3(self._peer_bucket))
        objects = list(store.versions(f"{self._runs}/"))
        return Run(who, found, sum(one.size for one in objects) / self._plan.events,
                   len(objects), 0.0, self._check_peer(who, {"url": where, **sealed}))

    def _child(self, sections: dict[str, Any], events: int) -> dict[str, Any]:
        return measured_child("tests.bench.drain_ours", {
            "home": str(self._ground.home()), "sections": sections, "events": events})

    def _sections(self, topic: str, bucket: str) -> dict[str, Any]:
        wire = self._ground.wire()
        return {"log": {**wire.config.log.model_dump(), "topic": topic,
                        "partitions": PARTITIONS, "group": f"drain-{self._runs}"},
                "store": {**wire.config.store.model_dump(mode="json"), "bucket": bucket},
                "keyring": {"driver": "s3", "bucket": self._keyring}}

    def _check_ours(self, sections: dict[str, Any]) -> tuple[int, str]:
        """(cells, "" or what is wrong): everything is read back, opened and compared."""
        wire = self._ground.wire(**sections)
        reader, cells, segments = wire.reader(), 0, 0
        got: dict[int, Expected] = {}
        for topic_id, partition in reader.partitions():
            for read in reader.follow(topic_id, partition, 0):
                segments += 1
                cells += len({event.domain for event in read.events})
                for event in sorted(read.events, key=_address):
                    if event.datum is None or event.problem:
                        return cells, f"{read.key}: {event.problem}"
                    got.setdefault(partition, Expected()).add(event.datum)
        versions = Counter(one.key for one in wire.store.versions(layout.SEGMENTS))
        if len(versions) != segments or set(versions.values()) != {1}:
            return cells, f"{sum(versions.values())} versions for {segments} segments"
        return cells, difference(self._expected, got)

    def _check_peer(self, who: str, source: dict[str, Any]) -> str:
        wanted = self._peer_expected[who]
        counts = {str(partition): one.count for partition, one in wanted.items()}
        found = measured_child("tests.bench.drain_peer", {"source": source, "counts": counts},
                               self._environment())
        for partition, one in wanted.items():
            if found[str(partition)] != [one.count, one.running.hexdigest()]:
                return f"partition {partition}: {found[str(partition)][0]} of {one.count} events"
        return ""

    def _environment(self) -> dict[str, str]:
        address = self._ground.address
        return {**os.environ, "AWS_ACCESS_KEY_ID": address.s3_access_key,
                "AWS_SECRET_ACCESS_KEY": address.s3_secret_key, "AWS_REGION": address.s3_region,
                "AWS_ENDPOINT_URL": address.s3_endpoint, "AWS_ALLOW_HTTP": "true",
                "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false"}


class _PeerTopic:
    """A log of the peer. Batched well: what it likes best."""

    def __init__(self, ground: Ground, topic: str) -> None:
        self._topic = topic
        self._settings = _topic(ground, topic)
        self._producer = _producer(ground, batch_bytes=500_000, linger_ms=20)

    def add(self, partition: int, value: bytes) -> None:
        """One record."""
        self._producer.send(self._topic, value=value, partition=partition)

    def close(self) -> None:
        """Everything is acknowledged when it returns."""
        self._producer.flush()
        self._producer.close()


class _Topic:
    """A log of packs of one size, each alone in its batch as the gateway's lanes send it."""

    def __init__(self, ground: Ground, topic: str, pack: int, keys: Any) -> None:
        self._topic, self._pack = topic, pack
        self._identity = _topic(ground, topic)
        self._producer = _producer(ground, batch_bytes=0, linger_ms=0)
        self._now = 0
        wire = ground.wire()
        random = wire.domain_keys()._random
        self._sealer = TransitSealer(keys.archiver_public(), keys.capture_key("gateway"),
                                     wire.sealer("gateway").kinds, random, lambda: self._now,
                                     os.getpid)
        self._waiting: dict[int, list[Item]] = {}

    def add(self, partition: int, item: Item, now: int) -> None:
        """One event at `now` (ms)."""
        self._now = now
        waiting = self._waiting.setdefault(partition, [])
        waiting.append(item)
        if len(waiting) == self._pack:
            self._send(partition, self._waiting.pop(partition))

    def close(self) -> None:
        """Everything is acknowledged when it returns."""
        for partition, items in self._waiting.items():
            self._send(partition, items)
        self._producer.flush()
        self._producer.close()

    def _send(self, partition: int, items: Sequence[Item]) -> None:
        record = self._sealer.seal(self._identity, partition, items)
        self._producer.send(self._topic, value=record.value, partition=partition)


def _address(event: ReadEvent) -> tuple[int, int]:
    return event.pointer.offset, event.pointer.index


def _topic(ground: Ground, topic: str) -> Any:
    wire = ground.wire()
    log = {**wire.config.log.model_dump(), "topic": topic}
    return provision(ground.wire(log=log).kafka_settings, PARTITIONS)


def _producer(ground: Ground, batch_bytes: int, linger_ms: int) -> Any:
    return KafkaProducer(bootstrap_servers=ground.address.kafka_bootstrap, acks="all",
                         batch_size=batch_bytes, linger_ms=linger_ms, max_block_ms=120_000,
                         # Not the product's options: this only fills the log, and quickly.
                         enable_idempotence=False, max_in_flight_requests_per_connection=20,
                         max_request_size=2_000_000)


@dataclass(frozen=True, slots=True)
class Row:
    """The runs of one side: median and range of events per CPU-second; `ratios` to each peer's."""

    who: str
    median: float
    low: float
    high: float
    ratios: dict[str, float]
    ours_share: float
    bytes_per_event: float
    objects: int
    events_per_cell: float
    peak_mb: float
    wall_rate: float
    wrong: str


def rows(runs: Sequence[Run]) -> list[Row]:
    """One row per side; its `ratios` are its median divided by that of each peer."""
    sides: dict[str, list[Run]] = {}
    for run in runs:
        sides.setdefault(run.who, []).append(run)
    peers = {who: median(run.rate for run in sides[who]) for who in (SAME, BARE)}
    return [Row(
        who, median(run.rate for run in of), min(run.rate for run in of),
        max(run.rate for run in of),
        {name: median(run.rate for run in of) / peer if peer else 0.0
         for name, peer in peers.items()},
        median(run.found.get("ours_s", 0.0) / run.found["cpu_s"] for run in of),
        of[0].bytes_per_event, of[0].objects, of[0].events_per_cell,
        max(run.found["peak_mb"] for run in of),
        median(run.found["events"] / run.found["wall_s"] for run in of),
        next((run.wrong for run in of if run.wrong), "")) for who, of in sides.items()]
