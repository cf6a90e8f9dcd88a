"""The import ledger, made again from the archive after it was lost (PROTOCOL C6).

Owns an operator's command: it reads every imported event, so it holds both sides' keys while it
runs. What a line was remembered as stands in its event; the key is the one in the key folder, and
without it nothing can be made again: `keys backup` has it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from infra.archived import Joiner
from infra.embedded import folder
from infra.embedded.ledger import Ledger, LedgerFile, exclusively
from infra.importer import ledger_path
from infra.wire import Wire
from ingest import readers
from ingest.exclusions import REASON
from ingest.importing import DOOR
from schemas import events, media
from schemas.events import CapturedEvent
from schemas.identity import event_id

# Facts of a telephone that are saved at a time.
_SAVED_EVENTS: Final = 50_000


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """From what it was made."""

    events: int
    chats: int


def rebuild_ledger(wire: Wire) -> Rebuilt:
    """A new ledger in the place of whatever lies there; the old one stays until it is whole."""
    path = ledger_path(wire)
    fresh = path.with_suffix(".rebuilt")
    with exclusively(path.with_suffix(".lock")):
        keys = wire.keys_folder
        key = keys.ledger_key(may_make=not keys.has_ledger)
        for name in (fresh, *_beside(fresh)):
            name.unlink(missing_ok=True)
        shelf = LedgerFile(fresh)
        try:
            ledger = Ledger(shelf, key, wire.random)
            ledger.check()
            done = tell(ledger, archived(wire))
        finally:
            shelf.close()  # its write-ahead log is in the file from here
        for name in _beside(path):
            name.unlink(missing_ok=True)
        os.replace(fresh, path)
        folder.sync_folder(path.parent)
        keys.note_ledger()
    return done


def tell(ledger: Ledger, found: Iterable[CapturedEvent]) -> Rebuilt:
    """Tell a ledger everything that archived events say of imports, and save it."""
    chats: dict[tuple[str, str, str], list[CapturedEvent]] = {}
    count = 0
    telephones: set[tuple[str, str, str]] = set()
    for event in found:
        group = readers.group_of(event)
        if event.kind == events.DERIVED and event.detail(media.WHAT) == media.MEDIA:
            readers.restore_file(event, ledger)
        elif event.kind == events.QUARANTINE and event.detail("door") == DOOR:
            ledger.add(ledger.digest("import/unreadable", event_id(event)))
        elif event.kind == events.GAP and (event.native_id or "").startswith(f"{REASON}:import:"):
            ledger.add(ledger.digest("import/counted", event_id(event)))
        elif group is None:
            continue
        elif group[2]:
            # Its words are not needed; there may be a million of them.
            chats.setdefault(group, []).append(replace(event, raw=None, text=None,
                                                       participants=(), delivery=None))
        else:
            telephones.add(group)
            readers.restore([event], ledger)
        count += 1
        if count % _SAVED_EVENTS == 0:
            ledger.save()
    for of_chat in chats.values():
        readers.restore(sorted(of_chat, key=lambda one: one.captured_at), ledger)
        ledger.save()
    ledger.save()
    return Rebuilt(count, len(chats) + len(telephones))


def archived(wire: Wire) -> Iterator[CapturedEvent]:
    """Every archived event that can be read, in the order of each partition; a large one where its
    last part lies."""
    reader = wire.reader()
    for topic_id, partition in reader.partitions():
        joiner = Joiner()
        for read in reader.follow(topic_id, partition, 0):
            yield from joiner.events(read.events)


def _beside(path: Path) -> tuple[Path, ...]:
    """What SQLite keeps beside a file that is open, or whose process was killed."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")
