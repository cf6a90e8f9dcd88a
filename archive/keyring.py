"""The ports KeyService and Keyring, and the ring of domain keys between them.

Owns what a key record says and when a key may be used (PROTOCOL K1, K2). Drivers:
`infra/embedded/keys.py`, `infra/kms.py`, `infra/s3keyring.py`.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
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

    def destroy(self, name: str) -> None:
        """Remove every version of a record. Raises Missing. The two-person rule is the caller's."""


_SOURCE: Final[Any] = json.loads(
    resources.files("schemas").joinpath("keyrecord.avsc").read_text("utf-8"))
_SCHEMA: Final[Any] = fastavro.parse_schema(_SOURCE)
_MARK: Final = b"\xc3\x01" + bytes.fromhex(
    fingerprint(to_parsing_canonical_form(_SOURCE), "CRC-64-AVRO"))


@dataclass(frozen=True, slots=True)
class DomainKey:
    """An opened domain key. `key` is 32 bytes; `facts` says whose words lie under it."""

    domain: bytes
    generation: int
    facts: DomainFacts
    key: bytes = field(repr=False)


class DomainKeys:
    """The ring of domain keys as one process sees it: opened keys are kept until `forget`."""

    def __init__(self, keyring: Keyring, service: KeyService, random: Callable[[int], bytes],
                 clock: Callable[[], int]) -> None:
        self._keyring = keyring
        self._service = service
        self._random = random
        self._clock = clock
        self._open: dict[tuple[bytes, int], DomainKey] = {}
        self._current: dict[bytes, DomainKey] = {}

    def current(self, domain: bytes, facts: Callable[[], DomainFacts]) -> DomainKey:
        """The newest generation of `domain`, made if there is none (`facts` is asked only then).

        A key is used only after it was read back: whoever lost the race uses the winner's. Raises
        Halt("key_service") when it does not open: another generation must not be begun because of
        a wrong KEK or a damaged record, and the records wait on the log meanwhile.
        """
        known = self._current.get(domain)
        if known is not None:
            return known
        generations = [number for name in self._keyring.names(f"{domain.hex()}/")
                       if (number := _generation(name)) is not None]
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

    def _make(self, domain: bytes, generation: int, facts: DomainFacts) -> None:
        context = context_of(domain, generation)
        record = {
            "domain": domain, "generation": generation, "kek": self._service.key_id,
            "wrapped": self._service.wrap(self._random(32), context),
            "facts": self._service.wrap(_facts_bytes(facts), context + b"facts"),
            "created_at": self._clock(),
        }
        out = io.BytesIO()
        out.write(_MARK)
        fastavro.schemaless_writer(out, _SCHEMA, record)
        try:
            self._keyring.create(name_of(domain, generation), out.getvalue())
        except Exists:
            return  # another archiver won; its record is read next

    def _unwrap(self, domain: bytes, generation: int, data: bytes) -> DomainKey:
        record = _read_record(data)
        if record["domain"] != domain or record["generation"] != generation:
            raise Refused("key record stands under another name")
        context = context_of(domain, generation)
        key = self._service.unwrap(record["wrapped"], context)
        facts = self._service.unwrap(record["facts"], context + b"facts")
        if len(key) != 32:
            raise Halt("key_service", "a domain key of another length")
        try:
            return DomainKey(domain, generation, DomainFacts(**json.loads(facts)), key)
        except (ValueError, TypeError) as error:
            raise Refused("key record's facts do not parse") from error


def _read_record(data: bytes) -> dict[str, Any]:
    """The fields of a key record; whoever may write to the keyring may have written it."""
    if data[:10] != _MARK:
        raise Refused("key record has an unknown format")
    stream = io.BytesIO(data)
    stream.seek(len(_MARK))
    try:
        record: Any = fastavro.schemaless_reader(stream, _SCHEMA, None)
    except (EOFError, ValueError, IndexError, TypeError, OverflowError, MemoryError,
            struct.error) as error:
        raise Refused("key record does not parse") from error
    if stream.tell() != len(data):
        raise Refused("key record has trailing bytes")
    return dict(record)


def _generation(name: str) -> int | None:
    number = name.rpartition("/")[2]
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else None


def name_of(domain: bytes, generation: int) -> str:
    """A key record's name in the keyring."""
    return f"{domain.hex()}/{generation}"


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
