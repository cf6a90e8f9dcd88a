"""The fonts of printed transcripts, and which characters they have.

Owns the choice: Noto (OFL), as wheels; Chinese, Japanese and Korean come with the extra `export`.
What no font has is shown as its number by `pdf_text.py`, never as nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from typing import Final

from fontTools.ttLib import TTFont

# Family by family, as text is set: the first that has a character is taken.
LATIN: Final = "Noto Sans"
_BASE: Final = (
    LATIN, "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Bengali",
    "Noto Sans Gujarati", "Noto Sans Gurmukhi", "Noto Sans Oriya", "Noto Sans Tamil",
    "Noto Sans Telugu", "Noto Sans Kannada", "Noto Sans Malayalam", "Noto Sans Sinhala",
    "Noto Sans Thai", "Noto Sans Lao", "Noto Sans Khmer", "Noto Sans Myanmar",
    "Noto Sans Georgian", "Noto Sans Armenian", "Noto Sans Ethiopic",
)
CHINESE, JAPANESE, KOREAN = "c", "j", "k"
_FIRST: Final = {CHINESE: "Noto Sans SC", JAPANESE: "Noto Sans JP", KOREAN: "Noto Sans KR"}
_EAST: Final = ("Noto Sans SC", "Noto Sans TC", "Noto Sans JP", "Noto Sans KR")
_SIGNS: Final = ("Noto Emoji", "Noto Sans Symbols")
_PACKAGES: Final = ("manimgx_fonts", "justmytype_intl_cjk")
# They change what stands before them or join it, and have no shape of their own.
_SHAPELESS: Final = frozenset({0x200C, 0x200D, *range(0xFE00, 0xFE10), *range(0xE0020, 0xE0080),
                               *range(0xE0100, 0xE01F0)})


def places() -> list[str]:
    """The folders that hold the fonts of this installation."""
    return [str(resources.files(name)) for name in _PACKAGES if find_spec(name)]


def order(text: str) -> str:
    """Which of `families` a text is set in. Chinese, Japanese and Korean write some characters
    differently under one number: kana and hangul tell which is meant."""
    for one in text:
        if "\u3040" <= one <= "\u30ff":
            return JAPANESE
        if "\uac00" <= one <= "\ud7af" or "\u1100" <= one <= "\u11ff":
            return KOREAN
    return CHINESE


def families() -> dict[str, list[str]]:
    """For each order: the fonts of this installation as they are asked."""
    there = {name for name, _ in _faces()}
    return {key: [one for one in dict.fromkeys((*_BASE, first, *_EAST, *_SIGNS)) if one in there]
            for key, first in _FIRST.items()}


@lru_cache(maxsize=65_536)
def missing(cluster: str) -> frozenset[int]:
    """Which characters of one cluster (a letter and its marks) cannot be shown: places in it. A
    cluster is set in one font, so that a mark needs to be in the font of its letter."""
    needed = [(place, ord(one)) for place, one in enumerate(cluster)
              if ord(one) not in _SHAPELESS]
    best = {place for place, _ in needed}
    for name, _ in _faces():
        has = _characters(name)
        absent = {place for place, code in needed
                  if code not in has or unicodedata.category(chr(code)) in ("Co", "Cn", "Cs")}
        if not absent:
            return frozenset()
        # The letter decides; a font that has only the mark is no help.
        if 0 not in absent and len(absent) < len(best):
            best = absent
    return frozenset(best)


@lru_cache(maxsize=1)
def _faces() -> tuple[tuple[str, str], ...]:
    """Family name and file, in the order of asking."""
    files = {_family(file.name): str(file) for name in _PACKAGES if find_spec(name)
             for file in _files(resources.files(name))
             if file.name.endswith(".ttf") and "Italic" not in file.name}
    return tuple((name, files[name]) for name in (*_BASE, *_EAST, *_SIGNS) if name in files)


def _files(folder: Traversable) -> Iterator[Traversable]:
    for one in folder.iterdir():
        if one.is_dir():
            yield from _files(one)
        else:
            yield one


def _family(file: str) -> str:
    """ "NotoSansArabic[wght].ttf" -> "Noto Sans Arabic": files of these packages are named so."""
    name = file.partition("[")[0].removesuffix(".ttf")
    for start, head in (("NotoSans", LATIN), ("NotoEmoji", "Noto Emoji")):
        if name.startswith(start):
            return f"{head} {name[len(start):]}".rstrip()
    return name


@lru_cache(maxsize=64)
def _characters(name: str) -> frozenset[int]:
    with TTFont(dict(_faces())[name], lazy=True) as font:
        return frozenset(font.getBestCmap())
