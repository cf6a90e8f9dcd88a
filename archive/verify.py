"""Checks a whole archive and names every finding (PROTOCOL V; codes in `schemas/findings.py`).

Owns what may be claimed: chains, signatures, locks, cells, keys, heads and acknowledged counters.
Reads objects only; imports no driver. `Report.findings` empty means: internally consistent, and,
if a head was given, not rolled back behind it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from archive import layout
from archive.authentic import Authentic, Authenticator, chain
from archive.heads import Head
from archive.keyring import DomainKeys
from archive.layout import SegmentName
from archive.reader import ArchiveReader, SegmentRead
from archive.seal import decode_refused
from archive.segment import NO_PREVIOUS
from archive.store import ObjectStore
from schemas import codec, events
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent, EventPart
from schemas.findings import Finding

# A record that a heartbeat states may wait this long for its own partition's segment.
_SETTLE_MS: Final = 2 * 3_600_000


@dataclass(slots=True)
class Report:
    """What one verification saw. Notes are remarks, never findings."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    partitions: int = 0
    segments: int = 0
    cells: int = 0
    events: int = 0
    bytes: int = 0
    earliest_unlock: int | None = None
    trial: bool = False

    def add(self, code: str, where: str, detail: str = "") -> None:
        """Add a finding once."""
        finding = Finding(code, where, detail)
        if finding not in self.findings:
            self.findings.append(finding)


@dataclass(slots=True)
class _Counters:
    """Per session: counters seen in the archive, and those stated as acknowledged."""

    seen: dict[str, set[int]] = field(default_factory=dict)
    stated: list[tuple[str, str, int, int, int]] = field(default_factory=list)


class Verifier:
    """Verifies one archive. `lock_mode` is what this store's locks are called ("COMPLIANCE", or
    "FOLDER" for the embedded store). `progress` is told (segments done, key)."""

    def __init__(self, store: ObjectStore, authenticator: Authenticator, reader: ArchiveReader,
                 keys: DomainKeys, lock_mode: str,
                 progress: Callable[[int, str], None] = lambda _done, _key: None) -> None:
        self._store = store
        self._authenticator = authenticator
        self._reader = reader
        self._keys = keys
        self._lock_mode = lock_mode
        self._progress = progress

    def run(self, now: int, head: Head | None = None, erased: Iterable[str] = ()) -> Report:
        """Everything, at `now` (UTC ms). `erased` are key names that a signed erasure lists (K3)."""
        report = Report()
        counters = _Counters()
        parts: dict[bytes, dict[int, int]] = {}
        ends: dict[tuple[str, int], dict[int, str]] = {}
        names = self._reader.names()
        report.partitions = len(names)
        for name in names:
            ends[name.topic_id.hex(), name.partition] = self._partition(
                name, report, counters, parts)
        self._foreign(report)
        self._check_keys(report, frozenset(erased))
        for set_id, numbers in parts.items():
            total = max(numbers.values())
            if len(numbers) < total:
                report.add("parts_incomplete", set_id.hex(), f"{len(numbers)} of {total} parts")
        self._check_counters(report, counters, now)
        self._check_head(report, head, ends)
        return report

    def _partition(self, name: SegmentName, report: Report, counters: _Counters,
                   parts: dict[bytes, dict[int, int]]) -> dict[int, str]:
        expected, previous = 0, NO_PREVIOUS
        ends: dict[int, str] = {}
        where = layout.partition_prefix(name.topic, name.topic_id, name.partition)
        for begins, found, findings in chain(self._store, self._authenticator, name, 0):
            for finding in findings:
                report.add(finding.code, finding.where, finding.detail)
            if found is None:
                continue
            header = found.segment.header
            if begins > expected:
                report.add("segment_missing", f"{where}{expected:020d}",
                           f"offsets {expected} to {begins - 1} have no authentic segment")
            elif begins < expected:
                report.add("record_duplicated", found.key,
                           f"offsets from {begins} are also in an earlier segment")
            if begins == expected and header.previous != previous:
                report.add("chain_broken", found.key, "it names another predecessor")
            self._check_lock(report, found)
            read = self._reader.open(found)
            self._check_events(report, read, counters, parts)
            expected, previous = header.last + 1, found.segment.sha256
            ends[header.last] = found.segment.sha256.hex()
            self._count(report, found, read)
        return ends

    def _count(self, report: Report, found: Authentic, read: SegmentRead) -> None:
        header = found.segment.header
        report.segments += 1
        report.cells += len(found.segment.cells)
        report.events += len(read.events)
        report.bytes += found.size
        report.trial = report.trial or header.trial
        if report.earliest_unlock is None or header.retain_until < report.earliest_unlock:
            report.earliest_unlock = header.retain_until
        for low, high in header.missing:
            report.add("records_missing", found.key, f"offsets {low} to {high} had no record")
        self._progress(report.segments, found.key)

    def _check_lock(self, report: Report, found: Authentic) -> None:
        try:
            lock = self._store.lock(found.key, found.version_id)
        except Missing:
            report.add("lock_missing", found.key, "the version is gone")
            return
        until = found.segment.header.retain_until
        if lock.mode != self._lock_mode:
            report.add("lock_missing", found.key, f"mode is {lock.mode or 'none'}, "
                                                  f"not {self._lock_mode}")
        elif lock.retain_until // 1000 < until // 1000:  # stores keep whole seconds
            report.add("lock_missing", found.key, "locked for less than the header states")

    def _check_events(self, report: Report, read: SegmentRead, counters: _Counters,
                      parts: dict[bytes, dict[int, int]]) -> None:
        for event in read.events:
            where = f"{read.key} offset {event.pointer.offset} index {event.pointer.index}"
            if event.problem == "key_lost":
                report.add("key_lost", read.key, f"domain {event.domain.hex()}")
                continue
            if event.problem == "cell_unreadable" or event.datum is None:
                report.add("cell_unreadable", read.key, f"domain {event.domain.hex()}")
                continue
            if event.problem == "record_refused":
                report.add("record_refused", where, decode_refused(event.datum)[0])
                continue
            counters.seen.setdefault(event.session_id.hex(), set()).add(event.counter)
            try:
                decoded = codec.decode(event.datum)
            except Refused as error:
                report.add("datum_unreadable", where, str(error))
                continue
            if decoded.kind not in event.kinds:
                report.add("kind_not_enrolled", where, decoded.kind)
            elif isinstance(decoded, EventPart):
                parts.setdefault(decoded.set_id, {})[decoded.number] = decoded.total
            elif decoded.kind == events.HEARTBEAT:
                _take_heartbeat(decoded, where, counters)

    def _foreign(self, report: Report) -> None:
        for version in self._store.versions(layout.SEGMENTS):
            if layout.read_segment(version.key) is None:
                report.add("foreign_object", version.key, "no segment's name")

    def _check_keys(self, report: Report, erased: frozenset[str]) -> None:
        self._keys.forget()
        for domain, generation, opened in self._keys.all():
            name = f"{domain.hex()}/{generation}"
            if isinstance(opened, Refused):
                report.add("key_unreadable", name, str(opened))
            elif name in erased:
                report.add("key_resurrected", name)

    def _check_counters(self, report: Report, counters: _Counters, now: int) -> None:
        waiting = 0
        for session, where, at, low, high in counters.stated:
            seen = counters.seen.get(session, set())
            absent = [number for number in range(low, high + 1) if number not in seen]
            if not absent:
                continue
            if now - at < _SETTLE_MS:
                waiting += len(absent)  # perhaps still on the log, in another partition
                continue
            report.add("counter_missing", where,
                       f"session {session}: {len(absent)} of {high - low + 1} acknowledged "
                       f"records, first {absent[0]}")
        if waiting:
            report.notes.append(f"{waiting} acknowledged records are not archived yet")

    def _check_head(self, report: Report, head: Head | None,
                    ends: Mapping[tuple[str, int], Mapping[int, str]]) -> None:
        if head is None:
            report.notes.append("internally consistent; tail not checked: no head was given")
            return
        for line in head.lines:
            where = f"{line.topic}/{line.partition}"
            known = ends.get((line.topic_id, line.partition), {})
            if line.last not in known:
                report.add("head_rollback", where,
                           f"the head names offset {line.last}, the archive has no segment that "
                           "ends there")
            elif known[line.last] != line.sha256:
                report.add("head_rollback", where, f"another segment ends at offset {line.last}")


def _take_heartbeat(event: CapturedEvent, where: str, counters: _Counters) -> None:
    stated = event.detail("acknowledged")
    if not stated:
        return
    try:
        sessions = json.loads(stated)
        for session, ranges in sessions.items():
            pairs = [(int(low), int(high)) for low, high in ranges]
            if all(0 <= low <= high < low + 1_000_000 for low, high in pairs):
                counters.stated += [(str(session), where, event.captured_at, low, high)
                                    for low, high in pairs]
    except (ValueError, TypeError, AttributeError):
        return  # a heartbeat that states nothing readable claims nothing
