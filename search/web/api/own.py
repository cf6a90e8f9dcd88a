"""Who one is here, where one is signed in, and what there is: `/me`, and the description of the
API.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Final

from starlette.responses import Response

from schemas.errors import Missing
from search import machine
from search.access.sessions import TOKEN
from search.web.api import answers
from search.web.api.given import Given
from search.web.api.glass import person_only
from search.web.ask import Ask
from search.web.security import FILE_POLICY

FILE: Final = "openapi.json"
SESSION_CHARS_MAX: Final = 64
OTHERS: Final = "others"


def me(ask: Ask) -> Response:
    """Who calls, with what rights, until when."""
    Given(ask.query).done()
    live, who = ask.session, ask.who
    return answers.said({
        "person": who.person, "name": ask.parts.name(who.person), "how": live.how,
        "session": live.session, "until": machine.rfc3339(live.until),
        "capabilities": sorted(who.may), "pseudonyms": who.pseudonyms,
        # What a page of ours sends back in X-CSRF-Token; a token needs none.
        "csrf": None if live.how == TOKEN else ask.csrf})


def sessions(ask: Ask) -> Response:
    """Where the caller is signed in, the newest first."""
    Given(ask.query).done()
    person_only(ask)
    return answers.said({"sessions": [
        {"session": one.session, "is_this": one.session == ask.session.session, "how": one.how,
         "began_at": machine.rfc3339(one.began_at), "seen_at": machine.rfc3339(one.seen_at),
         "until": machine.rfc3339(one.until), "address": one.address, "agent": one.agent}
        for one in ask.parts.account.sessions(ask.session)]})


def end_sessions(ask: Ask) -> Response:
    """End one of them, or all but this one."""
    given = Given(ask.body, is_typed=True)
    which = given.text("session", SESSION_CHARS_MAX, required=True)
    given.done()
    person_only(ask)
    account = ask.parts.account
    if which == OTHERS:
        return answers.said({"ended": account.end_others(ask.session, ask.origin)})
    if not account.end_session(ask.session, which, ask.origin):
        raise Missing("no such session")
    return answers.said({"ended": 1})


def openapi(_ask: Ask) -> Response:
    """The description, as it is in docs/interface (a test compares them)."""
    return Response(description(), media_type="application/json",
                    headers={"content-security-policy": FILE_POLICY})


@lru_cache(maxsize=1)
def description() -> bytes:
    """The file's bytes."""
    return resources.files("search.web.api").joinpath(FILE).read_bytes()
