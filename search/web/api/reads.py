"""Questions about messages: search, facets, explain, a message, a conversation, a file."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from starlette.responses import Response

from schemas import limits
from schemas.errors import Missing
from search import machine
from search.conversation import PAGE_DEFAULT, PAGE_MAX
from search.searcher import LIMIT_DEFAULT
from search.thread import AROUND_DEFAULT
from search.web.api import answers
from search.web.api.given import Given, id_of, is_id
from search.web.api.problems import Wrong, of_query
from search.web.ask import Ask
from search.web.pages import files

FACETS: Final = ("state", "channel", "direction", "kind", "custodian", "month", "conversation")
CURSOR_CHARS_MAX: Final = 64
AROUND_MAX: Final = 100
_FACET_VALUES: Final = 20
_TOKEN_CHARS: Final = 16


def search(ask: Ask) -> Response:
    """A page of hits, the newest first; the first one with facets, where they are asked for: one
    look, one record."""
    given = Given(ask.query)
    query = given.text("q", limits.QUERY_CHARS_MAX, required=True)
    limit = given.whole("limit", 1, limits.PAGE_HITS_MAX) or LIMIT_DEFAULT
    after = given.text("after", CURSOR_CHARS_MAX) or None
    fields = given.choices("fields", FACETS)
    top = given.whole("top", 1, limits.FACET_VALUES_MAX)
    given.done()
    if fields is None and top is not None:
        raise Wrong("top is of the facets: say which ones in fields", key="top")
    if fields is not None and after is not None:
        raise Wrong("facets are of the whole answer: ask for them with the first page",
                    key="fields")
    if fields is None:
        with of_query():
            found = ask.parts.desk.search(query, ask.who, limit, after)
        return answers.said(answers.page(found))
    with of_query():
        found, counts = ask.parts.desk.page(query, ask.who, limit, fields, top or _FACET_VALUES)
    if found.uncounted is not None:
        ask.parts.report(found.uncounted)
    return answers.said({
        **answers.page(found),
        "facets": None if found.uncounted is not None else answers.facets(counts)})


def facets(ask: Ask) -> Response:
    """How many answers hold each value of some fields."""
    given = Given(ask.query)
    query = given.text("q", limits.QUERY_CHARS_MAX, required=True)
    fields = given.choices("fields", FACETS) or FACETS
    top = given.whole("top", 1, limits.FACET_VALUES_MAX) or _FACET_VALUES
    given.done()
    with of_query():
        found = ask.parts.desk.facets(query, ask.who, fields, top)
    return answers.said({"query": query, "facets": answers.facets(found)})


def explain(ask: Ask) -> Response:
    """How a query is understood."""
    given = Given(ask.query)
    query = given.text("q", limits.QUERY_CHARS_MAX, required=True)
    given.done()
    with of_query():
        found = ask.parts.desk.explain(query, ask.who)
    return answers.said(machine.explanation(found))


def message(ask: Ask) -> Response:
    """One message with all its versions."""
    given, viewer = Given(ask.query), ask.who
    around, is_item = given.whole("around", 0, AROUND_MAX), given.flag("item")
    given.done()
    doc_id = id_of(ask.params["id"])
    if is_item and viewer.pseudonyms and ask.parts.review is not None:
        # Names are shown of what was escalated, or whose reader said why: both are on record.
        shown = ask.parts.review.open(viewer, doc_id).names_shown
        viewer = replace(viewer, pseudonyms=not shown)
    found = ask.parts.desk.view(doc_id, viewer, AROUND_DEFAULT if around is None else around)
    return answers.said(machine.message(found))


def conversation(ask: Ask) -> Response:
    """A page of a conversation: about one message, before or after a cursor, or the newest."""
    given = Given(ask.query)
    at = given.text("at", CURSOR_CHARS_MAX)
    before = given.text("before", CURSOR_CHARS_MAX) or None
    after = given.text("after", CURSOR_CHARS_MAX) or None
    limit = given.whole("limit", 1, PAGE_MAX) or PAGE_DEFAULT
    given.done()
    if sum(map(bool, (at, before, after))) > 1:
        raise Wrong("at, before and after are three different pages: send one of them")
    if at and not is_id(at):
        raise Wrong("at is the id of a message", key="at")
    token = ask.params["token"]
    if len(token) != _TOKEN_CHARS:
        raise Missing("no conversation")
    with of_query():
        found = ask.parts.desk.conversation(token, ask.who, at=at or None, before=before,
                                            after=after, limit=limit)
    return answers.said(answers.conversation(found))


def file(ask: Ask) -> Response:
    """The bytes of a file, as they were captured."""
    Given(ask.query).done()
    id_of(ask.params["id"])
    return files.download(ask)
