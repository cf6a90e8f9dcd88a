"""Where a partition's archive ends: the last segment of record, found without walking the chain.

Owns the search over the offsets in the keys. It believes authentic segments only: whoever may put
objects can lengthen the search by one look at each of them, and cannot lead it astray.
"""

from __future__ import annotations

from typing import Final

from archive import layout
from archive.authentic import Authentic, Authenticator, chain
from archive.layout import SegmentName
from archive.store import ObjectStore
from schemas.findings import Finding
from schemas.wire import LogIdentity

# No key spells a larger offset: 20 digits.
OFFSETS_END: Final = 10**20


class _Search:
    """One partition's keys, asked for the first authentic segment in a range of offsets."""

    def __init__(self, store: ObjectStore, authenticator: Authenticator, name: SegmentName) -> None:
        self.findings: dict[Finding, None] = {}
        self._store = store
        self._authenticator = authenticator
        self._name = name

    def first(self, start: int, end: int) -> Authentic | None:
        """The first segment of record that begins in [start, end), or null."""
        for begins, found, seen in chain(self._store, self._authenticator, self._name, start):
            if begins >= end:
                break
            self.findings.update(dict.fromkeys(seen))
            if found is not None:
                return found
        return None

    def last(self, known: Authentic | None, end: int) -> Authentic | None:
        """The last one that begins before `end`; `known` is one of them, if the caller has one."""
        found, high, step = known, end, 1
        while found is None and high > 0:
            low = max(0, high - step)
            found = self.first(low, high)
            if found is None:
                high, step = low, step * 2
        if found is None:
            return None
        # One begins at `found`, none at or behind `high`: halve what lies between.
        floor = found.name.expected + 1
        while floor < high:
            middle = (floor + high) // 2
            later = self.first(middle, high)
            if later is None:
                high = middle
            else:
                found, floor = later, later.name.expected + 1
        return found


def last_segment(store: ObjectStore, authenticator: Authenticator, log: LogIdentity,
                 partition: int, log_end: int | None = None,
                 ) -> tuple[Authentic | None, list[Finding]]:
    """The last segment of record of a partition, and what else was met on the way.

    `log_end` is the log's next offset: the search begins there, because a partition has millions
    of segments in seven years and its end is seldom far from the log's. A segment beyond it is
    found too: then the log is not the one that was archived. About one listing and one GET per
    halving, and one GET for each object near the end that is no segment.
    """
    search = _Search(store, authenticator, SegmentName(log.topic, log.topic_id, partition, 0, 0))
    last = None
    if log_end is not None and (last := search.first(log_end, OFFSETS_END)) is not None:
        log_end = OFFSETS_END
    return search.last(last, OFFSETS_END if log_end is None else log_end), list(search.findings)


def segment_holding(store: ObjectStore, authenticator: Authenticator, name: SegmentName,
                    offset: int) -> Authentic | None:
    """The last segment of record of `name`'s partition that begins at or before `offset`."""
    return _Search(store, authenticator, name).last(None, offset + 1)


def logs_of(store: ObjectStore, topic: str) -> list[bytes]:
    """Ids of every topic of this name that the archive holds objects of."""
    prefix = layout.topic_prefix(topic)
    out: list[bytes] = []
    after = ""
    while True:
        found = None
        for version in store.versions(prefix, after):
            found = layout.read_segment(version.key)
            after = version.key
            if found is not None:
                break
        if found is None:
            return out
        out.append(found.topic_id)
        after = f"{prefix}{found.topic_id.hex()}/~"


def partition_names(store: ObjectStore) -> list[SegmentName]:
    """One name per partition that has a segment's name in it, found by skipping from partition to
    partition; no key is needed."""
    out: list[SegmentName] = []
    after = ""
    while True:
        found = None
        for version in store.versions(layout.SEGMENTS, after):
            found = layout.read_segment(version.key)
            after = version.key
            if found is not None:
                break
        if found is None:
            return out
        out.append(found)
        after = layout.partition_prefix(found.topic, found.topic_id, found.partition) + "~"
