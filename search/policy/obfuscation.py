"""Disguised words in plain letters: `g u a r a n t e e`, `gu4r4ntee`, `guaraaantee`, `guаrаntее` in
letters of two scripts, invisible characters in between. Pure.

Owns which other readings a text has. They are looked at beside the text as it is, so that a reading
too many costs a look and never hides a word. Ordinary numbers, initials, times, units and account
numbers are left as they are. Linear in the text.

Not read: masked letters (`g*arantee`), letters left out, words spelled backwards, words written
without the space between them, letters drawn with other characters (`|<`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final

from search.policy.reading import Edit, Mapped

# Characters that are read in one piece; a longer text is read in several that lie over each other.
PIECE_CHARS: Final = 20_000
_OVERLAP_CHARS: Final = 200
# Of one piece.
READINGS_MAX: Final = 4

# A text in which none of these is found has no other reading. Most texts are told by this, at a
# tenth of what reading them takes.
_SIGNS: Final = (
    re.compile("[0-9$](?:(?<=[A-Za-z\u00c0-\u024f].)|(?=[A-Za-z\u00c0-\u024f]))|[@!|€](?=[^\\W_])"),
    re.compile(r"([^\W\d_])\1\1", re.IGNORECASE),
    re.compile(r"[ \t\n\u00a0.\-_*·•/,~+][^\W_][ \t\n\u00a0.\-_*·•/,~+][^\W_](?![^\W_])"
               r"|[\u3040-\u9fff\uac00-\ud7a3][ \t\u3000\u00a0.*_\-·•/|~+]"),
    re.compile("[\u0131\u0251\u0261\u0300-\u058f\xad\u180e\u200b-\u200f\u202a-\u202e"
               "\u2060-\u206f\ufeff\U0001f150-\U0001f1a9\U000e0000-\U000e007f]"),
)
_WORD: Final = re.compile(r"[^\W_]+")
_CYRILLIC: Final = re.compile("[\u0400-\u052f]")
_GREEK: Final = re.compile("[\u0370-\u03ff]")
_LATIN: Final = re.compile("[A-Za-z\u00c0-\u024f]")
# Letters that are drawn alike, or nearly so, within a word of the other script.
_TO_LATIN: Final[Mapping[str, str]] = {
    **dict(zip("аеорсухіјѕԁһӏԛԝкмтвнг", "aeopcyxijsdhlqwkmtbhr", strict=True)),
    **dict(zip("АВЕКМНОРСТУХІЈЅԌԚԜ", "ABEKMHOPCTYXIJSGQW", strict=True)),
    **dict(zip("αειικνοορτυχηωβγ", "aeiikvooptuxnwby", strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),
    **dict(zip("ıɑɡօոսհ", "iagonuh", strict=True)),
}
_TO_CYRILLIC: Final = dict(zip("aeopcyxkmtbhACEKMHOPTXYB", "аеорсухкмтвнАСЕКМНОРТХУВ", strict=True))
_TO_GREEK: Final = dict(zip("aeikvoptuxABEZHIKMNOPTYX", "αεικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", strict=True))
# Letters in filled circles and squares: compatibility forms do not name them.
_BADGES: Final = {
    chr(first + at): chr(ord("a") + at) for first in (0x1F150, 0x1F170) for at in range(26)}

_LEET: Final = {"0": "o", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g", "@": "a",
                "$": "s", "!": "i", "€": "e"}
# Drawn like two letters: one reading with each.
_LEET_EITHER: Final = ("i", "l")
_LEET_TWO: Final = "1|"
_LEET_CHARS: Final = frozenset({*_LEET, *_LEET_TWO})
# Of Latin letters: beside others a digit is a number.
_CHUNK: Final = re.compile("[A-Za-z\u00c0-\u024f0-9_@$!|€]+")
_CHUNK_CHARS_MAX: Final = 40
_LEET_LEADS: Final = re.compile(r"[0-9]+[a-z]{1,2}|[0-9]{2,}[a-z]{1,4}", re.IGNORECASE)
_MONEY: Final = re.compile(r"[A-Z]{1,3}\$[0-9]*")
# What a word may end with that is no count: one such digit, or one twice.
_LEET_LAST: Final = re.compile(r"([0134])\1?")

_SINGLE: Final = r"(?:[^\W_]|[@$!|€])"
_SPACED: Final = re.compile(
    rf"(?<![^\W_]){_SINGLE}(?:([ \t\n\u00a0.\-_*·•/,~+])(?:{_SINGLE}\1){{2,}}{_SINGLE})(?![^\W_])")
_HAN: Final = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
_SPACED_HAN: Final = re.compile(
    f"(?<![{_HAN}])[{_HAN}](?:([ \\t\\u3000\\u00a0.*_\\-·•/|~+])[{_HAN}])"
    f"(?:\\1[{_HAN}])*(?![{_HAN}])")
_REPEATED: Final = re.compile(r"([^\W\d_])\1{2,}", re.IGNORECASE)
# Marks struck through a letter, and marks heaped on one.
_HEAPED: Final = re.compile("[\u0300-\u036f]{2,}|[\u0334-\u0338\u0489]")


def readings(text: str) -> tuple[Mapped, ...]:
    """Other ways to read `text`, at most READINGS_MAX of each piece, none of them the text itself.
    """
    if not any(sign.search(text) for sign in _SIGNS):
        return ()
    found: list[Mapped] = []
    for start in range(0, len(text), PIECE_CHARS - _OVERLAP_CHARS):
        found += _readings(text[start:start + PIECE_CHARS], start)
        if start + PIECE_CHARS >= len(text):
            break
    return tuple(found)


def _readings(piece: str, start: int) -> Iterator[Mapped]:
    end = start + len(piece)
    base = Mapped(piece, range(start, end), range(start + 1, end + 1))
    base = base.edited(_hidden(base.text))
    base = base.edited(_folded(base.text))
    base = base.edited(_unspaced(base.text))
    seen = {piece}
    for letter in _LEET_EITHER:
        read = base.edited(_unleeted(base.text, letter))
        for times in (2, 1):
            once = read.edited(_unrepeated(read.text, times))
            if once.text not in seen:
                seen.add(once.text)
                yield once


def _hidden(text: str) -> Iterator[Edit]:
    """What cannot be seen, or is drawn over a letter, goes; letters in badges become letters."""
    if text.isascii():
        return
    edits: list[Edit] = [(*one.span(), "") for one in _HEAPED.finditer(text)]
    for at, character in enumerate(text):
        if character in _BADGES:
            edits.append((at, at + 1, _BADGES[character]))
        elif unicodedata.category(character) == "Cf":
            edits.append((at, at + 1, ""))
    yield from sorted(edits)


def _folded(text: str) -> Iterator[Edit]:
    """Words in letters of two scripts -> in those of one."""
    if text.isascii():
        return
    is_latin = _is_latin(text)
    for word in _WORD.finditer(text):
        body = word.group()
        if not body.isascii():
            plain_word = _one_script(body, is_latin=is_latin)
            if plain_word != body:
                yield word.start(), word.end(), plain_word


def _is_latin(text: str) -> bool:
    """Whether all letters of a text are Latin ones, or drawn like them."""
    return _LATIN.search(text) is not None and all(
        one in _TO_LATIN for pattern in (_CYRILLIC, _GREEK) for one in pattern.findall(text))


def _one_script(word: str, *, is_latin: bool) -> str:
    has_latin = _LATIN.search(word) is not None
    if not has_latin and not (is_latin and len(word) > 2):
        return word
    as_latin = "".join(_TO_LATIN.get(one, one) for one in word)
    if not (_CYRILLIC.search(as_latin) or _GREEK.search(as_latin)):
        return as_latin
    table = _TO_CYRILLIC if _CYRILLIC.search(word) else _TO_GREEK
    other = "".join(table.get(one, one) for one in word)
    return word if _LATIN.search(other) else other


def _unspaced(text: str) -> Iterator[Edit]:
    """Single letters with the same character between each two -> a word."""
    edits: list[Edit] = []
    for run in _SPACED.finditer(text):
        letters = run.group()[::2]
        known = sum(one.isalpha() for one in letters)
        if known >= 3 and known * 2 >= len(letters):
            edits += [(at, at + 1, "") for at in range(run.start() + 1, run.end(), 2)]
    for run in _SPACED_HAN.finditer(text):
        edits += [(at, at + 1, "") for at in range(run.start() + 1, run.end(), 2)]
    yield from sorted(set(edits))


def _unleeted(text: str, either: str) -> Iterator[Edit]:
    """Digits and signs that stand for letters -> letters; `either`: what 1 stands for."""
    for chunk in _CHUNK.finditer(text):
        body = chunk.group()
        if len(body) > _CHUNK_CHARS_MAX or body.isalpha():
            continue
        start, end = _leet_part(body)
        changed = "".join(_LEET.get(one, either if one in _LEET_TWO else one)
                          for one in body[start:end])
        if changed != body[start:end]:
            yield chunk.start() + start, chunk.start() + end, changed


def _leet_part(body: str) -> tuple[int, int]:
    """The part of a chunk in which digits and signs may stand for letters; empty where they are a
    number, a unit, an id."""
    end = len(body)
    if _MONEY.fullmatch(body) or sum(map(str.isdigit, body)) > sum(map(str.isalpha, body)):
        return 0, 0
    while end and body[end - 1] in "!|@€":  # at an end these are punctuation
        end -= 1
    start = 0
    while start < end and body[start] in "!|@€$":
        start += 1
    last = end
    while last > start and body[last - 1].isdigit():
        last -= 1
    letters = sum(one.isalpha() for one in body[start:end])
    if not _LEET_LAST.fullmatch(body, last, end) or letters < 4 - (end - last):
        end = last
    if _LEET_LEADS.fullmatch(body, start, end):
        return 0, 0
    first = start
    while first < end and body[first].isdigit():
        first += 1
    if first - start > 1:
        start = first
    stand_ins = sum(one in _LEET_CHARS for one in body[start:end])
    return (start, end) if stand_ins and letters >= max(2, stand_ins) else (0, 0)


def _unrepeated(text: str, times: int) -> Iterator[Edit]:
    """Three and more of one letter -> `times` of it."""
    for run in _REPEATED.finditer(text):
        yield run.start(), run.end(), run.group(1) * times
