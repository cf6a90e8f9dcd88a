"""Log records -> one segment's bytes: open, group into cells, compress, encrypt (PROTOCOL S).

Owns the way from packs to cells. No event is decoded here, but for the first datum of a domain
that the keyring does not know. A record that does not authenticate is kept as received.
"""

from __future__ import annotations

import io
import json
import re
import struct
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib import resources
from typing import Any, Final

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

from archive import cell as cells
from archive import segment
from archive.cell import CellEvent, Dictionary, Place
from archive.keyring import DomainKey, DomainKeys, reserved_facts
from archive.retention import retain_until
from archive.unseal import Session, Unsealer
from schemas import codec, domains
from schemas.domains import DomainFacts
from schemas.errors import Refused
from schemas.events import EventPart
from schemas.wire import LogIdentity, LogRecord

_REFUSED_SOURCE: Final[Any] = json.loads(
    resources.files("schemas").joinpath("refused.avsc").read_text("utf-8"))
_REFUSED_SCHEMA: Final[Any] = fastavro.parse_schema(_REFUSED_SOURCE)
REFUSED_MARK: Final = b"\xc3\x01" + bytes.fromhex(
    fingerprint(to_parsing_canonical_form(_REFUSED_SOURCE), "CRC-64-AVRO"))
_MONTH: Final = re.compile(r"(?:19[7-9]|[2-9][0-9]{2})[0-9]-(?:0[1-9]|1[0-2])")
# A segment of two seconds that is smaller than 1 MiB is less than 500 events a second.
_LEVELS: Final = ((64 * 1024, 19), (1024 * 1024, 9))
NOBODY: Final = Session(bytes(16), bytes(16), 0)


@dataclass(frozen=True, slots=True)
class SealPolicy:
    """`years_fallback` is the longest class of today: for a domain whose first datum does not
    decode, and the least for a reserved one, whatever its keyring's record says."""

    trial: bool
    lock_years_max: int
    years_fallback: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """A segment ready for its PUT, and its hash. `refused` are (offset, reason) of records kept as
    received."""

    header: segment.Header
    body: bytes
    sha256: bytes
    events: int
    refused: tuple[tuple[int, str], ...]


class SegmentSealer:
    """Makes segments of one archiver. `sign` and `writer` are its sealing key and that key's id."""

    def __init__(self, unsealer: Unsealer, keys: DomainKeys, dictionary: Dictionary,
                 sign: Callable[[bytes], bytes], writer: bytes, policy: SealPolicy,
                 random: Callable[[int], bytes]) -> None:
        self._unsealer = unsealer
        self._keys = keys
        self._dictionary = dictionary
        self._sign = sign
        self._writer = writer
        self._policy = policy
        self._random = random

    def seal(self, log: LogIdentity, partition: int, expected: int, previous: bytes,
             records: Sequence[LogRecord], now: int) -> Sealed:
        """The segment of `records` (offset order, all >= `expected`) at `now` (UTC ms).

        Raises Halt("lock_years" | "key_service" | "transit_key_missing") and Transient; never
        anything for a record's sake.
        """
        last = records[-1].offset
        place = Place(log.topic_id, partition, expected, last)
        groups, refused = self._open_all(log, partition, records, now)
        keys = {domain: self._key(domain, events, now) for domain, events in groups.items()}
        level = compression_level(sum([len(record.value) for record in records]))
        sealed_cells = [
            cells.seal(place, domain, keys[domain].generation, keys[domain].key, groups[domain],
                       self._dictionary, self._random, level)
            for domain in sorted(groups)]
        header = segment.Header(
            topic=log.topic, topic_id=log.topic_id, partition=partition, first=expected, last=last,
            missing=_missing(expected, records), last_record=sha256(records[-1].value).digest(),
            previous=previous, sealed_at=now,
            retain_until=retain_until((self._locking(key) for key in keys.values()), now,
                                      trial=self._policy.trial,
                                      lock_years_max=self._policy.lock_years_max),
            trial=self._policy.trial, dictionary=self._dictionary.digest, writer=self._writer)
        body = segment.encode(header, sealed_cells, self._sign)
        return Sealed(header, body, sha256(body).digest(), sum(map(len, groups.values())),
                      tuple(refused))

    def _open_all(self, log: LogIdentity, partition: int, records: Sequence[LogRecord],
                  now: int) -> tuple[dict[bytes, list[CellEvent]], list[tuple[int, str]]]:
        groups: defaultdict[bytes, list[CellEvent]] = defaultdict(list)
        refused: list[tuple[int, str]] = []
        made = tuple.__new__
        for record in records:
            try:
                opened = self._unsealer.open(log.topic_id, partition, record.value)
            except Refused as error:
                # No offset without an object (PROTOCOL S1): what fails is kept as received.
                refused.append((record.offset, str(error)))
                domain = _quarantine_domain(now)
                groups[domain].append(CellEvent(
                    record.offset, 0, bytes(16), NOBODY, 0,
                    encode_refused(str(error), record.value)))
                continue
            (session, counter, rows, plain), offset = opened, record.offset
            index = at = 0
            for domain, tag, length in rows:
                end = at + length
                # As CellEvent(...), without the call: this line runs once per event.
                groups[domain].append(made(CellEvent, (
                    offset, index, tag, session, counter, plain[at:end])))
                index, at = index + 1, end
        return groups, refused

    def _key(self, domain: bytes, events: Sequence[CellEvent], now: int) -> DomainKey:
        def facts() -> DomainFacts:
            # Before the key is made: what the keyring says of a domain is said for good.
            found = self._facts(domain, events, now)
            retain_until((found,), now, trial=self._policy.trial,
                         lock_years_max=self._policy.lock_years_max)
            return found

        return self._keys.current(domain, facts)

    def _locking(self, key: DomainKey) -> DomainFacts:
        """What the lock goes by. All sorts of events share a reserved domain for a month, and the
        first of them, or a class of that day, must not decide for those that follow."""
        if not domains.is_reserved(key.domain):
            return key.facts
        return replace(key.facts, years=max(key.facts.years, self._policy.years_fallback))

    def _facts(self, domain: bytes, events: Sequence[CellEvent], now: int) -> DomainFacts:
        """What the keyring will say of a new domain, from the first datum of it that says so. What
        an enrolled capture process says there decides a lock of years, and must not stop the
        archiver either."""
        fallback = self._policy.years_fallback
        for event in events:
            said = facts_in(event.datum)
            if said is not None:
                return _believable(said, now)
        unreadable = DomainFacts("", "unreadable", domains.month_text(now), "", fallback)
        if domains.is_reserved(domain):
            unreadable = reserved_facts(domain, fallback) or unreadable
        return _believable(unreadable, now)


def facts_in(datum: bytes) -> DomainFacts | None:
    """What a datum says of its domain; null of one that does not parse, or of no calendar."""
    try:
        event = codec.decode(datum)
        if isinstance(event, EventPart):
            return DomainFacts(event.custodian, event.retention_class, event.month,
                               event.compartment, event.retention_years, event.role)
        return domains.facts_of(event)
    except (Refused, ValueError, OverflowError, OSError):
        return None


def _believable(facts: DomainFacts, now: int) -> DomainFacts:
    """`facts` with a month that exists and is not after ours: a clock that is years ahead, or a
    month that is none, must not lock a segment for longer than its class."""
    this_month = domains.month_text(now)
    is_month = _MONTH.fullmatch(facts.month) is not None
    month = min(facts.month, this_month) if is_month else this_month
    return replace(facts, month=month, years=max(0, facts.years))


def compression_level(size: int) -> int:
    """zstd's level for a segment of `size` bytes of records: what comes at a trickle has the time
    (0.2 ms an event at most, for a tenth less to keep for years), a backlog has not."""
    for bytes_max, level in _LEVELS:
        if size < bytes_max:
            return level
    return cells.LEVEL_QUICK


def encode_refused(reason: str, value: bytes) -> bytes:
    """The datum that keeps a refused record as received."""
    out = io.BytesIO()
    out.write(REFUSED_MARK)
    fastavro.schemaless_writer(out, _REFUSED_SCHEMA, {"reason": reason, "value": value})
    return out.getvalue()


def decode_refused(datum: bytes) -> tuple[str, bytes]:
    """(reason, record as received). Raises Refused when it is no such datum."""
    if datum[:10] != REFUSED_MARK:
        raise Refused("not a refused record")
    stream = io.BytesIO(datum)
    stream.seek(len(REFUSED_MARK))
    try:
        record: Any = fastavro.schemaless_reader(stream, _REFUSED_SCHEMA, None)
    except (EOFError, ValueError, IndexError, OverflowError, MemoryError, struct.error) as error:
        raise Refused("refused record does not parse") from error
    if stream.tell() != len(datum):
        raise Refused("trailing bytes after a refused record")
    return record["reason"], record["value"]


def _missing(expected: int, records: Sequence[LogRecord]) -> tuple[tuple[int, int], ...]:
    out: list[tuple[int, int]] = []
    if records[-1].offset - expected + 1 == len(records):
        return ()
    awaited = expected
    for record in records:
        if record.offset > awaited:
            out.append((awaited, record.offset - 1))
        awaited = record.offset + 1
    return tuple(out)


def _quarantine_domain(now: int) -> bytes:
    year, month = domains.month_text(now).split("-")
    return domains.reserved(domains.QUARANTINE, int(year), int(month))
