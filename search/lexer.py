"""The characters of a query -> its tokens. Pure.

Owns where a word, a phrase, a field and an operator begin and end, and nothing of what they mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from schemas import limits
from schemas.errors import QueryError

FIELDS: Final = (
    "from", "to", "with", "direction", "channel", "state", "kind", "date", "conversation",
    "attachment", "pattern", "flag", "stem",
)
OPENING: Final = '"\u201c\u201d\u201e\u201f\uff02'
# After these a value may go on with one of its own: pattern:iban="DE89 3704 0044"
_WITH_VALUE: Final = ("pattern", "flag")
_STOPS: Final = OPENING + "()"
_FIELD: Final = re.compile(r"([A-Za-z_]+):")
_NEAR: Final = re.compile(r"(w|pre)/([0-9]*)", re.IGNORECASE | re.ASCII)
_FOREIGN_NEAR: Final = re.compile(r"(near|onear|within|adj)/([0-9]+)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: ( ) AND OR NOT near word phrase field list end.

    `text`: of a word as typed, of a phrase and a field's value without the quotes, of a list its
    name. `name`: of a field, or w | pre. `value_start`: where a field's value begins; `is_quoted`:
    whether it is in quotes; `distance`: of a near.
    """

    kind: str
    text: str
    start: int
    end: int
    name: str = ""
    value_start: int = 0
    is_quoted: bool = False
    distance: int = 0


def tokens(query: str) -> list[Token]:
    """Every token, an "end" the last. Raises QueryError."""
    out: list[Token] = []
    at = 0
    while True:
        while at < len(query) and query[at].isspace():
            at += 1
        if at == len(query):
            out.append(Token("end", "", at, at))
            return out
        token = _token(query, at)
        out.append(token)
        at = token.end


def _token(query: str, at: int) -> Token:
    character = query[at]
    if character in "()":
        return Token(character, character, at, at + 1)
    if character in OPENING:
        text, end = _quoted(query, at)
        if query[end:end + 1] in ("~", "*", "?"):
            raise QueryError(query, end, f"{query[end]} goes with a word outside quotes; for words "
                                         "near each other write one w/5 other")
        return Token("phrase", text, at, end)
    end = at
    while end < len(query) and not query[end].isspace() and query[end] not in _STOPS:
        end += 1
    word = query[at:end]
    field = _FIELD.match(query, at, end)
    if field is not None:
        return _field(query, at, field, end)
    if word in ("AND", "OR", "NOT"):
        return Token(word, word, at, end)
    if word[0] == "@" and len(word) > 1:
        return Token("list", word[1:], at, end)
    if word == "*" and query[end:end + 1] not in ("", ")") and query[end] in _STOPS:
        raise QueryError(query, at, "* goes with a word outside quotes, or stands alone for "
                                    "everything")
    return _near(query, word, at, end) or Token("word", word, at, end)


def _near(query: str, word: str, at: int, end: int) -> Token | None:
    foreign = _FOREIGN_NEAR.fullmatch(word)
    if foreign is not None:
        raise QueryError(query, at, f"write w/{foreign.group(2)} (in any order) or "
                                    f"pre/{foreign.group(2)} (in this order); in quotes it is text")
    match = _NEAR.fullmatch(word)
    if match is None:
        return None
    name, digits = match.group(1).lower(), match.group(2)
    # Not every number of digits is one that Python would read.
    distance = int(digits) if digits and len(digits) < 10 else 0
    if not 1 <= distance <= limits.QUERY_DISTANCE_MAX:
        raise QueryError(query, at + len(name) + 1, f"expected how many words apart, 1 to "
                                                    f"{limits.QUERY_DISTANCE_MAX}: {name}/5")
    return Token("near", word, at, end, name, distance=distance)


def _quoted(query: str, at: int) -> tuple[str, int]:
    out: list[str] = []
    here = at + 1
    while here < len(query):
        character = query[here]
        if character == "\\" and query[here + 1:here + 2] in ('"', "\\"):
            out.append(query[here + 1])
            here += 2
        elif character in OPENING:
            return "".join(out), here + 1
        else:
            out.append(character)
            here += 1
    raise QueryError(query, at, 'this quote is never closed: expected another "')


def _field(query: str, at: int, match: re.Match[str], end: int) -> Token:
    name, begins = match.group(1).lower(), match.end()
    if name not in FIELDS:
        raise QueryError(
            query, at, f"there is no field {name}: — known fields: "
            + " ".join(f"{one}:" for one in FIELDS)
            + ' (to search for the text itself, put it in quotes)')
    text = query[begins:end]
    is_quoted = False
    if end < len(query) and query[end] in OPENING:
        if text and not (name in _WITH_VALUE and text.endswith("=")):
            raise QueryError(query, end, f"expected the value of {name}: to end before a quote")
        value, end = _quoted(query, end)
        is_quoted, text = not text, text + value
    elif end < len(query) and query[end] == "(":
        raise QueryError(query, end, f'expected one value after {name}: — quote a value that '
                                     f'holds a bracket, write ({name}:a OR {name}:b) for two')
    if not text.strip():
        raise QueryError(query, begins, f"expected a value after {name}:")
    return Token("field", text, at, end, name, begins, is_quoted)
