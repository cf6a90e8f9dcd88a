"""An item of an export in plain words: what load file, EML and CSV say of it. Pure.

Owns the sentences: who, when, every version in place, what was taken back, files, reactions, what
is not there and why. A line of ours never comes from a person: what people wrote stands indented
below it, so that no message can write another one's heading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from schemas import events
from schemas.events import Identity
from schemas.gaps import Gap
from search.export import transcript_words
from search.export.model import Item, Job, PackedFile, Slice, Withheld
from search.thread import RelatedView
from search.web import chat, texts, times
from search.web.times import Stamp, Zone

CONTROLS_SHOWN: Final = "control characters shown as [U+…]"
_INDENT: Final = "    "
# What any reader may take for the end of a line.
_LINE_ENDS: Final = re.compile("\r\n|[\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]")
# Control characters but tab and the ends of lines; halves of characters, which UTF-8 has no bytes
# for.
_UNSHOWABLE: Final = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
_HALVES: Final = re.compile("[\ud800-\udfff]")
_RELATED: Final = {events.REACTION: "Reaction", events.RECEIPT: "Receipt",
                   events.MEMBERSHIP: "Membership", events.IDENTITY: "Identity"}


@dataclass(frozen=True, slots=True)
class Paragraph:
    """`heading`: a line of ours; `body`: what a person wrote, as it was written, null = nothing
    is quoted here."""

    heading: str
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """One item, one gap or one withheld item of a slice: `id` "" of a gap."""

    id: str
    heading: str
    paragraphs: tuple[Paragraph, ...]


def blocks(job: Job, one: Slice) -> Iterator[Block]:
    """The slice from top to bottom: items, with gaps and withheld items where they belong."""
    zone = zone_of(job)
    rows = [*((gap.since or 0, 0, _gap(gap, zone)) for gap in one.gaps),
            *((held.at, 1, _withheld(held, zone)) for held in one.withheld),
            *((item.at, 2, block(item, zone)) for item in one.items)]
    return (found for _, _, found in sorted(rows, key=lambda row: row[:2]))


def block(item: Item, zone: Zone) -> Block:
    """One item: its versions in order, then what else is known of it."""
    bubble = chat.bubble(item.view, zone)
    heading = ", ".join(one for one in (
        f"{item.document_id}: {moment(bubble.when)}", named(item.view.hit.actor),
        transcript_words.badge(bubble.state, bubble.kind),
        "context: it was not asked for" if item.context else "") if one)
    return Block(item.document_id, heading, (
        *versions(item, zone), *_taken_back(bubble), *_facts(item),
        *(_related(one, zone) for one in item.view.related),
        *(Paragraph(file_line(item, one)) for one in item.files)))


def versions(item: Item, zone: Zone) -> Iterator[Paragraph]:
    """Every version in order: what it is, when, by whom, how it is known, and its text."""
    for row in chat.version_rows(item.view, zone):
        who = f"by {named(row.view.actor)}" if row.view.actor else "nobody is named"
        heading = f"{row.number}. {transcript_words.title(row.title)}, {moment(row.when)}, " \
                  f"{row.when.meaning}; {who}; {row.known}"
        note = transcript_words.note(row, is_first=row.number == 1)
        if row.view.text == "":
            note = f"{note} The text is empty.".strip()
        yield Paragraph(f"{heading}. {note}" if note else heading, row.view.text)


def plain(found: Iterable[Block]) -> tuple[str, int]:
    """(The text with LF, how many characters had to be shown by their numbers.)"""
    out: list[str] = []
    changed = 0
    for one in found:
        out.append(one_line(one.heading))
        for paragraph in one.paragraphs:
            out.append(one_line(paragraph.heading))
            if paragraph.body:
                body, count = visible(paragraph.body)
                changed += count
                out.append(indented(body))
        out.append("")
    return "\n".join(out), changed


def without_halves(text: str) -> str:
    """Halves of characters, which UTF-8 has no bytes for, as U+FFFD."""
    return _HALVES.sub("\ufffd", text)


def indented(body: str) -> str:
    """What a person wrote, each line of it set in: none of it stands where our lines begin."""
    return "\n".join(f"{_INDENT}{line}" for line in _LINE_ENDS.split(body))


def visible(text: str) -> tuple[str, int]:
    """(`text` with control characters by their numbers, how many); ends of lines stay."""
    return _UNSHOWABLE.subn(lambda found: f"[U+{ord(found[0]):04X}]", text)


def one_line(text: str | None) -> str:
    """A name or a title as one line in which nothing is obeyed."""
    if text and text.isascii() and text.isprintable() and "  " not in text:
        return text.strip(" ")
    return " ".join(texts.plain(text).split())


def named(one: Identity | None) -> str:
    """Somebody: `Ann Lee <+16505551234>`; "" = nobody is named."""
    if one is None:
        return ""
    name, native = one_line(one.display_name), one_line(one.native_id)
    return f"{name} <{native}>" if name and name != native else native


def recipients(item: Item, one: Slice) -> tuple[Identity, ...]:
    """Whom the item went to: as its source says, else everybody in the talk but the author."""
    leading = item.leading
    author = item.view.hit.actor
    told = leading.participants if leading else ()
    return tuple(who for who in told or one.parties
                 if author is None or who.native_id != author.native_id)


def moment(stamp: Stamp) -> str:
    """A time with UTC beside it: in one night of the year an hour comes twice."""
    found = transcript_words.moment(stamp)
    return f"{found.local} ({found.utc})" if found.utc else found.local


def zone_of(job: Job) -> Zone:
    """The export's zone, as the console's words need it."""
    return Zone(job.zone_name, job.zone)


def file_id(item: Item, one: PackedFile) -> str:
    """A file's own document id: "CF-0000001.001"."""
    return f"{item.document_id}.{one.view.number:03d}"


def file_line(item: Item, one: PackedFile) -> str:
    """A file, and why it is not there."""
    said = f"File {file_id(item, one)}: {one_line(one.view.name) or 'without a name'}"
    if kind := one_line(one.view.media_type):
        said = f"{said}, {kind}"
    if one.path:
        return f"{said}, {one.size} bytes, SHA-256 {one.sha256}"
    return f"{said}. {missing(one)}"


def missing(one: PackedFile) -> str:
    """Why a file's bytes are not there, and what the source said of them."""
    out = one_line(transcript_words.absent(one))
    if one.view.size is not None:
        out += f" The source stated {one.view.size} bytes."
    if one.view.sha256:
        out += f" The source stated SHA-256 {one.view.sha256}."
    return out


def ranges(numbers: Iterable[int]) -> str:
    """"3-5;9": each number once, in order."""
    out: list[list[int]] = []
    for one in sorted(set(numbers)):
        if out and out[-1][1] == one - 1:
            out[-1][1] = one
        else:
            out.append([one, one])
    return ";".join(str(low) if low == high else f"{low}-{high}" for low, high in out)


def _taken_back(bubble: chat.Bubble) -> Iterator[Paragraph]:
    if bubble.taken is None:
        return
    if bubble.note:
        yield Paragraph(bubble.note)
    if bubble.taken.visible:
        yield Paragraph(f"It was to be seen for {bubble.taken.visible}.")


def _facts(item: Item) -> Iterator[Paragraph]:
    """What the source says beside the text: of a message what it answers, of other kinds all."""
    leading = item.leading
    if leading is None:
        return
    talks = leading.kind in events.CONTENT_KINDS
    for name, value in leading.details:
        if talks and name == "reply_to":
            yield Paragraph(f"In answer to the message that the source calls {one_line(value)}")
        elif not talks:
            yield Paragraph(f"{one_line(name)}: {one_line(value)}")


def _related(one: RelatedView, zone: Zone) -> Paragraph:
    """A reaction, a receipt … on one line: its text is a sign or a word."""
    when = times.stamp(one.occurred_at if one.occurred_at is not None else one.captured_at, zone,
                       times.STATED if one.occurred_at is not None else times.RECEIVED)
    what = " ".join(part for part in (_RELATED.get(one.kind, one.kind.capitalize()),
                                      one_line(one.subkind), one_line(one.text)) if part)
    if one.kind == events.REACTION and not one.text:
        what = "Reaction taken away"
    who = f", by {named(one.actor)}" if one.actor else ""
    problem = f". It cannot be read: {one_line(one.problem)}" if one.problem else ""
    return Paragraph(f"{what}, {moment(when)}, {when.meaning}{who}{problem}")


def _gap(gap: Gap, zone: Zone) -> Block:
    hole = chat.hole(gap, zone)
    since = moment(hole.since) if hole.since else "a time that is not known"
    until = moment(hole.until) if hole.until else "now: it goes on"
    note = f" ({one_line(hole.note)})" if hole.note else ""
    return Block("", f"Gap of capture from {since} to {until}",
                 (Paragraph(f"{one_line(hole.why)}{note}. {hole.state}"),))


def _withheld(one: Withheld, zone: Zone) -> Block:
    what = f"{one.kind} by {one_line(one.author) or 'somebody who is not known'}"
    to = "; ".join(map(one_line, one.recipients))
    when = moment(times.stamp(one.at, zone))
    return Block(one.document_id, f"{one.document_id}: {when}, withheld",
                 (Paragraph(f"{what}{f' to {to}' if to else ''}. Withheld: "
                            f"{transcript_words.reason(one.reason)}; {one_line(one.words)}"),))
