"""A log and a store of each kind with a firm on them: fakes, embedded drivers, real servers.

Owns what a scenario needs beside the ports: a second member, a member that the group does not know
of (a zombie that still believes), a topic made anew, a stranger's hand in the store.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient

from archive.batch import BatchLimits
from archive.consume import Archiver
from archive.log import ArchiveLog
from archive.store import Lock, ObjectStore, ObjectVersion
from infra import kafka, s3
from infra.embedded.log import EmbeddedArchiveLog, EmbeddedCaptureLog, provision
from infra.embedded.store import FolderStore
from schemas.wire import LogIdentity
from tests.conftest import KafkaServer, S3Server
from tests.fakes.keys import FakeKeyring, FakeKeyService
from tests.fakes.log import FakeArchiveLog, FakeLog
from tests.fakes.store import FakeStore
from tests.faults import oracle
from tests.world import World

PARTITIONS = 2
ROUNDS_MAX = 400
_names = itertools.count()


class HookedStore:
    """A store at whose PUT something else happens first, or instead."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.before_put: list[Callable[[], None]] = []
        self.after_put: list[Callable[[], None]] = []

    def put_once(self, key: str, body: bytes, retain_until: int | None) -> str:
        """See ObjectStore; the next hook of each list runs once."""
        if self.before_put:
            self.before_put.pop(0)()
        version = self._store.put_once(key, body, retain_until)
        if self.after_put:
            self.after_put.pop(0)()
        return version

    def extend(self, key: str, version_id: str, retain_until: int) -> None:
        """See ObjectStore."""
        self._store.extend(key, version_id, retain_until)

    def versions(self, prefix: str, start_after: str = "") -> Iterator[ObjectVersion]:
        """See ObjectStore."""
        return self._store.versions(prefix, start_after)

    def get(self, key: str, version_id: str | None = None,
            start: int = 0, length: int | None = None) -> bytes:
        """See ObjectStore."""
        return self._store.get(key, version_id, start, length)

    def set_legal_hold(self, key: str, version_id: str, *, on: bool) -> None:
        """See ObjectStore."""
        self._store.set_legal_hold(key, version_id, on=on)

    def lock(self, key: str, version_id: str) -> Lock:
        """See ObjectStore."""
        return self._store.lock(key, version_id)


class Stage:
    """A firm on one kind of log and store. Subclasses bring the drivers."""

    poll_s = 0.0

    def __init__(self, folder: Path, capture_log: Any, store: ObjectStore, lock_mode: str,
                 now: int | None = None) -> None:
        self.store = HookedStore(store)
        self.world = World(
            folder, capture_log=capture_log, archive_log=_Nobody(), store=self.store,
            keyring=FakeKeyring(), service=FakeKeyService(), lock_mode=lock_mode)
        if now is not None:
            self.world.now = now
        self.numbers = 0
        self.logs: list[ArchiveLog] = []

    # -- what a subclass brings

    def member(self) -> ArchiveLog:
        """A new member of the group."""
        raise NotImplementedError

    def rival(self) -> ArchiveLog:
        """Somebody who reads every partition although the others believe that they do."""
        raise NotImplementedError

    def leave(self, log: ArchiveLog) -> None:
        """A member goes."""
        log.close()

    def make_anew(self) -> None:
        """Delete the topic and make it again under its name."""
        raise NotImplementedError

    def widen(self) -> None:
        """Change the number of partitions."""
        raise NotImplementedError

    def trim(self, partition: int, before: int) -> None:
        """Somebody shortens the log."""
        log = self.rival()
        log.trim(partition, before)
        log.close()

    def add_marker(self, key: str) -> None:
        """Somebody deletes without naming a version."""
        raise NotImplementedError

    def squat(self, key: str) -> None:
        """Somebody puts junk at a name before us."""
        self.store.put_once(key, b"junk", None)

    def close(self) -> None:
        """Let go."""

    # -- what a scenario does

    def archiver(self, log: ArchiveLog, limits: BatchLimits | None = None) -> Archiver:
        """A new process on `log`; by default it closes at once what it has."""
        return self.world.archiver(limits or BatchLimits(age_ms_max=0), log=log)

    def identity(self) -> LogIdentity:
        """Which log this is."""
        found: LogIdentity = self.world.capture_log.identity()
        return found

    def capture(self, count: int) -> None:
        """One record each, over all partitions."""
        self.world.capture([self.world.message(self.numbers + one) for one in range(count)])
        self.numbers += count

    def ends(self) -> dict[int, int]:
        """Partition -> the log's next offset."""
        log = self.rival()
        found = {one: log.bounds(one)[1] for one in range(self.identity().partitions)}
        log.close()
        return found

    def archived(self) -> dict[int, int]:
        """Partition -> the archive's next offset, as the archivers told."""
        found = dict.fromkeys(range(PARTITIONS), 0)
        for one in self.world.watcher.segments:
            header = one.segment.header
            found[header.partition] = max(found[header.partition], header.last + 1)
        return found

    def run(self, archivers: Sequence[Archiver],
            done: Callable[[], bool] | None = None) -> None:
        """Turn them in turn until everything is archived, or `done`."""
        ends = self.ends()
        for _ in range(ROUNDS_MAX):
            for one in archivers:
                one.turn(self.poll_s, flush=True)
            if done() if done else self.archived() == ends:
                return
        raise AssertionError(f"never got there: {self.archived()} of {ends}; "
                             f"shared as {[sorted(one.assigned()) for one in archivers]}")

    def settle(self, archiver: Archiver) -> None:
        """Turn until its partitions are known to it and nothing waits."""
        self.run([archiver], lambda: len(archiver.assigned()) == PARTITIONS)

    def check(self, allowed: frozenset[str] = frozenset(),
              offsets: dict[int, list[int]] | None = None) -> None:
        """Each record once, no finding but those allowed."""
        wanted = offsets or {partition: list(range(end)) for partition, end in self.ends().items()}
        oracle.require_once(self.store, self.world.authenticator(), self.identity(), wanted)
        texts = [event.text for event in self.world.events()]
        if offsets is None:
            assert {f"text number {one}" for one in range(self.numbers)} == set(texts)
        found = {finding.code for finding in self.world.verify().findings}
        assert found <= allowed, found


class FakeStage(Stage):
    """On the fakes."""

    def __init__(self, folder: Path) -> None:
        self.log = FakeLog("capture", PARTITIONS)
        self.fake = FakeStore(lambda: self.world.now)
        super().__init__(folder, self.log, self.fake, "COMPLIANCE")

    def member(self) -> ArchiveLog:
        return self.log.member()

    def rival(self) -> ArchiveLog:
        # One group: its members are zombies from now on, and do not know.
        for member in list(self.log.members):
            self.log.kill(member)
        return self.log.member()

    def ends(self) -> dict[int, int]:
        return {one: self.log.bounds(one)[1] for one in range(self.log.partitions)}

    def make_anew(self) -> None:
        self.log.make_anew()

    def widen(self) -> None:
        self.log.partitions += 1

    def trim(self, partition: int, before: int) -> None:
        self.log.trim(partition, before)

    def add_marker(self, key: str) -> None:
        self.fake.add_marker(key)

    def squat(self, key: str) -> None:
        self.fake.plant(key, b"junk")


class EmbeddedStage(Stage):
    """On SQLite and a folder."""

    poll_s = 0.02                       # members look at each other every tenth of a second

    def __init__(self, folder: Path) -> None:
        self._path = folder / "capture.db"
        self._ids = iter(range(1, 100))
        self._provision()
        super().__init__(folder, EmbeddedCaptureLog(self._path), FolderStore(folder / "objects"),
                         "FOLDER")

    def _provision(self) -> None:
        provision(self._path, "capture", PARTITIONS,
                  lambda length: next(self._ids).to_bytes(length, "big"))

    def member(self) -> ArchiveLog:
        return self._opened("archiver")

    def rival(self) -> ArchiveLog:
        return self._opened(f"rival-{next(_names)}")

    def _opened(self, group: str) -> ArchiveLog:
        log = EmbeddedArchiveLog(self._path, group)
        self.logs.append(log)
        return log

    def make_anew(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._provision()

    def widen(self) -> None:
        database = sqlite3.connect(self._path)
        database.execute("UPDATE meta SET value = ? WHERE name = 'partitions'", (PARTITIONS + 1,))
        database.commit()
        database.close()

    def close(self) -> None:
        self.world.capture_log.close()
        for log in self.logs:
            log.close()


class RealStage(Stage):
    """On Apache Kafka and an S3 server with Object Lock."""

    poll_s = 0.1

    def __init__(self, folder: Path, broker: KafkaServer, server: S3Server) -> None:
        name = f"group-{os.getpid()}-{next(_names)}"
        self._kafka = kafka.KafkaSettings(bootstrap=broker.bootstrap, topic=name, group=name,
                                          replication=1, min_insync=1, session_s=6)
        self._s3 = s3.S3Settings(bucket=name, endpoint=server.endpoint, region=server.region,
                                 access_key=server.access_key, secret_key=server.secret_key)
        kafka.provision(self._kafka, PARTITIONS)
        s3.provision(self._s3)
        # Locks must end in the store's future: this stage lives in real time.
        super().__init__(folder, kafka.KafkaCaptureLog(self._kafka), s3.S3Store(self._s3),
                         "COMPLIANCE", now=time.time_ns() // 1_000_000)

    def member(self) -> ArchiveLog:
        return self._opened(self._kafka)

    def rival(self) -> ArchiveLog:
        return self._opened(replace(self._kafka, group=f"{self._kafka.group}-{next(_names)}"))

    def _opened(self, settings: kafka.KafkaSettings) -> ArchiveLog:
        log = kafka.KafkaArchiveLog(settings)
        self.logs.append(log)
        return log

    def make_anew(self) -> None:
        kafka.delete_topic(self._kafka)
        kafka.provision(self._kafka, PARTITIONS)

    def widen(self) -> None:
        admin: Any = KafkaAdminClient(bootstrap_servers=self._kafka.bootstrap)
        admin.create_partitions({self._kafka.topic: PARTITIONS + 1})
        admin.close()

    def add_marker(self, key: str) -> None:
        s3.S3Adversary(self._s3).add_marker(key)

    def close(self) -> None:
        self.world.capture_log.close()
        for log in self.logs:
            log.close()
        kafka.delete_topic(self._kafka)


class _Nobody(FakeArchiveLog):
    """A stage hands out its logs one by one; nobody may use this one."""

    def __init__(self) -> None:
        """Nothing to begin with."""
