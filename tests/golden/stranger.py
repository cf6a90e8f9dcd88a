"""A reader of the archive written from docs/FORMAT.md alone: it imports nothing of ours.

Owns the proof that the page is enough. Given the objects, the key records, the KEK and the sealing
public keys it gives every archived datum, decoded; `test_stranger.py` compares with what our own
reader gives. Short on purpose: it checks what a reader MUST check and stops at the first thing
that is wrong.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NAME = re.compile(r"segments/([^/]+)/([0-9a-f]{32})/(\d+)/(\d{20})(?:\.(\d+))?\.avro")
HEADER = ("version", "topic", "topic_id", "partition", "first", "last", "missing", "last_record",
          "previous", "sealed_at", "retain_until", "trial", "dictionary", "writer", "cells")
KINDS = ("message", "edit", "retraction", "restoration", "reaction", "receipt", "membership",
         "identity", "call", "gap", "heartbeat", "unknown", "quarantine", "delivery", "directory",
         "assignment", "audit", "review", "hold", "notice", "consent", "device", "policy",
         "export", "derived", "disposition")


def canonical(*parts: bytes | str | int) -> bytes:
    """F1."""
    out = b""
    for part in parts:
        body = (part.encode() if isinstance(part, str)
                else part.to_bytes(8, "big") if isinstance(part, int) else part)
        out += len(body).to_bytes(4, "big") + body
    return out


def sha256(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def mac(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA256."""
    return hmac.digest(key, data, "sha256")


def long(value: int) -> bytes:
    """Avro's long."""
    value = (value << 1) ^ (value >> 63)
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def varint(data: bytes, at: int) -> tuple[int, int]:
    """F5."""
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def open_media(name: str, body: bytes, key: bytes, size: int, digest: bytes) -> bytes:
    """F84 to F90: a file from its object and what its fact says."""
    assert re.fullmatch("media/[0-9a-f]{32}", name) and body[:4] == b"CFM\x01"
    domain, rest, out = body[4:20], body[20:], b""
    count = max(1, -(-size // 2**20))
    assert len(rest) == size + 16 * count
    for index in range(count):
        sealed = rest[index * (2**20 + 16):(index + 1) * (2**20 + 16)]
        bound = canonical("counterfoil/media/v1", name, domain, index, int(index == count - 1))
        out += AESGCM(key).decrypt(index.to_bytes(12, "big"), sealed, bound)
    assert (len(out), sha256(out)) == (size, digest)
    return out


def open_words(body: bytes, name: bytes, domain: bytes, generation: int, level: int,
               domain_key: bytes) -> list[str]:
    """F93 to F96: the words of a chunk of the vocabulary."""
    extracted = mac(bytes(32), domain_key)
    enc, digesting = (
        mac(extracted, b"counterfoil/v1/" + label + canonical(domain, generation) + b"\x01")
        for label in (b"words-enc", b"words-mac"))
    assert body[0] == 1
    plain = AESGCM(enc).decrypt(
        body[1:13], body[13:], canonical(1, domain, generation, level, name))
    assert name + body[1:13] == mac(
        digesting, canonical(1, domain, generation, level, plain))[:28]
    return plain.rstrip(b"\n").decode().split("\n")


def root(entries: list[bytes]) -> bytes:
    """RFC 6962 §2.1."""
    if len(entries) < 2:
        return sha256(b"\x00" + entries[0]) if entries else sha256(b"")
    split = 1 << (len(entries) - 1).bit_length() - 1
    return sha256(b"\x01" + root(entries[:split]) + root(entries[split:]))


class Stranger:
    """`objects` by key, `records` of the keyring by name, `schemas` by file name."""

    def __init__(self, objects: dict[str, bytes], records: dict[str, bytes], kek: bytes,
                 sealing: dict[str, bytes], schemas: Path) -> None:
        self._objects = objects
        self._records = records
        self._kek = AESGCM(kek)
        self._sealing = sealing
        self._schemas = {}
        self._cell_schema = (schemas / "cell.avsc").read_bytes().strip()
        for path in schemas.glob("*.avsc"):
            source = json.loads(path.read_text("utf-8"))
            mark = fastavro.schema.fingerprint(
                fastavro.schema.to_parsing_canonical_form(source), "CRC-64-AVRO")
            self._schemas[b"\xc3\x01" + bytes.fromhex(mark)] = fastavro.parse_schema(source)

    def read(self) -> Iterator[dict[str, Any]]:
        """Every datum in the order of topic, partition and address."""
        places: dict[tuple[str, str, str], dict[int, dict[int, bytes]]] = {}
        for key, body in self._objects.items():
            match = NAME.fullmatch(key)
            if match:
                topic, topic_id, partition, expected, attempt = match.groups()
                places.setdefault((topic, topic_id, partition), {}).setdefault(
                    int(expected), {})[int(attempt or 0)] = body
        for (topic, topic_id, partition), by_offset in sorted(places.items()):
            expected, previous = 0, bytes(32)
            while expected in by_offset:
                found = [one for _, one in sorted(by_offset[expected].items())
                         if one.startswith(b"Obj\x01")]
                key = f"segments/{topic}/{topic_id}/{partition}/{expected:020d}"
                header, rows = self._segment(found[0])
                assert (topic, topic_id, partition, str(expected), previous.hex()) == tuple(
                    header[name] for name in ("topic", "topic_id", "partition", "first",
                                              "previous")), key
                yield from sorted(rows, key=lambda row: (row["offset"], row["index"]))
                expected, previous = int(header["last"]) + 1, sha256(found[0])

    def _segment(self, body: bytes) -> tuple[dict[str, str], list[dict[str, Any]]]:
        reader = fastavro.reader(io.BytesIO(body))
        stored: Any = list(reader)
        header = {name: reader.metadata[f"counterfoil.{name}"] for name in HEADER}
        signature = bytes.fromhex(reader.metadata["counterfoil.signature"])
        block = b"".join(self._cell_bytes(cell) for cell in stored)
        assert header["cells"] == sha256(block).hex()
        message = canonical("counterfoil/segment/v1",
                            *[part for name in HEADER for part in (name, header[name])])
        Ed25519PublicKey.from_public_bytes(self._sealing[header["writer"]]).verify(
            signature, message)
        entries = [("avro.schema", self._cell_schema), ("avro.codec", b"null"),
                   *((f"counterfoil.{name}", header[name].encode()) for name in HEADER),
                   ("counterfoil.signature", signature.hex().encode())]
        sync = sha256(canonical("counterfoil/sync/v1", message))[:16]
        whole = b"Obj\x01" + long(len(entries)) + b"".join(
            long(len(name)) + name.encode() + long(len(value)) + value
            for name, value in entries) + b"\x00" + sync + long(len(stored)) + long(
            len(block)) + block + sync
        assert whole == body
        return header, [row for cell in stored for row in self._open(cell, header)]

    def _cell_bytes(self, cell: dict[str, Any]) -> bytes:
        return b"".join((
            cell["domain"], long(cell["generation"]), long(len(cell["addresses"])),
            cell["addresses"], long(cell["count"]), cell["salt"], cell["nonce"],
            long(cell["dictionary"]), cell["root"], cell["tags_root"],
            long(len(cell["ciphertext"])), cell["ciphertext"]))

    def domain_key(self, domain: bytes, generation: int) -> bytes:
        """From the keyring and the KEK."""
        return self._unwrapped(self._record(domain, generation)["wrapped"],
                               canonical("counterfoil/domain-key/v1", domain, generation))

    def domain_facts(self, domain: bytes, generation: int) -> tuple[dict[str, Any], bool]:
        """F141, F142: what a domain stands for, and whether its record's date is bound."""
        read = self._record(domain, generation)
        try:
            facts = self._unwrapped(read["facts"], canonical(
                "counterfoil/key-record/v2", domain, generation, read["kek"], read["created_at"],
                sha256(read["wrapped"])))
        except InvalidTag:
            first = canonical("counterfoil/domain-key/v1", domain, generation) + b"facts"
            return json.loads(self._unwrapped(read["facts"], first)), False
        return json.loads(facts), True

    def _record(self, domain: bytes, generation: int) -> Any:
        record = self._records[f"{domain.hex()}/{generation}"]
        read: Any = fastavro.schemaless_reader(io.BytesIO(record[10:]),
                                               self._schemas[record[:10]], None)
        assert (domain, generation) == (read["domain"], read["generation"])
        return read

    def _unwrapped(self, wrapped: bytes, context: bytes) -> bytes:
        assert wrapped[:1] == b"\x01"
        return self._kek.decrypt(wrapped[1:13], wrapped[13:], b"\x01" + context)

    def _open(self, cell: dict[str, Any], header: dict[str, str]) -> Iterator[dict[str, Any]]:
        topic_id = bytes.fromhex(header["topic_id"])
        partition, first, last = (int(header[name]) for name in ("partition", "first", "last"))
        place = (topic_id, partition, first, last)
        name = (*place, cell["domain"], cell["generation"])
        extracted = mac(cell["salt"], self.domain_key(cell["domain"], cell["generation"]))
        enc, salting, tagging = (
            mac(extracted, b"counterfoil/v1/" + label + canonical(*name) + b"\x01")
            for label in (b"cell-enc", b"cell-salt", b"cell-tag"))
        dictionary = bytes.fromhex(header["dictionary"]) if cell["dictionary"] else b""
        packed = AESGCM(enc).decrypt(cell["nonce"], cell["ciphertext"], canonical(
            1, *name, cell["addresses"], cell["count"], cell["salt"], cell["nonce"], dictionary,
            cell["root"], cell["tags_root"]))
        events, tags = self._plain(self._unpacked(packed, dictionary), cell, first)
        assert cell["count"] == len(events)
        salts = Cipher(algorithms.AES256(salting), modes.CTR(bytes(16))).encryptor().update(
            bytes(32 * len(events)))
        assert cell["root"] == root([sha256(
            b"counterfoil/commit/v1" + salts[32 * number:32 * number + 32] + topic_id
            + struct.pack(">IQI", partition, one["offset"], one["index"]) + one["datum"])
            for number, one in enumerate(events)])
        assert cell["tags_root"] == root(
            [tag + struct.pack(">I", count) for tag, count in sorted(
                (mac(tagging, tag), count) for tag, count in tags.items())])
        for one in events:
            yield one | {"partition": partition, "domain": cell["domain"].hex(),
                         "generation": cell["generation"], "decoded": self._decoded(one["datum"])}

    def _unpacked(self, packed: bytes, dictionary: bytes) -> bytes:
        if not dictionary:
            return zstandard.ZstdDecompressor().decompress(packed)
        content = self._objects[f"dictionaries/{dictionary.hex()}.zdict"]
        assert dictionary == sha256(content)
        return zstandard.ZstdDecompressor(
            dict_data=zstandard.ZstdCompressionDict(content)).decompress(packed)

    def _plain(self, plain: bytes, cell: dict[str, Any],
               first: int) -> tuple[list[dict[str, Any]], dict[bytes, int]]:
        addresses, at, offset = [], 0, first
        while at < len(cell["addresses"]):
            delta, at = varint(cell["addresses"], at)
            index, at = varint(cell["addresses"], at)
            offset += delta
            addresses.append((offset, index))
        count, at = varint(plain, 0)
        tag_table = [plain[at + 16 * one:at + 16 * one + 16] for one in range(count)]
        count, at = varint(plain, at + 16 * count)
        sessions = [struct.unpack(">16s16sQ", plain[at + 40 * one:at + 40 * one + 40])
                    for one in range(count)]
        at += 40 * count
        events: list[dict[str, Any]] = []
        tags: dict[bytes, int] = {}
        for offset, index in addresses:
            tag, at = varint(plain, at)
            session, at = varint(plain, at)
            counter, at = varint(plain, at)
            length, at = varint(plain, at)
            capture_id, session_id, kinds = sessions[session]
            tags[tag_table[tag]] = tags.get(tag_table[tag], 0) + 1
            events.append({
                "offset": offset, "index": index, "datum": plain[at:at + length],
                "counter": counter, "capture_id": capture_id.hex(),
                "session_id": session_id.hex(),
                "kinds": sorted(kind for bit, kind in enumerate(KINDS) if kinds >> bit & 1)})
            at += length
        assert at == len(plain)
        return events, tags

    def _decoded(self, datum: bytes) -> Any:
        stream = io.BytesIO(datum[10:])
        read = fastavro.schemaless_reader(stream, self._schemas[datum[:10]], None)
        assert stream.tell() == len(datum) - 10
        return read
