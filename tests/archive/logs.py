"""An archive made for the transparency log's tests, notaries over it, and an auditor.

Owns segments in chains of their own, small and many, without a capture log: the notary knows
segments only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archive import cell as cells
from archive import segment
from archive.authentic import Authenticator
from archive.layout import SegmentName
from archive.retention import DAY_MS
from archive.store import ObjectStore
from archive.tlog import checkpoint
from archive.tlog.audit import LogAudit, LogReport, Vouching
from archive.tlog.checkpoint import Head, Latest
from archive.tlog.notary import Notary, Ports
from archive.tlog.note import COSIGNATURE, ED25519, Key, Note, Signer
from archive.tlog.timestamp import Authority
from tests.archive.parts import PLAIN, SEALING, SEALING_PUBLIC, WRITER, event, header
from tests.fakes.latest import FakeLatest
from tests.fakes.store import FakeStore
from tests.world import Random

NOW = 1_790_000_000_000
TOPIC_ID = bytes(range(16))
ORIGIN = "archive.firm.example/log1"


def signer(seed: str = "log key", name: str = ORIGIN, kind: int = ED25519) -> Signer:
    """A key from a seed."""
    private = Ed25519PrivateKey.from_private_bytes(Random(seed)(32))
    return Signer(Key(name, kind, private.public_key().public_bytes_raw()), private.sign)


def witness(number: int = 1) -> Signer:
    """A witness's key."""
    return signer(f"witness {number}", f"witness{number}.example", COSIGNATURE)


@dataclass
class Book:
    """An archive that grows, and the log of it. `signed` is every head that a notary asked its
    signer for, whatever became of it."""

    store: ObjectStore = field(default_factory=lambda: FakeStore(lambda: NOW))
    now: int = NOW

    def __post_init__(self) -> None:
        self.random = Random("book")
        self.tails: dict[int, tuple[int, bytes]] = {}
        self.segments: list[str] = []
        self.signer = signer()
        self.signed: list[Head] = []

    def grow(self, partition: int = 0, count: int = 1, *, records: int = 1, trial: bool = False,
             chained: bool = True) -> str:
        """One more segment of `count` cells, each of its own domain; its key."""
        first, previous = self.tails.get(partition, (0, bytes(32)))
        last = first + count * records - 1
        place = cells.Place(TOPIC_ID, partition, first, last)
        sealed = [
            cells.seal(place, bytes([7]) * 8 + number.to_bytes(8, "big"), 0, bytes(32),
                       [event(first + number * records + one) for one in range(records)], PLAIN,
                       self.random)
            for number in range(count)]
        until = self.now + (DAY_MS if trial else 7 * 366 * DAY_MS)
        stated = header(topic_id=TOPIC_ID, partition=partition, first=first, last=last, missing=(),
                        previous=previous if chained else sha256(b"no").digest(),
                        sealed_at=self.now, retain_until=until, trial=trial, writer=WRITER)
        body = segment.encode(stated, sealed, SEALING.sign)
        name = SegmentName("capture", TOPIC_ID, partition, first, 0)
        self.store.put_once(name.key(), body, until)
        self.tails[partition] = (last + 1, sha256(body).digest())
        self.segments.append(name.key())
        return name.key()

    def authenticator(self) -> Authenticator:
        """Knows the sealing key."""
        return Authenticator({WRITER: SEALING_PUBLIC})

    def notary(self, latest: Latest | None = None, *, store: ObjectStore | None = None,
               key: Signer | None = None,
               lock_until: Callable[[int], int] | None = None) -> Notary:
        """A notary process with nothing remembered but what its `latest` keeps."""
        used = key or self.signer

        def sign(message: bytes) -> bytes:
            lines = message.split(b"\n")
            if lines[0] == ORIGIN.encode():
                self.signed.append(checkpoint.read_text(message.decode()).head)
            return used.sign(message)

        return Notary(Ports(
            store or self.store, self.authenticator(), latest or FakeLatest(),
            replace(used, sign=sign), lambda: self.now,
            lock_until or (lambda now: now + 8 * 366 * DAY_MS), lambda _seconds: None))

    def audit(self, *against: Note, witnesses: tuple[Key, ...] = (),
              authorities: tuple[Authority, ...] = ()) -> LogReport:
        """What an auditor finds."""
        return LogAudit(self.store, self.authenticator(), ORIGIN, (self.signer.key,),
                        Vouching(witnesses, authorities)).run(against)

    def check(self) -> LogReport:
        """The oracle: no fault, and every head that was ever signed is one of this log."""
        report = self.audit(*(checkpoint.signed(ORIGIN, head, self.signer)
                              for head in self.signed))
        assert [] == report.faults
        return report
