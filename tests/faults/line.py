"""One firm on fakes that share a fault plan: a writer that tries again, archivers that die.

Owns what the crash matrix and the simulation have in common: `step` runs an archiver until
something happens, `settle` starts anew without faults, `check` asks the oracle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archive.batch import BatchLimits
from archive.consume import Archiver
from archive.unseal import Enrolled
from ingest.record import LogRecorder
from ingest.routing import Router
from schemas import codec
from schemas.errors import Ambiguous, Halt, Transient
from schemas.events import CONSOLE_KINDS, CapturedEvent
from schemas.findings import Finding
from schemas.identity import event_id, message_key
from schemas.kinds import mask_of
from schemas.pack import Item
from search.review.decisions import CLEAR, DECIDE, Review, review_event
from search.review.history import history
from search.tokens import Tokenizer
from tests.fakes.faults import FaultPlan, Killed
from tests.fakes.keys import FakeKeyring, FakeKeyService
from tests.fakes.log import FakeArchiveLog, FakeLog
from tests.fakes.store import FakeStore
from tests.faults import oracle
from tests.world import World

PARTITIONS = 2


@dataclass(slots=True)
class Process:
    """One archiver process."""

    member: FakeArchiveLog
    archiver: Archiver


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a turn ended: segments committed, and "ok" | "transient" | "killed" | "halt"."""

    committed: int
    end: str
    detail: str = ""


@dataclass
class Line:
    """A log, a store, a keyring, and whoever works on them."""

    folder: Path
    plan: FaultPlan = field(default_factory=FaultPlan)
    limits: BatchLimits = field(default_factory=lambda: BatchLimits(age_ms_max=0))

    def __post_init__(self) -> None:
        self.log = FakeLog("capture", PARTITIONS, self.plan)
        first = self.log.member()
        self.world = World(
            self.folder, capture_log=self.log, archive_log=first,
            store=FakeStore(lambda: self.world.now, faults=self.plan),
            keyring=FakeKeyring(self.plan), service=FakeKeyService(faults=self.plan),
            lock_mode="COMPLIANCE", trial=False)
        self.log.kill(first)
        self.acknowledged: list[bytes] = []
        self.numbers = 0
        # The console's own key: reviews are said by the search role, and by nobody else.
        key = Ed25519PrivateKey.from_private_bytes(self.world.random(32))
        self.console = self.world.new_sealer(key, CONSOLE_KINDS)
        self.world.enrolled[self.console.capture_id] = Enrolled(
            key.public_key().public_bytes_raw(), mask_of(CONSOLE_KINDS))
        self.decided: dict[bytes, str] = {}     # event_id -> form, after the log took it

    @property
    def store(self) -> FakeStore:
        """The object store."""
        assert isinstance(self.world.store, FakeStore)
        return self.world.store

    def start(self) -> Process:
        """A new process; its start may fail like everything else."""
        member = self.log.member()
        return Process(member, self.world.archiver(self.limits, log=member))

    def stop(self, process: Process) -> None:
        """The process is dead."""
        self.log.kill(process.member)

    def capture(self, count: int = 1, per_pack: int = 1) -> None:
        """Acknowledged when it returns: an unclear append is made again with the same record."""
        for _ in range(count):
            events = [self.world.message(self.numbers + number) for number in range(per_pack)]
            self.numbers += per_pack
            partition = self.numbers % PARTITIONS
            router = self.world.router
            record = self.world.sealer.seal(self.log.now(), partition, [
                Item(router.domain(event), router.tag(event), codec.encode(event))
                for event in events]).value
            for _ in range(20):
                try:
                    self.log.append(partition, record)
                except (Ambiguous, Killed):
                    continue      # a writer that dies here starts again from its spool
                break
            else:
                raise AssertionError("never appended")
            self.acknowledged += [codec.encode(event) for event in events]

    def review(self, count: int = 1) -> None:
        """Decide on messages that were captured. Where the answer is unclear, or the console died,
        the same form is sent again: sealed anew, one event all the same."""
        for number in range(self.numbers - count, self.numbers):
            message = message_key(self.world.message(number))
            form = f"form {len(self.decided)}"
            for attempt in range(20):
                said = review_event(Review(
                    message, "ann", DECIDE, self.world.now + attempt, f"review:{form}",
                    decision=CLEAR, reason="looked at it"), 8)
                recorder = LogRecorder(self.log, self.console,
                                       Router(None, self.console.capture_id))
                try:
                    recorder.record(said)
                except (Ambiguous, Transient, Killed):
                    continue
                break
            else:
                raise AssertionError("never recorded")
            self.acknowledged.append(codec.encode(said))
            self.decided[event_id(said)] = form

    def step(self, process: Process) -> Outcome:
        """One turn that closes what waits."""
        try:
            return Outcome(process.archiver.turn(0.0, flush=True), "ok")
        except Transient as error:
            return Outcome(0, "transient", str(error))
        except Killed:
            return Outcome(0, "killed")
        except Halt as halt:
            return Outcome(0, "halt", halt.finding)

    def settle(self) -> None:
        """Everybody is dead; one new process, no more faults, until all is archived."""
        self.plan._armed.clear()
        self.plan._before.clear()
        for member in list(self.log.members):
            self.log.kill(member)
        process = self.start()
        for _ in range(8):
            assert "ok" == self.step(process).end
        self.stop(process)

    def check(self, allowed: frozenset[str] = frozenset()) -> None:
        """The oracle: each log record exactly once, each acknowledged event there, no gap, and no
        finding but those `allowed`."""
        identity, world = self.log.now(), self.world
        offsets = {partition: list(self.log.values(partition)) for partition in range(PARTITIONS)}
        oracle.require_once(self.store, world.authenticator(), identity, offsets)
        held: list[bytes] = []
        for partition, wanted in offsets.items():
            found = oracle.datums(world.reader(), identity, partition)
            assert wanted == sorted({offset for offset, _ in found})
            held += found.values()
        missing = set(self.acknowledged) - set(held)
        assert not missing, f"{len(missing)} acknowledged events are not archived"
        assert len(set(self.acknowledged)) == len(self.acknowledged)
        self._check_reviews()
        findings: list[Finding] = world.verify().findings
        assert [] == [one for one in findings if one.code not in allowed]
        for versions in self.store.objects.values():
            assert 1 == len(versions)

    def _check_reviews(self) -> None:
        """Each decision that was acknowledged is one act of its message, however often it lies on
        the log, and no other is."""
        tokenizer = Tokenizer(bytes(range(32)))
        by_message: dict[bytes, list[CapturedEvent]] = {}
        for one in self.world.events():
            assert isinstance(one, CapturedEvent)
            by_message.setdefault(message_key(one), []).append(one)
        acts = [act.act_id for events in by_message.values()
                for act in history("", events, tokenizer).acts]
        assert sorted(self.decided) == sorted(acts)
