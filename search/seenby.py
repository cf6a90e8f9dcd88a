"""What each custodian's copy of one message shows, side by side (PROTOCOL I2).

Owns the differences: who had the text before it was taken back, whose copy lacks it, who has no
copy at all although their phone was in the talk. Every copy is read under its own custodian's key;
where that is gone, what the index knows still stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from schemas import document as shape
from schemas import events
from schemas.assignment import Assignments
from schemas.document import Document, Entry
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent
from search import query
from search.bodies import Bodies
from search.index import Asked, PageCursor
from search.project import author_entries, effective_time, text_entry, version_leads
from search.results import SeenBy, custodian_of

# text
SAME: Final = "same"           # as the message that is shown
DIFFERS: Final = "differs"
ABSENT: Final = "absent"       # this copy never had one
NO_COPY: Final = "no_copy"     # captured before and after in this conversation, and not this

# Copies of one message that are compared.
COPIES_MAX: Final = 100
# Lines of the conversation before and after in which somebody must have been captured.
_AROUND: Final = 100


def seen_by(shown: Document, family: Sequence[Document], bodies: Bodies,
            assigned: Assignments) -> tuple[SeenBy, ...]:
    """`shown` and its other copies `family`: the shown one first, then by time of capture."""
    others = sorted((one for one in family if one.doc_id != shown.doc_id),
                    key=lambda one: (one.captured_at, one.doc_id))
    every = [shown, *others[:COPIES_MAX - 1]]
    if len(every) < 2:
        return ()
    taken_back = min((effective_time(entry) for one in every for entry in _retractions(one)),
                     default=None)
    return tuple(_seen(one, shown, taken_back, bodies, assigned) for one in every)


def without_copy(shown: Document, family: Iterable[Document], index: Asked, bodies: Bodies,
                 assigned: Assignments) -> tuple[SeenBy, ...]:
    """Accounts on which this conversation was captured before and after, and not this message."""
    if not shown.conversation or not shown.shared:
        return ()
    asked = query.TokenQuery(query.Term("conversation", shown.conversation))
    here = PageCursor(shown.sort_at, shown.doc_id)
    before = _accounts(index.search(asked, _AROUND, here).documents)
    without = before.keys() - _accounts((shown, *family)).keys()
    if not without:
        return ()  # a conversation of two: there is nobody to look for after it either
    after = _accounts(index.search(asked, _AROUND, here, oldest_first=True).documents)
    out: list[SeenBy] = []
    for account in sorted(without & after.keys()):
        found, entry = before[account]
        event, problem = _read(found, [entry], bodies)
        custodian, _ = custodian_of(found, event, assigned)
        out.append(SeenBy("", custodian, event.account if event else "", None, NO_COPY,
                          problem=problem))
    return tuple(out)


def _seen(one: Document, shown: Document, taken_back: int | None, bodies: Bodies,
          assigned: Assignments) -> SeenBy:
    event, problem = _read(one, author_entries(one), bodies)
    custodian, _ = custodian_of(one, event, assigned)
    with_text = [entry for entry in version_leads(one) if entry.text_digest]
    text_at = min((entry.captured_at for entry in with_text), default=None)
    before = None
    if taken_back is not None:
        before = any(effective_time(entry) < taken_back for entry in with_text)
    return SeenBy(
        one.doc_id, custodian, event.account if event else "",
        None if one.state == shape.NONE else one.state, _text(one, shown), text_at,
        min((entry.captured_at for entry in _retractions(one)), default=None), before,
        one.version_count, problem)


def _text(one: Document, shown: Document) -> str:
    mine, other = text_entry(one), text_entry(shown)
    if mine is None:
        return ABSENT
    return SAME if other is not None and mine.text_digest == other.text_digest else DIFFERS


def _retractions(one: Document) -> list[Entry]:
    return [entry for entry in one.entries if entry.kind == events.RETRACTION]


def _accounts(found: Iterable[Document]) -> dict[str, tuple[Document, Entry]]:
    """Tokens of the accounts on which something was captured, each with one entry of it."""
    out: dict[str, tuple[Document, Entry]] = {}
    for one in found:
        for entry in one.entries:
            if entry.account and entry.kind not in shape.STUB_KINDS:
                out.setdefault(entry.account, (one, entry))
    return out


def _read(found: Document, entries: Iterable[Entry],
          bodies: Bodies) -> tuple[CapturedEvent | None, str]:
    """The first that can be read, or why none can."""
    problem = "unreadable"
    for entry in entries:
        try:
            return bodies.event(found, entry), ""
        except Missing as error:
            problem = f"key_lost: {error}"
        except Refused as error:
            problem = str(error)
    return None, problem
