"""Numbers in a text: amounts, account numbers, times, dates; each in one form, however it is
written. Pure.

Owns what counts as the same number: `1,000.00`, `1.000,00`, `1 000` and `1000` do, `1.50` and `15`
do not. Numbers in words ("two thousand") are not read.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Final

_SPACE: Final = "[ \u00a0\u202f]"
# In capitals, as accounts are written: the word behind one is no part of it.
_ACCOUNT: Final = (rf"(?-i:[A-Z]{{2}}[0-9]{{2}}(?:{_SPACE}?[A-Z0-9]{{4}}){{2,7}}"
                   rf"(?:{_SPACE}?[A-Z0-9]{{1,4}})?)")
_TIME: Final = r"[0-9]{1,2}(?::[0-9]{2}){1,2}|[0-9]{1,2}h(?:[0-9]{2})?"
_DATE: Final = r"[0-9]{1,4}([./-])[0-9]{1,2}\2[0-9]{1,4}"
_DECIMAL: Final = (rf"[0-9]{{1,3}}(?:{_SPACE}[0-9]{{3}})+(?![0-9])(?:[.,][0-9]+)?"
                   r"|[0-9]+(?:[.,'’][0-9]+)*")
_NUMBER: Final = re.compile(
    rf"(?<![A-Za-z0-9])(?:(?P<account>{_ACCOUNT})(?![A-Za-z0-9])|{_DATE}(?![0-9])"
    rf"|(?P<time>{_TIME})(?![A-Za-z0-9])|(?P<amount>{_DECIMAL})"
    r"(?P<unit>[ ]?(?:k|m|mn|mio|mrd|bn|b|tsd|%|万|萬|亿|億|千)(?![A-Za-z]))?)", re.IGNORECASE)
_GROUPED: Final = re.compile(r"[0-9]{1,3}(?:[., '’\u00a0\u202f][0-9]{3})+")


@dataclass(frozen=True, slots=True)
class Number:
    """`value`: the form that equal numbers share; `start`..`end` of the text."""

    value: str
    start: int
    end: int


def numbers(text: str) -> tuple[Number, ...]:
    """Every number of a text, in order."""
    plain = "".join(map(_digit, text))
    return tuple(Number(_value(one), *one.span()) for one in _NUMBER.finditer(plain))


def changed(before: str, after: str) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
    """(numbers of `before` that `after` lacks, numbers of `after` that `before` lacks)."""
    old, new = numbers(before), numbers(after)
    return _beyond(old, new), _beyond(new, old)


def _beyond(some: tuple[Number, ...], others: tuple[Number, ...]) -> tuple[Number, ...]:
    left = Counter(one.value for one in others)
    found: list[Number] = []
    for one in some:
        if left[one.value] > 0:
            left[one.value] -= 1
        else:
            found.append(one)
    return tuple(found)


def _digit(character: str) -> str:
    """Digits of any script as ASCII, and the Arabic signs; one character for one."""
    if character.isascii():
        return character
    if character in "٫٬":
        return "." if character == "٫" else ","
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)


def _value(match: re.Match[str]) -> str:
    if match["account"]:
        return re.sub(_SPACE, "", match["account"]).upper()
    if match["time"]:
        hour, _, rest = match["time"].lower().replace("h", ":").partition(":")
        return f"{int(hour)}:{rest or '00'}"
    if match["amount"] is None:
        return "-".join(str(int(one)) for one in re.findall("[0-9]+", match.group()))
    return _amount(match["amount"]) + (match["unit"] or "").strip().lower()


def _amount(text: str) -> str:
    """Groups of three joined; what follows the last other sign is a fraction."""
    if _GROUPED.fullmatch(text):
        return _whole(text)
    cut = max(text.rfind(sign) for sign in ".,")
    if cut < 0 or not text[cut + 1:].isdigit():
        return _whole(text)
    fraction = text[cut + 1:].rstrip("0")
    return _whole(text[:cut]) + (f".{fraction}" if fraction else "")


def _whole(text: str) -> str:
    return re.sub("[^0-9]", "", text).lstrip("0") or "0"
