"""The flat markup of a backup -> its messages one by one, damage between them set apart.

Owns where an element begins and ends, and where reading goes on after one that is broken. Not an
XML parser on purpose: expat stops for good at the first `&#0;` or cut, gives no bytes of what it
read, and needed 46 s and 415 MB for one picture of 133 MB that comes in pieces; this one goes on.
There are no entities: a DTD refuses the file, so nothing can be expanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from ingest.adapters.sms_backup_text import LESS_THAN, REPEATED
from ingest.adapters.sms_backup_window import Cut, Window
from schemas import limits
from schemas.errors import Refused

CUT_OFF: Final = "cut off"

_PROLOG_BYTES_MAX: Final = 64 * 1024
_ATTRIBUTES_MAX: Final = 200
_CHILDREN_MAX: Final = 2_000
# The longest beginning of a mark that _RESYNC looks for.
_MARK_BYTES_MAX: Final = 16
# A comment or instruction; a longer one is damage, or each `<!--` would be searched to the end.
_ASIDE_BYTES_MAX: Final = 16 * 1024
# White space before a mark that is not counted as damage.
_GAP_BYTES_MAX: Final = 64

# Possessive throughout: a tag matches in one pass or not at all, whatever is in it.
_NAME: Final = rb"[A-Za-z_][A-Za-z0-9_.:-]*+"
_ATTRIBUTE: Final = _NAME + rb"\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+')"
_TAG: Final = re.compile(rb"<(" + _NAME + rb")((?:\s*+" + _ATTRIBUTE + rb")*+)\s*+(/?)>")
_PAIRS: Final = re.compile(rb"(" + _NAME + rb")\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)')")
_CLOSE: Final = re.compile(rb"</(" + _NAME + rb")\s*+>")
# What may still become markup when more is read.
_UNFINISHED: Final = re.compile(
    rb"(?s)<(?:" + _NAME + rb"(?:\s*+" + _ATTRIBUTE + rb")*+\s*+(?:" + _NAME
    + rb"\s*+(?:=\s*+(?:\"[^\"]*+|'[^']*+)?)?)?/?|/(?:" + _NAME
    + rb")?\s*+|!-?|!--.*|\?.*)?\Z")
_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
# Where reading goes on after damage: no sound element holds one of these inside.
_RESYNC: Final = re.compile(rb"<(?:sms|mms|call)(?=[\s/>])|</(?:smses|calls|mms)(?=[\s>])")
_INNER: Final = re.compile(rb"<(?:smses|calls|sms|mms|call|parts?|addrs?)(?=[\s/>])|</[a-z]")
_ENCODING: Final = re.compile(rb"<\?xml\s[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")

ROOTS: Final = frozenset({b"smses", b"calls"})
_MESSAGES: Final = frozenset({b"sms", b"call"})

Attributes = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Root:
    """`<smses …>` or `<calls …>` begins; `name` is null where one ends."""

    name: str | None
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an MMS. `data` is where its base64 lies in the file, null where it has none;
    `outside` = it was cut out of the element's `raw`."""

    attributes: Attributes
    data: Cut | None = None
    outside: bool = False


@dataclass(frozen=True, slots=True)
class Element:
    """One `sms`, `mms` or `call`: [start, end) in the file. `raw` is its bytes, without the values
    that `cuts` lists by their place in it."""

    name: str
    start: int
    end: int
    raw: bytes
    attributes: Attributes
    parts: tuple[Part, ...] = ()
    addresses: tuple[Attributes, ...] = ()
    cuts: tuple[tuple[int, Cut], ...] = ()
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Damage:
    """[start, end) of the file is no element that can be read; `begun` = one begins there."""

    reason: str
    start: int
    end: int
    begun: bool = False


Token = Root | Element | Damage


class _More(Exception):
    """The window ends before the markup does."""


class _Broken(Exception):
    """What lies ahead is no element; the reason in words."""


def encoding_of(window: Window) -> str:
    """The encoding of a backup, lower case; moves to its first `<smses>` or `<calls>`.

    Raises Refused where there is none, or where a DTD or an encoding of wide characters is.
    """
    while window.pending() < 4 and window.more():
        pass
    if window.data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in window.data[:4]:
        raise Refused("the file is not in UTF-8; save it as that")
    window.pos = 3 if window.data.startswith(b"\xef\xbb\xbf") else 0
    declared = "utf-8"
    while True:
        try:
            begin = window.pos = _SPACE.match(window.data, window.pos).end()  # type: ignore[union-attr]
            window.pos = _past_aside(window.data, begin)
            if window.pos > begin:
                stated = _ENCODING.match(window.data, begin, window.pos)
                declared = stated[1].decode("ascii").lower() if stated else declared
            else:
                _require_root(window)
                return declared
        except _More:
            if not window.more():
                raise Refused("the file ends before its first message") from None
        except _Broken as broken:
            raise Refused(f"no list of messages or calls begins in the file: {broken}") from None


def _require_root(window: Window) -> None:
    """A list begins here. Raises Refused for a document type, _Broken for all else."""
    ahead = window.data[window.pos:window.pos + 4]
    if ahead.startswith(b"<!") and not b"<!--".startswith(ahead):
        raise Refused("the file has a document type or entities; no backup has")
    if window.pending() > _PROLOG_BYTES_MAX and not _TAG.match(window.data, window.pos):
        raise _Broken("its first tag is too long")
    if _tag_at(window.data, window.pos)[1] not in ROOTS:
        raise _Broken("something else does")


class Scanner:
    """Gives the tokens of a backup from `window` on, each byte that is not white space, comment or
    the root's own tag in exactly one of them."""

    def __init__(self, window: Window) -> None:
        self._window = window

    def __iter__(self) -> Iterator[Token]:
        window = self._window
        while True:
            window.pos = _SPACE.match(window.data, window.pos).end()  # type: ignore[union-attr]
            if not window.pending():
                if not window.more():
                    return
                continue
            try:
                yield from self._next()
            except _Broken as broken:
                yield self._damage(str(broken))
            except _More:
                if window.pending() > limits.BACKUP_ELEMENT_BYTES_MAX:
                    yield self._damage("larger than a message may be")
                elif not window.more():
                    yield self._damage(CUT_OFF)

    def _next(self) -> Iterator[Token]:
        window = self._window
        data, pos = window.data, window.pos
        if not data.startswith(b"<", pos):
            raise _Broken("text between messages")
        if (past := _past_aside(data, pos)) > pos:
            window.pos = past
            return
        if close := _CLOSE.match(data, pos):
            if close[1] not in ROOTS:
                raise _Broken("the end of nothing")
            window.pos = close.end()
            yield Root(None)
            return
        tag = _tag_at(data, pos)
        if tag[1] in ROOTS:
            window.pos = tag.end()
            yield Root(tag[1].decode("ascii"), _attributes(tag, set()))
            if tag[3]:
                yield Root(None)
        elif tag[1] in _MESSAGES:
            yield self._single(tag)
        elif tag[1] == b"mms":
            yield self._multi(tag)
        else:
            raise _Broken("an element of no backup")

    def _single(self, tag: re.Match[bytes]) -> Element:
        """An `sms` or a `call`: one tag, or an empty pair of them."""
        end = tag.end()
        if not tag[3]:
            end = _close_at(tag.string, end, tag[1])
        repairs: set[str] = set()
        attributes = _attributes(tag, repairs)
        if self._window.cuts(tag.start(), end):
            raise _Broken("a picture where none can be")
        return self._element(tag, end, attributes, repairs)

    def _multi(self, tag: re.Match[bytes]) -> Element:
        """An `mms` with its parts and addresses."""
        repairs: set[str] = set()
        attributes = _attributes(tag, repairs)
        if tag[3]:
            return self._element(tag, tag.end(), attributes, repairs)
        children: list[re.Match[bytes]] = []
        end = self._children(tag, children)
        cuts = self._window.cuts(tag.start(), end)
        made = set(cuts)
        parts = tuple(self._part(one, cuts, made, repairs)
                      for one in children if one[1] == b"part")
        if made:
            raise _Broken("a picture where none can be")
        addresses = tuple(_attributes(one, repairs) for one in children if one[1] == b"addr")
        return self._element(tag, end, attributes, repairs, parts, addresses, cuts)

    def _children(self, tag: re.Match[bytes], children: list[re.Match[bytes]]) -> int:
        """Collect the tags inside an `mms`; where it ends."""
        data, at = tag.string, tag.end()
        while True:
            at = _SPACE.match(data, at).end()  # type: ignore[union-attr]
            if close := _CLOSE.match(data, at):
                at = close.end()
                if close[1] == b"mms":
                    return at
                if close[1] in ROOTS or close[1] in _MESSAGES:
                    raise _Broken("a message without an end")
                continue
            if at < len(data) and not data.startswith(b"<", at):
                raise _Broken("text inside a message")
            if (past := _past_aside(data, at)) > at:
                at = past
                continue
            child = _tag_at(data, at)
            if child[1] == b"mms" or child[1] in ROOTS or child[1] in _MESSAGES:
                raise _Broken("a message without an end")
            children.append(child)
            if len(children) > _CHILDREN_MAX:
                raise _Broken("more parts than a message may have")
            at = child.end()

    def _part(self, child: re.Match[bytes], cuts: dict[int, Cut], made: set[int],
              repairs: set[str]) -> Part:
        """One part; its long value is taken from `made`, or added to `cuts` where it still lies in
        the window: what is cut must not depend on how the file was read."""
        attributes = _attributes(child, repairs)
        for pair in _PAIRS.finditer(child.string, child.start(2), child.end(2)):
            if pair[1] != b"data":
                continue
            begin, end = pair.span(2) if pair[2] is not None else pair.span(3)
            if begin in made:
                made.remove(begin)
                return Part(attributes, cuts[begin], outside=True)
            cut = self._window.cut_of(begin, end)
            if end - begin > limits.BACKUP_INLINE_BYTES_MAX:
                cuts[begin] = cut
                return Part(attributes, cut, outside=True)
            return Part(attributes, cut)
        return Part(attributes)

    def _element(self, tag: re.Match[bytes], end: int, attributes: Attributes,
                 repairs: set[str], parts: tuple[Part, ...] = (),
                 addresses: tuple[Attributes, ...] = (),
                 cuts: Mapping[int, Cut] | None = None) -> Element:
        """The element from `tag` to `end`; the window moves past it."""
        window, data, begin = self._window, tag.string, tag.start()
        pieces: list[bytes] = []
        places: list[tuple[int, Cut]] = []
        length, at = 0, begin
        before = self._window.cuts(begin, end).values()
        for pos, cut in sorted((cuts or {}).items()):
            pieces.append(data[at:pos])
            length += pos - at
            places.append((length, cut))
            at = pos
            if cut not in before:
                at += cut.end - cut.start
        pieces.append(data[at:end])
        raw = b"".join(pieces)
        if len(raw) > limits.BACKUP_ELEMENT_BYTES_MAX:
            raise _Broken("larger than a message may be")
        element = Element(tag[1].decode("ascii"), window.place(begin), window.place(end), raw,
                          attributes, parts, addresses, tuple(places), tuple(sorted(repairs)))
        window.pos = end
        return element

    def _damage(self, reason: str) -> Damage:
        """Move to where reading can go on: the next message, or the end of this one or of all."""
        window = self._window
        start = window.place(window.pos)
        begun = _RESYNC.match(window.data, window.pos) is not None \
            and not window.data.startswith(b"</", window.pos)
        if reason == CUT_OFF and _RESYNC.search(window.data, window.pos + 1):
            reason = "a quote or bracket is missing"
        window.pos += 1
        while (mark := _RESYNC.search(window.data, window.pos)) is None:
            # The last bytes may be the beginning of a mark.
            window.pos = max(window.pos, len(window.data) - _MARK_BYTES_MAX)
            if not window.more():
                window.pos = len(window.data)
                break
        end = window.pos
        if mark:
            window.pos = end = mark.start()
            if mark[0] == b"</mms":
                self._past_bracket()
                end = window.pos
            else:
                gap = window.data[max(0, end - _GAP_BYTES_MAX):end]
                end -= len(gap) - len(gap.rstrip())
        return Damage(reason, start, max(start + 1, window.place(end)), begun)

    def _past_bracket(self) -> None:
        window = self._window
        while True:
            end = window.data.find(b">", window.pos)
            if end >= 0:
                window.pos = end + 1
                return
            window.pos = len(window.data)
            if not window.more():
                return


def _past_aside(data: bytes, at: int) -> int:
    """Where the comment or instruction at `at` ends; `at` where there is none."""
    for opening, closing in ((b"<!--", b"-->"), (b"<?", b"?>")):
        if data.startswith(opening, at):
            end = data.find(closing, at + len(opening), at + _ASIDE_BYTES_MAX)
            if end >= 0:
                return end + len(closing)
            if len(data) - at < _ASIDE_BYTES_MAX:
                raise _More
            raise _Broken("a comment without an end")
    return at


def _tag_at(data: bytes, at: int) -> re.Match[bytes]:
    """The whole start tag at `at`. Raises _More where it may go on, _Broken where it cannot."""
    tag = _TAG.match(data, at)
    if tag is None:
        if at == len(data) or _UNFINISHED.match(data, at):
            raise _More
        raise _Broken("a tag that cannot be read")
    return tag


def _close_at(data: bytes, at: int, name: bytes) -> int:
    """Where the end tag of an empty element ends."""
    at = _SPACE.match(data, at).end()  # type: ignore[union-attr]
    close = _CLOSE.match(data, at)
    if close and close[1] == name:
        return close.end()
    if not close and (at == len(data) or _UNFINISHED.match(data, at)):
        raise _More
    raise _Broken("a message without an end")


def _attributes(tag: re.Match[bytes], repairs: set[str]) -> Attributes:
    """The attributes of a tag; of two with one name the first counts."""
    text = tag[2]
    if b"<" in text:
        # Somebody's "I <3 you" that was not escaped. Markup in a value means a missing quote.
        if _INNER.search(text):
            raise _Broken("a quote is missing")
        repairs.add(LESS_THAN)
    found: dict[str, bytes] = {}
    for count, (name, double, single) in enumerate(_PAIRS.findall(text)):
        if count >= _ATTRIBUTES_MAX:
            raise _Broken("more attributes than a message may have")
        if found.setdefault(name.decode("ascii"), double or single) != (double or single):
            repairs.add(REPEATED)
    return found
