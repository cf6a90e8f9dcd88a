"""A whole firm in one process: keys, log, archiver, reader and verifier over handed-in ports.

Owns the composition that tests share. Clock and randomness are deterministic: `World.now` moves
only when told, `World.random` is a keyed stream. Ports default to the embedded drivers in a
temporary folder; fakes or real servers can be handed in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from archive.authentic import Authentic, Authenticator
from archive.batch import BatchLimits
from archive.cell import Dictionary
from archive.commit import Committer
from archive.consume import Archiver, Ports
from archive.keyring import DomainKeys, Keyring, KeyService
from archive.log import ArchiveLog
from archive.reader import ArchiveReader, Dictionaries
from archive.seal import SealPolicy, SegmentSealer
from archive.store import ObjectStore
from archive.unseal import Enrolled, TransitPrivate, Unsealer
from archive.verify import Report, Verifier
from infra.embedded.keys import FolderKeyring, LocalKeyService, create_kek
from infra.embedded.log import EmbeddedArchiveLog, EmbeddedCaptureLog, provision
from infra.embedded.store import FolderStore
from infra.keyfiles import writer_id
from ingest.routing import Router, partition_of
from ingest.transit import ArchiverPublic, Item, TransitSealer
from schemas import codec
from schemas.events import CAPTURE_KINDS, CapturedEvent, Identity
from schemas.findings import Finding
from schemas.kinds import mask_of

NOW = 1_763_700_000_000  # 2025-11-21T04:40:00Z


class Random:
    """A deterministic stream of bytes."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._count = 0

    def __call__(self, length: int) -> bytes:
        out = b""
        while len(out) < length:
            self._count += 1
            out += hashlib.sha256(self._seed + self._count.to_bytes(8, "big")).digest()
        return out[:length]


@dataclass
class Watcher:
    """Remembers what the archiver told."""

    segments: list[Authentic] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def sealed(self, partition: int, found: Authentic, events: int, records: int) -> None:
        """A segment of ours is part of the record."""
        self.segments.append(found)

    def finding(self, finding: Finding) -> None:
        """Something that an operator must know."""
        self.findings.append(finding)

    def behind(self, partition: int, waiting: int, oldest_at: int | None) -> None:
        """How many records wait."""


class World:
    """One firm. `capture` puts events on the log, `archive` seals them, `verify` checks."""

    def __init__(self, folder: Path, *, capture_log: Any = None,
                 archive_log: ArchiveLog | None = None, store: ObjectStore | None = None,
                 keyring: Keyring | None = None, service: KeyService | None = None,
                 seed: str = "world", trial: bool = True, partitions: int = 1,
                 dictionary: Dictionary | None = None, lock_mode: str = "FOLDER") -> None:
        self.folder, self.now, self.random = folder, NOW, Random(seed)
        if capture_log is None:
            provision(folder / "log.db", "capture", partitions, self.random)
            capture_log = EmbeddedCaptureLog(folder / "log.db")
            archive_log = EmbeddedArchiveLog(folder / "log.db", "archiver")
        assert archive_log is not None
        self.capture_log, self.log = capture_log, archive_log
        self.store: ObjectStore = store or FolderStore(folder / "store")
        if service is None:
            create_kek(folder / "kek.key", self.random)
            service = LocalKeyService(folder / "kek.key", self.random)
        self.keyring: Keyring = keyring or FolderKeyring(folder / "keyring")
        self.service: KeyService = service
        self.dictionary = dictionary or Dictionary(None)
        self.lock_mode, self.policy = lock_mode, SealPolicy(trial, 15, 8)
        self.capture_key = Ed25519PrivateKey.from_private_bytes(self.random(32))
        self.sealing_key = Ed25519PrivateKey.from_private_bytes(self.random(32))
        transit = X25519PrivateKey.from_private_bytes(self.random(32))
        self.transit_id = self.random(8)
        self.transit = TransitPrivate(self.transit_id, 1, transit.private_bytes_raw())
        self.archiver_public = ArchiverPublic(self.transit_id, 1,
                                              transit.public_key().public_bytes_raw())
        self.sealer = self.new_sealer(self.capture_key)
        self.router = Router(self.random(32), self.sealer.capture_id)
        self.enrolled = {self.sealer.capture_id: Enrolled(
            self.capture_key.public_key().public_bytes_raw(), mask_of(CAPTURE_KINDS))}
        public = self.sealing_key.public_key().public_bytes_raw()
        self.writer = writer_id(public)
        self.sealing_public = {self.writer: public}
        self.watcher = Watcher()

    def clock(self) -> int:
        """UTC ms; moves only when told."""
        return self.now

    def new_sealer(self, key: Ed25519PrivateKey,
                   kinds: frozenset[str] = CAPTURE_KINDS) -> TransitSealer:
        """A transit sealer of some capture process."""
        return TransitSealer(self.archiver_public, key, kinds, self.random, self.clock, lambda: 1)

    def message(self, number: int, text: str = "", **changes: Any) -> CapturedEvent:
        """A WhatsApp message numbered `number`."""
        event = CapturedEvent(
            kind="message", channel="whatsapp", source="whatsapp-cloud/1", account="+15550783881",
            conversation=f"pair:+15550783881|+1650555{number % 7:04d}", captured_at=self.now,
            native_id=f"wamid.{number}", actor=Identity(f"+1650555{number % 7:04d}", "e164"),
            direction="in", occurred_at=self.now - 1000, occurred_precision="s",
            text=text or f"text number {number}", custodian=f"c{number % 3}")
        return replace(event, **changes)

    def capture(self, events: Sequence[CapturedEvent], per_pack: int = 1) -> list[int]:
        """Seal and append `events`; returns the offsets."""
        log = self.capture_log.identity()
        waiting: dict[int, list[Item]] = {}
        offsets = []
        for event in events:
            item = Item(self.router.domain(event), self.router.tag(event), codec.encode(event))
            partition = partition_of(item.tag, log.partitions)
            waiting.setdefault(partition, []).append(item)
            if len(waiting[partition]) >= per_pack:
                offsets.append(self.append(waiting.pop(partition), partition))
        offsets += [self.append(items, partition) for partition, items in waiting.items()]
        return offsets

    def append(self, items: Sequence[Item], partition: int = 0) -> int:
        """Seal items as one record and append it; its offset."""
        log = self.capture_log.identity()
        record = self.sealer.seal(log, partition, items)
        return int(self.capture_log.append(partition, record.value, log.topic_id))

    def keys(self) -> DomainKeys:
        """A fresh view of the ring."""
        return DomainKeys(self.keyring, self.service, self.random, self.clock)

    def reopened_log(self) -> ArchiveLog:
        """The embedded log as a new process sees it."""
        return EmbeddedArchiveLog(self.folder / "log.db", "archiver")

    def authenticator(self) -> Authenticator:
        """Knows the sealing key."""
        return Authenticator(self.sealing_public)

    def archiver(self, limits: BatchLimits | None = None, *, store: ObjectStore | None = None,
                 log: ArchiveLog | None = None, watcher: Watcher | None = None) -> Archiver:
        """A new archiver process, with nothing remembered."""
        store, log = store or self.store, log or self.log
        sealer = SegmentSealer(
            Unsealer({self.transit_id: self.transit}, self.enrolled), self.keys(), self.dictionary,
            self.sealing_key.sign, self.writer, self.policy, self.random)
        return Archiver(Ports(
            log, store, self.authenticator(), sealer,
            Committer(store, self.authenticator(), lambda _seconds: None),
            watcher or self.watcher, self.clock), limits or BatchLimits(age_ms_max=0))

    def archive(self, archiver: Archiver | None = None, turns: int = 6) -> int:
        """Seal everything that is on the log; returns how many segments were committed."""
        archiver = archiver or self.archiver()
        return sum(archiver.turn(0.01, flush=True) for _ in range(turns))

    def reader(self) -> ArchiveReader:
        """A reader of the archive."""
        return ArchiveReader(self.store, self.authenticator(), self.keys(),
                             Dictionaries(self.store, (self.dictionary,)))

    def events(self) -> list[Any]:
        """Every archived event or part, decoded, in order of partition and address."""
        reader = self.reader()
        return [codec.decode(event.datum)
                for topic_id, partition in reader.partitions()
                for read in reader.follow(topic_id, partition, 0)
                for event in read.events if event.datum is not None and not event.problem]

    def verify(self, **options: Any) -> Report:
        """A full verification."""
        return Verifier(self.store, self.authenticator(), self.reader(), self.keys(),
                        self.lock_mode).run(self.now, **options)
