"""What an error of the API looks like: `application/problem+json` (RFC 9457).

Owns the words. What is not there and what is somebody else's have the same ones, byte for byte; an
error that nobody wrote for the caller says nothing of what it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from schemas.errors import Denied, QueryError, Refused
from search.index import TooBroad
from search.review.leases import Taken
from search.review.recent import FormReused
from search.web.security import FILE_POLICY

MEDIA_TYPE: Final = "application/problem+json"
_SAID: Final[Mapping[HTTPStatus, tuple[str, str]]] = {
    HTTPStatus.BAD_REQUEST: ("input", "The request cannot be read."),
    HTTPStatus.UNAUTHORIZED: ("sign_in", "Send a service token: Authorization: Bearer cf_…"),
    HTTPStatus.FORBIDDEN: ("denied", "You may not do this. It was recorded that you asked."),
    HTTPStatus.NOT_FOUND: ("not_found", "There is nothing here, or nothing that you may see."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method", "There is no such method at this address."),
    HTTPStatus.CONFLICT: ("conflict", "It cannot be done as things are now."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("too_large", "The body holds more than is accepted."),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: (
        "media_type", "Send the body as JSON: Content-Type: application/json"),
    HTTPStatus.UNPROCESSABLE_ENTITY: ("query", "The query cannot be answered."),
    HTTPStatus.TOO_MANY_REQUESTS: ("too_many", "Too many requests. Wait, and try again."),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        "failed", "Something went wrong here. The operator finds the reason in the log."),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "unavailable", "A part of the system cannot be reached. Try again in a minute."),
}


class Wrong(Refused):
    """The caller's input is wrong in a way that he is told. `more`: members of the problem."""

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST,
                 code: str = "", **more: str | int) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.more = more


def problem(status: HTTPStatus, detail: str = "", code: str = "", **more: str | int) -> Response:
    """The answer. `code`: what a program tells errors apart by."""
    known, said = _SAID.get(status, _SAID[HTTPStatus.INTERNAL_SERVER_ERROR])
    body: dict[str, Any] = {"type": "about:blank", "title": status.phrase, "status": status.value,
                            "code": code or known, "detail": detail or said, **more}
    headers = {"content-security-policy": FILE_POLICY}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = 'Bearer realm="counterfoil"'
    return Response(json.dumps(body, ensure_ascii=False, separators=(",", ":")), status.value,
                    media_type=MEDIA_TYPE, headers=headers)


@contextmanager
def of_query() -> Iterator[None]:
    """What a question is refused with was written for whoever asks. Denied, Missing and TooBroad
    say the same as everywhere."""
    try:
        yield
    except QueryError as error:
        raise Wrong(error.message, HTTPStatus.UNPROCESSABLE_ENTITY, "query",
                    position=error.position) from error
    except (Denied, TooBroad):
        raise
    except Refused as error:
        # A page cursor that is none: the one other thing that a question can be refused for.
        raise Wrong("this is no cursor of an answer to this question") from error


@contextmanager
def of_review(status: HTTPStatus = HTTPStatus.CONFLICT) -> Iterator[None]:
    """What an act, a report or a dry run is refused with was written for whoever asked for it.
    Denied, Missing and TooBroad say the same as everywhere."""
    try:
        yield
    except (Denied, TooBroad, Wrong):
        raise
    except (Taken, FormReused) as error:
        code = "taken" if isinstance(error, Taken) else "key_reused"
        raise Wrong(str(error), HTTPStatus.CONFLICT, code) from error
    except Refused as error:
        raise Wrong(str(error), status) from error
