"""Cells <-> the bytes of a segment: one Avro container file (PROTOCOL S2; docs/FORMAT.md §4).

Owns the container: header metadata, the sealing key's signature, one block of cells. Written so
that equal content is equal bytes; reading parses strictly and hands out byte ranges, and the same
content encoded again must give the same bytes. Plain Avro tools open it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from archive.cell import COUNT_MAX, GENERATION_MAX, Cell, Place
from schemas import limits
from schemas.errors import Refused
from schemas.identity import canonical

FORMAT_VERSION: Final = "1"
AVRO_MAGIC: Final = b"Obj\x01"
CELL_SCHEMA: Final = resources.files("schemas").joinpath("cell.avsc").read_bytes().strip()
_PREFIX: Final = "counterfoil."
_CELLS_MAX: Final = 1_000_000
NO_PREVIOUS: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class Header:
    """What a segment says of itself. `first` is the expected offset, `last` the last one that it
    covers; offsets between them without a record are in `missing` (closed ranges). Times are UTC
    ms. `previous` is the SHA-256 of the segment before it (32 zero bytes at the first).
    `dictionary` is a SHA-256 or empty. `writer` is the 16-byte id of the sealing key."""

    topic: str
    topic_id: bytes
    partition: int
    first: int
    last: int
    missing: tuple[tuple[int, int], ...]
    last_record: bytes
    previous: bytes
    sealed_at: int
    retain_until: int
    trial: bool
    dictionary: bytes
    writer: bytes

    def place(self) -> Place:
        """The part of it that cells are bound to."""
        return Place(self.topic_id, self.partition, self.first, self.last)


@dataclass(frozen=True, slots=True)
class PlacedCell:
    """A cell and its byte range in the object."""

    cell: Cell
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment read back: its header, cells with their ranges, the hash of its cells' bytes (as
    signed) and of all its bytes."""

    header: Header
    cells: tuple[PlacedCell, ...]
    signature: bytes
    cells_digest: bytes
    sha256: bytes


class NewerFormat(Refused):
    """A segment of a later format version. Writer, signature and what is signed lie where every
    version keeps them (docs/FORMAT.md F46), so that it is told from junk without being read."""

    def __init__(self, version: str, writer: bytes, signature: bytes, message: bytes) -> None:
        super().__init__(f"segment_unreadable: format version {version} is not known")
        self.version = version
        self.writer = writer
        self.signature = signature
        self.message = message


def encode(header: Header, cells: Sequence[Cell], sign: Callable[[bytes], bytes]) -> bytes:
    """The object's bytes. `sign` makes an Ed25519 signature (RFC 8032) with the sealing key."""
    block = b"".join([_cell_bytes(cell) for cell in cells])
    stated = _stated(header, sha256(block).digest())
    signature = sign(signed_message(stated))
    data = _container(stated, signature, block, len(cells))
    # What a reader would refuse must never be locked.
    if len(data) > limits.SEGMENT_OBJECT_BYTES_MAX or not cells:
        raise AssertionError(f"a segment of {len(data)} bytes and {len(cells)} cells")
    return data


def decode(data: bytes) -> Segment:
    """A segment from an object's bytes, checked to be canonical; the signature is not checked.

    Raises Refused("segment_unreadable…" | "segment_not_canonical…" | "segment_oversized"), and
    NewerFormat for a version that this code does not know.
    """
    if len(data) > limits.SEGMENT_OBJECT_BYTES_MAX:
        raise Refused("segment_oversized")
    reader = _Reader(data)
    if reader.take(4) != AVRO_MAGIC:
        raise Refused("segment_unreadable: not an Avro container")
    header, signature = _read_header(reader.metadata())
    sync = reader.take(16)
    count = reader.long()
    size = reader.long()
    if not 0 < count <= _CELLS_MAX or size != len(data) - reader.at - 16:
        raise Refused("segment_unreadable: its block has another size")
    begin = reader.at
    cells = tuple([reader.cell() for _ in range(count)])
    if reader.at != begin + size or reader.take(16) != sync:
        raise Refused("segment_unreadable: its block does not end where it says")
    # Everything that was read is written again, cells included: one content, one spelling.
    block = b"".join([_cell_bytes(placed.cell) for placed in cells])
    digest = sha256(block).digest()
    if _container(_stated(header, digest), signature, block, count) != data:
        raise Refused("segment_not_canonical")
    return Segment(header, cells, signature, digest, sha256(data).digest())


def check_signature(data: Segment, public: bytes) -> None:
    """Raises Refused("segment_signature") unless the sealing key `public` signed the header."""
    if not is_signed(public, data.signature,
                     signed_message(_stated(data.header, data.cells_digest))):
        raise Refused("segment_signature")


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` is that of the sealing key `public` over `message`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def dictionary_of(front: bytes) -> bytes:
    """The dictionary's SHA-256 that a segment's first bytes (header and more) name. Raises Refused.
    """
    reader = _Reader(front)
    reader.take(4)
    header, _ = _read_header(reader.metadata())
    return header.dictionary


def decode_cell(data: bytes) -> Cell:
    """One cell from exactly its byte range. Raises Refused("cell_unreadable…" or, where it is cut,
    "segment_unreadable…")."""
    reader = _Reader(data)
    placed = reader.cell()
    if reader.at != len(data):
        raise Refused("cell_unreadable: trailing bytes")
    return placed.cell


def signed_message(stated: Sequence[tuple[str, str]]) -> bytes:
    """What the sealing key signs: every header field in order."""
    return canonical("counterfoil/segment/v1", *[part for pair in stated for part in pair])


def _stated(header: Header, cells_digest: bytes) -> list[tuple[str, str]]:
    missing = ",".join(f"{low}-{high}" for low, high in header.missing)
    return [
        ("version", FORMAT_VERSION), ("topic", header.topic), ("topic_id", header.topic_id.hex()),
        ("partition", str(header.partition)), ("first", str(header.first)),
        ("last", str(header.last)), ("missing", missing),
        ("last_record", header.last_record.hex()), ("previous", header.previous.hex()),
        ("sealed_at", str(header.sealed_at)), ("retain_until", str(header.retain_until)),
        ("trial", "1" if header.trial else "0"), ("dictionary", header.dictionary.hex()),
        ("writer", header.writer.hex()), ("cells", cells_digest.hex()),
    ]


def _read_header(metadata: dict[str, bytes]) -> tuple[Header, bytes]:
    try:
        version = metadata.get(_PREFIX + "version", b"").decode("ascii")
        if version != FORMAT_VERSION:
            raise _other_version(version, metadata)
        text = {name.removeprefix(_PREFIX): value.decode("ascii")
                for name, value in metadata.items() if name.startswith(_PREFIX)}
        ranges = tuple((int(low), int(high)) for low, _, high in
                       (one.partition("-") for one in text["missing"].split(",") if one))
        header = Header(
            topic=text["topic"], topic_id=bytes.fromhex(text["topic_id"]),
            partition=int(text["partition"]), first=int(text["first"]), last=int(text["last"]),
            missing=ranges, last_record=bytes.fromhex(text["last_record"]),
            previous=bytes.fromhex(text["previous"]), sealed_at=int(text["sealed_at"]),
            retain_until=int(text["retain_until"]), trial=text["trial"] == "1",
            dictionary=bytes.fromhex(text["dictionary"]), writer=bytes.fromhex(text["writer"]))
        return header, bytes.fromhex(text["signature"])
    except (KeyError, ValueError) as error:
        raise Refused("segment_unreadable: its header does not parse") from error


def _other_version(version: str, metadata: dict[str, bytes]) -> Refused:
    if not version.isdecimal() or version.startswith("0") or len(version) > 9:
        return Refused("segment_unreadable: it states no format version")
    text = [(name.removeprefix(_PREFIX), value.decode("ascii"))
            for name, value in metadata.items() if name.startswith(_PREFIX)]
    known = dict(text)
    message = canonical(f"counterfoil/segment/v{version}",
                        *[part for pair in text if pair[0] != "signature" for part in pair])
    return NewerFormat(version, bytes.fromhex(known["writer"]), bytes.fromhex(known["signature"]),
                       message)


def _container(stated: Sequence[tuple[str, str]], signature: bytes, block: bytes,
               count: int) -> bytes:
    # Sync is derived, not random: equal content must be equal bytes (PROTOCOL S2).
    sync = sha256(canonical("counterfoil/sync/v1", signed_message(stated))).digest()[:16]
    entries = [("avro.schema", CELL_SCHEMA), ("avro.codec", b"null")]
    entries += [(_PREFIX + name, value.encode("ascii")) for name, value in stated]
    entries.append((_PREFIX + "signature", signature.hex().encode("ascii")))
    meta = b"".join([_bytes(name.encode("ascii")) + _bytes(value) for name, value in entries])
    return b"".join((AVRO_MAGIC, _long(len(entries)), meta, _long(0), sync,
                     _long(count), _long(len(block)), block, sync))


def _cell_bytes(cell: Cell) -> bytes:
    return b"".join((
        cell.domain, _long(cell.generation), _bytes(cell.addresses), _long(cell.count), cell.salt,
        cell.nonce, _long(cell.dictionary), cell.root, cell.tags_root, _bytes(cell.ciphertext)))


def _long(value: int) -> bytes:
    """Avro's zig-zag variable-length long (Avro 1.11, "Binary Encoding")."""
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _bytes(value: bytes) -> bytes:
    return _long(len(value)) + value


class _Reader:
    """A strict cursor over Avro binary; every overrun is Refused."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, length: int) -> bytes:
        end = self.at + length
        if length < 0 or end > len(self._data):
            raise Refused("segment_unreadable: it is cut")
        out = self._data[self.at:end]
        self.at = end
        return out

    def long(self) -> int:
        """Up to 64 bits. A longer spelling than needed is found by the comparison of all bytes."""
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
            if shift > 63:
                raise Refused("segment_unreadable: a number is too long")
        if value >> 64:
            raise Refused("segment_unreadable: a number is too large")
        return (value >> 1) ^ -(value & 1)

    def octets(self) -> bytes:
        return self.take(self.long())

    def metadata(self) -> dict[str, bytes]:
        out: dict[str, bytes] = {}
        count = self.long()
        if not 0 < count <= 100:
            raise Refused("segment_unreadable: its metadata does not parse")
        for _ in range(count):
            name = self.octets().decode("ascii", "replace")
            out[name] = self.octets()
        if self.long() != 0:
            raise Refused("segment_unreadable: its metadata does not end")
        return out

    def cell(self) -> PlacedCell:
        start = self.at
        cell = Cell(
            domain=self.take(16), generation=self.long(), addresses=self.octets(),
            count=self.long(), salt=self.take(16), nonce=self.take(12), dictionary=self.long(),
            root=self.take(32), tags_root=self.take(32), ciphertext=self.octets())
        if not (0 <= cell.generation <= GENERATION_MAX and 0 < cell.count <= COUNT_MAX
                and cell.dictionary in (0, 1)):
            raise Refused("segment_unreadable: a cell states impossible numbers")
        return PlacedCell(cell, start, self.at - start)
