"""Personal chats that the directory excludes: what is not captured, and the count that is left.

Owns the rule (`is_excluded`), which is the same at a door and at an import, and the event of a
count. Nothing of what was left out goes into it but its conversation, its day and how much it was.
Counts that wait for their event are `ingest/exclusion_counts.py`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from ingest.own import own_event
from schemas import domains, events, gaps, identity
from schemas.directory import Directory, Exclusion
from schemas.events import CapturedEvent

REASON: Final = "excluded"
# The other ids of the person on the far side, as adapters note them.
_ALIASES: Final = ("peer_user_id", "peer_parent_user_id", "recipient_user_id",
                   "recipient_parent_user_id", "external_user_id")
# Where an import says the local time of the line that an event is about.
_LOCAL_TIMES: Final = ("line_local", "not_before_local")
_VOUCHED: Final = (events.PROVIDER_SIGNED, events.PROVIDER_FETCHED)


@dataclass(frozen=True, slots=True)
class Day:
    """What is counted together: one conversation on one day ("YYYY-MM-DD", UTC, of the items' own
    time), and why it is excluded."""

    channel: str
    account: str
    conversation: str
    day: str
    why: str


@dataclass(frozen=True, slots=True)
class Count:
    """What was left out: `items` of every kind, `messages` of them messages. A delivery that comes
    twice counts twice: to tell, more would have to be kept of it."""

    items: int
    messages: int

    def __add__(self, other: Count) -> Count:
        return Count(self.items + other.items, self.messages + other.messages)


Counts = dict[Day, Count]


def is_excluded(directory: Directory, event: CapturedEvent) -> Exclusion | None:
    """The exclusion that `event` falls under, or null. Ask before anything of it is sealed.

    A counterparty is excluded in the talk of two; a group is excluded by its conversation alone,
    since others speak in it. Only what an adapter could read can be asked about.
    """
    channel = "sms" if event.channel == "mms" else event.channel
    for one in directory.exclusions:
        if (one.account == event.account and one.channel == channel and _is_meant(one, event)
                and _covers(one, event_time(event))):
            return one
    return None


def event_time(event: CapturedEvent) -> int:
    """When it was, as far as it can be believed; UTC ms. Of a file that somebody handed in the
    stated time: for whoever chose it could have left the line out as well. What a later file says
    of an earlier line is of that line's time, and a time of no known zone is taken as UTC."""
    at = event_instant(event)
    return domains.ground_time(event) if at is None else at


def event_instant(event: CapturedEvent) -> int | None:
    """As `event_time`; null where the event says none and only its capture is known."""
    if event.provenance in _VOUCHED:
        return domains.ground_time(event)
    if event.occurred_at is not None:
        return event.occurred_at
    for local in (event.occurred_local, *map(event.detail, _LOCAL_TIMES)):
        if local:
            with suppress(ValueError):
                return int(datetime.fromisoformat(local).replace(tzinfo=UTC).timestamp() * 1000)
    return None


def counted(event: CapturedEvent, found: Exclusion) -> tuple[Day, Count]:
    """What is left of an event that falls under `found`."""
    day = datetime.fromtimestamp(event_time(event) / 1000, UTC).date().isoformat()
    return (Day(found.channel, event.account, event.conversation, day, found.reason),
            Count(1, int(event.kind == events.MESSAGE)))


def added(counts: Counts, more: Iterable[tuple[Day, Count]]) -> Counts:
    """Both together; `counts` itself stays as it is."""
    out = dict(counts)
    for day, count in more:
        out[day] = out[day] + count if day in out else count
    return out


def count_events(counts: Counts, named: str, captured_at: int,
                 firm_years: int) -> tuple[CapturedEvent, ...]:
    """An event for each count, in the firm's domain. `named` tells this set of counts from every
    other one: recorded twice under one name, it is one."""
    ordered = sorted(counts.items(), key=lambda one: (one[0].day, repr(one[0])))
    return tuple(_count_event(day, count, f"{REASON}:{named}:{number}", captured_at, firm_years)
                 for number, (day, count) in enumerate(ordered))


def _count_event(day: Day, count: Count, native_id: str, captured_at: int,
                 firm_years: int) -> CapturedEvent:
    event = own_event(events.GAP, native_id, captured_at, firm_years, gaps.details(
        REASON, gaps.MEANT, since=_midnight(day.day), until=_midnight(day.day, 1),
        channel=day.channel, account=day.account, conversation=day.conversation, day=day.day,
        why=day.why, items=str(count.items), messages=str(count.messages)))
    # For whoever looks at it. Its words have tokens in the index: whose chat it was has none.
    return replace(event, text=f"{day.day}: {count.items} items left out, {count.messages} of them "
                               f"messages: {day.why}")


def _is_meant(one: Exclusion, event: CapturedEvent) -> bool:
    if one.conversation:
        return one.conversation == event.conversation
    if event.conversation == identity.pair(event.account, one.counterparty):
        return True
    if event.provenance == events.CUSTODIAN_SUPPLIED and _name(
            event.detail("title") or "") == _name(one.counterparty):
        # A chat that is handed in knows its other side by the name that the telephone shows.
        return True
    return (event.conversation.startswith("pair:")
            and any(name in _ALIASES and value == one.counterparty
                    for name, value in event.details))


def _name(shown: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", shown).casefold().split())


def _covers(one: Exclusion, at: int) -> bool:
    return (one.since is None or one.since <= at) and (one.until is None or at < one.until)


def _midnight(day: str, later: int = 0) -> int:
    moment = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=later)
    return round(moment.timestamp() * 1000)
