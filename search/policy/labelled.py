"""Texts of which a person has said whether a policy should hit them. Pure.

Owns the form of their file, and the conversation that such a text stands in. It is a table of UTF-8
lines, cells apart by tabs (`\\n`, `\\t` and `\\\\` in a cell), the first line with the names:

    language  two letters
    label     must_hit | must_not_hit
    set       tuned: the rules were changed until it was right, or `known` says why it is not;
              held_out: written with those, and not looked at while the rules were changed;
              fresh: written when the rules were finished, in other words on purpose;
              check: written by somebody who had seen neither the rules nor the other texts. How
              they did at first is what counts (README.md of the pack): then they were mended
    rule      which rule should hit; empty where none should, or whichever
    direction in | out, as the custodian sees it; empty = the source does not say
    text      what was written
    before    what the same sender wrote just before, messages apart by " ¦ "
    reply     what the other side wrote then
    then      what the text was then edited to
    known     why it is known to be missed, or hit; with every text that is, of whichever set
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from schemas import events
from schemas.errors import Refused
from schemas.events import CapturedEvent, Identity
from schemas.identity import message_key
from search.policy.message import Message, message_of

BYTES_MAX: Final = 4 * 1024 * 1024
TEXT_CHARS_MAX: Final = 10_000
MUST_HIT: Final = "must_hit"
MUST_NOT_HIT: Final = "must_not_hit"
TUNED: Final = "tuned"
HELD_OUT: Final = "held_out"
FRESH: Final = "fresh"
CHECK: Final = "check"
SETS: Final = (TUNED, HELD_OUT, FRESH, CHECK)
COLUMNS: Final = ("language", "label", "set", "rule", "direction", "text", "before", "reply",
                  "then", "known")
_BETWEEN: Final = " ¦ "
_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "t": "\t", "\\": "\\"}
# One of the choices stands in the cell; "" = the cell may be empty.
_CHOICES: Final = {
    "label": (MUST_HIT, MUST_NOT_HIT), "set": SETS,
    "direction": (events.IN, events.OUT, ""),
}
_PROBLEMS_MAX: Final = 20
# When the first message of every conversation was written (UTC ms: Monday, 5 January 2026, 10:00),
# and how long people take for the next one.
_BEGINS_AT: Final = 1_767_607_200_000
_STEP_MS: Final = 30_000
_CHANNEL: Final = "whatsapp"
_FIRM: Final = Identity("+442079460000", "e164", "Firm")
_CLIENT: Final = Identity("+447700900123", "e164", "Client")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One line; see the top. `kind`: its set; `rule`: "" = whichever, or none; `line`: where it
    stands."""

    language: str
    is_hit: bool
    text: str
    kind: str = TUNED
    rule: str = ""
    direction: str | None = events.OUT
    before: tuple[str, ...] = ()
    reply: str = ""
    then: str = ""
    known: str = ""
    line: int = 0


def read(source: bytes, name: str = "texts.tsv") -> tuple[Labelled, ...]:
    """The texts of a file. Raises Refused with a line for each of the first problems."""
    if len(source) > BYTES_MAX:
        raise Refused(f"{name}: {len(source)} bytes; at most {BYTES_MAX} are read")
    try:
        lines = source.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        at = source.count(b"\n", 0, error.start) + 1
        raise Refused(f"{name} line {at}: not UTF-8") from error
    names = lines[0].split("\t")
    if sorted(names) != sorted(COLUMNS):
        raise Refused(f"{name} line 1: the first line names the columns {', '.join(COLUMNS)}, "
                      "with a tab between each two")
    found: list[Labelled] = []
    problems: list[str] = []
    for number, line in enumerate(lines[1:], 2):
        if line:
            said = list(_problems(names, line))
            problems += [f"{name} line {number}: {one}" for one in said]
            if not said:
                found.append(_labelled(_cells(names, line), number))
    if problems:
        raise Refused("\n".join(problems[:_PROBLEMS_MAX]))
    return tuple(found)


def conversation(one: Labelled) -> tuple[Message, tuple[Message, ...]]:
    """(the message of the text, all of its conversation), with made-up people and times."""
    other = {events.IN: events.OUT, events.OUT: events.IN}
    told = [(text, one.direction) for text in (*one.before, one.text)]
    if one.reply:
        told.append((one.reply, other.get(one.direction or "")))
    seen = [_event(text, direction, at) for at, (text, direction) in enumerate(told)]
    place = len(one.before)
    made = [[event] for event in seen]
    if one.then:
        made[place].append(_edit(seen[place], one.then, len(seen)))
    messages = tuple(_message(captured) for captured in made)
    return messages[place], messages


def _problems(names: Sequence[str], line: str) -> Iterator[str]:
    if line.count("\t") >= len(names):
        yield f"{line.count(chr(9)) + 1} cells; there are {len(names)} columns"
        return
    cells = _cells(names, line)
    for column, choices in _CHOICES.items():
        if cells[column] not in choices:
            yield f"{column} must be one of {', '.join(filter(None, choices))}"
    if not re.fullmatch("[a-z]{2}", cells["language"]):
        yield "language must be two letters"
    if not 1 <= len(cells["text"].strip()) <= TEXT_CHARS_MAX:
        yield f"text must be 1 to {TEXT_CHARS_MAX} characters"
    if cells["label"] == MUST_NOT_HIT and cells["rule"]:
        yield "rule: what must not be hit is for no rule"
    if any(mark not in _ESCAPED for mark in _ESCAPE.findall(line)):
        yield "a backslash stands before n, t or another backslash"


def _cells(names: Sequence[str], line: str) -> dict[str, str]:
    cells = [_ESCAPE.sub(lambda mark: _ESCAPED.get(mark[1], mark[0]), cell)
             for cell in line.split("\t")]
    return dict(zip(names, [*cells, *[""] * (len(names) - len(cells))], strict=True))


def _labelled(cells: dict[str, str], number: int) -> Labelled:
    return Labelled(
        language=cells["language"], is_hit=cells["label"] == MUST_HIT, text=cells["text"],
        kind=cells["set"], rule=cells["rule"],
        direction=cells["direction"] or None,
        before=tuple(cells["before"].split(_BETWEEN)) if cells["before"] else (),
        reply=cells["reply"], then=cells["then"], known=cells["known"], line=number)


def _event(text: str, direction: str | None, place: int) -> CapturedEvent:
    at = _BEGINS_AT + place * _STEP_MS
    actor, other = (_CLIENT, _FIRM) if direction == events.IN else (_FIRM, _CLIENT)
    digest = hashlib.sha256(f"{place}\n{direction}\n{text}".encode()).hexdigest()
    return CapturedEvent(
        kind=events.MESSAGE, channel=_CHANNEL, source="labelled/1", account=_FIRM.native_id,
        conversation="labelled", captured_at=at, native_id=digest, actor=actor,
        participants=(actor, other), direction=direction, occurred_at=at, text=text)


def _edit(event: CapturedEvent, text: str, place: int) -> CapturedEvent:
    at = _BEGINS_AT + place * _STEP_MS
    return CapturedEvent(
        kind=events.EDIT, channel=event.channel, source=event.source, account=event.account,
        conversation=event.conversation, captured_at=at, native_id=f"edit of {event.native_id}",
        target=event.native_id, target_known=events.EXPLICIT, actor=event.actor,
        participants=event.participants, direction=event.direction, occurred_at=at, text=text)


def _message(captured: Sequence[CapturedEvent]) -> Message:
    found = message_of(message_key(captured[0]), captured)
    assert found is not None  # a message is a version of itself
    return found
