"""When something was last captured on an account (G8).

Owns the questions to the index; it holds no number, only tokens of them, so nothing else has to
remember who was heard of when. What a custodian handed in says nothing of whether capture works.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from schemas import document as shape
from schemas import events
from schemas.document import Document, Entry
from schemas.errors import Missing, Refused
from search import identity, query
from search.bodies import Bodies
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
ACCOUNTS_MAX: Final = 1_000

Named = tuple[str, str]
"""(channel, account)."""


def last_events(index: Index, tokenizer: Tokenizer,
                accounts: Sequence[Named]) -> list[int | None]:
    """When the newest event of each of `accounts` was captured (UTC ms), or null: never, or not
    among the newest thousand messages in which its number occurs. All are asked for in one go.

    Never too late, and too early only where what came last is about a message older than twenty
    others (a receipt of last month's): the newest messages decide. Raises Transient.
    """
    asked = [TokenQuery(_firm_side(tokenizer, _channels(channel), account), _ALIVE)
             for channel, account in accounts]
    out: list[int | None] = []
    for (channel, account), one, first in zip(accounts, asked, index.newest(asked, _PAGE),
                                              strict=True):
        owned = frozenset(tokenizer.named("account", each, account)
                          for each in _channels(channel))
        documents, heard_at = first, _newest(first, owned)
        for _ in range(_PAGES_MAX - 1):
            if heard_at is not None or len(documents) < _PAGE:
                break
            last = documents[-1]
            documents = index.search(one, _PAGE, PageCursor(last.sort_at, last.doc_id)).documents
            heard_at = _newest(documents, owned)
        out.append(heard_at)
    return out


def accounts_heard(index: Index, tokenizer: Tokenizer, bodies: Bodies, known: Iterable[Named],
                   custodians: Iterable[str]) -> list[Named]:
    """(channel, account) of every account besides `known` with a captured event, the one that was
    heard last first; MMS is of its number's `sms`. At most ACCOUNTS_MAX.

    The index holds no account to list, so what is known is taken out of the question until nothing
    is left: by number, then by `custodians` (ids) and by what unassigned events say of themselves.
    Not found: an account that spoke with known ones alone, and for a custodian who is known.
    Raises Transient.
    """
    found: list[Named] = []
    taken = {*known}
    kept = tuple(Term(side, token) for token in identity.blind(
        tokenizer, (fact for one in custodians for fact in identity.custodian_facts(one)))
        for side in ("actors", "recipients"))
    for by_number in (True, False):
        while len(found) < ACCOUNTS_MAX:
            left_out = [*_of_accounts(tokenizer, taken, by_number=by_number),
                        *(() if by_number else kept)]
            root = query.Not(query.flatten(Or((Term("channel", events.FIRM_CHANNEL), *left_out))))
            fresh = [one for one in _accounts_of(index, bodies, TokenQuery(root, _ALIVE))
                     if one not in taken]
            if not fresh:
                break
            found += fresh
            taken.update(fresh)
    return found[:ACCOUNTS_MAX]


def _of_accounts(tokenizer: Tokenizer, taken: Iterable[Named], *,
                 by_number: bool) -> Iterator[Node]:
    """What is true of the documents of these accounts, one flat node a channel."""
    numbers: dict[str, list[str]] = {}
    for channel, account in sorted(taken):
        numbers.setdefault(channel, []).append(account)
    for channel, accounts in numbers.items():
        facts = [next(iter(identity.account_facts(one))) if by_number
                 else identity.unassigned_fact(one) for one in accounts]
        sides = Or(tuple(Term(side, token) for token in identity.blind(tokenizer, facts)
                         for side in ("actors", "recipients")))
        yield query.And((Or(tuple(Term("channel", one) for one in _channels(channel))), sides))


def _accounts_of(index: Index, bodies: Bodies, asked: TokenQuery) -> list[Named]:
    """Of the newest page; an event that cannot be read names nobody, and the next is asked."""
    after: PageCursor | None = None
    for _ in range(_PAGES_MAX):
        page = index.search(asked, _PAGE, after)
        out: dict[Named, None] = {}
        seen: set[str] = set()
        for found in page.documents:
            for entry in found.entries:
                if entry.account in seen or entry.kind in shape.STUB_KINDS:
                    continue
                seen.add(entry.account)
                with suppress(Missing, Refused):  # `verify` names it
                    event = bodies.event(found, entry)
                    if event.account and event.channel != events.FIRM_CHANNEL:
                        out["sms" if event.channel == "mms" else event.channel,
                            event.account] = None
        if out or page.next is None:
            return list(out)
        after = page.next
    return []


def _channels(channel: str) -> tuple[str, ...]:
    return ("sms", "mms") if channel == "sms" else (channel,)


def _firm_side(tokenizer: Tokenizer, channels: tuple[str, ...], account: str) -> Node:
    # The account has no field of its own in the index; its number stands on one of the two sides.
    (token,) = identity.blind(tokenizer, [next(iter(identity.account_facts(account)))])
    sides = Or(tuple(Term(side, token) for side in ("actors", "recipients")))
    named = Or(tuple(Term("channel", one) for one in channels))
    return query.flatten(query.And((sides, named)))


def _newest(documents: Iterable[Document], owned: frozenset[str]) -> int | None:
    return max((entry.captured_at for found in documents for entry in _own(found, owned)),
               default=None)


def _own(found: Document, owned: frozenset[str]) -> list[Entry]:
    return [entry for entry in found.entries
            if entry.account in owned and entry.provenance in _VOUCHED
            and entry.kind not in shape.STUB_KINDS]
