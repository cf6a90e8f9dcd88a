"""The query language: text -> tree, or an error that points at the character. Pure.

Owns the grammar, which is docs/QUERY.md in code:

    query   = or                         words side by side are AND; a NOT b is a AND NOT b
    or      = and { "OR" and }           operators are upper case; "or" in lower case is a word
    and     = unary { ["AND"] unary }
    unary   = "NOT" unary | "(" or ")" | word | phrase | field ":" value | "*" (alone: everything)
    phrase  = '"' … '"'                  curly quotes count as quotes; \\" is a quote in a phrase

What is not understood is refused, never guessed at: an answer that silently left something out
would be worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

from schemas import document, events, limits
from schemas.errors import QueryError
from search.tokens import Wanted, wanted

FIELDS: Final = ("from", "to", "with", "channel", "state", "kind", "date", "conversation")
_LATER_FIELDS: Final = ("flag", "attachment", "stem")
STATES: Final = (document.LIVE, document.EDITED, document.RETRACTED)
KINDS: Final = tuple(sorted(events.ALL_KINDS | document.STUB_KINDS))


@dataclass(frozen=True, slots=True)
class Everything:
    """All that a search may answer with."""


@dataclass(frozen=True, slots=True)
class Text:
    """A word or phrase; `wanted` is what it looks for, `start`,`end` its place in the query."""

    wanted: Wanted
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Party:
    """`side`: from | to | with."""

    side: str
    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Value:
    """`name`: channel | state | kind | conversation."""

    name: str
    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Dates:
    """A half-open range of UTC ms; null = open."""

    since: int | None
    until: int | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    children: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them."""

    children: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """What the child does not match."""

    child: Tree


Tree = Everything | Text | Party | Value | Dates | And | Or | Not


def parse(query: str, *, zone: tzinfo = UTC) -> Tree:
    """The tree of `query`; days of `date:` begin and end in `zone`.

    Raises QueryError with the position of the character that could not be read.
    """
    if len(query) > limits.QUERY_CHARS_MAX:
        raise QueryError(query, limits.QUERY_CHARS_MAX,
                         f"the query is longer than {limits.QUERY_CHARS_MAX} characters")
    return _Parser(query, zone).whole()


# --- characters -> tokens ------------------------------------------------------------------------

_OPENING: Final = '"\u201c\u201d\u201e\u201f\uff02'
_STOPS: Final = _OPENING + "()"
_FIELD: Final = re.compile(r"([A-Za-z_]+):")
_PROXIMITY: Final = re.compile(r"(w|pre)/[0-9]*", re.IGNORECASE)
_FUZZY: Final = re.compile(r"~[0-9]*$")
_HIDDEN: Final = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*")


@dataclass(frozen=True, slots=True)
class _Token:
    """`kind`: ( ) AND OR NOT word phrase field end. A field's `text` is its value."""

    kind: str
    text: str
    start: int
    end: int
    name: str = ""
    value_start: int = 0


def _tokens(query: str) -> list[_Token]:
    out: list[_Token] = []
    at = 0
    while True:
        while at < len(query) and query[at].isspace():
            at += 1
        if at == len(query):
            out.append(_Token("end", "", at, at))
            return out
        token = _token(query, at)
        out.append(token)
        at = token.end


def _token(query: str, at: int) -> _Token:
    character = query[at]
    if character in "()":
        return _Token(character, character, at, at + 1)
    if character in _OPENING:
        text, end = _quoted(query, at)
        return _Token("phrase", text, at, end)
    end = at
    while end < len(query) and not query[end].isspace() and query[end] not in _STOPS:
        end += 1
    word = query[at:end]
    field = _FIELD.match(query, at, end)
    if field is not None:
        return _field(query, at, field, end)
    if word in ("AND", "OR", "NOT"):
        return _Token(word, word, at, end)
    return _Token("word", word, at, end)


def _quoted(query: str, at: int) -> tuple[str, int]:
    out: list[str] = []
    here = at + 1
    while here < len(query):
        character = query[here]
        if character == "\\" and query[here + 1:here + 2] in ('"', "\\"):
            out.append(query[here + 1])
            here += 2
        elif character in _OPENING:
            return "".join(out), here + 1
        else:
            out.append(character)
            here += 1
    raise QueryError(query, at, 'this quote is never closed: expected another "')


def _field(query: str, at: int, match: re.Match[str], end: int) -> _Token:
    name, begins = match.group(1).lower(), match.end()
    if name in _LATER_FIELDS:
        raise QueryError(query, at, f"{name}: is not available yet; known fields: "
                                    + " ".join(f"{one}:" for one in FIELDS))
    if name not in FIELDS:
        raise QueryError(
            query, at, f"there is no field {name}: — known fields: "
            + " ".join(f"{one}:" for one in FIELDS)
            + ' (to search for the text itself, put it in quotes)')
    if begins < len(query) and begins == end and query[begins] in _OPENING:
        text, end = _quoted(query, begins)
    else:
        text = query[begins:end]
        if end < len(query) and query[end] == "(":
            raise QueryError(query, end, f'expected one value after {name}: — quote a value that '
                                         f'holds a bracket, write ({name}:a OR {name}:b) for two')
        if end < len(query) and query[end] in _OPENING:
            raise QueryError(query, end, f"expected the value of {name}: to end before a quote")
    if not text.strip():
        raise QueryError(query, begins, f"expected a value after {name}:")
    return _Token("field", text, at, end, name, begins)


# --- tokens -> tree ------------------------------------------------------------------------------


class _Parser:
    def __init__(self, query: str, zone: tzinfo) -> None:
        self._query = query
        self._zone = zone
        self._tokens = _tokens(query)
        self._at = 0
        self._terms = 0
        self._depth = 0

    def whole(self) -> Tree:
        if self._next.kind == "end":
            raise self._error(self._next, "expected something to search for: words, a \"phrase\", "
                                          "a field such as from: or date:, or * for everything")
        tree = self._or()
        token = self._next
        if token.kind == ")":
            raise self._error(token, "this bracket closes nothing: expected ( before it")
        return tree

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _error(self, token: _Token, message: str) -> QueryError:
        return QueryError(self._query, token.start, message)

    def _or(self) -> Tree:
        children = [self._and()]
        while self._next.kind == "OR":
            self._take()
            children.append(self._and())
        return children[0] if len(children) == 1 else Or(tuple(children))

    def _and(self) -> Tree:
        children = [self._unary()]
        while self._next.kind not in ("OR", ")", "end"):
            if self._next.kind == "AND":
                self._take()
            children.append(self._unary())
        return children[0] if len(children) == 1 else And(tuple(children))

    def _unary(self) -> Tree:
        token = self._take()
        if token.kind == "NOT":
            self._deeper(token)
            child = self._unary()
            self._depth -= 1
            return Not(child)
        if token.kind == "(":
            self._deeper(token)
            inside = self._or()
            if self._next.kind != ")":
                raise self._error(token, "this bracket is never closed: expected )")
            self._take()
            self._depth -= 1
            return inside
        return self._leaf(token)

    def _deeper(self, token: _Token) -> None:
        self._depth += 1
        if self._depth > limits.QUERY_DEPTH_MAX:
            raise self._error(token, f"brackets and NOT may stand {limits.QUERY_DEPTH_MAX} deep "
                                     "inside each other, not deeper")

    def _leaf(self, token: _Token) -> Tree:
        if token.kind in ("AND", "OR"):
            raise self._error(token, f"expected a word, a phrase, a field or ( before {token.kind} "
                                     f'(to search for the word itself, write '
                                     f'"{token.kind.lower()}")')
        if token.kind == "end":
            raise self._error(token, "expected a word, a phrase, a field or ( here")
        if token.kind == ")":
            raise self._error(token, "expected a word, a phrase, a field or ( before )")
        self._terms += 1
        if self._terms > limits.QUERY_TERMS_MAX:
            raise self._error(token, f"a query may have {limits.QUERY_TERMS_MAX} terms, not more")
        if token.kind == "field":
            return _FIELD_READERS[token.name](self._query, token, self._zone)
        if token.kind == "word":
            if token.text == "*":
                return Everything()
            _refuse_operators(self._query, token)
        return _text(self._query, token)


def _refuse_operators(query: str, token: _Token) -> None:
    """What looks like an operator of a later version, or of another search engine."""
    word = token.text
    if _PROXIMITY.fullmatch(word):
        raise QueryError(query, token.start, f"{word} (words near each other) is not available "
                                             'yet; a "phrase" finds words side by side')
    for character in "*?":
        if character in word:
            raise QueryError(query, token.start + word.index(character),
                             f"{character} (any letters) is not available yet; in quotes it is "
                             "punctuation")
    fuzzy = _FUZZY.search(word)
    if fuzzy is not None and fuzzy.start() > 0:
        raise QueryError(query, token.start + fuzzy.start(),
                         "~ (similar words) is not available yet")
    if word[0] in "-!" and len(word) > 1 and not word[1:2].isspace() and wanted(word) != Wanted():
        raise QueryError(query, token.start, f"write NOT before a word, not {word[0]}; in quotes "
                                             "it is punctuation")


def _text(query: str, token: _Token) -> Text:
    looked_for = wanted(token.text)
    if looked_for == Wanted():
        hint = " (write AND, OR, NOT)" if set(token.text) & set("&|!^") else ""
        raise QueryError(query, token.start,
                         f"expected a letter, a digit or an emoji to search for{hint}")
    return Text(looked_for, token.start, token.end)


def _party(query: str, token: _Token, zone: tzinfo) -> Tree:
    value = token.text.strip()
    if value.startswith("+") and sum(c.isdigit() for c in value) < 5:
        raise QueryError(query, token.value_start,
                         f'expected a whole number; quote one that has spaces: {token.name}:'
                         '"+1 650 555 1234"')
    if wanted(value) == Wanted():
        raise QueryError(query, token.value_start, "expected a name, a number or an id")
    return Party(token.name, value, token.start, token.end)


def _state(query: str, token: _Token, zone: tzinfo) -> Tree:
    return _one_of(query, token, STATES)


def _kind(query: str, token: _Token, zone: tzinfo) -> Tree:
    return _one_of(query, token, KINDS)


def _one_of(query: str, token: _Token, known: tuple[str, ...]) -> Tree:
    value = token.text.strip().lower()
    if value not in known:
        raise QueryError(query, token.value_start, f"expected one of {' '.join(known)}")
    return Value(token.name, value, token.start, token.end)


def _channel(query: str, token: _Token, zone: tzinfo) -> Tree:
    value = token.text.strip().lower()
    if not re.fullmatch(r"[a-z0-9_-]+", value):
        raise QueryError(query, token.value_start, "expected the name of a channel, such as "
                                                   "whatsapp or sms")
    return Value("channel", value, token.start, token.end)


def _conversation(query: str, token: _Token, zone: tzinfo) -> Tree:
    return Value("conversation", _HIDDEN.sub("", token.text.strip()), token.start, token.end)


# --- dates ---------------------------------------------------------------------------------------

_DATE: Final = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?", re.ASCII)
_DATE_HELP: Final = ("expected a date such as 2026-11-21, a month 2026-11, a year 2026, or a range "
                     "2026-11-01..2026-11-21 (either end may be left open)")
_YEARS: Final = range(1970, 9999)


def _dates(query: str, token: _Token, zone: tzinfo) -> Tree:
    text = token.text
    first, dots, second = text.partition("..")
    offset = token.value_start + (query[token.value_start] in _OPENING)
    if not dots:
        return Dates(*_period(query, first, offset, zone), token.start, token.end)
    if not first.strip() and not second.strip():
        raise QueryError(query, offset, _DATE_HELP)
    since = _period(query, first, offset, zone)[0] if first.strip() else None
    after = offset + len(first) + len(dots)
    until = _period(query, second, after, zone)[1] if second.strip() else None
    if since is not None and until is not None and until <= since:
        raise QueryError(query, after, "expected the end of the range not to be before its start")
    return Dates(since, until, token.start, token.end)


def _period(query: str, text: str, offset: int, zone: tzinfo) -> tuple[int, int]:
    """First instant of the day, month or year, and first instant after it. UTC ms."""
    match = _DATE.fullmatch(text.strip())
    if match is None:
        raise QueryError(query, offset, _DATE_HELP)
    year, month, day = match.groups()
    if int(year) not in _YEARS:
        raise QueryError(query, offset, f"expected a year from {_YEARS[0]} to {_YEARS[-1]}")
    try:
        first = date(int(year), int(month or 1), int(day or 1))
    except ValueError as error:
        raise QueryError(query, offset, f"there is no such day: {text.strip()}") from error
    if day:
        after = first + timedelta(days=1)
    elif month:
        after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    else:
        after = date(first.year + 1, 1, 1)
    return _instant(first, zone), _instant(after, zone)


def _instant(day: date, zone: tzinfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)


_FIELD_READERS: Final[dict[str, Callable[[str, _Token, tzinfo], Tree]]] = {
    "from": _party, "to": _party, "with": _party, "channel": _channel, "state": _state,
    "kind": _kind, "date": _dates, "conversation": _conversation,
}
