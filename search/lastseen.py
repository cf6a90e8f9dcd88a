"""When something was last captured on an account (G8).

Owns the question to the index; it holds no number, only tokens of them, so nothing else has to
remember who was heard of when. What a custodian handed in says nothing of whether capture works.
"""

from __future__ import annotations

from typing import Final

from schemas import document as shape
from schemas import events
from schemas.document import Document, Entry
from search import identity, query
from search.index import Index, PageCursor
from search.query import Node, Or, Term, TokenQuery
from search.tokens import Tokenizer

# What a provider or a device delivers while capture works.
_ALIVE: Final = frozenset({
    events.MESSAGE, events.EDIT, events.RETRACTION, events.RESTORATION, events.REACTION,
    events.RECEIPT, events.MEMBERSHIP, events.IDENTITY, events.CALL, events.UNKNOWN,
})
_VOUCHED: Final = frozenset({
    events.PROVIDER_SIGNED, events.PROVIDER_FETCHED, events.DEVICE_SUPPLIED,
})
_PAGE: Final = 20
# Pages looked through for an account whose number is mostly somebody else's counterparty.
_PAGES_MAX: Final = 50


def last_event(index: Index, tokenizer: Tokenizer, channel: str, account: str) -> int | None:
    """When the newest event of `account` was captured (UTC ms), or null: never, or not among the
    newest thousand messages in which its number occurs.

    Never too late, and too early only where what came last is about a message older than twenty
    others (a receipt of last month's): the newest messages decide. Raises Transient.
    """
    channels = ("sms", "mms") if channel == "sms" else (channel,)
    owned = frozenset(tokenizer.named("account", one, account) for one in channels)
    asked = TokenQuery(_firm_side(tokenizer, channels, account), _ALIVE)
    after: PageCursor | None = None
    for _ in range(_PAGES_MAX):
        page = index.search(asked, _PAGE, after)
        times = [entry.captured_at for found in page.documents
                 for entry in _own(found, owned)]
        if times:
            return max(times)
        after = page.next
        if after is None:
            return None
    return None


def _firm_side(tokenizer: Tokenizer, channels: tuple[str, ...], account: str) -> Node:
    # The account has no field of its own in the index; its number stands on one of the two sides.
    (token,) = identity.blind(tokenizer, [next(iter(identity.account_facts(account)))])
    sides = Or(tuple(Term(side, token) for side in ("actors", "recipients")))
    named = Or(tuple(Term("channel", one) for one in channels))
    return query.flatten(query.And((sides, named)))


def _own(found: Document, owned: frozenset[str]) -> list[Entry]:
    return [entry for entry in found.entries
            if entry.account in owned and entry.provenance in _VOUCHED
            and entry.kind not in shape.STUB_KINDS]
