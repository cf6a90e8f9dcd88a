"""Breaking the glass, which takes two people, and what somebody may see, in words.

Owns that these are calls of people: a program's token sees none of it and opens nothing, for
anybody.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from schemas.errors import Denied
from search import machine
from search.access import breakglass
from search.access.breakglass import KeptOut, Request
from search.access.sessions import TOKEN
from search.web.api import answers
from search.web.api.given import Given
from search.web.api.office import oversight
from search.web.api.problems import Wrong, of_review, problem
from search.web.ask import Ask
from search.web.oversight import GlassPort
from search.web.pages.access import KINDS

EVERYTHING: Final = "everything"
# What stands before the colon.
NAMED: Final = tuple(kind for kind, _ in KINDS if kind != EVERYTHING)
WALL_CHARS_MAX: Final = 200
REFUSED: Final = "refused"
ENDED: Final = "ended"


def access(ask: Ask) -> Response:
    """What the caller may do, whose messages they see, and what is kept from them, in words; and
    the requests that wait or are open: their own, or everybody's for who may approve."""
    Given(ask.query).done()
    glass = _glass(ask)
    words, requests = glass.words(ask.who), glass.requests(ask.who)
    return answers.said({**{name: list(words[name]) for name in ("may", "sees", "kept")},
                         "requests": [_request(one) for one in requests]})


def request(ask: Ask) -> Response:
    """Ask for more, for a time."""
    given = Given(ask.body, is_typed=True)
    what = given.text("what", breakglass.WHAT_CHARS_MAX, required=True).strip()
    reason = given.text("reason", breakglass.REASON_CHARS_MAX, required=True).strip()
    minutes = given.whole("minutes", 1, breakglass.MINUTES_MAX)
    walls = given.texts("walls", breakglass.WALLS_MAX, WALL_CHARS_MAX)
    privileged = given.flag("privileged")
    given.done()
    kind, _, name = what.partition(":")
    if what != EVERYTHING and (kind not in NAMED or not name.strip()):
        raise Wrong(f"what is {EVERYTHING}, or one of {', '.join(NAMED)} with a colon and which: "
                    "custodian:ID", key="what")
    if len(reason) < breakglass.REASON_CHARS_MIN:
        raise Wrong(f"reason has at least {breakglass.REASON_CHARS_MIN} characters", key="reason")
    if minutes is None:
        raise Wrong("minutes is missing", key="minutes")
    with of_review():
        asked = _glass(ask).ask(ask.who, what, reason, minutes, walls, privileged=privileged)
    return answers.said(_request(asked))


def approve(ask: Ask) -> Response:
    """The second person opens it."""
    Given(ask.body, is_typed=True).done()
    request_id = ask.params["request"]
    try:
        with of_review():
            opened = _glass(ask).approve(ask.who, request_id)
    except KeptOut as error:
        ask.record_denial("wall", request=request_id)
        return problem(HTTPStatus.FORBIDDEN, str(error))
    return answers.said(_request(opened))


def refuse(ask: Ask) -> Response:
    """The second person says no."""
    given = Given(ask.body, is_typed=True)
    reason = given.text("reason", breakglass.REASON_CHARS_MAX).strip()
    given.done()
    request_id = ask.params["request"]
    with of_review():
        _glass(ask).refuse(ask.who, request_id, reason)
    return answers.said({"request": request_id, "state": REFUSED})


def end(ask: Ask) -> Response:
    """Close what is open, or take a request back."""
    Given(ask.body, is_typed=True).done()
    request_id = ask.params["request"]
    with of_review():
        _glass(ask).end(ask.who, request_id)
    return answers.said({"request": request_id, "state": ENDED})


def person_only(ask: Ask) -> None:
    """Raises Denied for a program's token: what is asked for is a person's own."""
    if ask.session.how == TOKEN:
        raise Denied("only a person may do that, not a token")


def _glass(ask: Ask) -> GlassPort:
    person_only(ask)
    return oversight(ask).glass


def _request(one: Request) -> dict[str, Any]:
    return {
        "request": one.request_id, "state": one.state, "person": one.person, "what": one.what,
        "reason": one.reason, "minutes": one.minutes, "walls": list(one.walls),
        "privileged": one.privileged, "asked_at": machine.rfc3339(one.asked_at),
        "second": one.second or None, "until": machine.rfc3339(one.until),
    }
