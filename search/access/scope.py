"""What of the archive one person may see, and how that is said to an index. Pure.

Owns Scope, which `search/access/people.py` makes of the firm's rules, and the node that is ANDed to
every question. A wall beats every grant; what nothing grants is not seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from schemas import document as shape
from schemas import domains, events
from schemas.assignment import Assignments, Window
from search import identity, query
from search.query import TokenQuery
from search.tokens import Tokenizer


@dataclass(frozen=True, slots=True)
class Reach:
    """Messages of which all of this holds.

    `custodians`: ids; null = everybody's, what nobody was assigned too. `since`, `until`: UTC ms,
    half open; null = open. `conversations`: ids; empty = any. `held`: in a wall, the accounts of
    its custodians and when they were theirs: what other phones captured of them is behind it too.
    """

    custodians: frozenset[str] | None
    since: int | None = None
    until: int | None = None
    conversations: frozenset[str] = frozenset()
    held: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """Any of `reaches`, none of `walls`, nothing withheld.

    `reaches` () = no content at all. `withheld`: compartments; `withheld_conversations`: ids that
    were designated afterwards. `firm_kinds`: which of the firm's own records (audit, review,
    policy ...) are seen, whole. `also`: what was opened for a time by two people, each a scope of
    its own (search/access/breakglass.py). `captured`: of these messages everything that was
    captured, receipts, names and files' facts too, not only what answers a search: an export's.
    """

    reaches: tuple[Reach, ...]
    walls: tuple[Reach, ...] = ()
    withheld: frozenset[str] = frozenset()
    withheld_conversations: frozenset[str] = frozenset()
    firm_kinds: frozenset[str] = frozenset()
    also: tuple[Scope, ...] = ()
    captured: bool = False


_SIDES: Final = ("actors", "recipients")
# The operator at the command line, and tests that say so.
EVERYTHING: Final = Scope((Reach(None),), firm_kinds=events.ALL_KINDS | shape.STUB_KINDS)
NOTHING: Final = Scope(())


def kinds(scope: Scope) -> frozenset[str]:
    """The kinds of documents that may answer at all."""
    content = events.ALL_KINDS - domains.FIRM_KINDS if scope.captured else events.ANSWERING_KINDS
    return content.union(scope.firm_kinds, *(one.firm_kinds for one in scope.also))


def within(asked: TokenQuery, scope: Scope, limit: query.Node) -> TokenQuery:
    """`asked` of what `scope` shows, where `limit` is its `node`: the only way from a question to
    an index for anybody but the operator."""
    if scope == EVERYTHING:
        return asked
    among = asked.kinds & kinds(scope)
    if not among:
        return TokenQuery(query.Nothing())
    return TokenQuery(query.flatten(query.And((asked.root, limit))), among)


def node(scope: Scope, tokenizer: Tokenizer, assigned: Assignments) -> query.Node:
    """What is ANDed to every question, flat; true of the right documents among `kinds(scope)` only
    (see `within`). `assigned`: whose what was captured unassigned is."""
    if scope == EVERYTHING:
        return query.All()
    some = [*_content(scope, tokenizer, assigned), *_firm(scope),
            *(node(one, tokenizer, assigned) for one in scope.also)]
    return query.flatten(query.Or(tuple(some))) if some else query.Nothing()


def unassigned(window: Window, tokenizer: Tokenizer, sides: Iterable[str]) -> query.Node:
    """What was captured on an account of nobody's, and given to somebody afterwards, with the
    account on one of `sides`. By what says that it was nobody's, not by the account: what capture
    wrote is never overruled."""
    return _on_side((identity.unassigned_fact(window.account),), window, tokenizer, sides)


def _content(scope: Scope, tokenizer: Tokenizer, assigned: Assignments) -> list[query.Node]:
    if not scope.reaches:
        return []
    granted = query.Or(tuple(_reach(one, tokenizer, assigned) for one in scope.reaches))
    kept: list[query.Node] = [query.Not(_reach(one, tokenizer, assigned)) for one in scope.walls]
    kept += [query.Not(query.Term("compartments", tokenizer.named("compartment", one)))
             for one in sorted(scope.withheld)]
    kept += [query.Not(query.Term("conversation", tokenizer.named("conversation", one)))
             for one in sorted(scope.withheld_conversations)]
    return [query.And((granted, *kept))]


def _firm(scope: Scope) -> list[query.Node]:
    """The firm's own records by what a document is called after, never by what else it holds: a
    message that was reviewed holds a review, and is a message."""
    return [query.Term("kind", one) for one in sorted(scope.firm_kinds - events.ANSWERING_KINDS)]


def _reach(reach: Reach, tokenizer: Tokenizer, assigned: Assignments) -> query.Node:
    every: list[query.Node] = []
    if reach.custodians is not None:
        every.append(_custodians(reach, tokenizer, assigned))
    if reach.conversations:
        every.append(query.Or(tuple(
            query.Term("conversation", tokenizer.named("conversation", one))
            for one in sorted(reach.conversations))))
    if (reach.since, reach.until) != (None, None):
        every.append(query.Between(reach.since, reach.until))
    return query.And(tuple(every)) if every else query.All()


def _custodians(reach: Reach, tokenizer: Tokenizer, assigned: Assignments) -> query.Node:
    wanted = reach.custodians or frozenset()
    some: list[query.Node] = [query.Term("custodians", tokenizer.named("custodian", one))
                              for one in sorted(wanted)]
    some += [unassigned(window, tokenizer, _SIDES)
             for window in assigned.windows(wanted.__contains__)]
    some += [_taking_part(window, tokenizer) for window in reach.held]
    return query.Or(tuple(some)) if some else query.Nothing()


def _taking_part(window: Window, tokenizer: Tokenizer) -> query.Node:
    """What an account wrote or was written, as any phone captured it."""
    facts = sorted(identity.account_facts(window.account), key=lambda one: one[0] != "phone")
    return _on_side(facts[:1], window, tokenizer, _SIDES)


def _on_side(facts: Iterable[identity.Fact], window: Window, tokenizer: Tokenizer,
             sides: Iterable[str]) -> query.Node:
    tokens = identity.blind(tokenizer, facts)
    either = query.Or(tuple(query.Term(side, token) for side in sides for token in tokens))
    return query.And((either, _on(window.channel), *_while(window)))


def _on(channel: str) -> query.Node:
    channels = ("sms", "mms") if channel == "sms" else (channel,)
    return query.Or(tuple(query.Term("channel", one) for one in channels))


def _while(window: Window) -> tuple[query.Node, ...]:
    ends = (window.since, window.until)
    return (query.Between(*ends),) if ends != (None, None) else ()
