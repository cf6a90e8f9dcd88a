#!/usr/bin/env python3
r"""Checks an export package of Counterfoil, offline: whole, sealed, and true to the archive.

    python3 -I verify.py                   the package that this file lies in
    python3 -I verify.py FOLDER            another one
    python3 -I verify.py FOLDER --log-key "archive.example/log+1a2b3c4d+AQ..." \
                                --package-key "exports.example+5e6f7a8b+AQ..."

Give both keys as the archive's owner, a witness or a court told you them: a package brings its own,
and alone they prove only that it is whole. The log's key shows that each record was archived; the
package's key shows who chose them and wrote the rest. This file needs Python 3.9 or later and its
standard library (-I: and nothing that lies beside it). It opens no network connection and writes no
file. Time stamps are checked by openssl where that is installed. If you doubt the copy in a
package, take this file from elsewhere.

Ends with 0: nothing is wrong; 1: something was changed, added, removed, reordered or swapped, and
each such thing is named; 2: this is no package, or it cannot be read. The format of packages is
docs/FORMAT.md, sections 3, 5, 14 and 17, which is all that one needs to write another of these.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import contextlib
import hashlib
import hmac
import itertools
import json
import os
import re
import shlex
import stat
import struct
import subprocess
import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any, BinaryIO

UTC = timezone.utc  # noqa: UP017 - datetime.UTC is Python 3.11's

# -- Bounds: a hostile package may not hang this program or eat the machine's memory. -------------

FILES_MAX = 5_000_000
DEPTH_MAX = 32
PROBLEMS_SHOWN = 1_000
SMALL_BYTES_MAX = 4 << 20            # a JSON document, a checkpoint, a schema
CERTIFICATE_BYTES_MAX = 16 << 20     # without its list of files
CERTIFICATE_PIECES_MAX = 20_000_000
EVENT_LINE_MAX = 128 << 20           # an event of 64 parts, in base64 and as text
CELL_LINE_MAX = 512 << 10
PROOF_LINE_MAX = 64 << 10
TAGS_LINE_MAX = 64 << 20
RAW_BYTES_MAX = 128 << 20
PIECES_MAX = 2_000_000               # values in one line of JSON, or in one datum
PATH_MAX = 63                        # hashes in a path
LEAVES_MAX = 1 << 33
POSITIONS_MAX = 1 << 31
PAIRS_MAX = 250_000                  # of conversations and tags that are tried with each other
LEFT_OUT_MAX = 1_000_000             # numbers of documents that are named one by one as missing
JOINED_BYTES_MAX = 1 << 30           # what is tried to put one event of parts together,
TRIED_BYTES = 1 << 22                # where each try counts as so many at least,
FAILED_BYTES_MAX = 1 << 34           # and what is tried in vain over the whole package
BODIES_MAX = 128                     # parts that are held while one event is put together
CERTIFICATE_FILE_BYTES = 1 << 10     # what a certificate says of a file
OPENSSL_SECONDS_MAX = 60

# -- Labels and names of the format ---------------------------------------------------------------

DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
MANIFEST, TAG_MANIFEST, SEAL = "manifest-sha256.txt", "tagmanifest-sha256.txt", "seal.note"
SEAL_LABEL = "counterfoil export package v1"
COMMIT_LABEL = b"counterfoil/commit/v1"
EVENTS, RAW, FILES = "data/native/events.jsonl", "data/native/raw/", "data/native/attachments/"
PROOF = "data/proof/"
TRUST, CHECKPOINT = PROOF + "trust.json", PROOF + "checkpoint"
PROOFS, CELLS = PROOF + "events.jsonl", PROOF + "cells.jsonl"
WITHHELD, COMPLETE, TAGS = PROOF + "withheld.jsonl", PROOF + "complete.json", PROOF + "tags.jsonl"
LOG, STAMPS, SCHEMAS = PROOF + "log/", PROOF + "timestamps/", PROOF + "schemas/"
CERTIFICATE = "certificate.json"
COMMAND = "python3 -I verify.py"
TAG_FILES = frozenset((
    "bagit.txt", "bag-info.txt", MANIFEST, TAG_MANIFEST, SEAL, "START-HERE.txt", "verify.py",
    "verify.html", CERTIFICATE, "certificate.pdf", "custody.jsonl"))
PAYLOAD = re.compile(
    r"data/(?:native/.+|proof/.+|rsmf/[^/]+\.rsmf|transcript/[^/]+\.(?:html|pdf)|eml/[^/]+\.eml"
    r"|loadfile/export\.(?:dat|opt)|loadfile/text/[^/]+\.txt|csv/messages\.csv"
    r"|withheld\.csv|gaps\.csv)", re.DOTALL)
CAPTURED, PART, REFUSED = "48fccfefccbc5698", "6fb7d9aa1515f359", "37cdfe50c9cd85d7"
# The released schemas by the SHA-256 of their bytes. A fingerprint of 64 bits is a checksum: who
# wants to can make another schema with the same one, and have true bytes say something else.
RELEASED = {
    CAPTURED: "b55f8ab8e0f95589594d3588842f26018e742a7e01de92907f2f9318019578c6",
    PART: "70e403b0ce099fba4bd72fe855b10fc655ac76c23d7f3435a222c7882aab0d08",
    REFUSED: "3d68ad95d6e31a82f252b73b3c3b1cbe2cbfdaeb7c5c55b5cfe5ae9227a13811",
}
REASONS = ("privileged", "outside_period", "not_chosen", "unreadable", "erased")
CANNOT = (
    "That the archive received everything that the providers sent. What is proved is that these "
    "records existed, in this order, when the log's head was signed, and that the archive has not "
    "changed them since.",
    "When a message was captured: captured_at is the archive's own word. Independent of it are the "
    "times that witnesses and time stamp authorities put to the log's head.",
    "A provider's signature (HMAC) inside a record, against the archive's owner: it is made with a "
    "secret that both of them know.",
    "The other formats (RSMF, HTML, PDF, EML, load file, CSV): they are renderings. Their hashes "
    "and the seal show that they are as they were made. In doubt read the record of the same "
    "document id in data/native/events.jsonl.",
    "How records were arranged: numbers of documents and conversations, and whose they are "
    "(custodian) where that was decided after the capture, are the exporter's word under its seal. "
    "So is why something stays behind.",
    "Who asked for the export, who approved it and what was asked: custody.jsonl, certificate.pdf, "
    "and in certificate.json all but keys, counts, files and what else is compared here, are the "
    "exporter's word under its seal.",
)


class Wrong(Exception):
    """Something in the package is not as it has to be. Its text says what; `item` names the thing
    where the one who found it knows better than who asked."""

    def __init__(self, what: str, item: str = "") -> None:
        super().__init__(what)
        self.item = item


SENSELESS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


class Unusable(Exception):
    """This is no package, or it was asked for something that makes no sense."""


def safe(text: Any, limit: int = 160) -> str:
    """For the screen: control and direction characters of a hostile name do nothing there."""
    plain = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in str(text))
    return plain if len(plain) <= limit else plain[:limit] + "..."


def require(holds: bool, what: str) -> None:
    """Raises Wrong unless it holds."""
    if not holds:
        raise Wrong(what)


@dataclass
class Report:
    """What was found, step by step. `say` is called with each line as soon as it is known."""

    say: Callable[[str], None]
    steps: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    count: int = 0

    def step(self, title: str, run: Callable[[], str]) -> None:
        """One step: `run` gives the sentence to say where nothing in it was wrong."""
        before, known, noted = self.count, len(self.problems), len(self.notes)
        number, said = len(self.steps) + 1, ""
        self.steps.append({"number": number, "title": title, "ok": False, "said": ""})
        with self.about(title):
            said = run()
        fresh = self.count - before
        if fresh:
            said = f"{fresh} thing{'s are' if fresh > 1 else ' is'} wrong."
        self.steps[-1].update(ok=not fresh, said=said)
        self.say(f"{number}. {title}: {said}")
        for one in self.problems[known:]:
            self.say(f"   WRONG  {one['item']}: {one['what']}")
        for note in self.notes[noted:]:
            self.say(f"   Note: {note}")

    def about(self, item: str) -> About:
        """Whatever is wrong inside is wrong with `item`, and is as far as its block goes."""
        return About(self, item)

    def wrong(self, item: str, what: str) -> None:
        """One thing that is not as it has to be. The first thousand are kept, all are counted."""
        self.count += 1
        if len(self.problems) < PROBLEMS_SHOWN:
            self.problems.append({"step": str(len(self.steps)), "item": safe(item),
                                  "what": safe(what, 600)})

    def note(self, text: str) -> None:
        """Something to know that is not wrong."""
        if len(self.notes) < PROBLEMS_SHOWN:
            self.notes.append(safe(text, 2000))


@dataclass
class About:
    """A block of checks of one item: the first thing that is wrong ends it, and is reported."""

    report: Report
    item: str

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        """Takes what is wrong. What nobody foresaw is wrong, too: the package made it happen, and
        the checks that come after are made all the same."""
        if isinstance(error, Wrong):
            self.report.wrong(error.item or self.item, str(error))
        elif isinstance(error, SENSELESS):
            self.report.wrong(self.item, f"makes no sense here ({type(error).__name__})")
        return isinstance(error, (Wrong, *SENSELESS))


# -- Ed25519 (RFC 8032), checking only. Strict: one spelling of keys and signatures. --------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]
ZERO: Point = (0, 1, 1, 0)


def _add(one: Point, two: Point) -> Point:
    a = (one[1] - one[0]) * (two[1] - two[0]) % P
    b = (one[1] + one[0]) * (two[1] + two[0]) % P
    c, d = 2 * one[3] * two[3] * D % P, 2 * one[2] * two[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _point(body: bytes) -> Point | None:
    """The point that 32 bytes spell, or None where they spell none, or not in the one way."""
    y = int.from_bytes(body, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE_Y = 4 * pow(5, -1, P) % P
BASE: Point = _point(BASE_Y.to_bytes(32, "little")) or ZERO


def is_ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` (64 bytes) is that of the key `public` (32 bytes) over `message`."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, scalar = _point(public), int.from_bytes(signature[32:], "little")
    if key is None or scalar >= L:
        return False
    eight = key
    for _ in range(3):
        eight = _add(eight, eight)
    if eight[0] % P == 0 and (eight[1] - eight[2]) % P == 0:
        return False                      # of small order: such a key signs everything
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    times = int.from_bytes(digest, "little") % L
    minus = (P - key[0], key[1], key[2], P - key[3])
    both = _add(BASE, minus)
    out = ZERO
    for bit in range(max(scalar.bit_length(), times.bit_length()) - 1, -1, -1):
        out = _add(out, out)
        chosen = (scalar >> bit & 1) + 2 * (times >> bit & 1)
        if chosen:
            out = _add(out, (BASE, minus, both)[chosen - 1])
    inverse = pow(out[2], -1, P)
    x, y = out[0] * inverse % P, out[1] * inverse % P
    return hmac.compare_digest((y | (x & 1) << 255).to_bytes(32, "little"), signature[:32])


# -- Signed notes, keys and checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature) -----

LOG_KEY, WITNESS_KEY = 0x01, 0x04


@dataclass(frozen=True)
class Key:
    """A verifier key: name, kind (1 a log's or a package's, 4 a witness's), 32 bytes of Ed25519."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """SHA-256(name, LF, kind, key), the first 4 bytes."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public)[:4]


@dataclass(frozen=True)
class Head:
    """What a checkpoint says."""

    origin: str
    size: int
    root: bytes


def sha256(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def unbase64(text: Any, size: int | None = None) -> bytes:
    """Base64 in its one spelling. Raises Wrong."""
    try:
        body = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError, AttributeError) as error:
        raise Wrong("is no base64") from error
    require(base64.b64encode(body).decode() == text, "is base64 in another spelling than the one")
    require(size is None or len(body) == size, f"has {len(body)} bytes instead of {size}")
    return body


def is_name(name: str) -> bool:
    """Whether a key may be called so."""
    return bool(name) and not any(
        one.isspace() or one == "+" or one < " " or "\ud800" <= one <= "\udfff" for one in name)


def read_key(text: Any, kind: int) -> Key:
    """A verifier key of a kind. Raises Wrong."""
    parts = text.split("+", 2) if isinstance(text, str) and len(text) < 1000 else []
    require(len(parts) == 3 and is_name(parts[0]), "is no verifier key (name+id+base64)")
    body = unbase64(parts[2])
    require(len(body) == 33 and body[0] == kind, "is no verifier key of the kind that it should be")
    key = Key(parts[0], kind, body[1:])
    require(key.key_id.hex() == parts[1], "has an id that is not that of its name and key")
    return key


@dataclass(frozen=True)
class Note:
    """A signed note as it was read: its text, and (name, key id, signature) of each signer."""

    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]


def read_note(body: bytes) -> Note:
    """Nothing is verified yet. Raises Wrong."""
    try:
        whole = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Wrong("is not UTF-8") from error
    require(not any(one < " " and one != "\n" for one in whole), "holds a control character")
    text, blank, signers = whole.rpartition("\n\n")
    require(bool(blank) and signers.endswith("\n"), "is no signed note")
    lines = signers[:-1].split("\n")
    require(len(lines) <= 100, "has too many signatures")
    found = []
    for line in lines:
        name, _, encoded = line[2:].partition(" ")
        require(line.startswith("\u2014 ") and is_name(name), "has a signature line that is none")
        signature = unbase64(encoded)
        require(len(signature) > 4, "has a signature line that is none")
        found.append((name, signature[:4], signature[4:]))
    return Note(text + "\n", tuple(found))


def signers_of(note: Note, keys: Iterable[Key]) -> dict[Key, int | None]:
    """Who of `keys` signed; of a witness its time (UTC seconds). A signature of one of them that
    does not verify spoils the note; those of others say nothing. Raises Wrong."""
    known = {(key.name, key.key_id): key for key in keys}
    found: dict[Key, int | None] = {}
    for name, key_id, body in note.signatures:
        key = known.get((name, key_id))
        if key is None:
            continue
        time, message, signature = None, note.text.encode(), body
        if key.kind == WITNESS_KEY:
            require(len(body) == 72, f"has a cosignature of {safe(name)} that is none")
            time, signature = int.from_bytes(body[:8], "big"), body[8:]
            message = f"cosignature/v1\ntime {time}\n{note.text}".encode()
        require(is_ed25519(key.public, signature, message),
                f"has a signature of {safe(name)} that does not verify")
        found[key] = time
    return found


def read_head(note: Note) -> Head:
    """The checkpoint that a note's text is. Raises Wrong."""
    lines = note.text.split("\n")
    require(len(lines) >= 4 and all(lines[:-1]), "is no checkpoint")
    require(bool(re.fullmatch("0|[1-9][0-9]{0,18}", lines[1])), "has a size that is no number")
    head = Head(lines[0], int(lines[1]), unbase64(lines[2], 32))
    require(head.size <= LEAVES_MAX, "is of a log that is too large to be checked here")
    require(head.size > 0 or head.root == sha256(b""), "is of an empty log with a root of its own")
    return head


def head_signed(body: bytes, keys: Iterable[Key]) -> tuple[Note, Head, dict[Key, int | None]]:
    """A checkpoint that the log itself signed. Raises Wrong."""
    note = read_note(body)
    head = read_head(note)
    by = signers_of(note, keys)
    require(any(key.kind == LOG_KEY and key.name == head.origin for key in by),
            "is not signed by the log's key (--log-key, else the key in trust.json)")
    return note, head, by


# -- Merkle trees (RFC 6962, RFC 9162) ------------------------------------------------------------

def leaf_hash(entry: bytes) -> bytes:
    """Of an entry."""
    return sha256(b"\0" + entry)


def node_hash(left: bytes, right: bytes) -> bytes:
    """Of two neighbours."""
    return sha256(b"\1" + left + right)


def climbs(entry: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """The root that `path` leads to from entry `index` of `size`; None: the path does not fit."""
    if not 0 <= index < size:
        return None
    out, inner, last = leaf_hash(entry), index, size - 1
    for sibling in path:
        if last == 0:
            return None
        if inner & 1 or inner == last:
            out = node_hash(sibling, out)
            while not inner & 1 and inner:
                inner, last = inner >> 1, last >> 1
        else:
            out = node_hash(out, sibling)
        inner, last = inner >> 1, last >> 1
    return out if last == 0 else None


class Edge:
    """A tree that grows: the complete subtrees that it consists of, the largest first."""

    def __init__(self) -> None:
        self.size = 0
        self._hashes: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """One more leaf's hash."""
        self._hashes.append(leaf)
        done = self.size
        while done & 1:
            right = self._hashes.pop()
            self._hashes[-1] = node_hash(self._hashes[-1], right)
            done >>= 1
        self.size += 1

    def root(self) -> bytes:
        """As it stands."""
        if not self._hashes:
            return sha256(b"")
        out = self._hashes[-1]
        for left in reversed(self._hashes[:-1]):
            out = node_hash(left, out)
        return out


# -- JSON: strict, and what the shape of an object has to be --------------------------------------

def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a name that stands twice")
    return out


def _whole_number(text: str) -> int:
    if len(text) > 20:
        raise ValueError("a number that is too large")
    return int(text)


def _no_number(text: str) -> Any:
    raise ValueError("a number that is no whole number")


def spelled(value: Any) -> str:
    """The one spelling of JSON in a package (FORMAT, section 17)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def read_json(body: bytes, spelling: bool, limit: int = PIECES_MAX) -> Any:
    """Raises Wrong. `spelling`: it has to be in the one spelling of the format."""
    pieces = sum(body.count(one) for one in (b",", b"[", b"{")) if len(body) > limit else 0
    require(pieces <= limit, "has more parts than are read here")
    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=_pairs,
                           parse_int=_whole_number, parse_float=_no_number,
                           parse_constant=_no_number)
        same = not spelling or spelled(value).encode("utf-8") == body
    except (ValueError, RecursionError) as error:
        raise Wrong(f"is no JSON that is read here: {error}") from error
    require(same, "is spelled otherwise than it was written")
    return value


def is_number(value: Any) -> bool:
    """A whole number that is not negative."""
    return type(value) is int and 0 <= value < 1 << 63


def is_text(value: Any) -> bool:
    """A text."""
    return type(value) is str


def is_hex(size: int) -> Callable[[Any], bool]:
    """`size` bytes in lower-case hex."""
    pattern = re.compile(f"[0-9a-f]{{{2 * size}}}")
    return lambda value: type(value) is str and pattern.fullmatch(value) is not None


def like(pattern: str) -> Callable[[Any], bool]:
    """A text of a form."""
    compiled = re.compile(pattern)
    return lambda value: type(value) is str and compiled.fullmatch(value) is not None


def is_list(value: Any) -> bool:
    """A list."""
    return type(value) is list


def or_null(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Or nothing."""
    return lambda value: value is None or check(value)


Shape = dict[str, Callable[[Any], bool]]


def shaped(value: Any, shape: Shape) -> dict[str, Any]:
    """An object with exactly these names. Raises Wrong."""
    require(type(value) is dict, "is no object")
    for name in sorted(set(value) ^ set(shape)):
        raise Wrong(f"{'has' if name in value else 'lacks'} the name {safe(name, 40)!r}")
    for name, check in shape.items():
        require(check(value[name]), f"says something at {name!r} that cannot be")
    return dict(value)


def read_path(value: list[Any]) -> list[bytes]:
    """A path of a tree. Raises Wrong."""
    require(len(value) <= PATH_MAX, "has a path that is too long")
    return [unbase64(one, 32) for one in value]


# A number begins with 1 and has one spelling: with seven digits, or four, or as many as it needs.
DOCUMENT = r"(?!0{7})(?:[0-9]{7}|[1-9][0-9]{7,11})"
SHORT = r"(?!0{4})(?:[0-9]{4}|[1-9][0-9]{4,11})"
is_document = like(rf"[A-Z]{{1,10}}-{DOCUMENT}")
is_conversation = like(f"C-{SHORT}")
ADDRESS: Shape = {"topic_id": is_hex(16), "partition": is_number, "offset": is_number,
                  "index": is_number}
RECORD: Shape = {
    "record": is_number, "document": is_document, "conversation": is_conversation,
    "custodian": is_text, "address": lambda value: type(value) is dict, "datum": is_text,
    "event": lambda value: type(value) is dict, "raw": or_null(lambda value: type(value) is dict)}
RECORD_PROOF: Shape = {"record": is_number, "leaf": is_number, "position": is_number,
                       "salt": is_hex(32), "path": is_list}
CELL: Shape = {"leaf": is_number, "entry": is_text, "path": is_list}
ENTRY: Shape = {
    "v": lambda value: value == 1 and type(value) is int, "key": is_text, "segment": is_hex(32),
    "first": is_number, "last": is_number, "retain_until": is_number,
    "trial": lambda value: type(value) is bool, "cell": is_number, "start": is_number,
    "length": is_number, "domain": is_hex(16), "generation": is_number, "count": is_number,
    "root": is_hex(32), "tags_root": is_hex(32), "ciphertext": is_hex(32)}
LEFT: Shape = {
    "leaf": is_number, "position": is_number, "offset": is_number, "index": is_number,
    "reason": lambda value: value in REASONS,
    "document": like(rf"|[A-Z]{{1,10}}-(?:W-{SHORT}|{DOCUMENT})"),
    "conversation": like(f"|C-{SHORT}")}
RAW_FILE: Shape = {"file": is_text, "sha256": is_hex(32), "bytes": is_number,
                   "kind": lambda value: value in ("own", "slice", "excerpt")}
TRUSTED: Shape = {
    "v": lambda value: value == 1 and type(value) is int, "origin": is_text, "log": is_list,
    "witnesses": is_list, "authorities": is_list, "package": is_text}
AUTHORITY: Shape = {"name": is_text, "token": is_text, "roots": is_text}
ROLES = {"": 0, "firm": 1, "quarantine": 2, "unassigned": 3}
CLAIM: Shape = {
    "v": lambda value: value == 1 and type(value) is int,
    "kind": lambda value: value in ("conversations", "custodians", "none"), "why": is_text,
    "since": or_null(lambda value: type(value) is int),
    "until": or_null(lambda value: type(value) is int), "domains": is_list,
    "conversations": is_list}
DOMAIN: Shape = {"domain": is_hex(16), "custodian": is_text, "class": is_text,
                 "month": like(r"[0-9]{4}-(?:0[1-9]|1[0-2])"), "compartment": is_text,
                 "role": lambda value: value in ROLES}
NAMED: Shape = {"conversation": is_conversation, "tag": is_hex(16)}
OPENED: Shape = {"conversation": is_conversation, "at": is_number, "count": is_number,
                 "path": is_list}
ABSENT: Shape = {"conversation": is_conversation,
                 "before": or_null(lambda value: type(value) is dict),
                 "after": or_null(lambda value: type(value) is dict)}
NEIGHBOUR: Shape = {"tag": is_hex(32), "count": is_number, "at": is_number, "path": is_list}


def is_yes_or_no(value: Any) -> bool:
    """True or false."""
    return type(value) is bool


def is_time(value: Any) -> bool:
    """UTC ms, before 1970 too."""
    return type(value) is int


def of_shape(shape: Shape) -> Callable[[Any], bool]:
    """An object with exactly these names."""
    return lambda value: (type(value) is dict and set(value) == set(shape)
                          and all(check(value[name]) for name, check in shape.items()))


def list_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A list of such values."""
    return lambda value: type(value) is list and all(map(check, value))


def texts(value: Any) -> bool:
    """A list of texts."""
    return type(value) is list and all(map(is_text, value))


def table_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """An object of any names with such values."""
    return lambda value: type(value) is dict and all(map(check, value.values()))


COUNTS: Shape = {
    **dict.fromkeys(("matched", "context", "exported", "records", "conversations", "files",
                     "file_bytes", "files_missing", "files_not_archived"), is_number),
    "withheld": table_of(of_shape({"messages": is_number, "records": is_number}))}
GAP: Shape = {
    **dict.fromkeys(("reason", "words", "channel", "account", "note", "settled"), is_text),
    **dict.fromkeys(("since", "until"), or_null(is_time)), "missing": is_number}
CERTIFIED: Shape = {
    "v": lambda value: value == 1 and type(value) is int, "export_id": is_hex(16),
    **dict.fromkeys(("title", "matter", "basis", "organisation", "query", "scope", "zone",
                     "package_key"), is_text),
    "trial": is_yes_or_no,
    "certifier": of_shape(dict.fromkeys(("name", "role", "qualification"), is_text)),
    "system": of_shape(dict.fromkeys(("name", "version", "commit"), is_text)),
    "requested": of_shape({"by": is_text, "at": is_time}),
    "approved": or_null(of_shape({"by": is_text, "at": is_time})),
    "selection": list_of(of_shape({"name": is_text, "value": is_text})),
    "period": of_shape(dict.fromkeys(("since", "until"), or_null(is_time))),
    "checkpoint": of_shape({"origin": is_text, "size": is_number, "root": is_hex(32),
                            "note": is_text}),
    "log_keys": texts,
    "cosignatures": list_of(of_shape({"name": is_text, "key": is_text, "at": is_time})),
    "time_stamps": list_of(of_shape({"authority": is_text, "at": or_null(is_time),
                                     "size": is_number, "token": is_text})),
    "counts": of_shape(COUNTS),
    "documents": of_shape({"first": is_text, "last": is_text}),
    "payload": of_shape({"files": is_number, "bytes": is_number}),
    "manifests": of_shape({MANIFEST: is_hex(32)}), "files": is_list,
    "capture": of_shape(dict.fromkeys(("adapters", "accounts", "channels", "provenances"),
                                      texts)),
    "retention": of_shape({"first": is_time, "last": is_time, "mode": is_text}),
    "key_ids": texts, "completeness": of_shape({"kind": is_text, "why": is_text}),
    "gaps": list_of(of_shape(GAP)), "notes": table_of(is_number),
    "verify": of_shape({"command": is_text, "with_key": is_text}),
    "shows": texts, "does_not_show": texts}
SEGMENT = re.compile(r"segments/[A-Za-z0-9._-]{1,249}/([0-9a-f]{32})/(0|[1-9][0-9]{0,5})"
                     r"/([0-9]{20})(?:\.[1-9][0-9]{0,2})?\.avro")


@dataclass(frozen=True)
class Cell:
    """What an entry of the log says of a cell."""

    topic_id: str
    partition: int
    first: int
    last: int
    domain: str
    generation: int
    count: int
    retain_until: int
    trial: bool
    root: bytes
    tags_root: bytes

    @property
    def key(self) -> tuple[str, int]:
        """What it is sealed under: whoever has it opens every cell of it."""
        return self.domain, self.generation


def read_entry(entry: bytes) -> Cell:
    """Raises Wrong."""
    said = shaped(read_json(entry, spelling=True), ENTRY)
    name = SEGMENT.fullmatch(said["key"])
    if name is None or int(name[3]) != said["first"] or said["last"] < said["first"]:
        raise Wrong("has an entry whose segment and offsets do not belong together")
    require(0 < said["count"] < POSITIONS_MAX, "has an entry of a cell of no events")
    return Cell(name[1], int(name[2]), said["first"], said["last"], said["domain"],
                said["generation"], said["count"], said["retain_until"], said["trial"],
                bytes.fromhex(said["root"]), bytes.fromhex(said["tags_root"]))


# -- Avro (1.11): schemas, their fingerprint, and datums ------------------------------------------

PRIMITIVE = ("null", "boolean", "int", "long", "bytes", "string", "float", "double")
EMPTY_CRC = 0xC15D213AA4D7A795


def _crc_table() -> list[int]:
    out = []
    for one in range(256):
        value = one
        for _ in range(8):
            value = value >> 1 ^ (EMPTY_CRC & -(value & 1))
        out.append(value)
    return out


CRC_TABLE = _crc_table()


def fingerprint(form: str) -> str:
    """CRC-64-AVRO of a schema's canonical form, hex, as it stands in a datum."""
    crc = EMPTY_CRC
    for one in form.encode("utf-8"):
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ one) & 0xFF]
    return crc.to_bytes(8, "little").hex()


def canonical_form(schema: Any, space: str = "", depth: int = 0) -> str:
    """Avro's parsing canonical form of a schema. Raises Wrong."""
    require(depth < DEPTH_MAX, "is nested too deeply")
    if isinstance(schema, str):
        known = schema in PRIMITIVE or "." in schema or not space
        return json.dumps(schema if known else f"{space}.{schema}", ensure_ascii=False)
    if isinstance(schema, list):
        return "[" + ",".join(canonical_form(one, space, depth + 1) for one in schema) + "]"
    require(isinstance(schema, dict) and "type" in schema, "is no Avro schema")
    kind = schema["type"]
    if not isinstance(kind, str) or kind in PRIMITIVE:
        return canonical_form(kind, space, depth + 1)
    if kind in ("array", "map"):
        inner = "items" if kind == "array" else "values"
        require(inner in schema, "is no Avro schema")
        return f'{{"type":"{kind}","{inner}":{canonical_form(schema[inner], space, depth + 1)}}}'
    name = schema.get("name")
    require(kind in ("record", "fixed", "enum") and isinstance(name, str) and bool(name),
            "is no Avro schema")
    if "." not in str(name):
        space = schema.get("namespace", space)
        name = f"{space}.{name}" if space else name
    space = str(name).rpartition(".")[0]
    front = f'{{"name":{json.dumps(name, ensure_ascii=False)},"type":"{kind}",'
    if kind == "fixed":
        require(is_number(schema.get("size")), "is no Avro schema")
        return front + f'"size":{schema["size"]}}}'
    if kind == "enum":
        return front + f'"symbols":{spelled(schema.get("symbols"))}}}'
    fields = schema.get("fields")
    require(isinstance(fields, list), "is no Avro schema")
    return front + '"fields":[' + ",".join(_field(one, space, depth) for one in fields or ()) + "]}"


def _field(one: Any, space: str, depth: int) -> str:
    require(isinstance(one, dict) and isinstance(one.get("name"), str) and "type" in one,
            "is no Avro schema")
    return (f'{{"name":{json.dumps(one["name"], ensure_ascii=False)},'
            f'"type":{canonical_form(one["type"], space, depth + 1)}}}')


class Schema:
    """A schema that datums are read by."""

    def __init__(self, form: str) -> None:
        self._names: dict[str, Any] = {}
        self._root = json.loads(form)
        self._learn(self._root)
        self._data, self._at, self._pieces = b"", 0, 0

    def _learn(self, node: Any) -> None:
        if isinstance(node, list):
            for one in node:
                self._learn(one)
        elif isinstance(node, dict):
            if "name" in node:
                self._names[node["name"]] = node
            for one in node.get("fields", ()):
                self._learn(one["type"])
            self._learn(node.get("items"))
            self._learn(node.get("values"))

    def read(self, datum: bytes, start: int) -> dict[str, Any]:
        """What a datum says from byte `start` on, to its last byte. Raises Wrong."""
        self._data, self._at, self._pieces = datum, start, 0
        value = self._value(self._root, 0)
        require(self._at == len(datum), "has a datum with bytes behind its end")
        require(isinstance(value, dict), "has a datum that is no record")
        return dict(value)

    def _take(self, size: int) -> bytes:
        end = self._at + size
        require(0 <= size and end <= len(self._data), "has a datum that is cut")
        out, self._at = self._data[self._at:end], end
        return out

    def _long(self) -> int:
        value = shift = 0
        while True:
            one = self._take(1)[0]
            value |= (one & 0x7F) << shift
            shift += 7
            if one < 0x80:
                break
            require(shift < 70, "has a datum with a number that is none")
        return value >> 1 ^ -(value & 1)

    def _value(self, node: Any, depth: int) -> Any:
        self._pieces += 1
        require(depth < DEPTH_MAX and self._pieces <= PIECES_MAX, "has a datum of too many parts")
        if isinstance(node, list):
            branch = self._long()
            require(0 <= branch < len(node), "has a datum with a choice that there is not")
            return self._value(node[branch], depth + 1)
        if isinstance(node, str):
            return self._plain(node, depth)
        kind = node["type"]
        if kind == "record":
            return {one["name"]: self._value(one["type"], depth + 1) for one in node["fields"]}
        if kind == "fixed":
            return self._take(node["size"])
        if kind == "enum":
            number = self._long()
            require(0 <= number < len(node["symbols"]), "has a datum with a word that there is not")
            return node["symbols"][number]
        return self._many(node, depth)

    def _plain(self, name: str, depth: int) -> Any:
        if name == "null":
            return None
        if name in ("int", "long"):
            return self._long()
        if name in ("bytes", "string"):
            body = self._take(self._long())
            try:
                return body if name == "bytes" else body.decode("utf-8")
            except UnicodeDecodeError as error:
                raise Wrong("has a datum with a text that is none") from error
        if name == "boolean":
            one = self._take(1)
            require(one in (b"\0", b"\1"), "has a datum that says neither yes nor no")
            return one == b"\1"
        require(name in self._names, f"has a datum of a type that is not known: {safe(name, 60)}")
        return self._value(self._names[name], depth + 1)

    def _many(self, node: dict[str, Any], depth: int) -> Any:
        out: list[Any] = []
        names: list[str] = []
        while True:
            count = self._long()
            if count == 0:
                break
            if count < 0:
                count = -count
                self._long()
            # What takes no byte at all (an array of nothings) is in no schema of a record.
            require(count <= len(self._data) - self._at, "has a datum that is cut")
            for _ in range(count):
                if node["type"] == "map":
                    names.append(self._plain("string", depth))
                out.append(self._value(node["items" if node["type"] == "array" else "values"],
                                       depth + 1))
        if node["type"] == "array":
            return out
        require(len(set(names)) == len(names), "has a datum with a name that stands twice")
        return dict(zip(names, out))  # noqa: B905 - not in Python 3.9; as many names as values


def readable(value: Any, body: bool = False) -> Any:
    """What a datum says, as events.jsonl shows it. `body`: bytes by their hash, however few."""
    if isinstance(value, dict):
        return {name: readable(one) for name, one in value.items()}
    if isinstance(value, list):
        return [readable(one) for one in value]
    if isinstance(value, bytes):
        return (value.hex() if len(value) <= 64 and not body
                else {"bytes": len(value), "sha256": sha256(value).hex()})
    return value


def readable_part(said: dict[str, Any]) -> dict[str, Any]:
    """The same of a part of a large event."""
    return {name: readable(one, body=name == "body") for name, one in said.items()}


# -- Ids that follow from an event (FORMAT, section 1) --------------------------------------------

def h16(label: str, *parts: Any) -> bytes:
    """The first 16 bytes of SHA-256 over parts that are joined without ambiguity."""
    out = []
    for part in (label, *parts):
        body = (part.encode("utf-8") if isinstance(part, str)
                else part.to_bytes(8, "big", signed=part < 0) if isinstance(part, int) else part)
        out.append(struct.pack(">I", len(body)) + body)
    return sha256(b"".join(out))[:16]


def event_id(said: dict[str, Any]) -> bytes:
    """The id of an event."""
    return h16("counterfoil/event/v1", said["channel"], said["account"], said["native_id"] or "",
               said["target"] or "", said["target_key"] or b"", said["kind"], said["revision"])


PAST_MS_MAX = 400 * 86_400_000


def ground_time(said: dict[str, Any]) -> int:
    """The time that an event counts in: the provider's where it vouches for it and it makes sense,
    else the capture's. UTC ms (PROTOCOL, D1)."""
    occurred, captured = said["occurred_at"], int(said["captured_at"])
    vouched = said["provenance"] in ("provider_signed", "provider_fetched")
    if vouched and occurred is not None and max(1, captured - PAST_MS_MAX) <= occurred <= captured:
        return int(occurred)
    return captured


def month_of(at: int) -> str:
    """Of UTC ms, "2026-01"; "" of what no calendar knows."""
    if not 0 <= at < 253_000_000_000_000:
        return ""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).strftime("%Y-%m")


def message_key(said: dict[str, Any]) -> bytes:
    """What all events about one message have in common."""
    if said["target_key"] is not None:
        return bytes(said["target_key"])
    subject = said["target"] if said["target"] is not None else said["native_id"]
    if subject is None:
        return h16("counterfoil/alone/v1", event_id(said))
    return h16("counterfoil/message/v1", said["channel"], said["account"], subject)


# -- The package as files -------------------------------------------------------------------------

class Bag:
    """A package's files. Nothing is opened that was not found to be a plain file inside it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.sizes: dict[str, int] = {}
        self.hashes: dict[str, bytes] = {}   # of the payload, as the files are

    def walk(self, report: Report) -> None:
        """Finds every file; what is neither a file nor a folder is wrong."""
        waiting = [("", 0)]
        while waiting:
            folder, depth = waiting.pop()
            try:
                found = sorted(os.scandir(os.path.join(self.root, folder)), key=lambda e: e.name)
            except OSError as error:
                report.wrong(folder, f"this folder cannot be read: {error.strerror}")
                continue
            if not found and folder:
                report.wrong(folder, "this folder is empty: a package has no such folder")
            for one in found:
                path = f"{folder}{one.name}"
                mode = one.stat(follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode) and depth < DEPTH_MAX:
                    waiting.append((path + "/", depth + 1))
                elif stat.S_ISREG(mode) and "\\" not in one.name:
                    self.sizes[path] = one.stat(follow_symlinks=False).st_size
                else:
                    report.wrong(path, "this is a link, a device, or nothing that a package holds")
                if len(self.sizes) > FILES_MAX:
                    raise Unusable(f"it has more than {FILES_MAX} files")

    def below(self, prefix: str) -> list[str]:
        """The files below a folder, in order."""
        return sorted(path for path in self.sizes if path.startswith(prefix))

    def open(self, path: str) -> BinaryIO:
        """To read. Raises Wrong where there is no such file."""
        if path not in self.sizes:
            raise Wrong("this file is missing", path)
        try:
            return open(os.path.join(self.root, *path.split("/")), "rb")
        except OSError as error:
            raise Wrong(f"this file cannot be read: {error.strerror}", path) from error

    def read(self, path: str, limit: int = SMALL_BYTES_MAX) -> bytes:
        """All of a small file. Raises Wrong."""
        with self.open(path) as file:
            body = file.read(limit + 1)
        if len(body) > limit:
            raise Wrong(f"this file is larger than {limit} bytes", path)
        return body

    def json(self, path: str, limit: int = SMALL_BYTES_MAX, pieces: int = PIECES_MAX) -> Any:
        """What a JSON document says: one line. Raises Wrong."""
        try:
            body = self.read(path, limit)
            require(body.endswith(b"\n"), "is cut: it has no end")
            return read_json(body[:-1], spelling=True, limit=pieces)
        except Wrong as error:
            raise Wrong(str(error), error.item or path) from error

    def lines(self, path: str, limit: int) -> Iterator[tuple[int, bytes]]:
        """(where it begins, line without its end) of each line. Raises Wrong."""
        at = number = 0
        with self.open(path) as file:
            while True:
                line = file.readline(limit + 1)
                if not line:
                    return
                number += 1
                if len(line) > limit:
                    raise Wrong(f"line {number} is longer than {limit} bytes", path)
                if not line.endswith(b"\n"):
                    raise Wrong(f"line {number} is cut: it has no end", path)
                yield at, line[:-1]
                at += len(line)

    def line_at(self, path: str, at: int, limit: int) -> bytes:
        """The line that begins at a byte. Raises Wrong."""
        with self.open(path) as file:
            file.seek(at)
            return file.readline(limit + 1).rstrip(b"\n")

    def known(self, path: str) -> bytes:
        """SHA-256 of a payload file, computed once; b"" where there is none."""
        if path not in self.hashes:
            self.hashes[path] = self.hash(path) if path in self.sizes else b""
        return self.hashes[path]

    def hash(self, path: str) -> bytes:
        """SHA-256 of a file. Raises Wrong."""
        digest = hashlib.sha256()
        with self.open(path) as file:
            for piece in iter(lambda: file.read(1 << 20), b""):
                digest.update(piece)
        return digest.digest()


LISTED = re.compile(r"([0-9a-f]{64})  (.+)")
ESCAPED = re.compile(r"%(?:25|0D|0A)")


def read_listed(line: bytes) -> tuple[str, bytes]:
    """(path, SHA-256) of a manifest's line. Raises Wrong."""
    try:
        found = LISTED.fullmatch(line.decode("utf-8"))
    except UnicodeDecodeError:
        found = None
    if found is None:
        raise Wrong(f"has a line that is none: {safe(line.decode('latin-1'))}")
    path = ESCAPED.sub(lambda one: chr(int(one[0][1:], 16)), found[2])
    parts = path.split("/")
    require("%" not in ESCAPED.sub("", found[2]) and "\\" not in path and "\0" not in path
            and not {"", ".", ".."} & set(parts), f"names a path that leaves the package: {path}")
    return path, bytes.fromhex(found[1])


class Check:
    """One run over one package. Each step is a method that gives the sentence for a good end."""

    def __init__(self, bag: Bag, report: Report, asked: argparse.Namespace) -> None:
        self.bag, self.report, self.asked = bag, report, asked
        self.export_id = ""
        self.trust: Trust | None = None
        self.head: Head | None = None
        self.head_text = ""
        self.schemas: dict[str, Schema] = {}
        self.cells = Cells(bag)
        self.places = Places()
        self.log = WholeLog()
        self.claim: Claim | None = None
        self.records = self.documents = self.withheld = self.files_missing = 0
        self.prefix, self.first, self.last = "", 0, 0
        self.skipped: list[str] = []
        self.reasons: dict[str, int] = {}
        self.stay: dict[str, int] = {}                # reason -> messages of which nothing is here
        self.opened: set[tuple[str, int]] = set()     # keys under which something is here
        self.gone: dict[tuple[str, int], str] = {}    # keys that are said to be erased -> by whom
        self.locked = 0                               # until when the log says that they are kept
        self.capture: dict[str, set[str]] = {
            "adapters": set(), "accounts": set(), "channels": set(), "provenances": set()}
        self.seen: list[tuple[Key, int]] = []
        self.signers: set[Key] = set()                # of trust.json's log keys
        self.stamps: list[tuple[str, int, str, int | None]] = []
        self.named: str | None = None

    def run(self) -> None:
        """Every step, in order; a later one runs also where an earlier one found something."""
        step = self.report.step
        step("The package is whole", self.whole)
        step("The seal", self.sealed)
        step("The log's head", self.signed)
        step("Schemas", self.read_schemas)
        step("The whole log", self.whole_log)
        step("Time stamps", self.stamped)
        step("Cells", self.read_cells)
        step("Records", lambda: Records(self).run())
        step("What stays behind", self.read_withheld)
        step("Completeness", self.complete)
        step("The certificate", self.certified)

    # -- the bag

    def whole(self) -> str:
        """BagIt: each file is listed once and has the hash that is stated; no other file is there.
        """
        bag, report = self.bag, self.report
        bag.walk(report)
        with report.about("bagit.txt"):
            require(bag.read("bagit.txt") == DECLARATION, "is not that of BagIt 1.0")
        for path in bag.sizes:
            name = path.rpartition("/")[2]
            if "/" not in path and (name == "fetch.txt" or (
                    re.fullmatch(r"(tag)?manifest-.*\.txt", name)
                    and name not in (MANIFEST, TAG_MANIFEST))):
                report.wrong(path, "a package has no such file: it is complete, and has two lists")
            elif path not in TAG_FILES and PAYLOAD.fullmatch(path) is None:
                report.wrong(path, "a package has no such file: it was added")
        payload = self._listed(MANIFEST, lambda path: path.startswith("data/"))
        tags = self._listed(TAG_MANIFEST, lambda path: not path.startswith("data/")
                            and path not in (TAG_MANIFEST, SEAL))
        for path in sorted(set(bag.sizes) - {TAG_MANIFEST, SEAL}):
            listed = payload if path.startswith("data/") else tags
            if listed is None or path in listed:
                continue   # where a manifest does not read it names nothing as added
            report.wrong(path, "this file is in no manifest: it was added. (Some computers put "
                               "files of their own into a folder that one opens: take it away)")
        # The others are read below, and missed there.
        for path in ("START-HERE.txt", "verify.py", "verify.html", "certificate.pdf",
                     "custody.jsonl"):
            if path not in bag.sizes and path not in (tags or ()):
                report.wrong(path, "this file is missing")
        with report.about("bag-info.txt"):
            self._info(sum(bag.sizes[path] for path in bag.sizes if path.startswith("data/")),
                       sum(path.startswith("data/") for path in bag.sizes))
        return f"{len(bag.sizes)} files, every hash matches."

    def _listed(self, manifest: str, belongs: Callable[[str], bool]) -> set[str] | None:
        """The files of one manifest, each hashed; None where it does not read to its end."""
        bag, report, before = self.bag, self.report, ""
        listed: set[str] = set()
        with report.about(manifest):
            for _, line in bag.lines(manifest, 8192):
                path, stated = read_listed(line)
                require(path > before, f"is not in order, or names twice: {safe(path)}")
                require(belongs(path), f"lists a file that has no place in it: {safe(path)}")
                before = path
                listed.add(path)
                with report.about(path):
                    found = bag.hash(path)
                    if path.startswith("data/"):
                        bag.hashes[path] = found
                    require(found == stated, f"this file was changed: its SHA-256 is {found.hex()},"
                                             f" {manifest} says {stated.hex()}")
            return listed
        return None

    def _info(self, size: int, count: int) -> None:
        said: dict[str, str] = {}
        for line in self.bag.read("bag-info.txt").decode("utf-8", "replace").splitlines():
            name, colon, value = line.partition(": ")
            require(bool(colon) and name not in said, f"has a line that is none: {safe(line)}")
            said[name] = value
        require(said.get("Payload-Oxum") == f"{size}.{count}",
                f"says that data/ has {safe(said.get('Payload-Oxum'))} (bytes.files); it has "
                f"{size}.{count}")
        self.named = said.get("External-Identifier")

    # -- seal, keys and head

    def sealed(self) -> str:
        """seal.note signs the tag manifest, which lists the manifest, which lists everything."""
        with self.report.about(TRUST):
            self.trust = read_trust(self.bag.json(TRUST))
        given = [told(one, LOG_KEY, "--package-key") for one in self.asked.package_key]
        with self.report.about(SEAL):
            note = read_note(self.bag.read(SEAL))
            lines = note.text.split("\n")
            require(len(lines) == 4 and lines[0] == SEAL_LABEL and not lines[3]
                    and is_hex(16)(lines[1]), "is not the seal of a package")
            self.export_id = lines[1]
            found = self.bag.hash(TAG_MANIFEST).hex()
            require(lines[2] == found, f"was made over another {TAG_MANIFEST}: {safe(lines[2])}; "
                                       f"here it is {found}")
            require(len(note.signatures) == 1, "has not one signature but "
                                               f"{len(note.signatures)}")
            keys = given or ([] if self.trust is None else [self.trust.package])
            signed = signers_of(note, keys)
            require(bool(signed), "is not signed by " + (
                "the key that you gave with --package-key" if given else
                "the key `package` of trust.json"))
            require(self.trust is None or bool(signers_of(note, [self.trust.package])),
                    "is not signed by the key `package` of trust.json")
        if not given and self.trust is not None:
            self.report.note("The seal's key is the one that the package brings. Compare it with "
                             f"what you were told, or give that with --package-key: "
                             f"{vkey(self.trust.package)}")
        return f"export {self.export_id} is sealed by {self._package_name(given)}."

    def _package_name(self, given: list[Key]) -> str:
        keys = given or ([] if self.trust is None else [self.trust.package])
        return " or ".join(safe(one.name) for one in keys)

    def log_keys(self) -> list[Key]:
        """What the reader was told; else what the package says."""
        return ([told(one, LOG_KEY, "--log-key") for one in self.asked.log_key]
                or ([] if self.trust is None else self.trust.log))

    def signed(self) -> str:
        """The checkpoint: signed by the log, cosigned by witnesses."""
        given = [told(one, LOG_KEY, "--log-key") for one in self.asked.log_key]
        watching = [told(one, WITNESS_KEY, "--witness") for one in self.asked.witness]
        trust = self.trust
        if trust is None:
            raise Wrong("without a trust.json that reads nobody's signature can be told")
        with self.report.about(CHECKPOINT):
            keys = [*(given or trust.log), *watching, *trust.witnesses]
            note, head, by = head_signed(self.bag.read(CHECKPOINT), dict.fromkeys(keys))
            require(head.origin == trust.origin, "is of another log than trust.json names")
            self.head, self.head_text = head, note.text
            self.signers = set(signers_of(note, trust.log))
            require(bool(self.signers), "is signed by none of the log's keys that trust.json names")
            for key in watching:
                require(key in by, f"is not cosigned by {safe(key.name)}, the witness that you "
                                   "gave with --witness")
        if self.head is None:
            return ""
        if not given:
            self.report.note("The log's key is the one that the package brings. Compare it with "
                             "what you were told, or give that with --log-key: "
                             + ", ".join(vkey(one) for one in trust.log))
        seen = {key: time for key, time in by.items() if key.kind == WITNESS_KEY}
        for key in trust.witnesses:
            if key not in seen:
                self.report.note(f"The witness {key.name} did not cosign this head.")
        if not seen:
            self.report.note("No witness cosigned this head: that the log showed everybody the "
                             "same is the log's word.")
        elif not any(key in watching for key in seen):
            self.report.note("Its witnesses are those that the package names: until you compare "
                             "their keys with what you were told, or give one with --witness, that "
                             "the log showed everybody the same is the package's word: "
                             + ", ".join(vkey(key) for key in seen))
        others = len(note.signatures) - len(by)
        if others > 0:
            self.report.note(f"{others} further signatures are of keys that are not known here.")
        self.seen = [(key, time or 0) for key, time in seen.items() if key in trust.witnesses]
        return (f"{head.size} entries of the log {safe(head.origin)}, signed by it" + "".join(
            f", seen by {safe(key.name)}{'' if key in watching else ' (a key of the package)'} at "
            f"{when(time)}" for key, time in seen.items()) + ".")

    # -- schemas

    def read_schemas(self) -> str:
        """Each schema is what its name says."""
        for path in self.bag.below(SCHEMAS):
            with self.report.about(path):
                name = path[len(SCHEMAS):-len(".avsc")]
                require(path == f"{SCHEMAS}{name}.avsc" and is_hex(8)(name),
                        "is no schema's name")
                body = self.bag.read(path)
                form = canonical_form(read_json(body, spelling=False))
                require(fingerprint(form) == name, "is another schema than its name says")
                if name in RELEASED:
                    require(sha256(body).hex() == RELEASED[name],
                            "is not the released schema of this fingerprint")
                else:
                    self.report.note(f"The schema {name} is not known to this verifier: what "
                                     "records of it mean rests on the seal.")
                self.schemas[name] = Schema(form)
        known = self.bag.below(PROOF)
        for path in known:
            if not path.startswith((SCHEMAS, LOG, STAMPS)) and path not in (
                    TRUST, CHECKPOINT, CELLS, PROOFS, WITHHELD, COMPLETE, TAGS):
                self.report.wrong(path, "this file is no part of a proof: it was added")
        return f"{len(self.schemas)}, each is what its name says."

    # -- the log

    def whole_log(self) -> str:
        """Recomputes the log from every entry; keeps what completeness asks of it."""
        bag, report = self.bag, self.report
        with report.about(COMPLETE):
            self.claim = read_claim(bag.json(COMPLETE))
        sizes = {size for size in (number(one.split("/")[3]) for one in bag.below(STAMPS))
                 if size is not None}
        kind = "" if self.claim is None else self.claim.kind
        if not bag.below(LOG):
            require(kind not in ("conversations", "custodians"),
                    f"{LOG}: the log is missing: without it nobody can see that nothing is left "
                    "out")
            return "it is not here: this package does not claim to be complete."
        head = self.head
        if head is None:
            raise Wrong("without a head that is signed the log cannot be compared with anything")
        with report.about(LOG + "checkpoint"):
            note, _, _ = head_signed(bag.read(LOG + "checkpoint"),
                                     self.log_keys())
            require(note.text == self.head_text, f"says something else than {CHECKPOINT}")
        domains = set() if self.claim is None else {one["domain"] for one in self.claim.domains}
        expected = self.log.read(bag, report, head.size, domains, sizes)
        for path in sorted(set(bag.below(LOG)) - expected):
            report.wrong(path, "this file is no part of the log: it was added")
        require(self.log.root == head.root,
                f"{LOG}: its entries do not give the root that the log signed")
        self.log.is_true = True
        return f"its {head.size} entries give the root that the log signed."

    def stamped(self) -> str:
        """Time stamps (RFC 3161) of the log's head, by openssl."""
        return check_stamps(self)

    # -- cells

    def read_cells(self) -> str:
        """Each entry leads to the checkpoint's root."""
        head, before = self.head, -1
        if head is None:
            raise Wrong("without a head that is signed they lead nowhere")
        row = 0
        for at, line in self.bag.lines(CELLS, CELL_LINE_MAX):
            row += 1
            with self.report.about(f"{CELLS}, line {row}"):
                said = shaped(read_json(line, spelling=True), CELL)
                leaf = said["leaf"]
                with self.report.about(f"{CELLS}, leaf {leaf}"):
                    require(leaf > before, "is not in order, or stands twice")
                    before = leaf
                    entry = said["entry"].encode("utf-8")
                    require(climbs(entry, leaf, head.size, read_path(said["path"])) == head.root,
                            "its entry does not lead to the root that the log signed")
                    self.cells.add(leaf, at, read_entry(entry))
        return f"{row} entries lead to the root that the log signed."

    # -- what stays behind

    def read_withheld(self) -> str:
        """withheld.jsonl; that nothing stands twice; that no cell is there for nothing."""
        row, named, stay = 0, set[int](), dict[int, str]()
        for _, line in self.bag.lines(WITHHELD, PROOF_LINE_MAX):
            row += 1
            with self.report.about(f"{WITHHELD}, line {row}"):
                said = shaped(read_json(line, spelling=True), LEFT)
                self.reasons[said["reason"]] = self.reasons.get(said["reason"], 0) + 1
                self._numbered(said, named, stay)
                self._left(said, row)
        self.withheld = row
        self._missed(named, stay)
        for item, what in self.places.wrong():
            self.report.wrong(item, what)
        for leaf in self.cells.unused():
            self.report.wrong(f"{CELLS}, leaf {leaf}", "no record and nothing that stays behind "
                                                       "lies in this cell: it was added, or they "
                                                       "were removed")
        if not row:
            return "nothing that was chosen stays behind."
        said_by = ", ".join(f"{count} {name}" for name, count in sorted(self.reasons.items()))
        return f"{row} records are listed that are known and not here ({said_by})."

    def _numbered(self, said: dict[str, Any], named: set[int], stay: dict[int, str]) -> None:
        """The document that a line is of: one of the package's, or one that is not in it."""
        prefix, _, digits = said["document"].partition("-")
        if not prefix:
            return
        require(self.prefix in ("", prefix), "has a document id in another spelling")
        self.prefix = prefix
        if not digits.startswith("W-"):
            named.add(int(digits))
            return
        number = int(digits[2:])
        if number not in stay:
            self.stay[said["reason"]] = self.stay.get(said["reason"], 0) + 1
        require(stay.setdefault(number, said["reason"]) == said["reason"],
                "gives another reason than the rest of its document")

    def _missed(self, named: set[int], stay: dict[int, str]) -> None:
        """Every number of a document is here, or listed."""
        last = max([self.last, *named])
        skipped = [int(one.partition("-")[2]) for one in self.skipped]
        behind = range(self.last + 1, last + 1)
        require(len(behind) - len(named) <= LEFT_OUT_MAX and max(stay, default=0) - len(stay)
                <= LEFT_OUT_MAX, f"{WITHHELD}: a million numbers of documents are left out")
        for number in itertools.chain(skipped, behind):
            if number not in named:
                self.report.wrong(f"{self.prefix}-{number:07d}",
                                  "this document is missing: its number was left out")
        for number in range(1, max(stay, default=0) + 1):
            if number not in stay:
                self.report.wrong(f"{self.prefix}-W-{number:04d}", "what stays behind under this "
                                                                   "number is missing")

    def _left(self, said: dict[str, Any], row: int) -> None:
        cell = self.cells.get(said["leaf"])
        require(said["position"] < cell.count, "names a place that its cell has not")
        erased = said["reason"] == "erased"
        if erased:
            self.erased(cell, f"{WITHHELD}, line {row}")
        else:
            require(cell.first <= said["offset"] <= cell.last and said["index"] < 1 << 32,
                    "names an address that is not in its segment")
        self.places.add(said["leaf"], said["position"], said["conversation"],
                        None if erased else (cell, said["offset"], said["index"]), 0)
        claim = self.claim
        require(said["reason"] != "outside_period" or claim is None
                or (claim.since, claim.until) != (None, None),
                "is said to lie outside a period, and there is none")

    def erased(self, cell: Cell, item: str) -> None:
        """A cell's key is said to be gone."""
        self.gone.setdefault(cell.key, item)
        self.locked = max(self.locked, cell.retain_until)

    # -- completeness and the certificate

    def complete(self) -> str:
        """That no record of the claimed domains is missing."""
        claim = self.claim
        if claim is None:
            raise Wrong("without a complete.json that reads nothing is claimed")
        if self.reasons:
            self.report.note("Why something stays behind is the exporter's word.")
        if claim.kind == "none":
            require(TAGS not in self.bag.sizes, f"{TAGS}: nothing is claimed, so it was added")
            said = f"it is not claimed. {safe(claim.why, 400)}".strip()
        else:
            require(self.log.is_true,
                    "without the whole log nobody can see that nothing is left out")
            require(claim.kind != "custodians" or TAGS not in self.bag.sizes,
                    f"{TAGS}: no claim needs this file: it was added")
            known = {cell.domain for _, cell in self.log.claimed}
            for name in sorted(set(claim.facts) - known):
                self.report.wrong(f"{COMPLETE}, domain {name}", "the log has no cell of it: "
                                                                "nothing can be complete in it")
            said = (check_custodians if claim.kind == "custodians" else check_conversations)(
                self, claim)
        if self.gone:
            self.report.note("The log says that what is said to be erased was to be kept until "
                             f"{when(self.locked // 1000)}, or less long.")
        for key, item in sorted(self.gone.items(), key=lambda one: one[1]):
            if key in self.opened:
                self.report.wrong(item, "is said to be erased, and what lies under the same key is "
                                        "open in this package")
        return said

    def certified(self) -> str:
        """certificate.json says what was found here."""
        limit = CERTIFICATE_BYTES_MAX + CERTIFICATE_FILE_BYTES * len(self.bag.sizes)
        said = self.bag.json(CERTIFICATE, limit, CERTIFICATE_PIECES_MAX)
        report = self.report
        with report.about(CERTIFICATE):
            shaped(said, CERTIFIED)
            require(said["export_id"] == self.export_id, "names another export than the seal")
            require(self.named == self.export_id, "bag-info.txt names another export than the seal")
            for names, found in self._found():
                stated: Any = said
                for name in names:
                    stated = stated[name]
                if stated != found:
                    report.wrong(CERTIFICATE, f"says {safe(spelled(stated))} ({', '.join(names)}); "
                                              f"found was {safe(spelled(found))}")
            counts = said["counts"]
            require(counts["exported"] + counts["context"] == self.documents,
                    f"counts {counts['exported']} and {counts['context']} messages; found were "
                    f"{self.documents}")
            require(counts["matched"] == counts["exported"] + sum(self.stay.values()),
                    f"counts {counts['matched']} messages that were asked for; here are "
                    f"{counts['exported']}, and {sum(self.stay.values())} stay behind")
            require(len(said["time_stamps"]) == len(self.stamps) and all(
                (one["authority"], one["size"], one["token"]) == found[:3]
                and (None in (one["at"], found[3]) or one["at"] // 1000 == found[3])
                for one, found in zip(said["time_stamps"], self.stamps)),  # noqa: B905 - as many
                "names other time stamps than trust.json, or other times than theirs")
            self._certified_files(said["files"])
            if self.cells.trials - {said["trial"]}:
                report.note("The certificate says that the archive is "
                            f"{'a' if said['trial'] else 'no'} trial; the log says of some of its "
                            "cells that they are otherwise.")
        return f"it says what was found: {self.records} records of {self.documents} messages."

    def _found(self) -> Iterator[tuple[tuple[str, ...], Any]]:
        """(names in the certificate, what was found) of what both know."""
        bag, head, trust, claim = self.bag, self.head, self.trust, self.claim
        yield ("counts", "records"), self.records
        yield ("counts", "conversations"), self.places.conversations()
        yield ("counts", "withheld"), {
            reason: {"messages": self.stay.get(reason, 0), "records": count}
            for reason, count in self.reasons.items()}
        files = [bag.sizes[path] for path in bag.below(FILES)]
        yield ("counts", "files"), len(files)
        yield ("counts", "file_bytes"), sum(files)
        yield ("counts", "files_missing"), self.files_missing
        yield ("documents",), {name: f"{self.prefix}-{one:07d}" if one else ""
                               for name, one in (("first", self.first), ("last", self.last))}
        yield ("capture",), {name: sorted(found) for name, found in self.capture.items()}
        yield ("key_ids",), sorted(f"{domain}/{number}" for domain, number in self.cells.keys)
        first, last = self.cells.retained or (0, 0)
        yield ("retention", "first"), first
        yield ("retention", "last"), last
        if head is not None:
            yield ("checkpoint", "origin"), head.origin
            yield ("checkpoint", "size"), head.size
            yield ("checkpoint", "root"), head.root.hex()
            with contextlib.suppress(Wrong, UnicodeDecodeError):
                yield ("checkpoint", "note"), bag.read(CHECKPOINT).decode("utf-8")
        if trust is not None:
            signed = next((one for one in trust.log if one in self.signers), None)
            yield ("verify", "command"), COMMAND
            if signed is not None:
                yield ("verify", "with_key"), (
                    f"{COMMAND} --log-key {shlex.quote(vkey(signed))} "
                    f"--package-key {shlex.quote(vkey(trust.package))}")
            yield ("log_keys",), [vkey(one) for one in trust.log]
            yield ("package_key",), vkey(trust.package)
            yield ("cosignatures",), [
                {"name": key.name, "key": vkey(key), "at": time * 1000}
                for one in trust.witnesses for key, time in self.seen if key == one]
        if claim is not None:
            yield ("completeness",), {"kind": claim.kind, "why": claim.why}
            yield ("period",), {"since": claim.since, "until": claim.until}
        payload = [size for path, size in bag.sizes.items() if path.startswith("data/")]
        yield ("payload",), {"files": len(payload), "bytes": sum(payload)}
        with contextlib.suppress(Wrong):
            yield ("manifests", MANIFEST), bag.hash(MANIFEST).hex()

    def _certified_files(self, files: Any) -> None:
        """The payload, file by file."""
        count = sum(path.startswith("data/") for path in self.bag.sizes)
        require(len(files) == count, "does not list the files of data/ each once")
        before = ""
        for one in files:
            shaped(one, {"path": is_text, "bytes": is_number, "sha256": is_hex(32)})
            path = one["path"]
            require(before < path and path.startswith("data/"),
                    f"lists {safe(path)} out of order, twice, or without it being in data/")
            require(self.bag.sizes.get(path) == one["bytes"]
                    and self.bag.known(path).hex() == one["sha256"],
                    f"states another size or SHA-256 of {safe(path)} than it has")
            before = path


def told(text: str, kind: int, option: str) -> Key:
    """A key that was given on the command line. Raises Unusable."""
    try:
        return read_key(text, kind)
    except Wrong as error:
        raise Unusable(f"{option} {safe(text)}: {error}") from error


def vkey(key: Key) -> str:
    """As it is written into files."""
    body = base64.b64encode(bytes([key.kind]) + key.public).decode()
    return f"{key.name}+{key.key_id.hex()}+{body}"


def when(seconds: int | None) -> str:
    """A time in words, UTC."""
    if seconds is None or seconds > 253_000_000_000:
        return "no time"
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def number(text: str) -> int | None:
    """A number in its one spelling, or None."""
    return int(text) if re.fullmatch("0|[1-9][0-9]{0,18}", text) else None


@dataclass(frozen=True)
class Trust:
    """Whose signatures count, as the package says."""

    origin: str
    log: list[Key]
    witnesses: list[Key]
    authorities: list[dict[str, Any]]
    package: Key


def read_trust(value: Any) -> Trust:
    """trust.json. Raises Wrong."""
    said = shaped(value, TRUSTED)
    require(len(said["log"]) + len(said["witnesses"]) + len(said["authorities"]) <= 1000,
            "names too many")
    return Trust(said["origin"], [read_key(one, LOG_KEY) for one in said["log"]],
                 [read_key(one, WITNESS_KEY) for one in said["witnesses"]],
                 [shaped(one, AUTHORITY) for one in said["authorities"]],
                 read_key(said["package"], LOG_KEY))


@dataclass(frozen=True)
class Claim:
    """What is said to be complete."""

    kind: str
    why: str
    since: int | None
    until: int | None
    domains: list[dict[str, Any]]
    tags: list[tuple[str, bytes]]
    facts: dict[str, dict[str, Any]]   # of `domains`, by domain
    names: frozenset[str]              # whose they are


def read_claim(value: Any) -> Claim:
    """complete.json. Raises Wrong."""
    said = shaped(value, CLAIM)
    domains = [shaped(one, DOMAIN) for one in said["domains"]]
    named = [shaped(one, NAMED) for one in said["conversations"]]
    tags = [(one["conversation"], bytes.fromhex(one["tag"])) for one in named]
    require(len(set(tags)) == len(tags), "names a conversation's tag twice")
    require(len({one["domain"] for one in domains}) == len(domains), "names a domain twice")
    require(bool(domains) == (said["kind"] != "none"),
            "claims something of no key domain" if not domains else "claims nothing, of domains")
    require(bool(tags) == (said["kind"] == "conversations"),
            "claims something of no conversation" if not tags
            else "names conversations, and claims nothing of them")
    for one in domains:
        # Reserved domains say themselves what they are: twelve zero bytes, role, year, month.
        role = ROLES[one["role"]]
        ends = struct.pack(">BHB", role, int(one["month"][:4]), int(one["month"][5:])).hex()
        require(one["domain"] == "00" * 12 + ends if role else one["domain"][:24] != "00" * 12,
                f"says of domain {one['domain']} what it does not stand for")
        require(not role or one["custodian"] == one["compartment"] == "",
                f"says whose domain {one['domain']} is, which is nobody's")
    return Claim(said["kind"], said["why"], said["since"], said["until"], domains, tags,
                 {one["domain"]: one for one in domains},
                 frozenset(one["custodian"] for one in domains))


# -- Cells and places: small numbers for each record, so that any number of them fits -------------

class Cells:
    """cells.jsonl, found again by leaf. Keeps 17 bytes a cell, and a few of them read."""

    def __init__(self, bag: Bag) -> None:
        self._bag = bag
        self._leaves, self._at, self._used = array("Q"), array("Q"), bytearray()
        self._read: dict[int, Cell] = {}
        self.keys: set[tuple[str, int]] = set()
        self.trials: set[bool] = set()   # whether cells are of a trial
        self.retained: list[int] = []    # until when: the earliest and the latest

    def add(self, leaf: int, at: int, cell: Cell) -> None:
        """A line that was checked; leaves ascend."""
        self._leaves.append(leaf)
        self._at.append(at)
        self._used.append(0)
        self.keys.add(cell.key)
        self.trials.add(cell.trial)
        self.retained = [min([*self.retained[:1], cell.retain_until]),
                         max([*self.retained[1:], cell.retain_until])]

    def get(self, leaf: int) -> Cell:
        """The cell of a leaf, which is used from now on. Raises Wrong."""
        row = bisect_left(self._leaves, leaf)
        require(row < len(self._leaves) and self._leaves[row] == leaf,
                f"its cell (leaf {leaf}) is not in {CELLS}, or is wrong there")
        self._used[row] = 1
        known = self._read.get(leaf)
        if known is None:
            if len(self._read) >= 4096:
                self._read.clear()
            said = read_json(self._bag.line_at(CELLS, self._at[row], CELL_LINE_MAX), spelling=True)
            known = self._read[leaf] = read_entry(said["entry"].encode("utf-8"))
        return known

    def unused(self) -> Iterator[int]:
        """Leaves that nobody asked for."""
        return (self._leaves[row] for row, used in enumerate(self._used) if not used)


def neighbours(rows: list[int]) -> Iterator[tuple[int, int]]:
    """Each with the one behind it."""
    return zip(rows, itertools.islice(rows, 1, None))  # noqa: B905 - not in Python 3.9


@dataclass
class Held:
    """Of one conversation of the package in one cell: how many records are here, how many stay
    behind, and of those that are here how many of each conversation of the archive (0: unknown)."""

    here: int = 0
    behind: int = 0
    natives: dict[int, int] = field(default_factory=dict)

    @property
    def is_plain(self) -> bool:
        """Whether each record is known by its conversation in the archive."""
        return not self.behind and 0 not in self.natives


class Places:
    """Where records lie: of each its leaf and position, its address, its conversation in the
    package and, where that is known, in the archive."""

    def __init__(self) -> None:
        self._place, self._offset = array("Q"), array("Q")
        self._index, self._partition, self._record = array("Q"), array("Q"), array("Q")
        self._conversation, self._native = array("Q"), array("Q")
        self._natives: dict[tuple[str, str], int] = {}
        self._partitions: dict[tuple[str, int], int] = {}
        self._order: list[int] | None = None

    def add(self, leaf: int, position: int, conversation: str,
            address: tuple[Cell, int, int] | None, record: int) -> int:
        """One more, and its row. `address` None: not known any more; `record` 0: it stays behind.
        """
        where, offset, index = 0, 0, 0
        if address is not None:
            cell, offset, index = address
            key = cell.topic_id, cell.partition
            where = self._partitions.setdefault(key, len(self._partitions) + 1)
        self._place.append(leaf << 31 | position)
        self._offset.append(offset)
        self._index.append(index)
        self._partition.append(where)
        self._record.append(record)
        self._conversation.append(int(conversation[2:] or 0))
        self._native.append(0)
        return len(self._native) - 1

    def tell(self, row: int, channel: str, conversation: str) -> None:
        """Which conversation of the archive a record is of: what its tag was made of (PROTOCOL T4).
        """
        self._native[row] = self._natives.setdefault((channel, conversation),
                                                     len(self._natives) + 1)

    def conversations(self) -> int:
        """How many the package tells apart."""
        return len(set(self._conversation) - {0})

    def wrong(self) -> Iterator[tuple[str, str]]:
        """(item, what) of each place and address that stands twice, and of places whose addresses
        do not ascend as those of a cell do."""
        order = self.in_order()
        for one, other in neighbours(order):
            if self._place[one] == self._place[other]:
                yield self._name(other), "its place in the log stands twice in the package"
            elif (self._place[one] >> 31 == self._place[other] >> 31 and self._partition[one]
                  and self._partition[other] and self._address(one) >= self._address(other)):
                yield self._name(other), "it does not stand in its cell where its address belongs"
        known = [row for row in range(len(self._place)) if self._partition[row]]
        known.sort(key=self._address)
        for one, other in neighbours(known):
            if self._address(one) == self._address(other) \
                    and self._place[one] != self._place[other]:
                yield self._name(other), "its address stands twice in the package"

    def in_order(self) -> list[int]:
        """Rows by leaf and position."""
        if self._order is None:
            self._order = sorted(range(len(self._place)), key=self._place.__getitem__)
        return self._order

    def by_leaf(self) -> Iterator[tuple[int, dict[int, Held]]]:
        """(leaf, conversation -> what of it is there), leaves ascending."""
        for leaf, rows in itertools.groupby(self.in_order(), lambda row: self._place[row] >> 31):
            counts: dict[int, Held] = {}
            for row in rows:
                held = counts.setdefault(self._conversation[row], Held())
                if self._record[row]:
                    held.here += 1
                    native = self._native[row]
                    held.natives[native] = held.natives.get(native, 0) + 1
                else:
                    held.behind += 1
            yield leaf, counts

    def _address(self, row: int) -> tuple[int, int, int]:
        return self._partition[row], self._offset[row], self._index[row]

    def _name(self, row: int) -> str:
        record, place = self._record[row], self._place[row]
        where = f"leaf {place >> 31}, position {place & POSITIONS_MAX - 1}"
        return f"{EVENTS}, record {record} ({where})" if record else f"{WITHHELD} ({where})"


# -- The whole log, from its static files (C2SP tlog-tiles) ---------------------------------------

class WholeLog:
    """Recomputed from its entries; keeps of each cell of the claimed domains what is asked later.
    """

    def __init__(self) -> None:
        self.root, self.is_true = b"", False
        self.roots: dict[int, bytes] = {}
        self.claimed: list[tuple[int, Cell]] = []
        self._levels: list[tuple[int, list[bytes]]] = []
        self._expected: set[str] = set()

    def read(self, bag: Bag, report: Report, size: int, domains: set[str],
             sizes: set[int]) -> set[str]:
        """Every entry and every tile; the files that the log consists of. `sizes`: of which the
        root is wanted too. Raises Wrong where entries are missing."""
        edge, index = Edge(), 0
        self._expected = {LOG + "checkpoint"}
        while edge.size < size:
            width = min(256, size - edge.size)
            for entry in self._bundle(bag, tile_path("entries", index, width), width):
                with report.about(f"{LOG}, leaf {edge.size}"):
                    cell = read_entry(entry)
                    if cell.domain in domains:
                        self.claimed.append((edge.size, cell))
                leaf = leaf_hash(entry)
                edge.add(leaf)
                self._grow(bag, report, 0, leaf)
                if edge.size in sizes:
                    self.roots[edge.size] = edge.root()
            index += 1
        for level, (at, hashes) in enumerate(self._levels):
            if hashes:
                self._tile(bag, report, level, at, hashes)
        self.root = edge.root()
        return self._expected

    def _bundle(self, bag: Bag, path: str, width: int) -> Iterator[bytes]:
        self._expected.add(path)
        body, at = bag.read(path, 256 * 65_537), 0
        for _ in range(width):
            end = at + 2 + int.from_bytes(body[at:at + 2], "big")
            if at + 2 > len(body) or end > len(body):
                raise Wrong("an entry is cut", path)
            yield body[at + 2:end]
            at = end
        if at != len(body):
            raise Wrong("it has more entries than its name says", path)

    def _grow(self, bag: Bag, report: Report, level: int, one: bytes) -> None:
        if len(self._levels) == level:
            self._levels.append((0, []))
        at, hashes = self._levels[level]
        hashes.append(one)
        if len(hashes) == 256:
            self._tile(bag, report, level, at, hashes)
            above = Edge()
            for each in hashes:
                above.add(each)
            self._levels[level] = at + 1, []
            self._grow(bag, report, level + 1, above.root())

    def _tile(self, bag: Bag, report: Report, level: int, at: int, hashes: list[bytes]) -> None:
        path = tile_path(str(level), at, len(hashes))
        self._expected.add(path)
        with report.about(path):
            require(bag.read(path, 8192) == b"".join(hashes), "is not what the entries give")


def tile_path(level: str, index: int, width: int) -> str:
    """1234067 -> x001/x234/067."""
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.append(f"x{index % 1000:03d}")
    return (f"{LOG}tile/{level}/{'/'.join(reversed(groups))}"
            + (f".p/{width}" if width < 256 else ""))


# -- Time stamps (RFC 3161), by openssl -----------------------------------------------------------

STAMP_TIME = re.compile(r"^Time stamp: (\w{3}) +(\d+) (\d\d):(\d\d):(\d\d)(?:\.\d+)? (\d{4}) GMT$",
                        re.MULTILINE)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def check_stamps(check: Check) -> str:
    """Each authority of trust.json: its stamp is over a head that the log signed."""
    trust, bag, report = check.trust, check.bag, check.report
    if trust is None:
        raise Wrong("without a trust.json that reads nobody's stamp can be told")
    used, sentences = set(), []
    for one in trust.authorities:
        folder = one["token"].rpartition("/")[0] + "/"
        with report.about(PROOF + one["token"]):
            require(re.fullmatch(r"timestamps/(0|[1-9][0-9]{0,18})/", folder) is not None
                    and one["roots"].rpartition("/")[0] + "/" == folder
                    and PROOF + one["token"] not in used, "is not where a time stamp lies")
            paths = [PROOF + path for path in (folder + "checkpoint", one["token"], one["roots"])]
            used.update(paths)
            for path in paths:
                bag.open(path).close()
            head = stamped_head(check, paths[0])
            at = by_openssl(check, paths, one["name"])
            check.stamps.append((one["name"], head.size, paths[1], at))
            sentences.append(f"{safe(one['name'])} stamped the head of {head.size} entries, " + (
                "which was NOT CHECKED" if at is None else f"at {when(at)} (checked by openssl)"))
    for path in sorted(set(bag.below(STAMPS)) - used):
        report.wrong(path, "trust.json names no such time stamp: it was added")
    if not trust.authorities:
        report.note("No time stamp authority put a time to this head.")
        return "none, and there need not be any."
    return "; ".join(sentences) + "."


def stamped_head(check: Check, path: str) -> Head:
    """The head that was stamped, if the log signed it and it is a head of this log."""
    try:
        _, head, _ = head_signed(check.bag.read(path), check.log_keys())
    except Wrong as error:
        raise Wrong(str(error), path) from error
    known = check.head
    if known is None:
        return head
    if f"/{head.size}/" not in path or head.origin != known.origin:
        raise Wrong("is a head of another log, or of another size than its folder says", path)
    root = known.root if head.size == known.size else check.log.roots.get(head.size)
    if root is None:
        check.report.note(f"The stamp is over another head of the log, of {head.size} entries. The "
                          f"log signed both; that the head of {known.size} grew out of it cannot "
                          "be computed here, because the whole log is not in the package.")
    elif root != head.root:
        raise Wrong("is a head that the log has never had", path)
    elif head.size != known.size:
        check.report.note(f"The stamp is over an earlier head of the log, of {head.size} entries: "
                          "it says nothing of what was added after that.")
    return head


def find_openssl() -> str:
    """On the PATH, in folders that are named whole. On Windows `shutil.which` would find a program
    in the folder that one stands in, which may be the package; "" = there is none."""
    for folder in os.get_exec_path():
        for name in ("openssl", "openssl.exe"):
            path = os.path.join(folder, name)
            if os.path.isabs(folder) and os.path.isfile(path) and os.access(path, os.X_OK):
                return path
    return ""


def by_openssl(check: Check, paths: list[str], name: str) -> int | None:
    """When it was stamped (UTC seconds), as openssl says; None: not checked. Raises Wrong where it
    is not good."""
    program = check.asked.openssl or find_openssl()
    files = [os.path.join(os.path.abspath(check.bag.root), *path.split("/")) for path in paths]
    roots = check.bag.read(paths[2])
    check.report.note(f"The roots of {name} are those that the package brings (SHA-256 of the file "
                      f"{sha256(roots).hex()}). Compare them with what the authority publishes.")
    version = run_openssl([program, "version"])[1] if program else ""
    if not program or not version.startswith("OpenSSL "):
        check.report.note(f"The time stamp of {name} was not checked: there is no OpenSSL here. "
                          f"With it: openssl ts -verify -data {paths[0]} -in {paths[1]} "
                          f"-CAfile {paths[2]}")
        return None
    _, said = run_openssl([program, "ts", "-reply", "-in", files[1], "-text"])
    found = STAMP_TIME.findall(said)
    require(len(found) == 1 and found[0][0] in MONTHS, "is no time stamp that openssl reads")
    month, day, hour, minute, second, year = found[0]
    try:
        moment = datetime(int(year), MONTHS.index(month) + 1, int(day), int(hour), int(minute),
                          min(int(second), 59), tzinfo=UTC)
    except ValueError as error:
        raise Wrong("has a time that is none") from error
    code, said = run_openssl([program, "ts", "-verify", "-data", files[0], "-in", files[1],
                              "-CAfile", files[2], "-attime", str(int(moment.timestamp()))])
    require(code == 0 and "Verification: OK" in said,
            f"openssl says that it is not a stamp over {paths[0]}: {safe(said, 300)}")
    return int(moment.timestamp())


def run_openssl(command: list[str]) -> tuple[int, str]:
    """(exit code, what it said). An openssl that hangs or cannot start said nothing."""
    environment = {**os.environ, "LC_ALL": "C", "OPENSSL_CONF": os.devnull}
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=OPENSSL_SECONDS_MAX, check=False,
                              env=environment)
    except (OSError, subprocess.TimeoutExpired):
        return 1, ""
    return done.returncode, done.stdout.decode("utf-8", "replace")


# -- Records --------------------------------------------------------------------------------------

@dataclass
class PartLine:
    """A record that is a part of a large event."""

    record: int
    number: int
    at: int
    is_first: bool
    body: bytes
    row: int                        # of Places
    place: tuple[int, ...]          # its address in the log, without the topic
    about: tuple[str, bytes]        # kind and message key of the whole


@dataclass(frozen=True)
class Excerpt:
    """A record's range of a delivery whose whole is in record `of`; 0: in none, as it is said."""

    of: int
    record: int
    start: int
    end: int
    sha256: bytes
    delivery: bytes


def choices(total: int, parts: list[PartLine],
            first: PartLine | None) -> Iterator[tuple[PartLine, ...]]:
    """One part of each number: those that follow `first` in the log, as one sender sent them, then
    every choice; parts that say the same are one."""
    if first is not None:
        chain = [first]
        for one in sorted(parts, key=lambda part: part.place):
            if one.number == len(chain) and one.place > chain[-1].place:
                chain.append(one)
        if len(chain) == total:
            yield tuple(chain)
    bodies: list[dict[bytes, PartLine]] = [{} for _ in range(total)]
    for one in parts:
        bodies[one.number].setdefault(one.body, one)
    yield from itertools.product(*(list(one.values()) for one in bodies))


class Records:
    """events.jsonl and its proofs, line by line; a document at a time is kept."""

    def __init__(self, check: Check) -> None:
        self.check, self.bag, self.report = check, check.bag, check.report
        self.lines_at = array("Q")
        self.raw = set(self.bag.below(RAW))
        self.files = self._attached()
        self.slices: list[Excerpt] = []
        self.delivered, self.deliverer = array("Q"), array("Q")   # id's first 8 bytes, record
        self.document, self.number, self.row = "", 0, 0
        self.conversation = self.custodian = ""
        self.key: bytes | None = None
        self.keys, self.keyed = bytearray(), array("Q")           # message keys, their documents
        self.custodians: set[str] = set()
        self.hashes: set[str] = set()
        self.stored: set[str] = set()
        self.sets: dict[tuple[bytes, int], list[PartLine]] = {}   # of one event, cut into so many
        self.ahead = 0                                            # later than its key domain
        self.bodies: dict[int, bytes] = {}                        # of the parts of one of them
        self.failed = 0                                           # tries to put parts together

    def run(self) -> str:
        """Every record; the sentence."""
        lines, proofs = (self.bag.lines(path, limit) for path, limit in (
            (EVENTS, EVENT_LINE_MAX), (PROOFS, PROOF_LINE_MAX)))
        row = 0
        for line, proof in itertools.zip_longest(lines, proofs):
            row += 1
            if line is None or proof is None:
                self.report.wrong(f"{PROOFS if line is None else EVENTS}, record {row}",
                                  "this proof belongs to no record" if line is None else
                                  "this record has no proof")
                continue
            self.lines_at.append(line[0])
            with self.report.about(f"{EVENTS}, record {row}"):
                self._record(row, line[0], line[1], proof[1])
        self.check.records = len(self.lines_at)
        self._close()
        self._deliveries()
        self._repeated()
        for path in sorted(self.raw):
            self.report.wrong(path, "no record names this file: it was added, or its record was "
                                    "removed")
        for document, paths in sorted(self.files.items()):
            for path in paths:
                self.report.wrong(path, f"there is no document {document} that it belongs to")
        excerpts = sum(not one.of for one in self.slices)
        if excerpts:
            self.report.note(f"{excerpts} files in {RAW} are ranges of deliveries of which "
                             "the rest is not in the package: hash and seal alone cover them.")
        if self.check.files_missing:
            self.report.note(f"{self.check.files_missing} files that records name as stored are "
                             "not in the package.")
        if self.ahead:
            self.report.note(f"{self.ahead} records are of a later month than {COMPLETE} says of "
                             "their key domain: a clock was ahead, or it says the wrong month.")
        self.check.last = self.number
        return (f"{self.check.records} records of {self.check.documents} messages: the bytes of "
                "each, with its salt and its place, lead to what the log holds of its cell, and "
                "say what is shown beside them.")

    def _attached(self) -> dict[str, list[str]]:
        out: dict[str, list[str]] = {}
        for path in self.bag.below("data/native/"):
            name = re.fullmatch(r"([A-Z]+-[0-9]+)_[1-9][0-9]*\.[a-z0-9]{1,8}", path[len(FILES):])
            if path.startswith(FILES) and name is not None:
                out.setdefault(name[1], []).append(path)
            elif path != EVENTS and not path.startswith(RAW):
                self.report.wrong(path, "this file has no place here: it was added")
        return out

    # -- one record

    def _record(self, row: int, at: int, line: bytes, proof_line: bytes) -> None:
        record = read_json(line, spelling=True)
        has_whole = isinstance(record, dict) and "whole" in record
        shaped(record, {**RECORD, "whole": lambda value: type(value) is dict} if has_whole
               else RECORD)
        require(record["record"] == row, f"here stands record {record['record']}: lines were "
                                         "removed, added or reordered")
        with self.report.about(f"{EVENTS}, record {row} ({record['document']})"):
            self._enter(record)
            try:
                proof = shaped(read_json(proof_line, spelling=True), RECORD_PROOF)
                require(proof["record"] == row, f"here stands the proof of {proof['record']}")
            except Wrong as error:
                raise Wrong(str(error), f"{PROOFS}, record {row}") from error
            datum = unbase64(record["datum"])
            self._proved(record, proof, datum)
            self._says(record, datum, row, at, has_whole)

    def _enter(self, record: dict[str, Any]) -> None:
        """Documents are numbered from 1 and lie together."""
        if record["document"] == self.document:
            require(record["conversation"] == self.conversation,
                    "is of another conversation than the rest of its document")
            require(record["custodian"] == self.custodian,
                    "is of another custodian than the rest of its document")
            return
        self._close()
        prefix, _, digits = record["document"].partition("-")
        number = int(digits)
        before, self.number = self.number, max(self.number, number)
        self.document, self.conversation = record["document"], record["conversation"]
        self.custodian = record["custodian"]
        require(self.check.prefix in ("", prefix), "has a document id in another spelling")
        self.check.prefix = prefix
        self.check.documents += 1
        self.check.first = self.check.first or number
        require(number > before, "its document does not stand where its number belongs")
        require(number - before + len(self.check.skipped) <= LEFT_OUT_MAX,
                "its document's number leaves out a million others")
        self.check.skipped += [f"{prefix}-{one:07d}" for one in range(before + 1, number)]

    def _proved(self, record: dict[str, Any], proof: dict[str, Any], datum: bytes) -> None:
        """The commitment of the datum leads to the root of its cell."""
        address = shaped(record["address"], ADDRESS)
        leaf, position = proof["leaf"], proof["position"]
        cell = self.check.cells.get(leaf)
        offset, index = address["offset"], address["index"]
        require((address["topic_id"], address["partition"]) == (cell.topic_id, cell.partition)
                and cell.first <= offset <= cell.last and index < 1 << 32,
                f"has an address that is not in the segment of its cell (leaf {leaf})")
        commitment = sha256(b"".join((
            COMMIT_LABEL, bytes.fromhex(proof["salt"]), bytes.fromhex(address["topic_id"]),
            struct.pack(">IQI", address["partition"], offset, index), datum)))
        require(climbs(commitment, position, cell.count, read_path(proof["path"])) == cell.root,
                f"its bytes, salt, address and path do not lead to the root of its cell (leaf "
                f"{leaf}, position {position}): one of them was changed or swapped")
        self.row = self.check.places.add(leaf, position, record["conversation"],
                                         (cell, offset, index), record["record"])
        self.cell = cell
        self.check.opened.add(cell.key)

    def _says(self, record: dict[str, Any], datum: bytes, row: int, at: int,
              has_whole: bool) -> None:
        """`event` is the datum, decoded."""
        name = datum[2:10].hex()
        require(datum[:2] == b"\xc3\x01" and name in self.check.schemas,
                f"has a datum of a schema ({name}) that is not in {SCHEMAS}, or is wrong there")
        said = self.check.schemas[name].read(datum, 10)
        same_as(readable_part(said) if name == PART else readable(said), record["event"], "event")
        require(name == PART or not has_whole, "has a `whole`, and is no part of anything")
        if name in (PART, CAPTURED):
            self._filed(said, said["month"] if name == PART else month_of(ground_time(said)))
        if name == PART:
            require(0 <= said["number"] < said["total"] <= 64, "is a part whose numbers cannot be")
            require(has_whole or record["raw"] is None, "has raw bytes that it cannot have")
            require(not has_whole or said["number"] == 0, "has a `whole`, and is no first part")
            self._same_message(said["message_key"])
            place = tuple(record["address"][name] for name in ("partition", "offset", "index"))
            self.sets.setdefault((said["set_id"], said["total"]), []).append(PartLine(
                row, said["number"], at, has_whole, sha256(said["body"]), self.row, place,
                (said["kind"], said["message_key"])))
        elif name == CAPTURED:
            self._same_message(message_key(said))
            self.check.places.tell(self.row, said["channel"], said["conversation"])
            self._event(record, said)
        else:
            require(record["raw"] is None, "has raw bytes that it cannot have")

    def _filed(self, said: dict[str, Any], month: str) -> None:
        """What the claim says of the cell's domain is what the datum says of itself."""
        self.custodians.add(said["custodian"])
        claim = self.check.claim
        if claim is None or claim.kind == "none":
            return
        facts = claim.facts.get(self.cell.domain)
        if facts is None:
            since = "" if claim.since is None else month_of(claim.since)
            require(claim.kind != "custodians" or month < since or said["custodian"] == ""
                    or said["custodian"] not in claim.names,
                    f"is of {safe(said['custodian'], 60)!r}, and in a key domain that the claim "
                    "leaves out")
            return
        if facts["role"]:
            require(said["custodian"] == "", f"is of {safe(said['custodian'], 60)!r}, in the key "
                                             "domain of nobody")
            return
        # A door whose clock was ahead: the keyring does not believe in a month to come.
        self.ahead += facts["month"] < month
        for name, found in (("custodian", said["custodian"]), ("class", said["retention_class"]),
                            ("compartment", said["compartment"]),
                            ("month", min(month, facts["month"]))):
            require(facts[name] == found, f"is of the {name} {safe(found, 60)!r}; {COMPLETE} says "
                                          f"{safe(facts[name], 60)!r} of its key domain")

    def _same_message(self, key: bytes) -> None:
        require(self.key in (None, key), "is about another message than the rest of its document")
        self.key = key

    def _event(self, record: dict[str, Any], said: dict[str, Any]) -> None:
        """An event, of one record or put together from parts."""
        self.hashes.update(one["sha256"].hex() for one in said["attachments"] if one["sha256"])
        self.stored.update(one["sha256"].hex() for one in said["attachments"]
                           if one["sha256"] and one["state"] == "stored")
        for name, value in (("adapters", said["source"]), ("channels", said["channel"]),
                            ("provenances", said["provenance"]), ("accounts", said["account"])):
            if value:
                self.check.capture[name].add(value)
        raw, own, delivery = record["raw"], said["raw"], said["delivery"]
        if raw is None:
            require(own is None, "lacks the file with its raw bytes")
            return
        raw = shaped(raw, {**RAW_FILE, "of": is_number} if raw.get("kind") == "slice"
                     else RAW_FILE)
        path, digest = raw["file"], bytes.fromhex(raw["sha256"])
        require(re.fullmatch(rf"{RAW}0*{record['record']}\.(?:json|xml|txt|bin)", path) is not None,
                "names a file of raw bytes that is not its own")
        self.raw.discard(path)
        if self.bag.known(path) != digest or self.bag.sizes.get(path) != raw["bytes"]:
            raise Wrong("this file is missing, or has not the hash or size that its record states",
                        path)
        if raw["kind"] == "own":
            if own is None or sha256(own) != digest:
                raise Wrong("this file is not the raw bytes in its record's datum", path)
            if delivery and delivery["whole"]:
                delivered = h16("counterfoil/delivery/v1", said["captured_at"], own)
                self.delivered.append(int.from_bytes(delivered[:8], "big"))
                self.deliverer.append(record["record"])
            return
        if own is not None or not delivery or delivery["whole"]:
            raise Wrong("is said to be a range of a delivery; by its datum it is none", path)
        require(0 <= delivery["start"] and raw["bytes"] == delivery["end"] - delivery["start"],
                "has raw bytes of another length than its range")
        of = 0 if raw["kind"] == "excerpt" else raw["of"]
        require(of > 0 or raw["kind"] == "excerpt", "names a record 0 that there is not")
        self.slices.append(Excerpt(of, record["record"], delivery["start"], delivery["end"],
                                   digest, delivery["delivery_id"]))

    # -- the end of a document

    def _close(self) -> None:
        """Parts are put together, files are those that the records name."""
        if not self.document:
            return
        for (set_id, total), parts in sorted(self.sets.items()):
            with self.report.about(f"{EVENTS}, record {parts[0].record} ({self.document})"):
                self._join(set_id, total, parts)
        for path in self.files.pop(self.document, ()):
            if self.bag.known(path).hex() not in self.hashes:
                self.report.wrong(path, f"no record of {self.document} names a file of this "
                                        "SHA-256")
            self.stored.discard(self.bag.known(path).hex())
        self.check.files_missing += len(self.stored)
        if self.key is not None:
            self.keys += self.key
            self.keyed.append(self.number)
        if self.custodians and "" not in self.custodians:
            with self.report.about(f"{EVENTS}, {self.document}"):
                require(self.custodian in self.custodians,
                        f"is said to be of {safe(self.custodian, 60)!r}; its records say "
                        f"{safe(', '.join(sorted(self.custodians)), 200)}")
        self.key, self.document = None, ""
        self.hashes, self.sets, self.stored, self.custodians = set(), {}, set(), set()

    def _repeated(self) -> None:
        """What is said of one message is one document: its edits and its retraction are in it."""
        def key(row: int) -> bytes:
            return bytes(self.keys[16 * row:16 * row + 16])

        order = sorted(range(len(self.keyed)), key=key)
        for one, other in neighbours(order):
            if key(one) == key(other):
                prefix = self.check.prefix
                self.report.wrong(f"{EVENTS}, {prefix}-{self.keyed[other]:07d}",
                                  f"is about the same message as {prefix}-{self.keyed[one]:07d}: "
                                  "they belong together")

    def _join(self, set_id: bytes, total: int, parts: list[PartLine]) -> None:
        """`whole` is the event that the parts give; where they give one, it is there."""
        there, budget = len({one.number for one in parts}), [JOINED_BYTES_MAX]
        firsts = [one for one in parts if one.is_first]
        if not firsts:
            made = self._made(set_id, total, parts, None, None, budget) if there == total else None
            require(made is None, "lacks `whole`, though all its parts are here")
            more = "" if min(*budget, FAILED_BYTES_MAX - self.failed) > 0 else (
                " Not every way to put them together was tried.")
            self.report.note(f"The event in parts of record {parts[0].record} is not whole here: "
                             f"{there} of {total} parts.{more}")
        for one in firsts:
            with self.report.about(f"{EVENTS}, record {one.record} ({self.document})"):
                record = read_json(self.bag.line_at(EVENTS, one.at, EVENT_LINE_MAX),
                                   spelling=False)
                made = self._made(set_id, total, parts, one, record["whole"], budget)
                if made is None:
                    raise Wrong("its `whole` is not what its parts say")
                said, used = made
                self._same_message(message_key(said))
                for part in used:
                    self.check.places.tell(part.row, said["channel"], said["conversation"])
                self._event(record, said)
        self.bodies.clear()

    def _made(self, set_id: bytes, total: int, parts: list[PartLine], first: PartLine | None,
              whole: dict[str, Any] | None, budget: list[int],
              ) -> tuple[dict[str, Any], tuple[PartLine, ...]] | None:
        """The event that some choice of the parts gives and that is shown as `whole`, and the
        choice; what follows `first` in the log is tried before all others."""
        schema = self.check.schemas.get(CAPTURED)
        if schema is None:
            return None
        for chosen in choices(total, parts, first):
            if min(*budget, FAILED_BYTES_MAX - self.failed) <= 0:
                return None
            datum = b"".join(self._body(one.at) for one in chosen)
            with contextlib.suppress(Wrong):
                require(datum[:2] == b"\xc3\x01" and datum[2:10].hex() == CAPTURED, "is no event")
                said = schema.read(datum, 10)
                require(event_id(said) == set_id, "is another event")
                if whole is not None:
                    same_as(readable(said), whole, "whole")
                else:
                    require((said["kind"], message_key(said)) == chosen[0].about,
                            "is another event than its parts are of")
                return said, chosen
            budget[0] -= len(datum) + TRIED_BYTES
            self.failed += len(datum) + TRIED_BYTES
        return None

    def _body(self, at: int) -> bytes:
        known = self.bodies.get(at)
        if known is None:
            record = read_json(self.bag.line_at(EVENTS, at, EVENT_LINE_MAX), spelling=False)
            known = bytes(self.check.schemas[PART].read(unbase64(record["datum"]), 10)["body"])
            if len(self.bodies) >= BODIES_MAX:
                self.bodies.clear()
            self.bodies[at] = known
        return known

    # -- deliveries

    def _deliveries(self) -> None:
        """Each range is that of the delivery it is said to be of, or that is here all the same."""
        self._found_wholes()
        self.slices.sort(key=lambda one: (one.of, one.record))
        for of, group in itertools.groupby(self.slices, key=lambda one: one.of):
            if not of:
                continue
            body: bytes | None = None
            name = b""
            for one in group:
                with self.report.about(f"{EVENTS}, record {one.record}"):
                    if body is None:
                        body, name = self._delivery(of)
                    require(name == one.delivery, f"came in another delivery than record {of}")
                    require(sha256(body[one.start:one.end]) == one.sha256,
                            f"its raw bytes are not its range of the delivery in record {of}")

    def _found_wholes(self) -> None:
        """What is called an excerpt, though a record here has its delivery whole, is a slice."""
        wanted = {int.from_bytes(one.delivery[:8], "big") for one in self.slices if not one.of}
        wholes: dict[bytes, int] = {}
        for short, record in zip(self.delivered, self.deliverer):  # noqa: B905 - as many
            if short in wanted:
                with contextlib.suppress(Wrong):
                    wholes.setdefault(self._delivery(record)[1], record)
        for row, one in enumerate(self.slices):
            if not one.of and one.delivery in wholes:
                self.slices[row] = replace(one, of=wholes[one.delivery])

    def _delivery(self, of: int) -> tuple[bytes, bytes]:
        """(body, id) of the delivery that a record holds whole."""
        require(0 < of <= len(self.lines_at), f"names a record {of} that there is not")
        record = read_json(self.bag.line_at(EVENTS, self.lines_at[of - 1], EVENT_LINE_MAX),
                           spelling=False)
        shown = record.get("whole", record.get("event")) if isinstance(record, dict) else None
        raw = record.get("raw") if isinstance(record, dict) else None
        if (not isinstance(shown, dict) or not isinstance(raw, dict) or raw.get("kind") != "own"
                or not isinstance(shown.get("delivery"), dict)
                or shown["delivery"].get("whole") is not True
                or not is_number(shown.get("captured_at"))):
            raise Wrong(f"names record {of}, which holds no whole delivery")
        body = self.bag.read(str(raw.get("file")), RAW_BYTES_MAX)
        return body, h16("counterfoil/delivery/v1", shown["captured_at"], body)


def same_as(found: dict[str, Any], shown: dict[str, Any], name: str) -> None:
    """Raises Wrong with the first field that differs."""
    if spelled(found) == spelled(shown):
        return
    for one in sorted({*found, *shown}):
        if one not in shown or one not in found or spelled(found[one]) != spelled(shown[one]):
            raise Wrong(f"what is shown in `{name}` at {safe(one, 40)!r} is not what its datum "
                        "says")


# -- Completeness ---------------------------------------------------------------------------------

class Counted:
    """What the package has in a leaf; asked for leaves in ascending order."""

    def __init__(self, places: Places) -> None:
        self._found = places.by_leaf()
        self._next = next(self._found, None)
        self.outside: dict[int, int] = {}   # conversation -> records where nobody asked

    def at(self, leaf: int) -> dict[int, Held]:
        """conversation -> what of it is there."""
        while self._next is not None and self._next[0] < leaf:
            self._pass()
        if self._next is None or self._next[0] != leaf:
            return {}
        counts = self._next[1]
        self._next = next(self._found, None)
        return counts

    def end(self) -> int:
        """How many records lie in leaves that nobody asked for."""
        while self._next is not None:
            self._pass()
        return sum(self.outside.values())

    def _pass(self) -> None:
        if self._next is not None:
            for name, held in self._next[1].items():
                if held.here:
                    self.outside[name] = self.outside.get(name, 0) + held.here
            self._next = next(self._found, None)


def check_custodians(check: Check, claim: Claim) -> str:
    """Every position of every cell of the domains is here, or listed."""
    counted = Counted(check.places)
    here = behind = 0
    for leaf, cell in check.log.claimed:
        found = counted.at(leaf)
        in_it = sum(one.here for one in found.values())
        left = sum(one.behind for one in found.values())
        here, behind = here + in_it, behind + left
        if in_it + left != cell.count:
            check.report.wrong(f"leaf {leaf}", f"its cell holds {cell.count} events; {in_it} are "
                                               f"here and {left} are listed as withheld")
    names = sorted({safe(one["custodian"]) or "nobody yet" for one in claim.domains})
    erased = check.reasons.get("erased", 0)
    check.report.note(f"The key domains that this is about ({len(claim.domains)}, of "
                      f"{safe(', '.join(names), 400)}) are all of these custodians' by the "
                      "archive's word.")
    if erased:
        check.report.note(f"Of the {behind} withheld {erased} are said to be erased: that their "
                          "key is gone is the archive's word.")
    return finish(check, claim, counted, here, behind, f"the custodians {', '.join(names)}")


def check_conversations(check: Check, claim: Claim) -> str:
    """In each cell of the domains the conversation's tag is open, or its absence is."""
    counted, erased, erased_events = Counted(check.places), 0, 0
    sums, pairs = [0, 0, 0], Pairs(claim)
    lines = tag_lines(check)
    pending = next(lines, None)
    for leaf, cell in check.log.claimed:
        while pending is not None and pending[0] < leaf:
            check.report.wrong(f"{TAGS}, leaf {pending[0]}", "this cell is not one of those that "
                                                             "the claim is about: it was added")
            pending = next(lines, None)
        found = counted.at(leaf)
        if pending is None or pending[0] != leaf:
            check.report.wrong(f"{TAGS}, leaf {leaf}", "this cell of the domains is not shown: "
                                                       "it was removed")
            continue
        with check.report.about(f"{TAGS}, leaf {leaf}"):
            if set(pending[1]) == {"leaf", "erased"} and pending[1]["erased"] is True:
                check.erased(cell, f"{TAGS}, leaf {leaf}")
                require(not any(one.here for one in found.values()),
                        "is said to be erased, and records of it are here")
                erased, erased_events = erased + 1, erased_events + cell.count
            else:
                one_cell(pending[1], claim, cell, found, sums, pairs)
                check.opened.add(cell.key)
        pending = next(lines, None)
    while pending is not None:
        check.report.wrong(f"{TAGS}, leaf {pending[0]}", "this cell is not one of those that the "
                                                         "claim is about: it was added")
        pending = next(lines, None)
    for name, what in pairs.wrong():
        check.report.wrong(name, what)
    check.report.note(f"That the {len(claim.domains)} named key domains are all in which these "
                      "conversations can lie, and which tag a conversation has, is the archive's "
                      "word.")
    if sums[2]:
        check.report.note(f"In {sums[2]} cells none of these conversations is said to be. The key "
                          "that shows it is the exporter's word there; a court can have such a "
                          "cell opened, because the log has fixed its bytes.")
    if erased:
        check.report.note(f"{erased} cells with {erased_events} events of all conversations are "
                          "said to be erased: that their key is gone is the archive's word.")
    said = finish(check, claim, counted, sums[0], sums[1],
                  f"{len({name for name, _ in claim.tags})} conversations")
    for number, count in sorted(counted.outside.items()):
        check.report.wrong(f"C-{number:04d}", f"{count} of its records lie in key domains that the "
                                              "claim leaves out")
    if pairs.unknown:
        check.report.note(f"{pairs.unknown} records do not say of which conversation they are "
                          "(parts of events that are not whole here): that is the exporter's word.")
    return said


def groups_of(tags: list[tuple[str, bytes]]) -> dict[str, tuple[str, ...]]:
    """Of each number those that share a tag with it, itself among them: a receipt may stand under
    a name that is another number's, so what they count is counted together."""
    above: dict[str, str] = {}

    def first(name: str) -> str:
        while name in above:
            above[name] = above.get(above[name], above[name])   # the way is half as long next time
            name = above[name]
        return name

    owners: dict[bytes, str] = {}
    for name, tag in tags:
        one, other = sorted((first(name), first(owners.setdefault(tag, name))))
        if one != other:
            above[other] = one
    members: dict[str, list[str]] = {}
    for name in sorted({name for name, _ in tags}):
        members.setdefault(first(name), []).append(name)
    return {name: tuple(some) for some in members.values() for name in some}


class Pairs:
    """Which conversation of the archive has which of the opened tags. A tag is made of channel and
    conversation, which every event names: so under a number that has one tag all records name the
    same, and in each cell there are as many of a conversation as its tag counts. Numbers that share
    a tag are looked at together."""

    def __init__(self, claim: Claim) -> None:
        self.groups = groups_of(claim.tags)
        self._tags: dict[tuple[str, ...], dict[bytes, dict[int, int]]] = {}     # leaf -> count
        self._natives: dict[tuple[str, ...], dict[int, dict[int, int]]] = {}    # the same
        self._loose: dict[tuple[str, ...], set[int]] = {}  # where more may stay behind, or be it
        self.unknown = 0                         # records that do not say of which they are
        for name, tag in claim.tags:
            group = self.groups[name]
            self._tags.setdefault(group, {})[tag] = {}
            self._natives[group], self._loose[group] = {}, set()

    def add(self, leaf: int, group: tuple[str, ...], counts: dict[bytes, int], held: Held) -> None:
        """A cell: what the tags of a group count, and what of it is here."""
        for tag, count in counts.items():
            if count:
                self._tags[group][tag][leaf] = count
        for native, here in held.natives.items():
            if native:
                self._natives[group].setdefault(native, {})[leaf] = here
        self.unknown += held.natives.get(0, 0)
        if not held.is_plain:
            self._loose[group].add(leaf)

    def wrong(self) -> Iterator[tuple[str, str]]:
        """(numbers, what) where no tag can be that of a conversation whose records are here."""
        names: dict[int, tuple[str, ...]] = {}
        for group, natives in self._natives.items():
            name = ", ".join(group)
            for native in natives:
                if names.setdefault(native, group) != group:
                    yield name, ("records of the same conversation stand under "
                                 f"{', '.join(names[native])}, too")
            tags = [one for one in self._tags[group].values() if one]
            if len(natives) > len(tags):
                yield name, (f"records of {len(natives)} conversations of the archive stand under "
                             f"it, and the claim shows {len(tags)}: some are of another one")
            elif not self._is_paired(list(natives.values()), tags, self._loose[group]):
                yield name, ("its records are not those that the opened tags count: some are of "
                             "another conversation, or stand under the wrong number")

    @staticmethod
    def _is_paired(natives: list[dict[int, int]], tags: list[dict[int, int]],
                   loose: set[int]) -> bool:
        """Whether each conversation can have a tag of its own."""
        # Where one counts exactly what a tag does, the tag is its own: whoever else fits it fits
        # the tag that this one would have had.
        exact: dict[tuple[tuple[int, int], ...], list[int]] = {}
        for at, tag in enumerate(tags):
            exact.setdefault(tuple(sorted(tag.items())), []).append(at)
        given: set[int] = set()
        rest: list[dict[int, int]] = []
        for native in natives:
            same = exact.get(tuple(sorted(native.items())))
            if same:
                given.add(same.pop())
            else:
                rest.append(native)
        left = [tag for at, tag in enumerate(tags) if at not in given]
        require(len(rest) * len(left) <= PAIRS_MAX, "has too many conversations of which something "
                                                    "stays behind to tell them apart")

        def fits(native: dict[int, int], tag: dict[int, int]) -> bool:
            return all(native.get(leaf, 0) == tag.get(leaf, 0) or (
                leaf in loose and native.get(leaf, 0) < tag.get(leaf, 0))
                for leaf in {*native, *tag})

        taken: dict[int, int] = {}

        def place(row: int, tried: set[int]) -> bool:
            for at, tag in enumerate(left):
                if at not in tried and fits(rest[row], tag):
                    tried.add(at)
                    if at not in taken or place(taken[at], tried):
                        taken[at] = row
                        return True
            return False

        return all(place(row, set()) for row in range(len(rest)))


def tag_lines(check: Check) -> Iterator[tuple[int, dict[str, Any]]]:
    """(leaf, line) of tags.jsonl, in order; what does not read is wrong and left out."""
    before = -1
    for row, (_, line) in enumerate(check.bag.lines(TAGS, TAGS_LINE_MAX), 1):
        found: tuple[int, dict[str, Any]] | None = None
        with check.report.about(f"{TAGS}, line {row}"):
            said = read_json(line, spelling=True)
            require(isinstance(said, dict) and is_number(said.get("leaf")), "names no leaf")
            require(said["leaf"] > before, f"leaf {said['leaf']} is not in order, or twice")
            before = said["leaf"]
            found = before, said
        if found is not None:
            yield found


def one_cell(said: dict[str, Any], claim: Claim, cell: Cell, found: dict[int, Held],
             sums: list[int], pairs: Pairs) -> None:
    """The tags of a cell. `sums`: here, behind, cells without any of them. Raises Wrong."""
    shaped(said, {"leaf": is_number, "tag_key": is_hex(32), "tags": is_number, "open": is_list})
    require(0 < said["tags"] <= cell.count, "says a number of tags that cannot be")
    require(len(said["open"]) == len(claim.tags), "does not show each conversation once")
    key = bytes.fromhex(said["tag_key"])
    counts: dict[tuple[str, ...], dict[bytes, int]] = {}
    for (name, tag), one in zip(claim.tags, said["open"]):  # noqa: B905 - the same number
        blinded = hmac.new(key, tag, hashlib.sha256).digest()
        require(isinstance(one, dict) and one.get("conversation") == name,
                f"does not show {name} in its place")
        show = present if "at" in one else absent
        counts.setdefault(pairs.groups[name], {})[tag] = show(
            one, blinded, said["tags"], cell.tags_root)
    for group, stated in counts.items():
        held = together(found, group)
        require(held.here + held.behind == sum(stated.values()),
                f"the archive has {sum(stated.values())} events of {', '.join(group)} in this "
                f"cell; {held.here} are here and {held.behind} are listed as withheld")
        sums[0], sums[1] = sums[0] + held.here, sums[1] + held.behind
        pairs.add(said["leaf"], group, stated, held)
    named = {int(name[2:]) for group in counts for name in group}
    for other, held in found.items():
        require(not held.here or other in named, "complete.json does not name "
                f"C-{other:04d}, of which records are in this cell")
    sums[2] += not any(any(stated.values()) for stated in counts.values())


def together(found: dict[int, Held], group: tuple[str, ...]) -> Held:
    """What is in a cell of numbers that share a tag."""
    out = Held()
    for name in group:
        held = found.get(int(name[2:]))
        if held is not None:
            out.here, out.behind = out.here + held.here, out.behind + held.behind
            for native, count in held.natives.items():
                out.natives[native] = out.natives.get(native, 0) + count
    return out


def present(one: dict[str, Any], blinded: bytes, tags: int, root: bytes) -> int:
    """How many events the cell holds under a tag. Raises Wrong."""
    shaped(one, OPENED)
    require(0 < one["count"] < POSITIONS_MAX, "states a count that cannot be")
    entry = blinded + struct.pack(">I", one["count"])
    require(climbs(entry, one["at"], tags, read_path(one["path"])) == root,
            f"the tag of {one['conversation']} with this count is not in the cell")
    return int(one["count"])


def absent(one: dict[str, Any], blinded: bytes, tags: int, root: bytes) -> int:
    """Nothing: the neighbours of where the tag would be have nothing between them. Raises Wrong."""
    shaped(one, ABSENT)
    places = []
    for name in ("before", "after"):
        if one[name] is None:
            places.append(-1 if name == "before" else tags)
            continue
        said = shaped(one[name], NEIGHBOUR)
        tag = bytes.fromhex(said["tag"])
        require(tag < blinded if name == "before" else blinded < tag,
                f"the neighbour {name} {one['conversation']} is on the wrong side")
        require(said["count"] < POSITIONS_MAX and climbs(
            tag + struct.pack(">I", said["count"]), said["at"], tags,
            read_path(said["path"])) == root,
            f"the neighbour {name} {one['conversation']} is not in the cell")
        places.append(said["at"])
    require(places[0] + 1 == places[1],
            f"between the neighbours of {one['conversation']} there is room for it")
    return 0


def finish(check: Check, claim: Claim, counted: Counted, here: int, behind: int,
           whose: str) -> str:
    """The sentence of completeness."""
    outside = counted.end()
    if outside and claim.kind == "custodians":
        check.report.note(f"{outside} records lie in cells of other key domains: of those nothing "
                          "is claimed.")
    months = sorted({one["month"] for one in claim.domains})
    size = 0 if check.head is None else check.head.size
    span = "month " + months[0] if len(months) == 1 else f"months {months[0]} to {months[-1]}"
    span += f", up to entry {size} of the log"
    return (f"all {here + behind} archived events of {safe(whose, 400)} in the "
            f"{len(check.log.claimed)} cells of the named key domains ({span}) are here, or listed "
            f"as withheld: {here} here, {behind} withheld.")


# -- The command ----------------------------------------------------------------------------------

def arguments(given: list[str] | None) -> argparse.Namespace:
    """The command line. A mistake in it ends with 2."""
    parser = argparse.ArgumentParser(
        prog="verify.py", description="Checks an export package, offline.",
        epilog="Ends with 0: nothing is wrong; 1: something is, and it is named; 2: unusable.")
    parser.add_argument("package", nargs="?", help="its folder; without it: where this file lies")
    parser.add_argument("--log-key", action="append", default=[], metavar="VKEY",
                        help="the key of the archive's log, as you were told; may be repeated")
    parser.add_argument("--witness", action="append", default=[], metavar="VKEY",
                        help="the key of a witness that must have seen the head; may be repeated")
    parser.add_argument("--package-key", action="append", default=[], metavar="VKEY",
                        help="the key that the package must be sealed with")
    parser.add_argument("--openssl", default="", metavar="PATH",
                        help="the openssl that checks time stamps; without it: the one on the PATH")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    parser.add_argument("--quiet", action="store_true", help="print the verdict alone")
    return parser.parse_args(given)


def verify(root: str, asked: argparse.Namespace, say: Callable[[str], None]) -> Report:
    """All of a package. Raises Unusable where it is none."""
    if not os.path.isdir(root):
        raise Unusable("it is no folder (unpack it first, if it is one file)")
    marks = ("bagit.txt", MANIFEST, TAG_MANIFEST, SEAL, "data")
    if not any(os.path.lexists(os.path.join(root, one)) for one in marks):
        raise Unusable("it is no export package: nothing in it says so")
    report = Report(say)
    check = Check(Bag(root), report, asked)
    for one in (*asked.log_key, *asked.package_key):
        told(one, LOG_KEY, "--log-key or --package-key")
    for one in asked.witness:
        told(one, WITNESS_KEY, "--witness")
    check.run()
    return report


def verdict(report: Report, asked: argparse.Namespace) -> str:
    """The last line, in words."""
    if report.count:
        more = "" if report.count <= PROBLEMS_SHOWN else f" The first {PROBLEMS_SHOWN} are named."
        return (f"VERDICT: THIS PACKAGE IS NOT AS IT HAS TO BE. {report.count} things are wrong: "
                f"something was changed, added, removed, reordered or swapped.{more}")
    if asked.log_key and asked.package_key:
        return ("VERDICT: nothing in this package was changed, added, removed, reordered or "
                "swapped, and every record in it is the one that the archive's log was signed "
                "over.")
    if asked.log_key:
        return ("VERDICT: every record in it is one that the archive's log was signed over. WHO "
                "MADE THE REST IS NOT KNOWN: the package is whole under a key that it brings. Give "
                "the key of whoever made it with --package-key to know that nothing was left out, "
                "written or rearranged since.")
    if asked.package_key:
        return ("VERDICT: nothing in this package was changed, added, removed, reordered or "
                "swapped since it was sealed. WHOSE LOG IT IS IS NOT KNOWN: its key is one that "
                "the package brings. Give the log's key that you were told with --log-key to know "
                "that its records were archived.")
    return ("VERDICT: this package is whole: nothing in it was changed, added, removed, reordered "
            "or swapped since it was sealed. WHO SEALED IT AND WHOSE LOG IT IS ARE NOT KNOWN: this "
            "rests on keys that the package brings. Give the keys that you were told with "
            "--log-key and --package-key.")


def main(given: list[str] | None = None) -> int:
    """Runs the command; its exit code."""
    asked = arguments(given)
    root = asked.package or os.path.dirname(os.path.abspath(__file__))
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")

    def say(line: str) -> None:
        if not asked.json and not asked.quiet:
            print(line, flush=True)

    say(f"Checking the package in {safe(root, 400)}\n")
    try:
        report = verify(root, asked, say)
    except (Unusable, OSError) as error:
        said = f"This cannot be checked: {safe(root, 400)}: {safe(error, 400)}"
        print(json.dumps({"exit": 2, "verdict": said}) if asked.json else said)
        return 2
    code = 1 if report.count else 0
    if asked.json:
        print(json.dumps({
            "exit": code, "verdict": verdict(report, asked), "steps": report.steps,
            "wrong": report.count, "problems": report.problems, "cannot": CANNOT,
            "notes": report.notes}, indent=1))
        return code
    say("\nWhat no check of a package can prove:")
    for one in CANNOT:
        say(f" - {one}")
    say("")
    if asked.quiet:
        for problem in report.problems:
            print(f"WRONG  {problem['item']}: {problem['what']}")
    print(verdict(report, asked))
    return code


if __name__ == "__main__":
    sys.exit(main())
