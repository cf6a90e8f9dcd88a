"""Who did what: the firm's own records, newest first, as an auditor reads them. Pure.

Owns which records those are, how they are narrowed, and how often somebody had looked at the same
message before. It reads the whole firm's records and no message: the index is asked for the firm's
own kinds, and of messages only for the reviews that lie on them.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from schemas import events, limits
from schemas.document import Document, Entry
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent, Identity
from search import identity, query
from search.audit import ATTACHMENT, VIEW
from search.bodies import Bodies
from search.index import Asked, PageCursor, TooBroad, pages
from search.query import Term, TokenQuery
from search.review import decisions
from search.tokens import Tokenizer

LOOKS: Final = "looks"
# What a person may choose from -> the kinds of records.
GROUPS: Final[Mapping[str, frozenset[str]]] = MappingProxyType({
    LOOKS: frozenset({events.AUDIT}),
    "reviews": frozenset({events.REVIEW}),
    "policies": frozenset({events.POLICY}),
    "directory": frozenset({events.DIRECTORY, events.ASSIGNMENT, events.NOTICE}),
    "exports": frozenset({events.EXPORT, events.HOLD, events.DISPOSITION}),
})
KINDS: Final = frozenset().union(*GROUPS.values())
# Records that one page reads through where a filter has to look into each; then it says how far it
# came, and goes on when asked.
EXAMINED_MAX: Final = 2_000
# Earlier looks that one page reads through to say "for the 3rd time".
BACK_MAX: Final = 2_000
# Messages that were decided on, all of which one page of reviews reads.
REVIEWED_MAX: Final = limits.CHECKED_DOCUMENTS_MAX
_PAGE: Final = 100
# What is asked by `sort_at` is asked with so much room: it holds a place beside the time.
_PLACE_MS: Final = 60_000
_SEEN: Final = frozenset({VIEW, ATTACHMENT})
# Looks that are remembered, so that a page is not read twice; some 30 MB.
_REMEMBERED_MAX: Final = 100_000

Key = tuple[int, str]
"""(-at, id): the order of a trail, the newest first."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """All of these hold; "" and null = any. `group`: one of GROUPS; `since`, `until`: UTC ms, half
    open; `document`: the id of a message that was opened, shown in a list, or decided on."""

    person: str = ""
    action: str = ""
    group: str = ""
    since: int | None = None
    until: int | None = None
    document: str = ""

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of records that are meant."""
        return GROUPS.get(self.group, KINDS)


@dataclass(frozen=True, slots=True)
class Record:
    """One record. `at`: UTC ms; `text`: a query as typed, a note, a reason; `document`: the message
    that it is about, "" = none; `nth`: of a look, the how-manieth of this person at that message, 0
    = not counted; `at_least`: it may be more; `is_listed`: the message was one of a list;
    `problem`: why it cannot be read."""

    record_id: str
    kind: str
    action: str
    person: str
    at: int
    text: str | None = None
    details: tuple[tuple[str, str], ...] = ()
    document: str = ""
    nth: int = 0
    at_least: bool = False
    is_listed: bool = False
    problem: str = ""

    def detail(self, name: str) -> str:
        """A detail; "" where it has none of that name."""
        return dict(self.details).get(name, "")


@dataclass(frozen=True, slots=True)
class TrailPage:
    """`next`: hand it back for what is older, null = nothing is. `is_partial`: the page ended
    because enough records had been looked at, not because it was full."""

    records: tuple[Record, ...]
    next: str | None
    is_partial: bool = False


@dataclass(slots=True)
class _Looked:
    person: str
    document: str
    at: int


class Trail:
    """Reads the records of one firm. One instance belongs to one thread, as its index does."""

    def __init__(self, bodies: Bodies, tokenizer: Tokenizer) -> None:
        self._bodies = bodies
        self._tokenizer = tokenizer
        self._known: dict[str, _Looked | None] = {}

    def page(self, index: Asked, kinds: frozenset[str], wanted: Wanted, limit: int,
             after: str | None = None) -> TrailPage:
        """Up to `limit` records, the newest first. `kinds`: what the reader may see; `after`: the
        `next` of the page before. Raises Refused for a cursor that is none, TooBroad, Transient."""
        place = PageCursor.read(after) if after else None
        kinds = wanted.kinds & kinds
        found: list[Record] = []
        last: Key | None = None
        is_partial = False
        every = self._merged(index, kinds, wanted, place)
        for examined, (key, document, entry) in enumerate(every):
            # Loads of one file are one document: a page ends between documents, never within one.
            if key != last and (len(found) >= limit or examined >= EXAMINED_MAX):
                is_partial = len(found) < limit
                break
            last = key
            record = self._fitting(document, entry, wanted)
            if record is not None:
                found.append(record)
        else:
            last = None
        cursor = None if last is None else PageCursor(-last[0], last[1]).text()
        return TrailPage(tuple(self._counted(index, found)), cursor, is_partial)

    def _merged(self, index: Asked, kinds: frozenset[str], wanted: Wanted,
                place: PageCursor | None) -> Iterator[tuple[Key, Document, Entry]]:
        own = kinds - {events.REVIEW}
        sources: list[Iterable[tuple[Key, Document, Entry]]] = []
        if own:
            sources.append(self._own(index, own, wanted, place))
        if events.REVIEW in kinds and wanted.action in ("", *decisions.ACTIONS):
            sources.append(self._reviews(index, wanted, place))
        return heapq.merge(*sources, key=lambda one: one[0])

    def _own(self, index: Asked, kinds: frozenset[str], wanted: Wanted,
             place: PageCursor | None) -> Iterator[tuple[Key, Document, Entry]]:
        """Records that are documents of their own."""
        every: list[query.Node] = [query.Or(tuple(Term("kind", one) for one in sorted(kinds)))]
        if (wanted.since, wanted.until) != (None, None):
            every.append(query.Between(wanted.since, wanted.until))
        if wanted.person:
            every.append(Term("actors", self._token(wanted.person)))
        asked = TokenQuery(query.flatten(query.And(tuple(every))), kinds)
        while True:
            page = index.search(asked, _PAGE, place)
            for document in page.documents:
                # Several entries of one id are sightings of the same record.
                for entry in {one.entry_id: one for one in document.entries}.values():
                    if entry.kind in kinds and wanted.action in ("", entry.subkind):
                        yield (-document.sort_at, document.doc_id), document, entry
            place = page.next
            if place is None:
                return

    def _reviews(self, index: Asked, wanted: Wanted,
                 place: PageCursor | None) -> Iterator[tuple[Key, Document, Entry]]:
        """What people decided lies on the messages that it is about; of those nothing else is
        read."""
        if wanted.document:
            stored = index.get([wanted.document]).get(wanted.document)
            documents: Iterable[Document] = [stored.document] if stored else []
        else:
            documents = _reviewed(index)
        token = self._token(wanted.person) if wanted.person else ""
        found = {}
        for document in documents:
            for entry in document.entries:
                if entry.kind != events.REVIEW or not _is_within(entry.captured_at, wanted):
                    continue
                if (wanted.action and entry.subkind != wanted.action) or (
                        token and token not in entry.actor):
                    continue
                key = (-entry.captured_at, (entry.entry_id * 2)[:32])
                if place is None or key > (-place.sort_at, place.doc_id):
                    found[key] = (key, document, entry)
        return iter(sorted(found.values(), key=lambda one: one[0]))

    def _token(self, person: str) -> str:
        """What the records of a person are found by: the id alone, as `Identity(id, "user")` has
        it."""
        (fact,) = [one for one in identity.facts(Identity(person, "user")) if one[0] == "id"][:1]
        return self._tokenizer.party(*fact)

    def _fitting(self, document: Document, entry: Entry, wanted: Wanted) -> Record | None:
        record = self._record(document, entry)
        if wanted.person and record.person != wanted.person and not record.problem:
            return None                              # another with the same words in the name
        if not wanted.document:
            return record
        if wanted.document == record.document:
            return record
        if wanted.document in record.detail("shown").split():
            return replace(record, document=wanted.document, is_listed=True)
        return None

    def _record(self, document: Document, entry: Entry) -> Record:
        is_review = entry.kind == events.REVIEW and document.kind != events.REVIEW
        about = document.doc_id if is_review else ""
        record_id = entry.entry_id if is_review else document.doc_id
        try:
            event = self._bodies.event(document, entry)
        except (Missing, Refused) as error:
            return Record(record_id, entry.kind, entry.subkind, "", entry.captured_at,
                          document=about, problem=str(error) or type(error).__name__)
        return _read(record_id, event, about)

    # --- the how-manieth time --------------------------------------------------------------------

    def _counted(self, index: Asked, found: Iterable[Record]) -> Iterator[Record]:
        """The same records, with the number of each look."""
        records = list(found)
        wanted = {one.person for one in records if _is_look(one)}
        earlier: dict[str, tuple[list[_Looked], bool]] = {}
        room = BACK_MAX
        for person in sorted(wanted):
            newest = max(one.at for one in records if one.person == person and _is_look(one))
            looks, is_whole = self._looks(index, person, newest, room)
            room = max(0, room - len(looks))
            earlier[person] = looks, is_whole
        for one in records:
            if not _is_look(one):
                yield one
                continue
            looks, is_whole = earlier[one.person]
            count = sum(look.document == one.document and look.at <= one.at for look in looks)
            yield replace(one, nth=max(1, count), at_least=not is_whole)

    def _looks(self, index: Asked, person: str, until: int,
               room: int) -> tuple[list[_Looked], bool]:
        """(looks of a person up to a moment, the newest first; whether these are all)."""
        asked = TokenQuery(query.And((
            Term("kind", events.AUDIT), Term("actors", self._token(person)),
            query.Between(None, until + _PLACE_MS))), frozenset({events.AUDIT}))
        out: list[_Looked] = []
        for document in pages(index, asked, _PAGE):
            entry = document.entries[0]
            if entry.subkind not in _SEEN:
                continue
            if len(out) >= room:
                return out, False
            look = self._look(document, entry)
            if look is not None and look.person == person:
                out.append(look)
        return out, True

    def _look(self, document: Document, entry: Entry) -> _Looked | None:
        """A record never changes: each is read once."""
        if document.doc_id not in self._known:
            if len(self._known) >= _REMEMBERED_MAX:
                self._known.clear()
            record = self._record(document, entry)
            self._known[document.doc_id] = _Looked(
                record.person, record.document, record.at) if record.document else None
        return self._known[document.doc_id]


def _reviewed(index: Asked) -> Iterator[Document]:
    """Every message that somebody decided on. Which of them were decided on lately, the index does
    not say: all are read. Raises TooBroad."""
    asked = TokenQuery(Term("kinds", events.REVIEW), events.ALL_KINDS)
    try:
        yield from index.each(asked, REVIEWED_MAX)
    except TooBroad:
        raise TooBroad(f"more than {REVIEWED_MAX:,} messages were decided on, and all of them "
                       "would have to be read: choose other records than reviews, an action that "
                       "is not a reviewer's, or one message") from None


def _read(record_id: str, event: CapturedEvent, about: str) -> Record:
    details = tuple((name, value) for name, value in event.details if name != "action")
    person = event.actor.native_id if event.actor else _person_of(event)
    return Record(record_id, event.kind, event.detail("action") or "", person, event.captured_at,
                  event.text, details, about or event.detail("document") or "")


def _person_of(event: CapturedEvent) -> str:
    """Who a record without an actor names."""
    try:
        said = json.loads(event.detail("said") or "{}")
    except (ValueError, RecursionError):
        said = {}
    found = said.get("who") if isinstance(said, dict) else None
    return found if isinstance(found, str) else event.detail("who") or ""


def _is_look(one: Record) -> bool:
    return one.kind == events.AUDIT and one.action in _SEEN and one.document != "" and (
        not one.is_listed)


def _is_within(at: int, wanted: Wanted) -> bool:
    return ((wanted.since is None or wanted.since <= at)
            and (wanted.until is None or at < wanted.until))
