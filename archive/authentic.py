"""What counts as a segment: the oldest version at its key that authenticates (PROTOCOL S2, S3).

Owns that one judgement, shared by commit, reader and verify. Everything else that lies at the key
is reported, never followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from archive import layout, segment
from archive.layout import SegmentName
from archive.segment import NewerFormat, Segment
from archive.store import ObjectStore, ObjectVersion
from schemas import limits
from schemas.errors import Halt, Missing, Refused
from schemas.findings import Finding

# What a store's own word must be for a version to be one that nobody can take away early. "FOLDER"
# is said by the embedded store alone, which detects and cannot prevent (PROTOCOL S11).
LOCK_MODES: Final = frozenset({"COMPLIANCE", "FOLDER"})
UNKNOWN_WRITER: Final = "segment_signature: the sealing key is not known"


@dataclass(frozen=True, slots=True)
class Authentic:
    """A segment of record: its name, the version that is it, and its content."""

    name: SegmentName
    key: str
    version_id: str
    segment: Segment
    size: int


class Authenticator:
    """Knows the sealing keys (16-byte id -> Ed25519 public key) whose word counts. An empty public
    key is an operator's word that this id is a stranger's: what it signs is junk (decision 0012).
    """

    def __init__(self, sealing_keys: Mapping[bytes, bytes]) -> None:
        self._keys = sealing_keys

    def segment(self, name: SegmentName, body: bytes) -> Segment:
        """The segment in `body`. Raises Refused whose text begins with a finding's code, and
        Halt("format_unknown") for one of a later version that a known sealing key signed."""
        try:
            read = segment.decode(body)
        except NewerFormat as newer:
            public = self._keys.get(newer.writer)
            if public and segment.is_signed(public, newer.signature, newer.message):
                # Ours, by a later version of us: to take it for junk would store records twice.
                raise Halt("format_unknown",
                           f"{name.key()} is of format version {newer.version}") from newer
            raise
        header = read.header
        stands = (header.topic, header.topic_id, header.partition, header.first)
        if stands != (name.topic, name.topic_id, name.partition, name.expected):
            raise Refused("segment_misplaced: its header names another place")
        if header.last < header.first:
            raise Refused("segment_unreadable: it ends before it begins")
        public = self._keys.get(header.writer)
        if public is None:
            raise Refused(UNKNOWN_WRITER)
        if not public:
            raise Refused("segment_signature: the sealing key is declared a stranger's")
        segment.check_signature(read, public)
        return read


def is_locked(store: ObjectStore, found: Authentic) -> bool:
    """Whether the store holds this version until its header's date, or did: an expired lock still
    counts. A version that went away in the meantime is not locked."""
    try:
        lock = store.lock(found.key, found.version_id)
    except Missing:
        return False
    # Stores keep whole seconds.
    return (lock.mode in LOCK_MODES
            and lock.retain_until // 1000 >= found.segment.header.retain_until // 1000)


def winner(store: ObjectStore, authenticator: Authenticator, name: SegmentName,
           versions: Iterable[ObjectVersion] | None = None,
           ) -> tuple[Authentic | None, list[Finding]]:
    """The segment of record that begins at `name.expected`, over all attempts, and what else lies
    there. `versions` saves the listing when the caller has it.

    Where several versions lie there, the oldest of the lowest attempt that authenticates and is
    locked; an unlocked one counts only where no other does. Nothing behind the record is fetched.
    """
    if versions is None:
        prefix = layout.partition_prefix(name.topic, name.topic_id, name.partition)
        versions = store.versions(layout.just_before(prefix, name.expected))
    findings: list[Finding] = []
    candidates = _in_order(versions, name, findings)
    found: Authentic | None = None
    unlocked: Authentic | None = None
    refused: list[tuple[str, str]] = []
    for read, version in candidates:
        if found is not None:
            findings.append(Finding("younger_version", version.key,
                                    f"version {version.version_id}"))
            continue
        chosen = _authentic(store, authenticator, read, version, refused)
        if chosen is None:
            continue
        # Asked only where there is a choice: one request less for each segment that is read.
        if len(candidates) == 1 or is_locked(store, chosen):
            found = chosen
        else:
            unlocked = unlocked or chosen
    return _judged(found, unlocked, refused, findings)


def _judged(found: Authentic | None, unlocked: Authentic | None, refused: list[tuple[str, str]],
            findings: list[Finding]) -> tuple[Authentic | None, list[Finding]]:
    if unlocked is not None:
        findings.append(Finding("lock_missing", unlocked.key,
                                f"version {unlocked.version_id} authenticates and is not locked"))
    record = found or unlocked
    for key, reason in refused:
        code = reason.partition(":")[0]
        findings.append(Finding("key_squatted" if record is not None else code, key, reason))
    return record, findings


def _in_order(versions: Iterable[ObjectVersion], name: SegmentName,
              findings: list[Finding]) -> list[tuple[SegmentName, ObjectVersion]]:
    """Lowest attempt first, oldest first; what cannot be a segment becomes a finding."""
    out: list[tuple[SegmentName, ObjectVersion]] = []
    for key, group in groupby(versions, lambda version: version.key):
        read = layout.read_segment(key)
        if read is None or read.expected != name.expected:
            findings.append(foreign(key))
            continue
        for version in reversed(list(group)):
            if version.is_delete_marker:
                findings.append(Finding("delete_marker", key, f"version {version.version_id}"))
            else:
                out.append((read, version))
    # Stable: within an attempt the oldest stays first.
    return sorted(out, key=lambda one: one[0].attempt)


def foreign(key: str) -> Finding:
    """An object whose name is no segment's."""
    return Finding("foreign_object", key, "no segment has such a name")


def _authentic(store: ObjectStore, authenticator: Authenticator, name: SegmentName,
               version: ObjectVersion, refused: list[tuple[str, str]]) -> Authentic | None:
    if version.size > limits.SEGMENT_OBJECT_BYTES_MAX:
        # Not fetched: whoever may write here must not fill our memory.
        refused.append((version.key, f"segment_oversized: {version.size} bytes"))
        return None
    try:
        body = store.get(version.key, version.version_id)
        read = authenticator.segment(name, body)
    except Refused as error:
        refused.append((version.key, str(error)))
        return None
    except Missing:
        refused.append((version.key, "segment_missing: it vanished while it was read"))
        return None
    return Authentic(name, version.key, version.version_id, read, len(body))


def chain(store: ObjectStore, authenticator: Authenticator, prefix_of: SegmentName,
          start: int) -> Iterator[tuple[int, Authentic | None, list[Finding]]]:
    """Walks one partition's keys from `start` in order: for each expected offset that has objects,
    what lies there. One listing, read as it comes."""
    prefix = layout.partition_prefix(prefix_of.topic, prefix_of.topic_id, prefix_of.partition)
    listing = store.versions(prefix, layout.just_before(prefix, start))
    # By the digits alone: a foreign name between two attempts must not part them.
    for expected, group in groupby(listing, lambda version: layout.offset_of(prefix, version.key)):
        versions = list(group)
        if expected is None:
            for version in versions:
                yield -1, None, [foreign(version.key)]
            continue
        name = SegmentName(prefix_of.topic, prefix_of.topic_id, prefix_of.partition, expected, 0)
        yield expected, *winner(store, authenticator, name, versions)


def in_order(store: ObjectStore, authenticator: Authenticator, prefix_of: SegmentName,
             start: int) -> Iterator[tuple[int, Authentic | None, list[Finding]]]:
    """`chain`, with a hole looked at twice before it is shown: a listing that began before the
    missing segment was there may show its successor all the same (a folder is not listed in one
    instant), while a listing that begins after the successor was seen shows both."""
    expected, doubted = start, -1
    while True:
        for begins, found, seen in chain(store, authenticator, prefix_of, expected):
            if found is not None and begins > expected and doubted != expected:
                doubted = expected
                break
            yield begins, found, seen
            if found is not None:
                expected = max(expected, found.segment.header.last + 1)
        else:
            return
