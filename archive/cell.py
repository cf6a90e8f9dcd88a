"""A cell: the events of one key domain in one segment, sealed and opened (PROTOCOL S4-S7).

Owns the cell's plaintext layout, its keys, commitments and roots, both directions. What lies
around it (the container) is `archive/segment.py`.
"""

from __future__ import annotations

import hmac
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from archive import merkle, varint
from archive.unseal import Session
from schemas import limits
from schemas.errors import Refused
from schemas.identity import canonical

VERSION: Final = 1
SALT_BYTES: Final = 32
# Avro's int, so that plain tools read the fields too.
GENERATION_MAX: Final = 2**31 - 1
COUNT_MAX: Final = 2**31 - 1
INDEX_MAX: Final = 2**32 - 1
# How hard to try. Readers do not care: every level gives the same kind of frame (RFC 8878).
LEVEL_QUICK: Final = 2
_COMMIT_LABEL: Final = b"counterfoil/commit/v1"
# What stands before a datum in its commitment: label, salt, topic id, partition, offset, index.
_FRONT: Final = struct.Struct(f">{len(_COMMIT_LABEL)}s{SALT_BYTES}s16sIQI")
_SALTS: Final = struct.Struct(f"{SALT_BYTES}s")
_SESSION: Final = struct.Struct(">16s16sQ")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cell's segment stands; bound into keys and associated data."""

    topic_id: bytes
    partition: int
    first: int
    last: int


class CellEvent(NamedTuple):
    """One datum with its log address and who delivered it. (A tuple: one is made per event.)"""

    offset: int
    index: int  # type: ignore[assignment]  # it hides tuple.index, which nobody asks for
    tag: bytes
    session: Session
    counter: int
    datum: bytes


@dataclass(frozen=True, slots=True)
class Cell:
    """A sealed cell, field by field as in `schemas/cell.avsc`. `dictionary` 1 = the segment's."""

    domain: bytes
    generation: int
    addresses: bytes
    count: int
    salt: bytes
    nonce: bytes
    dictionary: int
    root: bytes
    tags_root: bytes
    ciphertext: bytes


class Dictionary:
    """A zstd dictionary named by its SHA-256, with its compressor and decompressor; or none. Used
    by any number of threads at once."""

    def __init__(self, content: bytes | None) -> None:
        self.content = content or b""
        self.digest = sha256(content).digest() if content else b""
        # One context a thread: zstandard lets go of the interpreter's lock while it works in one,
        # and two threads in the same context read each other's bytes or end the process.
        self._contexts = _Contexts(self.content)

    def compress(self, plain: bytes, level: int = LEVEL_QUICK) -> bytes:
        """One zstd frame (RFC 8878). `level` is zstd's, 1 to 22."""
        return self._contexts.compressor(level).compress(plain)

    def decompress(self, packed: bytes) -> bytes:
        """Raises Refused for a broken frame, trailing bytes, or more than a cell may hold."""
        try:
            size = zstandard.frame_content_size(packed)
            if not 0 <= size <= limits.CELL_PLAIN_BYTES_MAX:
                raise Refused("cell_oversized")
            plain = self._contexts.decompressor.decompress(packed, max_output_size=size,
                                                           allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise Refused("cell does not decompress") from error
        return plain


class _Contexts(threading.local):
    """What zstandard works with. Each thread that looks has its own, made at its first look."""

    def __init__(self, content: bytes) -> None:
        self._loaded = zstandard.ZstdCompressionDict(content) if content else None
        self._compressors: dict[int, zstandard.ZstdCompressor] = {}
        self.decompressor = (zstandard.ZstdDecompressor(dict_data=self._loaded) if self._loaded
                             else zstandard.ZstdDecompressor())

    def compressor(self, level: int) -> zstandard.ZstdCompressor:
        """This thread's, of one level."""
        known = self._compressors.get(level)
        if known is None:
            known = self._compressors[level] = self._made(level)
        return known

    def _made(self, level: int) -> zstandard.ZstdCompressor:
        # The content size is in the frame, so that a reader knows before it unpacks; no checksum
        # (the AEAD has one) and no dictionary id (the header names it by its whole hash).
        parameters = zstandard.ZstdCompressionParameters.from_level(
            level, write_content_size=1, write_checksum=0, write_dict_id=0)
        if self._loaded is None:
            return zstandard.ZstdCompressor(compression_params=parameters)
        return zstandard.ZstdCompressor(compression_params=parameters, dict_data=self._loaded)


def seal(place: Place, domain: bytes, generation: int, domain_key: bytes,
         events: Sequence[CellEvent], dictionary: Dictionary,
         random: Callable[[int], bytes], level: int = LEVEL_QUICK) -> Cell:
    """A cell of `events` (address order), compressed at zstd's `level`. The nonce is random, never
    derived: the same address can be sealed twice by a zombie with other neighbours."""
    salt, nonce = random(16), random(12)
    keys = _keys(domain_key, salt, place, domain, generation)
    plain, tags = _layout(events)
    stated = (domain, generation, _addresses(place.first, events), len(events), salt, nonce,
              1 if dictionary.digest else 0, merkle.root(_commitments(keys.salt, place, events)),
              _tags_root(keys.tag, tags))
    associated = _associated(Cell(*stated, ciphertext=b""), place, dictionary.digest)
    return Cell(*stated, ciphertext=AESGCM(keys.enc).encrypt(
        nonce, dictionary.compress(plain, level), associated))


def open_cell(cell: Cell, place: Place, domain_key: bytes,
              dictionary: Dictionary) -> tuple[CellEvent, ...]:
    """The events of a cell. Recomputes count, root and tags_root: GCM does not commit to its key,
    the roots do. Raises Refused("cell_unreadable: …" | "cell_root: …" | "cell_oversized")."""
    keys = _keys(domain_key, cell.salt, place, cell.domain, cell.generation)
    try:
        packed = AESGCM(keys.enc).decrypt(cell.nonce, cell.ciphertext,
                                          _associated(cell, place, dictionary.digest))
    except InvalidTag as error:
        raise Refused("cell_unreadable: does not authenticate under its domain key") from error
    events, tags = _read_layout(dictionary.decompress(packed), cell, place)
    if len(events) != cell.count:
        raise Refused("cell_root: another number of events than stated")
    if merkle.root(_commitments(keys.salt, place, events)) != cell.root:
        raise Refused("cell_root: events do not give the stated root")
    if _tags_root(keys.tag, tags) != cell.tags_root:
        raise Refused("cell_root: tags do not give the stated root")
    return events


class CellProof:
    """What proves the events of an opened cell, each by itself (PROTOCOL S6, S7): salts, the tree
    of commitments, the tree of tags. Hands out no key that opens anything."""

    def __init__(self, cell: Cell, place: Place, domain_key: bytes,
                 events: Sequence[CellEvent]) -> None:
        keys = _keys(domain_key, cell.salt, place, cell.domain, cell.generation)
        self.tag_key: Final = keys.tag
        stream = _salts(keys.salt, len(events))
        self.salts: Final = tuple(stream[at:at + SALT_BYTES]
                                  for at in range(0, len(stream), SALT_BYTES))
        self._events = merkle.Tree(_commitments(keys.salt, place, events))
        tags: dict[bytes, int] = {}
        for event in events:
            tags[event.tag] = tags.get(event.tag, 0) + 1
        self.tags: Final = tuple(_blinded(keys.tag, tags))
        """Each: the blinded tag (32 bytes) ‖ u32 number of events, sorted."""
        self._tags = merkle.Tree(self.tags)

    def path(self, position: int) -> tuple[bytes, ...]:
        """From an event's commitment to the cell's root."""
        return self._events.path(position)

    def tag_path(self, at: int) -> tuple[bytes, ...]:
        """From entry `at` of `tags` to the cell's tags root."""
        return self._tags.path(at)

    def blinded(self, tag: bytes) -> bytes:
        """What a conversation tag is called in this cell."""
        return hmac.digest(self.tag_key, tag, "sha256")


@dataclass(frozen=True, slots=True)
class _Keys:
    enc: bytes
    salt: bytes
    tag: bytes


def _keys(domain_key: bytes, salt: bytes, place: Place, domain: bytes, generation: int) -> _Keys:
    # HKDF-SHA256 (RFC 5869) written as its HMACs: one extract, three one-block expands. Four calls
    # into C per cell, where three HKDF objects cost ten times that.
    context = canonical(place.topic_id, place.partition, place.first, place.last, domain,
                        generation)
    extracted = hmac.digest(salt, domain_key, "sha256")
    enc, salt_key, tag = (
        hmac.digest(extracted, b"counterfoil/v1/" + label + context + b"\x01", "sha256")
        for label in (b"cell-enc", b"cell-salt", b"cell-tag"))
    return _Keys(enc, salt_key, tag)


def _associated(cell: Cell, place: Place, dictionary_digest: bytes) -> bytes:
    return canonical(VERSION, place.topic_id, place.partition, place.first, place.last,
                     cell.domain, cell.generation, cell.addresses, cell.count, cell.salt,
                     cell.nonce, dictionary_digest if cell.dictionary else b"", cell.root,
                     cell.tags_root)


def _salts(salt_key: bytes, count: int) -> bytes:
    # One keystream gives every salt: salt i = bytes [32 i, 32 i + 32).
    return Cipher(algorithms.AES256(salt_key), modes.CTR(bytes(16))).encryptor().update(
        bytes(SALT_BYTES * count))


def _commitments(salt_key: bytes, place: Place, events: Sequence[CellEvent]) -> list[bytes]:
    stream = _salts(salt_key, len(events))
    topic_id, partition = place.topic_id, place.partition
    front, sha, join = _FRONT.pack, sha256, b"".join
    return [sha(join((front(_COMMIT_LABEL, salt, topic_id, partition, offset, index),
                      datum))).digest()
            for (salt,), (offset, index, _, _, _, datum)
            in zip(_SALTS.iter_unpack(stream), events, strict=True)]


def _tags_root(tag_key: bytes, tags: dict[bytes, int]) -> bytes:
    return merkle.root(_blinded(tag_key, tags))


def _blinded(tag_key: bytes, tags: dict[bytes, int]) -> list[bytes]:
    blinded = sorted((hmac.digest(tag_key, tag, "sha256"), count) for tag, count in tags.items())
    return [tag + struct.pack(">I", count) for tag, count in blinded]


def _addresses(first: int, events: Sequence[CellEvent]) -> bytes:
    number, short, end = varint.encode, varint.SHORT, len(varint.SHORT)
    previous = first
    out: list[bytes] = []
    for event in events:
        offset, index = event[0], event[1]
        delta = offset - previous
        out += (short[delta] if 0 <= delta < end else number(delta),
                short[index] if index < end else number(index))
        previous = offset
    return b"".join(out)


def read_addresses(data: bytes, place: Place) -> list[tuple[int, int]]:
    """(offset, index) of each event of a cell, ascending and inside its segment. Needs no key.

    Raises Refused for anything else.
    """
    numbers, at = [], 0
    while at < len(data):
        value, at = varint.decode(data, at)
        numbers.append(value)
    if len(numbers) % 2:
        raise Refused("cell_unreadable: addresses are cut")
    out, offset, before = [], place.first, -1
    for delta, index in zip(numbers[::2], numbers[1::2], strict=True):
        offset += delta
        if offset > place.last or index > INDEX_MAX or (not delta and index <= before):
            raise Refused("cell_unreadable: addresses outside the segment, or not ascending")
        before = index
        out.append((offset, index))
    return out


def _layout(events: Sequence[CellEvent]) -> tuple[bytes, dict[bytes, int]]:
    number, short, end, join = varint.encode, varint.SHORT, len(varint.SHORT), b"".join
    tags: dict[bytes, int] = {}
    tag_names: dict[bytes, bytes] = {}
    session_names: dict[Session, bytes] = {}
    body: list[bytes] = []
    spoken: Session | None = None
    session_name = b""
    for _, _, tag, session, counter, datum in events:
        if tag in tags:
            tags[tag] += 1
        else:
            tag_names[tag] = number(len(tags))
            tags[tag] = 1
        if session is not spoken:
            # The unsealer gives one object per session: to hash it for each event cost a tenth.
            spoken = session
            session_name = session_names.setdefault(session, number(len(session_names)))
        length = len(datum)
        body += (tag_names[tag], session_name, number(counter),
                 short[length] if length < end else number(length), datum)
    front = [number(len(tags)), *tags, number(len(session_names))]
    front += [_SESSION.pack(*session) for session in session_names]
    return join(front + body), tags


def _read_layout(plain: bytes, cell: Cell,
                 place: Place) -> tuple[tuple[CellEvent, ...], dict[bytes, int]]:
    addresses = read_addresses(cell.addresses, place)
    count, at = varint.decode(plain, 0)
    tag_list, at = _table(plain, at, count, 16)
    count, at = varint.decode(plain, at)
    rows, at = _table(plain, at, count, _SESSION.size)
    sessions = [Session(*_SESSION.unpack(row)) for row in rows]
    out: list[CellEvent] = []
    tags: dict[bytes, int] = {}
    for offset, index in addresses:
        tag_at, at = varint.decode(plain, at)
        session_at, at = varint.decode(plain, at)
        counter, at = varint.decode(plain, at)
        length, at = varint.decode(plain, at)
        if tag_at >= len(tag_list) or session_at >= len(sessions) or at + length > len(plain):
            raise Refused("cell_unreadable: content points outside itself")
        tag = tag_list[tag_at]
        tags[tag] = tags.get(tag, 0) + 1
        out.append(CellEvent(offset, index, tag, sessions[session_at], counter,
                             plain[at:at + length]))
        at += length
    if at != len(plain):
        raise Refused("cell_unreadable: trailing bytes")
    return tuple(out), tags


def _table(plain: bytes, at: int, count: int, width: int) -> tuple[list[bytes], int]:
    end = at + count * width
    if end > len(plain):
        raise Refused("cell_unreadable: a table is cut")
    return [plain[i:i + width] for i in range(at, end, width)], end
