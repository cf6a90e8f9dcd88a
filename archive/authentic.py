"""What counts as a segment: the oldest version at its key that authenticates (PROTOCOL S2, S3).

Owns that one judgement, shared by commit, reader and verify. Everything else that lies at the key
is reported, never followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from archive import layout, segment
from archive.layout import SegmentName
from archive.segment import Segment
from archive.store import ObjectStore, ObjectVersion
from schemas.errors import Missing, Refused
from schemas.findings import Finding


@dataclass(frozen=True, slots=True)
class Authentic:
    """A segment of record: its name, the version that is it, and its content."""

    name: SegmentName
    key: str
    version_id: str
    segment: Segment
    size: int


class Authenticator:
    """Knows the sealing keys (16-byte id -> Ed25519 public key) whose word counts."""

    def __init__(self, sealing_keys: Mapping[bytes, bytes]) -> None:
        self._keys = sealing_keys

    def segment(self, name: SegmentName, body: bytes) -> Segment:
        """The segment in `body`. Raises Refused whose text begins with a finding's code."""
        read = segment.decode(body)
        public = self._keys.get(read.header.writer)
        if public is None:
            raise Refused("segment_signature: sealing key is not known")
        segment.check_signature(read, public)
        header = read.header
        stands = (header.topic, header.topic_id, header.partition, header.first)
        if stands != (name.topic, name.topic_id, name.partition, name.expected):
            raise Refused("segment_misplaced: its header names another place")
        if header.last < header.first:
            raise Refused("segment_unreadable: it ends before it begins")
        return read


def winner(store: ObjectStore, authenticator: Authenticator, name: SegmentName,
           versions: Iterable[ObjectVersion] | None = None,
           ) -> tuple[Authentic | None, list[Finding]]:
    """The segment of record that begins at `name.expected`, over all attempts, and what else lies
    there. `versions` saves the listing when the caller has it."""
    if versions is None:
        prefix = layout.partition_prefix(name.topic, name.topic_id, name.partition)
        versions = store.versions(layout.just_before(prefix, name.expected))
    findings: list[Finding] = []
    found: Authentic | None = None
    at_keys = [(layout.read_segment(key), key, list(group))
               for key, group in groupby(versions, lambda version: version.key)]
    for read, key, group in sorted(at_keys, key=lambda one: one[0].attempt if one[0] else 1 << 30):
        if read is None or read.expected != name.expected:
            findings.append(Finding("foreign_object", key, "no segment has such a name"))
            continue
        chosen = _oldest(store, authenticator, read, key, group, findings)
        if chosen is not None and found is not None:
            findings.append(Finding("younger_version", key, "a later attempt beside the record"))
        found = found or chosen
    return found, findings


def _oldest(store: ObjectStore, authenticator: Authenticator, name: SegmentName, key: str,
            group: list[ObjectVersion], findings: list[Finding]) -> Authentic | None:
    chosen: Authentic | None = None
    reasons: list[str] = []
    for version in reversed(group):  # oldest first
        if version.is_delete_marker:
            findings.append(Finding("delete_marker", key, f"version {version.version_id}"))
            continue
        if chosen is not None:
            findings.append(Finding("younger_version", key, f"version {version.version_id}"))
            continue
        try:
            body = store.get(key, version.version_id)
            read = authenticator.segment(name, body)
        except Refused as error:
            reasons.append(str(error))
            continue
        except Missing:
            reasons.append("segment_missing: it vanished while it was read")
            continue
        chosen = Authentic(name, key, version.version_id, read, len(body))
    for reason in reasons:
        code = reason.partition(":")[0]
        if chosen is not None:
            findings.append(Finding("key_squatted", key, reason))
        else:
            findings.append(Finding(code if code.startswith("segment_") else "segment_unreadable",
                                    key, reason))
    return chosen


def chain(store: ObjectStore, authenticator: Authenticator, prefix_of: SegmentName,
          start: int) -> Iterator[tuple[int, Authentic | None, list[Finding]]]:
    """Walks one partition's keys from `start` in order: for each expected offset that has objects,
    what lies there. One listing, read as it comes."""
    prefix = layout.partition_prefix(prefix_of.topic, prefix_of.topic_id, prefix_of.partition)
    listing = store.versions(prefix, layout.just_before(prefix, start))

    def expected_of(version: ObjectVersion) -> int:
        read = layout.read_segment(version.key)
        return -1 if read is None else read.expected

    for expected, group in groupby(listing, expected_of):
        versions = list(group)
        if expected < 0:
            yield expected, None, [Finding("foreign_object", version.key, "no segment's name")
                                   for version in versions]
            continue
        name = SegmentName(prefix_of.topic, prefix_of.topic_id, prefix_of.partition, expected, 0)
        yield expected, *winner(store, authenticator, name, versions)
