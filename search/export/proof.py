"""The proof in a package: each record's path to the log's signed head (docs/FORMAT.md §17).

Owns data/proof/ but for completeness (`complete.py`). Everything is checked against the archive
where it is read; the verifier trusts none of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from archive.tlog.checkpoint import Head
from archive.tlog.note import Key, Note
from schemas import codec
from schemas.errors import Refused
from search.export import canonical
from search.export.gather import Gathered, Left
from search.export.leaves import Leaves
from search.export.model import Sink

FOLDER: Final = "data/proof"
EVENTS: Final = f"{FOLDER}/events.jsonl"
CELLS: Final = f"{FOLDER}/cells.jsonl"
WITHHELD: Final = f"{FOLDER}/withheld.jsonl"


@dataclass(frozen=True, slots=True)
class Stamp:
    """One time stamp: the authority's name, its answer, the roots that it leads to (PEM), the
    checkpoint's size and object as stamped, and when (UTC ms)."""

    authority: str
    token: bytes
    roots: bytes
    size: int
    stamped: bytes
    at: int = 0


@dataclass(frozen=True, slots=True)
class Trust:
    """What the package is proved under. `signed`: with the witnesses' cosignatures; `head`: what
    it says; `package`: the verifier key of seal.note."""

    origin: str
    head: Head
    signed: Note
    log: tuple[Key, ...]
    witnesses: tuple[Key, ...]
    stamps: tuple[Stamp, ...]
    package: Key

    def values(self) -> dict[str, Any]:
        """trust.json."""
        return {"v": 1, "origin": self.origin, "log": [one.vkey() for one in self.log],
                "witnesses": [one.vkey() for one in self.witnesses],
                "package": self.package.vkey(),
                "authorities": [{"name": one.authority, "token": f"{_stamped(one)}.tsr",
                                 "roots": f"{_stamped(one)}.pem"} for one in self.stamps]}


def begin(trust: Trust, sink: Sink) -> None:
    """What stands before the first record."""
    sink.put(f"{FOLDER}/trust.json", canonical.document(trust.values()) + b"\n")
    sink.put(f"{FOLDER}/checkpoint", trust.signed.render().encode())
    for one in trust.stamps:
        sink.put(f"{FOLDER}/timestamps/{one.size}/checkpoint", one.stamped)
        sink.put(f"{FOLDER}/{_stamped(one)}.tsr", one.token)
        sink.put(f"{FOLDER}/{_stamped(one)}.pem", one.roots)
    for path in (EVENTS, WITHHELD):
        sink.append(path, b"")


def slice_of(found: Gathered, sink: Sink) -> None:
    """The paths of a slice's records, and what stays behind of it."""
    for item in found.slice.items:
        for record in item.records:
            place = found.places[record.number]
            sink.append(EVENTS, canonical.line({
                "record": record.number, "leaf": place.leaf, "position": place.position,
                "salt": place.salt.hex(), "path": canonical.path(place.path)}))
    withheld(found.left, sink)


def withheld(left: Iterable[Left], sink: Sink) -> None:
    """Records that are known and not in the package."""
    for one in left:
        sink.append(WITHHELD, canonical.line(asdict(one)))


def cells(leaves: Leaves, head: Head, wanted: Iterable[int], sink: Sink) -> None:
    """The entries and paths of leaves, by number. Raises Refused where one does not lead to the
    head."""
    sink.append(CELLS, b"")
    for index in sorted(set(wanted)):
        leaf = leaves.at(index)
        sink.append(CELLS, canonical.line({
            "leaf": index, "entry": leaf.entry().decode("ascii"),
            "path": canonical.path(leaves.path(index, leaf, head))}))


def schemas(fingerprints: Iterable[str], sink: Sink) -> None:
    """The schema of each datum. Raises Refused for one that is not ours."""
    known = codec.sources()
    for one in sorted(set(fingerprints)):
        if one not in known:
            raise Refused(f"a datum of an unknown schema {one}")
        sink.put(f"{FOLDER}/schemas/{one}.avsc", known[one])


def lines(sink: Sink, path: str) -> Iterator[Mapping[str, Any]]:
    """What a `.jsonl` file of the package says, line by line."""
    with sink.open(path) as file:
        for one in file:
            yield json.loads(one)


def _stamped(one: Stamp) -> str:
    return f"timestamps/{one.size}/{one.authority}"

