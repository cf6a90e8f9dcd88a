"""One leaf per cell: what the log says of the ciphertext of one key domain in one segment.

Owns the entry's bytes: canonical JSON, so that a stranger reads it with any tool. A leaf holds no
word and no plain hash of one: `root` is over salted commitments (PROTOCOL S6).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Final

from archive import layout
from archive.authentic import Authentic
from archive.cell import COUNT_MAX, GENERATION_MAX
from archive.tlog.tree import leaf_hash
from schemas.errors import Refused

VERSION: Final = 1
_NUMBER_MAX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """The segment that cells lie in: its key, the SHA-256 of all its bytes (hex), the offsets that
    it covers, until when its header locks it (UTC ms), and whether it was a trial."""

    key: str
    segment: str
    first: int
    last: int
    retain_until: int
    trial: bool


@dataclass(frozen=True, slots=True)
class CellFacts:
    """One cell: its number and byte range in the segment, domain and generation of its key, how
    many events, and (hex) the SHA-256 of its ciphertext as stored, its root and its tags' root."""

    cell: int
    start: int
    length: int
    domain: str
    generation: int
    count: int
    ciphertext: str
    root: str
    tags_root: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """One entry of the log."""

    segment: SegmentFacts
    cell: CellFacts

    def entry(self) -> bytes:
        """Its bytes: JSON, ASCII, names sorted, no spaces."""
        return canonical_json({"v": VERSION, **asdict(self.segment), **asdict(self.cell)})

    def hash(self) -> bytes:
        """Its leaf hash in the tree."""
        return leaf_hash(self.entry())


def leaves_of(found: Authentic) -> tuple[Leaf, ...]:
    """The leaves of a segment of record, one per cell in the segment's order."""
    header = found.segment.header
    facts = SegmentFacts(found.key, found.segment.sha256.hex(), header.first, header.last,
                         header.retain_until, header.trial)
    return tuple(
        Leaf(facts, CellFacts(
            number, placed.start, placed.length, placed.cell.domain.hex(), placed.cell.generation,
            placed.cell.count, sha256(placed.cell.ciphertext).hexdigest(), placed.cell.root.hex(),
            placed.cell.tags_root.hex()))
        for number, placed in enumerate(found.segment.cells))


def read(entry: bytes) -> Leaf:
    """The leaf that `entry` is, in its one spelling. Raises Refused("tlog_leaf…")."""
    try:
        said = json.loads(entry)
        if said["v"] != VERSION:
            raise Refused("tlog_leaf: a version that is not known here")
        leaf = Leaf(segment_facts(said), cell_facts(said))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused("tlog_leaf: it does not parse") from error
    if leaf.entry() != entry:
        raise Refused("tlog_leaf: another spelling than its content has")
    return leaf


def segment_facts(said: Any) -> SegmentFacts:
    """From JSON. Raises ValueError, KeyError or TypeError."""
    key, trial = said["key"], said["trial"]
    name = layout.read_segment(key)
    facts = SegmentFacts(key, digest(said["segment"]), number(said["first"]), number(said["last"]),
                         number(said["retain_until"]), trial)
    if name is None or name.expected != facts.first or facts.last < facts.first:
        raise ValueError("no segment's key and offsets")
    if type(trial) is not bool:
        raise TypeError("trial is true or false")
    return facts


def cell_facts(said: Any) -> CellFacts:
    """From JSON. Raises ValueError, KeyError or TypeError."""
    return CellFacts(
        number(said["cell"]), number(said["start"], 1), number(said["length"], 1),
        digest(said["domain"], 16), number(said["generation"], 0, GENERATION_MAX),
        number(said["count"], 1, COUNT_MAX), digest(said["ciphertext"]), digest(said["root"]),
        digest(said["tags_root"]))


def number(value: Any, low: int = 0, high: int = _NUMBER_MAX) -> int:
    """An integer in its range. Raises TypeError or ValueError."""
    if type(value) is not int:
        raise TypeError("not an integer")
    if not low <= value <= high:
        raise ValueError("out of range")
    return value


def digest(value: Any, size: int = 32) -> str:
    """`size` bytes in lower-case hex. Raises TypeError or ValueError."""
    if type(value) is not str:
        raise TypeError("not a text")
    if bytes.fromhex(value).hex() != value or len(value) != 2 * size:
        raise ValueError("not the hex of a digest")
    return value


def canonical_json(said: Any) -> bytes:
    """ASCII, names sorted, no spaces: equal content is equal bytes."""
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True,
                      allow_nan=False).encode("ascii")
