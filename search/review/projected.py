"""What a document says of its review: the fields that make the queue a question to the index.

Owns their names. They are a function of the document's entries, as everything in it, and the same
as the fold of the events that the entries stand for: a count of the index is a count of items.
No setting is in them: when an item is due follows from `times` and the severity when it is asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from search.review import facts, item, ladder
from search.review.item import ItemState

ITEM: Final = "item"            # there was something to review
STATUS: Final = "status"
LEVEL: Final = "level"
SEVERITY: Final = "severity"
OUTCOME: Final = "outcome"      # of a closed item
WHY: Final = "why"
ASSIGNED: Final = "assigned"    # of one that waits: a token, or NOBODY
BY: Final = "by"                # who decided last: a token
BARRED: Final = "barred"        # who may not decide next: a token
RULE: Final = "rule"            # a token, each
TAG: Final = "tag"              # a token, each
CONFLICT: Final = "conflict"
SAMPLE: Final = "sample"
MANDATORY: Final = "mandatory"
NOBODY: Final = "nobody"


@dataclass(frozen=True, slots=True)
class ReviewFields:
    """`codes`: sorted; () where there is nothing to review. `times`: the rungs (ladder.py) of since
    when somebody is wanted, or of when it was closed; () where there is nothing to review."""

    codes: tuple[str, ...] = ()
    times: tuple[str, ...] = ()


_NOTHING: Final = ReviewFields()


def code(name: str, value: str | int) -> str:
    """How a field's value is written, in documents and in questions: small letters, digits, "-" and
    "_" only, which every index takes for one word."""
    return f"{name}-{value}"


def name_and_value(written: str) -> tuple[str, str]:
    """What `code` was given; of a plain name the value is ""."""
    name, _, value = written.partition("-")
    return name, value


def review_fields(entries: Iterable[facts.Entry]) -> ReviewFields:
    """The fields of a document with these entries: any order, any repetition."""
    held = tuple(entries)
    if not any(one.review for one in held):
        return _NOTHING                           # most messages: nobody flagged or reviewed them
    return of_state(item.fold(facts.of_entries(held)))


def of_state(state: ItemState) -> ReviewFields:
    """The fields of an item."""
    found = {code(TAG, one) for one in state.tags}
    if state.status == item.NONE:
        return ReviewFields(tuple(sorted(found)))
    found |= {ITEM, code(STATUS, state.status), code(LEVEL, state.level)}
    found |= {code(WHY, one) for one in state.why}
    found |= {code(RULE, one) for one in state.rules}
    found |= {code(BARRED, one) for one in state.barred}
    for name, value in ((SEVERITY, state.severity), (OUTCOME, state.outcome),
                        (BY, state.decided_by)):
        if value:
            found.add(code(name, value))
    if state.status in item.WAITING:
        found.add(code(ASSIGNED, state.assigned_to or NOBODY))
    found |= {name for name, is_so in ((CONFLICT, state.conflict), (SAMPLE, state.is_sample),
                                       (MANDATORY, state.is_mandatory)) if is_so}
    at = state.waiting_since if state.waiting_since is not None else state.decided_at
    return ReviewFields(tuple(sorted(found)), () if at is None else ladder.rungs(at))
