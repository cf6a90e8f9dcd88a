"""One message, one conversation: what a person sees (DESIGN §3, 15).

Owns the view of a message: every version in order with who, when and how it is known, every place
where it lies in the archive and until when, what else happened to it, and the talk around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schemas import document as shape
from schemas import events
from schemas.assignment import Assignments
from schemas.document import Document, Entry
from schemas.events import Identity
from search import query
from search.bodies import Bodies
from search.evaluate import highlights
from search.files import FileView, files
from search.flagged import FlagView, flags
from search.index import Asked, PageCursor
from search.project import (
    BASE_KINDS,
    VERSION_KINDS,
    effective_time,
    entry_key,
    version_leads,
)
from search.results import HitView, hit, readable
from search.tree import Tree

AROUND_DEFAULT: Final = 3
_NOTHING_ASSIGNED: Final = Assignments()


@dataclass(frozen=True, slots=True)
class Sighting:
    """One archived record of a version. `differs`: its content is not that of the leading one;
    then `text` is its own."""

    segment: str
    offset: int
    index: int
    captured_at: int
    retain_until: int
    differs: bool = False
    text: str | None = None


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version of a message, as its leading record says it.

    `text` null = none; `content_state` or `problem` says why. Times: UTC ms or null;
    `occurred_local`, `occurred_not_before` and `occurred_meaning` as in `HitView`.
    """

    kind: str
    text: str | None
    highlights: tuple[tuple[int, int], ...]
    actor: Identity | None
    occurred_at: int | None
    captured_at: int
    content_state: str
    target_known: str | None
    provenance: str
    observations: tuple[str, ...]
    attachments: int
    segment: str
    offset: int
    index: int
    retain_until: int
    sightings: tuple[Sighting, ...]
    problem: str = ""
    occurred_local: str | None = None
    occurred_not_before: int | None = None
    occurred_meaning: str | None = None


@dataclass(frozen=True, slots=True)
class RelatedView:
    """Something that happened to the message and is no version: a receipt, a reaction."""

    kind: str
    subkind: str
    text: str | None
    actor: Identity | None
    occurred_at: int | None
    captured_at: int | None
    segment: str
    offset: int
    index: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ConversationLine:
    """A line of the conversation; `is_this` marks the message itself."""

    hit: HitView
    is_this: bool


@dataclass(frozen=True, slots=True)
class MessageView:
    """Everything known of one message."""

    hit: HitView
    versions: tuple[VersionView, ...]
    related: tuple[RelatedView, ...]
    conversation: tuple[ConversationLine, ...]
    files: tuple[FileView, ...] = ()
    flags: tuple[FlagView, ...] = ()


def message(found: Document, bodies: Bodies, around: Sequence[Document] = (),
            tree: Tree | None = None, copies: tuple[str, ...] = (),
            assigned: Assignments = _NOTHING_ASSIGNED) -> MessageView:
    """The view of `found` between the documents `around` it (see `conversation_around`)."""
    this = hit(found, bodies, tree, copies, assigned)
    lines = [ConversationLine(this if one.doc_id == found.doc_id else hit(one, bodies),
                              one.doc_id == found.doc_id) for one in around]
    versions = ordered_versions(found)
    return MessageView(
        hit=this,
        versions=tuple(_version(found, entry, bodies, tree) for entry in versions),
        related=tuple(_related(found, entry, bodies) for entry in _related_entries(found)),
        conversation=tuple(lines) or (ConversationLine(this, True),),
        files=files(found, versions, bodies),
        flags=flags(found, versions, bodies),
    )


def conversation_around(found: Document, index: Asked, each_side: int = AROUND_DEFAULT,
                        where: query.Node | None = None) -> list[Document]:
    """`found` and up to `each_side` documents of its conversation before and after, in order.
    `where`: the conversation under all its names, where it has several (search/links.py)."""
    if not found.conversation or each_side <= 0:
        return [found]
    asked = query.TokenQuery(where or query.Term("conversation", found.conversation))
    here = PageCursor(found.sort_at, found.doc_id)
    before = index.search(asked, each_side, here).documents
    after = index.search(asked, each_side, here, oldest_first=True).documents
    return [*reversed(before), found, *after]


def ordered_versions(found: Document) -> list[Entry]:
    """The leading record of each version: the message first, then by time; of one second, an edit
    before a retraction. Of a document without versions: what it is named after."""
    def place(entry: Entry) -> tuple[bool, int, bool, int, tuple[str, int, int, int, bool]]:
        return (entry.kind not in BASE_KINDS, effective_time(entry),
                entry.kind not in (*BASE_KINDS, events.EDIT), entry.captured_at, entry_key(entry))
    leads = version_leads(found)
    if leads:
        return sorted(leads, key=place)
    own: dict[str, Entry] = {}
    for entry in found.entries:
        if entry.kind == found.kind:
            own.setdefault(entry.entry_id, entry)
    return sorted(own.values(), key=place)


def _related_entries(found: Document) -> list[Entry]:
    own = {entry.entry_id for entry in ordered_versions(found)}
    seen: dict[str, Entry] = {}
    for entry in sorted(found.entries, key=lambda e: (effective_time(e), entry_key(e))):
        if entry.kind in VERSION_KINDS or entry.kind in shape.STUB_KINDS or entry.entry_id in own:
            continue
        seen.setdefault(entry.entry_id, entry)
    return list(seen.values())


def _version(found: Document, entry: Entry, bodies: Bodies, tree: Tree | None) -> VersionView:
    event, problem = readable(found, entry, bodies)
    text = event.text if event else None
    place = entry.pointer
    return VersionView(
        kind=entry.kind, text=text,
        highlights=tuple(highlights(tree, text)) if tree is not None and text else (),
        actor=event.actor if event else None, occurred_at=entry.occurred_at,
        captured_at=entry.captured_at, content_state=entry.content_state,
        target_known=entry.target_known, provenance=entry.provenance,
        observations=entry.observations, attachments=entry.attachments,
        segment=place.segment, offset=place.offset, index=place.index,
        retain_until=entry.retain_until,
        sightings=tuple(_sighting(found, one, entry, bodies) for one in found.entries
                        if one.entry_id == entry.entry_id and one.kind == entry.kind),
        problem=problem, occurred_local=event.occurred_local if event else None,
        occurred_not_before=event.occurred_not_before if event else None,
        occurred_meaning=event.occurred_meaning if event else None,
    )


def _sighting(found: Document, entry: Entry, leading: Entry, bodies: Bodies) -> Sighting:
    place = entry.pointer
    differs = entry.digest != leading.digest
    event = readable(found, entry, bodies)[0] if differs else None
    return Sighting(place.segment, place.offset, place.index, entry.captured_at,
                    entry.retain_until, differs, event.text if event else None)


def _related(found: Document, entry: Entry, bodies: Bodies) -> RelatedView:
    event, problem = readable(found, entry, bodies)
    return RelatedView(
        kind=entry.kind, subkind=entry.subkind, text=event.text if event else None,
        actor=event.actor if event else None, occurred_at=entry.occurred_at,
        captured_at=entry.captured_at or None, segment=entry.pointer.segment,
        offset=entry.pointer.offset, index=entry.pointer.index, problem=problem,
    )
