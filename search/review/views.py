"""What a reviewer sends to the desk, and what he is shown.

Owns those shapes; `search/review/desk.py` fills them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.document import Document
from search.review.history import History
from search.review.item import ItemState
from search.review.leases import Claim


@dataclass(frozen=True, slots=True)
class ItemView:
    """An item as a person sees it. `due_at`: null = nobody is wanted. `claim`: who works on it.
    `is_own`: the conflict rule bars the viewer. `names_shown`: not behind pseudonyms. `basis`: to
    be handed back with a decision. `pending`: something of it is not in the index yet."""

    doc_id: str
    document: Document
    state: ItemState
    history: History
    assigned_to: str
    decided_by: str
    confirmed_by: str
    tags: tuple[str, ...]
    rules: tuple[str, ...]
    due_at: int | None
    claim: Claim | None
    is_own: bool
    names_shown: bool
    basis: str
    pending: bool = False


@dataclass(frozen=True, slots=True)
class QueueRow:
    """An item in a list, told by the index alone: nothing of the archive was read for it. Its
    message is shown by whoever shows messages. `decided_by`, `assigned_to`: "" = nobody."""

    doc_id: str
    document: Document
    state: ItemState
    assigned_to: str
    decided_by: str
    rules: tuple[str, ...]
    due_at: int | None
    claim: Claim | None
    is_own: bool


@dataclass(frozen=True, slots=True)
class QueuePage:
    """`total`: how many fit, what the viewer has just decided taken off. `counts`: as of
    `ReviewDesk.counts`, where they were asked for."""

    rows: tuple[QueueRow, ...]
    total: int
    next: str | None
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Form:
    """What a person sends. `key`: random, made with the form, the same when it is sent twice;
    `basis`: as the item was shown, "" = as it is now. `level`: of an escalation or reopening, null
    = the next, or the one it has."""

    action: str
    decision: str = ""
    reason: str = ""
    note: str = ""
    level: int | None = None
    to: str = ""
    tag: str = ""
    key: str = ""
    basis: str = ""
    bulk: str = ""
    quality: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """An act that is on the log. `repeated`: the form had been sent before."""

    view: ItemView
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class BulkDone:
    """`done`: ids; `left`: (id, why not)."""

    bulk: str
    done: tuple[str, ...]
    left: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """A document as the index has it, and its state with what was just done."""

    doc_id: str
    document: Document
    state: ItemState
