"""Search: the question, its answers page by page, what they are made of, and saved questions.

Owns the page's state, which is all in its address: a link to an answer asks the same question
again, of whoever opens it.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from schemas.errors import QueryError, Refused
from schemas.limits import QUERY_CHARS_MAX
from search.index import TooBroad
from search.searcher import Answer
from search.web import narrow
from search.web.ask import Ask
from search.web.ports import FacetsView

LIMIT: Final = 25
FACET_VALUES: Final = 8
FACETS: Final = ("state", "channel", "direction", "custodian", "month")
_NAME_CHARS_MAX: Final = 80
_TOKEN_CHARS_MAX: Final = 64
EXAMPLES: Final = (
    ('"new account"', "two words side by side"),
    ("state:retracted", "messages that were taken back"),
    ("transfer w/5 account", "two words near each other"),
    ("from:maria date:2026-11", "what one person wrote in a month"),
    ("attachment:yes direction:in", "files that came in"),
    ("pattern:iban", "texts that hold an account number"),
)


@dataclass(frozen=True, slots=True)
class Wrong:
    """A query that is refused: the text before, at and after the character, and why."""

    before: str
    at: str
    after: str
    why: str


def show(ask: Ask) -> Response:
    """The page: without a question what one may ask, else the answers."""
    query, after = ask.text("q", QUERY_CHARS_MAX).strip(), ask.text("after") or None
    within = ask.text("in", _TOKEN_CHARS_MAX)
    if query and within:
        return ask.go(f"/search?{_query(narrow.narrowed(query, 'conversation', within))}")
    saved = ask.parts.saved.of(ask.who.person)
    if not query:
        return ask.page("search.html", "Search", query="", answer=None, wrong=None, facets={},
                        chips=(), saved=saved, examples=EXAMPLES, after=None, names=_names(),
                        saved_name="")
    try:
        answer, facets = _answer(ask, query, after)
    except (QueryError, TooBroad) as error:
        return _wrong(ask, query, error)
    name = next((one.name for one in saved if one.query == query), "")
    return ask.page("search.html", f"Search: {query[:60]}", query=query, answer=answer, wrong=None,
                    facets=facets, chips=narrow.chips(query), saved=saved, examples=EXAMPLES,
                    after=after, names=_names(), saved_name=name)


def explain(ask: Ask) -> Response:
    """How a query is understood."""
    query = ask.text("q", QUERY_CHARS_MAX).strip()
    if not query:
        return ask.go("/search")
    try:
        found = ask.parts.desk.explain(query, ask.who)
    except (QueryError, TooBroad) as error:
        return _wrong(ask, query, error)
    return ask.page("explain.html", "How the query is understood", query=query, explained=found)


def save(ask: Ask) -> Response:
    """Keep a question under a name."""
    name, query = ask.form.get("name", "").strip(), ask.form.get("q", "").strip()
    if not name or not query or len(name) > _NAME_CHARS_MAX or not name.isprintable():
        raise Refused("a saved search needs a short name and a query")
    ask.parts.saved.put(ask.who.person, name, query)
    return ask.go(f"/search?{_query(query)}")


def forget(ask: Ask) -> Response:
    """Remove a saved question."""
    ask.parts.saved.remove(ask.who.person, ask.form.get("name", ""))
    return ask.go(ask.form.get("next", "/search"))


def _wrong(ask: Ask, query: str, error: QueryError | Refused) -> Response:
    place = error.position if isinstance(error, QueryError) else len(query)
    why = error.message if isinstance(error, QueryError) else str(error)
    wrong = Wrong(query[:place], query[place:place + 1], query[place + 1:], why)
    return ask.page("search.html", "Search: not understood", HTTPStatus.UNPROCESSABLE_ENTITY,
                    query=query, answer=None, wrong=wrong, facets={}, chips=(),
                    saved=ask.parts.saved.of(ask.who.person), examples=EXAMPLES, after=None,
                    names=_names(), saved_name="")


def _answer(ask: Ask, query: str, after: str | None) -> tuple[Answer, FacetsView]:
    if after is not None:
        # Counts are of the whole answer: the same on each page, so the first one has them.
        return ask.parts.desk.search(query, ask.who, LIMIT, after), {}
    answer, found = ask.parts.desk.page(query, ask.who, LIMIT, FACETS, FACET_VALUES)
    if answer.uncounted is not None:
        ask.parts.report(answer.uncounted)
    return answer, {name: found[name] for name in FACETS if found.get(name)}


def _names() -> dict[str, str]:
    return {name: said for name, (_, said) in narrow.FIELDS.items()}


def _query(query: str) -> str:
    return urlencode({"q": query})
