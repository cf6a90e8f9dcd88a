"""Retractions far above habit, decided a day at a time, from index and archive (decision 0023).

Owns what a day is and what counts for it. A retraction belongs to the day, in the firm's zone, in
which it was first captured; when that day is over it is looked at with everything that had been
captured by then, and with nothing that came later. So the answer is a function of what the archive
holds of that time: the same for the live watch, for a replay years later, after a rebuild, and in
whatever order partitions were read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from schemas import events, limits
from schemas.assignment import Assignments
from schemas.document import Document, Entry
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent
from schemas.identity import message_key
from search import identity, moments, query
from search.bodies import Bodies
from search.index import Index, pages
from search.policy import habit
from search.policy.conditions import Gate
from search.policy.flags import Flag
from search.policy.habit import HOUR_MS, Sent
from search.policy.look import Ready
from search.policy.match import Engine, above_habit
from search.policy.message import Message, message_of
from search.policy.watch import WATCHED_KINDS
from search.project import (
    document,
    effective_time,
    leading_entry,
    version_leads,
)
from search.query import TokenQuery
from search.tokens import Tokenizer

# After a day's end: what was captured in it is archived and indexed by then. What waited longer (a
# spool without a log) does not change what was decided.
SETTLED_MS: Final = HOUR_MS
# A document is listed at most so far from its message's time (search/moments.py).
_PLACE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Raised:
    """A flag, and when the message was taken back (UTC ms)."""

    flag: Flag
    at: int


def day_of(event: CapturedEvent, zone: tzinfo) -> date | None:
    """The day that a retraction is decided for; null for any other event."""
    if event.kind != events.RETRACTION or event.direction not in (events.OUT, None):
        return None
    return datetime.fromtimestamp(event.captured_at / 1000, zone).date()


def bounds(day: date, zone: tzinfo) -> tuple[int, int]:
    """[begin, end) of a day, UTC ms."""
    return _midnight(day, zone), _midnight(day + timedelta(days=1), zone)


def _midnight(day: date, zone: tzinfo) -> int:
    return round(datetime.combine(day, time(), zone).astimezone(UTC).timestamp() * 1000)


def is_settled(day: date, zone: tzinfo, now: int) -> bool:
    """Whether a day may be decided at `now` (UTC ms)."""
    return now >= bounds(day, zone)[1] + SETTLED_MS


@dataclass(frozen=True, slots=True)
class _Known:
    """A message as it was known when a day was over. `lead`: its document's."""

    found: Document
    lead: Entry
    at: int
    back_at: int | None
    back_seen: int | None                # when that retraction was first captured


class HabitDays:
    """Decides days. The index must be past everything that was captured in them."""

    def __init__(self, index: Index, bodies: Bodies, tokenizer: Tokenizer, zone: tzinfo) -> None:
        self._index, self._bodies, self._tokenizer = index, bodies, tokenizer
        self._zone = zone

    def flags(self, engine: Engine, day: date, doc_ids: Iterable[str]) -> Iterator[Raised]:
        """The flags of `engine`'s habit rules that are due for a day, by rule, custodian and time.
        `doc_ids`: of the messages of which a retraction was captured in it; ids of others, or one
        twice, change nothing."""
        if not engine.habits:
            return
        begin, end = bounds(day, self._zone)
        assigned = engine.firm.assigned.known_at(end)
        ids = sorted(set(doc_ids))
        of: dict[str, list[_Known]] = {}
        for start in range(0, len(ids), limits.PAGE_HITS_MAX):
            stored = self._index.get(ids[start:start + limits.PAGE_HITS_MAX])
            for name in sorted(stored):
                known = _known(stored[name].document, end)
                if known is None or known.back_seen is None or not begin <= known.back_seen < end:
                    continue
                custodian = self._custodian(known, assigned)
                if custodian:
                    of.setdefault(custodian, []).append(known)
        self._index.refresh()
        for ready in engine.habits:
            for custodian in sorted(of):
                yield from self._of(engine, ready, custodian, of[custodian], end, assigned)

    def _of(self, engine: Engine, ready: Ready, custodian: str, today: Sequence[_Known], end: int,
            assigned: Assignments) -> Iterator[Raised]:
        rule = above_habit(ready)
        times = [one.back_at for one in today if one.back_at is not None]
        since = min(times) - (rule.period_h + 24 * rule.history_d) * HOUR_MS
        back = list(self._sent(ready.gate, custodian, since, max(times), end, assigned,
                               only_back=True))
        near = [one for one in back if one.back_at is not None
                and min(times) - rule.period_h * HOUR_MS < one.back_at <= max(times)]
        if len(near) < rule.least:
            return
        known = {one.found.doc_id: one for one in (
            *back, *self._sent(ready.gate, custodian, since, max(times), end, assigned))}
        decided = {one.found.doc_id for one in today}
        for found in habit.unusual((_sent(one, custodian) for one in known.values()), rule):
            if found.message.key in decided and found.message.back_at is not None:
                message = self._message(known[found.message.key].found, end)
                if message is not None and habit.taken_back(message) is not None:
                    yield Raised(engine.habit_flag(ready, message, found), found.message.back_at)

    def _sent(self, gate: Gate, custodian: str, since: int, until: int, end: int,
              assigned: Assignments, *, only_back: bool = False) -> Iterator[_Known]:
        """What the custodian sent in [since, until], or of all that the part that was taken back,
        as it was known at `end`, and as far as the rule looks at it."""
        token = self._tokenizer.named("custodian", custodian)
        sides = [identity.custodian_facts(custodian),
                 *((identity.unassigned_fact(account),) for _, account in assigned.accounts())]
        asked: list[query.Node] = [query.Term("direction", events.OUT), query.flatten(query.Or(
            tuple(query.Term("actors", one) for facts in sides
                  for one in identity.blind(self._tokenizer, facts))))]
        asked.append(query.Term("kinds", events.RETRACTION) if only_back
                     else query.Between(since - _PLACE_MS, until + _PLACE_MS))
        for found in pages(self._index, TokenQuery(query.And(tuple(asked)))):
            known = _known(found, end)
            if known is not None and (
                    known.lead.custodian == token or (not known.lead.custodian
                    and self._custodian(known, assigned) == custodian)) and (
                    self._passes(gate, known, end)):
                yield known

    def _passes(self, gate: Gate, known: _Known, end: int) -> bool:
        if not gate.passes_by(known.lead.direction, known.lead.channel, known.at):
            return False
        if not gate.asks_people:
            return True
        message = self._message(known.found, end)
        return message is not None and gate.passes(message)

    def _custodian(self, known: _Known, assigned: Assignments) -> str:
        """Whose a message is, by name; "" = nobody's, or it cannot be read any more."""
        try:
            event = self._bodies.event(known.found, known.lead)
        except (Missing, Refused):
            return ""
        return event.custodian or assigned.custodian(event.channel, event.account, known.at)

    def _message(self, found: Document, end: int) -> Message | None:
        """The message as it was known at `end`."""
        captured: list[CapturedEvent] = []
        for entry in found.entries:
            if entry.kind in WATCHED_KINDS and not entry.unreadable and entry.captured_at < end:
                try:
                    captured.append(self._bodies.event(found, entry))
                except (Missing, Refused):
                    continue
        return message_of(message_key(captured[0]), captured) if captured else None


def _known(found: Document, end: int) -> _Known | None:
    """A document as it was at `end`; null = nobody of ours is known by then to have sent it."""
    entries = [one for one in found.entries if one.captured_at < end]
    if len(entries) != len(found.entries):
        if not entries:
            return None
        found = document(found.doc_id, entries)
    if not any(one.kind in WATCHED_KINDS for one in found.entries) or (
            found.direction != events.OUT):
        return None
    lead = leading_entry(found)
    at = moments.believed(lead.occurred_at, lead.local_at, lead.captured_at)
    marks = [one for one in version_leads(found) if one.kind == events.RETRACTION
             and one.direction in (events.OUT, None)]
    back = min(marks, key=lambda one: (effective_time(one), one.captured_at), default=None)
    seen = None if back is None else min(
        one.captured_at for one in found.entries if one.entry_id == back.entry_id)
    return _Known(found, lead, lead.captured_at if at is None else at,
                  None if back is None else effective_time(back), seen)


def _sent(known: _Known, custodian: str) -> Sent:
    return Sent(custodian, known.found.doc_id, known.at, known.back_at)
