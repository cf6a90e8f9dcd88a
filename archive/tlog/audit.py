"""Checks the whole log against the archive and names what is wrong (PROTOCOL N1, V1).

Owns what may be claimed of the log: every batch follows the one before it, every leaf is what its
segment says today, every tile is made of the leaves, and every head that was ever signed is a head
of this one tree. Reads objects only; needs no key that is secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from archive import layout
from archive.authentic import LOCK_MODES, Authenticator, winner
from archive.merkle import EMPTY_ROOT
from archive.store import ObjectStore, ObjectVersion
from archive.tail import partition_names, segment_holding
from archive.tlog import batch as batches
from archive.tlog import checkpoint, note, tiles, tree
from archive.tlog.batch import BATCH_BYTES_MAX, End, Listed, Read
from archive.tlog.checkpoint import Head
from archive.tlog.note import Key, Note
from archive.tlog.sequence import PREFIX, LogSequence, batch_key, tile_key
from archive.tlog.tiles import WIDTH, Tile
from schemas.errors import Refused

FAULTS: Final[dict[str, str]] = {
    "tlog_damaged": "an object at a batch's key is no batch that the log signed, or does not "
                    "follow the one before it",
    "tlog_missing": "a batch is missing while a later one is there",
    "tlog_forked": "a head that the log signed is not a head of this log",
    "tlog_leaf_differs": "a segment that the log names is not there, or is not as the log has it",
    "tlog_tile_damaged": "a tile is not what the log's leaves make",
    "tlog_checkpoint_damaged": "an object at a checkpoint's key is no checkpoint of this log",
    "tlog_signature_damaged": "an object at a cosignature's key is none of that witness",
    "tlog_hidden": "a younger version or a delete marker lies over an object of the log",
    "tlog_unlocked": "an object of the log is not locked as its batch states",
    "tlog_foreign_object": "an object below log/ that the log never writes",
}


@dataclass(frozen=True, slots=True)
class LogFault:
    """One finding: a code of FAULTS, where, and the particulars in words."""

    code: str
    where: str
    detail: str = ""

    def __post_init__(self) -> None:
        if self.code not in FAULTS:
            raise AssertionError(f"unknown fault {self.code}")


@dataclass
class LogReport:
    """What one audit saw. `waiting`: segments that are archived and not in the log yet, which is
    no fault. `tiles_absent`: full tiles that nobody has stored; the batches make them."""

    faults: list[LogFault] = field(default_factory=list)
    head: Head = field(default_factory=lambda: Head(0, EMPTY_ROOT))
    batches: int = 0
    checkpoints: int = 0
    tiles: int = 0
    tiles_absent: int = 0
    waiting: int = 0

    def add(self, code: str, where: str, detail: str = "") -> None:
        """Add a fault once."""
        fault = LogFault(code, where, detail)
        if fault not in self.faults:
            self.faults.append(fault)


class LogAudit:
    """Audits one log. `keys` are the log's own, `witnesses` those whose cosignatures are checked.
    """

    def __init__(self, store: ObjectStore, authenticator: Authenticator, origin: str,
                 keys: Iterable[Key], witnesses: Iterable[Key] = ()) -> None:
        self._store = store
        self._authenticator = authenticator
        self._origin = origin
        self._keys = tuple(keys)
        self._witnesses = {key.key_id.hex(): key for key in witnesses}

    def run(self, against: Iterable[Note] = ()) -> LogReport:
        """Everything. `against`: checkpoints that somebody kept elsewhere; each must be a head of
        this log. Raises Halt("store_unsafe" | "format_unknown") as `LogSequence.record` does."""
        report = LogReport()
        wanted = self._heads(report, against)
        roots = {0: EMPTY_ROOT}
        hashes = _Levels(self, report)
        edge: tuple[bytes, ...] = ()
        last: Read | None = None
        for read in self._batches(report):
            size = read.batch.start
            for listed in read.batch.segments:
                self._check_segment(report, listed)
                for leaf in listed.leaves():
                    one = leaf.hash()
                    edge = tree.extended(edge, size, (one,))
                    size += 1
                    hashes.push(0, one)
                    if size in wanted:
                        roots[size] = tree.edge_root(edge)
            last = read
            report.batches += 1
            report.head = read.batch.head
        for size, heads in wanted.items():
            for root, where in heads:
                if roots.get(size) != root:
                    report.add("tlog_forked", where, f"signed for {size} leaves with another root")
        self._check_waiting(report, last.batch.ends if last else ())
        self._check_objects(report)
        return report

    def check_tile(self, report: LogReport, tile: Tile, body: bytes) -> None:
        """The stored tile, if there is one, is this."""
        key = tile_key(tile)
        versions = self._versions(key)
        if not versions:
            report.tiles_absent += 1
            return
        report.tiles += 1
        first = versions[0]
        if (first.is_delete_marker or first.size != len(body)
                or self._store.get(key, first.version_id) != body):
            report.add("tlog_tile_damaged", key)

    def _heads(self, report: LogReport,
               against: Iterable[Note]) -> dict[int, list[tuple[bytes, str]]]:
        """What was ever signed: (root, where) by size."""
        wanted: dict[int, list[tuple[bytes, str]]] = {}
        for version in self._store.versions(f"{PREFIX}checkpoint/"):
            if version.is_delete_marker:
                continue
            try:
                if version.size > note.NOTE_BYTES_MAX:
                    raise Refused("tlog_note: too large")
                body = self._store.get(version.key, version.version_id)
                found, _ = checkpoint.opened(note.read_bytes(body), self._keys)
            except Refused as error:
                report.add("tlog_checkpoint_damaged", version.key, str(error))
                continue
            report.checkpoints += 1
            if (found.origin != self._origin
                    or version.key != f"{PREFIX}checkpoint/{found.head.size:020d}"):
                report.add("tlog_checkpoint_damaged", version.key, "it stands at another's place")
            wanted.setdefault(found.head.size, []).append((found.head.root, version.key))
        for kept in against:
            try:
                found, _ = checkpoint.opened(kept, self._keys)
            except Refused as error:
                report.add("tlog_checkpoint_damaged", "the checkpoint that was handed in",
                           str(error))
                continue
            wanted.setdefault(found.head.size, []).append(
                (found.head.root, "the checkpoint that was handed in"))
        return wanted

    def _batches(self, report: LogReport) -> Iterator[Read]:
        """The batches of record in order, up to the first that does not follow."""
        sequence = LogSequence(self._store, self._origin, self._keys)
        before: Read | None = None
        number = 0
        while (read := sequence.record(number)) is not None:
            try:
                batches.check_follows(before, read.batch)
            except Refused as error:
                report.add("tlog_damaged", batch_key(number), str(error))
                return
            yield read
            before, number = read, number + 1
        later = next((key for key in self._store.versions(f"{PREFIX}batch/", batch_key(number))
                      if self._is_batch(key)), None)
        if later is not None:
            report.add("tlog_missing", batch_key(number), f"{later.key} is there")

    def _is_batch(self, version: ObjectVersion) -> bool:
        if version.is_delete_marker or version.size > BATCH_BYTES_MAX:
            return False
        try:
            batches.decode(self._store.get(version.key, version.version_id), self._origin,
                           self._keys)
        except Refused:
            return False
        return True

    def _check_segment(self, report: LogReport, listed: Listed) -> None:
        """The segment of record at this place has, cell by cell, what the log says."""
        key = listed.facts.key
        name = layout.read_segment(key)
        assert name is not None, "a batch names segments only"
        found, _ = winner(self._store, self._authenticator, name)
        if found is None:
            report.add("tlog_leaf_differs", key, "no authentic segment lies there")
        elif batches.listed(found).facts != listed.facts:
            report.add("tlog_leaf_differs", key, "another segment lies there")
        elif batches.listed(found).cells != listed.cells:
            report.add("tlog_leaf_differs", key, "its cells are not those of the log")

    def _check_waiting(self, report: LogReport, ends: tuple[End, ...]) -> None:
        known = {(one.topic, one.topic_id, one.partition): one.next_offset for one in ends}
        for name in partition_names(self._store):
            place = (name.topic, name.topic_id.hex(), name.partition)
            last = segment_holding(self._store, self._authenticator, name, 2**63 - 1)
            if last is not None and last.segment.header.last >= known.get(place, 0):
                report.waiting += 1

    def _check_objects(self, report: LogReport) -> None:
        """Every object below log/ has a name of the log's, lies alone under it, and is locked."""
        keys: dict[str, int] = {}
        for version in self._store.versions(PREFIX):
            keys[version.key] = keys.get(version.key, 0) + 1
            if keys[version.key] == 2 or version.is_delete_marker:
                report.add("tlog_hidden", version.key)
            if version.is_delete_marker:
                continue
            if self._store.lock(version.key, version.version_id).mode not in LOCK_MODES:
                report.add("tlog_unlocked", version.key, f"version {version.version_id}")
            kind, _, rest = version.key.removeprefix(PREFIX).partition("/")
            if kind == "batch" and len(rest) == 20 and rest.isdecimal():
                if not self._is_batch(version):
                    report.add("tlog_damaged", version.key, "no batch that the log signed")
            elif kind == "cosignature":
                self._check_cosignature(report, version)
            elif kind == "tile":
                tile = tiles.read_path(version.key.removeprefix(PREFIX))
                if tile is None or tile.level < 0 or tile.width != WIDTH:
                    report.add("tlog_foreign_object", version.key)
            elif kind not in ("checkpoint", "timestamp"):
                report.add("tlog_foreign_object", version.key)

    def _check_cosignature(self, report: LogReport, version: ObjectVersion) -> None:
        parts = version.key.removeprefix(PREFIX).split("/")
        key = self._witnesses.get(parts[2]) if len(parts) == 3 else None
        if key is None:
            return  # a witness that was not named to us: nothing is claimed of it
        try:
            if version.size > note.NOTE_BYTES_MAX:
                raise Refused("tlog_note: too large")
            signed = note.read_bytes(self._store.get(version.key, version.version_id))
            note.verify(signed, (key,))
            found, _ = checkpoint.opened(signed, (*self._keys, key))
        except Refused as error:
            report.add("tlog_signature_damaged", version.key, str(error))
            return
        if (found.origin, f"{found.head.size:020d}") != (self._origin, parts[1]):
            report.add("tlog_signature_damaged", version.key, "it stands at another's place")

    def _versions(self, key: str) -> list[ObjectVersion]:
        return [one for one in reversed(list(self._store.versions(key))) if one.key == key]


class _Levels:
    """Hands every tile to the audit as it becomes full."""

    def __init__(self, audit: LogAudit, report: LogReport) -> None:
        self._audit = audit
        self._report = report
        self._open: list[list[bytes]] = []
        self._done: list[int] = []

    def push(self, level: int, one: bytes) -> None:
        """One more hash of a level."""
        if level == len(self._open):
            self._open.append([])
            self._done.append(0)
        self._open[level].append(one)
        if len(self._open[level]) < WIDTH:
            return
        hashes, self._open[level] = self._open[level], []
        tile = Tile(level, self._done[level])
        self._done[level] += 1
        self._audit.check_tile(self._report, tile, tiles.encode_tile(hashes))
        self.push(level + 1, tree.subtree_root(hashes))
