"""Checks a whole archive and names every finding (PROTOCOL V; codes in `schemas/findings.py`).

Owns what may be claimed: chains, signatures, locks, cells, keys, heads and acknowledged counters.
Reads objects only; imports no driver. `Report.findings` empty means: internally consistent, and,
if a head was given, not rolled back behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

from archive import cell as cells
from archive import formats, layout
from archive.acknowledged import SETTLE_MS, Acknowledged
from archive.authentic import Authentic, Authenticator, foreign, in_order
from archive.heads import Head
from archive.heldcheck import HoldCheck, SourcesOf
from archive.keyring import DomainKeys, name_of
from archive.layout import SegmentName
from archive.media import MediaCheck
from archive.partsets import PartSets
from archive.reader import ArchiveReader, ReadEvent, SegmentRead
from archive.retention import DAY_MS, end_of
from archive.seal import decode_refused
from archive.segment import NO_PREVIOUS
from archive.store import ObjectStore, ObjectVersion
from archive.tlog.batch import Read
from archive.tlog.sequence import LogSequence, is_name
from schemas import codec, domains, events, media
from schemas.disposition import Act, read_act, record_of
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent, EventPart
from schemas.findings import FINDINGS, Finding

_Ends = dict[tuple[str, str, int], dict[int, str]]


@dataclass
class Report:
    """What one verification saw. Notes are remarks, never findings. `erased`: names of keys that
    were destroyed by right; for whoever compares more with the archive, and no field of what is
    said."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    partitions: int = 0
    segments: int = 0
    cells: int = 0
    events: int = 0
    bytes: int = 0
    earliest_unlock: int | None = None
    trial: bool = False

    def __post_init__(self) -> None:
        self.erased = frozenset[str]()
        self._known = set(self.findings)

    def add(self, code: str, where: str, detail: str = "") -> None:
        """Add a finding once."""
        self.take(Finding(code, where, detail))

    def take(self, finding: Finding) -> None:
        """Add a finding once."""
        if finding not in self._known:
            self._known.add(finding)
            self.findings.append(finding)


@dataclass(slots=True)
class _Seen:
    """What the segments say that is judged when all were read."""

    media: MediaCheck
    acknowledged: Acknowledged = field(default_factory=Acknowledged)
    parts: PartSets = field(default_factory=PartSets)
    # Until when each dictionary must be locked; 0 where only trial segments name it.
    dictionaries: dict[bytes, int] = field(default_factory=dict)
    # Keys that are gone: where their cells lie; and what was said of the end of keys.
    lost: dict[str, set[str]] = field(default_factory=dict)
    acts: dict[Act, str] = field(default_factory=dict)
    holds: HoldCheck = field(default_factory=HoldCheck)


class Verifier:
    """Verifies one archive. `lock_mode` is what this store's locks are called ("COMPLIANCE", or
    "FOLDER" for the embedded store). `progress` is told (segments done, key). `log`: the
    transparency log, whose end is compared; all of it is `archive/tlog/audit.py`'s."""

    def __init__(self, store: ObjectStore, authenticator: Authenticator, reader: ArchiveReader,
                 keys: DomainKeys, lock_mode: str,
                 progress: Callable[[int, str], None] = lambda _done, _key: None,
                 log: LogSequence | None = None) -> None:
        self._log = log
        self._store = store
        self._authenticator = authenticator
        self._reader = reader
        self._keys = keys
        self._lock_mode = lock_mode
        self._progress = progress

    def run(self, now: int, head: Head | None = None, erased: Iterable[str] = (), *,
            deep: bool = True, sources: SourcesOf | None = None) -> Report:
        """Everything, at `now` (UTC ms). `erased`: key names that a signed erasure lists (K3).
        `deep`: media are opened and hashed too, not only looked at. `sources`: knows where what a
        hold concerns lies; without it, holds on custodians and periods are compared alone.

        Raises Halt("format_unknown") when a segment is of a later version than this code knows.
        """
        report, ends = Report(), _Ends()
        # Asked before the archive is read: what the log has by then is archived by then.
        last = self._log.last() if self._log else None
        seen = _Seen(MediaCheck(self._store, self._lock_mode))
        names = self._reader.names()
        report.partitions = len(names)
        for name in names:
            ends[name.topic, name.topic_id.hex(), name.partition] = self._partition(
                name, report, seen)
        report.erased = _check_erased(report, seen, frozenset(erased))
        self._check_objects(report, seen)
        self._check_media(report, seen, now, deep=deep)
        self._check_dictionaries(report, seen)
        self._check_keys(report)
        _check_parts(report, seen.parts, now)
        _check_acknowledged(report, seen.acknowledged, now)
        _check_head(report, head, ends)
        _check_reach(report, last, ends)
        for said in seen.holds.findings(now, self._store, self._keys, sources):
            report.take(said) if isinstance(said, Finding) else report.notes.append(said)
        return report

    def _partition(self, name: SegmentName, report: Report, seen: _Seen) -> dict[int, str]:
        expected, previous = 0, NO_PREVIOUS
        ends: dict[int, str] = {}
        where = layout.partition_prefix(name.topic, name.topic_id, name.partition)
        for begins, found, findings in in_order(self._store, self._authenticator, name, 0):
            for finding in findings:
                report.take(finding)
            if found is None:
                continue
            header = found.segment.header
            if begins > expected:
                report.add("segment_missing", f"{where}{expected:020d}",
                           f"offsets {expected} to {begins - 1} have no authentic segment")
            elif begins < expected:
                report.add("record_duplicated", found.key,
                           f"offsets from {begins} are also in an earlier segment")
            elif header.previous != previous:
                report.add("chain_broken", found.key, "it names another predecessor")
            self._check_segment(report, found, seen)
            if begins >= expected:  # one that overlaps is named and stands beside the chain
                expected, previous = header.last + 1, found.segment.sha256
            ends[header.last] = found.segment.sha256.hex()
        return ends

    def _check_segment(self, report: Report, found: Authentic, seen: _Seen) -> None:
        self._check_lock(report, found, seen)
        _check_addresses(report, found)
        header = found.segment.header
        if header.dictionary:
            until = 0 if header.trial else header.retain_until
            seen.dictionaries[header.dictionary] = max(
                until, seen.dictionaries.get(header.dictionary, 0))
        read = self._reader.open(found)
        self._check_events(report, read, seen)
        report.segments += 1
        report.cells += len(found.segment.cells)
        report.events += len(read.events)
        report.bytes += found.size
        report.trial = report.trial or header.trial
        if report.earliest_unlock is None or header.retain_until < report.earliest_unlock:
            report.earliest_unlock = header.retain_until
        self._progress(report.segments, found.key)

    def _check_lock(self, report: Report, found: Authentic, seen: _Seen) -> None:
        try:
            lock = self._store.lock(found.key, found.version_id)
        except Missing:
            report.add("lock_missing", found.key, "the version is gone")
            return
        seen.holds.segment(found.key, found.segment.header.sealed_at, (
            (one.cell.domain, one.cell.generation) for one in found.segment.cells),
            is_held=lock.legal_hold)
        until = found.segment.header.retain_until
        if lock.mode != self._lock_mode:
            report.add("lock_missing", found.key, f"mode is {lock.mode or 'none'}, "
                                                  f"not {self._lock_mode}")
        elif lock.retain_until // 1000 < until // 1000:  # stores keep whole seconds
            report.add("lock_missing", found.key, "locked for less than the header states")

    def _check_events(self, report: Report, read: SegmentRead, seen: _Seen) -> None:
        readable, offsets = set(), set()
        for event in read.events:
            where = f"{read.key} offset {event.pointer.offset} index {event.pointer.index}"
            offsets.add(event.pointer.offset)
            if event.problem == "record_refused" and event.datum is not None:
                readable.add(event.pointer.offset)
                reason, value = _refusal(event.datum)
                report.add("record_refused", where, reason)
                seen.acknowledged.keep(value)
            elif event.problem or event.datum is None:
                _unopened(report, read, event, seen)
            else:
                readable.add(event.pointer.offset)
                seen.acknowledged.see(event.capture_id, event.session_id, event.counter)
                _check_datum(report, read, event, event.datum, seen)
        seen.acknowledged.unread(read.sealed_at, len(offsets - readable))

    def _check_objects(self, report: Report, seen: _Seen) -> None:
        """Everything in the bucket has a name of ours, and a schema or dictionary is what its name
        says. Segments were looked at in their order, media are compared with what events name."""
        for version in self._store.versions(""):
            key = version.key
            if key.startswith(layout.SEGMENTS):
                if layout.read_segment(key) is None:
                    report.take(foreign(key))
            elif key.startswith((layout.SCHEMAS, layout.DICTIONARIES)):
                self._check_format(report, version)
            elif media.is_object_name(key):
                seen.media.see(version)
            elif key.startswith(layout.LOG):
                if not is_name(key):
                    report.add("tlog_foreign_object", key)
            elif not key.startswith(layout.DOCTOR):
                report.take(Finding("foreign_object", key, "nothing of ours has such a name"))

    def _check_media(self, report: Report, seen: _Seen, now: int, *, deep: bool) -> None:
        notes: Counter[str] = Counter()
        for found in seen.media.findings(
                now, deep=deep, progress=lambda key: self._progress(report.segments, key)):
            if isinstance(found, Finding):
                report.take(found)
            else:
                notes[found] += 1
        report.notes += [note if count == 1 else f"{note} ({count} of them)"
                         for note, count in notes.items()]

    def _check_format(self, report: Report, version: ObjectVersion) -> None:
        digest = layout.digest_of(version.key)
        if digest is None:
            report.take(Finding("foreign_object", version.key,
                                "no schema or dictionary has such a name"))
        elif version.is_delete_marker:
            report.add("delete_marker", version.key, f"version {version.version_id}")
        elif not formats.has_digest(self._store, version, digest):
            report.add("format_damaged", version.key,
                       f"version {version.version_id} is not what its name says")

    def _check_dictionaries(self, report: Report, seen: _Seen) -> None:
        # The reader may know a dictionary from elsewhere; the archive must hold it all the same,
        # as long as any segment that cannot be read without it.
        for digest, until in sorted(seen.dictionaries.items()):
            key = layout.dictionary(digest.hex())
            found = formats.version_by_digest(self._store, key, digest)
            if found is None:
                report.add("dictionary_missing", key, f"dictionary_missing: {digest.hex()}")
            elif until and not self._is_kept(found, until):
                report.add("lock_missing", key, "locked for less than a segment that names it")

    def _is_kept(self, found: ObjectVersion, until: int) -> bool:
        try:
            lock = self._store.lock(found.key, found.version_id)
        except Missing:
            return False
        return lock.mode == self._lock_mode and lock.retain_until // 1000 >= until // 1000

    def _check_keys(self, report: Report) -> None:
        self._keys.forget()
        unbound = 0
        for domain, generation, opened in self._keys.all():
            name = name_of(domain, generation)
            if isinstance(opened, Refused):
                report.add("key_unreadable", name, str(opened))
                continue
            if name in report.erased:
                report.add("key_resurrected", name)
            unbound += not opened.is_bound
        if unbound:
            report.notes.append(
                f"{unbound} key records are of the first form: nothing binds when the key was made "
                "and what its wrapping key is called (`counterfoil keys rotate` does, where the "
                "wrapping key is local)")


def _unopened(report: Report, read: SegmentRead, event: ReadEvent, seen: _Seen) -> None:
    """One finding per cell, by its reason."""
    seen.media.unread(event.domain)
    code, _, detail = event.reason.partition(": ")
    name = name_of(event.domain, event.generation)
    if code == "key_lost":
        seen.lost.setdefault(name, set()).add(read.key)  # judged when all that was said is read
    elif code == "key_unreadable":
        report.add(code, name, detail)
    elif code == "dictionary_missing":
        report.add(code, layout.dictionary(detail), event.reason)
    else:
        report.add(code if code in FINDINGS else "cell_unreadable", read.key,
                   f"domain {event.domain.hex()}: {event.reason}")


def _check_erased(report: Report, seen: _Seen, erased: frozenset[str]) -> frozenset[str]:
    """Keys that are gone: erased by right, or lost (PROTOCOL K3). Returns those erased by right."""
    record = record_of(seen.acts)
    for act in record.unfounded:
        report.add("erasure_unfounded", seen.acts[act], f"{len(act.keys)} keys, by {act.by}: no "
                   "list, approval by a second person and intent came before it")
    by_right = erased | record.erased
    for name, segments in sorted(seen.lost.items()):
        for key in sorted(segments) if name not in by_right else ():
            report.add("key_lost", key, f"domain key {name}")
    gone = by_right & seen.lost.keys()
    if gone:
        report.notes.append(f"{len(gone)} destroyed keys: their content is erased")
    return by_right


def _check_datum(report: Report, read: SegmentRead, event: ReadEvent, datum: bytes,
                 seen: _Seen) -> None:
    where = f"{read.key} offset {event.pointer.offset} index {event.pointer.index}"
    try:
        decoded = codec.decode(datum)
    except Refused as error:
        report.add("datum_unreadable", where, str(error))
        return
    if decoded.kind not in event.kinds:
        report.add("kind_not_enrolled", where, decoded.kind)
    elif isinstance(decoded, EventPart):
        seen.parts.add(decoded, event, read.sealed_at)
    elif decoded.kind == events.HEARTBEAT:
        seen.acknowledged.state(event.capture_id, decoded, where, read.sealed_at)
    elif decoded.kind == events.HOLD:
        seen.holds.act(decoded, read.key)
    elif decoded.kind == events.DISPOSITION:
        with suppress(Refused):                   # an act that does not read erases nothing
            seen.acts.setdefault(read_act(decoded), where)
    elif decoded.kind == events.DERIVED:
        _check_fact(report, read, decoded, where, seen, event)


def _check_fact(report: Report, read: SegmentRead, event: CapturedEvent, where: str,
                seen: _Seen, at: ReadEvent) -> None:
    """A file that an event names is looked for when all objects were seen."""
    try:
        fact = media.read_fact(event)
    except Refused as error:
        report.add("media_missing", where, str(error))
        return
    if fact is None or fact.stored is None:
        return
    try:
        until = 0 if read.trial else end_of(domains.facts_of(event)) + DAY_MS
    except (ValueError, OverflowError, OSError):
        until = 0  # a senseless time or class: the archiver gave it a month of its own (F39)
    seen.media.name(fact.stored, where, until)
    seen.holds.file(fact.stored.object, at.domain, at.generation, read.sealed_at)


def _refusal(datum: bytes) -> tuple[str, bytes]:
    """Why a record was refused, and the record."""
    try:
        return decode_refused(datum)
    except Refused as error:
        return str(error), b""


def _check_addresses(report: Report, found: Authentic) -> None:
    """Every offset from first to last has a record or is said to have none, never both, and a
    record's events are numbered from 0 without a hole. No key is needed for that."""
    header = found.segment.header
    addresses: list[tuple[int, int]] = []
    for placed in found.segment.cells:
        try:
            addresses += cells.read_addresses(placed.cell.addresses, header.place())
        except Refused as error:
            report.add("cell_unreadable", found.key,
                       f"domain {placed.cell.domain.hex()}: {error}")
            return
    addresses.sort()
    if any(one == other for one, other in pairwise(addresses)):
        report.add("record_duplicated", found.key, "an address lies in two cells")
    for low, high in header.missing:
        report.add("records_missing", found.key, f"offsets {low} to {high} had no record")
    holes, awaited = [], header.first
    for offset in sorted({offset for offset, _ in addresses} | {header.last + 1}):
        if offset > awaited:
            holes.append((awaited, offset - 1))
        awaited = offset + 1
    if tuple(holes) != header.missing:
        report.add("records_missing", found.key,
                   f"offsets {holes or 'none'} have no record; stated are "
                   f"{list(header.missing) or 'none'}")
    index_of: dict[int, int] = {}
    for offset, index in addresses:
        if index > index_of.get(offset, -1) + 1:
            report.add("records_missing", found.key,
                       f"offset {offset} lacks the events before index {index}")
        index_of[offset] = index


def _check_parts(report: Report, parts: PartSets, now: int) -> None:
    waiting = 0
    for one in parts.incomplete():
        if now - one.sealed_at < SETTLE_MS:
            waiting += 1  # the rest may lie in the segment that is still open
        else:
            report.add("parts_incomplete", one.set_id.hex(), f"{one.there} of {one.total} parts")
    if waiting:
        report.notes.append(f"{waiting} large events are not archived whole yet")


def _check_acknowledged(report: Report, acknowledged: Acknowledged, now: int) -> None:
    judged = acknowledged.judged(now)
    if judged.waiting:
        report.notes.append(f"{judged.waiting} acknowledged records are not archived yet")
    if judged.refused:
        report.notes.append(f"{judged.refused} acknowledged records were refused and are kept as "
                            "they came: `quarantine replay` opens them")
    if judged.unreadable:
        report.notes.append(f"{judged.unreadable} acknowledged records may be among those that "
                            "cannot be read")
    for one in judged.missing:
        report.add("counter_missing", one.where, f"session {one.session}: {one.count} "
                                                 f"acknowledged records, first {one.first}")


def _check_head(report: Report, head: Head | None,
                ends: Mapping[tuple[str, str, int], Mapping[int, str]]) -> None:
    if head is None:
        report.notes.append("internally consistent; tail not checked: no head was given")
        return
    for line in head.lines:
        where = f"{line.topic}/{line.partition}"
        known = ends.get((line.topic, line.topic_id, line.partition), {})
        if line.last not in known:
            report.add("head_rollback", where, f"the head names offset {line.last}, the archive has"
                                               " no segment that ends there")
        elif known[line.last] != line.sha256:
            report.add("head_rollback", where, f"another segment ends at offset {line.last}")


def _check_reach(report: Report, last: Read | None,
                 ends: Mapping[tuple[str, str, int], Mapping[int, str]]) -> None:
    """How far the transparency log reaches: what it has of a partition must be there, what is
    archived and not in it yet is a note."""
    if last is None:
        return
    waiting = {place: set(known) for place, known in ends.items()}
    for end in last.batch.ends:
        place = (end.topic, end.topic_id, end.partition)
        known = ends.get(place, {})
        if known.get(end.next_offset - 1) != end.sha256:
            report.add("tlog_leaf_differs", layout.partition_prefix(
                end.topic, bytes.fromhex(end.topic_id), end.partition),
                f"the log's last segment ends at offset {end.next_offset - 1}; the archive has "
                + ("another there" if end.next_offset - 1 in known else "none that ends there"))
        waiting[place] = {one for one in known if one >= end.next_offset}
    count = sum(map(len, waiting.values()))
    report.notes.append(f"the transparency log holds {last.batch.head.size} cells"
                        + (f"; {count} segments are not in it yet" if count else ""))
