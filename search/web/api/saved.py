"""Saved searches of whoever calls: what they keep under a name, and nobody else's."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from schemas import limits
from search import machine
from search.web.api import answers
from search.web.api.given import Given
from search.web.api.problems import Wrong, of_review
from search.web.ask import Ask

NAME_CHARS_MAX: Final = 80


def listed(ask: Ask) -> Response:
    """By name."""
    Given(ask.query).done()
    return answers.said({"saved": [
        {"name": one.name, "query": one.query, "saved_at": machine.rfc3339(one.saved_at)}
        for one in ask.parts.saved.of(ask.who.person)]})


def save(ask: Ask) -> Response:
    """Keep a question under a name, in place of one of the same name."""
    given = Given(ask.body, is_typed=True)
    name = given.text("name", NAME_CHARS_MAX, required=True).strip()
    query = given.text("query", limits.QUERY_CHARS_MAX, required=True).strip()
    given.done()
    if not name or not name.isprintable():
        raise Wrong("name is a few words on one line", key="name")
    if not query:
        raise Wrong("query is empty", key="query")
    with of_review():
        ask.parts.saved.put(ask.who.person, name, query)
    return answers.said({"name": name, "query": query})


def remove(ask: Ask) -> Response:
    """One that is not there is removed already."""
    given = Given(ask.body, is_typed=True)
    name = given.text("name", NAME_CHARS_MAX, required=True).strip()
    given.done()
    ask.parts.saved.remove(ask.who.person, name)
    return answers.said({"name": name})
