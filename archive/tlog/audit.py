"""Checks the whole log against the archive and names what is wrong (PROTOCOL N1, V1).

Owns what may be claimed of the log: every batch follows the one before it, every leaf is what its
segment says today, every tile is made of the leaves, and every head that was ever signed is a head
of this one tree. Reads objects only; needs no key that is secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from archive import layout
from archive.authentic import LOCK_MODES, Authenticator, winner
from archive.merkle import EMPTY_ROOT
from archive.store import ObjectStore, ObjectVersion
from archive.tlog import batch as batches
from archive.tlog import checkpoint, note, tiles, timestamp, tree
from archive.tlog.batch import BATCH_BYTES_MAX, Listed, Read
from archive.tlog.checkpoint import Head
from archive.tlog.note import Key, Note
from archive.tlog.published import waiting
from archive.tlog.sequence import PREFIX, LogSequence, batch_key, checkpoint_key, is_name, tile_key
from archive.tlog.tiles import WIDTH, Tile
from archive.tlog.timestamp import Authority, Timestamp
from schemas.errors import Missing, Refused
from schemas.findings import Finding

_ABSENT_MAX: Final = 100
HANDED_IN: Final = "the checkpoint that was handed in"


@dataclass(frozen=True, slots=True)
class Vouching:
    """Whose word beside the log's is checked."""

    witnesses: tuple[Key, ...] = ()
    authorities: tuple[Authority, ...] = ()


@dataclass
class LogReport:
    """What one audit saw. `waiting`: partitions whose newest segment is not in the log yet, which
    is no fault. `tiles_absent`: full tiles that nobody has stored; the batches make them.
    `absent`: what the batches make and is not there, as far as it is no fault (100 at most;
    `absent_more` are not named).
    `unjudged`: signed heads behind the place where the batches are damaged. `cosigned`, `stamped`:
    the largest head that a named witness, or authority, vouches for, by its name; `unnamed`:
    cosignatures and time stamps of those who were not named to the auditor."""

    faults: list[Finding] = field(default_factory=list)
    head: Head = field(default_factory=lambda: Head(0, EMPTY_ROOT))
    batches: int = 0
    checkpoints: int = 0
    tiles: int = 0
    tiles_absent: int = 0
    waiting: int = 0
    absent: list[str] = field(default_factory=list)
    absent_more: int = 0
    unjudged: int = 0
    unnamed: int = 0
    cosigned: dict[str, tuple[int, int]] = field(default_factory=dict)
    stamped: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether every batch that there is was followed, so that what lies behind is known."""
        return not any(one.code in ("tlog_damaged", "tlog_missing") for one in self.faults)

    def lacks(self, key: str) -> None:
        """Something that is made from the batches does not lie there."""
        if len(self.absent) < _ABSENT_MAX:
            self.absent.append(key)
        else:
            self.absent_more += 1

    def add(self, code: str, where: str, detail: str = "") -> None:
        """Add a fault once."""
        fault = Finding(code, where, detail)
        if fault not in self.faults:
            self.faults.append(fault)


class LogAudit:
    """Audits one log. `keys` are the log's own; `progress` is told how many batches are done."""

    def __init__(self, store: ObjectStore, authenticator: Authenticator, origin: str,
                 keys: Iterable[Key], vouching: Vouching | None = None,
                 progress: Callable[[int], None] = lambda _done: None) -> None:
        self._store = store
        self._authenticator = authenticator
        self._origin = origin
        self._keys = tuple(keys)
        self._sequence = LogSequence(store, origin, self._keys, judges_locks=False)
        vouching = vouching or Vouching()
        self._witnesses = {key.key_id.hex(): key for key in vouching.witnesses}
        self._authorities = {one.name: one for one in vouching.authorities}
        self._progress = progress

    def run(self, against: Iterable[Note] = ()) -> LogReport:
        """Everything. `against`: checkpoints that somebody kept elsewhere; each must be a head of
        this log. Raises Transient, and Halt("format_unknown") for a batch of a later version."""
        report = LogReport()
        wanted, there = self._heads(report, against)
        roots = {0: EMPTY_ROOT}
        until: dict[int, int] = {}
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
            until[size] = read.batch.retain_until
            report.batches += 1
            report.head = read.batch.head
            self._progress(report.batches)
        self._judge_heads(report, wanted, roots)
        self._check_published(report, until, there)
        report.waiting = waiting(self._store, self._authenticator,
                                 last.batch.ends if last else ())
        _Objects(self, self._store, report, until).check()
        return report

    def check_tile(self, report: LogReport, tile: Tile, body: bytes) -> None:
        """The stored tile, if there is one, is this."""
        key = tile_key(tile)
        versions = self._sequence.versions(key)
        if not versions:
            report.tiles_absent += 1
            report.lacks(key)
            return
        report.tiles += 1
        first = versions[0]
        if (first.is_delete_marker or first.size != len(body)
                or self._store.get(key, first.version_id) != body):
            report.add("tlog_tile_damaged", key)

    def _heads(self, report: LogReport, against: Iterable[Note],
               ) -> tuple[dict[int, list[tuple[bytes, str]]], set[str]]:
        """What was ever signed: (root, where) by size; and the keys below checkpoint/ at which
        something lies."""
        wanted: dict[int, list[tuple[bytes, str]]] = {}
        there = set()
        for version in self._store.versions(f"{PREFIX}checkpoint/"):
            if version.is_delete_marker or not is_name(version.key):
                continue
            there.add(version.key)
            try:
                found, _ = checkpoint.opened(self._note(version), self._keys)
            except Refused as error:
                report.add("tlog_checkpoint_damaged", version.key, str(error))
                continue
            report.checkpoints += 1
            if found.origin != self._origin or version.key != checkpoint_key(found.head.size):
                report.add("tlog_checkpoint_damaged", version.key, "it stands at another's place")
            wanted.setdefault(found.head.size, []).append((found.head.root, version.key))
        for kept in against:
            try:
                found, _ = checkpoint.opened(kept, self._keys)
            except Refused as error:
                report.add("tlog_checkpoint_damaged", HANDED_IN, str(error))
                continue
            wanted.setdefault(found.head.size, []).append((found.head.root, HANDED_IN))
        return wanted, there

    def _judge_heads(self, report: LogReport, wanted: dict[int, list[tuple[bytes, str]]],
                     roots: dict[int, bytes]) -> None:
        for size, heads in wanted.items():
            for root, where in heads:
                if size > report.head.size and not report.is_whole:
                    # What lies behind the damage is not known: the damage has a name of its own.
                    report.unjudged += 1
                elif size > report.head.size:
                    report.add("tlog_forked", where, f"signed for {size} leaves; this log has "
                                                     f"{report.head.size}")
                elif roots.get(size) != root:
                    report.add("tlog_forked", where, f"signed for {size} leaves with another root")

    def _check_published(self, report: LogReport, until: dict[int, int], there: set[str]) -> None:
        """Every batch but the last has its checkpoint: nobody goes on before it is signed."""
        for size in until:
            key = checkpoint_key(size)
            # The listing is of before the batches were read: what is not in it may have come since.
            if key in there or any(not one.is_delete_marker
                                   for one in self._sequence.versions(key)):
                continue
            if size == report.head.size:
                report.lacks(key)   # a notary that died between the two; the next one signs it
            else:
                report.add("tlog_checkpoint_damaged", key, "it is not there")

    def _batches(self, report: LogReport) -> Iterator[Read]:
        """The batches of record in order, up to the first that does not follow."""
        before: Read | None = None
        number = 0
        while (read := self._sequence.record(number)) is not None:
            try:
                batches.check_follows(before, read.batch)
            except Refused as error:
                report.add("tlog_damaged", batch_key(number), str(error))
                return
            yield read
            before, number = read, number + 1
        there = [one for one in self._sequence.versions(batch_key(number))
                 if not one.is_delete_marker]
        for version in there:
            report.add("tlog_damaged", version.key, "no batch that the log signed")
        later = next((key for key in self._store.versions(f"{PREFIX}batch/", batch_key(number))
                      if self.is_batch(key)), None)
        if later is not None and not there:
            report.add("tlog_missing", batch_key(number), f"{later.key} is there")

    def is_batch(self, version: ObjectVersion) -> bool:
        """Whether the log signed it."""
        if version.is_delete_marker or version.size > BATCH_BYTES_MAX:
            return False
        try:
            read = batches.decode(self._store.get(version.key, version.version_id), self._origin,
                                  self._keys)
        except (Refused, Missing):
            return False
        return batch_key(read.batch.number) == version.key

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

    def check_cosignature(self, report: LogReport, version: ObjectVersion) -> None:
        """It is that of the witness whom its name states, over a head of ours."""
        _, _, size, key_id = version.key.split("/")
        key = self._witnesses.get(key_id)
        try:
            signed = self._note(version)
            by = note.verify(signed, (key,)) if key else ()
            found, _ = checkpoint.opened(signed, self._keys)
        except Refused as error:
            report.add("tlog_cosignature_damaged", version.key, str(error))
            return
        if (found.origin, f"{found.head.size:020d}") != (self._origin, size) or key_id not in {
                one.key_id.hex() for one in signed.signatures}:
            report.add("tlog_cosignature_damaged", version.key, "it stands at another's place")
        elif not self._is_kept(signed.text, found.head.size):
            report.add("tlog_forked", version.key, f"{key.name if key else 'a witness'} has seen "
                                                   f"another tree of {found.head.size} leaves")
        elif key is None:
            report.unnamed += 1  # a witness that was not named to us: nothing is claimed of it
        else:
            report.cosigned[key.name] = max(report.cosigned.get(key.name, (0, 0)),
                                            (found.head.size, by[0].time or 0))

    def check_timestamp(self, report: LogReport, version: ObjectVersion) -> None:
        """It is that of the authority whom its name states, over the checkpoint beside it."""
        _, _, size, name = version.key.split("/")
        authority = self._authorities.get(name)
        if authority is None:
            report.unnamed += 1
            return
        stamp = self._stamp(version, authority, int(size))
        if isinstance(stamp, str):
            report.add("tlog_timestamp_damaged", version.key, stamp)
        else:
            report.stamped[name] = max(report.stamped.get(name, (0, 0)), (int(size), stamp.at))

    def _stamp(self, version: ObjectVersion, authority: Authority, size: int) -> Timestamp | str:
        if version.size > timestamp.RESPONSE_BYTES_MAX:
            return "too large"
        stamp = self._store.get(version.key, version.version_id)
        reason = "there is no checkpoint of this size"
        for one in self._sequence.versions(checkpoint_key(size)):
            if one.is_delete_marker or one.size > note.NOTE_BYTES_MAX:
                continue
            try:
                return timestamp.check(stamp, self._store.get(one.key, one.version_id), authority)
            except Refused as error:
                reason = str(error)
        return reason

    def _is_kept(self, text: str, size: int) -> bool:
        """Whether this text is that of the checkpoint that the log keeps, if it keeps one."""
        found = [one for one in self._sequence.versions(checkpoint_key(size))
                 if not one.is_delete_marker]
        if not found:
            return True
        try:
            return any(self._note(one).text == text for one in found)
        except Refused:
            return True  # named already

    def _note(self, version: ObjectVersion) -> Note:
        if version.size > note.NOTE_BYTES_MAX:
            raise Refused("tlog_note: too large")
        return note.read_bytes(self._store.get(version.key, version.version_id))


class _Objects:
    """Every object below log/ has a name of the log's, lies alone under it, and is locked as long
    as the batch that it comes from (`until`: by the size after it, UTC ms)."""

    def __init__(self, audit: LogAudit, store: ObjectStore, report: LogReport,
                 until: dict[int, int]) -> None:
        self._audit, self._store, self._report = audit, store, report
        self._is_whole = report.is_whole
        self._ends = sorted(until.items())
        self._until = until

    def check(self) -> None:
        """All of them, by one listing."""
        before = ""
        for version in self._store.versions(PREFIX):
            if not is_name(version.key):
                self._report.add("tlog_foreign_object", version.key)
                continue
            if version.key == before or version.is_delete_marker:
                self._report.add("tlog_hidden", version.key)
            before = version.key
            if version.is_delete_marker:
                continue
            try:
                self._check(version)
            except Missing:
                self._report.add("tlog_hidden", version.key, "it vanished while it was read")

    def _check(self, version: ObjectVersion) -> None:
        self._check_lock(version)
        kind = version.key.removeprefix(PREFIX).partition("/")[0]
        if kind == "batch":
            if not self._audit.is_batch(version):
                self._report.add("tlog_damaged", version.key, "no batch that the log signed")
        elif kind == "cosignature":
            self._audit.check_cosignature(self._report, version)
        elif kind == "timestamp":
            self._audit.check_timestamp(self._report, version)
        elif kind == "tile":
            tile = tiles.read_path(version.key.removeprefix(PREFIX))
            size = self._report.head.size
            if (tile is not None and self._is_whole
                    and (tile.index + 1) * WIDTH ** (tile.level + 1) > size):
                self._report.add("tlog_tile_damaged", version.key, "the log has no such leaves")

    def _check_lock(self, version: ObjectVersion) -> None:
        lock = self._store.lock(version.key, version.version_id)
        if lock.mode not in LOCK_MODES:
            self._report.add("tlog_unlocked", version.key, f"mode is {lock.mode or 'none'}")
        elif lock.retain_until // 1000 < self._stated(version.key) // 1000:
            self._report.add("tlog_unlocked", version.key, "locked for less than its batch states")

    def _stated(self, key: str) -> int:
        """Until when the batch that an object comes from is to be locked; 0 where it is of none."""
        kind, number, *_ = key.removeprefix(PREFIX).split("/")
        if kind == "batch":
            return self._ends[int(number)][1] if int(number) < len(self._ends) else 0
        if kind != "tile":
            return self._until.get(int(number), 0)
        tile = tiles.read_path(key.removeprefix(PREFIX))
        assert tile is not None
        needed = (tile.index + 1) * WIDTH ** (tile.level + 1)
        return next((until for size, until in self._ends if size >= needed), 0)


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
