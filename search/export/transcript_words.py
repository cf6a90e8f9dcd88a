"""The words of a transcript: times with UTC beside, reasons, kinds, the head of a sheet. Pure.

Owns what codes are called on paper. Words that the console has already are taken from there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from schemas import events, media
from schemas.events import CapturedEvent
from search.export import model
from search.export.model import Job, PackedFile, Slice
from search.thread import RelatedView
from search.web import chat, times
from search.web.times import Stamp, Zone

_REASONS: Final = {
    model.PRIVILEGED: "privileged", model.OUTSIDE_PERIOD: "outside the period that was asked for",
    model.NOT_CHOSEN: "not chosen", model.UNREADABLE: "it cannot be read",
    model.ERASED: "it was erased when its retention had ended",
}
_KINDS: Final = {
    events.MESSAGE: "message", events.CALL: "call", events.MEMBERSHIP: "membership",
    events.UNKNOWN: "not understood", events.IDENTITY: "identity",
}
_SIDES: Final = {events.IN: "received by the firm", events.OUT: "sent by the firm"}
_HAPPENINGS: Final = {
    events.RECEIPT: "Receipt", events.MEMBERSHIP: "Membership", events.IDENTITY: "Identity",
    events.CALL: "Call", events.UNKNOWN: "Not understood",
}
_ABSENT: Final = {
    media.STORED: "", media.FAILED: "It could not be fetched",
    "pending": "It had not been fetched when this package was made",
}

HOW_TO_VERIFY: Final = (
    "This transcript is a rendering. What is proved is the archived record itself: each item names "
    "its records, and they are the lines of that number in data/native/events.jsonl.",
    "To check the package, open a terminal in its folder and type: python3 -I verify.py. It needs "
    "no network and nothing but Python. verify.html does the same in a browser.",
    "It compares every record with its proof under the checkpoint above, and this file with its "
    "SHA-256 in manifest-sha256.txt. START-HERE.txt says what that shows and what it does not.",
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time on paper. `local`: day and clock in the export's zone; `utc`: "" where the source's
    time has no zone or there is none; `meaning`: what the time means."""

    local: str
    utc: str
    meaning: str


@dataclass(frozen=True, slots=True)
class _Known:
    """What `times.of` asks for."""

    occurred_at: int | None
    captured_at: int | None
    occurred_local: str | None
    occurred_not_before: int | None


def moment(stamp: Stamp) -> Moment:
    """What the console shows, with UTC beside it."""
    return Moment(stamp.full, stamp.iso.replace("T", " ").removesuffix("Z") + " UTC"
                  if stamp.iso else "", stamp.meaning)


def at(when: int | None, zone: Zone) -> Moment:
    """UTC ms, by our own clock."""
    return moment(times.stamp(when, zone))


def happened(one: RelatedView, event: CapturedEvent | None, zone: Zone) -> Moment:
    """When something happened to a message, or else when it was received."""
    known = _Known(one.occurred_at, one.captured_at, event.occurred_local if event else None,
                   event.occurred_not_before if event else None)
    return moment(times.of(known, zone, event.occurred_meaning if event else None))


def day(one: date) -> str:
    """ "Thursday, 14 May 2026"."""
    return f"{one:%A}, {one.day} {one:%B %Y}"


def reason(code: str) -> str:
    """Why something was withheld."""
    return _REASONS.get(code, code)


def kind(code: str) -> str:
    """What an event is."""
    return _KINDS.get(code, code)


def direction(side: str) -> str:
    """Whose side it stands on; "" = not known."""
    return _SIDES.get(side, "")


def title(said: str) -> str:
    """What a version is."""
    return said[:1].upper() + said[1:]


def note(row: chat.Row, *, is_first: bool) -> str:
    """Why a version has no text, or what of it is not known; "" = nothing to say."""
    if row.kind == events.RESTORATION and row.text is None and not row.view.problem:
        return "Put back: what was taken back stands again."
    if row.kind == events.EDIT and is_first:
        return " ".join(filter(None, (row.note, "What stood before this edit was not captured.")))
    return row.note


def empty(text: str | None) -> str:
    """What is said of a text in which there is nothing to see; "" = there is."""
    if text is None or text.strip():
        return ""
    return "The text has only spaces and line breaks." if text else "The text is empty."


def taken(*, has_text: bool) -> str:
    """What is said behind a retraction."""
    if has_text:
        return "What was captured before stands here in full."
    return "Its text was never captured."


def badge(state: str, code: str) -> str:
    """What stands beside an item; "" = a message as it was sent."""
    if code not in events.CONTENT_KINDS:
        return kind(code)
    return state if state in ("edited", "retracted") else ""


def happening(one: RelatedView, event: CapturedEvent | None) -> str:
    """What happened to a message: "Receipt: read", "Reaction", "Reaction taken away"."""
    if one.kind == events.REACTION:
        return "Reaction" if one.text else "Reaction taken away"
    said = _HAPPENINGS.get(one.kind, title(one.kind))
    status = (event.detail("status") or event.detail("action")) if event else None
    return f"{said}: {status or one.subkind}" if status or one.subkind else said


def absent(one: PackedFile) -> str:
    """Why the bytes of a file are not there; "" = they are."""
    if one.path:
        return ""
    said = _ABSENT.get(one.view.state, one.view.state)
    said = said or "Its bytes are not in this package"
    return f"{said}: {one.view.reason}." if one.view.reason else f"{said}."


def records(numbers: Iterable[int]) -> str:
    """ "record 7", "records 7–9, 12"; "" = none."""
    runs: list[list[int]] = []
    for one in sorted(set(numbers)):
        if runs and one == runs[-1][1] + 1:
            runs[-1][1] = one
        else:
            runs.append([one, one])
    said = ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in runs)
    return f"record{'s' if len(runs) > 1 or any(a != b for a, b in runs) else ''} {said}" \
        if runs else ""


def head(job: Job, one: Slice) -> tuple[tuple[str, str], ...]:
    """Name and value of what stands at the head of a sheet; what is not known is left out."""
    said = (
        ("Matter", job.matter), ("Export", f"{job.title} ({job.export_id})" if job.title
                                 else job.export_id),
        ("Conversation", f"{one.conversation}, {'a group' if one.is_group else 'two people'} on "
                         f"{chat.channel(one.channel)}; the source calls it "
                         f"{one.native_conversation}"),
        ("Custodian", one.custodian or "nobody yet"), ("Account", one.account),
        ("Day", day(one.day) + (f", part {one.part} of {one.parts}" if one.parts > 1 else "")),
        ("Times", f"{job.zone_name}; UTC beside each"),
        ("Shown here", _shown(one)),
        ("Produced", f"by {job.organisation or 'an organisation that gave no name'}, with "
                     f"{job.produced_by}; asked for by {job.requested_by}"
                     + (f", approved by {job.approved_by}" if job.approved_by else "")),
        ("Proved under", f"the log {job.origin}, {job.tree_size:,} entries, root {job.tree_root}"),
        ("Trial", "This archive is a trial: its records are locked for days, not for years."
         if job.trial else ""),
    )
    return tuple((name, value) for name, value in said if value)


def _shown(one: Slice) -> str:
    around = sum(item.context for item in one.items)
    parts = [counted(len(one.items), "item")
             + (f" ({around:,} of them around what was asked for)" if around else "")]
    if one.withheld:
        parts.append(f"{len(one.withheld):,} withheld")
    if one.gaps:
        parts.append(f"{counted(len(one.gaps), 'gap')} of capture")
    return ", ".join(parts)


def counted(count: int, noun: str) -> str:
    """ "1 message", "2,000 messages"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
