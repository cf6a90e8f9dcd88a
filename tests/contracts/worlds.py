"""The same small world around each driver: how a contract test gets a log, a store, a keyring.

A world hides which driver is under test and offers what a port does not: making a topic anew,
a second member, an unlocked put by a stranger.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from archive.log import ArchiveLog
from infra import kafka
from infra.embedded.log import EmbeddedArchiveLog, EmbeddedCaptureLog, provision
from ingest.publish import CaptureLog
from schemas.wire import LogRecord
from tests.fakes.log import FakeLog

PARTITIONS = 2
_names = itertools.count()


class GroupMemberLog(ArchiveLog, Protocol):
    """An ArchiveLog that can be asked for the group's hint, as every driver can."""

    def committed(self, partition: int) -> int | None:
        """The next offset that the group committed, or null."""


class LogWorld(Protocol):
    """A log of `PARTITIONS` partitions that belongs to one test."""

    def capture(self) -> CaptureLog:
        """A writer."""

    def member(self) -> GroupMemberLog:
        """A new member of the one consumer group."""

    def make_anew(self) -> None:
        """Delete the topic and make it again under its name."""

    def close(self) -> None:
        """Release what was opened."""


def counted(label: int = 0) -> Callable[[int], bytes]:
    """Deterministic "random" bytes: a counter, so that no two calls give the same."""
    calls = itertools.count((label << 32) + 1)
    return lambda size: next(calls).to_bytes(16, "big").rjust(size, b"\0")[-size:]


@dataclass
class FakeLogWorld:
    """On the fake."""

    log: FakeLog = field(default_factory=lambda: FakeLog("capture", PARTITIONS))

    def capture(self) -> CaptureLog:
        return self.log

    def member(self) -> GroupMemberLog:
        return self.log.member()

    def make_anew(self) -> None:
        self.log.make_anew()

    def close(self) -> None:
        pass


class EmbeddedLogWorld:
    """On SQLite."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "capture.log"
        self._random = counted()
        self._open: list[Any] = []
        provision(self._path, "capture", PARTITIONS, self._random)

    def capture(self) -> CaptureLog:
        log = EmbeddedCaptureLog(self._path)
        self._open.append(log)
        return log

    def member(self) -> GroupMemberLog:
        log = EmbeddedArchiveLog(self._path, "archiver")
        self._open.append(log)
        return log

    def make_anew(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        provision(self._path, "capture", PARTITIONS, self._random)

    def close(self) -> None:
        for log in self._open:
            log.close()


class KafkaLogWorld:
    """On a real broker; a topic and a group of its own."""

    def __init__(self, bootstrap: str) -> None:
        topic = f"contract-{os.getpid()}-{next(_names)}"
        self._settings = kafka.KafkaSettings(
            bootstrap=bootstrap, topic=topic, group=f"{topic}-archiver", replication=1,
            min_insync=1, session_s=6)
        self._open: list[Any] = []
        kafka.provision(self._settings, PARTITIONS)

    def capture(self) -> CaptureLog:
        log = kafka.KafkaCaptureLog(self._settings)
        self._open.append(log)
        return log

    def member(self) -> GroupMemberLog:
        log = kafka.KafkaArchiveLog(self._settings)
        self._open.append(log)
        return log

    def make_anew(self) -> None:
        kafka.delete_topic(self._settings)
        kafka.provision(self._settings, PARTITIONS)

    def close(self) -> None:
        for log in self._open:
            log.close()
        kafka.delete_topic(self._settings)


def poll_until(member: ArchiveLog, done: Callable[[], bool],
               found: dict[int, list[LogRecord]] | None = None,
               seek_to: Callable[[int], int] = lambda partition: 0) -> frozenset[int]:
    """Poll, seeking each partition that becomes ours, until `done`; returns what is assigned.

    Bounded by rounds, not by a clock: a driver that never gets there fails the test.
    """
    ours: frozenset[int] = frozenset()
    for _ in range(400):
        polled = member.poll(0.1, 1000)
        for partition in polled.assigned - ours:
            member.seek(partition, seek_to(partition))
        ours = polled.assigned
        for partition, records in polled.records.items():
            if found is not None:
                found.setdefault(partition, []).extend(records)
        if done():
            return ours
    raise AssertionError("the driver never got there")
