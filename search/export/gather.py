"""From a planned slice to what the formats show: every version read back from the archive.

Owns the reading: records with their proof, the view of each message, its files, what stays behind
and why. What came into the archive after the export's checkpoint is not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from archive.tlog.leaf import Leaf
from schemas import codec
from schemas.assignment import Assignments
from schemas.document import Document, Entry
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent, EventPart, Identity
from schemas.gaps import Gap
from schemas.media import StoredMedia
from schemas.wire import Pointer
from search import project, thread
from search.bodies import Bodies
from search.export import joining, naming
from search.export.cells import Cells
from search.export.leaves import Leaves
from search.export.model import (
    ERASED,
    UNREADABLE,
    Item,
    PackedFile,
    Record,
    Sink,
    Slice,
    Withheld,
)
from search.export.plan import Planned
from search.export.select import CAPTURED, is_captured
from search.index import Asked, fetched
from search.results import readable
from search.thread import MessageView


class FileSink(Sink, Protocol):
    """Where files go: as a Sink, and in pieces."""

    def put_pieces(self, path: str, pieces: Iterable[bytes]) -> tuple[int, str]:
        """A whole file; its size and SHA-256 (hex). Raises what `pieces` does, and then there is
        no file."""


@dataclass(frozen=True, slots=True)
class Place:
    """One record's place in the proof: leaf, position in its cell, salt, path in the cell."""

    leaf: int
    position: int
    salt: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """A record that is known and not in the package."""

    leaf: int
    position: int
    offset: int
    index: int
    reason: str
    document: str
    conversation: str


@dataclass(slots=True)
class Numbers:
    """How far the package has counted."""

    document: int = 0
    record: int = 0
    withheld: int = 0


@dataclass(frozen=True, slots=True)
class Gathered:
    """A slice, what proves its records (by record number), and what stays behind of it."""

    slice: Slice
    places: Mapping[int, Place]
    left: tuple[Left, ...]
    tags: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Ports:
    """What gathering works on. `size`: leaves of the checkpoint; later ones are left out. `media`:
    a file in pieces (raises Missing, Refused). `is_erased`: whether the key of a domain's
    generation was destroyed by right; `shared`: what the index calls the copies of one message ->
    what this package does. `grounds`: reason -> its words."""

    index: Asked
    cells: Cells
    leaves: Leaves
    size: int
    assigned: Assignments
    media: Callable[[StoredMedia], Iterator[bytes]]
    prefix: str
    is_erased: Callable[[bytes, int], bool]
    shared: Callable[[str], str]
    gaps: Sequence[Gap] = ()
    grounds: Mapping[str, str] = field(default_factory=dict)


class Gatherer:
    """Reads slice after slice. Raises Transient; what cannot be read stays behind, and is said."""

    def __init__(self, ports: Ports, withheld: Mapping[str, str]) -> None:
        """`withheld`: doc_id -> reason."""
        self._ports, self._withheld = ports, withheld
        self._bodies = Bodies(ports.cells)

    def gather(self, plan: Planned, numbers: Numbers, sink: FileSink) -> Gathered:
        """The slice; its files are in `sink` when this returns. Counts `numbers` on. Raises Missing
        where the index has lost a message that was chosen."""
        made = _Made(plan.conversation)
        for chosen, found in zip(plan.chosen, self._documents(plan), strict=True):
            reason = self._withheld.get(chosen.doc_id, "")
            if reason:
                self._stay(found, reason, numbers, made)
            else:
                self._item(found, numbers, made, sink, context=chosen.context)
        return Gathered(self._slice(plan, made), made.places, tuple(made.left),
                        frozenset(made.tags))

    def _documents(self, plan: Planned) -> Iterator[Document]:
        for doc_id, found in fetched(self._ports.index, [one.doc_id for one in plan.chosen]):
            kept = at_checkpoint(found, self._ports.leaves, self._ports.size) if found else None
            if kept is None:
                raise Missing(f"message {doc_id} was chosen and is not in the index any more: "
                              "begin the export anew")
            yield kept

    # -- what is in

    def _item(self, found: Document, numbers: Numbers, made: _Made, sink: FileSink, *,
              context: bool) -> None:
        records, left, names = self._records(found, numbers, made)
        if not records:
            # Nothing of it can be read: it is listed, and no empty item pretends to be it.
            self._stay(found, left[0].reason if left else UNREADABLE, numbers, made)
            return
        numbers.document += 1
        document_id = naming.document(self._ports.prefix, numbers.document)
        made.left += [replace(one, document=document_id) for one in left]
        view = self._view(found)
        event = next((one.event for one in records if one.event is not None), None)
        made.items.append(Item(
            document_id, numbers.document, found.sort_at, found.channel,
            event.account if event else "", _custodian(view.hit.custodian, names), view, records,
            self._files(view, document_id, sink),
            self._ports.shared(found.shared) if found.shared else "", context))

    def _view(self, found: Document) -> MessageView:
        seen = thread.message(found, self._bodies, assigned=self._ports.assigned)
        return replace(seen, conversation=(), flags=(),
                       related=tuple(one for one in seen.related if one.kind in CAPTURED))

    def _records(self, found: Document, numbers: Numbers,
                 made: _Made) -> tuple[tuple[Record, ...], list[Left], list[str]]:
        """Those that can be read, and those that cannot; whom each datum names as custodian."""
        out: list[Record] = []
        left: list[Left] = []
        names: list[str] = []
        joined = self._joined(found)
        for pointer in _pointers(found):
            number, leaf = self._ports.leaves.of(pointer)
            try:
                datum, said = self._read(pointer)
                opened = self._ports.cells.of(pointer)
            except (Missing, Refused) as error:
                left.append(Left(number, pointer.position, pointer.offset, pointer.index,
                                 self._why(leaf, error), "", made.conversation))
                continue
            numbers.record += 1
            made.places[numbers.record] = Place(number, pointer.position,
                                                opened.proof.salts[pointer.position],
                                                opened.proof.path(pointer.position))
            made.tags.add(opened.events[pointer.position].tag)
            event = joined.get(pointer) if isinstance(said, EventPart) else said
            out.append(Record(numbers.record, number, pointer, datum, event))
            names.append(said.custodian)
        return tuple(out), left, names

    def _why(self, leaf: Leaf, error: Missing | Refused) -> str:
        """Erased is what was destroyed by right; anything else that does not open is not."""
        is_gone = isinstance(error, Missing) and self._ports.is_erased(
            bytes.fromhex(leaf.cell.domain), leaf.cell.generation)
        return ERASED if is_gone else UNREADABLE

    def _read(self, pointer: Pointer) -> tuple[bytes, CapturedEvent | EventPart]:
        datum = self._ports.cells.read(pointer)
        return datum, codec.decode(datum)

    def _joined(self, found: Document) -> dict[Pointer, CapturedEvent]:
        """By the first part of each large event: the whole. Of an event of which no sighting is
        whole by itself, what parts of several give."""
        out: dict[Pointer, CapturedEvent] = {}
        missed = joining.cuts(found.entries, _pointers(found))
        for chain in project.complete_sets(found.entries):
            try:
                out[chain[0].pointer] = project.joined_event(
                    [self._ports.cells.read(part.pointer) for part in chain])
            except (Missing, Refused):
                continue  # its parts are named one by one where they are read
            missed.pop(joining.cut_of(chain[0]), None)
        for pointers in missed.values():
            parts: dict[Pointer, EventPart] = {}
            for pointer in pointers:
                with suppress(Missing, Refused):
                    said = self._read(pointer)[1]
                    if isinstance(said, EventPart):
                        parts[pointer] = said
            made = joining.put_together(tuple(parts.values()))
            if made is not None:
                out[tuple(parts)[made[0]]] = made[1]
        return out

    def _files(self, view: MessageView, document_id: str,
               sink: FileSink) -> tuple[PackedFile, ...]:
        out: list[PackedFile] = []
        for one in view.files:
            if one.stored is None:
                out.append(PackedFile(one))
                continue
            path = naming.attachment(document_id, one)
            try:
                size, digest = sink.put_pieces(path, self._ports.media(one.stored))
            except (Missing, Refused) as error:
                sink.note("files that could not be read")
                out.append(PackedFile(replace(one, state="failed", reason=str(error))))
                continue
            out.append(PackedFile(one, path, size, digest))
        return tuple(out)

    # -- what stays behind

    def _stay(self, found: Document, reason: str, numbers: Numbers, made: _Made) -> None:
        numbers.withheld += 1
        document_id = f"{self._ports.prefix}-W-{numbers.withheld:04d}"
        pointers = _pointers(found)
        for pointer in pointers:
            leaf, _ = self._ports.leaves.of(pointer)
            made.left.append(Left(leaf, pointer.position, pointer.offset, pointer.index, reason,
                                  document_id, made.conversation))
            # Its tag says nothing, and without it nobody could see that no more is left out.
            with suppress(Missing, Refused):
                made.tags.add(self._ports.cells.of(pointer).events[pointer.position].tag)
        event = self._leading(found)
        made.withheld.append(Withheld(
            document_id, reason, self._ports.grounds.get(reason, reason), found.sort_at,
            found.channel, made.conversation, event.custodian if event else "", found.kind,
            naming.person(event.actor) if event else "",
            tuple(naming.person(one) for one in event.participants) if event else (),
            len(pointers)))
        if event is not None:
            made.meet(event)

    def _leading(self, found: Document) -> CapturedEvent | None:
        for entry in thread.ordered_versions(found)[:1]:
            return readable(found, entry, self._bodies)[0]
        return None

    # -- the slice around it

    def _slice(self, plan: Planned, made: _Made) -> Slice:
        for item in made.items:
            if item.leading is not None:
                made.meet(item.leading)
        parties = tuple(sorted(made.parties.values(), key=lambda one: (
            one.native_id not in made.accounts, one.native_id)))
        every: list[Item | Withheld] = [*made.items, *made.withheld]
        custodian = next((one.custodian for one in every if one.custodian), "")
        channel = next((one.channel for one in every if one.channel), "")
        return Slice(
            plan.conversation, made.native, naming.title(parties, made.accounts), channel,
            min(made.accounts, default=""), custodian, plan.day, tuple(made.items), parties,
            frozenset(made.accounts),
            tuple(one for one in self._ports.gaps
                  if one.concerns({channel}, made.accounts)
                  and one.touches(plan.since, plan.until)),
            tuple(made.withheld), made.is_group, plan.part, plan.parts, plan.phone)


@dataclass(slots=True)
class _Made:
    """A slice in the making."""

    conversation: str
    items: list[Item] = field(default_factory=list)
    withheld: list[Withheld] = field(default_factory=list)
    places: dict[int, Place] = field(default_factory=dict)
    left: list[Left] = field(default_factory=list)
    tags: set[bytes] = field(default_factory=set)
    parties: dict[str, Identity] = field(default_factory=dict)
    accounts: set[str] = field(default_factory=set)
    native: str = ""
    is_group: bool = False

    def meet(self, event: CapturedEvent) -> None:
        """Who takes part, each once, with a name where any message gives one."""
        self.native = self.native or event.conversation
        if event.account:
            self.accounts.add(event.account)
        for one in (event.actor, *event.participants):
            if one is None:
                continue
            if one.id_type == "group":
                self.is_group = True
                continue
            known = self.parties.get(one.native_id)
            if known is None or (one.display_name and not known.display_name):
                self.parties[one.native_id] = one
        self.is_group = self.is_group or len(self.parties) > 2


def at_checkpoint(found: Document, leaves: Leaves, size: int) -> Document | None:
    """A message as it was when the log had `size` leaves: without what came later, and without what
    the firm says of it (reviews, flags). Null where nothing of it was there."""
    kept = [one for one in found.entries if is_captured(one)
            and (number := leaves.number(one.pointer)) is not None and number < size]
    if len(kept) == len(found.entries):
        return found
    return project.document(found.doc_id, kept) if kept else None


def _custodian(shown: str, names: Sequence[str]) -> str:
    """Whose a message is: as one of its datums says; only where one of them names nobody, whoever
    it was given to afterwards."""
    named = [one for one in names if one]
    return shown if shown in named or len(named) < len(names) else next(iter(named), "")


def _pointers(found: Document) -> list[Pointer]:
    """Each record once: versions as a person reads them, then the rest by time and place."""
    lead = {project.entry_key(one): number
            for number, one in enumerate(thread.ordered_versions(found))}
    last = len(lead)

    def place(one: Entry) -> tuple[int, int, tuple[str, int, int, int]]:
        return (lead.get(project.entry_key(one), last), one.captured_at,
                project.address(one.pointer))

    return list(dict.fromkeys(one.pointer for one in sorted(found.entries, key=place)))

