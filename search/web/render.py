"""Templates to markup: one environment, everything escaped, an unknown name is an error.

Owns the filters that templates may use.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from search.web import chat, diff, narrow, texts, times

_TEMPLATES: Final = "templates"


def render(template: str, **given: Any) -> str:
    """The whole page."""
    return _environment().get_template(template).render(**given)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("search.web", _TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, auto_reload=False)
    made.filters.update(
        shown=texts.shown, plain=texts.plain, channel=chat.channel, counted=counted,
        stamp=times.stamp, person=chat.person, path=_path)
    made.globals.update(
        link=link, HIT=texts.HIT, FLAG=texts.FLAG, SAME=diff.SAME, GONE=diff.GONE, NEW=diff.NEW,
        marks=texts.marks, narrowed=narrow.narrowed, dated=times.of, lasted=times.lasted,
        is_day=_is(chat.Day), is_hole=_is(chat.Hole))
    return made


def link(path: str, **query: object) -> str:
    """An address of this console; a value "" or null is left out."""
    said = urlencode([(name, str(value)) for name, value in query.items()
                      if value not in ("", None)])
    return f"{path}?{said}" if said else path


def counted(count: int, noun: str) -> str:
    """A number and its noun: "1 message", "2,014 messages"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _path(value: str) -> str:
    return quote(value, safe="")


def _is(kind: type) -> Any:
    return lambda row: isinstance(row, kind)
