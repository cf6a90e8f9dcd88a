"""The form of a load file: delimiters, encoding, and what has to give way to them. Pure.

Owns one record as bytes. The format has no escape: a sign that means something to it is replaced
in what people wrote, and every replacement is counted. The text files and the native records have
the untouched text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from schemas.errors import Refused

# What is written before the first record.
_MARKS: Final = {"utf-8": b"\xef\xbb\xbf", "utf-16-le": b"\xff\xfe", "cp1252": b""}
_LINE_END: Final = re.compile("\r\n|[\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]")
_UNSHOWABLE: Final = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
# What a control character is shown with.
_NUMBERED: Final = "[U+0123456789ABCDEF]"
_RECORD_END: Final = "\r\n"


@dataclass(frozen=True, slots=True)
class Form:
    """How records are written. `separator` between values, `qualifier` around each, `newline` for
    an end of line inside one: one character each. `…_as`: what stands for that character where
    somebody wrote it. `encoding`: utf-8 | utf-16-le (both with a byte order mark) | cp1252, which
    refuses what does not fit."""

    separator: str = "\x14"
    qualifier: str = "þ"
    newline: str = "®"
    separator_as: str = ""
    qualifier_as: str = "[thorn]"
    newline_as: str = "(R)"
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        signs = (self.separator, self.qualifier, self.newline)
        if any(len(one) != 1 or one in "\r\n" for one in signs) or len(set(signs)) < len(signs):
            raise Refused("load file: separator, qualifier and newline are three different "
                          "characters, none of them the end of a line")
        if self.encoding not in _MARKS:
            raise Refused(f"load file: encoding is one of {', '.join(_MARKS)}")
        substitutes = self.separator_as + self.qualifier_as + self.newline_as + _NUMBERED
        if any(one in substitutes for one in (*signs, "\r", "\n")):
            raise Refused("load file: what stands for a delimiter must have no delimiter in it")
        try:
            (substitutes + "".join(signs)).encode(self.encoding)
        except UnicodeEncodeError as error:
            raise Refused(f"load file: {self.encoding} does not hold the delimiters") from error

    @property
    def mark(self) -> bytes:
        """The byte order mark."""
        return _MARKS[self.encoding]

    def value(self, text: str, notes: Counter[str]) -> str:
        """One value between its qualifiers; `notes`: what had to be replaced, counted."""
        if text.isascii() and text.isprintable() and not (
                self.newline in text or self.qualifier in text or self.separator in text):
            return f"{self.qualifier}{text}{self.qualifier}"
        # In this order: what stands for a sign is never replaced once more.
        text = self._replaced(text, self.newline, self.newline_as, notes)
        text = self._replaced(text, self.qualifier, self.qualifier_as, notes)
        text = self._replaced(text, self.separator, self.separator_as, notes)
        text, count = _UNSHOWABLE.subn(lambda found: f"[U+{ord(found[0]):04X}]", text)
        _count(notes, "load file: a control character is shown as [U+…]", count)
        text, count = _LINE_END.subn(self.newline, text)
        _count(notes, f"load file: an end of line is written {self.newline}", count)
        return f"{self.qualifier}{text}{self.qualifier}"

    def record(self, document_id: str, values: Iterable[tuple[str, str]],
               notes: Counter[str]) -> bytes:
        """One record from (column, value). Raises Refused naming document and column where the
        encoding does not hold a character."""
        named = [(name, self.value(text, notes)) for name, text in values]
        try:
            return (self.separator.join(text for _, text in named) + _RECORD_END).encode(
                self.encoding)
        except UnicodeEncodeError:
            raise Refused(self._does_not_fit(document_id, named)) from None

    def header(self, columns: Iterable[str]) -> bytes:
        """The first line, with the byte order mark before it."""
        notes: Counter[str] = Counter()
        line = self.record("header", ((one, one) for one in columns), notes)
        assert not notes, "a column's name has a delimiter in it"
        return self.mark + line

    def _replaced(self, text: str, sign: str, substitute: str, notes: Counter[str]) -> str:
        if sign in text:
            notes[f"load file: {_shown(sign)} is written {substitute}" if substitute else
                  f"load file: {_shown(sign)} is left out"] += text.count(sign)
        return text.replace(sign, substitute)

    def _does_not_fit(self, document_id: str, named: Iterable[tuple[str, str]]) -> str:
        for column, text in named:
            for one in text:
                try:
                    one.encode(self.encoding)
                except UnicodeEncodeError:
                    return (f"load file: {document_id}: {column} has U+{ord(one):04X}, which "
                            f"{self.encoding} does not hold: choose utf-8 or utf-16-le")
        raise AssertionError("every character fits")


def _count(notes: Counter[str], what: str, times: int) -> None:
    if times:
        notes[what] += times


def _shown(sign: str) -> str:
    return sign if sign.isprintable() and not sign.isspace() else f"U+{ord(sign):04X}"
