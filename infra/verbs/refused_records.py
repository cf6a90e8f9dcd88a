"""Records that did not authenticate when they came, opened with the keys of today (PROTOCOL T1).

Owns the way from their stubs in the index to the bytes that are kept, and back onto the log. The
kept record itself stays for ever; what is recorded again are further sightings of its events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from archive import layout
from archive.reader import ArchiveReader
from archive.seal import decode_refused
from infra.keyfiles import ROLES
from infra.wire import Wire
from ingest.transit import Item
from schemas import codec, events
from schemas import document as shape
from schemas.errors import Halt, Refused
from schemas.kinds import mask_of
from schemas.wire import Pointer
from search.index import pages
from search.query import All, TokenQuery
from search.waiting import REFUSED_RECORD

_PAGE = 200


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """A record as it came. `doc_id` is its stub's, `at` when it was archived (UTC ms)."""

    doc_id: str
    at: int
    reason: str
    topic_id: bytes
    partition: int
    value: bytes = field(repr=False)


def refused_records(wire: Wire) -> Iterator[RefusedRecord]:
    """Every one that the index knows, read back from the archive and verified."""
    reader = wire.reader()
    for key, stubs in _stubs(wire).items():
        yield from _of_segment(reader, key, stubs)


def record_again(wire: Wire, one: RefusedRecord) -> int:
    """Open a record and record its events on today's log; how many. Raises Refused when it still
    does not open.

    Heartbeats are left out: one speaks for the sessions of the process that sent it, and whoever
    records it again is another.
    """
    try:
        opened = wire.unsealer().open(one.topic_id, one.partition, one.value)
    except Halt as halt:
        # An archiver stops here, because its log goes on; who asks for one record is told.
        raise Refused(str(halt)) from halt
    items, at = [], 0
    for domain, tag, length in opened.rows:
        item = Item(domain, tag, opened.plain[at:at + length])
        at += length
        if not _is_heartbeat(item.datum):
            items.append(item)
    role = next((role for role, kinds in ROLES.items()
                 if not opened.session.kinds & ~mask_of(kinds)), None)
    if role is None:
        raise Refused("no process of this folder may say all that its session may")
    wire.recorder(role).record_items(items)
    return len(items)


def _stubs(wire: Wire) -> dict[str, list[tuple[str, Pointer]]]:
    """By segment, so that each is read once: (document id, where the record lies)."""
    out: dict[str, list[tuple[str, Pointer]]] = {}
    indexes = wire.indexes()
    name = indexes.current()
    if name is None:
        return out
    asked = TokenQuery(All(), frozenset({shape.UNREADABLE}))
    for found in pages(indexes.open(name), asked, _PAGE, oldest_first=True):
        for entry in found.entries:
            if entry.unreadable == REFUSED_RECORD:
                out.setdefault(entry.pointer.segment, []).append((found.doc_id, entry.pointer))
    return out


def _of_segment(reader: ArchiveReader, key: str,
                stubs: list[tuple[str, Pointer]]) -> Iterator[RefusedRecord]:
    name = layout.read_segment(key)
    if name is None:
        return
    known = {(pointer.offset, pointer.index): doc_id for doc_id, pointer in stubs}
    read = next(reader.follow(name.topic_id.hex(), name.partition, name.expected), None)
    for event in read.events if read else ():
        doc_id = known.get((event.pointer.offset, event.pointer.index))
        if read is None or doc_id is None or event.problem != REFUSED_RECORD or event.datum is None:
            continue
        reason, value = decode_refused(event.datum)
        yield RefusedRecord(doc_id, read.sealed_at, reason, name.topic_id, name.partition, value)


def _is_heartbeat(datum: bytes) -> bool:
    try:
        return codec.decode(datum).kind == events.HEARTBEAT
    except Refused:
        return False  # recorded as it is: it becomes an unreadable document again
