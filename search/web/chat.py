"""A conversation as rows of a chat: days, bubbles, gaps. Pure.

Owns what a message looks like before it becomes markup: whose side it stands on, its versions in
place with what each changed, for how long a retracted one was to be seen, and what cannot be shown
with the reason. Nothing that is known is left out; what is not known is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from schemas import events, media
from schemas.events import Identity
from schemas.gaps import COMPLETE, FILLED, OPEN, PROVED, REASONS, Gap
from search.conversation import ConversationView
from search.files import FileView
from search.flagged import FlagView
from search.results import HitView, SeenBy
from search.thread import MessageView, RelatedView, VersionView
from search.web import diff, texts, times
from search.web.times import Stamp, Zone

_TITLES: Final = {
    events.MESSAGE: "Written", events.EDIT: "Edited", events.RETRACTION: "Retracted",
    events.RESTORATION: "Restored", events.CALL: "Call", events.UNKNOWN: "Not understood",
}
KNOWN: Final = {
    events.PROVIDER_SIGNED: "signed by the provider",
    events.PROVIDER_FETCHED: "fetched from the provider",
    events.DEVICE_SUPPLIED: "told by a telephone",
    events.CUSTODIAN_SUPPLIED: "handed in by the person",
    events.OWN: "recorded by Counterfoil",
}
_NO_TEXT: Final = {
    events.ABSENT_BY_SOURCE: "The source did not deliver the text.",
    events.UNDECRYPTABLE: "The text could not be decrypted by the source.",
    events.PLACEHOLDER: "The source delivered a placeholder only.",
}
_SETTLED: Final = {
    OPEN: "Something may be missing here.",
    PROVED: "Messages are missing here, and how many is known.",
    FILLED: "What was missing is archived now.",
    COMPLETE: "Compared with the provider's list: nothing is missing.",
}
# Kinds of pictures that are shown in place: a browser draws them and runs nothing in them.
PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_CHANNELS: Final = {"whatsapp": "WhatsApp", "sms": "SMS", "mms": "MMS", "firm": "The firm"}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as a page names them: `name` to read, `id` as the source wrote it."""

    name: str
    id: str
    id_type: str


@dataclass(frozen=True, slots=True)
class Row:
    """A version. `text`: its own, with the marked places; `changed`: what it changed, null where
    there is nothing to compare with; `note`: why there is no text."""

    number: int
    kind: str
    title: str
    when: Stamp
    who: Person | None
    text: Markup | None
    changed: tuple[diff.Change, ...] | None
    note: str
    known: str
    view: VersionView


@dataclass(frozen=True, slots=True)
class Taken:
    """A retraction: who, when, and for how long the text was to be seen ("" = not known)."""

    who: Person | None
    when: Stamp
    visible: str
    same_person: bool


@dataclass(frozen=True, slots=True)
class Reaction:
    """`sign`: the emoji; "" = taken away."""

    sign: str
    who: Person | None
    when: Stamp


@dataclass(frozen=True, slots=True)
class FileLine:
    """A file. `is_picture`: may be shown in place."""

    view: FileView
    name: str
    size: str
    is_picture: bool
    is_stored: bool


@dataclass(frozen=True, slots=True)
class Bubble:
    """One message. `side`: in | out | none."""

    id: str
    side: str
    is_this: bool
    who: Person | None
    begins: bool
    when: Stamp
    state: str
    kind: str
    text: Markup | None
    note: str
    rows: tuple[Row, ...]
    taken: Taken | None
    files: tuple[FileLine, ...]
    flags: tuple[FlagView, ...]
    reactions: tuple[Reaction, ...]
    copies: tuple[SeenBy, ...]
    hit: HitView


@dataclass(frozen=True, slots=True)
class Day:
    """A new day begins."""

    label: str


@dataclass(frozen=True, slots=True)
class Hole:
    """A gap of capture: `since`, `until` null = open; `why`, `state` and `note` in words."""

    since: Stamp | None
    until: Stamp | None
    why: str
    state: str
    note: str
    is_open: bool


ChatRow = Day | Bubble | Hole


def rows(view: ConversationView, zone: Zone, this: str = "") -> tuple[ChatRow, ...]:
    """The page from top to bottom. `this`: the id of the message that was asked for."""
    out: list[ChatRow] = []
    waiting = sorted(view.gaps, key=lambda gap: gap.since or 0)
    day, before = "", ""
    for message in view.messages:
        at = _at(message.hit)
        while waiting and (waiting[0].since or 0) <= at:
            out.append(hole(waiting.pop(0), zone))
            before = ""
        when = times.of(message.hit, zone, message.hit.occurred_meaning)
        if when.day and when.day != day:
            day, before = when.day, ""
            out.append(Day(day))
        made = bubble(message, zone, is_this=message.hit.doc_id == this, after=before)
        out.append(made)
        before = made.who.id if made.who else ""
    return (*out, *(hole(gap, zone) for gap in waiting))


def bubble(message: MessageView, zone: Zone, *, is_this: bool = False, after: str = "") -> Bubble:
    """One message. `after`: the id of who wrote the one before it."""
    hit = message.hit
    who = person(hit.actor)
    return Bubble(
        id=hit.doc_id, side=hit.direction or "none", is_this=is_this, who=who,
        begins=who is None or who.id != after, when=times.of(hit, zone, hit.occurred_meaning),
        state=hit.state or hit.kind, kind=hit.kind,
        text=None if hit.text is None else texts.shown(hit.text, _marked(message, hit.text)),
        note=_note(hit), rows=version_rows(message, zone), taken=_taken(message, zone),
        files=tuple(map(file_line, message.files)), flags=message.flags,
        reactions=tuple(_reactions(message.related, zone)), copies=hit.seen_by, hit=hit)


def version_rows(message: MessageView, zone: Zone) -> tuple[Row, ...]:
    """Every version in order, each with what it changed of the one before."""
    out: list[Row] = []
    said: str | None = None
    for number, one in enumerate(message.versions, 1):
        changed = None
        if one.text is not None and said is not None and one.kind == events.EDIT:
            changed = diff.changes(said, one.text)
        marked = [*texts.marks(one.highlights), *_flagged(message.flags, number)]
        out.append(Row(
            number, one.kind, _TITLES.get(one.kind, one.kind),
            times.of(one, zone, one.occurred_meaning), person(one.actor),
            None if one.text is None else texts.shown(one.text, marked), changed,
            _why_no_text(one), known(one), one))
        said = one.text if one.text is not None else said
    return tuple(out)


def person(one: Identity | None) -> Person | None:
    """Who, to read."""
    if one is None:
        return None
    return Person(one.display_name or one.native_id, one.native_id, one.id_type)


def known(one: VersionView) -> str:
    """How a version is known, in words."""
    said = KNOWN.get(one.provenance, one.provenance)
    if one.target_known == events.ABSENT:
        return f"{said}; the source did not say which message it is about"
    if one.target_known == events.INFERRED:
        return f"{said}; which message it is about was inferred"
    return said


def channel(name: str) -> str:
    """A channel's name as people write it."""
    return _CHANNELS.get(name, name)


def title(parties: Iterable[Identity], accounts: Iterable[str]) -> str:
    """What a conversation is called: the others in it, else everybody."""
    ours = {_bare(one) for one in accounts}
    found = [one for one in map(person, parties) if one is not None]
    others = [one.name for one in found if _bare(one.id) not in ours]
    everybody = [one.name for one in found]
    names = others or everybody
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(texts.plain(name) for name in names[:4]) + more


def file_line(one: FileView) -> FileLine:
    """A file in a list."""
    return FileLine(
        one, texts.plain(one.name) or f"file {one.number}", _size(one.size),
        (one.media_type or "").split(";")[0].strip().lower() in PICTURES
        and one.state == media.STORED, one.state == media.STORED)


def hole(gap: Gap, zone: Zone) -> Hole:
    """A gap in words."""
    return Hole(
        None if gap.since is None else times.stamp(gap.since, zone),
        None if gap.until is None else times.stamp(gap.until, zone),
        REASONS.get(gap.reason, gap.reason), _SETTLED.get(gap.settled, "It came after all."),
        gap.note, gap.is_open)


def _taken(message: MessageView, zone: Zone) -> Taken | None:
    """Null unless the message stands retracted."""
    if message.hit.state != "retracted":
        return None
    last = [one for one in message.versions if one.kind == events.RETRACTION]
    if not last:
        return None
    who = person(last[-1].actor)
    author = person(message.hit.actor)
    return Taken(who, times.of(last[-1], zone, last[-1].occurred_meaning),
                 _visible(message.versions, last[-1]),
                 who is not None and author is not None and who.id == author.id)


def _visible(versions: Sequence[VersionView], taken: VersionView) -> str:
    """From the first text to the retraction."""
    began = next((one.occurred_at for one in versions if one.text is not None), None)
    if began is None:
        return ""
    if taken.occurred_at is not None:
        return times.lasted(taken.occurred_at - began)
    at_most = taken.captured_at - began
    if taken.occurred_not_before is not None:
        at_least = taken.occurred_not_before - began
        if at_most < at_least:
            return f"at least {times.lasted(at_least)}"
        return f"between {times.lasted(at_least)} and {times.lasted(at_most)}"
    return f"at most {times.lasted(at_most)}" if at_most >= 0 else ""


def _marked(message: MessageView, text: str) -> list[texts.Mark]:
    """The marks of the text that stands: what the query found, and what rules found in it."""
    out = [*texts.marks(message.hit.highlights)]
    for number, one in enumerate(message.versions, 1):
        if one.text == text:
            out += _flagged(message.flags, number)
    return out


def _flagged(flags: Iterable[FlagView], row: int) -> list[texts.Mark]:
    return [mark for flag in flags for place in flag.places if place.row == row
            for mark in texts.marks(place.ranges, texts.FLAG)]


def _reactions(related: Iterable[RelatedView], zone: Zone) -> Iterable[Reaction]:
    for one in related:
        if one.kind == events.REACTION:
            yield Reaction(texts.plain(one.text), person(one.actor),
                           times.stamp(one.occurred_at or one.captured_at, zone))


def _note(hit: HitView) -> str:
    if hit.text is not None:
        return ""
    if hit.problem.startswith("key_lost"):
        return "The key of this message is gone: it cannot be read any more."
    if hit.problem:
        return f"This message cannot be read: {hit.problem}."
    if hit.state == "retracted":
        return "It was retracted before its text was captured."
    is_talk = hit.kind in events.CONTENT_KINDS and not hit.attachments
    return _NO_TEXT.get(hit.content_state, "No text." if is_talk else "")


def _why_no_text(one: VersionView) -> str:
    if one.text is not None:
        return ""
    if one.problem.startswith("key_lost"):
        return "The key of this record is gone: it cannot be read any more."
    if one.problem:
        return f"This record cannot be read: {one.problem}."
    if one.kind == events.RETRACTION:
        return "Taken back."
    return _NO_TEXT.get(one.content_state, "" if one.attachments else "No text.")


def _at(hit: HitView) -> int:
    return next((at for at in (hit.occurred_at, hit.occurred_not_before, hit.captured_at)
                 if at is not None), 0)


def _bare(account: str) -> str:
    """A number is written with and without its plus."""
    return account.removeprefix("+").lower()


def _size(count: int | None) -> str:
    if count is None:
        return "size not known"
    size = float(count)
    for unit in ("bytes", "KB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
