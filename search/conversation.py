"""A whole conversation, page by page, every message with all its versions: what a chat shows.

Owns which documents stand on a page and what lies between them. Copies of one message at several
accounts are one line, as in a search; gaps of capture that touch the page are told with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from schemas import document as shape
from schemas import limits
from schemas.assignment import Assignments
from schemas.document import Document
from schemas.events import Identity
from schemas.gaps import Gap
from search import thread
from search.bodies import Bodies
from search.copies import Linked, linked
from search.index import Asked, PageCursor
from search.query import TokenQuery
from search.results import readable
from search.seenby import seen_by
from search.thread import MessageView

PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class ConversationView:
    """One page, the oldest message first.

    `conversation`: the token that `conversation:` takes. `messages`: each as `Searcher.view` gives
    it, without the talk around it. `earlier`, `later`: what to hand back as `before`, `after`; null
    = this is the beginning, the end. `total`: messages of the whole conversation, copies counted
    each. `gaps`: those of its channel and accounts that touch the time between the page's first
    and last message. `parties`: who takes part, as the page's messages name them; `accounts`: the
    firm's own among them, as captured.
    """

    conversation: str
    messages: tuple[MessageView, ...]
    earlier: str | None
    later: str | None
    total: int
    gaps: tuple[Gap, ...] = ()
    parties: tuple[Identity, ...] = ()
    accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Slice:
    """Documents of one page, the oldest first, and whether there are more on each side."""

    documents: tuple[Document, ...]
    earlier: PageCursor | None
    later: PageCursor | None
    total: int


def around(index: Asked, asked: TokenQuery, found: Document, limit: int) -> Slice:
    """`found` and up to `limit` - 1 documents of `asked` about it, half on each side."""
    here = PageCursor(found.sort_at, found.doc_id)
    half = max(1, _bounded(limit) // 2)
    before = index.search(asked, half, here)
    after = index.search(asked, half, here, oldest_first=True)
    documents = (*reversed(before.documents), found, *after.documents)
    return Slice(documents,
                 _place(documents[0]) if before.next else None,
                 _place(documents[-1]) if after.next else None, before.total)


def beside(index: Asked, asked: TokenQuery, limit: int, before: PageCursor | None,
           after: PageCursor | None) -> Slice:
    """The page of `asked` that ends before `before` or begins after `after`; with neither the
    newest."""
    limit = _bounded(limit)
    if after is not None and before is None:
        page = index.search(asked, limit, after, oldest_first=True)
        documents = page.documents
        more_before, more_after = True, page.next is not None
    else:
        page = index.search(asked, limit, before)
        documents = tuple(reversed(page.documents))
        more_before, more_after = page.next is not None, before is not None
    if not documents:
        return Slice((), None, None, page.total)
    return Slice(documents, _place(documents[0]) if more_before else None,
                 _place(documents[-1]) if more_after else None, page.total)


def view(conversation: str, page: Slice, asked: TokenQuery, index: Asked, bodies: Bodies,
         assigned: Assignments, gaps: Sequence[Gap] = (), this: str = "") -> ConversationView:
    """The page as a person sees it. `gaps`: all that are known, of every channel; `this`: the id of
    the message that was asked for, which stands for its copies."""
    links = linked(index, asked, page.documents) if page.documents else Linked()
    shown = [_standing(one, links, this) for one in page.documents
             if one.doc_id not in links.hidden]
    messages = []
    for found in shown:
        seen = thread.message(found, bodies, copies=links.ids(found.doc_id), assigned=assigned)
        told = seen_by(found, links.copies.get(found.doc_id, ()), bodies, assigned)
        messages.append(replace(seen, hit=replace(seen.hit, seen_by=told), conversation=()))
    parties, accounts = _parties(page.documents, bodies)
    return ConversationView(
        conversation, tuple(messages),
        page.earlier.text() if page.earlier else None,
        page.later.text() if page.later else None, page.total,
        touching(gaps, page, {one.channel for one in shown}, accounts), parties,
        tuple(sorted(accounts)))


def _standing(found: Document, links: Linked, this: str) -> Document:
    """Which of the copies that one line stands for is shown: the one that was asked for, else one
    that was retracted or edited. What was taken back on one telephone must not look untouched."""
    family = [found, *(one for one in links.copies.get(found.doc_id, ())
                       if one.doc_id in links.hidden)]
    return max(family, key=lambda one: (
        one.doc_id == this, one.state == shape.RETRACTED, one.version_count,
        one.doc_id == found.doc_id))


def touching(gaps: Iterable[Gap], page: Slice, channels: set[str],
             accounts: set[str]) -> tuple[Gap, ...]:
    """The gaps in which something of this page may be missing, the oldest first."""
    if not page.documents:
        return ()
    since = page.documents[0].sort_at if page.earlier else None
    until = page.documents[-1].sort_at if page.later else None
    return tuple(sorted(
        (gap for gap in gaps
         if gap.concerns(channels, accounts) and gap.touches(since, until)),
        key=lambda gap: (gap.since or 0, gap.reason)))


def _parties(shown: Sequence[Document], bodies: Bodies) -> tuple[tuple[Identity, ...], set[str]]:
    """(who takes part, each once, with a name where any message gives one; the firm's accounts)."""
    known: dict[str, Identity] = {}
    accounts: set[str] = set()
    for found in shown:
        for entry in thread.ordered_versions(found)[:1]:
            event, _ = readable(found, entry, bodies)
            if event is None:
                continue
            accounts.add(event.account)
            for one in (event.actor, *event.participants):
                if one is not None and (one.native_id not in known or (
                        one.display_name and not known[one.native_id].display_name)):
                    known[one.native_id] = one
    return tuple(known.values()), accounts - {""}


def _place(found: Document) -> PageCursor:
    return PageCursor(found.sort_at, found.doc_id)


def _bounded(limit: int) -> int:
    return max(1, min(limit, PAGE_MAX, limits.PAGE_HITS_MAX))
