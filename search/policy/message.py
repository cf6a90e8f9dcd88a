"""One message as a policy sees it: every text it ever had, who wrote it, when, what became of it.

Owns the way from the captured events of one message to that view. A function of the *set* of them:
order and repetition do not matter. State, time and authors are those of the message's document
(search/project.py); a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from schemas import document, events
from schemas.assignment import Assignments
from schemas.codec import encode_content
from schemas.events import CapturedEvent
from schemas.identity import event_id
from search import moments
from search.identity import Sides, sides
from search.policy.lexicon import FORWARDED, SYSTEM
from search.project import BASE_KINDS, VERSION_KINDS

_NOTHING_ASSIGNED: Final = Assignments()
_TEXT_DIGITS: Final = 16
_MARKS: Final = (events.RETRACTION, events.RESTORATION)
# What an export writes as a line of its own, and what a provider says in the chat.
_SYSTEM_TYPES: Final = ("notice", "call")


@dataclass(frozen=True, slots=True)
class Version:
    """A text that the message had, or an edit or retraction without one. `at`: UTC ms, as its
    source says where that is believable, else as we captured it."""

    event: CapturedEvent
    at: int

    @property
    def event_id(self) -> bytes:
        """16 bytes."""
        return event_id(self.event)

    @property
    def text(self) -> str | None:
        """What was written."""
        return self.event.text

    def revision(self) -> str:
        """Which text of which event, in hex: two captures of one event may differ in their text."""
        text = self.event.text
        if text is None:
            return self.event_id.hex()
        digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{self.event_id.hex()}:{digest[:_TEXT_DIGITS]}"

    def whole_zone(self) -> tuple[str, str] | None:
        """(zone, why) where the source says that the text as such is not the author's own."""
        seen = self.event.observations
        if "forwarded" in seen or "frequently_forwarded" in seen:
            return FORWARDED, "the source says that it was forwarded"
        if self.event.detail("system_type") is not None or (
                self.event.detail("type") in _SYSTEM_TYPES):
            return SYSTEM, "a line of the source's own"
        return None


@dataclass(frozen=True, slots=True)
class Message:
    """`key`: its message_key. `versions`: the message first, then in order of time; one for each
    text of each event. `captured`: all that is known of it. `lead`: the event it is named and dated
    after; `at`: that one's time."""

    key: bytes
    lead: CapturedEvent
    at: int
    state: str
    versions: tuple[Version, ...]
    captured: tuple[CapturedEvent, ...]

    @property
    def texts(self) -> tuple[Version, ...]:
        """The versions that have a text."""
        return tuple(one for one in self.versions if one.event.text)

    @property
    def sender(self) -> str:
        """The source's id of who wrote it; "" = it does not say."""
        return self.lead.actor.native_id if self.lead.actor else ""

    def sides(self, assigned: Assignments = _NOTHING_ASSIGNED) -> Sides:
        """What its author and everybody else are known by."""
        said = [one for one in self.captured if one.kind in VERSION_KINDS]
        wrote = [one for one in said if one.kind in BASE_KINDS or one.kind == events.EDIT]
        known = [sides(self._given(event, assigned)) for event in wrote or said]
        return Sides(frozenset().union(*(one.actor for one in known)),
                     frozenset().union(*(one.recipients for one in known)))

    def custodian(self, assigned: Assignments = _NOTHING_ASSIGNED) -> str:
        """Whose account it was captured on; "" = nobody's."""
        return self._given(self.lead, assigned).custodian

    def _given(self, event: CapturedEvent, assigned: Assignments) -> CapturedEvent:
        if event.custodian or not event.account:
            return event
        custodian = assigned.custodian(self.lead.channel, event.account, self.at)
        return replace(event, custodian=custodian) if custodian else event


def message_of(key: bytes, captured: Iterable[CapturedEvent]) -> Message | None:
    """The message whose events these are; null where none of them is a version of it."""
    known = tuple(captured)
    said = [one for one in known if one.kind in VERSION_KINDS]
    if not said:
        return None
    if len(said) == 1:
        version = Version(said[0], believable(said[0]))
        state = document.LIVE if said[0].kind == events.MESSAGE else _state((version,))
        return Message(key, said[0], listed_at(said[0]), state, (version,), known)
    named = sorted(((event_id(event), event) for event in said), key=_lead_first)
    leads = list({name: Version(event, believable(event))
                  for name, event in reversed(named)}.values())
    decide = [one for one in leads if _is_strong(one.event)] or leads
    lead = min(decide, key=_named_after)
    versions = {(name, event.text or ""): Version(event, believable(event))
                for name, event in reversed(named)}
    return Message(key, lead.event, listed_at(lead.event), _state(decide),
                   tuple(sorted(versions.values(), key=in_time)), known)


def believable(event: CapturedEvent) -> int:
    """When it happened: as its source says where that is believable, else when it was captured, as
    `search.project.effective_time` says of its entry. UTC ms."""
    local_at = moments.local_time(event) if event.kind in BASE_KINDS else None
    at = moments.believed(event.occurred_at, local_at, event.captured_at)
    return event.captured_at if at is None else at


def listed_at(event: CapturedEvent) -> int:
    """When a message that is named after `event` happened, as a list has it: `sort_time` of its
    entry, but for the place among what a source rounded to the same second or minute. UTC ms."""
    at = moments.believed(event.occurred_at, moments.local_time(event), event.captured_at)
    return event.captured_at if at is None else at


def in_time(version: Version) -> tuple[bool, int, bool, int, bytes, str]:
    """Versions in the order in which they happened: the message first; of one second, an edit
    before a retraction."""
    event = version.event
    return (event.kind not in BASE_KINDS, version.at, event.kind in _MARKS, event.captured_at,
            version.event_id, event.text or "")


def _lead_first(named: tuple[bytes, CapturedEvent]) -> tuple[bool, bool, int, bytes]:
    """Of several sightings of one event: vouched for before supplied, with content before without,
    then the earliest."""
    event = named[1]
    return (not _is_strong(event), event.content_state != events.PRESENT, event.captured_at,
            encode_content(event))


def _is_strong(event: CapturedEvent) -> bool:
    return event.provenance != events.CUSTODIAN_SUPPLIED


def _named_after(version: Version) -> tuple[int, int, int, bytes]:
    return (VERSION_KINDS.index(version.event.kind), version.at, version.event.captured_at,
            version.event_id)


def _state(decide: Sequence[Version]) -> str:
    """What has become of it, by the events that may decide (PROTOCOL C5)."""
    marks = [one for one in decide if one.event.kind in _MARKS]
    if marks and max(marks, key=lambda one: (
            one.at, one.event.captured_at, one.event_id)).event.kind == events.RETRACTION:
        return document.RETRACTED
    is_edited = any(one.event.kind == events.EDIT for one in decide)
    return document.EDITED if is_edited else document.LIVE
