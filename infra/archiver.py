"""The archiver's process: the loop of `archive/consume.py` with its heads, trimming and gaps.

Owns what surrounds the loop: an hourly signed head in a second place, the shortening of the log,
and the gap event that stands where records were lost before they were archived.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import structlog

from archive.authentic import Authentic
from archive.heads import HeadLine, render
from archive.tail import last_segment
from archive.trim import Trimmer
from infra.keyfiles import writer_id
from infra.process import Worker
from infra.state import StateFolder
from infra.wire import DAY_MS, Wire, clock
from ingest.own import own_event
from schemas import events
from schemas.errors import Refused
from schemas.findings import Finding
from schemas.wire import LogIdentity

_POLL_S: Final = 0.2
_TRIM_EVERY_MS: Final = 3_600_000
_TRIM_SAFETY_MS: Final = 7 * DAY_MS
_BEHIND_MS: Final = 10 * 60_000


class ArchiverProcess:
    """One archiver. Implements `archive.consume.Observer`."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._log = wire.archive_log()
        self._worker = Worker("archiver", StateFolder(wire.home), facts={
            "segments": 0, "events": 0, "trial": wire.config.retention.trial})
        self._archiver = wire.archiver(self._log, self)
        self._ends: dict[tuple[str, bytes, int], HeadLine] = {}
        self._head_at = 0
        self._trim_at = clock()
        self._keys_at = 0
        self._gaps: list[Finding] = []

    def run(self) -> int:
        """Until told to stop; the exit code."""
        self._worker.on_signals()
        code = self._worker.run(self._turn, self._finish)
        self._log.close()
        return code

    def _turn(self) -> None:
        self._archiver.turn(_POLL_S)
        self._say_gaps()
        now = clock()
        if self._ends and now - self._head_at >= self._wire.config.archive.head_interval_s * 1000:
            self._write_head(now)
        if now - self._trim_at >= _TRIM_EVERY_MS:
            self._trim_at = now
            trimmer = Trimmer(self._log, self._wire.reader(), _TRIM_SAFETY_MS)
            for partition in self._archiver.assigned():
                end = max((line.last for line in self._ends.values()
                           if line.partition == partition), default=0)
                trimmer.trim(partition, end, now)
        if now - self._keys_at >= DAY_MS:
            self._keys_at = now
            self._open_every_key()
        self._worker.facts["waiting"] = self._archiver.waiting()
        self._worker.facts["partitions"] = sorted(self._archiver.assigned())

    def _finish(self) -> None:
        # What waits is on the log and would be read again; closing it now spares the next start.
        self._archiver.turn(0.0, flush=True)
        self._write_head(clock())

    def sealed(self, partition: int, found: Authentic, events: int, records: int) -> None:
        """See archive.consume.Observer."""
        header = found.segment.header
        self._remember(found)
        facts = self._worker.facts
        facts["segments"] += 1
        facts["events"] += events
        facts["last_segment_at"] = header.sealed_at
        structlog.get_logger().info("segment", key=found.key, events=events, records=records,
                                    bytes=found.size)
        self._worker.clear("archive_behind")

    def _remember(self, found: Authentic) -> None:
        header = found.segment.header
        self._ends[header.topic, header.topic_id, header.partition] = HeadLine(
            header.topic, header.topic_id.hex(), header.partition, header.last,
            found.segment.sha256.hex())

    def finding(self, finding: Finding) -> None:
        """See archive.consume.Observer."""
        self._worker.finding(finding)
        if finding.code == "lost_before_archive":
            self._gaps.append(finding)

    def behind(self, partition: int, waiting: int, oldest_at: int | None) -> None:
        """See archive.consume.Observer."""
        if oldest_at is not None and waiting and clock() - oldest_at > _BEHIND_MS:
            self._worker.alarm("archive_behind", f"partition {partition}: {waiting} records")

    def _open_every_key(self) -> None:
        # A key that no longer opens is noticed while its backup is still fresh (PROTOCOL K2).
        broken = [f"{domain.hex()}/{generation}: {opened}" for domain, generation, opened
                  in self._wire.domain_keys().all() if isinstance(opened, Refused)]
        if broken:
            self._worker.alarm("key_unreadable", f"{len(broken)} keys, first {broken[0]}")
        else:
            self._worker.clear("key_unreadable")

    def _say_gaps(self) -> None:
        # A hole is a record too, not only an alarm (G8). It goes the way of everything else.
        while self._gaps:
            finding = self._gaps[0]
            now = clock()
            self._wire.recorder("archiver").record(own_event(
                events.GAP, f"{finding.code}:{finding.where}:{now}", now,
                self._wire.directory().firm_years(),
                {"reason": finding.code, "where": finding.where, "what": finding.detail}))
            self._gaps.pop(0)

    def _write_head(self, now: int) -> None:
        self._find_other_ends()
        if not self._ends:
            return
        key = self._wire.keys_folder.sealing_key()
        text = render(list(self._ends.values()), now,
                      writer_id(key.public_key().public_bytes_raw()), key.sign)
        folder = heads_folder(self._wire)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{now:020d}.head"
        temporary = path.with_suffix(".tmp")
        temporary.write_text(text, "utf-8")
        temporary.replace(path)
        self._head_at = now

    def _find_other_ends(self) -> None:
        # A head speaks for the whole archive: also for partitions of other archivers, those that
        # were quiet since this one started, and topics that are no more.
        wire, identity = self._wire, self._log.identity()
        for name in wire.reader().names():
            ours = name.partition in self._archiver.assigned() and \
                name.topic_id == identity.topic_id
            if ours and (name.topic, name.topic_id, name.partition) in self._ends:
                continue
            found, _ = last_segment(wire.store, wire.authenticator(),
                                    LogIdentity(name.topic, name.topic_id, 1), name.partition)
            if found is not None:
                self._remember(found)


def heads_folder(wire: Wire) -> Path:
    """Where heads are kept: by setting, best on another machine's disk."""
    return wire.config.archive.head_folder or wire.home / "heads"


def newest_head(wire: Wire) -> Path | None:
    """The newest kept head, or null."""
    return max(heads_folder(wire).glob("*.head"), default=None)
