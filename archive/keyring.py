"""The ports KeyService and Keyring, and the ring of domain keys between them.

Owns what a key record says and when a key may be used (PROTOCOL K1, K2). Drivers:
`infra/embedded/keys.py`, `infra/kms.py`, `infra/s3keyring.py`.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from importlib import resources
from typing import Any, Final, Protocol

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

from schemas import domains
from schemas.domains import DomainFacts
from schemas.errors import Exists, Halt, Missing, Refused, Transient
from schemas.identity import canonical


class KeyService(Protocol):
    """Wraps domain keys under a key that never leaves it (KEK).

    `context` is bound to the result: unwrapping under another context fails. Raises Transient
    when the service cannot be reached, Refused when the wrap or its context is wrong.
    """

    @property
    def key_id(self) -> str:
        """Which KEK: stable, printable, not secret."""

    def wrap(self, plain: bytes, context: bytes) -> bytes:
        """`plain` (up to 4 KiB) encrypted under the KEK and bound to `context`."""

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The inverse of wrap."""


class Keyring(Protocol):
    """Where wrapped keys lie: create-once names, outside the locked bucket, destroyable.

    A name is `<domain hex>/<generation>`. Raises Exists, Missing, Transient, Ambiguous.
    """

    def create(self, name: str, record: bytes) -> None:
        """Store `record` under a new name; durable when it returns. Raises Exists."""

    def read(self, name: str) -> bytes:
        """The record. Raises Missing."""

    def names(self, prefix: str = "") -> Iterator[str]:
        """Every live name under `prefix`, ascending."""

    def replace(self, name: str, was: bytes, record: bytes) -> None:
        """Put `record`, which must hold the same key, in the place of `was`. Whoever reads sees one
        of the two at any time, whatever crashes; durable when it returns. Raises Missing when
        the record is gone, Exists when it is another one than `was`, Transient or Ambiguous when
        it may be either."""

    def destroy(self, name: str) -> None:
        """Remove every version of a record. Raises Missing. The two-person rule is the caller's."""


_SOURCE: Final[Any] = json.loads(
    resources.files("schemas").joinpath("keyrecord.avsc").read_text("utf-8"))
_SCHEMA: Final[Any] = fastavro.parse_schema(_SOURCE)
_MARK: Final = b"\xc3\x01" + bytes.fromhex(
    fingerprint(to_parsing_canonical_form(_SOURCE), "CRC-64-AVRO"))


@dataclass(frozen=True, slots=True)
class DomainKey:
    """An opened domain key. `key` is 32 bytes; `facts` says whose words lie under it; `is_bound`:
    no byte of its record can be changed unnoticed (see OpenedRecord)."""

    domain: bytes
    generation: int
    facts: DomainFacts
    key: bytes = field(repr=False)
    is_bound: bool = True


@dataclass(frozen=True, slots=True)
class OpenedRecord:
    """What a key record says that opened: the key, the facts as JSON, and when the key was made
    (UTC ms). `is_bound`: date and name of the KEK are bound to the wraps. In records of the first
    form they are not: whoever may write to the keyring may have changed those two."""

    key: bytes = field(repr=False)
    facts: bytes
    created_at: int
    is_bound: bool

    def may_replace(self, other: OpenedRecord) -> bool:
        """Whether it is the same key, facts and date, and binds what `other` binds: what was
        wrapped anew may go to the place of what was before, never the reverse."""
        return self == other or self == replace(other, is_bound=True)


# So long a process keeps the keys that it opened. After it nobody seals under a generation that was
# closed, and nobody reads what was erased (docs/decisions/0033).
KEPT_MS: Final = 10 * 60_000


class DomainKeys:
    """The ring of domain keys as one process sees it: opened keys are kept until `forget`, and no
    longer than `kept_ms`. `age`: how often they were dropped."""

    def __init__(self, keyring: Keyring, service: KeyService, random: Callable[[int], bytes],
                 clock: Callable[[], int], kept_ms: int = KEPT_MS) -> None:
        self._keyring = keyring
        self._service = service
        self._random = random
        self._clock = clock
        self._kept_ms = kept_ms
        self._since = clock()
        self._open: dict[tuple[bytes, int], DomainKey] = {}
        self._current: dict[bytes, DomainKey] = {}
        self.age = 0

    def current(self, domain: bytes, facts: Callable[[], DomainFacts]) -> DomainKey:
        """The newest generation of `domain`, made if there is none (`facts` is asked only then).

        A key is used only after it was read back: whoever lost the race uses the winner's. Raises
        Halt("key_service") when it does not open: another generation must not be begun because of
        a wrong KEK or a damaged record, and the records wait on the log meanwhile.
        """
        self.look()
        known = self._current.get(domain)
        if known is not None:
            return known
        generations = self._generations(domain)
        if generations:
            generation = max(generations)
        else:
            generation = 0
            self._make(domain, generation, facts())
        try:
            opened = self.open(domain, generation)
        except Refused as error:
            raise Halt("key_service", f"domain key {name_of(domain, generation)}: {error}"
                       ) from error
        except Missing as error:
            # Listed or made a moment ago: a store that is behind itself, or an erasure under way.
            raise Transient(f"domain key {name_of(domain, generation)} is not there yet") from error
        self._current[domain] = opened
        return opened

    def open(self, domain: bytes, generation: int) -> DomainKey:
        """One generation. Raises Missing when its record is gone, Refused when it does not open."""
        self.look()
        known = self._open.get((domain, generation))
        if known is None:
            record = self._keyring.read(name_of(domain, generation))
            known = self._open[domain, generation] = self._unwrap(domain, generation, record)
        return known

    def all(self) -> Iterator[tuple[bytes, int, DomainKey | Refused]]:
        """Every live record, opened or with the reason why it does not open (K2: once a day)."""
        for name in self._keyring.names():
            domain_hex = name.partition("/")[0]
            generation = _generation(name)
            try:
                domain = bytes.fromhex(domain_hex)
            except ValueError:
                domain = b""
            if generation is None or name != name_of(domain, generation):
                yield b"", 0, Refused(f"a name that is no key's: {name[:80]}")
                continue
            try:
                yield domain, generation, self.open(domain, generation)
            except (Refused, Missing) as error:
                yield domain, generation, Refused(str(error))

    def now(self) -> int:
        """Our clock, UTC ms."""
        return self._clock()

    def forget(self) -> None:
        """Drop every opened key."""
        self._open.clear()
        self._current.clear()
        self._since = self._clock()
        self.age += 1

    def look(self) -> None:
        """Drop what was kept for long enough; also where the clock was set back."""
        if not 0 <= self._clock() - self._since < self._kept_ms:
            self.forget()

    def close(self, domain: bytes, generation: int, facts: DomainFacts) -> int:
        """Make sure that a generation after `generation` is there: from `kept_ms` after this
        returns nobody seals under `generation` any more (PROTOCOL K3). Returns the newest. Called
        before a key is destroyed, and so that the domain never begins at 0 again."""
        newest = max(self._generations(domain), default=-1)
        if newest <= generation:
            newest = generation + 1
            self._make(domain, newest, facts)
        self.forget()
        self.open(domain, newest)  # read back, or raise
        return newest

    def _generations(self, domain: bytes) -> list[int]:
        return [number for name in self._keyring.names(f"{domain.hex()}/")
                if (number := _generation(name)) is not None]

    def _make(self, domain: bytes, generation: int, facts: DomainFacts) -> None:
        record = _record(self._service, domain, generation, OpenedRecord(
            self._random(32), _facts_bytes(facts), self._clock(), is_bound=True))
        try:
            self._keyring.create(name_of(domain, generation), record)
        except Exists:
            return  # another archiver won; its record is read next

    def _unwrap(self, domain: bytes, generation: int, data: bytes) -> DomainKey:
        record = _opened(data, domain, generation, self._service)
        if len(record.key) != 32:
            raise Halt("key_service", "a domain key of another length")
        try:
            facts = DomainFacts(**json.loads(record.facts))
        except (ValueError, TypeError) as error:
            raise Refused("key record's facts do not parse") from error
        return DomainKey(domain, generation, facts, record.key, record.is_bound)


def rewrapped(data: bytes, name: str, reads: KeyService, writes: KeyService) -> bytes | None:
    """The record `data` of `name` with the same key, facts and date wrapped by `writes`, and bound;
    null when it is bound and `writes` opens it as it is. Raises Refused for a record that `reads`
    does not open."""
    domain, generation = read_name(name)
    there = opened(data, name, writes)
    if there is not None and there.is_bound:
        return None
    was = _opened(data, domain, generation, reads)
    made = _record(writes, domain, generation, was)
    # Before the old record goes: the new one holds the same key, for the same place.
    if opened(made, name, writes) != replace(was, is_bound=True):
        raise Halt("key_service", f"key record {name} wrapped anew is not the same key")
    return made


def opened(data: bytes, name: str, service: KeyService) -> OpenedRecord | None:
    """What the record `data` of `name` says; null when `service` does not open it there. For who
    compares two records."""
    try:
        domain, generation = read_name(name)
        return _opened(data, domain, generation, service)
    except Refused:
        return None


def _opened(data: bytes, domain: bytes, generation: int, service: KeyService) -> OpenedRecord:
    record = _read_record(data)
    if (record["domain"], record["generation"]) != (domain, generation):
        raise Refused("key record stands under another name")
    context = context_of(domain, generation)
    key = service.unwrap(record["wrapped"], context)
    try:
        facts, is_bound = service.unwrap(record["facts"], _bound_context(record)), True
    except Refused:
        # The first form. A bound record does not become one: facts that were wrapped for the one
        # context open under no other, and to wrap them again takes the KEK.
        facts, is_bound = service.unwrap(record["facts"], context + b"facts"), False
    return OpenedRecord(key, facts, record["created_at"], is_bound)


def _record(service: KeyService, domain: bytes, generation: int, says: OpenedRecord) -> bytes:
    """A key record that binds what it says. It names the KEK that wraps it: a service whose key
    changes in between (infra/rotate.py) is asked again, for both wraps."""
    while True:
        record: dict[str, Any] = {
            "domain": domain, "generation": generation, "kek": service.key_id,
            "wrapped": service.wrap(says.key, context_of(domain, generation)),
            "created_at": says.created_at}
        record["facts"] = service.wrap(says.facts, _bound_context(record))
        if record["kek"] == service.key_id:
            return _written(record)


def _bound_context(record: Mapping[str, Any]) -> bytes:
    """What the facts of a record are bound to: everything else that is in it (FORMAT 6). The hash,
    because a service may bound how long a context is."""
    return canonical("counterfoil/key-record/v2", record["domain"], record["generation"],
                     record["kek"], record["created_at"], sha256(record["wrapped"]).digest())


def _written(record: Mapping[str, Any]) -> bytes:
    out = io.BytesIO()
    out.write(_MARK)
    fastavro.schemaless_writer(out, _SCHEMA, dict(record))
    return out.getvalue()


def _read_record(data: bytes) -> dict[str, Any]:
    """The fields of a key record; whoever may write to the keyring may have written it."""
    if data[:10] != _MARK:
        raise Refused("key record has an unknown format")
    stream = io.BytesIO(data)
    stream.seek(len(_MARK))
    try:
        record: Any = fastavro.schemaless_reader(stream, _SCHEMA, None)
        spelled = _written(record)
    except (EOFError, ValueError, IndexError, TypeError, OverflowError, MemoryError,
            struct.error) as error:
        raise Refused("key record does not parse") from error
    if stream.tell() != len(data):
        raise Refused("key record has trailing bytes")
    # Avro has several spellings of a number: one of them is ours, and a date is after 1970.
    if spelled != data or record["created_at"] < 0:
        raise Refused("key record does not parse")
    return dict(record)


def _generation(name: str) -> int | None:
    number = name.rpartition("/")[2]
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else None


def name_of(domain: bytes, generation: int) -> str:
    """A key record's name in the keyring."""
    return f"{domain.hex()}/{generation}"


def read_name(name: str) -> tuple[bytes, int]:
    """The domain and generation of a key record's name. Raises Refused for what is none."""
    generation = _generation(name)
    try:
        domain = bytes.fromhex(name.partition("/")[0])
    except ValueError:
        domain = b""
    if generation is None or len(domain) != 16 or name != name_of(domain, generation):
        raise Refused("that is no name of a key record")
    return domain, generation


def context_of(domain: bytes, generation: int) -> bytes:
    """What a wrap is bound to (PROTOCOL K1)."""
    return canonical("counterfoil/domain-key/v1", domain, generation)


def reserved_facts(domain: bytes, years: int) -> DomainFacts | None:
    """What a reserved domain stands for; `years` is the longest class + 1 (PROTOCOL K4). Null for
    a role or month that does not exist."""
    role, year, month = domains.reserved_parts(domain)
    name = domains.ROLE_NAMES.get(role)
    if name is None or not 1 <= month <= 12:
        return None
    return DomainFacts("", name, f"{year:04d}-{month:02d}", "", years, name)


def _facts_bytes(facts: DomainFacts) -> bytes:
    return json.dumps(asdict(facts), sort_keys=True, separators=(",", ":")).encode()
