"""Times for which capture is known to have failed: what a gap event says, and what a set of them
means together (G8).

Owns the details of gap events, whoever says them, and the pairing of beginning, end and comparison.
Nothing is ever rewritten: an end and a comparison are events of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from schemas import events
from schemas.events import CapturedEvent
from schemas.identity import event_id

# Why. A reason that this version does not know is shown as it stands.
REASONS: Final[Mapping[str, str]] = {
    "account_offboarded": "the provider stopped delivering this account's messages",
    "history_refused": "the account's owner did not share what was said before capture began",
    "spool_overflow": "neither the log nor the spool could take a request; it was answered 503",
    "delivery_oversized": "a request over the size limit was refused",
    "parts_incomplete": "a large event lacks some of its numbered parts",
    "counter_missing": "a record that a capture process stated as acknowledged is not archived",
    "lost_before_archive": "the log was trimmed past records that were never archived",
    "log_replaced": "the topic was deleted and made again",
    "provider_lists_more": "the provider lists messages that are not archived",
    "excluded": "a personal chat that the directory excludes: left out on purpose, counted",
}

# phase: what an event says of its gap. Without one it speaks of something that is over.
BEGINS: Final = "begins"
ENDS: Final = "ends"
OVER: Final = "over"
COMPARED: Final = "compared"
SETTLES: Final = "settles"
# Left out on purpose (ingest/exclusions.py): told of, but nothing that anybody would close.
MEANT: Final = "meant"

# How a gap was settled by a comparison with what the provider lists.
OPEN: Final = ""
COMPLETE: Final = "complete"     # compared; nothing was missing
FILLED: Final = "filled"         # what was missing is archived now
PROVED: Final = "proved"         # messages are missing, and how many is known
CAME_LATE: Final = "came_late"   # what was missing was archived after all

_TIME_CHARS_MAX: Final = 17
_DAY_MS: Final = 86_400_000
_DOORS: Final = {"twilio": "sms", "whatsapp": "whatsapp"}


@dataclass(frozen=True, slots=True)
class Gap:
    """One gap. UTC ms.

    `reason` is a key of REASONS (or a later version's); `account` "" = not of one account,
    `channel` "" = not of one channel; `since` null = before anything is known, `until` null = it
    goes on. `settled`: see above; `missing`: messages that a comparison found absent and that are
    absent still; `note`: particulars, never content; `name` tells it apart where one is needed.
    """

    reason: str
    channel: str
    account: str
    since: int | None
    until: int | None
    settled: str = OPEN
    missing: int = 0
    note: str = ""
    name: str = ""

    @property
    def is_open(self) -> bool:
        """Whether something may still be missing because of it."""
        return self.settled in (OPEN, PROVED)

    def concerns(self, channels: Collection[str], accounts: Collection[str]) -> bool:
        """Whether something of one of these may be missing because of it."""
        return (not self.channel or self.channel in channels) and (
            not self.account or self.account in accounts)

    def touches(self, since: int | None, until: int | None) -> bool:
        """Whether it has an instant in common with this time (UTC ms, both ends in; null = open).
        """
        return (since is None or self.until is None or self.until >= since) and (
            until is None or self.since is None or self.since <= until)


def details(reason: str, phase: str, *, since: int | None = None, until: int | None = None,
            **more: str) -> dict[str, str]:
    """The details of a gap event."""
    said = {"reason": reason, "phase": phase, **more}
    if since is not None:
        said["from"] = str(since)
    if until is not None:
        said["until"] = str(until)
    return said


def gaps_of(said: Iterable[CapturedEvent]) -> list[Gap]:
    """What gap events mean together, the youngest first. A function of the set."""
    unique = {_order(one): one for one in said if one.kind == events.GAP}
    ordered = [unique[key] for key in sorted(unique)]
    found: list[Gap] = []
    going_on: dict[tuple[str, str, str], int] = {}
    told: set[bytes] = set()
    for one in ordered:
        gap, phase = _gap(one), one.detail("phase") or OVER
        named = _named(one)
        if phase in (COMPARED, SETTLES, MEANT):
            continue
        if phase == ENDS:
            at = going_on.pop(named, None)
            if at is None:
                found.append(replace(gap, since=None, until=gap.until or gap.since))
            else:
                found[at] = replace(found[at], until=gap.until or gap.since)
        elif phase == BEGINS:
            if named not in going_on:
                going_on[named] = len(found)
                found.append(replace(gap, until=None))
        elif (named_id := event_id(one)) not in told:
            # Said once more, after a crash or by a retry, it is one gap, as it was said first.
            told.add(named_id)
            found.append(gap)
    # In the order in which they were made: a later comparison knows better.
    for one in sorted(ordered, key=lambda event: event.captured_at):
        if one.detail("phase") == COMPARED:
            found = [_settled(gap, one) for gap in found] + _proved(one)
        elif one.detail("phase") == SETTLES:
            found = [replace(gap, settled=CAME_LATE) if gap.name == one.detail("gap") else gap
                     for gap in found]
    return sorted(found, key=lambda gap: (-(gap.since or 0), gap.reason, gap.channel, gap.account))


def compared(channel: str, since: int, until: int, listed: int, missing: int, archived: int,
             at: int) -> tuple[str, dict[str, str]]:
    """(native id, details) of the report of a comparison at `at`: of [since, until) the provider
    lists `listed` messages on `channel`, of which `missing` were not archived; `archived` of those
    are now. UTC ms."""
    return f"compared:{channel}:{since}:{until}:{at}", details(
        "provider_compared", COMPARED, since=since, until=until, channel=channel,
        listed=str(listed), missing=str(missing), archived=str(archived))


def _proved(report: CapturedEvent) -> list[Gap]:
    """What a comparison found missing and nobody archived: a gap of its own."""
    missing = _count(report, "missing") - _count(report, "archived")
    if missing <= 0:
        return []
    return [Gap("provider_lists_more", report.detail("channel") or "", "",
                _time(report.detail("from")), _time(report.detail("until")), PROVED, missing,
                f"{missing} of {_count(report, 'listed')} messages")]


def _settled(gap: Gap, report: CapturedEvent) -> Gap:
    """`gap`, as a comparison that covers all of it leaves it."""
    since, until = _time(report.detail("from")), _time(report.detail("until"))
    covers = (since is not None and until is not None and gap.since is not None
              and gap.until is not None and since <= gap.since and gap.until <= until
              and gap.channel == report.detail("channel"))
    if not covers or not gap.is_open:
        return gap
    missing, archived = _count(report, "missing"), _count(report, "archived")
    if missing > archived:
        if gap.reason == "provider_lists_more":
            return gap
        return replace(gap, settled=PROVED, missing=missing - archived)
    # Nothing is absent any more of the whole time, whoever archived it.
    return replace(gap, settled=FILLED if missing or gap.settled == PROVED else COMPLETE,
                   missing=0)


def _gap(event: CapturedEvent) -> Gap:
    own = event.channel == events.FIRM_CHANNEL
    channel = event.detail("channel") or (
        _DOORS.get(event.detail("door") or "", "") if own else event.channel)
    account = (event.detail("account") or "") if own else event.account
    since, until = _time(event.detail("from")), _time(event.detail("until"))
    if since is None:
        at = event.occurred_at if event.occurred_at is not None else event.captured_at
        until = at if until is None else until
        since = at - _count(event, "window_days") * _DAY_MS
    return Gap(event.detail("reason") or "unknown", channel, account, since,
               since if until is None else until, note=_note(event), name=event.native_id or "")


def _note(event: CapturedEvent) -> str:
    said = [f"{name} {value}" for name in ("door", "requests", "set", "session", "count", "where")
            if (value := event.detail(name))]
    return ", ".join(said)


def _named(event: CapturedEvent) -> tuple[str, str, str]:
    gap = _gap(event)
    return gap.reason, f"{gap.channel}|{gap.account}", event.detail("gap") or ""


def _order(event: CapturedEvent) -> tuple[int, int, str]:
    at = _time(event.detail("until")) if event.detail("phase") == ENDS else None
    at = at if at is not None else _time(event.detail("from"))
    if at is None:
        at = event.occurred_at if event.occurred_at is not None else event.captured_at
    return at, event.captured_at, repr((event.native_id, event.revision, event.details))


def _count(event: CapturedEvent, name: str) -> int:
    text = event.detail(name) or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _time(text: str | None) -> int | None:
    if not text or len(text) > _TIME_CHARS_MAX or not text.isascii() or not text.isdigit():
        return None
    return int(text)
