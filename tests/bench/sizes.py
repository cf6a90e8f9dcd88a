"""Bytes stored per event, and PUTs and objects of a firm's real-time traffic (DESIGN §9).

Pure: the product's own sealing and closing rules over made-up time; no server. What is counted is
the object as it is stored, header and all, and the key records beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from statistics import mean
from typing import Final

from archive import cell as cells
from archive import segment
from archive.batch import Batch, BatchLimits
from archive.cell import CellEvent, Dictionary, Place
from archive.seal import compression_level
from archive.unseal import Session
from ingest.routing import Router, partition_of
from schemas import codec, limits
from schemas.wire import LogRecord
from tests.bench.traffic import BEGAN, Capture, Traffic, Webhook
from tests.world import Random

PER_PERSON: Final = 60
DAYS_7_YEARS: Final = 7 * 365.25
# Weekends bring a tenth; 260 working days of 365.
DAY_WEIGHT: Final = (260 + 105 * 0.1) / 365
KEY_RECORD_BYTES: Final = 420
_RECORD_OVERHEAD: Final = 300               # a pack of one: prefix, opening, table, tag
_SAMPLED_EVENTS_MAX: Final = 6_000
_DICTIONARY: Final = Path(cells.__file__).with_name("dictionary-1.zdict")
_ROUTER: Final = Router(bytes(range(32)), bytes(16))
_TOPIC_ID: Final = bytes(range(16))


@dataclass(frozen=True, slots=True)
class SizeRow:
    """Bytes per event of one segment."""

    events_per_cell: float
    events: int
    level: int
    with_dictionary: float
    without: float


@dataclass(frozen=True, slots=True)
class TraceRow:
    """A firm on an ordinary working day, and what it comes to in seven years."""

    people: int
    partitions: int
    age_s_max: int
    events_per_day: int
    puts_per_day: int
    events_per_segment: float
    events_per_cell: float
    bytes_per_event: float
    objects_7_years: int
    gigabytes_7_years: float


@dataclass(frozen=True, slots=True)
class _Datum:
    domain: bytes
    event: CellEvent


def full_segments(per_cell: Sequence[int] = (1, 8, 62)) -> list[SizeRow]:
    """A backlog's segment (8 MiB of records), by how many events share a cell."""
    return [_full(one) for one in per_cell]


def bare_segment(per_cell: int = 62) -> SizeRow:
    """A backlog's segment of webhooks alone, without parsed form and signature: what the peer and
    the design's prototype store."""
    return _full(per_cell, bare=True)


def small_segments() -> list[SizeRow]:
    """A trickle's segments: 1 and 12 events, each alone in its cell."""
    out = []
    for count in (1, 12):
        traffic = Traffic(5, 400)
        data = _data(traffic, traffic.webhooks(count))
        out.append(_row(data))
    return out


def trace(people: int, age_s_max: int, partitions: int) -> TraceRow:
    """One working day of `people`, each with PER_PERSON messages, through the closing rule."""
    traffic = Traffic(3, people)
    batches = list(_closed(traffic.day(BEGAN * 1000, PER_PERSON), age_s_max, partitions))
    events = sum(map(len, batches))
    capture = Capture(traffic.directory(), _ROUTER)
    stored = taken = 0
    sampled_cells = []
    # Every so many batches, so that all hours are in it.
    for batch in batches[::max(1, events // _SAMPLED_EVENTS_MAX)]:
        data = _captured(capture, batch)
        stored += len(_segment(data, _dictionary()))
        taken += len(data)
        sampled_cells.append(len({one.domain for one in data}))
    per_event = stored / taken
    days = DAYS_7_YEARS * DAY_WEIGHT
    keys = people * 84
    return TraceRow(people, partitions, age_s_max, events, len(batches), events / len(batches),
                    taken / sum(sampled_cells), per_event, round(len(batches) * days) + keys,
                    (per_event * events * days + keys * KEY_RECORD_BYTES) / 1e9)


def _full(per_cell: int, *, bare: bool = False) -> SizeRow:
    count = limits.SEGMENT_BYTES_MAX // (850 if bare else 1_450)
    traffic = Traffic(4, max(1, count // per_cell))
    posts = list(traffic.webhooks(count))
    data = [_in_session(one, number // limits.SESSION_RECORDS_MAX) for number, one in
            enumerate(_data(traffic, posts))]
    if bare:
        data = [replace(one, event=one.event._replace(datum=post.body))
                for one, post in zip(data, posts, strict=True)]
    if per_cell == 1:
        data = list({one.domain: one for one in data}.values())
    return _row(data)


def _row(data: Sequence[_Datum]) -> SizeRow:
    cell_count = len({one.domain for one in data})
    return SizeRow(len(data) / cell_count, len(data), _level(data),
                   len(_segment(data, _dictionary())) / len(data),
                   len(_segment(data, Dictionary(None))) / len(data))


def _closed(webhooks: Iterable[Webhook], age_s_max: int,
            partitions: int) -> Iterator[list[Webhook]]:
    """The posts of each segment, by the product's rule."""
    rule = BatchLimits(age_ms_max=age_s_max * 1000)
    batches = [Batch(rule) for _ in range(partitions)]
    held: list[list[Webhook]] = [[] for _ in range(partitions)]
    for webhook in webhooks:
        for batch, posts in zip(batches, held, strict=True):
            if posts and batch.due(webhook.at):
                batch.clear()
                yield list(posts)
                posts.clear()
        partition = _partition(webhook, partitions)
        held[partition].append(webhook)
        batches[partition].add([LogRecord(0, bytes(_RECORD_OVERHEAD + 2 * len(webhook.body)))],
                               webhook.at)
    yield from (posts for posts in held if posts)


def _partition(webhook: Webhook, partitions: int) -> int:
    name = f"{webhook.person} {webhook.peer}".encode()
    return partition_of(sha256(name).digest()[:16], partitions)


def _data(traffic: Traffic, webhooks: Iterable[Webhook]) -> list[_Datum]:
    return _captured(Capture(traffic.directory(), _ROUTER), webhooks)


def _captured(capture: Capture, webhooks: Iterable[Webhook]) -> list[_Datum]:
    out = []
    for number, webhook in enumerate(webhooks):
        event, = capture.events(webhook)
        out.append(_in_session(_Datum(_ROUTER.domain(event), CellEvent(
            number, 0, _ROUTER.tag(event), Session(bytes(16), bytes(16), 0), number % 1000,
            codec.encode(event))), webhook.at // 1000))
    return out


def _in_session(one: _Datum, number: int) -> _Datum:
    """A session lasts a second: at a trickle each event has its own, a backlog's are shared."""
    session_id = sha256(number.to_bytes(8, "big")).digest()[:16]
    who = Session(bytes(16), session_id, 2**18 - 1)
    return replace(one, event=one.event._replace(session=who))


def _segment(data: Sequence[_Datum], dictionary: Dictionary) -> bytes:
    random = Random("sizes")
    place = Place(_TOPIC_ID, 0, 0, len(data) - 1)
    made = []
    for domain, group in groupby(sorted(data, key=lambda one: one.domain),
                                 key=lambda one: one.domain):
        made.append(cells.seal(place, domain, 0, bytes(32), [one.event for one in group],
                               dictionary, random, _level(data)))
    header = segment.Header(
        topic="counterfoil.capture", topic_id=_TOPIC_ID, partition=0, first=0, last=len(data) - 1,
        missing=(), last_record=bytes(32), previous=random(32), sealed_at=BEGAN * 1000,
        retain_until=BEGAN * 1000, trial=False, dictionary=dictionary.digest, writer=random(16))
    return segment.encode(header, made, lambda message: sha256(message).digest() * 2)


def _level(data: Sequence[_Datum]) -> int:
    return compression_level(sum(_RECORD_OVERHEAD + len(one.event.datum) for one in data))


def _dictionary() -> Dictionary:
    return Dictionary(_DICTIONARY.read_bytes())


def mean_sizes(count: int = 2_000) -> tuple[float, float]:
    """(bytes of a webhook's body, bytes of its datum), means."""
    traffic = Traffic(1, 110)
    posts = list(traffic.webhooks(count))
    return (mean(len(one.body) for one in posts),
            mean(len(one.event.datum) for one in _data(traffic, posts)))
