"""Archived events -> the messages that a sample is drawn from, each in its stratum. Pure.

Owns which messages of a period those are and what they are sorted by. A message belongs to the
period in which it was sent; an edit or a retraction whose message nobody captured belongs to none.
A function of the *set* of events, so that an auditor who reads the same archive finds the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from schemas import events
from schemas.assignment import Assignment, Assignments, read_assignment
from schemas.errors import Refused
from schemas.events import CapturedEvent
from schemas.identity import message_key
from search import evaluate
from search.links import LinksOf
from search.marks import marks_of
from search.policy.flags import Flag, is_flag, read_flag
from search.policy.message import Message, listed_at, message_of
from search.policy.plans import BY_POLICY, SamplePlan
from search.policy.sampling import Item, is_mark
from search.policy.watch import WATCHED_KINDS
from search.project import BASE_KINDS
from search.query import Reached, party_values
from search.tree import Tree
from search.words import NO_STEMS, Stems

Links = Mapping[str, tuple[Reached, ...]]

# A change that was captured so long before a period is of no message of it: no source's time is
# believed that is later than ours by more (search/moments.py).
_MARGIN_MS: Final = 86_400_000


class Population:
    """Of one plan and period."""

    def __init__(self, plan: SamplePlan, since: int, until: int, *, region: str | None = None,
                 stems: Stems = NO_STEMS, token_of: Callable[[str], str] | None = None) -> None:
        """`since`, `until`: UTC ms, half open. `token_of`: the token of a conversation, where a
        query names one so."""
        self._plan, self._since, self._until = plan, since, until
        self._region, self._stems, self._token_of = region, stems, token_of
        self._named = frozenset[str]().union(*(
            party_values(one.tree) for one in (*plan.strata, *plan.mandatory)
            if one.tree is not None))
        self._links = LinksOf()
        self._captured: dict[bytes, list[CapturedEvent]] = {}
        self._bases: set[bytes] = set()
        self._flags: dict[bytes, list[tuple[CapturedEvent, Flag]]] = {}
        self._assigned: set[Assignment] = set()

    def take(self, event: CapturedEvent) -> None:
        """Any archived event, in any order."""
        if event.kind == events.ASSIGNMENT:
            try:
                self._assigned.add(read_assignment(event))
            except Refused:
                return                            # states none: nobody else reads one in it either
        if self._named:
            # Who else somebody is may have been said long before the period.
            self._links.take(event, listed_at(event))
        if event.captured_at < self._since - _MARGIN_MS:
            return
        if event.kind == events.POLICY:
            self._take_flag(event)
        elif event.kind in BASE_KINDS:
            if self._since <= listed_at(event) < self._until:
                key = message_key(event)
                self._bases.add(key)
                self._captured.setdefault(key, []).append(_bare(event))
        elif event.kind in WATCHED_KINDS:
            self._captured.setdefault(message_key(event), []).append(_bare(event))

    def _take_flag(self, event: CapturedEvent) -> None:
        if is_flag(event) and event.target_key is not None:
            try:
                flag = read_flag(event)
            except Refused:
                return
            if not is_mark(flag):
                self._flags.setdefault(event.target_key, []).append((event, flag))

    def items(self) -> tuple[Item, ...]:
        """Every message of the period, by id."""
        assigned = Assignments(self._assigned)
        links = self._links.of_values(self._named, self._region)
        return tuple(self._item(message, assigned, links) for message in self._messages())

    def _messages(self) -> Iterator[Message]:
        for key in sorted(self._bases):
            message = message_of(key, self._captured[key])
            if message is not None and self._since <= message.at < self._until:
                yield message

    def _item(self, message: Message, assigned: Assignments, links: Links) -> Item:
        flags = self._flags.get(message.key, [])
        reading = evaluate.Reading(
            self._subject(message, assigned, [event for event, _ in flags]),
            region=self._region, links=links, stems=self._stems)

        def first(several: Iterable[tuple[str, Tree | None]]) -> str:
            return next((name for name, asked in several
                         if asked is None or reading.matches(asked)), "")

        mandatory = BY_POLICY if any(flag.mandatory for _, flag in flags) else first(
            (one.name, one.tree) for one in self._plan.mandatory)
        return Item(message.key, message.custodian(assigned),
                    first((one.name, one.tree) for one in self._plan.strata), mandatory)

    def _subject(self, message: Message, assigned: Assignments,
                 flags: Iterable[CapturedEvent]) -> evaluate.Subject:
        name = message.lead.conversation
        sides = message.sides(assigned)
        captured = (*message.captured, *flags)
        return evaluate.Subject(
            texts=tuple(one.event.text for one in message.texts if one.event.text),
            actors=sides.actor, recipients=sides.recipients, channel=message.lead.channel,
            state=message.state, kind=message.lead.kind,
            kinds=frozenset(one.kind for one in captured), sort_at=message.at,
            conversations=frozenset((name,) if self._token_of is None else (
                name, self._token_of(name))), direction=message.lead.direction,
            marks=frozenset(label for one in captured for label in marks_of(one)))


def _bare(event: CapturedEvent) -> CapturedEvent:
    if event.raw is None and event.delivery is None:
        return event
    return replace(event, raw=None, delivery=None)
