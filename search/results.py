"""One answer of a search: what a person sees of a document in a list.

Owns the hit: the current or last known text, read by pointer, and where the query matches in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas import events
from schemas.assignment import Assignments
from schemas.document import Document, Entry
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent, Identity
from search.bodies import Bodies
from search.evaluate import has_words, highlights
from search.project import (
    author_entries,
    entry_key,
    leading_entry,
    revision_entries,
    text_entry,
)
from search.tree import Tree
from search.words import NO_STEMS, Stems

# Versions of one message that a list looks through for the words of the query.
_REVISIONS_READ_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class SeenBy:
    """One custodian's copy. `doc_id` "" = there is none; `state` null likewise. `custodian` "" =
    nobody's, or `problem` says why it is not known. UTC ms or null: when the text and when the
    retraction were captured; `before_retraction`: whether this copy had the text before the message
    was taken back, by whichever copy tells; null = it was not."""

    doc_id: str
    custodian: str
    account: str
    state: str | None
    text: str
    text_at: int | None = None
    retraction_at: int | None = None
    before_retraction: bool | None = None
    version_count: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class HitView:
    """A document, readable. `text` null = none, never captured, or `problem` says why not.

    `highlights`: half-open ranges of `text`. `conversation` is the token that `conversation:`
    takes. `state` null = nothing that could be edited or retracted. `earlier_text`: where the words
    of the query stand only in another version, that version. `copies`: ids of the same message as
    captured at other accounts. `custodian`: whose account it was captured on, "" = nobody's yet;
    `assigned`: that was decided afterwards (schemas/assignment.py). `seen_by`: where there are
    copies, what each of them shows. Times: UTC ms or null; `occurred_local`: as the file shows it,
    "2022-03-27T10:00"; `occurred_not_before`: where no time is known, when it cannot have been
    earlier (and not after `captured_at`); `occurred_meaning`: what the source's time means (sent |
    provider_webhook | device_received), null = it does not say.
    """

    doc_id: str
    channel: str
    kind: str
    kinds: tuple[str, ...]
    conversation: str
    actor: Identity | None
    direction: str | None
    occurred_at: int | None
    captured_at: int | None
    state: str | None
    content_state: str
    text: str | None
    highlights: tuple[tuple[int, int], ...]
    version_count: int
    sighting_count: int
    attachments: int
    observations: tuple[str, ...]
    subkind: str = ""
    problem: str = ""
    earlier_text: str | None = None
    earlier_highlights: tuple[tuple[int, int], ...] = ()
    copies: tuple[str, ...] = ()
    custodian: str = ""
    assigned: bool = False
    seen_by: tuple[SeenBy, ...] = ()
    occurred_local: str | None = None
    occurred_not_before: int | None = None
    occurred_meaning: str | None = None


_NOTHING_ASSIGNED: Final = Assignments()


def hit(found: Document, bodies: Bodies, tree: Tree | None = None,
        copies: tuple[str, ...] = (), assigned: Assignments = _NOTHING_ASSIGNED,
        stems: Stems = NO_STEMS) -> HitView:
    """What a list shows of `found`; one read of the archive. `tree`: what was asked, whose words
    are highlighted; `stems`: what its `stem:` compares."""
    with_text = text_entry(found)
    entry = with_text or next(iter(author_entries(found)), None)
    event, problem = readable(found, entry, bodies) if entry else (None, unreadable_of(found))
    text = event.text if event is not None and with_text is not None else None
    marks = highlights(tree, text, stems=stems) if tree is not None and text else []
    earlier, earlier_marks = (None, [])  # type: str | None, list[tuple[int, int]]
    if tree is not None and not marks:
        earlier, earlier_marks = _earlier(found, with_text, bodies, tree, stems)
    custodian, is_assigned = custodian_of(found, event, assigned)
    dated = _dated(found, entry, event, bodies)
    return HitView(
        doc_id=found.doc_id, channel=found.channel, kind=found.kind, kinds=found.kinds,
        conversation=found.conversation, actor=event.actor if event else None,
        direction=found.direction, occurred_at=found.occurred_at,
        captured_at=found.captured_at or None,
        state=None if found.state == "none" else found.state, content_state=found.content_state,
        text=text,
        highlights=tuple(marks), earlier_text=earlier, earlier_highlights=tuple(earlier_marks),
        version_count=found.version_count, sighting_count=found.sighting_count,
        attachments=found.attachments, observations=found.observations,
        subkind=" ".join(found.subkinds), problem=problem, copies=copies,
        custodian=custodian, assigned=is_assigned,
        occurred_local=dated.occurred_local if dated else None,
        occurred_not_before=dated.occurred_not_before if dated else None,
        occurred_meaning=dated.occurred_meaning if dated else None,
    )


def _dated(found: Document, shown: Entry | None, event: CapturedEvent | None,
           bodies: Bodies) -> CapturedEvent | None:
    """The event that the document is dated after; one more read where another one is shown and
    the source may tell more than `occurred_at`."""
    leading = leading_entry(found)
    if shown is not None and entry_key(leading) == entry_key(shown):
        return event
    if leading.provenance != events.CUSTODIAN_SUPPLIED:
        return None
    return readable(found, leading, bodies)[0]


def custodian_of(found: Document, event: CapturedEvent | None,
                 assigned: Assignments) -> tuple[str, bool]:
    """(whose the message is, whether that was decided afterwards). What capture wrote is never
    overruled: an assignment speaks of what nobody had claimed."""
    if event is None or event.custodian or not event.account:
        return event.custodian if event else "", False
    custodian = assigned.custodian(found.channel, event.account, found.sort_at)
    return custodian, bool(custodian)


def _earlier(found: Document, shown: Entry | None, bodies: Bodies, tree: Tree,
             stems: Stems) -> tuple[str | None, list[tuple[int, int]]]:
    """The youngest other version in which the words of the query stand, and where."""
    if not has_words(tree):
        return None, []
    for entry in reversed(revision_entries(found)[-_REVISIONS_READ_MAX:]):
        if shown is not None and entry_key(entry) == entry_key(shown):
            continue
        event, _ = readable(found, entry, bodies)
        if event is not None and event.text:
            marks = highlights(tree, event.text, stems=stems)
            if marks:
                return event.text, marks
    return None, []


def readable(found: Document, entry: Entry, bodies: Bodies) -> tuple[CapturedEvent | None, str]:
    """(the event, "") or (null, why it cannot be read): a lost key must not hide the rest."""
    try:
        return bodies.event(found, entry), ""
    except Missing as error:
        return None, f"key_lost: {error}"
    except Refused as error:
        return None, str(error)


def unreadable_of(found: Document) -> str:
    """Why a document without a readable event has none."""
    return next((e.unreadable for e in found.entries if e.unreadable), found.kind)
