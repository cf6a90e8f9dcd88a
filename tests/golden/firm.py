"""The golden firm: fixed keys, clock and randomness, on fakes that give the same bytes each time.

Owns a composition of its own, apart from `tests/world.py`, so that nobody's new test changes the
golden bytes. What it writes is `v1/`; `generate.py` tells the story, `load.py` reads it back.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from archive import heads
from archive.authentic import Authenticator
from archive.batch import BatchLimits
from archive.cell import Dictionary
from archive.commit import Committer
from archive.consume import Archiver, Ports
from archive.heads import HeadLine
from archive.keyring import DomainKeys
from archive.log import ArchiveLog
from archive.reader import ArchiveReader, Dictionaries
from archive.seal import SealPolicy, SegmentSealer
from archive.store import ObjectStore
from archive.tlog.sequence import LogSequence
from archive.unseal import Enrolled, TransitPrivate, Unsealer
from archive.verify import Report, Verifier
from infra.embedded.keys import LocalKeyService, create_kek
from infra.keyfiles import writer_id
from ingest.heartbeat import Acknowledged
from ingest.routing import Router, partition_of
from ingest.transit import ArchiverPublic, Item, SealedRecord, capture_id_of
from schemas import codec, pack
from schemas.events import CAPTURE_KINDS, CapturedEvent, Identity
from schemas.identity import canonical
from schemas.kinds import mask_of
from schemas.wire import LogIdentity
from tests.fakes.keys import FakeKeyring
from tests.fakes.log import FakeLog
from tests.fakes.store import FakeStore
from tests.golden import hpke
from tests.world import Random, Watcher

NOW = 1_768_471_200_000          # 2026-01-15T10:00:00Z
HOUR_MS = 3_600_000
PARTITIONS = 3
DICTIONARY = (b"+15550783881 +16505550001 pair: whatsapp-cloud/1 twilio/1 message provider_signed "
              b"e164 explicit present default application/json content-type x-hub-signature-256 "
              b'{"object":"whatsapp_business_account","entry":[{"id":"102290129340398"}]}') * 2


class FixedSealer:
    """Seals packs from docs/FORMAT.md alone, with the handed-in randomness: one session for each
    time on the clock. That `archive/unseal.py` opens them is a check of both."""

    def __init__(self, archiver: ArchiverPublic, capture_key: Ed25519PrivateKey,
                 kinds: frozenset[str], random: Random, clock: Callable[[], int]) -> None:
        self.capture_id = capture_id_of(capture_key.public_key().public_bytes_raw())
        self._archiver = archiver
        self._capture_key = capture_key
        self._kinds = kinds
        self._random = random
        self._clock = clock
        self._opened_at = -1
        self._counter = 0
        self._session_id = self._key = self._opening = b""

    def seal(self, log: LogIdentity, partition: int, items: Sequence[Item]) -> SealedRecord:
        """One pack."""
        if self._clock() != self._opened_at:
            self._open(log.topic_id)
        counter, self._counter = self._counter, self._counter + 1
        table = b"".join(one.domain + one.tag + len(one.datum).to_bytes(4, "big") for one in items)
        front = b"".join((
            b"CFP1", len(self._opening).to_bytes(2, "big"), self._opening,
            counter.to_bytes(8, "big"), log.topic_id, partition.to_bytes(4, "big"),
            len(items).to_bytes(2, "big"), table))
        sealed = AESGCM(self._key).encrypt(counter.to_bytes(12, "big"),
                                           b"".join(one.datum for one in items), front)
        return SealedRecord(front + sealed, self._session_id, counter)

    def _open(self, topic_id: bytes) -> None:
        self._opened_at, self._counter = self._clock(), 0
        self._key, self._session_id = self._random(32), self._random(16)
        wrapped = hpke.seal(self._archiver.public, self._random(32), self._key,
                            canonical("counterfoil/transit/v1", topic_id, self.capture_id))
        body = b"".join((
            b"\x01", bytes([self._archiver.suite]), self._archiver.key_id, self.capture_id,
            self._session_id, mask_of(self._kinds).to_bytes(8, "big"),
            len(wrapped).to_bytes(2, "big"), wrapped))
        self._opening = body + self._capture_key.sign(
            canonical("counterfoil/opening/v1", topic_id, body))


class FirmLog(FakeLog):
    """The broker, able to begin with what lies in a folder."""

    def restore(self, records: dict[int, dict[int, bytes]], ends: Sequence[int]) -> None:
        """Hold exactly these records."""
        self._records = [dict(records.get(partition, {})) for partition in range(self.partitions)]
        self._ends = list(ends)

    def ends(self) -> list[int]:
        """The next offset of each partition."""
        return list(self._ends)


@dataclass(frozen=True, slots=True)
class FirmKeys:
    """Every secret of the golden firm. They protect nothing: everybody has them."""

    kek: bytes
    capture: bytes
    sealing: bytes
    transit: bytes
    routing: bytes


def golden_keys() -> FirmKeys:
    """From fixed seeds; the capture key is the first whose firm's events lie in partition 0."""
    number = 0
    while True:
        capture = Random(f"golden/capture/{number}")(32)
        public = Ed25519PrivateKey.from_private_bytes(capture).public_key().public_bytes_raw()
        if partition_of(capture_id_of(public), PARTITIONS) == 0:
            break
        number += 1
    return FirmKeys(Random("golden/kek")(32), capture, Random("golden/sealing")(32),
                    Random("golden/transit")(32), Random("golden/routing")(32))


@dataclass
class Firm:
    """One firm on fakes. `seed` separates what a test adds from what is golden."""

    keys: FirmKeys = field(default_factory=golden_keys)
    seed: str = "golden"
    now: int = NOW
    trial: bool = False

    def __post_init__(self) -> None:
        self.log = FirmLog("capture", PARTITIONS)
        self.member = self.log.member()
        self.store = FakeStore(self.clock)
        self.keyring = FakeKeyring()
        self.service = self._key_service()
        self.capture_key = Ed25519PrivateKey.from_private_bytes(self.keys.capture)
        self.sealing_key = Ed25519PrivateKey.from_private_bytes(self.keys.sealing)
        transit = X25519PrivateKey.from_private_bytes(self.keys.transit)
        self.transit_id = bytes.fromhex("676f6c64656e2d31")
        self.transit = TransitPrivate(self.transit_id, pack.SUITE_X25519, self.keys.transit)
        self.public = ArchiverPublic(self.transit_id, pack.SUITE_X25519,
                                     transit.public_key().public_bytes_raw())
        self.sealer = self.new_sealer(CAPTURE_KINDS)
        self.router = Router(self.keys.routing, self.sealer.capture_id)
        self.enrolled = {self.sealer.capture_id: Enrolled(
            self.capture_key.public_key().public_bytes_raw(), mask_of(CAPTURE_KINDS))}
        sealing = self.sealing_key.public_key().public_bytes_raw()
        self.writer = writer_id(sealing)
        self.sealing_public = {self.writer: sealing}
        self.acknowledged = Acknowledged()
        self.watcher = Watcher()
        self._cells = Random(f"{self.seed}/cells")

    def clock(self) -> int:
        """UTC ms; moves only when told."""
        return self.now

    def new_sealer(self, kinds: frozenset[str]) -> FixedSealer:
        """A capture process that may say `kinds`."""
        return FixedSealer(self.public, self.capture_key, kinds, Random(f"{self.seed}/transit"),
                           self.clock)

    def _key_service(self) -> LocalKeyService:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "kek.key"
            create_kek(path, lambda _length: self.keys.kek)
            return LocalKeyService(path, Random(f"{self.seed}/wrap"))

    def domain_keys(self) -> DomainKeys:
        """A fresh view of the ring."""
        return DomainKeys(self.keyring, self.service, Random(f"{self.seed}/{self.now}/domain"),
                          self.clock)

    def conversation(self, partition: int, number: int = 0) -> str:
        """The `number`-th conversation that lies in `partition`."""
        for last in range(10_000):
            name = f"pair:+15550783881|+1650555{last:04d}"
            tag = self.router.tag(_message(name, 0, self.now))
            if partition_of(tag, PARTITIONS) == partition:
                if not number:
                    return name
                number -= 1
        raise AssertionError("no such conversation")

    def message(self, partition: int, number: int, **changes: Any) -> CapturedEvent:
        """A WhatsApp message numbered `number` in a conversation of `partition`."""
        event = _message(self.conversation(partition), number, self.now)
        return replace(event, **changes)

    def item(self, event: CapturedEvent) -> Item:
        """What of `event` is sealed, whole."""
        return Item(self.router.domain(event), self.router.tag(event), codec.encode(event))

    def seal(self, partition: int, items: Sequence[Item],
             sealer: FixedSealer | None = None) -> SealedRecord:
        """A record for the log, not on it yet."""
        return (sealer or self.sealer).seal(self.log.now(), partition, items)

    def capture(self, partition: int, *several: CapturedEvent) -> int:
        """One pack of events on the log; its offset."""
        return self.append(partition, [self.item(event) for event in several])

    def append(self, partition: int, items: Sequence[Item],
               sealer: FixedSealer | None = None) -> int:
        """One pack of items on the log; its offset."""
        record = self.seal(partition, items, sealer)
        self.acknowledged.add(record.session_id, record.counter)
        return self.log.append(partition, record.value)

    def authenticator(self) -> Authenticator:
        """Knows the sealing key."""
        return Authenticator(self.sealing_public)

    def segment_sealer(self, dictionary: bytes | None = None) -> SegmentSealer:
        """Makes segments."""
        return SegmentSealer(
            Unsealer({self.transit_id: self.transit}, self.enrolled), self.domain_keys(),
            Dictionary(dictionary), self.sealing_key.sign, self.writer,
            SealPolicy(self.trial, 15, 8), self._cells)

    def archiver(self, *, dictionary: bytes | None = None, log: ArchiveLog | None = None,
                 store: ObjectStore | None = None) -> Archiver:
        """A new archiver process, with nothing remembered."""
        used = store or self.store
        return Archiver(Ports(
            log or self.member, used, self.authenticator(), self.segment_sealer(dictionary),
            Committer(used, self.authenticator(), lambda _seconds: None), self.watcher,
            self.clock), BatchLimits(age_ms_max=0))

    def archive(self, *, dictionary: bytes | None = None) -> None:
        """Seal everything that is on the log, and let a minute pass."""
        archiver = self.archiver(dictionary=dictionary)
        for _ in range(4):
            archiver.turn(0.0, flush=True)
        self.now += 60_000

    def keys_of(self, partition: int) -> list[str]:
        """The keys of a partition's objects, in order."""
        return sorted(key for key in self.store.objects
                      if key.startswith(f"segments/capture/{self.log.now().topic_id.hex()}/"
                                        f"{partition}/"))

    def head(self) -> str:
        """A signed head of what is archived now."""
        lines = []
        for name in self.reader().names():
            topic_id = name.topic_id.hex()
            last = list(self.reader().follow(topic_id, name.partition, 0))[-1]
            lines.append(HeadLine(name.topic, topic_id, name.partition, last.last, last.sha256))
        return heads.render(lines, self.now, self.writer, self.sealing_key.sign)

    def reader(self) -> ArchiveReader:
        """A reader of the archive that knows no dictionary from elsewhere."""
        return ArchiveReader(self.store, self.authenticator(), self.domain_keys(),
                             Dictionaries(self.store))

    def verify(self, *, log: LogSequence | None = None, **options: Any) -> Report:
        """A full verification, three hours later."""
        return Verifier(self.store, self.authenticator(), self.reader(), self.domain_keys(),
                        "COMPLIANCE", log=log).run(self.now + 3 * HOUR_MS, **options)


def _message(conversation: str, number: int, now: int) -> CapturedEvent:
    other = conversation.rpartition("|")[2]
    return CapturedEvent(
        kind="message", channel="whatsapp", source="whatsapp-cloud/1", account="+15550783881",
        conversation=conversation, captured_at=now, native_id=f"wamid.GOLDEN{number:04d}",
        actor=Identity(other, "e164", "Sam"), participants=(Identity("+15550783881", "e164"),),
        direction="in", occurred_at=now - 1500, occurred_precision="s", occurred_meaning="sent",
        text=f"golden text {number}", custodian="a.person", retention_years=7)
