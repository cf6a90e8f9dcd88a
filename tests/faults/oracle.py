"""The oracle of every fault test: what was acknowledged is archived exactly once, and nothing else.

Owns the comparison of a log with an archive by addresses, datums and object versions; verify's own
word is asked as well, but not trusted alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from archive import cell as cells
from archive import layout, segment
from archive.authentic import Authenticator
from archive.reader import ArchiveReader
from archive.store import ObjectStore
from schemas.errors import Refused
from schemas.wire import LogIdentity


def stored_offsets(store: ObjectStore, authenticator: Authenticator, log: LogIdentity,
                   partition: int) -> Counter[int]:
    """How many object versions hold each offset: every version that authenticates counts, whatever
    its attempt, and whether or not it is the record."""
    found: Counter[int] = Counter()
    prefix = layout.partition_prefix(log.topic, log.topic_id, partition)
    for version in store.versions(prefix):
        name = layout.read_segment(version.key)
        if name is None or version.is_delete_marker:
            continue
        try:
            read = authenticator.segment(name, store.get(version.key, version.version_id))
        except Refused:
            continue
        found.update(_offsets(read))
    return found


def _offsets(read: segment.Segment) -> set[int]:
    return {offset for placed in read.cells
            for offset, _ in cells.read_addresses(placed.cell.addresses, read.header.place())}


def datums(reader: ArchiveReader, log: LogIdentity, partition: int) -> dict[tuple[int, int], bytes]:
    """What the chain of one partition holds, by address; an address that comes twice is a failure.
    """
    found: dict[tuple[int, int], bytes] = {}
    for read in reader.follow(log.topic_id.hex(), partition, 0):
        for event in read.events:
            address = event.pointer.offset, event.pointer.index
            assert address not in found, f"address {address} twice"
            assert event.datum is not None, f"address {address}: {event.problem}"
            found[address] = event.datum
    return found


def require_once(store: ObjectStore, authenticator: Authenticator, log: LogIdentity,
                 offsets: Mapping[int, Iterable[int]]) -> None:
    """Each of `offsets` (by partition) lies in exactly one object version, and no other offset
    does."""
    for partition, wanted in offsets.items():
        assert Counter(dict.fromkeys(wanted, 1)) == stored_offsets(
            store, authenticator, log, partition)
