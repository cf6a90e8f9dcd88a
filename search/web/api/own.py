"""Who one is here, and what there is: `/me` and the description of the API."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Final

from starlette.responses import Response

from search import machine
from search.access.sessions import TOKEN
from search.web.api import answers
from search.web.api.given import Given
from search.web.ask import Ask
from search.web.security import FILE_POLICY

FILE: Final = "openapi.json"


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


def openapi(_ask: Ask) -> Response:
    """The description, as it is in docs/interface (a test compares them)."""
    return Response(description(), media_type="application/json",
                    headers={"content-security-policy": FILE_POLICY})


@lru_cache(maxsize=1)
def description() -> bytes:
    """The file's bytes."""
    return resources.files("search.web.api").joinpath(FILE).read_bytes()
