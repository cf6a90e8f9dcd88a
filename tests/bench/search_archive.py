"""What the bench `search` indexes: datums in a file for each partition, read as the archive's are.

Owns those files. The follower and the searcher read them through the archive's own ports; sealing,
verifying and the store are other benches' (`drain`, `line`) and cost nothing here.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, Self

from archive import layout
from archive.keyring import DomainKeys
from archive.reader import ReadEvent, SegmentRead
from archive.wordbook import Wordbook
from infra.embedded.keys import FolderKeyring, LocalKeyService
from ingest.routing import Router
from schemas import codec, domains, events
from schemas.events import CapturedEvent
from schemas.wire import LogIdentity, Pointer
from search.index import Partition

TOPIC_ID: Final = "5e" * 16
_LOG: Final = LogIdentity("capture", bytes.fromhex(TOPIC_ID), 1)
_SEGMENT_EVENTS: Final = 2_000
_CELL_BYTES: Final = 2_000                       # of about eight events, for the pointers' sake
_RETAIN_MS: Final = 7 * 366 * 86_400_000
_ROUTING_KEY: Final = b"bench-search-routing-key-32bytes"
_CAPTURE_ID: Final = b"c" * 16
_SESSION_ID: Final = b"s" * 16


def provision(folder: Path) -> None:
    """An archive without a partition yet: its keyring and the key that it is wrapped under."""
    folder.mkdir(mode=0o700)
    (folder / "keyring").mkdir(mode=0o700)
    kek = folder / "kek"
    kek.touch(mode=0o600)
    kek.write_bytes(os.urandom(32))


def domain_keys(folder: Path) -> DomainKeys:
    """The ring of an archive's domain keys."""
    return DomainKeys(FolderKeyring(folder / "keyring"), LocalKeyService(folder / "kek",
                                                                         os.urandom),
                      os.urandom, lambda: 0)


def write(folder: Path, partition: int, captured: Iterable[CapturedEvent]) -> int:
    """The events of a partition in order; returns their count."""
    router, keys = Router(_ROUTING_KEY, _CAPTURE_ID), domain_keys(folder)
    ends, homes = array("Q"), array("L")
    known: dict[bytes, int] = {}
    at = 0
    with (folder / f"{partition}.datums").open("xb") as file:
        for event in captured:
            domain = router.domain(event)
            if domain not in known:
                known[domain] = len(known)
                keys.current(domain, partial(domains.facts_of, event))
            home = known[domain]
            at += file.write(codec.encode(event))
            ends.append(at)
            homes.append(home)
    (folder / f"{partition}.ends").write_bytes(ends.tobytes())
    (folder / f"{partition}.homes").write_bytes(homes.tobytes())
    (folder / f"{partition}.domains").write_text(json.dumps([one.hex() for one in known]), "ascii")
    return len(ends)


class BenchArchive:
    """Implements `search.follow.Reader` and `search.bodies.Reads`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: dict[int, _Partition] = {}
        self.wordbook = Wordbook(domain_keys(folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._opened.values():
            one.close()

    def partitions(self) -> list[Partition]:
        """Every partition that was written."""
        return [(TOPIC_ID, int(path.stem)) for path in sorted(self._folder.glob("*.domains"))]

    def follow(self, topic_id: str, partition: int, next_offset: int) -> Iterator[SegmentRead]:
        """In segments of some thousand events."""
        held = self._partition(partition)
        for first in range(next_offset, len(held.ends), _SEGMENT_EVENTS):
            last = min(first + _SEGMENT_EVENTS, len(held.ends)) - 1
            key = layout.segment(_LOG, partition, first).key()
            yield SegmentRead(
                "capture", topic_id, partition, key, first, last, "0" * 64, 0, _RETAIN_MS,
                trial=True, events=tuple(held.event(number, first, last, key)
                                         for number in range(first, last + 1)))

    def read(self, pointer: Pointer) -> bytes:
        """One datum."""
        return self._partition(pointer.partition).datum(pointer.offset)

    def home(self, pointer: Pointer) -> tuple[bytes, int]:
        """Key domain and generation."""
        held = self._partition(pointer.partition)
        return held.domains[held.homes[pointer.offset]], 0

    def _partition(self, number: int) -> _Partition:
        if number not in self._opened:
            self._opened[number] = _Partition(self._folder, number)
        return self._opened[number]


class _Partition:
    """One partition's file, open."""

    def __init__(self, folder: Path, number: int) -> None:
        self._number = number
        self._datums = (folder / f"{number}.datums").open("rb")
        self.ends, self.homes = array("Q"), array("L")
        self.ends.frombytes((folder / f"{number}.ends").read_bytes())
        self.homes.frombytes((folder / f"{number}.homes").read_bytes())
        self.domains = [bytes.fromhex(one) for one in json.loads(
            (folder / f"{number}.domains").read_text("ascii"))]

    def close(self) -> None:
        self._datums.close()

    def datum(self, number: int) -> bytes:
        start = self.ends[number - 1] if number else 0
        self._datums.seek(start)
        return self._datums.read(self.ends[number] - start)

    def event(self, number: int, first: int, last: int, segment: str) -> ReadEvent:
        home = self.homes[number]
        pointer = Pointer(TOPIC_ID, self._number, number, 0, segment, last, home * _CELL_BYTES,
                          _CELL_BYTES, (number - first) % 8)
        return ReadEvent(pointer, self.datum(number), self.domains[home], _CAPTURE_ID, _SESSION_ID,
                         events.ALL_KINDS, number)
