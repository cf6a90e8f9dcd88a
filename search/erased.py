"""What was erased leaves the index: stubs, documents, words (PROTOCOL K3, I6; decision 0033).

Owns what an index does when a key is gone by right. A live index and one that is rebuilt agree,
document for document: each erased event is a stub that says where it lay and nothing else, its
entry leaves its document, and a document without entries goes. Done again it changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from archive.reader import ReadEvent
from schemas import codec, domains, events
from schemas import document as shape
from schemas.disposition import Act, read_act, record_of
from schemas.document import Document, Entry
from schemas.errors import Missing, Refused, Transient
from schemas.events import CapturedEvent
from schemas.wire import Pointer
from search.bodies import Bodies
from search.fields import KINDS
from search.index import Index, Write, pages
from search.newwords import Home
from search.project import Projector, complete_sets, document, entry_key
from search.query import Term, TokenQuery

# Each act of a disposition is a document: with one more of them, something may have been erased.
ACTS: Final = TokenQuery(Term("kinds", events.DISPOSITION), frozenset(KINDS))
_PAGE: Final = 200
_WRITES: Final = 500
_ROUNDS_MAX: Final = 50


class Reader(Protocol):
    """What is asked of the archive (`archive.reader.ArchiveReader`)."""

    def read(self, pointer: Pointer) -> bytes:
        """One datum, verified. Raises Missing (key or object gone) or Refused."""

    def home(self, pointer: Pointer) -> tuple[bytes, int]:
        """Key domain and generation that a datum lies under; needs no key. Raises as `read`."""


class Erased:
    """Which keys are gone by right, as far as the archive was followed."""

    def __init__(self, acts: Iterable[Act] = ()) -> None:
        self._acts = set(acts)
        self.homes = self._judged()

    def take(self, found: Iterable[ReadEvent]) -> frozenset[Home]:
        """Hear these events; which keys are gone by right that were not before."""
        new = {act for event in found for act in _acts_in(event)} - self._acts
        if not new:
            return frozenset()
        self._acts |= new
        before, self.homes = self.homes, self._judged()
        return self.homes - before

    def _judged(self) -> frozenset[Home]:
        return frozenset(home_of(name) for name in record_of(self._acts).erased)


def home_of(name: str) -> Home:
    """Domain and generation of a key record's name."""
    domain, _, generation = name.partition("/")
    return bytes.fromhex(domain), int(generation)


def acts_known(index: Index, reader: Reader) -> Iterator[Act]:
    """Every act that the index has, read from the archive. One that cannot be read any more erases
    nothing."""
    bodies = Bodies(reader)
    for found in pages(index, ACTS, _PAGE):
        for entry in found.entries:
            if entry.kind != events.DISPOSITION:
                continue
            try:
                yield read_act(bodies.event(found, entry))
            except (Missing, Refused):
                continue


def _acts_in(event: ReadEvent) -> Iterator[Act]:
    if event.datum is None or event.problem or events.DISPOSITION not in event.kinds \
            or not domains.is_reserved(event.domain):
        return
    try:
        found = codec.decode(event.datum)
        if isinstance(found, CapturedEvent) and found.kind == events.DISPOSITION:
            yield read_act(found)
    except Refused:
        return                                    # the projector makes a document that says so


class Sweeper:
    """Takes what lay under erased keys out of one index."""

    def __init__(self, index: Index, reader: Reader, projector: Projector) -> None:
        self._index, self._reader, self._projector = index, reader, projector
        self._bodies = Bodies(reader)
        self._homes: dict[tuple[str, int], Home | None] = {}

    def sweep(self, homes: frozenset[Home]) -> int:
        """Every document is looked at; how many events became stubs. Raises Transient. After a
        crash on the way the same sweep is made again."""
        words = self._index.words()
        for home in sorted(homes):
            words.drop(*home)
        self._index.refresh()
        count, ids = 0, list[str]()
        for found in self._index.scan():
            if any(self._is_gone(entry, homes) for entry in found.entries):
                ids.append(found.doc_id)
                count += sum(self._is_gone(one, homes) for one in found.entries)
            if len(ids) >= _WRITES:
                self._settle(ids, homes)
                ids = []
        self._settle(ids, homes)
        return count

    def _settle(self, ids: Sequence[str], homes: frozenset[Home]) -> None:
        """First the stubs, then what they stand for: a crash in between shows an event twice, never
        not at all. Who else writes to a document meanwhile is read again."""
        waiting: set[str] = set(ids)
        for _ in range(_ROUNDS_MAX):
            if not waiting:
                return
            held = self._index.get(waiting)
            stubs: dict[str, list[Entry]] = {}
            for stored in held.values():
                for entry in stored.document.entries:
                    if self._is_gone(entry, homes) and not entry.joined:
                        doc_id, stub = self._projector.erased(entry.pointer, entry.retain_until)
                        stubs.setdefault(doc_id, []).append(stub)
            self._put_stubs(stubs)
            writes = []
            for stored in self._index.get(waiting - stubs.keys()).values():
                left = self._without(stored.document, homes)
                if left is not None:
                    writes.append(Write(left, stored.version, is_less=True))
            waiting = set(self._index.put(writes, {})) if writes else set()
        raise Transient("other writers changed the same documents again and again")

    def _put_stubs(self, stubs: dict[str, list[Entry]]) -> None:
        for _ in range(_ROUNDS_MAX):
            if not stubs:
                return
            held = self._index.get(stubs)
            writes = []
            for doc_id, new in stubs.items():
                stored = held.get(doc_id)
                # What stood here for a key that was merely gone is this one.
                kept = [one for one in stored.document.entries
                        if entry_key(one) not in {entry_key(stub) for stub in new}
                        ] if stored else []
                made = document(doc_id, (*kept, *new))
                if stored is None or made.entries != stored.document.entries:
                    writes.append(Write(made, stored.version if stored else None))
            conflicts = self._index.put(writes, {}) if writes else frozenset()
            stubs = {doc_id: new for doc_id, new in stubs.items() if doc_id in conflicts}
        raise Transient("other writers changed the same documents again and again")

    def _without(self, found: Document, homes: frozenset[Home]) -> Document | None:
        """The document without what is gone; null where nothing is. One without entries is none:
        the caller removes it."""
        kept = [one for one in found.entries if not self._is_gone(one, homes)]
        if len(kept) == len(found.entries):
            return None
        whole = {entry_key(chain[0])[:-1] for chain in complete_sets(kept)}
        kept = [one for one in kept if not one.joined or entry_key(one)[:-1] in whole]
        if not kept:
            return shape.nothing(found.doc_id)
        # One text is kept once in a document: if its keeper went, another takes it over.
        return document(found.doc_id, [self._full(found, one) for one in kept])

    def _full(self, found: Document, entry: Entry) -> Entry:
        """The entry with the words and marks of its event, where it had left them to another."""
        if not ((entry.term_count and not entry.words and not entry.chars)
                or (entry.mark_count and not entry.marks)):
            return entry
        try:
            event = self._bodies.event(found, entry)
        except (Missing, Refused):
            return entry                          # it cannot be projected anew either
        return self._projector.entry(event, entry.pointer, entry.retain_until, seen=entry.seen,
                                     joined=entry.joined)

    def _is_gone(self, entry: Entry, homes: frozenset[Home]) -> bool:
        return entry.kind != shape.ERASED and self._home(entry.pointer) in homes

    def _home(self, pointer: Pointer) -> Home | None:
        place = pointer.segment, pointer.start
        if place not in self._homes:
            try:
                self._homes[place] = self._reader.home(pointer)
            except (Missing, Refused):
                self._homes[place] = None         # verify names it
        return self._homes[place]
