"""The audit: who did what, narrowed and paged by its address; and the same as a sheet."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from schemas.errors import Refused
from search import trailwords
from search.access import roles
from search.trail import GROUPS, Record, TrailPage, Wanted
from search.web import csvtext, dates
from search.web.ask import Ask

LIMIT: Final = 50
_PERSON_CHARS_MAX: Final = 200
_ACTION_CHARS_MAX: Final = 32
_ID: Final = frozenset("0123456789abcdef")
_FIELDS: Final = ("person", "action", "records", "document", "since", "until")
_COLUMNS: Final = ("time (UTC)", "person", "what", "records", "action", "message", "typed",
                   "details", "id")


def show(ask: Ask) -> Response:
    """The page."""
    said = {name: ask.text(name, _PERSON_CHARS_MAX).strip() for name in _FIELDS}
    try:
        wanted = _wanted(ask, said)
        page = ask.parts.watch.trail.page(ask.who, wanted, LIMIT, ask.text("after", 60) or None)
    except Refused as error:
        return ask.page("audit.html", "Audit", HTTPStatus.UNPROCESSABLE_ENTITY, said=said,
                        page=TrailPage((), None), rows=(), error=str(error), **_choices(ask))
    rows = [(one, trailwords.sentence(one), trailwords.particulars(one)) for one in page.records]
    return ask.page("audit.html", "Audit", said=said, page=page, rows=rows, error="",
                    **_choices(ask))


def sheet(ask: Ask) -> Response:
    """The records that the filters leave, as CSV."""
    said = {name: ask.text(name, _PERSON_CHARS_MAX).strip() for name in _FIELDS}
    found, is_whole = ask.parts.watch.trail.download(ask.who, _wanted(ask, said))
    rows = [_row(one, ask.parts.name(one.person)) for one in found]
    if not is_whole:
        rows.append(("", "", "there are more: narrow it by days", *[""] * (len(_COLUMNS) - 3)))
    return Response(csvtext.table(_COLUMNS, rows), media_type="text/csv; charset=utf-8", headers={
        "content-disposition": 'attachment; filename="audit.csv"'})


def _wanted(ask: Ask, said: dict[str, str]) -> Wanted:
    document = said["document"].lower()
    if document and (len(document) != 32 or not set(document) <= _ID):
        raise Refused("a message's id has 32 digits and letters a to f")
    if said["records"] and said["records"] not in GROUPS:
        raise Refused("there are no such records")
    if len(said["action"]) > _ACTION_CHARS_MAX:
        raise Refused("there is no such action")
    since, until = dates.span(said["since"], said["until"], ask.zone)
    return Wanted(said["person"], said["action"], said["records"], since, until, document)


def _choices(ask: Ask) -> dict[str, Any]:
    return {"groups": tuple(GROUPS), "actions": trailwords.ACTIONS, "name": ask.parts.name,
            "may_view": roles.VIEW in ask.who.may}


def _row(one: Record, person: str) -> tuple[str, ...]:
    at = datetime.fromtimestamp(one.at / 1000, UTC)
    return (f"{at:%Y-%m-%d %H:%M:%S}", one.person, trailwords.spoken(one, person), one.kind,
            one.action, one.document, one.text or "",
            "; ".join(f"{name}: {value}" for name, value in trailwords.particulars(one)),
            one.record_id)
