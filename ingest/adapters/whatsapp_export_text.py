"""The characters of a chat export: direction marks, digits, names.

Owns the forms that are compared: a name that is the same person's however an export wrote it, and a
text that is the same whatever marks and spaces a locale put into it. What is shown stays as it was.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from schemas import identity
from schemas.events import Identity

LRM: Final = "\u200e"
# Marks that say how to lay text out, and nothing else.
MARKS: Final = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
_NO_MARKS: Final = dict.fromkeys(map(ord, MARKS))
_HAS_MARK: Final = re.compile(f"[{MARKS}]")
_PHONE: Final = re.compile(r"\+[0-9 ()./\-\u2010\u2011\u2012\u2013\u00a0\u202f]{7,30}")
_NOT_DIGITS: Final = re.compile(r"[^0-9]+")


def unmarked(text: str) -> str:
    """`text` without direction marks."""
    return text.translate(_NO_MARKS) if _HAS_MARK.search(text) else text


def compared(text: str) -> str:
    """The form in which two exports of one text are equal: NFC, no marks, spaces as one."""
    plain = text if text.isascii() else unicodedata.normalize("NFC", unmarked(text))
    return " ".join(plain.split())


def folded(text: str) -> str:
    """The form in which an app's own words are looked up: as `compared`, lower case, and without
    the full stop that one version ends with and another does not."""
    plain = compared(text).casefold()
    return plain if plain.endswith(">") else plain.rstrip(" .。।").strip()


@lru_cache(maxsize=4096)
def name_of(shown: str) -> str:
    """Who it is, from a sender as an export shows it: no marks, no `~` of an unsaved contact; a
    number in one spelling."""
    plain = compared(shown)
    if plain.startswith("~"):
        plain = plain[1:].strip()
    number = _number_of(plain)
    return number or plain


@lru_cache(maxsize=4096)
def identity_of(shown: str) -> Identity:
    """The identity behind a sender: a phone number where one is shown, else the name alone."""
    name = name_of(shown)
    if _number_of(name):
        return Identity(name, "e164", shown)
    return Identity(name, "name", shown)


def _number_of(plain: str) -> str | None:
    if not plain.startswith("+") or not _PHONE.fullmatch(plain):
        return None
    found = identity.phone("+" + _NOT_DIGITS.sub("", plain))
    return found.native_id if found else None


def ascii_digits(text: str) -> str:
    """`text` with the decimal digits of every script as 0-9."""
    if text.isascii():
        return text
    out = []
    for char in text:
        digit = unicodedata.decimal(char, None)
        out.append(char if digit is None else str(int(digit)))
    return "".join(out)
