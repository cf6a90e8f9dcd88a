"""What a selection means, asked of the index: which messages, in which order; which stay behind.

Owns the choice. It reads tokens and no text; who asks sees what his scope shows (the index that is
handed in is bound to it), and what is privileged is told apart by what the firm's rules say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from schemas import domains, events
from schemas.assignment import Window
from schemas.document import Document, Entry
from schemas.errors import Missing, Refused
from search import query
from search.access.scope import unassigned
from search.export.model import PRIVILEGED
from search.export.wanted import WITHHOLD, Wanted
from search.index import Asked, PageCursor, fetched, pages
from search.query import Node, TokenQuery
from search.tokens import Tokenizer

# Everything that was captured: what the firm says itself (reviews, audit, holds) is no evidence of
# what was written, and stays out.
CAPTURED: Final = events.ALL_KINDS - domains.FIRM_KINDS - {events.QUARANTINE}
_ID: Final = 32
_SAID_EACH: Final = 500


@dataclass(frozen=True, slots=True)
class Chosen:
    """One message. Tokens, never names; `sort_at`: UTC ms, where a list puts it."""

    doc_id: str
    conversation: str
    account: str
    sort_at: int
    context: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen, by (conversation, account, time): conversations in the order of their first
    message. `withheld`: doc_id -> why."""

    chosen: tuple[Chosen, ...]
    withheld: dict[str, str] = field(default_factory=dict)

    @property
    def matched(self) -> int:
        """Without what stands around."""
        return sum(not one.context for one in self.chosen)


@dataclass(frozen=True, slots=True)
class Privilege:
    """What is privileged: compartments, and conversations that were designated afterwards."""

    compartments: frozenset[str] = frozenset()
    conversations: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ways:
    """How to the questions: `compiled`: a query in its words (raises QueryError); `others`: a
    conversation under all the names that the same people had; `held`: what a hold concerns (raises
    Missing); `windows`: which accounts were given to a custodian afterwards, and when."""

    compiled: Callable[[str], TokenQuery]
    others: Callable[[Document], Node]
    held: Callable[[str], TokenQuery]
    windows: Callable[[str], Sequence[Window]]


class Selector:
    """For one selection of one person. Everything raises Transient."""

    def __init__(self, index: Asked, tokenizer: Tokenizer, privilege: Privilege, ways: Ways,
                 progress: Callable[[int], None] = lambda _found: None) -> None:
        self._index, self._tokenizer = index, tokenizer
        self._privilege, self._ways, self._progress = privilege, ways, progress
        self._same: dict[str, str] = {}

    def select(self, wanted: Wanted) -> Selection:
        """Raises QueryError, Missing for an id that is not there, Refused, TooBroad."""
        found: dict[str, Chosen] = {}
        hidden: dict[str, str] = {}
        for asked in self._asked(wanted):
            self._take(asked, wanted, found, hidden)
        for one in self._by_id(wanted.ids):
            if wanted.covers(one.sort_at):
                found.setdefault(one.doc_id, self._chosen(one))
        if wanted.ids and wanted.privileged == WITHHOLD:
            self._judge(wanted.ids, hidden)
        if wanted.context:
            self._around(list(found.values()), wanted, found, hidden)
        return Selection(_ordered(found.values()), dict(sorted(hidden.items())))

    def whole(self, wanted: Wanted) -> Iterator[TokenQuery]:
        """What is asked for, whatever the period and apart from single ids. Raises as `select`."""
        return self._asked(wanted)

    def outside(self, wanted: Wanted) -> Iterator[Document]:
        """What is asked for and lies outside of the period. Raises as `select`."""
        if (wanted.since, wanted.until) != (None, None):
            period = query.Not(query.Between(wanted.since, wanted.until))
            for asked in self._asked(wanted):
                yield from pages(self._index, TokenQuery(
                    query.flatten(query.And((asked.root, period))), asked.kinds))

    def beside(self, wanted: Wanted, chosen: Iterable[Chosen]) -> Iterator[Document]:
        """What stands in a conversation of `chosen` and is not meant, whatever the period: a number
        that was linked to somebody had been another person's before, or is now. Raises as
        `select`."""
        meant = [self._conversation(token) for token in wanted.conversations]
        if not any(isinstance(one, query.And) for node in meant for one in _children(node)):
            return                             # each is meant at all times
        there = {one.conversation for one in chosen}
        named = tuple(sorted({one for node in meant for one in _named(node) if one.value in there},
                             key=lambda term: term.value))
        if named:
            asked = query.flatten(query.And((query.Or(named), query.Not(query.Or(tuple(meant))))))
            yield from pages(self._index, TokenQuery(asked, CAPTURED))

    def _asked(self, wanted: Wanted) -> Iterator[TokenQuery]:
        if wanted.query:
            asked = self._ways.compiled(wanted.query)
            if not asked.kinds & CAPTURED:
                raise Refused("the firm's own records (audit, reviews, gaps) are no messages: an "
                              "export holds what was captured")
            yield TokenQuery(asked.root, asked.kinds & CAPTURED)
        for token in wanted.conversations:
            yield TokenQuery(self._conversation(token), CAPTURED)
        for custodian in wanted.custodians:
            # And what was captured while it was nobody's, and given to them afterwards.
            yield TokenQuery(query.flatten(query.Or((
                query.Term("custodians", self._tokenizer.named("custodian", custodian)),
                *(unassigned(window, self._tokenizer, ("actors", "recipients"))
                  for window in self._ways.windows(custodian))))), CAPTURED)
        if wanted.hold:
            yield self._ways.held(wanted.hold)

    def _conversation(self, token: str) -> Node:
        if token != token.lower() or not query.is_token(token):
            raise Refused(f"--conversation {token[:40]}: a conversation has 16 hexadecimal digits, "
                          "as a search shows it")
        any_one = self._index.search(TokenQuery(query.Term("conversation", token), CAPTURED), 1)
        if not any_one.documents:
            raise Missing(f"there is no conversation {token}")
        return self._ways.others(any_one.documents[0])

    def _take(self, asked: TokenQuery, wanted: Wanted, found: dict[str, Chosen],
              hidden: dict[str, str]) -> None:
        if (wanted.since, wanted.until) != (None, None):
            asked = TokenQuery(query.flatten(query.And((
                asked.root, query.Between(wanted.since, wanted.until)))), asked.kinds)
        for one in pages(self._index, asked, oldest_first=True):
            found.setdefault(one.doc_id, self._chosen(one))
            if wanted.privileged == WITHHOLD and self._is_privileged(one):
                hidden[one.doc_id] = PRIVILEGED
            if len(found) % _SAID_EACH == 0:
                self._progress(len(found))

    def _by_id(self, ids: tuple[str, ...]) -> Iterator[Document]:
        for one in ids:
            if len(one) != _ID:
                raise Missing(f"there is no message {one[:40]}")
        for doc_id, found in fetched(self._index, ids):
            if found is None:
                raise Missing(f"there is no message {doc_id[:40]}")
            if found.kind not in CAPTURED:
                raise Refused(f"{doc_id} is a record of the firm's own, and no message")
            yield found

    def _judge(self, ids: Sequence[str], hidden: dict[str, str]) -> None:
        """Which messages are privileged that no question went through."""
        for doc_id, found in fetched(self._index, ids):
            if found is not None and self._is_privileged(found):
                hidden[doc_id] = PRIVILEGED

    def _is_privileged(self, found: Document) -> bool:
        """By its compartment, or by any name of its conversation: of a message that came under two,
        the other one may be the designated."""
        tokens, talks = self._designated
        return not talks.isdisjoint(_names(found)) or not tokens.isdisjoint(
            one.compartment for one in found.entries)

    @cached_property
    def _designated(self) -> tuple[frozenset[str], frozenset[str]]:
        """(compartments, conversations), as tokens."""
        return (frozenset(self._tokenizer.named("compartment", one)
                          for one in self._privilege.compartments),
                frozenset(self._tokenizer.named("conversation", one)
                          for one in self._privilege.conversations))

    def _chosen(self, found: Document, *, context: bool = False) -> Chosen:
        account = next((one.account for one in found.entries if one.account), "")
        return Chosen(found.doc_id, shared(self._same, found.conversation),
                      shared(self._same, account), found.sort_at, context)

    def _around(self, hits: list[Chosen], wanted: Wanted, found: dict[str, Chosen],
                hidden: dict[str, str]) -> None:
        """`wanted.context` messages on each side, of the conversation and the account."""
        more: list[str] = []
        for hit in hits:
            if not hit.conversation:
                continue
            asked = TokenQuery(query.Term("conversation", hit.conversation), CAPTURED)
            here = PageCursor(hit.sort_at, hit.doc_id)
            for oldest_first in (False, True):
                for one in self._index.search(asked, wanted.context, here,
                                              oldest_first=oldest_first).documents:
                    if one.doc_id not in found and wanted.covers(one.sort_at):
                        found[one.doc_id] = self._chosen(one, context=True)
                        more.append(one.doc_id)
        if wanted.privileged == WITHHOLD:
            self._judge(more, hidden)


def _names(found: Document) -> set[str]:
    """The conversations in which a message stands."""
    return {found.conversation, *(one.conversation for one in found.entries
                                  if is_captured(one))} - {""}


def is_captured(entry: Entry) -> bool:
    """Whether a record of a message is what was captured of it, and not what the firm says of it
    (reviews, flags). Of a part that is known when the whole is."""
    return entry.kind in CAPTURED or entry.part is not None


def _children(node: Node) -> tuple[Node, ...]:
    return node.children if isinstance(node, query.Or) else (node,)


def _named(node: Node) -> Iterator[query.Term]:
    """The conversations of what `Ways.others` gives: each at all times, or within some."""
    for one in _children(node):
        parts = one.children if isinstance(one, query.And) else (one,)
        yield from (part for part in parts if isinstance(part, query.Term))


def shared(known: dict[str, str], text: str) -> str:
    """The same text once, however many messages name it. `known`: what was met before."""
    return known.setdefault(text, text)


def _ordered(found: Iterable[Chosen]) -> tuple[Chosen, ...]:
    every = list(found)
    first: dict[str, int] = {}
    for one in every:
        first[one.conversation] = min(one.sort_at, first.get(one.conversation, one.sort_at))
    return tuple(sorted(every, key=lambda one: (
        first[one.conversation], one.conversation, one.account, one.sort_at, one.doc_id)))
