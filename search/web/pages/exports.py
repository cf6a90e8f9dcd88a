"""Exports: who asked for what, who agrees, the package, and who got it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from starlette.responses import Response, StreamingResponse

from schemas.errors import Denied, Missing, QueryError, Refused
from schemas.limits import QUERY_CHARS_MAX
from search.export import wording
from search.export.granted import Preview
from search.export.wanted import CONTEXT_MAX, FORMATS, Wanted
from search.index import TooBroad
from search.web import dates
from search.web.api.given import is_id
from search.web.ask import Ask, sentence
from search.web.exporting import (
    FORMAT_WORDS,
    RUNNING,
    ExportsPort,
    ExportView,
    Given,
    of_form,
)
from search.web.security import FILE_POLICY

# How often a browser asks again how far a package is, s.
_AGAIN_S: Final = 4
_TOKEN_CHARS_MAX: Final = 64
_DONE: Final = {
    "asked": "Your request is on record.", "approved": "You agreed. It is on record.",
    "refused": "The request is refused. No package is made of it.",
    "given": "The hand-over is on record."}
_FIELDS: Final = (
    "query", "conversations", "custodians", "ids", "hold", "since", "until", "context",
    "privileged", "matter", "title", "basis", "zone", *(f"format-{one}" for one in FORMATS))


def show(ask: Ask) -> Response:
    """Every export there ever was."""
    found, problems = _port(ask).every(ask.who)
    return ask.page("exports.html", "Exports", exports=found, problems=problems,
                    name=ask.parts.name, terms=_port(ask).terms(ask.who))


def form(ask: Ask) -> Response:
    """The form, filled in from the search or conversation that one comes from."""
    said = {"query": ask.text("q", QUERY_CHARS_MAX),
            "conversations": ask.text("conversation", _TOKEN_CHARS_MAX),
            **{f"format-{one}": "yes" for one in FORMATS}}
    return _form(ask, said)


def preview(ask: Ask) -> Response:
    """How much it would be; nothing is asked for yet."""
    try:
        wanted = _wanted(ask)
        found = _port(ask).preview(ask.who, wanted)
    except (QueryError, TooBroad, Missing, Refused) as error:
        return _form(ask, ask.form, error)
    return _form(ask, ask.form, found=found, wanted=wanted)


def request(ask: Ask) -> Response:
    """Ask for it."""
    try:
        made = _port(ask).request(ask.who, _wanted(ask))
    except (QueryError, TooBroad, Missing, Refused) as error:
        return _form(ask, ask.form, error)
    return ask.go(f"/exports/{made.export_id}?done=asked")


def one(ask: Ask) -> Response:
    """One export."""
    return _one(ask, _port(ask).one(ask.who, _id(ask)))


def decide(ask: Ask) -> Response:
    """The second person's word; or whoever asked takes it back."""
    decision, reason = ask.form.get("decision"), ask.form.get("reason", "")
    if decision not in ("approve", "refuse"):
        raise Refused("choose one of the two")
    port = _port(ask)
    act = port.approve if decision == "approve" else port.refuse
    return _acted(ask, lambda: act(ask.who, _id(ask), reason),
                  "approved" if decision == "approve" else "refused")


def make(ask: Ask) -> Response:
    """Begin, or go on."""
    return _acted(ask, lambda: _port(ask).make(ask.who, _id(ask)), "")


def hand_over(ask: Ask) -> Response:
    """Who got it."""
    given = Given(*(ask.form.get(name, "").strip() for name in (
        "to", "how", "note", "file", "file_sha256")))
    return _acted(ask, lambda: _port(ask).hand_over(ask.who, _id(ask), given), "given")


def package(ask: Ask) -> Response:
    """The package as one file."""
    found = _port(ask).package(ask.who, _id(ask))
    return StreamingResponse(found.pieces, media_type="application/zip", headers={
        "content-disposition": f'attachment; filename="{found.name}"',
        "content-security-policy": FILE_POLICY})


def _acted(ask: Ask, act: Callable[[], ExportView], done: str) -> Response:
    try:
        act()
    except (Denied, Missing):
        raise
    except Refused as error:
        return _one(ask, _port(ask).one(ask.who, _id(ask)), sentence(str(error)),
                    HTTPStatus.UNPROCESSABLE_ENTITY)
    return ask.go(f"/exports/{_id(ask)}" + (f"?done={done}" if done else ""))


def _one(ask: Ask, found: ExportView, error: str = "",
         status: int = HTTPStatus.OK) -> Response:
    response = ask.page(
        "exportone.html", f"Export: {(found.title or found.export_id[:8])[:60]}", status,
        one=found, error=error, said=ask.form, name=ask.parts.name,
        done=_DONE.get(ask.text("done"), ""))
    if found.making == RUNNING:
        # In a header, as for a dry run: the page itself does not move while somebody reads it.
        response.headers["refresh"] = str(_AGAIN_S)
    return response


def _form(ask: Ask, said: Mapping[str, str], error: Exception | None = None,
          found: Preview | None = None, wanted: Wanted | None = None) -> Response:
    if isinstance(error, Denied):
        raise error
    words = error.message if isinstance(error, QueryError) else str(error) if error else ""
    return ask.page(
        "exportnew.html", "Ask for an export",
        HTTPStatus.OK if error is None else HTTPStatus.UNPROCESSABLE_ENTITY, said=said,
        error=sentence(words) if words else "", found=found, terms=_port(ask).terms(ask.who),
        fields=_FIELDS, formats=FORMAT_WORDS, context_max=CONTEXT_MAX,
        asked=wording.lines(wanted) if wanted else (), size=wording.size)


def _wanted(ask: Ask) -> Wanted:
    terms = _port(ask).terms(ask.who)
    times = dates.span(ask.form.get("since", ""), ask.form.get("until", ""),
                       # An export's days are the firm's, whoever asks.
                       ask.parts.settings.zone)
    return of_form(ask.form, times, terms)


def _id(ask: Ask) -> str:
    found = ask.params["export"]
    if not is_id(found):
        raise Missing("no export")
    return found


def _port(ask: Ask) -> ExportsPort:
    found = ask.parts.watch.exports
    assert found is not None, "a console without exports"
    return found
