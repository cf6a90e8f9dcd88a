"""The values of a query's fields -> nodes. Pure.

Owns what may stand after each field and what it means, save for people (`search/identity.py`), and
the message of each value that cannot be read. What a message is marked with is `search/marks.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from schemas import document, events
from schemas.errors import QueryError, Refused
from search import marks, patterns, slots, tokens
from search.lexer import OPENING, Token
from search.tree import Dates, Marked, Party, Text, Tree, Value

STATES: Final = (document.LIVE, document.EDITED, document.RETRACTED)
KINDS: Final = tuple(sorted(events.ALL_KINDS | document.STUB_KINDS))
DIRECTIONS: Final = (events.IN, events.OUT)
_HIDDEN: Final = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*")
_PATTERN: Final = re.compile("[*?~]")
_FILES: Final = " ".join((*marks.FAMILIES, "pdf"))
_RULE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", re.ASCII)


def read(query: str, token: Token, zone: tzinfo) -> Tree:
    """The node of a field. `zone`: where days begin. Raises QueryError."""
    return _READERS[token.name](query, token, zone)


def _party(query: str, token: Token, zone: tzinfo) -> Tree:
    _no_pattern(query, token, f"in {token.name}: write whole words of a name, or a whole number or "
                              "id")
    value = token.text.strip()
    if value.startswith("+") and sum(c.isdigit() for c in value) < 5:
        raise QueryError(query, token.value_start,
                         f'expected a whole number; quote one that has spaces: {token.name}:'
                         '"+1 650 555 1234"')
    if tokens.wanted(value) == tokens.Wanted():
        raise QueryError(query, token.value_start, "expected a name, a number or an id")
    return Party(token.name, value, token.start, token.end)


def _no_pattern(query: str, token: Token, instead: str) -> None:
    """Otherwise `from:maria*` would drop its star, and `from:mar*` find nobody, in silence."""
    found = None if token.is_quoted else _PATTERN.search(token.text)
    if found is not None:
        raise QueryError(query, token.value_start + found.start(), (
            f"{found[0]} stands for letters of words in texts only; {instead} (in quotes, if it "
            f"holds a {found[0]})"))


def _state(query: str, token: Token, zone: tzinfo) -> Tree:
    return _one_of(query, token, STATES)


def _kind(query: str, token: Token, zone: tzinfo) -> Tree:
    return _one_of(query, token, KINDS)


def _direction(query: str, token: Token, zone: tzinfo) -> Tree:
    return _one_of(query, token, DIRECTIONS)


def _one_of(query: str, token: Token, known: tuple[str, ...]) -> Tree:
    value = token.text.strip().lower()
    if value not in known:
        raise QueryError(query, token.value_start, f"expected one of {' '.join(known)}")
    return Value(token.name, value, token.start, token.end)


def _channel(query: str, token: Token, zone: tzinfo) -> Tree:
    value = token.text.strip().lower()
    if not re.fullmatch(r"[a-z0-9_-]+", value):
        raise QueryError(query, token.value_start, "expected the name of a channel, such as "
                                                   "whatsapp or sms")
    return Value("channel", value, token.start, token.end)


def _conversation(query: str, token: Token, zone: tzinfo) -> Tree:
    _no_pattern(query, token, "after conversation: write its 16 hexadecimal digits, or its whole "
                              "id as shown")
    return Value("conversation", _HIDDEN.sub("", token.text.strip()), token.start, token.end)


def _stem(query: str, token: Token, zone: tzinfo) -> Tree:
    looked = slots.stem(query, token.value_start, token.text.strip())
    return Text(looked.slots, looked.unit, token.start, token.end)


# --- what a message is marked with ---------------------------------------------------------------


def _attachment(query: str, token: Token, zone: tzinfo) -> Tree:
    value = token.text.strip()
    if value.lower() == "no" and not token.is_quoted:
        raise QueryError(query, token.value_start, "write NOT attachment:yes")
    labels = marks.attachment_label(value)
    if not labels:
        raise QueryError(query, token.value_start, f"expected yes, one of {_FILES}, or words of a "
                                                   "file's name")
    return Marked("attachment", labels, token.start, token.end)


def _pattern(query: str, token: Token, zone: tzinfo) -> Tree:
    kind, equals, value = token.text.strip().partition("=")
    kind, at = kind.strip().lower(), token.value_start
    if kind in patterns.KINDS and equals:
        at = query.index("=", at) + 1
    try:
        label = marks.pattern_label(kind, value.strip() if equals else None)
    except Refused as error:
        raise QueryError(query, at, str(error)) from error
    return Marked("pattern", (label,), token.start, token.end)


def _flag(query: str, token: Token, zone: tzinfo) -> Tree:
    rule, equals, version = token.text.strip().partition("=")
    for part in (rule, version) if equals else (rule,):
        if not _RULE.fullmatch(part) and (part, equals) != (marks.ANY_FLAG, ""):
            raise QueryError(query, token.value_start, "expected the name of a rule, flag:RULE, "
                                                       "of one version of it, flag:RULE=3, or "
                                                       "flag:* for any")
    return Marked("flag", (marks.flag_label(rule, version or None),), token.start, token.end)


# --- dates ---------------------------------------------------------------------------------------

_DATE: Final = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?", re.ASCII)
_DATE_HELP: Final = ("expected a date such as 2026-11-21, a month 2026-11, a year 2026, or a range "
                     "2026-11-01..2026-11-21 (either end may be left open)")
_YEARS: Final = range(1970, 9999)


def _dates(query: str, token: Token, zone: tzinfo) -> Tree:
    text = token.text
    first, dots, second = text.partition("..")
    offset = token.value_start + (query[token.value_start] in OPENING)
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


_READERS: Final[dict[str, Callable[[str, Token, tzinfo], Tree]]] = {
    "from": _party, "to": _party, "with": _party, "channel": _channel, "state": _state,
    "kind": _kind, "date": _dates, "conversation": _conversation, "direction": _direction,
    "attachment": _attachment, "pattern": _pattern, "flag": _flag, "stem": _stem,
}
