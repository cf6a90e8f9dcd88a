"""Where the items of a JSON delivery lie: exact byte ranges, also when the JSON is broken.

Owns the walk along the few containers that an adapter names in a `Shape`; everything below them is
skipped by the C scanner and handed out as a range. What cannot be read is a `Broken` range; after
a break the walk goes on only at a place that is certain (see `_Walker._sibling`).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from json import JSONDecodeError
from json.decoder import scanstring  # type: ignore[attr-defined]  # in typeshed it is missing
from typing import Any, Final, NamedTuple

from ingest.values import DECODER
from schemas.limits import DELIVERY_ITEMS_MAX, JSON_DEPTH_MAX

_MALFORMED: Final = "malformed JSON"
_TOO_DEEP: Final = "nested too deep"
_TOO_MANY: Final = "more items than a delivery may hold"

_SPACE: Final = re.compile(r"[ \t\n\r]*")
# A string, a bracket, or a quote that opens a string which never ends.
_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]|"', re.DOTALL)
_BARE_WORD: Final = re.compile(r'[^\s,:"\[\]{}]+')
# Where a sibling may begin. Inside a string a quote is escaped, so no text that somebody wrote
# can look like this.
_CANDIDATE: Final = re.compile(r'\{\s*"')
_CLOSER: Final = {"{": "}", "[": "]"}
# `raw_decode` without its frame: (text, at) -> (value, end), or StopIteration where none begins.
_scan: Final[Callable[[str, int], tuple[Any, int]]] = DECODER.scan_once  # type: ignore[attr-defined]
# Looking for siblings is bounded; at the limit the rest of the delivery is one broken range.
_CANDIDATES_MAX: Final = 20_000
# Characters looked at, per byte of the body. A sound one is read once; the rest is for what is
# looked at again behind a break: the value that has no end, its brackets, the siblings tried.
LOOKS_PER_BYTE: Final = 16
# Spaces before a candidate that are looked across for the value it must follow.
_SPACES_MAX: Final = 1_024
# Containers and members walked per item allowed: an update alone in its entry has about eleven.
_NODES_PER_ITEM: Final = 2
# What a leaf of a larger body says is not kept beside its range: values take many times the bytes.
_KEPT_BYTES_MAX: Final = 64 * 1024
# The value of a leaf that was not kept.
UNREAD: Final = object()


@dataclass(frozen=True, slots=True)
class Shape:
    """Which containers to walk into. No `members` and no `element`: a leaf, handed out whole.

    For the elements of an array: `marks` are the keys by which one is recognised after a break,
    `fences` those that never stand inside or between two of the same array. Behind a fence lies
    another container's content, another account's perhaps: nothing is taken for an element there.
    """

    members: Mapping[str, Shape] = field(default_factory=dict)
    element: Shape | None = None
    marks: tuple[str, ...] = ()
    fences: tuple[str, ...] = ()


class Node(NamedTuple):
    """One JSON value: its half-open byte range and, in a walked container, what it holds.

    `complete` is false where a container breaks off at `end`; `readable` is false for a value
    that is no JSON (its range is then among the broken ones). `value` is what a leaf says, where
    it was read on the way and its bytes are ASCII, half surrogates and all; else UNREAD.
    """

    start: int
    end: int
    kind: str                                     # object | array | leaf
    members: tuple[tuple[str, Node], ...] = ()
    elements: tuple[Node, ...] = ()
    complete: bool = True
    readable: bool = True
    value: Any = UNREAD

    def all(self, name: str) -> Iterator[Node]:
        """Every member called `name`: JSON allows a key to come twice."""
        return (node for key, node in self.members if key == name)

    def last(self, name: str) -> Node | None:
        """The member `name` that a JSON parser would keep."""
        found: Node
        for key, found in reversed(self.members):
            if key == name:
                return found
        return None


@dataclass(frozen=True, slots=True)
class Broken:
    """A range that could not be read, and why."""

    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True)
class Walk:
    """What a body holds. `root` is null when the body is no JSON object at all. `looked_at` counts
    the characters that were looked at, again and again where something was broken."""

    root: Node | None
    broken: tuple[Broken, ...]
    looked_at: int = 0


def walk(body: bytes, shape: Shape, items_max: int = DELIVERY_ITEMS_MAX) -> Walk:
    """The containers of `shape` in `body`, and every range of it that could not be read.

    Never raises. Leaves nested deeper than JSON_DEPTH_MAX are broken, and so is, as one range,
    everything after leaf element number `items_max`.
    """
    # One character per byte, so that an offset in the text is an offset in the body.
    keeps = len(body) <= _KEPT_BYTES_MAX and body.isascii()
    walker = _Walker(_Text(body.decode("latin-1")), items_max, keeps)
    root = walker.root(shape)
    # A body cut off right after a value lost nothing that it held; one without a root is said to.
    broken = (one for one in walker.broken if one.start < one.end or root is None)
    return Walk(root, tuple(sorted(broken, key=lambda one: one.start)), walker.looked_at)


def is_deeper(text: str, start: int, end: int, depth_max: int) -> bool:
    """Whether the JSON value at [start, end) of `text` nests more than `depth_max` containers."""
    if str.count(text, "{", start, end) + str.count(text, "[", start, end) <= depth_max:
        return False
    depth = 0
    for token in _TOKEN.finditer(text, start, end):
        if token[0] in _CLOSER:
            depth += 1
            if depth > depth_max:
                return True
        elif token[0] in ("}", "]"):
            depth -= 1
    return False


class _Text(str):
    """A body whose decoding errors have no line and column. `json` counts the lines before each
    error through these two methods: with an error in each item, the square of the body."""

    __slots__ = ()

    def count(self, *_arguments: object) -> int:
        """No line break, whatever is asked for."""
        return 0

    def rfind(self, *_arguments: object) -> int:
        """Nowhere."""
        return -1


class _Walker:
    def __init__(self, text: str, items_max: int, keeps: bool) -> None:
        self.text = text
        self._keeps = keeps
        self.broken: list[Broken] = []
        self._items_left = items_max
        self._nodes_left = items_max * _NODES_PER_ITEM
        self._candidates_left = _CANDIDATES_MAX
        self.looked_at = 0
        self._looks_max = LOOKS_PER_BYTE * len(text)
        self._reason = _MALFORMED                 # of the break that is being unwound
        self._fences: dict[tuple[str, ...], list[int]] = {}

    def root(self, shape: Shape) -> Node | None:
        text = self.text
        at = self._skip_space(3 if text.startswith("\xef\xbb\xbf") else 0)
        if text[at:at + 1] != "{":
            self.broken.append(Broken(0, len(text), "not a JSON object"))
            return None
        node = self._value(at, shape, 1)
        if not node.complete:
            self.broken.append(Broken(node.end, len(text), self._reason))
        elif self._skip_space(node.end) != len(text):
            self.broken.append(Broken(node.end, len(text), "bytes after the end"))
        return node

    def _value(self, at: int, shape: Shape | None, level: int) -> Node:
        opener = self.text[at:at + 1]
        if shape is not None and opener == "{" and shape.members:
            return self._object(at, shape, level)
        if shape is not None and opener == "[" and shape.element is not None:
            return self._array(at, shape.element, level)
        return self._leaf(at, level)

    def _object(self, at: int, shape: Shape, level: int) -> Node:
        text, shapes = self.text, shape.members
        members: list[tuple[str, Node]] = []
        position = at + 1
        while True:
            character = text[position:position + 1]
            if character <= " ":
                position = self._skip_space(position)
                character = text[position:position + 1]
            if character == "}":
                return Node(at, position + 1, "object", tuple(members))
            if character == ",":
                position += 1
                continue
            # No comma is asked for: an official sample lacks one, and the next key is certain.
            start = self._member_value(position) if character == '"' else None
            self._nodes_left -= 1
            if start is None or self._full():
                self._reason = self._reason if self._full() else _MALFORMED
                return Node(at, position, "object", tuple(members), complete=False)
            name, position = start
            inner = shapes.get(name)
            node = (self._leaf(position, level + 1) if inner is None
                    else self._value(position, inner, level + 1))
            if not node.complete:
                if node.kind != "leaf":
                    members.append((name, node))
                return Node(at, node.end, "object", tuple(members), complete=False)
            if not node.readable:
                self.broken.append(Broken(node.start, node.end, self._reason))
            members.append((name, node))
            position = node.end

    def _member_value(self, at: int) -> tuple[str, int] | None:
        """The key that begins at `at` and where its value begins; null where that is not so."""
        text = self.text
        try:
            name, end = scanstring(text, at + 1, False)
        except ValueError as error:
            self._charge(at, error)
            return None
        self.looked_at += end - at
        if text[end:end + 1] != ":":
            end = self._skip_space(end)
            if text[end:end + 1] != ":":
                return None
        end += 1
        return name, end if text[end:end + 1] > " " else self._skip_space(end)

    def _array(self, at: int, element: Shape, level: int) -> Node:
        elements: list[Node] = []
        position, separated = at + 1, True
        while True:
            position = self._skip_space(position)
            character = self.text[position:position + 1]
            if character == "]":
                return Node(at, position + 1, "array", elements=tuple(elements))
            if character == ",":
                position, separated = position + 1, True
                continue
            if self._full():
                return Node(at, position, "array", elements=tuple(elements), complete=False)
            # Without commas around it only an object is taken for an element: anything else is
            # debris of the one before, and its quotes would pair with the next one's.
            node = self._value(position, element, level + 1)
            if character != "{" and not (separated and self._is_closed(node.end)):
                node = self._garbage(position)
            self._count(node)
            if node.kind != "leaf" or (node.complete and node.readable):
                elements.append(node)
            position, separated = node.end, False
            if not node.complete or not node.readable:
                resume = self._after_break(node, element)
                if resume is None:
                    return Node(at, node.end, "array", elements=tuple(elements), complete=False)
                position, separated = resume, True

    def _is_closed(self, at: int) -> bool:
        at = self._skip_space(at)
        return self.text[at:at + 1] in (",", "]")

    def _garbage(self, at: int) -> Node:
        self._reason = _MALFORMED
        return Node(at, at, "leaf", complete=False, readable=False)

    def _count(self, node: Node) -> None:
        if node.kind == "leaf":
            self._items_left -= 1
        else:
            self._nodes_left -= 1

    def _after_break(self, node: Node, element: Shape) -> int | None:
        """Where the array goes on after the broken `node`; what lies between is recorded."""
        reason = self._reason
        if not node.complete:
            resume = self._sibling(node.end, element, len(self.text))
            if resume is not None:
                self.broken.append(Broken(node.end, self._trimmed(node.end, resume), reason))
            self._reason = reason
            return resume
        resume = None
        if reason == _MALFORMED:
            # Its brackets balance, but they may do so only by swallowing a sibling.
            resume = self._sibling(node.start + 1, element, node.end)
        end = node.end if resume is None else self._trimmed(node.start, resume)
        self.broken.append(Broken(node.start, end, reason))
        return node.end if resume is None else resume

    def _leaf(self, at: int, level: int) -> Node:
        """Any value, skipped. Where no end can be told it ends where it began, not complete."""
        text = self.text
        try:
            value, end = _scan(text, at)
        except (StopIteration, ValueError, RecursionError) as error:
            self._reason = _TOO_DEEP if isinstance(error, RecursionError) else _MALFORMED
            self._charge(at, error)
            balanced = self._balanced_end(at)
            if balanced is None:
                return Node(at, at, "leaf", complete=False, readable=False)
            return Node(at, balanced, "leaf", readable=False)
        self.looked_at += end - at
        if text[at] in _CLOSER and is_deeper(text, at, end, JSON_DEPTH_MAX - level + 1):
            self._reason = _TOO_DEEP
            return Node(at, end, "leaf", readable=False)
        return Node(at, end, "leaf", (), (), True, True, value if self._keeps else UNREAD)

    def _balanced_end(self, at: int) -> int | None:
        """Where brackets and strings that begin at `at` are closed again, or null."""
        word = _BARE_WORD.match(self.text, at)
        if word:
            return word.end()
        if self.text[at:at + 1] not in ("{", "[", '"') or self._is_spent():
            return None
        waiting: list[str] = []
        end = at
        for token in _TOKEN.finditer(self.text, at):
            text, end = token[0], token.end()
            if text in _CLOSER:
                waiting.append(_CLOSER[text])
            elif text == '"' or (text in ("}", "]") and (not waiting or waiting.pop() != text)):
                break
            if not waiting:
                self.looked_at += end - at
                return end
        else:
            end = len(self.text)                  # brackets are open: all the rest was looked at
        self.looked_at += end - at
        return None

    def _sibling(self, at: int, element: Shape, stop: int) -> int | None:
        """The next element of this array in [at, stop), if one is certain.

        Certain means: it follows a comma or a closed value, is strict JSON, has the shape's marks,
        and no fence stands before it. Null also when too much was tried.
        """
        if not element.marks or self._full() or self._is_spent():
            return None
        stop = min(stop, self._next_fence(at, element.fences))
        looked = at
        for candidate in _CANDIDATE.finditer(self.text, at, stop):
            self._candidates_left -= 1
            self.looked_at += candidate.end() - looked
            looked, start = candidate.end(), candidate.start()
            if self._candidates_left < 0 or self._is_spent():
                return None
            if self._follows_value(start) and self._is_marked(start, element.marks):
                return start
        self.looked_at += max(0, stop - looked)
        return None

    def _next_fence(self, at: int, names: tuple[str, ...]) -> int:
        """Where the first of `names` stands as a key at or after `at`; the text's end if nowhere.

        Found once for the whole text: looked for at each break, they would cost its square.
        """
        if not names:
            return len(self.text)
        places = self._fences.get(names)
        if places is None:
            spelled = "|".join(re.escape(name) for name in names)
            places = [one.start() for one in re.finditer(rf'"(?:{spelled})"\s*:', self.text)]
            self._fences[names] = places
            self.looked_at += len(self.text)
        index = bisect_left(places, at)
        return places[index] if index < len(places) else len(self.text)

    def _follows_value(self, at: int) -> bool:
        before = self.text[max(0, at - _SPACES_MAX):at].rstrip(" \t\n\r")
        return before[-1:] in (",", "}", "]")

    def _is_marked(self, at: int, marks: tuple[str, ...]) -> bool:
        try:
            value, end = DECODER.raw_decode(self.text, at)
        except RecursionError:
            self.looked_at += self._looks_max     # how far it came is not told
            return False
        except ValueError as error:
            self._charge(at, error)
            return False
        self.looked_at += end - at
        return isinstance(value, dict) and all(mark in value for mark in marks)

    def _charge(self, at: int, error: Exception) -> None:
        """Count what a decoding that began at `at` looked at before it failed."""
        # A string without an end is reported where it begins, a recursion nowhere: the rest then.
        end = len(self.text)
        if isinstance(error, StopIteration):
            end = error.value                     # no value begins there
        elif isinstance(error, JSONDecodeError) and not error.msg.startswith("Unterminated"):
            end = error.pos
        self.looked_at += end - at

    def _is_spent(self) -> bool:
        """Whether no more may be looked at again. What is sound is still read to the first break:
        that costs each character once."""
        return self.looked_at > self._looks_max

    def _full(self) -> bool:
        """Whether a limit is reached: then nothing more is walked into, and nothing looked for."""
        if self._items_left > 0 and self._nodes_left > 0:
            return False
        self._reason = _TOO_MANY
        return True

    def _trimmed(self, start: int, end: int) -> int:
        """`end` without the comma and spaces before it."""
        return max(start, len(self.text[start:end].rstrip(" \t\n\r,")) + start)

    def _skip_space(self, at: int) -> int:
        if self.text[at:at + 1] > " ":
            return at                             # no space: the most frequent case by far
        match = _SPACE.match(self.text, at)
        return match.end() if match else at
