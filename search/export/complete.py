"""That nothing of a conversation or a custodian is left out (PROTOCOL S7; docs/FORMAT.md §17).

Owns the claim and what supports it: which key domains it is about, every cell of theirs in the log,
and in each the conversation's tag, opened, or its neighbours. What it cannot show is in
docs/decisions/0036.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from archive import layout
from archive.cell import CellEvent, CellProof
from archive.reader import OpenedCell
from archive.tlog.leaf import Leaf
from schemas import codec
from schemas.domains import DomainFacts
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent
from schemas.wire import Pointer
from search.export import canonical
from search.export.gather import Left
from search.export.leaves import Leaves
from search.export.model import ERASED, UNREADABLE, Sink
from search.export.places import Place, Places
from search.export.proof import FOLDER

CONVERSATIONS: Final = "conversations"
CUSTODIANS: Final = "custodians"
NONE: Final = "none"
TAGS: Final = f"{FOLDER}/tags.jsonl"
_COUNT: Final = struct.Struct(">I")
_TAG_BYTES: Final = 32
NOTHING: Final = ("Nothing of it was in the archive when this export began: an absence over all of "
                  "the archive is not claimed.")
_NO_DOMAIN: Final = ("The archive has no key domain of these custodians: what is here was captured "
                     "while it was nobody's. That nothing else is theirs is not claimed.")
_NO_TAG: Final = ("Nothing of these conversations can be read, so nobody can look for them in the "
                  "archive's cells.")
# Of a record that the index does not know: no package is made.
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Claim:
    """What is claimed. `domains`: id -> what it stands for; `tags`: "C-0001" -> its tag (one number
    may have several: the same people under other names are other conversations); `why`: of kind
    NONE, in words. `since`, `until`: of the selection (UTC ms)."""

    kind: str
    why: str = ""
    since: int | None = None
    until: int | None = None
    domains: Mapping[bytes, DomainFacts] = field(default_factory=dict)
    tags: Sequence[tuple[str, bytes]] = ()

    def values(self, shown: frozenset[bytes]) -> dict[str, Any]:
        """complete.json. `shown`: domains of which something is in the package; of the others
        neither class nor compartment is told, which may be a matter's name."""
        return {
            "v": 1, "kind": self.kind, "why": self.why, "since": self.since, "until": self.until,
            "domains": [{"domain": domain.hex(), "custodian": facts.custodian,
                         "class": facts.retention_class if domain in shown else "",
                         "month": facts.month,
                         "compartment": facts.compartment if domain in shown else "",
                         "role": facts.role}
                        for domain, facts in sorted(self.domains.items())],
            "conversations": [{"conversation": name, "tag": tag.hex()}
                              for name, tag in self.tags]}


def claimed(kind: str, since: int | None, until: int | None,
            domains: Mapping[bytes, DomainFacts], tags: Sequence[tuple[str, bytes]]) -> Claim:
    """The claim, where there is something that it is about: of no domain, or of conversations
    without a tag, anything would be true."""
    if domains and (tags or kind != CONVERSATIONS):
        return Claim(kind, "", since, until, domains, tags if kind == CONVERSATIONS else ())
    return Claim(NONE, _NO_DOMAIN if kind == CUSTODIANS else _NO_TAG, since, until)


def logged(claim: Claim, leaves: Leaves, size: int) -> Claim:
    """The claim about those domains of which the tree of `size` has a cell. One that was made later
    has nothing in it yet, and an export that goes on would be another one for it."""
    if claim.kind == NONE:
        return claim
    there = {leaf.cell.domain for _, leaf in leaves.every(size)}
    return claimed(claim.kind, claim.since, claim.until, {
        domain: facts for domain, facts in claim.domains.items() if domain.hex() in there},
        claim.tags)


@dataclass(frozen=True, slots=True)
class Ports:
    """`opened`: a cell by its leaf (raises Missing where its key is gone, Refused);
    `is_erased`: whether the key of a domain's generation was destroyed by right; `elsewhere`:
    why what the index knew at the beginning was not chosen by right, by its place: OUTSIDE_PERIOD
    for the same question at another time, NOT_CHOSEN for another person under a number that is of
    the conversation at another time, "" for anything else; `known`: why a record of a cell that
    nobody chose is known to the index all the same, "" = it is not (raises Refused)."""

    leaves: Leaves
    size: int
    opened: Callable[[Leaf], OpenedCell]
    is_erased: Callable[[bytes, int], bool]
    elsewhere: Callable[[Place], str]
    known: Callable[[Leaf, Place, CellEvent], str]


def write(claim: Claim, ports: Ports, known: Places,
          sink: Sink) -> list[Left]:
    """complete.json and tags.jsonl; what is left out and was not accounted for yet, which the
    caller lists. `known`: of what is in the package or withheld.

    Raises Refused where records of the conversation are not in the package though nothing explains
    it: the index does not know them (yet).
    """
    shown = frozenset(bytes.fromhex(ports.leaves.at(index).cell.domain) for index, _ in known)
    sink.put(f"{FOLDER}/complete.json", canonical.document(claim.values(shown)) + b"\n")
    if claim.kind == NONE:
        return []
    if claim.kind == CONVERSATIONS:
        sink.append(TAGS, b"")
    left: list[Left] = []
    for index, leaf in ports.leaves.every(ports.size):
        domain = bytes.fromhex(leaf.cell.domain)
        if domain in claim.domains:
            left += _cell(claim, ports, known, index, leaf, sink)
    unknown = [one for one in left if one.reason == _UNKNOWN]
    if unknown:
        raise Refused(f"{len(unknown)} records of what was chosen are in the archive and not in "
                      "the index: wait until `counterfoil status` says that everything is indexed, "
                      "or run `counterfoil rebuild`; then begin the export anew, in another folder")
    return left


def _cell(claim: Claim, ports: Ports, known: Places,
          index: int, leaf: Leaf, sink: Sink) -> Iterator[Left]:
    domain, generation = bytes.fromhex(leaf.cell.domain), leaf.cell.generation
    try:
        opened = ports.opened(leaf)
    except (Missing, Refused) as error:
        if not ports.is_erased(domain, generation):
            # Nobody may say "all of it" beside a cell that nobody could look into.
            raise Refused(f"cell {leaf.cell.cell} of {leaf.segment.key} does not open: {error}. "
                          "Run `counterfoil verify`; an export by --query claims no completeness "
                          "and needs no such cell") from error
        if claim.kind == CONVERSATIONS:
            sink.append(TAGS, canonical.line({"leaf": index, "erased": True}))
            return
        for position in range(leaf.cell.count):
            if (index, position) not in known:
                yield Left(index, position, 0, 0, ERASED, "", "")
        return
    if claim.kind == CONVERSATIONS:
        sink.append(TAGS, canonical.line(_tags(claim, index, opened.proof)))
    wanted = {tag: name for name, tag in claim.tags}
    for position, event in enumerate(opened.events):
        if (index, position) in known or (
                claim.kind == CONVERSATIONS and event.tag not in wanted):
            continue
        place = index, position
        reason = ports.elsewhere(place) or ports.known(leaf, place, event) or _unexplained(event)
        yield Left(index, position, event.offset, event.index, reason, "",
                   wanted.get(event.tag, ""))


def _unexplained(event: CellEvent) -> str:
    """Why a record that nobody chose is not there: it is no event that reads (a part of a large one
    whose others never came, a datum that does not parse), or nobody knows."""
    try:
        return _UNKNOWN if isinstance(codec.decode(event.datum), CapturedEvent) else UNREADABLE
    except Refused:
        return UNREADABLE


def _tags(claim: Claim, index: int, proof: CellProof) -> dict[str, Any]:
    return {"leaf": index, "tag_key": proof.tag_key.hex(), "tags": len(proof.tags),
            "open": [_opened(name, tag, proof) for name, tag in claim.tags]}


def _opened(conversation: str, tag: bytes, proof: CellProof) -> dict[str, Any]:
    """The tag of a conversation in a cell, or its neighbours where it is not there."""
    blinded = proof.blinded(tag)
    at = bisect_left(proof.tags, blinded)
    if at < len(proof.tags) and proof.tags[at][:_TAG_BYTES] == blinded:
        return {"conversation": conversation, "at": at,
                "count": _COUNT.unpack(proof.tags[at][_TAG_BYTES:])[0],
                "path": canonical.path(proof.tag_path(at))}
    return {"conversation": conversation,
            "before": _neighbour(proof, at - 1) if at > 0 else None,
            "after": _neighbour(proof, at) if at < len(proof.tags) else None}


def _neighbour(proof: CellProof, at: int) -> dict[str, Any]:
    tag = proof.tags[at]
    return {"tag": tag[:_TAG_BYTES].hex(), "count": _COUNT.unpack(tag[_TAG_BYTES:])[0], "at": at,
            "path": canonical.path(proof.tag_path(at))}


def pointer_of(leaf: Leaf) -> Pointer:
    """The cell of a leaf, as the archive's reader asks for it."""
    name = layout.read_segment(leaf.segment.key)
    if name is None:
        raise Refused(f"{leaf.segment.key} is no segment")
    return Pointer(name.topic_id.hex(), name.partition, leaf.segment.first, 0, leaf.segment.key,
                   leaf.segment.last, leaf.cell.start, leaf.cell.length, 0)


def accounted(records: Iterable[Mapping[str, Any]],
              withheld: Iterable[Mapping[str, Any]]) -> Places:
    """Of what a package has written so far."""
    return Places((one["leaf"], one["position"]) for part in (records, withheld) for one in part)
