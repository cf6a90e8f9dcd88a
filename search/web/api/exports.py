"""Exports: ask for one, agree to it, have it made, get it, and say who got it.

Owns the JSON of a selection and of an export. A token does none of this: who takes messages out of
the archive, and who agrees to it, are people (`search/access/tokens.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from schemas.errors import Missing, QueryError, Refused
from schemas.limits import QUERY_CHARS_MAX
from search import machine
from search.export.granted import Preview
from search.export.wanted import CONTEXT_MAX, FORMATS, INCLUDE, WITHHOLD, Wanted, formats_of
from search.web.api import answers
from search.web.api.given import Given, id_of
from search.web.api.office import oversight
from search.web.api.problems import Wrong, of_review
from search.web.ask import Ask
from search.web.exporting import VALUE_CHARS_MAX, VALUES_MAX, WORDS_CHARS_MAX, ExportsPort
from search.web.exporting import ExportView as View
from search.web.exporting import Given as HandedOver
from search.web.pages import exports as pages

HOLD_CHARS_MAX: Final = 64
ZONE_CHARS_MAX: Final = 60
PART_CHARS_MAX: Final = 400


def every(ask: Ask) -> Response:
    """Every export there ever was, the youngest first."""
    Given(ask.query).done()
    found, problems = _port(ask).every(ask.who)
    return answers.said({"exports": [_export(one) for one in found], "problems": list(problems)})


def one(ask: Ask) -> Response:
    """One of them."""
    Given(ask.query).done()
    return answers.said(_export(_port(ask).one(ask.who, _id(ask))))


def preview(ask: Ask) -> Response:
    """How much it would be."""
    wanted = _wanted(ask)
    with _of_selection():
        return answers.said(_preview(_port(ask).preview(ask.who, wanted)))


def request(ask: Ask) -> Response:
    """Ask for it."""
    wanted = _wanted(ask)
    with _of_selection():
        return answers.said(_export(_port(ask).request(ask.who, wanted)))


def approve(ask: Ask) -> Response:
    """The second person agrees."""
    given = Given(ask.body, is_typed=True)
    note = given.text("note", WORDS_CHARS_MAX).strip()
    given.done()
    with of_review():
        return answers.said(_export(_port(ask).approve(ask.who, _id(ask), note)))


def refuse(ask: Ask) -> Response:
    """No; or whoever asked takes it back."""
    given = Given(ask.body, is_typed=True)
    reason = given.text("reason", WORDS_CHARS_MAX, required=True).strip()
    given.done()
    with of_review():
        return answers.said(_export(_port(ask).refuse(ask.who, _id(ask), reason)))


def make(ask: Ask) -> Response:
    """Begin the package, or go on."""
    Given(ask.body, is_typed=True).done()
    with of_review():
        return answers.said(_export(_port(ask).make(ask.who, _id(ask))))


def hand_over(ask: Ask) -> Response:
    """Who got it."""
    given = Given(ask.body, is_typed=True)
    said = HandedOver(
        given.text("to", PART_CHARS_MAX, required=True),
        given.text("how", PART_CHARS_MAX, required=True),
        given.text("note", WORDS_CHARS_MAX), given.text("file", PART_CHARS_MAX),
        given.text("file_sha256", 64))
    given.done()
    with of_review():
        return answers.said(_export(_port(ask).hand_over(ask.who, _id(ask), said)))


def package(ask: Ask) -> Response:
    """The package as one zip file."""
    Given(ask.query).done()
    _id(ask)
    with of_review():
        return pages.package(ask)


def _wanted(ask: Ask) -> Wanted:
    given, zone = Given(ask.body, is_typed=True), ask.parts.settings.zone.info
    terms = _port(ask).terms(ask.who)
    formats = given.texts("formats", len(FORMATS), 20)

    def several(name: str) -> tuple[str, ...]:
        return tuple(sorted(set(given.texts(name, VALUES_MAX, VALUE_CHARS_MAX))))

    def words(name: str) -> str:
        return given.text(name, WORDS_CHARS_MAX).strip()

    try:
        made = Wanted(
            query=given.text("query", QUERY_CHARS_MAX).strip(), ids=several("ids"),
            conversations=several("conversations"), custodians=several("custodians"),
            matter=words("matter"), title=words("title"), basis=words("basis"),
            hold=given.text("hold", HOLD_CHARS_MAX),
            since=given.moment("since", zone), until=given.moment("until", zone),
            context=given.whole("context", 0, CONTEXT_MAX) or 0,
            privileged=INCLUDE if given.flag("privileged") else WITHHOLD,
            formats=formats_of(formats),
            zone=given.text("zone", ZONE_CHARS_MAX) or terms.zone, prefix=terms.prefix)
    except Wrong:
        raise
    except Refused as error:
        raise Wrong(str(error)) from error
    given.done()
    return made


@contextmanager
def _of_selection() -> Iterator[None]:
    """What a selection is refused with was written for whoever made it."""
    try:
        with of_review(HTTPStatus.UNPROCESSABLE_ENTITY):
            yield
    except Missing as error:
        raise Wrong(str(error), HTTPStatus.UNPROCESSABLE_ENTITY) from error
    except Wrong as error:
        if isinstance(error.__cause__, QueryError):
            raise Wrong(error.__cause__.message, HTTPStatus.UNPROCESSABLE_ENTITY, "query",
                        position=error.__cause__.position) from error
        raise


def _preview(found: Preview) -> dict[str, Any]:
    return {
        "matched": found.matched, "context": found.context, "withheld": dict(found.withheld),
        "conversations": found.conversations, "custodians": found.custodians,
        "events": found.events, "files": found.files, "bytes_estimate": found.bytes_estimate,
        "since": machine.rfc3339(found.since), "until": machine.rfc3339(found.until),
        "warnings": list(found.warnings)}


def _export(one: View) -> dict[str, Any]:
    return {
        "export": one.export_id, "title": one.title, "state": one.state, "words": one.words,
        "requested_by": one.requested_by, "requested_at": machine.rfc3339(one.requested_at),
        "request": one.request, "needs_approval": one.needs_approval,
        "asked": [{"what": what, "value": value} for what, value in one.asked],
        "approved_by": one.approved_by or None,
        "approved_until": machine.rfc3339(one.approved_until),
        "refused_by": one.refused_by or None, "reason": one.reason or None,
        "counted": one.counted or None, "manifest_sha256": one.manifest_sha256 or None,
        "making": one.making or None, "percent": one.percent, "problem": one.problem or None,
        "may": [name for name, may in (
            ("approve", one.may_approve), ("refuse", one.may_refuse), ("make", one.may_make),
            ("download", one.may_load), ("hand_over", one.may_hand_over)) if may],
        "custody": [{**row, "at": machine.rfc3339(row["at"])} for row in one.custody]}


def _id(ask: Ask) -> str:
    return id_of(ask.params["export"])


def _port(ask: Ask) -> ExportsPort:
    found = oversight(ask).exports
    if found is None:
        raise Missing("no exports here")
    return found
