"""The archiver's process: the loop of `archive/consume.py` with its heads, trimming and gaps.

Owns what surrounds the loop: an hourly signed head in a second place, the shortening of the log,
and the gap event that stands where records were lost before they were archived.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import structlog

from archive.authentic import Authentic
from archive.heads import HeadLine, render
from archive.tail import last_segment
from archive.trim import SAFETY_MS, Trimmer
from infra.carry import FLUSH
from infra.keyfiles import writer_id
from infra.process import Worker
from infra.state import StateFolder
from infra.voice import Voice
from infra.wire import DAY_MS, Wire, clock
from ingest.own import own_event
from schemas import events
from schemas.errors import Refused
from schemas.findings import Finding
from schemas.wire import LogIdentity

_POLL_S: Final = 0.2
_CLOCK_MS_MAX: Final = 10 * 60_000
_TRIM_EVERY_MS: Final = 3_600_000
_BEHIND_MS: Final = 10 * 60_000
_MEASURE_EVERY_MS: Final = 10_000
_HEAD_AGAIN_MS: Final = 60_000


class Lag:
    """For how long records wait, from ends alone: by partition, (archived up to, end of the log).

    A mark is where the log ended at a time. Until the archive has reached it, something that was
    on the log at that time waits.
    """

    def __init__(self) -> None:
        self._marks: dict[int, tuple[int, int]] = {}

    def of(self, ends: Mapping[int, tuple[int, int]], now: int) -> dict[int, int]:
        """At least so many ms, by partition; 0 where nothing is known to wait."""
        self._marks = {partition: mark for partition, mark in self._marks.items()
                       if partition in ends}
        late = {}
        for partition, (reached, end) in ends.items():
            at, marked = self._marks.get(partition, (now, end))
            if reached >= marked:
                at, marked = now, end
            self._marks[partition] = at, marked
            late[partition] = now - at if reached < marked else 0
        return late


class ArchiverProcess:
    """One archiver. Implements `archive.consume.Observer`."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._log = wire.archive_log()
        self._worker = Worker("archiver", StateFolder(wire.home), "archive_behind", facts={
            "segments": 0, "events": 0, "trial": wire.config.retention.trial})
        self._archiver = wire.archiver(self._log, self)
        self._ends: dict[tuple[str, bytes, int], HeadLine] = {}
        self._head_at = 0
        self._trim_at = clock()
        self._keys_at = 0
        self._lag = Lag()
        self._measured_at = 0
        self._voice = Voice(wire, "archiver")
        self._gaps: list[Finding] = []
        self._flush = wire.home / "run" / FLUSH
        self._asked: dict[int, int] = {}

    def run(self) -> int:
        """Until told to stop; the exit code."""
        self._worker.on_signals()
        code = self._worker.run(self._turn, self._finish)
        self._log.close()
        self._voice.close()
        return code

    def _turn(self) -> None:
        self._archiver.turn(_POLL_S, flush=self._is_asked())
        self._say_gaps()
        self._voice.beat()
        now = clock()
        if now - self._measured_at >= _MEASURE_EVERY_MS:
            self._measured_at = now
            self._measure(now)
        if self._ends and now - self._head_at >= self._wire.config.archive.head_interval_s * 1000:
            self._write_head(now)
        if now - self._trim_at >= _TRIM_EVERY_MS:
            self._trim_at = now
            trimmer = Trimmer(self._log, self._wire.reader(), SAFETY_MS)
            for partition in self._archiver.assigned():
                end = max((line.last for line in self._ends.values()
                           if line.partition == partition), default=0)
                trimmer.trim(partition, end, now)
        if now - self._keys_at >= DAY_MS:
            self._wire.keep_formats()
            self._open_every_key()
            self._keys_at = now
        self._worker.facts["waiting"] = self._archiver.waiting()
        self._worker.facts["partitions"] = sorted(self._archiver.assigned())

    def _finish(self) -> None:
        self._voice.beat(stopping=True)
        # What waits is on the log and would be read again; closing it now spares the next start.
        self._archiver.turn(0.0, flush=True)
        self._write_head(clock())

    def _is_asked(self) -> bool:
        """Whether an import waits for what was on the log when it asked (`infra/carry.py`): then
        segments are closed, however young, until the archive has reached that."""
        if self._flush.exists():
            # Taken before it is looked how far: who asks again meanwhile is heard the next time.
            self._flush.unlink(missing_ok=True)
            self._asked = {partition: self._log.bounds(partition)[1]
                           for partition in self._archiver.assigned()}
        expected = self._archiver.expected()
        self._asked = {partition: end for partition, end in self._asked.items()
                       if expected.get(partition, end) < end}
        return bool(self._asked)

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
        """See archive.consume.Observer. What was not even read yet waits as well, so the alarm is
        measured from the log's end (`_measure`)."""

    def _measure(self, now: int) -> None:
        ends = {}
        for partition, expected in self._archiver.expected().items():
            start, end = self._log.bounds(partition)
            # What was trimmed before it was archived waits no more; that is another alarm.
            ends[partition] = (max(expected, start), end)
        late = self._lag.of(ends, now)
        self._worker.facts["behind"] = sum(end - expected for expected, end in ends.values())
        self._worker.facts["late_ms"] = max(late.values(), default=0)
        if any(ms > _BEHIND_MS for ms in late.values()):
            worst = max(late, key=lambda partition: late[partition])
            expected, end = ends[worst]
            self._worker.alarm("archive_behind", f"partition {worst}: {end - expected} records "
                               f"wait, the oldest for {late[worst] // 60_000} minutes or more")
        else:
            self._worker.clear("archive_behind")

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
            self._voice.say(own_event(
                events.GAP, f"{finding.code}:{finding.where}:{now}", now,
                self._wire.directory().firm_years(),
                {"reason": finding.code, "where": finding.where, "what": finding.detail}))
            self._gaps.pop(0)

    def _write_head(self, now: int) -> None:
        self._find_other_ends()
        if not self._ends:
            return
        self._head_at = now
        try:
            self._keep_head(now)
        except OSError as error:
            # Archiving goes on: a head is a second witness, not the record.
            self._worker.alarm("head_stale", f"not written: {error}")
            self._head_at += _HEAD_AGAIN_MS - int(self._wire.config.archive.head_interval_s * 1000)
        else:
            self._worker.clear("head_stale")

    def _keep_head(self, now: int) -> None:
        key = self._wire.keys_folder.sealing_key()
        text = render(list(self._ends.values()), now,
                      writer_id(key.public_key().public_bytes_raw()), key.sign)
        folder = heads_folder(self._wire)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{now:020d}.head"
        temporary = path.with_suffix(".tmp")
        temporary.write_text(text, "utf-8")
        temporary.replace(path)

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
    """The newest kept head that is not from the future, or null."""
    until = wire.clock() + _CLOCK_MS_MAX
    return max((path for path in _heads(wire) if int(path.stem) <= until), default=None)


def heads_ahead(wire: Wire) -> list[Path]:
    """Heads whose time has not come: a clock ran ahead, or somebody wrote them. They say nothing,
    and must not stand in front of those that do."""
    until = wire.clock() + _CLOCK_MS_MAX
    return sorted(path for path in _heads(wire) if int(path.stem) > until)


def _heads(wire: Wire) -> Iterator[Path]:
    return (path for path in heads_folder(wire).glob("*.head")
            if path.stem.isascii() and path.stem.isdigit())
