"""A small archive in memory and the events to fill it: what the search tests play with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from archive.keyring import DomainKeys
from archive.reader import ReadEvent, SegmentRead
from archive.wordbook import Wordbook
from schemas import codec, events
from schemas.domains import DomainFacts
from schemas.errors import Missing
from schemas.events import CapturedEvent, EventPart, Identity
from schemas.wire import Pointer
from search.project import Projector
from search.tokens import Tokenizer
from tests.fakes.keys import FakeKeyring, FakeKeyService
from tests.world import Random

INDEX_KEY = bytes(range(32))
DOMAIN = b"d" * 16
TOPIC = "ab" * 16
NOON = 1_768_478_400_000            # 2026-01-15T12:00:00Z
RETAIN_UNTIL = 1_999_999_999_000
ANN = Identity("+16505551234", "e164", "Ann Lee")
BOB = Identity("US.13491208655302741918", "bsuid", "王小明")
DESK = Identity("+15550783881", "e164", "Desk")

TOKENIZER = Tokenizer(INDEX_KEY)
PROJECTOR = Projector(TOKENIZER)


def event(kind: str = events.MESSAGE, native_id: str | None = "m1", text: str | None = "hello",
          **more: Any) -> CapturedEvent:
    """A WhatsApp event from Ann to the desk at noon, but for what `more` says."""
    values: dict[str, Any] = {
        "channel": "whatsapp", "source": "test/1", "account": "+15550783881",
        "conversation": "pair:+15550783881|+16505551234", "captured_at": NOON + 1_000,
        "occurred_at": NOON, "actor": ANN, "participants": (ANN, DESK), "direction": "in",
        "custodian": "carol",
    }
    return CapturedEvent(kind=kind, native_id=native_id, text=text, **{**values, **more})


def edit(text: str | None, at: int = NOON + 60_000, native_id: str = "e1",
         target: str | None = "m1", **more: Any) -> CapturedEvent:
    """An edit of m1."""
    return event(events.EDIT, native_id, text, **{
        "target": target, "target_known": events.EXPLICIT, "occurred_at": at,
        "captured_at": at + 1_000, **more})


def retraction(at: int = NOON + 120_000, native_id: str = "r1", target: str = "m1",
               **more: Any) -> CapturedEvent:
    """A retraction of m1."""
    return event(events.RETRACTION, native_id, None, **{
        "target": target, "target_known": events.EXPLICIT, "occurred_at": at,
        "captured_at": at + 1_000, "content_state": events.ABSENT_BY_SOURCE, **more})


Datum = CapturedEvent | EventPart | bytes


def domain_keys(keyring: FakeKeyring, domain: bytes = DOMAIN) -> DomainKeys:
    """The ring of a keyring in which `domain` has a key, the same each time."""
    keys = DomainKeys(keyring, FakeKeyService(), Random("search/world"), lambda: NOON)
    keys.current(domain, lambda: DomainFacts("carol", "default", "2026-01", "", 7))
    return keys


class MemoryArchive:
    """Segments in memory. Implements `search.follow.Reader`."""

    def __init__(self, topic_id: str = TOPIC) -> None:
        self._topic_id = topic_id
        self._segments: dict[int, list[SegmentRead]] = {}
        self._datums: dict[tuple[int, int, int], bytes | None] = {}
        self.keyring = FakeKeyring()
        self.wordbook = Wordbook(domain_keys(self.keyring))

    def seal(self, items: Iterable[Datum], partition: int = 0, *,
             kinds: frozenset[str] = events.ALL_KINDS, problem: str = "",
             capture_id: bytes = b"c" * 16, session_id: bytes | None = None) -> SegmentRead:
        """One more segment of `partition`, one record per item."""
        known = self._segments.setdefault(partition, [])
        first = known[-1].last + 1 if known else 0
        read: list[ReadEvent] = []
        key = f"segments/capture/{self._topic_id}/{partition}/{first:020d}.avro"
        for position, item in enumerate(items):
            datum = _datum(item)
            pointer = Pointer(self._topic_id, partition, first + position, 0, key, 0, 100, 200,
                              position)
            held = None if problem in ("key_lost", "cell_unreadable") else datum
            self._datums[partition, first + position, 0] = held
            read.append(ReadEvent(pointer, held, DOMAIN, capture_id,
                                  session_id or b"s" * 15 + bytes([partition]), kinds,
                                  first + position, problem))
        segment = SegmentRead(
            "capture", self._topic_id, partition, key, first, first + max(len(read), 1) - 1,
            f"{partition}-{first}", NOON, RETAIN_UNTIL, True, tuple(read))
        known.append(segment)
        return segment

    def partitions(self) -> list[tuple[str, int]]:
        """Every partition with a segment."""
        return sorted((self._topic_id, partition) for partition in self._segments)

    def follow(self, topic_id: str, partition: int, next_offset: int) -> Iterator[SegmentRead]:
        """Segments from `next_offset` on."""
        for segment in self._segments.get(partition, []):
            if segment.first >= next_offset:
                yield segment

    def read(self, pointer: Pointer) -> bytes:
        """The datum, or Missing."""
        datum = self._datums.get((pointer.partition, pointer.offset, pointer.index))
        if datum is None:
            raise Missing("domain key")
        return datum

    def home(self, pointer: Pointer) -> tuple[bytes, int]:
        """The one domain."""
        return DOMAIN, 0

    def events(self) -> Iterator[ReadEvent]:
        """Everything, partition by partition."""
        for partition in sorted(self._segments):
            for segment in self._segments[partition]:
                yield from segment.events


def _datum(item: Datum) -> bytes:
    if isinstance(item, bytes):
        return item
    return codec.encode_part(item) if isinstance(item, EventPart) else codec.encode(item)
