"""The lines of a chat export, and which of them begin a message.

Owns the cutting of a stream into lines and of lines into messages, at bounded memory and without
losing a byte: `scan` reads a file once and decides where messages begin, `blocks` reads it again
and gives them. A line that looks like a header inside a message (a pasted chat) is told by its
form, by who is in this chat, and by its time (CAPTURE case 39).
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from ingest.adapters import whatsapp_export_dates as dates
from ingest.adapters.whatsapp_export_dates import Stamp
from ingest.adapters.whatsapp_export_text import MARKS, name_of
from schemas import limits
from schemas.errors import Refused

_CHUNK_BYTES: Final = 1024 * 1024
_LINE_END: Final = re.compile(rb"\r\n|\n|\r|\xe2\x80[\xa8\xa9]")
_BLANK: Final = b"\xef\xbb\xbf \r\n\t"
_ODD_LINE_ENDS: Final = (b"\xe2\x80\xa8", b"\xe2\x80\xa9")
_JUNK: Final = MARKS + "\x00 \t"
# What the first character of a stamp can be; asked of every line, so it must be cheap.
_MAY_BE_HEADER: Final = re.compile(r"\[|\d|R\d|H\d|令|平|[^\W\d_]{1,4}\s?\d")
_DASH: Final = re.compile(r"[ \u00a0\u202f][-–—](?:[ \u00a0\u202f]|$)")
_SENDER_CHARS_MAX: Final = 100
_NAMED_DAY: Final = re.compile(r"-(20\d\d)(\d\d)(\d\d)-WA\d|-[A-Z]+-(20\d\d)-(\d\d)-(\d\d)-\d\d-")
_NAMED_DAYS_MAX: Final = 2_000
# A header that is this much out of order, by somebody who is in order nowhere, is pasted.
_ORDER_SECONDS: Final = 600
# Headers of another form than most are pasted, unless there are this many.
_SHAPE_LINES_MIN: Final = 20
_SHAPE_SHARE_MIN: Final = 10
# Words before a second colon, and notices with one, that are looked at; further ones are words.
_COLONS_MAX: Final = 2_000
_NOTICES_MAX: Final = 200
_NOTICE_CHARS_MAX: Final = 400
_APP_MARKS: Final = ("\u200e", "\u200f")
NOBODY: Final = 0
_NO_DAY: Final = -(1 << 62)


@dataclass(frozen=True, slots=True)
class Segment:
    """One line with its line end, or a piece of a line that is too long (`is_piece`)."""

    start: int
    raw: bytes
    is_piece: bool = False


def segments(stream: BinaryIO) -> Iterator[Segment]:
    """The lines of `stream`; together they are all its bytes."""
    tail = b""
    at = 0
    is_piece = False
    while True:
        chunk = stream.read(_CHUNK_BYTES)
        buffer = tail + chunk
        begin = 0
        for match in _LINE_END.finditer(buffer):
            end = match.end()
            if end == len(buffer) and chunk and match[0] == b"\r":
                break                      # the "\n" may be in the next chunk
            yield Segment(at + begin, buffer[begin:end], is_piece)
            is_piece = False
            begin = end
        tail = buffer[begin:]
        at += begin
        if len(tail) > limits.EXPORT_LINE_BYTES_MAX and chunk:
            # Three bytes stay: half a line end, or half a character.
            yield Segment(at, tail[:-3], is_piece)
            at += len(tail) - 3
            tail = tail[-3:]
            is_piece = True
        if not chunk:
            break
    if tail:
        yield Segment(at, tail, is_piece)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A line as text without its end, and what was put right for that."""

    text: str
    repairs: tuple[str, ...] = ()


def decoded(segment: Segment) -> Decoded:
    """The text of a line. Never raises: what is no UTF-8 becomes U+FFFD, NUL is left out."""
    raw = segment.raw
    repairs: list[str] = []
    if raw.endswith(b"\n"):
        raw = raw[:-2] if raw.endswith(b"\r\n") else raw[:-1]
    elif raw.endswith(b"\r"):
        raw = raw[:-1]
        repairs.append("line_end_replaced")
    elif raw.endswith(_ODD_LINE_ENDS):
        raw = raw[:-3]
        repairs.append("line_end_replaced")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "replace")
        repairs.append("bytes_replaced")
    if "\x00" in text:
        text = text.replace("\x00", "")
        repairs.append("nul_removed")
    if segment.start == 0 and text.startswith("\ufeff"):
        text = text[1:]
        repairs.append("byte_order_mark")
    return Decoded(text, tuple(repairs))


@dataclass(frozen=True, slots=True)
class Header:
    """The head of a message: its stamp, its form, and where in the line the rest begins."""

    stamp: Stamp
    shape: str
    rest_at: int


def header(text: str) -> Header | None:
    """The header that a line begins with, or null."""
    begin = 0
    while begin < len(text) and text[begin] in _JUNK and begin < dates.STAMP_CHARS_MAX:
        begin += 1
    if _MAY_BE_HEADER.match(text, begin) is None:
        return None
    for shape, end, rest_at in _ends(text, begin):
        first = begin + 1 if shape == "[" else begin
        stamp = dates.read(text[first:end])
        if stamp is not None:
            return Header(stamp, shape + stamp.shape, rest_at)
    return None


def rest_at(text: str, shape: str) -> int:
    """Where the rest of a line begins that is known to be a header of this shape."""
    begin = 0
    while begin < len(text) and text[begin] in _JUNK:
        begin += 1
    for form, _, at in _ends(text, begin):
        if form == shape[0]:
            return at
    return 0


def _ends(text: str, begin: int) -> Iterator[tuple[str, int, int]]:
    """The places where a stamp that begins at `begin` can end: (form, its end, the rest)."""
    limit = begin + dates.STAMP_CHARS_MAX + 2
    if text[begin] == "[":
        end = text.find("]", begin, limit)
        if end > 0:
            yield "[", end, end + 2 if text[end + 1:end + 2] in (" ", "\u00a0") else end + 1
        return
    dash = _DASH.search(text, begin, limit)
    if dash:
        yield "-", dash.start(), dash.end()
    colon = text.find(": ", begin, limit)
    if colon > 0:
        yield ":", colon, colon + 2


def sender_of(rest: str, extended: frozenset[str] = frozenset()) -> tuple[str | None, str]:
    """(sender as shown or null for a notice, body) of what follows a stamp. `extended` are the
    whole names, in the form of `name_of`, that hold a colon themselves."""
    at = rest.find(": ")
    if at < 0:
        stripped = rest.rstrip(" ")
        if stripped.endswith(":") and 1 < len(stripped) <= _SENDER_CHARS_MAX:
            return stripped[:-1], ""       # a message without a word (CAPTURE case 45)
        return None, rest
    sender = rest[:at]
    if not sender.strip(_JUNK) or at > _SENDER_CHARS_MAX or _is_quoting(sender):
        return None, rest
    if extended:
        more = rest.find(": ", at + 2, _SENDER_CHARS_MAX + 2)
        if more > 0 and name_of(rest[:more]) in extended:
            return rest[:more], rest[more + 2:]
    return sender, rest[at + 2:]


def _is_quoting(sender: str) -> bool:
    """Whether a colon stands inside quotes: `You changed the subject to "a: b"` is no sender."""
    return (sender.count('"') % 2 == 1 or sender.count("“") > sender.count("”")
            or sender.count("«") > sender.count("»") or sender.count("„") > sender.count("“"))


@dataclass(slots=True)
class Scan:
    """What the first reading of a file found. Per header, in order: `starts` (byte), `days` (index
    into `stamps`), `times` (seconds of the day x 2 + whether seconds are shown), `authors` (index
    into `names`, NOBODY for a notice), `shapes`; `accepted` says which begin a message. `colons`
    are the (name, word before a second colon) that occur, each with the first body after it that
    the app marked as its own, or ""; `colon_notices` are notices that hold a colon."""

    starts: array[int] = field(default_factory=lambda: array("q"))
    days: array[int] = field(default_factory=lambda: array("l"))
    times: array[int] = field(default_factory=lambda: array("l"))
    authors: array[int] = field(default_factory=lambda: array("l"))
    shapes: array[int] = field(default_factory=lambda: array("l"))
    stamps: list[Stamp] = field(default_factory=list)
    shape_names: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=lambda: [""])
    named_days: list[tuple[Stamp, int]] = field(default_factory=list)
    colons: dict[tuple[str, str], str] = field(default_factory=dict)
    colon_notices: list[str] = field(default_factory=list)
    accepted: bytearray = field(default_factory=bytearray)
    displaced: set[int] = field(default_factory=set)
    size: int = 0
    longest: int = 0

    def dominant(self) -> int:
        """The form of most headers."""
        return Counter(self.shapes).most_common(1)[0][0] if self.shapes else 0

    def day_sequence(self) -> list[Stamp]:
        """The stamps in order, repeats of a day left out, of the dominant form alone."""
        shape = self.dominant()
        found: list[Stamp] = []
        last = -1
        for day, one in zip(self.days, self.shapes, strict=True):
            if one == shape and day != last:
                found.append(self.stamps[day])
                last = day
        return found


def scan(stream: BinaryIO) -> Scan:
    """Read a whole file once: every line that looks like a header. Raises Refused past the limit of
    lines."""
    found = Scan()
    day_ids: dict[tuple[object, ...], int] = {}
    shape_ids: dict[str, int] = {}
    name_ids: dict[str, int] = {}
    for segment in segments(stream):
        found.size = segment.start + len(segment.raw)
        if segment.is_piece:
            continue
        text = decoded(segment).text
        head = header(text)
        if head is None:
            continue
        stamp = head.stamp
        key = stamp.numbers, stamp.year_first, stamp.calendar, stamp.hints_year_first
        day = day_ids.setdefault(key, len(day_ids))
        if day == len(found.stamps):
            found.stamps.append(stamp)
        shape = shape_ids.setdefault(head.shape, len(shape_ids))
        if shape == len(found.shape_names):
            found.shape_names.append(head.shape)
        sender, body = sender_of(text[head.rest_at:])
        author = NOBODY
        if sender is not None:
            name = name_of(sender)
            author = name_ids.setdefault(name, len(name_ids) + 1)
            if author == len(found.names):
                found.names.append(name)
            _note_colon(found, name, body)
        elif ": " in body and len(found.colon_notices) < _NOTICES_MAX:
            found.colon_notices.append(body[:_NOTICE_CHARS_MAX])
        if len(found.starts) >= limits.EXPORT_LINES_MAX:
            raise Refused(f"more than {limits.EXPORT_LINES_MAX} messages in one text: cut it into "
                          "several files where a message begins, and import each")
        found.starts.append(segment.start)
        found.days.append(day)
        found.times.append(stamp.seconds * 2 + stamp.has_second)
        found.authors.append(author)
        found.shapes.append(shape)
        if len(found.named_days) < _NAMED_DAYS_MAX:
            _note_named_day(found, stamp, body)
    return found


def _note_colon(found: Scan, name: str, body: str) -> None:
    """That a line of `name` begins with a word and a colon: it may be the rest of the name."""
    at = body.find(": ", 0, _SENDER_CHARS_MAX)
    # What the app writes itself, and links: "<attached: ", "location: https".
    if at <= 0 or body.startswith((*MARKS, "<")) or body.startswith(("http", "//"), at + 2):
        return
    key = name, body[:at]
    if key in found.colons or len(found.colons) < _COLONS_MAX:
        marked = body[at + 2:at + 2 + _NOTICE_CHARS_MAX] if body.startswith(
            _APP_MARKS, at + 2) else ""
        found.colons[key] = found.colons.get(key) or marked


def _note_named_day(found: Scan, stamp: Stamp, body: str) -> None:
    match = _NAMED_DAY.search(body, 0, 200)
    if match and not stamp.year_first:
        year, month, day = (int(one) for one in match.groups() if one is not None)
        number = dates.day_number(year, month, day)
        if number is not None:
            found.named_days.append((stamp, number))


def decide(found: Scan, seconds_of: Callable[[int], int | None]) -> None:
    """Fill `accepted`: which headers begin a message, and `displaced`: those out of order though
    they do. `seconds_of` gives a header's local time in seconds, or null where its day is none."""
    count = len(found.starts)
    found.accepted = bytearray(b"\x01" * count)
    if not count:
        return
    usual = _usual_shapes(found)
    moments = array("q", (_NO_DAY if (at := seconds_of(number)) is None else at
                          for number in range(count)))
    for number in range(count):
        if moments[number] == _NO_DAY or (number and found.shapes[number] not in usual):
            found.accepted[number] = 0
    ordered = _longest_ordered(found.accepted, moments)
    outside = [number for number in range(count)
               if found.accepted[number] and not ordered[number]]
    if not outside:
        return
    trusted = {found.authors[number] for number in range(count) if ordered[number]}
    of_interest = {moments[number] for number in outside}
    places = {(moments[number], found.authors[number]) for number in range(count)
              if ordered[number] and moments[number] in of_interest}
    latest = _latest_before(ordered, moments)
    for number in outside:
        at, author = moments[number], found.authors[number]
        far = abs(at - latest[number]) > _ORDER_SECONDS
        is_strange = author not in trusted or (at, author) in places
        if far and author != NOBODY and is_strange and _holder(found, number) != NOBODY:
            found.accepted[number] = 0
        elif far:
            found.displaced.add(number)


def _holder(found: Scan, number: int) -> int:
    """The author of the message that header `number` would be a part of. The app's own lines hold
    nothing that was pasted."""
    while number:
        number -= 1
        if found.accepted[number]:
            return found.authors[number]
    return NOBODY


def _usual_shapes(found: Scan) -> set[int]:
    counted = Counter(found.shapes)
    first = found.dominant()
    least = max(_SHAPE_LINES_MIN, counted[first] // _SHAPE_SHARE_MIN)
    return {shape for shape, lines in counted.items() if shape == first or lines >= least}


def _longest_ordered(candidates: bytearray, moments: array[int]) -> bytearray:
    """Which candidates are in the longest row whose times never go back.

    From the end to the beginning, so that of two rows of one length the one stays that begins
    earlier in the file: what comes first holds what is pasted into it.
    """
    ends: list[int] = []              # the largest first time of a row of each length, negated
    last: list[int] = []
    before = array("q", bytes(8 * len(moments)))
    for number in range(len(moments) - 1, -1, -1):
        if not candidates[number]:
            continue
        place = bisect_right(ends, -moments[number])
        before[number] = last[place - 1] if place else -1
        if place == len(ends):
            ends.append(-moments[number])
            last.append(number)
        else:
            ends[place] = -moments[number]
            last[place] = number
    row = bytearray(len(moments))
    at = last[-1] if last else -1
    while at >= 0:
        row[at] = 1
        at = before[at]
    return row


def _latest_before(ordered: bytearray, moments: array[int]) -> array[int]:
    """Per header the time that the ordered row had reached there; its first before that."""
    current = next((moment for moment, one in zip(moments, ordered, strict=True) if one), 0)
    reached = array("q")
    for moment, one in zip(moments, ordered, strict=True):
        current = moment if one else current
        reached.append(current)
    return reached


@dataclass(slots=True)
class Block:
    """One message's bytes. `number` is its header's, or -1: text before the first message or after
    a message that is too long. `lines` are its lines as text."""

    number: int
    start: int
    raw: bytes
    lines: list[str]
    repairs: tuple[str, ...] = ()
    has_pasted: bool = False

    @property
    def end(self) -> int:
        """Where it ends in the file."""
        return self.start + len(self.raw)


@dataclass(slots=True)
class _Growing:
    number: int
    start: int
    raw: bytearray = field(default_factory=bytearray)
    lines: list[str] = field(default_factory=list)
    repairs: set[str] = field(default_factory=set)
    has_pasted: bool = False

    def add(self, segment: Segment) -> None:
        line = decoded(segment)
        self.raw += segment.raw
        if segment.is_piece and self.lines:
            self.lines[-1] += line.text
        else:
            self.lines.append(line.text)
        self.repairs.update(line.repairs)

    def block(self) -> Block:
        return Block(self.number, self.start, bytes(self.raw), self.lines,
                     tuple(sorted(self.repairs)), self.has_pasted)


def blocks(stream: BinaryIO, found: Scan) -> Iterator[Block]:
    """The messages of a file that was scanned and decided on; together they are all its bytes."""
    number = 0
    count = len(found.starts)
    growing: _Growing | None = None
    for segment in segments(stream):
        begins = pasted = False
        if number < count and segment.start == found.starts[number]:
            begins = bool(found.accepted[number])
            pasted = not begins
            number += 1
        full = growing is not None and (
            len(growing.raw) + len(segment.raw) > limits.EXPORT_MESSAGE_BYTES_MAX)
        if growing is not None and (begins or full):
            if begins and growing.number < 0 and not growing.raw.strip(_BLANK):
                # A byte order mark or empty lines before the first message belong to it.
                growing.number = number - 1
                growing.lines.clear()
                growing.add(segment)
                continue
            yield growing.block()
            growing = None
        if growing is None:
            growing = _Growing(number - 1 if begins else -1, segment.start)
        growing.has_pasted |= pasted
        growing.add(segment)
    if growing is not None:
        yield growing.block()
