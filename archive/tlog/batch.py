"""One step of the log's sequence: the object `log/batch/<n>` (PROTOCOL N1).

Owns its bytes. A batch lists whole segments in the order in which their cells become leaves, and
holds all that the next batch needs: the tree's right edge and where each partition has got to. So
whoever reads the last one can go on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Final

from archive.authentic import Authentic
from archive.merkle import EMPTY_ROOT
from archive.tlog import leaf, tree
from archive.tlog.checkpoint import Head
from archive.tlog.leaf import CellFacts, Leaf, SegmentFacts, canonical_json, digest, number
from archive.tlog.note import Key, is_ed25519
from schemas.errors import Refused
from schemas.identity import canonical

VERSION: Final = 1
BATCH_BYTES_MAX: Final = 64 * 1024 * 1024
# Leaves after which no further segment is taken into a batch; one segment is always taken whole.
LEAVES: Final = 4096
NO_BATCH: Final = "00" * 32
_LABEL: Final = "counterfoil/log-batch/v1"
_LAST: Final = re.compile(r"signature ([0-9a-f]{8}) ([0-9a-f]{128})")
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")


@dataclass(frozen=True, slots=True)
class Listed:
    """A segment in a batch: the object version that is it, and its cells."""

    facts: SegmentFacts
    version: str
    cells: tuple[CellFacts, ...]

    def leaves(self) -> Iterable[Leaf]:
        """Its leaves, in order."""
        return (Leaf(self.facts, cell) for cell in self.cells)


@dataclass(frozen=True, slots=True, order=True)
class End:
    """Where one partition has got to: the next offset, and the SHA-256 (hex) of its last segment.
    """

    topic: str
    topic_id: str
    partition: int
    next_offset: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Batch:
    """`number` from 0; `start` the tree's size before it; `head` and `edge` the tree after it;
    `previous` the SHA-256 (hex) of the batch before; `at` our clock and `retain_until` the end of
    its lock (UTC ms). `ends` is of all partitions, not only of those that it adds to."""

    origin: str
    number: int
    start: int
    previous_root: bytes
    previous: str
    head: Head
    edge: tuple[bytes, ...]
    at: int
    retain_until: int
    segments: tuple[Listed, ...]
    ends: tuple[End, ...]

    def leaves(self) -> list[Leaf]:
        """The leaves that it adds, in order."""
        return [one for listed in self.segments for one in listed.leaves()]


@dataclass(frozen=True, slots=True)
class Read:
    """A batch of record as it lies in the store; `sha256` is of its bytes (hex)."""

    batch: Batch
    sha256: str


class NewerBatch(Refused):
    """A batch of a later version that the log's key signed."""


def listed(found: Authentic) -> Listed:
    """A segment of record, as a batch lists it."""
    leaves = leaf.leaves_of(found)
    return Listed(leaves[0].segment, found.version_id, tuple(one.cell for one in leaves))


def following(before: Read | None, origin: str, segments: Sequence[Listed], ends: Sequence[End],
              at: int, retain_until: int) -> Batch:
    """The batch that adds `segments` (at least one) to the log as `before` left it."""
    last = before.batch if before else None
    start, edge = (last.head.size, last.edge) if last else (0, ())
    hashes = [one.hash() for each in segments for one in each.leaves()]
    edge = tree.extended(edge, start, hashes)
    return Batch(
        origin, last.number + 1 if last else 0, start,
        last.head.root if last else EMPTY_ROOT, before.sha256 if before else NO_BATCH,
        Head(start + len(hashes), tree.edge_root(edge)), edge, at, retain_until, tuple(segments),
        tuple(sorted(ends)))


def encode(batch: Batch, key: Key, sign: Callable[[bytes], bytes]) -> bytes:
    """The object: a line of canonical JSON, and one with the log key's signature."""
    body = canonical_json(_stated(batch))
    return b"%s\nsignature %s %s\n" % (body, key.key_id.hex().encode(),
                                       sign(_message(batch.origin, body)).hex().encode())


def decode(data: bytes, origin: str, keys: Iterable[Key]) -> Read:
    """The batch in `data`, signed by one of `keys` for `origin` and consistent in itself.

    Raises Refused("tlog_batch…"), and NewerBatch for a signed one of a later version.
    """
    body, _, last = data.removesuffix(b"\n").rpartition(b"\n")
    match = _LAST.fullmatch(last.decode("ascii", "replace"))
    if match is None or not data.endswith(b"\n") or len(data) > BATCH_BYTES_MAX:
        raise Refused("tlog_batch: not a batch")
    known = {key.key_id.hex(): key for key in keys}
    key = known.get(match[1])
    if key is None or not is_ed25519(key.public, bytes.fromhex(match[2]), _message(origin, body)):
        raise Refused("tlog_batch: no known key of the log signed it")
    try:
        said = json.loads(body)
        if said["v"] != VERSION:
            raise NewerBatch(f"tlog_batch: version {str(said['v'])[:20]} is not known")
        batch = _read(said)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused("tlog_batch: it does not parse") from error
    if canonical_json(_stated(batch)) != body or batch.origin != origin:
        raise Refused("tlog_batch: another spelling, or another log's")
    if (tree.edge_root(batch.edge) != batch.head.root
            or len(batch.edge) != batch.head.size.bit_count()
            or batch.head.size != batch.start + sum(len(one.cells) for one in batch.segments)):
        raise Refused("tlog_batch: its sizes and roots do not add up")
    return Read(batch, sha256(data).hexdigest())


def check_follows(before: Read | None, batch: Batch) -> None:
    """Raises Refused("tlog_batch…") unless `batch` is what `following` makes of its own content."""
    again = following(before, batch.origin, batch.segments, batch.ends, batch.at,
                      batch.retain_until)
    if again != batch or not batch.segments:
        raise Refused("tlog_batch: it does not follow the batch before it")


def _message(origin: str, body: bytes) -> bytes:
    # Begins with a zero byte, which no note's text does: one key signs both and neither passes for
    # the other.
    return canonical(_LABEL, origin, body)


def _stated(batch: Batch) -> dict[str, Any]:
    return {
        "v": VERSION, "origin": batch.origin, "number": batch.number, "start": batch.start,
        "previous_root": batch.previous_root.hex(), "previous": batch.previous,
        "size": batch.head.size, "root": batch.head.root.hex(),
        "edge": [one.hex() for one in batch.edge], "at": batch.at,
        "retain_until": batch.retain_until,
        "segments": [{**asdict(one.facts), "version": one.version,
                      "cells": [asdict(cell) for cell in one.cells]} for one in batch.segments],
        "ends": [asdict(one) for one in batch.ends],
    }


def _read(said: Any) -> Batch:
    return Batch(
        _text(said["origin"]), number(said["number"]), number(said["start"]),
        bytes.fromhex(digest(said["previous_root"])), digest(said["previous"]),
        Head(number(said["size"]), bytes.fromhex(digest(said["root"]))),
        tuple(bytes.fromhex(digest(one)) for one in said["edge"]), number(said["at"]),
        number(said["retain_until"]), tuple(_listed(one) for one in said["segments"]),
        tuple(_end(one) for one in said["ends"]))


def _listed(said: Any) -> Listed:
    cells = tuple(leaf.cell_facts(one) for one in said["cells"])
    if [one.cell for one in cells] != list(range(len(cells))) or not cells:
        raise ValueError("cells are numbered from 0")
    return Listed(leaf.segment_facts(said), _text(said["version"]), cells)


def _end(said: Any) -> End:
    if _TOPIC.fullmatch(_text(said["topic"])) is None:
        raise ValueError("no topic's name")
    return End(said["topic"], digest(said["topic_id"], 16), number(said["partition"]),
               number(said["next_offset"]), digest(said["sha256"]))


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError("not a text")
    return value
