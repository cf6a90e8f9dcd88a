"""Text that people wrote, as the typesetter takes it: lines of runs, nothing in them obeyed. Pure.

Owns the direction of each line, the boxes around what is shown by name or number, and the places
where a word that is longer than a line may be broken.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from search.export import pdf_fonts
from search.web import diff, texts

# Kinds of runs, as the templates know them.
PLAIN: Final = "t"
CONTROL: Final = "c"     # a control character, by name
ABSENT: Final = "m"      # no font has it, by number
BREAK: Final = "b"       # a line may end here; a copy of the text has nothing here
_MARKS: Final = {diff.SAME: "", diff.GONE: "-", diff.NEW: "+"}
# A letter with what belongs to it: marks, joined emoji, skin tones, tags of flags.
_JOINER: Final = "\u200d"
_TONES: Final = range(0x1F3FB, 0x1F400)
_REGIONS: Final = range(0x1F1E6, 0x1F200)
# A line of more is set as several: what sets the page takes the square of a paragraph's length.
_LINE_MAX: Final = 4_000
# A word of more than this may be broken, and then after every few letters.
_WORD_MAX: Final = 24
_PIECE: Final = 6
_WORDS: Final = re.compile(r"(\s+)")
_TAB: Final = "\u00a0\u00a0\u00a0 "
_SIGNS_MAX: Final = 200

Run = tuple[str, str, str]      # kind, text, mark ("" | "-" | "+")


@dataclass(slots=True)
class Setter:
    """Turns the texts of one document; remembers what it met. `is_careful`: whatever belongs to
    another character is shown by number; `absent`: characters shown by number -> times; `signs`:
    emoji, each once, in the order in which they came."""

    is_careful: bool = False
    absent: Counter[str] = field(default_factory=Counter)
    signs: dict[str, None] = field(default_factory=dict)

    def inline(self, text: str | None) -> str | dict[str, Any]:
        """A name, a value: one line, kept apart from the direction of what surrounds it; a string
        where there is nothing to look after."""
        flat = " ".join((text or "").split("\n"))
        if flat.isascii() and flat.isprintable() and all(
                len(word) <= _WORD_MAX for word in flat.split(" ")):
            return flat
        return {"f": pdf_fonts.order(flat), "r": list(self._runs(flat, ""))}

    def lines(self, text: str) -> list[dict[str, Any]]:
        """A whole text, line by line."""
        return self.changed((diff.Change(diff.SAME, text),))

    def changed(self, changes: Iterable[diff.Change]) -> list[dict[str, Any]]:
        """A text with what went and what came."""
        changes = tuple(changes)
        whole = "".join(one.text for one in changes)
        order = pdf_fonts.order(whole)
        lines: list[list[Run]] = [[]]
        raw = [""]
        for one in changes:
            for place, part in enumerate(one.text.split("\n")):
                if place:
                    lines.append([])
                    raw.append("")
                for piece in _pieces(part, _LINE_MAX - len(raw[-1])):
                    if len(raw[-1]) >= _LINE_MAX:
                        lines.append([])
                        raw.append("")
                    lines[-1] += self._runs(piece, _MARKS[one.kind])
                    raw[-1] += piece
        return [{"d": _is_right_to_left(line), "f": order, "r": runs}
                for line, runs in zip(raw, lines, strict=True)]

    def named_signs(self) -> list[tuple[dict[str, Any], str]]:
        """The emoji of the document, each with its name: print has no colours."""
        met = tuple(self.signs)
        return [({"f": pdf_fonts.order(one), "r": [(PLAIN, one, "")]}, _name(one))
                for one in met[:_SIGNS_MAX]]

    def _runs(self, text: str, mark: str) -> Iterator[Run]:
        for piece in texts.pieces(text):
            if piece.control:
                yield CONTROL, piece.control[0], mark
                continue
            yield from self._shown(piece.text, mark)

    def _shown(self, text: str, mark: str) -> Iterator[Run]:
        said: list[str] = []

        def so_far() -> Iterator[Run]:
            if said:
                yield PLAIN, "".join(said), mark
                said.clear()

        for word in _WORDS.split(text):
            clusters = list(_clusters(word))
            for place, cluster in enumerate(clusters):
                if len(clusters) > _WORD_MAX and place and place % _PIECE == 0:
                    yield from so_far()
                    yield BREAK, "", mark
                absent = self._absent(cluster)
                if not absent:
                    said.append(cluster.replace("\t", _TAB))
                    self._sign(cluster)
                    continue
                for at, one in enumerate(cluster):
                    if at not in absent:
                        said.append(one)
                        continue
                    yield from so_far()
                    self.absent[one] += 1
                    yield ABSENT, f"U+{ord(one):04X}", mark
        yield from so_far()

    def _absent(self, cluster: str) -> frozenset[int]:
        if cluster.isascii():
            return frozenset()
        if self.is_careful:
            return pdf_fonts.missing(cluster[0]) | frozenset(range(1, len(cluster)))
        return pdf_fonts.missing(cluster)

    def _sign(self, cluster: str) -> None:
        if ord(cluster[0]) >= 0x1F000 or "\ufe0f" in cluster:
            self.signs.setdefault(cluster)


def _clusters(word: str) -> Iterator[str]:
    start = 0
    for place in range(1, len(word) + 1):
        if place == len(word) or not _belongs(word, start, place):
            if start < place:
                yield word[start:place]
            start = place


def _belongs(word: str, start: int, place: int) -> bool:
    """Whether the character at `place` goes with what began at `start`."""
    one, before = ord(word[place]), word[place - 1]
    if before == _JOINER or word[place] in (_JOINER, "\u200c"):
        return True
    if one in _REGIONS:
        return ord(word[start]) in _REGIONS and place - start == 1
    return (one in _TONES or 0xE0020 <= one <= 0xE007F
            or unicodedata.category(word[place]).startswith("M"))


def _pieces(text: str, first: int) -> Iterator[str]:
    """`text` in pieces of at most `_LINE_MAX` characters, the first of at most `first`; at a space
    where there is one near the end."""
    at, room = 0, first if first > 0 else _LINE_MAX
    while at < len(text):
        end = at + room
        if end < len(text):
            space = text.rfind(" ", at + room // 2, end)
            end = space + 1 if space >= 0 else _between(text, end)
        yield text[at:end]
        at, room = end, _LINE_MAX


def _between(text: str, at: int) -> int:
    """The next place from `at` on, not far away, that parts no letter from what belongs to it."""
    for place in range(at, min(at + _WORD_MAX, len(text))):
        held = text[place]
        if text[place - 1] != _JOINER and held != _JOINER and not unicodedata.combining(held) \
                and not "\ufe00" <= held <= "\ufe0f" and ord(held) not in _TONES \
                and ord(held) not in _REGIONS:
            return place
    return at


def _is_right_to_left(line: str) -> bool:
    """By the first letter that has a direction, as a browser finds it."""
    for one in line:
        way = unicodedata.bidirectional(one)
        if way in ("R", "AL"):
            return True
        if way == "L":
            return False
    return False


def _name(cluster: str) -> str:
    """Unicode's names; of a flag its letters."""
    letters = "".join(_letter(one) for one in cluster)
    if letters:
        return f"flag {letters}"
    return ", ".join(unicodedata.name(one, f"U+{ord(one):04X}").lower() for one in cluster
                     if one not in (_JOINER, "\ufe0f", "\ufe0e"))


def _letter(one: str) -> str:
    """Of what a flag is spelled with; "" = no letter of a flag."""
    if ord(one) in _REGIONS:
        return chr(ord("A") + ord(one) - _REGIONS.start)
    return chr(ord(one) - 0xE0000) if 0xE0061 <= ord(one) <= 0xE007A else ""
