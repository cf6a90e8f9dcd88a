"""What an edit or a retraction did to a message: words that went, numbers that changed after an OK,
a hit that was taken back at once. Pure.

Owns those three questions; whether a text is a hit is asked of the caller (`match.py`). Every text
that was captured counts, the retracted one included. Retractions far above habit are `habit.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from schemas import events
from schemas.events import CapturedEvent
from search.policy.message import Message, Version, believable
from search.policy.numbers import Number, changed
from search.policy.reading import Range
from search.tokens import normalise

_SECOND_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Change:
    """`before` had a text; `after` is the edit or the retraction that took its place."""

    before: Version
    after: Version


@dataclass(frozen=True, slots=True)
class Ok:
    """The other side's OK: a message's text, or a reaction to the message (then `message` null)."""

    message: Message | None
    version: Version


@dataclass(frozen=True, slots=True)
class NumberChange:
    """An edit after an OK: numbers that went, numbers that came."""

    change: Change
    ok: Ok
    gone: tuple[Number, ...]
    new: tuple[Number, ...]


def changes(message: Message) -> Iterator[Change]:
    """Every edit and retraction of a text, in order of time."""
    before: Version | None = None
    for one in message.versions:
        kind = one.event.kind
        if before is not None and (
                kind == events.RETRACTION or (kind == events.EDIT and one.event.text)):
            yield Change(before, one)
        if kind == events.RETRACTION:
            before = None  # taken back; what a later edit shows is new
        elif one.event.text:
            before = one


def taken_back_within(message: Message, hits: Iterable[Version],
                      seconds: int) -> tuple[Version, Version] | None:
    """(the retraction, the last text it came at most `seconds` after) of those that hit; null where
    there is none. Times of full seconds count as they are."""
    marks = [one for one in message.versions if one.event.kind == events.RETRACTION]
    found = [(mark, hit) for mark in marks for hit in hits
             if 0 <= mark.at - hit.at <= seconds * _SECOND_MS]
    return min(found, key=lambda pair: (pair[0].at, -pair[1].at, pair[0].event_id),
               default=None)


def removed(change: Change, ranges: Callable[[Version], Sequence[Range]]) -> tuple[Range, ...]:
    """Where, in the text before, words stood that are no longer there, or stand there less often.
    `ranges`: where the words of a rule stand in a version's text."""
    left: Counter[str] = Counter()
    if change.after.event.kind == events.EDIT:
        left.update(_words(change.after, ranges(change.after)))
    found: list[Range] = []
    for place, word in zip(ranges(change.before),
                           _words(change.before, ranges(change.before)), strict=True):
        if left[word] > 0:
            left[word] -= 1
        else:
            found.append(place)
    return tuple(found)


def numbers_changed_after_ok(message: Message, around: Sequence[Message],
                             is_ok: Callable[[str], bool]) -> Iterator[NumberChange]:
    """Every edit of a number after the other side had said OK. `around`: the conversation."""
    # The version that first said the numbers which stand: who said OK to it said so to them,
    # whatever words were edited since.
    first: Version | None = None
    for change in changes(message):
        before, after = change.before.event.text, change.after.event.text
        if change.after.event.kind != events.EDIT or not before or not after:
            first = None
            continue
        first = first or change.before
        gone, new = changed(before, after)
        if not (gone or new):
            continue
        ok = _ok_between(message, around, first, change.after, is_ok)
        first = None
        if ok is not None:
            yield NumberChange(change, ok, gone, new)


def _ok_between(message: Message, around: Sequence[Message], first: Version, after: Version,
                is_ok: Callable[[str], bool]) -> Ok | None:
    """The first OK since `first` was written, and not after the change."""
    found = [Ok(None, Version(event, believable(event))) for event in message.captured
             if event.kind == events.REACTION and _is_other_side(message.lead, event)]
    for one in around:
        if one.key != message.key and _is_other_side(message.lead, one.lead):
            found += [Ok(one, version) for version in one.texts]
    timely = [ok for ok in found if first.at <= ok.version.at <= after.at
              and ok.version.text and is_ok(ok.version.text)]
    return min(timely, key=lambda ok: (ok.version.at, ok.version.event_id), default=None)


def _is_other_side(first: CapturedEvent, other: CapturedEvent) -> bool:
    if first.direction is not None and other.direction is not None:
        return first.direction != other.direction
    return first.actor is not None and other.actor is not None and (
        first.actor.native_id != other.actor.native_id)


def _words(version: Version, places: Sequence[Range]) -> list[str]:
    text = version.event.text or ""
    return [normalise(text[start:end]) for start, end in places]
