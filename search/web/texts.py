"""Text that people wrote, as a page may show it. Pure.

Owns what becomes visible that would otherwise be obeyed or unseen: marks that turn the reading
direction, control characters, letters without a shape. Everything else is shown as it was written,
escaped, with the places that a query or a rule points at marked.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from markupsafe import Markup, escape

HIT: Final = "hit"
FLAG: Final = "flag"
# Shown of one text; the whole of it is an export's.
CHARS_MAX: Final = 200_000

_NAMES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType({
    "\u202a": ("LRE", "left-to-right embedding"), "\u202b": ("RLE", "right-to-left embedding"),
    "\u202c": ("PDF", "end of a direction"), "\u202d": ("LRO", "left-to-right override"),
    "\u202e": ("RLO", "right-to-left override"), "\u2066": ("LRI", "left-to-right isolate"),
    "\u2067": ("RLI", "right-to-left isolate"), "\u2068": ("FSI", "first strong isolate"),
    "\u2069": ("PDI", "end of an isolate"), "\u200e": ("LRM", "left-to-right mark"),
    "\u200f": ("RLM", "right-to-left mark"), "\u061c": ("ALM", "Arabic letter mark"),
    "\u200b": ("ZWSP", "space without width"), "\u2060": ("WJ", "word joiner"),
    "\ufeff": ("BOM", "space without width that joins"), "\u00ad": ("SHY", "hyphen that is unseen"),
    "\u2028": ("LS", "line separator"), "\u2029": ("PS", "paragraph separator"),
})
_BLACK_FLAG: Final = "\U0001f3f4"


@dataclass(frozen=True, slots=True)
class Mark:
    """A half-open range of a text and why it is marked (HIT, FLAG)."""

    start: int
    end: int
    why: str = HIT


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of one text: `marks`: why it is marked; `control`: (short name, name) of the one
    character that it is, where that is to be seen and not obeyed."""

    text: str
    marks: frozenset[str] = frozenset()
    control: tuple[str, str] | None = None


def marks(ranges: Iterable[tuple[int, int]], why: str = HIT) -> tuple[Mark, ...]:
    """Ranges as marks."""
    return tuple(Mark(start, end, why) for start, end in ranges)


def pieces(text: str, marked: Sequence[Mark] = ()) -> Iterator[Piece]:
    """`text` cut where a mark begins or ends and around what is to be seen."""
    # At each edge: what begins there (+1) and what ends (-1). Once from left to right: a common
    # word has as many marks as it stands in the text.
    edges: dict[int, list[tuple[str, int]]] = {0: [], len(text): []}
    for one in marked:
        since, until = (max(0, min(edge, len(text))) for edge in (one.start, one.end))
        if since < until:
            edges.setdefault(since, []).append((one.why, 1))
            edges.setdefault(until, []).append((one.why, -1))
    going_on: Counter[str] = Counter()
    for start, end in pairwise(sorted(edges)):
        for reason, step in edges[start]:
            going_on[reason] += step
        why = frozenset(reason for reason, count in going_on.items() if count)
        before = text[start - 1:start]
        yield from _seen(text[start:end], why, in_flag=before == _BLACK_FLAG)


def shown(text: str | None, marked: Sequence[Mark] = ()) -> Markup:
    """`text` as markup: escaped, marked, nothing in it obeyed."""
    if text is None:
        return Markup("")
    out = [_markup(piece) for piece in pieces(text[:CHARS_MAX], marked)]
    if len(text) > CHARS_MAX:
        out.append(Markup('<em class="note">the text goes on; {} of its {} characters are shown'
                          "</em>").format(f"{CHARS_MAX:,}", f"{len(text):,}"))
    return Markup("").join(out)


def plain(text: str | None) -> str:
    """The same for a place that takes no markup: a title, a label."""
    return "".join(f"[{one.control[0]}]" if one.control else one.text
                   for one in pieces(text or ""))


def _markup(piece: Piece) -> Markup:
    if piece.control:
        short, name = piece.control
        inner = Markup('<bdi class="control" title="{}: shown, not obeyed">{}</bdi>').format(
            name, short)
    else:
        inner = escape(piece.text)
    if not piece.marks:
        return inner
    return Markup('<mark class="{}">{}</mark>').format(" ".join(sorted(piece.marks)), inner)


def _seen(text: str, why: frozenset[str], *, in_flag: bool) -> Iterator[Piece]:
    start = 0
    for place, char in enumerate(text):
        is_tag = "\U000e0000" <= char <= "\U000e007f"
        # Tags behind a black flag are the flags of England, Scotland, Wales.
        if is_tag and in_flag:
            continue
        in_flag = char == _BLACK_FLAG
        name = _NAMES.get(char) or _other(char, is_tag=is_tag)
        if name is None:
            continue
        if start < place:
            yield Piece(text[start:place], why)
        yield Piece(char, why, name)
        start = place + 1
    if start < len(text):
        yield Piece(text[start:], why)


def _other(char: str, *, is_tag: bool) -> tuple[str, str] | None:
    if char in "\n\t" or (char.isprintable() and not is_tag):
        return None
    if is_tag:
        return "TAG", f"hidden tag U+{ord(char):04X}"
    category = unicodedata.category(char)
    if category in ("Cc", "Cs"):
        return f"U+{ord(char):04X}", f"control character U+{ord(char):04X}"
    return None
